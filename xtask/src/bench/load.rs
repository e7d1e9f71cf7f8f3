//! The loads: what is asked for, how, and by how many.

use super::tool::Body;

/// One load, and a row of the table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Load {
    pub(super) body: Body,
    pub(super) way: Way,
    pub(super) connections: u32,
    pub(super) must: Must,
}

/// How the caller reaches the proxy, and the proxy the tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// By reverse address; the tool is plain.
    Plain,
    /// The same, with a connection of its own for each request.
    NewConnections,
    /// By reverse address; the tool has https.
    Https,
    /// By https inside a CONNECT; the tool has https. The other servers terminate TLS without a CONNECT.
    Intercepted,
    /// By HTTP/2 with prior knowledge; the tool is plain and has HTTP/1.1.
    Http2,
}

/// The most CPU time it may take, in parts of what the other takes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Must {
    pub(super) nginx: Option<f64>,
    pub(super) haproxy: Option<f64>,
}

const NONE: Must = Must { nginx: None, haproxy: None };
const SMALL: Must = Must { nginx: Some(0.80), haproxy: Some(0.70) };
const SMALL_HTTPS: Must = Must { nginx: Some(0.80), haproxy: None };
const LARGE: Must = Must { nginx: Some(0.55), haproxy: None };
const LARGE_HTTPS: Must = Must { nginx: Some(1.1), haproxy: None };

/// Each request of a connection of HTTP/2 is one of so many at once.
pub(super) const STREAMS: u32 = 8;

/// All of them, in the order of the table.
pub(super) const LOADS: &[Load] = &[
    Load { body: Body::Bytes64, way: Way::Plain, connections: 1, must: SMALL },
    Load { body: Body::Bytes64, way: Way::Plain, connections: 16, must: SMALL },
    Load { body: Body::Bytes64, way: Way::Plain, connections: 64, must: SMALL },
    Load { body: Body::Bytes64, way: Way::Plain, connections: 1000, must: SMALL },
    Load { body: Body::Kilobytes10, way: Way::Plain, connections: 16, must: SMALL },
    Load { body: Body::Megabyte1, way: Way::Plain, connections: 16, must: LARGE },
    Load { body: Body::Megabytes100, way: Way::Plain, connections: 4, must: LARGE },
    Load { body: Body::Bytes64, way: Way::NewConnections, connections: 16, must: NONE },
    Load { body: Body::Bytes64, way: Way::Https, connections: 16, must: SMALL_HTTPS },
    Load { body: Body::Kilobytes10, way: Way::Https, connections: 16, must: NONE },
    Load { body: Body::Megabyte1, way: Way::Https, connections: 16, must: LARGE_HTTPS },
    Load { body: Body::Megabytes100, way: Way::Https, connections: 4, must: LARGE_HTTPS },
    Load { body: Body::Bytes64, way: Way::Intercepted, connections: 16, must: NONE },
    Load { body: Body::Kilobytes10, way: Way::Intercepted, connections: 16, must: NONE },
    Load { body: Body::Megabyte1, way: Way::Intercepted, connections: 16, must: NONE },
    Load { body: Body::Bytes64, way: Way::Http2, connections: 16, must: NONE },
    Load { body: Body::Kilobytes10, way: Way::Http2, connections: 16, must: NONE },
];

impl Load {
    /// For people, and for `--only`.
    pub(super) fn name(&self) -> String {
        let way = match self.way {
            Way::Plain => "plain",
            Way::NewConnections => "plain, a connection each",
            Way::Https => "https upstream",
            Way::Intercepted => "https, intercepted",
            Way::Http2 => "HTTP/2",
        };
        format!("{}, {way}, {} conn.", self.body.name(), self.connections)
    }
}
