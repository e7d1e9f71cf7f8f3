//! Addressable destinations: where a class's API or proxy is.

use serde::{Deserialize, Serialize};

/// A reference to an object that has an address. `group`, `address` are accepted and unused.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DestinationRef {
    /// Kind, such as `Service`; required.
    pub kind: String,
    /// Name; required.
    pub name: String,
    /// Namespace.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// API version.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub api_version: String,
    /// Unused.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// Unused.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub address: String,
}

/// A resolved address in a status.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ResolvedAddress {
    /// URL.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub url: String,
    /// CA certificates for it, PEM.
    #[serde(rename = "CACerts", skip_serializing_if = "String::is_empty")]
    pub ca_certs: String,
    /// The audience of tokens for it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub audience: String,
    /// Name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
}
