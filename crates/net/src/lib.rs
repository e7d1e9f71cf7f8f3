//! Listeners, TLS, the interception CA, the dialer with its address guard, pools, drain.
//!
//! Everything that touches a socket before HTTP does. Three rules hold here and nowhere else:
//!
//! * Only [`Dialer`] resolves names and opens connections, and it connects to the very address that [`Guard`] has let through.
//! * What was connected under one [`TrustRoots`](connectors_core::TrustRoots) or for one [`Reach`] serves no other: see [`PoolKey`] and [`ClientTls`].
//! * Without a usable CA there is an error and no certificate; nothing here passes bytes through unread.
//!
//! Listeners, the CA, TLS configurations, names and the [`ConnectionLimit`] are shared by all cores; a [`Pool`] belongs to one.

mod alpn;
mod authority;
mod cidr;
mod class;
mod dial;
mod drain;
mod guard;
mod intercept;
mod listen;
mod moment;
mod names;
mod pool;
mod recent;
mod splice;
mod stream;
#[cfg(test)]
mod testing;
mod tls;

pub use alpn::{Alpn, Protocol};
pub use authority::{Authority, AuthorityError, CaError, LeafError};
pub use cidr::{Cidr, CidrError};
pub use class::AddressClass;
pub use dial::{ConnectError, Connected, DialError, Dialer, Phase, Standing};
pub use drain::{Busy, Drain};
pub use guard::{AddressDenied, Guard, Reach};
pub use intercept::{InterceptError, intercept};
pub use listen::{ListenError, Listeners, accept, accept_rest};
pub use moment::Moment;
pub use names::{Resolve, Resolving, SystemResolver};
pub use pool::{ByKey, Claim, ConnectionLimit, Lease, Pool, PoolKey, Pooled, Reservation};
pub use rustls::{ClientConfig, ServerConfig};
pub use splice::{Pipe, Pipes, SpliceError};
pub use stream::{Rewind, Stream};
pub use tls::{ClientTls, TlsError};
