//! Signatures of JWTs with a key from a JWK: RFC 7518, sections 3.2 to 3.5, and RFC 8037 for EdDSA.

use super::{Stop, Value, text};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::{
    self, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm,
    Ed25519KeyPair, RsaEncoding,
};
use base64::Engine as _;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};

/// The largest parts of RSA keys: signing with a larger one takes too long.
const MAX_RSA_BYTES: usize = 512;

/// Signs a message; undefined if the key isn't one for the algorithm.
pub(super) fn sign(algorithm: &str, key: &Value, message: &[u8]) -> Result<Vec<u8>, Stop> {
    if let Some(algorithm) = hmac_of(algorithm) {
        let secret = key_part(key, "oct", "k")?;
        return Ok(hmac::sign(&hmac::Key::new(algorithm, &secret), message).as_ref().to_vec());
    }
    match algorithm {
        "RS256" => sign_rsa(&signature::RSA_PKCS1_SHA256, key, message),
        "RS384" => sign_rsa(&signature::RSA_PKCS1_SHA384, key, message),
        "RS512" => sign_rsa(&signature::RSA_PKCS1_SHA512, key, message),
        "PS256" => sign_rsa(&signature::RSA_PSS_SHA256, key, message),
        "PS384" => sign_rsa(&signature::RSA_PSS_SHA384, key, message),
        "PS512" => sign_rsa(&signature::RSA_PSS_SHA512, key, message),
        "ES256" => sign_ecdsa(&ECDSA_P256_SHA256_FIXED_SIGNING, 32, key, message),
        "ES384" => sign_ecdsa(&ECDSA_P384_SHA384_FIXED_SIGNING, 48, key, message),
        "ES512" => sign_ecdsa(&ECDSA_P521_SHA512_FIXED_SIGNING, 66, key, message),
        "EdDSA" => {
            let (seed, public) = (key_part(key, "OKP", "d")?, key_part(key, "OKP", "x")?);
            let pair = Ed25519KeyPair::from_seed_and_public_key(&seed, &public).map_err(|_| Stop::Undefined)?;
            Ok(pair.sign(message).as_ref().to_vec())
        }
        _ => Err(Stop::Undefined),
    }
}

/// The algorithm of a shared secret, by its name.
pub(super) fn hmac_of(algorithm: &str) -> Option<hmac::Algorithm> {
    match algorithm {
        "HS256" => Some(hmac::HMAC_SHA256),
        "HS384" => Some(hmac::HMAC_SHA384),
        "HS512" => Some(hmac::HMAC_SHA512),
        _ => None,
    }
}

/// Base64 for URLs, padded or not.
pub(super) fn unbase64(text: &str) -> Result<Vec<u8>, Stop> {
    URL_SAFE_NO_PAD.decode(text).or_else(|_| URL_SAFE.decode(text)).map_err(|_| Stop::Undefined)
}

/// A member of an object.
pub(super) fn field<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    match value {
        Value::Object(fields) => fields.get(&Value::from(name)),
        _ => None,
    }
}

fn key_part(key: &Value, kind: &str, name: &str) -> Result<Vec<u8>, Stop> {
    if text(field(key, "kty"))? != kind {
        return Err(Stop::Undefined);
    }
    unbase64(text(field(key, name))?)
}

fn sign_rsa(encoding: &'static dyn RsaEncoding, key: &Value, message: &[u8]) -> Result<Vec<u8>, Stop> {
    // RFC 8017, appendix A.1.2: RSAPrivateKey, of version 0.
    let mut numbers = der_integer(&[0]);
    for name in ["n", "e", "d", "p", "q", "dp", "dq", "qi"] {
        let part = key_part(key, "RSA", name)?;
        if part.len() > MAX_RSA_BYTES {
            return Err(Stop::Undefined);
        }
        numbers.extend(der_integer(&part));
    }
    let pair = KeyPair::from_der(&der(0x30, &numbers)).map_err(|_| Stop::Undefined)?;
    let mut signature = vec![0; pair.public_modulus_len()];
    pair.sign(encoding, &SystemRandom::new(), message, &mut signature).map_err(|_| Stop::Undefined)?;
    Ok(signature)
}

fn sign_ecdsa(algorithm: &'static EcdsaSigningAlgorithm, bytes: usize, key: &Value, message: &[u8]) -> Result<Vec<u8>, Stop> {
    let part = |name: &str| {
        let part = key_part(key, "EC", name)?;
        let zeros = bytes.checked_sub(part.len()).ok_or(Stop::Undefined)?;
        Ok::<_, Stop>([vec![0; zeros], part].concat())
    };
    // SEC 1, section 2.3.3: a point that isn't compressed.
    let public = [vec![4], part("x")?, part("y")?].concat();
    let pair = EcdsaKeyPair::from_private_key_and_public_key(algorithm, &part("d")?, &public).map_err(|_| Stop::Undefined)?;
    let signature = pair.sign(&SystemRandom::new(), message).map_err(|_| Stop::Undefined)?;
    Ok(signature.as_ref().to_vec())
}

/// An unsigned number in DER: without zeros before it, but for one where it would be negative.
fn der_integer(bytes: &[u8]) -> Vec<u8> {
    let start = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len());
    let digits = bytes.get(start..).unwrap_or_default();
    let is_negative = digits.first().is_none_or(|first| *first >= 0x80);
    der(2, &[&[0][..usize::from(is_negative)], digits].concat())
}

/// A value with its tag and length.
fn der(tag: u8, value: &[u8]) -> Vec<u8> {
    let length = value.len().to_be_bytes();
    let start = length.iter().position(|byte| *byte != 0).unwrap_or(length.len() - 1);
    let length = length.get(start..).unwrap_or_default();
    let mut out = vec![tag];
    if value.len() >= 0x80 {
        out.push(0x80 | u8::try_from(length.len()).unwrap_or(0));
    }
    out.extend(length);
    out.extend(value);
    out
}
