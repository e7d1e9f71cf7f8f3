//! Real clients against a real Gitea with a private repository and private package registries, in every mode that they have.
#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests")]

mod configurations;
mod world;

use std::process::Command;

use connectors_e2e::{Client, Connectors, Ran, maven_repository, python};

use crate::world::{REPOSITORY, USER, World, package};

mod curl {
    use super::*;

    #[test]
    fn reverse() {
        let world = World::plain();
        let case = world.serve();
        for (connector, authorization) in [("team/gitea", world.basic()), ("team/api", world.bearer())] {
            for base in [case.proxy.host_url(connector), case.proxy.path_url(connector)] {
                let (client, mark) = (Client::new(), package("curl"));
                let bearer = format!("Authorization: Bearer {}", case.token);
                client.run("curl", ["-sSf", "-H", &bearer, &format!("{base}{REPOSITORY}?{mark}")]).succeeds().says("\"private\":true");
                client.run("curl", ["-sSf", "-u", &format!("any:{}", case.token), &format!("{base}{USER}?{mark}")]).succeeds().says("\"login\":\"owner\"");
                case.assert_injected("reverse", &client, &authorization, &format!("{REPOSITORY}?{mark}"));
                case.assert_injected("reverse", &client, &authorization, &format!("{USER}?{mark}"));
            }
        }
    }

    #[test]
    fn forward() {
        let world = World::plain();
        let case = world.serve();
        let mark = format!("{USER}?{}", package("curl"));
        let client = case.behind("team/api", &case.token);
        // A placeholder, as mounted files have it.
        let words = ["-sSf", "-H", "Authorization: Bearer placeholder", &format!("{}{mark}", world.tool.url())];
        client.run("curl", words).succeeds().says("\"login\":\"owner\"");
        case.assert_injected("forward", &client, &world.bearer(), &mark);
        case.exec(&client, &["curl", "-sSf", &format!("{}{mark}&exec", world.tool.url())]).succeeds().says("\"login\":\"owner\"");
        case.assert_injected("forward", &client, &world.basic(), &format!("{mark}&exec"));
    }

    #[test]
    fn intercepted() {
        let world = World::tls();
        let case = world.serve();
        let mark = format!("{USER}?{}", package("curl"));
        let client = case.behind("team/api", &case.token);
        let ca = case.proxy.ca_certificate();
        let (ca, url) = (ca.to_string_lossy(), format!("{}{mark}", world.tool.url()));
        client.run("curl", ["-sSf", "--cacert", &ca, &url]).succeeds().says("\"login\":\"owner\"");
        case.assert_injected("intercept", &client, &world.bearer(), &mark);
        client.run("curl", ["-sSf", &url]).fails().says("certificate");
        case.exec(&client, &["curl", "-sSf", &format!("{url}&exec")]).succeeds().says("\"login\":\"owner\"");
        case.assert_injected("intercept", &client, &world.basic(), &format!("{mark}&exec"));
    }

    /// Status and reason of the proxy's refusal. What refuses a CONNECT has a body that curl doesn't show; any other has a Status.
    #[track_caller]
    fn refusal(client: &Client, url: &str) -> (String, String) {
        let written = client.run("curl", ["-sS", "--insecure", "-o", "answer", "-D", "head", "-w", "%{http_connect} %{http_code}", url]).stdout;
        let (connect, status) = written.split_once(' ').unwrap();
        let head = std::fs::read_to_string(client.home().join("head")).unwrap();
        let mut reasons = head.lines().filter_map(|line| line.split_once(": ").filter(|(name, _)| name.eq_ignore_ascii_case("X-Connectors-Error")));
        let reason = reasons.next_back().unwrap_or_else(|| panic!("no reason in {head}")).1.trim().to_owned();
        if status == "000" {
            return (connect.to_owned(), reason);
        }
        let body = std::fs::read(client.home().join("answer")).unwrap();
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&body)));
        assert_eq!((body["apiVersion"].as_str(), body["kind"].as_str(), body["status"].as_str()), (Some("v1"), Some("Status"), Some("Failure")), "{body}");
        assert_eq!((body["code"].to_string().as_str(), body["message"].as_str().is_some_and(|text| !text.is_empty())), (status, true), "{body}");
        (status.to_owned(), reason)
    }

    #[test]
    fn without_rights() {
        for (world, forward_only) in [(World::plain(), false), (World::tls(), true)] {
            let case = world.serve();
            let mark = format!("{USER}?{}", package("curl"));
            for ((token, reverse, forward), reasons) in
                case.unwanted().into_iter().zip([("Forbidden", "Forbidden"), ("Unauthorized", "ProxyAuthenticationRequired")])
            {
                let client = case.behind("team/gitea", &token);
                assert_eq!(refusal(&client, &format!("{}{mark}", world.tool.url())), (forward.to_owned(), reasons.1.to_owned()));
                case.assert_hidden(&client, &token);
                if forward_only {
                    continue;
                }
                for url in [case.proxy.host_url_with("team/gitea", &token), case.proxy.path_url_with("team/gitea", &token)] {
                    let client = Client::new();
                    assert_eq!(refusal(&client, &format!("{url}{mark}")), (reverse.to_owned(), reasons.0.to_owned()));
                    case.assert_hidden(&client, &token);
                }
            }
            assert!(world.tool.seen().iter().all(|seen| !seen.uri.contains(&mark)));
        }
    }

    #[test]
    fn without_interception() {
        let world = World::tls();
        let case = world.serve_with(&["--intercept", "false"]);
        let client = case.behind("team/gitea", &case.token);
        assert_eq!(refusal(&client, &world.tool.url()), ("405".into(), "ConnectNotAllowed".into()));
        case.assert_hidden(&client, &case.token);
    }
}

mod wget {
    use super::*;

    #[test]
    fn reverse_and_forward() {
        let world = World::plain();
        let case = world.serve();
        let mark = format!("{USER}?{}", package("wget"));
        let client = Client::new();
        let header = format!("--header=Authorization: Bearer {}", case.token);
        client.run("wget", ["-q", "-O-", &header, &format!("{}{mark}&a", case.proxy.path_url("team/api"))]).succeeds().says("\"login\":\"owner\"");
        case.assert_injected("reverse", &client, &world.bearer(), &format!("{mark}&a"));
        let client = case.behind("team/gitea", &case.token);
        client.run("wget", ["-q", "-O-", &format!("{}{mark}&b", world.tool.url())]).succeeds().says("\"login\":\"owner\"");
        case.assert_injected("forward", &client, &world.basic(), &format!("{mark}&b"));
    }

    #[test]
    fn intercepted() {
        let world = World::tls();
        let case = world.serve();
        let (client, mark) = (Client::new(), format!("{USER}?{}", package("wget")));
        // wget has no variable for a CA.
        let ca = format!("--ca-certificate={}", case.proxy.ca_certificate().display());
        case.exec(&client, &["wget", "-q", "-O-", &ca, &format!("{}{mark}", world.tool.url())]).succeeds().says("\"login\":\"owner\"");
        case.assert_injected("intercept", &client, &world.basic(), &mark);
    }

    #[test]
    fn without_rights() {
        let world = World::plain();
        let case = world.serve();
        for (token, _, forward) in case.unwanted() {
            let client = case.behind("team/gitea", &token);
            client.run("wget", ["--tries=1", "-O-", &format!("{}{USER}", world.tool.url())]).fails().says(&format!("ERROR {forward}"));
            case.assert_hidden(&client, &token);
        }
    }
}

mod git {
    use super::*;

    #[test]
    fn reverse() {
        let world = World::plain();
        let case = world.serve();
        for (connector, authorization) in [("team/gitea", world.basic()), ("team/api", world.bearer())] {
            for base in [case.proxy.host_url_with(connector, &case.token), case.proxy.path_url_with(connector, &case.token)] {
                let (client, branch) = (Client::new(), package("git"));
                client.run("git", ["clone", "--quiet", &format!("{base}/owner/private.git"), "clone"]).succeeds();
                assert!(client.home().join("clone/README.md").exists());
                client.write("clone/file", &branch);
                let git = |words: &[&str]| client.run_in("clone", "git", words).succeeds();
                git(&["add", "file"]);
                git(&["-c", "user.name=Test", "-c", "user.email=test@example.com", "commit", "--quiet", "--message", "A change"]);
                git(&["push", "--quiet", "origin", &format!("HEAD:{branch}")]);
                git(&["ls-remote", "--exit-code", "origin", &branch]);
                case.assert_injected("reverse", &client, &authorization, "/owner/private.git/git-upload-pack");
                case.assert_injected("reverse", &client, &authorization, "/owner/private.git/git-receive-pack");
            }
        }
    }

    #[test]
    fn without_rights() {
        let world = World::plain();
        let case = world.serve();
        for ((token, ..), says) in case.unwanted().into_iter().zip(["error: 403", "Authentication failed"]) {
            for base in [case.proxy.host_url_with("team/gitea", &token), case.proxy.path_url_with("team/gitea", &token)] {
                let client = Client::new();
                client.run("git", ["clone", &format!("{base}/owner/private.git")]).fails().says(says);
                case.assert_hidden(&client, &token);
            }
        }
    }
}

mod python {
    use super::*;

    /// Asks who it is, and uploads a wheel made on the spot, as twine does: `URL NAME [authorization]`.
    pub(super) const UPLOAD: &str = r#"
import hashlib, io, sys, zipfile, requests
url, name = sys.argv[1:3]
headers = {'Authorization': sys.argv[3]} if len(sys.argv) > 3 else {}
who = requests.get(url + '/api/v1/user', headers=headers)
print(who.status_code, who.reason, who.headers.get('X-Connectors-Error'), who.json().get('login'))
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
    headers=headers)
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

    fn interpreter() -> String {
        python().to_string_lossy().into_owned()
    }

    fn index(base: &str) -> String {
        format!("{base}/api/packages/owner/pypi/simple")
    }

    #[test]
    fn forward() {
        let world = World::plain();
        let case = world.serve();
        let (client, name) = (case.behind("team/gitea", &case.token), package("pypi"));
        client.run(&interpreter(), ["-c", UPLOAD, &world.tool.url(), &name]).succeeds().says("200 OK None owner").says("201 Created");
        install(&client, &index(&world.tool.url()), &name, |words| client.run(words[0], &words[1..]));
        case.assert_published("pypi", &name, "1.0");
        case.assert_injected("forward", &client, &world.basic(), &format!("/simple/{name}"));
        case.assert_injected("forward", &client, &world.basic(), &format!("/files/{name}"));
    }

    #[test]
    fn reverse() {
        let world = World::plain();
        let case = world.serve();
        // An index names its files by the tool's own address, so those come by forward proxy, as `team/api`.
        let (client, name) = (case.behind("team/api", &case.token).set("no_proxy", "localhost"), package("pypi"));
        let base = case.proxy.path_url_with("team/gitea", &case.token).replace("127.0.0.1", "localhost");
        client.run(&interpreter(), ["-c", UPLOAD, &base, &name]).succeeds().says("200 OK None owner").says("201 Created");
        install(&client, &index(&base), &name, |words| client.run(words[0], &words[1..]));
        case.assert_published("pypi", &name, "1.0");
        case.assert_injected("reverse", &client, &world.basic(), &format!("/simple/{name}"));
        case.assert_injected("forward", &client, &world.bearer(), &format!("/files/{name}"));
        // The token as Bearer.
        let (base, bearer) = (case.proxy.path_url("team/api").replace("127.0.0.1", "localhost"), format!("Bearer {}", case.token));
        client.run(&interpreter(), ["-c", UPLOAD, &base, &package("pypi"), &bearer]).succeeds().says("200 OK None owner").says("201 Created");
    }

    #[test]
    fn intercepted() {
        let world = World::tls();
        let case = world.serve();
        let (client, name) = (Client::new(), package("pypi"));
        case.exec(&client, &[&interpreter(), "-c", UPLOAD, &world.tool.url(), &name]).succeeds().says("200 OK None owner").says("201 Created");
        install(&client, &index(&world.tool.url()), &name, |words| case.exec(&client, words));
        case.assert_published("pypi", &name, "1.0");
        case.assert_injected("intercept", &client, &world.basic(), &format!("/simple/{name}"));
        case.assert_injected("intercept", &client, &world.basic(), &format!("/files/{name}"));
    }

    #[test]
    fn without_rights() {
        let world = World::plain();
        let case = world.serve();
        for ((token, _, forward), reason) in
            case.unwanted().into_iter().zip(["403 Forbidden Forbidden", "407 Proxy Authentication Required ProxyAuthenticationRequired"])
        {
            let (client, name) = (case.behind("team/gitea", &token), package("pypi"));
            client.run(&interpreter(), ["-c", UPLOAD, &world.tool.url(), &name]).fails().says(reason);
            let pip =
                ["-m", "pip", "install", "--disable-pip-version-check", "--retries=0", "--target", "site", "--index-url", &index(&world.tool.url()), &name];
            client.run(&interpreter(), pip).fails();
            // pip says no more than that it found nothing.
            case.assert_refused(&format!("/simple/{name}"), forward);
            case.assert_hidden(&client, &token);
            assert!(world.tool.seen().iter().all(|seen| !seen.uri.contains(&name)));
        }
    }
}

mod node {
    use super::*;

    const FETCH: &str = "const [url, token] = process.argv.slice(1); const answer = await fetch(url, {headers: {authorization: `Bearer ${token}`}}); \
                         console.log(answer.status, answer.headers.get('x-connectors-error'), await answer.text());";

    /// GET by a CONNECT of its own, since not every version of Node.js reads the proxy's variables; whom to trust it reads from one.
    const TUNNEL: &str = "import http from 'node:http'; import https from 'node:https'; \
                          const url = new URL(process.argv[1]), proxy = new URL(process.env.https_proxy); \
                          const user = Buffer.from(`${decodeURIComponent(proxy.username)}:${proxy.password}`).toString('base64'); \
                          const headers = {'Proxy-Authorization': `Basic ${user}`, Host: url.host}; \
                          http.request({host: proxy.hostname, port: proxy.port, method: 'CONNECT', path: url.host, headers}).on('connect', (answer, socket) => { \
                            https.get(url, {socket, servername: url.hostname, agent: false}, (answer) => answer.pipe(process.stdout)); \
                          }).end();";

    /// A machine with a package to publish. npm publishes nothing without a credential of some kind.
    fn client(client: Client, registry: &str, credential: &str, name: &str) -> Client {
        let client = client.set("npm_config_update_notifier", "false").set("npm_config_fund", "false").set("npm_config_audit", "false");
        client.write(".npmrc", format!("registry={registry}\n{}:_authToken={credential}\n", registry.trim_start_matches("http:").trim_start_matches("https:")));
        client.write("package/package.json", format!(r#"{{"name": "{name}", "version": "1.0.0", "main": "index.js"}}"#));
        client.write("package/index.js", "module.exports = 42;");
        client.write("project/package.json", r#"{"name": "project", "version": "1.0.0"}"#);
        client
    }

    /// Publishing puts the package into npm's own cache, from which it would be installed without a request.
    const FRESH_CACHE: &str = "--cache=fresh";

    fn use_it(client: &Client, name: &str) {
        client.run_in("project", "node", ["-e", &format!("console.log('the answer is', require('{name}'))")]).succeeds().says("the answer is 42");
    }

    fn registry(base: &str) -> String {
        format!("{base}/api/packages/owner/npm/")
    }

    /// The request for the file itself.
    fn file(name: &str) -> String {
        format!("{name}-1.0.0.tgz")
    }

    #[test]
    fn fetch() {
        let world = World::plain();
        let case = world.serve();
        let (client, mark) = (Client::new(), format!("{USER}?{}", package("fetch")));
        let get =
            |token: &str| client.run("node", ["--input-type=module", "-e", FETCH, &format!("{}{mark}", case.proxy.path_url("team/api")), token]).succeeds();
        get(&case.token).says("200 null").says("\"login\":\"owner\"");
        case.assert_injected("reverse", &client, &world.bearer(), &mark);
        for ((token, ..), says) in case.unwanted().into_iter().zip(["403 Forbidden {", "401 Unauthorized {"]) {
            get(&token).says(says).says("\"kind\":\"Status\"");
            case.assert_hidden(&client, &token);
        }
    }

    #[test]
    fn https_intercepted() {
        let world = World::tls();
        let case = world.serve();
        let (client, mark) = (Client::new(), format!("{USER}?{}", package("node")));
        let url = format!("{}{mark}", world.tool.url());
        case.exec(&client, &["node", "--input-type=module", "-e", TUNNEL, &url]).succeeds().says("\"login\":\"owner\"");
        case.assert_injected("intercept", &client, &world.basic(), &mark);
    }

    #[test]
    fn npm_forward() {
        let world = World::plain();
        let case = world.serve();
        let name = package("npm");
        let client = client(case.behind("team/gitea", &case.token), &registry(&world.tool.url()), "placeholder", &name);
        client.run_in("package", "npm", ["publish"]).succeeds();
        client.run_in("project", "npm", ["install", FRESH_CACHE, &name]).succeeds();
        use_it(&client, &name);
        case.assert_published("npm", &name, "1.0.0");
        case.assert_injected("forward", &client, &world.basic(), &file(&name));
    }

    #[test]
    fn npm_reverse() {
        let world = World::plain();
        let case = world.serve();
        let name = package("npm");
        // A registry names its files by the tool's own address, so those come by forward proxy, as `team/api`.
        let registry = registry(&case.proxy.path_url("team/gitea").replace("127.0.0.1", "localhost"));
        let client = client(case.behind("team/api", &case.token).set("no_proxy", "localhost"), &registry, &case.token, &name);
        client.run_in("package", "npm", ["publish"]).succeeds();
        client.run_in("project", "npm", ["install", FRESH_CACHE, &name]).succeeds();
        use_it(&client, &name);
        case.assert_published("npm", &name, "1.0.0");
        case.assert_injected("reverse", &client, &world.basic(), &format!("/npm/{name}"));
        case.assert_injected("forward", &client, &world.bearer(), &file(&name));
    }

    #[test]
    fn npm_intercepted() {
        let world = World::tls();
        let case = world.serve();
        let name = package("npm");
        let client = client(Client::new(), &registry(&world.tool.url()), "placeholder", &name);
        case.exec(&client, &["npm", "publish", "./package"]).succeeds();
        case.exec(&client, &["npm", "--prefix", "project", "install", FRESH_CACHE, &name]).succeeds();
        use_it(&client, &name);
        case.assert_published("npm", &name, "1.0.0");
        case.assert_injected("intercept", &client, &world.basic(), &file(&name));
    }

    #[test]
    fn npm_without_rights() {
        let world = World::plain();
        let case = world.serve();
        for (token, _, forward) in case.unwanted() {
            let name = package("npm");
            let client = case.behind("team/gitea", &token).set("npm_config_fetch_retries", "0");
            let client = self::client(client, &registry(&world.tool.url()), "placeholder", &name);
            client.run_in("package", "npm", ["publish"]).fails().says(forward);
            client.run_in("project", "npm", ["install", &name]).fails().says(forward);
            case.assert_hidden(&client, &token);
            assert!(world.tool.seen().iter().all(|seen| !seen.uri.contains(&name)));
        }
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

    /// `mvn` with `local` as its repository. `-llr`: what is there is there, wherever it came from. The transport is the one that takes the user
    /// name of a proxy from the settings as it is; Maven before 3.9 has no other.
    fn words(client: &Client, local: &str, words: &[&str]) -> Vec<String> {
        let local = format!("-Dmaven.repo.local={}", client.home().join(local).display());
        let settings = client.home().join(".m2/settings.xml").display().to_string();
        ["mvn", "--batch-mode", "-llr", "-Dmaven.resolver.transport=wagon", "--settings", &settings, &local]
            .iter()
            .chain(words)
            .map(ToString::to_string)
            .collect()
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
        let case = world.serve();
        let repository = repository(&case.proxy.path_url("team/gitea"));
        let settings = format!("<servers><server><id>gitea</id><username>any</username><password>{}</password></server></servers>", case.token);
        let (client, name) = (client(&repository, &settings), package("maven"));
        for words in [deploy(&client, &repository, &name), resolve(&client, &name)] {
            client.run(&words[0], &words[1..]).succeeds();
        }
        assert_resolved(&client, &name);
        case.assert_published("maven", &format!("example:{name}"), "1.0");
        case.assert_injected("reverse", &client, &world.basic(), &format!("{name}-1.0.txt"));
    }

    #[test]
    fn forward() {
        let world = World::plain();
        let case = world.serve();
        let repository = repository(&world.tool.url());
        let (client, name) = (client(&repository, &proxy_settings(&case.proxy, &case.token)), package("maven"));
        for words in [deploy(&client, &repository, &name), resolve(&client, &name)] {
            client.run(&words[0], &words[1..]).succeeds();
        }
        assert_resolved(&client, &name);
        case.assert_published("maven", &format!("example:{name}"), "1.0");
        case.assert_injected("forward", &client, &world.basic(), &format!("{name}-1.0.txt"));
    }

    #[test]
    fn intercepted() {
        let world = World::tls();
        let case = world.serve();
        let repository = repository(&world.tool.url());
        let (client, name) = (client(&repository, &proxy_settings(&case.proxy, &case.token)), package("maven"));
        for words in [deploy(&client, &repository, &name), resolve(&client, &name)] {
            case.exec(&client, &words.iter().map(String::as_str).collect::<Vec<_>>()).succeeds();
        }
        assert_resolved(&client, &name);
        case.assert_published("maven", &format!("example:{name}"), "1.0");
        case.assert_injected("intercept", &client, &world.basic(), &format!("{name}-1.0.txt"));
    }

    #[test]
    fn without_rights() {
        let world = World::plain();
        let case = world.serve();
        let repository = repository(&world.tool.url());
        for (token, _, forward) in case.unwanted() {
            let (client, name) = (client(&repository, &proxy_settings(&case.proxy, &token)), package("maven"));
            let words = deploy(&client, &repository, &name);
            client.run(&words[0], &words[1..]).fails().says(forward);
            let words = resolve(&client, &name);
            client.run(&words[0], &words[1..]).fails();
            case.assert_hidden(&client, &token);
            assert!(world.tool.seen().iter().all(|seen| !seen.uri.contains(&name)));
        }
    }
}
