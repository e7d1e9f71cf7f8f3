//! `connectors exec` and `connectors env`.

use std::ffi::OsString;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Command, ExitCode, ExitStatus};

use anyhow::{Context as _, bail};
use connectors_core::{ConnectorRef, Resolver, SecretValue, Snapshot};
use connectors_crd::configurations::{Files, NO_PROXY};
use connectors_standalone::state::State;
use connectors_standalone::{Directory, Options as DirectoryOptions};

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
        let Some(mounted) = access.mount(files)? else {
            // Takes this process's place, so exit status and signals are the command's own.
            return Ok(not_started(program, command.exec()));
        };
        command.envs(mounted.variables);
        // Files have to be removed afterwards, so this process stays.
        return Ok(exit(program, supervise(command)?));
    }
    logging::start(proxy.log_format, &quieter(&proxy.log))?;
    let options = Options { proxy: proxy.clone(), ..Options::on_loopback() };
    let (records, written) = OwnAnswers::new();
    let server = Server::start(&using.folder, &options, records)?;
    let access = Access::new(using, &proxy.audience, &state, server.address(), server.directory())?;
    command.envs(access.variables()?);
    // The last before signals are minded, so that hardly any finds files that nobody would remove.
    let mounted = access.mount(files)?;
    command.envs(mounted.iter().flat_map(|mounted| &mounted.variables).map(|(name, value)| (name, value)));
    let ended = supervise(command)?;
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
        let no_proxy = if tools.is_empty() { NO_PROXY.to_owned() } else { address.hosts(with_resolver(&snapshot, &using.connectors), &tools).join(",") };
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

    /// Writes the files of configurations, if there are any, into a folder that goes with the result.
    fn mount(&self, arguments: &ConfigurationArgs) -> anyhow::Result<Option<MountedFiles>> {
        let Some(Files { files, .. }) = self.volume().wanted(arguments)? else { return Ok(None) };
        let folder = PrivateFolder::new()?;
        private_folder::write(folder.path(), &files, false)?;
        let variables = config_env::variables(folder.path(), &files, |name| std::env::var_os(name))?;
        Ok(Some(MountedFiles { variables, _folder: folder }))
    }

    /// Writes them into the state folder, where they stay for whoever evaluates the variables.
    fn keep(&self, arguments: &ConfigurationArgs) -> anyhow::Result<Vec<(String, OsString)>> {
        let Some(Files { files, .. }) = self.volume().wanted(arguments)? else { return Ok(Vec::new()) };
        let parent = self.state.folder().join("mounts");
        private_folder::make(&parent)?;
        let folder = parent.join(self.key(arguments));
        private_folder::replace_all(&folder, &files)?;
        logging::note(&format!("the files of configurations, with the token, are in {}", folder.display()));
        config_env::variables(&folder, &files, |name| std::env::var_os(name))
    }

    /// A name for what was asked for: the same for the same Connectors, configurations and service account.
    fn key(&self, ConfigurationArgs { configuration, params }: &ConfigurationArgs) -> String {
        use std::hash::{DefaultHasher, Hash as _, Hasher as _};
        let account = self.using.service_account.as_ref().map(ToString::to_string);
        let mut hasher = DefaultHasher::new();
        (&self.using.connectors, account, configuration, params).hash(&mut hasher);
        format!("{:016x}", hasher.finish())
    }
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
