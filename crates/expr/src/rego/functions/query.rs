//! OPA's `urlquery.encode` and `urlquery.encode_object`: Go's `url.QueryEscape`, which leaves `~` alone, and not `*`.

use super::{MAX_ARGUMENT_BYTES, Outcome, Stop, Value, charge_all, text, texts};

/// `urlquery.encode(text)`.
pub(super) fn encode(arguments: &[Value]) -> Outcome {
    charge_all(arguments, MAX_ARGUMENT_BYTES)?;
    let mut out = String::new();
    escape(text(arguments.first())?, &mut out);
    Ok(Value::from(out))
}

/// `urlquery.encode_object(object)`: values are texts, or arrays or sets of them.
pub(super) fn encode_object(arguments: &[Value]) -> Outcome {
    charge_all(arguments, MAX_ARGUMENT_BYTES)?;
    let Some(Value::Object(fields)) = arguments.first() else { return Err(Stop::Undefined) };
    let mut out = String::new();
    for (name, value) in fields.iter_sorted() {
        let values = match value {
            Value::String(value) => vec![&**value],
            _ => texts(Some(value))?,
        };
        for value in values {
            if !out.is_empty() {
                out.push('&');
            }
            escape(text(Some(name))?, &mut out);
            out.push('=');
            escape(value, &mut out);
        }
    }
    Ok(Value::from(out))
}

fn escape(text: &str, out: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            b' ' => out.push('+'),
            _ => {
                out.push('%');
                out.push(char::from(DIGITS[usize::from(byte >> 4)]));
                out.push(char::from(DIGITS[usize::from(byte & 15)]));
            }
        }
    }
}
