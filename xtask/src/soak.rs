//! `cargo xtask soak`: the end-to-end test of that name, for longer than within `cargo xtask test`.

use std::path::Path;
use std::time::Duration;

use crate::command;
use crate::tools::{self, Tool};

/// Runs it for so long; `seed` repeats an earlier run. What it finds fails.
pub(crate) fn run(root: &Path, time: Duration, seed: Option<u64>) -> anyhow::Result<bool> {
    if !tools::install(root, &[Tool::Debian]).is_empty() {
        anyhow::bail!("the soak needs openssl: see above");
    }
    command::run(command::cargo().args(["build", "--package", "connectors-cli"]).current_dir(root))?;
    let mut soak = command::cargo();
    soak.args(["test", "--package", "connectors-e2e", "--test", "soak", "--", "--nocapture"]).current_dir(root);
    soak.env("CONNECTORS_SOAK_SECONDS", time.as_secs().to_string());
    if let Some(seed) = seed {
        soak.env("CONNECTORS_SOAK_SEED", seed.to_string());
    }
    command::run(&mut soak)?;
    Ok(true)
}
