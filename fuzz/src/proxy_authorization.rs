//! Credentials of callers. The input is the value of a Proxy-Authorization or Authorization field; or, where it has a second line, a user name
//! and a token.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use connectors_core::{ConnectorRef, SecretValue};
use connectors_http1::{HeadLimits, RequestHead};
use connectors_proxy::fuzzing::{proxy_credentials, reverse_token};

use crate::input;

/// In no error, whatever else was sent with it.
const CANARY: &str = "canary-b2c7";

/// What is well-formed is read as it was meant, everything else is refused, and no error tells anything of a token.
pub fn check(data: &[u8]) {
    if data.contains(&b'\n') {
        let [user, token] = input::lines(data);
        check_pair(user, token);
    } else {
        check_value(data);
        check_value(&[data, CANARY.as_bytes()].concat());
        check_value(&[b"Basic ", STANDARD.encode([data, CANARY.as_bytes()].concat()).as_bytes()].concat());
        check_value(&[b"Bearer ", CANARY.as_bytes(), data].concat());
    }
}

/// A value as it may come from anywhere.
fn check_value(value: &[u8]) {
    let Some(head) = head(value) else { return };
    let pair = naive_pair(value);
    match proxy_credentials(&head) {
        Ok((named, token)) => {
            let (user, password) = pair.as_ref().expect("Basic credentials");
            assert!((1..=32).contains(&named.len()));
            assert_eq!((names(&named), token.expose()), (naive_names(user).unwrap(), &password[..]));
            assert_secret(&token);
        }
        Err(error) => {
            assert_tells_nothing(&error);
            let good = pair.as_ref().and_then(|(user, _)| naive_names(user)).filter(|names| names.len() <= 32);
            assert!(good.is_none(), "refused although it names Connectors: {error}");
        }
    }
    match reverse_token(&head) {
        Ok(token) => {
            // The blanks around a field value are not of the value.
            match value.trim_ascii().split_at_checked(7) {
                Some((scheme, rest)) if scheme.eq_ignore_ascii_case(b"bearer ") => assert_eq!(token.expose(), rest.trim_ascii()),
                _ => assert_eq!(token.expose(), pair.expect("Basic credentials").1),
            }
            assert_secret(&token);
        }
        Err(error) => assert_tells_nothing(&error),
    }
}

/// A user name and a token as a client would send them.
fn check_pair(user: &[u8], token: &[u8]) {
    let token = [token, CANARY.as_bytes()].concat();
    let Some(plain) = (!user.contains(&b':')).then(|| [user, b":", &token[..]].concat()) else { return };
    for scheme in ["Basic", "basic", "BASIC "] {
        let head = head(format!("{scheme} {}", STANDARD.encode(&plain)).as_bytes()).expect("a good field value");
        assert_eq!(reverse_token(&head).unwrap().expose(), token, "any user name will do");
        match (proxy_credentials(&head), naive_names(user).filter(|names| names.len() <= 32)) {
            (Ok((named, read)), Some(expected)) => assert_eq!((names(&named), read.expose()), (expected, &token[..])),
            (Err(error), None) => assert_tells_nothing(&error),
            (outcome, expected) => panic!("{:?}, but the names are {expected:?}", outcome.map(|(named, _)| named)),
        }
    }
    if let Some(head) = head(&[b"Bearer ", &token[..]].concat()) {
        let trimmed = token.iter().position(|byte| !matches!(byte, b' ' | b'\t')).unwrap_or(token.len());
        assert_eq!(reverse_token(&head).unwrap().expose(), &token[trimmed..]);
        assert_tells_nothing(&proxy_credentials(&head).unwrap_err());
    }
}

/// A request with this value in both fields.
fn head(value: &[u8]) -> Option<RequestHead> {
    if !input::is_field_value(value) {
        return None;
    }
    let text = [b"GET / HTTP/1.1\r\nHost: a\r\nAuthorization: ", value, b"\r\nProxy-Authorization: ", value, b"\r\n\r\n"].concat();
    let mut head = RequestHead::new();
    head.parse(&text, &HeadLimits::default()).ok()??;
    Some(head)
}

/// RFC 7617 §2: user name and password.
fn naive_pair(value: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let text = std::str::from_utf8(value).ok()?.trim_matches([' ', '\t']);
    let (scheme, encoded) = text.split_once(' ')?;
    let plain = STANDARD.decode(encoded.trim_start_matches([' ', '\t'])).ok().filter(|_| scheme.eq_ignore_ascii_case("basic"))?;
    let colon = plain.iter().position(|byte| *byte == b':')?;
    let (user, password) = (plain[..colon].to_vec(), plain[colon + 1..].to_vec());
    (!password.is_empty()).then_some((user, password))
}

/// The Connectors in a user name: `/` or a literal `%2F` between namespace and name, `,` between Connectors.
fn naive_names(user: &[u8]) -> Option<Vec<String>> {
    let user = std::str::from_utf8(user).ok()?.replace("%2F", "/").replace("%2f", "/");
    let is_label = |text: &str, max: usize| {
        let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        (1..=max).contains(&text.len()) && text.bytes().all(inner) && !text.starts_with('-') && !text.ends_with('-')
    };
    let name = |text: &str| text.split_once('/').filter(|(namespace, name)| is_label(namespace, 63) && is_label(name, 61)).map(|_| text.to_owned());
    user.split(',').map(name).collect()
}

fn names(named: &[ConnectorRef]) -> Vec<String> {
    named.iter().map(ConnectorRef::to_string).collect()
}

#[track_caller]
fn assert_tells_nothing(error: &str) {
    assert!(!error.is_empty() && !error.contains(CANARY) && !error.contains(&STANDARD.encode(CANARY)), "{error}");
}

fn assert_secret(token: &SecretValue) {
    assert!(!token.is_empty());
    assert_eq!(format!("{token:?}"), "[redacted]");
}
