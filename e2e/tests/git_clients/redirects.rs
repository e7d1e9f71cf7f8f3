//! A repository that moved: git follows the redirect, and a credential goes only where it belongs.

use std::collections::BTreeSet;
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use connectors_e2e::{Canaries, Client, Connectors, GitServer, basic, unique};

use crate::world::{Mode, SecondTool, World, ask, assert_absent_from, assert_credential, at_server, traced};

#[test]
fn a_repository_that_moved_within_its_tool_is_found_through_the_proxy() {
    for mode in [Mode::ReverseByHost, Mode::ReverseByPath, Mode::Forward] {
        let world = World::new(mode);
        let repository = world.tool.repository_with("new", 1, 1000);
        let moved = Moved::start(world.tool.address(), None);
        world.move_connector(&moved.url());
        let proxy = Connectors::start(&world.folder);
        let token = proxy.token("team/builder");
        let (client, url) = world.traced_client(&proxy, &token);
        let url = if mode.is_reverse() { url } else { moved.url() };
        client.run("git", ["clone", &format!("{url}/old.git"), "work"]).succeeds().says("warning: redirecting to ");
        assert_eq!(ask(&client, "work", &["rev-parse", "HEAD"]), at_server(&repository, &["rev-parse", "main"]), "{mode:?}");
        assert_eq!(moved.credentials(), BTreeSet::from([basic("bot", &world.password)]), "{mode:?}");
        assert_credential(&world.tool.seen(), &moved.address.to_string(), &world.password, &token);
        client.assert_never_saw(&world.secrets());
        world.assert_nothing_leaked(&proxy, &token);
    }
}

#[test]
fn p12_a_redirect_to_another_connectors_tool_gets_that_ones_credential() {
    let world = World::new(Mode::Forward);
    let second = SecondTool::beside(&world);
    let repository = second.tool.repository_with("new", 1, 1000);
    let moved = Moved::start(world.tool.address(), Some(second.tool.url()));
    world.move_connector(&moved.url());
    let proxy = Connectors::start(&world.folder);
    let token = proxy.token("team/builder");
    let client = traced(Client::new().proxy(&proxy.proxy_url("team/git,team/second", &token)).set("GIT_SSL_CAINFO", proxy.ca_certificate()));
    client.run("git", ["clone", &format!("{}/old.git", moved.url()), "work"]).succeeds();
    assert_eq!(ask(&client, "work", &["rev-parse", "HEAD"]), at_server(&repository, &["rev-parse", "main"]));
    assert_eq!(moved.credentials(), BTreeSet::from([basic("bot", &world.password)]));
    assert_credential(&second.tool.seen(), &second.tool.address().to_string(), &second.password, &token);
    client.assert_never_saw(&world.secrets().add("the second tool's password", &second.password));
    assert_absent_from(&proxy, &Canaries::default().add("the second tool's password", &second.password));
    world.assert_nothing_leaked(&proxy, &token);
}

#[test]
fn p12_a_redirect_to_elsewhere_takes_no_credential_along() {
    // Loopback is reached only for a Connector, unless it is allowed.
    let cases: [(Mode, &[&str], &str); 4] = [
        (Mode::ReverseByHost, &[], "HTTP/1.1 401 "),
        (Mode::ReverseByPath, &[], "HTTP/1.1 401 "),
        (Mode::Forward, &["--allow-address", "127.0.0.0/8"], "HTTP/1.1 401 "),
        (Mode::Forward, &[], "X-Connectors-Error: AddressDenied"),
    ];
    for (mode, flags, refusal) in cases {
        let world = World::new(mode);
        let elsewhere = GitServer::start("bot", &unique("password-elsewhere"));
        elsewhere.repository_with("new", 1, 1000);
        let moved = Moved::start(world.tool.address(), Some(elsewhere.url()));
        world.move_connector(&moved.url());
        let proxy = Connectors::start_with(&world.folder, flags);
        let token = proxy.token("team/builder");
        let (client, url) = world.traced_client(&proxy, &token);
        let url = if mode.is_reverse() { url } else { moved.url() };
        client.run("git", ["clone", &format!("{url}/old.git"), "work"]).fails().says(&format!("Recv header: {refusal}"));
        assert_eq!(moved.credentials(), BTreeSet::from([basic("bot", &world.password)]), "{mode:?}");
        let reached = !refusal.ends_with("AddressDenied");
        if reached {
            // nginx writes its log after it has answered.
            elsewhere.wait_until_seen("the redirected request", |seen| seen.uri.starts_with("/new.git/"));
        }
        let seen = elsewhere.seen();
        assert_eq!(!seen.is_empty(), reached, "{mode:?}: {seen:?}");
        world.secrets().assert_absent("what the other server saw", format!("{seen:?}"));
        if mode == Mode::Forward {
            assert!(seen.iter().all(|request| request.authorization.is_empty() && request.proxy_authorization.is_empty()), "{seen:?}");
        }
        assert_eq!(world.tool.seen(), [], "{mode:?}");
        client.assert_never_saw(&world.secrets());
        world.assert_nothing_leaked(&proxy, &token);
    }
}

/// A Git server whose repository `old.git` is `new.git` now: it redirects requests for the old name, and passes all others on.
struct Moved {
    address: SocketAddr,
    stopped: Arc<AtomicBool>,
    redirected: Arc<Mutex<Vec<String>>>,
}

impl Moved {
    /// In front of the server at `server`; the new repository is at `destination`, or here.
    fn start(server: SocketAddr, destination: Option<String>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let destination = destination.unwrap_or_else(|| format!("http://{address}"));
        let moved = Self { address, stopped: Arc::default(), redirected: Arc::default() };
        let (stopped, redirected) = (moved.stopped.clone(), moved.redirected.clone());
        std::thread::spawn(move || {
            for client in listener.incoming() {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                let (client, destination, redirected) = (client.unwrap(), destination.clone(), redirected.clone());
                // Ends with its connection.
                std::thread::spawn(move || redirect_or_pass(client, server, &destination, &redirected));
            }
        });
        moved
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The values of `Authorization` in requests that were redirected.
    fn credentials(&self) -> BTreeSet<String> {
        let value = |head: &String| {
            let fields = head.lines().filter_map(|line| line.split_once(':'));
            fields.filter(|(name, _)| name.eq_ignore_ascii_case("authorization")).map(|(_, value)| value.trim()).collect()
        };
        self.redirected.lock().unwrap().iter().map(value).collect()
    }
}

impl Drop for Moved {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        // Wakes the thread that accepts.
        drop(connect(self.address));
    }
}

/// Decides by the first request of a connection, and closes it after a redirect.
fn redirect_or_pass(mut client: TcpStream, server: SocketAddr, destination: &str, redirected: &Mutex<Vec<String>>) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        client.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let text = String::from_utf8_lossy(&head).into_owned();
    if let Some(rest) = text.strip_prefix("GET /old.git").and_then(|rest| rest.split(' ').next()) {
        let answer = format!("HTTP/1.1 301 Moved Permanently\r\nLocation: {destination}/new.git{rest}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        redirected.lock().unwrap().push(text);
        return client.write_all(answer.as_bytes());
    }
    let mut server = connect(server)?;
    server.write_all(&head)?;
    let (mut requests, mut onward) = (client.try_clone()?, server.try_clone()?);
    std::thread::spawn(move || {
        io::copy(&mut requests, &mut onward)?;
        onward.shutdown(Shutdown::Write)
    });
    io::copy(&mut server, &mut client)?;
    client.shutdown(Shutdown::Both)
}

#[expect(clippy::disallowed_methods, reason = "a tool on loopback, not the proxy")]
fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    TcpStream::connect(address)
}
