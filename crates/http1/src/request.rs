//! Request heads.

use std::{fmt, mem};

use memchr::memchr;

use crate::error::HeadError;
use crate::field::Field;
use crate::grammar::{Port, is_authority, is_target, is_token, token_prefix};
use crate::head::{Facts, Head, HeadLimits, StartLine, Version};
use crate::line::Line;

/// A request head. Holds a copy of its bytes and one span a line; [`clear`](Self::clear) or the next
/// [`parse`](Self::parse) keeps that memory, so one of these serves all the requests of a connection. To give it back,
/// put a new one in its place.
///
/// What the accessors return means something once `parse` has returned a length; before that there are no fields, and
/// after an error there is nothing. `Debug` shows neither target nor fields: both may hold credentials.
#[derive(Default)]
pub struct RequestHead {
    head: Head<RequestLine>,
}

/// How a request's body is framed (RFC 9112 §6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// There is no body.
    None,
    /// Exactly this many bytes.
    Length(u64),
    /// Chunks, then maybe trailers.
    Chunked,
}

/// The four forms of a request-target (RFC 9112 §3.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TargetForm {
    /// `/path?query`
    #[default]
    Origin,
    /// `scheme://authority/path?query`, where the authority is a host name or address with an optional port, and no
    /// user.
    Absolute,
    /// `host:port`, of CONNECT and of nothing else.
    Authority,
    /// `*`, of OPTIONS and of nothing else.
    Asterisk,
}

impl RequestHead {
    /// An empty head. Allocates nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads a head from the beginning of `input`, which is everything received and not yet consumed.
    ///
    /// * `Ok(None)`: incomplete. Call again with the same bytes and more; it goes on where it stopped, so that a slow
    ///   sender costs no more than a fast one.
    /// * `Ok(Some(n))`: complete; the head was the first `n` bytes, and the body begins there.
    ///
    /// At most one CR LF before the request line is skipped (RFC 9112 §2.2).
    ///
    /// # Errors
    ///
    /// See [`HeadError`]; the outcome doesn't depend on how the input is cut. After an error the head is empty, and the
    /// connection must be closed once the answer is sent.
    pub fn parse(&mut self, input: &[u8], limits: &HeadLimits) -> Result<Option<usize>, HeadError> {
        self.head.parse(input, limits)
    }

    /// How many bytes of memory it has for a head; [`clear`](Self::clear) keeps them.
    pub fn capacity(&self) -> usize {
        self.head.capacity()
    }

    /// Forgets the message; keeps the memory.
    pub fn clear(&mut self) {
        self.head.clear();
    }

    /// The method: a token, case-sensitive (RFC 9110 §9.1).
    pub fn method(&self) -> &str {
        self.head.start.method()
    }

    /// The request-target as sent: visible ASCII. What form it has is in [`form`](Self::form).
    pub fn target(&self) -> &str {
        self.head.start.target()
    }

    /// Which of the four forms the request-target has.
    pub fn form(&self) -> TargetForm {
        self.head.start.form
    }

    /// The version of the request line.
    pub fn version(&self) -> Version {
        self.head.start.version
    }

    /// The field lines in the order they were sent.
    pub fn lines(&self) -> impl Iterator<Item = Line<'_>> + Clone {
        self.head.lines()
    }

    /// The value of the first line of `field`. With [`Field::Other`] or a field that stands for several names, that is
    /// the first line of any of them.
    pub fn get(&self, field: Field) -> Option<&[u8]> {
        self.head.get(field)
    }

    /// The values of the lines named `name`, without regard to case, in the order they were sent.
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> + Clone {
        self.head.values(name)
    }

    /// How the body is framed (RFC 9112 §6.3). Never ambiguous: a head for which it would be isn't accepted.
    pub fn framing(&self) -> Framing {
        match self.head.facts {
            Facts { chunked: true, .. } => Framing::Chunked,
            Facts { content_length: Some(length), .. } => Framing::Length(length),
            _ => Framing::None,
        }
    }

    /// Whether the client means to send another request on this connection (RFC 9112 §9.3).
    pub fn keep_alive(&self) -> bool {
        self.head.facts.keep_alive(self.version())
    }

    /// Whether the client waits for a 100 (Continue) before it sends the body (RFC 9110 §10.1.1). HTTP/1.0 clients
    /// never do, and a request without a body has nothing to wait for.
    pub fn expects_continue(&self) -> bool {
        self.head.facts.expects_continue && self.version() == Version::Http11 && !matches!(self.framing(), Framing::None | Framing::Length(0))
    }

    /// Whether a Connection field lists `name`, without regard to case (RFC 9110 §7.6.1).
    ///
    /// A sender can list any name: whoever drops the fields listed must not drop those that it relies on itself.
    pub fn connection_names(&self, name: &str) -> bool {
        self.head.connection_names(name.as_bytes())
    }

    /// Whether a Connection field lists the name of `line`: as [`connection_names`](Self::connection_names), but cheaper.
    #[inline]
    pub fn connection_lists(&self, line: &Line<'_>) -> bool {
        self.head.connection_names(line.name_bytes())
    }

    /// The value of the first Upgrade field, if Connection lists `upgrade` and the version is 1.1 (RFC 9110 §7.8).
    pub fn upgrade(&self) -> Option<&[u8]> {
        if !self.head.facts.options.upgrade || self.version() == Version::Http10 {
            return None;
        }
        self.head.get(Field::Upgrade)
    }
}

impl fmt::Debug for RequestHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestHead")
            .field("method", &self.method())
            .field("version", &self.version())
            .field("lines", &self.head.line_count())
            .finish_non_exhaustive()
    }
}

/// `method SP request-target SP HTTP-version`, RFC 9112 §3.
#[derive(Default)]
struct RequestLine {
    /// The line up to the end of the target, here once more because a `str` of it is wanted so often.
    text: String,
    method_len: usize,
    form: TargetForm,
    version: Version,
}

impl RequestLine {
    fn method(&self) -> &str {
        self.text.get(..self.method_len).unwrap_or_default()
    }

    fn target(&self) -> &str {
        self.text.get(self.method_len + 1..).unwrap_or_default()
    }
}

impl StartLine for RequestLine {
    const INVALID: HeadError = HeadError::RequestLine;
    const SKIPS_EMPTY_LINE: bool = true;

    fn parse(&mut self, line: &[u8]) -> Result<(), HeadError> {
        let (method_len, _) = token_prefix(line);
        let Some((b' ', rest)) = line[method_len..].split_first() else { return Err(line_error(line)) };
        let Some(target_len) = memchr(b' ', rest).filter(|&len| len == 0 || is_target(&rest[..len])) else { return Err(line_error(line)) };
        if method_len == 0 || target_len == 0 {
            return Err(HeadError::RequestLine);
        }
        let (method, target, version) = (&line[..method_len], &rest[..target_len], &rest[target_len + 1..]);
        self.version = Version::parse(version, HeadError::RequestLine)?;
        self.form = target_form(method, target).ok_or(HeadError::Target)?;
        self.method_len = method_len;
        // Both are ASCII by now. Text is checked fastest where it begins on a word, as what is allocated does.
        let mut text = mem::take(&mut self.text).into_bytes();
        text.extend_from_slice(&line[..method_len + 1 + target_len]);
        self.text = String::from_utf8(text).unwrap_or_default();
        Ok(())
    }

    fn clear(&mut self) {
        let Self { text, method_len, form, version } = self;
        text.clear();
        *method_len = 0;
        *form = TargetForm::default();
        *version = Version::default();
    }

    fn version(&self) -> Version {
        self.version
    }

    fn check_field(&self, field: Field, value: &[u8], repeated: bool) -> Result<(), HeadError> {
        match field {
            Field::Host if repeated => Err(HeadError::DuplicateHost),
            // An empty value is valid syntax for a target without an authority (RFC 9112 §3.2), but no http or https
            // URI is without one (RFC 9110 §4.2.1), and here everything is decided by it.
            Field::Host if !is_authority(value, Port::Optional) => Err(HeadError::InvalidHost),
            Field::Authorization if repeated => Err(HeadError::DuplicateAuthorization),
            Field::ProxyAuthorization if repeated => Err(HeadError::DuplicateProxyAuthorization),
            _ => Ok(()),
        }
    }

    fn check_end(&self, facts: &Facts) -> Result<(), HeadError> {
        if self.version == Version::Http11 && !facts.has(Field::Host) {
            return Err(HeadError::MissingHost);
        }
        // What follows a CONNECT is the tunnel (RFC 9110 §9.3.6). If it announced content, a reader that skips content
        // and one that doesn't would see the tunnel begin at different bytes.
        if self.form == TargetForm::Authority && (facts.chunked || facts.content_length.is_some_and(|length| length > 0)) {
            return Err(HeadError::UnexpectedContent);
        }
        Ok(())
    }
}

/// What is wrong with a request line whose method or target has a byte that it may not have, or that is no request line
/// at all. The version comes before the rest: what speaks another version may mean something else by the rest.
#[cold]
fn line_error(line: &[u8]) -> HeadError {
    let mut parts = line.split(|&byte| byte == b' ');
    let (Some(method), Some(_), Some(version), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return HeadError::RequestLine;
    };
    match Version::parse(version, HeadError::RequestLine) {
        Err(error) => error,
        Ok(_) if is_token(method) => HeadError::Target,
        Ok(_) => HeadError::Method,
    }
}

/// The form of `target`, or `None` if it has none of the four or one that `method` may not have.
fn target_form(method: &[u8], target: &[u8]) -> Option<TargetForm> {
    if method == b"CONNECT" {
        return is_authority(target, Port::Required).then_some(TargetForm::Authority);
    }
    match target {
        [b'/', ..] => Some(TargetForm::Origin),
        [b'*'] => (method == b"OPTIONS").then_some(TargetForm::Asterisk),
        _ => is_absolute(target).then_some(TargetForm::Absolute),
    }
}

/// `scheme "://" authority`, then nothing, a path or a query. Userinfo is refused (RFC 9110 §4.2.4).
fn is_absolute(target: &[u8]) -> bool {
    let Some(colon) = memchr(b':', target) else { return false };
    let (scheme, rest) = (&target[..colon], &target[colon + 1..]);
    let Some(rest) = rest.strip_prefix(b"//") else { return false };
    let authority_len = rest.iter().position(|&byte| byte == b'/' || byte == b'?').unwrap_or(rest.len());
    scheme.first().is_some_and(u8::is_ascii_alphabetic)
        && scheme.iter().all(|&byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
        && is_authority(&rest[..authority_len], Port::Optional)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> RequestHead {
        let mut head = RequestHead::new();
        assert_eq!(head.parse(text.as_bytes(), &HeadLimits::default()), Ok(Some(text.len())), "{text:?}");
        head
    }

    fn with_fields(fields: &str) -> RequestHead {
        parse(&format!("POST /a?b HTTP/1.1\r\nHost: tool\r\n{fields}\r\n"))
    }

    #[test]
    fn everything_that_a_head_says() {
        let head = parse("\r\nGET http://a/b HTTP/1.0\r\nHost:a\r\nX-One:  1 \t\r\nx-one: é\r\nVia:\r\n\r\n");
        assert_eq!((head.method(), head.target(), head.version()), ("GET", "http://a/b", Version::Http10));
        assert_eq!((head.form(), head.framing()), (TargetForm::Absolute, Framing::None));
        let lines: Vec<_> = head.lines().map(|line| (line.field, line.name(), line.value, line.raw)).collect();
        assert_eq!(
            lines,
            [
                (Field::Host, "Host", &b"a"[..], &b"Host:a\r\n"[..]),
                (Field::Other, "X-One", b"1", b"X-One:  1 \t\r\n"),
                (Field::Other, "x-one", "é".as_bytes(), "x-one: é\r\n".as_bytes()),
                (Field::Via, "Via", b"", b"Via:\r\n"),
            ]
        );
        assert_eq!(head.get(Field::Host), Some(&b"a"[..]));
        assert_eq!(head.get(Field::Via), Some(&b""[..]));
        assert_eq!(head.get(Field::Other), Some(&b"1"[..]));
        assert_eq!(head.get(Field::Authorization), None);
        assert_eq!(head.values("X-ONE").collect::<Vec<_>>(), [b"1", "é".as_bytes()]);
        assert_eq!(head.values("X-On").count(), 0);
        assert!(head.lines().nth(1).is_some_and(|line| line.is_named("X-ONE") && !line.is_named("X-ON")));
    }

    #[test]
    fn no_field_is_there_before_the_head_is_complete() {
        let mut head = RequestHead::new();
        assert_eq!((head.method(), head.target(), head.framing()), ("", "", Framing::None));
        assert_eq!(head.parse(b"GET / HTTP/1.1\r\nHost: a\r\n", &HeadLimits::default()), Ok(None));
        assert_eq!((head.method(), head.target()), ("GET", "/"));
        assert_eq!((head.lines().count(), head.get(Field::Host)), (0, None));
    }

    #[test]
    fn persistence() {
        for (version, fields, expected) in [
            ("1.1", "", true),
            ("1.1", "Connection: close\r\n", false),
            ("1.1", "Connection: x , CLOSE\r\n", false),
            ("1.1", "Connection: closed\r\n", true),
            ("1.0", "", false),
            ("1.0", "Connection: Keep-Alive\r\n", true),
            ("1.0", "Connection: keep-alive\r\nConnection: close\r\n", false),
        ] {
            let head = parse(&format!("GET / HTTP/{version}\r\nHost: a\r\n{fields}\r\n"));
            assert_eq!(head.keep_alive(), expected, "{version} {fields:?}");
        }
    }

    #[test]
    fn p09_what_connection_lists() {
        let head = with_fields("Connection: keep-alive, X-Hop\r\nConnection: ,close,\r\nX-Hop: 1\r\nY: 2\r\n");
        for listed in ["keep-alive", "Keep-Alive", "x-hop", "X-HOP", "close"] {
            assert!(head.connection_names(listed), "{listed}");
        }
        for other in ["", "x", "x-ho", "x-hop ", "upgrade", "connection", "y"] {
            assert!(!head.connection_names(other), "{other}");
        }
        let listed: Vec<_> = head.lines().filter(|line| head.connection_lists(line)).map(|line| line.raw).collect();
        assert_eq!(listed, [b"X-Hop: 1\r\n"]);

        let head = with_fields("Connection: keep-alive\r\n");
        assert!(head.connection_names("Keep-Alive") && !head.connection_names("close"));
        assert!(!with_fields("").connection_names("keep-alive"));
    }

    #[test]
    fn upgrades() {
        let asked = "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n";
        assert_eq!(with_fields(asked).upgrade(), Some(&b"websocket"[..]));
        assert_eq!(with_fields("Upgrade: websocket\r\n").upgrade(), None);
        assert_eq!(with_fields("Connection: upgrade\r\n").upgrade(), None);
        assert_eq!(parse(&format!("GET / HTTP/1.0\r\n{asked}\r\n")).upgrade(), None);
    }

    #[test]
    fn expectations() {
        let asked = "Expect: 100-Continue\r\n";
        assert!(with_fields(&format!("{asked}Content-Length: 1\r\n")).expects_continue());
        assert!(with_fields(&format!("{asked}Transfer-Encoding: chunked\r\n")).expects_continue());
        assert!(!with_fields(&format!("{asked}Content-Length: 0\r\n")).expects_continue());
        assert!(!with_fields(asked).expects_continue());
        assert!(!with_fields("Expect: 100-continue-not\r\nContent-Length: 1\r\n").expects_continue());
        assert!(!parse(&format!("GET / HTTP/1.0\r\n{asked}Content-Length: 1\r\n\r\n")).expects_continue());
    }

    #[test]
    fn p23_debug_shows_no_credentials() {
        let head = parse("GET /?access_token=canary HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer canary\r\n\r\n");
        let shown = format!("{head:?} {:?}", head.lines().collect::<Vec<_>>());
        assert!(shown.contains("GET") && shown.contains("Authorization") && !shown.contains("canary"), "{shown}");
    }

    #[test]
    fn the_limits_are_exact() {
        let text = "\r\nGET / HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n";
        let parse = |max_bytes, max_lines| RequestHead::new().parse(text.as_bytes(), &HeadLimits { max_bytes, max_lines });
        assert_eq!(parse(text.len(), 2), Ok(Some(text.len())));
        assert_eq!(parse(text.len() - 1, 2), Err(HeadError::TooLarge));
        assert_eq!(parse(text.len(), 1), Err(HeadError::TooManyLines));
        assert_eq!(parse(0, 2), Err(HeadError::TooLarge));
        assert_eq!(parse(usize::MAX, usize::MAX), Ok(Some(text.len())));
    }
}
