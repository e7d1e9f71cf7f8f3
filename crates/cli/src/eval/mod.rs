//! `connectors eval`: templates, Rego and CEL, for authors of classes.

mod answer;
mod caret;
mod cases;
mod single;

use std::process::ExitCode;
use std::thread;

use anyhow::Context as _;

use crate::args::EvalArgs;

/// What an expression is evaluated on. The limits of crates/expr and crates/template are for threads with 2 MiB; data that is nested deeply is read here too.
const STACK_BYTES: usize = 64 << 20;

/// Answers one expression, or many cases.
pub(crate) fn run(arguments: &EvalArgs) -> anyhow::Result<ExitCode> {
    thread::scope(|scope| {
        let evaluate = || match (&arguments.expression, &arguments.cases) {
            (Some(expression), _) => single::run(expression),
            (None, Some(path)) => cases::run(path),
            (None, None) => anyhow::bail!("evaluate what? connectors eval template|rego|cel, or connectors eval --cases FILE"),
        };
        let thread = thread::Builder::new().name("eval".into()).stack_size(STACK_BYTES).spawn_scoped(scope, evaluate).context("can't start a thread")?;
        thread.join().unwrap_or_else(|_| Err(anyhow::anyhow!("the evaluation ended abruptly: this is a defect of the program")))
    })
}
