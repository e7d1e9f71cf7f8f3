//! Random expressions, by a table: `rego.txt`, `cel.txt`.
//!
//! After `== LETTER` come the expressions of a kind that need nothing else, after `-- LETTER` those with holes: `@s` is a place for an expression
//! of kind `s`. Holes are the types: what stands in one is of its kind, so that most of what is written compiles.

use std::collections::HashMap;

use crate::random::Random;

/// What an expression yields, by the letter of its hole.
pub(crate) type Kind = char;

/// A table, read.
pub(crate) struct Grammar {
    atoms: HashMap<Kind, Vec<&'static str>>,
    calls: HashMap<Kind, Vec<&'static str>>,
}

impl Grammar {
    pub(crate) fn read(table: &'static str) -> Self {
        let mut grammar = Self { atoms: HashMap::new(), calls: HashMap::new() };
        let mut place: Option<(bool, Kind)> = None;
        for line in table.lines().filter(|line| !line.is_empty() && !line.starts_with("# ")) {
            let heading = |mark: &str| line.strip_prefix(mark).and_then(|kind| kind.chars().next());
            if let Some(kind) = heading("== ") {
                place = Some((true, kind));
            } else if let Some(kind) = heading("-- ") {
                place = Some((false, kind));
            } else if let Some((is_atom, kind)) = place {
                let kinds = if is_atom { &mut grammar.atoms } else { &mut grammar.calls };
                kinds.entry(kind).or_default().push(line);
            }
        }
        grammar
    }

    /// An expression; `locals` are what is in scope besides, with their kinds.
    pub(crate) fn expression(&self, random: &mut Random, kind: Kind, depth: usize, locals: &[(String, Kind)]) -> String {
        let fitting: Vec<&str> = locals.iter().filter(|(_, own)| *own == kind).map(|(name, _)| name.as_str()).collect();
        if !fitting.is_empty() && random.one_in(3) {
            return random.pick(&fitting).to_owned();
        }
        let atoms = self.atoms.get(&kind).filter(|_| depth == 0 || random.one_in(4));
        let text = match atoms.or_else(|| self.calls.get(&kind)).or_else(|| self.atoms.get(&kind)) {
            Some(texts) => random.pick(texts),
            None => panic!("the table has nothing of kind {kind}"),
        };
        let mut out = String::new();
        let mut characters = text.chars();
        while let Some(character) = characters.next() {
            match character {
                '@' => out.push_str(&self.expression(random, characters.next().unwrap_or('?'), depth.saturating_sub(1), locals)),
                _ => out.push(character),
            }
        }
        out
    }
}
