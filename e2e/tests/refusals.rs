//! What the proxy says when it refuses: status, reason header and Status body, and nothing to those who may not know.
#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests")]

use connectors_e2e::{
    Client, Connection, Connector, Connectors, Echo, Folder, GitServer, Message, TestCa, basic, basic_class, basic_secret, ca_secret, exchange, flags, grant,
    service_account, unique,
};

/// An echo as `team/echo`, which `team/builder` may use; it may use `team/gone` too, which doesn't exist, and `team/closed`, where nobody listens.
fn folder(echo: &Echo) -> Folder {
    Folder::new().with(&[
        basic_class("web"),
        Connector::new("team/echo", "web", &format!("{}/api", echo.url())).auth("basicAuth", "echo").yaml(),
        basic_secret("team/echo", "bot", &unique("password")),
        // Port 1 of the loopback interface: nobody has it.
        Connector::new("team/closed", "web", "http://127.0.0.1:1").yaml(),
        Connector::new("team/unready", "web", &format!("{}/unready", echo.url())).auth("basicAuth", "missing").yaml(),
        service_account("team/builder"),
        service_account("team/stranger"),
        grant("team/builder", "team/echo"),
        grant("team/builder", "team/gone"),
        grant("team/builder", "team/closed"),
        grant("team/builder", "team/unready"),
    ])
}

#[track_caller]
fn assert_refused(answer: &Message, status: u16, reason: &str) {
    assert_eq!((answer.status(), answer.header("x-connectors-error").unwrap_or_default()), (status, reason), "{}{}", answer.head, answer.text());
    let body = answer.json();
    assert_eq!((body["kind"].as_str(), body["apiVersion"].as_str(), body["status"].as_str()), (Some("Status"), Some("v1"), Some("Failure")), "{body}");
    assert_eq!(body["code"].as_u64(), Some(status.into()), "{body}");
    assert!(!body["message"].as_str().unwrap_or_default().is_empty(), "{body}");
}

fn send(proxy: &Connectors<'_>, line: &str, headers: &[String]) -> Message {
    let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    exchange(proxy.listen(), &format!("{line} HTTP/1.1\r\nHost: {}\r\n{headers}\r\n", proxy.listen()))
}

fn bearer(token: &str) -> Vec<String> {
    vec![format!("Authorization: Bearer {token}")]
}

fn forward(connectors: &str, token: &str) -> Vec<String> {
    vec![format!("Proxy-Authorization: {}", basic(connectors, token))]
}

#[test]
fn without_a_token() {
    let echo = Echo::start();
    let folder = folder(&echo);
    let proxy = Connectors::start(&folder);
    for headers in [vec![], bearer("wrong"), vec!["Authorization: Digest x".to_owned()]] {
        let answer = send(&proxy, "GET /namespaces/team/connectors/echo/", &headers);
        assert_refused(&answer, 401, "Unauthorized");
        let offered: Vec<&str> = answer.headers("www-authenticate").collect();
        assert!(offered.contains(&"Basic realm=\"connectors\"") && offered.iter().any(|offer| offer.starts_with("Bearer")), "{offered:?}");
    }
    for headers in [vec![], forward("team/echo", "wrong"), vec!["Proxy-Authorization: Bearer x".to_owned()]] {
        let answer = send(&proxy, &format!("GET {}/api/x", echo.url()), &headers);
        assert_refused(&answer, 407, "ProxyAuthenticationRequired");
        assert_eq!(answer.header("proxy-authenticate"), Some("Basic realm=\"connectors\""));
    }
    assert!(echo.seen().is_empty());
}

#[test]
fn without_rights_nothing_tells_what_exists() {
    let echo = Echo::start();
    let folder = folder(&echo);
    let proxy = Connectors::start(&folder);
    let stranger = proxy.token("team/stranger");
    let answer = |name: &str| {
        let answer = send(&proxy, &format!("GET /namespaces/team/connectors/{name}/"), &bearer(&stranger));
        assert_refused(&answer, 403, "Forbidden");
        let head: Vec<String> =
            answer.head.lines().filter(|line| !line.starts_with("Date:") && !line.starts_with("Content-Length:")).map(str::to_owned).collect();
        (head, answer.text().replace(name, "NAME"))
    };
    assert_eq!(answer("echo"), answer("nothing-of-this-name"));
    assert_eq!(answer("echo"), answer("closed"));
    assert_eq!(answer("echo"), answer("unready"));
    // Who has rights on the name learns that there is nothing.
    let builder = proxy.token("team/builder");
    assert_refused(&send(&proxy, "GET /namespaces/team/connectors/gone/", &bearer(&builder)), 404, "ConnectorNotFound");
    assert!(echo.seen().is_empty());
}

#[test]
fn requests_that_name_no_connector() {
    let echo = Echo::start();
    let folder = folder(&echo);
    let proxy = Connectors::start(&folder);
    let answer = send(&proxy, "GET /somewhere", &bearer(&proxy.token("team/builder")));
    assert_refused(&answer, 404, "NoConnectorNamed");
    // It says which forms there are.
    let message = answer.json()["message"].as_str().unwrap_or_default().to_owned();
    assert!(message.contains("/namespaces/") && message.contains("c-"), "{message}");
}

#[test]
fn paths_that_could_leave_the_target() {
    let echo = Echo::start();
    let folder = folder(&echo);
    let proxy = Connectors::start(&folder);
    let token = proxy.token("team/builder");
    for path in ["../closed/x", "a/../../x", "%2e%2e/x", "a/%2e%2e%2fx", "..%2f..%2fx", "..%5cx"] {
        let answer = send(&proxy, &format!("GET /namespaces/team/connectors/echo/{path}"), &bearer(&token));
        assert_refused(&answer, 400, "BadRequest");
    }
    assert!(echo.seen().is_empty());
    assert_eq!(send(&proxy, "GET /namespaces/team/connectors/echo/a%2Fb?c=..", &bearer(&token)).status(), 200);
    assert_eq!(echo.seen()[0].request_line(), ("GET", "/api/a%2Fb?c=.."));
}

#[test]
fn the_proxys_own_network_is_out_of_reach() {
    let (echo, other) = (Echo::start(), Echo::start());
    let folder = folder(&echo);
    let proxy = Connectors::start(&folder);
    let token = proxy.token("team/builder");
    for url in [
        other.url(),
        "http://127.0.0.1:1".into(),
        "http://169.254.169.254/latest".into(),
        "http://[::1]:1".into(),
        format!("{}/outside-of-its-prefix", echo.url()),
    ] {
        assert_refused(&send(&proxy, &format!("GET {url}/"), &forward("team/echo", &token)), 403, "AddressDenied");
    }
    assert!(other.seen().is_empty() && echo.seen().is_empty());
    // What the operator allows is forwarded, without a credential.
    let second = Folder::new().with(&[std::fs::read_to_string(folder.path().join("manifests-0.yaml")).unwrap()]);
    let allowing = Connectors::start_with(&second, &["--allow-address", "127.0.0.0/8"]);
    let token = allowing.token("team/builder");
    assert_eq!(send(&allowing, &format!("GET {}/", other.url()), &forward("team/echo", &token)).status(), 200);
    let seen = &other.seen()[0];
    assert_eq!((seen.header("authorization"), seen.header("proxy-authorization")), (None, None));
}

#[test]
fn forwarding_elsewhere_can_be_switched_off() {
    let echo = Echo::start();
    let folder = folder(&echo);
    let proxy = Connectors::start_with(&folder, &["--forward-non-target", "deny"]);
    let token = proxy.token("team/builder");
    assert_refused(&send(&proxy, "GET http://example.com/", &forward("team/echo", &token)), 403, "NotATarget");
    assert_eq!(send(&proxy, &format!("GET {}/api/x", echo.url()), &forward("team/echo", &token)).status(), 200);
}

#[test]
fn tools_that_cannot_be_reached_and_connectors_that_cannot_be_used() {
    let echo = Echo::start();
    let folder = folder(&echo);
    let proxy = Connectors::start(&folder);
    let token = proxy.token("team/builder");
    assert_refused(&proxy.get("team/closed", "/", &token), 502, "UpstreamUnreachable");
    // Never sent without the credential that it should have.
    assert_refused(&proxy.get("team/unready", "/", &token), 502, "SecretNotFound");
    assert!(echo.seen().is_empty());
}

#[test]
fn a_connect_is_refused_when_interception_is_off() {
    let echo = Echo::start();
    let folder = folder(&echo);
    let proxy = Connectors::start_with(&folder, &["--intercept=false"]);
    let token = proxy.token("team/builder");
    let answer = send(&proxy, "CONNECT example.com:443", &forward("team/echo", &token));
    assert_refused(&answer, 405, "ConnectNotAllowed");
}

#[test]
fn a_connect_needs_a_token() {
    let echo = Echo::start();
    let folder = folder(&echo);
    let proxy = Connectors::start(&folder);
    assert_refused(&send(&proxy, "CONNECT example.com:443", &[]), 407, "ProxyAuthenticationRequired");
    assert_refused(&send(&proxy, "CONNECT example.com:443", &forward("team/echo", "wrong")), 407, "ProxyAuthenticationRequired");
    assert_refused(&send(&proxy, "CONNECT example.com:443", &forward("team/echo", &proxy.token("team/stranger"))), 403, "Forbidden");
}

#[test]
fn a_request_for_another_host_than_the_connects() {
    let (ca, password) = (TestCa::create(), unique("password"));
    let tool = GitServer::start_tls("bot", &password, &ca);
    let folder = Folder::new().with(&[
        flags(&["enable-custom-ca-certs"]),
        basic_class("web"),
        Connector::new("team/tool", "web", &tool.url()).auth("basicAuth", "tool").ca("tool-ca").yaml(),
        basic_secret("team/tool", "bot", &password),
        ca_secret("team/tool-ca", &ca.pem()),
        service_account("team/builder"),
        grant("team/builder", "team/tool"),
    ]);
    let proxy = Connectors::start(&folder);
    let client = Client::new().proxy(&proxy.proxy_url("team/tool", &proxy.token("team/builder")));
    let ca = proxy.ca_certificate().to_string_lossy().into_owned();
    let arguments = ["-sS", "-D", "-", "-o", "body", "--cacert", &ca, "-H", "Host: elsewhere.example", &format!("{}/", tool.url())];
    client.run("curl", arguments).succeeds().says("HTTP/2 421 ").says("x-connectors-error: Misdirected");
    assert_eq!(tool.seen(), []);
}

#[test]
fn ambiguous_messages_end_the_connection() {
    let echo = Echo::start();
    let folder = folder(&echo);
    let proxy = Connectors::start(&folder);
    let token = proxy.token("team/builder");
    let head = format!("POST /namespaces/team/connectors/echo/ HTTP/1.1\r\nHost: p\r\nAuthorization: Bearer {token}\r\n");
    for rest in [
        "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        "Host: q\r\nContent-Length: 0\r\n\r\n",
        "Authorization: Bearer other\r\nContent-Length: 0\r\n\r\n",
        "X-Folded: a\r\n b\r\nContent-Length: 0\r\n\r\n",
        "X-Blank : a\r\nContent-Length: 0\r\n\r\n",
    ] {
        let mut connection = Connection::open(proxy.listen()).unwrap();
        connection.send(format!("{head}{rest}").as_bytes()).unwrap();
        assert_refused(&connection.answer().unwrap(), 400, "BadRequest");
        assert!(connection.answer().is_err(), "{rest:?} left the connection open");
    }
    assert!(echo.seen().is_empty());
}
