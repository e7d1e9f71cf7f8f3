//! `connectors eval template|rego|cel`: one expression, its result or what is wrong with it.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use connectors_expr::{Dialect, Numbers};
use connectors_template::{MissingKey, Options};
use serde_json::value::RawValue;

use super::answer::{self, Failure, Model, Modules};
use super::caret;
use crate::args::{DialectArg, EvalCelArgs, EvalInput, EvalLanguage, EvalRegoArgs, EvalTemplateArgs, MissingKeyArg, ModelArg, NumbersArg};

/// Prints the result; or the error on stderr, with the line and a caret under the place, and fails.
pub(super) fn run(language: &EvalLanguage) -> anyhow::Result<ExitCode> {
    let (source, outcome) = match language {
        EvalLanguage::Template(arguments) => template(arguments)?,
        EvalLanguage::Rego(arguments) => rego(arguments)?,
        EvalLanguage::Cel(arguments) => cel(arguments)?,
    };
    match outcome {
        Ok(mut result) => {
            if !result.ends_with(b"\n") {
                result.push(b'\n');
            }
            let mut out = io::stdout().lock();
            out.write_all(&result)?;
            out.flush()?;
            Ok(ExitCode::SUCCESS)
        }
        Err(failure) => {
            let mut err = io::stderr().lock();
            writeln!(err, "error: {}", failure.text)?;
            if let Some(picture) = caret::picture(&source, &failure.at) {
                write!(err, "{picture}")?;
            }
            Ok(ExitCode::FAILURE)
        }
    }
}

/// The text of an expression, and what comes of it.
type Outcome = (String, Result<Vec<u8>, Failure>);

fn template(arguments: &EvalTemplateArgs) -> anyhow::Result<Outcome> {
    let (source, data) = read(&arguments.input)?;
    let missing_key = match arguments.missing_key {
        MissingKeyArg::Default => MissingKey::Default,
        MissingKeyArg::Zero => MissingKey::Zero,
        MissingKeyArg::Error => MissingKey::Error,
    };
    let numbers = match arguments.numbers {
        NumbersArg::Int64 => Numbers::Integers,
        NumbersArg::Float64 => Numbers::Floats,
    };
    let model = match arguments.model {
        ModelArg::Json => Model::Json,
        ModelArg::Structs => Model::Structs,
    };
    // As Go names a template that is read from a file.
    let name = arguments.input.file.as_deref().and_then(Path::file_name).map_or_else(|| "t".into(), |name| name.to_string_lossy().into_owned());
    let outcome = answer::template(&name, &source, Options { missing_key, ..Options::default() }, data.as_deref(), numbers, model);
    Ok((source, outcome))
}

fn rego(arguments: &EvalRegoArgs) -> anyhow::Result<Outcome> {
    let (source, data) = read(&arguments.input)?;
    let dialect = match arguments.dialect {
        None => Dialect::Either,
        Some(DialectArg::V0) => Dialect::V0,
        Some(DialectArg::V1) => Dialect::V1,
    };
    let outcome = Modules::default().rego(&source, arguments.query.as_deref(), dialect, data.as_deref());
    Ok((source, outcome.map(|result| result.unwrap_or_else(|| "undefined".to_owned()).into_bytes())))
}

fn cel(arguments: &EvalCelArgs) -> anyhow::Result<Outcome> {
    let (source, data) = read(&arguments.input)?;
    let variables: Option<&RawValue> = data.as_deref().map(serde_json::from_str).transpose().context("--data must be JSON")?;
    let outcome = answer::cel(&source, variables);
    Ok((source, outcome.map(|(value, _)| value.into_bytes())))
}

/// The expression, and its data if there is any.
fn read(input: &EvalInput) -> anyhow::Result<(String, Option<String>)> {
    let source = match (&input.expr, &input.file) {
        (Some(text), _) => text.clone(),
        (None, Some(path)) => read_file(path)?,
        (None, None) => anyhow::bail!("evaluate what? give --expr TEXT or --file FILE"),
    };
    let data = match &input.data {
        Some(text) => match text.strip_prefix('@') {
            Some(path) => Some(read_file(Path::new(path))?),
            None => Some(text.clone()),
        },
        None => None,
    };
    Ok((source, data))
}

/// The text of a file, or of standard input for `-`.
fn read_file(path: &Path) -> anyhow::Result<String> {
    if path == Path::new("-") {
        let mut text = String::new();
        io::stdin().lock().read_to_string(&mut text).context("can't read standard input")?;
        return Ok(text);
    }
    fs::read_to_string(path).with_context(|| format!("can't read {}", path.display()))
}
