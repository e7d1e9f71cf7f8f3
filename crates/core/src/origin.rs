//! Scheme, host and port, in the one form in which they are compared.

use std::borrow::Cow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use memchr::memchr;

use crate::fingerprint::fingerprint;

/// `http` or `https`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Plain HTTP, default port 80.
    Http,
    /// HTTP over TLS, default port 443.
    Https,
}

impl Scheme {
    /// Reads a scheme name, in any case (RFC 3986 §3.1).
    pub fn parse(text: &str) -> Option<Self> {
        if text.eq_ignore_ascii_case("http") {
            Some(Self::Http)
        } else if text.eq_ignore_ascii_case("https") {
            Some(Self::Https)
        } else {
            None
        }
    }

    /// The port that an address without one means.
    pub fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }

    /// Lower-case name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// A host in canonical form: lower-case ASCII (IDNA), without a trailing dot, or an IP address.
///
/// The constructor is the only place that lower-cases; everything else compares for equality.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Host {
    /// A DNS name. Shared, because origins are cloned for every connection that is opened.
    Name(Arc<str>),
    /// An address literal.
    Ip(IpAddr),
}

/// A [`Host`] that has not left the text it was read from: for those who only look at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostRef<'a> {
    /// A DNS name. Borrowed if the text has it in canonical form.
    Name(Cow<'a, str>),
    /// An address literal.
    Ip(IpAddr),
}

/// Why a text is no host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// Nothing there.
    #[error("the host is empty")]
    Empty,
    /// A character or a length that no DNS name has.
    #[error("the host is not a DNS name or an IP address")]
    Invalid,
    /// A name whose last label is a number, such as `127.1` or `0x7f000001`: resolvers read those as addresses.
    #[error("the host looks like an IP address but is not one in dotted or bracketed form")]
    NumericName,
    /// The port is not a number from 1 to 65535.
    #[error("the port must be a number from 1 to 65535")]
    Port,
}

impl<'a> HostRef<'a> {
    /// Reads a host without a port: a name, a dotted IPv4 address, or an IPv6 address in brackets.
    pub fn parse(text: &'a str) -> Result<Self, HostError> {
        if let Some(inner) = text.strip_prefix('[') {
            let inner = inner.strip_suffix(']').ok_or(HostError::Invalid)?;
            return inner.parse::<Ipv6Addr>().map(|ip| Self::Ip(IpAddr::V6(ip))).map_err(|_| HostError::Invalid);
        }
        let text = text.strip_suffix('.').unwrap_or(text);
        if text.is_empty() {
            return Err(HostError::Empty);
        }
        // Names that end in a digit are few.
        if text.ends_with(|last: char| last.is_ascii_digit())
            && let Ok(ip) = text.parse::<Ipv4Addr>()
        {
            return Ok(Self::Ip(IpAddr::V4(ip)));
        }
        // Nearly all names are in canonical form.
        if check_name(text).is_ok() {
            return Ok(Self::Name(text.into()));
        }
        let name = if text.is_ascii() {
            text.to_ascii_lowercase().into()
        } else {
            idna::domain_to_ascii_cow(text.as_bytes(), idna::AsciiDenyList::URL).map_err(|_| HostError::Invalid)?
        };
        check_name(&name)?;
        Ok(Self::Name(name))
    }

    /// Reads `host` or `host:port`, as in a Host header (RFC 9110 §7.2).
    pub fn parse_with_port(text: &'a str) -> Result<(Self, Option<u16>), HostError> {
        // The colons of an IPv6 address stand in brackets.
        let bracket = if text.starts_with('[') { text.rfind(']').unwrap_or_default() } else { 0 };
        let colon = memchr(b':', &text.as_bytes()[bracket..]).map(|at| bracket + at);
        let Some(colon) = colon else { return Ok((Self::parse(text)?, None)) };
        let (host, port) = (&text[..colon], &text[colon + 1..]);
        // RFC 3986 §3.2.3 allows an empty port, which means the default.
        if port.is_empty() {
            return Ok((Self::parse(host)?, None));
        }
        if !port.bytes().all(|b| b.is_ascii_digit()) {
            return Err(HostError::Port);
        }
        match port.parse::<u16>() {
            Ok(0) | Err(_) => Err(HostError::Port),
            Ok(port) => Ok((Self::parse(host)?, Some(port))),
        }
    }
}

impl From<HostRef<'_>> for Host {
    fn from(host: HostRef<'_>) -> Self {
        match host {
            HostRef::Name(name) => Self::Name(name.into()),
            HostRef::Ip(ip) => Self::Ip(ip),
        }
    }
}

impl Host {
    /// As [`HostRef::parse`].
    pub fn parse(text: &str) -> Result<Self, HostError> {
        HostRef::parse(text).map(Self::from)
    }

    /// As [`HostRef::parse_with_port`].
    pub fn parse_with_port(text: &str) -> Result<(Self, Option<u16>), HostError> {
        HostRef::parse_with_port(text).map(|(host, port)| (host.into(), port))
    }

    /// The name, if it isn't an address.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Name(name) => Some(name),
            Self::Ip(_) => None,
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Ip(IpAddr::V4(ip)) => ip.fmt(f),
            Self::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]"),
        }
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The bytes of labels in canonical form.
static IN_LABELS: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        table[byte as usize] = byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_';
        byte += 1;
    }
    table
};

/// Checks a name in small letters. RFC 1035 lengths; underscores occur in real names and are let through.
fn check_name(name: &str) -> Result<(), HostError> {
    let mut rest = name;
    let last = loop {
        let label = rest.bytes().take_while(|&byte| IN_LABELS[usize::from(byte)]).count();
        if !(1..=63).contains(&label) {
            return Err(HostError::Invalid);
        }
        match rest.as_bytes().get(label) {
            None => break rest,
            Some(b'.') => rest = &rest[label + 1..],
            Some(_) => return Err(HostError::Invalid),
        }
    };
    if name.len() > 253 {
        return Err(HostError::Invalid);
    }
    // What inet_aton would take for an address: a last label of digits, or of 0x and hex digits.
    let hex = last.strip_prefix("0x").is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_hexdigit()));
    if hex || last.bytes().all(|b| b.is_ascii_digit()) {
        return Err(HostError::NumericName);
    }
    Ok(())
}

/// Scheme, host and effective port: what a request is matched by, what is dialled, and what a certificate must name.
///
/// Cloning is cheap, and its text is made once: most requests go to an origin that was made when a manifest changed.
#[derive(Clone, PartialEq, Eq)]
pub struct Origin(Arc<Parts>);

#[derive(PartialEq, Eq)]
struct Parts {
    scheme: Scheme,
    host: Host,
    port: u16,
    /// Follows from the others, as does the next.
    authority: Box<str>,
    /// Only speeds up hashing; equality compares the parts. Under a key of this process, since callers choose origins.
    fingerprint: u64,
}

impl Origin {
    /// Joins the parts; no port means the scheme's default.
    pub fn new(scheme: Scheme, host: Host, port: Option<u16>) -> Self {
        let port = port.unwrap_or(scheme.default_port());
        let authority = if port == scheme.default_port() { host.to_string() } else { format!("{host}:{port}") };
        let fingerprint = fingerprint(&(scheme, &authority));
        Self(Arc::new(Parts { scheme, host, port, authority: authority.into(), fingerprint }))
    }

    /// The scheme.
    pub fn scheme(&self) -> Scheme {
        self.0.scheme
    }

    /// The host.
    pub fn host(&self) -> &Host {
        &self.0.host
    }

    /// The effective port.
    pub fn port(&self) -> u16 {
        self.0.port
    }

    /// `host` or `host:port`, the port only where it isn't the scheme's default: a Host header's value.
    pub fn authority(&self) -> &str {
        &self.0.authority
    }
}

impl Hash for Origin {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0.fingerprint);
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme().as_str(), self.authority())
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_have_one_form() {
        for (text, expect) in [
            ("GitHub.COM", "github.com"),
            ("github.com.", "github.com"),
            ("bücher.example", "xn--bcher-kva.example"),
            ("127.0.0.1", "127.0.0.1"),
            ("[::1]", "[::1]"),
            ("[0:0:0:0:0:0:0:1]", "[::1]"),
            ("my_tool.internal", "my_tool.internal"),
        ] {
            assert_eq!(Host::parse(text).unwrap().to_string(), expect);
        }
    }

    #[test]
    fn p01_hosts_that_two_readers_could_read_differently_are_refused() {
        for text in
            ["", ".", "a..b", "a b", "user@host", "host/", "127.1", "0x7f000001", "2130706433", "0177.0.0.1", "[::1", "::1", "a%2eb", "a\\b", "a?b", "a#b"]
        {
            assert!(Host::parse(text).is_err(), "{text:?} was taken");
        }
    }

    #[test]
    fn ports() {
        assert_eq!(Host::parse_with_port("a:8080").unwrap().1, Some(8080));
        assert_eq!(Host::parse_with_port("a:").unwrap().1, None);
        assert_eq!(Host::parse_with_port("[::1]:81").unwrap().1, Some(81));
        for text in ["a:0", "a:65536", "a:+1", "a:1:2", "a: 1", "[::1]81x"] {
            assert!(Host::parse_with_port(text).is_err(), "{text:?} was taken");
        }
    }

    #[test]
    fn authority_leaves_the_default_port_out() {
        let host = || Host::parse("a.example").unwrap();
        assert_eq!(Origin::new(Scheme::Https, host(), Some(443)).authority(), "a.example");
        assert_eq!(Origin::new(Scheme::Http, host(), Some(443)).authority(), "a.example:443");
        assert_eq!(Origin::new(Scheme::Https, host(), None), Origin::new(Scheme::Https, host(), Some(443)));
        let literal = || Host::parse("[::1]").unwrap();
        assert_eq!(Origin::new(Scheme::Https, literal(), None).authority(), "[::1]");
        assert_eq!(Origin::new(Scheme::Https, literal(), Some(80)).authority(), "[::1]:80");
    }

    #[test]
    fn origins_are_equal_only_if_scheme_host_and_port_are() {
        let origin = |scheme, host: &str, port| Origin::new(scheme, Host::parse(host).unwrap(), port);
        let all = [
            origin(Scheme::Http, "a.example", None),
            origin(Scheme::Https, "a.example", None),
            origin(Scheme::Http, "a.example", Some(443)),
            origin(Scheme::Https, "a.example", Some(80)),
            origin(Scheme::Https, "b.example", None),
            origin(Scheme::Https, "127.0.0.1", None),
            origin(Scheme::Https, "[::ffff:127.0.0.1]", None),
            origin(Scheme::Https, "[::1]", Some(80)),
        ];
        for (index, one) in all.iter().enumerate() {
            assert!(all.iter().enumerate().all(|(other, two)| (one == two) == (index == other)), "{one}");
        }
    }
}
