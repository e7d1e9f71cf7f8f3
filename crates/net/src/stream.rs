//! A byte stream of either side, with TLS or without.

use std::fmt;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::{client, server};

use crate::Protocol;

/// A connection to a caller or to a tool. Whoever holds it reads and writes plain bytes.
pub struct Stream(Kind);

enum Kind {
    Plain(TcpStream),
    // Boxed, because a TLS session is a kilobyte that plain connections shouldn't pay for.
    Server(Box<server::TlsStream<Rewind>>),
    Client(Box<client::TlsStream<TcpStream>>),
}

impl Stream {
    /// Without TLS.
    pub fn plain(stream: TcpStream) -> Self {
        Self(Kind::Plain(stream))
    }

    pub(crate) fn server(stream: server::TlsStream<Rewind>) -> Self {
        Self(Kind::Server(Box::new(stream)))
    }

    pub(crate) fn client(stream: client::TlsStream<TcpStream>) -> Self {
        Self(Kind::Client(Box::new(stream)))
    }

    /// Whether the bytes are encrypted on the wire.
    pub fn is_tls(&self) -> bool {
        !matches!(self.0, Kind::Plain(_))
    }

    /// What the TLS handshake agreed on; HTTP/1 without TLS.
    pub fn protocol(&self) -> Protocol {
        Protocol::negotiated(match &self.0 {
            Kind::Plain(_) => None,
            Kind::Server(stream) => stream.get_ref().1.alpn_protocol(),
            Kind::Client(stream) => stream.get_ref().1.alpn_protocol(),
        })
    }

    /// The port on this side.
    #[cfg(test)]
    pub(crate) fn local_port(&self) -> u16 {
        self.tcp().local_addr().unwrap().port()
    }

    /// Whether dropping the connection resets it, instead of ending it as if all had been said. What was written and hasn't got through is lost then.
    ///
    /// # Errors
    /// The socket is no more.
    pub fn set_resets(&self, resets: bool) -> io::Result<()> {
        SockRef::from(self.tcp()).set_linger(resets.then_some(Duration::ZERO))
    }

    fn tcp(&self) -> &TcpStream {
        match &self.0 {
            Kind::Plain(stream) => stream,
            Kind::Server(stream) => stream.get_ref().0.stream.tcp(),
            Kind::Client(stream) => stream.get_ref().0,
        }
    }

    /// The socket itself, where no TLS is in the way of its bytes.
    pub(crate) fn socket(&self) -> Option<&TcpStream> {
        match &self.0 {
            Kind::Plain(stream) => Some(stream),
            Kind::Server(_) | Kind::Client(_) => None,
        }
    }

    /// Ready when a read may bring something, and else registers for being woken. That is cheaper than a read that brings nothing; with TLS only a read can tell.
    ///
    /// # Errors
    /// The runtime is no more.
    pub fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &self.0 {
            Kind::Plain(stream) => stream.poll_read_ready(cx),
            Kind::Server(_) | Kind::Client(_) => Poll::Ready(Ok(())),
        }
    }

    /// Reads what is there, once [`Stream::poll_readable`] has said that there may be something. `0` is the end.
    ///
    /// # Errors
    /// Those of the socket or of TLS.
    pub fn poll_read_into(&mut self, cx: &mut Context<'_>, buf: &mut BytesMut) -> Poll<io::Result<usize>> {
        if let Kind::Plain(stream) = &self.0 {
            let mut partial = 0;
            let read = stream.try_io(Interest::READABLE, || {
                let room = buf.capacity() - buf.len();
                let count = stream.try_read_buf(buf)?;
                if (1..room).contains(&count) {
                    // There was no more, which the runtime needs to know, and learns so without another read that finds nothing.
                    partial = count;
                    return Err(io::ErrorKind::WouldBlock.into());
                }
                Ok(count)
            });
            match read {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && partial > 0 => return Poll::Ready(Ok(partial)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return Poll::Ready(read),
            }
        }
        // Holds no state between polls, so it can be made anew for each.
        pin!(self.read_buf(buf)).poll(cx)
    }

    /// Whether an idle connection can't be used for another request: the peer has closed it, or has sent something that nobody asked for.
    ///
    /// Looks at what the runtime knows and doesn't wait; what the peer did within the last moment shows when the connection is used.
    pub fn is_stale(&mut self) -> bool {
        let mut byte = [0];
        if let Kind::Plain(stream) = &self.0 {
            return !matches!(stream.try_read(&mut byte), Err(error) if error.kind() == io::ErrorKind::WouldBlock);
        }
        // A task that has used its share of a turn would be told "pending" whatever there is.
        let read = pin!(tokio::task::unconstrained(self.read(&mut byte)));
        read.poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Kind::Plain(_) => "Stream(plain)",
            Kind::Server(_) => "Stream(TLS server)",
            Kind::Client(_) => "Stream(TLS client)",
        })
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().0 {
            Kind::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Kind::Server(stream) => Pin::new(stream).poll_read(cx, buf),
            Kind::Client(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().0 {
            Kind::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Kind::Server(stream) => Pin::new(stream).poll_write(cx, buf),
            Kind::Client(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(self: Pin<&mut Self>, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().0 {
            // Nearly always there is room, and then this is the shorter way.
            Kind::Plain(stream) => match stream.try_write_vectored(bufs) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Pin::new(stream).poll_write_vectored(cx, bufs),
                written => Poll::Ready(written),
            },
            Kind::Server(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Kind::Client(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.0 {
            Kind::Plain(stream) => stream.is_write_vectored(),
            Kind::Server(stream) => stream.is_write_vectored(),
            Kind::Client(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().0 {
            Kind::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Kind::Server(stream) => Pin::new(stream).poll_flush(cx),
            Kind::Client(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().0 {
            Kind::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Kind::Server(stream) => Pin::new(stream).poll_shutdown(cx),
            Kind::Client(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

/// A stream of which the first bytes were read already; they are read again.
#[derive(Debug)]
pub struct Rewind {
    ahead: Bytes,
    stream: Stream,
}

impl Rewind {
    /// `ahead` is what was read from `stream`.
    pub fn new(ahead: Bytes, stream: Stream) -> Self {
        Self { ahead, stream }
    }

    /// The stream; what is left of the bytes ahead is lost.
    pub fn into_stream(self) -> Stream {
        self.stream
    }
}

impl AsyncRead for Rewind {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.ahead.is_empty() {
            return Pin::new(&mut this.stream).poll_read(cx, buf);
        }
        let count = this.ahead.len().min(buf.remaining());
        buf.put_slice(&this.ahead[..count]);
        this.ahead.advance(count);
        if this.ahead.is_empty() {
            // The buffer lives as long as any part of it.
            this.ahead = Bytes::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Rewind {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use connectors_core::Host;
    use tokio::io::AsyncWriteExt as _;
    use tokio_rustls::TlsAcceptor;

    use super::*;
    use crate::testing::{TestCa, pair, run};
    use crate::{Alpn, ClientTls, tls};

    /// Waits until the stream is stale; the test's deadline ends it.
    async fn becomes_stale(stream: &mut Stream) {
        while !stream.is_stale() {
            tokio::task::yield_now().await;
        }
    }

    /// As a proxy holds it, and as the tool does. Whatever tickets the tool has sent have been sent.
    async fn tls_pair() -> (Stream, server::TlsStream<TcpStream>) {
        let ca = TestCa::new();
        let config = ClientTls::with_system_roots(rustls::RootCertStore::empty()).config(&ca.trust(), Alpn::Http1).unwrap();
        let (accepted, connected) = pair().await;
        let host = Host::parse("tool.example").unwrap();
        let (tool, proxy) = tokio::join!(TlsAcceptor::from(ca.server("tool.example")).accept(accepted), tls::handshake(config, &host, connected));
        (proxy.unwrap(), tool.unwrap())
    }

    #[test]
    fn a_plain_connection_is_stale_once_the_peer_has_closed_or_spoken() {
        run(async {
            for speaks in [true, false] {
                let (mut peer, connected) = pair().await;
                let mut stream = Stream::plain(connected);
                assert!(!stream.is_stale());
                // What was asked for doesn't make it so.
                peer.write_all(b"answer").await.unwrap();
                stream.read_exact(&mut [0; 6]).await.unwrap();
                assert!(!stream.is_stale());
                match speaks {
                    true => peer.write_all(b"x").await.unwrap(),
                    false => drop(peer),
                }
                becomes_stale(&mut stream).await;
            }
        });
    }

    #[test]
    fn session_tickets_do_not_make_a_tls_connection_stale_but_a_closure_does() {
        run(async {
            let (mut stream, mut tool) = tls_pair().await;
            // The tickets are read together with this.
            tool.write_all(b"answer").await.unwrap();
            tool.flush().await.unwrap();
            stream.read_exact(&mut [0; 6]).await.unwrap();
            assert!(!stream.is_stale());
            tool.shutdown().await.unwrap();
            becomes_stale(&mut stream).await;

            // Tickets alone.
            let (mut stream, mut tool) = tls_pair().await;
            tool.flush().await.unwrap();
            let Kind::Client(client) = &stream.0 else { panic!("not a client") };
            client.get_ref().0.readable().await.unwrap();
            assert!(!stream.is_stale());
        });
    }

    #[test]
    fn a_task_that_has_used_its_turn_still_sees() {
        run(async {
            let (mut peer, connected) = pair().await;
            let mut stream = Stream::plain(connected);
            peer.write_all(b"x").await.unwrap();
            let Kind::Plain(plain) = &stream.0 else { panic!("not plain") };
            plain.readable().await.unwrap();
            while tokio::task::coop::has_budget_remaining() {
                tokio::task::coop::consume_budget().await;
            }
            assert!(stream.is_stale());
        });
    }

    #[test]
    fn pieces_are_written_in_one_go() {
        run(async {
            let (mut peer, connected) = pair().await;
            let mut stream = Stream::plain(connected);
            assert!(stream.is_write_vectored());
            let written = stream.write_vectored(&[IoSlice::new(b"head"), IoSlice::new(b"body")]).await.unwrap();
            assert_eq!(written, 8);
            peer.read_exact(&mut [0; 8]).await.unwrap();

            let (mut stream, mut tool) = tls_pair().await;
            assert!(stream.is_write_vectored());
            let written = stream.write_vectored(&[IoSlice::new(b"head"), IoSlice::new(b"body")]).await.unwrap();
            stream.flush().await.unwrap();
            assert_eq!(written, 8);
            let mut record = [0; 64];
            // One record, so the peer has it in one read.
            assert_eq!(tool.read(&mut record).await.unwrap(), 8);
        });
    }

    #[test]
    fn debug_says_what_it_is_and_no_more() {
        run(async {
            let (_peer, connected) = pair().await;
            assert_eq!(format!("{:?}", Stream::plain(connected)), "Stream(plain)");
        });
    }
}
