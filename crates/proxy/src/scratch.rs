//! Buffers that a request needs from its first byte to its last, kept for the next request of the same core.
//!
//! They belong to the core and not to the connection: ten thousand idle connections hold none.

use std::cell::RefCell;
use std::ops::{Deref, DerefMut};

use bytes::BytesMut;
use connectors_http1::{RequestHead, ResponseHead};

/// Kept of each kind. More are in use only while more requests are, and they are large only together with those.
const MAX_KEPT: usize = 64;
/// A buffer that has grown beyond this isn't kept.
const MAX_CAPACITY: usize = 16 * 1024;

thread_local! {
    static REQUESTS: RefCell<Vec<RequestHead>> = const { RefCell::new(Vec::new()) };
    static RESPONSES: RefCell<Vec<ResponseHead>> = const { RefCell::new(Vec::new()) };
    static BYTES: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
    static INPUTS: RefCell<Vec<BytesMut>> = const { RefCell::new(Vec::new()) };
}

/// What can be used again.
pub(crate) trait Reuse: Default + 'static {
    /// Forgets the contents. `false`: it isn't worth keeping.
    fn clean(&mut self) -> bool;
    /// Where this core keeps them.
    fn kept<R>(with: impl FnOnce(&mut Vec<Self>) -> R) -> R;
}

impl Reuse for RequestHead {
    fn clean(&mut self) -> bool {
        let small = self.capacity() <= MAX_CAPACITY;
        self.clear();
        small
    }

    fn kept<R>(with: impl FnOnce(&mut Vec<Self>) -> R) -> R {
        REQUESTS.with_borrow_mut(with)
    }
}

impl Reuse for ResponseHead {
    fn clean(&mut self) -> bool {
        let small = self.capacity() <= MAX_CAPACITY;
        self.clear();
        small
    }

    fn kept<R>(with: impl FnOnce(&mut Vec<Self>) -> R) -> R {
        RESPONSES.with_borrow_mut(with)
    }
}

impl Reuse for Vec<u8> {
    fn clean(&mut self) -> bool {
        self.clear();
        self.capacity() <= MAX_CAPACITY
    }

    fn kept<R>(with: impl FnOnce(&mut Vec<Self>) -> R) -> R {
        BYTES.with_borrow_mut(with)
    }
}

/// Lent until it is dropped.
pub(crate) struct Lent<T: Reuse>(T);

impl<T: Reuse> Lent<T> {
    /// An empty one.
    pub(crate) fn new() -> Self {
        Self(T::kept(Vec::pop).unwrap_or_default())
    }
}

impl<T: Reuse> Drop for Lent<T> {
    fn drop(&mut self) {
        let mut value = std::mem::take(&mut self.0);
        if value.clean() {
            T::kept(|kept| {
                if kept.len() < MAX_KEPT {
                    kept.push(value);
                }
            });
        }
    }
}

impl<T: Reuse> Deref for Lent<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Reuse> DerefMut for Lent<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

/// An empty input buffer with some room.
pub(crate) fn take_input() -> BytesMut {
    INPUTS.with_borrow_mut(Vec::pop).unwrap_or_default()
}

/// Keeps an input buffer that is empty.
pub(crate) fn put_input(mut input: BytesMut) {
    input.clear();
    if input.capacity() > 0 && input.capacity() <= MAX_CAPACITY {
        INPUTS.with_borrow_mut(|kept| {
            if kept.len() < MAX_KEPT {
                kept.push(input);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_request_is_left_for_the_next() {
        let mut first: Lent<Vec<u8>> = Lent::new();
        first.extend_from_slice(b"secret");
        let place = first.as_ptr();
        drop(first);
        let second: Lent<Vec<u8>> = Lent::new();
        assert!(second.is_empty() && second.as_ptr() == place, "the same buffer, empty");
    }

    #[test]
    fn what_has_grown_is_not_kept() {
        let mut large: Lent<Vec<u8>> = Lent::new();
        large.reserve(MAX_CAPACITY + 1);
        drop(large);
        assert!(Lent::<Vec<u8>>::new().capacity() <= MAX_CAPACITY);
        put_input(BytesMut::with_capacity(MAX_CAPACITY * 2));
        assert!(take_input().capacity() <= MAX_CAPACITY);
    }
}
