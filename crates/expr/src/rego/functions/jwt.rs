//! OPA's `io.jwt.*`: signing with all algorithms, verifying with shared secrets (HS256, HS384, HS512).

use super::signing::{field, hmac_of, sign, unbase64};
use super::{MAX_ARGUMENT_BYTES, Outcome, Stop, Value, charge_all, crypto, json, text};
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::time::{SystemTime, UNIX_EPOCH};

/// `[header, payload, signature in hexadecimal]`, unverified.
pub(super) fn decode(arguments: &[Value]) -> Outcome {
    charge_all(arguments, MAX_ARGUMENT_BYTES)?;
    let token = Token::read(text(arguments.first())?)?;
    Ok(Value::from(vec![token.header, token.payload, crypto::hex(&token.signature)]))
}

pub(super) fn verify_hs256(arguments: &[Value]) -> Outcome {
    verify("HS256", arguments)
}

pub(super) fn verify_hs384(arguments: &[Value]) -> Outcome {
    verify("HS384", arguments)
}

pub(super) fn verify_hs512(arguments: &[Value]) -> Outcome {
    verify("HS512", arguments)
}

/// `[true, header, payload]` if the signature and all constraints (`secret`, `alg`, `iss`, `aud`, `time`) hold, `[false, {}, {}]` if not. A token that
/// names an audience needs the constraint `aud`.
pub(super) fn decode_verify(arguments: &[Value]) -> Outcome {
    charge_all(arguments, MAX_ARGUMENT_BYTES)?;
    let Some(constraints @ Value::Object(fields)) = arguments.get(1) else { return Err(Stop::Undefined) };
    // As in OPA, a constraint that isn't known is an error; those for certificates aren't known here.
    let known = ["secret", "alg", "iss", "aud", "time"];
    if !fields.iter().all(|(key, _)| matches!(key, Value::String(key) if known.contains(&&**key))) {
        return Err(Stop::Undefined);
    }
    let token = Token::read(text(arguments.first())?)?;
    let secret = text(field(constraints, "secret"))?;
    let constrained = |name: &str, found: Option<&Value>| field(constraints, name).is_none_or(|wanted| Some(wanted) == found);
    let algorithm = field(&token.header, "alg");
    let audience = match (field(constraints, "aud"), field(&token.payload, "aud")) {
        (None, None) => true,
        (Some(wanted), Some(Value::Array(found))) => found.iter().any(|one| one == wanted),
        (Some(wanted), Some(found)) => wanted == found,
        _ => false,
    };
    let now = match field(constraints, "time") {
        Some(time) => time.as_f64().map_err(|_| Stop::Undefined)? / 1e9,
        None => SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64(),
    };
    let number = |name: &str| field(&token.payload, name).map(|value| value.as_f64().ok());
    let in_time = number("exp").is_none_or(|exp| exp.is_some_and(|exp| now < exp)) && number("nbf").is_none_or(|nbf| nbf.is_some_and(|nbf| now >= nbf));
    let signed = matches!(algorithm, Some(Value::String(name)) if token.is_signed(name, secret));
    if signed && in_time && audience && constrained("alg", algorithm) && constrained("iss", field(&token.payload, "iss")) {
        Ok(Value::from(vec![Value::from(true), token.header, token.payload]))
    } else {
        Ok(Value::from(vec![Value::from(false), Value::new_object(), Value::new_object()]))
    }
}

/// A token with header and payload as OPA writes objects, signed with a JWK.
pub(super) fn encode_sign(arguments: &[Value]) -> Outcome {
    charge_all(arguments, MAX_ARGUMENT_BYTES)?;
    let [header @ Value::Object(_), payload @ Value::Object(_), key] = arguments else { return Err(Stop::Undefined) };
    encode(header, &json::write(header), &json::write(payload), key)
}

/// The same from texts.
pub(super) fn encode_sign_raw(arguments: &[Value]) -> Outcome {
    charge_all(arguments, MAX_ARGUMENT_BYTES)?;
    let [header, payload, key] = arguments else { return Err(Stop::Undefined) };
    let (header, payload) = (text(Some(header))?, text(Some(payload))?);
    let parse = |text: &str| Value::from_json_str(text).map_err(|_| Stop::Undefined);
    encode(&parse(header)?, header, payload, &parse(text(Some(key))?)?)
}

struct Token<'a> {
    header: Value,
    payload: Value,
    signature: Vec<u8>,
    /// What is signed.
    message: &'a str,
}

impl<'a> Token<'a> {
    fn read(text: &'a str) -> Result<Self, Stop> {
        let (message, signature) = text.rsplit_once('.').ok_or(Stop::Undefined)?;
        let (header, payload) = message.split_once('.').filter(|(_, payload)| !payload.contains('.')).ok_or(Stop::Undefined)?;
        let object = |part: &str| {
            let json = String::from_utf8(unbase64(part)?).map_err(|_| Stop::Undefined)?;
            Value::from_json_str(&json).ok().filter(|value| matches!(value, Value::Object(_))).ok_or(Stop::Undefined)
        };
        Ok(Self { header: object(header)?, payload: object(payload)?, signature: unbase64(signature)?, message })
    }

    fn is_signed(&self, algorithm: &str, secret: &str) -> bool {
        hmac_of(algorithm)
            .is_some_and(|algorithm| hmac::verify(&hmac::Key::new(algorithm, secret.as_bytes()), self.message.as_bytes(), &self.signature).is_ok())
    }
}

fn verify(algorithm: &str, arguments: &[Value]) -> Outcome {
    charge_all(arguments, MAX_ARGUMENT_BYTES)?;
    let token = Token::read(text(arguments.first())?)?;
    Ok(Value::from(token.is_signed(algorithm, text(arguments.get(1))?)))
}

fn encode(header: &Value, header_text: &str, payload_text: &str, key: &Value) -> Outcome {
    let algorithm = text(field(header, "alg"))?;
    let mut token = URL_SAFE_NO_PAD.encode(header_text);
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(payload_text, &mut token);
    let signature = sign(algorithm, key, token.as_bytes())?;
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut token);
    Ok(Value::from(token))
}
