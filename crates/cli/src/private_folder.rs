//! Writing the files of configurations where nobody else can read them.

use std::fs::{self, DirBuilder, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use connectors_crd::configurations::File;
use tempfile::TempDir;

/// A folder of its owner's alone (mode 0700), gone with all that is in it when dropped.
pub(crate) struct PrivateFolder(TempDir);

impl PrivateFolder {
    /// A new one: in memory if this machine has a place for that, else among the temporary files.
    pub(crate) fn new() -> anyhow::Result<Self> {
        let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
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
        let mut builder = tempfile::Builder::new();
        builder.prefix("connectors-").permissions(Permissions::from_mode(0o700)).tempdir_in(place).map(Self)
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }
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

/// Makes `folder` hold these files and nothing else. For a folder that only this program writes to.
pub(crate) fn replace_all(folder: &Path, files: &[File]) -> anyhow::Result<()> {
    make(folder)?;
    let metadata = fs::symlink_metadata(folder).with_context(|| format!("cannot look at {}", folder.display()))?;
    if !metadata.is_dir() || metadata.mode() & 0o077 != 0 || metadata.uid() != rustix::process::geteuid().as_raw() {
        bail!("{} must be a folder of this user's alone (mode 0700): remove it", folder.display());
    }
    write(folder, files, true)?;
    for entry in fs::read_dir(folder)?.filter_map(Result::ok) {
        if !files.iter().any(|file| entry.file_name() == *file.name) {
            fs::remove_file(entry.path()).with_context(|| format!("cannot remove {}", entry.path().display()))?;
        }
    }
    Ok(())
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
    fn a_folder_of_ours_holds_nothing_else() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("mine");
        replace_all(&folder, &[file("old", "", Source::BuiltIn), file("both", "1", Source::BuiltIn)]).unwrap();
        replace_all(&folder, &[file("both", "2", Source::BuiltIn)]).unwrap();
        let names: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!((names, fs::read_to_string(folder.join("both")).unwrap()), (vec!["both".into()], "2".to_owned()));
        fs::set_permissions(&folder, Permissions::from_mode(0o755)).unwrap();
        assert!(replace_all(&folder, &[]).unwrap_err().to_string().contains("mode 0700"));
        fs::write(parent.path().join("file"), "").unwrap();
        assert!(make(&parent.path().join("file")).unwrap_err().to_string().ends_with("is not a folder"));
    }
}
