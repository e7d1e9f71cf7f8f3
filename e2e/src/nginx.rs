//! A private Git server: `git http-backend` by fcgiwrap, behind nginx with Basic authentication.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::certificates::TestCa;
use crate::process::{Process, start_on_free_port};
use crate::wait::{DEADLINE, wait_at_most};

/// A running Git server.
pub struct GitServer {
    // Ended in this order, before the folder goes.
    nginx: Process,
    _backend: Process,
    folder: TempDir,
    port: u16,
    scheme: &'static str,
}

/// One request that reached the server, as nginx logged it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenRequest {
    /// Its method.
    pub method: String,
    /// Its target, with the query.
    pub uri: String,
    /// The status of the answer.
    pub status: u64,
    /// `Authorization`, empty without one.
    pub authorization: String,
    /// `Proxy-Authorization`, empty without one.
    pub proxy_authorization: String,
    /// `Host`.
    pub host: String,
    /// `Git-Protocol`, empty for version 0.
    pub git_protocol: String,
}

impl GitServer {
    /// Serves over http to whoever sends that user name and password.
    pub fn start(username: &str, password: &str) -> Self {
        Self::launch(username, password, None)
    }

    /// Serves over https.
    pub fn start_tls(username: &str, password: &str, ca: &TestCa) -> Self {
        Self::launch(username, password, Some(ca))
    }

    fn launch(username: &str, password: &str, ca: Option<&TestCa>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        std::fs::create_dir(path.join("repositories")).unwrap();
        std::fs::write(path.join("users"), format!("{username}:{{PLAIN}}{password}\n")).unwrap();
        let socket = path.join("backend.sock");
        let mut fcgiwrap = Command::new("fcgiwrap");
        fcgiwrap.args(["-c", "4", "-s"]).arg(format!("unix:{}", socket.display()));
        // What a Git server's administrator would have set for it.
        fcgiwrap.env("HOME", path).env("GIT_CONFIG_NOSYSTEM", "1");
        let mut backend = Process::start("fcgiwrap", &mut fcgiwrap, path);
        backend.wait_until_ready(|| socket.exists());
        let (nginx, port) = start_on_free_port(
            |port| {
                std::fs::write(path.join("nginx.conf"), configuration(path, port, ca)).unwrap();
                let mut nginx = Command::new("nginx");
                nginx.arg("-e").arg(path.join("nginx.log")).arg("-c").arg(path.join("nginx.conf")).arg("-p").arg(path);
                Process::start("nginx", &mut nginx, path)
            },
            // Written once it listens.
            |_| path.join("nginx.pid").exists(),
        );
        Self { nginx, _backend: backend, port, scheme: if ca.is_some() { "https" } else { "http" }, folder }
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("{}://127.0.0.1:{}", self.scheme, self.port)
    }

    /// Its socket address.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// Makes an empty bare repository `NAME.git` that allows partial clones, and returns its folder.
    pub fn repository(&self, name: &str) -> PathBuf {
        let path = self.folder.path().join("repositories").join(format!("{name}.git"));
        git(self.folder.path(), &["init", "--quiet", "--bare", "--initial-branch=main", &path.to_string_lossy()]);
        for setting in ["uploadpack.allowFilter", "uploadpack.allowAnySHA1InWant"] {
            git(&path, &["config", setting, "true"]);
        }
        path
    }

    /// Makes a bare repository `NAME.git` with `commits` commits on `main`, each with its own version of one file `file` of
    /// `bytes` random bytes, and returns its folder.
    pub fn repository_with(&self, name: &str, commits: usize, bytes: usize) -> PathBuf {
        let path = self.repository(name);
        let work = tempfile::tempdir().unwrap();
        commit_random(work.path(), commits, bytes);
        git(work.path(), &["push", "--quiet", &path.to_string_lossy(), "main"]);
        path
    }

    /// Every request so far.
    pub fn seen(&self) -> Vec<SeenRequest> {
        let log = std::fs::read_to_string(self.folder.path().join("access.log")).unwrap_or_default();
        log.lines().map(seen_request).collect()
    }

    /// Waits until a request was logged for which `wanted` holds. nginx writes its log after it has answered.
    #[track_caller]
    pub fn wait_until_seen(&self, what: &str, wanted: impl Fn(&SeenRequest) -> bool) -> SeenRequest {
        let found = wait_at_most(DEADLINE, || self.seen().into_iter().find(|seen| wanted(seen)));
        found.unwrap_or_else(|| panic!("the tool did not see {what}, but {:#?}", self.seen()))
    }

    /// What nginx complained about.
    pub fn errors(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("nginx.log")).unwrap_or_default() + &self.nginx.errors()
    }
}

/// Makes `work` a repository whose branch `main` has `commits` commits, each a new version of `file`, `bytes` long.
pub fn commit_random(work: &Path, commits: usize, bytes: usize) {
    git(work, &["init", "--quiet", "--initial-branch=main"]);
    // Random bytes don't get smaller; trying takes long.
    git(work, &["config", "core.compression", "0"]);
    for number in 1..=commits {
        std::fs::write(work.join("file"), random_bytes(bytes)).unwrap();
        git(work, &["add", "file"]);
        git(work, &["-c", "user.name=Test", "-c", "user.email=test@example.com", "commit", "--quiet", "--message", &format!("Version {number}")]);
    }
}

/// Bytes that don't compress.
pub fn random_bytes(length: usize) -> Vec<u8> {
    use std::io::Read as _;
    let mut bytes = Vec::with_capacity(length);
    std::fs::File::open("/dev/urandom").unwrap().take(length as u64).read_to_end(&mut bytes).unwrap();
    bytes
}

fn git(folder: &Path, arguments: &[&str]) {
    let output =
        Command::new("git").args(arguments).current_dir(folder).env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1").output().unwrap();
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn seen_request(line: &str) -> SeenRequest {
    let record: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("bad line in nginx's log ({error}): {line}"));
    let text = |key: &str| record[key].as_str().unwrap_or_default().to_owned();
    SeenRequest {
        method: text("method"),
        uri: text("uri"),
        status: text("status").parse().unwrap(),
        authorization: text("authorization"),
        proxy_authorization: text("proxy_authorization"),
        host: text("host"),
        git_protocol: text("git_protocol"),
    }
}

/// One process, nothing outside of `folder`, everything about a request in the log.
fn configuration(folder: &Path, port: u16, ca: Option<&TestCa>) -> String {
    let folder = folder.display();
    let tls = ca.map_or_else(String::new, |ca| format!("ssl_certificate {}; ssl_certificate_key {};", ca.certificate().display(), ca.key().display()));
    let ssl = if ca.is_some() { " ssl" } else { "" };
    let backend = git_http_backend();
    format!(
        r#"daemon off;
master_process off;
pid {folder}/nginx.pid;
events {{ worker_connections 512; }}
http {{
    log_format seen escape=json '{{"method":"$request_method","uri":"$request_uri","status":"$status","authorization":"$http_authorization",'
        '"proxy_authorization":"$http_proxy_authorization","host":"$http_host","git_protocol":"$http_git_protocol"}}';
    access_log {folder}/access.log seen;
    client_body_temp_path {folder}/bodies;
    proxy_temp_path {folder}/proxied;
    fastcgi_temp_path {folder}/answers;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    client_max_body_size 0;
    server {{
        listen 127.0.0.1:{port}{ssl};
        {tls}
        auth_basic "private";
        auth_basic_user_file {folder}/users;
        location / {{
            fastcgi_pass unix:{folder}/backend.sock;
            fastcgi_read_timeout 300s;
            fastcgi_param SCRIPT_FILENAME {backend};
            fastcgi_param GIT_PROJECT_ROOT {folder}/repositories;
            fastcgi_param GIT_HTTP_EXPORT_ALL "";
            fastcgi_param GIT_PROTOCOL $http_git_protocol;
            fastcgi_param PATH_INFO $uri;
            fastcgi_param QUERY_STRING $query_string;
            fastcgi_param REQUEST_METHOD $request_method;
            fastcgi_param CONTENT_TYPE $content_type;
            fastcgi_param CONTENT_LENGTH $content_length;
            fastcgi_param REMOTE_USER $remote_user;
            fastcgi_param REMOTE_ADDR $remote_addr;
        }}
    }}
}}
"#
    )
}

fn git_http_backend() -> String {
    let output = Command::new("git").arg("--exec-path").output().unwrap();
    format!("{}/git-http-backend", String::from_utf8_lossy(&output.stdout).trim())
}
