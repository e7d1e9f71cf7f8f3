//! sprig 3.3.0. A file is a family of functions, with a table of them; what is the same in Go is called the same.
//!
//! Left out, so that templates say nothing of the machine they run on: `env`, `expandenv`, `getHostByName`.

mod cases;
mod certificate;
mod collections;
mod crypto;
mod date;
mod decimal;
mod dict;
mod encoding;
mod json;
mod keys;
mod list;
mod math;
mod merge;
mod path;
mod random;
mod reflect;
mod regex;
mod strings;
mod text;
mod wrap;

use crate::error::Failure;
use crate::fmt;
use crate::function::{Env, Function};
use crate::types::Type;
use crate::value::{Str, Value};

/// All functions, by family.
pub(crate) static FAMILIES: &[&[Function]] = &[
    strings::FUNCTIONS,
    text::FUNCTIONS,
    list::FUNCTIONS,
    collections::FUNCTIONS,
    dict::FUNCTIONS,
    math::FUNCTIONS,
    date::FUNCTIONS,
    encoding::FUNCTIONS,
    json::FUNCTIONS,
    regex::FUNCTIONS,
    reflect::FUNCTIONS,
    path::FUNCTIONS,
    crypto::FUNCTIONS,
    certificate::FUNCTIONS,
    random::FUNCTIONS,
];

/// `strval`: a value as text.
fn text_of(env: &mut Env, value: &Value) -> Result<Str, Failure> {
    match value {
        Value::String(text) | Value::Bytes(text) => Ok(text.clone()),
        Value::Null(Type::Bytes) => Ok(Str::from("")),
        value => Ok(match crate::methods::string_of(value) {
            Some(text) => text.into(),
            None => fmt::sprint(&mut env.meter, &[value])?.into(),
        }),
    }
}

/// The items of a slice. `None`: the value isn't one.
fn items(value: &Value) -> Option<std::borrow::Cow<'_, [Value]>> {
    use crate::types::UintKind;
    match value {
        Value::List(list) => Some(list.items().into()),
        Value::Bytes(bytes) => Some(bytes.iter().map(|&byte| Value::Uint(UintKind::Uint8, byte.into())).collect()),
        Value::Null(Type::Slice(_) | Type::Bytes) => Some((&[][..]).into()),
        _ => None,
    }
}

/// As [`items`]; without them Go's error, which begins with `what`.
fn items_or<'a>(value: &'a Value, what: &str) -> Result<std::borrow::Cow<'a, [Value]>, Failure> {
    if matches!(value, Value::Nil) {
        return Err(Failure::nil_dereference());
    }
    items(value).ok_or_else(|| Failure::Message(format!("{what} type {}", value.kind_name())))
}

/// sprig's `empty`.
fn is_empty(value: &Value) -> bool {
    !crate::execute::is_true(value)
}
