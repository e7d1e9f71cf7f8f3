//! Every folder under `examples/standalone` is right and ready to use.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic too")]

use std::path::{Path, PathBuf};

use connectors_crd::{ConditionStatus, Severity};
use connectors_standalone::{Directory, Options, check};

fn folders() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/standalone");
    let mut folders: Vec<PathBuf> = std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect();
    folders.sort();
    folders
}

#[test]
fn every_example_is_right() {
    let folders = folders();
    assert!(folders.len() >= 4);
    for folder in folders {
        let report = check(&folder, &Options::default());
        assert!(report.objects() > 0, "{}", folder.display());
        // Whoever checks the project out may have given its files any mode.
        let other = |line: &&connectors_standalone::Finding| line.severity == Severity::Error || !line.message.contains("lets others read it");
        assert_eq!(report.findings().iter().find(other), None);

        let directory = Directory::open(&folder, Options::default()).unwrap();
        for connector in directory.connectors() {
            let conditions = connector.status.unwrap().conditions;
            assert!(conditions.iter().all(|condition| condition.status == ConditionStatus::True), "{}: {conditions:?}", folder.display());
        }
    }
}
