//! The tools that other tests rely on do what a real one does: they refuse who has no credential, and serve who has.

use connectors_e2e::{Canaries, Client, Echo, GitServer, Gitea, TestCa, basic, exchange, get, unique};

#[test]
fn the_git_server_serves_whoever_has_the_password() {
    let password = unique("password");
    let tool = GitServer::start("bot", &password);
    tool.repository_with("repo", 2, 1000);
    let client = Client::new();
    client.run("git", ["clone", &format!("{}/repo.git", tool.url())]).fails();
    client.run("git", ["clone", &format!("{}/repo.git", tool.url().replace("http://", "http://bot:wrong@"))]).fails();
    let url = format!("{}/repo.git", tool.url().replace("http://", &format!("http://bot:{password}@")));
    client.run("git", ["clone", &url]).succeeds();
    assert_eq!(std::fs::read(client.home().join("repo/file")).unwrap().len(), 1000);
    // The search would find a secret that the client has.
    assert!(std::panic::catch_unwind(|| client.assert_never_saw(&Canaries::default().add("the password", &password))).is_err());
    tool.wait_until_seen("the password", |seen| seen.status == 200 && seen.authorization == basic("bot", &password));
}

#[test]
fn the_git_server_serves_over_tls() {
    let (ca, password) = (TestCa::create(), unique("password"));
    let tool = GitServer::start_tls("bot", &password, &ca);
    tool.repository_with("repo", 1, 10);
    let url = format!("{}/repo.git", tool.url().replace("https://", &format!("https://bot:{password}@")));
    let client = Client::new();
    client.run("git", ["clone", &url]).fails().says("certificate");
    client.write("ca.crt", ca.pem());
    client.run("git", ["-c", "http.sslCAInfo=ca.crt", "clone", &url]).succeeds();
}

#[test]
fn gitea_shows_nothing_to_whoever_has_no_token() {
    let gitea = Gitea::shared();
    let path = format!("/api/v1/repos/{}/{}", Gitea::USER, Gitea::REPOSITORY);
    assert_eq!(get(gitea.address(), &path, &[]).unwrap().status(), 403);
    let answer = get(gitea.address(), &path, &[&format!("Authorization: Bearer {}", gitea.token())]).unwrap();
    assert_eq!((answer.status(), answer.json()["private"].as_bool()), (200, Some(true)));
    let authorization = format!("Bearer {}", gitea.token());
    gitea.wait_until_seen("the token", |seen| seen.authorization == authorization && seen.identity == Gitea::USER && seen.uri == path);
    let git = format!("/{}/{}.git/info/refs?service=git-upload-pack", Gitea::USER, Gitea::REPOSITORY);
    assert_eq!(get(gitea.address(), &git, &[]).unwrap().status(), 401);
    let with_password = format!("Authorization: {}", basic(Gitea::USER, gitea.password()));
    assert_eq!(get(gitea.address(), &git, &[&with_password]).unwrap().status(), 200);
}

#[test]
fn the_echo_remembers_requests_as_they_came() {
    let echo = Echo::start();
    let address = echo.url().trim_start_matches("http://").parse().unwrap();
    let request = "POST /a?b HTTP/1.1\r\nHost: x\r\nX-Odd:  y \r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    assert_eq!(exchange(address, request).status(), 200);
    let seen = echo.seen();
    assert_eq!((seen[0].request_line(), &seen[0].body[..]), (("POST", "/a?b"), &b"abc"[..]));
    assert!(seen[0].head.contains("X-Odd:  y \r\n"), "{}", seen[0].head);
}
