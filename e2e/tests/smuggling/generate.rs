//! All messages: the families, the table of `crates/http1`, and what chance makes of both.

use crate::cases::Table;
use crate::framing::{self, CODINGS};
use crate::heads::{self, ODD_BYTES};
use crate::message::{AUTHORIZATION, METHODS, Message, Messages, join, marker, replace};

/// How many messages are made by changing others.
const MUTATIONS: usize = 600;

/// Every message. The same ones every time for a seed, which only decides about what is left to chance.
pub(crate) fn all(seed: u64) -> Vec<Message> {
    let mut messages = Messages::default();
    for family in [
        framing::codings,
        framing::two_codings,
        framing::lengths,
        framing::chunk_sizes,
        framing::chunk_ends,
        framing::trailers,
        heads::odd_bytes,
        heads::folds,
        heads::expectations,
        heads::connections,
        heads::versions,
        heads::hosts,
        heads::request_lines,
        heads::pipelines,
        heads::unexpected_bodies,
        table,
    ] {
        family(&mut messages);
    }
    mutations(&mut messages, seed);
    messages.into_all()
}

/// The requests of the table in `crates/http1`, where they lead to the attacker's tool.
fn table(messages: &mut Messages) {
    messages.family("table");
    // Longer heads, or those of more lines, are refused by some servers for that alone.
    const LONGEST: usize = 4_000;
    const MOST_LINES: usize = 50;
    let tables = Table::load("request");
    for case in tables.iter().flat_map(|table| &table.cases) {
        let input = case.input();
        let has = |text: &[u8]| memchr::memmem::find(&input, text);
        let (Some(target), Some(host)) = (has(b" / "), has(b"Host: a\r\n")) else { continue };
        let known = METHODS.iter().any(|method| input[..target].ends_with(method.as_bytes()));
        if input.len() > LONGEST || memchr::memchr_iter(b'\n', &input).count() > MOST_LINES || host < target || !known {
            continue;
        }
        messages.add(|draft| {
            let (behind, path) = (host + b"Host: a\r\n".len(), draft.path());
            join(&[&input[..=target], path.as_bytes(), &input[target + 2..behind], AUTHORIZATION.as_bytes(), &input[behind..]])
        });
    }
}

/// Messages with something put in, taken out or written twice.
fn mutations(messages: &mut Messages, seed: u64) {
    const LONGEST: usize = 20_000;
    let mut random = Random(seed);
    let originals = messages.so_far().len();
    messages.family("mutations");
    for _ in 0..MUTATIONS {
        let original = &messages.so_far()[random.below(originals)];
        if original.template.len() > LONGEST {
            continue;
        }
        let (id, mut bytes) = (original.id, original.template.clone());
        for _ in 0..=random.below(3) {
            // What makes it a request of the attacker's stays.
            let fixed = Message::fixed(&bytes, id);
            mutate(&mut bytes, &mut random, |at| fixed.iter().any(|range| range.contains(&at) || range.end == at));
        }
        messages.add(|draft| replace(&bytes, &marker(id), &marker(draft.id())));
    }
}

fn mutate(bytes: &mut Vec<u8>, random: &mut Random, is_fixed: impl Fn(usize) -> bool) {
    let at = random.below(bytes.len());
    if is_fixed(at) {
        return;
    }
    match random.below(5) {
        0 => drop(bytes.splice(at..at, random.of(ODD_BYTES).iter().copied())),
        1 => drop(bytes.splice(at..=at, random.of(ODD_BYTES).iter().copied())),
        2 => drop(bytes.remove(at)),
        3 => {
            let byte = bytes[at];
            bytes.insert(at, byte);
        }
        // A framing field more, behind some line.
        _ => {
            let Some(end) = memchr::memchr(b'\n', &bytes[at..]).map(|end| at + end + 1) else { return };
            let line = join(&[random.of(CODINGS), b"\r\n"]);
            bytes.splice(end..end, line);
        }
    }
}

/// SplitMix64: small, and the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    fn of<'a>(&mut self, choices: &[&'a [u8]]) -> &'a [u8] {
        choices[self.below(choices.len())]
    }
}
