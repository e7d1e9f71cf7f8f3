//! The race: every load for every server, in turn, round after round.

use std::time::Duration;

use anyhow::Context as _;

use super::client::Client;
use super::connectors::Connectors;
use super::cpus::Side;
use super::generator::{Aim, Generator, timed};
use super::haproxy::Haproxy;
use super::load::{Load, Way};
use super::manifests;
use super::nginx::Nginx;
use super::process::Process;
use super::tool::Body;
use super::tunnel::Tunnel;
use super::usage::{self, Threads};
use super::world::{Served, World};

/// How many Connectors everybody knows.
const CONNECTORS: usize = 10;

/// Who races.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum System {
    Connectors,
    Nginx,
    Haproxy,
}

/// One run of one load against one server.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sample {
    /// Of all its processes.
    pub(super) cpu: Duration,
    pub(super) requests: u64,
    pub(super) bytes: u64,
    pub(super) seconds: f64,
    /// In the middle of the run.
    pub(super) memory: u64,
    /// How much of the time its busiest threads, one a CPU, ran or waited for the CPU, from 0 to 1: near 1, it was what everybody waited for.
    pub(super) busy: f64,
}

/// What came of one load.
pub(super) struct Row {
    pub(super) load: &'static Load,
    /// The samples of each round, in the order of [`System::ALL`]; or why there are none.
    pub(super) rounds: Result<Vec<[Sample; 3]>, String>,
}

impl System {
    pub(super) const ALL: [Self; 3] = [Self::Connectors, Self::Nginx, Self::Haproxy];
}

/// Runs these loads, so many rounds, each run so long. What goes on is printed.
pub(super) fn run(world: &World, loads: &[&'static Load], rounds: u32, seconds: u32) -> anyhow::Result<Vec<Row>> {
    let field = Field::start(world)?;
    let mut rows: Vec<Row> = loads.iter().map(|load| Row { load, rounds: field.refusal(load).map_or(Ok(Vec::new()), Err) }).collect();
    for row in &rows {
        if let Err(why) = &row.rounds {
            println!("      {}: left out: {why}", row.load.name());
        }
    }
    for round in 0..rounds {
        let (_, took) = timed(|| {
            for row in &mut rows {
                if let Ok(samples) = &mut row.rounds {
                    samples.push(field.sample(row.load, round, seconds)?);
                }
            }
            Ok(())
        })?;
        println!("      round {} of {rounds}: {} s", round + 1, took.as_secs());
    }
    let lost = field.connectors.records_lost()?;
    if lost > 0 {
        println!("      connectors could not write {lost} access records: it had less to do than the others");
    }
    Ok(rows)
}

/// The servers, running.
struct Field<'a> {
    world: &'a World,
    served: Served,
    generator: Generator,
    connectors: Connectors,
    nginx: Nginx,
    haproxy: Haproxy,
    /// For what is intercepted, in the order of [`System::ALL`].
    tunnels: [Tunnel; 3],
}

impl<'a> Field<'a> {
    fn start(world: &'a World) -> anyhow::Result<Self> {
        let served = world.serve(CONNECTORS)?;
        let generator = Generator::create(world.folder(), world.cpus)?;
        let command = world.cpus.command(Side::Measured, &world.binary);
        let connectors = Connectors::start(world, &served, world.cpus.measured(), command)?;
        let nginx = Nginx::start(world, &served, CONNECTORS)?;
        let haproxy = Haproxy::start(world, &served, CONNECTORS)?;
        let connect = manifests::connect(manifests::TLS, world.tool.tls, &served.token);
        let tunnels = [Tunnel::start(connectors.listen, Some(connect))?, Tunnel::start(nginx.tls, None)?, Tunnel::start(haproxy.tls, None)?];
        let field = Self { world, served, generator, connectors, nginx, haproxy, tunnels };
        field.check()?;
        Ok(field)
    }

    /// One request of each by each: the tool refuses whatever hasn't the right credential, so that 200 means that the work was done.
    fn check(&self) -> anyhow::Result<()> {
        for system in System::ALL {
            for way in [Way::Plain, Way::Https] {
                let aim = self.aim(way, system);
                let request = manifests::request(Body::Bytes64, &aim.host, &self.served.token);
                let answer = Client::open(aim.address).and_then(|mut client| client.exchange(request.as_bytes()));
                answer.with_context(|| format!("{system:?}, {way:?}"))?;
            }
        }
        Ok(())
    }

    /// Why a load can't be run.
    fn refusal(&self, load: &Load) -> Option<String> {
        if load.way != Way::Http2 {
            return None;
        }
        match self.generator.speaks_http2(load, &self.aim(load.way, System::Connectors)) {
            Ok(true) => None,
            Ok(false) => Some("connectors does not answer HTTP/2 with prior knowledge".into()),
            Err(error) => Some(format!("{error:#}")),
        }
    }

    /// One sample of each. Who comes first changes from round to round.
    fn sample(&self, load: &Load, round: u32, seconds: u32) -> anyhow::Result<[Sample; 3]> {
        let mut samples = [None; 3];
        for place in 0..3 {
            let index = (place + round as usize) % 3;
            samples[index] = Some(self.sample_one(load, System::ALL[index], seconds)?);
        }
        let [Some(connectors), Some(nginx), Some(haproxy)] = samples else { anyhow::bail!("a server was left out") };
        Ok([connectors, nginx, haproxy])
    }

    fn sample_one(&self, load: &Load, system: System, seconds: u32) -> anyhow::Result<Sample> {
        // So that some of the largest arrive even where the machine is busy.
        let seconds = if load.body == Body::Megabytes100 { 2 * seconds } else { seconds };
        let process = self.process(system);
        let family = usage::family(process.id());
        let before = Threads::of(&family)?;
        let mut memory = 0;
        let (seen, took) = timed(|| -> anyhow::Result<_> {
            self.generator.run(load, &self.aim(load.way, system), seconds, || {
                memory = usage::memory(&family)?;
                Ok(())
            })
        })
        .with_context(|| format!("{system:?}"))?;
        let after = Threads::of(&family)?;
        process.forget_output()?;
        let cpu = after.cpu_since(&before);
        let workers = self.world.cpus.measured();
        let busy = after.busiest_since(&before, workers).as_secs_f64() / took.as_secs_f64() / workers as f64;
        Ok(Sample { cpu, requests: seen.requests, bytes: seen.bytes, seconds: seen.seconds, memory, busy })
    }

    fn process(&self, system: System) -> &Process {
        match system {
            System::Connectors => &self.connectors.process,
            System::Nginx => &self.nginx.process,
            System::Haproxy => &self.haproxy.process,
        }
    }

    fn aim(&self, way: Way, system: System) -> Aim {
        let token = || Some(self.served.token.clone());
        if way == Way::Intercepted {
            let token = if system == System::Connectors { None } else { token() };
            return Aim { address: self.tunnels[system as usize].address, host: self.world.tool.tls.to_string(), token };
        }
        let plain = match system {
            System::Connectors => self.connectors.listen,
            System::Nginx => self.nginx.plain,
            System::Haproxy => self.haproxy.plain,
        };
        let h2 = match system {
            System::Connectors => self.connectors.listen,
            System::Nginx => self.nginx.h2,
            System::Haproxy => self.haproxy.h2,
        };
        let connector = if way == Way::Https { manifests::TLS } else { manifests::PLAIN };
        Aim { address: if way == Way::Http2 { h2 } else { plain }, host: manifests::host(connector), token: token() }
    }
}
