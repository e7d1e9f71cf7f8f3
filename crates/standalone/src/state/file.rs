//! Files that are there whole or not at all.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Writes a file that isn't there yet, with exactly this mode. If it is, that file stays and the error is
/// [`io::ErrorKind::AlreadyExists`]; of several that write it at once, one succeeds.
pub(super) fn create(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let temporary = Temporary::write(path, bytes, mode)?;
    // Unlike a rename, a link fails when the name is taken.
    fs::hard_link(&temporary.path, path)?;
    sync_folder(path)
}

/// Writes a file with exactly this mode, in place of one that may be there.
pub(super) fn replace(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let temporary = Temporary::write(path, bytes, mode)?;
    fs::rename(&temporary.path, path)?;
    sync_folder(path)
}

/// A file of a name that nobody else uses, gone when dropped.
struct Temporary {
    path: PathBuf,
}

impl Temporary {
    fn write(beside: &Path, bytes: &[u8], mode: u32) -> io::Result<Self> {
        let mut random = [0; 8];
        aws_lc_rs::rand::fill(&mut random).map_err(|_| io::Error::other("the system has no random numbers"))?;
        let path = beside.with_file_name(format!(".{:016x}.tmp", u64::from_ne_bytes(random)));
        // Owner only from its first moment; the mode that was asked for comes when the content is there.
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        let temporary = Self { path };
        file.write_all(bytes)?;
        file.set_permissions(Permissions::from_mode(mode))?;
        file.sync_all()?;
        Ok(temporary)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // After a rename it is gone already; if it can't be removed, a stray file is all that happens.
        let _ = fs::remove_file(&self.path);
    }
}

/// Makes a new name survive a power failure.
fn sync_folder(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}
