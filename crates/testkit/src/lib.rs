//! For tests only: a proxy in this process, tools that say what reached them, raw clients, and a search for canaries.
//!
//! ```no_run
//! # use connectors_testkit::{Proxy, Tool};
//! let tool = Tool::echo();
//! let proxy = Proxy::build().basic("team/git", &tool.url(), "bot", "pw").allow("builder", "team/git").start();
//! let answer = proxy.client().send("GET /namespaces/team/connectors/git/x HTTP/1.1\r\nHost: p\r\nAuthorization: Bearer canary-token-of-builder\r\n\r\n");
//! assert_eq!(answer.status, 200);
//! ```
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a harness fails the test it serves")]

mod canary;
mod client;
pub mod http2;
mod proxy;
mod tls;
mod tool;
mod wire;

pub use canary::{Captured, assert_absent};
pub use client::{Answer, Client};
pub use http2::{Http2Client, Http2Tool};
pub use proxy::{Builder, Proxy, proxy_authorization, token};
pub use tls::{TestCa, client_stream};
pub use tool::{Seen, Tool};
pub use wire::{Wire, nothing_comes, read_head};

/// How long a test waits for a state before it fails.
pub const DEADLINE: std::time::Duration = std::time::Duration::from_secs(10);

/// Waits until `state` holds, looking often, and fails with `what` after [`DEADLINE`].
#[track_caller]
pub fn wait_for(what: &str, mut state: impl FnMut() -> bool) {
    let end = std::time::Instant::now() + DEADLINE;
    while !state() {
        assert!(std::time::Instant::now() < end, "waited in vain for: {what}");
        std::thread::park_timeout(std::time::Duration::from_millis(2));
    }
}

/// Bytes that differ everywhere.
pub fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|n| (n % 251) as u8 ^ (n / 251 % 256) as u8).collect()
}
