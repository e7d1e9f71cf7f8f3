//! Values from JSON, and as text.

use super::headers::Headers;
use super::json;
use ::cel::common::types::{CelInt, CelList, CelMap, CelMapKey, CelNull, CelString, CelType};
use ::cel::common::value::Val;
use ::cel::objects::{Key, Map};
use ::cel::{ExecutionError, Value};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// A value of JSON that is called `name`.
pub(super) fn from_json(json: &serde_json::Value, name: &str) -> Value {
    match json {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(value) => Value::Bool(*value),
        serde_json::Value::Number(number) => match number.as_i64().filter(|_| name == "statusCode") {
            Some(integer) => Value::Int(integer),
            None => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        serde_json::Value::String(text) => Value::String(Arc::new(text.clone())),
        serde_json::Value::Array(items) => Value::List(Arc::new(items.iter().map(|item| from_json(item, "")).collect())),
        serde_json::Value::Object(fields) => {
            // Only the status of the response itself is an integer, not a member of a body that is called so.
            let map = fields.iter().map(|(key, value)| (Key::String(Arc::new(key.clone())), from_json(value, if name == "response" { key } else { "" })));
            Value::Map(Map { map: Arc::new(map.collect()) })
        }
    }
}

/// `response`.
pub(super) fn response(status: u16, headers: Headers, body: &[u8]) -> Box<dyn Val> {
    let text = String::from_utf8_lossy(body);
    let json = serde_json::from_slice(body).map_or_else(|_| Box::new(CelNull) as Box<dyn Val>, |json| json_val(&json));
    let entries: HashMap<CelMapKey<'static>, Box<dyn Val>> = HashMap::from([
        (CelMapKey::from("statusCode"), Box::new(CelInt::from(i64::from(status))) as Box<dyn Val>),
        (CelMapKey::from("bodyString"), Box::new(CelString::from(text.into_owned()))),
        (CelMapKey::from("headers"), Box::new(headers)),
        (CelMapKey::from("body"), json),
    ]);
    Box::new(CelMap::from(entries))
}

fn json_val(json: &serde_json::Value) -> Box<dyn Val> {
    match json {
        serde_json::Value::Null => Box::new(CelNull),
        serde_json::Value::Bool(value) => Box::new(::cel::common::types::CelBool::from(*value)),
        serde_json::Value::Number(number) => Box::new(::cel::common::types::CelDouble::from(number.as_f64().unwrap_or(f64::NAN))),
        serde_json::Value::String(text) => Box::new(CelString::from(text.clone())),
        serde_json::Value::Array(items) => Box::new(CelList::from(items.iter().map(json_val).collect::<Vec<_>>())),
        serde_json::Value::Object(fields) => {
            let entries: HashMap<CelMapKey<'static>, Box<dyn Val>> =
                fields.iter().map(|(key, value)| (CelMapKey::from(key.clone()), json_val(value))).collect();
            Box::new(CelMap::from(entries))
        }
    }
}

/// The error for a key that a map doesn't have.
pub(super) fn map_error(key: &dyn Val) -> ExecutionError {
    match key.downcast_ref::<CelString<'_>>() {
        Some(name) => ExecutionError::no_such_key(name.inner()),
        None => ExecutionError::UnexpectedType { got: key.get_type().name().to_owned(), want: "string".to_owned() },
    }
}

/// A value and its type as text; none if it is no value that can be written.
pub(super) fn describe(value: &dyn Val) -> Option<super::CelValue> {
    let kind = value.get_type().name().to_owned();
    let json = json::write(value)?;
    if let Some(named) = value.downcast_ref::<CelType>() {
        return Some(super::CelValue { kind, text: named.name().to_owned(), json });
    }
    // Go's way of printing has none for types and optionals within others.
    let text = Value::try_from(value).map_or_else(|_| json.clone(), |value| text(&value));
    Some(super::CelValue { kind, text, json })
}

fn text(value: &Value) -> String {
    match value {
        Value::List(items) => format!("[{}]", items.iter().map(text).collect::<Vec<_>>().join(" ")),
        Value::Map(map) => {
            let sorted: BTreeMap<String, String> = map.map.iter().map(|(key, value)| (key_text(key), text(value))).collect();
            format!("map[{}]", sorted.iter().map(|(key, value)| format!("{key}:{value}")).collect::<Vec<_>>().join(" "))
        }
        Value::Int(number) => number.to_string(),
        Value::UInt(number) => number.to_string(),
        Value::Float(number) if number.is_infinite() => if *number > 0.0 { "+Inf" } else { "-Inf" }.to_owned(),
        Value::Float(number) => crate::rego::shortest_float(*number),
        Value::String(text) => text.to_string(),
        Value::Bytes(bytes) => format!("[{}]", bytes.iter().map(u8::to_string).collect::<Vec<_>>().join(" ")),
        Value::Bool(value) => value.to_string(),
        // Go's number for it.
        Value::Null => "0".to_owned(),
        Value::Timestamp(time) => time.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true),
        Value::Duration(duration) => format!("{}s", duration.as_seconds_f64()),
        Value::Function(name, _) => name.to_string(),
        Value::Opaque(_) => "optional".to_owned(),
        Value::Struct(value) => value.name().to_owned(),
    }
}

fn key_text(key: &Key) -> String {
    match key {
        Key::Int(number) => number.to_string(),
        Key::Uint(number) => number.to_string(),
        Key::Bool(value) => value.to_string(),
        Key::String(text) => text.to_string(),
    }
}
