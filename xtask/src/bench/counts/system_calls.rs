//! System calls, by strace: two runs of different lengths, as with instructions.

use anyhow::Context as _;

use super::super::connectors::Connectors;
use super::super::cpus::Side;
use super::super::world::{Served, World};
use super::requests;

/// The lengths of the two runs, in requests of all connections together.
const SHORT: usize = 1_600;
const LONG: usize = 9_600;

/// System calls a request, with so many connections busy.
pub(super) fn per_request(world: &World, served: &Served, connectors: usize, connections: usize) -> anyhow::Result<f64> {
    let run = |count: usize| {
        let file = world.folder().join(format!("strace-{connections}-{count}"));
        let mut command = world.cpus.command(Side::Measured, "strace");
        command.args(["--follow-forks", "--summary-only", "--output"]).arg(&file).arg(&world.binary);
        let proxy = Connectors::start(world, served, 1, command)?;
        requests::send(proxy.listen, served, connectors, connections, count / connections)?;
        proxy.process.terminate()?;
        let text = std::fs::read_to_string(&file).with_context(|| format!("strace left no {}", file.display()))?;
        total(&text).with_context(|| format!("{} has no total: {text}", file.display()))
    };
    Ok((run(LONG)? - run(SHORT)?) / (LONG - SHORT) as f64)
}

/// The sum below the column `calls`: `100.00    0.037110           4      8043        12 total`; the errors may be absent.
fn total(summary: &str) -> Option<f64> {
    let line = summary.lines().rev().find(|line| line.ends_with(" total"))?;
    line.split_whitespace().nth(3)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_of_the_calls_is_read() {
        let heading = "% time     seconds  usecs/call     calls    errors syscall\n------ ----------- ----------- --------- --------- ----------------\n";
        assert_eq!(total(&format!("{heading}100.00    0.037110           4      8043        12 total\n")), Some(8043.0));
        assert_eq!(total(&format!("{heading}100.00    0.037110           4      8043           total\n")), Some(8043.0));
        assert_eq!(total(heading), None);
    }
}
