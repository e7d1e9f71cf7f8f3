//! The conditions that hold now, for whoever wants to see them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use connectors_crd::Condition;
use connectors_crd::probing::{Role, Verdict};
use serde::{Deserialize, Serialize};

/// Conditions by object. Cloning gives another handle to the same.
#[derive(Debug, Clone, Default)]
pub struct Board(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    classes: BTreeMap<String, Vec<Condition>>,
    /// By namespace and name.
    connectors: BTreeMap<(String, String), Vec<Condition>>,
    counts: BTreeMap<(&'static str, &'static str), u64>,
}

/// Everything on the board.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rows {
    /// Classes by name.
    pub classes: Vec<ClassRow>,
    /// Connectors by namespace and name.
    pub connectors: Vec<ConnectorRow>,
}

/// A class and its conditions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClassRow {
    /// Name.
    pub name: String,
    /// Conditions, `Ready` last.
    pub conditions: Vec<Condition>,
}

/// A Connector and its conditions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectorRow {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Conditions, `Ready` last.
    pub conditions: Vec<Condition>,
}

/// How many probes had which outcome: by what was probed (`liveness`, `auth`) and [`Verdict::as_str`].
pub type Counts = Vec<((&'static str, &'static str), u64)>;

impl Board {
    /// Everything, as it is now.
    pub fn rows(&self) -> Rows {
        let state = self.state();
        let class = |(name, conditions): (&String, &Vec<Condition>)| ClassRow { name: name.clone(), conditions: conditions.clone() };
        let connector = |((namespace, name), conditions): (&(String, String), &Vec<Condition>)| ConnectorRow {
            namespace: namespace.clone(),
            name: name.clone(),
            conditions: conditions.clone(),
        };
        Rows { classes: state.classes.iter().map(class).collect(), connectors: state.connectors.iter().map(connector).collect() }
    }

    /// Visits each class with its conditions, until a visit fails. Copies nothing; the board stays as it is meanwhile.
    ///
    /// # Errors
    /// That of the visit.
    pub fn visit_classes<E>(&self, mut visit: impl FnMut(&str, &[Condition]) -> Result<(), E>) -> Result<(), E> {
        self.state().classes.iter().try_for_each(|(name, conditions)| visit(name, conditions))
    }

    /// The same for each Connector, by namespace and name.
    ///
    /// # Errors
    /// That of the visit.
    pub fn visit_connectors<E>(&self, mut visit: impl FnMut(&str, &str, &[Condition]) -> Result<(), E>) -> Result<(), E> {
        self.state().connectors.iter().try_for_each(|((namespace, name), conditions)| visit(namespace, name, conditions))
    }

    /// How many probes had which outcome, since the beginning; every combination is there.
    pub fn counts(&self) -> Counts {
        let state = self.state();
        let all = Role::ALL.into_iter().flat_map(|role| Verdict::ALL.map(|verdict| (role.as_str(), verdict.as_str())));
        all.map(|key| (key, state.counts.get(&key).copied().unwrap_or_default())).collect()
    }

    pub(crate) fn count(&self, role: Role, verdict: Verdict) {
        *self.state().counts.entry((role.as_str(), verdict.as_str())).or_default() += 1;
    }

    pub(crate) fn put_class(&self, name: &str, conditions: Vec<Condition>) {
        self.state().classes.insert(name.to_owned(), conditions);
    }

    pub(crate) fn class(&self, name: &str) -> Option<Vec<Condition>> {
        self.state().classes.get(name).cloned()
    }

    pub(crate) fn remove_class(&self, name: &str) {
        self.state().classes.remove(name);
    }

    pub(crate) fn put_connector(&self, name: &(String, String), conditions: Vec<Condition>) {
        self.state().connectors.insert(name.clone(), conditions);
    }

    pub(crate) fn connector(&self, name: &(String, String)) -> Option<Vec<Condition>> {
        self.state().connectors.get(name).cloned()
    }

    pub(crate) fn remove_connector(&self, name: &(String, String)) {
        self.state().connectors.remove(name);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each change is one insertion, so that a panic elsewhere leaves nothing half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
