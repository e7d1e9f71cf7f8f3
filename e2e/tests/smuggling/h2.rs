//! HTTP/2 that becomes HTTP/1.1: what only HTTP/2 can carry must not become a line, a field or a request there.

use std::io;
use std::net::SocketAddr;

use crate::backends::Backend;
use crate::frames::{self, CONTINUATION, Came, DATA, END_HEADERS, END_STREAM, HEADERS, RST_STREAM, frame, head};
use crate::framing::{CODINGS, LENGTHS, length};
use crate::heads::ODD_BYTES;
use crate::message::{Attacker, BASE, Draft, Message, Messages, marker};
use crate::run::{is_wanted, run_by};

type Fields = Vec<(Vec<u8>, Vec<u8>)>;

/// A request on stream 1, made of any fields.
struct Request {
    fields: Fields,
    /// Each a frame.
    body: Vec<Vec<u8>>,
    trailers: Fields,
    end: End,
    /// The head comes in frames of this many bytes, if any.
    pieces: Option<usize>,
    /// Frames behind the request, of whatever kind.
    behind: Vec<u8>,
}

/// What ends the request.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// Its last frame says so.
    Said,
    /// The caller takes it back.
    Reset,
    /// Its last frame says so, and then the caller takes it back.
    Both,
}

/// What a value or a name is followed by, so that it becomes more than that where nobody looks.
const INJECTED: &[&[u8]] = &[
    b"\r\nTransfer-Encoding: chunked",
    b"\r\nContent-Length: 0",
    b"\r\nContent-Length: 100",
    b"\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: tool\r\nX: y",
    b"\nTransfer-Encoding: chunked",
    b"\n\nGET /smuggled HTTP/1.1\nX: y",
    b"\rTransfer-Encoding: chunked",
    b"\r\n Transfer-Encoding: chunked",
    b"\0\r\nX: y",
    b"\r\n",
    b"\n",
    b"\r",
    b"\0",
    b"\r\nHost: elsewhere",
    b"\r\nConnection: close",
    b"\xc4\x8d\xc4\x8aTransfer-Encoding: chunked",
    b"%0d%0aTransfer-Encoding: chunked",
    b" HTTP/1.1\r\nTransfer-Encoding: chunked\r\nX: y",
    b" HTTP/1.1",
    b"\r\nX",
    b": y\r\nTransfer-Encoding",
    b":",
    b": y",
    b" ",
    b"\t",
    b"\x7f",
    b"\x0b",
    b"\xa0",
];

const PSEUDO: [&str; 4] = [":method", ":scheme", ":authority", ":path"];

fn all() -> (Vec<Message>, Vec<Request>) {
    let mut all = All::default();
    for family in [injections, framing_fields, connection_fields, pseudo_headers, values, bodies, frames_of_heads] {
        family(&mut all);
    }
    (all.messages.into_all(), all.requests)
}

#[derive(Default)]
struct All {
    messages: Messages,
    requests: Vec<Request>,
}

impl All {
    fn family(&mut self, name: &'static str) {
        self.messages.family(name);
    }

    fn add(&mut self, change: impl FnOnce(&mut Request, &Draft)) {
        self.messages.add(|draft| {
            let own = [":method", "POST", ":scheme", "http", ":authority", "proxy", ":path", &draft.path(), "authorization", "Bearer $TOKEN"];
            let fields = own.chunks(2).map(|field| (field[0].into(), field[1].into())).collect();
            let mut request = Request { fields, body: Vec::new(), trailers: Vec::new(), end: End::Said, pieces: None, behind: Vec::new() };
            change(&mut request, draft);
            let text = request.text();
            self.requests.push(request);
            text
        });
    }
}

impl Request {
    fn with(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> &mut Self {
        self.fields.push((name.as_ref().to_vec(), value.as_ref().to_vec()));
        self
    }

    fn set(&mut self, name: &str, value: impl AsRef<[u8]>) -> &mut Self {
        self.value(name).splice(.., value.as_ref().iter().copied());
        self
    }

    fn value(&mut self, name: &str) -> &mut Vec<u8> {
        &mut self.fields.iter_mut().find(|(own, _)| own == name.as_bytes()).unwrap().1
    }

    fn without(&mut self, name: &str) -> &mut Self {
        self.fields.retain(|(own, _)| own != name.as_bytes());
        self
    }

    fn sends(&mut self, data: impl AsRef<[u8]>) -> &mut Self {
        self.body.push(data.as_ref().to_vec());
        self
    }

    /// To read, not to copy.
    fn text(&self) -> Vec<u8> {
        let mut text = Vec::new();
        let write = |fields: &Fields, text: &mut Vec<u8>| fields.iter().for_each(|(name, value)| text.extend([name, &b" = "[..], value, b" | "].concat()));
        write(&self.fields, &mut text);
        self.body.iter().for_each(|data| text.extend([b"DATA ", &data[..], b" | "].concat()));
        write(&self.trailers, &mut text);
        text.extend(if self.end == End::Said { &b"END"[..] } else { b"RESET " });
        text.extend(&self.behind);
        text
    }

    fn frames(&self, attacker: &Attacker) -> Vec<u8> {
        let filled = |fields: &Fields| -> Fields { fields.iter().map(|(name, value)| (attacker.fill(name), attacker.fill(value))).collect() };
        let ends = |last: bool| if last && self.end != End::Reset { END_STREAM } else { 0 };
        let block = head(&filled(&self.fields));
        let last = self.body.is_empty() && self.trailers.is_empty();
        let mut out = Vec::new();
        let pieces: Vec<&[u8]> = block.chunks(self.pieces.unwrap_or(block.len())).collect();
        for (number, piece) in pieces.iter().enumerate() {
            let end_headers = if number + 1 == pieces.len() { END_HEADERS } else { 0 };
            out.extend(match number {
                0 => frame(HEADERS, end_headers | ends(last), 1, piece),
                _ => frame(CONTINUATION, end_headers, 1, piece),
            });
        }
        for (number, data) in self.body.iter().enumerate() {
            out.extend(frame(DATA, ends(number + 1 == self.body.len() && self.trailers.is_empty()), 1, data));
        }
        if !self.trailers.is_empty() {
            out.extend(frame(HEADERS, END_HEADERS | ends(true), 1, &head(&filled(&self.trailers))));
        }
        if self.end != End::Said {
            out.extend(frame(RST_STREAM, 0, 1, &8_u32.to_be_bytes()));
        }
        out.extend_from_slice(&self.behind);
        out
    }
}

/// CR, LF, NUL and `:` in names and values, pseudo-headers included.
fn injections(all: &mut All) {
    all.family("h2-injections");
    for injected in INJECTED.iter().chain(ODD_BYTES) {
        for name in PSEUDO.into_iter().chain(["authorization"]) {
            all.add(|request, draft| {
                request.value(name).extend_from_slice(injected);
                request.sends([b"0\r\n\r\n", &draft.smuggled()[..]].concat());
            });
            all.add(|request, _| {
                request.value(name).splice(0..0, injected.iter().copied());
            });
        }
        for name in ["x", "cookie", "te", "expect", "host", "content-length", "content-type", "via"] {
            all.add(|request, draft| {
                request.with(name, [b"y", *injected].concat()).sends([b"0\r\n\r\n", &draft.smuggled()[..]].concat());
            });
        }
        all.add(|request, _| {
            request.with("x", [*injected, b"y"].concat());
        });
        all.add(|request, _| {
            request.with("x", [b"y", *injected, b"z"].concat());
        });
        all.add(|request, draft| {
            request.with([b"x", *injected].concat(), "y").sends(draft.smuggled());
        });
        all.add(|request, draft| {
            request.with([*injected, b"x"].concat(), "y").sends(draft.smuggled());
        });
        all.add(|request, draft| {
            request.with([b"x", *injected, b"y"].concat(), "z").sends(draft.smuggled());
        });
        all.add(|request, _| {
            request.sends("hello").trailers.push((b"x".to_vec(), [b"y", *injected].concat()));
        });
        all.add(|request, _| {
            request.sends("hello").trailers.push(([b"x", *injected].concat(), b"y".to_vec()));
        });
    }
}

/// transfer-encoding and content-length: written in every way, and not what the body is.
fn framing_fields(all: &mut All) {
    all.family("h2-framing");
    for coding in CODINGS {
        let Some(colon) = memchr::memchr(b':', &coding[1..]) else { continue };
        let (name, value) = (&coding[..=colon], coding[colon + 2..].trim_ascii_start());
        for name in [name.to_vec(), name.to_ascii_lowercase()] {
            all.add(|request, draft| {
                request.with(&name, value).sends([b"0\r\n\r\n", &draft.smuggled()[..]].concat());
            });
            all.add(|request, draft| {
                let body = [b"0\r\n\r\n", &draft.smuggled_whole()[..]].concat();
                request.with(&name, value).with("content-length", body.len().to_string()).sends(body);
            });
        }
    }
    for template in LENGTHS {
        all.add(|request, draft| {
            let smuggled = draft.smuggled_whole();
            for line in length(template, smuggled.len(), 3).strip_suffix(b"\r\n").unwrap().split(|byte| *byte == b'\n') {
                let colon = memchr::memchr(b':', line).unwrap_or(line.len());
                request.with(line[..colon].to_ascii_lowercase(), line.get(colon + 1..).unwrap_or_default().trim_ascii());
            }
            request.sends(smuggled);
        });
    }
    // More or less than was promised.
    for promised in [0_usize, 1, 5, 1000] {
        for method in ["POST", "GET", "HEAD", "DELETE"] {
            let sent: [&[&[u8]]; 5] = [&[], &[b""], &[b"GET /smuggled HTTP/1.1\r\n\r\n"], &[b"ab", b"cde", b""], &[b"a", b"GET /smuggled HTTP/1.1\r\nX: "]];
            for data in sent {
                for end in [End::Said, End::Reset, End::Both] {
                    all.add(|request, _| {
                        request.set(":method", method).with("content-length", promised.to_string());
                        for data in data {
                            request.sends(data);
                        }
                        request.end = end;
                    });
                }
            }
        }
    }
    for (one, two) in [("5", "5"), ("5", "6"), ("0", "5"), ("5", "0"), ("5", ""), ("", "5"), ("5", "x")] {
        all.add(|request, _| {
            request.with("content-length", one).with("content-length", two).sends("hello");
        });
    }
}

/// What is for one connection only (RFC 9113 §8.2.2).
fn connection_fields(all: &mut All) {
    all.family("h2-connections");
    for (name, value) in [
        ("connection", "close"),
        ("connection", "keep-alive"),
        ("connection", "content-length"),
        ("connection", "transfer-encoding"),
        ("connection", "upgrade"),
        ("connection", ""),
        ("keep-alive", "timeout=1"),
        ("proxy-connection", "close"),
        ("upgrade", "websocket"),
        ("upgrade", "h2c"),
        ("http2-settings", "AAMAAABkAARAAAAAAAIAAAAA"),
        ("te", "trailers"),
        ("te", "chunked"),
        ("te", "trailers, chunked"),
        ("te", ""),
        ("trailer", "content-length"),
        ("expect", "100-continue"),
        ("expect", "y 100-continue"),
        ("transfer_encoding", "chunked"),
        ("content_length", "3"),
        ("proxy-authorization", "Basic eDp5"),
        ("Transfer-Encoding", "chunked"),
        ("Content-Length", "3"),
        ("Host", "elsewhere"),
        ("Authorization", "Basic eDp5"),
        ("authorization", "Basic eDp5"),
        ("cookie", "a=b"),
        ("cookie", "a=b; c=d"),
    ] {
        for method in ["POST", "GET", "HEAD", "OPTIONS"] {
            all.add(|request, draft| {
                request.set(":method", method).with(name, value).sends(draft.smuggled_whole());
            });
            all.add(|request, _| {
                request.set(":method", method).with(name, value).with(name, value);
            });
        }
    }
}

/// Pseudo-headers: twice, missing, late, unknown, empty.
fn pseudo_headers(all: &mut All) {
    all.family("h2-pseudo-headers");
    for name in PSEUDO {
        all.add(|request, _| {
            let value = request.value(name).clone();
            request.fields.insert(0, (name.into(), value));
        });
        for other in ["", "x", "/smuggled", "GET", "https", "elsewhere"] {
            all.add(|request, _| request.fields.insert(0, (name.into(), other.into())));
            all.add(|request, _| request.fields.insert(4, (name.into(), other.into())));
            all.add(|request, _| {
                request.with(name, other);
            });
            all.add(|request, _| {
                request.sends("hello").trailers.push((name.into(), other.into()));
            });
        }
        all.add(|request, _| {
            request.without(name);
        });
        all.add(|request, _| {
            let value = request.value(name).clone();
            request.without(name).with(name, value);
        });
        all.add(|request, _| {
            let value = request.value(name).clone();
            request.without(name).with(name.trim_start_matches(':'), value);
        });
        all.add(|request, _| {
            let value = request.value(name).clone();
            request.without(name).fields.insert(0, (name.to_ascii_uppercase().into(), value));
        });
    }
    for (name, value) in [
        (":status", "200"),
        (":protocol", "websocket"),
        (":protocol", ""),
        (":x", "y"),
        (":", "y"),
        ("", "y"),
        (":host", "elsewhere"),
        ("::path", "/x"),
        (":path ", "/x"),
        ("path", "/x"),
    ] {
        all.add(|request, _| request.fields.insert(0, (name.into(), value.into())));
        all.add(|request, _| {
            request.with(name, value);
        });
    }
    for host in ["proxy", "elsewhere", "", "proxy:80", "PROXY", "a b", "a@b", "c-victim.team.localhost"] {
        all.add(|request, _| {
            request.with("host", host);
        });
        all.add(|request, _| {
            request.without(":authority").with("host", host);
        });
        all.add(|request, _| {
            request.with("host", host).with("host", host);
        });
    }
}

/// Values that mean something else in a request line or as a Host.
fn values(all: &mut All) {
    all.family("h2-values");
    for method in ["get", "", "GET ", " GET", "GET /smuggled HTTP/1.1", "GET\t", "G:T", "CONNECT", "PRI", "TRACE", "GET\0", "G/T", "GET?", "OPTIONS"] {
        all.add(|request, draft| {
            request.set(":method", method).sends(draft.smuggled_whole());
        });
    }
    for path in [
        "",
        "*",
        "x",
        "//x",
        "http://elsewhere/x",
        "/x y",
        "/\t",
        "/..",
        "/%2e%2e/x",
        "#x",
        "?x",
        "?x=/smuggled HTTP/1.1",
        "\\x",
        "/x#y",
        ";x",
        "/x HTTP/1.0",
        " ",
        "/é",
        "/%00",
        "/%0d%0ax:y",
        "/x\" y",
        "/{x}|^`<>",
    ] {
        all.add(|request, draft| {
            request.set(":path", format!("{BASE}/{}{path}", marker(draft.id())));
        });
        all.add(|request, _| {
            request.set(":path", path);
        });
    }
    for authority in [
        "",
        "a b",
        "a,b",
        "a/b",
        "a@b",
        "user:pw@proxy",
        "proxy:0",
        "proxy:x",
        "proxy:80:80",
        "a?b",
        "a#b",
        "a\\b",
        "[::1",
        "[::1]",
        "127.1",
        "proxy\u{e9}",
        "c-victim.team.localhost",
        "$TOOL",
        "elsewhere",
    ] {
        all.add(|request, _| {
            request.set(":authority", authority);
        });
        all.add(|request, draft| {
            request
                .set(":authority", authority)
                .set(":path", format!("/{}", marker(draft.id())))
                .without("authorization")
                .with("proxy-authorization", "Basic $BASIC");
        });
    }
    for scheme in ["https", "ftp", "", "HTTP", "http ", "http:", "http://elsewhere/x?", "http\0", "1http", "ws"] {
        all.add(|request, _| {
            request.set(":scheme", scheme);
        });
        all.add(|request, draft| {
            request
                .set(":scheme", scheme)
                .set(":authority", "$TOOL")
                .set(":path", format!("/{}", marker(draft.id())))
                .without("authorization")
                .with("proxy-authorization", "Basic $BASIC");
        });
    }
}

/// Bodies and upgrades that hold a request.
fn bodies(all: &mut All) {
    all.family("h2-bodies");
    for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE"] {
        for end in [End::Said, End::Reset, End::Both] {
            for length in [false, true] {
                all.add(|request, draft| {
                    let smuggled = draft.smuggled_whole();
                    request.set(":method", method).sends(&smuggled[..9]).sends(&smuggled[9..]).end = end;
                    if length {
                        request.with("content-length", smuggled.len().to_string());
                    }
                });
                all.add(|request, draft| {
                    let body = [b"0\r\n\r\n", &draft.smuggled()[..]].concat();
                    request.set(":method", method).sends(&body).end = end;
                    request.trailers.push((b"x-checksum".to_vec(), b"1".to_vec()));
                    if length {
                        request.with("content-length", body.len().to_string());
                    }
                });
            }
        }
    }
    for trailer in [
        "content-length",
        "transfer-encoding",
        "host",
        "authorization",
        "connection",
        "expect",
        "te",
        "trailer",
        "cookie",
        "x-forwarded-for",
        "content_length",
        "Content-Length",
        "upgrade",
        "proxy-authorization",
    ] {
        for value in ["chunked", "5", "x"] {
            all.add(|request, _| {
                request.sends("hello").trailers.push((trailer.into(), value.into()));
            });
        }
    }
    for protocol in ["websocket", "connect-udp", "", "websocket\r\nX: y", "h2c"] {
        for end in [End::Said, End::Reset, End::Both] {
            all.add(|request, draft| {
                request.set(":method", "CONNECT").sends(draft.smuggled_whole()).end = end;
                request.fields.insert(1, (b":protocol".to_vec(), protocol.into()));
            });
            all.add(|request, draft| {
                request.set(":method", "CONNECT").with("content-length", "5").sends(draft.smuggled_whole()).end = end;
                request.fields.insert(1, (b":protocol".to_vec(), protocol.into()));
            });
        }
    }
}

/// Heads in pieces, and frames where none belong.
fn frames_of_heads(all: &mut All) {
    all.family("h2-frames");
    for pieces in [1, 2, 3, 7, 20, 100] {
        all.add(|request, _| request.pieces = Some(pieces));
        all.add(|request, _| request.with("x", "y\r\nTransfer-Encoding: chunked").pieces = Some(pieces));
    }
    let late: [Vec<u8>; 6] = [
        frame(DATA, END_STREAM, 1, b"GET /smuggled HTTP/1.1\r\n\r\n"),
        frame(DATA, 0, 1, b"GET /smuggled HTTP/1.1\r\n\r\n"),
        frame(HEADERS, END_HEADERS | END_STREAM, 1, &head(&[(b"x".to_vec(), b"y".to_vec())])),
        frame(CONTINUATION, END_HEADERS, 1, b""),
        frame(DATA, END_STREAM, 5, b"GET /smuggled HTTP/1.1\r\n\r\n"),
        frame(42, 0, 1, b"GET /smuggled HTTP/1.1\r\n\r\n"),
    ];
    for behind in late {
        all.add(|request, _| request.behind = behind.clone());
        all.add(|request, _| request.sends("hello").behind = behind.clone());
    }
}

/// The request, then on stream 3 one that nothing is wrong with, which gets its own answer if the connection lasts.
fn send(proxy: SocketAddr, attacker: &Attacker, message: &Message, requests: &[Request]) -> io::Result<Vec<u8>> {
    let request = &requests[message.id];
    let second = format!("{}-second", marker(message.id));
    let fields = [
        (":method", "GET"),
        (":scheme", "http"),
        (":authority", "proxy"),
        (":path", &format!("{BASE}/{second}")),
        ("authorization", &format!("Bearer {}", attacker.token)),
    ]
    .map(|(name, value)| (name.into(), value.into()));
    let frames = [request.frames(attacker), frame(HEADERS, END_HEADERS | END_STREAM, 3, &head(&fields))].concat();
    let awaited: &[u32] = if request.end == End::Said { &[1, 3] } else { &[3] };
    let Came { first, third } = frames::exchange(proxy, &frames, awaited)?;
    if !third.is_empty() && third != format!("GET /{second}").as_bytes() {
        let third = String::from_utf8_lossy(&third).into_owned();
        return Err(io::Error::other(format!("the next stream got {third:?}")));
    }
    Ok(first)
}

fn check(backend: &Backend) {
    let (messages, requests) = all();
    let (wanted, others): (Vec<_>, Vec<_>) = messages.into_iter().partition(|message| is_wanted(&message.name));
    let seen = run_by(backend, &wanted, |proxy, attacker, message| send(proxy, attacker, message, &requests));
    // Each has a second request, too.
    assert!(seen > wanted.len() / 2 || !others.is_empty(), "the server saw only {seen} requests");
}

#[test]
fn p07_a_naive_server_sees_what_came_by_http2() {
    check(&Backend::naive());
}

#[test]
fn p07_a_lenient_node_sees_what_came_by_http2() {
    check(&Backend::node(true));
}

#[test]
fn p07_a_lenient_apache_sees_what_came_by_http2() {
    check(&Backend::apache(true));
}
