//! Every function and operator, with what nobody gives it: none may panic, which would end the process.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests may panic too")]

use connectors_expr::Cel;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Values at the edges of what functions may expect.
const ODD: &str = "[dyn(''), 'é%-5.999999999s%', -9223372036854775808, 9223372036854775807, 0, 1.5, -1.0e308, 0.0/0.0, 18446744073709551615u, b'\\xff', \
    null, [], ['a', 1, [2.5, ['b']]], {'a': {'b': 1}}, true, timestamp('9999-12-31T23:59:59Z'), timestamp('0001-01-01T00:00:00Z'), \
    duration('9223372036s'), duration('-9223372036s'), 'Nowhere/Land', '+25:99', '9223372036854775808', optional.none(), int]";
const COUNT: usize = 24;

#[test]
fn nothing_panics() {
    let functions = "base64.decode base64.encode bool bytes charAt contains distinct double duration dyn endsWith flatten format getDate getDayOfMonth getDayOfWeek \
        getDayOfYear getFullYear getHours getMilliseconds getMinutes getMonth getSeconds hasValue indexOf int join lastIndexOf lists.range lowerAscii matches \
        math.abs math.bitAnd math.bitNot math.bitOr math.bitShiftLeft math.bitShiftRight math.bitXor math.ceil math.floor math.isFinite math.isInf math.isNaN \
        math.round math.sign math.sqrt math.trunc math.greatest math.least optional.of optional.ofNonZeroValue or orValue replace reverse size slice sort split \
        startsWith string strings.quote substring timestamp trim type uint upperAscii value";
    let value = |name: &str| format!("{ODD}[int({name})]");
    let (i, j, k) = (value("i"), value("j"), value("k"));
    let mut expressions: Vec<(String, usize)> = ["+", "-", "*", "/", "%", "<", "<=", "==", "!=", "in", "&&", "||"]
        .iter()
        .map(|operator| (format!("{i} {operator} {j}"), 2))
        .chain([(format!("-{i}"), 1), (format!("!{i}"), 1), (format!("{i}[{j}]"), 2), (format!("{i}[?{j}]"), 2), (format!("{{{i}: {j}}}"), 2)])
        .chain(["all", "exists", "exists_one", "map", "filter"].map(|name| (format!("{i}.{name}(x, {j} == x)"), 2)))
        .collect();
    for name in functions.split_whitespace() {
        expressions.push((format!("{name}({i})"), 1));
        expressions.push((format!("{name}({i}, {j})"), 2));
        if !name.contains('.') {
            expressions.push((format!("{i}.{name}()"), 1));
            expressions.push((format!("{i}.{name}({j})"), 2));
            expressions.push((format!("{i}.{name}({j}, {k})"), 3));
        }
    }
    let size = Cel::compile(&format!("size({ODD})"), &[]).unwrap().eval(&serde_json::Map::new()).unwrap();
    assert_eq!(size.text, COUNT.to_string());
    let mut panics = Vec::new();
    let (mut count, mut compiled) = (0, 0);
    for (expression, arguments) in expressions {
        // Where an expression can't be compiled it can't panic.
        let Ok(cel) = Cel::compile(&expression, &["i", "j", "k"]) else { continue };
        compiled += 1;
        // With three, every other value.
        let step = if arguments == 3 { 3 } else { 1 };
        let total = (COUNT / step).pow(u32::try_from(arguments).unwrap());
        for number in 0..total {
            let each = COUNT / step;
            let digit = |place: u32| number / each.pow(place) % each * step;
            let vars = serde_json::json!({"i": digit(0), "j": digit(1), "k": digit(2)});
            count += 1;
            if catch_unwind(AssertUnwindSafe(|| cel.eval(vars.as_object().unwrap()))).is_err() {
                panics.push(format!("{} {vars}", expression.replace(ODD, "")));
                break;
            }
        }
    }
    assert!(compiled > 200 && count > 30_000, "only {compiled} expressions, {count} evaluations");
    assert!(panics.is_empty(), "{} panic:\n{}", panics.len(), panics.join("\n"));
}
