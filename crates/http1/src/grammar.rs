//! Which bytes may stand where.

use std::net::Ipv6Addr;
use std::str;

use wide::u8x16;

/// A byte of a field name that every server takes for itself: a letter, a digit or `-`.
const PLAIN: u8 = 1;
/// Any other byte of a token (RFC 9110 §5.6.2). CGI and what descends from it turns these into the same `_` that `-` becomes.
const ODD: u8 = 2;
/// A byte of a host name: letters, digits, `-`, `.`, `_`, `~`.
const HOST: u8 = 4;
/// What [`is_target`] allows.
const TARGET: u8 = 8;
/// No control character but HTAB (RFC 9110 §5.5).
const TEXT: u8 = 16;

/// Which of the above each byte is.
static CLASSES: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = classes(byte as u8);
        byte += 1;
    }
    table
};

const fn classes(byte: u8) -> u8 {
    let name = match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' => PLAIN | HOST,
        b'.' | b'_' | b'~' => ODD | HOST,
        b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'^' | b'`' | b'|' => ODD,
        _ => 0,
    };
    let target = if byte.is_ascii_graphic() && !matches!(byte, b'#' | b'\\' | b'<' | b'>') { TARGET } else { 0 };
    let text = if byte == b'\t' || !byte.is_ascii_control() { TEXT } else { 0 };
    name | target | text
}

#[inline(always)]
fn is(byte: u8, class: u8) -> bool {
    CLASSES[usize::from(byte)] & class != 0
}

/// Whether all bytes are of the class, of which `test` may know fewer. Blocks of 16 are tested, where the last may overlap the one before.
#[inline(always)]
fn all(bytes: &[u8], class: u8, test: impl Fn(&[u8; 16]) -> bool + Copy) -> bool {
    match bytes.last_chunk() {
        Some(last) if bytes.as_chunks().0.iter().all(test) && test(last) => true,
        _ => bytes.iter().all(|&byte| is(byte, class)),
    }
}

/// Whether all bytes of the block pass the test, which must be free of branches: then the compiler tests all of them at once with vector instructions. It
/// makes better ones of two tests one after the other than of one that is both.
#[inline(always)]
fn every(block: &[u8; 16], test: impl Fn(u8) -> bool) -> bool {
    block.iter().fold(true, |passed, &byte| passed & test(byte))
}

/// How many bytes at the start of `bytes` are a token, and whether any of them is neither letter nor digit nor `-`.
pub(crate) fn token_prefix(bytes: &[u8]) -> (usize, bool) {
    let len = bytes.iter().take_while(|&&byte| is(byte, PLAIN | ODD)).count();
    (len, bytes[..len].iter().any(|&byte| is(byte, ODD)))
}

/// The lowest bit of each byte of a word.
pub(crate) const ONES: u64 = u64::MAX / 0xff;

/// How many bytes at the start of `bytes` are letters or `-`, as far as 16 are left.
#[inline(always)]
pub(crate) fn letters_prefix(bytes: &[u8]) -> usize {
    let mut at = 0;
    while let Some(block) = bytes[at..].first_chunk() {
        let letters = prefix_of_block(block, |byte| ((byte | 0x20).wrapping_sub(b'a') < 26) | (byte == b'-'));
        at += letters;
        if letters < 16 {
            break;
        }
    }
    at
}

/// How many bytes at the start of `bytes` are SP or visible ASCII.
#[inline(always)]
pub(crate) fn visible_prefix(bytes: &[u8]) -> usize {
    // Most values end within 64 bytes; of longer ones, 64 are tested at once.
    let mut rest = bytes;
    'longer: loop {
        for _ in 0..4 {
            let Some((block, tail)) = rest.split_first_chunk() else { break 'longer };
            let visible = prefix_of_block(block, |byte| byte.wrapping_sub(b' ') <= b'~' - b' ');
            if visible < 16 {
                return bytes.len() - rest.len() + visible;
            }
            rest = tail;
        }
        while let Some((block, tail)) = rest.split_first_chunk::<64>()
            && is_visible(block)
        {
            rest = tail;
        }
    }
    bytes.len() - rest.len() + rest.iter().take_while(|byte| matches!(byte, b' '..=b'~')).count()
}

/// How many bytes at the start of the block pass the test, which must be free of branches: then the compiler tests all of them at once with vector
/// instructions.
#[inline(always)]
fn prefix_of_block(block: &[u8; 16], test: impl Fn(u8) -> bool) -> usize {
    let mut passed = [0; 16];
    for (passed, &byte) in passed.iter_mut().zip(block) {
        *passed = if test(byte) { 0xff } else { 0 };
    }
    // The bits above the 16 are never set.
    (!u8x16::new(passed).to_bitmask()).trailing_zeros() as usize
}

/// How many bytes at the start of `bytes` are no control characters; HTAB doesn't count as one.
pub(crate) fn text_prefix(bytes: &[u8]) -> usize {
    let mut at = 0;
    loop {
        at += visible_prefix(&bytes[at..]);
        // HTAB, or more likely bytes above 0x7f, which seldom come alone.
        match bytes[at..].iter().take(16).take_while(|&&byte| is(byte, TEXT)).count() {
            0 => return at,
            text => at += text,
        }
    }
}

/// Whether all bytes are SP or visible ASCII. `N` is a multiple of 16.
#[inline(always)]
fn is_visible<const N: usize>(block: &[u8; N]) -> bool {
    // SP becomes 0, and `~`, the last visible one, 0x5e. What is below SP wraps around.
    let most = u8x16::splat(b'~' - b' ');
    let greatest = block.as_chunks().0.iter().fold(most, |greatest, block| greatest.max(u8x16::new(*block) - u8x16::splat(b' ')));
    greatest == most
}

/// Whether one byte may be part of a token, RFC 9110 §5.6.2.
pub(crate) fn is_token_byte(byte: u8) -> bool {
    is(byte, PLAIN | ODD)
}

/// `token`, RFC 9110 §5.6.2.
pub(crate) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|&byte| is(byte, PLAIN | ODD))
}

/// As [`is_token`], for constants.
pub(crate) const fn is_constant_token(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    while let [byte, tail @ ..] = rest {
        if classes(*byte) & (PLAIN | ODD) == 0 {
            return false;
        }
        rest = tail;
    }
    !bytes.is_empty()
}

/// Whether it is a name, `: `, a value of visible ASCII and SP with no blanks around it, and CR LF. For constants.
pub(crate) const fn is_constant_line(bytes: &[u8]) -> bool {
    let mut colon = 0;
    while colon < bytes.len() && bytes[colon] != b':' {
        colon += 1;
    }
    let (name, rest) = bytes.split_at(colon);
    let [b':', b' ', value @ .., b'\r', b'\n'] = rest else { return false };
    let mut unseen = value;
    while let [b' '..=b'~', tail @ ..] = unseen {
        unseen = tail;
    }
    is_constant_token(name) && unseen.is_empty() && !matches!(value, [b' ', ..] | [.., b' '])
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
    if let (Some(first), Some(last), false) = (bytes.first_chunk(), bytes.last_chunk(), bytes.len() > 16) {
        // In words: SP and visible ASCII have the highest bit neither themselves, nor if SP is taken from them, nor if 1 is added.
        let other = |word: &[u8; 8]| {
            let word = u64::from_le_bytes(*word);
            word.wrapping_sub(ONES * b' ' as u64) | word.wrapping_add(ONES) | word
        };
        if (other(first) | other(last)) & (ONES << 7) == 0 {
            return true;
        }
    }
    all(bytes, TEXT, is_visible)
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
    let test = |block: &[u8; 16]| {
        every(block, |byte| byte.wrapping_sub(0x21) <= 0x5d)
            && every(block, |byte| byte != b'#')
            && every(block, |byte| byte != b'\\')
            // These differ in one bit.
            && every(block, |byte| byte & !(b'<' ^ b'>') != b'<')
    };
    !bytes.is_empty() && all(bytes, TARGET, test)
}

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
        let end = memchr::memchr(b':', bytes).unwrap_or(bytes.len());
        if end == 0 || !is_host(&bytes[..end]) {
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

/// Whether all bytes are of a host name.
fn is_host(bytes: &[u8]) -> bool {
    let plain = |byte: u8| ((byte | 0x20).wrapping_sub(b'a') < 26) | (byte.wrapping_sub(b'0') < 10) | (byte == b'-');
    all(bytes, HOST, |block| every(block, |byte| plain(byte) | (byte == b'.') | (byte == b'_') | (byte == b'~')))
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

    /// Whatever is tested in blocks or words is, byte by byte, the same.
    #[test]
    fn what_is_tested_at_once_is_what_each_byte_is() {
        let naive = |bytes: &[u8], test: fn(u8) -> bool| bytes.iter().take_while(|&&byte| test(byte)).count();
        let text = |byte| byte == b'\t' || !u8::is_ascii_control(&byte);
        let target = |byte| u8::is_ascii_graphic(&byte) && !b"#\\<>".contains(&byte);
        let host = |byte| u8::is_ascii_alphanumeric(&byte) || b"-._~".contains(&byte);
        let token = |byte| u8::is_ascii_alphanumeric(&byte) || b"!#$%&'*+-.^_`|~".contains(&byte);
        for filler in [b'a', b'-'] {
            for length in 0..90 {
                for at in 0..length {
                    for byte in (0..=255).step_by(if at == length / 2 { 1 } else { 37 }) {
                        let mut bytes = vec![filler; length];
                        bytes[at] = byte;
                        // One more, so that what comes after the first is seen.
                        bytes[length - 1 - at / 2] = byte;
                        let bytes = &bytes[..];
                        let all = |test| naive(bytes, test) == length;
                        assert_eq!(text_prefix(bytes), naive(bytes, text), "{}", bytes.escape_ascii());
                        assert_eq!(visible_prefix(bytes), naive(bytes, |byte| matches!(byte, b' '..=b'~')), "{}", bytes.escape_ascii());
                        // As far as there are 16 bytes.
                        let letters = naive(bytes, |byte| byte.is_ascii_alphabetic() || byte == b'-');
                        assert_eq!(letters_prefix(bytes), letters.min(if letters / 16 * 16 + 16 > length { letters / 16 * 16 } else { letters }));
                        assert_eq!((is_field_value(bytes), is_target(bytes)), (all(text), all(target)), "{}", bytes.escape_ascii());
                        assert_eq!((is_host(bytes), is_token(bytes)), (all(host), all(token)), "{}", bytes.escape_ascii());
                    }
                }
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
