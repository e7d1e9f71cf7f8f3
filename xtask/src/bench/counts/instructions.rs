//! User instructions, by valgrind's callgrind: it counts every one, and comes to nearly the same number each time.
//!
//! What starting and stopping take is in it too, so two runs of different lengths are compared.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use super::super::connectors::Connectors;
use super::super::cpus::Side;
use super::super::world::{Served, World};
use super::requests::{self, ASKED};

/// The lengths of the two runs, in requests of all connections together: in the short one each Connector is asked so often that everything is known of it
/// that is ever remembered, which takes two requests.
pub(super) const SHORT: usize = 3 * ASKED + 200;
pub(super) const LONG: usize = 2 * SHORT;

/// Functions of the thread that follows the folder. It looks through the folder every few seconds, requests or not, so that what it takes depends on
/// how slow valgrind is; it is left out, and with it the thread that started everything.
const FOLLOWING: &str = "connectors_standalone::folder::";
/// Functions of the threads that serve and that write records.
const SERVING: &str = "connectors_proxy::";

/// Both runs' files, one a thread.
pub(super) struct Runs {
    pub(super) short: Vec<PathBuf>,
    pub(super) long: Vec<PathBuf>,
}

impl Runs {
    /// Runs the proxy under callgrind, twice, with so many connections busy.
    pub(super) fn make(world: &World, served: &Served, connectors: usize, connections: usize) -> anyhow::Result<Self> {
        let run = |count: usize| {
            let name = format!("callgrind-{connectors}-{connections}-{count}");
            let mut command = world.cpus.command(Side::Measured, "valgrind");
            command.args(["--tool=callgrind", "--separate-threads=yes"]);
            command.arg(format!("--callgrind-out-file={}", world.folder().join(&name).display())).arg(&world.binary);
            // An accepted token is checked again after ten seconds, which here is once in a thousand requests and elsewhere in hundreds of thousands.
            command.env("CONNECTORS_TOKEN_ACCEPTED_FOR", "1h");
            let proxy = Connectors::start(world, served, 1, command)?;
            requests::send(proxy.listen, served, connectors, connections, count / connections)?;
            proxy.process.terminate()?;
            serving_threads(world.folder(), &name)
        };
        Ok(Self { short: run(SHORT)?, long: run(LONG)? })
    }

    /// Instructions a request.
    pub(super) fn per_request(&self) -> anyhow::Result<f64> {
        Ok((total(&self.long)? - total(&self.short)?) / (LONG - SHORT) as f64)
    }
}

/// The files of the threads that have to do with requests: callgrind wrote `NAME-01` and so on.
fn serving_threads(folder: &Path, name: &str) -> anyhow::Result<Vec<PathBuf>> {
    let (mut serving, mut following) = (Vec::new(), 0);
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let thread = entry.file_name().to_string_lossy().strip_prefix(name).is_some_and(|rest| rest.starts_with('-'));
        if thread {
            let text = std::fs::read_to_string(entry.path())?;
            if text.contains(FOLLOWING) {
                following += 1;
            } else if text.contains(SERVING) {
                serving.push(entry.path());
            }
        }
    }
    if serving.is_empty() || following == 0 {
        bail!("callgrind saw {following} threads with {FOLLOWING} and {} with {SERVING}: have they other names now?", serving.len());
    }
    Ok(serving)
}

fn total(files: &[PathBuf]) -> anyhow::Result<f64> {
    let total = |file: &PathBuf| {
        let text = std::fs::read_to_string(file).with_context(|| format!("callgrind left no {}", file.display()))?;
        read_total(&text).with_context(|| format!("{} has no total", file.display()))
    };
    files.iter().map(total).sum()
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
