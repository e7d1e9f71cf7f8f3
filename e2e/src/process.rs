//! A server started for a test, and ended with it.

use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
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
}

impl Process {
    /// Starts `command` without input; its output is kept in `folder` as `NAME.out` and `NAME.err`.
    pub fn start(name: &str, command: &mut Command, folder: &Path) -> Self {
        let (stdout, stderr) = (folder.join(format!("{name}.out")), folder.join(format!("{name}.err")));
        let create = |path: &Path| File::create(path).unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()));
        let child = command.stdin(Stdio::null()).stdout(create(&stdout)).stderr(create(&stderr)).spawn();
        let child = child.unwrap_or_else(|error| panic!("cannot start {name} ({command:?}): {error}; `cargo xtask tools` installs what the tests need"));
        Self { name: name.to_owned(), child, stdout, stderr }
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

/// A port of the loopback interface that was free a moment ago, for servers that can't choose one themselves.
///
/// Another process may take it before the server does: start servers with [`start_on_free_port`].
fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

/// Starts a server by `start` on a free port, again on another one if it ends before it is ready by `ready`.
pub fn start_on_free_port(start: impl Fn(u16) -> Process, ready: impl Fn(u16) -> bool) -> (Process, u16) {
    for _ in 0..4 {
        let port = free_port();
        let mut process = start(port);
        let name = process.name.clone();
        let up = wait_for(format!("{name} to be ready"), || if process.ended() { Some(false) } else { ready(port).then_some(true) });
        if up {
            return (process, port);
        }
    }
    let port = free_port();
    let mut process = start(port);
    process.wait_until_ready(|| ready(port));
    (process, port)
}

#[cfg(test)]
mod tests {
    use super::*;

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
