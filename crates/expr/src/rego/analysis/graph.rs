//! Which rule needs which: none may need itself, and chains of them must fit a stack.

use crate::Position;
use crate::rego::error::CompileError;
use std::collections::{BTreeMap, BTreeSet};

/// Names from the outermost.
pub(crate) type Path = Vec<String>;

/// What the rules of one chain may weigh together: each a few levels, and as many more as its tree has. In a debug build
/// with 2 MiB of stack 500 rules of a line fit, and 100 with three comprehensions inside each other.
const MAX_CHAIN: usize = 400;
const RULE_LEVELS: usize = 4;

/// The rules of a module and what they use.
#[derive(Default)]
pub(super) struct Graph {
    rules: BTreeMap<Path, Node>,
    current: Path,
}

#[derive(Default)]
struct Node {
    at: Option<Position>,
    uses: BTreeSet<Path>,
    depth: usize,
    state: State,
}

#[derive(Default, Clone, Copy, PartialEq)]
enum State {
    #[default]
    New,
    Active,
    /// The weight of the longest chain from here.
    Done(usize),
}

impl Graph {
    pub(super) fn declare(&mut self, path: Path, at: Position) {
        self.rules.entry(path).or_default().at.get_or_insert(at);
    }

    pub(super) fn paths(&self) -> BTreeSet<Path> {
        self.rules.keys().cloned().collect()
    }

    /// What is used from here on is used by that rule.
    pub(super) fn enter(&mut self, path: Path) {
        self.current = path;
    }

    pub(super) fn uses(&mut self, path: &[String]) {
        if let Some(node) = self.rules.get_mut(&self.current) {
            node.uses.insert(path.to_vec());
        }
    }

    pub(super) fn leave(&mut self, depth: usize) {
        if let Some(node) = self.rules.get_mut(&self.current) {
            node.depth = node.depth.max(depth);
        }
    }

    /// # Errors
    /// [`CompileError::Recursive`], [`CompileError::TooDeep`].
    pub(super) fn check(&mut self) -> Result<(), CompileError> {
        let all: Vec<Path> = self.rules.keys().cloned().collect();
        for path in &all {
            // By a list of what is left to do: recursion would be as deep as the chain.
            let mut todo = vec![(path.clone(), false)];
            while let Some((path, is_seen)) = todo.pop() {
                let next = self.targets(&path);
                let weights = next.iter().map(|target| self.state(target));
                let longest = weights.clone().filter_map(|state| if let State::Done(weight) = state { Some(weight) } else { None }).max();
                let is_open = weights.clone().any(|state| state == State::Active);
                let Some(node) = self.rules.get_mut(&path) else { continue };
                let at = node.at.unwrap_or(Position::START);
                if is_seen {
                    let weight = longest.unwrap_or(0) + RULE_LEVELS + node.depth;
                    if weight > MAX_CHAIN {
                        return Err(CompileError::TooDeep { at });
                    }
                    node.state = State::Done(weight);
                } else if node.state == State::New {
                    node.state = State::Active;
                    if is_open || next.contains(&path) {
                        return Err(CompileError::Recursive { at, rule: format!("data.{}", path.join(".")) });
                    }
                    todo.push((path, true));
                    todo.extend(next.into_iter().map(|target| (target, false)));
                }
            }
        }
        Ok(())
    }

    fn state(&self, path: &Path) -> State {
        self.rules.get(path).map_or(State::New, |node| node.state)
    }

    /// The rules that those paths reach: parts of documents are rules below them, and values above.
    fn targets(&self, path: &Path) -> Vec<Path> {
        let Some(node) = self.rules.get(path) else { return Vec::new() };
        let mut targets = BTreeSet::new();
        for used in &node.uses {
            for end in 0..=used.len() {
                let above = used.get(..end).unwrap_or_default();
                if let Some((rule, _)) = self.rules.get_key_value(above) {
                    targets.insert(rule.clone());
                }
            }
            let below = self.rules.range::<[String], _>((std::ops::Bound::Included(used.as_slice()), std::ops::Bound::Unbounded));
            targets.extend(below.take_while(|(rule, _)| rule.starts_with(used)).map(|(rule, _)| rule.clone()));
        }
        targets.into_iter().collect()
    }
}
