//! Limits of time that don't count the time of others.

use rustix::time::{ClockId, clock_gettime};
use std::time::Duration;

/// How often an evaluation is tried whose time went by while its thread waited for a processor. Where containers have
/// quotas such a wait may be as long as the limit, and isn't the expression's fault.
const TRIES: u32 = 4;

/// Runs `evaluate`, again if it is late although its thread had less than half of `limit` for all tries together.
pub(crate) fn fairly<T>(limit: Duration, is_late: impl Fn(&T) -> bool, mut evaluate: impl FnMut() -> T) -> T {
    let start = thread_time();
    for _ in 1..TRIES {
        let result = evaluate();
        if !is_late(&result) || thread_time().saturating_sub(start) > limit / 2 {
            return result;
        }
    }
    evaluate()
}

/// What this thread has had of processors.
fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_waiting_is_forgiven() {
        let check = |limit: Duration, late_until: u32, expect: u32| {
            let mut tries = 0;
            let found = fairly(
                limit,
                |number| *number < late_until,
                || {
                    tries += 1;
                    tries
                },
            );
            assert_eq!(found, expect);
        };
        // What is late, but has used next to nothing, is tried again.
        check(Duration::from_secs(60), 0, 1);
        check(Duration::from_secs(60), 3, 3);
        check(Duration::from_secs(60), 9, TRIES);
        // Any time is more than half of none.
        check(Duration::ZERO, 9, 1);
    }
}
