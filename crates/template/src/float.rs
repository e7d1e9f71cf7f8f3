//! Floating-point numbers as text: Go's `strconv.FormatFloat`.

/// Digits and where the point is: `0.d1d2d3… × 10^point`. Zero has no digits.
struct Decimal {
    digits: Vec<u8>,
    point: i32,
}

/// `strconv.FormatFloat(value, format, precision, 64)`; precision `None` is as many digits as the number needs.
pub(crate) fn format_float(value: f64, format: u8, precision: Option<usize>) -> Vec<u8> {
    let mut out = Vec::with_capacity(24);
    append_float(&mut out, value, format, precision);
    out
}

/// As [`format_float`], at the end of a buffer.
pub(crate) fn append_float(out: &mut Vec<u8>, value: f64, format: u8, precision: Option<usize>) {
    if value.is_nan() {
        return out.extend_from_slice(b"NaN");
    }
    if value.is_infinite() {
        return out.extend_from_slice(if value > 0.0 { b"+Inf" } else { b"-Inf" });
    }
    if value.is_sign_negative() {
        out.push(b'-');
    }
    let magnitude = value.abs();
    match format {
        b'b' => {
            let (mantissa, exponent) = parts(magnitude);
            out.extend_from_slice(format!("{mantissa}p{exponent:+}").as_bytes());
        }
        b'x' | b'X' => append_hex(out, magnitude, format, precision),
        b'e' | b'E' => {
            let decimal = significant(magnitude, precision.map(|digits| digits + 1));
            let digits = precision.unwrap_or(decimal.digits.len().saturating_sub(1));
            append_exponential(out, &decimal, digits, format);
        }
        b'f' => {
            let decimal = match precision {
                None => significant(magnitude, None),
                Some(digits) => fixed(magnitude, digits),
            };
            let digits = precision.unwrap_or((decimal.digits.len() as i32 - decimal.point).max(0) as usize);
            append_fixed(out, &decimal, digits);
        }
        _ => append_general(out, magnitude, format, precision),
    }
}

fn append_general(out: &mut Vec<u8>, magnitude: f64, format: u8, precision: Option<usize>) {
    let precision = precision.map(|digits| digits.max(1));
    let decimal = significant(magnitude, precision);
    let count = decimal.digits.len();
    let limit = match precision {
        None => 6,
        Some(digits) if digits > count && count as i32 >= decimal.point => count,
        Some(digits) => digits,
    };
    let exponent = decimal.point - 1;
    if exponent < -4 || exponent >= limit as i32 {
        let digits = precision.map_or(count, |digits| digits.min(count)).saturating_sub(1);
        return append_exponential(out, &decimal, digits, if format == b'G' { b'E' } else { b'e' });
    }
    append_fixed(out, &decimal, (count as i32 - decimal.point).max(0) as usize);
}

/// No number has more digits that aren't zero, before or after the point; the standard library panics at 65,536.
const MAX_DIGITS: usize = 1_100;

/// So many significant digits, or as many as are needed to tell the number from its neighbours.
fn significant(magnitude: f64, count: Option<usize>) -> Decimal {
    let text = match count {
        None => shortest(magnitude),
        Some(count) => format!("{magnitude:.*e}", count.saturating_sub(1).min(MAX_DIGITS)),
    };
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let digits = mantissa.bytes().filter(u8::is_ascii_digit).collect();
    trimmed(digits, exponent.parse::<i32>().unwrap_or_default() + 1)
}

/// The fewest digits that tell a number from its neighbours, as `1.5e3`. Where two are as near, Go takes the even one, and Rust the larger.
pub(crate) fn shortest(number: f64) -> String {
    let own = format!("{number:e}");
    let digits = own.bytes().take_while(|&byte| byte != b'e').filter(u8::is_ascii_digit).count();
    // Only a number whose digits go on can be halfway between two of that length.
    if digits < 15 {
        return own;
    }
    let even = format!("{number:.*e}", digits - 1);
    if even != own && even.parse() == Ok(number) { even } else { own }
}

/// So many digits after the point.
fn fixed(magnitude: f64, count: usize) -> Decimal {
    let count = count.min(MAX_DIGITS);
    let text = format!("{magnitude:.count$}");
    let point = text.find('.').unwrap_or(text.len());
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_digit).collect();
    let zeros = digits.iter().take_while(|&&digit| digit == b'0').count();
    trimmed(digits[zeros..].to_vec(), point as i32 - zeros as i32)
}

fn trimmed(mut digits: Vec<u8>, point: i32) -> Decimal {
    while digits.last() == Some(&b'0') {
        digits.pop();
    }
    let point = if digits.is_empty() { 0 } else { point };
    Decimal { digits, point }
}

fn append_exponential(out: &mut Vec<u8>, decimal: &Decimal, precision: usize, letter: u8) {
    out.push(decimal.digits.first().copied().unwrap_or(b'0'));
    if precision > 0 {
        out.push(b'.');
        out.extend((1..=precision).map(|index| decimal.digits.get(index).copied().unwrap_or(b'0')));
    }
    let exponent = if decimal.digits.is_empty() { 0 } else { decimal.point - 1 };
    out.push(letter);
    out.extend_from_slice(format!("{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs()).as_bytes());
}

fn append_fixed(out: &mut Vec<u8>, decimal: &Decimal, precision: usize) {
    let digit = |index: i32| usize::try_from(index).ok().and_then(|index| decimal.digits.get(index)).copied().unwrap_or(b'0');
    if decimal.point > 0 {
        out.extend((0..decimal.point).map(digit));
    } else {
        out.push(b'0');
    }
    if precision > 0 {
        out.push(b'.');
        out.extend((0..precision as i32).map(|index| digit(decimal.point + index)));
    }
}

/// Mantissa and exponent as they are stored.
fn parts(magnitude: f64) -> (u64, i32) {
    let bits = magnitude.to_bits();
    let (fraction, exponent) = (bits & ((1 << 52) - 1), (bits >> 52) as i32 & 0x7ff);
    if exponent == 0 { (fraction, 1 - 1075) } else { (fraction | 1 << 52, exponent - 1075) }
}

fn append_hex(out: &mut Vec<u8>, magnitude: f64, format: u8, precision: Option<usize>) {
    let (mut mantissa, mut exponent) = parts(magnitude);
    if mantissa == 0 {
        exponent = 0;
    } else {
        // One digit before the point, which is 1: shift that to bit 60.
        let shift = mantissa.leading_zeros() as i32 - 3;
        mantissa <<= shift;
        exponent += 60 - shift;
    }
    if let Some(digits) = precision.filter(|&digits| digits < 15) {
        let cut = 60 - 4 * digits as u32;
        let extra = mantissa & ((1 << cut) - 1);
        mantissa >>= cut;
        let half = 1u64 << (cut - 1);
        if extra | (mantissa & 1) > half {
            mantissa += 1;
        }
        mantissa <<= cut;
        if mantissa >> 61 != 0 {
            mantissa >>= 1;
            exponent += 1;
        }
    }
    let upper = format == b'X';
    out.extend_from_slice(if upper { b"0X" } else { b"0x" });
    out.push(b'0' + (mantissa >> 60 & 1) as u8);
    let mut rest = mantissa << 4;
    let digits = precision.unwrap_or_else(|| (64 - rest.trailing_zeros().min(64)).div_ceil(4) as usize);
    if digits > 0 {
        out.push(b'.');
    }
    for _ in 0..digits {
        let digit = char::from_digit((rest >> 60) as u32, 16).unwrap_or('0');
        out.push(if upper { digit.to_ascii_uppercase() } else { digit } as u8);
        rest <<= 4;
    }
    out.push(if upper { b'P' } else { b'p' });
    out.extend_from_slice(format!("{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs()).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_as_go_does() {
        let check = |value: f64, format: u8, precision: Option<usize>, expect: &str| {
            assert_eq!(String::from_utf8_lossy(&format_float(value, format, precision)), expect, "{value} {} {precision:?}", format as char);
        };
        check(1e21, b'g', None, "1e+21");
        check(100_000.0, b'g', None, "100000");
        check(1e6, b'g', None, "1e+06");
        check(0.0, b'g', None, "0");
        check(-0.0, b'g', None, "-0");
        check(0.00001, b'g', None, "1e-05");
        check(2.5, b'f', Some(0), "2");
        check(0.125, b'f', Some(2), "0.12");
        check(123_456.0, b'g', Some(3), "1.23e+05");
        check(100.0, b'g', Some(3), "100");
        check(3.5, b'e', Some(6), "3.500000e+00");
        check(3.5, b'f', None, "3.5");
        check(0.0, b'e', Some(2), "0.00e+00");
        check(1.0, b'x', None, "0x1p+00");
        check(3.5, b'x', None, "0x1.cp+01");
        check(1.999, b'x', Some(1), "0x1.0p+01");
        check(1.0, b'b', None, "4503599627370496p-52");
        check(f64::NEG_INFINITY, b'f', Some(2), "-Inf");
    }
}
