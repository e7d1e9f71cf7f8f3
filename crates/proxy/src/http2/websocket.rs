//! The WebSocket handshake with the tool, which a caller of HTTP/2 doesn't make itself (RFC 8441 §5.1).

use std::hash::{BuildHasher as _, RandomState};

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use connectors_http1::{RequestHead, ResponseHead};

/// What only one who speaks WebSocket puts behind the key (RFC 6455 §1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// A value for Sec-WebSocket-Key: 16 bytes that nobody has used (RFC 6455 §4.1). They keep no secret.
pub(crate) fn key() -> String {
    let half = |salt: u8| RandomState::new().hash_one(salt);
    STANDARD.encode((u128::from(half(0)) << 64 | u128::from(half(1))).to_be_bytes())
}

/// Whether the answer proves that the tool has read the request as a WebSocket handshake (RFC 6455 §4.1): otherwise what a caller sends next could be taken for
/// something else on the way.
pub(crate) fn proves(request: &RequestHead, answer: &ResponseHead) -> bool {
    let key = request.lines().find(|line| line.is_named("Sec-WebSocket-Key"));
    let mut accepts = answer.lines().filter(|line| line.is_named("Sec-WebSocket-Accept"));
    match (key, accepts.next(), accepts.next()) {
        (Some(key), Some(accept), None) => accept.value == self::accept(key.value).as_bytes(),
        _ => false,
    }
}

fn accept(key: &[u8]) -> String {
    STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, &[key, GUID].concat()))
}

#[cfg(test)]
mod tests {
    use connectors_http1::HeadLimits;

    use super::*;

    #[test]
    fn the_example_of_the_rfc() {
        assert_eq!(accept(b"dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn keys_differ_and_have_sixteen_bytes() {
        assert_ne!(key(), key());
        assert_eq!(STANDARD.decode(key()).unwrap().len(), 16);
    }

    #[test]
    fn only_the_one_right_answer_is_a_proof() {
        let mut request = RequestHead::new();
        request.parse(b"GET / HTTP/1.1\r\nHost: x\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", &HeadLimits::default()).unwrap();
        let right = "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";
        let twice = right.repeat(2);
        for (lines, expect) in
            [(right, true), ("", false), ("Sec-WebSocket-Accept: dGhlIHNhbXBsZSBub25jZQ==\r\n", false), (&right.to_lowercase(), false), (&twice, false)]
        {
            let mut answer = ResponseHead::new();
            answer.parse(format!("HTTP/1.1 101 Switching Protocols\r\n{lines}\r\n").as_bytes(), &HeadLimits::default()).unwrap();
            assert_eq!(proves(&request, &answer), expect, "{lines:?}");
        }
    }
}
