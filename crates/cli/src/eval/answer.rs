//! One expression of each language, evaluated.

use std::fmt;

use connectors_expr::{Cel, CelError, Dialect, EvalError, Numbers, Position, Rego};
use connectors_template::{Options, Template};
use serde_json::Value as Json;
use serde_json::value::RawValue;

/// What a template sees.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Model {
    /// The data as it is.
    #[default]
    Json,
    /// `Connector` and `Secret` of the data, as probes see them.
    Structs,
}

/// Why there is no result.
#[derive(Debug)]
pub(super) struct Failure {
    /// What is wrong, with its place.
    pub(super) text: String,
    /// Where in the expression.
    pub(super) at: Spot,
}

/// A place, as exactly as it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Spot {
    /// A character, counted from 1.
    Character(Position),
    /// A byte of a line: the line counted from 1, the byte from 0.
    Byte(usize, usize),
    /// Something in a line, counted from 1, that has this text.
    Line(usize, Option<String>),
    /// Something somewhere that has this text.
    Text(String),
    /// The expression, somewhere.
    Whole,
    /// It isn't the expression that is wrong.
    Nowhere,
}

impl Failure {
    /// One that has no place in the expression.
    pub(super) fn of_data(error: &dyn fmt::Display) -> Self {
        Self { text: error.to_string(), at: Spot::Nowhere }
    }

    /// One of an expression, at a place, or somewhere.
    fn at(error: &dyn fmt::Display, at: Option<Position>) -> Self {
        Self { text: error.to_string(), at: at.map_or(Spot::Whole, Spot::Character) }
    }
}

/// Renders a template.
pub(super) fn template(name: &str, text: &str, options: Options, data: Option<&str>, numbers: Numbers, model: Model) -> Result<Vec<u8>, Failure> {
    let failed = |error: connectors_template::Error| {
        // A parser's error has no column, but often names what it is about.
        let at = match error.column() {
            Some(byte) => Spot::Byte(error.line(), byte),
            None => Spot::Line(error.line(), quoted(error.message())),
        };
        Failure { text: error.to_string(), at }
    };
    let template = Template::parse(name, text, options).map_err(failed)?;
    let data = data.unwrap_or("null");
    let value = match model {
        Model::Json => connectors_expr::template_data(data, numbers).map_err(|error| Failure::of_data(&error))?,
        Model::Structs => {
            let objects: Json = serde_json::from_str(data).map_err(|error| Failure::of_data(&format_args!("the data must be JSON: {error}")))?;
            connectors_expr::probe_data(&objects["Connector"], &objects["Secret"]).map_err(|error| Failure::of_data(&error))?
        }
    };
    template.render(&value).map_err(failed)
}

/// The first text in double quotes.
fn quoted(message: &str) -> Option<String> {
    message.split('"').nth(1).map(str::to_owned)
}

/// Compiled modules, of which the last is kept: cases with one module and several inputs follow each other.
#[derive(Default)]
pub(super) struct Modules(Option<(String, String, Dialect, Rego)>);

impl Modules {
    /// Evaluates a rule, or the whole package if none is named. The answer is JSON text; none if it is undefined.
    pub(super) fn rego(&mut self, module: &str, query: Option<&str>, dialect: Dialect, input: Option<&str>) -> Result<Option<String>, Failure> {
        let query = query.map_or_else(|| format!("data.{}", package(module)), str::to_owned);
        let is_last = |(of, asked, as_read, _): &&(String, String, Dialect, Rego)| of == module && *asked == query && *as_read == dialect;
        let rego = match self.0.as_ref().filter(is_last) {
            Some((.., rego)) => rego.clone(),
            None => {
                let rego = Rego::compile(module, &query, dialect).map_err(|error| Failure::at(&error, error.at()))?;
                self.0 = Some((module.to_owned(), query, dialect, rego.clone()));
                rego
            }
        };
        rego.eval(input.unwrap_or("{}")).map_err(|error| match (&error, rego.rule().rsplit('.').next()) {
            (EvalError::Shape { .. }, _) => Failure::of_data(&error),
            (EvalError::Limit { .. }, Some(rule)) => Failure { text: error.to_string(), at: Spot::Text(rule.to_owned()) },
            _ => Failure::at(&error, error.at()),
        })
    }
}

/// The path in a module's `package` line.
fn package(module: &str) -> &str {
    let line = module.lines().find_map(|line| line.trim_start().strip_prefix("package").filter(|rest| rest.starts_with([' ', '\t'])));
    line.and_then(|rest| rest.split_whitespace().next()).unwrap_or("main")
}

/// A CEL value: its JSON text, and its type.
pub(super) fn cel(source: &str, variables: Option<&RawValue>) -> Result<(String, String), Failure> {
    let parsed = variables.map_or(Ok(serde_json::Map::new()), |raw| serde_json::from_str(raw.get()));
    let variables = parsed.map_err(|error| Failure::of_data(&format_args!("the variables must be a JSON object: {error}")))?;
    let names: Vec<&str> = variables.keys().map(String::as_str).collect();
    let compiled = Cel::compile(source, &names).map_err(|error| Failure::at(&error, error.at()))?;
    let value = compiled.eval(&variables).map_err(|error| {
        let named = match &error {
            CelError::NoSuchKey { name } | CelError::Undeclared { name } | CelError::Function { function: name } => Some(name.clone()),
            _ => None,
        };
        Failure { text: error.to_string(), at: named.filter(|name| !name.is_empty()).map_or(Spot::Whole, Spot::Text) }
    })?;
    Ok((value.json, value.kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages() {
        for (module, expect) in
            [("package proxy\nauth := 1", "proxy"), ("# package no\n\n  package a.b # why\n", "a.b"), ("packages := 1\npackage\tx", "x"), ("", "main")]
        {
            assert_eq!(package(module), expect, "{module}");
        }
    }

    #[test]
    fn the_last_module_is_known_by_all_that_makes_it() {
        let mut modules = Modules::default();
        let (one, two) = ("package p\na := input.x\nb := 2", "package p\na := 3");
        for (module, query, input, expect) in [
            (one, Some("data.p.a"), "{\"x\":1}", Some("1")),
            (one, Some("data.p.a"), "{\"x\":2}", Some("2")),
            (one, Some("data.p.a"), "{}", None),
            (one, Some("data.p.b"), "{}", Some("2")),
            (two, Some("data.p.a"), "{}", Some("3")),
            (one, None, "{\"x\":1}", Some("{\"a\":1,\"b\":2}")),
        ] {
            assert_eq!(modules.rego(module, query, Dialect::Either, Some(input)).unwrap().as_deref(), expect, "{module} {query:?}");
        }
        assert!(modules.rego("package p\na = 1 { true }", Some("data.p.a"), Dialect::V1, None).is_err());
        assert_eq!(modules.rego("package p\na = 1 { true }", Some("data.p.a"), Dialect::V0, None).unwrap().as_deref(), Some("1"));
    }
}
