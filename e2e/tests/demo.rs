//! `connectors demo`: the first thing that anyone runs.
#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests")]

use connectors_e2e::{Client, Process, binary, command, wait_for};

#[test]
fn it_shows_what_it_is_for_and_cleans_up() {
    let client = Client::new();
    let ran = client.run(&binary().to_string_lossy(), ["demo"]).succeeds();
    for said in ["git clone", "push", "curl", "no token: 401", "wrong token: 401", "403", "never saw the password"] {
        assert!(ran.stdout.contains(said), "it does not say {said:?}:\n{}", ran.stdout);
    }
    assert!(!ran.stdout.contains('\u{1b}') && !ran.stderr.contains('\u{1b}'), "colours without a terminal");
    // The home is its folder for temporary files, too.
    let left: Vec<_> = std::fs::read_dir(client.home()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.is_empty(), "it left {left:?}");
}

#[test]
fn kept_running_it_says_what_to_try() {
    let folder = tempfile::tempdir().unwrap();
    let mut demo = Process::start("demo", command().args(["demo", "--keep"]).env("TMPDIR", folder.path()).env("HOME", folder.path()), folder.path());
    let output = wait_for("the commands to try", || Some(demo.output()).filter(|output| output.contains("access records: ")));
    let told = |what: &str| {
        let line = output.lines().find_map(|line| line.trim().strip_prefix(what)).unwrap_or_else(|| panic!("no {what} in {output}"));
        line.split_whitespace().next().unwrap().to_owned()
    };
    let (manifests, log) = (told("manifests: "), told("access records: "));
    let (_, commands) = output.split_once("Ctrl-C").unwrap();
    let commands: Vec<&str> = commands.lines().skip(1).map(str::trim).take_while(|line| !line.starts_with("manifests: ")).collect();
    let script = commands.join("\n").replace("curl ", "curl --fail --silent ").replace("/tmp/private", &folder.path().join("clone").display().to_string());
    let records = || std::fs::read_to_string(&log).unwrap().lines().filter(|line| line.contains(r#""status":200"#)).count();
    let before = records();
    let done = Client::new().run("sh", ["-e", "-c", &script]);
    assert!(done.succeeds().stdout.contains("refs/heads/main"), "{script}");
    // Two of git's and the two of curl, and two of the git of `exec`, which uses this proxy too.
    wait_for("the records of all commands", || (records() >= before + 6).then_some(()));
    let env = command().args(["env", "--dir", &manifests, "demo/git"]).output().unwrap();
    assert!(env.status.success(), "{}", String::from_utf8_lossy(&env.stderr));
    demo.signal(rustix::process::Signal::INT);
    wait_for("its end", || demo.ended().then_some(()));
    assert!(demo.terminate().success(), "{}{}", demo.output(), demo.errors());
    let left: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .filter(|name| !name.to_string_lossy().starts_with("demo.") && name != "clone")
        .collect();
    assert!(left.is_empty(), "it left {left:?}");
}
