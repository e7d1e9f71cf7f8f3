//! How long a token lives.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// The lifetime of a new token: whole seconds within [`Lifetime::MIN`] and [`Lifetime::MAX`].
///
/// Kubernetes refuses less than ten minutes, because its API server answers for every renewal. Here renewing costs nothing and
/// an `exec` of a few seconds wants a token of a few seconds, so the minimum is one second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lifetime(Duration);

/// Why a text or duration is no lifetime.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LifetimeError {
    /// Not numbers with units.
    #[error("must be whole numbers, each with the unit h, m or s, such as \"30m\", \"1h30m\" or \"90s\"")]
    Syntax,
    /// Under [`Lifetime::MIN`] or over [`Lifetime::MAX`].
    #[error("must be at least {min} and at most {max}", min = Lifetime::MIN, max = Lifetime::MAX)]
    Range,
}

impl Lifetime {
    /// The shortest, one second.
    pub const MIN: Self = Self(Duration::from_secs(1));
    /// The longest, 24 hours: a token can't be called back while its ServiceAccount stands.
    pub const MAX: Self = Self(Duration::from_secs(24 * 60 * 60));
    /// What is used when nobody says, 30 minutes.
    pub const DEFAULT: Self = Self(Duration::from_secs(30 * 60));

    /// Takes a duration; a fraction of a second is dropped.
    pub fn new(duration: Duration) -> Result<Self, LifetimeError> {
        let whole = Self(Duration::from_secs(duration.as_secs()));
        if whole < Self::MIN || duration > Self::MAX.0 {
            return Err(LifetimeError::Range);
        }
        Ok(whole)
    }

    /// The duration.
    pub fn as_duration(self) -> Duration {
        self.0
    }
}

impl Default for Lifetime {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Reads a duration as Go writes it (`time.ParseDuration`), limited to whole numbers and the units h, m and s.
impl FromStr for Lifetime {
    type Err = LifetimeError;

    fn from_str(text: &str) -> Result<Self, LifetimeError> {
        let mut seconds: u64 = 0;
        let mut rest = text;
        while !rest.is_empty() {
            let unit_at = rest.find(|c: char| !c.is_ascii_digit()).ok_or(LifetimeError::Syntax)?;
            let (number, tail) = rest.split_at(unit_at);
            let unit = match tail.as_bytes().first() {
                Some(b'h') => 60 * 60,
                Some(b'm') => 60,
                Some(b's') => 1,
                _ => return Err(LifetimeError::Syntax),
            };
            if number.is_empty() {
                return Err(LifetimeError::Syntax);
            }
            // A number too large for its type is a number out of range.
            let number: u64 = number.parse().map_err(|_| LifetimeError::Range)?;
            seconds = number.checked_mul(unit).and_then(|more| seconds.checked_add(more)).ok_or(LifetimeError::Range)?;
            rest = &tail[1..];
        }
        match text.is_empty() {
            true => Err(LifetimeError::Syntax),
            false => Self::new(Duration::from_secs(seconds)),
        }
    }
}

/// As [`FromStr`] reads it, e.g. `1h30m`.
impl fmt::Display for Lifetime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        for (amount, unit) in [(seconds / 3600, 'h'), (seconds / 60 % 60, 'm'), (seconds % 60, 's')] {
            if amount > 0 {
                write!(f, "{amount}{unit}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_go_durations() {
        for (text, seconds) in [("30m", 1800), ("1h30m", 5400), ("90s", 90), ("1s", 1), ("24h", 86400), ("1m1m", 120), ("5s1h", 3605), ("007m", 420)] {
            assert_eq!(text.parse::<Lifetime>().map(|lifetime| lifetime.as_duration().as_secs()), Ok(seconds), "{text}");
        }
    }

    #[test]
    fn refuses_what_it_does_not_understand_and_what_is_out_of_range() {
        for text in ["", "30", "m", "1d", "1.5h", "-5m", "+5m", "1h ", " 1h", "1h30", "1H", "1ms", "٣m", "1µs"] {
            assert_eq!(text.parse::<Lifetime>(), Err(LifetimeError::Syntax), "{text:?}");
        }
        for text in ["0s", "0h0m", "24h1s", "1000000h", "99999999999999999999s", "9999999999999999999h"] {
            assert_eq!(text.parse::<Lifetime>(), Err(LifetimeError::Range), "{text:?}");
        }
        assert_eq!(Lifetime::new(Duration::from_millis(999)), Err(LifetimeError::Range));
        assert_eq!(Lifetime::new(Duration::from_millis(86_400_001)), Err(LifetimeError::Range));
        assert_eq!(Lifetime::new(Duration::from_millis(1999)), Ok(Lifetime::MIN));
    }

    #[test]
    fn messages_name_the_limits() {
        assert_eq!(LifetimeError::Range.to_string(), "must be at least 1s and at most 24h");
        assert_eq!("5400s".parse::<Lifetime>().map(|lifetime| lifetime.to_string()), Ok("1h30m".to_owned()));
    }
}
