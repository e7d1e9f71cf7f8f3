//! Modules and expressions of the tables, spoilt at random: whatever is made of them, nothing panics or hangs.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic too")]

use connectors_expr::{Cel, Condition, Dialect, Extractor, Rego};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

/// How many are tried of each; `EXPR_RANDOM` in the environment asks for more.
const COUNT: u64 = 1500;
const STACK_BYTES: usize = 2 << 20;

/// Pieces that are put in: what grammars turn on, and characters of several bytes.
const PIECES: &[&str] = &[
    "[",
    "]",
    "{",
    "}",
    "(",
    ")",
    "\"",
    "`",
    "'",
    "#",
    "//",
    "\n",
    " ",
    ".",
    ",",
    ":",
    ":=",
    "=",
    "==",
    "|",
    "&",
    "-",
    "+",
    "!",
    "?",
    "_",
    "0",
    "9e9",
    "\\",
    "\\u",
    "é",
    "\u{0}",
    "\u{feff}",
    "𝕏",
    " if ",
    " else ",
    " not ",
    " some ",
    " every ",
    " in ",
    " with input as ",
    " contains ",
    "default ",
    "import ",
    "package ",
    "input",
    "data",
    "set()",
    "true",
    "null",
    "1.5",
    "$\"",
    "has(",
    ".all(x, ",
    ".map(x, ",
    "b'",
    "r\"",
    "\"\"\"",
];

struct Random(u64);

impl Random {
    /// Up to `below`, by xorshift.
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 11).unwrap() % below.max(1)
    }

    fn boundary(&mut self, text: &str) -> usize {
        let mut place = self.next(text.len() + 1);
        while !text.is_char_boundary(place) {
            place -= 1;
        }
        place
    }

    fn spoil(&mut self, text: &str, other: &str) -> String {
        let mut text = text.to_owned();
        for _ in 0..=self.next(4) {
            let place = self.boundary(&text);
            match self.next(4) {
                0 => text.insert_str(place, PIECES[self.next(PIECES.len())]),
                1 => {
                    let end = self.boundary(&text);
                    text.replace_range(place.min(end)..place.max(end), "");
                }
                2 => {
                    let (start, end) = (self.boundary(other), self.boundary(other));
                    text.insert_str(place, &other[start.min(end)..start.max(end)]);
                }
                _ => {
                    let end = self.boundary(&text);
                    let copy = text[place.min(end)..place.max(end)].to_owned();
                    text.insert_str(place, &copy);
                }
            }
        }
        text
    }
}

fn texts(table: &str, field: &str) -> Vec<String> {
    let field = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()[field].as_str().unwrap().to_owned();
    table.lines().map(field).collect()
}

fn try_all(texts: Vec<String>, attempt: fn(&str)) {
    let count = std::env::var("EXPR_RANDOM").map_or(COUNT, |count| count.parse().unwrap());
    let run = move || {
        let mut random = Random(0x2545_f491_4f6c_dd1d);
        for _ in 0..count {
            let (one, other) = (&texts[random.next(texts.len())], &texts[random.next(texts.len())]);
            let spoilt = random.spoil(one, other);
            assert!(catch_unwind(AssertUnwindSafe(|| attempt(&spoilt))).is_ok(), "this panics: {spoilt:?}");
        }
    };
    thread::Builder::new().stack_size(STACK_BYTES).spawn(run).unwrap().join().unwrap();
}

#[test]
fn spoilt_modules() {
    try_all(texts(include_str!("cases/rego.jsonl"), "module"), |module| {
        for dialect in [Dialect::Either, Dialect::V0] {
            if let Ok(rego) = Rego::compile(module, "data.proxy.auth", dialect) {
                let _ = rego.eval(r#"{"request": {"headers": {"A": ["1"]}}, "s": "x", "a": [1]}"#);
            }
        }
        let _ = Extractor::compile(module);
    });
}

#[test]
fn spoilt_expressions() {
    try_all(texts(include_str!("cases/cel.jsonl"), "expr"), |expression| {
        let vars = serde_json::json!({"response": {"statusCode": 200, "body": {"items": [1, {"name": "a"}]}, "headers": {}, "bodyString": "x"}});
        if let Ok(cel) = Cel::compile(expression, &["response"]) {
            let _ = cel.eval(vars.as_object().unwrap());
        }
        let _ = Condition::compile(expression);
    });
}
