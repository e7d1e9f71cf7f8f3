//! Which version of HTTP is spoken over TLS (RFC 7301).

/// The version of HTTP that a connection speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// HTTP/1.0 or 1.1: what is spoken without TLS, and where the handshake said nothing of it.
    Http1,
    /// HTTP/2, agreed on as `h2` (RFC 9113 §3.2).
    Http2,
}

/// Which of them a TLS handshake offers (as the client) or accepts (as the server).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Alpn {
    /// `http/1.1` alone.
    Http1,
    /// `h2` if the peer has it, else `http/1.1`.
    Http2,
}

/// RFC 7301 §6.
const HTTP_1_1: &[u8] = b"http/1.1";
/// RFC 9113 §3.1.
const H2: &[u8] = b"h2";

impl Alpn {
    /// The names, the preferred first.
    pub(crate) fn names(self) -> Vec<Vec<u8>> {
        match self {
            Self::Http1 => vec![HTTP_1_1.to_vec()],
            Self::Http2 => vec![H2.to_vec(), HTTP_1_1.to_vec()],
        }
    }
}

impl Protocol {
    /// From the name that the handshake ended with. rustls lets no name through that wasn't offered.
    pub(crate) fn negotiated(name: Option<&[u8]>) -> Self {
        if name == Some(H2) { Self::Http2 } else { Self::Http1 }
    }
}
