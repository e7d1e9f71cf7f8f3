//! Programs as they are released.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::Context as _;
use serde_json::Value;

use crate::command;

/// The binary, with the names of its functions: they cost nothing, and profiles need them.
pub(crate) fn binary(root: &Path) -> anyhow::Result<PathBuf> {
    build(root, &["--package", "connectors-cli"], "bin", "connectors")
}

/// An example of a package.
pub(crate) fn example(root: &Path, package: &str, name: &str) -> anyhow::Result<PathBuf> {
    build(root, &["--package", package, "--example", name], "example", name)
}

fn build(root: &Path, arguments: &[&str], kind: &str, name: &str) -> anyhow::Result<PathBuf> {
    let mut build = command::cargo();
    build.args(["build", "--release", "--quiet", "--message-format=json-render-diagnostics"]).args(arguments).current_dir(root);
    println!("      building {name} --release");
    let messages = command::output(build.stderr(Stdio::inherit()))?;
    let executable = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()).find_map(|message| {
        let wanted = message["target"]["kind"][0] == kind && message["target"]["name"] == name;
        wanted.then(|| message["executable"].as_str().map(PathBuf::from))?
    });
    executable.with_context(|| format!("cargo built no program `{name}`"))
}
