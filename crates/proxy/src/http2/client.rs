//! HTTP/2 connections to tools, of one core. Each carries many requests at once.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use connectors_net::PoolKey;
use h2::client::{self, SendRequest};

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

/// The connections to tools that have agreed on HTTP/2.
#[derive(Default)]
pub(crate) struct Connections {
    by_key: RefCell<HashMap<PoolKey, Rc<Known>>>,
}

/// What is known of one tool.
#[derive(Default)]
pub(crate) struct Known {
    connections: RefCell<Vec<Rc<Connection>>>,
    /// Held while a connection is made, so that a burst of requests makes one and not one each.
    dialing: tokio::sync::Mutex<()>,
    /// Counts connections that couldn't be made.
    failures: Cell<u64>,
    /// The tool has chosen HTTP/1.1 the last time.
    pub(crate) prefers_http1: Cell<bool>,
    /// When somebody wanted to know.
    asked: Cell<Option<Instant>>,
}

/// One connection.
pub(crate) struct Connection {
    send: SendRequest<Bytes>,
    /// Requests in flight.
    active: Cell<usize>,
    ended: Cell<bool>,
    /// When the last request began or ended.
    used: Cell<Option<Instant>>,
}

/// A place for one request on a connection; leaving is dropping it.
pub(crate) struct Place {
    connection: Rc<Connection>,
    /// Whether the connection has carried a request before.
    pub(crate) reused: bool,
}

impl Connections {
    /// What is known of the tool with that key.
    pub(crate) fn known(&self, key: &PoolKey) -> Rc<Known> {
        let mut by_key = self.by_key.borrow_mut();
        let known = match by_key.get(key) {
            Some(known) => known.clone(),
            None => by_key.entry(key.clone()).or_default().clone(),
        };
        known.asked.set(Some(Instant::now()));
        known
    }

    /// Lets go of what wasn't used for a while; a connection whose last handle is dropped closes itself. To be called every few seconds.
    pub(crate) fn sweep(&self, now: Instant) {
        let recent = |at: Option<Instant>| at.is_some_and(|at| now.saturating_duration_since(at) < IDLE);
        self.by_key.borrow_mut().retain(|_, known| {
            let mut connections = known.connections.borrow_mut();
            connections.retain(|connection| !connection.ended.get() && (connection.active.get() > 0 || recent(connection.used.get())));
            !connections.is_empty() || recent(known.asked.get())
        });
    }
}

impl Known {
    /// A place on a connection that is there and has room.
    pub(crate) fn place(&self) -> Option<Place> {
        let mut connections = self.connections.borrow_mut();
        connections.retain(|connection| !connection.ended.get());
        let free = connections.iter().find(|connection| connection.active.get() < connection.send.current_max_send_streams().min(MAX_STREAMS))?;
        Some(Place::on(free.clone(), true))
    }

    /// Waits for one's turn to make a connection. Those who wait while one fails are let go on at once, so that their waiting doesn't add up.
    pub(crate) async fn dialing(&self) -> Option<tokio::sync::MutexGuard<'_, ()>> {
        let failures = self.failures.get();
        let turn = self.dialing.lock().await;
        (self.failures.get() == failures).then_some(turn)
    }

    /// A connection couldn't be made.
    pub(crate) fn dialing_failed(&self) {
        self.failures.set(self.failures.get() + 1);
    }

    /// Begins HTTP/2 on a new connection.
    ///
    /// # Errors
    /// If the connection breaks.
    pub(crate) async fn begin(&self, stream: connectors_net::Stream, settings: &Settings) -> Result<Place, h2::Error> {
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
        let connection = Rc::new(Connection { send, active: Cell::new(0), ended: Cell::new(false), used: Cell::new(None) });
        let weak = Rc::downgrade(&connection);
        tokio::task::spawn_local(async move {
            // Whoever has a request on it hears of the error too.
            let _ = driver.await;
            if let Some(connection) = weak.upgrade() {
                connection.ended.set(true);
            }
        });
        self.connections.borrow_mut().push(connection.clone());
        Ok(Place::on(connection, false))
    }
}

impl Place {
    fn on(connection: Rc<Connection>, reused: bool) -> Self {
        connection.active.set(connection.active.get() + 1);
        connection.used.set(Some(Instant::now()));
        Self { connection, reused }
    }

    /// What sends the request.
    pub(crate) fn sender(&self) -> SendRequest<Bytes> {
        self.connection.send.clone()
    }

    /// The connection takes no further requests.
    pub(crate) fn give_up(&self) {
        self.connection.ended.set(true);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.connection.active.set(self.connection.active.get() - 1);
        self.connection.used.set(Some(Instant::now()));
    }
}
