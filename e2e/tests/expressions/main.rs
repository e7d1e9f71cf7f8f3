//! Expressions, against what they are made after: random ones, which `connectors eval` and programs in Go must answer alike.
//!
//! A run has a fixed seed and one of its own, which is printed. `$CONNECTORS_EXPRESSIONS_SEED` repeats a run, and `$CONNECTORS_EXPRESSIONS` says how
//! many there are of each language, in place of a time. `cargo xtask expressions` sets both.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "these are tests, and say what they measured")]

mod cel;
mod compare;
mod grammar;
mod hazards;
mod random;
mod rego;
mod templates;
mod values;

use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use connectors_e2e::{binary, go_rules, go_templates};
use serde_json::Value as Json;

use compare::Answerer;

/// The seed of the run that is always the same.
const FIXED: u64 = 1;

/// How long a run lasts, if nothing is said of how many cases it has. There are two runs of each language, and the languages wait for each other.
const TIME: Duration = Duration::from_secs(4);

/// How answers are compared.
struct Comparison {
    case: fn(u64, u64) -> Json,
    known: &'static [Known],
    /// Whether errors must have the same text.
    of_errors: bool,
    /// Whether nothing is known to be left to find, so that every test may look for it. Otherwise only `cargo xtask expressions` does, which a difference may fail
    /// on any day, and a test repeats the fixed seed, as far as [`REPEATED`].
    found_all: bool,
}

/// Cases of the fixed seed, where nothing new is looked for.
const REPEATED: u64 = 2_000;

/// Answers that differ, and are meant to.
struct Known {
    ours: &'static str,
    theirs: &'static str,
}

const TEMPLATES: Comparison = Comparison { case: templates::case, known: KNOWN, of_errors: true, found_all: true };
const REGO: Comparison = Comparison { case: rego::case, known: REGO_KNOWN, of_errors: false, found_all: false };
const CEL: Comparison = Comparison { case: cel::case, known: CEL_KNOWN, of_errors: false, found_all: false };

const KNOWN: &[Known] = &[
    // Slices of the data have room for more in Go than they have items, and can be made longer than they are.
    Known { ours: "reflect.Value.Slice: slice index out of bounds", theirs: "" },
    // Limits that Go doesn't have, or has elsewhere.
    Known { ours: ": more than 1000000 steps", theirs: "" },
    Known { ours: "exceeded maximum template depth (10000)", theirs: "exceeded maximum template depth (100000)" },
    // A time as a struct, printed with a verb that isn't for it: its zone is an address, or what is there.
    Known { ours: " 0}", theirs: "{0 6" },
    Known { ours: "*time.Location=<nil>", theirs: "*time.Location=&{" },
];

const REGO_KNOWN: &[Known] = &[
    // OPA checks all types when compiling.
    Known { ours: "", theirs: "rego_type_error" },
    // A variable of a loop within what that loop goes over, under the same name: refused.
    Known { ours: "used before definition below", theirs: "" },
    // A loop over what is no collection is an error, and not undefined.
    Known { ours: "can't be evaluated", theirs: "" },
];

const CEL_KNOWN: &[Known] = &[
    // cel-go checks all types when compiling, and for the arguments of format.
    Known { ours: "", theirs: "found no matching overload" },
    Known { ours: "", theirs: "string clause can only be used on" },
    // A limit that cel-go doesn't have.
    Known { ours: "nested too deeply", theirs: "" },
];

/// Questions that are asked before the first of them is answered.
const BATCH: u64 = 200;

/// Differences that are shown.
const SHOWN: usize = 40;

/// One language after the other: each comparison keeps two processors busy.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

#[test]
fn random_templates_render_as_in_go() {
    compare(&TEMPLATES, &go_templates());
}

#[test]
fn random_modules_of_rego_are_evaluated_as_by_opa() {
    compare(&REGO, &go_rules());
}

#[test]
fn random_expressions_of_cel_are_evaluated_as_by_cel_go() {
    compare(&CEL, &go_rules());
}

fn compare(comparison: &Comparison, original: &Path) {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let mut ours = Answerer::start(&binary(), &["eval", "--cases", "-"]);
    let mut theirs = Answerer::start(original, &[]);
    for seed in seeds(comparison) {
        compare_run(seed, comparison, &mut ours, &mut theirs);
    }
}

/// The seeds to run with.
fn seeds(comparison: &Comparison) -> Vec<u64> {
    match number("CONNECTORS_EXPRESSIONS_SEED") {
        Some(seed) => vec![seed],
        None if !comparison.found_all && number("CONNECTORS_EXPRESSIONS").is_none() => vec![FIXED],
        None => vec![FIXED, SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64 & 0xffff_ffff],
    }
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} must be a number, not {text:?}")))
}

/// Asks both sides, and fails where their answers differ.
fn compare_run(seed: u64, comparison: &Comparison, ours: &mut Answerer, theirs: &mut Answerer) {
    let count = number("CONNECTORS_EXPRESSIONS").or((!comparison.found_all).then_some(REPEATED));
    let (began, mut asked, mut failed, mut different) = (Instant::now(), 0, 0_u64, Vec::new());
    println!("seed {seed}");
    while count.map_or_else(|| began.elapsed() < TIME, |count| asked < count) && different.len() < SHOWN {
        let cases: Vec<Json> = (asked..asked + BATCH).map(|index| (comparison.case)(seed, index)).collect();
        for case in &cases {
            ours.ask(case);
            theirs.ask(case);
        }
        for case in &cases {
            let (ours, theirs) = (ours.answer(), theirs.answer());
            let (Some(ours), Some(theirs)) = (&ours, &theirs) else { panic!("{} ended at {case}", if ours.is_none() { "connectors" } else { "Go" }) };
            assert_eq!((&ours["id"], &theirs["id"]), (&case["id"], &case["id"]));
            failed += u64::from(theirs["error"].is_string());
            if !comparison.same(ours, theirs) {
                different.push(format!("{case}\n  ours:  {}\n  Go's:  {}", shown(ours), shown(theirs)));
            }
        }
        asked += BATCH;
    }
    println!("{asked} cases, of which {failed} fail, in {:.1} s", began.elapsed().as_secs_f64());
    assert!(asked > 0 && failed > 0 && failed < asked);
    assert!(different.is_empty(), "seed {seed}: {} of {asked} differ:\n{}", different.len(), different.join("\n"));
}

impl Comparison {
    /// Whether two answers say the same.
    fn same(&self, ours: &Json, theirs: &Json) -> bool {
        if ours["error"].is_string() && theirs["error"].is_string() {
            if !self.of_errors || ours["error"] == theirs["error"] {
                return true;
            }
        } else if ours["error"] == theirs["error"] && equal(&ours["result"], &theirs["result"]) {
            return true;
        }
        let (ours, theirs) = (shown(ours), shown(theirs));
        self.known.iter().any(|known| ours.contains(known.ours) && theirs.contains(known.theirs)) || without_addresses(&ours) == without_addresses(&theirs)
    }
}

/// Whether two results are the same, however their numbers are written.
fn equal(ours: &Json, theirs: &Json) -> bool {
    match (ours, theirs) {
        (Json::Number(ours), Json::Number(theirs)) => ours == theirs || ours.as_f64() == theirs.as_f64(),
        (Json::Array(ours), Json::Array(theirs)) => ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(ours, theirs)| equal(ours, theirs)),
        (Json::Object(ours), Json::Object(theirs)) => {
            ours.len() == theirs.len() && ours.iter().all(|(key, value)| theirs.get(key).is_some_and(|other| equal(value, other)))
        }
        _ => ours == theirs,
    }
}

fn shown(answer: &Json) -> String {
    match answer["error"].as_str() {
        Some(error) => format!("error: {error}"),
        None => answer["result"].to_string(),
    }
}

/// Where pointers point is another place each time.
fn without_addresses(text: &str) -> String {
    let mut parts = text.split("0x");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.trim_start_matches(|digit: char| digit.is_ascii_hexdigit());
        let is_address = part.len() - rest.len() >= 9;
        out.push_str(if is_address { "ADDRESS" } else { "0x" });
        out.push_str(if is_address { rest } else { part });
    }
    out
}
