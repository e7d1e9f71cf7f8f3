//! Rego modules: read, checked and compiled once, evaluated under limits.

mod analysis;
mod error;
mod extractor;
mod functions;
mod generator;
mod input;
mod json;
mod meter;
mod permissions;
mod reads;
mod rewrite;
mod scan;
mod shape;

pub use error::{CompileError, EvalError, Limit};
pub use extractor::Extractor;
pub(crate) use functions::shortest_float;
pub use generator::{Generated, Generator, Place};
pub(crate) use input::canonical;
pub use input::{Data, Fields, Request};
pub(crate) use json::append_text;
pub use permissions::{Permissions, Verb};
pub use reads::{Part, Reads};

use crate::{Position, clock};
use analysis::Analysis;
use regorus::utils::limits::ExecutionTimerConfig;
use regorus::{Engine, PolicyLengthConfig, Value};
use std::fmt;
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;

/// Which Rego a module is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Version 1 if it parses as that, else version 0.
    Either,
    /// Version 0: bodies without `if`.
    V0,
    /// Version 1.
    V1,
}

/// A module, and the rule of it that is asked for. It is cheap to clone and shared by threads.
#[derive(Clone)]
pub struct Rego {
    /// Prepared; copied for every evaluation. None if the rule isn't there, so that it is always undefined.
    engine: Option<Engine>,
    /// What the engine is asked for.
    entry: String,
    rule: Arc<str>,
    reads: Arc<Reads>,
    is_volatile: bool,
}

impl fmt::Debug for Rego {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rego").field("rule", &self.rule).finish_non_exhaustive()
    }
}

impl Rego {
    /// Compiles `source` to answer `query`, a path such as `data.proxy.auth`.
    ///
    /// # Errors
    /// What is wrong with the module, and where. A module without the rule is none: its answer is always undefined, as in OPA.
    pub fn compile(source: &str, query: &str, dialect: Dialect) -> Result<Self, CompileError> {
        let path = query_path(query)?;
        let has_if = scan::scan(source)?;
        check_imports(source)?;
        let (mut engine, source) = parse(source, dialect, has_if)?;
        let analysis = analyse(&mut engine, &source)?;
        functions::register(&mut engine, analysis.functions.iter()).map_err(|error| invalid(&error))?;
        let answer = answer(&analysis, &path);
        let entry = match answer {
            Answer::Rule | Answer::Nothing => query.to_owned(),
            Answer::Document => {
                engine.add_policy(WRAPPER.to_owned(), format!("package {WRAPPER}\nresult := {query}\n")).map_err(|error| invalid(&error))?;
                format!("data.{WRAPPER}.result")
            }
        };
        // What is never asked for must be right too.
        let checked = match answer {
            Answer::Nothing => analysis.rules.first().map(|rule| format!("data.{}", rule.join("."))),
            Answer::Rule | Answer::Document => Some(entry.clone()),
        };
        if let Some(checked) = checked {
            engine.compile_with_entrypoint(&checked.as_str().into()).map_err(|error| invalid(&error))?;
        }
        Ok(Self {
            engine: (answer != Answer::Nothing).then_some(engine),
            entry,
            rule: query.into(),
            reads: Arc::new(analysis.reads),
            is_volatile: analysis.is_volatile,
        })
    }

    /// The answer for this input, as JSON text as OPA prints it; none if the rule is undefined. Sets are sorted arrays, and keys that are no strings are
    /// their JSON text.
    ///
    /// # Errors
    /// If the rule has several values, or breaks a limit, or `input` is no JSON ([`EvalError::Shape`]).
    pub fn eval(&self, input: &str) -> Result<Option<String>, EvalError> {
        let not_json = || EvalError::Shape { rule: self.rule.to_string(), field: "the input".to_owned(), problem: "must be JSON" };
        let input = Value::from_json_str(input).map_err(|_| not_json())?;
        Ok(match self.value(input)? {
            Value::Undefined => None,
            value => Some(json::write(&value)),
        })
    }

    /// Which parts of its input the module reads.
    #[must_use]
    pub fn reads(&self) -> &Reads {
        &self.reads
    }

    /// The rule that is asked for, as it was given.
    #[must_use]
    pub fn rule(&self) -> &str {
        &self.rule
    }

    /// Whether its answer depends on the input alone, and not on time or chance.
    #[must_use]
    pub fn is_pure(&self) -> bool {
        !self.is_volatile
    }

    /// Itself, if the module defines the rule.
    fn required(self, package: &str, name: &str) -> Result<Self, CompileError> {
        if self.engine.is_some() {
            return Ok(self);
        }
        Err(CompileError::NoRule { rule: self.rule.to_string(), package: package.to_owned(), name: name.to_owned() })
    }

    /// Evaluates under limits. A result is small enough to be walked.
    fn value(&self, input: Value) -> Result<Value, EvalError> {
        let Some(engine) = &self.engine else { return Ok(Value::Undefined) };
        let is_late = |result: &Result<Value, EvalError>| matches!(result, Err(EvalError::Limit { limit: Limit::Time, .. }));
        clock::fairly(meter::MAX_TIME, is_late, || self.value_once(engine.clone(), input.clone()))
    }

    fn value_once(&self, mut engine: Engine, input: Value) -> Result<Value, EvalError> {
        let broken = |limit| EvalError::Limit { rule: self.rule.to_string(), limit };
        let result = meter::metered(|| {
            engine.set_input(input);
            let value = engine.eval_rule(self.entry.clone()).map_err(|error| self.failed(&error))?;
            functions::check_result(&value).map_err(broken)?;
            Ok(value)
        });
        result.unwrap_or_else(|limit| Err(broken(limit)))
    }

    /// The interpreter's texts have values in them, so only the place is taken from them, and which kind it is.
    fn failed(&self, error: &anyhow::Error) -> EvalError {
        let rule = self.rule.to_string();
        if error.downcast_ref::<regorus::LimitError>().is_some() {
            return EvalError::Limit { rule, limit: Limit::Time };
        }
        let text = format!("{error}");
        let at = error::position(&text);
        let message = error::message(&text);
        if ["multiple outputs", "generated multiple times", "rule conflicts with rule"].iter().any(|part| message.contains(part)) {
            EvalError::Conflict { rule, at }
        } else {
            EvalError::Failed { rule, at }
        }
    }
}

/// The package of the module that asks for a document which several rules make together.
const WRAPPER: &str = "connectors_expr_query";

/// What the interpreter checks its time after: one step takes about a microsecond.
const STEPS_BETWEEN_CHECKS: NonZeroU32 = NonZeroU32::MIN.saturating_add(63);

#[derive(Clone, Copy, PartialEq)]
enum Answer {
    /// One rule's.
    Rule,
    /// Made of several rules, or a part of one's value.
    Document,
    /// Nothing there.
    Nothing,
}

fn answer(analysis: &Analysis, path: &[String]) -> Answer {
    if analysis.rules.contains(path) && !analysis.rules.iter().any(|rule| rule.len() > path.len() && rule.starts_with(path)) {
        Answer::Rule
    } else if analysis.rules.iter().any(|rule| rule.starts_with(path) || path.starts_with(rule)) {
        Answer::Document
    } else {
        Answer::Nothing
    }
}

/// `data.proxy.auth` without `data`.
fn query_path(query: &str) -> Result<Vec<String>, CompileError> {
    let is_name =
        |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') && !part.starts_with(|c: char| c.is_ascii_digit());
    let path: Option<Vec<String>> = query.strip_prefix("data.").and_then(|path| path.split('.').map(|part| is_name(part).then(|| part.to_owned())).collect());
    path.filter(|path| path.len() <= scan::MAX_NESTING).ok_or_else(|| CompileError::Query { query: query.to_owned() })
}

/// `import time` doesn't parse; this says why.
fn check_imports(source: &str) -> Result<(), CompileError> {
    for (line, text) in source.lines().enumerate() {
        let Some(target) = text.trim_start().strip_prefix("import").filter(|rest| rest.starts_with([' ', '\t'])) else { continue };
        let name: String = target.trim_start().chars().take_while(|c| c.is_alphanumeric() || matches!(c, '_' | '.')).collect();
        let root = name.split('.').next().unwrap_or_default();
        if !root.is_empty() && !["data", "input", "rego", "future"].contains(&root) {
            let column = text.len() - text.trim_start().len() + 1;
            return Err(CompileError::Import {
                at: Position { line: u32::try_from(line + 1).unwrap_or(u32::MAX), column: u32::try_from(column).unwrap_or(u32::MAX) },
                name,
            });
        }
    }
    Ok(())
}

/// An engine with the module, and the text that it has.
fn parse(source: &str, dialect: Dialect, has_if: bool) -> Result<(Engine, String), CompileError> {
    match dialect {
        Dialect::V0 => parse_as(source, true).map(|engine| (engine, source.to_owned())),
        Dialect::V1 => parse_as(source, false).map(|engine| (engine, source.to_owned())),
        Dialect::Either => {
            let newer = match parse_as(source, false) {
                Ok(engine) => return Ok((engine, source.to_owned())),
                Err(error) => error,
            };
            // Without it `if` is a name there, and `auth = {…} if {…}` two rules, the first without its condition.
            if has_if && !["import future.keywords", "import rego.v1"].iter().any(|import| source.contains(import)) {
                return Err(newer);
            }
            match parse_as(source, true) {
                Ok(mut engine) => {
                    rewrite::refuse_keywords(&mut engine, &newer)?;
                    Ok((engine, source.to_owned()))
                }
                // The reading that came farther is what was meant.
                Err(older) if place(&older) > place(&newer) => Err(older),
                Err(_) => Err(newer),
            }
        }
    }
}

fn parse_as(source: &str, is_v0: bool) -> Result<Engine, CompileError> {
    let mut engine = Engine::new();
    engine.set_rego_v0(is_v0);
    engine.set_strict_builtin_errors(false);
    // What rules print is dropped: the interpreter would write it to stderr.
    engine.set_gather_prints(true);
    engine.set_policy_length_config(lengths());
    engine.set_execution_timer_config(ExecutionTimerConfig { limit: meter::MAX_TIME, check_interval: STEPS_BETWEEN_CHECKS });
    engine.add_policy(MODULE.to_owned(), source.to_owned()).map_err(|error| {
        let text = format!("{error}");
        CompileError::Syntax { at: error::position(&text), message: error::message(&text) }
    })?;
    Ok(engine)
}

/// The name of the module in the interpreter's errors.
const MODULE: &str = "module";

/// `scan` has bounded the whole; lines may be as long.
fn lengths() -> PolicyLengthConfig {
    PolicyLengthConfig {
        max_col: NonZeroU32::MIN.saturating_add(scan::MAX_SOURCE_BYTES as u32),
        max_file_bytes: NonZeroUsize::MIN.saturating_add(scan::MAX_SOURCE_BYTES),
        max_lines: NonZeroUsize::MIN.saturating_add(scan::MAX_SOURCE_BYTES),
    }
}

/// Analyses the module, after writing anew what the interpreter would read wrongly.
fn analyse(engine: &mut Engine, source: &str) -> Result<Analysis, CompileError> {
    let modules = engine.get_modules();
    let Some(module) = modules.first() else { return Err(CompileError::Syntax { at: Position::START, message: "no module".to_owned() }) };
    if let Some(rewritten) = rewrite::unchain(module, source)? {
        *engine = parse_as(&rewritten, true)?;
        return analyse(engine, &rewritten);
    }
    analysis::analyse(module)
}

fn place(error: &CompileError) -> Position {
    match error {
        CompileError::Syntax { at, .. } => *at,
        _ => Position::START,
    }
}

fn invalid(error: &anyhow::Error) -> CompileError {
    let text = format!("{error}");
    CompileError::Invalid { at: error::position(&text), message: error::message(&text) }
}
