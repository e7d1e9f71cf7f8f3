//! Bodies: where they end, and chunks.

use std::fmt;

use memchr::memchr;

use crate::error::{BodyError, HeadError};
use crate::field::Field;
use crate::grammar::{is_field_value, is_token_byte, text_prefix};
use crate::head::HeadLimits;
use crate::line::{Line, Span, control_error};
use crate::response::ResponseFraming;

/// The most bytes of chunk extensions in one body. Nobody uses them, and they would let a sender keep us busy without
/// ever sending a byte of the body.
pub const MAX_EXTENSION_BYTES: u32 = 16 * 1024;

/// How large the trailers of one body may be.
pub const TRAILER_LIMITS: HeadLimits = HeadLimits { max_bytes: 16 * 1024, max_lines: 64 };

/// The most hexadecimal digits in a chunk size: those of a `u64`. More could only be leading zeros, or an overflow.
const MAX_SIZE_DIGITS: u8 = 16;

/// Reads one body. Never copies data: it says which part of the input is data.
///
/// Strict where the RFC lets recipients be lenient: no blanks around a chunk size (some parsers take them for the end of
/// it, some don't), every line ends in CR LF, and a trailer may hold no [`Field`] that anything here decides by.
/// Chunk extensions are checked and dropped.
pub struct BodyDecoder {
    state: State,
    extension_bytes: u32,
    trailers: Option<Box<Trailers>>,
}

/// What [`BodyDecoder::decode`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decoded {
    /// `input[skip..skip + len]` is data, `len` > 0; all of `input[..skip + len]` is consumed.
    Data {
        /// Bytes of framing before the data.
        skip: usize,
        /// Bytes of data.
        len: usize,
    },
    /// Everything in the input was framing; the body goes on.
    NeedMore {
        /// Bytes consumed; the whole input.
        consumed: usize,
    },
    /// The body is complete.
    End {
        /// Bytes consumed; the next message begins after them.
        consumed: usize,
    },
}

#[derive(Clone, Copy, Debug)]
enum State {
    Done,
    UntilClose,
    Length(u64),
    /// In a chunk size, `digits` of which were read.
    Size {
        value: u64,
        digits: u8,
    },
    /// After the `;` behind a chunk size.
    ExtensionName {
        size: u64,
    },
    Extension {
        size: u64,
    },
    /// After the CR behind a chunk size or extension.
    SizeLf {
        size: u64,
    },
    /// In chunk data with this much to come, more than 0.
    Data(u64),
    DataCr,
    DataLf,
    /// At the beginning of the trailer section, which is nearly always empty.
    TrailersOrCr,
    FinalLf,
    Trailers,
    Failed(BodyError),
}

impl BodyDecoder {
    /// A decoder for a body framed like this: a [`Framing`](crate::Framing) or a [`ResponseFraming`].
    pub fn new(framing: impl Into<ResponseFraming>) -> Self {
        let state = match framing.into() {
            ResponseFraming::None | ResponseFraming::Length(0) => State::Done,
            ResponseFraming::Length(length) => State::Length(length),
            ResponseFraming::Chunked => State::SIZE,
            ResponseFraming::UntilClose => State::UntilClose,
        };
        Self { state, extension_bytes: 0, trailers: None }
    }

    /// Reads on. `input` is what was received and not yet consumed; consume what the result says and call again, until it
    /// is [`Decoded::End`], or [`Decoded::NeedMore`] and there is nothing more to give.
    ///
    /// # Errors
    ///
    /// See [`BodyError`]; every call after an error returns it again.
    pub fn decode(&mut self, input: &[u8]) -> Result<Decoded, BodyError> {
        let outcome = self.advance(input);
        if let Err(error) = outcome {
            self.state = State::Failed(error);
        }
        outcome
    }

    /// How many bytes of data come next with no framing between them, at least 1, if that is known. For those who can move data without looking at it.
    pub fn data_ahead(&self) -> Option<u64> {
        match self.state {
            State::Length(remaining) | State::Data(remaining) => Some(remaining),
            _ => None,
        }
    }

    /// Tells that `bytes` of what [`data_ahead`](Self::data_ahead) spoke of were moved past the decoder.
    pub fn data_moved(&mut self, bytes: u64) {
        match &mut self.state {
            State::Length(remaining) if *remaining <= bytes => self.state = State::Done,
            State::Data(remaining) if *remaining <= bytes => self.state = State::DataCr,
            State::Length(remaining) | State::Data(remaining) => *remaining -= bytes,
            _ => {}
        }
    }

    /// Whether the body is complete. A body with a length is as soon as its last byte was returned, without another call
    /// of [`decode`](Self::decode).
    pub fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// Tells that the connection ended.
    ///
    /// # Errors
    ///
    /// [`BodyError::Truncated`] unless the body was complete or this is how it ends; or the error that came before.
    pub fn eof(&mut self) -> Result<(), BodyError> {
        let error = match self.state {
            State::Done => return Ok(()),
            State::UntilClose => {
                self.state = State::Done;
                return Ok(());
            }
            State::Failed(error) => error,
            _ => BodyError::Truncated,
        };
        self.state = State::Failed(error);
        Err(error)
    }

    /// The lines of the trailer section; none before the body is complete.
    pub fn trailers(&self) -> impl Iterator<Item = Line<'_>> + Clone {
        self.trailers.iter().filter(|_| self.is_done()).flat_map(|trailers| trailers.lines())
    }

    fn advance(&mut self, input: &[u8]) -> Result<Decoded, BodyError> {
        let mut at = 0;
        loop {
            match &mut self.state {
                State::Done => return Ok(Decoded::End { consumed: at }),
                State::Failed(error) => return Err(*error),
                State::UntilClose if input.is_empty() => return Ok(Decoded::NeedMore { consumed: 0 }),
                State::UntilClose => return Ok(Decoded::Data { skip: 0, len: input.len() }),
                _ if at == input.len() => return Ok(Decoded::NeedMore { consumed: at }),
                State::Length(remaining) => {
                    let len = take(remaining, input.len());
                    if *remaining == 0 {
                        self.state = State::Done;
                    }
                    return Ok(Decoded::Data { skip: 0, len });
                }
                State::Data(remaining) => {
                    let len = take(remaining, input.len() - at);
                    if *remaining == 0 {
                        self.state = State::DataCr;
                    }
                    return Ok(Decoded::Data { skip: at, len });
                }
                State::TrailersOrCr if input[at] != b'\r' => self.state = State::Trailers,
                State::Trailers => {
                    let trailers = self.trailers.get_or_insert_default();
                    let (consumed, complete) = trailers.read(&input[at..])?;
                    at += consumed;
                    if complete {
                        self.state = State::Done;
                    }
                }
                _ => {
                    self.state = self.framing_byte(input[at])?;
                    at += 1;
                }
            }
        }
    }

    /// The state after one byte that is neither data nor of a trailer line.
    fn framing_byte(&mut self, byte: u8) -> Result<State, BodyError> {
        match (self.state, byte) {
            (State::Size { value, digits }, _) if byte.is_ascii_hexdigit() => {
                if digits == MAX_SIZE_DIGITS {
                    return Err(BodyError::ChunkSize);
                }
                Ok(State::Size { value: value << 4 | hex_value(byte), digits: digits + 1 })
            }
            (State::Size { value, digits: 1.. }, b'\r') => Ok(State::SizeLf { size: value }),
            (State::Size { value, digits: 1.. }, b';') => Ok(State::ExtensionName { size: value }),
            (State::Size { .. }, _) => Err(BodyError::ChunkSize),

            (State::ExtensionName { .. }, _) if !is_token_byte(byte) => Err(BodyError::ChunkExtension),
            (State::Extension { size }, b'\r') => Ok(State::SizeLf { size }),
            (State::ExtensionName { size } | State::Extension { size }, _) => {
                if !is_field_value(&[byte]) {
                    return Err(BodyError::ChunkExtension);
                }
                self.extension_bytes += 1;
                if self.extension_bytes > MAX_EXTENSION_BYTES {
                    return Err(BodyError::ExtensionsTooLarge);
                }
                Ok(State::Extension { size })
            }

            (State::SizeLf { size: 0 }, b'\n') => Ok(State::TrailersOrCr),
            (State::SizeLf { size }, b'\n') => Ok(State::Data(size)),
            (State::SizeLf { .. }, _) => Err(BodyError::ChunkSize),

            (State::DataCr, b'\r') => Ok(State::DataLf),
            (State::DataLf, b'\n') => Ok(State::SIZE),
            (State::TrailersOrCr, b'\r') => Ok(State::FinalLf),
            (State::FinalLf, b'\n') => Ok(State::Done),
            _ => Err(BodyError::ChunkEnd),
        }
    }
}

impl fmt::Debug for BodyDecoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BodyDecoder").field("state", &self.state).finish_non_exhaustive()
    }
}

impl State {
    const SIZE: Self = Self::Size { value: 0, digits: 0 };
}

/// As much of `available` as `remaining` allows, which is lowered by it.
fn take(remaining: &mut u64, available: usize) -> usize {
    // Whatever doesn't fit a usize is more than any slice holds.
    let len = usize::try_from(*remaining).map_or(available, |remaining| remaining.min(available));
    *remaining -= len as u64;
    len
}

fn hex_value(digit: u8) -> u64 {
    u64::from(match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => digit - b'A' + 10,
    })
}

/// The trailer section. Made when there is one, which is rare.
#[derive(Default)]
struct Trailers {
    bytes: Vec<u8>,
    spans: Vec<Span>,
    /// Where in `bytes` the line begins whose end is looked for.
    line: usize,
}

impl Trailers {
    /// Reads on. Returns how much of the input was consumed, and whether that was the end.
    fn read(&mut self, input: &[u8]) -> Result<(usize, bool), BodyError> {
        let mut consumed = 0;
        while consumed < input.len() {
            let rest = &input[consumed..];
            let len = memchr(b'\n', rest).map_or(rest.len(), |lf| lf + 1);
            if self.bytes.len() + len > TRAILER_LIMITS.max_bytes {
                return Err(BodyError::TrailersTooLarge);
            }
            self.bytes.extend_from_slice(&rest[..len]);
            consumed += len;
            if rest[len - 1] == b'\n' && self.end_line()? {
                return Ok((consumed, true));
            }
        }
        Ok((consumed, false))
    }

    /// Checks the line that was just completed. Returns whether it was the empty one.
    fn end_line(&mut self) -> Result<bool, BodyError> {
        let line = self.bytes[self.line..].strip_suffix(b"\r\n").ok_or(BodyError::Trailer(HeadError::BareLf))?;
        if line.is_empty() {
            return Ok(true);
        }
        if self.spans.len() == TRAILER_LIMITS.max_lines {
            return Err(BodyError::TrailersTooLarge);
        }
        let text = text_prefix(line);
        if let Some(&control) = line.get(text) {
            return Err(BodyError::Trailer(control_error(&line[..text], control)));
        }
        let span = Span::parse(line, self.line).map_err(BodyError::Trailer)?;
        if span.field != Field::Other {
            return Err(BodyError::TrailerField);
        }
        self.spans.push(span);
        self.line = self.bytes.len();
        Ok(false)
    }

    fn lines(&self) -> impl Iterator<Item = Line<'_>> + Clone {
        self.spans.iter().map(|span| span.line(&self.bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::Framing;

    #[test]
    fn a_body_with_a_length() {
        let mut body = BodyDecoder::new(Framing::Length(5));
        assert_eq!(body.decode(b""), Ok(Decoded::NeedMore { consumed: 0 }));
        assert_eq!(body.decode(b"hel"), Ok(Decoded::Data { skip: 0, len: 3 }));
        assert!(!body.is_done());
        assert_eq!(body.decode(b"lo and more"), Ok(Decoded::Data { skip: 0, len: 2 }));
        assert!(body.is_done());
        assert_eq!(body.decode(b" and more"), Ok(Decoded::End { consumed: 0 }));
        assert_eq!(body.eof(), Ok(()));
    }

    #[test]
    fn no_body() {
        for framing in [Framing::None, Framing::Length(0)] {
            let mut body = BodyDecoder::new(framing);
            assert!(body.is_done());
            assert_eq!(body.decode(b"next"), Ok(Decoded::End { consumed: 0 }));
            assert_eq!(body.eof(), Ok(()));
        }
    }

    #[test]
    fn a_body_that_ends_with_the_connection() {
        let mut body = BodyDecoder::new(ResponseFraming::UntilClose);
        assert_eq!(body.decode(b"hello"), Ok(Decoded::Data { skip: 0, len: 5 }));
        assert_eq!(body.decode(b""), Ok(Decoded::NeedMore { consumed: 0 }));
        assert!(!body.is_done());
        assert_eq!(body.eof(), Ok(()));
        assert!(body.is_done());
    }

    #[test]
    fn chunks_and_trailers() {
        let mut body = BodyDecoder::new(Framing::Chunked);
        assert_eq!(body.decode(b"5;x\r\nhello\r\n0"), Ok(Decoded::Data { skip: 5, len: 5 }));
        assert_eq!(body.decode(b"\r\n0"), Ok(Decoded::NeedMore { consumed: 3 }));
        assert_eq!(body.decode(b"\r\nSum: 1\r\n"), Ok(Decoded::NeedMore { consumed: 10 }));
        assert_eq!(body.trailers().count(), 0, "not before the end");
        assert_eq!(body.decode(b"\r\nGET"), Ok(Decoded::End { consumed: 2 }));
        let trailers: Vec<_> = body.trailers().map(|line| (line.name(), line.value, line.raw)).collect();
        assert_eq!(trailers, [("Sum", &b"1"[..], &b"Sum: 1\r\n"[..])]);
    }

    #[test]
    fn a_body_without_trailers_takes_no_memory() {
        let mut body = BodyDecoder::new(Framing::Chunked);
        assert_eq!(body.decode(b"0\r\n\r\n"), Ok(Decoded::End { consumed: 5 }));
        assert!(body.trailers.is_none());
    }

    #[test]
    fn an_error_stays() {
        let mut body = BodyDecoder::new(Framing::Chunked);
        assert_eq!(body.decode(b"x"), Err(BodyError::ChunkSize));
        assert_eq!(body.decode(b"5\r\n"), Err(BodyError::ChunkSize));
        assert_eq!(body.eof(), Err(BodyError::ChunkSize));
        assert!(!body.is_done());
    }

    #[test]
    fn an_end_too_early_stays() {
        let mut body = BodyDecoder::new(Framing::Length(5));
        assert_eq!(body.eof(), Err(BodyError::Truncated));
        assert_eq!(body.decode(b"hello"), Err(BodyError::Truncated));
    }

    #[test]
    fn p23_debug_shows_no_trailers() {
        let mut body = BodyDecoder::new(Framing::Chunked);
        assert_eq!(body.decode(b"0\r\nX: canary\r\n\r\n"), Ok(Decoded::End { consumed: 16 }));
        assert!(!format!("{body:?}").contains("canary"));
    }
}
