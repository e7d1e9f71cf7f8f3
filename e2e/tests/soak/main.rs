//! Callers and tools with every fault there is, by chance, for a while: no request is stuck, each is accounted for, and nothing leaks.
//!
//! `$CONNECTORS_SOAK_SECONDS` says how long, `$CONNECTORS_SOAK_SEED` repeats what an earlier run did, as far as time allows. `cargo xtask soak` sets both.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "these are tests, and say what they measured")]

mod account;
mod caller;
mod plan;
mod tool;
mod wire;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use account::Account;
use caller::Proxy;
use connectors_e2e::{
    Connector, Connectors, Folder, TestCa, allow_open_files, basic_class, basic_secret, ca_secret, get, grant, memory, open_files, service_account, unique,
    wait_at_most, wait_for,
};
use plan::Random;

/// Connections at once; every third speaks HTTP/2.
const CONNECTIONS: usize = 64;

/// How long it takes by default.
const SECONDS: u64 = 15;

/// The proxy's timeouts, and stalls that are shorter or longer, also on a machine that is busy.
const TIMEOUTS: &[&str] = &["--head-timeout", "2s", "--idle-timeout", "2s", "--connect-timeout", "2s"];
const SHORT: Duration = Duration::from_millis(200);
const LONG: Duration = Duration::from_secs(6);

/// Of so many exchanges, one may be as it is only excused to be.
const EXCUSED: usize = 50;

/// Idle connections to tools that the proxy keeps whether or not they are needed: of each core, to each of the two tools.
const KEPT: usize = 2 * 64;

/// Runs of this length or longer wait until the proxy has closed those too.
const PATIENT_FROM: Duration = Duration::from_secs(60);

/// How long the proxy keeps them, and some more.
const KEPT_FOR: Duration = Duration::from_secs(150);

/// What the memory may differ by without being said to grow: it depends on what is going on at the moment, and on what the allocator keeps.
const NOISE: u64 = 6 * 1024 * 1024;

/// What must not be.
static WRONG: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Takes down what must not be.
fn wrong(what: String) {
    let mut wrong = WRONG.lock().unwrap();
    if wrong.len() < 20 {
        println!("WRONG: {what}");
    }
    wrong.push(what);
}

fn setting(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} must be a number, not {text}")))
}

#[test]
fn soak() {
    let time = Duration::from_secs(setting("CONNECTORS_SOAK_SECONDS").unwrap_or(SECONDS));
    let seed = setting("CONNECTORS_SOAK_SEED").unwrap_or_else(|| SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis() as u64);
    println!("{} s, seed {seed}", time.as_secs());
    allow_open_files(8192);
    let ca = TestCa::create();
    let (plain, secure, _tools) = start_tools(&ca);
    let folder = Folder::new().with(&[
        basic_class("web"),
        Connector::new("team/plain", "web", &format!("http://{plain}")).auth("basicAuth", "tool").yaml(),
        Connector::new("team/secure", "web", &format!("https://{secure}")).auth("basicAuth", "tool").ca("ca").yaml(),
        basic_secret("team/tool", "bot", &unique("password")),
        ca_secret("team/ca", &ca.pem()),
        service_account("team/builder"),
        grant("team/builder", "team/plain"),
        grant("team/builder", "team/secure"),
    ]);
    let mut proxy = Connectors::start_with(&folder, TIMEOUTS);
    let files_before = files_at_rest(&proxy);
    let account = Arc::new(Account::default());
    let caller = Arc::new(Proxy { address: proxy.listen(), token: proxy.token("team/builder") });
    let samples = while_measuring(proxy.id(), || call(&caller, seed, time, &account));

    let active = || get(proxy.admin(), "/metrics", &[]).unwrap().text().contains("connectors_proxy_active_requests 0\n");
    wait_for("no request to be left", || active().then_some(()));
    check_files(&proxy, &files_before, time);
    check_memory(&samples);
    let status = proxy.stop();
    assert_eq!(status.code(), Some(0), "{}", proxy.errors());
    let totals = account.settle(&proxy.records());
    println!("{totals:?}");
    if totals.excused * EXCUSED > totals.exchanges {
        wrong("too many exchanges are only excused".to_owned());
    }
    let wrong = WRONG.lock().unwrap();
    assert!(wrong.is_empty(), "seed {seed}: {} things are wrong: {:#?}", wrong.len(), &wrong[..wrong.len().min(40)]);
    assert!(!proxy.errors().contains("panicked"), "{}", proxy.errors());
}

/// Starts both tools on a thread of their own, for as long as the last value isn't dropped.
fn start_tools(ca: &TestCa) -> (std::net::SocketAddr, std::net::SocketAddr, tokio::sync::oneshot::Sender<()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (plain, secure) = runtime.block_on(async { (tool::plain().await, tool::secure(ca).await) });
    let (running, stopped) = tokio::sync::oneshot::channel::<()>();
    std::thread::spawn(move || runtime.block_on(async { drop(stopped.await) }));
    (plain, secure, running)
}

/// Has all callers call for so long.
fn call(proxy: &Arc<Proxy>, seed: u64, time: Duration, account: &Arc<Account>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let until = Instant::now() + time;
    runtime.block_on(async {
        let caller = |number: usize| {
            let (proxy, account) = (proxy.clone(), account.clone());
            let mut random = Random(seed.wrapping_mul(1_000_003).wrapping_add(number as u64));
            async move {
                while Instant::now() < until {
                    match number % 3 {
                        0 => caller::http2(&proxy, &mut random, &account).await,
                        _ => caller::http1(&proxy, &mut random, &account).await,
                    }
                }
            }
        };
        let calling: Vec<_> = (0..CONNECTIONS).map(|number| tokio::spawn(caller(number))).collect();
        for caller in calling {
            caller.await.unwrap();
        }
    });
}

/// The memory of the process, looked at every second while `work` goes on.
fn while_measuring(process: u32, work: impl FnOnce()) -> Vec<u64> {
    const EVERY: Duration = Duration::from_secs(1);
    const SHOWN: usize = 30;
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let measuring = scope.spawn(|| {
            let mut samples = Vec::new();
            while !done.load(Ordering::Relaxed) {
                samples.push(memory(process));
                if samples.len().is_multiple_of(SHOWN) {
                    println!("{:4} s: {} KiB, {} files", samples.len(), samples[samples.len() - 1] >> 10, open_files(process).len());
                }
                std::thread::park_timeout(EVERY);
            }
            samples
        });
        work();
        done.store(true, Ordering::Relaxed);
        measuring.thread().unpark();
        measuring.join().unwrap()
    })
}

/// The memory doesn't grow once it is what it is going to be, which it is after the first quarter.
fn check_memory(samples: &[u64]) {
    let mean = |samples: &[u64]| samples.iter().sum::<u64>() / samples.len() as u64;
    let quarter = (samples.len() / 4).max(1);
    let (first, last) = (mean(&samples[quarter..2 * quarter]), mean(&samples[samples.len() - quarter..]));
    println!("memory: {} KiB after warming up, {} KiB at the end", first >> 10, last >> 10);
    if last > first + first / 10 + NOISE {
        wrong(format!("the memory has grown from {first} to {last}: {samples:?}"));
    }
}

/// The files of a proxy that has nothing to do: not all of its threads may have begun when it says that it is ready.
fn files_at_rest(proxy: &Connectors<'_>) -> Vec<PathBuf> {
    /// Looks in a row that see no change.
    const LOOKS: u32 = 100;
    let (mut seen, mut looks) = (Vec::new(), 0);
    wait_for("the proxy to be at rest", || {
        let now = open_files(proxy.id());
        looks = if now == seen { looks + 1 } else { 0 };
        seen = now;
        (looks == LOOKS).then(|| seen.clone())
    })
}

/// Every file is closed, but for those of idle connections; if there is time, those too.
fn check_files(proxy: &Connectors<'_>, before: &[PathBuf], time: Duration) {
    let (most, within) = if time < PATIENT_FROM { (before.len() + KEPT * cores(), Duration::from_secs(20)) } else { (before.len(), KEPT_FOR) };
    let closed = wait_at_most(within, || (open_files(proxy.id()).len() <= most).then_some(()));
    let files = open_files(proxy.id());
    println!("files: {} before, {} at the end", before.len(), files.len());
    if closed.is_none() {
        wrong(format!("files are left open: {files:?}; before it was {before:?}"));
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
