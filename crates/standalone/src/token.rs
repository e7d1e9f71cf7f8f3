//! Local tokens: JWTs (RFC 7519) with the claims of a Kubernetes service account token, signed with a local key.
//!
//! There is one issuer and one key, so there is one way to make a token and one to read it: JWS compact form, ES256, `kid` the key's
//! thumbprint. Nothing in a token chooses how it is checked.

mod key;
mod lifetime;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use connectors_core::{SecretValue, ServiceAccount};
use jsonwebtoken::{Algorithm, Header, Validation, decode, decode_header, encode};
use serde::{Deserialize, Serialize};

pub use key::{KeyError, SigningKey};
pub use lifetime::{Lifetime, LifetimeError};

/// `iss` of every token. No server answers there; the name only says what the token is.
pub const ISSUER: &str = "https://connectors.local";
/// The audience of a token that nobody gave another, and the only one that the proxy accepts unless configured.
pub const DEFAULT_AUDIENCE: &str = "connectors-proxy";
/// `sub` of the local owner's tokens, and that caller's user name.
pub const LOCAL_OWNER: &str = "connectors:local-owner";
/// The longest token that is looked at, 16 KiB: ten times what the longest names and a few audiences need.
pub const MAX_TOKEN: usize = 16 * 1024;

/// Whose token it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holder {
    /// A service account.
    ServiceAccount {
        /// Which.
        account: ServiceAccount,
        /// `metadata.uid` of its manifest. Only carried: an account is known by namespace and name, so one that is taken out and put
        /// back under the same name has its old tokens again.
        uid: Option<Box<str>>,
        /// The Pod that the token is bound to, in the account's namespace. Pods don't exist locally, so this only counts
        /// for permissions that name a Pod.
        pod: Option<Box<str>>,
    },
    /// Whoever can read the signing key. May use every Connector.
    LocalOwner,
}

/// A new token.
#[derive(Debug)]
pub struct Minted {
    /// The token.
    pub token: SecretValue,
    /// The moment from which it is refused.
    pub expires: SystemTime,
}

/// Why no token could be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MintError {
    /// No audience, or an empty one.
    #[error("a token needs at least one audience, and none may be empty")]
    Audience,
    /// The result would be longer than [`MAX_TOKEN`].
    #[error("the token would be longer than {MAX_TOKEN} bytes; name fewer or shorter audiences")]
    TooLong,
    /// The clock shows a time before 1970 or one too far ahead.
    #[error("the system's clock shows a time that can't be written in a token")]
    Clock,
    /// No random numbers to be had.
    #[error("the system has no random numbers for a token")]
    Random,
    /// The library would not sign.
    #[error("the token can't be signed with this key")]
    Sign,
}

/// A token that was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Whose it is. Whether that service account still exists is not checked here.
    pub holder: Holder,
    /// The moment from which it is refused.
    pub expires: SystemTime,
}

/// Why a token was refused. Never holds any of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenError {
    /// Longer than [`MAX_TOKEN`]; nothing of it was read.
    TooLong,
    /// Not a JWT, or one whose header can't be read.
    Malformed,
    /// Another algorithm than ES256, `none` included.
    Algorithm,
    /// A header with `crit` (RFC 7515 §4.1.11): it asks for something that isn't known here.
    Critical,
    /// Signed with another key, going by its `kid`.
    OtherKey,
    /// The signature isn't right.
    Signature,
    /// Signed, but a claim is missing or contradicts another.
    Claims,
    /// Before `nbf`.
    NotYetValid,
    /// At or after `exp`.
    Expired,
    /// No audience that is accepted.
    Audience,
}

impl TokenError {
    /// The message, for the operator's log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TooLong => "it is longer than 16 KiB",
            Self::Malformed => "it is not a JWT",
            Self::Algorithm => "its algorithm is not ES256",
            Self::Critical => "its header has critical extensions",
            Self::OtherKey => "it was signed with another key than the one in this state folder",
            Self::Signature => "its signature is wrong",
            Self::Claims => "its claims are not those of a token made here",
            Self::NotYetValid => "it is not valid yet",
            Self::Expired => "it has expired",
            Self::Audience => "it is for another audience",
        }
    }
}

impl std::fmt::Display for TokenError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::error::Error for TokenError {}

impl SigningKey {
    /// Makes a token that is valid from `now` for `lifetime`, for all of `audiences`.
    ///
    /// Whether the holder exists is for the caller to ask. Times in a token are whole seconds: the beginning of validity is rounded down
    /// and the end up, so that even a token for one second can be used for one.
    pub fn mint(&self, holder: &Holder, audiences: &[impl AsRef<str>], lifetime: Lifetime, now: SystemTime) -> Result<Minted, MintError> {
        if audiences.is_empty() || audiences.iter().any(|audience| audience.as_ref().is_empty()) {
            return Err(MintError::Audience);
        }
        let now = now.duration_since(UNIX_EPOCH).map_err(|_| MintError::Clock)?;
        let issued = now.as_secs();
        let exp = issued.checked_add(lifetime.as_duration().as_secs() + u64::from(now.subsec_nanos() > 0)).ok_or(MintError::Clock)?;
        let expires = UNIX_EPOCH.checked_add(Duration::from_secs(exp)).ok_or(MintError::Clock)?;
        let (sub, kubernetes, local_owner) = match holder {
            Holder::ServiceAccount { account, uid, pod } => {
                let service_account = Object { name: account.name.clone(), uid: uid.clone() };
                let pod = pod.clone().map(|name| Object { name, uid: None });
                (account.username(), Some(Kubernetes { namespace: account.namespace.clone(), service_account, pod }), None)
            }
            Holder::LocalOwner => (LOCAL_OWNER.to_owned(), None, Some(true)),
        };
        let claims = Claims {
            iss: ISSUER.to_owned(),
            sub,
            aud: audiences.iter().map(|audience| audience.as_ref().to_owned()).collect(),
            exp,
            nbf: issued,
            iat: issued,
            jti: random_uuid()?,
            kubernetes,
            local_owner,
        };
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some(self.thumbprint().to_owned());
        let token = SecretValue::new(encode(&header, &claims, &self.encoding).map_err(|_| MintError::Sign)?);
        match token.expose().len() {
            ..=MAX_TOKEN => Ok(Minted { token, expires }),
            _ => Err(MintError::TooLong),
        }
    }

    /// Checks a token: its size, algorithm, key, signature, the agreement of its claims, `nbf` ≤ `now` < `exp` without leeway (the clock that
    /// issued it is the clock that checks it), and that one of its audiences is among those `accepted`.
    pub fn verify(&self, token: &SecretValue, accepted: &[impl AsRef<str>], now: SystemTime) -> Result<Verified, TokenError> {
        let token = token.expose();
        if token.len() > MAX_TOKEN {
            return Err(TokenError::TooLong);
        }
        let header = decode_header(token).map_err(|_| TokenError::Malformed)?;
        if header.alg != Algorithm::ES256 {
            return Err(TokenError::Algorithm);
        }
        if header.crit.is_some() {
            return Err(TokenError::Critical);
        }
        if header.kid.as_deref() != Some(self.thumbprint()) {
            return Err(TokenError::OtherKey);
        }
        let claims: Claims = decode(token, &self.decoding, &signature_only()).map_err(|error| refusal(&error))?.claims;

        let moment = |seconds| UNIX_EPOCH.checked_add(Duration::from_secs(seconds)).ok_or(TokenError::Claims);
        let (not_before, expires) = (moment(claims.nbf)?, moment(claims.exp)?);
        if claims.iss != ISSUER {
            return Err(TokenError::Claims);
        }
        if now < not_before {
            return Err(TokenError::NotYetValid);
        }
        if now >= expires {
            return Err(TokenError::Expired);
        }
        if !claims.aud.iter().any(|audience| accepted.iter().any(|accepted| accepted.as_ref() == audience)) {
            return Err(TokenError::Audience);
        }
        Ok(Verified { holder: claims.holder().ok_or(TokenError::Claims)?, expires })
    }
}

#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Vec<String>,
    exp: u64,
    nbf: u64,
    iat: u64,
    jti: String,
    #[serde(rename = "kubernetes.io", skip_serializing_if = "Option::is_none")]
    kubernetes: Option<Kubernetes>,
    #[serde(rename = "connectors.alauda.io/local-owner", skip_serializing_if = "Option::is_none")]
    local_owner: Option<bool>,
}

/// As in k8s.io/kubernetes/pkg/serviceaccount/claims.go.
#[derive(Serialize, Deserialize)]
struct Kubernetes {
    namespace: Box<str>,
    #[serde(rename = "serviceaccount")]
    service_account: Object,
    #[serde(skip_serializing_if = "Option::is_none")]
    pod: Option<Object>,
}

#[derive(Serialize, Deserialize)]
struct Object {
    name: Box<str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uid: Option<Box<str>>,
}

impl Claims {
    /// None when `sub` and the private claims don't say the same.
    fn holder(self) -> Option<Holder> {
        match (self.kubernetes, self.local_owner) {
            (Some(Kubernetes { namespace, service_account, pod }), None) => {
                let account = ServiceAccount { namespace, name: service_account.name };
                (account.username() == self.sub).then(|| Holder::ServiceAccount { account, uid: service_account.uid, pod: pod.map(|pod| pod.name) })
            }
            (None, Some(true)) if self.sub == LOCAL_OWNER => Some(Holder::LocalOwner),
            _ => None,
        }
    }
}

/// The library checks algorithm and signature. It reads the clock itself, so times are checked here; that the claims are there at all, by
/// [`Claims`] having no optional ones.
fn signature_only() -> Validation {
    let mut validation = Validation::new(Algorithm::ES256);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    validation
}

fn refusal(error: &jsonwebtoken::errors::Error) -> TokenError {
    use jsonwebtoken::errors::ErrorKind;
    match error.kind() {
        ErrorKind::Json(_) | ErrorKind::Utf8(_) => TokenError::Claims,
        ErrorKind::InvalidAlgorithm => TokenError::Algorithm,
        ErrorKind::InvalidToken | ErrorKind::Base64(_) => TokenError::Malformed,
        _ => TokenError::Signature,
    }
}

/// Version 4, RFC 9562 §5.4.
fn random_uuid() -> Result<String, MintError> {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| MintError::Random)?;
    let uuid = u128::from_be_bytes(bytes) & !(0xf << 76 | 0x3 << 62) | 0x4 << 76 | 0x2 << 62;
    let part = |shift: u32, digits: u32| uuid >> shift & ((1 << (4 * digits)) - 1);
    Ok(format!("{:08x}-{:04x}-{:04x}-{:04x}-{:012x}", part(96, 8), part(80, 4), part(64, 4), part(48, 4), part(0, 12)))
}

#[cfg(test)]
mod tests;
