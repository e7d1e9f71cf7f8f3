//! Base64, base32, checksums, versions.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::error::Failure;
use crate::function::{Args, Env, Function, Param};
use crate::quote::lossy;
use crate::semver::{Constraints, Version};
use crate::value::Value;

type Result<T = Value> = std::result::Result<T, Failure>;

const STRING: &[Param] = &[Param::String];

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new("b64enc", STRING, |env, args| env.string(base64(args.string(0)))),
    Function::new("b64dec", STRING, |env, args| match from_base64(args.string(0)) {
        Ok(bytes) => env.string(bytes),
        Err(error) => env.string(error),
    }),
    Function::new("b32enc", STRING, |env, args| env.string(base32(args.string(0)))),
    Function::new("b32dec", STRING, |env, args| match from_base32(args.string(0)) {
        Ok(bytes) => env.string(bytes),
        Err(error) => env.string(error),
    }),
    Function::new("semver", STRING, semver),
    Function::new("semverCompare", &[Param::String, Param::String], semver_compare),
];

/// With padding.
pub(super) fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// `base64.StdEncoding.DecodeString`: new lines are passed over. The error is Go's.
pub(super) fn from_base64(text: &[u8]) -> std::result::Result<Vec<u8>, String> {
    let corrupt = |at: usize| format!("illegal base64 data at input byte {at}");
    let value = |byte: u8| match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let mut at = 0;
    // Passes over new lines; gives the next byte.
    let next = |at: &mut usize| {
        while let Some(b'\r' | b'\n') = text.get(*at) {
            *at += 1;
        }
        let byte = text.get(*at).copied();
        *at += usize::from(byte.is_some());
        byte
    };
    loop {
        let mut quantum = 0u32;
        let mut digits = 0;
        while digits < 4 {
            let Some(byte) = next(&mut at) else {
                return if digits == 0 { Ok(out) } else { Err(corrupt(at - digits)) };
            };
            if let Some(value) = value(byte) {
                quantum = quantum << 6 | u32::from(value);
                digits += 1;
                continue;
            }
            if byte != b'=' || digits < 2 {
                return Err(corrupt(at - 1));
            }
            if digits == 2 {
                match next(&mut at) {
                    None => return Err(corrupt(text.len())),
                    Some(b'=') => {}
                    Some(_) => return Err(corrupt(at - 1)),
                }
            }
            if next(&mut at).is_some() {
                return Err(corrupt(at - 1));
            }
            let bytes = (quantum << (6 * (4 - digits))).to_be_bytes();
            out.extend_from_slice(&bytes[1..digits]);
            return Ok(out);
        }
        out.extend_from_slice(&quantum.to_be_bytes()[1..]);
    }
}

const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

fn base32(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len().div_ceil(5) * 8);
    for group in bytes.chunks(5) {
        let mut padded = [0; 8];
        padded[3..3 + group.len()].copy_from_slice(group);
        let bits = u64::from_be_bytes(padded);
        let digits = (group.len() * 8).div_ceil(5);
        out.extend((0..8).map(|index| if index < digits { BASE32[(bits >> (35 - 5 * index)) as usize & 31] } else { b'=' }));
    }
    out
}

/// `base32.StdEncoding.DecodeString`. The error is Go's.
fn from_base32(text: &[u8]) -> std::result::Result<Vec<u8>, String> {
    let corrupt = |at: usize| format!("illegal base32 data at input byte {at}");
    let text: Vec<u8> = text.iter().copied().filter(|byte| !matches!(byte, b'\r' | b'\n')).collect();
    let mut out = Vec::with_capacity(text.len() / 8 * 5);
    let mut at = 0;
    while at < text.len() {
        let mut bits = 0u64;
        let mut digits = 0;
        while digits < 8 {
            let Some(&byte) = text.get(at) else { return Err(corrupt(text.len() - digits)) };
            at += 1;
            if byte == b'=' && digits >= 2 && text.len() - at < 8 {
                let padding = 7 - digits;
                if text.len() - at < padding {
                    return Err(corrupt(text.len()));
                }
                if let Some(wrong) = text[at..at + padding].iter().position(|&byte| byte != b'=') {
                    return Err(corrupt(at + wrong));
                }
                // These lengths no bytes have.
                if matches!(digits, 1 | 3 | 6) {
                    return Err(corrupt(at - 1));
                }
                let bytes = (bits << (5 * (8 - digits))).to_be_bytes();
                out.extend_from_slice(&bytes[3..3 + digits * 5 / 8]);
                return Ok(out);
            }
            let Some(value) = BASE32.iter().position(|&digit| digit == byte) else { return Err(corrupt(at - 1)) };
            bits = bits << 5 | value as u64;
            digits += 1;
        }
        out.extend_from_slice(&bits.to_be_bytes()[3..]);
    }
    Ok(out)
}

fn semver(env: &mut Env, args: Args<'_>) -> Result {
    env.meter.work(args.string(0).len().saturating_mul(64))?;
    Ok(Value::Version(Arc::new(Version::parse(&lossy(args.string(0)))?)))
}

fn semver_compare(env: &mut Env, args: Args<'_>) -> Result {
    env.meter.work((args.string(0).len() + args.string(1).len()).saturating_mul(256))?;
    let constraints = Constraints::parse(&lossy(args.string(0)))?;
    let version = Version::parse(&lossy(args.string(1)))?;
    Ok(Value::Bool(constraints.check(&version)))
}
