//! A directory of manifests, followed while it changes.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use arc_swap::ArcSwap;
use connectors_core::Snapshot;
use connectors_crd::{CheckedClass, Connector, ConnectorClass, Objects, Severity, Surroundings};

use crate::Options;
use crate::folder::{Folder, Hint, Scan};
use crate::rbac::{Rbac, Rights};
use crate::report::{self, Finding, Report};
use crate::watch::{Watch, WatchError};
use crate::world::{Changed, Updated, World};

/// A directory that was read, and is followed once [`Directory::watch`] has been called.
///
/// It holds two atomic pointers, the snapshot for the data path and the roles for decisions. On a change the roles are replaced first, so
/// whoever reads the snapshot first never meets a Connector together with rights from before it.
#[derive(Debug, Clone)]
pub struct Directory {
    pub(crate) shared: Arc<Shared>,
}

#[derive(Debug)]
pub(crate) struct Shared {
    dir: PathBuf,
    options: Options,
    snapshot: Arc<ArcSwap<Snapshot>>,
    rights: Arc<Rights>,
    state: Mutex<State>,
    /// Told after every scan.
    scanned: Condvar,
    /// Told after every change.
    followers: Followers,
}

/// Functions that are called when what is in force has changed.
#[derive(Default)]
struct Followers(Mutex<Vec<Box<dyn Fn() + Send + Sync>>>);

impl fmt::Debug for Followers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Followers")
    }
}

impl Followers {
    fn list(&self) -> MutexGuard<'_, Vec<Box<dyn Fn() + Send + Sync>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
struct State {
    folder: Folder,
    world: World,
    status: Status,
    /// What has been logged and still holds, and how many findings say so.
    reported: HashMap<String, usize>,
}

/// What is to be done after a scan.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scanned {
    /// When to scan again, even if nothing more happens, because something was being written.
    pub(crate) again: Option<Duration>,
    /// Whether there may be other directories to watch.
    pub(crate) moved: bool,
}

/// Why a directory can't be opened. What is wrong with the files in it is no reason.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It isn't there or can't be read.
    #[error("{}: {problem}", path.display())]
    Unreadable {
        /// The directory.
        path: PathBuf,
        /// What the system says.
        problem: String,
    },
}

/// How a directory stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    /// Files read as manifests.
    pub files: usize,
    /// Objects in force.
    pub objects: usize,
    /// Files whose latest content is not in force because of errors, and directories that can't be read.
    pub broken: usize,
    /// How often what is in force has changed, the first time included.
    pub reloads: u64,
    /// When it last changed.
    pub last_reload: SystemTime,
    /// How often the directory has been looked through.
    pub scans: u64,
}

impl Directory {
    /// Reads the directory. What is wrong in it is logged; the objects that are right are in force.
    ///
    /// # Errors
    /// The directory itself can't be read.
    pub fn open(dir: impl Into<PathBuf>, options: Options) -> Result<Self, OpenError> {
        let dir = dir.into();
        let mut folder = Folder::new(&dir, &options);
        let scan = folder.scan(&Hint::Everywhere);
        if let Some(error) = folder.root_error() {
            return Err(OpenError::Unreadable { path: dir, problem: error.message.clone() });
        }
        let world = World::new(folder.in_force(), &options, None);
        let mut state = State {
            status: Status { files: 0, objects: 0, broken: 0, reloads: 1, last_reload: SystemTime::now(), scans: 1 },
            folder,
            world,
            reported: HashMap::new(),
        };
        let come: Vec<Finding> = scan.come.into_iter().chain(state.world.findings().cloned()).collect();
        state.take_stock(&[], &come);
        let shared = Shared {
            dir,
            options,
            snapshot: Arc::new(ArcSwap::new(state.world.snapshot().clone())),
            rights: Arc::new(Rights::new(Rbac::new(state.world.rbac()))),
            state: Mutex::new(state),
            scanned: Condvar::new(),
            followers: Followers::default(),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// The directory as it was named.
    pub fn path(&self) -> &Path {
        &self.shared.dir
    }

    /// What the data path reads; replaced on every change.
    pub fn snapshot(&self) -> Arc<ArcSwap<Snapshot>> {
        self.shared.snapshot.clone()
    }

    /// Who may do what; replaced on every change, before the snapshot is.
    pub fn rights(&self) -> Arc<Rights> {
        self.shared.rights.clone()
    }

    /// The ConnectorClasses in force, by name, with their conditions and the addresses of their APIs.
    pub fn classes(&self) -> Vec<ConnectorClass> {
        let Options { system_namespace, cluster_domain, .. } = self.shared.options.clone();
        self.shared.state().world.classes(&Surroundings { cluster_domain, system_namespace })
    }

    /// The class of that name that is in force, with what is wrong with it and its compiled rules and templates.
    pub fn class(&self, name: &str) -> Option<Arc<CheckedClass>> {
        self.shared.state().world.class(name).cloned()
    }

    /// The Connectors in force, by namespace and name, with the conditions that can be told without asking the tool, and the label that
    /// names their class. `status.proxy` is left to whoever knows where the proxy listens.
    pub fn connectors(&self) -> Vec<Connector> {
        self.shared.state().world.connectors()
    }

    /// All Connectors and classes in force, with what their state depends on: for whoever probes them.
    pub fn objects(&self) -> Objects {
        self.shared.state().world.everything()
    }

    /// Calls `told` whenever what is in force has changed, for as long as the directory is followed. It is called by the thread that follows the
    /// directory, which waits for it: it must return at once.
    pub fn on_change(&self, told: impl Fn() + Send + Sync + 'static) {
        self.shared.followers.list().push(Box::new(told));
    }

    /// Everything that is wrong now.
    pub fn report(&self) -> Report {
        let state = self.shared.state();
        Report::new(state.findings().cloned().collect(), state.status.files, state.status.objects)
    }

    /// The first error of each file and folder whose latest content is not in force, so that nobody can say that something isn't there.
    pub fn broken(&self) -> Vec<Finding> {
        self.shared.state().folder.broken_parts().cloned().collect()
    }

    /// Counters.
    pub fn status(&self) -> Status {
        self.shared.state().status
    }

    /// Looks through the directory now. [`Directory::watch`] does so by itself.
    pub fn reload(&self) {
        self.shared.scan(&Hint::Everywhere);
    }

    /// Follows the directory in a thread of its own, until the value is dropped. A change is in force within a fraction of a second.
    ///
    /// # Errors
    /// The thread can't be started. That the system offers no notifications (any more) is only logged; the directory is then looked
    /// through twice a second.
    pub fn watch(&self) -> Result<Watch, WatchError> {
        Watch::start(self.shared.clone())
    }

    /// Waits until a scan has ended after which `reached` holds, at most until `deadline`. Returns whether it does.
    pub fn wait_until(&self, deadline: Instant, mut reached: impl FnMut(&Self) -> bool) -> bool {
        loop {
            let scans = self.status().scans;
            if reached(self) {
                return true;
            }
            let state = self.shared.state();
            let left = deadline.saturating_duration_since(Instant::now());
            let waited = self.shared.scanned.wait_timeout_while(state, left, |state| state.status.scans == scans);
            if waited.unwrap_or_else(PoisonError::into_inner).1.timed_out() {
                return reached(self);
            }
        }
    }
}

impl Shared {
    /// Brings everything up to date with what may have changed.
    pub(crate) fn scan(&self, hint: &Hint) -> Scanned {
        let mut state = self.state();
        let State { folder, world, status, .. } = &mut *state;
        let Scan { changed, objects, mut gone, mut come, moved, again } = folder.scan(hint);
        if changed {
            let objects: Changed = objects.into_iter().map(|id| (id.clone(), folder.placed(&id))).collect();
            let updated = world.update(objects, &self.options, || folder.in_force());
            let Updated { rights, gone: no_more, come: more } = updated;
            if rights {
                self.rights.store(Rbac::new(world.rbac()));
            }
            self.snapshot.store(world.snapshot().clone());
            gone.extend(no_more);
            come.extend(more);
            status.reloads += 1;
            status.last_reload = SystemTime::now();
        }
        state.status.scans += 1;
        state.take_stock(&gone, &come);
        if changed {
            let Status { files, objects, broken, .. } = state.status;
            tracing::info!(files, objects, broken, "manifests reloaded");
        }
        self.scanned.notify_all();
        drop(state);
        if changed {
            self.followers.list().iter().for_each(|told| told());
        }
        Scanned { again, moved }
    }

    /// The directories to watch.
    pub(crate) fn watched(&self) -> BTreeSet<PathBuf> {
        self.state().folder.watched()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Only a scan changes it, and nobody goes on with what a panic in one would have left: the process ends with it, as the release profile has it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn findings(&self) -> impl Iterator<Item = &Finding> {
        self.folder.findings().chain(self.world.findings())
    }

    /// Counts, and logs what is wrong now and wasn't before, and that it no longer is.
    fn take_stock(&mut self, gone: &[Finding], come: &[Finding]) {
        self.status.files = self.folder.files();
        self.status.broken = self.folder.broken();
        self.status.objects = self.world.objects();
        // Those that came first, so that what is in both stays.
        let mut fresh = Vec::new();
        for finding in come {
            let count = self.reported.entry(finding.to_string()).or_default();
            if *count == 0 {
                fresh.push(finding.clone());
            }
            *count += 1;
        }
        report::sort(&mut fresh);
        fresh.iter().for_each(log);
        let mut mended = 0;
        for finding in gone {
            let text = finding.to_string();
            let Some(count) = self.reported.get_mut(&text) else { continue };
            *count -= 1;
            if *count == 0 {
                self.reported.remove(&text);
                mended += 1;
            }
        }
        if mended > 0 {
            tracing::info!(mended, "problems in manifests are gone");
        }
    }
}

fn log(finding: &Finding) {
    let Finding { file, at, severity, object, field, message } = finding;
    let (file, line, object, field) = (file.display(), at.map(|at| at.line), object.as_deref(), Some(field.as_str()).filter(|field| !field.is_empty()));
    match severity {
        Severity::Error => tracing::error!(%file, line, object, field, "{message}"),
        Severity::Warning => tracing::warn!(%file, line, object, field, "{message}"),
    }
}
