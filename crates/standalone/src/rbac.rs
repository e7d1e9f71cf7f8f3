//! Role-based access control over the manifests of a directory, with the answers that Kubernetes gives.
//!
//! The rules of matching are those of `pkg/apis/rbac/v1/evaluation_helpers.go`, those of who is bound to what are those of
//! `pkg/registry/rbac/validation/rule.go` in k8s.io/kubernetes. Access is only ever granted: a role that doesn't exist, or a reference that
//! the API server would not have taken, grants nothing and takes nothing away.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::{ArcSwap, Guard};
use connectors_core::{Caller, ServiceAccount};
use foldhash::{HashMap, HashSet};

use crate::objects::{PolicyRule, RBAC_GROUP, RbacObjects, RoleRef, Subject};

const ALL: &str = "*";

/// To use a Connector is to `get` it.
pub(crate) const USE: Attributes<'_> =
    Attributes { verb: "get", api_group: "connectors.alauda.io", resource: "connectors", subresource: "", namespace: "", name: "" };

/// What a request does, as in a SubjectAccessReview's `resourceAttributes`. An empty string means none: no subresource, no
/// namespace (all of them), no name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Attributes<'a> {
    /// `get`, `list`, …; `*` is a verb of its own here, which only a rule for every verb allows.
    pub verb: &'a str,
    /// API group of the resource.
    pub api_group: &'a str,
    /// Resource, in the plural.
    pub resource: &'a str,
    /// Subresource; may itself have slashes.
    pub subresource: &'a str,
    /// Namespace.
    pub namespace: &'a str,
    /// Name.
    pub name: &'a str,
}

/// All roles and bindings, by whom they are for. Immutable; made anew when a manifest changes.
#[derive(Debug, Default)]
pub struct Rbac {
    service_accounts: HashSet<ServiceAccount>,
    /// By user name, service accounts included.
    users: HashMap<Box<str>, Grants>,
    groups: HashMap<Box<str>, Grants>,
}

/// The roles and bindings in force.
#[derive(Debug, Default)]
pub struct Rights {
    rbac: ArcSwap<Rbac>,
    changes: AtomicU64,
}

impl Rights {
    /// Begins with those.
    pub fn new(rbac: Rbac) -> Self {
        Self { rbac: ArcSwap::from_pointee(rbac), changes: AtomicU64::new(0) }
    }

    /// What is in force now.
    pub fn load(&self) -> Guard<Arc<Rbac>> {
        self.rbac.load()
    }

    /// Puts others in force.
    pub fn store(&self, rbac: Rbac) {
        self.rbac.store(Arc::new(rbac));
        // After it: whoever sees the new number sees the new rights, and whoever has asked the new rights under the old number only asks once more.
        self.changes.fetch_add(1, Ordering::Release);
    }

    /// How often others were put in force. To be read before [`Rights::load`], by whoever remembers an answer of what that gives.
    pub fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }
}

/// The rules of a role; shared by everyone who is bound to it.
type Rules = Arc<[PolicyRule]>;

/// What one user or group may do.
#[derive(Debug, Default)]
struct Grants {
    everywhere: Vec<Rules>,
    by_namespace: HashMap<Box<str>, Vec<Rules>>,
    /// Where the rules allow to use every Connector: what nearly all requests ask, found without reading the rules.
    connectors: Places,
}

/// Some namespaces, or all of them.
#[derive(Debug, Default)]
struct Places {
    everywhere: bool,
    namespaces: HashSet<Box<str>>,
}

impl Places {
    fn have(&self, namespace: &str) -> bool {
        self.everywhere || self.namespaces.contains(namespace)
    }
}

impl Rbac {
    /// Resolves every binding. Takes time in proportion to what there is, so that a decision doesn't.
    pub fn new(objects: &RbacObjects) -> Self {
        let roles: HashMap<(&str, &str), Rules> = objects.roles.iter().map(|role| ((&*role.namespace, &*role.name), role.rules.clone().into())).collect();
        let cluster_roles: HashMap<&str, Rules> = objects.cluster_roles.iter().map(|role| (&*role.name, role.rules.clone().into())).collect();
        let resolve = |role_ref: &RoleRef, namespace: Option<&str>| {
            if role_ref.api_group != RBAC_GROUP {
                return None;
            }
            match (role_ref.kind.as_str(), namespace) {
                ("ClusterRole", _) => cluster_roles.get(&*role_ref.name).cloned(),
                ("Role", Some(namespace)) => roles.get(&(namespace, &*role_ref.name)).cloned(),
                _ => None,
            }
        };

        let mut rbac = Self { service_accounts: objects.service_accounts.iter().cloned().collect(), ..Self::default() };
        for binding in &objects.cluster_role_bindings {
            if let Some(rules) = resolve(&binding.role_ref, None) {
                rbac.bind(&binding.subjects, None, &rules);
            }
        }
        for binding in &objects.role_bindings {
            if let Some(rules) = resolve(&binding.role_ref, Some(&binding.namespace)) {
                rbac.bind(&binding.subjects, Some(&binding.namespace), &rules);
            }
        }
        rbac
    }

    /// Whether there is such a ServiceAccount.
    pub fn exists(&self, account: &ServiceAccount) -> bool {
        self.service_accounts.contains(account)
    }

    /// Whether the caller may do that. Looks at the rules of the caller's own name and groups and at no others, and allocates nothing.
    pub fn allows(&self, caller: &Caller, request: &Attributes<'_>) -> bool {
        let groups = caller.groups.iter().filter_map(|group| self.groups.get(group));
        self.users.get(&caller.username).into_iter().chain(groups).any(|grants| grants.allow(request))
    }

    /// Whether the caller may `get` that Connector: the same as [`Rbac::allows`] says.
    pub fn allows_use(&self, caller: &Caller, namespace: &str, name: &str) -> bool {
        self.users.get(&caller.username).is_some_and(|grants| grants.connectors.have(namespace)) || self.allows(caller, &Attributes { namespace, name, ..USE })
    }

    /// Gives `rules` to `subjects`, in one namespace or everywhere.
    fn bind(&mut self, subjects: &[Subject], namespace: Option<&str>, rules: &Rules) {
        for subject in subjects {
            let grants = match (subject.kind.as_str(), subject.api_group.as_str()) {
                ("User", RBAC_GROUP) => self.users.entry(subject.name.as_str().into()).or_default(),
                ("Group", RBAC_GROUP) => self.groups.entry(subject.name.as_str().into()).or_default(),
                // A RoleBinding's own namespace counts where none is given; a ClusterRoleBinding has none to offer.
                ("ServiceAccount", "") => match Some(subject.namespace.as_str()).filter(|own| !own.is_empty()).or(namespace) {
                    Some(own) => {
                        let account = ServiceAccount { namespace: own.into(), name: subject.name.as_str().into() };
                        self.users.entry(account.username().into()).or_default()
                    }
                    None => continue,
                },
                _ => continue,
            };
            let connectors = rules.iter().any(|rule| rule.resource_names.is_empty() && rule_allows(rule, &USE));
            match namespace {
                Some(namespace) => {
                    grants.by_namespace.entry(namespace.into()).or_default().push(rules.clone());
                    if connectors {
                        grants.connectors.namespaces.insert(namespace.into());
                    }
                }
                None => {
                    grants.everywhere.push(rules.clone());
                    grants.connectors.everywhere |= connectors;
                }
            }
        }
    }
}

impl Grants {
    fn allow(&self, request: &Attributes<'_>) -> bool {
        let there = self.by_namespace.get(request.namespace).map(Vec::as_slice).unwrap_or_default();
        self.everywhere.iter().chain(there).flat_map(|rules| rules.iter()).any(|rule| rule_allows(rule, request))
    }
}

fn rule_allows(rule: &PolicyRule, request: &Attributes<'_>) -> bool {
    let is_or_all = |values: &[String], wanted: &str| values.iter().any(|value| value == ALL || value == wanted);
    is_or_all(&rule.verbs, request.verb)
        && is_or_all(&rule.api_groups, request.api_group)
        && rule.resources.iter().any(|resource| resource_matches(resource, request.resource, request.subresource))
        && (rule.resource_names.is_empty() || rule.resource_names.iter().any(|name| name == request.name))
}

/// `*` is every resource and subresource, `*/sub` is that subresource of every resource. `resource/*` and `res*` are nothing special.
fn resource_matches(rule: &str, resource: &str, subresource: &str) -> bool {
    if rule == ALL {
        return true;
    }
    if subresource.is_empty() {
        return rule == resource;
    }
    let is_subresource = |rest: &str| rest.strip_prefix('/') == Some(subresource);
    rule.strip_prefix(resource).is_some_and(is_subresource) || rule.strip_prefix(ALL).is_some_and(is_subresource)
}

#[cfg(test)]
mod tests;
