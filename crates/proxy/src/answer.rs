//! The answer as the caller gets it.

use std::borrow::Cow;

use connectors_core::{Address, Host, Origin, Scheme};
use connectors_http1::{Field, HeadWriter, Line, RequestHead, ResponseFraming, ResponseHead, Version, WriteError};

use crate::target::Base;

/// What decides how an answer goes back.
pub(crate) struct Incoming<'a> {
    /// The request it answers.
    pub(crate) request: &'a RequestHead,
    /// The tool's answer.
    pub(crate) head: &'a ResponseHead,
    /// How the answer's body is framed on the tool's side.
    pub(crate) framing: ResponseFraming,
    /// In reverse mode, what is rewritten and into what.
    pub(crate) mapping: Option<Mapping<'a>>,
    /// Whether the caller's connection stays open after it.
    pub(crate) keep_alive: bool,
}

/// The tool's address and the proxy's, as one caller sees them.
#[derive(Clone, Copy)]
pub(crate) struct Mapping<'a> {
    /// The tool's.
    pub(crate) address: &'a Address,
    /// The proxy's.
    pub(crate) base: Base<'a>,
    /// `http`, or `https` where the caller came over TLS.
    pub(crate) scheme: &'static str,
}

/// How a body goes to the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coding {
    /// As it is: it has a length, or ends with the connection, or isn't there.
    Plain,
    /// In chunks.
    Chunked,
}

impl Incoming<'_> {
    /// How the body goes back. What only ends with the tool's connection is sent in chunks, so that the caller can tell its end from a broken
    /// transfer; HTTP/1.0 knows no chunks and gets the end of the connection.
    pub(crate) fn coding(&self) -> Coding {
        match (self.framing, self.request.version()) {
            (ResponseFraming::Chunked | ResponseFraming::UntilClose, Version::Http11) => Coding::Chunked,
            _ => Coding::Plain,
        }
    }

    /// Whether the body's end can only be seen by the connection's.
    pub(crate) fn ends_with_connection(&self) -> bool {
        self.coding() == Coding::Plain && matches!(self.framing, ResponseFraming::Chunked | ResponseFraming::UntilClose)
    }
}

/// Writes the head.
///
/// # Errors
/// As for requests: only a mistake here could cause one.
pub(crate) fn write(incoming: &Incoming<'_>, out: &mut Vec<u8>) -> Result<(), WriteError> {
    let head = incoming.head;
    let mut writer = HeadWriter::response(out, head.status(), head.reason())?;
    for line in head.lines() {
        match fate(incoming, &line) {
            Fate::Stays => {
                writer.line(&line);
            }
            Fate::Becomes(value) => {
                writer.field(line.name(), &value)?;
            }
            Fate::Goes => {}
        }
    }
    match (incoming.framing, incoming.coding()) {
        (_, Coding::Chunked) => {
            writer.chunked();
        }
        (ResponseFraming::Length(length), Coding::Plain) => {
            writer.content_length(length);
        }
        _ => {}
    }
    writer.field("Via", b"1.1 connectors")?;
    if !incoming.keep_alive {
        writer.field("Connection", b"close")?;
    } else if incoming.request.version() == Version::Http10 {
        writer.field("Connection", b"keep-alive")?;
    }
    writer.end();
    Ok(())
}

/// What becomes of one line of the tool's.
enum Fate {
    Stays,
    Becomes(Vec<u8>),
    Goes,
}

fn fate(incoming: &Incoming<'_>, line: &Line<'_>) -> Fate {
    match line.field {
        // Written anew, or meant for this hop only (RFC 9110 §7.6.1). HEAD, 204 and 304 keep the length that they talk about.
        Field::ContentLength if incoming.framing == ResponseFraming::None => Fate::Stays,
        Field::ContentLength
        | Field::TransferEncoding
        | Field::Connection
        | Field::KeepAlive
        | Field::ProxyConnection
        | Field::ProxyAuthenticate
        | Field::ProxyAuthenticationInfo
        | Field::ProxyOther
        | Field::Te
        | Field::Upgrade
        | Field::Via
        | Field::Alias => Fate::Goes,
        Field::Location | Field::ContentLocation => match incoming.mapping.and_then(|mapping| mapping.location(line.value)) {
            Some(value) => Fate::Becomes(value),
            None => Fate::Stays,
        },
        Field::SetCookie if incoming.mapping.is_some() => match without_domain(line.value) {
            Some(value) => Fate::Becomes(value),
            None => Fate::Stays,
        },
        // Only the proxy says this of itself.
        _ if line.is_named("X-Connectors-Error") => Fate::Goes,
        // An invitation to reach the tool past the proxy (RFC 7838).
        _ if line.is_named("Alt-Svc") => Fate::Goes,
        _ if incoming.head.connection_lists(line) => Fate::Goes,
        _ => Fate::Stays,
    }
}

impl Mapping<'_> {
    /// A URL or path under the tool's address, as the same place under the proxy's. `None`: leave it as it is.
    fn location(&self, value: &[u8]) -> Option<Vec<u8>> {
        let text = std::str::from_utf8(value).ok()?;
        let below = self.below_prefix(self.path_at_tool(text)?)?;
        let proxy = self.base.prefix;
        // A caller that named no host gets a path.
        Some(
            match (text.starts_with('/') && !text.starts_with("//")) || self.base.authority.is_empty() {
                true => format!("{proxy}{below}"),
                false => format!("{}://{}{proxy}{below}", self.scheme, self.base.authority),
            }
            .into_bytes(),
        )
    }

    /// The path, query and fragment of a reference to the tool's origin; `None` for references to other places, and for relative ones, which
    /// mean the same under the proxy.
    fn path_at_tool<'t>(&self, text: &'t str) -> Option<&'t str> {
        let (scheme, rest) = if let Some(rest) = text.strip_prefix("//") {
            (self.address.origin().scheme(), rest)
        } else if text.starts_with('/') {
            return Some(text);
        } else {
            let (scheme, rest) = text.split_once("://")?;
            (Scheme::parse(scheme)?, rest)
        };
        let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let (host, port) = Host::parse_with_port(authority).ok()?;
        (Origin::new(scheme, host, port) == *self.address.origin()).then_some(path)
    }

    /// The path without the target's prefix, which the proxy adds; `None` if it isn't under it.
    fn below_prefix<'t>(&self, path: &'t str) -> Option<Cow<'t, str>> {
        let below = path.strip_prefix(self.address.prefix().as_str())?;
        match below.as_bytes().first() {
            Some(b'/') => Some(below.into()),
            None | Some(b'?' | b'#') => Some(format!("/{below}").into()),
            Some(_) => None,
        }
    }
}

/// A Set-Cookie value without its Domain attribute, which would name the tool's host; `None` if it has none (RFC 6265 §5.2.3).
fn without_domain(value: &[u8]) -> Option<Vec<u8>> {
    let is_domain = |part: &&[u8]| part.split(|b| *b == b'=').next().is_some_and(|name| name.trim_ascii().eq_ignore_ascii_case(b"domain"));
    let mut parts = value.split(|b| *b == b';');
    let pair = parts.next()?;
    let attributes: Vec<&[u8]> = parts.collect();
    if !attributes.iter().any(is_domain) {
        return None;
    }
    let mut kept = pair.to_vec();
    for attribute in attributes.iter().filter(|part| !is_domain(part)) {
        kept.push(b';');
        kept.extend_from_slice(attribute);
    }
    Some(kept.trim_ascii().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mapped(address: &str, base: Base<'_>, value: &str) -> String {
        let address = Address::parse(address).unwrap();
        let mapping = Mapping { address: &address, base, scheme: "http" };
        mapping.location(value.as_bytes()).map_or_else(|| "as it is".into(), |value| String::from_utf8(value).unwrap())
    }

    #[test]
    fn locations_at_the_target_come_back_under_the_proxy_address() {
        let host = Base { authority: "c-git.team.svc", prefix: "" };
        let path = Base { authority: "proxy:8080", prefix: "/namespaces/team/connectors/git" };
        for (address, base, value, expect) in [
            ("https://tool.example", host, "https://tool.example/a?b#c", "http://c-git.team.svc/a?b#c"),
            ("https://tool.example", host, "https://TOOL.example:443/a", "http://c-git.team.svc/a"),
            ("https://tool.example", host, "https://tool.example", "http://c-git.team.svc/"),
            ("https://tool.example", host, "https://tool.example?b", "http://c-git.team.svc/?b"),
            ("https://tool.example", host, "//tool.example/a", "http://c-git.team.svc/a"),
            ("https://tool.example", host, "/a", "/a"),
            ("https://tool.example", path, "/a", "/namespaces/team/connectors/git/a"),
            ("https://tool.example", path, "https://tool.example/a", "http://proxy:8080/namespaces/team/connectors/git/a"),
            ("https://tool.example/base", path, "https://tool.example/base/a", "http://proxy:8080/namespaces/team/connectors/git/a"),
            ("https://tool.example/base", host, "/base/a", "/a"),
            ("https://tool.example/base", host, "/base", "/"),
            // Not under the target: left alone.
            ("https://tool.example/base", host, "/basement", "as it is"),
            ("https://tool.example/base", host, "https://tool.example/other", "as it is"),
            ("https://tool.example", host, "http://tool.example/a", "as it is"),
            ("https://tool.example", host, "https://tool.example:444/a", "as it is"),
            ("https://tool.example", host, "https://other.example/a", "as it is"),
            ("https://tool.example", host, "https://tool.example@evil.example/a", "as it is"),
            ("https://tool.example", path, "../a", "as it is"),
        ] {
            assert_eq!(mapped(address, base, value), expect, "{value} from {address}");
        }
    }

    #[test]
    fn p26_cookies_lose_their_domain_and_nothing_else() {
        for (value, expect) in [
            ("a=b; Domain=tool.example; Path=/", Some("a=b; Path=/")),
            ("a=b;domain = .tool.example;Secure", Some("a=b;Secure")),
            ("a=b; Path=/", None),
            ("domain=x; Path=/", None),
        ] {
            assert_eq!(without_domain(value.as_bytes()).map(|value| String::from_utf8(value).unwrap()).as_deref(), expect, "{value}");
        }
    }
}
