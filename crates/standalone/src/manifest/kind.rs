//! The kinds that mean something here.

use std::fmt;

use connectors_crd::{API_VERSION, GROUP, Problem, Severity, did_you_mean, is_dns_label, is_dns_subdomain};

use crate::objects::RBAC_GROUP;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Kind {
    ConnectorClass,
    Connector,
    ResourceInterface,
    Secret,
    ConfigMap,
    ServiceAccount,
    Namespace,
    Role,
    ClusterRole,
    RoleBinding,
    ClusterRoleBinding,
}

impl Kind {
    pub(crate) const ALL: [Self; 11] = [
        Self::ConnectorClass,
        Self::Connector,
        Self::ResourceInterface,
        Self::Secret,
        Self::ConfigMap,
        Self::ServiceAccount,
        Self::Namespace,
        Self::Role,
        Self::ClusterRole,
        Self::RoleBinding,
        Self::ClusterRoleBinding,
    ];

    /// The kind, or `None` for one that is ignored.
    ///
    /// # Errors
    /// A kind of ours under another `apiVersion`, or a kind that our group doesn't have.
    pub(crate) fn find(api_version: &str, kind: &str) -> Result<Option<Self>, Problem> {
        let error = |field: &str, message: String| Err(Problem { field: field.into(), message, severity: Severity::Error });
        let group = api_version.rsplit_once('/').map_or("", |(group, _)| group);
        match Self::ALL.into_iter().find(|known| known.name() == kind) {
            Some(known) if known.api_version() == api_version => Ok(Some(known)),
            // The kind of that name of another group is another kind.
            Some(known) if known.group() != group && !group.is_empty() && !matches!(group, GROUP | RBAC_GROUP) => Ok(None),
            Some(known) => error("apiVersion", format!("must be {} for a {kind}", known.api_version())),
            None if group == GROUP && !matches!(kind, "AccessPolicy" | "AccessRequest") => {
                let names = Self::ALL.into_iter().filter(|known| known.group() == GROUP).map(Self::name);
                error("kind", format!("{GROUP} has no such kind{}", did_you_mean(kind, names)))
            }
            None => Ok(None),
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::ConnectorClass => "ConnectorClass",
            Self::Connector => "Connector",
            Self::ResourceInterface => "ResourceInterface",
            Self::Secret => "Secret",
            Self::ConfigMap => "ConfigMap",
            Self::ServiceAccount => "ServiceAccount",
            Self::Namespace => "Namespace",
            Self::Role => "Role",
            Self::ClusterRole => "ClusterRole",
            Self::RoleBinding => "RoleBinding",
            Self::ClusterRoleBinding => "ClusterRoleBinding",
        }
    }

    fn api_version(self) -> &'static str {
        match self {
            Self::ConnectorClass | Self::Connector | Self::ResourceInterface => API_VERSION,
            Self::Secret | Self::ConfigMap | Self::ServiceAccount | Self::Namespace => "v1",
            Self::Role | Self::ClusterRole | Self::RoleBinding | Self::ClusterRoleBinding => "rbac.authorization.k8s.io/v1",
        }
    }

    fn group(self) -> &'static str {
        self.api_version().rsplit_once('/').map_or("", |(group, _)| group)
    }

    pub(crate) fn is_namespaced(self) -> bool {
        matches!(self, Self::Connector | Self::Secret | Self::ConfigMap | Self::ServiceAccount | Self::Role | Self::RoleBinding)
    }

    /// The same for a kind's name; `false` for one that isn't known.
    pub(crate) fn is_namespaced_name(kind: &str) -> bool {
        Self::ALL.into_iter().any(|known| known.name() == kind && known.is_namespaced())
    }

    /// Whether problems can come from other objects, so that its fields' places are needed later.
    pub(crate) fn refers_to_others(self) -> bool {
        matches!(self, Self::Connector | Self::Role | Self::ClusterRole | Self::RoleBinding | Self::ClusterRoleBinding)
    }

    /// Whether somebody may do something because of it.
    pub(crate) fn gives_rights(self) -> bool {
        matches!(self, Self::ServiceAccount | Self::Role | Self::ClusterRole | Self::RoleBinding | Self::ClusterRoleBinding)
    }

    pub(crate) fn allows_name(self, name: &str) -> bool {
        match self {
            // Roles may be called anything that is one segment of a path: `system:node`, say.
            Self::Role | Self::ClusterRole | Self::RoleBinding | Self::ClusterRoleBinding => is_path_segment(name),
            Self::Namespace => is_dns_label(name),
            _ => is_dns_subdomain(name),
        }
    }

    pub(crate) fn name_rule(self) -> &'static str {
        match self {
            Self::Role | Self::ClusterRole | Self::RoleBinding | Self::ClusterRoleBinding => "must be other than '.' and '..', without '/' and '%'",
            Self::Namespace => "must be 1 to 63 of a-z, 0-9 and '-', starting and ending with a letter or digit",
            _ => "must be 1 to 253 of a-z, 0-9, '-' and '.', every part between dots starting and ending with a letter or digit",
        }
    }
}

/// What Kubernetes takes for the name of a role or binding.
pub(crate) fn is_path_segment(name: &str) -> bool {
    !name.is_empty() && name != "." && name != ".." && !name.contains(['/', '%'])
}

/// What makes an object the same object.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ObjectId {
    pub(crate) kind: Kind,
    /// Empty for a kind without namespaces.
    pub(crate) namespace: String,
    pub(crate) name: String,
}

impl ObjectId {
    pub(crate) fn new(kind: Kind, namespace: &str, name: &str) -> Self {
        let namespace = if kind.is_namespaced() { namespace } else { "" };
        Self { kind, namespace: namespace.into(), name: name.into() }
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.namespace.is_empty() {
            true => write!(f, "{} {}", self.kind.name(), self.name),
            false => write!(f, "{} {}/{}", self.kind.name(), self.namespace, self.name),
        }
    }
}
