//! Buffers that a request needs from its first byte to its last, kept for the next request of the same core.
//!
//! They belong to the core and not to the connection: ten thousand idle connections hold none.

use std::cell::RefCell;
use std::ops::{Deref, DerefMut};

use bytes::BytesMut;
use connectors_http1::{RequestHead, ResponseHead};

/// Kept of each kind however long nobody has needed them.
const SPARE: usize = 64;
/// Kept at most. More are in use only while more requests are, and then those wait for each other and not for memory.
const MAX_KEPT: usize = 1024;
/// A buffer that has grown beyond this isn't kept.
const MAX_CAPACITY: usize = 16 * 1024;

/// One kind of what is lent; see [`Lent`].
type Lendable<T> = RefCell<Kept<Box<T>>>;

thread_local! {
    static REQUESTS: Lendable<RequestHead> = const { RefCell::new(Kept::new()) };
    static RESPONSES: Lendable<ResponseHead> = const { RefCell::new(Kept::new()) };
    static BYTES: Lendable<Vec<u8>> = const { RefCell::new(Kept::new()) };
    static INPUTS: RefCell<Kept<BytesMut>> = const { RefCell::new(Kept::new()) };
}

/// Drops what nobody has needed since the last time, but for a few. To be called every some seconds, on each core.
pub(crate) fn sweep() {
    REQUESTS.with_borrow_mut(Kept::sweep);
    RESPONSES.with_borrow_mut(Kept::sweep);
    BYTES.with_borrow_mut(Kept::sweep);
    INPUTS.with_borrow_mut(Kept::sweep);
}

/// What is kept of one kind.
pub(crate) struct Kept<T> {
    all: Vec<T>,
    /// The fewest since the last sweep: so many weren't needed.
    fewest: usize,
}

impl<T> Kept<T> {
    const fn new() -> Self {
        Self { all: Vec::new(), fewest: 0 }
    }

    fn take(&mut self) -> Option<T> {
        let taken = self.all.pop();
        self.fewest = self.fewest.min(self.all.len());
        taken
    }

    fn put(&mut self, value: T) {
        if self.all.len() < MAX_KEPT {
            self.all.push(value);
        }
    }

    fn sweep(&mut self) {
        let unneeded = self.fewest.min(self.all.len().saturating_sub(SPARE));
        self.all.truncate(self.all.len() - unneeded);
        self.all.shrink_to(SPARE);
        self.fewest = self.all.len();
    }
}

/// What can be used again.
pub(crate) trait Reuse: Default + 'static {
    /// Forgets the contents. `false`: it isn't worth keeping.
    fn clean(&mut self) -> bool;
    /// Where this core keeps them.
    fn kept<R>(with: impl FnOnce(&mut Kept<Box<Self>>) -> R) -> R;
}

impl Reuse for RequestHead {
    fn clean(&mut self) -> bool {
        let small = self.capacity() <= MAX_CAPACITY;
        self.clear();
        small
    }

    fn kept<R>(with: impl FnOnce(&mut Kept<Box<Self>>) -> R) -> R {
        REQUESTS.with_borrow_mut(with)
    }
}

impl Reuse for ResponseHead {
    fn clean(&mut self) -> bool {
        let small = self.capacity() <= MAX_CAPACITY;
        self.clear();
        small
    }

    fn kept<R>(with: impl FnOnce(&mut Kept<Box<Self>>) -> R) -> R {
        RESPONSES.with_borrow_mut(with)
    }
}

impl Reuse for Vec<u8> {
    fn clean(&mut self) -> bool {
        self.clear();
        self.capacity() <= MAX_CAPACITY
    }

    fn kept<R>(with: impl FnOnce(&mut Kept<Box<Self>>) -> R) -> R {
        BYTES.with_borrow_mut(with)
    }
}

/// Lent until it is dropped. Boxed, since what is lent moves with what it is for, and back.
pub(crate) struct Lent<T: Reuse>(Option<Box<T>>);

impl<T: Reuse> Lent<T> {
    /// An empty one.
    pub(crate) fn new() -> Self {
        Self(Some(T::kept(Kept::take).unwrap_or_default()))
    }
}

impl<T: Reuse> Drop for Lent<T> {
    fn drop(&mut self) {
        if let Some(mut value) = self.0.take()
            && value.clean()
        {
            T::kept(|kept| kept.put(value));
        }
    }
}

impl<T: Reuse> Deref for Lent<T> {
    type Target = T;

    fn deref(&self) -> &T {
        match &self.0 {
            Some(value) => value,
            None => unreachable!("it is given back when this is dropped"),
        }
    }
}

impl<T: Reuse> DerefMut for Lent<T> {
    fn deref_mut(&mut self) -> &mut T {
        match &mut self.0 {
            Some(value) => value,
            None => unreachable!("it is given back when this is dropped"),
        }
    }
}

/// An empty input buffer with some room.
pub(crate) fn take_input() -> BytesMut {
    INPUTS.with_borrow_mut(Kept::take).unwrap_or_default()
}

/// Keeps an input buffer that has room and nothing in it.
pub(crate) fn put_input(mut input: BytesMut) {
    input.clear();
    if input.capacity() <= MAX_CAPACITY {
        INPUTS.with_borrow_mut(|kept| kept.put(input));
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
    fn what_was_needed_at_once_stays_until_a_sweep_finds_it_unneeded() {
        let many = SPARE * 3;
        let kept = || BYTES.with_borrow(|kept| kept.all.len());
        let at_once = |count: usize| drop((0..count).map(|_| Lent::<Vec<u8>>::new()).collect::<Vec<_>>());
        at_once(MAX_KEPT + 1);
        assert_eq!(kept(), MAX_KEPT);
        at_once(many);
        // The first finds that once all were needed, at the beginning when there were none.
        sweep();
        at_once(many);
        sweep();
        assert_eq!(kept(), many);
        sweep();
        assert_eq!(kept(), SPARE);
        sweep();
        assert_eq!(kept(), SPARE);
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
