//! Numbers whose number, or whose size, a rule chooses.

use super::{Limit, Outcome, Stop, Value, integer, meter};

/// `numbers.range` and the like give at most that many.
const MAX_ITEMS: u64 = 100_000;
const ITEM_BYTES: u64 = 32;

/// A shift by more makes an integer that nothing here writes.
const MAX_SHIFT: i64 = 4096;

/// OPA's `numbers.range(a, b)`: all integers from `a` to `b`, either way.
pub(super) fn range(arguments: &[Value]) -> Outcome {
    steps(arguments, 1)
}

/// OPA's `numbers.range_step(a, b, step)`.
pub(super) fn range_step(arguments: &[Value]) -> Outcome {
    let step = integer(arguments.get(2))?;
    if step <= 0 {
        return Err(Stop::Undefined);
    }
    steps(arguments, step.unsigned_abs())
}

fn steps(arguments: &[Value], step: u64) -> Outcome {
    let (from, to) = (integer(arguments.first())?, integer(arguments.get(1))?);
    let last = from.abs_diff(to) / step;
    if last >= MAX_ITEMS {
        return Err(Limit::Size.into());
    }
    meter::charge(usize::try_from(last * ITEM_BYTES).unwrap_or(usize::MAX))?;
    let items = (0..=last).map(|index| {
        let way = i64::try_from(index * step).unwrap_or_default();
        Value::from(if from <= to { from + way } else { from - way })
    });
    Ok(Value::from(items.collect::<Vec<_>>()))
}

/// OPA's `bits.lsh(number, shift)`.
pub(super) fn lsh(arguments: &[Value]) -> Outcome {
    let shift = integer(arguments.get(1))?;
    if shift > MAX_SHIFT {
        return Err(Limit::Size.into());
    }
    let (Some(Value::Number(number)), Some(Value::Number(shift))) = (arguments.first(), arguments.get(1)) else { return Err(Stop::Undefined) };
    number.lsh(shift).map(Value::from).ok_or(Stop::Undefined)
}
