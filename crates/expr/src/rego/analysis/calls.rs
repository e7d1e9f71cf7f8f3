//! Calls: whether the function exists, what it may be given, and what that says of the module.

use super::{Walker, at, static_path, steps};
use crate::rego::error::CompileError;
use crate::rego::functions::{Known, is_volatile, known};
use regorus::unstable::{Expr, Ref};

/// What a constant can be.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Any,
    Text,
    Number,
    /// An array or a set.
    List,
    Array,
    Object,
}

/// What functions take that are given constants now and then. OPA checks all of them; a wrong constant is a rule that is never defined.
const TAKES: &[(&str, &[Kind])] = &[
    ("abs", &[Kind::Number]),
    ("base64.decode", &[Kind::Text]),
    ("base64.encode", &[Kind::Text]),
    ("base64.is_valid", &[Kind::Text]),
    ("base64url.decode", &[Kind::Text]),
    ("base64url.encode", &[Kind::Text]),
    ("base64url.encode_no_pad", &[Kind::Text]),
    ("ceil", &[Kind::Number]),
    ("concat", &[Kind::Text, Kind::List]),
    ("contains", &[Kind::Text, Kind::Text]),
    ("crypto.hmac.equal", &[Kind::Text, Kind::Text]),
    ("crypto.hmac.md5", &[Kind::Text, Kind::Text]),
    ("crypto.hmac.sha1", &[Kind::Text, Kind::Text]),
    ("crypto.hmac.sha256", &[Kind::Text, Kind::Text]),
    ("crypto.hmac.sha512", &[Kind::Text, Kind::Text]),
    ("crypto.md5", &[Kind::Text]),
    ("crypto.sha1", &[Kind::Text]),
    ("crypto.sha256", &[Kind::Text]),
    ("endswith", &[Kind::Text, Kind::Any]),
    ("floor", &[Kind::Number]),
    ("format_int", &[Kind::Number, Kind::Number]),
    ("hex.decode", &[Kind::Text]),
    ("hex.encode", &[Kind::Text]),
    ("indexof", &[Kind::Text, Kind::Text]),
    ("io.jwt.decode", &[Kind::Text]),
    ("io.jwt.decode_verify", &[Kind::Text, Kind::Object]),
    ("io.jwt.encode_sign", &[Kind::Object, Kind::Object, Kind::Object]),
    ("io.jwt.encode_sign_raw", &[Kind::Text, Kind::Text, Kind::Text]),
    ("json.is_valid", &[Kind::Text]),
    ("json.unmarshal", &[Kind::Text]),
    ("lower", &[Kind::Text]),
    ("numbers.range", &[Kind::Number, Kind::Number]),
    ("regex.match", &[Kind::Text, Kind::Text]),
    ("regex.replace", &[Kind::Text, Kind::Text, Kind::Text]),
    ("regex.split", &[Kind::Text, Kind::Text]),
    ("replace", &[Kind::Text, Kind::Text, Kind::Text]),
    ("round", &[Kind::Number]),
    ("split", &[Kind::Text, Kind::Text]),
    ("sprintf", &[Kind::Text, Kind::Array]),
    ("startswith", &[Kind::Text, Kind::Any]),
    ("strings.replace_n", &[Kind::Object, Kind::Text]),
    ("strings.reverse", &[Kind::Text]),
    ("substring", &[Kind::Text, Kind::Number, Kind::Number]),
    ("trim", &[Kind::Text, Kind::Text]),
    ("trim_left", &[Kind::Text, Kind::Text]),
    ("trim_prefix", &[Kind::Text, Kind::Text]),
    ("trim_right", &[Kind::Text, Kind::Text]),
    ("trim_space", &[Kind::Text]),
    ("trim_suffix", &[Kind::Text, Kind::Text]),
    ("upper", &[Kind::Text]),
    ("urlquery.decode", &[Kind::Text]),
    ("urlquery.encode", &[Kind::Text]),
    ("urlquery.encode_object", &[Kind::Object]),
];

impl Walker {
    pub(super) fn call(&mut self, function: &Expr, arguments: &[Ref<Expr>]) -> Result<(), CompileError> {
        let place = at(steps(function).0.span());
        let path = static_path(function);
        let Some((first, rest)) = path.split_first() else { return Ok(()) };
        // A variable can't be called, so scopes don't matter.
        let full = match (first.as_str(), self.aliases.get(first)) {
            ("data", _) => rest.to_vec(),
            (_, Some(alias)) => alias.iter().skip(1).chain(rest).cloned().collect(),
            _ => self.in_package(&path),
        };
        if self.user_functions.contains(&full) {
            self.graph.uses(&full);
            return Ok(());
        }
        let name = path.join(".");
        match known(&name, self.is_v1) {
            Known::Print => Ok(()),
            Known::Forbidden => Err(CompileError::Forbidden { at: place, name }),
            Known::Unknown => Err(CompileError::UndefinedFunction { at: place, name }),
            Known::Function { arguments: expected, takes_result } => {
                let found = arguments.len();
                if found != expected && !(takes_result && found == expected + 1) {
                    return Err(CompileError::Arity { at: place, name, expected, found });
                }
                self.check_constants(&name, arguments)?;
                self.is_volatile |= is_volatile(&name);
                self.functions.insert(name);
                Ok(())
            }
        }
    }

    fn check_constants(&self, name: &str, arguments: &[Ref<Expr>]) -> Result<(), CompileError> {
        let Ok(index) = TAKES.binary_search_by_key(&name, |(name, _)| name) else { return Ok(()) };
        let Some((_, kinds)) = TAKES.get(index) else { return Ok(()) };
        for (number, (kind, argument)) in kinds.iter().zip(arguments).enumerate() {
            let found = match argument.as_ref() {
                Expr::String { .. } | Expr::RawString { .. } => "string",
                Expr::Number { .. } => "number",
                Expr::Bool { .. } => "boolean",
                Expr::Null { .. } => "null",
                Expr::Array { .. } | Expr::ArrayCompr { .. } => "array",
                Expr::Set { .. } | Expr::SetCompr { .. } => "set",
                Expr::Object { .. } | Expr::ObjectCompr { .. } => "object",
                _ => continue,
            };
            let (fits, expected) = match kind {
                Kind::Any => (true, ""),
                Kind::Text => (found == "string", "string"),
                Kind::Number => (found == "number", "number"),
                Kind::List => (found == "array" || found == "set", "array or set"),
                Kind::Array => (found == "array", "array"),
                Kind::Object => (found == "object", "object"),
            };
            if !fits {
                return Err(CompileError::Type { at: at(argument.span()), name: name.to_owned(), argument: number + 1, expected, found });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_right() {
        assert!(TAKES.is_sorted_by_key(|(name, _)| *name));
        for (name, kinds) in TAKES {
            assert!(matches!(known(name, true), Known::Function { arguments, .. } if arguments == kinds.len()), "{name}");
        }
    }
}
