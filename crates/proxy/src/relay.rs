//! Moves one body from one connection to the other.

use std::cell::Cell;

use connectors_http1::{BodyDecoder, BodyError, Decoded, Field, HeadWriter, LAST_CHUNK, Line, chunk_head};

use crate::answer::Coding;
use crate::wire::Wire;

/// Which side failed decides what happens next.
#[derive(Debug)]
pub(crate) enum RelayError {
    /// Reading failed.
    From,
    /// Writing failed.
    To,
    /// What was read is no body, or ended early.
    Body(BodyError),
}

/// How a body goes on.
#[derive(Clone, Copy)]
pub(crate) struct Onward<'a> {
    /// How it is framed.
    pub(crate) coding: Coding,
    /// Which trailers go along, of those that mean nothing to this hop.
    pub(crate) keeps: &'a dyn Fn(&Line<'_>) -> bool,
}

/// Sends `head`, then the body as it arrives, in one write where both are there. Counts the body's bytes.
pub(crate) async fn relay(from: &Wire, body: &mut BodyDecoder, to: &Wire, onward: Onward<'_>, head: &[u8], bytes: &Cell<u64>) -> Result<(), RelayError> {
    // What still has to go out in front of the next data: at first the head.
    let mut before = head.to_vec();
    loop {
        match from.with_input(|input| body.decode(input)).map_err(RelayError::Body)? {
            Decoded::Data { skip, len } => {
                let after: &[u8] = match onward.coding {
                    Coding::Plain => b"",
                    Coding::Chunked => {
                        chunk_head(len as u64, &mut before);
                        b"\r\n"
                    }
                };
                to.write_from(&before, from, skip, len, after).await.map_err(|_| RelayError::To)?;
                before.clear();
                from.consume(skip + len);
                bytes.set(bytes.get() + len as u64);
            }
            Decoded::NeedMore { consumed } => {
                from.consume(consumed);
                if !before.is_empty() {
                    to.write_all(&before).await.map_err(|_| RelayError::To)?;
                    before.clear();
                }
                to.flush().await.map_err(|_| RelayError::To)?;
                if from.fill_body().await.map_err(|_| RelayError::From)? == 0 {
                    body.eof().map_err(RelayError::Body)?;
                    break;
                }
            }
            Decoded::End { consumed } => {
                from.consume(consumed);
                break;
            }
        }
    }
    if onward.coding == Coding::Chunked {
        finish_chunks(body, onward, &mut before);
    }
    if !before.is_empty() {
        to.write_all(&before).await.map_err(|_| RelayError::To)?;
    }
    to.flush().await.map_err(|_| RelayError::To)
}

/// The last chunk and the trailers, without those that mean something to this hop or to our rules.
fn finish_chunks(body: &BodyDecoder, onward: Onward<'_>, out: &mut Vec<u8>) {
    let mut trailers = body.trailers().filter(|line| line.field == Field::Other && (onward.keeps)(line)).peekable();
    if trailers.peek().is_none() {
        out.extend_from_slice(LAST_CHUNK);
        return;
    }
    let mut writer = HeadWriter::trailers(out);
    for line in trailers {
        writer.line(&line);
    }
    writer.end();
}
