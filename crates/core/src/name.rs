//! `<namespace>/<name>`, checked.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// The longest DNS label, RFC 1035 §2.3.4.
const MAX_LABEL: usize = 63;
/// A Connector's Service is called `c-<name>`, which must itself be a label.
const MAX_NAME: usize = MAX_LABEL - "c-".len();

/// Names one Connector: its namespace and its name, both valid DNS labels, so neither can hold a `/`, a dot or a `%`.
///
/// Kept as one string `namespace/name`, which is how callers write it and how maps look it up.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConnectorRef {
    /// Shared, since records and refusals of a request keep it too.
    full: Arc<str>,
    slash: u8,
}

/// Why a text names no Connector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Not of the form `namespace/name`.
    #[error("must have the form <namespace>/<name>")]
    NoSlash,
    /// The namespace isn't a DNS label.
    #[error("the namespace must be 1 to 63 of a-z, 0-9 and '-', starting and ending with a letter or digit")]
    Namespace,
    /// The name isn't a DNS label that leaves room for `c-` in front.
    #[error("the name must be 1 to 61 of a-z, 0-9 and '-', starting and ending with a letter or digit")]
    Name,
}

impl ConnectorRef {
    /// Joins a namespace and a name.
    pub fn new(namespace: &str, name: &str) -> Result<Self, NameError> {
        if !is_label(namespace) {
            return Err(NameError::Namespace);
        }
        if !is_label(name) || name.len() > MAX_NAME {
            return Err(NameError::Name);
        }
        let mut full = String::with_capacity(namespace.len() + 1 + name.len());
        full.push_str(namespace);
        full.push('/');
        full.push_str(name);
        // A label is at most 63 bytes, so its length fits.
        Ok(Self { full: full.into(), slash: namespace.len() as u8 })
    }

    /// Reads `namespace/name`.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let (namespace, name) = text.split_once('/').ok_or(NameError::NoSlash)?;
        Self::new(namespace, name)
    }

    /// The namespace.
    pub fn namespace(&self) -> &str {
        &self.full[..usize::from(self.slash)]
    }

    /// The name within the namespace.
    pub fn name(&self) -> &str {
        &self.full[usize::from(self.slash) + 1..]
    }

    /// `namespace/name`.
    pub fn as_str(&self) -> &str {
        &self.full
    }
}

/// The text alone: where its slash is follows from it.
impl Hash for ConnectorRef {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.full.hash(state);
    }
}

impl fmt::Display for ConnectorRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.full)
    }
}

impl fmt::Debug for ConnectorRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.full)
    }
}

/// A DNS label as Kubernetes wants it (RFC 1123 §2.1, lower case).
fn is_label(text: &str) -> bool {
    let bytes = text.as_bytes();
    let ends_in_hyphen = bytes.first() == Some(&b'-') || bytes.last() == Some(&b'-');
    (1..=MAX_LABEL).contains(&bytes.len()) && !ends_in_hyphen && bytes.iter().all(is_inner)
}

/// What may stand within a label.
fn is_inner(byte: &u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_splits() {
        let name = ConnectorRef::parse("team-a/git").unwrap();
        assert_eq!((name.namespace(), name.name(), name.as_str()), ("team-a", "git", "team-a/git"));
    }

    #[test]
    fn refuses_what_is_no_name() {
        for (text, expect) in [
            ("git", NameError::NoSlash),
            ("/git", NameError::Namespace),
            ("a/", NameError::Name),
            ("A/git", NameError::Namespace),
            ("a/b/c", NameError::Name),
            ("a/b.c", NameError::Name),
            ("a/..", NameError::Name),
            ("a/-b", NameError::Name),
            ("a%2Fb/c", NameError::Namespace),
        ] {
            assert_eq!(ConnectorRef::parse(text), Err(expect), "{text}");
        }
        assert!(ConnectorRef::new("a", &"x".repeat(61)).is_ok());
        assert_eq!(ConnectorRef::new("a", &"x".repeat(62)), Err(NameError::Name));
    }
}
