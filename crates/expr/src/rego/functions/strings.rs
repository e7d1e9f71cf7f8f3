//! Text functions whose result may be much larger than their arguments.

use super::{Limit, MAX_ARGUMENT_BYTES, Outcome, Stop, Value, charge_all, meter, text, texts};

/// What one part of a text that is split costs.
const PART_BYTES: usize = 48;

/// OPA's `concat(delimiter, texts)`.
pub(super) fn concat(arguments: &[Value]) -> Outcome {
    let delimiter = text(arguments.first())?;
    let parts = texts(arguments.get(1))?;
    let length = parts.iter().fold(0_usize, |sum, part| sum.saturating_add(part.len()).saturating_add(delimiter.len()));
    made(length)?;
    Ok(Value::from(parts.join(delimiter)))
}

/// OPA's `lower(text)`: character by character, as Go does.
pub(super) fn lower(arguments: &[Value]) -> Outcome {
    /// Its small letter is two characters in Unicode's full mapping.
    const DOTTED_I: char = '\u{130}';
    mapped(arguments, |c| if c == DOTTED_I { Some('i') } else { only(c.to_lowercase()) })
}

/// OPA's `upper(text)`: character by character, as Go does, so that `ß` stays.
pub(super) fn upper(arguments: &[Value]) -> Outcome {
    mapped(arguments, |c| only(c.to_uppercase()))
}

fn mapped(arguments: &[Value], map: impl Fn(char) -> Option<char>) -> Outcome {
    let whole = text(arguments.first())?;
    made(whole.len())?;
    Ok(Value::from(whole.chars().map(|c| map(c).unwrap_or(c)).collect::<String>()))
}

fn only(mut mapped: impl Iterator<Item = char>) -> Option<char> {
    mapped.next().filter(|_| mapped.next().is_none())
}

/// OPA's `strings.count(text, part)`: how often it's there without overlapping; an empty part is between all characters.
pub(super) fn count(arguments: &[Value]) -> Outcome {
    let (whole, part) = (text(arguments.first())?, text(arguments.get(1))?);
    meter::charge(whole.len())?;
    Ok(Value::from(if part.is_empty() { whole.chars().count() + 1 } else { whole.matches(part).count() }))
}

/// OPA's `count(value)`: characters, where the interpreter counts what they are in UTF-16, or items.
pub(super) fn length(arguments: &[Value]) -> Outcome {
    Ok(Value::from(match arguments.first() {
        Some(Value::String(text)) => text.chars().count(),
        Some(Value::Array(items)) => items.len(),
        Some(Value::Set(items)) => items.len(),
        Some(Value::Object(fields)) => fields.len(),
        _ => return Err(Stop::Undefined),
    }))
}

/// OPA's `indexof(text, part)`: the first place, in characters; -1 without one, undefined for an empty part.
pub(super) fn indexof(arguments: &[Value]) -> Outcome {
    let (whole, part) = (text(arguments.first())?, part(arguments)?);
    meter::charge(whole.len())?;
    let found = whole.find(part).map(|at| whole.get(..at).unwrap_or_default().chars().count());
    Ok(found.map_or_else(|| Value::from(-1_i64), Value::from))
}

/// OPA's `indexof_n(text, part)`: all places, also those that overlap.
pub(super) fn indexof_n(arguments: &[Value]) -> Outcome {
    let (whole, part) = (text(arguments.first())?, part(arguments)?);
    if whole.len().saturating_mul(part.len()) > MAX_ARGUMENT_BYTES {
        return Err(Limit::Size.into());
    }
    meter::charge(whole.len().saturating_mul(PART_BYTES))?;
    let starts = whole.char_indices().enumerate();
    let places = starts.filter(|(_, (at, _))| whole.get(*at..).is_some_and(|rest| rest.starts_with(part)));
    Ok(Value::from(places.map(|(place, _)| Value::from(place)).collect::<Vec<_>>()))
}

/// The second argument, which OPA wants not to be empty.
fn part(arguments: &[Value]) -> Result<&str, Stop> {
    text(arguments.get(1)).and_then(|part| if part.is_empty() { Err(Stop::Undefined) } else { Ok(part) })
}

/// OPA's `replace(text, old, new)`.
pub(super) fn replace(arguments: &[Value]) -> Outcome {
    let (old, new) = (text(arguments.get(1))?, text(arguments.get(2))?);
    let whole = text(arguments.first())?;
    let found = if old.is_empty() { whole.len() + 1 } else { whole.matches(old).count() };
    made(found.saturating_mul(new.len()).saturating_add(whole.len()))?;
    Ok(Value::from(whole.replace(old, new)))
}

/// OPA's `split(text, delimiter)`.
pub(super) fn split(arguments: &[Value]) -> Outcome {
    let (whole, delimiter) = (text(arguments.first())?, text(arguments.get(1))?);
    let parts = if delimiter.is_empty() { whole.len() } else { whole.matches(delimiter).count() };
    meter::charge(parts.saturating_mul(PART_BYTES).saturating_add(whole.len()))?;
    let parts: Vec<Value> = if delimiter.is_empty() {
        let mut buffer = [0; 4];
        whole.chars().map(|c| Value::from(&*c.encode_utf8(&mut buffer))).collect()
    } else {
        whole.split(delimiter).map(Value::from).collect()
    };
    Ok(Value::from(parts))
}

/// OPA's `strings.replace_n({old: new}, text)`: at every place the first of the keys, in their order, that is there; what was put in isn't looked at.
pub(super) fn replace_n(arguments: &[Value]) -> Outcome {
    let Some(Value::Object(pairs)) = arguments.first() else { return Err(Stop::Undefined) };
    let whole = text(arguments.get(1))?;
    charge_all(arguments, MAX_ARGUMENT_BYTES)?;
    let mut replacements = Vec::with_capacity(pairs.len());
    for (old, new) in pairs.iter_sorted() {
        replacements.push((text(Some(old))?, text(Some(new))?));
    }
    if replacements.len().saturating_mul(whole.len()) > MAX_ARGUMENT_BYTES {
        return Err(Limit::Size.into());
    }
    let mut out = String::with_capacity(whole.len());
    let mut rest = whole;
    // What an empty key put in isn't followed by another at the same place.
    let mut copied = true;
    while let Some(next) = rest.chars().next() {
        let found = replacements.iter().find(|(old, _)| rest.starts_with(old) && (copied || !old.is_empty()));
        match found {
            Some((old, new)) => {
                out.push_str(new);
                rest = rest.get(old.len()..).unwrap_or_default();
                copied = !old.is_empty();
            }
            None => {
                out.push(next);
                rest = rest.get(next.len_utf8()..).unwrap_or_default();
                copied = true;
            }
        }
        if out.len() > MAX_ARGUMENT_BYTES {
            return Err(Limit::Size.into());
        }
    }
    if let Some((_, new)) = replacements.iter().find(|(old, _)| old.is_empty() && copied) {
        out.push_str(new);
    }
    made(out.len())?;
    Ok(Value::from(out))
}

/// Charges a text that is about to be made.
fn made(bytes: usize) -> Result<(), Stop> {
    if bytes > MAX_ARGUMENT_BYTES {
        return Err(Limit::Size.into());
    }
    Ok(meter::charge(bytes)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(function: fn(&[Value]) -> Outcome, arguments: &[&str], expect: &str) {
        let arguments: Vec<Value> = arguments.iter().map(|text| Value::from(*text)).collect();
        let found = meter::metered(|| function(&arguments)).unwrap();
        let found = found.map_or_else(|_| "undefined".to_owned(), |value| value.to_string());
        assert_eq!(found, expect, "{arguments:?}");
    }

    #[test]
    fn places_and_lengths_are_in_characters() {
        check(length, &["ünï 日本 😀"], "8");
        check(indexof, &["ünï 😀b", "b"], "5");
        check(indexof, &["abc", "x"], "-1");
        check(indexof, &["abc", ""], "undefined");
        check(indexof_n, &["😀bb", "bb"], "[1]");
        check(indexof_n, &["aaa", "aa"], "[0,1]");
        check(indexof_n, &["aaa", ""], "undefined");
    }
}
