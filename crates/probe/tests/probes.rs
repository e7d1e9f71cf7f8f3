//! Probes against little servers, friendly and not.
#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests")]

mod world;

use std::io::{Read as _, Write as _};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use connectors_core::TrustRoots;
use connectors_crd::Subject;
use connectors_crd::probing::{Outcome, Role, Verdict};
use connectors_net::{ClientTls, Dialer, Guard, Resolve, Resolving};
use connectors_probe::{MAX_BODY_BYTES, MAX_REDIRECTS, Prober};
use connectors_testkit::{Seen, TestCa, Tool};
use serde_json::{Value, json};
use world::{CANARY, PATIENCE, SLOW, authorization, class, nobody, prober, probing, run, run_with, secret, subject};

/// An answer without a body.
fn answer(status: u16, fields: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status} X\r\n{fields}Content-Length: 0\r\n\r\n").into_bytes()
}

fn json_answer(body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

fn redirect(location: &str) -> Vec<u8> {
    answer(302, &format!("Location: {location}\r\n"))
}

/// A tool that takes [`CANARY`] and no other password.
fn strict() -> Tool {
    Tool::answering(|seen| if is_credential(seen) { answer(200, "") } else { answer(401, "WWW-Authenticate: Basic\r\n") })
}

fn is_credential(seen: &Seen) -> bool {
    seen.header("X-Token") == [CANARY] && seen.header("Authorization").len() == 1
}

fn with_credential(path: &str) -> Value {
    json!({"path": path, "httpHeaders": authorization()})
}

#[track_caller]
fn fails(outcome: Outcome, verdict: Verdict, message: &str) {
    assert_eq!(outcome, Outcome { verdict, message: message.into() });
}

#[track_caller]
fn passes(outcome: Outcome) {
    assert_eq!(outcome, Outcome { verdict: Verdict::Passed, message: String::new() });
}

#[test]
fn a_tool_says_whether_a_credential_is_good() {
    let tool = strict();
    passes(run(&tool.url(), with_credential("/user?full=1")));
    let seen = tool.only();
    assert_eq!((seen.target(), seen.header("Host")), ("/user?full=1", vec![&*tool.address().to_string()]));
    assert_eq!((seen.header("Connection"), seen.header("Accept")), (vec!["close"], vec!["*/*"]));
    assert!(seen.header("User-Agent")[0].starts_with("connectors/"), "{}", seen.head);

    let wrong = subject(&tool.url(), &probing(with_credential("/user")), Some(secret("wrong-password")));
    fails(run_with(&prober(PATIENCE), &wrong, None), Verdict::Refused, &format!("GET {}/user : 401", tool.url()));
    // Without a Secret, templates have nothing to say.
    let without = subject(&tool.url(), &probing(with_credential("/user")), None);
    assert_eq!(run_with(&prober(PATIENCE), &without, None).verdict, Verdict::Refused);
    assert!(tool.seen().last().unwrap().header("X-Token").is_empty());
}

#[test]
fn a_post_has_a_length_and_no_body() {
    let tool = strict();
    let mut http = with_credential("/");
    http["method"] = json!("POST");
    http["httpHeaders"].as_array_mut().unwrap().push(json!({"name": "User-Agent", "value": "own"}));
    passes(run(&tool.url(), http));
    let seen = tool.only();
    assert!(seen.head.starts_with("POST / HTTP/1.1\r\n") && seen.body.is_empty());
    assert_eq!((seen.header("Content-Length"), seen.header("User-Agent")), (vec!["0"], vec!["own"]));
}

#[test]
fn a_tool_proves_who_it_is() {
    let ca = TestCa::default();
    let tool = Tool::tls_echo(&ca, "127.0.0.1");
    let trusting = |trust| Subject { trust, ..subject(&tool.url(), &probing(with_credential("/")), Some(secret(CANARY))) };
    passes(run_with(&prober(PATIENCE), &trusting(TrustRoots::new(vec![ca.der().into()])), None));
    let outcome = run_with(&prober(PATIENCE), &trusting(TrustRoots::default()), None);
    let broken = |tool: &Tool, why: &str| format!("GET {}/ : there is no TLS connection: {why}", tool.url());
    fails(outcome, Verdict::NoAnswer, &broken(&tool, "the certificate is from an unknown issuer"));
    assert_eq!(tool.seen().len(), 1);
    // What it calls itself is not repeated.
    let other = Tool::tls_echo(&ca, "buy-this.example");
    let trusting = Subject { trust: TrustRoots::new(vec![ca.der().into()]), ..subject(&other.url(), &probing(with_credential("/")), Some(secret(CANARY))) };
    fails(run_with(&prober(PATIENCE), &trusting, None), Verdict::NoAnswer, &broken(&other, "the certificate is for another name"));
}

#[test]
fn p12_a_redirect_within_the_tool_keeps_the_credential() {
    let tool = Tool::answering(|seen| match seen.target() {
        "/a/b" => redirect("c?x=y"),
        _ if is_credential(seen) => answer(200, ""),
        _ => answer(401, ""),
    });
    passes(run(&tool.url(), with_credential("/a/b")));
    assert_eq!(tool.seen().iter().map(|seen| seen.target().to_owned()).collect::<Vec<_>>(), ["/a/b", "/a/c?x=y"]);
}

#[test]
fn p12_another_origin_sees_no_credential_and_neither_does_the_first_from_then_on() {
    let back = Arc::new(Mutex::new(String::new()));
    let to = back.clone();
    let other = Tool::answering(move |_| redirect(&format!("{}/back", to.lock().unwrap())));
    let leads = format!("{}/landing", other.url());
    let tool = Tool::answering(move |seen| match seen.target() {
        "/back" => answer(200, ""),
        _ => redirect(&leads),
    });
    back.lock().unwrap().push_str(&tool.url());
    passes(run(&tool.url(), with_credential("/")));
    let seen = other.only();
    assert_eq!(seen.target(), "/landing");
    // Another port is another origin (scheme, host, port).
    assert_eq!(tool.address().ip(), other.address().ip());
    for seen in [&seen, tool.seen().last().unwrap()] {
        assert!(seen.header("Authorization").is_empty() && seen.header("X-Token").is_empty() && seen.header("Referer").is_empty(), "{}", seen.head);
        connectors_testkit::assert_absent("a request to another origin", &seen.head, &[CANARY]);
    }
    assert!(is_credential(&tool.seen()[0]));
}

#[test]
fn p12_a_redirect_can_be_the_answer() {
    let tool = Tool::answering(|_| redirect("http://127.0.0.1:1/"));
    let mut http = with_credential("/");
    http["disableRedirect"] = json!(true);
    fails(run(&tool.url(), http.clone()), Verdict::Failed, &format!("GET {}/ : 302", tool.url()));
    http["response"] = json!({"cel": "response.statusCode == 302 && response.headers['location'][0].startsWith('http://127.0.0.1')"});
    passes(run(&tool.url(), http));
    assert_eq!(tool.seen().len(), 2);
}

#[test]
fn redirects_change_the_method_as_clients_do() {
    for (status, expect) in [(301, "GET"), (302, "GET"), (303, "GET"), (307, "POST"), (308, "POST")] {
        let tool = Tool::answering(move |seen| match seen.target() {
            "/" => answer(status, "Location: /next\r\n"),
            _ => answer(200, ""),
        });
        let mut http = with_credential("/");
        http["method"] = json!("POST");
        passes(run(&tool.url(), http));
        assert!(tool.seen()[1].head.starts_with(&format!("{expect} /next ")), "{status}");
    }
    // These are no redirects.
    for (status, location) in [(300, "Location: /next\r\n"), (304, "Location: /next\r\n"), (302, "")] {
        let tool = Tool::answering(move |_| answer(status, location));
        fails(run(&tool.url(), with_credential("/")), Verdict::Failed, &format!("GET {}/ : {status}", tool.url()));
    }
}

#[test]
fn redirects_come_to_an_end() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let tool = Tool::answering(move |_| redirect(&format!("/{}", count.fetch_add(1, Ordering::SeqCst))));
    fails(run(&tool.url(), with_credential("/")), Verdict::NoAnswer, &format!("GET {}/ : more than 10 redirects", tool.url()));
    assert_eq!(asked.load(Ordering::SeqCst), MAX_REDIRECTS + 1);
    for (location, why) in [
        ("https://user:pw@tool.example/", "it redirects to a URL with user information"),
        ("file:///etc/passwd", "it redirects to something else than http or https"),
        ("http://", "it redirects to what is no URL"),
    ] {
        let tool = Tool::answering(move |_| redirect(location));
        fails(run(&tool.url(), with_credential("/")), Verdict::NoAnswer, &format!("GET {}/ : 302 : {why}", tool.url()));
    }
}

#[test]
fn p18_a_redirect_leads_to_no_private_address() {
    let inside = Tool::echo();
    let port = inside.address().port();
    let locations = ["http://169.254.169.254/latest/meta-data", "http://[fd00:ec2::254]/", "http://10.1.2.3/", "http://192.168.1.1/", "http://[::1]:1/"];
    let locations = locations.into_iter().map(str::to_owned).chain([format!("http://localhost:{port}/"), format!("http://127.0.0.2:{port}/")]);
    for location in locations {
        let tool = Tool::answering(move |_| redirect(&location));
        let expect = format!("GET {}/, redirected to another host : the host leads to an address that may not be reached (--allow-address)", tool.url());
        fails(run(&tool.url(), with_credential("/")), Verdict::NoAnswer, &expect);
    }
    assert_eq!(inside.connections(), 0);
}

/// Says of every name that it has an address, and another one for whoever asks again.
struct Moving(AtomicUsize);

impl Resolve for Moving {
    fn resolve<'a>(&'a self, _: &'a str) -> Resolving<'a> {
        // The second is reserved (RFC 5737), and a Connector's own name may lead there.
        let addresses = ["127.0.0.1", "192.0.2.1"];
        let address = addresses[self.0.fetch_add(1, Ordering::SeqCst).min(1)].parse().unwrap();
        Box::pin(async move { Ok(vec![address]) })
    }
}

#[test]
fn p18_a_name_that_moves_takes_no_redirect_to_a_private_address() {
    let tool = Tool::answering(|seen| {
        // Longer than names are remembered.
        std::thread::park_timeout(Duration::from_millis(5500));
        redirect(&format!("http://{}:9/", seen.header("Host")[0].split(':').next().unwrap()))
    });
    let guard = Guard::new(["127.0.0.1".parse().unwrap()]);
    let dialer = Dialer::with_resolver(guard, ClientTls::without_system_roots(), PATIENCE, Moving(AtomicUsize::new(0)));
    let url = format!("http://tool.example:{}", tool.address().port());
    let outcome = run_with(&Prober::new(dialer, PATIENCE), &subject(&url, &probing(with_credential("/")), Some(secret(CANARY))), None);
    let expect = format!("GET {url}/, redirected to http://tool.example:9 : the host leads to an address that may not be reached (--allow-address)");
    fails(outcome, Verdict::NoAnswer, &expect);
}

#[test]
fn p23_where_a_hostile_tool_redirects_to_is_not_repeated() {
    // The path, and a host that is the password itself.
    for location in [format!("http://127.0.0.2/{CANARY}?{CANARY}"), format!("http://{CANARY}.example.invalid/")] {
        let tool = Tool::answering(move |_| redirect(&location));
        let outcome = run(&tool.url(), with_credential("/"));
        assert_eq!(outcome.verdict, Verdict::NoAnswer);
        assert!(!outcome.message.contains(CANARY), "{}", outcome.message);
    }
}

#[test]
fn conditions_look_into_answers() {
    let cel = json!({"cel": "response.statusCode == 200 && response.body.valid == true && response.headers['Content-Type'][0] == 'application/json'"});
    let http = |url: &str| {
        let mut http = with_credential("/api/authentication/validate");
        http["response"] = cel.clone();
        run(url, http)
    };
    passes(http(&Tool::answering(|_| json_answer(r#"{"valid": true}"#)).url()));
    let tool = Tool::answering(|_| json_answer(r#"{"valid": false}"#));
    let shown = |tool: &Tool| format!("GET {}/api/authentication/validate : 200, and spec.authProbes[0].probe.http.response.cel", tool.url());
    fails(http(&tool.url()), Verdict::Refused, &format!("{} is false", shown(&tool)));
    let tool = Tool::answering(|_| json_answer("[]"));
    fails(http(&tool.url()), Verdict::Invalid, &format!("{}: no such overload", shown(&tool)));
    // Chunked, and after an interim answer.
    let chunked = "HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n{\"valid\"\r\n7\r\n: true}\r\n0\r\n\r\n";
    passes(http(&Tool::answering(move |_| chunked.into()).url()));
}

#[test]
fn p31_a_body_without_end_is_read_to_its_limit() {
    let tool = Tool::raw(|stream| {
        let mut request = [0; 1024];
        let _ = stream.read(&mut request);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        let chunk = [b"8000\r\n".as_slice(), &[b'x'; 0x8000], b"\r\n"].concat();
        // Until the prober has had enough.
        while stream.write_all(&chunk).is_ok() {}
    });
    let mut http = with_credential("/");
    http["response"] = json!({"cel": format!("size(response.bodyString) == {MAX_BODY_BYTES}")});
    passes(run(&tool.url(), http));
    // Where nobody looks at the body, nobody waits for it.
    passes(run(&tool.url(), with_credential("/")));
    tool.wait_closed(2);
}

#[test]
fn nobody_waits_for_the_body_of_a_redirect() {
    let tool = Tool::answering(|seen| match seen.target() {
        // Of which nothing comes.
        "/" => b"HTTP/1.1 302 Found\r\nLocation: /next\r\nContent-Length: 1000\r\n\r\n".to_vec(),
        _ => json_answer("true"),
    });
    let mut http = with_credential("/");
    http["response"] = json!({"cel": "response.body == true"});
    passes(run(&tool.url(), http));
}

#[test]
fn slow_tools_are_given_up() {
    let brief = Duration::from_millis(300);
    // Says nothing; says a byte now and then; leads on and on, each time a little late.
    let silent = Tool::raw(|stream| {
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let dripping = Tool::raw(|stream| {
        let mut request = [0; 1024];
        let _ = stream.read(&mut request);
        for byte in b"HTTP/1.1 200 OK\r\nX: ".iter().chain(std::iter::repeat_n(&b'y', 10_000)) {
            std::thread::park_timeout(Duration::from_millis(20));
            if stream.write_all(&[*byte]).is_err() {
                return;
            }
        }
    });
    let leading = Tool::answering(|_| {
        std::thread::park_timeout(Duration::from_millis(100));
        redirect("/again")
    });
    for tool in [&silent, &dripping, &leading] {
        let began = Instant::now();
        let outcome = run_with(&prober(brief), &subject(&tool.url(), &probing(with_credential("/")), Some(secret(CANARY))), None);
        fails(outcome, Verdict::NoAnswer, &format!("GET {}/ : no answer within 300ms", tool.url()));
        assert!(began.elapsed() < PATIENCE, "{:?}", began.elapsed());
    }
}

#[test]
fn p31_rendering_and_judging_are_within_the_time_limit() {
    let brief = Duration::from_millis(5);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let probe = |subject: Subject, within| runtime.block_on(prober(within).probe(Role::Auth, subject, None)).unwrap().outcome;
    let slow = subject("http://tool.invalid", &probing(json!({"path": format!("/{SLOW}")})), None);
    fails(probe(slow, brief), Verdict::NoAnswer, "no request within 5ms: its templates, or those of others, take too long");
    // A number that no thread has worked out by then.
    let numbers = format!("{:?}", (0..2000).collect::<Vec<u32>>());
    let tool = Tool::answering(move |_| json_answer(&numbers));
    let cel = "response.body.all(a, response.body.all(b, a + b >= 0.0))";
    let subject = subject(&tool.url(), &probing(json!({"path": "/", "response": {"cel": cel}})), None);
    let late = Outcome { verdict: Verdict::NoAnswer, message: format!("GET {}/ : 200, not judged within 20ms", tool.url()) };
    // On a busy machine the answer itself can be late.
    assert!((0..50).any(|_| probe(subject.clone(), Duration::from_millis(20)) == late));
}

#[test]
fn what_is_no_answer_is_told_apart() {
    let shown = |tool: &Tool, why: &str| format!("GET {}/ : {why}", tool.url());
    for (bytes, why) in [
        (&b""[..], "the connection broke: unexpected end of file"),
        (
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
            "the answer switches protocols, or never comes to an end of interim answers",
        ),
    ] {
        let tool = Tool::answering(|_| bytes.to_vec());
        fails(run(&tool.url(), with_credential("/")), Verdict::NoAnswer, &shown(&tool, why));
    }
    let tool = Tool::answering(|_| b"SSH-2.0-OpenSSH_9.2\r\n\r\n".to_vec());
    let outcome = run(&tool.url(), with_credential("/"));
    assert!(outcome.verdict == Verdict::NoAnswer && outcome.message.contains("the answer is not valid HTTP: "), "{outcome:?}");
    let (_nobody, gone) = nobody();
    fails(run(&gone, with_credential("/")), Verdict::NoAnswer, &format!("GET {gone}/ : no connection can be made: connection refused"));
    let nowhere = "http://tool.invalid";
    fails(run(nowhere, with_credential("/")), Verdict::NoAnswer, &format!("GET {nowhere}/ : the host name can't be resolved"));
}

#[test]
fn the_class_api_is_asked_with_plugin_headers() {
    let plugin = Tool::answering(|seen| if seen.header("X-Plugin-Secret").is_empty() { answer(403, "") } else { answer(200, "") });
    let class = class(json!({"api": {"uri": plugin.url()}, "authProbes": [{"authName": "basicAuth", "probe": {"api": {"path": "/check"}}}]}));
    let probe = |secret, api: Option<&str>| run_with(&prober(PATIENCE), &subject("https://git.example", &class, secret), api);
    let api = format!("{}/base", plugin.url());
    passes(probe(Some(secret(CANARY)), Some(&api)));
    let seen = plugin.only();
    assert_eq!((seen.target(), seen.header("X-Plugin-Auth")), ("/base/check", vec!["a3ViZXJuZXRlcy5pby9iYXNpYy1hdXRo"]));
    fails(probe(None, Some(&api)), Verdict::Refused, &format!("GET {api}/check : 403"));
    // The credential goes nowhere else, and what an API leads to says nothing.
    let leading = Tool::answering(|_| redirect("http://127.0.0.1:1/"));
    fails(probe(Some(secret(CANARY)), Some(&leading.url())), Verdict::Undecided, &format!("GET {}/check : 302", leading.url()));
    let (_nobody, gone) = nobody();
    let refused = format!("GET {gone}/check : no connection can be made: connection refused");
    fails(probe(Some(secret(CANARY)), Some(&gone)), Verdict::Undecided, &refused);
}
