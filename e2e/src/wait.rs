//! Waiting for a state, with a deadline.

use std::fmt::Display;
use std::time::{Duration, Instant};

/// How long a test waits for something that should happen soon before it fails. Much of it is for machines that do other
/// things at the same time: an API server takes three seconds to start on an idle one, and ten times that on one with twenty other busy processes.
pub const DEADLINE: Duration = Duration::from_secs(120);

/// How often a state is looked at.
const INTERVAL: Duration = Duration::from_millis(5);

/// Waits until `state` gives a value, and returns it; fails with `what` after [`DEADLINE`].
#[track_caller]
pub fn wait_for<T>(what: impl Display, state: impl FnMut() -> Option<T>) -> T {
    match wait_at_most(DEADLINE, state) {
        Some(value) => value,
        None => panic!("waited {} s in vain for {what}", DEADLINE.as_secs()),
    }
}

/// Waits until `state` gives a value, for at most `limit`.
pub fn wait_at_most<T>(limit: Duration, mut state: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + limit;
    loop {
        if let Some(value) = state() {
            return Some(value);
        }
        if Instant::now() >= end {
            return None;
        }
        std::thread::park_timeout(INTERVAL);
    }
}
