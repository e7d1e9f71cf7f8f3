//! Rules of classes in the data path: credentials that they make, tokens that they find.

use connectors_testkit::{Answer, Client, Http2Client, Http2Tool, Proxy, TestCa, Tool, token};

/// `Authorization: token <token>`, as Gitea has it.
const TOKEN: &str = "package proxy\nauth = {\"position\": \"header\", \"auth\": {\"Authorization\": concat(\" \", [\"token\", input.data.token])}}\n";
/// Something of the request is in it.
const BY_METHOD: &str = "package proxy\nauth = {\"position\": \"header\", \"auth\": {\"X-Auth\": concat(\" \", [input.request.method, input.data.token])}}\n";
const IN_QUERY: &str = "package proxy\nauth = {\"position\": \"query\", \"auth\": {\"access token\": input.data.token}}\n";
const IN_JSON: &str = "package proxy\nauth = {\"position\": \"body\", \"auth\": {\"token\": input.data.token}}\n";
const IN_FORM: &str =
    "package proxy\nauth = {\"position\": \"body\", \"contentType\": \"application/x-www-form-urlencoded\", \"auth\": {\"token\": input.data.token}}\n";
const SECRET: &[(&str, &str)] = &[("token", "canary-secret-5533")];

fn with(tool: &Tool, rego: &str) -> Proxy {
    Proxy::build().generated("team/git", &tool.url(), rego, SECRET).allow("builder", "team/git").start()
}

/// A request of somebody who may, with these lines and this body.
fn send(proxy: &Proxy, target: &str, lines: &str, body: &str) -> Answer {
    let method = if lines.is_empty() && body.is_empty() { "GET" } else { "POST" };
    proxy.client().send(format!("{method} {target} HTTP/1.1\r\nHost: c-git.team.svc\r\nAuthorization: Bearer {}\r\n{lines}\r\n{body}", token("builder")))
}

#[test]
fn a_rule_of_the_secret_alone_is_a_header_line_made_once() {
    let tool = Tool::echo();
    let proxy = with(&tool, TOKEN);
    assert_eq!(send(&proxy, "/x", "", "").status, 200);
    assert_eq!(tool.only().header("authorization"), ["token canary-secret-5533"]);
}

#[test]
fn a_rule_that_reads_the_request_is_evaluated_for_each() {
    let tool = Tool::echo();
    let proxy = with(&tool, BY_METHOD);
    assert_eq!(send(&proxy, "/x", "", "").status, 200);
    assert_eq!(send(&proxy, "/x", "Content-Length: 2\r\nX-Auth: mine\r\nx_auth: mine\r\nX-AUTH: mine\r\n", "ab").status, 200);
    let seen: Vec<_> = tool.seen().iter().map(|seen| (seen.header("x-auth").join(","), seen.header("x_auth").len(), seen.body.clone())).collect();
    assert_eq!(seen, [("GET canary-secret-5533".into(), 0, vec![]), ("POST canary-secret-5533".into(), 0, b"ab".to_vec())]);
}

#[test]
fn a_rule_sees_the_request_as_the_tool_gets_it() {
    let tool = Tool::echo();
    let rego = "package proxy\nauth = {\"position\": \"header\", \"auth\": {\"X-Seen\": json.marshal(input.request)}}\n";
    let proxy = Proxy::build().generated("team/git", &format!("{}/base", tool.url()), rego, &[]).allow("builder", "team/git").start();
    let token = token("builder");
    send(&proxy, &format!("/x?a=1&t={token}"), &format!("X-A: 1\r\nX-B: {token}\r\nConnection: x-c\r\nX-C: 1\r\nAccept: y\r\n"), "");
    let expect = format!(r#"{{"headers":{{"Accept":["y"],"X-A":["1"]}},"host":"{}","method":"POST","path":"/base/x","query":{{"a":["1"]}}}}"#, tool.address());
    assert_eq!(tool.only().header("x-seen"), [expect]);
}

#[test]
fn conditions_choose_by_key_and_by_time() {
    let rego = "package proxy\nauth = {\"position\": \"header\", \"auth\": {\"X-Key\": input.data.key}} { input.data.kind == \"key\" }\n\
                auth = {\"position\": \"header\", \"auth\": {\"X-Time\": sprintf(\"%d\", [time.now_ns()])}} { input.data.kind == \"time\" }\n";
    let tool = Tool::echo();
    let build =
        |kind| Proxy::build().generated("team/git", &tool.url(), rego, &[("kind", kind), ("key", "canary-k-9917")]).allow("builder", "team/git").start();
    for kind in ["key", "time", "time"] {
        assert_eq!(send(&build(kind), "/", "", "").status, 200, "{kind}");
    }
    let seen = tool.seen();
    assert_eq!((seen[0].header("x-key"), seen[0].header("x-time").len()), (vec!["canary-k-9917"], 0));
    let times: Vec<i128> = seen[1..].iter().map(|seen| seen.header("x-time")[0].parse().unwrap()).collect();
    assert!(times[0] < times[1] && seen[1].header("x-key").is_empty(), "{times:?}");
}

#[test]
fn a_parameter_replaces_all_of_its_name() {
    let tool = Tool::echo();
    let proxy = with(&tool, IN_QUERY);
    for (target, expect) in [
        ("/x", "/x?access%20token=canary-secret-5533"),
        ("/x?", "/x?access%20token=canary-secret-5533"),
        ("/x?a=%2F+b&access+token=1&%61ccess%20token&b", "/x?a=%2F+b&b&access%20token=canary-secret-5533"),
        ("/x?a=1;access%20token=x&b=access+token", "/x?b=access+token&access%20token=canary-secret-5533"),
    ] {
        assert_eq!(send(&proxy, target, "", "").status, 200);
        assert_eq!(tool.seen().last().unwrap().target(), expect, "{target}");
    }
}

#[test]
fn a_body_gets_the_credential() {
    let tool = Tool::echo();
    let json = "Content-Type: application/json\r\n";
    let chunked = "5\r\n{\"a\":\r\n3\r\n 1}\r\n0\r\nX-Trailer: x\r\n\r\n";
    for (rego, lines, body, kind, expect) in [
        (IN_JSON, "", "", "application/json", r#"{"token":"canary-secret-5533"}"#),
        (IN_JSON, "Content-Type: text/plain\r\nContent-Length: 0\r\n", "", "application/json", r#"{"token":"canary-secret-5533"}"#),
        (IN_JSON, &format!("{json}Content-Length: 21\r\n"), r#"{"token":"x","a":1.0}"#, "application/json", r#"{"a":1.0,"token":"canary-secret-5533"}"#),
        (
            IN_JSON,
            &format!("{json}Transfer-Encoding: chunked\r\nTrailer: X-Trailer\r\n"),
            chunked,
            "application/json",
            r#"{"a": 1,"token":"canary-secret-5533"}"#,
        ),
        (IN_FORM, "", "", "application/x-www-form-urlencoded", "token=canary-secret-5533"),
        (
            IN_FORM,
            "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 14\r\n",
            "a=%26&%74oken=",
            "application/x-www-form-urlencoded",
            "a=%26&token=canary-secret-5533",
        ),
    ] {
        let proxy = with(&tool, rego);
        assert_eq!(send(&proxy, "/", lines, body).status, 200, "{lines}{body}");
        let seen = tool.seen().pop().unwrap();
        assert_eq!((String::from_utf8(seen.body.clone()).unwrap().as_str(), seen.header("content-type")), (expect, vec![kind]));
        assert_eq!(seen.header("content-length"), [expect.len().to_string()]);
        assert!(seen.header("transfer-encoding").is_empty() && seen.header("trailer").is_empty() && !seen.head.contains("x-trailer"), "{}", seen.head);
    }
}

#[test]
fn a_body_that_has_no_room_for_it_is_refused_after_the_permission() {
    let tool = Tool::echo();
    let json = "Content-Type: application/json\r\n";
    let proxy = Proxy::build()
        .generated("team/git", &tool.url(), IN_JSON, SECRET)
        .allow("builder", "team/git")
        .settings(|settings| settings.max_rego_body_bytes = 16)
        .start();
    let at_limit = r#"{"a":"123456789"}"#;
    for (lines, body, status, reason) in [
        (format!("{json}Content-Length: 2\r\n"), "[]", 400, "BadRequest"),
        ("Content-Type: text/plain\r\nContent-Length: 2\r\n".into(), "{}", 400, "BadRequest"),
        (format!("{json}Content-Encoding: gzip\r\nContent-Length: 2\r\n"), "{}", 400, "BadRequest"),
        (format!("{json}Content-Type: text/plain\r\nContent-Length: 2\r\n"), "{}", 400, "BadRequest"),
        (format!("{json}Content-Length: 17\r\n"), at_limit, 413, "RequestEntityTooLarge"),
        (format!("{json}Transfer-Encoding: chunked\r\n"), "11\r\n{\"a\":\"123456789\"}\r\n0\r\n\r\n", 413, "RequestEntityTooLarge"),
        ("Connection: Upgrade\r\nUpgrade: websocket\r\n".into(), "", 400, "BadRequest"),
    ] {
        let answer = send(&proxy, "/", &lines, body);
        assert_eq!((answer.status, answer.reason()), (status, reason), "{lines}{body}");
        let text = answer.text();
        assert!(text.contains(&format!("\"code\":{status}")) && text.contains(&format!("\"reason\":\"{reason}\"")), "{text}");
        // A stranger gets as far as without any body.
        let stranger = proxy.client().send(format!("POST / HTTP/1.1\r\nHost: c-git.team.svc\r\nAuthorization: Bearer x\r\n{lines}\r\n"));
        assert_eq!(stranger.status, 401, "{lines}");
    }
    assert_eq!(send(&proxy, "/", &format!("{json}Transfer-Encoding: chunked\r\n"), "10\r\n{\"a\":\"12345678\"}\r\n0\r\n\r\n").status, 200);
    assert_eq!(tool.only().body, br#"{"a":"12345678","token":"canary-secret-5533"}"#);
}

#[test]
fn a_body_that_waits_to_be_asked_for_is_asked_for() {
    let tool = Tool::echo();
    let proxy = with(&tool, IN_JSON);
    let mut client: Client = proxy.client();
    client.write(format!(
        "POST / HTTP/1.1\r\nHost: c-git.team.svc\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n",
        token("builder")
    ));
    assert_eq!(client.answer_head("POST").status, 100);
    client.write("{}");
    assert_eq!(client.answer("POST").status, 200);
    assert!(tool.only().header("expect").is_empty());
}

#[test]
fn over_http2_on_either_side_it_is_the_same() {
    let ca = TestCa::default();
    let modern = Http2Tool::serving(&ca, "127.0.0.1", |call| {
        let (length, body) = (call.header("content-length").unwrap_or_default().to_owned(), call.rest());
        let text = format!("{length} {} {}", body.text(), body.trailers.len());
        let _ = call.answer(http::StatusCode::OK, &[], false);
        let _ = call.write(text);
        call.finish(&[]);
    });
    let plain = Tool::answering(|seen| {
        let text = format!("{} {} 0", seen.header("content-length").join(","), String::from_utf8_lossy(&seen.body));
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{text}", text.len()).into_bytes()
    });
    let proxy = Proxy::build()
        .generated("team/plain", &plain.url(), IN_JSON, SECRET)
        .generated("team/modern", &modern.url(), IN_JSON, SECRET)
        .trusting(ca.der())
        .generated("team/query", &plain.url(), IN_QUERY, SECRET)
        .allow("builder", "team/plain")
        .allow("builder", "team/modern")
        .allow("builder", "team/query")
        .settings(|settings| settings.max_rego_body_bytes = 64 * 1024)
        .start();
    let client = Http2Client::connect(proxy.address());
    let bearer = format!("Bearer {}", token("builder"));
    for name in ["plain", "modern"] {
        for (size, status) in [(10, 200), (64 * 1024 - 8, 200), (64 * 1024 - 7, 413)] {
            let body = format!("{{\"a\":\"{}\"}}", "x".repeat(size));
            let fields = [("authorization", bearer.as_str()), ("content-type", "application/json")];
            let mut exchange = client.begin("POST", &format!("http://c-{name}.team.svc/x"), &fields, false);
            for piece in body.as_bytes().chunks(10_000) {
                exchange.write(piece.to_vec()).unwrap();
            }
            exchange.finish(&[("x-sum", "7")]);
            assert_eq!(exchange.head().unwrap().status, status, "{name} {size}");
            let expect = format!("{},\"token\":\"canary-secret-5533\"}}", &body[..body.len() - 1]);
            let answer = exchange.rest().text();
            assert!(status == 413 || answer == format!("{} {expect} 0", expect.len()), "{name} {size} {answer:.200}");
        }
    }
    let (head, _) = client.get("http://c-query.team.svc/x?access%20token=1", &[("authorization", &bearer)]);
    assert_eq!(head.status, 200);
    assert_eq!(plain.seen().last().unwrap().target(), "/x?access%20token=canary-secret-5533");
}

#[test]
fn p06_what_a_rule_makes_of_a_request_cannot_end_a_line_or_set_what_is_the_proxys() {
    let from = |name: &str, value: &str| format!("package proxy\nauth = {{\"position\": \"header\", \"auth\": {{{name}: {value}}}}}\n");
    let query = "input.request.query.v[0]";
    for (rego, target) in [
        (from("\"X-A\"", query), "/?v=a%0D%0AX-B:%20c"),
        (from("\"X-A\"", query), "/?v=a%0A"),
        (from("\"X-A\"", query), "/?v=a%00"),
        (from(query, "\"a\""), "/?v=X-A:%20b%0D%0AX-C"),
        (from(query, "\"a\""), "/?v="),
        (from(query, "\"a\""), "/?v=Host"),
        (from(query, "\"a\""), "/?v=content_LENGTH"),
        (from(query, "\"a\""), "/?v=Transfer-Encoding"),
        (from(query, "\"a\""), "/?v=connection"),
        (from(query, "\"a\""), "/?v=Keep-Alive"),
        (from(query, "\"a\""), "/?v=TE"),
        (from(query, "\"a\""), "/?v=Upgrade"),
        (from(query, "\"a\""), "/?v=X-Forwarded-For"),
        (from(query, "\"a\""), "/?v=x_forwarded_host"),
        (from(query, "\"a\""), "/?v=Via"),
        (from(query, "\"a\""), "/?v=Proxy-Authorization"),
    ] {
        let tool = Tool::echo();
        let proxy = with(&tool, &rego);
        let answer = send(&proxy, target, "", "");
        assert_eq!((answer.status, answer.reason()), (502, "InjectionFailed"), "{target}");
        assert!(!answer.text().contains("generator.rego"), "{}", answer.text());
        assert!(tool.seen().is_empty());
        drop(answer);
        let mut proxy = proxy;
        proxy.stop();
        assert!(proxy.records().contains(r#"ConnectorClass \"test\", generator.rego: "#), "{}", proxy.records());
    }
    // In the query and in a body anything can be a value.
    let tool = Tool::echo();
    let proxy = with(&tool, "package proxy\nauth = {\"position\": \"query\", \"auth\": {\"t\": input.request.query.v[0]}}\n");
    assert_eq!(send(&proxy, "/?v=a%0D%0A%26b%3Dc%20HTTP/1.1", "", "").status, 200);
    assert_eq!(tool.only().target(), "/?v=a%0D%0A%26b%3Dc%20HTTP/1.1&t=a%0D%0A%26b%3Dc%20HTTP%2F1.1");
}

#[test]
fn p31_a_rule_that_makes_nothing_ends_the_request_and_no_other() {
    let tool = Tool::echo();
    let of = |condition: &str| format!("package proxy\nauth = {{\"position\": \"header\", \"auth\": {{\"X-A\": input.data.token}}}} {{ {condition} }}\n");
    for (rego, why) in [
        (of("input.request.method == \"PUT\""), "is undefined"),
        (of("count([1 | numbers.range(1, 100000)[_]; numbers.range(1, 100000)[_]]) == input.request.query.n"), "rule data.proxy.auth: "),
        (format!("{}auth = {{\"position\": \"query\", \"auth\": {{}}}} {{ input.request.path }}\n", of("true")), "has several values"),
        ("package proxy\nauth = {\"position\": input.request.method, \"auth\": {}}\n".into(), "position must be header, query or body"),
        ("package proxy\nauth = {\"position\": \"header\", \"auth\": {\"X\": 1}}\n".into(), "auth must be an object of strings"),
    ] {
        let mut proxy = Proxy::build()
            .generated("team/git", &tool.url(), &rego, SECRET)
            .basic("team/other", &tool.url(), "u", "canary-p")
            .allow("builder", "team/git")
            .allow("builder", "team/other")
            .start();
        let answer = send(&proxy, "/", "", "");
        assert_eq!((answer.status, answer.reason()), (502, "InjectionFailed"), "{rego}");
        assert!(!answer.text().contains(why), "{}", answer.text());
        let other = format!("GET / HTTP/1.1\r\nHost: c-other.team.svc\r\nAuthorization: Bearer {}\r\n\r\n", token("builder"));
        assert_eq!(proxy.client().send(other).status, 200);
        proxy.stop();
        assert!(proxy.records().contains(why), "{why}: {}", proxy.records());
    }
    assert_eq!(tool.seen().len(), 5, "those to the other");
}

/// The token in Private-Token, or in `?access_token=`; none if there is neither.
const EXTRACT: &str = "package proxy\n\
    default found = \"\"\n\
    found = input.request.headers[\"Private-Token\"][0]\n\
    found = input.request.query.access_token[0] { not input.request.headers[\"Private-Token\"] }\n\
    auth = {\"token\": found}\n";

fn extracting(tool: &Tool, rego: &str) -> Proxy {
    Proxy::build()
        .basic("team/git", &tool.url(), "bot", "canary-password")
        .extracting(rego)
        .basic("team/plain", &tool.url(), "bot", "canary-password")
        .allow("builder", "team/git")
        .allow("builder", "team/plain")
        .start()
}

fn get(proxy: &Proxy, host: &str, target: &str, lines: &str) -> Answer {
    proxy.client().send(format!("GET {target} HTTP/1.1\r\nHost: {host}.team.svc\r\n{lines}\r\n"))
}

#[test]
fn a_token_is_found_where_the_rule_says_and_taken_off() {
    let tool = Tool::echo();
    let proxy = extracting(&tool, EXTRACT);
    let token = token("builder");
    for (target, lines) in [
        ("/x?a=1".into(), format!("PRIVATE-TOKEN: {token}\r\n")),
        ("/x?a=1".into(), format!("Private-Token: {token}\r\nAuthorization: Basic other\r\n")),
        (format!("/x?access_token={token}&a=1"), String::new()),
        ("/x?a=1".into(), format!("Authorization: Bearer {token}\r\n")),
    ] {
        let answer = get(&proxy, "c-git", &target, &lines);
        assert_eq!(answer.status, 200, "{target} {lines} {}", answer.text());
        let seen = tool.seen().pop().unwrap();
        assert!(!seen.head.contains(&token), "{}", seen.head);
        assert_eq!((seen.target(), seen.header("authorization").len(), seen.header("private-token").len()), ("/x?a=1", 1, 0));
    }
    assert_eq!(get(&proxy, "c-plain", "/", &format!("Private-Token: {token}\r\n")).status, 401, "another class has no such rule");
}

#[test]
fn whoever_may_not_use_a_connector_learns_nothing_from_its_rule() {
    let tool = Tool::echo();
    let (good, unknown) = (token("builder"), token("nobody"));
    for rego in [EXTRACT, "package proxy\nauth = {\"token\": input.request.headers[\"Private-Token\"][0]}\n"] {
        let mut proxy = extracting(&tool, rego);
        for (target, lines) in [
            ("/", String::new()),
            ("/", "Private-Token: x\r\n".into()),
            ("/", format!("Private-Token: {unknown}\r\n")),
            ("/", format!("Private-Token: {unknown}\r\nAuthorization: Bearer x\r\n")),
            ("/", format!("Private-Token: x\r\nAuthorization: Bearer {unknown}\r\n")),
            ("/?access_token=x", String::new()),
            ("/", "Authorization: Bearer x\r\n".into()),
            ("/", format!("Authorization: Bearer {unknown}\r\n")),
            ("/", "Authorization: Digest x\r\n".into()),
        ] {
            let [there, absent] = ["c-git", "c-not"].map(|host| get(&proxy, host, target, &lines));
            assert_eq!((there.head.as_str(), there.text().replace("git", "not")), (absent.head.as_str(), absent.text()), "{lines}");
            assert!(there.status == 401 && there.head.contains("WWW-Authenticate: Basic realm=\"connectors\"") || there.status == 403, "{}", there.head);
        }
        // Who may use it is told: the rule counts, whatever Authorization says.
        for lines in [format!("Private-Token: x\r\nAuthorization: Bearer {good}\r\n"), format!("Private-Token: {unknown}\r\nAuthorization: Bearer {good}\r\n")]
        {
            assert_ne!(get(&proxy, "c-git", "/", &lines).status, 200, "{lines}");
        }
        proxy.stop();
        assert!(proxy.records().contains("the token that the class's rule found was not used: "), "{}", proxy.records());
    }
    assert!(tool.seen().is_empty());
}

#[test]
fn a_rule_that_finds_nothing_is_told_to_those_who_may_and_logged() {
    let tool = Tool::echo();
    let mut proxy = extracting(&tool, "package proxy\nauth = {\"token\": input.request.headers[\"Private-Token\"][0]}\n");
    let answer = get(&proxy, "c-git", "/", &format!("Authorization: Bearer {}\r\n", token("builder")));
    assert_eq!((answer.status, answer.reason()), (401, "Unauthorized"));
    assert!(answer.header("www-authenticate").is_some() && !answer.text().contains("data.proxy"), "{}", answer.text());
    assert_eq!(get(&proxy, "c-git", "/", "").status, 401);
    proxy.stop();
    let why = r#"ConnectorClass \"test\", authExtractor.rego: rule data.proxy.auth is undefined"#;
    assert_eq!(proxy.records().matches(why).count(), 2, "{}", proxy.records());
    assert!(tool.seen().is_empty());
}

#[test]
fn a_token_that_can_not_be_taken_off_is_not_used() {
    let tool = Tool::echo();
    let token = token("builder");
    for (rego, target, lines) in [
        ("trim_prefix(input.request.path, \"/bot\")", format!("/bot{token}"), String::new()),
        ("base64.decode(input.request.headers[\"X-T\"][0])", "/".into(), format!("X-T: {}\r\n", base64(&token))),
        ("concat(\"-\", [\"canary-token-of\", input.request.headers[\"X-T\"][0]])", "/".into(), "X-T: builder\r\n".into()),
    ] {
        let proxy = extracting(&tool, &format!("package proxy\nauth = {{\"token\": {rego}}}\n"));
        assert_eq!(get(&proxy, "c-git", &target, &lines).status, 401, "{rego}");
    }
    let proxy =
        extracting(&tool, "package proxy\nauth = {\"token\": split(base64.decode(split(input.request.headers.Authorization[0], \" \")[1]), \":\")[1]}\n");
    assert_eq!(get(&proxy, "c-git", "/", &format!("Authorization: Basic {}\r\n", base64(&format!("u:{token}")))).status, 200, "as Authorization is, always");
    assert_eq!(tool.only().header("authorization"), ["Basic Ym90OmNhbmFyeS1wYXNzd29yZA=="]);
}

fn base64(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}
