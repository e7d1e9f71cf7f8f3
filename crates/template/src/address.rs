//! IP addresses in URLs: what Go's `netip.ParseAddr` says of a text that is none.

use crate::quote::quote;

/// Whether an address is of version 6, with or without a zone; or Go's error.
pub(crate) fn is_version_6(text: &[u8]) -> Result<bool, String> {
    let failed = |(problem, at): Problem<'_>| {
        let at = if at.is_empty() { String::new() } else { format!(" (at {})", quote(at)) };
        format!("ParseAddr({}): {problem}{at}", quote(text))
    };
    match text.iter().find(|byte| matches!(byte, b'.' | b':' | b'%')) {
        Some(b'.') => version_4(text).map(|()| false).map_err(failed),
        Some(b':') => version_6(text).map(|()| true).map_err(failed),
        Some(_) => Err(failed(("missing IPv6 address", b""))),
        None => Err(failed(("unable to parse IP", b""))),
    }
}

/// What is wrong, and the text from there on, if that is said.
type Problem<'a> = (&'static str, &'a [u8]);

fn version_4(text: &[u8]) -> Result<(), Problem<'_>> {
    let (mut value, mut digits, mut fields) = (0_u32, 0, 1);
    for (index, &byte) in text.iter().enumerate() {
        match byte {
            b'0'..=b'9' if digits == 1 && value == 0 => return Err(("IPv4 field has octet with leading zero", b"")),
            b'0'..=b'9' => {
                value = value * 10 + u32::from(byte - b'0');
                digits += 1;
                if value > 255 {
                    return Err(("IPv4 field has value >255", b""));
                }
            }
            b'.' if digits == 0 || index == text.len() - 1 => return Err(("IPv4 field must have at least one digit", &text[index..])),
            b'.' if fields == 4 => return Err(("IPv4 address too long", b"")),
            b'.' => (value, digits, fields) = (0, 0, fields + 1),
            _ => return Err(("unexpected character", &text[index..])),
        }
    }
    if fields < 4 { Err(("IPv4 address too short", b"")) } else { Ok(()) }
}

fn version_6(text: &[u8]) -> Result<(), Problem<'_>> {
    let (mut rest, zone) = match text.iter().position(|&byte| byte == b'%') {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    };
    if zone.is_some_and(<[u8]>::is_empty) {
        return Err(("zone must be a non-empty string", b""));
    }
    let mut ellipsis = false;
    if let Some(after) = rest.strip_prefix(b"::") {
        (rest, ellipsis) = (after, true);
        if rest.is_empty() {
            return Ok(());
        }
    }
    // Bytes of the address.
    let mut count = 0;
    while count < 16 {
        let digits = rest.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        match digits {
            0 => return Err(("each colon-separated field must have at least one digit", rest)),
            1..=4 => {}
            _ => return Err(("each group must have 4 or less digits", rest)),
        }
        if rest.get(digits) == Some(&b'.') {
            if !ellipsis && count != 12 {
                return Err(("embedded IPv4 address must replace the final 2 fields of the address", rest));
            }
            if count + 4 > 16 {
                return Err(("too many hex fields to fit an embedded IPv4 at the end of the address", rest));
            }
            version_4(rest)?;
            rest = b"";
            count += 4;
            break;
        }
        count += 2;
        rest = &rest[digits..];
        match rest {
            [] => break,
            [b':'] => return Err(("colon must be followed by more characters", rest)),
            [b':', ..] => rest = &rest[1..],
            _ => return Err(("unexpected character, want colon", rest)),
        }
        if rest[0] == b':' {
            if ellipsis {
                return Err(("multiple :: in address", rest));
            }
            (rest, ellipsis) = (&rest[1..], true);
            if rest.is_empty() {
                break;
            }
        }
    }
    match (rest, count) {
        ([_, ..], _) => Err(("trailing garbage after address", rest)),
        (_, 16) if ellipsis => Err(("the :: must expand to at least one field of zeros", b"")),
        (_, ..16) if !ellipsis => Err(("address string too short", b"")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for (text, expect) in [
            ("::1", Ok(true)),
            ("::", Ok(true)),
            ("1:2:3:4:5:6:7:8", Ok(true)),
            ("1:2:3:4:5:6:1.2.3.4", Ok(true)),
            ("::ffff:1.2.3.4%en0", Ok(true)),
            ("1::", Ok(true)),
            ("1.2.3.4", Ok(false)),
            ("", Err("unable to parse IP")),
            ("host", Err("unable to parse IP")),
            ("%en0", Err("missing IPv6 address")),
            ("fe80::1%", Err("zone must be a non-empty string")),
            (".::1", Err("IPv4 field must have at least one digit (at \".::1\")")),
            ("1..2.3", Err("IPv4 field must have at least one digit (at \".2.3\")")),
            ("1.2.3.", Err("IPv4 field must have at least one digit (at \".\")")),
            ("1.2.3.4.5", Err("IPv4 address too long")),
            ("1.2.3", Err("IPv4 address too short")),
            ("1.2.3.256", Err("IPv4 field has value >255")),
            ("1.2.3.04", Err("IPv4 field has octet with leading zero")),
            ("1.2.3.x", Err("unexpected character (at \"x\")")),
            ("::12345", Err("each group must have 4 or less digits (at \"12345\")")),
            (":1", Err("each colon-separated field must have at least one digit (at \":1\")")),
            ("1::2::3", Err("multiple :: in address (at \":3\")")),
            ("1:2", Err("address string too short")),
            ("1:2:", Err("colon must be followed by more characters (at \":\")")),
            ("1:2x", Err("unexpected character, want colon (at \"x\")")),
            ("1:2:3:4:5:6:7:8:9", Err("trailing garbage after address (at \"9\")")),
            ("::1:2:3:4:5:6:7:8", Err("the :: must expand to at least one field of zeros")),
            ("1:2.3.4.5", Err("embedded IPv4 address must replace the final 2 fields of the address (at \"2.3.4.5\")")),
            ("::1:2:3:4:5:6:7:1.2.3.4", Err("too many hex fields to fit an embedded IPv4 at the end of the address (at \"1.2.3.4\")")),
        ] {
            let expect = expect.map_err(|problem| format!("ParseAddr({}): {problem}", quote(text.as_bytes())));
            assert_eq!(is_version_6(text.as_bytes()), expect);
        }
    }
}
