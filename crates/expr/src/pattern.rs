//! Regular expressions as Go reads them (RE2's syntax), on the `regex` crate.
//!
//! Where the two differ, the pattern is rewritten: `\d`, `\s`, `\w` and `\b` know only ASCII in Go, `[[&&]` is three
//! characters there, and a lone brace is itself. What Go refuses is refused. Patterns are compiled once a thread.

use regex::{Regex, RegexBuilder};
use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::Deref;
use std::str::Chars;
use thiserror::Error;

/// What a compiled pattern may take. Those that Go accepts and people write take less than a tenth.
const MAX_COMPILED_BYTES: usize = 1 << 20;

/// The largest pattern, with its counted repetitions written out.
const MAX_WEIGHT: usize = 4_000;

/// Go's limit of counted repetitions, nested ones multiplied.
const MAX_REPEAT: usize = 1000;

/// A character of the text times one of the pattern: 10 ns where matching is slowest.
const MAX_STEPS: usize = 4 << 20;

/// How deep groups may be nested; the documented rules have none.
const MAX_GROUPS: usize = 50;

/// Patterns kept a thread.
const MAX_KEPT: usize = 64;

thread_local! {
    static KEPT: RefCell<HashMap<String, Result<Pattern, PatternError>>> = RefCell::new(HashMap::new());
}

/// A compiled pattern.
#[derive(Clone)]
pub(crate) struct Pattern {
    regex: Regex,
    weight: usize,
}

/// Why a pattern isn't used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum PatternError {
    /// Go wouldn't read it.
    #[error("error parsing regexp: {reason}")]
    Invalid {
        /// What is wrong.
        reason: &'static str,
    },
    /// It would take too long.
    #[error("the pattern is too large")]
    TooLarge,
}

impl Pattern {
    /// Compiles a pattern, or finds it among those that were.
    ///
    /// # Errors
    /// If Go wouldn't read it, or it would be too large.
    pub(crate) fn new(text: &str) -> Result<Self, PatternError> {
        KEPT.with_borrow_mut(|kept| {
            if let Some(found) = kept.get(text) {
                return found.clone();
            }
            let result = compile(text);
            if kept.len() >= MAX_KEPT {
                kept.clear();
            }
            kept.insert(text.to_owned(), result.clone());
            result
        })
    }

    /// Whether matching that text takes a reasonable time in any case.
    pub(crate) fn suits(&self, text: &str) -> bool {
        self.weight.saturating_mul(text.len()) <= MAX_STEPS
    }
}

impl Deref for Pattern {
    type Target = Regex;

    fn deref(&self) -> &Regex {
        &self.regex
    }
}

fn compile(text: &str) -> Result<Pattern, PatternError> {
    if text.len() > MAX_WEIGHT {
        return Err(PatternError::TooLarge);
    }
    let mut rewriter = Rewriter { rest: text.chars(), out: String::with_capacity(text.len() + 16), groups: vec![Group::default()], repeated: 0 };
    rewriter.run()?;
    let weight = rewriter.groups.iter().map(Group::weight).sum::<usize>().max(1);
    if weight > MAX_WEIGHT {
        return Err(PatternError::TooLarge);
    }
    let regex = RegexBuilder::new(&rewriter.out).size_limit(MAX_COMPILED_BYTES).dfa_size_limit(MAX_COMPILED_BYTES).build().map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => PatternError::TooLarge,
        _ => invalid("syntax"),
    })?;
    Ok(Pattern { regex, weight })
}

fn invalid(reason: &'static str) -> PatternError {
    PatternError::Invalid { reason }
}

/// What is in a group so far.
#[derive(Default)]
struct Group {
    before: usize,
    last: usize,
    /// The largest product of counted repetitions inside.
    repeats: usize,
    last_repeats: usize,
}

impl Group {
    fn weight(&self) -> usize {
        self.before.saturating_add(self.last)
    }

    fn atom(&mut self, weight: usize, repeats: usize) {
        self.before = self.weight();
        self.last = weight;
        self.repeats = self.repeats.max(self.last_repeats);
        self.last_repeats = repeats;
    }
}

struct Rewriter<'a> {
    rest: Chars<'a>,
    out: String,
    groups: Vec<Group>,
    /// 1 after a repetition, 2 after a lazy one, 0 after anything else.
    repeated: u8,
}

impl Rewriter<'_> {
    fn run(&mut self) -> Result<(), PatternError> {
        while let Some(c) = self.rest.next() {
            match c {
                '*' | '+' => self.repeat(c)?,
                '?' => {
                    if self.repeated == 2 {
                        return Err(invalid("invalid nested repetition operator"));
                    }
                    self.repeated += 1;
                    self.out.push('?');
                }
                '{' => self.count()?,
                '}' => self.atom("\\}", 1),
                '[' => self.class()?,
                '\\' => self.escape()?,
                '(' => self.open()?,
                ')' => {
                    let Some(group) = self.groups.pop().filter(|_| !self.groups.is_empty()) else { return Err(invalid("unexpected )")) };
                    self.out.push(')');
                    self.repeated = 0;
                    if let Some(outer) = self.groups.last_mut() {
                        outer.atom(group.weight(), group.repeats.max(group.last_repeats));
                    }
                }
                _ => {
                    self.out.push(c);
                    self.note(c.len_utf8());
                }
            }
        }
        Ok(())
    }

    fn note(&mut self, weight: usize) {
        self.repeated = 0;
        if let Some(group) = self.groups.last_mut() {
            group.atom(weight, 1);
        }
    }

    fn atom(&mut self, text: &str, weight: usize) {
        self.out.push_str(text);
        self.note(weight);
    }

    fn repeat(&mut self, c: char) -> Result<(), PatternError> {
        if self.repeated > 0 {
            return Err(invalid("invalid nested repetition operator"));
        }
        self.repeated = 1;
        self.out.push(c);
        Ok(())
    }

    /// `{2}`, `{2,}`, `{2,5}`; anything else is a brace.
    fn count(&mut self) -> Result<(), PatternError> {
        let Some((inside, _)) = self.rest.as_str().split_once('}') else {
            self.atom("\\{", 1);
            return Ok(());
        };
        let (low, high) = inside.split_once(',').unwrap_or((inside, inside));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(low) || !(high.is_empty() || digits(high)) {
            self.atom("\\{", 1);
            return Ok(());
        }
        let number = |text: &str| text.parse::<usize>().ok().filter(|number| *number <= MAX_REPEAT).ok_or(invalid("invalid repeat count"));
        let low = number(low)?;
        let high = if high.is_empty() { low + 1 } else { number(high)? };
        if low > high {
            return Err(invalid("invalid repeat count"));
        }
        self.out.push('{');
        self.out.push_str(inside);
        self.out.push('}');
        for _ in 0..=inside.len() {
            self.rest.next();
        }
        if self.repeated > 0 {
            return Err(invalid("invalid nested repetition operator"));
        }
        self.repeated = 1;
        let Some(group) = self.groups.last_mut() else { return Ok(()) };
        group.last = group.last.saturating_mul(high.max(1));
        group.last_repeats = group.last_repeats.saturating_mul(high.max(1));
        if group.last_repeats > MAX_REPEAT {
            return Err(invalid("invalid repeat count"));
        }
        Ok(())
    }

    fn open(&mut self) -> Result<(), PatternError> {
        if self.groups.len() > MAX_GROUPS {
            return Err(PatternError::TooLarge);
        }
        self.out.push('(');
        self.repeated = 0;
        if let Some(after) = self.rest.as_str().strip_prefix('?') {
            if !after.starts_with("P<") && !after.starts_with('<') {
                let end = after.find([':', ')']).ok_or(invalid("missing argument to group"))?;
                if !after.get(..end).unwrap_or_default().chars().all(|flag| "imsU-".contains(flag)) {
                    return Err(invalid("invalid or unsupported Perl syntax"));
                }
                for _ in 0..=end {
                    self.rest.next();
                }
                self.rest = after.get(end..).unwrap_or_default().chars();
                self.out.push('?');
                self.out.push_str(after.get(..end).unwrap_or_default());
                if after.get(end..).is_some_and(|rest| rest.starts_with(')')) {
                    // Flags for what follows: no group.
                    self.rest.next();
                    self.out.push(')');
                    return Ok(());
                }
                self.rest.next();
                self.out.push(':');
            } else {
                let end = after.find('>').ok_or(invalid("invalid named capture"))?;
                self.out.push('?');
                self.out.push_str(after.get(..=end).unwrap_or_default());
                self.rest = after.get(end + 1..).unwrap_or_default().chars();
            }
        }
        self.groups.push(Group::default());
        Ok(())
    }

    fn escape(&mut self) -> Result<(), PatternError> {
        let c = self.rest.next().ok_or(invalid("trailing backslash at end of expression"))?;
        match c {
            'b' => self.atom("(?-u:\\b)", 1),
            'B' => self.atom("(?-u:\\B)", 1),
            'A' | 'z' => {
                self.out.push('\\');
                self.out.push(c);
                self.note(1);
            }
            'Q' => {
                let (literal, rest) = self.rest.as_str().split_once("\\E").unwrap_or((self.rest.as_str(), ""));
                self.rest = rest.chars();
                for c in literal.chars() {
                    self.out.push_str(&regex::escape(c.encode_utf8(&mut [0; 4])));
                    self.note(c.len_utf8());
                }
            }
            'd' | 'D' | 's' | 'S' | 'w' | 'W' => {
                self.out.push_str(if c.is_lowercase() { "[" } else { "[^" });
                self.out.push_str(ascii_class(c));
                self.out.push(']');
                self.note(1);
            }
            _ => {
                let weight = self.escaped(c)?;
                self.note(weight);
            }
        }
        Ok(())
    }

    /// One escaped character, inside a class or outside, and what it weighs.
    fn escaped(&mut self, c: char) -> Result<usize, PatternError> {
        /// Unicode's classes have many ranges.
        const UNICODE_WEIGHT: usize = 40;
        match c {
            'p' | 'P' => {
                let rest = self.rest.as_str();
                let (name, length) = match rest.strip_prefix('{') {
                    Some(inside) => inside.split_once('}').map(|(name, _)| (name, name.len() + 2)).ok_or(invalid("invalid character class range"))?,
                    None => rest
                        .chars()
                        .next()
                        .map(|c| (rest.get(..c.len_utf8()).unwrap_or_default(), c.len_utf8()))
                        .ok_or(invalid("invalid character class range"))?,
                };
                let (name, negated) = name.strip_prefix('^').map_or((name, c == 'P'), |name| (name, c == 'p'));
                if !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
                    return Err(invalid("invalid character class range"));
                }
                self.out.push_str(if negated { "\\P{" } else { "\\p{" });
                self.out.push_str(name);
                self.out.push('}');
                self.rest = rest.get(length..).unwrap_or_default().chars();
                Ok(UNICODE_WEIGHT)
            }
            'x' | 'a' | 'f' | 't' | 'n' | 'r' | 'v' => {
                self.out.push('\\');
                self.out.push(c);
                if c == 'x'
                    && let Some((inside, rest)) = self.rest.as_str().strip_prefix('{').and_then(|inside| inside.split_once('}'))
                {
                    if inside.is_empty() || !inside.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                        return Err(invalid("invalid escape sequence"));
                    }
                    self.out.push('{');
                    self.out.push_str(inside);
                    self.out.push('}');
                    self.rest = rest.chars();
                }
                Ok(1)
            }
            '0'..='7' => {
                let digits = self.rest.as_str().chars().take(2).take_while(|c| ('0'..='7').contains(c)).count();
                if c != '0' && digits == 0 {
                    return Err(invalid("invalid escape sequence"));
                }
                let mut value = u32::from(c) - u32::from('0');
                for digit in self.rest.by_ref().take(digits) {
                    value = value * 8 + (u32::from(digit) - u32::from('0'));
                }
                self.out.push_str(&format!("\\x{{{value:x}}}"));
                Ok(1)
            }
            c if c.is_ascii() && !c.is_ascii_alphanumeric() => {
                if !matches!(c, '<' | '>' | '_') {
                    self.out.push('\\');
                }
                self.out.push(c);
                Ok(1)
            }
            _ => Err(invalid("invalid escape sequence")),
        }
    }

    fn class(&mut self) -> Result<(), PatternError> {
        self.out.push('[');
        let mut weight = 1;
        if self.rest.as_str().starts_with('^') {
            self.rest.next();
            self.out.push('^');
        }
        let mut first = true;
        loop {
            let c = self.rest.next().ok_or(invalid("missing closing ]"))?;
            match c {
                ']' if !first => break,
                '[' if self.rest.as_str().starts_with(':') => {
                    let (name, rest) = self.rest.as_str().split_once(":]").ok_or(invalid("invalid character class range"))?;
                    self.out.push('[');
                    self.out.push_str(name);
                    self.out.push_str(":]");
                    self.rest = rest.chars();
                }
                '[' | ']' | '&' | '~' => {
                    self.out.push('\\');
                    self.out.push(c);
                }
                '-' if first || self.rest.as_str().starts_with(']') => self.out.push_str("\\-"),
                '\\' => {
                    let c = self.rest.next().ok_or(invalid("trailing backslash at end of expression"))?;
                    match c {
                        'd' | 's' | 'w' => self.out.push_str(ascii_class(c)),
                        'D' | 'S' | 'W' => {
                            self.out.push_str("[^");
                            self.out.push_str(ascii_class(c));
                            self.out.push(']');
                        }
                        _ => weight += self.escaped(c)?,
                    }
                }
                _ => self.out.push(c),
            }
            first = false;
            // Characters beyond ASCII become several states.
            weight += usize::from(!c.is_ascii());
        }
        self.out.push(']');
        self.note(weight);
        Ok(())
    }
}

fn ascii_class(c: char) -> &'static str {
    match c {
        'd' | 'D' => "0-9",
        's' | 'S' => "\\t\\n\\x0C\\r ",
        _ => "0-9A-Za-z_",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matched_as_go_does() {
        let check = |pattern: &str, text: &str, expect: bool| {
            let found = Pattern::new(pattern).unwrap_or_else(|error| panic!("{pattern}: {error}"));
            assert_eq!(found.is_match(text), expect, "{pattern} {text} as {}", found.as_str());
        };
        check(r"^\d+$", "12", true);
        check(r"^\d$", "٣", false);
        check(r"^\w$", "é", false);
        check(r"^\W$", "é", true);
        check(r"^[\w-]+$", "a-b", true);
        check(r"^[^\s]+$", "a b", false);
        check(r"^[\D]$", "x", true);
        check(r"é\b", "é ", false);
        check(r"\Bx", "ax", true);
        check(r"^[[]$", "[", true);
        check(r"^[]a]+$", "]a", true);
        check(r"^[a&&b]+$", "&", true);
        check(r"^[[:alpha:]]+$", "abc", true);
        check(r"^a{,2}$", "a{,2}", true);
        check(r"^a{2,3}$", "aaaa", false);
        check(r"^{$", "{", true);
        check(r"^\Qa.b\E$", "a.b", true);
        check(r"^\Qa.b\E$", "axb", false);
        check(r"^\<a\>$", "<a>", true);
        check(r"(?i)^É$", "é", true);
        check(r"^(?:a|b)(?P<n>c)$", "bc", true);
        check(r"^\p{Greek}\pL\p{^Greek}$", "αxy", true);
        check(r"^\x41\x{42}\101$", "ABA", true);
        check(r"(?s)^a.b$", "a\nb", true);
        check("a.b$", "a.b\n", false);
    }

    #[test]
    fn refused_as_go_does() {
        let check = |pattern: &str, too_large: bool| {
            let error = Pattern::new(pattern).err().unwrap_or_else(|| panic!("{pattern:.50} is read"));
            assert_eq!(error == PatternError::TooLarge, too_large, "{pattern:.50}: {error}");
        };
        for pattern in ["[", "(", ")", "a**", "a{2}{3}", "a??*", r"\1", r"\Z", r"\C", "(?x)a", "(?=a)", "a{1001}", "(a{100}){100}", "\\", r"\y", "[a", "*"] {
            check(pattern, false);
        }
        check(&"a".repeat(5000), true);
        check(&format!("({}){{900}}", "abcdefgh"), true);
        check(r"(\pL\pN){500}", true);
        check(&"(".repeat(100), true);
    }

    #[test]
    fn a_long_text_needs_a_short_pattern() {
        let pattern = Pattern::new("(a|b){100}").unwrap();
        assert!(pattern.suits(&"x".repeat(8 << 10)));
        assert!(!pattern.suits(&"x".repeat(1 << 20)));
    }
}
