//! Saying that something isn't there, which nobody knows while a part of the directory can't be read.

use connectors_standalone::{Directory, Finding};

/// How many of the parts that can't be used are named.
const MAX_NAMED: usize = 5;

/// That there is no `what` in the directory, or none in what of it could be used.
pub(crate) fn error(what: &str, directory: &Directory) -> anyhow::Error {
    let dir = directory.path().display();
    match unused(directory) {
        None => anyhow::anyhow!("there is no {what} in {dir}"),
        Some(parts) => anyhow::anyhow!("no {what} was found in {dir}, but it may be in what could not be used:{parts}"),
    }
}

/// The parts of the directory that are not in force, and why, each on a line of its own; `None` if all of it is.
pub(crate) fn unused(directory: &Directory) -> Option<String> {
    list(&directory.broken())
}

fn list(broken: &[Finding]) -> Option<String> {
    let mut lines: Vec<String> = broken.iter().take(MAX_NAMED).map(|finding| format!("\n  {finding}")).collect();
    if broken.len() > MAX_NAMED {
        lines.push(format!("\n  and {} more; `connectors check` shows them", broken.len() - MAX_NAMED));
    }
    (!lines.is_empty()).then(|| lines.concat())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use connectors_standalone::Options;

    use super::*;

    #[test]
    fn what_could_not_be_read_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let text = |directory: &Directory| error("Connector a/b", directory).to_string().replace(&dir.path().display().to_string(), "DIR");
        let directory = Directory::open(dir.path(), Options::default()).unwrap();
        assert_eq!(text(&directory), "there is no Connector a/b in DIR");
        symlink("nowhere", dir.path().join("a.yaml")).unwrap();
        std::fs::write(dir.path().join("b.yaml"), "kind: [").unwrap();
        directory.reload();
        assert_eq!(
            text(&directory),
            "no Connector a/b was found in DIR, but it may be in what could not be used:\n  \
             DIR/a.yaml: error: can't be read: it is a link that leads nowhere\n  \
             DIR/b.yaml:2:1: error: is not valid YAML: while parsing a node, did not find expected node content"
        );
        for number in 0..5 {
            symlink("nowhere", dir.path().join(format!("{number}.yaml"))).unwrap();
        }
        directory.reload();
        assert!(text(&directory).ends_with("\n  and 2 more; `connectors check` shows them"));
    }
}
