//! A real Gitea: Git over http, a REST API, and private package registries.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use serde_json::Value;
use tempfile::TempDir;

use crate::canary::unique;
use crate::certificates::TestCa;
use crate::client::tool;
use crate::http::Connection;
use crate::process::{Process, start_on_free_port};
use crate::wait::{DEADLINE, wait_at_most};

/// A running Gitea with one user, who owns one private repository.
pub struct Gitea {
    // Ended before the folder goes.
    _process: Process,
    folder: TempDir,
    port: u16,
    ca: Option<TestCa>,
    token: String,
    password: String,
}

/// One request that reached Gitea, as it logged it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GiteaRequest {
    /// Its method.
    pub method: String,
    /// Its target, with the query.
    pub uri: String,
    /// The status of the answer.
    pub status: u64,
    /// Who Gitea took the caller for, `-` for nobody.
    pub identity: String,
    /// `Authorization`, empty without one.
    pub authorization: String,
    /// `Proxy-Authorization`, empty without one.
    pub proxy_authorization: String,
}

impl Gitea {
    /// The user's name.
    pub const USER: &str = "owner";
    /// The private repository's name; it has one commit with a `README.md` on `main`.
    pub const REPOSITORY: &str = "private";

    /// The one that tests of this process share while any of them uses it, since it takes some seconds to start.
    pub fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<Gitea>> = Mutex::new(Weak::new());
        share(&SHARED, || Self::start(None))
    }

    /// As [`Gitea::shared`], over https.
    pub fn shared_tls() -> Arc<Self> {
        static SHARED: Mutex<Weak<Gitea>> = Mutex::new(Weak::new());
        share(&SHARED, || Self::start(Some(TestCa::create())))
    }

    fn start(ca: Option<TestCa>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (process, port) = start_on_free_port(|port| web(folder.path(), port, ca.as_ref()), |port| listens(folder.path(), port));
        let password = unique("gitea-password");
        let user = ["--admin", "--username", Self::USER, "--password", &password, "--email", "owner@example.com", "--must-change-password=false"];
        administer(folder.path(), &[&["admin", "user", "create"], &user[..]].concat());
        let token = ["--username", Self::USER, "--token-name", "test", "--scopes", "all", "--raw"];
        let token = administer(folder.path(), &[&["admin", "user", "generate-access-token"], &token[..]].concat());
        // Gitea's log goes to standard output as well, before it or after it.
        let is_token = |line: &&str| line.len() == 40 && line.bytes().all(|b| b.is_ascii_hexdigit());
        let token = token.lines().find(is_token).unwrap_or_else(|| panic!("no token in {token}")).to_owned();
        let gitea = Self { _process: process, folder, port, ca, token, password };
        gitea.create_repository();
        gitea
    }

    /// Its address.
    pub fn url(&self) -> String {
        match self.ca {
            // By name: clients of Node.js that come by a proxy know no certificates of IP addresses.
            Some(_) => format!("https://localhost:{}", self.port),
            None => format!("http://{}", self.address()),
        }
    }

    /// The certificate of the CA that its own comes from, PEM; only over https.
    pub fn ca(&self) -> Option<String> {
        self.ca.as_ref().map(TestCa::pem)
    }

    /// Its socket address.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// The user's access token: Bearer, or as Basic password.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// The user's password.
    pub fn password(&self) -> &str {
        &self.password
    }

    /// Every request so far, the readiness checks included.
    pub fn seen(&self) -> Vec<GiteaRequest> {
        let log = std::fs::read_to_string(self.folder.path().join("access.log")).unwrap_or_default();
        log.lines().filter_map(request).collect()
    }

    /// Waits until a request was logged for which `wanted` holds. Gitea writes its log after it has answered.
    #[track_caller]
    pub fn wait_until_seen(&self, what: &str, wanted: impl Fn(&GiteaRequest) -> bool) -> GiteaRequest {
        let found = wait_at_most(DEADLINE, || self.seen().into_iter().find(|seen| wanted(seen)));
        found.unwrap_or_else(|| panic!("Gitea did not see {what}, but {:#?}", self.seen()))
    }

    fn create_repository(&self) {
        let body = serde_json::json!({"name": Self::REPOSITORY, "private": true, "auto_init": true, "default_branch": "main"}).to_string();
        let mut curl = Command::new("curl");
        // The certificate is none of this request's business.
        curl.args(["--silent", "--show-error", "--fail-with-body", "--insecure", "--noproxy", "*", "--json", &body]);
        curl.args(["--header", &format!("Authorization: token {}", self.token), &format!("{}/api/v1/user/repos", self.url())]);
        let output = curl.output().unwrap();
        assert!(output.status.success(), "{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    }
}

/// The instance in `shared`, or a new one.
fn share(shared: &Mutex<Weak<Gitea>>, start: impl FnOnce() -> Gitea) -> Arc<Gitea> {
    // A test that failed while it started one leaves nothing half-made behind.
    let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(running) = shared.upgrade() {
        return running;
    }
    let started = Arc::new(start());
    *shared = Arc::downgrade(&started);
    started
}

fn web(folder: &Path, port: u16, ca: Option<&TestCa>) -> Process {
    std::fs::write(folder.join("app.ini"), configuration(folder, port, ca)).unwrap();
    Process::start("gitea", gitea(folder).args(["web", "--config"]).arg(folder.join("app.ini")), folder)
}

/// Whether Gitea has said that it is about to listen, and does.
fn listens(folder: &Path, port: u16) -> bool {
    let announced = std::fs::read_to_string(folder.join("gitea.out")).is_ok_and(|log| log.contains("Starting new Web server"));
    announced && Connection::open((Ipv4Addr::LOCALHOST, port).into()).is_ok()
}

/// Runs a command of Gitea's, and returns what it printed.
fn administer(folder: &Path, arguments: &[&str]) -> String {
    let output = gitea(folder).args(arguments).arg("--config").arg(folder.join("app.ini")).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn gitea(folder: &Path) -> Command {
    let mut command = Command::new(tool("gitea/gitea"));
    // Its hooks are run by git, and git by it: neither may read the developer's settings.
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", folder).current_dir(folder);
    command
}

fn request(line: &str) -> Option<GiteaRequest> {
    // The last line may not be whole yet.
    let record: Value = serde_json::from_str(line).ok()?;
    let text = |key: &str| record[key].as_str().unwrap_or_default().to_owned();
    Some(GiteaRequest {
        method: text("method"),
        uri: text("uri"),
        status: record["status"].as_u64()?,
        identity: text("identity"),
        authorization: text("authorization"),
        proxy_authorization: text("proxy_authorization"),
    })
}

/// Everything in `folder`, nothing visible without signing in, nothing fetched from outside.
fn configuration(folder: &Path, port: u16, ca: Option<&TestCa>) -> String {
    let user = if rustix::process::getuid().is_root() { "root".to_owned() } else { std::env::var("USER").unwrap() };
    let (scheme, host, tls) = ca.map_or(("http", "127.0.0.1", String::new()), |ca| {
        ("https", "localhost", format!("CERT_FILE = {}\nKEY_FILE = {}\n", ca.certificate().display(), ca.key().display()))
    });
    // The program, and the templates and the like that it needs.
    let (folder, installation) = (folder.display(), tool("gitea"));
    let installation = installation.display();
    format!(
        r#"RUN_MODE = prod
RUN_USER = {user}
I_AM_BEING_UNSAFE_RUNNING_AS_ROOT = true
WORK_PATH = {folder}
[server]
PROTOCOL = {scheme}
{tls}HTTP_ADDR = 127.0.0.1
HTTP_PORT = {port}
ROOT_URL = {scheme}://{host}:{port}/
STATIC_ROOT_PATH = {installation}
OFFLINE_MODE = true
DISABLE_SSH = true
[database]
DB_TYPE = sqlite3
PATH = {folder}/gitea.db
SQLITE_JOURNAL_MODE = WAL
[security]
INSTALL_LOCK = true
SECRET_KEY = not-secret-in-a-test
[service]
REQUIRE_SIGNIN_VIEW = true
DISABLE_REGISTRATION = true
[cron]
ENABLED = false
[indexer]
ISSUE_INDEXER_TYPE = db
[queue]
TYPE = channel
[log]
MODE = console
LEVEL = Info
logger.access.MODE = access
ACCESS_LOG_TEMPLATE = {{"identity":"{{{{.Identity}}}}","method":{{{{printf "%q" .Ctx.Req.Method}}}},"uri":{{{{printf "%q" .Ctx.Req.RequestURI}}}},"authorization":{{{{printf "%q" (.Ctx.Req.Header.Get "Authorization")}}}},"proxy_authorization":{{{{printf "%q" (.Ctx.Req.Header.Get "Proxy-Authorization")}}}},"status":{{{{.ResponseWriter.Status}}}}}}
[log.access]
MODE = file
LEVEL = Info
FILE_NAME = {folder}/access.log
FLAGS = none
BUFFER_LEN = 0
"#
    )
}
