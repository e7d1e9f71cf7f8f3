//! cargo-deny, which checks the dependencies' licences and sources.

use std::path::PathBuf;
use std::process::Command;

use super::once;
use crate::{cache, command};

const VERSION: &str = "0.20.2";

/// Builds it, unless it is installed or the cache has it.
pub(super) fn install() -> anyhow::Result<()> {
    if installed() {
        return Ok(());
    }
    once(&folder()?, |aside| {
        println!("      building cargo-deny");
        let mut install = command::cargo();
        // Not optimized: it is built in half the time, and has little to do.
        install.args(["install", "--quiet", "--locked", "--debug", "cargo-deny", "--version", VERSION, "--root"]).arg(aside);
        command::run(&mut install)
    })
}

/// The command, once it is installed.
pub(super) fn command() -> anyhow::Result<Command> {
    if installed() {
        return Ok(Command::new("cargo-deny"));
    }
    Ok(Command::new(folder()?.join("bin/cargo-deny")))
}

fn installed() -> bool {
    command::succeeds(Command::new("cargo-deny").arg("--version"))
}

fn folder() -> anyhow::Result<PathBuf> {
    Ok(cache()?.join(format!("cargo-deny-{VERSION}")))
}
