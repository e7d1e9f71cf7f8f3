//! CA certificates in Secrets.

use connectors_core::{Flags, TrustRoots};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use crate::Secret;

/// Label of a Secret in the system namespace whose CA certificates count for every Connector, with value `"true"` and with flag
/// `enable-custom-ca-certs`.
pub const CA_CERT_LABEL: &str = "connectors.cpaas.io/ca-cert";

/// What was found in a Secret.
#[derive(Debug, Default)]
pub struct CaCertificates {
    /// Certificates that TLS can use as trust anchors, DER.
    pub certificates: Vec<Box<[u8]>>,
    /// What could not be used.
    pub problems: Vec<CaProblem>,
}

/// Why a Secret, or one value in it, gives no CA certificate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CaProblem {
    /// No value holds a certificate.
    #[error("Secret {secret:?} holds no PEM certificate")]
    None {
        /// The Secret, `namespace/name`.
        secret: String,
    },
    /// A key that ends in `.crt` or `.pem`, or a value that begins like a certificate, but isn't one.
    #[error("Secret {secret:?}: the value of {key:?} is not valid PEM")]
    NotPem {
        /// The Secret, `namespace/name`.
        secret: String,
        /// The key.
        key: String,
    },
    /// PEM, but not a certificate that TLS can use.
    #[error("Secret {secret:?}: certificate {number} in {key:?} is not usable as a CA certificate")]
    Unusable {
        /// The Secret, `namespace/name`.
        secret: String,
        /// The key.
        key: String,
        /// Which of the certificates in that value, from 1.
        number: usize,
    },
}

/// Reads the CA certificates of a Secret: PEM under `*.crt`, `*.pem`, or in any value that has the look of it. Private keys and other
/// values are left alone.
pub fn ca_certificates(secret: &Secret) -> CaCertificates {
    let mut found = CaCertificates::default();
    let name = || format!("{}/{}", secret.namespace, secret.name);
    for (key, value) in &secret.data {
        let named = key.ends_with(".crt") || key.ends_with(".pem");
        let looks_like_one = value.expose().windows(BEGIN.len()).any(|window| window == BEGIN);
        // A client's key may lie beside its certificate under such a name.
        let other_pem = !looks_like_one && value.expose().windows(BEGIN_ANY.len()).any(|window| window == BEGIN_ANY);
        if !named && !looks_like_one || other_pem {
            continue;
        }
        match CertificateDer::pem_slice_iter(value.expose()).collect::<Result<Vec<_>, _>>() {
            Ok(certificates) if !certificates.is_empty() => {
                for (index, certificate) in certificates.iter().enumerate() {
                    match webpki::anchor_from_trusted_cert(certificate) {
                        Ok(_) => found.certificates.push(certificate.as_ref().into()),
                        Err(_) => found.problems.push(CaProblem::Unusable { secret: name(), key: key.clone(), number: index + 1 }),
                    }
                }
            }
            _ => found.problems.push(CaProblem::NotPem { secret: name(), key: key.clone() }),
        }
    }
    if found.certificates.is_empty() && found.problems.is_empty() {
        found.problems.push(CaProblem::None { secret: name() });
    }
    found
}

/// The certificates in a PEM text such as `spec.api.CACerts`, DER; what is none is left out, and was refused with the class.
pub fn pem_certificates(pem: &str) -> impl Iterator<Item = Box<[u8]>> {
    CertificateDer::pem_slice_iter(pem.as_bytes()).filter_map(Result::ok).map(|certificate| certificate.as_ref().into())
}

const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";
const BEGIN_ANY: &[u8] = b"-----BEGIN ";

/// The CAs that count for every Connector and for requests aimed at none: those of the labelled Secrets of the system namespace, none
/// without the flag. A Secret that can't be used is a problem to report and no more.
pub fn system_trust<'a>(flags: Flags, system_namespace: &str, secrets: impl IntoIterator<Item = &'a Secret>) -> (TrustRoots, Vec<CaProblem>) {
    if !flags.custom_ca_certs {
        return (TrustRoots::default(), Vec::new());
    }
    let mut certificates = Vec::new();
    let mut problems = Vec::new();
    for secret in secrets {
        if secret.namespace == system_namespace && secret.labels.get(CA_CERT_LABEL).is_some_and(|value| value == "true") {
            let found = ca_certificates(secret);
            certificates.extend(found.certificates);
            problems.extend(found.problems);
        }
    }
    (TrustRoots::new(certificates), problems)
}
