//! What the tests have in common: a Git server, the manifests for it, and a machine on which git runs.

use std::path::Path;

use connectors_e2e::{
    Canaries, Client, Connector, Connectors, Folder, GitServer, SeenRequest, TestCa, basic, basic_class, basic_secret, ca_secret, flags, grant,
    service_account, unique,
};

/// The ways to reach a tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    ReverseByHost,
    ReverseByPath,
    Forward,
    Intercepted,
}

impl Mode {
    /// What git's trace shows of an answer's status line. Inside an interception git speaks HTTP/2.
    pub(crate) fn received_status(self, status: u16) -> String {
        let version = if matches!(self, Self::Intercepted) { "2" } else { "1.1" };
        format!("Recv header: HTTP/{version} {status}")
    }

    /// What git's trace shows of an answer's field. HTTP/2 has names in lower case only (RFC 9113 §8.2.1).
    pub(crate) fn received_field(self, name: &str, value: &str) -> String {
        let name = if matches!(self, Self::Intercepted) { name.to_ascii_lowercase() } else { name.to_owned() };
        format!("Recv header: {name}: {value}")
    }
}

/// All of them.
pub(crate) const MODES: [Mode; 4] = [Mode::ReverseByHost, Mode::ReverseByPath, Mode::Forward, Mode::Intercepted];

/// How a token is shown to a reverse address. To a proxy it is the password in the proxy's URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown {
    /// In `http.extraHeader`, as Bearer.
    Bearer,
    /// In `http.extraHeader`, as Basic with an empty user name.
    Basic,
    /// In the URL: git sends it once it is asked.
    Url,
}

/// A Git server, and manifests by which `team/builder` may use it.
pub(crate) struct World {
    pub(crate) mode: Mode,
    pub(crate) tool: GitServer,
    pub(crate) folder: Folder,
    pub(crate) password: String,
}

impl World {
    pub(crate) fn new(mode: Mode) -> Self {
        let password = unique("git-password");
        let ca = TestCa::create();
        let tool = match mode {
            Mode::Intercepted => GitServer::start_tls("bot", &password, &ca),
            _ => GitServer::start("bot", &password),
        };
        let folder = Folder::new().with(&[
            flags(&["enable-custom-ca-certs"]),
            basic_class("git"),
            Connector::new("team/git", "git", &tool.url()).auth("basicAuth", "git").ca("git-ca").yaml(),
            basic_secret("team/git", "bot", &password),
            ca_secret("team/git-ca", &ca.pem()),
            service_account("team/builder"),
            service_account("team/stranger"),
            grant("team/builder", "team/git"),
        ]);
        Self { mode, tool, folder, password }
    }

    /// A machine from which `token` is used, and the address of the Git server from there.
    pub(crate) fn client(&self, proxy: &Connectors<'_>, token: &str) -> (Client, String) {
        let client = Client::new();
        match self.mode {
            Mode::ReverseByHost => (client, proxy.host_url_with("team/git", token)),
            Mode::ReverseByPath => (client, proxy.path_url_with("team/git", token)),
            Mode::Forward => (client.proxy(&proxy.proxy_url("team/git", token)), self.tool.url()),
            Mode::Intercepted => (client.proxy(&proxy.proxy_url("team/git", token)).set("GIT_SSL_CAINFO", proxy.ca_certificate()), self.tool.url()),
        }
    }

    /// Every request that reached the tool had its own credential, and nothing of the caller's.
    #[track_caller]
    pub(crate) fn assert_tool_saw_only_its_credential(&self, token: &str) {
        assert_credential(&self.tool.seen(), &self.tool.address().to_string(), &self.password, token);
    }

    pub(crate) fn secrets(&self) -> Canaries {
        Canaries::default().add("the tool's password", &self.password)
    }

    /// As [`World::client`], and prints every header that it sends and gets.
    pub(crate) fn traced_client(&self, proxy: &Connectors<'_>, token: &str) -> (Client, String) {
        let (client, url) = self.client(proxy, token);
        (traced(client), url)
    }

    /// As [`World::traced_client`], for reverse addresses.
    pub(crate) fn client_that_shows(&self, proxy: &Connectors<'_>, token: &str, shown: Shown) -> (Client, String) {
        let authorization = match shown {
            Shown::Bearer => format!("Bearer {token}"),
            Shown::Basic => basic("", token),
            Shown::Url => return self.traced_client(proxy, token),
        };
        let client = traced(Client::new());
        client.write(".gitconfig", format!("[http]\n\textraHeader = \"Authorization: {authorization}\"\n"));
        let url = if self.mode == Mode::ReverseByHost { proxy.host_url("team/git") } else { proxy.path_url("team/git") };
        (client, url)
    }

    /// Changes the Connector's address.
    pub(crate) fn move_connector(&self, address: &str) {
        self.folder.replace(&format!("address: {}\n", self.tool.url()), &format!("address: {address}\n"));
    }

    /// Trusts the tool's CA for every host, not only for the Connector.
    pub(crate) fn trust_ca_everywhere(&self) {
        let manifests = std::fs::read_to_string(self.folder.path().join("manifests-0.yaml")).unwrap();
        let secret = manifests.split("---\n").find(|manifest| manifest.contains("kind: Secret\nmetadata:\n  name: git-ca\n")).unwrap();
        let labels = "namespace: connectors-system\n  labels: {connectors.cpaas.io/ca-cert: \"true\"}\n";
        self.folder.write("trusted.yaml", &secret.replace("namespace: team\n", labels));
    }

    /// Neither the tool's secret nor the caller's token is in what the proxy printed or counts.
    #[track_caller]
    pub(crate) fn assert_nothing_leaked(&self, proxy: &Connectors<'_>, token: &str) {
        // A record is written after the answer.
        connectors_e2e::wait_for("access records to search", || proxy.output().contains("team/git").then_some(()));
        assert_absent_from(proxy, &self.secrets().add_token("the caller's token", token));
    }
}

impl Mode {
    pub(crate) fn is_reverse(self) -> bool {
        matches!(self, Self::ReverseByHost | Self::ReverseByPath)
    }
}

/// A second Git server, over https, and its manifests, by which `team/builder` may use it as `team/second`.
pub(crate) struct SecondTool {
    pub(crate) tool: GitServer,
    pub(crate) password: String,
}

impl SecondTool {
    pub(crate) fn beside(world: &World) -> Self {
        let (ca, password) = (TestCa::create(), unique("second-git-password"));
        let tool = GitServer::start_tls("bot", &password, &ca);
        let manifests = [
            Connector::new("team/second", "git", &tool.url()).auth("basicAuth", "second").ca("second-ca").yaml(),
            basic_secret("team/second", "bot", &password),
            ca_secret("team/second-ca", &ca.pem()),
            grant("team/builder", "team/second"),
        ];
        world.folder.write("second.yaml", &manifests.join("---\n"));
        Self { tool, password }
    }
}

/// Every request has the tool's own credential, and nothing of the caller's.
#[track_caller]
pub(crate) fn assert_credential(seen: &[SeenRequest], host: &str, password: &str, token: &str) {
    assert!(!seen.is_empty(), "nothing reached the tool");
    for request in seen {
        let expected = (basic("bot", password), "", host);
        assert_eq!((request.authorization.clone(), request.proxy_authorization.as_str(), request.host.as_str()), expected, "{request:?}");
    }
    Canaries::default().add_token("the caller's token", token).assert_absent("what the tool saw", format!("{seen:?}"));
}

#[track_caller]
pub(crate) fn assert_absent_from(proxy: &Connectors<'_>, canaries: &Canaries) {
    canaries.assert_absent("the access records", proxy.output());
    canaries.assert_absent("the log", proxy.errors());
    canaries.assert_absent("the metrics", proxy.metrics());
}

/// Has git print every header, unredacted, so that a search of its output is one of all that it got.
pub(crate) fn traced(client: Client) -> Client {
    client.set("GIT_TRACE_CURL", "1").set("GIT_TRACE_CURL_NO_DATA", "1").set("GIT_TRACE_REDACT", "0")
}

/// What git prints in a folder of the client.
#[track_caller]
pub(crate) fn ask(client: &Client, folder: &str, arguments: &[&str]) -> String {
    client.run_in(folder, "git", arguments).succeeds().stdout.trim().to_owned()
}

/// What git prints in the server's `repository`.
#[track_caller]
pub(crate) fn at_server(repository: &Path, arguments: &[&str]) -> String {
    let administrator = Client::new();
    administrator.write(".gitconfig", "[user]\n\tname = Server\n\temail = server@example.com\n");
    ask(&administrator, &repository.to_string_lossy(), arguments)
}

/// Adds a commit to `main` of the server's `repository`, as if somebody else had pushed it, and returns its id.
#[track_caller]
pub(crate) fn commit_at_server(repository: &Path) -> String {
    let id = at_server(repository, &["commit-tree", "-p", "main", "-m", "Theirs", "main^{tree}"]);
    at_server(repository, &["update-ref", "refs/heads/main", &id]);
    id
}

/// Changes the password that the server of `repository` demands. nginx reads its file of users for every request.
pub(crate) fn change_password(repository: &Path, password: &str) {
    let users = repository.ancestors().nth(2).unwrap().join("users");
    assert!(users.exists(), "the server's users aren't in {}", users.display());
    std::fs::write(users, format!("bot:{{PLAIN}}{password}\n")).unwrap();
}

/// The token with another signature.
pub(crate) fn altered(token: &str) -> String {
    let (content, signature) = token.rsplit_once('.').unwrap();
    format!("{content}.{}", signature.chars().rev().collect::<String>())
}

pub(crate) fn commit(client: &Client, folder: &str, message: &str) {
    client.write(&format!("{folder}/note"), message);
    client.run_in(folder, "git", ["add", "note"]).succeeds();
    client.run_in(folder, "git", ["-c", "user.name=Test", "-c", "user.email=test@example.com", "commit", "--quiet", "--message", message]).succeeds();
}
