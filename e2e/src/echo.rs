//! A tool that remembers every request as it came, and can say which credential it saw.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use crate::http::{Connection, Message};

/// A running tool. It answers every request with 200.
pub struct Echo {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    seen: Mutex<Vec<Message>>,
    /// Answers with the value of `Authorization`, and remembers nothing; else with `ok`.
    reveals: bool,
    stopped: AtomicBool,
}

impl Echo {
    /// Remembers requests, and answers `ok`.
    pub fn start() -> Self {
        Self::launch(false)
    }

    /// Answers with the value of `Authorization` that it saw. No tool should; a test of what is injected needs it.
    pub fn revealing() -> Self {
        Self::launch(true)
    }

    fn launch(reveals: bool) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared { seen: Mutex::default(), reveals, stopped: false.into() });
        let serving = shared.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if serving.stopped.load(Ordering::Relaxed) {
                    return;
                }
                let (connection, serving) = (Connection::over(stream.unwrap()).unwrap(), serving.clone());
                // Ends with its connection.
                std::thread::spawn(move || serving.serve(connection));
            }
        });
        Self { address, shared }
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Every request so far, whole.
    pub fn seen(&self) -> Vec<Message> {
        self.shared.seen.lock().unwrap().clone()
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::Relaxed);
        // Wakes the thread that accepts.
        drop(Connection::open(self.address));
    }
}

impl Shared {
    fn serve(&self, mut connection: Connection) {
        loop {
            let request = match connection.message() {
                Ok(Some(request)) => request,
                // The other side is done with the connection, or leaves it idle.
                Ok(None) => return,
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof) => return,
                Err(error) => panic!("a tool got no HTTP: {error}"),
            };
            let body = if self.reveals { request.header("authorization").unwrap_or("none").to_owned() } else { "ok".to_owned() };
            if !self.reveals {
                self.seen.lock().unwrap().push(request);
            }
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n{body}", body.len());
            if connection.send(answer.as_bytes()).is_err() {
                return;
            }
        }
    }
}
