//! Reading JSON as Go's `encoding/json` does into an `interface {}`: numbers are floats, and errors are its own.

use std::collections::BTreeMap;

use crate::error::Failure;
use crate::limits::MAX_NESTING;
use crate::quote::{decode_rune, push_rune, quote};
use crate::value::{Str, Value};

type Result<T> = std::result::Result<T, Failure>;

/// Reads a text.
pub(crate) fn parse(text: &[u8]) -> Result<Value> {
    let mut reader = Reader { text, at: 0 };
    let mut open: Vec<Open> = Vec::new();
    loop {
        // A value begins here.
        let mut value = match reader.after_space() {
            Some(b'{') => {
                reader.at += 1;
                if reader.after_space() == Some(b'}') {
                    reader.at += 1;
                    Value::map([])
                } else {
                    let key = reader.key()?;
                    open.push(Open::Object(BTreeMap::new(), key));
                    check_depth(&open)?;
                    continue;
                }
            }
            Some(b'[') => {
                reader.at += 1;
                if reader.after_space() == Some(b']') {
                    reader.at += 1;
                    Value::list(Vec::new())
                } else {
                    open.push(Open::Array(Vec::new()));
                    check_depth(&open)?;
                    continue;
                }
            }
            _ => reader.scalar()?,
        };
        // And is over here, and perhaps what it is in.
        loop {
            let next = reader.after_space();
            match open.pop() {
                None if next.is_some() => return Err(reader.invalid("after top-level value")),
                None => return Ok(value),
                Some(Open::Array(mut items)) => {
                    items.push(value);
                    match next {
                        Some(b',') => {
                            reader.at += 1;
                            open.push(Open::Array(items));
                            break;
                        }
                        Some(b']') => value = Value::list(items),
                        _ => return Err(reader.invalid("after array element")),
                    }
                }
                Some(Open::Object(mut entries, key)) => {
                    entries.insert(key, value);
                    match next {
                        Some(b',') => {
                            reader.at += 1;
                            let key = reader.key()?;
                            open.push(Open::Object(entries, key));
                            break;
                        }
                        Some(b'}') => value = Value::map(entries),
                        _ => return Err(reader.invalid("after object key:value pair")),
                    }
                }
            }
            reader.at += 1;
        }
    }
}

/// What isn't complete: what it has so far, and the key of the value that is being read.
enum Open {
    Array(Vec<Value>),
    Object(BTreeMap<Str, Value>, Str),
}

fn check_depth(open: &[Open]) -> Result<()> {
    if open.len() > MAX_NESTING { Err(Failure::Limit(format!("the JSON is nested more than {MAX_NESTING} levels deep"))) } else { Ok(()) }
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn after_space(&mut self) -> Option<u8> {
        while let Some(b' ' | b'\t' | b'\r' | b'\n') = self.peek() {
            self.at += 1;
        }
        self.peek()
    }

    /// The byte here is wrong, or the text ends here.
    fn invalid(&self, context: &str) -> Failure {
        // Where the text ends, Go reads a blank, and complains of that where none may be.
        let within = ["in literal", "in numeric", "after decimal", "in exponent", "in \\u", "in string escape"];
        let byte = match self.peek() {
            Some(byte) => byte,
            None if within.iter().any(|place| context.starts_with(place)) => b' ',
            None => return "unexpected end of JSON input".into(),
        };
        let shown = match byte {
            b'\'' => "'\\''".to_owned(),
            b'"' => "'\"'".to_owned(),
            byte => {
                let quoted = quote(char::from(byte).encode_utf8(&mut [0; 4]).as_bytes());
                format!("'{}'", &quoted[1..quoted.len() - 1])
            }
        };
        Failure::Message(format!("invalid character {shown} {context}"))
    }

    /// A key and its colon.
    fn key(&mut self) -> Result<Str> {
        if self.after_space() != Some(b'"') {
            return Err(self.invalid("looking for beginning of object key string"));
        }
        let key = self.string()?;
        if self.after_space() != Some(b':') {
            return Err(self.invalid("after object key"));
        }
        self.at += 1;
        Ok(key)
    }

    fn scalar(&mut self) -> Result<Value> {
        match self.peek() {
            Some(b'"') => self.string().map(Value::String),
            Some(b't') => self.literal("true", Value::Bool(true)),
            Some(b'f') => self.literal("false", Value::Bool(false)),
            Some(b'n') => self.literal("null", Value::Nil),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => Err(self.invalid("looking for beginning of value")),
        }
    }

    fn literal(&mut self, word: &str, value: Value) -> Result<Value> {
        for expected in word.chars() {
            if self.peek() != Some(expected as u8) {
                return Err(self.invalid(&format!("in literal {word} (expecting '{expected}')")));
            }
            self.at += 1;
        }
        Ok(value)
    }

    fn number(&mut self) -> Result<Value> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        match self.peek() {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => self.digits(),
            _ => return Err(self.invalid("in numeric literal")),
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.some_digits("after decimal point in numeric literal")?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.some_digits("in exponent of numeric literal")?;
        }
        let text = std::str::from_utf8(&self.text[start..self.at]).unwrap_or_default();
        match crate::number::parse_float(text) {
            Some(number) => Ok(Value::Float(number)),
            None => Err(Failure::Message(format!("json: cannot unmarshal number {text} into Go value of type float64"))),
        }
    }

    fn digits(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
    }

    fn some_digits(&mut self, context: &str) -> Result<()> {
        if !self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            return Err(self.invalid(context));
        }
        self.digits();
        Ok(())
    }

    /// A string, whose first quotation mark is here.
    fn string(&mut self) -> Result<Str> {
        self.at += 1;
        let mut out = Vec::new();
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(out.into());
                }
                Some(b'\\') => {
                    self.at += 1;
                    self.escape(&mut out)?;
                }
                Some(0x20..) => {
                    let (rune, length) = decode_rune(&self.text[self.at..]);
                    push_rune(&mut out, rune.unwrap_or(char::REPLACEMENT_CHARACTER));
                    self.at += length;
                }
                _ => return Err(self.invalid("in string literal")),
            }
        }
    }

    fn escape(&mut self, out: &mut Vec<u8>) -> Result<()> {
        let byte = match self.peek() {
            Some(byte @ (b'"' | b'\\' | b'/')) => byte,
            Some(b'b') => 8,
            Some(b'f') => 12,
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b't') => b'\t',
            Some(b'u') => {
                self.at += 1;
                let first = self.hex()?;
                let rune = char::from_u32(first).or_else(|| self.low_surrogate(first));
                push_rune(out, rune.unwrap_or(char::REPLACEMENT_CHARACTER));
                return Ok(());
            }
            _ => return Err(self.invalid("in string escape code")),
        };
        self.at += 1;
        out.push(byte);
        Ok(())
    }

    fn hex(&mut self) -> Result<u32> {
        let mut code = 0;
        for _ in 0..4 {
            let digit = self.peek().and_then(|byte| char::from(byte).to_digit(16));
            let Some(digit) = digit else { return Err(self.invalid("in \\u hexadecimal character escape")) };
            code = code << 4 | digit;
            self.at += 1;
        }
        Ok(code)
    }

    /// The rune of a surrogate and the one that follows, if it does.
    fn low_surrogate(&mut self, high: u32) -> Option<char> {
        let digits = self.text.get(self.at..self.at + 6)?.strip_prefix(b"\\u")?;
        let low = u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
        if !(0xd800..0xdc00).contains(&high) || !(0xdc00..0xe000).contains(&low) {
            return None;
        }
        self.at += 6;
        char::from_u32(0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00))
    }
}
