//! A bounded map that forgets what wasn't used for long.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;

/// Keeps the entries of two generations. When the young one is full it becomes the old one, and what was in that and wasn't asked for meanwhile is
/// gone. So nothing that is among the last `capacity / 2` used is ever lost, and every operation takes constant time.
pub(crate) struct Recent<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    /// Of one generation.
    capacity: usize,
}

impl<K: Hash + Eq, V> Recent<K, V> {
    /// An empty map that never holds more than `capacity` entries; at least two.
    pub(crate) fn new(capacity: usize) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), capacity: (capacity / 2).max(1) }
    }

    /// Looks an entry up, which makes it recent.
    pub(crate) fn get<Q: Hash + Eq + ?Sized>(&mut self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        if !self.young.contains_key(key) {
            let (key, value) = self.old.remove_entry(key)?;
            self.insert(key, value);
        }
        self.young.get(key)
    }

    /// Adds or replaces an entry.
    pub(crate) fn insert(&mut self, key: K, value: V) {
        if self.young.len() >= self.capacity && !self.young.contains_key(&key) {
            self.old = std::mem::take(&mut self.young);
        }
        self.old.remove(&key);
        self.young.insert(key, value);
    }

    /// How many entries there are.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_holds_more_than_its_capacity_and_keeps_what_is_used() {
        let mut recent = Recent::new(8);
        recent.insert(0, "used");
        for key in 1..100 {
            recent.insert(key, "once");
            assert!(recent.len() <= 8);
            assert_eq!(recent.get(&0), Some(&"used"));
        }
        assert_eq!(recent.get(&99), Some(&"once"));
        assert_eq!(recent.get(&50), None);
    }

    #[test]
    fn an_entry_exists_once() {
        let mut recent = Recent::new(4);
        for round in 0..10 {
            recent.insert(round % 3, round);
        }
        assert_eq!([0, 1, 2].map(|key| recent.get(&key).copied()), [Some(9), Some(7), Some(8)]);
        assert_eq!(recent.len(), 3);
    }
}
