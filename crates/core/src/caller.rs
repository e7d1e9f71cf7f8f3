//! Who calls.

use std::fmt;

/// An authenticated caller, as Kubernetes describes one in a TokenReview's status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// User name, e.g. `system:serviceaccount:team-a:builder`.
    pub username: Box<str>,
    /// Groups, those that Kubernetes adds by itself included.
    pub groups: Vec<Box<str>>,
    /// The service account, if the caller is one.
    pub service_account: Option<ServiceAccount>,
    /// The Pod that the token is bound to.
    pub pod: Option<Pod>,
}

/// A service account's namespace and name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServiceAccount {
    /// Namespace.
    pub namespace: Box<str>,
    /// Name.
    pub name: Box<str>,
}

impl ServiceAccount {
    /// The user name that Kubernetes gives it: `system:serviceaccount:<namespace>:<name>`.
    pub fn username(&self) -> String {
        format!("system:serviceaccount:{}:{}", self.namespace, self.name)
    }

    /// The groups that Kubernetes puts every service account into.
    pub fn groups(&self) -> Vec<Box<str>> {
        vec!["system:serviceaccounts".into(), format!("system:serviceaccounts:{}", self.namespace).into(), "system:authenticated".into()]
    }
}

impl fmt::Display for ServiceAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// The Pod a token is bound to; its namespace is the service account's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pod {
    /// Namespace.
    pub namespace: Box<str>,
    /// Name.
    pub name: Box<str>,
}
