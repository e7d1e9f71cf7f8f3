//! One connection of HTTP/1.1: heads in, one request after the other, until one side has enough.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use connectors_http1::RequestHead;
use connectors_net::Stream;

use crate::client::Client;
use crate::forward::After;
use crate::http2::server::{self as http2, PREFACE};
use crate::intercept::{self, Tunnel};
use crate::reject::Reject;
use crate::serve::{self, Next};
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

/// Serves a connection as it was accepted.
pub(crate) async fn serve(worker: Rc<Worker>, stream: Stream, peer: SocketAddr) {
    let wire = Wire::new(stream);
    let end = requests(&worker, &wire, peer, None).await;
    let (stream, read_ahead) = wire.into_parts();
    match end {
        End::Closed => {}
        End::Tunnel(tunnel) => intercept::run(worker, stream, read_ahead, peer, tunnel).await,
        End::Http2 => http2::serve(worker, stream, read_ahead, peer, None).await,
    }
}

/// Serves what is inside an intercepted CONNECT. Boxed, since a connection's future would otherwise contain itself.
pub(crate) fn inside<'a>(worker: &'a Rc<Worker>, wire: &'a Wire, peer: SocketAddr, tunnel: &'a Tunnel) -> Pin<Box<dyn Future<Output = ()> + 'a>> {
    Box::pin(async move {
        // Nothing inside can open a tunnel, and TLS has agreed on the protocol.
        requests(worker, wire, peer, Some(tunnel)).await;
    })
}

async fn requests(worker: &Rc<Worker>, wire: &Wire, peer: SocketAddr, tunnel: Option<&Tunnel>) -> End {
    let mut head = RequestHead::new();
    let mut first = tunnel.is_none();
    loop {
        if !next_request(worker, wire).await {
            return End::Closed;
        }
        // From its first byte on, a request is one that stopping waits for.
        let _busy = worker.drain.busy();
        if std::mem::take(&mut first) && begins_http2(worker, wire).await {
            return End::Http2;
        }
        match read_head(worker, wire, &mut head).await {
            Ok(true) => {}
            Ok(false) => return End::Closed,
            Err(reject) => {
                refuse_and_close(worker, wire, peer, &head, reject).await;
                return End::Closed;
            }
        }
        match serve::request(worker, Client::Wire(wire), &head, peer, tunnel).await {
            Next::Tunnel(tunnel) => return End::Tunnel(tunnel),
            Next::After(After::KeepAlive) => {}
            Next::After(After::Close) => {
                linger(wire).await;
                return End::Closed;
            }
            Next::After(After::Abort) => return End::Closed,
        }
    }
}

/// Whether the connection begins with the preface of HTTP/2. Reads on only while that is open; no request of HTTP/1.1 begins as the preface does.
async fn begins_http2(worker: &Worker, wire: &Wire) -> bool {
    let whole = async {
        loop {
            match wire.with_input(|input| (input.starts_with(PREFACE), PREFACE.starts_with(input))) {
                (true, _) => return true,
                (false, false) => return false,
                (false, true) if !matches!(wire.fill().await, Ok(count) if count > 0) => return false,
                (false, true) => {}
            }
        }
    };
    tokio::time::timeout(worker.settings.head_timeout, whole).await.unwrap_or(false)
}

/// Waits for the first bytes of a request. `false`: the caller is done, or the proxy is.
async fn next_request(worker: &Worker, wire: &Wire) -> bool {
    if !wire.with_input(<[u8]>::is_empty) {
        return true;
    }
    wire.release_buffer();
    tokio::select! {
        biased;
        () = worker.drain.started() => false,
        filled = tokio::time::timeout(worker.settings.idle_timeout, wire.fill()) => matches!(filled, Ok(Ok(count)) if count > 0),
    }
}

/// Reads a whole head. `false`: the caller went away, or took too long.
async fn read_head(worker: &Worker, wire: &Wire, head: &mut RequestHead) -> Result<bool, Reject> {
    head.clear();
    let rest = async {
        loop {
            match wire.with_input(|input| head.parse(input, &worker.settings.head)) {
                Ok(Some(consumed)) => {
                    wire.consume(consumed);
                    return Ok(true);
                }
                Ok(None) => match wire.fill().await {
                    Ok(count) if count > 0 => {}
                    _ => return Ok(false),
                },
                Err(error) => return Err(Reject::Head(error)),
            }
        }
    };
    tokio::time::timeout(worker.settings.head_timeout, rest).await.unwrap_or(Ok(false))
}

/// Answers what is no request, and ends the connection.
pub(crate) async fn refuse_and_close(worker: &Worker, wire: &Wire, peer: SocketAddr, head: &RequestHead, reject: Reject) {
    if let Next::After(After::Close) = serve::unreadable(worker, Client::Wire(wire), head, peer, reject).await {
        linger(wire).await;
    }
}

/// Ends a connection so that the answer arrives: what the caller is still sending is read for a while, because closing with unread input would
/// reset the connection and could take the answer with it (RFC 9112 §9.6).
async fn linger(wire: &Wire) {
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
