//! The data of templates: JSON, and the objects that probes are rendered for; templates of files.

mod file;
mod json;
mod probe;
mod record;

pub use file::{FileData, FileTemplate, TemplateError};
pub use json::{Numbers, template_data};
pub use probe::probe_data;

use thiserror::Error;

/// Why there is no data to render a template with.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DataError {
    /// It is no JSON, or nested more than 1,200 levels deep.
    #[error("the data must be JSON: {problem}")]
    Json {
        /// What the parser says, with line and column.
        problem: String,
    },
    /// A field of a manifest is something else than it must be.
    #[error("{path} must be {expected}")]
    Field {
        /// Its path, such as `Connector.spec.params`.
        path: String,
        /// What it must be.
        expected: &'static str,
    },
}
