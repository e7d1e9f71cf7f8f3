//! Files that a class's configurations make, used by the clients that they are for, through `connectors exec` and without any other setting.

use connectors_e2e::{Client, maven_repository, python};
use serde_json::Value;

use crate::world::{Case, USER, World, package};

/// Takes the proxy's variables away, so that a client knows of the proxy by its file alone.
const BY_FILE: [&str; 9] = ["env", "-u", "http_proxy", "-u", "https_proxy", "-u", "HTTP_PROXY", "-u", "HTTPS_PROXY"];

impl Case<'_> {
    /// Runs a program by `connectors exec team/configured`, with all the files that there are.
    #[track_caller]
    fn configured(&self, client: &Client, words: &[&str]) -> connectors_e2e::Ran {
        self.exec_as("team/builder", &["team/configured"], client, words)
    }
}

#[test]
fn npm() {
    for (world, mode) in [(World::plain(), "forward"), (World::tls(), "intercept")] {
        let case = world.serve();
        let (client, name) = (Client::new(), package("npm"));
        client.write("package/package.json", format!(r#"{{"name": "{name}", "version": "1.0.0", "main": "index.js"}}"#));
        client.write("package/index.js", "module.exports = 42;");
        client.write("project/package.json", r#"{"name": "project", "version": "1.0.0"}"#);
        case.configured(&client, &[&BY_FILE[..], &["npm", "publish", "./package"]].concat()).succeeds();
        // Publishing puts the package into npm's own cache, from which it would be installed without a request.
        case.configured(&client, &[&BY_FILE[..], &["npm", "--prefix", "project", "install", "--cache=fresh", &name]].concat()).succeeds();
        client.run_in("project", "node", ["-e", &format!("console.log('the answer is', require('{name}'))")]).succeeds().says("the answer is 42");
        case.assert_published("npm", &name, "1.0.0");
        case.assert_injected(mode, &client, &world.basic(), &format!("/{name}"));
        assert!(!client.home().join(".npmrc").exists());
    }
}

#[test]
fn pip() {
    for (world, mode) in [(World::plain(), "forward"), (World::tls(), "intercept")] {
        let case = world.serve();
        let (client, name) = (Client::new(), package("pypi"));
        let python = python().to_string_lossy().into_owned();
        case.configured(&client, &[&python, "-c", crate::python::UPLOAD, &world.tool.url(), &name]).succeeds().says("201 Created");
        let words = ["-m", "pip", "install", "--no-cache-dir", "--disable-pip-version-check", "--no-deps", "--target", "site", &name];
        case.configured(&client, &[&BY_FILE[..], &[&*python], &words].concat()).succeeds();
        let program = format!("import sys; sys.path.insert(0, 'site'); from {} import ANSWER; print('the answer is', ANSWER)", name.replace('-', "_"));
        client.run(&python, ["-c", &program]).succeeds().says("the answer is 42");
        case.assert_published("pypi", &name, "1.0");
        case.assert_injected(mode, &client, &world.basic(), &format!("/simple/{name}"));
    }
}

#[test]
fn maven() {
    let world = World::plain();
    let case = world.serve();
    let (client, name) = (Client::new(), package("maven"));
    client.write("content.txt", "the answer is 42");
    for local in ["one", "two"] {
        assert!(std::process::Command::new("cp").arg("-r").arg(maven_repository()).arg(client.home().join(local)).status().unwrap().success());
    }
    // Maven before 3.9 knows no variable for its settings, so it has to be told.
    let script = r#"mvn --batch-mode -llr -Dmaven.resolver.transport=wagon --settings "$CONNECTORS_CONFIG_DIR/settings.xml" "$@""#;
    let repository = format!("{}/api/packages/owner/maven", world.tool.url());
    let mvn = |local: &str, words: &[&str]| {
        let local = format!("-Dmaven.repo.local={}", client.home().join(local).display());
        case.configured(&client, &[&["sh", "-c", script, "mvn", &local], words].concat()).succeeds();
    };
    let (artifact, url) = (format!("-DartifactId={name}"), format!("-Durl={repository}"));
    let what = ["-Dfile=content.txt", "-DgroupId=example", &artifact, "-Dversion=1.0", "-Dpackaging=txt"];
    mvn("one", &[&["org.apache.maven.plugins:maven-deploy-plugin:3.1.4:deploy-file", &url, "-DrepositoryId=gitea"], &what[..]].concat());
    let artifact = format!("-Dartifact=example:{name}:1.0:txt");
    mvn("two", &["org.apache.maven.plugins:maven-dependency-plugin:3.8.1:get", &artifact, "-Dtransitive=false"]);
    let file = client.home().join(format!("two/example/{name}/1.0/{name}-1.0.txt"));
    assert_eq!(std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display())), "the answer is 42");
    case.assert_published("maven", &format!("example:{name}"), "1.0");
    case.assert_injected("forward", &client, &world.basic(), &format!("{name}-1.0.txt"));
}

#[test]
fn git() {
    let world = World::plain();
    let case = world.serve();
    let (client, branch) = (Client::new(), package("git"));
    // The user's own settings stay.
    client.write(".gitconfig", "[user]\n  name = Test\n  email = test@example.com\n");
    case.configured(&client, &["git", "clone", "--quiet", &format!("{}/owner/private.git", world.tool.url()), "clone"]).succeeds();
    client.write("clone/file", &branch);
    client.run_in("clone", "git", ["add", "file"]).succeeds();
    case.configured(&client, &["git", "-C", "clone", "commit", "--quiet", "--message", "A change"]).succeeds();
    case.configured(&client, &["git", "-C", "clone", "push", "--quiet", "origin", &format!("HEAD:{branch}")]).succeeds();
    case.configured(&client, &["git", "-C", "clone", "ls-remote", "--exit-code", "origin", &branch]).succeeds();
    // The URL stays the tool's, where the file isn't mounted too.
    let url = client.run_in("clone", "git", ["config", "remote.origin.url"]).succeeds().stdout;
    assert_eq!(url.trim(), format!("{}/owner/private.git", world.tool.url()));
    case.assert_injected("reverse", &client, &world.basic(), "/owner/private.git/git-receive-pack");
}

#[test]
fn curl() {
    for (world, mode) in [(World::plain(), "forward"), (World::tls(), "intercept")] {
        let case = world.serve();
        let (client, mark) = (Client::new(), format!("{USER}?{}", package("curl")));
        let url = format!("{}{mark}", world.tool.url());
        case.configured(&client, &[&BY_FILE[..], &["curl", "-sSf", &url]].concat()).succeeds().says("\"login\":\"owner\"");
        case.assert_injected(mode, &client, &world.basic(), &mark);
        // Without the file nobody knows of the proxy.
        let without = ["team/configured", "--configuration", "curlrc,!.curlrc"];
        case.exec_as("team/builder", &without, &client, &[&BY_FILE[..], &["curl", "-sSfk", &url]].concat()).fails();
        // And whoever may not use the Connector may not by its files.
        case.exec_as("team/stranger", &["team/configured"], &client, &["curl", "-sS", "-D-", &url]).says("403");
    }
}

#[test]
fn docker_config() {
    let world = World::plain();
    let case = world.serve();
    let client = Client::new();
    let read = r#"test "$REGISTRY_AUTH_FILE" = "$DOCKER_CONFIG/config.json" && cat "$DOCKER_CONFIG/config.json""#;
    let config = case.configured(&client, &["sh", "-c", read]).succeeds().stdout;
    let config: Value = serde_json::from_str(&config).unwrap();
    let auths = config["auths"].as_object().unwrap();
    let (registry, entry) = auths.iter().next().unwrap();
    assert_eq!((auths.len(), registry.as_str()), (1, world.tool.address().to_string().as_str()));
    // What a client does with it: it sends the made-up credential, and the tool gets its own.
    let header = format!("Authorization: Basic {}", entry["auth"].as_str().unwrap());
    case.configured(&client, &["curl", "-sSf", "-H", &header, &format!("{}/v2/", world.tool.url())]).succeeds();
    world.tool.wait_until_seen("its own credential", |seen| seen.uri == "/v2/" && seen.authorization == world.basic() && seen.status == 200);
    case.assert_hidden(&client, &case.token);
}

#[test]
fn by_a_proxy_of_its_own() {
    let world = World::plain();
    let (client, mark) = (Client::new(), format!("{USER}?{}", package("own")));
    let url = format!("{}{mark}", world.tool.url());
    let script = r#"curl -sSf "$0"; printf %s "$CONNECTORS_CONFIG_DIR" > folder"#;
    let words = [&BY_FILE[..], &["sh", "-c", script, &url]].concat();
    world.exec_alone(&client, &words).succeeds().says("\"login\":\"owner\"");
    let folder = std::fs::read_to_string(client.home().join("folder")).unwrap();
    assert!(folder.starts_with('/') && !std::path::Path::new(&folder).exists(), "{folder} is gone with the command");
}
