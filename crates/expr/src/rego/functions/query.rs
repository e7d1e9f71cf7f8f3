//! OPA's `urlquery.encode` and `urlquery.encode_object`: Go's `url.QueryEscape`, which leaves `~` alone, and not `*`. And `urlquery.decode`, which refuses
//! a `%` without two digits.

use super::{MAX_ARGUMENT_BYTES, Outcome, Stop, Value, charge_all, text, texts};

/// `urlquery.encode(text)`.
pub(super) fn encode(arguments: &[Value]) -> Outcome {
    charge_all(arguments, MAX_ARGUMENT_BYTES)?;
    let mut out = String::new();
    escape(text(arguments.first())?, &mut out);
    Ok(Value::from(out))
}

/// `urlquery.decode(text)`.
pub(super) fn decode(arguments: &[Value]) -> Outcome {
    charge_all(arguments, MAX_ARGUMENT_BYTES)?;
    let mut out = Vec::new();
    let mut rest = text(arguments.first())?.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        out.push(match (first, after) {
            (b'%', [high, low, after @ ..]) => {
                rest = after;
                let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok()).ok_or(Stop::Undefined);
                digit(high)? << 4 | digit(low)?
            }
            (b'%', _) => return Err(Stop::Undefined),
            (b'+', _) => b' ',
            (byte, _) => *byte,
        });
    }
    Ok(Value::from(String::from_utf8_lossy(&out).into_owned()))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rego::meter;

    #[test]
    fn decoded_as_go_does() {
        let decode = |text: &str| meter::metered(|| decode(&[Value::from(text)])).unwrap().ok();
        assert_eq!(decode("a%20b+c%c3%bc~"), Some(Value::from("a b cü~")));
        for text in ["%", "a%2", "%zz", "%-1"] {
            assert_eq!(decode(text), None, "{text}");
        }
    }
}
