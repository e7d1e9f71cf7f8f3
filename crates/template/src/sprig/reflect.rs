//! Types and kinds of values, and deep comparison.

use crate::copy;
use crate::error::Failure;
use crate::function::{Args, Env, Function, Param};
use crate::value::Value;

const ANY: &[Param] = &[Param::Any];
const NAME_AND_ANY: &[Param] = &[Param::String, Param::Any];

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new("typeOf", ANY, |_, args| Ok(Value::from(args.value(0).type_name()))),
    Function::new("typeIs", NAME_AND_ANY, |_, args| Ok(Value::Bool(args.value(1).type_name().as_bytes() == args.string(0)))),
    Function::new("typeIsLike", NAME_AND_ANY, type_is_like),
    Function::new("kindOf", ANY, |_, args| Ok(Value::from(args.value(0).kind_name()))),
    Function::new("kindIs", NAME_AND_ANY, |_, args| Ok(Value::Bool(args.value(1).kind_name().as_bytes() == args.string(0)))),
    Function::new("deepEqual", &[Param::Any, Param::Any], |env, args| deep_equal(env, args.value(0), args.value(1)).map(Value::Bool)),
];

fn type_is_like(_: &mut Env, args: Args<'_>) -> Result<Value, Failure> {
    let name = args.value(1).type_name();
    let name = name.as_bytes();
    Ok(Value::Bool(name == args.string(0) || name.strip_prefix(b"*") == Some(args.string(0))))
}

/// `reflect.DeepEqual`, charged by what is compared.
pub(super) fn deep_equal(env: &mut Env, a: &Value, b: &Value) -> Result<bool, Failure> {
    if a.is_container() && b.is_container() {
        let limit = 4 * env.meter.limits().steps as usize;
        env.meter.work(copy::count(a, limit) * 256)?;
    }
    copy::equal(a, b, 0)
}
