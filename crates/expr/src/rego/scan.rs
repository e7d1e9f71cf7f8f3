//! What has to be known of a text before anything parses it.
//!
//! The parser's time is exponential in nested brackets and its trees are walked by recursion, so both are bounded
//! here, by a reader that only knows strings, comments, brackets and operators.

use super::error::CompileError;
use crate::Position;

/// The largest module. The documented ones have less than 1 KiB.
pub(super) const MAX_SOURCE_BYTES: usize = 64 * 1024;

/// How deep brackets may be nested.
pub(super) const MAX_NESTING: usize = 8;

/// How many operators, dots and brackets may follow each other in one expression. Each is a level of the tree, and on a
/// thread with 2 MiB 500 levels fit and 5,000 don't.
pub(super) const MAX_CHAIN: u32 = 100;

/// What all brackets of a module may cost. `[` and `{` triple what is inside them; a unit is about 2 µs in a debug build.
const MAX_COST: u64 = 40_000;

/// Refuses what would take long to parse, or have a tree too deep to walk. Returns whether the word `if` is in it.
///
/// # Errors
/// [`CompileError::TooLarge`], [`CompileError::TooDeep`].
pub(super) fn scan(source: &str) -> Result<bool, CompileError> {
    if source.len() > MAX_SOURCE_BYTES {
        return Err(CompileError::TooLarge);
    }
    let mut scanner = Scanner { levels: vec![Level { chain: 0, cost: 1 }], cost: 0, after_operator: true, newline: false };
    let mut at = Position::START;
    let mut inside = Inside::Code;
    let mut word = String::new();
    let mut has_if = false;
    for c in source.chars() {
        inside = match (inside, c) {
            (Inside::Escape, _) => Inside::Text,
            (Inside::Code, '"' | '`') => {
                scanner.operand();
                if c == '"' { Inside::Text } else { Inside::Raw }
            }
            (Inside::Code, '#') => Inside::Comment,
            (Inside::Text, '\\') => Inside::Escape,
            (Inside::Text, '"') | (Inside::Raw, '`') => Inside::Code,
            (Inside::Comment | Inside::Text, '\n') => {
                scanner.newline = true;
                Inside::Code
            }
            (Inside::Code, _) => {
                if c.is_alphanumeric() || c == '_' {
                    word.push(c);
                } else {
                    if word == "in" {
                        scanner.operator(at)?;
                    }
                    has_if |= word == "if";
                    word.clear();
                }
                scanner.code(c, at)?;
                Inside::Code
            }
            (other, _) => other,
        };
        if c == '\n' {
            at = Position { line: at.line + 1, column: 1 };
        } else {
            at.column += 1;
        }
    }
    Ok(has_if)
}

#[derive(Clone, Copy, PartialEq)]
enum Inside {
    Code,
    Text,
    Escape,
    Raw,
    Comment,
}

struct Level {
    chain: u32,
    cost: u64,
}

struct Scanner {
    levels: Vec<Level>,
    cost: u64,
    /// The last thing wants an operand, so a line that ends here goes on.
    after_operator: bool,
    newline: bool,
}

impl Scanner {
    fn code(&mut self, c: char, at: Position) -> Result<(), CompileError> {
        match c {
            '\n' => self.newline = true,
            c if c.is_whitespace() => {}
            '[' | '{' | '(' => {
                if c == '{' {
                    self.operand();
                } else {
                    self.operator(at)?;
                }
                let multiple = if c == '(' { 1 } else { 3 };
                let cost = self.levels.last().map_or(1, |level| level.cost) * multiple;
                self.cost += cost;
                self.levels.push(Level { chain: 0, cost });
                if self.levels.len() > MAX_NESTING + 1 || self.cost > MAX_COST {
                    return Err(CompileError::TooDeep { at });
                }
                self.after_operator = true;
            }
            ']' | '}' | ')' => {
                // Unbalanced ones are the parser's to refuse.
                if self.levels.len() > 1 {
                    self.levels.pop();
                }
                self.newline = false;
                self.after_operator = false;
            }
            ',' | ';' => {
                self.reset();
                self.after_operator = true;
            }
            '+' | '-' | '*' | '/' | '%' | '&' | '|' | '=' | '<' | '>' | '!' | '.' | ':' => self.operator(at)?,
            _ => self.operand(),
        }
        Ok(())
    }

    fn operand(&mut self) {
        if self.newline && !self.after_operator {
            self.reset();
        }
        self.newline = false;
        self.after_operator = false;
    }

    fn operator(&mut self, at: Position) -> Result<(), CompileError> {
        self.newline = false;
        self.after_operator = true;
        let Some(level) = self.levels.last_mut() else { return Ok(()) };
        level.chain += 1;
        if level.chain > MAX_CHAIN { Err(CompileError::TooDeep { at }) } else { Ok(()) }
    }

    fn reset(&mut self) {
        self.newline = false;
        if let Some(level) = self.levels.last_mut() {
            level.chain = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(source: &str, expect: Option<&str>) {
        let found = scan(source).err().map(|error| error.to_string());
        assert_eq!(found.is_some(), expect.is_some(), "{source:.100}: {found:?}");
        if let (Some(found), Some(expect)) = (found, expect) {
            assert!(found.contains(expect), "{source:.100}: {found}");
        }
    }

    #[test]
    fn brackets() {
        check("x := [[[[[[[[1]]]]]]]]", None);
        check("x := [[[[[[[[[1]]]]]]]]]", Some("1:14"));
        check("x := f(f(f(f(f(f(f(f(f(1)))))))))", Some("1:23"));
        check("x := \"[[[[[[[[[[[\"", None);
        check("x := `[[[[[\n[[[[[[`", None);
        check("# [[[[[[[[[[[[[\nx := 1", None);
        check("x := \"\\\"[[[[[[[[[\"", None);
        check("x := \"\\\\\" [[[[[[[[[", Some("1:19"));
        check(&format!("x := [{}]", "{{{{{{{1}}}}}}},\n".repeat(20)), Some("nested"));
        check(&format!("x := [{}]", "{1},\n".repeat(2000)), None);
    }

    #[test]
    fn chains() {
        check(&format!("x := 1{}", " + 1".repeat(90)), None);
        check(&format!("x := 1{}", " + 1".repeat(101)), Some("1:"));
        check(&format!("x := 1{}", " +\n1".repeat(101)), Some("nested"));
        check(&format!("x := 1{}", "\n+ 1".repeat(101)), Some("nested"));
        check(&format!("x := f(1,2){}", " + f(1,\n2)".repeat(101)), Some("nested"));
        check(&format!("x := a{}", "[0]".repeat(101)), Some("nested"));
        check(&format!("x := a{}", "[\n0\n]\n".repeat(101)), Some("nested"));
        check(&format!("x := 1{}", " in y".repeat(101)), Some("nested"));
        check(&format!("x if {{ {} }}", "a.b == 1\n".repeat(500)), None);
        check(&"x := a.b.c\n".repeat(500), None);
        check(&"a".repeat(MAX_SOURCE_BYTES + 1), Some("64 KiB"));
    }
}
