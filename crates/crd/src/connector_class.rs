//! ConnectorClass: a kind of tool.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{API_VERSION, Condition, DestinationRef, ObjectMeta, ParamSpec, Probe, ResolvedAddress, Surroundings, destination_url};

/// A kind of tool: what its Connectors may say, how their credential is put on requests, how they are probed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConnectorClass {
    /// [`API_VERSION`].
    pub api_version: String,
    /// [`ConnectorClass::KIND`].
    pub kind: String,
    /// Name, labels, annotations.
    pub metadata: ObjectMeta,
    /// What is wanted.
    pub spec: ConnectorClassSpec,
    /// What is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<ConnectorClassStatus>,
}

/// `spec` of a ConnectorClass.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConnectorClassSpec {
    /// Describes `spec.address` of a Connector.
    pub address: ParamSpec,
    /// Further named addresses; one without a default must be given by the Connector.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub address_extensions: Vec<ParamSpec>,
    /// Further parameters; one without a default must be given by the Connector.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub params: Vec<ParamSpec>,
    /// The ways to authenticate at the tool.
    pub auth: ClassAuth,
    /// Whether the tool is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub liveness_probe: Option<Probe>,
    /// Whether a credential is good; one for an authentication type.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub auth_probes: Vec<AuthProbe>,
    /// Where its API is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api: Option<ClassApi>,
    /// Where its proxy is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy: Option<ClassProxy>,
    /// Files for workloads.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub configurations: Vec<Configuration>,
}

/// `spec.auth` of a ConnectorClass.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ClassAuth {
    /// The types, names unique.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub types: Vec<AuthType>,
}

/// One way to authenticate at the tool.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AuthType {
    /// Name, which `spec.auth.name` of a Connector refers to.
    pub name: String,
    /// For people.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub display_name: String,
    /// For people.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// For consoles.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// The type that the Secret must have.
    pub secret_type: String,
    /// Whether a Connector may do without a Secret.
    pub optional: bool,
    /// The keys of the Secret, where its type doesn't say which; one with a default may be missing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub params: Vec<ParamSpec>,
    /// How the credential is put on a request, where its type doesn't say how.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generator: Option<Rego>,
}

/// A rule in Rego.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Rego {
    /// Its text.
    pub rego: String,
}

/// The probe of one authentication type.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AuthProbe {
    /// The authentication type.
    pub auth_name: String,
    /// What a Connector gives in `spec.auth.params`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub params: Vec<ParamSpec>,
    /// The probe.
    pub probe: Probe,
}

/// `spec.api` of a ConnectorClass.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ClassApi {
    /// An object that has an address.
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    pub reference: Option<DestinationRef>,
    /// An absolute URL, or a path resolved against `ref`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub uri: String,
    /// CA certificates for it, PEM.
    #[serde(rename = "CACerts", skip_serializing_if = "String::is_empty")]
    pub ca_certs: String,
    /// The audience of tokens for it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub audience: String,
    /// An OpenAPI document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub openapi: Option<Value>,
    /// Turns a request into the verb that it needs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permissions: Option<Rego>,
}

/// `spec.proxy` of a ConnectorClass.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ClassProxy {
    /// An object that has an address; for the built-in proxy the Service `connectors-proxy-service`.
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    pub reference: Option<DestinationRef>,
    /// An absolute URL, or a path resolved against `ref`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub uri: String,
    /// CA certificates for it, PEM.
    #[serde(rename = "CACerts", skip_serializing_if = "String::is_empty")]
    pub ca_certs: String,
    /// The audience of tokens for it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub audience: String,
    /// Finds the caller's token in a request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth_extractor: Option<Rego>,
}

/// Files for workloads.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Configuration {
    /// Name.
    pub name: String,
    /// For consoles.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// What a volume may say.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub params: Vec<ParamSpec>,
    /// Templates by file name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub data: BTreeMap<String, String>,
}

/// `status` of a ConnectorClass.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConnectorClassStatus {
    /// Conditions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// The generation that the conditions are about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// For consoles.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// The API's address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api: Option<ClassApiStatus>,
    /// The proxy's address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy: Option<ClassProxyStatus>,
}

/// `status.api` of a ConnectorClass.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ClassApiStatus {
    /// Address.
    pub address: ResolvedAddress,
}

/// `status.proxy` of a ConnectorClass.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ClassProxyStatus {
    /// Address.
    pub http_address: ResolvedAddress,
}

impl ConnectorClass {
    /// Its `kind`.
    pub const KIND: &'static str = "ConnectorClass";

    /// One of that name.
    pub fn new(name: &str, spec: ConnectorClassSpec) -> Self {
        Self { metadata: ObjectMeta { name: name.into(), ..ObjectMeta::default() }, spec, ..Self::default() }
    }

    /// The authentication type of that name.
    pub fn auth_type(&self, name: &str) -> Option<&AuthType> {
        self.spec.auth.types.iter().find(|auth| auth.name == name)
    }

    /// `status.api`: where its API is; `None` if it has none, or that has no address.
    pub fn api_status(&self, surroundings: &Surroundings) -> Option<ClassApiStatus> {
        let ClassApi { reference, uri, ca_certs, audience, .. } = self.spec.api.as_ref()?;
        let url = destination_url(reference.as_ref(), uri, None, surroundings).ok()?;
        let address = ResolvedAddress { url, ca_certs: ca_certs.clone(), audience: audience.clone(), ..ResolvedAddress::default() };
        Some(ClassApiStatus { address })
    }

    /// The probe of that authentication type.
    pub fn auth_probe(&self, auth_name: &str) -> Option<&AuthProbe> {
        self.spec.auth_probes.iter().find(|probe| probe.auth_name == auth_name)
    }
}

impl Default for ConnectorClass {
    fn default() -> Self {
        Self { api_version: API_VERSION.into(), kind: Self::KIND.into(), metadata: ObjectMeta::default(), spec: ConnectorClassSpec::default(), status: None }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_field_goes_in_and_out_by_its_name() {
        let param = json!({"name": "p", "type": "string", "default": "d", "description": "text", "enum": ["d"], "annotations": {"a": "b"}});
        let destination = json!({"kind": "Service", "name": "s", "namespace": "n", "apiVersion": "v1"});
        let http = json!({
            "path": "/", "method": "POST", "host": "h", "scheme": "https", "disableRedirect": true,
            "httpHeaders": [{"name": "n", "value": "v"}], "response": {"cel": "true"},
        });
        let class = json!({
            "apiVersion": "connectors.alauda.io/v1alpha1",
            "kind": "ConnectorClass",
            "metadata": {"name": "git", "labels": {"a": "b"}, "annotations": {"c": "d"}},
            "spec": {
                "address": param,
                "addressExtensions": [param],
                "params": [param],
                "auth": {"types": [{
                    "name": "a", "displayName": "A", "description": "text", "annotations": {"a": "b"}, "secretType": "Opaque", "optional": true,
                    "params": [param], "generator": {"rego": "package x"},
                }]},
                "livenessProbe": {"http": http},
                "authProbes": [{"authName": "a", "params": [param], "probe": {"api": {"path": "/check"}}}],
                "api": {"ref": destination, "uri": "/x", "CACerts": "pem", "audience": "aud", "openapi": {"any": [1]}, "permissions": {"rego": "r"}},
                "proxy": {"ref": destination, "uri": "/x", "CACerts": "pem", "audience": "aud", "authExtractor": {"rego": "r"}},
                "configurations": [{"name": "c", "annotations": {"a": "b"}, "params": [param], "data": {"f": "t"}}],
            },
            "status": {
                "conditions": [{"type": "Ready", "status": "True", "reason": "Ready", "severity": "Info", "lastTransitionTime": "2024-01-02T03:04:05Z"}],
                "observedGeneration": 3,
                "annotations": {"a": "b"},
                "api": {"address": {"url": "http://x", "CACerts": "pem", "audience": "aud", "name": "n"}},
                "proxy": {"httpAddress": {"url": "http://x"}},
            },
        });
        let read: ConnectorClass = serde_json::from_value(class.clone()).unwrap();
        assert_eq!(serde_json::to_value(read).unwrap(), class);
    }
}
