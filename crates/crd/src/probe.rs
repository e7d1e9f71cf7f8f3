//! Probes: how a class finds out whether a tool is there and a credential is good.

use std::fmt;

use serde::de::{IntoDeserializer as _, SeqAccess, Visitor};
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
    #[serde(deserialize_with = "empty_is_absent")]
    pub method: ProbeMethod,
    /// Another host than the Connector's.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub host: String,
    /// Another scheme than the Connector's.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "empty_is_none")]
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

/// What Go writes for a text that nobody has given, `""`, is as if the field weren't there.
fn empty_is_none<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?.filter(|text| !text.is_empty());
    text.map(|text| T::deserialize(text.into_deserializer())).transpose()
}

fn empty_is_absent<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(deserializer: D) -> Result<T, D::Error> {
    empty_is_none(deserializer).map(Option::unwrap_or_default)
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn an_empty_scheme_or_method_is_as_none() {
        let read = |more: Value| {
            let mut http = json!({"path": "/"});
            http.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            serde_json::from_value::<HttpProbe>(http).map(|probe| (probe.scheme, probe.method)).map_err(|error| error.to_string())
        };
        for (given, expect) in [
            (json!({}), Ok((None, ProbeMethod::Get))),
            (json!({"scheme": "", "method": ""}), Ok((None, ProbeMethod::Get))),
            (json!({"scheme": null, "method": null}), Ok((None, ProbeMethod::Get))),
            (json!({"scheme": "http", "method": "GET"}), Ok((Some(ProbeScheme::Http), ProbeMethod::Get))),
            (json!({"scheme": "https", "method": "POST"}), Ok((Some(ProbeScheme::Https), ProbeMethod::Post))),
            (json!({"scheme": "ftp"}), Err("unknown variant `ftp`, expected `http` or `https`".to_owned())),
            (json!({"method": "get"}), Err("unknown variant `get`, expected `GET` or `POST`".to_owned())),
        ] {
            assert_eq!(read(given.clone()), expect, "{given}");
        }
    }
}
