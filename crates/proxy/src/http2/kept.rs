//! A stream that outlives the HTTP/2 connection on it, as h2 doesn't give it back.

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use connectors_net::{Rewind, Stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// One of several handles of a stream, of which h2 has another. Borrowed only while it is polled.
#[derive(Clone)]
pub(super) struct Kept(Rc<RefCell<Rewind>>);

impl Kept {
    pub(super) fn new(stream: Rewind) -> Self {
        Self(Rc::new(RefCell::new(stream)))
    }

    /// The stream, if this is its last handle.
    pub(super) fn into_stream(self) -> Option<Stream> {
        Rc::into_inner(self.0).map(|stream| stream.into_inner().into_stream())
    }
}

impl AsyncRead for Kept {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_read(cx, buf)
    }
}

impl AsyncWrite for Kept {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_write(cx, buf)
    }

    fn poll_write_vectored(self: Pin<&mut Self>, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.borrow().is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_shutdown(cx)
    }
}
