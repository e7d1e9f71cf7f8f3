//! `connectors token`.

use std::io::Write as _;
use std::process::ExitCode;

use connectors_standalone::{Directory, Options};

use crate::args::TokenArgs;
use crate::identity;

/// Prints a token, alone on a line.
pub(crate) fn run(arguments: &TokenArgs) -> anyhow::Result<ExitCode> {
    let TokenArgs { folder, service_account, duration, audience } = arguments;
    let directory = Directory::open(&folder.dir, folder.options(&Options::default().system_namespace))?;
    let token = identity::service_account_token(folder, &directory, service_account, *duration, audience)?;
    let mut out = std::io::stdout().lock();
    out.write_all(token.expose())?;
    writeln!(out)?;
    Ok(ExitCode::SUCCESS)
}
