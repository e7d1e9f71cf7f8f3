//! The compiled templates of a class.

use std::collections::BTreeMap;
use std::sync::Arc;

use connectors_core::SecretValue;
use connectors_expr::{FileData, FileTemplate, TemplateError};
use serde_json::Value;

use super::ConfigurationError;

/// By configuration and file; shared by whoever renders.
#[derive(Debug, Clone, Default)]
pub(crate) struct Templates(BTreeMap<String, Vec<(String, Arc<Compiled>)>>);

/// One compiled template.
#[derive(Debug)]
pub(crate) struct Compiled {
    file: String,
    template: FileTemplate,
}

impl Templates {
    /// Compiles a file of a configuration.
    ///
    /// # Errors
    /// What is wrong with it, with the line.
    pub(crate) fn add(&mut self, configuration: &str, file: &str, text: &str) -> Result<(), String> {
        let template = FileTemplate::compile(file, text).map_err(|error| placed(&error, error.message()))?;
        self.0.entry(configuration.to_owned()).or_default().push((file.to_owned(), Arc::new(Compiled { file: file.to_owned(), template })));
        Ok(())
    }

    /// The files of a configuration, by name.
    pub(super) fn of(&self, configuration: &str) -> impl Iterator<Item = (&str, &Compiled)> {
        self.0.get(configuration).into_iter().flatten().map(|(file, template)| (file.as_str(), &**template))
    }
}

impl Compiled {
    /// Renders it. Where an error's message quotes the token, since the template asked for that, something else stands in its place.
    pub(super) fn render(&self, data: &Value, class: &str, configuration: &str, token: &SecretValue) -> Result<SecretValue, ConfigurationError> {
        let failed = |problem: String| ConfigurationError::Template {
            class: class.to_owned(),
            configuration: configuration.to_owned(),
            file: self.file.clone(),
            problem,
        };
        let data = FileData::new(data).ok_or_else(|| failed("the Connector or a parameter is nested too deeply".into()))?;
        let redacted = |error: TemplateError| match token.expose_str() {
            Some(token) if !token.is_empty() => placed(&error, &error.message().replace(token, "[redacted]")),
            _ => placed(&error, error.message()),
        };
        self.template.render(&data).map(SecretValue::new).map_err(|error| failed(redacted(error)))
    }
}

/// A message with its place, both counted from 1.
fn placed(error: &TemplateError, message: &str) -> String {
    match error.column() {
        Some(column) => format!("line {}, column {}: {message}", error.line(), column + 1),
        None => format!("line {}: {message}", error.line()),
    }
}
