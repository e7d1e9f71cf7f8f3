//! `spec.proxy.authExtractor.rego`: which token a request carries.

use super::input::{Request, build};
use super::shape::Shape;
use super::{CompileError, Dialect, EvalError, Reads, Rego};
use crate::Secret;

/// A compiled extractor: package `proxy`, `auth = {"token": "…"}`.
#[derive(Debug, Clone)]
pub struct Extractor(Rego);

impl Extractor {
    /// Compiles a module.
    ///
    /// # Errors
    /// What is wrong with it, and where; [`CompileError::NoRule`] without `data.proxy.auth`.
    pub fn compile(source: &str) -> Result<Self, CompileError> {
        Rego::compile(source, "data.proxy.auth", Dialect::Either)?.required("proxy", "auth").map(Self)
    }

    /// What it reads: the body must be given only if that is in it.
    #[must_use]
    pub fn reads(&self) -> &Reads {
        self.0.reads()
    }

    /// The request's token; none if the rule says that there is none, by an empty text.
    ///
    /// # Errors
    /// If the rule is undefined, has several values or the wrong ones, or breaks a limit. No value is in the error.
    pub fn extract(&self, request: Request<'_>) -> Result<Option<Secret>, EvalError> {
        let value = self.0.value(build(self.reads(), Some(request), None))?;
        let token = Shape { rule: self.0.rule(), value: &value }.text("token")?;
        Ok((!token.is_empty()).then(|| Secret::new(token)))
    }
}
