//! Bearer tokens, RFC 6750.

use connectors_core::{Credential, SecretValue};

use crate::{PrepareError, line};

/// `Authorization: Bearer <token>`.
///
/// Any visible ASCII is let through, not only RFC 6750's b64token: tools hand out tokens with other characters.
///
/// # Errors
/// An empty token, or one with a blank, a control character or a byte outside ASCII.
pub fn bearer(token: &SecretValue) -> Result<Credential, PrepareError> {
    let token = token.expose();
    if token.is_empty() {
        return Err(PrepareError::Empty);
    }
    if token.iter().any(u8::is_ascii_control) {
        return Err(PrepareError::ControlCharacter);
    }
    if !token.iter().all(u8::is_ascii_graphic) {
        return Err(PrepareError::NotAToken);
    }
    Ok(line::authorization("Bearer", token))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_becomes_a_line_or_is_refused() {
        let of = |token: &str| bearer(&SecretValue::new(token)).map(|made| String::from_utf8(made.headers[0].line().expose().to_vec()).unwrap());
        assert_eq!(of("abc.def").unwrap(), "Authorization: Bearer abc.def\r\n");
        assert_eq!(of(""), Err(PrepareError::Empty));
        assert_eq!(of("a b"), Err(PrepareError::NotAToken));
        assert_eq!(of("a\r\nX: y"), Err(PrepareError::ControlCharacter));
    }
}
