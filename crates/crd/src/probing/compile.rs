//! Probes of a class, checked and compiled.

use std::collections::BTreeMap;
use std::sync::Arc;

use connectors_core::{Host, Scheme};
use connectors_expr::{CelError, Condition, Response};

use super::text::Text;
use crate::problem::{FieldPath, Problems};
use crate::{ApiProbe, AuthType, Connector, ConnectorClass, HttpProbe, Probe, ProbeHeader, ProbeMethod, ProbeScheme};

/// What compiled; all Connectors of the class share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Probes {
    pub(crate) liveness: Option<Arc<Compiled>>,
    /// By authentication type.
    pub(crate) auth: BTreeMap<String, Arc<Compiled>>,
}

/// A probe.
#[derive(Debug)]
pub(crate) enum Compiled {
    /// A request to the tool.
    Http(Box<Http>),
    /// A request to the class's API: its path.
    Api(Box<Text>),
}

/// A request to the tool.
#[derive(Debug)]
pub(crate) struct Http {
    pub(super) path: Text,
    pub(super) method: ProbeMethod,
    pub(super) host: Option<(Host, Option<u16>)>,
    pub(super) scheme: Option<Scheme>,
    pub(super) follow: bool,
    pub(super) headers: Vec<(String, Text)>,
    /// And the field that it is in.
    pub(super) condition: Option<(Condition, String)>,
}

impl Probes {
    /// The authentication probe that counts for a Connector, if there is one. A Connector without `spec.auth` is probed as if it named the first
    /// authentication type that is optional.
    pub(crate) fn of_auth<'a>(&'a self, connector: &Connector, class: &'a ConnectorClass) -> Option<(&'a AuthType, &'a Arc<Compiled>)> {
        let auth = match &connector.spec.auth {
            Some(auth) => class.auth_type(&auth.name),
            None => class.spec.auth.types.iter().find(|auth| auth.optional),
        }?;
        Some((auth, self.auth.get(&auth.name)?))
    }
}

impl Compiled {
    /// Evaluates its condition; true without one.
    pub(super) fn condition(&self, response: Response<'_>) -> Result<bool, CelError> {
        match self {
            Self::Http(http) => http.condition.as_ref().map_or(Ok(true), |(condition, _)| condition.holds(response)),
            Self::Api(_) => Ok(true),
        }
    }
}

/// Headers that say how the message is sent, which whoever sends it decides. Go's client, which the original sends probes with, passes over most of them too.
const NOT_OURS: [&str; 8] = ["host", "content-length", "transfer-encoding", "connection", "te", "trailer", "upgrade", "expect"];

/// Headers that a probe can have; tools take about a hundred in all.
const MAX_HEADERS: usize = 64;

/// Checks and compiles one; `has_api` is whether the class has a `spec.api`. `None` if it can't be used.
pub(crate) fn probe(probe: &Probe, has_api: bool, field: &FieldPath<'_>, found: &mut Problems) -> Option<Compiled> {
    match (&probe.http, &probe.api) {
        (None, None) => found.error(field, "must have one of http and api"),
        (Some(_), Some(_)) => found.error(field, "must have only one of http and api"),
        (Some(probe), None) => return http(probe, &field.key("http"), found).map(|http| Compiled::Http(Box::new(http))),
        (None, Some(probe)) => return api(probe, has_api, &field.key("api"), found).map(|path| Compiled::Api(Box::new(path))),
    }
    None
}

fn api(probe: &ApiProbe, has_api: bool, field: &FieldPath<'_>, found: &mut Problems) -> Option<Text> {
    if !has_api {
        found.error(field, "needs spec.api, which says where the class's API is");
    }
    path(&probe.path, false, field, found)
}

fn http(probe: &HttpProbe, field: &FieldPath<'_>, found: &mut Problems) -> Option<Http> {
    let path = path(&probe.path, true, field, found);
    let host = match probe.host.as_str() {
        "" => None,
        text => Host::parse_with_port(text).map_err(|error| found.error(&field.key("host"), format!("must be a host, or host:port: {error}"))).ok(),
    };
    let list = field.key("httpHeaders");
    if probe.http_headers.len() > MAX_HEADERS {
        found.error(&list, format!("has {} headers, and may have {MAX_HEADERS}", probe.http_headers.len()));
        return None;
    }
    let headers = probe.http_headers.iter().enumerate().filter_map(|(index, given)| header(given, &list.index(index), found)).collect();
    let cel = field.key("response");
    let cel = cel.key("cel");
    let condition = match &probe.response {
        None => None,
        Some(response) if response.cel.trim().is_empty() => {
            found.error(&cel, "is required: an expression such as response.statusCode == 200");
            None
        }
        Some(response) => match Condition::compile(&response.cel) {
            Ok(condition) => Some((condition, cel.to_string())),
            Err(error) => {
                found.error(&cel, format!("is no usable condition: {error}"));
                None
            }
        },
    };
    // What is left out because it is wrong makes the class unusable as a whole.
    Some(Http {
        path: path?,
        method: probe.method,
        host,
        scheme: probe.scheme.map(|scheme| match scheme {
            ProbeScheme::Http => Scheme::Http,
            ProbeScheme::Https => Scheme::Https,
        }),
        follow: !probe.disable_redirect,
        headers,
        condition,
    })
}

fn path(source: &str, absolute: bool, field: &FieldPath<'_>, found: &mut Problems) -> Option<Text> {
    let field = field.key("path");
    if source.trim().is_empty() {
        found.error(&field, "is required");
        return None;
    }
    let begins = |with: &str| source.trim_start().starts_with(with);
    if absolute && !begins("/") && !begins("{{") {
        found.error(&field, "must begin with '/'");
    }
    template("path", source, &field, found)
}

fn header(header: &ProbeHeader, field: &FieldPath<'_>, found: &mut Problems) -> Option<(String, Text)> {
    let name = field.key("name");
    let text = template("value", &header.value, &field.key("value"), found);
    if header.name.is_empty() {
        found.error(&name, "is required");
        return None;
    }
    if !is_token(&header.name) {
        found.error(&name, "must be the name of a header: letters, digits and '-'");
        return None;
    }
    if NOT_OURS.iter().any(|other| header.name.eq_ignore_ascii_case(other)) {
        let instead = if header.name.eq_ignore_ascii_case("host") { "; to ask another host, set http.host" } else { "" };
        found.warning(&name, format!("{} is not sent: whoever sends the request decides it{instead}", header.name));
        return None;
    }
    text.map(|text| (header.name.clone(), text))
}

fn template(name: &str, source: &str, field: &FieldPath<'_>, found: &mut Problems) -> Option<Text> {
    Text::parse(name, field.to_string(), source).map_err(|error| found.error(field, format!("is no usable template: {error}"))).ok()
}

/// RFC 9110 §5.6.2.
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}
