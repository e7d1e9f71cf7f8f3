//! `merge` and `mergeOverwrite`: `dario.cat/mergo` on maps, with what it does to nested maps, lists and empty values.

use std::sync::Arc;

use super::dict::new_map;
use super::is_empty;
use crate::error::Failure;
use crate::function::{Args, Env};
use crate::limits::{MAX_VALUE_DEPTH, too_deep};
use crate::types::Type;
use crate::value::{Map, Value};

/// Merges all maps into the first, which changes.
pub(super) fn merge(env: &mut Env, args: Args<'_>, overwrite: bool) -> Result<Value, Failure> {
    let into = args.map(0).cloned().unwrap_or_else(new_map);
    for index in 1..args.len() {
        if let Some(from) = args.map(index) {
            merge_maps(env, &into, from, overwrite, 0)?;
        }
    }
    Ok(Value::Map(into))
}

fn merge_maps(env: &mut Env, into: &Arc<Map>, from: &Arc<Map>, overwrite: bool, depth: usize) -> Result<(), Failure> {
    if depth > MAX_VALUE_DEPTH {
        return Err(too_deep());
    }
    for (key, value) in from.entries() {
        env.meter.step()?;
        let before = into.get(&key);
        // A nil slice in an interface isn't nil to mergo.
        if matches!(value, Value::Nil) || matches!(value, Value::Null(_)) && *from.element() != Type::Interface {
            if overwrite {
                must_fit(from.element(), into)?;
                env.put(into, key, value)?;
            }
            continue;
        }
        if matches!(value.type_of(), Type::Slice(_) | Type::Bytes) {
            if before.is_some() && *into.element() == Type::String {
                return Err("reflect: call of reflect.Value.IsNil on string Value".into());
            }
            must_fit(&value.type_of(), into)?;
        }
        if let (Value::Map(inner), Some(Value::Map(own))) = (&value, &before)
            && !Arc::ptr_eq(inner, own)
        {
            merge_maps(env, own, inner, overwrite, depth + 1)?;
        }
        // A map that was empty before isn't any more: it is looked at after it was merged into.
        let keeps = before.as_ref().is_some_and(|before| !is_empty(before));
        let stays = match (&value, &before) {
            (Value::Map(_) | Value::Null(Type::Map(_)), Some(Value::Map(_))) => keeps,
            _ => keeps && !overwrite,
        };
        if !stays {
            must_fit(from.element(), into)?;
            env.put(into, key, value)?;
        }
    }
    Ok(())
}

/// A map of texts takes nothing else.
fn must_fit(kind: &Type, into: &Map) -> Result<(), Failure> {
    let element = into.element();
    if *element == Type::Interface || element == kind {
        return Ok(());
    }
    Err(Failure::Message(format!("reflect.Value.SetMapIndex: value of type {kind} is not assignable to type {element}")))
}
