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
    let commands = wait_for("the commands to try", || {
        let output = demo.output();
        let commands: Vec<String> =
            output.lines().map(str::trim).filter(|line| line.starts_with("git clone ") || line.starts_with("curl ")).map(str::to_owned).collect();
        (output.contains("Ctrl-C") && !commands.is_empty()).then_some(commands)
    });
    for command in commands {
        Client::new().run("sh", ["-c", &command]).succeeds();
    }
    demo.signal(rustix::process::Signal::INT);
    wait_for("its end", || demo.ended().then_some(()));
    assert!(demo.terminate().success(), "{}{}", demo.output(), demo.errors());
    let left: Vec<_> =
        std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).filter(|name| !name.to_string_lossy().starts_with("demo.")).collect();
    assert!(left.is_empty(), "it left {left:?}");
}
