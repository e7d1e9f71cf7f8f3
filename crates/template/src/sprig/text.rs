//! Case, words, and texts made short or into lines.

use super::{cases, wrap};
use crate::error::Failure;
use crate::function::{Args, Env, Function, Param};
use crate::value::Value;

const STRING: &[Param] = &[Param::String];
const COUNT: &[Param] = &[Param::Int, Param::String];

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new("upper", STRING, |env, args| env.string(cases::upper(args.string(0)))),
    Function::new("lower", STRING, |env, args| env.string(cases::lower(args.string(0)))),
    Function::new("title", STRING, |env, args| env.string(cases::title(args.string(0)))),
    Function::new("untitle", STRING, |env, args| env.string(cases::untitle(args.string(0)))),
    Function::new("swapcase", STRING, |env, args| env.string(cases::swap_case(args.string(0)))),
    Function::new("snakecase", STRING, |env, args| env.string(cases::lower_words(args.string(0), '_'))),
    Function::new("kebabcase", STRING, |env, args| env.string(cases::lower_words(args.string(0), '-'))),
    Function::new("camelcase", STRING, |env, args| env.string(cases::pascal_case(args.string(0)))),
    Function::new("nospace", STRING, |env, args| env.string(wrap::without_space(args.string(0)))),
    Function::new("initials", STRING, |env, args| env.string(wrap::initials(args.string(0)))),
    Function::new("abbrev", COUNT, abbrev),
    Function::new("abbrevboth", &[Param::Int, Param::Int, Param::String], abbrev_both),
    Function::new("wrap", COUNT, |env, args| {
        let wrapped = wrap::wrap(args.string(1), args.int(0), b"", false, env.meter.room());
        env.string(wrapped)
    }),
    Function::new("wrapWith", &[Param::Int, Param::String, Param::String], |env, args| {
        let wrapped = wrap::wrap(args.string(2), args.int(0), args.string(1), true, env.meter.room());
        env.string(wrapped)
    }),
];

fn abbrev(env: &mut Env, args: Args<'_>) -> Result<Value, Failure> {
    let (width, text) = (args.int(0), args.string(1));
    if width < 4 {
        return Ok(args.value(1).clone());
    }
    env.string(wrap::abbreviate(text, 0, width).unwrap_or_default())
}

fn abbrev_both(env: &mut Env, args: Args<'_>) -> Result<Value, Failure> {
    let (left, right, text) = (args.int(0), args.int(1), args.string(2));
    if right < 4 || left > 0 && right < 7 {
        return Ok(args.value(2).clone());
    }
    env.string(wrap::abbreviate(text, left, right).unwrap_or_default())
}
