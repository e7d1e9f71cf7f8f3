//! A proxy in this process, with Connectors, callers and rights made by hand.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use connectors_core::{
    Address, Answer, Authenticator, Authorizer, Caller, Connector, ConnectorRef, Flags, Identity, InFlight, Injection, Resolver, SecretValue, Snapshot,
    TrustRoots, Unauthenticated, Undecided, Unready,
};
use connectors_credentials::{ExtractorRule, GeneratorRule, RulePlace};
use connectors_net::{Authority, Cidr, ClientTls, Dialer, Drain, Guard, Listeners, Resolve};
use connectors_proxy::{Observer, Running, Settings, Shared, start};

use crate::canary::{Captured, assert_absent};
use crate::client::Client;

/// The token of a caller called `name`. Long enough to be looked for.
pub fn token(name: &str) -> String {
    format!("canary-token-of-{name}")
}

/// The value of Proxy-Authorization with which a caller names Connectors.
pub fn proxy_authorization(connectors: &str, caller: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{connectors}:{}", token(caller))))
}

/// What a proxy is to have.
pub struct Builder {
    connectors: Vec<Connector>,
    rights: HashSet<(String, String)>,
    secrets: Vec<String>,
    settings: Settings,
    authority: Result<Arc<Authority>, String>,
    allow: Vec<Cidr>,
    connect_timeout: Duration,
    resolver: Option<Box<dyn Resolve>>,
    trust: TrustRoots,
    before_authorizing: Option<Hook>,
}

type Hook = Box<dyn Fn() + Send + Sync>;

/// A proxy that runs until it is dropped; then everything that it wrote is searched for secrets and tokens.
pub struct Proxy {
    running: Option<Running>,
    snapshot: Arc<ArcSwap<Snapshot>>,
    access: Arc<Access>,
    observer: Arc<Observer>,
    log: Captured,
    secrets: Vec<String>,
    ca_pem: Option<String>,
}

/// Who may what; tests change it while the proxy runs.
#[derive(Default)]
struct Access {
    rights: Mutex<HashSet<(String, String)>>,
    removed: Mutex<HashSet<String>>,
    away: Mutex<bool>,
    before_authorizing: Option<Hook>,
}

impl Proxy {
    /// Begins with nothing.
    pub fn build() -> Builder {
        Builder {
            connectors: Vec::new(),
            rights: HashSet::new(),
            secrets: Vec::new(),
            settings: Settings { localhost_names: true, drain_timeout: Duration::from_secs(5), drain_idle_timeout: Duration::ZERO, ..Settings::default() },
            authority: Err("this test has no CA".into()),
            allow: Vec::new(),
            connect_timeout: Duration::from_secs(5),
            resolver: None,
            trust: TrustRoots::default(),
            before_authorizing: None,
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.running.as_ref().unwrap().address()
    }

    /// A new connection to it.
    pub fn client(&self) -> Client {
        Client::connect(self.address())
    }

    /// The interception CA's certificate.
    pub fn ca_pem(&self) -> &str {
        self.ca_pem.as_deref().expect("a proxy with a CA")
    }

    /// Gives a right.
    pub fn allow(&self, caller: &str, connector: &str) {
        self.access.rights.lock().unwrap().insert((caller.into(), connector.into()));
    }

    /// Takes a right away.
    pub fn forbid(&self, caller: &str, connector: &str) {
        self.access.rights.lock().unwrap().remove(&(caller.into(), connector.into()));
    }

    /// Removes a caller altogether.
    pub fn remove_caller(&self, caller: &str) {
        self.access.removed.lock().unwrap().insert(caller.into());
    }

    /// Makes it impossible to ask who a token belongs to.
    pub fn authentication_goes_away(&self) {
        *self.access.away.lock().unwrap() = true;
    }

    /// Puts other Connectors in force.
    pub fn replace(&self, builder: Builder) {
        self.snapshot.store(Arc::new(builder.snapshot()));
    }

    /// The access records so far, one JSON object a line.
    pub fn records(&self) -> String {
        self.log.text()
    }

    /// The metrics page.
    pub fn metrics(&self) -> String {
        self.observer.metrics()
    }

    /// Stops it as SIGTERM does, and waits.
    pub fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop();
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.stop();
        if !std::thread::panicking() {
            assert_absent("the access log", &self.log.text(), &self.secrets);
            assert_absent("the metrics", &self.observer.metrics(), &self.secrets);
            assert_absent("Debug output", &format!("{:#?}", self.snapshot.load()), &self.secrets);
        }
    }
}

impl Builder {
    /// A Connector with Basic authentication.
    pub fn basic(self, name: &str, url: &str, username: &str, password: &str) -> Self {
        let credential = connectors_credentials::basic(&SecretValue::new(username), &SecretValue::new(password)).unwrap();
        self.secret(password).connector(name, url, Injection::Static(credential))
    }

    /// A Connector with a Bearer token.
    pub fn bearer(self, name: &str, url: &str, token: &str) -> Self {
        let credential = connectors_credentials::bearer(&SecretValue::new(token)).unwrap();
        self.secret(token).connector(name, url, Injection::Static(credential))
    }

    /// A Connector whose credential a rule makes of a Secret's values, in field `generator.rego` of class `test`. Values that begin with
    /// `canary` must not turn up anywhere.
    pub fn generated(mut self, name: &str, url: &str, rego: &str, data: &[(&str, &str)]) -> Self {
        let rule = Arc::new(GeneratorRule::compile(place("generator.rego"), rego).unwrap());
        let data: Vec<_> = data.iter().map(|(key, value)| (*key, SecretValue::new(*value))).collect();
        self.secrets.extend(data.iter().filter_map(|(_, value)| value.expose_str()).filter(|value| value.starts_with("canary")).map(String::from));
        let injection = rule.injection(data.iter().map(|(key, value)| (*key, value))).unwrap_or_else(|error| Injection::Unready(Unready::Generator(error)));
        self.connector(name, url, injection)
    }

    /// Has a rule find the tokens in reverse requests to the last Connector, in field `authExtractor.rego` of class `test`.
    pub fn extracting(mut self, rego: &str) -> Self {
        let rule = ExtractorRule::compile(place("authExtractor.rego"), rego).unwrap();
        self.connectors.last_mut().unwrap().extractor = Some(Arc::new(rule));
        self
    }

    /// A Connector without a Secret.
    pub fn open(self, name: &str, url: &str) -> Self {
        self.connector(name, url, Injection::Nothing)
    }

    /// A Connector that can't be used.
    pub fn unready(self, name: &str, url: &str, why: Unready) -> Self {
        self.connector(name, url, Injection::Unready(why))
    }

    /// Gives the last Connector a further address.
    pub fn extension(mut self, url: &str) -> Self {
        self.connectors.last_mut().unwrap().extensions.push(Address::parse(url).unwrap());
        self
    }

    /// Has the last Connector trust a CA.
    pub fn trusting(mut self, der: &[u8]) -> Self {
        self.connectors.last_mut().unwrap().trust = TrustRoots::new(vec![der.into()]);
        self
    }

    /// Gives a caller the right to use a Connector. The caller's token is [`token`]`(caller)`.
    pub fn allow(mut self, caller: &str, connector: &str) -> Self {
        self.rights.insert((caller.into(), connector.into()));
        self
    }

    /// Has requests that are aimed at no Connector reach that range.
    pub fn allow_address(mut self, cidr: &str) -> Self {
        self.allow.push(cidr.parse().unwrap());
        self
    }

    /// Has the proxy intercept, with a CA of its own.
    pub fn intercepting(mut self) -> Self {
        let folder = tempfile::tempdir().unwrap();
        self.authority = Ok(Arc::new(Authority::load_or_create(folder.path()).unwrap()));
        self
    }

    /// Changes settings.
    pub fn settings(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(&mut self.settings);
        self
    }

    /// Changes how long connecting to a tool may take, 5 seconds otherwise.
    pub fn connect_timeout(mut self, within: Duration) -> Self {
        self.connect_timeout = within;
        self
    }

    /// Has the tools' names resolved by `resolver`, and not by the system.
    pub fn resolving(mut self, resolver: impl Resolve + 'static) -> Self {
        self.resolver = Some(Box::new(resolver));
        self
    }

    /// Has each request wait for `hook` when it is known whose it is and before anything is sent to a tool. The proxy does and sees nothing in the meantime.
    pub fn before_authorizing(mut self, hook: impl Fn() + Send + Sync + 'static) -> Self {
        self.before_authorizing = Some(Box::new(hook));
        self
    }

    fn secret(mut self, secret: &str) -> Self {
        self.secrets.push(secret.into());
        self
    }

    fn connector(mut self, name: &str, url: &str, injection: Injection) -> Self {
        self.connectors.push(Connector {
            name: ConnectorRef::parse(name).unwrap(),
            class: "test".into(),
            resolver: Resolver::Host,
            address: Address::parse(url).unwrap(),
            extensions: Vec::new(),
            injection,
            extractor: None,
            trust: TrustRoots::default(),
            in_flight: InFlight::default(),
        });
        self
    }

    fn snapshot(self) -> Snapshot {
        Snapshot::new(self.connectors.into_iter().map(Arc::new), Flags::default(), self.trust)
    }

    /// Starts it on a free port, on one core.
    pub fn start(mut self) -> Proxy {
        let rights = Mutex::new(std::mem::take(&mut self.rights));
        let access = Arc::new(Access { rights, before_authorizing: self.before_authorizing.take(), ..Access::default() });
        let log = Captured::default();
        let observer = Arc::new(Observer::new(log.clone()));
        let authority = self.authority.clone();
        let ca_pem = authority.as_ref().ok().map(|authority| authority.certificate_pem().to_owned());
        // Every caller's token is a secret too.
        let mut secrets = std::mem::take(&mut self.secrets);
        secrets.push(token(""));
        let (guard, tls) = (Guard::new(std::mem::take(&mut self.allow)), ClientTls::new());
        let dialer = match self.resolver.take() {
            Some(resolver) => Dialer::with_resolver(guard, tls, self.connect_timeout, resolver),
            None => Dialer::new(guard, tls, self.connect_timeout),
        };
        let settings = self.settings.clone();
        let snapshot = Arc::new(ArcSwap::from_pointee(self.snapshot()));
        let shared = Shared {
            settings,
            snapshot: snapshot.clone(),
            authenticator: access.clone(),
            authorizer: access.clone(),
            dialer,
            authority,
            observer: observer.clone(),
            drain: Drain::new(),
        };
        let running = start(Listeners::bind("127.0.0.1:0".parse().unwrap(), 1).unwrap(), shared).unwrap();
        Proxy { running: Some(running), snapshot, access, observer, log, secrets, ca_pem }
    }
}

fn place(field: &str) -> RulePlace {
    RulePlace { class: "test".into(), field: field.into() }
}

impl Authenticator for Access {
    fn authenticate<'a>(&'a self, presented: &'a SecretValue) -> Answer<'a, Result<Identity, Unauthenticated>> {
        Answer::Later(Box::pin(async move {
            if *self.away.lock().unwrap() {
                return Err(Unauthenticated::Unavailable("the test says so".into()));
            }
            let name = presented.expose_str().and_then(|text| text.strip_prefix(&token(""))).ok_or(Unauthenticated::Refused("no token of this test"))?;
            let caller = Caller { username: name.into(), groups: Vec::new(), service_account: None, pod: None };
            match self.still_stands(&caller) {
                true => Ok(Identity { caller, expires: SystemTime::now() + Duration::from_secs(60) }),
                false => Err(Unauthenticated::Refused("the caller was removed")),
            }
        }))
    }

    fn still_stands(&self, caller: &Caller) -> bool {
        !self.removed.lock().unwrap().contains(&*caller.username)
    }
}

impl Authorizer for Access {
    fn may_use<'a>(&'a self, _: Flags, caller: &'a Caller, connector: &'a ConnectorRef) -> Answer<'a, Result<bool, Undecided>> {
        if let Some(hook) = &self.before_authorizing {
            hook();
        }
        let wanted = (caller.username.to_string(), connector.to_string());
        Answer::Now(Ok(self.rights.lock().unwrap().contains(&wanted)))
    }
}
