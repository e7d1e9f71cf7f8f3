//! The compiled templates of a class.

use std::collections::BTreeMap;
use std::sync::Arc;

use connectors_core::SecretValue;
use connectors_expr::{FileData, FileTemplate, TemplateError};
/// By configuration and file; shared by whoever renders.
#[derive(Debug, Clone, Default)]
pub(crate) struct Templates(BTreeMap<String, Vec<(String, Arc<FileTemplate>)>>);

impl Templates {
    /// Compiles a file of a configuration.
    ///
    /// # Errors
    /// What is wrong with it, with the line.
    pub(crate) fn add(&mut self, configuration: &str, file: &str, text: &str) -> Result<(), String> {
        let template = FileTemplate::compile(file, text).map_err(|error| placed(&error, error.message()))?;
        self.0.entry(configuration.to_owned()).or_default().push((file.to_owned(), Arc::new(template)));
        Ok(())
    }

    /// The files of a configuration, by name.
    pub(super) fn of(&self, configuration: &str) -> impl Iterator<Item = (&str, &FileTemplate)> {
        self.0.get(configuration).into_iter().flatten().map(|(file, template)| (file.as_str(), &**template))
    }
}

/// Renders a file. A message of an error may quote whatever the template asks for, the token or something made of it among them, so what is told is what comes of the data
/// without it; and if nothing goes wrong with that, no more than the place.
pub(super) fn render(template: &FileTemplate, data: &FileData, without_token: impl FnOnce() -> Option<FileData>) -> Result<SecretValue, String> {
    template.render(data).map(SecretValue::new).map_err(|error| match without_token().map(|data| template.render(&data)) {
        Some(Err(error)) => placed(&error, error.message()),
        Some(Ok(_)) | None => placed(&error, "it fails, and only with the token, which its message may quote"),
    })
}

/// A message with its place, both counted from 1.
fn placed(error: &TemplateError, message: &str) -> String {
    match error.column() {
        Some(column) => format!("line {}, column {}: {message}", error.line(), column + 1),
        None => format!("line {}: {message}", error.line()),
    }
}
