//! Which certificate authorities an upstream connection may rely on, beyond the system's.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use crate::fingerprint::fingerprint;

/// Extra CA certificates for a Connector's upstream TLS. Equal contents are equal, so two Connectors with the same CAs
/// may share connections, and no others may.
#[derive(Debug, Clone, Default)]
pub struct TrustRoots {
    certificates: Arc<[Box<[u8]>]>,
    fingerprint: u64,
}

impl TrustRoots {
    /// From DER certificates, in any order; duplicates count once.
    pub fn new(mut certificates: Vec<Box<[u8]>>) -> Self {
        certificates.sort_unstable();
        certificates.dedup();
        // Only speeds up hashing; equality compares the certificates themselves.
        let fingerprint = match certificates.is_empty() {
            true => 0,
            false => fingerprint(&certificates),
        };
        Self { certificates: certificates.into(), fingerprint }
    }

    /// The DER certificates.
    pub fn certificates(&self) -> impl Iterator<Item = &[u8]> {
        self.certificates.iter().map(|certificate| &**certificate)
    }

    /// Whether only the system's CAs count.
    pub fn is_empty(&self) -> bool {
        self.certificates.is_empty()
    }
}

impl PartialEq for TrustRoots {
    fn eq(&self, other: &Self) -> bool {
        self.fingerprint == other.fingerprint && (Arc::ptr_eq(&self.certificates, &other.certificates) || self.certificates == other.certificates)
    }
}

impl Eq for TrustRoots {}

impl Hash for TrustRoots {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.fingerprint.hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_and_duplicates_make_no_difference() {
        let der = |byte: u8| vec![byte; 3].into_boxed_slice();
        assert_eq!(TrustRoots::new(vec![der(1), der(2), der(1)]), TrustRoots::new(vec![der(2), der(1)]));
        assert_ne!(TrustRoots::new(vec![der(1)]), TrustRoots::new(vec![der(2)]));
        assert_eq!(TrustRoots::new(vec![]), TrustRoots::default());
    }
}
