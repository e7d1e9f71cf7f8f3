//! `cargo xtask test`: everything that must hold, in one command.

mod cargo;
mod report;
mod runner;

use std::path::Path;
use std::time::{Duration, Instant};

use report::{Outcome, Report};

use crate::bench::counts::Counted;
use crate::bench::counts::gates::Gate;
use crate::tools::{self, Missing, Tool};
use crate::{bench, command, fuzz, tidy};

/// What a suite can't do without, for those that need more than the rest of their kind.
const NEEDS: &[(&str, &[Tool])] = &[
    ("licences", &[Tool::CargoDeny]),
    ("counts", &[Tool::Measuring]),
    ("e2e: http_clients", &[Tool::Debian, Tool::Gitea, Tool::Python, Tool::MavenPlugins]),
    ("e2e: expressions", &[Tool::Templates, Tool::Rules]),
    ("e2e: h2spec", &[Tool::Debian, Tool::H2spec]),
    ("e2e: http2_clients", &[Tool::Debian, Tool::Python]),
    ("e2e: smuggling", &[Tool::Debian, Tool::Python]),
    ("e2e: servers", &[Tool::Debian, Tool::Gitea]),
    ("e2e: kubernetes", &[Tool::Debian, Tool::Kubernetes]),
    ("e2e: websockets", &[Tool::Debian, Tool::Python]),
];

/// The name of the step that fuzzes.
const FUZZ: &str = "fuzzing";

/// How long each fuzz target runs: long enough to see that it works and that no change broke it at once. `cargo xtask fuzz` runs longer.
const FUZZED_FOR: Duration = Duration::from_secs(10);

/// Runs everything, or the suites whose name has `filter` in it. `true` if nothing failed, and, in CI, nothing was left out.
pub(crate) fn run(root: &Path, filter: Option<&str>) -> anyhow::Result<bool> {
    let wanted = |name: &str| filter.is_none_or(|filter| name.contains(filter));
    let mut report = Report::default();

    if filter.is_none() {
        // First, since even the checks use git.
        step("programs");
        tools::install(root, &[Tool::Debian]);
    }

    step("checks");
    let checks: [(&str, &dyn Fn() -> anyhow::Result<()>); 3] = [
        ("format", &|| command::run(command::cargo().args(["fmt", "--all", "--check"]).current_dir(root))),
        ("tidy", &|| if tidy::run(root)? { Ok(()) } else { anyhow::bail!("see above") }),
        ("clippy", &|| command::run(command::cargo().args(["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"]).current_dir(root))),
    ];
    for (name, check) in checks.iter().filter(|(name, _)| wanted(name)) {
        report.add(check_one(name, check));
    }

    step("build");
    let began = Instant::now();
    let suites = match cargo::build(root) {
        Ok(suites) => suites,
        Err(error) => {
            report.add(Outcome::failed("build", began.elapsed(), &error));
            return Ok(report.print());
        }
    };
    let suites: Vec<_> = suites.into_iter().filter(|suite| wanted(&suite.name)).collect();

    step("tools");
    // By name only: what it finds at random isn't the doing of the change that is tested.
    let fuzzes = filter.is_some() && wanted(FUZZ);
    let others = ["licences", "counts"].into_iter().filter(|name| wanted(name)).chain(fuzzes.then_some(FUZZ));
    let names = suites.iter().map(|suite| suite.name.as_str()).chain(others);
    let needed: Vec<Tool> = names.flat_map(needs).copied().collect();
    let missing = tools::install(root, &needed);

    if wanted("licences") {
        step("licences");
        report.add(unless_missing("licences", &missing, || check_one("licences", &|| deny(root))));
    }
    for suite in &suites {
        step(&suite.name);
        report.add(unless_missing(&suite.name, &missing, || runner::run(suite)));
    }
    if wanted("examples in documentation") {
        step("examples in documentation");
        report.add(runner::run(&cargo::documentation(root)));
    }
    if fuzzes {
        step(FUZZ);
        report.add(unless_missing(FUZZ, &missing, || fuzz_all(root)));
    }
    if wanted("counts") {
        step("counts");
        report.add(unless_missing("counts", &missing, || counts(root)));
    }
    if filter.is_none() {
        println!("\nleft out, to be run by name: cargo xtask test {FUZZ}");
    }
    Ok(report.print())
}

/// What a request costs, counted: fails where it costs more than it did, and says how many figures are not yet what they must be.
fn counts(root: &Path) -> Outcome {
    let began = Instant::now();
    let counted = match bench::counts::run(root, Gate::is_exact) {
        Ok(counted) => counted,
        Err(error) => return Outcome::failed("counts", began.elapsed(), &error),
    };
    let number = |wanted: &dyn Fn(&Counted) -> bool| u32::try_from(counted.iter().filter(|counted| wanted(counted)).count()).unwrap_or(u32::MAX);
    let worse = number(&|counted| !counted.gate.held(counted.figure));
    let missed = number(&|counted| !counted.gate.met(counted.figure));
    let all = number(&|_| true);
    Outcome::new("counts", all - worse, worse, began.elapsed()).remarked(format!("{missed} of {all} not yet what they must be: cargo xtask bench counts"))
}

fn needs(name: &str) -> &'static [Tool] {
    let rest: &[Tool] = if name.starts_with("e2e") || name == FUZZ { &[Tool::Debian] } else { &[] };
    NEEDS.iter().find(|(own, _)| *own == name).map_or(rest, |(_, tools)| tools)
}

fn unless_missing(name: &str, missing: &[Missing], run: impl FnOnce() -> Outcome) -> Outcome {
    match missing.iter().find(|missing| needs(name).contains(&missing.tool)) {
        Some(missing) => Outcome::left_out(name, format!("{:#}", missing.why)),
        None => run(),
    }
}

fn check_one(name: &str, check: &dyn Fn() -> anyhow::Result<()>) -> Outcome {
    let began = Instant::now();
    println!("      {name}");
    match check() {
        Ok(()) => Outcome::new(name, 1, 0, began.elapsed()),
        Err(error) => Outcome::failed(name, began.elapsed(), &error),
    }
}

/// A short run of every fuzz target. The seeds are a suite like others: `fuzz: seeds`.
fn fuzz_all(root: &Path) -> Outcome {
    let began = Instant::now();
    let fuzzers = match fuzz::build(root) {
        Ok(fuzzers) => fuzzers,
        Err(error) => return Outcome::failed(FUZZ, began.elapsed(), &error),
    };
    let failures: Vec<_> = fuzzers.targets().filter_map(|target| fuzzers.fuzz(target, FUZZED_FOR).err()).collect();
    let passed = fuzzers.targets().count() - failures.len();
    let mut outcome = Outcome::new(FUZZ, passed as u32, 0, began.elapsed());
    failures.iter().for_each(|error| outcome.add_failure(format!("{error:#}")));
    outcome
}

/// Licences, sources and duplicates. Not the advisories: their database is not in a package registry.
fn deny(root: &Path) -> anyhow::Result<()> {
    command::run(tools::cargo_deny()?.args(["--log-level", "error", "check", "licenses", "bans", "sources"]).current_dir(root))
}

fn step(name: &str) {
    println!("\n==== {name}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_suite_needs_and_has_not_leaves_it_out() {
        let missing = [Missing { tool: Tool::Gitea, why: anyhow::anyhow!("no Go") }];
        let run = || Outcome::new("x", 1, 0, Default::default());
        assert_eq!(unless_missing("e2e: http_clients", &missing, run).left_out, 1);
        assert_eq!(unless_missing("e2e: git_clients", &missing, run).passed, 1);
        assert_eq!(unless_missing("core", &missing, run).passed, 1);
    }
}
