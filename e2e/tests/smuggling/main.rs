//! Request smuggling: thousands of ambiguous messages through the proxy to real servers, and answers of a server that lies.
//!
//! Whatever a message is taken for, by the proxy and by the server behind: the server sees the requests that the proxy says that it forwarded, each
//! with the credential that the proxy puts on, and nothing else; and who asks next gets the answer to what it asked.
//!
//! `SMUGGLING=family` or `SMUGGLING=family/number` runs only those messages or answers, `SMUGGLING_SEED=number` makes other ones where chance decides.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

mod answers;
mod backends;
#[path = "../../../crates/http1/tests/cases/mod.rs"]
mod cases;
mod frames;
mod framing;
mod generate;
mod h2;
mod heads;
mod liar;
mod message;
mod run;

use backends::Backend;

/// Any would do; this one is always the same.
const SEED: u64 = 4;

fn check(backend: &Backend) {
    let seed = std::env::var("SMUGGLING_SEED").map_or(SEED, |seed| seed.parse().expect("SMUGGLING_SEED is a number"));
    let messages = generate::all(seed);
    let (wanted, others): (Vec<_>, Vec<_>) = messages.into_iter().partition(|message| run::is_wanted(&message.name));
    let seen = run::run(backend, &wanted);
    // Else the proxy refuses everything, and nothing is shown.
    assert!(seen > 1000 || !others.is_empty(), "the server saw only {seen} requests");
}

#[test]
fn p07_nginx_sees_what_the_proxy_forwarded() {
    check(&Backend::nginx());
}

#[test]
fn p07_apache_sees_what_the_proxy_forwarded() {
    check(&Backend::apache(false));
}

#[test]
fn p07_a_lenient_apache_sees_what_the_proxy_forwarded() {
    check(&Backend::apache(true));
}

#[test]
fn p07_node_sees_what_the_proxy_forwarded() {
    check(&Backend::node(false));
}

#[test]
fn p07_a_lenient_node_sees_what_the_proxy_forwarded() {
    check(&Backend::node(true));
}

#[test]
fn p07_gunicorn_sees_what_the_proxy_forwarded() {
    check(&Backend::gunicorn());
}

#[test]
fn p07_a_naive_server_sees_what_the_proxy_forwarded() {
    check(&Backend::naive());
}

#[test]
fn the_messages_are_thousands_and_always_the_same() {
    let (one, two) = (generate::all(SEED), generate::all(SEED));
    assert!(one.len() > 3000, "{}", one.len());
    assert!(one.iter().zip(&two).all(|(one, two)| (&one.name, &one.template) == (&two.name, &two.template)));
}
