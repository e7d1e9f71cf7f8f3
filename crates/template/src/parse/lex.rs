//! The lexer: Go's `text/template/parse/lex.go`, one item at a time.

use crate::quote::quote;

/// Kinds of items, as the parser distinguishes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Error,
    Bool,
    Char,
    CharConstant,
    Complex,
    Assign,
    Declare,
    Eof,
    Field,
    Identifier,
    LeftDelim,
    LeftParen,
    Number,
    Pipe,
    RawString,
    RightDelim,
    RightParen,
    Space,
    String,
    Text,
    Variable,
    // Keywords.
    Block,
    Break,
    Continue,
    Dot,
    Define,
    Else,
    End,
    If,
    Nil,
    Range,
    Template,
    With,
}

impl Kind {
    fn is_keyword(self) -> bool {
        self as u8 >= Self::Block as u8
    }

    fn keyword(word: &str) -> Option<Self> {
        Some(match word {
            "block" => Self::Block,
            "break" => Self::Break,
            "continue" => Self::Continue,
            "define" => Self::Define,
            "else" => Self::Else,
            "end" => Self::End,
            "if" => Self::If,
            "nil" => Self::Nil,
            "range" => Self::Range,
            "template" => Self::Template,
            "with" => Self::With,
            _ => return None,
        })
    }
}

/// An item: its kind, where it begins, and its text. Of an error, `message` says what it is.
#[derive(Debug, Clone)]
pub(super) struct Item<'a> {
    pub(super) kind: Kind,
    pub(super) start: usize,
    pub(super) text: &'a str,
    pub(super) line: usize,
    pub(super) message: String,
}

impl Item<'_> {
    /// As errors name it.
    pub(super) fn describe(&self) -> String {
        match self.kind {
            Kind::Eof => "EOF".to_owned(),
            Kind::Error => self.message.clone(),
            kind if kind.is_keyword() => format!("<{}>", self.text),
            _ if self.text.len() > 10 => {
                let head: String = self.text.chars().take(10).collect();
                format!("{}...", quote(head.as_bytes()))
            }
            _ => quote(self.text.as_bytes()),
        }
    }
}

const LEFT: &str = "{{";
const RIGHT: &str = "}}";
/// A trim marker and the space beside it.
const TRIM_MARKER_BYTES: usize = 2;

pub(super) struct Lexer<'a> {
    input: &'a str,
    position: usize,
    start: usize,
    line: usize,
    start_line: usize,
    paren_depth: usize,
    inside_action: bool,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(input: &'a str) -> Self {
        Self { input, position: 0, start: 0, line: 1, start_line: 1, paren_depth: 0, inside_action: false }
    }

    /// The next item. After an error there's only the end.
    pub(super) fn next_item(&mut self) -> Item<'a> {
        if self.inside_action { self.inside_action() } else { self.text() }
    }

    fn rest(&self) -> &'a str {
        &self.input[self.position..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.position += next.len_utf8();
        self.line += usize::from(next == '\n');
        Some(next)
    }

    fn accept(&mut self, valid: &str) -> bool {
        let accepted = self.peek().is_some_and(|next| valid.contains(next));
        if accepted {
            self.next();
        }
        accepted
    }

    fn accept_run(&mut self, valid: &str) {
        while self.accept(valid) {}
    }

    fn emit(&mut self, kind: Kind) -> Item<'a> {
        let item = Item { kind, start: self.start, text: &self.input[self.start..self.position], line: self.start_line, message: String::new() };
        self.start = self.position;
        self.start_line = self.line;
        item
    }

    /// Passes over what wasn't read character by character.
    fn skip_to(&mut self, position: usize) {
        self.line += self.input[self.position..position].matches('\n').count();
        self.position = position;
        self.start = position;
        self.start_line = self.line;
    }

    fn error(&mut self, message: String) -> Item<'a> {
        let item = Item { kind: Kind::Error, start: self.start, text: "", line: self.start_line, message };
        self.input = "";
        self.position = 0;
        self.start = 0;
        item
    }

    fn text(&mut self) -> Item<'a> {
        loop {
            let Some(offset) = self.rest().find(LEFT) else {
                let end = self.input.len();
                self.line += self.rest().matches('\n').count();
                self.position = end;
                return self.emit(if self.start < end { Kind::Text } else { Kind::Eof });
            };
            if offset > 0 {
                let delimiter = self.position + offset;
                let mut end = delimiter;
                if has_left_trim_marker(&self.input[delimiter + LEFT.len()..]) {
                    end = self.start + self.input[self.start..delimiter].trim_end_matches(SPACES).len();
                }
                self.line += self.input[self.position..end].matches('\n').count();
                self.position = end;
                let item = self.emit(Kind::Text);
                self.skip_to(delimiter);
                if !item.text.is_empty() {
                    return item;
                }
            }
            match self.left_delimiter() {
                Some(item) => return item,
                None => continue, // a comment
            }
        }
    }

    fn left_delimiter(&mut self) -> Option<Item<'a>> {
        let after = self.position + LEFT.len();
        let marker = if has_left_trim_marker(&self.input[after..]) { TRIM_MARKER_BYTES } else { 0 };
        if self.input[after + marker..].starts_with("/*") {
            self.skip_to(after + marker);
            return self.comment();
        }
        self.position = after;
        let item = self.emit(Kind::LeftDelim);
        self.inside_action = true;
        self.paren_depth = 0;
        self.skip_to(after + marker);
        Some(item)
    }

    /// Passes over a comment; an item only if it isn't a good one.
    fn comment(&mut self) -> Option<Item<'a>> {
        let Some(end) = self.input[self.position + 2..].find("*/") else { return Some(self.error("unclosed comment".to_owned())) };
        let end = self.position + 2 + end + 2;
        let (delimiter, trims) = right_delimiter(&self.input[end..]);
        if !delimiter {
            return Some(self.error("comment ends before closing delimiter".to_owned()));
        }
        let mut after = end + RIGHT.len() + if trims { TRIM_MARKER_BYTES } else { 0 };
        if trims {
            after = self.input.len() - self.input[after..].trim_start_matches(SPACES).len();
        }
        self.skip_to(after);
        None
    }

    fn right_delim(&mut self, trims: bool) -> Item<'a> {
        if trims {
            self.skip_to(self.position + TRIM_MARKER_BYTES);
        }
        self.position += RIGHT.len();
        let item = self.emit(Kind::RightDelim);
        if trims {
            self.skip_to(self.input.len() - self.rest().trim_start_matches(SPACES).len());
        }
        self.inside_action = false;
        item
    }

    fn inside_action(&mut self) -> Item<'a> {
        let (delimiter, trims) = right_delimiter(self.rest());
        if delimiter {
            return if self.paren_depth == 0 { self.right_delim(trims) } else { self.error("unclosed left paren".to_owned()) };
        }
        let Some(first) = self.next() else { return self.error("unclosed action".to_owned()) };
        match first {
            ' ' | '\t' | '\r' | '\n' => self.space(),
            '=' => self.emit(Kind::Assign),
            ':' if self.next() == Some('=') => self.emit(Kind::Declare),
            ':' => self.error("expected :=".to_owned()),
            '|' => self.emit(Kind::Pipe),
            '"' => self.quoted('"', Kind::String, "unterminated quoted string"),
            '\'' => self.quoted('\'', Kind::CharConstant, "unterminated character constant"),
            '`' => match self.rest().find('`') {
                Some(length) => {
                    self.line += self.rest()[..length].matches('\n').count();
                    self.position += length + 1;
                    self.emit(Kind::RawString)
                }
                None => self.error("unterminated raw quoted string".to_owned()),
            },
            '$' => self.field_or_variable(Kind::Variable),
            '.' if self.peek().is_some_and(|next| !next.is_ascii_digit()) => self.field_or_variable(Kind::Field),
            '.' | '+' | '-' | '0'..='9' => {
                self.position = self.start;
                self.number()
            }
            '(' => {
                self.paren_depth += 1;
                self.emit(Kind::LeftParen)
            }
            ')' => match self.paren_depth.checked_sub(1) {
                Some(depth) => {
                    self.paren_depth = depth;
                    self.emit(Kind::RightParen)
                }
                None => self.error("unexpected right paren".to_owned()),
            },
            _ if is_alphanumeric(first) => self.identifier(),
            ' '..='~' => self.emit(Kind::Char),
            _ => self.error(format!("unrecognized character in action: {}", unicode(Some(first)))),
        }
    }

    fn space(&mut self) -> Item<'a> {
        self.accept_run(SPACE_CHARACTERS);
        // The last space may belong to a trim marker.
        let last = self.position - 1;
        if right_delimiter(&self.input[last..]) == (true, true) {
            if last == self.start {
                self.line -= usize::from(self.input.as_bytes()[last] == b'\n');
                self.position = last;
                return self.right_delim(true);
            }
            self.line -= usize::from(self.input.as_bytes()[last] == b'\n');
            self.position = last;
        }
        self.emit(Kind::Space)
    }

    fn identifier(&mut self) -> Item<'a> {
        while self.peek().is_some_and(is_alphanumeric) {
            self.next();
        }
        if !self.at_terminator() {
            return self.bad_character();
        }
        let word = &self.input[self.start..self.position];
        let kind = Kind::keyword(word).unwrap_or(if matches!(word, "true" | "false") { Kind::Bool } else { Kind::Identifier });
        self.emit(kind)
    }

    fn field_or_variable(&mut self, kind: Kind) -> Item<'a> {
        if self.at_terminator() {
            return self.emit(if kind == Kind::Field { Kind::Dot } else { kind });
        }
        while self.peek().is_some_and(is_alphanumeric) {
            self.next();
        }
        if self.at_terminator() { self.emit(kind) } else { self.bad_character() }
    }

    fn bad_character(&mut self) -> Item<'a> {
        let next = self.peek();
        self.error(format!("bad character {}", unicode(next)))
    }

    fn at_terminator(&self) -> bool {
        match self.peek() {
            None | Some(' ' | '\t' | '\r' | '\n' | '.' | ',' | '|' | ':' | ')' | '(') => true,
            Some(_) => self.rest().starts_with(RIGHT),
        }
    }

    fn quoted(&mut self, mark: char, kind: Kind, unterminated: &str) -> Item<'a> {
        loop {
            match self.next() {
                Some('\\') if matches!(self.next(), None | Some('\n')) => return self.error(unterminated.to_owned()),
                Some('\\') => {}
                None | Some('\n') => return self.error(unterminated.to_owned()),
                Some(next) if next == mark => return self.emit(kind),
                Some(_) => {}
            }
        }
    }

    fn number(&mut self) -> Item<'a> {
        if !self.scan_number() {
            return self.bad_number();
        }
        if matches!(self.peek(), Some('+' | '-')) {
            if !self.scan_number() || !self.input[self.start..self.position].ends_with('i') {
                return self.bad_number();
            }
            return self.emit(Kind::Complex);
        }
        self.emit(Kind::Number)
    }

    fn bad_number(&mut self) -> Item<'a> {
        let text = &self.input[self.start..self.position];
        self.error(format!("bad number syntax: {}", quote(text.as_bytes())))
    }

    fn scan_number(&mut self) -> bool {
        self.accept("+-");
        let mut digits = "0123456789_";
        if self.accept("0") {
            if self.accept("xX") {
                digits = "0123456789abcdefABCDEF_";
            } else if self.accept("oO") {
                digits = "01234567_";
            } else if self.accept("bB") {
                digits = "01_";
            }
        }
        self.accept_run(digits);
        if self.accept(".") {
            self.accept_run(digits);
        }
        let exponent = match digits.len() {
            11 => "eE",
            23 => "pP",
            _ => "",
        };
        if self.accept(exponent) {
            self.accept("+-");
            self.accept_run("0123456789_");
        }
        self.accept("i");
        if self.peek().is_some_and(is_alphanumeric) {
            self.next();
            return false;
        }
        true
    }
}

const SPACE_CHARACTERS: &str = " \t\r\n";
const SPACES: [char; 4] = [' ', '\t', '\r', '\n'];

fn has_left_trim_marker(text: &str) -> bool {
    matches!(text.as_bytes(), [b'-', b' ' | b'\t' | b'\r' | b'\n', ..])
}

/// Whether a text begins with a right delimiter, and whether that trims.
fn right_delimiter(text: &str) -> (bool, bool) {
    if let [b' ' | b'\t' | b'\r' | b'\n', b'-', b'}', b'}', ..] = text.as_bytes() {
        return (true, true);
    }
    (text.starts_with(RIGHT), false)
}

fn is_alphanumeric(character: char) -> bool {
    character == '_' || character.is_alphanumeric()
}

/// `%#U`.
fn unicode(character: Option<char>) -> String {
    match character {
        None => "U+FFFFFFFFFFFFFFFF".to_owned(), // Go's end of the text, which is -1
        Some(character) if crate::quote::is_print(character) => format!("U+{:04X} '{character}'", u32::from(character)),
        Some(character) => format!("U+{:04X}", u32::from(character)),
    }
}
