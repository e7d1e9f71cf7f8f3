//! How the two directions of one exchange depend on each other: who may be how far, and what happens to one side when the other goes away.

#![allow(clippy::unwrap_used, reason = "what a tool here can't do fails its test")]

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use connectors_testkit::{
    Builder, Client, DEADLINE, Proxy, TestCa, Tool, Wire, client_stream, nothing_comes, pattern, proxy_authorization, read_head, token, wait_for,
};

/// What happens within a moment is not left to a limit, of which the shortest is five seconds in these tests.
const MOMENT: Duration = Duration::from_secs(2);

fn build(tool: &Tool) -> Builder {
    Proxy::build().basic("team/git", &tool.url(), "bot", "canary-password").allow("builder", "team/git")
}

fn head(method: &str, lines: &str) -> String {
    format!("{method} /x HTTP/1.1\r\nHost: c-git.team.svc\r\nAuthorization: Bearer {}\r\n{lines}\r\n", token("builder"))
}

/// A connection inside an interception.
fn intercepted(proxy: &Proxy, tool: &Tool) -> Client {
    let mut client = proxy.client();
    let connect = format!("CONNECT {0} HTTP/1.1\r\nHost: {0}\r\nProxy-Authorization: {1}\r\n\r\n", tool.address(), proxy_authorization("team/git", "builder"));
    assert_eq!(client.send(connect).status, 200);
    Client::over(client_stream(client.into_stream(), "127.0.0.1", proxy.ca_pem()))
}

/// Reads a head, does nothing more, and tells how long it took until the connection ended.
fn waiting(stream: &mut dyn Wire, ended: &Mutex<Vec<Duration>>) {
    assert!(!read_head(stream).is_empty());
    let mut rest = Vec::new();
    let began = Instant::now();
    let _ = stream.read_to_end(&mut rest);
    ended.lock().unwrap().push(began.elapsed());
}

#[test]
fn when_the_caller_goes_away_while_it_waits_the_tool_is_told_at_once() {
    for request in
        [head("GET", ""), head("POST", "Content-Length: 5\r\n") + "hello", head("POST", "Transfer-Encoding: chunked\r\n") + "5\r\nhello\r\n0\r\n\r\n"]
    {
        for resets in [false, true] {
            let ended = Arc::new(Mutex::new(Vec::new()));
            let tool = Tool::wire(None, {
                let ended = ended.clone();
                move |stream| waiting(stream, &ended)
            });
            let proxy = build(&tool).start();
            let mut client = proxy.client();
            client.write(&request);
            wait_for("the request to reach the tool", || tool.connections() == 1);
            match resets {
                true => client.reset(),
                false => drop(client),
            }
            tool.wait_closed(1);
            assert!(ended.lock().unwrap()[0] < MOMENT);
            wait_for("the record", || proxy.records().contains("\"answered_by\":\"nobody\""));
            assert!(proxy.records().contains("\"complete\":false"));
        }
    }
}

#[test]
fn when_the_caller_goes_away_inside_an_interception_the_tool_is_told_at_once() {
    for resets in [false, true] {
        let ca = TestCa::default();
        let ended = Arc::new(Mutex::new(Vec::new()));
        let tool = Tool::wire(Some((&ca, "127.0.0.1")), {
            let ended = ended.clone();
            move |stream| waiting(stream, &ended)
        });
        let proxy = build(&tool).trusting(ca.der()).intercepting().start();
        let mut client = intercepted(&proxy, &tool);
        client.write(format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", tool.address()));
        wait_for("the request to reach the tool", || tool.connections() == 1);
        match resets {
            true => client.reset(),
            false => drop(client),
        }
        tool.wait_closed(1);
        assert!(ended.lock().unwrap()[0] < MOMENT);
    }
}

#[test]
fn a_caller_that_goes_away_in_the_answer_ends_it_for_the_tool_too() {
    let tool = Tool::raw(|stream| {
        read_head(stream);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nevent\r\n");
        // As one that waits for events: it has nothing to say for now.
        let _ = stream.read(&mut [0]);
    });
    let proxy = build(&tool).start();
    let mut client = proxy.client();
    client.write(head("GET", ""));
    assert_eq!(client.answer_head("GET").status, 200);
    assert_eq!(client.body(5), b"event");
    let began = Instant::now();
    drop(client);
    tool.wait_closed(1);
    assert!(began.elapsed() < MOMENT);
}

#[test]
fn a_caller_that_only_has_no_more_requests_gets_its_answer() {
    for request in [
        head("GET", "Connection: close\r\n"),
        head("GET", "").replacen("HTTP/1.1", "HTTP/1.0", 1),
        head("POST", "Connection: close\r\nContent-Length: 5\r\n") + "hello",
    ] {
        let tool = Tool::raw(|stream| {
            if read_head(stream).starts_with("POST") {
                stream.read_exact(&mut [0; 5]).unwrap();
            }
            assert!(nothing_comes(stream));
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n").and_then(|()| stream.write_all(&pattern(1_000_000))).unwrap();
        });
        let proxy = build(&tool).start();
        let mut client = proxy.client();
        client.write(&request);
        client.finish();
        let answer = client.answer("GET");
        assert!(answer.complete && answer.body == pattern(1_000_000), "{request:?}: {} bytes", answer.body.len());
    }
}

#[test]
fn a_pipelined_request_waits_and_is_taken_for_nothing_else() {
    let heads = Arc::new(Mutex::new(Vec::new()));
    let tool = Tool::raw({
        let heads = heads.clone();
        move |stream| {
            loop {
                let head = read_head(stream);
                if head.is_empty() {
                    return;
                }
                let mut body = vec![0; if head.starts_with("POST") { 1_000_000 } else { 0 }];
                stream.read_exact(&mut body).unwrap();
                assert!(body.is_empty() || body == pattern(1_000_000));
                heads.lock().unwrap().push(head);
                assert!(nothing_comes(stream));
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").unwrap();
            }
        }
    });
    let proxy = build(&tool).start();
    let mut client = proxy.client();
    std::thread::scope(|scope| {
        let (mut reader, mut writer) = client.split();
        scope.spawn(move || {
            let post = head("POST", "Content-Length: 1000000\r\n").into_bytes();
            writer.write([head("GET", "").as_bytes(), head("GET", "").as_bytes(), &post, &pattern(1_000_000), head("GET", "").as_bytes()].concat());
            // The end of what it sends is no reason to forget what it has asked for before.
            writer.finish();
        });
        for method in ["GET", "GET", "POST"] {
            assert_eq!(reader.answer(method).text(), "ok");
        }
    });
    let methods: Vec<String> = heads.lock().unwrap().iter().map(|head| head[..4].trim().to_owned()).collect();
    assert_eq!(methods[..3], ["GET", "GET", "POST"]);
    assert_eq!(tool.connections(), 1);
}

#[test]
fn each_piece_of_a_body_is_answered_before_the_next_is_sent() {
    const PIECE: usize = 64 * 1024;
    const PIECES: usize = 800;
    for framing in ["Content-Length: 52428800\r\n", "Transfer-Encoding: chunked\r\n"] {
        let tool = Tool::raw(move |stream| {
            read_head(stream);
            stream.write_all(format!("HTTP/1.1 200 OK\r\n{framing}\r\n").as_bytes()).unwrap();
            // Sent back as it comes, framing included.
            let mut piece = [0; PIECE];
            while let Ok(count @ 1..) = stream.read(&mut piece) {
                stream.write_all(&piece[..count]).unwrap();
            }
        });
        let proxy = build(&tool).start();
        let mut client = proxy.client();
        client.write(head("POST", framing));
        assert_eq!(client.answer_head("POST").status, 200);
        for number in 0..PIECES {
            let piece = vec![number as u8; PIECE];
            match framing.starts_with('C') {
                true => client.write(&piece),
                false => client.write([format!("{PIECE:x}\r\n").as_bytes(), &piece, b"\r\n"].concat()),
            }
            assert!(client.body(PIECE) == piece, "piece {number}");
        }
        if !framing.starts_with('C') {
            client.write("0\r\n\r\n");
        }
        assert!(client.body(1).is_empty());
        wait_for("the record", || proxy.records().contains("\"bytes_in\":52428800,\"bytes_out\":52428800"));
        assert!(proxy.records().contains("\"complete\":true"));
    }
}

#[test]
fn an_answer_may_begin_and_end_before_the_request_does() {
    // It begins early, and goes on when the request has been read.
    let tool = Tool::raw(|stream| {
        read_head(stream);
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nearly").unwrap();
        let mut body = vec![0; 1_000_000];
        stream.read_exact(&mut body).unwrap();
        assert!(body == pattern(1_000_000));
        stream.write_all(b" late").unwrap();
        read_head(stream);
        stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
    });
    let proxy = build(&tool).start();
    let mut client = proxy.client();
    client.write(head("PUT", "Content-Length: 1000000\r\n"));
    client.answer_head("PUT");
    assert_eq!(client.body(5), b"early");
    client.write(pattern(1_000_000));
    assert_eq!(client.body(100), b" late");
    assert_eq!(client.send(head("GET", "")).status, 204);
    assert_eq!(tool.connections(), 1);

    // It ends early: what is left of the request can't be told from a next one, so both connections end.
    let tool = Tool::raw(|stream| {
        read_head(stream);
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone").unwrap();
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
    });
    let proxy = build(&tool).start();
    let mut client = proxy.client();
    client.write(head("PUT", "Content-Length: 1000000\r\n") + "begun");
    let answer = client.answer("PUT");
    assert_eq!((answer.status, answer.text().as_str(), answer.complete), (200, "done", true));
    tool.wait_closed(1);
    client.try_write(head("GET", ""));
    assert!(client.rest().is_empty());
}

#[test]
fn the_rest_of_a_request_whose_answer_is_through_is_taken_if_the_tool_takes_it() {
    let tool = Tool::raw(|stream| {
        read_head(stream);
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone").unwrap();
        let mut body = vec![0; 1_000_000];
        stream.read_exact(&mut body).unwrap();
        assert!(body == pattern(1_000_000));
        read_head(stream);
        stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
    });
    let proxy = build(&tool).start();
    let mut client = proxy.client();
    let body = pattern(1_000_000);
    client.write(head("PUT", "Content-Length: 1000000\r\n"));
    client.write(&body[..1000]);
    let answer = client.answer("PUT");
    assert_eq!((answer.text().as_str(), answer.header("connection")), ("done", None));
    client.write(&body[1000..]);
    assert_eq!(client.send(head("GET", "")).status, 204);
    assert_eq!(tool.connections(), 1);
}

#[test]
fn a_caller_that_is_refused_early_is_told_that_its_connection_ends() {
    for (refusal, lines) in [("413 Content Too Large", ""), ("200 OK", "Connection: close\r\n")] {
        let tool = Tool::raw(move |stream| {
            read_head(stream);
            stream.write_all(format!("HTTP/1.1 {refusal}\r\nContent-Length: 2\r\n{lines}\r\nno").as_bytes()).unwrap();
            let mut rest = Vec::new();
            let _ = stream.read_to_end(&mut rest);
        });
        let proxy = build(&tool).start();
        let mut client = proxy.client();
        client.write(head("PUT", "Content-Length: 1000000\r\n"));
        let answer = client.answer("PUT");
        assert_eq!((answer.text().as_str(), answer.header("connection")), ("no", Some("close")), "{refusal}");
    }
}

#[test]
fn a_request_that_is_on_its_way_when_the_proxy_stops_gets_the_last_answer() {
    let tool = Tool::echo();
    let mut proxy = build(&tool).settings(|settings| settings.drain_idle_timeout = DEADLINE).start();
    // One that was used before, and one that wasn't.
    let mut clients = [proxy.client(), proxy.client()];
    assert_eq!(clients[0].send(head("GET", "")).header("connection"), None);
    let address = proxy.address();
    let stopping = std::thread::spawn(move || {
        proxy.stop();
        proxy
    });
    wait_for("the listener to close", || TcpListener::bind(address).is_ok());
    for client in &mut clients {
        let answer = client.send(head("GET", ""));
        assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
        assert!(client.rest().is_empty());
    }
    // Nothing is left to wait for.
    let began = Instant::now();
    drop(stopping.join().unwrap());
    assert!(began.elapsed() < DEADLINE / 2);
}

/// How a tool ends its connection.
#[derive(Debug, Clone, Copy, PartialEq)]
enum End {
    /// As it should be: TLS says so too.
    Finish,
    /// Without a word within TLS, as anybody on the way could have it end.
    Vanish,
    Reset,
}

/// Whether a caller takes an answer for whole of which the tool sends `sent`, and then ends its connection.
fn looks_whole(tls: bool, sent: &'static str, end: End, version: &str) -> bool {
    let ca = TestCa::default();
    let (go_on, wait) = std::sync::mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let tool = Tool::wire(tls.then_some((&ca, "127.0.0.1")), move |stream| {
        read_head(stream);
        stream.write_all(sent.as_bytes()).and_then(|()| stream.flush()).unwrap();
        // A reset would take along what is still on its way.
        wait.lock().unwrap().recv().unwrap();
        match end {
            End::Finish => stream.finish().unwrap(),
            End::Vanish => {}
            End::Reset => stream.resets(),
        }
    });
    let proxy = build(&tool).trusting(ca.der()).start();
    let mut client = proxy.client();
    client.write(head("GET", "Connection: close\r\n").replacen("HTTP/1.1", version, 1));
    let answer = client.answer_head("GET");
    assert_eq!(client.body(4), b"half");
    go_on.send(()).unwrap();
    let whole = client.rest_of(answer).complete;
    wait_for("the record", || proxy.records().contains(&format!("\"complete\":{whole}")));
    whole
}

#[test]
fn an_answer_that_the_tool_breaks_off_never_looks_whole() {
    let length = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf";
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n";
    let until_close = "HTTP/1.1 200 OK\r\n\r\nhalf";
    for version in ["HTTP/1.1", "HTTP/1.0"] {
        for tls in [false, true] {
            for sent in [length, chunked, until_close] {
                for end in [End::Finish, End::Vanish, End::Reset] {
                    // Only this is an end: what there is of the answer is all of it. Without TLS, vanishing is the same.
                    let whole = sent == until_close && (end == End::Finish || end == End::Vanish && !tls);
                    assert_eq!(looks_whole(tls, sent, end, version), whole, "{version} {end:?} after {sent:?}, tls: {tls}");
                }
            }
        }
    }
}

/// A caller that can't be told of a broken transfer but by its connection is told also when it is the proxy that has had enough.
#[test]
fn an_answer_that_the_proxy_breaks_off_never_looks_whole() {
    for chunked in [true, false] {
        let tool = Tool::raw(move |stream| {
            read_head(stream);
            let answer = if chunked { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n" } else { "HTTP/1.1 200 OK\r\n\r\nhalf" };
            stream.write_all(answer.as_bytes()).unwrap();
            let _ = stream.read(&mut [0]);
        });
        for stops in [true, false] {
            let mut proxy = build(&tool)
                .settings(|settings| {
                    settings.idle_timeout = if stops { Duration::from_secs(60) } else { Duration::from_millis(200) };
                    settings.drain_timeout = Duration::from_millis(100);
                })
                .start();
            let mut client = proxy.client();
            client.write(head("GET", "").replacen("HTTP/1.1", "HTTP/1.0", 1));
            let answer = client.answer_head("GET");
            assert_eq!(client.body(4), b"half");
            if stops {
                proxy.stop();
            }
            assert!(!client.rest_of(answer).complete, "chunked: {chunked}, stops: {stops}");
        }
    }
}

/// What happens on the connection that is made instead of a dead one.
#[derive(Clone, Copy, PartialEq)]
enum Later {
    /// There is none.
    None,
    Serves,
    /// It ends when it has read the request.
    Dies,
}

/// What becomes of a request for which there is a connection in the pool that dies at the very moment of its being taken, so that the proxy can't know:
/// the answer's status, and what later connections got to see.
fn on_a_dying_connection(request: &str, end: End, later: Later) -> (u16, Vec<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let first: Arc<Mutex<Option<TcpStream>>> = Arc::default();
    let tool = std::thread::spawn({
        let first = first.clone();
        move || {
            let serve = |stream: &mut TcpStream| {
                let mut seen = read_head(stream);
                let mut body = vec![0; if seen.contains("Content-Length: 5") { 5 } else { 0 }];
                stream.read_exact(&mut body).unwrap();
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
                seen.push_str(std::str::from_utf8(&body).unwrap());
                seen
            };
            let (mut stream, _) = listener.accept().unwrap();
            serve(&mut stream);
            *first.lock().unwrap() = Some(stream);
            let mut seen = Vec::new();
            if later != Later::None {
                let (mut stream, _) = listener.accept().unwrap();
                seen.push(match later {
                    Later::Serves => serve(&mut stream),
                    _ => read_head(&mut stream),
                });
            }
            // Whoever comes after that is refused.
            seen
        }
    });
    let dies = first.clone();
    let before_authorizing = move || {
        if let Some(stream) = dies.lock().unwrap().take()
            && end == End::Reset
        {
            stream.resets();
        }
    };
    let proxy = Proxy::build().open("team/git", &url).allow("builder", "team/git").before_authorizing(before_authorizing).start();
    assert_eq!(proxy.client().send(head("GET", "")).status, 200);
    wait_for("the first connection to be there to end", || first.lock().unwrap().is_some());
    let mut client = proxy.client();
    client.write(request);
    (client.answer("GET").status, tool.join().unwrap())
}

#[test]
fn what_a_dead_connection_took_nothing_of_is_sent_once_more() {
    // Not one byte could be written, so it doesn't matter what it is.
    for method in ["GET", "POST"] {
        let (status, seen) = on_a_dying_connection(&(head(method, "Content-Length: 5\r\n") + "hello"), End::Reset, Later::Serves);
        assert_eq!((status, seen.len()), (200, 1), "{method}");
        assert!(seen[0].starts_with(method) && seen[0].ends_with("\r\n\r\nhello"), "{}", seen[0]);
    }
    let (status, seen) = on_a_dying_connection(&(head("POST", "Transfer-Encoding: chunked\r\n") + "0\r\n\r\n"), End::Reset, Later::Serves);
    assert_eq!((status, seen.len()), (200, 1));
    // It could be written, and may have been read: what does no harm when done twice is sent again.
    let (status, seen) = on_a_dying_connection(&head("GET", ""), End::Finish, Later::Serves);
    assert_eq!((status, seen.len()), (200, 1));
}

#[test]
fn what_may_have_been_read_is_not_sent_again() {
    for request in [
        head("POST", ""),
        head("PATCH", ""),
        head("POST", "Content-Length: 5\r\n") + "hello",
        head("PUT", "Content-Length: 5\r\n") + "hello",
        head("DELETE", "Transfer-Encoding: chunked\r\n") + "0\r\n\r\n",
    ] {
        assert_eq!(on_a_dying_connection(&request, End::Finish, Later::None), (502, vec![]), "{request}");
    }
}

#[test]
fn nothing_is_sent_a_third_time() {
    // A third connection would be refused, and that would be another reason.
    for (request, end) in [(head("GET", ""), End::Finish), (head("GET", ""), End::Reset), (head("POST", ""), End::Reset)] {
        let (status, seen) = on_a_dying_connection(&request, end, Later::Dies);
        assert_eq!((status, seen.len()), (502, 1), "{request}");
    }
}

#[test]
fn an_upgrade_takes_no_connection_that_could_be_dead() {
    let upgrade = head("GET", "Connection: Upgrade\r\nUpgrade: websocket\r\n");
    let (status, seen) = on_a_dying_connection(&upgrade, End::Finish, Later::Serves);
    assert_eq!((status, seen.len()), (200, 1));
    assert!(seen[0].contains("Upgrade: websocket\r\n"));
}

#[test]
fn trailers_go_both_ways() {
    let (tell, told) = std::sync::mpsc::channel();
    let tool = Tool::raw(move |stream| {
        read_head(stream);
        let mut body = Vec::new();
        while !body.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            body.push(byte[0]);
        }
        tell.send(String::from_utf8(body).unwrap()).unwrap();
        let answer =
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: Grpc-Status\r\n\r\n2\r\nok\r\n0\r\nGrpc-Status: 0\r\nX-Connectors-Error: x\r\n\r\n";
        stream.write_all(answer.as_bytes()).unwrap();
    });
    let proxy = build(&tool).start();
    let mut client = proxy.client();
    client.write(head("POST", "Transfer-Encoding: chunked\r\nTE: trailers\r\nTrailer: X-Checksum\r\nConnection: close\r\n"));
    client.write(format!("5\r\nhello\r\n0\r\nX-Checksum: 1\r\nX-Token: {}\r\n\r\n", token("builder")));
    assert_eq!(told.recv_timeout(connectors_testkit::DEADLINE).unwrap(), "5\r\nhello\r\n0\r\nX-Checksum: 1\r\n\r\n");
    client.answer_head("POST");
    let raw = client.rest();
    assert_eq!(String::from_utf8(raw).unwrap(), "2\r\nok\r\n0\r\nGrpc-Status: 0\r\n\r\n");
}

#[test]
fn interim_answers_come_before_the_final_one() {
    let tool = Tool::answering(|seen| {
        let interims = match seen.target() {
            "/none" => 0,
            "/some" => 3,
            _ => 65,
        };
        let interim = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nConnection: x-hop\r\nX-Hop: 1\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n";
        (interim.repeat(interims) + "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").into_bytes()
    });
    let proxy = build(&tool).start();
    let get = |path: &str, version: &str| head("GET", "").replacen("/x HTTP/1.1", &format!("{path} {version}"), 1);
    let mut client = proxy.client();
    client.write(get("/some", "HTTP/1.1"));
    for _ in 0..3 {
        let hints = client.answer("GET");
        assert_eq!((hints.status, hints.header("link"), hints.header("x-hop"), hints.header("connection")), (103, Some("</a>"), None, None));
        assert_eq!(client.answer("GET").status, 102);
    }
    assert_eq!(client.answer("GET").text(), "ok");
    // HTTP/1.0 has none (RFC 9110 §15.2).
    assert_eq!(proxy.client().send(get("/some", "HTTP/1.0")).text(), "ok");
    // A tool that never comes to an end of them is one that gives no answer.
    let mut client = proxy.client();
    client.write(get("/many", "HTTP/1.1"));
    let statuses: Vec<u16> = std::iter::repeat_with(|| client.answer("GET").status).take_while(|status| *status < 200).collect();
    assert_eq!(statuses.len(), 64);
    assert_eq!(proxy.client().send(get("/none", "HTTP/1.1")).text(), "ok");
}

#[test]
fn answers_without_a_body_have_none_whatever_the_tool_sends() {
    for (method, answer) in [
        ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"),
        ("HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
        ("HEAD", "HTTP/1.1 200 OK\r\n\r\n"),
        ("HEAD", "HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\n"),
        ("GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"),
        ("GET", "HTTP/1.1 204 No Content\r\n\r\n"),
        ("GET", "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n"),
    ] {
        for wrongly in ["", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nbad"] {
            let tool = Tool::answering(move |_| format!("{answer}{wrongly}").into_bytes());
            let proxy = build(&tool).start();
            let mut client = proxy.client();
            for _ in 0..3 {
                let got = client.send(head(method, ""));
                assert_eq!((got.status.to_string().as_str(), got.body.len(), got.complete), (&answer[9..12], 0, true), "{answer:?} {wrongly:?}");
            }
            assert_eq!(tool.connections(), if wrongly.is_empty() { 1 } else { 3 }, "{method} {answer:?}");
        }
    }
}
