//! Rules that lists of parameters share.

use std::collections::HashSet;

use connectors_core::{Address, with_causes};
use serde_json::Value;

use crate::problem::{FieldPath, Problems};
use crate::suggest::did_you_mean;
use crate::{Param, ParamSpec, ParamType};

/// What a class declares: names, types, defaults.
pub(super) fn specs(specs: &[ParamSpec], field: &FieldPath<'_>, found: &mut Problems) {
    names(specs.iter().map(|spec| spec.name.as_str()), field, "name", found);
    for (index, spec) in specs.iter().enumerate() {
        self::spec(spec, &field.index(index), found);
    }
}

/// One declared parameter, but for its name.
pub(super) fn spec(spec: &ParamSpec, field: &FieldPath<'_>, found: &mut Problems) {
    if spec.param_type != ParamType::String {
        found.error(&field.key("type"), "must be string; no other type is supported here");
        return;
    }
    let Some(default) = &spec.default else { return };
    match default.as_str() {
        None => found.error(&field.key("default"), format!("must be a string, because the parameter is one; it is {}", kind_of(default))),
        Some(text) if !allows(spec, text) => found.error(&field.key("default"), not_allowed(spec)),
        Some(_) => {}
    }
}

/// What a configuration declares: as [`specs`], but of any type.
pub(super) fn any_specs(specs: &[ParamSpec], field: &FieldPath<'_>, found: &mut Problems) {
    names(specs.iter().map(|spec| spec.name.as_str()), field, "name", found);
    for (index, spec) in specs.iter().enumerate() {
        let default = field.index(index);
        let default = default.key("default");
        match &spec.default {
            Some(value) if !fits(spec.param_type, value) => {
                found.error(&default, format!("must be {}, because the parameter is one; it is {}", spec.param_type.described(), kind_of(value)));
            }
            Some(Value::String(text)) if !allows(spec, text) => found.error(&default, not_allowed(spec)),
            _ => {}
        }
    }
}

/// Whether a value is of a type.
pub(crate) fn fits(wanted: ParamType, value: &Value) -> bool {
    match wanted {
        ParamType::String => value.is_string(),
        ParamType::Array => value.is_array(),
        ParamType::Object => value.is_object(),
    }
}

/// A declared address: its default, if any, must be one.
pub(super) fn address_default(spec: &ParamSpec, field: &FieldPath<'_>, found: &mut Problems) {
    if let Some(text) = spec.default_text()
        && let Err(error) = Address::parse(text)
    {
        found.error(&field.key("default"), with_causes(&error));
    }
}

/// Names in a list keyed by them: there, and not twice.
pub(super) fn names<'a>(names: impl IntoIterator<Item = &'a str>, field: &FieldPath<'_>, key: &str, found: &mut Problems) {
    let mut seen = HashSet::new();
    for (index, name) in names.into_iter().enumerate() {
        let item = field.index(index);
        if name.is_empty() {
            found.error(&item.key(key), "is required");
        } else if !seen.insert(name) {
            found.error(&item.key(key), format!("must be unique in the list, but {name:?} occurs before"));
        }
    }
}

/// What a Connector gives, against what its class declares.
pub(super) struct Given<'a> {
    pub(super) class: &'a str,
    /// `parameter`, `address extension`, …: what an item of the list is called.
    pub(super) what: &'a str,
    pub(super) declared: &'a [ParamSpec],
    pub(super) given: &'a [Param],
    /// Whether a declared one without a default must be given.
    pub(super) all_required: bool,
    /// More to say on a name that isn't declared.
    pub(super) hint: &'a dyn Fn(&str) -> Option<String>,
}

impl Given<'_> {
    pub(super) fn check(&self, field: &FieldPath<'_>, found: &mut Problems) {
        for (index, param) in self.given.iter().enumerate().filter(|(_, param)| !param.name.is_empty()) {
            let item = field.index(index);
            match self.declared.iter().find(|spec| spec.name == param.name) {
                None => found.error(&item.key("name"), self.undeclared(&param.name)),
                Some(spec) => match param.text() {
                    // That it is missing or no text is a matter of the Connector alone.
                    None => {}
                    Some(text) if !allows(spec, text) => found.error(&item.key("value"), not_allowed(spec)),
                    Some(_) => {}
                },
            }
        }
        if !self.all_required {
            return;
        }
        for spec in self.declared.iter().filter(|spec| spec.default.is_none() && !spec.name.is_empty()) {
            if !self.given.iter().any(|param| param.name == spec.name) {
                found.error(
                    field,
                    format!("{} {:?} is required by ConnectorClass {:?}: add {{name: {}, value: …}}", self.what, spec.name, self.class, spec.name),
                );
            }
        }
    }

    fn undeclared(&self, name: &str) -> String {
        let declared = || self.declared.iter().map(|spec| spec.name.as_str());
        let known = match self.declared.is_empty() {
            true => "it declares none".to_owned(),
            false => format!("it declares {}", declared().collect::<Vec<_>>().join(", ")),
        };
        let more = (self.hint)(name).map_or_else(|| did_you_mean(name, declared()), |hint| format!("; {hint}"));
        format!("ConnectorClass {:?} declares no {} {name:?}; {known}{more}", self.class, self.what)
    }
}

/// The values of a list of parameters: each given, each a text.
pub(super) fn values(params: &[Param], field: &FieldPath<'_>, found: &mut Problems) {
    names(params.iter().map(|param| param.name.as_str()), field, "name", found);
    for (index, param) in params.iter().enumerate() {
        let item = field.index(index);
        let value = item.key("value");
        match &param.value {
            Value::String(_) => {}
            Value::Null => found.error(&value, "is required"),
            Value::Bool(_) | Value::Number(_) => {
                found.error(&value, format!("must be a string, but it is {}; put it in quotes", kind_of(&param.value)));
            }
            other => found.error(&value, format!("must be a string, but it is {}", kind_of(other))),
        }
    }
}

/// Whether the declared parameter lets that value through.
pub(crate) fn allows(spec: &ParamSpec, value: &str) -> bool {
    spec.allowed.is_empty() || spec.allowed.iter().any(|allowed| allowed == value)
}

/// What to say when it doesn't.
pub(crate) fn not_allowed(spec: &ParamSpec) -> String {
    let allowed: Vec<String> = spec.allowed.iter().map(|value| format!("{value:?}")).collect();
    format!("must be one of {}", allowed.join(", "))
}

/// What a value is, for messages.
pub(crate) fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "a mapping",
    }
}
