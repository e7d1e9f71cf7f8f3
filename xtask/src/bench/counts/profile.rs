//! Where the instructions of a request go, by function: callgrind_annotate on both runs, and the difference.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::process::Command;

use super::super::table::{Table, number};
use super::instructions::{LONG, Runs, SHORT};
use crate::command;

/// How many functions are shown.
const SHOWN: usize = 25;

/// Two tables: what functions take themselves, and together with those that they call.
pub(super) fn print(runs: &Runs) -> anyhow::Result<String> {
    let own = table("a function itself", &difference(runs, "no")?);
    let inclusive = table("a function with what it calls", &difference(runs, "yes")?);
    Ok(format!("{own}\n{inclusive}"))
}

/// A table of the system calls a request with one connection, and with 16.
pub(super) fn print_system_calls(one: &BTreeMap<String, f64>, sixteen: &BTreeMap<String, f64>) -> String {
    let mut table = Table::new(["system calls a request", "1 connection", "16 connections"]);
    let of = |calls: &BTreeMap<String, f64>, name: &str| calls.get(name).copied().unwrap_or(0.0);
    let mut names: Vec<&String> = one.keys().chain(sixteen.keys()).collect();
    names.sort_by(|a, b| of(sixteen, b).total_cmp(&of(sixteen, a)).then_with(|| a.cmp(b)));
    names.dedup();
    for name in names {
        // What only starting and stopping need comes to nothing.
        if of(one, name) >= 0.01 || of(sixteen, name) >= 0.01 {
            table.row([name.clone(), number(of(one, name)), number(of(sixteen, name))]);
        }
    }
    table.markdown()
}

/// Instructions a request by function, the most first.
fn difference(runs: &Runs, inclusive: &str) -> anyhow::Result<Vec<(String, f64)>> {
    let short = functions(&runs.short, inclusive)?;
    let per_request = |(name, long): (String, f64)| {
        let instructions = (long - short.get(&name).copied().unwrap_or(0.0)) / (LONG - SHORT) as f64;
        (name, instructions)
    };
    let mut functions: Vec<_> = functions(&runs.long, inclusive)?.into_iter().map(per_request).collect();
    functions.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    Ok(functions)
}

fn functions(threads: &[PathBuf], inclusive: &str) -> anyhow::Result<HashMap<String, f64>> {
    let mut functions = HashMap::new();
    for thread in threads {
        let mut annotate = Command::new("callgrind_annotate");
        annotate.args(["--threshold=100", "--auto=no", &format!("--inclusive={inclusive}")]).arg(thread);
        for (name, instructions) in command::output(&mut annotate)?.lines().filter_map(function) {
            // The same function may come several times, once for each file whose lines were inlined.
            *functions.entry(name).or_insert(0.0) += instructions;
        }
    }
    Ok(functions)
}

/// Reads `1,234,567 (12.3%)  file:function [object]`.
fn function(line: &str) -> Option<(String, f64)> {
    let (instructions, rest) = line.trim_start().split_once(" (")?;
    let instructions = instructions.replace(',', "").parse().ok()?;
    let (_, place) = rest.split_once(")  ")?;
    let (_, name) = place.split_once(':')?;
    let name = name.rsplit_once(" [").map_or(name, |(name, _)| name);
    (name != "PROGRAM TOTALS").then(|| (name.to_owned(), instructions))
}

fn table(what: &str, functions: &[(String, f64)]) -> String {
    let mut table = Table::new(["instructions a request", what]);
    for (name, instructions) in functions.iter().take(SHOWN) {
        table.row([number(*instructions), name.clone()]);
    }
    table.markdown()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read() {
        let line = "1,234,567 (12.34%)  ???:connectors_http1::head::parse [/target/release/connectors]";
        assert_eq!(function(line), Some(("connectors_http1::head::parse".into(), 1_234_567.0)));
        assert_eq!(function("    56,789 ( 1.20%)  ./string/memcpy.S:__memcpy_avx [/usr/lib/libc.so.6]"), Some(("__memcpy_avx".into(), 56_789.0)));
        assert_eq!(function("1,234 (100.0%)  PROGRAM TOTALS"), None);
        assert_eq!(function("Ir  file:function"), None);
    }
}
