//! Extended CONNECT (RFC 8441) to tools that know WebSocket by HTTP/1.1.

use std::sync::mpsc::channel;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use connectors_testkit::http2::Exchange;
use connectors_testkit::{Http2Client, TestCa, Tool, Wire, read_head, wait_for};
use h2::Reason;
use h2::ext::Protocol;
use http::{Method, Request};

use crate::{BOT, HOST, bearer, get, intercepted, proxy, tls_proxy};

/// Begins an extended CONNECT, once the proxy has said that it takes them.
fn open(client: &Http2Client, protocol: &'static str, url: &str, fields: &[(&'static str, &str)]) -> Exchange {
    wait_for("the proxy's settings", || client.may_extend_connect());
    let mut request = Request::new(());
    *request.method_mut() = Method::CONNECT;
    *request.uri_mut() = url.parse().unwrap();
    request.extensions_mut().insert(Protocol::from_static(protocol));
    request.headers_mut().insert("authorization", bearer().parse().unwrap());
    request.headers_mut().insert("sec-websocket-version", "13".parse().unwrap());
    for (name, value) in fields {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    client.begin_request(request, false).unwrap()
}

fn header<'h>(head: &'h str, name: &str) -> Vec<&'h str> {
    head.lines().filter_map(|line| line.split_once(": ")).filter(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value).collect()
}

/// The 101 to a request with that head.
fn switch(head: &str) -> String {
    let key = header(head, "sec-websocket-key")[0];
    let accept = STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11").as_bytes()));
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Protocol: chat\r\n\r\n"
    )
}

fn echo(stream: &mut dyn Wire) {
    let mut piece = [0; 4096];
    while let Ok(count @ 1..) = stream.read(&mut piece) {
        if stream.write_all(&piece[..count]).and_then(|()| stream.flush()).is_err() {
            return;
        }
    }
    // The caller has said its last, and hears ours.
    let _ = stream.write_all(b"bye").and_then(|()| stream.finish());
}

#[test]
fn bytes_go_both_ways_with_the_tools_credential() {
    let ca = TestCa::default();
    for tls in [false, true] {
        let (seen, head) = channel();
        let seen = std::sync::Mutex::new(seen);
        let tool = Tool::wire(tls.then_some((&ca, "127.0.0.1")), move |stream| {
            let head = read_head(stream);
            stream.write_all(switch(&head).as_bytes()).and_then(|()| stream.flush()).unwrap();
            seen.lock().unwrap().send(head).unwrap();
            echo(stream);
        });
        let (proxy, client, url) = if tls {
            let proxy = tls_proxy(&tool.url(), &ca);
            let client = intercepted(&proxy, tool.address());
            (proxy, client, format!("{}/ws?x", tool.url()))
        } else {
            let proxy = proxy(&tool.url());
            let client = Http2Client::connect(proxy.address());
            (proxy, client, format!("{HOST}/ws?x"))
        };
        let mut stream = open(&client, "websocket", &url, &[("sec-websocket-protocol", "chat"), ("sec-websocket-key", "bm90IHRvIGJlIHVzZWQh")]);
        // Sent before the answer, and kept for after it.
        stream.write("early").unwrap();
        let answer = stream.head().unwrap();
        assert_eq!((answer.status.as_u16(), answer.headers["sec-websocket-protocol"].to_str().unwrap()), (200, "chat"));
        for name in ["sec-websocket-accept", "upgrade", "connection", "content-length", "transfer-encoding"] {
            assert!(!answer.headers.contains_key(name), "{name}");
        }
        let head = head.recv().unwrap();
        assert!(head.starts_with("GET /ws?x HTTP/1.1\r\n"), "{head}");
        assert_eq!((header(&head, "authorization"), header(&head, "upgrade"), header(&head, "connection")), (vec![BOT], vec!["websocket"], vec!["Upgrade"]));
        let keys = header(&head, "sec-websocket-key");
        assert!(keys.len() == 1 && keys != ["bm90IHRvIGJlIHVzZWQh"], "{head}");
        assert!(!head.to_lowercase().contains("transfer-encoding"), "{head}");
        let mut held = Vec::new();
        for text in ["early", "one", "two", "three"] {
            if text != "early" {
                stream.write(text).unwrap();
            }
            while held.len() < text.len() {
                held.extend(stream.read().unwrap().expect("more"));
            }
            assert_eq!(held, text.as_bytes());
            held.clear();
        }
        // Others are served beside it. END_STREAM is TCP's FIN, in both directions.
        stream.finish(&[]);
        let rest = stream.rest();
        assert_eq!((rest.text().as_str(), rest.error.is_none()), ("bye", true));
        wait_for("the record", || proxy.records().contains(r#""complete":true"#));
    }
}

#[test]
fn a_handshake_that_proves_nothing_is_502() {
    let accepts = ["", "Sec-WebSocket-Accept: dGhlIHNhbXBsZSBub25jZQ==\r\n", "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"];
    for lines in accepts {
        let tool = Tool::wire(None, move |stream| {
            read_head(stream);
            let _ = stream.write_all(format!("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n{lines}\r\n").as_bytes());
            let mut sent = Vec::new();
            let _ = stream.read_to_end(&mut sent);
            assert!(sent.is_empty(), "a tool that isn't known to speak WebSocket got what was meant for one");
        });
        let proxy = proxy(&tool.url());
        let client = Http2Client::connect(proxy.address());
        let mut stream = open(&client, "websocket", &format!("{HOST}/ws"), &[]);
        stream.write("GET /smuggled HTTP/1.1\r\n\r\n").unwrap();
        let answer = stream.head().unwrap();
        assert_eq!((answer.status.as_u16(), answer.headers["x-connectors-error"].to_str().unwrap()), (502, "UpstreamInvalid"), "{lines}");
        tool.wait_closed(1);
    }
}

#[test]
fn an_answer_that_switches_nothing_never_looks_as_if_it_did() {
    for (answer, status) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 502),
        ("HTTP/1.1 204 No Content\r\n\r\n", 502),
        ("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno", 403),
        ("HTTP/1.1 302 Found\r\nLocation: /login\r\nContent-Length: 0\r\n\r\n", 302),
        ("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n", 502),
    ] {
        let tool = Tool::wire(None, move |stream| {
            read_head(stream);
            let _ = stream.write_all(answer.as_bytes());
            let _ = stream.read(&mut [0]);
        });
        let proxy = proxy(&tool.url());
        let client = Http2Client::connect(proxy.address());
        let mut stream = open(&client, "websocket", &format!("{HOST}/ws"), &[]);
        assert_eq!(stream.head().unwrap().status.as_u16(), status, "{answer}");
        assert!(stream.rest().error.is_none());
        tool.wait_closed(1);
    }
}

#[test]
fn other_protocols_and_those_without_rights_are_refused() {
    let tool = Tool::echo();
    let proxy = proxy(&tool.url());
    let client = Http2Client::connect(proxy.address());
    for (protocol, status) in [("connect-udp", 501), ("webtransport", 501), ("SPDY/3.1", 501), ("h2c", 501)] {
        let mut stream = open(&client, protocol, &format!("{HOST}/"), &[]);
        assert_eq!(stream.head().unwrap().status.as_u16(), status, "{protocol}");
    }
    let mut stream = open(&client, "websocket", &format!("{HOST}/"), &[("authorization", "Bearer nonsense")]);
    assert_eq!(stream.head().unwrap().status.as_u16(), 401);
    let mut stream = open(&client, "websocket", "http://c-other.team.svc/", &[]);
    assert_eq!(stream.head().unwrap().status.as_u16(), 403);
    assert!(tool.seen().is_empty());
    assert_eq!(get(&client, "/").0, 200);
}

#[test]
fn when_one_side_breaks_off_the_other_learns_it_at_once() {
    let tool = Tool::wire(None, |stream| {
        let head = read_head(stream);
        stream.write_all(switch(&head).as_bytes()).unwrap();
        if head.contains("/tool") {
            let _ = stream.read(&mut [0; 4]);
            stream.resets();
        } else {
            let _ = stream.read_to_end(&mut Vec::new());
        }
    });
    let proxy = proxy(&tool.url());
    let client = Http2Client::connect(proxy.address());
    let mut stream = open(&client, "websocket", &format!("{HOST}/caller"), &[]);
    assert_eq!(stream.head().unwrap().status, 200);
    stream.reset(Reason::CANCEL);
    tool.wait_closed(1);
    let mut stream = open(&client, "websocket", &format!("{HOST}/tool"), &[]);
    assert_eq!(stream.head().unwrap().status, 200);
    stream.write("now").unwrap();
    assert!(stream.rest().error.is_some_and(|error| error.is_reset()));
    let mut stream = open(&client, "websocket", &format!("{HOST}/caller"), &[]);
    assert_eq!(stream.head().unwrap().status, 200);
    client.cut();
    tool.wait_closed(3);
}
