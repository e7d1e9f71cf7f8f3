//! `spec.auth.types[].generator.rego`: what a credential looks like on a request.

use super::input::{Data, Request, build};
use super::shape::Shape;
use super::{CompileError, Dialect, EvalError, Reads, Rego};
use crate::Secret;
use regorus::Value;

/// A compiled generator: package `proxy`, `auth = {"position": "header" | "query" | "body", "contentType": …, "auth": {…}}`.
#[derive(Debug, Clone)]
pub struct Generator(Rego);

/// Where a credential goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Each is a header field, instead of all those of that name.
    Header,
    /// Each is a parameter of the query, likewise, yet to be percent-encoded.
    Query,
    /// Each is a member of the body's JSON object.
    JsonBody,
    /// Each is a field of the body's form.
    FormBody,
}

/// A credential to put on a request.
#[derive(Debug, Clone)]
pub struct Generated {
    /// Where it goes.
    pub place: Place,
    /// Names and values, sorted by name. Those of headers are valid fields.
    pub entries: Vec<(String, Secret)>,
}

impl Generator {
    /// Compiles a module.
    ///
    /// # Errors
    /// What is wrong with it, and where; [`CompileError::NoRule`] without `data.proxy.auth`.
    pub fn compile(source: &str) -> Result<Self, CompileError> {
        Rego::compile(source, "data.proxy.auth", Dialect::Either)?.required("proxy", "auth").map(Self)
    }

    /// What it reads: the body must be given only if that is in it.
    #[must_use]
    pub fn reads(&self) -> &Reads {
        self.0.reads()
    }

    /// Whether its answer depends on the Secret alone, so that it is needed once a change, and not for every request.
    #[must_use]
    pub fn is_static(&self) -> bool {
        self.0.is_pure() && !self.reads().of_request()
    }

    /// What to put on a request; none is needed if it [is static](Self::is_static).
    ///
    /// # Errors
    /// If the rule is undefined, has several values or the wrong ones, or breaks a limit. No value is in the error.
    pub fn generate(&self, request: Option<Request<'_>>, data: &Data) -> Result<Generated, EvalError> {
        let value = self.0.value(build(self.reads(), request, Some(data)))?;
        let shape = Shape { rule: self.0.rule(), value: &value };
        let place = place(&shape)?;
        let Some(Value::Object(fields)) = shape.optional("auth")? else { return Err(shape.wrong("auth", "must be an object of strings")) };
        let mut entries = Vec::with_capacity(fields.len());
        for (name, value) in fields.iter_sorted() {
            let (Value::String(name), Value::String(value)) = (name, value) else { return Err(shape.wrong("auth", "must be an object of strings")) };
            if place == Place::Header && !is_header_name(name) {
                return Err(shape.wrong("auth", "has a name that no header can have"));
            }
            if place == Place::Header && !is_header_value(value) {
                return Err(shape.wrong("auth", "has a value that no header can have, such as one with a line break"));
            }
            entries.push((name.to_string(), Secret::new(value)));
        }
        Ok(Generated { place, entries })
    }
}

fn place(shape: &Shape<'_>) -> Result<Place, EvalError> {
    let position = shape.text("position")?;
    let kind = shape.optional_text("contentType")?;
    match position {
        "header" => Ok(Place::Header),
        "query" => Ok(Place::Query),
        "body" => match kind.map(|kind| kind.split(';').next().unwrap_or_default().trim()) {
            None | Some("" | "application/json") => Ok(Place::JsonBody),
            Some("application/x-www-form-urlencoded") => Ok(Place::FormBody),
            Some(_) => Err(shape.wrong("contentType", "must be application/json or application/x-www-form-urlencoded")),
        },
        _ => Err(shape.wrong("position", "must be header, query or body")),
    }
}

/// RFC 9110, section 5.6.2: a token.
fn is_header_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// RFC 9110, section 5.5: no control characters but tabs, no space at the ends.
fn is_header_value(value: &str) -> bool {
    value.bytes().all(|byte| byte == b'\t' || (byte >= b' ' && byte != 0x7f)) && value.trim_matches([' ', '\t']) == value
}
