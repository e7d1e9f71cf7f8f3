//! Where to look for changes.

use std::collections::{BTreeSet, HashSet};
use std::ffi::OsString;
use std::path::PathBuf;

use connectors_crd::Severity;

use super::touched::Touched;
use super::walk::{self, Walk, is_hidden, is_manifest};
use super::{Folder, Scan, about_file};

/// Where something may have changed since the last scan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Hint {
    /// Anywhere.
    Everywhere,
    /// At these paths alone, as notifications have them: a watched directory, resolved, or what is in one.
    At(BTreeSet<PathBuf>),
}

impl Hint {
    /// Nowhere; what waits is looked at all the same.
    pub(crate) fn nowhere() -> Self {
        Self::At(BTreeSet::new())
    }

    /// Takes in another.
    pub(crate) fn add(&mut self, other: Self) {
        match (&mut *self, other) {
            (Self::At(paths), Self::At(more)) => paths.extend(more),
            _ => *self = Self::Everywhere,
        }
    }
}

impl Folder {
    /// The paths of files that may have changed, as bytes, which are quicker to compare. Those that are gone are forgotten.
    pub(super) fn look(&mut self, hint: &Hint, touched: &mut Touched, scan: &mut Scan) -> HashSet<OsString> {
        let files = match hint {
            Hint::Everywhere => None,
            Hint::At(paths) => self.files_at(paths),
        };
        files.unwrap_or_else(|| self.look_everywhere(touched, scan))
    }

    /// The files that changes at these paths are about; `None` if they are about directories, or may be, so that all must be looked through.
    fn files_at(&self, paths: &BTreeSet<PathBuf>) -> Option<HashSet<OsString>> {
        if !paths.is_empty() && !self.unreadable.is_empty() {
            return None;
        }
        let mut files = HashSet::new();
        for path in paths {
            if self.directories.contains_key(path) || self.ties.files(path).is_some() {
                return None;
            }
            let (parent, name) = (path.parent()?, path.file_name()?);
            let (here, tied) = (self.directories.get(parent), self.ties.files(parent));
            if here.is_none() && tied.is_none() {
                return None;
            }
            files.extend(tied.into_iter().flatten().map(OsString::from));
            // It may be on the way of a link to a directory, where hidden ones count too.
            if self.linked && here.is_some_and(|dir| is_hidden(path) || !is_manifest(name) || self.directories.values().any(|known| *known == dir.join(name))) {
                return None;
            }
            let Some(dir) = here.filter(|_| !is_hidden(path)) else { continue };
            let file = dir.join(name);
            let is_link = self.outside.iter().any(|finding| finding.file == file);
            // What is gone may be so with its directory, about which more than this is to be found out.
            if is_link || file.is_dir() || file.symlink_metadata().is_err() && !dir.is_dir() {
                return None;
            }
            if is_manifest(name) {
                files.insert(file.into());
            }
        }
        Some(files)
    }

    fn look_everywhere(&mut self, touched: &mut Touched, scan: &mut Scan) -> HashSet<OsString> {
        let mut files = HashSet::new();
        self.files.begin();
        let known = &mut self.files;
        let Walk { directories, unreadable, outside, cut_short } = walk::walk(&self.dir, self.options.state.as_deref(), |path, fingerprint| {
            if known.pass(path, fingerprint) {
                files.insert(path.into());
            }
        });
        for path in self.files.missed() {
            // What can't be looked at isn't known to be gone.
            if cut_short {
                files.insert(path.into());
            } else if !unreadable.iter().any(|(dir, _)| path.starts_with(dir)) {
                self.forget(&path, touched);
            }
        }
        for path in self.ties.tied() {
            let Some(file) = self.files.get(&path) else { continue };
            // A link on the way may lead elsewhere now.
            self.ties.set(&path, &file.elsewhere());
            if !file.has_current_values() {
                files.insert(path.into());
            }
        }
        let root = self.dir.canonicalize().unwrap_or_default();
        self.linked = directories.iter().any(|(path, resolved)| path.strip_prefix(&self.dir).is_ok_and(|below| root.join(below) != *resolved));
        let directories = directories.into_iter().map(|(path, resolved)| (resolved, path)).collect();
        touched.directories |= self.directories != directories;
        self.directories = directories;
        scan.gone.extend(self.unreadable.drain(..).chain(self.outside.drain(..)));
        let leads_out = "is a link that leads out of the directory, so it is not followed; put the folder itself here";
        self.outside = outside.iter().map(|link| about_file(link, Severity::Warning, leads_out.into())).collect();
        self.unreadable = unreadable.into_iter().map(|(dir, error)| about_file(&dir, Severity::Error, error)).collect();
        scan.come.extend(self.unreadable.iter().chain(&self.outside).cloned());
        scan.moved = true;
        files
    }
}
