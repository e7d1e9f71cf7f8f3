//! Every kept seed, tried without a fuzzer.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails where this fails")]

use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use connectors_fuzz::TARGETS;

/// Few and small enough that they are read on every test run and looked at when they change.
const MAX_FILES: usize = 200;
const MAX_BYTES: usize = 1024 * 1024;

#[test]
fn every_seed_passes() {
    let mut failed = Vec::new();
    for (name, check) in TARGETS {
        for path in seeds(name) {
            let data = std::fs::read(&path).unwrap();
            if catch_unwind(|| check(&data)).is_err() {
                failed.push(path);
            }
        }
    }
    assert!(failed.is_empty(), "try each with `cargo run -p connectors-fuzz --bin TARGET -- FILE`: {failed:#?}");
}

#[test]
fn there_are_seeds_for_every_target_and_not_too_many() {
    let folders = files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds"));
    assert_eq!(folders.len(), TARGETS.len(), "a folder in fuzz/seeds for each target: {folders:#?}");
    for (name, _) in TARGETS {
        let seeds = seeds(name);
        assert!((5..=MAX_FILES).contains(&seeds.len()), "{} seeds of {name}", seeds.len());
        let bytes: u64 = seeds.iter().map(|path| path.metadata().unwrap().len()).sum();
        assert!(bytes as usize <= MAX_BYTES, "{bytes} bytes of seeds of {name}");
    }
}

fn seeds(target: &str) -> Vec<PathBuf> {
    files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(target))
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}
