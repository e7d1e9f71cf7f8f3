//! CEL, as the conditions of probes are written: parsed and checked once, evaluated under limits.

mod check;
mod error;
mod functions;
mod guard;
mod headers;
mod json;
mod value;

pub use error::{CelCompileError, CelError};

use crate::rego::Fields;
use ::cel::common::ast::IdedExpr;
use ::cel::{Context, Env, Value};
use headers::Headers;
use std::fmt;
use std::sync::{Arc, LazyLock};

/// A compiled expression. It is cheap to clone and shared by threads.
#[derive(Clone)]
pub struct Cel {
    expression: Arc<IdedExpr>,
    source: Arc<str>,
    /// Its type, if that depends on no value.
    kind: Option<&'static str>,
}

impl fmt::Debug for Cel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Cel").field(&self.source).finish()
    }
}

/// A value, as text, and its type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CelValue {
    /// CEL's name of the type, such as `int` or `list`.
    pub kind: String,
    /// The value as Go prints it: `[1 2]`, `map[a:1]`.
    pub text: String,
    /// The value as JSON text, as CEL's specification has it: bytes in base64, timestamps in RFC 3339, durations in seconds (`"5400s"`), types by their
    /// names, `NaN` and `Infinity` as strings, and an optional as what is in it, or null. Maps are sorted by key; integers are numbers, however large.
    pub json: String,
}

/// The standard library, strings, encoders, lists, math and optionals. None if the library's own names clash, which a test rules out.
static ENV: LazyLock<Option<Arc<Env>>> = LazyLock::new(|| functions::environment().ok().map(Arc::new));

impl Cel {
    /// Compiles an expression over these variables.
    ///
    /// # Errors
    /// If it doesn't parse, uses names that aren't there or constants of types that don't fit, or is too large or nested too deeply.
    pub fn compile(source: &str, variables: &[&str]) -> Result<Self, CelCompileError> {
        check::scan(source)?;
        let env = ENV.as_ref().ok_or(CelCompileError::Library)?;
        let parsed = env.parser().parse_with_source_info(source);
        let (mut expression, places) = parsed.map_err(|errors| CelCompileError::syntax(&errors))?;
        check::check(&expression, &places, variables)?;
        let kind = check::constant_type(&expression);
        guard::guard(&mut expression);
        Ok(Self { expression: Arc::new(expression), source: source.into(), kind })
    }

    /// The value over variables that are JSON: numbers are doubles, but for those called `statusCode`.
    ///
    /// # Errors
    /// What goes wrong, in CEL's words.
    pub fn eval(&self, variables: &serde_json::Map<String, serde_json::Value>) -> Result<CelValue, CelError> {
        let mut context = context()?;
        for (name, json) in variables {
            context.add_variable_from_value(name.clone(), value::from_json(json, name));
        }
        guard::limited(|| {
            let value = Value::resolve_val(&self.expression, &context).map_err(|error| self.failed(&error))?;
            value::describe(value.as_ref()).ok_or(CelError::Failed)
        })
    }

    fn failed(&self, error: &::cel::ExecutionError) -> CelError {
        CelError::of(error, &self.source)
    }
}

fn context<'p, 'v>() -> Result<Context<'p, 'v>, CelError> {
    ENV.as_ref().map(|env| Context::with_env(Arc::clone(env))).ok_or(CelError::Failed)
}

/// What a probe got.
#[derive(Clone, Copy)]
pub struct Response<'a> {
    /// The status.
    pub status_code: u16,
    /// All fields, in their order.
    pub headers: &'a dyn Fields,
    /// The body, as far as it was read.
    pub body: &'a [u8],
}

/// A probe's condition over `response`: `statusCode`, `headers`, `bodyString`, and `body`, the parsed JSON, null if it isn't JSON.
#[derive(Debug, Clone)]
pub struct Condition(Cel);

impl Condition {
    /// Compiles a condition.
    ///
    /// # Errors
    /// As [`Cel::compile`], and if it can't be a bool.
    pub fn compile(source: &str) -> Result<Self, CelCompileError> {
        let cel = Cel::compile(source, &["response"])?;
        match cel.kind {
            Some("bool") | None => Ok(Self(cel)),
            Some(found) => Err(CelCompileError::NotBool { found }),
        }
    }

    /// Whether the condition holds.
    ///
    /// # Errors
    /// What goes wrong, in CEL's words, without anything of the response.
    pub fn holds(&self, response: Response<'_>) -> Result<bool, CelError> {
        let mut context = context()?;
        let headers = Headers::new(response.headers);
        context.add_variable_as_val("response", value::response(response.status_code, headers, response.body));
        guard::limited(|| {
            let value = Value::resolve_val(&self.0.expression, &context).map_err(|error| self.0.failed(&error))?;
            value.downcast_ref::<::cel::common::types::CelBool>().map(|value| *value.inner()).ok_or(CelError::NotBool)
        })
    }
}
