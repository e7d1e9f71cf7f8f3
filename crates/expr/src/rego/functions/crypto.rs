//! OPA's `crypto.*`: digests and keyed digests, in hexadecimal.

use super::{MAX_ARGUMENT_BYTES, Outcome, Value, charge_all, text};
use aws_lc_rs::{constant_time, digest, hmac};
use md5::{Digest as _, Md5};

/// MD5's block.
const MD5_BLOCK_BYTES: usize = 64;

pub(super) fn md5(arguments: &[Value]) -> Outcome {
    charge_all(arguments, MAX_ARGUMENT_BYTES)?;
    Ok(hex(&Md5::digest(text(arguments.first())?)))
}

pub(super) fn sha1(arguments: &[Value]) -> Outcome {
    hashed(&digest::SHA1_FOR_LEGACY_USE_ONLY, arguments)
}

pub(super) fn sha256(arguments: &[Value]) -> Outcome {
    hashed(&digest::SHA256, arguments)
}

/// RFC 2104 with MD5.
pub(super) fn hmac_md5(arguments: &[Value]) -> Outcome {
    charge_all(arguments, MAX_ARGUMENT_BYTES)?;
    let (message, key) = (text(arguments.first())?, text(arguments.get(1))?.as_bytes());
    let mut block = [0; MD5_BLOCK_BYTES];
    if key.len() > MD5_BLOCK_BYTES {
        block[..16].copy_from_slice(&Md5::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let inner = Md5::new().chain_update(block.map(|byte| byte ^ 0x36)).chain_update(message).finalize();
    Ok(hex(&Md5::new().chain_update(block.map(|byte| byte ^ 0x5c)).chain_update(inner).finalize()))
}

pub(super) fn hmac_sha1(arguments: &[Value]) -> Outcome {
    signed(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, arguments)
}

pub(super) fn hmac_sha256(arguments: &[Value]) -> Outcome {
    signed(hmac::HMAC_SHA256, arguments)
}

pub(super) fn hmac_sha512(arguments: &[Value]) -> Outcome {
    signed(hmac::HMAC_SHA512, arguments)
}

/// Whether two digests are the same, in a time that doesn't tell where they differ.
pub(super) fn hmac_equal(arguments: &[Value]) -> Outcome {
    let (one, other) = (text(arguments.first())?, text(arguments.get(1))?);
    Ok(Value::from(constant_time::verify_slices_are_equal(one.as_bytes(), other.as_bytes()).is_ok()))
}

/// Bytes in hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> Value {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble & 15)]);
    let text: String = bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(*byte)]).collect();
    Value::from(text)
}

fn hashed(algorithm: &'static digest::Algorithm, arguments: &[Value]) -> Outcome {
    charge_all(arguments, MAX_ARGUMENT_BYTES)?;
    Ok(hex(digest::digest(algorithm, text(arguments.first())?.as_bytes()).as_ref()))
}

fn signed(algorithm: hmac::Algorithm, arguments: &[Value]) -> Outcome {
    charge_all(arguments, MAX_ARGUMENT_BYTES)?;
    let (message, key) = (text(arguments.first())?, text(arguments.get(1))?);
    Ok(hex(hmac::sign(&hmac::Key::new(algorithm, key.as_bytes()), message.as_bytes()).as_ref()))
}
