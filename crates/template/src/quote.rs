//! Go's quoted strings and characters: `strconv`'s `Quote` and `Unquote`, and runes in strings that may not be UTF-8.

/// The first rune and how many bytes it takes; `None` for a byte that doesn't begin one. The bytes must not be empty.
pub(crate) fn decode_rune(bytes: &[u8]) -> (Option<char>, usize) {
    let first = bytes.first().copied().unwrap_or_default();
    if first < 0x80 {
        return (Some(char::from(first)), 1);
    }
    let length = match first {
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => return (None, 1),
    };
    let rune = bytes.get(..length).and_then(|bytes| std::str::from_utf8(bytes).ok()).and_then(|text| text.chars().next());
    (rune, if rune.is_some() { length } else { 1 })
}

/// The runes of a string, `U+FFFD` for each byte that isn't part of one, as `range` over a string gives in Go.
pub(crate) fn runes(bytes: &[u8]) -> impl Iterator<Item = char> + '_ {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (rune, length) = decode_rune(rest);
        rest = &rest[length..];
        Some(rune.unwrap_or(char::REPLACEMENT_CHARACTER))
    })
}

/// How many runes there are.
pub(crate) fn rune_count(bytes: &[u8]) -> usize {
    if bytes.is_ascii() { bytes.len() } else { runes(bytes).count() }
}

/// Appends a rune.
pub(crate) fn push_rune(out: &mut Vec<u8>, rune: char) {
    out.extend_from_slice(rune.encode_utf8(&mut [0; 4]).as_bytes());
}

/// Text for an error: bytes that aren't UTF-8 are replaced.
pub(crate) fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// `unicode.IsPrint`: letters, marks, numbers, punctuation, symbols and the space.
pub(crate) fn is_print(rune: char) -> bool {
    if rune.is_ascii() {
        return matches!(rune, ' '..='~');
    }
    // The standard library has the same table for `Debug`, which leaves marks alone that have something to stand on.
    let mut text = [b'a', 0, 0, 0, 0];
    let length = 1 + rune.encode_utf8(&mut text[1..]).len();
    let text = std::str::from_utf8(&text[..length]).unwrap_or_default();
    text.escape_debug().nth(1) == Some(rune)
}

/// `strconv.Quote`.
pub(crate) fn quote(bytes: &[u8]) -> String {
    let mut out = Vec::with_capacity(bytes.len() + 2);
    quote_with(&mut out, bytes, '"', false);
    lossy(&out)
}

/// `strconv.AppendQuote`, or `AppendQuoteToASCII`.
pub(crate) fn quote_with(out: &mut Vec<u8>, bytes: &[u8], mark: char, ascii: bool) {
    push_rune(out, mark);
    let mut rest = bytes;
    while !rest.is_empty() {
        let (rune, length) = decode_rune(rest);
        match rune {
            Some(rune) => escape_rune(out, rune, mark, ascii),
            None => out.extend_from_slice(format!("\\x{:02x}", rest[0]).as_bytes()),
        }
        rest = &rest[length..];
    }
    push_rune(out, mark);
}

/// A rune within quotes.
pub(crate) fn escape_rune(out: &mut Vec<u8>, rune: char, mark: char, ascii: bool) {
    if rune == mark || rune == '\\' {
        out.push(b'\\');
        return push_rune(out, rune);
    }
    if if ascii { matches!(rune, ' '..='~') } else { is_print(rune) } {
        return push_rune(out, rune);
    }
    let escape = match rune {
        '\x07' => "\\a".to_owned(),
        '\x08' => "\\b".to_owned(),
        '\x0c' => "\\f".to_owned(),
        '\n' => "\\n".to_owned(),
        '\r' => "\\r".to_owned(),
        '\t' => "\\t".to_owned(),
        '\x0b' => "\\v".to_owned(),
        _ if rune < ' ' || rune == '\x7f' => format!("\\x{:02x}", u32::from(rune)),
        _ if u32::from(rune) < 0x10000 => format!("\\u{:04x}", u32::from(rune)),
        _ => format!("\\U{:08x}", u32::from(rune)),
    };
    out.extend_from_slice(escape.as_bytes());
}

/// What one step through a quoted text gives.
pub(crate) enum Unquoted {
    Rune(char),
    Byte(u8),
}

/// `strconv.UnquoteChar`: the first character and the rest. `None`: Go's "invalid syntax".
pub(crate) fn unquote_char(text: &str, mark: char) -> Option<(Unquoted, &str)> {
    let mut chars = text.chars();
    let first = chars.next()?;
    if first == mark && (mark == '\'' || mark == '"') {
        return None;
    }
    if first != '\\' {
        return Some((Unquoted::Rune(first), chars.as_str()));
    }
    let escape = chars.next()?;
    let rest = chars.as_str();
    let simple = |rune| Some((Unquoted::Rune(rune), rest));
    match escape {
        'a' => simple('\x07'),
        'b' => simple('\x08'),
        'f' => simple('\x0c'),
        'n' => simple('\n'),
        'r' => simple('\r'),
        't' => simple('\t'),
        'v' => simple('\x0b'),
        '\\' => simple('\\'),
        '\'' | '"' if escape == mark => simple(escape),
        'x' | 'u' | 'U' => {
            let digits = rest.get(
                ..match escape {
                    'x' => 2,
                    'u' => 4,
                    _ => 8,
                },
            )?;
            if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                return None;
            }
            let code = u32::from_str_radix(digits, 16).ok()?;
            let rest = &rest[digits.len()..];
            if escape == 'x' { Some((Unquoted::Byte(code as u8), rest)) } else { Some((Unquoted::Rune(char::from_u32(code)?), rest)) }
        }
        '0'..='7' => {
            let digits = text.get(1..4)?;
            if !digits.bytes().all(|byte| matches!(byte, b'0'..=b'7')) {
                return None;
            }
            let code = u8::from_str_radix(digits, 8).ok()?;
            Some((Unquoted::Byte(code), &text[4..]))
        }
        _ => None,
    }
}

/// `strconv.Unquote` of a text within `"` or `` ` ``. `None`: Go's "invalid syntax".
pub(crate) fn unquote(text: &str) -> Option<Vec<u8>> {
    let mark = text.chars().next()?;
    let inner = text.get(1..text.len().checked_sub(1)?)?;
    if mark == '`' {
        return Some(inner.bytes().filter(|&byte| byte != b'\r').collect());
    }
    if inner.contains('\n') {
        return None;
    }
    let mut out = Vec::with_capacity(inner.len());
    let mut rest = inner;
    while !rest.is_empty() {
        let (unquoted, tail) = unquote_char(rest, mark)?;
        match unquoted {
            Unquoted::Rune(rune) => push_rune(&mut out, rune),
            Unquoted::Byte(byte) => out.push(byte),
        }
        rest = tail;
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_as_go_does() {
        let check = |bytes: &[u8], expect: &str| assert_eq!(quote(bytes), expect);
        check(b"a\"b\\", r#""a\"b\\""#);
        check(b"\x00\x07\n\x7f\xff", r#""\x00\a\n\x7f\xff""#);
        check("é\u{301}\u{ad}\u{200b}\u{1f600}\u{e000}\u{10ffff}".as_bytes(), "\"é\u{301}\\u00ad\\u200b\u{1f600}\\ue000\\U0010ffff\"");
    }

    #[test]
    fn unquotes_as_go_does() {
        let check = |text: &str, expect: Option<&[u8]>| assert_eq!(unquote(text).as_deref(), expect, "{text}");
        check(r#""a\x41\101\u00e9\t""#, Some("aAAé\t".as_bytes()));
        check(r#""\q""#, None);
        check(r#""\'""#, None);
        check(r#""\ud800""#, None);
        check(r#""\400""#, None);
        check("`a\\n\r`", Some(b"a\\n"));
    }
}
