//! JSON: Go's `encoding/json`.

use std::sync::Arc;

use crate::error::Failure;
use crate::float::append_float;
use crate::function::{Args, Env, Function, Param};
use crate::json;
use crate::limits::{MAX_VALUE_DEPTH, too_deep};
use crate::quote::{decode_rune, push_rune};
use crate::value::{List, Map, Struct, Value};

type Result<T = Value> = std::result::Result<T, Failure>;

const ANY: &[Param] = &[Param::Any];
const STRING: &[Param] = &[Param::String];

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new("toJson", ANY, |env, args| lenient(encode(env, args, Style::Plain))),
    Function::new("mustToJson", ANY, |env, args| encode(env, args, Style::Plain)),
    Function::new("toPrettyJson", ANY, |env, args| lenient(encode(env, args, Style::Pretty))),
    Function::new("mustToPrettyJson", ANY, |env, args| encode(env, args, Style::Pretty)),
    Function::new("toRawJson", ANY, |env, args| encode(env, args, Style::Raw)),
    Function::new("mustToRawJson", ANY, |env, args| encode(env, args, Style::Raw)),
    Function::new("fromJson", STRING, |env, args| match decode(env, args) {
        Err(Failure::Message(_)) => Ok(Value::Nil),
        other => other,
    }),
    Function::new("mustFromJson", STRING, decode),
];

fn decode(env: &mut Env, args: Args<'_>) -> Result {
    let text = args.string(0);
    // A value of two bytes takes this much.
    env.meter.allocate(text.len().saturating_mul(size_of::<Value>() / 2))?;
    json::parse(text)
}

/// Errors make for an empty string, as with a dropped error in Go.
fn lenient(result: Result) -> Result {
    match result {
        Err(Failure::Message(_)) => Ok(Value::string("")),
        other => other,
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    Plain,
    Pretty,
    /// `<`, `>` and `&` as they are.
    Raw,
}

fn encode(env: &mut Env, args: Args<'_>, style: Style) -> Result {
    let values_room = env.meter.steps_left() / STEPS_A_VALUE + 1;
    let mut encoder = Encoder { out: Vec::new(), style, room: env.meter.room(), values_room };
    encoder.value(args.value(0), 0)?;
    env.meter.steps((values_room - encoder.values_room).saturating_mul(STEPS_A_VALUE))?;
    if encoder.out.len() > encoder.room {
        return Err(env.meter.out_of_memory());
    }
    env.string(encoder.out)
}

struct Encoder {
    out: Vec<u8>,
    style: Style,
    room: usize,
    /// Values that may still be looked at: a small one may be in many places.
    values_room: u64,
}

/// As much as a call.
const STEPS_A_VALUE: u64 = 4;

impl Encoder {
    fn value(&mut self, value: &Value, depth: usize) -> Result<()> {
        if depth > MAX_VALUE_DEPTH {
            return Err(too_deep());
        }
        if self.out.len() > self.room || self.values_room == 0 {
            return Ok(());
        }
        self.values_room -= 1;
        match value {
            Value::List(list) => self.list(list, depth),
            Value::Map(map) => self.map(map, depth),
            Value::Struct(object) | Value::Pointer(object) => self.object(object, depth),
            scalar => self.scalar(scalar),
        }
    }

    fn list(&mut self, list: &List, depth: usize) -> Result<()> {
        if list.items().is_empty() {
            self.out.extend_from_slice(b"[]");
            return Ok(());
        }
        for (index, item) in list.items().iter().enumerate() {
            self.out.push(if index == 0 { b'[' } else { b',' });
            self.line(depth + 1);
            self.value(item, depth + 1)?;
        }
        self.line(depth);
        self.out.push(b']');
        Ok(())
    }

    fn map(&mut self, map: &Map, depth: usize) -> Result<()> {
        let mut first = true;
        self.out.push(b'{');
        for (key, item) in map.entries() {
            self.key(&key, &mut first, depth);
            self.value(&item, depth + 1)?;
        }
        self.end(first, depth);
        Ok(())
    }

    fn object(&mut self, object: &Arc<Struct>, depth: usize) -> Result<()> {
        let mut first = true;
        self.out.push(b'{');
        self.fields(object, &mut first, depth)?;
        self.end(first, depth);
        Ok(())
    }

    fn fields(&mut self, object: &Struct, first: &mut bool, depth: usize) -> Result<()> {
        for (field, value) in object.kind().fields().iter().zip(object.fields()) {
            match value {
                Value::Struct(inner) | Value::Pointer(inner) if field.embedded => self.fields(inner, first, depth)?,
                _ => {
                    self.key(field.name.as_bytes(), first, depth);
                    self.value(value, depth + 1)?;
                }
            }
        }
        Ok(())
    }

    fn key(&mut self, key: &[u8], first: &mut bool, depth: usize) {
        if !std::mem::replace(first, false) {
            self.out.push(b',');
        }
        self.line(depth + 1);
        self.string(key);
        self.out.extend_from_slice(if self.style == Style::Pretty { b": " } else { b":" });
    }

    fn end(&mut self, empty: bool, depth: usize) {
        if !empty {
            self.line(depth);
        }
        self.out.push(b'}');
    }

    fn line(&mut self, depth: usize) {
        if self.style == Style::Pretty {
            self.out.push(b'\n');
            self.out.resize(self.out.len() + 2 * depth, b' ');
        }
    }

    fn scalar(&mut self, value: &Value) -> Result<()> {
        match value {
            Value::Nil | Value::Null(_) => self.out.extend_from_slice(b"null"),
            Value::Bool(truth) => self.out.extend_from_slice(if *truth { b"true" } else { b"false" }),
            Value::Int(_, number) => self.out.extend_from_slice(number.to_string().as_bytes()),
            Value::Uint(_, number) => self.out.extend_from_slice(number.to_string().as_bytes()),
            Value::Float(number) => self.float(*number)?,
            Value::String(text) => self.string(text),
            Value::Bytes(bytes) => self.string(super::encoding::base64(bytes).as_bytes()),
            Value::Time(time) => {
                let text = time.format(b"2006-01-02T15:04:05.999999999Z07:00");
                self.string(&text);
            }
            Value::Version(version) => self.string(version.to_string().as_bytes()),
            other => return Err(Failure::Message(format!("json: unsupported type: {}", other.type_of()))),
        }
        Ok(())
    }

    /// As ES6 writes numbers.
    fn float(&mut self, number: f64) -> Result<()> {
        if !number.is_finite() {
            let mut shown = Vec::new();
            append_float(&mut shown, number, b'g', None);
            return Err(Failure::Message(format!("json: unsupported value: {}", crate::quote::lossy(&shown))));
        }
        let magnitude = number.abs();
        if magnitude != 0.0 && !(1e-6..1e21).contains(&magnitude) {
            append_float(&mut self.out, number, b'e', None);
            // e-09 is e-9.
            if let [.., b'e', b'-', b'0', digit] = self.out[..] {
                let length = self.out.len();
                self.out.truncate(length - 2);
                self.out.push(digit);
            }
        } else {
            append_float(&mut self.out, number, b'f', None);
        }
        Ok(())
    }

    fn string(&mut self, text: &[u8]) {
        self.out.push(b'"');
        let mut rest = text;
        while !rest.is_empty() {
            let (rune, length) = decode_rune(rest);
            match rune {
                Some('"') => self.out.extend_from_slice(b"\\\""),
                Some('\\') => self.out.extend_from_slice(b"\\\\"),
                Some('\n') => self.out.extend_from_slice(b"\\n"),
                Some('\r') => self.out.extend_from_slice(b"\\r"),
                Some('\t') => self.out.extend_from_slice(b"\\t"),
                Some('\x08') => self.out.extend_from_slice(b"\\b"),
                Some('\x0c') => self.out.extend_from_slice(b"\\f"),
                Some(rune @ ('\0'..'\x20' | '\u{2028}' | '\u{2029}')) => self.escape(rune),
                Some(rune @ ('<' | '>' | '&')) if self.style != Style::Raw => self.escape(rune),
                Some(rune) => push_rune(&mut self.out, rune),
                None => self.out.extend_from_slice(b"\\ufffd"),
            }
            rest = &rest[length..];
        }
        self.out.push(b'"');
    }

    fn escape(&mut self, rune: char) {
        self.out.extend_from_slice(format!("\\u{:04x}", u32::from(rune)).as_bytes());
    }
}
