//! `connectors exec` and `connectors env`.

use std::ffi::OsString;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Command, ExitCode, ExitStatus};

use anyhow::{Context as _, bail};
use connectors_core::{ConnectorRef, Host, Snapshot};
use connectors_standalone::state::State;
use connectors_standalone::{Directory, Options as DirectoryOptions};

use crate::args::{EnvArgs, ExecArgs, UseArgs};
use crate::client_env::{ClientEnvironment, shell_line};
use crate::own_answers::OwnAnswers;
use crate::server::{Options, Server};
use crate::{absence, identity, logging};

/// Runs the command.
pub(crate) fn run(arguments: &ExecArgs) -> anyhow::Result<ExitCode> {
    let state = arguments.using.folder.open_state()?;
    let mut words = arguments.command.iter();
    let program = words.next().context("no command")?;
    let mut command = Command::new(program);
    command.args(words);
    if let Some(running) = state.running() {
        let directory = open(&arguments.using, &arguments.proxy.system.system_namespace)?;
        command.envs(environment(&arguments.using, &arguments.proxy.audience, &state, running.listen, &directory)?);
        // Takes this process's place, so exit status and signals are the command's own.
        return Ok(not_started(program, command.exec()));
    }
    logging::start(arguments.proxy.log_format, &quieter(&arguments.proxy.log))?;
    let options = Options { proxy: arguments.proxy.clone(), ..Options::on_loopback() };
    let (records, written) = OwnAnswers::new();
    let server = Server::start(&arguments.using.folder, &options, records)?;
    command.envs(environment(&arguments.using, &arguments.proxy.audience, &state, server.address(), server.directory())?);
    let ended = supervise(command)?;
    server.stop();
    written.wait();
    Ok(match ended {
        Ok(status) => exit_code(status),
        Err(error) => not_started(program, error),
    })
}

/// Prints the environment.
pub(crate) fn print(arguments: &EnvArgs) -> anyhow::Result<ExitCode> {
    use std::io::Write as _;
    let state = arguments.using.folder.open_state()?;
    let Some(running) = state.running() else {
        bail!("no proxy runs on {}: start `connectors standalone --dir {0}`, or use `connectors exec`", arguments.using.folder.dir.display());
    };
    let directory = open(&arguments.using, &DirectoryOptions::default().system_namespace)?;
    let mut out = std::io::stdout().lock();
    for (name, value) in environment(&arguments.using, &arguments.audience, &state, running.listen, &directory)? {
        writeln!(out, "{}", shell_line(name, &value))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn open(using: &UseArgs, system_namespace: &str) -> anyhow::Result<Directory> {
    Ok(Directory::open(&using.folder.dir, using.folder.options(system_namespace))?)
}

/// What the command's clients need to know.
fn environment(
    using: &UseArgs,
    audiences: &[String],
    state: &State,
    proxy: SocketAddr,
    directory: &Directory,
) -> anyhow::Result<Vec<(&'static str, OsString)>> {
    let snapshot = directory.snapshot().load_full();
    for name in &using.connectors {
        if snapshot.connector(name).is_none() {
            return Err(absence::error(&format!("Connector {name}"), directory));
        }
    }
    let token = match &using.service_account {
        Some(account) => identity::service_account_token(&using.folder, directory, account, using.duration, audiences)?,
        None => identity::owner_token(&using.folder, using.duration, audiences)?,
    };
    let local_tools = any_local(&snapshot, &using.connectors);
    let environment = ClientEnvironment { connectors: &using.connectors, token: &token, proxy: reachable(proxy), state, local_tools };
    environment.variables()
}

/// An address that listens everywhere is reached by loopback.
pub(crate) fn reachable(mut address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(std::net::Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(std::net::Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    address
}

/// Whether one of the Connectors has a tool on this machine, which `no_proxy` must then not name.
fn any_local(snapshot: &Snapshot, names: &[ConnectorRef]) -> bool {
    names.iter().filter_map(|name| snapshot.connector(name)).flat_map(|connector| connector.targets()).any(|address| match address.origin().host() {
        Host::Ip(ip) => ip.is_loopback(),
        Host::Name(name) => &**name == "localhost" || name.ends_with(".localhost"),
    })
}

/// Nothing but trouble is said between the command's own lines, unless asked for.
fn quieter(filter: &str) -> String {
    if filter == "info" { "warn".into() } else { filter.to_owned() }
}

/// Waits for the command, and passes on the signals that reach this process alone. The inner error is why the command could not be started.
fn supervise(mut command: Command) -> anyhow::Result<std::io::Result<ExitStatus>> {
    use tokio::signal::unix::{SignalKind, signal};
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        // Ready before the command starts, so that none is missed.
        let mut terminate = signal(SignalKind::terminate())?;
        let mut hangup = signal(SignalKind::hangup())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut quit = signal(SignalKind::quit())?;
        let mut user1 = signal(SignalKind::user_defined1())?;
        let mut user2 = signal(SignalKind::user_defined2())?;
        let mut ended = signal(SignalKind::child())?;
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(error) => return Ok(Err(error)),
        };
        // Its own until it has been waited for, which is the last that is done here.
        let pid = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw);
        let pass_on = |signal| {
            if let Some(pid) = pid {
                // The command may have ended already.
                let _ = rustix::process::kill_process(pid, signal);
            }
        };
        // A terminal sends these two to the command as well.
        let on_terminal = std::io::IsTerminal::is_terminal(&std::io::stdin());
        loop {
            tokio::select! {
                // A command that is stopped and goes on says so by the same signal.
                _ = ended.recv() => if let Some(status) = child.try_wait()? { return Ok(Ok(status)) },
                _ = terminate.recv() => pass_on(rustix::process::Signal::TERM),
                _ = hangup.recv() => pass_on(rustix::process::Signal::HUP),
                _ = user1.recv() => pass_on(rustix::process::Signal::USR1),
                _ = user2.recv() => pass_on(rustix::process::Signal::USR2),
                _ = interrupt.recv() => if !on_terminal { pass_on(rustix::process::Signal::INT) },
                _ = quit.recv() => if !on_terminal { pass_on(rustix::process::Signal::QUIT) },
            }
        }
    })
}

/// Says why, and ends as a shell does (POSIX XCU 2.8.2): 127 for a command that isn't there, 126 for one that can't be run.
fn not_started(program: &OsString, error: std::io::Error) -> ExitCode {
    let code = if error.kind() == std::io::ErrorKind::NotFound { 127 } else { 126 };
    logging::complain(&anyhow::Error::new(error).context(format!("cannot run {}", program.display())));
    ExitCode::from(code)
}

/// The command's exit status, or 128 and the signal that ended it, as shells have it.
fn exit_code(status: ExitStatus) -> ExitCode {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}
