//! Deep copies and deep comparison of values.

use std::sync::Arc;

use crate::error::Failure;
use crate::limits::{MAX_VALUE_DEPTH, too_deep};
use crate::value::{List, Map, Struct, Value};

/// A copy that shares nothing that can change. `depth`: how deep in another one this value is.
pub(crate) fn deep(value: &Value, depth: usize) -> Result<Value, Failure> {
    if depth > MAX_VALUE_DEPTH {
        return Err(too_deep());
    }
    match value {
        Value::List(list) => deep_list(list, depth),
        Value::Map(map) => deep_map(map, depth),
        Value::Struct(object) => Ok(Value::Struct(deep_struct(object, depth)?)),
        Value::Pointer(object) => Ok(Value::Pointer(deep_struct(object, depth)?)),
        other => Ok(other.clone()),
    }
}

fn deep_list(list: &List, depth: usize) -> Result<Value, Failure> {
    let mut items = Vec::with_capacity(list.items().len());
    for item in list.items() {
        items.push(deep(item, depth + 1)?);
    }
    Ok(Value::List(Arc::new(List::new(list.element().clone(), items))))
}

fn deep_map(map: &Map, depth: usize) -> Result<Value, Failure> {
    let mut entries = std::collections::BTreeMap::new();
    for (key, value) in map.entries() {
        entries.insert(key, deep(&value, depth + 1)?);
    }
    Ok(Value::Map(Arc::new(Map::new(map.element().clone(), entries))))
}

fn deep_struct(object: &Struct, depth: usize) -> Result<Arc<Struct>, Failure> {
    let mut fields = Vec::with_capacity(object.fields().len());
    for field in object.fields() {
        fields.push(deep(field, depth + 1)?);
    }
    Ok(Arc::new(Struct::new(object.kind().clone(), fields)))
}

/// How many values there are in a value, up to a limit: what copying or comparing it takes.
pub(crate) fn count(value: &Value, limit: usize) -> usize {
    let mut pending = vec![value.clone()];
    let mut count = 0;
    while let Some(value) = pending.pop() {
        count += 1;
        if count >= limit {
            break;
        }
        match &value {
            Value::List(list) => pending.extend_from_slice(list.items()),
            Value::Map(map) => pending.extend(map.entries().into_iter().map(|(_, value)| value)),
            Value::Struct(object) | Value::Pointer(object) => pending.extend_from_slice(object.fields()),
            Value::String(text) | Value::Bytes(text) => count += text.len() / 32,
            _ => {}
        }
    }
    count
}

/// `reflect.DeepEqual`: the same types, and the same in all parts.
pub(crate) fn equal(a: &Value, b: &Value, depth: usize) -> Result<bool, Failure> {
    if depth > MAX_VALUE_DEPTH {
        return Err(too_deep());
    }
    match (a, b) {
        (Value::List(a), Value::List(b)) => equal_lists(a, b, depth),
        (Value::Map(a), Value::Map(b)) => equal_maps(a, b, depth),
        (Value::Struct(a), Value::Struct(b)) | (Value::Pointer(a), Value::Pointer(b)) => equal_structs(a, b, depth),
        _ => Ok(equal_scalars(a, b)),
    }
}

fn equal_lists(a: &List, b: &List, depth: usize) -> Result<bool, Failure> {
    if a.element() != b.element() || a.items().len() != b.items().len() {
        return Ok(false);
    }
    for (a, b) in a.items().iter().zip(b.items()) {
        if !equal(a, b, depth + 1)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn equal_maps(a: &Arc<Map>, b: &Arc<Map>, depth: usize) -> Result<bool, Failure> {
    if Arc::ptr_eq(a, b) {
        return Ok(true);
    }
    if a.element() != b.element() || a.len() != b.len() {
        return Ok(false);
    }
    for ((key, value), (other_key, other)) in a.entries().iter().zip(b.entries()) {
        if *key != other_key || !equal(value, &other, depth + 1)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn equal_structs(a: &Struct, b: &Struct, depth: usize) -> Result<bool, Failure> {
    if a.kind() != b.kind() {
        return Ok(false);
    }
    for (a, b) in a.fields().iter().zip(b.fields()) {
        if !equal(a, b, depth + 1)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn equal_scalars(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Nil, Value::Nil) => true,
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (Value::Int(kind, a), Value::Int(other, b)) => kind == other && a == b,
        (Value::Uint(kind, a), Value::Uint(other, b)) => kind == other && a == b,
        (Value::Float(a), Value::Float(b)) => a == b,
        (Value::Complex(a, c), Value::Complex(b, d)) => a == b && c == d,
        (Value::String(a), Value::String(b)) | (Value::Bytes(a), Value::Bytes(b)) => a == b,
        (Value::Null(a), Value::Null(b)) => a == b,
        (Value::Time(a), Value::Time(b)) => a == b,
        (Value::Version(a), Value::Version(b)) => {
            (a.major, a.minor, a.patch, &a.prerelease, &a.metadata, &a.original) == (b.major, b.minor, b.patch, &b.prerelease, &b.metadata, &b.original)
        }
        _ => false,
    }
}
