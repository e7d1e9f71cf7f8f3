//! The signal to stop, and what is still going on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

/// Counters and waiters are spread over this many places, so that cores don't fight over one cache line at every connection. More cores share.
const SHARDS: usize = 16;

/// Shared by everything that stops together, over all cores. Cloning gives another handle to the same.
#[derive(Debug, Clone, Default)]
pub struct Drain(Arc<State>);

#[derive(Debug, Default)]
struct State {
    draining: AtomicBool,
    shards: [Shard; SHARDS],
    /// Told whenever something ends while draining.
    ended: Notify,
}

/// On cache lines of its own; two, because the processor fetches them in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Shard {
    busy: AtomicUsize,
    begun: Notify,
}

/// Something that should finish before the process ends; it has when this is dropped.
#[derive(Debug)]
pub struct Busy {
    state: Arc<State>,
    shard: usize,
}

impl Drain {
    /// Nothing is going on, and nobody has asked to stop.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks everyone to stop. There is no way back.
    pub fn begin(&self) {
        self.0.draining.store(true, Ordering::SeqCst);
        for shard in &self.0.shards {
            shard.begun.notify_waiters();
        }
    }

    /// Whether to stop. One atomic load.
    pub fn draining(&self) -> bool {
        self.0.draining.load(Ordering::SeqCst)
    }

    /// Waits for [`Drain::begin`]; returns at once if that has been.
    pub async fn started(&self) {
        // Made before looking, since it is told of a beginning from here on.
        let begun = self.0.shards[State::shard()].begun.notified();
        if !self.draining() {
            begun.await;
        }
    }

    /// Counts something as going on, until the guard is dropped.
    pub fn busy(&self) -> Busy {
        let shard = State::shard();
        self.0.shards[shard].busy.fetch_add(1, Ordering::SeqCst);
        Busy { state: self.0.clone(), shard }
    }

    /// Waits for [`Drain::begin`], and then, for at most `within`, until nothing is going on. Tells whether that was reached.
    pub async fn finished(&self, within: Duration) -> bool {
        self.started().await;
        let none_left = async {
            loop {
                let ended = self.0.ended.notified();
                if self.0.busy() == 0 {
                    return;
                }
                ended.await;
            }
        };
        tokio::time::timeout(within, none_left).await.is_ok()
    }
}

impl State {
    /// Of the thread that asks.
    fn shard() -> usize {
        static THREADS: AtomicUsize = AtomicUsize::new(0);
        thread_local!(static INDEX: usize = THREADS.fetch_add(1, Ordering::Relaxed) % SHARDS);
        INDEX.with(|index| *index)
    }

    fn busy(&self) -> usize {
        self.shards.iter().map(|shard| shard.busy.load(Ordering::SeqCst)).sum()
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.state.shards[self.shard].busy.fetch_sub(1, Ordering::SeqCst);
        // Whoever waits has set `draining` before looking at the counters, so either they see this end or it sees them.
        if self.state.draining.load(Ordering::SeqCst) {
            self.state.ended.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    /// Far more than any of these tests takes.
    const DEADLINE: Duration = Duration::from_secs(20);

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
    }

    #[test]
    fn every_thread_hears_of_the_beginning_and_the_last_end_is_waited_for() {
        const THREADS: usize = 2 * SHARDS;
        let drain = Drain::new();
        let (ready, is_ready) = std::sync::mpsc::channel();
        let threads: Vec<_> = (0..THREADS)
            .map(|_| {
                let (drain, ready) = (drain.clone(), ready.clone());
                std::thread::spawn(move || {
                    let busy = drain.busy();
                    block_on(async {
                        let mut started = pin!(drain.started());
                        assert_eq!(started.as_mut().poll(&mut Context::from_waker(Waker::noop())), Poll::Pending);
                        ready.send(()).unwrap();
                        tokio::time::timeout(DEADLINE, started).await.unwrap();
                    });
                    drop(busy);
                })
            })
            .collect();
        for _ in 0..THREADS {
            is_ready.recv_timeout(DEADLINE).unwrap();
        }
        assert!(!drain.draining());
        drain.begin();
        assert!(drain.draining());
        assert!(block_on(drain.finished(DEADLINE)));
        assert_eq!(drain.0.busy(), 0);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    }

    #[test]
    fn a_drain_that_has_begun_is_seen_by_those_who_come_late() {
        let drain = Drain::new();
        drain.begin();
        block_on(drain.started());
        assert!(block_on(drain.finished(Duration::ZERO)));
    }

    #[test]
    fn what_takes_too_long_is_given_up() {
        let drain = Drain::new();
        let busy = drain.busy();
        drain.begin();
        assert!(!block_on(drain.finished(Duration::from_millis(1))));
        drop(busy);
        assert!(block_on(drain.finished(Duration::ZERO)));
    }

    #[test]
    fn a_guard_may_end_on_another_thread() {
        let drain = Drain::new();
        let busy = drain.busy();
        std::thread::scope(|scope| scope.spawn(|| drop(busy)).join().unwrap());
        assert_eq!(drain.0.busy(), 0);
    }
}
