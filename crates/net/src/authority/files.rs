//! The CA's two files.
//!
//! They are made under a lock on their folder, the key first and each by renaming a complete file, so that whoever sees the certificate sees both whole.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use connectors_core::SecretValue;

use super::ca::{Ca, CaError};

const CERTIFICATE: &str = "ca.crt";
const KEY: &str = "ca.key";

/// No file is longer. An RSA key of 4096 bits has 3.2 KB in PEM; the certificate, with comments before it, not much more.
const MAX_FILE: u64 = 64 * 1024;

/// Why the CA in a folder can't be used. What is there is never replaced: callers trust it, and may be the only ones to know.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// The folder can't be opened or locked.
    #[error("the folder {} can't be used", .0.display())]
    Folder(PathBuf, #[source] io::Error),
    /// One of the files can't be read.
    #[error("{} can't be read", .0.display())]
    Read(PathBuf, #[source] io::Error),
    /// One of the files can't be written.
    #[error("{} can't be written", .0.display())]
    Write(PathBuf, #[source] io::Error),
    /// The key's mode gives rights to group or others, and with it anyone could sign for any host.
    #[error("{path} has mode {mode:04o}, so others may know the CA's key: delete it and ca.crt to get a new CA, or, if nobody else has read it, run `chmod 600 {path}`", path = .0.display(), mode = .1)]
    OpenToOthers(PathBuf, u32),
    /// The key belongs to another user, who knows it, and could sign for any host.
    #[error("{} belongs to user {}, who therefore knows the CA's key: delete it and ca.crt to get a new CA", .0.display(), .1)]
    NotOwned(PathBuf, u32),
    /// One file without the other.
    #[error("{} is missing, but its counterpart {} is there: restore the one, or delete the other to get a new CA", .missing.display(), .there.display())]
    Incomplete {
        /// The file that isn't there.
        missing: PathBuf,
        /// The file that is.
        there: PathBuf,
    },
    /// The files hold no usable CA.
    #[error("the CA in {} and ca.key can't be used; restore it, or delete both files to get a new one", .0.display())]
    Unusable(PathBuf, #[source] CaError),
    /// No new CA could be made.
    #[error("no CA can be made")]
    Make(#[source] CaError),
}

/// Where the two files are.
struct Files {
    certificate: PathBuf,
    key: PathBuf,
}

pub(super) fn load_or_create(folder: &Path, now: SystemTime) -> Result<Ca, AuthorityError> {
    let files = Files { certificate: folder.join(CERTIFICATE), key: folder.join(KEY) };
    if let Some(ca) = files.load(now)? {
        return Ok(ca);
    }
    let unusable = |error| AuthorityError::Folder(folder.to_owned(), error);
    // Held until the end of this function. On the folder itself, so that there is no lock file to leave behind.
    let lock = File::open(folder).map_err(unusable)?;
    lock.lock().map_err(unusable)?;
    // Somebody may have been faster.
    if let Some(ca) = files.load(now)? {
        return Ok(ca);
    }
    files.create(now)?;
    lock.sync_all().map_err(unusable)?;
    files.load(now)?.ok_or(AuthorityError::Incomplete { missing: files.certificate, there: files.key })
}

impl Files {
    /// The CA that is there. `None` if there is no certificate.
    fn load(&self, now: SystemTime) -> Result<Option<Ca>, AuthorityError> {
        let Some(Read { bytes: certificate, .. }) = read(&self.certificate)? else { return Ok(None) };
        let Some(Read { bytes: key, owner, mode }) = read(&self.key)? else {
            return Err(AuthorityError::Incomplete { missing: self.key.clone(), there: self.certificate.clone() });
        };
        // The same rule as for the key that signs local tokens.
        if owner != rustix::process::geteuid().as_raw() {
            return Err(AuthorityError::NotOwned(self.key.clone(), owner));
        }
        if mode & 0o077 != 0 {
            return Err(AuthorityError::OpenToOthers(self.key.clone(), mode));
        }
        let unusable = |error| AuthorityError::Unusable(self.certificate.clone(), error);
        let certificate = certificate.expose_str().ok_or(CaError::Certificate).map_err(unusable)?;
        let key = key.expose_str().ok_or(CaError::Key).map_err(unusable)?;
        Ca::from_pem(certificate, key, now).map(Some).map_err(unusable)
    }

    /// Makes both files. The folder must be locked.
    fn create(&self, now: SystemTime) -> Result<(), AuthorityError> {
        // Links that lead nowhere count: whoever put them there has meant something by it.
        if fs::symlink_metadata(&self.certificate).is_ok() {
            return Err(AuthorityError::Read(self.certificate.clone(), io::ErrorKind::NotFound.into()));
        }
        if fs::symlink_metadata(&self.key).is_ok() {
            return Err(AuthorityError::Incomplete { missing: self.certificate.clone(), there: self.key.clone() });
        }
        let (ca, key) = Ca::make(now).map_err(AuthorityError::Make)?;
        write(&self.key, key.expose(), 0o600)?;
        write(&self.certificate, ca.certificate_pem().as_bytes(), 0o644)
    }
}

/// What a file holds, and who may have written or read it.
struct Read {
    bytes: SecretValue,
    owner: u32,
    mode: u32,
}

/// Reads a file. `None` if it isn't there.
fn read(path: &Path) -> Result<Option<Read>, AuthorityError> {
    let unreadable = |error| AuthorityError::Read(path.to_owned(), error);
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(error)),
    };
    // Of the open file, so that it can't be another than the one that is read.
    let metadata = file.metadata().map_err(unreadable)?;
    // With room for all of it, so that growing leaves no copies behind.
    let mut bytes = Vec::with_capacity(MAX_FILE as usize);
    file.take(MAX_FILE).read_to_end(&mut bytes).map_err(unreadable)?;
    Ok(Some(Read { bytes: SecretValue::new(bytes), owner: metadata.uid(), mode: metadata.mode() & 0o7777 }))
}

/// Makes a file that is whole from the first moment that it can be seen.
fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<(), AuthorityError> {
    let unwritable = |error| AuthorityError::Write(path.to_owned(), error);
    let new = path.with_extension("new");
    // Left by a process that was killed; nobody else is here, because of the lock.
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(unwritable(error)),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&new).map_err(unwritable)?;
    // Exactly this mode, whatever the umask.
    file.set_permissions(fs::Permissions::from_mode(mode)).map_err(unwritable)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(unwritable)?;
    fs::rename(&new, path).map_err(unwritable)
}
