//! Credentials that are part of a request's body.

use std::borrow::Cow;

use connectors_core::{BodyFields, BodyFormat, SecretValue};
use percent_encoding::{percent_decode, percent_encode};
use serde_json::Value;

use crate::rego::ENCODED;

/// Why a credential can't be put into a body. For the caller, whose body it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyUnfit {
    /// Another kind of body, or several kinds at once.
    #[error("the request's Content-Type says that its body is of another kind")]
    OtherType,
    /// It says that it is JSON.
    #[error("the request's body is no JSON object")]
    NoObject,
    /// It is compressed.
    #[error("the request's body has a Content-Encoding")]
    Encoded,
    /// What follows the head is for another protocol.
    #[error("a request to switch protocols has none")]
    Upgrade,
}

/// The Content-Type of a body that holds nothing but a credential.
pub fn content_type(format: BodyFormat) -> &'static str {
    match format {
        BodyFormat::Json => "application/json",
        BodyFormat::Form => "application/x-www-form-urlencoded",
    }
}

/// The body with the credential's members instead of all that it has of their names, and otherwise byte for byte as it is. Without a body, one that has nothing else.
///
/// # Errors
/// If it isn't of that format, or `kind`, its Content-Type, says so.
pub fn merge(fields: &BodyFields, kind: Option<&[u8]>, body: &[u8]) -> Result<Vec<u8>, BodyUnfit> {
    let named: Vec<(&str, &SecretValue)> = fields.fields.iter().map(|(name, value)| (&**name, value)).collect();
    if !body.is_empty() && !is_of(fields.format, kind.unwrap_or_default()) {
        return Err(BodyUnfit::OtherType);
    }
    match fields.format {
        BodyFormat::Json => json(&named, body),
        BodyFormat::Form => Ok(form(&named, body)),
    }
}

fn is_of(format: BodyFormat, kind: &[u8]) -> bool {
    let kind = kind.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii().to_ascii_lowercase();
    kind == content_type(format).as_bytes() || format == BodyFormat::Json && kind.ends_with(b"+json") && kind.contains(&b'/')
}

fn json(named: &[(&str, &SecretValue)], body: &[u8]) -> Result<Vec<u8>, BodyUnfit> {
    let text = std::str::from_utf8(body).map_err(|_| BodyUnfit::NoObject)?;
    if !text.is_empty() && !matches!(serde_json::from_str(text), Ok(Value::Object(_))) {
        return Err(BodyUnfit::NoObject);
    }
    let mut out = Vec::with_capacity(body.len() + 64 * named.len());
    out.push(b'{');
    let mut add = |member: &[u8]| {
        if out.len() > 1 {
            out.push(b',');
        }
        out.extend_from_slice(member);
    };
    for member in members(text) {
        let name: String = serde_json::from_str(&member[..string_end(member)]).map_err(|_| BodyUnfit::NoObject)?;
        if !named.iter().any(|(set, _)| *set == name) {
            add(member.as_bytes());
        }
    }
    // Last, since of two members whose names are the same to a tool the last one counts nearly everywhere.
    for (name, value) in named {
        // The rule's values are text.
        let value = value.expose_str().unwrap_or_default();
        add(format!("{}:{}", Value::from(*name), Value::from(value)).as_bytes());
    }
    out.push(b'}');
    Ok(out)
}

/// The members of an object whose text is known to be one, each as it is written: `"name" : value`.
fn members(text: &str) -> impl Iterator<Item = &str> {
    let inner = text.trim_ascii().strip_prefix('{').and_then(|text| text.strip_suffix('}')).unwrap_or_default();
    let mut rest = inner;
    std::iter::from_fn(move || {
        let (mut depth, mut at) = (0_usize, 0);
        let bytes = rest.as_bytes();
        while at < bytes.len() && !(depth == 0 && bytes[at] == b',') {
            match bytes[at] {
                b'"' => at += string_end(&rest[at..]) - 1,
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth = depth.saturating_sub(1),
                _ => {}
            }
            at += 1;
        }
        let member = rest.get(..at)?.trim_ascii();
        rest = rest.get(at + 1..).unwrap_or_default();
        (!member.is_empty()).then_some(member)
    })
}

/// How long the string is that the text begins with, with its quotes.
fn string_end(text: &str) -> usize {
    let mut escaped = false;
    let end = text.bytes().enumerate().skip(1).find(|(_, byte)| {
        let ends = *byte == b'"' && !escaped;
        escaped = *byte == b'\\' && !escaped;
        ends
    });
    end.map_or(text.len(), |(at, _)| at + 1)
}

fn form(named: &[(&str, &SecretValue)], body: &[u8]) -> Vec<u8> {
    let is_set = |field: &[u8]| {
        let name: Vec<u8> = field.split(|byte| *byte == b'=').next().unwrap_or_default().iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
        let name: Cow<'_, [u8]> = percent_decode(&name).into();
        named.iter().any(|(set, _)| set.as_bytes() == &*name)
    };
    let mut out = Vec::with_capacity(body.len() + 64 * named.len());
    let mut add = |field: &[u8]| {
        if !out.is_empty() {
            out.push(b'&');
        }
        out.extend_from_slice(field);
    };
    // There are servers that take `;` for `&`.
    for field in body.split(|byte| *byte == b'&').filter(|field| !field.is_empty() && !is_set(field) && !field.split(|byte| *byte == b';').any(is_set)) {
        add(field);
    }
    for (name, value) in named {
        add(format!("{}={}", percent_encode(name.as_bytes(), ENCODED), percent_encode(value.expose(), ENCODED)).as_bytes());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(format: BodyFormat, kind: &str, body: &str, expect: Result<&str, BodyUnfit>) {
        let fields = BodyFields { format, fields: vec![("token".into(), SecretValue::new("a\"&=\r\n"))] };
        let merged = merge(&fields, Some(kind.as_bytes()), body.as_bytes()).map(|merged| String::from_utf8(merged).unwrap());
        assert_eq!(merged, expect.map(str::to_owned), "{kind} {body}");
    }

    #[test]
    fn a_member_replaces_all_of_its_name_and_the_rest_stays_as_it_is_written() {
        let json = |body: &str, expect: &str| check(BodyFormat::Json, "application/json; charset=utf-8", body, Ok(expect));
        let set = r#""token":"a\"&=\r\n""#;
        json("", &format!("{{{set}}}"));
        json(" { } ", &format!("{{{set}}}"));
        json(r#"{"a":1.10,"token":1,"b":{"token":2}}"#, &format!(r#"{{"a":1.10,"b":{{"token":2}},{set}}}"#));
        json(r#"{ "tok\u0065n" : "x" , "token":[1,{"c":"}],"}], "big":12345678901234567890123 }"#, &format!(r#"{{"big":12345678901234567890123,{set}}}"#));
        json(r#"{"q\"":"\\","c":"\\\",","token":null}"#, &format!(r#"{{"q\"":"\\","c":"\\\",",{set}}}"#));
        let form = |body: &str, expect: &str| check(BodyFormat::Form, "Application/X-WWW-Form-Urlencoded", body, Ok(expect));
        let set = "token=a%22%26%3D%0D%0A";
        form("", set);
        form("a=1&token=x&%74oken=y&b=+", &format!("a=1&b=+&{set}"));
        form("a=1;token=x&&b", &format!("b&{set}"));
    }

    #[test]
    fn another_body_is_refused() {
        for body in ["[]", "{", "{}{}", "1", "{\"a\":1e999}", "\u{feff}{}"] {
            check(BodyFormat::Json, "application/json", body, Err(BodyUnfit::NoObject));
        }
        check(BodyFormat::Json, "text/plain", "{}", Err(BodyUnfit::OtherType));
        check(BodyFormat::Json, "", "{}", Err(BodyUnfit::OtherType));
        check(BodyFormat::Form, "application/json", "{}", Err(BodyUnfit::OtherType));
        check(BodyFormat::Json, "application/merge-patch+json", "{}", Ok("{\"token\":\"a\\\"&=\\r\\n\"}"));
    }
}
