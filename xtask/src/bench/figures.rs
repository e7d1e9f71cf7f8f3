//! From samples to figures: medians, ratios within a round, and whether they are what they must be.

use super::load::Load;
use super::race::{Row, Sample};
use super::stats::Spread;

/// The figures of one load.
pub(super) struct Figures {
    pub(super) load: &'static Load,
    /// CPU time: µs a request, or seconds a GB where it is a matter of bytes.
    pub(super) cpu: Race,
    /// Requests a second, or MB a second.
    pub(super) throughput: Race,
    /// Bytes, in the middle of a run.
    pub(super) memory: Race,
    /// How much of the time they ran or waited for their CPU.
    pub(super) busy: [f64; 3],
}

/// One quantity of the three.
pub(super) struct Race {
    /// Medians: connectors, nginx, haproxy.
    pub(super) values: [f64; 3],
    /// connectors' in parts of the other's in the same round.
    pub(super) to_nginx: Spread,
    pub(super) to_haproxy: Spread,
    /// haproxy's in parts of nginx's.
    pub(super) haproxy_to_nginx: Spread,
}

impl Figures {
    /// `None` without samples.
    pub(super) fn of(row: &Row) -> Option<Self> {
        let rounds = row.rounds.as_ref().ok()?;
        let large = row.load.body.is_large();
        let work = |sample: &Sample| if large { sample.bytes as f64 } else { sample.requests as f64 };
        let cpu = |sample: &Sample| sample.cpu.as_secs_f64() / work(sample) * if large { 1e9 } else { 1e6 };
        let throughput = |sample: &Sample| work(sample) / sample.seconds / if large { 1e6 } else { 1.0 };
        Some(Self {
            load: row.load,
            cpu: Race::of(rounds, cpu)?,
            throughput: Race::of(rounds, throughput)?,
            memory: Race::of(rounds, |sample| sample.memory as f64)?,
            busy: medians(rounds, |sample| sample.busy)?,
        })
    }

    /// Whether the CPU time is at most what it must be; `None` if nothing is demanded.
    pub(super) fn met(&self) -> Option<bool> {
        let must = self.load.must;
        let demands = [(must.nginx, self.cpu.to_nginx), (must.haproxy, self.cpu.to_haproxy)];
        let met: Vec<bool> = demands.iter().filter_map(|(limit, ratio)| limit.map(|limit| ratio.median <= limit)).collect();
        (!met.is_empty()).then(|| met.iter().all(|met| *met))
    }
}

impl Race {
    fn of(rounds: &[[Sample; 3]], quantity: impl Fn(&Sample) -> f64) -> Option<Self> {
        let ratio = |of: usize, to: usize| Spread::of(rounds.iter().map(|samples| quantity(&samples[of]) / quantity(&samples[to])));
        Some(Self { values: medians(rounds, &quantity)?, to_nginx: ratio(0, 1)?, to_haproxy: ratio(0, 2)?, haproxy_to_nginx: ratio(2, 1)? })
    }
}

fn medians(rounds: &[[Sample; 3]], quantity: impl Fn(&Sample) -> f64) -> Option<[f64; 3]> {
    let median = |system: usize| Spread::of(rounds.iter().map(|samples| quantity(&samples[system]))).map(|spread| spread.median);
    Some([median(0)?, median(1)?, median(2)?])
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::load::{LOADS, Must};
    use super::*;

    fn sample(milliseconds: u64, requests: u64) -> Sample {
        Sample { cpu: Duration::from_millis(milliseconds), requests, bytes: requests * 100, seconds: 2.0, memory: 1000, busy: 0.5 }
    }

    #[test]
    fn ratios_are_those_of_a_round() {
        // The machine was half as fast in the second round, which no ratio shows.
        let rounds = vec![[sample(100, 100), sample(200, 100), sample(400, 100)], [sample(200, 100), sample(400, 100), sample(800, 100)]];
        let figures = Figures::of(&Row { load: &LOADS[1], rounds: Ok(rounds) }).unwrap();
        assert_eq!(figures.cpu.to_nginx, Spread { median: 0.5, lower: 0.5, upper: 0.5 });
        assert_eq!((figures.cpu.to_haproxy.median, figures.cpu.haproxy_to_nginx.median), (0.25, 2.0));
        assert_eq!(figures.cpu.values, [1500.0, 3000.0, 6000.0]);
        assert_eq!(figures.throughput.values, [50.0; 3]);
    }

    #[test]
    fn every_demand_must_be_met() {
        let rounds = || Ok(vec![[sample(75, 100), sample(100, 100), sample(100, 100)]]);
        let met = |nginx, haproxy| {
            let load = Box::leak(Box::new(Load { must: Must { nginx, haproxy }, ..LOADS[1] }));
            Figures::of(&Row { load, rounds: rounds() }).unwrap().met()
        };
        assert_eq!(met(None, None), None);
        assert_eq!(met(Some(0.8), None), Some(true));
        assert_eq!(met(Some(0.8), Some(0.7)), Some(false));
    }
}
