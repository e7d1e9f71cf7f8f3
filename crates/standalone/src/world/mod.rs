//! All objects together: Connectors resolved, roles collected, and what doesn't fit.

mod cross;
mod resolve;
mod rights;
mod rules;
mod update;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;

use connectors_core::{Flags, Snapshot, TrustRoots};
use connectors_crd::conditions::{Known, Reached};
use connectors_crd::{
    self as crd, CaProblem, CheckedClass, Connector, ConnectorClass, ConnectorClassStatus, ConnectorStatus, Objects, Problem, Subject, Surroundings,
    conditions, system_trust,
};
use resolve::{Entry, Inputs, SecretIndex};
pub(crate) use update::{Changed, Updated};

use crate::Options;
use crate::folder::Placed;
use crate::manifest::{Content, Kind, ObjectId};
use crate::objects::RbacObjects;
use crate::report::Finding;

/// What follows from the objects at one moment.
#[derive(Debug, Default)]
pub(crate) struct World {
    objects: BTreeMap<Arc<ObjectId>, Placed>,
    classes: BTreeMap<String, Arc<CheckedClass>>,
    secrets: SecretIndex,
    connectors: BTreeMap<Arc<ObjectId>, Entry>,
    /// By Secret, the Connectors that name it.
    users: HashMap<ObjectId, BTreeSet<Arc<ObjectId>>>,
    flags: Flags,
    trust: TrustRoots,
    rbac: RbacObjects,
    snapshot: Arc<Snapshot>,
    /// What is wrong between objects, by the object that has to be mended; only those that have something.
    findings: BTreeMap<Arc<ObjectId>, Vec<Finding>>,
}

impl World {
    /// Puts the objects together, of which no two are of the same name. What is the same as in `before` is taken over from it.
    pub(crate) fn new(objects: Vec<Placed>, options: &Options, before: Option<&Self>) -> Self {
        let objects = objects.into_iter().map(|placed| (placed.object.id.clone(), placed)).collect();
        let mut world = Self { rbac: rights::gather(&objects), ..Self::default() };
        for placed in objects.values() {
            world.collect(placed);
        }
        let (trust, problems) = system_trust(world.flags, &options.system_namespace, world.secrets.iter());
        world.trust = trust;
        for (id, placed) in &objects {
            let Content::Connector(connector) = &placed.object.content else { continue };
            let entry = world.resolve(connector, placed.unusable.as_ref(), before.and_then(|before| before.connectors.get(id)));
            world.add(id, entry);
        }
        let resolved = world.connectors.values().filter_map(Entry::resolved).cloned();
        world.snapshot = Arc::new(Snapshot::new(resolved, world.flags, world.trust.clone()));
        world.objects = objects;
        world.findings = world.objects.iter().map(|(id, placed)| (id.clone(), cross::findings(placed, &world, &problems))).collect();
        world.findings.retain(|_, findings| !findings.is_empty());
        world
    }

    /// What the data path reads.
    pub(crate) fn snapshot(&self) -> &Arc<Snapshot> {
        &self.snapshot
    }

    /// Who may do what.
    pub(crate) fn rbac(&self) -> &RbacObjects {
        &self.rbac
    }

    /// What is wrong between objects.
    pub(crate) fn findings(&self) -> impl Iterator<Item = &Finding> {
        self.findings.values().flatten()
    }

    /// How many objects there are.
    pub(crate) fn objects(&self) -> usize {
        self.objects.len()
    }

    /// A class by its name.
    pub(crate) fn class(&self, name: &str) -> Option<&Arc<CheckedClass>> {
        self.classes.get(name)
    }

    /// The classes with their status.
    pub(crate) fn classes(&self, surroundings: &Surroundings) -> Vec<ConnectorClass> {
        let with_status = |checked: &Arc<CheckedClass>| {
            // Here this program is the proxy, whatever the class says.
            let conditions = conditions::class(checked, &Reached::Unchecked, &Reached::Answers);
            let status = ConnectorClassStatus { conditions, api: checked.class().api_status(surroundings), ..ConnectorClassStatus::default() };
            ConnectorClass { status: Some(status), ..checked.class().clone() }
        };
        self.classes.values().map(with_status).collect()
    }

    /// The Connectors by namespace and name, with their status and the label that names their class.
    pub(crate) fn connectors(&self) -> Vec<Connector> {
        self.connectors.values().map(|entry| self.with_status(entry)).collect()
    }

    /// All Connectors and classes, with what their state depends on.
    pub(crate) fn everything(&self) -> Objects {
        let subject = |entry: &Entry| {
            let Inputs { connector, class, secret, ca, .. } = self.inputs(&entry.connector);
            let trust = entry.resolved().map_or_else(|| self.trust.clone(), |resolved| resolved.trust.clone());
            Subject { connector, class, secret, ca, trust, unusable: entry.unusable.clone() }
        };
        Objects {
            flags: self.flags,
            trust: self.trust.clone(),
            classes: self.classes.values().cloned().collect(),
            connectors: self.connectors.values().map(subject).collect(),
        }
    }

    fn with_status(&self, entry: &Entry) -> Connector {
        let mut connector = (*entry.connector).clone();
        let class = self.class_of(&connector);
        let of_class = class.map(|class| conditions::class(class, &Reached::Unchecked, &Reached::Answers));
        let known = Known { class: of_class.as_deref(), unusable: entry.unusable.as_ref(), ..Known::default() };
        let conditions = conditions::connector(&connector, class, &self.secrets, self.flags, &known);
        let class = connector.spec.connector_class_name.clone();
        connector.metadata.labels.insert(crd::CLASS_LABEL.into(), class);
        connector.status = Some(ConnectorStatus { conditions, ..ConnectorStatus::default() });
        connector
    }

    fn class_of(&self, connector: &Connector) -> Option<&CheckedClass> {
        self.classes.get(&connector.spec.connector_class_name).map(|class| &**class)
    }

    /// Takes in what Connectors depend on.
    fn collect(&mut self, placed: &Placed) {
        match &placed.object.content {
            Content::Class(class) => {
                let class = match (&placed.unusable, class.error()) {
                    // Its file is broken, though the class itself is not.
                    (Some(problem), None) => Arc::new(CheckedClass::new(class.class().clone(), vec![problem.clone()])),
                    _ => class.clone(),
                };
                self.classes.insert(placed.object.id.name.clone(), class);
            }
            Content::Secret(secret) => self.secrets.put(secret),
            Content::Flags(flags) => self.flags = *flags,
            _ => {}
        }
    }

    fn add(&mut self, id: &Arc<ObjectId>, entry: Entry) {
        for secret in entry.secrets() {
            self.users.entry(ObjectId::new(Kind::Secret, &id.namespace, secret)).or_default().insert(id.clone());
        }
        self.connectors.insert(id.clone(), entry);
    }

    fn remove(&mut self, id: &ObjectId) {
        let Some(entry) = self.connectors.remove(id) else { return };
        for secret in entry.secrets() {
            let secret = ObjectId::new(Kind::Secret, &id.namespace, secret);
            if let Some(users) = self.users.get_mut(&secret) {
                users.remove(id);
                if users.is_empty() {
                    self.users.remove(&secret);
                }
            }
        }
    }
}

/// Files and places for problems that only show when objects are put together.
fn finding(placed: &Placed, Problem { field, message, severity }: Problem) -> Finding {
    let object = &*placed.object;
    Finding { file: Path::to_path_buf(&object.file), at: Some(object.places.find(&field)), severity, object: Some(object.id.to_string()), field, message }
}

/// A CA Secret that can't be used, as a finding about that Secret.
fn ca_finding(placed: &Placed, problem: &CaProblem) -> Finding {
    let warning = Problem { field: String::new(), message: problem.to_string(), severity: crd::Severity::Warning };
    Finding { at: Some(placed.object.at), ..finding(placed, warning) }
}
