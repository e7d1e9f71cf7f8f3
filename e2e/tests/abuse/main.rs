//! Callers of HTTP/1.1 that want to cost as much as they can: each state of a connection has a bound, which docs/operations.md states, and others are served
//! all the while. For HTTP/2 see `crates/proxy/tests/http2_abuse.rs`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "these are tests, and say what they measured")]

mod world;

use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use world::{End, Target, attack, ends};

/// The timeouts of the proxies here, and the flags for them.
const TIMEOUT: Duration = Duration::from_secs(2);
const TIMEOUTS: &[&str] = &["--head-timeout", "2s", "--idle-timeout", "2s"];

/// By when at the latest a connection has ended, on a machine that is busy with hundreds of others.
const ENDED: Duration = Duration::from_secs(15);

/// What a connection may cost in each of its states, in bytes; docs/operations.md has the same numbers.
mod cost {
    pub(super) const IDLE: u64 = 4 * 1024;
    pub(super) const IDLE_TLS: u64 = 32 * 1024;
    pub(super) const HEAD: u64 = 96 * 1024;
    pub(super) const BODY: u64 = 160 * 1024;
    pub(super) const BODY_AFTER_LARGE_HEAD: u64 = 400 * 1024;
}

#[track_caller]
fn assert_ended(ends: &[End], status: u16) {
    for end in ends {
        assert_eq!(end.status(), status, "{}", String::from_utf8_lossy(&end.received));
        assert!(end.after < ENDED, "{:?}", end.after);
    }
}

#[test]
fn p28_slowloris_in_heads() {
    const COUNT: usize = 700;
    /// Never as many as the head would take.
    const DRIBBLE: &[u8] = &[b'x'; 1000];
    attack(TIMEOUTS, async |target: &Target| {
        let begun = target.head("GET", "/", "");
        let begun = begun.trim_end();
        let large = format!("{begun}\r\nX-Much: {}", "y".repeat(60 * 1024));
        for (what, sent, dribble) in [
            ("one byte of a head", "G", &[][..]),
            ("a head that stalls", begun, &[]),
            ("a head that dribbles", begun, DRIBBLE),
            ("a large head that stalls", &large, &[]),
            ("a large head that dribbles", &large, DRIBBLE),
        ] {
            let streams = target.open(COUNT, sent.as_bytes()).await;
            let ends = ends(streams, dribble).await;
            // Nothing is owed to what is no request yet.
            assert_ended(&ends, 0);
            target.assert_cost(what, COUNT, cost::HEAD);
        }
    });
}

#[test]
fn p28_slowloris_in_bodies() {
    const COUNT: usize = 700;
    const DRIBBLE: &[u8] = &[b'x'; 50];
    attack(TIMEOUTS, async |target: &Target| {
        // Stalls at once, or after some of it.
        let head = target.head("POST", "/", "Content-Length: 1000000\r\n");
        for some in ["", &"x".repeat(100_000)] {
            let ends = ends(target.open(COUNT, format!("{head}{some}").as_bytes()).await, &[]).await;
            assert_ended(&ends, 408);
            assert!(ends.iter().all(|end| end.after + Duration::from_millis(500) > TIMEOUT));
            target.assert_cost("a body that stalls", COUNT, cost::BODY);
        }
        let chunked = target.head("POST", "/", "Transfer-Encoding: chunked\r\n");
        let ends_of_chunks = ends(target.open(COUNT, format!("{chunked}ffff\r\nxxx").as_bytes()).await, &[]).await;
        assert_ended(&ends_of_chunks, 408);
        target.assert_cost("a chunk that stalls", COUNT, cost::BODY);
        // Longer than the timeout in all, but something always moves: there is no bound on a request as a whole.
        let head = target.head("POST", "/", &format!("Content-Length: {}\r\nConnection: close\r\n", DRIBBLE.len()));
        let ends_of_dribble = ends(target.open(COUNT, head.as_bytes()).await, DRIBBLE).await;
        assert_ended(&ends_of_dribble, 200);
        assert!(ends_of_dribble.iter().all(|end| end.received.ends_with(b"\r\n50")));
        target.assert_cost("a body that dribbles", COUNT, cost::BODY);
        let large = target.head("POST", "/", &format!("Content-Length: 1000000\r\nX-Much: {}\r\n", "y".repeat(60 * 1024)));
        assert_ended(&ends(target.open(COUNT, large.as_bytes()).await, &[]).await, 408);
        target.assert_cost("a body that stalls after a large head", COUNT, cost::BODY_AFTER_LARGE_HEAD);
    });
}

#[test]
fn p28_who_does_not_read() {
    const COUNT: usize = 100;
    attack(TIMEOUTS, async |target: &Target| {
        // The tool doesn't read, then the caller doesn't.
        let much = target.head("POST", "/never", "Content-Length: 1000000000\r\n");
        let streams = target.open(COUNT, much.as_bytes()).await;
        let ends_of_writers: Vec<_> = streams.into_iter().map(|stream| tokio::spawn(write_all_you_can(stream, vec![b'x'; 64 * 1024], usize::MAX))).collect();
        for end in ends_of_writers {
            assert!(end.await.unwrap().1.len() < 4096);
        }
        target.assert_cost("a body that the tool doesn't read", COUNT, cost::BODY);
        // In chunks that are too small to be moved within the kernel.
        let head = target.head("POST", "/never", "Transfer-Encoding: chunked\r\n");
        let chunk = format!("7fff\r\n{}\r\n", "x".repeat(0x7fff)).into_bytes();
        let streams = target.open(COUNT, head.as_bytes()).await;
        let writers: Vec<_> = streams.into_iter().map(|stream| tokio::spawn(write_all_you_can(stream, chunk.clone(), usize::MAX))).collect();
        for writer in writers {
            assert!(writer.await.unwrap().1.len() < 4096);
        }
        target.assert_cost("chunks that the tool doesn't read", COUNT, cost::BODY);
        let streams = target.open(COUNT, target.head("GET", "/bytes/1000000000", "").as_bytes()).await;
        target.wait_given_up().await;
        target.assert_cost("an answer that the caller doesn't read", COUNT, cost::BODY);
        for end in ends(streams, &[]).await {
            assert!(end.received.len() < 100_000_000, "{}", end.received.len());
        }
        // A thousand requests at once, and no answer is read.
        let pipelined = target.head("GET", "/bytes/100000", "").repeat(1000);
        let streams = target.open(COUNT, pipelined.as_bytes()).await;
        target.wait_given_up().await;
        target.assert_cost("requests whose answers nobody reads", COUNT, cost::BODY);
        drop(streams);
    });
}

#[test]
fn ten_thousand_idle_connections() {
    const COUNT: usize = 10_000;
    attack(&[], async |target: &Target| {
        let request = target.head("GET", "/bytes/1", "");
        let mut idle = Vec::with_capacity(COUNT);
        while idle.len() < COUNT / 2 {
            let mut streams = target.open(100, request.as_bytes()).await;
            for stream in &mut streams {
                assert_eq!(read_answer(stream).await, 200);
            }
            idle.extend(streams);
        }
        // Half of them have never sent anything.
        idle.extend(target.open(COUNT - idle.len(), b"").await);
        target.wait_for_others().await;
        target.assert_cost("an idle connection", COUNT, cost::IDLE);
        // They are good for use.
        for stream in &mut idle {
            stream.write_all(request.as_bytes()).await.unwrap();
            assert_eq!(read_answer(stream).await, 200);
        }
        target.wait_for_others().await;
        target.assert_cost("an idle connection that was used again", COUNT, cost::IDLE);
    });
}

#[test]
fn interceptions() {
    const COUNT: usize = 500;
    attack(TIMEOUTS, async |target: &Target| {
        let connect = target.connect_head("tool.example:443");
        for (what, hello) in [("a CONNECT without TLS", &b""[..]), ("a CONNECT with a handshake that stalls", b"\x16\x03\x01\x02\x00\x01")] {
            let mut streams = target.open(COUNT, connect.as_bytes()).await;
            for stream in &mut streams {
                assert_eq!(read_answer(stream).await, 200);
                stream.write_all(hello).await.unwrap();
            }
            assert_ended(&ends(streams, &[]).await, 0);
            target.assert_cost(what, COUNT, cost::IDLE_TLS);
        }
    });
    attack(&[], async |target: &Target| {
        let connect = target.connect_head("tool.example:443");
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(&target.ca).unwrap()).unwrap();
        let tls = TlsConnector::from(Arc::new(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth()));
        let mut idle = Vec::new();
        for mut stream in target.open(COUNT, connect.as_bytes()).await {
            assert_eq!(read_answer(&mut stream).await, 200);
            let mut stream = tls.connect("tool.example".try_into().unwrap(), stream).await.unwrap();
            // For another host, so that there is an answer without a tool.
            stream.write_all(b"GET / HTTP/1.1\r\nHost: other.example\r\n\r\n").await.unwrap();
            assert_eq!(read_answer(&mut stream).await, 421);
            idle.push(stream);
        }
        target.wait_for_others().await;
        target.assert_cost("an idle connection inside a CONNECT", COUNT, cost::IDLE_TLS);
    });
}

#[test]
fn header_bombs() {
    const COUNT: usize = 200;
    /// What an attacker tries to send on each connection.
    const BOMB: usize = 16 << 20;
    /// A head, what lingering takes, and what the kernel's buffers on both sides take in.
    const TAKEN: usize = 12 << 20;
    attack(TIMEOUTS, async |target: &Target| {
        let begun = target.head("GET", "/", "");
        let begun = begun.trim_end();
        for (what, first, piece, status) in [
            ("a line without end", format!("{begun}\r\nX-Much: "), "y".repeat(64 * 1024), 431),
            ("lines without end", format!("{begun}\r\n"), "X-Much: yes\r\n".repeat(5000), 431),
            ("small lines without end", format!("{begun}\r\n"), "a:\r\n".repeat(16_000), 431),
            ("a target without end", "GET /".to_owned(), "y".repeat(64 * 1024), 431),
            ("a method without end", String::new(), "G".repeat(64 * 1024), 431),
        ] {
            let streams = target.open(COUNT, first.as_bytes()).await;
            let piece = piece.into_bytes();
            let bombs: Vec<_> = streams.into_iter().map(|stream| tokio::spawn(write_all_you_can(stream, piece.clone(), BOMB))).collect();
            for bomb in bombs {
                let (written, received) = bomb.await.unwrap();
                let end = End { received, after: Duration::ZERO };
                assert_eq!(end.status(), status, "{what}: {}", String::from_utf8_lossy(&end.received));
                assert!(written < TAKEN, "{what}: {written} bytes were taken");
            }
            target.assert_cost(what, COUNT, cost::HEAD);
        }
    });
}

#[test]
fn chunks_that_are_all_framing() {
    const MANY: usize = 1_000_000;
    attack(&[], async |target: &Target| {
        let head = target.head("POST", "/", "Transfer-Encoding: chunked\r\nConnection: close\r\n");
        let extensions = "1;a=b\r\nx\r\n".repeat(MANY);
        let one = format!("1;a={}\r\nx\r\n", "b".repeat(10 * MANY));
        let within_one = format!("1{}\r\nx\r\n", ";a".repeat(5 * MANY));
        let size = format!("{}1\r\nx\r\n", "0".repeat(10 * MANY));
        let trailers = format!("0\r\n{}\r\n", "X-Much: yes\r\n".repeat(MANY));
        for (what, body) in [
            ("a million extensions", &extensions),
            ("one enormous extension", &one),
            ("a million extensions of one chunk", &within_one),
            ("a size of many digits", &size),
            ("a million trailers", &trailers),
        ] {
            for stream in target.open(4, head.as_bytes()).await {
                let (written, received) = write_all_you_can(stream, body.clone().into_bytes(), body.len()).await;
                let end = End { received, after: Duration::ZERO };
                assert!(matches!(end.status(), 400 | 431), "{what}: {} after {written} bytes", end.status());
            }
            target.assert_cost(what, 4, cost::BODY);
        }
        // This is a body, if an odd one.
        let tiny = format!("{}0\r\n\r\n", "1\r\nx\r\n".repeat(MANY)).into_bytes();
        let stream = target.open(1, head.as_bytes()).await.remove(0);
        let length = tiny.len();
        let (_, received) = write_all_you_can(stream, tiny, length).await;
        let end = End { received, after: Duration::ZERO };
        assert_eq!(end.status(), 200, "{}", String::from_utf8_lossy(&end.received));
        assert!(end.received.ends_with(b"\r\n1000000"), "{}", String::from_utf8_lossy(&end.received));
        target.assert_cost("a million tiny chunks", 1, cost::BODY);
        let streams = target.open(1, target.head("GET", &format!("/chunks/{MANY}"), "Connection: close\r\n").as_bytes()).await;
        for end in ends(streams, &[]).await {
            assert_eq!(end.status(), 200);
            assert!(end.received.ends_with(b"0\r\n\r\n"));
        }
        target.assert_cost("a million tiny chunks of the tool's", 1, cost::BODY);
    });
}

/// Reads the head of an answer and, if it has a length, its body.
async fn read_answer(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> u16 {
    let mut received = Vec::new();
    let end = loop {
        if let Some(end) = memchr::memmem::find(&received, b"\r\n\r\n") {
            break end + 4;
        }
        assert!(stream.read_buf(&mut received).await.unwrap() > 0, "{}", String::from_utf8_lossy(&received));
    };
    let head = String::from_utf8_lossy(&received[..end]).to_ascii_lowercase();
    let length: usize = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
    while received.len() < end + length {
        assert!(stream.read_buf(&mut received).await.unwrap() > 0);
    }
    End { received, after: Duration::ZERO }.status()
}

/// Writes `piece` again and again until `most` bytes are written or no more are taken, and reads meanwhile and afterwards. Returns how much was written and
/// what came back.
async fn write_all_you_can(stream: TcpStream, piece: Vec<u8>, most: usize) -> (usize, Vec<u8>) {
    let (mut from, mut to) = stream.into_split();
    let writing = async {
        let mut written = 0;
        while written < most {
            match to.write(&piece[written % piece.len()..]).await {
                Ok(count) => written += count,
                Err(_) => break,
            }
        }
        written
    };
    let reading = async {
        let mut received = Vec::new();
        while matches!(from.read_buf(&mut received).await, Ok(count) if count > 0) {}
        received
    };
    tokio::join!(writing, reading)
}
