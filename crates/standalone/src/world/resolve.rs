//! Connectors and what they are resolved from.

use std::collections::HashMap;
use std::sync::Arc;

use connectors_core::{self as core, Injection, TrustRoots, Unready};
use connectors_crd::{self as crd, CheckedClass, Connector, Problem, Secret, Secrets};

use super::World;

/// A Connector as it was written, and what became of it.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) connector: Arc<Connector>,
    /// Why it can't be used whatever its class and Secret say.
    pub(super) unusable: Option<Problem>,
    /// What it was resolved from, and to; `None` if its name or address can't be one.
    pub(super) resolved: Option<(Inputs, Arc<core::Connector>)>,
}

/// Everything that a resolved Connector depends on. The objects are the same until their file is read anew, so what didn't change is
/// kept, and with it whatever the data path has attached to it.
#[derive(Debug)]
pub(super) struct Inputs {
    pub(super) connector: Arc<Connector>,
    pub(super) class: Option<Arc<CheckedClass>>,
    pub(super) secret: Option<Arc<Secret>>,
    pub(super) ca: Option<Arc<Secret>>,
    trust: TrustRoots,
}

/// Secrets by namespace and name.
#[derive(Debug, Default)]
pub(super) struct SecretIndex(HashMap<String, HashMap<String, Arc<Secret>>>);

impl World {
    /// Resolves a Connector from what is there now. What came of it `before` stays if it would come out the same.
    pub(super) fn resolve(&self, connector: &Arc<Connector>, unusable: Option<&Problem>, before: Option<&Entry>) -> Entry {
        let inputs = self.inputs(connector);
        let same = before.filter(|before| before.unusable.as_ref() == unusable).and_then(|before| before.resolved.as_ref());
        let kept = same.filter(|(then, _)| then.same_as(&inputs)).map(|(_, resolved)| resolved.clone());
        let resolved = kept.or_else(|| self.lower(&inputs, unusable)).map(|resolved| (inputs, resolved));
        Entry { connector: connector.clone(), unusable: unusable.cloned(), resolved }
    }

    /// What a Connector is resolved from now.
    pub(super) fn inputs(&self, connector: &Arc<Connector>) -> Inputs {
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

impl Entry {
    /// What the data path sees of it.
    pub(super) fn resolved(&self) -> Option<&Arc<core::Connector>> {
        self.resolved.as_ref().map(|(_, connector)| connector)
    }

    /// The names of the Secrets that it takes credential and CA certificates from, all in its own namespace.
    pub(super) fn secrets(&self) -> impl Iterator<Item = &str> {
        let ca = self.connector.spec.ca_cert_secret_ref.as_ref().map(|reference| &*reference.name);
        self.connector.secret_ref().map(|reference| &*reference.name).into_iter().chain(ca)
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

    pub(super) fn put(&mut self, secret: &Arc<Secret>) {
        self.0.entry(secret.namespace.clone()).or_default().insert(secret.name.clone(), secret.clone());
    }

    pub(super) fn remove(&mut self, namespace: &str, name: &str) {
        if let Some(secrets) = self.0.get_mut(namespace) {
            secrets.remove(name);
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Secret> {
        self.0.values().flat_map(HashMap::values).map(|secret| &**secret)
    }
}

impl Secrets for SecretIndex {
    fn secret(&self, namespace: &str, name: &str) -> Option<&Secret> {
        self.get(namespace, name).map(|secret| &**secret)
    }
}
