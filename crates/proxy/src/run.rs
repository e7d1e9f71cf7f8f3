//! Starts the proxy: a thread, a runtime and a listener for each core.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use connectors_net::{ConnectionLimit, Listeners, Moment, Stream, accept, accept_rest};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, LocalOptions};

use crate::connection;
use crate::scratch;
use crate::worker::{Shared, Worker};

/// Why the proxy didn't start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A thread couldn't be made.
    #[error("cannot start a thread")]
    Thread(#[source] io::Error),
    /// The runtime of a thread couldn't be made.
    #[error("cannot start a runtime")]
    Runtime(#[source] io::Error),
}

/// How long the end waits for a log that is stuck.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

/// A proxy that serves.
pub struct Running {
    address: SocketAddr,
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

/// Serves `listeners`, each on a thread of its own, until [`Running::stop`].
///
/// # Errors
/// If the system gives no thread or no event queue.
pub fn start(listeners: Listeners, shared: Shared) -> Result<Running, StartError> {
    let address = listeners.local_addr();
    let shared = Arc::new(shared);
    let limit = ConnectionLimit::new(shared.settings.max_connections_per_upstream);
    let mut threads = Vec::new();
    for (index, listener) in listeners.into_iter().enumerate() {
        let (shared, limit) = (shared.clone(), limit.clone());
        let (made, is_made) = mpsc::channel();
        let thread = std::thread::Builder::new().name(format!("proxy-{index}")).spawn(move || {
            // It can't leave the thread that makes it, which is what lets its tasks have parts that can't either.
            let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default());
            let runtime = match runtime {
                Ok(runtime) => runtime,
                // Whoever starts is waiting for this.
                Err(error) => return drop(made.send(error)),
            };
            drop(made);
            runtime.block_on(worker(listener, shared, limit));
        });
        threads.push(thread.map_err(StartError::Thread)?);
        if let Ok(error) = is_made.recv() {
            return Err(StartError::Runtime(error));
        }
    }
    Ok(Running { address, shared, threads })
}

impl Running {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops accepting, lets requests in flight finish and idle connections have a last request, all for at most the drain time, and waits for the threads and for the access records to be written.
    pub fn stop(self) {
        self.shared.drain.begin();
        for thread in self.threads {
            // A thread that panicked has ended too; its message is in the log.
            let _ = thread.join();
        }
        if !self.shared.observer.flush(FLUSH_TIMEOUT) {
            tracing::error!("the last access records could not be written within {FLUSH_TIMEOUT:?}");
        }
    }
}

async fn worker(listener: std::net::TcpListener, shared: Arc<Shared>, limit: ConnectionLimit) {
    let listener = match TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(%error, "a listener can't be used; this core serves nothing");
            return;
        }
    };
    let worker = Rc::new(Worker::new(shared, &limit));
    let tended = worker.clone();
    tokio::task::spawn_local(async move { tended.pool.tend(|| tended.http2.give_up()).await });
    tokio::task::spawn_local(sweep(worker.clone()));
    loop {
        tokio::select! {
            biased;
            () = worker.drain.started() => break,
            (stream, peer) = accept(&listener) => serve(&worker, stream, peer),
        }
    }
    // To their callers these are open; the kernel resets what it has accepted and we have not. Further ones go to nobody.
    for (stream, peer) in accept_rest(listener) {
        serve(&worker, stream, peer);
    }
    worker.drain.finished(worker.settings.drain_timeout).await;
}

/// Serves a connection as a task of its own.
fn serve(worker: &Rc<Worker>, stream: TcpStream, peer: SocketAddr) {
    // Busy before the task runs, so that none is forgotten.
    tokio::task::spawn_local(connection::serve(worker.clone(), worker.drain.busy(), Stream::plain(stream), peer));
}

/// Lets go of what wasn't used for a while, beside the pool, which does so itself.
async fn sweep(worker: Rc<Worker>) {
    const EVERY: Duration = Duration::from_secs(10);
    loop {
        tokio::time::sleep(EVERY).await;
        scratch::sweep();
        worker.pipes.borrow_mut().sweep();
        worker.http2.sweep(Moment::now());
    }
}
