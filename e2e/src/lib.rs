//! Real tools and real clients, through the real binary.
//!
//! A test here starts a tool ([`GitServer`], [`Gitea`], [`Kubernetes`], [`Echo`], [`LoadTool`]) and the proxy ([`Connectors`]) on free ports of the loopback interface,
//! runs a real client in an empty home ([`Client`]), and asks the tool which credential it saw. Whatever a test started ends with it.
//! `cargo xtask tools` installs the programs; `cargo xtask test` runs all.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a harness fails the test it serves")]

mod canary;
mod certificates;
mod client;
mod connectors;
mod echo;
mod gitea;
mod http;
mod kubernetes;
mod load;
mod load_tool;
mod manifests;
mod nginx;
mod process;
pub mod streams;
mod usage;
mod wait;

pub use canary::{Canaries, unique};
pub use certificates::TestCa;
pub use client::{Client, Ran, go_rules, go_templates, h2spec, maven_repository, python};
pub use connectors::{Connectors, binary, command, run};
pub use echo::Echo;
pub use gitea::{Gitea, GiteaRequest};
pub use http::{Connection, Message, exchange, get};
pub use kubernetes::{Kubernetes, kubectl};
pub use load::{Load, Sample};
pub use load_tool::LoadTool;
pub use manifests::{Connector, Folder, basic_class, basic_secret, bearer_class, bearer_secret, ca_secret, flags, grant, service_account};
pub use nginx::{GitServer, SeenRequest, commit_random, random_bytes};
pub use process::{Process, start_on_free_port};
pub use usage::{allow_open_files, memory, open_files};
pub use wait::{DEADLINE, wait_at_most, wait_for};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The value of an `Authorization` header, scheme Basic (RFC 7617).
pub fn basic(username: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{username}:{password}")))
}
