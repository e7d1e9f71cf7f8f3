//! A tool's address: an origin and a path prefix.

use std::fmt;

use crate::{Host, HostError, Origin, PathError, PathPrefix, RequestPath, Scheme};

/// Where a tool is. A request is aimed at it when the origins are equal and the path lies under the prefix.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Address {
    origin: Origin,
    prefix: PathPrefix,
}

/// Why a text is no address of a tool. Each says what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// No scheme, or another than http and https.
    #[error("must be an absolute URL that begins with http:// or https://")]
    Scheme,
    /// `user:password@`.
    #[error("must not carry user information before the host; credentials belong in the Secret that spec.auth.secretRef names")]
    UserInfo,
    /// `?…`
    #[error("must not carry a query ('?')")]
    Query,
    /// `#…`
    #[error("must not carry a fragment ('#')")]
    Fragment,
    /// A host or port that can't be one.
    #[error("has no valid host")]
    Host(#[source] HostError),
    /// A path that could be read in more than one way.
    #[error("has no valid path")]
    Path(#[source] PathError),
}

impl Address {
    /// Reads `http[s]://host[:port][/prefix]`.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let (scheme, rest) = text.split_once("://").ok_or(AddressError::Scheme)?;
        let scheme = Scheme::parse(scheme).ok_or(AddressError::Scheme)?;
        if rest.contains('#') {
            return Err(AddressError::Fragment);
        }
        if rest.contains('?') {
            return Err(AddressError::Query);
        }
        let (authority, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        };
        if authority.contains('@') {
            return Err(AddressError::UserInfo);
        }
        let (host, port) = Host::parse_with_port(authority).map_err(AddressError::Host)?;
        if !path.bytes().all(|b| b.is_ascii_graphic() && b != b'\\') {
            return Err(AddressError::Path(PathError::Plain));
        }
        let prefix = PathPrefix::parse(path).map_err(AddressError::Path)?;
        Ok(Self { origin: Origin::new(scheme, host, port), prefix })
    }

    /// Scheme, host and port.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The path below which the tool lives.
    pub fn prefix(&self) -> &PathPrefix {
        &self.prefix
    }

    /// Whether a request for `path` at `origin` is aimed at this address.
    pub fn contains(&self, origin: &Origin, path: &RequestPath<'_>) -> bool {
        self.origin == *origin && self.prefix.contains(path)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.origin, self.prefix.as_str())
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_addresses() {
        for (text, expect) in [
            ("https://GitHub.com", "https://github.com"),
            ("https://github.com/", "https://github.com"),
            ("HTTP://a.example:80/x/", "http://a.example/x"),
            ("https://a.example:8443/api/v1", "https://a.example:8443/api/v1"),
            ("http://[::1]:3000", "http://[::1]:3000"),
        ] {
            assert_eq!(Address::parse(text).unwrap().to_string(), expect);
        }
    }

    #[test]
    fn refuses_what_admission_refuses() {
        for (text, expect) in [
            ("github.com", AddressError::Scheme),
            ("ftp://a", AddressError::Scheme),
            ("https:/a", AddressError::Scheme),
            ("https://u:p@a", AddressError::UserInfo),
            ("https://a?x", AddressError::Query),
            ("https://a/#x", AddressError::Fragment),
            ("https://", AddressError::Host(HostError::Empty)),
            ("https://a:0", AddressError::Host(HostError::Port)),
            ("https://a/x/../y", AddressError::Path(PathError::DotSegment)),
            ("https://a/x y", AddressError::Path(PathError::Plain)),
        ] {
            assert_eq!(Address::parse(text), Err(expect), "{text}");
        }
    }
}
