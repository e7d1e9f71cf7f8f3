//! A real Kubernetes API server, with one node that runs nothing.

use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::canary::unique;
use crate::certificates::TestCa;
use crate::client::tool;
use crate::http::Connection;
use crate::process::{Process, start_on_free_port};

/// A running API server. Pods on its node run, as far as it knows; commands in them, their ports and their logs are this machine's.
pub struct Kubernetes {
    // Ended before the folder goes, and in this order.
    _server: Process,
    _node: Process,
    _etcd: Process,
    folder: TempDir,
    ca: TestCa,
    port: u16,
    token: String,
}

impl Kubernetes {
    /// The user that its token belongs to; it may do everything.
    pub const USER: &str = "connectors-admin";
    /// The container of every Pod.
    pub const CONTAINER: &str = "main";

    /// The one that tests of this process share while any of them uses it, since it takes some seconds to start.
    pub fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<Kubernetes>> = Mutex::new(Weak::new());
        // A test that failed while it started one leaves nothing half-made behind.
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = shared.upgrade() {
            return running;
        }
        let started = Arc::new(Self::start());
        *shared = Arc::downgrade(&started);
        started
    }

    fn start() -> Self {
        let (folder, ca, token) = (tempfile::tempdir().unwrap(), TestCa::create(), unique("kubernetes-token"));
        let path = folder.path();
        std::fs::write(path.join("tokens.csv"), format!("{token},{},1,system:masters\n", Self::USER)).unwrap();
        std::fs::write(path.join("audit.yaml"), "apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived]\nrules: [{level: Metadata}]\n")
            .unwrap();
        std::fs::write(path.join("ca.crt"), ca.pem()).unwrap();
        std::fs::write(path.join("log"), "").unwrap();
        let (etcd, store) = start_on_free_port(|port| etcd(path, port), accepts);
        let (node, node_port) = start_on_free_port(|port| node(path, port, &ca), accepts);
        let (server, port) = start_on_free_port(|port| api_server(path, port, store, &ca), |port| is_ready(port, path, &token));
        let kubernetes = Self { _server: server, _node: node, _etcd: etcd, folder, ca, port, token };
        kubernetes.apply(&json!({
            "apiVersion": "v1", "kind": "Node", "metadata": {"name": "node"},
            "status": {"addresses": [{"type": "InternalIP", "address": "127.0.0.1"}], "daemonEndpoints": {"kubeletEndpoint": {"Port": node_port}}},
        }));
        kubernetes
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("https://localhost:{}", self.port)
    }

    /// The certificate of the CA that its own comes from, PEM.
    pub fn ca(&self) -> String {
        self.ca.pem()
    }

    /// The token of [`Kubernetes::USER`].
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Runs kubectl as [`Kubernetes::USER`], not through any proxy, and returns what it printed.
    #[track_caller]
    pub fn kubectl<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> String {
        let mut command = Command::new(kubectl());
        command.env_clear().env("HOME", self.folder.path()).args(["--server", &self.url(), "--token", &self.token, "--certificate-authority"]);
        let output = command.arg(self.folder.path().join("ca.crt")).args(arguments).output().unwrap();
        assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Makes a Pod that runs on the node, with a name of its own, and returns that.
    #[track_caller]
    pub fn pod(&self) -> String {
        let name = unique("pod");
        self.apply(&json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
            "spec": {"nodeName": "node", "automountServiceAccountToken": false, "containers": [{"name": Self::CONTAINER, "image": "none"}]},
        }));
        let container = json!({"name": Self::CONTAINER, "image": "none", "imageID": "", "ready": true, "restartCount": 0, "state": {"running": {}}});
        let status = json!({"status": {"phase": "Running", "hostIP": "127.0.0.1", "containerStatuses": [container]}});
        self.kubectl(["patch", "pod", &name, "--subresource=status", "--type=merge", "--patch", &status.to_string()]);
        name
    }

    /// Adds to the log of every container.
    pub fn log(&self, text: &str) {
        let mut log = std::fs::OpenOptions::new().append(true).open(self.folder.path().join("log")).unwrap();
        log.write_all(text.as_bytes()).unwrap();
    }

    /// Every request that it has answered, as its audit log has them.
    pub fn seen(&self) -> Vec<Value> {
        let log = std::fs::read_to_string(self.folder.path().join("audit.log")).unwrap_or_default();
        // The last line may not be whole yet.
        log.split_inclusive('\n').filter(|line| line.ends_with('\n')).map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[track_caller]
    fn apply(&self, manifest: &Value) {
        let file = self.folder.path().join(unique("manifest"));
        std::fs::write(&file, manifest.to_string()).unwrap();
        self.kubectl(["create", "--filename", &file.to_string_lossy()]);
    }
}

/// The program kubectl.
pub fn kubectl() -> PathBuf {
    tool("kubernetes/kubectl")
}

fn etcd(folder: &Path, port: u16) -> Process {
    let (url, data) = (format!("http://127.0.0.1:{port}"), folder.join("etcd"));
    let mut command = Command::new(tool("kubernetes/etcd"));
    // Nothing here outlives the test.
    command.arg("--unsafe-no-fsync").arg("--data-dir").arg(data).args(["--listen-client-urls", &url, "--advertise-client-urls", &url]);
    command.args(["--listen-peer-urls", "http://127.0.0.1:0", "--logger", "zap", "--log-level", "warn"]);
    Process::start("etcd", &mut command, folder)
}

fn node(folder: &Path, port: u16, ca: &TestCa) -> Process {
    let mut command = Command::new(tool("kubernetes/node"));
    command.args(["--listen", &format!("127.0.0.1:{port}"), "--certificate"]).arg(ca.certificate()).arg("--key").arg(ca.key());
    Process::start("node", command.arg("--log").arg(folder.join("log")), folder)
}

fn api_server(folder: &Path, port: u16, store: u16, ca: &TestCa) -> Process {
    let mut command = Command::new(tool("kubernetes/kube-apiserver"));
    command.args(["--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", "--endpoint-reconciler-type=none", "--authorization-mode=RBAC"]);
    command.args(["--service-cluster-ip-range=10.0.0.0/24", "--service-account-issuer=https://kubernetes.default.svc"]);
    command.args(["--disable-admission-plugins=ServiceAccount", "--kubelet-preferred-address-types=InternalIP", "--anonymous-auth=false"]);
    command.args([format!("--secure-port={port}"), format!("--etcd-servers=http://127.0.0.1:{store}")]);
    let files = [
        ("tls-cert-file", ca.certificate()),
        ("tls-private-key-file", ca.key()),
        ("service-account-key-file", ca.certificate()),
        ("service-account-signing-key-file", ca.key()),
        ("token-auth-file", folder.join("tokens.csv")),
        ("audit-policy-file", folder.join("audit.yaml")),
        ("audit-log-path", folder.join("audit.log")),
        ("cert-dir", folder.join("certificates")),
    ];
    command.args(files.map(|(flag, file)| format!("--{flag}={}", file.display())));
    Process::start("kube-apiserver", &mut command, folder)
}

fn accepts(port: u16) -> bool {
    Connection::open(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).is_ok()
}

/// Whether the API server says that it is, which it does when the namespaces and roles of its own are there.
fn is_ready(port: u16, folder: &Path, token: &str) -> bool {
    let mut command = Command::new("curl");
    command.args(["--silent", "--fail", "--noproxy", "*", "--max-time", "5", "--header", &format!("Authorization: Bearer {token}"), "--cacert"]);
    command.arg(folder.join("ca.crt")).arg(format!("https://localhost:{port}/readyz"));
    accepts(port) && command.output().is_ok_and(|output| output.status.success())
}
