//! `connectors completions`.

use std::process::ExitCode;

use clap::CommandFactory as _;

use crate::args::{Arguments, CompletionsArgs};

/// Prints the script.
pub(crate) fn run(arguments: &CompletionsArgs) -> anyhow::Result<ExitCode> {
    clap_complete::generate(arguments.shell, &mut Arguments::command(), "connectors", &mut std::io::stdout());
    Ok(ExitCode::SUCCESS)
}
