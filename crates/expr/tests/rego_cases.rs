//! The table of cases: what OPA answers, in both dialects, and what `Rego` does.

use connectors_expr::{CompileError, Dialect, Rego};
use serde::Deserialize;
use serde_json::value::RawValue;

/// What is known to differ from OPA, by case and dialect, and why. Each must differ: one that doesn't any more is to be removed here.
const DIFFERENT: &[(&str, &str)] = &[
    ("rego/builtin/yamlm/x", "there is no YAML"),
    ("rego/builtin/yamlu/x", "there is no YAML"),
    ("rego/builtin/x509/x", "certificates aren't read"),
    ("rego/builtin/jsonschema/x", "there is no JSON schema"),
    ("rego/builtin/jsonmf/x", "numbers don't keep how they were written: 1.0 becomes 1, 1e21 becomes 1e+21"),
    ("rego/builtin/floats/x", "fractions are computed with 53 bits, and not with 64 that are rounded in the end"),
];

#[derive(Deserialize)]
struct Case<'a> {
    id: String,
    module: String,
    query: String,
    #[serde(borrow)]
    input: &'a RawValue,
    #[serde(borrow)]
    v0: Expected<'a>,
    #[serde(borrow)]
    v1: Expected<'a>,
}

#[derive(Deserialize)]
struct Expected<'a> {
    #[serde(borrow)]
    result: Option<&'a RawValue>,
    error: Option<String>,
}

impl Expected<'_> {
    fn text(&self) -> String {
        match (self.result, &self.error) {
            (Some(result), _) => result.get().to_owned(),
            (None, Some(_)) => "error".to_owned(),
            (None, None) => "undefined".to_owned(),
        }
    }

    fn parses(&self) -> bool {
        !self.error.as_ref().is_some_and(|error| error.contains("rego_parse_error"))
    }
}

/// The same text, or the same value: OPA writes fractions with more digits than 53 bits have.
fn is_same(one: &str, other: &str) -> bool {
    let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).ok();
    one == other || (value(one).is_some() && value(one) == value(other))
}

fn found(case: &Case<'_>, dialect: Dialect) -> (String, String) {
    let compiled = match Rego::compile(&case.module, &case.query, dialect) {
        Ok(compiled) => compiled,
        Err(error) => return ("error".to_owned(), error.to_string()),
    };
    match compiled.eval(case.input.get()) {
        Ok(Some(text)) => (text, String::new()),
        Ok(None) => ("undefined".to_owned(), String::new()),
        Err(error) => ("error".to_owned(), error.to_string()),
    }
}

#[test]
fn answers_are_opas() {
    let mut wrong = Vec::new();
    let mut differing: Vec<&str> = Vec::new();
    let mut count = 0;
    for line in include_str!("cases/rego.jsonl").lines() {
        let case: Case<'_> = serde_json::from_str(line).unwrap();
        let either = if case.v1.parses() { &case.v1 } else { &case.v0 };
        count += 1;
        let mut is_different = false;
        for (dialect, expected) in [(Dialect::V0, &case.v0), (Dialect::V1, &case.v1), (Dialect::Either, either)] {
            let (text, why) = found(&case, dialect);
            if !is_same(&text, &expected.text()) {
                is_different = true;
                if !DIFFERENT.iter().any(|(id, _)| *id == case.id) {
                    wrong.push(format!("{} {dialect:?}: {text} {why}\n    expected {} {:?}\n    {}", case.id, expected.text(), expected.error, case.module));
                }
            }
        }
        if let Some((id, _)) = DIFFERENT.iter().find(|(id, _)| *id == case.id && is_different) {
            differing.push(id);
        }
    }
    assert_eq!(count, 256);
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
    for (id, reason) in DIFFERENT {
        assert!(differing.contains(id), "{id} is as in OPA now: remove it from the list ({reason})");
    }
}

#[test]
fn a_module_that_parses_is_not_tried_again() {
    let unsafe_variable = "package proxy\nauth := {\"token\": t} if { input.x }\n";
    let error = Rego::compile(unsafe_variable, "data.proxy.auth", Dialect::Either).unwrap_err();
    assert!(matches!(error, CompileError::Invalid { .. }), "{error}");
}
