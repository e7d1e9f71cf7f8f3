//! Every flag of every subcommand, each also an environment variable.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::styling::{AnsiColor, Styles};
use clap::{Args, Parser, ValueEnum};
use connectors_core::{ConnectorRef, ServiceAccount};
use connectors_crd::{is_dns_label, is_dns_subdomain};
use connectors_net::Cidr;
use connectors_proxy::{MAX_CONNECTIONS_PER_UPSTREAM, MAX_REGO_BODY_BYTES};
use connectors_standalone::Options;
use connectors_standalone::state::{DEFAULT_FOLDER, OpenError, State};
use connectors_standalone::token::{DEFAULT_AUDIENCE, Lifetime};
use humantime::parse_duration;

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

/// Use tools without holding their secrets: workloads, pipelines and people send a short-lived token, and the proxy puts the
/// tool's credential on.
#[derive(Parser)]
#[command(name = "connectors", version, styles = STYLES, max_term_width = 110, after_help = "Start with `connectors demo`.")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Subcommand,
}

#[derive(clap::Subcommand)]
pub(crate) enum Subcommand {
    /// Serve the Connectors of a directory of manifests, without a cluster
    Standalone(StandaloneArgs),
    /// Show the whole thing on this machine: a private Git repository, cloned without its password
    Demo(DemoArgs),
    /// Report every mistake in a directory of manifests
    Check(CheckArgs),
    /// Print a token with which a service account may call the standalone proxy
    Token(TokenArgs),
    /// Run a command that reaches a Connector's tool through the proxy
    Exec(ExecArgs),
    /// Print the environment that `exec` would give a command, for `eval`
    Env(EnvArgs),
    /// Write the files that a Pod with these Connectors would have
    Render(RenderArgs),
    /// List Connectors or ConnectorClasses
    Get(GetArgs),
    /// Try an expression of a class: a template, Rego or CEL
    Eval(EvalArgs),
    /// Print a completion script for a shell
    Completions(CompletionsArgs),
}

/// Where the manifests are, and what belongs to them.
#[derive(Args, Clone)]
pub(crate) struct Folder {
    /// The directory of manifests
    #[arg(long, env = "CONNECTORS_DIR", value_parser = directory, value_name = "DIR")]
    pub(crate) dir: PathBuf,
    /// Where the signing key, the CA and the addresses in use are kept [default: DIR/.connectors]
    #[arg(long, env = "CONNECTORS_STATE", value_name = "DIR")]
    pub(crate) state: Option<PathBuf>,
}

impl Folder {
    /// Opens the state folder, making it if it isn't there.
    pub(crate) fn open_state(&self) -> Result<State, OpenError> {
        State::open(self.state.clone().unwrap_or_else(|| self.dir.join(DEFAULT_FOLDER)))
    }

    /// How the directory is to be read.
    pub(crate) fn options(&self, system_namespace: &str) -> Options {
        Options { system_namespace: system_namespace.to_owned(), state: self.state.clone(), ..Options::default() }
    }
}

/// Where `standalone` listens if nothing is said.
pub(crate) const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);

#[derive(Args)]
#[command(after_help = "Examples:
  connectors standalone --dir ./connectors
  connectors standalone --dir ./connectors --listen 0.0.0.0:8080 --allow-address 10.0.0.0/8")]
pub(crate) struct StandaloneArgs {
    #[command(flatten)]
    pub(crate) folder: Folder,
    /// Where the proxy listens; port 0 takes a free one
    #[arg(long, env = "CONNECTORS_LISTEN", default_value_t = DEFAULT_LISTEN, value_parser = address, value_name = "IP:PORT")]
    pub(crate) listen: SocketAddr,
    /// Where /healthz, /readyz, /metrics and /conditions are served; port 0 takes a free one
    #[arg(long, env = "CONNECTORS_ADMIN", default_value = "127.0.0.1:8081", value_parser = address, value_name = "IP:PORT")]
    pub(crate) admin: SocketAddr,
    #[command(flatten)]
    pub(crate) probes: ProbeArgs,
    #[command(flatten)]
    pub(crate) proxy: ProxyArgs,
}

/// How tools are probed.
#[derive(Args, Clone)]
#[command(next_help_heading = "Probes")]
pub(crate) struct ProbeArgs {
    /// How often a tool is probed while all is well; `off` for never
    #[arg(long, env = "CONNECTORS_PROBE_INTERVAL", default_value = "5m", value_parser = interval, value_name = "DURATION")]
    pub(crate) probe_interval: Interval,
    /// How long a probe may take, redirects included
    #[arg(long, env = "CONNECTORS_PROBE_TIMEOUT", default_value = "10s", value_parser = parse_duration, value_name = "DURATION")]
    pub(crate) probe_timeout: Duration,
}

/// A pause between probes, or that there are none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Interval(pub(crate) Option<Duration>);

/// Below this, tools would notice.
const SHORTEST_INTERVAL: Duration = Duration::from_secs(1);

fn interval(text: &str) -> Result<Interval, String> {
    if matches!(text, "off" | "0") {
        return Ok(Interval(None));
    }
    match parse_duration(text) {
        Ok(duration) if duration.is_zero() => Ok(Interval(None)),
        Ok(duration) if duration < SHORTEST_INTERVAL => Err("must be at least 1s, or off".into()),
        Ok(duration) => Ok(Interval(Some(duration))),
        Err(error) => Err(format!("must be a duration such as 5m, or off: {error}")),
    }
}

/// A directory that is there. What is wrong with it is else found out piecemeal, by whatever is looked for in it first.
fn directory(text: &str) -> Result<PathBuf, String> {
    match std::fs::metadata(text) {
        Ok(metadata) if metadata.is_dir() => Ok(text.into()),
        Ok(_) => Err("it is a file; name the folder that the manifests are in".into()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err("there is no such folder".into()),
        Err(error) => Err(error.to_string()),
    }
}

/// An address to listen on. Names are not looked up: which of a name's addresses is meant would be a guess.
fn address(text: &str) -> Result<SocketAddr, String> {
    let port = text.strip_prefix("localhost:").or_else(|| text.strip_prefix(':')).unwrap_or(text);
    let example = if port.parse::<u16>().is_ok() { format!("127.0.0.1:{port}") } else { "127.0.0.1:8080 or [::1]:8080".to_owned() };
    text.parse().map_err(|_| format!("must be IP:PORT, such as {example}"))
}

/// Where the system's own objects are.
#[derive(Args, Clone)]
pub(crate) struct System {
    /// The namespace of the feature flags' ConfigMap and of the labelled CA Secrets
    #[arg(long, env = "CONNECTORS_SYSTEM_NAMESPACE", default_value = "connectors-system", value_name = "NAMESPACE")]
    pub(crate) system_namespace: String,
}

/// How the proxy behaves.
#[derive(Args, Clone)]
#[command(next_help_heading = "Proxy")]
pub(crate) struct ProxyArgs {
    /// Answer CONNECT by interception, with certificates from the CA in the state folder; otherwise with 405
    #[arg(long, env = "CONNECTORS_INTERCEPT", default_value_t = true, action = clap::ArgAction::Set, value_name = "BOOL")]
    pub(crate) intercept: bool,
    /// What to do with forward requests that no named Connector covers: forward them without a credential, or refuse them
    #[arg(long, env = "CONNECTORS_FORWARD_NON_TARGET", default_value = "allow", value_name = "POLICY")]
    pub(crate) forward_non_target: NonTargetArg,
    /// Addresses that may be reached although they are private, loopback or link-local; repeat or separate by commas
    #[arg(long, env = "CONNECTORS_ALLOW_ADDRESS", value_delimiter = ',', value_name = "CIDR")]
    pub(crate) allow_address: Vec<Cidr>,
    #[command(flatten)]
    pub(crate) system: System,
    /// The cluster domain in Host names c-<name>.<namespace>.svc.<domain>, and in the addresses of classes' APIs
    #[arg(long, env = "CONNECTORS_CLUSTER_DOMAIN", default_value = "cluster.local", value_name = "DOMAIN")]
    pub(crate) cluster_domain: String,
    /// Audiences that a token may be for; repeat or separate by commas
    #[arg(long, env = "CONNECTORS_AUDIENCE", default_value = DEFAULT_AUDIENCE, value_delimiter = ',', value_name = "AUDIENCE")]
    pub(crate) audience: Vec<String>,
    /// How many cores to use [default: all]
    #[arg(long, env = "CONNECTORS_CORES", value_name = "COUNT")]
    pub(crate) cores: Option<std::num::NonZeroUsize>,
    /// How many requests may use one Connector at once; more get 503
    #[arg(long, env = "CONNECTORS_MAX_REQUESTS_PER_CONNECTOR", default_value_t = 1024, value_name = "COUNT")]
    pub(crate) max_requests_per_connector: u32,
    /// How many connections, idle ones included, may be open to one address of a tool; more requests wait for the connect timeout and then get 503
    #[arg(long, env = "CONNECTORS_MAX_CONNECTIONS_PER_UPSTREAM", default_value_t = MAX_CONNECTIONS_PER_UPSTREAM, value_name = "COUNT")]
    pub(crate) max_connections_per_upstream: std::num::NonZeroUsize,
    /// How many bytes of a request's body are kept where a class's rule reads it or puts the credential there; more get 413
    #[arg(long, env = "CONNECTORS_MAX_REGO_BODY_BYTES", default_value_t = MAX_REGO_BODY_BYTES, value_name = "BYTES")]
    pub(crate) max_rego_body_bytes: usize,
    /// How long an accepted token is believed without checking again
    #[arg(long, env = "CONNECTORS_TOKEN_ACCEPTED_FOR", default_value = "10s", value_parser = parse_duration, value_name = "DURATION")]
    pub(crate) token_accepted_for: Duration,
    /// How long a refused token is disbelieved without checking again
    #[arg(long, env = "CONNECTORS_TOKEN_REFUSED_FOR", default_value = "2s", value_parser = parse_duration, value_name = "DURATION")]
    pub(crate) token_refused_for: Duration,
    /// How long connecting to a tool may take, name look-up and TLS included
    #[arg(long, env = "CONNECTORS_CONNECT_TIMEOUT", default_value = "5s", value_parser = parse_duration, value_name = "DURATION")]
    pub(crate) connect_timeout: Duration,
    /// How long a request's head may take to arrive
    #[arg(long, env = "CONNECTORS_HEAD_TIMEOUT", default_value = "30s", value_parser = parse_duration, value_name = "DURATION")]
    pub(crate) head_timeout: Duration,
    /// How long nothing may move on a connection
    #[arg(long, env = "CONNECTORS_IDLE_TIMEOUT", default_value = "5m", value_parser = parse_duration, value_name = "DURATION")]
    pub(crate) idle_timeout: Duration,
    /// How long requests in flight may take to finish after SIGTERM
    #[arg(long, env = "CONNECTORS_DRAIN_TIMEOUT", default_value = "30s", value_parser = parse_duration, value_name = "DURATION")]
    pub(crate) drain_timeout: Duration,
    /// After SIGTERM, how long an idle connection is kept for a request that is on its way
    #[arg(long, env = "CONNECTORS_DRAIN_IDLE_TIMEOUT", default_value = "1s", value_parser = parse_duration, value_name = "DURATION")]
    pub(crate) drain_idle_timeout: Duration,
    /// The largest head of a request or an answer
    #[arg(long, env = "CONNECTORS_MAX_HEAD_BYTES", default_value_t = 64 * 1024, value_name = "BYTES")]
    pub(crate) max_head_bytes: usize,
    /// How log messages on stderr look (access records are always JSON, on stdout)
    #[arg(long, env = "CONNECTORS_LOG_FORMAT", default_value = "text", value_name = "FORMAT")]
    pub(crate) log_format: LogFormat,
    /// Which log messages: a level, or as for env_logger
    #[arg(long, env = "CONNECTORS_LOG", default_value = "info", value_name = "FILTER")]
    pub(crate) log: String,
}

impl ProxyArgs {
    /// What the flags are when none is given, whatever the environment says.
    pub(crate) fn defaults() -> Self {
        Self {
            intercept: true,
            forward_non_target: NonTargetArg::Allow,
            allow_address: Vec::new(),
            system: System { system_namespace: Options::default().system_namespace },
            cluster_domain: "cluster.local".into(),
            audience: vec![DEFAULT_AUDIENCE.into()],
            cores: None,
            max_requests_per_connector: 1024,
            max_connections_per_upstream: MAX_CONNECTIONS_PER_UPSTREAM,
            max_rego_body_bytes: MAX_REGO_BODY_BYTES,
            token_accepted_for: Duration::from_secs(10),
            token_refused_for: Duration::from_secs(2),
            connect_timeout: Duration::from_secs(5),
            head_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(5 * 60),
            drain_timeout: Duration::from_secs(30),
            drain_idle_timeout: Duration::from_secs(1),
            max_head_bytes: 64 * 1024,
            log_format: LogFormat::Text,
            log: "info".into(),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum NonTargetArg {
    Allow,
    Deny,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    Text,
    Json,
}

#[derive(Args)]
#[command(after_help = "Examples:
  connectors demo
  connectors demo --keep     # leave it running and print the commands to try")]
pub(crate) struct DemoArgs {
    /// Leave everything running until Ctrl-C, and print the commands to try
    #[arg(long, env = "CONNECTORS_DEMO_KEEP")]
    pub(crate) keep: bool,
}

#[derive(Args)]
#[command(after_help = "Example:
  connectors check ./connectors

Exit status: 0 without errors (warnings don't count), 1 with errors.")]
pub(crate) struct CheckArgs {
    /// The directory of manifests
    #[arg(env = "CONNECTORS_DIR", value_name = "DIR", required_unless_present = "dir_option")]
    pub(crate) dir: Option<PathBuf>,
    /// The same
    #[arg(id = "dir_option", long = "dir", hide = true, value_name = "DIR")]
    pub(crate) dir_option: Option<PathBuf>,
    /// The state folder, which is no part of the manifests
    #[arg(long, env = "CONNECTORS_STATE", value_name = "DIR")]
    pub(crate) state: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) system: System,
}

#[derive(Args)]
#[command(after_help = "Example:
  curl -x \"http://team%2Fgit:$(connectors token --dir ./connectors --service-account team/builder)@127.0.0.1:8080\" http://…")]
pub(crate) struct TokenArgs {
    #[command(flatten)]
    pub(crate) folder: Folder,
    /// Whose token: a ServiceAccount of the directory
    #[arg(long, short = 's', env = "CONNECTORS_SERVICE_ACCOUNT", value_parser = service_account, value_name = "NAMESPACE/NAME")]
    pub(crate) service_account: ServiceAccount,
    /// How long it is good
    #[arg(long, env = "CONNECTORS_TOKEN_DURATION", default_value = "30m", value_name = "DURATION")]
    pub(crate) duration: Lifetime,
    /// What it is for; repeat or separate by commas
    #[arg(long, env = "CONNECTORS_AUDIENCE", default_value = DEFAULT_AUDIENCE, value_delimiter = ',', value_name = "AUDIENCE")]
    pub(crate) audience: Vec<String>,
}

/// Which Connectors, and as whom.
#[derive(Args, Clone)]
pub(crate) struct UseArgs {
    #[command(flatten)]
    pub(crate) folder: Folder,
    /// The Connectors, separated by commas
    #[arg(env = "CONNECTORS_CONNECTOR", value_delimiter = ',', required = true, value_parser = connector, value_name = "NAMESPACE/NAME")]
    pub(crate) connectors: Vec<ConnectorRef>,
    /// Act as this ServiceAccount instead of as the folder's owner, who may use every Connector
    #[arg(long, short = 's', env = "CONNECTORS_SERVICE_ACCOUNT", value_parser = service_account, value_name = "NAMESPACE/NAME")]
    pub(crate) service_account: Option<ServiceAccount>,
    /// How long the token is good
    #[arg(long, env = "CONNECTORS_TOKEN_DURATION", default_value = "12h", value_name = "DURATION")]
    pub(crate) duration: Lifetime,
}

/// Which files of the classes' configurations.
#[derive(Args, Clone)]
pub(crate) struct ConfigurationArgs {
    /// Configurations of the Connectors' classes, repeated or separated by commas; !FILE leaves a file out ('!FILE' alone: of all that there are, for exec and env), '' is none but the built-in files
    #[arg(long, env = "CONNECTORS_CONFIGURATION", value_delimiter = ',', value_name = "NAME")]
    pub(crate) configuration: Option<Vec<String>>,
    /// Their parameters: {"CONFIGURATION": {"PARAMETER": "VALUE"}}
    #[arg(long, env = "CONNECTORS_PARAMS", value_name = "JSON")]
    pub(crate) params: Option<String>,
}

/// With a word for those who forgot what separates the command of `exec` from the Connectors.
fn connector(text: &str) -> Result<ConnectorRef, String> {
    ConnectorRef::parse(text).map_err(|error| format!("{error}; a command to run goes behind --: `connectors exec NAMESPACE/NAME -- COMMAND`"))
}

fn service_account(text: &str) -> Result<ServiceAccount, &'static str> {
    match text.split_once('/') {
        Some((namespace, name)) if is_dns_label(namespace) && is_dns_subdomain(name) => Ok(ServiceAccount { namespace: namespace.into(), name: name.into() }),
        _ => Err("must be <namespace>/<name>"),
    }
}

#[derive(Args)]
#[command(after_help = "Examples:
  connectors exec --dir ./connectors team/git -- git clone https://github.com/org/repo.git
  connectors exec --dir ./connectors team/npm,team/pypi --service-account team/builder -- make
  connectors exec --dir ./connectors team/maven --configuration settings -- sh -c 'mvn -s $CONNECTORS_CONFIG_DIR/settings.xml package'

Without --configuration the command gets the files of all configurations that need no further parameter, in a folder of
its own that CONNECTORS_CONFIG_DIR names; npm, pip, git, curl, docker and others are told where theirs are.
If `connectors standalone` runs on the directory it is used; otherwise a proxy runs as long as the command does,
and says on stderr what it answered itself and why.
The exit status is the command's; 128+N if signal N ended it.")]
pub(crate) struct ExecArgs {
    #[command(flatten)]
    pub(crate) using: UseArgs,
    #[command(flatten)]
    pub(crate) files: ConfigurationArgs,
    #[command(flatten)]
    pub(crate) proxy: ProxyArgs,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub(crate) command: Vec<std::ffi::OsString>,
}

#[derive(Args)]
#[command(after_help = "Example:
  eval \"$(connectors env --dir ./connectors team/git)\"

Needs a running `connectors standalone` on the directory. Files of configurations are written into the state folder, where
the next `env` for the same Connectors replaces them.")]
pub(crate) struct EnvArgs {
    #[command(flatten)]
    pub(crate) using: UseArgs,
    #[command(flatten)]
    pub(crate) files: ConfigurationArgs,
    /// What the token is for; as the running proxy has it
    #[arg(long, env = "CONNECTORS_AUDIENCE", default_value = DEFAULT_AUDIENCE, value_delimiter = ',', value_name = "AUDIENCE")]
    pub(crate) audience: Vec<String>,
}

#[derive(Args)]
#[command(after_help = "Examples:
  connectors render --dir ./connectors team/npm --configuration npmrc --service-account team/builder --out ./files
  connectors render --dir ./connectors team/nexus --configuration '!context.token,pipconf' --params '{\"pipconf\": {\"repository\": \"pypi\"}}' --out ./files

Without --configuration there are only the built-in files, as in a Pod. Files with the token have mode 0600; the token in them
is not renewed.")]
pub(crate) struct RenderArgs {
    #[command(flatten)]
    pub(crate) using: UseArgs,
    #[command(flatten)]
    pub(crate) files: ConfigurationArgs,
    /// The folder that the files are written into; it is made if it isn't there
    #[arg(long, short, env = "CONNECTORS_OUT", value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// Replace files that are there already
    #[arg(long, env = "CONNECTORS_FORCE")]
    pub(crate) force: bool,
    /// Where the proxy is, for the files [default: where `connectors standalone` listens that runs on the directory, or else would]
    #[arg(long, env = "CONNECTORS_PROXY_ADDRESS", value_parser = authority, value_name = "HOST:PORT")]
    pub(crate) proxy_address: Option<String>,
    /// What the token is for; as the proxy has it
    #[arg(long, env = "CONNECTORS_AUDIENCE", default_value = DEFAULT_AUDIENCE, value_delimiter = ',', value_name = "AUDIENCE")]
    pub(crate) audience: Vec<String>,
    #[command(flatten)]
    pub(crate) system: System,
}

/// The host and port of a proxy.
fn authority(text: &str) -> Result<String, String> {
    match connectors_core::Host::parse_with_port(text) {
        Ok((_, Some(_))) => Ok(text.to_owned()),
        Ok((_, None)) => Err(format!("must be HOST:PORT, such as {text}:8080")),
        Err(error) => Err(format!("must be HOST:PORT: {error}")),
    }
}

#[derive(Args)]
#[command(after_help = "Examples:
  connectors get connectors -A --dir ./connectors
  connectors get connectors -n team -o wide --dir ./connectors
  connectors get connectorclasses -o yaml --dir ./connectors")]
pub(crate) struct GetArgs {
    /// What to list
    #[arg(value_name = "KIND")]
    pub(crate) kind: KindArg,
    /// Only these names
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<String>,
    #[command(flatten)]
    pub(crate) folder: Folder,
    /// The namespace
    #[arg(long, short, env = "CONNECTORS_NAMESPACE", default_value = "default", value_name = "NAMESPACE")]
    pub(crate) namespace: String,
    /// All namespaces, whatever --namespace says
    #[arg(long, short = 'A', env = "CONNECTORS_ALL_NAMESPACES")]
    pub(crate) all_namespaces: bool,
    /// How to print
    #[arg(long, short, env = "CONNECTORS_OUTPUT", default_value = "table", value_name = "FORMAT")]
    pub(crate) output: OutputArg,
    #[command(flatten)]
    pub(crate) system: System,
    /// The cluster domain in the addresses of classes' APIs
    #[arg(long, env = "CONNECTORS_CLUSTER_DOMAIN", default_value = "cluster.local", value_name = "DOMAIN")]
    pub(crate) cluster_domain: String,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum KindArg {
    #[value(name = "connectors", aliases = ["connector"])]
    Connectors,
    #[value(name = "connectorclasses", aliases = ["connectorclass"])]
    ConnectorClasses,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutputArg {
    Table,
    Wide,
    Json,
    Yaml,
    Name,
}

#[derive(Args)]
#[command(
    subcommand_negates_reqs = true,
    disable_help_subcommand = true,
    after_help = "Examples:
  connectors eval template --expr 'Bearer {{ .Secret.StringData.token }}' --model structs --data @probe.json
  connectors eval rego --file extractor.rego --query data.proxy.auth --data '{\"request\": {\"headers\": {}}}'
  connectors eval cel --expr 'response.statusCode == 200' --data '{\"response\": {\"statusCode\": 200}}'
  connectors eval --cases - < cases.jsonl

With --cases each line is an object with an id, and template, module and query, or expr; data, input, or vars. Each is
answered by a line with the id, and result or error. Nothing is sent anywhere, and no file but those named is read."
)]
pub(crate) struct EvalArgs {
    #[command(subcommand)]
    pub(crate) expression: Option<EvalLanguage>,
    /// Answer every line of a file of cases, - for standard input
    #[arg(long, env = "CONNECTORS_EVAL_CASES", required = true, value_name = "FILE")]
    pub(crate) cases: Option<PathBuf>,
}

#[derive(clap::Subcommand)]
pub(crate) enum EvalLanguage {
    /// Render a Go template with sprig's functions, as in probes and configurations
    Template(EvalTemplateArgs),
    /// Evaluate a rule of a Rego module, as in extractors, generators and permissions
    Rego(EvalRegoArgs),
    /// Evaluate a CEL expression, as in the conditions of probes
    Cel(EvalCelArgs),
}

/// An expression, and what it is evaluated with.
#[derive(Args)]
pub(crate) struct EvalInput {
    /// The expression
    #[arg(
        long,
        short,
        env = "CONNECTORS_EVAL_EXPR",
        required_unless_present = "file",
        conflicts_with = "file",
        allow_hyphen_values = true,
        value_name = "TEXT"
    )]
    pub(crate) expr: Option<String>,
    /// The file that it is in, - for standard input
    #[arg(long, short, env = "CONNECTORS_EVAL_FILE", value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// JSON: what a template sees, the input of Rego, CEL's variables; @FILE reads it from a file
    #[arg(long, short, env = "CONNECTORS_EVAL_DATA", allow_hyphen_values = true, value_name = "JSON")]
    pub(crate) data: Option<String>,
}

#[derive(Args)]
#[command(after_help = "Examples:
  connectors eval template --expr '{{ .name | upper }}' --data '{\"name\": \"git\"}'
  connectors eval template --file settings.xml.tmpl --data @data.json --missing-key error")]
pub(crate) struct EvalTemplateArgs {
    #[command(flatten)]
    pub(crate) input: EvalInput,
    /// What a key that a map doesn't have is
    #[arg(long, env = "CONNECTORS_EVAL_MISSING_KEY", default_value = "default", value_name = "WHAT")]
    pub(crate) missing_key: MissingKeyArg,
    /// What whole numbers of the data are in Go
    #[arg(long, env = "CONNECTORS_EVAL_NUMBERS", default_value = "int64", value_name = "TYPE")]
    pub(crate) numbers: NumbersArg,
    /// Whether the data is seen as it is, or its Connector and Secret as probes see them
    #[arg(long, env = "CONNECTORS_EVAL_MODEL", default_value = "json", value_name = "MODEL")]
    pub(crate) model: ModelArg,
}

#[derive(Args)]
#[command(after_help = "Example:
  connectors eval rego --file extractor.rego --data '{\"request\": {\"headers\": {\"Private-Token\": [\"t\"]}}}'

Prints JSON, or `undefined`.")]
pub(crate) struct EvalRegoArgs {
    #[command(flatten)]
    pub(crate) input: EvalInput,
    /// The rule to ask for, such as data.proxy.auth [default: the whole package]
    #[arg(long, short, env = "CONNECTORS_EVAL_QUERY", value_name = "PATH")]
    pub(crate) query: Option<String>,
    /// Which version of Rego the module is [default: v1 if it parses as that, else v0]
    #[arg(long, env = "CONNECTORS_EVAL_DIALECT", value_name = "VERSION")]
    pub(crate) dialect: Option<DialectArg>,
}

#[derive(Args)]
#[command(after_help = "Example:
  connectors eval cel --expr 'response.body.status == \"UP\"' --data '{\"response\": {\"body\": {\"status\": \"UP\"}}}'")]
pub(crate) struct EvalCelArgs {
    #[command(flatten)]
    pub(crate) input: EvalInput,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum MissingKeyArg {
    Default,
    Zero,
    Error,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum NumbersArg {
    Int64,
    Float64,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ModelArg {
    Json,
    Structs,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DialectArg {
    V0,
    V1,
}

#[derive(Args)]
#[command(after_help = "Example:
  source <(connectors completions bash)")]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "SHELL", env = "CONNECTORS_SHELL")]
    pub(crate) shell: clap_complete::Shell,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn every_flag_is_also_an_environment_variable() {
        let arguments = Arguments::command();
        let nested = arguments.get_subcommands().flat_map(clap::Command::get_subcommands);
        for command in arguments.get_subcommands().chain(nested) {
            for argument in command.get_arguments() {
                let name = argument.get_id().as_str();
                let exempt = matches!(name, "help" | "version" | "command" | "kind" | "names" | "dir_option");
                assert!(exempt || argument.get_env().is_some(), "{} --{name}", command.get_name());
            }
        }
    }

    #[test]
    fn probes_can_be_off() {
        for (text, expect) in [("off", None), ("0", None), ("0s", None), ("90s", Some(Duration::from_secs(90)))] {
            assert_eq!(interval(text), Ok(Interval(expect)), "{text}");
        }
    }

    /// What clap says to a command line.
    #[track_caller]
    fn complaint(words: &[&str]) -> String {
        match Arguments::try_parse_from([&["connectors"], words].concat()) {
            Ok(_) => panic!("{words:?} is taken"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn bad_values_are_told_what_would_be_right() {
        for (words, says) in [
            (&["standalone", "--dir", "no/such"][..], "there is no such folder"),
            (&["standalone", "--dir", "Cargo.toml"], "it is a file"),
            (&["standalone", "--dir", ".", "--listen", "8085"], "must be IP:PORT, such as 127.0.0.1:8085"),
            (&["standalone", "--dir", ".", "--listen", "localhost:8085"], "must be IP:PORT, such as 127.0.0.1:8085"),
            (&["standalone", "--dir", ".", "--probe-interval", "never"], "must be a duration such as 5m, or off"),
            (&["standalone", "--dir", ".", "--probe-interval", "10ms"], "must be at least 1s, or off"),
            (&["standalone", "--dir", ".", "--admin", "x"], "must be IP:PORT, such as 127.0.0.1:8080 or [::1]:8080"),
            (&["exec", "--dir", ".", "team/git", "git", "clone"], "a command to run goes behind --"),
            (&["exec", "--dir", ".", "team/git"], "-- <COMMAND>"),
            (&["token", "--dir", ".", "--service-account", "builder"], "must be <namespace>/<name>"),
            (&["render", "--dir", ".", "team/git"], "--out <DIR>"),
            (&["render", "--dir", ".", "team/git", "--out", "x", "--proxy-address", "proxy"], "must be HOST:PORT, such as proxy:8080"),
            (&["render", "--dir", ".", "team/git", "--out", "x", "--proxy-address", "http://proxy"], "must be HOST:PORT"),
            (&["eval"], "--cases <FILE>"),
            (&["eval", "cel"], "--expr <TEXT>"),
            (&["eval", "cel", "--expr", "1", "--file", "x"], "cannot be used with"),
            (&["exec", "--dir", ".", "-s", "builder", "team/git", "--", "true"], "must be <namespace>/<name>"),
        ] {
            let complaint = complaint(words);
            assert!(complaint.contains(says), "{words:?}: {complaint}");
        }
    }
}
