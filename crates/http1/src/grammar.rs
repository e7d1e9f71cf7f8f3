//! Which bytes may stand where.

use std::net::Ipv6Addr;
use std::str;

/// A byte of a field name that every server takes for itself: a letter, a digit or `-`.
const PLAIN: u8 = 1;
/// Any other byte of a token. CGI and what descends from it turns these into the same `_` that `-` becomes.
const ODD: u8 = 2;

/// `tchar`, RFC 9110 §5.6.2.
const TOKEN: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = match byte as u8 {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' => PLAIN,
            b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~' => ODD,
            _ => 0,
        };
        byte += 1;
    }
    table
};

/// How many bytes at the start of `bytes` are a token, and whether any of them is neither letter nor digit nor `-`.
#[inline(always)]
pub(crate) fn token_prefix(bytes: &[u8]) -> (usize, bool) {
    let mut at = plain_prefix(bytes);
    let mut odd = false;
    while let Some(&byte) = bytes.get(at) {
        match TOKEN[usize::from(byte)] {
            0 => break,
            class => odd |= class == ODD,
        }
        at += 1;
    }
    (at, odd)
}

/// How many bytes at the start of `bytes` are letters, digits or `-`.
#[inline(always)]
fn plain_prefix(bytes: &[u8]) -> usize {
    let mut at = 0;
    while let Some(block) = bytes[at..].first_chunk() {
        let plain = prefix_of_block(block, |byte| ((byte | 0x20).wrapping_sub(b'a') < 26) | (byte.wrapping_sub(b'0') < 10) | (byte == b'-'));
        at += plain;
        if plain < 16 {
            return at;
        }
    }
    at + bytes[at..].iter().take_while(|&&byte| TOKEN[usize::from(byte)] == PLAIN).count()
}

/// How many bytes at the start of `bytes` are no control characters; HTAB doesn't count as one.
#[inline(always)]
pub(crate) fn text_prefix(bytes: &[u8]) -> usize {
    let mut at = 0;
    loop {
        while let Some(block) = bytes[at..].first_chunk() {
            let text = prefix_of_block(block, |byte| (byte >= 0x20) & (byte != 0x7f));
            at += text;
            if text < 16 {
                break;
            }
        }
        match bytes.get(at) {
            Some(&byte) if is_text_byte(byte) => at += 1,
            _ => return at,
        }
    }
}

/// How many bytes at the start of the block pass the test, which must be free of branches: then the compiler tests all of
/// them at once with vector instructions. This and its callers are where the time of reading a head goes; inlined, a head
/// takes a tenth fewer instructions.
#[inline(always)]
fn prefix_of_block(block: &[u8; 16], test: impl Fn(u8) -> bool) -> usize {
    let mut failed = [0; 16];
    for (failed, &byte) in failed.iter_mut().zip(block) {
        *failed = if test(byte) { 0 } else { 0xff };
    }
    if failed == [0; 16] { 16 } else { u128::from_le_bytes(failed).trailing_zeros() as usize / 8 }
}

/// No control character but HTAB (RFC 9110 §5.5).
fn is_text_byte(byte: u8) -> bool {
    (byte >= 0x20 && byte != 0x7f) || byte == b'\t'
}

/// Whether one byte may be part of a token, RFC 9110 §5.6.2.
pub(crate) fn is_token_byte(byte: u8) -> bool {
    TOKEN[usize::from(byte)] != 0
}

/// `token`, RFC 9110 §5.6.2.
pub(crate) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && token_prefix(bytes).0 == bytes.len()
}

/// SP or HTAB.
pub(crate) fn is_blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

/// Whether `text`, which has no control characters but HTAB, begins with `pattern`, which consists of `a` to `z`, digits
/// and `-`, without regard to case. Only those and the capital letters give these bytes when bit 0x20 is set.
#[inline(always)]
pub(crate) fn begins_with<const N: usize>(text: &[u8], pattern: &[u8; N]) -> bool {
    text.first_chunk::<N>().is_some_and(|text| text.iter().zip(pattern).fold(0, |differ, (a, b)| differ | ((a | 0x20) ^ b)) == 0)
}

/// No control characters but HTAB; bytes above 0x7f are allowed (RFC 9110 §5.5). Also the rule for a reason phrase
/// (RFC 9112 §4).
pub(crate) fn is_field_value(bytes: &[u8]) -> bool {
    text_prefix(bytes) == bytes.len()
}

/// The bytes of a request-target. RFC 3986 forbids more than this does:
///
/// * refused: everything but visible ASCII; `#`, because some readers cut the target there; `\`, because some read
///   it as `/`; `<` and `>`, which no client sends raw.
/// * let through although a URI must encode them: `"`, `^`, `` ` ``, `{`, `|`, `}`, `[`, `]`. Browsers leave some of
///   them raw in paths and queries, curl all of them, and to no reader of URIs do they separate anything.
///
/// Whether each `%` has two hexadecimal digits is for whoever decodes the path.
pub(crate) fn is_target(bytes: &[u8]) -> bool {
    !bytes.is_empty() && target_prefix(bytes) == bytes.len()
}

/// How many bytes at the start of `bytes` may be of a request-target.
pub(crate) fn target_prefix(bytes: &[u8]) -> usize {
    let mut at = 0;
    // 16 at a time, one test after the other: the compiler makes vector instructions of each, but not of all in one.
    // `<` and `>` differ in one bit.
    while let Some(block) = bytes[at..].first_chunk::<16>() {
        let any = |test: fn(u8) -> bool| block.iter().fold(false, |any, &byte| any | test(byte));
        if any(|byte| byte.wrapping_sub(0x21) > 0x5d) || any(|byte| byte == b'#') || any(|byte| byte == b'\\') || any(|byte| byte & !(b'<' ^ b'>') == b'<') {
            break;
        }
        at += 16;
    }
    at + bytes[at..].iter().take_while(|&&byte| TARGET[usize::from(byte)]).count()
}

/// The bytes that [`is_target`] allows.
const TARGET: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        let visible = (byte as u8).is_ascii_graphic();
        table[byte] = visible && !matches!(byte as u8, b'#' | b'\\' | b'<' | b'>');
        byte += 1;
    }
    table
};

/// Whether an authority must name its port.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Port {
    Optional,
    Required,
}

/// `uri-host [ ":" port ]`, RFC 9110 §7.2, narrowed to hosts that can exist: letters, digits, `-`, `.`, `_` and `~`
/// (no percent-encoding, no `,` or other sub-delims, no user), or an IPv6 address in brackets. An announced port
/// must be there and fit 16 bits.
pub(crate) fn is_authority(bytes: &[u8], port: Port) -> bool {
    let host_end = if bytes.first() == Some(&b'[') {
        let Some(close) = memchr::memchr(b']', bytes) else { return false };
        if !str::from_utf8(&bytes[1..close]).is_ok_and(|text| text.parse::<Ipv6Addr>().is_ok()) {
            return false;
        }
        close + 1
    } else {
        let end = host_prefix(bytes);
        if end == 0 {
            return false;
        }
        end
    };
    match bytes.get(host_end) {
        None => port == Port::Optional,
        Some(b':') => is_port(&bytes[host_end + 1..]),
        Some(_) => false,
    }
}

/// How many bytes at the start of `bytes` are of a host name: letters, digits, `-`, `.`, `_`, `~`.
fn host_prefix(bytes: &[u8]) -> usize {
    let mut at = 0;
    loop {
        at += plain_prefix(&bytes[at..]);
        match bytes.get(at) {
            Some(b'.' | b'_' | b'~') => at += 1,
            _ => return at,
        }
    }
}

fn is_port(digits: &[u8]) -> bool {
    digits.len() <= 5 && decimal(digits).is_some_and(|port| port <= u64::from(u16::MAX))
}

/// `1*DIGIT` that fits 64 bits, else `None`. No sign, no blanks, no separators.
pub(crate) fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    let mut value: u64 = 0;
    for &byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value.checked_mul(10)?.checked_add(u64::from(digit))?;
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_in_the_class_the_rfc_puts_it_in() {
        for byte in 0..=255u8 {
            let token = byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
            assert_eq!(is_token(&[byte]), token, "{byte:#x} in a token");
            let value = byte == b'\t' || (byte >= 0x20 && byte != 0x7f);
            assert_eq!(is_field_value(&[byte]), value, "{byte:#x} in a value");
            let target = byte.is_ascii_graphic() && !b"#\\<>".contains(&byte);
            assert_eq!(is_target(&[byte]), target, "{byte:#x} in a target");
            let host = byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
            assert_eq!(is_authority(&[byte], Port::Optional), host, "{byte:#x} in a host");
        }
        assert!(!is_target(b"") && !is_token(b"") && !is_authority(b"", Port::Optional));
    }

    #[test]
    fn a_bad_byte_is_seen_wherever_it_stands() {
        for length in 1..80 {
            for at in 0..length {
                let mut bytes = vec![b'a'; length];
                bytes[at] = b'\r';
                assert!(!is_field_value(&bytes) && !is_target(&bytes) && !is_token(&bytes));
            }
        }
    }

    #[test]
    fn authorities() {
        for good in ["a", "a.b", "a_b~c-d.", "127.0.0.1", "a:1", "a:0", "a:65535", "[::1]", "[::1]:80", "[::ffff:1.2.3.4]"] {
            assert!(is_authority(good.as_bytes(), Port::Optional), "{good}");
        }
        for bad in [
            "",
            ":",
            ":80",
            "a:",
            "a:65536",
            "a:000080",
            "a:8o",
            "a:+1",
            "a:1:2",
            "u@a",
            "a/b",
            "a b",
            "a,b",
            "a%41",
            "é",
            "[::1",
            "::1",
            "[::1]a",
            "[]",
            "[1.2.3.4]",
            "[v1.a]",
            "[fe80::1%25eth0]",
            "[::1]:",
        ] {
            assert!(!is_authority(bad.as_bytes(), Port::Optional), "{bad}");
        }
        assert!(is_authority(b"a:443", Port::Required) && !is_authority(b"a", Port::Required));
    }
}
