//! Status conditions that follow from the objects alone. What only a probe or a cluster can tell is added by whoever asks those.

use connectors_core::{Flags, Injection, Unready};

use crate::lower::{credential, fits, usable_class};
use crate::{CheckedClass, Condition, ConditionSeverity, ConditionStatus, Connector, Secrets, ca_certificates};

/// Condition type: all others hold.
pub const READY: &str = "Ready";
/// Condition type: the class exists and is usable.
pub const CONNECTOR_CLASS_READY: &str = "ConnectorClassReady";
/// Condition type: the Secret exists and fits, or none is needed.
pub const SECRET_READY: &str = "SecretReady";
/// Condition type: the CA Secret exists and has certificates, or none is named.
pub const CA_CERT_READY: &str = "CACertReady";

/// Reason: the spec was let in although it is invalid.
const INVALID_SPEC: &str = "InvalidSpec";

/// A class's conditions: `Ready`.
pub fn class(class: &CheckedClass) -> Vec<Condition> {
    vec![match class.error() {
        None => Condition::holds(READY, READY),
        Some(problem) => Condition::fails(READY, INVALID_SPEC, problem.to_string()),
    }]
}

/// A Connector's conditions: `ConnectorClassReady`, `SecretReady`, with flag `enable-custom-ca-certs` `CACertReady`, and last `Ready`.
///
/// `class` is the ConnectorClass that it names, if there is one.
pub fn connector(connector: &Connector, class: Option<&CheckedClass>, secrets: &dyn Secrets, flags: Flags) -> Vec<Condition> {
    let usable = usable_class(connector, class);
    let mut conditions = vec![match &usable {
        Ok(_) => Condition::holds(CONNECTOR_CLASS_READY, CONNECTOR_CLASS_READY),
        Err(unready) => fails(CONNECTOR_CLASS_READY, unready),
    }];
    let fit = usable.as_ref().map_err(Clone::clone).and_then(|class| fits(connector, class.class()));
    conditions.push(match (&usable, &fit) {
        (Ok(class), Ok(())) => match secret(connector, class, secrets) {
            Some(unready) => fails(SECRET_READY, &unready),
            None if connector.secret_ref().is_none() => Condition::holds(SECRET_READY, "SecretOptional"),
            None => Condition::holds(SECRET_READY, SECRET_READY),
        },
        (Ok(_), Err(unready)) | (Err(unready), _) => Condition::unknown(SECRET_READY, unready.reason(), "not looked at: the Connector or its class is invalid"),
    });
    if flags.custom_ca_certs {
        conditions.push(ca_cert(connector, secrets));
    }
    conditions.push(match (&usable, fit) {
        (Ok(_), Err(unready)) => fails(READY, &unready),
        _ => ready(&conditions),
    });
    conditions
}

/// Why the credential of a Connector that fits its class can't be used, if it can't: the reason for `SecretReady` not to hold.
pub fn secret(connector: &Connector, class: &CheckedClass, secrets: &dyn Secrets) -> Option<Unready> {
    match credential(connector, class, secrets) {
        Ok(Injection::Unready(unready)) | Err(unready) => Some(unready),
        Ok(Injection::Nothing | Injection::Static(_) | Injection::PerRequest(_)) => None,
    }
}

/// `Ready` over the other conditions: the first that fails decides, then the first that isn't known; informative ones don't count.
pub fn ready(conditions: &[Condition]) -> Condition {
    let counting = || conditions.iter().filter(|condition| condition.severity != ConditionSeverity::Info);
    let first = |status| counting().find(|condition| condition.status == status);
    match (first(ConditionStatus::False), first(ConditionStatus::Unknown)) {
        (Some(failed), _) => Condition::fails(READY, &failed.reason, failed.message.clone()),
        (None, Some(unknown)) => Condition::unknown(READY, &unknown.reason, unknown.message.clone()),
        (None, None) => Condition::holds(READY, READY),
    }
}

fn ca_cert(connector: &Connector, secrets: &dyn Secrets) -> Condition {
    let Some(reference) = &connector.spec.ca_cert_secret_ref else {
        return Condition::holds(CA_CERT_READY, "NoCACert").informative();
    };
    let namespace = &connector.metadata.namespace;
    let condition = match secrets.secret(namespace, &reference.name).map(ca_certificates) {
        None => {
            let message = format!("Secret \"{namespace}/{}\", named by spec.caCertSecretRef, does not exist", reference.name);
            Condition::fails(CA_CERT_READY, "SecretNotFound", message)
        }
        Some(found) => match found.problems.first() {
            Some(problem) => Condition::fails(CA_CERT_READY, "InvalidPEM", problem.to_string()),
            None => Condition::holds(CA_CERT_READY, "Valid"),
        },
    };
    condition.informative()
}

fn fails(condition_type: &str, unready: &Unready) -> Condition {
    Condition::fails(condition_type, unready.reason(), unready.to_string())
}
