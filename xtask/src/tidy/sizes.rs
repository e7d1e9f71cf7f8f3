//! Files that can be read in one go: at most 600 lines, tests not counted.

use std::collections::BTreeSet;

use super::{Problem, Source};

/// Lines of a file of Rust, those of `#[cfg(test)]` modules not counted.
const MAX_LINES: usize = 600;

pub(super) fn check(sources: &[Source]) -> Vec<Problem> {
    let rust = || sources.iter().filter(|source| source.path.ends_with(".rs"));
    let tests: BTreeSet<String> = rust().flat_map(test_files).collect();
    let too_long = rust().filter(|source| !tests.contains(&source.path) && !is_integration_test(&source.path)).filter_map(|source| {
        let (lines, first_over) = own_lines(&source.text);
        (lines > MAX_LINES).then(|| {
            let text =
                format!("has {lines} lines without tests, {} more than {MAX_LINES}: move a part with a name of its own into another file", lines - MAX_LINES);
            Problem::new(&source.path, first_over, text)
        })
    });
    too_long.collect()
}

/// A file below a crate's `tests/` is nothing but tests.
fn is_integration_test(path: &str) -> bool {
    path.split('/').any(|folder| folder == "tests")
}

/// How many lines a file has without its test modules, and the line with which it gets too long.
fn own_lines(text: &str) -> (usize, usize) {
    let (mut count, mut first_over) = (0, 0);
    let mut lines = text.lines().enumerate().peekable();
    while let Some((number, line)) = lines.next() {
        if line.trim() == "#[cfg(test)]" {
            let mut attributes = Vec::new();
            while let Some((_, attribute)) = lines.next_if(|(_, next)| next.trim().starts_with("#[")) {
                attributes.push(attribute);
            }
            if let Some((_, opening)) = lines.next_if(|(_, next)| opens_module(next)) {
                // rustfmt puts the brace that closes it under the beginning of the line that opened it.
                let closing = format!("{}}}", &opening[..opening.len() - opening.trim_start().len()]);
                lines.by_ref().find(|(_, line)| *line == closing);
                continue;
            }
            count += attributes.len();
        }
        count += 1;
        if count == MAX_LINES + 1 {
            first_over = number + 1;
        }
    }
    (count, first_over)
}

fn opens_module(line: &str) -> bool {
    line.trim_start().trim_start_matches("pub ").trim_start_matches("pub(crate) ").starts_with("mod ") && line.ends_with('{')
}

/// The files of `#[cfg(test)] mod name;` in a file, in both places where Rust looks for them.
fn test_files(source: &Source) -> Vec<String> {
    let (folder, file) = source.path.rsplit_once('/').unwrap_or(("", &source.path));
    let stem = file.trim_end_matches(".rs");
    let folder = if matches!(stem, "mod" | "lib" | "main") { folder.to_owned() } else { format!("{folder}/{stem}") };
    let lines: Vec<&str> = source.text.lines().map(str::trim).collect();
    let declared = lines.windows(2).filter(|pair| pair[0] == "#[cfg(test)]").filter_map(|pair| pair[1].strip_prefix("mod ")?.strip_suffix(';'));
    declared.flat_map(|name| [format!("{folder}/{name}.rs"), format!("{folder}/{name}/mod.rs")]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(path: &str, text: String) -> Source {
        Source { path: path.into(), text }
    }

    #[test]
    fn the_limit_is_the_last_that_passes() {
        assert!(check(&[source("a.rs", "x\n".repeat(600))]).is_empty());
        let problems = check(&[source("a.rs", "x\n".repeat(601))]);
        assert_eq!((problems.len(), problems[0].line), (1, 601));
    }

    #[test]
    fn tests_do_not_count() {
        let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", "    x\n".repeat(100));
        assert!(check(&[source("a.rs", format!("{}{tests}", "x\n".repeat(600)))]).is_empty());
        assert_eq!(check(&[source("a.rs", format!("{tests}{}", "x\n".repeat(601)))])[0].line, 704);
    }

    #[test]
    fn what_comes_after_the_tests_counts() {
        let nested = "    #[cfg(test)]\n    mod tests {\n        fn a() {\n        }\n    }\n";
        assert_eq!(own_lines(&format!("mod a {{\n{nested}}}\nx\n")).0, 3);
        assert_eq!(own_lines("#[cfg(test)]\nfn only_in_tests() {\n}\n").0, 3);
    }

    #[test]
    fn a_file_of_tests_does_not_count() {
        let long = || "x\n".repeat(700);
        assert!(check(&[source("c/src/a.rs", "#[cfg(test)]\nmod tests;\n".into()), source("c/src/a/tests.rs", long())]).is_empty());
        assert!(check(&[source("c/src/a/mod.rs", "#[cfg(test)]\nmod tests;\n".into()), source("c/src/a/tests.rs", long())]).is_empty());
        assert_eq!(check(&[source("c/src/a.rs", "mod tests;\n".into()), source("c/src/a/tests.rs", long())]).len(), 1);
    }

    #[test]
    fn only_rust_is_measured() {
        assert!(check(&[source("Cargo.lock", "x\n".repeat(5000))]).is_empty());
    }
}
