//! Status conditions: what is wrong with an object, from the objects and from what others have found out.
//!
//! Pure functions: whoever calls has probed, and knows the time. What isn't known yet is `Unknown`, and so then is `Ready`.

use connectors_core::{Flags, Injection, Unready};

use crate::lower::{credential, fits, usable_class};
use crate::probing::{Probed, Verdict};
use crate::{CheckedClass, Condition, ConditionSeverity, ConditionStatus, Connector, Problem, Secrets, ca_certificates};

/// Condition type: all others hold.
pub const READY: &str = "Ready";
/// Condition type of a class: its API answers, or it has none.
pub const API_READY: &str = "APIReady";
/// Condition type of a class: its proxy answers, or it has none.
pub const PROXY_READY: &str = "ProxyReady";
/// Condition type: the class exists and is ready.
pub const CONNECTOR_CLASS_READY: &str = "ConnectorClassReady";
/// Condition type: the Secret exists and fits, or none is needed.
pub const SECRET_READY: &str = "SecretReady";
/// Condition type: the tool is there.
pub const LIVENESS_READY: &str = "LivenessReady";
/// Condition type: the tool takes the credential.
pub const AUTH_READY: &str = "AuthReady";
/// Condition type: workloads find the proxy under the Connector's name.
pub const PROXY_SERVICE_READY: &str = "ProxyServiceReady";
/// Condition type: the CA Secret exists and has certificates, or none is named.
pub const CA_CERT_READY: &str = "CACertReady";

/// Reason: the spec was let in although it is invalid.
const INVALID_SPEC: &str = "InvalidSpec";
/// Reason: nobody has looked yet.
const NOT_PROBED: &str = "NotProbed";

/// Whether an address of a class answers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Reached {
    /// Nobody has looked yet.
    #[default]
    Unchecked,
    /// It does, whatever it says.
    Answers,
    /// There is no address; why.
    Unresolved(String),
    /// Nobody answers there; what happened.
    Unreachable(String),
}

/// A Connector's proxy Service.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum ProxyService {
    /// There is a proxy that answers to the Connector's name: its Service exists, or, without a cluster, the proxy is this program.
    #[default]
    Exists,
    /// Nobody has looked yet.
    Unchecked,
    /// It doesn't exist; which.
    NotFound(String),
    /// A Service of its name belongs to somebody else; which.
    Conflict(String),
}

/// What is known of a Connector besides the objects. By default, as it is without a cluster and before anything was probed.
#[derive(Debug, Clone, Copy, Default)]
pub struct Known<'a> {
    /// The conditions of its class, as [`class`] made them; without them, only what the class itself says counts.
    pub class: Option<&'a [Condition]>,
    /// What the liveness probe has found, if it has been run.
    pub liveness: Option<&'a Probed>,
    /// What the authentication probe has found, if it has been run.
    pub auth: Option<&'a Probed>,
    /// Its proxy Service; `None` is [`ProxyService::Exists`].
    pub proxy_service: Option<&'a ProxyService>,
    /// Why it can't be used whatever else holds.
    pub unusable: Option<&'a Problem>,
}

/// A class's conditions: `APIReady`, `ProxyReady`, and last `Ready`.
pub fn class(class: &CheckedClass, api: &Reached, proxy: &Reached) -> Vec<Condition> {
    let spec = &class.class().spec;
    let mut conditions = vec![
        address(API_READY, if spec.api.is_some() { Some(api) } else { None }, "NonAPI"),
        address(PROXY_READY, if spec.proxy.is_some() { Some(proxy) } else { None }, "NonProxy"),
    ];
    conditions.push(match class.error() {
        None => ready(&conditions),
        Some(problem) => Condition::fails(READY, INVALID_SPEC, problem.to_string()),
    });
    conditions
}

fn address(condition_type: &str, reached: Option<&Reached>, none: &str) -> Condition {
    match reached {
        None => Condition::holds(condition_type, none),
        Some(Reached::Answers) => Condition::holds(condition_type, condition_type),
        Some(Reached::Unchecked) => Condition::unknown(condition_type, NOT_PROBED, "its address has not been tried yet"),
        Some(Reached::Unresolved(problem)) => Condition::fails(condition_type, "AddressUnresolved", problem.clone()),
        Some(Reached::Unreachable(problem)) => Condition::fails(condition_type, "AddressUnreachable", problem.clone()),
    }
}

/// A Connector's conditions: `ConnectorClassReady`, `SecretReady`, `LivenessReady`, `AuthReady`, `ProxyServiceReady`, with flag `enable-custom-ca-certs`
/// `CACertReady`, and last `Ready`.
///
/// `class` is the ConnectorClass that it names, if there is one.
pub fn connector(connector: &Connector, class: Option<&CheckedClass>, secrets: &dyn Secrets, flags: Flags, known: &Known<'_>) -> Vec<Condition> {
    let usable = usable_class(connector, class);
    let mut conditions = vec![match &usable {
        Ok(_) => class_ready(connector, known.class),
        Err(unready) => fails(CONNECTOR_CLASS_READY, unready),
    }];
    let fit = usable.as_ref().map_err(Clone::clone).and_then(|class| fits(connector, class.class()));
    match (&usable, &fit) {
        (Ok(class), Ok(())) => {
            let credential = secret(connector, class, secrets);
            conditions.push(match &credential {
                Some(unready) => fails(SECRET_READY, unready),
                None if connector.secret_ref().is_none() => Condition::holds(SECRET_READY, "SecretOptional"),
                None => Condition::holds(SECRET_READY, SECRET_READY),
            });
            conditions.push(liveness(class, known.liveness));
            conditions.push(auth(connector, class, credential.as_ref(), known.auth));
            conditions.push(proxy_service(class, known.proxy_service));
        }
        (Ok(_), Err(unready)) | (Err(unready), _) => {
            for condition_type in [SECRET_READY, LIVENESS_READY, AUTH_READY, PROXY_SERVICE_READY] {
                conditions.push(Condition::unknown(condition_type, unready.reason(), "not looked at: the Connector or its class is invalid"));
            }
        }
    }
    if flags.custom_ca_certs {
        conditions.push(ca_cert(connector, secrets));
    }
    conditions.push(match (known.unusable, &usable, fit) {
        (Some(problem), ..) => Condition::fails(READY, INVALID_SPEC, problem.to_string()),
        (None, Ok(_), Err(unready)) => fails(READY, &unready),
        _ => ready(&conditions),
    });
    conditions
}

/// Of a class that is usable by itself.
fn class_ready(connector: &Connector, class: Option<&[Condition]>) -> Condition {
    let name = &connector.spec.connector_class_name;
    match class.unwrap_or_default().iter().find(|condition| condition.condition_type == READY) {
        Some(Condition { status: ConditionStatus::False, message, .. }) => {
            Condition::fails(CONNECTOR_CLASS_READY, "ConnectorClassNotReady", format!("ConnectorClass {name:?} is not ready: {message}"))
        }
        Some(Condition { status: ConditionStatus::Unknown, message, .. }) => {
            Condition::unknown(CONNECTOR_CLASS_READY, "ConnectorClassNotReady", format!("ConnectorClass {name:?} may not be ready: {message}"))
        }
        _ => Condition::holds(CONNECTOR_CLASS_READY, CONNECTOR_CLASS_READY),
    }
}

/// Why the credential of a Connector that fits its class can't be used, if it can't: the reason for `SecretReady` not to hold.
pub fn secret(connector: &Connector, class: &CheckedClass, secrets: &dyn Secrets) -> Option<Unready> {
    match credential(connector, class, secrets) {
        Ok(Injection::Unready(unready)) | Err(unready) => Some(unready),
        Ok(Injection::Nothing | Injection::Static(_) | Injection::PerRequest(_)) => None,
    }
}

fn liveness(class: &CheckedClass, probed: Option<&Probed>) -> Condition {
    if class.class().spec.liveness_probe.is_none() {
        return Condition::holds(LIVENESS_READY, "NonLivenessProbe");
    }
    found(LIVENESS_READY, probed, |verdict| match verdict {
        Verdict::NoAnswer => "ConnectionFailed",
        _ => "ProbeFailed",
    })
}

fn auth(connector: &Connector, class: &CheckedClass, credential: Option<&Unready>, probed: Option<&Probed>) -> Condition {
    if class.probes().of_auth(connector, class.class()).is_none() {
        return Condition::holds(AUTH_READY, "NonAuthProbe");
    }
    match credential {
        Some(unready) => Condition::unknown(AUTH_READY, unready.reason(), "not probed: there is no credential to try"),
        None => found(AUTH_READY, probed, |verdict| match verdict {
            Verdict::Refused => "AuthenticationFailed",
            _ => "ProbeFailed",
        }),
    }
}

/// What a probe's outcome means; `reason` says in one word what it is if it isn't good.
fn found(condition_type: &str, probed: Option<&Probed>, reason: fn(Verdict) -> &'static str) -> Condition {
    let Some(Probed { outcome, at }) = probed else {
        return Condition::unknown(condition_type, NOT_PROBED, "not probed yet");
    };
    let message = outcome.message.clone();
    let condition = match outcome.verdict {
        Verdict::Passed => Condition::holds(condition_type, condition_type),
        Verdict::Undecided => Condition::unknown(condition_type, "ProbeUndecided", message),
        Verdict::Invalid => Condition::fails(condition_type, "InvalidExpression", message),
        verdict => Condition::fails(condition_type, reason(verdict), message),
    };
    Condition { last_probe_time: Some(at.clone()), ..condition }
}

fn proxy_service(class: &CheckedClass, service: Option<&ProxyService>) -> Condition {
    if class.class().spec.proxy.is_none() {
        return Condition::holds(PROXY_SERVICE_READY, "NonProxy");
    }
    match service.unwrap_or(&ProxyService::Exists) {
        ProxyService::Exists => Condition::holds(PROXY_SERVICE_READY, PROXY_SERVICE_READY),
        ProxyService::Unchecked => Condition::unknown(PROXY_SERVICE_READY, NOT_PROBED, "not looked for yet"),
        ProxyService::NotFound(service) => Condition::fails(PROXY_SERVICE_READY, "ProxyServiceNotFound", format!("Service {service:?} does not exist")),
        ProxyService::Conflict(service) => {
            Condition::fails(PROXY_SERVICE_READY, "ServiceConflict", format!("Service {service:?} belongs to somebody else, and is left alone"))
        }
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

/// Fills in when each condition's status came to be: then, if it was the same `before`, and else `now`, RFC 3339.
pub fn since(conditions: &mut [Condition], before: &[Condition], now: &str) {
    for condition in conditions {
        let before = before.iter().find(|before| before.condition_type == condition.condition_type && before.status == condition.status);
        condition.last_transition_time = before.and_then(|before| before.last_transition_time.clone()).or_else(|| Some(now.to_owned()));
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

#[cfg(test)]
mod tests;
