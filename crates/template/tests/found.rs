//! What comparing random templates with Go has found: each was wrong once.

#![allow(clippy::expect_used, reason = "a test fails where this fails")]

use connectors_template::{Options, Template, Value};

#[track_caller]
fn check(text: &str, expect: &str) {
    let rendered = Template::parse("t", text, Options::default()).and_then(|template| template.render(&Value::Nil));
    let found = match rendered {
        Ok(bytes) => String::from_utf8(bytes).expect("text"),
        Err(error) => format!("ERROR {error}"),
    };
    assert_eq!(found, expect, "{text}");
}

#[test]
fn numbers() {
    check(r#"{{ printf "%G %G" 1e-7 1e21 }}"#, "1E-07 1E+21");
    check("{{ round 123456789.0 97 }}", "1.23456789e+08");
    check("{{ round 1.5 -400 }} {{ round 1.5 400 }} {{ round 1.5 -9223372036854775808 }}", "NaN NaN NaN");
    // Halfway between ...992 and ...993.
    check("{{ divf 9007199254740992.0 10.0 }}", "9.007199254740992e+14");
    check("{{ untilStep 1e9 4 9 }} {{ untilStep 4 1e9 -9 }}", "[] []");
    check(r#"{{ abbrevboth -9223372036854775808 7 "some longer text" }}"#, "...text");
}

#[test]
fn loops() {
    check("{{ range 3 }}{{ range 0 }}{{ else }}a{{ break }}{{ end }}b{{ end }}", "ababab");
    check("{{ range 3 }}{{ range 0 }}{{ else }}a{{ continue }}{{ end }}b{{ end }}", "aaa");
    check("{{ range 3 }}{{ range 0 }}{{ else }}{{ with 1 }}{{ break }}{{ end }}{{ end }}{{ . }}{{ end }}", "012");
}

#[test]
fn places_of_errors() {
    check("{{ if 1 }}{{ else if\nlen{ }}{{ end }}", "ERROR template: t:2: bad character U+007B '{'");
    check("{{ if 1 }}{{ if\nlen{ }}{{ end }}", "ERROR template: t:2: bad character U+007B '{' in action started at t:1");
    check("{{ block \"b\" . }}\n{{ else }}", "ERROR template: t:1: unexpected {{else}} in block clause");
}

#[test]
fn what_functions_say() {
    let check = |call: &str, expect: &str| {
        let name = call.split(' ').next().unwrap_or_default();
        check(&format!("{{{{ {call} }}}}"), &format!("ERROR template: t:1:3: executing \"t\" at <{call}>: error calling {name}: {expect}"));
    };
    check(r#"len (semver "1.2.3")"#, "len of type semver.Version");
    check(r#"index (semver "1.2.3") 0"#, "can't index item of type semver.Version");
    check(r#"mustRegexMatch "(?" """#, "error parsing regexp: invalid or unsupported Perl syntax: `(?`");
    check(r#"mustFromJson "nul""#, "invalid character ' ' in literal null (expecting 'l')");
    check(r#"mustFromJson "[1.""#, "invalid character ' ' after decimal point in numeric literal");
    check(r#"mustFromJson "[1""#, "unexpected end of JSON input");
    check(
        r#"urlParse "http://[.::1]:80/""#,
        r#"unable to parse url: parse "http://[.::1]:80/": invalid host: ParseAddr(".::1"): IPv4 field must have at least one digit (at ".::1")"#,
    );
    check(
        r#"mergeOverwrite (dict "a" (split "," "")) (dict "a" (dict "b" 1))"#,
        "reflect.Value.SetMapIndex: value of type interface {} is not assignable to type string",
    );
    check(r#"mergeOverwrite (dict "a" (split "," "")) (dict "a" (dict "_0" list))"#, "reflect: call of reflect.Value.IsNil on string Value");
}
