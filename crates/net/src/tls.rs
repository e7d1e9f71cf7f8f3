//! TLS towards tools.

use std::sync::{Arc, Mutex, PoisonError};

use connectors_core::{Host, TrustRoots};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{CertificateError, ClientConfig, OtherError, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::recent::Recent;
use crate::{Alpn, Stream};

/// Sets of CAs whose configurations are kept at most; those used longest ago go first, and with them their sessions.
const MAX_CONFIGS: usize = 512;

/// Client configurations: the system's CAs, and for each [`TrustRoots`] these and its own.
///
/// A configuration has the memory of its sessions with it, so a session that one set of CAs has vouched for isn't resumed under another.
pub struct ClientTls {
    system: RootCertStore,
    configs: Mutex<Recent<TrustRoots, Offers>>,
}

/// The configurations of one set of CAs. They share its certificates and the memory of its sessions: resuming one doesn't bind the protocol
/// (RFC 8446 §4.2.11, without early data).
struct Offers {
    http1: Arc<ClientConfig>,
    http2: Arc<ClientConfig>,
}

/// Why there is no TLS connection to a tool.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// One of the extra CA certificates can't be one.
    #[error("one of the CA certificates can't be used as a trust anchor")]
    TrustRoot(#[source] rustls::Error),
    /// The library was asked for something that it doesn't have.
    #[error("TLS can't be set up")]
    Setup(#[source] rustls::Error),
    /// No certificate can be for such a name.
    #[error("the host {0} can't be in a certificate")]
    Name(Host),
    /// The certificate doesn't verify, or the two sides didn't agree.
    #[error("the TLS handshake failed")]
    Handshake(#[source] std::io::Error),
    /// The tool shows a CA's certificate as its own, as plain `openssl req -x509` makes it.
    #[error(
        "the tool's own certificate is marked as a CA's (CA:TRUE), which no server's may be (RFC 5280 §4.2.1.9); \
         give the tool one with CA:FALSE: `openssl req -x509 … -addext basicConstraints=critical,CA:FALSE`, or one that this CA has signed"
    )]
    CaAsServer(#[source] std::io::Error),
}

impl TlsError {
    /// What is wrong, without anything that the peer has a say in: its certificate's names stand in the error itself, which is for the operator.
    pub fn category(&self) -> &'static str {
        let error = match self {
            Self::TrustRoot(_) => return "one of the CA certificates can't be used as a trust anchor",
            Self::Setup(_) => return "TLS can't be set up",
            Self::Name(_) => return "the host can't be in a certificate",
            Self::CaAsServer(_) => return "the certificate is marked as a CA's (CA:TRUE), which no server's may be",
            Self::Handshake(error) => error,
        };
        match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            Some(rustls::Error::InvalidCertificate(error)) => certificate_category(error),
            Some(rustls::Error::NoCertificatesPresented) => "the peer has no certificate",
            Some(rustls::Error::AlertReceived(_)) => "the peer refuses the connection",
            Some(rustls::Error::PeerIncompatible(_)) => "the peer has no version or cipher of TLS that is used here",
            Some(rustls::Error::InvalidMessage(_)) => "the peer doesn't speak TLS",
            Some(_) => "the peer breaks the rules of TLS",
            None => "the connection broke",
        }
    }
}

fn certificate_category(error: &CertificateError) -> &'static str {
    match error {
        // Of another issuer that has the name of one that is known.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => "the certificate is from an unknown issuer",
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => "the certificate is for another name",
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "the certificate has expired",
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => "the certificate is not valid yet",
        CertificateError::Revoked => "the certificate is revoked",
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => "the certificate is not for servers",
        _ => "the certificate is not valid",
    }
}

impl ClientTls {
    /// Loads the system's CAs (`SSL_CERT_FILE` and `SSL_CERT_DIR` count). If there are none this is logged, and only extra CAs will do.
    pub fn new() -> Self {
        let found = rustls_native_certs::load_native_certs();
        for error in &found.errors {
            tracing::warn!(%error, "some of the system's CA certificates can't be loaded");
        }
        let mut system = RootCertStore::empty();
        let (added, ignored) = system.add_parsable_certificates(found.certs);
        if ignored > 0 {
            tracing::debug!(ignored, "some of the system's CA certificates can't be used");
        }
        if added == 0 {
            tracing::warn!("the system has no CA certificates: install them (ca-certificates), or TLS to tools works only with caCertSecretRef");
        }
        Self::with_system_roots(system)
    }

    /// Trusts only the CAs that each connection is made with.
    pub fn without_system_roots() -> Self {
        Self::with_system_roots(RootCertStore::empty())
    }

    pub(crate) fn with_system_roots(system: RootCertStore) -> Self {
        Self { system, configs: Mutex::new(Recent::new(MAX_CONFIGS)) }
    }

    /// The configuration for the system's CAs and these, which offers `alpn`. TLS 1.2 and 1.3.
    ///
    /// # Errors
    /// If one of the certificates is no certificate.
    pub fn config(&self, trust: &TrustRoots, alpn: Alpn) -> Result<Arc<ClientConfig>, TlsError> {
        if let Some(offers) = self.configs().get(trust) {
            return Ok(offers.of(alpn));
        }
        // Made outside of the lock: two cores may both make one, and one of the two is used from then on.
        let offers = self.make(trust)?;
        let config = offers.of(alpn);
        self.configs().insert(trust.clone(), offers);
        Ok(config)
    }

    fn configs(&self) -> std::sync::MutexGuard<'_, Recent<TrustRoots, Offers>> {
        self.configs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn make(&self, trust: &TrustRoots) -> Result<Offers, TlsError> {
        let mut roots = self.system.clone();
        for der in trust.certificates() {
            roots.add(CertificateDer::from(der)).map_err(TlsError::TrustRoot)?;
        }
        let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().map_err(TlsError::Setup)?;
        Ok(Offers::new(&builder.with_root_certificates(roots).with_no_client_auth()))
    }
}

impl Offers {
    fn new(config: &ClientConfig) -> Self {
        let offering = |alpn: Alpn| {
            let mut config = config.clone();
            config.alpn_protocols = alpn.names();
            Arc::new(config)
        };
        Self { http1: offering(Alpn::Http1), http2: offering(Alpn::Http2) }
    }

    fn of(&self, alpn: Alpn) -> Arc<ClientConfig> {
        match alpn {
            Alpn::Http1 => self.http1.clone(),
            Alpn::Http2 => self.http2.clone(),
        }
    }
}

impl Default for ClientTls {
    fn default() -> Self {
        Self::new()
    }
}

/// The handshake as a client. The certificate must be for `host`, which also goes out as SNI if it is a name.
pub(crate) async fn handshake(config: Arc<ClientConfig>, host: &Host, stream: TcpStream) -> Result<Stream, TlsError> {
    let name = match host {
        Host::Name(name) => ServerName::try_from(name.to_string()).map_err(|_| TlsError::Name(host.clone()))?,
        Host::Ip(ip) => ServerName::from(*ip),
    };
    TlsConnector::from(config).connect(name, stream).await.map(Stream::client).map_err(|error| match is_ca_as_server(&error) {
        true => TlsError::CaAsServer(error),
        false => TlsError::Handshake(error),
    })
}

/// Whether the certificate was refused because it is a CA's. rustls has no name of its own for that.
fn is_ca_as_server(error: &std::io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    matches!(
        inner,
        Some(rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(cause))))
            if cause.downcast_ref::<webpki::Error>() == Some(&webpki::Error::CaUsedAsEndEntity)
    )
}

/// The cryptography of both sides; named, so that it doesn't depend on what else is linked in.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

#[cfg(test)]
mod tests;
