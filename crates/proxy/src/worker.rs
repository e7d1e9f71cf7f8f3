//! What one core holds.
//!
//! Each core has a runtime, a listener, a pool and an identity cache of its own, so that the data path takes no lock and its buffers stay in one
//! core's cache. What is shared is read-only or atomic.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use arc_swap::ArcSwap;
use connectors_core::{Authenticator, Authorizer, Snapshot};
use connectors_net::{Authority, Connected, ConnectionLimit, Dialer, Drain, Pipes, Pool, Pooled};

use crate::http2::client::Connections;
use crate::identify::{Identities, SharedIdentities};
use crate::observe::{Observer, Recorder};
use crate::settings::Settings;
use crate::target::Hosts;
use crate::trace::TraceIds;
use crate::wire::Wire;

/// What all cores share.
pub struct Shared {
    /// How to behave.
    pub settings: Settings,
    /// The Connectors, replaced as a whole when anything changes.
    pub snapshot: Arc<ArcSwap<Snapshot>>,
    /// Says who.
    pub authenticator: Arc<dyn Authenticator>,
    /// Says whether.
    pub authorizer: Arc<dyn Authorizer>,
    /// Opens connections to tools.
    pub dialer: Dialer,
    /// Signs for the hosts of intercepted connections, or the reason why it can't: CONNECT is then refused.
    pub authority: Result<Arc<Authority>, String>,
    /// Access records and metrics.
    pub observer: Arc<Observer>,
    /// The signal to stop.
    pub drain: Drain,
}

/// One core's share.
pub(crate) struct Worker {
    shared: Arc<Shared>,
    pub(crate) identities: SharedIdentities,
    /// Connections to tools.
    pub(crate) pool: Pool<Wire>,
    /// Those of them that speak HTTP/2.
    pub(crate) http2: Connections,
    pub(crate) pipes: RefCell<Pipes>,
    pub(crate) hosts: Hosts,
    pub(crate) traces: TraceIds,
    pub(crate) recorder: Recorder,
}

impl Worker {
    /// `limit` is for the connections of all cores.
    pub(crate) fn new(shared: Arc<Shared>, limit: &ConnectionLimit) -> Self {
        let identities = Rc::new(Identities::new(shared.authenticator.clone()));
        let recorder = shared.observer.recorder();
        let (pool, http2, pipes) = (Pool::new(limit), Connections::default(), RefCell::default());
        Self { shared, identities, pool, http2, pipes, hosts: Hosts::default(), traces: TraceIds::new(), recorder }
    }
}

impl From<Connected> for Wire {
    fn from(connected: Connected) -> Self {
        Self::new(connected.stream)
    }
}

impl Pooled for Wire {
    fn is_stale(&self) -> bool {
        Self::is_stale(self)
    }
}

impl std::ops::Deref for Worker {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.shared
    }
}
