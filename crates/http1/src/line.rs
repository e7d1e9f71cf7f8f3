//! One field line, and the grammar of it.

use std::ops::Range;
use std::{fmt, str};

use crate::error::HeadError;
use crate::field::Field;
use crate::grammar::{letters_prefix, token_prefix, visible_prefix};

/// One field line of a head or of trailers. Only the parser makes these, so none holds a line break or a NUL. `Debug`
/// shows no value: it may be a credential.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Line<'a> {
    /// What the name means.
    pub field: Field,
    name: &'a [u8],
    /// The value, without the blanks around it. May have bytes above 0x7f.
    pub value: &'a [u8],
    /// The whole line with its CR LF, as sent.
    pub raw: &'a [u8],
    /// What `raw` is a part of, and where it is there.
    source: &'a [u8],
    start: u32,
}

impl<'a> Line<'a> {
    /// The name, as sent.
    pub fn name(&self) -> &'a str {
        // A name is a token, which is ASCII.
        str::from_utf8(self.name).unwrap_or_default()
    }

    /// The name, as sent: a token, which is ASCII.
    #[inline]
    pub fn name_bytes(&self) -> &'a [u8] {
        self.name
    }

    /// The bytes that the line is a part of, and where it is in them.
    #[inline]
    pub(crate) fn place(&self) -> (&'a [u8], Range<usize>) {
        let start = self.start as usize;
        (self.source, start..start + self.raw.len())
    }

    /// Whether the name is `name`, without regard to case.
    #[inline]
    pub fn is_named(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }
}

/// Lines are equal that say the same in the same bytes, wherever they stand.
impl PartialEq for Line<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.raw == other.raw
    }
}

impl Eq for Line<'_> {}

impl fmt::Debug for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line").field("field", &self.field).field("name", &self.name()).finish_non_exhaustive()
    }
}

/// Where a line is in the buffer that holds it. 32 bits are enough: a head is far smaller than 4 GiB.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    start: u32,
    name_end: u32,
    value_start: u32,
    value_end: u32,
    end: u32,
    pub(crate) field: Field,
}

impl Span {
    /// The line that begins at `start` of the buffer.
    #[inline(always)]
    pub(crate) fn of_simple(line: Simple, start: usize) -> Self {
        let name_end = start + line.name_len;
        let value_end = name_end + 2 + line.value_len;
        Self::new(start, name_end, name_end + 2, value_end, value_end + 2, line.field)
    }

    /// Reads the line that is all of `line`, has lost its CR LF, has no control characters but HTAB, and is at `start` of the buffer.
    pub(crate) fn parse(line: &[u8], start: usize) -> Result<Self, HeadError> {
        let (name_len, odd) = token_prefix(line);
        let (name, rest) = line.split_at(name_len);
        let [b':', padded @ ..] = rest else { return Err(name_error(line, name_len)) };
        if name.is_empty() {
            return Err(name_error(line, name_len));
        }
        // Nothing but SP and HTAB is left for these to trim.
        let padded_end = padded.trim_ascii_start();
        let end = start + line.len();
        let value_start = end - padded_end.len();
        let value_end = value_start + padded_end.trim_ascii_end().len();
        Ok(Self::new(start, start + name_len, value_start, value_end, end + 2, Field::of_token(name, odd)))
    }

    #[inline(always)]
    fn new(start: usize, name_end: usize, value_start: usize, value_end: usize, end: usize, field: Field) -> Self {
        Self { start: start as u32, name_end: name_end as u32, value_start: value_start as u32, value_end: value_end as u32, end: end as u32, field }
    }

    /// The value, in the buffer that this span is about.
    #[inline]
    pub(crate) fn value<'a>(&self, buffer: &'a [u8]) -> &'a [u8] {
        buffer.get(self.value_start as usize..self.value_end as usize).unwrap_or_default()
    }

    /// The name, in the buffer that this span is about.
    #[inline]
    pub(crate) fn name<'a>(&self, buffer: &'a [u8]) -> &'a [u8] {
        buffer.get(self.start as usize..self.name_end as usize).unwrap_or_default()
    }

    /// The line, in the buffer that this span is about.
    #[inline]
    pub(crate) fn line<'a>(&self, buffer: &'a [u8]) -> Line<'a> {
        Line {
            field: self.field,
            name: self.name(buffer),
            value: self.value(buffer),
            raw: buffer.get(self.start as usize..self.end as usize).unwrap_or_default(),
            source: buffer,
            start: self.start,
        }
    }
}

/// A line as simple as nearly all are: a name of letters and `-`, a colon, SP, a value that has nothing but visible ASCII and SP between, and CR LF.
pub(crate) struct Simple {
    name_len: usize,
    value_len: usize,
    pub(crate) field: Field,
}

impl Simple {
    /// Reads the line at the beginning of `input`, if it is complete and simple. If `None`, there may be a line all the same, for [`Span::parse`].
    #[inline(always)]
    pub(crate) fn parse(input: &[u8]) -> Option<Self> {
        let (name, [b':', b' ', padded @ ..]) = input.split_at_checked(letters_prefix(input))? else { return None };
        let (value @ [first, ..], rest) = padded.split_at_checked(visible_prefix(padded))? else { return None };
        if name.is_empty() || *first == b' ' || rest.first_chunk() != Some(b"\r\n") || value.last() == Some(&b' ') {
            return None;
        }
        Some(Self { name_len: name.len(), value_len: value.len(), field: Field::of_plain(name) })
    }

    /// The length of the line with its CR LF.
    #[inline(always)]
    pub(crate) fn len(&self) -> usize {
        self.name_len + self.value_len + 4
    }
}

/// Why a line doesn't begin with a token and a colon.
#[cold]
fn name_error(line: &[u8], name_len: usize) -> HeadError {
    match line.get(name_len) {
        Some(b' ' | b'\t') if name_len == 0 => HeadError::Fold,
        Some(b' ' | b'\t') if line[name_len..].trim_ascii_start().first() == Some(&b':') => HeadError::BlankBeforeColon,
        _ => HeadError::FieldName,
    }
}

/// The error for a control character in a field line, `before` being the part of the line before it.
#[cold]
pub(crate) fn control_error(before: &[u8], control: u8) -> HeadError {
    match control {
        b'\n' => HeadError::BareLf,
        b'\r' => HeadError::BareCr,
        _ if before.contains(&b':') => HeadError::FieldValue,
        _ => HeadError::FieldName,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grammar::text_prefix;

    /// The quick reader accepts less than the careful one, and reads what it accepts in the same way.
    #[test]
    fn a_simple_line_reads_as_any_line_does() {
        let names = ["Host", "content-length", "X-Forwarded-For", "X-Forwarded-Server", "Proxy-Authentication-Infos", "accept", "", "X_Y", "A1", "A B", "-"];
        let values = ["a", " a", "a ", "", " ", "\t", "a\tb", "a b", "\u{e9}", "~", "a\rb", "a:b"];
        let mut accepted = 0;
        for (name, value) in names.into_iter().flat_map(|name| values.map(|value| (name, value))) {
            for (between, end) in [(": ", "\r\n"), (":", "\r\n"), (":  ", "\r\n"), (" : ", "\r\n"), (": ", "\n"), (": ", "\r"), (": ", "")] {
                for after in ["", "\r\n", "Other: 1\r\n\r\nand a body of more than sixteen bytes"] {
                    let input = format!("{name}{between}{value}{end}{after}");
                    let Some(simple) = Simple::parse(input.as_bytes()) else { continue };
                    let (line, _) = input.split_once("\r\n").unwrap();
                    assert_eq!(text_prefix(line.as_bytes()), line.len(), "{input:?}");
                    let (simple, any) = (Span::of_simple(simple, 0), Span::parse(line.as_bytes(), 0).unwrap());
                    assert_eq!(simple.line(input.as_bytes()), any.line(input.as_bytes()), "{input:?}");
                    let parts = |span: Span| (span.start, span.name_end, span.value_start, span.value_end, span.end, span.field);
                    assert_eq!(parts(simple), parts(any), "{input:?}");
                    accepted += 1;
                }
            }
        }
        assert!(accepted > 30, "{accepted}");
    }
}
