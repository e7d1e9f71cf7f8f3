//! Request heads. The input is what a client sends.

use connectors_http1::{Framing, HeadError, HeadLimits, HeadWriter, Line, RequestHead, TargetForm};

use crate::heads::{self, Head, NaiveFraming};

impl Head for RequestHead {
    const SKIPS_EMPTY_LINE: bool = true;
    const EARLIER: &'static [u8] = b"POST /e HTTP/1.1\r\nHost: e\r\nConnection: close, x\r\nUpgrade: e\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";

    fn parse(&mut self, input: &[u8], limits: &HeadLimits) -> Result<Option<usize>, HeadError> {
        self.parse(input, limits)
    }

    fn lines(&self) -> Vec<Line<'_>> {
        self.lines().collect()
    }

    fn facts(&self) -> String {
        let (method, target, form, version) = (self.method(), self.target(), self.form(), self.version());
        format!("{method} {target} {form:?} {version:?} {:?} {} {}", self.framing(), self.expects_continue(), self.keep_alive())
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

/// However it is cut, a request head is read the same; what is accepted is what a naive reader and httparse see; and written again, it is
/// still that.
pub fn check(data: &[u8]) {
    let Some((head, len)) = heads::parse::<RequestHead>(data) else { return };
    let (line, fields) = heads::naive_lines(&head, &data[..len]);
    let version = check_line(&head, line);
    check_host(&fields, version);
    check_framing(&head, &fields, version);
    heads::check_connection(&head, &fields, version);
    check_httparse(&head, &data[..len]);
    check_written(&head, &fields, version);
}

/// Returns the version.
fn check_line<'d>(head: &RequestHead, line: &'d [u8]) -> &'d [u8] {
    let parts: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
    let [method, target, version] = parts[..] else { panic!("not three parts: {}", line.escape_ascii()) };
    assert_eq!((head.method().as_bytes(), head.target().as_bytes()), (method, target));
    assert!(version == b"HTTP/1.1" || version == b"HTTP/1.0");
    let target = head.target();
    match head.form() {
        TargetForm::Authority => assert_eq!(head.method(), "CONNECT"),
        TargetForm::Asterisk => assert_eq!((head.method(), target), ("OPTIONS", "*")),
        TargetForm::Origin => assert!(target.starts_with('/') && head.method() != "CONNECT"),
        TargetForm::Absolute => {
            let (scheme, rest) = target.split_once("://").expect("a URL");
            let authority = rest.split(['/', '?']).next().unwrap_or(rest);
            assert!(!scheme.is_empty() && !authority.is_empty() && !authority.contains('@'));
        }
    }
    assert!(!target.contains(['#', '\\']));
    version
}

fn check_host(fields: &[(String, &[u8])], version: &[u8]) {
    match heads::values(fields, "Host")[..] {
        [host] => assert!(!host.is_empty() && !host.iter().any(|byte| b"/@,%?# ".contains(byte)), "{}", host.escape_ascii()),
        [] => assert_eq!(version, b"HTTP/1.0"),
        _ => panic!("two hosts"),
    }
    assert!(heads::values(fields, "Authorization").len() < 2 && heads::values(fields, "Proxy-Authorization").len() < 2);
}

fn check_framing(head: &RequestHead, fields: &[(String, &[u8])], version: &[u8]) {
    let framing = match heads::naive_framing(fields, version) {
        NaiveFraming::Nothing => Framing::None,
        NaiveFraming::Length(length) => Framing::Length(length),
        NaiveFraming::Chunked => Framing::Chunked,
    };
    assert_eq!(head.framing(), framing);
    let has_body = !matches!(framing, Framing::None | Framing::Length(0));
    assert!(!(has_body && head.method() == "CONNECT"));
    let asks = heads::values(fields, "Expect").iter().any(|value| value.eq_ignore_ascii_case(b"100-continue"));
    assert_eq!(head.expects_continue(), asks && has_body && version == b"HTTP/1.1");
}

fn check_httparse(head: &RequestHead, data: &[u8]) {
    let mut fields = [httparse::EMPTY_HEADER; 256];
    let mut theirs = httparse::Request::new(&mut fields);
    assert_eq!(theirs.parse(data), Ok(httparse::Status::Complete(data.len())));
    assert_eq!((theirs.method, theirs.path, theirs.version), (Some(head.method()), Some(head.target()), Some(head.version() as u8)));
    heads::assert_same_fields(head, theirs.headers);
}

/// Written as its lines came in, and once more field by field.
fn check_written(head: &RequestHead, fields: &[(String, &[u8])], version: &[u8]) {
    let (mut copied, mut composed) = (Vec::new(), Vec::new());
    let mut copy = HeadWriter::request(&mut copied, head.method(), head.target()).unwrap();
    let mut compose = HeadWriter::request(&mut composed, head.method(), head.target()).unwrap();
    if version == b"HTTP/1.0" && heads::values(fields, "Host").is_empty() {
        copy.field("Host", b"a").unwrap();
        compose.field("Host", b"a").unwrap();
    }
    for line in head.lines() {
        copy.line(&line);
        compose.field(line.name(), line.value).unwrap();
    }
    copy.end();
    compose.end();
    for written in [copied, composed] {
        let mut again = RequestHead::new();
        assert_eq!(again.parse(&written, &HeadLimits { max_bytes: usize::MAX, max_lines: 257 }), Ok(Some(written.len())), "{}", written.escape_ascii());
        assert_eq!((again.method(), again.target(), again.form(), again.framing()), (head.method(), head.target(), head.form(), head.framing()));
        let added = again.lines().count() - fields.len();
        assert!(again.lines().skip(added).map(|line| (line.name(), line.value)).eq(fields.iter().map(|(name, value)| (&name[..], *value))));
    }
}
