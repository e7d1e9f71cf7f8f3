//! The test programs that cargo builds.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};
use serde_json::Value;

use crate::command;

/// Tests that run together, and are counted together.
pub(super) struct Suite {
    /// `core` for the tests within a crate's library or program, `core: table` for those of `tests/table.rs`.
    pub(super) name: String,
    program: PathBuf,
    arguments: Vec<String>,
    folder: PathBuf,
}

impl Suite {
    /// Runs it, as cargo would.
    pub(super) fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).current_dir(&self.folder).env("CARGO_MANIFEST_DIR", &self.folder);
        command
    }
}

/// Builds every crate, and the program that the end-to-end tests run, at once and with the same features, so that nothing is built twice.
/// Returns the test programs: those of the crates, then the end-to-end ones.
pub(super) fn build(root: &Path) -> anyhow::Result<Vec<Suite>> {
    let mut build = command::cargo();
    build.args(["build", "--workspace", "--all-targets", "--message-format=json-render-diagnostics"]).current_dir(root);
    let mut building = build.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().context("cannot run cargo")?;
    let mut suites = Vec::new();
    for line in BufReader::new(building.stdout.take().context("cargo has no output")?).lines() {
        // Not JSON is what build scripts print.
        if let Ok(message) = serde_json::from_str(&line?) {
            suites.extend(suite(&message));
        }
    }
    let status = building.wait()?;
    if !status.success() {
        bail!("cargo build: {status}");
    }
    suites.sort_by_key(|suite: &Suite| (suite.name.starts_with("e2e"), suite.name.clone()));
    Ok(suites)
}

/// The examples in the documentation, which only cargo can run.
pub(super) fn documentation(root: &Path) -> Suite {
    let program = PathBuf::from(command::cargo().get_program());
    let arguments = ["test", "--workspace", "--doc", "--quiet"].map(str::to_owned).to_vec();
    Suite { name: "examples in documentation".into(), program, arguments, folder: root.to_owned() }
}

fn suite(message: &Value) -> Option<Suite> {
    if message["reason"] != "compiler-artifact" || message["profile"]["test"] != true {
        return None;
    }
    let program = PathBuf::from(message["executable"].as_str()?);
    let folder = Path::new(message["manifest_path"].as_str()?).parent()?.to_owned();
    let package = folder.file_name()?.to_string_lossy();
    let target = &message["target"];
    let name = match target["kind"][0].as_str()? {
        "test" => format!("{package}: {}", target["name"].as_str()?),
        _ => package.into_owned(),
    };
    Some(Suite { name, program, arguments: Vec::new(), folder })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_test_programs_are_suites() {
        let message = |kind: &str, test: bool| {
            json!({"reason": "compiler-artifact", "profile": {"test": test}, "executable": "/t/x", "manifest_path": "/w/crates/core/Cargo.toml",
                "target": {"kind": [kind], "name": "table"}})
        };
        assert_eq!(suite(&message("test", true)).unwrap().name, "core: table");
        assert_eq!(suite(&message("lib", true)).unwrap().name, "core");
        assert!(suite(&message("bin", false)).is_none());
        assert!(suite(&json!({"reason": "build-finished"})).is_none());
    }
}
