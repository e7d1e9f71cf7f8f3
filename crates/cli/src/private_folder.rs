//! Writing the files of configurations where nobody else can read them.

use std::fs::{self, DirBuilder, Permissions};
use std::io::{self, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use connectors_crd::configurations::File;
use rustix::fs::{FlockOperation, OFlags};
use tempfile::TempDir;

/// A folder of its owner's alone (mode 0700), gone with all that is in it when dropped; if the process is killed before that, when the next one makes one.
pub(crate) struct PrivateFolder {
    folder: TempDir,
    /// Held (flock(2)) as long as there is somebody who will remove it.
    _lock: fs::File,
}

/// What their names begin with.
const PREFIX: &str = "connectors-files-";

/// How often a folder is made again that was taken for a left one, in the moment before it was locked.
const ATTEMPTS: usize = 10;

impl PrivateFolder {
    /// A new one: in memory if this machine has a place for that, else among the temporary files. Those that nobody holds any more are removed.
    pub(crate) fn new() -> anyhow::Result<Self> {
        // Whose folder it isn't can put another in its place, whatever is in it.
        let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|place| is_private(place));
        let in_memory = runtime.into_iter().chain([PathBuf::from("/dev/shm")]).filter(|place| is_in_memory(place));
        for place in in_memory {
            if let Ok(folder) = Self::within(&place) {
                return Ok(folder);
            }
        }
        let place = std::env::temp_dir();
        Self::within(&place).with_context(|| format!("cannot make a folder in {}", place.display()))
    }

    fn within(place: &Path) -> io::Result<Self> {
        sweep(place);
        for _ in 0..ATTEMPTS {
            let folder = tempfile::Builder::new().prefix(PREFIX).permissions(Permissions::from_mode(0o700)).tempdir_in(place)?;
            let Ok(lock) = open_folder(folder.path()) else { continue };
            rustix::fs::flock(&lock, FlockOperation::LockExclusive)?;
            // Who had the lock before this has removed it.
            if folder.path().symlink_metadata().is_ok() {
                return Ok(Self { folder, _lock: lock });
            }
        }
        Err(io::Error::other("each one was removed at once"))
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Removes the folders of this user's processes that were killed.
fn sweep(place: &Path) {
    let Ok(entries) = fs::read_dir(place) else { return };
    let ours = entries.filter_map(Result::ok).filter(|entry| entry.file_name().as_bytes().starts_with(PREFIX.as_bytes()));
    for path in ours.map(|entry| entry.path()).filter(|path| is_private(path)) {
        let Ok(lock) = open_folder(&path) else { continue };
        if rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok() {
            let _ = fs::remove_dir_all(&path);
        }
    }
}

fn open_folder(path: &Path) -> io::Result<fs::File> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::fs::open(path, flags, rustix::fs::Mode::empty())?.into())
}

/// Whether it is a folder, no link to one, that belongs to this user and that nobody else can enter.
fn is_private(folder: &Path) -> bool {
    folder.symlink_metadata().is_ok_and(|found| found.is_dir() && found.mode() & 0o077 == 0 && found.uid() == rustix::process::geteuid().as_raw())
}

/// tmpfs(5), whose magic number statfs(2) tells.
fn is_in_memory(place: &Path) -> bool {
    const TMPFS_MAGIC: rustix::fs::FsWord = 0x0102_1994;
    place.is_absolute() && rustix::fs::statfs(place).is_ok_and(|found| found.f_type == TMPFS_MAGIC)
}

/// Makes a folder and those that it is in, mode 0700, unless they are there.
pub(crate) fn make(folder: &Path) -> anyhow::Result<()> {
    match DirBuilder::new().recursive(true).mode(0o700).create(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => bail!("{} is not a folder", folder.display()),
        result => result.with_context(|| format!("cannot make the folder {}", folder.display())),
    }
}

/// Writes the files, each at once: a reader sees the old one or the new one. What may not be read by others has mode 0600, the rest 0644. Links are replaced, never followed.
///
/// # Errors
/// A file of that name is there already and `overwrite` isn't set; then none is written. Or the system refuses.
pub(crate) fn write(folder: &Path, files: &[File], overwrite: bool) -> anyhow::Result<()> {
    let taken: Vec<&str> = files.iter().map(|file| file.name.as_str()).filter(|name| folder.join(name).symlink_metadata().is_ok()).collect();
    if !overwrite && !taken.is_empty() {
        bail!("{} already has {}: name another folder, or give --force to replace them", folder.display(), taken.join(", "));
    }
    for file in files {
        let path = folder.join(&file.name);
        write_one(folder, &path, file, overwrite).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

fn write_one(folder: &Path, path: &Path, file: &File, overwrite: bool) -> io::Result<()> {
    // Its owner's alone from its first moment.
    let mut aside = tempfile::Builder::new().prefix(".connectors-").permissions(Permissions::from_mode(0o600)).tempfile_in(folder)?;
    aside.write_all(file.content.expose())?;
    aside.as_file().set_permissions(Permissions::from_mode(if file.is_secret() { 0o600 } else { 0o644 }))?;
    match overwrite {
        true => aside.persist(path)?,
        false => aside.persist_noclobber(path)?,
    };
    Ok(())
}

/// Makes the folder `name` in `parent` hold these files and no others; folders that clients have made stay, but where a file has to be. One process at a time does this.
pub(crate) fn keep(parent: &Path, name: &str, files: &[File]) -> anyhow::Result<()> {
    make(parent)?;
    let _lock = lock(parent)?;
    let folder = parent.join(name);
    make(&folder)?;
    if !is_private(&folder) {
        bail!("{} must be a folder of this user's alone (mode 0700): remove it", folder.display());
    }
    for path in files.iter().map(|file| folder.join(&file.name)).filter(|path| is_folder(path)) {
        fs::remove_dir_all(&path).with_context(|| format!("cannot remove {}", path.display()))?;
    }
    write(&folder, files, true)?;
    let entries = fs::read_dir(&folder).with_context(|| format!("cannot look into {}", folder.display()))?;
    for entry in entries.filter_map(Result::ok) {
        let path = entry.path();
        if !is_folder(&path) && !files.iter().any(|file| entry.file_name() == *file.name) {
            gone(fs::remove_file(&path)).with_context(|| format!("cannot remove {}", path.display()))?;
        }
    }
    Ok(())
}

/// Removes the folder `name` in `parent`, with all that is in it.
pub(crate) fn forget(parent: &Path, name: &str) -> anyhow::Result<()> {
    let folder = parent.join(name);
    if folder.symlink_metadata().is_err() {
        return Ok(());
    }
    let _lock = lock(parent)?;
    gone(fs::remove_dir_all(&folder)).with_context(|| format!("cannot remove {}", folder.display()))
}

/// Waits until no other process writes below a folder.
fn lock(folder: &Path) -> anyhow::Result<fs::File> {
    let lock = open_folder(folder).and_then(|lock| Ok(rustix::fs::flock(&lock, FlockOperation::LockExclusive).map(|()| lock)?));
    lock.with_context(|| format!("cannot lock {}", folder.display()))
}

fn is_folder(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|found| found.is_dir())
}

/// Somebody else may have removed it: clients write and rename there too.
fn gone(removed: io::Result<()>) -> io::Result<()> {
    removed.or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use connectors_core::SecretValue;
    use connectors_crd::configurations::Source;

    use super::*;

    fn file(name: &str, text: &str, source: Source) -> File {
        File { name: name.into(), content: SecretValue::new(text), source }
    }

    fn mode(path: &Path) -> u32 {
        path.symlink_metadata().unwrap().mode() & 0o7777
    }

    #[test]
    fn a_private_folder_is_its_owners_alone_and_goes() {
        let folder = PrivateFolder::new().unwrap();
        let path = folder.path().to_owned();
        assert_eq!(mode(&path), 0o700);
        write(&path, &[file("a", "secret", Source::BuiltIn), file("b", "", Source::Public)], false).unwrap();
        assert_eq!((mode(&path.join("a")), mode(&path.join("b"))), (0o600, 0o644));
        drop(folder);
        assert!(!path.exists());
    }

    #[test]
    fn what_is_there_is_kept_unless_it_may_go() {
        let folder = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("target"), "theirs").unwrap();
        symlink(outside.path().join("target"), folder.path().join("b")).unwrap();
        let files = [file("a", "new", Source::BuiltIn), file("b", "new", Source::BuiltIn)];
        let error = write(folder.path(), &files, false).unwrap_err().to_string();
        assert!(error.ends_with("already has b: name another folder, or give --force to replace them"), "{error}");
        assert!(!folder.path().join("a").exists(), "all or nothing");
        write(folder.path(), &files, true).unwrap();
        assert_eq!(fs::read_to_string(folder.path().join("b")).unwrap(), "new");
        assert_eq!(fs::read_to_string(outside.path().join("target")).unwrap(), "theirs", "a link is replaced, not followed");
    }

    #[test]
    fn what_a_killed_process_has_left_goes() {
        let place = tempfile::tempdir().unwrap();
        let here = |name: &str, mode| {
            let path = place.path().join(name);
            DirBuilder::new().mode(mode).create(&path).unwrap();
            fs::write(path.join("token"), "secret").unwrap();
            path
        };
        let held = PrivateFolder::within(place.path()).unwrap();
        let left = here("connectors-files-left", 0o700);
        let others = [here("connectors-demo-x", 0o700), here("connectors-files-open", 0o755)];
        let elsewhere = tempfile::tempdir().unwrap();
        symlink(elsewhere.path(), place.path().join("connectors-files-link")).unwrap();
        let second = PrivateFolder::within(place.path()).unwrap();
        assert!(!left.exists());
        assert!(held.path().exists() && second.path().exists() && elsewhere.path().exists() && others.iter().all(|path| path.exists()));
    }

    #[test]
    fn a_place_is_private_if_nobody_else_can_enter_it() {
        let place = tempfile::tempdir().unwrap();
        for (mode, expect) in [(0o700, true), (0o500, true), (0o750, false), (0o755, false), (0o701, false), (0o1777, false)] {
            fs::set_permissions(place.path(), Permissions::from_mode(mode)).unwrap();
            assert_eq!(is_private(place.path()), expect, "{mode:o}");
        }
        assert!(!is_private(&place.path().join("none")) && !is_private(Path::new("/proc/1/root")));
    }

    #[test]
    fn a_folder_that_is_kept_holds_these_files_and_what_clients_put_beside() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("mine");
        keep(parent.path(), "mine", &[file("old", "", Source::BuiltIn), file("both", "1", Source::BuiltIn)]).unwrap();
        fs::create_dir_all(folder.join("buildx/instances")).unwrap();
        fs::write(folder.join("buildx/current"), "theirs").unwrap();
        fs::create_dir_all(folder.join("new/in the way")).unwrap();
        keep(parent.path(), "mine", &[file("both", "2", Source::BuiltIn), file("new", "3", Source::BuiltIn)]).unwrap();
        let mut names: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["both", "buildx", "new"]);
        let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
        assert_eq!((read("both"), read("new"), read("buildx/current")), ("2".to_owned(), "3".to_owned(), "theirs".to_owned()));
        fs::set_permissions(&folder, Permissions::from_mode(0o755)).unwrap();
        assert!(keep(parent.path(), "mine", &[]).unwrap_err().to_string().contains("mode 0700"));
        for _ in 0..2 {
            forget(parent.path(), "mine").unwrap();
            assert!(!folder.exists());
        }
        fs::write(parent.path().join("file"), "").unwrap();
        assert!(make(&parent.path().join("file")).unwrap_err().to_string().ends_with("is not a folder"));
    }

    #[test]
    fn several_at_once_leave_what_one_of_them_wrote() {
        let parent = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for n in 0..8 {
                let parent = parent.path();
                scope.spawn(move || {
                    for _ in 0..20 {
                        let files: Vec<File> = (n..n + 4).map(|name| file(&format!("f{name}"), &n.to_string(), Source::BuiltIn)).collect();
                        keep(parent, "mine", &files).unwrap();
                        if n == 0 {
                            forget(parent, "mine").unwrap();
                        }
                    }
                });
            }
        });
        keep(parent.path(), "mine", &[file("last", "", Source::BuiltIn)]).unwrap();
        assert_eq!(fs::read_dir(parent.path().join("mine")).unwrap().count(), 1);
    }
}
