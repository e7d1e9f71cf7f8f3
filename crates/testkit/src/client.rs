//! A client that sends exactly what it is told to.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};

use connectors_http1::{BodyDecoder, Decoded, HeadLimits, ResponseHead};

use crate::DEADLINE;

/// One connection.
pub struct Client {
    stream: Box<dyn ReadWrite>,
    input: Vec<u8>,
}

trait ReadWrite: Read + Write + Send {}

impl<T: Read + Write + Send> ReadWrite for T {}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Status line and headers.
    pub head: String,
    /// The body, without framing.
    pub body: Vec<u8>,
    /// Whether the body was whole.
    pub complete: bool,
}

impl Answer {
    /// The first value of a header, by lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).filter_map(|line| line.split_once(':')).find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The proxy's own reason, if it answered.
    pub fn reason(&self) -> &str {
        self.header("x-connectors-error").unwrap_or_default()
    }
}

impl Client {
    /// Connects.
    #[expect(clippy::disallowed_methods, reason = "this is the client, not the proxy")]
    pub fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.set_write_timeout(Some(DEADLINE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self::over(stream)
    }

    /// Uses a stream that is there, such as one with TLS.
    pub fn over(stream: impl Read + Write + Send + 'static) -> Self {
        Self { stream: Box::new(stream), input: Vec::new() }
    }

    /// Writes without waiting for an answer.
    pub fn write(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).unwrap();
        self.stream.flush().unwrap();
    }

    /// Writes, and tells whether the other side still takes it. Waits for it no longer than for an answer.
    pub fn try_write(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).and_then(|()| self.stream.flush()).is_ok()
    }

    /// Writes a request and reads its answer; the method is taken from the request.
    pub fn send(&mut self, request: impl AsRef<[u8]>) -> Answer {
        self.write(request.as_ref());
        let method = request.as_ref().split(|b| *b == b' ').next().unwrap_or_default();
        self.answer(std::str::from_utf8(method).unwrap_or("GET"))
    }

    /// Reads the next answer, to a request with that method.
    pub fn answer(&mut self, method: &str) -> Answer {
        let mut head = ResponseHead::new();
        let consumed = loop {
            if let Some(consumed) = head.parse(&self.input, &HeadLimits::default()).expect("a valid head") {
                break consumed;
            }
            assert!(self.read() > 0, "the connection ended before a head: {:?}", String::from_utf8_lossy(&self.input));
        };
        let text = String::from_utf8_lossy(&self.input[..consumed]).into_owned();
        self.input.drain(..consumed);
        let mut decoder = BodyDecoder::new(head.framing(method).expect("valid framing"));
        let mut body = Vec::new();
        let complete = loop {
            match decoder.decode(&self.input).expect("a valid body") {
                Decoded::Data { skip, len } => {
                    body.extend_from_slice(&self.input[skip..skip + len]);
                    self.input.drain(..skip + len);
                }
                Decoded::NeedMore { consumed } => {
                    self.input.drain(..consumed);
                    if self.read() == 0 {
                        break decoder.eof().is_ok();
                    }
                }
                Decoded::End { consumed } => {
                    self.input.drain(..consumed);
                    break true;
                }
            }
        };
        Answer { status: head.status(), head: text, body, complete }
    }

    /// Everything until the other side closes.
    pub fn rest(&mut self) -> Vec<u8> {
        while self.read() > 0 {}
        std::mem::take(&mut self.input)
    }

    /// Gives the stream away, for TLS over it.
    pub fn into_stream(self) -> impl Read + Write + Send {
        assert!(self.input.is_empty(), "read too far");
        self.stream
    }

    fn read(&mut self) -> usize {
        let mut chunk = [0; 64 * 1024];
        // A reset ends the connection as well.
        let count = self.stream.read(&mut chunk).unwrap_or(0);
        self.input.extend_from_slice(&chunk[..count]);
        count
    }
}

/// Closes the sending half of a plain connection.
pub(crate) fn close_write(stream: &TcpStream) {
    let _ = stream.shutdown(Shutdown::Write);
}
