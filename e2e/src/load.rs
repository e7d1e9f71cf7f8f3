//! Many clients at once, each asking again as soon as it has its answer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Instant;

use crate::http::{Connection, Message};

/// Connections that are busy until [`Load::stop`].
pub struct Load {
    clients: Vec<JoinHandle<Vec<Sample>>>,
    stopped: Arc<AtomicBool>,
}

/// One request and what became of it.
pub struct Sample {
    /// When it was begun.
    pub sent: Instant,
    /// When its answer was there.
    pub answered: Instant,
    /// The answer, or why there is none.
    pub outcome: Result<Message, String>,
}

impl Load {
    /// Opens `connections` connections and sends `request` on each, over and over. After a failure a connection stops.
    pub fn start(address: SocketAddr, connections: usize, request: &str) -> Self {
        let stopped = Arc::new(AtomicBool::new(false));
        let client = |_| {
            let (request, stopped) = (request.to_owned(), stopped.clone());
            std::thread::spawn(move || client(address, request.as_bytes(), &stopped))
        };
        Self { clients: (0..connections).map(client).collect(), stopped }
    }

    /// Lets requests in flight finish, and returns all of them.
    pub fn stop(self) -> Vec<Sample> {
        self.stopped.store(true, Ordering::Relaxed);
        self.clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
    }
}

fn client(address: SocketAddr, request: &[u8], stopped: &AtomicBool) -> Vec<Sample> {
    let mut samples = Vec::new();
    let mut connection = Connection::open(address);
    while !stopped.load(Ordering::Relaxed) {
        let sent = Instant::now();
        let outcome = connection.as_mut().map_err(|error| error.to_string()).and_then(|connection| {
            let answer = connection.send(request).and_then(|()| connection.answer());
            answer.map_err(|error| error.to_string())
        });
        let failed = outcome.is_err();
        samples.push(Sample { sent, answered: Instant::now(), outcome });
        if failed {
            break;
        }
    }
    samples
}
