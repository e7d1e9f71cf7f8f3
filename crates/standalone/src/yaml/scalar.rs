//! What an unquoted scalar means.

use super::Scalar;

/// A scalar's value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Resolved<'a> {
    Null,
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    String(&'a str),
}

impl Scalar<'_> {
    /// As `kubectl` does it: the YAML 1.1 booleans and numbers, so that a manifest means here what it means there.
    pub(crate) fn resolve(&self) -> Resolved<'_> {
        let text = self.text.as_str();
        if !self.plain {
            return Resolved::String(text);
        }
        match text {
            "" | "~" | "null" | "Null" | "NULL" => Resolved::Null,
            "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" | "y" | "Y" => Resolved::Bool(true),
            "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" | "n" | "N" => Resolved::Bool(false),
            _ => number(text).unwrap_or(Resolved::String(text)),
        }
    }
}

fn number(text: &str) -> Option<Resolved<'static>> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        b'0'..=b'9' | b'.' => (false, text),
        _ => return None,
    };
    if let Some(magnitude) = integer(&digits.replace('_', "")) {
        return Some(match (negative, i64::try_from(magnitude)) {
            (false, _) => Resolved::Unsigned(magnitude),
            (true, Ok(magnitude)) => Resolved::Signed(-magnitude),
            (true, Err(_)) if magnitude == i64::MIN.unsigned_abs() => Resolved::Signed(i64::MIN),
            // Beyond 64 bits, as JSON has it, a number is a float.
            (true, Err(_)) => Resolved::Float(-(magnitude as f64)),
        });
    }
    let sign = if negative { -1.0 } else { 1.0 };
    match digits {
        ".inf" | ".Inf" | ".INF" => return Some(Resolved::Float(sign * f64::INFINITY)),
        ".nan" | ".NaN" | ".NAN" => return Some(Resolved::Float(f64::NAN)),
        _ => {}
    }
    // Rust's grammar for floats is wider: it has words, which begin with a letter.
    let plausible = digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') && digits.contains(|c: char| c.is_ascii_digit());
    plausible.then(|| digits.parse::<f64>().ok()).flatten().map(|value| Resolved::Float(sign * value))
}

/// Decimal, `0x`, `0o`, `0b`, and YAML 1.1's octal with a leading zero. `None` beyond 64 bits.
fn integer(digits: &str) -> Option<u64> {
    let (radix, digits) = match digits.as_bytes() {
        [b'0', b'x', ..] => (16, &digits[2..]),
        [b'0', b'o', ..] => (8, &digits[2..]),
        [b'0', b'b', ..] => (2, &digits[2..]),
        [b'0', _, ..] if digits.bytes().all(|b| b.is_ascii_digit()) => (8, &digits[1..]),
        _ => (10, digits),
    };
    // from_str_radix would take a sign.
    if !digits.starts_with(|c: char| c.is_ascii_hexdigit()) {
        return None;
    }
    u64::from_str_radix(digits, radix).ok()
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::super::Text;
    use super::*;

    #[test]
    fn plain_scalars_mean_what_they_mean_to_kubectl() {
        for (text, expect) in [
            ("", Resolved::Null),
            ("~", Resolved::Null),
            ("nUll", Resolved::String("nUll")),
            ("yes", Resolved::Bool(true)),
            ("Off", Resolved::Bool(false)),
            ("n", Resolved::Bool(false)),
            ("truE", Resolved::String("truE")),
            ("0", Resolved::Unsigned(0)),
            ("-7", Resolved::Signed(-7)),
            ("+7", Resolved::Unsigned(7)),
            ("1_000", Resolved::Unsigned(1000)),
            ("0x1F", Resolved::Unsigned(31)),
            ("010", Resolved::Unsigned(8)),
            ("0o17", Resolved::Unsigned(15)),
            ("18446744073709551615", Resolved::Unsigned(u64::MAX)),
            ("-9223372036854775808", Resolved::Signed(i64::MIN)),
            ("1.10", Resolved::Float(1.1)),
            ("1e3", Resolved::Float(1000.0)),
            (".5", Resolved::Float(0.5)),
            ("-.inf", Resolved::Float(f64::NEG_INFINITY)),
            ("123456789012345678901234567890", Resolved::Float(1.2345678901234568e29)),
            (".", Resolved::String(".")),
            ("-", Resolved::String("-")),
            ("--1", Resolved::String("--1")),
            ("+-1", Resolved::String("+-1")),
            ("1.2.3", Resolved::String("1.2.3")),
            ("2024-01-02", Resolved::String("2024-01-02")),
            ("1:30", Resolved::String("1:30")),
            ("08x", Resolved::String("08x")),
            ("inf", Resolved::String("inf")),
            ("nan", Resolved::String("nan")),
            ("0x", Resolved::String("0x")),
        ] {
            let scalar = Scalar { text: Text(Cow::Borrowed(text)), plain: true };
            assert_eq!(scalar.resolve(), expect, "{text}");
            let quoted = Scalar { text: Text(Cow::Borrowed(text)), plain: false };
            assert_eq!(quoted.resolve(), Resolved::String(text));
        }
    }
}
