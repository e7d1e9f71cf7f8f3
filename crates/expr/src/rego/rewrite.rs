//! Version 0's traps: what it reads without an error in a way that nobody means, and what the interpreter computes wrongly.

use super::analysis::at;
use super::error::CompileError;
use regorus::Engine;
use regorus::unstable::{Expr, Module, Rule, RuleHead};

/// Words that begin no rule of a module which was meant as version 0.
const KEYWORDS: &[&str] = &["contains", "every", "if", "in"];

/// Refuses a module that is only version 0 because something in it isn't version 1: `auth = {…} if {…}` would be two rules
/// there, the first without its condition.
///
/// # Errors
/// [`CompileError::KeywordAsRule`], with what version 1 says.
pub(super) fn refuse_keywords(engine: &mut Engine, newer: &CompileError) -> Result<(), CompileError> {
    for module in engine.get_modules() {
        for rule in &module.policy {
            let head = match rule.as_ref() {
                Rule::Spec { head: RuleHead::Compr { refr, .. } | RuleHead::Set { refr, .. } | RuleHead::Func { refr, .. }, .. }
                | Rule::Default { refr, .. } => refr,
            };
            if let Expr::Var { span, .. } = head.as_ref()
                && KEYWORDS.contains(&span.text())
            {
                return Err(CompileError::KeywordAsRule { at: at(span), word: span.text().to_owned(), reason: newer.to_string() });
            }
        }
    }
    Ok(())
}

/// `auth = 1 { a } { b }` as `auth = 1 { a } auth = 1 { b }`, on the same lines: the interpreter gives `true` for the second body.
///
/// # Errors
/// [`CompileError::ChainedBody`] if it can't be written so.
pub(super) fn unchain(module: &Module, source: &str) -> Result<Option<String>, CompileError> {
    let mut inserts = Vec::new();
    for rule in &module.policy {
        let Rule::Spec { span, head, bodies } = rule.as_ref() else { continue };
        if !matches!(head, RuleHead::Compr { assign: Some(_), .. } | RuleHead::Func { assign: Some(_), .. }) {
            // It's true either way; the interpreter refuses sets with two bodies.
            continue;
        }
        let Some(first) = bodies.first() else { continue };
        for body in bodies.iter().skip(1).filter(|body| !body.is_else && body.assign.is_none()) {
            let place = |offset: u32| usize::try_from(offset).unwrap_or(usize::MAX);
            let (start, open, again) = (place(span.start), place(first.span.start), place(body.span.start));
            let head = source.get(start..open).filter(|_| [open, again].iter().all(|place| source.get(*place..).is_some_and(|rest| rest.starts_with('{'))));
            // A head of several lines would move what is below.
            let head = head.filter(|head| !head.contains('\n')).ok_or(CompileError::ChainedBody { at: at(&body.span) })?;
            inserts.push((again, format!("{} ", head.trim_end())));
        }
    }
    if inserts.is_empty() {
        return Ok(None);
    }
    let mut rewritten = source.to_owned();
    for (offset, head) in inserts.iter().rev() {
        rewritten.insert_str(*offset, head);
    }
    Ok(Some(rewritten))
}
