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

/// What the address of a Service depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Surroundings {
    /// The cluster domain, such as `cluster.local`.
    pub cluster_domain: String,
    /// The namespace of a Service that names none: classes belong to no namespace.
    pub system_namespace: String,
}

/// Why a destination has no URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnresolvedDestination {
    /// Only Services have names that everybody can look up.
    #[error("an address of kind {0:?} can't be resolved; use kind Service, or a uri alone")]
    Kind(String),
    /// Neither `ref` nor `uri`.
    #[error("there is neither ref nor uri")]
    Nothing,
}

/// The URL of a destination, without a slash at its end: that of the Service, `uri` joined on, or `uri` alone. `port` is the Service's, where it is known
/// and not 80.
///
/// # Errors
/// There is none.
pub fn destination_url(reference: Option<&DestinationRef>, uri: &str, port: Option<u16>, surroundings: &Surroundings) -> Result<String, UnresolvedDestination> {
    let uri = uri.trim_end_matches('/');
    match reference {
        _ if uri.starts_with("http://") || uri.starts_with("https://") => Ok(uri.to_owned()),
        None => Err(UnresolvedDestination::Nothing),
        Some(reference) if reference.kind != "Service" => Err(UnresolvedDestination::Kind(reference.kind.clone())),
        Some(DestinationRef { name, namespace, .. }) => {
            let Surroundings { cluster_domain, system_namespace } = surroundings;
            let namespace = if namespace.is_empty() { system_namespace } else { namespace };
            let port = port.filter(|port| *port != 80).map(|port| format!(":{port}")).unwrap_or_default();
            Ok(format!("http://{name}.{namespace}.svc.{cluster_domain}{port}{uri}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn destinations_have_urls() {
        let surroundings = Surroundings { cluster_domain: "cluster.local".into(), system_namespace: "connectors-system".into() };
        let service =
            |namespace: &str| DestinationRef { kind: "Service".into(), name: "plugin".into(), namespace: namespace.into(), ..DestinationRef::default() };
        let url = |reference: Option<DestinationRef>, uri: &str, port| {
            destination_url(reference.as_ref(), uri, port, &surroundings).unwrap_or_else(|error| format!("error: {error}"))
        };
        for (found, expect) in [
            (url(Some(service("ns")), "", None), "http://plugin.ns.svc.cluster.local"),
            (url(Some(service("")), "/prefix/", Some(80)), "http://plugin.connectors-system.svc.cluster.local/prefix"),
            (url(Some(service("ns")), "/prefix", Some(8080)), "http://plugin.ns.svc.cluster.local:8080/prefix"),
            (url(None, "https://api.example/v1/", None), "https://api.example/v1"),
            (url(Some(service("ns")), "https://api.example", None), "https://api.example"),
            (url(None, "", None), "error: there is neither ref nor uri"),
            (
                url(Some(DestinationRef { kind: "Ingress".into(), ..service("ns") }), "", None),
                "error: an address of kind \"Ingress\" can't be resolved; use kind Service, or a uri alone",
            ),
        ] {
            assert_eq!(found, expect);
        }
    }
}
