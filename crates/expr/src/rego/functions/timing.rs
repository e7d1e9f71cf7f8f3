//! OPA's `time.format`, with Go's layouts: the interpreter's drops letters that it doesn't know, such as the `Z` of a signature's time stamp. And
//! `time.add_date`: the interpreter's has none for a day that the year doesn't have.

use super::{Outcome, Stop, Value, integer, meter, text};
use chrono::{DateTime, Datelike as _, NaiveDate, Offset as _, TimeDelta, Timelike as _, Utc};
use chrono_tz::{OffsetName as _, Tz};
use std::fmt::Write as _;

/// Layouts that have a name in Go.
const NAMED: &[(&str, &str)] = &[
    ("ANSIC", "Mon Jan _2 15:04:05 2006"),
    ("RFC1123", "Mon, 02 Jan 2006 15:04:05 MST"),
    ("RFC1123Z", "Mon, 02 Jan 2006 15:04:05 -0700"),
    ("RFC3339", "2006-01-02T15:04:05Z07:00"),
    ("RFC3339Nano", "2006-01-02T15:04:05.999999999Z07:00"),
    ("RFC822", "02 Jan 06 15:04 MST"),
    ("RFC822Z", "02 Jan 06 15:04 -0700"),
    ("RFC850", "Monday, 02-Jan-06 15:04:05 MST"),
    ("RubyDate", "Mon Jan 02 15:04:05 -0700 2006"),
    ("UnixDate", "Mon Jan _2 15:04:05 MST 2006"),
];

/// `time.format(ns)`, `time.format([ns, zone])`, `time.format([ns, zone, layout])`: RFC 3339 and UTC, where nothing else is said.
pub(super) fn format(arguments: &[Value]) -> Outcome {
    let (ns, zone, layout) = match arguments.first() {
        Some(Value::Array(parts)) if parts.len() == 2 => (integer(parts.get(0))?, text(parts.get(1))?, "RFC3339Nano"),
        Some(Value::Array(parts)) if parts.len() == 3 => (integer(parts.get(0))?, text(parts.get(1))?, text(parts.get(2))?),
        value => (integer(value)?, "", "RFC3339Nano"),
    };
    let zone: Tz = match zone {
        "" | "UTC" | "Local" => Tz::UTC,
        name => name.parse().map_err(|_| Stop::Undefined)?,
    };
    meter::charge(layout.len())?;
    let layout = NAMED.iter().find(|(name, _)| *name == layout).map_or(layout, |(_, layout)| layout);
    Ok(Value::from(write(DateTime::<Utc>::from_timestamp_nanos(ns).with_timezone(&zone), layout)))
}

/// `time.add_date(ns, years, months, days)` in UTC: a day that the month doesn't have is one of the next, as in Go.
pub(super) fn add_date(arguments: &[Value]) -> Outcome {
    // Also `[ns, zone]`: only the time counts, but the zone must be one.
    let (ns, zone) = match arguments.first() {
        Some(Value::Array(parts)) if parts.len() == 2 => (integer(parts.get(0))?, text(parts.get(1))?),
        value => (integer(value)?, ""),
    };
    let zone: Tz = match zone {
        "" | "UTC" | "Local" => Tz::UTC,
        name => name.parse().map_err(|_| Stop::Undefined)?,
    };
    let part = |index: usize| integer(arguments.get(index)).and_then(|part| i32::try_from(part).map_err(|_| Stop::Undefined));
    let (years, months, days) = (part(1)?, part(2)?, part(3)?);
    let time = DateTime::<Utc>::from_timestamp_nanos(ns).with_timezone(&zone);
    let months = i64::from(time.year()) * 12 + i64::from(time.month0()) + i64::from(years) * 12 + i64::from(months);
    let first = i32::try_from(months.div_euclid(12)).ok().zip(u32::try_from(months.rem_euclid(12)).ok());
    let added = first.and_then(|(year, month)| {
        let day = NaiveDate::from_ymd_opt(year, month + 1, 1)?;
        let day = day.checked_add_signed(TimeDelta::try_days(i64::from(time.day0()) + i64::from(days))?)?;
        day.and_time(time.time()).and_local_timezone(zone).earliest()?.timestamp_nanos_opt()
    });
    added.map(Value::from).ok_or(Stop::Undefined)
}

/// A time as Go's `Time.Format` writes it.
fn write(time: DateTime<Tz>, layout: &str) -> String {
    let mut out = String::with_capacity(layout.len() + 16);
    let mut rest = layout;
    'next: while let Some(first) = rest.chars().next() {
        for (element, part) in ELEMENTS {
            if let Some(after) = rest.strip_prefix(element) {
                let is_word = matches!(part, Part::ShortMonth | Part::ShortDay) && after.starts_with(|c: char| c.is_ascii_lowercase());
                if !is_word {
                    append(time, *part, &mut out);
                    rest = after;
                    continue 'next;
                }
            }
        }
        if let Some((digits, keep)) = fraction(rest) {
            append_fraction(time.nanosecond(), first, digits, keep, &mut out);
            rest = rest.get(1 + digits..).unwrap_or_default();
            continue;
        }
        out.push(first);
        rest = rest.get(first.len_utf8()..).unwrap_or_default();
    }
    out
}

#[derive(Clone, Copy)]
enum Part {
    LongMonth,
    ShortMonth,
    Month { zeros: usize },
    LongDay,
    ShortDay,
    Day { zeros: usize },
    SpacedDay,
    DayOfYear,
    SpacedDayOfYear,
    Hour,
    HalfDayHour { zeros: usize },
    Minute { zeros: usize },
    Second { zeros: usize },
    LongYear,
    SpacedYear,
    ShortYear,
    HalfDay { capital: bool },
    Zone,
    Offset { z: bool, colon: bool, minutes: bool, seconds: bool },
}

/// What a layout is made of; longer ones before those that they begin with.
const ELEMENTS: &[(&str, Part)] = &[
    ("January", Part::LongMonth),
    ("Jan", Part::ShortMonth),
    ("Monday", Part::LongDay),
    ("Mon", Part::ShortDay),
    ("MST", Part::Zone),
    ("002", Part::DayOfYear),
    ("01", Part::Month { zeros: 2 }),
    ("02", Part::Day { zeros: 2 }),
    ("03", Part::HalfDayHour { zeros: 2 }),
    ("04", Part::Minute { zeros: 2 }),
    ("05", Part::Second { zeros: 2 }),
    ("06", Part::ShortYear),
    ("15", Part::Hour),
    ("1", Part::Month { zeros: 1 }),
    ("2006", Part::LongYear),
    ("2", Part::Day { zeros: 1 }),
    ("_2006", Part::SpacedYear),
    ("__2", Part::SpacedDayOfYear),
    ("_2", Part::SpacedDay),
    ("3", Part::HalfDayHour { zeros: 1 }),
    ("4", Part::Minute { zeros: 1 }),
    ("5", Part::Second { zeros: 1 }),
    ("PM", Part::HalfDay { capital: true }),
    ("pm", Part::HalfDay { capital: false }),
    ("-070000", Part::Offset { z: false, colon: false, minutes: true, seconds: true }),
    ("-07:00:00", Part::Offset { z: false, colon: true, minutes: true, seconds: true }),
    ("-0700", Part::Offset { z: false, colon: false, minutes: true, seconds: false }),
    ("-07:00", Part::Offset { z: false, colon: true, minutes: true, seconds: false }),
    ("-07", Part::Offset { z: false, colon: false, minutes: false, seconds: false }),
    ("Z070000", Part::Offset { z: true, colon: false, minutes: true, seconds: true }),
    ("Z07:00:00", Part::Offset { z: true, colon: true, minutes: true, seconds: true }),
    ("Z0700", Part::Offset { z: true, colon: false, minutes: true, seconds: false }),
    ("Z07:00", Part::Offset { z: true, colon: true, minutes: true, seconds: false }),
    ("Z07", Part::Offset { z: true, colon: false, minutes: false, seconds: false }),
];

fn append(time: DateTime<Tz>, part: Part, out: &mut String) {
    let (is_pm, hour) = time.hour12();
    // Writing to a String can't fail.
    let _ = match part {
        Part::LongMonth => write!(out, "{}", time.format("%B")),
        Part::ShortMonth => write!(out, "{}", time.format("%b")),
        Part::Month { zeros } => write!(out, "{:0zeros$}", time.month()),
        Part::LongDay => write!(out, "{}", time.format("%A")),
        Part::ShortDay => write!(out, "{}", time.format("%a")),
        Part::Day { zeros } => write!(out, "{:0zeros$}", time.day()),
        Part::SpacedDay => write!(out, "{:2}", time.day()),
        Part::DayOfYear => write!(out, "{:03}", time.ordinal()),
        Part::SpacedDayOfYear => write!(out, "{:3}", time.ordinal()),
        Part::Hour => write!(out, "{:02}", time.hour()),
        Part::HalfDayHour { zeros } => write!(out, "{hour:0zeros$}"),
        Part::Minute { zeros } => write!(out, "{:0zeros$}", time.minute()),
        Part::Second { zeros } => write!(out, "{:0zeros$}", time.second()),
        Part::LongYear => write!(out, "{:04}", time.year()),
        Part::SpacedYear => write!(out, "_{:04}", time.year()),
        Part::ShortYear => write!(out, "{:02}", time.year().rem_euclid(100)),
        Part::HalfDay { capital } => write!(out, "{}", if capital { ["AM", "PM"] } else { ["am", "pm"] }[usize::from(is_pm)]),
        Part::Zone => write!(out, "{}", time.offset().abbreviation().unwrap_or("UTC")),
        Part::Offset { z, colon, minutes, seconds } => {
            let offset = time.offset().fix().local_minus_utc();
            if z && offset == 0 {
                write!(out, "Z")
            } else {
                let (sign, offset) = (if offset < 0 { '-' } else { '+' }, offset.unsigned_abs());
                let colon = if colon { ":" } else { "" };
                let minute = if minutes { format!("{colon}{:02}", offset / 60 % 60) } else { String::new() };
                let second = if seconds { format!("{colon}{:02}", offset % 60) } else { String::new() };
                write!(out, "{sign}{:02}{minute}{second}", offset / 3600)
            }
        }
    };
}

/// `.000` or `,999`, if no other digit follows: how many digits, and whether zeros at the end stay.
fn fraction(rest: &str) -> Option<(usize, bool)> {
    let after = rest.strip_prefix(['.', ','])?;
    let digit = after.chars().next().filter(|c| matches!(c, '0' | '9'))?;
    let digits = after.len() - after.trim_start_matches(digit).len();
    let is_end = !after.get(digits..)?.starts_with(|c: char| c.is_ascii_digit());
    is_end.then_some((digits, digit == '0'))
}

fn append_fraction(nanoseconds: u32, separator: char, digits: usize, keep: bool, out: &mut String) {
    let all = format!("{:09}", nanoseconds % 1_000_000_000);
    let mut shown = all.get(..digits.min(9)).unwrap_or_default();
    if !keep {
        shown = shown.trim_end_matches('0');
    }
    if !shown.is_empty() {
        out.push(separator);
        out.push_str(shown);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layouts_are_gos() {
        let check = |layout: &str, zone: &str, expect: &str| {
            let arguments = [Value::from(vec![Value::from(1_684_318_830_120_000_000_i64), Value::from(zone), Value::from(layout)])];
            let found = meter::metered(|| format(&arguments)).unwrap().unwrap_or_else(|_| panic!("{layout} fails"));
            assert_eq!(found, Value::from(expect), "{layout}");
        };
        check("20060102T150405Z", "UTC", "20230517T102030Z");
        check("RFC1123", "UTC", "Wed, 17 May 2023 10:20:30 UTC");
        check("RFC1123Z", "America/New_York", "Wed, 17 May 2023 06:20:30 -0400");
        check("RFC3339", "", "2023-05-17T10:20:30Z");
        check("RFC3339Nano", "", "2023-05-17T10:20:30.12Z");
        check("2006-01-02T15:04:05.000Z07:00", "Asia/Kolkata", "2023-05-17T15:50:30.120+05:30");
        check("Mon Jan _2 15:04:05 MST 2006", "America/New_York", "Wed May 17 06:20:30 EDT 2023");
        check("Monday, January 2, 3:04PM 06 002", "UTC", "Wednesday, May 17, 10:20AM 23 137");
        check("1/2 03:4:5 pm -07 Z0700", "America/New_York", "5/17 06:20:30 am -04 -0400");
        check("Month .99x .009", "UTC", "Month .12x .009");
    }

    #[test]
    fn what_is_no_time_is_undefined() {
        for arguments in [Value::from("x"), Value::from(vec![Value::from(0_i64)]), Value::from(vec![Value::from(0_i64), Value::from("Nowhere/At_All")])] {
            assert!(matches!(meter::metered(|| format(std::slice::from_ref(&arguments))), Ok(Err(Stop::Undefined))), "{arguments}");
        }
    }

    #[test]
    fn dates_are_added_as_go_does() {
        let check = |from: i64, added: [i32; 3], expect: i64| {
            let arguments = [Value::from(from), Value::from(i64::from(added[0])), Value::from(i64::from(added[1])), Value::from(i64::from(added[2]))];
            let found = meter::metered(|| add_date(&arguments)).unwrap().unwrap_or_else(|_| panic!("{added:?} fails"));
            assert_eq!(found, Value::from(expect), "{added:?}");
        };
        // From 2000-02-29T12:34:56Z: 2001-03-01, 2000-03-31, 1999-12-29.
        let leap = 951_827_696_000_000_000;
        check(leap, [1, 0, 0], 983_450_096_000_000_000);
        check(leap, [0, 0, 31], 954_506_096_000_000_000);
        check(leap, [0, -2, 0], 946_470_896_000_000_000);
    }
}
