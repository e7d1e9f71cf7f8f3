//! What request and response heads have in common: finding the end, the lines, and what decides the framing.

use crate::error::HeadError;
use crate::field::Field;
use crate::grammar::{begins_with, decimal, is_token, text_prefix};
use crate::line::{Line, Simple, Span, control_error};

/// How large a head may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadLimits {
    /// Bytes from the first to the last, line ends included.
    pub max_bytes: usize,
    /// Field lines; the first line doesn't count.
    pub max_lines: usize,
}

impl Default for HeadLimits {
    /// 64 KiB and 256 lines.
    fn default() -> Self {
        Self { max_bytes: 64 * 1024, max_lines: 256 }
    }
}

/// The most bytes in the Connection fields of one head, blanks around the values not counted.
///
/// Whoever drops the fields that Connection lists looks through that list once a line. A real list has a few dozen bytes;
/// with a list as large as a head may be, 256 lines would cost 16 MB of reading.
pub const MAX_CONNECTION_BYTES: usize = 1024;

/// The version of a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0
    Http10,
    /// HTTP/1.1
    #[default]
    Http11,
}

impl Version {
    /// `HTTP/1.0` or `HTTP/1.1`, exactly. Any other two digits are a version all the same, but not one for this
    /// parser; `malformed` is the error for what is no version at all.
    pub(crate) fn parse(text: &[u8], malformed: HeadError) -> Result<Self, HeadError> {
        // As one word each.
        if let Some(text) = text.first_chunk::<8>().filter(|_| text.len() == 8) {
            match text {
                b"HTTP/1.1" => return Ok(Self::Http11),
                b"HTTP/1.0" => return Ok(Self::Http10),
                _ => {}
            }
        }
        match text {
            [b'H', b'T', b'T', b'P', b'/', major, b'.', minor] if major.is_ascii_digit() && minor.is_ascii_digit() => Err(HeadError::Version),
            _ => Err(malformed),
        }
    }
}

/// The first line of a message, and the rules that only requests or only responses have.
pub(crate) trait StartLine: Default {
    /// The error for a first line that is nothing like one.
    const INVALID: HeadError;
    /// Whether one empty line before the first is ignored (RFC 9112 §2.2 asks servers to).
    const SKIPS_EMPTY_LINE: bool;

    /// Reads the line, which has lost its CR LF and has no control characters but HTAB.
    fn parse(&mut self, line: &[u8]) -> Result<(), HeadError>;

    /// Forgets the line; keeps the memory.
    fn clear(&mut self);

    /// The version that the line names.
    fn version(&self) -> Version;

    /// Checks a field, if it [is decisive](Field::is_decisive). `repeated`: a line of the same [`Field`] came before.
    fn check_field(&self, field: Field, value: &[u8], repeated: bool) -> Result<(), HeadError>;

    /// Checks the head as a whole.
    fn check_end(&self, facts: &Facts) -> Result<(), HeadError>;
}

/// A head that owns its bytes. Its buffers stay when it is cleared, so that a connection's second message allocates
/// nothing. Has no `Debug`: the bytes hold credentials.
#[derive(Default)]
pub(crate) struct Head<S> {
    bytes: Vec<u8>,
    spans: Vec<Span>,
    pub(crate) start: S,
    pub(crate) facts: Facts,
    progress: Progress,
}

/// How far an incomplete head has been read, in bytes of the input.
#[derive(Clone, Copy, Debug, Default)]
struct Progress {
    /// Everything before this was searched for control characters.
    scanned: usize,
    /// Where the line begins whose end is looked for.
    line: usize,
    has_start_line: bool,
    complete: bool,
}

/// What the fields say that concerns the message as a whole.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Facts {
    present: u64,
    pub(crate) content_length: Option<u64>,
    pub(crate) chunked: bool,
    pub(crate) expects_continue: bool,
    pub(crate) options: ConnectionOptions,
    connection_bytes: usize,
}

/// The options in all Connection fields.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ConnectionOptions {
    pub(crate) close: bool,
    pub(crate) keep_alive: bool,
    pub(crate) upgrade: bool,
    other: bool,
}

/// What comes next in a head.
enum Next {
    Line,
    /// The empty line, which ends at this offset.
    End(usize),
    Incomplete,
}

impl<S: StartLine> Head<S> {
    /// Reads from the beginning of `input`. `Ok(None)`: there is more to come, call again with the same bytes and
    /// more. `Ok(Some(n))`: the head is complete and took `n` bytes.
    ///
    /// The input is judged byte by byte, in order, so the outcome doesn't depend on how it is cut, and what can never
    /// become a head (a TLS handshake, say) is refused at once.
    pub(crate) fn parse(&mut self, input: &[u8], limits: &HeadLimits) -> Result<Option<usize>, HeadError> {
        let max_bytes = limits.max_bytes.min(u32::MAX as usize);
        let input = &input[..input.len().min(max_bytes)];
        if self.progress.complete || self.progress.scanned > input.len() {
            self.clear();
        }
        let outcome = match self.advance(input, limits.max_lines) {
            Ok(None) if input.len() == max_bytes => Err(HeadError::TooLarge),
            outcome => outcome,
        };
        if outcome.is_err() {
            self.clear();
        }
        outcome
    }

    fn advance(&mut self, input: &[u8], max_lines: usize) -> Result<Option<usize>, HeadError> {
        if !self.progress.has_start_line && !self.start_line(input)? {
            return Ok(None);
        }
        loop {
            self.simple_lines(input, max_lines)?;
            match self.other_line(input, max_lines)? {
                Next::Line => {}
                Next::End(end) => return Ok(Some(end)),
                Next::Incomplete => return Ok(None),
            }
        }
    }

    /// Reads lines as long as they are simple and complete.
    #[inline(always)]
    fn simple_lines(&mut self, input: &[u8], max_lines: usize) -> Result<(), HeadError> {
        let mut begin = self.progress.line;
        // The search for the end of a line goes on where it was.
        if self.progress.scanned > begin {
            return Ok(());
        }
        while self.spans.len() < max_lines
            && let Some(line) = input.get(begin..).and_then(Simple::parse)
        {
            let len = line.len();
            let span = Span::of_simple(line, begin);
            begin += len;
            self.spans.push(span);
            if span.field != Field::Other {
                self.field(span, input)?;
            }
        }
        self.progress.line = begin;
        Ok(())
    }

    /// Reads a line that isn't simple, or isn't complete, or is the empty one at the end.
    fn other_line(&mut self, input: &[u8], max_lines: usize) -> Result<Next, HeadError> {
        let begin = self.progress.line;
        let scanned = self.progress.scanned.max(begin);
        let end = match input[scanned..] {
            [b'\r', ..] => scanned,
            _ => scanned + text_prefix(&input[scanned..]),
        };
        self.progress.scanned = end;
        if !at_line_end(&input[end..]).map_err(|control| control_error(&input[begin..end], control))? {
            return Ok(Next::Incomplete);
        }
        self.progress.line = end + 2;
        if end == begin {
            self.start.check_end(&self.facts)?;
            self.bytes.extend_from_slice(&input[..end + 2]);
            self.progress.complete = true;
            return Ok(Next::End(end + 2));
        }
        if self.spans.len() >= max_lines {
            return Err(HeadError::TooManyLines);
        }
        let span = Span::parse(&input[begin..end], begin)?;
        self.spans.push(span);
        if span.field != Field::Other {
            self.field(span, input)?;
        }
        Ok(Next::Line)
    }

    /// Reads the first line, and the empty one that may precede it. `false`: there is more to come.
    #[inline(never)]
    fn start_line(&mut self, input: &[u8]) -> Result<bool, HeadError> {
        let Progress { line: begin, scanned, .. } = self.progress;
        let end = scanned + text_prefix(&input[scanned..]);
        let complete = at_line_end(&input[end..]).map_err(|control| match control {
            b'\n' => HeadError::BareLf,
            b'\r' => HeadError::BareCr,
            _ => S::INVALID,
        })?;
        if !complete {
            self.progress.scanned = end;
            return Ok(false);
        }
        self.progress.line = end + 2;
        self.progress.scanned = end + 2;
        if end > begin {
            self.start.parse(&input[begin..end])?;
            self.progress.has_start_line = true;
            Ok(true)
        } else if S::SKIPS_EMPTY_LINE && begin == 0 {
            self.start_line(input)
        } else {
            Err(S::INVALID)
        }
    }

    #[inline(always)]
    fn field(&mut self, span: Span, input: &[u8]) -> Result<(), HeadError> {
        let repeated = self.facts.has(span.field);
        self.facts.present |= span.field.bit();
        if span.field.is_decisive() { self.decisive_field(span.field, span.value(input), repeated) } else { Ok(()) }
    }

    fn decisive_field(&mut self, field: Field, value: &[u8], repeated: bool) -> Result<(), HeadError> {
        let facts = &mut self.facts;
        match field {
            Field::ContentLength => {
                if repeated {
                    return Err(HeadError::DuplicateContentLength);
                }
                facts.content_length = Some(decimal(value).ok_or(HeadError::InvalidContentLength)?);
            }
            Field::TransferEncoding => {
                if self.start.version() == Version::Http10 {
                    return Err(HeadError::TransferEncodingInHttp10);
                }
                if repeated {
                    return Err(HeadError::InvalidTransferEncoding);
                }
                check_transfer_encoding(value)?;
                facts.chunked = true;
            }
            Field::Connection => {
                facts.connection_bytes += value.len();
                if facts.connection_bytes > MAX_CONNECTION_BYTES {
                    return Err(HeadError::ConnectionTooLarge);
                }
                facts.options.add(value);
            }
            Field::Expect => facts.expects_continue |= value.len() == 12 && begins_with(value, b"100-continue"),
            _ => {}
        }
        if facts.chunked && facts.content_length.is_some() {
            return Err(HeadError::LengthAndTransferEncoding);
        }
        self.start.check_field(field, value, repeated)
    }

    /// Forgets the message; keeps the memory.
    pub(crate) fn clear(&mut self) {
        let Self { bytes, spans, start, facts, progress } = self;
        bytes.clear();
        spans.clear();
        start.clear();
        *facts = Facts::default();
        *progress = Progress::default();
    }
}

impl<S> Head<S> {
    pub(crate) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// The bytes of the first line and everything after.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The spans, once the head is complete (before that, nothing is there for them to point at).
    fn spans(&self) -> &[Span] {
        if self.progress.complete { &self.spans } else { &[] }
    }

    pub(crate) fn line_count(&self) -> usize {
        self.spans().len()
    }

    pub(crate) fn lines(&self) -> impl Iterator<Item = Line<'_>> + Clone {
        self.spans().iter().map(|span| span.line(&self.bytes))
    }

    pub(crate) fn get(&self, field: Field) -> Option<&[u8]> {
        if field != Field::Other && !self.facts.has(field) {
            return None;
        }
        self.spans().iter().find(|span| span.field == field).map(|span| span.value(&self.bytes))
    }

    pub(crate) fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> + Clone {
        let name = name.as_bytes();
        self.spans().iter().filter(move |span| span.name(&self.bytes).eq_ignore_ascii_case(name)).map(|span| span.value(&self.bytes))
    }

    #[inline]
    pub(crate) fn connection_names(&self, name: &[u8]) -> bool {
        self.facts.has(Field::Connection) && if self.facts.options.other { self.connection_lists(name) } else { self.facts.options.names(name) }
    }

    fn connection_lists(&self, name: &[u8]) -> bool {
        self.spans()
            .iter()
            .filter(|span| span.field == Field::Connection)
            .flat_map(|span| list(span.value(&self.bytes)))
            .any(|option| option.eq_ignore_ascii_case(name))
    }
}

impl Facts {
    /// Whether a line of this field was seen. Not for [`Field::Other`].
    pub(crate) fn has(&self, field: Field) -> bool {
        self.present & field.bit() != 0
    }

    /// Whether the connection may carry another message after this one (RFC 9112 §9.3).
    pub(crate) fn keep_alive(&self, version: Version) -> bool {
        match version {
            Version::Http11 => !self.options.close,
            Version::Http10 => self.options.keep_alive && !self.options.close,
        }
    }
}

impl ConnectionOptions {
    fn add(&mut self, value: &[u8]) {
        // Nearly always there is only one.
        if self.add_known(value) {
            return;
        }
        for option in list(value) {
            self.other |= !self.add_known(option);
        }
    }

    fn add_known(&mut self, option: &[u8]) -> bool {
        match option.len() {
            5 if begins_with(option, b"close") => self.close = true,
            7 if begins_with(option, b"upgrade") => self.upgrade = true,
            10 if begins_with(option, b"keep-alive") => self.keep_alive = true,
            _ => return false,
        }
        true
    }

    fn names(&self, name: &[u8]) -> bool {
        match name.len() {
            5 => self.close && name.eq_ignore_ascii_case(b"close"),
            7 => self.upgrade && name.eq_ignore_ascii_case(b"upgrade"),
            10 => self.keep_alive && name.eq_ignore_ascii_case(b"keep-alive"),
            _ => false,
        }
    }
}

/// Whether a line ends here, where `rest` is empty or begins with a control character; `false` if that can't be said yet.
///
/// A line ends at its first control character, which must be the CR of a CR LF. Whatever else that character is, it has no place in a head and is
/// the error.
#[inline(always)]
fn at_line_end(rest: &[u8]) -> Result<bool, u8> {
    match rest {
        [b'\r', b'\n', ..] => Ok(true),
        [] | [b'\r'] => Ok(false),
        [control, ..] => Err(*control),
    }
}

/// The elements of a comma-separated list; empty ones are skipped (RFC 9110 §5.6.1).
fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii).filter(|element| !element.is_empty())
}

/// `chunked`, alone, is the one coding understood. RFC 9112 §6.1 and §6.3 tell two kinds of others apart: another
/// coding before a final `chunked` is well framed but not implemented; anything else has no known end.
fn check_transfer_encoding(value: &[u8]) -> Result<(), HeadError> {
    if value.len() == 7 && begins_with(value, b"chunked") {
        return Ok(());
    }
    let mut codings = value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii).rev();
    let ends_in_chunked = codings.next().is_some_and(|last| last.eq_ignore_ascii_case(b"chunked"));
    let mut rest = codings.peekable();
    if ends_in_chunked && rest.peek().is_some() && rest.all(|coding| is_token(coding) && !coding.eq_ignore_ascii_case(b"chunked")) {
        Err(HeadError::UnsupportedTransferCoding)
    } else {
        Err(HeadError::InvalidTransferEncoding)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A first line that may be anything.
    #[derive(Default)]
    struct AnyLine;

    impl StartLine for AnyLine {
        const INVALID: HeadError = HeadError::RequestLine;
        const SKIPS_EMPTY_LINE: bool = true;

        fn parse(&mut self, _: &[u8]) -> Result<(), HeadError> {
            Ok(())
        }

        fn clear(&mut self) {}

        fn version(&self) -> Version {
            Version::Http11
        }

        fn check_field(&self, _: Field, _: &[u8], _: bool) -> Result<(), HeadError> {
            Ok(())
        }

        fn check_end(&self, _: &Facts) -> Result<(), HeadError> {
            Ok(())
        }
    }

    #[test]
    fn a_slow_sender_is_read_once() {
        let input = b"x\r\nName: a value that comes in slowly\r\n\r\n";
        let mut head = Head::<AnyLine>::default();
        for end in 0..input.len() {
            assert_eq!(head.parse(&input[..end], &HeadLimits::default()), Ok(None));
            // All but a CR that may be the beginning of a line end.
            let scanned = head.progress.scanned;
            assert!(scanned == end || (scanned + 1 == end && input[scanned] == b'\r'), "{scanned} of {end}");
        }
        assert_eq!(head.parse(input, &HeadLimits::default()), Ok(Some(input.len())));
    }

    #[test]
    fn the_next_message_needs_no_new_memory() {
        let input = b"\r\nfirst\r\nA: b\r\nConnection: close\r\nContent-Length: 5\r\n\r\n";
        let mut head = Head::<AnyLine>::default();
        assert_eq!(head.parse(input, &HeadLimits::default()), Ok(Some(input.len())));
        let memory = |head: &Head<AnyLine>| (head.bytes.as_ptr(), head.bytes.capacity(), head.spans.as_ptr(), head.spans.capacity());
        let before = memory(&head);

        let input = b"second\r\nA: b\r\n\r\n";
        assert_eq!(head.parse(input, &HeadLimits::default()), Ok(Some(input.len())));
        assert_eq!(memory(&head), before);
        assert_eq!((head.bytes(), head.line_count()), (&input[..], 1));
        assert!(head.facts.content_length.is_none() && !head.facts.options.close, "nothing is left of the first");
    }

    #[test]
    fn an_error_leaves_nothing_behind() {
        let mut head = Head::<AnyLine>::default();
        assert_eq!(head.parse(b"x\r\nA: b\r\nContent-Length: x\r\n\r\n", &HeadLimits::default()), Err(HeadError::InvalidContentLength));
        assert_eq!((head.line_count(), head.progress.scanned), (0, 0));
        assert_eq!(head.parse(b"x\r\n\r\n", &HeadLimits::default()), Ok(Some(5)));
        assert_eq!(head.line_count(), 0);
    }

    #[test]
    fn what_every_line_is_looked_up_in_is_small() {
        let parse = |values: &[usize]| {
            let lines: String = values.iter().map(|&len| format!("Connection:  {} \r\n", "x".repeat(len))).collect();
            Head::<AnyLine>::default().parse(format!("x\r\n{lines}\r\n").as_bytes(), &HeadLimits::default()).err()
        };
        assert_eq!(parse(&[MAX_CONNECTION_BYTES]), None);
        assert_eq!(parse(&[MAX_CONNECTION_BYTES + 1]), Some(HeadError::ConnectionTooLarge));
        assert_eq!(parse(&[MAX_CONNECTION_BYTES - 5, 5]), None);
        assert_eq!(parse(&[MAX_CONNECTION_BYTES - 5, 5, 0, 1]), Some(HeadError::ConnectionTooLarge));
    }

    #[test]
    fn less_input_than_before_starts_over() {
        let mut head = Head::<AnyLine>::default();
        assert_eq!(head.parse(b"x\r\nLong: line", &HeadLimits::default()), Ok(None));
        assert_eq!(head.parse(b"y\r\n\r\n", &HeadLimits::default()), Ok(Some(5)));
        assert_eq!(head.line_count(), 0);
    }
}
