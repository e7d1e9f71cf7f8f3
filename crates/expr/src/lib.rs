#![doc = include_str!("../README.md")]

mod cel;
mod clock;
mod pattern;
mod position;
mod rego;
mod secret;
mod template;

pub use cel::{Cel, CelCompileError, CelError, CelValue, Condition, Response};
pub use position::Position;
pub use rego::{CompileError, Data, Dialect, EvalError, Extractor, Fields, Generated, Generator, Limit, Part, Permissions, Place, Reads, Rego, Request, Verb};
pub use secret::Secret;
pub use template::{DataError, FileData, FileTemplate, Numbers, TemplateError, probe_data, template_data};
