//! Nouns and decisions: what a Connector is, who calls, and whether they may.
//!
//! Nothing here does I/O, needs a runtime or reads a clock, so every rule can be tested as a function. The data path
//! reads one immutable [`Snapshot`]; [`authorize`] is the only place that makes a [`Permit`], and whatever puts a
//! credential on a request takes a `Permit`.

mod address;
mod authorize;
mod caller;
mod causes;
mod connector;
mod fingerprint;
mod flags;
mod in_flight;
mod name;
mod origin;
mod path;
mod rule;
mod secret;
mod snapshot;
mod trust;

pub use address::{Address, AddressError};
pub use authorize::{
    Aim, Aimed, Answer, Authenticator, Authorizer, Denied, Granted, Identity, Passage, Permit, Unauthenticated, Undecided, authorize, authorize_connect,
};
pub use caller::{Caller, Pod, ServiceAccount};
pub use causes::with_causes;
pub use connector::{Connector, Credential, InjectedHeader, InjectedParameter, Injection, Resolver, Unready};
pub use flags::{Flags, UnknownFlag};
pub use in_flight::{Entered, InFlight};
pub use name::{ConnectorRef, NameError};
pub use origin::{Host, HostError, HostRef, Origin, Scheme};
pub use path::{PathError, PathPrefix, RequestPath};
pub use rule::{BodyFields, BodyFormat, Extract, Generate, Generated, Headers, RequestView, RuleError};
pub use secret::{SecretRef, SecretValue};
pub use snapshot::Snapshot;
pub use trust::TrustRoots;
