//! The proxy of this project, as one of the systems that are measured.

use std::net::SocketAddr;
use std::process::Command;

use super::client::Client;
use super::process::{Process, free_address};
use super::world::{Served, World};

/// A running `connectors standalone`.
pub(super) struct Connectors {
    pub(super) process: Process,
    pub(super) listen: SocketAddr,
    admin: SocketAddr,
}

impl Connectors {
    /// Serves a folder, with everything on. `command` runs the binary, perhaps below a tool that watches it.
    pub(super) fn start(world: &World, served: &Served, cores: usize, mut command: Command) -> anyhow::Result<Self> {
        let (listen, admin) = (free_address()?, free_address()?);
        command.args(["standalone", "--dir"]).arg(&served.manifests);
        command.args(["--listen", &listen.to_string(), "--admin", &admin.to_string(), "--cores", &cores.to_string()]);
        let mut process = Process::start("connectors", &mut command, world.folder())?;
        process.wait_until("it was ready", || Client::open(admin).and_then(|mut client| client.exchange(request("/readyz").as_bytes())).is_ok())?;
        Ok(Self { process, listen, admin })
    }

    /// How many access records it could not write.
    pub(super) fn records_lost(&self) -> anyhow::Result<u64> {
        let metrics = Client::open(self.admin)?.exchange(request("/metrics").as_bytes())?;
        let metrics = String::from_utf8_lossy(&metrics);
        let value = metrics.lines().find_map(|line| line.strip_prefix("connectors_proxy_access_records_lost_total "));
        value.and_then(|value| value.trim().parse().ok()).ok_or_else(|| anyhow::anyhow!("/metrics does not say how many access records were lost"))
    }
}

fn request(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n\r\n")
}
