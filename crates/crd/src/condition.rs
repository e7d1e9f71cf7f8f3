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

/// The longest that a message is. Every object's messages are kept, written to its status and listed; what is longer tells nobody more.
pub(crate) const MAX_MESSAGE_BYTES: usize = 1024;

/// A text of `most` bytes at most, which ends in `…` if something of it is missing.
pub(crate) fn shortened(mut text: String, most: usize) -> String {
    const MORE: char = '…';
    if text.len() > most {
        text.truncate(text.floor_char_boundary(most.saturating_sub(MORE.len_utf8())));
        text.push(MORE);
    }
    text
}

impl Condition {
    /// A condition that holds.
    pub fn holds(condition_type: &str, reason: &str) -> Self {
        Self { condition_type: condition_type.into(), status: ConditionStatus::True, reason: reason.into(), ..Self::default() }
    }

    /// A condition that doesn't hold. A message of more than 1 KiB is cut.
    pub fn fails(condition_type: &str, reason: &str, message: impl Into<String>) -> Self {
        Self { status: ConditionStatus::False, ..Self::unknown(condition_type, reason, message) }
    }

    /// A condition that can't be known yet. A message of more than 1 KiB is cut.
    pub fn unknown(condition_type: &str, reason: &str, message: impl Into<String>) -> Self {
        let message = shortened(message.into(), MAX_MESSAGE_BYTES);
        Self { condition_type: condition_type.into(), reason: reason.into(), message, ..Self::default() }
    }

    /// The same, but never affecting `Ready`.
    #[must_use]
    pub fn informative(self) -> Self {
        Self { severity: ConditionSeverity::Info, ..self }
    }
}
