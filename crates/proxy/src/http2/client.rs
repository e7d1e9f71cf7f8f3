//! HTTP/2 connections to tools, of one core. Each carries many requests at once.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use connectors_net::PoolKey;
use h2::client::{self, SendRequest};

use super::{CONNECTION_WINDOW, SEND_BUFFER, STREAM_WINDOW};
use crate::settings::Settings;

/// How long a connection without requests is kept; as long as those of HTTP/1.1.
const IDLE: Duration = Duration::from_secs(90);

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
    used: Cell<Option<Instant>>,
}

/// One connection.
pub(crate) struct Connection {
    send: SendRequest<Bytes>,
    /// Requests in flight.
    active: Cell<usize>,
    ended: Cell<bool>,
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
        known.used.set(Some(Instant::now()));
        known
    }

    /// Lets go of what wasn't used for a while; a connection whose last handle is dropped closes itself. To be called every few seconds.
    pub(crate) fn sweep(&self, now: Instant) {
        self.by_key.borrow_mut().retain(|_, known| {
            known.connections.borrow_mut().retain(|connection| !connection.ended.get());
            let busy = known.connections.borrow().iter().any(|connection| connection.active.get() > 0);
            busy || known.used.get().is_some_and(|used| now.saturating_duration_since(used) < IDLE)
        });
    }
}

impl Known {
    /// A place on a connection that is there and has room.
    pub(crate) fn place(&self) -> Option<Place> {
        let mut connections = self.connections.borrow_mut();
        connections.retain(|connection| !connection.ended.get());
        let free = connections.iter().find(|connection| connection.active.get() < connection.send.current_max_send_streams())?;
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
            .max_header_list_size(u32::try_from(settings.head.max_bytes).unwrap_or(u32::MAX));
        let (send, driver) = builder.handshake::<_, Bytes>(stream).await?;
        let connection = Rc::new(Connection { send, active: Cell::new(0), ended: Cell::new(false) });
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
    }
}
