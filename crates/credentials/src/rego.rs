//! Rules of classes: `generator.rego`, which says how a credential is sent, and `authExtractor.rego`, which finds callers' tokens.

use std::sync::Arc;

use connectors_core::{
    BodyFields, BodyFormat, Credential, Extract, Generate, Generated, Headers, InjectedHeader, InjectedParameter, Injection, RequestView, RuleError,
    SecretValue,
};
use connectors_expr::{CompileError, Data, EvalError, Extractor, Fields, Generator, Place, Request};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use zeroize::Zeroizing;

/// Where a rule stands, for errors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RulePlace {
    /// The ConnectorClass.
    pub class: String,
    /// The field, such as `spec.auth.types[0].generator.rego`.
    pub field: String,
}

/// A compiled `generator.rego`. All Connectors of its class share it.
#[derive(Debug)]
pub struct GeneratorRule {
    place: RulePlace,
    rule: Generator,
}

/// A compiled `authExtractor.rego`. All Connectors of its class share it.
#[derive(Debug)]
pub struct ExtractorRule {
    place: RulePlace,
    rule: Extractor,
}

impl GeneratorRule {
    /// Compiles a module.
    ///
    /// # Errors
    /// What is wrong with it, and at which line and column.
    pub fn compile(place: RulePlace, source: &str) -> Result<Self, CompileError> {
        Ok(Self { place, rule: Generator::compile(source)? })
    }

    /// What a Connector with this Secret injects, `data` being its keys and values. A rule that reads nothing but them is evaluated here and now.
    ///
    /// # Errors
    /// Why such a rule makes nothing of this Secret.
    pub fn injection<'d>(self: &Arc<Self>, data: impl IntoIterator<Item = (&'d str, &'d SecretValue)>) -> Result<Injection, RuleError> {
        let data = Data::new(data.into_iter().map(|(key, value)| (key, value.expose())));
        if !self.rule.is_static() {
            return Ok(Injection::PerRequest(Arc::new(Evaluated { rule: self.clone(), data })));
        }
        Ok(match self.generate(None, &data)? {
            Generated::OnHead(credential) => Injection::Static(credential),
            Generated::InBody(fields) => Injection::PerRequest(Arc::new(InBody(fields))),
        })
    }

    fn generate(&self, request: Option<Request<'_>>, data: &Data) -> Result<Generated, RuleError> {
        let generated = self.rule.generate(request, data).map_err(|error| self.place.evaluation(&error))?;
        let entries = generated.entries.iter().map(|(name, value)| (name.as_str(), value.expose()));
        Ok(match generated.place {
            Place::Header => {
                let headers = entries.map(|(name, value)| self.header(name, value)).collect::<Result<_, _>>()?;
                Generated::OnHead(Credential { headers, query: Vec::new() })
            }
            Place::Query => Generated::OnHead(Credential { headers: Vec::new(), query: entries.map(|(name, value)| parameter(name, value)).collect() }),
            Place::JsonBody => Generated::InBody(in_body(BodyFormat::Json, entries)),
            Place::FormBody => Generated::InBody(in_body(BodyFormat::Form, entries)),
        })
    }

    /// Names and values were checked to be those of a header; which headers may be set is checked here.
    fn header(&self, name: &str, value: &str) -> Result<InjectedHeader, RuleError> {
        if !may_be_set(name) {
            let problem = "auth has the name of a header that is the proxy's to set: it says where the message ends, how it is passed on, or whose it is";
            return Err(self.place.error(problem));
        }
        Ok(InjectedHeader::new(name, value.as_bytes()))
    }
}

impl ExtractorRule {
    /// Compiles a module.
    ///
    /// # Errors
    /// What is wrong with it, and at which line and column.
    pub fn compile(place: RulePlace, source: &str) -> Result<Self, CompileError> {
        Ok(Self { place, rule: Extractor::compile(source)? })
    }

    /// Whether it looks at the body.
    pub fn reads_body(&self) -> bool {
        self.rule.reads().body
    }
}

impl Extract for ExtractorRule {
    fn extract(&self, request: RequestView<'_>) -> Result<Option<SecretValue>, RuleError> {
        let found = with(request, |request| self.rule.extract(request)).map_err(|error| self.place.evaluation(&error))?;
        Ok(found.map(|token| SecretValue::new(token.expose())))
    }
}

/// A rule and the Secret that it is evaluated with for each request.
#[derive(Debug)]
struct Evaluated {
    rule: Arc<GeneratorRule>,
    data: Data,
}

impl Generate for Evaluated {
    fn reads_body(&self) -> bool {
        self.rule.rule.reads().body
    }

    fn generate(&self, request: RequestView<'_>) -> Result<Generated, RuleError> {
        with(request, |request| self.rule.generate(Some(request), &self.data))
    }
}

/// What a rule has made of a Secret, to be put into each request's body.
#[derive(Debug)]
struct InBody(Arc<BodyFields>);

impl Generate for InBody {
    fn reads_body(&self) -> bool {
        true
    }

    fn generate(&self, _: RequestView<'_>) -> Result<Generated, RuleError> {
        Ok(Generated::InBody(self.0.clone()))
    }
}

impl RulePlace {
    fn error(&self, problem: &str) -> RuleError {
        RuleError { class: self.class.clone(), field: self.field.clone(), problem: problem.to_owned() }
    }

    fn evaluation(&self, error: &EvalError) -> RuleError {
        self.error(&error.to_string())
    }
}

/// Shows a rule the request.
fn with<T>(request: RequestView<'_>, evaluate: impl FnOnce(Request<'_>) -> T) -> T {
    let RequestView { method, path, host, query, headers, body } = request;
    evaluate(Request { method, path, host, query, headers: &Lines(headers), body })
}

struct Lines<'a>(&'a dyn Headers);

impl Fields for Lines<'_> {
    fn each(&self, visit: &mut dyn FnMut(&[u8], &[u8])) {
        self.0.each(visit);
    }
}

/// What has a meaning for this hop, or tells a tool who sent the request and how, in the spelling that [`folded`] makes of it. A rule that could set one could end
/// the message early, or send it elsewhere.
const PROXYS: [&str; 13] = [
    "connection",
    "content-length",
    "expect",
    "forwarded",
    "host",
    "http2-settings",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "content-encoding",
];
const PROXYS_BEGINNINGS: [&str; 3] = ["proxy-", "x-forwarded-", "x-plugin-"];

fn may_be_set(name: &str) -> bool {
    let name = folded(name);
    !PROXYS.contains(&name.as_str()) && !PROXYS_BEGINNINGS.iter().any(|beginning| name.starts_with(beginning))
}

/// `Transfer_Encoding` is `Transfer-Encoding` to CGI, WSGI and the like.
fn folded(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect()
}

/// All but RFC 3986's unreserved characters.
pub(crate) const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

fn parameter(name: &str, value: &str) -> InjectedParameter {
    let mut encoded = Zeroizing::new(String::with_capacity(3 * (name.len() + value.len()) + 1));
    encoded.extend(percent_encode(name.as_bytes(), ENCODED));
    encoded.push('=');
    encoded.extend(percent_encode(value.as_bytes(), ENCODED));
    InjectedParameter::new(name, SecretValue::new(encoded.as_bytes()))
}

fn in_body<'e>(format: BodyFormat, entries: impl Iterator<Item = (&'e str, &'e str)>) -> Arc<BodyFields> {
    Arc::new(BodyFields { format, fields: entries.map(|(name, value)| (name.into(), SecretValue::new(value))).collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_headers_a_rule_may_set() {
        for name in ["Authorization", "Private-Token", "X-Api-Key", "Cookie", "Content-Type", "X-Forwarded", "Viaduct"] {
            assert!(may_be_set(name), "{name}");
        }
        for name in [
            "Host",
            "content-length",
            "Content_Length",
            "TRANSFER-ENCODING",
            "transfer.encoding",
            "Connection",
            "Keep-Alive",
            "TE",
            "Trailer",
            "Upgrade",
            "Proxy-Authorization",
            "X-Forwarded-For",
            "X_Forwarded_Proto",
            "Forwarded",
            "Via",
            "Expect",
            "X-Plugin-Config",
        ] {
            assert!(!may_be_set(name), "{name}");
        }
    }

    #[test]
    fn a_parameter_is_encoded() {
        let made = parameter("a b", "\r\n&=/ü-._~");
        assert_eq!((made.name(), made.encoded().expose_str()), ("a b", Some("a%20b=%0D%0A%26%3D%2F%C3%BC-._~")));
    }
}
