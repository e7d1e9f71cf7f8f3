//! Extractors, generators and permissions, with the rules that documents show.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests may panic too")]

use connectors_expr::{Data, Dialect, EvalError, Extractor, Generator, Limit, Part, Permissions, Place, Rego, Request, Verb};

const CANARY: &str = "s3cr3t-canary";

type Headers = Vec<(&'static str, &'static str)>;

fn request<'a>(headers: &'a Headers, query: &'a str, body: Option<&'a [u8]>) -> Request<'a> {
    Request { method: "GET", path: "/api/v4/projects", host: "c-gitlab.default.svc", query, headers, body }
}

fn extracted(module: &str, request: Request<'_>) -> String {
    match Extractor::compile(&format!("package proxy\n{module}\n")) {
        Ok(extractor) => match extractor.extract(request) {
            Ok(Some(token)) => token.expose().to_owned(),
            Ok(None) => "none".to_owned(),
            Err(error) => format!("error: {error}"),
        },
        Err(error) => format!("compile: {error}"),
    }
}

#[test]
fn extractors() {
    let headers: Headers = vec![("PRIVATE-token", "sa-token"), ("private-token", "other"), ("Content-Type", "application/json"), ("x-api-key", "")];
    let request = request(&headers, "token=q%20t&token=2", Some(br#"{"a":{"token":"bt"}}"#));
    let check = |module: &str, expect: &str| {
        let found = extracted(module, request);
        assert!(found == expect || (expect.ends_with('…') && found.starts_with(expect.trim_end_matches('…'))), "{module}: {found}");
    };
    check(r#"auth = {"token": input.request.headers["Private-Token"][0]}"#, "sa-token");
    check(r#"auth = {"token": input.request.headers["Private-Token"][1]}"#, "other");
    check(r#"auth = {"token": input.request.query.token[0]}"#, "q t");
    check(r#"auth = {"token": input.request.body.a.token}"#, "bt");
    check(r#"auth = {"token": concat(" ", [input.request.method, input.request.path, input.request.host])}"#, "GET /api/v4/projects c-gitlab.default.svc");
    check(r#"auth = {"token": input.request.headers["X-Api-Key"][0]}"#, "none");
    check(r#"auth.token := input.request.query.token[1]"#, "2");
    check("default auth = {\"token\": \"\"}\nauth = {\"token\": input.request.headers.Nope[0]} {\n  input.request.headers.Nope != null\n}", "none");
    check(r#"auth := {"token": count([k | some k, _ in input.request.headers])}"#, "error: rule data.proxy.auth: token must be a string");
    check(r#"auth := input.request.headers"#, "error: rule data.proxy.auth: token is missing");
    check("auth := 1", "error: rule data.proxy.auth: the result must be an object");
    check(r#"auth = {"token": input.request.headers.Nope[0]}"#, "error: rule data.proxy.auth is undefined…");
    check("auth := {\"token\": \"a\"}\nauth := {\"token\": \"b\"}", "error: 3:1: rule data.proxy.auth has several values…");
    check("f(x) := 1\nf(x) := 2\nauth := {\"token\": f(1)}", "error: 4:20: rule data.proxy.auth has several values…");
    check("other := 1", "compile: the module must define data.proxy.auth…");
    check("auth := {", "compile: 3:1: …");
    check("auth := upper(1)", "compile: 2:15: upper: argument 1 is a number, and must be a string");
    check("auth := concat(\",\")", "compile: 2:9: concat takes 2 arguments, not 1");
    check("auth := f(1)\nf(x) := f(x)", "compile: 3:1: rule data.proxy.f is recursive…");
    check("auth = {\"token\": \"t\"} if { y(1) }", "compile: 2:28: undefined function y");
}

/// Wherever they are written, whether or not it is ever evaluated.
#[test]
fn p17_rules_reach_neither_network_nor_environment() {
    let check = |rules: &str, expect: &str| {
        let found = extracted(rules, request(&vec![], "", None));
        assert!(found.starts_with(&format!("compile: {expect} isn't available here: ")), "{rules}: {found}");
    };
    check("auth := http.send({})", "2:9: http.send");
    check("auth := opa.runtime()", "2:9: opa.runtime");
    check("auth := {\"token\": opa.runtime().env.HOME}", "2:19: opa.runtime");
    check("auth := r { r := net.lookup_ip_addr(\"x\") }", "2:18: net.lookup_ip_addr");
    check("auth := {\"token\": \"t\"}\nnever { false; http.send({}) }", "3:16: http.send");
    check("auth := {\"token\": \"t\"}\nf(x) := http.send(x)", "3:9: http.send");
    check("auth := {\"token\": [x | x := http.send({})][0]}", "2:29: http.send");
    check("auth := {\"token\": \"t\"} if { every x in [1] { http.send({}) } }", "2:46: http.send");
    check("auth := {\"token\": upper(\"t\")} { true } else := http.send({}) { true }", "2:48: http.send");
    // Nor in the place of another function.
    let found = extracted("auth := x { x := upper(\"t\") with upper as http.send }", request(&vec![], "", None));
    assert_eq!(found, "compile: 2:43: use of undefined variable `http` is unsafe");
}

#[test]
fn what_the_documents_show_wrongly_says_how_to_write_it() {
    for module in ["import time\nauth := time.now_ns()", "auth := hmac.sha256(\"a\", \"b\")"] {
        let found = extracted(module, request(&vec![], "", None));
        assert!(found.contains("time.now_ns") && found.contains("crypto.hmac.sha256") && found.starts_with("compile: 2:"), "{found}");
    }
}

#[test]
fn a_condition_is_never_dropped() {
    // Version 1 but for the last line, and version 0 as a whole, where `if` would be a rule.
    let headers: Headers = vec![];
    let found = extracted("auth = {\"token\": \"t\"} if {\n  input.request.method == \"X\"\n}\nold { true }", request(&headers, "", None));
    assert_eq!(found, "compile: 5:5: `if` keyword is required before rule body");
    let found = extracted("import future.keywords.in\nauth = {\"token\": \"t\"} if {\n  false\n}\nold { true }", request(&headers, "", None));
    assert!(found.starts_with("compile: 3:23: `if` is a keyword of version 1"), "{found}");
    let found = extracted("import future.keywords.if\nauth = {\"token\": \"t\"} if old\nold { true }", request(&headers, "", None));
    assert_eq!(found, "t");
}

fn generator(module: &str) -> Generator {
    Generator::compile(&format!("package proxy\n{module}\n")).unwrap_or_else(|error| panic!("{module}: {error}"))
}

fn generated(module: &str, data: &[(&str, &str)], request: Option<Request<'_>>) -> String {
    let data = Data::new(data.iter().map(|(key, value)| (*key, value.as_bytes())));
    match generator(module).generate(request, &data) {
        Ok(found) => {
            let entries: Vec<String> = found.entries.iter().map(|(name, value)| format!("{name}={}", value.expose())).collect();
            format!("{:?} {}", found.place, entries.join(","))
        }
        Err(error) => format!("error: {error}"),
    }
}

#[test]
fn generators() {
    let headers: Headers = vec![("X-User", "joe")];
    let data = [("username", "admin"), ("password", "p:w ü"), ("token", "tok"), ("lines", "a\r\nb")];
    let check = |module: &str, expect: &str| {
        let found = generated(module, &data, Some(request(&headers, "", None)));
        assert_eq!(found, expect, "{module}");
    };
    check(r#"auth = {"position": "header", "auth": {"Authorization": concat(" ", ["Bearer", input.data.token])}}"#, "Header Authorization=Bearer tok");
    check(
        r#"auth = {"position": "header", "auth": {"Authorization": concat(" ", ["Basic", base64.encode(concat(":", [input.data.username, input.data.password]))])}}"#,
        "Header Authorization=Basic YWRtaW46cDp3IMO8",
    );
    check(r#"auth = {"position": "query", "auth": {"b": input.data.token, "a": "1"}}"#, "Query a=1,b=tok");
    check(r#"auth = {"position": "body", "auth": {"t": input.data.token}}"#, "JsonBody t=tok");
    check(r#"auth = {"position": "body", "contentType": "application/json; charset=utf-8", "auth": {"t": input.data.token}}"#, "JsonBody t=tok");
    check(r#"auth = {"position": "body", "contentType": "application/x-www-form-urlencoded", "auth": {"t": "x"}}"#, "FormBody t=x");
    check(
        r#"auth = {"position": "header", "auth": {"X-Signature": crypto.hmac.sha256(input.request.headers["X-User"][0], "k"), "X": "1"}}"#,
        "Header X=1,X-Signature=578f5ffdaa564b2d05e45c4d7d89300bb21b10152cb9594545f6e8360d127ee4",
    );
    check(r#"auth = {"position": "cookie", "auth": {}}"#, "error: rule data.proxy.auth: position must be header, query or body");
    check(r#"auth = {"auth": {}}"#, "error: rule data.proxy.auth: position is missing");
    check(r#"auth = {"position": "header"}"#, "error: rule data.proxy.auth: auth must be an object of strings");
    check(r#"auth = {"position": "header", "auth": {"A": 1}}"#, "error: rule data.proxy.auth: auth must be an object of strings");
    check(r#"auth = {"position": "header", "auth": {"A B": "1"}}"#, "error: rule data.proxy.auth: auth has a name that no header can have");
    check(
        r#"auth = {"position": "header", "auth": {"A": input.data.lines}}"#,
        "error: rule data.proxy.auth: auth has a value that no header can have, such as one with a line break",
    );
    check(
        r#"auth = {"position": "body", "contentType": "text/xml", "auth": {}}"#,
        "error: rule data.proxy.auth: contentType must be application/json or application/x-www-form-urlencoded",
    );
}

#[test]
fn static_generators() {
    let check = |module: &str, expect: bool| assert_eq!(generator(module).is_static(), expect, "{module}");
    check(r#"auth = {"position": "header", "auth": {"A": input.data.token}}"#, true);
    check(r#"auth = {"position": "header", "auth": {"A": "b"}}"#, true);
    check(r#"auth = {"position": "header", "auth": {"A": time.format(0)}}"#, true);
    check(r#"auth = {"position": "header", "auth": {"A": sprintf("%d", [time.now_ns()])}}"#, false);
    check(r#"auth = {"position": "header", "auth": {"A": uuid.rfc4122("x")}}"#, false);
    check(r#"auth = {"position": "header", "auth": {"A": sprintf("%d", [rand.intn("x", 9)])}}"#, false);
    check(r#"auth = {"position": "header", "auth": {"A": input.request.method}}"#, false);
    check(r#"auth = {"position": "header", "auth": input[x]} { x := "data" }"#, false);
}

#[test]
fn permissions() {
    let headers: Headers = vec![];
    let check = |module: &str, expect: Result<Verb, &str>| {
        let permissions = Permissions::compile(&format!("package permissions\n{module}\n")).unwrap();
        let found = permissions.verb(request(&headers, "", None)).map_err(|error| error.to_string());
        assert_eq!(found, expect.map_err(str::to_owned), "{module}");
    };
    check(r#"result = {"verb": "read"}"#, Ok(Verb::Read));
    check(r#"result := {"verb": "write"} if input.request.method == "GET""#, Ok(Verb::Write));
    check(r#"result := {"verb": "delete"} if startswith(input.request.path, "/api/")"#, Ok(Verb::Delete));
    check(r#"result = {"verb": ""}"#, Ok(Verb::ByMethod));
    check(r#"result = {"verb": "list"}"#, Err("rule data.permissions.result: verb must be read, write, delete or empty"));
}

#[test]
fn what_is_read() {
    let check = |module: &str, expect: &str| {
        let rego = Rego::compile(&format!("package proxy\n{module}\n"), "data.proxy.auth", Dialect::Either).unwrap_or_else(|error| panic!("{module}: {error}"));
        let reads = rego.reads();
        let part = |name: &str, part: &Part| match part {
            Part::None => None,
            Part::All => Some(name.to_owned()),
            Part::Keys(keys) => Some(format!("{name}[{}]", keys.iter().cloned().collect::<Vec<_>>().join("+"))),
        };
        let flag = |name: &str, read: bool| read.then(|| name.to_owned());
        let found: Vec<String> = [
            part("headers", &reads.headers),
            part("query", &reads.query),
            flag("body", reads.body),
            flag("method", reads.method),
            flag("path", reads.path),
            flag("host", reads.host),
            flag("data", reads.data),
        ]
        .into_iter()
        .flatten()
        .collect();
        assert_eq!(found.join(" "), expect, "{module}");
    };
    let request = "headers query body method path host";
    let all = "headers query body method path host data";
    check("auth := 1", "");
    check(r#"auth := input.request.headers["A"][0]"#, "headers[A]");
    check(r#"auth := input["request"]["headers"].A"#, "headers[A]");
    check("auth := [input.request.headers.A, input.request.headers.B, input.request.query.q]", "headers[A+B] query[q]");
    check("auth := input.request.headers", "headers");
    check("auth := [v | some v in input.request.headers]", "headers");
    check("auth := input.request.headers[x] if { x := \"A\" }", "headers");
    check("auth := input.request.body.a.b", "body");
    check("auth := [input.request.method, input.request.path, input.request.host, input.data.x]", "method path host data");
    check("auth := 1 if { input.request.headers != null; input.request.headers.A != null }", "headers[A]");
    check("auth := input.request.query == null", "query[]");
    check("auth := 1 if { input.request != null }", request);
    check("auth := input.request", request);
    check("auth := input.request[x] if { x := \"body\" }", request);
    check("auth := input", all);
    check("auth := input[x] if { x := \"data\" }", all);
    check("auth := x if { walk(input, [_, x]) }", all);
    check("auth := x if { some y in [input]; x := y.request.body }", all);
    check("import input.request as req\nauth := req.method", "method");
    check("import input.request\nauth := request.body", "body");
    check("import input as i\nauth := i.data.x", "data");
    check("f(r) := r.body\nauth := f(input.request)", request);
    check("auth := 1 if { f with input as {} }\nf := 1", all);
    check("auth = x { x := input.request.path } else = y { y := input.request.host }", "path host");
    check("default auth := 1\nauth := 2 if { every h in input.request.headers.A { h == input.request.query.b } }", "headers[A] query[b]");
    check("auth := 1 if { not input.request.body }", "body");
    check("unused := input.request.body\nauth := 1", "body");
}

#[test]
fn no_secret_is_told() {
    let headers: Headers = vec![("X-Token", CANARY)];
    let request = request(&headers, CANARY, None);
    let data = Data::new([("token", CANARY.as_bytes()), (CANARY, CANARY.as_bytes())]);
    let modules = [
        "auth = input.data.token",
        "auth = {\"position\": input.data.token}",
        "auth = {\"position\": \"body\", \"contentType\": input.data.token, \"auth\": {}}",
        "auth = {\"position\": \"header\", \"auth\": {concat(\"\\n\", [input.data.token]): 1}}",
        "auth = {\"position\": \"header\", \"auth\": {\"A\": concat(\"\\n\", [input.data.token, \"\"])}}",
        "auth = {\"position\": \"header\", \"auth\": {concat(\" \", [input.data.token, \"\"]): \"1\"}}",
        "auth := input.data.token\nauth := input.request.headers[\"X-Token\"][0] + 1\nauth := 2",
        "f(x) := x\nf(x) := concat(x, [x, x])\nauth := f(input.data.token)",
        "f(x) := v if { some v in input.data } \nauth := [f(1), upper(input.data.token)]",
        "auth := {input.data.token: v | some v in [input.data.token, 1]}",
        "auth := numbers.range(1, count(input.data.token) * 100000000)",
        "auth := x if { print(input.data.token); trace(input.data.token); x := json.unmarshal(input.data.token) }",
        "auth := input.data[input.data.token][0]",
    ];
    for module in modules {
        let generator = generator(module);
        let error: EvalError = generator.generate(Some(request), &data).map(|found| panic!("{module}: {found:?}")).unwrap_err();
        let told = format!("{error} {error:?} {generator:?} {data:?}");
        assert!(!told.contains(CANARY), "{module}: {told}");
    }
    let found = generator("auth = {\"position\": \"query\", \"auth\": {\"a\": input.data.token}}").generate(None, &data).unwrap();
    assert!(!format!("{found:?}").contains(CANARY));
    assert_eq!((found.place, found.entries[0].1.expose()), (Place::Query, CANARY));
}

#[test]
fn one_compiled_rule_is_shared() {
    fn shared<T: Send + Sync + Clone + 'static>(_: &T) {}
    let extractor = Extractor::compile("package proxy\nauth := {\"token\": upper(input.request.query.t[0])}").unwrap();
    shared(&extractor);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for number in 0..200 {
                    let query = format!("t=a{number}");
                    let token = extractor.extract(request(&vec![], &query, None)).unwrap().unwrap();
                    assert_eq!(token.expose(), format!("A{number}"));
                }
            });
        }
    });
}

#[test]
fn old_bodies_in_a_row() {
    let check = |module: &str, input: &str, expect: Option<&str>| {
        let rego = Rego::compile(&format!("package p\n{module}\n"), "data.p.x", Dialect::Either).unwrap_or_else(|error| panic!("{module}: {error}"));
        assert_eq!(rego.eval(input), Ok(expect.map(str::to_owned)), "{module} {input}");
    };
    check("x = 5 { input.a } { input.b }", r#"{"b":1}"#, Some("5"));
    check("x = 5 {\n  input.a\n} {\n  input.b\n} {\n input.c\n}", r#"{"c":1}"#, Some("5"));
    check("f(n) = 5 { n == 1 } { n == 2 }\nx = f(input.a)", r#"{"a":2}"#, Some("5"));
    check("x { input.a } { input.b }", r#"{"b":1}"#, Some("true"));
    let set = Rego::compile("package p\nx[n] { n := input.a } { n := input.b }\n", "data.p.x", Dialect::Either).unwrap_err();
    assert_eq!(set.to_string(), "2:23: else cannot be used with set rules");
}

#[test]
fn functions_of_version_0() {
    let check = |expr: &str, expect: &str| {
        let module = format!("package p\nx = {expr}\nold {{ true }}\n");
        let rego = Rego::compile(&module, "data.p.x", Dialect::Either).unwrap_or_else(|error| panic!("{expr}: {error}"));
        assert_eq!(rego.eval("{}"), Ok(Some(expect.to_owned())), "{expr}");
        let error = Rego::compile(&module.replace("old { true }", ""), "data.p.x", Dialect::V1).unwrap_err();
        assert!(error.to_string().contains("undefined function"), "{error}");
    };
    check("any([false, true])", "true");
    check("all({true, false})", "false");
    check("all([])", "true");
    check("cast_array({2, 1})", "[1,2]");
    check("cast_set([2, 1, 2])", "[1,2]");
    check("cast_string(\"a\")", "\"a\"");
    check("cast_object({\"a\": 1})", "{\"a\":1}");
    check("cast_boolean(false)", "false");
    check("cast_null(null)", "null");
    check("re_match(\"^a\\\\d$\", \"a1\")", "true");
    check("set_diff({1, 2}, {2})", "[1]");
}

#[test]
fn texts_as_go_makes_them() {
    let check = |expr: &str, expect: &str| {
        let rego = Rego::compile(&format!("package p\nx := {expr}\n"), "data.p.x", Dialect::V1).unwrap_or_else(|error| panic!("{expr}: {error}"));
        assert_eq!(rego.eval("{}"), Ok(Some(expect.to_owned())), "{expr}");
    };
    check("upper(\"straße é\")", "\"STRAßE É\"");
    check("lower(\"İÀΣ\")", "\"iàσ\"");
    check("urlquery.encode(\"a b~*é\")", "\"a+b~%2A%C3%A9\"");
    check("urlquery.encode_object({\"b\": \"1\", \"a\": [\"x y\", \"z\"]})", "\"a=x+y\\u0026a=z\\u0026b=1\"");
    check("time.format([0, \"UTC\", \"20060102T150405Z\"])", "\"19700101T000000Z\"");
    check("regex.match(`^\\w+\\s\\d$`, \"ab 1\")", "true");
    check("strings.replace_n({\"a\": \"b\", \"b\": \"c\"}, \"ab\")", "\"bc\"");
}

#[test]
fn signatures_of_tokens() {
    let signed = |algorithm: &str, key: &serde_json::Value| {
        let module = format!("package p\nx := io.jwt.encode_sign({{\"alg\": \"{algorithm}\"}}, {{\"iss\": \"joe\"}}, input)\n");
        let rego = Rego::compile(&module, "data.p.x", Dialect::V1).unwrap();
        // Reading an RSA key takes about as long, in a debug build on a busy machine, as an evaluation may take.
        let is_late = |outcome: &Result<_, EvalError>| matches!(outcome, Err(EvalError::Limit { limit: Limit::Time, .. }));
        let outcome = (0..50).map(|_| rego.eval(&key.to_string())).find(|outcome| !is_late(outcome)).expect("an evaluation within its time");
        outcome.unwrap().map(|token| token.trim_matches('"').to_owned())
    };
    // The key is for this test alone, and the signature openssl's.
    let known: serde_json::Value = serde_json::from_str(include_str!("cases/rs256.json")).unwrap();
    assert_eq!(signed("RS256", &known["jwk"]).as_deref(), known["token"].as_str());
    // RFC 7515, appendix A.3, and RFC 8037, appendix A: of the first signatures differ, of the second they don't.
    let ec = serde_json::json!({"kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0", "d": "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"});
    let es256 = signed("ES256", &ec).unwrap();
    assert_eq!(es256.split('.').map(str::len).collect::<Vec<_>>(), [20, 18, 86]);
    let ed = serde_json::json!({"kty": "OKP", "crv": "Ed25519", "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
        "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"});
    assert_eq!(signed("EdDSA", &ed), signed("EdDSA", &ed));
    assert!(signed("EdDSA", &ed).is_some() && signed("PS512", &known["jwk"]).is_some());
    for (algorithm, key) in [("RS256", &ec), ("ES256", &ed), ("ES384", &ec), ("EdDSA", &ec), ("HS256", &ec), ("none", &ec), ("", &ec)] {
        assert_eq!(signed(algorithm, key), None, "{algorithm}");
    }
}
