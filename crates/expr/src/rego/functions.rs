//! What rules can call: the interpreter's functions behind limits, and OPA's that it lacks or answers differently.
//!
//! A function that fails is undefined, as in OPA, and only a limit ends the evaluation.

mod crypto;
mod former;
mod jwt;
mod numbers;
mod pattern;
mod query;
mod signing;
mod sprintf;
mod strings;
mod timing;

pub(crate) use sprintf::shortest as shortest_float;

use super::error::Limit;
use super::json;
use super::meter;
use regorus::unstable::{BUILTINS, BuiltinFcn, Expr, Ref, Span};
use regorus::{Engine, Source, Value};

/// Why a function has no value.
pub(super) enum Stop {
    Undefined,
    Limit(Limit),
}

impl From<Limit> for Stop {
    fn from(limit: Limit) -> Self {
        Self::Limit(limit)
    }
}

type Outcome = Result<Value, Stop>;
type Function = fn(&[Value]) -> Outcome;

/// Those that are ours, by name, with their number of arguments. They go before the interpreter's.
const OWN: &[(&str, u8, Function)] = &[
    ("bits.lsh", 2, numbers::lsh),
    ("concat", 2, strings::concat),
    ("count", 1, strings::length),
    ("crypto.hmac.equal", 2, crypto::hmac_equal),
    ("crypto.hmac.md5", 2, crypto::hmac_md5),
    ("crypto.hmac.sha1", 2, crypto::hmac_sha1),
    ("crypto.hmac.sha256", 2, crypto::hmac_sha256),
    ("crypto.hmac.sha512", 2, crypto::hmac_sha512),
    ("crypto.md5", 1, crypto::md5),
    ("crypto.sha1", 1, crypto::sha1),
    ("crypto.sha256", 1, crypto::sha256),
    ("indexof", 2, strings::indexof),
    ("indexof_n", 2, strings::indexof_n),
    ("io.jwt.decode", 1, jwt::decode),
    ("io.jwt.decode_verify", 2, jwt::decode_verify),
    ("io.jwt.encode_sign", 3, jwt::encode_sign),
    ("io.jwt.encode_sign_raw", 3, jwt::encode_sign_raw),
    ("io.jwt.verify_hs256", 2, jwt::verify_hs256),
    ("io.jwt.verify_hs384", 2, jwt::verify_hs384),
    ("io.jwt.verify_hs512", 2, jwt::verify_hs512),
    ("json.marshal", 1, marshal),
    ("lower", 1, strings::lower),
    ("numbers.range", 2, numbers::range),
    ("numbers.range_step", 3, numbers::range_step),
    ("regex.find_all_string_submatch_n", 3, pattern::find_all),
    ("regex.find_n", 3, pattern::find_n),
    ("regex.is_valid", 1, pattern::is_valid),
    ("regex.match", 2, pattern::is_match),
    ("regex.replace", 3, pattern::replace),
    ("regex.split", 2, pattern::split),
    ("replace", 3, strings::replace),
    ("split", 2, strings::split),
    ("sprintf", 2, sprintf::sprintf),
    ("strings.count", 2, strings::count),
    ("strings.replace_n", 2, strings::replace_n),
    ("time.add_date", 4, timing::add_date),
    ("time.format", 1, timing::format),
    ("trace", 1, trace),
    ("upper", 1, strings::upper),
    ("urlquery.decode", 1, query::decode),
    ("urlquery.encode", 1, query::encode),
    ("urlquery.encode_object", 1, query::encode_object),
];

/// Those that only version 0 has; OPA refuses them in version 1.
const FORMER: &[(&str, u8, Function)] = &[
    ("all", 1, former::all),
    ("any", 1, former::any),
    ("cast_array", 1, former::cast_array),
    ("cast_boolean", 1, former::cast_boolean),
    ("cast_null", 1, former::cast_null),
    ("cast_object", 1, former::cast_object),
    ("cast_set", 1, former::cast_set),
    ("cast_string", 1, former::cast_string),
    ("re_match", 2, pattern::is_match),
    ("set_diff", 2, former::set_diff),
];

/// The interpreter's whose time and result are bounded by small constants, whatever they get, so that a limit would only cost time; and those that it
/// treats specially: the same answer to every call in an evaluation, or an iteration.
const FREE: &[&str] = &[
    "abs",
    "array.reverse",
    "array.slice",
    "ceil",
    "contains",
    "endswith",
    "floor",
    "is_array",
    "is_boolean",
    "is_null",
    "is_number",
    "is_object",
    "is_set",
    "is_string",
    "object.get",
    "rand.intn",
    "round",
    "semver.compare",
    "semver.is_valid",
    "startswith",
    "substring",
    "time.now_ns",
    "trim",
    "trim_left",
    "trim_prefix",
    "trim_right",
    "trim_space",
    "trim_suffix",
    "type_name",
    "uuid.parse",
    "uuid.rfc4122",
    "walk",
];

/// What isn't reachable, whatever is compiled in.
const FORBIDDEN: &[&str] = &["http.", "net.", "opa."];

/// The largest arguments of one call.
const MAX_ARGUMENT_BYTES: usize = 2 << 20;

/// The largest arguments of the interpreter's functions that compile what they get, or compare it with itself.
const MAX_COSTLY_BYTES: usize = 16 << 10;
const COSTLY: &[&str] = &["glob.match", "graph.reachable", "graph.reachable_paths", "json.patch", "regex.template_match"];

/// The interpreter's that take texts apart by bytes, and panic inside a character that has several.
const ASCII: &[&str] = &["time.parse_duration_ns", "time.parse_ns", "time.parse_rfc3339_ns"];

/// The largest integer in bits: writing it in decimal is quadratic.
const MAX_INTEGER_BITS: u64 = 8 << 10;

/// What is known of a function by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// Called with that many arguments, and maybe with one more that gets the result, as in version 0.
    Function {
        arguments: usize,
        takes_result: bool,
    },
    /// Called with any number.
    Print,
    Forbidden,
    Unknown,
}

/// Looks a function up, for version 1 or version 0.
pub(super) fn known(name: &str, is_v1: bool) -> Known {
    if FORBIDDEN.iter().any(|prefix| name.starts_with(prefix)) {
        return Known::Forbidden;
    }
    if name == "print" {
        return Known::Print;
    }
    let builtin = BUILTINS.get(name).filter(|_| !name.starts_with("__"));
    match (own(name).filter(|_| !(is_v1 && is_former(name))), builtin) {
        (_, Some((_, arguments))) => Known::Function { arguments: usize::from(*arguments), takes_result: true },
        (Some((_, arguments, _)), None) => Known::Function { arguments: usize::from(*arguments), takes_result: false },
        (None, None) => Known::Unknown,
    }
}

/// Whether a function's answer depends on more than its arguments: the time or chance.
pub(super) fn is_volatile(name: &str) -> bool {
    matches!(name, "time.now_ns" | "io.jwt.decode_verify") || name.starts_with("rand.") || name.starts_with("uuid.rfc4122")
}

/// Gives the engine what a module calls, and nothing else: an engine's functions are copied for every evaluation.
///
/// # Errors
/// The interpreter's, if a name is given twice.
pub(super) fn register<'a>(engine: &mut Engine, names: impl Iterator<Item = &'a String>) -> anyhow::Result<()> {
    let source = Source::from_contents("function".to_owned(), String::new())?;
    let span = Span { source, line: 1, col: 1, start: 0, end: 0 };
    for name in names {
        if let Some(&(_, arguments, function)) = own(name) {
            engine.add_extension(name.clone(), arguments, Box::new(move |arguments: Vec<Value>| run(|| function(&arguments))))?;
        } else if let Some(&builtin) = BUILTINS.get(name.as_str()).filter(|_| !FREE.contains(&name.as_str())) {
            let limit = if COSTLY.contains(&name.as_str()) { MAX_COSTLY_BYTES } else { MAX_ARGUMENT_BYTES };
            let places: Vec<Ref<Expr>> = (0..builtin.1).map(|_| Ref::new(Expr::Null { span: span.clone(), value: Value::Null, eidx: 0 })).collect();
            let span = span.clone();
            let is_ascii = ASCII.contains(&name.as_str());
            engine.add_extension(
                name.clone(),
                builtin.1,
                Box::new(move |arguments: Vec<Value>| {
                    run(|| {
                        if is_ascii && arguments.iter().any(|argument| matches!(argument, Value::String(text) if !text.is_ascii())) {
                            return Err(Stop::Undefined);
                        }
                        guarded(builtin, limit, &span, &places, &arguments)
                    })
                }),
            )?;
        }
    }
    Ok(())
}

fn own(name: &str) -> Option<&'static (&'static str, u8, Function)> {
    let find = |table: &'static [(&'static str, u8, Function)]| table.binary_search_by_key(&name, |(own, ..)| own).ok().and_then(|index| table.get(index));
    find(OWN).or_else(|| find(FORMER))
}

fn is_former(name: &str) -> bool {
    FORMER.iter().any(|(former, ..)| *former == name)
}

fn run(function: impl FnOnce() -> Outcome) -> anyhow::Result<Value> {
    let outcome = match meter::charge(0) {
        Ok(()) => function(),
        Err(limit) => Err(Stop::Limit(limit)),
    };
    match outcome {
        Ok(value) => Ok(value),
        Err(Stop::Undefined) => Ok(Value::Undefined),
        Err(Stop::Limit(limit)) => {
            meter::breach(limit);
            Err(anyhow::Error::new(limit))
        }
    }
}

fn guarded(builtin: BuiltinFcn, limit: usize, span: &Span, places: &[Ref<Expr>], arguments: &[Value]) -> Outcome {
    charge_all(arguments, limit)?;
    let value = builtin.0(span, places, arguments, false).map_err(|_| Stop::Undefined)?;
    charge_all(std::slice::from_ref(&value), usize::MAX)?;
    Ok(value)
}

/// Charges what the values weigh, unless that is more than `limit`.
fn charge_all(values: &[Value], limit: usize) -> Result<(), Limit> {
    let limit = limit.min(32 << 20);
    let mut left = limit;
    for value in values {
        left = weigh(value, left, 0).ok_or(Limit::Size)?;
    }
    meter::charge(limit - left)
}

/// What is left of `left` bytes after a value, counting what is shared as often as it occurs; none if it is too large, or too deep to be walked.
fn weigh(value: &Value, left: usize, depth: u32) -> Option<usize> {
    /// Deeper than any JSON text that is read.
    const MAX_DEPTH: u32 = 140;
    const NODE_BYTES: usize = 16;
    let mut left = left.checked_sub(NODE_BYTES)?;
    if depth > MAX_DEPTH {
        return None;
    }
    match value {
        Value::String(text) => left.checked_sub(text.len()),
        Value::Number(number) => match number.as_i64() {
            Some(_) => Some(left),
            None => number.as_big().filter(|big| big.bits() > MAX_INTEGER_BITS).is_none().then_some(left),
        },
        Value::Array(items) => {
            for item in items.iter() {
                left = weigh(item, left, depth + 1)?;
            }
            Some(left)
        }
        Value::Set(items) => {
            for item in items.iter() {
                left = weigh(item, left, depth + 1)?;
            }
            Some(left)
        }
        Value::Object(fields) => {
            for (key, item) in fields.iter() {
                left = weigh(key, left, depth + 1)?;
                left = weigh(item, left, depth + 1)?;
            }
            Some(left)
        }
        _ => Some(left),
    }
}

/// Whether a result is small enough to be walked and written.
///
/// # Errors
/// [`Limit::Size`].
pub(super) fn check_result(value: &Value) -> Result<(), Limit> {
    charge_all(std::slice::from_ref(value), MAX_ARGUMENT_BYTES)
}

fn text(value: Option<&Value>) -> Result<&str, Stop> {
    match value {
        Some(Value::String(text)) => Ok(text),
        _ => Err(Stop::Undefined),
    }
}

/// The texts in an array, or in a set, in its order.
fn texts(value: Option<&Value>) -> Result<Vec<&str>, Stop> {
    match value {
        Some(Value::Array(items)) => items.iter().map(|item| text(Some(item))).collect(),
        Some(Value::Set(items)) => items.iter_sorted().map(|item| text(Some(item))).collect(),
        _ => Err(Stop::Undefined),
    }
}

fn integer(value: Option<&Value>) -> Result<i64, Stop> {
    match value {
        Some(Value::Number(number)) => number.as_i64().ok_or(Stop::Undefined),
        _ => Err(Stop::Undefined),
    }
}

fn marshal(arguments: &[Value]) -> Outcome {
    charge_all(arguments, MAX_ARGUMENT_BYTES)?;
    let [value] = arguments else { return Err(Stop::Undefined) };
    Ok(Value::from(json::write(value)))
}

/// `trace` is true; what it notes is for nobody here.
fn trace(arguments: &[Value]) -> Outcome {
    text(arguments.first())?;
    Ok(Value::from(true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted() {
        for table in [OWN, FORMER] {
            assert!(table.is_sorted_by_key(|(name, ..)| *name));
        }
    }

    #[test]
    fn what_is_free_exists() {
        for name in FREE.iter().chain(COSTLY).chain(ASCII) {
            assert!(BUILTINS.contains_key(name), "{name}");
        }
    }

    #[test]
    fn names() {
        let check = |name: &str, expect: Known| assert_eq!(known(name, true), expect, "{name}");
        check("http.send", Known::Forbidden);
        check("net.lookup_ip_addr", Known::Forbidden);
        check("opa.runtime", Known::Forbidden);
        check("hmac.sha256", Known::Unknown);
        check("yaml.marshal", Known::Unknown);
        check("re_match", Known::Unknown);
        assert_eq!(known("re_match", false), Known::Function { arguments: 2, takes_result: false });
        check("print", Known::Print);
        check("crypto.hmac.sha256", Known::Function { arguments: 2, takes_result: false });
        check("concat", Known::Function { arguments: 2, takes_result: true });
    }
}
