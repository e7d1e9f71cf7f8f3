//! Real servers behind the proxy, which write down what they understood.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use connectors_e2e::{Process, python, start_on_free_port};
use tempfile::TempDir;

/// A running server. It answers a request with `METHOD TARGET`, as it understood them.
pub(crate) struct Backend {
    // Ended before the folder goes.
    process: Process,
    folder: TempDir,
    port: u16,
}

/// A request as a server understood it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    /// What it answered.
    pub(crate) status: u16,
    /// The values of `Authorization`; empty without one.
    pub(crate) authorization: String,
    /// Bytes of the body, if the server says so and got all of it.
    pub(crate) body: Option<u64>,
    /// Method and target, or whatever came in the place of a request line.
    pub(crate) line: String,
}

impl Backend {
    /// nginx as it mostly stands: in front of another server, here one of its own, so that it reads the whole request.
    pub(crate) fn nginx() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        let (process, port) = start_on_free_port(
            |port| {
                std::fs::write(path.join("nginx.conf"), nginx_configuration(path, port)).unwrap();
                let mut nginx = Command::new("nginx");
                nginx.arg("-e").arg(path.join("nginx.log")).arg("-c").arg(path.join("nginx.conf")).arg("-p").arg(path);
                Process::start("nginx", &mut nginx, path)
            },
            |_| path.join("nginx.pid").exists(),
        );
        Self { process, folder, port }
    }

    /// Apache httpd; `lenient` is `HttpProtocolOptions Unsafe`, which reads what 2.4.24 and older read.
    pub(crate) fn apache(lenient: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        // Its workers are nobody, and read the handler when the first request comes.
        std::fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
        std::fs::write(path.join("handler.lua"), "function handle(r)\n  r:write(r.method .. ' ' .. r.unparsed_uri)\n  return apache2.OK\nend\n").unwrap();
        let (process, port) = start_on_free_port(
            |port| {
                std::fs::write(path.join("apache.conf"), apache_configuration(path, port, lenient)).unwrap();
                let mut apache = Command::new("apache2");
                apache.arg("-D").arg("FOREGROUND").arg("-d").arg(path).arg("-f").arg(path.join("apache.conf"));
                Process::start("apache2", &mut apache, path)
            },
            |_| path.join("apache.pid").exists(),
        );
        Self { process, folder, port }
    }

    /// Node's HTTP server; `lenient` is its `insecureHTTPParser`.
    pub(crate) fn node(lenient: bool) -> Self {
        let mut node = Command::new("node");
        node.arg(script("node.js")).env_remove("NODE_OPTIONS");
        Self::printing_its_port("node", &mut node, &[if lenient { "lenient" } else { "strict" }])
    }

    /// Python's `http.server`.
    pub(crate) fn naive() -> Self {
        Self::printing_its_port("python", Command::new(python()).arg(script("naive.py")), &[])
    }

    /// gunicorn, with workers that keep connections.
    pub(crate) fn gunicorn() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut gunicorn = Command::new(python());
        gunicorn.args(["-m", "gunicorn", "--bind", "127.0.0.1:0", "--worker-class", "gthread", "--threads", "4", "--keep-alive", "60", "--no-control-socket"]);
        gunicorn.arg("--chdir").arg(Path::new(SCRIPTS)).arg("application:application");
        gunicorn.env("LOG", folder.path().join("seen")).env("PYTHONDONTWRITEBYTECODE", "1");
        let mut process = Process::start("gunicorn", &mut gunicorn, folder.path());
        let mut port = None;
        process.wait_until_ready(|| {
            let log = process_log(folder.path(), "gunicorn");
            // It says where it listens before there is a worker that does.
            port = log.split_once("Listening at: http://127.0.0.1:").and_then(|(_, rest)| rest.split(' ').next()?.parse().ok());
            port.is_some() && log.contains("Booting worker")
        });
        Self { process, folder, port: port.unwrap() }
    }

    fn printing_its_port(name: &str, command: &mut Command, arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        command.arg(folder.path().join("seen")).args(arguments);
        let mut process = Process::start(name, command, folder.path());
        let mut port = None;
        let output = folder.path().join(format!("{name}.out"));
        process.wait_until_ready(|| {
            port = std::fs::read_to_string(&output).unwrap().strip_suffix('\n').and_then(|port| port.parse().ok());
            port.is_some()
        });
        Self { process, folder, port: port.unwrap() }
    }

    /// `host:port`.
    pub(crate) fn authority(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Every request so far, in the order in which they were done.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        let log = std::fs::read(self.folder.path().join("seen")).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        // The last line may not be whole yet.
        let mut seen: Vec<Seen> = log.rsplit_once('\n').map_or(Vec::new(), |(whole, _)| whole.lines().map(seen).collect());
        // gunicorn tells the application nothing of what it can't read.
        let refused = self.process.errors().lines().filter(|line| line.contains("Invalid request")).map(str::to_owned).collect::<Vec<_>>();
        // Of a request line that begins with a method that it doesn't know, it says the method.
        let line = |line: String| line.split_once("Invalid HTTP method: '").map_or(line.clone(), |(_, method)| method.trim_end_matches('\'').to_owned());
        seen.extend(refused.into_iter().map(|refused| Seen { status: 400, authorization: String::new(), body: None, line: line(refused) }));
        seen
    }
}

const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/smuggling/backends");

fn script(name: &str) -> PathBuf {
    Path::new(SCRIPTS).join(name)
}

fn process_log(folder: &Path, name: &str) -> String {
    std::fs::read_to_string(folder.join(format!("{name}.err"))).unwrap_or_default()
}

fn seen(line: &str) -> Seen {
    let mut columns = line.splitn(4, '\t');
    let mut column = || columns.next().unwrap_or_else(|| panic!("a bad line in a server's log: {line}"));
    let (status, authorization, body, line) = (column(), column(), column(), column());
    let authorization = if authorization == "-" { "" } else { authorization };
    // httpd escapes quotes; backslashes never reach a server.
    Seen { status: status.parse().unwrap_or(0), authorization: authorization.to_owned(), body: body.parse().ok(), line: line.replace("\\\"", "\"") }
}

fn nginx_configuration(folder: &Path, port: u16) -> String {
    let folder = folder.display();
    format!(
        r#"daemon off;
master_process off;
pid {folder}/nginx.pid;
events {{ worker_connections 512; }}
http {{
    log_format seen escape=none "$status\t$http_authorization\t-\t$request";
    client_body_temp_path {folder}/bodies;
    proxy_temp_path {folder}/proxied;
    fastcgi_temp_path {folder}/answers;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    client_max_body_size 0;
    keepalive_requests 1000000;
    keepalive_timeout 60s;
    upstream inner {{ server unix:{folder}/inner.sock; keepalive 4; }}
    server {{
        listen 127.0.0.1:{port};
        access_log {folder}/seen seen;
        location / {{
            proxy_pass http://inner;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
        }}
    }}
    server {{
        listen unix:{folder}/inner.sock;
        access_log off;
        location / {{ return 200 "$request_method $request_uri"; }}
    }}
}}
"#
    )
}

/// A handler that leaves the body to httpd, which reads it before the next request.
fn apache_configuration(folder: &Path, port: u16, lenient: bool) -> String {
    let folder = folder.display();
    let options = if lenient { "Unsafe" } else { "Strict" };
    let modules = ["mpm_event", "authz_core", "lua"].map(|name| format!("LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n")).concat();
    // It wants to be somebody else only if it could be anybody.
    let identity = if rustix::process::geteuid().is_root() { "User nobody\nGroup nogroup\n" } else { "" };
    format!(
        r#"{modules}{identity}ServerRoot {folder}
ServerName localhost
PidFile {folder}/apache.pid
DefaultRuntimeDir {folder}
Mutex sem
Listen 127.0.0.1:{port}
ErrorLog {folder}/apache.log
LogFormat "%>s\t%{{Authorization}}i\t-\t%r" seen
CustomLog {folder}/seen seen
StartServers 1
ServerLimit 1
ThreadsPerChild 16
MaxRequestWorkers 16
KeepAlive On
MaxKeepAliveRequests 0
KeepAliveTimeout 60
HttpProtocolOptions {options}
LuaMapHandler .* {folder}/handler.lua handle
<Directory />
    Require all granted
</Directory>
"#
    )
}
