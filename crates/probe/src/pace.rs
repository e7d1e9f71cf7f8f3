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

/// How many times something wasn't good since it was good last, for each of the two kinds of pauses. An outage doesn't make a credential that is refused after it wait
/// any longer, and the other way round.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Failures {
    unanswered: u32,
    refused: u32,
}

impl Pace {
    /// How long to wait after what was `found`, which `failures` takes in; `chance` from 0 to 1.
    ///
    /// Good: the interval. No answer, or not the right one: 10 seconds, doubled each time, up to the interval. A credential that is refused, or an
    /// expression that can't be evaluated, which nothing but a change mends: the interval, doubled each time, up to eight of them.
    pub fn pause(&self, found: Verdict, failures: &mut Failures, chance: f64) -> Duration {
        let grown = |count: &mut u32, from: Duration, most: Duration| {
            let pause = from.saturating_mul(1 << (*count).min(16)).min(most);
            *count = count.saturating_add(1);
            pause
        };
        let pause = match found {
            Verdict::Passed => {
                *failures = Failures::default();
                self.interval
            }
            Verdict::NoAnswer | Verdict::Failed | Verdict::Undecided => grown(&mut failures.unanswered, RETRY, self.interval),
            Verdict::Refused | Verdict::Invalid => grown(&mut failures.refused, self.interval, self.interval.saturating_mul(SLOWEST)),
        };
        pause.mul_f64(1.0 + JITTER * (2.0 * chance.clamp(0.0, 1.0) - 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_secs(300);

    /// The pauses after each of these, in seconds.
    fn pauses(interval: Duration, found: &[Verdict]) -> Vec<u64> {
        let mut failures = Failures::default();
        found.iter().map(|verdict| Pace { interval }.pause(*verdict, &mut failures, 0.5).as_secs()).collect()
    }

    #[test]
    fn pauses_grow_while_it_fails() {
        use Verdict::{Failed, Invalid, NoAnswer, Passed, Refused, Undecided};
        for (found, seconds) in [
            (&[Passed, Passed][..], &[300, 300][..]),
            (&[NoAnswer, Failed, Undecided, NoAnswer, NoAnswer, NoAnswer, NoAnswer], &[10, 20, 40, 80, 160, 300, 300]),
            (&[Refused, Invalid, Refused, Refused, Refused], &[300, 600, 1200, 2400, 2400]),
            (&[Refused, Refused, Passed, Refused], &[300, 600, 300, 300]),
            // One refusal after a long outage is the first, and so is the first outage after refusals.
            (&[NoAnswer, NoAnswer, NoAnswer, NoAnswer, Refused, Refused], &[10, 20, 40, 80, 300, 600]),
            (&[Refused, Refused, NoAnswer], &[300, 600, 10]),
            // A tool that is gone now and then is not sent the wrong password any more often.
            (&[Refused, Refused, NoAnswer, Refused], &[300, 600, 10, 1200]),
        ] {
            assert_eq!(pauses(INTERVAL, found), seconds, "{found:?}");
        }
        let many = vec![NoAnswer; 100_000];
        assert_eq!(pauses(INTERVAL, &many).last(), Some(&300));
        // An interval that is shorter than the first pause is none the longer for a failure.
        assert_eq!(pauses(Duration::from_secs(2), &[NoAnswer]), [2]);
    }

    #[test]
    fn pauses_differ_by_a_tenth() {
        let pace = Pace { interval: Duration::from_secs(100) };
        for (chance, seconds) in [(0.0, 90), (0.25, 95), (1.0, 110), (7.0, 110)] {
            assert_eq!(pace.pause(Verdict::Passed, &mut Failures::default(), chance), Duration::from_secs(seconds), "{chance}");
        }
    }
}
