//! The tool behind: an nginx of its own that serves bodies of several sizes, plain and by https, to whoever has its password.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use super::cpus::{Cpus, Side};
use super::manifests;
use super::process::{Process, free_address};
use crate::command;

/// A body that it serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Body {
    Bytes64,
    Kilobytes10,
    Megabyte1,
    Megabytes100,
}

impl Body {
    const FILES: [Self; 3] = [Self::Kilobytes10, Self::Megabyte1, Self::Megabytes100];

    /// Where it is.
    pub(super) fn path(self) -> &'static str {
        match self {
            Self::Bytes64 => "/64",
            Self::Kilobytes10 => "/10k",
            Self::Megabyte1 => "/1m",
            Self::Megabytes100 => "/100m",
        }
    }

    /// Its size, for people.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Bytes64 => "64 B",
            Self::Kilobytes10 => "10 KB",
            Self::Megabyte1 => "1 MB",
            Self::Megabytes100 => "100 MB",
        }
    }

    /// Whether what it costs is a matter of its bytes, not of the request.
    pub(super) fn is_large(self) -> bool {
        matches!(self, Self::Megabyte1 | Self::Megabytes100)
    }

    fn bytes(self) -> usize {
        match self {
            Self::Bytes64 => 64,
            Self::Kilobytes10 => 10_000,
            Self::Megabyte1 => 1_000_000,
            Self::Megabytes100 => 100_000_000,
        }
    }
}

/// The running tool. Each address answers [`Body::path`]; `/seen` has the Authorization that came.
pub(super) struct Tool {
    _nginx: Process,
    /// Plain, for the credential of [`manifests::PLAIN`] only: another gets 403.
    pub(super) plain: SocketAddr,
    /// By https, for the credential of [`manifests::TLS`] only.
    pub(super) tls: SocketAddr,
    /// Plain, for any credential.
    pub(super) open: SocketAddr,
    /// The certificate of the CA that signed its own, PEM.
    pub(super) ca: PathBuf,
    /// Its certificate and its key in one file, PEM: other servers may show it as well.
    pub(super) identity: PathBuf,
}

impl Tool {
    /// Starts it; its files are in `folder`.
    pub(super) fn start(folder: &Path, cpus: Cpus) -> anyhow::Result<Self> {
        let ca = folder.join("ca.crt");
        let identity = certificates(folder).context("cannot make certificates")?;
        for body in Body::FILES {
            // Bytes that are all the same, since nothing on the way compresses.
            std::fs::write(folder.join(body.path().trim_start_matches('/')), vec![b'x'; body.bytes()])?;
        }
        let (plain, tls, open) = (free_address()?, free_address()?, free_address()?);
        let file = folder.join("tool.conf");
        std::fs::write(&file, configuration(folder, &identity, plain, tls, open))?;
        let mut command = cpus.command(Side::Around, "nginx");
        let mut nginx = Process::start("tool", command.arg("-e").arg(folder.join("tool.log")).arg("-p").arg(folder).arg("-c").arg(file), folder)?;
        for address in [plain, tls, open] {
            nginx.wait_until_listening(address)?;
        }
        Ok(Self { _nginx: nginx, plain, tls, open, ca, identity })
    }
}

/// One process without a log, with everything that makes nginx cheap: it shall not be what is waited for.
fn configuration(folder: &Path, identity: &Path, plain: SocketAddr, tls: SocketAddr, open: SocketAddr) -> String {
    let small = "x".repeat(Body::Bytes64.bytes());
    let (identity, temporary) = (identity.display(), temporary_paths(folder, "tool"));
    let server = |listen: String, check: String| {
        format!(
            "    server {{
        listen {listen} backlog=4096;
        root {};
        {check}
        location = /64 {{ return 200 \"{small}\"; }}
        location = /seen {{ return 200 \"$http_authorization\"; }}
    }}
",
            folder.display()
        )
    };
    let only = |connector: usize| format!("if ($http_authorization != \"{}\") {{ return 403; }}", manifests::credential(connector));
    let servers =
        [server(plain.to_string(), only(manifests::PLAIN)), server(format!("{tls} ssl"), only(manifests::TLS)), server(open.to_string(), String::new())];
    format!(
        "daemon off;
master_process off;
pid {folder}/tool.pid;
worker_rlimit_nofile 16384;
events {{ worker_connections 12288; }}
http {{
    access_log off;
    default_type application/octet-stream;
    sendfile on;
    tcp_nopush on;
    open_file_cache max=16 inactive=1h;
    keepalive_requests 1000000000;
    keepalive_timeout 1h;
    ssl_certificate {identity};
    ssl_certificate_key {identity};
    {temporary}
{servers}}}
",
        folder = folder.display(),
        servers = servers.concat(),
    )
}

/// nginx makes these folders even where it has no use for them.
pub(super) fn temporary_paths(folder: &Path, name: &str) -> String {
    let kinds = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    kinds.map(|kind| format!("{kind}_temp_path {}/{name}-{kind};", folder.display())).join(" ")
}

/// Makes a CA and a certificate for 127.0.0.1, and returns the file with the latter.
fn certificates(folder: &Path) -> anyhow::Result<PathBuf> {
    let openssl = |arguments: &[&str]| command::output(Command::new("openssl").args(arguments).current_dir(folder));
    let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
    openssl(&[&["req", "-x509", "-days", "2", "-subj", "/CN=CA of a measurement", "-keyout", "ca.key", "-out", "ca.crt"], &key[..]].concat())?;
    openssl(&[&["req", "-subj", "/CN=127.0.0.1", "-keyout", "tool.key", "-out", "tool.csr"], &key[..]].concat())?;
    std::fs::write(folder.join("names"), "subjectAltName=IP:127.0.0.1,DNS:localhost\nextendedKeyUsage=serverAuth\n")?;
    openssl(&[
        "x509",
        "-req",
        "-days",
        "2",
        "-in",
        "tool.csr",
        "-CA",
        "ca.crt",
        "-CAkey",
        "ca.key",
        "-CAcreateserial",
        "-extfile",
        "names",
        "-out",
        "tool.crt",
    ])?;
    let identity = folder.join("tool.pem");
    std::fs::write(&identity, [std::fs::read(folder.join("tool.crt"))?, std::fs::read(folder.join("tool.key"))?].concat())?;
    Ok(identity)
}
