//! Answers of tools, as callers get them. The input is four lines: the tool's address; the path of the request below the proxy's address of it;
//! the host of the proxy; the value of a Location or Set-Cookie.

use connectors_core::{Address, Host, RequestPath};
use connectors_proxy::fuzzing::Place;
use url::Url;

use crate::{input, paths};

/// The address of one Connector among others of the same host.
const OWN: &str = "/namespaces/team/connectors/git";

/// No answer of a tool leads to another Connector of the proxy, as a browser reads it, nor leaves a cookie there.
pub fn check(data: &[u8]) {
    let [address, path, authority, value] = input::lines(data);
    let [Ok(address), Ok(path), Ok(authority)] = [address, path, authority].map(std::str::from_utf8) else { return };
    let (Ok(address), Ok(path), Ok((host, port))) = (Address::parse(address), RequestPath::parse(path), Host::parse_with_port(authority)) else { return };
    // These come from a Host field and a request line.
    let sent = [authority, path.path()].concat();
    if !input::is_field_value(value) || !sent.bytes().all(|byte| byte.is_ascii_graphic() && !b"\\#<>".contains(&byte)) || value != value.trim_ascii() {
        return;
    }
    // A tool that is the proxy itself would lead to itself.
    let origin = address.origin();
    if (origin.host(), origin.port()) == (&host, port.unwrap_or(80)) {
        return;
    }
    for prefix in ["", OWN] {
        let place = Place { address: &address, authority, prefix, path: path.path() };
        check_location(&place, value);
        check_cookie(&place, value);
    }
}

fn check_location(place: &Place<'_>, value: &[u8]) {
    let Some(mapped) = place.location(value) else { return };
    assert!(input::is_field_value(&mapped), "{}", mapped.escape_ascii());
    let at_tool = Url::parse(&format!("{}{}", place.address, place.path));
    let Ok(request) = Url::parse(&format!("http://{}{}{}", place.authority, place.prefix, place.path)) else { return };
    // Browsers take the bytes of a Location for Latin-1 or for UTF-8.
    let latin: String = mapped.iter().map(|byte| char::from(*byte)).collect();
    for text in [latin, String::from_utf8_lossy(&mapped).into_owned()] {
        let Ok(url) = request.join(&text) else { continue };
        // What meant the tool, and was changed, leads back to it.
        if let (Ok(at_tool), Ok(value)) = (&at_tool, std::str::from_utf8(value))
            && *mapped != *value.as_bytes()
            && let Ok(meant) = at_tool.join(value)
            && meant.origin() == at_tool.origin()
        {
            assert!([request.origin(), at_tool.origin()].contains(&url.origin()), "{meant} became {url}");
        }
        let same_host = url.host_str() == request.host_str() && url.port_or_known_default() == request.port_or_known_default();
        if same_host && matches!(url.scheme(), "http" | "https") && !place.prefix.is_empty() {
            paths::assert_stays_under(OWN, url.path());
        }
    }
}

fn check_cookie(place: &Place<'_>, value: &[u8]) {
    let Some(mapped) = place.cookie(value) else { return };
    assert!(input::is_field_value(&mapped), "{}", mapped.escape_ascii());
    // RFC 6265 §5.2: the last attribute of a name counts.
    let mut path = None;
    for attribute in mapped.split(|byte| *byte == b';').skip(1) {
        let (name, value) = attribute.split_at(attribute.iter().position(|byte| *byte == b'=').unwrap_or(attribute.len()));
        match name.trim_ascii().to_ascii_lowercase().as_slice() {
            b"domain" => panic!("the Domain stays: {}", mapped.escape_ascii()),
            b"path" => path = Some(value.get(1..).unwrap_or_default().trim_ascii()),
            _ => {}
        }
    }
    if !place.prefix.is_empty() {
        let path = std::str::from_utf8(path.expect("a Path")).expect("ours, and text");
        assert!(path == OWN || path.strip_prefix(OWN).is_some_and(|rest| rest.starts_with('/')), "{path}");
        paths::assert_stays_under(OWN, path);
    }
    let name = |cookie: &[u8]| cookie.split(|byte| *byte == b';').next().map(|pair| pair.trim_ascii().to_vec());
    assert_eq!(name(&mapped), name(value), "the cookie itself is the tool's");
}
