//! A client of one connection, for counts: it sends exactly as many requests as it is told to.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, bail};

/// How long an answer may take. Generous: under valgrind everything takes fifty times as long.
const PATIENCE: Duration = Duration::from_secs(60);

/// Connects.
#[expect(clippy::disallowed_methods, reason = "this is a client of the proxy, not the proxy")]
pub(super) fn connect(address: SocketAddr) -> std::io::Result<TcpStream> {
    TcpStream::connect(address)
}

/// A connection that is kept alive.
pub(super) struct Client {
    stream: TcpStream,
    input: Vec<u8>,
}

impl Client {
    /// Connects.
    pub(super) fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = connect(address).with_context(|| format!("cannot connect to {address}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { stream, input: Vec::new() })
    }

    /// Sends a request without a body, and returns the answer's body. The answer must be a 200 and have a Content-Length.
    pub(super) fn exchange(&mut self, request: &[u8]) -> anyhow::Result<Vec<u8>> {
        self.stream.write_all(request)?;
        let head = loop {
            if let Some(end) = self.input.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break self.input.drain(..end + 4).collect::<Vec<_>>();
            }
            self.more()?;
        };
        let head = String::from_utf8_lossy(&head);
        let length = length(&head).with_context(|| format!("an answer that was not expected: {head}"))?;
        while self.input.len() < length {
            self.more()?;
        }
        Ok(self.input.drain(..length).collect())
    }

    fn more(&mut self) -> anyhow::Result<()> {
        let mut buffer = [0; 16 * 1024];
        match self.stream.read(&mut buffer).context("no answer")? {
            0 => bail!("the connection ended in the middle of an answer"),
            read => self.input.extend_from_slice(&buffer[..read]),
        }
        Ok(())
    }
}

/// The Content-Length of a 200.
fn length(head: &str) -> Option<usize> {
    let (status, lines) = head.split_once("\r\n")?;
    status.starts_with("HTTP/1.1 200").then_some(())?;
    lines.lines().filter_map(|line| line.split_once(':')).find(|(name, _)| name.eq_ignore_ascii_case("content-length"))?.1.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_200_with_a_length_will_do() {
        assert_eq!(length("HTTP/1.1 200 OK\r\nServer: x\r\ncontent-length: 64\r\n\r\n"), Some(64));
        assert_eq!(length("HTTP/1.1 401 Unauthorized\r\nContent-Length: 64\r\n\r\n"), None);
        assert_eq!(length("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"), None);
    }
}
