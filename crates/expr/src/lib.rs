//! Expressions of classes, compiled once and evaluated under limits: Rego for tokens, credentials and
//! permissions, CEL for the conditions of probes.
//!
//! Nothing here does I/O or needs a runtime. An expression comes from a class, so it is trusted to mean what it says, but
//! not to end, to fit in memory or to be well-formed: every limit that it breaks is an error. What errors say comes from the
//! expression alone, never from a request, a Secret or a result.

mod cel;
mod clock;
mod pattern;
mod position;
mod rego;
mod secret;

pub use cel::{Cel, CelCompileError, CelError, CelValue, Condition, Response};
pub use position::Position;
pub use rego::{CompileError, Data, Dialect, EvalError, Extractor, Fields, Generated, Generator, Limit, Part, Permissions, Place, Reads, Rego, Request, Verb};
pub use secret::Secret;
