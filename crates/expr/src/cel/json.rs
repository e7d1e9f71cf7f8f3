//! Values as JSON, as cel-go converts them.

use crate::rego::append_text;
use ::cel::Value;
use ::cel::common::types::{CelList, CelMap, CelMapKey, CelOptional, CelType};
use ::cel::common::value::Val;
use ::cel::objects::Key;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, FixedOffset, SecondsFormat, TimeDelta};
use std::collections::BTreeMap;

/// The JSON text of a value; none if there is none, as for a function.
pub(super) fn write(value: &dyn Val) -> Option<String> {
    let mut out = String::new();
    append(value, &mut out)?;
    Some(out)
}

/// By the interpreter's own types where they may have types and optionals in them, which its plain values can't.
fn append(value: &dyn Val, out: &mut String) -> Option<()> {
    if let Some(named) = value.downcast_ref::<CelType>() {
        append_text(named.name(), out);
        Some(())
    } else if let Some(optional) = value.downcast_ref::<CelOptional<'_>>() {
        match optional.inner() {
            Some(value) => append(value, out),
            None => {
                out.push_str("null");
                Some(())
            }
        }
    } else if let Some(list) = value.downcast_ref::<CelList<'_>>() {
        append_list(list.inner().iter(), out, |item, out| append(item.as_ref(), out))
    } else if let Some(map) = value.downcast_ref::<CelMap<'_>>() {
        append_map(map.inner().iter().map(|(key, value)| (own_key_text(key), value)), out, |value, out| append(value.as_ref(), out))
    } else {
        append_plain(&Value::try_from(value).ok()?, out)
    }
}

fn append_plain(value: &Value, out: &mut String) -> Option<()> {
    match value {
        Value::List(items) => return append_list(items.iter(), out, append_plain),
        Value::Map(map) => return append_map(map.map.iter().map(|(key, value)| (key_text(key), value)), out, append_plain),
        Value::Int(number) => out.push_str(&number.to_string()),
        Value::UInt(number) => out.push_str(&number.to_string()),
        Value::Float(number) => append_double(*number, out),
        Value::String(text) => append_text(text, out),
        Value::Bytes(bytes) => append_text(&STANDARD.encode(bytes.as_slice()), out),
        Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::Null => out.push_str("null"),
        Value::Timestamp(time) => append_text(&timestamp(time), out),
        Value::Duration(duration) => append_text(&seconds(*duration), out),
        Value::Function(..) | Value::Opaque(_) | Value::Struct(_) => return None,
    }
    Some(())
}

fn append_list<T>(items: impl Iterator<Item = T>, out: &mut String, append: impl Fn(T, &mut String) -> Option<()>) -> Option<()> {
    out.push('[');
    for (index, item) in items.enumerate() {
        if index > 0 {
            out.push(',');
        }
        append(item, out)?;
    }
    out.push(']');
    Some(())
}

fn append_map<T>(entries: impl Iterator<Item = (String, T)>, out: &mut String, append: impl Fn(T, &mut String) -> Option<()>) -> Option<()> {
    let sorted: BTreeMap<String, T> = entries.collect();
    out.push('{');
    for (index, (key, value)) in sorted.into_iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        append_text(&key, out);
        out.push(':');
        append(value, out)?;
    }
    out.push('}');
    Some(())
}

fn own_key_text(key: &CelMapKey<'_>) -> String {
    match key {
        CelMapKey::Int(number) => number.inner().to_string(),
        CelMapKey::UInt(number) => number.inner().to_string(),
        CelMapKey::Bool(value) => value.inner().to_string(),
        CelMapKey::String(text) => text.inner().to_owned(),
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

/// As Go's `encoding/json`: without a fraction where there is none; an exponent for the very small and the very large.
fn append_double(number: f64, out: &mut String) {
    if number.is_nan() {
        out.push_str("\"NaN\"");
    } else if number.is_infinite() {
        out.push_str(if number > 0.0 { "\"Infinity\"" } else { "\"-Infinity\"" });
    } else if number != 0.0 && !(1e-6..1e21).contains(&number.abs()) {
        out.push_str(&format!("{number:e}"));
    } else {
        out.push_str(&number.to_string());
    }
}

/// RFC 3339 in the zone that the time has, without zeros at the end of the fraction.
fn timestamp(time: &DateTime<FixedOffset>) -> String {
    let whole = time.to_rfc3339_opts(SecondsFormat::Secs, true);
    let zone = whole.len() - if whole.ends_with('Z') { 1 } else { "+00:00".len() };
    format!("{}{}{}", &whole[..zone], fraction(time.timestamp_subsec_nanos()), &whole[zone..])
}

fn seconds(duration: TimeDelta) -> String {
    let sign = if duration < TimeDelta::zero() { "-" } else { "" };
    let duration = duration.abs();
    format!("{sign}{}{}s", duration.num_seconds(), fraction(duration.subsec_nanos().unsigned_abs()))
}

/// `.5` for 500,000,000 ns; nothing for none.
fn fraction(nanoseconds: u32) -> String {
    let digits = format!(".{nanoseconds:09}");
    digits.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use crate::Cel;

    #[test]
    fn values_of_all_types() {
        let check = |source: &str, kind: &str, json: &str| {
            let value = Cel::compile(source, &[]).unwrap().eval(&serde_json::Map::new()).unwrap();
            assert_eq!((value.kind.as_str(), value.json.as_str()), (kind, json), "{source}");
            assert!(serde_json::from_str::<serde_json::Value>(&value.json).is_ok(), "{source}");
        };
        check("1 == 1", "bool", "true");
        check("9223372036854775807", "int", "9223372036854775807");
        check("18446744073709551615u", "uint", "18446744073709551615");
        check("1.5", "double", "1.5");
        check("2.0 * 1.5", "double", "3");
        check("1e21", "double", "1e21");
        check("-1e-7", "double", "-1e-7");
        check("1.0 / 0.0", "double", "\"Infinity\"");
        check("-1.0 / 0.0", "double", "\"-Infinity\"");
        check("0.0 / 0.0", "double", "\"NaN\"");
        check("'<ü\"'", "string", r#""\u003cü\"""#);
        check("b'hello'", "bytes", "\"aGVsbG8=\"");
        check("null", "null_type", "null");
        check("[1, 'a', [true]]", "list", "[1,\"a\",[true]]");
        check("[1, 2, 3].map(x, x * 2)", "list", "[2,4,6]");
        check("{'b': 1, 'a': {2: null, true: b'a'}}", "map", r#"{"a":{"2":null,"true":"YQ=="},"b":1}"#);
        check("type(1)", "type", "\"int\"");
        check("[type('a'), type(duration('1s'))]", "list", r#"["string","google.protobuf.Duration"]"#);
        check("timestamp('2023-05-17T10:20:30Z')", "google.protobuf.Timestamp", "\"2023-05-17T10:20:30Z\"");
        check("timestamp('2023-05-17T10:20:30.120Z')", "google.protobuf.Timestamp", "\"2023-05-17T10:20:30.12Z\"");
        check("duration('1h30m')", "google.protobuf.Duration", "\"5400s\"");
        check("duration('-1.5s')", "google.protobuf.Duration", "\"-1.5s\"");
        check("[duration('1ms')]", "list", "[\"0.001s\"]");
        check("optional.of(1)", "optional_type", "1");
        check("[optional.none()]", "list", "[null]");
    }
}
