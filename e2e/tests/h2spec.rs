//! h2spec's 146 cases, the strict ones too, against the proxy's listener.
//!
//! h2spec sends no token, so what it gets is 401: an answer with a body, which is all that it asks for.
#![allow(clippy::unwrap_used, reason = "these are tests")]

use connectors_e2e::{Client, Connector, Connectors, Echo, Folder, basic_class, h2spec, wait_for};

/// How many cases there are.
const CASES: usize = 146;

/// The cases that don't pass, and why they shouldn't.
const EXCEPTIONS: &[(&str, &str)] = &[(
    "http2/3.5: Sends invalid connection preface",
    "the same port serves HTTP/1.1: what doesn't begin with the preface is a request of that, and is answered with a 400 of that before the connection closes",
)];

/// The cases that only pass when h2spec is faster than the proxy, what h2spec calls them, and what the race is about. Each has to pass in one of [`RACES`].
const RACING: &[(&str, &str, &str)] = &[(
    "http2/6.9.1: Sends multiple WINDOW_UPDATE frames increasing the flow control window to above 2^31-1 on a stream",
    "http2/6.9.1/3",
    "the answer may be sent whole before the frames come: then the stream is closed, and they are to be ignored (RFC 9113 §5.1)",
)];
const RACES: usize = 50;

#[test]
fn every_case_passes_but_those_that_are_named() {
    let echo = Echo::start();
    let folder = Folder::new().with(&[basic_class("web"), Connector::new("team/echo", "web", &echo.url()).yaml()]);
    let proxy = Connectors::start(&folder);
    let (cases, mut failed, shown) = run(&proxy, &[]);
    assert_eq!(cases, CASES, "{shown}");
    failed.retain(|case| {
        let racing = RACING.iter().find(|(own, ..)| own == case);
        !racing.is_some_and(|(_, id, _)| (0..RACES).any(|_| run(&proxy, &[id]).1.is_empty()))
    });
    let excepted: Vec<&str> = EXCEPTIONS.iter().map(|(case, _)| *case).collect();
    assert_eq!(failed, excepted, "{shown}");
    assert!(echo.seen().is_empty());
    // It still serves, and nothing is left of all this.
    assert_eq!(proxy.get("team/echo", "/", "none").status(), 401);
    wait_for("no request to be left", || proxy.metrics().contains("connectors_proxy_active_requests 0").then_some(()));
}

/// Runs these cases, or all: how many there were, those that failed, and what h2spec printed.
fn run(proxy: &Connectors<'_>, cases: &[&str]) -> (usize, Vec<String>, String) {
    let client = Client::new();
    let port = format!("--port={}", proxy.listen().port());
    let words = ["--strict", "--timeout=10", "--host=127.0.0.1", &port, "--path=/namespaces/team/connectors/echo/", "--junit-report=report.xml"];
    let ran = client.run(&h2spec().to_string_lossy(), words.iter().chain(cases));
    let (cases, failed) = read(&std::fs::read_to_string(client.home().join("report.xml")).unwrap());
    (cases, failed, ran.stdout)
}

/// How many cases a JUnit report has, and which of them didn't pass.
fn read(report: &str) -> (usize, Vec<String>) {
    let cases: Vec<&str> = report.split("<testcase ").skip(1).collect();
    let attribute = |case: &str, name: &str| case.split_once(&format!("{name}=\"")).and_then(|(_, rest)| Some(rest.split_once('"')?.0.to_owned())).unwrap();
    // One that passes has nothing in it.
    let failed = cases.iter().filter(|case| !case.lines().next().unwrap_or_default().ends_with("></testcase>"));
    (cases.len(), failed.map(|case| format!("{}: {}", attribute(case, "package"), attribute(case, "classname"))).collect())
}
