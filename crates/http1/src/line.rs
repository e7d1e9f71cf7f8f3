//! One field line, and the grammar of it.

use std::fmt;
use std::str;

use crate::error::HeadError;
use crate::field::Field;
use crate::grammar::token_prefix;

/// One field line of a head or of trailers. Only the parser makes these, so none holds a line break or a NUL. `Debug`
/// shows no value: it may be a credential.
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Line<'a> {
    /// What the name means.
    pub field: Field,
    name: &'a [u8],
    /// The value, without the blanks around it. May have bytes above 0x7f.
    pub value: &'a [u8],
    /// The whole line with its CR LF, as sent.
    pub raw: &'a [u8],
}

impl<'a> Line<'a> {
    /// The name, as sent.
    pub fn name(&self) -> &'a str {
        // A name is a token, which is ASCII.
        str::from_utf8(self.name).unwrap_or_default()
    }

    /// The name, as sent: a token, which is ASCII.
    pub fn name_bytes(&self) -> &'a [u8] {
        self.name
    }

    /// Whether the name is `name`, without regard to case.
    pub fn is_named(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }
}

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
    /// Reads `line`, which has lost its CR LF, has no control characters but HTAB, and begins at `offset` of the buffer.
    /// Also returns its value.
    #[inline(always)]
    pub(crate) fn parse(line: &[u8], offset: usize) -> Result<(Self, &[u8]), HeadError> {
        let (name_len, odd) = token_prefix(line);
        if name_len == 0 || line.get(name_len) != Some(&b':') {
            return Err(name_error(line, name_len));
        }
        let mut rest = &line[name_len + 1..];
        if let [b' ', tail @ ..] = rest {
            rest = tail;
        }
        let mut value = rest;
        if let [b' ' | b'\t', ..] | [.., b' ' | b'\t'] = rest {
            // Nothing but SP and HTAB is left for these to trim.
            rest = rest.trim_ascii_start();
            value = rest.trim_ascii_end();
        }
        let name_end = offset + name_len;
        let value_start = offset + line.len() - rest.len();
        let span = Self {
            start: offset as u32,
            name_end: name_end as u32,
            value_start: value_start as u32,
            value_end: (value_start + value.len()) as u32,
            end: (offset + line.len() + 2) as u32,
            field: Field::of_token(&line[..name_len], odd),
        };
        Ok((span, value))
    }

    /// The value, in the buffer that this span is about.
    pub(crate) fn value<'a>(&self, buffer: &'a [u8]) -> &'a [u8] {
        buffer.get(self.value_start as usize..self.value_end as usize).unwrap_or_default()
    }

    /// The name, in the buffer that this span is about.
    pub(crate) fn name<'a>(&self, buffer: &'a [u8]) -> &'a [u8] {
        buffer.get(self.start as usize..self.name_end as usize).unwrap_or_default()
    }

    /// The line, in the buffer that this span is about.
    pub(crate) fn line<'a>(&self, buffer: &'a [u8]) -> Line<'a> {
        Line {
            field: self.field,
            name: self.name(buffer),
            value: self.value(buffer),
            raw: buffer.get(self.start as usize..self.end as usize).unwrap_or_default(),
        }
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
