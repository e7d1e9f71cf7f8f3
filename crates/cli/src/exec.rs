//! `connectors exec` and `connectors env`.

use std::ffi::OsString;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Command, ExitCode, ExitStatus};

use anyhow::{Context as _, bail};
use connectors_core::{ConnectorRef, Resolver, SecretValue, Snapshot};
use connectors_crd::configurations::File;
use connectors_standalone::state::State;
use connectors_standalone::{Directory, Options as DirectoryOptions};
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::args::{ConfigurationArgs, EnvArgs, ExecArgs, UseArgs};
use crate::client_env::{ClientEnvironment, shell_line};
use crate::mount::Volume;
use crate::own_answers::OwnAnswers;
use crate::private_folder::{self, PrivateFolder};
use crate::proxy_address::{ProxyAddress, Tools};
use crate::server::{Options, Server};
use crate::{absence, config_env, identity, logging};

/// Runs the command.
pub(crate) fn run(arguments: &ExecArgs) -> anyhow::Result<ExitCode> {
    let ExecArgs { using, files, proxy, .. } = arguments;
    let state = using.folder.open_state()?;
    let mut words = arguments.command.iter();
    let program = words.next().context("no command")?;
    let mut command = Command::new(program);
    command.args(words);
    if let Some(running) = state.running() {
        let directory = open(using, &proxy.system.system_namespace)?;
        let access = Access::new(using, &proxy.audience, &state, running.listen, &directory)?;
        command.envs(access.variables()?);
        let Some(files) = access.wanted(files)? else {
            // Takes this process's place, so exit status and signals are the command's own.
            return Ok(not_started(program, command.exec()));
        };
        // Files have to be removed afterwards, so this process stays; and signals are minded before there are any.
        let supervisor = Supervisor::new()?;
        let mounted = MountedFiles::new(&files)?;
        command.envs(mounted.variables.clone());
        return Ok(exit(program, supervisor.run(command)?));
    }
    logging::start(proxy.log_format, &quieter(&proxy.log))?;
    let options = Options { proxy: proxy.clone(), ..Options::on_loopback() };
    let (records, written) = OwnAnswers::new();
    let server = Server::start(&using.folder, &options, records)?;
    let access = Access::new(using, &proxy.audience, &state, server.address(), server.directory())?;
    command.envs(access.variables()?);
    let files = access.wanted(files)?;
    let supervisor = Supervisor::new()?;
    let mounted = files.map(|files| MountedFiles::new(&files)).transpose()?;
    command.envs(mounted.iter().flat_map(|mounted| &mounted.variables).map(|(name, value)| (name, value)));
    let ended = supervisor.run(command)?;
    drop(mounted);
    server.stop();
    written.wait();
    Ok(exit(program, ended))
}

/// Prints the environment.
pub(crate) fn print(arguments: &EnvArgs) -> anyhow::Result<ExitCode> {
    use std::io::Write as _;
    let EnvArgs { using, files, audience } = arguments;
    let state = using.folder.open_state()?;
    let Some(running) = state.running() else {
        bail!("no proxy runs on {}: start `connectors standalone --dir {0}`, or use `connectors exec`", using.folder.dir.display());
    };
    let directory = open(using, &DirectoryOptions::default().system_namespace)?;
    let access = Access::new(using, audience, &state, running.listen, &directory)?;
    let kept = access.keep(files)?;
    let mut out = std::io::stdout().lock();
    for (name, value) in access.variables()? {
        writeln!(out, "{}", shell_line(name, &value))?;
    }
    for (name, value) in kept {
        writeln!(out, "{}", shell_line(&name, &value))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn open(using: &UseArgs, system_namespace: &str) -> anyhow::Result<Directory> {
    Ok(Directory::open(&using.folder.dir, using.folder.options(system_namespace))?)
}

/// What a command is given to use Connectors with: a token, the proxy's address, and whom to trust.
pub(crate) struct Access<'a> {
    using: &'a UseArgs,
    state: &'a State,
    directory: &'a Directory,
    token: SecretValue,
    proxy: SocketAddr,
    /// As files name it.
    address: ProxyAddress,
    no_proxy: String,
}

/// The files that a command gets, there until this is dropped.
struct MountedFiles {
    variables: Vec<(String, OsString)>,
    _folder: PrivateFolder,
}

impl MountedFiles {
    /// Writes them into a folder that goes with the result.
    fn new(files: &[File]) -> anyhow::Result<Self> {
        let folder = PrivateFolder::new()?;
        let variables = config_env::variables(folder.path(), files, |name| std::env::var_os(name))?;
        private_folder::write(folder.path(), files, false)?;
        Ok(Self { variables, _folder: folder })
    }
}

impl<'a> Access<'a> {
    /// With a new token, for the proxy that listens at `listen`.
    ///
    /// # Errors
    /// One of the Connectors, or the service account, isn't in the directory; or the token can't be made.
    pub(crate) fn new(using: &'a UseArgs, audiences: &[String], state: &'a State, listen: SocketAddr, directory: &'a Directory) -> anyhow::Result<Self> {
        let snapshot = directory.snapshot().load_full();
        let token = token(using, audiences, directory)?;
        let proxy = reachable(listen);
        let tools = Tools::of(&snapshot, &using.connectors);
        let address = ProxyAddress::local(proxy, &tools);
        let no_proxy = address.no_proxy(with_resolver(&snapshot, &using.connectors), &tools);
        Ok(Self { using, state, directory, token, proxy, address, no_proxy })
    }

    /// What the command's clients need to know.
    fn variables(&self) -> anyhow::Result<Vec<(&'static str, OsString)>> {
        let Self { using, state, token, proxy, no_proxy, .. } = self;
        ClientEnvironment { connectors: &using.connectors, token, proxy: *proxy, state, no_proxy }.variables()
    }

    fn volume(&self) -> Volume<'_> {
        let Self { using, state, directory, token, address, no_proxy, .. } = self;
        Volume { directory, connectors: &using.connectors, token, proxy: address, state, no_proxy }
    }

    /// The files of configurations, if there are any.
    fn wanted(&self, arguments: &ConfigurationArgs) -> anyhow::Result<Option<Vec<File>>> {
        Ok(self.volume().wanted(arguments)?.map(|files| files.files))
    }

    /// Writes them into the state folder, where they stay for whoever evaluates the variables. Without any, none of an earlier time stay.
    fn keep(&self, arguments: &ConfigurationArgs) -> anyhow::Result<Vec<(String, OsString)>> {
        let (parent, name) = (self.state.folder().join("mounts"), self.key(arguments));
        let Some(files) = self.wanted(arguments)? else {
            private_folder::forget(&parent, &name)?;
            return Ok(Vec::new());
        };
        let folder = parent.join(&name);
        let variables = config_env::variables(&folder, &files, |name| std::env::var_os(name))?;
        private_folder::keep(&parent, &name, &files)?;
        logging::note(&format!("the files of configurations, with the token, are in {}", folder.display()));
        Ok(variables)
    }

    /// A name for what was asked for: the same for the same Connectors, configurations and service account, whatever this was compiled with.
    fn key(&self, ConfigurationArgs { configuration, params }: &ConfigurationArgs) -> String {
        let connectors: Vec<String> = self.using.connectors.iter().map(ToString::to_string).collect();
        let account = self.using.service_account.as_ref().map(ToString::to_string);
        key(&serde_json::json!([connectors, account, configuration, params]))
    }
}

/// The first half of a SHA-256.
fn key(of: &serde_json::Value) -> String {
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, of.to_string().as_bytes());
    hash.as_ref()[..16].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A token for the service account, or for the owner of the folder; only if all the Connectors are there.
pub(crate) fn token(using: &UseArgs, audiences: &[String], directory: &Directory) -> anyhow::Result<SecretValue> {
    let snapshot = directory.snapshot().load_full();
    for name in &using.connectors {
        if snapshot.connector(name).is_none() {
            return Err(absence::error(&format!("Connector {name}"), directory));
        }
    }
    match &using.service_account {
        Some(account) => identity::service_account_token(&using.folder, directory, account, using.duration, audiences),
        None => identity::owner_token(&using.folder, using.duration, audiences),
    }
}

fn with_resolver<'a>(snapshot: &'a Snapshot, names: &'a [ConnectorRef]) -> impl Iterator<Item = (&'a ConnectorRef, Resolver)> {
    names.iter().filter_map(|name| Some((name, snapshot.connector(name)?.resolver)))
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

/// Nothing but trouble is said between the command's own lines, unless asked for.
fn quieter(filter: &str) -> String {
    if filter == "info" { "warn".into() } else { filter.to_owned() }
}

/// Waits for a command, and passes on the signals that reach this process alone: those that come from when it is made on, none of which ends this process any more.
struct Supervisor {
    runtime: Runtime,
    terminate: Signal,
    hangup: Signal,
    interrupt: Signal,
    quit: Signal,
    user1: Signal,
    user2: Signal,
    ended: Signal,
}

impl Supervisor {
    fn new() -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let within = runtime.enter();
        let (terminate, hangup) = (signal(SignalKind::terminate())?, signal(SignalKind::hangup())?);
        let (interrupt, quit) = (signal(SignalKind::interrupt())?, signal(SignalKind::quit())?);
        let (user1, user2) = (signal(SignalKind::user_defined1())?, signal(SignalKind::user_defined2())?);
        let ended = signal(SignalKind::child())?;
        drop(within);
        Ok(Self { runtime, terminate, hangup, interrupt, quit, user1, user2, ended })
    }

    /// The inner error is why the command could not be started.
    fn run(self, mut command: Command) -> anyhow::Result<std::io::Result<ExitStatus>> {
        let Self { runtime, mut terminate, mut hangup, mut interrupt, mut quit, mut user1, mut user2, mut ended } = self;
        runtime.block_on(async {
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
}

/// Says why, and ends as a shell does (POSIX XCU 2.8.2): 127 for a command that isn't there, 126 for one that can't be run.
fn not_started(program: &OsString, error: std::io::Error) -> ExitCode {
    let code = if error.kind() == std::io::ErrorKind::NotFound { 127 } else { 126 };
    logging::complain(&anyhow::Error::new(error).context(format!("cannot run {}", program.display())));
    ExitCode::from(code)
}

/// How a command that was waited for ended, or why it couldn't be started.
fn exit(program: &OsString, ended: std::io::Result<ExitStatus>) -> ExitCode {
    match ended {
        Ok(status) => exit_code(status),
        Err(error) => not_started(program, error),
    }
}

/// The command's exit status, or 128 and the signal that ended it, as shells have it.
fn exit_code(status: ExitStatus) -> ExitCode {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_for_what_was_asked_for_stays_the_same() {
        assert_eq!(key(&serde_json::json!([["team/git"], null, null, null])), "4fcfca3a31fe0e5089370aaf8ef70c8c");
    }
}
