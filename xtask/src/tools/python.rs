//! A Python environment with the packages that the tests use.

use std::path::Path;
use std::process::Command;

use super::{digest, link, once};
use crate::{cache, command};

/// Pinned, like every other dependency.
const PACKAGES: [&str; 4] = ["requests==2.32.5", "gunicorn==27.0.1", "grpcio==1.85.3", "websockets==17.4"];

/// Makes it, unless the cache has it.
pub(super) fn install(root: &Path) -> anyhow::Result<()> {
    // It belongs to the Python that made it.
    let python = command::output(Command::new("python3").args(["-c", "import sys; print(sys.executable, sys.version)"]))?;
    let target = cache()?.join(format!("python-{}", digest(&(python + &PACKAGES.join(" ")))));
    once(&target, |aside| {
        command::run(Command::new("python3").args(["-m", "venv"]).arg(aside))?;
        // As a module: the environment's scripts name the folder in which it was made, from which it is moved.
        command::run(Command::new(aside.join("bin/python")).args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]).args(PACKAGES))
    })?;
    link(root, "python", &target)
}
