//! OPA's `regex.*`.

use super::{Limit, Outcome, Stop, Value, integer, meter, text};
use crate::pattern::{Pattern, PatternError};

/// What one match costs beside its text.
const MATCH_BYTES: usize = 48;

pub(super) fn is_valid(arguments: &[Value]) -> Outcome {
    match Pattern::new(text(arguments.first())?) {
        Ok(_) => Ok(Value::from(true)),
        Err(PatternError::Invalid { .. }) => Ok(Value::from(false)),
        Err(PatternError::TooLarge) => Err(Limit::Pattern.into()),
    }
}

/// `regex.match(pattern, text)`.
pub(super) fn is_match(arguments: &[Value]) -> Outcome {
    let (pattern, whole) = both(arguments.first(), arguments.get(1))?;
    Ok(Value::from(pattern.is_match(whole)))
}

/// `regex.find_n(pattern, text, n)`: the first `n` matches, all if `n` is negative.
pub(super) fn find_n(arguments: &[Value]) -> Outcome {
    let (pattern, whole) = both(arguments.first(), arguments.get(1))?;
    let mut found = Vec::new();
    for one in pattern.find_iter(whole).take(at_most(arguments.get(2))?) {
        meter::charge(one.len() + MATCH_BYTES)?;
        found.push(Value::from(one.as_str()));
    }
    Ok(Value::from(found))
}

/// `regex.find_all_string_submatch_n(pattern, text, n)`: of each match, itself and its groups.
pub(super) fn find_all(arguments: &[Value]) -> Outcome {
    let (pattern, whole) = both(arguments.first(), arguments.get(1))?;
    let mut found = Vec::new();
    for one in pattern.captures_iter(whole).take(at_most(arguments.get(2))?) {
        let groups: Vec<&str> = one.iter().map(|group| group.map_or("", |group| group.as_str())).collect();
        meter::charge(groups.iter().map(|group| group.len() + MATCH_BYTES).sum())?;
        found.push(Value::from(groups.into_iter().map(Value::from).collect::<Vec<_>>()));
    }
    Ok(Value::from(found))
}

/// `regex.replace(text, pattern, replacement)`, with `$1`, `${name}` and `$$` in the replacement.
pub(super) fn replace(arguments: &[Value]) -> Outcome {
    let (pattern, whole) = both(arguments.get(1), arguments.first())?;
    let replacement = text(arguments.get(2))?;
    let mut out = String::new();
    let mut end = 0;
    for found in pattern.captures_iter(whole) {
        let Some(all) = found.get(0) else { continue };
        let before = out.len();
        out.push_str(whole.get(end..all.start()).unwrap_or_default());
        found.expand(replacement, &mut out);
        end = all.end();
        meter::charge(out.len() - before + MATCH_BYTES)?;
    }
    out.push_str(whole.get(end..).unwrap_or_default());
    Ok(Value::from(out))
}

/// `regex.split(pattern, text)`, as Go's `Split(text, -1)`.
pub(super) fn split(arguments: &[Value]) -> Outcome {
    let (pattern, whole) = both(arguments.first(), arguments.get(1))?;
    if whole.is_empty() {
        return Ok(Value::from(vec![Value::from("")]));
    }
    let (mut parts, mut start, mut end) = (Vec::new(), 0, 0);
    for found in pattern.find_iter(whole) {
        end = found.start();
        if found.end() != 0 {
            meter::charge(end - start + MATCH_BYTES)?;
            parts.push(Value::from(whole.get(start..end).unwrap_or_default()));
        }
        start = found.end();
    }
    if end != whole.len() {
        parts.push(Value::from(whole.get(start..).unwrap_or_default()));
    }
    Ok(Value::from(parts))
}

fn at_most(value: Option<&Value>) -> Result<usize, Stop> {
    Ok(usize::try_from(integer(value)?).unwrap_or(usize::MAX))
}

/// The pattern, and the text if that isn't too long for it.
fn both<'a>(pattern: Option<&'a Value>, whole: Option<&'a Value>) -> Result<(Pattern, &'a str), Stop> {
    let whole = text(whole)?;
    let pattern = Pattern::new(text(pattern)?).map_err(|error| match error {
        PatternError::Invalid { .. } => Stop::Undefined,
        PatternError::TooLarge => Limit::Pattern.into(),
    })?;
    if !pattern.suits(whole) {
        return Err(Limit::Pattern.into());
    }
    meter::charge(whole.len())?;
    Ok((pattern, whole))
}
