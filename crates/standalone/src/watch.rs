//! Notifications of changes, gathered into scans.

use std::collections::{BTreeSet, HashMap};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};

use crate::directory::{Scanned, Shared};
use crate::folder::Hint;

/// How long it must be quiet before a scan: writing a file takes several steps, each of which is told.
const QUIET: Duration = Duration::from_millis(50);
/// How long a scan waits for quiet at most. With the scan itself this leaves a change in force well within a second.
const PATIENCE: Duration = Duration::from_millis(100);
/// Between looks through all of the directory, in case a notification was lost.
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
    /// Something may have changed there.
    Change(Hint),
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
        let mut hint = Hint::Everywhere;
        // When everything was looked at last.
        let mut complete = Instant::now();
        loop {
            if hint == Hint::Everywhere {
                complete = Instant::now();
            }
            let Scanned { again, moved } = self.shared.scan(&hint);
            // Directories that came with this scan may have changed before they were watched.
            let fresh = moved && self.notifications.follow(self.shared.watched());
            let safety = if fresh { Duration::ZERO } else { self.notifications.interval().saturating_sub(complete.elapsed()) };
            let (longest, otherwise) = match again {
                Some(again) if again < safety => (again, Hint::nowhere()),
                _ => (safety, Hint::Everywhere),
            };
            hint = match self.wait(longest, otherwise) {
                // Also when something else was told first: that mustn't put it off.
                Next::Scan(_) if fresh || complete.elapsed() >= self.notifications.interval() => Hint::Everywhere,
                Next::Scan(hint) => hint,
                Next::Stop => return,
            };
        }
    }

    /// Returns when it is time for a scan, at the latest after `longest`, and then `otherwise` is where.
    fn wait(&self, longest: Duration, otherwise: Hint) -> Next {
        let mut hint = match self.receiver.recv_timeout(longest) {
            Ok(message) => match message.hint() {
                Some(hint) => hint,
                None => return Next::Stop,
            },
            Err(RecvTimeoutError::Timeout) => return Next::Scan(otherwise),
            Err(RecvTimeoutError::Disconnected) => return Next::Stop,
        };
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.receiver.recv_timeout(QUIET.min(left)) {
                Ok(message) => match message.hint() {
                    Some(more) => hint.add(more),
                    None => return Next::Stop,
                },
                Err(RecvTimeoutError::Timeout) => return Next::Scan(hint),
                Err(RecvTimeoutError::Disconnected) => return Next::Stop,
            }
            if left.is_zero() {
                return Next::Scan(hint);
            }
        }
    }
}

impl Message {
    /// Where to look because of it; `None` if that is over.
    fn hint(self) -> Option<Hint> {
        match self {
            Self::Stop => None,
            Self::Change(hint) => Some(hint),
            Self::Trouble(error) => {
                tracing::warn!(error = %error, "notifications of changed manifests failed; looking through the directory instead");
                Some(Hint::Everywhere)
            }
        }
    }
}

enum Next {
    Scan(Hint),
    Stop,
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
                Ok(event) if matters(&event.kind) => Message::Change(hint(event)),
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
    fn follow(&mut self, directories: BTreeSet<PathBuf>) -> bool {
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

/// Where something happened; one that doesn't say so, or says that others were lost, may be about anything.
fn hint(event: Event) -> Hint {
    match event.need_rescan() || event.paths.is_empty() {
        true => Hint::Everywhere,
        false => Hint::At(event.paths.into_iter().collect()),
    }
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    path.metadata().ok().map(|metadata| (metadata.dev(), metadata.ino()))
}

/// Reading is told too, a scan's own included, and changes nothing.
fn matters(kind: &EventKind) -> bool {
    !matches!(kind, EventKind::Access(access) if *access != AccessKind::Close(AccessMode::Write))
}
