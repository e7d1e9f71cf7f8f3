//! The monotonic clock, as a number.

use std::ops::{Add, Sub};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// A moment of this machine's monotonic clock (`CLOCK_MONOTONIC`), in nanoseconds: what a [`std::time::Instant`] is, but to compare and subtract it takes one
/// instruction, and each request does so a dozen times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(u64);

impl Moment {
    /// This one.
    pub fn now() -> Self {
        let now = clock_gettime(ClockId::Monotonic);
        // It begins with the machine, and 64 bits fit 584 years.
        Self((now.tv_sec as u64).wrapping_mul(1_000_000_000).wrapping_add(now.tv_nsec as u64))
    }

    /// Nanoseconds since an earlier moment; none since a later one.
    pub fn nanoseconds_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// The time since an earlier moment; none since a later one.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.nanoseconds_since(earlier))
    }
}

/// Later by as much, or by as much as can be told.
impl Add<Duration> for Moment {
    type Output = Self;

    fn add(self, time: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)))
    }
}

/// Earlier by as much, but not before the clock began.
impl Sub<Duration> for Moment {
    type Output = Self;

    fn sub(self, time: Duration) -> Self {
        Self(self.0.saturating_sub(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn goes_as_the_standard_librarys_clock_does() {
        let (before, instant) = (Moment::now(), Instant::now());
        std::thread::sleep(Duration::from_millis(2));
        let (elapsed, after) = (instant.elapsed(), Moment::now());
        assert!(after.since(before) >= elapsed && elapsed >= Duration::from_millis(2));
        assert!(after > before && before.since(after) == Duration::ZERO);
    }

    #[test]
    fn sums_do_not_wrap() {
        let now = Moment::now();
        assert_eq!((now + Duration::from_secs(3)).since(now), Duration::from_secs(3));
        assert_eq!((now - Duration::from_nanos(1)).nanoseconds_since(now - Duration::from_nanos(5)), 4);
        assert!(now + Duration::MAX > now && now - Duration::MAX < now);
    }
}
