//! `cargo xtask tidy`: rules that no compiler checks.
//!
//! Every problem has a place and says what to do about it.

mod edges;
mod links;
mod sizes;
mod words;

use std::fmt;
use std::path::Path;
use std::process::Command;

use anyhow::Context as _;
use serde_json::Value;

use crate::command;

/// Something to mend.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    /// The file, from the workspace's folder.
    path: String,
    /// Its line, from 1.
    line: usize,
    /// What is wrong, and what to do.
    text: String,
}

impl Problem {
    fn new(path: impl Into<String>, line: usize, text: impl Into<String>) -> Self {
        Self { path: path.into(), line, text: text.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.text)
    }
}

/// A text file of the project.
struct Source {
    /// From the workspace's folder, with `/`.
    path: String,
    text: String,
}

/// Prints every problem; `true` if there is none.
pub(crate) fn run(root: &Path) -> anyhow::Result<bool> {
    let problems = check(root)?;
    for problem in &problems {
        eprintln!("{problem}");
    }
    match problems.len() {
        0 => println!("tidy"),
        count => eprintln!("{count} to mend"),
    }
    Ok(problems.is_empty())
}

fn check(root: &Path) -> anyhow::Result<Vec<Problem>> {
    let sources = sources(root)?;
    let metadata = command::output(command::cargo().args(["metadata", "--format-version=1", "--quiet"]).current_dir(root))?;
    let metadata: Value = serde_json::from_str(&metadata).context("cargo metadata prints no JSON")?;
    let mut problems = edges::check(&metadata, &sources, root);
    problems.extend(sizes::check(&sources));
    problems.extend(links::check(&sources, |path| root.join(path).exists()));
    problems.extend(words::check(&sources));
    problems.sort_by(|a, b| (&a.path, a.line).cmp(&(&b.path, b.line)));
    Ok(problems)
}

/// Every text file that is committed or would be.
fn sources(root: &Path) -> anyhow::Result<Vec<Source>> {
    let files = command::output(Command::new("git").args(["ls-files", "--cached", "--others", "--exclude-standard", "-z"]).current_dir(root))?;
    let mut sources = Vec::new();
    for path in files.split('\0').filter(|path| !path.is_empty()) {
        // Removed but not committed yet, or no text: neither is looked at.
        if let Ok(text) = std::fs::read_to_string(root.join(path)) {
            sources.push(Source { path: path.to_owned(), text });
        }
    }
    Ok(sources)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_printed_like_a_compilers() {
        assert_eq!(Problem::new("docs/a.md", 3, "is bad: mend it").to_string(), "docs/a.md:3: is bad: mend it");
    }
}
