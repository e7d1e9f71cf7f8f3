use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde::Deserialize;

use super::{Node, Resolved, Value, decode, parse};

/// A tree as text: positions for everything.
fn shown(node: &Node<'_>) -> String {
    let inner = match &node.value {
        Value::Scalar(scalar) => match scalar.resolve() {
            Resolved::String(text) => format!("{text:?}"),
            other => format!("{other:?}"),
        },
        Value::List(items) => format!("[{}]", items.iter().map(|item| shown(item)).collect::<Vec<_>>().join(" ")),
        Value::Mapping(mapping) => {
            let entries: Vec<String> = mapping.entries.iter().map(|entry| format!("{}@{} {}", entry.key.as_str(), entry.at, shown(&entry.value))).collect();
            format!("{{{}}}", entries.join(" "))
        }
    };
    format!("{}={inner}", node.at)
}

fn check(text: &str, expect: &[&str]) {
    let (documents, error) = parse(text);
    let mut found: Vec<String> = documents.iter().map(|node| shown(node)).collect();
    found.extend(error.map(|error| format!("{}: {}", error.at, error.problem)));
    assert_eq!(found, expect, "{text}");
}

#[test]
fn every_value_has_its_place() {
    check("a: 1\nb:\n  - x\n  - 'true'\n", &["1:1={a@1:1 1:4=Unsigned(1) b@2:1 3:3=[3:5=\"x\" 4:5=\"true\"]}"]);
    check("---\na: b\n---\n# nothing\n---\nc: d\n", &["2:1={a@2:1 2:4=\"b\"}", "5:1=Null", "6:1={c@6:1 6:4=\"d\"}"]);
    check("", &[]);
    check("é: ü\n", &["1:1={é@1:1 1:4=\"ü\"}"]);
}

#[test]
fn a_tab_cannot_indent() {
    let tab = |place: &str| format!("{place}: is not valid YAML: a tab can't indent; use spaces");
    check("a:\n \tb: c\n", &[&tab("2:2")]);
    check("a:\n \t- b\n", &[&tab("2:2")]);
    check("a:\n  -\tb: c\n", &[&tab("2:4")]);
    // Elsewhere it is blank space like any other: around values, in flow style, in text.
    check("a: b\t\nc: \t{d:\n\te}\t# x\n", &["1:1={a@1:1 1:4=\"b\" c@2:1 2:5={d@2:6 3:2=\"e\"}}"]);
    check("a: &x\t[b,\n\tc]\n", &["1:1={a@1:1 1:4=[1:8=\"b\" 2:2=\"c\"]}"]);
    check("a: |\n  \tb: c\n", &["1:1={a@1:1 2:3=\"\\tb: c\\n\"}"]);
    check("- |\n\n  \tb: c\n-\tb\n-\n \tc\n", &["1:1=[3:3=\"\\n\\tb: c\\n\" 4:3=\"b\" 6:3=\"c\"]"]);
    check("a:\n \tb\n", &["1:1={a@1:1 2:3=\"b\"}"]);
}

#[test]
fn json_is_read_as_it_is() {
    check("{\"a\":\t[1, null,\n\ttrue], \"b\\u0041\": \"\\/\"}", &["1:1={a@1:2 1:7=[1:8=Unsigned(1) 1:11=Null 2:2=Bool(true)] bA@2:9 2:20=\"/\"}"]);
}

#[test]
fn aliases_and_merge_keys_repeat_what_they_name() {
    check("a: &x {k: v}\nb: *x\n", &["1:1={a@1:1 1:4={k@1:8 1:11=\"v\"} b@2:1 1:4={k@1:8 1:11=\"v\"}}"]);
    check("- &x {k: v, l: w}\n- <<: *x\n  l: own\n", &["1:1=[1:3={k@1:7 1:10=\"v\" l@1:13 1:16=\"w\"} 2:3={l@3:3 3:6=\"own\" k@1:7 1:10=\"v\"}]"]);
    check("<<: 1\n", &["1:5: must be a mapping or a list of mappings, because its key is <<"]);
}

#[test]
fn tags_that_change_nothing_are_let_through() {
    check("a: !!str 5\nb: ! 6\nc: !!int 7\n", &["1:1={a@1:1 1:4=\"5\" b@2:1 2:4=\"6\" c@3:1 3:4=Unsigned(7)}"]);
    check("a: !secret x\n", &["1:4: has a YAML tag that is not supported; leave it out"]);
    check("a: !!set {b}\n", &["1:4: has a YAML tag that is not supported; leave it out"]);
}

#[test]
fn what_comes_before_a_syntax_error_is_there() {
    let (documents, error) = parse("a: b\n---\nc: [\n");
    assert_eq!(documents.len(), 1);
    let error = error.unwrap();
    assert_eq!(error.at.line, 4, "{error}");
    assert!(error.problem.starts_with("is not valid YAML: "), "{error}");
}

#[test]
fn a_small_file_cannot_become_a_big_tree() {
    let mut laughs = String::from("a0: &a0 [l, l, l, l, l, l, l, l, l, l]\n");
    for level in 1..10 {
        let before = format!("*a{}", level - 1);
        laughs.push_str(&format!("a{level}: &a{level} [{}]\n", [before.as_str(); 10].join(", ")));
    }
    assert!(parse(&laughs).1.unwrap().problem.starts_with("has more than 500000 values"));

    // Nested by aliases, each level one deeper than the text.
    let mut deep = String::from("a0: &a0 [x]\n");
    for level in 1..200 {
        deep.push_str(&format!("a{level}: &a{level} [*a{}]\n", level - 1));
    }
    assert!(parse(&deep).1.unwrap().problem.starts_with("nests lists and mappings more than 100 deep"));

    assert!(parse(&"[".repeat(100_000)).1.is_some());
    let block: String = (0..5000).map(|level| format!("{}a:\n", " ".repeat(level))).collect();
    assert!(parse(&block).1.unwrap().problem.starts_with("nests"));
    assert!(parse("a: &a [*a]").1.is_some());
}

/// Quadratic reading of it would take minutes.
#[test]
fn p24_merging_takes_no_longer_than_reading() {
    let mut text = String::from("a: &a\n");
    text.extend((0..100_000).map(|n| format!("  k{n}: v\n")));
    text.push_str("b: {<<: [*a, *a]}\n");
    let started = Instant::now();
    let (documents, error) = parse(&text);
    assert!(error.is_none(), "{error:?}");
    let Value::Mapping(mapping) = &documents[0].get("b").unwrap().value else { panic!("a mapping") };
    assert_eq!((mapping.entries.len(), mapping.entries[99_999].key.as_str()), (100_000, "k99999"));
    assert!(started.elapsed() < Duration::from_secs(30), "{:?}", started.elapsed());
}

#[test]
fn p24_a_small_file_cannot_repeat_much_text() {
    let long = "x".repeat(1 << 20);
    for (anchor, alias) in [(format!("&a {long}"), "*a"), (format!("&a [&b [{long}]]"), "{<<: {k: *b}}"), (format!("&a {{k: {long}}}"), "{<<: *a}")] {
        let repeated = |times| format!("- {anchor}\n{}", format!("- {alias}\n").repeat(times));
        assert!(parse(&repeated(15)).1.is_none());
        assert_eq!(parse(&repeated(17)).1.unwrap().problem, "has aliases that repeat more than 16 MiB of text");
    }
    // Keys are also repeated where there is no alias: in the path of every problem below them.
    assert!(parse(&format!("? {}\n: v\n", "é".repeat(1024))).1.is_none());
    assert_eq!(parse(&format!("? {}\n: v\n", "é".repeat(1025))).1.unwrap().problem, "has a key of more than 1024 characters");
}

#[test]
fn keys_that_occur_twice_are_kept_aside() {
    let (documents, error) = parse("a: 1\nb: 2\na: 3\n");
    assert!(error.is_none());
    let Value::Mapping(mapping) = &documents[0].value else { panic!("a mapping") };
    assert_eq!(mapping.entries.len(), 2);
    let repeated = &mapping.repeated[0];
    assert_eq!((repeated.key.as_str(), repeated.at.line, repeated.first.line), ("a", 3, 1));
    assert!(parse("? [a]\n: b\n").1.is_some());
}

#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase", default)]
struct Outer {
    text: String,
    flag: bool,
    count: Option<i64>,
    inner: Inner,
    list: Vec<Inner>,
    words: Vec<String>,
    map: BTreeMap<String, String>,
    kind: Kind,
    any: serde_json::Value,
}

#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
struct Inner {
    name: String,
}

#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Kind {
    #[default]
    First,
    Second,
}

fn problems(text: &str) -> Vec<String> {
    let (documents, error) = parse(text);
    assert!(error.is_none(), "{text}");
    let (_, problems) = decode::<Outer>(&documents[0]);
    problems.iter().map(|found| format!("{}: {}", found.at, found.problem)).collect()
}

#[test]
fn a_struct_is_read() {
    let (documents, _) = parse(
        "text: a\nflag: yes\ncount: 3\ninner: {name: b}\nlist: [{name: c}, {}]\nwords: [d]\nmap: {e: f, g: ~}\nkind: second\nany: {h: [1, 2.5, null, i]}\n",
    );
    let (outer, problems) = decode::<Outer>(&documents[0]);
    assert_eq!(problems, []);
    let expect = Outer {
        text: "a".into(),
        flag: true,
        count: Some(3),
        inner: Inner { name: "b".into() },
        list: vec![Inner { name: "c".into() }, Inner::default()],
        words: vec!["d".into()],
        map: BTreeMap::from([("e".into(), "f".into())]),
        kind: Kind::Second,
        any: serde_json::json!({"h": [1, 2.5, null, "i"]}),
    };
    assert_eq!(outer, expect);
}

#[test]
fn every_error_of_a_struct_is_found_at_once() {
    for (text, expect) in [
        ("text: true\n", vec!["1:7: text: must be a string, but unquoted it is a boolean; put it in quotes"]),
        ("text: no\n", vec!["1:7: text: must be a string, but unquoted it is a boolean; put it in quotes"]),
        ("text: 1.10\n", vec!["1:7: text: must be a string, but unquoted it is a number; put it in quotes"]),
        ("text: [a]\n", vec!["1:7: text: must be a string, but it is a list"]),
        ("flag: 'true'\n", vec!["1:7: flag: must be a boolean, but it is a string"]),
        ("count: x\n", vec!["1:8: count: must be an integer, but it is a string"]),
        ("inner: x\n", vec!["1:8: inner: must be a mapping, but it is a string"]),
        ("inner: [x]\n", vec!["1:8: inner: must be a mapping, but it is a list"]),
        ("list: {name: x}\n", vec!["1:7: list: must be a list, but it is a mapping"]),
        ("map: [x]\n", vec!["1:6: map: must be a mapping, but it is a list"]),
        ("kind: Secnd\n", vec!["1:7: kind: must be first or second; did you mean \"second\"?"]),
        ("kind: 2\n", vec!["1:7: kind: must be a string, but unquoted it is a number; put it in quotes"]),
        ("txt: x\n", vec!["1:1: txt: is not a known field; did you mean \"text\"?"]),
        (
            "text: 1\nlist:\n- name: 2\n- x\n- nam: y\nwords: [1, two, yes]\nmap: {'a/b': 3}\n",
            vec![
                "1:7: text: must be a string, but unquoted it is a number; put it in quotes",
                "3:9: list[0].name: must be a string, but unquoted it is a number; put it in quotes",
                "4:3: list[1]: must be a mapping, but it is a string",
                "6:9: words[0]: must be a string, but unquoted it is a number; put it in quotes",
                "6:17: words[2]: must be a string, but unquoted it is a boolean; put it in quotes",
                "7:14: map[\"a/b\"]: must be a string, but unquoted it is a number; put it in quotes",
                "5:3: list[2].nam: is not a known field; did you mean \"name\"?",
            ],
        ),
        ("- a\n", vec!["1:1: : must be a mapping, but it is a list"]),
    ] {
        assert_eq!(problems(text), expect, "{text}");
    }
}

#[test]
fn errors_are_bounded() {
    let many: String = (0..500).map(|n| format!("k{n}: {n}\n")).collect();
    assert_eq!(problems(&format!("map:\n{}", many.replace('k', "  k"))).len(), 50);
    assert_eq!(problems(&many).len(), 50);
}

/// Whatever is in a file, reading it ends and does so without a panic. The seeds have every construct; what is done to them is always the same.
#[test]
fn garbage_is_refused_and_not_stumbled_over() {
    const ROUNDS: usize = 20_000;
    const SEEDS: [&str; 4] = [
        "%YAML 1.2\n--- &a !!map\nkey: [x, 'y', \"z\\n\\u0041\", {a: b, ? c : d}]\n? complex\n: - - nested\n  - |+2\n      text\n  - >-\n   folded\n   more\n...\n---\n<<: *a\n",
        "apiVersion: v1\nkind: Secret\nmetadata: {name: s, labels: {a: 'b'}}\ndata:\n  k: YWJj # comment\nstringData: &x\n  l: !!str 5\n  m: *x\n",
        "{\"a\": [1, -2.5e3, true, null, \"\\\"\"],\t\"b\": {}}",
        "a: é\u{feff}\r\n\tb: \u{85}\n- c\n\0",
    ];
    const PIECES: [&str; 24] =
        ["\n", " ", "\t", ":", "- ", "? ", "[", "]", "{", "}", ",", "&a ", "*a", "!", "|", ">", "'", "\"", "#", "%", "---\n", "...\n", "\\", "\u{2028}é"];
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    for round in 0..ROUNDS {
        let mut text: Vec<char> = SEEDS[round % SEEDS.len()].chars().collect();
        for _ in 0..=random(6) {
            let at = random(text.len() + 1);
            match random(3) {
                0 => drop(text.splice(at..at, PIECES[random(PIECES.len())].chars())),
                1 => drop(text.drain(at..(at + random(8)).min(text.len()))),
                _ => drop(text.splice(at..(at + 1).min(text.len()), PIECES[random(PIECES.len())].chars())),
            }
        }
        let text: String = text.into_iter().collect();
        let (documents, _) = parse(&text);
        for document in &documents {
            let _ = decode::<Outer>(document);
        }
    }
}
