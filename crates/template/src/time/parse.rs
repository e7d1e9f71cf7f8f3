//! Layouts: Go's `time/format.go`, reading.

use super::layout::{MONTHS, Offset, Part, WEEKDAYS, next_part};
use super::{DAY_SECONDS, Time, Zone, days_from_civil};

/// What is known of the time so far.
#[derive(Default)]
struct Fields {
    year: i64,
    month: Option<i64>,
    day: Option<i64>,
    year_day: Option<i64>,
    hour: i64,
    minute: i64,
    second: i64,
    nanoseconds: u32,
    am: bool,
    pm: bool,
    utc: bool,
    offset: Option<i64>,
    zone: Option<String>,
}

/// Why a part can't be read.
enum Bad {
    Syntax,
    Range(&'static str),
}

type Read<T> = Result<T, Bad>;

/// `time.Parse`, where the local zone is UTC. The error is Go's.
pub(crate) fn parse(layout: &[u8], value: &[u8]) -> Result<Time, String> {
    let mut fields = Fields::default();
    let (mut layout_rest, mut rest) = (layout, value);
    loop {
        let (prefix, part, suffix) = next_part(layout_rest);
        let element = &layout_rest[prefix.len()..layout_rest.len() - suffix.len()];
        let (skipped, complete) = skip(rest, prefix);
        rest = skipped;
        if !complete {
            return Err(cannot_parse(layout, value, prefix, rest));
        }
        let Some(part) = part else {
            if !rest.is_empty() {
                return Err(wrong(value, &format!("extra text: {}", quote(rest))));
            }
            break;
        };
        layout_rest = suffix;
        match fields.read(part, rest, layout_rest) {
            Ok(after) => rest = after,
            Err(Bad::Syntax) => return Err(cannot_parse(layout, value, element, rest)),
            Err(Bad::Range(what)) => return Err(wrong(value, &format!("{what} out of range"))),
        }
    }
    fields.time().map_err(|what| wrong(value, what))
}

fn cannot_parse(layout: &[u8], value: &[u8], element: &[u8], rest: &[u8]) -> String {
    format!("parsing time {} as {}: cannot parse {} as {}", quote(value), quote(layout), quote(rest), quote(element))
}

fn wrong(value: &[u8], what: &str) -> String {
    format!("parsing time {}: {what}", quote(value))
}

/// Go's own quoting in this package: bytes of runes that aren't ASCII in hexadecimal.
pub(super) fn quote(text: &[u8]) -> String {
    let mut out = String::from("\"");
    for &byte in text {
        match byte {
            b'"' | b'\\' => out.extend(['\\', char::from(byte)]),
            b' '..=b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("\\x{byte:02x}")),
        }
    }
    out.push('"');
    out
}

/// Passes over text of the layout, where one space stands for any number of them.
fn skip<'a>(value: &'a [u8], prefix: &[u8]) -> (&'a [u8], bool) {
    let (mut value, mut prefix) = (value, prefix);
    while let Some(&expected) = prefix.first() {
        if expected == b' ' {
            if value.first().is_some_and(|&byte| byte != b' ') {
                return (value, false);
            }
            prefix = trim_spaces(prefix);
            value = trim_spaces(value);
            continue;
        }
        if value.first() != Some(&expected) {
            return (value, false);
        }
        prefix = &prefix[1..];
        value = &value[1..];
    }
    (value, true)
}

fn trim_spaces(text: &[u8]) -> &[u8] {
    &text[text.iter().take_while(|&&byte| byte == b' ').count()..]
}

impl Fields {
    /// Reads a part; gives what follows it. `layout` is what the layout goes on with.
    fn read<'a>(&mut self, part: Part, value: &'a [u8], layout: &[u8]) -> Read<&'a [u8]> {
        match part {
            Part::Year => {
                let (digits, rest) = value.split_at_checked(2).ok_or(Bad::Syntax)?;
                let year = number(digits)?;
                self.year = year + if year >= 69 { 1900 } else { 2000 };
                Ok(rest)
            }
            Part::LongYear => {
                let (digits, rest) = value.split_at_checked(4).filter(|(digits, _)| digits[0].is_ascii_digit()).ok_or(Bad::Syntax)?;
                self.year = number(digits)?;
                Ok(rest)
            }
            Part::Month | Part::LongMonth => {
                let (index, rest) = look_up(&MONTHS, value, part == Part::Month)?;
                self.month = Some(index + 1);
                Ok(rest)
            }
            Part::NumMonth | Part::ZeroMonth => {
                let (month, rest) = two_digits(value, part == Part::ZeroMonth)?;
                self.month = Some(in_range(month, 1..=12, "month")?);
                Ok(rest)
            }
            Part::Weekday | Part::LongWeekday => Ok(look_up(&WEEKDAYS, value, part == Part::Weekday)?.1),
            Part::Day | Part::UnderDay | Part::ZeroDay => {
                let value = value.strip_prefix(b" ").filter(|_| part == Part::UnderDay).unwrap_or(value);
                let (day, rest) = two_digits(value, part == Part::ZeroDay)?;
                self.day = Some(day);
                Ok(rest)
            }
            Part::UnderYearDay | Part::ZeroYearDay => self.read_year_day(value, part == Part::ZeroYearDay),
            Part::Hour => {
                let (hour, rest) = two_digits(value, false)?;
                self.hour = in_range(hour, 0..=23, "hour")?;
                Ok(rest)
            }
            Part::Hour12 | Part::ZeroHour12 => {
                let (hour, rest) = two_digits(value, part == Part::ZeroHour12)?;
                self.hour = in_range(hour, 0..=12, "hour")?;
                Ok(rest)
            }
            Part::Minute | Part::ZeroMinute => {
                let (minute, rest) = two_digits(value, part == Part::ZeroMinute)?;
                self.minute = in_range(minute, 0..=59, "minute")?;
                Ok(rest)
            }
            Part::Second | Part::ZeroSecond => self.read_second(value, part == Part::ZeroSecond, layout),
            Part::Pm | Part::LowerPm => {
                let (half, rest) = value.split_at_checked(2).ok_or(Bad::Syntax)?;
                match (part, half) {
                    (Part::Pm, b"PM") | (Part::LowerPm, b"pm") => self.pm = true,
                    (Part::Pm, b"AM") | (Part::LowerPm, b"am") => self.am = true,
                    _ => return Err(Bad::Syntax),
                }
                Ok(rest)
            }
            Part::Offset(style) => self.read_offset(value, style),
            Part::Zone => self.read_zone(value),
            Part::Fraction { digits, trims: false, .. } => {
                let (fraction, rest) = value.split_at_checked(1 + digits).ok_or(Bad::Syntax)?;
                self.nanoseconds = nanoseconds(fraction)?;
                Ok(rest)
            }
            Part::Fraction { .. } => {
                let digits = value.get(1..).map_or(0, |digits| digits.iter().take_while(|byte| byte.is_ascii_digit()).count());
                if digits == 0 || !matches!(value[0], b'.' | b',') {
                    return Ok(value);
                }
                self.nanoseconds = nanoseconds(&value[..=digits])?;
                Ok(&value[1 + digits..])
            }
        }
    }

    fn read_year_day<'a>(&mut self, value: &'a [u8], fixed: bool) -> Read<&'a [u8]> {
        let mut value = value;
        for _ in 0..2 {
            value = value.strip_prefix(b" ").filter(|_| !fixed).unwrap_or(value);
        }
        let digits = value.iter().take(3).take_while(|byte| byte.is_ascii_digit()).count();
        if digits == 0 || fixed && digits != 3 {
            return Err(Bad::Syntax);
        }
        self.year_day = Some(number(&value[..digits])?);
        Ok(&value[digits..])
    }

    fn read_second<'a>(&mut self, value: &'a [u8], fixed: bool, layout: &[u8]) -> Read<&'a [u8]> {
        let (second, rest) = two_digits(value, fixed)?;
        self.second = in_range(second, 0..=59, "second")?;
        // A fraction that the layout doesn't have is read all the same.
        if let [b'.' | b',', b'0'..=b'9', ..] = rest
            && !matches!(next_part(layout).1, Some(Part::Fraction { .. }))
        {
            let digits = rest[1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
            self.nanoseconds = nanoseconds(&rest[..=digits])?;
            return Ok(&rest[1 + digits..]);
        }
        Ok(rest)
    }

    fn read_offset<'a>(&mut self, value: &'a [u8], style: Offset) -> Read<&'a [u8]> {
        if let (true, Some(rest)) = (style.iso, value.strip_prefix(b"Z")) {
            self.utc = true;
            return Ok(rest);
        }
        let Offset { colon, minutes, seconds, .. } = style;
        let width = 2 + usize::from(colon);
        let length = 3 + usize::from(minutes) * width + usize::from(seconds) * width;
        let (text, rest) = value.split_at_checked(length).ok_or(Bad::Syntax)?;
        if colon && (text[3] != b':' || seconds && text[6] != b':') {
            return Err(Bad::Syntax);
        }
        let pair = |at: usize| text.get(at..at + 2).map_or(Ok(0), |digits| two_digits(digits, true).map(|(number, _)| number));
        let first = 3 + usize::from(colon);
        let hours = pair(1)?;
        let minute = if minutes { pair(first)? } else { 0 };
        let second = if seconds { pair(first + width)? } else { 0 };
        in_range(hours, 0..=24, "time zone offset hour")?;
        in_range(minute, 0..=60, "time zone offset minute")?;
        in_range(second, 0..=60, "time zone offset second")?;
        let offset = (hours * 60 + minute) * 60 + second;
        self.offset = Some(match text[0] {
            b'+' => offset,
            b'-' => -offset,
            _ => return Err(Bad::Syntax),
        });
        Ok(rest)
    }

    fn read_zone<'a>(&mut self, value: &'a [u8]) -> Read<&'a [u8]> {
        if let Some(rest) = value.strip_prefix(b"UTC") {
            self.utc = true;
            return Ok(rest);
        }
        let (name, rest) = value.split_at(zone_length(value).ok_or(Bad::Syntax)?);
        self.zone = Some(crate::quote::lossy(name));
        Ok(rest)
    }

    fn time(mut self) -> Result<Time, &'static str> {
        if self.pm && self.hour < 12 {
            self.hour += 12;
        } else if self.am && self.hour == 12 {
            self.hour = 0;
        }
        let (month, day) = self.date()?;
        if day < 1 || day > days_in(month, self.year) {
            return Err("day out of range");
        }
        let local = days_from_civil(self.year, month, day) * DAY_SECONDS + self.hour * 3600 + self.minute * 60 + self.second;
        let time = Time { seconds: local, nanoseconds: self.nanoseconds, zone: Zone::Local };
        if self.utc {
            return Ok(time.in_utc());
        }
        if let Some(offset) = self.offset {
            let moment = Time { seconds: local - offset, ..time };
            let name = self.zone.unwrap_or_default();
            return Ok(if offset == 0 && (name.is_empty() || name == "UTC") { moment } else { moment.in_offset(name, offset) });
        }
        match self.zone {
            Some(name) => {
                let hours = name.strip_prefix("GMT").and_then(|hours| hours.parse::<i64>().ok()).unwrap_or(0);
                // Go takes the name's offset for what is shown, and leaves the moment as if it were UTC.
                Ok(time.in_offset(name, hours * 3600))
            }
            None => Ok(time),
        }
    }

    fn date(&self) -> Result<(i64, i64), &'static str> {
        let Some(year_day) = self.year_day else { return Ok((self.month.unwrap_or(1), self.day.unwrap_or(1))) };
        if year_day < 1 || year_day > if is_leap(self.year) { 366 } else { 365 } {
            return Err("day-of-year out of range");
        }
        let (mut month, mut day) = (1, year_day);
        while day > days_in(month, self.year) {
            day -= days_in(month, self.year);
            month += 1;
        }
        if self.month.is_some_and(|given| given != month) {
            return Err("day-of-year does not match month");
        }
        if self.day.is_some_and(|given| given != day) {
            return Err("day-of-year does not match day");
        }
        Ok((month, day))
    }
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_in(month: i64, year: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Go's `atoi`: digits, perhaps with a sign.
fn number(text: &[u8]) -> Read<i64> {
    std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).ok_or(Bad::Syntax)
}

fn two_digits(value: &[u8], fixed: bool) -> Read<(i64, &[u8])> {
    match value {
        [a @ b'0'..=b'9', b @ b'0'..=b'9', rest @ ..] => Ok((i64::from(a - b'0') * 10 + i64::from(b - b'0'), rest)),
        [a @ b'0'..=b'9', rest @ ..] if !fixed => Ok((i64::from(a - b'0'), rest)),
        _ => Err(Bad::Syntax),
    }
}

fn in_range(number: i64, range: std::ops::RangeInclusive<i64>, what: &'static str) -> Read<i64> {
    if range.contains(&number) { Ok(number) } else { Err(Bad::Range(what)) }
}

fn look_up<'a>(names: &[&str], value: &'a [u8], short: bool) -> Read<(i64, &'a [u8])> {
    for (index, name) in names.iter().enumerate() {
        let name = if short { &name[..3] } else { name };
        if value.get(..name.len()).is_some_and(|text| text.eq_ignore_ascii_case(name.as_bytes())) {
            return Ok((index as i64, &value[name.len()..]));
        }
    }
    Err(Bad::Syntax)
}

fn nanoseconds(fraction: &[u8]) -> Read<u32> {
    let Some((b'.' | b',', digits)) = fraction.split_first() else { return Err(Bad::Syntax) };
    let digits = &digits[..digits.len().min(9)];
    if digits.first() == Some(&b'-') {
        return Err(Bad::Range("fractional second"));
    }
    let value = number(digits)?;
    let scale = 10i64.pow(9 - digits.len() as u32);
    u32::try_from(value * scale).map_err(|_| Bad::Syntax)
}

/// `parseTimeZone`: how many bytes an abbreviation has.
fn zone_length(value: &[u8]) -> Option<usize> {
    if value.len() < 3 {
        return None;
    }
    if value.starts_with(b"ChST") || value.starts_with(b"MeST") {
        return Some(4);
    }
    if value.starts_with(b"GMT") {
        return Some(3 + signed_offset_length(&value[3..]));
    }
    if matches!(value[0], b'+' | b'-') {
        return Some(signed_offset_length(value)).filter(|&length| length > 0);
    }
    match value.iter().take(6).take_while(|byte| byte.is_ascii_uppercase()).count() {
        5 if value[4] == b'T' => Some(5),
        4 if value[3] == b'T' || value.starts_with(b"WITA") => Some(4),
        3 => Some(3),
        _ => None,
    }
}

fn signed_offset_length(value: &[u8]) -> usize {
    let Some((b'+' | b'-', digits)) = value.split_first() else { return 0 };
    let count = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
    match number(&digits[..count]) {
        Ok(hours) if count > 0 && hours <= 23 => 1 + count,
        _ => 0,
    }
}
