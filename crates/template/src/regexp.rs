//! Regular expressions in Go's syntax, run by the `regex` crate: both take time linear in the text.
//!
//! The two syntaxes are alike, but not the same: classes such as `\d` are those of ASCII in Go, `{` may stand for itself,
//! and within brackets Rust knows operators. So an expression is read as Go reads it, with Go's errors, and written
//! anew.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use regex::bytes::{Regex, RegexBuilder};

use crate::error::Failure;
use crate::limits::Meter;
use crate::quote::lossy;
use crate::value::Str;

/// Expressions that a rendering has compiled.
#[derive(Default)]
pub(crate) struct Cache(HashMap<Str, Arc<Regex>>);

/// What a compiled expression may take. `(a{1000}){10}` is beyond it, as it is in Go.
const MAX_COMPILED_BYTES: usize = 2 << 20;
/// Expressions that are kept; a template that makes more begins anew.
const MAX_CACHED: usize = 32;

impl Cache {
    /// The compiled expression. A failure is Go's error.
    pub(crate) fn get(&mut self, meter: &mut Meter, expression: &[u8]) -> Result<Arc<Regex>, Failure> {
        if let Some(found) = self.0.get(expression) {
            return Ok(found.clone());
        }
        // Compiling takes a good deal longer than looking at the text does.
        meter.work(expression.len().saturating_mul(512) + 8192)?;
        let began = Instant::now();
        let translated = translate(expression).map_err(|error| Failure::Message(error.to_string()))?;
        let compiled = RegexBuilder::new(&translated).size_limit(MAX_COMPILED_BYTES).dfa_size_limit(MAX_COMPILED_BYTES).build();
        // Repetitions of repetitions are short to write.
        meter.worked(began.elapsed())?;
        let compiled = Arc::new(compiled.map_err(|_| Failure::Message(error("expression too large", expression).to_string()))?);
        if self.0.len() >= MAX_CACHED {
            self.0.clear();
        }
        self.0.insert(Str::from(expression), compiled.clone());
        Ok(compiled)
    }
}

/// Go's `syntax.Error`.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("error parsing regexp: {code}: `{text}`")]
struct SyntaxError {
    code: &'static str,
    text: String,
}

fn error(code: &'static str, text: &[u8]) -> SyntaxError {
    SyntaxError { code, text: lossy(text) }
}

type Result<T, E = SyntaxError> = std::result::Result<T, E>;

/// Groups within groups, as in Go.
const MAX_GROUPS: usize = 1_000;
const MAX_REPEAT: u32 = 1_000;

fn translate(expression: &[u8]) -> Result<String> {
    let text = std::str::from_utf8(expression).map_err(|_| error("invalid UTF-8", expression))?;
    let mut translator = Translator { whole: text, rest: text, out: String::with_capacity(text.len() * 2), groups: 0, repeatable: false, repeat: None };
    translator.run()?;
    Ok(translator.out)
}

struct Translator<'a> {
    whole: &'a str,
    rest: &'a str,
    out: String,
    groups: usize,
    /// Whether there's something to repeat.
    repeatable: bool,
    /// The text from the last repetition on, if nothing followed it yet.
    repeat: Option<&'a str>,
}

impl<'a> Translator<'a> {
    fn run(&mut self) -> Result<()> {
        while let Some(next) = self.rest.chars().next() {
            match next {
                '(' => self.group()?,
                '|' => self.operator("|", false),
                ')' => {
                    self.groups = self.groups.checked_sub(1).ok_or_else(|| error("unexpected )", self.whole.as_bytes()))?;
                    self.operator(")", true);
                }
                '^' => self.operator("^", true),
                '$' => self.operator("$", true),
                '.' => self.operator(".", true),
                '[' => {
                    let class = self.class()?;
                    self.atom(&class);
                }
                '*' | '+' | '?' => self.repetition(1)?,
                '{' => match self.counted()? {
                    Some(length) => self.repetition(length)?,
                    None => self.literal('{'),
                },
                '\\' => self.escape()?,
                next => self.literal(next),
            }
        }
        if self.groups > 0 {
            return Err(error("missing closing )", self.whole.as_bytes()));
        }
        Ok(())
    }

    fn advance(&mut self, length: usize) {
        self.rest = &self.rest[length..];
    }

    fn operator(&mut self, text: &str, repeatable: bool) {
        self.out.push_str(text);
        self.advance(1);
        self.repeatable = repeatable;
        self.repeat = None;
    }

    fn atom(&mut self, text: &str) {
        self.out.push_str(text);
        self.repeatable = true;
        self.repeat = None;
    }

    fn literal(&mut self, character: char) {
        self.advance(character.len_utf8());
        let escaped = regex::escape(character.encode_utf8(&mut [0; 4]));
        self.atom(&escaped);
    }

    fn repetition(&mut self, length: usize) -> Result<()> {
        let operator = &self.rest[..length];
        if !self.repeatable {
            return Err(error("missing argument to repetition operator", operator.as_bytes()));
        }
        let before = self.rest;
        self.advance(length);
        let lazy = self.rest.starts_with('?');
        if lazy {
            self.advance(1);
        }
        if let Some(start) = self.repeat {
            let text = &start[..start.len() - self.rest.len()];
            return Err(error("invalid nested repetition operator", text.as_bytes()));
        }
        self.out.push_str(operator);
        self.out.push_str(if lazy { "?" } else { "" });
        self.repeat = Some(before);
        Ok(())
    }

    /// The length of a `{n,m}`. `None`: it isn't one, and the bracket stands for itself.
    fn counted(&self) -> Result<Option<usize>> {
        let Some(end) = self.rest.find('}') else { return Ok(None) };
        let body = &self.rest[1..end];
        let (minimum, maximum) = body.split_once(',').unwrap_or((body, body));
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
        if !is_number(minimum) || !(maximum.is_empty() || is_number(maximum)) {
            return Ok(None);
        }
        let number = |text: &str| text.parse::<u32>().unwrap_or(u32::MAX);
        let (minimum, maximum) = (number(minimum), if maximum.is_empty() { None } else { Some(number(maximum)) });
        if minimum > MAX_REPEAT || maximum.is_some_and(|maximum| maximum > MAX_REPEAT || minimum > maximum) {
            return Err(error("invalid repeat count", &self.rest.as_bytes()[..=end]));
        }
        Ok(Some(end + 1))
    }

    fn group(&mut self) -> Result<()> {
        if self.groups >= MAX_GROUPS {
            return Err(error("expression nests too deeply", self.whole.as_bytes()));
        }
        if !self.rest.starts_with("(?") {
            self.groups += 1;
            self.operator("(", false);
            return Ok(());
        }
        let named = ["(?P<", "(?<"].into_iter().find(|start| self.rest.starts_with(start));
        if let Some(start) = named {
            let end = self.rest.find('>').ok_or_else(|| error("invalid named capture", self.rest.as_bytes()))?;
            let name = &self.rest[start.len()..end];
            if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
                return Err(error("invalid named capture", &self.rest.as_bytes()[..=end]));
            }
            // Rust wants a letter first. Names only count in replacements, where they are looked up by `group_name`.
            self.out.push_str(&format!("(?P<{}>", group_name(name)));
            self.advance(end + 1);
            self.groups += 1;
        } else {
            self.flags()?;
        }
        self.repeatable = false;
        self.repeat = None;
        Ok(())
    }

    fn flags(&mut self) -> Result<()> {
        let bad = |end: usize| error("invalid or unsupported Perl syntax", &self.rest.as_bytes()[..end.min(self.rest.len())]);
        let mut any = false;
        let mut negated = false;
        for (index, flag) in self.rest.char_indices().skip(2) {
            match flag {
                'i' | 'm' | 's' | 'U' => any = true,
                '-' if !negated => {
                    negated = true;
                    any = false;
                }
                ':' | ')' if any || !negated => {
                    if flag == ':' {
                        self.groups += 1;
                    }
                    // Rust doesn't know `(?)`.
                    if index > 2 || flag == ':' {
                        self.out.push_str(&self.rest[..=index]);
                    }
                    self.rest = &self.rest[index + 1..];
                    return Ok(());
                }
                _ => return Err(bad(index + flag.len_utf8())),
            }
        }
        Err(bad(self.rest.len()))
    }

    fn escape(&mut self) -> Result<()> {
        let after = &self.rest[1..];
        match after.chars().next() {
            Some('A') => self.escaped("\\A", 2),
            Some('z') => self.escaped("\\z", 2),
            Some('b') => self.escaped("(?-u:\\b)", 2),
            Some('B') => self.escaped("(?-u:\\B)", 2),
            Some('Q') => {
                let (quoted, rest) = after[1..].split_once("\\E").unwrap_or((&after[1..], ""));
                for character in quoted.chars() {
                    let escaped = regex::escape(character.encode_utf8(&mut [0; 4]));
                    self.atom(&escaped);
                }
                self.rest = rest;
            }
            Some('p' | 'P') => {
                let class = self.unicode_class()?;
                self.atom(&class);
            }
            Some(class @ ('d' | 'D' | 's' | 'S' | 'w' | 'W')) => self.escaped(&format!("[{}]", perl_class(class)), 2),
            _ => {
                let character = self.escaped_character()?;
                self.atom(&hex(character));
            }
        }
        Ok(())
    }

    fn escaped(&mut self, text: &str, length: usize) {
        self.advance(length);
        self.atom(text);
    }

    /// An escape that stands for a character.
    fn escaped_character(&mut self) -> Result<char> {
        let start = self.rest;
        let mut chars = start.chars();
        chars.next();
        let Some(first) = chars.next() else { return Err(error("trailing backslash at end of expression", b"")) };
        let bad = |end: &str| error("invalid escape sequence", &start.as_bytes()[..start.len() - end.len()]);
        let character = match first {
            '1'..='7' if !chars.as_str().starts_with(|next: char| matches!(next, '0'..='7')) => return Err(bad(chars.as_str())),
            '0'..='7' => {
                let digits: String = start[1..].chars().take(3).take_while(|digit| digit.is_digit(8)).collect();
                chars = start[1 + digits.len()..].chars();
                u32::from_str_radix(&digits, 8).ok().and_then(char::from_u32)
            }
            'x' => {
                let body = chars.as_str();
                let (digits, length) = match body.strip_prefix('{') {
                    Some(inner) => {
                        let end = inner.find('}').ok_or_else(|| bad(""))?;
                        (&inner[..end], end + 2)
                    }
                    None => (body.get(..2).ok_or_else(|| bad(""))?, 2),
                };
                let code = u32::from_str_radix(digits, 16).ok().filter(|_| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
                chars = body[length..].chars();
                Some(code.and_then(char::from_u32).ok_or_else(|| bad(chars.as_str()))?)
            }
            'a' => Some('\x07'),
            'f' => Some('\x0c'),
            'n' => Some('\n'),
            'r' => Some('\r'),
            't' => Some('\t'),
            'v' => Some('\x0b'),
            _ if first.is_ascii() && !first.is_ascii_alphanumeric() => Some(first),
            _ => None,
        };
        let character = character.ok_or_else(|| bad(chars.as_str()))?;
        self.rest = chars.as_str();
        Ok(character)
    }

    /// `\pL` or `\p{Greek}`.
    fn unicode_class(&mut self) -> Result<String> {
        let start = self.rest;
        let negated = start[1..].starts_with('P');
        let after = &start[2..];
        let length = match after.chars().next() {
            None => return Err(error("invalid character class range", start.as_bytes())),
            Some('{') => after.find('}').ok_or_else(|| error("invalid character class range", start.as_bytes()))? + 1,
            Some(letter) => letter.len_utf8(),
        };
        let name = after[..length].trim_start_matches('{').trim_end_matches('}');
        let (name, inverted) = name.strip_prefix('^').map_or((name, negated), |name| (name, !negated));
        let class = match name {
            "Any" => if inverted { "[^\\x{0}-\\x{10ffff}]" } else { "[\\x{0}-\\x{10ffff}]" }.to_owned(),
            name => format!("\\{}{{{name}}}", if inverted { 'P' } else { 'p' }),
        };
        self.advance(2 + length);
        if Regex::new(&class).is_err() {
            return Err(error("invalid character class range", &start.as_bytes()[..2 + length]));
        }
        Ok(class)
    }

    /// A class in brackets.
    fn class(&mut self) -> Result<String> {
        let start = self.rest;
        let missing = || error("missing closing ]", start.as_bytes());
        self.advance(1);
        let mut out = String::from("[");
        if self.rest.starts_with('^') {
            out.push('^');
            self.advance(1);
        }
        let mut first = true;
        loop {
            let next = self.rest.chars().next().ok_or_else(missing)?;
            if next == ']' && !first {
                self.advance(1);
                out.push(']');
                return Ok(out);
            }
            first = false;
            if let Some(posix) = self.posix_class()? {
                out.push_str(posix);
                continue;
            }
            if next == '\\' {
                match self.rest[1..].chars().next() {
                    Some('p' | 'P') => {
                        out.push_str(&self.unicode_class()?);
                        continue;
                    }
                    Some(class @ ('d' | 'D' | 's' | 'S' | 'w' | 'W')) => {
                        out.push_str(&format!("[{}]", perl_class(class)));
                        self.advance(2);
                        continue;
                    }
                    _ => {}
                }
            }
            self.range(&mut out, &missing)?;
        }
    }

    fn range(&mut self, out: &mut String, missing: &dyn Fn() -> SyntaxError) -> Result<()> {
        let start = self.rest;
        let low = self.class_character(missing)?;
        let mut high = low;
        if self.rest.starts_with('-') && self.rest.len() >= 2 && !self.rest.starts_with("-]") {
            self.advance(1);
            high = self.class_character(missing)?;
            if high < low {
                let text = &start[..start.len() - self.rest.len()];
                return Err(error("invalid character class range", text.as_bytes()));
            }
        }
        out.push_str(&hex(low));
        if high != low {
            out.push('-');
            out.push_str(&hex(high));
        }
        Ok(())
    }

    fn class_character(&mut self, missing: &dyn Fn() -> SyntaxError) -> Result<char> {
        let next = self.rest.chars().next().ok_or_else(missing)?;
        if next == '\\' {
            return self.escaped_character();
        }
        self.advance(next.len_utf8());
        Ok(next)
    }

    /// `[:alpha:]`.
    fn posix_class(&mut self) -> Result<Option<&'a str>> {
        if !self.rest.starts_with("[:") {
            return Ok(None);
        }
        let Some(end) = self.rest[2..].find(":]").map(|at| at + 4) else { return Ok(None) };
        let class = &self.rest[..end];
        let name = class[2..end - 2].trim_start_matches('^');
        let known = ["alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space", "upper", "word", "xdigit"];
        if !known.contains(&name) {
            return Err(error("invalid character class range", class.as_bytes()));
        }
        self.advance(end);
        Ok(Some(class))
    }
}

/// What stands between the brackets for a class of Perl's, which is one of ASCII in Go.
fn perl_class(letter: char) -> &'static str {
    match letter {
        'd' => "0-9",
        'D' => "^0-9",
        's' => "\\t\\n\\x{c}\\r\\x{20}",
        'S' => "^\\t\\n\\x{c}\\r\\x{20}",
        'w' => "0-9A-Za-z_",
        _ => "^0-9A-Za-z_",
    }
}

fn hex(character: char) -> String {
    format!("\\x{{{:x}}}", u32::from(character))
}

/// Rust's name of a group of Go's, which may begin with a digit.
pub(crate) fn group_name(name: &str) -> String {
    format!("g_{name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_those_of_go() {
        let check = |expression: &str, expect: &str| {
            let error = translate(expression.as_bytes()).expect_err(expression).to_string();
            assert_eq!(error, format!("error parsing regexp: {expect}"));
        };
        check("[", "missing closing ]: `[`");
        check("a[b", "missing closing ]: `[b`");
        check("(", "missing closing ): `(`");
        check("a)", "unexpected ): `a)`");
        check("*", "missing argument to repetition operator: `*`");
        check("a**", "invalid nested repetition operator: `**`");
        check("a{2}*", "invalid nested repetition operator: `{2}*`");
        check("a{1001}", "invalid repeat count: `{1001}`");
        check("a{2,1}", "invalid repeat count: `{2,1}`");
        check("[z-a]", "invalid character class range: `z-a`");
        check("\\q", "invalid escape sequence: `\\q`");
        check("\\1", "invalid escape sequence: `\\1`");
        check("a\\", "trailing backslash at end of expression: ``");
        check("a(?i", "invalid or unsupported Perl syntax: `(?i`");
        check("(?=a)", "invalid or unsupported Perl syntax: `(?=`");
        check("[[:foo:]]", "invalid character class range: `[:foo:]`");
        check("\\p{Foo}", "invalid character class range: `\\p{Foo}`");
        check("(?P<a-b>x)", "invalid named capture: `(?P<a-b>`");
    }

    #[test]
    fn matches_as_go_does() {
        let check = |expression: &str, text: &str, expect: bool| {
            let compiled = Regex::new(&translate(expression.as_bytes()).expect(expression)).expect(expression);
            assert_eq!(compiled.is_match(text.as_bytes()), expect, "{expression} {text}");
        };
        check(r"^\d+$", "١", false);
        check(r"^\w+$", "é", false);
        check(r"^\W$", "é", true);
        check(r"^[\D]$", "é", true);
        check(r"a{,2}", "a{,2}", true);
        check(r"^[a&&b]$", "&", true);
        check(r"^[[a]$", "[", true);
        check(r"^[]a]$", "]", true);
        check(r"^\x41\x{42}\103\Q.*\E$", "ABC.*", true);
        check(r"(?i)^straße$", "STRAßE", true);
        check(r"^[[:alpha:]\d-]+$", "a1-", true);
        check(r"^(?P<1a>x)$", "x", true);
    }
}
