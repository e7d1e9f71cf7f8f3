//! Upper and lower case, and words in names: Go's `unicode` and `github.com/huandu/xstrings`.

use super::strings::is_space;
use crate::quote::{decode_rune, push_rune, runes};

/// `unicode.ToUpper`: one rune for one.
pub(super) fn to_upper(rune: char) -> char {
    if rune.is_ascii() {
        return rune.to_ascii_uppercase();
    }
    // What has iota subscript has one rune in upper case too, in Go's table.
    let with_iota = match u32::from(rune) {
        code @ (0x1f80..=0x1f87 | 0x1f90..=0x1f97 | 0x1fa0..=0x1fa7) => char::from_u32(code + 8),
        code @ (0x1fb3 | 0x1fc3 | 0x1ff3) => char::from_u32(code + 9),
        0x1f88..=0x1f8f | 0x1f98..=0x1f9f | 0x1fa8..=0x1faf | 0x1fbc | 0x1fcc | 0x1ffc => Some(rune),
        _ => None,
    };
    with_iota.unwrap_or_else(|| only(rune.to_uppercase()).unwrap_or(rune))
}

/// `unicode.ToLower`.
pub(super) fn to_lower(rune: char) -> char {
    if rune == 'İ' { 'i' } else { only(rune.to_lowercase()).unwrap_or(rune) }
}

/// `unicode.ToTitle`: as upper case, but for letters that are two.
pub(super) fn to_title(rune: char) -> char {
    match rune {
        'Ǆ' | 'ǅ' | 'ǆ' => 'ǅ',
        'Ǉ' | 'ǈ' | 'ǉ' => 'ǈ',
        'Ǌ' | 'ǋ' | 'ǌ' => 'ǋ',
        'Ǳ' | 'ǲ' | 'ǳ' => 'ǲ',
        'ა'..='ჺ' | 'ჽ'..='ჿ' => rune, // Georgian has upper case, but no titles in it
        _ => to_upper(rune),
    }
}

fn only(mut runes: impl Iterator<Item = char>) -> Option<char> {
    let first = runes.next()?;
    runes.next().is_none().then_some(first)
}

/// Each rune as another one. A byte that isn't part of a rune becomes `U+FFFD`, as in Go.
pub(super) fn map_runes(text: &[u8], mut change: impl FnMut(char) -> char) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for rune in runes(text) {
        push_rune(&mut out, change(rune));
    }
    out
}

/// `strings.ToUpper` and `ToLower`.
pub(super) fn upper(text: &[u8]) -> Vec<u8> {
    if text.is_ascii() { text.to_ascii_uppercase() } else { map_runes(text, to_upper) }
}

pub(super) fn lower(text: &[u8]) -> Vec<u8> {
    if text.is_ascii() { text.to_ascii_lowercase() } else { map_runes(text, to_lower) }
}

/// `strings.Title`: what follows a separator is a title.
pub(super) fn title(text: &[u8]) -> Vec<u8> {
    let mut previous = ' ';
    map_runes(text, |rune| {
        let changed = if is_separator(previous) { to_title(rune) } else { rune };
        previous = rune;
        changed
    })
}

fn is_separator(rune: char) -> bool {
    if rune.is_ascii() { !rune.is_ascii_alphanumeric() && rune != '_' } else { !rune.is_alphanumeric() && is_space(rune) }
}

/// `goutils.Uncapitalize`: the first letter of each word in lower case.
pub(super) fn untitle(text: &[u8]) -> Vec<u8> {
    let mut at_start = true;
    map_runes(text, |rune| {
        let changed = if at_start && !is_space(rune) { to_lower(rune) } else { rune };
        at_start = is_space(rune);
        changed
    })
}

/// `goutils.SwapCase`.
pub(super) fn swap_case(text: &[u8]) -> Vec<u8> {
    let mut after_space = true;
    map_runes(text, |rune| {
        if rune.is_uppercase() || to_title(rune) == rune && to_lower(rune) != rune {
            after_space = false;
            to_lower(rune)
        } else if rune.is_lowercase() {
            let title = std::mem::replace(&mut after_space, false);
            if title { to_title(rune) } else { to_upper(rune) }
        } else {
            after_space = is_space(rune);
            rune
        }
    })
}

fn is_connector(rune: char) -> bool {
    matches!(rune, '-' | '_') || is_space(rune)
}

/// `xstrings.ToPascalCase`.
pub(super) fn pascal_case(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut all = runes(text);
    let Some(mut current) = leading_connectors(&mut all, &mut out) else { return out };
    let mut first_is_upper = current.is_uppercase();
    current = to_upper(current);
    for rune in all {
        let previous = std::mem::replace(&mut current, rune);
        if is_connector(rune) && is_connector(previous) {
            push_rune(&mut out, previous);
            continue;
        }
        if is_connector(previous) {
            first_is_upper = rune.is_uppercase();
            current = to_upper(rune);
            continue;
        }
        if first_is_upper {
            if rune.is_uppercase() {
                current = to_lower(rune);
            } else {
                first_is_upper = false;
            }
        }
        push_rune(&mut out, previous);
    }
    push_rune(&mut out, current);
    out
}

/// Writes the connectors at the beginning; gives the rune that follows.
fn leading_connectors(all: &mut impl Iterator<Item = char>, out: &mut Vec<u8>) -> Option<char> {
    for rune in all {
        if !is_connector(rune) {
            return Some(rune);
        }
        push_rune(out, rune);
    }
    // Go writes the last one twice.
    if let Some(last) = std::str::from_utf8(out).ok().and_then(|text| text.chars().last()) {
        push_rune(out, last);
    }
    None
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    Invalid,
    Number,
    Upper,
    Alphabet,
    Connector,
    Punctuation,
    Other,
}

/// `xstrings.ToSnakeCase` and `ToKebabCase`: `camelCaseToLowerCase`.
pub(super) fn lower_words(text: &[u8], connector: char) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 8);
    if text.is_empty() {
        return out;
    }
    let (mut kind, mut word, mut rest) = next_word(text);
    while !rest.is_empty() {
        if kind != Word::Connector {
            push_lower(&mut out, kind, word, connector);
        }
        let (previous, last) = (kind, word);
        (kind, word, rest) = next_word(rest);
        match previous {
            Word::Number => {
                while matches!(kind, Word::Alphabet | Word::Number) {
                    push_lower(&mut out, kind, word, connector);
                    (kind, word, rest) = next_word(rest);
                }
                if !matches!(kind, Word::Invalid | Word::Punctuation | Word::Connector) {
                    push_rune(&mut out, connector);
                }
            }
            Word::Connector => push_lower(&mut out, previous, last, connector),
            Word::Punctuation => {}
            _ if kind != Word::Number => {
                if !matches!(kind, Word::Connector | Word::Punctuation) {
                    push_rune(&mut out, connector);
                }
            }
            _ if rest.is_empty() => {}
            _ => {
                let number = word;
                (kind, word, rest) = next_word(rest);
                if kind != Word::Alphabet {
                    push_lower(&mut out, Word::Number, number, connector);
                    if !matches!(kind, Word::Connector | Word::Punctuation) {
                        push_rune(&mut out, connector);
                    }
                    continue;
                }
                push_rune(&mut out, connector);
                push_lower(&mut out, Word::Number, number, connector);
                while matches!(kind, Word::Alphabet | Word::Number) {
                    push_lower(&mut out, kind, word, connector);
                    (kind, word, rest) = next_word(rest);
                }
                if !matches!(kind, Word::Invalid | Word::Connector | Word::Punctuation) {
                    push_rune(&mut out, connector);
                }
            }
        }
    }
    push_lower(&mut out, kind, word, connector);
    out
}

fn push_lower(out: &mut Vec<u8>, kind: Word, word: &[u8], connector: char) {
    if !matches!(kind, Word::Upper | Word::Connector) {
        return out.extend_from_slice(word);
    }
    for rune in runes(word) {
        push_rune(
            out,
            match rune {
                rune if is_connector(rune) => connector,
                rune if rune.is_uppercase() => to_lower(rune),
                rune => rune,
            },
        );
    }
}

/// The next rune that is one, and the bytes up to its end. `None`: there's none.
fn next_rune(text: &[u8]) -> (Option<char>, usize) {
    let mut size = 0;
    while size < text.len() {
        let (rune, length) = decode_rune(&text[size..]);
        size += length;
        if let Some(rune) = rune.filter(|&rune| rune != char::REPLACEMENT_CHARACTER) {
            return (Some(rune), size);
        }
    }
    (None, size)
}

fn is_punctuation(rune: char) -> bool {
    if rune.is_ascii() {
        return rune.is_ascii_punctuation() && !matches!(rune, '$' | '+' | '<' | '=' | '>' | '^' | '`' | '|' | '~');
    }
    static PUNCTUATION: std::sync::LazyLock<Option<regex::Regex>> = std::sync::LazyLock::new(|| regex::Regex::new(r"^\p{P}$").ok());
    PUNCTUATION.as_ref().is_some_and(|pattern| pattern.is_match(rune.encode_utf8(&mut [0; 4])))
}

/// Letters of alphabets, as xstrings sees them: all but those of Chinese, Japanese and Korean.
fn is_alphabet(rune: char) -> bool {
    let ideograph = matches!(rune, '\u{4e00}'..='\u{9fcc}' | '\u{3400}'..='\u{4d85}' | '\u{20000}'..='\u{2b81d}');
    rune.is_alphabetic() && !ideograph
}

/// `nextWord`: its kind, itself, and what follows.
fn next_word(text: &[u8]) -> (Word, &[u8], &[u8]) {
    if text.is_empty() {
        return (Word::Invalid, b"", b"");
    }
    let (first, size) = next_rune(text);
    let Some(first) = first else { return (Word::Invalid, &text[..size], &text[size..]) };
    let run = |belongs: &dyn Fn(char) -> bool| {
        let mut end = size;
        while end < text.len() {
            let (rune, length) = next_rune(&text[end..]);
            if !rune.is_none_or(belongs) {
                break;
            }
            end += length;
        }
        end
    };
    let (kind, end) = if is_connector(first) {
        (Word::Connector, run(&is_connector))
    } else if is_punctuation(first) {
        (Word::Punctuation, run(&is_punctuation))
    } else if first.is_uppercase() {
        (Word::Upper, end_of_upper(text, size))
    } else if is_alphabet(first) {
        (Word::Alphabet, run(&|rune| is_alphabet(rune) && !rune.is_uppercase()))
    } else if first.is_numeric() {
        (Word::Number, run(&char::is_numeric))
    } else {
        (Word::Other, run(&|rune| !is_connector(rune) && !is_alphabet(rune) && !rune.is_numeric() && !is_punctuation(rune)))
    };
    (kind, &text[..end], &text[end..])
}

/// A word that begins in upper case goes on in lower case; or all of it is in upper case, but for the beginning of the next.
fn end_of_upper(text: &[u8], size: usize) -> usize {
    let mut end = size;
    let (second, length) = next_rune(&text[end..]);
    match second {
        Some(rune) if rune.is_uppercase() => {
            let mut last = length;
            end += length;
            while end < text.len() {
                let (rune, length) = next_rune(&text[end..]);
                match rune {
                    Some(rune) if !rune.is_uppercase() => return if is_alphabet(rune) { end - last } else { end },
                    _ => {
                        last = length;
                        end += length;
                    }
                }
            }
            end
        }
        Some(rune) if is_alphabet(rune) => {
            while end < text.len() {
                let (rune, length) = next_rune(&text[end..]);
                if !rune.is_none_or(|rune| is_alphabet(rune) && !rune.is_uppercase()) {
                    break;
                }
                end += length;
            }
            end
        }
        _ => end,
    }
}
