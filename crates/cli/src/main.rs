//! The `connectors` binary: one file a subcommand.
//!
//! This is the composition root: it knows every crate and wires them together; nothing else does.

mod absence;
mod admin;
mod args;
mod check;
mod client_env;
mod completions;
mod conditions;
mod config_env;
mod demo;
mod directory_metrics;
mod eval;
mod exec;
mod get;
mod identity;
mod logging;
mod mount;
mod own_answers;
mod private_folder;
mod proxy_address;
mod render;
mod server;
mod standalone;
mod token;
mod yaml;

use std::io;
use std::process::ExitCode;

use clap::Parser as _;

use crate::args::{Arguments, Subcommand};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match arguments.command {
        Subcommand::Standalone(arguments) => standalone::run(&arguments),
        Subcommand::Demo(arguments) => demo::run(&arguments),
        Subcommand::Check(arguments) => check::run(&arguments),
        Subcommand::Token(arguments) => token::run(&arguments),
        Subcommand::Exec(arguments) => exec::run(&arguments),
        Subcommand::Env(arguments) => exec::print(&arguments),
        Subcommand::Render(arguments) => render::run(&arguments),
        Subcommand::Get(arguments) => get::run(&arguments),
        Subcommand::Eval(arguments) => eval::run(&arguments),
        Subcommand::Completions(arguments) => completions::run(&arguments),
    };
    match outcome {
        Ok(code) => code,
        // Whoever read the output has seen enough (`| head`).
        Err(error) if is_broken_pipe(&error) => ExitCode::from(EXIT_BROKEN_PIPE),
        Err(error) => {
            logging::complain(&error);
            ExitCode::FAILURE
        }
    }
}

/// As shells have it for a command that SIGPIPE ended, which Rust programs ignore.
const EXIT_BROKEN_PIPE: u8 = 141;

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let kind = match (error.downcast_ref::<io::Error>(), error.downcast_ref::<serde_json::Error>()) {
        (Some(error), _) => Some(error.kind()),
        (None, Some(error)) => error.io_error_kind(),
        (None, None) => None,
    };
    kind == Some(io::ErrorKind::BrokenPipe)
}
