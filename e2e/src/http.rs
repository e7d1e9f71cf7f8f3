//! HTTP/1.1 over a plain socket, as much as a test needs to see exactly what is sent and what comes back.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// How long nothing may arrive before an exchange fails.
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// One connection, kept alive.
pub struct Connection {
    stream: TcpStream,
    input: Vec<u8>,
}

/// A message: a request that reached a tool, or an answer that reached a client.
#[derive(Debug, Clone)]
pub struct Message {
    /// The first line and the headers, as they came.
    pub head: String,
    /// The body, without its framing.
    pub body: Vec<u8>,
}

impl Message {
    /// The status of an answer; 0 for what isn't one.
    pub fn status(&self) -> u16 {
        self.head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
    }

    /// Method and target of a request.
    pub fn request_line(&self) -> (&str, &str) {
        let mut words = self.head.split([' ', '\r']);
        (words.next().unwrap_or_default(), words.next().unwrap_or_default())
    }

    /// The values of a header, in any case, in order.
    pub fn headers<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let lines = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        lines.filter(move |(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }

    /// The first value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        lines.find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; fails with the body if it is none.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("no JSON ({error}): {}", self.text()))
    }
}

impl Connection {
    /// Connects.
    #[expect(clippy::disallowed_methods, reason = "this is a client of the proxy, not the proxy")]
    pub fn open(address: SocketAddr) -> io::Result<Self> {
        Self::over(TcpStream::connect(address)?)
    }

    /// Uses a socket that is there.
    pub(crate) fn over(stream: TcpStream) -> io::Result<Self> {
        stream.set_read_timeout(Some(READ_TIMEOUT))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, input: Vec::new() })
    }

    /// Sends bytes as they are.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Reads one answer. `Err(UnexpectedEof)` if the connection ends before it does.
    pub fn answer(&mut self) -> io::Result<Message> {
        self.message()?.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    /// Reads one message; `None` if the connection ends before one begins.
    pub(crate) fn message(&mut self) -> io::Result<Option<Message>> {
        let length = loop {
            if let Some(end) = memchr::memmem::find(&self.input, b"\r\n\r\n") {
                break end + 4;
            }
            if !self.more()? {
                return if self.input.is_empty() { Ok(None) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
            }
        };
        let head = String::from_utf8_lossy(&self.input.drain(..length).collect::<Vec<_>>()).into_owned();
        let mut message = Message { head, body: Vec::new() };
        message.body = self.body(&message)?;
        Ok(Some(message))
    }

    fn body(&mut self, message: &Message) -> io::Result<Vec<u8>> {
        if message.header("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
            return self.chunks();
        }
        if let Some(length) = message.header("content-length").and_then(|length| length.parse().ok()) {
            return self.exactly(length);
        }
        let answer = message.head.starts_with("HTTP/");
        if answer && !matches!(message.status(), 100..=199 | 204 | 304) {
            while self.more()? {}
            return Ok(std::mem::take(&mut self.input));
        }
        Ok(Vec::new())
    }

    fn chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = self.line()?;
            let size = line.split(';').next().and_then(|size| usize::from_str_radix(size.trim(), 16).ok());
            match size.ok_or_else(|| io::Error::other(format!("bad chunk size {line:?}")))? {
                0 => break,
                size => body.extend(self.exactly(size)?),
            }
            self.line()?;
        }
        while !self.line()?.is_empty() {}
        Ok(body)
    }

    fn line(&mut self) -> io::Result<String> {
        loop {
            if let Some(end) = memchr::memmem::find(&self.input, b"\r\n") {
                let line = self.exactly(end + 2)?;
                return Ok(String::from_utf8_lossy(&line[..end]).into_owned());
            }
            if !self.more()? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    fn exactly(&mut self, length: usize) -> io::Result<Vec<u8>> {
        while self.input.len() < length {
            if !self.more()? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(self.input.drain(..length).collect())
    }

    /// Reads what is there, waiting for some; `false` at the end.
    fn more(&mut self) -> io::Result<bool> {
        let mut buffer = [0; 16 * 1024];
        let read = self.stream.read(&mut buffer)?;
        self.input.extend_from_slice(&buffer[..read]);
        Ok(read > 0)
    }
}

/// Sends a request on a connection of its own, and returns the answer.
#[track_caller]
pub fn exchange(address: SocketAddr, request: &str) -> Message {
    let answer = Connection::open(address).and_then(|mut connection| {
        connection.send(request.as_bytes())?;
        connection.answer()
    });
    answer.unwrap_or_else(|error| panic!("no answer from {address}: {error}, to {request}"))
}

/// GET `target`, with headers `name: value`, on a connection of its own. `Err` if there is no answer.
pub fn get(address: SocketAddr, target: &str, headers: &[&str]) -> io::Result<Message> {
    let lines: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
    let mut connection = Connection::open(address)?;
    connection.send(format!("GET {target} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{lines}\r\n").as_bytes())?;
    connection.answer()
}
