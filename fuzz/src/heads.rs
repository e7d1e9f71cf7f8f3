//! What holds for heads of both directions.

use connectors_http1::{Field, HeadError, HeadLimits, Line};

use crate::input;

/// The two kinds of head, as far as they are alike.
pub(crate) trait Head: Default {
    /// Whether an empty line may come before the first.
    const SKIPS_EMPTY_LINE: bool;
    /// A whole head, to be read before another.
    const EARLIER: &'static [u8];

    fn parse(&mut self, input: &[u8], limits: &HeadLimits) -> Result<Option<usize>, HeadError>;
    fn lines(&self) -> Vec<Line<'_>>;
    /// Everything else that the head says.
    fn facts(&self) -> String;
    fn keep_alive(&self) -> bool;
    fn connection_names(&self, name: &str) -> bool;
    fn upgrade(&self) -> Option<&[u8]>;
}

/// Reads a head in every way there is, and checks that they agree. Returns the head and how long it is, if it is accepted.
pub(crate) fn parse<H: Head>(data: &[u8]) -> Option<(H, usize)> {
    let limits = HeadLimits::default();
    let mut head = H::default();
    let outcome = head.parse(data, &limits);

    for ends in input::cuts(data) {
        let mut slow = H::default();
        let first = ends.iter().map(|&end| slow.parse(&data[..end], &limits)).find(|outcome| *outcome != Ok(None));
        assert_eq!(first.unwrap_or(Ok(None)), outcome, "cut at {ends:?}");
        assert_same(&slow, &head);
    }

    let mut used = H::default();
    assert_eq!(used.parse(H::EARLIER, &limits), Ok(Some(H::EARLIER.len())));
    assert_eq!(used.parse(data, &limits), outcome);
    assert_same(&used, &head);

    let small = HeadLimits { max_bytes: 128, max_lines: 4 };
    match (outcome, H::default().parse(data, &small)) {
        (Ok(Some(len)), limited) if len <= small.max_bytes && head.lines().len() <= small.max_lines => assert_eq!(limited, outcome),
        (Ok(Some(_)), limited) => assert!(is_limit(limited), "{limited:?}"),
        (Ok(None), Ok(None)) => assert!(data.len() < small.max_bytes),
        (outcome, limited) => assert!(limited == outcome || is_limit(limited), "{limited:?}, but {outcome:?}"),
    }

    let len = outcome.ok()??;
    assert!(len <= data.len());
    assert_eq!(H::default().parse(&data[..len], &limits), outcome);
    assert_eq!(H::default().parse(&data[..len - 1], &limits), Ok(None), "complete before its last byte");
    Some((head, len))
}

fn is_limit(outcome: Result<Option<usize>, HeadError>) -> bool {
    matches!(outcome, Err(HeadError::TooLarge | HeadError::TooManyLines))
}

/// Panics unless both say the same.
#[track_caller]
pub(crate) fn assert_same<H: Head>(one: &H, other: &H) {
    assert_eq!(one.facts(), other.facts());
    assert!(one.lines() == other.lines());
}

/// Reads an accepted head anew, line by line, and checks that the parser saw the same lines. Returns the first line, and the others' names
/// and values.
pub(crate) fn naive_lines<'d, H: Head>(head: &H, data: &'d [u8]) -> (&'d [u8], Vec<(String, &'d [u8])>) {
    let start = if H::SKIPS_EMPTY_LINE { data.strip_prefix(b"\r\n").unwrap_or(data) } else { data };
    let mut rest = start.strip_suffix(b"\r\n\r\n").expect("a head ends in an empty line");
    let mut lines = Vec::new();
    while let Some(at) = rest.windows(2).position(|pair| pair == b"\r\n") {
        lines.push(&rest[..at]);
        rest = &rest[at + 2..];
    }
    lines.push(rest);
    for line in &lines {
        assert!(!line.is_empty() && input::is_field_value(line), "a bare CR or LF, or another control character: {}", line.escape_ascii());
    }
    let fields: Vec<_> = lines[1..].iter().map(|line| name_and_value(line)).collect();
    let parsed = head.lines();
    assert_eq!(parsed.len(), fields.len());
    for ((line, (name, value)), raw) in parsed.iter().zip(&fields).zip(&lines[1..]) {
        assert_eq!((line.name(), line.value), (&name[..], *value));
        assert_eq!(line.raw.strip_suffix(b"\r\n"), Some(*raw));
        assert_eq!(line.field, Field::of(name.as_bytes()));
        assert_no_alias(line);
    }
    (lines[0], fields)
}

fn name_and_value(line: &[u8]) -> (String, &[u8]) {
    let colon = line.iter().position(|byte| *byte == b':').expect("a field line has a colon");
    let name = std::str::from_utf8(&line[..colon]).expect("a name is ASCII");
    assert!(!name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)), "{name:?} is no token");
    (name.to_owned(), trimmed(&line[colon + 1..]))
}

/// What CGI can't tell from the fields that decide the framing is never an ordinary field.
fn assert_no_alias(line: &Line<'_>) {
    let dashed: String = line.name().chars().map(|letter| if letter.is_ascii_alphanumeric() { letter.to_ascii_lowercase() } else { '-' }).collect();
    match dashed.as_str() {
        "content-length" => assert!(matches!(line.field, Field::ContentLength | Field::Alias)),
        "transfer-encoding" => assert!(matches!(line.field, Field::TransferEncoding | Field::Alias)),
        "proxy-authorization" => assert!(matches!(line.field, Field::ProxyAuthorization | Field::Alias)),
        _ => {}
    }
}

fn trimmed(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// What fields say about where the body ends: never two things at once.
pub(crate) enum NaiveFraming {
    Nothing,
    Length(u64),
    Chunked,
}

/// Reads that from the fields of an accepted head.
pub(crate) fn naive_framing(fields: &[(String, &[u8])], version: &[u8]) -> NaiveFraming {
    match (&values(fields, "Content-Length")[..], &values(fields, "Transfer-Encoding")[..]) {
        ([], []) => NaiveFraming::Nothing,
        ([length], []) => {
            assert!(length.iter().all(u8::is_ascii_digit));
            NaiveFraming::Length(std::str::from_utf8(length).unwrap().parse().expect("digits that fit"))
        }
        ([], [coding]) => {
            assert_eq!(version, b"HTTP/1.1");
            assert!(coding.eq_ignore_ascii_case(b"chunked"), "{}", coding.escape_ascii());
            NaiveFraming::Chunked
        }
        _ => panic!("two fields say where the body ends"),
    }
}

/// The values of the fields of that name.
pub(crate) fn values<'d>(fields: &[(String, &'d [u8])], name: &str) -> Vec<&'d [u8]> {
    fields.iter().filter(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| *value).collect()
}

/// Checks what Connection says (RFC 9110 §7.6.1, RFC 9112 §9.3).
pub(crate) fn check_connection<H: Head>(head: &H, fields: &[(String, &[u8])], version: &[u8]) {
    let options: Vec<Vec<u8>> =
        values(fields, "Connection").iter().flat_map(|value| value.split(|byte| *byte == b',')).map(|option| trimmed(option).to_ascii_lowercase()).collect();
    let lists = |name: &str| !name.is_empty() && options.contains(&name.to_ascii_lowercase().into_bytes());
    for name in fields.iter().map(|(name, _)| name.as_str()).chain(["close", "Keep-Alive", "upgrade", "te", ""]) {
        assert_eq!(head.connection_names(name), lists(name), "{name}");
    }
    let stays = !lists("close") && (version == b"HTTP/1.1" || lists("keep-alive"));
    assert_eq!(head.keep_alive(), stays);
    let upgrade = values(fields, "Upgrade").first().copied().filter(|_| lists("upgrade") && version == b"HTTP/1.1");
    assert_eq!(head.upgrade(), upgrade);
}

/// httparse's fields, to be compared with ours.
pub(crate) fn assert_same_fields<H: Head>(head: &H, theirs: &[httparse::Header<'_>]) {
    assert!(head.lines().iter().map(|line| (line.name(), line.value)).eq(theirs.iter().map(|field| (field.name, field.value))));
}
