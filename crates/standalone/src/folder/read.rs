//! Reading one file that somebody may be writing.

use std::fs::OpenOptions;
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use rustix::fs::OFlags;
use zeroize::Zeroizing;

use super::fingerprint::Fingerprint;

/// The size of a manifest. The API server takes 1.5 MiB for an object; a file may hold several.
pub(super) const MAX_MANIFEST: u64 = 8 << 20;
/// The size of a Secret's value: what Kubernetes allows for all of them together.
pub(super) const MAX_VALUE: u64 = 1 << 20;
/// `> file` empties a file and then writes it. One that has been empty for this long is meant to be.
const EMPTY_ON_PURPOSE: Duration = Duration::from_secs(1);
/// How often to begin again when a file changes while it is read.
const ATTEMPTS: usize = 5;

/// What came of it.
pub(super) enum Read {
    /// All of it, as it was at one moment.
    Content(Zeroizing<Vec<u8>>, Fingerprint),
    /// It is being written.
    Unsettled,
    /// It isn't there any more.
    Gone,
    /// It can't be read; says why.
    Failed(String),
}

/// Reads a whole file. `again` says that it has been read before, so that one that is empty for a moment can wait.
pub(super) fn read(path: &Path, limit: u64, again: bool) -> Read {
    for _ in 0..ATTEMPTS {
        match attempt(path, limit) {
            Ok(Some((content, fingerprint))) => {
                let emptied = again && content.is_empty() && fingerprint.age(SystemTime::now()) < EMPTY_ON_PURPOSE;
                return if emptied { Read::Unsettled } else { Read::Content(content, fingerprint) };
            }
            Ok(None) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound && path.symlink_metadata().is_err() => return Read::Gone,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Read::Failed("can't be read: it is a link that leads nowhere".into()),
            Err(error) => return Read::Failed(format!("can't be read: {error}")),
        }
    }
    match again {
        true => Read::Unsettled,
        false => Read::Failed("can't be read: it keeps changing".into()),
    }
}

/// One reading; `None` if the file changed meanwhile.
fn attempt(path: &Path, limit: u64) -> io::Result<Option<(Zeroizing<Vec<u8>>, Fingerprint)>> {
    // Opening a pipe would else wait for somebody to write to it.
    let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
    let mut file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let before = Fingerprint::from(&metadata);
    if before.length() > limit {
        return Err(io::Error::other(format!("it is bigger than {} MiB", limit >> 20)));
    }
    // As big as the file, so that growing doesn't leave copies behind that aren't wiped; one more byte to see the end.
    let mut content = Zeroizing::new(Vec::with_capacity(before.length() as usize + 1));
    file.by_ref().take(before.length() + 1).read_to_end(&mut content)?;
    let after = Fingerprint::from(&file.metadata()?);
    Ok((before == after && content.len() as u64 == before.length()).then_some((content, after)))
}
