//! Basic authentication, RFC 7617.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use connectors_core::{Credential, SecretValue};
use zeroize::Zeroizing;

use crate::{PrepareError, line};

/// `Authorization: Basic base64(username:password)`. Either may be empty: some tools take a token as user name or as
/// password alone.
///
/// # Errors
/// A colon in the user name, a control character in either (RFC 7617 §2), or both empty.
pub fn basic(username: &SecretValue, password: &SecretValue) -> Result<Credential, PrepareError> {
    let (username, password) = (username.expose(), password.expose());
    if username.is_empty() && password.is_empty() {
        return Err(PrepareError::Empty);
    }
    if username.contains(&b':') {
        return Err(PrepareError::ColonInUsername);
    }
    if username.iter().chain(password).any(u8::is_ascii_control) {
        return Err(PrepareError::ControlCharacter);
    }
    let plain = Zeroizing::new([username, b":", password].concat());
    let encoded = Zeroizing::new(STANDARD.encode(&*plain));
    Ok(line::authorization("Basic", encoded.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(username: &str, password: &str) -> Result<String, PrepareError> {
        basic(&SecretValue::new(username), &SecretValue::new(password)).map(|made| String::from_utf8(made.headers[0].line().expose().to_vec()).unwrap())
    }

    #[test]
    fn encodes_as_the_rfc_does() {
        assert_eq!(of("Aladdin", "open sesame").unwrap(), "Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n");
        assert_eq!(of("test", "123\u{a3}").unwrap(), "Authorization: Basic dGVzdDoxMjPCow==\r\n");
        assert_eq!(of("", "token").unwrap(), "Authorization: Basic OnRva2Vu\r\n");
    }

    #[test]
    fn refuses_what_the_tool_would_misread() {
        assert_eq!(of("a:b", "c"), Err(PrepareError::ColonInUsername));
        assert_eq!(of("a", "c\n"), Err(PrepareError::ControlCharacter));
        assert_eq!(of("", ""), Err(PrepareError::Empty));
    }
}
