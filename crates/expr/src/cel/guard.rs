//! Limits that the interpreter doesn't have: calls that are put into an expression's tree.
//!
//! `@tick(x)` is `x` while there is time: every loop has one, and every `+`, which may double a text. `@limit(x, n)` is `x`
//! if it has no more than `n` parts: for arguments of functions whose result, or time, is a product of them. `@or_empty(x)`
//! is `x`, or an empty map for null, for `has()`: null has no members, which is no error in cel-go.

use super::error::CelError;
use crate::clock;
use ::cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr, LiteralValue, operators};
use ::cel::common::types::{CelBytes, CelInt, CelMap, CelNull, CelString, DYN_TYPE, INT_TYPE};
use ::cel::common::value::{CowVal, Val};
use ::cel::{DeclarationError, Env, ExecutionError};
use std::cell::Cell;
use std::time::{Duration, Instant};

/// What one evaluation may take.
const MAX_TIME: Duration = Duration::from_millis(50);

const TICK: &str = "@tick";
const LIMIT: &str = "@limit";
const OR_EMPTY: &str = "@or_empty";

thread_local! {
    static DEADLINE: Cell<Option<Instant>> = const { Cell::new(None) };
    static IS_BROKEN: Cell<bool> = const { Cell::new(false) };
}

/// Runs `evaluate` with a deadline.
///
/// # Errors
/// Its own, or [`CelError::Limit`] if it broke one meanwhile, whatever came out.
pub(super) fn limited<T>(mut evaluate: impl FnMut() -> Result<T, CelError>) -> Result<T, CelError> {
    let is_late = |result: &Result<T, CelError>| matches!(result, Err(CelError::Limit));
    clock::fairly(MAX_TIME, is_late, || {
        let deadline = Instant::now() + MAX_TIME;
        DEADLINE.set(Some(deadline));
        IS_BROKEN.set(false);
        let result = evaluate();
        DEADLINE.set(None);
        if IS_BROKEN.get() || Instant::now() > deadline { Err(CelError::Limit) } else { result }
    })
}

/// The error of a function that was asked for too much; it is noted too, since `||` swallows errors.
pub(super) fn too_much(function: &str) -> ExecutionError {
    IS_BROKEN.set(true);
    ExecutionError::function_error(function, "too much")
}

/// Declares the functions. Names with `@` can't be written.
///
/// # Errors
/// If they are there.
pub(super) fn declare(env: &mut Env) -> Result<(), DeclarationError> {
    env.add_overload(TICK, TICK, vec![DYN_TYPE], tick)?;
    env.add_overload(OR_EMPTY, OR_EMPTY, vec![DYN_TYPE], or_empty)?;
    env.add_overload(LIMIT, LIMIT, vec![DYN_TYPE, INT_TYPE], limit)
}

/// For each function: how many parts its target may have, and how many each of its arguments.
fn parts(function: &str) -> Option<(i64, i64)> {
    match function {
        "replace" => Some((32 << 10, 512)),
        "join" => Some((32 << 10, 512)),
        "split" => Some((256 << 10, 1 << 10)),
        "distinct" => Some((1 << 10, 0)),
        "flatten" | "sort" | "reverse" | "slice" => Some((32 << 10, 32 << 10)),
        "format" => Some((1 << 10, 64)),
        "indexOf" | "lastIndexOf" | "contains" => Some((2 << 20, 2 << 10)),
        "range" => Some((i64::MAX, 32 << 10)),
        _ => None,
    }
}

/// Puts the limits into the tree.
pub(super) fn guard(expr: &mut IdedExpr) {
    match &mut expr.expr {
        Expr::Call(call) => {
            for part in call.target.iter_mut().map(AsMut::as_mut).chain(&mut call.args) {
                guard(part);
            }
            if let Some((target_parts, argument_parts)) = parts(&call.func_name) {
                let is_namespace = matches!(call.target.as_deref(), Some(IdedExpr { expr: Expr::Ident(name), .. }) if name == "lists");
                if let Some(target) = call.target.as_deref_mut().filter(|_| !is_namespace) {
                    wrap_limit(target, target_parts);
                }
                for argument in &mut call.args {
                    wrap_limit(argument, argument_parts);
                }
            }
            if call.func_name == operators::ADD {
                wrap(expr, TICK, Vec::new());
            }
        }
        Expr::Comprehension(comprehension) => guard_loop(comprehension),
        Expr::List(list) => list.elements.iter_mut().for_each(guard),
        Expr::Map(map) => {
            for entry in &mut map.entries {
                match &mut entry.expr {
                    EntryExpr::MapEntry(entry) => {
                        guard(&mut entry.key);
                        guard(&mut entry.value);
                    }
                    EntryExpr::StructField(field) => guard(&mut field.value),
                }
            }
        }
        Expr::Select(select) => {
            guard(&mut select.operand);
            if select.test {
                wrap(&mut select.operand, OR_EMPTY, Vec::new());
            }
        }
        Expr::Struct(_) | Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) => {}
    }
}

fn guard_loop(comprehension: &mut ComprehensionExpr) {
    guard(&mut comprehension.iter_range);
    if !matches!(comprehension.loop_cond.expr, Expr::Literal(_)) {
        guard(&mut comprehension.loop_step);
        wrap(&mut comprehension.loop_cond, TICK, Vec::new());
        return;
    }
    // The interpreter appends to lists in place, where it recognises the step: `accu + [x]`, or `cond ? accu + [x] : accu`.
    match &mut comprehension.loop_step.expr {
        Expr::Call(call) if call.func_name == operators::CONDITIONAL => {
            let [condition, step, _] = call.args.as_mut_slice() else { return };
            guard(condition);
            wrap(condition, TICK, Vec::new());
            guard_appended(step);
        }
        _ => guard_appended(&mut comprehension.loop_step),
    }
}

fn guard_appended(step: &mut IdedExpr) {
    match &mut step.expr {
        Expr::Call(call) if call.func_name == operators::ADD => match call.args.as_mut_slice() {
            [_, IdedExpr { expr: Expr::List(list), .. }] => {
                for element in &mut list.elements {
                    guard(element);
                    wrap(element, TICK, Vec::new());
                }
            }
            _ => guard(step),
        },
        _ => {
            guard(step);
            wrap(step, TICK, Vec::new());
        }
    }
}

fn wrap_limit(expr: &mut IdedExpr, parts: i64) {
    wrap(expr, LIMIT, vec![IdedExpr { id: 0, expr: Expr::Literal(LiteralValue::Int(CelInt::from(parts))) }]);
}

fn wrap(expr: &mut IdedExpr, function: &str, more: Vec<IdedExpr>) {
    let id = expr.id;
    let mut args = vec![std::mem::take(expr)];
    args.extend(more);
    *expr = IdedExpr { id, expr: Expr::Call(CallExpr { func_name: function.to_owned(), target: None, args }) };
}

fn tick<'b, 'v>(arguments: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    if IS_BROKEN.get() || DEADLINE.get().is_some_and(|deadline| Instant::now() > deadline) {
        return Err(too_much(TICK));
    }
    arguments.into_iter().next().ok_or(ExecutionError::MissingArgumentOrTarget)
}

fn limit<'b, 'v>(arguments: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let mut arguments = arguments.into_iter();
    let (Some(value), Some(most)) = (arguments.next(), arguments.next()) else { return Err(ExecutionError::MissingArgumentOrTarget) };
    let most = most.downcast_ref::<CelInt>().map_or(0, |most| *most.inner());
    if size(value.as_ref()) > most { Err(too_much(LIMIT)) } else { Ok(value) }
}

fn or_empty<'b, 'v>(arguments: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let value = arguments.into_iter().next().ok_or(ExecutionError::MissingArgumentOrTarget)?;
    Ok(if value.downcast_ref::<CelNull>().is_some() { CowVal::owned(CelMap::default()) } else { value })
}

/// Bytes, elements, entries, or the number itself.
fn size(value: &dyn Val) -> i64 {
    let length = |length: usize| i64::try_from(length).unwrap_or(i64::MAX);
    if let Some(text) = value.downcast_ref::<CelString<'_>>() {
        length(text.inner().len())
    } else if let Some(bytes) = value.downcast_ref::<CelBytes<'_>>() {
        length(bytes.inner().len())
    } else if let Some(number) = value.downcast_ref::<CelInt>() {
        *number.inner()
    } else {
        value.as_sizer().map_or(0, |sizer| *sizer.size().inner())
    }
}
