//! Request paths and target prefixes, compared so that nothing climbs out of a prefix.

use memchr::{memchr, memchr_iter, memchr2};

/// The path and query of one request, as the caller sent them, known not to contain what some server would read as
/// "one level up".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestPath<'a> {
    path: &'a str,
    query: Option<&'a str>,
}

/// Why a path is refused with 400.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// A `?` in what can only be a path.
    #[error("the path must not carry a query ('?')")]
    Query,
    /// Doesn't begin with `/`.
    #[error("the path must begin with '/'")]
    Relative,
    /// `.` or `..` as a segment, in whatever encoding a server might undo.
    #[error("the path has a '.' or '..' segment, plain or encoded")]
    DotSegment,
    /// A `%` that isn't followed by two hex digits.
    #[error("the path has a '%' that is not followed by two hex digits")]
    Percent,
    /// `%00`, or another encoded control character.
    #[error("the path has an encoded control character")]
    Control,
    /// A blank, a backslash or another character that no URL has in it (RFC 3986 §2).
    #[error("the path has a character that must be percent-encoded in a URL, such as a blank (%20)")]
    Plain,
}

impl<'a> RequestPath<'a> {
    /// Checks `path[?query]`, the origin form of RFC 9112 §3.2.1.
    ///
    /// Real servers disagree on what ends a segment and on how often to decode. So that none of them climbs above what
    /// was matched, a segment is looked at the way the laxest would: decoded until nothing changes, split at `/` and `\`, and cut at `;`.
    pub fn parse(text: &'a str) -> Result<Self, PathError> {
        let (path, query) = match memchr(b'?', text.as_bytes()) {
            Some(at) => (&text[..at], Some(&text[at + 1..])),
            None => (text, None),
        };
        if !path.starts_with('/') {
            return Err(PathError::Relative);
        }
        match memchr2(b'%', b'.', path.as_bytes()) {
            None => {}
            Some(at) if memchr(b'%', &path.as_bytes()[at..]).is_some() => check_encoded(path)?,
            Some(_) if has_dot_segment(path.as_bytes()) => return Err(PathError::DotSegment),
            Some(_) => {}
        }
        Ok(Self { path, query })
    }

    /// `/`, with a query or without: what an absolute URL without a path means (RFC 9112 §3.2.1).
    pub fn root(query: Option<&'a str>) -> Self {
        Self { path: "/", query }
    }

    /// The path, beginning with `/`, as it was sent.
    pub fn path(&self) -> &'a str {
        self.path
    }

    /// What follows the first `?`.
    pub fn query(&self) -> Option<&'a str> {
        self.query
    }

    /// The same request with the first `bytes` of its path taken off. `None` if that isn't a segment boundary.
    pub fn without_prefix(&self, bytes: usize) -> Option<Self> {
        match self.path.get(bytes..)? {
            "" => Some(Self { path: "/", query: self.query }),
            rest if rest.starts_with('/') => Some(Self { path: rest, query: self.query }),
            _ => None,
        }
    }
}

/// The path of a target's address: empty, or segments each led by `/`, without a trailing slash.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct PathPrefix(Box<str>);

impl PathPrefix {
    /// Reads an address's path. A trailing slash means nothing: `/team/` and `/team` have the same requests under them.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        let trimmed = text.trim_end_matches('/');
        if !trimmed.is_empty() {
            let path = RequestPath::parse(trimmed)?;
            if path.query.is_some() {
                return Err(PathError::Query);
            }
        }
        Ok(Self(trimmed.into()))
    }

    /// Whether `path` is this prefix or lies under it. Compared segment by segment, with percent-encoded unreserved
    /// characters equal to the characters (RFC 3986 §6.2.2.2).
    pub fn contains(&self, path: &RequestPath<'_>) -> bool {
        self.strip(path.path()).is_some()
    }

    /// What of `path` lies below this prefix: empty, or beginning with `/`. `None` if it isn't under it.
    pub fn strip<'p>(&self, path: &'p str) -> Option<&'p str> {
        let mut rest = path;
        // The first piece is what stands before the first slash: nothing.
        for own in self.0.split('/').skip(1) {
            let sent = rest.strip_prefix('/')?;
            let end = sent.find('/').unwrap_or(sent.len());
            if !same_segment(own, &sent[..end]) {
                return None;
            }
            rest = &sent[end..];
        }
        Some(rest)
    }

    /// The prefix's text, `""` for none.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Decodes until nothing changes, at most this often; a path that still changes then is refused.
const MAX_DECODE_ROUNDS: usize = 4;

fn check_encoded(path: &str) -> Result<(), PathError> {
    let mut current = decode(path.as_bytes(), Stray::Refused).ok_or(PathError::Percent)?;
    for _ in 0..MAX_DECODE_ROUNDS {
        if current.iter().any(|b| b.is_ascii_control()) {
            return Err(PathError::Control);
        }
        // Two bytes that begin no UTF-8 but an overlong form of ASCII, such as C0 AE for a dot (RFC 3629 §3).
        if has_dot_segment(&current) || current.iter().any(|b| matches!(b, 0xc0 | 0xc1)) {
            return Err(PathError::DotSegment);
        }
        // Later rounds only serve to find what is hidden: a stray `%` is then the character itself.
        match decode(&current, Stray::Kept) {
            Some(next) if next != current => current = next,
            _ => return Ok(()),
        }
    }
    Err(PathError::DotSegment)
}

/// What becomes of a `%` that isn't followed by two hex digits.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stray {
    Refused,
    Kept,
}

/// Percent-decodes once.
fn decode(bytes: &[u8], stray: Stray) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let digits = bytes.get(at + 1).and_then(|high| hex(*high)).zip(bytes.get(at + 2).and_then(|low| hex(*low)));
        match digits {
            Some((high, low)) if byte == b'%' => {
                out.push(high << 4 | low);
                at += 3;
            }
            None if byte == b'%' && stray == Stray::Refused => return None,
            _ => {
                out.push(byte);
                at += 1;
            }
        }
    }
    Some(out)
}

fn hex(digit: u8) -> Option<u8> {
    (digit as char).to_digit(16).map(|value| value as u8)
}

/// `;` begins parameters, and once decoded `?` and `#` may begin something else again; blanks are cut off by some file systems.
fn has_dot_segment(path: &[u8]) -> bool {
    // Nearly no path has a dot in such a place, and finding that out takes a tenth of the time.
    let begins_segment = |at: usize| path[..at].last().is_none_or(|before| matches!(before, b'/' | b'\\') || before.is_ascii_whitespace());
    if !memchr_iter(b'.', path).any(begins_segment) {
        return false;
    }
    path.split(|b| matches!(b, b'/' | b'\\')).any(|segment| {
        let name = segment.split(|b| matches!(b, b';' | b'?' | b'#')).next().unwrap_or(segment);
        matches!(name.trim_ascii(), b"." | b"..")
    })
}

fn same_segment(own: &str, sent: &str) -> bool {
    own == sent || (sent.contains('%') || own.contains('%')) && unreserved(own).eq(unreserved(sent))
}

/// The bytes of a segment with encoded unreserved characters decoded and other encodings in upper case.
fn unreserved(segment: &str) -> impl Iterator<Item = u8> {
    let bytes = segment.as_bytes();
    let mut at = 0;
    let mut pending: [u8; 2] = [0; 2];
    let mut left = 0;
    std::iter::from_fn(move || {
        if left > 0 {
            left -= 1;
            return Some(pending[1 - left]);
        }
        let byte = *bytes.get(at)?;
        at += 1;
        if byte != b'%' || at + 1 >= bytes.len() {
            return Some(byte);
        }
        let (high, low) = (bytes[at], bytes[at + 1]);
        at += 2;
        match (hex(high), hex(low)) {
            (Some(h), Some(l)) if is_unreserved(h << 4 | l) => Some(h << 4 | l),
            _ => {
                pending = [high.to_ascii_uppercase(), low.to_ascii_uppercase()];
                left = 2;
                Some(b'%')
            }
        }
    })
}

/// RFC 3986 §2.3.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p05_encoded_dot_segments_are_refused_in_every_disguise() {
        for path in [
            "/..",
            "/a/../b",
            "/a/..",
            "/./a",
            "/%2e%2e/a",
            "/%2E./a",
            "/.%2e/a",
            "/a%2f..%2fb",
            "/a%2F%2e%2e",
            "/..%2fb",
            "/a%5c..%5cb",
            "/a/..;x=1/b",
            "/a/%2e%2e;/b",
            "/%252e%252e/a",
            "/a%252f..%252fb",
            "/%25252e%25252e/",
            "/a/.;/b",
            "/..;",
            "/%25zz/%252e%252e/x",
            "/100%25/%252e%252e/x",
            "/..%3fx",
            "/a/..%23",
            "/%c0%ae%c0%ae/x",
            "/..%20/x",
            "/a/%2e",
            "/a\\..\\b",
        ] {
            assert_eq!(RequestPath::parse(path), Err(PathError::DotSegment), "{path}");
        }
    }

    #[test]
    fn honest_paths_pass_as_they_are() {
        for path in [
            "/",
            "/a//b",
            "/a/",
            "/group%2Frepo/x",
            "/a..b/c",
            "/...",
            "/.well-known/x",
            "/..a",
            "/a%20b",
            "/100%25",
            "/%25zz",
            "/a;v=1/b",
            "/%E2%82%AC",
            "/x?y=../z",
        ] {
            assert_eq!(RequestPath::parse(path).map(|p| p.path().len() + p.query().map_or(0, |q| q.len() + 1)), Ok(path.len()), "{path}");
        }
    }

    #[test]
    fn broken_encodings_are_refused() {
        assert_eq!(RequestPath::parse("/%"), Err(PathError::Percent));
        assert_eq!(RequestPath::parse("/%4"), Err(PathError::Percent));
        assert_eq!(RequestPath::parse("/%zz"), Err(PathError::Percent));
        assert_eq!(RequestPath::parse("/a%00b"), Err(PathError::Control));
        assert_eq!(RequestPath::parse("/a%0d%0ab"), Err(PathError::Control));
        assert_eq!(RequestPath::parse("a"), Err(PathError::Relative));
        assert_eq!(RequestPath::parse("*"), Err(PathError::Relative));
    }

    #[test]
    fn a_prefix_ends_on_a_segment_boundary() {
        let contains = |prefix: &str, path: &str| PathPrefix::parse(prefix).unwrap().contains(&RequestPath::parse(path).unwrap());
        assert!(contains("", "/anything"));
        assert!(contains("/", "/anything"));
        assert!(contains("/team", "/team"));
        assert!(contains("/team", "/team/x?y"));
        assert!(contains("/team/", "/team/"));
        assert!(contains("/te-am", "/te%2Dam/x"));
        assert!(contains("/te%2fam", "/te%2Fam/x"));
        assert!(!contains("/team", "/teams"));
        assert!(!contains("/team", "//team"));
        assert!(!contains("/team/a", "/team"));
        assert!(!contains("/team/a", "/team%2Fa"));
        assert!(!contains("/team", "/Team"));
    }

    #[test]
    fn a_prefix_has_no_query() {
        assert_eq!(PathPrefix::parse("/a?b/../c"), Err(PathError::Query));
        assert_eq!(PathPrefix::parse("/a?"), Err(PathError::Query));
    }

    #[test]
    fn a_prefix_comes_off_at_a_boundary_only() {
        let path = RequestPath::parse("/abc/d?q").unwrap();
        assert_eq!(path.without_prefix(4).map(|p| (p.path(), p.query())), Some(("/d", Some("q"))));
        assert_eq!(path.without_prefix(6).map(|p| p.path()), Some("/"));
        assert_eq!(path.without_prefix(2), None);
        assert_eq!(path.without_prefix(9), None);
    }
}
