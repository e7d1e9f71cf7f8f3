//! The standalone proxy, wired together: directory → snapshot → proxy, with the local keys. Used by `standalone`, `exec` and `demo`.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::mpsc::Sender;

use anyhow::Context as _;
use connectors_crd::Surroundings;
use connectors_net::{Authority, ClientTls, Dialer, Drain, Guard, Listeners};
use connectors_probe::{self as probes, Board, Following, Pace, Prober};
use connectors_proxy::{NonTarget, Observer, Running, Settings, Shared};
use connectors_standalone::policy::Policy;
use connectors_standalone::{Directory, Options as DirectoryOptions, Watch};
use prometheus_client::registry::Registry;

use crate::args::{Folder, NonTargetArg, ProbeArgs, ProxyArgs};
use crate::conditions::{ConditionMetrics, Conditions};
use crate::directory_metrics::DirectoryMetrics;

/// What a server is started with.
#[derive(Clone)]
pub(crate) struct Options {
    pub(crate) listen: SocketAddr,
    pub(crate) proxy: ProxyArgs,
    /// How tools are probed; `None` if they aren't.
    pub(crate) probes: Option<ProbeArgs>,
}

/// A proxy that serves a directory.
pub(crate) struct Server {
    running: Running,
    directory: Arc<Directory>,
    observer: Arc<Observer>,
    drain: Drain,
    conditions: Conditions,
    /// Follows changes until it is dropped.
    _watch: Watch,
    /// Probes tools until it is dropped.
    probes: Option<Following>,
}

impl Options {
    /// Any free port of the loopback interface, with the flags' defaults.
    pub(crate) fn on_loopback() -> Self {
        Self { listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0), proxy: ProxyArgs::defaults(), probes: None }
    }
}

impl Server {
    /// Loads the directory, makes the keys if there are none, listens, and follows changes. Access records go to `log`.
    pub(crate) fn start(folder: &Folder, options: &Options, log: impl Write + Send + 'static) -> anyhow::Result<Self> {
        let flags = &options.proxy;
        let state = folder.open_state()?;
        let read = DirectoryOptions { cluster_domain: flags.cluster_domain.clone(), ..folder.options(&flags.system.system_namespace) };
        let directory = Arc::new(Directory::open(&folder.dir, read)?);
        let policy = Arc::new(Policy::new(state.signing_key()?, flags.audience.clone(), directory.rights()));
        let authority = Authority::load_or_create(state.folder()).map(Arc::new).map_err(|error| {
            let why = format!("{:#}", anyhow::Error::new(error));
            tracing::error!("the interception CA can't be used, so CONNECT is refused: {why}");
            why
        });
        let dialer = Dialer::new(Guard::new(flags.allow_address.clone()), ClientTls::new(), flags.connect_timeout);
        let probing = options.probes.as_ref().and_then(|probes| Some((probes.probe_interval.0?, probes.probe_timeout)));
        let board = probing.map(|_| Board::default());
        let conditions = Conditions::new(directory.clone(), board.clone());
        let mut registry = Registry::default();
        registry.register_collector(Box::new(DirectoryMetrics(directory.clone())));
        registry.register_collector(Box::new(ConditionMetrics(conditions.clone())));
        let observer = Arc::new(Observer::with_registry(log, registry));
        let drain = Drain::new();
        let shared = Shared {
            settings: settings(flags),
            snapshot: directory.snapshot(),
            authenticator: policy.clone(),
            authorizer: policy,
            dialer: dialer.clone(),
            authority,
            observer: observer.clone(),
            drain: drain.clone(),
        };
        let cores = flags.cores.or_else(|| std::thread::available_parallelism().ok()).map_or(1, std::num::NonZeroUsize::get);
        let listeners =
            Listeners::bind(options.listen, cores).with_context(|| format!("cannot listen on {} (--listen; port 0 means any that is free)", options.listen))?;
        let watch = directory.watch()?;
        let running = connectors_proxy::start(listeners, shared)?;
        let probes = match (probing, board) {
            (Some((interval, timeout)), Some(board)) => {
                let settings = probes::Settings {
                    prober: Prober::new(dialer, timeout),
                    pace: Pace { interval },
                    surroundings: Surroundings { cluster_domain: flags.cluster_domain.clone(), system_namespace: flags.system.system_namespace.clone() },
                };
                let source = directory.clone();
                let following = probes::follow(settings, board, move || source.objects())?;
                directory.on_change(following.teller());
                // What changed before anybody was to be told of it.
                following.teller()();
                Some(following)
            }
            _ => None,
        };
        Ok(Self { running, directory, observer, drain, conditions, _watch: watch, probes })
    }

    /// Where the proxy listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.running.address()
    }

    /// What it serves.
    pub(crate) fn directory(&self) -> &Directory {
        &self.directory
    }

    /// What the admin pages show.
    pub(crate) fn pages(&self) -> crate::admin::Pages {
        crate::admin::Pages { observer: self.observer.clone(), drain: self.drain.clone(), conditions: self.conditions.clone() }
    }

    /// Waits for SIGTERM or SIGINT. From then on, another one ends the process at once.
    pub(crate) fn wait_for_signal(&self) -> anyhow::Result<()> {
        let (sender, receiver) = std::sync::mpsc::channel();
        // One listener for both signals, so that none falls between two.
        std::thread::spawn(move || sender.send(each_signal(&sender)));
        receiver.recv()?
    }

    /// Stops accepting, and lets requests in flight finish.
    pub(crate) fn stop(self) {
        drop(self.probes);
        self.running.stop();
    }
}

/// As shells have it for a command that SIGINT ended.
const EXIT_INTERRUPTED: i32 = 130;

/// Tells of the first signal, and ends the process with the second. Returns only if signals can't be had.
fn each_signal(first: &Sender<anyhow::Result<()>>) -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        for already_told in [false, true] {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if already_told || first.send(Ok(())).is_err() {
                std::process::exit(EXIT_INTERRUPTED);
            }
        }
        Ok(())
    })
}

fn settings(flags: &ProxyArgs) -> Settings {
    let mut settings = Settings {
        cluster_domain: flags.cluster_domain.clone(),
        localhost_names: true,
        intercept: flags.intercept,
        non_target: match flags.forward_non_target {
            NonTargetArg::Allow => NonTarget::Forward,
            NonTargetArg::Deny => NonTarget::Deny,
        },
        accepted_for: flags.token_accepted_for,
        refused_for: flags.token_refused_for,
        max_requests_per_connector: flags.max_requests_per_connector,
        max_connections_per_upstream: flags.max_connections_per_upstream,
        max_rego_body_bytes: flags.max_rego_body_bytes,
        head_timeout: flags.head_timeout,
        idle_timeout: flags.idle_timeout,
        drain_timeout: flags.drain_timeout,
        drain_idle_timeout: flags.drain_idle_timeout,
        ..Settings::default()
    };
    settings.head.max_bytes = flags.max_head_bytes;
    settings
}
