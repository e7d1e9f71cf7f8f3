//! The table of cases: what cel-go answers, and what `Cel` does.

use connectors_expr::Cel;
use serde::Deserialize;

/// What is known to differ from cel-go, and why. Each must differ: one that doesn't any more is to be removed here.
const DIFFERENT: &[(&str, &str)] = &[];

#[derive(Deserialize)]
struct Case {
    id: String,
    expr: String,
    vars: serde_json::Map<String, serde_json::Value>,
    expect: Expected,
}

#[derive(Deserialize)]
struct Expected {
    #[serde(rename = "type")]
    kind: Option<String>,
    value: Option<String>,
    error: Option<String>,
    compile_error: Option<String>,
}

fn found(case: &Case) -> String {
    // The original's variables, whether a case has them or not.
    let variables = ["response", "statusCode", "bodyString", "bodyJSON", "headers", "obj"];
    match Cel::compile(&case.expr, &variables) {
        Err(error) => format!("compile error: {error}"),
        Ok(cel) => match cel.eval(&case.vars) {
            Ok(value) => format!("{} {}", value.kind, value.text),
            Err(error) => format!("error: {error}"),
        },
    }
}

#[test]
fn answers_are_cel_gos() {
    let mut wrong = Vec::new();
    let mut differing = Vec::new();
    let mut count = 0;
    for line in include_str!("cases/cel.jsonl").lines() {
        let case: Case = serde_json::from_str(line).unwrap();
        count += 1;
        let text = found(&case);
        let expect = &case.expect;
        let is_same = match (&expect.kind, &expect.value, &expect.error, &expect.compile_error) {
            (Some(kind), Some(value), ..) => text == format!("{kind} {value}"),
            (_, _, Some(_), _) => text.starts_with("error: "),
            (_, _, _, Some(_)) => text.starts_with("compile error: "),
            _ => false,
        };
        if !is_same {
            match DIFFERENT.iter().find(|(id, _)| *id == case.id) {
                Some((id, _)) => differing.push(*id),
                None => wrong.push(format!(
                    "{} {}: {text}\n    expected {:?} {:?} {:?} {:?}",
                    case.id, case.expr, expect.kind, expect.value, expect.error, expect.compile_error
                )),
            }
        }
    }
    assert_eq!(count, 223);
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
    for (id, reason) in DIFFERENT {
        assert!(differing.contains(id), "{id} is as in cel-go now: remove it from the list ({reason})");
    }
}
