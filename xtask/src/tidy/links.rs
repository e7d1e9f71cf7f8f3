//! Links and file names in prose lead somewhere.

use super::{Problem, Source};

/// Folders of this project: a word that begins with one of them and ends like a file's name is a reference to that file.
const FOLDERS: [&str; 8] = ["crates/", "docs/", "e2e/", "examples/", "benches/", "fuzz/", "xtask/", ".ci/"];
const EXTENSIONS: [&str; 7] = [".rs", ".md", ".toml", ".yaml", ".jsonl", ".mod", ".sum"];

/// Checks links of Markdown, and files named in Markdown and in comments of Rust. `exists` takes a path from the workspace's folder.
pub(super) fn check(sources: &[Source], exists: impl Fn(&str) -> bool) -> Vec<Problem> {
    let mut problems = Vec::new();
    for source in sources {
        let markdown = source.path.ends_with(".md");
        let rust = source.path.ends_with(".rs");
        let mut fenced = false;
        for (number, line) in source.text.lines().enumerate() {
            let mut complain = |text| problems.push(Problem::new(&source.path, number + 1, text));
            if markdown && line.trim_start().starts_with("```") {
                fenced = !fenced;
            }
            if markdown && !fenced {
                for link in links(line) {
                    check_link(link, source, sources, &exists, &mut complain);
                }
            }
            if markdown && !fenced || rust && line.trim_start().starts_with("//") {
                // What is linked to on the same line has been looked at.
                let linked = |file: &str| links(line).any(|link| join(&source.path, link).as_deref() == Some(file));
                for file in files(line).filter(|file| !(exists(file) || markdown && linked(file))) {
                    complain(format!("names {file}, which doesn't exist: name the file that is meant now"));
                }
            }
        }
    }
    problems
}

fn check_link(link: &str, source: &Source, sources: &[Source], exists: &impl Fn(&str) -> bool, complain: &mut impl FnMut(String)) {
    if link.contains("://") || link.starts_with("mailto:") {
        return;
    }
    let (file, anchor) = link.split_once('#').map_or((link, None), |(file, anchor)| (file, Some(anchor)));
    let path = if file.is_empty() { Some(source.path.clone()) } else { join(&source.path, file) };
    let Some(path) = path.filter(|path| exists(path)) else {
        complain(format!("links to {file}, which doesn't exist: name the file that is meant now"));
        return;
    };
    let Some(anchor) = anchor else { return };
    let target = sources.iter().find(|other| other.path == path);
    if target.is_some_and(|target| !target.text.lines().filter(|line| line.starts_with('#')).any(|heading| slug(heading) == anchor)) {
        complain(format!("links to #{anchor}, but {path} has no such heading: name the one that is meant now"));
    }
}

/// The targets of `[text](target)` in a line, code left out.
fn links(line: &str) -> impl Iterator<Item = &str> {
    let prose = line.split('`').step_by(2);
    // In a link whose text is code, the target stands in the next piece of prose.
    prose.flat_map(|piece| piece.match_indices("](").filter_map(|(at, _)| piece[at + 2..].split([')', ' ']).next()))
}

/// The words of a line that name a file of the project.
fn files(line: &str) -> impl Iterator<Item = &str> {
    let words = line.split(|letter: char| !(letter.is_ascii_alphanumeric() || "/._-*<>{}".contains(letter)));
    let words = words.map(|word| word.trim_end_matches('.'));
    words.filter(|word| {
        let pattern = word.contains(['*', '<', '{']);
        !pattern && FOLDERS.iter().any(|folder| word.starts_with(folder)) && EXTENSIONS.iter().any(|extension| word.ends_with(extension))
    })
}

/// The path that `link` in the file `from` leads to; `None` if it leaves the project.
fn join(from: &str, link: &str) -> Option<String> {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in link.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// The anchor that a heading gets where Markdown is shown.
fn slug(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    text.chars().filter(|letter| letter.is_alphanumeric() || "-_ ".contains(*letter)).map(|letter| if letter == ' ' { '-' } else { letter }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_one(path: &str, text: &str, expected: &[&str]) {
        let guide = Source { path: "docs/guide.md".into(), text: "# The guide\n\n## What it's for: all\n".into() };
        let sources = [Source { path: path.into(), text: text.into() }, guide];
        let exists = |path: &str| ["docs/guide.md", "crates/core/src/lib.rs", "README.md", "docs"].contains(&path);
        let problems = check(&sources, exists);
        assert_eq!(problems.len(), expected.len(), "{problems:?}");
        for (problem, expected) in problems.iter().zip(expected) {
            assert!(problem.to_string().contains(expected), "{problem}");
        }
    }

    #[test]
    fn links_that_lead_somewhere() {
        check_one("README.md", "[a](docs/guide.md), [b](./docs), [c](https://example.com/x), [d](#top)\n\n# Top\n", &[]);
        check_one("docs/other.md", "[a](guide.md) [b](../README.md) [`code`](../crates/core/src/lib.rs)", &[]);
    }

    #[test]
    fn links_that_do_not() {
        check_one("README.md", "x\n[a](docs/gone.md)", &["README.md:2: links to docs/gone.md"]);
        check_one("docs/other.md", "[a](docs/guide.md) [b](../../secret)", &["links to docs/guide.md", "links to ../../secret"]);
        check_one("docs/other.md", "[`code`](../crates/core/src/gone.rs)", &["../crates/core/src/gone.rs"]);
    }

    #[test]
    fn anchors() {
        check_one("README.md", "[a](docs/guide.md#what-its-for-all)", &[]);
        check_one("README.md", "[a](docs/guide.md#gone)", &["docs/guide.md has no such heading"]);
    }

    #[test]
    fn files_named_in_prose() {
        check_one("README.md", "see `crates/core/src/lib.rs`, crates/x, `crates/*/src/lib.rs` and crates/<name>/src/lib.rs.", &[]);
        check_one("README.md", "see `crates/core/src/gone.rs`.", &["names crates/core/src/gone.rs"]);
        check_one("a.rs", "//! As docs/gone.md says.\nlet path = \"docs/gone-too.md\";", &["a.rs:1: names docs/gone.md"]);
    }

    #[test]
    fn code_is_not_prose() {
        check_one("README.md", "```\n[a](gone.md)\n```\n`[a](gone.md)`", &[]);
    }
}
