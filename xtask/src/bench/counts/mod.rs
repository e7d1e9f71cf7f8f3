//! `cargo xtask bench counts`: figures that are counted, not timed, so that they can be gates anywhere.

pub(crate) mod gates;
mod idle;
mod instructions;
mod many;
mod profile;
mod requests;
mod system_calls;

use std::path::Path;

use gates::{Count, GATES, Gate, HEADROOM};
use instructions::Runs;

use super::table::{Table, number};
use super::world::{Served, World};

/// Connectors in the folder, where their number does not matter.
pub(crate) const FEW: usize = 10;
/// And where it does.
pub(crate) const MANY: usize = 10_000;

/// Connections where they are to be busy.
const BUSY: usize = 16;

/// A gate, and what was counted.
pub(crate) struct Counted {
    pub(crate) gate: &'static Gate,
    pub(crate) figure: f64,
}

/// Counts those that are chosen, prints the table, and returns the figures.
pub(crate) fn run(root: &Path, chosen: impl Fn(&Gate) -> bool) -> anyhow::Result<Vec<Counted>> {
    let mut counter = Counter { world: World::create(root)?, few: None, many: None, instructions: None };
    let mut counted = Vec::new();
    for gate in GATES.iter().filter(|gate| chosen(gate)) {
        println!("      {}", gate.name);
        counted.push(Counted { gate, figure: counter.count(gate.count)? });
    }
    println!("\n{}", table(&counted));
    Ok(counted)
}

/// Prints where the instructions and the system calls of a request go, with so many Connectors.
pub(crate) fn profile(root: &Path, connectors: usize) -> anyhow::Result<()> {
    let world = World::create(root)?;
    let served = world.serve(connectors)?;
    let one = Runs::make(&world, &served, connectors, 1)?;
    let runs = Runs::make(&world, &served, connectors, BUSY)?;
    println!("{} instructions a request with one connection, {} with {BUSY}, which are:", number(one.per_request()?), number(runs.per_request()?));
    println!("\n{}", profile::print(&runs)?);
    let calls = [1, BUSY].map(|connections| system_calls::per_request(&world, &served, connectors, connections));
    let [one, sixteen] = calls;
    println!("{}", profile::print_system_calls(&one?, &sixteen?));
    Ok(())
}

/// Makes what several counts share once, when the first of them needs it.
struct Counter {
    world: World,
    few: Option<Served>,
    many: Option<Served>,
    /// With few Connectors and many connections.
    instructions: Option<f64>,
}

impl Counter {
    fn count(&mut self, count: Count) -> anyhow::Result<f64> {
        match count {
            Count::Instructions16 => self.instructions(),
            Count::Instructions1 => self.few().and_then(|(world, served)| Runs::make(world, served, FEW, 1)?.per_request()),
            Count::ManyConnectors => {
                let few = self.instructions()?;
                let (world, served) = self.many()?;
                Ok(Runs::make(world, served, MANY, BUSY)?.per_request()? / few)
            }
            Count::SystemCalls16 => self.system_calls(BUSY),
            Count::SystemCalls1 => self.system_calls(1),
            Count::IdleMemory => self.few().and_then(|(world, served)| idle::memory(world, served, FEW)),
            Count::Start => self.many().and_then(|(world, served)| many::start(world, served)),
            Count::SecretChanged => self.many().and_then(|(world, served)| many::change(world, served)),
        }
    }

    fn instructions(&mut self) -> anyhow::Result<f64> {
        if let Some(instructions) = self.instructions {
            return Ok(instructions);
        }
        let (world, served) = self.few()?;
        let instructions = Runs::make(world, served, FEW, BUSY)?.per_request()?;
        self.instructions = Some(instructions);
        Ok(instructions)
    }

    fn system_calls(&mut self, connections: usize) -> anyhow::Result<f64> {
        let (world, served) = self.few()?;
        Ok(system_calls::per_request(world, served, FEW, connections)?.get(system_calls::TOTAL).copied().unwrap_or(f64::NAN))
    }

    fn few(&mut self) -> anyhow::Result<(&World, &Served)> {
        served(&self.world, &mut self.few, FEW)
    }

    fn many(&mut self) -> anyhow::Result<(&World, &Served)> {
        served(&self.world, &mut self.many, MANY)
    }
}

fn served<'a>(world: &'a World, made: &'a mut Option<Served>, count: usize) -> anyhow::Result<(&'a World, &'a Served)> {
    let served = match made.take() {
        Some(served) => served,
        None => world.serve(count)?,
    };
    Ok((world, made.insert(served)))
}

fn table(counted: &[Counted]) -> String {
    let headroom = format!("must + {:.0}%", (HEADROOM - 1.0) * 100.0);
    let mut table = Table::new(["count", "is", "must", &headroom, "excellent", "meanwhile", ""]);
    for Counted { gate, figure } in counted {
        let verdict = match *figure {
            figure if !gate.held(figure) && gate.met(figure) => "met, but WORSE than it was",
            figure if !gate.held(figure) => "MISSED, and worse than it was",
            figure if figure <= gate.excellent => "excellent",
            figure if gate.met(figure) => "met",
            _ => "MISSED",
        };
        let meanwhile = gate.meanwhile.map_or_else(String::new, number);
        let with_unit = |text: &str| format!("{text} {}", gate.unit).trim().to_owned();
        table.row([with_unit(gate.name), number(*figure), number(gate.must), number(gate.must * HEADROOM), number(gate.excellent), meanwhile, verdict.into()]);
    }
    table.markdown()
}
