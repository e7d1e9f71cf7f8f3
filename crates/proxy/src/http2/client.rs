//! HTTP/2 connections to tools, of one core. Each carries many requests at once.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::Future;
use std::pin::pin;
use std::rc::{Rc, Weak};
use std::time::Duration;

use bytes::Bytes;
use connectors_net::{ByKey, Claim, DialError, Dialer, Moment, PoolKey, Stream};
use h2::client::{self, SendRequest};
use tokio::sync::{Mutex, MutexGuard, oneshot};

use super::{SEND_BUFFER, STREAM_WINDOW};
use crate::settings::Settings;

/// How long a connection without requests is kept; as long as those of HTTP/1.1.
const IDLE: Duration = Duration::from_secs(90);
/// Requests on one connection at once, if the tool allows as many; more get a further one.
const MAX_STREAMS: usize = 100;
/// Callers share these connections, so a caller that doesn't read may fill its own stream's window, but none that others need.
const CONNECTION_WINDOW: u32 = MAX_STREAMS as u32 * STREAM_WINDOW;
/// As [`SMALL_FRAMES`](super::SMALL_FRAMES), for a connection that many streams with slow readers share.
const SMALL_FRAMES: usize = 32 * 1024 * 1024;
/// Streams that are remembered for a second after a caller has cancelled them, so that what is on its way for them is taken for that.
const MAX_REMEMBERED: usize = 10 * MAX_STREAMS;
/// How long saying goodbye on a connection without requests may take, until its place is free for another.
const CLOSING: Duration = Duration::from_secs(1);

/// The connections to tools that have agreed on HTTP/2.
#[derive(Default)]
pub(crate) struct Connections {
    by_key: RefCell<ByKey<Rc<Known>>>,
}

/// What is known of one tool.
#[derive(Default)]
pub(crate) struct Known {
    connections: RefCell<Vec<Rc<Connection>>>,
    /// Requests that found no room, the first to be served first.
    waiting: RefCell<VecDeque<oneshot::Sender<Place>>>,
    /// Held while a connection is made, so that a burst of requests makes one and not one each.
    dialing: Mutex<()>,
    /// Counts connections that couldn't be made.
    failures: Cell<u64>,
    /// The tool has chosen HTTP/1.1 the last time.
    pub(crate) prefers_http1: Cell<bool>,
    /// When somebody wanted to know.
    asked: Cell<Option<Moment>>,
}

/// One connection.
pub(crate) struct Connection {
    /// Until it is to close, which it does when no requests are on it.
    handle: RefCell<Option<Handle>>,
    /// Its place among the connections to the tool, until it is closed.
    claim: Weak<Claim>,
    /// Requests in flight.
    active: Cell<usize>,
    ended: Cell<bool>,
    /// When the last request began or ended.
    used: Cell<Option<Moment>>,
}

/// Keeps a connection open.
struct Handle {
    send: SendRequest<Bytes>,
    /// Dropped with it.
    _wanted: oneshot::Sender<Infallible>,
}

/// A place for one request on a connection; leaving is dropping it.
pub(crate) struct Place {
    known: Rc<Known>,
    connection: Rc<Connection>,
    /// Whether the connection has carried a request before.
    pub(crate) reused: bool,
}

/// What comes of waiting for room.
pub(crate) enum Turn<'k, R> {
    /// A request has ended, and left this place.
    Place(Place),
    /// A connection is to be made, with what was reserved for it. If there is a guard, the others wait meanwhile.
    Dial(Option<MutexGuard<'k, ()>>, R),
    /// Somebody else has made a connection.
    Changed,
}

impl Connections {
    /// What is known of the tool with that key.
    pub(crate) fn known(&self, key: PoolKey<'_>, now: Moment) -> Rc<Known> {
        let found = self.by_key.borrow().get(key).cloned();
        let known = found.unwrap_or_else(|| {
            let known = Rc::<Known>::default();
            self.by_key.borrow_mut().insert(key, known.clone());
            known
        });
        known.asked.set(Some(now));
        known
    }

    /// Closes connections without requests for whose place somebody waits.
    pub(crate) fn give_up(&self) {
        for known in self.by_key.borrow().values() {
            known.connections.borrow_mut().retain(|connection| !connection.closes());
        }
    }

    /// Lets go of what wasn't used for a while; a connection whose last handle is dropped closes itself. To be called every few seconds.
    pub(crate) fn sweep(&self, now: Moment) {
        let recent = |at: Option<Moment>| at.is_some_and(|at| now.since(at) < IDLE);
        self.by_key.borrow_mut().retain(|known| {
            let mut connections = known.connections.borrow_mut();
            connections.retain(|connection| !connection.ended.get() && (connection.active.get() > 0 || recent(connection.used.get())));
            !connections.is_empty() || recent(known.asked.get())
        });
    }
}

impl Known {
    /// A place on a connection that is there and has room.
    pub(crate) fn place(self: &Rc<Self>) -> Option<Place> {
        let mut connections = self.connections.borrow_mut();
        connections.retain(|connection| !connection.ended.get());
        let free = connections.iter().find(|connection| connection.has_room())?;
        Some(Place::on(self.clone(), free.clone(), true))
    }

    /// Waits for a place that a request leaves, or for one's turn to make a connection, which begins with `reserve`.
    ///
    /// # Errors
    /// Those of `reserve`.
    pub(crate) async fn turn<R>(&self, reserve: impl Future<Output = Result<R, DialError>>) -> Result<Turn<'_, R>, DialError> {
        let (sender, left) = oneshot::channel();
        self.wait(sender);
        let own = async {
            let dialing = self.dialing().await;
            // Whoever had the turn before may have learnt that the tool prefers HTTP/1.1.
            if self.prefers_http1.get() || self.connections.borrow().iter().any(|connection| connection.has_room()) {
                return Ok(Turn::Changed);
            }
            let reserved = reserve.await.inspect_err(|_| self.dialing_failed())?;
            Ok(Turn::Dial(dialing, reserved))
        };
        tokio::select! {
            biased;
            Ok(place) = left => Ok(Turn::Place(place)),
            turn = own => turn,
        }
    }

    /// Waits for one's turn to make a connection. Those who wait while one fails are let go on at once, so that their waiting doesn't add up.
    async fn dialing(&self) -> Option<MutexGuard<'_, ()>> {
        let failures = self.failures.get();
        let turn = self.dialing.lock().await;
        (self.failures.get() == failures).then_some(turn)
    }

    /// A connection couldn't be made.
    pub(crate) fn dialing_failed(&self) {
        self.failures.set(self.failures.get() + 1);
    }

    /// Begins HTTP/2 on a new connection, which has its place until it is closed.
    ///
    /// # Errors
    /// If the connection breaks.
    pub(crate) async fn begin(self: &Rc<Self>, stream: Stream, claim: Claim, settings: &Settings) -> Result<Place, h2::Error> {
        let mut builder = client::Builder::new();
        builder
            .enable_push(false)
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_send_buffer_size(SEND_BUFFER)
            .data_frame_budget(SMALL_FRAMES)
            .max_concurrent_reset_streams(MAX_REMEMBERED)
            // What comes late for one that is forgotten is no error of the tool's, however often it happens while a connection lives.
            .max_local_error_reset_streams(None)
            .max_header_list_size(u32::try_from(settings.head.max_bytes).unwrap_or(u32::MAX));
        let (send, driver) = builder.handshake::<_, Bytes>(stream).await?;
        let claim = Rc::new(claim);
        let (wanted, unwanted) = oneshot::channel();
        let connection = Rc::new(Connection {
            handle: RefCell::new(Some(Handle { send, _wanted: wanted })),
            claim: Rc::downgrade(&claim),
            active: Cell::new(0),
            ended: Cell::new(false),
            used: Cell::new(None),
        });
        let weak = Rc::downgrade(&connection);
        tokio::task::spawn_local(async move {
            drive(driver, unwanted).await;
            if let Some(connection) = weak.upgrade() {
                connection.ended.set(true);
            }
            // The connection is closed by now.
            drop(claim);
        });
        self.connections.borrow_mut().push(connection.clone());
        Ok(Place::on(self.clone(), connection, false))
    }

    /// Puts somebody at the end of those who wait.
    fn wait(&self, sender: oneshot::Sender<Place>) {
        let mut waiting = self.waiting.borrow_mut();
        // While no place comes free, because the tool is down or all of its streams stay open, nobody else takes out those who have given up. All wait equally
        // long, so they are in front.
        while waiting.pop_front_if(|first| first.is_closed()).is_some() {}
        waiting.push_back(sender);
    }

    /// Who waits longest for a place.
    fn next_waiting(&self) -> Option<oneshot::Sender<Place>> {
        let mut waiting = self.waiting.borrow_mut();
        std::iter::from_fn(|| waiting.pop_front()).find(|waiter| !waiter.is_closed())
    }
}

/// Runs a connection to its end, which is near when nobody wants it any more.
async fn drive(driver: impl Future<Output = Result<(), h2::Error>>, unwanted: oneshot::Receiver<Infallible>) {
    let mut driver = pin!(driver);
    // Whoever has a request on it hears of an error too.
    tokio::select! {
        _ = &mut driver => return,
        _ = unwanted => {}
    }
    // A tool that doesn't read lets no goodbye through.
    let _ = tokio::time::timeout(CLOSING, driver).await;
}

impl Connection {
    fn has_room(&self) -> bool {
        let most = || self.handle.borrow().as_ref().map_or(0, |handle| handle.send.current_max_send_streams().min(MAX_STREAMS));
        !self.ended.get() && self.active.get() < most()
    }

    /// Closes it if there is nothing on it, and no more to come or somebody else in need of its place.
    fn closes(&self) -> bool {
        let closes = self.active.get() == 0 && (self.ended.get() || self.claim.upgrade().is_none_or(|claim| claim.is_awaited()));
        if closes {
            self.ended.set(true);
            self.handle.take();
        }
        closes
    }
}

impl Place {
    fn on(known: Rc<Known>, connection: Rc<Connection>, reused: bool) -> Self {
        connection.active.set(connection.active.get() + 1);
        connection.used.set(Some(Moment::now()));
        Self { known, connection, reused }
    }

    /// Whether the tool's name still leads to where the connection does. If not, it takes no further requests.
    pub(crate) async fn confirm(&self, key: PoolKey<'_>, dialer: &Dialer) -> bool {
        // Somebody else may have found out, and left this place since.
        if self.connection.ended.get() {
            return false;
        }
        // Which is now.
        let taken = self.connection.used.get().unwrap_or_else(Moment::now);
        let confirmed = match self.connection.claim.upgrade() {
            Some(claim) => claim.confirm(key, dialer, taken).await,
            None => false,
        };
        if !confirmed {
            self.give_up();
        }
        confirmed
    }

    /// What sends the request, unless the connection is closed.
    pub(crate) fn sender(&self) -> Option<SendRequest<Bytes>> {
        self.connection.handle.borrow().as_ref().map(|handle| handle.send.clone())
    }

    /// The connection takes no further requests.
    pub(crate) fn give_up(&self) {
        self.connection.ended.set(true);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let connection = &self.connection;
        connection.active.set(connection.active.get() - 1);
        connection.used.set(Some(Moment::now()));
        if connection.has_room()
            && let Some(waiter) = self.known.next_waiting()
        {
            // Whoever stops waiting in this moment drops it, and the next gets it.
            let _ = waiter.send(Self::on(self.known.clone(), connection.clone(), true));
        } else {
            connection.closes();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use super::*;

    #[test]
    fn p28_who_has_given_up_is_not_kept_while_the_tool_is_down() {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
            let known = Known::default();
            for _ in 0..1000 {
                assert!(known.turn::<()>(async { Err(DialError::Full(NonZeroUsize::MIN)) }).await.is_err());
            }
            assert!(known.waiting.borrow().len() <= 1, "{}", known.waiting.borrow().len());
        });
    }
}
