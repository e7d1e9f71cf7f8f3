//! Every way to reach a Connector, through a real listener to a real tool.

use connectors_testkit::{Proxy, Tool, client_stream, proxy_authorization, token};

const BOT: &str = "Basic Ym90OmNhbmFyeS1wYXNzd29yZA=="; // bot:canary-password

fn proxy(tool: &Tool) -> Proxy {
    Proxy::build().basic("team/git", &tool.url(), "bot", "canary-password").allow("builder", "team/git").start()
}

#[test]
fn reverse_by_host_path_and_localhost_name() {
    let tool = Tool::echo();
    let proxy = proxy(&tool);
    for (target, host) in [
        ("/x?y=1", "c-git.team.svc"),
        ("/x?y=1", "c-git.team.svc.cluster.local:80"),
        ("/x?y=1", "c-git.team.localhost:8080"),
        ("/namespaces/team/connectors/git/x?y=1", "anything"),
        ("/namespaces/team/connectors/git/x?y=1", "c-git.team.svc"),
    ] {
        let answer = proxy.client().send(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {}\r\n\r\n", token("builder")));
        assert_eq!(answer.status, 200, "{target} at {host}: {}", answer.text());
    }
    for seen in tool.seen() {
        assert_eq!((seen.target(), seen.header("authorization"), seen.header("host")), ("/x?y=1", vec![BOT], vec![tool.address().to_string().as_str()]));
    }
    assert_eq!(tool.seen().len(), 5);
}

#[test]
fn reverse_takes_the_token_as_basic_password_too() {
    let tool = Tool::echo();
    let proxy = proxy(&tool);
    let credentials = proxy_authorization("whoever", "builder");
    for scheme in ["Basic", "basic", "BASIC"] {
        let credentials = credentials.replace("Basic", scheme);
        let answer = proxy.client().send(format!("GET / HTTP/1.1\r\nHost: c-git.team.svc\r\nauthorization: {credentials}\r\n\r\n"));
        assert_eq!(answer.status, 200, "{scheme}");
    }
    assert!(tool.seen().iter().all(|seen| seen.header("authorization") == [BOT]));
}

#[test]
fn forward_by_absolute_url() {
    let tool = Tool::echo();
    let proxy = proxy(&tool);
    for names in ["team/git", "team%2Fgit", "team%2fgit", "other/none,team/git"] {
        let answer = proxy.client().send(format!(
            "GET {}/x HTTP/1.1\r\nHost: something.else\r\nProxy-Authorization: {}\r\nAuthorization: Basic cGxhY2Vob2xkZXI=\r\n\r\n",
            tool.url(),
            proxy_authorization(names, "builder")
        ));
        assert_eq!(answer.status, 200, "{names}: {}", answer.text());
    }
    for seen in tool.seen() {
        assert_eq!(seen.header("authorization"), [BOT]);
        assert_eq!(seen.header("host"), [tool.address().to_string()], "Host is the URL's");
        assert!(!seen.head.to_ascii_lowercase().contains("proxy-"), "{}", seen.head);
    }
}

#[test]
fn the_connector_whose_address_matches_longest_is_used() {
    let tool = Tool::echo();
    let proxy = Proxy::build()
        .bearer("a/whole", &tool.url(), "canary-whole")
        .bearer("a/part", &format!("{}/part", tool.url()), "canary-part")
        .allow("builder", "a/whole")
        .allow("builder", "a/part")
        .start();
    let mut client = proxy.client();
    for path in ["/part", "/part/x", "/partial", "/", "/part%2Fx"] {
        client.send(format!(
            "GET {}{path} HTTP/1.1\r\nHost: x\r\nProxy-Authorization: {}\r\n\r\n",
            tool.url(),
            proxy_authorization("a/whole,a/part", "builder")
        ));
    }
    let used: Vec<String> = tool.seen().iter().map(|seen| format!("{} {}", seen.target(), seen.header("authorization")[0])).collect();
    assert_eq!(
        used,
        ["/part Bearer canary-part", "/part/x Bearer canary-part", "/partial Bearer canary-whole", "/ Bearer canary-whole", "/part%2Fx Bearer canary-whole"]
    );
}

#[test]
fn forward_elsewhere_goes_without_a_credential() {
    let (tool, other) = (Tool::echo(), Tool::echo());
    let proxy = Proxy::build().basic("team/git", &tool.url(), "bot", "canary-password").allow("builder", "team/git").allow_address("127.0.0.1/32").start();
    let answer = proxy.client().send(format!(
        "GET {}/x HTTP/1.1\r\nHost: x\r\nProxy-Authorization: {}\r\nAuthorization: Basic b3duOm93bg==\r\n\r\n",
        other.url(),
        proxy_authorization("team/git", "builder")
    ));
    assert_eq!(answer.status, 200);
    assert_eq!(other.only().header("authorization"), ["Basic b3duOm93bg=="], "a caller's own credential for another place stays");
    assert!(tool.seen().is_empty());
}

/// To the caller it looks like any answer of the tool, so the operator needs to see why no credential was added.
#[test]
fn the_record_of_a_request_elsewhere_says_why_it_went_bare() {
    let other = Tool::echo();
    let proxy = Proxy::build()
        .basic("team/git", "http://git.example/group", "bot", "canary-password")
        .allow("builder", "team/git")
        .allow("builder", "team/gti")
        .allow_address("127.0.0.1/32")
        .start();
    for (names, why) in [
        ("team/git", "no credential was added: the URL is under no address of team/git"),
        ("team/gti", "no credential was added: there is no Connector team/gti"),
        ("team/git,team/gti,team/x", "no credential was added: the URL is under no address of team/git, and there is no Connector team/gti, team/x"),
    ] {
        let credentials = proxy_authorization(names, "builder");
        assert_eq!(proxy.client().send(format!("GET {}/ HTTP/1.1\r\nHost: x\r\nProxy-Authorization: {credentials}\r\n\r\n", other.url())).status, 200);
        connectors_testkit::wait_for("the record", || proxy.records().contains(&format!(r#""detail":"{why}""#)));
    }
}

#[test]
fn a_connector_without_a_secret_forwards_bare() {
    let tool = Tool::echo();
    let proxy = Proxy::build().open("team/open", &tool.url()).allow("builder", "team/open").start();
    let answer = proxy.client().send(format!("GET / HTTP/1.1\r\nHost: c-open.team.svc\r\nAuthorization: Bearer {}\r\n\r\n", token("builder")));
    assert_eq!((answer.status, tool.only().header("authorization").len()), (200, 0));
}

#[test]
fn a_target_prefix_goes_in_front_and_comes_off_again() {
    let tool = Tool::answering(|seen| {
        let location = match seen.target() {
            "/base/a" => format!("http://{}/base/b?c", seen.header("host")[0]),
            "/base/b" => "/base/c".into(),
            _ => "https://other.example/base/x".into(),
        };
        format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\nSet-Cookie: s=1; Domain=tool.example; Path=/\r\nContent-Length: 0\r\n\r\n").into_bytes()
    });
    let proxy = Proxy::build().basic("team/git", &format!("{}/base/", tool.url()), "bot", "canary-password").allow("builder", "team/git").start();
    let location = |target: &str, host: &str| {
        let answer = proxy.client().send(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {}\r\n\r\n", token("builder")));
        let path = if host.starts_with("c-") { "/" } else { "/namespaces/team/connectors/git" };
        assert_eq!((answer.status, answer.header("set-cookie")), (302, Some(format!("s=1; Path={path}").as_str())));
        answer.header("location").unwrap().to_owned()
    };
    assert_eq!(location("/a", "c-git.team.svc"), "http://c-git.team.svc/b?c");
    assert_eq!(location("/b", "c-git.team.svc"), "/c");
    assert_eq!(location("/namespaces/team/connectors/git/a", "p:8080"), "http://p:8080/namespaces/team/connectors/git/b?c");
    assert_eq!(location("/namespaces/team/connectors/git/b", "p:8080"), "/namespaces/team/connectors/git/c");
    assert_eq!(location("/elsewhere", "c-git.team.svc"), "https://other.example/base/x");
}

#[test]
fn http_1_0_is_served() {
    let tool = Tool::answering(|_| b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n".to_vec());
    let proxy = proxy(&tool);
    let mut client = proxy.client();
    let answer = client.send(format!("GET /namespaces/team/connectors/git/ HTTP/1.0\r\nAuthorization: Bearer {}\r\n\r\n", token("builder")));
    assert_eq!((answer.status, answer.text().as_str(), answer.header("transfer-encoding")), (200, "hello", None));
    assert!(client.rest().is_empty(), "the body's end is the connection's");
}

#[test]
fn connect_is_answered_by_interception() {
    let ca = connectors_testkit::TestCa::default();
    let tool = Tool::tls_echo(&ca, "127.0.0.1");
    let proxy = Proxy::build().basic("team/git", &tool.url(), "bot", "canary-password").trusting(ca.der()).allow("builder", "team/git").intercepting().start();
    let mut client = proxy.client();
    let answer = client.send(format!(
        "CONNECT {0} HTTP/1.1\r\nHost: {0}\r\nProxy-Authorization: {1}\r\n\r\n",
        tool.address(),
        proxy_authorization("team/git", "builder")
    ));
    assert_eq!(answer.status, 200, "{}", answer.text());
    let mut inside = connectors_testkit::Client::over(client_stream(client.into_stream(), "127.0.0.1", proxy.ca_pem()));
    for path in ["/one", "/two"] {
        let answer = inside.send(format!("GET {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer placeholder\r\n\r\n", tool.address()));
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    let answer = inside.send("GET / HTTP/1.1\r\nHost: other.example\r\n\r\n");
    assert_eq!((answer.status, answer.reason()), (421, "Misdirected"));
    let seen = tool.seen();
    assert_eq!(seen.len(), 2);
    assert!(seen.iter().all(|seen| seen.header("authorization") == [BOT] && seen.connection == 1), "{seen:#?}");
}

#[test]
fn the_tools_certificate_is_verified() {
    let (ca, other) = (connectors_testkit::TestCa::default(), connectors_testkit::TestCa::default());
    let tool = Tool::tls_echo(&ca, "127.0.0.1");
    let proxy = Proxy::build()
        .basic("team/right", &tool.url(), "bot", "canary-password")
        .trusting(ca.der())
        .basic("team/wrong", &tool.url(), "bot", "canary-password")
        .trusting(other.der())
        .basic("team/none", &tool.url(), "bot", "canary-password")
        .allow("builder", "team/right")
        .allow("builder", "team/wrong")
        .allow("builder", "team/none")
        .start();
    let mut client = proxy.client();
    let mut get = |name: &str| {
        let answer = client.send(format!("GET / HTTP/1.1\r\nHost: c-{name}.team.svc\r\nAuthorization: Bearer {}\r\n\r\n", token("builder")));
        (answer.status, answer.reason().to_owned())
    };
    assert_eq!(get("right"), (200, String::new()));
    // The connection that is now in the pool serves nobody with other CAs.
    assert_eq!(get("wrong"), (502, "UpstreamTLSFailed".into()));
    assert_eq!(get("none"), (502, "UpstreamTLSFailed".into()));
    assert_eq!(get("right"), (200, String::new()));
    assert_eq!(tool.seen().len(), 2);
}
