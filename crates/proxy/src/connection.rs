//! One connection of HTTP/1.1: heads in, one request after the other, until one side has enough.

use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use connectors_http1::RequestHead;
use connectors_net::{Busy, Stream};

use crate::client::{Client, Peer};
use crate::forward::After;
use crate::http2::server::{self as http2, PREFACE};
use crate::intercept::{self, Tunnel};
use crate::reject::Reject;
use crate::scratch::Lent;
use crate::serve::{self, Next};
use crate::watchdog::Watchdog;
use crate::wire::Wire;
use crate::worker::Worker;

/// How a connection goes on when there are no more requests on it.
enum End {
    /// Not at all.
    Closed,
    /// With TLS inside a CONNECT.
    Tunnel(Tunnel),
    /// With HTTP/2, which a caller that knows of it begins without asking (RFC 9113 §3.3).
    Http2,
}

/// Serves a connection as it was accepted. When the proxy stops, it ends by itself, whatever its state; a request that has begun is served first.
pub(crate) async fn serve(worker: Rc<Worker>, _busy: Busy, stream: Stream, address: SocketAddr) {
    // An address is a valid value of a field.
    let Ok(peer) = Peer::new(address) else { return };
    let wire = Wire::new(stream);
    let end = requests(&worker, &wire, &peer, None).await;
    let (stream, read_ahead) = wire.into_parts();
    match end {
        End::Closed => {}
        // Boxed, since connections that do neither needn't have room for it.
        End::Tunnel(tunnel) => Box::pin(intercept::run(worker, stream, read_ahead, peer, tunnel)).await,
        End::Http2 => Box::pin(http2::serve(worker, stream, read_ahead, peer, None)).await,
    }
}

/// Serves what is inside an intercepted CONNECT.
pub(crate) async fn inside(worker: &Rc<Worker>, wire: &Wire, peer: &Peer, tunnel: &Tunnel) {
    // Nothing inside can open a tunnel, and TLS has agreed on the protocol.
    requests(worker, wire, peer, Some(tunnel)).await;
}

async fn requests(worker: &Rc<Worker>, wire: &Wire, peer: &Peer, tunnel: Option<&Tunnel>) -> End {
    let watchdog = Watchdog::new(worker.settings.idle_timeout);
    // Wakes this task when stopping begins, for which it is enough to be polled once.
    let mut stop = pin!(worker.drain.started());
    poll_fn(|cx| Poll::Ready(_ = stop.as_mut().poll(cx))).await;
    let mut first = tunnel.is_none();
    loop {
        if !next_request(worker, wire, &watchdog).await {
            return End::Closed;
        }
        if std::mem::take(&mut first) && begins_http2(worker, wire).await {
            return End::Http2;
        }
        // Boxed: what a request needs is there only while there is one, as most connections are idle most of the time.
        let next = Box::pin(async {
            let next = request(worker, wire, &watchdog, peer, tunnel).await;
            if let Some(Next::After(After::Close)) = next {
                linger(wire).await;
            }
            next
        });
        match next.await {
            Some(Next::Tunnel(tunnel)) => return End::Tunnel(tunnel),
            Some(Next::After(After::KeepAlive)) => {}
            Some(Next::After(After::Close | After::Abort)) | None => return End::Closed,
        }
    }
}

/// One request, from its first bytes on. `None`: the caller went away before it was whole.
async fn request(worker: &Rc<Worker>, wire: &Wire, watchdog: &Watchdog, peer: &Peer, tunnel: Option<&Tunnel>) -> Option<Next> {
    let client = Client::Wire(wire, watchdog);
    let mut head = Lent::new();
    let read = read_head(worker, wire, &mut head).await;
    match read {
        Ok(true) => Some(serve::request(worker, client, &head, peer, tunnel).await),
        Ok(false) => None,
        Err(reject) => Some(Box::pin(serve::unreadable(worker, client, &head, peer, reject)).await),
    }
}

/// Whether the connection begins with the preface of HTTP/2. Reads on only while that is open; no request of HTTP/1.1 begins as the preface does.
async fn begins_http2(worker: &Worker, wire: &Wire) -> bool {
    let look = || wire.with_input(|input| if input.starts_with(PREFACE) { Some(true) } else { (!PREFACE.starts_with(input)).then_some(false) });
    if let Some(known) = look() {
        return known;
    }
    let whole = async {
        loop {
            if !matches!(wire.fill().await, Ok(count) if count > 0) {
                return false;
            }
            if let Some(known) = look() {
                return known;
            }
        }
    };
    tokio::time::timeout(worker.settings.head_timeout, whole).await.unwrap_or(false)
}

/// Waits for the first bytes of a request. `false`: the caller is done, or the proxy is.
///
/// A proxy that stops doesn't close an idle connection at once, since its caller may be about to send, or have sent, a request that would be lost, and that it may
/// not repeat (RFC 9112 §9.3.1). It waits for one more, whose answer then says that it is the last (§9.6).
async fn next_request(worker: &Worker, wire: &Wire, watchdog: &Watchdog) -> bool {
    if !wire.with_input(<[u8]>::is_empty) {
        return true;
    }
    watchdog.begin();
    let mut last_wait = None;
    poll_fn(|cx| {
        match wire.poll_fill(cx) {
            Poll::Ready(filled) => return Poll::Ready(matches!(filled, Ok(count) if count > 0)),
            Poll::Pending => wire.release_buffer(),
        }
        if worker.drain.draining() {
            // Boxed, since it is there only once.
            let last_wait = last_wait.get_or_insert_with(|| Box::pin(tokio::time::sleep(worker.settings.drain_idle_timeout)));
            return last_wait.as_mut().poll(cx).map(|()| false);
        }
        watchdog.poll(cx, || wire.moved()).map(|()| false)
    })
    .await
}

/// Reads a whole head. `false`: the caller went away, or took too long.
async fn read_head(worker: &Worker, wire: &Wire, head: &mut RequestHead) -> Result<bool, Reject> {
    let mut parse = || {
        wire.with_input(|input| head.parse(input, &worker.settings.head))
            .map_err(Reject::Head)
            .map(|consumed| consumed.inspect(|consumed| wire.consume(*consumed)).is_some())
    };
    // Most come in one piece, and need no timer.
    if parse()? {
        return Ok(true);
    }
    let rest = async {
        loop {
            match wire.fill().await {
                Ok(count) if count > 0 => {}
                _ => return Ok(false),
            }
            if parse()? {
                return Ok(true);
            }
        }
    };
    tokio::time::timeout(worker.settings.head_timeout, rest).await.unwrap_or(Ok(false))
}

/// Answers what is no request, and ends the connection.
pub(crate) async fn refuse_and_close(worker: &Worker, wire: &Wire, peer: &Peer, reject: Reject) {
    let watchdog = Watchdog::new(worker.settings.idle_timeout);
    let client = Client::Wire(wire, &watchdog);
    if let Next::After(After::Close) = serve::unreadable(worker, client, &RequestHead::new(), peer, reject).await {
        linger(wire).await;
    }
}

/// Ends a connection so that the answer arrives: what the caller is still sending is read for a while, because closing with unread input would
/// reset the connection and could take the answer with it (RFC 9112 §9.6). Stopping waits for it, as for all that a connection does: the end of the process would do
/// the same.
pub(crate) async fn linger(wire: &Wire) {
    const LONGEST: Duration = Duration::from_secs(2);
    const MOST_BYTES: usize = 256 * 1024;
    let rest = async {
        if wire.shutdown().await.is_err() {
            return;
        }
        let mut read = 0;
        while read < MOST_BYTES {
            wire.consume(wire.with_input(<[u8]>::len));
            match wire.fill().await {
                Ok(count) if count > 0 => read += count,
                _ => return,
            }
        }
    };
    // Whether the caller closed or the time was up makes no difference.
    let _ = tokio::time::timeout(LONGEST, rest).await;
}
