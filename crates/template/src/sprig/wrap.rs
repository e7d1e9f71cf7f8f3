//! Long texts made short, or into lines: `github.com/Masterminds/goutils`. All count bytes, as it does.

use crate::quote::push_rune;
use crate::sprig::strings::is_space;

/// `WrapCustom`. `breaks`: whether words that are longer than a line are broken.
pub(super) fn wrap(text: &[u8], width: i64, newline: &[u8], breaks: bool, room: usize) -> Vec<u8> {
    let newline = if newline.is_empty() { b"\n" } else { newline };
    let width = usize::try_from(width).unwrap_or(1).max(1);
    let mut out = Vec::with_capacity(text.len());
    let mut offset = 0;
    while text.len() - offset > width && out.len() <= room {
        if text[offset] == b' ' {
            offset += 1;
            continue;
        }
        let space = text[offset..=offset + width].iter().rposition(|&byte| byte == b' ').map(|at| at + offset);
        let (end, next) = match space {
            Some(space) => (space, space + 1),
            None if breaks => (offset + width, offset + width),
            None => match text[offset + width..].iter().position(|&byte| byte == b' ') {
                Some(space) => (offset + width + space, offset + width + space + 1),
                None => {
                    out.extend_from_slice(&text[offset..]);
                    return out;
                }
            },
        };
        out.extend_from_slice(&text[offset..end]);
        out.extend_from_slice(newline);
        offset = next;
    }
    out.extend_from_slice(&text[offset..]);
    out
}

/// `AbbreviateFull`. `None`: Go has an error, and sprig drops it.
pub(super) fn abbreviate(text: &[u8], offset: i64, width: i64) -> Option<Vec<u8>> {
    let length = text.len() as i64;
    if text.is_empty() || width < 4 {
        return None;
    }
    if length <= width {
        return Some(text.to_vec());
    }
    let mut offset = offset.min(length);
    // Go wraps around too.
    if length.wrapping_sub(offset) < width - 3 {
        offset = length - (width - 3);
    }
    let part = |from: i64, to: i64| &text[from as usize..to as usize];
    if offset <= 4 {
        return Some([part(0, width - 3), b"..."].concat());
    }
    if width < 7 {
        return None;
    }
    if offset + width - 3 < length {
        let rest = abbreviate(part(offset, length), 0, width - 3).unwrap_or_default();
        return Some([b"...", &rest[..]].concat());
    }
    Some([b"...", part(length - (width - 3), length)].concat())
}

/// `Initials`: the first byte of each word, as if it were a rune.
pub(super) fn initials(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut after_gap = true;
    for rune in text.iter().map(|&byte| char::from(byte)) {
        if !is_space(rune) && after_gap {
            push_rune(&mut out, rune);
        }
        after_gap = is_space(rune);
    }
    out
}

/// `DeleteWhiteSpace`: takes bytes for runes, so that text which isn't ASCII comes out wrong if there's space in it.
pub(super) fn without_space(text: &[u8]) -> Vec<u8> {
    if !text.iter().any(|&byte| is_space(char::from(byte))) {
        return text.to_vec();
    }
    let mut out = Vec::with_capacity(text.len());
    for rune in text.iter().map(|&byte| char::from(byte)).filter(|&rune| !is_space(rune)) {
        push_rune(&mut out, rune);
    }
    out
}
