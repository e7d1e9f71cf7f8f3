//! Idle connections to tools, of one core.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use connectors_core::{Origin, TrustRoots};

use crate::Reach;

/// What an idle connection is good for. It serves requests of an equal key and no others: who answered was verified under these CAs, at an
/// address that was allowed for this reason.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PoolKey {
    /// Where it leads.
    pub origin: Origin,
    /// The CAs that vouch for the peer.
    pub trust: TrustRoots,
    /// Why it was dialled.
    pub reach: Reach,
}

/// Bounds of a pool.
#[derive(Debug, Clone, Copy)]
struct Limits {
    /// How long a connection may wait. Below the 2 minutes and more that most servers grant, so that it is usually us who closes.
    idle: Duration,
    /// Connections of one key.
    per_key: usize,
    /// Connections in all.
    total: usize,
}

const LIMITS: Limits = Limits { idle: Duration::from_secs(90), per_key: 64, total: 1024 };

/// Idle connections by key. Taking one makes no allocation; dropping the pool closes them all.
#[derive(Debug)]
pub struct Pool<T> {
    idle: HashMap<PoolKey, VecDeque<Idle<T>>>,
    /// Over all keys.
    count: usize,
    limits: Limits,
}

#[derive(Debug)]
struct Idle<T> {
    connection: T,
    since: Instant,
}

impl<T> Default for Pool<T> {
    fn default() -> Self {
        Self::with_limits(LIMITS)
    }
}

impl<T> Pool<T> {
    fn with_limits(limits: Limits) -> Self {
        Self { idle: HashMap::new(), count: 0, limits }
    }

    /// The connection that waited shortest, as it is the likeliest to live. Whether it does is for the caller to see ([`Stream::is_stale`](crate::Stream::is_stale)).
    pub fn take(&mut self, key: &PoolKey) -> Option<T> {
        self.take_at(key, Instant::now())
    }

    /// Keeps a connection on which nothing is expected. Where there are too many, the one that waited longest is closed: 64 for each key, 1024 in all.
    pub fn put(&mut self, key: PoolKey, connection: T) {
        self.put_at(key, connection, Instant::now());
    }

    /// Closes what has waited for 90 seconds. To be called every few seconds.
    pub fn sweep(&mut self, now: Instant) {
        let Limits { idle, .. } = self.limits;
        let mut count = 0;
        self.idle.retain(|_, waiting| {
            waiting.retain(|one| now.saturating_duration_since(one.since) < idle);
            count += waiting.len();
            !waiting.is_empty()
        });
        self.count = count;
    }

    fn take_at(&mut self, key: &PoolKey, now: Instant) -> Option<T> {
        let waiting = self.idle.get_mut(key)?;
        let newest = waiting.pop_back()?;
        self.count -= 1;
        if now.saturating_duration_since(newest.since) >= self.limits.idle {
            // The others have waited longer still.
            self.count -= waiting.len();
            waiting.clear();
            return None;
        }
        Some(newest.connection)
    }

    fn put_at(&mut self, key: PoolKey, connection: T, now: Instant) {
        if self.count >= self.limits.total {
            self.close_oldest();
        }
        let waiting = self.idle.entry(key).or_default();
        if waiting.len() >= self.limits.per_key {
            waiting.pop_front();
            self.count -= 1;
        }
        waiting.push_back(Idle { connection, since: now });
        self.count += 1;
    }

    /// Looks through all keys, which happens only while the pool is full.
    fn close_oldest(&mut self) {
        let oldest = self.idle.values_mut().filter(|waiting| !waiting.is_empty()).min_by_key(|waiting| waiting.front().map(|one| one.since));
        if oldest.and_then(VecDeque::pop_front).is_some() {
            self.count -= 1;
        }
        // Keys without connections would pile up here, as each of them can be a new host.
        self.idle.retain(|_, waiting| !waiting.is_empty());
    }
}

#[cfg(test)]
mod tests {
    use connectors_core::{Host, Scheme};

    use super::*;

    fn key(host: &str, ca: Option<u8>, reach: Reach) -> PoolKey {
        let origin = Origin::new(Scheme::Https, Host::parse(host).unwrap(), None);
        PoolKey { origin, trust: TrustRoots::new(ca.map(|byte| vec![byte].into_boxed_slice()).into_iter().collect()), reach }
    }

    fn target(host: &str) -> PoolKey {
        key(host, None, Reach::Target)
    }

    #[test]
    fn a_connection_serves_only_the_key_it_was_made_for() {
        let made_for = key("a.example", Some(1), Reach::Target);
        let mut pool = Pool::default();
        pool.put(made_for.clone(), "connection");
        for other in [
            key("b.example", Some(1), Reach::Target),
            key("a.example", Some(2), Reach::Target),
            key("a.example", None, Reach::Target),
            key("a.example", Some(1), Reach::Elsewhere),
            PoolKey { origin: Origin::new(Scheme::Http, Host::parse("a.example").unwrap(), Some(443)), ..made_for.clone() },
            PoolKey { origin: Origin::new(Scheme::Https, Host::parse("a.example").unwrap(), Some(8443)), ..made_for.clone() },
        ] {
            assert_eq!(pool.take(&other), None, "{other:?}");
        }
        assert_eq!(pool.take(&made_for), Some("connection"));
        assert_eq!(pool.take(&made_for), None);
    }

    #[test]
    fn the_newest_is_taken_first() {
        let mut pool = Pool::default();
        for connection in 1..=3 {
            pool.put(target("a.example"), connection);
        }
        assert_eq!([(); 4].map(|()| pool.take(&target("a.example"))), [Some(3), Some(2), Some(1), None]);
    }

    #[test]
    fn p28_what_waited_too_long_is_closed() {
        let start = Instant::now();
        let late = start + LIMITS.idle;
        let mut pool = Pool::default();
        pool.put_at(target("a.example"), 1, start);
        pool.put_at(target("a.example"), 2, start + Duration::from_secs(1));
        pool.put_at(target("b.example"), 3, start);
        pool.sweep(late - Duration::from_millis(1));
        assert_eq!(pool.count, 3);
        pool.sweep(late);
        assert_eq!((pool.count, pool.idle.len()), (1, 1));
        // And isn't given out, should the sweep be late.
        assert_eq!(pool.take_at(&target("a.example"), late + Duration::from_secs(1)), None);
        assert_eq!(pool.count, 0);
    }

    #[test]
    fn p28_each_key_and_the_whole_are_bounded() {
        let start = Instant::now();
        let limits = Limits { per_key: 2, total: 5, ..LIMITS };
        let mut pool = Pool::with_limits(limits);
        for second in 0..4 {
            pool.put_at(target("a.example"), second, start + Duration::from_secs(second));
        }
        assert_eq!(pool.count, 2);
        for second in 4..100 {
            pool.put_at(target(&format!("host-{second}.example")), second, start + Duration::from_secs(second));
            assert!(pool.count <= limits.total && pool.idle.len() <= limits.total);
        }
        assert_eq!(pool.take_at(&target("a.example"), start), None);
        assert_eq!(pool.take_at(&target("host-99.example"), start), Some(99));
        assert_eq!(pool.count, 4);
    }
}
