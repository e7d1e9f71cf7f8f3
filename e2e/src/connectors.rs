//! The real binary, serving a folder of manifests.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output};

use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::http::{self, Message};
use crate::manifests::Folder;
use crate::process::Process;
use crate::wait::wait_for;

/// A running `connectors standalone`.
pub struct Connectors<'a> {
    // Ended before the folder of its output goes.
    process: Process,
    _logs: TempDir,
    folder: &'a Folder,
    listen: SocketAddr,
    admin: SocketAddr,
}

impl<'a> Connectors<'a> {
    /// Serves `folder` on free ports.
    #[track_caller]
    pub fn start(folder: &'a Folder) -> Self {
        Self::start_with(folder, &[])
    }

    /// Serves `folder` on free ports, with further flags.
    #[track_caller]
    pub fn start_with(folder: &'a Folder, flags: &[&str]) -> Self {
        let logs = tempfile::tempdir().unwrap();
        let mut command = command();
        command.args(["standalone", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--dir"]).arg(folder.path()).args(flags);
        let mut process = Process::start("connectors", &mut command, logs.path());
        let id = process.id();
        let mut addresses = None;
        process.wait_until_ready(|| {
            addresses = running(&folder.state(), id);
            addresses.is_some_and(|(_, admin)| http::get(admin, "/readyz", &[]).is_ok_and(|answer| answer.status() == 200))
        });
        let (listen, admin) = addresses.unwrap();
        Self { process, _logs: logs, folder, listen, admin }
    }

    /// Where the proxy listens.
    pub fn listen(&self) -> SocketAddr {
        self.listen
    }

    /// Where `/metrics` and the like are.
    pub fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// The manifests that it serves.
    pub fn folder(&self) -> &Folder {
        self.folder
    }

    /// The certificate of the CA that it intercepts with.
    pub fn ca_certificate(&self) -> PathBuf {
        self.folder.state().join("ca.crt")
    }

    /// A fresh token for a ServiceAccount, `namespace/name`.
    #[track_caller]
    pub fn token(&self, account: &str) -> String {
        let output = run(&["token", "--service-account", account, "--dir", &self.folder.path().to_string_lossy()]);
        assert!(output.status.success(), "no token for {account}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// The value for `http_proxy`, for one Connector or several separated by commas.
    pub fn proxy_url(&self, connectors: &str, token: &str) -> String {
        format!("http://{}:{token}@{}", connectors.replace('/', "%2F"), self.listen)
    }

    /// The reverse address of a Connector, by path, without a slash at its end.
    pub fn path_url(&self, connector: &str) -> String {
        format!("http://{}{}", self.listen, path_of(connector))
    }

    /// The reverse address of a Connector, by host, without a slash at its end.
    pub fn host_url(&self, connector: &str) -> String {
        let (namespace, name) = connector.split_once('/').unwrap();
        format!("http://c-{name}.{namespace}.localhost:{}", self.listen.port())
    }

    /// The reverse address of a Connector, by path, with the token as a Basic password in it.
    pub fn path_url_with(&self, connector: &str, token: &str) -> String {
        self.path_url(connector).replacen("http://", &format!("http://any:{token}@"), 1)
    }

    /// The reverse address of a Connector, by host, with the token as a Basic password in it.
    pub fn host_url_with(&self, connector: &str, token: &str) -> String {
        self.host_url(connector).replacen("http://", &format!("http://any:{token}@"), 1)
    }

    /// GET `path` of a Connector's tool, by reverse address, with a token.
    #[track_caller]
    pub fn get(&self, connector: &str, path: &str, token: &str) -> Message {
        let answer = http::get(self.listen, &format!("{}{path}", path_of(connector)), &[&format!("Authorization: Bearer {token}")]);
        answer.unwrap_or_else(|error| panic!("no answer: {error}\n{}", self.errors()))
    }

    /// Waits until GET `path` is answered with `status`.
    #[track_caller]
    pub fn wait_for_status(&self, connector: &str, path: &str, token: &str, status: u16) -> Message {
        wait_for(format!("{connector}{path} to be {status}"), || Some(self.get(connector, path, token)).filter(|answer| answer.status() == status))
    }

    /// The metrics.
    #[track_caller]
    pub fn metrics(&self) -> String {
        http::get(self.admin, "/metrics", &[]).unwrap().text()
    }

    /// The access records so far.
    #[track_caller]
    pub fn records(&self) -> Vec<Value> {
        let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("an access record is no JSON ({error}): {line}"));
        let output = self.process.output();
        // The last line may not be whole yet.
        output.rsplit_once('\n').map_or(Vec::new(), |(whole, _)| whole.lines().map(parse).collect())
    }

    /// Waits for an access record for which `wanted` holds.
    #[track_caller]
    pub fn wait_for_record(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        wait_for(format!("an access record of {what}"), || self.records().into_iter().find(|record| wanted(record)))
    }

    /// Everything on standard output.
    pub fn output(&self) -> String {
        self.process.output()
    }

    /// Everything on standard error.
    pub fn errors(&self) -> String {
        self.process.errors()
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Sends SIGTERM, without waiting for what it does.
    pub fn ask_to_stop(&self) {
        self.process.signal(Signal::TERM);
    }

    /// Sends SIGTERM, and waits for its end.
    #[track_caller]
    pub fn stop(&mut self) -> ExitStatus {
        self.process.terminate()
    }

    /// Waits for its end.
    #[track_caller]
    pub fn wait(&mut self) -> ExitStatus {
        self.process.wait()
    }
}

/// Runs the binary with these arguments until it ends.
pub fn run(arguments: &[&str]) -> Output {
    command().args(arguments).output().unwrap()
}

/// The binary, without the variables that would change what it does.
pub fn command() -> Command {
    let mut command = Command::new(binary());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("CONNECTORS_") {
            command.env_remove(name);
        }
    }
    command
}

/// The binary: `$CONNECTORS_BIN`, or the one in the folder that this test was built into.
pub fn binary() -> PathBuf {
    let path = std::env::var_os("CONNECTORS_BIN").map_or_else(
        || {
            let own = std::env::current_exe().unwrap();
            own.ancestors().nth(2).unwrap().join("connectors")
        },
        PathBuf::from,
    );
    assert!(path.exists(), "{} is missing: run `cargo build --package connectors-cli` first", path.display());
    path
}

fn path_of(connector: &str) -> String {
    let (namespace, name) = connector.split_once('/').unwrap_or_else(|| panic!("{connector} is no namespace/name"));
    format!("/namespaces/{namespace}/connectors/{name}")
}

/// Where process `id` says that it listens: proxy and admin pages.
fn running(state: &Path, id: u32) -> Option<(SocketAddr, SocketAddr)> {
    let running: Value = serde_json::from_slice(&std::fs::read(state.join("running.json")).ok()?).ok()?;
    let address = |key: &str| running[key].as_str()?.parse().ok();
    (running["pid"].as_u64() == Some(id.into())).then_some(())?;
    Some((address("listen")?, address("admin")?))
}
