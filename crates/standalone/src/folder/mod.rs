//! Every file of a directory: what it says now, and what of it is in force.
//!
//! A file counts as a whole. While it is broken, what it held before stays in force; if it was broken from the start, its classes and
//! Connectors are there but unusable, so that whoever asks for one is told why, and nothing else of it counts. Rights are the exception:
//! those that a broken file no longer has in it, as far as that can be told, are gone.

mod fingerprint;
mod read;
mod values;
mod walk;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use connectors_crd::{Problem, Severity};
use fingerprint::Fingerprint;
use read::{MAX_MANIFEST, Read};
use values::{Values, ValuesFound};

use crate::Options;
use crate::manifest::{self, Manifest, Object, ObjectId};
use crate::report::Finding;
use crate::state::DEFAULT_FOLDER;

/// How soon to look again at a file that was being written.
const UNSETTLED: Duration = Duration::from_millis(100);

/// The state of a directory, brought up to date by [`Folder::scan`].
#[derive(Debug)]
pub(crate) struct Folder {
    dir: PathBuf,
    options: Options,
    files: BTreeMap<PathBuf, File>,
    /// Directories that can't be read.
    unreadable: Vec<Finding>,
    /// Links that are not followed.
    outside: Vec<Finding>,
    watched: BTreeSet<PathBuf>,
    /// Random for each process, so that what is kept of a file's content tells nothing about it.
    digest: RandomState,
}

#[derive(Debug)]
struct File {
    /// What it was when it was read; `None` if it must be read again in any case.
    seen: Option<Fingerprint>,
    /// Digest of its content and its Secrets' values.
    digest: u64,
    /// Directories besides its own in which a change is a change of this file.
    links: BTreeSet<PathBuf>,
    values: ValuesFound,
    /// If others can read it and shouldn't.
    warning: Option<Finding>,
    /// What it says.
    latest: Arc<Manifest>,
    /// What is wrong with it because of other files: objects that are defined there too, value folders that they are in.
    clashes: Vec<Finding>,
    /// What it said when it was last without errors.
    good: Option<Arc<Manifest>>,
}

/// What came of a scan.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    /// Whether anything else is in force than before.
    pub(crate) changed: bool,
    /// When to scan again, even if nothing more happens.
    pub(crate) again: Option<Duration>,
}

/// An object and the file that it stands in.
#[derive(Clone)]
pub(crate) struct Placed<'a> {
    pub(crate) file: &'a Path,
    pub(crate) object: &'a Object,
    /// Why it can't be used, if it can't.
    pub(crate) unusable: Option<Problem>,
}

impl Folder {
    /// The directory, with nothing read yet.
    pub(crate) fn new(dir: &Path, options: &Options) -> Self {
        Self {
            dir: dir.to_owned(),
            options: options.clone(),
            files: BTreeMap::new(),
            unreadable: Vec::new(),
            outside: Vec::new(),
            watched: BTreeSet::new(),
            digest: RandomState::new(),
        }
    }

    /// Reads what is new or changed, forgets what is gone, and decides what is in force.
    pub(crate) fn scan(&mut self) -> Scan {
        let before = self.identities();
        let mut walk = walk::walk(&self.dir, self.options.state.as_deref());
        // What can't be looked at isn't known to be gone.
        self.files.retain(|path, _| walk.files.contains(path) || walk.unreadable.iter().any(|(dir, _)| path.starts_with(dir)));
        if walk.cut_short {
            walk.files.extend(self.files.keys().cloned());
        }
        let mut again = None;
        for path in &walk.files {
            if self.refresh(path) == Settled::No {
                again = Some(UNSETTLED);
            }
        }
        self.decide();
        let leads_out = "is a link that leads out of the directory, so it is not followed; put the folder itself here";
        self.outside = walk.outside.iter().map(|link| about_file(link, Severity::Warning, leads_out.into())).collect();
        self.unreadable = walk.unreadable.into_iter().map(|(dir, error)| about_file(&dir, Severity::Error, error)).collect();
        self.watched = walk.directories;
        self.watched.extend(walk::links(&self.dir));
        for file in self.files.values() {
            self.watched.extend(file.links.iter().chain(&file.values.links).chain(&file.values.folders).cloned());
            self.watched.extend(file.values.inputs.iter().filter_map(|(path, _)| path.parent().map(Path::to_owned)));
        }
        Scan { changed: before != self.identities(), again }
    }

    /// The objects in force, in the order of the files.
    pub(crate) fn in_force(&self) -> Vec<Placed<'_>> {
        let good = self.files.iter().filter_map(|(path, file)| Some((path, file.good.as_deref()?)));
        let mut objects: Vec<Placed<'_>> =
            good.flat_map(|(path, manifest)| manifest.objects.iter().map(|object| Placed { file: path, object, unusable: None })).collect();
        let mut taken: HashSet<&ObjectId> = objects.iter().map(|placed| &placed.object.id).collect();
        for (path, file) in self.files.iter().filter(|(_, file)| file.good.is_none()) {
            for object in file.latest.objects.iter().filter(|object| object.can_be_unusable()) {
                if taken.insert(&object.id) {
                    objects.push(Placed { file: path, object, unusable: Some(object.error.clone().unwrap_or_else(broken_file)) });
                }
            }
        }
        objects
    }

    /// Every object as it is written, in force or not; of several with one name the first.
    pub(crate) fn written(&self) -> Vec<Placed<'_>> {
        let mut taken = HashSet::new();
        let all = self.files.iter().flat_map(|(path, file)| file.latest.objects.iter().map(move |object| (path, object)));
        all.filter(|(_, object)| taken.insert(&object.id)).map(|(path, object)| Placed { file: path, object, unusable: object.error.clone() }).collect()
    }

    /// What is wrong with the files, each by itself and by what the others define.
    pub(crate) fn findings(&self) -> impl Iterator<Item = &Finding> {
        let files = self.files.values().flat_map(|file| file.latest.findings.iter().chain(&file.clashes).chain(&file.warning).chain(&file.values.warnings));
        self.unreadable.iter().chain(&self.outside).chain(files)
    }

    /// How many files there are.
    pub(crate) fn files(&self) -> usize {
        self.files.len()
    }

    /// How many of them, and of the directories, are broken.
    pub(crate) fn broken(&self) -> usize {
        self.unreadable.len() + self.files.values().filter(|file| !file.is_good()).count()
    }

    /// The first error of each directory and file of which not everything is in force that it now says.
    pub(crate) fn broken_parts(&self) -> impl Iterator<Item = &Finding> {
        let is_error = |finding: &&Finding| finding.severity == Severity::Error;
        let files = self.files.values().filter(|file| !file.is_good());
        self.unreadable.iter().chain(files.filter_map(move |file| file.latest.findings.iter().chain(&file.clashes).find(is_error)))
    }

    /// Whether the directory itself could be read.
    pub(crate) fn root_error(&self) -> Option<&Finding> {
        self.unreadable.iter().find(|finding| finding.file == self.dir)
    }

    /// Directories in which a change matters.
    pub(crate) fn watched(&self) -> &BTreeSet<PathBuf> {
        &self.watched
    }

    fn refresh(&mut self, path: &Path) -> Settled {
        let known = self.files.get(path);
        if known.is_some_and(|file| file.is_current(path)) {
            return Settled::Yes;
        }
        let started = SystemTime::now();
        let mut digest = self.digest.build_hasher();
        let mut values = ValuesFound::default();
        let mut warning = None;
        let mut seen = None;
        let manifest = match read::read(path, MAX_MANIFEST, known.is_some()) {
            Read::Unsettled => return Settled::No,
            Read::Gone => {
                self.files.remove(path);
                return Settled::Yes;
            }
            Read::Failed(message) => {
                digest.write(message.as_bytes());
                Manifest::unreadable(about_file(path, Severity::Error, message))
            }
            Read::Content(content, fingerprint) => {
                digest.write(&content);
                let manifest = match std::str::from_utf8(&content) {
                    Err(_) => Manifest::unreadable(about_file(path, Severity::Error, "is not valid UTF-8".into())),
                    Ok(text) => {
                        let state = self.options.state.clone().unwrap_or_else(|| self.dir.join(DEFAULT_FOLDER));
                        let mut reader = Values::new(path, &state, known.is_some(), &mut digest);
                        let manifest = manifest::read(path, text, &self.options.system_namespace, &mut reader);
                        values = reader.found;
                        manifest
                    }
                };
                if values.unsettled {
                    return Settled::No;
                }
                let exposed = manifest.holds_secrets.then(|| fingerprint.warning()).flatten();
                warning = exposed.map(|message| about_file(path, Severity::Warning, message));
                seen = (fingerprint.is_settled(started) && values.is_settled(started)).then_some(fingerprint);
                manifest
            }
        };
        let (digest, links) = (digest.finish(), walk::links(path));
        match self.files.get_mut(path) {
            Some(file) if file.digest == digest && file.values.folders == values.folders => {
                *file = File { seen, links, values, warning, digest, latest: file.latest.clone(), clashes: Vec::new(), good: file.good.take() };
            }
            known => {
                let good = known.and_then(|file| file.good.take());
                let file = File { seen, digest, links, values, warning, latest: Arc::new(manifest), clashes: Vec::new(), good };
                self.files.insert(path.to_owned(), file);
            }
        }
        Settled::Yes
    }

    /// Decides for each file whether what it says is in force, or what it said before.
    fn decide(&mut self) {
        for file in self.files.values_mut() {
            file.clashes.clear();
        }
        let shared = self.shared_value_folders();
        for finding in shared {
            self.break_file(finding);
        }
        self.files.values_mut().filter(|file| !file.is_good()).for_each(File::withdraw);
        // Each round takes what one file says out of force, so there are no more rounds than files.
        while let Some(finding) = self.clash() {
            self.break_file(finding);
        }
        for file in self.files.values_mut().filter(|file| file.is_good()) {
            file.good = Some(file.latest.clone());
        }
    }

    /// Makes a file fall back on what it said before.
    fn break_file(&mut self, finding: Finding) {
        if let Some(file) = self.files.get_mut(&finding.file) {
            file.clashes.push(finding);
            file.withdraw();
        }
    }

    /// Value folders that manifests are in, as errors of the files that name them: a Secret must neither take what stands in other
    /// people's manifests nor keep them from being read.
    fn shared_value_folders(&self) -> Vec<Finding> {
        if self.files.values().all(|file| file.values.folders.is_empty()) {
            return Vec::new();
        }
        let mut manifests: HashMap<&Path, &Path> = HashMap::new();
        for path in self.files.keys() {
            manifests.entry(path.parent().unwrap_or(Path::new(""))).or_insert(path);
        }
        let manifests: HashMap<PathBuf, &Path> = manifests.into_iter().filter_map(|(folder, path)| Some((folder.canonicalize().ok()?, path))).collect();
        let named = self.files.iter().flat_map(|(path, file)| file.values.folders.iter().map(move |folder| (path, folder)));
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

    /// An object that two files define, as an error of the one that must yield: the one that didn't have it before, else the later.
    fn clash(&self) -> Option<Finding> {
        let mut claims: HashMap<&ObjectId, Claim<'_>> = HashMap::new();
        for (path, file) in &self.files {
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

    /// What tells whether anything else is in force.
    fn identities(&self) -> Vec<Identity> {
        let identity = |(path, file): (&PathBuf, &File)| Identity {
            path: path.clone(),
            manifest: file.good.as_ref().unwrap_or(&file.latest).clone(),
            good: file.good.is_some(),
        };
        self.files.iter().map(identity).collect()
    }
}

#[derive(PartialEq)]
enum Settled {
    Yes,
    No,
}

/// What of a file is in force. Keeps the manifest, so that no other can come to lie at its address.
struct Identity {
    path: PathBuf,
    manifest: Arc<Manifest>,
    good: bool,
}

impl PartialEq for Identity {
    fn eq(&self, other: &Self) -> bool {
        self.path == other.path && Arc::ptr_eq(&self.manifest, &other.manifest) && self.good == other.good
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
    fn is_good(&self) -> bool {
        !self.latest.is_broken() && self.clashes.is_empty()
    }

    /// Rights that the new text takes back don't outlast it because something else in it is wrong.
    fn withdraw(&mut self) {
        if let Some(rest) = self.good.as_ref().and_then(|good| good.without_rights_not_in(&self.latest)) {
            self.good = Some(Arc::new(rest));
        }
    }

    /// Whether neither it nor what its Secrets take their values from has changed.
    fn is_current(&self, path: &Path) -> bool {
        self.seen.is_some() && self.seen == Fingerprint::of(path) && self.values.inputs.iter().all(|(path, seen)| *seen == Fingerprint::of(path))
    }
}

fn about_file(file: &Path, severity: Severity, message: String) -> Finding {
    Finding { file: file.to_owned(), at: None, severity, object: None, field: String::new(), message }
}

/// Why an object of a broken file can't be used when nothing is wrong with the object.
fn broken_file() -> Problem {
    Problem { field: "manifest".into(), message: "the file that holds it has errors; `connectors check` shows them".into(), severity: Severity::Error }
}
