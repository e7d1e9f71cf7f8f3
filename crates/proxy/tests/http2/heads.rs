//! How requests are read, refused, and passed on.

use connectors_testkit::http2::{Exchange, RawHttp2, field_block, frame, kind};
use connectors_testkit::{Http2Client, Proxy, TestCa, Tool, assert_absent, proxy_authorization, token, wait_for};
use http::{Method, Request, StatusCode, Version};

use crate::{BOT, HOST, bearer, begin, both_tools, get, intercepted, intercepted_http1, ok, proxy, tls_proxy};

#[test]
fn reverse_by_host_and_by_path() {
    let tool = Tool::echo();
    let proxy = proxy(&tool.url());
    let client = Http2Client::connect(proxy.address());
    let bearer = bearer();
    for (url, target) in [
        (format!("{HOST}/a/b?c=d"), "/a/b?c=d"),
        (format!("http://{}/namespaces/team/connectors/git/a?c", proxy.address()), "/a?c"),
        ("http://c-git.team.localhost/".to_owned(), "/"),
    ] {
        let (head, body) = client.get(&url, &[("authorization", &bearer), ("x-own", "1")]);
        assert_eq!((head.status, head.version), (StatusCode::OK, Version::HTTP_2), "{url}: {}", body.text());
        let seen = tool.seen().pop().unwrap();
        assert_eq!((seen.target(), seen.header("authorization"), seen.header("x-own")), (target, vec![BOT], vec!["1"]));
        assert_eq!(seen.header("host"), [tool.address().to_string()]);
        assert_eq!(seen.header("via"), ["2 connectors"]);
        assert_eq!(head.headers["via"], "1.1 connectors");
    }
    assert_eq!(tool.connections(), 1);
    wait_for("the records", || proxy.records().lines().count() == 3);
    for record in proxy.records().lines() {
        assert!(record.contains(r#""mode":"reverse""#) && record.contains(r#""user":"builder""#) && record.contains(r#""answered_by":"tool""#), "{record}");
    }
    assert!(proxy.metrics().contains("connectors_proxy_active_requests 0"), "{}", proxy.metrics());
}

#[test]
fn forward_with_proxy_authorization() {
    let tool = Tool::echo();
    let proxy = proxy(&tool.url());
    let client = Http2Client::connect(proxy.address());
    let credentials = proxy_authorization("team/git", "builder");
    let (head, _) = client.get(&format!("{}/x?y", tool.url()), &[("proxy-authorization", &credentials), ("authorization", "Bearer placeholder")]);
    assert_eq!(head.status, 200);
    let seen = tool.only();
    assert_eq!((seen.target(), seen.header("authorization"), seen.header("proxy-authorization")), ("/x?y", vec![BOT], vec![]));
    let (head, body) = client.get(&format!("{}/x", tool.url()), &[("proxy-authorization", "Basic eDp5")]);
    assert_eq!((head.status.as_u16(), head.headers["x-connectors-error"].to_str().unwrap()), (407, "ProxyAuthenticationRequired"), "{}", body.text());
    assert_eq!(head.headers["proxy-authenticate"], "Basic realm=\"connectors\"");
    wait_for("a record", || proxy.records().contains(r#""mode":"forward""#));
}

#[test]
fn inside_an_interception_by_alpn() {
    let ca = TestCa::default();
    let (tool, _) = both_tools(&ca);
    let proxy = tls_proxy(&tool.url(), &ca);
    let client = intercepted(&proxy, tool.address());
    let (head, body) = client.get(&format!("{}/x?y", tool.url()), &[]);
    assert_eq!((head.status.as_u16(), head.headers["via"].to_str().unwrap()), (200, "2 connectors"));
    assert!(body.text().contains(&format!("authorization: {BOT}")), "{}", body.text());
    // Another host than the tunnel's, or another scheme, is for another connection.
    for url in ["https://127.0.0.1:1/x".to_owned(), format!("http://{}/x", tool.address())] {
        let (head, body) = client.get(&url, &[]);
        assert_eq!((head.status.as_u16(), head.headers["x-connectors-error"].to_str().unwrap()), (421, "Misdirected"), "{url}: {}", body.text());
    }
    // Each request is checked anew.
    proxy.forbid("builder", "team/git");
    assert_eq!(client.get(&tool.url(), &[]).0.status, 403);
    proxy.allow("builder", "team/git");
    assert_eq!(client.get(&tool.url(), &[]).0.status, 200);
    assert_eq!((tool.seen().len(), tool.connections()), (2, 1));
    wait_for("a record", || proxy.records().contains(r#""mode":"intercept""#));
}

#[test]
fn a_request_may_name_its_host_only_in_host() {
    let ca = TestCa::default();
    let (tool, plain) = (both_tools(&ca).0, Tool::echo());
    let proxy = Proxy::build()
        .basic("team/git", &tool.url(), "bot", "canary-password")
        .trusting(ca.der())
        .basic("team/plain", &plain.url(), "bot", "canary-password")
        .allow("builder", "team/git")
        .allow("builder", "team/plain")
        .intercepting()
        .start();
    let mut raw = RawHttp2::connect(proxy.address());
    let request = |fields: &[(&str, &str)]| frame(kind::HEADERS, 5, 1, &field_block(fields));
    let bearer = bearer();
    raw.write(&request(&[(":method", "GET"), (":scheme", "http"), (":path", "/x"), ("host", "c-plain.team.svc"), ("authorization", &bearer)]));
    assert!(raw.read_until(|frame| frame.kind == kind::HEADERS).is_some());
    assert_eq!(plain.only().target(), "/x");
    // What the h2 crate makes of it can't be seen by TLS, so this only asks that it is answered at all.
    let client = intercepted(&proxy, tool.address());
    assert_eq!(client.get(&tool.url(), &[]).0.status, 200);
}

#[test]
fn two_names_for_one_host_are_refused() {
    let tool = Tool::echo();
    let proxy = proxy(&tool.url());
    let client = Http2Client::connect(proxy.address());
    let status = |host: &str| client.get(&format!("{HOST}/"), &[("authorization", &bearer()), ("host", host)]).0.status.as_u16();
    assert_eq!((status("c-git.team.svc"), status("C-GIT.team.svc")), (200, 200));
    for host in ["c-other.team.svc", "c-git.team.svc:81", ""] {
        assert_eq!(status(host), 400, "{host}");
    }
    assert_eq!(tool.seen().len(), 2);
}

#[test]
fn cookies_are_joined() {
    let tool = Tool::echo();
    let proxy = proxy(&tool.url());
    let client = Http2Client::connect(proxy.address());
    let mut exchange = begin(&client, "GET", "/", &[("cookie", "a=1"), ("cookie", "b=2"), ("cookie", "c=3")], true);
    assert_eq!(exchange.head().unwrap().status, 200);
    assert_eq!(tool.only().header("cookie"), ["a=1; b=2; c=3"]);
}

#[test]
fn a_refused_stream_leaves_the_others_alone() {
    let tool = Tool::echo();
    let proxy = Proxy::build()
        .basic("team/git", &tool.url(), "bot", "canary-password")
        .basic("team/secret", &tool.url(), "bot", "canary-password")
        .allow("builder", "team/git")
        .allow("builder", "team/absent")
        .start();
    let client = Http2Client::connect(proxy.address());
    let (bearer, long) = (bearer(), "x".repeat(65 * 1024));
    let mut kept = begin(&client, "POST", "/kept", &[], false);
    kept.write("be").unwrap();
    let credentials = proxy_authorization("team/git", "nobody");
    let cases: [(&str, &[(&'static str, &str)], u16, &str); 10] = [
        ("http://c-git.team.svc/", &[], 401, "Unauthorized"),
        ("http://c-git.team.svc/", &[("authorization", "Bearer nonsense")], 401, "Unauthorized"),
        ("http://c-git.team.svc/", &[("authorization", &bearer), ("authorization", &bearer)], 400, "BadRequest"),
        ("http://c-secret.team.svc/", &[("authorization", &bearer)], 403, "Forbidden"),
        ("http://c-absent.team.svc/", &[("authorization", &bearer)], 404, "ConnectorNotFound"),
        ("http://nothing.example/", &[("authorization", &bearer)], 404, "NoConnectorNamed"),
        ("http://127.0.0.1:1/", &[("proxy-authorization", &credentials)], 403, "Forbidden"),
        ("http://c-git.team.svc/a/../b", &[("authorization", &bearer)], 400, "BadRequest"),
        ("http://c-git.team.svc/", &[("authorization", &bearer), ("x-long", &long)], 431, "HeaderTooLarge"),
        ("http://user@c-git.team.svc/", &[("authorization", &bearer)], 400, "BadRequest"),
    ];
    for (url, fields, status, reason) in cases {
        let (head, body) = client.get(url, fields);
        let shown = body.text();
        assert_eq!(head.status.as_u16(), status, "{url} {shown}");
        assert_eq!(head.headers.get("x-connectors-error").map(|reason| reason.to_str().unwrap()), Some(reason), "{url} {shown}");
        assert_eq!(head.headers["content-type"], "application/json");
        assert!(shown.contains(r#""kind":"Status""#) && shown.contains(&format!(r#""code":{status}"#)), "{shown}");
        assert_absent("a refusal", &format!("{head:?}{shown}"), &[&token("builder"), "canary-password"]);
    }
    // Of HEAD, only the head.
    let mut exchange = client.begin("HEAD", "http://c-git.team.svc/", &[], true);
    let head = exchange.head().unwrap();
    assert_eq!((head.status.as_u16(), head.headers["x-connectors-error"].to_str().unwrap(), exchange.rest().bytes.len()), (401, "Unauthorized", 0));
    kept.write("fore").unwrap();
    kept.finish(&[]);
    assert_eq!(kept.head().unwrap().status, 200);
    assert_eq!(tool.only().body, b"before");
}

#[test]
fn what_is_no_request_is_refused_for_its_stream_alone() {
    let tool = Tool::echo();
    let proxy = proxy(&tool.url());
    let bearer = bearer();
    let good = [(":method", "GET"), (":scheme", "http"), (":authority", "c-git.team.svc"), (":path", "/"), ("authorization", &bearer)];
    // RFC 9113 §8.2.1, §8.2.2, §8.3: refused with 400, or the stream is reset, whichever the layer that sees it first does.
    for bad in [
        [("connection", "close")],
        [("transfer-encoding", "chunked")],
        [("upgrade", "h2c")],
        [("keep-alive", "1")],
        [("proxy-connection", "x")],
        [("te", "gzip")],
        [("X-Upper", "1")],
        [("x name", "1")],
        [("x:name", "1")],
        [("", "1")],
        [("x-value", "a\r\nX-Smuggled: 1")],
        [("x-value", "a\nb")],
        [("x-value", "a\0b")],
        [(":path", "/twice")],
        [(":unknown", "1")],
        [("content-length", "5")],
        [("content-length", "x")],
        [("host", "c-other.team.svc")],
    ] {
        let mut raw = RawHttp2::connect(proxy.address());
        let fields: Vec<_> = good.iter().chain(&bad).copied().collect();
        raw.write(&frame(kind::HEADERS, 5, 1, &field_block(&fields)));
        let first = raw.read_until(|frame| frame.stream == 1 || frame.kind == kind::GOAWAY).expect("an answer");
        // 0x88 would be status 200, from the static table.
        assert!(first.kind != kind::HEADERS || first.payload.first() != Some(&0x88), "{bad:?} was answered with 200");
        if first.kind != kind::GOAWAY {
            raw.write(&frame(kind::HEADERS, 5, 3, &field_block(&good)));
            let answer = raw.read_until(|frame| frame.stream == 3).expect("an answer");
            assert_eq!((answer.kind, answer.payload.first()), (kind::HEADERS, Some(&0x88)), "{bad:?}");
        }
    }
    assert!(tool.seen().iter().all(|seen| !seen.head.contains("Smuggled") && seen.target() == "/"), "{:?}", tool.seen());
}

#[test]
fn connect_is_answered_over_http1_only() {
    let proxy = Proxy::build().intercepting().start();
    let client = Http2Client::connect(proxy.address());
    let mut request = Request::new(());
    *request.method_mut() = Method::CONNECT;
    *request.uri_mut() = "tool.example:443".parse().unwrap();
    let mut exchange: Exchange = client.begin_request(request, false).unwrap();
    let head = exchange.head().unwrap();
    assert_eq!((head.status.as_u16(), head.headers["x-connectors-error"].to_str().unwrap()), (405, "ConnectNotAllowed"));
    // Within a tunnel there is no other tunnel.
    let ca = TestCa::default();
    let (tool, _) = both_tools(&ca);
    let proxy = tls_proxy(&tool.url(), &ca);
    let client = intercepted(&proxy, tool.address());
    let mut request = Request::new(());
    *request.method_mut() = Method::CONNECT;
    *request.uri_mut() = tool.address().to_string().parse().unwrap();
    let mut exchange = client.begin_request(request, false).unwrap();
    assert_eq!(exchange.head().unwrap().status, 400);
    for method in ["TRACE", "trace"] {
        assert_eq!(client.begin(method, &tool.url(), &[], true).head().unwrap().status, 405);
    }
}

#[test]
fn the_tools_protocol_follows_the_callers() {
    let ca = TestCa::default();
    let (http2, http1) = both_tools(&ca);
    // A tool that has only h2, and one that has only http/1.1.
    for (url, address, agreed) in [(http2.url(), http2.address(), true), (http1.url(), http1.address(), false)] {
        let proxy = tls_proxy(&url, &ca);
        let client = intercepted(&proxy, address);
        for _ in 0..3 {
            let (head, body) = client.get(&url, &[]);
            assert_eq!((head.status.as_u16(), head.headers["via"].to_str().unwrap()), (200, if agreed { "2 connectors" } else { "1.1 connectors" }));
            assert_eq!(body.text().contains(" HTTP/2\r\n"), agreed, "{}", body.text());
        }
        if !agreed {
            // To one who speaks HTTP/1.1, h2 isn't offered.
            let answer = intercepted_http1(&proxy, address).send(format!("GET / HTTP/1.1\r\nHost: {address}\r\n\r\n"));
            assert_eq!((answer.status, answer.header("via")), (200, Some("1.1 connectors")));
        }
    }
    assert_eq!(http2.connections(), 1);
    assert!(http1.connections() <= 2, "{}", http1.connections());
}

#[test]
fn many_requests_at_once_make_one_connection() {
    let ca = TestCa::default();
    for http2 in [true, false] {
        let (tool, other) = both_tools(&ca);
        let url = if http2 { tool.url() } else { other.url() };
        let proxy = tls_proxy(&url, &ca);
        let client = Http2Client::connect(proxy.address());
        let mut exchanges: Vec<_> = (0..100).map(|n| begin(&client, "GET", &format!("/{n}"), &[], true)).collect();
        for exchange in &mut exchanges {
            assert_eq!(exchange.head().unwrap().status, 200);
            assert_eq!(exchange.rest().error.map(|error| error.to_string()), None);
        }
        if http2 {
            assert_eq!((tool.connections(), tool.seen().len()), (1, 100));
        }
    }
}

#[test]
fn a_hundred_and_twenty_eight_streams_at_once() {
    let (release, wait) = std::sync::mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let tool = Tool::answering(move |seen| {
        let _ = wait.lock().unwrap().recv();
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{}", seen.target().len(), seen.target()).into_bytes()
    });
    let proxy = proxy(&tool.url());
    let client = Http2Client::connect(proxy.address());
    // The first tells how many there may be.
    let mut first = begin(&client, "GET", "/first", &[], true);
    release.send(()).unwrap();
    assert_eq!(first.head().unwrap().status, 200);
    let mut exchanges: Vec<_> = (0..128).map(|n| begin(&client, "GET", &format!("/{n}"), &[], true)).collect();
    wait_for("all to be with the tool", || tool.seen().len() == 129);
    // One more waits for its turn.
    let mut late = begin(&client, "GET", "/late", &[], true);
    drop(release);
    for (n, exchange) in exchanges.iter_mut().enumerate() {
        assert_eq!(exchange.head().unwrap().status, 200);
        assert_eq!(exchange.rest().text(), format!("/{n}"));
    }
    assert_eq!(late.head().unwrap().status, 200);
}

#[test]
fn a_connectors_limit_counts_streams() {
    let (release, wait) = std::sync::mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let tool = Tool::answering(move |_| {
        let _ = wait.lock().unwrap().recv();
        b"HTTP/1.1 204 No Content\r\n\r\n".to_vec()
    });
    let proxy = Proxy::build()
        .basic("team/git", &tool.url(), "bot", "canary-password")
        .allow("builder", "team/git")
        .settings(|settings| settings.max_requests_per_connector = 2)
        .start();
    let client = Http2Client::connect(proxy.address());
    let mut inside: Vec<_> = (0..2).map(|_| begin(&client, "GET", "/", &[], true)).collect();
    wait_for("both to be with the tool", || tool.seen().len() == 2);
    let head = begin(&client, "GET", "/", &[], true).head().unwrap();
    assert_eq!(
        (head.status.as_u16(), head.headers["x-connectors-error"].to_str().unwrap(), &head.headers["retry-after"]),
        (503, "TooManyRequests", &"1".parse().unwrap())
    );
    // A caller that leaves makes room.
    inside.pop().unwrap().reset(h2::Reason::CANCEL);
    drop(release);
    wait_for("room", || begin(&client, "GET", "/", &[], true).head().unwrap().status == 204);
    assert_eq!(inside[0].head().unwrap().status, 204);
}

#[test]
fn p01_p10_nothing_of_a_callers_reaches_the_tool_that_should_not() {
    let ca = TestCa::default();
    let tool = connectors_testkit::Http2Tool::serving(&ca, "127.0.0.1", ok);
    let proxy = tls_proxy(&tool.url(), &ca);
    let client = Http2Client::connect(proxy.address());
    let token = token("builder");
    let fields = [
        ("x-forwarded-for", "1.2.3.4"),
        ("forwarded", "for=1.2.3.4"),
        ("via", "1.1 other"),
        ("x-plugin-auth", "x"),
        ("proxy-foo", "x"),
        ("x-token", token.as_str()),
        ("x-fine", "1"),
        ("te", "trailers"),
    ];
    let mut exchange = begin(&client, "GET", &format!("/?t={token}&u=1"), &fields, true);
    assert_eq!(exchange.head().unwrap().status, 200);
    let seen = tool.seen().pop().unwrap();
    let value = |name: &str| seen.headers.get_all(name).iter().map(|value| value.to_str().unwrap()).collect::<Vec<_>>();
    assert_eq!(seen.uri.to_string(), format!("{}/?u=1", tool.url()));
    assert_eq!((value("authorization"), value("x-fine"), value("te"), value("via")), (vec![BOT], vec!["1"], vec!["trailers"], vec!["2 connectors"]));
    assert_eq!((value("x-forwarded-for"), value("x-forwarded-host"), value("host")), (vec!["127.0.0.1"], vec!["c-git.team.svc"], vec![]));
    for name in ["forwarded", "x-plugin-auth", "proxy-foo", "x-token", "connection", "transfer-encoding", "content-length"] {
        assert!(value(name).is_empty(), "{name}: {:?}", value(name));
    }
    assert_absent("what the tool saw", &format!("{seen:?}"), &[&token]);
}

#[test]
fn http1_callers_are_served_beside() {
    let tool = Tool::echo();
    let proxy = proxy(&tool.url());
    let client = Http2Client::connect(proxy.address());
    let mut old = proxy.client();
    for _ in 0..3 {
        assert_eq!(get(&client, "/").0, 200);
        assert_eq!(old.send(format!("GET / HTTP/1.1\r\nHost: c-git.team.svc\r\nAuthorization: {}\r\n\r\n", bearer())).status, 200);
    }
    assert_eq!(tool.connections(), 1);
    // What only begins like HTTP/2 is HTTP/1.1, and no good one.
    assert_eq!(proxy.client().send("PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n").status, 505);
    assert_eq!(proxy.client().send("PRI * HTTP/1.1\r\nHost: x\r\n\r\n").status, 400);
    // Nor does a connection turn to HTTP/2 after a request of HTTP/1.1.
    assert_eq!(old.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").status, 505);
}
