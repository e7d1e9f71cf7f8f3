//! What load generators lack: CONNECT. They connect here by https, and their bytes go on unread, after a CONNECT where the proxy wants one.
//!
//! The other servers, which terminate TLS without a CONNECT, are reached through the same, so that the load is alike for all.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};

use super::client::connect;

/// A listener that forwards until the program ends.
pub(super) struct Tunnel {
    /// Where it listens.
    pub(super) address: SocketAddr,
}

impl Tunnel {
    /// Each connection begins with `preamble`, if any, to which a 200 must be the answer.
    pub(super) fn start(target: SocketAddr, preamble: Option<String>) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let preamble = preamble.clone();
                // A connection that fails is closed, which the load generator counts.
                std::thread::spawn(move || drop(forward(client, target, preamble)));
            }
        });
        Ok(Self { address })
    }
}

fn forward(client: TcpStream, target: SocketAddr, preamble: Option<String>) -> io::Result<()> {
    let mut server = connect(target)?;
    for stream in [&client, &server] {
        stream.set_nodelay(true)?;
    }
    if let Some(preamble) = preamble {
        server.write_all(preamble.as_bytes())?;
        expect_200(&mut server)?;
    }
    let (client_too, server_too) = (client.try_clone()?, server.try_clone()?);
    let down = std::thread::spawn(move || pump(server_too, client_too));
    let up = pump(client, server);
    let down = down.join().unwrap_or_else(|_| Err(io::Error::other("a thread panicked")));
    up.and(down)
}

/// Until the end of one side, which the other then sees.
fn pump(mut from: TcpStream, mut to: TcpStream) -> io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    let outcome = loop {
        match from.read(&mut buffer) {
            Ok(0) => break Ok(()),
            Ok(read) => {
                if let Err(error) = to.write_all(&buffer[..read]) {
                    break Err(error);
                }
            }
            Err(error) => break Err(error),
        }
    };
    let _ = to.shutdown(Shutdown::Write);
    outcome
}

/// Reads exactly the head: what comes after it is TLS, and the proxy waits for the client to begin that.
fn expect_200(server: &mut TcpStream) -> io::Result<()> {
    let mut head = Vec::new();
    let mut buffer = [0; 1024];
    while !head.ends_with(b"\r\n\r\n") {
        match server.read(&mut buffer)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => head.extend_from_slice(&buffer[..read]),
        }
    }
    if head.starts_with(b"HTTP/1.1 200") { Ok(()) } else { Err(io::Error::other(String::from_utf8_lossy(&head).into_owned())) }
}
