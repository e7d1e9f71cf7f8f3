//! The caller's side of one exchange.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use connectors_http1::{BodyDecoder, Framing, PreparedField, RequestHead, WriteError};
use h2::server::SendResponse;
use h2::{Reason, RecvStream};

use crate::answer::Coding;
use crate::body::{Incoming, Outgoing, Sending, Sink, Source};
use crate::http2::head;
use crate::watchdog::Watchdog;
use crate::wire::Wire;

/// What `Via` says of a hop by HTTP/1.1 (RFC 9110 §7.6.3).
pub(crate) static VIA_HTTP1: PreparedField = PreparedField::constant("Via: 1.1 connectors\r\n");
/// And by HTTP/2.
pub(crate) static VIA_HTTP2: PreparedField = PreparedField::constant("Via: 2 connectors\r\n");

/// Who is at the other end of a caller's connection.
pub(crate) struct Peer {
    /// The address and port that it comes from, written out once for all its records.
    pub(crate) address: Rc<str>,
    /// The same as the tool is told.
    pub(crate) forwarded_for: PreparedField,
}

impl Peer {
    /// # Errors
    /// None: an address is a valid value.
    pub(crate) fn new(address: SocketAddr) -> Result<Self, WriteError> {
        let text = address.ip().to_canonical().to_string();
        Ok(Self { address: address.to_string().into(), forwarded_for: PreparedField::new("X-Forwarded-For", text.as_bytes())? })
    }
}

/// What a request came on, and its answer goes back on.
#[derive(Clone, Copy)]
pub(crate) enum Client<'a> {
    /// A connection of HTTP/1.1, and what watches it.
    Wire(&'a Wire, &'a Watchdog),
    /// A stream of HTTP/2.
    Stream(&'a Stream),
}

/// One stream of a caller's.
pub(crate) struct Stream {
    body: RefCell<RecvStream>,
    respond: RefCell<SendResponse<Bytes>>,
    watchdog: Watchdog,
    sending: Sending,
    moves: Moves,
}

/// Counts what moved on a stream, and with it on its connection.
#[derive(Default)]
pub(crate) struct Moves {
    stream: Cell<u64>,
    connection: Rc<Cell<u64>>,
}

impl Moves {
    /// Something has moved.
    pub(crate) fn count(&self) {
        self.stream.set(self.stream.get() + 1);
        self.connection.set(self.connection.get() + 1);
    }

    /// Changes whenever something has moved on the stream.
    pub(crate) fn on_stream(&self) -> u64 {
        self.stream.get()
    }
}

/// The caller is gone.
#[derive(Debug)]
pub(crate) struct Gone;

impl Stream {
    /// `connection` counts what moves on all streams of the connection.
    pub(crate) fn new(body: RecvStream, respond: SendResponse<Bytes>, idle: Duration, connection: Rc<Cell<u64>>) -> Self {
        let moves = Moves { stream: Cell::new(0), connection };
        Self { body: RefCell::new(body), respond: RefCell::new(respond), watchdog: Watchdog::new(idle), sending: Sending::default(), moves }
    }

    /// Ends the stream, so that what was sent can't be taken for the whole.
    pub(crate) fn reset(&self) {
        self.respond.borrow_mut().send_reset(Reason::INTERNAL_ERROR);
    }

    /// After an answer that is whole, takes in the rest of a body that is still on its way, for a while. Without it a reset would follow the answer at once. It says
    /// that nothing is wrong (RFC 9113 §8.1), but clients that are still sending then may not get to read the answer; curl is one.
    pub(crate) async fn linger(&self) {
        const LONGEST: Duration = Duration::from_secs(2);
        if self.body.borrow().is_end_stream() {
            return;
        }
        let rest = async {
            while let Some(Ok(data)) = poll_fn(|cx| self.body.borrow_mut().poll_data(cx)).await {
                // Fails only if more is released than came.
                let _ = self.body.borrow_mut().flow_control().release_capacity(data.len());
                self.moves.count();
            }
        };
        // Whether the caller ended or the time was up makes no difference.
        let _ = tokio::time::timeout(LONGEST, rest).await;
    }

    fn answer(&self, text: &[u8], ends: bool) -> Result<Sink<'_>, Gone> {
        let response = head::response(text).map_err(|_| Gone)?;
        let sending = self.respond.borrow_mut().send_response(response, ends).map_err(|_| Gone)?;
        *self.sending.borrow_mut() = Some(sending);
        self.moves.count();
        Ok(if ends { Sink::Ended } else { Sink::Stream(Outgoing::new(&self.sending, &self.moves)) })
    }
}

impl<'a> Client<'a> {
    /// Whether the caller speaks HTTP/2.
    pub(crate) fn is_http2(self) -> bool {
        matches!(self, Self::Stream(_))
    }

    /// Changes whenever anything moved on the caller's side.
    pub(crate) fn moved(self) -> u64 {
        match self {
            Self::Wire(wire, _) => wire.moved(),
            Self::Stream(stream) => stream.moves.on_stream(),
        }
    }

    /// What watches the caller's connection or stream.
    pub(crate) fn watchdog(self) -> &'a Watchdog {
        match self {
            Self::Wire(_, watchdog) => watchdog,
            Self::Stream(stream) => &stream.watchdog,
        }
    }

    /// Gives a connection's buffer back if nothing is in it.
    pub(crate) fn release_buffer(self) {
        if let Self::Wire(wire, _) = self {
            wire.release_buffer();
        }
    }

    /// The request's body.
    pub(crate) fn source(self, framing: Framing) -> Source<'a> {
        match self {
            Self::Wire(wire, _) => Source::Wire(wire, BodyDecoder::new(framing)),
            // What a stream brings then is for the protocol that it asks to switch to, and nothing may go to a tool that hasn't agreed.
            Self::Stream(_) if framing == Framing::None => Source::Nothing,
            Self::Stream(stream) => Source::Stream(Incoming::new(&stream.body, &stream.moves)),
        }
    }

    /// Everything that follows the head, once both sides have switched protocols.
    pub(crate) fn raw_source(self) -> Source<'a> {
        match self {
            Self::Wire(wire, _) => Source::raw(wire),
            Self::Stream(stream) => Source::Stream(Incoming::new(&stream.body, &stream.moves)),
        }
    }

    /// Begins the answer with a head that is written for HTTP/1.1; what is still in `text` then is for [`relay`](crate::body::relay) to send first. `ends`:
    /// nothing follows the head.
    pub(crate) fn answer(self, text: &mut Vec<u8>, coding: Coding, ends: bool) -> Result<Sink<'a>, Gone> {
        match self {
            Self::Wire(wire, _) => Ok(Sink::Wire(wire, coding)),
            Self::Stream(stream) => {
                let sink = stream.answer(text, ends);
                text.clear();
                sink
            }
        }
    }

    /// Says that nothing more comes, while the caller may go on sending. A stream has said so by itself.
    pub(crate) async fn close_sending(self) -> Result<(), Gone> {
        match self {
            Self::Wire(wire, _) => wire.shutdown().await.map_err(|_| Gone),
            Self::Stream(_) => Ok(()),
        }
    }

    /// Has the caller see that an answer has broken off that only ends with its connection, however that comes about; `false` when it has come to its end.
    /// A stream tells by itself.
    pub(crate) fn set_breakable(self, breakable: bool) {
        if let Self::Wire(wire, _) = self {
            wire.set_resets(breakable);
        }
    }

    /// Sends an interim answer (RFC 9110 §15.2).
    pub(crate) async fn interim(self, text: &[u8]) -> Result<(), Gone> {
        match self {
            Self::Wire(wire, _) => wire.send(text).await.map_err(|_| Gone),
            Self::Stream(stream) => {
                let response = head::response(text).map_err(|_| Gone)?;
                stream.respond.borrow_mut().send_informational(response).map_err(|_| Gone)
            }
        }
    }

    /// Sends a whole answer of ours: a head, written for HTTP/1.1, and what follows it from `body_at` on.
    pub(crate) async fn send(self, text: &[u8], body_at: usize) -> Result<(), Gone> {
        match self {
            Self::Wire(wire, _) => wire.send(text).await.map_err(|_| Gone),
            Self::Stream(stream) => {
                let (head, body) = text.split_at(body_at);
                match stream.answer(head, body.is_empty())? {
                    Sink::Stream(sending) => sending.send_last(Bytes::copy_from_slice(body)).await.map_err(|_| Gone),
                    _ => Ok(()),
                }
            }
        }
    }

    /// Does `work`, unless the caller resets its stream before it is done: then it is dropped, wherever it is. Whether a caller of HTTP/1.1 is gone can only be
    /// told while nothing of it is awaited, so those are looked after where that is known.
    pub(crate) async fn unless_reset<T>(self, request: &RequestHead, mut work: Pin<&mut impl Future<Output = T>>) -> Option<T> {
        poll_fn(|cx| match self {
            Self::Stream(_) if self.poll_gone(cx, request).is_ready() => Poll::Ready(None),
            _ => work.as_mut().poll(cx).map(Some),
        })
        .await
    }

    /// Whether the caller has gone while it waits for its answer, and nobody needs that any more.
    ///
    /// Over HTTP/1.1 the end of what it sends is all that can be seen. Most clients that end are gone; one that has said that this request is its last
    /// (`Connection: close`, or HTTP/1.0) may have closed only its sending half, and gets its answer.
    pub(crate) fn poll_gone(self, cx: &mut Context<'_>, request: &RequestHead) -> Poll<()> {
        match self {
            Self::Wire(wire, _) if request.keep_alive() => wire.poll_closed(cx),
            Self::Wire(..) => Poll::Pending,
            Self::Stream(stream) => match &mut *stream.sending.borrow_mut() {
                Some(sending) => sending.poll_reset(cx).map(|_| ()),
                None => stream.respond.borrow_mut().poll_reset(cx).map(|_| ()),
            },
        }
    }
}
