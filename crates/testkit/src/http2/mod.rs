//! HTTP/2 for tests: a client, a tool, and frames by hand.
//!
//! The `h2` crate speaks it, on a thread of its own; what tests call blocks, and fails after [`DEADLINE`].

mod client;
mod frames;
mod stream;
mod tool;

use std::future::Future;
use std::sync::OnceLock;

use tokio::runtime::Handle;

use crate::DEADLINE;

pub use client::Http2Client;
pub use frames::{Frame, PREFACE, RawHttp2, field_block, frame, kind, read_frame};
pub use stream::{Body, Call, Exchange};
pub use tool::Http2Tool;

/// The runtime that all connections live on.
fn runtime() -> &'static Handle {
    static RUNTIME: OnceLock<Handle> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let handle = runtime.handle().clone();
        std::thread::spawn(move || runtime.block_on(std::future::pending::<()>()));
        handle
    })
}

/// Waits for something of the other side's.
#[track_caller]
fn wait<T>(what: &str, future: impl Future<Output = T>) -> T {
    match runtime().block_on(async { tokio::time::timeout(DEADLINE, future).await }) {
        Ok(value) => value,
        Err(_) => panic!("waited in vain for: {what}"),
    }
}
