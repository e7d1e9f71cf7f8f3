//! HTTP/2 on either side, and on both.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::type_complexity, reason = "what serves a test fails it")]

mod bodies;
mod connections;
mod heads;
mod streaming;
mod upstream;
mod websocket;

use connectors_testkit::http2::{Call, Exchange};
use connectors_testkit::{Client, Http2Client, Http2Tool, Proxy, TestCa, Tool, client_stream, proxy_authorization, token};
use http::StatusCode;

/// What the tool is to see: `bot:canary-password`.
const BOT: &str = "Basic Ym90OmNhbmFyeS1wYXNzd29yZA==";

/// The Connector's own address.
const HOST: &str = "http://c-git.team.svc";

/// A proxy with one Connector, `team/git`, for a tool at `url`.
fn proxy(url: &str) -> Proxy {
    Proxy::build().basic("team/git", url, "bot", "canary-password").allow("builder", "team/git").start()
}

/// The same, for a tool with a certificate of that CA; also intercepts.
fn tls_proxy(url: &str, ca: &TestCa) -> Proxy {
    Proxy::build().basic("team/git", url, "bot", "canary-password").trusting(ca.der()).allow("builder", "team/git").intercepting().start()
}

/// The value of Authorization for `team/git`.
fn bearer() -> String {
    format!("Bearer {}", token("builder"))
}

/// Begins a reverse request.
fn begin(client: &Http2Client, method: &str, path: &str, fields: &[(&'static str, &str)], ends: bool) -> Exchange {
    let bearer = bearer();
    let fields: Vec<_> = [("authorization", bearer.as_str())].iter().chain(fields).copied().collect();
    client.begin(method, &format!("{HOST}{path}"), &fields, ends)
}

/// Status, reason and body of a reverse GET.
fn get(client: &Http2Client, path: &str) -> (u16, String) {
    let mut exchange = begin(client, "GET", path, &[], true);
    let head = exchange.head().unwrap();
    (head.status.as_u16(), exchange.rest().text())
}

/// A connection inside an interception, agreed on by ALPN.
fn intercepted(proxy: &Proxy, tool: std::net::SocketAddr) -> Http2Client {
    Http2Client::intercepted(proxy.address(), &connect(tool), "127.0.0.1", proxy.ca_pem())
}

fn connect(tool: std::net::SocketAddr) -> String {
    format!("CONNECT {tool} HTTP/1.1\r\nHost: {tool}\r\nProxy-Authorization: {}\r\n\r\n", proxy_authorization("team/git", "builder"))
}

/// A connection of HTTP/1.1 inside an interception.
fn intercepted_http1(proxy: &Proxy, tool: std::net::SocketAddr) -> Client {
    let mut client = proxy.client();
    assert_eq!(client.send(connect(tool)).status, 200);
    Client::over(client_stream(client.into_stream(), "127.0.0.1", proxy.ca_pem()))
}

/// Answers `ok`, whole.
fn ok(call: &mut Call) {
    let _ = call.answer(StatusCode::OK, &[("content-length", "2")], false);
    let _ = call.write("ok");
    call.finish(&[]);
}

/// A tool that serves by HTTP/2 or by HTTP/1.1 what it is asked for, and the proxy before it.
fn both_tools(ca: &TestCa) -> (Http2Tool, Tool) {
    (Http2Tool::echo(ca, "127.0.0.1"), Tool::tls_echo(ca, "127.0.0.1"))
}

/// Bytes that differ everywhere.
fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|n| (n % 251) as u8 ^ (n / 251 % 256) as u8).collect()
}
