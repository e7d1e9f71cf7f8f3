//! A prepared header line.

use connectors_core::{Credential, InjectedHeader};
use zeroize::Zeroizing;

/// `Authorization: <scheme> <value>\r\n`. The value must be clean; the schemes see to that.
pub(crate) fn authorization(scheme: &str, value: &[u8]) -> Credential {
    let value = Zeroizing::new([scheme.as_bytes(), b" ", value].concat());
    Credential { headers: vec![InjectedHeader::new("Authorization", &value)], query: Vec::new() }
}
