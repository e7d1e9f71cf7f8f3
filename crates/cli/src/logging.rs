//! Log messages: to stderr, as text or JSON.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

use crate::args::LogFormat;

/// Sets up logging for the process.
pub(crate) fn start(format: LogFormat, filter: &str) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(filter).map_err(|error| anyhow::anyhow!("--log: {error}"))?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        LogFormat::Text => builder.with_ansi(std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none()).with_target(false).init(),
        LogFormat::Json => builder.json().flatten_event(true).with_target(false).init(),
    }
    Ok(())
}

/// Tells whoever sits at the terminal what went wrong, causes included.
#[expect(clippy::print_stderr, reason = "the command's last words")]
pub(crate) fn complain(error: &anyhow::Error) {
    eprintln!("error: {error:#}");
}

/// Tells whoever sits at the terminal what may not be as they think.
#[expect(clippy::print_stderr, reason = "a command that goes on")]
pub(crate) fn remark(text: &str) {
    eprintln!("warning: {text}");
}

/// Tells whoever sits at the terminal what was done.
#[expect(clippy::print_stderr, reason = "standard output is for the command's result")]
pub(crate) fn note(text: &str) {
    eprintln!("{text}");
}
