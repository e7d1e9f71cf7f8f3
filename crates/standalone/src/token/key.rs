//! The key that signs tokens.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use connectors_core::SecretValue;
use jsonwebtoken::{DecodingKey, EncodingKey};
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject;

/// Characters in a line of PEM, RFC 7468 §2.
const PEM_LINE: usize = 64;

/// An ECDSA key on P-256, for JWS algorithm ES256 (RFC 7518 §3.4). Signs tokens and checks them; see [`super`].
pub struct SigningKey {
    pub(super) encoding: EncodingKey,
    pub(super) decoding: DecodingKey,
    thumbprint: Box<str>,
}

/// Why a key can't be used or made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Something else than a key.
    #[error("is not a private key: a PEM block that begins with -----BEGIN PRIVATE KEY----- (PKCS#8) is wanted")]
    NoPem,
    /// Another kind of key.
    #[error("is not an ECDSA key on curve P-256, or is damaged")]
    NotP256,
    /// No random numbers to be had.
    #[error("the system has no random numbers to make a key from")]
    Random,
}

impl SigningKey {
    /// Makes a new key, as PKCS#8 in PEM, the form that [`SigningKey::from_pem`] reads.
    pub fn generate_pem() -> Result<SecretValue, KeyError> {
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).map_err(|_| KeyError::Random)?;
        Ok(to_pem(pkcs8.as_ref()))
    }

    /// Reads an unencrypted PKCS#8 key in PEM (RFC 7468 §10). Only P-256 will do.
    pub fn from_pem(pem: &SecretValue) -> Result<Self, KeyError> {
        let pkcs8 = PrivatePkcs8KeyDer::from_pem_slice(pem.expose()).map_err(|_| KeyError::NoPem)?;
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.secret_pkcs8_der()).map_err(|_| KeyError::NotP256)?;
        let point = pair.public_key().as_ref();
        Ok(Self {
            encoding: EncodingKey::from_ec_der(pkcs8.secret_pkcs8_der()),
            decoding: DecodingKey::from_ec_der(point),
            thumbprint: thumbprint(point).ok_or(KeyError::NotP256)?.into(),
        })
    }

    /// The `kid` in the header of its tokens: the JWK SHA-256 thumbprint of the public key (RFC 7638).
    pub fn thumbprint(&self) -> &str {
        &self.thumbprint
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("thumbprint", &self.thumbprint).finish_non_exhaustive()
    }
}

fn to_pem(pkcs8: &[u8]) -> SecretValue {
    let body = SecretValue::new(STANDARD.encode(pkcs8));
    let mut pem = Vec::with_capacity(body.expose().len() * 2);
    pem.extend_from_slice(b"-----BEGIN PRIVATE KEY-----\n");
    for line in body.expose().chunks(PEM_LINE) {
        pem.extend_from_slice(line);
        pem.push(b'\n');
    }
    pem.extend_from_slice(b"-----END PRIVATE KEY-----\n");
    SecretValue::new(pem)
}

/// `point` is the uncompressed form of SEC 1 §2.3.3: 4, then x and y in 32 bytes each.
fn thumbprint(point: &[u8]) -> Option<String> {
    let (x, y) = point.strip_prefix(&[4]).filter(|coordinates| coordinates.len() == 64)?.split_at(32);
    let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
    // The members and their order are prescribed by RFC 7638 §3.2 and §3.3.
    let jwk = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
    Some(URL_SAFE_NO_PAD.encode(digest(&SHA256, jwk.as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_survives_being_written_down() {
        let pem = SigningKey::generate_pem().unwrap();
        let text = pem.expose_str().unwrap();
        assert!(text.starts_with("-----BEGIN PRIVATE KEY-----\n") && text.ends_with("\n-----END PRIVATE KEY-----\n"), "{text}");
        assert!(text.lines().all(|line| line.len() <= PEM_LINE));
        let (one, two) = (SigningKey::from_pem(&pem).unwrap(), SigningKey::from_pem(&pem).unwrap());
        assert_eq!(one.thumbprint(), two.thumbprint());
        assert_ne!(one.thumbprint(), SigningKey::from_pem(&SigningKey::generate_pem().unwrap()).unwrap().thumbprint());
    }

    /// Made by `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256`; the thumbprint was computed with openssl and sha256sum.
    const OPENSSL: &str = "-----BEGIN PRIVATE KEY-----\n\
        MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgWidm4vWcKw47Kcjx\n\
        yDLiLdTWmkj40b4AegiQwTQ3exmhRANCAASLD2GAg6ilgImr8r7PGZXqbeYUBaAB\n\
        +lXG4l22twMoMDIvvv/SCio740ysWoMYslklLY0qAm0jszKQaBGfAAr4\n\
        -----END PRIVATE KEY-----\n";

    #[test]
    fn reads_keys_made_by_openssl() {
        assert_eq!(SigningKey::from_pem(&SecretValue::new(OPENSSL)).unwrap().thumbprint(), "3MO65Q0Om_-s17_M5Z0PbQgpbbmCFl7u5Klnd4gBXNw");
    }

    #[test]
    fn refuses_other_keys() {
        const P384: &str = "-----BEGIN PRIVATE KEY-----\n\
        MIG2AgEAMBAGByqGSM49AgEGBSuBBAAiBIGeMIGbAgEBBDAuJWd6dthkjtucICOn\n\
        r8KBs/NzRazNjoniEM+tGvhMP88WpgQioiLP8CqthY8iK1KhZANiAARbLln5Mbl4\n\
        7myxYtYpkcAHj8/e4vmL0bEud8XYhbHYDnDhxYe/VXCV/G+IQ7H52JxOjswAyjZ7\n\
        JqTCT4mnjEA6Kcq0c/K9/FWZUf3kJtavGWlvRL3PhdXaYcgQ5Yrv6kI=\n\
        -----END PRIVATE KEY-----\n";
        const ED25519: &str = "-----BEGIN PRIVATE KEY-----\n\
        MC4CAQAwBQYDK2VwBCIEIPR6vIf7q4LofaTJTMjPOhj2uGsSuyFhh7hG9xfMYq2a\n\
        -----END PRIVATE KEY-----\n";
        let sec1 = OPENSSL.replace("PRIVATE", "EC PRIVATE");
        for (pem, expect) in [
            ("", KeyError::NoPem),
            ("hunter2", KeyError::NoPem),
            ("-----BEGIN PRIVATE KEY-----\n", KeyError::NoPem),
            ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", KeyError::NotP256),
            (&sec1, KeyError::NoPem),
            (P384, KeyError::NotP256),
            (ED25519, KeyError::NotP256),
        ] {
            assert_eq!(SigningKey::from_pem(&SecretValue::new(pem)).map(|_| ()), Err(expect), "{pem}");
        }
    }

    #[test]
    fn debug_shows_the_thumbprint_only() {
        let key = SigningKey::from_pem(&SecretValue::new(OPENSSL)).unwrap();
        assert_eq!(format!("{key:?}"), "SigningKey { thumbprint: \"3MO65Q0Om_-s17_M5Z0PbQgpbbmCFl7u5Klnd4gBXNw\", .. }");
    }
}
