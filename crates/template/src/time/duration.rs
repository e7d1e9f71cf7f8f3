//! Durations: nanoseconds, as Go writes and reads them.

use super::parse::quote;

/// `time.Duration.String`.
pub(crate) fn duration_string(nanoseconds: i64) -> String {
    let sign = if nanoseconds < 0 { "-" } else { "" };
    let magnitude = nanoseconds.unsigned_abs();
    let fraction = |value: u64, digits: usize| {
        let unit = 10u64.pow(digits as u32);
        let text = format!("{:0digits$}", value % unit);
        let text = text.trim_end_matches('0');
        let point = if text.is_empty() { "" } else { "." };
        format!("{}{point}{text}", value / unit)
    };
    match magnitude {
        0 => "0s".to_owned(),
        1..1_000 => format!("{sign}{magnitude}ns"),
        1_000..1_000_000 => format!("{sign}{}µs", fraction(magnitude, 3)),
        1_000_000..1_000_000_000 => format!("{sign}{}ms", fraction(magnitude, 6)),
        _ => {
            let seconds = magnitude / 1_000_000_000;
            let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
            let rest = fraction(seconds % 60 * 1_000_000_000 + magnitude % 1_000_000_000, 9);
            match (hours, minutes) {
                (0, 0) => format!("{sign}{rest}s"),
                (0, _) => format!("{sign}{minutes}m{rest}s"),
                _ => format!("{sign}{hours}h{minutes}m{rest}s"),
            }
        }
    }
}

/// `time.ParseDuration`. The error is Go's.
pub(crate) fn parse_duration(text: &[u8]) -> Result<i64, String> {
    let invalid = || format!("time: invalid duration {}", quote(text));
    let (negative, mut rest) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    if rest == b"0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let digits = count_digits(rest);
        let whole = rest[..digits].iter().try_fold(0u64, |number, digit| number.checked_mul(10)?.checked_add(u64::from(digit - b'0')));
        let whole = whole.filter(|&whole| whole <= 1 << 63).ok_or_else(invalid)?;
        rest = &rest[digits..];
        let (mut fraction, mut scale, mut fraction_digits) = (0u64, 1f64, 0);
        if let [b'.', after @ ..] = rest {
            fraction_digits = count_digits(after);
            for digit in &after[..fraction_digits] {
                if fraction > (i64::MAX as u64) / 10 {
                    break;
                }
                fraction = fraction * 10 + u64::from(digit - b'0');
                scale *= 10.0;
            }
            rest = &after[fraction_digits..];
        }
        if digits == 0 && fraction_digits == 0 {
            return Err(invalid());
        }
        let length = rest.iter().take_while(|&&byte| byte != b'.' && !byte.is_ascii_digit()).count();
        if length == 0 {
            return Err(format!("time: missing unit in duration {}", quote(text)));
        }
        let unit: u64 = match &rest[..length] {
            b"ns" => 1,
            unit if unit == "µs".as_bytes() || unit == "μs".as_bytes() || unit == b"us" => 1_000,
            b"ms" => 1_000_000,
            b"s" => 1_000_000_000,
            b"m" => 60_000_000_000,
            b"h" => 3_600_000_000_000,
            unit => return Err(format!("time: unknown unit {} in duration {}", quote(unit), quote(text))),
        };
        rest = &rest[length..];
        let part = whole.checked_mul(unit).and_then(|part| part.checked_add((fraction as f64 * (unit as f64 / scale)) as u64));
        total = part.and_then(|part| total.checked_add(part)).filter(|&total| total <= 1 << 63).ok_or_else(invalid)?;
    }
    if negative {
        return Ok((total as i64).wrapping_neg());
    }
    i64::try_from(total).map_err(|_| invalid())
}

fn count_digits(text: &[u8]) -> usize {
    text.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

/// `time.Duration.Truncate`.
pub(crate) fn truncate_duration(duration: i64, unit: i64) -> i64 {
    if unit <= 0 { duration } else { duration - duration % unit }
}

/// `time.Duration.Round`: halves away from zero.
pub(crate) fn round_duration(duration: i64, unit: i64) -> i64 {
    if unit <= 0 {
        return duration;
    }
    let rest = (duration % unit).abs();
    let truncated = duration - duration % unit;
    let up = u64::try_from(rest).unwrap_or(0) * 2 >= unit as u64;
    match (up, duration < 0) {
        (false, _) => truncated,
        (true, true) => truncated.saturating_sub(unit),
        (true, false) => truncated.saturating_add(unit),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_durations_as_go_does() {
        let check = |nanoseconds: i64, expect: &str| assert_eq!(duration_string(nanoseconds), expect);
        check(0, "0s");
        check(999, "999ns");
        check(1_500, "1.5µs");
        check(-2_000_000, "-2ms");
        check(1_000_000_000, "1s");
        check(61_100_000_000, "1m1.1s");
        check(3_600_000_000_000, "1h0m0s");
        check(i64::MIN, "-2562047h47m16.854775808s");
    }

    #[test]
    fn reads_durations_as_go_does() {
        let check = |text: &str, expect: Result<i64, &str>| assert_eq!(parse_duration(text.as_bytes()), expect.map_err(str::to_owned), "{text}");
        check("1.5h", Ok(5_400_000_000_000));
        check("-1m30s", Ok(-90_000_000_000));
        check(".5s", Ok(500_000_000));
        check("1", Err("time: missing unit in duration \"1\""));
        check("1x", Err("time: unknown unit \"x\" in duration \"1x\""));
        check("", Err("time: invalid duration \"\""));
        check("9223372036854775808ns", Err("time: invalid duration \"9223372036854775808ns\""));
    }
}
