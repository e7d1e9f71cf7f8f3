//! Bodies. The input is a body in chunks, and what follows it.

use connectors_http1::{BodyDecoder, BodyError, Decoded, Field, Framing, HeadWriter, LAST_CHUNK, MAX_EXTENSION_BYTES, TRAILER_LIMITS, chunk_head};

use crate::input;

/// However it is cut, a body is read the same, and as a naive reader does; nothing after its end is touched; and encoded again, it is still
/// that.
pub fn check(data: &[u8]) {
    let whole = decode(Framing::Chunked, data, &[data.len()]);
    for ends in input::cuts(data) {
        assert_eq!(decode(Framing::Chunked, data, &ends), whole, "cut at {ends:?}");
    }
    let accepted = (whole.end == End::Complete).then_some(&whole);
    let naive = Naive { rest: data, ..Naive::default() }.body();
    assert_eq!(naive.as_ref(), accepted, "a naive reader sees something else");
    if let Some(body) = accepted {
        assert_eq!(decode(Framing::Chunked, &data[..body.consumed], &[body.consumed]), *body);
        assert_eq!(decode(Framing::Chunked, &data[..body.consumed - 1], &[body.consumed - 1]).end, End::Cut, "complete before its last byte");
        check_encoded(body);
    }
    check_length(data);
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Body {
    data: Vec<u8>,
    trailers: Vec<(String, Vec<u8>)>,
    consumed: usize,
    end: End,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum End {
    #[default]
    Complete,
    Cut,
    Refused(BodyError),
}

/// Gives `input[..end]` to a decoder for one end after another.
fn decode(framing: Framing, input: &[u8], ends: &[usize]) -> Body {
    let mut decoder = BodyDecoder::new(framing);
    let mut body = Body { end: End::Cut, ..Body::default() };
    for &end in ends {
        loop {
            let waiting = &input[body.consumed..end];
            match decoder.decode(waiting) {
                Ok(Decoded::Data { skip, len }) => {
                    assert!(len > 0);
                    body.data.extend_from_slice(&waiting[skip..skip + len]);
                    body.consumed += skip + len;
                }
                Ok(Decoded::NeedMore { consumed }) => {
                    assert!(consumed == waiting.len() && !decoder.is_done());
                    body.consumed += consumed;
                    break;
                }
                Ok(Decoded::End { consumed }) => {
                    assert!(consumed <= waiting.len() && decoder.is_done());
                    body.consumed += consumed;
                    body.end = End::Complete;
                    break;
                }
                Err(error) => {
                    assert_eq!(decoder.decode(input), Err(error), "an error stays");
                    assert_eq!(decoder.eof(), Err(error));
                    // How much was consumed before doesn't matter: the connection is lost.
                    return Body { data: body.data, end: End::Refused(error), ..Body::default() };
                }
            }
        }
        if body.end == End::Complete {
            break;
        }
    }
    body.trailers = decoder.trailers().map(|line| (line.name().to_owned(), line.value.to_vec())).collect();
    let complete = body.end == End::Complete;
    assert!(complete || body.trailers.is_empty());
    assert_eq!(decoder.eof(), if complete { Ok(()) } else { Err(BodyError::Truncated) });
    body
}

/// RFC 9112 §7.1 as straight as it can be written, for whole bodies.
#[derive(Default)]
struct Naive<'d> {
    rest: &'d [u8],
    body: Body,
    extensions: usize,
}

impl<'d> Naive<'d> {
    fn body(mut self) -> Option<Body> {
        let len = self.rest.len();
        loop {
            match self.chunk_size()? {
                0 => break,
                size => {
                    let data = self.take(usize::try_from(size).ok()?)?;
                    self.body.data.extend_from_slice(data);
                    (self.take(2)? == b"\r\n").then_some(())?;
                }
            }
        }
        let before = self.rest.len();
        while let line @ [_, ..] = self.line()? {
            let colon = line.iter().position(|byte| *byte == b':')?;
            let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
            let is_token = !name.is_empty() && name.iter().all(|byte| is_token(*byte));
            (is_token && Field::of(name) == Field::Other && input::is_field_value(value)).then_some(())?;
            self.body.trailers.push((String::from_utf8_lossy(name).into_owned(), value.to_vec()));
        }
        (self.body.trailers.len() <= TRAILER_LIMITS.max_lines && before - self.rest.len() <= TRAILER_LIMITS.max_bytes).then_some(())?;
        self.body.consumed = len - self.rest.len();
        Some(self.body)
    }

    fn chunk_size(&mut self) -> Option<u64> {
        let line = self.line()?;
        let digits = line.iter().position(|byte| *byte == b';').unwrap_or(line.len());
        let (size, extension) = line.split_at(digits);
        if let [_, extension @ ..] = extension {
            self.extensions += extension.len();
            let fits = self.extensions <= MAX_EXTENSION_BYTES as usize;
            (fits && extension.first().is_some_and(|byte| is_token(*byte)) && input::is_field_value(extension)).then_some(())?;
        }
        ((1..=16).contains(&size.len()) && size.iter().all(u8::is_ascii_hexdigit)).then_some(())?;
        u64::from_str_radix(std::str::from_utf8(size).ok()?, 16).ok()
    }

    fn line(&mut self) -> Option<&'d [u8]> {
        let end = self.rest.windows(2).position(|pair| pair == b"\r\n")?;
        let line = self.take(end + 2)?;
        Some(&line[..end]).filter(|line| input::is_field_value(line))
    }

    fn take(&mut self, len: usize) -> Option<&'d [u8]> {
        let (taken, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        Some(taken)
    }
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn check_encoded(body: &Body) {
    let mut encoded = Vec::new();
    for piece in body.data.chunks(11) {
        chunk_head(piece.len() as u64, &mut encoded);
        encoded.extend_from_slice(piece);
        encoded.extend_from_slice(b"\r\n");
    }
    if body.trailers.is_empty() {
        encoded.extend_from_slice(LAST_CHUNK);
    } else {
        let mut trailers = HeadWriter::trailers(&mut encoded);
        for (name, value) in &body.trailers {
            trailers.field(name, value).unwrap();
        }
        trailers.end();
    }
    let again = decode(Framing::Chunked, &encoded, &[encoded.len()]);
    assert_eq!((&again.data, &again.trailers, again.consumed, again.end), (&body.data, &body.trailers, encoded.len(), End::Complete));
}

/// With a length, exactly that many bytes are the body.
fn check_length(data: &[u8]) {
    for length in [0, data.len() / 2, data.len(), data.len() + 1] {
        let body = decode(Framing::Length(length as u64), data, &[data.len() / 3, data.len()]);
        let len = length.min(data.len());
        assert_eq!((&body.data[..], body.consumed), (&data[..len], len));
        assert_eq!(body.end == End::Complete, length <= data.len());
    }
}
