//! The columns `node` and `hyper` of the table in `crates/http1/tests/cases` say what Node's and hyper's servers and
//! clients make of each case. This sends every case to them over a real socket and compares.
//!
//! `UPDATE=1` writes what was seen into the table instead.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr, reason = "a test fails where this fails")]
#![allow(clippy::disallowed_methods, reason = "connects to servers of its own on loopback, not to tools")]

#[path = "../../crates/http1/tests/cases/mod.rs"]
mod cases;

use std::convert::Infallible;
use std::error::Error;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::process::Stdio;
use std::time::Duration;

use cases::{Case, Table};
use hyper::body::{Body, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// The column was recorded with this; another version may well differ, and is then not compared.
const NODE: &str = "v20.";

/// No case takes longer than this; one that does is a failure, not an outcome.
const DEADLINE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn the_recorded_columns_are_what_node_and_hyper_do() {
    let mut node = Node::start().await;
    let hyper = serve_hyper().await;
    let update = std::env::var_os("UPDATE").is_some();
    let mut wrong = Vec::new();
    for mut table in Table::load("") {
        for case in &mut table.cases {
            let seen_by_hyper = in_time(case, hyper_outcome(case, hyper)).await;
            compare(&case.id, "hyper", &mut case.hyper, seen_by_hyper, &mut wrong);
            if let Some(node) = &mut node {
                let seen_by_node = in_time(case, node.outcome(case)).await;
                compare(&case.id, "node", &mut case.node, seen_by_node, &mut wrong);
            }
        }
        if update {
            table.save();
        }
    }
    assert!(update || wrong.is_empty(), "not as recorded (UPDATE=1 records anew):\n{}", wrong.join("\n"));
}

fn compare(id: &str, who: &str, recorded: &mut Vec<String>, seen: Vec<String>, wrong: &mut Vec<String>) {
    if *recorded != seen {
        wrong.push(format!("{id}: {who} {seen:?}, recorded {recorded:?}"));
        *recorded = seen;
    }
}

async fn in_time<T>(case: &Case, outcome: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, outcome).await.unwrap_or_else(|_| panic!("{} takes too long", case.id))
}

/// Sends the bytes of a case to a server, and reads what it answers. Every answer of these servers is a head without a
/// body; one to a complete request says in the field `Seen` what the server saw.
async fn ask(port: u16, input: &[u8]) -> Vec<String> {
    let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let (mut from, mut to) = stream.into_split();
    let mut answers = Vec::new();
    let send = async {
        // The server may have hung up already, and may reset the connection while it still has bytes to read.
        let _ = to.write_all(input).await;
        let _ = to.shutdown().await;
    };
    let receive = async {
        let _ = from.read_to_end(&mut answers).await;
    };
    tokio::join!(send, receive);
    let answers = String::from_utf8(answers).unwrap();
    if answers.is_empty() {
        return vec!["closed".to_owned()];
    }
    // Node's own 417 has a body, which is a last chunk and nothing else.
    answers.split_terminator("\r\n\r\n").filter(|head| *head != "0").map(answer).collect()
}

fn answer(head: &str) -> String {
    let seen = head.lines().find_map(|line| Some(line.split_once(": ").filter(|(name, _)| name.eq_ignore_ascii_case("seen"))?.1));
    let status = head.split(' ').nth(1);
    seen.or(status).unwrap_or_else(|| panic!("no head: {head:?}")).to_owned()
}

/// Answers one connection with the bytes of a case, after the request has come in.
async fn answer_once(listener: &TcpListener, input: &[u8]) {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        assert_ne!(stream.read_buf(&mut request).await.unwrap(), 0, "the client hung up");
    }
    // As above.
    let _ = stream.write_all(input).await;
    let _ = stream.shutdown().await;
    let _ = stream.read_to_end(&mut request).await;
}

struct Node {
    port: u16,
    requests: ChildStdin,
    outcomes: Lines<BufReader<ChildStdout>>,
    _child: Child,
}

impl Node {
    /// `None` if this isn't the version that was recorded.
    async fn start() -> Option<Self> {
        let version = Command::new("node").arg("--version").output().await.expect("node is installed (Debian: nodejs)");
        let version = String::from_utf8(version.stdout).unwrap();
        if !version.starts_with(NODE) {
            eprintln!("node is {}, the table has {NODE}x: not compared", version.trim());
            return None;
        }
        let mut child = Command::new("node")
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/http1_oracles/oracle.js"))
            .env_remove("NODE_OPTIONS")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut outcomes = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = outcomes.next_line().await.unwrap().expect("node says its port").parse().unwrap();
        Some(Self { port, requests: child.stdin.take().unwrap(), outcomes, _child: child })
    }

    async fn outcome(&mut self, case: &Case) -> Vec<String> {
        let Some(method) = &case.method else { return ask(self.port, &case.input()).await };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        self.requests.write_all(format!("{method} {port}\n").as_bytes()).await.unwrap();
        let input = case.input();
        let (line, ()) = tokio::join!(self.outcomes.next_line(), answer_once(&listener, &input));
        serde_json::from_str(&line.unwrap().expect("node answers")).unwrap()
    }
}

async fn hyper_outcome(case: &Case, port: u16) -> Vec<String> {
    let Some(method) = &case.method else { return ask(port, &case.input()).await };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let input = case.input();
    let client = async {
        let stream = TcpStream::connect(address).await.unwrap();
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        let connection = tokio::spawn(connection);
        let request = Request::builder().method(&method[..]).uri("/").header("Host", "a").body(String::new()).unwrap();
        let outcome = async {
            let mut response = sender.send_request(request).await?;
            let seen = read(response.body_mut()).await?;
            Ok::<_, hyper::Error>(format!("{} {seen}", response.status().as_u16()))
        };
        let outcome = outcome.await.unwrap_or_else(|error| root(&error));
        connection.abort();
        vec![outcome]
    };
    tokio::join!(client, answer_once(&listener, &input)).0
}

/// Starts a server, and returns its port.
async fn serve_hyper() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let connection = hyper::server::conn::http1::Builder::new().half_close(true).serve_connection(TokioIo::new(stream), service_fn(say_what_was_seen));
            tokio::spawn(connection);
        }
    });
    port
}

async fn say_what_was_seen(mut request: Request<Incoming>) -> Result<Response<String>, Infallible> {
    let mut response = Response::new(String::new());
    match read(request.body_mut()).await {
        Ok(body) => {
            let seen = format!("{} {} {body}", request.method(), request.uri());
            response.headers_mut().insert("seen", visible(&seen).parse().unwrap());
        }
        // hyper leaves this to the application, and this is what axum does.
        Err(_) => *response.status_mut() = StatusCode::BAD_REQUEST,
    }
    Ok(response)
}

fn visible(text: &str) -> String {
    let escape = |byte| if byte == b' ' || u8::is_ascii_graphic(&byte) { char::from(byte).to_string() } else { format!("\\x{byte:02x}") };
    text.bytes().map(escape).collect()
}

/// How many bytes a body has, and how many trailers if any.
async fn read(body: &mut Incoming) -> Result<String, hyper::Error> {
    let (mut bytes, mut trailers) = (0, 0);
    while let Some(frame) = poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await {
        let frame = frame?;
        bytes += frame.data_ref().map_or(0, |data| data.len());
        trailers += frame.trailers_ref().map_or(0, |fields| fields.len());
    }
    Ok(if trailers == 0 { bytes.to_string() } else { format!("{bytes} +{trailers}") })
}

/// The text of the error that an error goes back to.
fn root(mut error: &(dyn Error + 'static)) -> String {
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}
