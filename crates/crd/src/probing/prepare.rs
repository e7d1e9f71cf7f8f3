//! From a probe, a Connector and its Secret to a request.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use connectors_core::{Address, Host, Origin, SecretValue};
use zeroize::Zeroizing;

use super::compile::{Compiled, Http};
use super::data::Data;
use super::outcome::Outcome;
use super::text::Text;
use crate::condition::{MAX_MESSAGE_BYTES, shortened};
use crate::{CheckedClass, Connector, ProbeMethod, Secret};

/// Which of a class's probes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Whether the tool is there.
    Liveness,
    /// Whether the credential is good.
    Auth,
}

impl Role {
    /// Both of them.
    pub const ALL: [Self; 2] = [Self::Liveness, Self::Auth];

    /// One word for metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Liveness => "liveness",
            Self::Auth => "auth",
        }
    }
}

/// Names and values, all of which may be credentials.
pub type Headers = Vec<(String, SecretValue)>;

/// A request that a probe is. `Debug` shows nothing that comes from a Secret.
#[derive(Debug)]
pub struct Request {
    /// Which probe it is.
    pub role: Role,
    /// Where it goes.
    pub origin: Origin,
    /// How.
    pub method: ProbeMethod,
    /// Path and query; may hold a credential.
    pub target: SecretValue,
    /// To be sent to [`Request::origin`] and to nobody else, wherever redirects lead.
    pub headers: Headers,
    /// Whether a redirect is followed.
    pub follow: bool,
    /// Whether it goes to the class's API rather than to the tool.
    pub to_api: bool,
    /// Whether something of the Secret is in it, as far as can be told.
    pub(super) has_credential: bool,
    pub(super) judge: Judge,
    /// Method and URL, for messages.
    pub(super) shown: String,
}

/// What makes an answer a good one.
#[derive(Debug)]
pub(super) enum Judge {
    /// 2xx.
    Success,
    /// The class's condition, which is in a field.
    Condition { probe: Arc<Compiled>, field: String },
    /// What the API says.
    Api,
}

impl Request {
    /// Whether the body of the answer matters.
    pub fn wants_body(&self) -> bool {
        matches!(self.judge, Judge::Condition { .. })
    }

    /// `GET https://…`, for messages and logs; nothing in it comes from the Secret.
    pub fn shown(&self) -> &str {
        &self.shown
    }
}

/// The probe of `role` that the class has for a Connector, as a request; `None` if it has none.
///
/// `secret` is the Connector's, if it has one that fits; `api` the URL of the class's API, if it is known. A Connector without `spec.auth` is probed as
/// if it named the first authentication type that is optional.
///
/// # Errors
/// What became of it without a request: a template that can't be rendered, or an API whose address isn't known.
pub fn prepare(role: Role, connector: &Connector, class: &CheckedClass, secret: Option<&Secret>, api: Option<&str>) -> Result<Option<Request>, Outcome> {
    let probes = class.probes();
    let auth = probes.of_auth(connector, class.class());
    let compiled = match role {
        Role::Liveness => probes.liveness.as_ref(),
        Role::Auth => auth.map(|(_, compiled)| compiled),
    };
    let Some(compiled) = compiled else { return Ok(None) };
    let auth = auth.map(|(auth, _)| auth);
    let data = Data::new(connector, class.class(), auth, secret).map_err(|error| Outcome::invalid(error.to_string()))?;
    match &**compiled {
        Compiled::Http(http) => http_request(role, compiled, http, connector, &data),
        Compiled::Api(path) => api_request(role, path, connector, secret, api, &data),
    }
    .map(Some)
}

fn http_request(role: Role, compiled: &Arc<Compiled>, http: &Http, connector: &Connector, data: &Data) -> Result<Request, Outcome> {
    let address = Address::parse(&connector.spec.address).map_err(|error| Outcome::invalid(format!("spec.address: {error}")))?;
    let origin = origin(http, address.origin());
    let rendered = http.path.render(data).map_err(Outcome::invalid)?;
    let target = target(&rendered).map_err(|problem| Outcome::invalid(format!("{} {problem}", http.path.field())))?;
    let mut headers = Headers::new();
    let harmless = http.path.is_harmless(&rendered, data);
    let mut has_credential = !harmless;
    for (name, value) in &http.headers {
        let rendered = value.render(data).map_err(Outcome::invalid)?;
        has_credential |= !value.is_harmless(&rendered, data);
        if rendered.expose().iter().any(|byte| *byte != b'\t' && byte.is_ascii_control()) {
            return Err(Outcome::invalid(format!("{} renders to a text with a line break or another control character in it", value.field())));
        }
        // A template that has nothing to say, as most do without a Secret, means no header.
        if !rendered.is_empty() {
            headers.push((name.clone(), rendered));
        }
    }
    let judge = match &http.condition {
        None => Judge::Success,
        Some((_, field)) => Judge::Condition { probe: compiled.clone(), field: field.clone() },
    };
    let shown = shown(http.method, &origin, &http.path.shown(&rendered, harmless));
    let (method, follow) = (http.method, http.follow);
    Ok(Request { role, origin, method, target, headers, follow, to_api: false, has_credential, judge, shown })
}

/// The Connector's, but for what the class says. Without a scheme it is the Connector's as long as the host is, and else http.
fn origin(http: &Http, own: &Origin) -> Origin {
    let (host, port) = match &http.host {
        Some((host, port)) if host != own.host() => return Origin::new(http.scheme.unwrap_or(connectors_core::Scheme::Http), host.clone(), *port),
        Some((_, port)) => (own.host(), *port),
        None => (own.host(), None),
    };
    let scheme = http.scheme.unwrap_or(own.scheme());
    // A port that the address names stays; the one that only follows from its scheme changes with it.
    let named = Some(own.port()).filter(|port| *port != own.scheme().default_port());
    Origin::new(scheme, Host::clone(host), port.or(named))
}

fn api_request(role: Role, path: &Text, connector: &Connector, secret: Option<&Secret>, api: Option<&str>, data: &Data) -> Result<Request, Outcome> {
    let undecided = |message: &str| Outcome::new(super::Verdict::Undecided, message);
    let api = api.ok_or_else(|| undecided("the address of the class's API is not known"))?;
    let address = Address::parse(api).map_err(|_| undecided("the address of the class's API is no http or https URL"))?;
    let rendered = path.render(data).map_err(Outcome::invalid)?;
    let joined = |path: &[u8]| {
        let slash: &[u8] = if path.starts_with(b"/") { b"" } else { b"/" };
        [address.prefix().as_str().trim_end_matches('/').as_bytes(), slash, path].concat()
    };
    let whole = SecretValue::new(joined(rendered.expose()));
    let target = target(&whole).map_err(|problem| Outcome::invalid(format!("{} {problem}", path.field())))?;
    let encoded = |bytes: &[u8]| SecretValue::new(STANDARD.encode(bytes));
    let meta = serde_json::json!({"baseURL": connector.spec.address}).to_string();
    let mut headers = vec![("X-Plugin-Meta".to_owned(), encoded(meta.as_bytes()))];
    if let Some(secret) = secret {
        headers.push(("X-Plugin-Auth".to_owned(), encoded(secret.secret_type.as_bytes())));
        headers.push(("X-Plugin-Secret".to_owned(), encoded(values(secret).as_bytes())));
    }
    let origin = address.origin().clone();
    let shown_path = joined(path.shown(&rendered, path.is_harmless(&rendered, data)).as_bytes());
    let shown = shown(ProbeMethod::Get, &origin, &String::from_utf8_lossy(&shown_path));
    let (method, has_credential) = (ProbeMethod::Get, secret.is_some());
    Ok(Request { role, origin, method, target, headers, follow: false, to_api: true, has_credential, judge: Judge::Api, shown })
}

/// A Secret's values as Kubernetes has them: a JSON object of texts in base64.
fn values(secret: &Secret) -> Zeroizing<String> {
    let mut json = Zeroizing::new(String::from("{"));
    for (index, (key, value)) in secret.data.iter().enumerate() {
        let comma = if index > 0 { "," } else { "" };
        let value = Zeroizing::new(STANDARD.encode(value.expose()));
        json.push_str(comma);
        json.push_str(&serde_json::Value::from(key.as_str()).to_string());
        json.push_str(":\"");
        json.push_str(&value);
        json.push('"');
    }
    json.push('}');
    json
}

fn shown(method: ProbeMethod, origin: &Origin, path: &str) -> String {
    shortened(format!("{} {}://{}{path}", method.as_str(), origin.scheme().as_str(), origin.authority()), MAX_SHOWN_BYTES)
}

/// Of a request in a message: what it has found must have room behind it.
const MAX_SHOWN_BYTES: usize = MAX_MESSAGE_BYTES / 4 * 3;

/// The longest path that is sent. No tool's is as long, and few take one.
const MAX_TARGET_BYTES: usize = 16 * 1024;

/// A rendered path as it is sent: what no URI has in it is percent-encoded, as browsers and Go do.
fn target(rendered: &SecretValue) -> Result<SecretValue, &'static str> {
    let bytes = rendered.expose();
    if !bytes.starts_with(b"/") {
        return Err("must render to a path that begins with '/'");
    }
    // Large enough from the start, so that growing leaves no copy behind.
    let mut target = Vec::with_capacity(bytes.len() * 3);
    for byte in bytes {
        match byte {
            b'#' => return Err("must render to a path without '#'"),
            _ if byte.is_ascii_control() => return Err("renders to a path with a line break or another control character in it"),
            b' ' | b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}' | 0x80.. => {
                target.extend_from_slice(&[b'%', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
            }
            _ => target.push(*byte),
        }
    }
    if target.len() > MAX_TARGET_BYTES {
        return Err("renders to a path of more than 16 KiB");
    }
    Ok(SecretValue::new(target))
}

const HEX: &[u8; 16] = b"0123456789ABCDEF";
