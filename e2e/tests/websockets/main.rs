//! A real WebSocket client and server, in every mode: whatever happens on a WebSocket, both see the same through the proxy as without it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests may panic too")]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use connectors_e2e::{
    Canaries, Client, Connector, Connectors, Folder, Process, TestCa, bearer_class, bearer_secret, ca_secret, flags, grant, python, service_account, unique,
    wait_for,
};
use serde_json::{Value, json};

#[test]
fn by_reverse_address() {
    let world = World::new(false);
    let proxy = Connectors::start(&world.folder);
    let token = proxy.token("team/builder");
    let uri = proxy.path_url("team/socket").replacen("http", "ws", 1);
    world.is_as_without(&proxy, "reverse", &token, &json!({"uri": uri, "headers": {"Authorization": format!("Bearer {token}")}}));
}

/// As clients do that send a proxy the whole URL, instead of asking for a tunnel through which they would then send plain text.
#[test]
fn by_forward_proxy() {
    let world = World::new(false);
    let proxy = Connectors::start(&world.folder);
    let token = proxy.token("team/builder");
    let headers = json!({"Proxy-Authorization": connectors_e2e::basic("team/socket", &token), "Authorization": "Bearer placeholder"});
    let absolute = json!([proxy.listen().ip().to_string(), proxy.listen().port()]);
    world.is_as_without(&proxy, "forward", &token, &json!({"uri": world.server.uri(), "headers": headers, "absolute": absolute}));
}

#[test]
fn intercepted() {
    let world = World::new(true);
    let proxy = Connectors::start(&world.folder);
    let token = proxy.token("team/builder");
    let way = json!({"uri": world.server.uri(), "headers": {}, "proxy": proxy.proxy_url("team/socket", &token), "ca": proxy.ca_certificate()});
    world.is_as_without(&proxy, "intercept", &token, &way);
}

#[test]
fn without_rights() {
    let world = World::new(false);
    let proxy = Connectors::start(&world.folder);
    let token = proxy.token("team/stranger");
    let uri = proxy.path_url("team/socket").replacen("http", "ws", 1);
    let way = json!({"uri": uri, "headers": {"Authorization": format!("Bearer {token}")}, "run": "refused"});
    world.client.run(&python().to_string_lossy(), [&script("client.py"), &way.to_string()]).fails().says("HTTP 403");
    assert_eq!(world.server.process.output().lines().count(), 1, "nothing reached the server");
}

/// What a client saw of each scenario, and the server of each connection.
#[derive(Debug, PartialEq)]
struct Seen {
    client: Value,
    server: BTreeMap<String, Value>,
}

/// A server, manifests by which `team/builder` may use it as `team/socket`, and a client.
struct World {
    server: Server,
    folder: Folder,
    client: Client,
}

impl World {
    fn new(tls: bool) -> Self {
        let server = Server::start(tls);
        let folder = Folder::new().with(&[
            flags(&["enable-custom-ca-certs"]),
            bearer_class("sockets"),
            Connector::new("team/socket", "sockets", &server.uri().replacen("ws", "http", 1)).auth("bearerTokenAuth", "socket").yaml(),
            bearer_secret("team/socket", &server.token),
            service_account("team/builder"),
            service_account("team/stranger"),
            grant("team/builder", "team/socket"),
        ]);
        if let Some(ca) = &server.ca {
            let labelled = "metadata:\n  labels:\n    connectors.cpaas.io/ca-cert: \"true\"\n";
            folder.write("ca.yaml", &ca_secret("connectors-system/tool-ca", &ca.pem()).replace("metadata:\n", labelled));
        }
        Self { server, folder, client: Client::new() }
    }

    /// Goes through all that can happen, without the proxy and then by `way`; and two hundred connections at once.
    #[track_caller]
    fn is_as_without(&self, proxy: &Connectors<'_>, mode: &str, token: &str, way: &Value) {
        // A home of its own, since this one knows the tool's token.
        let direct = self.go_through(&Client::new(), &self.server.direct(), "direct");
        assert_eq!(direct.client["pings"], json!([[true, true, true], "ponged"]));
        assert_eq!(direct.client["closed_by_the_server"]["1001"], json!(["[]", [1001, "reason 1001 ä"], [1001, "reason 1001 ä"], true]));
        let proxied = self.go_through(&self.client, way, "proxied");
        for (scenario, seen) in direct.client.as_object().unwrap() {
            assert_eq!(&proxied.client[scenario], seen, "what the client sees of {scenario}");
        }
        for (connection, seen) in &direct.server {
            assert_eq!(&proxied.server[connection], seen, "what the server sees of {connection}");
        }
        // One record for each connection, with what went over it.
        for connection in direct.server.keys() {
            let path = format!("/proxied/{connection}");
            let record = proxy.wait_for_record(&path, |record| record["path"].as_str().is_some_and(|own| own.ends_with(&path)) && record["mode"] == mode);
            assert_eq!((record["status"].as_u64(), record["answered_by"].as_str()), (Some(101), Some("tool")), "{record}");
        }
        let big = proxy.wait_for_record("big", |record| record["path"].as_str().is_some_and(|own| own.ends_with("/big")));
        assert!(big["bytes_in"].as_u64() > Some(32 << 20) && big["bytes_out"].as_u64() > Some(48 << 20), "{big}");
        let mut many = way.clone();
        many["at_once"] = 200.into();
        assert_eq!(self.run(&self.client, &many, "many"), json!(200));
        // The server had its own token each time, or it would have refused.
        self.client.assert_never_saw(&Canaries::default().add("the tool's token", &self.server.token));
        let callers = Canaries::default().add_token("the caller's token", token);
        callers.assert_absent("what the server saw", self.server.process.output());
        callers.assert_absent("the proxy's output", proxy.output() + &proxy.errors());
    }

    #[track_caller]
    fn go_through(&self, client: &Client, way: &Value, run: &str) -> Seen {
        let client = self.run(client, way, run);
        // The server says what became of a connection when it has ended.
        let server = wait_for("the server to have seen all", || {
            let ended: BTreeMap<String, Value> = self.server.ended(run).collect();
            let opened = self.server.opened(run);
            (ended.len() == opened && opened > 80).then_some(ended)
        });
        Seen { client, server }
    }

    #[track_caller]
    fn run(&self, client: &Client, way: &Value, run: &str) -> Value {
        let mut way = way.clone();
        way["run"] = run.into();
        let ran = client.run(&python().to_string_lossy(), [&script("client.py"), &way.to_string()]).succeeds();
        serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {}", ran.stdout))
    }
}

struct Server {
    // Ended before the folder of its output goes.
    process: Process,
    logs: tempfile::TempDir,
    ca: Option<TestCa>,
    token: String,
    port: u64,
}

impl Server {
    fn start(tls: bool) -> Self {
        let ca = tls.then(TestCa::create);
        let token = unique("socket-token");
        let config = json!({
            "authorization": format!("Bearer {token}"),
            "certificate": ca.as_ref().map(TestCa::certificate),
            "key": ca.as_ref().map(TestCa::key),
        });
        let logs = tempfile::tempdir().unwrap();
        let mut process = Process::start("server", Command::new(python()).args([script("server.py"), config.to_string()]), logs.path());
        let mut port = None;
        process.wait_until_ready(|| {
            port = said(&process_output(logs.path())).find_map(|line| line["port"].as_u64());
            port.is_some()
        });
        Self { process, logs, ca, token, port: port.unwrap() }
    }

    fn uri(&self) -> String {
        format!("{}://localhost:{}", if self.ca.is_some() { "wss" } else { "ws" }, self.port)
    }

    /// How to reach it without the proxy.
    fn direct(&self) -> Value {
        let ca = self.ca.as_ref().map(|ca| {
            let file = self.logs.path().join("ca.crt");
            std::fs::write(&file, ca.pem()).unwrap();
            file
        });
        json!({"uri": self.uri(), "headers": {"Authorization": format!("Bearer {}", self.token)}, "ca": ca})
    }

    /// How many connections were opened in a run.
    fn opened(&self, run: &str) -> usize {
        let part = format!("/{run}/");
        said(&self.process.output()).filter(|line| line["head"][0].as_str().is_some_and(|path| path.contains(&part))).count()
    }

    /// How the connections of a run have ended. Of those with one name, the last.
    fn ended<'a>(&self, run: &'a str) -> impl Iterator<Item = (String, Value)> + use<'a> {
        let lines: Vec<Value> = said(&self.process.output()).filter(|line| line["run"] == run).collect();
        lines.into_iter().map(|mut line| {
            line["run"].take();
            (line["scenario"].as_str().unwrap().to_owned(), line)
        })
    }
}

fn process_output(logs: &Path) -> String {
    std::fs::read_to_string(logs.join("server.out")).unwrap_or_default()
}

/// The whole lines of JSON in `output`.
fn said(output: &str) -> impl Iterator<Item = Value> + '_ {
    output.split_inclusive('\n').filter(|line| line.ends_with('\n')).map(|line| serde_json::from_str(line).unwrap())
}

fn script(name: &str) -> String {
    format!("{}/tests/websockets/{name}", env!("CARGO_MANIFEST_DIR"))
}
