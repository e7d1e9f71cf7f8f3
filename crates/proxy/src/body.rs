//! Moves one body from one side to the other, whatever each side speaks.

use std::cell::{Cell, RefCell, RefMut};
use std::future::poll_fn;
use std::task::{Poll, ready};

use bytes::{Bytes, BytesMut};
use connectors_http1::{BodyDecoder, BodyError, Decoded, Field, HeadWriter, LAST_CHUNK, Line, ResponseFraming};
use connectors_net::{Pipe, Pipes, SpliceError};
use h2::{RecvStream, SendStream};
use tokio::task::coop::consume_budget;

use crate::answer::Coding;
use crate::client::Moves;
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
    /// It was read before.
    Buffered(Bytes),
    /// There is none.
    Nothing,
}

/// The receiving half of a stream.
pub(crate) struct Incoming<'a> {
    stream: Receiving<'a>,
    /// Counts what arrives; the watchdog compares it with what it saw before.
    moves: &'a Moves,
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
    pub(crate) fn new(stream: &'a RefCell<RecvStream>, moves: &'a Moves) -> Self {
        Self { stream: Receiving::Shared(stream), moves, trailers: None }
    }

    pub(crate) fn owned(stream: RefCell<RecvStream>, moves: &'a Moves) -> Self {
        Self { stream: Receiving::Owned(stream), moves, trailers: None }
    }

    /// The next piece; `None` at the end, when the trailers are there too.
    async fn next(&mut self) -> Result<Option<Bytes>, RelayError> {
        let data = poll_fn(|cx| self.stream.borrow_mut().poll_data(cx)).await;
        self.moves.count();
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
            Self::Buffered(_) | Self::Nothing => None,
        }
    }

    /// All of it, or `None` if that is more than `limit` bytes; its trailers are dropped.
    pub(crate) async fn collect(&mut self, limit: usize) -> Result<Option<Bytes>, RelayError> {
        let mut whole = BytesMut::new();
        while let Some(data) = self.next().await? {
            if data.len() > limit - whole.len() {
                return Ok(None);
            }
            whole.extend_from_slice(&data);
            self.passed_on(data.len());
        }
        Ok(Some(whole.freeze()))
    }

    async fn next(&mut self) -> Result<Option<Bytes>, RelayError> {
        match self {
            Self::Nothing => Ok(None),
            Self::Buffered(body) => Ok((!body.is_empty()).then(|| std::mem::take(body))),
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
    moves: &'a Moves,
}

impl<'a> Outgoing<'a> {
    pub(crate) fn new(stream: &'a Sending, moves: &'a Moves) -> Self {
        Self { stream, moves }
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
            self.moves.count();
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
    /// For what needn't be read to be passed on.
    pub(crate) pipes: &'a RefCell<Pipes>,
}

impl Onward<'_> {
    fn count(&self, bytes: u64) {
        self.bytes.set(self.bytes.get() + bytes);
    }
}

/// Sends `before`, which is the head if the sink still needs it, then the body as it arrives.
pub(crate) async fn relay(from: &mut Source<'_>, to: &mut Sink<'_>, onward: Onward<'_>, before: &mut Vec<u8>) -> Result<(), RelayError> {
    match (from, to) {
        (Source::Wire(from, body), Sink::Wire(to, coding)) => Wires { from, body, to, coding: *coding, onward, before }.relay().await,
        (from, to) => piece_by_piece(from, to, onward, before).await,
    }
}

/// What is left of a body, or of a chunk, goes from socket to socket within the kernel if it is at least this much. Below, the pipe costs more than it saves.
const SPLICED_FROM: u64 = 64 * 1024;

/// Chunks below this are copied and sent together with what follows, if that is there already. Otherwise whoever sends chunks of one byte has us make a system call,
/// and the network a packet, of each.
const COPIED_BELOW: usize = 1024;
/// Sent once this much is there.
const COPIED_AT_ONCE: usize = 16 * 1024;

/// Between two connections of HTTP/1.1: in one write what is there at once, and nothing is copied but small pieces.
struct Wires<'a> {
    from: &'a Wire,
    body: &'a mut BodyDecoder,
    to: &'a Wire,
    coding: Coding,
    onward: Onward<'a>,
    /// What still has to go out in front of the next data.
    before: &'a mut Vec<u8>,
}

impl Wires<'_> {
    async fn relay(&mut self) -> Result<(), RelayError> {
        loop {
            match self.from.with_input(|input| self.body.decode(input)).map_err(RelayError::Body)? {
                Decoded::Data { skip, len } if len < COPIED_BELOW && self.from.with_input(|input| input.len() > skip + len) => {
                    let after = self.coding.frame(len as u64, self.before);
                    self.from.with_input(|input| self.before.extend_from_slice(&input[skip..skip + len]));
                    self.before.extend_from_slice(after);
                    self.from.consume(skip + len);
                    self.onward.count(len as u64);
                    if self.before.len() >= COPIED_AT_ONCE {
                        self.write_before().await?;
                    }
                    // Reads and writes count by themselves; of these there are thousands in one read.
                    consume_budget().await;
                }
                Decoded::Data { skip, len } => {
                    let after = self.coding.frame(len as u64, self.before);
                    self.to.write_from(self.before, self.from, skip, len, after).await.map_err(|_| RelayError::To)?;
                    self.before.clear();
                    self.from.consume(skip + len);
                    self.onward.count(len as u64);
                }
                Decoded::NeedMore { consumed } => {
                    self.from.consume(consumed);
                    self.write_before().await?;
                    if let Some(ahead) = self.body.data_ahead().filter(|ahead| *ahead >= SPLICED_FROM)
                        && let Some(pipe) = self.from.pipe_to(self.to, self.onward.pipes)
                    {
                        self.splice(ahead, pipe).await?;
                    } else if self.from.fill_body().await.map_err(|_| RelayError::From)? == 0 {
                        self.body.eof().map_err(RelayError::Body)?;
                        break;
                    }
                }
                Decoded::End { consumed } => {
                    self.from.consume(consumed);
                    break;
                }
            }
        }
        if self.coding == Coding::Chunked {
            finish_chunks(Some(self.body), self.onward, self.before);
        }
        self.write_before().await
    }

    async fn write_before(&mut self) -> Result<(), RelayError> {
        if !self.before.is_empty() {
            self.to.write_all(self.before).await.map_err(|_| RelayError::To)?;
            self.before.clear();
        }
        self.to.flush().await.map_err(|_| RelayError::To)
    }

    /// Moves the next `ahead` bytes of data without reading them. Where there are chunks, they become one.
    async fn splice(&mut self, ahead: u64, mut pipe: Pipe) -> Result<(), RelayError> {
        let after = self.coding.frame(ahead, self.before);
        self.write_before().await?;
        let mut left = ahead;
        while left > 0 {
            let moved = self.from.splice_to(self.to, &mut pipe, left).await.map_err(|error| match error {
                SpliceError::From(_) => RelayError::From,
                SpliceError::To(_) => RelayError::To,
            })?;
            if moved == 0 {
                self.body.eof().map_err(RelayError::Body)?;
                return Err(RelayError::From);
            }
            left -= moved as u64;
            self.body.data_moved(moved as u64);
            self.onward.count(moved as u64);
        }
        self.before.extend_from_slice(after);
        self.onward.pipes.borrow_mut().put(pipe);
        Ok(())
    }
}

/// Where one side speaks HTTP/2.
async fn piece_by_piece(from: &mut Source<'_>, to: &mut Sink<'_>, onward: Onward<'_>, before: &mut Vec<u8>) -> Result<(), RelayError> {
    if let Sink::Wire(wire, _) = to
        && !before.is_empty()
    {
        wire.send(before).await.map_err(|_| RelayError::To)?;
        before.clear();
    }
    while let Some(data) = from.next().await? {
        let len = data.len();
        match to {
            // An empty piece would be the last chunk.
            _ if data.is_empty() => {}
            Sink::Wire(wire, coding) => {
                let after = coding.frame(len as u64, before);
                wire.write_pieces([before, &data, after]).await.map_err(|_| RelayError::To)?;
                wire.flush().await.map_err(|_| RelayError::To)?;
                before.clear();
            }
            Sink::Stream(outgoing) => outgoing.send(data).await?,
            Sink::Ended => return Err(RelayError::To),
        }
        from.passed_on(len);
        onward.count(len as u64);
    }
    match to {
        Sink::Wire(wire, Coding::Chunked) => {
            finish_chunks(from.trailers(), onward, before);
            wire.send(before).await.map_err(|_| RelayError::To)
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
