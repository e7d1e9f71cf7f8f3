//! A tool that remembers what reached it.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use connectors_http1::{BodyDecoder, Decoded, HeadLimits, RequestHead};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::{DEADLINE, TestCa, Wire, wait_for};

/// What HTTP/2 begins with (RFC 9113 §3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A server on loopback.
pub struct Tool {
    address: SocketAddr,
    scheme: &'static str,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    seen: Mutex<Vec<Seen>>,
    connections: AtomicUsize,
    closed: AtomicUsize,
    stop: AtomicBool,
}

/// One request as it arrived.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Request line and headers, as they were on the wire.
    pub head: String,
    /// The body, without framing.
    pub body: Vec<u8>,
    /// Counts connections from 1.
    pub connection: usize,
}

impl Seen {
    /// Every value of a header, by name in any case.
    pub fn header(&self, name: &str) -> Vec<&str> {
        self.head
            .lines()
            .skip(1)
            .filter_map(|line| line.split_once(':'))
            .filter(|(own, _)| own.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
            .collect()
    }

    /// The request line's target.
    pub fn target(&self) -> &str {
        self.head.split(' ').nth(1).unwrap_or_default()
    }
}

impl Tool {
    /// Answers every request with 200 and its own head as the body.
    pub fn echo() -> Self {
        Self::answering(|seen| format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{}", seen.head.len(), seen.head).into_bytes())
    }

    /// Answers every request with the bytes that `answer` makes; an empty answer closes the connection.
    pub fn answering(answer: impl Fn(&Seen) -> Vec<u8> + Send + Sync + 'static) -> Self {
        Self::start(None, move |stream, state, connection| requests(stream, state, connection, Vec::new(), &answer))
    }

    /// Answers each request with 204, once it was told to go on.
    pub fn held() -> (std::sync::mpsc::Sender<()>, Self) {
        let (go_on, wait) = std::sync::mpsc::channel();
        let wait = Mutex::new(wait);
        let tool = Self::answering(move |_| {
            wait.lock().unwrap().recv().unwrap();
            b"HTTP/1.1 204 No Content\r\n\r\n".to_vec()
        });
        (go_on, tool)
    }

    /// As [`Tool::echo`], over TLS with a certificate for `name`.
    pub fn tls_echo(ca: &TestCa, name: &str) -> Self {
        Self::start(Some(ca.server(name)), |stream, state, connection| {
            requests(stream, state, connection, Vec::new(), &|seen: &Seen| {
                format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{}", seen.head.len(), seen.head).into_bytes()
            });
        })
    }

    /// Leaves each connection to `serve`.
    pub fn raw(serve: impl Fn(&mut TcpStream) + Send + Sync + 'static) -> Self {
        Self::accept("http", move |mut stream, state, _| {
            serve(&mut stream);
            // The proxy may have ended it already.
            let _ = stream.finish();
            state.closed.fetch_add(1, Ordering::SeqCst);
        })
    }

    /// Leaves each connection to `serve`, over TLS with a certificate for `name` if there is a CA. It ends as `serve` has left it.
    pub fn wire(tls: Option<(&TestCa, &str)>, serve: impl Fn(&mut dyn Wire) + Send + Sync + 'static) -> Self {
        Self::start(tls.map(|(ca, name)| ca.server(name)), move |stream, _, _| serve(stream))
    }

    /// Leaves each connection to `serve`, over TLS that has agreed on `h2`, once the preface has been read.
    pub fn http2_frames(ca: &TestCa, name: &str, serve: impl Fn(&mut dyn Wire) + Send + Sync + 'static) -> Self {
        let mut config = (*ca.server(name)).clone();
        config.alpn_protocols = vec![b"h2".to_vec()];
        Self::start(Some(Arc::new(config)), move |stream, _, _| {
            let mut preface = [0; PREFACE.len()];
            if stream.read_exact(&mut preface).is_ok() {
                assert_eq!(&preface, PREFACE);
                serve(stream);
            }
        })
    }

    /// As [`Tool::http2_frames`], for callers that offer HTTP/2; the requests of others are answered with 204.
    pub fn http2_frames_or_http1(ca: &TestCa, name: &str, serve: impl Fn(&mut dyn Wire) + Send + Sync + 'static) -> Self {
        let mut config = (*ca.server(name)).clone();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Self::start(Some(Arc::new(config)), move |stream, state, connection| {
            let mut first = [0; PREFACE.len()];
            match stream.read_exact(&mut first) {
                Ok(()) if &first == PREFACE => serve(stream),
                Ok(()) => requests(stream, state, connection, first.to_vec(), &|_| b"HTTP/1.1 204 No Content\r\n\r\n".to_vec()),
                Err(_) => {}
            }
        })
    }

    fn start(tls: Option<Arc<ServerConfig>>, serve: impl Fn(&mut dyn Wire, &State, usize) + Send + Sync + 'static) -> Self {
        Self::accept(if tls.is_some() { "https" } else { "http" }, move |mut stream, state, connection| {
            match &tls {
                None => serve(&mut stream, state, connection),
                Some(config) => serve(&mut StreamOwned::new(ServerConnection::new(config.clone()).unwrap(), stream), state, connection),
            }
            state.closed.fetch_add(1, Ordering::SeqCst);
        })
    }

    fn accept(scheme: &'static str, serve: impl Fn(TcpStream, &State, usize) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State::default());
        let shared = state.clone();
        let serve = Arc::new(serve);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if shared.stop.load(Ordering::SeqCst) {
                    return;
                }
                stream.set_read_timeout(Some(DEADLINE)).unwrap();
                stream.set_nodelay(true).unwrap();
                let connection = shared.connections.fetch_add(1, Ordering::SeqCst) + 1;
                let (state, serve) = (shared.clone(), serve.clone());
                std::thread::spawn(move || serve(stream, &state, connection));
            }
        });
        Self { address, scheme, state }
    }

    /// `http://127.0.0.1:<port>`.
    pub fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Every request so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.state.seen.lock().unwrap().clone()
    }

    /// The only request so far.
    #[track_caller]
    pub fn only(&self) -> Seen {
        let seen = self.seen();
        assert_eq!(seen.len(), 1, "requests that reached the tool: {seen:#?}");
        seen[0].clone()
    }

    /// How many connections were opened.
    pub fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }

    /// Waits until that many connections have ended.
    #[track_caller]
    pub fn wait_closed(&self, count: usize) {
        wait_for("the tool's connections to end", || self.state.closed.load(Ordering::SeqCst) >= count);
    }
}

impl Drop for Tool {
    #[expect(clippy::disallowed_methods, reason = "wakes the tool's own listener so that it ends")]
    fn drop(&mut self) {
        self.state.stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
    }
}

/// `input` was read already.
fn requests(stream: &mut dyn Wire, state: &State, connection: usize, mut input: Vec<u8>, answer: &dyn Fn(&Seen) -> Vec<u8>) {
    let mut head = RequestHead::new();
    while let Some(seen) = read_request(stream, &mut input, &mut head, connection) {
        state.seen.lock().unwrap().push(seen.clone());
        let bytes = answer(&seen);
        if bytes.is_empty() || stream.write_all(&bytes).and_then(|()| stream.flush()).is_err() {
            return;
        }
    }
}

fn read_request(stream: &mut dyn Wire, input: &mut Vec<u8>, head: &mut RequestHead, connection: usize) -> Option<Seen> {
    head.clear();
    let consumed = loop {
        if let Some(consumed) = head.parse(input, &HeadLimits::default()).expect("the proxy sends valid heads") {
            break consumed;
        }
        if read_more(stream, input) == 0 {
            return None;
        }
    };
    let text = String::from_utf8_lossy(&input[..consumed]).into_owned();
    input.drain(..consumed);
    if head.expects_continue() {
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").ok()?;
    }
    let mut decoder = BodyDecoder::new(head.framing());
    let mut body = Vec::new();
    loop {
        match decoder.decode(input).expect("the proxy sends valid bodies") {
            Decoded::Data { skip, len } => {
                body.extend_from_slice(&input[skip..skip + len]);
                input.drain(..skip + len);
            }
            Decoded::NeedMore { consumed } => {
                input.drain(..consumed);
                if read_more(stream, input) == 0 {
                    return None;
                }
            }
            Decoded::End { consumed } => {
                input.drain(..consumed);
                return Some(Seen { head: text, body, connection });
            }
        }
    }
}

fn read_more(stream: &mut dyn Wire, input: &mut Vec<u8>) -> usize {
    let mut chunk = [0; 64 * 1024];
    let count = stream.read(&mut chunk).unwrap_or(0);
    input.extend_from_slice(&chunk[..count]);
    count
}
