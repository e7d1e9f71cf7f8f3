//! Files of configurations, as `connectors render`, `exec` and `env` write them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests")]

use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::time::{Duration, Instant};

use connectors_e2e::{Canaries, Client, Connector, Connectors, Echo, Folder, Ran, basic_class, basic_secret, binary, grant, service_account, unique, wait_for};
use rustix::process::Signal;
use tempfile::TempDir;

/// A class with everything that a configuration can have.
const CLASS: &str = r#"apiVersion: connectors.alauda.io/v1alpha1
kind: ConnectorClass
metadata:
  name: tool
  annotations: {connectors.cpaas.io/proxy-resolver: path}
spec:
  address: {type: string}
  params: [{name: mode, default: all}]
  auth:
    types: [{name: basicAuth, secretType: kubernetes.io/basic-auth, optional: true}]
  configurations:
  - name: rc
    params: [{name: level, default: low, enum: [low, high]}]
    data:
      toolrc: |
        address={{ .connector.spec.address }}
        proxy={{ .connector.status.proxyAddress }}
        mode={{ (first .connector.spec.params).value }}
        level={{ .configurations.level }}
        token={{ .context.token }}
      .env: |
        TOOL_CONFIG=$CONNECTORS_CONFIG_DIR/toolrc
        TOOL_LEVEL={{ .configurations.level }}
  - name: needs
    params: [{name: what}]
    data: {needed: "{{ .configurations.what }}"}
"#;

/// One whose files are for programs that people have settings of their own for.
const CLIENTS: &str = r#"apiVersion: connectors.alauda.io/v1alpha1
kind: ConnectorClass
metadata: {name: clients}
spec:
  address: {type: string}
  auth:
    types: [{name: basicAuth, secretType: kubernetes.io/basic-auth, optional: true}]
  configurations:
  - name: all
    data:
      .gitconfig: |
        [http "{{ .connector.spec.address }}/"]
          extraHeader = Authorization: Basic {{ printf ":%s" .context.token | b64enc }}
      settings.xml: <settings/>
      config.json: "{}"
"#;

struct World {
    tool: Echo,
    folder: Folder,
    password: String,
}

/// `team/tool` and `team/clients` of those classes, `team/plain` of one without configurations, `team/builder` who may use them all.
fn world() -> World {
    let (tool, password) = (Echo::start(), unique("password"));
    let folder = Folder::new().with(&[
        CLASS.to_owned(),
        CLIENTS.to_owned(),
        basic_class("plain"),
        Connector::new("team/tool", "tool", &tool.url()).auth("basicAuth", "tool").yaml(),
        Connector::new("team/clients", "clients", &tool.url()).auth("basicAuth", "tool").yaml(),
        Connector::new("team/plain", "plain", &tool.url()).auth("basicAuth", "tool").yaml(),
        basic_secret("team/tool", "bot", &password),
        service_account("team/builder"),
        service_account("team/stranger"),
        grant("team/builder", "team/tool"),
        grant("team/builder", "team/clients"),
        grant("team/builder", "team/plain"),
    ]);
    World { tool, folder, password }
}

impl World {
    /// A client that runs `connectors WORDS --dir DIR` in its home.
    #[track_caller]
    fn run(&self, client: &Client, words: &[&str]) -> Ran {
        let client = client.run(&binary().to_string_lossy(), self.words(words));
        assert!(!client.stdout.contains(&self.password) && !client.stderr.contains(&self.password));
        client
    }

    /// `--dir` goes behind the subcommand, before the command of `exec`.
    fn words(&self, words: &[&str]) -> Vec<String> {
        let (dir, at) = (self.folder.path().to_string_lossy().into_owned(), 1);
        [&words[..at], &["--dir", &dir], &words[at..]].concat().into_iter().map(str::to_owned).collect()
    }
}

fn read(folder: &Path, name: &str) -> String {
    std::fs::read_to_string(folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn mode(path: &Path) -> u32 {
    path.symlink_metadata().unwrap().permissions().mode() & 0o7777
}

const BUILT_IN: [&str; 8] =
    [".env", "ca.cert", "ca.crt", "connector.status.proxyAddress", "context.proxy.caCert", "context.token", "http.proxy", "https.proxy"];

#[test]
fn render_writes_what_a_pod_would_have() {
    let world = world();
    let proxy = Connectors::start(&world.folder);
    let client = Client::new();
    world.run(&client, &["render", "team/plain", "-s", "team/builder", "--out", "plain"]).succeeds();
    let plain = client.home().join("plain");
    assert_eq!((names(&plain), mode(&plain)), (BUILT_IN.map(str::to_owned).to_vec(), 0o700));
    for (name, secret) in BUILT_IN.iter().zip([true, false, false, false, false, true, true, true]) {
        assert_eq!(mode(&plain.join(name)), if secret { 0o600 } else { 0o644 }, "{name}");
    }
    let token = read(&plain, "context.token");
    assert_eq!(read(&plain, "http.proxy"), proxy.proxy_url("team/plain", &token));
    assert_eq!(read(&plain, ".env"), format!("http_proxy={0}\nhttps_proxy={0}\nno_proxy=localhost,127.0.0.1\n", read(&plain, "https.proxy")));
    let ca = std::fs::read_to_string(proxy.ca_certificate()).unwrap();
    assert!(["ca.crt", "ca.cert", "context.proxy.caCert"].iter().all(|name| read(&plain, name) == ca));
    // They are good for something: as a proxy, and as an address of its own.
    client.run("sh", ["-c", &format!(". plain/.env; export http_proxy; no_proxy= curl -sSf {}/by-env", world.tool.url())]).succeeds();
    client.run("sh", ["-c", r#"curl -sSf -u "any:$(cat plain/context.token)" "$(cat plain/connector.status.proxyAddress)/by-address""#]).succeeds();

    let words = ["render", "team/tool", "-s", "team/builder", "--configuration", "rc,!http.proxy,!https.proxy", "--params", r#"{"rc": {"level": "high"}}"#];
    world.run(&client, &[&words[..], &["--out", "tool"]].concat()).succeeds();
    let tool = client.home().join("tool");
    assert_eq!(names(&tool), [".env", "ca.cert", "ca.crt", "connector.status.proxyAddress", "context.proxy.caCert", "context.token", "toolrc"]);
    // The tool has the address 127.0.0.1 too, so the proxy is called by another name.
    let address = proxy.path_url("team/tool").replace("127.0.0.1", "localhost");
    let (url, token) = (world.tool.url(), read(&tool, "context.token"));
    assert_eq!(read(&tool, "toolrc"), format!("address={url}\nproxy={address}\nmode=all\nlevel=high\ntoken={token}\n"));
    assert_eq!((mode(&tool.join("toolrc")), mode(&tool.join(".env"))), (0o600, 0o600));
    client.assert_never_saw(&Canaries::default().add("the password", &world.password));
}

#[test]
fn render_needs_no_server() {
    let world = world();
    let client = Client::new();
    world.run(&client, &["render", "team/tool", "--out", "a/b"]).succeeds().says("warning: no proxy runs on").says("127.0.0.1:8080");
    let out = client.home().join("a/b");
    assert_eq!((read(&out, "connector.status.proxyAddress"), mode(&out)), ("http://localhost:8080/namespaces/team/connectors/tool".to_owned(), 0o700));
    // The CA is the one that the server will have.
    let proxy = Connectors::start(&world.folder);
    assert_eq!(read(&out, "ca.crt"), std::fs::read_to_string(proxy.ca_certificate()).unwrap());
}

#[test]
fn render_takes_nothing_away() {
    let world = world();
    let client = Client::new();
    let render = |more: &[&str]| world.run(&client, &[&["render", "team/tool", "--proxy-address", "proxy:8080", "--out", "out"], more].concat());
    client.write("out/.env", "mine");
    render(&[]).fails().says("out already has .env: name another folder, or give --force");
    assert_eq!((names(&client.home().join("out")), read(client.home(), "out/.env")), (vec![".env".to_owned()], "mine".to_owned()));
    // A link is replaced, and what it leads to stays.
    client.write("elsewhere", "mine too");
    std::fs::remove_file(client.home().join("out/.env")).unwrap();
    symlink(client.home().join("elsewhere"), client.home().join("out/.env")).unwrap();
    render(&[]).fails().says("already has .env");
    render(&["--force"]).succeeds();
    assert_eq!(read(client.home(), "elsewhere"), "mine too");
    assert!(read(client.home(), "out/http.proxy").ends_with("@proxy:8080"));
    client.write("file", "");
    world.run(&client, &["render", "team/tool", "--proxy-address", "proxy:8080", "--out", "file"]).fails().says("file is not a folder");
}

#[test]
fn render_says_what_is_wrong_and_writes_nothing() {
    let world = world();
    let client = Client::new();
    let render = |words: &[&str]| world.run(&client, &[&["render"], words, &["--out", "out"]].concat());
    let render = |words: &[&str]| render(&[words, &["--proxy-address", "proxy:8080"]].concat());
    render(&["team/tool", "-s", "team/stranger"]).fails().says("system:serviceaccount:team:stranger may not use Connector team/tool");
    render(&["team/plain,team/tool", "-s", "team/nobody"]).fails().says("team/nobody");
    render(&["team/nothing"]).fails().says("there is no Connector team/nothing");
    render(&["team/tool", "--configuration", "rcs"]).fails().says("has a configuration \"rcs\"; they have rc, needs; did you mean \"rc\"?");
    render(&["team/tool", "--configuration", "needs"]).fails().says("configuration \"needs\" of ConnectorClass \"tool\": parameter \"what\" is required");
    render(&["team/tool", "--params", "{"]).fails().says("configuration.params must be");
    render(&["team/tool", "--configuration", "!../x"]).fails().says("must be '!' and the name of a file");
    assert!(!client.home().join("out").exists());
    // One of several is enough.
    render(&["team/plain,team/tool", "--configuration", "rc,other"]).succeeds().says("warning: no class of these Connectors has a configuration \"other\"");
    assert!(read(client.home(), "out/http.proxy").starts_with("http://team%2Fplain,team%2Ftool:"));
    assert!(read(client.home(), "out/toolrc").contains("/namespaces/team/connectors/tool\n"));
}

#[test]
fn a_template_that_fails_is_named_with_its_place() {
    let world = world();
    world.folder.replace("level={{ .configurations.level }}", "{{ fail (printf \"no: %s\" .context.token) }}");
    let client = Client::new();
    let place = "ConnectorClass \"tool\", configuration \"rc\", file \"toolrc\", line 4, column 4: error calling fail: no: [redacted]";
    world.run(&client, &["render", "team/tool", "--proxy-address", "p:1", "--configuration", "rc", "--out", "out"]).fails().says(place);
    assert!(!client.home().join("out").exists());
    world.run(&client, &["exec", "team/tool", "--", "touch", "ran"]).fails().says(place).says("--configuration '' leaves all of them out");
    assert!(!client.home().join("ran").exists());
    world.run(&client, &["exec", "team/tool", "--configuration", "", "--", "touch", "ran"]).succeeds();
    // What can't even be read as a template, `check` says with the place in the file.
    world.folder.replace("{{ fail", "{{ nofunc");
    let report = world.run(&client, &["check"]).fails();
    let says = "error: ConnectorClass tool: spec.configurations[0].data.toolrc: is no usable template: line 4: function \"nofunc\" not defined";
    assert!(report.stdout.contains("manifests-0.yaml:16:") && report.stdout.contains(says), "{}{}", report.stdout, report.stderr);
}

/// The example is what people begin with.
#[test]
fn a_parameter_adds_no_line_to_a_file_of_the_example() {
    let example = include_str!("../../examples/standalone/gitea/class.yaml");
    let owner = r#"  params: [{name: owner, value: "o\nscript-shell=/tmp/x\n<x/>"}]"#;
    let folder = Folder::new().with(&[example.to_owned(), Connector::new("team/gitea", "gitea", "https://gitea.example").yaml() + owner + "\n"]);
    let client = Client::new();
    let all = "gitconfig,npmrc,pipconf,settings,curlrc,registry-config";
    let render = |params: &str, out: &str| {
        let words = [
            "render",
            "--dir",
            &folder.path().to_string_lossy(),
            "team/gitea",
            "--proxy-address",
            "p:1",
            "--configuration",
            all,
            "--params",
            params,
            "--out",
            out,
        ];
        client.run(&binary().to_string_lossy(), words).succeeds();
        [".gitconfig", ".npmrc", "pip.conf", "settings.xml", ".curlrc", "config.json"].map(|name| read(&client.home().join(out), name))
    };
    let files = render(r#"{"pipconf": {"timeout": "5\nextra-index-url = x"}}"#, "out");
    for text in &files {
        assert!(!text.contains("\nscript-shell") && !text.contains("<x/>") && !text.contains("extra-index-url"), "{text}");
    }
    assert!(files[1].starts_with("\nregistry=https://gitea.example/api/packages/o%0Ascript-shell%3D%2Ftmp%2Fx%0A%3Cx%2F%3E/npm/\n"), "{}", files[1]);
}

#[test]
fn what_a_class_may_not_set_is_named_before_anything_is_written() {
    let world = world();
    world.folder.replace("TOOL_LEVEL=", "LD_PRELOAD=");
    let client = Client::new();
    let place = ".env of ConnectorClass \"tool\", configuration \"rc\": line 2 sets LD_PRELOAD, which is not for a class to set";
    world.run(&client, &["exec", "team/tool", "--", "touch", "ran"]).fails().says(place).says("--configuration '' leaves all of them out");
    let _proxy = Connectors::start(&world.folder);
    let ran = world.run(&client, &["env", "team/tool"]).fails().says(place);
    assert!(ran.stdout.is_empty() && !client.home().join("ran").exists() && !world.folder.state().join("mounts").exists());
    world.run(&client, &["exec", "team/tool", "--configuration", "", "--", "true"]).succeeds();
    // `render` only writes the file.
    world.run(&client, &["render", "team/tool", "--configuration", "rc", "--out", "out"]).succeeds();
}

/// What a command of `exec` is told, with and without a server that runs already.
#[test]
fn exec_gives_its_command_the_files() {
    let world = world();
    let client = Client::new();
    let exec = |words: &[&str], script: &str| world.run(&client, &[&["exec"], words, &["-s", "team/builder", "--", "sh", "-c", script]].concat());
    let script = r#"stat -c %a "$CONNECTORS_CONFIG_DIR" && cat "$TOOL_CONFIG" && echo "$TOOL_LEVEL" && ls -A "$CONNECTORS_CONFIG_DIR" && pwd -P > /dev/null \
                    && printf %s "$CONNECTORS_CONFIG_DIR" > folder"#;
    let check = || {
        // Of the configurations that which needs nothing more, and none without.
        let said = exec(&["team/tool"], script).succeeds().stdout;
        assert!(said.starts_with("700\naddress=") && said.contains("level=low\ntoken=") && said.contains("\nlow\n"), "{said}");
        assert!(said.contains("\ntoolrc\n") && !said.contains("needed"), "{said}");
        assert!(!Path::new(&read(client.home(), "folder")).exists(), "it goes with the command");
        let said =
            exec(&["team/tool", "--params", r#"{"needs": {"what": "this"}}"#], "cat $CONNECTORS_CONFIG_DIR/needed; echo; cat $TOOL_CONFIG").succeeds().stdout;
        assert!(said.starts_with("this\naddress="), "{said}");
        let said = exec(&["team/tool", "--configuration", ""], r#"echo "[$TOOL_CONFIG]"; ls -A "$CONNECTORS_CONFIG_DIR""#).succeeds().stdout;
        assert_eq!(said.lines().collect::<Vec<_>>(), [&["[]"], &BUILT_IN[..]].concat());
        // Without a name, everything but that.
        let said = exec(&["team/tool", "--configuration", "!toolrc"], r#"echo "[$TOOL_LEVEL]"; ls -A "$CONNECTORS_CONFIG_DIR""#).succeeds().stdout;
        assert_eq!(said.lines().collect::<Vec<_>>(), [&["[low]"], &BUILT_IN[..]].concat());
        exec(&["team/plain", "--configuration", "!toolrc"], r#"test -z "$CONNECTORS_CONFIG_DIR""#).succeeds();
        exec(&["team/tool", "--configuration", "!../x"], "true").fails().says("--configuration: \"!../x\"");
        exec(&["team/plain"], r#"test -z "$CONNECTORS_CONFIG_DIR""#).succeeds();
        exec(&["team/plain", "--configuration", "rc"], "touch ran").fails().says("they have none");
        // The status is the command's, and the folder is gone after failures too.
        let ran = exec(&["team/tool"], r#"printf %s "$CONNECTORS_CONFIG_DIR" > folder; exit 7"#).fails();
        assert_eq!(ran.status.code(), Some(7));
        assert!(!Path::new(&read(client.home(), "folder")).exists());
    };
    check();
    let _proxy = Connectors::start(&world.folder);
    check();
    client.assert_never_saw(&Canaries::default().add("the password", &world.password));
}

#[test]
fn the_files_go_when_a_signal_ends_the_command() {
    let world = world();
    for with_server in [false, true] {
        let _proxy = with_server.then(|| Connectors::start(&world.folder));
        let client = Client::new();
        let script = r#"printf %s "$CONNECTORS_CONFIG_DIR" > aside; mv aside folder; while :; do sleep 0.01; done"#;
        let words = world.words(&["exec", "team/tool", "--", "sh", "-c", script]);
        let mut exec = client.start("exec", &binary().to_string_lossy(), words);
        let folder = wait_for("the folder", || std::fs::read_to_string(client.home().join("folder")).ok());
        assert!(Path::new(&folder).join("toolrc").exists());
        // 128 and the signal's number.
        assert_eq!(exec.terminate().code(), Some(143));
        assert!(!Path::new(&folder).exists(), "{folder}");
    }
}

/// A place in memory for one client's folders, as a session has it, so that none of another test's are in it.
fn runtime_folder() -> TempDir {
    tempfile::Builder::new().permissions(Permissions::from_mode(0o700)).tempdir_in("/dev/shm").unwrap()
}

#[test]
fn the_files_go_when_a_signal_comes_while_they_are_written() {
    let world = world();
    let many: String = (0..100).map(|n| format!("      f{n}: '{{{{ repeat 150000 \"x\" }}}}'\n")).collect();
    world.folder.replace("      settings.xml: <settings/>\n", &many);
    for with_server in [false, true] {
        let _proxy = with_server.then(|| Connectors::start(&world.folder));
        let runtime = runtime_folder();
        let client = Client::new().set("XDG_RUNTIME_DIR", runtime.path());
        let mut exec = client.start("exec", &binary().to_string_lossy(), world.words(&["exec", "team/clients", "--", "sleep", "60"]));
        // Without a pause, since it takes hardly a tenth of a second to write them.
        let deadline = Instant::now() + Duration::from_secs(60);
        while names(runtime.path()).is_empty() {
            assert!(Instant::now() < deadline && !exec.ended(), "{}", exec.errors());
        }
        assert_eq!(exec.terminate().code(), Some(143));
        assert_eq!(names(runtime.path()), [""; 0]);
    }
}

#[test]
fn the_files_of_an_exec_that_was_killed_go_with_the_next() {
    let world = world();
    let runtime = runtime_folder();
    let client = Client::new().set("XDG_RUNTIME_DIR", runtime.path());
    // The command ends by itself, with the client's home.
    let script = r#"printf %s "$CONNECTORS_CONFIG_DIR" > aside; mv aside "$0"; while [ -e "$0" ]; do sleep 0.05; done"#;
    let start = |name: &str| {
        let exec = client.start(name, &binary().to_string_lossy(), world.words(&["exec", "team/tool", "--", "sh", "-c", script, &format!("{name}-folder")]));
        let folder = wait_for("the folder", || std::fs::read_to_string(client.home().join(format!("{name}-folder"))).ok());
        (exec, folder)
    };
    let (mut killed, left) = start("killed");
    let (_running, held) = start("running");
    killed.signal(Signal::KILL);
    killed.wait();
    assert!(Path::new(&left).join("toolrc").exists());
    world.run(&client, &["exec", "team/tool", "--", "true"]).succeeds();
    assert!(!Path::new(&left).exists() && Path::new(&held).join("toolrc").exists());
    std::fs::remove_file(client.home().join("killed-folder")).unwrap();
}

#[test]
fn several_envs_at_once_get_along() {
    let world = world();
    let _proxy = Connectors::start(&world.folder);
    let client = Client::new();
    std::thread::scope(|scope| {
        let runs: Vec<_> = (0..6).map(|_| scope.spawn(|| world.run(&client, &["env", "team/tool"]))).collect();
        let runs: Vec<String> = runs.into_iter().map(|run| run.join().unwrap().succeeds().stdout).collect();
        let folders: Vec<&str> = runs.iter().map(|out| out.lines().find(|line| line.starts_with("export CONNECTORS_CONFIG_DIR=")).unwrap()).collect();
        assert!(folders.iter().all(|folder| *folder == folders[0]), "{folders:?}");
    });
}

#[test]
fn files_of_env_go_when_the_class_has_none_any_more() {
    let world = world();
    let proxy = Connectors::start(&world.folder);
    let client = Client::new();
    let env = || world.run(&client, &["env", "team/clients"]).succeeds();
    env();
    let mounts = world.folder.state().join("mounts");
    let folder = mounts.join(&names(&mounts)[0]);
    // What a client keeps there is no trouble.
    std::fs::create_dir_all(folder.join("buildx/instances")).unwrap();
    env();
    assert!(folder.join("buildx/instances").exists() && folder.join("config.json").exists());
    drop(proxy);
    world.folder.replace(&CLIENTS[CLIENTS.find("  configurations:").unwrap()..], "");
    let _proxy = Connectors::start(&world.folder);
    assert!(!env().stdout.contains("CONNECTORS_CONFIG_DIR"));
    assert_eq!(names(&mounts), [""; 0]);
}

#[test]
fn files_of_env_stay_and_are_replaced() {
    let world = world();
    let client = Client::new();
    let _proxy = Connectors::start(&world.folder);
    let dir = world.folder.path().to_string_lossy().into_owned();
    let script = r#"eval "$("$0" env --dir "$1" -s team/builder team/tool)" && cat "$TOOL_CONFIG" > copy && printf %s "$CONNECTORS_CONFIG_DIR""#;
    let env = || client.run("sh", ["-c", script, &binary().to_string_lossy(), &dir]).succeeds();
    let first = env();
    let folder = Path::new(&first.stdout);
    assert!(first.stderr.contains(&format!("are in {}", first.stdout)), "{}", first.stderr);
    assert!(folder.starts_with(world.folder.state()) && read(client.home(), "copy") == read(folder, "toolrc"));
    assert_eq!((mode(folder), mode(&folder.join("toolrc"))), (0o700, 0o600));
    let token = read(folder, "context.token");
    assert_eq!(env().stdout, first.stdout);
    assert_ne!(read(folder, "context.token"), token, "a new one each time");
    // For others there is another.
    let other = world.run(&client, &["env", "team/tool"]).succeeds();
    assert!(other.stdout.contains("CONNECTORS_CONFIG_DIR='/") && !other.stdout.contains(&first.stdout));
    // None without files.
    assert!(!world.run(&client, &["env", "team/plain"]).succeeds().stdout.contains("CONNECTORS_CONFIG_DIR"));
}

/// Git sends every header that it is told of, and nobody accepts two credentials.
#[test]
fn a_second_env_replaces_what_the_first_has_added() {
    let world = world();
    let _proxy = Connectors::start(&world.folder);
    let client = Client::new().set("connectors", binary()).set("dir", world.folder.path()).set("tool", world.tool.url()).set("MAVEN_ARGS", "-B");
    // How many entries git has, how many headers it would send, how many words Maven gets.
    client.write("show", r#"echo "$GIT_CONFIG_COUNT $(git config --get-all --includes "http.$tool/.extraheader" | wc -l) $(echo $MAVEN_ARGS | wc -w)""#);
    let script = r#"
        use() { eval "$("$connectors" env --dir "$dir" -s team/builder "$1")"; . ./show; }
        use team/clients; use team/clients; use team/tool; use team/clients
        "$connectors" exec --dir "$dir" -s team/builder team/clients -- sh -c '. ./show
            "$connectors" exec --dir "$dir" -s team/builder team/clients -- sh ./show'
    "#;
    let ran = client.run("sh", ["-c", script]).succeeds();
    assert_eq!(ran.stdout.lines().collect::<Vec<_>>(), ["1 1 2", "1 1 2", "1 0 1", "1 1 2", "1 1 2", "1 1 2"], "{}", ran.stderr);
}
