//! Writes a record as one line of JSON (RFC 8259). Field names and their order are a contract (docs/operations.md).
//!
//! By hand, since this is done for every request, and a general serializer took as long for it as everything else took together.

use connectors_core::{Caller, ConnectorRef, Pod};
use connectors_net::Moment;

use super::clock::Clock;
use super::{AnsweredBy, Mode, Record, Times};
use crate::trace::TraceId;

/// Appends the record of a request that ended `now`, with a line feed.
pub(super) fn write(record: &Record<'_>, now: Moment, times: Times, clock: &Clock, out: &mut Vec<u8>) {
    // For nearly every record, so that the buffer grows at most once.
    out.reserve(640);
    out.extend_from_slice(br#"{"time":""#);
    clock.write(now, out);
    out.extend_from_slice(br#"","trace_id":""#);
    hex(record.trace, out);
    out.extend_from_slice(br#"","client":""#);
    out.extend_from_slice(record.client.as_bytes());
    out.extend_from_slice(match &record.caller {
        Some(caller) => caller.fields.as_bytes(),
        None => br#"","user":null,"pod":null,"connector":"#,
    });
    connector(record.connector(), out);
    out.extend_from_slice(br#","class":"#);
    // A name of Kubernetes, as the Connector's.
    match record.class() {
        Some(class) => plain(class, out),
        None => out.extend_from_slice(b"null"),
    }
    out.extend_from_slice(match record.mode {
        Mode::Reverse => br#","mode":"reverse","method":""#,
        Mode::Forward => br#","mode":"forward","method":""#,
        Mode::Connect => br#","mode":"connect","method":""#,
        Mode::Intercept => br#","mode":"intercept","method":""#,
        Mode::Unknown => br#","mode":"unknown","method":""#,
    });
    method(record.method, out);
    out.extend_from_slice(br#"","host":""#);
    // The name of a host needs no escapes.
    out.extend_from_slice(record.host().as_bytes());
    out.extend_from_slice(br#"","path":"#);
    shortened(&record.path, out);
    out.extend_from_slice(br#","status":"#);
    match record.status.get() {
        status @ 100..=999 => padded::<3>(status.into(), out),
        none => integer(none.into(), out),
    }
    out.extend_from_slice(match record.answered_by.get() {
        AnsweredBy::Proxy => br#","answered_by":"proxy","reason":"#,
        AnsweredBy::Tool => br#","answered_by":"tool","reason":"#,
        AnsweredBy::Nobody => br#","answered_by":"nobody","reason":"#,
    });
    if let (None, None) = (record.reason, &record.detail) {
        out.extend_from_slice(br#"null,"detail":null"#);
    } else {
        optional(record.reason, out);
        out.extend_from_slice(br#","detail":"#);
        optional(record.detail.as_deref(), out);
    }
    out.extend_from_slice(if record.complete { br#","complete":true,"bytes_in":"# } else { br#","complete":false,"bytes_in":"# });
    integer(record.moved.body_in.get(), out);
    out.extend_from_slice(br#","bytes_out":"#);
    integer(record.moved.body_out.get(), out);
    out.extend_from_slice(br#","auth_ms":"#);
    optional_milliseconds(times.auth, out);
    out.extend_from_slice(br#","ttfb_ms":"#);
    optional_milliseconds(times.ttfb, out);
    out.extend_from_slice(br#","total_ms":"#);
    milliseconds(times.total, out);
    out.extend_from_slice(b"}\n");
}

/// What the records of a caller's requests say of it: written once for all of them, since callers send many. It is what stands between the client's address and the
/// Connector's name.
pub(super) fn caller(caller: &Caller) -> Box<str> {
    let mut out = br#"","user":"#.to_vec();
    string(&caller.username, &mut out);
    out.extend_from_slice(br#","pod":"#);
    pod(caller.pod.as_ref(), &mut out);
    out.extend_from_slice(br#","connector":"#);
    // It is made of text.
    String::from_utf8(out).unwrap_or_default().into()
}

/// Writes the last `DIGITS` digits of `number`, with leading zeros.
pub(super) fn padded<const DIGITS: usize>(mut number: u32, out: &mut Vec<u8>) {
    let mut digits = [0; DIGITS];
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
    out.extend_from_slice(&digits);
}

fn optional(text: Option<&str>, out: &mut Vec<u8>) {
    match text {
        Some(text) => string(text, out),
        None => out.extend_from_slice(b"null"),
    }
}

/// Its name has letters, digits, hyphens and a slash in it, and nothing else.
fn connector(name: Option<&ConnectorRef>, out: &mut Vec<u8>) {
    match name {
        Some(name) => plain(name.as_str(), out),
        None => out.extend_from_slice(b"null"),
    }
}

fn pod(pod: Option<&Pod>, out: &mut Vec<u8>) {
    let Some(pod) = pod else { return out.extend_from_slice(b"null") };
    out.push(b'"');
    escaped(&pod.namespace, out);
    out.push(b'/');
    escaped(&pod.name, out);
    out.push(b'"');
}

/// A string that is known to need no escapes.
fn plain(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    out.extend_from_slice(text.as_bytes());
    out.push(b'"');
}

fn string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    escaped(text, out);
    out.push(b'"');
}

/// No more bytes of a path or method than this are logged.
const MAX_LOGGED: usize = 2048;

/// A method of any length, without quotes. It is a token (RFC 9110 §5.6.2), of which nothing needs an escape.
fn method(method: &str, out: &mut Vec<u8>) {
    match method.as_bytes().get(..MAX_LOGGED) {
        Some(shown) if method.len() > MAX_LOGGED => {
            out.extend_from_slice(shown);
            out.extend_from_slice("…".as_bytes());
        }
        _ => out.extend_from_slice(method.as_bytes()),
    }
}

/// A string of any length.
fn shortened(text: &str, out: &mut Vec<u8>) {
    if text.len() <= MAX_LOGGED {
        return string(text, out);
    }
    out.push(b'"');
    escaped(&text[..text.floor_char_boundary(MAX_LOGGED)], out);
    out.extend_from_slice("…\"".as_bytes());
}

/// RFC 8259 §7: what must be escaped is, and nothing else.
fn escaped(text: &str, out: &mut Vec<u8>) {
    let (words, rest) = text.as_bytes().as_chunks();
    if !words.iter().any(|word| word_needs_escape(*word)) && !rest.iter().any(|byte| needs_escape(*byte)) {
        return out.extend_from_slice(text.as_bytes());
    }
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0x08 => out.extend_from_slice(b"\\b"),
            0x0c => out.extend_from_slice(b"\\f"),
            0..b' ' => out.extend_from_slice(&[b'\\', b'u', b'0', b'0', digit(byte >> 4), digit(byte & 15)]),
            _ => out.push(byte),
        }
    }
}

fn needs_escape(byte: u8) -> bool {
    const TABLE: [bool; 256] = {
        let mut table = [false; 256];
        let mut control = 0;
        while control < b' ' as usize {
            table[control] = true;
            control += 1;
        }
        table[b'"' as usize] = true;
        table[b'\\' as usize] = true;
        table
    };
    TABLE[usize::from(byte)]
}

/// Whether any of eight bytes needs an escape. A byte is below `n`, for `n` up to 128, if taking `n` from it borrows and it has no high bit itself;
/// where it borrows from the byte above, there was one below to be found anyway.
fn word_needs_escape(word: [u8; 8]) -> bool {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGH: u64 = ONES << 7;
    let below = |word: u64, n: u8| word.wrapping_sub(ONES * u64::from(n)) & !word & HIGH;
    let equal = |word: u64, byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
    let word = u64::from_le_bytes(word);
    below(word, b' ') | equal(word, b'"') | equal(word, b'\\') != 0
}

fn digit(value: u8) -> u8 {
    b"0123456789abcdef"[usize::from(value & 15)]
}

fn hex(trace: TraceId, out: &mut Vec<u8>) {
    let mut text = [0; 32];
    for (digits, bytes) in text.as_chunks_mut().0.iter_mut().zip(trace.to_bytes().as_chunks().0) {
        *digits = hex_digits(u32::from_be_bytes(*bytes));
    }
    out.extend_from_slice(&text);
}

/// Eight digits, made at once.
fn hex_digits(number: u32) -> [u8; 8] {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    // Half a byte to a byte.
    let spread = u64::from(number);
    let spread = (spread | spread << 16) & 0x0000_ffff_0000_ffff;
    let spread = (spread | spread << 8) & 0x00ff_00ff_00ff_00ff;
    let spread = (spread | spread << 4) & 0x0f0f_0f0f_0f0f_0f0f;
    // 1 for each that is 10 or more.
    let letters = (spread + ONES * 6) >> 4 & ONES;
    (spread + ONES * u64::from(b'0') + letters * u64::from(b'a' - b'9' - 1)).to_be_bytes()
}

fn integer(mut number: u64, out: &mut Vec<u8>) {
    // Most are zero, or milliseconds.
    if number < 10 {
        return out.push(b'0' + number as u8);
    }
    const LONGEST: usize = "18446744073709551615".len();
    let mut digits = [0; LONGEST];
    let mut begin = LONGEST;
    loop {
        begin -= 1;
        digits[begin] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[begin..]);
}

fn optional_milliseconds(nanoseconds: Option<u64>, out: &mut Vec<u8>) {
    match nanoseconds {
        Some(nanoseconds) => milliseconds(nanoseconds, out),
        None => out.extend_from_slice(b"null"),
    }
}

/// Of a number below 100.
fn two_digits(number: u16) -> [u8; 2] {
    const TABLE: [[u8; 2]; 100] = {
        let mut table = [[0; 2]; 100];
        let mut number = 0;
        while number < 100 {
            table[number] = [b'0' + (number / 10) as u8, b'0' + (number % 10) as u8];
            number += 1;
        }
        table
    };
    TABLE[usize::from(number)]
}

/// Rounded to microseconds: three digits after the point.
fn milliseconds(nanoseconds: u64, out: &mut Vec<u8>) {
    let microseconds = nanoseconds.saturating_add(500) / 1000;
    if microseconds < 10_000 {
        // Most are.
        let microseconds = microseconds as u16;
        let ([thousands, hundreds], [tens, ones]) = (two_digits(microseconds / 100), two_digits(microseconds % 100));
        return out.extend_from_slice(&[thousands, b'.', hundreds, tens, ones]);
    }
    integer(microseconds / 1000, out);
    out.push(b'.');
    padded::<3>((microseconds % 1000) as u32, out);
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::sync::Arc;
    use std::time::Duration;

    use connectors_core::{Host, Origin, Scheme};
    use connectors_http1::{HeadLimits, RequestHead};
    use serde::Serialize;
    use serde_json::Value;

    use super::*;
    use crate::client::Peer;
    use crate::observe::Logged;

    /// The contract, as a general serializer writes it.
    #[derive(Serialize)]
    struct Contract<'a> {
        time: &'a str,
        trace_id: &'a str,
        client: SocketAddr,
        user: Option<&'a str>,
        pod: Option<String>,
        connector: Option<&'a str>,
        class: Option<&'a str>,
        mode: &'a str,
        method: &'a str,
        host: &'a str,
        path: &'a str,
        status: u16,
        answered_by: &'a str,
        reason: Option<&'a str>,
        detail: Option<&'a str>,
        complete: bool,
        bytes_in: u64,
        bytes_out: u64,
        auth_ms: Option<f64>,
        ttfb_ms: Option<f64>,
        total_ms: f64,
    }

    fn milliseconds(nanoseconds: u64) -> f64 {
        (nanoseconds as f64 / 1e3).round() / 1e3
    }

    /// Writes a record, and compares it with what serde_json writes of the same, field by field and in their order.
    #[track_caller]
    fn assert_as_serde_writes(record: &Record<'_>, total: Duration) {
        let mut line = Vec::new();
        write(record, record.started + total, record.times(record.started + total), &Clock::new(), &mut line);
        let line = String::from_utf8(line).unwrap();
        let object: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let caller = record.caller.as_ref().map(|caller| &*caller.caller);
        let trace = format!("{:032x}", u128::from_be_bytes(record.trace.to_bytes()));
        let contract = Contract {
            time: object["time"].as_str().unwrap(),
            trace_id: &trace,
            client: record.client.parse().unwrap(),
            user: caller.map(|caller| &*caller.username),
            pod: caller.and_then(|caller| caller.pod.as_ref()).map(|pod| format!("{}/{}", pod.namespace, pod.name)),
            connector: record.connector().map(ConnectorRef::as_str),
            class: record.class(),
            mode: record.mode.as_str(),
            method: record.method,
            host: record.host(),
            path: &record.path,
            status: record.status.get(),
            answered_by: record.answered_by.get().as_str(),
            reason: record.reason,
            detail: record.detail.as_deref(),
            complete: record.complete,
            bytes_in: record.moved.body_in.get(),
            bytes_out: record.moved.body_out.get(),
            auth_ms: record.until(record.authorized).map(milliseconds),
            ttfb_ms: record.until(record.answered.get()).map(milliseconds),
            total_ms: milliseconds(total.as_nanos() as u64),
        };
        let expect = serde_json::to_string(&contract).unwrap() + "\n";
        assert_eq!(without_trailing_zeros(&line), expect);
    }

    /// Three digits are always written after the point; serde writes only those that it needs.
    fn without_trailing_zeros(line: &str) -> String {
        let (strings, mut numbers) = line.rsplit_once(r#""auth_ms""#).map(|(before, after)| (before.to_owned(), format!(r#""auth_ms"{after}"#))).unwrap();
        for _ in 0..2 {
            numbers = numbers.replace("0,", ",").replace("0}", "}");
        }
        strings + &numbers.replace(".,", ".0,").replace(".}", ".0}")
    }

    fn head() -> RequestHead {
        let mut head = RequestHead::new();
        head.parse(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", &HeadLimits::default()).unwrap().unwrap();
        head
    }

    fn record(head: &RequestHead) -> Record<'_> {
        let trace = TraceId::from_traceparent(b"00-000102030405060708090a0b0c0d0eff-00f067aa0ba902b7-01").unwrap();
        Record::start(&Peer::new("192.0.2.107:8".parse().unwrap()).unwrap(), head, trace)
    }

    fn caller(username: &str, pod: Option<&str>) -> Arc<Logged> {
        let pod = pod.map(|name| Pod { namespace: "team".into(), name: name.into() });
        Arc::new(Logged::new(Caller { username: username.into(), groups: Vec::new(), service_account: None, pod }))
    }

    #[test]
    fn a_record_is_written_as_serde_would() {
        let head = head();
        let mut record = record(&head);
        assert_as_serde_writes(&record, Duration::ZERO);
        record.aim(Mode::Forward, Some(&Origin::new(Scheme::Http, Host::parse("tool.example").unwrap(), Some(8080))), "/org/repo.git");
        record.called_by(&caller("system:serviceaccount:team:builder", Some("pod-1")));
        record.named(&ConnectorRef::parse("team/git").unwrap());
        record.moved.body_in.set(u64::MAX);
        record.moved.body_out.set(10);
        record.authorized = Some(record.started + Duration::from_nanos(499));
        record.answered_by_tool(200);
        record.answered.set(Some(record.started + Duration::from_nanos(1_234_567_500)));
        assert_as_serde_writes(&record, Duration::from_micros(90_061_001_200));
        record.client = "[2001:db8::1]:65535".into();
        record.caller = Some(caller("nobody", None));
        record.reason = Some("UpstreamTimeout");
        record.detail = Some("it \"took\"\ttoo\u{1}long …".into());
        record.answered_by.set(AnsweredBy::Proxy);
        record.broke_off();
        assert_as_serde_writes(&record, Duration::from_millis(20));
    }

    #[test]
    fn every_character_is_escaped_as_serde_does() {
        let all: Vec<char> = (0..=0x2ff).filter_map(char::from_u32).chain(['\u{2028}', '\u{feff}', '\u{1f600}', char::MAX]).collect();
        let texts = all.iter().map(char::to_string).chain([String::new(), all.iter().collect()]);
        for text in texts {
            // At each place within what may be looked at in one go.
            for lead in 0..20 {
                let text = "x".repeat(lead) + &text;
                let mut written = Vec::new();
                string(&text, &mut written);
                assert_eq!(String::from_utf8(written).unwrap(), serde_json::to_string(&text).unwrap());
            }
        }
        // Each pair of neighbours, since words are looked at as one number.
        for pair in (0..=u16::MAX).map(u16::to_be_bytes).filter(|pair| pair.is_ascii()) {
            let word = [b'x', b'x', b'x', pair[0], pair[1], b'x', b'x', b'x'];
            assert_eq!(word_needs_escape(word), word.into_iter().any(needs_escape), "{pair:?}");
        }
        let (head, text): (_, String) = (head(), all.into_iter().collect());
        let mut record = record(&head);
        record.aim(Mode::Reverse, None, &text);
        record.called_by(&caller(&text, Some(&text)));
        record.detail = Some(text.clone());
        assert_as_serde_writes(&record, Duration::ZERO);
    }

    #[test]
    fn p28_long_paths_are_cut() {
        let x = |length: usize| "x".repeat(length);
        // Not within a character.
        let (many, fewer) = ("é".repeat(MAX_LOGGED), "é".repeat(MAX_LOGGED / 2 - 1));
        for (text, expect) in [(x(MAX_LOGGED), x(MAX_LOGGED)), (x(MAX_LOGGED + 1), x(MAX_LOGGED) + "…"), (x(1) + &many, x(1) + &fewer + "…")] {
            let mut out = Vec::new();
            shortened(&text, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), format!("\"{expect}\""));
            if text.is_ascii() {
                let mut out = Vec::new();
                method(&text, &mut out);
                assert_eq!(String::from_utf8(out).unwrap(), expect);
            }
        }
    }

    #[test]
    fn numbers_have_all_their_digits() {
        for number in [0, 9, 10, 99, 100, 12345, u64::MAX].into_iter().chain((0..64).map(|bit| 1 << bit)) {
            let mut out = Vec::new();
            integer(number, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), number.to_string());
        }
        let mut out = Vec::new();
        padded::<6>(42, &mut out);
        assert_eq!(out, b"000042");
        out.clear();
        super::milliseconds(999_999_500, &mut out);
        assert_eq!(out, b"1000.000");
        for (nanoseconds, expect) in [(499, "0.000"), (500, "0.001"), (1_234_567, "1.235"), (9_999_499, "9.999"), (9_999_500, "10.000"), (10_000_000, "10.000")]
        {
            out.clear();
            super::milliseconds(nanoseconds, &mut out);
            assert_eq!(String::from_utf8_lossy(&out), expect, "{nanoseconds}");
        }
        for number in [0, 1, 0x0123_4567, 0x89ab_cdef, 0x9a9a_a9a9, u32::MAX] {
            assert_eq!(String::from_utf8_lossy(&hex_digits(number)), format!("{number:08x}"));
        }
    }
}
