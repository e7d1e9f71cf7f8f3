//! What the tests of this crate share.

use std::collections::BTreeMap;

use connectors_core::SecretValue;
use serde_json::{Value, json};

use crate::{BASIC_AUTH, CheckedClass, Connector, ConnectorClass, Secret, Secrets};

/// A class `git` with everything that this version serves, `more` laid over its spec.
pub(crate) fn class(more: Value) -> ConnectorClass {
    let mut spec = json!({
        "auth": {"types": [
            {"name": "basicAuth", "secretType": "kubernetes.io/basic-auth", "optional": true},
            {"name": "tokenAuth", "secretType": "connectors.cpaas.io/bearer-token"},
        ]},
        "addressExtensions": [{"name": "api", "default": "https://api.example"}],
        "params": [{"name": "mode", "default": "all", "enum": ["all", "some"]}],
    });
    lay_over(&mut spec, more);
    serde_json::from_value(json!({"apiVersion": "connectors.alauda.io/v1alpha1", "kind": "ConnectorClass", "metadata": {"name": "git"}, "spec": spec})).unwrap()
}

/// A Connector `team/repo` of that class with Secret `repo`, `more` laid over its spec.
pub(crate) fn connector(more: Value) -> Connector {
    let mut spec = json!({
        "connectorClassName": "git",
        "address": "https://git.example",
        "auth": {"name": "basicAuth", "secretRef": {"name": "repo"}},
    });
    lay_over(&mut spec, more);
    let metadata = json!({"namespace": "team", "name": "repo"});
    serde_json::from_value(json!({"apiVersion": "connectors.alauda.io/v1alpha1", "kind": "Connector", "metadata": metadata, "spec": spec})).unwrap()
}

pub(crate) fn checked(class: ConnectorClass) -> CheckedClass {
    CheckedClass::new(class, Vec::new())
}

/// A Secret in namespace `team`.
pub(crate) fn secret(name: &str, secret_type: &str, data: &[(&str, &str)]) -> Secret {
    Secret {
        namespace: "team".into(),
        name: name.into(),
        secret_type: secret_type.into(),
        labels: BTreeMap::new(),
        data: data.iter().map(|(key, value)| ((*key).to_owned(), SecretValue::new(*value))).collect(),
    }
}

/// The Secret of [`connector`].
pub(crate) fn credentials() -> Secret {
    secret("repo", BASIC_AUTH, &[("username", "u"), ("password", "p")])
}

/// A CA certificate, PEM.
pub(crate) fn ca_pem() -> String {
    let mut params = rcgen::CertificateParams::default();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().pem()
}

impl Secrets for Vec<Secret> {
    fn secret(&self, namespace: &str, name: &str) -> Option<&Secret> {
        self.iter().find(|secret| secret.namespace == namespace && secret.name == name)
    }
}

/// Replaces what `more` names; null takes away.
fn lay_over(spec: &mut Value, more: Value) {
    let (Value::Object(spec), Value::Object(more)) = (spec, more) else { panic!("objects") };
    for (key, value) in more {
        match value {
            Value::Null => drop(spec.remove(&key)),
            value => drop(spec.insert(key, value)),
        }
    }
}
