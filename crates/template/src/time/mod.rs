//! Times and durations: what templates see of Go's package `time`.

mod duration;
mod layout;
mod parse;

use std::cmp::Ordering;
use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use jiff::tz::TimeZone;

pub(crate) use self::duration::{duration_string, parse_duration, round_duration, truncate_duration};
pub(crate) use self::layout::{month_name, weekday_name};
pub(crate) use self::parse::parse;

/// A moment, and the zone in which it is shown: Go's `time.Time`.
#[derive(Debug, Clone)]
pub struct Time {
    seconds: i64,
    nanoseconds: u32,
    zone: Zone,
}

#[derive(Debug, Clone)]
enum Zone {
    Utc,
    /// As UTC, but for its name.
    Local,
    /// From the database.
    Named(String, TimeZone),
    /// An offset that a text named, perhaps with a name.
    Fixed(String, i64),
}

/// A date and a time of day.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Civil {
    pub(crate) year: i64,
    pub(crate) month: u8,
    pub(crate) day: u8,
    pub(crate) hour: u8,
    pub(crate) minute: u8,
    pub(crate) second: u8,
    pub(crate) year_day: u16,
    /// From Sunday, which is 0.
    pub(crate) weekday: u8,
}

const DAY_SECONDS: i64 = 86_400;
/// From the beginning of year 1, where Go's zero time is, to that of 1970.
const YEAR_ONE_TO_1970: i64 = 62_135_596_800;
const NANOSECONDS: i64 = 1_000_000_000;

impl PartialEq for Time {
    fn eq(&self, other: &Self) -> bool {
        let zone = |time: &Self| match &time.zone {
            Zone::Utc => (String::new(), 0),
            Zone::Local => ("Local".to_owned(), 0),
            Zone::Named(name, _) => (name.clone(), 0),
            Zone::Fixed(name, offset) => (name.clone(), *offset),
        };
        (self.seconds, self.nanoseconds) == (other.seconds, other.nanoseconds) && zone(self) == zone(other)
    }
}

impl Time {
    /// Midnight of the first day of year 1, UTC.
    pub(crate) fn zero() -> Self {
        Self::unix_time(-YEAR_ONE_TO_1970, 0)
    }

    pub(crate) fn now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { zone: Zone::Local, ..Self::unix_time(since.as_secs() as i64, since.subsec_nanos()) }
    }

    /// So many seconds after 1970, UTC.
    pub(crate) fn unix_time(seconds: i64, nanoseconds: u32) -> Self {
        Self { seconds, nanoseconds, zone: Zone::Utc }
    }

    pub(crate) fn unix(&self) -> i64 {
        self.seconds
    }

    /// In units of which a second has so many; wraps as Go does.
    pub(crate) fn unix_in(&self, units: i64) -> i64 {
        self.seconds.wrapping_mul(units).wrapping_add(i64::from(self.nanoseconds) / (NANOSECONDS / units))
    }

    pub(crate) fn nanosecond(&self) -> u32 {
        self.nanoseconds
    }

    pub(crate) fn seconds_since_year_one(&self) -> i64 {
        self.seconds.wrapping_add(YEAR_ONE_TO_1970)
    }

    pub(crate) fn is_zero(&self) -> bool {
        self.seconds_since_year_one() == 0 && self.nanoseconds == 0
    }

    pub(crate) fn in_local(&self) -> Self {
        Self { zone: Zone::Local, ..self.clone() }
    }

    pub(crate) fn in_utc(&self) -> Self {
        Self { zone: Zone::Utc, ..self.clone() }
    }

    /// The same moment in a zone of the database. `None`: there's no such zone. `Local` is UTC here.
    pub(crate) fn in_zone(&self, name: &[u8]) -> Option<Self> {
        let name = std::str::from_utf8(name).ok()?;
        if matches!(name, "" | "UTC" | "Local") {
            return Some(self.in_utc());
        }
        // Go opens a file of that name, and some systems don't mind the case. Ours does.
        let zone = TimeZone::get(name).ok().filter(|zone| zone.iana_name() == Some(name))?;
        Some(Self { zone: Zone::Named(name.to_owned(), zone), ..self.clone() })
    }

    fn in_offset(&self, name: String, offset: i64) -> Self {
        Self { zone: Zone::Fixed(name, offset), ..self.clone() }
    }

    /// The abbreviation of the zone, the offset in seconds, and whether it is summer time.
    fn zone_info(&self) -> (String, i64, bool) {
        match &self.zone {
            Zone::Utc | Zone::Local => ("UTC".to_owned(), 0, false),
            Zone::Fixed(name, offset) => (name.clone(), *offset, false),
            Zone::Named(_, zone) => match Timestamp::from_second(self.seconds) {
                Ok(timestamp) => {
                    let info = zone.to_offset_info(timestamp);
                    (info.abbreviation().to_owned(), i64::from(info.offset().seconds()), info.dst().is_dst())
                }
                Err(_) => ("UTC".to_owned(), 0, false),
            },
        }
    }

    pub(crate) fn is_dst(&self) -> bool {
        self.zone_info().2
    }

    /// The name of the zone.
    pub(crate) fn location(&self) -> String {
        match &self.zone {
            Zone::Utc => "UTC".to_owned(),
            Zone::Local => "Local".to_owned(),
            Zone::Named(name, _) | Zone::Fixed(name, _) => name.clone(),
        }
    }

    /// What calendar and clock show in its zone.
    pub(crate) fn civil(&self) -> Civil {
        Civil::from_seconds(self.seconds.saturating_add(self.zone_info().1))
    }

    pub(crate) fn compare(&self, other: &Self) -> Ordering {
        (self.seconds, self.nanoseconds).cmp(&(other.seconds, other.nanoseconds))
    }

    pub(crate) fn add(&self, nanoseconds: i64) -> Self {
        let nanos = i64::from(self.nanoseconds) + nanoseconds.rem_euclid(NANOSECONDS);
        let seconds = self.seconds.wrapping_add(nanoseconds.div_euclid(NANOSECONDS)).wrapping_add(nanos / NANOSECONDS);
        Self { seconds, nanoseconds: (nanos % NANOSECONDS) as u32, zone: self.zone.clone() }
    }

    /// Nanoseconds since another time, as many as there can be.
    pub(crate) fn since(&self, other: &Self) -> i64 {
        let seconds = i128::from(self.seconds) - i128::from(other.seconds);
        let nanoseconds = seconds * i128::from(NANOSECONDS) + i128::from(self.nanoseconds) - i128::from(other.nanoseconds);
        i64::try_from(nanoseconds).unwrap_or(if nanoseconds < 0 { i64::MIN } else { i64::MAX })
    }

    /// The same time of day so many years, months and days later; days that a month doesn't have are of the next.
    pub(crate) fn add_date(&self, years: i64, months: i64, days: i64) -> Self {
        let civil = self.civil();
        let months = (i64::from(civil.month) - 1).wrapping_add(months);
        let year = civil.year.wrapping_add(years).wrapping_add(months.div_euclid(12)).clamp(-MAX_YEAR, MAX_YEAR);
        let day = i64::from(civil.day).wrapping_add(days).clamp(-MAX_YEAR * 366, MAX_YEAR * 366);
        let date = days_from_civil(year, months.rem_euclid(12) + 1, 1) + day - 1;
        let clock = i64::from(civil.hour) * 3600 + i64::from(civil.minute) * 60 + i64::from(civil.second);
        self.at_local(date * DAY_SECONDS + clock)
    }

    /// The moment at which clocks of the zone show so many seconds after 1970.
    fn at_local(&self, local: i64) -> Self {
        // As Go: the offset is guessed, and guessed again if it turns out to be another one then.
        let mut moment = Self { seconds: local, ..self.clone() };
        let first = moment.zone_info().1;
        moment.seconds = local - first;
        let second = moment.zone_info().1;
        if first != second {
            moment.seconds = local - second;
            if moment.zone_info().1 != second {
                moment.seconds = local - first;
            }
        }
        moment
    }

    /// Rounds down to a multiple of a duration since the zero time.
    pub(crate) fn truncate(&self, unit: i64) -> Self {
        if unit <= 0 { self.clone() } else { self.add(-(self.remainder(unit) as i64)) }
    }

    /// Rounds to the nearest multiple of a duration since the zero time, halves up.
    pub(crate) fn round(&self, unit: i64) -> Self {
        if unit <= 0 {
            return self.clone();
        }
        let rest = self.remainder(unit) as i64;
        if rest < unit - rest { self.add(-rest) } else { self.add(unit - rest) }
    }

    fn remainder(&self, unit: i64) -> i128 {
        let since = i128::from(self.seconds_since_year_one()) * i128::from(NANOSECONDS) + i128::from(self.nanoseconds);
        since.rem_euclid(i128::from(unit))
    }

    /// As Go formats it with a layout.
    pub(crate) fn format(&self, layout: &[u8]) -> Vec<u8> {
        layout::format(self, layout)
    }

    /// `%#v`.
    pub(crate) fn go_string(&self) -> String {
        let civil = self.civil();
        let zone = match &self.zone {
            Zone::Utc => "time.UTC".to_owned(),
            Zone::Local => "time.Local".to_owned(),
            Zone::Named(name, _) | Zone::Fixed(name, _) => format!("time.Location({})", crate::quote::quote(name.as_bytes())),
        };
        let Civil { year, day, hour, minute, second, .. } = civil;
        format!("time.Date({year}, time.{}, {day}, {hour}, {minute}, {second}, {}, {zone})", month_name(civil.month.into()), self.nanoseconds)
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.format(b"2006-01-02 15:04:05.999999999 -0700 MST")))
    }
}

/// Years that are computed with.
const MAX_YEAR: i64 = 200_000_000_000;

impl Civil {
    fn from_seconds(seconds: i64) -> Self {
        let days = seconds.div_euclid(DAY_SECONDS);
        let clock = seconds.rem_euclid(DAY_SECONDS);
        let (year, month, day) = civil_from_days(days);
        Self {
            year,
            month: month as u8,
            day: day as u8,
            hour: (clock / 3600) as u8,
            minute: (clock / 60 % 60) as u8,
            second: (clock % 60) as u8,
            year_day: (days - days_from_civil(year, 1, 1) + 1) as u16,
            weekday: (days + 4).rem_euclid(7) as u8,
        }
    }
}

/// Days since 1970 of a date of the proleptic Gregorian calendar. The year begins in March here, so that the odd day is its last.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The date so many days after 1970.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calendars_agree() {
        let check = |seconds: i64, expect: &str| assert_eq!(Time::unix_time(seconds, 0).to_string(), expect);
        check(0, "1970-01-01 00:00:00 +0000 UTC");
        check(-1, "1969-12-31 23:59:59 +0000 UTC");
        check(951_782_400, "2000-02-29 00:00:00 +0000 UTC");
        check(-62_135_596_800, "0001-01-01 00:00:00 +0000 UTC");
        check(253_402_300_800, "10000-01-01 00:00:00 +0000 UTC");
        for days in (-800_000..800_000).step_by(37) {
            let (year, month, day) = civil_from_days(days);
            assert_eq!(days_from_civil(year, month, day), days);
        }
    }

    #[test]
    fn months_overflow_as_in_go() {
        let time = parse(b"2006-01-02", b"2023-01-31").expect("a date");
        assert_eq!(time.add_date(0, 1, 0).to_string(), "2023-03-03 00:00:00 +0000 UTC");
        assert_eq!(time.add_date(-1, -13, 1).to_string(), "2021-01-01 00:00:00 +0000 UTC");
    }
}
