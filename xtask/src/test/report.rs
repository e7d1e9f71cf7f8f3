//! The summary.

use std::fmt::Write as _;
use std::time::Duration;

/// What became of one suite.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) name: String,
    pub(super) passed: u32,
    pub(super) failed: u32,
    pub(super) left_out: u32,
    took: Duration,
    /// What the numbers don't say.
    remark: Option<String>,
}

impl Outcome {
    pub(super) fn new(name: &str, passed: u32, failed: u32, took: Duration) -> Self {
        Self { name: name.to_owned(), passed, failed, took, ..Self::default() }
    }

    /// A suite that failed as a whole.
    pub(super) fn failed(name: &str, took: Duration, why: &anyhow::Error) -> Self {
        let mut outcome = Self::new(name, 0, 0, took);
        outcome.add_failure(format!("{why:#}"));
        outcome
    }

    /// A suite that could not be run.
    pub(super) fn left_out(name: &str, why: String) -> Self {
        Self { name: name.to_owned(), left_out: 1, remark: Some(why), ..Self::default() }
    }

    /// With something to say beside the numbers.
    pub(super) fn remarked(mut self, remark: String) -> Self {
        self.remark = Some(remark);
        self
    }

    /// One failure more than the tests have counted.
    pub(super) fn add_failure(&mut self, why: String) {
        self.failed += 1;
        self.remark = Some(why);
    }
}

/// What became of all.
#[derive(Default)]
pub(super) struct Report {
    outcomes: Vec<Outcome>,
}

impl Report {
    pub(super) fn add(&mut self, outcome: Outcome) {
        self.outcomes.push(outcome);
    }

    /// Prints the table, and last the line with the sums. `true` if nothing failed, and, in CI, nothing was left out.
    pub(super) fn print(&self) -> bool {
        let in_ci = std::env::var_os("CI").is_some_and(|value| !value.is_empty() && value != "false");
        println!("\n{}", self.table(in_ci));
        self.good(in_ci)
    }

    fn good(&self, in_ci: bool) -> bool {
        let sum = |count: fn(&Outcome) -> u32| self.outcomes.iter().map(count).sum::<u32>();
        sum(|outcome| outcome.failed) == 0 && sum(|outcome| outcome.passed) > 0 && !(in_ci && sum(|outcome| outcome.left_out) > 0)
    }

    fn table(&self, in_ci: bool) -> String {
        // Test programs without tests would only make it longer.
        let rows = || self.outcomes.iter().filter(|outcome| outcome.passed + outcome.failed + outcome.left_out > 0);
        let width = rows().map(|outcome| outcome.name.len()).max().unwrap_or(0).max("suite".len());
        let mut table = format!("{:width$}  passed  failed  left out  seconds\n", "suite");
        for outcome in rows() {
            let Outcome { name, passed, failed, left_out, took, remark } = outcome;
            let first_line = remark.as_deref().and_then(|remark| remark.lines().next()).map_or_else(String::new, |remark| format!("  {remark}"));
            let _ = writeln!(table, "{name:width$}  {passed:6}  {failed:6}  {left_out:8}  {:7.1}{first_line}", took.as_secs_f64());
        }
        let sum = |count: fn(&Outcome) -> u32| self.outcomes.iter().map(count).sum::<u32>();
        let (passed, failed, left_out) = (sum(|outcome| outcome.passed), sum(|outcome| outcome.failed), sum(|outcome| outcome.left_out));
        if in_ci && left_out > 0 {
            table.push_str("\nIn CI, what is left out counts as failed.\n");
        }
        let _ = write!(table, "\n{passed} passed, {failed} failed, {left_out} skipped");
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(outcomes: Vec<Outcome>) -> Report {
        Report { outcomes }
    }

    #[test]
    fn the_last_line_has_the_sums() {
        let mut ended = Outcome::new("b", 2, 0, Duration::ZERO);
        ended.add_failure("ended with signal 9".into());
        let table = report(vec![Outcome::new("a", 3, 1, Duration::from_millis(1500)), ended, Outcome::left_out("c", "no Go\nat all".into())]).table(false);
        assert!(table.ends_with("\n5 passed, 2 failed, 1 skipped"), "{table}");
        assert!(table.contains("a           3       1         0      1.5\n"), "{table}");
        assert!(table.contains("ended with signal 9") && table.contains("no Go\n") && !table.contains("at all"), "{table}");
    }

    #[test]
    fn what_is_left_out_counts_in_ci() {
        let report = report(vec![Outcome::new("a", 1, 0, Duration::ZERO), Outcome::left_out("b", "no Go".into())]);
        assert!(report.good(false) && !report.good(true));
    }

    #[test]
    fn a_failure_counts_everywhere() {
        let report = report(vec![Outcome::new("a", 1, 1, Duration::ZERO)]);
        assert!(!report.good(false) && !report.good(true));
    }

    #[test]
    fn no_test_at_all_is_no_success() {
        assert!(!report(vec![]).good(false));
    }
}
