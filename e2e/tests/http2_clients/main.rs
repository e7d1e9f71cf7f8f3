//! Real clients that speak HTTP/2: to the proxy by prior knowledge, and inside an interception by ALPN, to tools that speak it too.
#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::process::Command;

use connectors_e2e::{
    Canaries, Client, Connector, Connectors, Echo, Folder, Process, TestCa, bearer_class, bearer_secret, ca_secret, flags, grant, python, service_account,
    start_on_free_port, unique, wait_for,
};
use tempfile::TempDir;

/// nginx as a tool by HTTP/2 and by HTTP/1.1: `/small` is 64 bytes, `/big` five megabytes, and `/upload` takes what it gets; whatever has not the credential
/// is 401.
struct Nginx {
    // Ended before its folder goes.
    _process: Process,
    folder: TempDir,
    port: u16,
    ca: TestCa,
}

const BIG: usize = 5_000_000;

impl Nginx {
    fn start(secret: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ca = TestCa::create();
        let path = folder.path();
        std::fs::create_dir(path.join("files")).unwrap();
        std::fs::write(path.join("files/small"), [b'x'; 64]).unwrap();
        std::fs::write(path.join("files/big"), vec![b'x'; BIG]).unwrap();
        let start = |port| {
            let (root, certificate, key) = (path.display(), ca.certificate(), ca.key());
            let configuration = format!(
                "daemon off; worker_processes 1; pid {root}/nginx.pid; error_log {root}/error.log;
                 events {{ worker_connections 1024; }}
                 http {{
                   log_format seen \"$server_protocol $request_method $uri $status $http_authorization\"; access_log {root}/access.log seen;
                   client_body_temp_path {root}/body; proxy_temp_path {root}/p; fastcgi_temp_path {root}/f; uwsgi_temp_path {root}/u; scgi_temp_path {root}/s;
                   server {{
                     listen 127.0.0.1:{port} ssl http2; ssl_certificate {}; ssl_certificate_key {}; root {root}/files; client_max_body_size 0;
                     if ($http_authorization != \"Bearer {secret}\") {{ return 401; }}
                     location = /upload {{ proxy_pass http://unix:{root}/sink:/; }}
                   }}
                   server {{ listen unix:{root}/sink; access_log off; return 200 \"taken\"; }}
                 }}",
                certificate.display(),
                key.display()
            );
            std::fs::write(path.join("nginx.conf"), configuration).unwrap();
            let mut nginx = Command::new("nginx");
            nginx.arg("-e").arg(path.join("error.log")).arg("-c").arg(path.join("nginx.conf")).arg("-p").arg(path);
            Process::start("nginx", &mut nginx, path)
        };
        let (process, port) = start_on_free_port(start, |_| path.join("nginx.pid").exists());
        Self { _process: process, folder, port, ca }
    }

    fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// What it logged: protocol, method, path, status, credential.
    fn seen(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("access.log")).unwrap_or_default()
    }
}

/// Manifests for a tool at `url` as `team/tool`, which `team/builder` may use.
fn folder(url: &str, secret: &str, ca: &TestCa) -> Folder {
    Folder::new().with(&[
        flags(&["enable-custom-ca-certs"]),
        bearer_class("api"),
        Connector::new("team/tool", "api", url).auth("bearerTokenAuth", "tool").ca("ca").yaml(),
        bearer_secret("team/tool", secret),
        ca_secret("team/ca", &ca.pem()),
        service_account("team/builder"),
        grant("team/builder", "team/tool"),
    ])
}

/// Neither side has seen what is the other's.
#[track_caller]
fn assert_hidden(proxy: &Connectors<'_>, client: &Client, secret: &str, token: &str, seen: &str) {
    let (tools, callers) = (Canaries::default().add("the tool's token", secret), Canaries::default().add_token("the caller's token", token));
    client.assert_never_saw(&tools);
    callers.assert_absent("what the tool saw", seen);
    for (place, text) in [("the proxy's output", proxy.output()), ("its errors", proxy.errors()), ("its metrics", proxy.metrics())] {
        tools.assert_absent(place, &text);
        callers.assert_absent(place, &text);
    }
}

#[test]
fn curl() {
    let secret = unique("tool");
    let nginx = Nginx::start(&secret);
    let folder = folder(&format!("https://{}", nginx.address()), &secret, &nginx.ca);
    let proxy = Connectors::start(&folder);
    let token = proxy.token("team/builder");
    let client = Client::new();
    let bearer = format!("Authorization: Bearer {token}");
    let wanted = ["-sSf", "-o", "got", "-w", "%{http_version} %{http_code} %{size_download} "];
    let big = format!("2 200 {BIG} ");
    for base in [proxy.path_url("team/tool"), proxy.host_url("team/tool")] {
        let words = ["--http2-prior-knowledge", "-H", &bearer, &format!("{base}/big")];
        client.run("curl", wanted.iter().chain(&words)).succeeds().says(&big);
    }
    // curl 7.88 can't have two requests on a connection of prior knowledge, whatever the server.
    client.write("body", vec![7; 3_000_000]);
    let url = format!("{}/upload", proxy.path_url("team/tool"));
    let words = ["--http2-prior-knowledge", "-H", &bearer, "--data-binary", "@body", &url];
    client.run("curl", wanted.iter().chain(&words)).succeeds().says("2 200 5 ");
    // A refusal comes early, and curl gets to see it, whatever it is still sending.
    for _ in 0..20 {
        let words = ["-s", "-o", "refusal", "-w", "%{http_version} %{http_code}", "--http2-prior-knowledge", "--data-binary", "@body", &url];
        client.run("curl", words).succeeds().says("2 401");
    }
    // Inside an interception h2 is what curl chooses.
    let behind = Client::new().proxy(&proxy.proxy_url("team/tool", &token));
    let ca = proxy.ca_certificate();
    let words = ["--cacert", &ca.to_string_lossy(), &format!("https://{}/big", nginx.address())];
    behind.run("curl", wanted.iter().chain(&words)).succeeds().says(&big);
    behind.write("body", vec![7; 3_000_000]);
    let upload = format!("https://{}/upload", nginx.address());
    let words = ["--cacert", &ca.to_string_lossy(), "--data-binary", "@body", &upload, "-o", "again", &upload];
    behind.run("curl", wanted.iter().chain(&words)).succeeds().says("2 200 5 2 200 5 ");
    let words = ["--http1.1", "--cacert", &ca.to_string_lossy(), &format!("https://{}/big", nginx.address())];
    behind.run("curl", wanted.iter().chain(&words)).succeeds().says(&format!("1.1 200 {BIG} "));
    // The tool is spoken to as the caller speaks.
    let seen = nginx.seen();
    assert_eq!(seen.lines().filter(|line| line.starts_with("HTTP/2.0 ")).count(), 6, "{seen}");
    assert_eq!(seen.lines().filter(|line| line.starts_with("HTTP/1.1 ")).count(), 1, "{seen}");
    assert!(seen.lines().all(|line| line.ends_with(&format!(" 200 Bearer {secret}"))), "{seen}");
    assert_hidden(&proxy, &client, &secret, &token, &seen);
    assert_hidden(&proxy, &behind, &secret, &token, &seen);
}

#[test]
fn ten_thousand_requests_without_a_failure() {
    let secret = unique("tool");
    let nginx = Nginx::start(&secret);
    let echo = Echo::start();
    // To a tool of HTTP/2, and to one of HTTP/1.1.
    for (url, path) in [(format!("https://{}", nginx.address()), "/small"), (echo.url(), "/")] {
        let folder = folder(&url, &secret, &nginx.ca);
        let proxy = Connectors::start(&folder);
        let token = proxy.token("team/builder");
        let client = Client::new();
        let words = ["-n", "10000", "-c", "20", "-m", "32", "-H", &format!("Authorization: Bearer {token}"), &format!("{}{path}", proxy.path_url("team/tool"))];
        client.run("h2load", words).succeeds().says("10000 succeeded, 0 failed, 0 errored, 0 timeout").says("status codes: 10000 2xx, 0 3xx, 0 4xx, 0 5xx");
        client
            .run("nghttp", ["-nv", "-H", &format!("Authorization: Bearer {token}"), &format!("{}{path}", proxy.path_url("team/tool"))])
            .succeeds()
            .says(":status: 200");
        wait_for("every record", || (proxy.records().len() == 10_001).then_some(()));
        assert!(proxy.records().iter().all(|record| record["status"] == 200 && record["complete"] == true));
        assert_hidden(&proxy, &client, &secret, &token, &nginx.seen());
    }
}

#[test]
fn node() {
    let secret = unique("tool");
    let nginx = Nginx::start(&secret);
    let folder = folder(&format!("https://{}", nginx.address()), &secret, &nginx.ca);
    let proxy = Connectors::start(&folder);
    let token = proxy.token("team/builder");
    let client = Client::new();
    client.write("client.js", include_str!("client.js"));
    let (listen, ca) = (proxy.listen().to_string(), proxy.ca_certificate().to_string_lossy().into_owned());
    for (tunnel, refused) in [(vec![], "refused: 401"), (vec![nginx.address(), ca], "refused: 404")] {
        let words = ["client.js", &listen, "team/tool", &token].map(str::to_owned).into_iter().chain(tunnel);
        let ran = client.run("node", words).succeeds();
        ran.says("many at once: 200 64").says(&format!("big: 200 {BIG}")).says("sent: 200 5").says(refused);
    }
    let seen = nginx.seen();
    assert!(seen.lines().all(|line| line.starts_with("HTTP/2.0 ") && line.ends_with(&format!(" Bearer {secret}"))), "{seen}");
    assert_hidden(&proxy, &client, &secret, &token, &seen);
}

#[test]
fn grpc_inside_an_interception() {
    let secret = unique("tool");
    let (ca, logs) = (TestCa::create(), tempfile::tempdir().unwrap());
    let mut command = Command::new(python());
    command.args(["-c", include_str!("grpc_tool.py")]).arg(ca.certificate()).arg(ca.key());
    let tool = Process::start("grpc", &mut command, logs.path());
    let port: u16 = wait_for("the tool's port", || tool.output().lines().next()?.parse().ok());
    let folder = folder(&format!("https://127.0.0.1:{port}"), &secret, &ca);
    let proxy = Connectors::start(&folder);
    let token = proxy.token("team/builder");
    let client = Client::new().proxy(&proxy.proxy_url("team/tool", &token));
    let own_ca = proxy.ca_certificate();
    let words = ["-c", include_str!("grpc_client.py"), &format!("127.0.0.1:{port}"), &own_ca.to_string_lossy()];
    let ran = client.run(&python().to_string_lossy(), words).succeeds();
    ran.says("unary: as it should be").says("errors: as they should be").says("both ways: as it should be").says("cancelled: as it should be");
    // The tool was told at once that nobody listens any more.
    wait_for("the end of the ticks", || tool.output().contains("ticks ended").then_some(()));
    let seen = tool.output();
    assert_eq!(seen.lines().filter(|line| *line == format!("unary Bearer {secret}")).count(), 5, "{seen}");
    assert!(seen.contains(&format!("stream Bearer {secret}")), "{seen}");
    proxy.wait_for_record("the cancelled call", |record| record["path"] == "/test.Echo/Ticks" && record["complete"] == false);
    proxy.wait_for_record("a call", |record| record["path"] == "/test.Echo/Unary" && record["mode"] == "intercept" && record["status"] == 200);
    assert_hidden(&proxy, &client, &secret, &token, &seen);
}
