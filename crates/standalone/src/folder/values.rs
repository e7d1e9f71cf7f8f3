//! Secret values from files: a folder, one file a key.

use std::fs;
use std::hash::Hasher;
use std::path::{Component, Path, PathBuf};
use std::time::SystemTime;

use connectors_core::SecretValue;
use connectors_crd::Severity;

use super::fingerprint::Fingerprint;
use super::read::{MAX_VALUE, Read, read};
use super::walk::{self, is_hidden};
use crate::manifest::{ValueFolders, is_key};
use crate::report::Finding;

/// Keys of well-known Secret types that begin with a dot; other such files are hidden ones and not values.
const DOTTED_KEYS: [&str; 2] = [".dockerconfigjson", ".dockercfg"];
/// More files than a Secret would have: the folder is another than was meant.
const MAX_FILES: usize = 256;

/// Reads the value folders of one manifest and remembers what it read.
pub(super) struct Values<'a> {
    manifest: &'a Path,
    /// The state folder; whoever could take values from it could have its keys sent anywhere.
    state: Option<PathBuf>,
    again: bool,
    /// Takes in every value, so that a change of one is a change of the manifest.
    digest: &'a mut dyn Hasher,
    pub(super) found: ValuesFound,
}

/// What was read.
#[derive(Debug, Default)]
pub(super) struct ValuesFound {
    /// The folders, resolved.
    pub(super) folders: Vec<PathBuf>,
    /// Folders and files, and what they were.
    pub(super) inputs: Vec<(PathBuf, Option<Fingerprint>)>,
    /// Files that others can read.
    pub(super) warnings: Vec<Finding>,
    /// Directories of links on the way to the files.
    pub(super) links: Vec<PathBuf>,
    /// Whether one of them was being written.
    pub(super) unsettled: bool,
}

impl<'a> Values<'a> {
    /// For one manifest. `state` is the state folder, which need not be there. `again` says that the manifest has been read before.
    pub(super) fn new(manifest: &'a Path, state: &Path, again: bool, digest: &'a mut dyn Hasher) -> Self {
        Self { manifest, state: state.canonicalize().ok(), again, digest, found: ValuesFound::default() }
    }

    /// The folder that is meant, and the one that no file in it may lead out of: an absolute path as it is, a relative one from the
    /// manifest's folder, and then below it, so that a folder can be handed on without reaching for what lies beside it.
    fn resolve(&mut self, folder: &str) -> Result<(PathBuf, Option<PathBuf>), String> {
        if folder.is_empty() {
            return Err("must name a folder".into());
        }
        let own = self.manifest.parent().unwrap_or(Path::new(""));
        let path = own.join(folder);
        // Also for one that isn't there yet, so that it is noticed when it comes.
        self.found.inputs.push((path.clone(), Fingerprint::of(&path)));
        let resolved = path.canonicalize().map_err(|error| format!("names a folder that can't be read: {folder}: {error}"))?;
        if !resolved.is_dir() {
            return Err(format!("must name a folder, and {folder} is none: every file in it gives the value of the key that it is called"));
        }
        if self.is_state(&resolved) {
            return Err(format!("must not name the state folder, and {folder} is in it"));
        }
        if Path::new(folder).is_absolute() {
            return Ok((resolved, None));
        }
        let root = own.canonicalize().map_err(|error| format!("names a folder that can't be read: {folder}: {error}"))?;
        let below = resolved.starts_with(&root) && resolved != root && !Path::new(folder).components().any(|part| part == Component::ParentDir);
        match below {
            true => Ok((resolved, Some(root))),
            false => Err(format!("must name a folder below the manifest's own, and {folder} is none; to use a folder elsewhere, give its absolute path")),
        }
    }

    fn is_state(&self, resolved: &Path) -> bool {
        self.state.as_ref().is_some_and(|state| resolved.starts_with(state))
    }

    fn value(&mut self, path: &Path, root: Option<&Path>) -> Result<Option<SecretValue>, String> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if let Ok(resolved) = path.canonicalize() {
            if root.is_some_and(|root| !resolved.starts_with(root)) {
                return Err(format!("names a folder in which {name} is a link that leads out of the manifest's folder"));
            }
            if self.is_state(&resolved) {
                return Err(format!("names a folder in which {name} is a link that leads into the state folder"));
            }
        }
        self.found.links.extend(walk::links(path));
        let content = match read(path, MAX_VALUE, self.again) {
            Read::Content(content, fingerprint) => {
                self.found.inputs.push((path.to_owned(), Some(fingerprint)));
                let warn = |message| Finding { file: path.to_owned(), at: None, severity: Severity::Warning, object: None, field: String::new(), message };
                self.found.warnings.extend(fingerprint.warning().map(warn));
                content
            }
            Read::Unsettled => {
                self.found.unsettled = true;
                return Ok(None);
            }
            Read::Gone => return Ok(None),
            Read::Failed(message) => {
                self.found.inputs.push((path.to_owned(), Fingerprint::of(path)));
                return Err(format!("names a folder in which {name} {message}"));
            }
        };
        // Editors and `echo` end a file with a line break that nobody means.
        let value = content.strip_suffix(b"\n").map(|rest| rest.strip_suffix(b"\r").unwrap_or(rest)).unwrap_or(&content);
        self.digest.write_usize(value.len());
        self.digest.write(value);
        Ok(Some(SecretValue::new(value)))
    }
}

impl ValuesFound {
    /// Whether any change from now on is sure to be seen in the inputs.
    pub(super) fn is_settled(&self, time: SystemTime) -> bool {
        self.inputs.iter().all(|(_, fingerprint)| fingerprint.is_none_or(|fingerprint| fingerprint.is_settled(time)))
    }
}

impl ValueFolders for Values<'_> {
    fn read(&mut self, folder: &str) -> Result<Vec<(String, SecretValue)>, String> {
        let (resolved, root) = self.resolve(folder)?;
        self.found.folders.push(resolved.clone());
        let unreadable = |error: std::io::Error| format!("names a folder that can't be read: {folder}: {error}");
        let mut files = Vec::new();
        for entry in fs::read_dir(&resolved).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            let dotted = path.file_name().is_some_and(|name| DOTTED_KEYS.iter().any(|key| name == *key));
            if (!is_hidden(&path) || dotted) && !path.is_dir() {
                files.push(path);
            }
            if files.len() > MAX_FILES {
                return Err(format!("names a folder with more than {MAX_FILES} files: every file in it gives the value of the key that it is called"));
            }
        }
        files.sort();
        let mut values = Vec::new();
        for path in files {
            let Some(key) = path.file_name().and_then(|name| name.to_str()).filter(|name| is_key(name)) else {
                return Err(format!(
                    "names a folder with the file {:?}, which can't be a key: use letters, digits, '-', '_' and '.'",
                    path.file_name().unwrap_or_default()
                ));
            };
            self.digest.write(key.as_bytes());
            if let Some(value) = self.value(&path, root.as_deref())? {
                values.push((key.to_owned(), value));
            }
        }
        if values.is_empty() && !self.found.unsettled {
            return Err(format!("names a folder without files: {folder}; put one file for each key in it"));
        }
        Ok(values)
    }
}
