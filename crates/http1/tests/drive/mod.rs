//! Runs the codec over what one side of a connection sends, cut into pieces, and notes what comes of it in the words of
//! the table of cases.

#![allow(dead_code, reason = "each test uses a part of this")]

use connectors_http1::{BodyDecoder, BodyError, Decoded, HeadError, HeadLimits, RequestHead, ResponseFraming, ResponseHead};

/// What a server would make of these bytes.
pub(crate) fn requests<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<String> {
    let mut server = Server::default();
    for piece in pieces {
        server.received.extend_from_slice(piece);
        loop {
            match server.step() {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    server.outcome.push(format!("{} {}", error.status(), error.name()));
                    return server.outcome;
                }
            }
        }
    }
    if !server.closed && (server.body.is_some() || !server.received.is_empty()) {
        server.outcome.push("incomplete".to_owned());
    }
    server.outcome
}

/// What a client that sent one request with this method would make of these bytes, the connection ending after them.
pub(crate) fn responses<'a>(method: &str, pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<String> {
    let mut client = Client::default();
    let run = |client: &mut Client| -> Result<(), Error> {
        for piece in pieces {
            client.received.extend_from_slice(piece);
            while client.step(method)? {}
        }
        client.end()
    };
    if let Err(error) = run(&mut client) {
        client.outcome.push(error.name());
    }
    client.outcome
}

/// Whether a response with this head could end with the connection.
pub(crate) fn ends_with_the_connection(method: &str, input: &[u8]) -> bool {
    let mut head = ResponseHead::new();
    matches!(head.parse(input, &HeadLimits::default()), Ok(Some(_))) && head.framing(method) == Ok(ResponseFraming::UntilClose)
}

#[derive(Default)]
struct Server {
    received: Vec<u8>,
    head: RequestHead,
    body: Option<Body>,
    closed: bool,
    outcome: Vec<String>,
}

impl Server {
    /// Does what can be done with what was received; returns whether something could.
    fn step(&mut self) -> Result<bool, Error> {
        if self.closed {
            return Ok(false);
        }
        let Some(body) = &mut self.body else {
            let Some(len) = self.head.parse(&self.received, &HeadLimits::default())? else { return Ok(false) };
            self.received.drain(..len);
            if self.head.expects_continue() {
                self.outcome.push("100".to_owned());
            }
            self.body = Some(Body::new(self.head.framing()));
            return Ok(true);
        };
        if !body.read(&mut self.received)? {
            return Ok(false);
        }
        self.outcome.push(format!("{} {} {}", self.head.method(), self.head.target(), body.summary()));
        self.body = None;
        self.closed = !self.head.keep_alive() || self.head.method() == "CONNECT";
        Ok(true)
    }
}

#[derive(Default)]
struct Client {
    received: Vec<u8>,
    head: ResponseHead,
    body: Option<Body>,
    done: bool,
    outcome: Vec<String>,
}

impl Client {
    fn step(&mut self, method: &str) -> Result<bool, Error> {
        if self.done {
            return Ok(false);
        }
        let Some(body) = &mut self.body else {
            let Some(len) = self.head.parse(&self.received, &HeadLimits::default())? else { return Ok(false) };
            self.received.drain(..len);
            let framing = self.head.framing(method)?;
            match self.head.status() {
                status @ (100 | 102..=199) => self.outcome.push(status.to_string()),
                _ => self.body = Some(Body::new(framing)),
            }
            return Ok(true);
        };
        if !body.read(&mut self.received)? {
            return Ok(false);
        }
        self.outcome.push(format!("{} {}", self.head.status(), body.summary()));
        self.done = true;
        Ok(true)
    }

    fn end(&mut self) -> Result<(), Error> {
        match &mut self.body {
            _ if self.done => {}
            None => self.outcome.push("incomplete".to_owned()),
            Some(body) => {
                body.decoder.eof()?;
                self.outcome.push(format!("{} {}", self.head.status(), body.summary()));
            }
        }
        Ok(())
    }
}

struct Body {
    decoder: BodyDecoder,
    len: usize,
}

impl Body {
    fn new(framing: impl Into<ResponseFraming>) -> Self {
        Self { decoder: BodyDecoder::new(framing), len: 0 }
    }

    /// Reads what there is; returns whether that was the end.
    fn read(&mut self, received: &mut Vec<u8>) -> Result<bool, Error> {
        loop {
            match self.decoder.decode(received)? {
                Decoded::Data { skip, len } => {
                    assert!(len > 0, "no data is no answer");
                    received.drain(..skip + len);
                    self.len += len;
                }
                Decoded::NeedMore { consumed } => {
                    assert_eq!(consumed, received.len(), "all of the input is consumed");
                    assert!(!self.decoder.is_done());
                    received.clear();
                    return Ok(false);
                }
                Decoded::End { consumed } => {
                    assert!(self.decoder.is_done());
                    received.drain(..consumed);
                    return Ok(true);
                }
            }
        }
    }

    fn summary(&self) -> String {
        match self.decoder.trailers().count() {
            0 => self.len.to_string(),
            trailers => format!("{} +{trailers}", self.len),
        }
    }
}

enum Error {
    Head(HeadError),
    Body(BodyError),
}

impl Error {
    fn status(&self) -> u16 {
        match self {
            Self::Head(error) => error.status(),
            Self::Body(error) => error.status(),
        }
    }

    fn name(&self) -> String {
        match self {
            Self::Head(error) => format!("{error:?}"),
            Self::Body(BodyError::Trailer(error)) => format!("Trailer{error:?}"),
            Self::Body(error) => format!("{error:?}"),
        }
    }
}

impl From<HeadError> for Error {
    fn from(error: HeadError) -> Self {
        Self::Head(error)
    }
}

impl From<BodyError> for Error {
    fn from(error: BodyError) -> Self {
        Self::Body(error)
    }
}
