//! Frames by hand, for what no library would send (RFC 9113 §4, §6).

use std::io::{Read, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use socket2::SockRef;

use crate::DEADLINE;

/// What a connection begins with (RFC 9113 §3.4).
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The types of frames.
#[allow(missing_docs, reason = "the names are those of RFC 9113 §6")]
pub mod kind {
    pub const DATA: u8 = 0;
    pub const HEADERS: u8 = 1;
    pub const PRIORITY: u8 = 2;
    pub const RST_STREAM: u8 = 3;
    pub const SETTINGS: u8 = 4;
    pub const PING: u8 = 6;
    pub const GOAWAY: u8 = 7;
    pub const WINDOW_UPDATE: u8 = 8;
    pub const CONTINUATION: u8 = 9;
}

/// One frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// One of [`kind`].
    pub kind: u8,
    /// END_STREAM or ACK is 1, END_HEADERS 4.
    pub flags: u8,
    /// The stream's number; 0 is the connection.
    pub stream: u32,
    /// What follows the frame's head.
    pub payload: Vec<u8>,
}

impl Frame {
    /// The error code of a GOAWAY or RST_STREAM (RFC 9113 §7).
    pub fn code(&self) -> Option<u32> {
        let at = match self.kind {
            kind::GOAWAY => 4,
            kind::RST_STREAM => 0,
            _ => return None,
        };
        self.number_at(at)
    }

    /// By how much a WINDOW_UPDATE opens its window (RFC 9113 §6.9).
    pub fn increment(&self) -> Option<u32> {
        if self.kind == kind::WINDOW_UPDATE { self.number_at(0) } else { None }
    }

    fn number_at(&self, at: usize) -> Option<u32> {
        Some(u32::from_be_bytes(self.payload.get(at..at + 4)?.try_into().ok()?))
    }
}

/// The bytes of a frame.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// Fields as a block: literals without indexing, nothing compressed (RFC 7541 §6.2.2).
pub fn field_block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            // An integer with a prefix of 7 bits (RFC 7541 §5.1).
            match text.len() {
                short @ 0..127 => block.push(short as u8),
                long => {
                    block.push(127);
                    let mut rest = long - 127;
                    while rest >= 128 {
                        block.push((rest % 128) as u8 | 128);
                        rest /= 128;
                    }
                    block.push(rest as u8);
                }
            }
            block.extend(text.as_bytes());
        }
    }
    block
}

/// Reads one frame; `None` at the connection's end.
pub fn read_frame(stream: &mut (impl Read + ?Sized)) -> Option<Frame> {
    let mut head = [0; 9];
    stream.read_exact(&mut head).ok()?;
    let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
    stream.read_exact(&mut payload).ok()?;
    let number = u32::from_be_bytes([head[5], head[6], head[7], head[8]]) & 0x7fff_ffff;
    Some(Frame { kind: head[3], flags: head[4], stream: number, payload })
}

/// A connection on which frames are written and read by hand.
pub struct RawHttp2 {
    stream: TcpStream,
}

impl RawHttp2 {
    /// Connects, and sends the preface with empty settings.
    pub fn connect(address: SocketAddr) -> Self {
        let mut raw = Self::connect_silently(address);
        assert!(raw.write(PREFACE) && raw.write(&frame(kind::SETTINGS, 0, 0, &[])));
        raw
    }

    /// Connects, and sends nothing.
    #[expect(clippy::disallowed_methods, reason = "this is the client, not the proxy")]
    pub fn connect_silently(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.set_write_timeout(Some(DEADLINE)).unwrap();
        stream.set_nodelay(true).unwrap();
        // So that what is written was taken by the other side, and not by our own kernel, which would hold 4 MB.
        SockRef::from(&stream).set_send_buffer_size(64 * 1024).unwrap();
        Self { stream }
    }

    /// Writes, and tells whether the other side still takes it; `false` too if it has taken nothing for [`DEADLINE`].
    pub fn write(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// Writes what the other side takes as long as it takes something within `patience`, and tells whether that was all. Nothing can be written after it wasn't.
    pub fn write_with(&mut self, bytes: &[u8], patience: Duration) -> bool {
        self.stream.set_write_timeout(Some(patience)).unwrap();
        let all = self.write(bytes);
        self.stream.set_write_timeout(Some(DEADLINE)).unwrap();
        all
    }

    /// Reads the next frame; `None` at the connection's end.
    pub fn read(&mut self) -> Option<Frame> {
        read_frame(&mut self.stream)
    }

    /// Reads until a frame for which `wanted` holds; `None` if the connection ends before.
    pub fn read_until(&mut self, wanted: impl Fn(&Frame) -> bool) -> Option<Frame> {
        loop {
            let frame = self.read()?;
            if wanted(&frame) {
                return Some(frame);
            }
        }
    }

    /// Reads until the connection ends, and tells the code of the GOAWAY if there was one.
    pub fn goaway(&mut self) -> Option<u32> {
        let mut code = None;
        while let Some(frame) = self.read() {
            if frame.kind == kind::GOAWAY {
                code = frame.code();
            }
        }
        code
    }
}
