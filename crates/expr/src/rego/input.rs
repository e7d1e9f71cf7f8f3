//! The request as rules see it.

use super::Reads;
use super::reads::Part;
use regorus::Value;
use std::collections::BTreeMap;

/// A request, borrowed. What a rule doesn't read isn't looked at.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// As sent, such as `GET`.
    pub method: &'a str,
    /// Without the query.
    pub path: &'a str,
    /// The host that the request is for.
    pub host: &'a str,
    /// After the `?`, encoded; empty without one.
    pub query: &'a str,
    /// All fields, in their order.
    pub headers: &'a dyn Fields,
    /// The whole body, if it was buffered. Rules see it if its Content-Type is JSON, and it is.
    pub body: Option<&'a [u8]>,
}

/// Names and values: header fields.
pub trait Fields {
    /// Calls `visit` with each name and value, in order.
    fn each(&self, visit: &mut dyn FnMut(&[u8], &[u8]));
}

impl<N: AsRef<[u8]>, V: AsRef<[u8]>> Fields for Vec<(N, V)> {
    fn each(&self, visit: &mut dyn FnMut(&[u8], &[u8])) {
        for (name, value) in self {
            visit(name.as_ref(), value.as_ref());
        }
    }
}

/// What a Secret has, for `input.data`: made when it changes, copied for every request. It isn't printed.
#[derive(Clone)]
pub struct Data(Value);

impl std::fmt::Debug for Data {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Data(…)")
    }
}

impl Data {
    /// From the keys and their decoded values; bytes that aren't UTF-8 become U+FFFD, as in Go's JSON.
    pub fn new<'a>(entries: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Self {
        let entries = entries.into_iter().map(|(key, value)| (Value::from(key), lossy(value)));
        Self(Value::from(entries.collect::<BTreeMap<_, _>>()))
    }
}

/// `input`, with those parts that are read.
pub(super) fn build(reads: &Reads, request: Option<Request<'_>>, data: Option<&Data>) -> Value {
    let mut fields = BTreeMap::new();
    if let Some(request) = request.filter(|_| reads.of_request()) {
        fields.insert(Value::from("request"), build_request(reads, request));
    }
    if let Some(Data(data)) = data.filter(|_| reads.data) {
        fields.insert(Value::from("data"), data.clone());
    }
    Value::from(fields)
}

fn build_request(reads: &Reads, request: Request<'_>) -> Value {
    let mut fields = BTreeMap::new();
    let mut set = |name: &str, value: Value| {
        fields.insert(Value::from(name), value);
    };
    if reads.method {
        set("method", Value::from(request.method));
    }
    if reads.path {
        set("path", Value::from(request.path));
    }
    if reads.host {
        set("host", Value::from(request.host));
    }
    if reads.headers.is_read() {
        set("headers", headers(&reads.headers, request.headers));
    }
    if reads.query.is_read() {
        set("query", query(&reads.query, request.query));
    }
    if let Some(body) = request.body.filter(|_| reads.body).and_then(|body| parse_body(request.headers, body)) {
        set("body", body);
    }
    Value::from(fields)
}

fn headers(part: &Part, fields: &dyn Fields) -> Value {
    let mut lists = Lists::default();
    fields.each(&mut |name, value| {
        let may_be_read = match part {
            Part::None => false,
            Part::Keys(keys) => keys.iter().any(|key| key.as_bytes().eq_ignore_ascii_case(name)),
            Part::All => true,
        };
        if may_be_read {
            let name = canonical(name);
            if part.has(&name) {
                lists.add(name, lossy(value));
            }
        }
    });
    lists.into_value()
}

fn query(part: &Part, text: &str) -> Value {
    let mut lists = Lists::default();
    for pair in text.split('&').filter(|pair| !pair.is_empty() && !pair.contains(';')) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        if let (Some(name), Some(value)) = (unescape(name), unescape(value))
            && let Ok(name) = String::from_utf8(name)
            && part.has(&name)
        {
            lists.add(name, lossy(&value));
        }
    }
    lists.into_value()
}

/// The lists of a map, by key.
#[derive(Default)]
struct Lists(BTreeMap<String, Vec<Value>>);

impl Lists {
    fn add(&mut self, key: String, value: Value) {
        self.0.entry(key).or_default().push(value);
    }

    fn into_value(self) -> Value {
        Value::from(self.0.into_iter().map(|(key, values)| (Value::from(key), Value::from(values))).collect::<BTreeMap<_, _>>())
    }
}

fn parse_body(fields: &dyn Fields, body: &[u8]) -> Option<Value> {
    let mut is_json = false;
    fields.each(&mut |name, value| is_json |= name.eq_ignore_ascii_case(b"content-type") && is_json_type(value));
    if !is_json {
        return None;
    }
    Value::from_json_str(std::str::from_utf8(body).ok()?).ok()
}

/// `application/json`, with parameters or not, and `…+json`.
fn is_json_type(value: &[u8]) -> bool {
    let kind = value.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii().to_ascii_lowercase();
    kind == b"application/json" || (kind.ends_with(b"+json") && kind.contains(&b'/'))
}

/// Go's `textproto.CanonicalMIMEHeaderKey`: capitals at the beginning and after `-`, small letters elsewhere; a name that isn't a token stays as it is.
pub(crate) fn canonical(name: &[u8]) -> String {
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    if !name.iter().all(is_token) {
        return String::from_utf8_lossy(name).into_owned();
    }
    let mut is_first = true;
    let capital = |byte: &u8| {
        let changed = if is_first { byte.to_ascii_uppercase() } else { byte.to_ascii_lowercase() };
        is_first = *byte == b'-';
        char::from(changed)
    };
    name.iter().map(capital).collect()
}

/// Go's `url.QueryUnescape`: none if a `%` isn't followed by two digits.
fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut bytes = text.bytes();
    let mut out = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || char::from(bytes.next()?).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
                digit()? * 16 + digit()?
            }
            other => other,
        });
    }
    Some(out)
}

fn lossy(bytes: &[u8]) -> Value {
    Value::from(&*String::from_utf8_lossy(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rego::json;

    #[test]
    fn names_of_headers() {
        let check = |name: &str, expect: &str| assert_eq!(canonical(name.as_bytes()), expect);
        check("private-token", "Private-Token");
        check("PRIVATE-TOKEN", "Private-Token");
        check("x-a-B-c", "X-A-B-C");
        check("a b", "a b");
        check("", "");
        check("etag", "Etag");
    }

    #[test]
    fn queries() {
        let check = |text: &str, expect: &str| assert_eq!(json::write(&query(&Part::All, text)), expect, "{text}");
        check("", "{}");
        check("a=1&a=2&b=x+y%20z", r#"{"a":["1","2"],"b":["x y z"]}"#);
        check("a&b=&=c", r#"{"":["c"],"a":[""],"b":[""]}"#);
        check("a=%zz&b=1&c;d=1&e=%4", r#"{"b":["1"]}"#);
        check("a=%ff", "{\"a\":[\"\u{fffd}\"]}");
    }

    #[test]
    fn only_what_is_read() {
        let headers = vec![("content-type", "application/json; charset=utf-8"), ("PRIVATE-token", "t"), ("x", "1"), ("X", "2")];
        let request = Request { method: "POST", path: "/a", host: "h", query: "q=1&r=2", headers: &headers, body: Some(br#"{"b":1}"#) };
        let data = Data::new([("token", b"s".as_slice())]);
        let check = |steps: &[&[&str]], expect: &str| {
            let mut reads = Reads::default();
            for steps in steps {
                reads.note(&steps.iter().map(|step| (*step).to_owned()).collect::<Vec<_>>());
            }
            assert_eq!(json::write(&build(&reads, Some(request), Some(&data))), expect, "{steps:?}");
        };
        check(&[], "{}");
        check(&[&["data", "token"]], r#"{"data":{"token":"s"}}"#);
        check(&[&["request", "headers", "X"]], r#"{"request":{"headers":{"X":["1","2"]}}}"#);
        check(&[&["request", "query", "r"], &["request", "query", "z"]], r#"{"request":{"query":{"r":["2"]}}}"#);
        check(&[&["request", "body"]], r#"{"request":{"body":{"b":1}}}"#);
        let all = concat!(
            r#"{"data":{"token":"s"},"request":{"body":{"b":1},"headers":{"Content-Type":["application/json; charset=utf-8"],"Private-Token":["t"],"X":["1","2"]},"#,
            r#""host":"h","method":"POST","path":"/a","query":{"q":["1"],"r":["2"]}}}"#
        );
        check(&[&[]], all);
        check(&[&["request"], &["data"]], all);
    }

    #[test]
    fn bodies() {
        let check = |kind: &str, body: &str, expect: bool| {
            let headers = vec![("Content-Type", kind)];
            assert_eq!(parse_body(&headers, body.as_bytes()).is_some(), expect, "{kind} {body:.20}");
        };
        check("application/json", "{}", true);
        check("APPLICATION/JSON;charset=utf-8", "1", true);
        check("application/merge-patch+json", "{}", true);
        check("text/plain", "{}", false);
        check("application/json", "{", false);
        check("application/json", &"[".repeat(100_000), false);
        check("application/json", "1e999999999", false);
    }
}
