//! `connectors standalone`.

use std::process::ExitCode;

use crate::args::StandaloneArgs;
use crate::server::{Options, Server};
use crate::{admin, logging};

/// Serves until a signal comes.
pub(crate) fn run(arguments: &StandaloneArgs) -> anyhow::Result<ExitCode> {
    logging::start(arguments.proxy.log_format, &arguments.proxy.log)?;
    let state = arguments.folder.open_state()?;
    let lock = state.lock()?;
    let options = Options { listen: arguments.listen, proxy: arguments.proxy.clone() };
    let server = Server::start(&arguments.folder, &options, std::io::stdout())?;
    let admin = admin::start(arguments.admin, server.pages())?;
    lock.announce(server.address(), admin)?;
    tracing::info!(listen = %server.address(), %admin, dir = %arguments.folder.dir.display(), state = %state.folder().display(), "serving");
    server.wait_for_signal()?;
    tracing::info!("stopping: requests in flight may finish");
    server.stop();
    drop(lock);
    Ok(ExitCode::SUCCESS)
}
