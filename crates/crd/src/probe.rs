//! Probes: how a class finds out whether a tool is there and a credential is good.

use std::fmt;

use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// Exactly one of `http` and `api`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Probe {
    /// A request to the tool.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http: Option<HttpProbe>,
    /// A request to the class's API plugin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api: Option<ApiProbe>,
}

/// A request to the tool.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HttpProbe {
    /// Absolute path, may carry a query; a template. Required.
    pub path: String,
    /// Method.
    pub method: ProbeMethod,
    /// Another host than the Connector's.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub host: String,
    /// Another scheme than the Connector's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheme: Option<ProbeScheme>,
    /// Whether a redirect is an answer like any other.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub disable_redirect: bool,
    /// Headers.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "list_of_headers")]
    pub http_headers: Vec<ProbeHeader>,
    /// When the answer is good; without it, on any 2xx.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response: Option<ProbeResponse>,
}

/// A header of a probe.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ProbeHeader {
    /// Name.
    pub name: String,
    /// Value; a template.
    pub value: String,
}

/// When a probe's answer is good.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ProbeResponse {
    /// A CEL expression that must be true.
    pub cel: String,
}

/// A request to the class's API plugin.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ApiProbe {
    /// Path below `status.api.address.url`; a template.
    pub path: String,
}

/// A probe's method.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ProbeMethod {
    /// GET.
    #[default]
    Get,
    /// POST.
    Post,
}

/// A probe's scheme.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProbeScheme {
    /// Plain HTTP.
    Http,
    /// HTTP over TLS.
    Https,
}

impl ProbeMethod {
    /// As it stands in a request.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
        }
    }
}

/// A list like any other, but whoever writes a mapping is told what to write instead.
fn list_of_headers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<ProbeHeader>, D::Error> {
    struct Headers;

    impl<'de> Visitor<'de> for Headers {
        type Value = Vec<ProbeHeader>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of names and values, such as [{name: Accept, value: application/json}]")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
            let mut headers = Vec::new();
            while let Some(header) = items.next_element()? {
                headers.push(header);
            }
            Ok(headers)
        }
    }

    deserializer.deserialize_seq(Headers)
}
