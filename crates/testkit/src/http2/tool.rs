//! A tool that speaks HTTP/2 over TLS.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use h2::server::{Builder, Connection};
use http::StatusCode;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::{Call, runtime, wait};
use crate::{TestCa, wait_for};

/// A server on loopback that agrees on `h2` and on nothing else. Each request is served on a thread of its own.
pub struct Http2Tool {
    address: SocketAddr,
    state: Arc<State>,
    order: watch::Sender<Order>,
}

#[derive(Default)]
struct State {
    seen: Mutex<Vec<http::request::Parts>>,
    connections: AtomicUsize,
    ended: AtomicUsize,
}

/// What all connections are to do.
#[derive(Clone, Copy, PartialEq)]
enum Order {
    Serve,
    /// Say GOAWAY, and finish what is there.
    Leave,
    /// End at once.
    Cut,
}

impl Http2Tool {
    /// Answers with 200 and, as the body, the request's head as HTTP/1.1 would have written it.
    pub fn echo(ca: &TestCa, name: &str) -> Self {
        Self::serving(ca, name, |call| {
            let mut text = format!("{} {} HTTP/2\r\n", call.head.method, call.head.uri);
            for (name, value) in &call.head.headers {
                text.push_str(&format!("{name}: {}\r\n", String::from_utf8_lossy(value.as_bytes())));
            }
            call.rest();
            let _ = call.answer(StatusCode::OK, &[], false);
            let _ = call.write(text);
            call.finish(&[]);
        })
    }

    /// Leaves each request to `serve`.
    pub fn serving(ca: &TestCa, name: &str, serve: impl Fn(&mut Call) + Send + Sync + 'static) -> Self {
        Self::serving_with(ca, name, &Builder::new(), serve)
    }

    /// As [`Http2Tool::serving`], with settings.
    pub fn serving_with(ca: &TestCa, name: &str, settings: &Builder, serve: impl Fn(&mut Call) + Send + Sync + 'static) -> Self {
        let mut config = (*ca.server(name)).clone();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = wait("a port", TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State::default());
        let (order, orders) = watch::channel(Order::Serve);
        let (shared, settings, serve) = (state.clone(), settings.clone(), Arc::new(serve));
        runtime().spawn(async move {
            let mut end = orders.clone();
            loop {
                let stream = tokio::select! {
                    accepted = listener.accept() => accepted.unwrap().0,
                    // The tool was dropped.
                    changed = end.changed() => if changed.is_err() { return } else { continue },
                };
                stream.set_nodelay(true).unwrap();
                shared.connections.fetch_add(1, Ordering::SeqCst);
                let (acceptor, settings, shared, orders, serve) = (acceptor.clone(), settings.clone(), shared.clone(), orders.clone(), serve.clone());
                tokio::spawn(async move {
                    if let Ok(stream) = acceptor.accept(stream).await
                        && let Ok(connection) = settings.handshake::<_, Bytes>(stream).await
                    {
                        requests(connection, &shared, orders, &serve).await;
                    }
                    shared.ended.fetch_add(1, Ordering::SeqCst);
                });
            }
        });
        Self { address, state, order }
    }

    /// `https://127.0.0.1:<port>`.
    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Every request's head so far.
    pub fn seen(&self) -> Vec<http::request::Parts> {
        self.state.seen.lock().unwrap().clone()
    }

    /// Waits until that many requests have come.
    #[track_caller]
    pub fn wait_seen(&self, count: usize) {
        wait_for("requests to reach the tool", || self.state.seen.lock().unwrap().len() >= count);
    }

    /// How many connections were opened.
    pub fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }

    /// Waits until that many connections have ended.
    #[track_caller]
    pub fn wait_closed(&self, count: usize) {
        wait_for("the tool's connections to end", || self.state.ended.load(Ordering::SeqCst) >= count);
    }

    /// Says GOAWAY on every connection that is there; new ones are served.
    pub fn go_away(&self) {
        self.order.send_replace(Order::Leave);
    }

    /// Cuts every connection that is there; new ones are served.
    pub fn cut(&self) {
        self.order.send_replace(Order::Cut);
    }
}

async fn requests<F: Fn(&mut Call) + Send + Sync + 'static>(
    mut connection: Connection<TlsStream<TcpStream>, Bytes>,
    state: &State,
    mut orders: watch::Receiver<Order>,
    serve: &Arc<F>,
) {
    orders.mark_unchanged();
    loop {
        let accepted = tokio::select! {
            changed = orders.changed() => {
                match (changed, *orders.borrow()) {
                    (Err(_), _) | (_, Order::Cut) => return,
                    (_, Order::Leave) => connection.graceful_shutdown(),
                    (_, Order::Serve) => {}
                }
                continue;
            }
            accepted = connection.accept() => accepted,
        };
        let Some(Ok((request, respond))) = accepted else { return };
        let (head, receiving) = request.into_parts();
        state.seen.lock().unwrap().push(head.clone());
        let serve = serve.clone();
        std::thread::spawn(move || serve(&mut Call { head, respond, sending: None, receiving }));
    }
}
