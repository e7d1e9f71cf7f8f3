//! Whether a file is the one that was read.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use rustix::fs::Stat;

/// Two writes this close together may leave the same times: file systems count in ticks of the kernel's clock, at most 10 ms long, and
/// some in coarser steps.
const TICK: Duration = Duration::from_millis(100);

/// What changes when a file is written, replaced, or made readable to others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fingerprint {
    device: u64,
    inode: u64,
    length: u64,
    mode: u32,
    modified: (i64, i64),
    /// Last change of content or metadata; unlike `modified` it can't be set at will.
    changed: (i64, i64),
}

impl Fingerprint {
    /// That of the file that `path` leads to, links followed; `None` if there is none.
    pub(super) fn of(path: &Path) -> Option<Self> {
        path.metadata().ok().map(|metadata| Self::from(&metadata))
    }

    /// Whether anything that happens to the file after `time` is sure to change the fingerprint.
    pub(super) fn is_settled(&self, time: SystemTime) -> bool {
        self.age(time) > TICK
    }

    /// How long before `time` the file was last changed; zero if after it.
    pub(super) fn age(&self, time: SystemTime) -> Duration {
        let (seconds, nanoseconds) = self.changed;
        let (Ok(seconds), Ok(nanoseconds)) = (u64::try_from(seconds), u32::try_from(nanoseconds)) else { return Duration::MAX };
        time.duration_since(SystemTime::UNIX_EPOCH + Duration::new(seconds, nanoseconds)).unwrap_or_default()
    }

    /// Length in bytes.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// What to warn of if the file holds secrets and its group or everybody may read it.
    pub(super) fn warning(&self) -> Option<String> {
        const READABLE_BY_OTHERS: u32 = 0o044;
        let mode = self.mode & 0o7777;
        (mode & READABLE_BY_OTHERS != 0).then(|| format!("holds a Secret's values, and its mode {mode:04o} lets others read it: run chmod 600 on it"))
    }
}

impl From<&Metadata> for Fingerprint {
    fn from(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            length: metadata.len(),
            mode: metadata.mode(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// The same as from the standard library's [`Metadata`] of the file.
impl From<&Stat> for Fingerprint {
    fn from(stat: &Stat) -> Self {
        Self {
            device: stat.st_dev,
            inode: stat.st_ino,
            length: stat.st_size.cast_unsigned(),
            mode: stat.st_mode,
            modified: (stat.st_mtime, stat.st_mtime_nsec),
            changed: (stat.st_ctime, stat.st_ctime_nsec),
        }
    }
}
