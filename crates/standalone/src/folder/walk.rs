//! Which files of a directory are manifests.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ffi::{CStr, OsStr};
use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, RawDir, Stat, fstat, openat, statat};

use super::fingerprint::Fingerprint;

/// Files, directories and links in a directory, hidden ones included. A folder of manifests has hundreds; one with more than this is
/// another than was meant, and looking through it twice a second would be all that the process does.
const MAX_ENTRIES: usize = 100_000;
/// As many links as the kernel follows on one path.
const MAX_LINKS: usize = 40;
/// Names of directory entries that are read at once, in bytes: as the C library does.
const A_READ: usize = 32 << 10;

/// What a walk found, besides manifests.
#[derive(Debug, Default)]
pub(super) struct Walk {
    /// Every directory that was read, as it was come to, and resolved.
    pub(super) directories: BTreeMap<PathBuf, PathBuf>,
    /// Directories that could not be read, and why.
    pub(super) unreadable: Vec<(PathBuf, String)>,
    /// Links to directories elsewhere, which are not followed.
    pub(super) outside: Vec<PathBuf>,
    /// Whether it ended before everything was looked at; `unreadable` then has the root.
    pub(super) cut_short: bool,
}

/// Finds `*.yaml`, `*.yml` and `*.json` below `dir`, and tells `found` what each is. What begins with a dot is left out, and so is `skip`. Links to
/// files are followed anywhere, links to directories only as long as they stay below `dir`.
///
/// It happens again and again with thousands of files, so a file costs one system call and no memory.
pub(super) fn walk(dir: &Path, skip: Option<&Path>, found: impl FnMut(&Path, Option<Fingerprint>)) -> Walk {
    walk_at_most(MAX_ENTRIES, dir, skip, found)
}

fn walk_at_most(entries: usize, dir: &Path, skip: Option<&Path>, found: impl FnMut(&Path, Option<Fingerprint>)) -> Walk {
    // If it can't be resolved it can't be read either.
    let root = dir.canonicalize().unwrap_or_default();
    let mut walker = Walker {
        skip: skip.and_then(|skip| skip.canonicalize().ok()),
        left: entries,
        seen: HashSet::new(),
        pending: vec![(dir.to_owned(), root.clone())],
        root,
        found,
        walk: Walk::default(),
    };
    let mut buffer = Vec::with_capacity(A_READ);
    while let Some((next, resolved)) = walker.pending.pop() {
        if let Err(error) = walker.directory(&next, resolved, &mut buffer) {
            walker.walk.unreadable.push((next, format!("can't be read: {error}")));
        }
        if walker.walk.cut_short {
            let message = format!("has more than {entries} files and folders in it, and not all of them were read; choose a folder that holds only manifests");
            walker.walk.unreadable.push((dir.to_owned(), message));
            break;
        }
    }
    walker.walk
}

struct Walker<F> {
    /// The directory, resolved.
    root: PathBuf,
    skip: Option<PathBuf>,
    /// How many more entries may be looked at.
    left: usize,
    /// Device and inode of every directory so far.
    seen: HashSet<(u64, u64)>,
    /// Directories still to be read, as they were come to, and resolved.
    pending: Vec<(PathBuf, PathBuf)>,
    found: F,
    walk: Walk,
}

impl<F: FnMut(&Path, Option<Fingerprint>)> Walker<F> {
    fn directory(&mut self, dir: &Path, resolved: PathBuf, buffer: &mut Vec<u8>) -> io::Result<()> {
        let opened = openat(CWD, dir, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        let stat = fstat(&opened)?;
        // A link to a directory above would lead here again.
        if !self.seen.insert((stat.st_dev, stat.st_ino)) || self.skip.as_ref() == Some(&resolved) {
            return Ok(());
        }
        self.walk.directories.insert(dir.to_owned(), resolved.clone());
        // With the slash, if there is none yet.
        let mut path = dir.join("").into_os_string().into_encoded_bytes();
        let prefix = path.len();
        let mut entries = RawDir::new(opened.as_fd(), buffer.spare_capacity_mut());
        while let Some(entry) = entries.next() {
            let entry = entry?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            if self.left == 0 {
                self.walk.cut_short = true;
                break;
            }
            self.left -= 1;
            if name.to_bytes().starts_with(b".") {
                continue;
            }
            path.truncate(prefix);
            path.extend_from_slice(name.to_bytes());
            self.entry(opened.as_fd(), name, entry.file_type(), Path::new(OsStr::from_bytes(&path)), &resolved);
        }
        Ok(())
    }

    /// One entry that isn't hidden; `path` is its path and `resolved` the directory that it is in.
    fn entry(&mut self, dir: BorrowedFd<'_>, name: &CStr, kind: FileType, path: &Path, resolved: &Path) {
        let is_manifest = is_manifest(OsStr::from_bytes(name.to_bytes()));
        let may_be_directory = matches!(kind, FileType::Directory | FileType::Symlink | FileType::Unknown);
        if !is_manifest && !may_be_directory {
            return;
        }
        let stat = statat(dir, name, AtFlags::empty()).ok();
        if stat.as_ref().is_some_and(is_directory) {
            let is_link = kind != FileType::Directory && !statat(dir, name, AtFlags::SYMLINK_NOFOLLOW).is_ok_and(|stat| is_directory(&stat));
            let resolved = if is_link { path.canonicalize().ok().filter(|target| target.starts_with(&self.root)) } else { Some(joined(resolved, name)) };
            match resolved {
                Some(resolved) => self.pending.push((path.to_owned(), resolved)),
                None => self.walk.outside.push(path.to_owned()),
            }
        } else if is_manifest {
            // What is no regular file, or a link that leads nowhere, is reported when it is read.
            (self.found)(path, stat.as_ref().map(Fingerprint::from));
        }
    }
}

fn is_directory(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::Directory
}

fn joined(dir: &Path, name: &CStr) -> PathBuf {
    dir.join(OsStr::from_bytes(name.to_bytes()))
}

/// Whether its name begins with a dot.
pub(super) fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_bytes().starts_with(b"."))
}

/// Whether a file of that name, which isn't hidden, is a manifest.
pub(super) fn is_manifest(name: &OsStr) -> bool {
    [".yaml", ".yml", ".json"].iter().any(|extension| name.as_bytes().ends_with(extension.as_bytes()))
}

/// The directories besides its own in which something can happen that changes what `path` leads to: those of the links on the way, and
/// that of the file at the end. None if it is no link.
pub(super) fn links(path: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let (Some(parent), Ok(target)) = (path.parent(), fs::read_link(path)) else { return found };
    let mut at = parent.to_owned();
    let mut left = MAX_LINKS;
    // Components still to go through, the next one last.
    let mut rest = components(&target);
    while let Some(component) = rest.pop() {
        match component.as_os_str().as_bytes() {
            b"/" => at = component,
            // What is resolved has no links in it, so its parent is the one above.
            b".." => drop(at.pop()),
            _ => {
                let next = at.join(&component);
                match fs::read_link(&next) {
                    Ok(target) if left > 0 => {
                        left -= 1;
                        found.insert(at.clone());
                        rest.extend(components(&target));
                    }
                    _ if rest.is_empty() => drop(found.insert(at.clone())),
                    _ => at = next,
                }
            }
        }
    }
    found
}

fn components(path: &Path) -> Vec<PathBuf> {
    let mut components: Vec<PathBuf> = path.components().filter(|part| *part != Component::CurDir).map(|part| PathBuf::from(part.as_os_str())).collect();
    components.reverse();
    components
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// The names of the manifests, and what else was found.
    fn walked(dir: &Path, skip: Option<&Path>) -> (Vec<String>, Walk) {
        let mut files = BTreeSet::new();
        let found = walk(dir, skip, |path, fingerprint| {
            assert_eq!(fingerprint, Fingerprint::of(path), "{}", path.display());
            files.insert(path.strip_prefix(dir).unwrap().display().to_string());
        });
        for (path, resolved) in &found.directories {
            assert_eq!(path.canonicalize().unwrap(), *resolved);
        }
        (files.into_iter().collect(), found)
    }

    #[test]
    fn finds_manifests_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        for folder in ["sub/deeper", ".connectors", "state", "sub/.git"] {
            fs::create_dir_all(dir.join(folder)).unwrap();
        }
        for file in ["a.yaml", "b.yml", "c.json", "d.txt", ".e.yaml", "sub/deeper/f.yaml", ".connectors/g.yaml", "state/h.json", "sub/.git/i.yaml", "j.YAML"] {
            fs::write(dir.join(file), "").unwrap();
        }
        symlink("a.yaml", dir.join("link.yaml")).unwrap();
        symlink("nowhere", dir.join("dangling.yaml")).unwrap();
        symlink("..", dir.join("sub/loop")).unwrap();
        let (names, walk) = walked(dir, Some(&dir.join("state")));
        assert_eq!(names, ["a.yaml", "b.yml", "c.json", "dangling.yaml", "link.yaml", "sub/deeper/f.yaml"]);
        assert_eq!(walk.directories.len(), 3);
        assert!(walk.unreadable.is_empty());
    }

    #[test]
    fn links_to_directories_lead_nowhere_else() {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("dir");
        for folder in ["dir/in", "dir/.hidden", "dir-evil"] {
            fs::create_dir_all(parent.path().join(folder)).unwrap();
            fs::write(parent.path().join(folder).join("a.yaml"), "").unwrap();
        }
        for (target, link) in
            [("/", "root"), ("..", "up"), ("../dir-evil", "beside"), ("in/../../dir-evil", "through"), ("root/tmp", "chain"), (".hidden", "fine")]
        {
            symlink(target, dir.join(link)).unwrap();
        }
        symlink("../dir-evil/a.yaml", dir.join("file.yaml")).unwrap();
        let (names, mut found) = walked(&dir, None);
        found.outside.sort();
        assert_eq!(found.outside, ["beside", "chain", "root", "through", "up"].map(|link| dir.join(link)));
        assert_eq!(names, ["file.yaml", "fine/a.yaml", "in/a.yaml"]);
        // The directory itself may be a link.
        symlink(&dir, parent.path().join("link")).unwrap();
        assert_eq!(walked(&parent.path().join("link"), None).0, ["file.yaml", "fine/a.yaml", "in/a.yaml"]);
    }

    #[test]
    fn a_walk_is_cut_short() {
        let dir = tempfile::tempdir().unwrap();
        for n in 0..10 {
            fs::create_dir_all(dir.path().join(format!("d{n}/.e"))).unwrap();
        }
        let all = walk_at_most(20, dir.path(), None, |_, _| ());
        assert!(!all.cut_short && all.unreadable.is_empty());
        let some = walk_at_most(19, dir.path(), None, |_, _| ());
        assert!(some.cut_short);
        assert_eq!(some.unreadable[0].0, dir.path());
        assert!(some.unreadable[0].1.starts_with("has more than 19 files and folders in it"));
    }

    #[test]
    fn a_directory_that_is_missing_is_reported() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(walk(&dir.path().join("none"), None, |_, _| ()).unreadable.len(), 1);
    }

    #[test]
    fn follows_links_as_a_config_map_volume_has_them() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().canonicalize().unwrap();
        fs::create_dir_all(dir.join("mount/..v1")).unwrap();
        fs::write(dir.join("mount/..v1/a.yaml"), "").unwrap();
        symlink("..v1", dir.join("mount/..data")).unwrap();
        symlink("..data/a.yaml", dir.join("mount/a.yaml")).unwrap();
        symlink(dir.join("mount/a.yaml"), dir.join("b.yaml")).unwrap();
        let expect = [dir.join("mount"), dir.join("mount/..v1")];
        assert_eq!(links(&dir.join("mount/a.yaml")), expect.clone().into());
        assert_eq!(links(&dir.join("b.yaml")), expect.into());
        assert_eq!(links(&dir.join("mount/..v1/a.yaml")), BTreeSet::new());
        symlink("self", dir.join("self")).unwrap();
        assert!(links(&dir.join("self")).len() <= 1);
    }
}
