//! A Connector together with what its state depends on.

use std::collections::BTreeMap;
use std::sync::Arc;

use connectors_core::{Flags, TrustRoots};

use crate::conditions::{self, Known};
use crate::lower::{fits, usable_class};
use crate::probing::{self, Outcome, Request, Role};
use crate::{CheckedClass, Condition, Connector, ObjectMeta, Problem, Secret, Secrets};

/// A Connector, its class and its Secrets, as they were at one moment. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Subject {
    /// The Connector.
    pub connector: Arc<Connector>,
    /// Its class, if that exists.
    pub class: Option<Arc<CheckedClass>>,
    /// Its Secret, if it names one and that exists.
    pub secret: Option<Arc<Secret>>,
    /// Its CA Secret, likewise.
    pub ca: Option<Arc<Secret>>,
    /// The CAs for TLS to its tool, besides the system's.
    pub trust: TrustRoots,
    /// Why it can't be used whatever its class and Secrets say.
    pub unusable: Option<Problem>,
}

/// All Connectors and classes at one moment.
#[derive(Debug, Clone, Default)]
pub struct Objects {
    /// The feature flags.
    pub flags: Flags,
    /// The CAs that count for every Connector, besides the system's.
    pub trust: TrustRoots,
    /// The classes.
    pub classes: Vec<Arc<CheckedClass>>,
    /// The Connectors.
    pub connectors: Vec<Subject>,
}

impl Subject {
    /// Its namespace and name.
    pub fn name(&self) -> (&str, &str) {
        (&self.connector.metadata.namespace, &self.connector.metadata.name)
    }

    /// Whether nothing has changed: the same objects, not only equal ones.
    pub fn same_as(&self, other: &Self) -> bool {
        fn same<T>(a: Option<&Arc<T>>, b: Option<&Arc<T>>) -> bool {
            a.map(Arc::as_ptr) == b.map(Arc::as_ptr)
        }
        Arc::ptr_eq(&self.connector, &other.connector)
            && same(self.class.as_ref(), other.class.as_ref())
            && same(self.secret.as_ref(), other.secret.as_ref())
            && same(self.ca.as_ref(), other.ca.as_ref())
            && self.trust == other.trust
            && self.unusable == other.unusable
    }

    /// Whether what its probes have found is as true of `other`: whether all that requests and judgements come from says the same.
    pub fn is_probed_like(&self, other: &Self) -> bool {
        fn both<T>(a: Option<&Arc<T>>, b: Option<&Arc<T>>, equal: impl Fn(&T, &T) -> bool) -> bool {
            match (a, b) {
                (Some(a), Some(b)) => Arc::ptr_eq(a, b) || equal(a, b),
                (None, None) => true,
                (Some(_), None) | (None, Some(_)) => false,
            }
        }
        fn meta(connector: &Connector) -> (&str, &str, &BTreeMap<String, String>, &BTreeMap<String, String>) {
            let ObjectMeta { name, namespace, labels, annotations, .. } = &connector.metadata;
            (name, namespace, labels, annotations)
        }
        // A CA Secret counts by what it has brought into `trust`.
        self.trust == other.trust
            && self.unusable == other.unusable
            && (Arc::ptr_eq(&self.connector, &other.connector)
                || self.connector.spec == other.connector.spec && meta(&self.connector) == meta(&other.connector))
            && both(self.secret.as_ref(), other.secret.as_ref(), Secret::is_equal)
            && both(self.class.as_ref(), other.class.as_ref(), |a, b| a.class().spec == b.class().spec && a.error() == b.error())
    }

    /// The request of a probe; `None` if there is nothing to ask: no such probe, an invalid Connector or class, or no credential to try. `api` is the URL
    /// of the class's API, if it is known. A Secret that doesn't fit the class is as none.
    ///
    /// # Errors
    /// What became of the probe without a request, as for [`prepare`](probing::prepare).
    pub fn request(&self, role: Role, api: Option<&str>) -> Result<Option<Request>, Outcome> {
        let Ok(class) = usable_class(&self.connector, self.class.as_deref()) else { return Ok(None) };
        if self.unusable.is_some() || fits(&self.connector, class.class()).is_err() {
            return Ok(None);
        }
        let unready = conditions::secret(&self.connector, class, self).is_some();
        match role {
            Role::Auth if unready => Ok(None),
            _ => probing::prepare(role, &self.connector, class, self.secret.as_deref().filter(|_| !unready), api),
        }
    }

    /// Its conditions; `known.unusable` is filled in.
    pub fn conditions(&self, flags: Flags, known: &Known<'_>) -> Vec<Condition> {
        conditions::connector(&self.connector, self.class.as_deref(), self, flags, &Known { unusable: self.unusable.as_ref(), ..*known })
    }
}

impl Secrets for Subject {
    fn secret(&self, namespace: &str, name: &str) -> Option<&Secret> {
        let both = [&self.secret, &self.ca].into_iter().flatten();
        both.map(|secret| &**secret).find(|secret| secret.namespace == namespace && secret.name == name)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::BASIC_AUTH;
    use crate::testing::{checked, class, connector, credentials, secret};

    fn subject(secret: Option<Secret>) -> Subject {
        let header = json!([{"name": "A", "value": "{{ with .Secret }}{{ .StringData.username }}{{ end }}"}]);
        let probe = json!({"http": {"path": "/", "httpHeaders": header}});
        let class = class(json!({"livenessProbe": probe, "authProbes": [{"authName": "basicAuth", "probe": probe}]}));
        Subject {
            connector: Arc::new(connector(json!({}))),
            class: Some(Arc::new(checked(class))),
            secret: secret.map(Arc::new),
            ca: None,
            trust: TrustRoots::default(),
            unusable: None,
        }
    }

    #[test]
    fn a_credential_that_does_not_fit_is_not_tried() {
        let headers = |subject: &Subject, role| subject.request(role, None).unwrap().map(|request| request.headers.len());
        let good = subject(Some(credentials()));
        assert_eq!((headers(&good, Role::Liveness), headers(&good, Role::Auth)), (Some(1), Some(1)));
        for wrong in [None, Some(secret("repo", "Opaque", &[("username", "u"), ("password", "p")])), Some(secret("repo", BASIC_AUTH, &[("username", "u")]))] {
            let subject = subject(wrong);
            assert_eq!((headers(&subject, Role::Liveness), headers(&subject, Role::Auth)), (Some(0), None));
        }
        let classless = Subject { class: None, ..good.clone() };
        assert_eq!((headers(&classless, Role::Liveness), headers(&classless, Role::Auth)), (None, None));
        let invalid = Subject { connector: Arc::new(connector(json!({"params": [{"name": "x", "value": ""}]}))), ..good };
        assert_eq!((headers(&invalid, Role::Liveness), headers(&invalid, Role::Auth)), (None, None));
    }

    #[test]
    fn only_the_same_objects_are_the_same() {
        let one = subject(Some(credentials()));
        assert!(one.same_as(&one.clone()));
        assert!(!one.same_as(&Subject { secret: Some(Arc::new(credentials())), ..one.clone() }));
        assert!(!one.same_as(&Subject { secret: None, ..one.clone() }));
        assert!(!one.same_as(&Subject { class: None, ..one.clone() }));
    }
    #[test]
    fn what_was_found_is_true_of_what_says_the_same() {
        let one = subject(Some(credentials()));
        let connector = |change: fn(&mut Connector)| {
            let mut connector = (*one.connector).clone();
            change(&mut connector);
            Subject { connector: Arc::new(connector), ..one.clone() }
        };
        let class_with = |more| Subject { class: Some(Arc::new(checked(class(more)))), ..one.clone() };
        let with = |secret| Subject { secret: Some(Arc::new(secret)), ..one.clone() };
        let own_class = one.class.as_ref().unwrap().class().clone();
        let broken = Problem { field: "spec".into(), message: "x".into(), severity: crate::Severity::Error };
        for (other, same) in [
            (one.clone(), true),
            (with(credentials()), true),
            (with(secret("repo", BASIC_AUTH, &[("username", "u"), ("password", "q")])), false),
            (with(secret("repo", BASIC_AUTH, &[("username", "u")])), false),
            (with(secret("repo", "Opaque", &[("username", "u"), ("password", "p")])), false),
            (Subject { secret: None, ..one.clone() }, false),
            (connector(|connector| connector.metadata.resource_version = "2".into()), true),
            (connector(|connector| connector.metadata.generation = Some(2)), true),
            (connector(|connector| drop(connector.metadata.labels.insert("a".into(), "b".into()))), false),
            (connector(|connector| connector.spec.address = "https://other.example".into()), false),
            (Subject { class: Some(Arc::new(checked(own_class))), ..one.clone() }, true),
            (class_with(json!({})), false),
            (Subject { class: None, ..one.clone() }, false),
            (Subject { trust: TrustRoots::new(vec![Box::from(*b"a")]), ..one.clone() }, false),
            (Subject { ca: Some(Arc::new(credentials())), ..one.clone() }, true),
            (Subject { unusable: Some(broken), ..one.clone() }, false),
        ] {
            assert_eq!(one.is_probed_like(&other), same, "{other:?}");
            assert_eq!(other.is_probed_like(&one), same, "{other:?}");
        }
    }
}
