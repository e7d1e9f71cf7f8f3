//! Connectors by name, in pieces that versions share.

use std::collections::{BTreeMap, HashSet};
use std::hash::BuildHasher as _;
use std::sync::Arc;

use foldhash::fast::RandomState;

use crate::{Connector, ConnectorRef};

/// Connectors a piece when an index is made. A change copies a piece, and the pointers to all pieces: with 10,000 Connectors some 50 of one and
/// 256 of the other.
const A_PIECE: usize = 32;
/// With more a piece than this, there are too few pieces.
const MOST: usize = 4 * A_PIECE;

/// An immutable hash table. Another version of it copies only the pieces that differ.
#[derive(Debug, Clone)]
pub(super) struct Index {
    /// As many as a power of two says, so at least one.
    pieces: Box<[Piece]>,
    count: usize,
    /// Random for each index and its versions. Fast rather than safe from floods: who may make Connectors may make as many as they like, and callers only look.
    hasher: RandomState,
}

/// Those whose hashes have the same lowest bits, sorted by hash.
type Piece = Arc<[Slot]>;

#[derive(Debug, Clone)]
struct Slot {
    hash: u64,
    connector: Arc<Connector>,
}

impl Default for Index {
    fn default() -> Self {
        Self::new([])
    }
}

impl Index {
    /// Of two with the same name the later stays.
    pub(super) fn new(connectors: impl IntoIterator<Item = Arc<Connector>>) -> Self {
        let hasher = RandomState::default();
        let slots: Vec<Slot> = connectors.into_iter().map(|connector| Slot { hash: hasher.hash_one(&connector.name), connector }).collect();
        let mut pieces = vec![Vec::new(); slots.len().div_ceil(A_PIECE).next_power_of_two()];
        let mask = pieces.len() - 1;
        for slot in slots {
            pieces[slot.hash as usize & mask].push(slot);
        }
        let sorted = |piece: Vec<Slot>| {
            let mut sorted = Vec::with_capacity(piece.len());
            piece.into_iter().for_each(|slot| put(&mut sorted, slot));
            Piece::from(sorted)
        };
        let pieces: Box<[Piece]> = pieces.into_iter().map(sorted).collect();
        Self { count: count(&pieces), pieces, hasher }
    }

    pub(super) fn get(&self, name: &ConnectorRef) -> Option<&Arc<Connector>> {
        let hash = self.hasher.hash_one(name);
        let piece = &self.pieces[self.place(hash)];
        let slots = piece.get(piece.partition_point(|slot| slot.hash < hash)..)?;
        slots.iter().take_while(|slot| slot.hash == hash).map(|slot| &slot.connector).find(|connector| connector.name == *name)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Connector>> {
        self.pieces.iter().flat_map(|piece| piece.iter()).map(|slot| &slot.connector)
    }

    /// Another version: first without `gone`, then with `now`.
    pub(super) fn changed(&self, gone: &[ConnectorRef], now: impl IntoIterator<Item = Arc<Connector>>) -> Self {
        let now: Vec<Arc<Connector>> = now.into_iter().collect();
        if self.count + now.len() > self.pieces.len() * MOST {
            let gone: HashSet<&ConnectorRef> = gone.iter().collect();
            let stay = self.iter().filter(|connector| !gone.contains(&connector.name)).cloned();
            return Self::new(stay.chain(now));
        }
        let mut changing = BTreeMap::new();
        for name in gone {
            self.copied(self.hasher.hash_one(name), &mut changing).retain(|slot| slot.connector.name != *name);
        }
        for connector in now {
            let hash = self.hasher.hash_one(&connector.name);
            put(self.copied(hash, &mut changing), Slot { hash, connector });
        }
        let mut pieces = self.pieces.clone();
        for (place, slots) in changing {
            pieces[place] = slots.into();
        }
        Self { count: count(&pieces), pieces, hasher: self.hasher.clone() }
    }

    /// The piece that a hash is in, to be changed.
    fn copied<'c>(&self, hash: u64, changing: &'c mut BTreeMap<usize, Vec<Slot>>) -> &'c mut Vec<Slot> {
        let place = self.place(hash);
        changing.entry(place).or_insert_with(|| self.pieces[place].to_vec())
    }

    /// Which piece a hash is in.
    fn place(&self, hash: u64) -> usize {
        hash as usize & (self.pieces.len() - 1)
    }
}

/// Puts a Connector in its place, or in that of the one with its name.
fn put(slots: &mut Vec<Slot>, slot: Slot) {
    let from = slots.partition_point(|other| other.hash < slot.hash);
    let same = slots[from..].iter().take_while(|other| other.hash == slot.hash).position(|other| other.connector.name == slot.connector.name);
    match same {
        Some(at) => slots[from + at] = slot,
        None => slots.insert(from, slot),
    }
}

fn count(pieces: &[Piece]) -> usize {
    pieces.iter().map(|piece| piece.len()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Address, InFlight, Injection, Resolver, TrustRoots};

    fn name(number: usize) -> ConnectorRef {
        ConnectorRef::new("team", &format!("tool-{number}")).unwrap()
    }

    /// `class` tells versions of a Connector apart.
    fn connector(number: usize, class: &str) -> Arc<Connector> {
        Arc::new(Connector {
            name: name(number),
            class: class.into(),
            resolver: Resolver::Host,
            address: Address::parse("https://tool.example").unwrap(),
            extensions: Vec::new(),
            injection: Injection::Nothing,
            extractor: None,
            trust: TrustRoots::default(),
            in_flight: InFlight::default(),
        })
    }

    fn class(index: &Index, number: usize) -> Option<&str> {
        index.get(&name(number)).map(|connector| &*connector.class)
    }

    #[test]
    fn whatever_was_put_in_is_found_and_nothing_else() {
        for count in [0, 1, 2, 31, 32, 33, 1000] {
            let index = Index::new((0..count).map(|number| connector(number, "one")));
            assert_eq!((index.iter().count(), index.count), (count, count));
            assert!((0..count).all(|number| class(&index, number) == Some("one")));
            assert_eq!(class(&index, count), None);
        }
        assert_eq!(class(&Index::default(), 0), None);
        assert_eq!(class(&Index::new([connector(1, "one"), connector(1, "two")]), 1), Some("two"));
    }

    #[test]
    fn a_version_differs_in_what_changed_and_shares_the_rest() {
        let before = Index::new((0..1000).map(|number| connector(number, "one")));
        let after = before.changed(&[name(1), name(2), name(5000)], [connector(2, "two"), connector(3, "two"), connector(2000, "two")]);
        for (number, expect) in [(0, Some("one")), (1, None), (2, Some("two")), (3, Some("two")), (2000, Some("two")), (5000, None)] {
            assert_eq!(class(&after, number), expect, "{number}");
        }
        assert_eq!((before.count, after.count), (1000, 1000));
        assert!([1, 2, 3].iter().all(|number| class(&before, *number) == Some("one")) && class(&before, 2000).is_none());
        let shared = before.pieces.iter().zip(&after.pieces).filter(|(before, after)| Arc::ptr_eq(before, after)).count();
        assert!(shared >= before.pieces.len() - 5);
    }

    #[test]
    fn an_index_grows_from_nothing() {
        let mut index = Index::default();
        for number in 0..3000 {
            index = index.changed(&[], [connector(number, "one")]);
        }
        assert!((0..3000).all(|number| class(&index, number) == Some("one")));
        assert!(index.pieces.iter().all(|piece| piece.len() < MOST * 2));
        index = index.changed(&(0..2999).map(name).collect::<Vec<_>>(), []);
        assert_eq!((index.count, class(&index, 2999)), (1, Some("one")));
    }

    /// Names with the same hash are told apart: here all of them have it.
    #[test]
    fn an_empty_one_can_be_changed() {
        let name = connector(1, "one").name.clone();
        assert!(Index::default().get(&name).is_none());
        assert!(Index::default().changed(std::slice::from_ref(&name), []).get(&name).is_none());
        assert!(Index::default().changed(&[], [connector(1, "one")]).get(&name).is_some());
    }

    #[test]
    fn equal_hashes_are_no_equal_names() {
        let slots = &mut Vec::new();
        for (number, class) in [(1, "one"), (2, "one"), (1, "two")] {
            put(slots, Slot { hash: 7, connector: connector(number, class) });
        }
        let index = Index { pieces: vec![slots.as_slice().into()].into(), count: 2, hasher: RandomState::default() };
        let mut found: Vec<(&str, &str)> = index.iter().map(|connector| (connector.name.as_str(), &*connector.class)).collect();
        found.sort_unstable();
        assert_eq!(found, [("team/tool-1", "two"), ("team/tool-2", "one")]);
    }
}
