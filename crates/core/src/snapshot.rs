//! Everything the data path reads, at one moment.

mod index;

use std::sync::Arc;

use index::Index;

use crate::{Connector, ConnectorRef, Extract, Flags, TrustRoots};

/// An immutable view of all Connectors. A source makes another when something changed; requests in flight keep theirs.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    connectors: Index,
    flags: Flags,
    trust: TrustRoots,
    /// Whether any Connector has, or had in an earlier version, an extractor.
    extracts: bool,
}

impl Snapshot {
    /// Collects Connectors. Of two with the same name the later wins; sources refuse duplicates before this.
    /// `trust` has the CAs that count for requests not aimed at any Connector.
    pub fn new(connectors: impl IntoIterator<Item = Arc<Connector>>, flags: Flags, trust: TrustRoots) -> Self {
        let mut extracts = false;
        let connectors = Index::new(connectors.into_iter().inspect(|connector| extracts |= connector.extractor.is_some()));
        Self { connectors, flags, trust, extracts }
    }

    /// The same without the Connectors `gone`, and then with those of `now`, each in the place of the one that has its name, if there is one. Takes time in
    /// proportion to what changes and hardly to what there is: the two share everything else.
    pub fn changed(&self, gone: &[ConnectorRef], now: impl IntoIterator<Item = Arc<Connector>>) -> Self {
        let mut extracts = self.extracts;
        let connectors = self.connectors.changed(gone, now.into_iter().inspect(|connector| extracts |= connector.extractor.is_some()));
        Self { connectors, flags: self.flags, trust: self.trust.clone(), extracts }
    }

    /// The Connector of that name.
    pub fn connector(&self, name: &ConnectorRef) -> Option<&Arc<Connector>> {
        self.connectors.get(name)
    }

    /// The rule that finds callers' tokens in requests to the Connector of that name, if there is such a Connector and its class has one. Costs a look-up only where
    /// any class in use has one.
    pub fn extractor(&self, name: &ConnectorRef) -> Option<&Arc<dyn Extract>> {
        if self.extracts { self.connector(name)?.extractor.as_ref() } else { None }
    }

    /// All Connectors, in no particular order.
    pub fn connectors(&self) -> impl Iterator<Item = &Arc<Connector>> {
        self.connectors.iter()
    }

    /// The feature flags.
    pub fn flags(&self) -> Flags {
        self.flags
    }

    /// CAs beyond the system's for requests that are aimed at no Connector.
    pub fn trust(&self) -> &TrustRoots {
        &self.trust
    }
}
