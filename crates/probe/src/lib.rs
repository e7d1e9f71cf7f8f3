//! Probes: asking tools whether they are there and whether they take a credential, again and again.
//!
//! What to ask and what an answer means is [`connectors_crd::probing`]'s; here are the sockets and the clock:
//!
//! * [`Prober`] sends one request and follows its redirects, on the dialer that the data path uses too, so that the same addresses are out of reach.
//!   What a class gives as headers is for the origin that they are sent to first, and for no other.
//! * [`follow`] keeps a [`Board`] of conditions up to date, on a thread of its own: everything is probed when it changes, and then again at
//!   intervals, with pauses that grow while it fails.

mod board;
mod exchange;
mod follow;
mod pace;
mod prober;
mod queue;
mod redirect;

pub use board::{Board, ClassRow, ConnectorRow, Counts, Rows};
pub use exchange::{Failure, Got, MAX_BODY_BYTES};
pub use follow::{Following, Settings, follow};
pub use pace::{Failures, Pace};
pub use prober::{Api, MAX_REDIRECTS, Prober, Ran};
pub use redirect::{BadLocation, resolve_location};
