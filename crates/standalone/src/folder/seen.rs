//! The files of a folder as they were when they were read.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::fingerprint::Fingerprint;

/// Finds files that have changed. Looking one up compares bytes only, since it is done for every file of a folder.
#[derive(Debug, Default)]
pub(super) struct Seen {
    files: HashMap<Box<OsStr>, File>,
    /// The number of the last walk.
    walk: u64,
}

#[derive(Debug)]
struct File {
    /// `None` if it must be read again in any case.
    fingerprint: Option<Fingerprint>,
    /// The walk that came by it last.
    walk: u64,
}

impl Seen {
    /// Begins a walk.
    pub(super) fn begin(&mut self) {
        self.walk += 1;
    }

    /// Notes that the walk comes by a file. Returns whether that is another than was read.
    pub(super) fn pass(&mut self, path: &Path, now: Option<Fingerprint>) -> bool {
        let Some(file) = self.files.get_mut(path.as_os_str()) else { return true };
        file.walk = self.walk;
        file.fingerprint.is_none() || file.fingerprint != now
    }

    /// The files that the walk has not come by.
    pub(super) fn missed(&self) -> Vec<PathBuf> {
        self.files.iter().filter(|(_, file)| file.walk != self.walk).map(|(path, _)| path.into()).collect()
    }

    /// Whether the file is the one that was read.
    pub(super) fn is_current(&self, path: &Path) -> bool {
        self.files.get(path.as_os_str()).is_some_and(|file| file.fingerprint.is_some() && file.fingerprint == Fingerprint::of(path))
    }

    /// Notes what a file was when it was read.
    pub(super) fn put(&mut self, path: &Path, fingerprint: Option<Fingerprint>) {
        self.files.insert(path.as_os_str().into(), File { fingerprint, walk: self.walk });
    }

    pub(super) fn remove(&mut self, path: &Path) {
        self.files.remove(path.as_os_str());
    }
}
