//! The state folder: the signing key, the interception CA, and which server is running.
//!
//! Nothing in it is needed by anyone but the user who owns the manifests: it is made with mode 0700, and every secret in it with 0600.
//!
//! | file | mode | what |
//! |---|---|---|
//! | `signing-key.pem` | 0600 | signs local tokens |
//! | `ca.crt`, `ca.key` | 0644, 0600 | the interception CA; written and read by whoever terminates TLS |
//! | `lock` | 0600 | locked (`flock(2)`) as long as a server runs; holds its process id |
//! | `running.json` | 0644 | where that server listens |
//! | `.gitignore` | 0644 | keeps all of this out of a repository that the manifests are in |

mod file;

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use connectors_core::SecretValue;
use serde::{Deserialize, Serialize};

use crate::token::{KeyError, SigningKey};

/// The state folder's name in a directory of manifests, unless another is chosen.
pub const DEFAULT_FOLDER: &str = ".connectors";

const SIGNING_KEY: &str = "signing-key.pem";
const CA_CERTIFICATE: &str = "ca.crt";
const CA_KEY: &str = "ca.key";
const LOCK: &str = "lock";
const RUNNING: &str = "running.json";
const GIT_IGNORE: &str = ".gitignore";

/// The rights that a mode gives to group and others.
const OTHERS: u32 = 0o077;
/// No file here is longer. A P-256 key in PEM has 241 bytes.
const MAX_FILE: u64 = 16 * 1024;

/// [`State::running`] holds the lock for the moment of looking. A server that starts right then tries again this often.
const LOCK_ATTEMPTS: u32 = 20;
/// How long it waits between two attempts.
const LOCK_PAUSE: Duration = Duration::from_millis(5);

/// A state folder that exists, belongs to the effective user, and is open to nobody else.
#[derive(Debug, Clone)]
pub struct State {
    folder: PathBuf,
}

/// Why a state folder can't be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It isn't there and can't be made. Its parent must exist.
    #[error("the state folder {} can't be made", .0.display())]
    Create(PathBuf, #[source] io::Error),
    /// It can't be looked at.
    #[error("the state folder {} can't be read", .0.display())]
    Read(PathBuf, #[source] io::Error),
    /// Something else has its name.
    #[error("the state folder {} is not a folder; choose another with --state", .0.display())]
    NotAFolder(PathBuf),
    /// Whoever it belongs to can put a key of their own in place.
    #[error("the state folder {} belongs to user {} and not to this one; choose another with --state", .0.display(), .1)]
    NotOwned(PathBuf, u32),
    /// Whoever can enter it can use what is in it that is open to them; whoever can write to it can put a key of their own in place.
    #[error("others can enter the state folder {path} (mode {mode:04o}): run `chmod 700 {path}`", path = .0.display(), mode = .1)]
    OpenToOthers(PathBuf, u32),
}

/// Why there is no signing key. A key that can't be used is never replaced: that is for its owner to decide.
#[derive(Debug, thiserror::Error)]
pub enum SigningKeyError {
    /// No key could be made.
    #[error("no signing key can be made")]
    Generate(#[source] KeyError),
    /// The file can't be written.
    #[error("the signing key {} can't be written", .0.display())]
    Write(PathBuf, #[source] io::Error),
    /// The file can't be read.
    #[error("the signing key {} can't be read", .0.display())]
    Read(PathBuf, #[source] io::Error),
    /// Its mode gives rights to group or others.
    #[error(
        "the signing key {path} has mode {mode:04o}, so others may know it: delete it to get a new one (every token made so far ends), \
         or, if nobody else has read it, run `chmod 600 {path}`",
        path = .0.display(), mode = .1
    )]
    OpenToOthers(PathBuf, u32),
    /// It belongs to another user, who knows it.
    #[error("the signing key {} belongs to user {}, who therefore knows it: delete it to get a new one (every token made so far ends)", .0.display(), .1)]
    NotOwned(PathBuf, u32),
    /// It isn't a key.
    #[error("the file {} is no signing key; restore it, or delete it to get a new one (every token made so far ends)", .0.display())]
    Invalid(PathBuf, #[source] KeyError),
}

/// Why the lock can't be had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another server has it.
    #[error(
        "another server{} already uses the state folder {}; stop it, or choose another folder with --state",
        .pid.map(|pid| format!(" (process {pid})")).unwrap_or_default(), .folder.display()
    )]
    Held {
        /// The folder.
        folder: PathBuf,
        /// The server's process id, if it could be read.
        pid: Option<u32>,
    },
    /// The lock file can't be made, locked or written, or an old `running.json` can't be removed.
    #[error("{} can't be used", .0.display())]
    Io(PathBuf, #[source] io::Error),
}

/// `running.json` can't be written.
#[derive(Debug, thiserror::Error)]
#[error("{} can't be written", .0.display())]
pub struct AnnounceError(PathBuf, #[source] io::Error);

/// A server that runs now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    /// Its process id.
    pub pid: u32,
    /// Where it takes requests.
    pub listen: SocketAddr,
    /// Where it answers `/healthz`, `/readyz` and `/metrics`.
    pub admin: SocketAddr,
}

/// The right to be the server of a state folder; ends when dropped, and with the process however that ends.
#[derive(Debug)]
pub struct Lock {
    /// Open, and therefore locked.
    file: File,
    running: PathBuf,
}

impl State {
    /// Opens the folder, making it (mode 0700, with a `.gitignore`) if it isn't there. Its parent must be there. It may be a link; what
    /// counts is the folder that it leads to. A relative path is resolved here, so that what is named after it holds in any working directory.
    pub fn open(folder: impl Into<PathBuf>) -> Result<Self, OpenError> {
        let folder = folder.into();
        match DirBuilder::new().mode(0o700).create(&folder) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(OpenError::Create(folder, error)),
        }
        let metadata = match fs::metadata(&folder) {
            Ok(metadata) => metadata,
            Err(error) => return Err(OpenError::Read(folder, error)),
        };
        if !metadata.is_dir() {
            return Err(OpenError::NotAFolder(folder));
        }
        if metadata.uid() != rustix::process::geteuid().as_raw() {
            return Err(OpenError::NotOwned(folder, metadata.uid()));
        }
        if metadata.mode() & OTHERS != 0 {
            return Err(OpenError::OpenToOthers(folder, metadata.mode() & 0o7777));
        }
        match file::create(&folder.join(GIT_IGNORE), b"*\n", 0o644) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(OpenError::Create(folder, error)),
            _ => {}
        }
        match std::path::absolute(&folder) {
            Ok(folder) => Ok(Self { folder }),
            Err(error) => Err(OpenError::Read(folder, error)),
        }
    }

    /// The folder, as an absolute path.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where the interception CA's certificate is, or goes, with mode 0644.
    pub fn ca_certificate(&self) -> PathBuf {
        self.folder.join(CA_CERTIFICATE)
    }

    /// Where the interception CA's key is, or goes, with mode 0600.
    pub fn ca_key(&self) -> PathBuf {
        self.folder.join(CA_KEY)
    }

    /// The signing key; made if there is none. Of several processes that make it at once, one succeeds and all use its key.
    pub fn signing_key(&self) -> Result<SigningKey, SigningKeyError> {
        let path = self.folder.join(SIGNING_KEY);
        match read_signing_key(&path) {
            Err(SigningKeyError::Read(_, error)) if error.kind() == io::ErrorKind::NotFound => {}
            result => return result,
        }
        let pem = SigningKey::generate_pem().map_err(SigningKeyError::Generate)?;
        match file::create(&path, pem.expose(), 0o600) {
            // Somebody was faster; theirs counts.
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(SigningKeyError::Write(path, error)),
            _ => read_signing_key(&path),
        }
    }

    /// Becomes the one server of this folder. Blocks for at most a tenth of a second.
    pub fn lock(&self) -> Result<Lock, LockError> {
        let path = self.folder.join(LOCK);
        let running = self.folder.join(RUNNING);
        let mut file = match OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path) {
            Ok(file) => file,
            Err(error) => return Err(LockError::Io(path, error)),
        };
        match lock_patiently(&file) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(LockError::Held { folder: self.folder.clone(), pid: read_pid(&file) }),
            Err(TryLockError::Error(error)) => return Err(LockError::Io(path, error)),
        }
        // What a server that was killed has left behind must not be taken for ours: without a process id in the lock, nothing is believed.
        if let Err(error) = file.set_len(0) {
            return Err(LockError::Io(path, error));
        }
        match fs::remove_file(&running) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(LockError::Io(running, error)),
            _ => {}
        }
        match file.write_all(std::process::id().to_string().as_bytes()) {
            Ok(()) => Ok(Lock { file, running }),
            Err(error) => Err(LockError::Io(path, error)),
        }
    }

    /// The server that uses this folder now, once it listens. Only believed if that server holds the lock.
    pub fn running(&self) -> Option<Running> {
        let lock = File::open(self.folder.join(LOCK)).ok()?;
        if !matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock)) {
            return None;
        }
        let running = File::open(self.folder.join(RUNNING)).ok()?;
        let running: Running = serde_json::from_reader(running.take(MAX_FILE)).ok()?;
        (read_pid(&lock) == Some(running.pid)).then_some(running)
    }
}

impl Lock {
    /// Tells other commands where this process listens. To be called once the sockets are bound, and again if they change.
    pub fn announce(&self, listen: SocketAddr, admin: SocketAddr) -> Result<(), AnnounceError> {
        let running = Running { pid: std::process::id(), listen, admin };
        let json = serde_json::to_vec(&running).map_err(io::Error::from);
        json.and_then(|json| file::replace(&self.running, &json, 0o644)).map_err(|error| AnnounceError(self.running.clone(), error))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Both are only tidiness: once the file is closed, nobody believes either.
        let _ = fs::remove_file(&self.running);
        let _ = self.file.set_len(0);
    }
}

fn read_signing_key(path: &Path) -> Result<SigningKey, SigningKeyError> {
    let unreadable = |error| SigningKeyError::Read(path.to_owned(), error);
    let file = File::open(path).map_err(unreadable)?;
    // Of the open file, so that it can't be another than the one that is read.
    let metadata = file.metadata().map_err(unreadable)?;
    if metadata.uid() != rustix::process::geteuid().as_raw() {
        return Err(SigningKeyError::NotOwned(path.to_owned(), metadata.uid()));
    }
    let mode = metadata.mode() & 0o7777;
    if mode & OTHERS != 0 {
        return Err(SigningKeyError::OpenToOthers(path.to_owned(), mode));
    }
    // With room for all of it, so that growing leaves no copies behind.
    let mut pem = Vec::with_capacity(MAX_FILE as usize);
    file.take(MAX_FILE).read_to_end(&mut pem).map_err(unreadable)?;
    SigningKey::from_pem(&SecretValue::new(pem)).map_err(|error| SigningKeyError::Invalid(path.to_owned(), error))
}

fn lock_patiently(file: &File) -> Result<(), TryLockError> {
    for _ in 1..LOCK_ATTEMPTS {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => thread::sleep(LOCK_PAUSE),
            result => return result,
        }
    }
    file.try_lock()
}

fn read_pid(lock: &File) -> Option<u32> {
    let mut text = String::new();
    lock.take(MAX_FILE).read_to_string(&mut text).ok()?;
    text.parse().ok()
}

#[cfg(test)]
mod tests;
