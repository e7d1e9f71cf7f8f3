//! HTTP/2 (RFC 9113), by the `h2` crate: connections of callers, connections to tools, and the translation of their heads.

pub(crate) mod client;
pub(crate) mod head;
pub(crate) mod server;

/// How much a sender may send on one stream before its receiver has taken any. A round trip of 5 ms then allows 50 MB/s.
const STREAM_WINDOW: u32 = 256 * 1024;
/// The same for all streams of a connection together: what one connection can make us hold.
const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// What may wait on one stream for a receiver that doesn't make room.
const SEND_BUFFER: usize = 64 * 1024;
