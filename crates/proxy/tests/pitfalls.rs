//! How proxies like this one broke before; the numbers are those of docs/threat-model.md. More of them stand beside the code they are about.

use std::io::{Read as _, Write as _};
use std::time::Duration;

use connectors_testkit::{Client, Proxy, TestCa, Tool, assert_absent, client_stream, proxy_authorization, token, wait_for};

const BOT: &str = "Basic Ym90OmNhbmFyeS1wYXNzd29yZA=="; // bot:canary-password

fn reverse(target: &str, caller: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: c-git.team.svc\r\nAuthorization: Bearer {}\r\n\r\n", token(caller))
}

#[test]
fn p01_the_url_decides_and_host_does_not() {
    let (tool, other) = (Tool::echo(), Tool::echo());
    let proxy = Proxy::build().basic("team/git", &tool.url(), "bot", "canary-password").allow("builder", "team/git").allow_address("127.0.0.1").start();
    let credentials = proxy_authorization("team/git", "builder");
    // A request for another place does not get the credential by naming the tool in Host.
    let answer = proxy.client().send(format!("GET {}/ HTTP/1.1\r\nHost: {}\r\nProxy-Authorization: {credentials}\r\n\r\n", other.url(), tool.address()));
    assert_eq!(answer.status, 200);
    assert!(other.only().header("authorization").is_empty());
    assert_eq!(other.only().header("host"), [other.address().to_string()]);
    for target in [format!("http://{}@{}/", tool.address(), other.address()), format!("http://{}#@{}/", tool.address(), other.address())] {
        let answer = proxy.client().send(format!("GET {target} HTTP/1.1\r\nHost: x\r\nProxy-Authorization: {credentials}\r\n\r\n"));
        assert_eq!(answer.status, 400, "{target}");
    }
    assert!(tool.seen().is_empty());
}

#[test]
fn p02_one_connectors_credential_does_not_follow_a_path_to_another_host() {
    let (one, two) = (Tool::echo(), Tool::echo());
    let proxy = Proxy::build()
        .bearer("a/one", &one.url(), "canary-one")
        .bearer("a/two", &two.url(), "canary-two")
        .allow("builder", "a/one")
        .allow("builder", "a/two")
        .start();
    let credentials = proxy_authorization("a/one,a/two", "builder");
    let mut client = proxy.client();
    for tool in [&one, &two, &one, &two] {
        client.send(format!("GET {}/same HTTP/1.1\r\nHost: x\r\nProxy-Authorization: {credentials}\r\n\r\n", tool.url()));
    }
    assert!(one.seen().iter().all(|seen| seen.header("authorization") == ["Bearer canary-one"]));
    assert!(two.seen().iter().all(|seen| seen.header("authorization") == ["Bearer canary-two"]));
    assert_eq!((one.seen().len(), two.seen().len()), (2, 2));
}

#[test]
fn p03_revocation_reaches_into_the_tunnel() {
    let ca = TestCa::default();
    let tool = Tool::tls_echo(&ca, "127.0.0.1");
    let proxy = Proxy::build().basic("team/git", &tool.url(), "bot", "canary-password").trusting(ca.der()).allow("builder", "team/git").intercepting().start();
    let tunnel = || {
        let mut client = proxy.client();
        let connect =
            format!("CONNECT {0} HTTP/1.1\r\nHost: {0}\r\nProxy-Authorization: {1}\r\n\r\n", tool.address(), proxy_authorization("team/git", "builder"));
        assert_eq!(client.send(connect).status, 200);
        Client::over(client_stream(client.into_stream(), "127.0.0.1", proxy.ca_pem()))
    };
    let request = format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", tool.address());
    let (mut first, mut second) = (tunnel(), tunnel());
    assert_eq!((first.send(&request).status, second.send(&request).status), (200, 200));
    proxy.forbid("builder", "team/git");
    assert_eq!(first.send(&request).status, 403);
    proxy.allow("builder", "team/git");
    assert_eq!(first.send(&request).status, 200);
    proxy.remove_caller("builder");
    assert_eq!(second.send(&request).status, 407);
    // A Connector whose address changed no longer covers the tunnel's host, so nothing is injected; and loopback isn't reached without it.
    assert_eq!(tool.seen().len(), 3);
}

#[test]
fn p05_a_prefix_is_not_left() {
    let tool = Tool::echo();
    let proxy = Proxy::build().basic("team/git", &format!("{}/base", tool.url()), "bot", "canary-password").allow("builder", "team/git").start();
    for path in ["/../x", "/a/../../x", "/%2e%2e/x", "/..%2fx", "/%2e%2e%2fx", "/..;/x", "/%252e%252e/x", "/a%5c..%5c..%5cx", "/.%2e/x"] {
        for target in [path.to_owned(), format!("/namespaces/team/connectors/git{path}")] {
            let answer = proxy.client().send(reverse(&target, "builder"));
            assert_eq!((answer.status, answer.reason()), (400, "BadRequest"), "{target}");
        }
        let answer = proxy.client().send(format!(
            "GET {}/base{path} HTTP/1.1\r\nHost: x\r\nProxy-Authorization: {}\r\n\r\n",
            tool.url(),
            proxy_authorization("team/git", "builder")
        ));
        assert_eq!(answer.status, 400, "{path}");
    }
    assert!(tool.seen().is_empty());
    for path in ["//x", "/a%2Fb", "/a/", "/a//b"] {
        assert_eq!(proxy.client().send(reverse(path, "builder")).status, 200);
        assert_eq!(tool.seen().last().unwrap().target(), format!("/base{path}"));
    }
}

#[test]
fn p07_what_could_be_read_in_two_ways_is_400_and_the_connection_ends() {
    let tool = Tool::echo();
    let proxy = Proxy::build().basic("team/git", &tool.url(), "bot", "canary-password").allow("builder", "team/git").start();
    let authorization = format!("Authorization: Bearer {}", token("builder"));
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: c-git.team.svc\r\n\r\n";
    for framing in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Content-Length: 5\r\nContent-Length: 5",
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: 5, 5",
        "Content-Length: +5",
        "Transfer-Encoding: chunked, chunked",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding : chunked",
        "Transfer-Encoding: chunked\r\n ",
        "Transfer-Encoding:\x0bchunked",
        "X: y\nContent-Length: 5",
        "Host: other",
    ] {
        let mut client = proxy.client();
        client.write(format!("POST / HTTP/1.1\r\nHost: c-git.team.svc\r\n{authorization}\r\n{framing}\r\n\r\n0\r\n\r\n{smuggled}"));
        assert_eq!(client.answer("POST").status, 400, "{framing}");
        assert!(client.rest().is_empty(), "{framing}: the connection went on");
    }
    assert!(tool.seen().is_empty());
    // A bad chunk ends the connection too, and what came after it is nobody's request.
    for chunks in ["5x\r\nhello\r\n0\r\n\r\n", "5\nhello\r\n0\r\n\r\n", "5\r\nhelloX\r\n0\r\n\r\n", "0x5\r\nhello\r\n0\r\n\r\n", "fffffffffffffffff\r\n"] {
        let mut client = proxy.client();
        client.write(format!("POST / HTTP/1.1\r\nHost: c-git.team.svc\r\n{authorization}\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}{smuggled}"));
        assert_eq!(client.answer("POST").status, 400, "{chunks:?}");
        assert!(client.rest().is_empty(), "{chunks:?}: the connection went on");
    }
    assert!(tool.seen().iter().all(|seen| seen.target() != "/smuggled"));
}

#[test]
fn p10_repeated_credentials_are_refused() {
    let tool = Tool::echo();
    let proxy = Proxy::build().basic("team/git", &tool.url(), "bot", "canary-password").allow("builder", "team/git").start();
    let good = token("builder");
    for lines in [format!("Authorization: Bearer {good}\r\nAuthorization: Bearer x"), format!("Authorization: Bearer x\r\nauthorization: Bearer {good}")] {
        assert_eq!(proxy.client().send(format!("GET / HTTP/1.1\r\nHost: c-git.team.svc\r\n{lines}\r\n\r\n")).status, 400);
    }
    assert!(tool.seen().is_empty());
}

#[test]
fn p12_a_redirect_is_the_callers_to_follow() {
    let other = Tool::echo();
    let location = other.url();
    let tool = Tool::answering(move |_| format!("HTTP/1.1 307 Temporary Redirect\r\nLocation: {location}/x\r\nContent-Length: 0\r\n\r\n").into_bytes());
    let proxy = Proxy::build().basic("team/git", &tool.url(), "bot", "canary-password").allow("builder", "team/git").start();
    let answer = proxy.client().send(reverse("/", "builder"));
    assert_eq!((answer.status, answer.header("location")), (307, Some(format!("{}/x", other.url()).as_str())));
    assert_eq!(other.connections(), 0);
}

#[test]
fn p19_nothing_is_looked_up_before_the_permission() {
    let tool = Tool::echo();
    let proxy = Proxy::build().basic("team/git", &tool.url(), "bot", "canary-password").start();
    // Had it been looked up, the answer would be 502 UpstreamUnresolved.
    let answer = proxy
        .client()
        .send(format!("GET http://secret-data.invalid/ HTTP/1.1\r\nHost: x\r\nProxy-Authorization: {}\r\n\r\n", proxy_authorization("team/git", "builder")));
    assert_eq!((answer.status, answer.reason()), (403, "Forbidden"));
}

#[test]
fn p21_a_cached_identity_ends_with_its_caller() {
    let tool = Tool::echo();
    let proxy = Proxy::build().basic("team/git", &tool.url(), "bot", "canary-password").allow("builder", "team/git").start();
    let mut client = proxy.client();
    assert_eq!(client.send(reverse("/", "builder")).status, 200);
    proxy.remove_caller("builder");
    assert_eq!(client.send(reverse("/", "builder")).status, 401);
    assert_eq!(tool.seen().len(), 1);
}

#[test]
fn p23_tokens_and_secrets_are_in_no_answer_and_no_record() {
    let tool = Tool::answering(|_| b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Connectors-Error: Faked\r\n\r\nok".to_vec());
    let proxy = Proxy::build().basic("team/git", &tool.url(), "bot", "canary-password").allow("builder", "team/git").start();
    let good = token("builder");
    let secrets = [good.as_str(), "canary-password", &token("nobody")];
    for request in [
        reverse(&format!("/{good}?token={good}"), "builder"),
        reverse("/", "nobody"),
        format!("GET / HTTP/1.1\r\nHost: c-git.team.svc\r\nAuthorization: Bearer x{good}\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: {good}\r\n\r\n"),
        format!("GET {}/{good} HTTP/1.1\r\nHost: x\r\nProxy-Authorization: {}\r\n\r\n", tool.url(), proxy_authorization("team/git", "builder")),
        format!("GET http://127.0.0.1:1/ HTTP/1.1\r\nHost: x\r\nProxy-Authorization: {}\r\n\r\n", proxy_authorization("team/git", "builder")),
    ] {
        let answer = proxy.client().send(&request);
        assert_absent("an answer", &format!("{}{}", answer.head, answer.text()), &secrets);
        assert_ne!(answer.reason(), "Faked");
    }
    wait_for("all records", || proxy.records().lines().count() == 6);
    assert_absent("the access log", &proxy.records(), &secrets);
    // And the tool saw its own credential only.
    assert!(tool.seen().iter().all(|seen| seen.header("authorization") == [BOT]));
}

#[test]
fn p26_trailers_cannot_carry_what_a_head_could_not() {
    let tool = Tool::answering(|_| b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Fine: 1\r\n\r\n".to_vec());
    let proxy = Proxy::build().basic("team/git", &tool.url(), "bot", "canary-password").allow("builder", "team/git").start();
    for trailer in [
        "Authorization: Basic eA==",
        "Content-Length: 5",
        "Host: evil",
        "Transfer-Encoding: chunked",
        "Set-Cookie: a=b",
        "Proxy-Authorization: x",
        "X-Forwarded-For: 1.2.3.4",
    ] {
        let mut client = proxy.client();
        client.write(format!(
            "POST / HTTP/1.1\r\nHost: c-git.team.svc\r\nAuthorization: Bearer {}\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n{trailer}\r\n\r\n",
            token("builder")
        ));
        assert_eq!(client.answer("POST").status, 400, "{trailer}");
    }
    let answer = proxy.client().send(reverse("/", "builder"));
    assert_eq!((answer.text().as_str(), answer.complete), ("ok", true));
}

#[test]
fn p30_no_header_switches_a_check_off() {
    let tool = Tool::echo();
    let proxy = Proxy::build().basic("team/git", &tool.url(), "bot", "canary-password").start();
    for header in [
        "X-Connectors-Internal: true",
        "X-Plugin-Auth: x",
        "X-Forwarded-User: builder",
        "X-Remote-User: system:masters",
        "Impersonate-User: builder",
        "X-Connectors-Error: none",
    ] {
        let answer = proxy.client().send(format!("GET / HTTP/1.1\r\nHost: c-git.team.svc\r\nAuthorization: Bearer {}\r\n{header}\r\n\r\n", token("builder")));
        assert_eq!(answer.status, 403, "{header}");
    }
    assert!(tool.seen().is_empty());
}

#[test]
fn a_change_is_in_force_for_the_next_request_on_the_same_connection() {
    let tool = Tool::echo();
    let proxy = Proxy::build().bearer("team/git", &tool.url(), "canary-old").allow("builder", "team/git").start();
    let mut client = proxy.client();
    client.send(reverse("/", "builder"));
    proxy.replace(Proxy::build().bearer("team/git", &tool.url(), "canary-new"));
    client.send(reverse("/", "builder"));
    let sent: Vec<String> = tool.seen().iter().map(|seen| seen.header("authorization")[0].to_owned()).collect();
    assert_eq!(sent, ["Bearer canary-old", "Bearer canary-new"]);
}

#[test]
fn without_rights_nothing_tells_whose_address_a_url_is_under() {
    let tool = Tool::echo();
    let proxy = Proxy::build().basic("other/private", &tool.url(), "bot", "canary-password").intercepting().start();
    let credentials = proxy_authorization("team/decoy,other/private", "builder");
    for (there, elsewhere) in
        [(format!("GET {}/", tool.url()), "GET http://127.0.0.1:1/".to_owned()), (format!("CONNECT {}", tool.address()), "CONNECT 127.0.0.1:1".to_owned())]
    {
        let ask = |line: &str| proxy.client().send(format!("{line} HTTP/1.1\r\nHost: x\r\nProxy-Authorization: {credentials}\r\n\r\n"));
        let (there, elsewhere) = (ask(&there), ask(&elsewhere));
        assert_eq!((there.status, &there.head, there.text()), (403, &elsewhere.head, elsewhere.text()));
    }
}

#[test]
fn p07_an_interim_answer_with_a_body_is_refused_and_so_are_endless_ones() {
    for answer in ["HTTP/1.1 103 Early Hints\r\nContent-Length: 44\r\n\r\n".to_owned(), "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(100)] {
        let tool = Tool::answering(move |_| answer.clone().into_bytes());
        let proxy = Proxy::build().basic("team/git", &tool.url(), "bot", "canary-password").allow("builder", "team/git").start();
        let mut client = proxy.client();
        let mut last = client.send(reverse("/", "builder"));
        while last.status == 103 {
            last = client.answer("GET");
        }
        assert_eq!((last.status, last.reason()), (502, "UpstreamInvalid"));
    }
}

#[test]
fn p08_what_follows_an_extended_connect_waits_until_the_tool_has_switched() {
    let (send, received) = std::sync::mpsc::channel();
    let send = std::sync::Mutex::new(send);
    let tool = Tool::raw(move |stream| {
        let mut input = Vec::new();
        while !input.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            input.extend_from_slice(&byte);
        }
        stream.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n").unwrap();
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).unwrap();
        send.lock().unwrap().send(String::from_utf8(rest).unwrap()).unwrap();
    });
    let proxy = Proxy::build().basic("team/git", &tool.url(), "bot", "canary-password").allow("builder", "team/git").start();
    let authorization = format!("Bearer {}", token("builder"));
    let fields = [
        (":method", "CONNECT"),
        (":protocol", "websocket"),
        (":scheme", "http"),
        (":authority", "c-git.team.svc"),
        (":path", "/"),
        ("authorization", &authorization),
    ];
    // Literals without indexing (RFC 7541 §6.2.2); a length below 127 is one byte.
    let literal = |text: &str| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    let head: Vec<u8> = fields.iter().flat_map(|(name, value)| [vec![0], literal(name), literal(value)].concat()).collect();
    let frame =
        |kind: u8, flags: u8, stream: u8, payload: &[u8]| [&[0, 0, u8::try_from(payload.len()).unwrap(), kind, flags, 0, 0, 0, stream], payload].concat();
    let (data, headers, settings) = (0, 1, 4);
    let smuggled = frame(data, 0, 1, b"GET /smuggled HTTP/1.1\r\nHost: tool\r\n\r\n");
    let mut stream = proxy.client().into_stream();
    stream.write_all(&[b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &frame(settings, 0, 0, b"")[..], &frame(headers, 4, 1, &head), &smuggled].concat()).unwrap();
    assert_eq!(received.recv_timeout(Duration::from_secs(10)).unwrap(), "");
}

#[test]
fn p26_a_tools_trailers_cannot_speak_for_the_proxy_nor_a_callers_carry_its_token() {
    let tool = Tool::answering(|_| {
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Connectors-Error: Forbidden\r\nAlt-Svc: h3\r\nX-Fine: 1\r\n\r\n".to_vec()
    });
    let proxy = Proxy::build().basic("team/git", &tool.url(), "bot", "canary-password").allow("builder", "team/git").start();
    let mut client = proxy.client();
    client.write(reverse("/", "builder").replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n"));
    let answer = String::from_utf8(client.rest()).unwrap();
    assert!(answer.ends_with("0\r\nX-Fine: 1\r\n\r\n"), "{answer}");
    // The tool of this test shows heads and bodies only, so a raw one looks at the trailers.
    let (seen, shown) = std::sync::mpsc::channel();
    let raw = Tool::raw(move |stream| {
        let mut all = Vec::new();
        let mut chunk = [0; 4096];
        while !all.ends_with(b"\r\n\r\n") || !String::from_utf8_lossy(&all).contains("\r\n0\r\n") {
            match std::io::Read::read(stream, &mut chunk) {
                Ok(count @ 1..) => all.extend_from_slice(&chunk[..count]),
                _ => break,
            }
        }
        seen.send(String::from_utf8_lossy(&all).into_owned()).unwrap();
        let _ = std::io::Write::write_all(stream, b"HTTP/1.1 204 No Content\r\n\r\n");
    });
    let proxy = Proxy::build().basic("team/git", &raw.url(), "bot", "canary-password").allow("builder", "team/git").start();
    let mut client = proxy.client();
    let token = token("builder");
    client.write(format!("POST / HTTP/1.1\r\nHost: c-git.team.svc\r\nAuthorization: Bearer {token}\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 1\r\nX-Token: {token}\r\n\r\n"));
    assert_eq!(client.answer("POST").status, 204);
    let sent = shown.recv().unwrap();
    assert!(sent.ends_with("0\r\nX-Sum: 1\r\n\r\n") && !sent.contains(&token), "{sent}");
}

#[test]
fn p11_the_forwarded_host_is_the_urls_own_in_forward_requests() {
    let tool = Tool::echo();
    let proxy = Proxy::build().basic("team/git", &tool.url(), "bot", "canary-password").allow("builder", "team/git").start();
    proxy.client().send(format!(
        "GET {}/ HTTP/1.1\r\nHost: evil.example\r\nProxy-Authorization: {}\r\n\r\n",
        tool.url(),
        proxy_authorization("team/git", "builder")
    ));
    assert_eq!(tool.only().header("x-forwarded-host"), [tool.address().to_string()]);
}
