//! What can be wrong with a module, and with one evaluation of it.

use crate::Position;
use thiserror::Error;

/// Why a module isn't used. The text is about the module alone, which is no secret.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CompileError {
    /// It is longer than `MAX_SOURCE_BYTES`.
    #[error("the module has more than 64 KiB: split it, or shorten it")]
    TooLarge,
    /// Brackets or operators are nested too deeply, or too many rules use each other in a row.
    #[error("{at}: nested too deeply: at most 8 brackets and 100 operators may be inside one another; use a variable or a rule for parts")]
    TooDeep {
        /// Where the limit is reached.
        at: Position,
    },
    /// It is no Rego, in neither dialect.
    #[error("{at}: {message}")]
    Syntax {
        /// Where.
        at: Position,
        /// What the parser says.
        message: String,
    },
    /// A version 0 reading would drop a condition: `auth = {…} if {…}` is two rules there.
    #[error("{at}: `{word}` is a keyword of version 1, but the module only parses as version 0, where it would be a rule of its own: {reason}")]
    KeywordAsRule {
        /// Where.
        at: Position,
        /// The keyword.
        word: String,
        /// Why it isn't version 1.
        reason: String,
    },
    /// It imports what isn't a document.
    #[error("{at}: `import {name}`: only data, input, rego and future can be imported; {HINT}")]
    Import {
        /// Where.
        at: Position,
        /// What is imported.
        name: String,
    },
    /// It calls a function that doesn't exist here, on purpose.
    #[error("{at}: {name} isn't available here: rules can't reach the network, the environment or files")]
    Forbidden {
        /// Where.
        at: Position,
        /// The function.
        name: String,
    },
    /// It calls a function that doesn't exist.
    #[error("{at}: undefined function {name}{hint}", hint = if name.starts_with("hmac.") || name.starts_with("time.") { format!(": {HINT}") } else { String::new() })]
    UndefinedFunction {
        /// Where.
        at: Position,
        /// The function.
        name: String,
    },
    /// A function gets too few or too many arguments.
    #[error("{at}: {name} takes {expected} arguments, not {found}")]
    Arity {
        /// Where.
        at: Position,
        /// The function.
        name: String,
        /// How many it takes.
        expected: usize,
        /// How many it gets.
        found: usize,
    },
    /// A function gets a constant of the wrong type.
    #[error("{at}: {name}: argument {argument} is a {found}, and must be a {expected}")]
    Type {
        /// Where.
        at: Position,
        /// The function.
        name: String,
        /// Which argument, from 1.
        argument: usize,
        /// What it must be.
        expected: &'static str,
        /// What it is.
        found: &'static str,
    },
    /// A rule or function uses itself.
    #[error("{at}: rule {rule} is recursive: it needs its own value")]
    Recursive {
        /// Where the rule is.
        at: Position,
        /// Its path.
        rule: String,
    },
    /// Version 0's chained bodies, whose value the interpreter doesn't compute right.
    #[error("{at}: a second body of a rule with a value: write the rule twice, each with one body")]
    ChainedBody {
        /// Where the second body is.
        at: Position,
    },
    /// The module doesn't define the rule that is asked for.
    #[error("the module must define {rule}: `package {package}` with a rule `{name}`")]
    NoRule {
        /// The path.
        rule: String,
        /// Its package.
        package: String,
        /// Its name.
        name: String,
    },
    /// Something else that is only found by compiling, such as an unsafe variable.
    #[error("{at}: {message}")]
    Invalid {
        /// Where.
        at: Position,
        /// What the compiler says.
        message: String,
    },
    /// What is asked for is no path to a rule.
    #[error("`{query}` is no path: write data.PACKAGE.RULE")]
    Query {
        /// What was asked for.
        query: String,
    },
}

impl CompileError {
    /// Where in the module, if it is a place.
    #[must_use]
    pub fn at(&self) -> Option<Position> {
        match self {
            Self::TooDeep { at }
            | Self::Syntax { at, .. }
            | Self::KeywordAsRule { at, .. }
            | Self::Import { at, .. }
            | Self::Forbidden { at, .. }
            | Self::UndefinedFunction { at, .. }
            | Self::Arity { at, .. }
            | Self::Type { at, .. }
            | Self::Recursive { at, .. }
            | Self::ChainedBody { at }
            | Self::Invalid { at, .. } => Some(*at),
            Self::TooLarge | Self::NoRule { .. } | Self::Query { .. } => None,
        }
    }
}

const HINT: &str = "functions need no import: time.now_ns() is the time, crypto.hmac.sha256(message, key) a signature";

/// Why an evaluation gave nothing. No value of the request, of a Secret or of the result is in it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EvalError {
    /// No branch of the rule holds.
    #[error("rule {rule} is undefined: none of its conditions holds, or something that it needs is missing")]
    Undefined {
        /// The rule.
        rule: String,
    },
    /// The rule, or a function that it needs, has several values.
    #[error("{at}: rule {rule} has several values: let only one of its conditions hold, or use else")]
    Conflict {
        /// The rule.
        rule: String,
        /// Where the other value is.
        at: Position,
    },
    /// The result isn't what this kind of rule must return.
    #[error("rule {rule}: {field} {problem}")]
    Shape {
        /// The rule.
        rule: String,
        /// The field of the result.
        field: String,
        /// What it must be.
        problem: &'static str,
    },
    /// A limit is reached.
    #[error("rule {rule}: {limit}")]
    Limit {
        /// The rule.
        rule: String,
        /// Which.
        limit: Limit,
    },
    /// The interpreter gave up.
    #[error("{at}: rule {rule} can't be evaluated")]
    Failed {
        /// The rule.
        rule: String,
        /// Where.
        at: Position,
    },
}

impl EvalError {
    /// Where in the module, if it is a place.
    #[must_use]
    pub fn at(&self) -> Option<Position> {
        match self {
            Self::Conflict { at, .. } | Self::Failed { at, .. } => Some(*at),
            Self::Undefined { .. } | Self::Shape { .. } | Self::Limit { .. } => None,
        }
    }
}

/// What one evaluation may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Limit {
    /// Time.
    #[error("takes longer than 50 ms")]
    Time,
    /// What functions read and make.
    #[error("makes too much: a function's arguments or results are too large")]
    Size,
    /// A pattern that would take too long to compile or to match.
    #[error("a pattern is too large for what it is matched with")]
    Pattern,
}

/// Reads the place out of an interpreter's error: `--> module:LINE:COLUMN`.
pub(super) fn position(text: &str) -> Position {
    let place = text.lines().find_map(|line| line.trim_start().strip_prefix("--> "));
    let numbers = place.and_then(|place| {
        let mut parts = place.rsplit(':');
        let column = parts.next()?.trim().parse().ok()?;
        Some(Position { line: parts.next()?.parse().ok()?, column })
    });
    numbers.unwrap_or(Position::START)
}

/// Reads the message out of an interpreter's error, without the line that it quotes.
pub(super) fn message(text: &str) -> String {
    let said = text.lines().rev().find_map(|line| line.strip_prefix("error: "));
    said.unwrap_or_else(|| text.trim()).to_owned()
}
