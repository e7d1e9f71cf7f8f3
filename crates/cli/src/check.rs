//! `connectors check`.

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Context as _;
use connectors_standalone::Options;

use crate::args::CheckArgs;

/// Prints every problem; fails if any is an error.
pub(crate) fn run(arguments: &CheckArgs) -> anyhow::Result<ExitCode> {
    let dir = arguments.dir_option.as_ref().or(arguments.dir.as_ref()).context("which directory? connectors check DIR")?;
    let options = Options { system_namespace: arguments.system.system_namespace.clone(), state: arguments.state.clone(), ..Options::default() };
    let report = connectors_standalone::check(dir, &options);
    let mut out = std::io::stdout().lock();
    if !report.findings().is_empty() {
        writeln!(out, "{}", report.to_string().trim_end())?;
    }
    let (objects, files) = (counted(report.objects(), "object"), counted(report.files(), "file"));
    writeln!(std::io::stderr(), "{objects} in {files}: {}, {}", counted(report.errors(), "error"), counted(report.warnings(), "warning"))?;
    Ok(if report.errors() > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_no_plural() {
        assert_eq!([0, 1, 2].map(|count| counted(count, "error")), ["0 errors", "1 error", "2 errors"]);
    }
}
