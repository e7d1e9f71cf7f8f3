//! Trace ids, W3C Trace Context.

use std::cell::Cell;
use std::hash::{BuildHasher, RandomState};

/// 16 bytes, not all zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TraceId(u128);

impl TraceId {
    /// Reads the trace id of a `traceparent` header: `00-<32 hex digits>-<16>-<2>`, in lower case.
    pub(crate) fn from_traceparent(value: &[u8]) -> Option<Self> {
        let mut parts = std::str::from_utf8(value).ok()?.split('-');
        let (version, trace) = (parts.next()?, parts.next()?);
        let is_hex = |text: &str| text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if version.len() != 2 || !is_hex(version) || version == "ff" || trace.len() != 32 || !is_hex(trace) {
            return None;
        }
        u128::from_str_radix(trace, 16).ok().filter(|id| *id != 0).map(Self)
    }

    /// The id, as it is written in hex digits.
    pub(crate) fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }
}

/// Makes ids for requests that bring none. They need to be different, not secret: two SplitMix64 sequences (Steele, Lea and Flood 2014), each from
/// a seed that the process made at random.
pub(crate) struct TraceIds {
    states: Cell<[u64; 2]>,
}

impl TraceIds {
    pub(crate) fn new() -> Self {
        // The standard library's hasher is the process's source of random numbers here.
        let keys = RandomState::new();
        Self { states: Cell::new([keys.hash_one(0_u8), keys.hash_one(1_u8)]) }
    }

    pub(crate) fn make(&self) -> TraceId {
        let states = self.states.get().map(|state| state.wrapping_add(0x9e37_79b9_7f4a_7c15));
        self.states.set(states);
        let [high, low] = states.map(mix).map(u128::from);
        TraceId((high << 64 | low) | 1)
    }
}

/// One to one, so a sequence comes back to no value before it has been through all.
fn mix(state: u64) -> u64 {
    let state = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let state = (state ^ state >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ state >> 31
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn reads_what_the_standard_shows_and_nothing_else() {
        let id = TraceId::from_traceparent(b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01").unwrap();
        assert_eq!(id.to_bytes(), 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736_u128.to_be_bytes());
        for text in [
            "",
            "00",
            "00-0-0-0",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-0-0",
        ] {
            assert_eq!(TraceId::from_traceparent(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn made_ids_differ() {
        let ids = TraceIds::new();
        let made: HashSet<_> = (0..1000).map(|_| ids.make().to_bytes()).collect();
        assert_eq!(made.len(), 1000);
        assert_ne!(ids.make(), TraceIds::new().make());
    }
}
