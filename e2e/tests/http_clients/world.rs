//! What the tests have in common: a Gitea, the manifests for it, the proxy in front of it, and what must hold after a client has used it.

use std::sync::Arc;

use connectors_e2e::{
    Canaries, Client, Connector, Connectors, Folder, Gitea, GiteaRequest, Ran, basic, basic_class, basic_secret, bearer_class, bearer_secret, binary,
    ca_secret, flags, grant, service_account, unique,
};

/// A Gitea, and manifests by which `team/builder` may use it: as `team/gitea`, whose credential is Basic, as `team/api`, whose is Bearer, and as `team/configured`, which has
/// files for clients.
pub(crate) struct World {
    pub(crate) tool: Arc<Gitea>,
    folder: Folder,
}

impl World {
    fn new(tool: Arc<Gitea>) -> Self {
        let folder = Folder::new().with(&[
            flags(&["enable-custom-ca-certs"]),
            basic_class("web"),
            bearer_class("api"),
            Connector::new("team/gitea", "web", &tool.url()).auth("basicAuth", "gitea").yaml(),
            Connector::new("team/api", "api", &tool.url()).auth("bearerTokenAuth", "api").yaml(),
            EXAMPLE_CLASS.to_owned(),
            Connector::new("team/configured", "gitea", &tool.url()).auth("basicAuth", "gitea").yaml() + "  params:\n  - {name: owner, value: owner}\n",
            basic_secret("team/gitea", Gitea::USER, tool.token()),
            bearer_secret("team/api", tool.token()),
            service_account("team/builder"),
            service_account("team/stranger"),
            grant("team/builder", "team/gitea"),
            grant("team/builder", "team/api"),
            grant("team/builder", "team/configured"),
        ]);
        if let Some(pem) = tool.ca() {
            // For every Connector.
            let labelled =
                ca_secret("connectors-system/tool-ca", &pem).replace("metadata:\n", "metadata:\n  labels:\n    connectors.cpaas.io/ca-cert: \"true\"\n");
            folder.write("ca.yaml", &labelled);
        }
        Self { tool, folder }
    }

    /// Plain: reverse and forward mode.
    pub(crate) fn plain() -> Self {
        Self::new(Gitea::shared())
    }

    /// Over https: intercepted.
    pub(crate) fn tls() -> Self {
        Self::new(Gitea::shared_tls())
    }

    /// Starts the proxy.
    pub(crate) fn serve(&self) -> Case<'_> {
        self.serve_with(&[])
    }

    pub(crate) fn serve_with(&self, flags: &[&str]) -> Case<'_> {
        let proxy = Connectors::start_with(&self.folder, flags);
        let token = proxy.token("team/builder");
        Case { world: self, tool: &self.tool, proxy, token }
    }

    /// Runs a program by `connectors exec team/configured` without a server.
    #[track_caller]
    pub(crate) fn exec_alone(&self, client: &Client, words: &[&str]) -> Ran {
        let folder = self.folder.path().to_string_lossy();
        client.run(&binary().to_string_lossy(), ["exec", "--dir", &folder, "-s", "team/builder", "team/configured", "--"].iter().chain(words))
    }

    pub(crate) fn basic(&self) -> String {
        basic(Gitea::USER, self.tool.token())
    }

    pub(crate) fn bearer(&self) -> String {
        format!("Bearer {}", self.tool.token())
    }
}

/// The proxy in front of that Gitea, and a token of `team/builder`.
pub(crate) struct Case<'a> {
    world: &'a World,
    tool: &'a Gitea,
    pub(crate) proxy: Connectors<'a>,
    pub(crate) token: String,
}

impl Case<'_> {
    /// A request whose target has `uri` in it came by `mode` and reached the tool with its own credential, so that it took the caller for its
    /// own user; nothing of the caller's ever did, and the client never had the tool's.
    #[track_caller]
    pub(crate) fn assert_injected(&self, mode: &str, client: &Client, authorization: &str, uri: &str) {
        let done = |seen: &GiteaRequest| {
            // Gitea logs nobody's name for its package registries: `assert_published` asks for it.
            let own_user = seen.identity == Gitea::USER || seen.uri.starts_with("/api/packages/");
            seen.uri.contains(uri) && seen.status < 300 && seen.authorization == authorization && own_user
        };
        self.tool.wait_until_seen(&format!("{uri} with {authorization}"), done);
        let path = uri.split('?').next().unwrap_or_default();
        self.proxy.wait_for_record(&format!("{path} by {mode}"), |record| {
            let is = |field: &str, value: &str| record[field].as_str() == Some(value);
            let own = record["path"].as_str().is_some_and(|own| own.contains(path));
            own && is("mode", mode) && is("user", "system:serviceaccount:team:builder") && is("answered_by", "tool")
        });
        self.assert_hidden(client, &self.token);
    }

    /// The tool has a package in a private registry of this kind, published by its own user.
    #[track_caller]
    pub(crate) fn assert_published(&self, kind: &str, name: &str, version: &str) {
        let package = self.proxy.get("team/api", &format!("/api/v1/packages/{}/{kind}/{name}/{version}", Gitea::USER), &self.token).json();
        assert_eq!(package["creator"]["login"].as_str(), Some(Gitea::USER), "{package}");
    }

    /// The proxy refused a request whose path has `path` in it with `status`. For clients that don't say what they were told.
    #[track_caller]
    pub(crate) fn assert_refused(&self, path: &str, status: &str) {
        let refused = |record: &serde_json::Value| {
            record["path"].as_str().is_some_and(|own| own.contains(path))
                && record["status"].as_u64().is_some_and(|own| own.to_string() == status)
                && record["answered_by"] == "proxy"
        };
        self.proxy.wait_for_record(&format!("{path} refused with {status}"), refused);
    }

    /// The client has nothing of the tool's, the tool nothing of the caller's, and what the proxy prints nothing of either's.
    #[track_caller]
    pub(crate) fn assert_hidden(&self, client: &Client, token: &str) {
        let (tools, callers) = (Canaries::default().add("the tool's token", self.tool.token()), Canaries::default().add_token("the caller's token", token));
        client.assert_never_saw(&tools);
        let seen = self.tool.seen();
        callers.assert_absent("what the tool saw", format!("{seen:?}"));
        assert!(seen.iter().all(|request| request.proxy_authorization.is_empty()), "{seen:?}");
        for (place, text) in [("the proxy's output", self.proxy.output()), ("its errors", self.proxy.errors()), ("its metrics", self.proxy.metrics())] {
            tools.assert_absent(place, &text);
            callers.assert_absent(place, &text);
        }
    }

    /// A client whose `http_proxy` and `https_proxy` name a Connector.
    pub(crate) fn behind(&self, connector: &str, token: &str) -> Client {
        Client::new().proxy(&self.proxy.proxy_url(connector, token))
    }

    /// Those who may not: a caller without rights, and one with a bad token; each with the status by reverse address and by forward proxy.
    pub(crate) fn unwanted(&self) -> [(String, &'static str, &'static str); 2] {
        [(self.proxy.token("team/stranger"), "403", "403"), ("wrong.wrong.wrong-token-of-some-length".to_owned(), "401", "407")]
    }

    /// Runs a program by `connectors exec`.
    #[track_caller]
    pub(crate) fn exec(&self, client: &Client, words: &[&str]) -> Ran {
        self.exec_as("team/builder", &["team/gitea"], client, words)
    }

    /// The same for another service account, with what else is said to `exec`.
    #[track_caller]
    pub(crate) fn exec_as(&self, account: &str, more: &[&str], client: &Client, words: &[&str]) -> Ran {
        let folder = self.world.folder.path().to_string_lossy();
        let own = [&["exec", "--dir", &folder, "--service-account", account], more, &["--"]].concat();
        client.run(&binary().to_string_lossy(), own.iter().chain(words))
    }
}

/// The class of the example `gitea`, whose configurations the tests use.
const EXAMPLE_CLASS: &str = include_str!("../../../examples/standalone/gitea/class.yaml");

/// A name for a package, used by one test.
pub(crate) fn package(label: &str) -> String {
    unique(label).replace("canary-", "p-")
}

/// The private repository.
pub(crate) const REPOSITORY: &str = "/api/v1/repos/owner/private";

/// Says as whom the tool sees the caller.
pub(crate) const USER: &str = "/api/v1/user";
