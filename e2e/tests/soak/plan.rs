//! What goes wrong in one exchange, by chance, and what must come of it.

use std::sync::LazyLock;

/// The largest body of a request or an answer.
const LONGEST_BODY: usize = 600_000;

/// A sequence of numbers that is the same for the same seed (SplitMix64).
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Less than `bound`.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    /// True once in so many times.
    pub(super) fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    fn of<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len())]
    }
}

/// What the tool does with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    /// Answers with a length.
    Whole,
    /// Answers without one: in chunks.
    Chunked,
    /// Sends a 103 before.
    Interim,
    /// Takes its time, before the answer and within, but less than the timeout.
    ShortStall,
    /// Answers, and says no more on that connection.
    CloseAfter,
    /// Answers 413 without having read the body.
    Early,
    /// Doesn't answer in time.
    LongStall,
    /// Answers, and stops within the body.
    StallWithin,
    /// Answers, and ends the connection within the body, as if it were all.
    Truncated,
    /// Resets the connection in place of an answer.
    ResetBefore,
    /// Resets the connection, or the stream, within the answer's body.
    ResetWithin,
    /// Answers what isn't HTTP.
    Garbage,
    /// Doesn't read the body, and doesn't answer.
    NoRead,
}

/// In the order of [`Act`]'s variants.
const ACTS: [(Act, &str); 13] = [
    (Act::Whole, "whole"),
    (Act::Chunked, "chunked"),
    (Act::Interim, "interim"),
    (Act::ShortStall, "short-stall"),
    (Act::CloseAfter, "close-after"),
    (Act::Early, "early"),
    (Act::LongStall, "long-stall"),
    (Act::StallWithin, "stall-within"),
    (Act::Truncated, "truncated"),
    (Act::ResetBefore, "reset-before"),
    (Act::ResetWithin, "reset-within"),
    (Act::Garbage, "garbage"),
    (Act::NoRead, "no-read"),
];

/// What the caller does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// Nothing wrong.
    None,
    /// Stops within the body, but for less than the timeout.
    ShortStall,
    /// Reads slowly.
    SlowReading,
    /// Says that this is its last request, and ends its sending half after it (HTTP/1.1).
    HalfClose,
    /// Stops within the body for longer than the timeout.
    LongStall,
    /// Ends within the head (HTTP/1.1).
    ResetInHead,
    /// Ends within the body.
    ResetInBody,
    /// Ends instead of waiting for the answer.
    ResetWaiting,
    /// Ends within the answer.
    ResetReading,
    /// Sends what isn't HTTP (HTTP/1.1).
    Garbage,
}

/// One exchange.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    pub(super) id: u64,
    pub(super) act: Act,
    pub(super) fault: Fault,
    pub(super) method: &'static str,
    /// Bytes of the request's body.
    pub(super) body: usize,
    /// It is sent in chunks.
    pub(super) chunked: bool,
    /// Bytes of the answer's body.
    pub(super) answer: usize,
    /// By TLS, and HTTP/2 where the caller speaks it.
    pub(super) secure: bool,
}

/// What a caller got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    Whole(u16),
    /// The transfer broke off, and one can tell.
    Broken(u16),
    /// The stream was reset (HTTP/2), which may overtake the head of an answer.
    Reset,
    /// No answer, as the connection ended before the request was taken.
    Nothing,
}

impl Plan {
    pub(super) fn random(random: &mut Random, id: u64, http2: bool) -> Self {
        // Half of all exchanges have nothing wrong on that side, else there would be nothing but timeouts.
        let act = match random.one_in(2) {
            true => random.of(&[Act::Whole, Act::Chunked]),
            false => random.of(&ACTS).0,
        };
        let faults = [Fault::ShortStall, Fault::SlowReading, Fault::LongStall, Fault::ResetInBody, Fault::ResetWaiting, Fault::ResetReading];
        let only_http1 = [Fault::HalfClose, Fault::ResetInHead, Fault::Garbage];
        let fault = match random.below(20) {
            0..14 => Fault::None,
            14..16 if !http2 => random.of(&only_http1),
            _ => random.of(&faults),
        };
        let in_body = matches!(fault, Fault::ShortStall | Fault::LongStall | Fault::ResetInBody);
        let method = if in_body { "POST" } else { random.of(&["GET", "GET", "POST", "PUT", "DELETE"]) };
        let sizes = [1, 100, 5_000, 100_000, LONGEST_BODY / 2];
        let body = if matches!(method, "POST" | "PUT") { 2 * random.of(&sizes) } else { 0 };
        let plan = Self { id, act, fault, method, body, chunked: random.one_in(2), answer: 2 * random.of(&sizes), secure: random.one_in(3) };
        // There is nothing like it on a stream.
        if plan.secure && http2 && act == Act::Garbage { Self { act: Act::ResetBefore, ..plan } } else { plan }
    }

    /// The path that the tool sees.
    pub(super) fn path(&self) -> String {
        format!("/{}/{}/{}", self.id, ACTS[self.act as usize].1, self.answer)
    }

    /// Of a path that the tool sees: id, what to do, bytes of the answer.
    pub(super) fn parse(path: &str) -> Option<(u64, Act, usize)> {
        let mut parts = path.strip_prefix('/')?.split('/');
        let (id, act, answer) = (parts.next()?.parse().ok()?, parts.next()?, parts.next()?.parse().ok()?);
        Some((id, ACTS.iter().find(|(_, name)| *name == act)?.0, answer))
    }

    /// The caller ends before it has all that it could get.
    pub(super) fn cuts(&self) -> bool {
        matches!(self.fault, Fault::ResetInHead | Fault::ResetInBody | Fault::ResetWaiting | Fault::ResetReading)
    }

    /// Whether this may be what comes of it, if the caller stays to the end.
    pub(super) fn expects(&self, seen: Seen) -> bool {
        match (self.act, self.fault) {
            (_, Fault::Garbage) => seen == Seen::Whole(400),
            // These answer, or not, whatever becomes of the body.
            (Act::Early, _) => matches!(seen, Seen::Whole(413 | 502)),
            (Act::Garbage | Act::ResetBefore, _) => seen == Seen::Whole(502),
            (_, Fault::LongStall) => seen == Seen::Whole(408),
            (Act::Whole | Act::Chunked | Act::Interim | Act::ShortStall | Act::CloseAfter, _) => seen == Seen::Whole(200),
            (Act::LongStall, _) => seen == Seen::Whole(504),
            (Act::NoRead, _) => matches!(seen, Seen::Whole(504 | 408)),
            (Act::StallWithin | Act::Truncated, _) => matches!(seen, Seen::Broken(200) | Seen::Reset),
            // A reset can take with it what was sent before.
            (Act::ResetWithin, _) => matches!(seen, Seen::Broken(200) | Seen::Reset | Seen::Whole(502)),
        }
    }

    /// Whether it may be so once in a while: the tool's connection ends when the request is on its way, with what else is on it, or the machine is too busy for
    /// the timeouts. What is never so: an answer that only seems whole.
    pub(super) fn excuses(&self, seen: Seen) -> bool {
        let otherwise = Self { fault: Fault::None, ..*self };
        matches!(seen, Seen::Whole(502 | 504 | 408) | Seen::Nothing)
            || self.secure && matches!(seen, Seen::Broken(200) | Seen::Reset)
            || otherwise.expects(seen)
    }
}

/// The bytes of the body of exchange `id`.
pub(super) fn body(id: u64, length: usize) -> &'static [u8] {
    /// A prime, so that pieces of bodies don't look alike.
    const PERIOD: usize = 251;
    static BYTES: LazyLock<Vec<u8>> = LazyLock::new(|| (0..LONGEST_BODY + PERIOD).map(|at| (at % PERIOD) as u8).collect());
    &BYTES[id as usize % PERIOD..][..length]
}

#[test]
fn a_path_says_what_the_tool_does() {
    for (act, _) in ACTS {
        let plan = Plan { act, id: 7, answer: 9, ..Plan::random(&mut Random(1), 7, false) };
        assert_eq!(Plan::parse(&plan.path()), Some((7, act, 9)));
    }
}
