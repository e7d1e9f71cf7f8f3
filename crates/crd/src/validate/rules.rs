//! The rules of a class, compiled when it is checked.

use std::collections::BTreeMap;
use std::sync::Arc;

use connectors_credentials::{CompileError, ExtractorRule, GeneratorRule, RulePlace};

use crate::configurations::Templates;
use crate::problem::{FieldPath, Problems};
use crate::{AuthType, Configuration, Rego};

/// What compiled; all Connectors of the class share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rules {
    class: String,
    generators: BTreeMap<String, Arc<GeneratorRule>>,
    extractor: Option<Arc<ExtractorRule>>,
    templates: Templates,
}

impl Rules {
    /// None yet, of the class of that name.
    pub(super) fn of(class: &str) -> Self {
        Self { class: class.to_owned(), ..Self::default() }
    }

    /// How an authentication type's credential is sent, if it has a rule for that.
    pub(crate) fn generator(&self, auth_type: &str) -> Option<&Arc<GeneratorRule>> {
        self.generators.get(auth_type)
    }

    /// How callers' tokens are found, if there is a rule for that.
    pub(crate) fn extractor(&self) -> Option<&Arc<ExtractorRule>> {
        self.extractor.as_ref()
    }

    /// The templates of its configurations.
    pub(crate) fn templates(&self) -> &Templates {
        &self.templates
    }

    /// Compiles the files of a configuration; `field` is where its `data` is.
    pub(super) fn add_files(&mut self, configuration: &Configuration, field: &FieldPath<'_>, found: &mut Problems) {
        for (file, text) in &configuration.data {
            if let Err(error) = self.templates.add(&configuration.name, file, text) {
                found.error(&field.key(file), format!("is no usable template: {error}"));
            }
        }
    }

    pub(super) fn add_generator(&mut self, auth: &AuthType, rego: &Rego, field: &FieldPath<'_>, found: &mut Problems) {
        if let Some(rule) = self.compiled(rego, &field.key("rego"), found, GeneratorRule::compile) {
            self.generators.insert(auth.name.clone(), Arc::new(rule));
        }
    }

    pub(super) fn add_extractor(&mut self, rego: &Rego, field: &FieldPath<'_>, found: &mut Problems) {
        let field = &field.key("rego");
        if let Some(rule) = self.compiled(rego, field, found, ExtractorRule::compile) {
            if rule.reads_body() {
                found.error(
                    field,
                    "reads input.request.body, or all of the request, where this version can't look for a token: name headers or parameters of the query",
                );
            }
            self.extractor = Some(Arc::new(rule));
        }
    }

    fn compiled<T>(&self, rego: &Rego, field: &FieldPath<'_>, found: &mut Problems, compile: fn(RulePlace, &str) -> Result<T, CompileError>) -> Option<T> {
        let place = RulePlace { class: self.class.clone(), field: field.to_string() };
        compile(place, &rego.rego).map_err(|error| found.error(field, format!("is no usable rule: {error}"))).ok()
    }
}
