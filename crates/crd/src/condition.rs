//! Status conditions.

use serde::{Deserialize, Serialize};

/// One condition in a `status`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Condition {
    /// Type, such as `Ready`.
    #[serde(rename = "type")]
    pub condition_type: String,
    /// Whether it holds.
    pub status: ConditionStatus,
    /// Why, in one word.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Why, for people. Names fields, requests and answers, never a secret or a header's value.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// How much it matters.
    #[serde(skip_serializing_if = "ConditionSeverity::is_error")]
    pub severity: ConditionSeverity,
    /// When `status` last changed, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_transition_time: Option<String>,
    /// When a probe last ran, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_probe_time: Option<String>,
}

/// Whether a condition holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ConditionStatus {
    /// It does.
    True,
    /// It doesn't.
    False,
    /// Not known yet.
    #[default]
    Unknown,
}

/// How much a condition matters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ConditionSeverity {
    /// Written as an empty text: counts for `Ready`.
    #[default]
    #[serde(rename = "", alias = "Error")]
    Error,
    /// Never affects `Ready`.
    Info,
}

impl ConditionSeverity {
    fn is_error(&self) -> bool {
        *self == Self::Error
    }
}

impl Condition {
    /// A condition that holds.
    pub fn holds(condition_type: &str, reason: &str) -> Self {
        Self { condition_type: condition_type.into(), status: ConditionStatus::True, reason: reason.into(), ..Self::default() }
    }

    /// A condition that doesn't hold.
    pub fn fails(condition_type: &str, reason: &str, message: impl Into<String>) -> Self {
        Self { condition_type: condition_type.into(), status: ConditionStatus::False, reason: reason.into(), message: message.into(), ..Self::default() }
    }

    /// A condition that can't be known yet.
    pub fn unknown(condition_type: &str, reason: &str, message: impl Into<String>) -> Self {
        Self { condition_type: condition_type.into(), reason: reason.into(), message: message.into(), ..Self::default() }
    }

    /// The same, but never affecting `Ready`.
    #[must_use]
    pub fn informative(self) -> Self {
        Self { severity: ConditionSeverity::Info, ..self }
    }
}
