//! Secrets, as far as a Connector uses them.

use std::collections::BTreeMap;

use connectors_core::SecretValue;

/// The type whose credential goes out as Basic authentication.
pub const BASIC_AUTH: &str = "kubernetes.io/basic-auth";
/// The type whose credential goes out as a bearer token.
pub const BEARER_TOKEN: &str = "connectors.cpaas.io/bearer-token";
/// The type of a Secret that names none.
pub const OPAQUE: &str = "Opaque";

/// A Secret. Its values can't be printed.
#[derive(Debug)]
pub struct Secret {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// `type`.
    pub secret_type: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Values by key.
    pub data: BTreeMap<String, SecretValue>,
}

impl Secret {
    /// Whether it says the same as another one.
    pub fn is_equal(&self, other: &Self) -> bool {
        let Self { namespace, name, secret_type, labels, data } = self;
        let values = |data: &BTreeMap<String, SecretValue>, others: &BTreeMap<String, SecretValue>| {
            data.len() == others.len() && data.iter().zip(others).all(|((a, value), (b, other))| a == b && value.expose() == other.expose())
        };
        (namespace, name, secret_type, labels) == (&other.namespace, &other.name, &other.secret_type, &other.labels) && values(data, &other.data)
    }
}

/// Where the Secrets of Connectors are looked up.
pub trait Secrets {
    /// The Secret of that name, if there is one.
    fn secret(&self, namespace: &str, name: &str) -> Option<&Secret>;
}

/// The keys that a Secret of a known type must have; `None` for `Opaque` and custom types, whose keys the authentication type declares.
pub fn required_keys(secret_type: &str) -> Option<&'static [&'static str]> {
    Some(match secret_type {
        BASIC_AUTH | "cpaas.io/distribution-registry-token" => &["username", "password"],
        "kubernetes.io/ssh-auth" => &["ssh-privatekey"],
        "kubernetes.io/tls" => &["tls.crt", "tls.key"],
        "kubernetes.io/dockerconfigjson" => &[".dockerconfigjson"],
        BEARER_TOKEN | "connectors.cpaas.io/gitlab-pat-auth" => &["token"],
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p23_a_secret_prints_no_value() {
        let secret = Secret {
            namespace: "team".into(),
            name: "git".into(),
            secret_type: OPAQUE.into(),
            labels: BTreeMap::new(),
            data: BTreeMap::from([("token".to_owned(), SecretValue::new("canary-5511"))]),
        };
        let printed = format!("{secret:?} {secret:#?}");
        assert!(!printed.contains("canary"), "{printed}");
        // Nor as a list of bytes.
        assert!(!printed.contains("99, 97"), "{printed}");
    }
}
