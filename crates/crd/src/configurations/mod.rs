//! The files that a workload gets: what a class's `spec.configurations` make of the Connectors of a volume, and the built-in ones.
//!
//! A [`Selection`] is what a volume says (`configuration.names` and `configuration.params`), a [`Mounted`] a Connector with its class, [`render`] makes
//! the files of both. Nothing here reads or writes anything: whoever calls has the objects, the token and the CA, and puts the files where they belong. The same objects make
//! the same files, unless a template asks for the time, for chance or for new keys (`now`, `rand*`, `uuidv4`, `genCA` and the like), which templates of files may.

mod builtin;
mod data;
mod error;
mod params;
mod selection;
mod template;
#[cfg(test)]
mod tests;

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::fmt;

use connectors_core::SecretValue;
use connectors_expr::FileData;
use serde_json::Value;

pub use error::ConfigurationError;
pub use selection::{Params, Selection};
pub(crate) use template::Templates;

use crate::{CheckedClass, Configuration, Connector, closest};

/// The most bytes that the files of one volume have together. A Secret, which is where such files were before, holds 1 MiB.
pub const MAX_BYTES: usize = 16 << 20;

/// The most files that a class has in its configurations, and that are rendered for one volume. Each may take as long as a template may.
pub const MAX_FILES: usize = 128;

/// The value of `no_proxy` in the built-in `.env`.
pub const NO_PROXY: &str = "localhost,127.0.0.1";

/// A Connector of a volume.
#[derive(Debug, Clone, Copy)]
pub struct Mounted<'a> {
    /// The Connector; `status.proxy.httpAddress.url` is where workloads reach it.
    pub connector: &'a Connector,
    /// Its class.
    pub class: &'a CheckedClass,
    /// Where the class's proxy is: an `http` URL. Empty if it has none.
    pub class_proxy: &'a str,
}

/// What files are made of, besides objects.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The workload's token for the proxy.
    pub token: &'a SecretValue,
    /// The certificate of the CA that the proxy intercepts with, PEM; empty if it doesn't.
    pub ca_cert: &'a str,
    /// Hosts that are reached directly, for the built-in `.env`: [`NO_PROXY`], unless the proxy itself has to be reached by such a name.
    pub no_proxy: &'a str,
}

/// One file.
pub struct File {
    /// Its name: one segment of a path, without `..`.
    pub name: String,
    /// What is in it.
    pub content: SecretValue,
    /// Who it is from.
    pub source: Source,
}

/// Who a file is from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// There for every Connector, and without a secret in it.
    Public,
    /// There for every Connector, and with the token in it.
    BuiltIn,
    /// A configuration of a class. What its template has put in is not known here, so it counts as secret.
    Class {
        /// The class.
        class: String,
        /// The configuration.
        configuration: String,
    },
}

/// The files of a volume, sorted by name.
#[derive(Debug)]
pub struct Files {
    /// The files.
    pub files: Vec<File>,
    /// Names that were asked for and that no class has; some other name was found, or this would be an error.
    pub missing: Vec<String>,
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("File").field("name", &self.name).field("content", &self.content).field("source", &self.source).finish()
    }
}

impl File {
    /// Whether a class has made it.
    pub fn is_of_class(&self) -> bool {
        matches!(self.source, Source::Class { .. })
    }

    /// Whether nobody but the workload may read it.
    pub fn is_secret(&self) -> bool {
        self.source != Source::Public
    }
}

/// Renders the files of a volume.
///
/// Built-in files come first, then the chosen configurations in the order of their names; of two files of the same name the later one counts, and exclusions
/// apply last. A configuration that several Connectors' classes have is rendered once for each class, with that class's Connectors; the class of the Connector that is named
/// last counts, as it does for the proxy in the built-in files.
///
/// # Errors
/// [`ConfigurationError`]; there are either all files or none.
pub fn render(mounted: &[Mounted<'_>], selection: &Selection, context: &Context<'_>) -> Result<Files, ConfigurationError> {
    let Some(last) = mounted.last() else { return Err(ConfigurationError::NoConnector) };
    let classes = classes(mounted);
    for group in &classes {
        group.usable()?;
    }
    selection.params().check_names(&classes.iter().flat_map(|group| group.names()).collect::<Vec<_>>())?;
    let mut files = Collected::default();
    for file in builtin::files(mounted, last.class_proxy, context) {
        files.put(file)?;
    }
    let names = chosen(selection, &classes);
    let mut missing = Vec::new();
    for name in &names {
        let mut found = false;
        for group in &classes {
            let Some(configuration) = group.configuration(name) else { continue };
            found = true;
            group.render(configuration, selection.params(), context, &mut files)?;
        }
        if !found {
            missing.push((*name).to_owned());
        }
    }
    if !names.is_empty() && missing.len() == names.len() {
        let known: Vec<String> = classes.iter().flat_map(|group| group.names()).map(str::to_owned).collect();
        let meant = closest(&missing[0], known.iter().map(String::as_str)).map(str::to_owned);
        return Err(ConfigurationError::NoneExists { names: missing, known, meant });
    }
    Ok(Files { files: files.without(selection), missing })
}

/// Whether a file may be called so: one segment of a path, other than `.`, at most 255 bytes, and without `..`, which also names the links by which
/// volumes are swapped.
pub fn is_file_name(name: &str) -> bool {
    !name.is_empty() && name != "." && !name.contains("..") && !name.contains(['/', '\0']) && name.len() <= 255
}

/// The Connectors of one class.
struct Group<'a> {
    class: &'a CheckedClass,
    mounted: Vec<Mounted<'a>>,
    /// What templates see, but for parameters: made with the first file. The inner `None` is one that can't be made.
    data: OnceCell<Option<FileData>>,
}

/// By class. That of the Connector that is named last comes last, so its files and its proxy count.
fn classes<'a>(mounted: &[Mounted<'a>]) -> Vec<Group<'a>> {
    let mut groups: Vec<Group<'a>> = Vec::new();
    for one in mounted {
        let name = &one.class.class().metadata.name;
        let mut group = match groups.iter().position(|group| group.name() == name) {
            Some(at) => groups.remove(at),
            None => Group { class: one.class, mounted: Vec::new(), data: OnceCell::new() },
        };
        group.mounted.push(*one);
        groups.push(group);
    }
    groups
}

/// The names to look for, each once.
fn chosen<'a>(selection: &'a Selection, classes: &'a [Group<'_>]) -> Vec<&'a str> {
    let mut names: Vec<&str> = Vec::new();
    let mut add = |name: &'a str| {
        if !names.contains(&name) {
            names.push(name);
        }
    };
    match selection.names() {
        Some(chosen) => chosen.iter().for_each(|name| add(name)),
        None => {
            for group in classes {
                let complete = |configuration: &&Configuration| params::lacking(configuration, selection.params()).is_none();
                group.class().spec.configurations.iter().filter(complete).for_each(|configuration| add(&configuration.name));
            }
        }
    }
    names
}

impl<'a> Group<'a> {
    fn class(&self) -> &'a crate::ConnectorClass {
        self.class.class()
    }

    fn name(&self) -> &'a str {
        &self.class().metadata.name
    }

    fn names(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.class().spec.configurations.iter().map(|configuration| configuration.name.as_str())
    }

    fn configuration(&self, name: &str) -> Option<&'a Configuration> {
        self.class().spec.configurations.iter().find(|configuration| configuration.name == name)
    }

    fn usable(&self) -> Result<(), ConfigurationError> {
        match self.class.error() {
            None => Ok(()),
            Some(problem) => Err(ConfigurationError::Class { class: self.name().to_owned(), problem: problem.to_string() }),
        }
    }

    fn render(&self, configuration: &Configuration, params: &Params, context: &Context<'_>, files: &mut Collected) -> Result<(), ConfigurationError> {
        let given = Value::Object(params::resolved(self.name(), configuration, params)?);
        let data = self.data.get_or_init(|| data::of(&self.mounted, context)).as_ref().and_then(|data| data::with(data, &given));
        for (name, template) in self.class.rules().templates().of(&configuration.name) {
            files.begin(name)?;
            let (class, configuration) = (self.name().to_owned(), configuration.name.clone());
            let failed = |problem| ConfigurationError::Template { class: class.clone(), configuration: configuration.clone(), file: name.to_owned(), problem };
            let Some(data) = &data else { return Err(failed("the Connector or a parameter is nested too deeply".into())) };
            let content = template::render(template, data, || self.without_token(&given, context)).map_err(failed)?;
            files.put(File { name: name.to_owned(), content, source: Source::Class { class, configuration } })?;
        }
        Ok(())
    }

    /// What templates see, with something else in the token's place.
    fn without_token(&self, given: &Value, context: &Context<'_>) -> Option<FileData> {
        let token = SecretValue::new("[redacted]");
        data::with(&data::of(&self.mounted, &Context { token: &token, ..*context })?, given)
    }
}

/// Files by name.
#[derive(Default)]
struct Collected {
    files: BTreeMap<String, File>,
    bytes: usize,
    rendered: usize,
}

impl Collected {
    /// Counts a file that is about to be rendered, whether it takes another's place or not.
    fn begin(&mut self, name: &str) -> Result<(), ConfigurationError> {
        self.rendered += 1;
        if self.rendered > MAX_FILES { Err(ConfigurationError::TooMany { name: name.to_owned() }) } else { Ok(()) }
    }

    /// Adds a file, in place of one of the same name; the bytes of both count.
    fn put(&mut self, file: File) -> Result<(), ConfigurationError> {
        if !is_file_name(&file.name) {
            return Err(ConfigurationError::FileName { name: file.name });
        }
        self.bytes += file.content.expose().len();
        if self.bytes > MAX_BYTES {
            return Err(ConfigurationError::TooLarge { name: file.name });
        }
        self.files.insert(file.name.clone(), file);
        Ok(())
    }

    fn without(self, selection: &Selection) -> Vec<File> {
        self.files.into_values().filter(|file| !selection.excludes(&file.name)).collect()
    }
}
