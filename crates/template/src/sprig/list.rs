//! Lists.

use std::sync::Arc;

use super::{items_or, text_of};
use crate::copy;
use crate::error::Failure;
use crate::function::{Args, Env, Function, Param};
use crate::types::Type;
use crate::value::Value;

type Result<T = Value> = std::result::Result<T, Failure>;

const ANY: &[Param] = &[Param::Any];
const TWO: &[Param] = &[Param::Any, Param::Any];

pub(super) static FUNCTIONS: &[Function] = &[
    Function::variadic("list", ANY, list),
    Function::variadic("tuple", ANY, list),
    Function::new("append", TWO, push),
    Function::new("push", TWO, push),
    Function::new("mustAppend", TWO, push),
    Function::new("mustPush", TWO, push),
    Function::new("prepend", TWO, prepend),
    Function::new("mustPrepend", TWO, prepend),
    Function::new("first", ANY, first),
    Function::new("mustFirst", ANY, first),
    Function::new("rest", ANY, rest),
    Function::new("mustRest", ANY, rest),
    Function::new("last", ANY, last),
    Function::new("mustLast", ANY, last),
    Function::new("initial", ANY, initial),
    Function::new("mustInitial", ANY, initial),
    Function::new("reverse", ANY, reverse),
    Function::new("mustReverse", ANY, reverse),
    Function::new("compact", ANY, compact),
    Function::new("mustCompact", ANY, compact),
    Function::new("uniq", ANY, uniq),
    Function::new("mustUniq", ANY, uniq),
    Function::variadic("without", TWO, without),
    Function::variadic("mustWithout", TWO, without),
    Function::new("has", TWO, has),
    Function::new("mustHas", TWO, has),
    Function::variadic("slice", TWO, slice),
    Function::variadic("mustSlice", TWO, slice),
    Function::variadic("concat", ANY, concat),
    Function::new("chunk", &[Param::Int, Param::Any], chunk),
    Function::new("mustChunk", &[Param::Int, Param::Any], chunk),
    Function::new("sortAlpha", ANY, sort_alpha),
];

fn list(env: &mut Env, args: Args<'_>) -> Result {
    env.list(args.from(0).cloned().collect())
}

/// Room for a list of so many values, before it is made.
fn reserve(env: &mut Env, count: usize) -> Result<()> {
    if count.saturating_mul(size_of::<Value>()) > env.meter.room() {
        return Err(env.meter.out_of_memory());
    }
    Ok(())
}

fn push(env: &mut Env, args: Args<'_>) -> Result {
    let items = items_or(args.value(0), "Cannot push on")?;
    reserve(env, items.len() + 1)?;
    let list = items.iter().chain([args.value(1)]).cloned().collect();
    env.list(list)
}

fn prepend(env: &mut Env, args: Args<'_>) -> Result {
    let items = items_or(args.value(0), "Cannot prepend on")?;
    reserve(env, items.len() + 1)?;
    let list = [args.value(1)].into_iter().chain(items.iter()).cloned().collect();
    env.list(list)
}

fn first(_: &mut Env, args: Args<'_>) -> Result {
    Ok(items_or(args.value(0), "Cannot find first on")?.first().cloned().unwrap_or(Value::Nil))
}

fn last(_: &mut Env, args: Args<'_>) -> Result {
    Ok(items_or(args.value(0), "Cannot find last on")?.last().cloned().unwrap_or(Value::Nil))
}

/// What Go returns for a list without items: a nil slice, which prints as an empty one.
fn nil_list() -> Value {
    Value::Null(Type::Slice(Arc::new(Type::Interface)))
}

fn rest(env: &mut Env, args: Args<'_>) -> Result {
    let items = items_or(args.value(0), "Cannot find rest on")?;
    match items.split_first() {
        Some((_, rest)) => env.list(rest.to_vec()),
        None => Ok(nil_list()),
    }
}

fn initial(env: &mut Env, args: Args<'_>) -> Result {
    let items = items_or(args.value(0), "Cannot find initial on")?;
    match items.split_last() {
        Some((_, initial)) => env.list(initial.to_vec()),
        None => Ok(nil_list()),
    }
}

fn reverse(env: &mut Env, args: Args<'_>) -> Result {
    let items = items_or(args.value(0), "Cannot find reverse on")?;
    env.list(items.iter().rev().cloned().collect())
}

fn compact(env: &mut Env, args: Args<'_>) -> Result {
    let items = items_or(args.value(0), "Cannot compact on")?;
    env.list(items.iter().filter(|item| !super::is_empty(item)).cloned().collect())
}

/// Whether one of some values is the same as another in all parts.
fn contains<'a>(env: &mut Env, values: impl IntoIterator<Item = &'a Value>, wanted: &Value) -> Result<bool> {
    for value in values {
        env.meter.step()?;
        if super::reflect::deep_equal(env, wanted, value)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn uniq(env: &mut Env, args: Args<'_>) -> Result {
    let items = items_or(args.value(0), "Cannot find uniq on")?;
    let mut unique: Vec<Value> = Vec::new();
    for item in items.iter() {
        if !contains(env, &unique, item)? {
            unique.push(item.clone());
        }
    }
    env.list(unique)
}

fn without(env: &mut Env, args: Args<'_>) -> Result {
    let items = items_or(args.value(0), "Cannot find without on")?;
    let mut left = Vec::new();
    for item in items.iter() {
        if !contains(env, args.from(1), item)? {
            left.push(item.clone());
        }
    }
    env.list(left)
}

fn has(env: &mut Env, args: Args<'_>) -> Result {
    if matches!(args.value(1), Value::Nil) {
        return Ok(Value::Bool(false));
    }
    let items = items_or(args.value(1), "Cannot find has on")?;
    contains(env, items.iter(), args.value(0)).map(Value::Bool)
}

fn slice(env: &mut Env, args: Args<'_>) -> Result {
    let value = args.value(0);
    if matches!(value, Value::Nil) {
        return Err(Failure::nil_dereference());
    }
    let items = super::items(value).ok_or_else(|| Failure::Message(format!("list should be type of slice or array but {}", value.kind_name())))?;
    if items.is_empty() {
        return Ok(Value::Nil);
    }
    let index = |at: usize, default: i64| args.from(at).next().map_or(default, super::math::to_int);
    let (start, end) = (index(1, 0), index(2, items.len() as i64));
    let range = usize::try_from(start).ok().zip(usize::try_from(end).ok());
    let part = range.and_then(|(start, end)| items.get(start..end)).ok_or("reflect.Value.Slice: slice index out of bounds")?;
    match value {
        Value::Bytes(bytes) => Ok(Value::Bytes(bytes[start as usize..end as usize].into())),
        Value::List(list) => env.slice(list.element().clone(), part.to_vec()),
        _ => Ok(Value::Nil),
    }
}

fn concat(env: &mut Env, args: Args<'_>) -> Result {
    let mut all = Vec::new();
    for value in args.from(0) {
        if matches!(value, Value::Nil) {
            return Err(Failure::nil_dereference());
        }
        let items = super::items(value).ok_or_else(|| Failure::Message(format!("Cannot concat type {} as list", value.kind_name())))?;
        reserve(env, all.len() + items.len())?;
        all.extend_from_slice(&items);
    }
    if all.is_empty() { Ok(nil_list()) } else { env.list(all) }
}

fn chunk(env: &mut Env, args: Args<'_>) -> Result {
    let items = items_or(args.value(1), "Cannot chunk")?;
    let element = Type::Slice(Arc::new(Type::Interface));
    let (length, size) = (items.len() as f64, args.int(0) as f64);
    // Go computes with floats, and so sizes that aren't positive make for these.
    let count = ((length - 1.0) / size).floor() + 1.0;
    let rest = (length % size).floor();
    let last = if rest == 0.0 { size } else { rest };
    if !count.is_finite() || count < 0.0 || count > 0.0 && last < 0.0 {
        return Err("runtime error: makeslice: len out of range".into());
    }
    if count == 0.0 {
        return env.slice(element, Vec::new());
    }
    let size = usize::try_from(args.int(0)).unwrap_or(items.len());
    let mut chunks = Vec::new();
    for chunk in items.chunks(size) {
        chunks.push(env.list(chunk.to_vec())?);
    }
    env.slice(element, chunks)
}

/// `strslice`: the items as strings, without those that are nil.
pub(super) fn to_strings(env: &mut Env, value: &Value) -> Result {
    let Some(items) = super::items(value) else {
        return match value {
            Value::Nil => env.strings(Vec::new()),
            value => {
                let text = text_of(env, value)?;
                env.slice(Type::String, vec![Value::String(text)])
            }
        };
    };
    if matches!(value, Value::List(list) if *list.element() == Type::String) {
        return Ok(value.clone());
    }
    let mut strings = Vec::with_capacity(items.len());
    for item in items.iter().filter(|item| !matches!(item, Value::Nil)) {
        let text = text_of(env, item)?;
        env.meter.allocate(text.len())?;
        strings.push(Value::String(text));
    }
    env.slice(Type::String, strings)
}

/// Sorts an `[]string` where it is, as Go does, and a copy of any other slice.
fn sort_alpha(env: &mut Env, args: Args<'_>) -> Result {
    if super::items(args.value(0)).is_none() {
        let text = text_of(env, args.value(0))?;
        return env.slice(Type::String, vec![Value::String(text)]);
    }
    let strings = to_strings(env, args.value(0))?;
    if let Value::List(list) = &strings {
        env.meter.work(list.items().len() * 256)?;
        list.sort();
    }
    Ok(strings)
}

/// Copies of values, charged by what is in them.
pub(super) fn deep_copy(env: &mut Env, value: &Value) -> Result {
    if matches!(value, Value::Nil) {
        return Err("reflect: call of reflect.Value.Type on zero Value".into());
    }
    let limit = env.meter.room() / size_of::<Value>();
    let count = copy::count(value, limit);
    env.meter.allocate(count.saturating_mul(2 * size_of::<Value>()))?;
    copy::deep(value, 0)
}
