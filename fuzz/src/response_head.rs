//! Response heads. The input is what a tool sends.

use connectors_http1::{HeadError, HeadLimits, HeadWriter, Line, ResponseFraming, ResponseHead};

use crate::heads::{self, Head, NaiveFraming};

impl Head for ResponseHead {
    const SKIPS_EMPTY_LINE: bool = false;
    const EARLIER: &'static [u8] = b"HTTP/1.0 204 E\r\nConnection: keep-alive, upgrade\r\nUpgrade: e\r\nContent-Length: 5\r\n\r\n";

    fn parse(&mut self, input: &[u8], limits: &HeadLimits) -> Result<Option<usize>, HeadError> {
        self.parse(input, limits)
    }

    fn lines(&self) -> Vec<Line<'_>> {
        self.lines().collect()
    }

    fn facts(&self) -> String {
        let framing = ["GET", "HEAD", "CONNECT"].map(|method| self.framing(method));
        format!("{} {} {:?} {framing:?} {}", self.status(), self.reason().escape_ascii(), self.version(), self.keep_alive())
    }

    fn keep_alive(&self) -> bool {
        self.keep_alive()
    }

    fn connection_names(&self, name: &str) -> bool {
        self.connection_names(name)
    }

    fn upgrade(&self) -> Option<&[u8]> {
        self.upgrade()
    }
}

/// However it is cut, a response head is read the same; what is accepted is what a naive reader and httparse see; and written again, it is
/// still that.
pub fn check(data: &[u8]) {
    let Some((head, len)) = heads::parse::<ResponseHead>(data) else { return };
    let (line, fields) = heads::naive_lines(&head, &data[..len]);
    let version = check_line(&head, line);
    check_framing(&head, &fields, version);
    heads::check_connection(&head, &fields, version);
    check_httparse(&head, &data[..len]);
    check_written(&head);
}

/// Returns the version.
fn check_line<'d>(head: &ResponseHead, line: &'d [u8]) -> &'d [u8] {
    let (version, rest) = line.split_at(8);
    assert!(version == b"HTTP/1.1" || version == b"HTTP/1.0");
    let code = std::str::from_utf8(&rest[..4]).expect("a status code is ASCII");
    assert_eq!(code, format!(" {}", head.status()));
    assert!((100..600).contains(&head.status()));
    match &rest[4..] {
        [] => assert!(head.reason().is_empty()),
        [space, reason @ ..] => assert_eq!((*space, reason), (b' ', head.reason())),
    }
    version
}

fn check_framing(head: &ResponseHead, fields: &[(String, &[u8])], version: &[u8]) {
    let announced = heads::naive_framing(fields, version);
    for method in ["GET", "HEAD", "CONNECT"] {
        // RFC 9112 §6.3, in its order.
        let empty = match head.status() {
            100..=199 | 204 | 304 => true,
            200..=299 if method == "CONNECT" => true,
            _ => method == "HEAD",
        };
        match (head.framing(method), &announced) {
            (Ok(ResponseFraming::None), _) => assert!(empty),
            (Ok(ResponseFraming::Length(length)), NaiveFraming::Length(announced)) => assert!(!empty && length == *announced),
            (Ok(ResponseFraming::Chunked), NaiveFraming::Chunked) | (Ok(ResponseFraming::UntilClose), NaiveFraming::Nothing) => assert!(!empty),
            (Err(HeadError::UnexpectedContent), NaiveFraming::Chunked | NaiveFraming::Length(1..)) => {
                assert!(matches!(head.status(), 100..=199 | 204));
            }
            (framing, _) => panic!("{framing:?} for {method}"),
        }
    }
}

fn check_httparse(head: &ResponseHead, data: &[u8]) {
    let mut fields = [httparse::EMPTY_HEADER; 256];
    let mut theirs = httparse::Response::new(&mut fields);
    assert_eq!(theirs.parse(data), Ok(httparse::Status::Complete(data.len())));
    assert_eq!((theirs.code, theirs.version), (Some(head.status()), Some(head.version() as u8)));
    heads::assert_same_fields(head, theirs.headers);
}

/// Written as its lines came in, and once more field by field.
fn check_written(head: &ResponseHead) {
    let (mut copied, mut composed) = (Vec::new(), Vec::new());
    let mut copy = HeadWriter::response(&mut copied, head.status(), head.reason()).unwrap();
    let mut compose = HeadWriter::response(&mut composed, head.status(), head.reason()).unwrap();
    for line in head.lines() {
        copy.line(&line);
        compose.field(line.name(), line.value).unwrap();
    }
    copy.end();
    compose.end();
    for written in [copied, composed] {
        let mut again = ResponseHead::new();
        assert_eq!(again.parse(&written, &HeadLimits { max_bytes: usize::MAX, max_lines: 256 }), Ok(Some(written.len())), "{}", written.escape_ascii());
        assert_eq!((again.status(), again.reason(), again.framing("GET")), (head.status(), head.reason(), head.framing("GET")));
        assert!(again.lines().map(|line| (line.name(), line.value)).eq(head.lines().map(|line| (line.name(), line.value))));
    }
}
