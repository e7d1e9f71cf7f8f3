//! Where a Location leads (RFC 9110 §10.2.2, RFC 3986 §5.2).

use connectors_core::{Host, Origin, Scheme};

/// Why a Location leads nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadLocation {
    /// Another scheme than http and https.
    #[error("it redirects to something else than http or https")]
    Scheme,
    /// `user@`: whoever redirects chooses no credential.
    #[error("it redirects to a URL with user information")]
    UserInformation,
    /// No URL.
    #[error("it redirects to what is no URL")]
    Invalid,
}

/// The origin and the request target that a Location means, in an answer to a request for `target` at `origin`. A fragment is dropped.
///
/// # Errors
/// It means nothing that a probe could be sent to, or could be read in several ways.
pub fn resolve_location(origin: &Origin, target: &[u8], location: &[u8]) -> Result<(Origin, Vec<u8>), BadLocation> {
    let location = std::str::from_utf8(location.trim_ascii()).map_err(|_| BadLocation::Invalid)?;
    let location = location.split('#').next().unwrap_or_default();
    if location.bytes().any(|byte| !byte.is_ascii_graphic() || byte == b'\\') {
        return Err(BadLocation::Invalid);
    }
    let (origin, reference) = match scheme(location) {
        Some((scheme, rest)) => {
            let scheme = Scheme::parse(scheme).ok_or(BadLocation::Scheme)?;
            authority(scheme, rest.strip_prefix("//").ok_or(BadLocation::Invalid)?)?
        }
        None => match location.strip_prefix("//") {
            Some(rest) => authority(origin.scheme(), rest)?,
            None => {
                let base = String::from_utf8_lossy(target);
                return Ok((origin.clone(), relative(&base, location).into_bytes()));
            }
        },
    };
    let reference = if reference.starts_with('/') { reference.to_owned() } else { format!("/{reference}") };
    Ok((origin, without_dots(&reference).into_bytes()))
}

/// The scheme of an absolute URI, and what follows its colon.
fn scheme(location: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = location.split_once(':')?;
    let valid = scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
    valid.then_some((scheme, rest))
}

/// The origin of `host[:port]`, and the path and query behind it.
fn authority(scheme: Scheme, rest: &str) -> Result<(Origin, &str), BadLocation> {
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, reference) = rest.split_at(end);
    if authority.contains('@') {
        return Err(BadLocation::UserInformation);
    }
    let (host, port) = Host::parse_with_port(authority).map_err(|_| BadLocation::Invalid)?;
    Ok((Origin::new(scheme, host, port), reference))
}

/// A reference without scheme and authority, resolved against a path with its query.
fn relative(base: &str, reference: &str) -> String {
    let base_path = base.split('?').next().unwrap_or_default();
    match reference {
        "" => base.to_owned(),
        _ if reference.starts_with('/') => without_dots(reference),
        _ if reference.starts_with('?') => format!("{base_path}{reference}"),
        _ => {
            let folder = base_path.rfind('/').map_or("/", |end| base_path.get(..=end).unwrap_or("/"));
            without_dots(&format!("{folder}{reference}"))
        }
    }
}

/// Removes `.` and `..` from the path (RFC 3986 §5.2.4), which begins with a slash.
fn without_dots(reference: &str) -> String {
    let (path, query) = reference.split_at(reference.find('?').unwrap_or(reference.len()));
    let mut kept: Vec<&str> = Vec::new();
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    let last = segments.len().saturating_sub(1);
    for (index, segment) in segments.iter().enumerate() {
        match *segment {
            "." => {}
            ".." => drop(kept.pop()),
            other => kept.push(other),
        }
        if index == last && matches!(*segment, "." | "..") {
            kept.push("");
        }
    }
    format!("/{}{query}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use connectors_core::Address;

    use super::*;

    #[test]
    fn p12_locations_lead_where_browsers_would_go() {
        let base = Address::parse("https://tool.example:8443").unwrap().origin().clone();
        let to = |location: &str| match resolve_location(&base, b"/a/b/c?q=1", location.as_bytes()) {
            Ok((origin, target)) => format!("{}://{}{}", origin.scheme().as_str(), origin.authority(), String::from_utf8(target).unwrap()),
            Err(error) => format!("{error:?}"),
        };
        for (location, expect) in [
            ("/x?y=z#f", "https://tool.example:8443/x?y=z"),
            ("x", "https://tool.example:8443/a/b/x"),
            ("./x/../y", "https://tool.example:8443/a/b/y"),
            ("../../../x", "https://tool.example:8443/x"),
            ("..", "https://tool.example:8443/a/"),
            ("?y", "https://tool.example:8443/a/b/c?y"),
            ("", "https://tool.example:8443/a/b/c?q=1"),
            ("//other.example/x", "https://other.example/x"),
            ("HTTP://Other.Example", "http://other.example/"),
            ("https://tool.example:8443", "https://tool.example:8443/"),
            ("https://tool.example?x", "https://tool.example/?x"),
            ("http://[::1]:80/x/./y", "http://[::1]/x/y"),
            ("/a:b", "https://tool.example:8443/a:b"),
            (" /blanks ", "https://tool.example:8443/blanks"),
            ("ftp://x/", "Scheme"),
            ("javascript:alert(1)", "Scheme"),
            ("https:x", "Invalid"),
            ("https://user:pw@other.example/", "UserInformation"),
            ("https://tool.example@other.example/", "UserInformation"),
            ("https://other.example\\@tool.example/", "Invalid"),
            ("https://", "Invalid"),
            ("https://x:99999/", "Invalid"),
            ("/a b", "Invalid"),
            ("/\u{e9}", "Invalid"),
        ] {
            assert_eq!(to(location), expect, "{location}");
        }
    }
}
