//! A stream that outlives the HTTP/2 connection on it, as h2 doesn't give it back; and how much of it is read for nothing.

use std::cell::{Cell, RefCell};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use connectors_net::{Rewind, Stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::CONNECTION_WINDOW;

/// What may be read of a connection while no request of it comes, goes on or is answered. A caller that keeps to its windows sends no more than one of them
/// for a receiver that waits, and one for streams that it doesn't know yet to be reset; the rest is for heads.
const MOST_FOR_NOTHING: u64 = 2 * CONNECTION_WINDOW as u64 + 512 * 1024;
/// For how long that is: the pings of a month in which nothing else was said aren't too much.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(10);

/// One of several handles of a stream, of which h2 has another. Borrowed only while it is polled.
#[derive(Clone)]
pub(super) struct Kept(Rc<Inner>);

struct Inner {
    stream: RefCell<Rewind>,
    waste: Waste,
}

impl Kept {
    /// `moved` changes with all that a request of the connection does.
    pub(super) fn new(stream: Rewind, moved: Rc<Cell<u64>>) -> Self {
        Self(Rc::new(Inner { stream: RefCell::new(stream), waste: Waste::new(moved) }))
    }

    /// Whether the caller sends and sends, and nothing comes of it: frames that mean nothing, and DATA of streams that were reset, for which h2 would go on
    /// opening the connection's window. Then nothing more is read.
    pub(super) fn is_wasteful(&self) -> bool {
        self.0.waste.is_over.get()
    }

    /// The stream, if this is its last handle.
    pub(super) fn into_stream(self) -> Option<Stream> {
        Rc::into_inner(self.0).map(|inner| inner.stream.into_inner().into_stream())
    }
}

/// Counts what is read for nothing.
struct Waste {
    moved: Rc<Cell<u64>>,
    /// `moved` when last looked at, and what was read since.
    seen: Cell<u64>,
    bytes: Cell<u64>,
    since: Cell<Instant>,
    is_over: Cell<bool>,
}

impl Waste {
    fn new(moved: Rc<Cell<u64>>) -> Self {
        Self { seen: Cell::new(moved.get()), moved, bytes: Cell::new(0), since: Cell::new(Instant::now()), is_over: Cell::new(false) }
    }

    fn count(&self, bytes: usize) {
        let moved = self.moved.get();
        let before = if self.seen.replace(moved) == moved { self.bytes.get() } else { 0 };
        self.bytes.set(before + bytes as u64);
        if self.bytes.get() <= MOST_FOR_NOTHING {
            return;
        }
        // The clock is asked only now, so the time may have begun before the bytes did; it then begins anew, once.
        let now = Instant::now();
        if now - self.since.replace(now) > FORGOTTEN_AFTER {
            self.bytes.set(0);
        } else {
            self.is_over.set(true);
        }
    }
}

impl AsyncRead for Kept {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Inner { stream, waste } = &*self.0;
        // Whoever polls looks whether this is so.
        if waste.is_over.get() {
            return Poll::Pending;
        }
        let before = buf.filled().len();
        let polled = Pin::new(&mut *stream.borrow_mut()).poll_read(cx, buf);
        waste.count(buf.filled().len() - before);
        polled
    }
}

impl AsyncWrite for Kept {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.0.stream.borrow_mut()).poll_write(cx, buf)
    }

    fn poll_write_vectored(self: Pin<&mut Self>, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.0.stream.borrow_mut()).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.stream.borrow().is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0.stream.borrow_mut()).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0.stream.borrow_mut()).poll_shutdown(cx)
    }
}
