//! `cargo xtask fuzz`: runs the fuzz targets with the stable compiler, as `cargo fuzz run -s none` would.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::Value;

use crate::command;

/// What makes a program a fuzzer: LLVM's pass that counts which branches are taken and compares operands, after the inlining.
/// `fuzzing` is what cargo-fuzz sets too.
const RUSTFLAGS: &str = "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares";

/// Longer inputs only find again what shorter ones find, slower. The limits of heads and bodies are beyond it, so seeds test those.
const MAX_INPUT_BYTES: usize = 4096;

/// Every check is done with an input in milliseconds; one that takes longer has found something that takes too long.
const MAX_SECONDS_PER_INPUT: u64 = 5;

/// The fuzzers, built.
pub(crate) struct Fuzzers {
    folder: PathBuf,
    programs: Vec<(String, PathBuf)>,
}

/// `cargo xtask fuzz [TARGET] [--seconds N] [--keep]`: runs each target for so long; with `keep`, then copies to the seeds what covers more than
/// they do.
pub(crate) fn run(root: &Path, target: Option<&str>, time: Duration, keep: bool) -> anyhow::Result<bool> {
    let fuzzers = build(root)?;
    if let Some(target) = target.filter(|target| !fuzzers.targets().any(|own| own == *target)) {
        bail!("no target is called {target}; there are {}", fuzzers.targets().collect::<Vec<_>>().join(", "));
    }
    let mut passed = true;
    for name in fuzzers.targets().filter(|name| target.is_none_or(|target| target == *name)) {
        println!("\n==== {name}");
        // The others are fuzzed all the same: they may take the whole night.
        if let Err(error) = fuzzers.fuzz(name, time) {
            eprintln!("error: {error:#}");
            passed = false;
        }
        if keep {
            fuzzers.keep(name)?;
        }
    }
    Ok(passed)
}

/// Builds the fuzzers. Naming the target that is the default anyway keeps build scripts and macros from being instrumented.
pub(crate) fn build(root: &Path) -> anyhow::Result<Fuzzers> {
    let host = command::output(Command::new("rustc").arg("-vV"))?;
    let host = host.lines().find_map(|line| line.strip_prefix("host: ")).context("rustc does not say what it compiles for")?;
    let mut build = command::cargo();
    build.args(["build", "--package", "connectors-fuzz", "--bins", "--profile", "fuzz", "--message-format=json-render-diagnostics", "--target", host]);
    let messages = command::output(build.env("RUSTFLAGS", RUSTFLAGS).current_dir(root))?;
    let programs = messages.lines().filter_map(|line| program(&serde_json::from_str(line).ok()?)).collect();
    Ok(Fuzzers { folder: root.join("fuzz"), programs })
}

fn program(message: &Value) -> Option<(String, PathBuf)> {
    let path = message["executable"].as_str()?;
    Some((message["target"]["name"].as_str()?.to_owned(), path.into()))
}

impl Fuzzers {
    /// The names of the targets.
    pub(crate) fn targets(&self) -> impl Iterator<Item = &str> {
        self.programs.iter().map(|(name, _)| name.as_str())
    }

    /// Runs one for so long, or until it finds something, which fails. What it learns is kept in `fuzz/corpus`, what it finds in
    /// `fuzz/artifacts`: where cargo-fuzz has them.
    pub(crate) fn fuzz(&self, target: &str, time: Duration) -> anyhow::Result<()> {
        let (corpus, artifacts) = (self.made("corpus", target)?, self.made("artifacts", target)?);
        let mut fuzz = self.command(target)?;
        fuzz.arg(corpus).arg(self.seeds(target));
        fuzz.arg(format!("-artifact_prefix={}/", artifacts.display())).arg(format!("-dict={}", self.folder.join("dictionary.txt").display()));
        fuzz.args([
            format!("-max_total_time={}", time.as_secs()),
            format!("-max_len={MAX_INPUT_BYTES}"),
            format!("-timeout={MAX_SECONDS_PER_INPUT}"),
            "-print_final_stats=1".to_owned(),
            "-verbosity=0".to_owned(),
        ]);
        command::run(&mut fuzz).with_context(|| {
            let folder = artifacts.display();
            format!("what it found is in {folder}; try it with `cargo run -p connectors-fuzz --bin {target} -- FILE`, mend it, and keep it as a seed")
        })
    }

    /// Copies to the seeds what the corpus covers and they don't.
    fn keep(&self, target: &str) -> anyhow::Result<()> {
        let mut merge = self.command(target)?;
        // Which branches are taken, not how often: few files say as much as many.
        merge.args(["-merge=1", "-use_counters=0", "-verbosity=0"]).arg(self.seeds(target)).arg(self.made("corpus", target)?);
        command::run(&mut merge)
    }

    fn command(&self, target: &str) -> anyhow::Result<Command> {
        let (_, program) = self.programs.iter().find(|(name, _)| name == target).with_context(|| format!("no target is called {target}"))?;
        Ok(Command::new(program))
    }

    fn seeds(&self, target: &str) -> PathBuf {
        self.folder.join("seeds").join(target)
    }

    fn made(&self, kind: &str, target: &str) -> anyhow::Result<PathBuf> {
        let folder = self.folder.join(kind).join(target);
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        Ok(folder)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_cargo_built_is_found() {
        let message = |executable: Value| json!({"reason": "compiler-artifact", "executable": executable, "target": {"name": "target"}});
        assert_eq!(program(&message(json!("/t/fuzz/target"))), Some(("target".into(), "/t/fuzz/target".into())));
        assert_eq!(program(&message(Value::Null)), None);
        assert_eq!(program(&json!({"reason": "build-finished", "success": true})), None);
    }
}
