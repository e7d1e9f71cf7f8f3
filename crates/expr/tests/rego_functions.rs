//! Every function, with what nobody gives it: none may panic, which would end the process.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests may panic too")]

use connectors_expr::{Dialect, Rego};
use regorus::unstable::BUILTINS;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Values at the edges of what functions may expect.
const ODD: &[&str] = &[
    "\"\"",
    "-1",
    "\"é{a-%Z[\"",
    "9223372036854775807",
    "-9223372036854775808",
    "1.5",
    "{\"\": [null, {\"a\": \"b\"}]}",
    "[\"a\", [1, \"UTC\"], -5]",
    "[\"\", \"a\"]",
    "0",
    "null",
    "1.7e308",
    "18446744073709551615",
    "[9223372036854775807, \"America/New_York\"]",
    "[-9223372036854775808, \"\", \"2006-01-02T15:04:05.999Z07:00 MST _2\"]",
    "[{\"op\": \"add\", \"path\": \"/a/-1\", \"value\": 1}]",
    "\"2006-01-02T15:04:05Z\"",
    "\"99999999999999999999h\"",
    "\"1e999\"",
    "\"eyJhbGciOiJIUzI1NiJ9.eyJleHAiOiJ4In0.AA\"",
];

/// How many of them are tried as each of that many arguments: some thousand combinations.
fn values(arguments: usize) -> &'static [&'static str] {
    let count = match arguments {
        0..=2 => ODD.len(),
        3 => 15,
        _ => 7,
    };
    &ODD[..count]
}

fn combinations(arguments: usize) -> Vec<Vec<&'static str>> {
    (0..arguments).fold(vec![Vec::new()], |found, _| {
        let longer = |one: &Vec<&'static str>| values(arguments).iter().map(|value| [one.as_slice(), &[*value]].concat()).collect::<Vec<_>>();
        found.iter().flat_map(longer).collect()
    })
}

#[test]
fn no_function_panics() {
    let own = [
        ("crypto.hmac.equal", 2),
        ("crypto.hmac.md5", 2),
        ("crypto.hmac.sha1", 2),
        ("crypto.hmac.sha256", 2),
        ("crypto.hmac.sha512", 2),
        ("crypto.md5", 1),
        ("crypto.sha1", 1),
        ("crypto.sha256", 1),
        ("io.jwt.decode", 1),
        ("io.jwt.decode_verify", 2),
        ("io.jwt.encode_sign", 3),
        ("io.jwt.encode_sign_raw", 3),
        ("io.jwt.verify_hs256", 2),
        ("regex.find_all_string_submatch_n", 3),
    ];
    let theirs = BUILTINS.iter().filter(|(name, _)| !name.starts_with("__")).map(|(name, (_, arguments))| (*name, usize::from(*arguments)));
    let mut panics = Vec::new();
    let mut count = 0;
    for (name, arguments) in theirs.chain(own) {
        let given: Vec<String> = (0..arguments).map(|index| format!("input[{index}]")).collect();
        let module = format!("package p\nx := [y | y := {name}({})]\n", given.join(", "));
        let rego = Rego::compile(&module, "data.p.x", Dialect::V1).unwrap_or_else(|error| panic!("{name}: {error}"));
        for combination in combinations(arguments) {
            let input = format!("[{}]", combination.join(", "));
            count += 1;
            if catch_unwind(AssertUnwindSafe(|| rego.eval(&input))).is_err() {
                panics.push(format!("{name} {input}"));
                break;
            }
        }
    }
    assert!(count > 20_000, "only {count} calls");
    assert!(panics.is_empty(), "{} functions panic:\n{}", panics.len(), panics.join("\n"));
}
