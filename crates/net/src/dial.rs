//! Connections to tools: resolve, check, connect, TLS. The only place that resolves names and opens connections.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use connectors_core::{Host, Origin, Scheme, TrustRoots};
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use crate::guard::is_localhost;
use crate::names::{FAILURE_COUNTS, Names};
use crate::{AddressDenied, Alpn, ClientTls, Guard, Moment, Protocol, Reach, Resolve, Stream, SystemResolver, TlsError, tls};

/// How long an attempt may be undecided before the next address is tried beside it (RFC 8305 §5).
const STAGGER: Duration = Duration::from_millis(250);
/// Addresses of one name that are tried. A name with more is no tool's, and each attempt is a packet that the name's owner makes us send.
const MAX_ADDRESSES: usize = 8;
/// When a connection is silent for a minute the kernel asks whether the peer lives, four times within another minute.
const KEEPALIVE: TcpKeepalive = TcpKeepalive::new().with_time(Duration::from_secs(60)).with_interval(Duration::from_secs(15)).with_retries(4);
/// How long a connection whose address can't be confirmed is still used. Longer than a name server needs to be started again, which shouldn't break
/// connections that work; a name that was taken away leads nowhere after this time.
const UNCONFIRMED: Duration = Duration::from_secs(60);
/// How long confirming may hold a request up that has a connection at hand. A name server nearby takes a few milliseconds; of one that takes longer
/// the answer is there for a later request.
const CONFIRM_WITHIN: Duration = Duration::from_millis(100);
/// What `localhost` means (RFC 6761 §6.3).
const LOOPBACK: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];

/// Opens connections to tools. Cloning gives another handle to the same.
#[derive(Clone)]
pub struct Dialer(Arc<Inner>);

struct Inner {
    guard: Guard,
    tls: ClientTls,
    within: Duration,
    names: Names,
}

/// A new connection.
#[derive(Debug)]
pub struct Connected {
    /// After the TLS handshake, if the scheme is https.
    pub stream: Stream,
    /// The address that was checked and dialled.
    pub peer: SocketAddr,
    /// What is spoken on it; HTTP/2 only if it was offered.
    pub protocol: Protocol,
    /// For how long `peer` is known to be an address of the origin's host.
    pub standing: Standing,
}

/// When the address of a connection was last found among those of its host, and when it has to be looked for again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    confirmed: Moment,
    /// Never for an address literal or `localhost`.
    due: Option<Moment>,
}

/// Why there is no connection. The texts can name addresses of the operator's network, and are for the operator.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// The name has no address, or nobody who knows could be asked.
    #[error("the host name can't be resolved")]
    Resolve(#[source] Arc<io::Error>),
    /// None of the addresses may be reached.
    #[error("the address may not be reached")]
    Denied(#[source] AddressDenied),
    /// Nobody answers there.
    #[error("no connection can be made")]
    Connect(#[source] ConnectError),
    /// The peer isn't who it should be, or doesn't speak TLS as we do.
    #[error("there is no TLS connection")]
    Tls(#[source] TlsError),
    /// All of it together took too long.
    #[error("{0} took longer than the connect timeout allows")]
    Timeout(Phase),
    /// As many connections are open as may be, and within the connect timeout none came free ([`Pool::acquire`](crate::Pool::acquire)).
    #[error("all {0} connections that may be open to it (--max-connections-per-upstream) are in use, and none came free within the connect timeout")]
    Full(std::num::NonZeroUsize),
}

/// What the kernel said to the last address that was tried.
#[derive(Debug, thiserror::Error)]
#[error("connecting to {address}")]
pub struct ConnectError {
    /// The address.
    pub address: SocketAddr,
    /// The kernel's answer.
    pub source: io::Error,
}

/// A step of making a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// From the name to addresses.
    Resolve,
    /// TCP.
    Connect,
    /// The TLS handshake.
    Tls,
}

impl Dialer {
    /// A dialer that resolves as the system does. `within` bounds each connection: resolving, TCP and TLS together.
    pub fn new(guard: Guard, tls: ClientTls, within: Duration) -> Self {
        Self::with_resolver(guard, tls, within, SystemResolver)
    }

    /// A dialer that asks `resolver` for addresses.
    pub fn with_resolver(guard: Guard, tls: ClientTls, within: Duration, resolver: impl Resolve + 'static) -> Self {
        Self(Arc::new(Inner { guard, tls, within, names: Names::new(resolver) }))
    }

    /// The TLS configurations that it uses.
    pub fn tls(&self) -> &ClientTls {
        &self.0.tls
    }

    /// Connects to `origin`. For https, the certificate must be for the origin's host and come from the system's CAs or those in `trust`; `alpn` is offered.
    ///
    /// The guard sees every address, remembered or not, and what is dialled is an address that it has seen and let through. The addresses of a name are
    /// remembered for 5 seconds, that it has none for one. An address literal and `localhost` aren't resolved at all. Several addresses are tried in turn, families alternating, with a quarter of a second between them (RFC 8305).
    ///
    /// # Errors
    /// If every address is denied, none answers, the peer doesn't prove who it is, or the time is up.
    pub async fn connect(&self, origin: &Origin, trust: &TrustRoots, reach: Reach, alpn: Alpn) -> Result<Connected, DialError> {
        let deadline = Instant::now() + self.0.within;
        let config = match origin.scheme() {
            Scheme::Http => None,
            Scheme::Https => Some(self.0.tls.config(trust, alpn).map_err(DialError::Tls)?),
        };
        let (addresses, standing) = self.resolve(origin, reach, deadline).await?;
        let addresses = self.allowed(origin, &addresses, reach)?;
        let connecting = timeout_at(deadline, connect_any(addresses)).await;
        let (stream, peer) = connecting.map_err(|_| DialError::Timeout(Phase::Connect))?.map_err(DialError::Connect)?;
        let stream = match config {
            None => Stream::plain(stream),
            Some(config) => {
                let handshake = timeout_at(deadline, tls::handshake(config, origin.host(), stream)).await;
                handshake.map_err(|_| DialError::Timeout(Phase::Tls))?.map_err(DialError::Tls)?
            }
        };
        Ok(Connected { protocol: stream.protocol(), stream, peer, standing })
    }

    /// Whether a connection to `peer`, which was dialled for this origin and reach, may carry another request: whether the host still has that address.
    /// Looks only if [`Standing::is_due`], and then notes the outcome in `standing`.
    ///
    /// As long as nobody can say, or not within a tenth of a second, a connection is good for a minute from when its address was last found.
    pub async fn confirm(&self, origin: &Origin, reach: Reach, peer: SocketAddr, standing: &mut Standing) -> bool {
        let now = Moment::now();
        let Host::Name(name) = origin.host() else { return true };
        if !standing.is_due(now) {
            return true;
        }
        let answer = tokio::time::timeout(CONFIRM_WITHIN, self.0.names.look_up(name, reach, now)).await;
        match answer.map(|answer| (answer.addresses, answer.until)) {
            Ok((Ok(addresses), until)) => {
                *standing = Standing { confirmed: now, due: Some(until) };
                addresses.contains(&peer.ip())
            }
            Ok((Err(_), _)) | Err(_) => {
                standing.due = Some(now + FAILURE_COUNTS);
                now.since(standing.confirmed) < UNCONFIRMED
            }
        }
    }

    /// How long making a connection may take.
    pub(crate) fn within(&self) -> Duration {
        self.0.within
    }

    async fn resolve(&self, origin: &Origin, reach: Reach, deadline: Instant) -> Result<(Arc<[IpAddr]>, Standing), DialError> {
        let now = Moment::now();
        let (addresses, due): (Arc<[IpAddr]>, _) = match origin.host() {
            Host::Ip(ip) => (Arc::new([*ip]), None),
            Host::Name(name) if is_localhost(name) => (Arc::new(LOOPBACK), None),
            Host::Name(name) => {
                let resolving = timeout_at(deadline, self.0.names.look_up(name, reach, now)).await;
                let answer = resolving.map_err(|_| DialError::Timeout(Phase::Resolve))?;
                (answer.addresses.map_err(DialError::Resolve)?, Some(answer.until))
            }
        };
        Ok((addresses, Standing { confirmed: now, due }))
    }

    /// The addresses that the guard lets through, at least one.
    fn allowed(&self, origin: &Origin, addresses: &[IpAddr], reach: Reach) -> Result<Allowed, DialError> {
        let mut allowed = Vec::new();
        let mut denied = None;
        for ip in addresses {
            match self.0.guard.check(origin.host(), *ip, reach) {
                Ok(()) => allowed.push(SocketAddr::new(*ip, origin.port())),
                Err(why) => denied = denied.or(Some(why)),
            }
        }
        match (Allowed::new(allowed), denied) {
            (Some(allowed), _) => Ok(allowed),
            (None, Some(why)) => Err(DialError::Denied(why)),
            // A resolver that finds no address says so.
            (None, None) => Err(DialError::Resolve(Arc::new(io::ErrorKind::NotFound.into()))),
        }
    }
}

impl Standing {
    /// Confirmed in this moment, and due.
    #[cfg(test)]
    pub(crate) fn overdue() -> Self {
        let now = Moment::now();
        Self { confirmed: now, due: Some(now) }
    }

    /// Whether [`Dialer::confirm`] has to look.
    pub fn is_due(&self, now: Moment) -> bool {
        self.due.is_some_and(|due| now >= due)
    }
}

/// Addresses that the guard has let through, in the order in which they are tried. Nothing else can be connected to.
struct Allowed {
    first: SocketAddr,
    others: VecDeque<SocketAddr>,
}

impl Allowed {
    /// Alternates between the families, beginning with the preferred address, and leaves out what is too much.
    fn new(addresses: Vec<SocketAddr>) -> Option<Self> {
        let first = *addresses.first()?;
        let (same, other): (Vec<_>, Vec<_>) = addresses.into_iter().partition(|address| address.is_ipv4() == first.is_ipv4());
        let (mut same, mut other) = (same.into_iter().skip(1), other.into_iter());
        let mut others = VecDeque::new();
        while others.len() < MAX_ADDRESSES - 1 {
            let before = others.len();
            others.extend(other.next());
            others.extend(same.next());
            if others.len() == before {
                break;
            }
        }
        others.truncate(MAX_ADDRESSES - 1);
        Some(Self { first, others })
    }
}

/// The first connection that comes about; the other attempts end.
async fn connect_any(Allowed { first, mut others }: Allowed) -> Result<(TcpStream, SocketAddr), ConnectError> {
    if others.is_empty() {
        return connect_one(first).await.map(|stream| (stream, first));
    }
    let mut attempts = JoinSet::new();
    let attempt = |address| async move { connect_one(address).await.map(|stream| (stream, address)) };
    attempts.spawn(attempt(first));
    loop {
        let ended = match others.is_empty() {
            true => attempts.join_next().await,
            false => tokio::time::timeout(STAGGER, attempts.join_next()).await.unwrap_or(None),
        };
        let failed = match ended {
            Some(Ok(Ok(connected))) => return Ok(connected),
            Some(Ok(Err(error))) => Some(error),
            // Only a runtime that is shutting down cancels an attempt.
            Some(Err(error)) => Some(ConnectError { address: first, source: error.into() }),
            None => None,
        };
        match (others.pop_front(), failed) {
            (Some(next), _) => {
                attempts.spawn(attempt(next));
            }
            (None, Some(error)) if attempts.is_empty() => return Err(error),
            (None, _) => {}
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the place that connects, to an address that the guard has let through")]
async fn connect_one(address: SocketAddr) -> Result<TcpStream, ConnectError> {
    let connect = async {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        socket.set_nodelay(true)?;
        SockRef::from(&socket).set_tcp_keepalive(&KEEPALIVE)?;
        socket.connect(address).await
    };
    connect.await.map_err(|source| ConnectError { address, source })
}

impl fmt::Debug for Dialer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dialer").field("guard", &self.0.guard).field("within", &self.0.within).finish_non_exhaustive()
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Resolve => "resolving the host name",
            Self::Connect => "connecting",
            Self::Tls => "the TLS handshake",
        })
    }
}

#[cfg(test)]
mod tests;
