//! System calls, by strace: two runs of different lengths, as with instructions.

use std::collections::BTreeMap;

use anyhow::{Context as _, bail};

use super::super::connectors::Connectors;
use super::super::cpus::Side;
use super::super::world::{Served, World};
use super::requests;

/// The lengths of the two runs, in requests of all connections together.
const SHORT: usize = 1_600;
const LONG: usize = 9_600;

/// All of them together, in strace's summary.
pub(super) const TOTAL: &str = "total";

/// System calls a request by name, and [`TOTAL`], with so many connections busy.
pub(super) fn per_request(world: &World, served: &Served, connectors: usize, connections: usize) -> anyhow::Result<BTreeMap<String, f64>> {
    let run = |count: usize| {
        let file = world.folder().join(format!("strace-{connections}-{count}"));
        let mut command = world.cpus.command(Side::Measured, "strace");
        command.args(["--follow-forks", "--summary-only", "--output"]).arg(&file).arg(&world.binary);
        let proxy = Connectors::start(world, served, 1, command)?;
        requests::send(proxy.listen, served, connectors, connections, count / connections)?;
        proxy.process.terminate()?;
        let text = std::fs::read_to_string(&file).with_context(|| format!("strace left no {}", file.display()))?;
        let calls = calls(&text);
        if !calls.contains_key(TOTAL) {
            bail!("{} has no total: {text}", file.display());
        }
        Ok(calls)
    };
    let (short, mut long) = (run(SHORT)?, run(LONG)?);
    for (name, calls) in &mut long {
        *calls = (*calls - short.get(name).copied().unwrap_or(0.0)) / (LONG - SHORT) as f64;
    }
    Ok(long)
}

/// The columns `calls` and `syscall`: `100.00    0.037110           4      8043        12 total`; the errors, before the name, may be absent.
fn calls(summary: &str) -> BTreeMap<String, f64> {
    let row = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        Some(((*words.last()?).to_owned(), words.get(3)?.parse().ok()?))
    };
    summary.lines().filter_map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_read() {
        let summary = "% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 60.00    0.020000           4      5000        12 recvfrom
 40.00    0.017110           4      3043           writev
------ ----------- ----------- --------- --------- ----------------
100.00    0.037110           4      8043        12 total
";
        let expected = [("recvfrom", 5000.0), (TOTAL, 8043.0), ("writev", 3043.0)];
        assert_eq!(calls(summary), expected.map(|(name, calls)| (name.to_owned(), calls)).into());
    }
}
