//! Layouts: Go's `time/format.go`, writing.

use super::{Civil, Time};

/// A part of a layout that stands for something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    LongMonth,
    Month,
    NumMonth,
    ZeroMonth,
    LongWeekday,
    Weekday,
    Day,
    UnderDay,
    ZeroDay,
    UnderYearDay,
    ZeroYearDay,
    Hour,
    Hour12,
    ZeroHour12,
    Minute,
    ZeroMinute,
    Second,
    ZeroSecond,
    LongYear,
    Year,
    Pm,
    LowerPm,
    Zone,
    Offset(Offset),
    /// Digits of a fraction, the byte before them, and whether zeros at the end are left out.
    Fraction {
        digits: usize,
        separator: u8,
        trims: bool,
    },
}

/// How an offset is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Offset {
    /// `Z` for UTC.
    pub(super) iso: bool,
    pub(super) colon: bool,
    pub(super) minutes: bool,
    pub(super) seconds: bool,
}

pub(super) const MONTHS: [&str; 12] =
    ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];
pub(super) const WEEKDAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// `time.Month.String`.
pub(crate) fn month_name(month: i64) -> String {
    let name = usize::try_from(month - 1).ok().and_then(|index| MONTHS.get(index));
    name.map_or_else(|| format!("%!Month({month})"), |&name| name.to_owned())
}

/// `time.Weekday.String`.
pub(crate) fn weekday_name(day: i64) -> String {
    let name = usize::try_from(day).ok().and_then(|index| WEEKDAYS.get(index));
    name.map_or_else(|| format!("%!Weekday({day})"), |&name| name.to_owned())
}

/// `nextStdChunk`: what precedes the first part, the part, and the rest.
pub(super) fn next_part(layout: &[u8]) -> (&[u8], Option<Part>, &[u8]) {
    for start in 0..layout.len() {
        if let Some((skip, part, length)) = part_at(layout, start) {
            return (&layout[..start + skip], Some(part), &layout[start + skip + length..]);
        }
    }
    (layout, None, &[])
}

/// The part that begins at a byte: how many bytes of it are text after all, the part, and its length.
fn part_at(layout: &[u8], start: usize) -> Option<(usize, Part, usize)> {
    let rest = &layout[start..];
    let lower_follows = |length: usize| rest.get(length).is_some_and(u8::is_ascii_lowercase);
    let found = |part, length| Some((0, part, length));
    match rest[0] {
        b'J' if rest.starts_with(b"January") => found(Part::LongMonth, 7),
        b'J' if rest.starts_with(b"Jan") && !lower_follows(3) => found(Part::Month, 3),
        b'M' if rest.starts_with(b"Monday") => found(Part::LongWeekday, 6),
        b'M' if rest.starts_with(b"Mon") && !lower_follows(3) => found(Part::Weekday, 3),
        b'M' if rest.starts_with(b"MST") => found(Part::Zone, 3),
        b'0' if rest.starts_with(b"002") => found(Part::ZeroYearDay, 3),
        b'0' => match rest.get(1)? {
            b'1' => found(Part::ZeroMonth, 2),
            b'2' => found(Part::ZeroDay, 2),
            b'3' => found(Part::ZeroHour12, 2),
            b'4' => found(Part::ZeroMinute, 2),
            b'5' => found(Part::ZeroSecond, 2),
            b'6' => found(Part::Year, 2),
            _ => None,
        },
        b'1' if rest.starts_with(b"15") => found(Part::Hour, 2),
        b'1' => found(Part::NumMonth, 1),
        b'2' if rest.starts_with(b"2006") => found(Part::LongYear, 4),
        b'2' => found(Part::Day, 1),
        b'_' if rest.starts_with(b"_2006") => Some((1, Part::LongYear, 4)),
        b'_' if rest.starts_with(b"_2") => found(Part::UnderDay, 2),
        b'_' if rest.starts_with(b"__2") => found(Part::UnderYearDay, 3),
        b'3' => found(Part::Hour12, 1),
        b'4' => found(Part::Minute, 1),
        b'5' => found(Part::Second, 1),
        b'P' if rest.starts_with(b"PM") => found(Part::Pm, 2),
        b'p' if rest.starts_with(b"pm") => found(Part::LowerPm, 2),
        sign @ (b'-' | b'Z') => {
            let (minutes, seconds, colon, length) = match &rest[1..] {
                [b'0', b'7', b'0', b'0', b'0', b'0', ..] => (true, true, false, 7),
                [b'0', b'7', b':', b'0', b'0', b':', b'0', b'0', ..] => (true, true, true, 9),
                [b'0', b'7', b'0', b'0', ..] => (true, false, false, 5),
                [b'0', b'7', b':', b'0', b'0', ..] => (true, false, true, 6),
                [b'0', b'7', ..] => (false, false, false, 3),
                _ => return None,
            };
            found(Part::Offset(Offset { iso: sign == b'Z', colon, minutes, seconds }), length)
        }
        separator @ (b'.' | b',') => {
            let digit = *rest.get(1).filter(|digit| matches!(digit, b'0' | b'9'))?;
            let digits = rest[1..].iter().take_while(|&&byte| byte == digit).count();
            if rest.get(1 + digits).is_some_and(u8::is_ascii_digit) {
                return None;
            }
            found(Part::Fraction { digits, separator, trims: digit == b'9' }, 1 + digits)
        }
        _ => None,
    }
}

/// Writes a time in a layout.
pub(super) fn format(time: &Time, layout: &[u8]) -> Vec<u8> {
    let (name, offset, _) = time.zone_info();
    let civil = time.civil();
    let mut out = Vec::with_capacity(layout.len() + 10);
    let mut rest = layout;
    loop {
        let (prefix, part, suffix) = next_part(rest);
        out.extend_from_slice(prefix);
        let Some(part) = part else { return out };
        rest = suffix;
        match part {
            Part::Zone if !name.is_empty() => out.extend_from_slice(name.as_bytes()),
            Part::Zone => append_offset(&mut out, offset, Offset { iso: false, colon: false, minutes: true, seconds: false }),
            Part::Offset(Offset { iso: true, .. }) if offset == 0 => out.push(b'Z'),
            Part::Offset(style) => append_offset(&mut out, offset, style),
            Part::Fraction { digits, separator, trims } => append_fraction(&mut out, time.nanoseconds, digits, separator, trims),
            part => out.extend_from_slice(date_or_clock(part, &civil).as_bytes()),
        }
    }
}

fn date_or_clock(part: Part, civil: &Civil) -> String {
    let hour12 = if civil.hour.is_multiple_of(12) { 12 } else { civil.hour % 12 };
    match part {
        Part::Year => format!("{:02}", civil.year.abs() % 100),
        Part::LongYear if civil.year < 0 => format!("-{:04}", -civil.year),
        Part::LongYear => format!("{:04}", civil.year),
        Part::Month => month_name(civil.month.into())[..3].to_owned(),
        Part::LongMonth => month_name(civil.month.into()),
        Part::NumMonth => civil.month.to_string(),
        Part::ZeroMonth => format!("{:02}", civil.month),
        Part::Weekday => weekday_name(civil.weekday.into())[..3].to_owned(),
        Part::LongWeekday => weekday_name(civil.weekday.into()),
        Part::Day => civil.day.to_string(),
        Part::UnderDay => format!("{:2}", civil.day),
        Part::ZeroDay => format!("{:02}", civil.day),
        Part::UnderYearDay => format!("{:3}", civil.year_day),
        Part::ZeroYearDay => format!("{:03}", civil.year_day),
        Part::Hour => format!("{:02}", civil.hour),
        Part::Hour12 => hour12.to_string(),
        Part::ZeroHour12 => format!("{hour12:02}"),
        Part::Minute => civil.minute.to_string(),
        Part::ZeroMinute => format!("{:02}", civil.minute),
        Part::Second => civil.second.to_string(),
        Part::ZeroSecond => format!("{:02}", civil.second),
        Part::Pm => if civil.hour >= 12 { "PM" } else { "AM" }.to_owned(),
        Part::LowerPm => if civil.hour >= 12 { "pm" } else { "am" }.to_owned(),
        Part::Zone | Part::Offset(_) | Part::Fraction { .. } => String::new(),
    }
}

fn append_offset(out: &mut Vec<u8>, offset: i64, style: Offset) {
    let minutes = (offset / 60).abs();
    out.push(if offset / 60 < 0 { b'-' } else { b'+' });
    out.extend_from_slice(format!("{:02}", minutes / 60).as_bytes());
    if style.colon {
        out.push(b':');
    }
    if style.minutes {
        out.extend_from_slice(format!("{:02}", minutes % 60).as_bytes());
    }
    if style.seconds {
        if style.colon {
            out.push(b':');
        }
        out.extend_from_slice(format!("{:02}", offset.abs() % 60).as_bytes());
    }
}

fn append_fraction(out: &mut Vec<u8>, nanoseconds: u32, digits: usize, separator: u8, trims: bool) {
    if trims && nanoseconds == 0 {
        return;
    }
    let text = format!("{nanoseconds:09}");
    let text = &text[..digits.min(9)];
    let text = if trims { text.trim_end_matches('0') } else { text };
    if !text.is_empty() {
        out.push(separator);
        out.extend_from_slice(text.as_bytes());
    }
}
