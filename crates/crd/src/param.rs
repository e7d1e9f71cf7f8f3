//! Parameters: what a class declares and what a Connector gives.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A parameter that a class declares.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ParamSpec {
    /// Name, unique in its list. `spec.address` of a class may leave it out; it is then `address`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The type of its values.
    #[serde(rename = "type")]
    pub param_type: ParamType,
    /// The value where none is given; without one the parameter is required.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
    /// For people.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// The values that are allowed; empty means any.
    #[serde(rename = "enum", skip_serializing_if = "Vec::is_empty")]
    pub allowed: Vec<String>,
    /// The properties of an `object`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub properties: BTreeMap<String, Value>,
    /// For consoles.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// The type of a parameter's value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ParamType {
    /// A text.
    #[default]
    String,
    /// A list of texts.
    Array,
    /// A mapping.
    Object,
}

/// A parameter's value.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Param {
    /// The name of the [`ParamSpec`].
    pub name: String,
    /// Any JSON; for a parameter of type `string` it must be a string.
    pub value: Value,
}

impl ParamType {
    /// With its article, for messages.
    pub(crate) fn described(self) -> &'static str {
        match self {
            Self::String => "a string",
            Self::Array => "a list",
            Self::Object => "a mapping",
        }
    }
}

impl ParamSpec {
    /// The default, if it is a text.
    pub fn default_text(&self) -> Option<&str> {
        self.default.as_ref().and_then(Value::as_str)
    }
}

impl Param {
    /// The value, if it is a text.
    pub fn text(&self) -> Option<&str> {
        self.value.as_str()
    }
}
