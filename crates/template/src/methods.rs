//! Methods of the values that functions return: times, durations, versions.

use std::sync::{Arc, LazyLock};

use crate::error::Failure;
use crate::function::{Args, Env, Function, Param};
use crate::semver::Version;
use crate::time::{self, Time};
use crate::types::{Field, IntKind, StructType, Type, UintKind};
use crate::value::{Struct, Value};

type Result = std::result::Result<Value, Failure>;

/// The method of a value, by its name.
pub(crate) fn find(value: &Value, name: &[u8]) -> Option<&'static Function> {
    let methods = match value {
        Value::Time(_) => TIME,
        Value::Version(_) => VERSION,
        Value::Int(IntKind::Duration, _) => DURATION,
        Value::Int(IntKind::Month | IntKind::Weekday, _) => NAMED,
        Value::Pointer(object) if Arc::ptr_eq(object.kind(), &LOCATION) => NAMED,
        _ => return None,
    };
    methods.iter().find(|method| method.name.as_bytes() == name)
}

/// What `String()` gives for values that have it.
pub(crate) fn string_of(value: &Value) -> Option<String> {
    match value {
        Value::Time(time) => Some(time.to_string()),
        Value::Version(version) => Some(version.to_string()),
        Value::Int(IntKind::Duration, nanoseconds) => Some(time::duration_string(*nanoseconds)),
        Value::Int(IntKind::Month, month) => Some(time::month_name(*month)),
        Value::Int(IntKind::Weekday, day) => Some(time::weekday_name(*day)),
        Value::Struct(object) | Value::Pointer(object) if Arc::ptr_eq(object.kind(), &LOCATION) => match object.fields() {
            [Value::String(name)] => Some(crate::quote::lossy(name)),
            _ => None,
        },
        _ => None,
    }
}

/// `time.Location`. Its field has no name that a template could say.
static LOCATION: LazyLock<Arc<StructType>> = LazyLock::new(|| StructType::new("time.Location", vec![Field::new("", Type::String)]));

fn location(name: String) -> Value {
    Value::Pointer(Arc::new(Struct::new(LOCATION.clone(), vec![Value::from(name)])))
}

const NONE: &[Param] = &[];
const OTHER_TIME: &[Param] = &[Param::Time];
const OTHER_DURATION: &[Param] = &[Param::Duration];
const OTHER_VERSION: &[Param] = &[Param::Version];

static NAMED: &[Function] = &[Function::new("String", NONE, string)];

static TIME: &[Function] = &[
    Function::new("String", NONE, string),
    Function::new("GoString", NONE, |env, args| env.string(receiver(args).go_string())),
    Function::new("Format", &[Param::String], |env, args| {
        let text = receiver(args).format(args.string(1));
        env.string(text)
    }),
    Function::new("Year", NONE, |_, args| int(receiver(args).civil().year)),
    Function::new("Month", NONE, |_, args| Ok(Value::Int(IntKind::Month, receiver(args).civil().month.into()))),
    Function::new("Day", NONE, |_, args| int(receiver(args).civil().day.into())),
    Function::new("Hour", NONE, |_, args| int(receiver(args).civil().hour.into())),
    Function::new("Minute", NONE, |_, args| int(receiver(args).civil().minute.into())),
    Function::new("Second", NONE, |_, args| int(receiver(args).civil().second.into())),
    Function::new("Nanosecond", NONE, |_, args| int(receiver(args).nanosecond().into())),
    Function::new("YearDay", NONE, |_, args| int(receiver(args).civil().year_day.into())),
    Function::new("Weekday", NONE, |_, args| Ok(Value::Int(IntKind::Weekday, receiver(args).civil().weekday.into()))),
    Function::new("Unix", NONE, |_, args| int64(receiver(args).unix())),
    Function::new("UnixMilli", NONE, |_, args| int64(receiver(args).unix_in(1_000))),
    Function::new("UnixMicro", NONE, |_, args| int64(receiver(args).unix_in(1_000_000))),
    Function::new("UnixNano", NONE, |_, args| int64(receiver(args).unix_in(1_000_000_000))),
    Function::new("UTC", NONE, |_, args| Ok(moment(receiver(args).in_utc()))),
    Function::new("Local", NONE, |_, args| Ok(moment(receiver(args).in_local()))),
    Function::new("Location", NONE, |_, args| Ok(location(receiver(args).location()))),
    Function::new("IsZero", NONE, |_, args| Ok(Value::Bool(receiver(args).is_zero()))),
    Function::new("IsDST", NONE, |_, args| Ok(Value::Bool(receiver(args).is_dst()))),
    Function::new("Equal", OTHER_TIME, |_, args| Ok(Value::Bool(compare_times(args).is_eq()))),
    Function::new("Before", OTHER_TIME, |_, args| Ok(Value::Bool(compare_times(args).is_lt()))),
    Function::new("After", OTHER_TIME, |_, args| Ok(Value::Bool(compare_times(args).is_gt()))),
    Function::new("Compare", OTHER_TIME, |_, args| int(compare_times(args) as i64)),
    Function::new("Add", OTHER_DURATION, |_, args| Ok(moment(receiver(args).add(args.int(1))))),
    Function::new("Sub", OTHER_TIME, |_, args| Ok(duration(other_time(args).map_or(0, |other| receiver(args).since(&other))))),
    Function::new("AddDate", &[Param::Int, Param::Int, Param::Int], |_, args| Ok(moment(receiver(args).add_date(args.int(1), args.int(2), args.int(3))))),
    Function::new("Truncate", OTHER_DURATION, |_, args| Ok(moment(receiver(args).truncate(args.int(1))))),
    Function::new("Round", OTHER_DURATION, |_, args| Ok(moment(receiver(args).round(args.int(1))))),
    Function::unusable("Date", "function Date has 3 return values; should be 1 or 2"),
    Function::unusable("Clock", "function Clock has 3 return values; should be 1 or 2"),
    Function::unusable("ISOWeek", "invalid function signature for ISOWeek: second return value should be error; is int"),
    Function::unusable("Zone", "invalid function signature for Zone: second return value should be error; is int"),
    Function::unusable("ZoneBounds", "invalid function signature for ZoneBounds: second return value should be error; is time.Time"),
];

static DURATION: &[Function] = &[
    Function::new("String", NONE, string),
    Function::new("Hours", NONE, |_, args| Ok(Value::Float(units(args.int(0), 3_600_000_000_000)))),
    Function::new("Minutes", NONE, |_, args| Ok(Value::Float(units(args.int(0), 60_000_000_000)))),
    Function::new("Seconds", NONE, |_, args| Ok(Value::Float(units(args.int(0), 1_000_000_000)))),
    Function::new("Milliseconds", NONE, |_, args| int64(args.int(0) / 1_000_000)),
    Function::new("Microseconds", NONE, |_, args| int64(args.int(0) / 1_000)),
    Function::new("Nanoseconds", NONE, |_, args| int64(args.int(0))),
    Function::new("Abs", NONE, |_, args| Ok(duration(args.int(0).saturating_abs()))),
    Function::new("Truncate", OTHER_DURATION, |_, args| Ok(duration(time::truncate_duration(args.int(0), args.int(1))))),
    Function::new("Round", OTHER_DURATION, |_, args| Ok(duration(time::round_duration(args.int(0), args.int(1))))),
];

static VERSION: &[Function] = &[
    Function::new("String", NONE, string),
    Function::new("Major", NONE, |_, args| uint64(version(args, 0)?.major)),
    Function::new("Minor", NONE, |_, args| uint64(version(args, 0)?.minor)),
    Function::new("Patch", NONE, |_, args| uint64(version(args, 0)?.patch)),
    Function::new("Prerelease", NONE, |env, args| env.string(version(args, 0)?.prerelease.as_str())),
    Function::new("Metadata", NONE, |env, args| env.string(version(args, 0)?.metadata.as_str())),
    Function::new("Original", NONE, |env, args| env.string(version(args, 0)?.original.as_str())),
    Function::new("Compare", OTHER_VERSION, |_, args| int(version(args, 0)?.compare(version(args, 1)?) as i64)),
    Function::new("Equal", OTHER_VERSION, |_, args| compared(args, |order| order.is_eq())),
    Function::new("LessThan", OTHER_VERSION, |_, args| compared(args, |order| order.is_lt())),
    Function::new("LessThanEqual", OTHER_VERSION, |_, args| compared(args, |order| order.is_le())),
    Function::new("GreaterThan", OTHER_VERSION, |_, args| compared(args, |order| order.is_gt())),
    Function::new("GreaterThanEqual", OTHER_VERSION, |_, args| compared(args, |order| order.is_ge())),
    Function::new("IncMajor", NONE, |_, args| Ok(Value::Version(Arc::new(version(args, 0)?.next_major())))),
    Function::new("IncMinor", NONE, |_, args| Ok(Value::Version(Arc::new(version(args, 0)?.next_minor())))),
    Function::new("IncPatch", NONE, |_, args| Ok(Value::Version(Arc::new(version(args, 0)?.next_patch())))),
    Function::new("SetPrerelease", &[Param::String], |_, args| changed(version(args, 0)?.with_prerelease(args.string(1)))),
    Function::new("SetMetadata", &[Param::String], |_, args| changed(version(args, 0)?.with_metadata(args.string(1)))),
];

fn string(env: &mut Env, args: Args<'_>) -> Result {
    env.string(string_of(args.value(0)).unwrap_or_default())
}

fn receiver(args: Args<'_>) -> Arc<Time> {
    match args.value(0) {
        Value::Time(time) => time.clone(),
        _ => Arc::new(Time::zero()),
    }
}

fn other_time(args: Args<'_>) -> Option<Arc<Time>> {
    match args.value(1) {
        Value::Time(time) => Some(time.clone()),
        _ => None,
    }
}

fn compare_times(args: Args<'_>) -> std::cmp::Ordering {
    other_time(args).map_or(std::cmp::Ordering::Equal, |other| receiver(args).compare(&other))
}

fn version<'a>(args: Args<'a>, index: usize) -> std::result::Result<&'a Version, Failure> {
    match args.value(index) {
        Value::Version(version) => Ok(version),
        _ => Err(Failure::nil_dereference()),
    }
}

fn compared(args: Args<'_>, truth: impl Fn(std::cmp::Ordering) -> bool) -> Result {
    Ok(Value::Bool(truth(version(args, 0)?.compare(version(args, 1)?))))
}

fn changed(version: std::result::Result<Version, &'static str>) -> Result {
    Ok(Value::Version(Arc::new(version?)))
}

fn moment(time: Time) -> Value {
    Value::Time(Arc::new(time))
}

fn duration(nanoseconds: i64) -> Value {
    Value::Int(IntKind::Duration, nanoseconds)
}

fn int(number: i64) -> Result {
    Ok(Value::int(number))
}

fn int64(number: i64) -> Result {
    Ok(Value::Int(IntKind::Int64, number))
}

fn uint64(number: u64) -> Result {
    Ok(Value::Uint(UintKind::Uint64, number))
}

/// As Go divides: whole units and the rest apart, to lose less.
fn units(nanoseconds: i64, unit: i64) -> f64 {
    (nanoseconds / unit) as f64 + (nanoseconds % unit) as f64 / unit as f64
}
