//! The files of a folder by their paths.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::File;
use super::fingerprint::Fingerprint;

/// Finding one compares bytes only, where comparing paths would look at each of their components: it is done for every file, again and again.
#[derive(Debug, Default)]
pub(super) struct Files {
    files: HashMap<Box<OsStr>, Passed>,
    /// The number of the last walk.
    walk: u64,
}

#[derive(Debug)]
struct Passed {
    file: File,
    /// The walk that came by it last.
    walk: u64,
}

impl Files {
    pub(super) fn get(&self, path: &Path) -> Option<&File> {
        self.files.get(path.as_os_str()).map(|passed| &passed.file)
    }

    pub(super) fn get_mut(&mut self, path: &Path) -> Option<&mut File> {
        self.files.get_mut(path.as_os_str()).map(|passed| &mut passed.file)
    }

    /// Puts a file in its place, or in that of the one that was there.
    pub(super) fn insert(&mut self, path: &Path, file: File) {
        self.files.insert(path.as_os_str().into(), Passed { file, walk: self.walk });
    }

    pub(super) fn remove(&mut self, path: &Path) -> Option<File> {
        self.files.remove(path.as_os_str()).map(|passed| passed.file)
    }

    pub(super) fn len(&self) -> usize {
        self.files.len()
    }

    /// In no particular order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Path, &File)> {
        self.files.iter().map(|(path, passed)| (Path::new(path), &passed.file))
    }

    /// In no particular order.
    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut File> {
        self.files.values_mut().map(|passed| &mut passed.file)
    }

    /// In the order of their paths.
    pub(super) fn in_order(&self) -> Vec<(&Path, &File)> {
        let mut files: Vec<(&Path, &File)> = self.iter().collect();
        files.sort_unstable_by(|(a, _), (b, _)| order(a, b));
        files
    }

    /// Begins a walk.
    pub(super) fn begin(&mut self) {
        self.walk += 1;
    }

    /// Notes that the walk comes by a file. Returns whether that is another than was read.
    pub(super) fn pass(&mut self, path: &Path, now: Option<Fingerprint>) -> bool {
        let Some(passed) = self.files.get_mut(path.as_os_str()) else { return true };
        passed.walk = self.walk;
        passed.file.seen.is_none() || passed.file.seen != now
    }

    /// The files that the walk has not come by.
    pub(super) fn missed(&self) -> Vec<PathBuf> {
        self.files.iter().filter(|(_, passed)| passed.walk != self.walk).map(|(path, _)| path.into()).collect()
    }
}

/// As paths are ordered, component by component, for paths with nothing in them to be left out, which those below one directory are.
fn order(a: &Path, b: &Path) -> Ordering {
    let slash_first = |byte: &u8| if *byte == b'/' { 0 } else { *byte };
    a.as_os_str().as_bytes().iter().map(slash_first).cmp(b.as_os_str().as_bytes().iter().map(slash_first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_is_that_of_paths() {
        let mut paths = ["/d/a.yaml", "/d/a/b.yaml", "/d/a-b.yaml", "/d/a/b/c.yaml", "/d/b.yaml", "/d/a b/c.yaml", "/d/a/b-c.yaml", "/d/é.yaml"].map(Path::new);
        let mut expect = paths;
        expect.sort_unstable();
        paths.sort_unstable_by(|a, b| order(a, b));
        assert_eq!(paths, expect);
    }
}
