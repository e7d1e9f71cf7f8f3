//! Real clients against a real Gitea with a private repository and private package registries, in every mode that they have.
#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests")]

use std::process::Command;
use std::sync::Arc;

use connectors_e2e::{
    Canaries, Client, Connector, Connectors, Folder, Gitea, Ran, basic, basic_class, basic_secret, bearer_class, bearer_secret, binary, ca_secret, flags,
    grant, maven_repository, python, service_account, unique,
};

/// A Gitea, and manifests by which `team/builder` may use it: as `team/gitea`, whose credential is Basic, and `team/api`, whose is Bearer.
struct World {
    tool: Arc<Gitea>,
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
            basic_secret("team/gitea", Gitea::USER, tool.token()),
            bearer_secret("team/api", tool.token()),
            service_account("team/builder"),
            service_account("team/stranger"),
            grant("team/builder", "team/gitea"),
            grant("team/builder", "team/api"),
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
    fn plain() -> Self {
        Self::new(Gitea::shared())
    }

    /// Over https: intercepted.
    fn tls() -> Self {
        Self::new(Gitea::shared_tls())
    }

    fn basic(&self) -> String {
        basic(Gitea::USER, self.tool.token())
    }

    fn bearer(&self) -> String {
        format!("Bearer {}", self.tool.token())
    }

    /// A request whose target has `uri` in it reached the tool with its own credential; nothing of the caller's ever did, and the client never
    /// had the tool's.
    #[track_caller]
    fn assert_injected(&self, client: &Client, token: &str, authorization: &str, uri: &str) {
        let found = |seen: &connectors_e2e::GiteaRequest| seen.uri.contains(uri) && seen.status < 300 && seen.authorization == authorization;
        self.tool.wait_until_seen(&format!("{uri} with {authorization}"), found);
        self.assert_hidden(client, token);
    }

    #[track_caller]
    fn assert_hidden(&self, client: &Client, token: &str) {
        client.assert_never_saw(&Canaries::default().add("the tool's token", self.tool.token()));
        let seen = self.tool.seen();
        Canaries::default().add_token("the caller's token", token).assert_absent("what the tool saw", format!("{seen:?}"));
        assert!(seen.iter().all(|request| request.proxy_authorization.is_empty()), "{seen:?}");
    }

    /// Runs a program by `connectors exec`.
    #[track_caller]
    fn exec(&self, client: &Client, account: &str, words: &[&str]) -> Ran {
        let folder = self.folder.path().to_string_lossy();
        let own = ["exec", "--dir", &folder, "--service-account", account, "team/gitea", "--"];
        client.run(&binary().to_string_lossy(), own.iter().chain(words))
    }
}

/// A name for a package, used by one test.
fn package(label: &str) -> String {
    unique(label).replace("canary-", "p-")
}

const REPOSITORY: &str = "/api/v1/repos/owner/private";

mod curl {
    use super::*;

    #[test]
    fn reverse() {
        let world = World::plain();
        let proxy = Connectors::start(&world.folder);
        let token = proxy.token("team/builder");
        for (connector, authorization) in [("team/gitea", world.basic()), ("team/api", world.bearer())] {
            for base in [proxy.host_url(connector), proxy.path_url(connector)] {
                let client = Client::new();
                let mark = format!("{REPOSITORY}?{}", package("curl"));
                client.run("curl", ["-sSf", "-H", &format!("Authorization: Bearer {token}"), &format!("{base}{mark}&a")]).succeeds().says("\"private\":true");
                client.run("curl", ["-sSf", "-u", &format!("any:{token}"), &format!("{base}{mark}&b")]).succeeds().says("\"private\":true");
                world.assert_injected(&client, &token, &authorization, &format!("{mark}&a"));
                world.assert_injected(&client, &token, &authorization, &format!("{mark}&b"));
            }
        }
    }

    #[test]
    fn forward() {
        let world = World::plain();
        let proxy = Connectors::start(&world.folder);
        let token = proxy.token("team/builder");
        let client = Client::new().proxy(&proxy.proxy_url("team/api", &token));
        let mark = format!("{REPOSITORY}?{}", package("curl"));
        // A placeholder, as mounted files have it.
        client.run("curl", ["-sSf", "-H", "Authorization: Bearer placeholder", &format!("{}{mark}", world.tool.url())]).succeeds().says("\"private\":true");
        world.assert_injected(&client, &token, &world.bearer(), &mark);
    }

    #[test]
    fn intercepted() {
        let world = World::tls();
        let proxy = Connectors::start(&world.folder);
        let token = proxy.token("team/builder");
        let client = Client::new();
        let mark = format!("{REPOSITORY}?{}", package("curl"));
        world.exec(&client, "team/builder", &["curl", "-sSf", &format!("{}{mark}", world.tool.url())]).succeeds().says("\"private\":true");
        world.assert_injected(&client, &token, &world.basic(), &mark);
    }

    #[test]
    fn without_rights() {
        let world = World::plain();
        let proxy = Connectors::start(&world.folder);
        let mark = format!("{REPOSITORY}?{}", package("curl"));
        let status = |connector: &str, token: &str, reverse: bool| {
            let client = Client::new();
            let (client, url) = match reverse {
                true => (client, proxy.path_url_with(connector, token)),
                false => (client.proxy(&proxy.proxy_url(connector, token)), world.tool.url()),
            };
            let ran = client.run("curl", ["-sS", "-o", "answer", "-D", "head", "-w", "%{http_code}", &format!("{url}{mark}")]).succeeds();
            let head = std::fs::read_to_string(client.home().join("head")).unwrap();
            world.assert_hidden(&client, token);
            (ran.stdout, head.lines().find_map(|line| line.strip_prefix("X-Connectors-Error: ")).unwrap_or_default().trim().to_owned())
        };
        let stranger = proxy.token("team/stranger");
        assert_eq!(status("team/gitea", &stranger, true), ("403".into(), "Forbidden".into()));
        assert_eq!(status("team/gitea", &stranger, false), ("403".into(), "Forbidden".into()));
        assert_eq!(status("team/gitea", "wrong.wrong.wrong-token-of-some-length", true), ("401".into(), "Unauthorized".into()));
        assert_eq!(status("team/gitea", "wrong.wrong.wrong-token-of-some-length", false), ("407".into(), "ProxyAuthenticationRequired".into()));
        assert!(world.tool.seen().iter().all(|seen| !seen.uri.contains(&mark)));
    }
}

mod wget {
    use super::*;

    #[test]
    fn reverse_and_forward() {
        let world = World::plain();
        let proxy = Connectors::start(&world.folder);
        let token = proxy.token("team/builder");
        let client = Client::new();
        let mark = format!("{REPOSITORY}?{}", package("wget"));
        let header = format!("--header=Authorization: Bearer {token}");
        client.run("wget", ["-q", "-O-", &header, &format!("{}{mark}&a", proxy.path_url("team/api"))]).succeeds().says("\"private\":true");
        world.assert_injected(&client, &token, &world.bearer(), &format!("{mark}&a"));
        let client = client.proxy(&proxy.proxy_url("team/gitea", &token));
        client.run("wget", ["-q", "-O-", &format!("{}{mark}&b", world.tool.url())]).succeeds().says("\"private\":true");
        world.assert_injected(&client, &token, &world.basic(), &format!("{mark}&b"));
    }

    #[test]
    fn intercepted() {
        let world = World::tls();
        let proxy = Connectors::start(&world.folder);
        let token = proxy.token("team/builder");
        let client = Client::new();
        let mark = format!("{REPOSITORY}?{}", package("wget"));
        // wget has no variable for a CA.
        let ca = format!("--ca-certificate={}", proxy.ca_certificate().display());
        world.exec(&client, "team/builder", &["wget", "-q", "-O-", &ca, &format!("{}{mark}", world.tool.url())]).succeeds().says("\"private\":true");
        world.assert_injected(&client, &token, &world.basic(), &mark);
    }

    #[test]
    fn without_rights() {
        let world = World::plain();
        let proxy = Connectors::start(&world.folder);
        for (account, refused) in [("team/stranger", "403 Forbidden"), ("", "407 Proxy Authentication Required")] {
            let token = if account.is_empty() { "wrong.wrong.wrong-token-of-some-length".to_owned() } else { proxy.token(account) };
            let client = Client::new().proxy(&proxy.proxy_url("team/gitea", &token));
            client.run("wget", ["--tries=1", "-O-", &format!("{}{REPOSITORY}", world.tool.url())]).fails().says(refused);
            world.assert_hidden(&client, &token);
        }
    }
}

mod python {
    use super::*;

    /// Uploads a wheel made on the spot as twine does, or reads the simple index: `URL NAME [authorization]`.
    const UPLOAD: &str = r#"
import hashlib, io, sys, zipfile, requests
url, name = sys.argv[1:3]
file = name.replace('-', '_')
wheel = io.BytesIO()
with zipfile.ZipFile(wheel, 'w') as archive:
    archive.writestr(file + '.py', 'ANSWER = 42\n')
    archive.writestr(file + '-1.0.dist-info/METADATA', f'Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n')
    archive.writestr(file + '-1.0.dist-info/WHEEL', 'Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n')
    archive.writestr(file + '-1.0.dist-info/RECORD', '')
content = wheel.getvalue()
answer = requests.post(url + '/api/packages/owner/pypi',
    data={':action': 'file_upload', 'metadata_version': '2.1', 'name': name, 'version': '1.0', 'filetype': 'bdist_wheel',
          'pyversion': 'py3', 'sha256_digest': hashlib.sha256(content).hexdigest()},
    files={'content': (file + '-1.0-py3-none-any.whl', content)},
    headers={'Authorization': sys.argv[3]} if len(sys.argv) > 3 else {})
print(answer.status_code, answer.reason)
answer.raise_for_status()
"#;

    /// Installs the package and uses it.
    fn install(client: &Client, index: &str, name: &str, run: impl Fn(&[&str]) -> Ran) {
        let python = python().to_string_lossy().into_owned();
        run(&[&python, "-m", "pip", "install", "--no-cache-dir", "--disable-pip-version-check", "--no-deps", "--target", "site", "--index-url", index, name])
            .succeeds();
        let program = format!("import sys; sys.path.insert(0, 'site'); from {} import ANSWER; print('the answer is', ANSWER)", name.replace('-', "_"));
        client.run(&python, ["-c", &program]).succeeds().says("the answer is 42");
    }

    fn uploaded(name: &str) -> String {
        format!("/api/packages/owner/pypi/simple/{name}")
    }

    #[test]
    fn forward() {
        let world = World::plain();
        let proxy = Connectors::start(&world.folder);
        let token = proxy.token("team/builder");
        let client = Client::new().proxy(&proxy.proxy_url("team/gitea", &token));
        let name = package("pypi");
        let python = python().to_string_lossy().into_owned();
        client.run(&python, ["-c", UPLOAD, &world.tool.url(), &name]).succeeds().says("201");
        install(&client, &format!("{}/api/packages/owner/pypi/simple", world.tool.url()), &name, |words| client.run(words[0], &words[1..]));
        world.assert_injected(&client, &token, &world.basic(), &uploaded(&name));
    }

    #[test]
    fn reverse() {
        let world = World::plain();
        let proxy = Connectors::start(&world.folder);
        let token = proxy.token("team/builder");
        let client = Client::new();
        let name = package("pypi");
        let python = python().to_string_lossy().into_owned();
        client.run(&python, ["-c", UPLOAD, &proxy.path_url("team/api"), &name, &format!("Bearer {token}")]).succeeds().says("201");
        // An index names its files by whole addresses, so what it lists is fetched by forward proxy.
        let list = format!("import sys, requests; print(requests.get('{}{}', auth=('any', '{token}')).text)", proxy.path_url("team/gitea"), uploaded(&name));
        client.run(&python, ["-c", &list]).succeeds().says("-1.0-py3-none-any.whl");
        world.assert_injected(&client, &token, &world.basic(), &uploaded(&name));
        world.assert_injected(&client, &token, &world.bearer(), "/api/packages/owner/pypi");
    }

    #[test]
    fn intercepted() {
        let world = World::tls();
        let proxy = Connectors::start(&world.folder);
        let token = proxy.token("team/builder");
        let client = Client::new();
        let name = package("pypi");
        let python = python().to_string_lossy().into_owned();
        world.exec(&client, "team/builder", &[&python, "-c", UPLOAD, &world.tool.url(), &name]).succeeds().says("201");
        install(&client, &format!("{}/api/packages/owner/pypi/simple", world.tool.url()), &name, |words| world.exec(&client, "team/builder", words));
        world.assert_injected(&client, &token, &world.basic(), &uploaded(&name));
    }

    #[test]
    fn without_rights() {
        let world = World::plain();
        let proxy = Connectors::start(&world.folder);
        let token = proxy.token("team/stranger");
        let client = Client::new().proxy(&proxy.proxy_url("team/gitea", &token));
        let python = python().to_string_lossy().into_owned();
        client.run(&python, ["-c", UPLOAD, &world.tool.url(), "some-package"]).fails().says("403 Forbidden");
        let index = format!("{}/api/packages/owner/pypi/simple", world.tool.url());
        client
            .run(&python, ["-m", "pip", "install", "--disable-pip-version-check", "--retries=0", "--target", "site", "--index-url", &index, "some-package"])
            .fails();
        world.assert_hidden(&client, &token);
    }
}

mod node {
    use super::*;

    const FETCH: &str = "const [url, token] = process.argv.slice(1); const answer = await fetch(url, {headers: {authorization: `Bearer ${token}`}}); \
                         console.log(answer.status, answer.headers.get('x-connectors-error'), await answer.text());";

    /// A machine with a package to publish.
    fn client(registry: &str, name: &str) -> Client {
        let client = Client::new().set("npm_config_update_notifier", "false").set("npm_config_fund", "false").set("npm_config_audit", "false");
        // npm publishes nothing without a credential of some kind.
        client.write(".npmrc", format!("registry={registry}\n{}:_authToken=placeholder\n", registry.trim_start_matches("http:").trim_start_matches("https:")));
        client.write("package/package.json", format!(r#"{{"name": "{name}", "version": "1.0.0", "main": "index.js"}}"#));
        client.write("package/index.js", "module.exports = 42;");
        client.write("project/package.json", r#"{"name": "project", "version": "1.0.0"}"#);
        client
    }

    fn use_it(client: &Client, name: &str) {
        client.run_in("project", "node", ["-e", &format!("console.log('the answer is', require('{name}'))")]).succeeds().says("the answer is 42");
    }

    fn registry(world: &World) -> String {
        format!("{}/api/packages/owner/npm/", world.tool.url())
    }

    #[test]
    fn fetch() {
        let world = World::plain();
        let proxy = Connectors::start(&world.folder);
        let token = proxy.token("team/builder");
        let client = Client::new();
        let mark = format!("{REPOSITORY}?{}", package("fetch"));
        let url = format!("{}{mark}", proxy.path_url("team/api"));
        client.run("node", ["--input-type=module", "-e", FETCH, &url, &token]).succeeds().says("\"private\":true");
        world.assert_injected(&client, &token, &world.bearer(), &mark);
        client.run("node", ["--input-type=module", "-e", FETCH, &url, &proxy.token("team/stranger")]).succeeds().says("403 Forbidden");
        client.run("node", ["--input-type=module", "-e", FETCH, &url, "wrong"]).succeeds().says("401 Unauthorized");
    }

    #[test]
    fn npm_forward() {
        let world = World::plain();
        let proxy = Connectors::start(&world.folder);
        let token = proxy.token("team/builder");
        let name = package("npm");
        let client = client(&registry(&world), &name).proxy(&proxy.proxy_url("team/gitea", &token));
        client.run_in("package", "npm", ["publish"]).succeeds();
        client.run_in("project", "npm", ["install", &name]).succeeds();
        use_it(&client, &name);
        world.assert_injected(&client, &token, &world.basic(), &name);
    }

    #[test]
    fn npm_intercepted() {
        let world = World::tls();
        let proxy = Connectors::start(&world.folder);
        let token = proxy.token("team/builder");
        let name = package("npm");
        let client = client(&registry(&world), &name);
        world.exec(&client, "team/builder", &["npm", "publish", "./package"]).succeeds();
        world.exec(&client, "team/builder", &["npm", "--prefix", "project", "install", &name]).succeeds();
        use_it(&client, &name);
        world.assert_injected(&client, &token, &world.basic(), &name);
    }

    #[test]
    fn npm_without_rights() {
        let world = World::plain();
        let proxy = Connectors::start(&world.folder);
        for (account, code) in [("team/stranger", "E403"), ("", "407")] {
            let token = if account.is_empty() { "wrong.wrong.wrong-token-of-some-length".to_owned() } else { proxy.token(account) };
            let client = client(&registry(&world), "never-published").proxy(&proxy.proxy_url("team/gitea", &token)).set("npm_config_fetch_retries", "0");
            client.run_in("package", "npm", ["publish"]).fails().says(code);
            client.run_in("project", "npm", ["install", "never-published"]).fails().says(code);
            world.assert_hidden(&client, &token);
        }
        assert!(world.tool.seen().iter().all(|seen| !seen.uri.contains("never-published")));
    }
}

mod maven {
    use super::*;

    const DEPLOY: &str = "org.apache.maven.plugins:maven-deploy-plugin:3.1.4:deploy-file";
    const GET: &str = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:get";

    /// A machine on which everything that isn't there yet is resolved from `repository`, by these lines of settings.
    fn client(repository: &str, settings: &str) -> Client {
        let client = Client::new();
        client.write(
            ".m2/settings.xml",
            format!("<settings><mirrors><mirror><id>gitea</id><url>{repository}</url><mirrorOf>*</mirrorOf></mirror></mirrors>{settings}</settings>"),
        );
        client.write("content.txt", "the answer is 42");
        for local in ["one", "two"] {
            assert!(Command::new("cp").arg("-r").arg(maven_repository()).arg(client.home().join(local)).status().unwrap().success());
        }
        client
    }

    fn proxy_settings(proxy: &Connectors<'_>, token: &str) -> String {
        let one = |protocol: &str| {
            format!(
                "<proxy><id>{protocol}</id><active>true</active><protocol>{protocol}</protocol><host>127.0.0.1</host><port>{}</port>\
                 <username>team/gitea</username><password>{token}</password></proxy>",
                proxy.listen().port()
            )
        };
        format!("<proxies>{}{}</proxies>", one("http"), one("https"))
    }

    /// `mvn` with `local` as its repository. `-llr`: what is there is there, wherever it came from.
    fn words(client: &Client, local: &str, words: &[&str]) -> Vec<String> {
        let local = format!("-Dmaven.repo.local={}", client.home().join(local).display());
        let settings = client.home().join(".m2/settings.xml").display().to_string();
        ["mvn", "--batch-mode", "-llr", "--settings", &settings, &local].iter().chain(words).map(ToString::to_string).collect()
    }

    fn deploy(client: &Client, repository: &str, name: &str) -> Vec<String> {
        let (url, artifact) = (format!("-Durl={repository}"), format!("-DartifactId={name}"));
        words(client, "one", &[DEPLOY, &url, "-DrepositoryId=gitea", "-Dfile=content.txt", "-DgroupId=example", &artifact, "-Dversion=1.0", "-Dpackaging=txt"])
    }

    /// Resolves into another local repository than the one that was deployed from.
    fn resolve(client: &Client, name: &str) -> Vec<String> {
        words(client, "two", &[GET, &format!("-Dartifact=example:{name}:1.0:txt"), "-Dtransitive=false"])
    }

    #[track_caller]
    fn assert_resolved(client: &Client, name: &str) {
        let file = client.home().join(format!("two/example/{name}/1.0/{name}-1.0.txt"));
        assert_eq!(std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display())), "the answer is 42");
    }

    fn repository(base: &str) -> String {
        format!("{base}/api/packages/owner/maven")
    }

    #[test]
    fn reverse() {
        let world = World::plain();
        let proxy = Connectors::start(&world.folder);
        let token = proxy.token("team/builder");
        let repository = repository(&proxy.path_url("team/gitea"));
        let settings = format!("<servers><server><id>gitea</id><username>any</username><password>{token}</password></server></servers>");
        let (client, name) = (client(&repository, &settings), package("maven"));
        for words in [deploy(&client, &repository, &name), resolve(&client, &name)] {
            client.run(&words[0], &words[1..]).succeeds();
        }
        assert_resolved(&client, &name);
        world.assert_injected(&client, &token, &world.basic(), &format!("{name}-1.0.txt"));
    }

    #[test]
    fn forward() {
        let world = World::plain();
        let proxy = Connectors::start(&world.folder);
        let token = proxy.token("team/builder");
        let repository = repository(&world.tool.url());
        let (client, name) = (client(&repository, &proxy_settings(&proxy, &token)), package("maven"));
        for words in [deploy(&client, &repository, &name), resolve(&client, &name)] {
            client.run(&words[0], &words[1..]).succeeds();
        }
        assert_resolved(&client, &name);
        world.assert_injected(&client, &token, &world.basic(), &format!("{name}-1.0.txt"));
    }

    #[test]
    fn intercepted() {
        let world = World::tls();
        let proxy = Connectors::start(&world.folder);
        let token = proxy.token("team/builder");
        let repository = repository(&world.tool.url());
        let (client, name) = (client(&repository, &proxy_settings(&proxy, &token)), package("maven"));
        for words in [deploy(&client, &repository, &name), resolve(&client, &name)] {
            world.exec(&client, "team/builder", &words.iter().map(String::as_str).collect::<Vec<_>>()).succeeds();
        }
        assert_resolved(&client, &name);
        world.assert_injected(&client, &token, &world.basic(), &format!("{name}-1.0.txt"));
    }

    #[test]
    fn without_rights() {
        let world = World::plain();
        let proxy = Connectors::start(&world.folder);
        let repository = repository(&world.tool.url());
        for (account, code) in [("team/stranger", "403"), ("", "407")] {
            let token = if account.is_empty() { "wrong.wrong.wrong-token-of-some-length".to_owned() } else { proxy.token(account) };
            let (client, name) = (client(&repository, &proxy_settings(&proxy, &token)), package("maven"));
            let words = deploy(&client, &repository, &name);
            client.run(&words[0], &words[1..]).fails().says(code);
            let words = resolve(&client, &name);
            client.run(&words[0], &words[1..]).fails();
            world.assert_hidden(&client, &token);
            assert!(world.tool.seen().iter().all(|seen| !seen.uri.contains(&name)));
        }
    }
}
