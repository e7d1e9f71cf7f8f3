//! Listening sockets, one for each core, and accepting from them.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpStream;

/// Connections that wait to be accepted, for each core; the kernel's own limit (`net.core.somaxconn`) may be lower.
const BACKLOG: i32 = 1024;

/// The listening sockets of one address, bound and listening.
#[derive(Debug)]
pub struct Listeners {
    address: SocketAddr,
    listeners: Vec<TcpListener>,
}

/// Why an address can't be listened on.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Another process listens there.
    #[error("{0} is in use by another process")]
    InUse(SocketAddr),
    /// Anything else that the kernel has against it.
    #[error("{0} can't be listened on")]
    Socket(SocketAddr, #[source] io::Error),
}

impl Listeners {
    /// Binds `address` once for each core; the kernel spreads connections over the sockets (`SO_REUSEPORT`). Port 0 takes a free port, the same for all.
    ///
    /// The sockets don't block, and have a backlog of 1024 connections each.
    ///
    /// # Errors
    /// If the address is in use, even by another process that would share it, or isn't this machine's.
    pub fn bind(address: SocketAddr, cores: usize) -> Result<Self, ListenError> {
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::AddrInUse => ListenError::InUse(address),
            _ => ListenError::Socket(address, error),
        };
        // The first socket is bound before it is made shareable: otherwise a second proxy on the same address would start, and take half of the connections.
        let first = socket(address).map_err(failed)?;
        first.bind(&address.into()).map_err(failed)?;
        first.set_reuse_port(true).map_err(failed)?;
        first.listen(BACKLOG).map_err(failed)?;
        let first = TcpListener::from(first);
        let bound = first.local_addr().map_err(failed)?;
        let mut listeners = vec![first];
        for _ in 1..cores {
            let next = socket(bound).map_err(failed)?;
            next.set_reuse_port(true).map_err(failed)?;
            next.bind(&bound.into()).map_err(failed)?;
            next.listen(BACKLOG).map_err(failed)?;
            listeners.push(next.into());
        }
        Ok(Self { address: bound, listeners })
    }

    /// Where they listen, with the port that was taken.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }
}

impl IntoIterator for Listeners {
    type Item = TcpListener;
    type IntoIter = std::vec::IntoIter<TcpListener>;

    fn into_iter(self) -> Self::IntoIter {
        self.listeners.into_iter()
    }
}

fn socket(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    // So that a restart needn't wait for the old connections' TIME_WAIT.
    socket.set_reuse_address(true)?;
    Ok(socket)
}

/// The first pause after a failed accept; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
/// The longest.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Waits for the next connection. Nothing is lost if the future is dropped.
///
/// Never fails: a connection that ended before it was accepted is passed over, and when the process has run out of file descriptors or the kernel of memory,
/// this says so in the log, at most once a second, and tries again. Small writes on the connection go out at once (`TCP_NODELAY`).
pub async fn accept(listener: &tokio::net::TcpListener) -> (TcpStream, SocketAddr) {
    let mut pause = FIRST_PAUSE;
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                // Fails only on a connection that has ended, which shows at the first read.
                let _ = stream.set_nodelay(true);
                return (stream, peer);
            }
            Err(error) if concerns_one_connection(&error) => {}
            Err(error) => {
                log_refusal(&error);
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
}

/// The connections that wait to be accepted, without waiting for any; then the listener closes. What the kernel has accepted by then is reset by it otherwise.
///
/// Ends early, and loses those connections, where [`accept`] would pause.
pub fn accept_rest(listener: tokio::net::TcpListener) -> impl Iterator<Item = (TcpStream, SocketAddr)> {
    // As the runtime knows only what it was told of the last time that it asked the kernel.
    let listener = listener.into_std().ok();
    std::iter::from_fn(move || {
        loop {
            match listener.as_ref()?.accept() {
                Ok((stream, peer)) => {
                    let _ = stream.set_nodelay(true);
                    stream.set_nonblocking(true).ok()?;
                    return Some((TcpStream::from_std(stream).ok()?, peer));
                }
                Err(error) if concerns_one_connection(&error) => {}
                Err(_) => return None,
            }
        }
    })
}

/// Whether the next accept may well succeed. Of everything else, whatever it is, a loop would only make heat.
fn concerns_one_connection(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted)
}

fn log_refusal(error: &io::Error) {
    const EVERY: Duration = Duration::from_secs(1);
    static LOGGED: Mutex<Option<Instant>> = Mutex::new(None);
    let now = Instant::now();
    let mut logged = LOGGED.lock().unwrap_or_else(PoisonError::into_inner);
    if logged.is_none_or(|last| now.duration_since(last) >= EVERY) {
        *logged = Some(now);
        drop(logged);
        tracing::error!(%error, "connections can't be accepted; if the limit of open files is too low for the load, raise it (ulimit -n, LimitNOFILE=)");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{connect, run};

    fn local(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    #[test]
    fn every_core_gets_a_listener_on_the_same_port() {
        let listeners = Listeners::bind(local(0), 4).unwrap();
        let address = listeners.local_addr();
        assert_ne!(address.port(), 0);
        let listeners: Vec<_> = listeners.into_iter().collect();
        assert_eq!(listeners.len(), 4);
        assert!(listeners.iter().all(|listener| listener.local_addr().unwrap() == address));
    }

    #[test]
    fn connections_arrive_at_all_of_them() {
        run(async {
            let listeners = Listeners::bind(local(0), 2).unwrap();
            let address = listeners.local_addr();
            let [one, two] = <[TcpListener; 2]>::try_from(listeners.into_iter().collect::<Vec<_>>()).unwrap();
            let (one, two) = (tokio::net::TcpListener::from_std(one).unwrap(), tokio::net::TcpListener::from_std(two).unwrap());
            let (mut at_one, mut at_two) = (0, 0);
            // The kernel chooses by a hash of the ports.
            while at_one == 0 || at_two == 0 {
                let client = connect(address).await;
                let ((stream, peer), count) = tokio::select! {
                    accepted = accept(&one) => (accepted, &mut at_one),
                    accepted = accept(&two) => (accepted, &mut at_two),
                };
                *count += 1;
                assert_eq!(peer, client.local_addr().unwrap());
                assert!(stream.nodelay().unwrap());
            }
        });
    }

    #[test]
    fn what_the_kernel_has_accepted_is_not_lost_when_the_listener_closes() {
        run(async {
            const COUNT: usize = 20;
            let listeners = Listeners::bind(local(0), 1).unwrap();
            let address = listeners.local_addr();
            let listener = tokio::net::TcpListener::from_std(listeners.into_iter().next().unwrap()).unwrap();
            let mut clients = Vec::new();
            for _ in 0..COUNT {
                clients.push(connect(address).await);
            }
            let accepted: Vec<_> = accept_rest(listener).collect();
            assert_eq!(accepted.len(), COUNT);
            assert!(accepted.iter().zip(&clients).all(|((stream, peer), client)| *peer == client.local_addr().unwrap() && stream.nodelay().unwrap()));
            // Nobody listens any more.
            assert!(TcpListener::bind(address).is_ok());
        });
    }

    #[test]
    fn an_address_in_use_is_refused_even_though_it_is_shared() {
        for cores in [1, 2] {
            let listeners = Listeners::bind(local(0), cores).unwrap();
            let address = listeners.local_addr();
            for cores in [1, 2] {
                let error = Listeners::bind(address, cores).unwrap_err();
                assert!(matches!(error, ListenError::InUse(at) if at == address), "{error:?}");
            }
            drop(listeners);
            Listeners::bind(address, cores).unwrap();
        }
    }

    #[test]
    fn an_address_of_another_machine_is_refused() {
        let error = Listeners::bind("192.0.2.1:0".parse().unwrap(), 1).unwrap_err();
        assert!(matches!(error, ListenError::Socket(..)), "{error:?}");
    }
}
