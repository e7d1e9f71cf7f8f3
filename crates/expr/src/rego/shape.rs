//! Reading what a rule returned, without telling its values.

use super::EvalError;
use regorus::Value;

/// A result, and the rule that it is of.
pub(super) struct Shape<'a> {
    pub(super) rule: &'a str,
    pub(super) value: &'a Value,
}

impl<'a> Shape<'a> {
    /// An error about a field.
    pub(super) fn wrong(&self, field: &str, problem: &'static str) -> EvalError {
        EvalError::Shape { rule: self.rule.to_owned(), field: field.to_owned(), problem }
    }

    /// A field, if there.
    ///
    /// # Errors
    /// [`EvalError::Undefined`], or [`EvalError::Shape`] if the result is no object.
    pub(super) fn optional(&self, field: &str) -> Result<Option<&'a Value>, EvalError> {
        match self.value {
            Value::Object(fields) => Ok(fields.get(&Value::from(field))),
            Value::Undefined => Err(EvalError::Undefined { rule: self.rule.to_owned() }),
            _ => Err(self.wrong("the result", "must be an object")),
        }
    }

    /// A text, if there.
    ///
    /// # Errors
    /// As [`Shape::optional`], and if it is something else.
    pub(super) fn optional_text(&self, field: &str) -> Result<Option<&'a str>, EvalError> {
        match self.optional(field)? {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(self.wrong(field, "must be a string")),
        }
    }

    /// A text.
    ///
    /// # Errors
    /// As [`Shape::optional_text`], and if it isn't there.
    pub(super) fn text(&self, field: &str) -> Result<&'a str, EvalError> {
        self.optional_text(field)?.ok_or_else(|| self.wrong(field, "is missing"))
    }
}
