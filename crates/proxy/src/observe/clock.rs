//! The time of day for records, without asking the system for it or formatting it each time.

use std::cell::RefCell;
use std::time::{Duration, SystemTime};

use connectors_net::Moment;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Tells the time of day of an [`Moment`], RFC 3339 in UTC. Looks at the system's clock once a second, so when that is set, this follows within one.
pub(super) struct Clock(RefCell<Second>);

/// A moment at which the system's clock was read.
struct Second {
    read_at: Moment,
    /// From the beginning of that second to that moment.
    into: Duration,
    /// The second as text: `2026-01-02T03:04:05`.
    text: [u8; SECOND_LEN],
}

const SECOND_LEN: usize = "2026-01-02T03:04:05".len();

impl Clock {
    pub(super) fn new() -> Self {
        Self(RefCell::new(Second::of(Moment::now(), SystemTime::now())))
    }

    /// Writes the time of `now`, in microseconds: `2026-01-02T03:04:05.000006Z`.
    pub(super) fn write(&self, now: Moment, out: &mut Vec<u8>) {
        let mut second = self.0.borrow_mut();
        let mut into = second.until(now);
        if into >= Duration::from_secs(1) {
            *second = Second::of(now, SystemTime::now());
            into = second.into;
        }
        out.extend_from_slice(&second.text);
        out.push(b'.');
        super::line::padded::<6>(into.subsec_micros(), out);
        out.push(b'Z');
    }
}

impl Second {
    fn of(read_at: Moment, now: SystemTime) -> Self {
        let now = OffsetDateTime::from(now);
        // The format begins with just that, at least for the years that it can show at all.
        let formatted = now.format(&Rfc3339).unwrap_or_default();
        let text = formatted.as_bytes().first_chunk().copied().unwrap_or(*b"0000-00-00T00:00:00");
        Self { read_at, into: Duration::from_nanos(now.nanosecond().into()), text }
    }

    /// From the beginning of this second to `now`.
    fn until(&self, now: Moment) -> Duration {
        self.into + now.since(self.read_at)
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    fn text(clock: &Clock, now: Moment) -> String {
        let mut out = Vec::new();
        clock.write(now, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn counts_on_from_when_it_was_read() {
        let read_at = Moment::now();
        // 2026-01-02T03:04:05.25Z
        let clock = Clock(RefCell::new(Second::of(read_at, UNIX_EPOCH + Duration::from_millis(1_767_323_045_250))));
        assert_eq!(text(&clock, read_at), "2026-01-02T03:04:05.250000Z");
        assert_eq!(text(&clock, read_at + Duration::from_nanos(6_999)), "2026-01-02T03:04:05.250006Z");
        assert_eq!(text(&clock, read_at + Duration::from_nanos(749_999_999)), "2026-01-02T03:04:05.999999Z");
    }

    #[test]
    fn reads_the_clock_anew_with_each_second() {
        let read_at = Moment::now();
        let clock = Clock(RefCell::new(Second::of(read_at, UNIX_EPOCH)));
        let before = OffsetDateTime::now_utc();
        let told = text(&clock, read_at + Duration::from_secs(1));
        let told = OffsetDateTime::parse(&told, &Rfc3339).unwrap();
        let microsecond = Duration::from_micros(1);
        assert!(before - microsecond <= told && told <= OffsetDateTime::now_utc(), "{told}");
    }
}
