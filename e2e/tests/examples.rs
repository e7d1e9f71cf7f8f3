//! Every folder in `examples/standalone` is complete: it is without mistakes, and can be served.
#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests")]

use std::path::{Path, PathBuf};
use std::process::Command;

use connectors_e2e::{Connectors, Folder, run};

fn examples() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("examples/standalone");
    let mut examples: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect();
    examples.sort();
    assert!(!examples.is_empty());
    examples
}

#[test]
fn each_is_without_mistakes() {
    for example in examples() {
        let output = run(&["check", &example.to_string_lossy()]);
        let report = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(output.status.success(), "{}:\n{report}", example.display());
    }
}

#[test]
fn each_can_be_served() {
    for example in examples() {
        // As the reader is told: copied, and the values for its owner alone.
        let folder = Folder::new();
        let copied = Command::new("cp").arg("-r").arg(example.join(".")).arg(folder.path()).status().unwrap();
        assert!(copied.success());
        assert!(Command::new("chmod").arg("-R").arg("go=").arg(folder.path()).status().unwrap().success());
        let mut proxy = Connectors::start(&folder);
        let output = run(&["get", "connectors", "-A", "-o", "json", "--dir", &folder.path().to_string_lossy()]);
        let list: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let connectors = list["items"].as_array().unwrap();
        assert!(!connectors.is_empty(), "{} has no Connector", example.display());
        for connector in connectors {
            let ready = connector["status"]["conditions"].as_array().unwrap().iter().find(|condition| condition["type"] == "Ready").unwrap();
            assert_eq!(ready["status"], "True", "{}: {connector}", example.display());
            // Known, and not for whoever has no token.
            let name = format!("{}/{}", connector["metadata"]["namespace"].as_str().unwrap(), connector["metadata"]["name"].as_str().unwrap());
            assert_eq!(proxy.get(&name, "/", "wrong").status(), 401);
        }
        assert!(!proxy.errors().contains("WARN") && !proxy.errors().contains("ERROR"), "{}:\n{}", example.display(), proxy.errors());
        assert!(proxy.stop().success());
    }
}
