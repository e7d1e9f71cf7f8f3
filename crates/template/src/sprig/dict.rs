//! Dictionaries. `set` and `unset` change the map they are given, as in Go.

use std::sync::Arc;

use super::merge::merge;
use super::{list, text_of};
use crate::error::Failure;
use crate::function::{Args, Env, Function, Param};
use crate::types::Type;
use crate::value::{Map, Str, Value};

type Result<T = Value> = std::result::Result<T, Failure>;

const MAP_AND_KEY: &[Param] = &[Param::Map, Param::String];
const TWO_MAPS: &[Param] = &[Param::Map, Param::Map];

pub(super) static FUNCTIONS: &[Function] = &[
    Function::variadic("dict", &[Param::Any], dict),
    Function::new("get", MAP_AND_KEY, |_, args| Ok(args.map(0).and_then(|map| map.get(args.string(1))).unwrap_or_else(|| Value::string("")))),
    Function::new("set", &[Param::Map, Param::String, Param::Any], set),
    Function::new("unset", MAP_AND_KEY, unset),
    Function::new("hasKey", MAP_AND_KEY, |_, args| Ok(Value::Bool(args.map(0).is_some_and(|map| map.contains(args.string(1)))))),
    Function::variadic("pluck", &[Param::String, Param::Map], pluck),
    Function::variadic("keys", &[Param::Map], keys),
    Function::new("values", &[Param::Map], values),
    Function::variadic("pick", MAP_AND_KEY, |env, args| filtered(env, args, true)),
    Function::variadic("omit", MAP_AND_KEY, |env, args| filtered(env, args, false)),
    Function::variadic("dig", &[Param::Any], dig),
    Function::variadic("merge", TWO_MAPS, |env, args| merge(env, args, false)),
    Function::variadic("mustMerge", TWO_MAPS, |env, args| merge(env, args, false)),
    Function::variadic("mergeOverwrite", TWO_MAPS, |env, args| merge(env, args, true)),
    Function::variadic("mustMergeOverwrite", TWO_MAPS, |env, args| merge(env, args, true)),
    Function::new("deepCopy", &[Param::Any], |env, args| list::deep_copy(env, args.value(0))),
    Function::new("mustDeepCopy", &[Param::Any], |env, args| list::deep_copy(env, args.value(0))),
];

/// An empty `map[string]interface {}`.
pub(super) fn new_map() -> Arc<Map> {
    Arc::new(Map::new(Type::Interface, Default::default()))
}

fn dict(env: &mut Env, args: Args<'_>) -> Result {
    let map = new_map();
    let mut args = args.from(0);
    while let Some(key) = args.next() {
        let key = text_of(env, key)?;
        let value = args.next().cloned().unwrap_or_else(|| Value::string(""));
        env.meter.allocate(key.len() + 2 * size_of::<Value>())?;
        map.insert(key, value);
    }
    Ok(Value::Map(map))
}

fn key(args: Args<'_>, index: usize) -> Str {
    match args.value(index) {
        Value::String(key) => key.clone(),
        _ => Str::from(""),
    }
}

fn set(env: &mut Env, args: Args<'_>) -> Result {
    let Some(map) = args.map(0) else { return Err("assignment to entry in nil map".into()) };
    env.put(map, key(args, 1), args.value(2).clone())?;
    Ok(args.value(0).clone())
}

fn unset(_: &mut Env, args: Args<'_>) -> Result {
    if let Some(map) = args.map(0) {
        map.remove(args.string(1));
    }
    Ok(args.value(0).clone())
}

fn maps(args: Args<'_>, from: usize) -> impl Iterator<Item = &Arc<Map>> {
    (from..args.len()).filter_map(move |index| args.map(index))
}

fn pluck(env: &mut Env, args: Args<'_>) -> Result {
    let found = maps(args, 1).filter_map(|map| map.get(args.string(0))).collect();
    env.list(found)
}

/// In Go the order is another one each time; sorted is one of them.
fn keys(env: &mut Env, args: Args<'_>) -> Result {
    let keys = maps(args, 0).flat_map(|map| map.entries()).map(|(key, _)| Value::String(key)).collect();
    env.slice(Type::String, keys)
}

fn values(env: &mut Env, args: Args<'_>) -> Result {
    let values = maps(args, 0).flat_map(|map| map.entries()).map(|(_, value)| value).collect();
    env.list(values)
}

/// The entries whose keys are named, or those whose aren't.
fn filtered(env: &mut Env, args: Args<'_>, named: bool) -> Result {
    let result = new_map();
    for (key, value) in maps(args, 0).take(1).flat_map(|map| map.entries()) {
        env.meter.work((args.len() - 1) * 64)?;
        if (1..args.len()).any(|index| *args.string(index) == *key) == named {
            env.meter.allocate(2 * size_of::<Value>())?;
            result.insert(key, value);
        }
    }
    Ok(Value::Map(result))
}

fn dig(_: &mut Env, args: Args<'_>) -> Result {
    let count = args.len();
    if count < 3 {
        return Err("dig needs at least three arguments".into());
    }
    let mut current = args.value(count - 1).clone();
    as_map(&current)?;
    let keys: Vec<&[u8]> = args
        .from(0)
        .take(count - 2)
        .map(|key| match key {
            Value::String(key) => Ok(&**key),
            other => Err(conversion(other, "string")),
        })
        .collect::<Result<_>>()?;
    for key in keys {
        let next = match as_map(&current)? {
            Some(map) => map.get(key),
            None => None,
        };
        match next {
            Some(next) => current = next,
            None => return Ok(args.value(count - 2).clone()),
        }
    }
    Ok(current)
}

fn as_map(value: &Value) -> Result<Option<&Arc<Map>>> {
    match value {
        Value::Map(map) if *map.element() == Type::Interface => Ok(Some(map)),
        Value::Null(Type::Map(element)) if **element == Type::Interface => Ok(None),
        other => Err(conversion(other, "map[string]interface {}")),
    }
}

/// Go's complaint about a type assertion.
fn conversion(value: &Value, wanted: &str) -> Failure {
    let found = if matches!(value, Value::Nil) { "nil".to_owned() } else { value.type_of().to_string() };
    Failure::Message(format!("interface conversion: interface {{}} is {found}, not {wanted}"))
}

/// The string of a key, for `urlJoin`: empty if there's none.
pub(super) fn string_entry(map: Option<&Arc<Map>>, key: &str) -> Result<Str> {
    match map.and_then(|map| map.get(key.as_bytes())) {
        None => Ok(Str::from("")),
        Some(Value::String(text)) => Ok(text),
        Some(Value::Nil) => Err(Failure::nil_dereference()),
        Some(other) => Err(Failure::Message(format!("unable to parse {key} key, must be of type string, but {} found", other.kind_name()))),
    }
}
