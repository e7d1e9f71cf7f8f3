//! HTTP/2 by hand, as much as it takes to send what no library would: frames, and heads of literals only (RFC 7541 §6.2.2).

use std::collections::BTreeSet;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use crate::run::LONGEST;

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;
const ACK: u8 = 1;

/// One frame (RFC 9113 §4.1).
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A head, whatever the fields are.
pub(crate) fn head(fields: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            string(text, &mut block);
        }
    }
    block
}

/// A string without Huffman coding (RFC 7541 §5.1, §5.2).
fn string(text: &[u8], block: &mut Vec<u8>) {
    const MOST: usize = 127;
    if text.len() < MOST {
        block.push(text.len() as u8);
    } else {
        block.push(MOST as u8);
        let mut rest = text.len() - MOST;
        while rest >= 128 {
            block.push((rest % 128) as u8 | 128);
            rest /= 128;
        }
        block.push(rest as u8);
    }
    block.extend_from_slice(text);
}

/// What came back: the data of streams 1 and 3.
#[derive(Default)]
pub(crate) struct Came {
    pub(crate) first: Vec<u8>,
    pub(crate) third: Vec<u8>,
}

/// Sends these frames on a connection of its own, and reads until every stream in `awaited` has ended, or the connection.
#[expect(clippy::disallowed_methods, reason = "this is a client of the proxy, not the proxy")]
pub(crate) fn exchange(proxy: SocketAddr, frames: &[u8], awaited: &[u32]) -> io::Result<Came> {
    let mut stream = TcpStream::connect(proxy)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(LONGEST))?;
    // A proxy that has refused already may have closed already.
    let _ = stream.write_all(&[b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &frame(SETTINGS, 0, 0, b"")[..], frames].concat());
    let mut awaited: BTreeSet<u32> = awaited.iter().copied().collect();
    let mut came = Came::default();
    while !awaited.is_empty() {
        let Some(Frame { kind, flags, stream: id, payload }) = read_frame(&mut stream)? else { break };
        match kind {
            SETTINGS if flags & ACK == 0 => drop(stream.write_all(&frame(SETTINGS, ACK, 0, b""))),
            PING if flags & ACK == 0 => drop(stream.write_all(&frame(PING, ACK, 0, &payload))),
            DATA if id == 1 => came.first.extend_from_slice(&payload),
            DATA if id == 3 => came.third.extend_from_slice(&payload),
            _ => {}
        }
        if kind == RST_STREAM || matches!(kind, DATA | HEADERS) && flags & END_STREAM != 0 {
            awaited.remove(&id);
        }
    }
    Ok(came)
}

struct Frame {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: Vec<u8>,
}

/// The next frame; `None` at the end of the connection.
fn read_frame(stream: &mut TcpStream) -> io::Result<Option<Frame>> {
    let mut read = || {
        let mut head = [0; 9];
        stream.read_exact(&mut head)?;
        let [a, b, c, kind, flags, id @ ..] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        stream.read_exact(&mut payload)?;
        Ok(Frame { kind, flags, stream: u32::from_be_bytes(id) & 0x7fff_ffff, payload })
    };
    match read() {
        Ok(frame) => Ok(Some(frame)),
        Err(error) if matches!(io::Error::kind(&error), io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset) => Ok(None),
        Err(error) => Err(error),
    }
}
