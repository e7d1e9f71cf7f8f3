//! What is refused, how, and in which order.

use connectors_core::Unready;
use connectors_proxy::NonTarget;
use connectors_testkit::{Answer, Proxy, Tool, proxy_authorization, token};

fn bearer(caller: &str) -> String {
    format!("Authorization: Bearer {}", token(caller))
}

/// The refusal is a Kubernetes Status, with the reason in a header too.
#[track_caller]
fn is_status(answer: &Answer, status: u16, reason: &str) {
    assert_eq!((answer.status, answer.reason()), (status, reason), "{}", answer.text());
    let text = answer.text();
    for part in [r#""kind":"Status""#, r#""apiVersion":"v1""#, r#""status":"Failure""#, &format!(r#""code":{status}"#), &format!(r#""reason":"{reason}""#)] {
        assert!(text.contains(part), "{text} lacks {part}");
    }
    assert_eq!(answer.header("content-type"), Some("application/json"));
}

#[test]
fn reverse_without_a_good_token_is_401_with_both_challenges() {
    let tool = Tool::echo();
    let proxy = Proxy::build().basic("team/git", &tool.url(), "bot", "canary-password").start();
    let mut client = proxy.client();
    for header in [
        "X-Nothing: x",
        "Authorization: Bearer wrong",
        "Authorization: Basic !!!",
        "Authorization: Basic eA==",
        "Authorization: Basic eDo=",
        "Authorization: Digest x",
        "Authorization: Bearer",
        "Authorization:",
    ] {
        let answer = client.send(format!("GET / HTTP/1.1\r\nHost: c-git.team.svc\r\n{header}\r\n\r\n"));
        is_status(&answer, 401, "Unauthorized");
        assert!(answer.head.contains("WWW-Authenticate: Basic realm=\"connectors\"") && answer.head.contains("WWW-Authenticate: Bearer"), "{}", answer.head);
    }
    assert!(tool.seen().is_empty());
}

#[test]
fn forward_without_good_credentials_is_407_with_a_challenge() {
    let tool = Tool::echo();
    let proxy = Proxy::build().basic("team/git", &tool.url(), "bot", "canary-password").intercepting().start();
    let wrong_name = proxy_authorization("git", "builder");
    let no_token = "Basic dGVhbS9naXQ6";
    for header in [
        "X-Nothing: x".into(),
        "Proxy-Authorization: Bearer x".into(),
        format!("Proxy-Authorization: {wrong_name}"),
        format!("Proxy-Authorization: {no_token}"),
        "Proxy-Authorization: Basic dGVhbS9naXQ6d3Jvbmc=".into(),
        bearer("builder"),
    ] {
        for line in [format!("GET {}/", tool.url()), format!("CONNECT {}", tool.address())] {
            let answer = proxy.client().send(format!("{line} HTTP/1.1\r\nHost: x\r\n{header}\r\n\r\n"));
            is_status(&answer, 407, "ProxyAuthenticationRequired");
            assert_eq!(answer.header("proxy-authenticate"), Some("Basic realm=\"connectors\""), "{header}");
        }
    }
    assert!(tool.seen().is_empty());
}

#[test]
fn without_rights_an_unknown_connector_looks_like_a_forbidden_one() {
    let tool = Tool::echo();
    let proxy = Proxy::build().basic("team/git", &tool.url(), "bot", "canary-password").allow("owner", "team/non").start();
    let mut client = proxy.client();
    let mut get = |name: &str, caller: &str| client.send(format!("GET / HTTP/1.1\r\nHost: c-{name}.team.svc\r\n{}\r\n\r\n", bearer(caller)));
    let (there, not_there) = (get("git", "builder"), get("non", "builder"));
    is_status(&there, 403, "Forbidden");
    assert!(there.text().contains("get on connectors.connectors.alauda.io named git in namespace team"), "{}", there.text());
    assert_eq!((&there.head, there.text().replace("git", "non")), (&not_there.head, not_there.text()));
    is_status(&get("non", "owner"), 404, "ConnectorNotFound");
    assert!(tool.seen().is_empty());
}

#[test]
fn parsing_comes_before_authentication_and_that_before_everything_else() {
    let proxy = Proxy::build().start();
    let status = |request: &str| proxy.client().send(request).status;
    assert_eq!(status("GET /namespaces/a/connectors/b/%2e%2e/x HTTP/1.1\r\nHost: x\r\n\r\n"), 400);
    assert_eq!(status("GET / HTTP/1.1\r\nHost: c-b.a.svc\r\n\r\n"), 401);
    assert_eq!(status("GET / HTTP/1.1\r\nHost: unknown.example\r\n\r\n"), 404);
}

#[test]
fn no_form_of_address_is_404_that_names_the_forms() {
    let proxy = Proxy::build().start();
    let answer = proxy.client().send("GET / HTTP/1.1\r\nHost: unknown.example\r\n\r\n");
    is_status(&answer, 404, "NoConnectorNamed");
    assert!(answer.text().contains("/namespaces/<namespace>/connectors/<name>/"));
}

#[test]
fn a_connector_that_is_not_ready_is_never_used_bare() {
    let tool = Tool::echo();
    let proxy = Proxy::build().unready("team/git", &tool.url(), Unready::SecretNotFound("git".into())).allow("builder", "team/git").start();
    let answer = proxy.client().send(format!("GET / HTTP/1.1\r\nHost: c-git.team.svc\r\n{}\r\n\r\n", bearer("builder")));
    is_status(&answer, 502, "SecretNotFound");
    let answer =
        proxy.client().send(format!("GET {}/ HTTP/1.1\r\nHost: x\r\nProxy-Authorization: {}\r\n\r\n", tool.url(), proxy_authorization("team/git", "builder")));
    is_status(&answer, 502, "SecretNotFound");
    assert_eq!(tool.connections(), 0);
}

#[test]
fn a_tool_that_is_not_there_is_502() {
    let gone = Tool::echo().url();
    let proxy = Proxy::build().basic("team/git", &gone, "bot", "canary-password").allow("builder", "team/git").start();
    let answer = proxy.client().send(format!("GET / HTTP/1.1\r\nHost: c-git.team.svc\r\n{}\r\n\r\n", bearer("builder")));
    is_status(&answer, 502, "UpstreamUnreachable");
}

#[test]
fn a_tool_that_answers_no_http_is_502() {
    for bytes in [
        &b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"[..],
        b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    ] {
        let tool = Tool::answering(|_| bytes.to_vec());
        let proxy = Proxy::build().basic("team/git", &tool.url(), "bot", "canary-password").allow("builder", "team/git").start();
        let answer = proxy.client().send(format!("GET / HTTP/1.1\r\nHost: c-git.team.svc\r\n{}\r\n\r\n", bearer("builder")));
        is_status(&answer, 502, "UpstreamInvalid");
    }
}

#[test]
fn a_silent_tool_is_504() {
    let tool = Tool::raw(|stream| {
        let _ = std::io::copy(stream, &mut std::io::sink());
    });
    let proxy = Proxy::build()
        .basic("team/git", &tool.url(), "bot", "canary-password")
        .allow("builder", "team/git")
        .settings(|settings| settings.idle_timeout = std::time::Duration::from_millis(200))
        .start();
    let answer = proxy.client().send(format!("GET / HTTP/1.1\r\nHost: c-git.team.svc\r\n{}\r\n\r\n", bearer("builder")));
    is_status(&answer, 504, "UpstreamTimeout");
}

#[test]
fn connect_can_be_switched_off() {
    let proxy = Proxy::build().intercepting().settings(|settings| settings.intercept = false).start();
    let answer = proxy
        .client()
        .send(format!("CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\nProxy-Authorization: {}\r\n\r\n", proxy_authorization("a/b", "builder")));
    is_status(&answer, 405, "ConnectNotAllowed");
}

#[test]
fn only_tls_is_accepted_inside_a_connect() {
    let tool = Tool::echo();
    let proxy = Proxy::build().basic("team/git", &tool.url(), "bot", "canary-password").allow("builder", "team/git").intercepting().start();
    let mut client = proxy.client();
    let connect = format!("CONNECT {0} HTTP/1.1\r\nHost: {0}\r\nProxy-Authorization: {1}\r\n\r\n", tool.address(), proxy_authorization("team/git", "builder"));
    assert_eq!(client.send(connect).status, 200);
    let answer = client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    is_status(&answer, 400, "TLSRequired");
    assert_eq!(tool.connections(), 0);
}

#[test]
fn trace_would_show_the_credential() {
    let tool = Tool::echo();
    let proxy = Proxy::build().basic("team/git", &tool.url(), "bot", "canary-password").allow("builder", "team/git").start();
    let answer = proxy.client().send(format!("TRACE / HTTP/1.1\r\nHost: c-git.team.svc\r\n{}\r\n\r\n", bearer("builder")));
    is_status(&answer, 405, "MethodNotAllowed");
    assert!(tool.seen().is_empty());
}

#[test]
fn too_large_a_head_is_431_and_ends_the_connection() {
    let proxy = Proxy::build().start();
    let mut client = proxy.client();
    let answer = client.send(format!("GET / HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "x".repeat(70_000)));
    is_status(&answer, 431, "HeaderTooLarge");
    assert!(client.rest().is_empty());
}

#[test]
fn p04_non_targets_are_refused_when_the_operator_says_so_in_every_mode() {
    let (tool, other) = (Tool::echo(), Tool::echo());
    let proxy = Proxy::build()
        .basic("team/git", &format!("{}/only", tool.url()), "bot", "canary-password")
        .allow("builder", "team/git")
        .allow_address("127.0.0.0/8")
        .intercepting()
        .settings(|settings| settings.non_target = NonTarget::Deny)
        .start();
    let credentials = proxy_authorization("team/git", "builder");
    for line in
        [format!("GET {}/", other.url()), format!("GET {}/other", tool.url()), format!("GET {}/onlyx", tool.url()), format!("CONNECT {}", other.address())]
    {
        let answer = proxy.client().send(format!("{line} HTTP/1.1\r\nHost: x\r\nProxy-Authorization: {credentials}\r\n\r\n"));
        is_status(&answer, 403, "NotATarget");
    }
    assert_eq!((tool.connections(), other.connections()), (0, 0));
}

#[test]
fn p18_addresses_inside_are_not_reached_by_requests_that_no_connector_covers() {
    let inside = Tool::echo();
    let tool = Tool::echo();
    let proxy = Proxy::build().basic("team/git", &tool.url(), "bot", "canary-password").allow("builder", "team/git").start();
    let credentials = proxy_authorization("team/git", "builder");
    let port = inside.address().port();
    for url in [
        inside.url(),
        format!("http://localhost:{port}"),
        format!("http://[::1]:{port}"),
        format!("http://[::ffff:127.0.0.1]:{port}"),
        "http://169.254.169.254".into(),
        format!("http://0.0.0.0:{port}"),
        "http://10.0.0.1".into(),
    ] {
        let answer = proxy.client().send(format!("GET {url}/ HTTP/1.1\r\nHost: x\r\nProxy-Authorization: {credentials}\r\n\r\n"));
        is_status(&answer, 403, "AddressDenied");
        assert!(answer.text().contains("the URL is under no address of the Connectors named"), "{}", answer.text());
    }
    assert_eq!(inside.connections(), 0);
}

#[test]
fn p20_connect_without_a_ca_is_refused_and_never_tunnelled() {
    let tool = Tool::echo();
    let proxy = Proxy::build().basic("team/git", &tool.url(), "bot", "canary-password").allow("builder", "team/git").start();
    let answer = proxy.client().send(format!(
        "CONNECT {0} HTTP/1.1\r\nHost: {0}\r\nProxy-Authorization: {1}\r\n\r\n",
        tool.address(),
        proxy_authorization("team/git", "builder")
    ));
    is_status(&answer, 503, "InterceptionUnavailable");
    assert_eq!(tool.connections(), 0);
}

#[test]
fn when_nobody_can_say_who_calls_the_answer_is_no() {
    let tool = Tool::echo();
    let proxy = Proxy::build().basic("team/git", &tool.url(), "bot", "canary-password").allow("builder", "team/git").allow("late", "team/git").start();
    let get = |caller: &str| proxy.client().send(format!("GET / HTTP/1.1\r\nHost: c-git.team.svc\r\n{}\r\n\r\n", bearer(caller)));
    assert_eq!(get("builder").status, 200);
    proxy.authentication_goes_away();
    is_status(&get("late"), 503, "AuthenticationUnavailable");
    assert_eq!(get("builder").status, 200, "what is cached is good for its short life");
}

#[test]
fn more_requests_than_a_connector_may_have_at_once_are_503_with_retry_after() {
    let (release, tool) = Tool::held();
    let proxy = Proxy::build()
        .basic("team/git", &tool.url(), "bot", "canary-password")
        .allow("builder", "team/git")
        .settings(|settings| settings.max_requests_per_connector = 1)
        .start();
    let request = format!("GET / HTTP/1.1\r\nHost: c-git.team.svc\r\n{}\r\n\r\n", bearer("builder"));
    let mut first = proxy.client();
    first.write(&request);
    connectors_testkit::wait_for("the first request to reach the tool", || tool.seen().len() == 1);
    let answer = proxy.client().send(&request);
    is_status(&answer, 503, "TooManyRequests");
    assert_eq!(answer.header("retry-after"), Some("1"));
    release.send(()).unwrap();
    assert_eq!(first.answer("GET").status, 204);
    release.send(()).unwrap();
    assert_eq!(proxy.client().send(&request).status, 204);
}

#[test]
fn requests_beyond_the_connections_that_a_tool_may_have_wait_and_then_are_503() {
    let (release, tool) = Tool::held();
    let proxy = Proxy::build()
        .basic("team/git", &tool.url(), "bot", "canary-password")
        .allow("builder", "team/git")
        .settings(|settings| settings.max_connections_per_upstream = std::num::NonZeroUsize::MIN)
        .connect_timeout(std::time::Duration::from_millis(100))
        .start();
    let request = format!("GET / HTTP/1.1\r\nHost: c-git.team.svc\r\n{}\r\n\r\n", bearer("builder"));
    let mut first = proxy.client();
    first.write(&request);
    connectors_testkit::wait_for("the first request to reach the tool", || tool.seen().len() == 1);
    let answer = proxy.client().send(&request);
    is_status(&answer, 503, "UpstreamBusy");
    assert_eq!(answer.header("retry-after"), Some("1"));
    connectors_testkit::wait_for("the record that names the setting", || proxy.records().contains("--max-connections-per-upstream"));
    release.send(()).unwrap();
    assert_eq!(first.answer("GET").status, 204);
    release.send(()).unwrap();
    assert_eq!(proxy.client().send(&request).status, 204);
}

#[test]
fn a_request_that_waits_for_a_connection_gets_the_one_that_comes_free() {
    let (release, tool) = Tool::held();
    let proxy = Proxy::build()
        .basic("team/git", &tool.url(), "bot", "canary-password")
        .allow("builder", "team/git")
        .settings(|settings| settings.max_connections_per_upstream = std::num::NonZeroUsize::MIN)
        .start();
    let request = format!("GET / HTTP/1.1\r\nHost: c-git.team.svc\r\n{}\r\n\r\n", bearer("builder"));
    let mut clients = [proxy.client(), proxy.client(), proxy.client()];
    for client in &mut clients {
        client.write(&request);
        release.send(()).unwrap();
    }
    assert_eq!(clients.map(|mut client| client.answer("GET").status), [204; 3]);
    assert_eq!(tool.connections(), 1);
}
