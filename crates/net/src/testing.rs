//! What several tests here need: a CA, servers on loopback, waiting with a deadline.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use connectors_core::{Host, Origin, Scheme, TrustRoots};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_rustls::{TlsConnector, client};

use crate::tls::provider;

/// Far more than anything here takes.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

pub(crate) const HOUR: Duration = Duration::from_secs(60 * 60);

/// Runs a test's future on a runtime like the proxy's, within the deadline.
pub(crate) fn run<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(DEADLINE, future).await.expect("the test took too long") })
}

pub(crate) fn origin(scheme: Scheme, host: &str, port: u16) -> Origin {
    Origin::new(scheme, Host::parse(host).unwrap(), Some(port))
}

pub(crate) async fn listen(address: &str) -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind(address).await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

#[expect(clippy::disallowed_methods, reason = "this is the client, not the proxy")]
pub(crate) async fn connect(address: SocketAddr) -> TcpStream {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }.unwrap();
    socket.connect(address).await.unwrap()
}

/// Both ends of a connection.
pub(crate) async fn pair() -> (TcpStream, TcpStream) {
    let (listener, address) = listen("127.0.0.1:0").await;
    let (accepted, connected) = tokio::join!(listener.accept(), connect(address));
    (accepted.unwrap().0, connected)
}

/// A CA that only tests trust.
pub(crate) struct TestCa {
    issuer: Issuer<'static, KeyPair>,
    der: CertificateDer<'static>,
}

impl TestCa {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let der = params.self_signed(&key).unwrap().der().clone();
        Self { issuer: Issuer::new(params, key), der }
    }

    pub(crate) fn trust(&self) -> TrustRoots {
        TrustRoots::new(vec![self.der.as_ref().into()])
    }

    /// A server whose certificate is for `name`, valid from an hour ago for a day.
    pub(crate) fn server(&self, name: &str) -> Arc<ServerConfig> {
        let now = SystemTime::now();
        self.server_within(name, now - HOUR, now + 24 * HOUR)
    }

    pub(crate) fn server_within(&self, name: &str, not_before: SystemTime, not_after: SystemTime) -> Arc<ServerConfig> {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_before = not_before.into();
        params.not_after = not_after.into();
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let key = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
        let builder = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().unwrap();
        Arc::new(builder.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key).unwrap())
    }
}

/// A server whose certificate has signed itself, and what trusts it. `ca`: whether it is marked as a CA's.
pub(crate) fn self_signed(name: &str, ca: bool) -> (Arc<ServerConfig>, TrustRoots) {
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.is_ca = if ca { IsCa::Ca(BasicConstraints::Unconstrained) } else { IsCa::ExplicitNoCa };
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap().der().clone();
    let trust = TrustRoots::new(vec![certificate.as_ref().into()]);
    let builder = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().unwrap();
    let key = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
    (Arc::new(builder.with_no_client_auth().with_single_cert(vec![certificate], key).unwrap()), trust)
}

/// A TLS client that trusts these certificates and nothing else.
pub(crate) async fn tls_client(
    stream: TcpStream,
    name: &str,
    roots: impl IntoIterator<Item = CertificateDer<'static>>,
    alpn: &[&[u8]],
) -> std::io::Result<client::TlsStream<TcpStream>> {
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(roots);
    let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().unwrap();
    let mut config = builder.with_root_certificates(store).with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    TlsConnector::from(Arc::new(config)).connect(ServerName::try_from(name.to_owned()).unwrap(), stream).await
}
