//! Hashes, passwords, AES.

use aws_lc_rs::cipher::{AES_256, DecryptingKey, DecryptionContext, PaddedBlockEncryptingKey, UnboundCipherKey};
use aws_lc_rs::digest::{self, Algorithm};
use aws_lc_rs::hmac;
use aws_lc_rs::iv::FixedLength;

use super::encoding::{base64, from_base64};
use super::random;
use crate::error::Failure;
use crate::function::{Args, Env, Function, Param};
use crate::value::Value;

type Result<T = Value> = std::result::Result<T, Failure>;

const STRING: &[Param] = &[Param::String];
const TWO: &[Param] = &[Param::String, Param::String];

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new("sha1sum", STRING, |env, args| hashed(env, args, &digest::SHA1_FOR_LEGACY_USE_ONLY)),
    Function::new("sha256sum", STRING, |env, args| hashed(env, args, &digest::SHA256)),
    Function::new("sha512sum", STRING, |env, args| hashed(env, args, &digest::SHA512)),
    Function::new("adler32sum", STRING, |env, args| env.string(adler32(args.string(0)).to_string())),
    Function::new("bcrypt", STRING, |env, args| {
        let hash = bcrypt_hash(env, args.string(0))?;
        env.string(hash)
    }),
    Function::new("htpasswd", TWO, htpasswd),
    Function::new("derivePassword", &[Param::Uint32, Param::String, Param::String, Param::String, Param::String], derive_password),
    Function::new("encryptAES", TWO, encrypt),
    Function::new("decryptAES", TWO, decrypt),
];

fn hashed(env: &mut Env, args: Args<'_>, algorithm: &'static Algorithm) -> Result {
    let hash = digest::digest(algorithm, args.string(0));
    env.string(hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}

fn adler32(bytes: &[u8]) -> u32 {
    let (a, b) = bytes.iter().fold((1u32, 0u32), |(a, b), &byte| {
        let a = (a + u32::from(byte)) % 65_521;
        (a, (b + a) % 65_521)
    });
    b << 16 | a
}

/// bcrypt takes no more of a password.
const MAX_BCRYPT_BYTES: usize = 72;
const BCRYPT_COST: u32 = 10;

fn bcrypt_hash(env: &mut Env, password: &[u8]) -> Result<String> {
    if password.len() > MAX_BCRYPT_BYTES {
        return Ok("failed to encrypt string with bcrypt: bcrypt: password length exceeds 72 bytes".to_owned());
    }
    env.meter.slow_call()?;
    let mut salt = [0; 16];
    random::fill(&mut salt)?;
    match bcrypt::hash_with_salt(password, BCRYPT_COST, salt) {
        Ok(hash) => Ok(hash.format_for_version(bcrypt::Version::TwoA)),
        Err(error) => Ok(format!("failed to encrypt string with bcrypt: {error}")),
    }
}

fn htpasswd(env: &mut Env, args: Args<'_>) -> Result {
    let name = args.string(0);
    if name.contains(&b':') {
        return env.string([b"invalid username: ", name].concat());
    }
    let hash = bcrypt_hash(env, args.string(1))?;
    env.string([name, b":", hash.as_bytes()].concat())
}

/// The Master Password algorithm's templates, and what a letter of them stands for.
const PASSWORDS: &[(&str, &[&str])] = &[
    ("maximum", &["anoxxxxxxxxxxxxxxxxx", "axxxxxxxxxxxxxxxxxno"]),
    (
        "long",
        &[
            "CvcvnoCvcvCvcv",
            "CvcvCvcvnoCvcv",
            "CvcvCvcvCvcvno",
            "CvccnoCvcvCvcv",
            "CvccCvcvnoCvcv",
            "CvccCvcvCvcvno",
            "CvcvnoCvccCvcv",
            "CvcvCvccnoCvcv",
            "CvcvCvccCvcvno",
            "CvcvnoCvcvCvcc",
            "CvcvCvcvnoCvcc",
            "CvcvCvcvCvccno",
            "CvccnoCvccCvcv",
            "CvccCvccnoCvcv",
            "CvccCvccCvcvno",
            "CvcvnoCvccCvcc",
            "CvcvCvccnoCvcc",
            "CvcvCvccCvccno",
            "CvccnoCvcvCvcc",
            "CvccCvcvnoCvcc",
            "CvccCvcvCvccno",
        ],
    ),
    ("medium", &["CvcnoCvc", "CvcCvcno"]),
    ("short", &["Cvcn"]),
    ("basic", &["aaanaaan", "aannaaan", "aaannaaa"]),
    ("pin", &["nnnn"]),
];

fn characters(letter: u8) -> &'static [u8] {
    match letter {
        b'V' => b"AEIOU",
        b'C' => b"BCDFGHJKLMNPQRSTVWXYZ",
        b'v' => b"aeiou",
        b'c' => b"bcdfghjklmnpqrstvwxyz",
        b'A' => b"AEIOUBCDFGHJKLMNPQRSTVWXYZ",
        b'a' => b"AEIOUaeiouBCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz",
        b'n' => b"0123456789",
        b'o' => b"@&%?,=[]_:-+*$#!'^~;()/.",
        _ => b"AEIOUaeiouBCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz0123456789!@#$%^&*()",
    }
}

const PASSWORD_SEED: &[u8] = b"com.lyndir.masterpassword";

fn derive_password(env: &mut Env, args: Args<'_>) -> Result {
    let (counter, kind, password, user, site) = (args.int(0) as u32, args.string(1), args.string(2), args.string(3), args.string(4));
    let Some((_, templates)) = PASSWORDS.iter().find(|(name, _)| name.as_bytes() == kind) else {
        return env.string([b"cannot find password template ", kind].concat());
    };
    env.meter.slow_call()?;
    let length = |text: &[u8]| (text.len() as u32).to_be_bytes();
    let salt = [PASSWORD_SEED, &length(user), user].concat();
    let mut key = [0; 64];
    let parameters = scrypt::Params::new(15, 8, 2).map_err(|error| error.to_string())?;
    scrypt::scrypt(password, &salt, &parameters, &mut key).map_err(|error| error.to_string())?;
    let message = [PASSWORD_SEED, &length(site), site, &counter.to_be_bytes()].concat();
    let seed = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), &message);
    let seed = seed.as_ref();
    let template = templates[usize::from(seed[0]) % templates.len()];
    let pick = |(index, letter): (usize, u8)| {
        let characters = characters(letter);
        characters[usize::from(seed[index + 1]) % characters.len()]
    };
    env.string(template.bytes().enumerate().map(pick).collect::<Vec<u8>>())
}

const BLOCK: usize = 16;

/// The first 32 bytes of a password, filled up with zeros.
fn aes_key(password: &[u8]) -> Result<UnboundCipherKey> {
    let mut key = [0; 32];
    let length = password.len().min(key.len());
    key[..length].copy_from_slice(&password[..length]);
    UnboundCipherKey::new(&AES_256, &key).map_err(|_| "AES refuses the key".into())
}

/// AES-256-CBC under a random vector, which comes first.
fn encrypt(env: &mut Env, args: Args<'_>) -> Result {
    if args.string(1).is_empty() {
        return env.string("");
    }
    let refused = |_| Failure::from("AES refuses to encrypt");
    let key = PaddedBlockEncryptingKey::cbc_pkcs7(aes_key(args.string(0))?).map_err(refused)?;
    let mut text = args.string(1).to_vec();
    let context = key.encrypt(&mut text).map_err(refused)?;
    let vector: &[u8] = (&context).try_into().map_err(refused)?;
    env.string(base64(&[vector, &text].concat()))
}

/// Go's function doesn't check the padding, and panics where it can't be right.
fn decrypt(env: &mut Env, args: Args<'_>) -> Result {
    if args.string(1).is_empty() {
        return env.string("");
    }
    let encrypted = from_base64(args.string(1))?;
    let Some((vector, text)) = encrypted.split_first_chunk::<BLOCK>() else {
        return Err(Failure::Message(format!("runtime error: slice bounds out of range [:{BLOCK}] with capacity {}", encrypted.len())));
    };
    if text.len() % BLOCK != 0 {
        return Err("crypto/cipher: input not full blocks".into());
    }
    let refused = |_| Failure::from("AES refuses to decrypt");
    let key = DecryptingKey::cbc(aes_key(args.string(0))?).map_err(refused)?;
    let mut text = text.to_vec();
    let plain = key.decrypt(&mut text, DecryptionContext::Iv128(FixedLength::from(vector))).map_err(refused)?;
    let Some(&padding) = plain.last() else { return Err("runtime error: index out of range [-1]".into()) };
    match plain.len().checked_sub(usize::from(padding)) {
        Some(length) => env.string(&plain[..length]),
        None => Err(Failure::Message(format!("runtime error: slice bounds out of range [:{}]", plain.len() as i64 - i64::from(padding)))),
    }
}
