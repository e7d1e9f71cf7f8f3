//! What must hold for any input at all, as one function a target: `check(data)` panics where it doesn't.
//!
//! The programs in `fuzz_targets` hand these functions to libFuzzer (`cargo xtask fuzz`), and the test `seeds` hands them every file in
//! `seeds/TARGET`. Each compares the code with a second reader: a naive one of its own, or a crate that others rely on.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a check fails where this fails")]

pub mod chunked_body;
pub mod host_and_path;
pub mod mapping;
pub mod probe_location;
pub mod proxy_authorization;
pub mod request_head;
pub mod response_head;
pub mod target;
pub mod template_text;
pub mod template_values;

mod heads;
mod input;
mod paths;
mod templates;

/// A target's name, and what it checks.
pub type Target = (&'static str, fn(&[u8]));

/// All of them. A target's seeds are in the folder `seeds` below this package, in one of its name.
pub const TARGETS: [Target; 10] = [
    ("chunked_body", chunked_body::check),
    ("host_and_path", host_and_path::check),
    ("mapping", mapping::check),
    ("probe_location", probe_location::check),
    ("proxy_authorization", proxy_authorization::check),
    ("request_head", request_head::check),
    ("response_head", response_head::check),
    ("target", target::check),
    ("template_text", template_text::check),
    ("template_values", template_values::check),
];

/// Tries the files named on the command line, so that what a fuzzer found can be looked at with a debugger.
///
/// # Errors
/// A file that can't be read.
pub fn try_files(check: fn(&[u8])) -> std::io::Result<()> {
    std::env::args_os().skip(1).try_for_each(|file| {
        check(&std::fs::read(file)?);
        Ok(())
    })
}
