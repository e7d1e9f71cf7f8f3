//! Conditions of probes, and what is refused of them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests may panic too")]

use connectors_expr::{Cel, Condition, Response};
use std::thread;

const CANARY: &str = "s3cr3t-canary";
const STACK_BYTES: usize = 2 << 20;
const MAX_CPU_MS: u128 = 100;

fn answer(condition: &str, response: Response<'_>) -> String {
    match Condition::compile(condition) {
        Ok(condition) => match condition.holds(response) {
            Ok(holds) => holds.to_string(),
            Err(error) => format!("error: {error}"),
        },
        Err(error) => format!("compile: {error}"),
    }
}

#[test]
fn conditions() {
    let headers = vec![("content-TYPE", "application/json"), ("X-Multi", "a"), ("x-multi", "b")];
    let response = Response { status_code: 200, headers: &headers, body: br#"{"status":"UP","n":5,"items":[{"v":1}],"statusCode":7,"x":null}"# };
    let check = |condition: &str, expect: &str| assert_eq!(answer(condition, response), expect, "{condition}");
    check("response.statusCode == 200", "true");
    check("response.statusCode in [200, 204]", "true");
    check("response.body.status == 'UP' && response.body.n == 5.0", "true");
    check("response.body.n + 1 == 6", "error: no such overload");
    check("response.body.statusCode == 7.0 && type(response.body.statusCode) == double", "true");
    check("response.headers['Content-Type'][0] == 'application/json'", "true");
    check("response.headers['content-type'][0].startsWith('application/')", "true");
    check("'x-multi' in response.headers && 'X-Multi' in response.headers && !('y' in response.headers)", "true");
    check("response.headers['X-Multi'] == ['a', 'b']", "true");
    check("size(response.headers) == 2 && response.headers.size() == 2", "true");
    check("response.headers.exists(name, name == 'X-Multi') && has(response.headers.etag) == false", "true");
    check("response.headers['Nope'][0] == ''", "error: no such key: Nope");
    check("response.headers.?Nope.orValue([]).size() == 0", "true");
    check("response.bodyString.contains('UP') && response.bodyString.matches('\"n\":\\\\d')", "true");
    check("response.body.missing", "error: no such key: missing");
    check("response.body.items.all(i, i.v > 0)", "true");
    check("response.body.items[3].v == 1", "error: index out of bounds: 3");
    check("response.body.status", "error: the condition must yield a bool");
    check("response.statusCode / 0 == 1", "error: division by zero");
    check("has(response.body.x.y)", "false");
    check("'yes'", "compile: the condition is a string, and must be a bool");
    check("1 + 1", "compile: the condition is a int, and must be a bool");
    check("respons.statusCode == 200", "compile: 1:1: undeclared reference to 'respons'");
    check("true &&\n  nosuch(1)", "compile: 2:9: undeclared reference to 'nosuch'");
    check("math.nosuch(1) == 1", "compile: 1:12: undeclared reference to 'math.nosuch'");
    check("response.statusCode = 200", "compile: 1:21: Syntax error: token recognition error at: '= '");
    check("1 == 1u", "compile: 1:3: found no matching overload for '_==_' applied to '(int, uint)'");
    check("response.body.items.map(i, i.v).filter(v, v > 0.0).exists_one(v, v == 1.0)", "true");
    check("math.greatest(response.statusCode, 3) == 200 && [3, 1].sort() == [1, 3]", "true");
}

#[test]
fn a_body_that_is_no_json_is_null() {
    let headers: Vec<(&str, &str)> = vec![];
    let check = |body: &[u8], condition: &str| {
        let found = answer(condition, Response { status_code: 502, headers: &headers, body });
        assert_eq!(found, "true", "{condition}");
    };
    check(b"<html>", "response.body == null && response.bodyString == '<html>'");
    check(b"", "response.body == null && response.bodyString == ''");
    check(b"null", "response.body == null");
    check(b"[1]", "response.body == [1.0]");
    check(b"\xff", "response.body == null && size(response.bodyString) == 1");
}

#[test]
fn nothing_of_a_response_is_told() {
    let headers = vec![("X-Token", CANARY)];
    let body = format!("{{\"a\":\"{CANARY}\",\"{CANARY}\":[1],\"n\":1}}");
    let response = Response { status_code: 200, headers: &headers, body: body.as_bytes() };
    let conditions = [
        "response.body.a + 1 == ''",
        "response.body[response.body.a + 'x']",
        "response.body.n[response.body.a]",
        "int(response.body.a) == 1",
        "timestamp(response.body.a) > timestamp(response.bodyString)",
        "response.headers[response.body.a][0] == ''",
        "response.body.a",
        "response.body.a < response.body",
        "'x'.matches(response.body.a + '[')",
        "response.body.a.charAt(100) == ''",
        "{response.body.a: 1, response.body.a: 2}.size() == 1",
        "response.body.a.nosuch == 1",
        "response in response.body.a",
        "base64.decode(response.body.a) == b''",
        "duration(response.body.a) == duration('1s')",
    ];
    for condition in conditions {
        let compiled = Condition::compile(condition).unwrap_or_else(|error| panic!("{condition}: {error}"));
        let error = compiled.holds(response).map(|found| panic!("{condition}: {found}")).unwrap_err();
        let told = format!("{error} {error:?}");
        assert!(!told.contains(CANARY), "{condition}: {told}");
    }
}

#[test]
fn hazards_end_in_errors() {
    let list = |count: usize| format!("[{}]", vec!["1"; count].join(","));
    let text = "response.bodyString";
    let hazards: Vec<(String, &str)> = vec![
        (format!("true{}", " || true".repeat(400)), "2 KiB"),
        (format!("1{} == 1", "+1".repeat(900)), "nested too deeply"),
        (format!("{}true", "!".repeat(1900)), "nested too deeply"),
        (format!("{}1 == 1", "-".repeat(1900)), "nested too deeply"),
        (format!("response{} == 1", ".a".repeat(900)), "nested too deeply"),
        (format!("response{} == 1", "[0]".repeat(600)), "nested too deeply"),
        (format!("{}1{} == 1", "[".repeat(900), "]".repeat(900)), "nested too deeply"),
        (format!("{}true{}", "(".repeat(900), ")".repeat(900)), "nested too deeply"),
        (format!("true{}", " ? true : true".repeat(130)), "nested too deeply"),
        (format!("{list}.all(a, {list}.all(b, {list}.all(c, true)))", list = list(50)), "nested too deeply"),
        ("response.body.l.all(a, response.body.l.all(b, a + b >= 0.0))".to_owned(), "takes longer"),
        ("response.body.l.map(a, response.body.l.map(b, a + b)).size() > 0".to_owned(), "takes longer"),
        ("response.body.l.filter(a, response.body.l.exists(b, a + b < 0.0)).size() > 0".to_owned(), "takes longer"),
        ("true || response.body.l.all(a, response.body.l.all(b, a + b >= 0.0))".to_owned(), ""),
        ("response.body.l.all(a, response.body.l.all(b, a + b >= 0.0)) || true".to_owned(), "takes longer"),
        (format!("({}{text}).size() > 0", format!("{text} + ").repeat(90)), "takes longer"),
        (format!("{text}.replace('1', {text}).size() > 0"), "makes too much"),
        (format!("{text}.split('').join({text}).size() > 0"), "makes too much"),
        ("response.body.l.distinct().size() > 0".to_owned(), "makes too much"),
        ("lists.range(1000000).size() > 0".to_owned(), "makes too much"),
        (format!("{text}.matches('(1|2|3){{200}}(a|b)*$')"), "makes too much"),
        (format!("{text}.matches('((1*)*)*!')"), ""),
        (format!("'%s'.format([{text}]).size() > 0 && '%999999999d'.format([1]).size() > 0"), ""),
        ("'%.999999999f'.format([1.0]).size() > 0".to_owned(), ""),
    ];
    let body = format!("{{\"l\":[{}1]}}", "1,".repeat(40_000));
    for (condition, expect) in hazards {
        let name: String = condition.chars().take(60).collect();
        let body = body.clone();
        let run = move || {
            let headers: Vec<(&str, &str)> = vec![];
            let response = Response { status_code: 200, headers: &headers, body: body.as_bytes() };
            let start = cpu_ms();
            let found = Condition::compile(&condition).map_err(|error| error.to_string());
            let found = found.and_then(|condition| condition.holds(response).map_err(|error| error.to_string()));
            (found, cpu_ms() - start)
        };
        let (found, ms) = thread::Builder::new().stack_size(STACK_BYTES).spawn(run).unwrap().join().unwrap();
        println!("{name}: {ms} ms {found:?}");
        match found {
            Err(error) => assert!(error.contains(expect), "{name}: {error}"),
            Ok(result) => assert!(expect.is_empty(), "{name}: {result}"),
        }
        // The body is parsed, too, in a debug build.
        assert!(ms < 2 * MAX_CPU_MS, "{name} took {ms} ms of processor time");
    }
}

#[test]
fn values() {
    let check = |expr: &str, kind: &str, text: &str| {
        let vars = serde_json::json!({"response": {"statusCode": 200, "body": {"statusCode": 3, "a": [1, "x", null]}}});
        let value = Cel::compile(expr, &["response"]).unwrap_or_else(|error| panic!("{expr}: {error}")).eval(vars.as_object().unwrap()).unwrap();
        assert_eq!((value.kind.as_str(), value.text.as_str()), (kind, text), "{expr}");
    };
    check("response.statusCode", "int", "200");
    check("response.body.statusCode", "double", "3");
    check("response.body.a", "list", "[1 x 0]");
    check("{'b': 1, 'a': true}", "map", "map[a:true b:1]");
    check("null", "null_type", "0");
    check("b'ab'", "bytes", "[97 98]");
    check("type(1u)", "type", "uint");
}

fn cpu_ms() -> u128 {
    let line = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    line.split(' ').next().unwrap().parse::<u128>().unwrap() / 1_000_000
}
