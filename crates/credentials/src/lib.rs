//! What to put on a request: one file a scheme.
//!
//! A static scheme prepares its header line when a Secret changes; at the request there is only [`credential`], which
//! takes a [`Permit`] and hands out what was prepared. A scheme that needs to ask somebody else (a registry's token
//! service) will answer in the same place.

mod basic;
mod bearer;
mod line;

pub use basic::basic;
pub use bearer::bearer;
use connectors_core::{Credential, Injection, Permit, Unready};

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

/// The credential for a permitted request; `None` if the Connector needs none.
///
/// # Errors
/// The Connector's reason for not being ready; the request must then not be sent at all.
pub fn credential(permit: &Permit) -> Result<Option<&Credential>, &Unready> {
    match &permit.connector().injection {
        Injection::Nothing => Ok(None),
        Injection::Static(credential) => Ok(Some(credential)),
        Injection::Unready(unready) => Err(unready),
    }
}
