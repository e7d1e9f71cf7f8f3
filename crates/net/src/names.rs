//! Names to addresses, remembered for some seconds (docs/adr/0005-names.md).

use std::future::Future;
use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{OnceCell, Semaphore};

use crate::Reach;
use crate::recent::Recent;

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
    /// The addresses of `name`, the preferred first. `reach` says who chose the name: look-ups for one mustn't hold up those for the other.
    fn resolve<'a>(&'a self, name: &'a str, reach: Reach) -> Resolving<'a>;
}

impl<R: Resolve + ?Sized> Resolve for Box<R> {
    fn resolve<'a>(&'a self, name: &'a str, reach: Reach) -> Resolving<'a> {
        (**self).resolve(name, reach)
    }
}

/// What [`Resolve::resolve`] returns.
pub type Resolving<'a> = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send + 'a>>;

/// As the system resolves (getaddrinfo): with its nsswitch.conf, hosts file, search domains and order of addresses (RFC 6724), all as they are at that moment.
/// At most 32 look-ups run at the same time for each [`Reach`]; others wait.
#[derive(Debug)]
pub struct SystemResolver {
    target: Arc<Semaphore>,
    elsewhere: Arc<Semaphore>,
}

/// What is known of a name.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    /// At least one, or why there is none.
    pub(crate) addresses: Result<Arc<[IpAddr]>, Arc<io::Error>>,
    /// From here on it has to be asked for again.
    pub(crate) until: Instant,
}

/// The answers of a resolver, shared by all cores. Whoever asks for a name while it is being looked up waits for the same look-up.
#[derive(Clone)]
pub(crate) struct Names(Arc<Inner>);

struct Inner {
    resolver: Box<dyn Resolve>,
    /// Names that Connectors lead to.
    target: Mutex<Known>,
    /// Names that callers chose. Apart, so that they can't push the others out.
    elsewhere: Mutex<Known>,
}

type Known = Recent<Arc<str>, Arc<OnceCell<Answer>>>;

impl Default for SystemResolver {
    fn default() -> Self {
        let lookups = || Arc::new(Semaphore::new(MAX_LOOKUPS));
        Self { target: lookups(), elsewhere: lookups() }
    }
}

impl Resolve for SystemResolver {
    fn resolve<'a>(&'a self, name: &'a str, reach: Reach) -> Resolving<'a> {
        let lookups = match reach {
            Reach::Target => &self.target,
            Reach::Elsewhere => &self.elsewhere,
        };
        Box::pin(async move {
            let lookup = lookups.clone().acquire_owned().await.map_err(io::Error::other)?;
            let name = name.to_owned();
            let found = tokio::task::spawn_blocking(move || {
                // Kept until the thread is free, even if nobody waits for it any more.
                let _lookup = lookup;
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
        let known = || Mutex::new(Recent::new(MAX_NAMES));
        Self(Arc::new(Inner { resolver: Box::new(resolver), target: known(), elsewhere: known() }))
    }

    /// What is known of `name` at `now`, or what there is to know. Dropping the future calls nothing off: the answer will be there for who comes next.
    pub(crate) async fn look_up(&self, name: &Arc<str>, reach: Reach, now: Instant) -> Answer {
        let (cell, is_new) = self.0.cell(name, reach, now);
        if is_new {
            let (inner, name, cell) = (self.0.clone(), name.clone(), cell.clone());
            let looking = tokio::spawn(async move {
                inner.fill(&cell, &name, reach).await;
            });
            // Fails if the runtime of this core shuts down, or with a panic in the resolver.
            let _ = looking.await;
        }
        // Waits for whoever is looking, and looks if that one is gone.
        self.0.fill(&cell, name, reach).await.clone()
    }
}

impl Inner {
    /// Where the answer is, or will be; and whether somebody has to look.
    fn cell(&self, name: &Arc<str>, reach: Reach, now: Instant) -> (Arc<OnceCell<Answer>>, bool) {
        let known = match reach {
            Reach::Target => &self.target,
            Reach::Elsewhere => &self.elsewhere,
        };
        let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(cell) = known.get(&**name)
            && cell.get().is_none_or(|answer| now < answer.until)
        {
            return (cell.clone(), false);
        }
        let cell = Arc::<OnceCell<Answer>>::default();
        known.insert(name.clone(), cell.clone());
        (cell, true)
    }

    async fn fill<'c>(&self, cell: &'c OnceCell<Answer>, name: &str, reach: Reach) -> &'c Answer {
        let look = async || {
            let (addresses, counts) = match self.resolver.resolve(name, reach).await {
                Ok(addresses) if addresses.is_empty() => (Err(io::Error::new(io::ErrorKind::NotFound, "the name has no addresses")), FAILURE_COUNTS),
                Ok(addresses) => (Ok(addresses.into()), ANSWER_COUNTS),
                Err(error) => (Err(error), FAILURE_COUNTS),
            };
            Answer { addresses: addresses.map_err(Arc::new), until: Instant::now() + counts }
        };
        cell.get_or_init(look).await
    }
}

#[cfg(test)]
mod tests;
