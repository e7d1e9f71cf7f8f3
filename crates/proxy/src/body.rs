//! Moves one body from one side to the other, whatever each side speaks.

use std::cell::{Cell, RefCell, RefMut};
use std::future::poll_fn;
use std::task::{Poll, ready};

use bytes::Bytes;
use connectors_http1::{BodyDecoder, BodyError, Decoded, Field, HeadWriter, LAST_CHUNK, Line, ResponseFraming, chunk_head};
use h2::{RecvStream, SendStream};

use crate::answer::Coding;
use crate::http2::head;
use crate::wire::Wire;

/// Which side failed decides what happens next.
#[derive(Debug)]
pub(crate) enum RelayError {
    /// Reading failed.
    From,
    /// Writing failed.
    To,
    /// What was read is no body, or ended early.
    Body(BodyError),
}

/// Where a body comes from.
pub(crate) enum Source<'a> {
    /// HTTP/1.1: framed within the bytes of a connection.
    Wire(&'a Wire, BodyDecoder),
    /// HTTP/2.
    Stream(Incoming<'a>),
    /// There is none.
    Nothing,
}

/// The receiving half of a stream.
pub(crate) struct Incoming<'a> {
    stream: Receiving<'a>,
    /// Counts what arrives; the watchdog compares it with what it saw before.
    moved: &'a Cell<u64>,
    /// Holds the trailers, once they are there.
    trailers: Option<BodyDecoder>,
}

/// A caller's belongs to its stream, a tool's to the answer.
enum Receiving<'a> {
    Shared(&'a RefCell<RecvStream>),
    Owned(RefCell<RecvStream>),
}

impl Receiving<'_> {
    fn borrow_mut(&self) -> RefMut<'_, RecvStream> {
        match self {
            Self::Shared(stream) => stream.borrow_mut(),
            Self::Owned(stream) => stream.borrow_mut(),
        }
    }
}

impl<'a> Incoming<'a> {
    pub(crate) fn new(stream: &'a RefCell<RecvStream>, moved: &'a Cell<u64>) -> Self {
        Self { stream: Receiving::Shared(stream), moved, trailers: None }
    }

    pub(crate) fn owned(stream: RefCell<RecvStream>, moved: &'a Cell<u64>) -> Self {
        Self { stream: Receiving::Owned(stream), moved, trailers: None }
    }

    /// The next piece; `None` at the end, when the trailers are there too.
    async fn next(&mut self) -> Result<Option<Bytes>, RelayError> {
        let data = poll_fn(|cx| self.stream.borrow_mut().poll_data(cx)).await;
        self.moved.set(self.moved.get() + 1);
        if let Some(data) = data {
            return data.map(Some).map_err(|_| RelayError::From);
        }
        let trailers = poll_fn(|cx| self.stream.borrow_mut().poll_trailers(cx)).await.map_err(|_| RelayError::From)?;
        if let Some(trailers) = trailers {
            self.trailers = Some(head::read_trailers(&trailers).map_err(|_| RelayError::From)?);
        }
        Ok(None)
    }

    /// Lets the sender go on by as much as was passed on. Until then it waits, so that a slow receiver costs no memory (RFC 9113 §5.2).
    fn passed_on(&self, bytes: usize) {
        // Fails only if more is released than came.
        let _ = self.stream.borrow_mut().flow_control().release_capacity(bytes);
    }
}

impl<'a> Source<'a> {
    /// Everything that a connection brings.
    pub(crate) fn raw(wire: &'a Wire) -> Self {
        Self::Wire(wire, BodyDecoder::new(ResponseFraming::UntilClose))
    }

    /// The trailers, once the body has been read.
    fn trailers(&self) -> Option<&BodyDecoder> {
        match self {
            Self::Wire(_, body) => Some(body),
            Self::Stream(incoming) => incoming.trailers.as_ref(),
            Self::Nothing => None,
        }
    }

    async fn next(&mut self) -> Result<Option<Bytes>, RelayError> {
        match self {
            Self::Nothing => Ok(None),
            Self::Stream(incoming) => incoming.next().await,
            Self::Wire(wire, body) => loop {
                match wire.with_input(|input| body.decode(input)).map_err(RelayError::Body)? {
                    Decoded::Data { skip, len } => {
                        wire.consume(skip);
                        return Ok(Some(wire.take(len)));
                    }
                    Decoded::NeedMore { consumed } => {
                        wire.consume(consumed);
                        if wire.fill_body().await.map_err(|_| RelayError::From)? == 0 {
                            body.eof().map_err(RelayError::Body)?;
                            return Ok(None);
                        }
                    }
                    Decoded::End { consumed } => {
                        wire.consume(consumed);
                        return Ok(None);
                    }
                }
            },
        }
    }

    fn passed_on(&self, bytes: usize) {
        if let Self::Stream(incoming) = self {
            incoming.passed_on(bytes);
        }
    }
}

/// Where a body goes.
pub(crate) enum Sink<'a> {
    /// HTTP/1.1, framed in that way.
    Wire(&'a Wire, Coding),
    /// HTTP/2; the head has been sent.
    Stream(Outgoing<'a>),
    /// HTTP/2, and the head said that nothing follows.
    Ended,
}

/// The sending half of a stream, once its head was sent.
pub(crate) type Sending = RefCell<Option<SendStream<Bytes>>>;

/// The sending half of a stream.
pub(crate) struct Outgoing<'a> {
    stream: &'a Sending,
    moved: &'a Cell<u64>,
}

impl<'a> Outgoing<'a> {
    pub(crate) fn new(stream: &'a Sending, moved: &'a Cell<u64>) -> Self {
        Self { stream, moved }
    }

    /// Sends as the receiver makes room for it (RFC 9113 §5.2).
    async fn send(&self, mut data: Bytes) -> Result<(), RelayError> {
        while !data.is_empty() {
            poll_fn(|cx| {
                let mut stream = self.stream.borrow_mut();
                let stream = stream.as_mut().ok_or(RelayError::To)?;
                stream.reserve_capacity(data.len());
                let room = ready!(stream.poll_capacity(cx)).ok_or(RelayError::To)?.map_err(|_| RelayError::To)?;
                let piece = data.split_to(room.min(data.len()));
                Poll::Ready(stream.send_data(piece, false).map_err(|_| RelayError::To))
            })
            .await?;
            self.moved.set(self.moved.get() + 1);
        }
        Ok(())
    }

    /// Ends the stream, with trailers if there are any.
    fn end<'l>(&self, trailers: impl Iterator<Item = Line<'l>>) -> Result<(), RelayError> {
        let mut trailers = trailers.peekable();
        let mut stream = self.stream.borrow_mut();
        let stream = stream.as_mut().ok_or(RelayError::To)?;
        match trailers.peek() {
            Some(_) => stream.send_trailers(head::trailers(trailers)),
            None => stream.send_data(Bytes::new(), true),
        }
        .map_err(|_| RelayError::To)
    }

    /// Sends `data`, and ends the stream.
    pub(crate) async fn send_last(&self, data: Bytes) -> Result<(), RelayError> {
        self.send(data).await?;
        self.end(std::iter::empty())
    }
}

/// How a body goes on.
#[derive(Clone, Copy)]
pub(crate) struct Onward<'a> {
    /// Which trailers go along, of those that mean nothing to this hop.
    pub(crate) keeps: &'a dyn Fn(&Line<'_>) -> bool,
    /// Counts the body's bytes.
    pub(crate) bytes: &'a Cell<u64>,
}

/// Sends `before`, which is the head if the sink still needs it, then the body as it arrives.
pub(crate) async fn relay(from: &mut Source<'_>, to: &mut Sink<'_>, onward: Onward<'_>, before: &mut Vec<u8>) -> Result<(), RelayError> {
    match (from, to) {
        (Source::Wire(from, body), Sink::Wire(to, coding)) => wire_to_wire(from, body, to, *coding, onward, before).await,
        (from, to) => piece_by_piece(from, to, onward, before).await,
    }
}

/// Between two connections of HTTP/1.1: in one write what is there at once, and nothing is copied.
async fn wire_to_wire(from: &Wire, body: &mut BodyDecoder, to: &Wire, coding: Coding, onward: Onward<'_>, before: &mut Vec<u8>) -> Result<(), RelayError> {
    loop {
        match from.with_input(|input| body.decode(input)).map_err(RelayError::Body)? {
            Decoded::Data { skip, len } => {
                let after: &[u8] = match coding {
                    Coding::Plain => b"",
                    Coding::Chunked => {
                        chunk_head(len as u64, before);
                        b"\r\n"
                    }
                };
                to.write_from(before, from, skip, len, after).await.map_err(|_| RelayError::To)?;
                before.clear();
                from.consume(skip + len);
                onward.bytes.set(onward.bytes.get() + len as u64);
            }
            Decoded::NeedMore { consumed } => {
                from.consume(consumed);
                if !before.is_empty() {
                    to.write_all(before).await.map_err(|_| RelayError::To)?;
                    before.clear();
                }
                to.flush().await.map_err(|_| RelayError::To)?;
                if from.fill_body().await.map_err(|_| RelayError::From)? == 0 {
                    body.eof().map_err(RelayError::Body)?;
                    break;
                }
            }
            Decoded::End { consumed } => {
                from.consume(consumed);
                break;
            }
        }
    }
    if coding == Coding::Chunked {
        finish_chunks(Some(body), onward, before);
    }
    if !before.is_empty() {
        to.write_all(before).await.map_err(|_| RelayError::To)?;
    }
    to.flush().await.map_err(|_| RelayError::To)
}

/// Where one side speaks HTTP/2.
async fn piece_by_piece(from: &mut Source<'_>, to: &mut Sink<'_>, onward: Onward<'_>, before: &mut Vec<u8>) -> Result<(), RelayError> {
    if let Sink::Wire(wire, _) = to
        && !before.is_empty()
    {
        wire.write_all(before).await.map_err(|_| RelayError::To)?;
        wire.flush().await.map_err(|_| RelayError::To)?;
        before.clear();
    }
    while let Some(data) = from.next().await? {
        let len = data.len();
        match to {
            // An empty piece would be the last chunk.
            _ if data.is_empty() => {}
            Sink::Wire(wire, coding) => {
                let after: &[u8] = match coding {
                    Coding::Plain => b"",
                    Coding::Chunked => {
                        chunk_head(len as u64, before);
                        b"\r\n"
                    }
                };
                wire.write_pieces([before, &data, after]).await.map_err(|_| RelayError::To)?;
                wire.flush().await.map_err(|_| RelayError::To)?;
                before.clear();
            }
            Sink::Stream(outgoing) => outgoing.send(data).await?,
            Sink::Ended => return Err(RelayError::To),
        }
        from.passed_on(len);
        onward.bytes.set(onward.bytes.get() + len as u64);
    }
    match to {
        Sink::Wire(wire, Coding::Chunked) => {
            finish_chunks(from.trailers(), onward, before);
            wire.write_all(before).await.map_err(|_| RelayError::To)?;
            wire.flush().await.map_err(|_| RelayError::To)
        }
        Sink::Wire(_, Coding::Plain) | Sink::Ended => Ok(()),
        Sink::Stream(outgoing) => outgoing.end(from.trailers().into_iter().flat_map(BodyDecoder::trailers).filter(|line| goes_on(line, onward))),
    }
}

/// The last chunk and the trailers.
fn finish_chunks(body: Option<&BodyDecoder>, onward: Onward<'_>, out: &mut Vec<u8>) {
    let mut trailers = body.into_iter().flat_map(BodyDecoder::trailers).filter(|line| goes_on(line, onward)).peekable();
    if trailers.peek().is_none() {
        out.extend_from_slice(LAST_CHUNK);
        return;
    }
    let mut writer = HeadWriter::trailers(out);
    for line in trailers {
        writer.line(&line);
    }
    writer.end();
}

/// Whether a trailer means nothing to this hop, or to our rules, and may go on.
fn goes_on(line: &Line<'_>, onward: Onward<'_>) -> bool {
    line.field == Field::Other && (onward.keeps)(line)
}
