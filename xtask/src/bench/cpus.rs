//! Who runs where: what is measured on CPUs of its own, so that neither the load nor the tools behind take its time.

use std::ffi::OsStr;
use std::process::Command;

/// The CPUs of the machine, divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cpus {
    all: usize,
}

/// For whom a program runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// It is measured.
    Measured,
    /// It makes the load, or is the tool behind.
    Around,
}

impl Cpus {
    /// Those that this process may use.
    pub(super) fn here() -> Self {
        Self { all: std::thread::available_parallelism().map_or(1, usize::from) }
    }

    /// How many there are.
    pub(super) fn all(self) -> usize {
        self.all
    }

    /// How many the measured server has, and how many threads or workers it is given: the smaller half, at least one. A request costs the
    /// load and the tool together about as much as the proxy, so with the larger half they aren't what is waited for.
    pub(super) fn measured(self) -> usize {
        (self.all / 2).max(1)
    }

    /// `program`, to be run on its side, and to end with the thread that starts it even where that is killed. On a machine with one CPU
    /// everything shares it.
    pub(super) fn command(self, side: Side, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "TERM"]);
        if let Some(list) = self.list(side) {
            command.args(["taskset", "--cpu-list", &list]);
        }
        command.arg(program);
        command
    }

    fn list(self, side: Side) -> Option<String> {
        let around = self.all - self.measured();
        if around == 0 {
            return None;
        }
        Some(match side {
            Side::Around => format!("0-{}", around - 1),
            Side::Measured => format!("{around}-{}", self.all - 1),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sides_do_not_overlap() {
        let lists = |all| (Cpus { all }.list(Side::Around), Cpus { all }.list(Side::Measured));
        assert_eq!(lists(1), (None, None));
        assert_eq!(lists(2), (Some("0-0".into()), Some("1-1".into())));
        assert_eq!(lists(5), (Some("0-2".into()), Some("3-4".into())));
        assert_eq!(Cpus { all: 5 }.measured(), 2);
    }
}
