//! `connectors completions`.

use std::io::Write as _;
use std::process::ExitCode;

use clap::CommandFactory as _;

use crate::args::{Arguments, CompletionsArgs};

/// Prints the script.
pub(crate) fn run(arguments: &CompletionsArgs) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Arguments::command(), "connectors", &mut script);
    // In one piece, since the library panics when a write fails.
    std::io::stdout().write_all(&script)?;
    Ok(ExitCode::SUCCESS)
}
