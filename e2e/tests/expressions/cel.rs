//! Random expressions of CEL.

use std::sync::LazyLock;

use serde_json::{Value as Json, json};

use crate::grammar::Grammar;
use crate::random::Random;

static GRAMMAR: LazyLock<Grammar> = LazyLock::new(|| Grammar::read(include_str!("cel.txt")));

/// Calls within calls.
const DEPTH: usize = 3;

/// A case, as both sides read it: all of it follows from the seed and the index.
pub(crate) fn case(seed: u64, index: u64) -> Json {
    let mut random = Random::of_case(seed, index);
    let kind = ['s', 'i', 'b', 'b', 'd', 't', 'l', 'm', 'u', 'z', 'g', 'a'][random.below(12)];
    let depth = 1 + random.below(DEPTH);
    let expression = GRAMMAR.expression(&mut random, kind, depth, &[]);
    let mut body = json!({
        "status": random.pick(&["UP", "DOWN", "", "a,b"]), "text": random.pick(&["abc", "żółć", "2024-05-06T07:08:09Z", "1h", "12"]),
        "valid": random.one_in(2), "n": ([5.0, 0.0, -3.0, 1e10][random.below(4)]), "f": ([1.5, 0.1, -0.25, 1e300][random.below(4)]), "uptime": 61, "x": null,
        "tags": ["x", "y"], "items": [{"name": "a", "v": 1}, {"name": "b", "v": 2}], "nested": {"deep": {"k": "v"}},
    });
    if random.one_in(12) {
        body[random.pick(&["status", "tags", "n", "items", "nested"])] = Json::Null;
    }
    json!({
        "id": index, "expr": expression,
        "vars": {"response": {"body": body, "bodyString": body.to_string(), "headers": {"content-type": ["application/json"], "X-Multi": ["a", "b"]}, "statusCode": 200}},
    })
}
