//! Which of what files say is in force, where they disagree.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use connectors_crd::Severity;

use super::{File, Folder, about_file, touched::Touched};
use crate::manifest::{Object, ObjectId};
use crate::report::Finding;

impl Folder {
    /// Decides for each file whether what it says is in force, or what it said before.
    pub(super) fn decide(&mut self, touched: &mut Touched) {
        if !self.decide_alone(touched) {
            self.decide_together(touched);
        }
    }

    /// Decides about the files that changed, unless what they or others say depends on each other. Returns whether it did; if not,
    /// [`Folder::decide_together`] must.
    fn decide_alone(&mut self, touched: &Touched) -> bool {
        if !self.clashing.is_empty() || self.value_folders_matter(touched) {
            return false;
        }
        for (_, before) in touched.files() {
            for object in before.in_force() {
                self.defined.remove(&object.id);
            }
        }
        for (path, _) in touched.files() {
            let Some(file) = self.files.get_mut(path) else {
                self.broken.remove(path);
                continue;
            };
            if file.is_good() {
                self.broken.remove(path);
            } else {
                self.broken.insert(path.to_owned());
                file.withdraw();
            }
            let says = if file.is_good() { Some(&file.latest) } else { file.good.as_ref() };
            for object in says.into_iter().flat_map(|manifest| &manifest.objects) {
                if self.defined.insert(object.id.clone(), object.clone()).is_some() {
                    return false;
                }
            }
        }
        for (path, _) in touched.files() {
            if let Some(file) = self.files.get_mut(path) {
                file.settle();
            }
        }
        true
    }

    /// Decides about all files.
    fn decide_together(&mut self, touched: &mut Touched) {
        for path in std::mem::take(&mut self.clashing) {
            if let Some(file) = self.files.get_mut(&path) {
                touched.touch(&path, Some(file));
                file.clashes.clear();
            }
        }
        let shared = self.shared_value_folders();
        for finding in shared {
            self.break_file(finding, touched);
        }
        self.files.values_mut().filter(|file| !file.is_good()).for_each(File::withdraw);
        // Each round takes what one file says out of force, so there are no more rounds than files.
        let order: Vec<PathBuf> = self.files.in_order().into_iter().map(|(path, _)| path.to_owned()).collect();
        while let Some(finding) = self.clash(&order) {
            self.break_file(finding, touched);
        }
        self.files.values_mut().for_each(File::settle);
        self.broken = self.files.iter().filter(|(_, file)| !file.is_good()).map(|(path, _)| path.to_owned()).collect();
        let good = self.files.iter().filter_map(|(_, file)| file.good.as_ref());
        self.defined = good.flat_map(|manifest| &manifest.objects).map(|object| (object.id.clone(), object.clone())).collect();
    }
    /// Makes a file fall back on what it said before.
    fn break_file(&mut self, finding: Finding, touched: &mut Touched) {
        if let Some(file) = self.files.get_mut(&finding.file) {
            touched.touch(&finding.file, Some(file));
            self.clashing.insert(finding.file.clone());
            file.clashes.push(finding);
            file.withdraw();
        }
    }

    /// Whether [`Folder::shared_value_folders`] may come out differently: folders or manifests have come or gone, and a folder is named.
    fn value_folders_matter(&self, touched: &Touched) -> bool {
        let is_changed =
            touched.directories || touched.files().any(|(path, before)| before.folders() != self.files.get(path).map(|file| &*file.values.folders));
        is_changed && (!self.with_folders.is_empty() || touched.files().any(|(_, before)| before.folders().is_some_and(|folders| !folders.is_empty())))
    }

    /// Value folders that manifests are in, as errors of the files that name them: a Secret must neither take what stands in other
    /// people's manifests nor keep them from being read.
    fn shared_value_folders(&self) -> Vec<Finding> {
        if self.with_folders.is_empty() {
            return Vec::new();
        }
        let mut manifests: HashMap<&Path, &Path> = HashMap::new();
        for (path, _) in self.files.in_order() {
            manifests.entry(path.parent().unwrap_or(Path::new(""))).or_insert(path);
        }
        let manifests: HashMap<PathBuf, &Path> = manifests.into_iter().filter_map(|(folder, path)| Some((folder.canonicalize().ok()?, path))).collect();
        let named = self.with_folders.iter().filter_map(|path| Some((path, self.files.get(path)?)));
        let named = named.flat_map(|(path, file)| file.values.folders.iter().map(move |folder| (path, folder)));
        let shared = named.filter_map(|(path, folder)| manifests.get(folder).map(|manifest| (path, manifest)));
        let finding = |(path, manifest): (&PathBuf, &&Path)| {
            let message = format!(
                "has a Secret that takes its values from a folder with manifests in it, such as {}; keep values in a folder of their own, \
                 and if one is called like a manifest, in a folder whose name begins with a dot",
                manifest.display()
            );
            about_file(path, Severity::Error, message)
        };
        shared.map(finding).collect()
    }

    /// An object that two files define, as an error of the one that must yield: the one that didn't have it before, else the
    /// later in `order`.
    fn clash(&self, order: &[PathBuf]) -> Option<Finding> {
        let mut claims: HashMap<&ObjectId, Claim<'_>> = HashMap::new();
        for (path, file) in order.iter().filter_map(|path| Some((path, self.files.get(path)?))) {
            let said_before = file.good.as_deref();
            let Some(manifest) = (if file.is_good() { Some(&*file.latest) } else { said_before }) else { continue };
            for object in &manifest.objects {
                let held = said_before.is_some_and(|before| before.objects.iter().any(|before| before.id == object.id));
                let claim = Claim { path, object, held, can_yield: file.is_good() };
                if let Some(first) = claims.insert(&object.id, claim) {
                    let claim = Claim { path, object, held, can_yield: file.is_good() };
                    // What both said before was in force together, so it can't clash.
                    if !claim.can_yield && !first.can_yield {
                        continue;
                    }
                    let (keeps, yields) = if !claim.can_yield || (claim.held && !first.held && first.can_yield) { (claim, first) } else { (first, claim) };
                    let message = format!("is defined twice; the other is at {}:{}", keeps.path.display(), keeps.object.at);
                    let object = Some(yields.object.id.to_string());
                    return Some(Finding { at: Some(yields.object.at), object, ..about_file(yields.path, Severity::Error, message) });
                }
            }
        }
        None
    }
}

/// One file's definition of an object.
struct Claim<'a> {
    path: &'a Path,
    object: &'a Object,
    /// Whether the file defined it before.
    held: bool,
    /// Whether the file has something to fall back on that it hasn't fallen back on yet.
    can_yield: bool,
}

impl File {
    /// What is right now is what was right last.
    fn settle(&mut self) {
        if self.is_good() {
            self.good = Some(self.latest.clone());
        }
    }

    /// Rights that the new text takes back don't outlast it because something else in it is wrong.
    fn withdraw(&mut self) {
        if let Some(rest) = self.good.as_ref().and_then(|good| good.without_rights_not_in(&self.latest)) {
            self.good = Some(Arc::new(rest));
        }
    }
}
