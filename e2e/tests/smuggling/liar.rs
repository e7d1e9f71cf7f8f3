//! A tool that answers as it is told to, whatever that does to HTTP.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use memchr::memmem;

/// What is sent in the place of an answer.
#[derive(Clone, Default)]
pub(crate) struct Answer {
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
    /// Ends the connection after it.
    pub(crate) closes: bool,
    /// Sent once the exchange is over, when nothing has been asked.
    pub(crate) late: Vec<u8>,
    /// Sent before the request's body is read.
    pub(crate) early: bool,
}

/// A running one. It gives answer number N to a request for `/eN`, and `METHOD /path` to any other.
pub(crate) struct Liar {
    port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    answers: Vec<Answer>,
    /// The connection of the last lie.
    last: Mutex<Option<TcpStream>>,
    stopped: AtomicBool,
}

/// How long a connection is kept when nothing comes. An answer that only ends with the connection ends after this.
const PATIENCE: Duration = Duration::from_millis(30);

impl Liar {
    pub(crate) fn start(answers: Vec<Answer>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared { answers, last: Mutex::default(), stopped: false.into() });
        let serving = shared.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if serving.stopped.load(Ordering::Relaxed) {
                    return;
                }
                let (stream, serving) = (stream.unwrap(), serving.clone());
                // Ends with its connection.
                std::thread::spawn(move || {
                    serving.serve(&stream);
                    // A clone of it may be kept.
                    let _ = stream.shutdown(Shutdown::Both);
                });
            }
        });
        Self { port, shared }
    }

    /// `host:port`.
    pub(crate) fn authority(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub(crate) fn answers(&self) -> &[Answer] {
        &self.shared.answers
    }

    /// Sends what the last answer has for later.
    pub(crate) fn add(&self, late: &[u8]) {
        if let Some(stream) = &mut *self.shared.last.lock().unwrap() {
            // The proxy may have given the connection up, which is as good.
            let _ = stream.write_all(late);
        }
    }
}

impl Drop for Liar {
    #[expect(clippy::disallowed_methods, reason = "wakes the thread that accepts")]
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::Relaxed);
        drop(TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)));
    }
}

impl Shared {
    /// Until the proxy, or a lie, ends the connection.
    fn serve(&self, mut stream: &TcpStream) -> Option<()> {
        stream.set_nodelay(true).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        let mut input = Vec::new();
        loop {
            let end = loop {
                match memmem::find(&input, b"\r\n\r\n") {
                    Some(end) => break end + 4,
                    None => more(stream, &mut input)?,
                }
            };
            let head = String::from_utf8_lossy(&input.drain(..end).collect::<Vec<_>>()).into_owned();
            let request = head.split(" HTTP/").next()?.to_owned();
            let answer = request.split_once(" /e").and_then(|(_, number)| self.answers.get(number.parse::<usize>().ok()?));
            let Some(answer) = answer else {
                body(stream, &mut input, &head)?;
                stream.write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{request}", request.len()).as_bytes()).ok()?;
                continue;
            };
            if !answer.early {
                body(stream, &mut input, &head)?;
            }
            *self.last.lock().unwrap() = stream.try_clone().ok();
            stream.write_all(&answer.bytes).ok()?;
            if answer.closes {
                return Some(());
            }
            if !answer.late.is_empty() {
                stream.set_read_timeout(Some(10 * PATIENCE)).ok()?;
            }
            if answer.early {
                // It takes its time for the body, and whatever comes is that.
                stream.set_read_timeout(Some(10 * PATIENCE)).ok()?;
                body(stream, &mut input, &head)?;
            }
        }
    }
}

/// Reads the body that the head announces.
fn body(stream: &TcpStream, input: &mut Vec<u8>, head: &str) -> Option<()> {
    let line = |name: &str| head.lines().find_map(|line| Some(line.split_once(": ").filter(|(own, _)| own.eq_ignore_ascii_case(name))?.1));
    let length = match line("content-length") {
        Some(length) => length.parse().ok()?,
        None if line("transfer-encoding").is_some() => loop {
            match memmem::find(input, b"0\r\n\r\n") {
                Some(end) => break end + 5,
                None => more(stream, input)?,
            }
        },
        None => 0,
    };
    while input.len() < length {
        more(stream, input)?;
    }
    input.drain(..length);
    Some(())
}

/// Reads something; `None` if there is nothing, for [`PATIENCE`] or for ever.
fn more(mut stream: &TcpStream, input: &mut Vec<u8>) -> Option<()> {
    let mut buffer = [0; 4096];
    let read = stream.read(&mut buffer).ok().filter(|read| *read > 0)?;
    input.extend_from_slice(&buffer[..read]);
    Some(())
}
