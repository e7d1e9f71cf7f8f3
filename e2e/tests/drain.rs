//! SIGTERM under load: every request gets its answer, or was provably never taken, and then can be sent again elsewhere whatever it is (RFC 9110 §9.2.2).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "these are tests, and say what they measured")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use connectors_e2e::{Connection, Connector, Connectors, Folder, LoadTool, basic_class, basic_secret, grant, service_account, streams, unique, wait_for};
use h2::SendStream;
use h2::client::{ResponseFuture, SendRequest};
use http::Request;
use tokio::net::TcpStream;

/// Connections under load when the signal comes.
const CONNECTIONS: usize = 64;
/// Requests at once on each connection of HTTP/2.
const STREAMS: usize = 4;
/// Signals, each with a new proxy.
const ROUNDS: usize = 3;
/// Answers on average on each connection before the signal comes.
const BEFORE: usize = 10;

/// How long anything may take.
const DEADLINE: Duration = Duration::from_secs(60);

/// Longer than a caller here waits between two requests on a machine that is busy with 64 others. Nobody waits for it, since the callers leave.
const FLAGS: &[&str] = &["--drain-idle-timeout", "10s"];

fn folder(tool: &LoadTool) -> Folder {
    Folder::new().with(&[
        basic_class("web"),
        Connector::new("team/tool", "web", &tool.url()).auth("basicAuth", "tool").yaml(),
        basic_secret("team/tool", "bot", &unique("password")),
        service_account("team/builder"),
        grant("team/builder", "team/tool"),
    ])
}

/// A request, in turn one of those that differ in what can go wrong.
struct Wanted {
    method: &'static str,
    path: &'static str,
    body: Vec<u8>,
    answer: Vec<u8>,
}

fn wanted(number: usize) -> Wanted {
    let body = || (0..150_000).map(|n| (n % 251) as u8 ^ (number % 256) as u8).collect::<Vec<_>>();
    match number % 4 {
        0 => Wanted { method: "GET", path: "/bytes/10", body: Vec::new(), answer: vec![0; 10] },
        1 => Wanted { method: "POST", path: "/count", body: body(), answer: b"150000".to_vec() },
        2 => Wanted { method: "POST", path: "/echo", body: body(), answer: body() },
        _ => Wanted { method: "GET", path: "/bytes/300000", body: Vec::new(), answer: vec![0; 300_000] },
    }
}

/// Sends the signal when the callers have had so many answers, and waits for its end.
fn stop_under_load(proxy: &mut Connectors<'_>, answers: &AtomicUsize, at: usize) {
    wait_for("a load", || (answers.load(Ordering::Relaxed) >= at).then_some(()));
    proxy.ask_to_stop();
}

/// The proxy has ended well, and has a record of each request that was answered, and of no other.
#[track_caller]
fn assert_accounted(mut proxy: Connectors<'_>, answers: usize) {
    let status = proxy.wait();
    assert_eq!(status.code(), Some(0), "{}", proxy.errors());
    let records = proxy.records();
    let odd: Vec<_> = records.iter().filter(|record| record["status"] != 200 || record["complete"] == false).collect();
    assert!(odd.is_empty(), "{odd:?}");
    assert_eq!(records.len(), answers);
}

#[test]
fn no_request_of_http1_is_lost() {
    let tool = LoadTool::start();
    let folder = folder(&tool);
    for round in 0..ROUNDS {
        let mut proxy = Connectors::start_with(&folder, FLAGS);
        let (address, token) = (proxy.listen(), proxy.token("team/builder"));
        let answers = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            let callers: Vec<_> = (0..CONNECTIONS)
                .map(|caller| (&answers, &token, caller))
                .map(|(answers, token, caller)| scope.spawn(move || http1(address, token, caller, answers)))
                .collect();
            stop_under_load(&mut proxy, &answers, CONNECTIONS * BEFORE);
            callers.into_iter().for_each(|caller| caller.join().unwrap());
        });
        let answers = answers.into_inner();
        println!("round {round}: {answers} answers");
        assert_accounted(proxy, answers);
    }
}

/// Sends one request after the other until an answer says that it is the last.
fn http1(address: SocketAddr, token: &str, caller: usize, answers: &AtomicUsize) {
    let mut connection = Connection::open(address).unwrap();
    for number in caller.. {
        let Wanted { method, path, body, answer } = wanted(number);
        let head = format!("{method} /namespaces/team/connectors/tool{path} HTTP/1.1\r\nHost: p\r\nAuthorization: Bearer {token}\r\n");
        let (first, second) = body.split_at(body.len() / 2);
        // By turns with a length and in chunks, and in pieces, so that the signal comes between them.
        let pieces: [Vec<u8>; 2] = match (body.len(), number % 8 < 4) {
            (0, _) => [b"\r\n".to_vec(), Vec::new()],
            (length, true) => [[format!("Content-Length: {length}\r\n\r\n").as_bytes(), first].concat(), second.to_vec()],
            (_, false) => [
                [format!("Transfer-Encoding: chunked\r\n\r\n{:x}\r\n", first.len()).as_bytes(), first, b"\r\n"].concat(),
                [format!("{:x}\r\n", second.len()).as_bytes(), second, b"\r\n0\r\n\r\n"].concat(),
            ],
        };
        connection.send(head.as_bytes()).unwrap();
        for piece in pieces {
            connection.send(&piece).unwrap_or_else(|error| panic!("request {number} of caller {caller} could not be sent: {error}"));
        }
        let got = connection.answer().unwrap_or_else(|error| panic!("request {number} of caller {caller} has no answer: {error}"));
        assert_eq!(got.status(), 200, "{}", got.head);
        assert!(got.body == answer, "{path}: {} bytes, not {}", got.body.len(), answer.len());
        answers.fetch_add(1, Ordering::Relaxed);
        if got.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close")) {
            return;
        }
    }
}

#[test]
fn no_request_of_http2_is_lost() {
    let tool = LoadTool::start();
    let folder = folder(&tool);
    for round in 0..ROUNDS {
        let mut proxy = Connectors::start_with(&folder, FLAGS);
        let (address, token) = (proxy.listen(), proxy.token("team/builder"));
        let answers = Arc::new(AtomicUsize::new(0));
        let counted = answers.clone();
        let callers = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let callers: Vec<_> = (0..CONNECTIONS).map(|caller| tokio::spawn(http2(address, token.clone(), caller, counted.clone()))).collect();
                let mut never_taken = 0;
                for caller in callers {
                    never_taken += tokio::time::timeout(DEADLINE, caller).await.expect("an end of the load").unwrap();
                }
                never_taken
            })
        });
        stop_under_load(&mut proxy, &answers, CONNECTIONS * BEFORE);
        let never_taken = callers.join().unwrap();
        let answers = answers.load(Ordering::Relaxed);
        println!("round {round}: {answers} answers, {never_taken} requests that were never taken");
        // None that was said to be untouched has a record.
        assert_accounted(proxy, answers);
    }
}

/// Keeps some requests going on one connection until it takes no more. Returns how many it said of that it has not touched them (RFC 9113 §6.8).
#[expect(clippy::disallowed_methods, reason = "this is a caller of the proxy, not the proxy")]
async fn http2(address: SocketAddr, token: String, caller: usize, answers: Arc<AtomicUsize>) -> usize {
    let stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (send, connection) = h2::client::handshake(stream).await.unwrap();
    let connection = tokio::spawn(connection);
    let streams: Vec<_> = (0..STREAMS).map(|stream| tokio::spawn(requests(send.clone(), token.clone(), caller + stream, answers.clone()))).collect();
    drop(send);
    let mut never_taken = 0;
    for stream in streams {
        never_taken += usize::from(stream.await.unwrap());
    }
    connection.await.unwrap().expect("the connection ends as it should");
    never_taken
}

/// Sends one request after the other. Returns whether the last one was never taken; else the connection had said so before it was sent.
async fn requests(mut send: SendRequest<Bytes>, token: String, first: usize, answers: Arc<AtomicUsize>) -> bool {
    for number in first.. {
        let Wanted { method, path, body, answer } = wanted(number);
        send = match send.ready().await {
            Ok(send) => send,
            Err(_) => return false,
        };
        let request = Request::builder().method(method).uri(format!("http://p/namespaces/team/connectors/tool{path}"));
        let request = request.header("authorization", format!("Bearer {token}")).body(()).unwrap();
        let Ok((response, sending)) = send.send_request(request, body.is_empty()) else { return false };
        match exchange(response, sending, body).await {
            Ok(got) => assert!(got == answer, "{path}: {} bytes, not {}", got.len(), answer.len()),
            // The connection goes, and this request came after the last that it takes.
            Err(error) if error.is_go_away() && error.is_remote() && error.reason() == Some(h2::Reason::NO_ERROR) => return true,
            Err(error) if error.reason() == Some(h2::Reason::REFUSED_STREAM) => return true,
            Err(error) => panic!("request {number} is lost: {error:?}"),
        }
        answers.fetch_add(1, Ordering::Relaxed);
    }
    unreachable!("numbers have no end");
}

/// Sends the body while the answer comes, which is returned.
async fn exchange(response: ResponseFuture, mut sending: SendStream<Bytes>, body: Vec<u8>) -> Result<Vec<u8>, h2::Error> {
    let upload = async {
        if body.is_empty() {
            return Ok(());
        }
        streams::send(&mut sending, body.into()).await?;
        sending.send_data(Bytes::new(), true)
    };
    let (sent, received) = tokio::join!(upload, async {
        let response = response.await?;
        assert_eq!(response.status(), 200);
        streams::receive(&mut response.into_body()).await
    });
    // What became of the request, the answer knows better.
    received.and_then(|received| sent.map(|()| received))
}
