//! Connections: to tools, which come and go, and to callers, when the proxy stops or nothing happens.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use connectors_testkit::http2::{Exchange, RawHttp2, field_block, frame, kind, read_frame};
use connectors_testkit::{Http2Client, Http2Tool, Proxy, TestCa, Tool, Wire, wait_for};
use h2::Reason;
use http::StatusCode;

use crate::{begin, get, ok, pattern, proxy, tls_proxy};

/// `:status: 200`, from the static table (RFC 7541 appendix A).
pub(crate) const OK: &[u8] = &[0x88];

/// A tool that deals with the frames of each connection by hand; it is told which connection it is, from 1.
fn frames(ca: &TestCa, serve: impl Fn(usize, &mut dyn Wire) + Send + Sync + 'static) -> Tool {
    let count = AtomicUsize::new(0);
    Tool::http2_frames(ca, "127.0.0.1", move |stream| {
        stream.write_all(&frame(kind::SETTINGS, 0, 0, &[])).and_then(|()| stream.flush()).unwrap();
        serve(count.fetch_add(1, Ordering::SeqCst) + 1, stream);
    })
}

/// Reads up to the next request's head, and returns its stream.
pub(crate) fn next_request(stream: &mut dyn Wire) -> Option<u32> {
    loop {
        let frame = read_frame(stream)?;
        match frame.kind {
            kind::HEADERS => return Some(frame.stream),
            kind::SETTINGS if frame.flags == 0 => write(stream, &[connectors_testkit::http2::frame(kind::SETTINGS, 1, 0, &[])]),
            _ => {}
        }
    }
}

pub(crate) fn write(stream: &mut dyn Wire, frames: &[Vec<u8>]) {
    let _ = stream.write_all(&frames.concat()).and_then(|()| stream.flush());
}

fn go_away(last: u32, code: u32) -> Vec<u8> {
    frame(kind::GOAWAY, 0, 0, &[last.to_be_bytes(), code.to_be_bytes()].concat())
}

/// Answers every request.
pub(crate) fn serve_all(stream: &mut dyn Wire) {
    while let Some(id) = next_request(stream) {
        write(stream, &[frame(kind::HEADERS, 5, id, OK)]);
    }
}

#[test]
fn what_a_tool_leaves_undone_when_it_goes_is_done_by_another_connection() {
    let ca = TestCa::default();
    for code in [0, 11] {
        let tool = frames(&ca, move |connection, stream| match connection {
            1 => {
                let id = next_request(stream).unwrap();
                write(stream, &[frame(kind::HEADERS, 5, id, OK)]);
                let id = next_request(stream).unwrap();
                // Everything after the first is undone (RFC 9113 §6.8).
                write(stream, &[go_away(id - 2, code)]);
                let _ = read_frame(stream);
            }
            2..=4 => {
                next_request(stream).unwrap();
                write(stream, &[go_away(0, code)]);
            }
            5 => {
                let id = next_request(stream).unwrap();
                write(stream, &[frame(kind::HEADERS, 5, id, OK), go_away(id, code)]);
            }
            _ => {
                next_request(stream);
                write(stream, &[go_away(0, code)]);
            }
        });
        let proxy = tls_proxy(&tool.url(), &ca);
        let client = Http2Client::connect(proxy.address());
        assert_eq!(get(&client, "/first").0, 200);
        // Whatever it is: nothing was done with it.
        let status = |method: &str| begin(&client, method, "/", &[], true).head().unwrap().status.as_u16();
        assert_eq!((status("POST"), tool.connections()), (200, 5));
        // One that only leaves is not asked for ever.
        assert_eq!((status("POST"), tool.connections()), (502, 10));
    }
}

#[test]
fn a_refused_request_is_sent_once_more_if_nothing_of_its_body_is_used_up() {
    let refusals = Arc::new(AtomicUsize::new(1));
    let left = refusals.clone();
    let ca = TestCa::default();
    let tool = Http2Tool::serving(&ca, "127.0.0.1", move |call| {
        if left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
            if call.head.method == "PUT" {
                let _ = call.read();
            }
            call.reset(Reason::REFUSED_STREAM);
        } else {
            ok(call);
        }
    });
    let proxy = tls_proxy(&tool.url(), &ca);
    let client = Http2Client::connect(proxy.address());
    // RFC 9113 §8.7: whatever the method.
    assert_eq!(begin(&client, "POST", "/once", &[], true).head().unwrap().status, 200);
    assert_eq!(tool.seen().len(), 2);
    refusals.store(2, Ordering::SeqCst);
    assert_eq!(begin(&client, "POST", "/twice", &[], true).head().unwrap().status, 502);
    assert_eq!(tool.seen().len(), 4);
    refusals.store(1, Ordering::SeqCst);
    let mut exchange = begin(&client, "PUT", "/body", &[], false);
    exchange.write("some").unwrap();
    assert_eq!(exchange.head().unwrap().status, 502);
    assert_eq!((tool.seen().len(), tool.connections()), (5, 1));
    // Any other reset is an answer of a kind, and final.
    assert_eq!(get(&client, "/").0, 200);
}

#[test]
fn a_dead_connection_is_replaced_when_that_is_safe() {
    let ca = TestCa::default();
    let tool = frames(&ca, |connection, stream| match connection % 2 {
        // Serves one, reads another, and is gone.
        1 => {
            let id = next_request(stream).unwrap();
            write(stream, &[frame(kind::HEADERS, 5, id, OK)]);
            next_request(stream);
        }
        _ => serve_all(stream),
    });
    for (method, status, connections) in [("GET", 200, 2), ("DELETE", 200, 2), ("POST", 502, 1)] {
        let before = tool.connections();
        let proxy = tls_proxy(&tool.url(), &ca);
        let client = Http2Client::connect(proxy.address());
        assert_eq!(get(&client, "/").0, 200);
        assert_eq!(begin(&client, method, "/", &[], true).head().unwrap().status.as_u16(), status, "{method}");
        assert_eq!(tool.connections() - before, connections, "{method}");
        // The number of connections stays even.
        if connections == 1 {
            assert_eq!(get(&client, "/").0, 200);
        }
    }
}

#[test]
fn a_tool_that_goes_away_in_good_order_fails_nobody() {
    let ca = TestCa::default();
    let tool = Http2Tool::serving(&ca, "127.0.0.1", |call| {
        call.rest();
        let _ = call.answer(StatusCode::OK, &[], false);
        let _ = call.write(pattern(100_000));
        call.finish(&[]);
    });
    let proxy = tls_proxy(&tool.url(), &ca);
    let address = proxy.address();
    let callers: Vec<_> = (0..4)
        .map(|_| {
            std::thread::spawn(move || {
                let client = Http2Client::connect(address);
                for n in 0..50 {
                    let (status, body) = get(&client, &format!("/{n}"));
                    assert_eq!((status, body.len()), (200, String::from_utf8_lossy(&pattern(100_000)).len()), "request {n}");
                }
            })
        })
        .collect();
    for leaving in 1..=5 {
        tool.wait_seen(leaving * 25);
        tool.go_away();
    }
    callers.into_iter().for_each(|caller| caller.join().unwrap());
    assert!(tool.connections() > 1);
}

#[test]
fn a_tool_that_takes_few_requests_at_once_gets_more_connections() {
    let ca = TestCa::default();
    let (release, wait) = channel::<()>();
    let wait = Mutex::new(wait);
    let tool = Http2Tool::serving_with(&ca, "127.0.0.1", h2::server::Builder::new().max_concurrent_streams(2), move |call| {
        if call.head.uri.path() == "/wait" {
            let _ = wait.lock().unwrap().recv();
        }
        ok(call);
    });
    let proxy = tls_proxy(&tool.url(), &ca);
    let client = Http2Client::connect(proxy.address());
    assert_eq!(get(&client, "/").0, 200);
    let mut waiting: Vec<Exchange> = (0..6).map(|_| begin(&client, "GET", "/wait", &[], true)).collect();
    tool.wait_seen(7);
    assert!((3..=4).contains(&tool.connections()), "{}", tool.connections());
    drop(release);
    for exchange in &mut waiting {
        assert_eq!(exchange.head().unwrap().status, 200);
    }
}

#[test]
fn a_tool_that_is_silent_is_waited_for_no_longer_than_the_idle_time_and_not_asked_again() {
    let ca = TestCa::default();
    let tool = Http2Tool::serving(&ca, "127.0.0.1", |call| {
        if call.head.uri.path() == "/silent" {
            call.wait_reset();
        } else {
            ok(call);
        }
    });
    let proxy = Proxy::build()
        .basic("team/git", &tool.url(), "bot", "canary-password")
        .trusting(ca.der())
        .allow("builder", "team/git")
        .settings(|settings| settings.idle_timeout = Duration::from_millis(400))
        .start();
    let client = Http2Client::connect(proxy.address());
    let mut exchange = begin(&client, "GET", "/silent", &[], true);
    let head = exchange.head().unwrap();
    assert_eq!((head.status.as_u16(), head.headers["x-connectors-error"].to_str().unwrap()), (504, "UpstreamTimeout"));
    // The connection may be the reason, so the next request gets another.
    assert_eq!(get(&client, "/").0, 200);
    assert_eq!(tool.connections(), 2);
}

#[test]
fn a_tool_that_speaks_no_http2_is_502() {
    let ca = TestCa::default();
    let tool = Tool::http2_frames(&ca, "127.0.0.1", |stream| {
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").and_then(|()| stream.flush());
    });
    let proxy = tls_proxy(&tool.url(), &ca);
    let client = Http2Client::connect(proxy.address());
    let mut exchange = begin(&client, "POST", "/", &[], true);
    let head = exchange.head().unwrap();
    assert_eq!((head.status.as_u16(), head.headers["x-connectors-error"].to_str().unwrap()), (502, "UpstreamClosed"));
}

#[test]
fn a_tools_head_must_be_one_that_http1_could_carry() {
    let ca = TestCa::default();
    for fields in [
        vec![("connection", "close")],
        vec![("transfer-encoding", "chunked")],
        vec![("x-value", "a\r\nX-Split: 1")],
        vec![("content-length", "1"), ("content-length", "2")],
        vec![(":status", "204")],
        vec![("Upper", "1")],
    ] {
        let fields: Vec<(String, String)> = fields.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let shown = format!("{fields:?}");
        let tool = frames(&ca, move |_, stream| {
            let id = next_request(stream).unwrap();
            let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            write(stream, &[frame(kind::HEADERS, 5, id, &[OK, &field_block(&fields)].concat())]);
            while read_frame(stream).is_some() {}
        });
        let proxy = tls_proxy(&tool.url(), &ca);
        let client = Http2Client::connect(proxy.address());
        let (status, _) = get(&client, "/");
        assert_eq!(status, 502, "{shown}");
    }
}

#[test]
fn p28_an_idle_connection_ends() {
    let proxy = Proxy::build().settings(|settings| settings.idle_timeout = Duration::from_millis(200)).start();
    assert_eq!(RawHttp2::connect(proxy.address()).goaway(), Some(0));
    // Even if it goes on with what is no request.
    let mut busy = RawHttp2::connect(proxy.address());
    let end = std::time::Instant::now() + connectors_testkit::DEADLINE;
    while busy.write(&frame(kind::PING, 0, 0, &[0; 8])) {
        assert!(std::time::Instant::now() < end, "pings keep a connection");
        std::thread::park_timeout(Duration::from_millis(1));
    }
}

#[test]
fn stopping_lets_streams_finish_on_all_connections_and_fails_none() {
    const CONNECTIONS: usize = 8;
    const STREAMS: usize = 8;
    let (release, wait) = channel::<()>();
    let wait = Arc::new(Mutex::new(wait));
    let body = pattern(200_000);
    let answer = body.clone();
    let tool = Tool::answering(move |seen| {
        let _ = wait.lock().unwrap().recv();
        let mut out = format!("HTTP/1.1 200 OK\r\nX-Path: {}\r\nContent-Length: {}\r\n\r\n", seen.target(), answer.len()).into_bytes();
        out.extend_from_slice(&answer);
        out
    });
    let mut proxy = proxy(&tool.url());
    // The streams of a connection are read one after the other.
    let mut settings = h2::client::Builder::new();
    settings.initial_connection_window_size(1 << 22).initial_window_size(1 << 20);
    let mut clients: Vec<_> = (0..CONNECTIONS).map(|_| Http2Client::connect_with(proxy.address(), &settings)).collect();
    let idle = Http2Client::connect(proxy.address());
    let mut exchanges: Vec<_> =
        clients.iter().enumerate().flat_map(|(c, client)| (0..STREAMS).map(move |s| begin(client, "GET", &format!("/{c}/{s}"), &[], true))).collect();
    wait_for("all to be with the tool", || tool.seen().len() == CONNECTIONS * STREAMS);
    let stopping = std::thread::spawn(move || {
        proxy.stop();
        proxy
    });
    // An idle connection is told to go, and ends without an error; the others take no more.
    assert!(idle.wait_closed().is_none());
    clients.iter_mut().for_each(Http2Client::wait_refusing);
    drop(release);
    for exchange in &mut exchanges {
        assert_eq!(exchange.head().unwrap().status, 200);
        let got = exchange.rest();
        assert!(got.bytes == body && got.error.is_none(), "{} bytes, {:?}", got.bytes.len(), got.error);
    }
    drop(exchanges);
    for client in clients {
        assert!(client.wait_closed().is_none());
    }
    drop(stopping.join().unwrap());
}

#[test]
fn stopping_under_load_fails_no_request_that_was_taken() {
    let ca = TestCa::default();
    let tool = Http2Tool::serving(&ca, "127.0.0.1", ok);
    let mut proxy = tls_proxy(&tool.url(), &ca);
    let address = proxy.address();
    let callers: Vec<_> = (0..8)
        .map(|_| {
            std::thread::spawn(move || {
                let client = Http2Client::connect(address);
                let mut done = 0;
                loop {
                    let bearer = crate::bearer();
                    let request = http::Request::get(format!("{}/", crate::HOST)).header("authorization", bearer).body(()).unwrap();
                    // Refused before it was sent, or sent after the last that is taken: both say that nothing was done (RFC 9113 §6.8).
                    let Ok(mut exchange) = client.begin_request(request, true) else { return done };
                    match exchange.head() {
                        Ok(head) => assert_eq!(head.status, 200),
                        Err(error) if error.is_go_away() && error.reason() == Some(Reason::NO_ERROR) => return done,
                        Err(error) => panic!("request {done}: {error}"),
                    }
                    let body = exchange.rest();
                    assert_eq!((body.text().as_str(), body.error.map(|error| error.to_string())), ("ok", None));
                    done += 1;
                }
            })
        })
        .collect();
    tool.wait_seen(200);
    proxy.stop();
    let done: usize = callers.into_iter().map(|caller| caller.join().unwrap()).sum();
    assert!(done >= 192, "{done}");
}
