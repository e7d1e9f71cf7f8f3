//! What a volume asks for.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::{ConfigurationError, is_file_name};
use crate::did_you_mean;

/// Which configurations, and which files of the result not.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Selection {
    /// `None`: all that need no parameter that isn't given.
    names: Option<Vec<String>>,
    excluded: BTreeSet<String>,
    params: Params,
}

/// Values of parameters, by configuration and name.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Params(BTreeMap<String, Map<String, Value>>);

impl Selection {
    /// What `configuration.names` lists: `name` chooses a configuration, `!file` leaves a file out of the result, wherever it is from. Blanks around an item
    /// and empty items don't count. Without names there are only the built-in files.
    ///
    /// # Errors
    /// A `!` with nothing behind it that could be the name of a file.
    pub fn new<'a>(items: impl IntoIterator<Item = &'a str>, params: Params) -> Result<Self, ConfigurationError> {
        let (mut names, mut excluded) = (Vec::new(), BTreeSet::new());
        for item in items.into_iter().map(str::trim).filter(|item| !item.is_empty()) {
            match item.strip_prefix('!').map(str::trim) {
                None => names.push(item.to_owned()),
                Some(file) if is_file_name(file) => drop(excluded.insert(file.to_owned())),
                Some(_) => return Err(ConfigurationError::Exclusion { item: item.to_owned() }),
            }
        }
        Ok(Self { names: Some(names), excluded, params })
    }

    /// Every configuration whose required parameters are among these. For people at a shell, who don't want to name them; a volume names what it wants.
    pub fn everything(params: Params) -> Self {
        Self { names: None, excluded: BTreeSet::new(), params }
    }

    /// The same, but for the files that `items` leave out. Names among them don't count.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn all_but<'a>(items: impl IntoIterator<Item = &'a str>, params: Params) -> Result<Self, ConfigurationError> {
        Ok(Self { names: None, ..Self::new(items, params)? })
    }

    /// The names, if they count.
    pub(super) fn names(&self) -> Option<&[String]> {
        self.names.as_deref()
    }

    pub(super) fn params(&self) -> &Params {
        &self.params
    }

    pub(super) fn excludes(&self, file: &str) -> bool {
        self.excluded.contains(file)
    }
}

impl Params {
    /// Reads `configuration.params`: `{"<configuration>": {"<parameter>": <value>}}`. An empty text is none.
    ///
    /// # Errors
    /// It isn't JSON of that form. What it holds isn't in the error.
    pub fn parse(json: &str) -> Result<Self, ConfigurationError> {
        if json.trim().is_empty() {
            return Ok(Self::default());
        }
        let wrong = |problem: String| ConfigurationError::Params { problem };
        let value: Value = serde_json::from_str(json).map_err(|error| wrong(format!("line {} column {} is no JSON", error.line(), error.column())))?;
        let Value::Object(configurations) = value else { return Err(wrong("it is no object".into())) };
        let params = |(name, value)| match value {
            Value::Object(params) => Ok((name, params)),
            _ => Err(wrong(format!("{name:?} is no object"))),
        };
        configurations.into_iter().map(params).collect::<Result<_, _>>().map(Self)
    }

    pub(super) fn of(&self, configuration: &str) -> Option<&Map<String, Value>> {
        self.0.get(configuration)
    }

    /// Each must be for a configuration that there is: a slip would else be the same as leaving it out.
    pub(super) fn check_names(&self, known: &[&str]) -> Result<(), ConfigurationError> {
        match self.0.keys().find(|name| !known.contains(&name.as_str())) {
            None => Ok(()),
            Some(name) => Err(ConfigurationError::Params {
                problem: format!("no class of these Connectors has a configuration {name:?}{}", did_you_mean(name, known.iter().copied())),
            }),
        }
    }
}
