//! `cargo xtask test`: everything that must hold, in one command.

mod cargo;
mod report;
mod runner;

use std::path::Path;
use std::time::Instant;

use report::{Outcome, Report};

use crate::tools::{self, Missing, Tool};
use crate::{command, tidy};

/// What a suite can't do without, for those that need more than the rest of their kind.
const NEEDS: &[(&str, &[Tool])] = &[
    ("licences", &[Tool::CargoDeny]),
    ("e2e: http_clients", &[Tool::Debian, Tool::Gitea, Tool::Python, Tool::MavenPlugins]),
    ("e2e: servers", &[Tool::Debian, Tool::Gitea]),
    ("e2e: kubernetes", &[Tool::Debian, Tool::Kubernetes]),
    ("e2e: websockets", &[Tool::Debian, Tool::Python]),
];

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
    let names = suites.iter().map(|suite| suite.name.as_str()).chain(wanted("licences").then_some("licences"));
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
    Ok(report.print())
}

fn needs(name: &str) -> &'static [Tool] {
    let rest: &[Tool] = if name.starts_with("e2e") { &[Tool::Debian] } else { &[] };
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
