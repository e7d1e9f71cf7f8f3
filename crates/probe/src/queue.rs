//! Whose turn it is.

use std::collections::{BTreeMap, BTreeSet};

use connectors_crd::probing::Role;
use tokio::time::Instant;

/// Probes that run at the same time; more wait. Each has at most one connection open.
const AT_ONCE: usize = 64;
/// Those of one namespace, so that tools that don't answer take places of their own namespace only.
const OF_ONE_NAMESPACE: usize = AT_ONCE / 4;

/// Namespace and name.
pub(crate) type Name = (String, String);

/// What is probed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    Class(String),
    Probe(Name, Role),
}

/// Why something is due.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Due {
    /// Its time has come.
    #[default]
    Again,
    /// Somebody has changed it, and wants to know. It comes first, and a quarter of all places is kept for such ones.
    Changed,
}

/// What waits for its turn, and how much of what runs.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    changed: Lane,
    again: Lane,
    running: usize,
    /// By namespace; without zeros.
    running_of: BTreeMap<String, usize>,
}

/// What is due for one reason.
#[derive(Debug, Default)]
struct Lane {
    by_namespace: BTreeMap<String, BTreeSet<(Instant, Key)>>,
    /// The first of each namespace.
    firsts: BTreeSet<(Instant, String)>,
}

impl Key {
    /// Empty for classes, which have none.
    fn namespace(&self) -> &str {
        match self {
            Self::Class(_) => "",
            Self::Probe((namespace, _), _) => namespace,
        }
    }
}

impl Due {
    /// So many of `places` it may fill.
    fn share(self, places: usize) -> usize {
        match self {
            Self::Changed => places,
            Self::Again => places - places / 4,
        }
    }
}

impl Queue {
    /// Has it wait until `at`. It must neither wait nor run.
    pub(crate) fn insert(&mut self, at: Instant, key: Key, due: Due) {
        self.lane(due).insert(at, key);
    }

    /// Has it wait no longer, if it does.
    pub(crate) fn remove(&mut self, at: Instant, key: &Key, due: Due) {
        self.lane(due).remove(at, key);
    }

    /// Takes out the one whose turn it is, if there is one and a place for it. It runs until [`Queue::ended`].
    pub(crate) fn next(&mut self, now: Instant) -> Option<Key> {
        let (at, namespace, due) = self.first(now)?;
        let key = self.lane(due).pop(at, &namespace)?;
        self.running += 1;
        *self.running_of.entry(namespace).or_default() += 1;
        Some(key)
    }

    /// When there is something to do, if nothing ends before.
    pub(crate) fn wakes(&self) -> Option<Instant> {
        [Due::Changed, Due::Again].into_iter().filter_map(|due| self.first_of(due)).map(|(at, _)| *at).min()
    }

    /// It runs no longer.
    pub(crate) fn ended(&mut self, key: &Key) {
        let Some(count) = self.running_of.get_mut(key.namespace()) else { return };
        self.running -= 1;
        *count -= 1;
        if *count == 0 {
            self.running_of.remove(key.namespace());
        }
    }

    /// The first that is due and that there is a place for; what has changed before everything else.
    fn first(&self, now: Instant) -> Option<(Instant, String, Due)> {
        let first = |due| self.first_of(due).filter(|(at, _)| *at <= now).map(|(at, namespace)| (*at, namespace.clone(), due));
        [Due::Changed, Due::Again].into_iter().find_map(first)
    }

    fn first_of(&self, due: Due) -> Option<&(Instant, String)> {
        let lane = match due {
            Due::Changed => &self.changed,
            Due::Again => &self.again,
        };
        let has_place = |namespace: &str| self.running_of.get(namespace).is_none_or(|running| *running < due.share(OF_ONE_NAMESPACE));
        // Few namespaces can be full, so this looks at few.
        lane.firsts.iter().filter(|_| self.running < due.share(AT_ONCE)).find(|(_, namespace)| has_place(namespace))
    }

    fn lane(&mut self, due: Due) -> &mut Lane {
        match due {
            Due::Changed => &mut self.changed,
            Due::Again => &mut self.again,
        }
    }
}

impl Lane {
    fn insert(&mut self, at: Instant, key: Key) {
        let namespace = key.namespace().to_owned();
        self.change(&namespace, |waiting| {
            waiting.insert((at, key));
        });
    }

    fn remove(&mut self, at: Instant, key: &Key) {
        self.change(key.namespace(), |waiting| {
            waiting.remove(&(at, key.clone()));
        });
    }

    fn pop(&mut self, at: Instant, namespace: &str) -> Option<Key> {
        let mut first = None;
        self.change(namespace, |waiting| first = waiting.pop_first());
        first.filter(|(found, _)| *found == at).map(|(_, key)| key)
    }

    /// Changes what waits of a namespace, and keeps `firsts` true.
    fn change(&mut self, namespace: &str, change: impl FnOnce(&mut BTreeSet<(Instant, Key)>)) {
        let waiting = self.by_namespace.entry(namespace.to_owned()).or_default();
        let first = |waiting: &BTreeSet<(Instant, Key)>| waiting.first().map(|(at, _)| *at);
        let before = first(waiting);
        change(waiting);
        let after = first(waiting);
        if after.is_none() {
            self.by_namespace.remove(namespace);
        }
        if before != after {
            if let Some(at) = before {
                self.firsts.remove(&(at, namespace.to_owned()));
            }
            if let Some(at) = after {
                self.firsts.insert((at, namespace.to_owned()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn key(namespace: &str, name: usize) -> Key {
        Key::Probe((namespace.into(), format!("{name:04}")), Role::Auth)
    }

    /// All whose turn it is now.
    fn turns(queue: &mut Queue, now: Instant) -> Vec<Key> {
        std::iter::from_fn(|| queue.next(now)).collect()
    }

    fn of(keys: &[Key], namespace: &str) -> usize {
        keys.iter().filter(|key| key.namespace() == namespace).count()
    }

    #[test]
    fn the_first_due_is_the_first_served() {
        let (now, second) = (Instant::now(), Duration::from_secs(1));
        let mut queue = Queue::default();
        for (after, name) in [(3, 3), (1, 1), (2, 2)] {
            queue.insert(now + after * second, key(&format!("team-{}", name % 2), name), Due::Again);
        }
        assert_eq!((queue.next(now), queue.wakes()), (None, Some(now + second)));
        assert_eq!(turns(&mut queue, now + 2 * second), [key("team-1", 1), key("team-0", 2)]);
        assert_eq!(queue.wakes(), Some(now + 3 * second));
        queue.remove(now + 3 * second, &key("team-1", 3), Due::Again);
        assert_eq!((turns(&mut queue, now + 9 * second), queue.wakes()), (vec![], None));
        // What isn't there can be taken out.
        queue.remove(now, &key("team-1", 3), Due::Changed);
    }

    #[test]
    fn one_namespace_takes_its_share_and_no_more() {
        let (now, later) = (Instant::now(), Instant::now() + Duration::from_secs(1));
        let mut queue = Queue::default();
        for name in 0..100 {
            queue.insert(now, key("silent", name), Due::Again);
            queue.insert(later, key(&format!("other-{name}"), name), Due::Again);
        }
        assert_eq!(turns(&mut queue, now).len(), OF_ONE_NAMESPACE * 3 / 4);
        assert_eq!(queue.wakes(), Some(later));
        let others = turns(&mut queue, later);
        assert_eq!((others.len(), of(&others, "silent")), (AT_ONCE * 3 / 4 - OF_ONE_NAMESPACE * 3 / 4, 0));
        // Full; nothing but an end is worth waking up for.
        assert_eq!(queue.wakes(), None);
        queue.ended(&key("silent", 0));
        assert_eq!(of(&turns(&mut queue, later), "silent"), 1);
    }

    #[test]
    fn what_has_changed_comes_first_and_finds_a_place() {
        let (now, later) = (Instant::now(), Instant::now() + Duration::from_secs(1));
        let mut queue = Queue::default();
        for name in 0..100 {
            queue.insert(now, key(&format!("team-{}", name % 10), name), Due::Again);
        }
        queue.insert(later, key("team-0", 500), Due::Changed);
        assert_eq!(queue.next(later), Some(key("team-0", 500)));
        assert_eq!(turns(&mut queue, later).len(), AT_ONCE * 3 / 4 - 1);
        for name in 501..600 {
            queue.insert(later, key("busy", name), Due::Changed);
        }
        assert_eq!(of(&turns(&mut queue, later), "busy"), OF_ONE_NAMESPACE);
        assert_eq!(queue.next(later), None);
    }
}
