//! Random values: what a template may say where it needs a text, a number, a list.
//!
//! `values.txt` has the calls of each kind, with holes: `@s` is a place for a text. It is the type system: what stands in a hole is a call of that
//! kind, or a literal or a field of the data, or now and then something of another kind.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::random::Random;

/// What a value is, by the letter of its hole.
pub(crate) type Kind = char;

/// What stands for another kind now and then: what can't be put in its place without going beyond what Go itself can compute stays.
const OTHERS: &[Kind] = &['s', 'i', 'n', 'f', 'b', 'l', 'm', 'a', 'x', 'k', 't'];

/// Makes values, with the variables that are in scope.
pub(crate) struct Values<'r> {
    pub(crate) random: &'r mut Random,
    /// Their names, with `$`, and what they are.
    pub(crate) variables: Vec<(String, Kind)>,
    /// What the dot is.
    pub(crate) dot: Kind,
    /// Whether the dot is the data.
    pub(crate) at_root: bool,
    /// Whether the data is what probes see.
    pub(crate) structs: bool,
}

impl Values<'_> {
    /// A pipeline: what stands between the braces of an action.
    pub(crate) fn pipeline(&mut self, kind: Kind, depth: usize) -> String {
        if depth == 0 || self.random.one_in(6) {
            return self.atom(kind);
        }
        let kind = if self.random.one_in(40) && !matches!(kind, 'c' | 'q') { 'R' } else { kind };
        let Some(calls) = calls(kind) else { return self.atom(kind) };
        let call = self.random.pick(calls);
        // The last argument may come first.
        if let Some((rest, last)) = call.split_once(" @").filter(|_| !call.contains(['|', '('])).and_then(|_| call.rsplit_once(" @"))
            && last.len() == 1
            && self.random.one_in(3)
        {
            let argument = self.piped(last.chars().next().unwrap_or('a'), depth - 1);
            return format!("{argument} | {}", self.filled(rest, depth));
        }
        self.filled(call, depth)
    }

    /// A value that can be an argument.
    pub(crate) fn argument(&mut self, kind: Kind, depth: usize) -> String {
        let kind = if self.random.one_in(100) && !matches!(kind, 'c' | 'q' | 'r' | 'w' | 'o') { self.random_kind() } else { kind };
        if depth == 0 || self.random.one_in(2) {
            let atom = self.atom(kind);
            return if atom.contains(' ') && !atom.starts_with(['(', '"', '`']) { format!("({atom})") } else { atom };
        }
        format!("({})", self.pipeline(kind, depth))
    }

    pub(crate) fn random_kind(&mut self) -> Kind {
        OTHERS[self.random.below(OTHERS.len())]
    }

    fn piped(&mut self, kind: Kind, depth: usize) -> String {
        if self.random.one_in(2) { self.argument(kind, depth) } else { self.pipeline(kind, depth) }
    }

    fn filled(&mut self, call: &str, depth: usize) -> String {
        let mut out = String::new();
        let mut characters = call.chars();
        while let Some(character) = characters.next() {
            match character {
                '@' => {
                    let kind = characters.next().unwrap_or('a');
                    out.push_str(&self.argument(kind, depth - 1));
                }
                _ => out.push(character),
            }
        }
        out
    }

    fn atom(&mut self, kind: Kind) -> String {
        // What a number of times is, is never a variable: those may be large.
        if kind != 'c' && self.random.one_in(4) {
            let fitting: Vec<&str> = self.variables.iter().filter(|(_, own)| *own == kind || kind == 'a').map(|(name, _)| name.as_str()).collect();
            if !fitting.is_empty() {
                return self.random.pick(&fitting).to_owned();
            }
        }
        if self.dot == kind && self.random.one_in(4) {
            return ".".to_owned();
        }
        let fields = TABLE.get(&('#', kind)).filter(|_| self.structs && self.random.one_in(2));
        let mut atom = self.random.pick(fields.map_or_else(|| atoms(kind), Vec::as_slice));
        // What only the other data has would end most templates at once.
        while self.structs && fields.is_none() && (atom.contains("$.") || atom == "$") && !self.random.one_in(200) {
            atom = self.random.pick(fields.map_or_else(|| atoms(kind), Vec::as_slice));
        }
        match atom.strip_prefix('$').filter(|path| path.starts_with('.')) {
            Some(path) if self.at_root && self.random.one_in(2) => path.to_owned(),
            _ => atom.to_owned(),
        }
    }
}

/// What `values.txt` has of each kind.
static TABLE: LazyLock<HashMap<(char, Kind), Vec<&str>>> = LazyLock::new(|| {
    let mut table: HashMap<_, Vec<_>> = HashMap::new();
    let mut key = ('=', 'a');
    for line in include_str!("values.txt").lines().filter(|line| !line.is_empty() && !line.starts_with("# ")) {
        match ["== ", "## ", "-- "].into_iter().find_map(|mark| line.strip_prefix(mark)).and_then(|kind| kind.chars().next()) {
            Some(kind) => key = (line.chars().next().unwrap_or('='), kind),
            None => table.entry(key).or_default().push(line),
        }
    }
    table
});

fn atoms(kind: Kind) -> &'static [&'static str] {
    TABLE.get(&('=', kind)).unwrap_or_else(|| panic!("values.txt has nothing of kind {kind}"))
}

fn calls(kind: Kind) -> Option<&'static [&'static str]> {
    TABLE.get(&('-', kind)).map(Vec::as_slice)
}
