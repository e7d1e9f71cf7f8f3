//! The `connectors` binary: one file a subcommand.
//!
//! This is the composition root: it knows every crate and wires them together; nothing else does.

mod absence;
mod admin;
mod args;
mod check;
mod client_env;
mod completions;
mod demo;
mod directory_metrics;
mod exec;
mod get;
mod identity;
mod logging;
mod own_answers;
mod server;
mod standalone;
mod token;
mod yaml;

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
        Subcommand::Get(arguments) => get::run(&arguments),
        Subcommand::Completions(arguments) => completions::run(&arguments),
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            logging::complain(&error);
            ExitCode::FAILURE
        }
    }
}
