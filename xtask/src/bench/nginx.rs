//! nginx, set up to do the same work: look the caller up by its token and the Connector by Host, take the one credential off and put the other
//! on, say for whom it forwards, keep connections to the tool, verify its certificate, and write a record of the same fields.

use std::fmt::Write as _;
use std::net::SocketAddr;

use super::cpus::Side;
use super::manifests;
use super::process::{Process, free_address};
use super::tool::temporary_paths;
use super::world::{Served, World};

/// A running nginx.
pub(super) struct Nginx {
    pub(super) process: Process,
    pub(super) plain: SocketAddr,
    pub(super) tls: SocketAddr,
    /// HTTP/2 with prior knowledge only: before 1.25 nginx does not tell the versions apart on one plain port.
    pub(super) h2: SocketAddr,
}

impl Nginx {
    /// With `count` Connectors.
    pub(super) fn start(world: &World, served: &Served, count: usize) -> anyhow::Result<Self> {
        let (plain, tls, h2) = (free_address()?, free_address()?, free_address()?);
        let file = world.folder().join("nginx.conf");
        std::fs::write(&file, configuration(world, served, count, plain, tls, h2))?;
        let mut command = world.cpus.command(Side::Measured, "nginx");
        command.arg("-e").arg(world.folder().join("nginx.log")).arg("-p").arg(world.folder()).arg("-c").arg(file);
        let mut process = Process::start("nginx", &mut command, world.folder())?;
        for address in [plain, tls, h2] {
            process.wait_until_listening(address)?;
        }
        Ok(Self { process, plain, tls, h2 })
    }
}

/// Its log is buffered, as that of the proxy is; a line that isn't would cost it a system call a request.
fn configuration(world: &World, served: &Served, count: usize, plain: SocketAddr, tls: SocketAddr, h2: SocketAddr) -> String {
    let tool = &world.tool;
    let mut maps = String::new();
    let _ =
        writeln!(maps, "    map $http_authorization $caller {{\n        default \"\";\n        \"Bearer {}\" {};\n    }}", served.token, manifests::ACCOUNT);
    let each = |value: &dyn Fn(usize) -> String| (0..count).map(value).collect::<String>();
    let host = |connector| manifests::host(connector);
    let table = |source: &str, name: &str, rows: String| format!("    map {source} {name} {{\n        default \"\";\n{rows}    }}\n");
    maps += &table("$http_host", "$connector", {
        // Inside an interception the Host is the tool's.
        format!("        {} {};\n", tool.tls, manifests::reference(manifests::TLS))
            + &each(&|connector| format!("        {} {};\n", host(connector), manifests::reference(connector)))
    });
    maps += &table("\"$caller $connector\"", "$credential", {
        each(&|connector| format!("        \"{} {}\" \"{}\";\n", manifests::ACCOUNT, manifests::reference(connector), manifests::credential(connector)))
    });
    maps += &table("$connector", "$upstream", {
        each(&|connector| {
            format!("        {} {};\n", manifests::reference(connector), if connector == manifests::TLS { "https://tls" } else { "http://plain" })
        })
    });
    maps += &table("$connector", "$tool", {
        each(&|connector| format!("        {} {};\n", manifests::reference(connector), if connector == manifests::TLS { tool.tls } else { tool.plain }))
    });
    let upstream = |name: &str, address: SocketAddr| {
        format!(
            "    upstream {name} {{\n        server {address};\n        keepalive 1024;\n        keepalive_requests 1000000000;\n        keepalive_timeout 1h;\n    }}\n"
        )
    };
    format!(
        "daemon off;
pid {folder}/nginx.pid;
worker_processes {workers};
worker_rlimit_nofile 8192;
events {{ worker_connections 4096; }}
http {{
    log_format record escape=json '{{\"time\":\"$time_iso8601\",\"trace_id\":\"$request_id\",\"client\":\"$remote_addr\",\"user\":\"$caller\",'
        '\"connector\":\"$connector\",\"method\":\"$request_method\",\"host\":\"$tool\",\"path\":\"$uri\",\"status\":$status,'
        '\"bytes_in\":$request_length,\"bytes_out\":$body_bytes_sent,\"ttfb\":\"$upstream_header_time\",\"total\":$request_time}}';
    access_log {folder}/nginx.out record buffer=64k flush=1s;
    keepalive_requests 1000000000;
    keepalive_timeout 5m;
    map_hash_bucket_size 4096;
    map_hash_max_size 4096;
    {temporary}
{maps}{upstreams}    server {{
        listen {plain} backlog=4096;
        listen {tls} ssl backlog=4096;
        listen {h2} http2 backlog=4096;
        ssl_certificate {identity};
        ssl_certificate_key {identity};
        location / {{
            if ($credential = \"\") {{ return 401; }}
            proxy_pass $upstream;
            proxy_http_version 1.1;
            proxy_max_temp_file_size 0;
            proxy_ssl_verify on;
            proxy_ssl_trusted_certificate {ca};
            proxy_ssl_name localhost;
            proxy_set_header Host $tool;
            proxy_set_header Connection \"\";
            proxy_set_header Authorization $credential;
            proxy_set_header X-Forwarded-For $remote_addr;
            proxy_set_header X-Forwarded-Proto $scheme;
            proxy_set_header X-Forwarded-Host $http_host;
            proxy_set_header Via \"1.1 nginx\";
        }}
    }}
}}
",
        folder = world.folder().display(),
        workers = world.cpus.measured(),
        temporary = temporary_paths(world.folder(), "nginx"),
        upstreams = upstream("plain", tool.plain) + &upstream("tls", tool.tls),
        identity = tool.identity.display(),
        ca = tool.ca.display(),
    )
}
