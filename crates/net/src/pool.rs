//! Connections to tools: those that are idle, of one core, and how many there may be, over all cores.
//!
//! A connection stays on the core that opened it, so idle connections are kept without locks. The limit is for all cores together, because a tool that takes 4
//! connections takes them from the proxy as a whole, and callers are spread over cores unevenly: a share for each core would be too little here and unused there.

mod key;
mod places;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::net::SocketAddr;
use std::ops::{Deref, DerefMut};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::{Alpn, Connected, DialError, Dialer, Moment, Standing};
use key::{AsKey as _, OwnedKey};
use places::{Core, Entered, Grant, Next, Place, Places};

pub use key::{ByKey, PoolKey};
pub use places::ConnectionLimit;

/// What a pool keeps.
pub trait Pooled: From<Connected> {
    /// Whether it can't carry another request, as far as is known without waiting: see [`Stream::is_stale`](crate::Stream::is_stale).
    fn is_stale(&self) -> bool;
}

/// The connections of one core. Cloning gives another handle to the same; when the last is gone, the idle connections are closed.
///
/// Taking an idle connection and giving it back allocates nothing and takes no lock.
pub struct Pool<T>(Rc<Inner<T>>);

/// A connection in use. Dropping it closes the connection and makes room for another; [`Lease::keep`] gives it back instead.
#[derive(Debug)]
pub struct Lease<T> {
    open: Open<T>,
    reused: bool,
    // After `open`: the place is free before the slot goes.
    seat: Seat<T>,
}

/// The right to open one connection. Dropping it gives the right on.
#[derive(Debug)]
pub struct Reservation<T> {
    place: Place,
    seat: Seat<T>,
}

/// The place of a connection that was taken out of its [`Lease`], for one that carries several requests. Dropping it makes room for another, so it is to be kept
/// as long as the connection is open.
#[derive(Debug)]
pub struct Claim {
    peer: SocketAddr,
    standing: Cell<Standing>,
    place: Place,
}

struct Inner<T> {
    limit: ConnectionLimit,
    core: Core,
    slots: RefCell<ByKey<Rc<Slot<T>>>>,
    /// Idle connections over all keys.
    idle: Cell<usize>,
    bounds: Bounds,
}

/// Bounds of what is idle.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    /// How long a connection may be. Below the 2 minutes and more that most servers grant, so that it is usually us who closes.
    time: Duration,
    /// Connections of one key that may be idle so long whether or not they are needed.
    spare: usize,
    /// Connections in all.
    total: usize,
}

/// As nothing is opened while something is idle, what is idle was in use at the same time not long ago, and a thousand busy callers find their connections
/// again. `spare` is what a browser or a package manager leaves behind that comes back within a minute.
const BOUNDS: Bounds = Bounds { time: Duration::from_secs(90), spare: 64, total: 1024 };

/// How often connections that were idle for too long, or that weren't needed in the meantime, are looked for.
const SWEEP: Duration = Duration::from_secs(10);

/// What one core has of one key. There for as long as there is something in it, or somebody has a [`Seat`].
struct Slot<T> {
    key: OwnedKey,
    places: Arc<Places>,
    /// The one that is idle longest comes first.
    idle: RefCell<VecDeque<Idle<T>>>,
    /// The fewest that were idle at once since the last sweep: so many weren't needed.
    unneeded: Cell<usize>,
    /// One for each waiter of this core that has been granted one and hasn't taken it.
    handed: RefCell<VecDeque<Open<T>>>,
}

struct Idle<T> {
    open: Open<T>,
    since: Moment,
}

/// Boxed, since it goes from the pool to a user and back with every request, and the box is all that moves then.
type Open<T> = Box<Opened<T>>;

#[derive(Debug)]
struct Opened<T> {
    // Closed before its place is free.
    connection: T,
    claim: Claim,
}

/// A user's hold of a slot.
struct Seat<T> {
    pool: Rc<Inner<T>>,
    slot: Rc<Slot<T>>,
}

/// What somebody who waited has.
enum Turn<T> {
    Place(Place),
    Connection(Open<T>),
}

/// A user who waits.
struct Ticket<'s, T> {
    seat: &'s Seat<T>,
    grant: oneshot::Receiver<Grant>,
}

impl<T: Pooled> Pool<T> {
    /// A core's pool. What is idle is kept for 90 seconds, at most 1024 connections in all. Of one key, what is more than 64 and wasn't needed for 10 seconds, or at most
    /// 20, is closed then.
    pub fn new(limit: &ConnectionLimit) -> Self {
        Self::with_bounds(limit, BOUNDS)
    }

    fn with_bounds(limit: &ConnectionLimit, bounds: Bounds) -> Self {
        let inner = Inner { limit: limit.clone(), core: limit.join(), slots: RefCell::default(), idle: Cell::new(0), bounds };
        Self(Rc::new(inner))
    }

    /// A connection that is good for `key`: an idle one, or a new one that `dialer` makes. Idle ones are taken newest first, as that is the likeliest to live, if they
    /// aren't stale and lead to an address that their host still has ([`Dialer::confirm`]). `alpn` is offered by a new one; an idle one may be of any protocol
    /// whose connections are kept.
    ///
    /// If as many connections are open as may be, those who want one wait in the order in which they came, whatever their core: for one that is given back, or for the
    /// place of one that is closed. They have done so since `now`. A connection that comes back on another core than that of the first who waits is closed for its place, as are idle ones. Dropping the future
    /// takes nothing from anybody.
    ///
    /// # Errors
    /// [`DialError::Full`] if nothing came free within the dialer's connect timeout (dialling then has as much again); else why there is no new one.
    pub async fn acquire(&self, key: PoolKey<'_>, dialer: &Dialer, alpn: Alpn, now: Moment) -> Result<Lease<T>, DialError> {
        let seat = Seat::take(&self.0, key);
        while let Some(open) = seat.idle(now) {
            if open.is_usable(key, dialer, now).await {
                return Ok(Lease { open, reused: true, seat });
            }
        }
        // Rare, and large: not a part of the future of every request.
        Box::pin(open(seat, key, dialer, alpn, now)).await
    }

    /// The right to open a connection that is good for `key`, for who can't use an idle one. If as many are open as may be, waits as [`Pool::acquire`] does, and an idle one is closed
    /// for it; whoever waits has done so since `since`.
    ///
    /// # Errors
    /// [`DialError::Full`] if no place came free within the dialer's connect timeout from `since` on.
    pub async fn reserve(&self, key: PoolKey<'_>, dialer: &Dialer, since: Moment) -> Result<Reservation<T>, DialError> {
        let seat = Seat::take(&self.0, key);
        let place = match seat.wait(since + dialer.within()).await? {
            Turn::Place(place) => place,
            Turn::Connection(open) => open.close(),
        };
        Ok(Reservation { place, seat })
    }

    /// Closes what was idle for too long, and gives idle connections up when somebody waits for their place on another core. `give_up` is called then too, so that
    /// connections that were taken out of the pool can be given up if their [`Claim::is_awaited`]. Never ends: each core's runtime must run it beside the requests.
    pub async fn tend(&self, give_up: impl Fn()) {
        let mut sweep = tokio::time::Instant::now() + SWEEP;
        loop {
            let called = tokio::time::timeout_at(sweep, self.0.core.called()).await.is_ok();
            if called {
                self.0.give_up();
                give_up();
            }
            if sweep <= tokio::time::Instant::now() {
                self.0.sweep(Moment::now());
                sweep += SWEEP;
            }
        }
    }
}

/// A connection for who found none idle.
async fn open<T: Pooled>(seat: Seat<T>, key: PoolKey<'_>, dialer: &Dialer, alpn: Alpn, now: Moment) -> Result<Lease<T>, DialError> {
    let place = match seat.wait(now + dialer.within()).await? {
        Turn::Place(place) => place,
        Turn::Connection(open) if open.is_usable(key, dialer, Moment::now()).await => return Ok(Lease { open, reused: true, seat }),
        Turn::Connection(open) => open.close(),
    };
    seat.dial(place, dialer, alpn).await
}

impl<T: Pooled> Reservation<T> {
    /// Makes the connection.
    ///
    /// # Errors
    /// Why there is none. The place is free then.
    pub async fn dial(self, dialer: &Dialer, alpn: Alpn) -> Result<Lease<T>, DialError> {
        self.seat.dial(self.place, dialer, alpn).await
    }
}

impl<T: Pooled> Lease<T> {
    /// Whether it has carried other requests before. Then the tool may have closed it in this moment.
    pub fn reused(&self) -> bool {
        self.reused
    }

    /// The address that it leads to.
    pub fn peer(&self) -> SocketAddr {
        self.open.claim.peer
    }

    /// Gives back, `now`, a connection on which nothing is expected and nothing is left unread: to who waits longest, or else to be idle.
    pub fn keep(self, now: Moment) {
        self.seat.give(self.open, now);
    }

    /// Closes the connection and makes a new one in its place, without waiting again.
    ///
    /// # Errors
    /// Why there is no new one. The place is free then.
    pub async fn renew(self, dialer: &Dialer, alpn: Alpn) -> Result<Self, DialError> {
        let Self { open, seat, .. } = self;
        Box::pin(seat.dial(open.close(), dialer, alpn)).await
    }

    /// Takes the connection out of the pool's care. It can't be given back.
    pub fn into_parts(self) -> (T, Claim) {
        let Opened { connection, claim } = *self.open;
        (connection, claim)
    }
}

impl Claim {
    /// The address that the connection leads to.
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// Whether the connection, which was made for `key`, may carry another request: see [`Dialer::confirm`].
    pub async fn confirm(&self, key: PoolKey<'_>, dialer: &Dialer, now: Moment) -> bool {
        if !self.standing.get().is_due(now) {
            return true;
        }
        // Boxed as it is rare, and would make the future of every request larger.
        Box::pin(async {
            let mut standing = self.standing.get();
            let stands = dialer.confirm(key.origin, key.reach, self.peer, &mut standing).await;
            self.standing.set(standing);
            stands
        })
        .await
    }

    /// Whether somebody waits for its place, so that it shouldn't be kept while it carries nothing.
    pub fn is_awaited(&self) -> bool {
        self.place.is_awaited()
    }
}

impl<T> Opened<T> {
    /// Its place.
    fn close(self) -> Place {
        let Self { connection, claim } = self;
        drop(connection);
        claim.place
    }
}

impl<T: Pooled> Opened<T> {
    /// Whether it can carry another request.
    async fn is_usable(&self, key: PoolKey<'_>, dialer: &Dialer, now: Moment) -> bool {
        !self.connection.is_stale() && self.claim.confirm(key, dialer, now).await
    }
}

impl<T> Seat<T> {
    fn take(pool: &Rc<Inner<T>>, key: PoolKey<'_>) -> Self {
        let found = pool.slots.borrow().get(key).cloned();
        let slot = found.unwrap_or_else(|| {
            let slot = Rc::new(Slot {
                key: key.into(),
                places: pool.limit.places(key),
                idle: RefCell::default(),
                unneeded: Cell::default(),
                handed: RefCell::default(),
            });
            pool.slots.borrow_mut().insert(key, slot.clone());
            slot
        });
        Self { pool: pool.clone(), slot }
    }

    /// The connection that is idle shortest.
    fn idle(&self, now: Moment) -> Option<Open<T>> {
        let mut idle = self.slot.idle.borrow_mut();
        let newest = idle.pop_back()?;
        self.slot.needed_all_but(idle.len());
        self.pool.count(-1);
        if now.since(newest.since) < self.pool.bounds.time {
            return Some(newest.open);
        }
        // The others are idle for longer still.
        self.pool.count(-idle.len().cast_signed());
        idle.clear();
        None
    }

    /// A connection that was granted.
    fn handed(&self) -> Option<Open<T>> {
        self.slot.handed.borrow_mut().pop_front()
    }

    fn give(&self, open: Open<T>, now: Moment) {
        self.pool.give(&self.slot, open, now);
    }
}

impl<T: Pooled> Seat<T> {
    /// Waits for a place, or for a connection, no longer than `until`.
    async fn wait(&self, until: Moment) -> Result<Turn<T>, DialError> {
        loop {
            let (grant, first) = match self.slot.places.enter(&self.pool.core) {
                Entered::Place(place) => return Ok(Turn::Place(place)),
                Entered::Queued { grant, first } => (grant, first),
            };
            let mut ticket = Ticket { seat: self, grant };
            if first {
                self.pool.limit.call();
            }
            match tokio::time::timeout(until.since(Moment::now()), &mut ticket.grant).await {
                Ok(Ok(Grant::Place)) => return Ok(Turn::Place(self.slot.places.granted())),
                Ok(Ok(Grant::Connection)) => {
                    drop(ticket);
                    // It is there, as nobody else takes what was granted.
                    if let Some(open) = self.handed() {
                        return Ok(Turn::Connection(open));
                    }
                }
                Ok(Err(_)) | Err(_) => return Err(DialError::Full(self.pool.limit.most())),
            }
        }
    }

    async fn dial(self, place: Place, dialer: &Dialer, alpn: Alpn) -> Result<Lease<T>, DialError> {
        let key = self.slot.key.as_key();
        let connected = dialer.connect(key.origin, key.trust, key.reach, alpn).await?;
        let claim = Claim { peer: connected.peer, standing: Cell::new(connected.standing), place };
        Ok(Lease { open: Box::new(Opened { connection: connected.into(), claim }), reused: false, seat: self })
    }
}

impl<T> Drop for Seat<T> {
    fn drop(&mut self) {
        // The map's and this one.
        if Rc::strong_count(&self.slot) == 2 && self.slot.is_empty() {
            // Each key can be a new host of which nothing is left.
            let _gone = self.pool.slots.borrow_mut().remove(self.slot.key.as_key());
        }
    }
}

impl<T> Drop for Ticket<'_, T> {
    fn drop(&mut self) {
        // From here on nothing is granted; what was granted and not received goes on to the next.
        self.grant.close();
        match self.grant.try_recv() {
            Ok(Grant::Place) => drop(self.seat.slot.places.granted()),
            Ok(Grant::Connection) => {
                if let Some(open) = self.seat.handed() {
                    self.seat.give(open, Moment::now());
                }
            }
            Err(_) => self.seat.slot.places.forget_gone(),
        }
    }
}

impl<T> Inner<T> {
    /// Finds a use for a connection that isn't needed.
    fn give(&self, slot: &Slot<T>, open: Open<T>, now: Moment) {
        let Some(open) = self.hand_on(slot, open) else { return };
        if self.idle.get() >= self.bounds.total {
            self.close_oldest();
        }
        slot.idle.borrow_mut().push_back(Idle { open, since: now });
        self.count(1);
    }

    /// Gives a connection to who waits, or returns it.
    fn hand_on(&self, slot: &Slot<T>, open: Open<T>) -> Option<Open<T>> {
        if !slot.places.is_awaited() {
            return Some(open);
        }
        match slot.places.next(&self.core) {
            Next::Here => slot.handed.borrow_mut().push_back(open),
            Next::Elsewhere => drop(open),
            Next::Nobody => return Some(open),
        }
        None
    }

    /// Gives idle connections for which somebody waits.
    fn give_up(&self) {
        let slots: Vec<_> = self.slots.borrow().values().filter(|slot| slot.places.is_awaited()).cloned().collect();
        for slot in slots {
            while slot.places.is_awaited() {
                let Some(Idle { open, since }) = slot.pop_oldest() else { break };
                match self.hand_on(&slot, open) {
                    None => self.count(-1),
                    Some(open) => slot.idle.borrow_mut().push_front(Idle { open, since }),
                }
            }
        }
    }

    /// Closes what was idle for too long, and what is too much and wasn't needed since the last time; forgets keys of which nothing is left.
    fn sweep(&self, now: Moment) {
        let mut left = 0;
        self.slots.borrow_mut().retain(|slot| {
            let mut idle = slot.idle.borrow_mut();
            let old = idle.iter().take_while(|one| now.since(one.since) >= self.bounds.time).count();
            let too_many = idle.len().saturating_sub(self.bounds.spare).min(slot.unneeded.get());
            idle.drain(..old.max(too_many));
            slot.unneeded.set(idle.len());
            left += idle.len();
            drop(idle);
            Rc::strong_count(slot) > 1 || !slot.is_empty()
        });
        self.idle.set(left);
    }

    /// Looks through all keys, which happens only while the pool is full.
    fn close_oldest(&self) {
        let mut slots = self.slots.borrow_mut();
        let since = |slot: &Slot<T>| slot.idle.borrow().front().map(|one| one.since);
        let oldest = slots.values().filter_map(|slot| Some((since(slot)?, slot))).min_by_key(|(since, _)| *since).map(|(_, slot)| slot.clone());
        let Some(slot) = oldest else { return };
        if slot.pop_oldest().is_some() {
            self.count(-1);
        }
        if Rc::strong_count(&slot) == 2 && slot.is_empty() {
            slots.remove(slot.key.as_key());
        }
    }

    fn count(&self, change: isize) {
        self.idle.set(self.idle.get().saturating_add_signed(change));
    }
}

impl<T> Slot<T> {
    fn pop_oldest(&self) -> Option<Idle<T>> {
        let mut idle = self.idle.borrow_mut();
        let oldest = idle.pop_front();
        self.needed_all_but(idle.len());
        oldest
    }

    fn needed_all_but(&self, idle: usize) {
        self.unneeded.set(self.unneeded.get().min(idle));
    }

    fn is_empty(&self) -> bool {
        self.idle.borrow().is_empty() && self.handed.borrow().is_empty()
    }
}

impl<T> Clone for Pool<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Deref for Lease<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.open.connection
    }
}

impl<T> DerefMut for Lease<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.open.connection
    }
}

impl<T> fmt::Debug for Pool<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("keys", &self.0.slots.borrow().len()).field("idle", &self.0.idle.get()).finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for Seat<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Seat").field(&self.slot.key).finish()
    }
}

#[cfg(test)]
mod tests;
