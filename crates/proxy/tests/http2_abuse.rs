//! HTTP/2 as an attacker speaks it: the connection ends or waits, the memory stays within bounds, and others are served all the while.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::sync::mpsc::channel;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use connectors_proxy::Settings;
use connectors_testkit::http2::{Frame, PREFACE, RawHttp2, field_block, frame, kind, read_frame};
use connectors_testkit::{DEADLINE, Http2Client, Proxy, TestCa, Tool, Wire, token, wait_for};

/// ENHANCE_YOUR_CALM (RFC 9113 §7).
const CALM: u32 = 11;

/// What one attack may cost, with the tool and the attacker of this process: a few windows and buffers, and what the allocator keeps.
const MEMORY: u64 = 32 * 1024 * 1024;

/// An attack, one at a time since they share this process's memory.
struct Attack {
    proxy: Proxy,
    tool: Tool,
    before: u64,
    _alone: MutexGuard<'static, ()>,
}

impl Attack {
    fn new() -> Self {
        Self::with(Tool::echo(), |_| {})
    }

    fn with(tool: Tool, settings: impl FnOnce(&mut Settings)) -> Self {
        static ALONE: Mutex<()> = Mutex::new(());
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let proxy = Proxy::build().basic("team/git", &tool.url(), "bot", "canary-password").allow("builder", "team/git").settings(settings).start();
        let attack = Self { proxy, tool, before: 0, _alone: alone };
        Self { before: memory(), ..attack }
    }

    fn connect(&self) -> RawHttp2 {
        RawHttp2::connect(self.proxy.address())
    }

    /// Nothing is left of it.
    #[track_caller]
    fn assert_harmless(&self) {
        self.assert_served();
        wait_for("no request to be left", || self.proxy.metrics().contains("connectors_proxy_active_requests 0"));
    }

    /// Another caller is served, and the memory is within bounds, also while the attack lasts.
    #[track_caller]
    fn assert_served(&self) {
        let bearer = format!("Bearer {}", token("builder"));
        let began = Instant::now();
        let client = Http2Client::connect(self.proxy.address());
        assert_eq!(client.get("http://c-git.team.svc/other", &[("authorization", &bearer)]).0.status, 200);
        assert!(began.elapsed() < DEADLINE / 2, "{:?}", began.elapsed());
        let grown = memory().saturating_sub(self.before);
        assert!(grown < MEMORY, "{} MB more than before", grown >> 20);
    }
}

/// Resident bytes of this process.
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

/// The block of a good request.
fn good(method: &str) -> Vec<u8> {
    let bearer = format!("Bearer {}", token("builder"));
    field_block(&[(":method", method), (":scheme", "http"), (":authority", "c-git.team.svc"), (":path", "/"), ("authorization", &bearer)])
}

fn reset(stream: u32) -> Vec<u8> {
    frame(kind::RST_STREAM, 0, stream, &8_u32.to_be_bytes())
}

/// The numbers of a caller's streams.
fn streams() -> impl Iterator<Item = u32> {
    (0..).map(|n| 2 * n + 1)
}

/// Writes the same again and again until the other side has had enough; fails if it takes `most` bytes.
#[track_caller]
fn flood(raw: &mut RawHttp2, piece: &[u8], most: usize) {
    let piece = piece.repeat((64 * 1024 / piece.len()).max(1));
    let mut written = 0;
    while raw.write_with(&piece, Duration::from_secs(1)) {
        written += piece.len();
        assert!(written < most, "{written} bytes were taken");
    }
}

#[test]
fn rapid_reset() {
    let attack = Attack::new();
    let mut raw = attack.connect();
    let block = good("GET");
    for id in streams().take(100_000) {
        if !raw.write(&[frame(kind::HEADERS, 5, id, &block), reset(id)].concat()) {
            break;
        }
    }
    assert!(matches!(raw.goaway(), Some(CALM) | None));
    // Few of them came through to the tool.
    assert!(attack.tool.seen().len() < 5_000, "{}", attack.tool.seen().len());
    attack.assert_harmless();
}

#[test]
fn slow_resets_of_requests_that_have_reached_the_tool() {
    let tool = Tool::wire(None, |stream| {
        let mut input = [0; 4096];
        let count = stream.read(&mut input).unwrap_or(0);
        if String::from_utf8_lossy(&input[..count]).contains("/other") {
            let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").and_then(|()| stream.flush());
        }
        let _ = stream.read(&mut input);
    });
    let attack = Attack::with(tool, |_| {});
    let client = Http2Client::connect(attack.proxy.address());
    let bearer = format!("Bearer {}", token("builder"));
    for round in 0..4 {
        let mut open: Vec<_> = (0..100).map(|_| client.begin("GET", "http://c-git.team.svc/stuck", &[("authorization", &bearer)], true)).collect();
        wait_for("all to be with the tool", || attack.tool.connections() >= (round + 1) * 100);
        open.iter_mut().for_each(|exchange| exchange.reset(h2::Reason::CANCEL));
        attack.tool.wait_closed((round + 1) * 100);
    }
    let bearer_other = bearer;
    assert_eq!(client.get("http://c-git.team.svc/other", &[("authorization", &bearer_other)]).0.status, 204);
    wait_for("no request to be left", || attack.proxy.metrics().contains("connectors_proxy_active_requests 0"));
}

#[test]
fn made_you_reset() {
    // CVE-2025-8671: the caller makes the errors that we answer with a reset.
    type Error = fn(u32) -> Vec<u8>;
    let errors: [Error; 3] = [
        |id| frame(kind::WINDOW_UPDATE, 0, id, &[0; 4]),
        |id| frame(kind::WINDOW_UPDATE, 0, id, &0x7fff_ffff_u32.to_be_bytes()),
        |id| frame(kind::HEADERS, 4, id, &field_block(&[("x", "y")])),
    ];
    for error in errors {
        let attack = Attack::new();
        let mut raw = attack.connect();
        let block = good("POST");
        for id in streams().take(20_000) {
            if !raw.write(&[frame(kind::HEADERS, 4, id, &block), error(id)].concat()) {
                break;
            }
        }
        assert!(raw.goaway().is_none_or(|code| code != 0));
        assert!(attack.tool.connections() < 2_000, "{}", attack.tool.connections());
        attack.assert_harmless();
    }
}

#[test]
fn continuation_flood() {
    let attack = Attack::new();
    for piece in [field_block(&[("x-much", &"y".repeat(8000))]), field_block(&[("x", "y")]), Vec::new()] {
        let mut raw = attack.connect();
        raw.write(&frame(kind::HEADERS, 1, 1, &good("GET")));
        flood(&mut raw, &frame(kind::CONTINUATION, 0, 1, &piece), 4 << 20);
        raw.goaway();
    }
    assert!(attack.tool.seen().is_empty());
    attack.assert_harmless();
}

#[test]
fn floods_of_frames_that_want_an_answer() {
    let attack = Attack::new();
    for piece in [frame(kind::PING, 0, 0, &[0; 8]), frame(kind::SETTINGS, 0, 0, &[]), frame(kind::SETTINGS, 0, 0, &[0, 4, 0, 0, 0xff, 0xff])] {
        let mut raw = attack.connect();
        // Nothing is read, so soon nothing more is taken.
        flood(&mut raw, &piece, 64 << 20);
        attack.assert_served();
        drop(raw);
    }
    attack.assert_harmless();
}

#[test]
fn floods_of_frames_that_want_nothing() {
    let attack = Attack::new();
    for piece in [frame(kind::PRIORITY, 0, 1, &[0; 5]), frame(99, 0, 0, &[0; 100]), frame(kind::PING, 1, 0, &[0; 8])] {
        let mut raw = attack.connect();
        let pieces = piece.repeat(1000);
        for _ in 0..200 {
            if !raw.write(&pieces) {
                break;
            }
        }
        attack.assert_served();
    }
    attack.assert_harmless();
}

#[test]
fn floods_of_data() {
    let (end, ends) = channel::<()>();
    let ends = Mutex::new(ends);
    // A tool that reads no body.
    let tool = Tool::wire(None, move |stream| {
        let mut input = [0; 4096];
        let count = stream.read(&mut input).unwrap_or(0);
        if String::from_utf8_lossy(&input[..count]).contains("/other") {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").and_then(|()| stream.flush());
        } else {
            let _ = ends.lock().unwrap().recv();
        }
    });
    let attack = Attack::with(tool, |_| {});
    // Nothing in it; one byte, and all of it counts; one byte and much padding.
    for (piece, code) in [
        (frame(kind::DATA, 0, 1, &[]), Some(CALM)),
        (frame(kind::DATA, 8, 1, &[0]), None),
        (frame(kind::DATA, 0, 1, b"x"), None),
        (frame(kind::DATA, 8, 1, &[&[255, b'x'][..], &[0; 255]].concat()), None),
    ] {
        let mut raw = attack.connect();
        raw.write(&frame(kind::HEADERS, 4, 1, &good("POST")));
        flood(&mut raw, &piece, 64 << 20);
        attack.assert_served();
        let got = raw.goaway();
        assert!(code.is_none() || got == code || got.is_none(), "{got:?}");
    }
    // More than the window allows.
    let mut raw = attack.connect();
    raw.write(&frame(kind::HEADERS, 4, 1, &good("POST")));
    flood(&mut raw, &frame(kind::DATA, 0, 1, &[0; 16384]), 64 << 20);
    let code = raw.goaway();
    assert!(code.is_none_or(|code| code != 0), "{code:?}");
    drop(end);
    attack.assert_harmless();
}

/// Frames that keep to the connection's window, but not to the stream's, which h2 takes for the stream's error: it would swallow what follows, and open the
/// connection's window for it again and again.
#[test]
fn data_beyond_the_window_of_its_stream() {
    const MOST: u64 = 8 << 20;
    let attack = Attack::new();
    for own_stream in [true, false] {
        let mut raw = attack.connect();
        if own_stream {
            raw.write(&frame(kind::HEADERS, 4, 1, &good("POST")));
        } else {
            // A stream that has come to its end.
            raw.write(&frame(kind::HEADERS, 5, 1, &good("POST")));
            raw.read_until(|frame| frame.stream == 1 && frame.flags & 1 != 0).unwrap();
        }
        let piece = frame(kind::DATA, 0, 1, &[0; 16384]);
        let (mut window, mut sent) = (65_535_u64, 0);
        let ended = loop {
            if window < 16384 {
                match raw.read() {
                    Some(frame) if frame.kind == kind::GOAWAY => break frame.code(),
                    Some(frame) if frame.stream == 0 => window += u64::from(frame.increment().unwrap_or(0)),
                    Some(_) => {}
                    None => break None,
                }
            } else if raw.write(&piece) {
                window -= 16384;
                sent += 16384;
                assert!(sent < MOST, "{sent} bytes were taken");
            } else {
                break raw.goaway();
            }
        };
        assert_ne!(ended, Some(0));
        attack.assert_served();
    }
    attack.assert_harmless();
}

/// What a caller may do who keeps to its windows: uploads that are refused, one after the other, more in all than one may waste who does not.
#[test]
fn refused_uploads_are_no_abuse() {
    let attack = Attack::new();
    let mut raw = attack.connect();
    let strange = field_block(&[(":method", "POST"), (":scheme", "http"), (":authority", "c-git.team.svc"), (":path", "/"), ("authorization", "Bearer no")]);
    let mut window = 65_535_u64;
    for id in streams().take(100) {
        assert!(raw.write(&frame(kind::HEADERS, 4, id, &strange)));
        // No more than the window of a stream before we have acknowledged the proxy's settings.
        let mut left = 3;
        let mut answered = false;
        while left > 0 || !answered {
            if left > 0 && window >= 16384 {
                left -= 1;
                window -= 16384;
                assert!(raw.write(&frame(kind::DATA, u8::from(left == 0), id, &[0; 16384])));
                continue;
            }
            let frame = raw.read().expect("the connection lives");
            assert_ne!(frame.kind, kind::RST_STREAM, "{:?}", frame.code());
            assert_ne!(frame.kind, kind::GOAWAY, "{:?}", frame.code());
            answered |= frame.stream == id && frame.kind == kind::HEADERS;
            if frame.stream == 0 {
                window += u64::from(frame.increment().unwrap_or(0));
            }
        }
    }
    drop(raw);
    attack.assert_harmless();
}

#[test]
fn huge_heads() {
    let attack = Attack::new();
    let long = "y".repeat(16_000);
    // Over what a head may have, within what a list may have, and beyond.
    for count in [5, 6, 20, 60] {
        let mut raw = attack.connect();
        let mut frames = frame(kind::HEADERS, 1, 1, &good("GET"));
        for n in 0..count {
            frames.extend(frame(kind::CONTINUATION, if n == count - 1 { 4 } else { 0 }, 1, &field_block(&[("x-much", &long)])));
        }
        raw.write(&frames);
        let answer = raw.read_until(|frame| frame.stream == 1 || frame.kind == kind::GOAWAY);
        // 431 as a literal after the name `:status` from the static table, or the end of it.
        let is_431 = |frame: &Frame| frame.kind == kind::HEADERS && frame.payload.first() != Some(&0x88);
        assert!(answer.as_ref().is_none_or(|answer| is_431(answer) || answer.kind != kind::HEADERS), "{count}: {answer:?}");
    }
    // Ten thousand small ones.
    let mut raw = attack.connect();
    let mut frames = frame(kind::HEADERS, 1, 1, &good("GET"));
    for n in 0..4 {
        frames.extend(frame(kind::CONTINUATION, if n == 3 { 4 } else { 0 }, 1, &field_block(&[("a", "b")]).repeat(2_500)));
    }
    raw.write(&frames);
    let answer = raw.read_until(|frame| frame.stream == 1 || frame.kind == kind::GOAWAY);
    assert!(answer.is_none_or(|answer| answer.payload.first() != Some(&0x88)));
    assert!(attack.tool.seen().is_empty());
    attack.assert_harmless();
}

#[test]
fn hpack_bomb() {
    let attack = Attack::new();
    let mut raw = attack.connect();
    // An entry of nearly the whole table (4 KB), and a frame full of references to it: 16 KB that mean 64 MB.
    let mut block = good("GET");
    block.push(0x40);
    block.extend(&field_block(&[("x-bomb", &"y".repeat(4000))])[1..]);
    let references = 16_000 - block.len();
    block.extend(vec![0x80 | 62; references]);
    for id in streams().take(50) {
        if !raw.write(&frame(kind::HEADERS, 5, id, &block)) {
            break;
        }
        let answer = raw.read_until(|frame| frame.stream == id || frame.kind == kind::GOAWAY);
        assert!(answer.is_none_or(|answer| answer.payload.first() != Some(&0x88)));
    }
    assert!(attack.tool.seen().is_empty());
    attack.assert_harmless();
    // References to what isn't there, and lengths beyond all measure.
    for block in [vec![0x80 | 70], vec![0xff; 100], vec![0, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f], vec![0x3f, 0xff, 0xff, 0xff, 0xff, 0x0f]] {
        let mut raw = attack.connect();
        raw.write(&frame(kind::HEADERS, 5, 1, &block));
        assert!(raw.goaway().is_none_or(|code| code != 0));
    }
    attack.assert_harmless();
}

const SHORT: Duration = Duration::from_millis(400);

#[test]
fn p28_a_window_that_stays_shut() {
    let (seen, ended) = channel();
    let seen = Mutex::new(seen);
    let tool = Tool::wire(None, move |stream| {
        let mut input = [0; 4096];
        let count = stream.read(&mut input).unwrap_or(0);
        if String::from_utf8_lossy(&input[..count]).contains("/other") {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").and_then(|()| stream.flush());
            return;
        }
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n");
        while stream.write_all(&[0; 65536]).is_ok() {}
        seen.lock().unwrap().send(()).unwrap();
    });
    let attack = Attack::with(tool, |settings| settings.idle_timeout = SHORT);
    // Shut by settings, and shut because nothing is ever given back.
    for settings in [&[0, 4, 0, 0, 0, 0][..], &[]] {
        let mut raw = RawHttp2::connect_silently(attack.proxy.address());
        raw.write(&[PREFACE, &frame(kind::SETTINGS, 0, 0, settings)].concat());
        for id in streams().take(10) {
            raw.write(&frame(kind::HEADERS, 5, id, &good("GET")));
        }
        for _ in 0..10 {
            ended.recv_timeout(DEADLINE).expect("the tool's connection ends");
        }
        let broken = raw.read_until(|frame| frame.kind == kind::RST_STREAM).expect("the stream is reset");
        assert_ne!(broken.code(), Some(0));
    }
    attack.assert_harmless();
}

#[test]
fn p28_what_begins_and_does_not_go_on() {
    let attack = Attack::with(Tool::echo(), |settings| {
        settings.idle_timeout = SHORT;
        settings.head_timeout = SHORT;
    });
    let begun = frame(kind::HEADERS, 0, 1, &good("GET"));
    for sent in [&PREFACE[..7], PREFACE, &[PREFACE, &frame(kind::SETTINGS, 0, 0, &[])].concat(), &[PREFACE, &frame(kind::SETTINGS, 0, 0, &[]), &begun].concat()]
    {
        let mut raw = RawHttp2::connect_silently(attack.proxy.address());
        raw.write(sent);
        let began = Instant::now();
        raw.goaway();
        assert!(began.elapsed() < DEADLINE / 2, "{:?} after {} bytes", began.elapsed(), sent.len());
    }
    attack.assert_harmless();
}

#[test]
fn p28_streams_that_are_opened_and_never_finished() {
    let attack = Attack::with(Tool::echo(), |settings| settings.idle_timeout = SHORT);
    let mut raw = attack.connect();
    for id in streams().take(128) {
        assert!(raw.write(&frame(kind::HEADERS, 4, id, &good("POST"))));
    }
    // Each is answered with 408, and the connection ends, since nothing else happens on it.
    let mut answered = 0;
    while let Some(frame) = raw.read() {
        answered += usize::from(frame.kind == kind::HEADERS);
    }
    assert_eq!(answered, 128);
    attack.assert_harmless();
}

#[test]
fn more_streams_than_there_may_be_are_refused() {
    let attack = Attack::new();
    let mut raw = attack.connect();
    for id in streams().take(1000) {
        if !raw.write(&frame(kind::HEADERS, 4, id, &good("POST"))) {
            break;
        }
    }
    let mut refused = 0;
    while refused < 872 {
        let frame = raw.read_until(|frame| frame.kind == kind::RST_STREAM).expect("a refusal, and no end");
        refused += usize::from(frame.code() == Some(7));
    }
    assert!(attack.tool.connections() <= 128, "{}", attack.tool.connections());
    attack.assert_served();
    drop(raw);
    attack.assert_harmless();
}

#[test]
fn a_tool_that_floods_harms_nobody_but_itself() {
    let ca = TestCa::default();
    let answer = |fields: &[(&str, &str)]| [&[0x88][..], &field_block(fields)].concat();
    let informational = field_block(&[(":status", "103")]);
    type Flood = Box<dyn Fn(u32) -> (Vec<u8>, Vec<u8>) + Send + Sync>;
    let much = "y".repeat(8000);
    let floods: [Flood; 6] = [
        // Before the answer, or within it: what comes first, and what comes again and again.
        Box::new(move |id| (Vec::new(), frame(kind::HEADERS, 4, id, &informational))),
        Box::new(move |id| (frame(kind::HEADERS, 0, id, &[0x88]), frame(kind::CONTINUATION, 0, id, &field_block(&[("x-much", &much)])))),
        Box::new(move |id| (frame(kind::HEADERS, 4, id, &answer(&[])), frame(kind::DATA, 0, id, &[]))),
        Box::new(|_| (Vec::new(), frame(kind::PING, 0, 0, &[0; 8]))),
        Box::new(|_| (Vec::new(), frame(kind::SETTINGS, 0, 0, &[]))),
        // Pushes are switched off.
        Box::new(|id| (Vec::new(), frame(5, 4, id, &[&2_u32.to_be_bytes()[..], &good("GET")].concat()))),
    ];
    for flood in floods {
        let tool = Tool::http2_frames(&ca, "127.0.0.1", move |stream: &mut dyn Wire| {
            let write = |stream: &mut dyn Wire, bytes: &[u8]| stream.write_all(bytes).and_then(|()| stream.flush()).is_ok();
            write(stream, &frame(kind::SETTINGS, 0, 0, &[]));
            let Some(request) = std::iter::from_fn(|| read_frame(stream)).find(|frame| frame.kind == kind::HEADERS) else { return };
            let (first, again) = flood(request.stream);
            write(stream, &first);
            let again = again.repeat((64 * 1024 / again.len()).max(1));
            for _ in 0..1000 {
                if !write(stream, &again) {
                    return;
                }
            }
        });
        let attack = Attack::with(Tool::echo(), |_| {});
        let proxy = Proxy::build()
            .basic("team/git", &tool.url(), "bot", "canary-password")
            .trusting(ca.der())
            .allow("builder", "team/git")
            .settings(|settings| settings.idle_timeout = Duration::from_secs(1))
            .start();
        let client = Http2Client::connect(proxy.address());
        let bearer = format!("Bearer {}", token("builder"));
        let mut exchange = client.begin("GET", "http://c-git.team.svc/", &[("authorization", &bearer)], true);
        match exchange.head() {
            Ok(head) if head.status == 200 => assert!(exchange.rest().error.is_some()),
            Ok(head) => assert!(matches!(head.status.as_u16(), 502 | 504), "{}", head.status),
            Err(error) => assert!(error.is_reset(), "{error}"),
        }
        // The caller's connection is as good as before.
        assert_eq!(client.get("http://c-other.team.svc/", &[("authorization", &bearer)]).0.status, 403);
        let grown = memory().saturating_sub(attack.before);
        assert!(grown < MEMORY, "{} MB more than before", grown >> 20);
    }
}
