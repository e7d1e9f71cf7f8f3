//! Rules of a Connector that need nothing but the Connector.

use connectors_core::{Address, ConnectorRef, NameError, with_causes};

use crate::problem::{FieldPath, Problems};
use crate::validate::params;
use crate::{Connector, ConnectorAuth, Problem, is_dns_subdomain};

/// Everything that is wrong with a Connector by itself. What depends on its class is found by [`crate::validate::connector_against`].
pub fn connector(connector: &Connector) -> Vec<Problem> {
    let mut found = Problems::default();
    metadata(connector, &mut found);
    let spec = &connector.spec;
    if spec.connector_class_name.is_empty() {
        found.error(&FieldPath::SPEC.key("connectorClassName"), "is required: the name of a ConnectorClass");
    }
    let address = address(&spec.address, &mut found);
    extensions(connector, address.as_ref(), &mut found);
    params::values(&spec.params, &FieldPath::SPEC.key("params"), &mut found);
    if let Some(given) = &spec.auth {
        auth(given, &connector.metadata.namespace, &FieldPath::SPEC.key("auth"), &mut found);
    }
    if let Some(reference) = &spec.ca_cert_secret_ref {
        secret_name(&reference.name, &FieldPath::SPEC.key("caCertSecretRef"), &mut found);
    }
    found.into_vec()
}

fn metadata(connector: &Connector, found: &mut Problems) {
    let name = FieldPath::METADATA.key("name");
    match ConnectorRef::new(&connector.metadata.namespace, &connector.metadata.name) {
        Ok(_) => {}
        Err(NameError::Namespace | NameError::NoSlash) => {
            found.error(&FieldPath::METADATA.key("namespace"), "must be 1 to 63 of a-z, 0-9 and '-', starting and ending with a letter or digit");
        }
        Err(NameError::Name) if connector.metadata.name.is_empty() => found.error(&name, "is required"),
        Err(NameError::Name) => {
            let message = "must be 1 to 61 of a-z, 0-9 and '-', starting and ending with a letter or digit, so that its Service can be called c-<name>";
            found.error(&name, message);
        }
    }
}

fn address(text: &str, found: &mut Problems) -> Option<Address> {
    let field = FieldPath::SPEC.key("address");
    if text.is_empty() {
        found.error(&field, "is required: an http or https URL");
        return None;
    }
    Address::parse(text).map_err(|error| found.error(&field, with_causes(&error))).ok()
}

fn extensions(connector: &Connector, address: Option<&Address>, found: &mut Problems) {
    let field = FieldPath::SPEC.key("addressExtensions");
    let given = &connector.spec.address_extensions;
    params::values(given, &field, found);
    for (index, text) in given.iter().enumerate().filter_map(|(index, param)| Some((index, param.text()?))) {
        let item = field.index(index);
        match Address::parse(text) {
            Err(error) => found.error(&item.key("value"), with_causes(&error)),
            Ok(extension) if Some(&extension) == address => found.error(&item.key("value"), "must not be the same as spec.address"),
            Ok(_) => {}
        }
    }
}

fn auth(auth: &ConnectorAuth, namespace: &str, field: &FieldPath<'_>, found: &mut Problems) {
    if auth.name.is_empty() {
        found.error(&field.key("name"), "is required: the name of one of the class's spec.auth.types");
    }
    if let Some(reference) = &auth.secret_ref {
        let secret = field.key("secretRef");
        secret_name(&reference.name, &secret, found);
        // Whoever may write a Connector would otherwise read any Secret through it.
        if !reference.namespace.is_empty() && reference.namespace != namespace {
            found.error(
                &secret.key("namespace"),
                format!("must be the Connector's own namespace, {namespace:?}, or left out: a Connector can't use the Secret of another namespace"),
            );
        }
    }
    params::values(&auth.params, &field.key("params"), found);
}

fn secret_name(name: &str, field: &FieldPath<'_>, found: &mut Problems) {
    if name.is_empty() {
        found.error(&field.key("name"), "is required: the name of a Secret");
    } else if !is_dns_subdomain(name) {
        found.error(&field.key("name"), "must be the name of a Secret: a-z, 0-9, '-' and '.', starting and ending with a letter or digit");
    }
}
