//! What depends on chance. All of it comes from the operating system's source of randomness, also where Go is content with less.

use crate::error::Failure;
use crate::function::{Args, Env, Function, Param};
use crate::quote::{push_rune, runes};
use crate::value::Value;

type Result<T = Value> = std::result::Result<T, Failure>;

const COUNT: &[Param] = &[Param::Int];

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new("randInt", &[Param::Int, Param::Int], rand_int),
    Function::new("randAlphaNum", COUNT, |env, args| text(env, args, |byte| byte.is_ascii_alphanumeric())),
    Function::new("randAlpha", COUNT, |env, args| text(env, args, |byte| byte.is_ascii_alphabetic())),
    Function::new("randNumeric", COUNT, |env, args| text(env, args, |byte| byte.is_ascii_digit())),
    Function::new("randAscii", COUNT, |env, args| text(env, args, |byte| matches!(byte, b' '..=b'~'))),
    Function::new("randBytes", COUNT, rand_bytes),
    Function::new("shuffle", &[Param::String], shuffle),
    Function::new("uuidv4", &[], uuid),
];

/// Fills with random bytes.
pub(super) fn fill(bytes: &mut [u8]) -> Result<()> {
    aws_lc_rs::rand::fill(bytes).map_err(|_| Failure::from("the operating system gives no random numbers"))
}

/// A number below another one, each as likely.
fn below(bound: u64) -> Result<u64> {
    // What is beyond the last multiple would make small numbers likelier.
    let usable = u64::MAX - u64::MAX % bound;
    loop {
        let mut bytes = [0; 8];
        fill(&mut bytes)?;
        let number = u64::from_le_bytes(bytes);
        if number < usable {
            return Ok(number % bound);
        }
    }
}

fn rand_int(_: &mut Env, args: Args<'_>) -> Result {
    let (minimum, maximum) = (args.int(0), args.int(1));
    let span = maximum.wrapping_sub(minimum);
    if span <= 0 {
        return Err("invalid argument to Intn".into());
    }
    Ok(Value::int(minimum.wrapping_add(below(span as u64)? as i64)))
}

fn text(env: &mut Env, args: Args<'_>, allowed: fn(u8) -> bool) -> Result {
    let count = usize::try_from(args.int(0)).unwrap_or(0);
    // Most bytes are thrown away.
    env.meter.work(count.saturating_mul(32))?;
    env.meter.allocate(count)?;
    let mut out = Vec::with_capacity(count);
    let mut bytes = [0; 256];
    while out.len() < count {
        fill(&mut bytes)?;
        out.extend(bytes.iter().map(|byte| byte & 0x7f).filter(|&byte| allowed(byte)).take(count - out.len()));
    }
    Ok(Value::string(out))
}

fn rand_bytes(env: &mut Env, args: Args<'_>) -> Result {
    let Ok(count) = usize::try_from(args.int(0)) else { return Err("runtime error: makeslice: len out of range".into()) };
    if count > env.meter.room() / 4 {
        return Err(env.meter.out_of_memory());
    }
    let mut bytes = vec![0; count];
    fill(&mut bytes)?;
    env.string(super::encoding::base64(&bytes))
}

fn shuffle(env: &mut Env, args: Args<'_>) -> Result {
    let mut all: Vec<char> = runes(args.string(0)).collect();
    env.meter.work(all.len().saturating_mul(64))?;
    for index in (1..all.len()).rev() {
        let other = below(index as u64 + 1)? as usize;
        all.swap(index, other);
    }
    let mut out = Vec::with_capacity(args.string(0).len());
    all.into_iter().for_each(|rune| push_rune(&mut out, rune));
    env.string(out)
}

fn uuid(env: &mut Env, _: Args<'_>) -> Result {
    let mut bytes = [0; 16];
    fill(&mut bytes)?;
    let number = u128::from_be_bytes(bytes) & !(0xf << 76) & !(0x3 << 62) | 0x4 << 76 | 0x2 << 62;
    let hex = format!("{number:032x}");
    env.string(format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]))
}
