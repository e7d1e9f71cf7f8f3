//! OPA's `sprintf`: Go's `fmt` with what OPA gives it. Numbers are int, big.Int or float64, texts are strings, and all else is the string that OPA writes
//! for it.

use super::{Limit, MAX_ARGUMENT_BYTES, Outcome, Stop, Value, charge_all, meter, text};
use std::fmt::Write as _;
use std::iter::Peekable;
use std::str::Chars;

/// The widest field, and the highest precision.
const MAX_WIDTH: usize = 4096;

/// `sprintf(format, arguments)`.
pub(super) fn sprintf(arguments: &[Value]) -> Outcome {
    charge_all(arguments, MAX_ARGUMENT_BYTES)?;
    let format = text(arguments.first())?;
    let Some(Value::Array(values)) = arguments.get(1) else { return Err(Stop::Undefined) };
    let mut printer = Printer { values: values.iter().map(argument).collect(), next: 0, reordered: false, out: String::new() };
    printer.run(format)?;
    meter::charge(printer.out.len())?;
    Ok(Value::from(printer.out))
}

enum Argument {
    Int(i64),
    /// In decimal.
    Big(String),
    Float(f64),
    Text(String),
}

fn argument(value: &Value) -> Argument {
    match value {
        Value::Number(number) => match number.as_i64().filter(|_| number.is_integer()) {
            Some(int) => Argument::Int(int),
            None if number.is_integer() => Argument::Big(number.format_decimal()),
            None => number.as_f64().map_or_else(|| Argument::Text(number.format_decimal()), Argument::Float),
        },
        Value::String(text) => Argument::Text(text.to_string()),
        other => {
            let mut text = String::new();
            term(other, &mut text);
            Argument::Text(text)
        }
    }
}

/// A value as OPA writes terms: `{"k": [1, "b"]}`, `{1, 2}`, `set()`.
fn term(value: &Value, out: &mut String) {
    let list = |items: &mut dyn Iterator<Item = &Value>, out: &mut String| {
        for (index, item) in items.enumerate() {
            if index > 0 {
                out.push_str(", ");
            }
            term(item, out);
        }
    };
    match value {
        Value::String(text) => quote(text, out),
        Value::Array(items) => {
            out.push('[');
            list(&mut items.iter(), out);
            out.push(']');
        }
        Value::Set(items) if items.is_empty() => out.push_str("set()"),
        Value::Set(items) => {
            out.push('{');
            list(&mut items.iter_sorted(), out);
            out.push('}');
        }
        Value::Object(fields) => {
            out.push('{');
            for (index, (key, item)) in fields.iter_sorted().enumerate() {
                if index > 0 {
                    out.push_str(", ");
                }
                term(key, out);
                out.push_str(": ");
                term(item, out);
            }
            out.push('}');
        }
        other => out.push_str(&super::json::write(other)),
    }
}

/// Go's `strconv.Quote`, for printable text beyond ASCII as it is.
fn quote(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        quote_char(c, '"', out);
    }
    out.push('"');
}

fn quote_char(c: char, delimiter: char, out: &mut String) {
    match c {
        '\\' => out.push_str("\\\\"),
        '\u{7}' => out.push_str("\\a"),
        '\u{8}' => out.push_str("\\b"),
        '\u{c}' => out.push_str("\\f"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\u{b}' => out.push_str("\\v"),
        c if c == delimiter => {
            out.push('\\');
            out.push(c);
        }
        c if c.is_control() => {
            // Writing to a String can't fail.
            let _ = if u32::from(c) < 0x80 { write!(out, "\\x{:02x}", u32::from(c)) } else { write!(out, "\\u{:04x}", u32::from(c)) };
        }
        _ => out.push(c),
    }
}

#[derive(Default)]
struct Spec {
    minus: bool,
    plus: bool,
    sharp: bool,
    space: bool,
    zero: bool,
    width: Option<usize>,
    precision: Option<usize>,
}

/// A value by a verb; none if the verb isn't for it.
fn formatted(value: &Argument, verb: char, spec: &Spec) -> Option<String> {
    match (value, verb) {
        (_, 'T') => Some(pad(type_name(value), spec, false)),
        (Argument::Int(int), _) => integer(&int.unsigned_abs().to_string(), *int < 0, verb, spec),
        (Argument::Big(text), _) => integer(text.trim_start_matches('-'), text.starts_with('-'), verb, spec),
        (Argument::Float(float), _) => floating(*float, verb, spec),
        (Argument::Text(text), _) => texts(text, verb, spec),
    }
}

struct Printer {
    values: Vec<Argument>,
    next: usize,
    reordered: bool,
    out: String,
}

impl Printer {
    fn run(&mut self, format: &str) -> Result<(), Stop> {
        let mut rest = format.chars().peekable();
        while let Some(c) = rest.next() {
            if c != '%' {
                self.out.push(c);
                continue;
            }
            self.reordered = false;
            self.directive(&mut rest)?;
            if self.out.len() > MAX_ARGUMENT_BYTES {
                return Err(Limit::Size.into());
            }
        }
        if !self.reordered && self.next < self.values.len() {
            self.out.push_str("%!(EXTRA ");
            for (index, value) in self.values.iter().skip(self.next).enumerate() {
                if index > 0 {
                    self.out.push_str(", ");
                }
                self.out.push_str(type_name(value));
                self.out.push('=');
                self.out.push_str(&plain(value));
            }
            self.out.push(')');
        }
        Ok(())
    }

    fn directive(&mut self, rest: &mut Peekable<Chars<'_>>) -> Result<(), Stop> {
        let mut spec = Spec::default();
        while let Some(flag) = rest.next_if(|c| "+-# 0".contains(*c)) {
            match flag {
                '+' => spec.plus = true,
                '-' => spec.minus = true,
                '#' => spec.sharp = true,
                ' ' => spec.space = true,
                _ => spec.zero = true,
            }
        }
        let mut good_index = self.index(rest);
        spec.width = self.size(rest, "%!(BADWIDTH)")?;
        if rest.next_if_eq(&'.').is_some() {
            good_index &= self.index(rest);
            spec.precision = Some(self.size(rest, "%!(BADPREC)")?.unwrap_or(0));
        }
        good_index &= self.index(rest);
        let Some(verb) = rest.next() else {
            self.out.push_str("%!(NOVERB)");
            return Ok(());
        };
        if verb == '%' {
            self.out.push('%');
            return Ok(());
        }
        if !good_index {
            self.out.push_str("%!");
            self.out.push(verb);
            self.out.push_str("(BADINDEX)");
            return Ok(());
        }
        let Some(value) = self.values.get(self.next) else {
            self.out.push_str("%!");
            self.out.push(verb);
            self.out.push_str("(MISSING)");
            return Ok(());
        };
        self.next += 1;
        match formatted(value, verb, &spec) {
            Some(text) => self.out.push_str(&text),
            // Flags, width and precision stay, as in Go.
            None => {
                let value_text = formatted(value, 'v', &spec).unwrap_or_else(|| plain(value));
                let _ = write!(self.out, "%!{verb}({}={value_text})", type_name(value));
            }
        }
        Ok(())
    }

    /// `[2]`: the next argument is the second. False if there is none.
    fn index(&mut self, rest: &mut Peekable<Chars<'_>>) -> bool {
        if rest.next_if_eq(&'[').is_none() {
            return true;
        }
        self.reordered = true;
        let mut digits = String::new();
        while let Some(c) = rest.next_if(|c| *c != ']') {
            digits.push(c);
        }
        let closed = rest.next().is_some();
        match digits.parse::<usize>() {
            Ok(number) if closed && (1..=self.values.len()).contains(&number) => {
                self.next = number - 1;
                true
            }
            _ => false,
        }
    }

    /// A width or precision: digits, or `*` for the next argument.
    fn size(&mut self, rest: &mut Peekable<Chars<'_>>, bad: &str) -> Result<Option<usize>, Stop> {
        let size = if rest.next_if_eq(&'*').is_some() {
            let value = self.values.get(self.next);
            self.next += 1;
            let Some(Argument::Int(size)) = value else {
                self.out.push_str(bad);
                return Ok(None);
            };
            usize::try_from(*size).map_err(|_| Limit::Size)?
        } else {
            let mut digits = String::new();
            while let Some(c) = rest.next_if(char::is_ascii_digit) {
                digits.push(c);
            }
            if digits.is_empty() {
                return Ok(None);
            }
            digits.parse().map_err(|_| Limit::Size)?
        };
        if size > MAX_WIDTH { Err(Limit::Size.into()) } else { Ok(Some(size)) }
    }
}

fn type_name(value: &Argument) -> &'static str {
    match value {
        Argument::Int(_) => "int",
        Argument::Big(_) => "*big.Int",
        Argument::Float(_) => "float64",
        Argument::Text(_) => "string",
    }
}

/// A value as `%v` writes it.
fn plain(value: &Argument) -> String {
    match value {
        Argument::Int(int) => int.to_string(),
        Argument::Big(text) | Argument::Text(text) => text.clone(),
        Argument::Float(float) => shortest(*float),
    }
}

fn pad(text: &str, spec: &Spec, zeros: bool) -> String {
    let missing = spec.width.unwrap_or(0).saturating_sub(text.chars().count());
    if missing == 0 {
        return text.to_owned();
    }
    if spec.minus {
        return format!("{text}{}", " ".repeat(missing));
    }
    if zeros && spec.zero {
        let (sign, digits) = text.split_at(usize::from(text.starts_with(['+', '-', ' '])));
        return format!("{sign}{}{digits}", "0".repeat(missing));
    }
    format!("{}{text}", " ".repeat(missing))
}

fn texts(text: &str, verb: char, spec: &Spec) -> Option<String> {
    let cut = |text: &str| -> String { text.chars().take(spec.precision.unwrap_or(usize::MAX)).collect() };
    match verb {
        's' | 'v' => Some(if verb == 'v' && spec.sharp {
            let mut out = String::new();
            quote(&cut(text), &mut out);
            pad(&out, spec, true)
        } else {
            pad(&cut(text), spec, true)
        }),
        'q' => {
            let mut out = String::new();
            let text = cut(text);
            if spec.sharp && !text.contains('`') {
                out = format!("`{text}`");
            } else {
                quote(&text, &mut out);
            }
            Some(pad(&out, spec, true))
        }
        'x' | 'X' => {
            let mut out = String::new();
            for (index, byte) in text.bytes().take(spec.precision.unwrap_or(usize::MAX)).enumerate() {
                if spec.space && index > 0 {
                    out.push(' ');
                }
                if spec.sharp && (spec.space || index == 0) {
                    out.push('0');
                    out.push(verb);
                }
                // Writing to a String can't fail.
                let _ = if verb == 'x' { write!(out, "{byte:02x}") } else { write!(out, "{byte:02X}") };
            }
            Some(pad(&out, spec, true))
        }
        _ => None,
    }
}

/// An integer, given in decimal without its sign.
fn integer(decimal: &str, negative: bool, verb: char, spec: &Spec) -> Option<String> {
    let small = decimal.parse::<u128>();
    let (prefix, digits) = match (verb, small) {
        ('d' | 'v', _) => ("", decimal.to_owned()),
        ('b', Ok(value)) => (if spec.sharp { "0b" } else { "" }, format!("{value:b}")),
        ('o', Ok(value)) => (if spec.sharp { "0" } else { "" }, format!("{value:o}")),
        ('O', Ok(value)) => ("0o", format!("{value:o}")),
        ('x', Ok(value)) => (if spec.sharp { "0x" } else { "" }, format!("{value:x}")),
        ('X', Ok(value)) => (if spec.sharp { "0X" } else { "" }, format!("{value:X}")),
        ('c' | 'q' | 'U', Ok(value)) => {
            let value = if negative { u32::MAX } else { u32::try_from(value).unwrap_or(u32::MAX) };
            let c = char::from_u32(value).unwrap_or(char::REPLACEMENT_CHARACTER);
            let text = match verb {
                'c' => c.to_string(),
                'U' => format!("U+{value:04X}"),
                _ => {
                    let mut out = String::from('\'');
                    quote_char(c, '\'', &mut out);
                    out.push('\'');
                    out
                }
            };
            return Some(pad(&text, spec, false));
        }
        _ => return None,
    };
    let digits = match spec.precision {
        Some(0) if digits == "0" => String::new(),
        Some(least) if digits.len() < least => format!("{}{digits}", "0".repeat(least - digits.len())),
        _ => digits,
    };
    let sign = if negative { "-" } else { plus(spec) };
    let text = format!("{sign}{prefix}{digits}");
    Some(pad(&text, spec, spec.precision.is_none()))
}

fn plus(spec: &Spec) -> &'static str {
    match (spec.plus, spec.space) {
        (true, _) => "+",
        (false, true) => " ",
        (false, false) => "",
    }
}

fn floating(value: f64, verb: char, spec: &Spec) -> Option<String> {
    let magnitude = value.abs();
    let text = match (verb, spec.precision) {
        ('e' | 'E', precision) => exponent(&format!("{magnitude:.*e}", precision.unwrap_or(6))),
        ('f' | 'F', precision) => format!("{magnitude:.*}", precision.unwrap_or(6)),
        ('g' | 'G' | 'v', None) => shortest(magnitude),
        ('g' | 'G' | 'v', Some(precision)) => general(magnitude, precision.max(1)),
        _ => return None,
    };
    let text = if verb.is_uppercase() { text.to_uppercase() } else { text };
    let sign = if value.is_sign_negative() { "-" } else { plus(spec) };
    Some(pad(&format!("{sign}{text}"), spec, true))
}

/// Go's exponents have a sign and two digits.
fn exponent(text: &str) -> String {
    let Some((digits, power)) = text.split_once('e') else { return text.to_owned() };
    let (sign, power) = power.strip_prefix('-').map_or(('+', power), |power| ('-', power));
    format!("{digits}e{sign}{power:0>2}")
}

/// `%g` with the fewest digits that read back as the same number.
pub(crate) fn shortest(value: f64) -> String {
    /// From this power of ten on it has an exponent.
    const EXPONENT_FROM: i32 = 6;
    let text = format!("{value:e}");
    let power: i32 = text.split_once('e').and_then(|(_, power)| power.parse().ok()).unwrap_or(0);
    if (-4..EXPONENT_FROM).contains(&power) { format!("{value}") } else { exponent(&text) }
}

/// `%.3g`.
fn general(value: f64, precision: usize) -> String {
    let text = format!("{value:.*e}", precision - 1);
    let (digits, power) = text.split_once('e').unwrap_or((&text, "0"));
    let power: i32 = power.parse().unwrap_or(0);
    let trim = |text: &str| if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text.to_owned() };
    if power < -4 || usize::try_from(power).is_ok_and(|power| power >= precision) {
        exponent(&format!("{}e{power}", trim(digits)))
    } else {
        let decimals = usize::try_from(i64::try_from(precision).unwrap_or(0) - 1 - i64::from(power)).unwrap_or(0);
        trim(&format!("{value:.decimals$}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formatted_as_go_does() {
        let check = |format: &str, arguments: &str, expect: &str| {
            let arguments = [Value::from(format), Value::from_json_str(arguments).unwrap()];
            let found = meter::metered(|| sprintf(&arguments)).unwrap().unwrap_or_else(|_| panic!("{format} fails"));
            assert_eq!(found, Value::from(expect), "{format}");
        };
        check("%s %v %q %d", r#"["a", "b", "c\"", 7]"#, r#"a b "c\"" 7"#);
        check("%5d|%-5d|%05d|%+d|% d", "[1, 2, 3, 4, 5]", "    1|2    |00003|+4| 5");
        check("%x %X %#x %o %b %c %U %q", "[255, 255, 255, 8, 5, 65, 65, 65]", "ff FF 0xff 10 101 A U+0041 'A'");
        check("%x % x %#x", r#"["hi", "hi", "hi"]"#, "6869 68 69 0x6869");
        check("%f %.2f %8.3f %e %g %v", "[1.5, 1.005, 3.14159, 123456.789, 0.00001, 1234567.5]", "1.500000 1.00    3.142 1.234568e+05 1e-05 1.2345675e+06");
        check("%.3g %.3g", "[1234.5, 0.12345]", "1.23e+03 0.123");
        check("%s %d", "[1, 1.5]", "%!s(int=1) %!d(float64=1.5)");
        check("%.2f %5d %+t", "[-1, \"x\", 7]", "%!f(int=-01) %!d(string=    x) %!t(int=+7)");
        check("%t %v %v", "[true, null, {\"a\": [1]}]", "%!t(string=true) null {\"a\": [1]}");
        check("%d %d", "[1]", "1 %!d(MISSING)");
        check("%d", "[1, \"x\"]", "1%!(EXTRA string=x)");
        check("%[2]d %[1]d %[9]d", "[1, 2]", "2 1 %!d(BADINDEX)");
        check("%*d|%-*d|", "[4, 1, 4, 2]", "   1|2   |");
        check("100%% %", "[]", "100% %!(NOVERB)");
        check("%5s|%-5s|%.1s|%T", r#"["ab", "ab", "ab", 1]"#, "   ab|ab   |a|int");
        check("%d %x", "[18446744073709551615, 18446744073709551615]", "18446744073709551615 ffffffffffffffff");
    }

    #[test]
    fn wide_fields_are_a_limit() {
        for format in ["%999999999d", "%.999999999f", "%99999999999999999999999d", "%*d"] {
            let arguments = [Value::from(format), Value::from(vec![Value::from(999_999_999_i64), Value::from(1_i64)])];
            assert!(matches!(meter::metered(|| sprintf(&arguments)), Ok(Err(Stop::Limit(Limit::Size)))), "{format}");
        }
    }
}
