//! Printing values: Go's `fmt/print.go`.

mod layout;

use self::layout::{Flags, LOWER, Sink, UPPER};
use crate::error::Failure;
use crate::limits::{MAX_VALUE_DEPTH, Meter, too_deep};
use crate::quote;
use crate::types::{IntKind, Type, UintKind};
use crate::value::{List, Map, Str, Struct, Value};

/// `fmt.Fprint` of values, at the end of a buffer that may hold `limit` bytes. `false`: it would hold more, or a value
/// contains itself, and then what was appended is good for nothing.
pub(crate) fn append_print(out: &mut Vec<u8>, limit: usize, values: &[&Value]) -> Result<(), Failure> {
    let mut printer = Printer::new(out, limit);
    printer.print(values);
    printer.finish(|| Failure::Limit(format!("the output takes more than {limit} bytes")))
}

/// `fmt.Sprint`.
pub(crate) fn sprint(meter: &mut Meter, values: &[&Value]) -> Result<Vec<u8>, Failure> {
    made(meter, |printer| printer.print(values))
}

/// `fmt.Sprintln`.
pub(crate) fn sprintln(meter: &mut Meter, values: &[&Value]) -> Result<Vec<u8>, Failure> {
    made(meter, |printer| {
        for (index, value) in values.iter().enumerate() {
            if index > 0 {
                printer.sink.push(b" ");
            }
            printer.argument(value, 'v');
        }
        printer.sink.push(b"\n");
    })
}

/// `fmt.Sprintf`.
pub(crate) fn sprintf(meter: &mut Meter, format: &[u8], values: &[&Value]) -> Result<Vec<u8>, Failure> {
    made(meter, |printer| printer.printf(format, values))
}

fn made(meter: &mut Meter, print: impl FnOnce(&mut Printer<'_>)) -> Result<Vec<u8>, Failure> {
    let mut out = Vec::new();
    let mut printer = Printer::new(&mut out, meter.room());
    print(&mut printer);
    printer.finish(|| meter.out_of_memory())?;
    meter.allocate(out.len())?;
    Ok(out)
}

struct Printer<'a> {
    sink: Sink<'a>,
    deep: bool,
    /// Within `%!v(…)`: values print as what they are made of.
    erroring: bool,
}

impl<'a> Printer<'a> {
    fn new(bytes: &'a mut Vec<u8>, limit: usize) -> Self {
        Self { sink: Sink { bytes, limit, over: false, flags: Flags::default() }, deep: false, erroring: false }
    }

    fn finish(self, over: impl FnOnce() -> Failure) -> Result<(), Failure> {
        match (self.deep, self.sink.over) {
            (true, _) => Err(too_deep()),
            (false, true) => Err(over()),
            (false, false) => Ok(()),
        }
    }

    fn print(&mut self, values: &[&Value]) {
        let mut after_string = false;
        for (index, value) in values.iter().enumerate() {
            let is_string = matches!(value, Value::String(_));
            if index > 0 && !is_string && !after_string {
                self.sink.push(b" ");
            }
            self.argument(value, 'v');
            after_string = is_string;
        }
    }

    fn printf(&mut self, format: &[u8], values: &[&Value]) {
        let mut state = Format { format, at: 0, argument: 0, reordered: false, good: true, after_index: false };
        while state.at < format.len() && !self.sink.over {
            let rest = &format[state.at..];
            let literal = rest.iter().position(|&byte| byte == b'%').unwrap_or(rest.len());
            self.sink.push(&rest[..literal]);
            state.at += literal + 1;
            if literal < rest.len() {
                self.directive(&mut state, values);
            }
        }
        if !state.reordered && state.argument < values.len() {
            self.extra(&values[state.argument..]);
        }
    }

    fn directive(&mut self, state: &mut Format<'_>, values: &[&Value]) {
        let flags = &mut self.sink.flags;
        *flags = Flags::default();
        state.good = true;
        while let Some(&byte) = state.format.get(state.at) {
            match byte {
                b'#' => flags.sharp = true,
                b'0' => flags.zero = true,
                b'+' => flags.plus = true,
                b'-' => flags.minus = true,
                b' ' => flags.space = true,
                _ => break,
            }
            state.at += 1;
        }
        // Go has a way around what follows for a lower-case verb right here. It gives the same.
        state.index(values.len());
        if state.take(b'*') {
            let (width, found) = state.number_argument(values);
            flags.width = found.then_some(width.unsigned_abs() as usize);
            if !found {
                self.sink.push(b"%!(BADWIDTH)");
            }
            if width < 0 {
                self.sink.flags.minus = true;
                self.sink.flags.zero = false;
            }
            state.after_index = false;
        } else {
            flags.width = state.number();
            if state.after_index && flags.width.is_some() {
                state.good = false;
            }
        }
        if state.at + 1 < state.format.len() && state.take(b'.') {
            self.precision(state, values);
        }
        if !state.after_index {
            state.index(values.len());
        }
        if state.at >= state.format.len() {
            return self.sink.push(b"%!(NOVERB)");
        }
        let (verb, length) = quote::decode_rune(&state.format[state.at..]);
        state.at += length;
        self.verb(verb.unwrap_or(char::REPLACEMENT_CHARACTER), state, values);
    }

    fn precision(&mut self, state: &mut Format<'_>, values: &[&Value]) {
        if state.after_index {
            state.good = false;
        }
        state.index(values.len());
        if state.take(b'*') {
            let (precision, found) = state.number_argument(values);
            self.sink.flags.precision = usize::try_from(precision).ok().filter(|_| found);
            if self.sink.flags.precision.is_none() {
                self.sink.push(b"%!(BADPREC)");
            }
            state.after_index = false;
        } else {
            self.sink.flags.precision = Some(state.number().unwrap_or(0));
        }
    }

    fn verb(&mut self, verb: char, state: &mut Format<'_>, values: &[&Value]) {
        if verb == '%' {
            return self.sink.push(b"%");
        }
        if !state.good {
            return self.sink.push_str(&format!("%!{verb}(BADINDEX)"));
        }
        let Some(value) = values.get(state.argument) else { return self.sink.push_str(&format!("%!{verb}(MISSING)")) };
        if matches!(verb, 'v' | 'w') {
            let flags = &mut self.sink.flags;
            flags.sharp_v = std::mem::replace(&mut flags.sharp, false);
            flags.plus_v = std::mem::replace(&mut flags.plus, false);
        }
        self.argument(value, verb);
        state.argument += 1;
    }

    fn extra(&mut self, values: &[&Value]) {
        self.sink.flags = Flags::default();
        self.sink.push(b"%!(EXTRA ");
        for (index, value) in values.iter().enumerate() {
            if index > 0 {
                self.sink.push(b", ");
            }
            if !matches!(value, Value::Nil) {
                self.sink.push_str(&value.type_name());
                self.sink.push(b"=");
            }
            self.argument(value, 'v');
        }
        self.sink.push(b")");
    }

    /// `printArg`.
    fn argument(&mut self, value: &Value, verb: char) {
        match (value, verb) {
            (Value::Nil, 'T' | 'v') => self.sink.pad(b"<nil>"),
            (Value::Nil, _) => self.bad_verb(value, verb),
            (_, 'T') => self.sink.string(value.type_name().as_bytes()),
            (_, 'p') => self.pointer(value, verb),
            (_, 'w') => self.bad_verb(value, verb),
            _ => self.value(value, verb, 0),
        }
    }

    /// `printValue`. What calls itself has as little on the stack as can be.
    fn value(&mut self, value: &Value, verb: char, depth: usize) {
        if self.sink.over || self.deep {
            return;
        }
        if depth > MAX_VALUE_DEPTH {
            self.deep = true;
            return;
        }
        match value {
            Value::List(list) => self.list(list, verb, depth),
            Value::Map(map) => self.map(map, verb, depth),
            Value::Struct(_) | Value::Pointer(_) if self.method(value, verb) => {}
            Value::Struct(object) => self.object(object, verb, depth),
            Value::Pointer(object) if depth == 0 => {
                self.sink.push(b"&");
                self.object(object, verb, depth);
            }
            _ => self.scalar(value, verb, depth),
        }
    }

    fn list(&mut self, list: &List, verb: char, depth: usize) {
        self.open_list(list.element());
        for (index, item) in list.items().iter().enumerate() {
            self.between(index, b" ");
            self.element(item, list.element(), verb, depth + 1);
        }
        self.close(b"]");
    }

    fn map(&mut self, map: &Map, verb: char, depth: usize) {
        self.open_map(map.element());
        for (index, (key, item)) in map.entries().iter().enumerate() {
            self.between(index, b" ");
            self.string(key, verb);
            self.sink.push(b":");
            self.element(item, map.element(), verb, depth + 1);
        }
        self.close(b"]");
    }

    fn object(&mut self, object: &Struct, verb: char, depth: usize) {
        if self.sink.flags.sharp_v {
            self.sink.push_str(object.kind().name());
        }
        self.sink.push(b"{");
        for (index, (field, kind)) in object.fields().iter().zip(object.kind().fields()).enumerate() {
            self.between(index, b" ");
            if self.sink.flags.plus_v || self.sink.flags.sharp_v {
                self.sink.push_str(&kind.name);
                self.sink.push(b":");
            }
            self.element(field, &kind.kind, verb, depth + 1);
        }
        self.sink.push(b"}");
    }

    /// A value in another one: nil is printed by what it could be.
    fn element(&mut self, value: &Value, kind: &Type, verb: char, depth: usize) {
        match (value, kind) {
            (Value::Nil, Type::Interface) => self.nil_interface(),
            _ => self.value(value, verb, depth),
        }
    }

    fn nil_interface(&mut self) {
        self.sink.push(if self.sink.flags.sharp_v { b"interface {}(nil)" } else { b"<nil>" });
    }

    fn open_list(&mut self, element: &Type) {
        if self.sink.flags.sharp_v {
            self.sink.push_str(&format!("[]{element}{{"));
        } else {
            self.sink.push(b"[");
        }
    }

    fn open_map(&mut self, element: &Type) {
        if self.sink.flags.sharp_v {
            self.sink.push_str(&format!("map[string]{element}{{"));
        } else {
            self.sink.push(b"map[");
        }
    }

    fn between(&mut self, index: usize, space: &[u8]) {
        if index > 0 {
            self.sink.push(if self.sink.flags.sharp_v { b", " } else { space });
        }
    }

    fn close(&mut self, bracket: &[u8]) {
        self.sink.push(if self.sink.flags.sharp_v { b"}" } else { bracket });
    }

    /// What has no other values in it.
    fn scalar(&mut self, value: &Value, verb: char, depth: usize) {
        if self.method(value, verb) {
            return;
        }
        match value {
            Value::Bool(truth) if matches!(verb, 't' | 'v') => self.sink.pad(if *truth { b"true" } else { b"false" }),
            Value::Int(_, number) => self.integer(number.unsigned_abs(), *number < 0, true, verb, value),
            Value::Uint(_, number) => self.integer(*number, false, false, verb, value),
            Value::Float(number) => self.float(*number, verb, value),
            Value::Complex(real, imaginary) => self.complex(*real, *imaginary, verb, value),
            Value::String(text) => self.string(text, verb),
            Value::Bytes(bytes) => self.bytes(bytes, verb),
            Value::Pointer(_) => self.pointer(value, verb),
            Value::Null(kind) => self.null(kind, verb, value),
            Value::Time(time) => self.raw_time(time, verb),
            Value::Version(version) if depth == 0 => self.raw_version(version, verb),
            Value::Version(_) => self.pointer(value, verb),
            _ => self.bad_verb(value, verb),
        }
    }

    /// `handleMethods`: values that know how to print themselves.
    fn method(&mut self, value: &Value, verb: char) -> bool {
        if self.erroring {
            return false;
        }
        if self.sink.flags.sharp_v {
            if let Value::Time(time) = value {
                self.sink.string(time.go_string().as_bytes());
                return true;
            }
            return false;
        }
        if !matches!(verb, 'v' | 's' | 'x' | 'X' | 'q') {
            return false;
        }
        match crate::methods::string_of(value) {
            Some(text) => {
                self.string(text.as_bytes(), verb);
                true
            }
            None => false,
        }
    }

    fn bad_verb(&mut self, value: &Value, verb: char) {
        self.erroring = true;
        self.sink.push_str(&format!("%!{verb}("));
        if matches!(value, Value::Nil) {
            self.sink.push(b"<nil>");
        } else {
            self.sink.push_str(&value.type_name());
            self.sink.push(b"=");
            self.argument(value, 'v');
        }
        self.sink.push(b")");
        self.erroring = false;
    }

    fn integer(&mut self, magnitude: u64, negative: bool, signed: bool, verb: char, value: &Value) {
        // Go's bits, for the verbs that take a number for a rune.
        let bits = if negative { magnitude.wrapping_neg() } else { magnitude };
        match verb {
            'v' if self.sink.flags.sharp_v && !signed => self.hex_with_prefix(magnitude, true),
            'v' | 'd' => self.sink.integer(magnitude, negative, 10, verb, LOWER),
            'b' => self.sink.integer(magnitude, negative, 2, verb, LOWER),
            'o' | 'O' => self.sink.integer(magnitude, negative, 8, verb, LOWER),
            'x' => self.sink.integer(magnitude, negative, 16, verb, LOWER),
            'X' => self.sink.integer(magnitude, negative, 16, verb, UPPER),
            'c' => self.sink.character(bits),
            'q' => self.sink.quoted_character(bits),
            'U' => self.sink.unicode(bits),
            _ => self.bad_verb(value, verb),
        }
    }

    fn hex_with_prefix(&mut self, number: u64, prefix: bool) {
        let sharp = std::mem::replace(&mut self.sink.flags.sharp, prefix);
        self.sink.integer(number, false, 16, 'v', LOWER);
        self.sink.flags.sharp = sharp;
    }

    fn float(&mut self, number: f64, verb: char, value: &Value) {
        match verb {
            'v' => self.sink.float(number, b'g', None),
            'b' | 'g' | 'G' | 'x' | 'X' => self.sink.float(number, verb as u8, None),
            'f' | 'e' | 'E' => self.sink.float(number, verb as u8, Some(6)),
            'F' => self.sink.float(number, b'f', Some(6)),
            _ => self.bad_verb(value, verb),
        }
    }

    fn complex(&mut self, real: f64, imaginary: f64, verb: char, value: &Value) {
        if !matches!(verb, 'v' | 'b' | 'g' | 'G' | 'x' | 'X' | 'f' | 'F' | 'e' | 'E') {
            return self.bad_verb(value, verb);
        }
        self.sink.push(b"(");
        self.float(real, verb, value);
        let plus = std::mem::replace(&mut self.sink.flags.plus, true);
        self.float(imaginary, verb, value);
        self.sink.flags.plus = plus;
        self.sink.push(b"i)");
    }

    fn string(&mut self, text: &[u8], verb: char) {
        match verb {
            'v' if self.sink.flags.sharp_v => self.sink.quoted(text),
            'v' | 's' => self.sink.string(text),
            'x' => self.sink.hex(text, LOWER),
            'X' => self.sink.hex(text, UPPER),
            'q' => self.sink.quoted(text),
            _ => self.bad_verb(&Value::string(text), verb),
        }
    }

    fn bytes(&mut self, bytes: &Str, verb: char) {
        match verb {
            's' => self.sink.string(bytes),
            'x' => self.sink.hex(bytes, LOWER),
            'X' => self.sink.hex(bytes, UPPER),
            'q' => self.sink.quoted(bytes),
            _ => {
                if self.sink.flags.sharp_v {
                    // Go says byte where it has a `[]byte` in its hands; the type is the same.
                    self.sink.push(b"[]byte{");
                } else {
                    self.sink.push(b"[");
                }
                for (index, &byte) in bytes.iter().enumerate() {
                    self.between(index, b" ");
                    let number = u64::from(byte);
                    self.integer(number, false, false, verb, &Value::Uint(UintKind::Uint8, number));
                }
                self.close(b"]");
            }
        }
    }

    /// A nil pointer, slice or map.
    fn null(&mut self, kind: &Type, verb: char, value: &Value) {
        let sharp = self.sink.flags.sharp_v;
        match kind {
            Type::Bytes if matches!(verb, 's' | 'x' | 'X' | 'q') => self.string(b"", verb),
            Type::Slice(_) | Type::Bytes | Type::Map(_) if sharp => self.sink.push_str(&format!("{kind}(nil)")),
            Type::Slice(_) | Type::Bytes => self.sink.push(b"[]"),
            Type::Map(_) => self.sink.push(b"map[]"),
            _ => self.pointer(value, verb),
        }
    }

    /// Addresses say nothing here, and would differ from one run to the next: all are the same.
    fn pointer(&mut self, value: &Value, verb: char) {
        let address = match value {
            Value::Null(_) => 0,
            Value::List(_) | Value::Map(_) | Value::Pointer(_) | Value::Version(_) | Value::Bytes(_) => 0xc0_0001_0000,
            _ => return self.bad_verb(value, verb),
        };
        let sharp = self.sink.flags.sharp;
        match verb {
            'v' if self.sink.flags.sharp_v => {
                self.sink.push_str(&format!("({})(", value.type_name()));
                if address == 0 {
                    self.sink.push(b"nil");
                } else {
                    self.hex_with_prefix(address, true);
                }
                self.sink.push(b")");
            }
            'v' if address == 0 => self.sink.pad(b"<nil>"),
            'v' | 'p' => self.hex_with_prefix(address, !sharp),
            'b' | 'o' | 'd' | 'x' | 'X' => self.integer(address, false, false, verb, value),
            _ => self.bad_verb(value, verb),
        }
    }

    /// A time by what it is made of, which verbs for numbers get to see.
    fn raw_time(&mut self, time: &crate::time::Time, verb: char) {
        self.sink.push(b"{");
        let nanoseconds = u64::from(time.nanosecond());
        self.integer(nanoseconds, false, false, verb, &Value::Uint(UintKind::Uint64, nanoseconds));
        self.sink.push(b" ");
        let seconds = time.seconds_since_year_one();
        self.integer(seconds.unsigned_abs(), seconds < 0, true, verb, &Value::Int(IntKind::Int64, seconds));
        self.sink.push(b" ");
        match verb {
            'b' | 'o' | 'd' | 'x' | 'X' => self.integer(0, false, false, verb, &Value::Nil),
            'v' => self.sink.pad(b"<nil>"),
            // In UTC there's no location, and in the local zone what there is says nothing.
            _ => self.sink.push_str(&format!("%!{verb}(*time.Location=<nil>)")),
        }
        self.sink.push(b"}");
    }

    fn raw_version(&mut self, version: &crate::semver::Version, verb: char) {
        self.sink.push(b"&{");
        for number in [version.major, version.minor, version.patch] {
            self.integer(number, false, false, verb, &Value::Uint(UintKind::Uint64, number));
            self.sink.push(b" ");
        }
        self.string(version.prerelease.as_bytes(), verb);
        self.sink.push(b" ");
        self.string(version.metadata.as_bytes(), verb);
        self.sink.push(b" ");
        self.string(version.original.as_bytes(), verb);
        self.sink.push(b"}");
    }
}

/// How far a format has been read.
struct Format<'a> {
    format: &'a [u8],
    at: usize,
    argument: usize,
    reordered: bool,
    good: bool,
    after_index: bool,
}

/// Widths and precisions beyond this are none, as in Go.
const MAX_WIDTH: i64 = 1_000_000;

impl Format<'_> {
    fn take(&mut self, byte: u8) -> bool {
        let taken = self.format.get(self.at) == Some(&byte);
        self.at += usize::from(taken);
        taken
    }

    /// `parsenum`.
    fn number(&mut self) -> Option<usize> {
        let mut number = None;
        while let Some(digit) = self.format.get(self.at).filter(|byte| byte.is_ascii_digit()) {
            if number.is_some_and(|number| number > MAX_WIDTH as usize) {
                self.at = self.format.len();
                return None;
            }
            number = Some(number.unwrap_or(0) * 10 + usize::from(digit - b'0'));
            self.at += 1;
        }
        number
    }

    /// `argNumber`: `[3]`.
    fn index(&mut self, count: usize) {
        let rest = &self.format[self.at..];
        if rest.first() != Some(&b'[') {
            self.after_index = false;
            return;
        }
        self.reordered = true;
        let close = rest.iter().position(|&byte| byte == b']').filter(|_| rest.len() >= 3);
        let (number, length) = match close {
            None => (None, 1),
            Some(close) => {
                let digits = &rest[1..close];
                let number =
                    if digits.len() <= 7 && !digits.is_empty() { std::str::from_utf8(digits).ok().and_then(|text| text.parse::<usize>().ok()) } else { None };
                (number.filter(|_| digits.iter().all(u8::is_ascii_digit)), close + 1)
            }
        };
        self.at += length;
        self.after_index = number.is_some();
        match number {
            Some(number) if (1..=count).contains(&number) => self.argument = number - 1,
            _ => self.good = false,
        }
    }

    /// `intFromArg`: a width or precision that is an argument.
    fn number_argument(&mut self, values: &[&Value]) -> (i64, bool) {
        let number = match values.get(self.argument) {
            None => return (0, false),
            Some(Value::Int(_, number)) => Some(*number),
            Some(Value::Uint(_, number)) => i64::try_from(*number).ok(),
            Some(_) => None,
        };
        self.argument += 1;
        match number.filter(|number| (-MAX_WIDTH..=MAX_WIDTH).contains(number)) {
            Some(number) => (number, true),
            None => (0, false),
        }
    }
}
