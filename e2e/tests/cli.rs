//! The commands for people, as people run them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests")]

use std::os::unix::fs::PermissionsExt as _;
use std::process::Output;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use connectors_e2e::{
    Canaries, Client, Connector, Connectors, Folder, GitServer, TestCa, basic, basic_class, basic_secret, binary, ca_secret, flags, grant, run,
    service_account, unique,
};
use serde_json::Value;

struct World {
    tool: GitServer,
    folder: Folder,
    password: String,
}

/// A Git server over https as `team/git`, with a repository `repo`, for `team/builder`; and `team/other`, for nobody.
fn world() -> World {
    let (ca, password) = (TestCa::create(), unique("git-password"));
    let tool = GitServer::start_tls("bot", &password, &ca);
    tool.repository_with("repo", 1, 100);
    let folder = Folder::new().with(&[
        flags(&["enable-custom-ca-certs"]),
        basic_class("git"),
        Connector::new("team/git", "git", &tool.url()).auth("basicAuth", "git").ca("git-ca").yaml(),
        Connector::new("team/other", "git", "http://127.0.0.1:1").yaml(),
        basic_secret("team/git", "bot", &password),
        ca_secret("team/git-ca", &ca.pem()),
        service_account("team/builder"),
        service_account("team/stranger"),
        grant("team/builder", "team/git"),
    ]);
    World { tool, folder, password }
}

impl World {
    fn dir(&self) -> String {
        self.folder.path().to_string_lossy().into_owned()
    }

    /// Words that begin with `connectors exec --dir DIR`.
    fn exec(&self, more: &[&str]) -> Vec<String> {
        let (binary, dir) = (binary().to_string_lossy().into_owned(), self.dir());
        [&binary, "exec", "--dir", &dir].iter().chain(more).map(ToString::to_string).collect()
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[track_caller]
fn succeeded(output: &Output) -> String {
    assert!(output.status.success(), "{}\n{}{}", output.status, text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

mod exec {
    use super::*;

    #[track_caller]
    fn clone(world: &World, client: &Client, who: &[&str]) {
        let clone = ["team/git", "--", "git", "clone", &format!("{}/repo.git", world.tool.url())];
        let words = world.exec(&[who, &clone].concat());
        client.run(&words[0], &words[1..]).succeeds();
        assert!(client.home().join("repo/file").exists());
        client.assert_never_saw(&Canaries::default().add("the password", &world.password));
        world.tool.wait_until_seen("its credential", |seen| seen.authorization == basic("bot", &world.password) && seen.status == 200);
        assert!(world.tool.seen().iter().all(|seen| seen.proxy_authorization.is_empty()));
    }

    #[test]
    fn by_the_proxy_that_runs() {
        let world = world();
        let proxy = Connectors::start(&world.folder);
        clone(&world, &Client::new(), &["--service-account", "team/builder"]);
        let record = proxy.wait_for_record("the clone", |record| record["connector"] == "team/git");
        assert_eq!(record["user"], "system:serviceaccount:team:builder");
    }

    #[test]
    fn by_a_proxy_of_its_own() {
        let world = world();
        clone(&world, &Client::new(), &["--service-account", "team/builder"]);
    }

    #[test]
    fn as_the_owner_of_the_folder() {
        let world = world();
        clone(&world, &Client::new(), &[]);
        let client = Client::new();
        // For this one nobody has a grant; the owner needs none, and gets as far as the tool that isn't there.
        let words = world.exec(&["team/other", "--", "curl", "-sS", "-D-", "http://127.0.0.1:1/"]);
        let ran = client.run(&words[0], &words[1..]).succeeds().says("502").says("UpstreamUnreachable");
        // Without a server whose records could be read, the reason is told here.
        assert!(ran.stderr.contains("GET 127.0.0.1:1/ (team/other): 502 UpstreamUnreachable: the tool can't be reached: "), "{}", ran.stderr);
    }

    /// The CA's path must hold wherever the command goes.
    #[test]
    fn from_a_relative_folder() {
        let world = world();
        let client = Client::new();
        let binary = binary().to_string_lossy().into_owned();
        let script = format!("cd / && git ls-remote {}/repo.git", world.tool.url());
        let from_dir = format!("cd {} && \"$@\"", world.dir());
        let exec = [&binary, "exec", "--dir", ".", "team/git", "--", "sh", "-c", &script].map(str::to_owned);
        client.run("sh", ["-c", &from_dir, "sh"].map(str::to_owned).iter().chain(&exec)).succeeds().says("refs/heads/main");
        let _proxy = Connectors::start(&world.folder);
        client.run("sh", ["-c", &from_dir, "sh"].map(str::to_owned).iter().chain(&exec)).succeeds().says("refs/heads/main");
        let env = [&binary, "env", "--dir", ".", "team/git"].map(str::to_owned);
        let variables = client.run("sh", ["-c", &from_dir, "sh"].map(str::to_owned).iter().chain(&env)).succeeds().stdout;
        assert!(variables.contains("GIT_SSL_CAINFO='/") && !variables.contains("='./"), "{variables}");
    }

    #[test]
    fn without_rights() {
        let world = world();
        let words = world.exec(&["--service-account", "team/stranger", "team/git", "--", "git", "ls-remote", &format!("{}/repo.git", world.tool.url())]);
        let ran = Client::new().run(&words[0], &words[1..]).fails().says("403").says("403 Forbidden: no permission to use Connector team/git");
        assert!(!ran.stderr.contains("407 Proxy"), "that clients ask without credentials first is no news: {}", ran.stderr);
        assert_eq!(world.tool.seen(), []);
    }

    #[test]
    fn exit_status_and_signals_are_the_commands() {
        let world = world();
        let client = Client::new();
        let status = |script: &str| {
            let words = world.exec(&["team/git", "--", "sh", "-c", script]);
            let shell = ["-c", "\"$@\"; echo $?", "sh"].map(str::to_owned);
            client.run("sh", shell.iter().chain(&words)).succeeds().stdout
        };
        let start = |program: &str| {
            let words = world.exec(&["team/git", "--", program]);
            let shell = ["-c", "\"$@\"; echo $?", "sh"].map(str::to_owned);
            client.run("sh", shell.iter().chain(&words)).succeeds().stdout
        };
        let check = || {
            assert_eq!(status("exit 0"), "0\n");
            assert_eq!(status("exit 7"), "7\n");
            // 128 and the number of the signal.
            assert_eq!(status("kill -TERM $$"), "143\n");
            // As a shell has it for a command that isn't there, and for one that can't be run.
            assert_eq!((start("no-such-program"), start("/etc/passwd")), ("127\n".to_owned(), "126\n".to_owned()));
        };
        check();
        let _proxy = Connectors::start(&world.folder);
        check();
    }

    #[test]
    fn a_signal_is_passed_on() {
        let world = world();
        let client = Client::new();
        // The command says when it is ready, gets a signal by way of `connectors exec`, and says which.
        let words = world.exec(&["team/git", "--", "sh", "-c", "trap 'echo got it > got; exit 3' TERM; touch ready; while :; do sleep 0.01; done"]);
        let script = r#""$@" & id=$!; until test -e ready; do sleep 0.01; done; kill -TERM $id; wait $id; echo "status $?""#;
        let shell = ["-c", script, "sh"].map(str::to_owned);
        client.run("sh", shell.iter().chain(&words)).succeeds().says("status 3");
        assert!(client.home().join("got").exists());
    }

    #[test]
    fn several_connectors_and_unknown_ones() {
        let world = world();
        let client = Client::new();
        let words = world.exec(&["team/other,team/git", "--", "git", "ls-remote", &format!("{}/repo.git", world.tool.url())]);
        client.run(&words[0], &words[1..]).succeeds().says("refs/heads/main");
        let words = world.exec(&["team/nothing", "--", "true"]);
        client.run(&words[0], &words[1..]).fails().says("team/nothing");
        let words = world.exec(&["--service-account", "team/nobody", "team/git", "--", "true"]);
        client.run(&words[0], &words[1..]).fails().says("team/nobody");
        let words = world.exec(&["team/git", "--", "no-such-program"]);
        client.run(&words[0], &words[1..]).fails().says("no-such-program");
    }
}

#[test]
fn env_is_for_eval() {
    let world = world();
    let client = Client::new().set("CONNECTORS", binary()).set("DIR", world.folder.path());
    let script = format!("eval \"$(\"$CONNECTORS\" env --dir \"$DIR\" -s team/builder team/git)\"; git clone {}/repo.git", world.tool.url());
    let env = [&binary().to_string_lossy(), "env", "--dir", &world.dir(), "team/git"].map(ToString::to_string);
    client.run(&env[0], &env[1..]).fails().says("connectors standalone");
    let _proxy = Connectors::start(&world.folder);
    client.run("sh", ["-c", &script]).succeeds();
    client.assert_never_saw(&Canaries::default().add("the password", &world.password));
    world.tool.wait_until_seen("its credential", |seen| seen.authorization == basic("bot", &world.password) && seen.status == 200);
}

#[test]
fn token_makes_what_kubernetes_would() {
    let world = world();
    let dir = world.dir();
    let token = succeeded(&run(&["token", "--dir", &dir, "--service-account", "team/builder", "--duration", "5m", "--audience", "a,b"]));
    let parts: Vec<&str> = token.trim().split('.').collect();
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(parts[1]).unwrap()).unwrap();
    assert_eq!((parts.len(), &claims["sub"], &claims["aud"]), (3, &"system:serviceaccount:team:builder".into(), &serde_json::json!(["a", "b"])));
    // Whole seconds, rounded so that it is good for all of what was asked for.
    assert!((300..=301).contains(&(claims["exp"].as_u64().unwrap() - claims["nbf"].as_u64().unwrap())), "{claims}");
    assert_eq!((&claims["kubernetes.io"]["namespace"], &claims["kubernetes.io"]["serviceaccount"]["name"]), (&"team".into(), &"builder".into()));
    // It is for other audiences than the proxy.
    let proxy = Connectors::start(&world.folder);
    assert_eq!(proxy.get("team/git", "/", token.trim()).status(), 401);

    let refused = run(&["token", "--dir", &dir, "--service-account", "team/nobody"]);
    assert!(!refused.status.success() && text(&refused.stderr).contains("team/nobody") && refused.stdout.is_empty());
}

#[test]
fn a_token_is_good_until_it_expires() {
    let world = world();
    let proxy = Connectors::start(&world.folder);
    let token = succeeded(&run(&["token", "--dir", &world.dir(), "--service-account", "team/builder", "--duration", "2s"]));
    let path = "/repo.git/info/refs?service=git-upload-pack";
    assert_eq!(proxy.get("team/git", path, token.trim()).status(), 200);
    // Also while its first check is still remembered.
    let answer = proxy.wait_for_status("team/git", path, token.trim(), 401);
    assert!(answer.text().contains("the token has expired"), "{}", answer.text());
}

#[test]
fn get_prints_tables_like_kubectls() {
    let world = world();
    let dir = world.dir();
    let table = succeeded(&run(&["get", "connectors", "-A", "--dir", &dir]));
    let mut lines = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    assert_eq!(lines.next().unwrap(), ["NAMESPACE", "NAME", "CLASS", "ADDRESS", "READY", "REASON", "AGE"]);
    assert_eq!(lines.next().unwrap()[..5], ["team", "git", "git", &world.tool.url(), "True"]);
    let table = succeeded(&run(&["get", "connectors", "-n", "team", "--dir", &dir]));
    assert!(table.starts_with("NAME ") && table.contains("other"), "{table}");
    let classes = succeeded(&run(&["get", "connectorclasses", "--dir", &dir]));
    assert_eq!(classes.lines().next().unwrap().split_whitespace().collect::<Vec<_>>(), ["NAME", "READY", "REASON", "AGE"]);
    let none = run(&["get", "connectors", "-n", "empty", "--dir", &dir]);
    assert!(none.status.success() && text(&none.stderr).contains("No resources found in empty namespace."), "{}{}", text(&none.stdout), text(&none.stderr));
}

/// What could not be read may hold what was asked for.
#[test]
fn nothing_is_called_absent_while_a_file_cannot_be_read() {
    let folder = Folder::new().with(&[basic_class("web")]);
    std::os::unix::fs::symlink("nowhere", folder.path().join("accounts.yaml")).unwrap();
    let dir = folder.path().to_string_lossy().into_owned();
    for words in [
        &["token", "--dir", &dir, "--service-account", "team/builder"][..],
        &["get", "connectors", "--dir", &dir],
        &["get", "connectors", "git", "--dir", &dir],
        &["exec", "team/git", "--dir", &dir, "--", "true"],
    ] {
        let said = text(&run(words).stderr);
        assert!(said.contains("accounts.yaml: error: can't be read: it is a link that leads nowhere"), "{words:?}: {said}");
    }
}

#[test]
fn get_prints_json_and_yaml() {
    let world = world();
    let proxy = Connectors::start(&world.folder);
    let dir = world.dir();
    let list: Value = serde_json::from_str(&succeeded(&run(&["get", "connectors", "-A", "-o", "json", "--dir", &dir]))).unwrap();
    let git = &list["items"].as_array().unwrap().iter().find(|item| item["metadata"]["name"] == "git").unwrap();
    assert_eq!(git["spec"]["address"], world.tool.url().as_str());
    assert_eq!(git["status"]["proxy"]["httpAddress"]["url"], proxy.host_url("team/git").as_str());
    assert!(git["status"]["conditions"].as_array().unwrap().iter().any(|condition| condition["type"] == "Ready" && condition["status"] == "True"), "{git}");
    let yaml = succeeded(&run(&["get", "connectors", "-n", "team", "git", "-o", "yaml", "--dir", &dir]));
    // It can be applied again.
    let copy = Folder::new();
    copy.write("copy.yaml", &yaml);
    copy.write("class.yaml", &basic_class("git"));
    let checked = run(&["check", &copy.path().to_string_lossy()]);
    assert!(checked.status.success(), "{}{}\n{yaml}", text(&checked.stdout), text(&checked.stderr));
}

#[test]
fn check_reports_every_mistake_with_its_place() {
    let folder = Folder::new().with(&[basic_class("web")]);
    let good = run(&["check", &folder.path().to_string_lossy()]);
    succeeded(&good);
    folder.write("a.yaml", &Connector::new("team/a", "wbe", "ftp://x").yaml());
    folder.write("sub/b.yaml", &Connector::new("team/b", "web", "https://user:pw@x/?q").auth("noSuchAuth", "s").yaml());
    folder.write("c.yaml", "apiVersion: v1\nkind: [\n");
    let output = run(&["check", &folder.path().to_string_lossy()]);
    let report = text(&output.stdout) + &text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{report}");
    let get = run(&["get", "connectors", "-A", "--dir", &folder.path().to_string_lossy()]);
    let warning = text(&get.stderr);
    assert!(warning.starts_with("warning: these have errors and are not in force:\n") && warning.contains("c.yaml:"), "{warning}");
    for (place, field) in
        [("a.yaml:7:", "spec.connectorClassName"), ("a.yaml:8:", "spec.address"), ("sub/b.yaml:8:", "spec.address"), ("sub/b.yaml:", "spec.auth.name")]
    {
        assert!(report.lines().any(|line| line.contains(place) && line.contains(field)), "no line with {place} and {field}:\n{report}");
    }
    assert!(report.lines().any(|line| line.contains("c.yaml:")) && report.contains("\"web\""), "{report}");
    assert!(!report.contains("user:pw"), "{report}");
}

#[test]
fn completions_are_scripts_that_the_shell_takes() {
    let client = Client::new();
    let script = succeeded(&run(&["completions", "bash"]));
    client.write("completions", &script);
    client.run("bash", ["-n", "completions"]).succeeds();
    client.run("bash", ["-c", ". ./completions; complete -p connectors"]).succeeds().says("connectors");
    let pipe = format!("{} completions bash | head -c 1; {0} completions zsh | head -c 1", binary().display());
    let ran = client.run("bash", ["-c", &pipe]).succeeds();
    assert_eq!(ran.stderr, "", "a reader that has seen enough is no error");
    for shell in ["zsh", "fish"] {
        assert!(succeeded(&run(&["completions", shell])).contains("standalone"));
    }
}

#[test]
fn help_has_examples() {
    for command in ["standalone", "demo", "check", "token", "exec", "env", "render", "get", "eval", "completions"] {
        let help = succeeded(&run(&[command, "--help"]));
        assert!(help.contains("Example") && help.contains(&format!("connectors {command}")), "{help}");
        assert!(!help.contains('\u{1b}'), "colours without a terminal");
    }
}

#[test]
fn flags_are_also_variables() {
    let world = world();
    let client = Client::new().set("CONNECTORS_DIR", world.folder.path()).set("CONNECTORS_SERVICE_ACCOUNT", "team/builder");
    client.run(&binary().to_string_lossy(), ["token"]).succeeds();
    let state = client.home().join("state");
    let client = client.set("CONNECTORS_STATE", &state);
    client.run(&binary().to_string_lossy(), ["token"]).succeeds();
    assert!(state.join("signing-key.pem").exists());
}

#[test]
fn keys_are_their_owners_alone() {
    let world = world();
    let _proxy = Connectors::start(&world.folder);
    let mode = |name: &str| world.folder.state().join(name).metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("."), mode("signing-key.pem"), mode("ca.key"), mode("ca.crt")), (0o700, 0o600, 0o600, 0o644));
}

#[test]
fn a_key_that_others_can_read_is_refused() {
    let world = world();
    succeeded(&run(&["token", "--dir", &world.dir(), "--service-account", "team/builder"]));
    std::fs::set_permissions(world.folder.state().join("signing-key.pem"), std::fs::Permissions::from_mode(0o644)).unwrap();
    let output = run(&["token", "--dir", &world.dir(), "--service-account", "team/builder"]);
    assert!(!output.status.success() && text(&output.stderr).contains("chmod 600"), "{}", text(&output.stderr));
}

#[test]
fn two_servers_on_one_folder_are_one_too_many() {
    let world = world();
    let _proxy = Connectors::start(&world.folder);
    let second = run(&["standalone", "--dir", &world.dir(), "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
    assert!(!second.status.success() && !second.stderr.is_empty());
}
