//! Memory of connections that have had an answer and wait for their next request.

use super::super::client::Client;
use super::super::connectors::Connectors;
use super::super::cpus::Side;
use super::super::manifests::OPEN;
use super::super::usage;
use super::super::world::{Served, World};
use super::requests;

const CONNECTIONS: usize = 10_000;

/// How many requests come first, so that what is made once is there.
const BEFORE: usize = 500;

/// Bytes (PSS) an idle connection. Buffers in the kernel aren't in it.
pub(super) fn memory(world: &World, served: &Served, connectors: usize) -> anyhow::Result<f64> {
    let command = world.cpus.command(Side::Measured, &world.binary);
    let proxy = Connectors::start(world, served, 1, command)?;
    requests::send(proxy.listen, served, connectors, 1, BEFORE)?;
    let family = usage::family(proxy.process.id());
    let before = usage::memory(&family)?;
    let mut idle = Vec::with_capacity(CONNECTIONS);
    for _ in 0..CONNECTIONS {
        // One address has 28,000 ports for them (net.ipv4.ip_local_port_range), which is enough.
        let mut client = Client::open(proxy.listen)?;
        requests::one(&mut client, served, OPEN)?;
        idle.push(client);
    }
    let after = usage::memory(&family)?;
    Ok((after as f64 - before as f64) / CONNECTIONS as f64)
}
