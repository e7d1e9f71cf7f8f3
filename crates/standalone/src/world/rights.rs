//! Roles, bindings and who they are for, gathered.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use connectors_core::ServiceAccount;

use crate::folder::Placed;
use crate::manifest::{ClusterRoleContent, Content, Kind, ObjectId};
use crate::objects::{ClusterRole, ClusterRoleBinding, Namespace, PolicyRule, RbacObjects, Role, RoleBinding};

/// Whether objects of that kind are among those gathered.
pub(super) fn counts(kind: Kind) -> bool {
    kind == Kind::Namespace || kind.gives_rights()
}

/// What decides who may do what, by kind, namespace and name.
pub(super) fn gather(objects: &BTreeMap<Arc<ObjectId>, Placed>) -> RbacObjects {
    let mut rbac = RbacObjects::default();
    let mut cluster_roles = Vec::new();
    for (id, placed) in of_kinds(objects) {
        let (namespace, name) = (&id.namespace, &id.name);
        match &placed.object.content {
            Content::ServiceAccount => {
                rbac.service_accounts.push(ServiceAccount { namespace: namespace.as_str().into(), name: name.as_str().into() });
            }
            Content::Namespace(labels) => rbac.namespaces.push(Namespace { name: name.clone(), labels: labels.clone() }),
            Content::Role(rules) => rbac.roles.push(Role { namespace: namespace.clone(), name: name.clone(), rules: rules.clone() }),
            Content::ClusterRole(role) => cluster_roles.push((name.as_str(), role)),
            Content::RoleBinding(binding) => rbac.role_bindings.push(RoleBinding {
                namespace: namespace.clone(),
                name: name.clone(),
                role_ref: binding.role_ref.clone(),
                subjects: binding.subjects.clone(),
            }),
            Content::ClusterRoleBinding(binding) => rbac.cluster_role_bindings.push(ClusterRoleBinding {
                name: name.clone(),
                role_ref: binding.role_ref.clone(),
                subjects: binding.subjects.clone(),
            }),
            Content::Class(_) | Content::Connector(_) | Content::Secret(_) | Content::Flags(_) | Content::Stored => {}
        }
    }
    rbac.cluster_roles = aggregated(&cluster_roles);
    rbac
}

/// The objects that count here. They lie together, so that with many others there are no more to look at.
pub(super) fn of_kinds(objects: &BTreeMap<Arc<ObjectId>, Placed>) -> impl Iterator<Item = (&Arc<ObjectId>, &Placed)> {
    let kinds = Kind::ALL.into_iter().filter(|kind| counts(*kind));
    kinds.flat_map(|kind| objects.range(ObjectId::new(kind, "", "")..).take_while(move |(id, _)| id.kind == kind))
}

/// The ClusterRoles with the rules of those that they aggregate. The cluster's controller replaces an aggregating role's rules by those
/// of the roles that it selects, again and again; where that ends is here at once.
fn aggregated(roles: &[(&str, &ClusterRoleContent)]) -> Vec<ClusterRole> {
    roles.iter().map(|(name, role)| ClusterRole { name: (*name).to_owned(), rules: aggregated_rules(role, roles) }).collect()
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
