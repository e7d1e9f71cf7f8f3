//! The interception CA, and the certificates that it signs for the hosts of CONNECT requests.

mod ca;
mod files;

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use connectors_core::Host;
use rcgen::{CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, SanType};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use rustls::server::NoServerSessionStorage;

use crate::Alpn;
use crate::recent::Recent;
use crate::tls::provider;
use ca::Ca;

pub use ca::CaError;
pub use files::AuthorityError;

/// Certificates are for a day: nobody revokes them, and making one costs less than a millisecond.
const LEAF_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);
/// Certificates begin to be valid this long ago, for callers whose clock is slow.
const BACKDATED: Duration = Duration::from_secs(60 * 60);
/// Hosts whose certificate is kept at most, since callers choose them. Each takes about 4 KB.
const MAX_LEAVES: usize = 4096;
/// Longest common name (RFC 5280 appendix A.1, ub-common-name); what is longer stands only where it counts, in the alternative name.
const MAX_COMMON_NAME: usize = 64;

/// Signs for hosts whose TLS the proxy terminates. Shared by all cores.
pub struct Authority {
    ca: Ca,
    leaves: Mutex<Recent<Host, Leaf>>,
}

/// Why there is no certificate for a host.
#[derive(Debug, thiserror::Error)]
pub enum LeafError {
    /// The CA's own time is over, or hasn't come.
    #[error("the interception CA can't sign now")]
    Ca(#[source] CaError),
    /// The host can't be in a certificate.
    #[error("no certificate can be made for {host}")]
    Make {
        /// The host.
        host: Host,
        /// What is wrong with it.
        source: rcgen::Error,
    },
    /// The certificate can't be served.
    #[error("the certificate for {host} can't be used")]
    Use {
        /// The host.
        host: Host,
        /// What is wrong with it.
        source: rustls::Error,
    },
}

/// A certificate for one host, ready to be served.
struct Leaf {
    http1: Arc<ServerConfig>,
    http2: Arc<ServerConfig>,
    not_before: SystemTime,
    /// From here on another is made.
    renew: SystemTime,
}

impl Authority {
    /// The CA in `folder`: `ca.crt` (mode 0644) and `ca.key` (mode 0600), both PEM. If neither is there they are made; of several processes that do so at once,
    /// one does, and all use its CA. A CA that is there is never replaced.
    ///
    /// # Errors
    /// If the folder or the files can't be used, the key is another user's or others can read it, only one of the two files is there, or they hold no usable CA.
    pub fn load_or_create(folder: &Path) -> Result<Self, AuthorityError> {
        files::load_or_create(folder, SystemTime::now()).map(Self::new)
    }

    /// A CA from PEM.
    ///
    /// # Errors
    /// If the certificate is none of a CA or isn't valid now, or the key isn't its key.
    pub fn from_pem(certificate: &str, key: &str) -> Result<Self, CaError> {
        Ca::from_pem(certificate, key, SystemTime::now()).map(Self::new)
    }

    fn new(ca: Ca) -> Self {
        Self { ca, leaves: Mutex::new(Recent::new(MAX_LEAVES)) }
    }

    /// The CA's certificate, for callers to trust.
    pub fn certificate_pem(&self) -> &str {
        self.ca.certificate_pem()
    }

    /// What to serve TLS for `host` with: a certificate for exactly that host, valid at `now`, and `alpn`. It is kept, and made again when a third of its
    /// lifetime is left.
    ///
    /// # Errors
    /// If the CA isn't valid at `now`, or no certificate can be for that host. There is never another way to go on than to refuse.
    pub fn server_config(&self, host: &Host, now: SystemTime, alpn: Alpn) -> Result<Arc<ServerConfig>, LeafError> {
        self.ca.check_time(now).map_err(LeafError::Ca)?;
        if let Some(leaf) = self.leaves().get(host).filter(|leaf| (leaf.not_before..leaf.renew).contains(&now)) {
            return Ok(leaf.config(alpn));
        }
        // Made outside of the lock: two cores may both make one, and both are good.
        let leaf = self.make(host, now)?;
        let config = leaf.config(alpn);
        self.leaves().insert(host.clone(), leaf);
        Ok(config)
    }

    fn make(&self, host: &Host, now: SystemTime) -> Result<Leaf, LeafError> {
        let (not_before, not_after) = self.ca.within(now - BACKDATED, now + LEAF_LIFETIME);
        let (certificate, key) = self.sign(host, not_before, not_after).map_err(|source| LeafError::Make { host: host.clone(), source })?;
        let config = serve(certificate, key).map_err(|source| LeafError::Use { host: host.clone(), source })?;
        // Of what is left from now on, so that shortly before the CA's end this doesn't happen for every request.
        let left = not_after.duration_since(now).unwrap_or_default();
        let accepting = |alpn: Alpn| {
            let mut config = config.clone();
            config.alpn_protocols = alpn.names();
            Arc::new(config)
        };
        Ok(Leaf { http1: accepting(Alpn::Http1), http2: accepting(Alpn::Http2), not_before, renew: not_after - left / 3 })
    }

    /// A certificate as RFC 5280 and the CA/Browser Forum's baseline want a server's.
    fn sign(&self, host: &Host, not_before: SystemTime, not_after: SystemTime) -> Result<(CertificateDer<'static>, KeyPair), rcgen::Error> {
        let (name, alternative) = match host {
            Host::Name(name) => (name.to_string(), SanType::DnsName(name.to_string().try_into()?)),
            Host::Ip(ip) => (ip.to_string(), SanType::IpAddress(*ip)),
        };
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        if name.len() <= MAX_COMMON_NAME {
            params.distinguished_name.push(DnType::CommonName, name);
        }
        params.subject_alt_names = vec![alternative];
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        params.not_before = not_before.into();
        params.not_after = not_after.into();
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, self.ca.issuer())?;
        Ok((certificate.into(), key))
    }

    fn leaves(&self) -> MutexGuard<'_, Recent<Host, Leaf>> {
        self.leaves.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Leaf {
    fn config(&self, alpn: Alpn) -> Arc<ServerConfig> {
        match alpn {
            Alpn::Http1 => self.http1.clone(),
            Alpn::Http2 => self.http2.clone(),
        }
    }
}

fn serve(certificate: CertificateDer<'static>, key: KeyPair) -> Result<ServerConfig, rustls::Error> {
    let key = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
    let builder = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
    let mut config = builder.with_no_client_auth().with_single_cert(vec![certificate], key)?;
    // A handshake costs a signature with P-256, some 30 µs; remembering sessions for thousands of hosts costs more.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

/// Shows nothing of the key.
impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").field("ca", &self.ca).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
