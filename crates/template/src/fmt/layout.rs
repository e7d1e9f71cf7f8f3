//! Numbers and strings with flags, width and precision: Go's `fmt/format.go`.

use crate::float;
use crate::quote::{self, push_rune, rune_count};

pub(super) const LOWER: &[u8; 17] = b"0123456789abcdefx";
pub(super) const UPPER: &[u8; 17] = b"0123456789ABCDEFX";

/// What stands between `%` and the verb.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Flags {
    pub(super) width: Option<usize>,
    pub(super) precision: Option<usize>,
    pub(super) minus: bool,
    pub(super) plus: bool,
    pub(super) sharp: bool,
    pub(super) space: bool,
    pub(super) zero: bool,
    /// `%+v` and `%#v`, where the flags mean something else.
    pub(super) plus_v: bool,
    pub(super) sharp_v: bool,
}

/// Where text goes, up to a number of bytes.
pub(super) struct Sink<'a> {
    pub(super) bytes: &'a mut Vec<u8>,
    /// The most that `bytes` may hold.
    pub(super) limit: usize,
    pub(super) over: bool,
    pub(super) flags: Flags,
}

impl Sink<'_> {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        if bytes.len() > self.limit.saturating_sub(self.bytes.len()) {
            self.over = true;
        } else {
            self.bytes.extend_from_slice(bytes);
        }
    }

    pub(super) fn push_str(&mut self, text: &str) {
        self.push(text.as_bytes());
    }

    fn fill(&mut self, count: usize) {
        if count > self.limit.saturating_sub(self.bytes.len()) {
            self.over = true;
            return;
        }
        let byte = if self.flags.zero && !self.flags.minus { b'0' } else { b' ' };
        self.bytes.resize(self.bytes.len() + count, byte);
    }

    pub(super) fn pad(&mut self, bytes: &[u8]) {
        let width = match self.flags.width {
            None | Some(0) => return self.push(bytes),
            Some(width) => width.saturating_sub(rune_count(bytes)),
        };
        if self.flags.minus {
            self.push(bytes);
            self.fill(width);
        } else {
            self.fill(width);
            self.push(bytes);
        }
    }

    fn pad_with_spaces(&mut self, bytes: &[u8]) {
        let zero = std::mem::replace(&mut self.flags.zero, false);
        self.pad(bytes);
        self.flags.zero = zero;
    }

    pub(super) fn integer(&mut self, value: u64, negative: bool, base: u64, verb: char, digits: &[u8; 17]) {
        let flags = self.flags;
        let mut precision = 0;
        if let Some(wanted) = flags.precision {
            precision = wanted;
            if wanted == 0 && value == 0 {
                let zero = std::mem::replace(&mut self.flags.zero, false);
                self.fill(flags.width.unwrap_or(0));
                self.flags.zero = zero;
                return;
            }
        } else if let (true, false, Some(width)) = (flags.zero, flags.minus, flags.width) {
            precision = width - usize::from(width > 0 && (negative || flags.plus || flags.space));
        }
        if precision > self.limit {
            self.over = true;
            return;
        }
        // Backwards, as the digits come.
        let mut text = Vec::with_capacity(24);
        let mut rest = value;
        loop {
            text.push(digits[(rest % base) as usize]);
            rest /= base;
            if rest == 0 {
                break;
            }
        }
        if precision > text.len() {
            text.resize(precision, b'0');
        }
        if flags.sharp {
            match base {
                2 => text.extend_from_slice(b"b0"),
                8 if text.last() != Some(&b'0') => text.push(b'0'),
                16 => text.extend_from_slice(&[digits[16], b'0']),
                _ => {}
            }
        }
        if verb == 'O' {
            text.extend_from_slice(b"o0");
        }
        if negative {
            text.push(b'-');
        } else if flags.plus {
            text.push(b'+');
        } else if flags.space {
            text.push(b' ');
        }
        text.reverse();
        self.pad_with_spaces(&text);
    }

    pub(super) fn unicode(&mut self, value: u64) {
        let precision = self.flags.precision.unwrap_or(4).max(4);
        if precision > self.limit {
            self.over = true;
            return;
        }
        let digits = format!("{value:X}");
        let mut text = format!("U+{}{digits}", "0".repeat(precision.saturating_sub(digits.len())));
        if let (true, Some(rune)) = (self.flags.sharp, rune(value).filter(|&rune| quote::is_print(rune))) {
            text.push_str(&format!(" '{rune}'"));
        }
        self.pad_with_spaces(text.as_bytes());
    }

    pub(super) fn character(&mut self, value: u64) {
        let mut text = Vec::new();
        push_rune(&mut text, rune(value).unwrap_or(char::REPLACEMENT_CHARACTER));
        self.pad(&text);
    }

    pub(super) fn quoted_character(&mut self, value: u64) {
        let mut text = b"'".to_vec();
        quote::escape_rune(&mut text, rune(value).unwrap_or(char::REPLACEMENT_CHARACTER), '\'', self.flags.plus);
        text.push(b'\'');
        self.pad(&text);
    }

    pub(super) fn string(&mut self, text: &[u8]) {
        let text = self.truncate(text);
        self.pad(text);
    }

    fn truncate<'t>(&self, text: &'t [u8]) -> &'t [u8] {
        let Some(precision) = self.flags.precision else { return text };
        let mut end = 0;
        for _ in 0..precision {
            if end == text.len() {
                break;
            }
            end += quote::decode_rune(&text[end..]).1;
        }
        &text[..end]
    }

    pub(super) fn quoted(&mut self, text: &[u8]) {
        let text = self.truncate(text);
        if text.len() > self.limit {
            self.over = true;
            return;
        }
        let mut out = Vec::with_capacity(text.len() + 2);
        if self.flags.sharp && can_backquote(text) {
            out.push(b'`');
            out.extend_from_slice(text);
            out.push(b'`');
        } else {
            quote::quote_with(&mut out, text, '"', self.flags.plus);
        }
        self.pad(&out);
    }

    pub(super) fn hex(&mut self, text: &[u8], digits: &[u8; 17]) {
        let flags = self.flags;
        let length = flags.precision.map_or(text.len(), |precision| precision.min(text.len()));
        if length == 0 {
            return self.fill(flags.width.unwrap_or(0));
        }
        let mut width = 2 * length;
        if flags.space {
            width = width * if flags.sharp { 2 } else { 1 } + length - 1;
        } else if flags.sharp {
            width += 2;
        }
        let padding = flags.width.unwrap_or(0).saturating_sub(width);
        if !flags.minus {
            self.fill(padding);
        }
        if width > self.limit.saturating_sub(self.bytes.len()) {
            self.over = true;
            return;
        }
        for (index, &byte) in text[..length].iter().enumerate() {
            if flags.space && index > 0 {
                self.bytes.push(b' ');
            }
            if flags.sharp && (index == 0 || flags.space) {
                self.bytes.extend_from_slice(&[b'0', digits[16]]);
            }
            self.bytes.extend_from_slice(&[digits[usize::from(byte >> 4)], digits[usize::from(byte & 15)]]);
        }
        if flags.minus {
            self.fill(padding);
        }
    }

    pub(super) fn float(&mut self, value: f64, verb: u8, precision: Option<usize>) {
        let flags = self.flags;
        let precision = flags.precision.or(precision);
        if precision.is_some_and(|precision| precision > self.limit) {
            self.over = true;
            return;
        }
        let mut text = float::format_float(value, verb, precision);
        if !matches!(text[0], b'-' | b'+') {
            text.insert(0, b'+');
        }
        if flags.space && text[0] == b'+' && !flags.plus {
            text[0] = b' ';
        }
        if matches!(text[1], b'I' | b'N') {
            let from = usize::from(text[1] == b'N' && !flags.space && !flags.plus);
            return self.pad_with_spaces(&text[from..]);
        }
        if flags.sharp && verb != b'b' {
            keep_point(&mut text, verb, precision);
        }
        if flags.plus || text[0] != b'+' {
            if flags.zero && !flags.minus && flags.width.is_some_and(|width| width > text.len()) {
                self.push(&text[..1]);
                self.fill(flags.width.unwrap_or(0) - text.len());
                return self.push(&text[1..]);
            }
            return self.pad(&text);
        }
        self.pad(&text[1..]);
    }
}

fn rune(value: u64) -> Option<char> {
    u32::try_from(value).ok().and_then(char::from_u32)
}

/// `strconv.CanBackquote`.
fn can_backquote(text: &[u8]) -> bool {
    std::str::from_utf8(text).is_ok_and(|text| !text.chars().any(|rune| rune == '\u{feff}' || rune < ' ' && rune != '\t' || rune == '`' || rune == '\x7f'))
}

/// `%#g` and the like keep the point, and zeros after it.
fn keep_point(text: &mut Vec<u8>, verb: u8, precision: Option<usize>) {
    let mut digits = match verb {
        b'g' | b'G' | b'x' => precision.map_or(6, |precision| precision as i64),
        _ => 0,
    };
    let mut point = false;
    let mut nonzero = false;
    let mut tail = Vec::new();
    let mut index = 1;
    while index < text.len() {
        match text[index] {
            b'.' => point = true,
            b'p' | b'P' => tail = text.split_off(index),
            b'e' | b'E' if !matches!(verb, b'x' | b'X') => tail = text.split_off(index),
            digit => {
                nonzero |= digit != b'0';
                digits -= i64::from(nonzero);
            }
        }
        index += 1;
    }
    if !point {
        if text.len() == 2 && text[1] == b'0' {
            digits -= 1;
        }
        text.push(b'.');
    }
    text.extend(std::iter::repeat_n(b'0', digits.max(0) as usize));
    text.append(&mut tail);
}
