//! Bodies, trailers and interim answers in every combination of protocols, and what happens when somebody goes away.

use std::io::{Read as _, Write as _};
use std::sync::mpsc::{Receiver, channel};

use connectors_testkit::http2::Call;
use connectors_testkit::{Client, Http2Client, Http2Tool, Proxy, TestCa, Tool, token, wait_for};
use h2::Reason;
use http::StatusCode;

use crate::{bearer, begin, get, intercepted, intercepted_http1, ok, pattern, proxy, tls_proxy};

/// A tool of HTTP/1.1 that reads one whole request, shows it, and answers with these bytes.
fn shows(answer: &'static [u8]) -> (Tool, Receiver<String>) {
    let (seen, shown) = channel();
    let seen = std::sync::Mutex::new(seen);
    let tool = Tool::raw(move |stream| {
        let mut all = Vec::new();
        let mut chunk = [0; 4096];
        while !(all.ends_with(b"\r\n\r\n") && (!contains(&all, "chunked") || contains(&all, "\r\n0\r\n"))) {
            match stream.read(&mut chunk) {
                Ok(count @ 1..) => all.extend_from_slice(&chunk[..count]),
                _ => break,
            }
        }
        seen.lock().unwrap().send(String::from_utf8_lossy(&all).into_owned()).unwrap();
        let _ = stream.write_all(answer);
    });
    (tool, shown)
}

fn contains(bytes: &[u8], text: &str) -> bool {
    String::from_utf8_lossy(bytes).contains(text)
}

#[test]
fn trailers_between_http2_and_http1() {
    let (tool, shown) =
        shows(b"HTTP/1.1 200 OK\r\nTrailer: X-After\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-After: 1\r\nX-Connectors-Error: Faked\r\n\r\n");
    let proxy = proxy(&tool.url());
    let client = Http2Client::connect(proxy.address());
    let token = token("builder");
    let mut exchange = begin(&client, "POST", "/", &[("te", "trailers")], false);
    exchange.write("body").unwrap();
    exchange.finish(&[("x-sum", "7"), ("x-token", &token)]);
    let head = exchange.head().unwrap();
    let body = exchange.rest();
    assert_eq!((head.status.as_u16(), body.text().as_str()), (200, "ok"));
    assert!(!head.headers.contains_key("transfer-encoding"));
    assert_eq!((body.trailer("x-after"), body.trailers.len()), (Some("1"), 1));
    let sent = shown.recv().unwrap();
    assert!(sent.ends_with("4\r\nbody\r\n0\r\nX-Sum: 7\r\n\r\n") || sent.ends_with("4\r\nbody\r\n0\r\nx-sum: 7\r\n\r\n"), "{sent}");
    assert!(sent.contains("TE: trailers\r\n") && sent.contains("Connection: TE\r\n"), "{sent}");
}

#[test]
fn trailers_between_http1_and_http2() {
    // An HTTP/1.1 caller gets HTTP/1.1 from the tool, so the other half of this is an HTTP/2 caller and an HTTP/2 tool.
    let ca = TestCa::default();
    let tool = Http2Tool::serving(&ca, "127.0.0.1", |call| {
        let body = call.rest();
        let sum = body.trailer("x-sum").unwrap_or("none").to_owned();
        call.answer(StatusCode::OK, &[], false).unwrap();
        call.write(body.bytes).unwrap();
        call.finish(&[("grpc-status", "0"), ("x-sum", &sum), ("alt-svc", "h3")]);
    });
    let proxy = tls_proxy(&tool.url(), &ca);
    for client in [Http2Client::connect(proxy.address()), intercepted(&proxy, tool.address())] {
        let bearer = bearer();
        let url = if client.may_extend_connect() && tool.seen().is_empty() { "http://c-git.team.svc/x".to_owned() } else { format!("{}/x", tool.url()) };
        let mut exchange = client.begin("POST", &url, &[("authorization", &bearer)], false);
        exchange.write("body").unwrap();
        exchange.finish(&[("x-sum", "7")]);
        assert_eq!(exchange.head().unwrap().status, 200);
        let body = exchange.rest();
        assert_eq!((body.text().as_str(), body.trailer("grpc-status"), body.trailer("x-sum")), ("body", Some("0"), Some("7")));
        assert_eq!(body.trailers.len(), 2, "{:?}", body.trailers);
    }
}

#[test]
fn p26_trailers_cannot_carry_what_a_head_could_not() {
    let ca = TestCa::default();
    let tool = Http2Tool::serving(&ca, "127.0.0.1", |call| {
        let body = call.rest();
        let _ = call.answer(StatusCode::OK, &[], body.error.is_some());
        call.finish(&[]);
    });
    let proxy = tls_proxy(&tool.url(), &ca);
    let client = Http2Client::connect(proxy.address());
    for trailer in [
        ("authorization", "Basic eA=="),
        ("content-length", "4"),
        ("host", "evil"),
        ("set-cookie", "a=b"),
        ("proxy-authorization", "x"),
        ("x-forwarded-for", "1.2.3.4"),
    ] {
        let mut exchange = begin(&client, "POST", "/", &[], false);
        exchange.write("body").unwrap();
        exchange.finish(&[trailer]);
        match exchange.head() {
            Ok(head) => assert_eq!(head.status, 400, "{trailer:?}"),
            Err(error) => assert!(error.is_reset(), "{trailer:?}: {error}"),
        }
    }
    assert_eq!(get(&client, "/").0, 200);
}

#[test]
fn interim_answers_go_both_ways() {
    let ca = TestCa::default();
    let tool = Http2Tool::serving(&ca, "127.0.0.1", |call| {
        assert_eq!(call.header("expect"), Some("100-continue"));
        call.interim(StatusCode::CONTINUE, &[]);
        call.interim(StatusCode::EARLY_HINTS, &[("link", "</a>")]);
        let body = call.rest();
        call.answer(StatusCode::OK, &[], false).unwrap();
        call.write(body.bytes).unwrap();
        call.finish(&[]);
    });
    let old = Tool::raw(|stream| {
        let mut input = [0; 4096];
        let _ = stream.read(&mut input);
        let _ = stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
        let count = stream.read(&mut input).unwrap_or(0);
        let _ = stream.write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: {count}\r\n\r\n").as_bytes());
        let _ = stream.write_all(&input[..count]);
    });
    for (url, proxy) in [(tool.url(), tls_proxy(&tool.url(), &ca)), (old.url(), proxy(&old.url()))] {
        let client = Http2Client::connect(proxy.address());
        let mut exchange = begin(&client, "PUT", "/", &[("expect", "100-continue"), ("content-length", "5")], false);
        assert_eq!(exchange.interim().status(), StatusCode::CONTINUE, "{url}");
        let hints = exchange.interim();
        assert_eq!((hints.status(), hints.headers()["link"].to_str().unwrap()), (StatusCode::EARLY_HINTS, "</a>"), "{url}");
        exchange.write("hello").unwrap();
        exchange.finish(&[]);
        assert_eq!(exchange.head().unwrap().status, 200);
        assert_eq!(exchange.rest().text(), "hello");
        // A refusal comes without any of them, and without the body being sent.
        let mut exchange = client.begin("PUT", "http://c-git.team.svc/", &[("expect", "100-continue")], false);
        assert_eq!(exchange.head().unwrap().status, 401);
    }
}

#[test]
fn answers_without_a_body() {
    let ca = TestCa::default();
    let tool = Http2Tool::serving(&ca, "127.0.0.1", |call| {
        let (status, fields): (_, &[(&'static str, &str)]) = match call.head.uri.path() {
            "/none" => (StatusCode::NO_CONTENT, &[]),
            "/unchanged" => (StatusCode::NOT_MODIFIED, &[("content-length", "99"), ("etag", "\"x\"")]),
            "/empty" => (StatusCode::OK, &[]),
            _ => (StatusCode::OK, &[("content-length", "7")]),
        };
        let _ = call.answer(status, fields, true);
    });
    let old = Tool::answering(|seen| match seen.target() {
        "/none" => b"HTTP/1.1 204 No Content\r\n\r\n".to_vec(),
        "/unchanged" => b"HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\nETag: \"x\"\r\n\r\n".to_vec(),
        "/empty" => b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec(),
        _ => b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n".to_vec(),
    });
    for (url, proxy) in [(tool.url(), tls_proxy(&tool.url(), &ca)), (old.url(), proxy(&old.url()))] {
        let client = Http2Client::connect(proxy.address());
        for (method, path, status, length) in [
            ("HEAD", "/head", 200, Some("7")),
            ("GET", "/none", 204, None),
            ("GET", "/unchanged", 304, Some("99")),
            ("GET", "/empty", 200, Some("0")),
            ("HEAD", "/none", 204, None),
        ] {
            let mut exchange = begin(&client, method, path, &[], true);
            let head = exchange.head().unwrap_or_else(|error| panic!("{url}{path}: {error}"));
            let body = exchange.rest();
            assert_eq!((head.status.as_u16(), head.headers.get("content-length").map(|length| length.to_str().unwrap())), (status, length), "{url}{path}");
            assert_eq!((body.bytes.len(), body.error.is_none()), (0, true), "{url}{path}");
        }
    }
}

const BIG: usize = 50 * 1024 * 1024;

#[test]
fn fifty_megabytes_both_ways() {
    let ca = TestCa::default();
    let tool = Http2Tool::serving(&ca, "127.0.0.1", |call| {
        let _ = call.answer(StatusCode::OK, &[], false);
        while let Ok(Some(data)) = call.read() {
            call.write(data).unwrap();
        }
        call.finish(&[]);
    });
    let proxy = tls_proxy(&tool.url(), &ca);
    let client = Http2Client::connect(proxy.address());
    let mut exchange = begin(&client, "POST", "/", &[], false);
    assert_eq!(exchange.head().unwrap().status, 200);
    let block = pattern(64 * 1024);
    let (mut sent, mut received) = (0, Vec::with_capacity(BIG));
    while sent < BIG {
        exchange.write(block.clone()).unwrap();
        sent += block.len();
        while received.len() < sent {
            received.extend_from_slice(&exchange.read().unwrap().expect("more"));
        }
    }
    exchange.finish(&[]);
    let rest = exchange.rest();
    assert_eq!((received.len(), rest.bytes.len(), rest.error.is_none()), (BIG, 0, true));
    assert!(received.chunks(block.len()).all(|piece| piece == block));
    wait_for("the record", || proxy.records().contains(&format!(r#""bytes_in":{BIG},"bytes_out":{BIG}"#)));
}

#[test]
fn big_bodies_to_and_from_http1() {
    let body = pattern(5_000_000);
    let answer = body.clone();
    let tool = Tool::answering(move |seen| {
        let mut out = match seen.target() {
            "/chunked" => format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n", answer.len()).into_bytes(),
            _ => format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", answer.len()).into_bytes(),
        };
        out.extend_from_slice(&answer);
        if seen.target() == "/chunked" {
            out.extend_from_slice(b"\r\n0\r\n\r\n");
        }
        out
    });
    let proxy = proxy(&tool.url());
    let client = Http2Client::connect(proxy.address());
    for (path, fields) in [("/chunked", vec![]), ("/length", vec![("content-length", "5000000")])] {
        let mut exchange = begin(&client, "PUT", path, &fields, false);
        exchange.write(body.clone()).unwrap();
        exchange.finish(&[]);
        assert_eq!(exchange.head().unwrap().status, 200);
        let got = exchange.rest();
        assert!(got.bytes == body && got.error.is_none(), "{path}: {} bytes, {:?}", got.bytes.len(), got.error);
    }
    let seen = tool.seen();
    assert!(seen.iter().all(|seen| seen.body == body));
    assert_eq!((seen[0].header("transfer-encoding"), seen[1].header("content-length")), (vec!["chunked"], vec!["5000000"]));
    assert_eq!(tool.connections(), 1);
}

/// What may be on its way when a reader reads nothing: its own window, and on each hop a window and a buffer of the proxy's and of this test's tool, and
/// what two kernels hold.
const ON_THE_WAY: usize = 8 * 1024 * 1024;

#[test]
fn a_slow_reader_makes_the_tool_wait() {
    let (count, counted) = channel();
    let count = std::sync::Mutex::new(count);
    let ca = TestCa::default();
    let tool = Http2Tool::serving(&ca, "127.0.0.1", move |call| {
        call.answer(StatusCode::OK, &[], false).unwrap();
        let sent = call.write_what_fits(pattern(BIG));
        count.lock().unwrap().send(sent).unwrap();
        call.write(vec![1; 1000]).unwrap();
        call.finish(&[]);
    });
    let proxy = tls_proxy(&tool.url(), &ca);
    let client = Http2Client::connect(proxy.address());
    let mut exchange = begin(&client, "GET", "/", &[], true);
    assert_eq!(exchange.head().unwrap().status, 200);
    let sent = counted.recv().unwrap();
    // HTTP/2 throughout, so windows count: the caller's 64 KB, the proxy's 256 KB, and its buffer of 64 KB.
    assert!((64 * 1024..=512 * 1024).contains(&sent), "the tool could send {sent} bytes while nobody read");
    assert_eq!(exchange.rest().bytes.len(), sent + 1000);
}

#[test]
fn a_slow_reader_makes_a_tool_of_http1_wait() {
    let (count, counted) = channel();
    let count = std::sync::Mutex::new(count);
    let tool = Tool::raw(move |stream| {
        let _ = stream.read(&mut [0; 4096]);
        let _ = stream.write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: {BIG}\r\n\r\n").as_bytes());
        stream.set_write_timeout(Some(std::time::Duration::from_millis(500))).unwrap();
        let body = pattern(BIG);
        let mut sent = 0;
        while let Ok(written @ 1..) = stream.write(&body[sent..]) {
            sent += written;
        }
        count.lock().unwrap().send(sent).unwrap();
        stream.set_write_timeout(None).unwrap();
        let _ = stream.write_all(&body[sent..]);
    });
    let proxy = proxy(&tool.url());
    let client = Http2Client::connect(proxy.address());
    let mut exchange = begin(&client, "GET", "/", &[], true);
    assert_eq!(exchange.head().unwrap().status, 200);
    let sent = counted.recv().unwrap();
    assert!(sent < ON_THE_WAY, "the tool could send {sent} bytes while nobody read");
    assert_eq!(exchange.rest().bytes.len(), BIG);
}

#[test]
fn a_slow_tool_makes_the_caller_wait() {
    let (release, wait) = channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let ca = TestCa::default();
    let tool = Http2Tool::serving(&ca, "127.0.0.1", move |call| {
        let _ = wait.lock().unwrap().recv();
        let body = call.rest();
        call.answer(StatusCode::OK, &[("x-length", &body.bytes.len().to_string())], true).unwrap();
    });
    let proxy = tls_proxy(&tool.url(), &ca);
    let client = Http2Client::connect(proxy.address());
    let mut exchange = begin(&client, "PUT", "/", &[], false);
    let sent = exchange.write_what_fits(pattern(BIG));
    assert!(sent <= 512 * 1024, "the caller could send {sent} bytes while nobody read");
    drop(release);
    exchange.finish(&[]);
    assert_eq!(exchange.head().unwrap().headers["x-length"], sent.to_string());
}

#[test]
fn slow_readers_do_not_keep_others_from_their_answers() {
    const SLOW: usize = 20;
    let (stuck, is_stuck) = channel();
    let stuck = std::sync::Mutex::new(stuck);
    let ca = TestCa::default();
    let tool = Http2Tool::serving(&ca, "127.0.0.1", move |call| {
        let _ = call.answer(StatusCode::OK, &[], false);
        if call.head.uri.path() == "/big" {
            call.write_what_fits(vec![0; 1_000_000]);
            stuck.lock().unwrap().send(()).unwrap();
        }
        let _ = call.write("ok");
        call.finish(&[]);
    });
    let proxy = tls_proxy(&tool.url(), &ca);
    // Each has a connection of its own to the proxy, and all of them one to the tool.
    let slow: Vec<_> = (0..SLOW)
        .map(|_| {
            let client = Http2Client::connect(proxy.address());
            let mut exchange = begin(&client, "GET", "/big", &[], true);
            assert_eq!(exchange.head().unwrap().status, 200);
            (client, exchange)
        })
        .collect();
    (0..SLOW).for_each(|_| is_stuck.recv().unwrap());
    let client = Http2Client::connect(proxy.address());
    for _ in 0..10 {
        assert_eq!(get(&client, "/"), (200, "ok".to_owned()));
    }
    assert_eq!(tool.connections(), 1);
    drop(slow);
}

#[test]
fn a_caller_that_resets_cancels_the_tools_request_at_once() {
    for answered in [false, true] {
        let (told, tell) = channel();
        let told = std::sync::Mutex::new(told);
        let ca = TestCa::default();
        let tool = Http2Tool::serving(&ca, "127.0.0.1", move |call: &mut Call| {
            if answered {
                call.answer(StatusCode::OK, &[], false).unwrap();
                call.write("some").unwrap();
            }
            let reason = call.wait_reset();
            told.lock().unwrap().send(reason).unwrap();
        });
        let proxy = tls_proxy(&tool.url(), &ca);
        let client = Http2Client::connect(proxy.address());
        for (count, (method, ends)) in (1..).zip([("GET", true), ("POST", false)]) {
            let mut exchange = begin(&client, method, "/", &[], ends);
            if answered {
                assert_eq!(exchange.head().unwrap().status, 200);
            } else {
                tool.wait_seen(count);
            }
            exchange.reset(Reason::CANCEL);
            assert_eq!(tell.recv_timeout(connectors_testkit::DEADLINE).unwrap(), Some(Reason::CANCEL), "{method} {answered}");
        }
        wait_for("the records", || proxy.records().matches(r#""complete":false"#).count() == 2);
        wait_for("no request to be left", || proxy.metrics().contains("connectors_proxy_active_requests 0"));
        assert_eq!(tool.connections(), 1);
    }
}

#[test]
fn a_caller_that_resets_or_leaves_ends_the_connection_to_a_tool_of_http1() {
    for answer in ["", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome"] {
        let (there, is_there) = channel();
        let there = std::sync::Mutex::new(there);
        let tool = Tool::raw(move |stream| {
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(answer.as_bytes());
            there.lock().unwrap().send(()).unwrap();
            let _ = std::io::copy(stream, &mut std::io::sink());
        });
        let proxy = proxy(&tool.url());
        let mut ended = 0;
        for (method, ends) in [("GET", true), ("POST", false)] {
            for leaves in [false, true] {
                let client = Http2Client::connect(proxy.address());
                let mut exchange = begin(&client, method, "/", &[], ends);
                if answer.is_empty() {
                    is_there.recv().unwrap();
                } else {
                    is_there.recv().unwrap();
                    assert_eq!(exchange.head().unwrap().status, 200);
                }
                match leaves {
                    false => exchange.reset(Reason::CANCEL),
                    true => client.cut(),
                }
                ended += 1;
                tool.wait_closed(ended);
            }
        }
    }
}

#[test]
fn a_caller_that_resets_is_noticed_while_its_body_waits_for_the_tool() {
    // The tool reads nothing, so the request's body doesn't move, and nothing of the answer comes.
    let (end, ends) = channel::<()>();
    let ends = std::sync::Mutex::new(ends);
    let (told, tell) = channel();
    let told = std::sync::Mutex::new(told);
    let ca = TestCa::default();
    let tool = Http2Tool::serving(&ca, "127.0.0.1", move |call| {
        let reason = call.wait_reset();
        told.lock().unwrap().send(reason).unwrap();
    });
    let old = Tool::raw(move |stream| {
        let _ = stream.read(&mut [0; 4096]);
        let _ = ends.lock().unwrap().recv();
        // Only now it is read, and it ends.
        let _ = std::io::copy(stream, &mut std::io::sink());
    });
    let proxy = tls_proxy(&tool.url(), &ca);
    let client = Http2Client::connect(proxy.address());
    let mut exchange = begin(&client, "POST", "/", &[], false);
    exchange.write_what_fits(pattern(BIG));
    exchange.reset(Reason::CANCEL);
    assert_eq!(tell.recv_timeout(connectors_testkit::DEADLINE).unwrap(), Some(Reason::CANCEL));
    let proxy = crate::proxy(&old.url());
    let client = Http2Client::connect(proxy.address());
    let mut exchange = begin(&client, "POST", "/", &[], false);
    exchange.write_what_fits(pattern(BIG));
    exchange.reset(Reason::CANCEL);
    wait_for("no request to be left", || proxy.metrics().contains("connectors_proxy_active_requests 0"));
    end.send(()).unwrap();
    old.wait_closed(1);
}

#[test]
fn a_transfer_that_the_tool_breaks_off_is_reset() {
    fn begins(call: &mut Call) {
        let fields: &[(&'static str, &str)] = if call.head.uri.path() == "/length" { &[("content-length", "10")] } else { &[] };
        call.answer(StatusCode::OK, fields, false).unwrap();
        call.write("half").unwrap();
    }
    let (go_on, goes_on) = channel::<()>();
    let goes_on = std::sync::Mutex::new(goes_on);
    let ca = TestCa::default();
    let resets = Http2Tool::serving(&ca, "127.0.0.1", move |call| {
        begins(call);
        goes_on.lock().unwrap().recv().unwrap();
        call.reset(Reason::CANCEL);
    });
    let cut = Http2Tool::serving(&ca, "127.0.0.1", |call| {
        begins(call);
        call.wait_reset();
    });
    let old = Tool::raw(|stream| {
        let mut input = [0; 4096];
        let count = stream.read(&mut input).unwrap_or(0);
        let length = contains(&input[..count], "GET /length ");
        let answer: &[u8] =
            if length { b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf" } else { b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n" };
        let _ = stream.write_all(answer);
    });
    for (url, proxy) in [(resets.url(), tls_proxy(&resets.url(), &ca)), (old.url(), proxy(&old.url())), (cut.url(), tls_proxy(&cut.url(), &ca))] {
        let client = Http2Client::connect(proxy.address());
        for path in ["/length", "/open"] {
            let mut exchange = begin(&client, "GET", path, &[], true);
            let error = match exchange.head() {
                Ok(head) => {
                    assert_eq!(head.status, 200);
                    if url == resets.url() {
                        go_on.send(()).unwrap();
                    } else if url == cut.url() {
                        cut.cut();
                    }
                    exchange.rest().error
                }
                Err(error) => Some(error),
            };
            let error = error.unwrap_or_else(|| panic!("{url}{path} ended as if it were whole"));
            assert_eq!((error.is_reset(), error.reason()), (true, Some(Reason::INTERNAL_ERROR)), "{url}{path}: {error}");
        }
        wait_for("the records", || proxy.records().matches(r#""complete":false"#).count() == 2);
    }
}

#[test]
fn an_early_answer_gets_through_while_the_request_still_comes() {
    let ca = TestCa::default();
    let tool = Http2Tool::serving(&ca, "127.0.0.1", |call| {
        let _ = call.answer(StatusCode::PAYLOAD_TOO_LARGE, &[], false);
        let _ = call.write("big");
        call.finish(&[]);
    });
    let old = Tool::raw(|stream| {
        let _ = stream.read(&mut [0; 4096]);
        let _ = stream.write_all(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig");
    });
    for proxy in [tls_proxy(&tool.url(), &ca), proxy(&old.url())] {
        let client = Http2Client::connect(proxy.address());
        let mut exchange = begin(&client, "PUT", "/", &[], false);
        let _ = exchange.write(pattern(1000));
        assert_eq!(exchange.head().unwrap().status, 413);
        let body = exchange.rest();
        assert_eq!((body.text().as_str(), body.error.is_none()), ("big", true));
        // The rest isn't wanted, which is no error (RFC 9113 §8.1).
        assert_eq!(exchange.wait_reset(), Reason::NO_ERROR);
    }
}

#[test]
fn a_body_that_comes_after_its_answer_gets_no_reset_for_a_while() {
    let proxy = Proxy::build().start();
    let client = Http2Client::connect(proxy.address());
    for trailers in [&[][..], &[("x-sum", "1")]] {
        let mut exchange = client.begin("POST", "http://c-git.team.svc/", &[], false);
        assert_eq!(exchange.head().unwrap().status, 401);
        assert!(exchange.rest().error.is_none());
        exchange.write(pattern(10_000)).unwrap();
        exchange.finish(trailers);
    }
    // One that is longer than it said is still an error, and one that takes its time isn't waited for.
    let mut exchange = client.begin("POST", "http://c-git.team.svc/", &[("content-length", "5")], false);
    assert_eq!(exchange.head().unwrap().status, 401);
    exchange.write("sixsix").unwrap();
    assert_eq!(exchange.wait_reset(), Reason::PROTOCOL_ERROR);
    let mut exchange = client.begin("POST", "http://c-git.team.svc/", &[], false);
    assert_eq!(exchange.head().unwrap().status, 401);
    exchange.write(pattern(1_000_000)).unwrap();
    assert_eq!(exchange.wait_reset(), Reason::NO_ERROR);
    assert_eq!(client.get("http://c-git.team.svc/", &[]).0.status, 401);
}

#[test]
fn a_body_that_is_not_as_long_as_it_should_be() {
    let (tool, ca) = (Tool::echo(), TestCa::default());
    let modern = Http2Tool::serving(&ca, "127.0.0.1", |call| {
        if call.rest().error.is_none() {
            ok(call);
        }
    });
    for proxy in [proxy(&tool.url()), tls_proxy(&modern.url(), &ca)] {
        let client = Http2Client::connect(proxy.address());
        for body in ["four", "sixsix"] {
            let mut exchange = begin(&client, "PUT", "/", &[("content-length", "5")], false);
            let _ = exchange.write(body);
            exchange.finish(&[]);
            // RFC 9113 §8.1.1: malformed, a stream error.
            match exchange.head() {
                Ok(head) => assert_eq!(head.status, 400),
                Err(error) => assert!(error.is_reset(), "{error}"),
            }
        }
        assert_eq!(get(&client, "/").0, 200);
    }
    assert!(tool.seen().iter().all(|seen| seen.body.is_empty()));
}

#[test]
fn a_tools_answer_that_is_not_as_long_as_it_said_is_never_whole() {
    let ca = TestCa::default();
    // The h2 crate as a server doesn't look at what it is told to send.
    let tool = Http2Tool::serving(&ca, "127.0.0.1", |call| {
        let ends = call.head.uri.path() == "/none";
        let _ = call.answer(StatusCode::OK, &[("content-length", "5")], ends);
        if !ends {
            let _ = call.write(if call.head.uri.path() == "/short" { "four" } else { "sixsix" });
            call.finish(&[]);
        }
    });
    let proxy = tls_proxy(&tool.url(), &ca);
    let client = Http2Client::connect(proxy.address());
    for path in ["/none", "/short", "/long"] {
        let mut exchange = begin(&client, "GET", path, &[], true);
        match exchange.head() {
            Ok(head) => assert!(head.status == 502 || exchange.rest().error.is_some(), "{path}: {}", head.status),
            Err(error) => assert!(error.is_reset(), "{error}"),
        }
    }
}

#[test]
fn http1_callers_inside_an_interception_get_http1_from_the_tool() {
    let ca = TestCa::default();
    let tool = Tool::tls_echo(&ca, "127.0.0.1");
    let proxy: Proxy = tls_proxy(&tool.url(), &ca);
    let mut client: Client = intercepted_http1(&proxy, tool.address());
    client.write(format!("POST / HTTP/1.1\r\nHost: {}\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 1\r\n\r\n", tool.address()));
    assert_eq!(client.answer("POST").status, 200);
    assert_eq!(tool.only().body, b"ok");
}
