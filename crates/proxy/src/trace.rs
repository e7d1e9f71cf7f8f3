//! Trace ids, W3C Trace Context.

use std::cell::Cell;
use std::fmt;
use std::hash::{BuildHasher, RandomState};

use serde::{Serialize, Serializer};

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
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl Serialize for TraceId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Makes ids for requests that bring none. They need to be different, not secret.
pub(crate) struct TraceIds {
    keys: RandomState,
    next: Cell<u64>,
}

impl TraceIds {
    pub(crate) fn new() -> Self {
        Self { keys: RandomState::new(), next: Cell::new(1) }
    }

    pub(crate) fn make(&self) -> TraceId {
        let count = self.next.get();
        self.next.set(count.wrapping_add(1));
        let half = |salt: u8| u128::from(self.keys.hash_one((count, salt)));
        TraceId((half(0) << 64 | half(1)) | 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_standard_shows_and_nothing_else() {
        let id = TraceId::from_traceparent(b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01").unwrap();
        assert_eq!(id.to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
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
        assert_ne!(ids.make(), ids.make());
    }
}
