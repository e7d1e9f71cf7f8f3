//! Names to addresses, remembered for some seconds (docs/adr/0005-names.md).

use std::future::Future;
use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::recent::Recent;
use crate::{Moment, Reach};

/// How long an answer counts. The system's resolver doesn't tell a name's TTL, so this has to be short enough for any: names that move have 5 s
/// (CoreDNS for a cluster's Services and Pods, databases that fail over) to 60 s (load balancers). A name in constant use is so asked for 12 times a
/// minute and process, of a name server nearby that knows the answer.
pub(crate) const ANSWER_COUNTS: Duration = Duration::from_secs(5);
/// How long it counts that there was none. Holds back those who try again at once, and isn't noticed by whoever has just made the name.
pub(crate) const FAILURE_COUNTS: Duration = Duration::from_secs(1);
/// Names remembered at most, for each [`Reach`]. Each takes some 200 bytes.
const MAX_NAMES: usize = 4096;
/// Look-ups at the same time at most, for each [`Reach`]. Each takes a thread for as long as name servers are silent, which can be half a minute, and can't
/// be called off. A name server that answers takes a millisecond.
const MAX_LOOKUPS: usize = 32;

/// Turns names into addresses.
pub trait Resolve: Send + Sync {
    /// The addresses of `name`, the preferred first. At most 32 are asked for at the same time for each [`Reach`].
    fn resolve<'a>(&'a self, name: &'a str) -> Resolving<'a>;
}

impl<R: Resolve + ?Sized> Resolve for Box<R> {
    fn resolve<'a>(&'a self, name: &'a str) -> Resolving<'a> {
        (**self).resolve(name)
    }
}

/// What [`Resolve::resolve`] returns.
pub type Resolving<'a> = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send + 'a>>;

/// As the system resolves (getaddrinfo): with its nsswitch.conf, hosts file, search domains and order of addresses (RFC 6724), all as they are at that moment.
#[derive(Debug, Default)]
pub struct SystemResolver;

/// What is known of a name.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    /// At least one, or why there is none.
    pub(crate) addresses: Result<Arc<[IpAddr]>, Arc<io::Error>>,
    /// From here on it has to be asked for again.
    pub(crate) until: Moment,
}

/// The answers of a resolver, shared by all cores. Whoever asks for a name while it is being looked up waits for the same look-up.
#[derive(Clone)]
pub(crate) struct Names(Arc<Inner>);

struct Inner {
    resolver: Box<dyn Resolve>,
    /// Of names that Connectors lead to.
    target: Lookups,
    /// Of names that callers chose. Apart, so that they can't push the others out or take all look-ups.
    elsewhere: Lookups,
}

struct Lookups {
    known: Mutex<Recent<Arc<str>, Arc<Name>>>,
    /// How many more may run.
    free: Arc<Semaphore>,
}

/// One that is known, or being looked up.
#[derive(Default)]
struct Name {
    answer: OnceLock<Answer>,
    /// Held by who looks, from before the look-up has begun until its end.
    turn: Arc<tokio::sync::Mutex<()>>,
}

impl Resolve for SystemResolver {
    fn resolve<'a>(&'a self, name: &'a str) -> Resolving<'a> {
        Box::pin(async move {
            let name = name.to_owned();
            let found = tokio::task::spawn_blocking(move || {
                #[expect(clippy::disallowed_methods, reason = "this is the place that resolves")]
                (name.as_str(), 0).to_socket_addrs()
            });
            let mut addresses = Vec::new();
            for address in found.await.map_err(io::Error::from)?? {
                if !addresses.contains(&address.ip()) {
                    addresses.push(address.ip());
                }
            }
            Ok(addresses)
        })
    }
}

impl Names {
    pub(crate) fn new(resolver: impl Resolve + 'static) -> Self {
        let lookups = || Lookups { known: Mutex::new(Recent::new(MAX_NAMES)), free: Arc::new(Semaphore::new(MAX_LOOKUPS)) };
        Self(Arc::new(Inner { resolver: Box::new(resolver), target: lookups(), elsewhere: lookups() }))
    }

    /// What is known of `name` at `now`, or what there is to know. Dropping the future calls off what waits to begin, so that nothing waits for nobody; a look-up
    /// that has begun goes on, and its answer will be there for who comes next.
    pub(crate) async fn look_up(&self, name: &Arc<str>, reach: Reach, now: Moment) -> Answer {
        let lookups = match reach {
            Reach::Target | Reach::SameHost(_) => &self.0.target,
            Reach::Elsewhere => &self.0.elsewhere,
        };
        let known = lookups.name(name, now);
        loop {
            if let Some(answer) = known.answer.get() {
                return answer.clone();
            }
            let turn = known.turn.clone().lock_owned().await;
            if known.answer.get().is_some() {
                continue;
            }
            // Never closed.
            let free = lookups.free.clone().acquire_owned().await.ok();
            let (inner, name, known) = (self.0.clone(), name.clone(), known.clone());
            let looking = tokio::spawn(async move {
                // This is the only one to set it.
                let _ = known.answer.set(inner.ask(&name).await);
                drop((turn, free));
            });
            // Fails if the runtime of this core shuts down, or with a panic in the resolver.
            if let Err(error) = looking.await {
                return Answer::new(Err(error.into()));
            }
        }
    }
}

impl Lookups {
    /// Where the answer is, or will be.
    fn name(&self, name: &Arc<str>, now: Moment) -> Arc<Name> {
        let mut all = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = all.get(&**name)
            && known.answer.get().is_none_or(|answer| now < answer.until)
        {
            return known.clone();
        }
        let known = Arc::<Name>::default();
        all.insert(name.clone(), known.clone());
        known
    }
}

impl Inner {
    async fn ask(&self, name: &str) -> Answer {
        Answer::new(self.resolver.resolve(name).await)
    }
}

impl Answer {
    /// Counts from now on.
    fn new(found: io::Result<Vec<IpAddr>>) -> Self {
        let (addresses, counts) = match found {
            Ok(addresses) if addresses.is_empty() => (Err(io::Error::new(io::ErrorKind::NotFound, "the name has no addresses")), FAILURE_COUNTS),
            Ok(addresses) => (Ok(addresses.into()), ANSWER_COUNTS),
            Err(error) => (Err(error), FAILURE_COUNTS),
        };
        Self { addresses: addresses.map_err(Arc::new), until: Moment::now() + counts }
    }
}

#[cfg(test)]
mod tests;
