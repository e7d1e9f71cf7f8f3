//! What can be wrong with an expression, and with one evaluation of it.

use crate::Position;
use ::cel::{ExecutionError, ParseErrors, Value};
use thiserror::Error;

/// Why an expression isn't used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CelCompileError {
    /// It is longer than 2 KiB.
    #[error("the expression has more than 2 KiB: shorten it")]
    TooLarge,
    /// It is nested too deeply.
    #[error("{at}: nested too deeply: {reason}")]
    TooDeep {
        /// Where the limit is reached.
        at: Position,
        /// Which limit.
        reason: &'static str,
    },
    /// It is no CEL.
    #[error("{at}: {message}")]
    Syntax {
        /// Where.
        at: Position,
        /// What the parser says.
        message: String,
    },
    /// A variable or function isn't there.
    #[error("{at}: undeclared reference to '{name}'")]
    Undeclared {
        /// Where.
        at: Position,
        /// Its name.
        name: String,
    },
    /// An operator gets constants of types that don't fit.
    #[error("{at}: found no matching overload for '{operator}' applied to '({left}, {right})'")]
    Overload {
        /// Where.
        at: Position,
        /// The operator.
        operator: String,
        /// The left type.
        left: &'static str,
        /// The right type.
        right: &'static str,
    },
    /// A condition is something else than a bool.
    #[error("the condition is a {found}, and must be a bool")]
    NotBool {
        /// Its type.
        found: &'static str,
    },
    /// The functions can't be loaded.
    #[error("CEL's functions can't be loaded: this is a defect of the program")]
    Library,
}

impl CelCompileError {
    /// Where in the expression, if it is a place.
    #[must_use]
    pub fn at(&self) -> Option<Position> {
        match self {
            Self::TooDeep { at, .. } | Self::Syntax { at, .. } | Self::Undeclared { at, .. } | Self::Overload { at, .. } => Some(*at),
            Self::TooLarge | Self::NotBool { .. } | Self::Library => None,
        }
    }

    pub(super) fn syntax(errors: &ParseErrors) -> Self {
        let first = errors.errors.first();
        let number = |number: isize| u32::try_from(number).ok().filter(|number| *number > 0).unwrap_or(1);
        let at = first.map_or(Position::START, |error| Position { line: number(error.pos.0), column: number(error.pos.1) });
        let message = first.map_or("syntax error", |error| error.msg.as_str());
        if message.contains("Recursion limit") {
            return Self::TooDeep { at, reason: "use fewer operators" };
        }
        Self::Syntax { at, message: message.to_owned() }
    }
}

/// Why an evaluation gave nothing.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CelError {
    /// A member isn't there.
    #[error("no such key{}", if name.is_empty() { String::new() } else { format!(": {name}") })]
    NoSuchKey {
        /// Its name, if the expression has it.
        name: String,
    },
    /// A list isn't that long.
    #[error("index out of bounds{}", index.map(|index| format!(": {index}")).unwrap_or_default())]
    OutOfBounds {
        /// The index, if it is an integer.
        index: Option<i64>,
    },
    /// An operator or function isn't made for what it gets.
    #[error("no such overload")]
    NoSuchOverload,
    /// A variable isn't there.
    #[error("undeclared reference to '{name}'")]
    Undeclared {
        /// Its name.
        name: String,
    },
    /// A division by zero.
    #[error("division by zero")]
    DivisionByZero,
    /// A remainder by zero.
    #[error("modulus by zero")]
    ModulusByZero,
    /// A number is too large.
    #[error("integer overflow")]
    Overflow,
    /// A map has a key twice.
    #[error("repeated key")]
    RepeatedKey,
    /// A function can't do with what it gets.
    #[error("{function}: invalid argument")]
    Function {
        /// Its name.
        function: String,
    },
    /// It takes too long, or makes too much.
    #[error("takes longer than 50 ms, or makes too much")]
    Limit,
    /// A condition yields something else than a bool.
    #[error("the condition must yield a bool")]
    NotBool,
    /// Anything else.
    #[error("can't be evaluated")]
    Failed,
}

impl CelError {
    /// In CEL's words. Values stay out of them, and keys that aren't in the expression.
    pub(super) fn of(error: &ExecutionError, source: &str) -> Self {
        match error {
            ExecutionError::NoSuchKey(name) => Self::NoSuchKey { name: if source.contains(name.as_str()) { name.to_string() } else { String::new() } },
            ExecutionError::IndexOutOfBounds(index) => Self::OutOfBounds {
                index: match index {
                    Value::Int(index) => Some(*index),
                    _ => None,
                },
            },
            ExecutionError::UndeclaredReference(name) => Self::Undeclared { name: name.to_string() },
            ExecutionError::DivisionByZero(_) => Self::DivisionByZero,
            ExecutionError::RemainderByZero(_) => Self::ModulusByZero,
            ExecutionError::Overflow(..) => Self::Overflow,
            ExecutionError::DuplicateKey(_) => Self::RepeatedKey,
            ExecutionError::FunctionError { function, .. } => Self::Function { function: function.trim_start_matches('@').to_owned() },
            ExecutionError::NoSuchOverload(_)
            | ExecutionError::UnexpectedType { .. }
            | ExecutionError::UnsupportedTargetType { .. }
            | ExecutionError::NotSupportedAsMethod { .. }
            | ExecutionError::UnsupportedKeyType(_)
            | ExecutionError::ValuesNotComparable(..)
            | ExecutionError::UnsupportedBinaryOperator(..)
            | ExecutionError::UnsupportedIndex(..)
            | ExecutionError::InvalidArgumentCount { .. } => Self::NoSuchOverload,
            _ => Self::Failed,
        }
    }
}
