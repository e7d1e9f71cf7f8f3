//! A Connector, resolved: everything the data path needs of it, computed when it changes and not when it is used.

use std::sync::Arc;

use crate::{Address, ConnectorRef, Extract, Generate, InFlight, Origin, RuleError, SecretValue, TrustRoots};

/// One tool, ready to be proxied to.
#[derive(Debug)]
pub struct Connector {
    /// Namespace and name.
    pub name: ConnectorRef,
    /// Its ConnectorClass.
    pub class: Box<str>,
    /// How its proxy address is written.
    pub resolver: Resolver,
    /// `spec.address`, where reverse requests go.
    pub address: Address,
    /// Every further address that its credential may be sent to.
    pub extensions: Vec<Address>,
    /// What is put on a request that is aimed at it.
    pub injection: Injection,
    /// Where else than in Authorization a reverse request to it may have its caller's token. Its class has one for all of its Connectors.
    pub extractor: Option<Arc<dyn Extract>>,
    /// CAs for its upstream TLS, beyond the system's.
    pub trust: TrustRoots,
    /// The requests that use it now. A Connector that changes begins anew.
    pub in_flight: InFlight,
}

/// The form of the proxy address in `status.proxy.httpAddress`; the proxy itself answers both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Resolver {
    /// `http://c-<name>.<namespace>.svc…`
    #[default]
    Host,
    /// The same followed by `/namespaces/<namespace>/connectors/<name>`.
    Path,
}

/// What is put on a request.
#[derive(Debug)]
pub enum Injection {
    /// Nothing: the Connector has no Secret and needs none, or its authentication type injects nothing.
    Nothing,
    /// Prepared when the Secret changed.
    Static(Credential),
    /// Made for each request.
    PerRequest(Arc<dyn Generate>),
    /// The Connector can't be used now, and a request must not go out without its credential.
    Unready(Unready),
}

/// A credential as it goes on a request.
#[derive(Debug, Default)]
pub struct Credential {
    /// Headers that are set; each replaces every value that the request had.
    pub headers: Vec<InjectedHeader>,
    /// Parameters of the query that are set, likewise.
    pub query: Vec<InjectedParameter>,
}

/// One parameter of the query, prepared.
#[derive(Debug)]
pub struct InjectedParameter {
    name: Box<str>,
    encoded: SecretValue,
}

impl InjectedParameter {
    /// `encoded` is `name=value`, both percent-encoded; `name` is as it reads decoded.
    pub fn new(name: &str, encoded: SecretValue) -> Self {
        Self { name: name.into(), encoded }
    }

    /// Its name, decoded.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `name=value` as it is sent.
    pub fn encoded(&self) -> &SecretValue {
        &self.encoded
    }
}

/// One header, its line prepared. The name, by which the caller's own such headers are taken off, and the line can't disagree.
#[derive(Debug)]
pub struct InjectedHeader {
    name: Box<str>,
    line: SecretValue,
}

impl InjectedHeader {
    /// `name: value`. Whoever makes one has seen to it that the value has no line break or other control character.
    pub fn new(name: &str, value: &[u8]) -> Self {
        let line = [name.as_bytes(), b": ", value, b"\r\n"].concat();
        Self { name: name.into(), line: SecretValue::new(line) }
    }

    /// The field's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `name: value` with its CR LF.
    pub fn line(&self) -> &SecretValue {
        &self.line
    }
}

/// Why a Connector can't be used. The text is for whoever may use it, so it names fields and never values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unready {
    /// No such class.
    #[error("ConnectorClass {0:?} does not exist")]
    ClassNotFound(String),
    /// The class exists but can't be used.
    #[error("ConnectorClass {class:?} is not usable: {field}: {problem}")]
    ClassInvalid {
        /// The class.
        class: String,
        /// The field that is wrong.
        field: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The Connector itself doesn't fit its class.
    #[error("{field}: {problem}")]
    Invalid {
        /// The field that is wrong.
        field: String,
        /// What is wrong with it.
        problem: String,
    },
    /// No such Secret.
    #[error("Secret {0:?}, named by spec.auth.secretRef, does not exist")]
    SecretNotFound(String),
    /// The Secret's type isn't the auth type's.
    #[error("Secret {secret:?} has type {found:?}, but the auth type wants {expected:?}")]
    SecretTypeMismatch {
        /// The Secret.
        secret: String,
        /// Its type.
        found: String,
        /// The auth type's.
        expected: String,
    },
    /// A key is missing in the Secret.
    #[error("Secret {secret:?} lacks the key {key:?}")]
    SecretKeyMissing {
        /// The Secret.
        secret: String,
        /// The key.
        key: String,
    },
    /// A value that can't be sent in a header.
    #[error("Secret {secret:?}: the value of {key:?} can't be sent: {problem}")]
    SecretValueInvalid {
        /// The Secret.
        secret: String,
        /// The key.
        key: String,
        /// What is wrong, never the value.
        problem: &'static str,
    },
    /// The class's rule makes nothing of this Secret that could be sent.
    #[error("its credential can't be made: {0}")]
    Generator(RuleError),
}

impl Unready {
    /// The condition's reason: one word for `X-Connectors-Error` and status conditions.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::ClassNotFound(_) => "ConnectorClassNotFound",
            Self::ClassInvalid { .. } => "ConnectorClassNotReady",
            Self::Invalid { .. } => "InvalidSpec",
            Self::SecretNotFound(_) => "SecretNotFound",
            Self::SecretTypeMismatch { .. } => "SecretTypeMismatch",
            Self::SecretKeyMissing { .. } => "SecretKeyMissing",
            Self::SecretValueInvalid { .. } => "SecretValueInvalid",
            Self::Generator(_) => "InjectionFailed",
        }
    }
}

impl Connector {
    /// Every address that the credential may go to, `spec.address` first.
    pub fn targets(&self) -> impl Iterator<Item = &Address> {
        std::iter::once(&self.address).chain(&self.extensions)
    }

    /// Whether any target is at this origin, whatever its path.
    pub fn is_at(&self, origin: &Origin) -> bool {
        self.targets().any(|address| address.origin() == origin)
    }
}
