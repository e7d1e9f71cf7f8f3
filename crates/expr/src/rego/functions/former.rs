//! Functions of version 0 that OPA has given up: [the list](https://www.openpolicyagent.org/docs/policy-reference).

use super::{Outcome, Stop, Value};
use std::collections::BTreeSet;

/// Whether all items of an array or a set are true.
pub(super) fn all(arguments: &[Value]) -> Outcome {
    items(arguments.first()).map(|items| Value::from(items.iter().all(|item| *item == Value::from(true))))
}

/// Whether one item of an array or a set is true.
pub(super) fn any(arguments: &[Value]) -> Outcome {
    items(arguments.first()).map(|items| Value::from(items.contains(&Value::from(true))))
}

pub(super) fn cast_array(arguments: &[Value]) -> Outcome {
    items(arguments.first()).map(Value::from)
}

pub(super) fn cast_set(arguments: &[Value]) -> Outcome {
    items(arguments.first()).map(|items| Value::from(items.into_iter().collect::<BTreeSet<_>>()))
}

pub(super) fn cast_boolean(arguments: &[Value]) -> Outcome {
    itself(arguments, |value| matches!(value, Value::Bool(_)))
}

pub(super) fn cast_null(arguments: &[Value]) -> Outcome {
    itself(arguments, |value| matches!(value, Value::Null))
}

pub(super) fn cast_object(arguments: &[Value]) -> Outcome {
    itself(arguments, |value| matches!(value, Value::Object(_)))
}

pub(super) fn cast_string(arguments: &[Value]) -> Outcome {
    itself(arguments, |value| matches!(value, Value::String(_)))
}

/// What is in the first set and not in the second.
pub(super) fn set_diff(arguments: &[Value]) -> Outcome {
    let [Value::Set(one), Value::Set(other)] = arguments else { return Err(Stop::Undefined) };
    let rest = one.iter().filter(|item| other.get(item).is_none()).cloned();
    Ok(Value::from(rest.collect::<BTreeSet<_>>()))
}

fn items(value: Option<&Value>) -> Result<Vec<Value>, Stop> {
    match value {
        Some(Value::Array(items)) => Ok(items.iter().cloned().collect()),
        Some(Value::Set(items)) => Ok(items.iter_sorted().cloned().collect()),
        _ => Err(Stop::Undefined),
    }
}

fn itself(arguments: &[Value], is_one: impl Fn(&Value) -> bool) -> Outcome {
    arguments.first().filter(|value| is_one(value)).cloned().ok_or(Stop::Undefined)
}
