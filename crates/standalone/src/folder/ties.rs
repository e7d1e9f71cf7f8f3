//! Directories besides its own in which a change is a change of a file: those of links, and those that Secrets take their values from.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

/// Which files there are to look at when something happens in a directory.
#[derive(Debug, Default)]
pub(super) struct Ties {
    /// By file, the directories, resolved.
    directories: BTreeMap<PathBuf, BTreeSet<PathBuf>>,
    files: HashMap<PathBuf, BTreeSet<PathBuf>>,
    /// What paths were resolved to in this scan. Files have most of theirs in common.
    resolved: HashMap<PathBuf, Option<PathBuf>>,
    /// Whether a directory has come or gone.
    changed: bool,
}

impl Ties {
    /// Sets the directories of a file. Those that aren't there can't be watched, and come by a later scan.
    pub(super) fn set(&mut self, file: &Path, directories: &BTreeSet<PathBuf>) {
        if directories.is_empty() {
            return self.remove(file);
        }
        let mut resolve = |path: &PathBuf| self.resolved.entry(path.clone()).or_insert_with(|| path.canonicalize().ok()).clone();
        let directories: BTreeSet<PathBuf> = directories.iter().filter_map(&mut resolve).collect();
        if self.directories.get(file) != Some(&directories) {
            self.remove(file);
            for directory in &directories {
                let files = self.files.entry(directory.clone()).or_default();
                self.changed |= files.is_empty();
                files.insert(file.to_owned());
            }
            self.directories.insert(file.to_owned(), directories);
        }
    }

    pub(super) fn remove(&mut self, file: &Path) {
        for directory in self.directories.remove(file).unwrap_or_default() {
            if let Some(files) = self.files.get_mut(&directory) {
                files.remove(file);
                if files.is_empty() {
                    self.files.remove(&directory);
                    self.changed = true;
                }
            }
        }
    }

    /// Ends a scan: what paths resolve to may change until the next. Returns whether there are other directories than at the end of the last.
    pub(super) fn end(&mut self) -> bool {
        self.resolved.clear();
        std::mem::take(&mut self.changed)
    }

    /// The files that have ties.
    pub(super) fn tied(&self) -> Vec<PathBuf> {
        self.directories.keys().cloned().collect()
    }

    /// The files of a directory; `None` if it is none of these.
    pub(super) fn files(&self, directory: &Path) -> Option<&BTreeSet<PathBuf>> {
        self.files.get(directory)
    }

    /// The directories of all files.
    pub(super) fn directories(&self) -> impl Iterator<Item = &PathBuf> {
        self.files.keys()
    }
}
