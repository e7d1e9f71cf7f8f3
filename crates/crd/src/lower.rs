//! From manifests to what the data path reads.

use std::sync::Arc;

use connectors_core::{self as core, Address, AddressError, ConnectorRef, Extract, InFlight, Injection, NameError, Resolver, TrustRoots, Unready};
use connectors_credentials::{PrepareError, basic, bearer};

use crate::secret::{BASIC_AUTH, BEARER_TOKEN, required_keys};
use crate::{
    AuthType, CheckedClass, Connector, ConnectorClass, PROXY_RESOLVER_ANNOTATION, Problem, Secret, SecretRef, Secrets, ca_certificates, first_error, validate,
};

/// Why there is no Connector at all, not even one that refuses requests.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LowerError {
    /// Its namespace and name can't be those of a Connector.
    #[error("metadata.name is not usable")]
    Name(#[source] NameError),
    /// Its address is none.
    #[error("spec.address is not usable")]
    Address(#[source] AddressError),
}

/// Resolves a Connector: its addresses, its prepared credential, its CAs.
///
/// `class` is the ConnectorClass that it names, if there is one; `system` the CAs that count for every Connector. A Connector with
/// anything wrong comes out with [`Injection::Unready`], so that no request leaves without its credential; a CA Secret that is missing or
/// invalid is no reason for that, see [`crate::conditions`].
pub fn lower(connector: &Connector, class: Option<&CheckedClass>, secrets: &dyn Secrets, system: &TrustRoots) -> Result<core::Connector, LowerError> {
    let name = ConnectorRef::new(&connector.metadata.namespace, &connector.metadata.name).map_err(LowerError::Name)?;
    let address = Address::parse(&connector.spec.address).map_err(LowerError::Address)?;
    Ok(core::Connector {
        name,
        class: connector.spec.connector_class_name.as_str().into(),
        resolver: class.map(|class| resolver(class.class())).unwrap_or_default(),
        extensions: extensions(connector, class.map(CheckedClass::class), &address),
        address,
        injection: injection(connector, class, secrets).unwrap_or_else(Injection::Unready),
        extractor: class.and_then(extractor),
        trust: trust(connector, secrets, system),
        in_flight: InFlight::default(),
    })
}

/// The class, if it exists and is usable.
pub(crate) fn usable_class<'a>(connector: &Connector, class: Option<&'a CheckedClass>) -> Result<&'a CheckedClass, Unready> {
    let class = class.ok_or_else(|| Unready::ClassNotFound(connector.spec.connector_class_name.clone()))?;
    match class.error() {
        None => Ok(class),
        Some(Problem { field, message, .. }) => {
            Err(Unready::ClassInvalid { class: class.class().metadata.name.clone(), field: field.clone(), problem: message.clone() })
        }
    }
}

/// Whether the Connector is valid by itself and for its class.
pub(crate) fn fits(connector: &Connector, class: &ConnectorClass) -> Result<(), Unready> {
    let refuse = |Problem { field, message, .. }: &Problem| Unready::Invalid { field: field.clone(), problem: message.clone() };
    first_error(&validate::connector(connector)).map_or(Ok(()), |problem| Err(refuse(problem)))?;
    first_error(&validate::connector_against(connector, class)).map_or(Ok(()), |problem| Err(refuse(problem)))
}

/// The credential of a Connector that fits its class.
pub(crate) fn credential(connector: &Connector, class: &CheckedClass, secrets: &dyn Secrets) -> Result<Injection, Unready> {
    let Some(auth) = &connector.spec.auth else { return Ok(Injection::Nothing) };
    let (Some(auth_type), Some(reference)) = (class.class().auth_type(&auth.name), &auth.secret_ref) else { return Ok(Injection::Nothing) };
    let secret = find(connector, reference, secrets)?;
    let name = || format!("{}/{}", secret.namespace, secret.name);
    if secret.secret_type != auth_type.secret_type {
        return Err(Unready::SecretTypeMismatch { secret: name(), found: secret.secret_type.clone(), expected: auth_type.secret_type.clone() });
    }
    if let Some(key) = keys(auth_type).find(|key| !secret.data.contains_key(*key)) {
        return Err(Unready::SecretKeyMissing { secret: name(), key: key.to_owned() });
    }
    match class.rules().generator(&auth.name) {
        Some(rule) => rule.injection(secret.data.iter().map(|(key, value)| (key.as_str(), value))).map_err(Unready::Generator),
        None => prepare(secret),
    }
}

fn injection(connector: &Connector, class: Option<&CheckedClass>, secrets: &dyn Secrets) -> Result<Injection, Unready> {
    let class = usable_class(connector, class)?;
    fits(connector, class.class())?;
    credential(connector, class, secrets)
}

/// How the class finds callers' tokens; one that isn't usable finds none.
fn extractor(class: &CheckedClass) -> Option<Arc<dyn Extract>> {
    let rule = class.rules().extractor().filter(|_| class.error().is_none())?;
    Some(rule.clone())
}

/// The Secret that a reference names, always of the Connector's own namespace.
fn find<'a>(connector: &Connector, reference: &SecretRef, secrets: &'a dyn Secrets) -> Result<&'a Secret, Unready> {
    let namespace = &connector.metadata.namespace;
    secrets.secret(namespace, &reference.name).ok_or_else(|| Unready::SecretNotFound(format!("{namespace}/{}", reference.name)))
}

/// The keys that a Secret for this authentication type must have.
fn keys(auth: &AuthType) -> impl Iterator<Item = &str> {
    let known = required_keys(&auth.secret_type);
    let declared = auth.params.iter().filter(move |spec| known.is_none() && spec.default.is_none()).map(|spec| spec.name.as_str());
    known.unwrap_or_default().iter().copied().chain(declared)
}

/// Header lines, for the types that say by themselves how they are sent.
fn prepare(secret: &Secret) -> Result<Injection, Unready> {
    let name = || format!("{}/{}", secret.namespace, secret.name);
    let value = |key: &str| secret.data.get(key).ok_or_else(|| Unready::SecretKeyMissing { secret: name(), key: key.to_owned() });
    let invalid = |key: &str, error| Unready::SecretValueInvalid { secret: name(), key: key.to_owned(), problem: cannot_be_sent(error) };
    match secret.secret_type.as_str() {
        BASIC_AUTH => {
            let (username, password) = (value("username")?, value("password")?);
            let culprit = || match username.expose().iter().any(|b| b.is_ascii_control() || *b == b':') {
                true => "username",
                false => "password",
            };
            basic(username, password).map(Injection::Static).map_err(|error| invalid(culprit(), error))
        }
        BEARER_TOKEN => bearer(value("token")?).map(Injection::Static).map_err(|error| invalid("token", error)),
        _ => Ok(Injection::Nothing),
    }
}

fn cannot_be_sent(error: PrepareError) -> &'static str {
    match error {
        PrepareError::ColonInUsername => "a user name with a ':' can't be sent by Basic authentication",
        PrepareError::ControlCharacter => "it has a line break or another control character",
        PrepareError::Empty => "it is empty",
        PrepareError::NotAToken => "it has a blank or a character outside ASCII, which no bearer token has",
    }
}

fn resolver(class: &ConnectorClass) -> Resolver {
    match class.metadata.annotations.get(PROXY_RESOLVER_ANNOTATION).map(String::as_str) {
        Some("path") => Resolver::Path,
        _ => Resolver::Host,
    }
}

/// The further addresses: those given, and the class's defaults for those that aren't.
fn extensions(connector: &Connector, class: Option<&ConnectorClass>, address: &Address) -> Vec<Address> {
    let given = &connector.spec.address_extensions;
    let declared = class.map_or(&[][..], |class| &class.spec.address_extensions);
    let defaults = declared.iter().filter(|spec| !given.iter().any(|param| param.name == spec.name)).filter_map(|spec| spec.default_text());
    let mut extensions = Vec::new();
    // One that doesn't parse is a problem found by validation, and the Connector isn't ready.
    for extension in given.iter().filter_map(|param| param.text()).chain(defaults).filter_map(|text| Address::parse(text).ok()) {
        if extension != *address && !extensions.contains(&extension) {
            extensions.push(extension);
        }
    }
    extensions
}

fn trust(connector: &Connector, secrets: &dyn Secrets, system: &TrustRoots) -> TrustRoots {
    let own = connector.spec.ca_cert_secret_ref.as_ref().and_then(|reference| secrets.secret(&connector.metadata.namespace, &reference.name));
    let Some(own) = own else { return system.clone() };
    TrustRoots::new(system.certificates().map(Box::from).chain(ca_certificates(own).certificates).collect())
}

#[cfg(test)]
mod tests;
