//! Nothing that a run produces has a secret in it: the tools' secrets, the callers' tokens, query values and header values are searched for
//! in all that came out, in every form.
#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests")]

use connectors_e2e::{
    Canaries, Client, Connector, Connectors, Echo, Folder, GitServer, TestCa, basic, basic_class, basic_secret, bearer_class, bearer_secret, ca_secret,
    command, exchange, flags, grant, service_account, unique, wait_for,
};

#[test]
fn no_secret_is_in_anything_that_comes_out() {
    let (password, api_token, git_password) = (unique("password"), unique("api-token"), unique("git-password"));
    let (query, header, wrong) = (unique("query"), unique("header"), unique("wrong-token"));
    let (echo, ca) = (Echo::start(), TestCa::create());
    let git = GitServer::start_tls("bot", &git_password, &ca);
    git.repository_with("repo", 1, 100);
    let folder = Folder::new().with(&[
        flags(&["enable-custom-ca-certs"]),
        basic_class("web"),
        bearer_class("api"),
        Connector::new("team/web", "web", &format!("{}/web", echo.url())).auth("basicAuth", "web").yaml(),
        Connector::new("team/api", "api", &format!("{}/api", echo.url())).auth("bearerTokenAuth", "api").yaml(),
        Connector::new("team/git", "web", &git.url()).auth("basicAuth", "git").ca("git-ca").yaml(),
        Connector::new("team/closed", "web", "http://127.0.0.1:1").auth("basicAuth", "web").yaml(),
        Connector::new("team/plain", "web", &git.url().replace("https", "http")).auth("basicAuth", "git").yaml(),
        Connector::new("team/untrusted", "web", &git.url().replace("127.0.0.1", "localhost")).auth("basicAuth", "git").yaml(),
        basic_secret("team/web", "bot", &password),
        bearer_secret("team/api", &api_token),
        basic_secret("team/git", "bot", &git_password),
        ca_secret("team/git-ca", &ca.pem()),
        service_account("team/builder"),
        service_account("team/stranger"),
    ]);
    let connectors = ["web", "api", "git", "closed", "plain", "untrusted"];
    folder.write("rights.yaml", &connectors.map(|name| grant("team/builder", &format!("team/{name}"))).join("---\n"));
    // As much is logged as can be.
    let proxy = Connectors::start_with(&folder, &["--log", "trace", "--log-format", "json"]);
    let (builder, stranger) = (proxy.token("team/builder"), proxy.token("team/stranger"));

    let tools = Canaries::default().add("a password", &password).add("an API token", &api_token).add("a Git password", &git_password);
    let callers = Canaries::default().add_token("a token", &builder).add_token("a stranger's token", &stranger).add("a wrong token", &wrong);
    let values = Canaries::default().add("a query value", &query).add("a header value", &header);

    // Everything that can be asked for, rightly and wrongly; what comes back has no secret in it.
    let host = proxy.listen();
    let mut requests = Vec::new();
    for name in connectors.iter().chain(&["nothing"]) {
        for token in [&builder, &stranger, &wrong] {
            for authorization in [format!("Bearer {token}"), basic("any", token), token.clone()] {
                requests.push(format!("GET /namespaces/team/connectors/{name}/x?token={query} HTTP/1.1\r\nHost: {host}\r\nAuthorization: {authorization}\r\nX-Secret: {header}\r\n\r\n"));
                requests.push(format!("POST /x?q={query} HTTP/1.1\r\nHost: c-{name}.team.localhost\r\nAuthorization: {authorization}\r\nX-Secret: {header}\r\nContent-Length: 2\r\n\r\nok"));
            }
            for target in [format!("{}/web/x?q={query}", echo.url()), format!("{}/elsewhere", echo.url()), "http://127.0.0.1:1/".to_owned()] {
                let proxy_authorization = basic(&format!("team/{name}"), token);
                requests.push(format!("GET {target} HTTP/1.1\r\nHost: x\r\nProxy-Authorization: {proxy_authorization}\r\nAuthorization: Bearer {token}\r\nX-Secret: {header}\r\n\r\n"));
            }
        }
    }
    for malformed in ["X-Secret : ", "X-Secret\r\n", "Content-Length: x", "Transfer-Encoding: "] {
        requests.push(format!(
            "GET /namespaces/team/connectors/web/?{query} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {builder}\r\n{malformed}{header}\r\n\r\n"
        ));
    }
    requests.push(format!(
        "GET /namespaces/team/connectors/web/ HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {builder}\r\nAuthorization: Bearer {wrong}\r\n\r\n"
    ));
    requests.push(format!("CONNECT example.com:443 HTTP/1.1\r\nHost: x\r\nProxy-Authorization: {}\r\n\r\n", basic("team/git", &wrong)));
    let (mut good, mut refused) = (0, 0);
    for request in &requests {
        let answer = exchange(host, request);
        *(if answer.status() < 300 { &mut good } else { &mut refused }) += 1;
        let whole = format!("{}{}", answer.head, answer.text());
        tools.assert_absent("an answer", &whole);
        callers.assert_absent("an answer", &whole);
        values.assert_absent("an answer", &whole);
    }
    assert!(good >= 8 && refused > 50, "{good} good, {refused} refused");

    // Through an interception, too.
    let client = Client::new().proxy(&proxy.proxy_url("team/git", &builder)).set("GIT_SSL_CAINFO", proxy.ca_certificate());
    client.run("git", ["clone", &format!("{}/repo.git", git.url())]).succeeds();
    client.assert_never_saw(&tools);
    let client = Client::new().proxy(&proxy.proxy_url("team/git", &stranger)).set("GIT_SSL_CAINFO", proxy.ca_certificate());
    client.run("git", ["clone", &format!("{}/repo.git", git.url())]).fails();
    client.assert_never_saw(&tools);

    // A file that stops being one is reported without what is in it.
    folder.write("broken.yaml", &format!("{}  password: [{password}\n", basic_secret("team/broken", "bot", &git_password)));
    connectors_e2e::wait_for("the report", || proxy.errors().contains("broken.yaml").then_some(()));
    folder.remove("broken.yaml");

    // What reached the tools had their credential, and nothing of the callers'.
    let seen: String = echo.seen().iter().map(|seen| format!("{}{}", seen.head, String::from_utf8_lossy(&seen.body))).collect();
    assert!(seen.contains(&basic("bot", &password)) && seen.contains(&format!("Bearer {api_token}")) && seen.contains(&header));
    callers.assert_absent("what a tool saw", &seen);
    callers.assert_absent("what the Git server saw", format!("{:?}", git.seen()));

    // What the operator sees.
    let dir = folder.path().to_string_lossy().into_owned();
    // A record is written after the answer.
    wait_for("all access records", || (proxy.records().len() > requests.len()).then_some(()));
    let mut shown = vec![("standard output", proxy.output()), ("standard error", proxy.errors()), ("metrics", proxy.metrics())];
    for arguments in [
        vec!["get", "connectors", "-A", "-o", "yaml", "--dir", &dir],
        vec!["get", "connectors", "-A", "-o", "wide", "--dir", &dir],
        vec!["get", "connectorclasses", "-o", "json", "--dir", &dir],
        vec!["check", &dir],
    ] {
        let output = command().args(&arguments).output().unwrap();
        shown.push(("a command's output", String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()));
    }
    assert!(proxy.metrics().contains("connectors_proxy_requests_total"));
    for (place, text) in &shown {
        tools.assert_absent(place, text);
        callers.assert_absent(place, text);
        values.assert_absent(place, text);
    }

    // What it keeps on disk.
    tools.assert_absent_below(&folder.state());
    callers.assert_absent_below(&folder.state());
}
