//! Sends every message through the proxy, and a victim's request after each, and then compares the books.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use connectors_e2e::{Connector, Connectors, Folder, basic, basic_class, basic_secret, grant, service_account, unique, wait_at_most};
use serde_json::Value;

use crate::backends::{Backend, Seen};
use crate::message::{Attacker, METHODS, Message, join, victim_marker, whose};

/// After this, an exchange hangs: the proxy takes for whole what the tool waits for the rest of.
pub(crate) const LONGEST: Duration = Duration::from_secs(10);

/// Follows every message, and tells the proxy that no more comes: who only stops sending is taken for gone, and its requests are given up. What a message leaves
/// unfinished swallows it.
const LAST: &[u8] = b"GET / HTTP/1.1\r\nHost: proxy\r\nConnection: close\r\n\r\n";

/// How long logs may lag behind.
const LAG: Duration = Duration::from_secs(5);

/// Two callers with a Connector each, for the same tool, so that they share the proxy's connections to it.
pub(crate) struct Users {
    pub(crate) folder: Folder,
    /// What the tool gets from the attacker's Connector.
    attackers: String,
    /// What it gets from the victim's.
    victims: String,
}

impl Users {
    pub(crate) fn of(tool: &str) -> Self {
        let (attackers, victims) = (unique("attacker"), unique("victim"));
        let connector = |name: &str| Connector::new(name, "web", &format!("http://{tool}")).auth("basicAuth", name.split_once('/').unwrap().1).yaml();
        let folder = Folder::new().with(&[
            basic_class("web"),
            connector("team/attacker"),
            connector("team/victim"),
            basic_secret("team/attacker", "bot", &attackers),
            basic_secret("team/victim", "bot", &victims),
            service_account("team/attacker"),
            service_account("team/victim"),
            grant("team/attacker", "team/attacker"),
            grant("team/victim", "team/victim"),
        ]);
        Self { folder, attackers: basic("bot", &attackers), victims: basic("bot", &victims) }
    }
}

/// One core, so that the victim's request goes out on the connection that the attacker's came back on.
pub(crate) fn proxy(folder: &Folder) -> Connectors<'_> {
    Connectors::start_with(folder, &["--cores", "1", "--token-accepted-for", "10m"])
}

/// What the messages and the victims' requests led to.
struct Books {
    seen: Vec<Seen>,
    records: Vec<Value>,
}

/// Runs messages against one server. Returns how many of the attacker's requests it saw.
pub(crate) fn run(backend: &Backend, messages: &[Message]) -> usize {
    run_by(backend, messages, |proxy, attacker, message| to_the_end(proxy, &join(&[&attacker.fill(&message.template), LAST])))
}

/// As [`run`], with `send` to get a message to the proxy and to return what comes back.
pub(crate) fn run_by(backend: &Backend, messages: &[Message], send: impl Fn(SocketAddr, &Attacker, &Message) -> io::Result<Vec<u8>>) -> usize {
    let users = Users::of(&backend.authority());
    let proxy = proxy(&users.folder);
    let attacker = Attacker { token: proxy.token("team/attacker"), tool: backend.authority() };
    let victim = proxy.token("team/victim");
    for message in messages {
        let answers = send(proxy.listen(), &attacker, message);
        let answers = answers.unwrap_or_else(|error| fail(message, &format!("no end of the answers: {error}")));
        if memchr::memmem::find(&answers, b"/v0").is_some() {
            fail(message, &format!("the attacker got {:?}", String::from_utf8_lossy(&answers)));
        }
        if let Err(problem) = ask_as_victim(proxy.listen(), &victim, message.id) {
            fail(message, &problem);
        }
    }
    let mut problem = None;
    let agreed = wait_at_most(LAG, || {
        let books = Books { seen: backend.seen(), records: proxy.records() };
        problem = books.problem(messages, &users);
        problem.is_none().then_some(())
    });
    if agreed.is_none() {
        let (id, problem) = problem.unwrap();
        match messages.iter().find(|message| Some(message.id) == id) {
            Some(message) => fail(message, &problem),
            None => panic!("{problem}"),
        }
    }
    backend.seen().iter().filter(|seen| matches!(whose(&seen.line), Some(('a', _)))).count()
}

fn fail(message: &Message, problem: &str) -> ! {
    panic!("{problem}\n\nafter the message {name}, which SMUGGLING={name} runs alone:\n{shown}\n", name = message.name, shown = message.show());
}

/// Sends bytes, which should say that no more comes, and then nothing more, and reads until the proxy has nothing more either.
#[expect(clippy::disallowed_methods, reason = "this is a client of the proxy, not the proxy")]
pub(crate) fn to_the_end(proxy: SocketAddr, bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(proxy)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(LONGEST))?;
    // A proxy that has refused already may have closed already.
    let _ = stream.write_all(bytes).and_then(|()| stream.shutdown(Shutdown::Write));
    let mut answers = Vec::new();
    match stream.read_to_end(&mut answers) {
        Err(error) if error.kind() != io::ErrorKind::ConnectionReset => Err(error),
        _ => Ok(answers),
    }
}

/// A request that nothing is wrong with. Every other one has a body.
pub(crate) fn ask_as_victim(proxy: SocketAddr, token: &str, id: usize) -> Result<(), String> {
    let (method, body) = if id.is_multiple_of(2) { ("GET", "") } else { ("POST", "Content-Length: 6\r\n\r\nvictim") };
    let path = format!("/{}", victim_marker(id));
    let head = format!("{method} /namespaces/team/connectors/victim{path} HTTP/1.1\r\nHost: proxy\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n");
    let end = if body.is_empty() { "\r\n" } else { body };
    let answer = to_the_end(proxy, format!("{head}{end}").as_bytes()).map_err(|error| format!("the victim got no answer: {error}"))?;
    let answer = String::from_utf8_lossy(&answer);
    match answer.split_once("\r\n\r\n") {
        Some((head, body)) if head.starts_with("HTTP/1.1 200 ") && body == format!("{method} {path}") => Ok(()),
        _ => Err(format!("the victim asked for {method} {path} and got {answer:?}")),
    }
}

/// The requests of one message, or of one victim, by method and path; for each time the bytes of its body, where they are known.
#[derive(Default)]
struct Account {
    seen: Requests,
    forwarded: Requests,
    /// Forwarded, but given up before it was whole or answered: the server may have seen it or not.
    given_up: Requests,
}

type Requests = BTreeMap<String, Vec<Option<u64>>>;

impl Books {
    /// The first thing that is wrong, and with which message.
    fn problem(&self, messages: &[Message], users: &Users) -> Option<(Option<usize>, String)> {
        let mut accounts: BTreeMap<(char, usize), Account> = BTreeMap::new();
        let mut last = None;
        // Some servers refuse a method that they don't know without saying whose request it was, so these are only counted.
        let is_known = |request: &str| METHODS.contains(&request.split(' ').next().unwrap_or_default());
        let (mut unknown_seen, mut unknown_forwarded, mut unknown_given_up) = (Vec::new(), Vec::new(), Vec::new());
        for seen in &self.seen {
            if !is_known(&seen.line) && !seen.line.contains("smuggled") {
                unknown_seen.push(&seen.line);
                continue;
            }
            let Some(key) = whose(&seen.line) else { return Some((last, format!("the server saw a request of nobody: {seen:?}"))) };
            last = Some(key.1);
            let wanted = if key.0 == 'a' { &users.attackers } else { &users.victims };
            if seen.line.contains("smuggled") || seen.line.contains("/namespaces/") {
                return Some((last, format!("the server saw what was never sent to it: {seen:?}")));
            }
            if seen.authorization != *wanted {
                return Some((last, format!("the server saw another credential than {wanted:?}: {seen:?}")));
            }
            accounts.entry(key).or_default().seen.entry(without_query(&seen.line)).or_default().push(seen.body);
        }
        for record in &self.records {
            let text = |key: &str| record[key].as_str().unwrap_or_default();
            let request = format!("{} {}", text("method"), text("path"));
            let Some(key) = whose(text("path")) else { continue };
            let account = accounts.entry(key).or_default();
            let (column, unknown) = match (text("answered_by"), record["class"].is_null()) {
                ("tool", _) => (&mut account.forwarded, &mut unknown_forwarded),
                (_, false) => (&mut account.given_up, &mut unknown_given_up),
                (_, true) => continue,
            };
            if !is_known(&request) {
                unknown.push(request);
                continue;
            }
            let complete = record["complete"].as_bool() == Some(true);
            column.entry(request).or_default().push(record["bytes_in"].as_u64().filter(|_| complete));
        }
        if !(unknown_forwarded.len()..=unknown_forwarded.len() + unknown_given_up.len()).contains(&unknown_seen.len()) {
            let problem = format!(
                "requests of unknown methods: the server saw {unknown_seen:?}, the proxy forwarded {unknown_forwarded:?} and gave up {unknown_given_up:?}"
            );
            return Some((last, problem));
        }
        for message in messages {
            let victim = accounts.get(&('v', message.id));
            if victim.map_or(0, |account| account.forwarded.values().map(Vec::len).sum()) != 1 {
                return Some((Some(message.id), "the proxy has not logged the victim's request once".to_owned()));
            }
        }
        accounts.iter().find_map(|(key, account)| Some((Some(key.1), account.problem()?)))
    }
}

impl Account {
    fn problem(&self) -> Option<String> {
        fn of<'a>(column: &'a Requests, request: &str) -> &'a [Option<u64>] {
            column.get(request).map_or(&[], Vec::as_slice)
        }
        self.seen.keys().chain(self.forwarded.keys()).find_map(|request| {
            let (seen, forwarded, given_up) = (of(&self.seen, request), of(&self.forwarded, request), of(&self.given_up, request));
            if !(forwarded.len()..=forwarded.len() + given_up.len()).contains(&seen.len()) {
                return Some(format!("{request}: the server saw {seen:?}, the proxy forwarded {forwarded:?} and gave up {given_up:?}"));
            }
            let lengths = |column: &[Option<u64>]| column.iter().copied().collect::<Option<BTreeSet<u64>>>();
            let differ = given_up.is_empty() && lengths(seen).zip(lengths(forwarded)).is_some_and(|(seen, forwarded)| seen != forwarded);
            differ.then(|| format!("{request}: the server saw bodies of {seen:?} bytes, the proxy forwarded {forwarded:?}"))
        })
    }
}

/// Method and path of what a server logged.
fn without_query(line: &str) -> String {
    let mut words = line.split(' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    format!("{method} {}", target.split('?').next().unwrap_or_default())
}

/// Whether `$SMUGGLING`, a family or one of it, asks for this one. Without it, all are.
pub(crate) fn is_wanted(name: &str) -> bool {
    !std::env::var("SMUGGLING").is_ok_and(|wanted| name != wanted && name.strip_prefix(&wanted).is_none_or(|rest| !rest.starts_with('/')))
}
