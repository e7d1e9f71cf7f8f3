//! Everything the data path reads, at one moment.

mod index;

use std::sync::Arc;

use index::Index;

use crate::{Connector, ConnectorRef, Flags, TrustRoots};

/// An immutable view of all Connectors. A source makes another when something changed; requests in flight keep theirs.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    connectors: Index,
    flags: Flags,
    trust: TrustRoots,
}

impl Snapshot {
    /// Collects Connectors. Of two with the same name the later wins; sources refuse duplicates before this.
    /// `trust` has the CAs that count for requests not aimed at any Connector.
    pub fn new(connectors: impl IntoIterator<Item = Arc<Connector>>, flags: Flags, trust: TrustRoots) -> Self {
        Self { connectors: Index::new(connectors), flags, trust }
    }

    /// The same without the Connectors `gone`, and then with those of `now`, each in the place of the one that has its name, if there is one. Takes time in
    /// proportion to what changes and hardly to what there is: the two share everything else.
    pub fn changed(&self, gone: &[ConnectorRef], now: impl IntoIterator<Item = Arc<Connector>>) -> Self {
        Self { connectors: self.connectors.changed(gone, now), flags: self.flags, trust: self.trust.clone() }
    }

    /// The Connector of that name.
    pub fn connector(&self, name: &ConnectorRef) -> Option<&Arc<Connector>> {
        self.connectors.get(name)
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
