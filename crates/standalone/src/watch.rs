//! Notifications of changes, gathered into scans.

use std::collections::HashMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};

use crate::directory::Shared;

/// How long it must be quiet before a scan: writing a file takes several steps, each of which is told.
const QUIET: Duration = Duration::from_millis(50);
/// How long a scan waits for quiet at most. With the scan itself this leaves a change in force well within a second.
const PATIENCE: Duration = Duration::from_millis(100);
/// Between scans that nothing asked for, in case a notification was lost.
const SAFETY: Duration = Duration::from_secs(10);
/// Between scans when there are no notifications.
const POLL: Duration = Duration::from_millis(500);

/// A directory that is being followed. Dropping it ends that.
#[derive(Debug)]
pub struct Watch {
    sender: Sender<Message>,
    thread: Option<JoinHandle<()>>,
}

/// Why a directory can't be followed.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// The system gives no thread.
    #[error("the thread that follows the directory can't be started")]
    Thread(#[source] std::io::Error),
}

enum Message {
    Change,
    /// Notifications have failed; some may be lost.
    Trouble(notify::Error),
    Stop,
}

impl Watch {
    pub(crate) fn start(shared: Arc<Shared>) -> Result<Self, WatchError> {
        let (sender, receiver) = channel();
        let notifications = Notifications::new(sender.clone());
        let run = move || Follower { shared, receiver, notifications }.run();
        let thread = std::thread::Builder::new().name("manifests".into()).spawn(run).map_err(WatchError::Thread)?;
        Ok(Self { sender, thread: Some(thread) })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // It may have ended by itself only by panicking, and then there is nobody to tell.
        let _ = self.sender.send(Message::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Follower {
    shared: Arc<Shared>,
    receiver: Receiver<Message>,
    notifications: Notifications,
}

impl Follower {
    fn run(mut self) {
        loop {
            // Directories that came with the last scan may have changed before they were watched.
            let again = self.shared.scan();
            let fresh = self.notifications.follow(self.shared.watched());
            let wait = match (fresh, again) {
                (true, _) => Duration::ZERO,
                (false, Some(again)) => again,
                (false, None) => self.notifications.interval(),
            };
            if self.wait(wait).is_stop() {
                return;
            }
        }
    }

    /// Returns when it is time for a scan.
    fn wait(&self, longest: Duration) -> Next {
        match self.receiver.recv_timeout(longest) {
            Ok(message) if self.note(&message).is_stop() => return Next::Stop,
            Ok(_) => {}
            Err(RecvTimeoutError::Timeout) => return Next::Scan,
            Err(RecvTimeoutError::Disconnected) => return Next::Stop,
        }
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.receiver.recv_timeout(QUIET.min(left)) {
                Ok(message) if self.note(&message).is_stop() => return Next::Stop,
                Ok(_) if left.is_zero() => return Next::Scan,
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout) => return Next::Scan,
                Err(RecvTimeoutError::Disconnected) => return Next::Stop,
            }
        }
    }

    fn note(&self, message: &Message) -> Next {
        match message {
            Message::Stop => Next::Stop,
            Message::Change => Next::Scan,
            Message::Trouble(error) => {
                tracing::warn!(error = %error, "notifications of changed manifests failed; looking through the directory instead");
                Next::Scan
            }
        }
    }
}

#[derive(PartialEq)]
enum Next {
    Scan,
    Stop,
}

impl Next {
    fn is_stop(&self) -> bool {
        *self == Self::Stop
    }
}

/// What the system is asked to tell about.
struct Notifications {
    watcher: Option<RecommendedWatcher>,
    /// By path, which directory that was: one that was replaced must be watched anew.
    watched: HashMap<PathBuf, (u64, u64)>,
    /// Whether all that matters is watched.
    complete: bool,
}

impl Notifications {
    fn new(sender: Sender<Message>) -> Self {
        let tell = move |result: notify::Result<Event>| {
            let message = match result {
                Ok(event) if matters(&event.kind) => Message::Change,
                Ok(_) => return,
                Err(error) => Message::Trouble(error),
            };
            // Nobody follows any more.
            let _ = sender.send(message);
        };
        let watcher = notify::recommended_watcher(tell)
            .inspect_err(|error| tracing::warn!(error = %error, "no notifications of changed manifests; looking through the directory twice a second instead"))
            .ok();
        Self { complete: watcher.is_some(), watcher, watched: HashMap::new() }
    }

    /// Watches these directories and no others. Returns whether any is new.
    fn follow(&mut self, directories: Vec<PathBuf>) -> bool {
        let Some(watcher) = &mut self.watcher else { return false };
        // Resolved, or else one directory by two names would be one watch that either name ends.
        let wanted: HashMap<PathBuf, (u64, u64)> = directories.iter().filter_map(|path| Some((path.canonicalize().ok()?, identity(path)?))).collect();
        for path in self.watched.extract_if(|path, identity| wanted.get(path) != Some(identity)).map(|(path, _)| path) {
            // It is gone already if the directory is.
            let _ = watcher.unwatch(&path);
        }
        let complete_before = self.complete;
        self.complete = true;
        let mut fresh = false;
        for (path, identity) in wanted {
            if self.watched.contains_key(&path) {
                continue;
            }
            match watcher.watch(&path, RecursiveMode::NonRecursive) {
                Ok(()) => {
                    self.watched.insert(path, identity);
                    fresh = true;
                }
                Err(error) => {
                    self.complete = false;
                    if complete_before {
                        tracing::warn!(error = %error, "a directory of manifests can't be watched; looking through it twice a second instead");
                    }
                }
            }
        }
        fresh
    }

    fn interval(&self) -> Duration {
        if self.complete { SAFETY } else { POLL }
    }
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    path.metadata().ok().map(|metadata| (metadata.dev(), metadata.ino()))
}

/// Reading is told too, a scan's own included, and changes nothing.
fn matters(kind: &EventKind) -> bool {
    !matches!(kind, EventKind::Access(access) if *access != AccessKind::Close(AccessMode::Write))
}
