//! A caller.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use h2::client::{self, Builder, SendRequest};
use http::{Method, Request};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;

use super::stream::{Exchange, header_map};
use super::{Body, runtime, wait};
use crate::tls::client_config;

/// One connection.
pub struct Http2Client {
    send: SendRequest<Bytes>,
    connection: JoinHandle<Result<(), h2::Error>>,
}

impl Http2Client {
    /// Connects, and begins HTTP/2 without asking (RFC 9113 §3.3).
    pub fn connect(address: SocketAddr) -> Self {
        Self::connect_with(address, &Builder::new())
    }

    /// As [`Http2Client::connect`], with settings.
    pub fn connect_with(address: SocketAddr, settings: &Builder) -> Self {
        wait("a connection", async { Self::over(tcp(address).await, settings).await })
    }

    /// Sends `connect`, a CONNECT of HTTP/1.1, then TLS for `name`, trusting `pem`, which agrees on `h2`.
    pub fn intercepted(address: SocketAddr, connect: &str, name: &str, pem: &str) -> Self {
        wait("an intercepted connection", async {
            let mut stream = tcp(address).await;
            stream.write_all(connect.as_bytes()).await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.expect("an answer to the CONNECT"));
            }
            assert!(head.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&head));
            let mut config = client_config(pem);
            config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
            let stream = TlsConnector::from(Arc::new(config)).connect(name.to_owned().try_into().unwrap(), stream).await.unwrap();
            assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
            Self::over(stream, &Builder::new()).await
        })
    }

    async fn over(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, settings: &Builder) -> Self {
        let (send, connection): (SendRequest<Bytes>, client::Connection<_, Bytes>) = settings.handshake(stream).await.unwrap();
        Self { send, connection: runtime().spawn(connection) }
    }

    /// Begins a request. `ends`: it has no body.
    ///
    /// # Errors
    /// If the connection takes no more.
    pub fn begin_request(&self, request: Request<()>, ends: bool) -> Result<Exchange, h2::Error> {
        let mut send = wait("room for a request", self.send.clone().ready())?;
        let (response, sending) = send.send_request(request, ends)?;
        Ok(Exchange { response, sending, receiving: None })
    }

    /// Begins a request like `GET http://host/path`, with further fields.
    pub fn begin(&self, method: &str, url: &str, fields: &[(&'static str, &str)], ends: bool) -> Exchange {
        self.begin_request(request(method, url, fields), ends).unwrap()
    }

    /// Sends a request without a body, and reads its answer.
    pub fn get(&self, url: &str, fields: &[(&'static str, &str)]) -> (http::response::Parts, Body) {
        let mut exchange = self.begin("GET", url, fields, true);
        (exchange.head().unwrap(), exchange.rest())
    }

    /// Whether the other side has said that it takes extended CONNECTs (RFC 8441 §3).
    pub fn may_extend_connect(&self) -> bool {
        self.send.is_extended_connect_protocol_enabled()
    }

    /// Waits until the connection takes no more requests, because the other side said so or is gone.
    pub fn wait_refusing(&mut self) {
        wait("the end of the connection", async {
            while poll_fn(|cx| self.send.poll_ready(cx)).await.is_ok() {
                tokio::task::yield_now().await;
            }
        });
    }

    /// Waits for the connection's end, and tells the error that it ended with.
    pub fn wait_closed(self) -> Option<h2::Error> {
        drop(self.send);
        wait("the end of the connection", self.connection).unwrap().err()
    }

    /// Cuts the connection.
    pub fn cut(self) {
        self.connection.abort();
    }
}

/// A request for a URL.
fn request(method: &str, url: &str, fields: &[(&'static str, &str)]) -> Request<()> {
    let mut request = Request::new(());
    *request.method_mut() = Method::from_bytes(method.as_bytes()).unwrap();
    *request.uri_mut() = url.parse().unwrap();
    *request.headers_mut() = header_map(fields);
    request
}

#[expect(clippy::disallowed_methods, reason = "this is the client, not the proxy")]
async fn tcp(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}
