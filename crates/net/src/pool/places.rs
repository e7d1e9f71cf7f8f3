//! How many connections may be open to one upstream, over all cores, and who is next when there are so many.
//!
//! A connection has its [`Place`] from before it is dialled until it is closed. Nothing here is touched when an idle connection is taken, and one number is read
//! when it is given back; the lock is for opening, closing and waiting.

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::{Notify, oneshot};

use super::key::{ByKey, PoolKey};

/// The limit, and how much of it is used. The pools of all cores share one; cloning gives another handle to the same.
#[derive(Debug, Clone)]
pub struct ConnectionLimit(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    most: NonZeroUsize,
    keys: Mutex<Keys>,
    cores: Mutex<Vec<Weak<Notify>>>,
}

/// The places of every key of which some core has something.
#[derive(Debug)]
struct Keys {
    places: ByKey<Weak<Places>>,
    /// When there are so many, those of which no core has anything any more are removed.
    clean_at: usize,
}

/// Below so many keys cleaning up isn't worth the trouble.
const FEW: usize = 64;

/// The places of one key.
#[derive(Debug)]
pub(super) struct Places {
    most: NonZeroUsize,
    state: Mutex<State>,
    /// How long the queue is.
    waiting: AtomicUsize,
}

#[derive(Debug, Default)]
struct State {
    /// Places that are taken.
    open: usize,
    /// Nobody waits unless all places are taken.
    queue: VecDeque<Waiter>,
}

#[derive(Debug)]
struct Waiter {
    core: Core,
    grant: oneshot::Sender<Grant>,
}

/// What somebody who waited gets. Whoever receives it has it, and must give it on if it isn't wanted any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Grant {
    /// A place, to dial.
    Place,
    /// A connection, which the pool of the same core holds ready.
    Connection,
}

/// The right to one open connection. Dropping it gives it to who waits longest.
#[derive(Debug)]
pub(super) struct Place(Arc<Places>);

/// A core, as the limit knows it.
#[derive(Debug, Clone)]
pub(super) struct Core(Arc<Notify>);

/// What becomes of who wants a place.
pub(super) enum Entered {
    Place(Place),
    Queued {
        grant: oneshot::Receiver<Grant>,
        /// Nobody waited before, so there may be idle connections.
        first: bool,
    },
}

/// Whom a connection that isn't needed any more is for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Somebody of this core, who has been told.
    Here,
    /// Somebody of another core, who needs its place; the connection itself can't leave its core.
    Elsewhere,
    Nobody,
}

impl ConnectionLimit {
    /// At most `most` open connections, idle or in use, for each origin, CAs and reach.
    pub fn new(most: NonZeroUsize) -> Self {
        let keys = Keys { places: ByKey::default(), clean_at: FEW };
        Self(Arc::new(Shared { most, keys: Mutex::new(keys), cores: Mutex::default() }))
    }

    /// How many there may be.
    pub fn most(&self) -> NonZeroUsize {
        self.0.most
    }

    /// Makes another core known.
    pub(super) fn join(&self) -> Core {
        let core = Arc::new(Notify::new());
        lock(&self.0.cores).push(Arc::downgrade(&core));
        Core(core)
    }

    /// Has every core give up idle connections for which somebody waits.
    pub(super) fn call(&self) {
        lock(&self.0.cores).retain(|core| core.upgrade().inspect(|core| core.notify_one()).is_some());
    }

    #[cfg(test)]
    pub(super) fn keys(&self) -> usize {
        lock(&self.0.keys).places.len()
    }

    pub(super) fn places(&self, key: PoolKey<'_>) -> Arc<Places> {
        let mut keys = lock(&self.0.keys);
        if let Some(places) = keys.places.get(key).and_then(Weak::upgrade) {
            return places;
        }
        if keys.places.len() >= keys.clean_at {
            keys.places.retain(|places| places.strong_count() > 0);
            keys.clean_at = FEW.max(2 * keys.places.len());
        }
        let places = Arc::new(Places { most: self.0.most, state: Mutex::default(), waiting: AtomicUsize::new(0) });
        keys.places.insert(key, Arc::downgrade(&places));
        places
    }
}

impl Core {
    /// Waits for a [`ConnectionLimit::call`], if there was none since the last.
    pub(super) async fn called(&self) {
        self.0.notified().await;
    }

    fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Places {
    /// A place, if there is one.
    pub(super) fn enter(self: &Arc<Self>, core: &Core) -> Entered {
        let mut state = lock(&self.state);
        if state.open < self.most.get() {
            state.open += 1;
            return Entered::Place(Place(self.clone()));
        }
        let first = state.queue.is_empty();
        let (sender, grant) = oneshot::channel();
        state.queue.push_back(Waiter { core: core.clone(), grant: sender });
        self.count(&state);
        Entered::Queued { grant, first }
    }

    /// The place of a [`Grant::Place`].
    pub(super) fn granted(self: &Arc<Self>) -> Place {
        Place(self.clone())
    }

    /// Whether somebody waits.
    ///
    /// Reads no more than a number, which may be a moment old. Nothing is lost by that: whoever begins to wait calls all cores, and a core that has heard the
    /// call sees that number or a later one.
    pub(super) fn is_awaited(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }

    /// Whom a connection of `core` is for.
    pub(super) fn next(&self, core: &Core) -> Next {
        let mut state = lock(&self.state);
        let next = loop {
            match state.queue.front() {
                None => break Next::Nobody,
                Some(waiter) if !waiter.core.is(core) && !waiter.grant.is_closed() => break Next::Elsewhere,
                Some(_) => {}
            }
            // One of this core, or one that is gone.
            if state.queue.pop_front().is_some_and(|waiter| waiter.grant.send(Grant::Connection).is_ok()) {
                break Next::Here;
            }
        };
        self.count(&state);
        next
    }

    /// Forgets those who wait no longer.
    pub(super) fn forget_gone(&self) {
        let mut state = lock(&self.state);
        state.queue.retain(|waiter| !waiter.grant.is_closed());
        self.count(&state);
    }

    fn release(&self) {
        let mut state = lock(&self.state);
        let given = std::iter::from_fn(|| state.queue.pop_front()).any(|waiter| waiter.grant.send(Grant::Place).is_ok());
        if !given {
            state.open -= 1;
        }
        self.count(&state);
    }

    fn count(&self, state: &State) {
        self.waiting.store(state.queue.len(), Ordering::Relaxed);
    }

    #[cfg(test)]
    pub(super) fn open(&self) -> usize {
        lock(&self.state).open
    }

    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        lock(&self.state).queue.len()
    }
}

impl Place {
    /// Whether somebody waits for one.
    pub(super) fn is_awaited(&self) -> bool {
        self.0.is_awaited()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.release();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
