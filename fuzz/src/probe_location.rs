//! Where a probe goes that a tool redirects: to the origin that a browser would go to, or nowhere. What is taken for the same origin keeps the credential.

use connectors_core::Address;
use connectors_http1::HeadWriter;
use connectors_probe::resolve_location;
use url::{Host, ParseError, Url};

const BASE: &str = "https://tool.example:8443/a/b/c?q=1";

/// `data` is a Location.
pub fn check(data: &[u8]) {
    let base = Address::parse("https://tool.example:8443").unwrap().origin().clone();
    let Ok((origin, target)) = resolve_location(&base, b"/a/b/c?q=1", data) else { return };

    let location = std::str::from_utf8(data).expect("what is no text leads nowhere").trim_ascii();
    let browser = match Url::parse(BASE).unwrap().join(location) {
        Ok(browser) => browser,
        // Browsers look into names that are encoded already, and refuse some; to name servers those are names like any other.
        Err(ParseError::IdnaError) => return,
        Err(error) => panic!("no URL for browsers: {location:?}: {error}"),
    };
    let host = match browser.host().expect("http has a host") {
        Host::Domain(name) => name.trim_end_matches('.').to_owned(),
        Host::Ipv4(ip) => ip.to_string(),
        Host::Ipv6(ip) => format!("[{ip}]"),
    };
    let port = browser.port_or_known_default().unwrap();
    let ours = origin.authority();
    let named = ours.strip_suffix(&format!(":{port}")).unwrap_or(ours);
    assert_eq!((origin.scheme().as_str(), named, origin.port()), (browser.scheme(), &*host, port), "{location:?}");
    assert_eq!((browser.username(), browser.password()), ("", None), "{location:?}");

    let text = std::str::from_utf8(&target).expect("targets are ASCII");
    assert!(text.starts_with('/') && !text.contains('#'), "{location:?} → {text:?}");
    let path = text.split('?').next().unwrap();
    assert!(!path.split('/').any(|segment| matches!(segment, "." | "..")), "{location:?} → {text:?}");
    // It may have characters that no request line takes; then nothing is sent.
    let mut out = Vec::new();
    if let Ok(writer) = HeadWriter::request(&mut out, "GET", text) {
        writer.end();
    }
    // Where browsers change no character and take nothing for a dot, the path is theirs.
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-~:&=?".contains(&byte);
    if location.bytes().all(plain) {
        let query = browser.query().map(|query| format!("?{query}")).unwrap_or_default();
        assert_eq!(text, format!("{}{query}", browser.path()), "{location:?}");
    }
}
