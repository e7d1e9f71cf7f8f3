//! `cargo xtask bench`: a race against nginx and haproxy, counts that don't depend on how busy the machine is, and expressions against Go's.

mod client;
mod connectors;
pub(crate) mod counts;
mod cpus;
mod expressions;
mod figures;
mod generator;
mod haproxy;
mod load;
mod manifests;
mod nginx;
mod picture;
mod process;
mod race;
mod report;
mod stats;
mod table;
mod tool;
mod tunnel;
mod usage;
mod world;

use std::path::Path;

use anyhow::{Context as _, bail};

use crate::tools::{self, Tool};

/// How the race is run.
#[derive(Debug, PartialEq, Eq)]
struct Options {
    rounds: u32,
    seconds: u32,
    /// Only the loads whose name has this in it.
    only: Option<String>,
    /// Whether the documentation is to have the results.
    write: bool,
}

/// Runs what the arguments ask for. `true` if everything is as it must be.
pub(crate) fn run(root: &Path, arguments: &[&str]) -> anyhow::Result<bool> {
    match *arguments {
        ["counts"] => count(root, None),
        ["counts", only] => count(root, Some(only)),
        ["expressions", ref arguments @ ..] => expressions::run(root, arguments),
        ["profile"] => profile(root, counts::FEW),
        ["profile", "many"] => profile(root, counts::MANY),
        _ => race(root, &options(arguments)?),
    }
}

/// A full run writes the documentation, a quick or partial one does not, unless it is told to.
fn options(arguments: &[&str]) -> anyhow::Result<Options> {
    let mut options = Options { rounds: 9, seconds: 3, only: None, write: true };
    let mut write = false;
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().with_context(|| format!("{argument} needs a value"));
        match *argument {
            "--rounds" => options.rounds = value()?.parse().ok().filter(|rounds| *rounds > 0).context("--rounds needs a number from 1")?,
            "--quick" => (options.rounds, options.seconds, options.write) = (3, 1, false),
            "--only" => (options.only, options.write) = (Some((*value()?).to_owned()), false),
            "--write" => write = true,
            _ => bail!("{argument} is no option of bench; see `cargo xtask help`"),
        }
    }
    options.write |= write;
    Ok(options)
}

fn race(root: &Path, options: &Options) -> anyhow::Result<bool> {
    install(root)?;
    let loads: Vec<_> = load::LOADS.iter().filter(|load| options.only.as_ref().is_none_or(|only| load.name().contains(only.as_str()))).collect();
    if loads.is_empty() {
        bail!("no load has {:?} in its name", options.only.as_deref().unwrap_or_default());
    }
    let world = world::World::create(root)?;
    let surroundings = report::surroundings();
    let rows = race::run(&world, &loads, options.rounds, options.seconds)?;
    let markdown = report::markdown(&rows, &surroundings, options.rounds, options.seconds);
    println!("\n{markdown}");
    if options.write {
        report::write(root, &rows, &markdown)?;
    }
    Ok(rows.iter().filter_map(figures::Figures::of).all(|figures| figures.met() != Some(false)))
}

fn count(root: &Path, only: Option<&str>) -> anyhow::Result<bool> {
    install(root)?;
    let counted = counts::run(root, |gate| only.is_none_or(|only| gate.name.contains(only)))?;
    if counted.is_empty() {
        bail!("no count has {:?} in its name", only.unwrap_or_default());
    }
    Ok(counted.iter().all(|counted| counted.gate.met(counted.figure) && counted.gate.held(counted.figure)))
}

fn profile(root: &Path, connectors: usize) -> anyhow::Result<bool> {
    install(root)?;
    counts::profile(root, connectors)?;
    Ok(true)
}

fn install(root: &Path) -> anyhow::Result<()> {
    match tools::install(root, &[Tool::Measuring]).pop() {
        Some(missing) => Err(missing.why),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_full_run_is_written_unasked() {
        let parsed = |arguments: &[&str]| options(arguments).map(|options| (options.rounds, options.seconds, options.only, options.write)).unwrap();
        assert_eq!(parsed(&[]), (9, 3, None, true));
        assert_eq!(parsed(&["--rounds", "11"]), (11, 3, None, true));
        assert_eq!(parsed(&["--quick"]), (3, 1, None, false));
        assert_eq!(parsed(&["--quick", "--rounds", "5"]), (5, 1, None, false));
        assert_eq!(parsed(&["--write", "--only", "64 B"]), (9, 3, Some("64 B".into()), true));
    }

    #[test]
    fn what_is_no_option_is_named() {
        let error = |arguments: &[&str]| options(arguments).unwrap_err().to_string();
        assert_eq!(error(&["--rounds"]), "--rounds needs a value");
        assert_eq!(error(&["--rounds", "0"]), "--rounds needs a number from 1");
        assert!(error(&["--fast"]).starts_with("--fast is no option"));
    }
}
