//! The files of Connectors, made from a folder of manifests.

use anyhow::Context as _;
use connectors_core::{ConnectorRef, SecretValue};
use connectors_crd::configurations::{self, ConfigurationError, Context, File, Files, Mounted, Params, Selection};
use connectors_crd::{Connector, ConnectorProxyStatus, ConnectorStatus, ResolvedAddress};
use connectors_standalone::Directory;
use connectors_standalone::state::State;

use crate::args::ConfigurationArgs;
use crate::proxy_address::ProxyAddress;
use crate::{absence, logging};

/// For whoever hasn't asked for the files that can't be had.
pub(crate) const WAY_OUT: &str = "--configuration NAME chooses among the class's configurations, --configuration '' leaves all of them out";

/// What files are made of.
pub(crate) struct Volume<'a> {
    pub(crate) directory: &'a Directory,
    pub(crate) connectors: &'a [ConnectorRef],
    pub(crate) token: &'a SecretValue,
    pub(crate) proxy: &'a ProxyAddress,
    /// Has the CA.
    pub(crate) state: &'a State,
    /// What is reached directly.
    pub(crate) no_proxy: &'a str,
}

impl Volume<'_> {
    /// The files that were asked for; if no configuration was named, those of all configurations that need no parameter that isn't given, but for those that were left out,
    /// and `None` if there are none or a class can't be used, since then whoever runs a command has not asked for more than a proxy.
    pub(crate) fn wanted(&self, arguments: &ConfigurationArgs) -> anyhow::Result<Option<Files>> {
        let items = || arguments.configuration.iter().flatten().map(String::as_str);
        // An empty item is none of them.
        if items().any(|item| !item.trim_start().starts_with('!')) {
            return self.files(&selection(arguments)?).map(Some);
        }
        let selection = Selection::all_but(items(), params(arguments)?).context("--configuration")?;
        let explicit = arguments.params.is_some();
        match self.render(&selection) {
            Ok(files) => Ok(files.files.iter().any(File::is_of_class).then_some(files)),
            Err(Failure::NoClass(_) | Failure::Configuration(ConfigurationError::Class { .. })) if !explicit => Ok(None),
            Err(failure) => Err(failure.into_error()).context(WAY_OUT),
        }
    }

    /// The files of these configurations. Says so on standard error where one of several isn't there.
    pub(crate) fn files(&self, selection: &Selection) -> anyhow::Result<Files> {
        let files = self.render(selection).map_err(Failure::into_error)?;
        for name in &files.missing {
            logging::remark(&format!("no class of these Connectors has a configuration {name:?}"));
        }
        Ok(files)
    }

    fn render(&self, selection: &Selection) -> Result<Files, Failure> {
        let all = self.directory.connectors();
        let mut found = Vec::new();
        for name in self.connectors {
            let is_it = |connector: &&Connector| connector.metadata.namespace == name.namespace() && connector.metadata.name == name.name();
            let connector = all.iter().find(is_it).ok_or_else(|| Failure::Other(absence::error(&format!("Connector {name}"), self.directory)))?;
            let class_name = &connector.spec.connector_class_name;
            let class = self.directory.class(class_name);
            let class = class.ok_or_else(|| Failure::NoClass(absence::error(&format!("ConnectorClass {class_name}"), self.directory)))?;
            found.push((self.reached(connector, name), class));
        }
        let ca = self.state.ca_certificate();
        let ca_cert = std::fs::read_to_string(&ca).with_context(|| format!("cannot read {}", ca.display())).map_err(Failure::Other)?;
        let class_proxy = self.proxy.url();
        let mounted: Vec<Mounted<'_>> = found.iter().map(|(connector, class)| Mounted { connector, class, class_proxy: &class_proxy }).collect();
        let context = Context { token: self.token, ca_cert: &ca_cert, no_proxy: self.no_proxy };
        configurations::render(&mounted, selection, &context).map_err(Failure::Configuration)
    }

    /// The Connector, with the address by which it is reached on this machine.
    fn reached(&self, connector: &Connector, name: &ConnectorRef) -> Connector {
        let mut connector = connector.clone();
        let snapshot = self.directory.snapshot().load_full();
        let resolver = snapshot.connector(name).map(|resolved| resolved.resolver).unwrap_or_default();
        let url = self.proxy.of(name, resolver);
        let status = connector.status.get_or_insert_with(ConnectorStatus::default);
        status.proxy = Some(ConnectorProxyStatus { http_address: ResolvedAddress { url, ..ResolvedAddress::default() } });
        connector
    }
}

/// What the flags choose, as a volume would; without `--configuration` the built-in files alone.
pub(crate) fn selection(arguments: &ConfigurationArgs) -> anyhow::Result<Selection> {
    let names = arguments.configuration.iter().flatten().map(String::as_str);
    Selection::new(names, params(arguments)?).context("--configuration")
}

fn params(arguments: &ConfigurationArgs) -> anyhow::Result<Params> {
    Params::parse(arguments.params.as_deref().unwrap_or_default()).context("--params")
}

/// Why there are no files.
enum Failure {
    NoClass(anyhow::Error),
    Configuration(ConfigurationError),
    Other(anyhow::Error),
}

impl Failure {
    fn into_error(self) -> anyhow::Error {
        match self {
            Self::NoClass(error) | Self::Other(error) => error,
            Self::Configuration(error) => error.into(),
        }
    }
}
