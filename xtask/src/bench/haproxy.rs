//! haproxy, set up to do the same work as [`nginx`](super::nginx).

use std::net::SocketAddr;
use std::path::Path;

use anyhow::Context as _;

use super::cpus::Side;
use super::manifests;
use super::process::{Process, free_address};
use super::world::{Served, World};

/// A running haproxy.
pub(super) struct Haproxy {
    pub(super) process: Process,
    pub(super) plain: SocketAddr,
    pub(super) tls: SocketAddr,
    /// HTTP/2 with prior knowledge.
    pub(super) h2: SocketAddr,
}

impl Haproxy {
    /// With `count` Connectors.
    pub(super) fn start(world: &World, served: &Served, count: usize) -> anyhow::Result<Self> {
        let folder = world.folder();
        let connectors = || 0..count;
        write_map(folder, "callers", [(served.token.clone(), manifests::ACCOUNT.to_owned())])?;
        // Inside an interception the Host is the tool's.
        let hosts = connectors().map(|connector| (manifests::host(connector), manifests::reference(connector)));
        write_map(folder, "hosts", hosts.chain([(world.tool.tls.to_string(), manifests::reference(manifests::TLS))]))?;
        let credential = |connector| (format!("{}|{}", manifests::ACCOUNT, manifests::reference(connector)), manifests::credential(connector));
        write_map(folder, "credentials", connectors().map(credential))?;
        let backend = |connector| if connector == manifests::TLS { "tls" } else { "plain" };
        write_map(folder, "backends", connectors().map(|connector| (manifests::reference(connector), backend(connector).to_owned())))?;
        let (plain, tls, h2) = (free_address()?, free_address()?, free_address()?);
        let file = folder.join("haproxy.cfg");
        std::fs::write(&file, configuration(world, plain, tls, h2))?;
        let mut command = world.cpus.command(Side::Measured, "haproxy");
        // In the foreground, as one process.
        let mut process = Process::start("haproxy", command.arg("-db").arg("-f").arg(file), folder)?;
        for address in [plain, tls, h2] {
            process.wait_until_listening(address)?;
        }
        Ok(Self { process, plain, tls, h2 })
    }
}

fn write_map(folder: &Path, name: &str, rows: impl IntoIterator<Item = (String, String)>) -> anyhow::Result<()> {
    // A key ends at the first space; a value may have some.
    let rows: String = rows.into_iter().map(|(key, value)| format!("{key} {value}\n")).collect();
    std::fs::write(folder.join(format!("{name}.map")), rows).context("cannot write a map")
}

fn configuration(world: &World, plain: SocketAddr, tls: SocketAddr, h2: SocketAddr) -> String {
    let tool = &world.tool;
    let record = [
        ("time", "%tr"),
        ("trace_id", "%ID"),
        ("client", "%ci"),
        ("user", "%[var(txn.caller)]"),
        ("connector", "%[var(txn.connector)]"),
        ("method", "%HM"),
        ("host", "%s"),
        ("path", "%HPO"),
        ("status", "%ST"),
        ("bytes_in", "%U"),
        ("bytes_out", "%B"),
        ("ttfb", "%Tr"),
        ("total", "%Ta"),
    ];
    let record = record.map(|(name, value)| format!(r#"\"{name}\":\"{value}\""#)).join(",");
    format!(
        r#"global
    nbthread {threads}
    maxconn 4096
    log stdout format raw local0
defaults
    mode http
    log global
    timeout connect 5s
    timeout client 5m
    timeout server 5m
    timeout http-keep-alive 5m
    http-reuse always
    unique-id-format %[uuid]
    log-format "{{{record}}}"
frontend callers
    bind {plain} backlog 4096
    bind {tls} ssl crt {identity} backlog 4096
    bind {h2} proto h2 backlog 4096
    http-request set-var(txn.host) req.hdr(host)
    http-request set-var(txn.caller) http_auth_bearer,map_str({folder}/callers.map)
    http-request set-var(txn.connector) var(txn.host),map_str({folder}/hosts.map)
    http-request set-var(txn.credential) var(txn.caller),concat(|,txn.connector),map_str({folder}/credentials.map)
    http-request deny deny_status 401 unless {{ var(txn.credential) -m found }}
    http-request set-header Authorization %[var(txn.credential)]
    http-request set-header X-Forwarded-For %[src]
    http-request set-header X-Forwarded-Proto https if {{ ssl_fc }}
    http-request set-header X-Forwarded-Proto http unless {{ ssl_fc }}
    http-request set-header X-Forwarded-Host %[var(txn.host)]
    http-request set-header Via "1.1 haproxy"
    use_backend %[var(txn.connector),map_str({folder}/backends.map)]
backend plain
    http-request set-header Host {plain_tool}
    server tool {plain_tool} pool-purge-delay 1h
backend tls
    http-request set-header Host {tls_tool}
    server tool {tls_tool} pool-purge-delay 1h ssl verify required ca-file {ca}
"#,
        threads = world.cpus.measured(),
        identity = tool.identity.display(),
        folder = world.folder().display(),
        plain_tool = tool.plain,
        tls_tool = tool.tls,
        ca = tool.ca.display(),
    )
}
