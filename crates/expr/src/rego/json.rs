//! Values as JSON, as Go's `encoding/json` writes what OPA gives it: sets as sorted arrays, keys that are no strings as their JSON text, objects sorted by
//! key, `<`, `>` and `&` escaped.

use regorus::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// The JSON text of a value.
pub(super) fn write(value: &Value) -> String {
    let mut out = String::new();
    append(value, &mut out);
    out
}

fn append(value: &Value, out: &mut String) {
    match value {
        Value::Null | Value::Undefined => out.push_str("null"),
        Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::Number(number) => out.push_str(&number_text(value, number.as_i64())),
        Value::String(text) => append_text(text, out),
        Value::Array(items) => append_items(items.iter(), out),
        Value::Set(items) => append_items(items.iter_sorted(), out),
        Value::Object(fields) => {
            let sorted: BTreeMap<String, &Value> = fields.iter().map(|(key, value)| (key_text(key), value)).collect();
            out.push('{');
            for (index, (key, value)) in sorted.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                append_text(key, out);
                out.push(':');
                append(value, out);
            }
            out.push('}');
        }
    }
}

fn number_text(value: &Value, integer: Option<i64>) -> String {
    match integer {
        Some(integer) => integer.to_string(),
        // Large ones with an exponent, as Go does; it can't fail for a number.
        None => value.to_json_str().unwrap_or_default(),
    }
}

fn key_text(key: &Value) -> String {
    match key {
        Value::String(text) => text.to_string(),
        other => write(other),
    }
}

fn append_items<'a>(items: impl Iterator<Item = &'a Value>, out: &mut String) {
    out.push('[');
    for (index, item) in items.enumerate() {
        if index > 0 {
            out.push(',');
        }
        append(item, out);
    }
    out.push(']');
}

/// Appends a JSON string.
pub(crate) fn append_text(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..='\u{1f}' => {
                // Writing to a String can't fail.
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            _ => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_as_go_does() {
        let check = |json: &str, expect: &str| {
            let value = Value::from_json_str(json).unwrap();
            assert_eq!(write(&value), expect);
        };
        check(r#"{"b":1,"a":[true,null,"<&>"]}"#, r#"{"a":[true,null,"\u003c\u0026\u003e"],"b":1}"#);
        check(r#""\u2028\b\u0001ü\"\\""#, r#""\u2028\b\u0001ü\"\\""#);
        check("18446744073709551615", "18446744073709551615");
        check("1e22", "1e+22");
        check("1.5", "1.5");
    }
}
