//! Every file of a directory: what it says now, and what of it is in force.
//!
//! A file counts as a whole. While it is broken, what it held before stays in force; if it was broken from the start, its classes and
//! Connectors are there but unusable, so that whoever asks for one is told why, and nothing else of it counts. Rights are the exception:
//! those that a broken file no longer has in it, as far as that can be told, are gone.

mod decide;
mod files;
mod fingerprint;
mod look;
mod read;
mod ties;
mod touched;
mod values;
mod walk;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use connectors_crd::{Problem, Severity};
use files::Files;
use fingerprint::Fingerprint;
pub(crate) use look::Hint;
use read::{MAX_MANIFEST, Read};
use ties::Ties;
use touched::Touched;
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
    files: Files,
    ties: Ties,
    /// Every directory that was read, as it was come to, by what it resolves to.
    directories: HashMap<PathBuf, PathBuf>,
    /// Whether any of them was come to by a link.
    linked: bool,
    /// Directories that can't be read.
    unreadable: Vec<Finding>,
    /// Links that are not followed.
    outside: Vec<Finding>,
    /// Files that were being written.
    waiting: BTreeSet<PathBuf>,
    /// Files that aren't good, and those of them that say what they can't say because of others.
    broken: BTreeSet<PathBuf>,
    clashing: BTreeSet<PathBuf>,
    /// Files with Secrets that take their values from folders.
    with_folders: BTreeSet<PathBuf>,
    /// What is in force, of good files and of what others were.
    defined: HashMap<Arc<ObjectId>, Arc<Object>>,
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
    /// The objects of which that may be said.
    pub(crate) objects: BTreeSet<Arc<ObjectId>>,
    /// Findings that were there before, and those that are there now. What is in both stays.
    pub(crate) gone: Vec<Finding>,
    pub(crate) come: Vec<Finding>,
    /// Whether there may be other directories to watch.
    pub(crate) moved: bool,
    /// When to scan again, even if nothing more happens.
    pub(crate) again: Option<Duration>,
}

/// An object that counts.
#[derive(Debug, Clone)]
pub(crate) struct Placed {
    pub(crate) object: Arc<Object>,
    /// Why it can't be used, if it can't.
    pub(crate) unusable: Option<Problem>,
}

impl Folder {
    /// The directory, with nothing read yet.
    pub(crate) fn new(dir: &Path, options: &Options) -> Self {
        Self {
            dir: dir.to_owned(),
            options: options.clone(),
            files: Files::default(),
            ties: Ties::default(),
            directories: HashMap::new(),
            linked: false,
            unreadable: Vec::new(),
            outside: Vec::new(),
            waiting: BTreeSet::new(),
            broken: BTreeSet::new(),
            clashing: BTreeSet::new(),
            with_folders: BTreeSet::new(),
            defined: HashMap::new(),
            digest: RandomState::new(),
        }
    }

    /// Reads what is new or changed, forgets what is gone, and decides what is in force. With a hint it looks nowhere else, if that is enough.
    pub(crate) fn scan(&mut self, hint: &Hint) -> Scan {
        let mut touched = Touched::default();
        let mut scan = Scan::default();
        let mut files = self.look(hint, &mut touched, &mut scan);
        files.extend(std::mem::take(&mut self.waiting).into_iter().map(PathBuf::into_os_string));
        for path in files.into_iter().map(PathBuf::from) {
            if self.refresh(&path, &mut touched) == Settled::No {
                self.waiting.insert(path);
                scan.again = Some(UNSETTLED);
            }
        }
        scan.moved |= self.ties.end();
        self.decide(&mut touched);
        for (path, before) in touched.files() {
            let file = self.files.get(path);
            scan.changed |= before.differs(file, &mut scan.objects);
            scan.gone.extend_from_slice(before.findings());
            scan.come.extend(file.into_iter().flat_map(File::findings).cloned());
        }
        scan
    }

    /// The objects in force, those of broken files after the others.
    pub(crate) fn in_force(&self) -> Vec<Placed> {
        let mut objects: Vec<Placed> = self.defined.values().map(|object| Placed { object: object.clone(), unusable: None }).collect();
        let mut taken = HashSet::new();
        for placed in self.unusable() {
            if !self.defined.contains_key(&placed.object.id) && taken.insert(placed.object.id.clone()) {
                objects.push(placed);
            }
        }
        objects
    }

    /// The object of that name that is in force.
    pub(crate) fn placed(&self, id: &ObjectId) -> Option<Placed> {
        let defined = self.defined.get(id).map(|object| Placed { object: object.clone(), unusable: None });
        defined.or_else(|| self.unusable().find(|placed| *placed.object.id == *id))
    }

    /// Every object as it is written, in force or not; of several with one name the first.
    pub(crate) fn written(&self) -> Vec<Placed> {
        let mut taken = HashSet::new();
        let all = self.files.in_order().into_iter().flat_map(|(_, file)| &file.latest.objects);
        all.filter(|object| taken.insert(&*object.id)).map(|object| Placed { object: object.clone(), unusable: object.error.clone() }).collect()
    }

    /// What is wrong with the files, each by itself and by what the others define, in no particular order.
    pub(crate) fn findings(&self) -> impl Iterator<Item = &Finding> {
        self.unreadable.iter().chain(&self.outside).chain(self.files.iter().flat_map(|(_, file)| file.findings()))
    }

    /// How many files there are.
    pub(crate) fn files(&self) -> usize {
        self.files.len()
    }

    /// How many of them, and of the directories, are broken.
    pub(crate) fn broken(&self) -> usize {
        self.unreadable.len() + self.broken.len()
    }

    /// The first error of each directory and file of which not everything is in force that it now says.
    pub(crate) fn broken_parts(&self) -> impl Iterator<Item = &Finding> {
        let is_error = |finding: &&Finding| finding.severity == Severity::Error;
        let files = self.broken.iter().filter_map(|path| self.files.get(path));
        self.unreadable.iter().chain(files.filter_map(move |file| file.latest.findings.iter().chain(&file.clashes).find(is_error)))
    }

    /// Whether the directory itself could be read.
    pub(crate) fn root_error(&self) -> Option<&Finding> {
        self.unreadable.iter().find(|finding| finding.file == self.dir)
    }

    /// Directories in which a change matters.
    pub(crate) fn watched(&self) -> BTreeSet<PathBuf> {
        let links = walk::links(&self.dir);
        self.directories.keys().chain(self.ties.directories()).cloned().chain(links).collect()
    }

    /// The classes and Connectors of files that have never been good, by file; some may be in force from elsewhere.
    fn unusable(&self) -> impl Iterator<Item = Placed> {
        let never_good = self.broken.iter().filter_map(|path| self.files.get(path)).filter(|file| file.good.is_none());
        let objects = never_good.flat_map(|file| &file.latest.objects).filter(|object| object.can_be_unusable());
        objects.map(|object| Placed { object: object.clone(), unusable: Some(object.error.clone().unwrap_or_else(broken_file)) })
    }

    fn forget(&mut self, path: &Path, touched: &mut Touched) {
        touched.touch(path, self.files.get(path));
        self.files.remove(path);
        self.ties.remove(path);
        self.with_folders.remove(path);
    }

    fn refresh(&mut self, path: &Path, touched: &mut Touched) -> Settled {
        let known = self.files.get(path);
        if known.is_some_and(|file| file.is_current(path)) {
            return Settled::Yes;
        }
        let started = SystemTime::now();
        let mut digest = self.digest.build_hasher();
        let mut values = ValuesFound::default();
        let mut warning = None;
        let mut seen = None;
        // `None` if it says what it said.
        let manifest = match read::read(path, MAX_MANIFEST, known.is_some()) {
            Read::Unsettled => return Settled::No,
            Read::Gone => {
                self.forget(path, touched);
                return Settled::Yes;
            }
            Read::Failed(message) => {
                digest.write_u8(0);
                digest.write(message.as_bytes());
                Some(Manifest::unreadable(about_file(path, Severity::Error, message)))
            }
            Read::Content(content, fingerprint) => {
                digest.write_u8(1);
                digest.write(&content);
                let same = known.filter(|file| file.values.inputs.is_empty() && file.digest == digest.finish());
                let manifest = match (same, std::str::from_utf8(&content)) {
                    (Some(_), _) => None,
                    (None, Err(_)) => Some(Manifest::unreadable(about_file(path, Severity::Error, "is not valid UTF-8".into()))),
                    (None, Ok(text)) => {
                        let state = self.options.state.clone().unwrap_or_else(|| self.dir.join(DEFAULT_FOLDER));
                        let mut reader = Values::new(path, &state, known.is_some(), &mut digest);
                        let manifest = manifest::read(path, text, &self.options.system_namespace, &mut reader);
                        values = reader.found;
                        Some(manifest)
                    }
                };
                if values.unsettled {
                    return Settled::No;
                }
                let holds_secrets = manifest.as_ref().or(same.map(|file| &*file.latest)).is_some_and(|manifest| manifest.holds_secrets);
                let exposed = holds_secrets.then(|| fingerprint.warning()).flatten();
                warning = exposed.map(|message| about_file(path, Severity::Warning, message));
                seen = (fingerprint.is_settled(started) && values.is_settled(started)).then_some(fingerprint);
                manifest
            }
        };
        let (digest, links) = (digest.finish(), walk::links(path));
        touched.touch(path, known);
        let before = self.files.remove(path).map(|before| {
            let same = before.digest == digest && before.values.folders == values.folders;
            (before.latest, same, before.good, before.clashes)
        });
        let (latest, good, clashes) = match (manifest, before) {
            (Some(manifest), Some((_, false, good, clashes))) => (Arc::new(manifest), good, clashes),
            (_, Some((latest, _, good, clashes))) => (latest, good, clashes),
            (manifest, None) => (Arc::new(manifest.unwrap_or_default()), None, Vec::new()),
        };
        let file = File { seen, digest, links, values, warning, latest, clashes, good };
        self.ties.set(path, &file.elsewhere());
        match file.values.folders.is_empty() {
            true => self.with_folders.remove(path),
            false => self.with_folders.insert(path.to_owned()),
        };
        self.files.insert(path, file);
        Settled::Yes
    }
}

#[derive(PartialEq)]
enum Settled {
    Yes,
    No,
}

impl File {
    fn is_good(&self) -> bool {
        !self.latest.is_broken() && self.clashes.is_empty()
    }

    /// Whether neither it nor what its Secrets take their values from has changed.
    fn is_current(&self, path: &Path) -> bool {
        self.seen.is_some() && self.seen == Fingerprint::of(path) && self.has_current_values()
    }

    /// Whether what its Secrets take their values from has not changed.
    fn has_current_values(&self) -> bool {
        self.values.inputs.iter().all(|(path, seen)| *seen == Fingerprint::of(path))
    }

    fn findings(&self) -> impl Iterator<Item = &Finding> {
        self.latest.findings.iter().chain(&self.clashes).chain(&self.warning).chain(&self.values.warnings)
    }

    /// Directories besides its own in which a change is a change of this file.
    fn elsewhere(&self) -> BTreeSet<PathBuf> {
        let inputs = self.values.inputs.iter().filter_map(|(path, _)| path.parent().map(Path::to_owned));
        self.links.iter().chain(&self.values.links).chain(&self.values.folders).cloned().chain(inputs).collect()
    }
}

fn about_file(file: &Path, severity: Severity, message: String) -> Finding {
    Finding { file: file.to_owned(), at: None, severity, object: None, field: String::new(), message }
}

/// Why an object of a broken file can't be used when nothing is wrong with the object.
fn broken_file() -> Problem {
    Problem { field: "manifest".into(), message: "the file that holds it has errors; `connectors check` shows them".into(), severity: Severity::Error }
}

#[cfg(test)]
mod tests;
