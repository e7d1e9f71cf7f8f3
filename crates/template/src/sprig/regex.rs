//! Regular expressions.

use std::sync::Arc;
use std::time::{Duration, Instant};

use regex::bytes::{Captures, Regex};

use crate::error::Failure;
use crate::function::{Args, Env, Function, Param};
use crate::quote::{decode_rune, lossy};
use crate::regexp::group_name;
use crate::types::Type;
use crate::value::Value;

type Result<T = Value> = std::result::Result<T, Failure>;

const TWO: &[Param] = &[Param::String, Param::String];
const THREE: &[Param] = &[Param::String, Param::String, Param::String];
const COUNTED: &[Param] = &[Param::String, Param::String, Param::Int];

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new("regexMatch", TWO, |env, args| match is_match(env, args) {
        Err(Failure::Message(_)) => Ok(Value::Bool(false)),
        other => other,
    }),
    Function::new("mustRegexMatch", TWO, is_match),
    Function::new("regexFind", TWO, |env, args| compiled(env, args).and_then(|regex| find(env, args, &regex))),
    Function::new("mustRegexFind", TWO, |env, args| expression(env, args).and_then(|regex| find(env, args, &regex))),
    Function::new("regexFindAll", COUNTED, |env, args| compiled(env, args).and_then(|regex| find_all(env, args, &regex))),
    Function::new("mustRegexFindAll", COUNTED, |env, args| expression(env, args).and_then(|regex| find_all(env, args, &regex))),
    Function::new("regexReplaceAll", THREE, |env, args| compiled(env, args).and_then(|regex| replace_all(env, args, &regex, true))),
    Function::new("mustRegexReplaceAll", THREE, |env, args| expression(env, args).and_then(|regex| replace_all(env, args, &regex, true))),
    Function::new("regexReplaceAllLiteral", THREE, |env, args| compiled(env, args).and_then(|regex| replace_all(env, args, &regex, false))),
    Function::new("mustRegexReplaceAllLiteral", THREE, |env, args| expression(env, args).and_then(|regex| replace_all(env, args, &regex, false))),
    Function::new("regexSplit", COUNTED, |env, args| compiled(env, args).and_then(|regex| split(env, args, &regex))),
    Function::new("mustRegexSplit", COUNTED, |env, args| expression(env, args).and_then(|regex| split(env, args, &regex))),
    Function::new("regexQuoteMeta", &[Param::String], quote_meta),
];

/// What looking at a byte costs, at worst, and finding a match.
const BYTE_COST: usize = 64;
const MATCH_COST: usize = 2048;

/// Charges for matches of a text. Each may be found only after looking at all the rest, as with `.*?b|a`, which nothing but the time tells.
struct Matches {
    count: usize,
    since: Instant,
}

impl Matches {
    /// Matches between looks at the clock.
    const BETWEEN: usize = 16;

    /// What they take by all means, and `MATCH_COST` is for.
    const USUAL: Duration = Duration::from_micros(50);

    fn begin() -> Self {
        Self { count: 0, since: Instant::now() }
    }

    fn found(&mut self, env: &mut Env) -> Result<()> {
        env.meter.work(MATCH_COST)?;
        self.count += 1;
        if self.count.is_multiple_of(Self::BETWEEN) {
            let time = self.since.elapsed();
            self.since = Instant::now();
            env.meter.worked(time.saturating_sub(Self::USUAL))?;
        }
        Ok(())
    }
}

fn expression(env: &mut Env, args: Args<'_>) -> Result<Arc<Regex>> {
    let regex = env.expressions.get(&mut env.meter, args.string(0))?;
    env.meter.work(args.string(1).len().saturating_mul(BYTE_COST))?;
    Ok(regex)
}

/// As Go's `MustCompile`: an error says what was to be compiled.
fn compiled(env: &mut Env, args: Args<'_>) -> Result<Arc<Regex>> {
    expression(env, args).map_err(|failure| match failure {
        Failure::Message(message) => Failure::Message(format!("regexp: Compile({}): {message}", go_quoted(args.string(0)))),
        limit => limit,
    })
}

/// Between backquotes where that can be.
fn go_quoted(text: &[u8]) -> String {
    let plain =
        std::str::from_utf8(text).is_ok_and(|text| !text.chars().any(|rune| rune == '`' || rune == '\u{feff}' || rune == '\x7f' || rune < ' ' && rune != '\t'));
    if plain { format!("`{}`", lossy(text)) } else { crate::quote::quote(text) }
}

fn is_match(env: &mut Env, args: Args<'_>) -> Result {
    Ok(Value::Bool(expression(env, args)?.is_match(args.string(1))))
}

fn find(env: &mut Env, args: Args<'_>, regex: &Regex) -> Result {
    env.string(regex.find(args.string(1)).map_or(&b""[..], |found| found.as_bytes()))
}

/// Whether Go sees a match: one of nothing is between runes, never within one.
fn is_seen(text: &[u8], start: usize, end: usize) -> bool {
    let within = (1..4.min(start + 1)).any(|back| {
        let (rune, length) = decode_rune(&text[start - back..]);
        rune.is_some() && length > back
    });
    start != end || !within
}

/// A negative count is no limit.
fn limit(count: i64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

/// What Go returns where there's nothing: a nil slice.
fn no_strings() -> Value {
    Value::Null(Type::Slice(Arc::new(Type::String)))
}

fn find_all(env: &mut Env, args: Args<'_>, regex: &Regex) -> Result {
    let text = args.string(1);
    env.meter.allocate(text.len())?;
    let (mut all, mut matches) = (Vec::new(), Matches::begin());
    for found in regex.find_iter(text).filter(|found| is_seen(text, found.start(), found.end())).take(limit(args.int(2))) {
        matches.found(env)?;
        all.push(found.as_bytes().to_vec());
    }
    if all.is_empty() { Ok(no_strings()) } else { env.strings(all) }
}

fn replace_all(env: &mut Env, args: Args<'_>, regex: &Regex, expands: bool) -> Result {
    let (text, replacement) = (args.string(1), args.string(2));
    let mut out = Vec::with_capacity(text.len());
    let (mut last, mut matches) = (0, Matches::begin());
    for groups in regex.captures_iter(text) {
        matches.found(env)?;
        let Some(whole) = groups.get(0).filter(|whole| is_seen(text, whole.start(), whole.end())) else { continue };
        out.extend_from_slice(&text[last..whole.start()]);
        last = whole.end();
        if expands {
            expand(replacement, &groups, &mut out);
        } else {
            out.extend_from_slice(replacement);
        }
        if out.len() > env.meter.room() {
            return Err(env.meter.out_of_memory());
        }
    }
    out.extend_from_slice(&text[last..]);
    env.string(out)
}

/// `Regexp.Expand`: `$1`, `${name}`, `$$`.
fn expand(template: &[u8], groups: &Captures<'_>, out: &mut Vec<u8>) {
    let mut rest = template;
    while let Some(dollar) = rest.iter().position(|&byte| byte == b'$') {
        out.extend_from_slice(&rest[..dollar]);
        rest = &rest[dollar + 1..];
        if let Some(after) = rest.strip_prefix(b"$") {
            out.push(b'$');
            rest = after;
            continue;
        }
        let Some((name, length)) = reference(rest) else {
            out.push(b'$');
            continue;
        };
        rest = &rest[length..];
        let is_number = name.bytes().all(|byte| byte.is_ascii_digit()) && (name.len() == 1 || !name.starts_with('0'));
        let group = if is_number { name.parse().ok().and_then(|index| groups.get(index)) } else { groups.name(&group_name(name)) };
        out.extend_from_slice(group.map_or(b"", |group| group.as_bytes()));
    }
    out.extend_from_slice(rest);
}

/// The name after a `$`, and how many bytes it takes.
fn reference(text: &[u8]) -> Option<(&str, usize)> {
    let braces = text.first() == Some(&b'{');
    let body = &text[usize::from(braces)..];
    let length = body.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
    if length == 0 || braces && body.get(length) != Some(&b'}') {
        return None;
    }
    let name = std::str::from_utf8(&body[..length]).ok()?;
    Some((name, length + if braces { 2 } else { 0 }))
}

fn split(env: &mut Env, args: Args<'_>, regex: &Regex) -> Result {
    let (text, count) = (args.string(1), args.int(2));
    if count == 0 {
        return Ok(no_strings());
    }
    if !args.string(0).is_empty() && text.is_empty() {
        return env.strings(vec![Vec::new()]);
    }
    env.meter.allocate(text.len())?;
    let mut parts = Vec::new();
    let (mut begin, mut end, mut matches) = (0, 0, Matches::begin());
    for found in regex.find_iter(text).filter(|found| is_seen(text, found.start(), found.end())).take(limit(count)) {
        if count > 0 && parts.len() + 1 == limit(count) {
            break;
        }
        matches.found(env)?;
        end = found.start();
        if found.end() != 0 {
            parts.push(text[begin..end].to_vec());
        }
        begin = found.end();
    }
    if end != text.len() {
        parts.push(text[begin..].to_vec());
    }
    env.strings(parts)
}

fn quote_meta(env: &mut Env, args: Args<'_>) -> Result {
    let mut out = Vec::with_capacity(args.string(0).len());
    for &byte in args.string(0) {
        if br"\.+*?()|[]{}^$".contains(&byte) {
            out.push(b'\\');
        }
        out.push(byte);
    }
    env.string(out)
}
