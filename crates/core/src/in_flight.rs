//! How many requests use something now.

use std::sync::atomic::{AtomicU32, Ordering};

/// A count with a limit, shared by all cores.
#[derive(Debug, Default)]
pub struct InFlight(AtomicU32);

/// One of those counted; leaving is dropping it.
#[derive(Debug)]
pub struct Entered<'a>(&'a InFlight);

impl InFlight {
    /// Counts one more, unless `limit` are counted already.
    pub fn enter(&self, limit: u32) -> Option<Entered<'_>> {
        // The number alone matters, and nothing else is ordered by it.
        if self.0.fetch_add(1, Ordering::Relaxed) >= limit {
            self.0.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        Some(Entered(self))
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lets_in_as_many_as_the_limit_says() {
        let count = InFlight::default();
        let (first, second) = (count.enter(2), count.enter(2));
        assert!(first.is_some() && second.is_some() && count.enter(2).is_none());
        drop(first);
        assert!(count.enter(2).is_some());
        assert!(count.enter(0).is_none());
    }
}
