//! h2spec's 146 cases, the strict ones too, against the proxy's listener.
//!
//! h2spec sends no token, so what it gets is 401: an answer with a body, which is all that it asks for.
#![allow(clippy::unwrap_used, reason = "these are tests")]

use connectors_e2e::{Client, Connector, Connectors, Echo, Folder, basic_class, h2spec};

/// How many cases there are.
const CASES: usize = 146;

/// The cases that don't pass, and why they shouldn't.
const EXCEPTIONS: &[(&str, &str)] = &[(
    "http2/3.5: Sends invalid connection preface",
    "the same port serves HTTP/1.1: what doesn't begin with the preface is a request of that, and is answered with a 400 of that before the connection closes",
)];

#[test]
fn every_case_passes_but_those_that_are_named() {
    let echo = Echo::start();
    let folder = Folder::new().with(&[basic_class("web"), Connector::new("team/echo", "web", &echo.url()).yaml()]);
    let proxy = Connectors::start(&folder);
    let client = Client::new();
    let port = proxy.listen().port().to_string();
    let ran = client.run(
        &h2spec().to_string_lossy(),
        ["--strict", "--timeout=10", "--host=127.0.0.1", &format!("--port={port}"), "--path=/namespaces/team/connectors/echo/", "--junit-report=report.xml"],
    );
    let report = std::fs::read_to_string(client.home().join("report.xml")).unwrap();
    let (cases, failed) = read(&report);
    assert_eq!(cases, CASES, "{}", ran.stdout);
    let excepted: Vec<&str> = EXCEPTIONS.iter().map(|(case, _)| *case).collect();
    assert_eq!(failed, excepted, "{}", ran.stdout);
    assert!(echo.seen().is_empty());
    // It still serves, and nothing is left of all this.
    assert_eq!(proxy.get("team/echo", "/", "none").status(), 401);
    assert!(proxy.metrics().contains("connectors_proxy_active_requests 0"), "{}", proxy.metrics());
}

/// How many cases a JUnit report has, and which of them didn't pass.
fn read(report: &str) -> (usize, Vec<String>) {
    let cases: Vec<&str> = report.split("<testcase ").skip(1).collect();
    let attribute = |case: &str, name: &str| case.split_once(&format!("{name}=\"")).and_then(|(_, rest)| Some(rest.split_once('"')?.0.to_owned())).unwrap();
    // One that passes has nothing in it.
    let failed = cases.iter().filter(|case| !case.lines().next().unwrap_or_default().ends_with("></testcase>"));
    (cases.len(), failed.map(|case| format!("{}: {}", attribute(case, "package"), attribute(case, "classname"))).collect())
}
