//! What the race came to: printed, and written into docs/performance.md.

use std::path::Path;
use std::process::Command;

use anyhow::Context as _;

use super::cpus::Cpus;
use super::figures::Figures;
use super::picture;
use super::race::Row;
use super::stats::Spread;
use super::table::{Table, number};
use crate::command;

/// The documentation with the tables, and the picture beside it.
const DOCUMENT: &str = "docs/performance.md";
const PICTURE: &str = "docs/performance.svg";

const END: &str = "<!-- end -->\n";

/// The results, as Markdown.
pub(super) fn markdown(rows: &[Row], surroundings: &str, rounds: u32, seconds: u32) -> String {
    let figures: Vec<Figures> = rows.iter().filter_map(Figures::of).collect();
    let mut text = format!("{surroundings}. Medians of {rounds} rounds of {seconds} s; in parentheses the quartiles.\n\n");
    text += "CPU time, user and system, of all processes and threads: µs a request; s a GB for 1 MB and 100 MB.\n\n";
    text += &cpu(&figures);
    text += "\nThroughput, requests/s (MB/s for 1 MB and 100 MB), and how much of the time each ran or waited for its CPU: well below 100%, the load or the tool was waited for.\n\n";
    text += &throughput(&figures);
    text += "\nMemory in the middle of a run, PSS in MB. The servers go through all loads, so what one load left is there at the next.\n\n";
    text += &memory(&figures);
    for row in rows {
        if let Err(why) = &row.rounds {
            text += &format!("\nNot measured: {}, because {why}.\n", row.load.name());
        }
    }
    text
}

/// Puts the results in the place of those that the documentation has, and draws the picture.
pub(super) fn write(root: &Path, rows: &[Row], markdown: &str) -> anyhow::Result<()> {
    put(root, DOCUMENT, "cargo xtask bench", markdown)?;
    let figures: Vec<Figures> = rows.iter().filter_map(Figures::of).collect();
    std::fs::write(root.join(PICTURE), picture::draw(&figures))?;
    println!("      written: {PICTURE}");
    Ok(())
}

/// Puts what a command came to in the place of what a document has of it.
pub(super) fn put(root: &Path, document: &str, command: &str, markdown: &str) -> anyhow::Result<()> {
    let path = root.join(document);
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {document}"))?;
    let begin = format!("<!-- begin: written by `{command}` -->\n");
    let text = replaced(&text, &begin, markdown).with_context(|| format!("{document} has not the lines {begin:?} and {END:?}"))?;
    std::fs::write(&path, text)?;
    println!("      written: {document}");
    Ok(())
}

/// What is measured, and where. To be asked before, since it tells how busy others keep the machine.
pub(super) fn surroundings() -> String {
    let haproxy = version("haproxy", "-v").split(' ').take(3).collect::<Vec<_>>().join(" ");
    let nginx = version("nginx", "-v").replace("nginx version: ", "");
    format!("{nginx}, {haproxy}, {}", machine())
}

/// Where something is measured.
pub(super) fn machine() -> String {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cpu = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ")).map_or("unknown", |(_, model)| model).to_owned();
    let cpus = Cpus::here();
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or_default();
    format!("Linux {}, {cpu}, {} of {} CPUs for what is measured, load average before {load}", kernel.trim(), cpus.measured(), cpus.all())
}

/// The first line of what a program says of its version.
fn version(program: &str, argument: &str) -> String {
    // nginx tells it to standard error.
    let output = command::output(Command::new("sh").arg("-c").arg(format!("{program} {argument} 2>&1"))).unwrap_or_default();
    output.lines().next().unwrap_or(program).to_owned()
}

fn cpu(figures: &[Figures]) -> String {
    let mut table = Table::new(["load", "connectors", "nginx", "haproxy", "÷ nginx", "÷ haproxy", "must", ""]);
    for one in figures {
        let [connectors, nginx, haproxy] = one.cpu.values.map(number);
        let limits = [(one.load.must.nginx, "n"), (one.load.must.haproxy, "h")];
        let must: Vec<String> = limits.iter().filter_map(|(limit, who)| limit.map(|limit| format!("{who} ≤ {limit:.2}"))).collect();
        let verdict = match one.met() {
            Some(true) => "met",
            Some(false) => "missed",
            None => "",
        };
        let (to_nginx, to_haproxy) = (ratio(one.cpu.to_nginx), ratio(one.cpu.to_haproxy));
        table.row([one.load.name(), connectors, nginx, haproxy, to_nginx, to_haproxy, must.join(", "), verdict.into()]);
    }
    table.markdown()
}

fn throughput(figures: &[Figures]) -> String {
    let mut table = Table::new(["load", "connectors", "nginx", "haproxy", "÷ nginx", "÷ haproxy", "busy"]);
    for one in figures {
        let busy = one.busy.map(|part| format!("{:.0}%", part * 100.0)).join(" ");
        let [connectors, nginx, haproxy] = one.throughput.values.map(number);
        let (to_nginx, to_haproxy) = (ratio(one.throughput.to_nginx), ratio(one.throughput.to_haproxy));
        table.row([one.load.name(), connectors, nginx, haproxy, to_nginx, to_haproxy, busy]);
    }
    table.markdown()
}

fn memory(figures: &[Figures]) -> String {
    let mut table = Table::new(["load", "connectors", "nginx", "haproxy", "÷ nginx", "÷ haproxy"]);
    for one in figures {
        let [connectors, nginx, haproxy] = one.memory.values.map(|bytes| number(bytes / 1e6));
        table.row([one.load.name(), connectors, nginx, haproxy, ratio(one.memory.to_nginx), ratio(one.memory.to_haproxy)]);
    }
    table.markdown()
}

fn ratio(spread: Spread) -> String {
    format!("{:.2} ({:.2}–{:.2})", spread.median, spread.lower, spread.upper)
}

fn replaced(document: &str, begin: &str, results: &str) -> Option<String> {
    let (before, rest) = document.split_once(begin)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{begin}\n{results}\n{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_between_the_marks_is_replaced() {
        let document = format!("# A\nBEGIN\nold\n{END}# B\n");
        assert_eq!(replaced(&document, "BEGIN\n", "new\n").unwrap(), format!("# A\nBEGIN\n\nnew\n\n{END}# B\n"));
        assert!(replaced("# A\n", "BEGIN\n", "new").is_none());
    }
}
