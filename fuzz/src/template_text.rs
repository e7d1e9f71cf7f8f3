//! Texts of templates, such as those of classes.

use connectors_template::{Str, Value};

use crate::templates::{depends_on_more, is_limit, parse, render};

/// Whatever the text is, it is parsed or refused with a place, and what is parsed means the same within a block that is always rendered.
pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Some(rendered) = render(text, &values()) else { return };
    if !text.contains("{{") {
        assert_eq!(rendered.as_deref(), Ok(text.as_bytes()));
    }
    // Templates are defined outside of blocks only, and a brace at the end is a part of the action after it.
    if text.contains("define") || text.ends_with('{') || depends_on_more(text) || is_limit(&rendered) {
        return;
    }
    let wrapped = format!("{{{{if true}}}}{text}{{{{end}}}}");
    let within = parse(&wrapped).unwrap_or_else(|error| panic!("{error} for {wrapped:?}")).render(&values());
    match (rendered, within) {
        (Ok(rendered), Ok(within)) => assert_eq!(rendered, within, "{wrapped:?}"),
        (Err(error), Err(within)) => assert_eq!((error.kind(), error.line(), error.message()), (within.kind(), within.line(), within.message())),
        (_, within) if is_limit(&within) => {}
        (rendered, within) => panic!("{rendered:?} or {within:?} for {wrapped:?}"),
    }
}

/// A value of each kind.
fn values() -> Value {
    let map = |entries: Vec<(&str, Value)>| Value::map(entries.into_iter().map(|(key, value)| (Str::from(key), value)));
    map(vec![
        ("s", Value::from("a text, ünï")),
        ("i", Value::from(7_i64)),
        ("f", Value::from(-1.5)),
        ("b", Value::from(true)),
        ("n", Value::Nil),
        ("l", Value::list(vec![Value::from(1_i64), Value::from("x"), Value::Nil, Value::list(vec![])])),
        ("m", map(vec![("k", Value::from("v")), ("m", map(vec![("d", Value::from(0_i64))]))])),
    ])
}
