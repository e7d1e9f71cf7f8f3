//! HTTP/2 (RFC 9113), by the `h2` crate: connections of callers, connections to tools, and the translation of their heads.

pub(crate) mod client;
pub(crate) mod head;
mod kept;
pub(crate) mod server;
pub(crate) mod websocket;

/// How much a sender may send on one stream before its receiver has taken any. A round trip of 5 ms then allows 50 MB/s.
const STREAM_WINDOW: u32 = 256 * 1024;
/// The same for all streams of a caller's connection together: what one caller can make us hold.
const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// What may wait on one stream for a receiver that doesn't make room.
const SEND_BUFFER: usize = 64 * 1024;
/// What the frames that wait on a caller's connection may cost beyond what is in them; h2 counts up to 256 bytes a frame, and ends the connection at more.
/// Enough for a stream's window full of messages of 8 bytes: less, and a burst of small messages, such as gRPC streams them, would end it.
const SMALL_FRAMES: usize = 8 * 1024 * 1024;
