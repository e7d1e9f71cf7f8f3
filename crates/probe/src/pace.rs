//! When something is probed again.

use std::time::Duration;

use connectors_crd::probing::Verdict;

/// How often something is probed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Between two probes of what is in order.
    pub interval: Duration,
}

/// The first pause after a probe that failed for want of an answer, or of the right one.
const RETRY: Duration = Duration::from_secs(10);
/// A credential that is refused is tried again after so many intervals at most. Tools lock accounts that go on with a wrong password.
const SLOWEST: u32 = 8;
/// Pauses differ by up to a tenth of them in either direction, so that what began together doesn't stay together.
const JITTER: f64 = 0.1;

impl Pace {
    /// How long to wait, given what was found and how many times in a row it wasn't good; `chance` from 0 to 1.
    ///
    /// Good: the interval. No answer, or not the right one: 10 seconds, doubled each time, up to the interval. A credential that is refused, or an
    /// expression that can't be evaluated, which nothing but a change mends: the interval, doubled each time, up to eight of them.
    pub fn pause(&self, found: &[Verdict], failures: u32, chance: f64) -> Duration {
        let grown = |from: Duration, most: Duration| from.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(most);
        let one = |verdict: &Verdict| match verdict {
            Verdict::Passed => self.interval,
            Verdict::NoAnswer | Verdict::Failed | Verdict::Undecided => grown(RETRY, self.interval),
            Verdict::Refused | Verdict::Invalid => grown(self.interval, self.interval.saturating_mul(SLOWEST)),
        };
        let bad = || found.iter().filter(|verdict| **verdict != Verdict::Passed);
        // Of several, what is refused counts most: it must not be asked again only because something else failed.
        let pause = match bad().count() {
            0 => self.interval,
            _ => bad().map(one).max().unwrap_or(self.interval),
        };
        pause.mul_f64(1.0 + JITTER * (2.0 * chance.clamp(0.0, 1.0) - 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: u64 = 60;

    #[test]
    fn pauses_grow_while_it_fails() {
        use Verdict::{Failed, Invalid, NoAnswer, Passed, Refused, Undecided};
        let pace = Pace { interval: Duration::from_secs(5 * MINUTE) };
        for (found, failures, seconds) in [
            (&[][..], 0, 300),
            (&[Passed, Passed], 0, 300),
            (&[NoAnswer], 1, 10),
            (&[Failed, Passed], 2, 20),
            (&[Undecided], 5, 160),
            (&[NoAnswer], 6, 300),
            (&[NoAnswer], 1_000_000, 300),
            (&[Passed, Refused], 1, 300),
            (&[Passed, Refused], 2, 600),
            (&[NoAnswer, Refused], 3, 1200),
            (&[Invalid], 4, 2400),
            (&[Refused], 1_000_000, 2400),
        ] {
            assert_eq!(pace.pause(found, failures, 0.5), Duration::from_secs(seconds), "{found:?} {failures}");
        }
        // An interval that is shorter than the first pause is none the longer for a failure.
        assert_eq!(Pace { interval: Duration::from_secs(2) }.pause(&[NoAnswer], 1, 0.5), Duration::from_secs(2));
    }

    #[test]
    fn pauses_differ_by_a_tenth() {
        let pace = Pace { interval: Duration::from_secs(100) };
        for (chance, seconds) in [(0.0, 90), (0.25, 95), (1.0, 110), (7.0, 110)] {
            assert_eq!(pace.pause(&[], 0, chance), Duration::from_secs(seconds), "{chance}");
        }
    }
}
