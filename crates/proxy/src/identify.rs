//! Who calls: the token in a request, and whose it is.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState};
use std::rc::Rc;
use std::sync::Arc;
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use connectors_core::{Authenticator, ConnectorRef, Extract, Headers, Identity, NameError, RequestView, RuleError, SecretRef, SecretValue, Unauthenticated};
use connectors_http1::{Field, RequestHead};
use connectors_net::Moment;
use siphasher::sip128::{Hasher128, SipHasher13};

use crate::observe::Logged;
use crate::settings::Settings;
use crate::target::Reverse;

/// At most so many Connectors in one user name; each may cost a permission check.
const MAX_NAMED: usize = 32;

/// What a caller presents to a forward request.
#[derive(Debug)]
pub(crate) struct ProxyCredentials {
    /// The Connectors in the user name, at least one.
    pub(crate) named: Vec<ConnectorRef>,
    /// The password: the token.
    pub(crate) token: SecretValue,
}

/// How the record's `detail` begins for a request without any credentials. Clients often ask so first, to see the challenge.
pub const NO_CREDENTIALS: &str = "no credentials were sent";

/// Why no token could be read. The text is for the caller and holds nothing of what was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CredentialError {
    #[error("{NO_CREDENTIALS}")]
    Missing,
    #[error("only the schemes Basic and Bearer are understood")]
    Scheme,
    #[error("only the scheme Basic is understood here, since the user name must name a Connector")]
    ProxyScheme,
    #[error("the Basic credentials are not base64 of user:token")]
    Basic,
    #[error("the token is empty")]
    Empty,
    #[error("the user name must be <namespace>/<name>[,<namespace>/<name>…]: {0}")]
    Name(NameError),
    #[error("the user name has more than {MAX_NAMED} Connectors")]
    TooManyNames,
}

/// Reads Proxy-Authorization: `Basic base64(<ns>/<name>[,…]:<token>)`.
pub(crate) fn proxy_credentials(head: &RequestHead) -> Result<ProxyCredentials, CredentialError> {
    let (user, token) = match scheme(head.get(Field::ProxyAuthorization))? {
        Scheme::Basic(encoded) => basic(encoded)?,
        Scheme::Bearer(_) => return Err(CredentialError::ProxyScheme),
    };
    let user = user.expose_str().ok_or(CredentialError::Basic)?;
    let mut named = Vec::new();
    for text in user.split(',') {
        if named.len() == MAX_NAMED {
            return Err(CredentialError::TooManyNames);
        }
        named.push(connector(text).map_err(CredentialError::Name)?);
    }
    Ok(ProxyCredentials { named, token })
}

/// The token of a reverse request.
#[derive(Debug)]
pub(crate) enum ReverseToken<'h> {
    /// It stands in the head.
    Sent(SecretRef<'h>),
    /// It was decoded.
    Decoded(SecretValue),
}

impl ReverseToken<'_> {
    pub(crate) fn lend(&self) -> SecretRef<'_> {
        match self {
            Self::Sent(token) => *token,
            Self::Decoded(token) => token.lend(),
        }
    }
}

/// Reads the token of a reverse request: `Authorization: Bearer <token>`, or Basic with the token as password.
pub(crate) fn reverse_token(head: &RequestHead) -> Result<ReverseToken<'_>, CredentialError> {
    match scheme(head.get(Field::Authorization))? {
        Scheme::Basic(encoded) => Ok(ReverseToken::Decoded(basic(encoded)?.1)),
        Scheme::Bearer([]) => Err(CredentialError::Empty),
        Scheme::Bearer(token) => Ok(ReverseToken::Sent(SecretRef::new(token))),
    }
}

/// Has a class's rule look for the token of a reverse request. It sees what the caller sent, below the proxy address, and no body.
///
/// # Errors
/// Those of the rule; `None` if it says that there is no token.
pub(crate) fn extract(extractor: &dyn Extract, head: &RequestHead, reverse: &Reverse<'_>) -> Result<Option<SecretValue>, RuleError> {
    let (path, query) = (reverse.path.path(), reverse.path.query().unwrap_or_default());
    extractor.extract(RequestView { method: head.method(), path, host: reverse.base.authority, query, headers: &Sent(head), body: None })
}

/// All header lines, as the caller sent them.
struct Sent<'a>(&'a RequestHead);

impl Headers for Sent<'_> {
    fn each(&self, visit: &mut dyn FnMut(&[u8], &[u8])) {
        self.0.lines().for_each(|line| visit(line.name_bytes(), line.value));
    }
}

/// The password in a Basic Authorization, whoever it is meant for.
pub(crate) fn basic_password(value: &[u8]) -> Option<SecretValue> {
    match scheme(Some(value)) {
        Ok(Scheme::Basic(encoded)) => basic(encoded).ok().map(|(_, password)| password),
        _ => None,
    }
}

enum Scheme<'v> {
    Basic(&'v [u8]),
    Bearer(&'v [u8]),
}

/// RFC 9110 §11.4: scheme, spaces, value; the scheme in any case.
fn scheme(value: Option<&[u8]>) -> Result<Scheme<'_>, CredentialError> {
    let value = value.ok_or(CredentialError::Missing)?;
    // Most have it just so.
    if let Some(token @ [first, ..]) = value.strip_prefix(b"Bearer ")
        && !first.is_ascii_whitespace()
    {
        return Ok(Scheme::Bearer(token));
    }
    let space = value.iter().position(|b| *b == b' ').ok_or(CredentialError::Scheme)?;
    let (name, rest) = value.split_at(space);
    let rest = rest.trim_ascii_start();
    if name.eq_ignore_ascii_case(b"basic") {
        Ok(Scheme::Basic(rest))
    } else if name.eq_ignore_ascii_case(b"bearer") {
        Ok(Scheme::Bearer(rest))
    } else {
        Err(CredentialError::Scheme)
    }
}

/// RFC 7617 §2: the user name ends at the first colon.
fn basic(encoded: &[u8]) -> Result<(SecretValue, SecretValue), CredentialError> {
    let plain = SecretValue::new(STANDARD.decode(encoded).map_err(|_| CredentialError::Basic)?);
    let bytes = plain.expose();
    let colon = bytes.iter().position(|b| *b == b':').ok_or(CredentialError::Basic)?;
    let (user, password) = (&bytes[..colon], &bytes[colon + 1..]);
    if password.is_empty() {
        return Err(CredentialError::Empty);
    }
    Ok((SecretValue::new(user), SecretValue::new(password)))
}

/// Clients disagree on whether a user name from a URL is decoded, so a literal `%2F` separates like `/`.
fn connector(text: &str) -> Result<ConnectorRef, NameError> {
    match text.find('%') {
        Some(at) if text[at..].get(..3).is_some_and(|escape| escape.eq_ignore_ascii_case("%2f")) => ConnectorRef::new(&text[..at], &text[at + 3..]),
        _ => ConnectorRef::parse(text),
    }
}

/// Remembers for a short time whose token is whose, one cache a core.
///
/// Keyed by a hash of the token under a key that this process made at random, so nobody outside can make two tokens collide. (SipHash-1-3 with 128 bits: a
/// tenth of what SHA-256 costs on a 1 KB token.)
pub(crate) struct Identities {
    authenticator: Arc<dyn Authenticator>,
    keys: (u64, u64),
    known: RefCell<HashMap<u128, Known, BuildHasherDefault<Hashed>>>,
    recent: RefCell<Recent>,
}

/// Some tokens that were accepted, themselves: comparing a token costs a tenth of hashing it. Each has one place where it can be; in it is who came last.
struct Recent(Box<[Option<(SecretValue, Accepted)>]>);

impl Recent {
    const PLACES: usize = 256;
    /// Longer ones aren't kept.
    const MAX_TOKEN: usize = 4096;

    fn new() -> Self {
        Self((0..Self::PLACES).map(|_| None).collect())
    }

    /// By the last bytes, which are those of the signature, where there is one. Who has many tokens with the same last bytes has them in one place.
    fn place(token: SecretRef<'_>) -> usize {
        let end = token.expose().last_chunk().copied().map_or(0, u64::from_le_bytes);
        // The upper bits of the product depend on all bits of the factor (the golden ratio's, as Knuth proposes).
        (end.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (u64::BITS - Self::PLACES.ilog2())) as usize
    }

    fn get(&self, token: SecretRef<'_>) -> Option<&Accepted> {
        match &self.0[Self::place(token)] {
            Some((known, accepted)) if known.lend().equals(token) => Some(accepted),
            _ => None,
        }
    }

    fn remove(&mut self, token: SecretRef<'_>) {
        self.0[Self::place(token)] = None;
    }

    fn put(&mut self, token: SecretRef<'_>, accepted: &Accepted) {
        if token.expose().len() <= Self::MAX_TOKEN {
            self.0[Self::place(token)] = Some((token.to_value(), accepted.clone()));
        }
    }
}

#[derive(Clone)]
enum Known {
    Accepted(Accepted),
    Refused { why: &'static str, until: Moment },
    Expired { until: Moment },
}

impl Known {
    fn until(&self) -> Moment {
        match self {
            Self::Accepted(Accepted { until, .. }) | Self::Refused { until, .. } | Self::Expired { until } => *until,
        }
    }
}

/// A token that was accepted.
#[derive(Clone)]
struct Accepted {
    caller: Arc<Logged>,
    until: Moment,
    /// When the authenticator last said so; see [`Authenticator::standing_since`].
    since: Cell<Option<u64>>,
}

/// When the cache holds more than this, what has expired is dropped; when nothing has, all of it.
const MAX_KNOWN: usize = 16 * 1024;

impl Identities {
    pub(crate) fn new(authenticator: Arc<dyn Authenticator>) -> Self {
        // The standard library's hasher is the process's source of random keys here; two of its values make ours.
        let keys = (RandomState::new().hash_one(0_u8), RandomState::new().hash_one(1_u8));
        Self { authenticator, keys, known: RefCell::default(), recent: RefCell::new(Recent::new()) }
    }

    /// Whose token this is, `now`.
    pub(crate) async fn caller(&self, token: SecretRef<'_>, settings: &Settings, now: Moment) -> Result<Arc<Logged>, Unauthenticated> {
        if let Some(caller) = self.recall(token, now) {
            return Ok(caller);
        }
        let key = self.hash(token);
        match self.known.borrow().get(&key) {
            Some(Known::Accepted(accepted)) if self.holds(accepted, now) => {
                self.recent.borrow_mut().put(token, accepted);
                return Ok(accepted.caller.clone());
            }
            Some(Known::Refused { why, until }) if now < *until => return Err(Unauthenticated::Refused(why)),
            Some(Known::Expired { until }) if now < *until => return Err(Unauthenticated::Expired),
            _ => {}
        }
        // Before it is asked, since what changes meanwhile counts.
        let since = Cell::new(self.authenticator.standing_since());
        let (known, answer) = match self.authenticator.authenticate(&token.to_value()).get().await {
            Ok(Identity { caller, expires }) => {
                let left = expires.duration_since(SystemTime::now()).map_err(|_| Unauthenticated::Expired)?;
                let caller = Arc::new(Logged::new(caller));
                (Known::Accepted(Accepted { caller: caller.clone(), until: now + left.min(settings.accepted_for), since }), Ok(caller))
            }
            Err(Unauthenticated::Refused(why)) => (Known::Refused { why, until: now + settings.refused_for }, Err(Unauthenticated::Refused(why))),
            Err(Unauthenticated::Expired) => (Known::Expired { until: now + settings.refused_for }, Err(Unauthenticated::Expired)),
            // Nobody's verdict, so nothing to remember.
            Err(unavailable) => return Err(unavailable),
        };
        self.remember(key, known, now);
        answer
    }

    fn hash(&self, token: SecretRef<'_>) -> u128 {
        let mut hasher = SipHasher13::new_with_keys(self.keys.0, self.keys.1);
        hasher.write(token.expose());
        hasher.finish128().as_u128()
    }

    /// Whose token this is, if it is one of those that are kept themselves.
    fn recall(&self, token: SecretRef<'_>, now: Moment) -> Option<Arc<Logged>> {
        let recent = self.recent.borrow();
        let accepted = recent.get(token)?;
        if self.holds(accepted, now) {
            return Some(accepted.caller.clone());
        }
        drop(recent);
        // It isn't good any more, or has to be asked about.
        self.recent.borrow_mut().remove(token);
        None
    }

    /// Whether what was accepted may still be believed.
    fn holds(&self, accepted: &Accepted, now: Moment) -> bool {
        now < accepted.until && self.still_stands(accepted)
    }

    fn still_stands(&self, accepted: &Accepted) -> bool {
        let since = self.authenticator.standing_since();
        let same = since.is_some() && accepted.since.get() == since;
        same || {
            let stands = self.authenticator.still_stands(&accepted.caller.caller);
            if stands {
                accepted.since.set(since);
            }
            stands
        }
    }

    fn remember(&self, key: u128, known: Known, now: Moment) {
        let mut all = self.known.borrow_mut();
        if all.len() >= MAX_KNOWN {
            all.retain(|_, known| now < known.until());
            if all.len() >= MAX_KNOWN {
                all.clear();
            }
        }
        all.insert(key, known);
    }
}

/// For keys that are hashes already.
#[derive(Default)]
struct Hashed(u64);

impl Hasher for Hashed {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u128(&mut self, key: u128) {
        self.0 = key as u64;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// One cache a core, shared by its connections.
pub(crate) type SharedIdentities = Rc<Identities>;

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
    use std::time::Duration;

    use connectors_core::{Answer, Caller};

    use super::*;

    struct Nobody;

    /// Knows one caller, for as long as it is told; counts how often it was asked whether it still does.
    struct Counting {
        stands: AtomicBool,
        changes: AtomicU64,
        asked: AtomicU64,
    }

    impl Authenticator for Counting {
        fn authenticate<'a>(&'a self, _: &'a SecretValue) -> Answer<'a, Result<Identity, Unauthenticated>> {
            let caller = Caller { username: "a".into(), groups: Vec::new(), service_account: None, pod: None };
            Answer::Now(match self.stands.load(Ordering::SeqCst) {
                true => Ok(Identity { caller, expires: SystemTime::now() + Duration::from_secs(60) }),
                false => Err(Unauthenticated::Refused("gone")),
            })
        }

        fn still_stands(&self, _: &Caller) -> bool {
            self.asked.fetch_add(1, Ordering::SeqCst);
            self.stands.load(Ordering::SeqCst)
        }

        fn standing_since(&self) -> Option<u64> {
            Some(self.changes.load(Ordering::SeqCst))
        }
    }

    #[tokio::test]
    async fn p21_a_caller_is_asked_about_again_after_each_change_and_only_then() {
        let authenticator = Arc::new(Counting { stands: AtomicBool::new(true), changes: AtomicU64::new(0), asked: AtomicU64::new(0) });
        let identities = Identities::new(authenticator.clone());
        let (settings, now) = (Settings::default(), Moment::now());
        let ask = || identities.caller(SecretRef::new(b"token"), &settings, now);
        for _ in 0..3 {
            assert!(ask().await.is_ok());
        }
        assert_eq!(authenticator.asked.load(Ordering::SeqCst), 0);
        authenticator.changes.store(1, Ordering::SeqCst);
        for _ in 0..3 {
            assert!(ask().await.is_ok());
        }
        assert_eq!(authenticator.asked.load(Ordering::SeqCst), 1);
        authenticator.stands.store(false, Ordering::SeqCst);
        authenticator.changes.store(2, Ordering::SeqCst);
        assert!(ask().await.is_err());
    }

    impl Authenticator for Nobody {
        fn authenticate<'a>(&'a self, _: &'a SecretValue) -> Answer<'a, Result<Identity, Unauthenticated>> {
            Answer::Now(Err(Unauthenticated::Refused("nobody")))
        }

        fn still_stands(&self, _: &Caller) -> bool {
            true
        }
    }

    /// What is looked up is a hash under a key that nobody outside knows, so the time it takes says nothing of a token.
    #[test]
    fn p27_tokens_are_known_by_their_hashes_under_a_random_key() {
        let caches = [Identities::new(Arc::new(Nobody)), Identities::new(Arc::new(Nobody))];
        let token = SecretRef::new(b"canary-token");
        assert_eq!(caches[0].hash(token), caches[0].hash(SecretValue::new("canary-token").lend()));
        assert_ne!(caches[0].hash(token), caches[0].hash(SecretRef::new(b"canary-tokem")));
        assert_ne!(caches[0].hash(token), caches[1].hash(token), "the key is of this process and cache");
    }

    /// The only comparison of tokens takes the same time wherever they differ; see [`SecretRef::equals`].
    #[test]
    fn p27_what_is_kept_of_a_token_is_for_the_very_token_only() {
        let mut recent = Recent::new();
        let of = |name: &str| {
            let caller = Caller { username: name.into(), groups: Vec::new(), service_account: None, pod: None };
            Accepted { caller: Arc::new(Logged::new(caller)), until: Moment::now(), since: Cell::new(None) }
        };
        let get = |recent: &Recent, token: &[u8]| recent.get(SecretRef::new(token)).map(|accepted| accepted.caller.caller.username.to_string());
        let token = b"canary-token.with-a-signature".as_slice();
        assert_eq!(get(&recent, token), None);
        recent.put(SecretRef::new(token), &of("one"));
        assert_eq!(get(&recent, token).as_deref(), Some("one"));
        for at in 0..token.len() {
            let mut other = token.to_vec();
            other[at] ^= 1;
            assert_eq!(get(&recent, &other), None, "{at}");
            assert_eq!(get(&recent, &token[..at]), None, "{at}");
        }
        // In the same place, as their ends are the same.
        let other = b"another-token.with-a-signature";
        recent.put(SecretRef::new(other), &of("two"));
        assert_eq!((get(&recent, token), get(&recent, other).as_deref()), (None, Some("two")));
        let long = vec![b'x'; Recent::MAX_TOKEN + 1];
        recent.put(SecretRef::new(&long), &of("three"));
        assert_eq!(get(&recent, &long), None);
        assert_eq!(get(&recent, b"short"), None);
        recent.remove(SecretRef::new(other));
        assert_eq!(get(&recent, other), None);
    }
}
