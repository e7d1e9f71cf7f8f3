//! Every answer that the proxy makes itself. The only map from errors to HTTP.
//!
//! Each refusal has two texts: `message` is what the caller may know, `detail` is for the operator's log.

use connectors_core::{ConnectorRef, Denied, RuleError, Undecided, Unready, with_causes};
use connectors_credentials::BodyUnfit;
use connectors_http1::{BodyError, HeadError, HeadWriter, WriteError, reason_phrase};
use connectors_net::{DialError, Reach};
use serde_json::json;

use crate::http2::head::TranslateError;
use crate::identify::CredentialError;
use crate::target::TargetError;

/// Why the proxy answers instead of the tool.
#[derive(Debug)]
pub(crate) enum Reject {
    /// The head can't be read, so the connection is lost too.
    Head(HeadError),
    /// The body can't be read, so the connection is lost too.
    Body(BodyError),
    /// The request has no target here.
    Target(TargetError),
    /// TRACE would show the injected credential to the caller.
    Trace,
    /// CONNECT is switched off.
    ConnectDisabled,
    /// A CONNECT came by HTTP/2.
    ConnectOverHttp2,
    /// What came by HTTP/2 can't be read as a request.
    Malformed(&'static str),
    /// An extended CONNECT (RFC 8441) for another protocol than WebSocket.
    UnknownProtocol,
    /// What came inside a CONNECT isn't TLS.
    ConnectPlain,
    /// No CA to intercept with.
    NoAuthority(String),
    /// Bad or no Authorization.
    Unauthorized(CredentialError),
    /// Bad or no Proxy-Authorization.
    ProxyUnauthorized(CredentialError),
    /// The token itself was refused.
    TokenRefused {
        /// Whether it came as Proxy-Authorization.
        proxy: bool,
        /// For the operator.
        why: &'static str,
    },
    /// The token was good and has expired.
    TokenExpired {
        /// Whether it came as Proxy-Authorization.
        proxy: bool,
    },
    /// The token couldn't be checked.
    AuthenticationUnavailable(String),
    /// The class's rule found no token that counts, though the caller may use the Connector.
    ExtractionFailed,
    /// The class's rule made no credential for this request.
    InjectionFailed(RuleError),
    /// The credential belongs in the body, and the body isn't one that has room for it.
    BodyUnfit(BodyUnfit),
    /// The body is longer than what is kept of one.
    BodyTooLarge {
        /// Bytes that are.
        limit: usize,
    },
    /// No right, whether or not there is such a Connector.
    Forbidden(ConnectorRef),
    /// The right, but no such Connector.
    NotFound(ConnectorRef),
    /// The right couldn't be checked.
    AuthorizationUnavailable(String),
    /// Forward requests to anything but targets are switched off.
    NotATarget,
    /// As many requests use the Connector as may.
    Busy(ConnectorRef),
    /// The Connector can't be used now.
    NotReady(ConnectorRef, Unready),
    /// The tool, or another place that no Connector covers, couldn't be reached.
    Dial(DialError, Reach),
    /// The tool's connection failed before it answered.
    NoAnswer(std::io::Error),
    /// The tool's answer can't be read.
    BadAnswer(&'static str, String),
    /// Nothing moved for the idle time before the tool answered.
    Timeout,
    /// Nothing moved for the idle time while the caller still had to send.
    CallerTimeout,
    /// A mistake of ours: a head that we made can't be written.
    Unwritable(WriteError),
}

/// A refusal as it goes on the wire and into the access record.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    /// One word; the value of `X-Connectors-Error` and of the metric label.
    pub(crate) reason: &'static str,
    /// For the caller.
    pub(crate) message: String,
    /// For the operator.
    pub(crate) detail: Option<String>,
    /// Headers that the status asks for.
    fields: &'static [(&'static str, &'static str)],
}

const CHALLENGE: &[(&str, &str)] = &[("WWW-Authenticate", "Basic realm=\"connectors\""), ("WWW-Authenticate", "Bearer realm=\"connectors\"")];
const PROXY_CHALLENGE: &[(&str, &str)] = &[("Proxy-Authenticate", "Basic realm=\"connectors\"")];

/// Requests come and go quickly; in a second there is room most of the time.
const RETRY: &[(&str, &str)] = &[("Retry-After", "1")];

const FORMS: &str = "this proxy answers to: http://c-<name>.<namespace>.svc[.<cluster domain>]/…, standalone also c-<name>.<namespace>.localhost (reverse, by host), \
     /namespaces/<namespace>/connectors/<name>/… (reverse, by path), absolute URLs and CONNECT with Proxy-Authorization \
     Basic <namespace>/<name>:<token> (forward)";

impl From<Denied> for Reject {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::Forbidden(name) => Self::Forbidden(name),
            Denied::NotFound(name) => Self::NotFound(name),
            Denied::Undecided(Undecided(why)) => Self::AuthorizationUnavailable(why),
        }
    }
}

impl From<TranslateError> for Reject {
    fn from(error: TranslateError) -> Self {
        match error {
            TranslateError::Malformed(why) => Self::Malformed(why),
            TranslateError::UnknownProtocol => Self::UnknownProtocol,
            TranslateError::Head(error) => Self::Head(error),
            TranslateError::Write(error) => Self::Unwritable(error),
        }
    }
}

impl Reject {
    /// Why a token wasn't accepted, for the operator, where the caller gets another answer.
    pub(crate) fn why_not(&self) -> String {
        match self {
            Self::TokenRefused { why, .. } => (*why).to_owned(),
            Self::TokenExpired { .. } => "it has expired".into(),
            Self::AuthenticationUnavailable(why) => format!("it can't be checked now: {why}"),
            Self::AuthorizationUnavailable(why) => format!("the permission of whoever has it can't be checked now: {why}"),
            _ => "whoever has it has no right to use the Connector".into(),
        }
    }

    /// Whether the connection can't be used any further, because nobody knows where the next request begins.
    pub(crate) fn ends_connection(&self) -> bool {
        matches!(self, Self::Head(_) | Self::Body(_) | Self::ConnectPlain | Self::CallerTimeout)
    }

    /// Status, reason and texts.
    pub(crate) fn refusal(self) -> Refusal {
        let refusal = |status, reason, message: String| Refusal { status, reason, message, detail: None, fields: &[] };
        let with_detail = |status, reason, message: &str, detail: String| Refusal { detail: Some(detail), ..refusal(status, reason, message.to_owned()) };
        match self {
            Self::Head(error) => refusal(error.status(), reason(error.status()), format!("{error} ({})", error.rfc())),
            Self::Body(error) => refusal(error.status(), reason(error.status()), format!("{error} ({})", error.rfc())),
            Self::Target(error) => target(error),
            Self::Trace => refusal(405, "MethodNotAllowed", "TRACE is not forwarded: its answer would show what the proxy adds".into()),
            Self::ConnectDisabled => refusal(
                405,
                "ConnectNotAllowed",
                "CONNECT is switched off here: send the request itself to the proxy, as an absolute URL, or use the Connector's reverse address".into(),
            ),
            Self::ConnectOverHttp2 => refusal(405, "ConnectNotAllowed", "CONNECT is answered over HTTP/1.1 only, where every proxy client can send it".into()),
            Self::Malformed(why) => refusal(400, "BadRequest", format!("the request is malformed: {why} (RFC 9113 §8.2.2, §8.3.1)")),
            // As RFC 9220 §3 advises for HTTP/3.
            Self::UnknownProtocol => refusal(501, "NotImplemented", "of extended CONNECT, only websocket is known here (RFC 8441)".into()),
            Self::ConnectPlain => refusal(400, "TLSRequired", "only TLS is accepted inside a CONNECT".into()),
            Self::NoAuthority(detail) => with_detail(503, "InterceptionUnavailable", "CONNECT can't be answered now", detail),
            Self::Unauthorized(error) => {
                Refusal { fields: CHALLENGE, ..refusal(401, "Unauthorized", format!("{error}; send a service account token: {TOKEN}")) }
            }
            Self::ProxyUnauthorized(error) => {
                Refusal { fields: PROXY_CHALLENGE, ..refusal(407, "ProxyAuthenticationRequired", format!("{error}; {PROXY_TOKEN}")) }
            }
            Self::TokenRefused { proxy: true, why } => {
                Refusal { fields: PROXY_CHALLENGE, ..with_detail(407, "ProxyAuthenticationRequired", "the token was refused", why.to_owned()) }
            }
            Self::TokenRefused { proxy: false, why } => {
                Refusal { fields: CHALLENGE, ..with_detail(401, "Unauthorized", "the token was refused", why.to_owned()) }
            }
            Self::TokenExpired { proxy: true } => {
                Refusal { fields: PROXY_CHALLENGE, ..refusal(407, "ProxyAuthenticationRequired", "the token has expired".into()) }
            }
            Self::TokenExpired { proxy: false } => Refusal { fields: CHALLENGE, ..refusal(401, "Unauthorized", "the token has expired".into()) },
            Self::AuthenticationUnavailable(detail) => with_detail(503, "AuthenticationUnavailable", "the token can't be checked now", detail),
            Self::Forbidden(name) => refusal(403, "Forbidden", forbidden(&name)),
            Self::NotFound(name) => refusal(404, "ConnectorNotFound", format!("Connector {name} does not exist")),
            Self::AuthorizationUnavailable(detail) => with_detail(503, "AuthorizationUnavailable", "the permission can't be checked now", detail),
            Self::NotATarget => refusal(403, "NotATarget", "the URL is under no address of the Connectors named, and other URLs are not forwarded here".into()),
            Self::Busy(name) => {
                Refusal { fields: RETRY, ..refusal(503, "TooManyRequests", format!("too many requests use Connector {name} at once; try again")) }
            }
            Self::ExtractionFailed => {
                Refusal { fields: CHALLENGE, ..refusal(401, "Unauthorized", "the rule of the Connector's class found no token in the request".into()) }
            }
            Self::InjectionFailed(error) => with_detail(502, "InjectionFailed", INJECTION_FAILED, error.to_string()),
            Self::NotReady(name, Unready::Generator(error)) => {
                with_detail(502, "InjectionFailed", &format!("Connector {name} can't be used: {INJECTION_FAILED}"), error.to_string())
            }
            Self::BodyUnfit(why) => refusal(400, "BadRequest", format!("the tool's credential goes into the request's body, but {why}")),
            Self::BodyTooLarge { limit } => refusal(
                413,
                "RequestEntityTooLarge",
                format!("the body is longer than {limit} bytes, which is the most for requests to this Connector: the rule of its class needs all of it"),
            ),
            Self::NotReady(name, unready) => refusal(502, unready.reason(), format!("Connector {name} can't be used: {unready}")),
            Self::Dial(error, reach) => dial(&error, reach),
            Self::NoAnswer(error) => with_detail(502, "UpstreamClosed", "the tool closed the connection before it answered", error.to_string()),
            Self::BadAnswer(why, detail) => with_detail(502, "UpstreamInvalid", why, detail),
            Self::CallerTimeout => refusal(408, "RequestTimeout", "the request's body did not arrive in time".into()),
            Self::Unwritable(error) => with_detail(500, "InternalError", "the request can't be passed on", error.to_string()),
            Self::Timeout => refusal(504, "UpstreamTimeout", "the tool did not answer in time".into()),
        }
    }
}

/// Which rule it was, and why, is for the operator.
const INJECTION_FAILED: &str = "the rule of its class made no credential that can be sent; the proxy's log says why";

const TOKEN: &str = "Authorization: Bearer <token>, or Basic with the token as password";
const PROXY_TOKEN: &str = "send Proxy-Authorization: Basic base64(<namespace>/<name>:<token>), in a URL http://<namespace>%2F<name>:<token>@<proxy>";

/// Says what is missing, the same whether or not there is such a Connector.
fn forbidden(connector: &ConnectorRef) -> String {
    format!(
        "no permission to use Connector {connector}: it takes the verb get on connectors.connectors.alauda.io named {} in namespace {} \
         (and, with the flag enable-connector-proxy-permissions, the verb * on their subresource proxy)",
        connector.name(),
        connector.namespace()
    )
}

/// For what can't be read.
fn reason(status: u16) -> &'static str {
    match status {
        431 => "HeaderTooLarge",
        501 => "NotImplemented",
        505 => "HTTPVersionNotSupported",
        _ => "BadRequest",
    }
}

fn target(error: TargetError) -> Refusal {
    use std::error::Error as _;
    let message = match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    };
    let (status, reason, message) = match error {
        TargetError::NoForm => (404, "NoConnectorNamed", FORMS.to_owned()),
        TargetError::Misdirected => (421, "Misdirected", message),
        TargetError::Host(_)
        | TargetError::Path(_)
        | TargetError::Scheme
        | TargetError::UserInfo
        | TargetError::TwoConnectors
        | TargetError::NestedConnect
        | TargetError::ConnectPort
        | TargetError::Asterisk => (400, "BadRequest", message),
    };
    Refusal { status, reason, message, detail: None, fields: &[] }
}

fn dial(error: &DialError, reach: Reach) -> Refusal {
    use std::error::Error as _;
    let fields = if matches!(error, DialError::Full(_)) { RETRY } else { &[] };
    let (status, reason, message) = match error {
        DialError::Denied(_) if reach == Reach::Elsewhere => {
            (403, "AddressDenied", "the URL is under no address of the Connectors named, and without one its address may not be reached through this proxy")
        }
        DialError::Denied(_) => (403, "AddressDenied", "the address may not be reached through this proxy"),
        DialError::Resolve(_) => (502, "UpstreamUnresolved", "the tool's host name can't be resolved"),
        DialError::Connect(_) => (502, "UpstreamUnreachable", "the tool can't be reached"),
        DialError::Tls(_) => (502, "UpstreamTLSFailed", "the TLS connection to the tool failed"),
        DialError::Timeout(_) => (504, "UpstreamTimeout", "the tool can't be reached in time"),
        DialError::Full(_) => (503, "UpstreamBusy", "too many connections to the tool are in use; try again"),
    };
    Refusal { status, reason, message: message.to_owned(), detail: Some(error.source().map_or_else(|| error.to_string(), with_causes)), fields }
}

impl Refusal {
    /// The whole answer: status line, headers, Kubernetes Status. The body is left out for HEAD, as RFC 9110 §9.3.2 wants.
    /// Returns where the body begins.
    pub(crate) fn write(&self, out: &mut Vec<u8>, method: &str, keep_alive: bool) -> usize {
        let body = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {},
            "status": "Failure", "message": self.message, "reason": self.reason, "code": self.status,
        })
        .to_string();
        // Everything written here is our own text, which the writer's checks can't refuse; if one did, the answer would stop short and the connection close.
        let Ok(mut head) = HeadWriter::response(out, self.status, reason_phrase(self.status).as_bytes()) else { return 0 };
        let own = [("Content-Type", "application/json"), ("Cache-Control", "no-store"), ("X-Connectors-Error", self.reason)];
        for (name, value) in own.iter().chain(self.fields) {
            if head.field(name, value.as_bytes()).is_err() {
                return 0;
            }
        }
        if !keep_alive && head.field("Connection", b"close").is_err() {
            return 0;
        }
        head.content_length(body.len() as u64);
        head.end();
        let body_at = out.len();
        if method != "HEAD" {
            out.extend_from_slice(body.as_bytes());
        }
        body_at
    }
}
