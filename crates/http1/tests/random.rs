//! What must hold for any bytes, tried on many. The generator is seeded with a constant: every run tries the same.

#![allow(clippy::unwrap_used, reason = "a test fails where this fails")]

mod cases;
mod drive;

use connectors_http1::{BodyDecoder, Decoded, Field, Framing, HeadLimits, HeadWriter, LAST_CHUNK, RequestHead, ResponseHead, chunk_head};

#[test]
fn mangled_messages_never_panic_and_never_depend_on_how_they_are_cut() {
    let mut random = Random(1);
    for case in cases::all("") {
        let original = case.input();
        if original.is_empty() || original.len() > 1000 {
            continue;
        }
        for _ in 0..100 {
            let input = random.mangle(&original);
            let pieces = random.cut(&input);
            match &case.method {
                None => assert_eq!(drive::requests([&input[..]]), drive::requests(pieces), "{}", input.escape_ascii()),
                Some(method) => {
                    let whole = drive::responses(method, [&input[..]]);
                    assert_eq!(whole, drive::responses(method, pieces), "{}", input.escape_ascii());
                }
            }
        }
    }
}

#[test]
fn random_bytes_never_panic() {
    let mut random = Random(2);
    for _ in 0..20_000 {
        let len = random.below(200);
        let input = random.bytes(len);
        drive::requests([&input[..]]);
        drive::responses("GET", [&input[..]]);
        let mut body = BodyDecoder::new(Framing::Chunked);
        let _ = body.decode(&input);
        let _ = body.eof();
        assert!(body.trailers().count() == 0 || body.is_done());
    }
}

#[test]
fn what_is_accepted_reads_the_same_to_httparse() {
    let mut random = Random(3);
    let (mut requests, mut responses) = (0, 0);
    for case in cases::all("") {
        let original = case.input();
        for _ in 0..100 {
            let input = if original.len() > 1000 { original.clone() } else { random.mangle(&original) };
            if case.method.is_none() {
                requests += usize::from(same_request(&input));
            } else {
                responses += usize::from(same_response(&input));
            }
            if original.len() > 1000 {
                break;
            }
        }
    }
    assert!(requests > 5_000 && responses > 1_500, "too few accepted: {requests} requests, {responses} responses");
}

#[test]
fn a_written_request_reads_back() {
    let mut random = Random(4);
    let mut head = RequestHead::new();
    for _ in 0..5_000 {
        let fields: Vec<_> = (0..random.below(20)).map(|_| (random.token(), random.value())).collect();
        let target = format!("/{}", random.token());
        let mut out = Vec::new();
        let mut writer = HeadWriter::request(&mut out, "POST", &target).unwrap();
        writer.field("Host", b"tool.example:8080").unwrap();
        for (name, value) in &fields {
            writer.field(name, value).unwrap();
        }
        writer.content_length(7);
        writer.end();

        assert_eq!(head.parse(&out, &HeadLimits::default()), Ok(Some(out.len())), "{}", out.escape_ascii());
        assert_eq!((head.method(), head.target(), head.framing()), ("POST", &target[..], Framing::Length(7)));
        let lines: Vec<_> = head.lines().map(|line| (line.name(), line.value)).collect();
        let written = fields.iter().map(|(name, value)| (&name[..], &value[..]));
        let expected: Vec<_> = [("Host", &b"tool.example:8080"[..])].into_iter().chain(written).chain([("Content-Length", &b"7"[..])]).collect();
        assert_eq!(lines, expected);

        // And the lines can be copied as they are.
        let mut copy = Vec::new();
        let mut writer = HeadWriter::request(&mut copy, head.method(), head.target()).unwrap();
        for line in head.lines() {
            writer.line(&line);
        }
        writer.end();
        assert_eq!(copy, out);
    }
}

#[test]
fn a_chunked_body_reads_back_however_it_is_cut() {
    let mut random = Random(5);
    for _ in 0..5_000 {
        let (mut data, mut encoded) = (Vec::new(), Vec::new());
        for _ in 0..random.below(6) {
            let len = random.below(40) + 1;
            let chunk = random.bytes(len);
            chunk_head(len as u64, &mut encoded);
            encoded.extend_from_slice(&chunk);
            encoded.extend_from_slice(b"\r\n");
            data.extend_from_slice(&chunk);
        }
        let trailers: Vec<_> = (0..random.below(3)).map(|_| (random.token(), random.value())).collect();
        if trailers.is_empty() {
            encoded.extend_from_slice(LAST_CHUNK);
        } else {
            let mut writer = HeadWriter::trailers(&mut encoded);
            for (name, value) in &trailers {
                writer.field(name, value).unwrap();
            }
            writer.end();
        }

        let mut body = BodyDecoder::new(Framing::Chunked);
        let (mut decoded, mut waiting) = (Vec::new(), Vec::new());
        for piece in random.cut(&encoded) {
            assert!(!body.is_done(), "complete before its last byte");
            waiting.extend_from_slice(piece);
            decode_all(&mut body, &mut waiting, &mut decoded);
        }
        assert!(body.is_done() && waiting.is_empty());
        assert_eq!(decoded, data);
        let read: Vec<_> = body.trailers().map(|line| (line.name().to_owned(), line.value.to_vec())).collect();
        assert_eq!(read, trailers);
    }
}

fn decode_all(body: &mut BodyDecoder, waiting: &mut Vec<u8>, decoded: &mut Vec<u8>) {
    loop {
        match body.decode(waiting).unwrap() {
            Decoded::Data { skip, len } => {
                decoded.extend_from_slice(&waiting[skip..skip + len]);
                waiting.drain(..skip + len);
            }
            Decoded::NeedMore { consumed } | Decoded::End { consumed } => {
                waiting.drain(..consumed);
                return;
            }
        }
    }
}

fn same_request(input: &[u8]) -> bool {
    let mut ours = RequestHead::new();
    let Ok(Some(len)) = ours.parse(input, &HeadLimits::default()) else { return false };
    let mut fields = [httparse::EMPTY_HEADER; 256];
    let mut theirs = httparse::Request::new(&mut fields);
    assert_eq!(theirs.parse(input), Ok(httparse::Status::Complete(len)), "{}", input.escape_ascii());
    assert_eq!((theirs.method, theirs.path), (Some(ours.method()), Some(ours.target())));
    assert_eq!(theirs.version, Some(ours.version() as u8));
    assert!(ours.lines().map(|line| (line.name(), line.value)).eq(theirs.headers.iter().map(|h| (h.name, h.value))));
    true
}

fn same_response(input: &[u8]) -> bool {
    let mut ours = ResponseHead::new();
    let Ok(Some(len)) = ours.parse(input, &HeadLimits::default()) else { return false };
    let mut fields = [httparse::EMPTY_HEADER; 256];
    let mut theirs = httparse::Response::new(&mut fields);
    assert_eq!(theirs.parse(input), Ok(httparse::Status::Complete(len)), "{}", input.escape_ascii());
    assert_eq!((theirs.code, theirs.version), (Some(ours.status()), Some(ours.version() as u8)));
    assert!(ours.lines().map(|line| (line.name(), line.value)).eq(theirs.headers.iter().map(|h| (h.name, h.value))));
    true
}

/// splitmix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next() as u8).collect()
    }

    /// A field name that nothing is decided by.
    fn token(&mut self) -> String {
        const BYTES: &[u8] = b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
        loop {
            let token: String = (0..self.below(30) + 1).map(|_| char::from(BYTES[self.below(BYTES.len())])).collect();
            // `#` is no part of a target, which these are used in too.
            if Field::of(token.as_bytes()) == Field::Other && !token.contains('#') {
                return token;
            }
        }
    }

    /// A field value without blanks around it.
    fn value(&mut self) -> Vec<u8> {
        let len = self.below(60);
        let mut value = self.bytes(len);
        value.retain(|&byte| byte == b'\t' || (byte >= 0x20 && byte != 0x7f));
        value.trim_ascii().to_vec()
    }

    /// A copy with one to three changes, made of the bytes that parsers stumble over.
    fn mangle(&mut self, original: &[u8]) -> Vec<u8> {
        const NASTY: &[u8] = b"\r\n\t \0\x7f\xff:;,0159afxX-+_/?#@[]\"\\";
        let mut bytes = original.to_vec();
        for _ in 0..self.below(3) + 1 {
            let at = self.below(bytes.len() + 1);
            let nasty = NASTY[self.below(NASTY.len())];
            match self.below(5) {
                0 => bytes.insert(at, nasty),
                1 if at < bytes.len() => bytes[at] = nasty,
                2 if at < bytes.len() => drop(bytes.remove(at)),
                3 => bytes.truncate(at),
                4 => {
                    let end = (at + self.below(12)).min(bytes.len());
                    let copied = bytes[at..end].to_vec();
                    let to = self.below(bytes.len() + 1);
                    bytes.splice(to..to, copied);
                }
                _ => {}
            }
        }
        bytes
    }

    fn cut<'a>(&mut self, mut bytes: &'a [u8]) -> Vec<&'a [u8]> {
        let mut pieces = Vec::new();
        while !bytes.is_empty() {
            let (piece, rest) = bytes.split_at(self.below(bytes.len().min(20)) + 1);
            pieces.push(piece);
            bytes = rest;
        }
        pieces
    }
}
