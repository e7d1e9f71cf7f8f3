//! One ambiguous message, and what it is made of.
//!
//! Messages are made without credentials, so that they are the same every time; [`Attacker::fill`] puts those in. No length in a message counts
//! one of these places.

use std::fmt::{self, Write as _};
use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// What the attacker sends on one connection.
pub(crate) struct Message {
    /// Where it stands among all; it is in every path that the message names.
    pub(crate) id: usize,
    /// `family/number`, by which it can be run alone.
    pub(crate) name: String,
    /// As it goes to the proxy, but for what [`Attacker::fill`] puts in.
    pub(crate) template: Vec<u8>,
}

/// Who sends the messages, and to what.
pub(crate) struct Attacker {
    /// The attacker's token, a good one.
    pub(crate) token: String,
    /// The address of the tool behind, `host:port`.
    pub(crate) tool: String,
}

/// The Connector that the attacker may use.
pub(crate) const CONNECTOR: &str = "team/attacker";

/// Its address at the proxy.
pub(crate) const BASE: &str = "/namespaces/team/connectors/attacker";

/// What stands for the token, for [`CONNECTOR`] and token in Basic, and for the tool's address.
const PLACES: [&str; 3] = ["$TOKEN", "$BASIC", "$TOOL"];

/// Methods that every server knows. What they do with others has nothing to do with smuggling.
pub(crate) const METHODS: [&str; 8] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"];

/// What a message needs to know of itself.
pub(crate) struct Draft {
    id: usize,
}

/// All messages, in an order that never changes.
#[derive(Default)]
pub(crate) struct Messages {
    all: Vec<Message>,
    family: &'static str,
    number: usize,
}

impl Messages {
    /// Begins a family.
    pub(crate) fn family(&mut self, name: &'static str) -> &mut Self {
        self.family = name;
        self.number = 0;
        self
    }

    /// Adds one message to the family.
    pub(crate) fn add(&mut self, draft: impl FnOnce(&Draft) -> Vec<u8>) {
        let id = self.all.len();
        let template = draft(&Draft { id });
        self.all.push(Message { id, name: format!("{}/{}", self.family, self.number), template });
        self.number += 1;
    }

    /// Those added so far.
    pub(crate) fn so_far(&self) -> &[Message] {
        &self.all
    }

    pub(crate) fn into_all(self) -> Vec<Message> {
        self.all
    }
}

impl Draft {
    /// The message's number.
    pub(crate) fn id(&self) -> usize {
        self.id
    }

    /// A path of the attacker's tool, below the Connector's address.
    pub(crate) fn path(&self) -> String {
        format!("{BASE}/{}", marker(self.id))
    }

    /// The same path at the tool's own address.
    pub(crate) fn url(&self) -> String {
        format!("http://$TOOL/{}", marker(self.id))
    }

    /// A whole head with these field lines, each with its end.
    pub(crate) fn head(&self, method: &str, fields: &[u8]) -> Vec<u8> {
        let start = format!("{method} {} HTTP/1.1\r\nHost: proxy\r\n{AUTHORIZATION}", self.path());
        join(&[start.as_bytes(), fields, b"\r\n"])
    }

    /// A POST with these field lines, and what follows its head.
    pub(crate) fn post(&self, fields: &[u8], rest: &[u8]) -> Vec<u8> {
        join(&[&self.head("POST", fields), rest])
    }

    /// A request that nobody may ever see: its last line swallows whatever comes behind it.
    pub(crate) fn smuggled(&self) -> Vec<u8> {
        format!("GET /smuggled-{} HTTP/1.1\r\nHost: tool\r\nX-Rest: ", marker(self.id)).into_bytes()
    }

    /// As [`smuggled`](Self::smuggled), but whole.
    pub(crate) fn smuggled_whole(&self) -> Vec<u8> {
        format!("GET /smuggled-{} HTTP/1.1\r\nHost: tool\r\n\r\n", marker(self.id)).into_bytes()
    }

    /// A request of the attacker's that is all right where it stands alone.
    pub(crate) fn second(&self) -> Vec<u8> {
        format!("GET {}-second HTTP/1.1\r\nHost: proxy\r\n{AUTHORIZATION}\r\n", self.path()).into_bytes()
    }
}

impl Message {
    /// As text to read and to copy.
    pub(crate) fn show(&self) -> String {
        shown(&self.template)
    }

    /// Where something stands without which the message would say nothing.
    pub(crate) fn fixed(bytes: &[u8], id: usize) -> Vec<Range<usize>> {
        let own = marker(id);
        let texts = PLACES.into_iter().chain([BASE, &own]).chain(METHODS);
        texts.flat_map(|text| memchr::memmem::find_iter(bytes, text).map(|at| at..at + text.len())).collect()
    }
}

impl Attacker {
    /// The template of a message, or a part of it, with the credentials in it.
    pub(crate) fn fill(&self, template: &[u8]) -> Vec<u8> {
        let basic = STANDARD.encode(format!("{CONNECTOR}:{}", self.token));
        let values = [&self.token, &basic, &self.tool];
        PLACES.iter().zip(values).fold(template.to_vec(), |bytes, (place, value)| replace(&bytes, place, value))
    }
}

/// The attacker's token, where a reverse request has it.
pub(crate) const AUTHORIZATION: &str = "Authorization: Bearer $TOKEN\r\n";

/// And where a forward request has it.
pub(crate) const PROXY_AUTHORIZATION: &str = "Proxy-Authorization: Basic $BASIC\r\n";

/// What stands for a message in a path.
pub(crate) fn marker(id: usize) -> String {
    format!("a{id:05}")
}

/// What stands for the victim after a message in a path.
pub(crate) fn victim_marker(id: usize) -> String {
    format!("v{id:05}")
}

/// Whose request a line is that a server saw: `a` or `v`, and the message's number.
pub(crate) fn whose(line: &str) -> Option<(char, usize)> {
    line.match_indices(['a', 'v']).find_map(|(at, kind)| {
        let digits = line.get(at + 1..at + 6).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
        Some((kind.chars().next()?, digits.parse().ok()?))
    })
}

/// One after the other.
pub(crate) fn join(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

/// A chunk of a body.
pub(crate) fn chunk(data: &[u8]) -> Vec<u8> {
    join(&[format!("{:x}\r\n", data.len()).as_bytes(), data, b"\r\n"])
}

/// A field line.
pub(crate) fn field(name: &str, value: impl fmt::Display) -> Vec<u8> {
    format!("{name}: {value}\r\n").into_bytes()
}

/// Puts `new` in the place of every `old`.
pub(crate) fn replace(bytes: &[u8], old: &str, new: &str) -> Vec<u8> {
    let mut replaced = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(at) = memchr::memmem::find(rest, old.as_bytes()) {
        replaced.extend_from_slice(&rest[..at]);
        replaced.extend_from_slice(new.as_bytes());
        rest = &rest[at + old.len()..];
    }
    replaced.extend_from_slice(rest);
    replaced
}

/// Bytes as text to read and to copy.
pub(crate) fn shown(bytes: &[u8]) -> String {
    let mut text = String::new();
    for &byte in bytes {
        match byte {
            b'\r' => text.push_str("\\r"),
            b'\n' => text.push_str("\\n"),
            b'\\' => text.push_str("\\\\"),
            b' '..=b'~' => text.push(char::from(byte)),
            _ => write!(text, "\\x{byte:02x}").unwrap(),
        }
    }
    text
}
