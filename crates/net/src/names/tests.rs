use std::sync::atomic::{AtomicU32, Ordering};

use tokio::sync::Notify;

use super::*;
use crate::testing::run;

/// Answers each question with an address that counts the questions, once it may.
#[derive(Clone, Default)]
struct Counting(Arc<Counters>);

#[derive(Default)]
struct Counters {
    begun: AtomicU32,
    holds: std::sync::atomic::AtomicBool,
    go: Notify,
    fails: std::sync::atomic::AtomicBool,
}

impl Counting {
    fn asked(&self) -> u32 {
        self.0.begun.load(Ordering::SeqCst)
    }

    fn hold(&self) {
        self.0.holds.store(true, Ordering::SeqCst);
    }

    fn go(&self) {
        self.0.holds.store(false, Ordering::SeqCst);
        self.0.go.notify_waiters();
    }
}

impl Resolve for Counting {
    fn resolve<'a>(&'a self, _: &'a str) -> Resolving<'a> {
        Box::pin(async {
            let number = self.0.begun.fetch_add(1, Ordering::SeqCst) + 1;
            let go = self.0.go.notified();
            if self.0.holds.load(Ordering::SeqCst) {
                go.await;
            }
            match self.0.fails.load(Ordering::SeqCst) {
                true => Err(io::Error::other("asked the wrong one")),
                false => Ok(vec![IpAddr::from([192, 0, 2, u8::try_from(number).unwrap()])]),
            }
        })
    }
}

fn names() -> (Counting, Names) {
    let counting = Counting::default();
    (counting.clone(), Names::new(counting))
}

fn last(answer: &Answer) -> String {
    match &answer.addresses {
        Ok(addresses) => addresses[0].to_string(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn an_answer_counts_for_some_seconds_and_no_longer() {
    run(async {
        let (counting, names) = names();
        let name = "git.example".into();
        let first = names.look_up(&name, Reach::Target, Moment::now()).await;
        let just_before = first.until - Duration::from_millis(1);
        assert!(first.until > Moment::now() + Duration::from_secs(4));
        assert_eq!(last(&names.look_up(&name, Reach::Target, just_before).await), "192.0.2.1");
        assert_eq!(last(&names.look_up(&name, Reach::Target, first.until).await), "192.0.2.2");
        assert_eq!(counting.asked(), 2);
    });
}

#[test]
fn that_there_is_no_answer_counts_for_a_second() {
    run(async {
        let (counting, names) = names();
        let name = "git.example".into();
        counting.0.fails.store(true, Ordering::SeqCst);
        let first = names.look_up(&name, Reach::Target, Moment::now()).await;
        assert!(first.until <= Moment::now() + FAILURE_COUNTS);
        counting.0.fails.store(false, Ordering::SeqCst);
        assert_eq!(last(&names.look_up(&name, Reach::Target, first.until - Duration::from_millis(1)).await), "asked the wrong one");
        assert_eq!(last(&names.look_up(&name, Reach::Target, first.until).await), "192.0.2.2");
    });
}

#[test]
fn names_and_reaches_are_kept_apart() {
    run(async {
        let (_, names) = names();
        let now = Moment::now();
        let mut seen = Vec::new();
        for _ in 0..2 {
            for (name, reach) in [("a.example", Reach::Target), ("b.example", Reach::Target), ("a.example", Reach::Elsewhere)] {
                seen.push(last(&names.look_up(&name.into(), reach, now).await));
            }
        }
        assert_eq!(seen, ["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.1", "192.0.2.2", "192.0.2.3"]);
    });
}

#[test]
fn those_who_ask_at_once_share_one_look_up_and_leaving_it_takes_it_from_nobody() {
    run(async {
        let (counting, names) = names();
        counting.hold();
        let name: Arc<str> = "git.example".into();
        let ask = || Box::pin(names.look_up(&name, Reach::Target, Moment::now()));
        let mut leaves = ask();
        let mut stay = [ask(), ask(), ask()];
        // All are under way before there is an answer.
        for asking in std::iter::once(&mut leaves).chain(&mut stay) {
            assert!(poll_once(asking.as_mut()).is_pending());
        }
        while counting.asked() == 0 {
            tokio::task::yield_now().await;
        }
        drop(leaves);
        counting.go();
        for asking in stay {
            assert_eq!(last(&asking.await), "192.0.2.1");
        }
        assert_eq!(counting.asked(), 1);
    });
}

#[test]
fn a_look_up_that_everybody_left_has_its_answer_for_the_next() {
    run(async {
        let (counting, names) = names();
        counting.hold();
        let name: Arc<str> = "git.example".into();
        let mut leaves = Box::pin(names.look_up(&name, Reach::Target, Moment::now()));
        while counting.asked() == 0 {
            assert!(poll_once(leaves.as_mut()).is_pending());
            tokio::task::yield_now().await;
        }
        drop(leaves);
        counting.go();
        assert_eq!(last(&names.look_up(&name, Reach::Target, Moment::now()).await), "192.0.2.1");
        assert_eq!(counting.asked(), 1);
    });
}

#[test]
fn a_look_up_whose_core_has_ended_is_taken_over() {
    let (counting, names) = names();
    counting.hold();
    let name: Arc<str> = "git.example".into();
    let core = tokio::runtime::Builder::new_current_thread().build().unwrap();
    core.block_on(async {
        let mut leaves = Box::pin(names.look_up(&name, Reach::Target, Moment::now()));
        while counting.asked() == 0 {
            assert!(poll_once(leaves.as_mut()).is_pending());
            tokio::task::yield_now().await;
        }
    });
    drop(core);
    counting.go();
    assert_eq!(last(&run(names.look_up(&name, Reach::Target, Moment::now()))), "192.0.2.2");
}

#[test]
fn what_is_remembered_is_bounded() {
    run(async {
        let (counting, names) = names();
        counting.0.fails.store(true, Ordering::SeqCst);
        for number in 0..2 * MAX_NAMES {
            names.look_up(&format!("host-{number}.example").into(), Reach::Elsewhere, Moment::now()).await;
        }
        let known = names.0.elsewhere.known.lock().unwrap().len();
        assert!((MAX_NAMES / 2..=MAX_NAMES).contains(&known), "{known}");
    });
}

#[test]
fn the_system_resolver_reads_the_hosts_file() {
    run(async {
        let found = SystemResolver.resolve("localhost").await.unwrap();
        assert!(found.iter().all(IpAddr::is_loopback) && !found.is_empty(), "{found:?}");
        let distinct: std::collections::HashSet<_> = found.iter().collect();
        assert_eq!(distinct.len(), found.len());
    });
}

#[test]
fn names_that_callers_chose_leave_look_ups_for_those_of_connectors() {
    run(async {
        let (counting, names) = names();
        counting.hold();
        let all: Vec<Arc<str>> = (0..10 * MAX_LOOKUPS).map(|number| format!("silent-{number}.example").into()).collect();
        let mut asking: Vec<_> = all.iter().map(|name| Box::pin(names.look_up(name, Reach::Elsewhere, Moment::now()))).collect();
        let begun = u32::try_from(MAX_LOOKUPS).unwrap();
        for _ in 0..3 {
            asking.iter_mut().for_each(|asking| assert!(poll_once(asking.as_mut()).is_pending()));
            tokio::task::yield_now().await;
        }
        assert_eq!((counting.asked(), names.0.elsewhere.free.available_permits()), (begun, 0));
        // One of a Connector begins at once.
        let name = "git.example".into();
        let mut target = Box::pin(names.look_up(&name, Reach::Target, Moment::now()));
        assert!(poll_once(target.as_mut()).is_pending());
        while counting.asked() == begun {
            tokio::task::yield_now().await;
        }
        // Nobody waits for the others any more, so only what has begun goes on.
        drop(asking);
        counting.go();
        assert!(target.await.addresses.is_ok());
        while names.0.elsewhere.free.available_permits() < MAX_LOOKUPS {
            tokio::task::yield_now().await;
        }
        assert_eq!(counting.asked(), begun + 1);
    });
}

/// One look, from which nothing is woken.
fn poll_once<T>(future: Pin<&mut (impl Future<Output = T> + ?Sized)>) -> std::task::Poll<T> {
    future.poll(&mut std::task::Context::from_waker(std::task::Waker::noop()))
}
