//! What could take a process down: nesting, cycles, and values that grow. Tests run on threads with 2 MiB of stack.

#![allow(clippy::expect_used, reason = "a test fails where this fails")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use connectors_template::{Error, ErrorKind, Limits, Options, Str, Template, Value};

/// No more than this, where a build with optimizations takes a tenth.
const DEADLINE: Duration = Duration::from_secs(5);

fn render(text: &str, data: &Value) -> Result<String, Error> {
    let started = Instant::now();
    let result = Template::parse("t", text, Options::default()).and_then(|template| template.render(data));
    let took = started.elapsed();
    assert!(took < DEADLINE, "{took:?} for {}", text.chars().take(80).collect::<String>());
    result.map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

fn renders(text: &str, expect: &str) {
    assert_eq!(render(text, &Value::Nil).expect(text), expect);
}

/// The limit that a template meets, without the place.
fn meets(text: &str, expect: &str) {
    let error = render(text, &Value::Nil).expect_err(text);
    assert_eq!(error.kind(), ErrorKind::Limit, "{error}");
    assert!(error.message().contains(expect), "{error}");
}

const VALUES: &str = "the values made take more than 16777216 bytes";
const STEPS: &str = "more than 1000000 steps";

#[test]
fn blocks_nest_deeply() {
    let nested = |open: &str, count: usize| format!("{}x{}", open.repeat(count), "{{end}}".repeat(count));
    renders(&nested("{{if true}}", 50_000), "x");
    renders(&nested("{{with 1}}", 50_000), "x");
    renders(&nested("{{range 1}}", 50_000), "x");
    renders(&format!("{}x{}", "{{if false}}{{else if true}}".repeat(10_000), "{{end}}".repeat(10_000)), "x");
}

#[test]
fn parentheses_nest_deeply() {
    let nested = |open: &str, count: usize| format!("{{{{{}1{}}}}}", open.repeat(count), ")".repeat(count));
    renders(&nested("(", 1_000), "1");
    renders(&nested("(add 0 ", 1_000), "1");
    renders(&nested("(index (list 1) 0 | and ", 1_000), "1");
    renders(&format!("{{{{{}.a{}}}}}", "(".repeat(1_000), ").a".repeat(1_000)), "<no value>");
    let error = render(&nested("(", 100_000), &Value::Nil).expect_err("too deep");
    assert_eq!(error.to_string(), "template: t:1: max expression depth exceeded");
    // An error within describes what it is in.
    let failing = format!("{{{{{}(fail \"x\"){}}}}}", "(print ".repeat(1_000), ")".repeat(1_000));
    assert!(render(&failing, &Value::Nil).expect_err("fails").to_string().ends_with("error calling fail: x"));
}

#[test]
fn templates_execute_themselves() {
    let recursive = |count: usize| {
        format!(
            r#"{{{{define "r"}}}}{{{{if gt . 0}}}}{{{{with sub . 1}}}}{{{{template "r" (int .)}}}}{{{{end}}}}{{{{else}}}}end{{{{end}}}}{{{{end}}}}{{{{template "r" {count}}}}}"#
        )
    };
    assert!(render(&recursive(2_000), &Value::Nil).is_ok());
    meets(r#"{{define "r"}}{{template "r"}}{{end}}{{template "r"}}"#, "exceeded maximum template depth (10000)");
}

/// Lists within lists.
fn nested_list(depth: usize) -> Value {
    (0..depth).fold(Value::Nil, |value, _| Value::list(vec![value]))
}

#[test]
fn data_nests_deeply() {
    for function in ["print .", "toJson .", "toPrettyJson .", "deepCopy .", "deepEqual . (deepCopy .)", "printf \"%#v\" .", "join \"\" (list .)", "quote ."] {
        let text = format!("{{{{ {function} | toString | len }}}}");
        let size: usize = render(&text, &nested_list(1_000)).expect(function).parse().expect("a number");
        assert!(size > 0);
        let error = render(&text, &nested_list(100_000));
        if !function.starts_with("toPretty") {
            assert_eq!(error.expect_err(function).kind(), ErrorKind::Limit);
        }
    }
    let maps = (0..100_000).fold(Value::Nil, |value, _| Value::map([(Str::from("a"), value)]));
    assert_eq!(render("{{ . }}", &maps).expect_err("too deep").kind(), ErrorKind::Limit);
    drop(maps.deep_clone());
    meets(&format!("{{{{ {:?} | fromJson | len }}}}", "[".repeat(5_000)), "nested more than 1200 levels deep");
    renders(&format!("{{{{ {:?} | fromJson | len }}}}", format!("{}{}", "[".repeat(1_000), "]".repeat(1_000))), "1");
    // Values that a template nests, and nobody prints.
    renders("{{ $x := list }}{{ range until 20000 }}{{ $x = list $x }}{{ end }}ok", "ok");
    meets("{{ $x := dict }}{{ range until 5000 }}{{ $x = dict \"a\" $x }}{{ end }}{{ $x }}", "nested more than 1500 levels deep, or contains itself");
}

#[test]
fn values_contain_themselves() {
    let cycle = |rest: &str| format!(r#"{{{{ $d := dict }}}}{{{{ $_ := set $d "self" $d }}}}{{{{ {rest} }}}}"#);
    renders(&cycle("$d.self.self.self | len"), "1");
    for function in
        ["$d", "toJson $d", "deepCopy $d", "deepEqual $d (deepCopy $d)", "printf \"%v\" $d", "quote $d", "merge (dict \"self\" (dict)) $d", "list $d | uniq"]
    {
        if let Err(error) = render(&cycle(function), &Value::Nil) {
            assert_eq!(error.kind(), ErrorKind::Limit, "{error}");
        }
    }
    meets(&cycle("$d"), "contains itself");
    meets(&cycle("toJson $d"), "contains itself");
}

#[test]
fn cycles_are_let_go() {
    let inner = Value::map([(Str::from("a"), Value::from(1i64))]);
    let Value::Map(map) = &inner else { unreachable!("a map") };
    let map = Arc::downgrade(map);
    let data = Value::map([(Str::from("m"), inner)]);
    render(r#"{{ $_ := set .m "self" (list .m) }}{{ $_ := set .m "other" (dict "m" .m) }}"#, &data).expect("no limit is met");
    drop(data);
    assert!(map.upgrade().is_none());
}

#[test]
fn values_grow() {
    for text in [
        r#"{{ $x := "ab" }}{{ range until 40 }}{{ $x = cat $x $x }}{{ end }}"#,
        r#"{{ $x := "ab" }}{{ range until 40 }}{{ $x = printf "%s%s" $x $x }}{{ end }}"#,
        r#"{{ $x := "ab" }}{{ range until 60 }}{{ $x = print $x $x }}{{ end }}"#,
        r#"{{ $x := "ab" }}{{ range until 60 }}{{ $x = replace "a" "aa" $x }}{{ end }}"#,
        r#"{{ $x := "ab" }}{{ range until 60 }}{{ $x = regexReplaceAll "." $x "$0$0" }}{{ end }}"#,
        r#"{{ $x := "ab" }}{{ range until 60 }}{{ $x = join $x (list $x $x $x) }}{{ end }}"#,
        r#"{{ $x := "<" }}{{ range until 60 }}{{ $x = html $x $x }}{{ end }}"#,
        r#"{{ $x := list 1 }}{{ range until 60 }}{{ $x = concat $x $x }}{{ end }}"#,
        r#"{{ $x := list 1 }}{{ range until 60 }}{{ $x = deepCopy (list $x $x) }}{{ end }}"#,
        r#"{{ $x := dict "a" "b" }}{{ range until 60 }}{{ $x = dict "l" $x "r" $x }}{{ end }}{{ toJson $x }}"#,
        r#"{{ repeat 1000000000 "x" }}"#,
        r#"{{ repeat 9223372036854775807 "xy" }}"#,
        r#"{{ indent 1000000000 "a\nb" }}"#,
        r#"{{ nindent 1000000000 "a\nb" }}"#,
        "{{ until 1000000000 }}",
        "{{ untilStep 0 9223372036854775807 3 }}",
        "{{ seq 1000000000 }}",
        "{{ seq 0 9000000000000000000 }}",
        "{{ randBytes 1000000000 }}",
        r#"{{ $x := repeat 4000 "a" }}{{ range until 10000 }}{{ $y := replace "" $x $x }}{{ end }}"#,
        r#"{{ $x := repeat 100000 "ab" }}{{ wrapWith 1 $x $x }}"#,
        r#"{{ $x := until 20000 }}{{ range $x }}{{ $y := append $x . }}{{ end }}"#,
    ] {
        let error = render(text, &Value::Nil).expect_err(text);
        assert_eq!(error.kind(), ErrorKind::Limit, "{text}: {error}");
    }
    meets(r#"{{ repeat 1000000000 "x" }}"#, VALUES);
    meets("{{ until 1000000000 }}", VALUES);
}

#[test]
fn work_grows() {
    for text in [
        "{{ range 1000000000 }}{{ end }}",
        "{{ range until 100000 }}{{ range until 100000 }}{{ end }}{{ end }}",
        "{{ randAlphaNum 1000000000 }}",
        r#"{{ $x := until 20000 }}{{ uniq $x }}"#,
        r#"{{ $x := repeat 1000000 "a" }}{{ range until 100000 }}{{ $y := regexMatch "(a|b)*c" $x }}{{ end }}"#,
        r#"{{ $x := repeat 1000000 "a" }}{{ range until 100000 }}{{ $y := contains "b" $x }}{{ end }}"#,
        r#"{{ range $i, $e := until 100000 }}{{ $y := regexMatch (printf "%d(a{100}){9}" $i) "a" }}{{ end }}"#,
        // Each match is found only after looking at all the rest.
        r#"{{ $x := repeat 300000 "a" }}{{ regexFindAll ".*?b|a" $x -1 }}"#,
        r#"{{ $x := repeat 300000 "a" }}{{ regexReplaceAll ".*?b|a" $x "c" }}"#,
        r#"{{ $x := repeat 300000 "a" }}{{ regexSplit ".*?b|a" $x -1 }}"#,
        // A value in many places.
        r#"{{ $x := dict }}{{ range until 25 }}{{ $x = dict "l" $x "r" $x }}{{ end }}{{ toJson $x }}"#,
        r#"{{ range until 1000000 }}{{ $y := sha512sum "a" }}{{ end }}"#,
        r#"{{ $x := deepCopy (until 10000) }}{{ range until 10000 }}{{ $y := deepEqual $x $x }}{{ end }}"#,
        r#"{{ $x := repeat 100000 "<" }}{{ $y := repeat 100000 ">" }}{{ range until 1000 }}{{ $z := trimAll $x $y }}{{ end }}"#,
    ] {
        let error = render(text, &Value::Nil).expect_err(text);
        assert_eq!(error.kind(), ErrorKind::Limit, "{text}: {error}");
    }
    meets("{{ range 1000000000 }}{{ end }}", STEPS);
}

#[test]
fn output_and_slow_calls_are_bounded() {
    renders(&"x".repeat(1 << 20), &"x".repeat(1 << 20));
    renders("{{ range until 1000 }}{{ repeat 1024 \"x\" }}{{ end }}", &"x".repeat(1000 << 10));
    meets(r#"{{ $x := repeat 1000000 "x" }}{{ range until 10 }}{{ $x }}{{ end }}"#, "the output takes more than 4194304 bytes");
    meets(r#"{{ range until 10 }}{{ $_ := genPrivateKey "ecdsa" }}{{ end }}"#, "more than 8 calls of functions that make keys or hash passwords");
    renders(r#"{{ printf "%99999999999d|" 5 }}"#, "%!(NOVERB)%!(EXTRA int=5)");
    renders(r#"{{ printf "%*d|" 100000000 5 }}"#, "%!(BADWIDTH)5|");
    for verb in ["%.1000000f", "%.1000000e", "%.1000000U", "%.1000000d", "%1000000d", "%.1000000x", "%#.1000000g"] {
        let number = if verb.ends_with(['U', 'd']) { "5" } else { "5.0" };
        assert!(render(&format!("{{{{ printf {verb:?} {number} | len }}}}"), &Value::Nil).expect(verb).len() >= 7);
    }
    let options = Options { limits: Limits { output_bytes: 10, ..Limits::default() }, ..Options::default() };
    let template = Template::parse("t", "{{ . }}", options).expect("a template");
    assert_eq!(template.render(&Value::from("0123456789")).expect("it fits"), b"0123456789");
    let mut out = b"before".to_vec();
    assert_eq!(template.render_into(&Value::from("01234567890"), &mut out).expect_err("it doesn't").kind(), ErrorKind::Limit);
    assert_eq!(out, b"before");
}

#[test]
fn threads_share_a_template() {
    let template =
        Template::parse("t", r#"{{ $d := dict }}{{ range until 100 }}{{ $_ := set $d (toString .) . }}{{ end }}{{ len $d }}{{ .a }}"#, Options::default())
            .expect("a template");
    let data = Value::map([(Str::from("a"), Value::from("x"))]);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..20 {
                    assert_eq!(template.render(&data).expect("no error"), b"100x");
                }
            });
        }
    });
}
