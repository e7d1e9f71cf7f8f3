//! `connectors eval --cases`: JSON lines in, JSON lines out.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use connectors_expr::{Dialect, Numbers};
use connectors_template::{MissingKey, Options};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::answer::{self, Failure, Model, Modules};

/// The name of a case's template, in errors.
const TEMPLATE_NAME: &str = "t";

/// Answers every line of a file, or of standard input for `-`, before the next is read.
pub(super) fn run(path: &Path) -> anyhow::Result<ExitCode> {
    let out = io::stdout().lock();
    if path == Path::new("-") {
        answer_all(io::stdin().lock(), out)?;
    } else {
        let file = File::open(path).with_context(|| format!("can't open {}", path.display()))?;
        answer_all(BufReader::new(file), out)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn answer_all(mut cases: impl BufRead, mut out: impl Write) -> io::Result<()> {
    let mut modules = Modules::default();
    let mut line = Vec::new();
    for number in 1_u64.. {
        line.clear();
        if cases.read_until(b'\n', &mut line)? == 0 {
            break;
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        let mut text = answer(&line, number, &mut modules);
        text.push('\n');
        // In one piece, and at once: whoever asks may wait for the answer.
        out.write_all(text.as_bytes())?;
        out.flush()?;
    }
    Ok(())
}

/// The answer to one line, without its end.
fn answer(line: &[u8], number: u64, modules: &mut Modules) -> String {
    let parsed = std::str::from_utf8(line).map_err(|error| error.to_string()).and_then(|line| Case::parse(line).map_err(|error| error.to_string()));
    let case = match parsed {
        Ok(case) => case,
        Err(error) => return format!(r#"{{"id":null,"error":{}}}"#, quoted(&format!("line {number}: must be a JSON object: {error}"))),
    };
    let Some(id) = case.raw("id") else {
        return format!(r#"{{"id":null,"error":{}}}"#, quoted(&format!("line {number}: a case needs an `id`")));
    };
    match case.answer(modules) {
        Ok(result) => format!(r#"{{"id":{id},"result":{result}}}"#),
        Err(failure) => format!(r#"{{"id":{id},"error":{}}}"#, quoted(&failure.text)),
    }
}

/// A JSON string.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The members of a case, each as it is written, so that what is wrong with one has the case's id, and data can be nested deeper than JSON is usually read.
struct Case<'a>(BTreeMap<String, &'a RawValue>);

impl<'a> Case<'a> {
    fn parse(line: &'a str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(line).map(Self)
    }

    /// What a member is, as JSON; none if it isn't there or null.
    fn raw(&self, key: &str) -> Option<&'a str> {
        self.0.get(key).map(|raw| raw.get()).filter(|text| *text != "null")
    }

    /// A member that is a text.
    fn text(&self, key: &str) -> Result<Option<String>, Failure> {
        self.raw(key).map(|raw| String::deserialize(&mut serde_json::Deserializer::from_str(raw))).transpose().map_err(|error| wrong(key, "a string", &error))
    }

    fn required(&self, language: &str, key: &str) -> Result<String, Failure> {
        self.text(key)?.ok_or_else(|| Failure::of_data(&format_args!("a case of {language} needs `{key}`")))
    }

    /// One of some words; the first if it says nothing.
    fn word<T: Copy>(&self, key: &str, words: &[(&str, T)], default: T) -> Result<T, Failure> {
        let Some(text) = self.text(key)? else { return Ok(default) };
        let known = || words.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(", ");
        words
            .iter()
            .find(|(word, _)| *word == text)
            .map(|(_, value)| *value)
            .ok_or_else(|| Failure::of_data(&format_args!("`{key}` must be one of: {}", known())))
    }

    /// The result, as JSON text.
    fn answer(&self, modules: &mut Modules) -> Result<String, Failure> {
        match self.text("lang")?.as_deref() {
            Some("template") => self.template(),
            Some("rego") => self.rego(modules),
            Some("cel") => self.cel(),
            Some(_) => Err(Failure::of_data(&"`lang` must be one of: template, rego, cel")),
            None if self.raw("template").is_some() => self.template(),
            None if self.raw("module").is_some() => self.rego(modules),
            None if self.raw("expr").is_some() => self.cel(),
            None => Err(Failure::of_data(&"a case needs `template`, `module` or `expr`")),
        }
    }

    fn template(&self) -> Result<String, Failure> {
        let text = self.required("template", "template")?;
        let missing_key = self.word(
            "missingkey",
            &[("default", MissingKey::Default), ("invalid", MissingKey::Default), ("zero", MissingKey::Zero), ("error", MissingKey::Error)],
            MissingKey::Default,
        )?;
        let numbers = self.word("numbers", &[("int64", Numbers::Integers), ("float64", Numbers::Floats)], Numbers::Integers)?;
        let model = self.word("model", &[("json", Model::Json), ("structs", Model::Structs)], Model::Json)?;
        let options = Options { missing_key, ..Options::default() };
        let output = answer::template(TEMPLATE_NAME, &text, options, self.raw("data"), numbers, model)?;
        Ok(quoted(&lossy(&output)))
    }

    fn rego(&self, modules: &mut Modules) -> Result<String, Failure> {
        let module = self.required("rego", "module")?;
        let query = self.text("query")?;
        let dialect = self.word("rego", &[("v0", Dialect::V0), ("v1", Dialect::V1)], Dialect::Either)?;
        // Null is an input too.
        let input = self.0.get("input").map(|raw| raw.get());
        Ok(match modules.rego(&module, query.as_deref(), dialect, input)? {
            Some(result) => format!(r#"{{"result":{result}}}"#),
            None => r#"{"undefined":true}"#.to_owned(),
        })
    }

    fn cel(&self) -> Result<String, Failure> {
        let source = self.required("cel", "expr")?;
        let (value, kind) = answer::cel(&source, self.0.get("vars").copied().filter(|raw| raw.get() != "null"))?;
        Ok(format!(r#"{{"value":{value},"type":{}}}"#, quoted(&kind)))
    }
}

fn wrong(key: &str, expected: &str, error: &serde_json::Error) -> Failure {
    Failure::of_data(&format_args!("`{key}` must be {expected}: {error}"))
}

/// As Go's JSON writes what isn't UTF-8: a replacement for each byte.
fn lossy(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        out.push_str(chunk.valid());
        out.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, expect: &str) {
        let mut out = Vec::new();
        answer_all(line.as_bytes(), &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap().trim_end(), expect, "{line}");
    }

    #[test]
    fn the_language_is_told_from_the_keys() {
        check(r#"{"id":"a","template":"{{ .x }}","data":{"x":1}}"#, r#"{"id":"a","result":"1"}"#);
        check(r#"{"id":"a","module":"package p\na := input.x","query":"data.p.a","input":{"x":1}}"#, r#"{"id":"a","result":{"result":1}}"#);
        check(r#"{"id":"a","expr":"x + 1.0","vars":{"x":1}}"#, r#"{"id":"a","result":{"value":2,"type":"double"}}"#);
        check(r#"{"id":7,"lang":"cel","expr":"1","template":"x","more":[{}]}"#, r#"{"id":7,"result":{"value":1,"type":"int"}}"#);
        check(r#"{"id":"a","lang":"rego","expr":"1"}"#, r#"{"id":"a","error":"a case of rego needs `module`"}"#);
        check(r#"{"id":"a","lang":"lua"}"#, r#"{"id":"a","error":"`lang` must be one of: template, rego, cel"}"#);
        check(r#"{"id":"a"}"#, r#"{"id":"a","error":"a case needs `template`, `module` or `expr`"}"#);
    }

    #[test]
    fn options_of_cases() {
        check(
            r#"{"id":"a","template":"{{ .x }}","data":{},"missingkey":"error"}"#,
            r#"{"id":"a","error":"template: t:1:3: executing \"t\" at <.x>: map has no entry for key \"x\""}"#,
        );
        check(r#"{"id":"a","template":"{{ printf \"%T\" .x }}","data":{"x":1}}"#, r#"{"id":"a","result":"int64"}"#);
        check(r#"{"id":"a","template":"{{ printf \"%T\" .x }}","data":{"x":1},"numbers":"float64"}"#, r#"{"id":"a","result":"float64"}"#);
        check(r#"{"id":"a","template":"","numbers":"int"}"#, r#"{"id":"a","error":"`numbers` must be one of: int64, float64"}"#);
        check(r#"{"id":"a","template":"{{ \"ü\" }}{{ \"/w==\" | b64dec }}"}"#, "{\"id\":\"a\",\"result\":\"ü\u{fffd}\"}");
        check(r#"{"id":"a","module":"package p\na = 1 { true }","query":"data.p.a","rego":"v0"}"#, r#"{"id":"a","result":{"result":1}}"#);
        check(r#"{"id":"a","module":"package p\na = 1 { false }","query":"data.p.a"}"#, r#"{"id":"a","result":{"undefined":true}}"#);
        check(r#"{"id":"a","module":"package p\na := input","query":"data.p.a","input":null}"#, r#"{"id":"a","result":{"result":null}}"#);
    }

    #[test]
    fn what_is_wrong_with_a_line_does_not_end_the_next() {
        let lines = [
            "{",
            "[1]",
            "\u{1}",
            r#"{"template":"x"}"#,
            "",
            r#"{"id":"type","template":1}"#,
            r#"{"id":"vars","expr":"1","vars":[]}"#,
            r#"{"id":"last","expr":"true"}"#,
        ];
        let mut out = Vec::new();
        let mut input = lines.join("\n").into_bytes();
        input.extend(b"\n\xff\n");
        answer_all(input.as_slice(), &mut out).unwrap();
        let answers: Vec<serde_json::Value> = String::from_utf8(out).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let error = |index: usize| answers[index]["error"].as_str().unwrap();
        for (index, says) in [(0, "line 1: "), (1, "line 2: "), (2, "line 3: "), (3, "line 4: a case needs an `id`"), (7, "line 9: ")] {
            assert!(answers[index]["id"].is_null() && error(index).starts_with(says), "{}", answers[index]);
        }
        assert!(error(4).starts_with("`template` must be a string: "), "{}", error(4));
        assert!(error(5).starts_with("the variables must be a JSON object: "), "{}", error(5));
        assert_eq!(answers[6]["result"]["value"], true);
        assert_eq!(answers.len(), 8);
    }
}
