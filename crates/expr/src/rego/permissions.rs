//! `spec.api.permissions.rego`: what a request to an API does.

use super::input::{Request, build};
use super::shape::Shape;
use super::{CompileError, Dialect, EvalError, Reads, Rego};

/// What a request does, as the rule says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// It reads.
    Read,
    /// It changes.
    Write,
    /// It deletes.
    Delete,
    /// The rule leaves it to the HTTP method.
    ByMethod,
}

/// A compiled rule: package `permissions`, `result = {"verb": "read" | "write" | "delete" | ""}`.
#[derive(Debug, Clone)]
pub struct Permissions(Rego);

impl Permissions {
    /// Compiles a module.
    ///
    /// # Errors
    /// What is wrong with it, and where; [`CompileError::NoRule`] without `data.permissions.result`.
    pub fn compile(source: &str) -> Result<Self, CompileError> {
        Rego::compile(source, "data.permissions.result", Dialect::Either)?.required("permissions", "result").map(Self)
    }

    /// What it reads: the body must be given only if that is in it.
    #[must_use]
    pub fn reads(&self) -> &Reads {
        self.0.reads()
    }

    /// What the request does.
    ///
    /// # Errors
    /// If the rule is undefined, has several values or the wrong ones, or breaks a limit.
    pub fn verb(&self, request: Request<'_>) -> Result<Verb, EvalError> {
        let value = self.0.value(build(self.reads(), Some(request), None))?;
        let shape = Shape { rule: self.0.rule(), value: &value };
        match shape.text("verb")? {
            "read" => Ok(Verb::Read),
            "write" => Ok(Verb::Write),
            "delete" => Ok(Verb::Delete),
            "" => Ok(Verb::ByMethod),
            _ => Err(shape.wrong("verb", "must be read, write, delete or empty")),
        }
    }
}
