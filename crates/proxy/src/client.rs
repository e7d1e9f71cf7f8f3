//! The caller's side of one exchange.

use std::cell::{Cell, RefCell};
use std::task::{Context, Poll};

use bytes::Bytes;
use connectors_http1::{BodyDecoder, Framing, RequestHead};
use h2::server::SendResponse;
use h2::{Reason, RecvStream};

use crate::answer::Coding;
use crate::body::{Incoming, Outgoing, Sending, Sink, Source};
use crate::http2::head;
use crate::wire::Wire;

/// What a request came on, and its answer goes back on.
#[derive(Clone, Copy)]
pub(crate) enum Client<'a> {
    /// A connection of HTTP/1.1.
    Wire(&'a Wire),
    /// A stream of HTTP/2.
    Stream(&'a Stream),
}

/// One stream of a caller's.
pub(crate) struct Stream {
    body: RefCell<RecvStream>,
    respond: RefCell<SendResponse<Bytes>>,
    sending: Sending,
    moved: Cell<u64>,
}

/// The caller is gone.
#[derive(Debug)]
pub(crate) struct Gone;

impl Stream {
    pub(crate) fn new(body: RecvStream, respond: SendResponse<Bytes>) -> Self {
        Self { body: RefCell::new(body), respond: RefCell::new(respond), sending: Sending::default(), moved: Cell::new(0) }
    }

    /// Ends the stream, so that what was sent can't be taken for the whole.
    pub(crate) fn reset(&self) {
        self.respond.borrow_mut().send_reset(Reason::INTERNAL_ERROR);
    }

    fn answer(&self, text: &[u8], ends: bool) -> Result<Sink<'_>, Gone> {
        let response = head::response(text).map_err(|_| Gone)?;
        let sending = self.respond.borrow_mut().send_response(response, ends).map_err(|_| Gone)?;
        *self.sending.borrow_mut() = Some(sending);
        self.moved.set(self.moved.get() + 1);
        Ok(if ends { Sink::Ended } else { Sink::Stream(Outgoing::new(&self.sending, &self.moved)) })
    }
}

impl<'a> Client<'a> {
    /// Whether the caller speaks HTTP/2.
    pub(crate) fn is_http2(self) -> bool {
        matches!(self, Self::Stream(_))
    }

    /// What `Via` says of the hop from the caller (RFC 9110 §7.6.3).
    pub(crate) fn via(self) -> &'static str {
        match self {
            Self::Wire(_) => "1.1 connectors",
            Self::Stream(_) => "2 connectors",
        }
    }

    /// Changes whenever anything moved on the caller's side.
    pub(crate) fn moved(self) -> u64 {
        match self {
            Self::Wire(wire) => wire.moved(),
            Self::Stream(stream) => stream.moved.get(),
        }
    }

    /// The request's body.
    pub(crate) fn source(self, framing: Framing) -> Source<'a> {
        match self {
            Self::Wire(wire) => Source::Wire(wire, BodyDecoder::new(framing)),
            Self::Stream(stream) => Source::Stream(Incoming::new(&stream.body, &stream.moved)),
        }
    }

    /// Everything that follows the head, once both sides have switched protocols.
    pub(crate) fn raw_source(self) -> Source<'a> {
        match self {
            Self::Wire(wire) => Source::raw(wire),
            Self::Stream(_) => self.source(Framing::None),
        }
    }

    /// Begins the answer with a head that is written for HTTP/1.1; what is still in `text` then is for [`relay`](crate::body::relay) to send first. `ends`:
    /// nothing follows the head.
    pub(crate) fn answer(self, text: &mut Vec<u8>, coding: Coding, ends: bool) -> Result<Sink<'a>, Gone> {
        match self {
            Self::Wire(wire) => Ok(Sink::Wire(wire, coding)),
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
            Self::Wire(wire) => wire.shutdown().await.map_err(|_| Gone),
            Self::Stream(_) => Ok(()),
        }
    }

    /// Has the caller see that an answer has broken off that only ends with its connection, however that comes about; `false` when it has come to its end.
    /// A stream tells by itself.
    pub(crate) fn set_breakable(self, breakable: bool) {
        if let Self::Wire(wire) = self {
            wire.set_resets(breakable);
        }
    }

    /// Sends an interim answer (RFC 9110 §15.2).
    pub(crate) async fn interim(self, text: &[u8]) -> Result<(), Gone> {
        match self {
            Self::Wire(wire) => {
                wire.write_all(text).await.map_err(|_| Gone)?;
                wire.flush().await.map_err(|_| Gone)
            }
            Self::Stream(stream) => {
                let response = head::response(text).map_err(|_| Gone)?;
                stream.respond.borrow_mut().send_informational(response).map_err(|_| Gone)
            }
        }
    }

    /// Sends a whole answer of ours: a head, written for HTTP/1.1, and what follows it from `body_at` on.
    pub(crate) async fn send(self, text: &[u8], body_at: usize) -> Result<(), Gone> {
        match self {
            Self::Wire(wire) => {
                wire.write_all(text).await.map_err(|_| Gone)?;
                wire.flush().await.map_err(|_| Gone)
            }
            Self::Stream(stream) => {
                let (head, body) = text.split_at(body_at);
                match stream.answer(head, body.is_empty())? {
                    Sink::Stream(sending) => sending.send_last(Bytes::copy_from_slice(body)).await.map_err(|_| Gone),
                    _ => Ok(()),
                }
            }
        }
    }

    /// Whether the caller has gone while it waits for its answer, and nobody needs that any more.
    ///
    /// Over HTTP/1.1 the end of what it sends is all that can be seen. Most clients that end are gone; one that has said that this request is its last
    /// (`Connection: close`, or HTTP/1.0) may have closed only its sending half, and gets its answer.
    pub(crate) fn poll_gone(self, cx: &mut Context<'_>, request: &RequestHead) -> Poll<()> {
        match self {
            Self::Wire(wire) if request.keep_alive() => wire.poll_closed(cx),
            Self::Wire(_) => Poll::Pending,
            Self::Stream(stream) => match &mut *stream.sending.borrow_mut() {
                Some(sending) => sending.poll_reset(cx).map(|_| ()),
                None => stream.respond.borrow_mut().poll_reset(cx).map(|_| ()),
            },
        }
    }
}
