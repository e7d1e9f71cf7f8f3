//! Notices when nothing moves any more.

use std::cell::{Cell, RefCell};
use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};

/// How often within the time it looks.
const LOOKS: u32 = 4;

/// Watches one connection, or one stream, through all of its phases. There is one timer for all of them, which is set when it has rung and not when anything
/// moves or a phase begins, so that watching costs a request nothing.
pub(crate) struct Watchdog {
    /// Made when it is needed first.
    timer: RefCell<Option<Timer>>,
    step: Duration,
    seen: Cell<u64>,
    /// Looks in a row that saw nothing new.
    still: Cell<u32>,
}

struct Timer {
    sleep: Pin<Box<Sleep>>,
    /// Whom it wakes when it rings.
    wakes: Waker,
}

impl Watchdog {
    /// Barks when nothing has moved for `idle`, and at the latest a quarter of that later.
    pub(crate) fn new(idle: Duration) -> Self {
        Self { timer: RefCell::default(), step: idle / LOOKS, seen: Cell::new(0), still: Cell::new(0) }
    }

    /// A new phase begins, in which nothing has moved yet.
    pub(crate) fn begin(&self) {
        self.still.set(0);
    }

    /// Ready when nothing has moved for the time. `moved` changes whenever something has.
    pub(crate) fn poll(&self, cx: &mut Context<'_>, moved: impl Fn() -> u64) -> Poll<()> {
        let mut timer = self.timer.borrow_mut();
        if let Some(timer) = &*timer
            && timer.wakes.will_wake(cx.waker())
            && !timer.sleep.is_elapsed()
        {
            return Poll::Pending;
        }
        let timer = timer.get_or_insert_with(|| Timer { sleep: Box::pin(sleep(self.step)), wakes: cx.waker().clone() });
        timer.wakes.clone_from(cx.waker());
        loop {
            ready!(timer.sleep.as_mut().poll(cx));
            timer.sleep.as_mut().reset(Instant::now() + self.step);
            let now = moved();
            let still = if now == self.seen.replace(now) { self.still.get() + 1 } else { 0 };
            self.still.set(still);
            // The first look of a phase can come at any time within a step.
            if still > LOOKS {
                return Poll::Ready(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    const IDLE: Duration = Duration::from_millis(40);

    fn run<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
    }

    #[test]
    fn p28_barks_when_nothing_moved_for_the_time_and_not_before() {
        run(async {
            let watchdog = Watchdog::new(IDLE);
            for _phase in 0..2 {
                watchdog.begin();
                let began = Instant::now();
                poll_fn(|cx| watchdog.poll(cx, || 7)).await;
                assert!(began.elapsed() >= IDLE, "{:?}", began.elapsed());
            }
        });
    }

    #[test]
    fn what_moves_is_left_alone() {
        run(async {
            let watchdog = Watchdog::new(IDLE);
            let moved = Cell::new(0);
            let count = || {
                moved.set(moved.get() + 1);
                moved.get()
            };
            let barked = tokio::time::timeout(IDLE * 4, poll_fn(|cx| watchdog.poll(cx, count))).await;
            assert!(barked.is_err() && moved.get() >= LOOKS.into());
        });
    }
}
