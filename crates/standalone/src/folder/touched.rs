//! Files that a scan may change, as they were before it.

use std::collections::{BTreeSet, HashMap};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::File;
use crate::manifest::{Manifest, Object, ObjectId};
use crate::report::Finding;

/// What there was before.
#[derive(Debug, Default)]
pub(super) struct Touched {
    files: HashMap<Box<OsStr>, Before>,
    /// Whether there are other directories now.
    pub(super) directories: bool,
}

/// What a file was before the scan.
#[derive(Debug, Default)]
pub(super) struct Before {
    /// What was in force of it, or could be there unusable; `None` if there was no such file. Keeps the manifest, so that no other can come to
    /// lie at its address.
    counted: Option<Counted>,
    folders: Option<Vec<PathBuf>>,
    findings: Vec<Finding>,
}

/// What tells whether anything else of a file is in force.
#[derive(Debug, Clone)]
struct Counted {
    manifest: Arc<Manifest>,
    good: bool,
}

impl Touched {
    /// Notes what a file is, unless that is noted already. Comes before any change of it; `file` is `None` if there is none.
    pub(super) fn touch(&mut self, path: &Path, file: Option<&File>) {
        if !self.files.contains_key(path.as_os_str()) {
            self.files.insert(path.as_os_str().into(), file.map(Before::of).unwrap_or_default());
        }
    }

    /// In no particular order.
    pub(super) fn files(&self) -> impl Iterator<Item = (&Path, &Before)> {
        self.files.iter().map(|(path, before)| (Path::new(path), before))
    }
}

impl Before {
    fn of(file: &File) -> Self {
        Self { counted: Some(Counted::of(file)), folders: Some(file.values.folders.clone()), findings: file.findings().cloned().collect() }
    }

    /// The objects that were in force.
    pub(super) fn in_force(&self) -> impl Iterator<Item = &Arc<Object>> {
        self.counted.iter().filter(|counted| counted.good).flat_map(|counted| &counted.manifest.objects)
    }

    /// The folders that its Secrets took their values from; `None` if there was no such file.
    pub(super) fn folders(&self) -> Option<&[PathBuf]> {
        self.folders.as_deref()
    }

    pub(super) fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// Whether anything else of it is in force now. Adds the objects of which that may be said to `objects`.
    pub(super) fn differs(&self, now: Option<&File>, objects: &mut BTreeSet<Arc<ObjectId>>) -> bool {
        let now = now.map(Counted::of);
        let is_same = match (&self.counted, &now) {
            (None, None) => true,
            (Some(before), Some(now)) => before.good == now.good && Arc::ptr_eq(&before.manifest, &now.manifest),
            _ => false,
        };
        if !is_same {
            let counted = self.counted.iter().chain(&now);
            objects.extend(counted.flat_map(|counted| &counted.manifest.objects).map(|object| object.id.clone()));
        }
        !is_same
    }
}

impl Counted {
    fn of(file: &File) -> Self {
        Self { manifest: file.good.as_ref().unwrap_or(&file.latest).clone(), good: file.good.is_some() }
    }
}
