//! One request and its answer, from either end.

use std::future::poll_fn;

use bytes::Bytes;
use h2::client::ResponseFuture;
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, Response, StatusCode, request, response};

use super::wait;

/// A body that has ended, whole or not.
#[derive(Debug)]
pub struct Body {
    /// What came of it.
    pub bytes: Vec<u8>,
    /// What came after it.
    pub trailers: HeaderMap,
    /// Why it broke off.
    pub error: Option<h2::Error>,
}

impl Body {
    /// As text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// The value of a trailer.
    pub fn trailer(&self, name: &str) -> Option<&str> {
        self.trailers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The reason with which it was reset.
    pub fn reason(&self) -> Option<Reason> {
        self.error.as_ref().and_then(h2::Error::reason)
    }
}

/// A request that was sent, from the caller's end.
pub struct Exchange {
    pub(super) response: ResponseFuture,
    pub(super) sending: SendStream<Bytes>,
    pub(super) receiving: Option<RecvStream>,
}

/// A request that came, from the tool's end.
pub struct Call {
    /// The request's head.
    pub head: request::Parts,
    pub(super) respond: SendResponse<Bytes>,
    pub(super) sending: Option<SendStream<Bytes>>,
    pub(super) receiving: RecvStream,
}

impl Exchange {
    /// Sends a piece of the body, as soon as there is room for all of it.
    ///
    /// # Errors
    /// If the stream or the connection ended.
    pub fn write(&mut self, data: impl Into<Bytes>) -> Result<(), h2::Error> {
        write(&mut self.sending, data.into())
    }

    /// Sends as much of `data` as there is room for within a moment without any, and tells how much that was.
    pub fn write_what_fits(&mut self, data: impl Into<Bytes>) -> usize {
        write_what_fits(&mut self.sending, data.into())
    }

    /// Sends a piece of the body if there is room for it now, and tells whether there was.
    pub fn write_now(&mut self, data: impl Into<Bytes>) -> bool {
        let data = data.into();
        self.sending.reserve_capacity(data.len());
        let fits = self.sending.capacity() >= data.len();
        fits && self.sending.send_data(data, false).is_ok()
    }

    /// Ends the body, with trailers if there are any.
    pub fn finish(&mut self, trailers: &[(&'static str, &str)]) {
        finish(&mut self.sending, trailers);
    }

    /// Resets the stream.
    pub fn reset(&mut self, reason: Reason) {
        self.sending.send_reset(reason);
    }

    /// The next interim answer.
    pub fn interim(&mut self) -> Response<()> {
        let interim = wait("an interim answer", poll_fn(|cx| self.response.poll_informational(cx)));
        interim.expect("an interim answer, not a final one").unwrap()
    }

    /// The answer's head.
    ///
    /// # Errors
    /// If the stream or the connection ended before.
    pub fn head(&mut self) -> Result<response::Parts, h2::Error> {
        let (parts, body) = wait("an answer", &mut self.response)?.into_parts();
        self.receiving = Some(body);
        Ok(parts)
    }

    /// The next piece of the answer's body; `None` at its end. The sender may send as much again.
    ///
    /// # Errors
    /// If it broke off.
    pub fn read(&mut self) -> Result<Option<Bytes>, h2::Error> {
        read(self.receiving.as_mut().expect("the head first"))
    }

    /// The rest of the answer's body.
    pub fn rest(&mut self) -> Body {
        rest(self.receiving.as_mut().expect("the head first"))
    }

    /// Waits for a reset, and tells its reason.
    pub fn wait_reset(&mut self) -> Reason {
        wait("a reset", poll_fn(|cx| self.sending.poll_reset(cx))).unwrap()
    }
}

impl Call {
    /// The first value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The next piece of the request's body; `None` at its end.
    ///
    /// # Errors
    /// If it broke off.
    pub fn read(&mut self) -> Result<Option<Bytes>, h2::Error> {
        read(&mut self.receiving)
    }

    /// The rest of the request's body.
    pub fn rest(&mut self) -> Body {
        rest(&mut self.receiving)
    }

    /// Sends an interim answer.
    pub fn interim(&mut self, status: StatusCode, fields: &[(&'static str, &str)]) {
        self.respond.send_informational(response(status, fields)).unwrap();
    }

    /// Sends the answer's head. `ends`: nothing follows it.
    ///
    /// # Errors
    /// If the caller reset the stream.
    pub fn answer(&mut self, status: StatusCode, fields: &[(&'static str, &str)], ends: bool) -> Result<(), h2::Error> {
        self.sending = Some(self.respond.send_response(response(status, fields), ends)?);
        Ok(())
    }

    /// Sends a piece of the answer's body, as soon as there is room for all of it.
    ///
    /// # Errors
    /// If the stream or the connection ended.
    pub fn write(&mut self, data: impl Into<Bytes>) -> Result<(), h2::Error> {
        write(self.sending.as_mut().expect("the head first"), data.into())
    }

    /// Sends as much of `data` as there is room for within a moment without any, and tells how much that was.
    pub fn write_what_fits(&mut self, data: impl Into<Bytes>) -> usize {
        write_what_fits(self.sending.as_mut().expect("the head first"), data.into())
    }

    /// Ends the answer, with trailers if there are any.
    pub fn finish(&mut self, trailers: &[(&'static str, &str)]) {
        finish(self.sending.as_mut().expect("the head first"), trailers);
    }

    /// Resets the stream.
    pub fn reset(&mut self, reason: Reason) {
        self.respond.send_reset(reason);
    }

    /// Waits for a reset, or the end of the connection, and tells its reason.
    pub fn wait_reset(&mut self) -> Option<Reason> {
        let reset = match &mut self.sending {
            Some(sending) => wait("a reset", poll_fn(|cx| sending.poll_reset(cx))),
            None => wait("a reset", poll_fn(|cx| self.respond.poll_reset(cx))),
        };
        reset.ok()
    }
}

fn response(status: StatusCode, fields: &[(&'static str, &str)]) -> Response<()> {
    let mut response = Response::new(());
    *response.status_mut() = status;
    response.headers_mut().extend(header_map(fields));
    response
}

pub(super) fn header_map(fields: &[(&'static str, &str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in fields {
        map.append(*name, value.parse().unwrap());
    }
    map
}

fn write(sending: &mut SendStream<Bytes>, mut data: Bytes) -> Result<(), h2::Error> {
    wait("room to send", async {
        while !data.is_empty() {
            sending.reserve_capacity(data.len());
            let room = poll_fn(|cx| sending.poll_capacity(cx)).await.ok_or(Reason::CANCEL)??;
            sending.send_data(data.split_to(room.min(data.len())), false)?;
        }
        Ok(())
    })
}

fn write_what_fits(sending: &mut SendStream<Bytes>, mut data: Bytes) -> usize {
    /// Long enough for the proxy to take what it is going to take.
    const MOMENT: std::time::Duration = std::time::Duration::from_millis(500);
    let whole = data.len();
    wait("the end of a moment", async {
        while !data.is_empty() {
            sending.reserve_capacity(data.len());
            let Ok(Some(Ok(room))) = tokio::time::timeout(MOMENT, poll_fn(|cx| sending.poll_capacity(cx))).await else { break };
            if sending.send_data(data.split_to(room.min(data.len())), false).is_err() {
                break;
            }
        }
    });
    sending.reserve_capacity(0);
    whole - data.len()
}

fn finish(sending: &mut SendStream<Bytes>, trailers: &[(&'static str, &str)]) {
    // The other side may be gone; whoever cares looks at what comes back.
    let _ = match trailers {
        [] => sending.send_data(Bytes::new(), true),
        trailers => sending.send_trailers(header_map(trailers)),
    };
}

fn read(receiving: &mut RecvStream) -> Result<Option<Bytes>, h2::Error> {
    let data = wait("a piece of the body", poll_fn(|cx| receiving.poll_data(cx))).transpose()?;
    if let Some(data) = &data {
        let _ = receiving.flow_control().release_capacity(data.len());
    }
    Ok(data)
}

fn rest(receiving: &mut RecvStream) -> Body {
    let mut body = Body { bytes: Vec::new(), trailers: HeaderMap::new(), error: None };
    loop {
        match read(receiving) {
            Ok(Some(data)) => body.bytes.extend_from_slice(&data),
            Ok(None) => break,
            Err(error) => {
                body.error = Some(error);
                return body;
            }
        }
    }
    match wait("the trailers", poll_fn(|cx| receiving.poll_trailers(cx))) {
        Ok(trailers) => body.trailers = trailers.unwrap_or_default(),
        Err(error) => body.error = Some(error),
    }
    body
}
