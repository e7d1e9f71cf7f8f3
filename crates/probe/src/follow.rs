//! Keeping conditions up to date: what is probed when, on a thread of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use connectors_core::{Address, Flags, TrustRoots};
use connectors_crd::conditions::{self, Known, Reached};
use connectors_crd::probing::{Outcome, Probed, Role, Verdict};
use connectors_crd::{CheckedClass, Condition, ConditionStatus, Objects, Subject, Surroundings, destination_url, pem_certificates};
use connectors_net::DialError;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::queue::{Due, Key, Name, Queue};
use crate::{Api, Board, Failure, Failures, Pace, Prober};

/// How long to sleep when nothing is due.
const LONG: Duration = Duration::from_secs(3600);

/// How things are probed.
#[derive(Clone)]
pub struct Settings {
    /// By what.
    pub prober: Prober,
    /// How often.
    pub pace: Pace,
    /// What the addresses of Services depend on.
    pub surroundings: Surroundings,
}

/// Ends the probing when it is dropped; what is being probed at that moment is given up.
#[derive(Debug)]
pub struct Following {
    signals: Arc<Signals>,
}

/// What the thread is woken by.
#[derive(Debug, Default)]
struct Signals {
    changed: Notify,
    stop: AtomicBool,
}

impl Following {
    /// Something that tells that what is in force has changed. It returns at once, and can be called by any thread.
    pub fn teller(&self) -> impl Fn() + Send + Sync + 'static {
        let signals = self.signals.clone();
        move || signals.changed.notify_one()
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.signals.stop.store(true, Ordering::Release);
        self.signals.changed.notify_one();
    }
}

/// Probes what `source` has, now, whenever it is told of a change, and again and again; the outcome is on `board`.
///
/// # Errors
/// The thread can't be started.
pub fn follow(settings: Settings, board: Board, source: impl Fn() -> Objects + Send + 'static) -> io::Result<Following> {
    let signals = Arc::new(Signals::default());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let heard = signals.clone();
    std::thread::Builder::new().name("probes".into()).spawn(move || {
        let follower = Follower::new(settings, board);
        runtime.block_on(follower.run(&heard, &source));
    })?;
    Ok(Following { signals })
}

/// When a probe is due.
#[derive(Debug, Default)]
struct Turn {
    due: Option<Instant>,
    why: Due,
    failures: Failures,
    /// Counts changes of the object: what was found of an earlier one is of no use.
    version: u64,
    /// The version that is being probed now.
    running: Option<u64>,
}

struct ClassEntry {
    class: Arc<CheckedClass>,
    /// Its API, with the CAs that count for every Connector and its own.
    api: Option<Api>,
    reached: Reached,
    turn: Turn,
    told: Told,
}

struct ConnectorEntry {
    subject: Subject,
    liveness: ProbeEntry,
    auth: ProbeEntry,
    told: Told,
}

/// A probe of a Connector. Each has turns of its own: a credential that is refused doesn't keep anybody from seeing that the tool is there.
#[derive(Default)]
struct ProbeEntry {
    probed: Option<Probed>,
    turn: Turn,
}

impl ConnectorEntry {
    fn probe(&self, role: Role) -> &ProbeEntry {
        match role {
            Role::Liveness => &self.liveness,
            Role::Auth => &self.auth,
        }
    }

    fn probe_mut(&mut self, role: Role) -> &mut ProbeEntry {
        match role {
            Role::Liveness => &mut self.liveness,
            Role::Auth => &mut self.auth,
        }
    }
}

/// What came of one turn.
enum Found {
    Class(Reached),
    Probe(Option<Outcome>),
}

struct Done {
    key: Key,
    version: u64,
    found: Found,
}

struct Follower {
    settings: Settings,
    board: Board,
    flags: Flags,
    trust: TrustRoots,
    classes: BTreeMap<String, ClassEntry>,
    connectors: BTreeMap<Name, ConnectorEntry>,
    /// Those that aren't running.
    queue: Queue,
    /// Of the object that changed last.
    version: u64,
    /// Whether what is new was there from the beginning.
    beginning: bool,
}

impl Follower {
    fn new(settings: Settings, board: Board) -> Self {
        let (flags, trust, queue) = (Flags::default(), TrustRoots::default(), Queue::default());
        Self { settings, board, flags, trust, classes: BTreeMap::new(), connectors: BTreeMap::new(), queue, version: 0, beginning: true }
    }

    async fn run(mut self, signals: &Signals, source: &(impl Fn() -> Objects + Send)) {
        let mut running: JoinSet<Done> = JoinSet::new();
        self.look(source());
        self.beginning = false;
        while !signals.stop.load(Ordering::Acquire) {
            while let Some(key) = self.queue.next(Instant::now()) {
                match self.begin(key.clone()) {
                    Some(work) => drop(running.spawn(work)),
                    None => self.queue.ended(&key),
                }
            }
            let wait = self.queue.wakes().unwrap_or_else(|| Instant::now() + LONG);
            tokio::select! {
                () = signals.changed.notified() => if !signals.stop.load(Ordering::Acquire) { self.look(source()) },
                Some(Ok(done)) = running.join_next() => self.end(done),
                () = tokio::time::sleep_until(wait) => {}
            }
        }
    }

    /// Takes in what is in force now. What changed is due at once, what is gone is forgotten.
    fn look(&mut self, objects: Objects) {
        let Objects { flags, trust, classes, connectors } = objects;
        let flags_changed = self.flags != flags;
        let trust_changed = self.trust != trust;
        (self.flags, self.trust) = (flags, trust);

        let mut other_classes = BTreeSet::new();
        let mut gone: BTreeSet<String> = self.classes.keys().cloned().collect();
        for class in classes {
            let name = class.class().metadata.name.clone();
            gone.remove(&name);
            let same = self.classes.get(&name).is_some_and(|entry| Arc::ptr_eq(&entry.class, &class)) && !trust_changed;
            if !same {
                self.put_class(&name, class);
                other_classes.insert(name);
            }
        }
        for name in gone {
            self.unqueue(&Key::Class(name.clone()));
            self.classes.remove(&name);
            self.board.remove_class(&name);
        }

        let mut gone: BTreeSet<Name> = self.connectors.keys().cloned().collect();
        for subject in connectors {
            let (namespace, name) = subject.name();
            let name = (namespace.to_owned(), name.to_owned());
            gone.remove(&name);
            let same = self.connectors.get(&name).is_some_and(|entry| entry.subject.same_as(&subject));
            let class_changed = other_classes.contains(&subject.connector.spec.connector_class_name);
            if !same {
                self.put_connector(&name, subject);
            }
            if !same || flags_changed || class_changed {
                self.show_connector(&name);
            }
        }
        for name in gone {
            Role::ALL.into_iter().for_each(|role| self.unqueue(&Key::Probe(name.clone(), role)));
            self.connectors.remove(&name);
            self.board.remove_connector(&name);
        }
    }

    fn put_class(&mut self, name: &str, class: Arc<CheckedClass>) {
        let key = Key::Class(name.to_owned());
        self.unqueue(&key);
        let before = self.classes.remove(name);
        let (mut turn, told, old_api, old_reached) = before.map(|entry| (entry.turn, entry.told, entry.api, entry.reached)).unwrap_or_default();
        let (api, reached) = match &class.class().spec.api {
            None => (None, Reached::Unchecked),
            Some(api) => match destination_url(api.reference.as_ref(), &api.uri, None, &self.settings.surroundings) {
                Ok(url) => {
                    let own = pem_certificates(&api.ca_certs);
                    let trust = TrustRoots::new(self.trust.certificates().map(Box::from).chain(own).collect());
                    let api = Some(Api { url, trust });
                    // What is known of another API says nothing of this one.
                    let reached = if api == old_api { old_reached } else { Reached::Unchecked };
                    (api, reached)
                }
                Err(error) => (None, Reached::Unresolved(format!("spec.api: {error}"))),
            },
        };
        // Of a class there is little to probe, and many want to know.
        turn.change(self.new_version(), api.is_some(), Due::Changed);
        self.classes.insert(name.to_owned(), ClassEntry { class, api, reached, turn, told });
        self.queue_turn(key);
        self.show_class(name);
    }

    fn put_connector(&mut self, name: &Name, subject: Subject) {
        Role::ALL.into_iter().for_each(|role| self.unqueue(&Key::Probe(name.clone(), role)));
        let before = self.connectors.remove(name);
        // A class that changes, or CAs that count for all, would have everything come first.
        let only_around = |entry: &ConnectorEntry| {
            let (class, trust) = (subject.class.clone(), subject.trust.clone());
            Subject { class, trust, ..entry.subject.clone() }.same_as(&subject)
        };
        let why = if self.beginning || before.as_ref().is_some_and(only_around) { Due::Again } else { Due::Changed };
        let holds = before.as_ref().is_some_and(|entry| entry.subject.is_probed_like(&subject));
        let (mut liveness, mut auth, told) = before.map(|entry| (entry.liveness, entry.auth, entry.told)).unwrap_or_default();
        if !holds {
            (liveness.probed, auth.probed) = (None, None);
        }
        let version = self.new_version();
        liveness.turn.change(version, true, why);
        auth.turn.change(version, true, why);
        self.connectors.insert(name.clone(), ConnectorEntry { subject, liveness, auth, told });
        Role::ALL.into_iter().for_each(|role| self.queue_turn(Key::Probe(name.clone(), role)));
    }

    /// One that no object had before, not even one of the same name.
    fn new_version(&mut self) -> u64 {
        self.version += 1;
        self.version
    }

    /// What is to be done for an object whose turn it is.
    fn begin(&mut self, key: Key) -> Option<impl Future<Output = Done> + use<>> {
        let prober = self.settings.prober.clone();
        let (version, work) = match &key {
            Key::Class(name) => {
                let entry = self.classes.get_mut(name)?;
                let api = entry.api.clone()?;
                (entry.turn.begin(), Work::Class(api))
            }
            Key::Probe(name, role) => {
                let entry = self.connectors.get_mut(name)?;
                let class = self.classes.get(&entry.subject.connector.spec.connector_class_name);
                let api = class.and_then(|class| class.api.clone());
                let subject = Box::new(entry.subject.clone());
                (entry.probe_mut(*role).turn.begin(), Work::Probe { role: *role, subject, api })
            }
        };
        Some(async move { Done { found: work.run(&prober).await, key, version } })
    }

    fn end(&mut self, done: Done) {
        let Done { key, version, found } = done;
        self.queue.ended(&key);
        match (&key, found) {
            (Key::Class(name), Found::Class(reached)) => self.end_class(name, version, reached),
            (Key::Probe(name, role), Found::Probe(outcome)) => self.end_probe(name, *role, version, outcome),
            // A turn finds what it was begun for.
            (Key::Class(_), Found::Probe(_)) | (Key::Probe(..), Found::Class(_)) => {}
        }
        self.queue_turn(key);
    }

    fn end_class(&mut self, name: &str, version: u64, reached: Reached) {
        let Some(entry) = self.classes.get_mut(name) else { return };
        if !entry.turn.end(version) {
            return;
        }
        let verdict = if reached == Reached::Answers { Verdict::Passed } else { Verdict::NoAnswer };
        entry.turn.next(&self.settings.pace, Some(verdict));
        if entry.reached == reached {
            return;
        }
        entry.reached = reached;
        self.show_class(name);
        let of_class = |(_, entry): &(&Name, &ConnectorEntry)| entry.subject.connector.spec.connector_class_name == name;
        let connectors: Vec<Name> = self.connectors.iter().filter(of_class).map(|(name, _)| name.clone()).collect();
        connectors.iter().for_each(|name| self.show_connector(name));
    }

    fn end_probe(&mut self, name: &Name, role: Role, version: u64, outcome: Option<Outcome>) {
        let Some(entry) = self.connectors.get_mut(name) else { return };
        let probe = entry.probe_mut(role);
        if !probe.turn.end(version) {
            return;
        }
        let verdict = outcome.as_ref().map(|outcome| outcome.verdict);
        probe.turn.next(&self.settings.pace, verdict);
        probe.probed = outcome.map(|outcome| Probed { outcome, at: now() });
        if let Some(verdict) = verdict {
            self.board.count(role, verdict);
        }
        self.show_connector(name);
    }

    fn show_class(&mut self, name: &str) {
        let Some(entry) = self.classes.get_mut(name) else { return };
        // The proxy is this program, whatever the class says.
        let mut conditions = conditions::class(&entry.class, &entry.reached, &Reached::Answers);
        conditions::since(&mut conditions, &self.board.class(name).unwrap_or_default(), &now());
        entry.told.tell("ConnectorClass", name, &conditions);
        self.board.put_class(name, conditions);
    }

    fn show_connector(&mut self, name: &Name) {
        let Some(entry) = self.connectors.get_mut(name) else { return };
        let of_class = self.board.class(&entry.subject.connector.spec.connector_class_name);
        let (liveness, auth) = (entry.liveness.probed.as_ref(), entry.auth.probed.as_ref());
        let known = Known { class: of_class.as_deref(), liveness, auth, ..Known::default() };
        let mut conditions = entry.subject.conditions(self.flags, &known);
        conditions::since(&mut conditions, &self.board.connector(name).unwrap_or_default(), &now());
        entry.told.tell("Connector", &format!("{}/{}", name.0, name.1), &conditions);
        self.board.put_connector(name, conditions);
    }

    fn turn(&self, key: &Key) -> Option<&Turn> {
        match key {
            Key::Class(name) => self.classes.get(name).map(|entry| &entry.turn),
            Key::Probe(name, role) => self.connectors.get(name).map(|entry| &entry.probe(*role).turn),
        }
    }

    /// Queues what is due some time and doesn't run.
    fn queue_turn(&mut self, key: Key) {
        if let Some(Turn { due: Some(due), why, running: None, .. }) = self.turn(&key) {
            let (due, why) = (*due, *why);
            self.queue.insert(due, key, why);
        }
    }

    fn unqueue(&mut self, key: &Key) {
        if let Some(Turn { due: Some(due), why, .. }) = self.turn(key) {
            let (due, why) = (*due, *why);
            self.queue.remove(due, key, why);
        }
    }
}

impl Turn {
    /// The object is another than before.
    fn change(&mut self, version: u64, probed: bool, why: Due) {
        self.version = version;
        self.why = why;
        self.failures = Failures::default();
        self.due = probed.then(Instant::now);
    }

    /// It runs; returns which version of it.
    fn begin(&mut self) -> u64 {
        self.running = Some(self.version);
        self.version
    }

    /// It has run; returns whether what was found is of use. If not, it is due already.
    fn end(&mut self, version: u64) -> bool {
        if self.running == Some(version) {
            self.running = None;
        }
        self.version == version
    }

    fn next(&mut self, pace: &Pace, found: Option<Verdict>) {
        // Nothing to ask, nothing to ask again before something changes.
        self.why = Due::Again;
        self.due = found.map(|verdict| Instant::now() + pace.pause(verdict, &mut self.failures, chance()));
    }
}

/// What one turn does, apart from everything that may change meanwhile.
enum Work {
    Class(Api),
    Probe { role: Role, subject: Box<Subject>, api: Option<Api> },
}

impl Work {
    async fn run(self, prober: &Prober) -> Found {
        match self {
            Self::Class(Api { url, trust }) => Found::Class(reach(prober, &url, &trust).await),
            Self::Probe { role, subject, api } => Found::Probe(prober.probe(role, *subject, api).await.map(|ran| ran.outcome)),
        }
    }
}

/// Whether anybody answers at a URL.
async fn reach(prober: &Prober, url: &str, trust: &TrustRoots) -> Reached {
    let address = match Address::parse(url) {
        Ok(address) => address,
        Err(error) => return Reached::Unresolved(format!("spec.api: {url:?}: {error}")),
    };
    let path = match address.prefix().as_str() {
        "" => "/",
        prefix => prefix,
    };
    match prober.get(address.origin(), path, trust, None).await {
        Ok(_) => Reached::Answers,
        Err(Some(failure @ Failure::Dial(DialError::Resolve(_)))) => Reached::Unresolved(format!("GET {url} : {}", failure.public())),
        Err(Some(failure)) => Reached::Unreachable(format!("GET {url} : {}", failure.public())),
        Err(None) => Reached::Unreachable(format!("GET {url} : no answer in time")),
    }
}

/// By type, the conditions that the log has as false, and their reasons. While nothing is known of one, it stays what it was.
#[derive(Default)]
struct Told(BTreeMap<String, String>);

impl Told {
    /// Logs conditions that came to be false, and that no longer are.
    fn tell(&mut self, kind: &str, name: &str, conditions: &[Condition]) {
        // Ready says only what the others say.
        for Condition { condition_type, status, reason, message, .. } in conditions.iter().filter(|condition| condition.condition_type != conditions::READY) {
            match status {
                ConditionStatus::Unknown => {}
                ConditionStatus::True => {
                    if self.0.remove(condition_type).is_some() {
                        tracing::info!(kind, name, condition = %condition_type, %reason, "holds again");
                    }
                }
                ConditionStatus::False => {
                    if self.0.insert(condition_type.clone(), reason.clone()).as_ref() != Some(reason) {
                        tracing::warn!(kind, name, condition = %condition_type, %reason, "{message}");
                    }
                }
            }
        }
    }
}

/// RFC 3339, in whole seconds, as Kubernetes writes times.
fn now() -> String {
    let now = OffsetDateTime::now_utc();
    now.replace_nanosecond(0).unwrap_or(now).format(&Rfc3339).unwrap_or_default()
}

/// From 0 to 1. The keys of a new hasher are random enough to spread probes over time.
fn chance() -> f64 {
    let random = RandomState::new().build_hasher().finish();
    random as f64 / u64::MAX as f64
}
