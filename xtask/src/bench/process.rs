//! A server that is measured, or serves those that are: started on CPUs of its own, ended with its value.

use std::fs::{File, OpenOptions};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process};

use super::usage;

/// How long a server may take until it is ready. Generous: under valgrind everything takes fifty times as long.
const STARTING: Duration = Duration::from_secs(300);

/// How long a server may take to end after SIGTERM; writing callgrind's file is part of it.
const ENDING: Duration = Duration::from_secs(60);

/// How often a state is looked at.
const INTERVAL: Duration = Duration::from_millis(10);

/// A running server. Dropping it ends it.
pub(super) struct Process {
    name: &'static str,
    child: Child,
    stdout: PathBuf,
    stderr: PathBuf,
}

impl Process {
    /// Starts `command` without input; its output is appended to `NAME.out` and `NAME.err` in `folder`.
    pub(super) fn start(name: &'static str, command: &mut Command, folder: &Path) -> anyhow::Result<Self> {
        let (stdout, stderr) = (folder.join(format!("{name}.out")), folder.join(format!("{name}.err")));
        let child = command.stdin(Stdio::null()).stdout(append(&stdout)?).stderr(append(&stderr)?).spawn();
        let child = child.with_context(|| format!("cannot start {name} ({command:?})"))?;
        Ok(Self { name, child, stdout, stderr })
    }

    /// Waits until `ready` holds. Fails, with what the server said, if it ends or takes too long.
    pub(super) fn wait_until(&mut self, what: &str, mut ready: impl FnMut() -> bool) -> anyhow::Result<()> {
        let deadline = Instant::now() + STARTING;
        while !ready() {
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended ({status}) before {what}:\n{}", self.name, self.errors());
            }
            if Instant::now() > deadline {
                bail!("{}: waited {} s in vain for {what}:\n{}", self.name, STARTING.as_secs(), self.errors());
            }
            std::thread::sleep(INTERVAL);
        }
        Ok(())
    }

    /// Waits until it accepts connections at `address`.
    pub(super) fn wait_until_listening(&mut self, address: SocketAddr) -> anyhow::Result<()> {
        self.wait_until("it listened", || super::client::connect(address).is_ok())
    }

    /// The process id.
    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to end, and waits until it has.
    pub(super) fn terminate(mut self) -> anyhow::Result<()> {
        if self.end(ENDING) { Ok(()) } else { bail!("{} did not end within {} s of SIGTERM", self.name, ENDING.as_secs()) }
    }

    /// What it wrote to standard output so far is of no use any more, and would fill the disk.
    pub(super) fn forget_output(&self) -> anyhow::Result<()> {
        // It appends, so it goes on at the new end.
        OpenOptions::new().write(true).truncate(true).open(&self.stdout).with_context(|| format!("cannot empty {}", self.stdout.display()))?;
        Ok(())
    }

    fn errors(&self) -> String {
        let read = |path: &Path| String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned();
        let (stdout, stderr) = (read(&self.stdout), read(&self.stderr));
        format!("{}{}", &stdout[..stdout.floor_char_boundary(2000)], stderr).trim_end().to_owned()
    }

    /// Asks it and those below it: strace does not pass the request on to what it traces.
    fn end(&mut self, limit: Duration) -> bool {
        self.signal(Signal::TERM);
        let deadline = Instant::now() + limit;
        while Instant::now() < deadline {
            if self.child.try_wait().is_ok_and(|status| status.is_some()) {
                return true;
            }
            std::thread::sleep(INTERVAL);
        }
        false
    }

    fn signal(&mut self, signal: Signal) {
        if let Ok(None) = self.child.try_wait() {
            for process in usage::family(self.child.id()) {
                let id = i32::try_from(process).ok().and_then(Pid::from_raw);
                let _ = id.map(|id| kill_process(id, signal));
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !self.end(ENDING) {
            self.signal(Signal::KILL);
            let _ = self.child.wait();
        }
    }
}

/// A port of the loopback interface that was free a moment ago, for servers that can't choose one and say so.
pub(super) fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

fn append(path: &Path) -> anyhow::Result<File> {
    OpenOptions::new().create(true).append(true).open(path).with_context(|| format!("cannot write {}", path.display()))
}
