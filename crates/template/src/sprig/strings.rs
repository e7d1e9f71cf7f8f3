//! Strings: trimming, searching, joining, splitting, quoting.

use super::{list, text_of};
use crate::error::Failure;
use crate::fmt;
use crate::function::{Args, Env, Function, Param};
use crate::quote::{self, decode_rune};
use crate::value::{Str, Value};

type Result<T = Value> = std::result::Result<T, Failure>;

const STRING: &[Param] = &[Param::String];
const TWO: &[Param] = &[Param::String, Param::String];
const COUNT: &[Param] = &[Param::Int, Param::String];
const ANY: &[Param] = &[Param::Any];

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new("trim", STRING, |env, args| env.string(trim_space(args.string(0)))),
    Function::new("trimAll", TWO, trim_all),
    Function::new("trimall", TWO, trim_all),
    Function::new("trimPrefix", TWO, |env, args| env.string(args.string(1).strip_prefix(args.string(0)).unwrap_or(args.string(1)))),
    Function::new("trimSuffix", TWO, |env, args| env.string(args.string(1).strip_suffix(args.string(0)).unwrap_or(args.string(1)))),
    Function::new("contains", TWO, |_, args| Ok(Value::Bool(find(args.string(1), args.string(0)).is_some()))),
    Function::new("hasPrefix", TWO, |_, args| Ok(Value::Bool(args.string(1).starts_with(args.string(0))))),
    Function::new("hasSuffix", TWO, |_, args| Ok(Value::Bool(args.string(1).ends_with(args.string(0))))),
    Function::new("repeat", COUNT, repeat),
    Function::new("substr", &[Param::Int, Param::Int, Param::String], substr),
    Function::new("trunc", COUNT, trunc),
    Function::new("replace", &[Param::String, Param::String, Param::String], replace),
    Function::new("plural", &[Param::String, Param::String, Param::Int], |_, args| Ok(args.value(usize::from(args.int(2) != 1)).clone())),
    Function::variadic("quote", ANY, quoted),
    Function::variadic("squote", ANY, single_quoted),
    Function::variadic("cat", ANY, cat),
    Function::new("indent", COUNT, |env, args| indent(env, args, b"")),
    Function::new("nindent", COUNT, |env, args| indent(env, args, b"\n")),
    Function::new("join", &[Param::String, Param::Any], join),
    Function::new("split", TWO, |env, args| numbered(env, split(args.string(1), args.string(0), -1))),
    Function::new("splitn", &[Param::String, Param::Int, Param::String], |env, args| {
        let parts = split(args.string(2), args.string(0), args.int(1));
        numbered(env, parts)
    }),
    Function::new("splitList", TWO, |env, args| env.strings(split(args.string(1), args.string(0), -1).into_iter().map(<[u8]>::to_vec).collect())),
    Function::new("toString", ANY, |env, args| {
        let text = text_of(env, args.value(0))?;
        env.string(text)
    }),
    Function::new("toStrings", ANY, |env, args| list::to_strings(env, args.value(0))),
];

/// `unicode.IsSpace`.
pub(super) fn is_space(rune: char) -> bool {
    rune.is_whitespace()
}

fn trim_space(text: &[u8]) -> &[u8] {
    trim_runes(text, |rune| rune.is_some_and(is_space))
}

/// Text without the runes at its ends for which something holds; `None` is a byte that isn't part of one.
fn trim_runes(text: &[u8], trims: impl Fn(Option<char>) -> bool) -> &[u8] {
    let mut text = text;
    while !text.is_empty() {
        let (rune, length) = decode_rune(text);
        if !trims(rune) {
            break;
        }
        text = &text[length..];
    }
    while !text.is_empty() {
        let start = (1..=4.min(text.len())).rev().map(|length| text.len() - length).find(|&start| {
            let (rune, length) = decode_rune(&text[start..]);
            rune.is_some() && start + length == text.len()
        });
        let start_or_byte = start.unwrap_or(text.len() - 1);
        if !trims(start.and_then(|start| decode_rune(&text[start..]).0)) {
            break;
        }
        text = &text[..start_or_byte];
    }
    text
}

fn trim_all(env: &mut Env, args: Args<'_>) -> Result {
    let set: Vec<char> = quote::runes(args.string(0)).collect();
    env.meter.work(set.len() * args.string(1).len())?;
    env.string(trim_runes(args.string(1), |rune| set.contains(&rune.unwrap_or(char::REPLACEMENT_CHARACTER))))
}

/// Where a text is in another one. The empty text is at the beginning.
pub(super) fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    let first = match wanted {
        [] => return Some(0),
        [first, ..] => *first,
    };
    let mut from = 0;
    while let Some(offset) = text.get(from..)?.iter().position(|&byte| byte == first) {
        if text[from + offset..].starts_with(wanted) {
            return Some(from + offset);
        }
        from += offset + 1;
    }
    None
}

fn repeat(env: &mut Env, args: Args<'_>) -> Result {
    let Ok(count) = usize::try_from(args.int(0)) else { return Err("strings: negative Repeat count".into()) };
    let text = args.string(1);
    if count.saturating_mul(text.len()) > env.meter.room() {
        return Err(env.meter.out_of_memory());
    }
    env.string(text.repeat(if text.is_empty() { 0 } else { count }))
}

fn out_of_bounds(text: String) -> Failure {
    Failure::Message(format!("runtime error: slice bounds out of range {text}"))
}

fn substr(env: &mut Env, args: Args<'_>) -> Result {
    let (start, end, text) = (args.int(0), args.int(1), args.string(2));
    let length = text.len() as i64;
    let to = |end: i64| match end {
        ..0 => Err(out_of_bounds(format!("[:{end}]"))),
        _ if end > length => Err(out_of_bounds(format!("[:{end}] with length {length}"))),
        _ => Ok(end as usize),
    };
    if start < 0 {
        return env.string(&text[..to(end)?]);
    }
    if end < 0 || end > length {
        if start > length {
            return Err(out_of_bounds(format!("[{start}:{length}]")));
        }
        return env.string(&text[start as usize..]);
    }
    if start > end {
        return Err(out_of_bounds(format!("[{start}:{end}]")));
    }
    env.string(&text[start as usize..end as usize])
}

fn trunc(env: &mut Env, args: Args<'_>) -> Result {
    let (count, text) = (args.int(0), args.string(1));
    let length = text.len() as i64;
    let part = if count < 0 && length.saturating_add(count) > 0 {
        &text[(length + count) as usize..]
    } else if (0..length).contains(&count) {
        &text[..count as usize]
    } else {
        text
    };
    env.string(part)
}

fn replace(env: &mut Env, args: Args<'_>) -> Result {
    let (old, new, text) = (args.string(0), args.string(1), args.string(2));
    let room = env.meter.room();
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    if old.is_empty() {
        // Before each rune, and at the end.
        loop {
            out.extend_from_slice(new);
            if rest.is_empty() || out.len() > room {
                break;
            }
            let length = decode_rune(rest).1;
            out.extend_from_slice(&rest[..length]);
            rest = &rest[length..];
        }
    } else {
        while let Some(at) = find(rest, old).filter(|_| out.len() <= room) {
            out.extend_from_slice(&rest[..at]);
            out.extend_from_slice(new);
            rest = &rest[at + old.len()..];
        }
        out.extend_from_slice(rest);
    }
    env.string(out)
}

fn quoted(env: &mut Env, args: Args<'_>) -> Result {
    let mut out = Vec::new();
    for value in args.from(0).filter(|value| !matches!(value, Value::Nil)) {
        let text = text_of(env, value)?;
        env.meter.allocate(text.len())?;
        if !out.is_empty() {
            out.push(b' ');
        }
        quote::quote_with(&mut out, &text, '"', false);
    }
    env.string(out)
}

fn single_quoted(env: &mut Env, args: Args<'_>) -> Result {
    let mut out = Vec::new();
    for value in args.from(0).filter(|value| !matches!(value, Value::Nil)) {
        if !out.is_empty() {
            out.push(b' ');
        }
        out.push(b'\'');
        out.extend(fmt::sprint(&mut env.meter, &[value])?);
        out.push(b'\'');
    }
    env.string(out)
}

fn cat(env: &mut Env, args: Args<'_>) -> Result {
    let values: Vec<&Value> = args.from(0).filter(|value| !matches!(value, Value::Nil)).collect();
    let format = vec!["%v"; values.len()].join(" ");
    let text = fmt::sprintf(&mut env.meter, format.as_bytes(), &values)?;
    Ok(Value::string(text))
}

fn indent(env: &mut Env, args: Args<'_>, before: &[u8]) -> Result {
    let Ok(count) = usize::try_from(args.int(0)) else { return Err("strings: negative Repeat count".into()) };
    let text = args.string(1);
    let lines = text.iter().filter(|&&byte| byte == b'\n').count() + 1;
    if count.saturating_mul(lines).saturating_add(text.len()) > env.meter.room() {
        return Err(env.meter.out_of_memory());
    }
    let mut out = before.to_vec();
    for (index, line) in text.split(|&byte| byte == b'\n').enumerate() {
        if index > 0 {
            out.push(b'\n');
        }
        out.resize(out.len() + count, b' ');
        out.extend_from_slice(line);
    }
    env.string(out)
}

fn join(env: &mut Env, args: Args<'_>) -> Result {
    let strings = list::to_strings(env, args.value(1))?;
    let mut out: Vec<u8> = Vec::new();
    for (index, item) in super::items(&strings).unwrap_or_default().iter().enumerate() {
        if index > 0 {
            out.extend_from_slice(args.string(0));
        }
        if let Value::String(text) = item {
            out.extend_from_slice(text);
        }
        if out.len() > env.meter.room() {
            return Err(env.meter.out_of_memory());
        }
    }
    env.string(out)
}

/// `strings.SplitN`; a negative count is no limit.
pub(super) fn split<'a>(text: &'a [u8], separator: &[u8], count: i64) -> Vec<&'a [u8]> {
    let mut parts = Vec::new();
    if count == 0 {
        return parts;
    }
    let limit = usize::try_from(count).unwrap_or(usize::MAX);
    let mut rest = text;
    if separator.is_empty() {
        while !rest.is_empty() {
            let length = if parts.len() + 1 == limit { rest.len() } else { decode_rune(rest).1 };
            parts.push(&rest[..length]);
            rest = &rest[length..];
        }
        return parts;
    }
    while let Some(at) = find(rest, separator).filter(|_| parts.len() + 1 < limit) {
        parts.push(&rest[..at]);
        rest = &rest[at + separator.len()..];
    }
    parts.push(rest);
    parts
}

/// A map with the parts as `_0`, `_1` and so on.
fn numbered(env: &mut Env, parts: Vec<&[u8]>) -> Result {
    env.meter.allocate(parts.iter().map(|part| part.len() + 4 * size_of::<Value>()).sum())?;
    Ok(Value::string_map(parts.into_iter().enumerate().map(|(index, part)| (Str::from(format!("_{index}")), Str::from(part)))))
}
