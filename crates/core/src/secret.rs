//! A value that cannot be printed.

use std::fmt;

use wide::u8x16;
use zeroize::Zeroize;

/// Bytes that must never reach a log, an error, a metric or `Debug` output: a password, a token, a prepared header.
///
/// There is no `Display` and no `Serialize`; `Debug` prints a placeholder without the length. The memory is wiped on
/// drop. Reading takes [`SecretValue::expose`], so every reader can be found by that name.
pub struct SecretValue(Box<[u8]>);

impl SecretValue {
    /// Takes ownership of the bytes. The vector's spare capacity is released, so build it with the right size where that matters.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into().into_boxed_slice())
    }

    /// The bytes themselves. Whoever calls this answers for where they go.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// The same secret, lent.
    pub fn lend(&self) -> SecretRef<'_> {
        SecretRef(&self.0)
    }

    /// The value as text, if it is UTF-8.
    pub fn expose_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }

    /// Whether there are no bytes at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Drop for SecretValue {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// A secret that stands in memory of someone else, who wipes it or not: a token in the message that brought it. As unprintable as a [`SecretValue`],
/// and copied by nobody who only has to look at it.
#[derive(Clone, Copy)]
pub struct SecretRef<'a>(&'a [u8]);

impl<'a> SecretRef<'a> {
    /// Marks bytes as secret.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The bytes themselves. Whoever calls this answers for where they go.
    pub fn expose(&self) -> &'a [u8] {
        self.0
    }

    /// Whether both are the same bytes. How long that takes depends on their lengths alone, and not on where they differ.
    pub fn equals(&self, other: SecretRef<'_>) -> bool {
        // In words of the processor's widest registers, four at a time: tokens are long.
        let (one, two) = (self.0.as_chunks::<16>(), other.0.as_chunks::<16>());
        let ((one_fours, one_words), (two_fours, two_words)) = (one.0.as_chunks::<4>(), two.0.as_chunks::<4>());
        let differ = |one: &[u8; 16], two: &[u8; 16]| u8x16::new(*one) ^ u8x16::new(*two);
        let mut all = u8x16::ZERO;
        for ([a, b, c, d], [e, f, g, h]) in one_fours.iter().zip(two_fours) {
            all |= (differ(a, e) | differ(b, f)) | (differ(c, g) | differ(d, h));
        }
        for (one, two) in one_words.iter().zip(two_words) {
            all |= differ(one, two);
        }
        let rest = one.1.iter().zip(two.1).fold(0, |different, (one, two)| different | (one ^ two));
        self.0.len() == other.0.len() && all == u8x16::ZERO && rest == 0
    }

    /// A copy to keep.
    pub fn to_value(&self) -> SecretValue {
        SecretValue::new(self.0)
    }
}

impl fmt::Debug for SecretRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing_of_the_value() {
        assert_eq!(format!("{:?}", SecretValue::new("hunter2")), "[redacted]");
        assert_eq!(format!("{:#?}", Some(SecretValue::new("hunter2"))), "Some(\n    [redacted],\n)");
        assert_eq!(format!("{:?}", SecretRef::new(b"hunter2")), "[redacted]");
    }

    #[test]
    fn only_the_same_bytes_are_equal() {
        let text: Vec<u8> = (0..=u8::MAX).collect();
        for end in 0..text.len() {
            let one = &text[..end];
            assert!(SecretRef::new(one).equals(SecretRef::new(one)));
            assert!(!SecretRef::new(one).equals(SecretRef::new(&text[..=end])));
            for at in 0..end {
                let mut other = one.to_vec();
                other[at] ^= 1 << (at % 8);
                assert!(!SecretRef::new(one).equals(SecretRef::new(&other)), "{end} {at}");
            }
        }
    }
}
