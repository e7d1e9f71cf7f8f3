//! The parameters of a configuration: what it declares, what a volume gives, defaults.

use serde_json::{Map, Value};

use super::{ConfigurationError, Params};
use crate::validate::{allows, fits, kind_of, not_allowed};
use crate::{Configuration, did_you_mean};

/// The first parameter that is required and not given.
pub(super) fn lacking<'a>(configuration: &'a Configuration, params: &Params) -> Option<&'a str> {
    let given = params.of(&configuration.name);
    let is_given = |name: &str| given.is_some_and(|given| given.contains_key(name));
    configuration.params.iter().find(|spec| spec.default.is_none() && !is_given(&spec.name)).map(|spec| spec.name.as_str())
}

/// The values that templates see: those given, and the defaults of the others. A configuration that declares none takes any.
pub(super) fn resolved(class: &str, configuration: &Configuration, params: &Params) -> Result<Map<String, Value>, ConfigurationError> {
    let mut values = params.of(&configuration.name).cloned().unwrap_or_default();
    let declared = &configuration.params;
    if declared.is_empty() {
        return Ok(values);
    }
    let wrong = |param: &str, problem: String| {
        Err(ConfigurationError::Param { class: class.to_owned(), configuration: configuration.name.clone(), param: param.to_owned(), problem })
    };
    for (name, value) in &values {
        let Some(spec) = declared.iter().find(|spec| spec.name == *name) else {
            let names = || declared.iter().map(|spec| spec.name.as_str());
            let known = names().collect::<Vec<_>>().join(", ");
            return wrong(name, format!("is not declared; it declares {known}{}", did_you_mean(name, names())));
        };
        if !fits(spec.param_type, value) {
            return wrong(name, format!("must be {}, but it is {}", spec.param_type.described(), kind_of(value)));
        }
        if value.as_str().is_some_and(|text| !allows(spec, text)) {
            return wrong(name, not_allowed(spec));
        }
    }
    if let Some(name) = lacking(configuration, params) {
        return wrong(name, format!("is required: give {{\"{}\": {{\"{name}\": \"…\"}}}}", configuration.name));
    }
    for spec in declared {
        if let Some(default) = &spec.default
            && !values.contains_key(&spec.name)
        {
            values.insert(spec.name.clone(), default.clone());
        }
    }
    Ok(values)
}
