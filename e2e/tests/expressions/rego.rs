//! Random modules of Rego, in both dialects.

use std::fmt::Write as _;
use std::sync::LazyLock;

use serde_json::{Value as Json, json};

use crate::grammar::{Grammar, Kind};
use crate::random::Random;

static GRAMMAR: LazyLock<Grammar> = LazyLock::new(|| Grammar::read(include_str!("rego.txt")));

/// Calls within calls: the parser lets few brackets be in each other.
const DEPTH: usize = 2;

const KINDS: [Kind; 9] = ['s', 'i', 'n', 'b', 't', 'l', 'o', 'e', 'a'];

/// A case, as both sides read it: all of it follows from the seed and the index.
pub(crate) fn case(seed: u64, index: u64) -> Json {
    let mut random = Random::of_case(seed, index);
    let mut input = json!({
        "s": random.pick(&["abc", "Bearer x", "", "a,b", "b"]), "u": random.pick(&["żółć", "https://h/p?q=1", "1.2.3"]), "b": random.one_in(2),
        "i": ([0, 7, -3, 1_i64 << 40][random.below(4)]), "n": 5, "f": ([1.5, -2.25, 2.5][random.below(3)]), "nothing": null,
        "t": ["a", "b", "abc"], "l": [3, 1, 2, 3], "m": {"k": "v", "a": "b"}, "list": [{"name": "x", "n": 1}, {"name": "y", "n": 42}],
        "mix": [1, "a", null, true, [], {}], "deep": {"a": {"b": 1, "c": [2, "z"]}, "c": null},
        "request": {"method": "GET", "path": "/api/v4/x", "headers": {"X-Multi": ["a", "b"], "Private-Token": ["t"]}, "query": {"q": ["1"]}},
    });
    if random.one_in(10) {
        let key = random.pick(&["s", "u", "b", "i", "t", "l", "m", "list"]).to_owned();
        input[key] = [Json::Null, json!(7), json!("str"), json!([])][random.below(4)].clone();
    }
    let dialect = random.pick(&["v0", "v1"]).to_owned();
    let module = Writer { random: &mut random, is_old: dialect == "v0", rules: Vec::new() }.module();
    json!({"id": index, "module": module, "query": "data.p", "input": input, "rego": dialect})
}

/// Writes one module.
struct Writer<'r> {
    random: &'r mut Random,
    is_old: bool,
    /// Those that are written already, by what they are: a rule needs only earlier ones, and so none itself.
    rules: Vec<(String, Kind)>,
}

impl Writer<'_> {
    fn module(mut self) -> String {
        let mut text = "package p\n".to_owned();
        if self.is_old {
            text.push_str("import future.keywords.in\nimport future.keywords.every\n");
        } else if self.random.one_in(4) {
            text.push_str("import rego.v1\n");
        }
        for index in 0..=self.random.below(3) {
            let kind = KINDS[self.random.below(KINDS.len())];
            match self.random.below(10) {
                0..3 => self.constant(&mut text, index, kind),
                3..7 => self.complete(&mut text, index, kind),
                7 => self.set(&mut text, index),
                8 => self.object(&mut text, index),
                _ => self.function(&mut text, index),
            }
        }
        text
    }

    fn expression(&mut self, kind: Kind, locals: &[(String, Kind)]) -> String {
        let depth = 1 + self.random.below(DEPTH);
        GRAMMAR.expression(self.random, kind, depth, locals)
    }

    /// Conditions, and what they leave in scope.
    fn body(&mut self, locals: &mut Vec<(String, Kind)>, loops: bool) -> String {
        let mut statements = Vec::new();
        if loops {
            let list = self.expression('t', locals);
            statements.push(format!("some y in {list}"));
            locals.push(("y".to_owned(), 's'));
        }
        for index in 0..=self.random.below(2) {
            if self.random.one_in(3) {
                let kind = KINDS[self.random.below(KINDS.len())];
                let value = self.expression(kind, locals);
                statements.push(format!("x{index} := {value}"));
                locals.push((format!("x{index}"), kind));
            } else {
                statements.push(self.expression('c', locals));
            }
        }
        // What begins with a bracket would be taken for arguments, or an index, of the line before.
        let begins_plainly = statements.iter().all(|statement| !statement.starts_with(['(', '[']));
        let separator = if begins_plainly && self.random.one_in(2) { "\n  " } else { "; " };
        let word = if self.is_old { "" } else { "if " };
        format!(" {word}{{ {} }}", statements.join(separator))
    }

    fn constant(&mut self, text: &mut String, index: usize, kind: Kind) {
        let value = self.expression(kind, &self.rules.clone());
        let _ = writeln!(text, "r{index} := {value}");
        self.rules.push((format!("r{index}"), kind));
    }

    fn complete(&mut self, text: &mut String, index: usize, kind: Kind) {
        if self.random.one_in(3) {
            let _ = writeln!(text, "default r{index} := {}", self.random.pick(&["null", "\"none\"", "[]", "0", "false"]));
        }
        for _ in 0..=self.random.below(2) {
            let mut locals = self.rules.clone();
            let loops = self.random.one_in(5);
            let body = self.body(&mut locals, loops);
            let value = self.expression(kind, &locals);
            let _ = write!(text, "r{index} := {value}{body}");
            while self.random.one_in(4) {
                let mut locals = self.rules.clone();
                let body = self.body(&mut locals, false);
                let value = self.expression(kind, &locals);
                let _ = write!(text, " else := {value}{body}");
            }
            text.push('\n');
        }
        self.rules.push((format!("r{index}"), kind));
    }

    fn set(&mut self, text: &mut String, index: usize) {
        let mut locals = self.rules.clone();
        let body = self.body(&mut locals, true);
        let item = self.expression('s', &locals);
        let _ = if self.is_old {
            writeln!(text, "r{index}[x] {{ {}; x := {item} }}", &body[3..body.len() - 2])
        } else {
            writeln!(text, "r{index} contains {item}{body}")
        };
        self.rules.push((format!("r{index}"), 'e'));
    }

    fn object(&mut self, text: &mut String, index: usize) {
        let mut locals = self.rules.clone();
        let body = self.body(&mut locals, true);
        let (key, value) = (if self.random.one_in(2) { "y".to_owned() } else { self.expression('s', &locals) }, self.expression('s', &locals));
        let _ = if self.is_old {
            writeln!(text, "r{index}[x] = z {{ {}; x := {key}; z := {value} }}", &body[3..body.len() - 2])
        } else {
            writeln!(text, "r{index}[{key}] := {value}{body}")
        };
        self.rules.push((format!("r{index}"), 'o'));
    }

    /// With a rule that calls it.
    fn function(&mut self, text: &mut String, index: usize) {
        let mut locals = self.rules.clone();
        locals.push(("x".to_owned(), 's'));
        let body = self.body(&mut locals, false);
        let value = self.expression('s', &locals);
        let argument = self.expression('s', &self.rules.clone());
        let _ = writeln!(text, "f{index}(x) := {value}{body}\nr{index} := f{index}({argument})");
        self.rules.push((format!("r{index}"), 's'));
    }
}
