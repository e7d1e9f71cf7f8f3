//! Writing heads and chunk framing.

use std::borrow::Cow;
use std::ops::Range;
use std::{fmt, mem, ptr};

use crate::error::WriteError;
use crate::grammar::{is_blank, is_constant_line, is_constant_token, is_field_value, is_target, is_token};
use crate::line::Line;

/// The end of a chunked body without trailers. One with trailers ends with what [`HeadWriter::trailers`] writes.
pub const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// Appends a head, or the trailers of a chunked body, to a buffer. Nothing that it is given can add a line of its own:
/// names must be tokens, values must be free of control characters, and raw lines come only from the parser.
///
/// When a method returns an error, it has written nothing; the head before it is incomplete and must not be sent.
#[must_use = "a head is complete only after `end`"]
pub struct HeadWriter<'a> {
    /// Only [`out`](Self::out) uses it.
    buffer: &'a mut Vec<u8>,
    /// Lines still to be copied: those that stand one after the other where they came from are copied at once.
    run: Run<'a>,
}

/// A part of a buffer.
struct Run<'a> {
    source: &'a [u8],
    range: Range<usize>,
}

impl<'a> HeadWriter<'a> {
    /// Begins a request with `method target HTTP/1.1`.
    ///
    /// # Errors
    ///
    /// [`WriteError::Method`], [`WriteError::Target`].
    pub fn request(out: &'a mut Vec<u8>, method: &str, target: &str) -> Result<Self, WriteError> {
        Self::request_to(out, method, |out| out.extend_from_slice(target.as_bytes()))
    }

    /// As [`request`](Self::request), with a target that `append` appends.
    ///
    /// # Errors
    ///
    /// The same. If `append` has taken something away, that is [`WriteError::Target`] too.
    pub fn request_to(out: &'a mut Vec<u8>, method: &str, append: impl FnOnce(&mut Vec<u8>)) -> Result<Self, WriteError> {
        if !is_token(method.as_bytes()) {
            return Err(WriteError::Method);
        }
        let begin = out.len();
        out.extend_from_slice(method.as_bytes());
        out.push(b' ');
        let target = out.len();
        append(out);
        if !out.get(target..).is_some_and(is_target) {
            out.truncate(begin);
            return Err(WriteError::Target);
        }
        out.extend_from_slice(b" HTTP/1.1\r\n");
        Ok(Self::after(out))
    }

    /// Begins a response with `HTTP/1.1 status reason`. The version is ours, not that of the request (RFC 9110 §6.2).
    ///
    /// # Errors
    ///
    /// [`WriteError::StatusLine`] if the status isn't within 100 to 599, or the reason has a control character.
    pub fn response(out: &'a mut Vec<u8>, status: u16, reason: &[u8]) -> Result<Self, WriteError> {
        // Most are, and need no look at what is in them.
        if (status, reason) == (200, b"OK") {
            out.extend_from_slice(b"HTTP/1.1 200 OK\r\n");
            return Ok(Self::after(out));
        }
        if !(100..=599).contains(&status) || !is_field_value(reason) {
            return Err(WriteError::StatusLine);
        }
        let [a, b, c] = [status / 100, status / 10 % 10, status % 10].map(|digit| b'0' + digit as u8);
        out.extend_from_slice(&[b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'1', b' ', a, b, c, b' ']);
        out.extend_from_slice(reason);
        out.extend_from_slice(b"\r\n");
        Ok(Self::after(out))
    }

    /// Ends a chunked body and begins its trailers.
    pub fn trailers(out: &'a mut Vec<u8>) -> Self {
        out.extend_from_slice(b"0\r\n");
        Self::after(out)
    }

    fn after(buffer: &'a mut Vec<u8>) -> Self {
        Self { buffer, run: Run { source: &[], range: 0..0 } }
    }

    /// Appends a field.
    ///
    /// # Errors
    ///
    /// [`WriteError::FieldName`] if the name isn't a token; [`WriteError::FieldValue`] if the value has a control
    /// character other than HTAB, or a blank at its beginning or end.
    pub fn field(&mut self, name: &str, value: &[u8]) -> Result<&mut Self, WriteError> {
        if !is_token(name.as_bytes()) {
            return Err(WriteError::FieldName);
        }
        self.checked(name.as_bytes(), value)
    }

    /// Appends a field whose name is known when the program is compiled.
    ///
    /// # Errors
    ///
    /// [`WriteError::FieldValue`], as [`field`](Self::field).
    #[inline]
    pub fn named(&mut self, name: FieldName, value: &[u8]) -> Result<&mut Self, WriteError> {
        self.checked(name.0.as_bytes(), value)
    }

    /// Appends a field whose name is known when the program is compiled, with the value of a line that came in: the parser has checked that.
    #[inline]
    pub fn named_as(&mut self, name: FieldName, line: &Line<'_>) -> &mut Self {
        let out = self.out();
        out.extend_from_slice(name.0.as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(line.value);
        out.extend_from_slice(b"\r\n");
        self
    }

    #[inline]
    fn checked(&mut self, name: &[u8], value: &[u8]) -> Result<&mut Self, WriteError> {
        let is_blank = |byte: Option<&u8>| byte.is_some_and(|&byte| is_blank(byte));
        if !is_field_value(value) || is_blank(value.first()) || is_blank(value.last()) {
            return Err(WriteError::FieldValue);
        }
        let out = self.out();
        out.extend_from_slice(name);
        out.extend_from_slice(b": ");
        out.extend_from_slice(value);
        out.extend_from_slice(b"\r\n");
        Ok(self)
    }

    /// Appends a field that was checked before.
    #[inline]
    pub fn prepared(&mut self, field: &PreparedField) -> &mut Self {
        self.out().extend_from_slice(&field.0);
        self
    }

    /// Appends a line as it came in.
    #[inline]
    pub fn line(&mut self, line: &Line<'a>) -> &mut Self {
        let (source, range) = line.place();
        if self.run.range.end == range.start && ptr::eq(self.run.source, source) {
            self.run.range.end = range.end;
        } else {
            self.copy_run();
            self.run = Run { source, range };
        }
        self
    }

    /// Appends `Content-Length`.
    pub fn content_length(&mut self, length: u64) -> &mut Self {
        let out = self.out();
        out.extend_from_slice(b"Content-Length: ");
        push_digits::<10>(length, out);
        out.extend_from_slice(b"\r\n");
        self
    }

    /// Appends `Transfer-Encoding: chunked`.
    pub fn chunked(&mut self) -> &mut Self {
        self.out().extend_from_slice(b"Transfer-Encoding: chunked\r\n");
        self
    }

    /// Ends the head or the trailers with the empty line.
    pub fn end(mut self) {
        self.out().extend_from_slice(b"\r\n");
    }

    /// The buffer, with every line in it so far.
    #[inline]
    fn out(&mut self) -> &mut Vec<u8> {
        if !self.run.range.is_empty() {
            self.copy_run();
        }
        self.buffer
    }

    fn copy_run(&mut self) {
        let range = mem::take(&mut self.run.range);
        self.buffer.extend_from_slice(&self.run.source[range]);
    }
}

/// The name of a field, known when the program is compiled, which is when it is checked.
#[derive(Clone, Copy, Debug)]
pub struct FieldName(&'static str);

impl FieldName {
    /// A name for a constant. Panics, which there is an error of the compiler's, if it isn't a token (RFC 9110 §5.6.2).
    pub const fn new(name: &'static str) -> Self {
        assert!(is_constant_token(name.as_bytes()), "the name of a field must be a token");
        Self(name)
    }
}

/// A field that is written many times and checked once.
pub struct PreparedField(Cow<'static, [u8]>);

impl PreparedField {
    /// # Errors
    ///
    /// As [`HeadWriter::field`].
    pub fn new(name: &str, value: &[u8]) -> Result<Self, WriteError> {
        let mut line = Vec::with_capacity(name.len() + value.len() + 4);
        HeadWriter::after(&mut line).field(name, value)?;
        Ok(Self(line.into()))
    }

    /// One for a constant, such as `Connection: close` with the CR LF behind it. Panics, which there is an error of the compiler's, unless it is a name,
    /// `: `, a value of visible ASCII and SP with none around it, and CR LF.
    pub const fn constant(line: &'static str) -> Self {
        assert!(is_constant_line(line.as_bytes()), "a field must be a name, a colon, a space, a value and CR LF");
        Self(Cow::Borrowed(line.as_bytes()))
    }
}

impl fmt::Debug for PreparedField {
    /// Shows nothing of the value.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PreparedField").finish_non_exhaustive()
    }
}

impl fmt::Debug for HeadWriter<'_> {
    /// Shows nothing of what was written: it may hold credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeadWriter").finish_non_exhaustive()
    }
}

/// Appends what precedes `len` bytes of data in a chunked body; `\r\n` must follow the data. For a `len` of 0, which
/// would end the body, nothing is written.
pub fn chunk_head(len: u64, out: &mut Vec<u8>) {
    if len > 0 {
        push_digits::<16>(len, out);
        out.extend_from_slice(b"\r\n");
    }
}

/// The reason phrase that the IANA registry has for a status, or `""`.
pub fn reason_phrase(status: u16) -> &'static str {
    match status {
        100 => "Continue",
        101 => "Switching Protocols",
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        206 => "Partial Content",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        407 => "Proxy Authentication Required",
        408 => "Request Timeout",
        409 => "Conflict",
        413 => "Content Too Large",
        417 => "Expectation Failed",
        421 => "Misdirected Request",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ => "",
    }
}

/// The decimal digits of `u64::MAX`; in a larger base there are fewer.
const LONGEST: usize = 20;

/// Appends `value` in base `BASE`, without leading zeros.
fn push_digits<const BASE: u64>(mut value: u64, out: &mut Vec<u8>) {
    let mut text = [0; LONGEST];
    let mut first = text.len();
    for digit in text.iter_mut().rev() {
        first -= 1;
        *digit = b"0123456789abcdef"[(value % BASE) as usize];
        value /= BASE;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(&text[first..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        for value in [0, 1, 9, 10, 15, 16, 255, 4096, u64::from(u32::MAX), u64::MAX] {
            let mut out = Vec::new();
            push_digits::<10>(value, &mut out);
            assert_eq!(out, value.to_string().into_bytes());
            out.clear();
            push_digits::<16>(value, &mut out);
            assert_eq!(out, format!("{value:x}").into_bytes());
        }
        let mut out = Vec::new();
        chunk_head(0, &mut out);
        assert!(out.is_empty(), "a chunk of length 0 would end the body");
        chunk_head(255, &mut out);
        assert_eq!(out, b"ff\r\n");
    }

    #[test]
    fn a_request_a_response_and_trailers() -> Result<(), WriteError> {
        let mut out = Vec::new();
        let mut head = HeadWriter::request(&mut out, "POST", "/a?b")?;
        head.field("Host", b"tool")?.content_length(0).chunked();
        head.end();
        assert_eq!(out, b"POST /a?b HTTP/1.1\r\nHost: tool\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n");
        out.clear();
        HeadWriter::response(&mut out, 404, reason_phrase(404).as_bytes())?.end();
        assert_eq!(out, b"HTTP/1.1 404 Not Found\r\n\r\n");
        out.clear();
        let mut trailers = HeadWriter::trailers(&mut out);
        trailers.field("Checksum", b"1")?;
        trailers.end();
        assert_eq!(out, b"0\r\nChecksum: 1\r\n\r\n");
        out.clear();
        HeadWriter::trailers(&mut out).end();
        assert_eq!(out, LAST_CHUNK);
        Ok(())
    }

    #[test]
    fn no_text_can_add_a_line() {
        let mut out = Vec::new();
        for bad in ["", " ", "a b", "a\rb", "a\nb", "a\r\nb: c", "a\0", "a:"] {
            assert_eq!(HeadWriter::request(&mut out, bad, "/").err(), Some(WriteError::Method), "{bad:?}");
        }
        for bad in ["", "/ /", "/a b", "/\r\n", "/\n", "/\r", "/\0", "/é", "/#", "/ HTTP/1.1\r\nX: y"] {
            assert_eq!(HeadWriter::request(&mut out, "GET", bad).err(), Some(WriteError::Target), "{bad:?}");
        }
        for (status, reason) in [(99, "x"), (600, "x"), (0, ""), (200, "a\r"), (200, "a\nb"), (200, "\0")] {
            let head = HeadWriter::response(&mut out, status, reason.as_bytes());
            assert_eq!(head.err(), Some(WriteError::StatusLine), "{status} {reason:?}");
        }
        assert!(out.is_empty());
        let mut head = HeadWriter::trailers(&mut out);
        for bad in ["", " ", "a ", "a:b", "a\r", "a\n", "a\0", "é"] {
            assert_eq!(head.field(bad, b"v").err(), Some(WriteError::FieldName), "{bad:?}");
        }
        for bad in ["a\rb", "a\nb", "\r\n", "a\r\nb: c", "\0", "\x7f", " a", "a ", "\ta", "a\t"] {
            assert_eq!(head.field("n", bad.as_bytes()).err(), Some(WriteError::FieldValue), "{bad:?}");
        }
        assert_eq!(out, b"0\r\n", "a refused field leaves nothing behind");
    }
}
