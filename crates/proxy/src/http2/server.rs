//! One HTTP/2 connection of a caller: each stream is a request, and goes the way of all requests.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use connectors_http1::{HeadLimits, RequestHead};
use connectors_net::Rewind;
use h2::server::{self, Connection, SendResponse};
use h2::{Reason, RecvStream};
use http::Request;
use tokio::time::{Interval, MissedTickBehavior};

use super::head::{self, Place};
use super::kept::Kept;
use super::{CONNECTION_WINDOW, SEND_BUFFER, SMALL_FRAMES, STREAM_WINDOW};
use crate::client::{Client, Peer, Stream};
use crate::connection;
use crate::forward::After;
use crate::intercept::Tunnel;
use crate::reject::Reject;
use crate::scratch::Lent;
use crate::serve::{self, Next};
use crate::wire::Wire;
use crate::worker::Worker;

/// Requests that one connection may have at once (RFC 9113 §5.1.2 advises no less than 100).
const MAX_STREAMS: u32 = 128;
/// Requests that may be worked on at once: those that may be open, and as many that were reset and are about to notice. h2 counts only the former.
const MAX_ACTIVE: usize = 2 * MAX_STREAMS as usize;
/// Streams of ours that are remembered for a second after we have reset them. What is still on its way for one that isn't counts as a caller's error, and
/// all of a connection's uploads may be refused at once.
const MAX_REMEMBERED: usize = 4 * MAX_STREAMS as usize;
/// Streams that a caller may open and reset before we have seen them; more and the connection ends (CVE-2023-44487).
const MAX_RESET_UNSEEN: usize = 32;
/// Streams that we may have to reset for a caller's errors while a connection lives; more and it ends (CVE-2025-8671). Streams beyond [`MAX_STREAMS`] count as
/// such, and a caller may open many before it has read our settings.
const MAX_ERRORS: usize = 1024;

/// The first bytes of every HTTP/2 connection (RFC 9113 §3.4).
pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What the requests of a connection have in common.
struct Shared {
    worker: Rc<Worker>,
    peer: Peer,
    /// The interception that the connection is inside of.
    tunnel: Option<Tunnel>,
    /// Requests in flight.
    active: Cell<usize>,
    /// Changes with all that a request does.
    moved: Rc<Cell<u64>>,
}

/// Serves a connection to its end. `read_ahead` begins with the preface.
pub(crate) async fn serve(worker: Rc<Worker>, stream: connectors_net::Stream, read_ahead: BytesMut, peer: Peer, tunnel: Option<Tunnel>) {
    let settings = &worker.settings;
    let mut builder = server::Builder::new();
    builder
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buffer_size(SEND_BUFFER)
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(max_header_list(&settings.head))
        .max_concurrent_reset_streams(MAX_REMEMBERED)
        .data_frame_budget(SMALL_FRAMES)
        .max_pending_accept_reset_streams(MAX_RESET_UNSEEN)
        .max_local_error_reset_streams(Some(MAX_ERRORS))
        .enable_connect_protocol();
    let moved = Rc::new(Cell::new(0));
    let kept = Kept::new(Rewind::new(read_ahead.freeze(), stream), moved.clone());
    let handshake = builder.handshake::<_, Bytes>(kept.clone());
    let Ok(Ok(connection)) = tokio::time::timeout(settings.head_timeout, handshake).await else { return };
    let shared = Rc::new(Shared { worker: worker.clone(), peer, tunnel, active: Cell::new(0), moved });
    let ended = requests(&shared, connection, &kept).await;
    // Callers say something to the last: that they have read what was sent, at least. One that has broken the rules is owed no more of our time.
    if ended == Ended::InOrder
        && let Some(stream) = kept.into_stream()
    {
        connection::linger(&Wire::new(stream)).await;
    }
}

/// How a connection came to its end.
#[derive(Debug, PartialEq, Eq)]
enum Ended {
    /// All that was to be said has been handed to the kernel.
    InOrder,
    /// By an error of the caller's or of the network, or because the caller didn't leave when it was told to.
    BrokenOff,
}

async fn requests(shared: &Rc<Shared>, mut connection: Connection<Kept, Bytes>, kept: &Kept) -> Ended {
    /// Looks within the idle time, and how often one that is stopping is looked at.
    const LOOKS: u32 = 4;
    const STOPPING_LOOKS: Duration = Duration::from_millis(500);
    let worker = &shared.worker;
    let mut stop = pin!(worker.drain.started());
    let mut draining = false;
    let mut told_off = false;
    let mut idle_looks = 0;
    let mut look = every(worker.settings.idle_timeout / LOOKS);
    loop {
        tokio::select! {
            biased;
            () = &mut stop, if !draining => {
                draining = true;
                connection.graceful_shutdown();
                idle_looks = 0;
                look = every(STOPPING_LOOKS);
            }
            accepted = connection.accept() => match accepted {
                Some(Ok((request, respond))) => {
                    idle_looks = 0;
                    shared.moved.set(shared.moved.get() + 1);
                    if shared.active.get() >= MAX_ACTIVE {
                        connection.abrupt_shutdown(Reason::ENHANCE_YOUR_CALM);
                        continue;
                    }
                    shared.active.set(shared.active.get() + 1);
                    tokio::task::spawn_local(request_on_stream(shared.clone(), request, respond));
                }
                Some(Err(error)) => {
                    tracing::debug!(client = %shared.peer.address, %error, "an HTTP/2 connection broke off");
                    return Ended::BrokenOff;
                }
                None if told_off => return Ended::BrokenOff,
                None => return Ended::InOrder,
            },
            // After each time that the connection was read. From then on it isn't, and has only this to say.
            () = poll_fn(|_| if kept.is_wasteful() { Poll::Ready(()) } else { Poll::Pending }), if !told_off => {
                told_off = true;
                connection.abrupt_shutdown(Reason::ENHANCE_YOUR_CALM);
            }
            _ = look.tick() => {
                idle_looks = if shared.active.get() == 0 { idle_looks + 1 } else { 0 };
                // The first comes at once. One that doesn't leave when it is told to is left.
                match idle_looks {
                    0..=LOOKS => {}
                    _ if draining => return Ended::BrokenOff,
                    told if told == LOOKS + 1 => connection.graceful_shutdown(),
                    _ => return Ended::BrokenOff,
                }
            }
        }
    }
}

fn every(period: Duration) -> Interval {
    let mut look = tokio::time::interval(period);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    look
}

/// What HTTP/1.1's limits allow, counted as HTTP/2 counts it: 32 bytes more for each field (RFC 9113 §6.5.2).
fn max_header_list(limits: &HeadLimits) -> u32 {
    u32::try_from(limits.max_bytes + 32 * limits.max_lines).unwrap_or(u32::MAX)
}

/// One request, from its head to the end of its answer.
async fn request_on_stream(shared: Rc<Shared>, request: Request<RecvStream>, respond: SendResponse<Bytes>) {
    let worker = &shared.worker;
    let _active = Active(&shared.active);
    let (parts, body) = request.into_parts();
    let ends = body.is_end_stream();
    let place = if shared.tunnel.is_some() { Place::Tunnel } else { Place::Listener };
    let stream = Stream::new(body, respond, worker.settings.idle_timeout, shared.moved.clone());
    let client = Client::Stream(&stream);
    let mut head: Lent<RequestHead> = Lent::new();
    let outcome = match head::read_request(&parts, ends, place, &worker.settings.head, &mut head) {
        Ok(()) => serve::request(worker, client, &head, &shared.peer, shared.tunnel.as_ref()).await,
        Err(error) => serve::unreadable(worker, client, &head, &shared.peer, Reject::from(error)).await,
    };
    match outcome {
        Next::After(After::Abort) => stream.reset(),
        _ => stream.linger().await,
    }
}

/// Counts one request in flight until it is dropped.
struct Active<'a>(&'a Cell<usize>);

impl Drop for Active<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}
