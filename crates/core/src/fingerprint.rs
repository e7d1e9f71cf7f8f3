//! Hashes that are kept with what they are of.

use std::hash::{BuildHasher as _, Hash, RandomState};
use std::sync::LazyLock;

/// A hash under a key of this process, so that nobody outside can foresee it and make many that are equal. Only speeds up hashing and comparing.
pub(crate) fn fingerprint(of: &impl Hash) -> u64 {
    static RANDOM: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    RANDOM.hash_one(of)
}
