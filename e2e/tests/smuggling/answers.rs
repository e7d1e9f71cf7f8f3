//! The other direction: a tool that answers in ways which say two things. Nothing of such an answer may reach who asks next.

use connectors_e2e::Connection;

use crate::framing::{CODINGS, ENDS, LENGTHS, SIZES, TRAILERS, length, size};
use crate::heads::ODD_BYTES;
use crate::liar::{Answer, Liar};
use crate::message::{join, shown};
use crate::run::{Users, ask_as_victim, is_wanted, proxy, to_the_end};

/// An answer that nobody asked for.
const POISON: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison";

fn all() -> Vec<Answer> {
    let mut answers = Vec::new();
    for family in [codings, lengths, chunks, bodiless, interims, extras, lines, odd_bytes, truncations] {
        family(&mut answers);
    }
    answers
}

fn add(answers: &mut Vec<Answer>, family: &str, parts: &[&[u8]]) {
    answers.push(Answer { name: format!("answer-{family}/{}", answers.len()), bytes: join(parts), ..Answer::default() });
}

fn codings(answers: &mut Vec<Answer>) {
    for coding in CODINGS {
        let body = [&b"6\r\npoison\r\n0\r\n\r\n"[..], POISON].concat();
        add(answers, "codings", &[b"HTTP/1.1 200 OK\r\n", coding, b"\r\n\r\n", &body]);
        add(answers, "codings", &[b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n", coding, b"\r\n\r\n", &body]);
        add(answers, "codings", &[b"HTTP/1.1 200 OK\r\n", coding, b"\r\nContent-Length: 3\r\n\r\n", &body]);
        add(answers, "codings", &[b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n", coding, b"\r\n\r\n", &body]);
    }
}

fn lengths(answers: &mut Vec<Answer>) {
    for template in LENGTHS {
        add(answers, "lengths", &[b"HTTP/1.1 200 OK\r\n", &length(template, 6, 3), b"\r\npoison", POISON]);
        add(answers, "lengths", &[b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n", &length(template, 6, 3), b"\r\n0\r\n\r\n", POISON]);
    }
}

fn chunks(answers: &mut Vec<Answer>) {
    const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    for template in SIZES {
        add(answers, "chunk-sizes", &[HEAD, &size(template, 6), b"\r\npoison\r\n0\r\n\r\n"]);
        add(answers, "chunk-sizes", &[HEAD, &size(template, 0), b"\r\n\r\n", POISON]);
        add(answers, "chunk-sizes", &[HEAD, &size(template, 6 + POISON.len()), b"\r\npoison", POISON, b"\r\n0\r\n\r\n"]);
    }
    for end in ENDS {
        add(answers, "chunk-ends", &[HEAD, b"6\r\npoison", end, b"0\r\n\r\n", POISON]);
        add(answers, "chunk-ends", &[HEAD, b"6\r\npoison\r\n0\r\n", end, POISON]);
        add(answers, "chunk-ends", &[HEAD, b"6", end, b"poison\r\n0\r\n\r\n", POISON]);
    }
    for line in TRAILERS {
        add(answers, "trailers", &[HEAD, b"6\r\npoison\r\n0\r\n", line, b"\r\n\r\n"]);
    }
}

/// Bodies where there are none, and none where there are some; HEAD does the same to all the others.
fn bodiless(answers: &mut Vec<Answer>) {
    for status in ["204 No Content", "205 Reset Content", "304 Not Modified", "100 Continue", "103 Early Hints", "199 x", "101 Switching Protocols"] {
        for fields in [
            "",
            "Content-Length: 6\r\n",
            "Transfer-Encoding: chunked\r\n",
            "Content-Length: 0\r\n",
            "Connection: Upgrade\r\nUpgrade: websocket\r\n",
            "Connection: close\r\n",
        ] {
            let head = format!("HTTP/1.1 {status}\r\n{fields}\r\n");
            for body in [&b""[..], b"poison", b"6\r\npoison\r\n0\r\n\r\n", POISON] {
                add(answers, "bodiless", &[head.as_bytes(), body]);
            }
        }
    }
}

fn interims(answers: &mut Vec<Answer>) {
    const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
    for count in [1, 2, 63, 64, 65, 500] {
        add(answers, "interims", &[&CONTINUE.repeat(count), POISON]);
        add(answers, "interims", &[&b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n".repeat(count), POISON, POISON]);
    }
    for late in ["100 Continue", "102 Processing", "103 Early Hints", "101 Switching Protocols"] {
        add(answers, "interims", &[POISON, format!("HTTP/1.1 {late}\r\n\r\n").as_bytes()]);
        add(answers, "interims", &[CONTINUE, format!("HTTP/1.1 {late}\r\nX: y\r\n\r\n").as_bytes(), POISON, POISON]);
    }
}

/// More than was asked for, at once and later.
fn extras(answers: &mut Vec<Answer>) {
    const HEADS: [&str; 5] = [
        "Content-Length: 6\r\n",
        "Transfer-Encoding: chunked\r\n",
        "Content-Length: 6\r\nConnection: keep-alive\r\n",
        "Content-Length: 6\r\nConnection: close\r\n",
        "Connection: content-length\r\nContent-Length: 6\r\n",
    ];
    for fields in HEADS {
        let body: &[u8] = if fields.contains("chunked") { b"6\r\npoison\r\n0\r\n\r\n" } else { b"poison" };
        let answer = join(&[b"HTTP/1.1 200 OK\r\n", fields.as_bytes(), b"\r\n", body]);
        for extra in [POISON, b"p", b"\r\n", b"\r\n\r\n", b"\n", b"\0", b"HTTP/1.1 200", b"HTTP/1.1 100 Continue\r\n\r\n", &POISON.repeat(2000)] {
            add(answers, "extras", &[&answer, extra]);
            answers.push(Answer { name: format!("answer-extras/{}", answers.len()), bytes: answer.clone(), late: extra.to_vec(), ..Answer::default() });
        }
    }
}

fn lines(answers: &mut Vec<Answer>) {
    for line in [
        "HTTP/1.1",
        "HTTP/1.1 ",
        "HTTP/1.1 20",
        "HTTP/1.1 2000 OK",
        "HTTP/1.1 099 x",
        "HTTP/1.1 000 x",
        "HTTP/1.1 600 x",
        "HTTP/1.1 999 x",
        "HTTP/1.1 +20 OK",
        "HTTP/1.1 -20 OK",
        "HTTP/1.1  200 OK",
        "HTTP/1.1\t200 OK",
        "HTTP/1.1 200\tOK",
        "HTTP/1.1 200",
        "HTTP/1.1 2OO OK",
        "HTTP/1.1 0x1 OK",
        "HTTP/1.2 200 OK",
        "HTTP/1.0 200 OK",
        "HTTP/0.9 200 OK",
        "HTTP/2.0 200 OK",
        "HTTP/2 200",
        "http/1.1 200 OK",
        "ICY 200 OK",
        "HTTPS/1.1 200 OK",
        " HTTP/1.1 200 OK",
        "\tHTTP/1.1 200 OK",
        "\r\nHTTP/1.1 200 OK",
        "\r\n\r\nHTTP/1.1 200 OK",
        "\nHTTP/1.1 200 OK",
        "x\r\nHTTP/1.1 200 OK",
        "poison",
        "",
        "HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK",
        "HTTP/1.1 200 O\0K",
        "HTTP/1.1 200 O\rK",
        "HTTP/1.1 200 OK\nX: y",
        "HTTP/1.1 204 OK\r\n X: y",
        "GET /poison HTTP/1.1\r\nHost: x",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n",
    ] {
        add(answers, "lines", &[line.as_bytes(), b"\r\nContent-Length: 6\r\n\r\npoison", POISON]);
    }
}

fn odd_bytes(answers: &mut Vec<Answer>) {
    for odd in ODD_BYTES {
        let parts: [&[u8]; 11] = [b"HTTP/1.1", b" 200", b" OK", b"\r\n", b"Content-Length", b":", b" 6", b"\r\n", b"X: y", b"\r\n", b"\r\n"];
        for place in 0..parts.len() {
            let head = join(&[&parts[..=place].concat(), odd, &parts[place + 1..].concat()]);
            add(answers, "odd-bytes", &[&head, b"poison", POISON]);
        }
        for line in ["Content-Length: 6", "Transfer-Encoding: chunked", "Connection: close", "HTTP/1.1 200 OK"] {
            add(answers, "odd-bytes", &[b"HTTP/1.1 200 OK\r\nX: y", odd, line.as_bytes(), b"\r\nContent-Length: 0\r\n\r\n", POISON]);
        }
    }
}

fn truncations(answers: &mut Vec<Answer>) {
    for bytes in [
        &b""[..],
        b"H",
        b"HTTP/1.1 200 OK",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 600\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 600\r\n\r\npoison",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\npoi",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\npoison\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\npoison\r\n0\r\n",
        b"HTTP/1.1 200 OK\r\n\r\npoison",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\n\r\n",
        POISON,
    ] {
        answers.push(Answer { name: format!("answer-truncations/{}", answers.len()), bytes: bytes.to_vec(), closes: true, ..Answer::default() });
    }
}

/// Every answer, each followed by another request on the attacker's connection and by two on connections of the victim.
fn check(method: &str, fields: &str) {
    let liar = Liar::start(all());
    let users = Users::of(&liar.authority());
    let proxy = proxy(&users.folder);
    let (attacker, victim) = (proxy.token("team/attacker"), proxy.token("team/victim"));
    for (number, answer) in liar.answers().iter().enumerate().filter(|(_, answer)| is_wanted(&answer.name)) {
        let body = if method == "POST" { "Content-Length: 5\r\n\r\nabcde" } else { "\r\n" };
        let head = |method: &str, path: &str| {
            format!("{method} /namespaces/team/connectors/attacker/{path}{number} HTTP/1.1\r\nHost: proxy\r\nAuthorization: Bearer {attacker}\r\n")
        };
        let two = format!("{}{fields}{body}{}Connection: close\r\n\r\n", head(method, "e"), head("GET", "n"));
        let problem = to_the_end(proxy.listen(), two.as_bytes()).map_err(|error| format!("no end of the answers: {error}"));
        let problem = problem.and_then(|answers| Reader(&answers).two(method, !fields.is_empty(), &format!("GET /n{number}"))).and_then(|()| {
            liar.add(&answer.late);
            ask_as_victim(proxy.listen(), &victim, 2 * number)?;
            ask_as_victim(proxy.listen(), &victim, 2 * number)
        });
        if let Err(problem) = problem {
            panic!(
                "{problem}\n\nafter the answer {name} to {method}, which SMUGGLING={name} gives alone:\n{shown}\nand later:\n{late}\n",
                name = answer.name,
                shown = shown(&answer.bytes),
                late = shown(&answer.late)
            );
        }
    }
}

#[test]
fn p07_nobody_gets_what_was_left_of_an_answer_to_get() {
    check("GET", "");
}

#[test]
fn p07_nobody_gets_what_was_left_of_an_answer_to_head() {
    check("HEAD", "");
}

#[test]
fn p07_nobody_gets_what_was_left_of_an_answer_to_post() {
    check("POST", "");
}

#[test]
fn p08_nobody_gets_what_was_left_of_an_answer_to_an_upgrade() {
    check("GET", "Connection: Upgrade\r\nUpgrade: websocket\r\n");
}

#[test]
fn p07_a_tool_that_still_waits_for_a_body_gets_no_other_request() {
    let early = |bytes: &[u8]| Answer { bytes: bytes.to_vec(), early: true, ..Answer::default() };
    let liar = Liar::start(vec![early(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nearly"), early(b"HTTP/1.1 417 No\r\nContent-Length: 0\r\n\r\n")]);
    let users = Users::of(&liar.authority());
    let proxy = proxy(&users.folder);
    let (attacker, victim) = (proxy.token("team/attacker"), proxy.token("team/victim"));
    for number in 0..liar.answers().len() {
        for request in [
            "Content-Length: 100\r\n\r\nabcde",
            "Content-Length: 100\r\n\r\n",
            "Transfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n",
            "Expect: 100-continue\r\nContent-Length: 100\r\n\r\n",
            "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n",
        ] {
            let mut held = Connection::open(proxy.listen()).unwrap();
            let head = format!("POST /namespaces/team/connectors/attacker/e{number} HTTP/1.1\r\nHost: proxy\r\nAuthorization: Bearer {attacker}\r\n");
            held.send(format!("{head}{request}").as_bytes()).unwrap();
            // It may have been refused or cut off, too.
            let _ = held.answer();
            let asked = ask_as_victim(proxy.listen(), &victim, 2 * number);
            assert_eq!(asked, Ok(()), "answer {number} to {request:?}");
        }
    }
}

/// Reads answers as a client does that takes every word for what it says.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    /// The answer to the first request, then the one to a GET, which must be `expected`, or nothing.
    fn two(mut self, method: &str, upgrade: bool, expected: &str) -> Result<(), String> {
        // What breaks off is followed by nothing, and behind an upgrade nothing is HTTP.
        match self.answer(method)? {
            None => return Ok(()),
            Some((101, _)) if upgrade => return Ok(()),
            Some((101, _)) => return Err("a switch that nobody asked for".to_owned()),
            Some(_) => {}
        }
        if self.0.is_empty() {
            return Ok(());
        }
        match self.answer("GET")? {
            Some((200, body)) if body == expected.as_bytes() && self.0.is_empty() => Ok(()),
            Some((status, body)) => Err(format!("the next answer is not the one to {expected:?}: {status} {:?}", String::from_utf8_lossy(&body))),
            None => Err("the next answer breaks off".to_owned()),
        }
    }

    /// Status and body; `None` if it ends too early.
    fn answer(&mut self, method: &str) -> Result<Option<(u16, Vec<u8>)>, String> {
        loop {
            let Some(end) = memchr::memmem::find(self.0, b"\r\n\r\n") else { return Ok(None) };
            let (head, rest) = self.0.split_at(end + 4);
            let head = String::from_utf8_lossy(head).to_ascii_lowercase();
            self.0 = rest;
            let status = head.strip_prefix("http/1.1 ").and_then(|head| head.get(..3)?.parse::<u16>().ok());
            let status = status.ok_or_else(|| format!("no head of an answer: {head:?}"))?;
            if (100..200).contains(&status) && status != 101 {
                continue;
            }
            if method == "HEAD" || matches!(status, 101 | 204 | 304) {
                return Ok(Some((status, Vec::new())));
            }
            let body = if head.contains("\r\ntransfer-encoding: chunked\r\n") { self.chunks()? } else { self.length(&head)? };
            return Ok(body.map(|body| (status, body)));
        }
    }

    fn length(&mut self, head: &str) -> Result<Option<Vec<u8>>, String> {
        let length = head.split_once("\r\ncontent-length: ").and_then(|(_, rest)| rest.split("\r\n").next()?.parse().ok());
        let length = length.ok_or_else(|| format!("no end of the answer: {head:?}"))?;
        Ok(self.take(length))
    }

    fn chunks(&mut self) -> Result<Option<Vec<u8>>, String> {
        let mut body = Vec::new();
        loop {
            let Some(end) = memchr::memmem::find(self.0, b"\r\n") else { return Ok(None) };
            let line = String::from_utf8_lossy(&self.0[..end]).into_owned();
            self.0 = &self.0[end + 2..];
            match usize::from_str_radix(&line, 16).map_err(|_| format!("no chunk size: {line:?}"))? {
                0 => break,
                size => {
                    let Some(data) = self.take(size + 2) else { return Ok(None) };
                    body.extend_from_slice(&data[..size]);
                }
            }
        }
        loop {
            let Some(end) = memchr::memmem::find(self.0, b"\r\n") else { return Ok(None) };
            self.0 = &self.0[end + 2..];
            if end == 0 {
                return Ok(Some(body));
            }
        }
    }

    fn take(&mut self, length: usize) -> Option<Vec<u8>> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken.to_vec())
    }
}
