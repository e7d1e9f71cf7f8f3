//! What a connection is good for.

use std::borrow::Borrow;
use std::fmt;
use std::hash::{Hash, Hasher};

use connectors_core::{Origin, TrustRoots};
use foldhash::HashMap;

use crate::Reach;

/// What a connection is good for. It serves requests of an equal key and no others: who answered was verified under these CAs, at an
/// address that was allowed for this reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PoolKey<'a> {
    /// Where it leads.
    pub origin: &'a Origin,
    /// The CAs that vouch for the peer.
    pub trust: &'a TrustRoots,
    /// Why it was dialled.
    pub reach: Reach,
}

/// Values by [`PoolKey`]. Asking for one clones nothing.
///
/// A fast hash is enough: callers choose origins, but what is hashed of one is a number that they can't know.
pub struct ByKey<V>(HashMap<OwnedKey, V>);

impl<V> ByKey<V> {
    /// The value of `key`.
    pub fn get(&self, key: PoolKey<'_>) -> Option<&V> {
        self.0.get(&key as &dyn AsKey)
    }

    /// Gives `key` a value, and returns the one that it had.
    pub fn insert(&mut self, key: PoolKey<'_>, value: V) -> Option<V> {
        self.0.insert(key.into(), value)
    }

    /// Takes the value of `key` out.
    pub fn remove(&mut self, key: PoolKey<'_>) -> Option<V> {
        self.0.remove(&key as &dyn AsKey)
    }

    /// Drops the values that don't pass.
    pub fn retain(&mut self, mut keep: impl FnMut(&mut V) -> bool) {
        self.0.retain(|_, value| keep(value));
    }

    /// All values, in no order.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.0.values()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<V> Default for ByKey<V> {
    fn default() -> Self {
        Self(HashMap::default())
    }
}

impl<V: fmt::Debug> fmt::Debug for ByKey<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(&self.0).finish()
    }
}

/// A key that is kept. What it holds is shared with other cores, so it is cloned when a connection is opened but not when one is taken again: maps are
/// asked with a [`PoolKey`], as `&dyn AsKey`.
#[derive(Debug)]
pub(super) struct OwnedKey {
    origin: Origin,
    trust: TrustRoots,
    reach: Reach,
}

pub(super) trait AsKey {
    fn as_key(&self) -> PoolKey<'_>;
}

impl AsKey for PoolKey<'_> {
    fn as_key(&self) -> PoolKey<'_> {
        *self
    }
}

impl AsKey for OwnedKey {
    fn as_key(&self) -> PoolKey<'_> {
        PoolKey { origin: &self.origin, trust: &self.trust, reach: self.reach }
    }
}

impl From<PoolKey<'_>> for OwnedKey {
    fn from(key: PoolKey<'_>) -> Self {
        Self { origin: key.origin.clone(), trust: key.trust.clone(), reach: key.reach }
    }
}

// As [`Borrow`] wants, both forms are equal, and have equal hashes, exactly if their keys do.

impl PartialEq for OwnedKey {
    fn eq(&self, other: &Self) -> bool {
        self.as_key() == other.as_key()
    }
}

impl Eq for OwnedKey {}

impl Hash for OwnedKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_key().hash(state);
    }
}

impl PartialEq for dyn AsKey + '_ {
    fn eq(&self, other: &Self) -> bool {
        self.as_key() == other.as_key()
    }
}

impl Eq for dyn AsKey + '_ {}

impl Hash for dyn AsKey + '_ {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_key().hash(state);
    }
}

impl<'a> Borrow<dyn AsKey + 'a> for OwnedKey {
    fn borrow(&self) -> &(dyn AsKey + 'a) {
        self
    }
}
