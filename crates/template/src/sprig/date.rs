//! Dates. The local zone is UTC.

use std::sync::Arc;

use crate::error::Failure;
use crate::function::{Args, Env, Function, Param};
use crate::number::{NumberError, parse_int_radix};
use crate::time::{self, Time};
use crate::types::IntKind;
use crate::value::Value;

type Result<T = Value> = std::result::Result<T, Failure>;

const MODIFY: &[Param] = &[Param::String, Param::Time];
const IN_ZONE: &[Param] = &[Param::String, Param::Any, Param::String];
const TWO: &[Param] = &[Param::String, Param::String];
const ANY: &[Param] = &[Param::Any];

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new("now", &[], |_, _| Ok(moment(Time::now()))),
    Function::new("ago", ANY, ago),
    Function::new("date", &[Param::String, Param::Any], |env, args| formatted(env, args.string(0), args.value(1), b"Local")),
    Function::new("dateInZone", IN_ZONE, |env, args| formatted(env, args.string(0), args.value(1), args.string(2))),
    Function::new("date_in_zone", IN_ZONE, |env, args| formatted(env, args.string(0), args.value(1), args.string(2))),
    Function::new("htmlDate", ANY, |env, args| formatted(env, b"2006-01-02", args.value(0), b"Local")),
    Function::new("htmlDateInZone", &[Param::Any, Param::String], |env, args| formatted(env, b"2006-01-02", args.value(0), args.string(1))),
    Function::new("dateModify", MODIFY, |_, args| Ok(modified(args).unwrap_or_else(|_| args.value(1).clone()))),
    Function::new("date_modify", MODIFY, |_, args| Ok(modified(args).unwrap_or_else(|_| args.value(1).clone()))),
    Function::new("mustDateModify", MODIFY, |_, args| modified(args)),
    Function::new("must_date_modify", MODIFY, |_, args| modified(args)),
    Function::new("toDate", TWO, |_, args| Ok(moment(time::parse(args.string(0), args.string(1)).unwrap_or_else(|_| Time::zero())))),
    Function::new("mustToDate", TWO, |_, args| Ok(moment(time::parse(args.string(0), args.string(1))?))),
    Function::new("unixEpoch", &[Param::Time], |env, args| {
        let seconds = as_time(args.value(0)).map_or(0, |time| time.unix());
        env.string(seconds.to_string())
    }),
    Function::new("duration", ANY, duration),
    Function::new("durationRound", ANY, duration_round),
];

fn moment(time: Time) -> Value {
    Value::Time(Arc::new(time))
}

fn as_time(value: &Value) -> Option<Arc<Time>> {
    match value {
        Value::Time(time) => Some(time.clone()),
        Value::Int(IntKind::Int | IntKind::Int64 | IntKind::Int32, seconds) => Some(Arc::new(Time::unix_time(*seconds, 0))),
        _ => None,
    }
}

fn formatted(env: &mut Env, layout: &[u8], date: &Value, zone: &[u8]) -> Result {
    let time = as_time(date).unwrap_or_else(|| Arc::new(Time::now()));
    let time = time.in_zone(zone).unwrap_or_else(|| time.in_utc());
    env.meter.work(layout.len().saturating_mul(16))?;
    env.string(time.format(layout))
}

fn ago(env: &mut Env, args: Args<'_>) -> Result {
    let time = match args.value(0) {
        Value::Int(IntKind::Int32, _) => None, // Go forgot this one here
        value => as_time(value),
    };
    let now = Time::now();
    let since = time.map_or(0, |time| now.since(&time));
    env.string(time::duration_string(time::round_duration(since, 1_000_000_000)))
}

fn modified(args: Args<'_>) -> Result {
    let duration = time::parse_duration(args.string(0))?;
    Ok(as_time(args.value(1)).map_or(Value::Nil, |time| moment(time.add(duration))))
}

fn duration(env: &mut Env, args: Args<'_>) -> Result {
    let seconds = match args.value(0) {
        Value::String(text) => match parse_int_radix(text, 10) {
            Ok(number) | Err(NumberError::Range(number)) => number,
            Err(NumberError::Syntax) => 0,
        },
        Value::Int(IntKind::Int64, seconds) => *seconds,
        _ => 0,
    };
    env.string(time::duration_string(seconds.wrapping_mul(1_000_000_000)))
}

fn duration_round(env: &mut Env, args: Args<'_>) -> Result {
    let nanoseconds = match args.value(0) {
        Value::String(text) => time::parse_duration(text).unwrap_or(0),
        Value::Int(IntKind::Int64, nanoseconds) => *nanoseconds,
        Value::Time(time) => Time::now().since(time),
        _ => 0,
    };
    const SECOND: u64 = 1_000_000_000;
    let magnitude = nanoseconds.unsigned_abs();
    let units = [(365 * 86_400, "y"), (30 * 86_400, "mo"), (86_400, "d"), (3600, "h"), (60, "m"), (1, "s")];
    let rounded = units.into_iter().find(|(seconds, _)| magnitude > seconds * SECOND);
    env.string(rounded.map_or_else(|| "0s".to_owned(), |(seconds, unit)| format!("{}{unit}", magnitude / (seconds * SECOND))))
}
