//! A client that sends exactly what it is told to.

use std::net::{SocketAddr, TcpStream};

use connectors_http1::{BodyDecoder, Decoded, HeadLimits, ResponseFraming, ResponseHead};

use crate::{DEADLINE, Wire};

/// One connection.
pub struct Client {
    stream: Box<dyn Wire>,
    input: Vec<u8>,
    /// Of the answer that is being read.
    body: BodyDecoder,
    /// Of its body, what was read and not asked for.
    ahead: Vec<u8>,
}

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
    pub fn over(stream: impl Wire + 'static) -> Self {
        Self::new(Box::new(stream), Vec::new())
    }

    fn new(stream: Box<dyn Wire>, input: Vec<u8>) -> Self {
        Self { stream, input, body: BodyDecoder::new(ResponseFraming::None), ahead: Vec::new() }
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
        let answer = self.answer_head(method);
        self.rest_of(answer)
    }

    /// Reads an answer to its end, of which the head, and maybe some of the body, has been read.
    pub fn rest_of(&mut self, mut answer: Answer) -> Answer {
        answer.complete = loop {
            match self.some_body() {
                Ok(data) if data.is_empty() => break true,
                Ok(data) => answer.body.extend_from_slice(&data),
                Err(Broken) => break false,
            }
        };
        answer
    }

    /// Reads the head of the next answer, to a request with that method. Its body is for [`Client::body`].
    pub fn answer_head(&mut self, method: &str) -> Answer {
        let mut head = ResponseHead::new();
        let consumed = loop {
            if let Some(consumed) = head.parse(&self.input, &HeadLimits::default()).expect("a valid head") {
                break consumed;
            }
            assert!(self.read() > 0, "the connection ended before a head: {:?}", String::from_utf8_lossy(&self.input));
        };
        let text = String::from_utf8_lossy(&self.input[..consumed]).into_owned();
        self.input.drain(..consumed);
        self.body = BodyDecoder::new(head.framing(method).expect("valid framing"));
        Answer { status: head.status(), head: text, body: Vec::new(), complete: false }
    }

    /// Reads `count` bytes of the answer's body as soon as they are there; fewer if the body ends or breaks off before.
    pub fn body(&mut self, count: usize) -> Vec<u8> {
        let mut body = Vec::with_capacity(count);
        while body.len() < count {
            match self.some_body() {
                Ok(data) if !data.is_empty() => body.extend_from_slice(&data),
                _ => break,
            }
        }
        self.ahead = body.split_off(count.min(body.len()));
        body
    }

    /// Reads on in the body. Nothing: it is whole.
    fn some_body(&mut self) -> Result<Vec<u8>, Broken> {
        if !self.ahead.is_empty() {
            return Ok(std::mem::take(&mut self.ahead));
        }
        loop {
            match self.body.decode(&self.input).expect("a valid body") {
                Decoded::Data { skip, len } => {
                    let data = self.input[skip..skip + len].to_vec();
                    self.input.drain(..skip + len);
                    return Ok(data);
                }
                Decoded::NeedMore { consumed } => {
                    self.input.drain(..consumed);
                    match self.try_read() {
                        Ok(0) => return self.body.eof().map(|()| Vec::new()).map_err(|_| Broken),
                        Ok(_) => {}
                        Err(_) => return Err(Broken),
                    }
                }
                Decoded::End { consumed } => {
                    self.input.drain(..consumed);
                    return Ok(Vec::new());
                }
            }
        }
    }

    /// Everything until the other side closes.
    pub fn rest(&mut self) -> Vec<u8> {
        while self.read() > 0 {}
        std::mem::take(&mut self.input)
    }

    /// The next `count` bytes; fewer if the other side closes before.
    pub fn exactly(&mut self, count: usize) -> Vec<u8> {
        while self.input.len() < count && self.read() > 0 {}
        let count = count.min(self.input.len());
        self.input.drain(..count).collect()
    }

    /// Two halves, to send with one while the other reads. Only without TLS.
    pub fn split(&mut self) -> (Self, Self) {
        let half = |input| Self::new(self.stream.another().expect("TLS has no halves"), input);
        let input = std::mem::take(&mut self.input);
        (half(input), half(Vec::new()))
    }

    /// Ends the sending half: the other side sees the end, and can go on sending.
    pub fn finish(&mut self) {
        self.stream.finish().unwrap();
    }

    /// Ends the connection at once by a reset.
    pub fn reset(self) {
        self.stream.resets();
    }

    /// Gives the stream away, for TLS over it.
    pub fn into_stream(self) -> impl Wire {
        assert!(self.input.is_empty(), "read too far");
        self.stream
    }

    fn read(&mut self) -> usize {
        // A reset ends the connection as well.
        self.try_read().unwrap_or(0)
    }

    fn try_read(&mut self) -> std::io::Result<usize> {
        let mut chunk = [0; 64 * 1024];
        let count = self.stream.read(&mut chunk)?;
        self.input.extend_from_slice(&chunk[..count]);
        Ok(count)
    }
}

/// The other side ended the transfer before its end.
struct Broken;
