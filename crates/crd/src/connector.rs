//! Connector: one tool.

use serde::{Deserialize, Serialize};

use crate::{API_VERSION, Condition, ObjectMeta, Param, ResolvedAddress};

/// One tool: where it is and which Secret opens it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Connector {
    /// [`API_VERSION`].
    pub api_version: String,
    /// [`Connector::KIND`].
    pub kind: String,
    /// Name, namespace, labels, annotations.
    pub metadata: ObjectMeta,
    /// What is wanted.
    pub spec: ConnectorSpec,
    /// What is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<ConnectorStatus>,
}

/// `spec` of a Connector.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConnectorSpec {
    /// Its ConnectorClass.
    pub connector_class_name: String,
    /// An http or https URL; it may have a path.
    pub address: String,
    /// Further addresses that its class declares.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub address_extensions: Vec<Param>,
    /// Parameters that its class declares.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub params: Vec<Param>,
    /// How to authenticate; may be left out where the class lets it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth: Option<ConnectorAuth>,
    /// CA certificates for the tool's TLS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_cert_secret_ref: Option<LocalSecretRef>,
}

/// `spec.auth` of a Connector.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConnectorAuth {
    /// One of the class's authentication types.
    pub name: String,
    /// The Secret; may be left out where the authentication type is optional.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretRef>,
    /// For the authentication probe.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub params: Vec<Param>,
}

/// A reference to a Secret: an ObjectReference, of which only name and namespace count.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SecretRef {
    /// Name.
    pub name: String,
    /// If given, the Connector's own.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Ignored.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// Ignored.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub api_version: String,
    /// Ignored.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub uid: String,
    /// Ignored.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub resource_version: String,
    /// Ignored.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub field_path: String,
}

/// A reference to a Secret in the same namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LocalSecretRef {
    /// Name.
    pub name: String,
}

/// `status` of a Connector.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConnectorStatus {
    /// Conditions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// The generation that the conditions are about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Where workloads reach it; absent when the class has no proxy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy: Option<ConnectorProxyStatus>,
    /// Where consoles reach its API.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api: Option<ConnectorApiStatus>,
}

/// `status.proxy` of a Connector.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConnectorProxyStatus {
    /// Address.
    pub http_address: ResolvedAddress,
}

/// `status.api` of a Connector.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConnectorApiStatus {
    /// `/connectors/v1alpha1/<namespace>/<name>/path`.
    pub path: String,
}

impl Connector {
    /// Its `kind`.
    pub const KIND: &'static str = "Connector";

    /// One of that name.
    pub fn new(namespace: &str, name: &str, spec: ConnectorSpec) -> Self {
        let metadata = ObjectMeta { namespace: namespace.into(), name: name.into(), ..ObjectMeta::default() };
        Self { metadata, spec, ..Self::default() }
    }

    /// The reference to its Secret, if it has one.
    pub fn secret_ref(&self) -> Option<&SecretRef> {
        self.spec.auth.as_ref()?.secret_ref.as_ref()
    }
}

impl Default for Connector {
    fn default() -> Self {
        Self { api_version: API_VERSION.into(), kind: Self::KIND.into(), metadata: ObjectMeta::default(), spec: ConnectorSpec::default(), status: None }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_field_goes_in_and_out_by_its_name() {
        let connector = json!({
            "apiVersion": "connectors.alauda.io/v1alpha1",
            "kind": "Connector",
            "metadata": {"namespace": "team", "name": "repo", "creationTimestamp": "2024-01-02T03:04:05Z", "generation": 2, "resourceVersion": "7", "uid": "u"},
            "spec": {
                "connectorClassName": "git",
                "address": "https://git.example",
                "addressExtensions": [{"name": "api", "value": "https://api.example"}],
                "params": [{"name": "p", "value": "v"}],
                "auth": {
                    "name": "a",
                    "secretRef": {"name": "s", "namespace": "team", "kind": "Secret", "apiVersion": "v1", "uid": "u", "resourceVersion": "1", "fieldPath": "f"},
                    "params": [{"name": "p", "value": "v"}],
                },
                "caCertSecretRef": {"name": "ca"},
            },
            "status": {
                "conditions": [{"type": "AuthReady", "status": "Unknown", "message": "m", "lastProbeTime": "2024-01-02T03:04:05Z"}],
                "observedGeneration": 2,
                "proxy": {"httpAddress": {"url": "http://c-repo.team.svc.cluster.local"}},
                "api": {"path": "/connectors/v1alpha1/team/repo/path"},
            },
        });
        let read: Connector = serde_json::from_value(connector.clone()).unwrap();
        assert_eq!(serde_json::to_value(read).unwrap(), connector);
    }
}
