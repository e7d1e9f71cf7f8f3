//! Bodies both ways, connections kept and ended, and what happens when somebody goes away.

use std::io::{Read as _, Write as _};

use connectors_testkit::{Proxy, Tool, pattern, token, wait_for};

fn proxy(tool: &Tool) -> Proxy {
    Proxy::build().basic("team/git", &tool.url(), "bot", "canary-password").allow("builder", "team/git").start()
}

fn head(method: &str, more: &str) -> String {
    format!("{method} /x HTTP/1.1\r\nHost: c-git.team.svc\r\nAuthorization: Bearer {}\r\n{more}\r\n", token("builder"))
}

#[test]
fn a_body_with_a_length_and_one_in_chunks_arrive_whole() {
    let tool = Tool::echo();
    let proxy = proxy(&tool);
    let mut client = proxy.client();
    let body = pattern(3_000_000);
    client.write(head("PUT", &format!("Content-Length: {}\r\n", body.len())));
    client.write(&body);
    assert_eq!(client.answer("PUT").status, 200);
    client.write(head("POST", "Transfer-Encoding: chunked\r\n"));
    for chunk in body.chunks(100_000) {
        client.write(format!("{:x};ext=1\r\n", chunk.len()));
        client.write(chunk);
        client.write("\r\n");
    }
    client.write("0\r\nX-Checksum: 1\r\n\r\n");
    assert_eq!(client.answer("POST").status, 200);
    let seen = tool.seen();
    assert!(seen.iter().all(|seen| seen.body == body));
    assert_eq!(seen[0].header("content-length"), [body.len().to_string()]);
    assert_eq!(seen[1].header("transfer-encoding"), ["chunked"]);
    assert_eq!(tool.connections(), 1, "the connection to the tool is kept");
}

#[test]
fn answers_keep_their_framing_or_get_one() {
    let tool = Tool::answering(|seen| match seen.header("x-case").first().copied() {
        Some("length") => b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello".to_vec(),
        Some("chunked") => b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x\r\nllo\r\n0\r\nX-After: 1\r\n\r\n".to_vec(),
        Some("none") => b"HTTP/1.1 204 No Content\r\n\r\n".to_vec(),
        Some("unchanged") => b"HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\nETag: \"x\"\r\n\r\n".to_vec(),
        Some("early") => b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_vec(),
        _ => b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n".to_vec(),
    });
    let proxy = proxy(&tool);
    let mut client = proxy.client();
    let mut get = |method: &str, case: &str| client.send(head(method, &format!("X-Case: {case}\r\n")));
    assert_eq!(get("GET", "length").text(), "hello");
    let chunked = get("GET", "chunked");
    assert_eq!((chunked.text().as_str(), chunked.header("transfer-encoding"), chunked.complete), ("hello", Some("chunked"), true));
    assert_eq!(get("GET", "none").status, 204);
    let unchanged = get("GET", "unchanged");
    assert_eq!((unchanged.status, unchanged.header("content-length"), unchanged.header("etag")), (304, Some("99"), Some("\"x\"")));
    let of_head = get("HEAD", "head");
    assert_eq!((of_head.status, of_head.header("content-length"), of_head.body.len()), (200, Some("7"), 0));
    assert_eq!(get("GET", "early").status, 103);
    assert_eq!(client.answer("GET").text(), "ok");
    assert_eq!(tool.connections(), 1);
}

#[test]
fn what_ends_with_the_tools_connection_comes_in_chunks() {
    let tool = Tool::raw(|stream| {
        let mut input = [0; 4096];
        let _ = stream.read(&mut input);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\nuntil the end");
    });
    let proxy = proxy(&tool);
    let mut client = proxy.client();
    for _ in 0..2 {
        let answer = client.send(head("GET", ""));
        assert_eq!((answer.text().as_str(), answer.header("transfer-encoding"), answer.complete), ("until the end", Some("chunked"), true));
    }
    assert_eq!(tool.connections(), 2);
}

#[test]
fn expect_100_continue_is_the_tools_to_answer() {
    let tool = Tool::echo();
    let proxy = proxy(&tool);
    let mut client = proxy.client();
    client.write(head("PUT", "Content-Length: 5\r\nExpect: 100-continue\r\n"));
    assert_eq!(client.answer("PUT").status, 100);
    client.write("hello");
    assert_eq!(client.answer("PUT").status, 200);
    assert_eq!(tool.only().body, b"hello");
    // A refusal comes at once, and the connection ends since nobody knows whether the body still comes.
    let answer = client.send("PUT / HTTP/1.1\r\nHost: c-git.team.svc\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    assert_eq!((answer.status, answer.header("connection")), (401, Some("close")));
}

#[test]
fn an_early_answer_gets_through_while_the_request_still_comes() {
    let tool = Tool::raw(|stream| {
        let mut input = [0; 4096];
        let _ = stream.read(&mut input);
        let _ = stream.write_all(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig");
    });
    let proxy = proxy(&tool);
    let mut client = proxy.client();
    client.write(head("PUT", "Content-Length: 1000000\r\n"));
    client.write(pattern(1000));
    let answer = client.answer("PUT");
    assert_eq!((answer.status, answer.text().as_str(), answer.reason()), (413, "big", ""));
}

#[test]
fn a_transfer_that_the_tool_breaks_off_looks_broken() {
    for answer in ["HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"] {
        let tool = Tool::raw(move |stream| {
            let mut input = [0; 4096];
            let _ = stream.read(&mut input);
            let _ = stream.write_all(answer.as_bytes());
        });
        let proxy = proxy(&tool);
        let answer = proxy.client().send(head("GET", ""));
        assert_eq!((answer.text().as_str(), answer.complete), ("half", false));
        wait_for("the record", || proxy.records().contains(r#""complete":false"#));
    }
}

#[test]
fn when_the_caller_goes_away_in_its_body_the_tool_is_told_at_once() {
    let tool = Tool::raw(|stream| {
        let _ = std::io::copy(stream, &mut std::io::sink());
    });
    let proxy = proxy(&tool);
    let mut client = proxy.client();
    client.write(head("PUT", "Content-Length: 1000000\r\n"));
    client.write(pattern(1000));
    wait_for("the request to reach the tool", || tool.connections() == 1);
    drop(client);
    tool.wait_closed(1);
}

#[test]
fn a_dead_connection_from_the_pool_is_replaced_without_a_failure() {
    // Each connection serves one request and then ends without having said so.
    let tool = Tool::raw(|stream| {
        let mut input = [0; 4096];
        let _ = stream.read(&mut input);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    });
    let proxy = proxy(&tool);
    let mut client = proxy.client();
    for count in 1..=20 {
        assert_eq!(client.send(head("GET", "")).text(), "ok", "request {count}");
    }
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let tool = Tool::answering(|seen| format!("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{}", seen.header("x-number")[0]).into_bytes());
    let proxy = proxy(&tool);
    let mut client = proxy.client();
    client.write((0..5).map(|n| head("GET", &format!("X-Number: {n}\r\n"))).collect::<String>());
    let order: String = (0..5).map(|_| client.answer("GET").text()).collect();
    assert_eq!(order, "01234");
}

#[test]
fn stopping_lets_requests_in_flight_finish() {
    let (release, wait) = std::sync::mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let tool = Tool::answering(move |_| {
        wait.lock().unwrap().recv().unwrap();
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone".to_vec()
    });
    let mut proxy = proxy(&tool);
    let mut client = proxy.client();
    let idle = proxy.client();
    client.write(head("GET", ""));
    wait_for("the request to reach the tool", || tool.seen().len() == 1);
    let stopping = std::thread::spawn(move || {
        proxy.stop();
        proxy
    });
    // An idle connection ends at once; the other one only after its answer.
    let mut idle = idle;
    assert!(idle.rest().is_empty());
    release.send(()).unwrap();
    assert_eq!(client.answer("GET").text(), "done");
    drop(stopping.join().unwrap());
}

#[test]
fn p28_an_idle_connection_and_a_slow_head_end() {
    let proxy = Proxy::build()
        .settings(|settings| {
            settings.idle_timeout = std::time::Duration::from_millis(200);
            settings.head_timeout = std::time::Duration::from_millis(200);
        })
        .start();
    let mut idle = proxy.client();
    assert!(idle.rest().is_empty());
    let mut slow = proxy.client();
    slow.write("GET / HTTP/1.1\r\nHost: x\r\nX-Slow");
    assert!(slow.rest().is_empty());
}

#[test]
fn p28_a_caller_that_does_not_read_refusals_is_let_go() {
    let proxy = Proxy::build().settings(|settings| settings.idle_timeout = std::time::Duration::from_millis(300)).start();
    let mut client = proxy.client();
    // Far more refusals than the two kernels buffer.
    let requests = "GET / HTTP/1.1\r\nHost: x\r\n\r\n".repeat(1000);
    let end = std::time::Instant::now() + connectors_testkit::DEADLINE;
    while client.try_write(&requests) {
        assert!(std::time::Instant::now() < end, "the proxy goes on taking requests whose answers nobody reads");
    }
    wait_for("the connection to end", || proxy.metrics().contains("connectors_proxy_active_requests 0"));
}
