//! Private keys in PEM, in the forms that Go writes: PKCS#1 for RSA, SEC 1 for elliptic curves, PKCS#8 for Ed25519.

use num_bigint::BigUint;
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, PKCS_RSA_SHA256, RsaKeySize};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs1KeyDer, PrivatePkcs8KeyDer, PrivateSec1KeyDer};

use super::encoding::{base64, from_base64};
use super::random;
use crate::error::Failure;

type Result<T> = std::result::Result<T, Failure>;

/// A private key.
pub(super) enum PrivateKey {
    /// One that can sign, and its PEM.
    Signing(Box<KeyPair>, String),
    /// DSA, which certificates don't know any more.
    Dsa,
}

pub(super) fn generate_rsa(size: RsaKeySize) -> Result<PrivateKey> {
    let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, size).map_err(|error| format!("error generating rsa key: {error}"))?;
    signing(key)
}

pub(super) fn generate_ecdsa() -> Result<PrivateKey> {
    signing(KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(|error| error.to_string())?)
}

pub(super) fn generate_ed25519() -> Result<PrivateKey> {
    signing(KeyPair::generate_for(&PKCS_ED25519).map_err(|error| error.to_string())?)
}

fn signing(key: KeyPair) -> Result<PrivateKey> {
    let pem = pem_of(&key).ok_or("the key can't be written")?;
    Ok(PrivateKey::Signing(Box::new(key), pem))
}

impl PrivateKey {
    /// `parsePrivateKeyPEM`. The error is Go's.
    pub(super) fn parse(text: &[u8]) -> Result<Self> {
        let (label, der) = decode_pem(text).ok_or("no PEM data in input")?;
        let kind = match label.as_str() {
            "PRIVATE KEY" => "",
            label => label.strip_suffix(" PRIVATE KEY").ok_or_else(|| format!("no private key data in PEM block of type {label}"))?,
        };
        let (key, what) = match kind {
            "" => (PrivateKeyDer::from(PrivatePkcs8KeyDer::from(der)), "decoding PEM as PKCS#8"),
            "RSA" => (PrivateKeyDer::from(PrivatePkcs1KeyDer::from(der)), "parsing RSA private key from PEM"),
            "EC" => (PrivateKeyDer::from(PrivateSec1KeyDer::from(der)), "parsing EC private key from PEM"),
            "DSA" => return Ok(Self::Dsa),
            kind => return Err(Failure::Message(format!("invalid private key type {kind}"))),
        };
        signing(KeyPair::try_from(&key).map_err(|error| format!("{what}: {error}"))?)
    }
}

/// A key as Go writes it. `None`: its encoding isn't one that is known here.
fn pem_of(key: &KeyPair) -> Option<String> {
    let der = key.serialized_der();
    // What is read from a PEM of these kinds stays as it was; what is generated is PKCS#8.
    let sequence = content(der, SEQUENCE)?.0;
    let (_, rest) = content(sequence, INTEGER)?;
    if rest.first() == Some(&INTEGER) {
        return Some(encode_pem("RSA PRIVATE KEY", der));
    }
    if rest.first() == Some(&OCTETS) {
        return Some(encode_pem("EC PRIVATE KEY", der));
    }
    let (algorithm, rest) = content(rest, SEQUENCE)?;
    let (inner, _) = content(rest, OCTETS)?;
    let (identifier, parameters) = content(algorithm, OBJECT)?;
    match identifier {
        RSA => Some(encode_pem("RSA PRIVATE KEY", inner)),
        EC => Some(encode_pem("EC PRIVATE KEY", &sec1(inner, parameters, key.public_key_raw())?)),
        ED25519 => {
            let seed = content(inner, OCTETS)?.0;
            let algorithm = element(SEQUENCE, &element(OBJECT, ED25519));
            let key = [element(INTEGER, &[0]), algorithm, element(OCTETS, &element(OCTETS, seed))].concat();
            Some(encode_pem("PRIVATE KEY", &element(SEQUENCE, &key)))
        }
        _ => None,
    }
}

/// An `ECPrivateKey` (RFC 5915) with curve and public key.
fn sec1(inner: &[u8], curve: &[u8], public: &[u8]) -> Option<Vec<u8>> {
    let (sequence, _) = content(inner, SEQUENCE)?;
    let (_, rest) = content(sequence, INTEGER)?;
    let (scalar, _) = content(rest, OCTETS)?;
    let public = element(BITS, &[&[0], public].concat());
    let key = [element(INTEGER, &[1]), element(OCTETS, scalar), element(CONTEXT_0, curve), element(CONTEXT_1, &public)].concat();
    Some(element(SEQUENCE, &key))
}

// DER, as far as it is needed.

const INTEGER: u8 = 0x02;
const BITS: u8 = 0x03;
const OCTETS: u8 = 0x04;
const OBJECT: u8 = 0x06;
const SEQUENCE: u8 = 0x30;
const CONTEXT_0: u8 = 0xa0;
const CONTEXT_1: u8 = 0xa1;
/// 1.2.840.113549.1.1.1
const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
/// 1.2.840.10045.2.1
const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
/// 1.3.101.112
const ED25519: &[u8] = &[0x2b, 0x65, 0x70];

/// The content of the element at the beginning, and what follows it.
fn content(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&found, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f)).filter(|(bytes, _)| bytes.len() <= 4)?;
        (bytes.iter().fold(0, |length, &byte| length << 8 | usize::from(byte)), rest)
    };
    if found == tag { rest.split_at_checked(length) } else { None }
}

fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    if content.len() < 0x80 {
        out.push(content.len() as u8);
    } else {
        let bytes = content.len().to_be_bytes();
        let bytes = &bytes[bytes.iter().take_while(|&&byte| byte == 0).count()..];
        out.push(0x80 | bytes.len() as u8);
        out.extend_from_slice(bytes);
    }
    out.extend_from_slice(content);
    out
}

fn integer(number: &BigUint) -> Vec<u8> {
    let mut bytes = number.to_bytes_be();
    if bytes[0] >= 0x80 {
        bytes.insert(0, 0);
    }
    element(INTEGER, &bytes)
}

// PEM.

/// `pem.EncodeToMemory`.
pub(super) fn encode_pem(label: &str, der: &[u8]) -> String {
    let text = base64(der);
    let mut out = format!("-----BEGIN {label}-----\n");
    for line in text.as_bytes().chunks(64) {
        out.push_str(&crate::quote::lossy(line));
        out.push('\n');
    }
    out.push_str(&format!("-----END {label}-----\n"));
    out
}

/// `pem.Decode`: label and content of the first block.
pub(super) fn decode_pem(text: &[u8]) -> Option<(String, Vec<u8>)> {
    let text = std::str::from_utf8(text).ok()?;
    let mut from = 0;
    while let Some(begin) = text[from..].find("-----BEGIN ") {
        let after = &text[from + begin + 11..];
        from += begin + 11;
        let Some((label, body)) = after.split_once("-----") else { continue };
        let Some((body, _)) = body.split_once(&format!("-----END {label}-----")) else { continue };
        // Headers end with an empty line.
        let body = if body.contains(':') { body.split_once("\n\n").map_or(body, |(_, body)| body) } else { body };
        let digits: Vec<u8> = body.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
        if let Ok(der) = from_base64(&digits) {
            return Some((label.to_owned(), der));
        }
    }
    None
}

// DSA.

const P_BITS: u64 = 2048;
const Q_BITS: u64 = 256;

/// A DSA key with parameters of its own, in PEM: as Go's `dsa.GenerateParameters` and `GenerateKey`.
pub(super) fn generate_dsa() -> Result<String> {
    let one = BigUint::from(1u32);
    let (p, q) = dsa_primes()?;
    let exponent = (&p - &one) / &q;
    let mut base = BigUint::from(2u32);
    let mut g = base.modpow(&exponent, &p);
    while g == one {
        base += &one;
        g = base.modpow(&exponent, &p);
    }
    let mut x = BigUint::ZERO;
    while x == BigUint::ZERO || x >= q {
        x = random_bits(Q_BITS)?;
    }
    let y = g.modpow(&x, &p);
    let key = [element(INTEGER, &[0]), integer(&p), integer(&q), integer(&g), integer(&y), integer(&x)].concat();
    Ok(encode_pem("DSA PRIVATE KEY", &element(SEQUENCE, &key)))
}

/// A prime, and one of which it is a divisor less one.
fn dsa_primes() -> Result<(BigUint, BigUint)> {
    loop {
        let mut q = random_bits(Q_BITS)?;
        q.set_bit(0, true);
        q.set_bit(Q_BITS - 1, true);
        if !is_prime(&q)? {
            continue;
        }
        let step = &q << 1;
        for _ in 0..4 * P_BITS {
            let mut p = random_bits(P_BITS)?;
            p.set_bit(P_BITS - 1, true);
            p = &p - &p % &step + 1u32;
            if p.bits() == P_BITS && is_prime(&p)? {
                return Ok((p, q));
            }
        }
    }
}

fn random_bits(bits: u64) -> Result<BigUint> {
    let mut bytes = vec![0; (bits / 8) as usize];
    random::fill(&mut bytes)?;
    Ok(BigUint::from_bytes_be(&bytes))
}

/// Rounds of Miller and Rabin's test, each of which a number that isn't prime passes one time in four.
const PRIME_ROUNDS: usize = 32;

fn is_prime(number: &BigUint) -> Result<bool> {
    // Most numbers have a small divisor.
    if (3u32..5_000).step_by(2).any(|divisor| number % divisor == BigUint::ZERO) {
        return Ok(false);
    }
    let one = BigUint::from(1u32);
    let last = number - &one;
    let zeros = last.trailing_zeros().unwrap_or(0);
    let odd = &last >> zeros;
    for _ in 0..PRIME_ROUNDS {
        let base = random_bits(number.bits().next_multiple_of(8))? % &last;
        if base <= one {
            continue;
        }
        let mut power = base.modpow(&odd, number);
        let mut witness = power != one && power != last;
        for _ in 1..zeros {
            if !witness {
                break;
            }
            power = &power * &power % number;
            witness = power != last;
        }
        if witness {
            return Ok(false);
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_primes() {
        let check = |number: &str, expect: bool| {
            let number = number.parse().expect("a number");
            assert_eq!(is_prime(&number).expect("randomness"), expect, "{number}");
        };
        check("170141183460469231731687303715884105727", true);
        check("170141183460469231731687303715884105729", false);
        check("115792089210356248762697446949407573530086143415290314195533631308867097853951", true);
        check("25326001", false); // a strong pseudoprime to bases 2, 3 and 5
    }

    #[test]
    fn keys_survive_their_pem() {
        for key in [generate_ecdsa(), generate_ed25519(), generate_rsa(RsaKeySize::_2048)] {
            let Ok(PrivateKey::Signing(key, pem)) = key else { panic!("a key") };
            let Ok(PrivateKey::Signing(again, pem_again)) = PrivateKey::parse(pem.as_bytes()) else { panic!("{pem}") };
            assert_eq!(key.public_key_raw(), again.public_key_raw());
            assert_eq!(pem, pem_again);
        }
    }
}
