//! Numbers: conversions as `github.com/spf13/cast` has them, arithmetic, sequences.

use super::decimal::Decimal;
use crate::error::Failure;
use crate::fmt;
use crate::function::{Args, Env, Function, Param};
use crate::number::{NumberError, parse_float, parse_int, parse_int_radix};
use crate::types::{IntKind, Type};
use crate::value::Value;

type Result<T = Value> = std::result::Result<T, Failure>;

const ANY: &[Param] = &[Param::Any];
const TWO: &[Param] = &[Param::Any, Param::Any];

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new("atoi", &[Param::String], |_, args| Ok(Value::int(clamped(parse_int_radix(args.string(0), 10))))),
    Function::new("int64", ANY, |_, args| int64(to_int(args.value(0)))),
    Function::new("int", ANY, |_, args| Ok(Value::int(to_int(args.value(0))))),
    Function::new("float64", ANY, |_, args| Ok(Value::Float(to_float(args.value(0))))),
    Function::new("toDecimal", ANY, to_decimal),
    Function::new("add1", ANY, |_, args| int64(to_int(args.value(0)).wrapping_add(1))),
    Function::variadic("add", ANY, |_, args| int64(args.from(0).map(to_int).fold(0, i64::wrapping_add))),
    Function::new("sub", TWO, |_, args| int64(to_int(args.value(0)).wrapping_sub(to_int(args.value(1))))),
    Function::new("div", TWO, |_, args| divided(args, i64::wrapping_div)),
    Function::new("mod", TWO, |_, args| divided(args, i64::wrapping_rem)),
    Function::variadic("mul", TWO, |_, args| int64(args.from(1).map(to_int).fold(to_int(args.value(0)), i64::wrapping_mul))),
    Function::variadic("max", TWO, |_, args| int64(args.from(0).map(to_int).max().unwrap_or(0))),
    Function::variadic("biggest", TWO, |_, args| int64(args.from(0).map(to_int).max().unwrap_or(0))),
    Function::variadic("min", TWO, |_, args| int64(args.from(0).map(to_int).min().unwrap_or(0))),
    Function::variadic("maxf", TWO, |_, args| Ok(Value::Float(args.from(1).map(to_float).fold(to_float(args.value(0)), go_max)))),
    Function::variadic("minf", TWO, |_, args| Ok(Value::Float(args.from(1).map(to_float).fold(to_float(args.value(0)), go_min)))),
    Function::new("ceil", ANY, |_, args| Ok(Value::Float(to_float(args.value(0)).ceil()))),
    Function::new("floor", ANY, |_, args| Ok(Value::Float(to_float(args.value(0)).floor()))),
    Function::variadic("round", &[Param::Any, Param::Int, Param::Float], round),
    Function::new("add1f", ANY, |_, args| exact(&[args.value(0), &Value::int(1)], |a, b| Ok(a.add(&b)))),
    Function::variadic("addf", ANY, |_, args| {
        let zero = Value::Float(0.0);
        let all: Vec<&Value> = std::iter::once(&zero).chain(args.from(0)).collect();
        exact(&all, |a, b| Ok(a.add(&b)))
    }),
    Function::variadic("subf", TWO, |_, args| exact(&args.from(0).collect::<Vec<_>>(), |a, b| Ok(a.subtract(&b)))),
    Function::variadic("mulf", TWO, |env, args| {
        // Digits add up: what many factors take is bounded like anything else.
        env.meter.allocate(args.len().saturating_mul(args.len()).saturating_mul(64))?;
        exact(&args.from(0).collect::<Vec<_>>(), |a, b| Ok(a.multiply(&b)))
    }),
    Function::variadic("divf", TWO, |_, args| exact(&args.from(0).collect::<Vec<_>>(), |a, b| a.divide(&b))),
    Function::new("until", &[Param::Int], |env, args| {
        let count = args.int(0);
        sequence(env, 0, count, if count < 0 { -1 } else { 1 })
    }),
    Function::new("untilStep", &[Param::Int, Param::Int, Param::Int], |env, args| sequence(env, args.int(0), args.int(1), args.int(2))),
    Function::variadic("seq", &[Param::Int], seq),
];

fn int64(number: i64) -> Result {
    Ok(Value::Int(IntKind::Int64, number))
}

fn clamped(number: std::result::Result<i64, NumberError>) -> i64 {
    match number {
        Ok(number) | Err(NumberError::Range(number)) => number,
        Err(NumberError::Syntax) => 0,
    }
}

/// `cast.ToInt64`: 0 for what isn't a number.
pub(super) fn to_int(value: &Value) -> i64 {
    match value {
        Value::Int(IntKind::Duration, _) => 0,
        Value::Int(_, number) => *number,
        Value::Uint(_, number) => *number as i64,
        Value::Float(number) => float_to_int(*number),
        Value::Bool(truth) => i64::from(*truth),
        Value::String(text) => std::str::from_utf8(text).ok().and_then(|text| parse_int(without_zero_decimals(text))).unwrap_or(0),
        _ => 0,
    }
}

/// Go's conversion on amd64: what doesn't fit is the smallest number.
fn float_to_int(number: f64) -> i64 {
    let fits = (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&number);
    if fits { number as i64 } else { i64::MIN }
}

/// `3.00` is `3`; `3.10` stays.
fn without_zero_decimals(text: &str) -> &str {
    let trimmed = text.trim_end_matches('0');
    match trimmed.strip_suffix('.') {
        Some(whole) if trimmed.len() < text.len() => whole,
        _ => text,
    }
}

/// `cast.ToFloat64`.
fn to_float(value: &Value) -> f64 {
    match value {
        Value::Int(IntKind::Duration, _) => 0.0,
        Value::Int(_, number) => *number as f64,
        Value::Uint(_, number) => *number as f64,
        Value::Float(number) => *number,
        Value::Bool(truth) => f64::from(u8::from(*truth)),
        Value::String(text) => std::str::from_utf8(text).ok().and_then(parse_float).unwrap_or(0.0),
        _ => 0.0,
    }
}

fn to_decimal(env: &mut Env, args: Args<'_>) -> Result {
    let text = fmt::sprint(&mut env.meter, &[args.value(0)])?;
    int64(parse_int_radix(&text, 8).unwrap_or(0))
}

fn divided(args: Args<'_>, divide: fn(i64, i64) -> i64) -> Result {
    match to_int(args.value(1)) {
        0 => Err("runtime error: integer divide by zero".into()),
        divisor => int64(divide(to_int(args.value(0)), divisor)),
    }
}

/// `math.Max`: not a number wins over all but infinity.
fn go_max(a: f64, b: f64) -> f64 {
    match (a, b) {
        _ if a == f64::INFINITY || b == f64::INFINITY => f64::INFINITY,
        _ if a.is_nan() || b.is_nan() => f64::NAN,
        _ if a == 0.0 && b == 0.0 => {
            if a.is_sign_negative() {
                b
            } else {
                a
            }
        }
        _ => {
            if a > b {
                a
            } else {
                b
            }
        }
    }
}

fn go_min(a: f64, b: f64) -> f64 {
    -go_max(-a, -b)
}

fn round(_: &mut Env, args: Args<'_>) -> Result {
    let threshold = match args.from(2).next() {
        Some(Value::Float(threshold)) => *threshold,
        _ => 0.5,
    };
    let power = power_of_ten(args.int(1));
    let digit = power * to_float(args.value(0));
    let fraction = if digit.is_infinite() { f64::NAN } else { digit.fract() };
    let rounded = if fraction >= threshold { digit.ceil() } else { digit.floor() };
    Ok(Value::Float(rounded / power))
}

/// `math.Pow(10, …)`, to the last bit: beyond 10^22 Go's isn't the power that is nearest.
fn power_of_ten(exponent: i64) -> f64 {
    // 0.625 * 2^4. Powers of two are exact, and kept apart, so that nothing overflows on the way.
    let (mut factor, mut factor_exponent) = (0.625_f64, 4_i32);
    let (mut power, mut power_exponent) = (1.0_f64, 0_i32);
    let mut left = exponent.unsigned_abs();
    while left != 0 {
        if factor_exponent.abs() > 1 << 12 {
            power_exponent += factor_exponent;
            break;
        }
        if left & 1 == 1 {
            power *= factor;
            power_exponent += factor_exponent;
        }
        factor *= factor;
        factor_exponent *= 2;
        if factor < 0.5 {
            factor *= 2.0;
            factor_exponent -= 1;
        }
        left >>= 1;
    }
    if exponent < 0 {
        (power, power_exponent) = (1.0 / power, -power_exponent);
    }
    // In steps that are powers of two themselves; only the last one rounds, if the result is subnormal.
    while power_exponent > 1000 && power.is_finite() {
        power *= 2_f64.powi(1000);
        power_exponent -= 1000;
    }
    while power_exponent < -1000 && power != 0.0 {
        power *= 2_f64.powi(-1000);
        power_exponent += 1000;
    }
    power * 2_f64.powi(power_exponent)
}

fn exact(values: &[&Value], operation: fn(Decimal, Decimal) -> std::result::Result<Decimal, &'static str>) -> Result {
    let mut numbers = values.iter().map(|value| Decimal::from_float(to_float(value)));
    let mut result = numbers.next().unwrap_or_else(|| Decimal::from_float(0.0))?;
    for number in numbers {
        result = operation(result, number?)?;
    }
    Ok(Value::Float(result.to_float()))
}

/// `untilStep`.
fn numbers(start: i64, stop: i64, step: i64) -> impl Iterator<Item = i64> {
    let mut next = runs(start, stop, step).then_some(start);
    std::iter::from_fn(move || {
        let current = next.filter(|&current| if step < 0 { current > stop } else { current < stop })?;
        next = current.checked_add(step);
        Some(current)
    })
}

/// Whether there is any number: only steps towards the end lead there.
fn runs(start: i64, stop: i64, step: i64) -> bool {
    if stop < start { step < 0 } else { step > 0 }
}

fn count(start: i64, stop: i64, step: i64) -> usize {
    if !runs(start, stop, step) {
        return 0;
    }
    usize::try_from(start.abs_diff(stop) / step.unsigned_abs()).unwrap_or(usize::MAX)
}

fn sequence(env: &mut Env, start: i64, stop: i64, step: i64) -> Result {
    if count(start, stop, step) > env.meter.room() / size_of::<Value>() {
        return Err(env.meter.out_of_memory());
    }
    let items = numbers(start, stop, step).map(Value::int).collect();
    env.slice(Type::Int(IntKind::Int), items)
}

fn seq(env: &mut Env, args: Args<'_>) -> Result {
    let (start, stop, step) = match args.len() {
        1 => {
            let end = args.int(0);
            let step = if end < 1 { -1 } else { 1 };
            (1, end.wrapping_add(step), step)
        }
        2 => {
            let (start, end) = (args.int(0), args.int(1));
            let step = if end < start { -1 } else { 1 };
            (start, end.wrapping_add(step), step)
        }
        3 => {
            let (start, step, end) = (args.int(0), args.int(1), args.int(2));
            if end < start && step > 0 {
                return env.string("");
            }
            (start, end.wrapping_add(if end < start { -1 } else { 1 }), step)
        }
        _ => return env.string(""),
    };
    if count(start, stop, step) > env.meter.room() / 4 {
        return Err(env.meter.out_of_memory());
    }
    env.meter.work(count(start, stop, step) * 16)?;
    let text: Vec<String> = numbers(start, stop, step).map(|number| number.to_string()).collect();
    env.string(text.join(" "))
}
