//! Starting, being watched, and stopping.
#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests")]

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use connectors_e2e::{Connection, Connector, Connectors, Echo, Folder, basic_class, basic_secret, get, grant, service_account, unique, wait_for};

fn folder(address: &str) -> Folder {
    Folder::new().with(&[
        basic_class("web"),
        Connector::new("team/tool", "web", address).auth("basicAuth", "tool").yaml(),
        basic_secret("team/tool", "bot", &unique("password")),
        service_account("team/builder"),
        grant("team/builder", "team/tool"),
    ])
}

#[test]
fn a_request_in_flight_finishes_after_sigterm() {
    let tool = TcpListener::bind("127.0.0.1:0").unwrap();
    let folder = folder(&format!("http://{}", tool.local_addr().unwrap()));
    let mut proxy = Connectors::start(&folder);
    let token = proxy.token("team/builder");
    let mut client = Connection::open(proxy.listen()).unwrap();
    client.send(format!("GET /namespaces/team/connectors/tool/ HTTP/1.1\r\nHost: p\r\nAuthorization: Bearer {token}\r\n\r\n").as_bytes()).unwrap();
    // The tool has the request, and takes its time.
    let (mut request, _) = tool.accept().unwrap();
    assert!(request.read(&mut [0; 4096]).unwrap() > 0);
    proxy.ask_to_stop();
    wait_for("the proxy to stop accepting", || Connection::open(proxy.listen()).is_err().then_some(()));
    let ready = get(proxy.admin(), "/readyz", &[]).unwrap();
    assert_eq!((ready.status(), get(proxy.admin(), "/healthz", &[]).unwrap().status()), (503, 200));
    request.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n").unwrap();
    request.write_all(b"done").unwrap();
    let answer = client.answer().unwrap();
    assert_eq!((answer.status(), answer.text().as_str()), (200, "done"));
    assert!(proxy.wait().success(), "{}", proxy.errors());
    let records = proxy.records();
    assert_eq!((records.len(), &records[0]["status"], &records[0]["answered_by"]), (1, &200.into(), &"tool".into()), "{records:?}");
    assert!(!folder.state().join("running.json").exists());
}

#[test]
fn what_takes_longer_than_that_is_cut_off_and_on_record() {
    const COUNT: usize = 50;
    let tool = TcpListener::bind("127.0.0.1:0").unwrap();
    let folder = folder(&format!("http://{}", tool.local_addr().unwrap()));
    let mut proxy = Connectors::start_with(&folder, &["--drain-timeout", "200ms"]);
    let token = proxy.token("team/builder");
    let request = format!("GET /namespaces/team/connectors/tool/ HTTP/1.1\r\nHost: p\r\nAuthorization: Bearer {token}\r\n\r\n");
    let mut clients: Vec<_> = (0..COUNT).map(|_| Connection::open(proxy.listen()).unwrap()).collect();
    clients.iter_mut().for_each(|client| client.send(request.as_bytes()).unwrap());
    // The tool answers none of them.
    let _open: Vec<_> = (0..COUNT).map(|_| tool.accept().unwrap()).collect();
    assert!(proxy.stop().success(), "{}", proxy.errors());
    let records = proxy.records();
    assert_eq!(records.len(), COUNT);
    assert!(records.iter().all(|record| record["answered_by"] == "nobody" && record["complete"] == false), "{records:?}");
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let tool = TcpListener::bind("127.0.0.1:0").unwrap();
    let folder = folder(&format!("http://{}", tool.local_addr().unwrap()));
    let mut proxy = Connectors::start(&folder);
    let token = proxy.token("team/builder");
    let mut client = Connection::open(proxy.listen()).unwrap();
    client.send(format!("GET /namespaces/team/connectors/tool/ HTTP/1.1\r\nHost: p\r\nAuthorization: Bearer {token}\r\n\r\n").as_bytes()).unwrap();
    let (_unanswered, _) = tool.accept().unwrap();
    proxy.ask_to_stop();
    wait_for("the proxy to stop accepting", || Connection::open(proxy.listen()).is_err().then_some(()));
    assert_eq!(proxy.stop().code(), Some(130), "{}", proxy.errors());
}

#[test]
fn an_idle_proxy_stops_at_once() {
    let echo = Echo::start();
    let folder = folder(&echo.url());
    let mut proxy = Connectors::start(&folder);
    let token = proxy.token("team/builder");
    // An idle connection on either side doesn't hold it up.
    let mut idle = Connection::open(proxy.listen()).unwrap();
    idle.send(format!("GET /namespaces/team/connectors/tool/ HTTP/1.1\r\nHost: p\r\nAuthorization: Bearer {token}\r\n\r\n").as_bytes()).unwrap();
    assert_eq!(idle.answer().unwrap().status(), 200);
    let asked = std::time::Instant::now();
    assert!(proxy.stop().success(), "{}", proxy.errors());
    assert!(asked.elapsed().as_secs() < 5, "{:?}", asked.elapsed());
    assert!(idle.answer().is_err());
}

#[test]
fn every_request_leaves_a_record_and_is_counted() {
    let echo = Echo::start();
    let folder = folder(&echo.url());
    let proxy = Connectors::start(&folder);
    let token = proxy.token("team/builder");
    assert_eq!(proxy.get("team/tool", "/a/b?secret=value", &token).status(), 200);
    assert_eq!(proxy.get("team/tool", "/", "wrong").status(), 401);
    let record = proxy.wait_for_record("the answer", |record| record["status"] == 200);
    let text = |field: &str| record[field].as_str().unwrap_or_default().to_owned();
    assert_eq!(
        (text("mode"), text("connector"), text("class"), text("user")),
        ("reverse".into(), "team/tool".into(), "web".into(), "system:serviceaccount:team:builder".into())
    );
    assert_eq!(
        (text("method"), text("path"), text("host"), text("answered_by")),
        ("GET".into(), "/a/b".into(), echo.url().replace("http://", ""), "tool".into())
    );
    assert!(record["bytes_out"] == 2 && record["bytes_in"] == 0 && record["total_ms"].is_number() && !text("trace_id").is_empty(), "{record}");
    let record = proxy.wait_for_record("the refusal", |record| record["status"] == 401);
    assert_eq!((&record["answered_by"], &record["reason"], &record["user"]), (&"proxy".into(), &"Unauthorized".into(), &serde_json::Value::Null), "{record}");
    let metrics = proxy.metrics();
    let counted =
        |labels: &[&str]| metrics.lines().any(|line| line.starts_with("connectors_proxy_requests_total{") && labels.iter().all(|label| line.contains(label)));
    assert!(counted(&["class=\"web\"", "mode=\"reverse\"", "status=\"2xx\""]) && counted(&["status=\"4xx\""]), "{metrics}");
}
