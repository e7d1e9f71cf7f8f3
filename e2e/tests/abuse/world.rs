//! A proxy under attack: how much memory it takes, and how long others wait meanwhile.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use connectors_e2e::{
    Connection, Connector, Connectors, Folder, LoadTool, allow_open_files, basic_class, basic_secret, get, grant, memory, service_account, unique, wait_for,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// How long others may have to wait for an answer while an attack goes on, nine times of ten and at all, on a machine that is busy with the attacker too.
const PROMPT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// How often another caller asks, and the memory is looked at.
const PACE: Duration = Duration::from_millis(20);

/// How long one attack may take.
const LONGEST: Duration = Duration::from_secs(120);

/// Ten thousand connections, and what else there is; of the attacker as well as of the proxy.
const OPEN_FILES: u64 = 12_000;

/// What a dribbling attacker waits between two bytes.
const DRIBBLE: Duration = Duration::from_millis(100);

/// The proxy that is attacked.
pub(super) struct Target {
    pub(super) address: SocketAddr,
    pub(super) ca: PathBuf,
    token: String,
    process: u32,
    admin: SocketAddr,
    before: u64,
    seen: Arc<Seen>,
}

/// What another caller has seen meanwhile.
#[derive(Default)]
struct Seen {
    /// The most memory that the proxy had.
    memory: AtomicU64,
    /// Requests that were answered.
    answered: AtomicUsize,
}

/// Starts a proxy, and attacks it while another caller uses it.
pub(super) fn attack(flags: &[&str], act: impl AsyncFnOnce(&Target)) {
    // Each has the machine to itself.
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    allow_open_files(OPEN_FILES);
    // Others have a tool of their own, which isn't busy with the attack.
    let (tool, other_tool) = (LoadTool::start(), LoadTool::start());
    let folder = Folder::new().with(&[
        basic_class("web"),
        Connector::new("team/tool", "web", &tool.url()).auth("basicAuth", "tool").yaml(),
        Connector::new("team/other", "web", &other_tool.url()).auth("basicAuth", "tool").yaml(),
        basic_secret("team/tool", "bot", &unique("password")),
        service_account("team/builder"),
        grant("team/builder", "team/tool"),
        grant("team/builder", "team/other"),
    ]);
    let proxy = Connectors::start_with(&folder, flags);
    let (address, admin, token, process) = (proxy.listen(), proxy.admin(), proxy.token("team/builder"), proxy.id());
    let mut target = Target { address, ca: proxy.ca_certificate(), token, process, admin, before: 0, seen: Arc::default() };
    for _ in 0..100 {
        assert_eq!(proxy.get("team/tool", "/", &target.token).status(), 200);
    }
    target.before = memory(process);
    let other = Other::start(&target);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(LONGEST, act(&target)).await.expect("an end of the attack") });
    let waits = other.stop();
    let (most, longest) = (waits[waits.len() * 9 / 10], waits[waits.len() - 1]);
    println!("others: {} requests, nine of ten took at most {most:?}, the longest {longest:?}", waits.len());
    assert!(most < PROMPT && longest < LONGEST_WAIT, "others had to wait: {waits:?}");
    wait_for("no request to be left", || (target.active_requests() == 0).then_some(()));
    assert!(!proxy.errors().contains("panicked"), "{}", proxy.errors());
}

impl Target {
    /// What the proxy had at most since the last time, beyond what it had before the attack, may not be more than `connections` cost at `each`, and some for everything else.
    #[track_caller]
    pub(super) fn assert_cost(&self, what: &str, connections: usize, each: u64) {
        /// Requests of others, buffers that are kept, and what the allocator keeps.
        const REST: u64 = 8 * 1024 * 1024;
        let most = self.seen.memory.load(Ordering::Relaxed).max(memory(self.process));
        let grown = most.saturating_sub(self.before);
        let bound = connections as u64 * each + REST;
        println!("{what}: {connections} connections, {} KiB in all, {} B each; {} KiB are allowed", grown >> 10, grown / connections as u64, bound >> 10);
        assert!(grown <= bound, "{what}: {grown} bytes for {connections} connections, more than {bound}");
        // What the allocator keeps counts again with what comes next.
        self.seen.memory.store(0, Ordering::Relaxed);
    }

    /// Waits until the proxy has settled after what it was sent last: others have been served several times since.
    pub(super) async fn wait_for_others(&self) {
        let seen = self.seen.clone();
        let until = seen.answered.load(Ordering::Relaxed) + 10;
        let wait = move || wait_for("others to be served", || (seen.answered.load(Ordering::Relaxed) >= until).then_some(()));
        tokio::task::spawn_blocking(wait).await.unwrap();
    }

    /// Waits until the proxy has given up all requests: there is a moment without any, as those of others take little of the time.
    pub(super) async fn wait_given_up(&self) {
        let admin = self.admin;
        let wait = move || wait_for("the proxy to give up", || (active_requests(admin) == 0).then_some(()));
        tokio::task::spawn_blocking(wait).await.unwrap();
    }

    fn active_requests(&self) -> usize {
        active_requests(self.admin)
    }

    /// The head of a request that is in order; `more` has further lines, each with its end.
    pub(super) fn head(&self, method: &str, path: &str, more: &str) -> String {
        self.head_for("tool", method, path, more)
    }

    fn head_for(&self, connector: &str, method: &str, path: &str, more: &str) -> String {
        format!("{method} /namespaces/team/connectors/{connector}{path} HTTP/1.1\r\nHost: p\r\nAuthorization: Bearer {}\r\n{more}\r\n", self.token)
    }

    /// A CONNECT that is in order.
    pub(super) fn connect_head(&self, authority: &str) -> String {
        let credentials = connectors_e2e::basic("team/tool", &self.token);
        format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\nProxy-Authorization: {credentials}\r\n\r\n")
    }

    /// Opens `count` connections, and sends `bytes` on each.
    pub(super) async fn open(&self, count: usize, bytes: &[u8]) -> Vec<TcpStream> {
        let mut streams = Vec::with_capacity(count);
        for _ in 0..count {
            streams.push(self.open_one(bytes).await);
        }
        streams
    }

    #[expect(clippy::disallowed_methods, reason = "this is a caller of the proxy, not the proxy")]
    async fn open_one(&self, bytes: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        stream.write_all(bytes).await.unwrap();
        stream
    }
}

/// What became of one of the attacker's connections.
pub(super) struct End {
    pub(super) received: Vec<u8>,
    /// From when it was waited for.
    pub(super) after: Duration,
}

impl End {
    /// The status of the first answer; 0 if there is none.
    pub(super) fn status(&self) -> u16 {
        let head = String::from_utf8_lossy(&self.received);
        head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
    }
}

/// Waits until the proxy ends each of the connections, sending one of `dribble`'s bytes now and then, as long as there are any.
pub(super) async fn ends(streams: Vec<TcpStream>, dribble: &'static [u8]) -> Vec<End> {
    let waiting: Vec<_> = streams.into_iter().map(|stream| tokio::spawn(end(stream, dribble))).collect();
    let mut ends = Vec::new();
    for end in waiting {
        ends.push(end.await.unwrap());
    }
    ends
}

async fn end(stream: TcpStream, dribble: &[u8]) -> End {
    let (mut from, mut to) = stream.into_split();
    let began = Instant::now();
    let mut received = Vec::new();
    let mut pace = tokio::time::interval(DRIBBLE);
    let mut dribble = dribble.iter();
    loop {
        tokio::select! {
            read = from.read_buf(&mut received) => if read.unwrap_or(0) == 0 {
                return End { received, after: began.elapsed() };
            },
            _ = pace.tick(), if dribble.len() > 0 => {
                // That it has ended shows when reading.
                if let Some(byte) = dribble.next() {
                    let _ = to.write_all(std::slice::from_ref(byte)).await;
                }
            }
        }
    }
}

/// How many requests a proxy is working on, by its own count.
fn active_requests(admin: SocketAddr) -> usize {
    let metrics = get(admin, "/metrics", &[]).unwrap().text();
    metrics.lines().find_map(|line| line.strip_prefix("connectors_proxy_active_requests ")?.parse().ok()).unwrap()
}

/// Another caller, with a new connection for each request.
struct Other {
    asking: JoinHandle<Vec<Duration>>,
    stopped: Arc<AtomicBool>,
}

impl Other {
    fn start(target: &Target) -> Self {
        let stopped = Arc::new(AtomicBool::new(false));
        let (address, process, request) = (target.address, target.process, target.head_for("other", "GET", "/bytes/10", "Connection: close\r\n"));
        let (seen, until) = (target.seen.clone(), stopped.clone());
        let asking = std::thread::spawn(move || {
            let mut waits = Vec::new();
            while !until.load(Ordering::Relaxed) {
                let began = Instant::now();
                let mut connection = Connection::open(address).unwrap();
                connection.send(request.as_bytes()).unwrap();
                let answer = connection.answer().unwrap();
                assert_eq!(answer.status(), 200, "{}", answer.text());
                waits.push(began.elapsed());
                seen.memory.fetch_max(memory(process), Ordering::Relaxed);
                seen.answered.fetch_add(1, Ordering::Relaxed);
                std::thread::park_timeout(PACE);
            }
            waits
        });
        Self { asking, stopped }
    }

    /// How long it had to wait for each answer, the shortest first; there is at least one.
    fn stop(self) -> Vec<Duration> {
        self.stopped.store(true, Ordering::Relaxed);
        let mut waits = self.asking.join().expect("every request of another caller is answered");
        assert!(!waits.is_empty(), "no time for a single request");
        waits.sort();
        waits
    }
}
