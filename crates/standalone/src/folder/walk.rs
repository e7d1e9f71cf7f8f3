//! Which files of a directory are manifests.

use std::collections::{BTreeSet, HashSet};
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

/// Files, directories and links in a directory, hidden ones included. A folder of manifests has hundreds; one with more than this is
/// another than was meant, and looking through it twice a second would be all that the process does.
const MAX_ENTRIES: usize = 100_000;
/// As many links as the kernel follows on one path.
const MAX_LINKS: usize = 40;

/// What a walk found.
#[derive(Debug, Default)]
pub(super) struct Walk {
    pub(super) files: BTreeSet<PathBuf>,
    /// Every directory that was read.
    pub(super) directories: BTreeSet<PathBuf>,
    /// Directories that could not be read, and why.
    pub(super) unreadable: Vec<(PathBuf, String)>,
    /// Links to directories elsewhere, which are not followed.
    pub(super) outside: Vec<PathBuf>,
    /// Whether it ended before everything was looked at; `unreadable` then has the root.
    pub(super) cut_short: bool,
}

/// Finds `*.yaml`, `*.yml` and `*.json` below `dir`. What begins with a dot is left out, and so is `skip`. Links to files are followed
/// anywhere, links to directories only as long as they stay below `dir`.
pub(super) fn walk(dir: &Path, skip: Option<&Path>) -> Walk {
    walk_at_most(MAX_ENTRIES, dir, skip)
}

fn walk_at_most(entries: usize, dir: &Path, skip: Option<&Path>) -> Walk {
    let mut walker = Walker {
        // If it can't be resolved it can't be read either.
        root: dir.canonicalize().unwrap_or_default(),
        skip: skip.and_then(|skip| skip.canonicalize().ok()),
        left: entries,
        seen: HashSet::new(),
        pending: vec![dir.to_owned()],
        walk: Walk::default(),
    };
    while let Some(next) = walker.pending.pop() {
        if let Err(error) = walker.directory(&next) {
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

struct Walker {
    /// The directory, resolved.
    root: PathBuf,
    skip: Option<PathBuf>,
    /// How many more entries may be looked at.
    left: usize,
    /// Device and inode of every directory so far.
    seen: HashSet<(u64, u64)>,
    pending: Vec<PathBuf>,
    walk: Walk,
}

impl Walker {
    fn directory(&mut self, dir: &Path) -> io::Result<()> {
        let metadata = dir.metadata()?;
        // A link to a directory above would lead here again.
        if !self.seen.insert((metadata.dev(), metadata.ino())) || self.skip.is_some() && dir.canonicalize().ok() == self.skip {
            return Ok(());
        }
        let entries = fs::read_dir(dir)?;
        self.walk.directories.insert(dir.to_owned());
        for entry in entries {
            if self.left == 0 {
                self.walk.cut_short = true;
                return Ok(());
            }
            self.left -= 1;
            let entry = entry?;
            let path = entry.path();
            if is_hidden(&path) {
                continue;
            }
            match path.metadata() {
                Ok(metadata) if metadata.is_dir() => match entry.file_type()?.is_symlink() && !self.is_inside(&path) {
                    true => self.walk.outside.push(path),
                    false => self.pending.push(path),
                },
                // What is no regular file, or a link that leads nowhere, is reported when it is read.
                _ if is_manifest(&path) => drop(self.walk.files.insert(path)),
                _ => {}
            }
        }
        Ok(())
    }

    fn is_inside(&self, link: &Path) -> bool {
        link.canonicalize().is_ok_and(|target| target.starts_with(&self.root))
    }
}

/// Whether its name begins with a dot.
pub(super) fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_bytes().starts_with(b"."))
}

fn is_manifest(path: &Path) -> bool {
    path.extension().and_then(OsStr::to_str).is_some_and(|extension| matches!(extension, "yaml" | "yml" | "json"))
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

    fn names(dir: &Path, walk: &Walk) -> Vec<String> {
        walk.files.iter().map(|path| path.strip_prefix(dir).unwrap().display().to_string()).collect()
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
        let walk = walk(dir, Some(&dir.join("state")));
        assert_eq!(names(dir, &walk), ["a.yaml", "b.yml", "c.json", "dangling.yaml", "link.yaml", "sub/deeper/f.yaml"]);
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
        let mut found = walk(&dir, None);
        found.outside.sort();
        assert_eq!(found.outside, ["beside", "chain", "root", "through", "up"].map(|link| dir.join(link)));
        assert_eq!(names(&dir, &found), ["file.yaml", "fine/a.yaml", "in/a.yaml"]);
        // The directory itself may be a link.
        symlink(&dir, parent.path().join("link")).unwrap();
        assert_eq!(names(&parent.path().join("link"), &walk(&parent.path().join("link"), None)), ["file.yaml", "fine/a.yaml", "in/a.yaml"]);
    }

    #[test]
    fn a_walk_is_cut_short() {
        let dir = tempfile::tempdir().unwrap();
        for n in 0..10 {
            fs::create_dir_all(dir.path().join(format!("d{n}/.e"))).unwrap();
        }
        let all = walk_at_most(20, dir.path(), None);
        assert!(!all.cut_short && all.unreadable.is_empty());
        let some = walk_at_most(19, dir.path(), None);
        assert!(some.cut_short);
        assert_eq!(some.unreadable[0].0, dir.path());
        assert!(some.unreadable[0].1.starts_with("has more than 19 files and folders in it"));
    }

    #[test]
    fn a_directory_that_is_missing_is_reported() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(walk(&dir.path().join("none"), None).unreadable.len(), 1);
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
