//! A server started for a test, and ended with it.

use std::fs::File;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::wait::{wait_at_most, wait_for};

/// How long a process may take to end after SIGTERM before it is killed.
const GRACE: Duration = Duration::from_secs(10);

/// A running process whose output goes to files. Dropping it ends it and what it started.
pub struct Process {
    name: String,
    child: Child,
    stdout: PathBuf,
    stderr: PathBuf,
    /// The port that it was started on, if one was chosen for it.
    port: Option<Port>,
}

impl Process {
    /// Starts `command` without input; its output is kept in `folder` as `NAME.out` and `NAME.err`.
    pub fn start(name: &str, command: &mut Command, folder: &Path) -> Self {
        let (stdout, stderr) = (folder.join(format!("{name}.out")), folder.join(format!("{name}.err")));
        let create = |path: &Path| File::create(path).unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()));
        let child = command.stdin(Stdio::null()).stdout(create(&stdout)).stderr(create(&stderr)).spawn();
        let child = child.unwrap_or_else(|error| panic!("cannot start {name} ({command:?}): {error}; `cargo xtask tools` installs what the tests need"));
        Self { name: name.to_owned(), child, stdout, stderr, port: None }
    }

    /// Waits until `state` holds; fails with the process's output if it ends or takes too long.
    #[track_caller]
    pub fn wait_until_ready(&mut self, mut state: impl FnMut() -> bool) {
        let ready = wait_for(format!("{} to be ready", self.name), || {
            if self.child.try_wait().unwrap().is_some() {
                return Some(false);
            }
            state().then_some(true)
        });
        assert!(ready, "{} ended while starting:\n{}{}", self.name, self.output(), self.errors());
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has ended.
    pub fn ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// What it wrote to standard output so far.
    pub fn output(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.stdout).unwrap()).into_owned()
    }

    /// What it wrote to standard error so far.
    pub fn errors(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.stderr).unwrap()).into_owned()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Asks it to end, and waits until it has.
    #[track_caller]
    pub fn terminate(&mut self) -> ExitStatus {
        if !self.ended() {
            self.signal(Signal::TERM);
        }
        self.wait()
    }

    /// Waits until it has ended.
    #[track_caller]
    pub fn wait(&mut self) -> ExitStatus {
        wait_for(format!("{} to end", self.name), || self.child.try_wait().unwrap())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Some servers leave their workers behind, so they are remembered while the parent still lives.
        let workers = descendants(self.child.id());
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        if wait_at_most(GRACE, || self.child.try_wait().ok().flatten()).is_none() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
        for worker in workers {
            let _ = kill_process(worker, Signal::TERM);
        }
    }
}

/// The processes below `process`, as far as they are still attached to it.
fn descendants(process: u32) -> Vec<Pid> {
    let children = std::fs::read_to_string(format!("/proc/{process}/task/{process}/children")).unwrap_or_default();
    let mut found = Vec::new();
    for child in children.split_whitespace().filter_map(|id| id.parse::<u32>().ok()) {
        found.extend(descendants(child));
        found.extend(i32::try_from(child).ok().and_then(Pid::from_raw));
    }
    found
}

/// The ports for servers that can't choose one themselves: below those that Linux hands out (from 32,768 on), to listeners on port 0 and to clients, which a test starts by the
/// dozen and which would take a port between its choice and the server's start.
const PORTS: Range<u16> = 12_000..30_000;

/// A port of the loopback interface for one server. While this lives, no other test chooses it, in whichever process.
struct Port {
    number: u16,
    /// The claim: the UDP port of the same number, which the kernel gives to one socket only, and takes back however the process ends.
    _claim: UdpSocket,
}

impl Port {
    /// One that is free.
    fn claim() -> Self {
        // Processes begin at different places, so that what has just been left isn't taken up at once.
        static NEXT: LazyLock<AtomicU16> = LazyLock::new(|| AtomicU16::new(std::process::id().wrapping_mul(97) as u16));
        let size = PORTS.end - PORTS.start;
        let candidate = |_| PORTS.start + NEXT.fetch_add(1, Ordering::Relaxed) % size;
        let free = |number: u16| {
            let claim = UdpSocket::bind((Ipv4Addr::LOCALHOST, number)).ok()?;
            // Servers that bind every address count too.
            TcpListener::bind((Ipv4Addr::UNSPECIFIED, number)).ok()?;
            Some(Self { number, _claim: claim })
        };
        (0..size).map(candidate).find_map(free).expect("a free port")
    }
}

/// Starts a server by `start` on a free port, and waits until it is ready by `ready`; fails with the server's output if it ends before.
#[track_caller]
pub fn start_on_free_port(start: impl FnOnce(u16) -> Process, ready: impl Fn(u16) -> bool) -> (Process, u16) {
    let port = Port::claim();
    let number = port.number;
    let mut process = start(number);
    process.port = Some(port);
    process.wait_until_ready(|| ready(number));
    (process, number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_chosen_once() {
        let ports: Vec<Port> = (0..64).map(|_| Port::claim()).collect();
        let numbers: std::collections::HashSet<u16> = ports.iter().map(|port| port.number).collect();
        assert_eq!(numbers.len(), ports.len());
        assert!(numbers.iter().all(|number| PORTS.contains(number)), "{numbers:?}");
        // Not even by another process, which can't get at the claim.
        assert!(ports.iter().all(|port| UdpSocket::bind((Ipv4Addr::LOCALHOST, port.number)).is_err()));
    }

    #[test]
    fn a_dropped_process_takes_its_children_along() {
        let folder = tempfile::tempdir().unwrap();
        let process = Process::start("sh", Command::new("sh").args(["-c", "sleep 600 & echo $!; wait"]), folder.path());
        let child: u32 = wait_for("the child's id", || process.output().trim().parse().ok());
        assert!(alive(child));
        drop(process);
        wait_for("the child to end", || (!alive(child)).then_some(()));
    }

    /// A zombie that nobody has waited for yet doesn't count.
    fn alive(process: u32) -> bool {
        std::fs::read_to_string(format!("/proc/{process}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
    }
}
