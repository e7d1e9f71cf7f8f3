//! `connectors eval`: the tables of cases of the crates that evaluate, what could take it down, and what is printed for people.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic too")]

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Output, Stdio};

use base64::Engine as _;
use serde_json::Value;

const CORE: &str = include_str!("../../template/tests/cases/core.jsonl");
const SPRIG: &str = include_str!("../../template/tests/cases/sprig.jsonl");
const STRUCTS: &str = include_str!("../../template/tests/cases/structs.jsonl");
const REGO: &str = include_str!("../../expr/tests/cases/rego.jsonl");
const CEL: &str = include_str!("../../expr/tests/cases/cel.jsonl");

/// What is known to differ from the originals, and why. Each must differ: one that doesn't any more is to be removed here.
const DIFFERENT: &[(&str, &str)] = &[
    ("rego/builtin/yamlm/x", "there is no YAML"),
    ("rego/builtin/yamlu/x", "there is no YAML"),
    ("rego/builtin/x509/x", "certificates aren't read"),
    ("rego/builtin/jsonschema/x", "there is no JSON schema"),
    ("rego/builtin/jsonmf/x", "numbers don't keep how they were written"),
    ("rego/builtin/floats/x", "fractions are computed with 53 bits"),
];

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_connectors"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("CONNECTORS_") {
            command.env_remove(name);
        }
    }
    command.arg("eval").args(arguments);
    command
}

fn run(arguments: &[&str]) -> Output {
    command(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The answers to lines on standard input.
fn answers(lines: &str) -> Vec<Value> {
    let mut input = tempfile::NamedTempFile::new().unwrap();
    input.write_all(lines.as_bytes()).unwrap();
    let output = command(&["--cases", "-"]).stdin(File::open(input.path()).unwrap()).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Compares the answers to a table with what `is_right` says of each case and its answer.
#[track_caller]
fn check(table: &str, count: usize, is_right: impl Fn(&Value, &Value) -> bool) {
    let cases: Vec<Value> = table.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let answers = answers(table);
    assert_eq!((cases.len(), answers.len()), (count, count));
    let mut wrong = Vec::new();
    for (case, answer) in cases.iter().zip(&answers) {
        assert_eq!(case["id"], answer["id"]);
        let known = DIFFERENT.iter().any(|(id, _)| case["id"] == *id);
        if is_right(case, answer) == known {
            wrong.push(format!("{case}\n    {answer}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {count} are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn templates_are_as_in_go() {
    for (table, count) in [(CORE, 511), (SPRIG, 797), (STRUCTS, 21)] {
        check(table, count, |case, answer| if case["expect"].is_string() { case["expect"] == answer["result"] } else { case["error"] == answer["error"] });
    }
}

/// With the dialect forced, and with the one that is found.
#[test]
fn rego_is_as_in_opa() {
    fn is_same(expected: &Value, answer: &Value) -> bool {
        if expected["error"].is_string() { answer["error"].is_string() } else { *expected == answer["result"] }
    }
    let parses = |expected: &Value| !expected["error"].as_str().is_some_and(|error| error.contains("rego_parse_error"));
    let forced = |dialect: &str| REGO.lines().map(|line| line.replacen('{', &format!("{{\"rego\":\"{dialect}\","), 1) + "\n").collect::<String>();
    let (v0, v1) = (answers(&forced("v0")), answers(&forced("v1")));
    assert_eq!((v0.len(), v1.len()), (256, 256));
    let of = |all: &[Value], id: &Value| all.iter().find(|answer| answer["id"] == *id).unwrap().clone();
    check(REGO, 256, |case, answer| {
        let either = if parses(&case["v1"]) { &case["v1"] } else { &case["v0"] };
        is_same(either, answer) && is_same(&case["v0"], &of(&v0, &case["id"])) && is_same(&case["v1"], &of(&v1, &case["id"]))
    });
}

#[test]
fn cel_is_as_in_cel_go() {
    check(CEL, 223, |case, answer| {
        let (expected, found) = (&case["expect"], &answer["result"]);
        if expected["value"].is_string() {
            expected["type"] == found["type"] && expected["value"] == in_go(&found["value"], found["type"].as_str().unwrap())
        } else {
            answer["error"].is_string()
        }
    });
}

/// A value of this type as the table has it.
fn in_go(value: &Value, kind: &str) -> String {
    match value {
        Value::String(text) if kind == "bytes" => {
            let bytes = base64::engine::general_purpose::STANDARD.decode(text).unwrap();
            format!("[{}]", bytes.iter().map(u8::to_string).collect::<Vec<_>>().join(" "))
        }
        Value::String(text) if kind == "double" => text.replace("Infinity", "+Inf"),
        Value::String(text) => text.clone(),
        Value::Null => "0".to_owned(),
        Value::Array(items) => format!("[{}]", items.iter().map(|item| in_go(item, "")).collect::<Vec<_>>().join(" ")),
        Value::Object(entries) => format!("map[{}]", entries.iter().map(|(key, value)| format!("{key}:{}", in_go(value, ""))).collect::<Vec<_>>().join(" ")),
        other => other.to_string(),
    }
}

#[test]
fn an_answer_comes_before_the_next_case() {
    let mut process = command(&["--cases", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut cases, mut answers) = (process.stdin.take().unwrap(), BufReader::new(process.stdout.take().unwrap()));
    for number in 0..3 {
        writeln!(cases, "{{\"id\":{number},\"expr\":\"{number} + 1\"}}").unwrap();
        let mut line = String::new();
        answers.read_line(&mut line).unwrap();
        assert_eq!(line, format!("{{\"id\":{number},\"result\":{{\"value\":{},\"type\":\"int\"}}}}\n", number + 1));
    }
    drop(cases);
    assert!(process.wait().unwrap().success());
}

/// Each is answered with an error, and so is what comes after it with a result.
#[test]
fn what_is_too_much_is_an_error() {
    let deep = |open: &str, close: &str| format!("{}1{}", open.repeat(100_000), close.repeat(100_000));
    let cases = [
        ("template", format!("{{{{ {} }}}}", deep("(", ")")), "data", "1".to_owned()),
        ("template", "{{ define \"t\" }}{{ template \"t\" }}{{ end }}{{ template \"t\" }}".to_owned(), "data", "1".to_owned()),
        ("template", "{{ . }}".to_owned(), "data", deep("[", "]")),
        ("template", "{{ range until 1000000000 }}{{ end }}".to_owned(), "data", "1".to_owned()),
        ("template", "{{ \"x\" | repeat 999999999 }}".to_owned(), "data", "1".to_owned()),
        ("module", format!("package p\na := {}", deep("[", "]")), "input", "1".to_owned()),
        ("module", "package p\na := count(numbers.range(1, 1000000000))".to_owned(), "input", "1".to_owned()),
        ("module", "package p\nf(x) := f(x)\na := f(1)".to_owned(), "input", "1".to_owned()),
        ("module", "package p\na := input".to_owned(), "input", deep("[", "]")),
        ("expr", deep("(", ")"), "vars", "{}".to_owned()),
        ("expr", vec!["1"; 5_000].join("+"), "vars", "{}".to_owned()),
        ("expr", "l.all(a, l.all(b, l.all(c, a + b + c >= 0.0)))".to_owned(), "vars", format!("{{\"l\":[{}0]}}", "0,".repeat(999))),
        ("expr", "a == 1.0".to_owned(), "vars", format!("{{\"a\":{}}}", deep("[", "]"))),
    ];
    let mut lines = String::new();
    for (index, (key, text, data, value)) in cases.iter().enumerate() {
        let query = if *key == "module" { ",\"query\":\"data.p.a\"" } else { "" };
        lines +=
            &format!("{{\"id\":{index},\"{key}\":{},\"{data}\":{value}{query}}}\n{{\"id\":\"after {index}\",\"expr\":\"true\"}}\n", Value::from(text.as_str()));
    }
    let answers = answers(&lines);
    assert_eq!(answers.len(), 2 * cases.len());
    for (index, pair) in answers.chunks(2).enumerate() {
        assert!(pair[0]["id"] == index && (pair[0]["error"].is_string() || pair[0]["result"]["undefined"] == true), "{:.300}", pair[0].to_string());
        assert_eq!(pair[1]["result"]["value"], true);
    }
}

#[test]
fn one_expression_prints_its_result() {
    let check = |arguments: &[&str], expect: &str| {
        let output = run(arguments);
        assert_eq!((text(&output.stdout).as_str(), text(&output.stderr).as_str()), (expect, ""), "{arguments:?}");
        assert!(output.status.success());
    };
    check(&["template", "--expr", "{{ .a | upper }}", "--data", r#"{"a":"b"}"#], "B\n");
    check(&["template", "--expr", "x\n"], "x\n");
    check(&["template", "--expr", "{{ printf \"%T\" .a }}", "--data", r#"{"a":1}"#, "--numbers", "float64"], "float64\n");
    check(&["template", "--expr", "{{ .Connector.Name }}", "--data", r#"{"Connector":{"metadata":{"name":"git"}}}"#, "--model", "structs"], "git\n");
    check(&["rego", "--expr", "package p\na := input.x", "--data", r#"{"x":[1]}"#], "{\"a\":[1]}\n");
    check(&["rego", "--expr", "package p\na := input.x", "--query", "data.p.a"], "undefined\n");
    check(&["rego", "--expr", "package p\na = 1 { true }", "--query", "data.p.a", "--dialect", "v0"], "1\n");
    check(&["cel", "--expr", "-x", "--data", r#"{"x":1.5}"#], "-1.5\n");
    check(&["cel", "--expr", "[duration('90m')]"], "[\"5400s\"]\n");
}

#[test]
fn files_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    std::fs::write(path("a.tmpl"), "{{ .a }}\n{{ .a.b }}\n").unwrap();
    std::fs::write(path("data.json"), r#"{"a":"x"}"#).unwrap();
    let output = run(&["template", "--file", &path("a.tmpl"), "--data", &format!("@{}", path("data.json"))]);
    let expect = "error: template: a.tmpl:2:5: executing \"a.tmpl\" at <.a.b>: can't evaluate field b in type interface {}\n  {{ .a.b }}\n       ^\n";
    assert_eq!((output.status.code(), text(&output.stdout).as_str(), text(&output.stderr).as_str()), (Some(1), "", expect));
    let missing = run(&["cel", "--file", &path("no.cel")]);
    assert!(!missing.status.success() && text(&missing.stderr).contains("can't read"), "{}", text(&missing.stderr));
    std::fs::write(path("cases.jsonl"), "{\"id\":1,\"expr\":\"1\"}").unwrap();
    assert_eq!(text(&run(&["--cases", &path("cases.jsonl")]).stdout), "{\"id\":1,\"result\":{\"value\":1,\"type\":\"int\"}}\n");
}

#[test]
fn an_error_is_shown_under_its_place() {
    let check = |arguments: &[&str], expect: &str| {
        let output = run(arguments);
        let found = text(&output.stderr);
        assert!(found.starts_with("error: "), "{arguments:?}: {found}");
        assert_eq!(found.split_once('\n').map(|(_, picture)| picture), Some(expect), "{arguments:?}: {found}");
        assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0));
    };
    check(&["template", "--expr", "a {{ .x | nope }}"], "  a {{ .x | nope }}\n            ^^^^\n");
    check(&["rego", "--expr", "package p\na := http.send({})"], "  a := http.send({})\n       ^\n");
    check(&["cel", "--expr", "1 + nope"], "  1 + nope\n      ^\n");
    check(&["cel", "--expr", "x.y", "--data", r#"{"x":{}}"#], "  x.y\n    ^\n");
    check(&["cel", "--expr", "a + 1", "--data", r#"{"a":1}"#], "  a + 1\n  ^^^^^\n");
    check(&["rego", "--expr", "package p\na := count(numbers.range(1, 1000000000))", "--query", "data.p.a"], "  package p\n   ^\n");
    check(&["template", "--expr", "x", "--data", "{"], "");
}
