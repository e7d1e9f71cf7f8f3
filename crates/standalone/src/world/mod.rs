//! All objects together: Connectors resolved, roles collected, and what doesn't fit.

mod cross;
mod rules;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;

use connectors_core::{self as core, ConnectorRef, Flags, Injection, ServiceAccount, Snapshot, TrustRoots, Unready};
use connectors_crd::{
    self as crd, CaProblem, CheckedClass, Condition, Connector, ConnectorClass, ConnectorClassStatus, ConnectorStatus, Problem, Secret, Secrets, conditions,
    system_trust,
};

use crate::Options;
use crate::folder::Placed;
use crate::manifest::{ClusterRoleContent, Content};
use crate::objects::{ClusterRole, ClusterRoleBinding, Namespace, PolicyRule, RbacObjects, Role, RoleBinding};
use crate::report::Finding;

/// What follows from the objects at one moment.
#[derive(Debug, Default)]
pub(crate) struct World {
    classes: BTreeMap<String, Arc<CheckedClass>>,
    connectors: Vec<Entry>,
    secrets: SecretIndex,
    flags: Flags,
    trust: TrustRoots,
    pub(crate) rbac: RbacObjects,
    /// What is wrong between objects.
    pub(crate) findings: Vec<Finding>,
    pub(crate) objects: usize,
}

#[derive(Debug)]
struct Entry {
    connector: Arc<Connector>,
    /// Why it can't be used whatever its class and Secret say.
    unusable: Option<Problem>,
    /// What it was resolved from, and to; `None` if its name or address can't be one.
    resolved: Option<(Inputs, Arc<core::Connector>)>,
}

/// Everything that a resolved Connector depends on. The objects are the same until their file is read anew, so what didn't change is
/// kept, and with it whatever the data path has attached to it.
#[derive(Debug)]
struct Inputs {
    connector: Arc<Connector>,
    class: Option<Arc<CheckedClass>>,
    secret: Option<Arc<Secret>>,
    ca: Option<Arc<Secret>>,
    trust: TrustRoots,
}

/// Secrets by namespace and name.
#[derive(Debug, Default)]
struct SecretIndex(HashMap<String, HashMap<String, Arc<Secret>>>);

impl World {
    /// Puts the objects together. What is the same as in `before` is taken over from it.
    pub(crate) fn new(objects: &[Placed<'_>], options: &Options, before: Option<&Self>) -> Self {
        let mut world = Self { objects: objects.len(), ..Self::default() };
        for placed in objects {
            world.collect(placed);
        }
        world.rbac.cluster_roles = aggregated(objects);
        let (trust, problems) = system_trust(world.flags, &options.system_namespace, world.secrets.iter());
        world.trust = trust;
        world.resolve(objects, before);
        world.findings = cross::findings(objects, &world, &problems);
        world
    }

    /// What the data path reads.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let connectors = self.connectors.iter().filter_map(|entry| entry.resolved.as_ref()).map(|(_, connector)| connector.clone());
        Snapshot::new(connectors, self.flags, self.trust.clone())
    }

    /// The classes with their status.
    pub(crate) fn classes(&self) -> Vec<ConnectorClass> {
        let with_status = |checked: &Arc<CheckedClass>| {
            let status = ConnectorClassStatus { conditions: conditions::class(checked), ..ConnectorClassStatus::default() };
            ConnectorClass { status: Some(status), ..checked.class().clone() }
        };
        self.classes.values().map(with_status).collect()
    }

    /// The Connectors with their status and the label that names their class.
    pub(crate) fn connectors(&self) -> Vec<Connector> {
        let mut connectors: Vec<Connector> = self.connectors.iter().map(|entry| self.with_status(entry)).collect();
        connectors.sort_by(|a, b| (&a.metadata.namespace, &a.metadata.name).cmp(&(&b.metadata.namespace, &b.metadata.name)));
        connectors
    }

    fn with_status(&self, entry: &Entry) -> Connector {
        let mut connector = (*entry.connector).clone();
        let mut conditions = conditions::connector(&connector, self.class_of(&connector), &self.secrets, self.flags);
        if let Some(problem) = &entry.unusable {
            conditions.retain(|condition| condition.condition_type != conditions::READY);
            conditions.push(Condition::fails(conditions::READY, "InvalidSpec", problem.to_string()));
        }
        let class = connector.spec.connector_class_name.clone();
        connector.metadata.labels.insert(crd::CLASS_LABEL.into(), class);
        connector.status = Some(ConnectorStatus { conditions, ..ConnectorStatus::default() });
        connector
    }

    fn class_of(&self, connector: &Connector) -> Option<&CheckedClass> {
        self.classes.get(&connector.spec.connector_class_name).map(|class| &**class)
    }

    fn collect(&mut self, placed: &Placed<'_>) {
        let id = &placed.object.id;
        let (namespace, name) = (&id.namespace, &id.name);
        match &placed.object.content {
            Content::Class(class) => {
                let class = match (&placed.unusable, class.error()) {
                    // Its file is broken, though the class itself is not.
                    (Some(problem), None) => Arc::new(CheckedClass::new(class.class().clone(), vec![problem.clone()])),
                    _ => class.clone(),
                };
                self.classes.insert(name.clone(), class);
            }
            // Those need everything else to be there.
            Content::Connector(_) | Content::ClusterRole(_) | Content::Stored => {}
            Content::Secret(secret) => {
                self.secrets.0.entry(namespace.clone()).or_default().insert(name.clone(), secret.clone());
            }
            Content::ServiceAccount => {
                self.rbac.service_accounts.push(ServiceAccount { namespace: namespace.as_str().into(), name: name.as_str().into() });
            }
            Content::Namespace(labels) => self.rbac.namespaces.push(Namespace { name: name.clone(), labels: labels.clone() }),
            Content::Role(rules) => self.rbac.roles.push(Role { namespace: namespace.clone(), name: name.clone(), rules: rules.clone() }),
            Content::RoleBinding(binding) => self.rbac.role_bindings.push(RoleBinding {
                namespace: namespace.clone(),
                name: name.clone(),
                role_ref: binding.role_ref.clone(),
                subjects: binding.subjects.clone(),
            }),
            Content::ClusterRoleBinding(binding) => self.rbac.cluster_role_bindings.push(ClusterRoleBinding {
                name: name.clone(),
                role_ref: binding.role_ref.clone(),
                subjects: binding.subjects.clone(),
            }),
            Content::Flags(flags) => self.flags = *flags,
        }
    }

    fn resolve(&mut self, objects: &[Placed<'_>], before: Option<&Self>) {
        let known: HashMap<&ConnectorRef, &Entry> =
            before.into_iter().flat_map(|before| &before.connectors).filter_map(|entry| Some((&entry.resolved.as_ref()?.1.name, entry))).collect();
        for placed in objects {
            let Content::Connector(connector) = &placed.object.content else { continue };
            let mut entry = Entry { connector: connector.clone(), unusable: placed.unusable.clone(), resolved: None };
            let inputs = self.inputs(connector);
            let name = ConnectorRef::new(&connector.metadata.namespace, &connector.metadata.name);
            let same = name.ok().and_then(|name| known.get(&name)).filter(|before| before.unusable == entry.unusable);
            let kept = same.and_then(|before| before.resolved.as_ref()).filter(|(then, _)| then.same_as(&inputs)).map(|(_, resolved)| resolved.clone());
            entry.resolved = kept.or_else(|| self.lower(&inputs, entry.unusable.as_ref())).map(|resolved| (inputs, resolved));
            self.connectors.push(entry);
        }
    }

    fn inputs(&self, connector: &Arc<Connector>) -> Inputs {
        let secret = |name: &str| self.secrets.get(&connector.metadata.namespace, name).cloned();
        Inputs {
            connector: connector.clone(),
            class: self.classes.get(&connector.spec.connector_class_name).cloned(),
            secret: connector.secret_ref().and_then(|reference| secret(&reference.name)),
            ca: connector.spec.ca_cert_secret_ref.as_ref().and_then(|reference| secret(&reference.name)),
            trust: self.trust.clone(),
        }
    }

    /// Why there is none was found when the manifest was read.
    fn lower(&self, inputs: &Inputs, unusable: Option<&Problem>) -> Option<Arc<core::Connector>> {
        let mut resolved = crd::lower(&inputs.connector, inputs.class.as_deref(), &self.secrets, &inputs.trust).ok()?;
        if let Some(Problem { field, message, .. }) = unusable {
            resolved.injection = Injection::Unready(Unready::Invalid { field: field.clone(), problem: message.clone() });
        }
        Some(Arc::new(resolved))
    }
}

impl Inputs {
    fn same_as(&self, other: &Self) -> bool {
        fn same<T>(a: &Option<Arc<T>>, b: &Option<Arc<T>>) -> bool {
            match (a, b) {
                (None, None) => true,
                (Some(a), Some(b)) => Arc::ptr_eq(a, b),
                _ => false,
            }
        }
        Arc::ptr_eq(&self.connector, &other.connector)
            && same(&self.class, &other.class)
            && same(&self.secret, &other.secret)
            && same(&self.ca, &other.ca)
            && self.trust == other.trust
    }
}

impl SecretIndex {
    fn get(&self, namespace: &str, name: &str) -> Option<&Arc<Secret>> {
        self.0.get(namespace)?.get(name)
    }

    fn iter(&self) -> impl Iterator<Item = &Secret> {
        self.0.values().flat_map(HashMap::values).map(|secret| &**secret)
    }
}

impl Secrets for SecretIndex {
    fn secret(&self, namespace: &str, name: &str) -> Option<&Secret> {
        self.get(namespace, name).map(|secret| &**secret)
    }
}

/// The ClusterRoles with the rules of those that they aggregate. The cluster's controller replaces an aggregating role's rules by those
/// of the roles that it selects, again and again; where that ends is here at once.
fn aggregated(objects: &[Placed<'_>]) -> Vec<ClusterRole> {
    let roles: Vec<(&str, &ClusterRoleContent)> = objects
        .iter()
        .filter_map(|placed| match &placed.object.content {
            Content::ClusterRole(role) => Some((placed.object.id.name.as_str(), role)),
            _ => None,
        })
        .collect();
    roles.iter().map(|(name, role)| ClusterRole { name: (*name).to_owned(), rules: aggregated_rules(role, &roles) }).collect()
}

fn aggregated_rules(role: &ClusterRoleContent, roles: &[(&str, &ClusterRoleContent)]) -> Vec<PolicyRule> {
    let mut rules: Vec<PolicyRule> = Vec::new();
    let mut seen = BTreeSet::new();
    let mut pending = vec![role];
    while let Some(role) = pending.pop() {
        match &role.aggregates {
            None => rules.extend(role.rules.iter().filter(|rule| !rules.contains(rule)).cloned().collect::<Vec<_>>()),
            Some(selectors) => {
                for (name, selected) in roles.iter().filter(|(_, other)| selectors.iter().any(|selector| selector.selects(&other.labels))) {
                    if seen.insert(*name) {
                        pending.push(selected);
                    }
                }
            }
        }
    }
    rules
}

/// Files and places for problems that only show when objects are put together.
fn finding(placed: &Placed<'_>, Problem { field, message, severity }: Problem) -> Finding {
    let object = placed.object;
    Finding { file: Path::to_owned(placed.file), at: Some(object.places.find(&field)), severity, object: Some(object.id.to_string()), field, message }
}

/// A CA Secret that can't be used, as a finding about that Secret.
fn ca_finding(placed: &Placed<'_>, problem: &CaProblem) -> Finding {
    let warning = Problem { field: String::new(), message: problem.to_string(), severity: crd::Severity::Warning };
    Finding { at: Some(placed.object.at), ..finding(placed, warning) }
}
