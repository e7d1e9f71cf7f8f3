//! A prepared header line.

use connectors_core::{Credential, InjectedHeader, SecretValue};

/// `Authorization: <scheme> <value>\r\n`. The value must be clean; the schemes see to that.
pub(crate) fn authorization(scheme: &str, value: &[u8]) -> Credential {
    const NAME: &str = "Authorization";
    let mut line = Vec::with_capacity(NAME.len() + 2 + scheme.len() + 1 + value.len() + 2);
    line.extend_from_slice(NAME.as_bytes());
    line.extend_from_slice(b": ");
    line.extend_from_slice(scheme.as_bytes());
    line.push(b' ');
    line.extend_from_slice(value);
    line.extend_from_slice(b"\r\n");
    Credential { headers: vec![InjectedHeader { name: NAME.into(), line: SecretValue::new(line) }] }
}
