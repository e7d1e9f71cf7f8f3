//! Probes without sending anything: compiling them with their class, making requests of them, and judging answers.
//!
//! A probe is compiled once a change of its class, with everything that can be wrong with it found then. [`prepare`] makes of it, a
//! Connector and a Secret a [`Request`], and [`Request::judge`] makes of the answer an [`Outcome`], from which
//! [`conditions`](crate::conditions) follow. Whoever has sockets and a clock does the rest.

mod compile;
mod data;
mod outcome;
mod prepare;
mod text;

pub(crate) use compile::{Probes, probe};
pub use outcome::{Answer, Outcome, Probed, Verdict};
pub use prepare::{Headers, Request, Role, prepare};

#[cfg(test)]
mod tests;
