//! The answer as the caller gets it.

use connectors_http1::{Field, HeadWriter, Line, PreparedField, RequestHead, ResponseFraming, ResponseHead, Version, WriteError, chunk_head};

use crate::inject::{CONNECTION_UPGRADE, UPGRADE};
use crate::mapping::{Mapped, Mapping};

static CONNECTION_CLOSE: PreparedField = PreparedField::constant("Connection: close\r\n");
static CONNECTION_KEEP_ALIVE: PreparedField = PreparedField::constant("Connection: keep-alive\r\n");

/// What decides how an answer goes back.
pub(crate) struct Incoming<'a> {
    /// The request it answers.
    pub(crate) request: &'a RequestHead,
    /// The tool's answer.
    pub(crate) head: &'a ResponseHead,
    /// How the answer's body is framed on the tool's side.
    pub(crate) framing: ResponseFraming,
    /// In reverse mode, what is rewritten and into what.
    pub(crate) mapping: Option<Mapping<'a>>,
    /// Whether the caller's connection stays open after it.
    pub(crate) keep_alive: bool,
    /// The `Via` of the hop from the tool.
    pub(crate) via: &'static PreparedField,
    /// If the tool has switched protocols, how the caller learns of it.
    pub(crate) switch: Option<Switch<'a>>,
}

/// How a caller is told that its protocol is spoken from now on.
#[derive(Clone, Copy)]
pub(crate) enum Switch<'a> {
    /// On its connection, with the protocol's name in Upgrade (RFC 9110 §7.8).
    Connection(&'a [u8]),
    /// On its stream, by a 200 (RFC 8441 §5).
    Stream,
}

/// How a body goes to the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coding {
    /// As it is: it has a length, or ends with the connection, or isn't there.
    Plain,
    /// In chunks.
    Chunked,
}

impl Coding {
    /// Writes what goes in front of `len` bytes of data, more than 0, and returns what goes behind.
    pub(crate) fn frame(self, len: u64, before: &mut Vec<u8>) -> &'static [u8] {
        match self {
            Self::Plain => b"",
            Self::Chunked => {
                chunk_head(len, before);
                b"\r\n"
            }
        }
    }
}

impl Incoming<'_> {
    /// How the body goes back. What only ends with the tool's connection is sent in chunks, so that the caller can tell its end from a broken
    /// transfer; HTTP/1.0 knows no chunks and gets the end of the connection.
    pub(crate) fn coding(&self) -> Coding {
        match (self.framing, self.request.version()) {
            (ResponseFraming::Chunked | ResponseFraming::UntilClose, Version::Http11) => Coding::Chunked,
            _ => Coding::Plain,
        }
    }

    /// Whether the body's end can only be seen by the connection's.
    pub(crate) fn ends_with_connection(&self) -> bool {
        self.coding() == Coding::Plain && matches!(self.framing, ResponseFraming::Chunked | ResponseFraming::UntilClose)
    }
}

/// Writes the head.
///
/// # Errors
/// As for requests: only a mistake here could cause one.
pub(crate) fn write(incoming: &Incoming<'_>, out: &mut Vec<u8>) -> Result<(), WriteError> {
    let head = incoming.head;
    let mut writer = match incoming.switch {
        Some(Switch::Stream) => HeadWriter::response(out, 200, b"OK")?,
        _ => HeadWriter::response(out, head.status(), head.reason())?,
    };
    for line in head.lines() {
        match fate(incoming, &line) {
            Mapped::Stays => {
                writer.line(&line);
            }
            Mapped::Becomes(value) => {
                writer.field(line.name(), &value)?;
            }
            Mapped::Goes => {}
        }
    }
    if let Some(switch) = incoming.switch {
        writer.prepared(incoming.via);
        if let Switch::Connection(protocol) = switch {
            writer.prepared(&CONNECTION_UPGRADE).named(UPGRADE, protocol)?;
        }
        writer.end();
        return Ok(());
    }
    match (incoming.framing, incoming.coding()) {
        (_, Coding::Chunked) => {
            writer.chunked();
        }
        (ResponseFraming::Length(length), Coding::Plain) => {
            writer.content_length(length);
        }
        _ => {}
    }
    writer.prepared(incoming.via);
    if !incoming.keep_alive {
        writer.prepared(&CONNECTION_CLOSE);
    } else if incoming.request.version() == Version::Http10 {
        writer.prepared(&CONNECTION_KEEP_ALIVE);
    }
    writer.end();
    Ok(())
}

/// What becomes of one line of the tool's.
fn fate(incoming: &Incoming<'_>, line: &Line<'_>) -> Mapped {
    match line.field {
        // Written anew, or meant for this hop only (RFC 9110 §7.6.1). HEAD, 204 and 304 keep the length that they talk about.
        Field::ContentLength if incoming.framing == ResponseFraming::None => Mapped::Stays,
        Field::ContentLength
        | Field::TransferEncoding
        | Field::Connection
        | Field::KeepAlive
        | Field::ProxyConnection
        | Field::ProxyAuthenticate
        | Field::ProxyAuthenticationInfo
        | Field::ProxyOther
        | Field::Te
        | Field::Upgrade
        | Field::Via
        | Field::Alias => Mapped::Goes,
        Field::Location | Field::ContentLocation => incoming.mapping.map_or(Mapped::Stays, |mapping| mapping.location(line.value)),
        Field::SetCookie => incoming.mapping.map_or(Mapped::Stays, |mapping| mapping.cookie(line.value)),
        // The proxy's own handshake with the tool; on a stream there is none.
        _ if matches!(incoming.switch, Some(Switch::Stream)) && line.is_named("Sec-WebSocket-Accept") => Mapped::Goes,
        _ if !is_tools(line) => Mapped::Goes,
        _ if incoming.head.connection_lists(line) => Mapped::Goes,
        _ => Mapped::Stays,
    }
}

/// Whether a tool may say that at all.
fn is_tools(line: &Line<'_>) -> bool {
    // The first is what only the proxy says of itself, the second an invitation to reach the tool past the proxy (RFC 7838).
    !line.is_named("X-Connectors-Error") && !line.is_named("Alt-Svc")
}

/// Whether a trailer of the tool's goes on to the caller.
pub(crate) fn trailer_stays(line: &Line<'_>) -> bool {
    is_tools(line)
}
