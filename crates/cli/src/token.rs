//! `connectors token`.

use std::io::Write as _;
use std::process::ExitCode;

use crate::args::TokenArgs;
use crate::identity;

/// Prints a token, alone on a line.
pub(crate) fn run(arguments: &TokenArgs) -> anyhow::Result<ExitCode> {
    let token = identity::service_account_token(&arguments.folder, &arguments.service_account, arguments.duration, &arguments.audience)?;
    let mut out = std::io::stdout().lock();
    out.write_all(token.expose())?;
    writeln!(out)?;
    Ok(ExitCode::SUCCESS)
}
