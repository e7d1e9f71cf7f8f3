//! The project's own commands: `cargo xtask tidy`, `cargo xtask tools`, `cargo xtask test`, `cargo xtask bench`, `cargo xtask fuzz`, `cargo xtask soak`, `cargo xtask expressions`.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command for people: what it does is what it prints")]

mod bench;
mod command;
mod expressions;
mod fuzz;
mod release;
mod soak;
mod test;
mod tidy;
mod tools;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

const HELP: &str = "\
cargo xtask tidy            What no compiler checks: crate edges, file sizes, links, leftovers
cargo xtask tools           Install and build what the tests with real tools need
cargo xtask test [FILTER]   Everything: format, lints, licences, and every test, or the suites whose name has FILTER in it
cargo xtask bench           A race against nginx and haproxy, written into docs/performance.md: 9 rounds, half an hour
    --rounds N              So many rounds
    --quick                 3 short rounds, not written
    --only TEXT             Only the loads with TEXT in their name, not written
    --write                 Written even so
cargo xtask bench expressions [--quick] [--write]
                            Expressions against Go's templates and OPA, and how soon hazards end, written into docs/expressions.md if asked
cargo xtask bench counts [FILTER]
                            What a request, a connection and 10,000 Connectors cost, counted: fails where it is more than it must be
cargo xtask bench profile [many]
                            Where the instructions and system calls of a request go, with 10 Connectors or 10,000
cargo xtask fuzz [TARGET] [--seconds N] [--keep]
                            Fuzz one target or all, N seconds each [default: 60]; --keep copies what covers more to fuzz/seeds
cargo xtask soak [--seconds N] [--seed N]
                            64 connections with random faults on both sides, N seconds [default: 600]: no leak, nothing stuck or unaccounted for
cargo xtask expressions [--count N] [--seed N]
                            N random templates [default: 100000], as many modules of Rego and expressions of CEL, compared with Go's, OPA's and
                            cel-go's answers: once with the seed that is always the same, once with a new one, or only with the one given

$CONNECTORS_CACHE           where built tools are kept [default: ~/.cache/connectors]";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["tidy"] => tidy::run(root()),
        ["tools"] => tools::run(root()),
        ["test"] => test::run(root(), None),
        ["test", filter] => test::run(root(), Some(filter)),
        ["bench", ref arguments @ ..] => bench::run(root(), arguments),
        ["fuzz", ref options @ ..] => match fuzz_options(options) {
            Some((target, time, keep)) => fuzz::run(root(), target, time, keep),
            None => {
                eprintln!("{HELP}");
                return ExitCode::from(2);
            }
        },
        ["soak", ref options @ ..] => match soak_options(options) {
            Some((time, seed)) => soak::run(root(), time, seed),
            None => {
                eprintln!("{HELP}");
                return ExitCode::from(2);
            }
        },
        ["expressions", ref options @ ..] => match expressions_options(options) {
            Some((count, seed)) => expressions::run(root(), count, seed),
            None => {
                eprintln!("{HELP}");
                return ExitCode::from(2);
            }
        },
        ["help" | "--help" | "-h"] => {
            println!("{HELP}");
            return ExitCode::SUCCESS;
        }
        _ => {
            eprintln!("{HELP}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// `[TARGET] [--seconds N] [--keep]`, in any order.
fn fuzz_options<'a>(words: &[&'a str]) -> Option<(Option<&'a str>, Duration, bool)> {
    let (mut target, mut seconds, mut keep) = (None, 60, false);
    let mut words = words.iter();
    while let Some(&word) = words.next() {
        match word {
            "--seconds" => seconds = words.next()?.parse().ok().filter(|seconds| *seconds > 0)?,
            "--keep" => keep = true,
            _ if word.starts_with('-') || target.is_some() => return None,
            _ => target = Some(word),
        }
    }
    Some((target, Duration::from_secs(seconds), keep))
}

/// `[--seconds N] [--seed N]`, in any order.
fn soak_options(words: &[&str]) -> Option<(Duration, Option<u64>)> {
    let (mut seconds, mut seed) = (600, None);
    let mut words = words.iter();
    while let Some(&word) = words.next() {
        let number = words.next()?.parse().ok()?;
        match word {
            "--seconds" if number > 0 => seconds = number,
            "--seed" => seed = Some(number),
            _ => return None,
        }
    }
    Some((Duration::from_secs(seconds), seed))
}

/// `[--count N] [--seed N]`, in any order.
fn expressions_options(words: &[&str]) -> Option<(u64, Option<u64>)> {
    let (mut count, mut seed) = (100_000, None);
    let mut words = words.iter();
    while let Some(&word) = words.next() {
        let number = words.next()?.parse().ok()?;
        match word {
            "--count" if number > 0 => count = number,
            "--seed" => seed = Some(number),
            _ => return None,
        }
    }
    Some((count, seed))
}

/// The workspace's folder.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."))
}

/// Where built tools are kept: outside of the clone, so that a fresh one doesn't build them again.
fn cache() -> anyhow::Result<PathBuf> {
    let chosen = std::env::var_os("CONNECTORS_CACHE").map(PathBuf::from);
    let default = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache/connectors"));
    chosen.or_else(default).ok_or_else(|| anyhow::anyhow!("neither CONNECTORS_CACHE nor HOME is set"))
}
