//! What requests are aimed at. The input is three lines: method and request-target; Host, or nothing; the authority of a CONNECT.

use connectors_core::{ConnectorRef, Host, Origin, RequestPath, Scheme};
use connectors_http1::{HeadLimits, RequestHead};
use connectors_proxy::fuzzing::{self, Target};
use url::Url;

use crate::{input, paths};

/// One authority comes out of a request, it is the one that a second reader of URLs sees, and the path stays what and where it was.
pub fn check(data: &[u8]) {
    let [line, host, tunnel] = input::lines(data);
    let Some(head) = head(line, host) else { return };
    if let Ok(target) = fuzzing::target(&head) {
        match target {
            Target::Reverse { connector, path, authority, prefix } => check_reverse(&head, &connector, &path, authority, prefix),
            Target::Forward(origin, path) => {
                check_forward(&head, &origin, &path);
                // The URL counts, whatever Host says.
                let other = self::head(line, b"other.example").expect("another Host changes nothing");
                assert_eq!(fuzzing::target(&other), Ok(Target::Forward(origin, path)));
            }
            Target::Connect(origin) => {
                let url = Url::parse(&format!("https://{}", head.target())).ok();
                assert_eq!(head.method(), "CONNECT");
                assert!(url.is_none_or(|url| same_origin(&url, &origin)), "{origin}");
            }
        }
    }
    let tunnel = std::str::from_utf8(tunnel).ok().and_then(|text| Host::parse_with_port(text).ok());
    if let Some((host, port)) = tunnel {
        let tunnel = Origin::new(Scheme::Https, host, port);
        if let Ok((origin, path)) = fuzzing::target_inside(&head, &tunnel) {
            assert_eq!(origin, tunnel);
            assert_ne!(head.method(), "CONNECT");
            match head.target().starts_with('/') {
                true => assert_eq!(text(&path), head.target()),
                false => check_forward(&head, &origin, &path),
            }
        }
    }
}

fn head(line: &[u8], host: &[u8]) -> Option<RequestHead> {
    let text = match host {
        b"" => [line, b" HTTP/1.0\r\n\r\n"].concat(),
        host => [line, b" HTTP/1.1\r\nHost: ", host, b"\r\n\r\n"].concat(),
    };
    let mut head = RequestHead::new();
    head.parse(&text, &HeadLimits::default()).ok()?.filter(|len| *len == text.len())?;
    Some(head)
}

fn check_reverse(head: &RequestHead, connector: &ConnectorRef, path: &RequestPath<'_>, authority: &str, prefix: &str) {
    let (namespace, name) = (connector.namespace(), connector.name());
    let host = head.values("Host").next().unwrap_or_default();
    assert_eq!(authority.as_bytes(), host);
    let by_host = by_host(authority.split(':').next().unwrap_or_default());
    if prefix.is_empty() {
        assert_eq!(by_host.as_ref(), Some(connector));
        assert_eq!(text(path), head.target());
    } else {
        assert_eq!(prefix, format!("/namespaces/{namespace}/connectors/{name}"));
        assert!(by_host.is_none_or(|by_host| by_host == *connector), "{authority} names another Connector than {connector}");
        let below = head.target().strip_prefix(prefix).expect("the target begins with the prefix");
        let root = if below.starts_with('/') { "" } else { "/" };
        assert_eq!(text(path), format!("{root}{below}"));
    }
    check_path(path);
    paths::assert_stays_under(prefix, head.target().split('?').next().unwrap_or_default());
}

/// The Connector that a host names.
fn by_host(host: &str) -> Option<ConnectorRef> {
    let host = host.to_ascii_lowercase();
    let labels: Vec<&str> = host.strip_suffix('.').unwrap_or(&host).split('.').collect();
    match labels[..] {
        [name, namespace, "svc" | "localhost"] | [name, namespace, "svc", "cluster", "local"] => ConnectorRef::new(namespace, name.strip_prefix("c-")?).ok(),
        _ => None,
    }
}

fn check_forward(head: &RequestHead, origin: &Origin, path: &RequestPath<'_>) {
    let (_, after) = head.target().split_once("://").expect("a URL");
    let sent = after.find(['/', '?']).map_or("", |at| &after[at..]);
    let root = if sent.starts_with('/') { "" } else { "/" };
    assert_eq!(text(path), format!("{root}{sent}"));
    check_path(path);
    // It refuses more hosts than we do, such as those that are no IDNA although they say so.
    if let Ok(url) = Url::parse(head.target()) {
        assert!(same_origin(&url, origin), "{origin} for {url}");
        // No dots were there to be resolved. It encodes some characters, but none of these.
        assert_eq!(url.path().matches('/').count(), path.path().matches('/').count());
    }
}

fn check_path(path: &RequestPath<'_>) {
    assert!(path.path().bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'?' | b'#' | b'\\')), "{:?}", path.path());
    paths::assert_stays_under("", path.path());
}

fn same_origin(url: &Url, origin: &Origin) -> bool {
    // Both write IPv6 addresses differently, and only one drops the dot of a rooted name.
    url.scheme() == origin.scheme().as_str()
        && url.host_str().and_then(|host| Host::parse(host).ok()).as_ref() == Some(origin.host())
        && url.port_or_known_default() == Some(origin.port())
        && url.username().is_empty()
        && url.password().is_none()
}

fn text(path: &RequestPath<'_>) -> String {
    path.query().map_or(path.path().to_owned(), |query| format!("{}?{query}", path.path()))
}
