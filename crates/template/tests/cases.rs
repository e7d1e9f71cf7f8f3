//! What Go prints, and the errors it gives: tables of templates with data and results.
//!
//! The integers of the data are `int64`, unless the case says that they are `float64`.

#![allow(clippy::expect_used, reason = "a test fails where this fails")]

mod data;

use connectors_template::{MissingKey, Options, Template};
use serde_json::Value as Json;

/// Cases that don't give what Go gives, and why. One that does is to be taken out.
const DIFFERENT: &[(&str, &str)] = &[];

#[test]
fn text_template() {
    check(include_str!("cases/core.jsonl"), 511);
}

#[test]
fn structs() {
    check(include_str!("cases/structs.jsonl"), 21);
}

#[test]
fn sprig() {
    check(include_str!("cases/sprig.jsonl"), 797);
}

#[test]
fn every_function_is_there() {
    for name in include_str!("cases/sprig-funcs.txt").split_whitespace() {
        let parsed = Template::parse("t", &format!("{{{{ {name} }}}}"), Options::default());
        let left_out = matches!(name, "env" | "expandenv" | "getHostByName");
        assert_eq!(parsed.is_err(), left_out, "{name}");
    }
}

/// Neither where they would be called nor where they never would.
#[test]
fn p16_templates_see_nothing_of_the_machine() {
    for (name, argument) in [("env", "HOME"), ("expandenv", "$HOME"), ("getHostByName", "localhost")] {
        for text in [
            format!("{{{{ {name} {argument:?} }}}}"),
            format!("{{{{ {argument:?} | {name} }}}}"),
            format!("{{{{ printf \"%s\" ({name} {argument:?}) }}}}"),
            format!("{{{{ call {name} {argument:?} }}}}"),
            format!("{{{{ if false }}}}{{{{ {name} {argument:?} }}}}{{{{ end }}}}"),
            format!("{{{{ define \"never\" }}}}{{{{ {name} {argument:?} }}}}{{{{ end }}}}"),
            format!("{{{{ with $x := {name} {argument:?} }}}}{{{{ $x }}}}{{{{ end }}}}"),
        ] {
            let error = Template::parse("t", &text, Options::default()).err().map(|error| error.to_string());
            assert_eq!(error.as_deref(), Some(format!("template: t:1: function \"{name}\" not defined").as_str()), "{text}");
        }
    }
}

fn check(table: &str, count: usize) {
    let mut wrong = Vec::new();
    let mut seen = 0;
    for line in table.lines() {
        let case: Json = serde_json::from_str(line).expect("a case");
        seen += 1;
        let id = case["id"].as_str().expect("an id");
        let expect = case["expect"].as_str().map(str::to_owned).or_else(|| case["error"].as_str().map(|error| format!("ERROR {error}"))).expect("a result");
        let found = run(&case);
        let different = DIFFERENT.iter().any(|(name, _)| *name == id);
        if (found == expect) == different {
            wrong.push(format!("{id} {}\n   expected {expect:?}\n   found    {found:?}", case["template"]));
        }
    }
    assert_eq!(seen, count);
    assert!(wrong.is_empty(), "{} of {count} are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

fn run(case: &Json) -> String {
    let missing_key = match case["missingkey"].as_str() {
        Some("zero") => MissingKey::Zero,
        Some("error") => MissingKey::Error,
        _ => MissingKey::Default,
    };
    let options = Options { missing_key, ..Options::default() };
    let data = match case["model"].as_str() {
        Some(_) => data::structs(&case["data"]),
        None => data::from_json(&case["data"], case["numbers"] == "float64"),
    };
    let rendered = Template::parse("t", case["template"].as_str().expect("a template"), options).and_then(|template| template.render(&data));
    match rendered {
        Ok(bytes) => go_lossy(&bytes),
        Err(error) => format!("ERROR {error}"),
    }
}

/// As Go's JSON writes what isn't UTF-8: a replacement for each byte.
fn go_lossy(bytes: &[u8]) -> String {
    let mut out = String::new();
    for chunk in bytes.utf8_chunks() {
        out.push_str(chunk.valid());
        out.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
    out
}
