//! What a request is aimed at. The only place that reads a raw Host or request-target.
//!
//! One authority comes out of it, and matching, injecting and dialling all use that one.

use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::BuildHasher as _;

use connectors_core::{ConnectorRef, Host, HostError, HostRef, Origin, PathError, RequestPath, Scheme};
use connectors_http1::{Field, RequestHead, TargetForm};
use foldhash::fast::RandomState;
use memchr::memchr;

use crate::settings::Settings;

/// Where a request wants to go, and in which mode.
#[derive(Debug)]
pub(crate) enum Target<'h> {
    /// The Connector is in the proxy's own address.
    Reverse(Reverse<'h>),
    /// The request names the tool's URL; the Connectors are named in Proxy-Authorization.
    Forward(Forward<'h>),
    /// `CONNECT host:port`.
    Connect(Origin),
}

/// A request to a Connector's proxy address.
#[derive(Debug)]
pub(crate) struct Reverse<'h> {
    /// Which.
    pub(crate) connector: ConnectorRef,
    /// The path and query below the proxy address.
    pub(crate) path: RequestPath<'h>,
    /// How the caller wrote the proxy address, to write it the same way in answers.
    pub(crate) base: Base<'h>,
}

/// The proxy address, as one caller sees it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Base<'h> {
    /// Host and port; empty if an HTTP/1.0 caller named none.
    pub(crate) authority: &'h str,
    /// `/namespaces/<ns>/connectors/<name>`, or empty.
    pub(crate) prefix: &'h str,
}

/// A request for a URL.
#[derive(Debug)]
pub(crate) struct Forward<'h> {
    /// Where.
    pub(crate) origin: Origin,
    /// What there.
    pub(crate) path: RequestPath<'h>,
}

/// Why a request has no target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TargetError {
    #[error("the Host is invalid")]
    Host(#[source] HostError),
    #[error("the request's path is refused")]
    Path(#[source] PathError),
    #[error("only http and https URLs can be requested")]
    Scheme,
    #[error("a URL must not carry user information; use Proxy-Authorization")]
    UserInfo,
    #[error("the host and the path name different Connectors")]
    TwoConnectors,
    #[error("a request inside a CONNECT must be for the host and port that CONNECT named")]
    Misdirected,
    #[error("CONNECT cannot be used inside a CONNECT")]
    NestedConnect,
    #[error("CONNECT needs a host and a port")]
    ConnectPort,
    #[error("'*' is not a path of a tool")]
    Asterisk,
    #[error("no Connector's address")]
    NoForm,
}

/// The Connectors that were named by Host more than once, one cache a core. A Host says the same each time, and most were read just before.
pub(crate) struct Hosts {
    known: RefCell<HashMap<Box<[u8]>, ConnectorRef, RandomState>>,
    /// The hashes of Hosts that were read once, each in its place: what doesn't come again costs no memory, and takes the place of nothing that does.
    once: RefCell<Box<[u64]>>,
}

impl Default for Hosts {
    fn default() -> Self {
        Self { known: RefCell::default(), once: RefCell::new(vec![0; Self::PLACES].into()) }
    }
}

impl Hosts {
    /// When it holds as many, it begins anew. A Host has at most some 300 bytes.
    const MAX: usize = 16 * 1024;
    const PLACES: usize = 16 * 1024;

    fn get(&self, field: &[u8]) -> Option<ConnectorRef> {
        self.known.borrow().get(field).cloned()
    }

    fn keep(&self, field: &[u8], connector: &ConnectorRef) {
        let mut known = self.known.borrow_mut();
        let hash = known.hasher().hash_one(field);
        if std::mem::replace(&mut self.once.borrow_mut()[hash as usize % Self::PLACES], hash) != hash {
            return;
        }
        if known.len() >= Self::MAX {
            known.clear();
        }
        known.insert(field.into(), connector.clone());
    }
}

/// Reads the target of a request that came straight to the listener. `hosts` is for these `settings` only.
pub(crate) fn parse<'h>(head: &'h RequestHead, settings: &Settings, hosts: &Hosts) -> Result<Target<'h>, TargetError> {
    match head.form() {
        TargetForm::Authority => connect(head.target()),
        TargetForm::Absolute => absolute(head.target()).map(Target::Forward),
        TargetForm::Origin => reverse(head, settings, hosts).map(Target::Reverse),
        TargetForm::Asterisk => Err(TargetError::Asterisk),
    }
}

/// Reads the target of a request inside an intercepted CONNECT to `authority`.
pub(crate) fn parse_inside<'h>(head: &'h RequestHead, authority: &Origin) -> Result<Forward<'h>, TargetError> {
    let forward = match head.form() {
        TargetForm::Authority => return Err(TargetError::NestedConnect),
        TargetForm::Asterisk => return Err(TargetError::Asterisk),
        TargetForm::Absolute => absolute(head.target())?,
        TargetForm::Origin => {
            let path = RequestPath::parse(head.target()).map_err(TargetError::Path)?;
            // HTTP/1.0 may leave Host out; the CONNECT named the host.
            let origin = match host(host_field(head)?)? {
                Some((host, port)) => Origin::new(Scheme::Https, host.into(), port),
                None => authority.clone(),
            };
            Forward { origin, path }
        }
    };
    if forward.origin != *authority {
        return Err(TargetError::Misdirected);
    }
    Ok(forward)
}

fn connect<'h>(target: &str) -> Result<Target<'h>, TargetError> {
    let (host, port) = Host::parse_with_port(target).map_err(TargetError::Host)?;
    let port = port.ok_or(TargetError::ConnectPort)?;
    Ok(Target::Connect(Origin::new(Scheme::Https, host, Some(port))))
}

/// RFC 9112 §3.2.2: the URL counts, whatever Host says.
fn absolute(target: &str) -> Result<Forward<'_>, TargetError> {
    let (scheme, rest) = target.split_once("://").ok_or(TargetError::Scheme)?;
    let scheme = Scheme::parse(scheme).ok_or(TargetError::Scheme)?;
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    if authority.contains('@') {
        return Err(TargetError::UserInfo);
    }
    let (host, port) = Host::parse_with_port(authority).map_err(TargetError::Host)?;
    let path = match path.strip_prefix('?') {
        Some(query) => RequestPath::root(Some(query)),
        None if path.is_empty() => RequestPath::root(None),
        None => RequestPath::parse(path).map_err(TargetError::Path)?,
    };
    Ok(Forward { origin: Origin::new(scheme, host, port), path })
}

fn reverse<'h>(head: &'h RequestHead, settings: &Settings, hosts: &Hosts) -> Result<Reverse<'h>, TargetError> {
    let authority = host_field(head)?;
    let by_host = match hosts.get(authority.as_bytes()) {
        None => named(authority, settings)?.inspect(|connector| hosts.keep(authority.as_bytes(), connector)),
        known => known,
    };
    let path = RequestPath::parse(head.target()).map_err(TargetError::Path)?;
    match (by_host, in_path(&path)) {
        (Some(connector), None) => Ok(Reverse { connector, path, base: Base { authority, prefix: "" } }),
        // The resolver `path` gives addresses that name the Connector twice.
        (Some(by_host), Some((by_path, ..))) if by_host != by_path => Err(TargetError::TwoConnectors),
        (_, Some((connector, path, prefix))) => Ok(Reverse { connector, path, base: Base { authority, prefix } }),
        (None, None) => Err(TargetError::NoForm),
    }
}

/// Empty if there is none, as HTTP/1.0 allows.
fn host_field(head: &RequestHead) -> Result<&str, TargetError> {
    std::str::from_utf8(head.get(Field::Host).unwrap_or_default()).map_err(|_| TargetError::Host(HostError::Invalid))
}

/// RFC 9112 §3.2: an empty Host says that the target has no authority.
fn host(field: &str) -> Result<Option<(HostRef<'_>, Option<u16>)>, TargetError> {
    match field {
        "" => Ok(None),
        field => HostRef::parse_with_port(field).map(Some).map_err(TargetError::Host),
    }
}

/// The Connector that a Host names, if it does.
fn named(authority: &str, settings: &Settings) -> Result<Option<ConnectorRef>, TargetError> {
    let (plain, port) = authority.split_once(':').unwrap_or((authority, "80"));
    let is_port = matches!(port.as_bytes(), [b'1'..=b'9', rest @ ..] if rest.len() < 4 && rest.iter().all(u8::is_ascii_digit));
    if is_port && let Some(connector) = in_host(plain, settings) {
        // Nearly always: its labels have been checked, and nothing else of the host is left to be.
        return Ok(Some(connector));
    }
    Ok(match host(authority)? {
        Some((HostRef::Name(name), _)) => in_host(&name, settings),
        _ => None,
    })
}

/// `c-<name>.<ns>.svc`, `….svc.<cluster domain>` or, standalone, `….localhost`.
fn in_host(host: &str, settings: &Settings) -> Option<ConnectorRef> {
    let rest = host.strip_prefix("c-")?;
    let in_cluster = rest.strip_suffix(settings.cluster_domain.as_str()).and_then(|rest| rest.strip_suffix('.')).unwrap_or(rest);
    let labels = match in_cluster.strip_suffix(".svc") {
        Some(labels) => labels,
        None if settings.localhost_names => rest.strip_suffix(".localhost")?,
        None => return None,
    };
    let dot = memchr(b'.', labels.as_bytes())?;
    ConnectorRef::new(&labels[dot + 1..], &labels[..dot]).ok()
}

/// `/namespaces/<ns>/connectors/<name>[/…]`: the Connector, the path below, and the prefix.
fn in_path<'h>(path: &RequestPath<'h>) -> Option<(ConnectorRef, RequestPath<'h>, &'h str)> {
    const NAMESPACES: &str = "/namespaces/";
    const CONNECTORS: &str = "connectors/";
    let rest = path.path().strip_prefix(NAMESPACES)?;
    let (namespace, rest) = rest.split_once('/')?;
    let rest = rest.strip_prefix(CONNECTORS)?;
    let name = rest.split('/').next()?;
    let connector = ConnectorRef::new(namespace, name).ok()?;
    let length = NAMESPACES.len() + namespace.len() + 1 + CONNECTORS.len() + name.len();
    Some((connector, path.without_prefix(length)?, &path.path()[..length]))
}

#[cfg(test)]
mod tests {
    use connectors_http1::HeadLimits;

    use super::*;

    fn head(text: &str) -> RequestHead {
        let mut head = RequestHead::new();
        head.parse(format!("{text}\r\n\r\n").as_bytes(), &HeadLimits::default()).unwrap().expect("a whole head");
        head
    }

    fn settings() -> Settings {
        Settings { localhost_names: true, ..Settings::default() }
    }

    /// What a request line and a Host lead to, in one line.
    fn target(line: &str, host: &str) -> String {
        let hosts = Hosts::default();
        let [first, again, known] = [(); 3].map(|()| target_among(line, host, &hosts));
        assert_eq!((&first, &first), (&again, &known), "{line} at {host}, once the Host is known");
        first
    }

    fn target_among(line: &str, host: &str, hosts: &Hosts) -> String {
        let head = head(&format!("{line} HTTP/1.1\r\nHost: {host}"));
        match parse(&head, &settings(), hosts) {
            Ok(Target::Reverse(reverse)) => {
                format!("reverse {} {} base {}{}", reverse.connector, show(&reverse.path), reverse.base.authority, reverse.base.prefix)
            }
            Ok(Target::Forward(forward)) => format!("forward {} {}", forward.origin, show(&forward.path)),
            Ok(Target::Connect(origin)) => format!("connect {}:{}", origin.host(), origin.port()),
            Err(error) => format!("{error:?}"),
        }
    }

    fn show(path: &RequestPath<'_>) -> String {
        path.query().map_or(path.path().to_owned(), |query| format!("{}?{query}", path.path()))
    }

    #[test]
    fn the_request_itself_says_which_mode() {
        for (line, host, expect) in [
            ("GET /x?y", "c-git.team.svc", "reverse team/git /x?y base c-git.team.svc"),
            ("GET /x", "c-git.team.svc.cluster.local:80", "reverse team/git /x base c-git.team.svc.cluster.local:80"),
            ("GET /x", "C-Git.Team.SVC.", "reverse team/git /x base C-Git.Team.SVC."),
            ("GET /x", "c-git.team.localhost:8080", "reverse team/git /x base c-git.team.localhost:8080"),
            ("GET /namespaces/team/connectors/git/x?y", "any", "reverse team/git /x?y base any/namespaces/team/connectors/git"),
            ("GET /namespaces/team/connectors/git", "any", "reverse team/git / base any/namespaces/team/connectors/git"),
            ("GET /namespaces/team/connectors/git/x", "c-git.team.svc", "reverse team/git /x base c-git.team.svc/namespaces/team/connectors/git"),
            ("GET http://Tool.example/x?y", "other", "forward http://tool.example /x?y"),
            ("GET https://tool.example:443?y", "other", "forward https://tool.example /?y"),
            ("GET http://tool.example", "other", "forward http://tool.example /"),
            ("CONNECT tool.example:443", "tool.example:443", "connect tool.example:443"),
            ("CONNECT [::1]:6443", "[::1]:6443", "connect [::1]:6443"),
        ] {
            assert_eq!(target(line, host), expect, "{line} at {host}");
        }
    }

    #[test]
    fn hosts_are_known_by_their_whole_text_and_only_so_many() {
        let hosts = Hosts::default();
        for host in ["c-git.team.svc", "c-git.team.svc:80", "c-gi.team.svc", "c-git.team.sv", "c-git.team.svc.other"] {
            assert_eq!(target_among("GET /", host, &hosts), target("GET /", host), "{host}");
        }
        assert_eq!(hosts.known.borrow().len(), 0, "none that came once");
        for host in ["c-git.team.svc", "c-git.team.svc:80", "c-git.team.svc.other"] {
            let _ = (target_among("GET /", host, &hosts), target_among("GET /", host, &hosts));
        }
        assert_eq!(hosts.known.borrow().len(), 2, "only those that name a Connector");
        for number in 0..3 * Hosts::MAX {
            let host = format!("c-git{number}.team.svc");
            for _ in 0..3 {
                assert_eq!(target_among("GET /", &host, &hosts), format!("reverse team/git{number} / base {host}"));
            }
            assert!((1..=Hosts::MAX).contains(&hosts.known.borrow().len()));
        }
    }

    #[test]
    fn p01_the_short_way_to_read_a_host_reads_as_the_long_one() {
        let settings = settings();
        let long = |authority: &str| {
            host(authority).map(|found| match found {
                Some((HostRef::Name(name), _)) => in_host(&name, &settings),
                _ => None,
            })
        };
        let names = [
            "c-git.team.svc",
            "C-git.team.svc",
            "c-git.team.svc.",
            "c-git.team.svc.cluster.local",
            "c-git.team.localhost",
            "c-.team.svc",
            "c-git..svc",
            "c-a_b.team.svc",
            "c-git.a.b.svc",
            "[::1]",
            "127.0.0.1",
            "c-git.team.other",
            "c--git.team.svc",
            "c-git.-team.svc",
            "",
        ];
        for (name, port) in
            names.into_iter().flat_map(|name| ["", ":", ":0", ":080", ":80", ":8080", ":65535", ":65536", ":99999", ":1a", ":-1"].map(|port| (name, port)))
        {
            let authority = format!("{name}{port}");
            assert_eq!(named(&authority, &settings), long(&authority), "{authority}");
        }
        for length in [60, 61, 62, 63, 64] {
            for authority in [format!("c-{}.team.svc", "x".repeat(length)), format!("c-git.{}.svc", "x".repeat(length))] {
                assert_eq!(named(&authority, &settings), long(&authority), "{authority}");
            }
        }
    }

    #[test]
    fn what_is_no_form_is_none() {
        for (line, host) in [
            ("GET /", "c-git.team.svc.other.domain"),
            ("GET /", "c-git.svc"),
            ("GET /", "c-a.b.c.svc"),
            ("GET /", "xc-git.team.svc"),
            ("GET /", "c-.team.svc"),
            ("GET /namespaces/team/connectors/", "any"),
            ("GET /namespaces/team/connectors", "any"),
            ("GET //namespaces/team/connectors/git/", "any"),
            ("GET /namespaces/te%61m/connectors/git/", "any"),
            ("GET /Namespaces/team/connectors/git/", "any"),
            ("GET /", "127.0.0.1:8080"),
        ] {
            assert_eq!(target(line, host), "NoForm", "{line} at {host}");
        }
    }

    #[test]
    fn p01_one_authority_comes_out_or_none() {
        for (line, host, expect) in [
            ("GET ftp://tool.example/", "x", "Scheme"),
            ("GET http://127.1/", "x", "Host(NumericName)"),
            ("GET /namespaces/team/connectors/other/x", "c-git.team.svc", "TwoConnectors"),
            ("CONNECT tool.example:0", "x", "Host(Port)"),
        ] {
            assert_eq!(target(line, host), expect, "{line} at {host}");
        }
        // The codec refuses these too; this doesn't rely on it.
        for url in ["http://tool.example@evil.example/", "http://tool.example:80@evil.example/"] {
            assert!(matches!(absolute(url), Err(TargetError::UserInfo)), "{url}");
        }
        // A Host that disagrees with an absolute URL does not count.
        assert_eq!(target("GET http://a.example/", "b.example"), "forward http://a.example /");
    }

    #[test]
    fn p05_path_form_addresses_do_not_lead_elsewhere() {
        for path in [
            "/namespaces/a/connectors/x/../y",
            "/namespaces/a/connectors/x/%2e%2e/y",
            "/namespaces/a/connectors/x/..%2fy",
            "/namespaces/a/connectors/../connectors/x",
        ] {
            assert_eq!(target(&format!("GET {path}"), "any"), "Path(DotSegment)", "{path}");
        }
        assert_eq!(target("GET /namespaces/a/connectors/x//y", "any"), "reverse a/x //y base any/namespaces/a/connectors/x");
        assert_eq!(target("GET /namespaces/a/connectors/x%2fy/z", "any"), "NoForm");
        assert_eq!(target("GET /namespaces/a/connectors/x/g%2Fp", "any"), "reverse a/x /g%2Fp base any/namespaces/a/connectors/x");
    }

    #[test]
    fn inside_a_connect_the_authority_is_fixed() {
        let authority = Origin::new(Scheme::Https, Host::parse("tool.example").unwrap(), Some(443));
        let decide = |text: &str| parse_inside(&head(text), &authority).map(|forward| show(&forward.path));
        assert_eq!(decide("GET /x HTTP/1.1\r\nHost: TOOL.example:443"), Ok("/x".into()));
        assert_eq!(decide("GET https://tool.example/x HTTP/1.1\r\nHost: other"), Ok("/x".into()));
        assert_eq!(decide("GET /x HTTP/1.0"), Ok("/x".into()));
        for text in [
            "GET /x HTTP/1.1\r\nHost: other.example",
            "GET /x HTTP/1.1\r\nHost: tool.example:8443",
            "GET http://tool.example/x HTTP/1.1\r\nHost: tool.example",
            "GET https://other.example/x HTTP/1.1\r\nHost: tool.example",
        ] {
            assert_eq!(decide(text), Err(TargetError::Misdirected), "{text}");
        }
        assert_eq!(decide("CONNECT tool.example:443 HTTP/1.1\r\nHost: tool.example:443"), Err(TargetError::NestedConnect));
    }
}
