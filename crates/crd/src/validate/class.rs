//! Rules of a ConnectorClass.

use std::sync::Arc;

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use crate::configurations::{MAX_FILES, is_file_name};
use crate::probing::{Probes, probe};
use crate::problem::{FieldPath, Problems};
use crate::secret::{BASIC_AUTH, BEARER_TOKEN, required_keys};
use crate::suggest::did_you_mean;
use crate::validate::{Rules, params};
use crate::{AuthProbe, AuthType, ClassApi, ClassProxy, Configuration, ConnectorClass, DestinationRef, PROXY_RESOLVER_ANNOTATION, Problem, is_dns_subdomain};

/// The class's name is the value of a label on its Connectors, and those are at most this long.
const MAX_NAME: usize = 63;

/// Everything that is wrong with a class.
pub fn class(class: &ConnectorClass) -> Vec<Problem> {
    check(class).0
}

/// The same, with its rules and probes as far as they compile.
pub(super) fn check(class: &ConnectorClass) -> (Vec<Problem>, Rules, Probes) {
    let mut found = Problems::default();
    let mut rules = Rules::of(&class.metadata.name);
    let mut probes = Probes::default();
    metadata(class, &mut found);
    let spec = &class.spec;
    addresses(class, &mut found);
    params::specs(&spec.params, &FieldPath::SPEC.key("params"), &mut found);
    auth_types(&spec.auth.types, &FieldPath::SPEC.key("auth").key("types"), &mut rules, &mut found);
    if let Some(liveness) = &spec.liveness_probe {
        probes.liveness = probe(liveness, spec.api.is_some(), &FieldPath::SPEC.key("livenessProbe"), &mut found).map(Arc::new);
    }
    auth_probes(class, &FieldPath::SPEC.key("authProbes"), &mut probes, &mut found);
    if let Some(declared) = &spec.api {
        api(declared, &FieldPath::SPEC.key("api"), &mut found);
    }
    if let Some(declared) = &spec.proxy {
        proxy(declared, &FieldPath::SPEC.key("proxy"), &mut rules, &mut found);
    }
    configurations(&spec.configurations, &FieldPath::SPEC.key("configurations"), &mut rules, &mut found);
    (found.into_vec(), rules, probes)
}

fn metadata(class: &ConnectorClass, found: &mut Problems) {
    let name = class.metadata.name.as_str();
    if name.is_empty() {
        found.error(&FieldPath::METADATA.key("name"), "is required");
    } else if !is_dns_subdomain(name) || name.len() > MAX_NAME {
        found.error(&FieldPath::METADATA.key("name"), "must be 1 to 63 of a-z, 0-9, '-' and '.', starting and ending with a letter or digit");
    }
    if !class.metadata.namespace.is_empty() {
        found.warning(&FieldPath::METADATA.key("namespace"), "is ignored: a ConnectorClass belongs to no namespace");
    }
    if let Some(resolver) = class.metadata.annotations.get(PROXY_RESOLVER_ANNOTATION)
        && !matches!(resolver.as_str(), "host" | "path")
    {
        found.error(&FieldPath::METADATA.key("annotations").key(PROXY_RESOLVER_ANNOTATION), "must be host or path");
    }
}

fn addresses(class: &ConnectorClass, found: &mut Problems) {
    let address = FieldPath::SPEC.key("address");
    params::spec(&class.spec.address, &address, found);
    params::address_default(&class.spec.address, &address, found);

    let extensions = FieldPath::SPEC.key("addressExtensions");
    params::specs(&class.spec.address_extensions, &extensions, found);
    for (index, spec) in class.spec.address_extensions.iter().enumerate() {
        params::address_default(spec, &extensions.index(index), found);
    }
}

fn auth_types(types: &[AuthType], field: &FieldPath<'_>, rules: &mut Rules, found: &mut Problems) {
    params::names(types.iter().map(|auth| auth.name.as_str()), field, "name", found);
    for (index, auth) in types.iter().enumerate() {
        auth_type(auth, &field.index(index), rules, found);
    }
}

fn auth_type(auth: &AuthType, field: &FieldPath<'_>, rules: &mut Rules, found: &mut Problems) {
    let secret_type = field.key("secretType");
    if auth.secret_type.is_empty() {
        found.error(&secret_type, "is required: a Secret type such as kubernetes.io/basic-auth, or Opaque");
    } else if auth.secret_type.contains(|c: char| c.is_whitespace() || c.is_control()) {
        found.error(&secret_type, "must be a Secret type, without blanks");
    } else if required_keys(&auth.secret_type).is_none() && auth.params.is_empty() {
        found
            .error(&field.key("params"), format!("is required, because a Secret of type {:?} may have any keys: name those that are needed", auth.secret_type));
    }
    params::specs(&auth.params, &field.key("params"), found);
    match &auth.generator {
        Some(rego) => rules.add_generator(auth, rego, &field.key("generator"), found),
        None if auth.secret_type.is_empty() || matches!(auth.secret_type.as_str(), BASIC_AUTH | BEARER_TOKEN) => {}
        None => found.warning(
            field,
            format!("injects nothing: only {BASIC_AUTH} and {BEARER_TOKEN} say by themselves how a credential is sent, and there is no generator.rego"),
        ),
    }
}

fn auth_probes(class: &ConnectorClass, field: &FieldPath<'_>, probes: &mut Probes, found: &mut Problems) {
    let list = &class.spec.auth_probes;
    params::names(list.iter().map(|probe| probe.auth_name.as_str()), field, "authName", found);
    for (index, AuthProbe { auth_name, params: declared, probe: wanted }) in list.iter().enumerate() {
        let item = field.index(index);
        if !auth_name.is_empty() && class.auth_type(auth_name).is_none() {
            let names = || class.spec.auth.types.iter().map(|auth| auth.name.as_str()).filter(|name| !name.is_empty());
            let known = names().collect::<Vec<_>>().join(", ");
            let known = if known.is_empty() { "which has none".into() } else { format!("which has {known}") };
            found.error(&item.key("authName"), format!("must name one of spec.auth.types, {known}{}", did_you_mean(auth_name, names())));
        }
        params::specs(declared, &item.key("params"), found);
        if let Some(compiled) = probe(wanted, class.spec.api.is_some(), &item.key("probe"), found) {
            probes.auth.insert(auth_name.clone(), Arc::new(compiled));
        }
    }
}

fn api(api: &ClassApi, field: &FieldPath<'_>, found: &mut Problems) {
    destination(api.reference.as_ref(), &api.uri, &api.ca_certs, field, found);
    if api.permissions.is_some() {
        found.error(&field.key("permissions").key("rego"), "is not supported by this version");
    }
    found.warning(field, "is not served by this version");
}

fn proxy(proxy: &ClassProxy, field: &FieldPath<'_>, rules: &mut Rules, found: &mut Problems) {
    destination(proxy.reference.as_ref(), &proxy.uri, &proxy.ca_certs, field, found);
    if let Some(rego) = &proxy.auth_extractor {
        rules.add_extractor(rego, &field.key("authExtractor"), found);
    }
}

fn destination(reference: Option<&DestinationRef>, uri: &str, ca_certs: &str, field: &FieldPath<'_>, found: &mut Problems) {
    let absolute = uri.starts_with("http://") || uri.starts_with("https://");
    match reference {
        Some(reference) => {
            let target = field.key("ref");
            if reference.kind.is_empty() {
                found.error(&target.key("kind"), "is required: Service, for a Service");
            }
            if reference.name.is_empty() {
                found.error(&target.key("name"), "is required");
            }
        }
        None if uri.is_empty() => found.error(field, "must have ref or uri"),
        None if !absolute => found.error(&field.key("uri"), "must be an absolute http or https URL, because there is no ref to resolve it against"),
        None => {}
    }
    if reference.is_some() && !uri.is_empty() && !absolute && !uri.starts_with('/') {
        found.error(&field.key("uri"), "must be an absolute http or https URL, or a path that begins with '/'");
    }
    if !ca_certs.is_empty()
        && !matches!(CertificateDer::pem_slice_iter(ca_certs.as_bytes()).collect::<Result<Vec<_>, _>>(), Ok(certificates) if !certificates.is_empty())
    {
        found.error(&field.key("CACerts"), "must be PEM certificates");
    }
}

fn configurations(configurations: &[Configuration], field: &FieldPath<'_>, rules: &mut Rules, found: &mut Problems) {
    params::names(configurations.iter().map(|configuration| configuration.name.as_str()), field, "name", found);
    let mut files = 0;
    for (index, configuration) in configurations.iter().enumerate() {
        let item = field.index(index);
        if configuration.name.contains([',', '!']) || configuration.name.trim() != configuration.name {
            found.error(&item.key("name"), "must have no ',' or '!' and no blanks around it, or no volume could ask for it");
        }
        params::any_specs(&configuration.params, &item.key("params"), found);
        let data = item.key("data");
        for name in configuration.data.keys().filter(|name| !is_file_name(name)) {
            found.error(&data.key(name), "must be the name of a file: at most 255 bytes, without '/' and '..', and other than '.'");
        }
        files += configuration.data.len();
        // More are refused, and not compiled for that.
        if files <= MAX_FILES {
            rules.add_files(configuration, &data, found);
        }
    }
    if files > MAX_FILES {
        found.error(field, format!("must have at most {MAX_FILES} files together, but they have {files}"));
    }
}
