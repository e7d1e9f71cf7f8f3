//! Response heads.

use std::fmt;

use crate::error::HeadError;
use crate::field::Field;
use crate::head::{Facts, Head, HeadLimits, StartLine, Version};
use crate::line::Line;
use crate::request::Framing;

/// A response head; see [`RequestHead`](crate::RequestHead) for how it is used. `Debug` shows no fields: they may hold
/// credentials.
#[derive(Default)]
pub struct ResponseHead {
    head: Head<StatusLine>,
}

/// How a response's body is framed (RFC 9112 §6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseFraming {
    /// There is no body. After a 101, or a 2xx to CONNECT, what follows isn't HTTP/1.1 any more.
    None,
    /// Exactly this many bytes.
    Length(u64),
    /// Chunks, then maybe trailers.
    Chunked,
    /// Everything until the connection ends, which therefore cannot be used again.
    UntilClose,
}

impl From<Framing> for ResponseFraming {
    fn from(framing: Framing) -> Self {
        match framing {
            Framing::None => Self::None,
            Framing::Length(length) => Self::Length(length),
            Framing::Chunked => Self::Chunked,
        }
    }
}

impl ResponseHead {
    /// An empty head. Allocates nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads a head from the beginning of `input`; works as [`RequestHead::parse`](crate::RequestHead::parse) does,
    /// but skips nothing before the status line.
    ///
    /// # Errors
    ///
    /// See [`HeadError`]. After an error the head is empty, and the connection must be closed.
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

    /// The status code, 100 to 599. 0 before a head has been read.
    pub fn status(&self) -> u16 {
        self.head.start.status
    }

    /// The reason phrase; may be empty, may have bytes above 0x7f.
    pub fn reason(&self) -> &[u8] {
        let StatusLine { reason_start, reason_end, .. } = self.head.start;
        self.head.bytes().get(reason_start as usize..reason_end as usize).unwrap_or_default()
    }

    /// The version of the status line.
    pub fn version(&self) -> Version {
        self.head.start.version
    }

    /// The field lines in the order they were sent.
    pub fn lines(&self) -> impl Iterator<Item = Line<'_>> + Clone {
        self.head.lines()
    }

    /// The value of the first line of `field`; see [`RequestHead::get`](crate::RequestHead::get).
    pub fn get(&self, field: Field) -> Option<&[u8]> {
        self.head.get(field)
    }

    /// The values of the lines named `name`, without regard to case, in the order they were sent.
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> + Clone {
        self.head.values(name)
    }

    /// How the body is framed, given the method of the request that this answers (RFC 9112 §6.3).
    ///
    /// # Errors
    ///
    /// [`HeadError::UnexpectedContent`] if a 1xx or a 204, which have no content, announces some: whoever sent it may
    /// send it too, and those bytes would be taken for the next response.
    pub fn framing(&self, request_method: &str) -> Result<ResponseFraming, HeadError> {
        let Facts { chunked, content_length, .. } = self.head.facts;
        Ok(match self.status() {
            200..=299 if request_method == "CONNECT" => ResponseFraming::None,
            100..=199 | 204 => {
                if chunked || content_length.is_some_and(|length| length > 0) {
                    return Err(HeadError::UnexpectedContent);
                }
                ResponseFraming::None
            }
            304 => ResponseFraming::None,
            _ if request_method == "HEAD" => ResponseFraming::None,
            _ if chunked => ResponseFraming::Chunked,
            _ => content_length.map_or(ResponseFraming::UntilClose, ResponseFraming::Length),
        })
    }

    /// Whether the server will take another request on this connection (RFC 9112 §9.3). Whatever it says, it won't
    /// after a body that is [`UntilClose`](ResponseFraming::UntilClose).
    pub fn keep_alive(&self) -> bool {
        self.head.facts.keep_alive(self.version())
    }

    /// Whether a Connection field lists `name`, without regard to case (RFC 9110 §7.6.1).
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

impl fmt::Debug for ResponseHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseHead")
            .field("status", &self.status())
            .field("version", &self.version())
            .field("lines", &self.head.line_count())
            .finish_non_exhaustive()
    }
}

/// `HTTP-version SP status-code SP [ reason-phrase ]`, RFC 9112 §4. Offsets from the beginning of the line.
#[derive(Clone, Copy, Debug, Default)]
struct StatusLine {
    status: u16,
    reason_start: u32,
    reason_end: u32,
    version: Version,
}

impl StartLine for StatusLine {
    const INVALID: HeadError = HeadError::StatusLine;
    const SKIPS_EMPTY_LINE: bool = false;

    fn parse(&mut self, line: &[u8]) -> Result<(), HeadError> {
        let (version, rest) = line.split_first_chunk::<8>().ok_or(HeadError::StatusLine)?;
        let version = Version::parse(version, HeadError::StatusLine)?;
        let [b' ', a @ b'1'..=b'5', b @ b'0'..=b'9', c @ b'0'..=b'9', reason @ ..] = rest else {
            return Err(HeadError::StatusLine);
        };
        let status = [a, b, c].into_iter().fold(0, |status, digit| status * 10 + u16::from(digit - b'0'));
        // The space after the code is required even without a reason, but enough servers leave it out then, and nothing
        // becomes ambiguous by it.
        let reason = match reason {
            [] => reason,
            [b' ', reason @ ..] => reason,
            _ => return Err(HeadError::StatusLine),
        };
        let reason_start = (line.len() - reason.len()) as u32;
        *self = Self { status, reason_start, reason_end: line.len() as u32, version };
        Ok(())
    }

    fn clear(&mut self) {
        *self = Self::default();
    }

    fn version(&self) -> Version {
        self.version
    }

    fn check_field(&self, _: Field, _: &[u8], _: bool) -> Result<(), HeadError> {
        Ok(())
    }

    fn check_end(&self, _: &Facts) -> Result<(), HeadError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> ResponseHead {
        let mut head = ResponseHead::new();
        assert_eq!(head.parse(text.as_bytes(), &HeadLimits::default()), Ok(Some(text.len())), "{text:?}");
        head
    }

    #[test]
    fn everything_that_a_head_says() {
        let head = parse("HTTP/1.0 404 Not there \r\nServer: x\r\nSet-Cookie: a=b\r\nset-cookie: c=d\r\n\r\n");
        assert_eq!((head.status(), head.reason(), head.version()), (404, &b"Not there "[..], Version::Http10));
        assert_eq!(head.get(Field::Server), Some(&b"x"[..]));
        assert_eq!(head.values("Set-Cookie").collect::<Vec<_>>(), [b"a=b", b"c=d"]);
        assert_eq!(head.lines().map(|line| line.field).collect::<Vec<_>>(), [Field::Server, Field::SetCookie, Field::SetCookie]);
        assert_eq!(parse("HTTP/1.1 200\r\n\r\n").reason(), b"");
        assert_eq!(parse("HTTP/1.1 200 \r\n\r\n").reason(), b"");
        assert_eq!(ResponseHead::new().status(), 0);
    }

    #[test]
    fn persistence_and_upgrade() {
        assert!(parse("HTTP/1.1 200 OK\r\n\r\n").keep_alive());
        assert!(!parse("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n").keep_alive());
        assert!(!parse("HTTP/1.0 200 OK\r\n\r\n").keep_alive());
        assert!(parse("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\n").keep_alive());
        let switched = parse("HTTP/1.1 101 x\r\nConnection: upgrade, x-hop\r\nUpgrade: spdy/3.1\r\nX-Hop: 1\r\n\r\n");
        assert_eq!(switched.upgrade(), Some(&b"spdy/3.1"[..]));
        assert!(switched.connection_names("X-HOP"));
        assert_eq!(switched.lines().filter(|line| switched.connection_lists(line)).count(), 2);
    }

    #[test]
    fn framing_depends_on_the_request() {
        let chunked = "Transfer-Encoding: chunked\r\n";
        let length = "Content-Length: 5\r\n";
        for (method, status, fields, expected) in [
            ("GET", 200, chunked, Ok(ResponseFraming::Chunked)),
            ("GET", 200, length, Ok(ResponseFraming::Length(5))),
            ("GET", 200, "", Ok(ResponseFraming::UntilClose)),
            ("HEAD", 200, chunked, Ok(ResponseFraming::None)),
            ("HEAD", 200, length, Ok(ResponseFraming::None)),
            ("head", 200, length, Ok(ResponseFraming::Length(5))),
            ("GET", 304, length, Ok(ResponseFraming::None)),
            ("GET", 304, chunked, Ok(ResponseFraming::None)),
            ("GET", 204, "", Ok(ResponseFraming::None)),
            ("GET", 204, "Content-Length: 0\r\n", Ok(ResponseFraming::None)),
            ("GET", 204, length, Err(HeadError::UnexpectedContent)),
            ("GET", 204, chunked, Err(HeadError::UnexpectedContent)),
            ("HEAD", 204, length, Err(HeadError::UnexpectedContent)),
            ("GET", 100, "", Ok(ResponseFraming::None)),
            ("GET", 101, "", Ok(ResponseFraming::None)),
            ("GET", 103, length, Err(HeadError::UnexpectedContent)),
            ("CONNECT", 200, length, Ok(ResponseFraming::None)),
            ("CONNECT", 299, chunked, Ok(ResponseFraming::None)),
            ("CONNECT", 407, length, Ok(ResponseFraming::Length(5))),
        ] {
            let head = parse(&format!("HTTP/1.1 {status} x\r\n{fields}\r\n"));
            assert_eq!(head.framing(method), expected, "{method} {status} {fields:?}");
        }
    }

    #[test]
    fn p23_debug_shows_no_credentials() {
        let head = parse("HTTP/1.1 200 OK\r\nSet-Cookie: canary\r\n\r\n");
        assert!(!format!("{head:?}").contains("canary"));
    }
}
