//! Numbers as Go reads them: `strconv`'s `ParseInt`, `ParseUint` and `ParseFloat`, and the constants of templates.

use crate::quote;

/// Why a text isn't the number it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NumberError {
    Syntax,
    /// The nearest number there is.
    Range(i64),
}

/// `strconv.ParseUint` with base 0: the base is in the text.
pub(crate) fn parse_uint(text: &str) -> Option<u64> {
    let lower = text.to_ascii_lowercase();
    let (digits, base) = match lower.as_bytes() {
        [b'0', b'x', _, ..] => (&lower[2..], 16),
        [b'0', b'o', _, ..] => (&lower[2..], 8),
        [b'0', b'b', _, ..] => (&lower[2..], 2),
        [b'0', _, ..] => (&lower[1..], 8),
        _ => (&lower[..], 10),
    };
    if lower.contains('_') && !underscores_are_right(&lower) {
        return None;
    }
    let digits: String = digits.chars().filter(|&digit| digit != '_').collect();
    if digits.is_empty() || digits.starts_with(['+', '-']) {
        return None;
    }
    u64::from_str_radix(&digits, base).ok()
}

/// `strconv.ParseInt` with base 0.
pub(crate) fn parse_int(text: &str) -> Option<i64> {
    let (negative, digits) = match text.as_bytes() {
        [b'-', ..] => (true, &text[1..]),
        [b'+', ..] => (false, &text[1..]),
        _ => (false, text),
    };
    let magnitude = parse_uint(digits)?;
    if negative { 0i64.checked_sub_unsigned(magnitude) } else { i64::try_from(magnitude).ok() }
}

/// `strconv.ParseInt` with a base: digits and a sign, nothing else.
pub(crate) fn parse_int_radix(text: &[u8], base: u32) -> Result<i64, NumberError> {
    let text = std::str::from_utf8(text).map_err(|_| NumberError::Syntax)?;
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(base)) {
        return Err(NumberError::Syntax);
    }
    i64::from_str_radix(text, base).map_err(|_| NumberError::Range(if text.starts_with('-') { i64::MIN } else { i64::MAX }))
}

/// `strconv.ParseFloat`. `None` for what isn't a number, and for what is too large.
pub(crate) fn parse_float(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let sign = if text.starts_with('-') { -1.0 } else { 1.0 };
    match unsigned.to_ascii_lowercase().as_str() {
        "inf" | "infinity" => return Some(sign * f64::INFINITY),
        "nan" if text.len() == 3 => return Some(f64::NAN),
        _ => {}
    }
    if unsigned.contains('_') && !underscores_are_right(&unsigned.to_ascii_lowercase()) {
        return None;
    }
    let plain: String = unsigned.chars().filter(|&digit| digit != '_').collect();
    if let Some(hex) = plain.strip_prefix("0x").or_else(|| plain.strip_prefix("0X")) {
        return parse_hex_float(hex).map(|number| sign * number);
    }
    let exponent_free = plain.split(['e', 'E']).next().unwrap_or_default();
    let well_formed = exponent_free.bytes().any(|byte| byte.is_ascii_digit())
        && plain.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'+' | b'-'))
        && !plain.starts_with(['+', '-']);
    if !well_formed {
        return None;
    }
    plain.parse::<f64>().ok().filter(|number| number.is_finite()).map(|number| sign * number)
}

fn parse_hex_float(text: &str) -> Option<f64> {
    let (digits, exponent) = text.split_once(['p', 'P'])?;
    let exponent_digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    if exponent_digits.is_empty() || !exponent_digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let mut power = exponent.parse::<i64>().unwrap_or(if exponent.starts_with('-') { -100_000 } else { 100_000 }).clamp(-100_000, 100_000);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let mut mantissa: u64 = 0;
    for (index, digit) in whole.bytes().chain(fraction.bytes()).enumerate() {
        let value = u64::from(char::from(digit).to_digit(16)?);
        let after_point = index >= whole.len();
        if mantissa >> 60 == 0 {
            mantissa = mantissa << 4 | value;
            power -= if after_point { 4 } else { 0 };
        } else {
            mantissa |= u64::from(value != 0); // what is cut off only matters for rounding
            power += if after_point { 0 } else { 4 };
        }
    }
    let mut number = mantissa as f64;
    while power > 0 && number.is_finite() && number != 0.0 {
        let step = power.min(1000);
        number *= 2f64.powi(step as i32);
        power -= step;
    }
    while power < 0 && number != 0.0 {
        let step = (-power).min(1000);
        number /= 2f64.powi(step as i32);
        power += step;
    }
    number.is_finite().then_some(number)
}

/// `strconv`'s `underscoreOK`, of a text without sign and in lower case: only between digits, or after the base.
fn underscores_are_right(text: &str) -> bool {
    let mut last = '^'; // '0' for a digit, '_', '!' for anything else
    let mut rest = text;
    let mut hex = false;
    if let [b'0', b'b' | b'o' | b'x', ..] = text.as_bytes() {
        rest = &text[2..];
        last = '0';
        hex = text.as_bytes()[1] == b'x';
    }
    for character in rest.chars() {
        if character.is_ascii_digit() || hex && character.is_ascii_hexdigit() {
            last = '0';
        } else if character == '_' {
            if last != '0' {
                return false;
            }
            last = '_';
        } else {
            if last == '_' {
                return false;
            }
            last = '!';
        }
    }
    last != '_'
}

/// A number in a template: whatever types it can have without loss.
#[derive(Debug, Clone, Default)]
pub(crate) struct Number {
    pub(crate) int: Option<i64>,
    pub(crate) uint: Option<u64>,
    pub(crate) float: Option<f64>,
    pub(crate) complex: Option<(f64, f64)>,
    pub(crate) text: String,
}

impl Number {
    /// A character constant.
    pub(crate) fn character(text: &str) -> Result<Self, String> {
        let Some((unquoted, tail)) = quote::unquote_char(&text[1..], '\'') else { return Err("invalid syntax".to_owned()) };
        if tail != "'" {
            return Err(format!("malformed character constant: {text}"));
        }
        let code = match unquoted {
            quote::Unquoted::Rune(rune) => u32::from(rune),
            quote::Unquoted::Byte(byte) => u32::from(byte),
        };
        let code = i64::from(code);
        Ok(Self { int: Some(code), uint: Some(code as u64), float: Some(code as f64), complex: None, text: text.to_owned() })
    }

    /// A constant with real and imaginary part.
    pub(crate) fn complex(text: &str) -> Result<Self, String> {
        let body = text.strip_suffix('i').unwrap_or(text);
        let middle = body
            .char_indices()
            .skip(1)
            .filter(|&(index, sign)| matches!(sign, '+' | '-') && !body[..index].to_ascii_lowercase().ends_with(['e', 'p']))
            .map(|(index, _)| index)
            .last()
            .ok_or("syntax error scanning complex number")?;
        let part = |text: &str| parse_float(text).ok_or_else(|| format!("strconv.ParseFloat: parsing {}: invalid syntax", quote::quote(text.as_bytes())));
        Ok(Self::from_complex(part(&body[..middle])?, part(&body[middle..])?, text))
    }

    /// Any other constant.
    pub(crate) fn plain(text: &str) -> Result<Self, String> {
        if let Some(imaginary) = text.strip_suffix('i').and_then(parse_float) {
            return Ok(Self::from_complex(0.0, imaginary, text));
        }
        let mut number = Self { uint: parse_uint(text), int: parse_int(text), text: text.to_owned(), ..Self::default() };
        if number.int == Some(0) {
            number.uint = Some(0); // also of -0
        }
        number.float = number.int.map(|int| int as f64).or(number.uint.map(|uint| uint as f64));
        if number.float.is_none()
            && let Some(float) = parse_float(text)
        {
            if !text.contains(['.', 'e', 'E', 'p', 'P']) {
                return Err(format!("integer overflow: {}", quote::quote(text.as_bytes())));
            }
            number.float = Some(float);
            number.int = whole(float);
            number.uint = whole_unsigned(float);
        }
        if number.float.is_none() {
            return Err(format!("illegal number syntax: {}", quote::quote(text.as_bytes())));
        }
        Ok(number)
    }

    fn from_complex(real: f64, imaginary: f64, text: &str) -> Self {
        let float = (imaginary == 0.0).then_some(real);
        Self { complex: Some((real, imaginary)), float, int: float.and_then(whole), uint: float.and_then(whole_unsigned), text: text.to_owned() }
    }

    /// Whether the text says that a float is meant.
    pub(crate) fn is_written_as_float(&self) -> bool {
        let hex_int = self.text.len() > 2 && (self.text.starts_with("0x") || self.text.starts_with("0X")) && !self.text.contains(['p', 'P']);
        !hex_int && !self.text.starts_with('\'') && self.text.contains(['.', 'e', 'E', 'p', 'P'])
    }
}

fn whole(float: f64) -> Option<i64> {
    let int = float as i64;
    // The largest i64 isn't a float: what rounds to it is out of range.
    (int as f64 == float && int != i64::MAX).then_some(int)
}

fn whole_unsigned(float: f64) -> Option<u64> {
    let int = float as u64;
    (int as f64 == float && int != u64::MAX).then_some(int)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_integers_as_go_does() {
        let check = |text: &str, expect: Option<i64>| assert_eq!(parse_int(text), expect, "{text}");
        check("017", Some(15));
        check("0x_1F", Some(31));
        check("1_000", Some(1000));
        check("1__0", None);
        check("-9223372036854775808", Some(i64::MIN));
        check("9223372036854775808", None);
        check("0", Some(0));
        check("08", None);
        check("--1", None);
    }

    #[test]
    fn reads_floats_as_go_does() {
        let check = |text: &str, expect: Option<f64>| assert_eq!(parse_float(text), expect, "{text}");
        check("1e3", Some(1000.0));
        check(".5", Some(0.5));
        check("5.", Some(5.0));
        check("0x1p-2", Some(0.25));
        check("0x1.8p1", Some(3.0));
        check("0x1", None);
        check("1e400", None);
        check("e5", None);
        check("+-1", None);
        check("inf", Some(f64::INFINITY));
        check("", None);
    }
}
