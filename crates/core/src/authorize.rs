//! Who may do what: the traits that answer, and the one function that turns answers into a [`Permit`].

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::SystemTime;

use crate::{Address, Caller, Connector, ConnectorRef, Flags, Origin, RequestPath, SecretValue, Snapshot};

/// An answer that is there at once, or that takes asking another system.
pub enum Answer<'a, T> {
    /// Known without waiting.
    Now(T),
    /// Known once the future has run.
    Later(Pin<Box<dyn Future<Output = T> + Send + 'a>>),
}

impl<T> Answer<'_, T> {
    /// Waits if it must.
    pub async fn get(self) -> T {
        match self {
            Self::Now(value) => value,
            Self::Later(future) => future.await,
        }
    }
}

/// Says who a token belongs to.
pub trait Authenticator: Send + Sync {
    /// Checks signature, lifetime, audience, and that the subject still exists.
    fn authenticate<'a>(&'a self, token: &'a SecretValue) -> Answer<'a, Result<Identity, Unauthenticated>>;

    /// Whether a caller authenticated a moment ago still stands. Asked on every use of a cached identity, so it must be cheap; what it
    /// can't know without asking another system it leaves to the cache's short life.
    fn still_stands(&self, caller: &Caller) -> bool;

    /// Changes before an answer of [`still_stands`](Self::still_stands) does, so that it needn't be asked while this is the same. `None`: ask each time.
    fn standing_since(&self) -> Option<u64> {
        None
    }
}

/// Who, and until when that may be believed.
#[derive(Debug)]
pub struct Identity {
    /// The caller.
    pub caller: Caller,
    /// The token's own expiry.
    pub expires: SystemTime,
}

/// Why a token was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum Unauthenticated {
    /// The token is bad. The text is for the operator's log and never holds any of the token.
    #[error("token refused: {0}")]
    Refused(&'static str),
    /// The token was good and has expired. Said only of one whose signature is right, so its holder may be told.
    #[error("the token has expired")]
    Expired,
    /// Nobody could be asked.
    #[error("the token can't be checked now: {0}")]
    Unavailable(String),
}

/// Says whether a caller may use a Connector.
pub trait Authorizer: Send + Sync {
    /// Whether `caller` may use the Connector of that name, be there one or not. With
    /// [`Flags::connector_proxy_permissions`] the right on subresource `proxy` is needed too.
    fn may_use<'a>(&'a self, flags: Flags, caller: &'a Caller, connector: &'a ConnectorRef) -> Answer<'a, Result<bool, Undecided>>;
}

/// No decision could be had; nothing is permitted.
#[derive(Debug, thiserror::Error)]
#[error("the permission can't be checked now: {0}")]
pub struct Undecided(pub String);

/// What a request asks for, before anything about Connectors has been told to its caller.
#[derive(Debug, Clone, Copy)]
pub enum Aim<'a> {
    /// A reverse request: that Connector, at its `spec.address`.
    Connector(&'a ConnectorRef),
    /// A forward request: a URL, by way of one of the Connectors named.
    Url {
        /// The names in Proxy-Authorization, at least one.
        named: &'a [ConnectorRef],
        /// Where the request goes.
        origin: &'a Origin,
        /// The path there.
        path: &'a RequestPath<'a>,
    },
}

/// What the caller may do.
#[derive(Debug)]
pub enum Granted {
    /// Use that Connector's credential, at that target.
    Target(Permit),
    /// Pass, without a credential: aimed at no target of the Connectors named.
    Elsewhere(Passage),
}

/// The right to put one Connector's credential on one request. Only [`authorize`] makes it.
#[derive(Debug)]
pub struct Permit {
    caller: Arc<Caller>,
    connector: Arc<Connector>,
    /// Index into [`Connector::targets`].
    target: usize,
}

impl Permit {
    /// Who may.
    pub fn caller(&self) -> &Arc<Caller> {
        &self.caller
    }

    /// Which Connector.
    pub fn connector(&self) -> &Arc<Connector> {
        &self.connector
    }

    /// The target that the request is aimed at.
    pub fn target(&self) -> &Address {
        match self.target {
            0 => &self.connector.address,
            n => &self.connector.extensions[n - 1],
        }
    }
}

/// The right to pass through the proxy without any credential. Only [`authorize`] makes it.
#[derive(Debug)]
pub struct Passage {
    caller: Arc<Caller>,
}

impl Passage {
    /// Who may.
    pub fn caller(&self) -> &Arc<Caller> {
        &self.caller
    }
}

/// Why not.
#[derive(Debug, thiserror::Error)]
pub enum Denied {
    /// No right on the Connector; whether it exists is not said.
    #[error("no permission to use Connector {0}")]
    Forbidden(ConnectorRef),
    /// The caller has the right, but there is no such Connector.
    #[error("Connector {0} does not exist")]
    NotFound(ConnectorRef),
    /// No decision could be had.
    #[error(transparent)]
    Undecided(#[from] Undecided),
}

impl Denied {
    /// Names the first Connector that the caller named, whichever it was about: else the text would tell whose address the URL is under.
    fn without_details(self, named: &[ConnectorRef]) -> Self {
        match (self, named.first()) {
            (Self::Forbidden(_), Some(first)) => Self::Forbidden(first.clone()),
            (other, _) => other,
        }
    }
}

/// Decides one request.
///
/// Rights are asked by name before the snapshot's answer is used, so that a caller without rights is told the same of a
/// Connector that exists and of one that doesn't. Of several names in a forward request, the Connector whose target matches
/// longest is used and only that one is authorized; when none matches, a right on one of them is enough to pass on without a credential.
pub async fn authorize(snapshot: &Snapshot, caller: &Arc<Caller>, aim: Aim<'_>, authorizer: &dyn Authorizer) -> Result<Granted, Denied> {
    let flags = snapshot.flags();
    match aim {
        Aim::Connector(name) => {
            require(flags, caller, name, authorizer).await?;
            let connector = snapshot.connector(name).ok_or_else(|| Denied::NotFound(name.clone()))?;
            Ok(Granted::Target(Permit { caller: caller.clone(), connector: connector.clone(), target: 0 }))
        }
        Aim::Url { named, origin, path } => match used(snapshot, named, origin, path) {
            Some((connector, target)) => {
                require(flags, caller, &connector.name, authorizer).await.map_err(|denied| denied.without_details(named))?;
                Ok(Granted::Target(Permit { caller: caller.clone(), connector: connector.clone(), target }))
            }
            None => {
                require_any(flags, caller, named, authorizer).await?;
                Ok(Granted::Elsewhere(Passage { caller: caller.clone() }))
            }
        },
    }
}

/// Decides whether a CONNECT to `origin` may be answered at all. Every request inside is decided again by [`authorize`], with its path.
///
/// A right on one of the Connectors that have a target there is enough, or, when none has, on any of those named. Tells whether any has.
pub async fn authorize_connect(
    snapshot: &Snapshot,
    caller: &Arc<Caller>,
    named: &[ConnectorRef],
    origin: &Origin,
    authorizer: &dyn Authorizer,
) -> Result<Aimed, Denied> {
    let there = |name: &&ConnectorRef| snapshot.connector(name).is_some_and(|connector| connector.is_at(origin));
    let aimed: Vec<&ConnectorRef> = named.iter().filter(there).collect();
    if aimed.is_empty() {
        require_any(snapshot.flags(), caller, named, authorizer).await?;
        return Ok(Aimed::Elsewhere);
    }
    require_any(snapshot.flags(), caller, aimed, authorizer).await.map_err(|denied| denied.without_details(named))?;
    Ok(Aimed::AtTarget)
}

/// Whether a CONNECT leads to a target of one of the Connectors named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aimed {
    /// It does.
    AtTarget,
    /// It doesn't.
    Elsewhere,
}

/// The named Connector whose target matches longest, and which of its targets that is.
fn used<'s>(snapshot: &'s Snapshot, named: &[ConnectorRef], origin: &Origin, path: &RequestPath<'_>) -> Option<(&'s Arc<Connector>, usize)> {
    let mut best: Option<(&Arc<Connector>, usize, usize)> = None;
    for connector in named.iter().filter_map(|name| snapshot.connector(name)) {
        for (index, address) in connector.targets().enumerate() {
            let length = address.prefix().as_str().len();
            if address.contains(origin, path) && best.is_none_or(|(.., longest)| length > longest) {
                best = Some((connector, index, length));
            }
        }
    }
    best.map(|(connector, index, _)| (connector, index))
}

async fn require(flags: Flags, caller: &Caller, name: &ConnectorRef, authorizer: &dyn Authorizer) -> Result<(), Denied> {
    let answer = match authorizer.may_use(flags, caller, name) {
        Answer::Now(answer) => answer,
        Answer::Later(answer) => answer.await,
    };
    match answer? {
        true => Ok(()),
        false => Err(Denied::Forbidden(name.clone())),
    }
}

async fn require_any(flags: Flags, caller: &Caller, named: impl IntoIterator<Item = &ConnectorRef>, authorizer: &dyn Authorizer) -> Result<(), Denied> {
    let mut refused = None;
    for name in named {
        match require(flags, caller, name, authorizer).await {
            Ok(()) => return Ok(()),
            // A failure to ask outranks a plain no: the answer might have been yes.
            Err(denied) if refused.is_none() || matches!(denied, Denied::Undecided(_)) => refused = Some(denied),
            Err(_) => {}
        }
    }
    Err(refused.unwrap_or_else(|| Denied::Undecided(Undecided("no Connector was named".into()))))
}

#[cfg(test)]
mod tests {
    use std::future::{Ready, ready};
    use std::task::{Context, Poll, Waker};

    use super::*;
    use crate::{InFlight, Injection, Resolver, TrustRoots};

    /// Allows the names listed; anything else is refused.
    struct Allow(&'static [&'static str]);

    impl Authorizer for Allow {
        fn may_use<'a>(&'a self, _: Flags, _: &'a Caller, connector: &'a ConnectorRef) -> Answer<'a, Result<bool, Undecided>> {
            Answer::Now(Ok(self.0.contains(&connector.as_str())))
        }
    }

    struct Away;

    impl Authorizer for Away {
        fn may_use<'a>(&'a self, _: Flags, _: &'a Caller, _: &'a ConnectorRef) -> Answer<'a, Result<bool, Undecided>> {
            let away: Ready<Result<bool, Undecided>> = ready(Err(Undecided("connection refused".into())));
            Answer::Later(Box::pin(away))
        }
    }

    fn now<T>(future: impl Future<Output = T>) -> T {
        match std::pin::pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(value) => value,
            Poll::Pending => panic!("had to wait"),
        }
    }

    fn name(text: &str) -> ConnectorRef {
        ConnectorRef::parse(text).unwrap()
    }

    fn snapshot() -> Snapshot {
        let connector = |full: &str, address: &str, extensions: &[&str]| {
            Arc::new(Connector {
                name: name(full),
                class: "git".into(),
                resolver: Resolver::Host,
                address: Address::parse(address).unwrap(),
                extensions: extensions.iter().map(|text| Address::parse(text).unwrap()).collect(),
                injection: Injection::Nothing,
                extractor: None,
                trust: TrustRoots::default(),
                in_flight: InFlight::default(),
            })
        };
        Snapshot::new(
            [connector("a/host", "https://git.example", &[]), connector("a/team", "https://git.example/team", &["https://api.example/team"])],
            Flags::default(),
            TrustRoots::default(),
        )
    }

    fn caller() -> Arc<Caller> {
        Arc::new(Caller { username: "someone".into(), groups: Vec::new(), service_account: None, pod: None })
    }

    fn url(names: &[&str], address: &str, authorizer: &dyn Authorizer) -> String {
        let named: Vec<_> = names.iter().map(|text| name(text)).collect();
        let address = Address::parse(address).unwrap();
        let text = format!("{}/", address.prefix().as_str());
        let path = RequestPath::parse(&text).unwrap();
        match now(authorize(&snapshot(), &caller(), Aim::Url { named: &named, origin: address.origin(), path: &path }, authorizer)) {
            Ok(Granted::Target(permit)) => format!("{} at {}", permit.connector().name, permit.target()),
            Ok(Granted::Elsewhere(_)) => "elsewhere".into(),
            Err(denied) => denied.to_string(),
        }
    }

    #[test]
    fn the_longest_target_is_used_and_only_that_connector_is_authorized() {
        let both = ["a/host", "a/team"];
        assert_eq!(url(&both, "https://git.example/team/x", &Allow(&["a/team"])), "a/team at https://git.example/team");
        assert_eq!(url(&both, "https://git.example/teams", &Allow(&["a/host"])), "a/host at https://git.example");
        assert_eq!(url(&both, "https://git.example/team/x", &Allow(&["a/host"])), "no permission to use Connector a/host", "which one matched is not said");
        assert_eq!(url(&both, "https://api.example/team", &Allow(&["a/team"])), "a/team at https://api.example/team");
    }

    #[test]
    fn elsewhere_takes_a_right_on_one_of_those_named() {
        assert_eq!(url(&["a/host", "a/team"], "https://other.example", &Allow(&["a/team"])), "elsewhere");
        assert_eq!(url(&["a/host", "a/team"], "https://other.example", &Allow(&[])), "no permission to use Connector a/host");
        assert_eq!(url(&["a/host"], "http://git.example", &Allow(&["a/host"])), "elsewhere", "another scheme is another origin");
        assert_eq!(url(&["a/host"], "https://git.example:444", &Allow(&["a/host"])), "elsewhere", "another port is another origin");
    }

    #[test]
    fn an_unknown_connector_is_told_apart_only_with_rights() {
        let decide = |full: &str, authorizer: &dyn Authorizer| {
            let wanted = name(full);
            now(authorize(&snapshot(), &caller(), Aim::Connector(&wanted), authorizer)).err().map(|denied| denied.to_string())
        };
        assert_eq!(decide("a/none", &Allow(&[])).unwrap().replace("none", "host"), decide("a/host", &Allow(&[])).unwrap());
        assert_eq!(decide("a/none", &Allow(&["a/none"])).unwrap(), "Connector a/none does not exist");
        assert_eq!(decide("a/host", &Allow(&["a/host"])), None);
    }

    #[test]
    fn no_answer_is_no_permission() {
        let away = "the permission can't be checked now: connection refused";
        assert_eq!(url(&["a/host"], "https://git.example", &Away), away);
        assert_eq!(url(&["a/host"], "https://other.example", &Away), away);
        assert_eq!(url(&[], "https://other.example", &Allow(&["a/host"])), "the permission can't be checked now: no Connector was named");
    }

    #[test]
    fn connect_takes_a_right_on_a_connector_that_is_there() {
        let decide = |names: &[&str], address: &str, allowed: &'static [&'static str]| {
            let named: Vec<_> = names.iter().map(|text| name(text)).collect();
            let address = Address::parse(address).unwrap();
            now(authorize_connect(&snapshot(), &caller(), &named, address.origin(), &Allow(allowed))).ok()
        };
        assert_eq!(decide(&["a/host", "a/team"], "https://git.example", &["a/host"]), Some(Aimed::AtTarget));
        assert_eq!(decide(&["a/host", "a/team"], "https://api.example", &["a/host"]), None);
        assert_eq!(decide(&["a/host", "a/team"], "https://other.example", &["a/host"]), Some(Aimed::Elsewhere));
        assert_eq!(decide(&["a/host"], "https://git.example", &[]), None);
    }
}
