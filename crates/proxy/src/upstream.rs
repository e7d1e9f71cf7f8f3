//! The tool's side of one exchange.

use std::cell::RefCell;
use std::future::{Future as _, poll_fn};
use std::io;
use std::pin::Pin;
use std::task::Poll;

use connectors_http1::{BodyDecoder, HeadLimits, PreparedField, ResponseFraming, ResponseHead};
use h2::client::ResponseFuture;
use h2::{Reason, RecvStream};

use crate::body::{Incoming, Source};
use crate::client::{Moves, VIA_HTTP1, VIA_HTTP2};
use crate::http2::client::Place;
use crate::http2::head as http2_head;
use crate::reject::Reject;
use crate::wire::Wire;

/// Why one attempt gave no answer.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The connection was of no use, and nothing of the request was lost with it.
    Stale,
    /// The tool is leaving that connection, and has done nothing with the request.
    Leaving,
    /// An answer of ours is due. Boxed, since it is large and rare.
    Reject(Box<Reject>),
}

impl From<Reject> for Failure {
    fn from(reject: Reject) -> Self {
        Self::Reject(Box::new(reject))
    }
}

/// Where the tool's answers to one request are read from: interim ones, then the final one.
pub(crate) enum Answers<'a> {
    /// HTTP/1.1.
    Wire {
        wire: &'a Wire,
        /// The request may be sent again if the connection turns out to be dead.
        repeatable: bool,
    },
    /// HTTP/2.
    Stream {
        response: ResponseFuture,
        place: &'a Place,
        moves: &'a Moves,
        /// The request may be sent again if the connection turns out to be dead.
        repeatable: bool,
        /// Nothing of the request's body has been read from the caller.
        unused: &'a dyn Fn() -> bool,
    },
}

impl<'a> Answers<'a> {
    /// The `Via` of the hop from the tool.
    pub(crate) fn via(&self) -> &'static PreparedField {
        match self {
            Self::Wire { .. } => &VIA_HTTP1,
            Self::Stream { .. } => &VIA_HTTP2,
        }
    }

    /// Reads the next head; with the final one of HTTP/2 comes what holds its body.
    pub(crate) async fn next(&mut self, method: &str, limits: &HeadLimits, head: &mut ResponseHead) -> Result<Option<RefCell<RecvStream>>, Failure> {
        match self {
            Self::Wire { wire, repeatable } => read(wire, *repeatable, limits, head).await.map(|()| None),
            Self::Stream { response, place, moves, repeatable, unused } => {
                let found = poll_fn(|cx| {
                    if let Poll::Ready(Some(interim)) = response.poll_informational(cx) {
                        return Poll::Ready(interim.map(|interim| (interim.into_parts().0, None)));
                    }
                    Pin::new(&mut *response).poll(cx).map_ok(|answer| {
                        let (parts, body) = answer.into_parts();
                        (parts, Some(body))
                    })
                })
                .await;
                moves.count();
                let (parts, body) = found.map_err(|error| failure(error, place, *repeatable, unused()))?;
                let ends = body.as_ref().is_some_and(RecvStream::is_end_stream);
                http2_head::read_response(&parts, ends, method, limits, head).map_err(|error| bad_answer(&error))?;
                Ok(body.map(RefCell::new))
            }
        }
    }
}

impl<'a> Answers<'a> {
    /// Where the final answer's body comes from.
    pub(crate) fn body(&self, framing: ResponseFraming, stream: Option<RefCell<RecvStream>>) -> Source<'a> {
        match (self, stream) {
            (Self::Wire { wire, .. }, _) => Source::Wire(wire, BodyDecoder::new(framing)),
            (Self::Stream { moves, .. }, Some(stream)) => Source::Stream(Incoming::owned(stream, moves)),
            (Self::Stream { .. }, None) => Source::Nothing,
        }
    }
}

fn bad_answer(error: &http2_head::TranslateError) -> Failure {
    Reject::BadAnswer("the tool's answer is no valid HTTP", error.to_string()).into()
}

async fn read(wire: &Wire, repeatable: bool, limits: &HeadLimits, head: &mut ResponseHead) -> Result<(), Failure> {
    head.clear();
    loop {
        // Nearly always there is nothing yet the first time.
        if !wire.with_input(<[u8]>::is_empty) {
            let parsed = wire.with_input(|input| head.parse(input, limits));
            if let Some(consumed) = parsed.map_err(|error| Reject::BadAnswer("the tool's answer is no valid HTTP", error.to_string()))? {
                wire.consume(consumed);
                return Ok(());
            }
        }
        match wire.fill().await {
            Ok(count) if count > 0 => {}
            Ok(_) | Err(_) if repeatable && wire.with_input(<[u8]>::is_empty) => return Err(Failure::Stale),
            Ok(_) => return Err(Reject::NoAnswer(io::ErrorKind::UnexpectedEof.into()).into()),
            Err(error) => return Err(Reject::NoAnswer(error).into()),
        }
    }
}

/// What a broken stream means. `unused`: nothing of the request's body is used up.
fn failure(error: h2::Error, place: &Place, repeatable: bool, unused: bool) -> Failure {
    // The tool has done nothing with the request (RFC 9113 §8.7): it says so of this one, or that it goes after an earlier one. Those before that one get no such
    // error, but that of the connection when it ends.
    let refused = error.is_reset() && error.reason() == Some(Reason::REFUSED_STREAM);
    let leaving = error.is_go_away() && error.is_remote();
    if !error.is_reset() {
        place.give_up();
    }
    match unused {
        true if leaving => Failure::Leaving,
        true if refused || repeatable && !error.is_reset() => Failure::Stale,
        _ => Reject::NoAnswer(io::Error::other(error)).into(),
    }
}
