//! How many connections a tool gets, and for how long they are the right ones.

use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use connectors_net::{Resolve, Resolving};
use connectors_testkit::http2::{Exchange, frame, kind};
use connectors_testkit::{Http2Client, Http2Tool, Proxy, TestCa, Tool, wait_for};

use crate::upstream::{OK, next_request, serve_all, write};
use crate::{begin, get, ok};

/// A proxy that may open one connection to the tool.
fn one_connection(url: &str, ca: &TestCa, within: Duration) -> Proxy {
    Proxy::build()
        .basic("team/git", url, "bot", "canary-password")
        .trusting(ca.der())
        .allow("builder", "team/git")
        .settings(|settings| settings.max_connections_per_upstream = NonZeroUsize::MIN)
        .connect_timeout(within)
        .start()
}

/// A tool that takes one request at once, and answers those for `/wait` and what is below it when it is told to go on.
fn held(ca: &TestCa, name: &str) -> (Sender<()>, Http2Tool) {
    let (go_on, wait) = channel::<()>();
    let wait = Mutex::new(wait);
    let tool = Http2Tool::serving_with(ca, name, h2::server::Builder::new().max_concurrent_streams(1), move |call| {
        if call.head.uri.path().starts_with("/wait") {
            let _ = wait.lock().unwrap().recv();
        }
        ok(call);
    });
    (go_on, tool)
}

fn status(exchange: &mut Exchange) -> u16 {
    exchange.head().unwrap().status.as_u16()
}

/// The status of a request that came by HTTP/1.1.
fn http1(proxy: &Proxy) -> u16 {
    proxy.client().send(http1_request()).status
}

fn http1_request() -> String {
    format!("GET / HTTP/1.1\r\nHost: c-git.team.svc\r\nAuthorization: {}\r\n\r\n", crate::bearer())
}

#[test]
fn requests_that_find_no_room_get_what_others_leave_in_order() {
    let ca = TestCa::default();
    let (go_on, tool) = held(&ca, "127.0.0.1");
    let proxy = one_connection(&tool.url(), &ca, Duration::from_secs(5));
    let client = Http2Client::connect(proxy.address());
    assert_eq!(get(&client, "/").0, 200);
    let mut waiting: Vec<Exchange> = (0..5).map(|number| begin(&client, "GET", &format!("/wait/{number}"), &[], true)).collect();
    // Who stops waiting leaves no hole.
    waiting.remove(2).reset(h2::Reason::CANCEL);
    for (number, exchange) in waiting.iter_mut().enumerate() {
        tool.wait_seen(number + 2);
        go_on.send(()).unwrap();
        assert_eq!(status(exchange), 200);
    }
    let paths: Vec<_> = tool.seen().iter().map(|head| head.uri.path().to_owned()).collect();
    assert_eq!((paths, tool.connections()), (["/", "/wait/0", "/wait/1", "/wait/3", "/wait/4"].map(String::from).to_vec(), 1));
}

#[test]
fn requests_that_find_no_room_for_the_connect_timeout_are_503() {
    let ca = TestCa::default();
    let (go_on, tool) = held(&ca, "127.0.0.1");
    let proxy = one_connection(&tool.url(), &ca, Duration::from_secs(1));
    let client = Http2Client::connect(proxy.address());
    assert_eq!(get(&client, "/").0, 200);
    let mut first = begin(&client, "GET", "/wait", &[], true);
    tool.wait_seen(2);
    let mut others: Vec<Exchange> = (0..3).map(|_| begin(&client, "GET", "/", &[], true)).collect();
    for exchange in &mut others {
        let head = exchange.head().unwrap();
        assert_eq!(
            (head.status.as_u16(), &head.headers["x-connectors-error"], &head.headers["retry-after"]),
            (503, &"UpstreamBusy".parse().unwrap(), &"1".parse().unwrap())
        );
    }
    wait_for("the record that names the setting", || proxy.records().contains("--max-connections-per-upstream"));
    go_on.send(()).unwrap();
    assert_eq!(status(&mut first), 200);
    assert_eq!((get(&client, "/").0, tool.connections()), (200, 1));
}

#[test]
fn an_idle_connection_of_one_protocol_is_closed_for_a_request_of_the_other() {
    let ca = TestCa::default();
    let tool = Tool::http2_frames_or_http1(&ca, "127.0.0.1", |stream| {
        write(stream, &[frame(kind::SETTINGS, 0, 0, &[])]);
        serve_all(stream);
    });
    let proxy = one_connection(&tool.url(), &ca, Duration::from_secs(5));
    let client = Http2Client::connect(proxy.address());
    for round in 1..=3 {
        assert_eq!((get(&client, "/").0, tool.connections()), (200, 2 * round - 1));
        assert_eq!((http1(&proxy), tool.connections()), (204, 2 * round));
        tool.wait_closed(2 * round - 1);
    }
}

#[test]
fn a_connection_with_requests_on_it_is_waited_for() {
    let ca = TestCa::default();
    let (go_on, wait) = channel::<()>();
    let (come, came) = channel::<()>();
    let (wait, come) = (Mutex::new(wait), Mutex::new(come));
    let tool = Tool::http2_frames_or_http1(&ca, "127.0.0.1", move |stream| {
        write(stream, &[frame(kind::SETTINGS, 0, 0, &[])]);
        while let Some(id) = next_request(stream) {
            come.lock().unwrap().send(()).unwrap();
            wait.lock().unwrap().recv().unwrap();
            write(stream, &[frame(kind::HEADERS, 5, id, OK)]);
        }
    });
    let proxy = one_connection(&tool.url(), &ca, Duration::from_secs(10));
    let client = Http2Client::connect(proxy.address());
    let mut first = begin(&client, "GET", "/", &[], true);
    came.recv().unwrap();
    let mut waits = proxy.client();
    waits.write(http1_request());
    wait_for("the second request to be under way", || proxy.metrics().contains("connectors_proxy_active_requests 2"));
    assert_eq!(tool.connections(), 1);
    go_on.send(()).unwrap();
    assert_eq!(status(&mut first), 200);
    assert_eq!((waits.answer("GET").status, tool.connections()), (204, 2));
}

/// Says that every name leads to 127.0.0.1, or, once it has moved, to where nobody is.
struct Moves(Arc<AtomicBool>);

impl Resolve for Moves {
    fn resolve<'a>(&'a self, _: &'a str) -> Resolving<'a> {
        let address: IpAddr = if self.0.load(Ordering::SeqCst) { [127, 0, 0, 2] } else { [127, 0, 0, 1] }.into();
        Box::pin(async move { Ok(vec![address]) })
    }
}

#[test]
fn a_name_that_moves_is_followed_and_requests_in_flight_are_not_cut() {
    let ca = TestCa::default();
    let (go_on, wait) = channel::<()>();
    let wait = Mutex::new(wait);
    let tool = Http2Tool::serving(&ca, "tool.example", move |call| {
        if call.head.uri.path() == "/wait" {
            let _ = wait.lock().unwrap().recv();
        }
        ok(call);
    });
    let moved = Arc::new(AtomicBool::new(false));
    let proxy = Proxy::build()
        .basic("team/git", &format!("https://tool.example:{}", tool.address().port()), "bot", "canary-password")
        .trusting(ca.der())
        .allow("builder", "team/git")
        .allow_address("127.0.0.0/8")
        .resolving(Moves(moved.clone()))
        .start();
    let client = Http2Client::connect(proxy.address());
    let mut in_flight = begin(&client, "GET", "/wait", &[], true);
    tool.wait_seen(1);
    moved.store(true, Ordering::SeqCst);
    // What was known of the name counts for five seconds.
    wait_for("the name to be followed", || match get(&client, "/").0 {
        200 => false,
        status => {
            assert_eq!((status, tool.connections()), (502, 1));
            true
        }
    });
    assert_eq!(get(&client, "/").0, 502);
    go_on.send(()).unwrap();
    assert_eq!((status(&mut in_flight), in_flight.rest().text()), (200, "ok".to_owned()));
    tool.wait_closed(1);
}
