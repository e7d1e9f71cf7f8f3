//! What an operator can set.

use std::num::NonZeroUsize;
use std::time::Duration;

use connectors_http1::HeadLimits;

/// As many as there may be requests to one Connector, so that by default it isn't connections that a lone Connector runs out of; and far fewer than the 28,000
/// local ports that connections to one address can have.
pub const MAX_CONNECTIONS_PER_UPSTREAM: NonZeroUsize = NonZeroUsize::new(1024).unwrap();

/// As much as rules of classes may see of a body.
pub const MAX_REGO_BODY_BYTES: usize = 1024 * 1024;

/// How the proxy behaves. Every limit has its unit in its name or its type.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The cluster's DNS domain, for Host names `c-<name>.<ns>.svc.<domain>`.
    pub cluster_domain: String,
    /// Also answer to `c-<name>.<ns>.localhost`, which resolves to loopback everywhere (RFC 6761 §6.3).
    pub localhost_names: bool,
    /// Answer CONNECT by interception; otherwise with 405.
    pub intercept: bool,
    /// What to do with forward requests that are aimed at no target.
    pub non_target: NonTarget,
    /// How long an accepted token may be believed without asking again. Never past the token's own expiry.
    pub accepted_for: Duration,
    /// How long a refused token may be disbelieved without asking again.
    pub refused_for: Duration,
    /// Requests that may use one Connector at once; more get 503.
    pub max_requests_per_connector: u32,
    /// Connections, idle or in use, that may be open to one origin under the same CAs; more requests wait for the connect timeout and then get 503.
    pub max_connections_per_upstream: NonZeroUsize,
    /// Bytes of a request's body that may be kept for a class's rule that reads it, or puts the credential there; more get 413.
    pub max_rego_body_bytes: usize,
    /// Bounds on one message head.
    pub head: HeadLimits,
    /// From a request's first byte to the end of its head.
    pub head_timeout: Duration,
    /// How long nothing may move on a connection, between requests or within one. There is no bound on a request as a whole.
    pub idle_timeout: Duration,
    /// How long requests in flight may take to finish after the signal to stop.
    pub drain_timeout: Duration,
    /// After the signal to stop, how long an idle connection of HTTP/1.1 is kept for a request that is on its way, which gets the last answer there.
    pub drain_idle_timeout: Duration,
}

/// The fate of authenticated forward requests that no named Connector covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NonTarget {
    /// Forwarded without a credential, within the address guard.
    Forward,
    /// 403.
    Deny,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            cluster_domain: "cluster.local".into(),
            localhost_names: false,
            intercept: true,
            non_target: NonTarget::Forward,
            accepted_for: Duration::from_secs(10),
            refused_for: Duration::from_secs(2),
            max_requests_per_connector: 1024,
            max_connections_per_upstream: MAX_CONNECTIONS_PER_UPSTREAM,
            max_rego_body_bytes: MAX_REGO_BODY_BYTES,
            head: HeadLimits::default(),
            head_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(5 * 60),
            drain_timeout: Duration::from_secs(30),
            drain_idle_timeout: Duration::from_secs(1),
        }
    }
}
