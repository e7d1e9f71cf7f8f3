//! Messages both ways while both sides are open, as gRPC has them.

use std::sync::mpsc::channel;

use connectors_testkit::http2::{Call, Exchange};
use connectors_testkit::{Http2Client, Http2Tool, TestCa, wait_for};
use http::StatusCode;

use crate::{BOT, begin, intercepted, tls_proxy};

/// A message as gRPC frames it: not compressed, length, content.
fn message(content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0];
    bytes.extend(u32::try_from(content.len()).unwrap().to_be_bytes());
    bytes.extend(content);
    bytes
}

const GRPC: &[(&str, &str)] = &[("content-type", "application/grpc"), ("te", "trailers"), ("grpc-timeout", "10S")];

/// Reads one message that comes in pieces however they are cut.
fn read_message(held: &mut Vec<u8>, mut more: impl FnMut() -> Option<bytes::Bytes>) -> Option<Vec<u8>> {
    loop {
        if let Some(head) = held.get(1..5) {
            let end = 5 + u32::from_be_bytes(head.try_into().unwrap()) as usize;
            if held.len() >= end {
                let message = held[5..end].to_vec();
                held.drain(..end);
                return Some(message);
            }
        }
        held.extend(more()?);
    }
}

fn echoes_messages(call: &mut Call) {
    assert_eq!((call.header("te"), call.header("content-type"), call.header("grpc-timeout")), (Some("trailers"), Some("application/grpc"), Some("10S")));
    assert_eq!(call.header("authorization"), Some(BOT));
    let _ = call.answer(StatusCode::OK, &[("content-type", "application/grpc")], false);
    let mut held = Vec::new();
    while let Some(content) = read_message(&mut held, || call.read().unwrap()) {
        call.write(message(&content)).unwrap();
    }
    call.finish(&[("grpc-status", "0"), ("grpc-message", "done")]);
}

#[track_caller]
fn assert_ends_well(exchange: &mut Exchange) {
    let end = exchange.rest();
    assert_eq!((end.bytes.len(), end.trailer("grpc-status"), end.trailer("grpc-message")), (0, Some("0"), Some("done")), "{:?}", end.error);
}

#[test]
fn unary() {
    let ca = TestCa::default();
    let tool = Http2Tool::serving(&ca, "127.0.0.1", echoes_messages);
    let proxy = tls_proxy(&tool.url(), &ca);
    let client = Http2Client::connect(proxy.address());
    for size in [0, 5, 100_000] {
        let mut exchange = begin(&client, "POST", "/pkg.Service/Method", GRPC, false);
        let content = vec![7; size];
        exchange.write(message(&content)).unwrap();
        exchange.finish(&[]);
        let head = exchange.head().unwrap();
        assert_eq!((head.status.as_u16(), head.headers["content-type"].to_str().unwrap()), (200, "application/grpc"));
        let mut held = Vec::new();
        assert_eq!(read_message(&mut held, || exchange.read().unwrap()), Some(content));
        assert_ends_well(&mut exchange);
    }
}

#[test]
fn an_error_is_an_answer_of_trailers_only() {
    let ca = TestCa::default();
    let tool = Http2Tool::serving(&ca, "127.0.0.1", |call| {
        let _ = call.answer(StatusCode::OK, &[("content-type", "application/grpc"), ("grpc-status", "12"), ("grpc-message", "no%20such")], true);
    });
    let proxy = tls_proxy(&tool.url(), &ca);
    let client = Http2Client::connect(proxy.address());
    let mut exchange = begin(&client, "POST", "/pkg.Service/Method", GRPC, false);
    exchange.write(message(b"x")).unwrap();
    let head = exchange.head().unwrap();
    assert_eq!((head.status.as_u16(), head.headers["grpc-status"].to_str().unwrap(), head.headers["grpc-message"].to_str().unwrap()), (200, "12", "no%20such"));
    let body = exchange.rest();
    assert_eq!((body.bytes.len(), body.trailers.len(), body.error.is_none()), (0, 0, true));
}

#[test]
fn messages_go_both_ways_while_both_are_open() {
    let ca = TestCa::default();
    let tool = Http2Tool::serving(&ca, "127.0.0.1", echoes_messages);
    let proxy = tls_proxy(&tool.url(), &ca);
    for client in [Http2Client::connect(proxy.address()), intercepted(&proxy, tool.address())] {
        let mut exchange = match tool.connections() {
            0 => begin(&client, "POST", "/pkg.Service/Stream", GRPC, false),
            _ => client.begin("POST", &format!("{}/pkg.Service/Stream", tool.url()), GRPC, false),
        };
        // The head comes before anything was said.
        assert_eq!(exchange.head().unwrap().status, 200);
        let mut held = Vec::new();
        for n in 0..100_u8 {
            let content = vec![n; usize::from(n) * 40];
            exchange.write(message(&content)).unwrap();
            assert_eq!(read_message(&mut held, || exchange.read().unwrap()), Some(content));
        }
        exchange.finish(&[]);
        assert_ends_well(&mut exchange);
    }
    wait_for("the records", || proxy.records().matches(r#""complete":true"#).count() >= 2);
}

#[test]
fn the_tool_may_speak_first_and_go_on_after_the_caller_has_ended() {
    let (ended, has_ended) = channel();
    let ended = std::sync::Mutex::new(ended);
    let ca = TestCa::default();
    let tool = Http2Tool::serving(&ca, "127.0.0.1", move |call| {
        let _ = call.answer(StatusCode::OK, &[], false);
        call.write(message(b"first")).unwrap();
        assert!(call.rest().bytes.is_empty());
        ended.lock().unwrap().send(()).unwrap();
        call.write(message(b"last")).unwrap();
        call.finish(&[("grpc-status", "0"), ("grpc-message", "done")]);
    });
    let proxy = tls_proxy(&tool.url(), &ca);
    let client = Http2Client::connect(proxy.address());
    let mut exchange = begin(&client, "POST", "/", GRPC, false);
    let mut held = Vec::new();
    assert_eq!(exchange.head().unwrap().status, 200);
    assert_eq!(read_message(&mut held, || exchange.read().unwrap()).unwrap(), b"first");
    exchange.finish(&[]);
    has_ended.recv().unwrap();
    assert_eq!(read_message(&mut held, || exchange.read().unwrap()).unwrap(), b"last");
    assert_ends_well(&mut exchange);
}

#[test]
fn a_burst_of_small_messages_is_no_flood() {
    const MESSAGES: usize = 20_000;
    let (go_on, goes_on) = channel::<()>();
    let goes_on = std::sync::Mutex::new(goes_on);
    let ca = TestCa::default();
    // The ends are to take what the proxy passes on.
    let tool = Http2Tool::serving_with(&ca, "127.0.0.1", h2::server::Builder::new().data_frame_budget(usize::MAX), move |call| {
        let _ = call.answer(StatusCode::OK, &[], false);
        match call.head.uri.path() {
            // Reads only once the caller has sent what it could, one message after the other.
            "/up" => {
                goes_on.lock().unwrap().recv().unwrap();
                let body = call.rest();
                call.write(body.bytes.len().to_string()).unwrap();
            }
            _ => {
                for _ in 0..MESSAGES {
                    call.write(message(b"0123456789")).unwrap();
                }
            }
        }
        call.finish(&[("grpc-status", "0")]);
    });
    let proxy = tls_proxy(&tool.url(), &ca);
    let client = Http2Client::connect_with(proxy.address(), h2::client::Builder::new().data_frame_budget(usize::MAX));
    let mut exchange = begin(&client, "POST", "/up", &[], false);
    assert_eq!(exchange.head().unwrap().status, 200);
    let mut sent = 0;
    let small = message(b"0123456789");
    // As many as fit, each in a frame of its own.
    while sent < MESSAGES && exchange.write_now(small.clone()) {
        sent += 1;
    }
    go_on.send(()).unwrap();
    while sent < MESSAGES {
        exchange.write(small.clone()).unwrap();
        sent += 1;
    }
    exchange.finish(&[]);
    let body = exchange.rest();
    assert_eq!((body.text(), body.error.map(|error| error.to_string())), ((sent * small.len()).to_string(), None));
    // And down, to a caller that begins to read late.
    let mut exchange = begin(&client, "GET", "/down", &[], true);
    assert_eq!(exchange.head().unwrap().status, 200);
    let body = exchange.rest();
    assert_eq!((body.bytes.len(), body.error.map(|error| error.to_string())), (MESSAGES * small.len(), None));
    assert_eq!(tool.connections(), 1);
}

#[test]
fn refused_uploads_do_not_end_the_connection() {
    let ca = TestCa::default();
    let tool = Http2Tool::echo(&ca, "127.0.0.1");
    let proxy = tls_proxy(&tool.url(), &ca);
    let client = Http2Client::connect(proxy.address());
    let mut uploads: Vec<_> = (0..120).map(|_| client.begin("POST", "http://c-git.team.svc/", &[], false)).collect();
    for _ in 0..20 {
        for upload in &mut uploads {
            // The answer may have come, and with it the word that the rest isn't wanted.
            upload.write_now(vec![0; 100]);
        }
    }
    for upload in &mut uploads {
        assert_eq!(upload.head().unwrap().status, 401);
        assert!(upload.rest().error.is_none());
    }
    assert_eq!(crate::get(&client, "/").0, 200);
}
