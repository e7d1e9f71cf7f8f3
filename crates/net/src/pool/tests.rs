use std::future::Future;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use connectors_core::{Origin, Scheme, TrustRoots};
use rustls::RootCertStore;
use tokio::io::AsyncReadExt as _;
use tokio::task::{AbortHandle, LocalSet};

use super::*;
use crate::testing::{DEADLINE, listen, origin, run};
use crate::{ClientTls, Guard, Reach, Resolve, Resolving, Stream};

/// A connection, which tests can make stale.
#[derive(Debug)]
struct Wire {
    _stream: Stream,
    stale: Cell<bool>,
    /// The tool's side of it knows it by this.
    port: u16,
}

impl From<Connected> for Wire {
    fn from(connected: Connected) -> Self {
        let port = connected.stream.local_port();
        Self { _stream: connected.stream, stale: Cell::new(false), port }
    }
}

impl Pooled for Wire {
    fn is_stale(&self) -> bool {
        self.stale.get()
    }
}

/// A tool that accepts connections, and a dialer to it.
struct Tool {
    origin: Origin,
    trust: TrustRoots,
    dialer: Dialer,
    accepting: AbortHandle,
}

impl Tool {
    async fn new() -> Self {
        Self::with(dialer(DEADLINE)).await
    }

    async fn with(dialer: Dialer) -> Self {
        let (listener, address) = listen("127.0.0.1:0").await;
        let accepting = tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                tokio::spawn(async move { stream.read(&mut [0]).await });
            }
        });
        Self { origin: origin(Scheme::Http, "127.0.0.1", address.port()), trust: TrustRoots::default(), dialer, accepting: accepting.abort_handle() }
    }

    fn key(&self) -> PoolKey<'_> {
        PoolKey { origin: &self.origin, trust: &self.trust, reach: Reach::Target }
    }

    fn acquire<'a>(&'a self, pool: &'a Pool<Wire>) -> Pin<Box<dyn Future<Output = Result<Lease<Wire>, DialError>> + 'a>> {
        Box::pin(pool.acquire(self.key(), &self.dialer, Alpn::Http1, Moment::now()))
    }

    async fn lease(&self, pool: &Pool<Wire>) -> Lease<Wire> {
        self.acquire(pool).await.unwrap()
    }

    fn places(&self, limit: &ConnectionLimit) -> Arc<Places> {
        limit.places(self.key())
    }
}

impl Drop for Tool {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

fn dialer(within: Duration) -> Dialer {
    Dialer::new(Guard::default(), ClientTls::with_system_roots(RootCertStore::empty()), within)
}

fn limit(most: usize) -> ConnectionLimit {
    ConnectionLimit::new(NonZeroUsize::new(most).unwrap())
}

/// Begins to wait. The deadline of a test ends it if it doesn't.
async fn begins_to_wait<T>(future: &mut Pin<Box<impl Future<Output = T> + ?Sized>>, places: &Places) {
    let before = places.waiting();
    while places.waiting() == before {
        assert!(poll_once(future).is_pending());
        tokio::task::yield_now().await;
    }
}

fn poll_once<T>(future: &mut Pin<Box<impl Future<Output = T> + ?Sized>>) -> Poll<T> {
    future.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn a_connection_serves_only_the_key_it_was_made_for() {
    run(async {
        let tool = Tool::new().await;
        let pool = Pool::new(&limit(10));
        let lease = tool.lease(&pool).await;
        let port = lease.port;
        lease.keep(Moment::now());
        let ca = TrustRoots::new(vec![Box::from(*b"CA")]);
        // Trust doesn't matter to plain connections, but keys don't know that.
        let localhost = origin(Scheme::Http, "localhost", tool.origin.port());
        for other in [PoolKey { trust: &ca, ..tool.key() }, PoolKey { origin: &localhost, ..tool.key() }] {
            let lease = pool.acquire(other, &tool.dialer, Alpn::Http1, Moment::now()).await.unwrap();
            assert!(!lease.reused() && lease.port != port, "{other:?}");
        }
        let elsewhere = pool.acquire(PoolKey { reach: Reach::Elsewhere, ..tool.key() }, &tool.dialer, Alpn::Http1, Moment::now()).await;
        assert!(matches!(elsewhere, Err(DialError::Denied(_))), "{elsewhere:?}");
        let https = origin(Scheme::Https, "127.0.0.1", tool.origin.port());
        assert_ne!(PoolKey { origin: &https, ..tool.key() }, tool.key());
        let lease = tool.lease(&pool).await;
        assert!(lease.reused() && lease.port == port);
    });
}

#[test]
fn the_newest_is_taken_first_and_what_is_stale_not_at_all() {
    run(async {
        let tool = Tool::new().await;
        let limit = limit(10);
        let pool = Pool::new(&limit);
        let leases = [tool.lease(&pool).await, tool.lease(&pool).await, tool.lease(&pool).await];
        let ports: Vec<_> = leases.iter().map(|lease| lease.port).collect();
        leases[1].stale.set(true);
        leases.into_iter().for_each(|lease| lease.keep(Moment::now()));
        assert_eq!(tool.places(&limit).open(), 3);
        let (first, second, third) = (tool.lease(&pool).await, tool.lease(&pool).await, tool.lease(&pool).await);
        assert_eq!([first.port, second.port], [ports[2], ports[0]]);
        assert!(first.reused() && second.reused() && !third.reused());
        // The stale one was closed.
        assert_eq!(tool.places(&limit).open(), 3);
        drop((first, second, third));
        assert_eq!(tool.places(&limit).open(), 0);
    });
}

#[test]
fn p28_what_waited_too_long_is_closed() {
    run(async {
        let tool = Tool::new().await;
        let limit = limit(10);
        let pool = Pool::new(&limit);
        let (one, two) = (tool.lease(&pool).await, tool.lease(&pool).await);
        let start = Moment::now();
        one.seat.give(one.open, start);
        two.seat.give(two.open, start + Duration::from_secs(1));
        pool.0.sweep(start + BOUNDS.time - Duration::from_millis(1));
        assert_eq!((pool.0.idle.get(), tool.places(&limit).open()), (2, 2));
        pool.0.sweep(start + BOUNDS.time);
        assert_eq!((pool.0.idle.get(), tool.places(&limit).open()), (1, 1));
        // And isn't given out, should the sweep be late.
        let seat = Seat::take(&pool.0, tool.key());
        assert!(seat.idle(start + BOUNDS.time + Duration::from_secs(1)).is_none());
        assert_eq!((pool.0.idle.get(), tool.places(&limit).open()), (0, 0));
    });
}

#[test]
fn p28_what_is_idle_is_bounded_and_nothing_is_left_of_keys_without_connections() {
    run(async {
        let bounds = Bounds { total: 5, ..BOUNDS };
        let limit = limit(10);
        let pool = Pool::with_bounds(&limit, bounds);
        let tool = Tool::new().await;
        let mut leases = Vec::new();
        for _ in 0..=bounds.total {
            leases.push(tool.lease(&pool).await);
        }
        leases.into_iter().for_each(|lease| lease.keep(Moment::now()));
        assert_eq!((pool.0.idle.get(), tool.places(&limit).open()), (bounds.total, bounds.total));
        for number in 0..200 {
            let host = origin(Scheme::Http, &format!("host-{number}.localhost"), tool.origin.port());
            let key = PoolKey { origin: &host, ..tool.key() };
            pool.acquire(key, &tool.dialer, Alpn::Http1, Moment::now()).await.unwrap().keep(Moment::now());
            assert!(pool.0.idle.get() <= bounds.total && pool.0.slots.borrow().len() <= bounds.total);
        }
        assert!(!tool.lease(&pool).await.reused());
        // What is cleaned up is what no core has any more, once there is a good deal of it.
        assert!(limit.keys() <= 70, "{}", limit.keys());
        for number in 0..200 {
            let host = origin(Scheme::Http, &format!("gone-{number}.localhost"), tool.origin.port());
            drop(pool.acquire(PoolKey { origin: &host, ..tool.key() }, &tool.dialer, Alpn::Http1, Moment::now()).await.unwrap());
        }
        assert!(pool.0.slots.borrow().len() <= bounds.total);
    });
}

/// Takes so many connections at once, and returns how many of them were there before.
async fn busy(tool: &Tool, pool: &Pool<Wire>, callers: usize) -> usize {
    let mut leases = Vec::new();
    for _ in 0..callers {
        leases.push(tool.lease(pool).await);
    }
    let reused = leases.iter().filter(|lease| lease.reused()).count();
    leases.into_iter().for_each(|lease| lease.keep(Moment::now()));
    reused
}

#[test]
fn all_who_are_busy_find_their_connections_again() {
    run(async {
        const CALLERS: usize = 200;
        let tool = Tool::new().await;
        let pool = Pool::new(&limit(CALLERS));
        assert_eq!(busy(&tool, &pool, CALLERS).await, 0);
        for _ in 0..3 {
            pool.0.sweep(Moment::now());
            assert_eq!(busy(&tool, &pool, CALLERS).await, CALLERS);
        }
    });
}

#[test]
fn p28_of_what_is_idle_no_more_than_a_few_are_kept_that_were_not_needed() {
    run(async {
        let tool = Tool::new().await;
        let pool = Pool::with_bounds(&limit(20), Bounds { spare: 3, ..BOUNDS });
        busy(&tool, &pool, 10).await;
        let sweep = || {
            pool.0.sweep(Moment::now());
            pool.0.idle.get()
        };
        // All were needed a moment ago.
        assert_eq!(sweep(), 10);
        assert_eq!(busy(&tool, &pool, 8).await, 8);
        assert_eq!(busy(&tool, &pool, 1).await, 1);
        assert_eq!([sweep(), sweep(), sweep()], [8, 3, 3]);
        // What was taken for others doesn't count twice.
        assert_eq!(busy(&tool, &pool, 6).await, 3);
        assert_eq!(sweep(), 6);
        pool.0.close_oldest();
        assert_eq!(busy(&tool, &pool, 6).await, 5);
        assert_eq!(sweep(), 6);
    });
}

#[test]
fn those_who_wait_are_served_in_order_with_connections_and_with_places() {
    run(async {
        let tool = Tool::new().await;
        let limit = limit(2);
        let pool = Pool::new(&limit);
        let places = tool.places(&limit);
        let (one, two) = (tool.lease(&pool).await, tool.lease(&pool).await);
        let mut waiting = Vec::new();
        for _ in 0..3 {
            let mut acquire = tool.acquire(&pool);
            begins_to_wait(&mut acquire, &places).await;
            waiting.push(acquire);
        }
        let [mut first, mut second, mut third] = <[_; 3]>::try_from(waiting).ok().unwrap();
        let port = one.port;
        one.keep(Moment::now());
        assert!(poll_once(&mut third).is_pending() && poll_once(&mut second).is_pending());
        let first = match poll_once(&mut first) {
            Poll::Ready(lease) => lease.unwrap(),
            Poll::Pending => panic!("the connection wasn't given on"),
        };
        assert!(first.reused() && first.port == port);
        drop(two);
        assert!(poll_once(&mut third).is_pending());
        let second = second.await.unwrap();
        assert!(!second.reused());
        assert_eq!((places.open(), places.waiting()), (2, 1));
        second.stale.set(true);
        second.keep(Moment::now());
        // What turned out to be stale leaves its place.
        assert!(!third.await.unwrap().reused());
        drop(first);
        assert_eq!((places.open(), places.waiting(), pool.0.idle.get()), (0, 0, 0));
    });
}

#[test]
fn who_waited_for_the_connect_timeout_gives_up() {
    run(async {
        let tool = Tool::with(dialer(Duration::from_millis(50))).await;
        let limit = limit(1);
        let pool = Pool::new(&limit);
        let lease = tool.lease(&pool).await;
        let error = tool.acquire(&pool).await.unwrap_err();
        assert!(matches!(error, DialError::Full(most) if most.get() == 1), "{error:?}");
        assert!(error.to_string().contains("--max-connections-per-upstream"), "{error}");
        let places = tool.places(&limit);
        assert_eq!((places.open(), places.waiting()), (1, 0));
        lease.keep(Moment::now());
        assert!(tool.lease(&pool).await.reused());
    });
}

#[test]
fn who_waits_no_longer_leaves_no_hole() {
    run(async {
        let tool = Tool::new().await;
        let limit = limit(1);
        let pool = Pool::new(&limit);
        let places = tool.places(&limit);
        // Before anything was granted; after a connection was; after a place was.
        for gives in ["nothing", "connection", "place"] {
            let lease = tool.lease(&pool).await;
            let (mut gone, mut stays) = (tool.acquire(&pool), tool.acquire(&pool));
            begins_to_wait(&mut gone, &places).await;
            begins_to_wait(&mut stays, &places).await;
            match gives {
                "nothing" => {
                    drop(gone);
                    assert_eq!(places.waiting(), 1);
                    lease.keep(Moment::now());
                }
                "connection" => {
                    lease.keep(Moment::now());
                    drop(gone);
                }
                _ => {
                    drop(lease);
                    drop(gone);
                }
            }
            assert_eq!(stays.await.unwrap().reused(), gives != "place");
            assert_eq!((places.open(), places.waiting(), pool.0.idle.get()), (0, 0, 0), "{gives}");
        }
        // The last one who waits.
        let lease = tool.lease(&pool).await;
        let mut gone = tool.acquire(&pool);
        begins_to_wait(&mut gone, &places).await;
        lease.keep(Moment::now());
        drop(gone);
        assert_eq!((places.open(), pool.0.idle.get()), (1, 1));
    });
}

#[test]
fn a_connection_that_cannot_be_made_leaves_its_place() {
    run(async {
        let tool = Tool::new().await;
        let limit = limit(1);
        let pool = Pool::<Wire>::new(&limit);
        let denied = origin(Scheme::Http, "169.254.169.254.example.localhost", 1);
        let key = PoolKey { origin: &denied, ..tool.key() };
        for _ in 0..3 {
            assert!(pool.acquire(key, &tool.dialer, Alpn::Http1, Moment::now()).await.is_err());
        }
        assert_eq!(limit.places(key).open(), 0);
        assert!(pool.0.slots.borrow().is_empty());
        // Nor does one that is called off.
        let mut acquire = tool.acquire(&pool);
        assert!(poll_once(&mut acquire).is_pending());
        assert_eq!(tool.places(&limit).open(), 1);
        drop(acquire);
        assert_eq!(tool.places(&limit).open(), 0);
    });
}

#[test]
fn a_renewed_connection_keeps_its_place_before_all_who_wait() {
    run(async {
        let tool = Tool::new().await;
        let limit = limit(1);
        let pool = Pool::new(&limit);
        tool.lease(&pool).await.keep(Moment::now());
        let lease = tool.lease(&pool).await;
        let port = lease.port;
        let mut waits = tool.acquire(&pool);
        begins_to_wait(&mut waits, &tool.places(&limit)).await;
        let renewed = lease.renew(&tool.dialer, Alpn::Http1).await.unwrap();
        assert!(!renewed.reused() && renewed.port != port);
        assert!(poll_once(&mut waits).is_pending());
        // One that carries several requests has its place for as long as it is open.
        let (wire, claim) = renewed.into_parts();
        assert!(poll_once(&mut waits).is_pending() && claim.is_awaited());
        assert_eq!(claim.peer().port(), tool.origin.port());
        drop((wire, claim));
        waits.await.unwrap();
    });
}

#[test]
fn who_reserves_a_place_takes_its_turn_and_never_gets_an_old_connection() {
    run(LocalSet::new().run_until(async {
        let tool = Tool::new().await;
        let limit = limit(1);
        let pool = Pool::<Wire>::new(&limit);
        let places = tool.places(&limit);
        let tending = pool.clone();
        let given_up = std::rc::Rc::new(Cell::new(0));
        let counts = given_up.clone();
        let tending = tokio::task::spawn_local(async move { tending.tend(|| counts.set(counts.get() + 1)).await });
        let reserve = || Box::pin(pool.reserve(tool.key(), &tool.dialer, Moment::now()));
        let first = reserve().await.unwrap().dial(&tool.dialer, Alpn::Http1).await.unwrap();
        assert!(!first.reused());
        let port = first.port;
        // One that is idle already.
        first.keep(Moment::now());
        let second = reserve().await.unwrap();
        assert_eq!((places.open(), pool.0.idle.get(), given_up.get()), (1, 0, 1));
        let second = second.dial(&tool.dialer, Alpn::Http1).await.unwrap();
        assert!(!second.reused() && second.port != port);
        // One that comes back.
        let (mut third, mut fourth) = (reserve(), tool.acquire(&pool));
        begins_to_wait(&mut third, &places).await;
        begins_to_wait(&mut fourth, &places).await;
        second.keep(Moment::now());
        let third = third.await.unwrap();
        assert!(poll_once(&mut fourth).is_pending());
        drop(third);
        assert!(!fourth.await.unwrap().reused());
        // Who has waited long enough before waits no more.
        let lease = tool.lease(&pool).await;
        let late = pool.reserve(tool.key(), &tool.dialer, Moment::now() - DEADLINE).await;
        assert!(matches!(late, Err(DialError::Full(_))), "{late:?}");
        drop(lease);
        assert!(pool.reserve(tool.key(), &tool.dialer, Moment::now() - DEADLINE).await.is_ok());
        assert_eq!((places.open(), places.waiting()), (0, 0));
        tending.abort();
    }));
}

/// Says that every name leads to this address.
struct LeadsTo([u8; 4]);

impl Resolve for LeadsTo {
    fn resolve<'a>(&'a self, _: &'a str) -> Resolving<'a> {
        Box::pin(async { Ok(vec![self.0.into()]) })
    }
}

#[test]
fn an_idle_connection_whose_name_has_moved_is_not_taken() {
    run(async {
        let leads_to = |address| {
            let guard = Guard::new(["127.0.0.0/8".parse().unwrap()]);
            Dialer::with_resolver(guard, ClientTls::with_system_roots(RootCertStore::empty()), DEADLINE, LeadsTo(address))
        };
        let mut tool = Tool::with(leads_to([127, 0, 0, 1])).await;
        tool.origin = origin(Scheme::Http, "moved.example", tool.origin.port());
        let limit = limit(10);
        let pool = Pool::new(&limit);
        tool.lease(&pool).await.keep(Moment::now());
        for moves in [false, true] {
            let lease = tool.lease(&pool).await;
            assert!(lease.reused());
            // So that the name has to be looked up when it is taken.
            lease.open.claim.standing.set(Standing::overdue());
            lease.keep(Moment::now());
            if moves {
                tool.dialer = leads_to([127, 0, 0, 2]);
            }
        }
        // Nobody is there, and the old address doesn't stand in for it.
        assert!(matches!(tool.acquire(&pool).await, Err(DialError::Connect(error)) if error.address.ip().to_string() == "127.0.0.2"));
        assert_eq!((tool.places(&limit).open(), pool.0.idle.get()), (0, 0));
    });
}

#[test]
fn an_idle_connection_of_one_core_is_given_up_for_a_request_of_another() {
    run(LocalSet::new().run_until(async {
        let tool = Tool::new().await;
        let limit = limit(2);
        let (here, there) = (Pool::new(&limit), Pool::new(&limit));
        let tending = here.clone();
        let tending = tokio::task::spawn_local(async move { tending.tend(|| {}).await });
        let (one, two) = (tool.lease(&here).await, tool.lease(&here).await);
        one.keep(Moment::now());
        two.keep(Moment::now());
        assert!(!tool.lease(&there).await.reused());
        // Only what was needed.
        assert_eq!((here.0.idle.get(), there.0.idle.get()), (1, 0));
        tending.abort();
    }));
}

#[test]
fn who_waits_on_another_core_has_its_turn() {
    run(async {
        let tool = Tool::new().await;
        let limit = limit(1);
        let (here, there) = (Pool::new(&limit), Pool::new(&limit));
        let places = tool.places(&limit);
        let lease = tool.lease(&here).await;
        let (mut first, mut second, mut third) = (tool.acquire(&there), tool.acquire(&here), tool.acquire(&there));
        begins_to_wait(&mut first, &places).await;
        begins_to_wait(&mut second, &places).await;
        begins_to_wait(&mut third, &places).await;
        lease.keep(Moment::now());
        assert_eq!(here.0.idle.get(), 0);
        assert!(poll_once(&mut second).is_pending() && poll_once(&mut third).is_pending());
        let first = first.await.unwrap();
        assert!(!first.reused());
        // Those of this core who are gone don't hide who comes after them.
        drop(second);
        first.keep(Moment::now());
        assert!(third.await.unwrap().reused());
    });
}

/// Connections that are open in the test of many threads.
static OPEN: AtomicUsize = AtomicUsize::new(0);
/// The most there ever were.
static MOST: AtomicUsize = AtomicUsize::new(0);

struct Counted(#[expect(dead_code, reason = "closes the connection when it goes")] Stream);

impl From<Connected> for Counted {
    fn from(connected: Connected) -> Self {
        MOST.fetch_max(OPEN.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        Self(connected.stream)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        OPEN.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Pooled for Counted {
    fn is_stale(&self) -> bool {
        false
    }
}

#[test]
fn many_cores_never_open_more_than_the_limit_and_starve_nobody() {
    const CORES: usize = 4;
    const TASKS: usize = 8;
    const ROUNDS: usize = 40;
    let limit = limit(3);
    let served: usize = run(async {
        let tool = Arc::new(Tool::new().await);
        let core = |core: usize| {
            let (tool, limit) = (tool.clone(), limit.clone());
            move || {
                run(LocalSet::new().run_until(async move {
                    let pool = Pool::<Counted>::new(&limit);
                    let tending = pool.clone();
                    let tending = tokio::task::spawn_local(async move { tending.tend(|| {}).await });
                    let task = |task: usize| {
                        let (pool, tool) = (pool.clone(), tool.clone());
                        async move {
                            for round in 0..ROUNDS {
                                let lease = pool.acquire(tool.key(), &tool.dialer, Alpn::Http1, Moment::now()).await.unwrap();
                                tokio::task::yield_now().await;
                                match (core + task + round) % 5 {
                                    0 => drop(lease),
                                    _ => lease.keep(Moment::now()),
                                }
                            }
                            ROUNDS
                        }
                    };
                    let tasks: Vec<_> = (0..TASKS).map(|number| tokio::task::spawn_local(task(number))).collect();
                    let mut served = 0;
                    for task in tasks {
                        served += task.await.unwrap();
                    }
                    tending.abort();
                    served
                }))
            }
        };
        let cores: Vec<_> = (0..CORES).map(|number| tokio::task::spawn_blocking(core(number))).collect();
        let mut served = 0;
        for core in cores {
            served += core.await.unwrap();
        }
        assert_eq!(tool.places(&limit).waiting(), 0);
        served
    });
    assert_eq!(served, CORES * TASKS * ROUNDS);
    assert_eq!(MOST.load(Ordering::SeqCst), 3);
    assert_eq!(OPEN.load(Ordering::SeqCst), 0);
}
