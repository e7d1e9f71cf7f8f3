//! The figures that are counted, and what each may come to. This is the only place with limits.

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Count {
    /// User instructions a request, with everything on, 16 connections busy.
    Instructions16,
    /// The same, one connection: then each request pays alone for the runtime's turns.
    Instructions1,
    /// System calls a request, 16 connections busy.
    SystemCalls16,
    /// System calls a request, one connection.
    SystemCalls1,
    /// Bytes of memory an idle connection.
    IdleMemory,
    /// Instructions a request with 10,000 Connectors, in parts of those with 10.
    ManyConnectors,
    /// CPU milliseconds from a Secret's change until it is in force, among 10,000 Connectors.
    SecretChanged,
    /// CPU milliseconds from the start until ready, with 10,000 Connectors.
    Start,
}

/// One figure and its limits, in the unit of its [`Count`].
pub(crate) struct Gate {
    pub(crate) count: Count,
    pub(crate) name: &'static str,
    pub(crate) unit: &'static str,
    /// What it must be. `cargo xtask bench counts` fails above this and [`HEADROOM`].
    pub(crate) must: f64,
    pub(crate) excellent: f64,
    /// What it is now, so that it gets no worse: more than it must be for the time being, or so much less that there is something to lose. `cargo xtask bench
    /// counts`, and for exact ones `cargo xtask test`, fail above this and [`HEADROOM`]. Lower it with every improvement, but leave room for slower machines in what isn't exact;
    /// `None` if it is nearly what it must be.
    pub(crate) meanwhile: Option<f64>,
}

/// Compilers and libraries change a little without anybody's doing.
pub(crate) const HEADROOM: f64 = 1.10;

/// In the order in which they are counted.
pub(crate) const GATES: [Gate; 8] = [
    Gate { count: Count::Instructions16, name: "user instructions a request, 16 connections", unit: "", must: 15_000.0, excellent: 11_000.0, meanwhile: None },
    Gate {
        count: Count::Instructions1,
        name: "user instructions a request, 1 connection",
        unit: "",
        must: 15_000.0,
        excellent: 11_000.0,
        meanwhile: Some(16_700.0),
    },
    Gate { count: Count::ManyConnectors, name: "the same with 16, 10,000 Connectors ÷ 10", unit: "", must: 1.05, excellent: 1.02, meanwhile: None },
    Gate { count: Count::SystemCalls16, name: "system calls a request, 16 connections", unit: "", must: 4.4, excellent: 4.1, meanwhile: None },
    Gate { count: Count::SystemCalls1, name: "system calls a request, 1 connection", unit: "", must: 6.0, excellent: 6.0, meanwhile: None },
    Gate { count: Count::IdleMemory, name: "memory an idle connection, of 10,000", unit: "B", must: 1_500.0, excellent: 800.0, meanwhile: None },
    Gate { count: Count::Start, name: "start with 10,000 Connectors", unit: "ms CPU", must: 3_000.0, excellent: 1_000.0, meanwhile: None },
    Gate { count: Count::SecretChanged, name: "one Secret of 10,000 changed, in force", unit: "ms CPU", must: 50.0, excellent: 5.0, meanwhile: Some(5.0) },
];

impl Gate {
    /// Whether a figure is what it must be.
    pub(crate) fn met(&self, figure: f64) -> bool {
        figure <= self.must * HEADROOM
    }

    /// Whether the figure is the same however busy the machine is. CPU time isn't quite.
    pub(crate) fn is_exact(&self) -> bool {
        !matches!(self.count, Count::Start | Count::SecretChanged)
    }

    /// Whether a figure is at least no worse than it has been.
    pub(crate) fn held(&self, figure: f64) -> bool {
        figure <= self.meanwhile.unwrap_or(self.must) * HEADROOM
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headroom_is_for_both_limits() {
        let gate = |meanwhile| Gate { count: Count::Start, name: "x", unit: "", must: 100.0, excellent: 50.0, meanwhile };
        assert!(gate(None).met(109.9) && gate(None).held(109.9));
        assert!(!gate(None).met(110.1) && !gate(None).held(110.1));
        assert!(gate(Some(10.0)).met(109.9) && gate(Some(10.0)).held(10.9) && !gate(Some(10.0)).held(11.1));
        assert!(!gate(Some(200.0)).met(219.9) && gate(Some(200.0)).held(219.9) && !gate(Some(200.0)).held(220.1));
    }

    #[test]
    fn what_is_excellent_is_no_more_than_what_must_be() {
        for gate in &GATES {
            assert!(gate.excellent <= gate.must, "{}", gate.name);
        }
    }
}
