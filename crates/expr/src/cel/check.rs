//! What is refused before an expression is evaluated.

use super::error::CelCompileError;
use super::functions::NAMES;
use crate::Position;
use ::cel::common::ast::{EntryExpr, Expr, IdedExpr, LiteralValue, SourceInfo, operators};

/// The longest expression.
const MAX_SOURCE_BYTES: usize = 2 << 10;

/// How deep brackets may be nested.
const MAX_NESTING: usize = 16;

/// How many operators an expression may have, counting `?`, `:` and dots: each may be a level of the tree, and on a thread with 2 MiB 2,000 don't fit.
const MAX_OPERATORS: usize = 300;

/// How deep `all`, `map` and the like may be nested: each level multiplies the time.
const MAX_LOOPS: usize = 2;

/// How deep the tree may be.
const MAX_DEPTH: usize = 400;

/// Names that are types, as values.
const TYPES: &[&str] = &["bool", "bytes", "double", "google", "int", "list", "map", "null_type", "optional_type", "string", "type", "uint"];

/// Refuses what would be too deep to parse.
///
/// # Errors
/// [`CelCompileError::TooLarge`], [`CelCompileError::TooDeep`].
pub(super) fn scan(source: &str) -> Result<(), CelCompileError> {
    if source.len() > MAX_SOURCE_BYTES {
        return Err(CelCompileError::TooLarge);
    }
    let mut at = Position::START;
    let (mut nested, mut operators) = (0_usize, 0_usize);
    // Strings count too: where they end depends on prefixes, and none needs that many of these characters.
    for c in source.chars() {
        match c {
            '(' | '[' | '{' => nested += 1,
            ')' | ']' | '}' => nested = nested.saturating_sub(1),
            '+' | '-' | '*' | '/' | '%' | '<' | '>' | '=' | '!' | '&' | '|' | '?' | ':' | '.' => operators += 1,
            _ => {}
        }
        if nested > MAX_NESTING {
            return Err(CelCompileError::TooDeep { at, reason: "at most 16 brackets may be inside one another" });
        }
        if operators > MAX_OPERATORS {
            return Err(CelCompileError::TooDeep { at, reason: "at most 300 operators may be in an expression" });
        }
        at = if c == '\n' { Position { line: at.line + 1, column: 1 } } else { Position { column: at.column + 1, ..at } };
    }
    Ok(())
}

/// Refuses unknown names, constants that don't fit, and loops in loops in loops.
///
/// # Errors
/// The first of them.
pub(super) fn check(expr: &IdedExpr, places: &SourceInfo, variables: &[&str]) -> Result<(), CelCompileError> {
    let mut checker = Checker { places, scope: variables.iter().map(|name| (*name).to_owned()).collect(), loops: 0 };
    checker.expr(expr, 0)
}

/// The type of an expression, where it doesn't depend on a value: bool, int, uint, double, string, bytes, list, map, null.
pub(super) fn constant_type(expr: &IdedExpr) -> Option<&'static str> {
    match &expr.expr {
        Expr::Literal(literal) => Some(match literal {
            LiteralValue::Boolean(_) => "bool",
            LiteralValue::Bytes(_) => "bytes",
            LiteralValue::Double(_) => "double",
            LiteralValue::Int(_) => "int",
            LiteralValue::Null => "null_type",
            LiteralValue::String(_) => "string",
            LiteralValue::UInt(_) => "uint",
        }),
        Expr::List(_) => Some("list"),
        Expr::Map(_) => Some("map"),
        Expr::Call(call) => match (call.func_name.as_str(), call.args.as_slice()) {
            ("size" | "int", _) => Some("int"),
            ("uint", _) => Some("uint"),
            ("double", _) => Some("double"),
            ("string" | "lowerAscii" | "upperAscii" | "trim" | "join" | "format", _) => Some("string"),
            (
                operators::EQUALS
                | operators::NOT_EQUALS
                | operators::LESS
                | operators::LESS_EQUALS
                | operators::GREATER
                | operators::GREATER_EQUALS
                | operators::IN
                | operators::LOGICAL_NOT
                | operators::LOGICAL_AND
                | operators::LOGICAL_OR
                | "contains"
                | "startsWith"
                | "endsWith"
                | "matches"
                | "bool",
                _,
            ) => Some("bool"),
            (operators::ADD | operators::SUBSTRACT | operators::MULTIPLY | operators::DIVIDE | operators::MODULO, [left, right]) => {
                constant_type(left).filter(|left| constant_type(right) == Some(left) && *left != "list")
            }
            _ => None,
        },
        _ => None,
    }
}

struct Checker<'a> {
    places: &'a SourceInfo,
    scope: Vec<String>,
    loops: usize,
}

impl Checker<'_> {
    fn at(&self, id: u64) -> Position {
        let Some((start, _)) = self.places.offset_for(id) else { return Position::START };
        let before = self.places.source.get(..usize::try_from(start).unwrap_or(0)).unwrap_or_default();
        let number = |count: usize| u32::try_from(count + 1).unwrap_or(u32::MAX);
        let line = before.matches('\n').count();
        Position { line: number(line), column: number(before.rsplit('\n').next().unwrap_or_default().chars().count()) }
    }

    fn expr(&mut self, expr: &IdedExpr, depth: usize) -> Result<(), CelCompileError> {
        let at = self.at(expr.id);
        if depth > MAX_DEPTH {
            return Err(CelCompileError::TooDeep { at, reason: "use fewer operators" });
        }
        match &expr.expr {
            Expr::Literal(_) => Ok(()),
            Expr::Ident(name) => self.name(name, at),
            Expr::Select(select) => self.expr(&select.operand, depth + 1),
            Expr::List(list) => list.elements.iter().try_for_each(|element| self.expr(element, depth + 1)),
            Expr::Map(map) => map.entries.iter().try_for_each(|entry| match &entry.expr {
                EntryExpr::MapEntry(entry) => {
                    self.expr(&entry.key, depth + 1)?;
                    self.expr(&entry.value, depth + 1)
                }
                EntryExpr::StructField(field) => self.expr(&field.value, depth + 1),
            }),
            Expr::Call(call) => {
                self.function(&call.func_name, call.target.as_deref(), at)?;
                if let Some(target) = call.target.as_deref().filter(|target| !self.is_namespace(target)) {
                    self.expr(target, depth + 1)?;
                }
                call.args.iter().try_for_each(|argument| self.expr(argument, depth + 1))?;
                self.operands(&call.func_name, &call.args, at)
            }
            Expr::Comprehension(comprehension) => {
                self.expr(&comprehension.iter_range, depth + 1)?;
                self.loops += 1;
                if self.loops > MAX_LOOPS {
                    return Err(CelCompileError::TooDeep { at, reason: "at most 2 of all, exists, map, filter and the like may be inside one another" });
                }
                let outer = self.scope.len();
                self.scope.push(comprehension.iter_var.clone());
                self.scope.extend(comprehension.iter_var2.clone());
                self.scope.push(comprehension.accu_var.clone());
                let parts = [&comprehension.accu_init, &comprehension.loop_cond, &comprehension.loop_step, &comprehension.result];
                let result = parts.into_iter().try_for_each(|part| self.expr(part, depth + 1));
                self.scope.truncate(outer);
                self.loops -= 1;
                result
            }
            Expr::Struct(value) => Err(CelCompileError::Undeclared { at, name: value.type_name.clone() }),
            Expr::Unspecified => Err(CelCompileError::Syntax { at, message: "syntax error".to_owned() }),
        }
    }

    fn name(&self, name: &str, at: Position) -> Result<(), CelCompileError> {
        if TYPES.contains(&name) || self.scope.iter().any(|known| known == name) {
            return Ok(());
        }
        Err(CelCompileError::Undeclared { at, name: name.to_owned() })
    }

    fn is_namespace(&self, target: &IdedExpr) -> bool {
        let Expr::Ident(name) = &target.expr else { return false };
        !self.scope.contains(name) && NAMES.iter().any(|function| function.split_once('.').is_some_and(|(namespace, _)| namespace == name))
    }

    fn function(&self, name: &str, target: Option<&IdedExpr>, at: Position) -> Result<(), CelCompileError> {
        // Operators, and what macros expand to; neither can be written as a call.
        if name.contains(['_', '@']) {
            return Ok(());
        }
        let full = match target {
            Some(IdedExpr { expr: Expr::Ident(namespace), .. }) if target.is_some_and(|target| self.is_namespace(target)) => format!("{namespace}.{name}"),
            _ => name.to_owned(),
        };
        if NAMES.binary_search(&full.as_str()).is_ok() { Ok(()) } else { Err(CelCompileError::Undeclared { at, name: full }) }
    }

    /// As CEL's checker, for constants: operands have one type, and so have the elements of a list that something is looked for in.
    fn operands(&self, operator: &str, operands: &[IdedExpr], at: Position) -> Result<(), CelCompileError> {
        let [left, right] = operands else { return Ok(()) };
        let (Some(left_type), Some(right_type)) = (constant_type(left), constant_type(right)) else { return Ok(()) };
        let fits = match operator {
            operators::EQUALS | operators::NOT_EQUALS => left_type == right_type && same_elements(left, right),
            operators::LESS
            | operators::LESS_EQUALS
            | operators::GREATER
            | operators::GREATER_EQUALS
            | operators::ADD
            | operators::SUBSTRACT
            | operators::MULTIPLY
            | operators::DIVIDE
            | operators::MODULO => left_type == right_type,
            operators::IN => match &right.expr {
                Expr::List(list) => {
                    list.elements.iter().all(|element| constant_type(element).is_none_or(|found| found == left_type)) || is_mixed(&list.elements)
                }
                Expr::Map(_) => true,
                _ => right_type == "list" || right_type == "map",
            },
            _ => true,
        };
        if fits { Ok(()) } else { Err(CelCompileError::Overload { at, operator: operator.to_owned(), left: left_type, right: right_type }) }
    }
}

/// Whether elements have different types, so that the list's are dynamic.
fn is_mixed(elements: &[IdedExpr]) -> bool {
    let mut types = elements.iter().map(constant_type);
    let first = types.next().flatten();
    types.any(|found| found != first || found.is_none()) || first.is_none()
}

/// Whether the elements of two lists, or the values of two maps, have the same type, as far as it's known.
fn same_elements(left: &IdedExpr, right: &IdedExpr) -> bool {
    let first = |expr: &IdedExpr| match &expr.expr {
        Expr::List(list) if !is_mixed(&list.elements) => list.elements.first().and_then(constant_type),
        Expr::Map(map) => match map.entries.as_slice() {
            [entry] => match &entry.expr {
                EntryExpr::MapEntry(entry) => constant_type(&entry.value),
                EntryExpr::StructField(_) => None,
            },
            _ => None,
        },
        _ => None,
    };
    match (first(left), first(right)) {
        (Some(left), Some(right)) => left == right,
        _ => true,
    }
}
