//! User instructions, by valgrind's callgrind: it counts every one, and comes to nearly the same number each time.
//!
//! What starting and stopping take is in it too, so two runs of different lengths are compared.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::super::connectors::Connectors;
use super::super::cpus::Side;
use super::super::world::{Served, World};
use super::requests;

/// The lengths of the two runs, in requests on one connection.
pub(super) const SHORT: usize = 200;
pub(super) const LONG: usize = 1200;

/// Both runs' files.
pub(super) struct Runs {
    pub(super) short: PathBuf,
    pub(super) long: PathBuf,
}

impl Runs {
    /// Runs the proxy under callgrind, twice.
    pub(super) fn make(world: &World, served: &Served, connectors: usize) -> anyhow::Result<Self> {
        let run = |count: usize| {
            let file = world.folder().join(format!("callgrind-{connectors}-{count}"));
            let mut command = world.cpus.command(Side::Measured, "valgrind");
            command.arg("--tool=callgrind").arg(format!("--callgrind-out-file={}", file.display())).arg(&world.binary);
            // An accepted token is checked again after ten seconds, which here is once in a thousand requests and elsewhere in hundreds of thousands.
            command.env("CONNECTORS_TOKEN_ACCEPTED_FOR", "1h");
            let proxy = Connectors::start(world, served, 1, command)?;
            requests::send(proxy.listen, served, connectors, 1, count)?;
            proxy.process.terminate()?;
            anyhow::Ok(file)
        };
        Ok(Self { short: run(SHORT)?, long: run(LONG)? })
    }

    /// Instructions a request.
    pub(super) fn per_request(&self) -> anyhow::Result<f64> {
        Ok((total(&self.long)? - total(&self.short)?) / (LONG - SHORT) as f64)
    }
}

fn total(file: &Path) -> anyhow::Result<f64> {
    let text = std::fs::read_to_string(file).with_context(|| format!("callgrind left no {}", file.display()))?;
    read_total(&text).with_context(|| format!("{} has no total", file.display()))
}

fn read_total(text: &str) -> Option<f64> {
    text.lines().rev().find_map(|line| line.strip_prefix("totals: "))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_is_in_the_last_lines() {
        assert_eq!(read_total("version: 1\nsummary: 12\n\nfn=(1)\n1 5\n\ntotals: 12345\n"), Some(12345.0));
        assert_eq!(read_total("version: 1\n"), None);
    }
}
