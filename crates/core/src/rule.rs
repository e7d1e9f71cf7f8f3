//! Credentials and tokens that a rule of the class makes for, or finds in, each request. What runs the rules lives elsewhere: here is what the data path
//! knows of them.

use std::fmt;
use std::sync::Arc;

use crate::{Credential, SecretValue};

/// A request as a rule sees it.
#[derive(Clone, Copy)]
pub struct RequestView<'a> {
    /// As sent, such as `GET`.
    pub method: &'a str,
    /// Without the query.
    pub path: &'a str,
    /// Host and port that the request is for.
    pub host: &'a str,
    /// After the `?`, encoded; empty without one.
    pub query: &'a str,
    /// All header fields, in their order.
    pub headers: &'a dyn Headers,
    /// The whole body, if it was buffered.
    pub body: Option<&'a [u8]>,
}

/// Names and values of header fields.
pub trait Headers {
    /// Calls `visit` with each name and value, in order.
    fn each(&self, visit: &mut dyn FnMut(&[u8], &[u8]));
}

/// Makes a Connector's credential for one request at a time.
pub trait Generate: fmt::Debug + Send + Sync {
    /// Whether it can only be asked with the request's whole body.
    fn reads_body(&self) -> bool;

    /// What to put on that request.
    ///
    /// # Errors
    /// Which rule of which class gave nothing that can be sent, and why; never a value.
    fn generate(&self, request: RequestView<'_>) -> Result<Generated, RuleError>;
}

/// Finds the caller's token in requests to a Connector.
pub trait Extract: fmt::Debug + Send + Sync {
    /// The token; none if the rule says that there is none.
    ///
    /// # Errors
    /// Which rule of which class found nothing, and why; never a value.
    fn extract(&self, request: RequestView<'_>) -> Result<Option<SecretValue>, RuleError>;
}

/// Where a credential goes that was made for one request.
#[derive(Debug)]
pub enum Generated {
    /// Headers and parameters of the query.
    OnHead(Credential),
    /// Members of the request's body.
    InBody(Arc<BodyFields>),
}

/// A credential that is part of a request's body.
#[derive(Debug)]
pub struct BodyFields {
    /// What kind of body.
    pub format: BodyFormat,
    /// Names and values, each instead of all that the body has of that name.
    pub fields: Vec<(Box<str>, SecretValue)>,
}

/// How a body is written that has named members.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyFormat {
    /// `application/json`: an object.
    Json,
    /// `application/x-www-form-urlencoded`.
    Form,
}

/// Why a rule gave nothing. For the operator: it names class, field and rule, and no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("ConnectorClass {class:?}, {field}: {problem}")]
pub struct RuleError {
    /// The class.
    pub class: String,
    /// The field that has the rule.
    pub field: String,
    /// What is wrong.
    pub problem: String,
}
