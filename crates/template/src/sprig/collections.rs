//! Defaults, flow, and what asks whether values are empty.

use super::is_empty;
use crate::error::Failure;
use crate::function::{Args, Env, Function, Param};
use crate::value::Value;

type Result = std::result::Result<Value, Failure>;

const ANY: &[Param] = &[Param::Any];

pub(super) static FUNCTIONS: &[Function] = &[
    Function::variadic("default", &[Param::Any, Param::Any], default),
    Function::new("empty", ANY, |_, args| Ok(Value::Bool(is_empty(args.value(0))))),
    Function::variadic("coalesce", ANY, |_, args| Ok(args.from(0).find(|value| !is_empty(value)).cloned().unwrap_or(Value::Nil))),
    Function::variadic("all", ANY, |_, args| Ok(Value::Bool(!args.from(0).any(is_empty)))),
    Function::variadic("any", ANY, |_, args| Ok(Value::Bool(args.from(0).any(|value| !is_empty(value))))),
    Function::new("ternary", &[Param::Any, Param::Any, Param::Bool], |_, args| {
        let truth = matches!(args.value(2), Value::Bool(true));
        Ok(args.value(usize::from(!truth)).clone())
    }),
    Function::new("fail", &[Param::String], |_, args| Err(Failure::Message(crate::quote::lossy(args.string(0))))),
    Function::new("hello", &[], |_, _| Ok(Value::string("Hello!"))),
];

fn default(_: &mut Env, args: Args<'_>) -> Result {
    let given = args.from(1).next().filter(|value| !is_empty(value));
    Ok(given.unwrap_or(args.value(0)).clone())
}
