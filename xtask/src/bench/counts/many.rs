//! What 10,000 Connectors cost: starting, and a change.

use std::time::{Duration, Instant};

use anyhow::bail;

use super::super::client::Client;
use super::super::connectors::Connectors;
use super::super::cpus::Side;
use super::super::manifests::{self, OPEN};
use super::super::stats::Spread;
use super::super::usage::{self, Threads};
use super::super::world::{Served, World};

/// How often starting is measured.
const STARTS: usize = 3;
/// How often a Secret is changed.
const CHANGES: usize = 5;

/// How often it is looked whether a change is in force. A look costs the proxy some 30 µs, which is nothing beside what is measured.
const INTERVAL: Duration = Duration::from_millis(50);
const DEADLINE: Duration = Duration::from_secs(30);

/// Milliseconds of CPU time from the start until `/readyz` says yes, median.
pub(super) fn start(world: &World, served: &Served) -> anyhow::Result<f64> {
    let once = || {
        let proxy = begin(world, served)?;
        Ok(usage::cpu_since_start(proxy.process.id())?.as_secs_f64() * 1e3)
    };
    let times = (0..STARTS).map(|_| once()).collect::<anyhow::Result<Vec<f64>>>()?;
    Ok(median(times))
}

/// Milliseconds of CPU time from the change of a Connector's Secret until the tool sees the new one, median.
pub(super) fn change(world: &World, served: &Served) -> anyhow::Result<f64> {
    let proxy = begin(world, served)?;
    let family = usage::family(proxy.process.id());
    let mut client = Client::open(proxy.listen)?;
    let request = format!("GET /seen HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n\r\n", manifests::host(OPEN), served.token);
    let mut times = Vec::new();
    for number in 0..CHANGES {
        // Whatever starting left to do is done.
        settle(&family)?;
        let before = Threads::of(&family)?;
        let wanted = manifests::change_password(&served.manifests, OPEN, &format!("another-{number}"), &world.tool)?;
        let deadline = Instant::now() + DEADLINE;
        while client.exchange(request.as_bytes())? != wanted.as_bytes() {
            if Instant::now() > deadline {
                bail!("a changed Secret was not in force after {} s", DEADLINE.as_secs());
            }
            std::thread::sleep(INTERVAL);
        }
        times.push(Threads::of(&family)?.cpu_since(&before).as_secs_f64() * 1e3);
    }
    Ok(median(times))
}

fn begin(world: &World, served: &Served) -> anyhow::Result<Connectors> {
    Connectors::start(world, served, 1, world.cpus.command(Side::Measured, &world.binary))
}

/// Waits until the processes have nothing to do.
fn settle(family: &[u32]) -> anyhow::Result<()> {
    let deadline = Instant::now() + DEADLINE;
    let mut before = Threads::of(family)?;
    while Instant::now() < deadline {
        std::thread::sleep(INTERVAL * 4);
        let now = Threads::of(family)?;
        if now.cpu_since(&before) < Duration::from_millis(1) {
            return Ok(());
        }
        before = now;
    }
    bail!("the proxy was still busy {} s after its start", DEADLINE.as_secs())
}

fn median(values: Vec<f64>) -> f64 {
    Spread::of(values).map_or(f64::NAN, |spread| spread.median)
}
