//! `connectors check`.

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Context as _;
use connectors_standalone::Options;

use crate::args::CheckArgs;

/// Prints every problem; fails if any is an error.
pub(crate) fn run(arguments: &CheckArgs) -> anyhow::Result<ExitCode> {
    let dir = arguments.dir_option.as_ref().or(arguments.dir.as_ref()).context("which directory? connectors check DIR")?;
    let options = Options { system_namespace: arguments.system.system_namespace.clone(), state: arguments.state.clone() };
    let report = connectors_standalone::check(dir, &options);
    let mut out = std::io::stdout().lock();
    if !report.findings().is_empty() {
        writeln!(out, "{}", report.to_string().trim_end())?;
    }
    writeln!(std::io::stderr(), "{} objects in {} files: {} errors, {} warnings", report.objects(), report.files(), report.errors(), report.warnings())?;
    Ok(if report.errors() > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
