//! The data path: one HTTP request from accept to access record.
//!
//! A request goes through the files in this order, and [`serve`](mod@serve)'s `handle` reads like the list:
//! `serve` (a head from the connection) → `target` (where to) → `identify` (who) → `connectors_core::authorize` (whether) →
//! `connectors_credentials` (with what) → `inject` (the request as the tool gets it) → `forward`, `upstream` and `body` (both ways) →
//! `answer` and `mapping` (the answer as the caller gets it) → `observe`. CONNECT takes the side door `intercept` and comes back in.
//! `reject` is the only map from errors to HTTP.
//!
//! This crate cannot name kube: it knows Kubernetes only as an [`Authenticator`](connectors_core::Authenticator), an
//! [`Authorizer`](connectors_core::Authorizer) and a source of snapshots.

mod answer;
mod body;
mod client;
mod connection;
mod forward;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod http2;
mod identify;
mod inject;
mod intercept;
mod mapping;
mod observe;
mod reject;
mod rewrite;
mod run;
mod scratch;
mod serve;
mod settings;
mod target;
mod trace;
mod upstream;
mod watchdog;
mod wire;
mod worker;

pub use identify::NO_CREDENTIALS;
pub use observe::Observer;
pub use run::{Running, StartError, start};
pub use settings::{MAX_CONNECTIONS_PER_UPSTREAM, MAX_REGO_BODY_BYTES, NonTarget, Settings};
pub use worker::Shared;
