//! The functions of `text/template` itself: Go's `text/template/funcs.go`.

use crate::error::Failure;
use crate::execute::is_true;
use crate::fmt;
use crate::function::{Args, Call, Env, Function, Param};
use crate::quote::{self, lossy};
use crate::types::{Type, UintKind};
use crate::value::{Struct, Value};

type Result<T = Value> = std::result::Result<T, Failure>;

const REFLECT: &[Param] = &[Param::Reflect];
const TWO: &[Param] = &[Param::Reflect, Param::Reflect];
const ANY: &[Param] = &[Param::Any];

/// All but `slice`: sprig has one of the same name.
pub(crate) static FUNCTIONS: &[Function] = &[
    Function::special("and", TWO, Call::And),
    Function::special("or", TWO, Call::Or),
    Function::special("call", TWO, Call::Value),
    Function::new("not", REFLECT, |_, args| Ok(Value::Bool(!is_true(args.value(0))))),
    Function::variadic("index", TWO, index),
    Function::new("len", REFLECT, length),
    Function::variadic("print", ANY, |env, args| text(fmt::sprint(&mut env.meter, &all(args, 0)))),
    Function::variadic("println", ANY, |env, args| text(fmt::sprintln(&mut env.meter, &all(args, 0)))),
    Function::variadic("printf", &[Param::String, Param::Any], |env, args| text(fmt::sprintf(&mut env.meter, args.string(0), &all(args, 1)))),
    Function::variadic("html", ANY, |env, args| escaped(env, args, html)),
    Function::variadic("js", ANY, |env, args| escaped(env, args, js)),
    Function::variadic("urlquery", ANY, |env, args| escaped(env, args, crate::url::escape_query)),
    Function::variadic("eq", TWO, |env, args| equal_to_any(env, args).map(Value::Bool)),
    Function::new("ne", TWO, |env, args| equal_to_any(env, args).map(|equal| Value::Bool(!equal))),
    Function::new("lt", TWO, |_, args| less(args).map(Value::Bool)),
    Function::new("le", TWO, |env, args| less_or_equal(env, args).map(Value::Bool)),
    Function::new("gt", TWO, |env, args| less_or_equal(env, args).map(|truth| Value::Bool(!truth))),
    Function::new("ge", TWO, |_, args| less(args).map(|truth| Value::Bool(!truth))),
];

fn all(args: Args<'_>, from: usize) -> Vec<&Value> {
    args.from(from).collect()
}

fn text(bytes: Result<Vec<u8>>) -> Result {
    bytes.map(Value::string)
}

fn index(_: &mut Env, args: Args<'_>) -> Result {
    let mut item = args.value(0).clone();
    if matches!(item, Value::Nil) {
        return Err("index of untyped nil".into());
    }
    for index in args.from(1) {
        item = match &item {
            Value::Nil | Value::Null(Type::Pointer(_) | Type::Version) => return Err("index of nil pointer".into()),
            Value::List(list) => element(index, list.items().len(), |at| list.items().get(at).cloned())?,
            Value::Bytes(bytes) => element(index, bytes.len(), |at| bytes.get(at).map(|&byte| Value::Uint(UintKind::Uint8, byte.into())))?,
            Value::String(text) => string_element(index, text)?,
            Value::Null(Type::Slice(_) | Type::Bytes) => element(index, 0, |_| None)?,
            Value::Map(map) => map.get(key(index)?).unwrap_or_else(|| map.element().zero()),
            Value::Null(Type::Map(element)) => {
                key(index)?;
                element.zero()
            }
            other => return Err(cannot_index(other)),
        };
    }
    Ok(item)
}

fn cannot_index(value: &Value) -> Failure {
    Failure::Message(format!("can't index item of type {}", pointed_at(value)))
}

/// The type of a value, or of what it points at.
fn pointed_at(value: &Value) -> String {
    let own = value.type_of().to_string();
    own.strip_prefix('*').map(str::to_owned).unwrap_or(own)
}

fn key(index: &Value) -> Result<&[u8]> {
    match index {
        Value::String(key) => Ok(key),
        Value::Nil => Err("value is nil; should be of type string".into()),
        other => Err(Failure::Message(format!("value has type {}; should be string", other.type_of()))),
    }
}

fn position(index: &Value, length: usize) -> Result<usize> {
    let number = match index {
        Value::Int(_, number) => *number,
        Value::Uint(_, number) => *number as i64,
        Value::Nil => return Err("cannot index slice/array with nil".into()),
        other => return Err(Failure::Message(format!("cannot index slice/array with type {}", other.type_of()))),
    };
    usize::try_from(number).ok().filter(|&at| at <= length).ok_or_else(|| Failure::Message(format!("index out of range: {number}")))
}

fn element(index: &Value, length: usize, get: impl Fn(usize) -> Option<Value>) -> Result {
    get(position(index, length)?).ok_or_else(|| "reflect: slice index out of range".into())
}

fn string_element(index: &Value, text: &[u8]) -> Result {
    match text.get(position(index, text.len())?) {
        Some(&byte) => Ok(Value::Uint(UintKind::Uint8, byte.into())),
        None => Err("reflect: string index out of range".into()),
    }
}

fn length(_: &mut Env, args: Args<'_>) -> Result {
    let slot = args.slot(0);
    if slot.is_invalid() {
        return Err("reflect: call of reflect.Value.Type on zero Value".into());
    }
    let length = match &slot.value {
        Value::Nil | Value::Null(Type::Pointer(_) | Type::Version) => return Err("len of nil pointer".into()),
        Value::String(text) | Value::Bytes(text) => text.len(),
        Value::List(list) => list.items().len(),
        Value::Map(map) => map.len(),
        Value::Null(Type::Slice(_) | Type::Map(_) | Type::Bytes) => 0,
        other => return Err(Failure::Message(format!("len of type {}", pointed_at(other)))),
    };
    Ok(Value::int(length as i64))
}

// Comparisons.

#[derive(PartialEq)]
enum Basic<'a> {
    Bool(bool),
    Complex(f64, f64),
    Int(i64),
    Float(f64),
    String(&'a [u8]),
    Uint(u64),
    None,
}

fn basic(value: &Value) -> Basic<'_> {
    match value {
        Value::Bool(truth) => Basic::Bool(*truth),
        Value::Int(_, number) => Basic::Int(*number),
        Value::Uint(_, number) => Basic::Uint(*number),
        Value::Float(number) => Basic::Float(*number),
        Value::Complex(real, imaginary) => Basic::Complex(*real, *imaginary),
        Value::String(text) => Basic::String(text),
        _ => Basic::None,
    }
}

fn equal_to_any(env: &mut Env, args: Args<'_>) -> Result<bool> {
    let first = args.value(0);
    if args.len() < 2 {
        return Err("missing argument for comparison".into());
    }
    for other in args.from(1) {
        let equal = match (basic(first), basic(other)) {
            (Basic::Int(a), Basic::Uint(b)) | (Basic::Uint(b), Basic::Int(a)) => u64::try_from(a) == Ok(b),
            (Basic::None, Basic::None) => equal_values(env, first, other)?,
            (a, b) if std::mem::discriminant(&a) == std::mem::discriminant(&b) => a == b,
            _ if matches!(first, Value::Nil) || matches!(other, Value::Nil) => false,
            _ => return Err(Failure::Message(format!("incompatible types for comparison: {} and {}", first.type_of(), other.type_of()))),
        };
        if equal {
            return Ok(true);
        }
    }
    Ok(false)
}

fn equal_values(env: &mut Env, first: &Value, other: &Value) -> Result<bool> {
    let is_nil = |value: &Value| matches!(value, Value::Nil | Value::Null(_));
    if first.kind_name() != other.kind_name() && !matches!(first, Value::Nil) && !matches!(other, Value::Nil) {
        let (first_text, other_text) = (show(env, first, b"%s")?, show(env, other, b"%v")?);
        return Err(Failure::Message(format!("non-comparable types {first_text}: {}, {}: {other_text}", first.type_of(), other.type_of())));
    }
    if is_nil(first) || is_nil(other) {
        return Ok(is_nil(first) == is_nil(other));
    }
    if !is_comparable(&other.type_of()) {
        return Err(Failure::Message(format!("non-comparable type {}: {}", show(env, other, b"%s")?, other.type_of())));
    }
    Ok(same(first, other))
}

fn show(env: &mut Env, value: &Value, format: &[u8]) -> Result<String> {
    Ok(lossy(&fmt::sprintf(&mut env.meter, format, &[value])?))
}

fn is_comparable(kind: &Type) -> bool {
    match kind {
        Type::Slice(_) | Type::Bytes | Type::Map(_) => false,
        Type::Struct(kind) => kind.fields().iter().all(|field| is_comparable(&field.kind)),
        _ => true,
    }
}

/// Go's `==` of two values of comparable types. Structs can't contain themselves.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Pointer(a), Value::Pointer(b)) => std::sync::Arc::ptr_eq(a, b),
        (Value::Version(a), Value::Version(b)) => std::sync::Arc::ptr_eq(a, b),
        (Value::Struct(a), Value::Struct(b)) => a.kind() == b.kind() && same_fields(a, b),
        (Value::Time(a), Value::Time(b)) => a == b,
        (Value::Nil, Value::Nil) => true,
        (Value::Null(a), Value::Null(b)) => a == b,
        (a, b) => !matches!(basic(a), Basic::None) && a.type_of() == b.type_of() && basic(a) == basic(b),
    }
}

fn same_fields(a: &Struct, b: &Struct) -> bool {
    a.fields().iter().zip(b.fields()).all(|(a, b)| same(a, b))
}

fn less(args: Args<'_>) -> Result<bool> {
    let (a, b) = (args.value(0), args.value(1));
    match (basic(a), basic(b)) {
        (Basic::None, _) | (_, Basic::None) => Err("invalid type for comparison".into()),
        (Basic::Int(a), Basic::Uint(b)) => Ok(u64::try_from(a).map_or(true, |a| a < b)),
        (Basic::Uint(a), Basic::Int(b)) => Ok(u64::try_from(b).is_ok_and(|b| a < b)),
        (Basic::Int(a), Basic::Int(b)) => Ok(a < b),
        (Basic::Uint(a), Basic::Uint(b)) => Ok(a < b),
        (Basic::Float(a), Basic::Float(b)) => Ok(a < b),
        (Basic::String(a), Basic::String(b)) => Ok(a < b),
        (Basic::Bool(_), Basic::Bool(_)) | (Basic::Complex(..), Basic::Complex(..)) => Err("invalid type for comparison".into()),
        _ => Err(Failure::Message(format!("incompatible types for comparison: {} and {}", a.type_of(), b.type_of()))),
    }
}

fn less_or_equal(env: &mut Env, args: Args<'_>) -> Result<bool> {
    Ok(less(args)? || equal_to_any(env, args)?)
}

// Escaping.

fn escaped(env: &mut Env, args: Args<'_>, escape: fn(&[u8], &mut Vec<u8>)) -> Result {
    let mut out = Vec::new();
    if let (1, Value::String(text)) = (args.len(), args.value(0)) {
        env.meter.allocate(text.len())?;
        escape(text, &mut out);
    } else {
        let values: Vec<Value> = args.from(0).map(printable).collect();
        let text = fmt::sprint(&mut env.meter, &values.iter().collect::<Vec<_>>())?;
        escape(&text, &mut out);
    }
    env.string(out)
}

/// What is printed for a value outside of any other.
fn printable(value: &Value) -> Value {
    match value {
        Value::Nil => Value::string("<no value>"),
        Value::Pointer(object) => Value::Struct(object.clone()),
        other => other.clone(),
    }
}

fn html(text: &[u8], out: &mut Vec<u8>) {
    for &byte in text {
        match byte {
            0 => out.extend_from_slice("\u{fffd}".as_bytes()),
            b'"' => out.extend_from_slice(b"&#34;"),
            b'\'' => out.extend_from_slice(b"&#39;"),
            b'&' => out.extend_from_slice(b"&amp;"),
            b'<' => out.extend_from_slice(b"&lt;"),
            b'>' => out.extend_from_slice(b"&gt;"),
            _ => out.push(byte),
        }
    }
}

fn js(text: &[u8], out: &mut Vec<u8>) {
    let mut rest = text;
    while !rest.is_empty() {
        let (rune, length) = quote::decode_rune(rest);
        match rune {
            Some('\\') => out.extend_from_slice(b"\\\\"),
            Some('\'') => out.extend_from_slice(b"\\'"),
            Some('"') => out.extend_from_slice(b"\\\""),
            Some(rune @ ('<' | '>' | '&' | '=')) => out.extend_from_slice(format!("\\u{:04X}", u32::from(rune)).as_bytes()),
            Some(rune) if rune < ' ' || !rune.is_ascii() && !quote::is_print(rune) => {
                out.extend_from_slice(format!("\\u{:04X}", u32::from(rune)).as_bytes());
            }
            Some(_) => out.extend_from_slice(&rest[..length]),
            // Go decodes to U+FFFD, which is printable, and writes the byte as it is.
            None => out.push(rest[0]),
        }
        rest = &rest[length..];
    }
}
