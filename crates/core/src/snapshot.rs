//! Everything the data path reads, at one moment.

use std::collections::HashMap;
use std::sync::Arc;

use crate::{Connector, ConnectorRef, Flags, TrustRoots};

/// An immutable view of all Connectors. A source builds a new one when something changed; requests in flight keep theirs.
#[derive(Debug, Default)]
pub struct Snapshot {
    connectors: HashMap<ConnectorRef, Arc<Connector>>,
    flags: Flags,
    trust: TrustRoots,
}

impl Snapshot {
    /// Collects Connectors. Of two with the same name the later wins; sources refuse duplicates before this.
    /// `trust` has the CAs that count for requests not aimed at any Connector.
    pub fn new(connectors: impl IntoIterator<Item = Arc<Connector>>, flags: Flags, trust: TrustRoots) -> Self {
        let connectors = connectors.into_iter().map(|connector| (connector.name.clone(), connector)).collect();
        Self { connectors, flags, trust }
    }

    /// The Connector of that name.
    pub fn connector(&self, name: &ConnectorRef) -> Option<&Arc<Connector>> {
        self.connectors.get(name)
    }

    /// All Connectors, in no particular order.
    pub fn connectors(&self) -> impl Iterator<Item = &Arc<Connector>> {
        self.connectors.values()
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
