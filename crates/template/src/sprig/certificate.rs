//! Keys and certificates.
use crate::function::Function;
pub(super) static FUNCTIONS: &[Function] = &[];
