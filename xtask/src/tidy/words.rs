//! Leftovers.

use super::{Problem, Source};

/// What may not be in a line, in files that end like this, and what to do. Put together so that this file hasn't them itself.
const WORDS: &[(&str, &str, &str)] = &[
    (concat!("..", "/shared"), "", "names a folder outside of the project: say what is meant in the project's own words"),
    (concat!("todo", "!("), ".rs", "is unfinished: finish it, or leave it out"),
    (concat!("dbg", "!("), ".rs", "is left over from debugging: remove it"),
    (concat!("#[", "ignore"), ".rs", "switches a test off: mend the test, or remove it"),
    (concat!("#[", "should_panic"), ".rs", "says too little about what should go wrong: assert it"),
];

pub(super) fn check(sources: &[Source]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for source in sources {
        for (number, line) in source.text.lines().enumerate() {
            for (word, ending, text) in WORDS {
                if source.path.ends_with(ending) && line.contains(word) {
                    problems.push(Problem::new(&source.path, number + 1, format!("{word} {text}")));
                }
            }
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_found_where_it_may_not_be() {
        for (word, ending, text) in WORDS {
            let source = |path: &str| Source { path: path.into(), text: format!("one\ntwo {word}x)\n") };
            let path = format!("crates/a/src/b{ending}");
            let problems = check(&[source(&path)]);
            assert_eq!(problems, [Problem::new(&path, 2, format!("{word} {text}"))]);
            assert_eq!(check(&[source("CONTRIBUTING.md")]).is_empty(), !ending.is_empty());
        }
    }

    #[test]
    fn other_words_are_not() {
        let text = "let method = todo.next();\n// It is ignored.\n#[allow(dead_code)]\n";
        assert!(check(&[Source { path: "a.rs".into(), text: text.into() }]).is_empty());
    }
}
