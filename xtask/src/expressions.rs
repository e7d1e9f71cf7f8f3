//! `cargo xtask expressions`: the end-to-end test of that name, with more cases than within `cargo xtask test`, and optimized.

use std::path::Path;

use crate::tools::{self, Tool};
use crate::{command, release};

/// Compares so many expressions of each language; `seed` repeats an earlier run. A difference fails.
pub(crate) fn run(root: &Path, count: u64, seed: Option<u64>) -> anyhow::Result<bool> {
    if let Some(missing) = tools::install(root, &[Tool::Templates, Tool::Rules]).pop() {
        return Err(missing.why);
    }
    let program = release::binary(root)?;
    let mut test = command::cargo();
    test.args(["test", "--package", "connectors-e2e", "--test", "expressions", "--", "--nocapture", "random"]).current_dir(root);
    test.env("CONNECTORS_BIN", program).env("CONNECTORS_EXPRESSIONS", count.to_string());
    if let Some(seed) = seed {
        test.env("CONNECTORS_EXPRESSIONS_SEED", seed.to_string());
    }
    command::run(&mut test)?;
    Ok(true)
}
