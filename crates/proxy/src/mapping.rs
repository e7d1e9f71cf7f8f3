//! The tool's addresses in an answer, as the same places under the proxy's address.
//!
//! In path form all Connectors of a proxy share one host, so a reference or a cookie that left the Connector's part of it would reach another
//! Connector, with that one's credential. None does: what can't be mapped to below the Connector's own address is made to point at the tool
//! itself, or taken out.

use std::borrow::Cow;

use connectors_core::{Address, Host, Origin, RequestPath, Scheme};

use crate::target::Base;

/// The tool's address and the proxy's, as one caller sees them.
#[derive(Clone, Copy)]
pub(crate) struct Mapping<'a> {
    /// The tool's.
    pub(crate) address: &'a Address,
    /// The proxy's.
    pub(crate) base: Base<'a>,
    /// `http`, or `https` where the caller came over TLS.
    pub(crate) scheme: &'static str,
    /// The request's path below both.
    pub(crate) path: &'a str,
}

/// What becomes of a value.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Mapped {
    Stays,
    Becomes(Vec<u8>),
    Goes,
}

/// A URI reference (RFC 3986 §4.1), with those forms apart that clients resolve differently: browsers go by the URL Standard
/// (<https://url.spec.whatwg.org>).
enum Reference<'t> {
    /// `http[s]://authority…` or `//authority…`: scheme if any, authority, and the rest.
    Url(Option<Scheme>, &'t str, &'t str),
    /// `/…`
    Path(&'t str),
    /// Relative to the request's path.
    Relative(&'t str),
    /// Another scheme.
    Foreign,
    /// What browsers read as something else than it looks like: `http:path` is relative to them, `///host` names a host, a backslash is a
    /// slash, and a tab isn't there.
    Odd,
}

impl<'t> Reference<'t> {
    fn parse(text: &'t str) -> Self {
        if text.contains(['\\', '\t']) {
            return Self::Odd;
        }
        let url = |scheme, rest: &'t str| match rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len())) {
            ("", _) => Self::Odd,
            (authority, path) => Self::Url(scheme, authority, path),
        };
        if let Some(rest) = text.strip_prefix("//") {
            return url(None, rest);
        }
        if text.starts_with('/') {
            return Self::Path(text);
        }
        match text.find([':', '/', '?', '#']) {
            Some(at) if text[at..].starts_with(':') && is_scheme(&text[..at]) => match (Scheme::parse(&text[..at]), text[at + 1..].strip_prefix("//")) {
                (Some(scheme), Some(rest)) => url(Some(scheme), rest),
                (Some(_), None) => Self::Odd,
                (None, _) => Self::Foreign,
            },
            _ => Self::Relative(text),
        }
    }
}

impl Mapping<'_> {
    /// Maps the value of Location or Content-Location.
    pub(crate) fn location(&self, value: &[u8]) -> Mapped {
        let Ok(text) = std::str::from_utf8(value) else { return self.unless_shared(Mapped::Stays) };
        match Reference::parse(text) {
            Reference::Url(scheme, authority, path) => self.url(scheme, authority, path),
            Reference::Path(path) => self.at_tool(path, true),
            Reference::Relative(text) if has_dots(without_query(text)) => {
                let directory = self.path.rfind('/').map_or("/", |end| &self.path[..=end]);
                self.at_tool(&format!("{}{directory}{text}", self.address.prefix().as_str()), true)
            }
            Reference::Relative(text) if acceptable(&format!("/{}", without_query(text))) => Mapped::Stays,
            Reference::Foreign => Mapped::Stays,
            Reference::Relative(_) | Reference::Odd => self.unless_shared(Mapped::Stays),
        }
    }

    fn url(&self, scheme: Option<Scheme>, authority: &str, path: &str) -> Mapped {
        let (user, place) = authority.rsplit_once('@').map_or((None, authority), |(user, place)| (Some(user), place));
        // Browsers decode and map hosts that we refuse to read.
        let Ok((host, port)) = Host::parse_with_port(place) else { return self.unless_shared(Mapped::Stays) };
        let tool = self.address.origin();
        if user.is_none() && Origin::new(scheme.unwrap_or(tool.scheme()), host.clone(), port) == *tool {
            return self.at_tool(path, false);
        }
        // A tool that has learnt the proxy's host from X-Forwarded-Host means itself, and must not mean another Connector.
        if !self.base.prefix.is_empty() && self.is_proxy(scheme, &host, port) {
            let plain = remove_dots(without_query(path));
            let below = plain.strip_prefix(self.base.prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
            let query = &path[without_query(path).len()..];
            // Without dots, which could lead from below the tool's prefix to elsewhere on the proxy.
            let inside = format!("{}{plain}{query}", self.address.prefix().as_str());
            return if below && acceptable(&plain) { Mapped::Stays } else { self.at_tool(&inside, false) };
        }
        Mapped::Stays
    }

    /// Whether that is the host which all Connectors share, as the caller named it. Without a port in both, whichever port the scheme means:
    /// TLS may have ended before the proxy.
    fn is_proxy(&self, scheme: Option<Scheme>, host: &Host, port: Option<u16>) -> bool {
        let Ok((own, own_port)) = Host::parse_with_port(self.base.authority) else { return false };
        let own_scheme = Scheme::parse(self.scheme).unwrap_or(Scheme::Http);
        let effective = port.unwrap_or(scheme.unwrap_or(own_scheme).default_port());
        own == *host && (own_port == port || own_port.unwrap_or(own_scheme.default_port()) == effective)
    }

    /// Maps a path at the tool. `reference`: it was written without the host, and so is the result if it can be.
    fn at_tool(&self, path: &str, reference: bool) -> Mapped {
        let (plain, rest) = path.split_at(without_query(path).len());
        let plain: Cow<'_, str> = if has_dots(plain) { remove_dots(plain).into() } else { plain.into() };
        let Some(below) = self.below_prefix(&plain) else {
            // Beside the target's prefix: the place itself, which the caller may reach without the credential.
            return if reference { Mapped::Becomes(format!("{}{plain}{rest}", self.address.origin()).into_bytes()) } else { Mapped::Stays };
        };
        if !acceptable(below) {
            return Mapped::Goes;
        }
        let (proxy, authority) = (self.base.prefix, self.base.authority);
        let mapped = format!("{proxy}{below}{rest}");
        // Two slashes would begin a host.
        let is_path = !mapped.starts_with("//");
        match (authority, reference) {
            // A caller that named no host gets a path.
            (_, true) | ("", _) if is_path => Mapped::Becomes(mapped.into_bytes()),
            ("", _) => Mapped::Goes,
            _ => Mapped::Becomes(format!("{}://{authority}{mapped}", self.scheme).into_bytes()),
        }
    }

    /// The path without the target's prefix; `None` if it isn't under it.
    fn below_prefix<'t>(&self, path: &'t str) -> Option<&'t str> {
        match self.address.prefix().strip(path)? {
            "" => Some("/"),
            below if below.starts_with('/') => Some(below),
            _ => None,
        }
    }

    /// What can't be understood is passed on only where the Connector has a host of its own.
    fn unless_shared(&self, mapped: Mapped) -> Mapped {
        if self.base.prefix.is_empty() { mapped } else { Mapped::Goes }
    }

    /// Maps the value of Set-Cookie: the Domain, which would name the tool's host, goes, and the Path becomes the same place below the proxy's
    /// address (RFC 6265 §5.2.3, §5.2.4).
    pub(crate) fn cookie(&self, value: &[u8]) -> Mapped {
        let name_of = |part: &[u8]| part.split(|b| *b == b'=').next().unwrap_or(part).trim_ascii().to_ascii_lowercase();
        let mut parts = value.split(|b| *b == b';');
        let mut kept = parts.next().unwrap_or_default().to_vec();
        let attributes: Vec<&[u8]> = parts.collect();
        let moves = !self.base.prefix.is_empty() || !self.address.prefix().as_str().is_empty();
        if !moves && !attributes.iter().any(|part| name_of(part) == b"domain") {
            return Mapped::Stays;
        }
        let mut path = None;
        for attribute in attributes {
            match name_of(attribute).as_slice() {
                b"domain" => {}
                b"path" if moves => path = attribute.splitn(2, |b| *b == b'=').nth(1),
                _ => {
                    kept.push(b';');
                    kept.extend_from_slice(attribute);
                }
            }
        }
        if moves && (path.is_some() || !self.base.prefix.is_empty()) {
            kept.extend_from_slice(b"; Path=");
            kept.extend_from_slice(self.cookie_path(path).as_bytes());
        }
        Mapped::Becomes(kept.trim_ascii().to_vec())
    }

    fn cookie_path(&self, path: Option<&[u8]>) -> String {
        let below = path.and_then(|path| std::str::from_utf8(path.trim_ascii()).ok()).and_then(|path| self.below_prefix(path));
        // A `?` would be of the path here (RFC 6265 §5.1.4), which no request has.
        match below.filter(|below| *below != "/" && !below.contains('?') && acceptable(below)) {
            Some(below) => format!("{}{below}", self.base.prefix),
            None if self.base.prefix.is_empty() => "/".into(),
            None => self.base.prefix.into(),
        }
    }
}

/// RFC 3986 §3.1. What only looks like one is the beginning of a relative path.
fn is_scheme(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
}

fn without_query(text: &str) -> &str {
    &text[..text.find(['?', '#']).unwrap_or(text.len())]
}

/// Whether the proxy itself would take a request for that path.
fn acceptable(path: &str) -> bool {
    RequestPath::parse(path).is_ok()
}

fn has_dots(path: &str) -> bool {
    path.split('/').any(|segment| matches!(segment, "." | ".."))
}

/// RFC 3986 §5.2.4, for a path that begins with `/`.
fn remove_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut ends_in_folder = false;
    for segment in path.split('/').skip(1) {
        ends_in_folder = matches!(segment, "." | "..");
        match segment {
            "." => {}
            ".." => drop(kept.pop()),
            other => kept.push(other),
        }
    }
    format!("/{}{}", kept.join("/"), if ends_in_folder && !kept.is_empty() { "/" } else { "" })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: Base<'_> = Base { authority: "c-git.team.svc", prefix: "" };
    const PATH: Base<'_> = Base { authority: "proxy:8080", prefix: "/namespaces/team/connectors/git" };

    fn show(mapped: Mapped) -> String {
        match mapped {
            Mapped::Stays => "as it is".into(),
            Mapped::Becomes(value) => String::from_utf8(value).unwrap(),
            Mapped::Goes => "gone".into(),
        }
    }

    fn located(address: &str, base: Base<'_>, value: &str) -> String {
        let address = Address::parse(address).unwrap();
        show(Mapping { address: &address, base, scheme: "http", path: "/dir/page" }.location(value.as_bytes()))
    }

    fn baked(address: &str, base: Base<'_>, value: &str) -> String {
        let address = Address::parse(address).unwrap();
        show(Mapping { address: &address, base, scheme: "http", path: "/dir/page" }.cookie(value.as_bytes()))
    }

    #[test]
    fn locations_at_the_target_come_back_under_the_proxy_address() {
        for (address, base, value, expect) in [
            ("https://tool.example", HOST, "https://tool.example/a?b#c", "http://c-git.team.svc/a?b#c"),
            ("https://tool.example", HOST, "https://TOOL.example:443/a", "http://c-git.team.svc/a"),
            ("https://tool.example", HOST, "https://tool.example", "http://c-git.team.svc/"),
            ("https://tool.example", HOST, "https://tool.example?b", "http://c-git.team.svc/?b"),
            ("https://tool.example", HOST, "//tool.example/a", "http://c-git.team.svc/a"),
            ("https://tool.example", HOST, "/a", "/a"),
            ("https://tool.example", PATH, "/a", "/namespaces/team/connectors/git/a"),
            ("https://tool.example", PATH, "https://tool.example/a", "http://proxy:8080/namespaces/team/connectors/git/a"),
            ("https://tool.example/base", PATH, "https://tool.example/base/a", "http://proxy:8080/namespaces/team/connectors/git/a"),
            ("https://tool.example/base", HOST, "/base/a", "/a"),
            ("https://tool.example/base", HOST, "/base", "/"),
            ("https://tool.example/ba-se", HOST, "/ba%2Dse/a", "/a"),
            // Relative ones mean the same on both sides.
            ("https://tool.example/base", PATH, "next", "as it is"),
            ("https://tool.example/base", PATH, "../next?x", "/namespaces/team/connectors/git/next?x"),
            ("https://tool.example", PATH, "?page=2", "as it is"),
            // Other places pass.
            ("https://tool.example", HOST, "http://tool.example/a", "as it is"),
            ("https://tool.example", HOST, "https://tool.example:444/a", "as it is"),
            ("https://tool.example", PATH, "https://other.example/a", "as it is"),
            ("https://tool.example", HOST, "https://tool.example@evil.example/a", "as it is"),
            ("https://tool.example", PATH, "mailto:a@b.example", "as it is"),
            // Beside the prefix: the tool's own address, without the credential.
            ("https://tool.example/base", HOST, "/basement", "https://tool.example/basement"),
            ("https://tool.example/base", PATH, "/other/x", "https://tool.example/other/x"),
            ("https://tool.example/base", HOST, "https://tool.example/other", "as it is"),
        ] {
            assert_eq!(located(address, base, value), expect, "{value} from {address}");
        }
    }

    #[test]
    fn p12_no_location_leads_to_another_connector_of_the_same_host() {
        let own = "/namespaces/team/connectors/git";
        for value in [
            "https://tool.example/../api/x",
            "/../api/x",
            "/%2e%2e/api/x",
            "../../../api/x",
            "../../../../../namespaces/team/connectors/api/x",
            "/namespaces/team/connectors/api/x",
            "http://proxy:8080/namespaces/team/connectors/api/x",
            "http://PROXY:8080/namespaces/team/connectors/api/x",
            "http://u@proxy:8080/namespaces/team/connectors/api/x",
            "//proxy:8080/namespaces/team/connectors/api/x",
            "http://proxy:8080/namespaces/team/connectors/git/../api/x",
            "http://proxy:8080/namespaces/team/connectors/git/%2e%2e/api/x",
            "http://proxy:8080/../namespaces/team/connectors/api/x",
            "http:/namespaces/team/connectors/api/x",
            "http:../api/x",
            "/\\proxy:8080/namespaces/team/connectors/api/x",
            "\\..\\api",
            // As browsers read them.
            "ht\ttp://proxy:8080/namespaces/team/connectors/api/x",
            "/.\t./api/x",
            "///proxy:8080/namespaces/team/connectors/api/x",
            "http:///proxy:8080/namespaces/team/connectors/api/x",
            "http://proxy.:8080/namespaces/team/connectors/api/x",
            "http://proxy:08080/namespaces/team/connectors/api/x",
            "http://pro%78y:8080/namespaces/team/connectors/api/x",
            "http://ｐroxy:8080/namespaces/team/connectors/api/x",
            "1:/../../../../api/x",
            "%2e%2e/%2e%2e/api/x",
        ] {
            for address in ["https://tool.example", "https://tool.example/base"] {
                let mapped = located(address, PATH, value);
                let inside = mapped.strip_prefix("http://proxy:8080").unwrap_or(&mapped).strip_prefix(own);
                let inside = inside.is_some_and(|rest| rest.starts_with('/') && acceptable(without_query(rest)));
                assert!(
                    inside
                        || mapped == "gone"
                        || mapped.starts_with("https://tool.example/")
                        || (mapped == "as it is" && value.starts_with("https://tool.example/")),
                    "{value} from {address}: {mapped}"
                );
            }
        }
        assert_eq!(located("https://tool.example", PATH, "http://proxy:8080/namespaces/team/connectors/git/x"), "as it is");
        assert_eq!(located("https://tool.example", PATH, "http://proxy:8080/login"), "http://proxy:8080/namespaces/team/connectors/git/login");
    }

    #[test]
    fn p12_the_proxy_is_known_with_and_without_its_port() {
        let base = |authority| Base { authority, prefix: "/namespaces/team/connectors/git" };
        for (authority, host) in [("proxy", "proxy:80"), ("proxy:80", "proxy"), ("proxy", "proxy"), ("[::1]:80", "[0::1]")] {
            let mapped = located("https://tool.example", base(authority), &format!("http://{host}/namespaces/team/connectors/api/x"));
            assert_eq!(mapped, format!("http://{authority}/namespaces/team/connectors/git/namespaces/team/connectors/api/x"), "{host}");
        }
        // TLS that ended before the proxy; and what is no proxy.
        assert!(located("https://tool.example", base("proxy"), "https://proxy/namespaces/team/connectors/api/x").contains("connectors/git/"));
        assert_eq!(located("https://tool.example", base("proxy:8080"), "http://proxy:3000/namespaces"), "as it is");
    }

    #[test]
    fn two_slashes_do_not_become_a_host() {
        assert_eq!(located("https://tool.example/base", HOST, "/base//evil.example/x"), "http://c-git.team.svc//evil.example/x");
        assert_eq!(located("https://tool.example", HOST, "/.//evil.example/x"), "http://c-git.team.svc//evil.example/x");
        assert_eq!(located("https://tool.example/base", PATH, "/base//x"), "/namespaces/team/connectors/git//x");
        assert_eq!(located("https://tool.example/base", Base { authority: "", prefix: "" }, "/base//evil.example/x"), "gone");
    }

    #[test]
    fn p26_cookies_lose_their_domain_and_stay_with_their_connector() {
        for (address, base, value, expect) in [
            ("https://tool.example", HOST, "a=b; Domain=tool.example; Path=/", "a=b; Path=/"),
            ("https://tool.example", HOST, "a=b;domain = .tool.example;Secure", "a=b;Secure"),
            ("https://tool.example", HOST, "a=b; Path=/", "as it is"),
            ("https://tool.example", HOST, "domain=x; Path=/", "as it is"),
            ("https://tool.example", PATH, "a=b", "a=b; Path=/namespaces/team/connectors/git"),
            ("https://tool.example", PATH, "a=b; Path=/; HttpOnly", "a=b; HttpOnly; Path=/namespaces/team/connectors/git"),
            ("https://tool.example", PATH, "a=b; path=/x; Path=/y", "a=b; Path=/namespaces/team/connectors/git/y"),
            ("https://tool.example", PATH, "a=b; Path=/../api", "a=b; Path=/namespaces/team/connectors/git"),
            ("https://tool.example", PATH, "a=b; Path=/x?/../api", "a=b; Path=/namespaces/team/connectors/git"),
            ("https://tool.example/base", PATH, "a=b; Path=/base/x", "a=b; Path=/namespaces/team/connectors/git/x"),
            ("https://tool.example/base", PATH, "a=b; Path=/", "a=b; Path=/namespaces/team/connectors/git"),
            ("https://tool.example/base", HOST, "a=b; Path=/base/x", "a=b; Path=/x"),
        ] {
            assert_eq!(baked(address, base, value), expect, "{value} from {address}");
        }
    }
}
