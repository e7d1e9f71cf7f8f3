//! Every exchange and what came of it, compared with the access records.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::Value;

use crate::plan::{Fault, Plan, Seen};
use crate::wrong;

/// What all callers did.
#[derive(Default)]
pub(crate) struct Account {
    ids: AtomicU64,
    exchanges: Mutex<HashMap<u64, (Plan, Option<Seen>)>>,
}

/// How many exchanges there were.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    pub(crate) exchanges: usize,
    /// As they had to be.
    pub(crate) expected: usize,
    /// As they may be once in a while.
    pub(crate) excused: usize,
    /// The caller didn't stay to see.
    pub(crate) cut: usize,
    /// Of these, what the proxy has seen nothing of, or no more than that there was something.
    pub(crate) unseen: usize,
}

impl Account {
    /// The number of the next exchange.
    pub(crate) fn next_id(&self) -> u64 {
        self.ids.fetch_add(1, Ordering::Relaxed)
    }

    /// An exchange, and what its caller saw unless it cut it off.
    pub(crate) fn add(&self, plan: Plan, seen: Option<Seen>) {
        if let Some(seen) = seen
            && !plan.expects(seen)
            && !plan.excuses(seen)
        {
            wrong(format!("{seen:?} came of {plan:?}"));
        }
        self.exchanges.lock().unwrap().insert(plan.id, (plan, seen));
    }

    /// Compares with the access records: what has an answer has one record that says the same, what was cut off by its caller one or, as the proxy may not
    /// have seen it, none, and there is no other.
    pub(crate) fn settle(&self, records: &[Value]) -> Totals {
        let exchanges = self.exchanges.lock().unwrap();
        let mut totals = Totals { exchanges: exchanges.len(), ..Totals::default() };
        let mut by_id: HashMap<u64, &Value> = HashMap::new();
        let (mut unreadable, mut nameless) = (0, 0);
        for record in records {
            match record["path"].as_str().and_then(Plan::parse) {
                Some((id, ..)) if by_id.insert(id, record).is_some() => wrong(format!("a second record of {id}: {record}")),
                Some((id, ..)) if !exchanges.contains_key(&id) => wrong(format!("a record of what was never sent: {record}")),
                Some(_) => {}
                None if record["status"] == 400 => unreadable += 1,
                // By HTTP/2: reset before its path was looked at.
                None if record["answered_by"] == "nobody" && record["mode"] == "unknown" => nameless += 1,
                None => wrong(format!("a record of nothing: {record}")),
            }
        }
        let mut nonsense = 0;
        for (id, (plan, seen)) in exchanges.iter() {
            match seen {
                None => totals.cut += 1,
                Some(seen) if plan.expects(*seen) => totals.expected += 1,
                Some(_) => totals.excused += 1,
            }
            if plan.fault == Fault::Garbage {
                nonsense += 1;
                continue;
            }
            let Some(record) = by_id.get(id) else {
                match seen {
                    // An idle connection is closed when the request is on its way (RFC 9112 §9.3.1).
                    Some(Seen::Nothing) => {}
                    Some(seen) => wrong(format!("no record of {plan:?}, of which came {seen:?}")),
                    None => totals.unseen += 1,
                }
                continue;
            };
            let (status, complete) = (record["status"].as_u64(), record["complete"] != false);
            let right = match *seen {
                Some(Seen::Whole(code)) => status == Some(code.into()) && complete && (code != 200 || record["bytes_out"] == plan.answer),
                Some(Seen::Broken(code)) => status == Some(code.into()) && !complete,
                Some(Seen::Reset) => !complete,
                Some(Seen::Nothing) => false,
                None => record["answered_by"].is_string(),
            };
            if !right {
                wrong(format!("{seen:?} came of {plan:?}, and the record is {record}"));
            }
        }
        if nonsense != unreadable {
            wrong(format!("{nonsense} requests could not be read, and {unreadable} records say so"));
        }
        if nameless > totals.unseen {
            wrong(format!("{nameless} records have no name, and only {} requests that were cut off have no record", totals.unseen));
        }
        totals
    }
}
