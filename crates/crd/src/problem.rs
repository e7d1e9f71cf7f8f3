//! What is wrong with a manifest, and where in it.

use std::fmt;

/// One thing that is wrong with an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where: `spec.auth.types[0].params[1].name`, `metadata.annotations["a/b"]`. It may lead to a field that is missing.
    pub field: String,
    /// What is wrong and what would be right. Reads on from the field: `must be …`, `is required: …`.
    pub message: String,
    /// Whether the object can be used all the same.
    pub severity: Severity,
}

/// Whether an object with a problem can be used all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It can't.
    Error,
    /// It can, but perhaps not as its author thinks.
    Warning,
}

impl Severity {
    /// Lower-case name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}

/// The first problem that is an error.
pub fn first_error(problems: &[Problem]) -> Option<&Problem> {
    problems.iter().find(|problem| problem.severity == Severity::Error)
}

/// Collects problems.
#[derive(Debug, Default)]
pub(crate) struct Problems(Vec<Problem>);

impl Problems {
    pub(crate) fn error(&mut self, field: &FieldPath<'_>, message: impl Into<String>) {
        self.0.push(Problem { field: field.to_string(), message: message.into(), severity: Severity::Error });
    }

    pub(crate) fn warning(&mut self, field: &FieldPath<'_>, message: impl Into<String>) {
        self.0.push(Problem { field: field.to_string(), message: message.into(), severity: Severity::Warning });
    }

    pub(crate) fn into_vec(self) -> Vec<Problem> {
        self.0
    }
}

/// A path to a field, built on the way down and written out only when there is something to say.
#[derive(Debug, Clone, Copy)]
pub enum FieldPath<'a> {
    /// The object itself; prints as nothing.
    Object,
    /// A field of a mapping.
    Key(&'a FieldPath<'a>, &'a str),
    /// An item of a list, from 0.
    Index(&'a FieldPath<'a>, usize),
}

impl<'a> FieldPath<'a> {
    pub(crate) const SPEC: FieldPath<'static> = FieldPath::Key(&FieldPath::Object, "spec");
    pub(crate) const METADATA: FieldPath<'static> = FieldPath::Key(&FieldPath::Object, "metadata");

    /// The field `key` of this one.
    pub fn key(&'a self, key: &'a str) -> FieldPath<'a> {
        FieldPath::Key(self, key)
    }

    /// The item `index` of this one.
    pub fn index(&'a self, index: usize) -> FieldPath<'a> {
        FieldPath::Index(self, index)
    }
}

impl fmt::Display for FieldPath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Object => Ok(()),
            Self::Key(Self::Object, key) if is_plain(key) => f.write_str(key),
            Self::Key(parent, key) if is_plain(key) => write!(f, "{parent}.{key}"),
            Self::Key(parent, key) => write!(f, "{parent}[{key:?}]"),
            Self::Index(parent, index) => write!(f, "{parent}[{index}]"),
        }
    }
}

/// Whether a key can stand in a path without quotes.
fn is_plain(key: &str) -> bool {
    !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_reads_like_a_field() {
        let types = FieldPath::SPEC.key("auth");
        let types = types.key("types");
        let first = types.index(0);
        assert_eq!(first.key("secretType").to_string(), "spec.auth.types[0].secretType");
        let annotations = FieldPath::METADATA.key("annotations");
        assert_eq!(annotations.key("a.b/c").to_string(), "metadata.annotations[\"a.b/c\"]");
    }
}
