//! `connectors standalone`.

use std::process::ExitCode;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::args::StandaloneArgs;
use crate::server::{Options, Server};
use crate::{admin, logging};

/// Serves until a signal comes.
pub(crate) fn run(arguments: &StandaloneArgs) -> anyhow::Result<ExitCode> {
    logging::start(arguments.proxy.log_format, &arguments.proxy.log)?;
    raise_open_files();
    let state = arguments.folder.open_state()?;
    let lock = state.lock()?;
    let options = Options { listen: arguments.listen, proxy: arguments.proxy.clone(), probes: Some(arguments.probes.clone()) };
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

/// Every connection is an open file. The usual limit of 1024 is for programs that use select(2), which can't do with more; those that don't may raise it to what
/// the administrator allows. Not for `exec`, whose command would inherit it.
fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }) {
        tracing::warn!(%error, "the limit of open files can't be raised");
    }
}
