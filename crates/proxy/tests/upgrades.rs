//! What happens when a request asks for another protocol than HTTP: WebSocket, SPDY, and all that is not passed on.

#![allow(clippy::unwrap_used, reason = "what a tool here can't do fails its test")]

use std::io::{Read as _, Write as _};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use connectors_testkit::{
    Builder, Client, Proxy, TestCa, Tool, Wire, assert_absent, client_stream, nothing_comes, pattern, proxy_authorization, read_head, token, wait_for,
};

/// bot:canary-password
const BOT: &str = "Basic Ym90OmNhbmFyeS1wYXNzd29yZA==";

const SWITCH: &str =
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// The lines with which a WebSocket begins (RFC 6455 §1.3).
const WEBSOCKET: &str =
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: chat\r\n";

/// More than the kernels on the way hold, so that it only arrives if it is read and passed on.
const MUCH: usize = 8 * 1024 * 1024;

fn build(tool: &Tool) -> Builder {
    Proxy::build().basic("team/git", &tool.url(), "bot", "canary-password").allow("builder", "team/git")
}

fn request(path: &str, lines: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: c-git.team.svc\r\nAuthorization: Bearer {}\r\n{lines}\r\n", token("builder"))
}

/// The heads that a tool saw, over all connections.
#[derive(Clone, Default)]
struct Heads(Arc<Mutex<Vec<String>>>);

impl Heads {
    fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

/// A tool that has `answer` deal with each head that arrives, as long as it says that another one may follow.
fn tool(heads: &Heads, answer: impl Fn(&str, &mut dyn Wire) -> bool + Send + Sync + 'static) -> Tool {
    let heads = heads.clone();
    Tool::wire(None, move |stream| {
        loop {
            let head = read_head(stream);
            if head.is_empty() {
                return;
            }
            heads.0.lock().unwrap().push(head.clone());
            if !answer(&head, stream) {
                return;
            }
        }
    })
}

/// A tool that switches to WebSocket, and then does what `speak` says.
fn switching(speak: impl Fn(&mut dyn Wire) + Send + Sync + 'static) -> Tool {
    tool(&Heads::default(), move |_, stream| {
        stream.write_all(SWITCH.as_bytes()).unwrap();
        speak(stream);
        false
    })
}

/// A tool that switches and sends back what it gets.
fn echoing() -> Tool {
    switching(echo)
}

fn echo(stream: &mut dyn Wire) {
    let mut piece = [0; 4096];
    while let Ok(count @ 1..) = stream.read(&mut piece) {
        if stream.write_all(&piece[..count]).and_then(|()| stream.flush()).is_err() {
            return;
        }
    }
}

/// A caller that has switched.
fn switched(proxy: &Proxy) -> Client {
    let mut client = proxy.client();
    let answer = client.send(request("/ws", WEBSOCKET));
    assert_eq!(answer.status, 101, "{}", answer.head);
    client
}

/// A caller and a tool that have switched, each in its thread: over plain HTTP, and inside an interception with TLS on both sides.
fn over_plain_and_tls(speak: fn(&mut dyn Wire), call: impl Fn(&mut Client)) {
    let switch = move |stream: &mut dyn Wire| {
        assert!(!read_head(stream).is_empty());
        stream.write_all(SWITCH.as_bytes()).unwrap();
        speak(stream);
    };
    let tool = Tool::wire(None, switch);
    let proxy = build(&tool).start();
    call(&mut switched(&proxy));

    let ca = TestCa::default();
    let tool = Tool::wire(Some((&ca, "127.0.0.1")), switch);
    let proxy = build(&tool).trusting(ca.der()).intercepting().start();
    let mut client = intercepted(&proxy, &tool);
    assert_eq!(client.send(format!("GET /ws HTTP/1.1\r\nHost: {}\r\n{WEBSOCKET}\r\n", tool.address())).status, 101);
    call(&mut client);
}

fn intercepted(proxy: &Proxy, tool: &Tool) -> Client {
    let mut client = proxy.client();
    let connect = format!("CONNECT {0} HTTP/1.1\r\nHost: {0}\r\nProxy-Authorization: {1}\r\n\r\n", tool.address(), proxy_authorization("team/git", "builder"));
    assert_eq!(client.send(connect).status, 200);
    Client::over(client_stream(client.into_stream(), "127.0.0.1", proxy.ca_pem()))
}

#[test]
fn a_websocket_opens_with_the_tools_credential_and_carries_bytes_both_ways() {
    let heads = Heads::default();
    let tool = tool(&heads, |_, stream| {
        stream.write_all(SWITCH.as_bytes()).unwrap();
        echo(stream);
        false
    });
    let proxy = build(&tool).start();
    let mut client = proxy.client();
    let answer = client.send(request(&format!("/ws?token={}&a=1", token("builder")), &format!("{WEBSOCKET}Cookie: t={}\r\n", token("builder"))));
    assert_eq!(answer.status, 101);
    assert_eq!((answer.header("upgrade"), answer.header("connection")), (Some("websocket"), Some("Upgrade")));
    assert_eq!(answer.header("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    assert!(answer.header("content-length").is_none() && answer.header("transfer-encoding").is_none(), "{}", answer.head);
    for text in ["hello", "GET / HTTP/1.1\r\n\r\n", "0\r\n\r\n", "\0"] {
        client.write(text);
        assert_eq!(client.exactly(text.len()), text.as_bytes());
    }
    let head = &heads.all()[0];
    assert!(head.starts_with("GET /ws?a=1 HTTP/1.1\r\n"), "{head}");
    for line in [
        "Connection: Upgrade\r\nUpgrade: websocket\r\n",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
        "Sec-WebSocket-Version: 13\r\n",
        "Sec-WebSocket-Protocol: chat\r\n",
        &format!("Authorization: {BOT}\r\n"),
    ] {
        assert_eq!(head.matches(line).count(), 1, "{line:?} in {head}");
    }
    assert_absent("what the tool saw", head, &[token("builder")]);
    client.finish();
    assert!(client.rest().is_empty());
    wait_for("the record", || proxy.records().contains("\"status\":101"));
    let records = proxy.records();
    for field in ["\"answered_by\":\"tool\"", "\"complete\":true", "\"bytes_in\":29", "\"bytes_out\":29", "\"path\":\"/ws\"", "\"connector\":\"team/git\""] {
        assert!(records.contains(field), "{field} in {records}");
    }
    wait_for("the request to be over", || proxy.metrics().contains("connectors_proxy_active_requests 0"));
}

#[test]
fn spdy_opens_by_a_post_without_a_body() {
    let heads = Heads::default();
    let tool = tool(&heads, |_, stream| {
        stream
            .write_all(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: v4.channel.k8s.io\r\n\r\n")
            .unwrap();
        echo(stream);
        false
    });
    let proxy = build(&tool).start();
    let mut client = proxy.client();
    client.write(
        request("/exec", "Connection: Upgrade\r\nUpgrade: SPDY/3.1\r\nContent-Length: 0\r\nX-Stream-Protocol-Version: v4.channel.k8s.io\r\n")
            .replacen("GET", "POST", 1),
    );
    let answer = client.answer("POST");
    assert_eq!((answer.status, answer.header("upgrade"), answer.header("x-stream-protocol-version")), (101, Some("SPDY/3.1"), Some("v4.channel.k8s.io")));
    client.write(b"\x80\x03\0\x01");
    assert_eq!(client.exactly(4), b"\x80\x03\0\x01");
    assert!(heads.all()[0].contains("Connection: Upgrade\r\nUpgrade: SPDY/3.1\r\n"));
}

#[test]
fn p08_what_was_sent_early_waits_for_the_101_and_is_not_lost() {
    // The second is more than anybody reads ahead.
    for early in [pattern(5), pattern(MUCH)] {
        let length = early.len();
        let tool = Tool::raw(move |stream| {
            read_head(stream);
            // A tool that hasn't agreed would take it for the next request.
            assert!(nothing_comes(stream));
            stream.write_all(SWITCH.as_bytes()).unwrap();
            let mut early = vec![0; length];
            stream.read_exact(&mut early).unwrap();
            stream.write_all(&early).unwrap();
        });
        let proxy = build(&tool).start();
        let mut client = proxy.client();
        std::thread::scope(|scope| {
            let (mut reader, mut writer) = client.split();
            scope.spawn(move || writer.write([request("/ws", WEBSOCKET).as_bytes(), &early].concat()));
            assert_eq!(reader.answer("GET").status, 101);
            assert!(reader.exactly(length) == pattern(length));
        });
    }
}

#[test]
fn p08_what_was_sent_early_is_no_request_when_the_tool_refuses() {
    let heads = Heads::default();
    let tool = tool(&heads, |_, stream| {
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\n\r\nno").unwrap();
        true
    });
    let proxy = build(&tool).start();
    let smuggled = request("/smuggled", "");
    // In one segment with the request, while the tool still thinks, and after its refusal.
    for moment in 0..2 {
        let mut client = proxy.client();
        client.write(match moment {
            0 => request("/ws", WEBSOCKET) + &smuggled,
            _ => request("/ws", WEBSOCKET),
        });
        let answer = client.answer("GET");
        assert_eq!((answer.status, answer.text().as_str(), answer.header("connection")), (400, "no", Some("close")));
        client.try_write(&smuggled);
        assert!(client.rest().is_empty());
    }
    // Refused by the proxy, it is no request either.
    proxy.forbid("builder", "team/git");
    let mut client = proxy.client();
    client.write(request("/ws", WEBSOCKET) + &smuggled);
    assert_eq!(client.answer("GET").status, 403);
    assert!(client.rest().is_empty());
    assert!(heads.all().iter().all(|head| head.starts_with("GET /ws ")), "{:?}", heads.all());
    assert_eq!(heads.all().len(), 2);
    wait_for("the records", || proxy.records().lines().count() == 3);
}

#[test]
fn p08_the_tools_connection_carries_nothing_else_after_an_upgrade_was_tried() {
    for status in ["200 OK", "400 Bad Request", "403 Forbidden", "426 Upgrade Required", "304 Not Modified"] {
        let heads = Heads::default();
        let tool = tool(&heads, move |_, stream| {
            stream.write_all(format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").as_bytes()).unwrap();
            true
        });
        let proxy = build(&tool).start();
        for (path, lines) in [("/1", ""), ("/ws", WEBSOCKET), ("/2", ""), ("/3", "")] {
            assert_eq!(proxy.client().send(request(path, lines)).status.to_string(), status[..3]);
        }
        assert_eq!(heads.all().len(), 4);
        // The first one's connection is kept for the third and fourth; the upgrade has one of its own, which ends.
        tool.wait_closed(1);
        assert_eq!(tool.connections(), 2, "{status}");
    }
}

#[test]
fn p08_a_switch_that_nobody_asked_for_is_502_and_the_tools_connection_ends() {
    let line = |lines: &str| format!("HTTP/1.1 101 Switching Protocols\r\n{lines}\r\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nbad");
    let other = [
        "Connection: Upgrade\r\nUpgrade: h2c\r\n",
        "Connection: Upgrade\r\nUpgrade: SPDY/3.1\r\n",
        "Connection: Upgrade\r\nUpgrade: websocket, h2c\r\n",
        "Connection: Upgrade\r\nUpgrade: websocket\r\nUpgrade: h2c\r\n",
        "Connection: Upgrade\r\n",
        "Upgrade: websocket\r\n",
        "",
    ];
    let right = "Connection: Upgrade\r\nUpgrade: websocket\r\n";
    let cases = other.map(|lines| (WEBSOCKET, lines));
    for (asked, lines) in
        cases.into_iter().chain([("", right), ("", ""), ("Upgrade: websocket\r\n", right), ("Connection: Upgrade\r\nUpgrade: h2c\r\n", right)])
    {
        let head = line(lines);
        let tool = tool(&Heads::default(), move |_, stream| {
            stream.write_all(head.as_bytes()).unwrap();
            true
        });
        let proxy = build(&tool).start();
        let mut client = proxy.client();
        client.write(request("/ws", asked));
        let answer = client.answer("GET");
        assert_eq!((answer.status, answer.reason()), (502, "UpstreamInvalid"), "{asked:?} {lines:?}: {}", answer.head);
        tool.wait_closed(1);
        // Nothing of what came with it is anybody's answer.
        assert_eq!(proxy.client().send(request("/", "")).status, 502);
        assert_eq!(tool.connections(), 2);
    }
}

#[test]
fn p08_other_protocols_are_not_passed_on() {
    let tool = Tool::echo();
    let proxy = build(&tool).start();
    let settings = "HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n";
    for lines in [
        format!("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n{settings}"),
        format!("Connection: Upgrade\r\nUpgrade: h2c\r\n{settings}"),
        "Connection: Upgrade\r\nUpgrade: websocket, h2c\r\n".into(),
        "Connection: Upgrade\r\nUpgrade: h2c, websocket\r\n".into(),
        "Connection: Upgrade\r\nUpgrade: websocket\r\nUpgrade: h2c\r\n".into(),
        "Connection: Upgrade\r\nUpgrade: websocket\r\nUpgrade: websocket\r\n".into(),
        "Connection: Upgrade\r\nUpgrade: TLS/1.3\r\n".into(),
        "Connection: Upgrade\r\nUpgrade: SPDY/3\r\n".into(),
        "Connection: Upgrade\r\nUpgrade: websocket/13\r\n".into(),
        "Connection: Upgrade\r\nUpgrade: HTTP/2.0\r\n".into(),
        "Upgrade: websocket\r\n".into(),
        "Connection: close\r\nUpgrade: websocket\r\n".into(),
        format!("{WEBSOCKET}Content-Length: 5\r\n"),
        format!("{WEBSOCKET}Transfer-Encoding: chunked\r\n"),
    ] {
        let mut client = proxy.client();
        let body = match () {
            () if lines.contains("Content-Length") => "hello",
            () if lines.contains("chunked") => "5\r\nhello\r\n0\r\n\r\n",
            () => "",
        };
        client.write(request("/x", &lines).replacen("GET", "POST", 1) + body);
        assert_eq!(client.answer("POST").status, 200, "{lines:?}");
        let seen = tool.seen().pop().unwrap();
        let head = seen.head.to_ascii_lowercase();
        assert!(!head.contains("upgrade") && !head.contains("http2-settings") && !head.contains("connection:"), "{lines:?}: {head}");
        assert_eq!(seen.body.len(), if body.is_empty() { 0 } else { 5 });
    }
    let version = request("/x", WEBSOCKET).replacen("HTTP/1.1", "HTTP/1.0", 1);
    assert_eq!(proxy.client().send(version).status, 200);
    assert!(!tool.seen().pop().unwrap().head.contains("Upgrade"));
}

#[test]
fn what_the_tool_sends_along_with_its_101_arrives() {
    let tool = tool(&Heads::default(), |_, stream| {
        stream.write_all(format!("HTTP/1.1 103 Early Hints\r\n\r\n{SWITCH}first").as_bytes()).unwrap();
        echo(stream);
        false
    });
    let proxy = build(&tool).start();
    let mut client = proxy.client();
    assert_eq!(client.send(request("/ws", WEBSOCKET)).status, 103);
    assert_eq!(client.answer("GET").status, 101);
    assert_eq!(client.exactly(5), b"first");
    client.write("second");
    assert_eq!(client.exactly(6), b"second");
}

#[test]
fn a_caller_that_has_nothing_more_to_say_still_hears_everything() {
    over_plain_and_tls(
        |stream| {
            let mut all = Vec::new();
            let _ = stream.read_to_end(&mut all);
            assert_eq!(all, b"bye");
            stream.write_all(&pattern(MUCH)).unwrap();
            stream.finish().unwrap();
        },
        |client| {
            client.write("bye");
            client.finish();
            assert!(client.exactly(MUCH) == pattern(MUCH));
            assert!(client.rest().is_empty());
        },
    );
}

#[test]
fn a_tool_that_has_nothing_more_to_say_still_hears_everything() {
    over_plain_and_tls(
        |stream| {
            stream.write_all(b"bye").unwrap();
            stream.finish().unwrap();
            let mut all = Vec::new();
            let _ = stream.read_to_end(&mut all);
            assert!(all == pattern(MUCH), "{} bytes", all.len());
        },
        |client| {
            assert_eq!(client.rest(), b"bye");
            client.write(pattern(MUCH));
            client.finish();
        },
    );
}

#[test]
fn when_one_side_breaks_off_the_other_learns_it_at_once() {
    for resets in [true, false] {
        let tool = echoing();
        let proxy = build(&tool).start();
        let mut client = switched(&proxy);
        client.write("x");
        client.exactly(1);
        match resets {
            true => client.reset(),
            false => drop(client),
        }
        tool.wait_closed(1);
        wait_for("the record", || proxy.records().contains(&format!("\"complete\":{}", !resets)));

        let tool = switching(move |stream| {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            if resets {
                stream.resets();
            }
        });
        let proxy = build(&tool).start();
        let mut client = switched(&proxy);
        client.write("x");
        let began = Instant::now();
        assert!(client.rest().is_empty());
        assert!(began.elapsed() < Duration::from_secs(2));
    }
}

#[test]
fn p28_an_open_connection_on_which_nothing_moves_ends() {
    let tool = echoing();
    let proxy = build(&tool).settings(|settings| settings.idle_timeout = Duration::from_millis(200)).start();
    let mut client = switched(&proxy);
    // It lives for as long as something moves.
    let began = Instant::now();
    while began.elapsed() < Duration::from_millis(600) {
        client.write("x");
        assert_eq!(client.exactly(1), b"x");
        std::thread::park_timeout(Duration::from_millis(20));
    }
    assert!(client.rest().is_empty());
    tool.wait_closed(1);
    wait_for("the record", || proxy.records().contains("\"complete\":false"));
}

#[test]
fn stopping_waits_for_open_connections_but_not_for_ever() {
    let tool = echoing();
    let mut proxy = build(&tool).settings(|settings| settings.drain_timeout = Duration::from_secs(60)).start();
    let mut client = switched(&proxy);
    let stopping = std::thread::spawn(move || {
        proxy.stop();
        proxy
    });
    client.write("still");
    assert_eq!(client.exactly(5), b"still");
    client.finish();
    assert!(client.rest().is_empty());
    let proxy = stopping.join().unwrap();
    assert!(proxy.records().contains("\"complete\":true"));

    let tool = echoing();
    let mut proxy = build(&tool).settings(|settings| settings.drain_timeout = Duration::from_millis(200)).start();
    let mut client = switched(&proxy);
    client.write("still");
    assert_eq!(client.exactly(5), b"still");
    let began = Instant::now();
    proxy.stop();
    assert!(began.elapsed() >= Duration::from_millis(200));
    assert!(client.rest().is_empty());
    tool.wait_closed(1);
    // What was cut off is on record too.
    wait_for("the record", || proxy.records().contains("\"status\":101"));
    assert!(proxy.records().contains("\"complete\":false,\"bytes_in\":5,\"bytes_out\":5"), "{}", proxy.records());
}

#[test]
fn open_connections_count_among_the_connectors_requests() {
    let tool = echoing();
    let proxy = build(&tool).settings(|settings| settings.max_requests_per_connector = 2).start();
    let (one, _two) = (switched(&proxy), switched(&proxy));
    let answer = proxy.client().send(request("/ws", WEBSOCKET));
    assert_eq!((answer.status, answer.reason(), answer.header("retry-after")), (503, "TooManyRequests", Some("1")));
    assert_eq!(proxy.client().send(request("/", "")).status, 503);
    drop(one);
    wait_for("a place", || proxy.client().send(request("/ws", WEBSOCKET)).status == 101);
}

#[test]
fn p03_a_tunnel_upgrades_under_the_callers_present_rights() {
    let ca = TestCa::default();
    let tool = Tool::wire(Some((&ca, "127.0.0.1")), |stream| {
        let head = read_head(stream);
        assert!(head.contains(&format!("Authorization: {BOT}\r\n")) && !head.contains("Proxy-Authorization"), "{head}");
        stream.write_all(format!("{SWITCH}hello").as_bytes()).unwrap();
        echo(stream);
    });
    let proxy = build(&tool).trusting(ca.der()).intercepting().start();
    let upgrade = format!("GET /ws HTTP/1.1\r\nHost: {}\r\n{WEBSOCKET}\r\n", tool.address());
    let mut client = intercepted(&proxy, &tool);
    assert_eq!(client.send(&upgrade).status, 101);
    assert_eq!(client.exactly(5), b"hello");
    client.write("more");
    assert_eq!(client.exactly(4), b"more");
    let mut later = intercepted(&proxy, &tool);
    proxy.forbid("builder", "team/git");
    assert_eq!(later.send(&upgrade).status, 403);
    assert_eq!(tool.connections(), 1);
}

#[test]
fn an_absolute_url_upgrades_too() {
    let heads = Heads::default();
    let tool = tool(&heads, |_, stream| {
        stream.write_all(SWITCH.as_bytes()).unwrap();
        echo(stream);
        false
    });
    let proxy = build(&tool).start();
    let mut client = proxy.client();
    let credentials = proxy_authorization("team/git", "builder");
    assert_eq!(client.send(format!("GET {}/ws HTTP/1.1\r\nHost: x\r\nProxy-Authorization: {credentials}\r\n{WEBSOCKET}\r\n", tool.url())).status, 101);
    client.write("hello");
    assert_eq!(client.exactly(5), b"hello");
    assert!(heads.all()[0].contains(&format!("Authorization: {BOT}\r\n")));
    assert!(!heads.all()[0].contains("Proxy-Authorization"));
}
