//! What follows from a change, without going through everything else.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use connectors_core::ConnectorRef;
use connectors_crd::CA_CERT_LABEL;

use super::resolve::Entry;
use super::{World, cross, rights};
use crate::Options;
use crate::folder::Placed;
use crate::manifest::{Content, Kind, ObjectId};
use crate::report::Finding;

/// If more of the objects than one in so many changed, and more than a few, it is quicker to put all of them together again.
const ONE_IN: usize = 4;
const FEW: usize = 32;

/// Objects by name, as they are now; `None` for those that are gone.
pub(crate) type Changed = BTreeMap<Arc<ObjectId>, Option<Placed>>;

/// What came of a change, besides another snapshot.
#[derive(Debug, Default)]
pub(crate) struct Updated {
    /// Whether roles, bindings, ServiceAccounts or Namespaces changed.
    pub(crate) rights: bool,
    /// Findings that were there before, and those that are there now. What is in both stays.
    pub(crate) gone: Vec<Finding>,
    pub(crate) come: Vec<Finding>,
}

impl World {
    /// Brings everything up to date with the objects that changed, so that it is as if made anew from `all` of them.
    pub(crate) fn update(&mut self, changed: Changed, options: &Options, all: impl FnOnce() -> Vec<Placed>) -> Updated {
        let reaches_all = |(id, now): (&Arc<ObjectId>, &Option<Placed>)| {
            id.kind == Kind::ConnectorClass || self.objects.get(id).into_iter().chain(now).any(|placed| concerns_all(placed, options))
        };
        if changed.len() > FEW + self.objects.len() / ONE_IN || changed.iter().any(reaches_all) {
            return self.rebuild(all(), options);
        }
        let rights = changed.keys().any(|id| rights::counts(id.kind));
        let mut again: BTreeSet<Arc<ObjectId>> = changed.keys().cloned().collect();
        for (id, now) in changed {
            if id.kind == Kind::Secret {
                again.extend(self.users.get(&*id).into_iter().flatten().cloned());
            }
            self.replace(id, now);
        }
        if rights {
            self.rbac = rights::gather(&self.objects);
            // A binding refers to roles and to service accounts.
            again.extend(rights::of_kinds(&self.objects).map(|(id, _)| id.clone()));
        }
        self.resolve_again(&again);
        let mut updated = Updated { rights, ..Updated::default() };
        for id in again {
            let findings = self.objects.get(&id).map(|placed| cross::findings(placed, self, &[])).unwrap_or_default();
            updated.come.extend(findings.iter().cloned());
            let before = if findings.is_empty() { self.findings.remove(&id) } else { self.findings.insert(id, findings) };
            updated.gone.extend(before.unwrap_or_default());
        }
        updated
    }

    fn rebuild(&mut self, all: Vec<Placed>, options: &Options) -> Updated {
        let now = Self::new(all, options, Some(self));
        let before = std::mem::replace(self, now);
        Updated { rights: self.rbac != before.rbac, gone: before.findings.into_values().flatten().collect(), come: self.findings().cloned().collect() }
    }

    /// Puts an object in the place of the one that had its name, or takes that away.
    fn replace(&mut self, id: Arc<ObjectId>, now: Option<Placed>) {
        match now.as_ref().map(|placed| &placed.object.content) {
            Some(Content::Secret(secret)) => self.secrets.put(secret),
            None if id.kind == Kind::Secret => self.secrets.remove(&id.namespace, &id.name),
            _ => {}
        }
        match now {
            Some(placed) => self.objects.insert(id, placed),
            None => self.objects.remove(&id),
        };
    }

    /// Resolves those of these objects that are Connectors.
    fn resolve_again(&mut self, ids: &BTreeSet<Arc<ObjectId>>) {
        let (mut gone, mut now): (Vec<ConnectorRef>, _) = (Vec::new(), Vec::new());
        for id in ids.iter().filter(|id| id.kind == Kind::Connector) {
            let before = self.connectors.get(id).and_then(Entry::resolved).cloned();
            let entry = self.objects.get(id).and_then(|placed| match &placed.object.content {
                Content::Connector(connector) => Some(self.resolve(connector, placed.unusable.as_ref(), self.connectors.get(id))),
                _ => None,
            });
            match (before, entry.as_ref().and_then(Entry::resolved)) {
                (Some(before), None) => gone.push(before.name.clone()),
                (Some(before), Some(after)) if Arc::ptr_eq(&before, after) => {}
                (_, Some(after)) => now.push(after.clone()),
                (None, None) => {}
            }
            self.remove(id);
            if let Some(entry) = entry {
                self.add(id, entry);
            }
        }
        if !(gone.is_empty() && now.is_empty()) {
            self.snapshot = Arc::new(self.snapshot.changed(&gone, now));
        }
    }
}

/// Whether what everything else depends on may be in it: flags, or CA certificates for every Connector.
fn concerns_all(placed: &Placed, options: &Options) -> bool {
    match &placed.object.content {
        Content::Flags(_) => true,
        Content::Secret(secret) => secret.namespace == options.system_namespace && secret.labels.contains_key(CA_CERT_LABEL),
        _ => false,
    }
}
