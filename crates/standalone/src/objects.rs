//! The plain Kubernetes kinds as they stand in a directory, checked and with their defaults filled in.

use std::collections::BTreeMap;
use std::fmt;

use connectors_core::ServiceAccount;
use serde::Deserialize;

/// The API group of Role, ClusterRole and their bindings.
pub const RBAC_GROUP: &str = "rbac.authorization.k8s.io";

/// Everything that decides who may do what. Complete at one moment; a new one is made when a manifest changes.
///
/// What the API server would refuse never gets here (see [`crate::check`]): a rule has verbs, a `roleRef` names a Role or a ClusterRole,
/// a [`Subject`] of kind `ServiceAccount` has a namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RbacObjects {
    /// The service accounts that exist.
    pub service_accounts: Vec<ServiceAccount>,
    /// Roles.
    pub roles: Vec<Role>,
    /// ClusterRoles, with aggregation already applied.
    pub cluster_roles: Vec<ClusterRole>,
    /// RoleBindings, those that lead to a role that doesn't exist included.
    pub role_bindings: Vec<RoleBinding>,
    /// ClusterRoleBindings, likewise.
    pub cluster_role_bindings: Vec<ClusterRoleBinding>,
    /// The Namespaces that were written down. An object's namespace need not be among them.
    pub namespaces: Vec<Namespace>,
}

/// A Namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Namespace {
    /// Name.
    pub name: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
}

/// A Role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// What it grants.
    pub rules: Vec<PolicyRule>,
}

/// A ClusterRole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterRole {
    /// Name.
    pub name: String,
    /// What it grants; for one with an `aggregationRule`, the rules of every ClusterRole that it selects.
    pub rules: Vec<PolicyRule>,
}

/// A RoleBinding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleBinding {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// The role: a Role of this namespace or a ClusterRole.
    pub role_ref: RoleRef,
    /// Who gets it.
    pub subjects: Vec<Subject>,
}

/// A ClusterRoleBinding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterRoleBinding {
    /// Name.
    pub name: String,
    /// The role, always a ClusterRole.
    pub role_ref: RoleRef,
    /// Who gets it.
    pub subjects: Vec<Subject>,
}

/// One rule of a role; field for field `rbac.authorization.k8s.io/v1` PolicyRule.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PolicyRule {
    /// Verbs, or `*`.
    pub verbs: Vec<String>,
    /// API groups, `""` for the core one, or `*`.
    pub api_groups: Vec<String>,
    /// Resources: `connectors`, `connectors/proxy`, `*`, `*/proxy`.
    pub resources: Vec<String>,
    /// Names the rule is limited to; empty means every name.
    pub resource_names: Vec<String>,
    /// URLs that are no resources; only in a ClusterRole.
    #[serde(rename = "nonResourceURLs")]
    pub non_resource_urls: Vec<String>,
}

/// Which role a binding grants.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RoleRef {
    /// [`RBAC_GROUP`]; may be left out in a manifest and is filled in here.
    pub api_group: String,
    /// `Role` or `ClusterRole`.
    pub kind: String,
    /// Name.
    pub name: String,
}

/// Who gets the role of a binding.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Subject {
    /// `ServiceAccount`, `User` or `Group`.
    pub kind: String,
    /// `""` for a ServiceAccount, else [`RBAC_GROUP`]; may be left out in a manifest and is filled in here.
    pub api_group: String,
    /// Name.
    pub name: String,
    /// A service account's namespace; `""` for users and groups. In a RoleBinding it may be left out, and is then the binding's.
    pub namespace: String,
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.namespace.is_empty() {
            true => write!(f, "{} {}", self.kind, self.name),
            false => write!(f, "{} {}/{}", self.kind, self.namespace, self.name),
        }
    }
}
