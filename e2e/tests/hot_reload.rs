//! A Secret that changes under load is in force within a second, and no request fails for it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests")]

use std::time::{Duration, Instant};

use connectors_e2e::{Connector, Connectors, Echo, Folder, Load, basic, basic_class, basic_secret, grant, service_account, unique, wait_for};

const CONNECTIONS: usize = 64;
const ROTATIONS: usize = 100;
/// How long a value may be used after another has taken its place.
const IN_FORCE_WITHIN: Duration = Duration::from_secs(1);
/// Between two changes, so that some are nearer to each other than a reload takes, and the whole is over in seconds.
const PACE: Duration = Duration::from_millis(75);

#[test]
fn a_secret_rotated_a_hundred_times_under_load() {
    let echo = Echo::revealing();
    let folder = Folder::new().with(&[
        basic_class("web"),
        Connector::new("team/echo", "web", &echo.url()).auth("basicAuth", "echo").yaml(),
        service_account("team/builder"),
        grant("team/builder", "team/echo"),
    ]);
    let passwords: Vec<String> = (0..=ROTATIONS).map(|number| unique(&number.to_string())).collect();
    let expected: Vec<String> = passwords.iter().map(|password| basic("bot", password)).collect();
    let set = |number: usize| folder.write("secret.yaml", &basic_secret("team/echo", "bot", &passwords[number]));
    set(0);
    let proxy = Connectors::start(&folder);
    let token = proxy.token("team/builder");
    let request = format!("GET /namespaces/team/connectors/echo/ HTTP/1.1\r\nHost: proxy\r\nAuthorization: Bearer {token}\r\n\r\n");

    let began = Instant::now();
    let load = Load::start(proxy.listen(), CONNECTIONS, &request);
    // When each value was surely not there yet, and when it surely was.
    let mut written = vec![(began, began)];
    for number in 1..=ROTATIONS {
        wait_for("the next rotation", || (began.elapsed() >= PACE * u32::try_from(number).unwrap()).then_some(()));
        let before = Instant::now();
        set(number);
        written.push((before, Instant::now()));
    }
    wait_for("the last value", || (proxy.get("team/echo", "/", &token).text() == expected[ROTATIONS]).then_some(()));
    let samples = load.stop();

    let mut seen = vec![0; expected.len()];
    for sample in &samples {
        let answer = sample.outcome.as_ref().unwrap_or_else(|error| panic!("a request failed: {error}\n{}", proxy.errors()));
        assert_eq!(answer.status(), 200, "{}{}", answer.head, answer.text());
        let value = answer.text();
        let number = expected.iter().position(|expected| *expected == value).unwrap_or_else(|| panic!("the tool saw {value}"));
        seen[number] += 1;
        assert!(written[number].0 <= sample.answered, "value {number} was seen before it was written");
        if let Some((_, replaced)) = written.get(number + 1) {
            let late = sample.sent.saturating_duration_since(*replaced);
            assert!(late <= IN_FORCE_WITHIN, "value {number} was used {late:?} after it was replaced");
        }
    }
    let (total, values) = (samples.len(), seen.iter().filter(|count| **count > 0).count());
    println!("{total} requests, {values} of {} values seen", expected.len());
    assert!(total > CONNECTIONS * 10, "only {total} requests");
    // A reload may skip a value that was replaced at once; most are seen.
    assert!(values > ROTATIONS / 4, "only {values} values were seen");
}

#[test]
fn rights_are_withdrawn_within_a_second() {
    let echo = Echo::start();
    let folder = Folder::new().with(&[
        basic_class("web"),
        Connector::new("team/echo", "web", &echo.url()).auth("basicAuth", "echo").yaml(),
        basic_secret("team/echo", "bot", &unique("password")),
        service_account("team/builder"),
    ]);
    folder.write("rights.yaml", &grant("team/builder", "team/echo"));
    let proxy = Connectors::start(&folder);
    let token = proxy.token("team/builder");
    for _ in 0..3 {
        assert_eq!(proxy.get("team/echo", "/", &token).status(), 200);
        folder.remove("rights.yaml");
        let removed = Instant::now();
        proxy.wait_for_status("team/echo", "/", &token, 403);
        assert!(removed.elapsed() <= IN_FORCE_WITHIN, "after {:?}", removed.elapsed());
        folder.write("rights.yaml", &grant("team/builder", "team/echo"));
        proxy.wait_for_status("team/echo", "/", &token, 200);
    }
}

#[test]
fn a_removed_service_account_is_nobody_within_a_second() {
    let echo = Echo::start();
    let folder = Folder::new().with(&[basic_class("web"), Connector::new("team/echo", "web", &echo.url()).yaml(), grant("team/builder", "team/echo")]);
    folder.write("account.yaml", &service_account("team/builder"));
    let proxy = Connectors::start(&folder);
    let token = proxy.token("team/builder");
    assert_eq!(proxy.get("team/echo", "/", &token).status(), 200);
    folder.remove("account.yaml");
    let removed = Instant::now();
    proxy.wait_for_status("team/echo", "/", &token, 401);
    assert!(removed.elapsed() <= IN_FORCE_WITHIN, "after {:?}", removed.elapsed());
}

#[test]
fn what_a_broken_file_held_stays_in_force() {
    let echo = Echo::start();
    let folder = Folder::new().with(&[
        basic_class("web"),
        basic_secret("team/echo", "bot", &unique("password")),
        service_account("team/builder"),
        grant("team/builder", "team/echo"),
    ]);
    let connector = Connector::new("team/echo", "web", &echo.url()).auth("basicAuth", "echo").yaml();
    folder.write("connector.yaml", &connector);
    let proxy = Connectors::start(&folder);
    let token = proxy.token("team/builder");
    folder.write("connector.yaml", &connector.replace("spec:", "spec: [broken"));
    wait_for("the report", || proxy.errors().contains("connector.yaml line=").then_some(()));
    assert_eq!(proxy.get("team/echo", "/", &token).status(), 200);
    // Mended, with a change.
    folder.write("connector.yaml", &connector.replace(&echo.url(), &format!("{}/moved", echo.url())));
    wait_for("the change", || {
        proxy.get("team/echo", "/x", &token);
        echo.seen().last().filter(|seen| seen.request_line().1 == "/moved/x").map(|_| ())
    });
}
