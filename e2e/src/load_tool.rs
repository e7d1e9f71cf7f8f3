//! A tool for many connections at once: hyper's server, on a thread of its own.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// What one frame of an answer of many bytes has at most.
const PIECE: usize = 64 * 1024;

/// A running tool. What it does with a request is in the path:
///
/// | `/echo` | answers with the request's body, as it comes |
/// | `/bytes/N` | answers with N bytes |
/// | `/chunks/N` | answers with N bytes, each in a chunk of its own |
/// | `/never` | doesn't read the body, and doesn't answer |
/// | others | answers with the length of the body, in decimal |
pub struct LoadTool {
    address: SocketAddr,
    /// Dropping it ends the thread, and with it all connections.
    _running: oneshot::Sender<Infallible>,
}

impl LoadTool {
    /// Starts it on a free port.
    pub fn start() -> Self {
        let (running, stopped) = oneshot::channel::<Infallible>();
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                tokio::select! {
                    _ = stopped => {}
                    () = accept(TcpListener::from_std(listener).unwrap()) => {}
                }
            });
        });
        Self { address, _running: running }
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

async fn accept(listener: TcpListener) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer));
        // That the other side breaks off is what many tests are about.
        tokio::spawn(async move { drop(connection.await) });
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Answer>, hyper::Error> {
    let path = request.uri().path().to_owned();
    let number = |prefix: &str| path.strip_prefix(prefix).and_then(|number| number.parse().ok());
    let answer = if path == "/echo" {
        Answer::Echo(request.into_body())
    } else if path == "/never" {
        std::future::pending().await
    } else if let Some(left) = number("/bytes/") {
        Answer::Bytes { left, piece: PIECE, sized: true }
    } else if let Some(left) = number("/chunks/") {
        Answer::Bytes { left, piece: 1, sized: false }
    } else {
        let mut body = request.into_body();
        let mut length = 0;
        while let Some(frame) = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
            length += frame?.data_ref().map_or(0, Bytes::len);
        }
        Answer::Text(Some(length.to_string().into()))
    };
    Ok(Response::new(answer))
}

/// The body of an answer.
enum Answer {
    Echo(Incoming),
    Bytes { left: usize, piece: usize, sized: bool },
    Text(Option<Bytes>),
}

impl Body for Answer {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        static ZEROS: [u8; PIECE] = [0; PIECE];
        match self.get_mut() {
            Self::Echo(body) => Poll::Ready(ready!(Pin::new(body).poll_frame(cx))),
            Self::Bytes { left: 0, .. } => Poll::Ready(None),
            Self::Bytes { left, piece, .. } => {
                let length = (*piece).min(*left);
                *left -= length;
                Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&ZEROS[..length])))))
            }
            Self::Text(text) => Poll::Ready(text.take().map(|text| Ok(Frame::data(text)))),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Echo(body) => body.size_hint(),
            Self::Bytes { left, sized: true, .. } => SizeHint::with_exact(*left as u64),
            Self::Bytes { .. } => SizeHint::default(),
            Self::Text(text) => SizeHint::with_exact(text.as_ref().map_or(0, Bytes::len) as u64),
        }
    }
}
