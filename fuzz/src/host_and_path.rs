//! Hosts, paths, prefixes and addresses. The input is three lines: a host with or without a port; the path and query of a request; the path
//! of an address.

use std::net::IpAddr;

use connectors_core::{Address, Host, Origin, PathPrefix, RequestPath, Scheme};
use url::Url;

use crate::{input, paths};

/// There is one form of everything, and it reads as itself; nothing that an address contains is beside it for any server.
pub fn check(data: &[u8]) {
    let [Ok(host), Ok(path), Ok(prefix)] = input::lines(data).map(std::str::from_utf8) else { return };
    let origin = check_host(host);
    check_path(path);
    check_prefix(path, prefix);
    check_address(host, path, prefix);
    if let Some(origin) = origin {
        check_address(origin.authority(), path, prefix);
    }
}

fn check_host(text: &str) -> Option<Origin> {
    let (host, port) = Host::parse_with_port(text).ok()?;
    let shown = host.to_string();
    assert_eq!(Host::parse(&shown), Ok(host.clone()));
    assert_eq!(Host::parse_with_port(&shown), Ok((host.clone(), None)));
    assert_eq!(Host::parse_with_port(&text.to_ascii_uppercase()).map(|(host, _)| host), Ok(host.clone()));
    assert!(port != Some(0));
    match host.name() {
        Some(name) => {
            assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-_".contains(&byte)), "{name}");
            assert!(!name.starts_with('.') && !name.ends_with('.') && !name.contains(".."), "{name}");
            assert!(name.parse::<IpAddr>().is_err(), "{name}");
        }
        None => assert_eq!(shown.trim_matches(['[', ']']).parse::<IpAddr>().map(Host::Ip), Ok(host.clone())),
    }
    for scheme in [Scheme::Http, Scheme::Https] {
        let origin = Origin::new(scheme, host.clone(), port);
        let address = Address::parse(&origin.to_string()).expect("an origin is an address");
        assert_eq!((address.origin(), address.prefix().as_str()), (&origin, ""));
        let (again, port) = Host::parse_with_port(origin.authority()).expect("an authority is a host and maybe a port");
        assert_eq!(Origin::new(scheme, again, port), origin);
        // What another reader of URLs sees, unless it refuses it.
        if let Ok(url) = Url::parse(&origin.to_string()) {
            assert_eq!(url.port_or_known_default(), Some(origin.port()));
            match (url.host(), &host) {
                (Some(url::Host::Domain(theirs)), Host::Name(ours)) => assert_eq!(theirs, &**ours),
                (Some(url::Host::Ipv4(theirs)), Host::Ip(IpAddr::V4(ours))) => assert_eq!(theirs, *ours),
                (Some(url::Host::Ipv6(theirs)), Host::Ip(IpAddr::V6(ours))) => assert_eq!(theirs, *ours),
                other => panic!("not the same: {other:?}"),
            }
        }
    }
    Some(Origin::new(Scheme::Https, host, port))
}

fn check_path(text: &str) {
    let Ok(path) = RequestPath::parse(text) else { return };
    let shown = path.query().map_or(path.path().to_owned(), |query| format!("{}?{query}", path.path()));
    assert_eq!(shown, text);
    assert_eq!(RequestPath::parse(path.path()).map(|path| path.path().to_owned()), Ok(path.path().to_owned()));
    paths::assert_stays_under("", path.path());
    for bytes in 0..=path.path().len() + 1 {
        let Some(rest) = path.without_prefix(bytes) else { continue };
        assert_eq!(rest.query(), path.query());
        assert!(rest.path() == &path.path()[bytes..] || (bytes == path.path().len() && rest.path() == "/"));
        assert!(RequestPath::parse(rest.path()).is_ok());
    }
}

fn check_prefix(path: &str, prefix: &str) {
    let Ok(prefix) = PathPrefix::parse(prefix) else { return };
    let text = prefix.as_str();
    assert_eq!(PathPrefix::parse(text).as_ref(), Ok(&prefix));
    assert_eq!(PathPrefix::parse(&format!("{text}/")).as_ref(), Ok(&prefix));
    assert!(text.is_empty() || (text.starts_with('/') && !text.ends_with('/')));
    // Itself, and what is below it, is under it.
    let own = if text.is_empty() { "/" } else { text };
    assert!(prefix.contains(&RequestPath::parse(own).expect("a prefix is a path")));
    let Ok(path) = RequestPath::parse(path) else { return };
    let below = format!("{text}{}", path.path());
    assert_eq!(prefix.strip(&below), Some(path.path()));
    match prefix.strip(path.path()) {
        Some(rest) => {
            assert!(prefix.contains(&path) && path.path().ends_with(rest) && (rest.is_empty() || rest.starts_with('/')));
            paths::assert_stays_under(text, path.path());
        }
        None => assert!(!prefix.contains(&path) && !path.path().starts_with(&format!("{text}/"))),
    }
}

fn check_address(authority: &str, path: &str, prefix: &str) {
    for scheme in ["http", "https"] {
        let Ok(address) = Address::parse(&format!("{scheme}://{authority}{prefix}")) else { continue };
        assert_eq!(Address::parse(&address.to_string()), Ok(address.clone()));
        assert!(address.to_string().bytes().all(|byte| byte.is_ascii_graphic() && !b"?#\\".contains(&byte)));
        let Ok(path) = RequestPath::parse(path) else { continue };
        assert_eq!(address.contains(address.origin(), &path), address.prefix().contains(&path));
        let origin = address.origin();
        let elsewhere = Origin::new(origin.scheme(), origin.host().clone(), Some(origin.port() ^ 1));
        assert!(!address.contains(&elsewhere, &path));
        if address.contains(origin, &path) {
            paths::assert_stays_under(address.prefix().as_str(), path.path());
        }
    }
}
