//! The demo's tool: a private Git repository behind Basic authentication, on loopback.
//!
//! Git's own CGI program `git http-backend` does the work; this is the web server around it. One thread a connection and one
//! request a connection are enough for a demo.

use std::collections::BTreeSet;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use connectors_http1::{BodyDecoder, Decoded, Field, HeadLimits, HeadWriter, RequestHead, reason_phrase};

/// A Git server that runs until the process ends.
pub(crate) struct GitServer {
    address: SocketAddr,
    seen: Arc<Mutex<BTreeSet<String>>>,
}

/// What the threads share.
struct Tool {
    root: PathBuf,
    authorization: String,
    seen: Arc<Mutex<BTreeSet<String>>>,
}

impl GitServer {
    /// Serves the repositories below `root` to whoever sends that user name and password.
    pub(crate) fn start(root: &Path, username: &str, password: &str) -> anyhow::Result<Self> {
        let exec_path = Command::new("git").arg("--exec-path").output().context("cannot run git")?;
        let backend = Path::new(String::from_utf8_lossy(&exec_path.stdout).trim()).join("git-http-backend");
        ensure!(backend.exists(), "git has no http-backend ({} is missing): install the full git package", backend.display());
        let listener = TcpListener::bind("127.0.0.1:0").context("cannot listen on loopback")?;
        let address = listener.local_addr()?;
        let seen = Arc::default();
        let authorization = format!("Basic {}", STANDARD.encode(format!("{username}:{password}")));
        let tool = Arc::new(Tool { root: root.to_owned(), authorization, seen: Arc::clone(&seen) });
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let tool = tool.clone();
                // A broken connection concerns its client alone, and git says what it misses.
                std::thread::spawn(move || drop(tool.serve(stream)));
            }
        });
        Ok(Self { address, seen })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Every value of Authorization that arrived.
    pub(crate) fn seen(&self) -> BTreeSet<String> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Tool {
    fn serve(&self, mut stream: TcpStream) -> io::Result<()> {
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        let mut input = Vec::new();
        let mut head = RequestHead::new();
        let consumed = loop {
            match head.parse(&input, &HeadLimits::default()) {
                Ok(Some(consumed)) => break consumed,
                Ok(None) => {}
                Err(error) => return answer(&mut stream, error.status(), &[], b""),
            }
            if read_more(&mut stream, &mut input)? == 0 {
                return Ok(());
            }
        };
        input.drain(..consumed);
        let authorization = head.get(Field::Authorization).map(|value| String::from_utf8_lossy(value).into_owned());
        if let Some(value) = &authorization {
            self.seen.lock().unwrap_or_else(PoisonError::into_inner).insert(value.clone());
        }
        if authorization.as_deref() != Some(&self.authorization) {
            return answer(&mut stream, 401, &[("WWW-Authenticate", "Basic realm=\"demo\"")], b"this repository is private\n");
        }
        if head.expects_continue() {
            stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        let body = read_body(&mut stream, input, &head)?;
        let output = self.backend(&head, &body)?;
        let (status, fields, body) = split_cgi(&output);
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        answer(&mut stream, status, &fields, body)
    }

    /// Runs `git http-backend` (RFC 3875 variables; `git help http-backend`).
    fn backend(&self, head: &RequestHead, body: &[u8]) -> io::Result<Vec<u8>> {
        let (path, query) = head.target().split_once('?').unwrap_or((head.target(), ""));
        let text = |name: &str| head.values(name).next().map(|value| String::from_utf8_lossy(value).into_owned()).unwrap_or_default();
        let mut child = Command::new("git")
            .arg("http-backend")
            .env("GIT_PROJECT_ROOT", &self.root)
            .env("GIT_HTTP_EXPORT_ALL", "1")
            .env("PATH_INFO", path)
            .env("QUERY_STRING", query)
            .env("REQUEST_METHOD", head.method())
            .env("CONTENT_TYPE", text("content-type"))
            .env("CONTENT_LENGTH", body.len().to_string())
            .env("HTTP_CONTENT_ENCODING", text("content-encoding"))
            .env("GIT_PROTOCOL", text("git-protocol"))
            .env("REMOTE_USER", "demo")
            .env("REMOTE_ADDR", "127.0.0.1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let mut stdin = child.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let body = body.to_vec();
        // Both pipes at once, or one that is full would stop both processes. A backend that doesn't want its input says so in its answer.
        let writer = std::thread::spawn(move || drop(stdin.write_all(&body)));
        let output = child.wait_with_output()?;
        let _ = writer.join();
        Ok(output.stdout)
    }
}

fn read_more(stream: &mut TcpStream, input: &mut Vec<u8>) -> io::Result<usize> {
    let mut chunk = [0; 16 * 1024];
    let count = stream.read(&mut chunk)?;
    input.extend_from_slice(&chunk[..count]);
    Ok(count)
}

fn read_body(stream: &mut TcpStream, mut input: Vec<u8>, head: &RequestHead) -> io::Result<Vec<u8>> {
    let mut decoder = BodyDecoder::new(head.framing());
    let mut body = Vec::new();
    loop {
        match decoder.decode(&input).map_err(io::Error::other)? {
            Decoded::Data { skip, len } => {
                body.extend_from_slice(&input[skip..skip + len]);
                input.drain(..skip + len);
            }
            Decoded::NeedMore { consumed } => {
                input.drain(..consumed);
                if read_more(stream, &mut input)? == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            }
            Decoded::End { .. } => return Ok(body),
        }
    }
}

/// A CGI answer's status, headers and body (RFC 3875 §6).
fn split_cgi(output: &[u8]) -> (u16, Vec<(String, String)>, &[u8]) {
    let mut reader = BufReader::with_capacity(1, output);
    let (mut status, mut fields, mut read) = (200, Vec::new(), 0);
    let mut line = String::new();
    while let Ok(count @ 1..) = reader.read_line(&mut line) {
        read += count;
        let text = line.trim_end();
        if text.is_empty() {
            break;
        }
        if let Some((name, value)) = text.split_once(':') {
            match name.eq_ignore_ascii_case("status") {
                true => status = value.trim().split(' ').next().and_then(|code| code.parse().ok()).unwrap_or(500),
                false => fields.push((name.to_owned(), value.trim().to_owned())),
            }
        }
        line.clear();
    }
    (status, fields, &output[read..])
}

fn answer(stream: &mut TcpStream, status: u16, fields: &[(&str, &str)], body: &[u8]) -> io::Result<()> {
    let mut out = Vec::new();
    let mut head = HeadWriter::response(&mut out, status, reason_phrase(status).as_bytes()).map_err(io::Error::other)?;
    for (name, value) in fields {
        head.field(name, value.as_bytes()).map_err(io::Error::other)?;
    }
    head.field("Connection", b"close").map_err(io::Error::other)?;
    head.content_length(body.len() as u64);
    head.end();
    out.extend_from_slice(body);
    stream.write_all(&out)?;
    stream.shutdown(std::net::Shutdown::Write)?;
    // Until the client closes too, or a little while.
    stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    let _ = io::copy(stream, &mut io::sink());
    Ok(())
}
