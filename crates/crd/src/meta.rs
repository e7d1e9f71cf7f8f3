//! What every object has: its group, version, names, labels and annotations.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The API group of the custom resources.
pub const GROUP: &str = "connectors.alauda.io";
/// Their version.
pub const VERSION: &str = "v1alpha1";
/// `apiVersion` of a ConnectorClass and a Connector.
pub const API_VERSION: &str = "connectors.alauda.io/v1alpha1";

/// On a ConnectorClass: `host` (default) or `path`, the form of its Connectors' proxy addresses.
pub const PROXY_RESOLVER_ANNOTATION: &str = "connectors.cpaas.io/proxy-resolver";
/// On a Connector, set by the system: the name of its class.
pub const CLASS_LABEL: &str = "connectors.alauda.io/connectorclass";

/// `metadata`, as far as this system reads or writes it. The API server's own fields are left to whoever talks to it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ObjectMeta {
    /// Name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Namespace; empty for a cluster-scoped object.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Labels.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// When it was made, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub creation_timestamp: Option<String>,
    /// Counts the changes of `spec`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generation: Option<i64>,
    /// The API server's version of the object.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub resource_version: String,
    /// The API server's identity of the object.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub uid: String,
}

/// Whether `text` is a DNS label: at most 63 of a-z, 0-9 and '-', beginning and ending with a letter or digit (RFC 1123 §2.1 in lower
/// case). Namespaces and Services have such names.
pub fn is_dns_label(text: &str) -> bool {
    let edge = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = text.as_bytes();
    bytes.len() <= 63 && bytes.first().is_some_and(edge) && bytes.last().is_some_and(edge) && bytes.iter().all(|b| edge(b) || *b == b'-')
}

/// Whether `text` is a DNS subdomain: labels joined by dots, at most 253 characters in all. Most Kubernetes objects have such names.
pub fn is_dns_subdomain(text: &str) -> bool {
    // Kubernetes limits the whole only, so a part may be longer than a label.
    let edge = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let part = |part: &str| {
        let bytes = part.as_bytes();
        bytes.first().is_some_and(edge) && bytes.last().is_some_and(edge) && bytes.iter().all(|b| edge(b) || *b == b'-')
    };
    text.len() <= 253 && text.split('.').all(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_as_kubernetes_wants_them() {
        for good in ["a", "a-1", "0", &"a".repeat(63)] {
            assert!(is_dns_label(good), "{good}");
        }
        for bad in ["", "-a", "a-", "A", "a.b", "a_b", &"a".repeat(64)] {
            assert!(!is_dns_label(bad), "{bad}");
        }
        for good in ["a.b", "a", &"a".repeat(200)] {
            assert!(is_dns_subdomain(good), "{good}");
        }
        for bad in ["", "a..b", ".a", "a.", "a.-b", "A", &"a".repeat(254)] {
            assert!(!is_dns_subdomain(bad), "{bad}");
        }
    }
}
