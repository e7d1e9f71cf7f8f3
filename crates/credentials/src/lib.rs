//! What to put on a request: one file a scheme.
//!
//! A static scheme prepares its header line when a Secret changes; at the request there is only [`credential`], which
//! takes a [`Permit`] and hands out what was prepared, or the class's rule that makes it for each request. A scheme that needs to ask somebody else (a
//! registry's token service) will answer in the same place.

mod basic;
mod bearer;
mod body;
mod line;
mod rego;

pub use basic::basic;
pub use bearer::bearer;
pub use body::{BodyUnfit, content_type, merge};
use connectors_core::{Credential, Generate, Injection, Permit, Unready};
pub use connectors_expr::CompileError;
pub use rego::{ExtractorRule, GeneratorRule, RulePlace};

/// Why a scheme can't make a header from the values it was given. Never holds any of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PrepareError {
    /// RFC 7617 §2: the user name can't hold a colon, or the tool would split it in the wrong place.
    #[error("a user name with a ':' can't be sent by Basic authentication")]
    ColonInUsername,
    /// A character that would end the header line or isn't allowed in it (RFC 9110 §5.5).
    #[error("it has a line break, a NUL or another control character")]
    ControlCharacter,
    /// Nothing to send.
    #[error("it is empty")]
    Empty,
    /// A character that a token can't have (RFC 6750 §2.1).
    #[error("it has a blank or a character outside ASCII, which no bearer token has")]
    NotAToken,
}

/// What a permitted request gets.
#[derive(Debug)]
pub enum Ready<'p> {
    /// What was prepared; `None` if the Connector needs no credential.
    Prepared(Option<&'p Credential>),
    /// What this makes of the request.
    PerRequest(&'p dyn Generate),
}

/// The credential for a permitted request.
///
/// # Errors
/// The Connector's reason for not being ready; the request must then not be sent at all.
pub fn credential(permit: &Permit) -> Result<Ready<'_>, &Unready> {
    match &permit.connector().injection {
        Injection::Nothing => Ok(Ready::Prepared(None)),
        Injection::Static(credential) => Ok(Ready::Prepared(Some(credential))),
        Injection::PerRequest(generator) => Ok(Ready::PerRequest(&**generator)),
        Injection::Unready(unready) => Err(unready),
    }
}
