//! One connection, of either side, with what was read from it and not yet used.
//!
//! A request body going up and a response body coming down use the same two connections at the same time, within one task.
//! So the stream sits in a `RefCell` that is borrowed only while it is polled, never across a wait: no lock, no second task.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use crate::scratch;
use bytes::{Buf, Bytes, BytesMut};
use connectors_net::{Pipe, Pipes, Protocol, SpliceError, Stream};
use tokio::io::AsyncWrite;

/// What one read asks for. Enough for nearly every head, and for an answer of some pages with its head; bodies ask for more.
const READ_SIZE: usize = 16 * 1024;
/// What a read within a body asks for.
const BODY_READ_SIZE: usize = 64 * 1024;

/// A stream and its input buffer.
pub(crate) struct Wire {
    stream: RefCell<Stream>,
    input: RefCell<BytesMut>,
    /// Counts reads and writes that moved something; the watchdog compares it with what it saw before.
    moved: Cell<u64>,
}

impl Wire {
    pub(crate) fn new(stream: Stream) -> Self {
        Self { stream: RefCell::new(stream), input: RefCell::new(BytesMut::new()), moved: Cell::new(0) }
    }

    /// The stream, and what was read from it ahead.
    pub(crate) fn into_parts(self) -> (Stream, BytesMut) {
        (self.stream.into_inner(), self.input.into_inner())
    }

    /// What is spoken on it.
    pub(crate) fn protocol(&self) -> Protocol {
        self.stream.borrow().protocol()
    }

    /// Changes whenever anything moved on this connection.
    pub(crate) fn moved(&self) -> u64 {
        self.moved.get()
    }

    /// Whether the peer has closed, or sent something that nobody asked for.
    pub(crate) fn is_stale(&self) -> bool {
        !self.input.borrow().is_empty() || self.stream.borrow_mut().is_stale()
    }

    /// Whether the peer has closed its side, where nothing of it is expected. Registers for being woken when it does. Reads at most one buffer ahead: a
    /// peer that has sent more than that is there.
    pub(crate) fn poll_closed(&self, cx: &mut Context<'_>) -> Poll<()> {
        let input = self.input.borrow();
        if !input.is_empty() {
            return Poll::Pending;
        }
        drop(input);
        match self.poll_fill(cx) {
            Poll::Ready(Ok(0) | Err(_)) => Poll::Ready(()),
            Poll::Ready(Ok(_)) | Poll::Pending => Poll::Pending,
        }
    }

    /// Looks at the unused input.
    pub(crate) fn with_input<R>(&self, look: impl FnOnce(&[u8]) -> R) -> R {
        look(&self.input.borrow())
    }

    /// Drops the first `bytes` of the input; without any left, the buffer too once it is large.
    pub(crate) fn consume(&self, bytes: usize) {
        self.input.borrow_mut().advance(bytes);
    }

    /// Takes the first `bytes` of the input, which are there, without copying them.
    pub(crate) fn take(&self, bytes: usize) -> Bytes {
        let mut input = self.input.borrow_mut();
        let bytes = bytes.min(input.len());
        input.split_to(bytes).freeze()
    }

    /// Gives the buffer back while nothing is expected.
    pub(crate) fn release_buffer(&self) {
        let mut input = self.input.borrow_mut();
        if input.is_empty() && input.capacity() > 0 {
            scratch::put_input(std::mem::take(&mut *input));
        }
    }

    /// A pipe to `to`, if the next bytes can go there without being read: nothing was read ahead, and no TLS is on either side.
    pub(crate) fn pipe_to(&self, to: &Self, pipes: &RefCell<Pipes>) -> Option<Pipe> {
        let plain = !self.stream.borrow().is_tls() && !to.stream.borrow().is_tls();
        if plain && self.input.borrow().is_empty() { pipes.borrow_mut().take() } else { None }
    }

    /// Moves some bytes to `to` through `pipe`, no more than `limit`. `0` is the end.
    pub(crate) async fn splice_to(&self, to: &Self, pipe: &mut Pipe, limit: u64) -> Result<usize, SpliceError> {
        let moved = poll_fn(|cx| pipe.poll_move(cx, &mut self.stream.borrow_mut(), &mut to.stream.borrow_mut(), limit)).await?;
        self.moved.set(self.moved.get() + 1);
        to.moved.set(to.moved.get() + 1);
        Ok(moved)
    }

    /// Reads more input, if there is any; else registers for being woken.
    pub(crate) fn poll_fill(&self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.poll_read(cx, READ_SIZE)
    }

    /// Waits for more input. `0` is the end.
    pub(crate) async fn fill(&self) -> io::Result<usize> {
        self.read(READ_SIZE).await
    }

    /// As [`Wire::fill`], in the larger steps that bodies are read in.
    pub(crate) async fn fill_body(&self) -> io::Result<usize> {
        self.read(BODY_READ_SIZE).await
    }

    async fn read(&self, size: usize) -> io::Result<usize> {
        poll_fn(|cx| self.poll_read(cx, size)).await
    }

    fn poll_read(&self, cx: &mut Context<'_>, size: usize) -> Poll<io::Result<usize>> {
        let mut stream = self.stream.borrow_mut();
        ready!(stream.poll_readable(cx))?;
        let mut input = self.input.borrow_mut();
        if input.capacity() == 0 {
            *input = scratch::take_input();
        }
        // Making room at the end of what was used up costs more than a slightly smaller read.
        if input.capacity() - input.len() < size - size / 4 {
            input.reserve(size);
        }
        let count = ready!(stream.poll_read_into(cx, &mut input))?;
        self.moved.set(self.moved.get() + 1);
        Poll::Ready(Ok(count))
    }

    /// Writes all of `bytes`.
    pub(crate) async fn write_all(&self, bytes: &[u8]) -> io::Result<()> {
        self.write_pieces([bytes, &[], &[]]).await
    }

    /// Writes all of `bytes`, and hands them to the kernel.
    pub(crate) async fn send(&self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes).await?;
        self.flush().await
    }

    /// Writes three pieces, one after the other.
    pub(crate) async fn write_pieces(&self, pieces: [&[u8]; 3]) -> io::Result<()> {
        self.write(pieces, None).await
    }

    /// Writes `before`, then `data` bytes of `from`'s input after `skip`, then `after`. The input isn't consumed.
    pub(crate) async fn write_from(&self, before: &[u8], from: &Self, skip: usize, data: usize, after: &[u8]) -> io::Result<()> {
        self.write([before, &[], after], Some((from, skip, data))).await
    }

    /// Writes three pieces; the middle one may stand in another connection's input.
    async fn write(&self, pieces: [&[u8]; 3], middle: Option<(&Self, usize, usize)>) -> io::Result<()> {
        let middle_len = middle.map_or(pieces[1].len(), |(_, _, len)| len);
        let total = pieces[0].len() + middle_len + pieces[2].len();
        let mut done = 0;
        poll_fn(|cx| {
            while done < total {
                let input = middle.map(|(from, ..)| from.input.borrow());
                let middle = match (&input, middle) {
                    (Some(input), Some((_, skip, len))) => input.get(skip..skip + len).unwrap_or_default(),
                    _ => pieces[1],
                };
                let written = self.poll_write_after(cx, [pieces[0], middle, pieces[2]], done);
                match ready!(written)? {
                    0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                    count => done += count,
                }
                self.moved.set(self.moved.get() + 1);
            }
            Poll::Ready(Ok(()))
        })
        .await
    }

    /// One write of the pieces, without the first `done` bytes of them.
    fn poll_write_after(&self, cx: &mut Context<'_>, pieces: [&[u8]; 3], done: usize) -> Poll<io::Result<usize>> {
        let mut skip = done;
        let mut slices = [IoSlice::new(&[]); 3];
        let mut used = 0;
        for piece in pieces {
            let skipped = skip.min(piece.len());
            skip -= skipped;
            if skipped < piece.len() {
                slices[used] = IoSlice::new(&piece[skipped..]);
                used += 1;
            }
        }
        Pin::new(&mut *self.stream.borrow_mut()).poll_write_vectored(cx, &slices[..used])
    }

    /// Hands everything written to the kernel; TLS may still hold some.
    pub(crate) async fn flush(&self) -> io::Result<()> {
        if !self.stream.borrow().is_tls() {
            return Ok(());
        }
        poll_fn(|cx| Pin::new(&mut *self.stream.borrow_mut()).poll_flush(cx)).await
    }

    /// Whether dropping the connection resets it, instead of ending it as if all had been said.
    pub(crate) fn set_resets(&self, resets: bool) {
        // A socket that is no more needs no reset.
        let _ = self.stream.borrow().set_resets(resets);
    }

    /// Says that nothing more will be written (TLS: close_notify).
    pub(crate) async fn shutdown(&self) -> io::Result<()> {
        poll_fn(|cx| Pin::new(&mut *self.stream.borrow_mut()).poll_shutdown(cx)).await
    }
}
