//! What the evaluation that runs on this thread has used.
//!
//! Interpreters check time between their steps, and some swallow what fails inside a function. What is noted here stays,
//! so an evaluation that broke a limit can't have a result.

use super::error::Limit;
use std::cell::Cell;
use std::time::{Duration, Instant};

/// What one evaluation may take. Those of the documented rules take some 20 µs.
pub(super) const MAX_TIME: Duration = Duration::from_millis(50);

/// What all functions of one evaluation may read and make: 32 times the largest body.
const MAX_BYTES: usize = 32 << 20;

thread_local! {
    static METER: Cell<Meter> = const { Cell::new(Meter { deadline: None, left: 0, breach: None }) };
}

#[derive(Clone, Copy)]
struct Meter {
    deadline: Option<Instant>,
    left: usize,
    breach: Option<Limit>,
}

/// Runs `evaluate` with a new meter.
///
/// # Errors
/// The limit that was broken meanwhile, whatever came out.
pub(super) fn metered<T>(evaluate: impl FnOnce() -> T) -> Result<T, Limit> {
    let deadline = Instant::now() + MAX_TIME;
    let before = METER.replace(Meter { deadline: Some(deadline), left: MAX_BYTES, breach: None });
    let result = evaluate();
    let breach = METER.replace(before).breach;
    match breach {
        Some(limit) => Err(limit),
        None if Instant::now() > deadline => Err(Limit::Time),
        None => Ok(result),
    }
}

/// Takes `bytes` of what is left.
///
/// # Errors
/// [`Limit::Size`] if that is more, [`Limit::Time`] if the time is up, or what was broken before.
pub(super) fn charge(bytes: usize) -> Result<(), Limit> {
    let mut meter = METER.get();
    if meter.breach.is_none() {
        if meter.deadline.is_some_and(|deadline| Instant::now() > deadline) {
            meter.breach = Some(Limit::Time);
        } else if let Some(left) = meter.left.checked_sub(bytes) {
            meter.left = left;
        } else {
            meter.breach = Some(Limit::Size);
        }
        METER.set(meter);
    }
    meter.breach.map_or(Ok(()), Err)
}

/// Notes that a limit is broken.
pub(super) fn breach(limit: Limit) {
    let mut meter = METER.get();
    meter.breach.get_or_insert(limit);
    METER.set(meter);
}
