//! Conditions that follow what changes.
#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests")]

mod world;

use std::collections::BTreeMap;
use std::io::Read as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use connectors_core::TrustRoots;
use connectors_crd::probing::Role;
use connectors_crd::{CheckedClass, Condition, Objects, Subject, Surroundings};
use connectors_probe::{Board, Following, Pace, Rows, Settings, follow};
use connectors_testkit::{Captured, TestCa, Tool, assert_absent, wait_for};
use serde_json::json;
use world::{CANARY, PATIENCE, SLOW, authorization, class, nobody, prober, probing, secret, subject};

/// Long enough that nothing here is probed again for its interval.
const HOUR: Duration = Duration::from_secs(3600);

struct World {
    objects: Arc<Mutex<Objects>>,
    board: Board,
    following: Following,
}

impl World {
    fn start(objects: Objects, interval: Duration) -> Self {
        let objects = Arc::new(Mutex::new(objects));
        let (board, source) = (Board::default(), objects.clone());
        let surroundings = Surroundings { cluster_domain: "cluster.local".into(), system_namespace: "connectors-system".into() };
        let settings = Settings { prober: prober(PATIENCE), pace: Pace { interval }, surroundings };
        let following = follow(settings, board.clone(), move || source.lock().unwrap().clone()).unwrap();
        Self { objects, board, following }
    }

    fn change(&self, change: impl FnOnce(&mut Objects)) {
        change(&mut self.objects.lock().unwrap());
        self.following.teller()();
    }

    /// The conditions of `team/repo` by type.
    fn conditions(&self) -> BTreeMap<String, Condition> {
        let rows = self.board.rows().connectors;
        let own = rows.into_iter().find(|row| row.name == "repo").map(|row| row.conditions).unwrap_or_default();
        own.into_iter().map(|condition| (condition.condition_type.clone(), condition)).collect()
    }

    #[track_caller]
    fn wait_for(&self, condition_type: &str, expect: &str) -> Condition {
        let told = |condition: &Condition| format!("{:?} {}", condition.status, condition.reason);
        wait_for(&format!("{condition_type}={expect}"), || self.conditions().get(condition_type).is_some_and(|condition| told(condition) == expect));
        self.conditions()[condition_type].clone()
    }

    /// How many authentication probes had that outcome.
    fn count(&self, outcome: &str) -> u64 {
        self.board.counts().into_iter().find(|(key, _)| *key == ("auth", outcome)).unwrap().1
    }
}

fn strict() -> Tool {
    Tool::answering(|seen| {
        let status = match seen.target() {
            "/user" if seen.header("X-Token") != [CANARY] => 401,
            _ => 200,
        };
        format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n").into_bytes()
    })
}

fn objects(subject: Subject) -> Objects {
    Objects { classes: subject.class.clone().into_iter().collect(), connectors: vec![subject], ..Objects::default() }
}

fn asking() -> Arc<CheckedClass> {
    probing(json!({"path": "/user", "httpHeaders": authorization()}))
}

#[test]
fn p23_a_changed_secret_is_probed_at_once_and_told_nowhere() {
    let log = Captured::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).with_max_level(tracing::Level::TRACE).finish();
    // For the thread that probes, too.
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let (tool, class) = (strict(), alive_and_asking());
    let with = |password: &str| subject(&tool.url(), &class, Some(secret(password)));
    let world = World::start(objects(with(CANARY)), HOUR);
    let good = world.wait_for("Ready", "True Ready");
    assert!(world.conditions()["AuthReady"].last_probe_time.is_some() && good.last_transition_time.is_some());

    world.change(|objects| objects.connectors = vec![with("wrong-password-5521")]);
    let bad = world.wait_for("Ready", "False AuthenticationFailed");
    assert_eq!(bad.message, format!("GET {}/user : 401", tool.url()));
    world.wait_for("LivenessReady", "True LivenessReady");
    world.change(|objects| objects.connectors = vec![with(CANARY)]);
    world.wait_for("Ready", "True Ready");
    assert_eq!((world.count("passed"), world.count("refused")), (2, 1));

    world.change(|objects| objects.connectors[0].secret = None);
    world.wait_for("SecretReady", "False SecretNotFound");
    world.wait_for("AuthReady", "Unknown SecretNotFound");

    world.change(|objects| objects.connectors.clear());
    wait_for("the row to go", || world.board.rows().connectors.is_empty());
    let text = format!("{} {:?} {:?}", log.text(), world.board.rows(), world.board.counts());
    assert_absent("the log", &text, &[CANARY, "wrong-password-5521"]);
    assert!(log.text().contains("AuthenticationFailed") && log.text().contains("holds again"), "{}", log.text());
}

/// With a liveness probe that everybody passes.
fn alive_and_asking() -> Arc<CheckedClass> {
    class(json!({
        "livenessProbe": {"http": {"path": "/"}},
        "authProbes": [{"authName": "basicAuth", "probe": {"http": {"path": "/user", "httpHeaders": authorization()}}}],
    }))
}

#[test]
fn what_does_not_change_is_not_probed_again() {
    let tool = strict();
    let class = alive_and_asking();
    let one = subject(&tool.url(), &class, Some(secret(CANARY)));
    let world = World::start(objects(one), HOUR);
    world.wait_for("Ready", "True Ready");
    let asked = tool.seen().len();
    let before = world.conditions();
    // Another Connector comes, of which the class has been probed already.
    let other = named(subject(&tool.url(), &class, None), "team", "other");
    world.change(|objects| objects.connectors.push(other));
    wait_for("the other's probes", || world.count("refused") == 1 && tool.seen().len() == asked + 2);
    assert_eq!(world.conditions(), before);
    assert_eq!(tool.seen().len(), asked + 2);
}

#[test]
fn everything_is_probed_again_after_the_interval() {
    let taken = Arc::new(AtomicBool::new(true));
    let now = taken.clone();
    let tool = Tool::answering(move |_| {
        let status = if now.load(Ordering::SeqCst) { 200 } else { 503 };
        format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n").into_bytes()
    });
    let world = World::start(objects(subject(&tool.url(), &asking(), Some(secret(CANARY)))), Duration::from_millis(50));
    world.wait_for("Ready", "True Ready");
    taken.store(false, Ordering::SeqCst);
    let failed = world.wait_for("LivenessReady", "False ProbeFailed");
    assert_eq!(failed.message, format!("GET {}/user : 503", tool.url()));
    taken.store(true, Ordering::SeqCst);
    world.wait_for("Ready", "True Ready");
    // And nothing is once nobody wants to know.
    drop(world.following);
    let mut asked = tool.seen().len();
    wait_for("the probes to end", || {
        std::thread::park_timeout(Duration::from_millis(200));
        std::mem::replace(&mut asked, tool.seen().len()) == tool.seen().len()
    });
}

#[test]
fn a_refused_credential_does_not_keep_the_tool_from_being_looked_at() {
    let tool = strict();
    let world = World::start(objects(subject(&tool.url(), &alive_and_asking(), Some(secret("wrong-password")))), Duration::from_secs(1));
    let asked = |target: &str| tool.seen().iter().filter(|seen| seen.target() == target).count();
    // Every second, and the other after one second, then two, then four.
    wait_for("the tool to be asked", || asked("/") >= 4);
    assert!(asked("/user") <= 3, "{}", asked("/user"));
    world.wait_for("LivenessReady", "True LivenessReady");
}

#[test]
fn a_class_is_ready_once_its_api_answers() {
    let plugin = Tool::answering(|_| b"HTTP/1.1 404 X\r\nContent-Length: 0\r\n\r\n".to_vec());
    let with_api = |uri: &str| class(json!({"api": {"uri": uri}}));
    let of = |class: &Arc<CheckedClass>| subject("https://git.example", class, None);
    let (_nobody, gone) = nobody();
    let world = World::start(objects(of(&with_api(&gone))), HOUR);
    let failed = world.wait_for("ConnectorClassReady", "False ConnectorClassNotReady");
    assert!(failed.message.contains(&format!("GET {gone} : no connection can be made: connection refused")), "{}", failed.message);
    world.change(|objects| *objects = self::objects(of(&with_api(&plugin.url()))));
    // Any status is an answer.
    world.wait_for("ConnectorClassReady", "True ConnectorClassReady");
    let Rows { classes, .. } = world.board.rows();
    assert_eq!(classes[0].conditions.iter().map(|condition| &*condition.reason).collect::<Vec<_>>(), ["APIReady", "NonProxy", "Ready"]);
    world.change(|objects| *objects = self::objects(of(&with_api("http://plugin.invalid"))));
    world.wait_for("Ready", "False ConnectorClassNotReady");
    let Rows { classes, .. } = world.board.rows();
    assert_eq!(classes[0].conditions[0].reason, "AddressUnresolved");
}

#[test]
fn what_was_found_of_something_else_is_not_told_any_more() {
    let (good, (go_on, held)) = (strict(), Tool::held());
    let class = alive_and_asking();
    let world = World::start(objects(subject(&good.url(), &class, Some(secret(CANARY)))), HOUR);
    world.wait_for("Ready", "True Ready");
    // Another tool, which hasn't answered yet.
    world.change(|objects| objects.connectors = vec![subject(&held.url(), &class, Some(secret(CANARY)))]);
    wait_for("both requests", || held.seen().len() == 2);
    for condition_type in ["LivenessReady", "AuthReady", "Ready"] {
        world.wait_for(condition_type, "Unknown NotProbed");
    }
    [(), ()].into_iter().for_each(|()| go_on.send(()).unwrap());
    world.wait_for("Ready", "True Ready");
    // One that only has been written anew is as it was.
    world.change(|objects| objects.connectors = vec![subject(&held.url(), &class, Some(secret(CANARY)))]);
    wait_for("both requests", || held.seen().len() == 4);
    world.wait_for("Ready", "True Ready");
    // Another password.
    world.change(|objects| objects.connectors = vec![subject(&held.url(), &class, Some(secret("other")))]);
    world.wait_for("AuthReady", "Unknown NotProbed");
    [(), (), (), ()].into_iter().for_each(|()| go_on.send(()).unwrap());
    world.wait_for("Ready", "True Ready");
}

#[test]
fn another_api_of_a_class_is_not_known_yet() {
    let plugin = Tool::echo();
    let (go_on, held) = Tool::held();
    let of = |uri: &str| objects(subject("https://git.example", &class(json!({"api": {"uri": uri}})), None));
    let world = World::start(of(&plugin.url()), HOUR);
    world.wait_for("ConnectorClassReady", "True ConnectorClassReady");
    world.change(|objects| *objects = of(&held.url()));
    world.wait_for("ConnectorClassReady", "Unknown ConnectorClassNotReady");
    wait_for("the request", || held.seen().len() == 1);
    go_on.send(()).unwrap();
    world.wait_for("ConnectorClassReady", "True ConnectorClassReady");
    // Other CAs can mean another peer.
    let with_ca = class(json!({"api": {"uri": held.url(), "CACerts": TestCa::default().pem()}}));
    world.change(|objects| *objects = self::objects(subject("https://git.example", &with_ca, None)));
    world.wait_for("ConnectorClassReady", "Unknown ConnectorClassNotReady");
    wait_for("the request", || held.seen().len() == 2);
    go_on.send(()).unwrap();
    world.wait_for("ConnectorClassReady", "True ConnectorClassReady");
}

#[test]
fn a_plugin_proves_who_it_is_by_the_cas_of_its_class() {
    let ca = TestCa::default();
    let plugin = Tool::tls_echo(&ca, "127.0.0.1");
    let with = |api: serde_json::Value| {
        let class = class(json!({"api": api, "authProbes": [{"authName": "basicAuth", "probe": {"api": {"path": "/check"}}}]}));
        // The Connector trusts it, which is for its tool.
        Subject { trust: TrustRoots::new(vec![ca.der().into()]), ..subject("https://git.example", &class, Some(secret(CANARY))) }
    };
    let world = World::start(objects(with(json!({"uri": plugin.url()}))), HOUR);
    let why = "there is no TLS connection: the certificate is from an unknown issuer";
    let undecided = world.wait_for("AuthReady", "Unknown ProbeUndecided");
    assert_eq!(undecided.message, format!("GET {}/check : {why}", plugin.url()));
    let class_ready = world.wait_for("ConnectorClassReady", "False ConnectorClassNotReady");
    assert!(class_ready.message.ends_with(why), "{}", class_ready.message);
    assert!(plugin.seen().is_empty());
    world.change(|objects| *objects = self::objects(with(json!({"uri": plugin.url(), "CACerts": ca.pem()}))));
    world.wait_for("AuthReady", "True AuthReady");
    world.wait_for("Ready", "True Ready");
    assert!(plugin.seen().iter().any(|seen| !seen.header("X-Plugin-Secret").is_empty()));
}

#[test]
fn a_result_of_what_is_no_more_is_not_believed() {
    // The first request is held until the Connector has changed.
    let (go_on, slow) = Tool::held();
    let quick = strict();
    let class = asking();
    let world = World::start(objects(subject(&slow.url(), &class, Some(secret(CANARY)))), HOUR);
    wait_for("both requests", || slow.seen().len() == 2);
    world.change(|objects| objects.connectors = vec![subject(&quick.url(), &class, Some(secret("wrong")))]);
    // It waits for its turn: each probe is sent once at a time.
    go_on.send(()).unwrap();
    go_on.send(()).unwrap();
    world.wait_for("AuthReady", "False AuthenticationFailed");
    assert_eq!((world.count("passed"), world.count("refused")), (0, 1));
}

fn named(subject: Subject, namespace: &str, name: &str) -> Subject {
    let mut connector = (*subject.connector).clone();
    connector.metadata.namespace = namespace.to_owned();
    connector.metadata.name = name.to_owned();
    Subject { connector: Arc::new(connector), ..subject }
}

#[test]
fn p31_a_change_waits_for_no_silent_tools() {
    let silent = Tool::raw(|stream| {
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let quick = strict();
    let class = asking();
    let mut connectors: Vec<Subject> =
        (0..100).map(|index| named(subject(&silent.url(), &class, None), &format!("silent-{}", index % 10), &index.to_string())).collect();
    connectors.push(named(subject(&silent.url(), &class, None), "team", "repo"));
    let world = World::start(Objects { connectors, ..Objects::default() }, HOUR);
    // Three quarters of all places are taken; the last are not for those whose turn has come by itself.
    wait_for("silent tools to be asked", || silent.connections() == 48);
    world.change(|objects| {
        objects.connectors.pop();
        objects.connectors.push(subject(&quick.url(), &alive_and_asking(), Some(secret(CANARY))));
    });
    world.wait_for("Ready", "True Ready");
    assert_eq!((world.count("no_answer"), silent.connections()), (0, 48));
}

#[test]
fn p31_slow_templates_hold_nobody_else_up() {
    let tool = strict();
    let slow = probing(json!({"path": format!("/{SLOW}")}));
    // What it costs on this machine, now.
    let began = Instant::now();
    subject(&tool.url(), &slow, None).request(Role::Auth, None).unwrap().unwrap();
    let one = began.elapsed();
    let mut connectors = vec![named(subject(&tool.url(), &alive_and_asking(), Some(secret(CANARY))), "team", "repo")];
    connectors.extend((0..10).map(|index| named(subject(&tool.url(), &slow, None), &format!("team-{index}"), "slow")));
    let began = Instant::now();
    let world = World::start(Objects { connectors, ..Objects::default() }, HOUR);
    world.wait_for("Ready", "True Ready");
    // It has both its turns first, and twenty others that take long come right after it.
    assert!(began.elapsed() < 8 * one, "{:?} where one takes {one:?}", began.elapsed());
}
