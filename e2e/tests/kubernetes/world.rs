//! What the tests have in common: an API server, the manifests for it, the proxy in front of it, and kubectl.

use std::fs::{File, OpenOptions};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use connectors_e2e::{
    Canaries, Client, Connector, Connectors, Folder, Kubernetes, Process, Ran, bearer_class, bearer_secret, ca_secret, grant, kubectl, service_account,
    wait_for,
};
use serde_json::{Value, json};

/// An API server, and manifests by which `team/builder` may use it as `team/kube`.
pub(crate) struct World {
    pub(crate) tool: Arc<Kubernetes>,
    folder: Folder,
}

/// What kubectl speaks once the connection is upgraded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    WebSocket,
    Spdy,
}

impl Transport {
    pub(crate) const BOTH: [Self; 2] = [Self::WebSocket, Self::Spdy];

    /// What the API server calls such a request: a WebSocket begins with GET, SPDY with POST.
    pub(crate) fn verb(self) -> &'static str {
        match self {
            Self::WebSocket => "get",
            Self::Spdy => "create",
        }
    }
}

impl World {
    pub(crate) fn new() -> Self {
        let tool = Kubernetes::shared();
        let folder = Folder::new().with(&[
            bearer_class("kubernetes"),
            Connector::new("team/kube", "kubernetes", &tool.url()).auth("bearerTokenAuth", "kube").ca("kube-ca").yaml(),
            bearer_secret("team/kube", tool.token()),
            ca_secret("team/kube-ca", &tool.ca()),
            service_account("team/builder"),
            service_account("team/stranger"),
            grant("team/builder", "team/kube"),
        ]);
        Self { tool, folder }
    }

    /// Starts the proxy, for `team/builder` to use it.
    pub(crate) fn serve(&self) -> Case<'_> {
        self.serve_as("team/builder")
    }

    pub(crate) fn serve_as(&self, account: &str) -> Case<'_> {
        let proxy = Connectors::start(&self.folder);
        let token = proxy.token(account);
        let (url, proxy_url) = (self.tool.url(), proxy.proxy_url("team/kube", &token));
        let ca = STANDARD.encode(std::fs::read(proxy.ca_certificate()).unwrap());
        // A placeholder for the token, as mounted files have it: without any, kubectl would ask for a name and a password.
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "kube",
            "clusters": [{"name": "kube", "cluster": {"server": url, "proxy-url": proxy_url, "certificate-authority-data": ca}}],
            "users": [{"name": "caller", "user": {"token": "placeholder"}}],
            "contexts": [{"name": "kube", "context": {"cluster": "kube", "user": "caller"}}],
        });
        Case { tool: &self.tool, proxy, token, config: config.to_string() }
    }
}

/// The proxy in front of the API server, and a kubeconfig to use it with.
pub(crate) struct Case<'a> {
    tool: &'a Kubernetes,
    proxy: Connectors<'a>,
    token: String,
    config: String,
}

/// kubectl, with that kubeconfig.
pub(crate) struct Kubectl<'a> {
    case: &'a Case<'a>,
    pub(crate) client: Client,
}

impl Case<'_> {
    /// A machine with kubectl on it, which speaks `transport`.
    pub(crate) fn client(&self, transport: Transport) -> Kubectl<'_> {
        let client = Client::new().set("KUBECONFIG", "config");
        let client = match transport {
            Transport::WebSocket => client,
            Transport::Spdy => client.set("KUBECTL_REMOTE_COMMAND_WEBSOCKETS", "false").set("KUBECTL_PORT_FORWARD_WEBSOCKETS", "false"),
        };
        client.write("config", &self.config);
        Kubectl { case: self, client }
    }

    /// Runs kubectl.
    #[track_caller]
    pub(crate) fn kubectl<const N: usize>(&self, arguments: [&str; N]) -> Ran {
        self.client(Transport::WebSocket).kubectl(arguments)
    }

    /// The API server has answered such a request, and took the caller for its administrator; what it knows has nothing of the caller's, nor has what
    /// the proxy prints anything of either's.
    #[track_caller]
    pub(crate) fn assert_injected(&self, verb: &str, uri: &str, status: u64) {
        wait_for(format!("{verb} {uri} to be logged"), || {
            let is = |seen: &Value| seen["verb"] == verb && seen["requestURI"].as_str().is_some_and(|own| own.starts_with(uri));
            let seen = self.tool.seen().into_iter().find(|seen| is(seen) && seen["responseStatus"]["code"] == status)?;
            assert_eq!(seen["user"]["username"], Kubernetes::USER, "{seen}");
            Some(())
        });
        self.assert_hidden();
    }

    #[track_caller]
    fn assert_hidden(&self) {
        let callers = Canaries::default().add_token("the caller's token", &self.token);
        callers.assert_absent("what the API server saw", format!("{:?}", self.tool.seen()));
        let both = callers.add("the API server's token", self.tool.token());
        for (place, text) in [("the proxy's output", self.proxy.output()), ("its errors", self.proxy.errors()), ("its metrics", self.proxy.metrics())] {
            both.assert_absent(place, text);
        }
    }

    /// Waits for an access record of a request inside an interception.
    #[track_caller]
    pub(crate) fn wait_for_record(&self, path: &str, wanted: impl Fn(&Value) -> bool) {
        self.proxy.wait_for_record(path, |record| record["path"] == path && record["mode"] == "intercept" && wanted(record));
    }
}

impl Kubectl<'_> {
    /// Runs kubectl.
    #[track_caller]
    pub(crate) fn kubectl<const N: usize>(&self, arguments: [&str; N]) -> Ran {
        let ran = self.client.run(&kubectl().to_string_lossy(), arguments);
        self.never_saw();
        ran
    }

    /// Runs a command of the shell, in which kubectl is on the PATH.
    #[track_caller]
    pub(crate) fn shell(&self, command: &str) -> Ran {
        let ran = self.client.run("sh", ["-c", &with_kubectl(command)]);
        self.never_saw();
        ran
    }

    /// Starts kubectl.
    #[track_caller]
    pub(crate) fn start<const N: usize>(&self, name: &str, arguments: [&str; N]) -> Process {
        self.client.start(name, &kubectl().to_string_lossy(), arguments)
    }

    /// Starts a command of the shell, in which kubectl is on the PATH, and gives what is written to it as its input.
    #[track_caller]
    pub(crate) fn start_with_input(&self, name: &str, command: &str) -> (File, Process) {
        let pipe = self.client.home().join(format!("{name}.in"));
        let _ = std::fs::remove_file(&pipe);
        self.shell(&format!("mkfifo {name}.in")).succeeds();
        let running = self.client.start(name, "sh", ["-c", &with_kubectl(&format!("{command} < {name}.in"))]);
        // For reading too, so that a command that never opens it can't keep the test waiting (fifo(7)).
        (OpenOptions::new().read(true).write(true).open(pipe).unwrap(), running)
    }

    #[track_caller]
    fn never_saw(&self) {
        self.client.assert_never_saw(&Canaries::default().add("the API server's token", self.case.tool.token()));
    }
}

fn with_kubectl(command: &str) -> String {
    format!("PATH={}:$PATH; {command}", kubectl().parent().unwrap().display())
}
