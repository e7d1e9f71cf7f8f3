//! Reads and writes the table of cases: the `*.jsonl` files of this folder, one case a line.
//!
//! A case is what one side of a connection sends, and what comes of it:
//!
//! * `id`: unique, and says what the case is about;
//! * `rfc`: the section of RFC 9110, 9112 or 3986 that decides it;
//! * `pitfall`: set for attacks that worked on other proxies: 7 is ambiguous framing, 10 is repeated or aliased fields;
//! * `method`: only for responses: the method of the request that is answered;
//! * `in`: the bytes, one a character (`\u0080` to `\u00ff` are the bytes 0x80 to 0xff); a pair of a text and a number
//!   stands for that text so many times;
//! * `ours`, `node`, `hyper`: what this crate, Node and hyper make of it (servers of requests, clients of responses).
//!
//! An outcome is a list. For requests: `100` for an interim answer, then `METHOD target bytes` for each complete request
//! (`+n` when it had n trailers), then, where the connection went bad, the status of the answer; ours adds the name of
//! the error. For responses: `status bytes` likewise, or the error. `incomplete`: everything so far was fine, but the
//! sender is gone. `closed`: hung up without a word.

#![allow(dead_code, reason = "each test uses a part of this")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails where this fails")]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    pub(crate) id: String,
    pub(crate) rfc: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) pitfall: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) method: Option<String>,
    #[serde(rename = "in")]
    input: Vec<Part>,
    pub(crate) ours: Vec<String>,
    pub(crate) node: Vec<String>,
    pub(crate) hyper: Vec<String>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(untagged)]
enum Part {
    Text(String),
    Repeated(String, usize),
}

impl Case {
    /// The bytes to send.
    pub(crate) fn input(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for part in &self.input {
            let (text, times) = match part {
                Part::Text(text) => (text, 1),
                Part::Repeated(text, times) => (text, *times),
            };
            for _ in 0..times {
                bytes.extend(text.chars().map(|c| u8::try_from(c).expect("a character of `in` is one byte")));
            }
        }
        bytes
    }

    /// Whether the last thing that happens is that a message is refused: `status Error` for requests, `Error` for responses.
    pub(crate) fn is_refused(&self) -> bool {
        let is_error = |word: &str| word.starts_with(|c: char| c.is_ascii_uppercase());
        self.ours.last().is_some_and(|last| match last.split(' ').collect::<Vec<_>>()[..] {
            [error] => is_error(error),
            [_, error] => is_error(error),
            _ => false,
        })
    }
}

/// One file of the table.
pub(crate) struct Table {
    path: PathBuf,
    pub(crate) cases: Vec<Case>,
}

impl Table {
    /// All files whose name begins with `prefix`, in the order of their names.
    pub(crate) fn load(prefix: &str) -> Vec<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().find_map(|root| {
            let folder = root.join("crates/http1/tests/cases");
            folder.is_dir().then_some(folder)
        });
        let folder = folder.expect("crates/http1/tests/cases");
        let mut paths: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.retain(|path| {
            let name = path.file_name().unwrap().to_str().unwrap();
            name.starts_with(prefix) && name.ends_with(".jsonl")
        });
        paths.sort();
        paths.into_iter().map(Self::read).collect()
    }

    fn read(path: PathBuf) -> Self {
        let text = fs::read_to_string(&path).unwrap();
        let parse = |(index, line)| serde_json::from_str(line).unwrap_or_else(|error| panic!("{}:{}: {error}", path.display(), index + 1));
        let cases = text.lines().enumerate().map(parse).collect();
        Self { path, cases }
    }

    /// Writes the file again.
    pub(crate) fn save(&self) {
        let mut text = String::new();
        for case in &self.cases {
            for c in serde_json::to_string(case).unwrap().chars() {
                match c {
                    '\u{7f}'..='\u{ff}' if c != '§' => write!(text, "\\u{:04x}", u32::from(c)).unwrap(),
                    _ => text.push(c),
                }
            }
            text.push('\n');
        }
        fs::write(&self.path, text).unwrap();
    }
}

/// Every case of the files whose name begins with `prefix`.
pub(crate) fn all(prefix: &str) -> Vec<Case> {
    Table::load(prefix).into_iter().flat_map(|table| table.cases).collect()
}
