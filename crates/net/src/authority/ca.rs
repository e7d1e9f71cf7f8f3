//! A CA certificate and its key: made, or read and checked.

use std::fmt;
use std::time::{Duration, SystemTime};

use connectors_core::SecretValue;
use rcgen::{BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;

use super::BACKDATED;

/// How long a CA that we make is valid. Replacing it means a change at every caller, so not often: ten years.
const LIFETIME: Duration = Duration::from_secs(3650 * 24 * 60 * 60);

/// A certificate that may sign others, and the key to do it.
pub(super) struct Ca {
    certificate_pem: String,
    issuer: Issuer<'static, KeyPair>,
    not_before: SystemTime,
    not_after: SystemTime,
}

/// Why a certificate and a key are no usable CA.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum CaError {
    /// Not exactly one certificate in PEM, or one that can't be parsed.
    #[error("the certificate must be one X.509 certificate in PEM")]
    Certificate,
    /// basicConstraints or keyUsage say that it may not sign certificates (RFC 5280 §4.2.1.9, §4.2.1.3).
    #[error("the certificate is not a CA's: it needs basicConstraints CA:TRUE and, if it has keyUsage, keyCertSign")]
    NotCa,
    /// Its time hasn't come.
    #[error("the certificate is not valid before {}", time(*.0))]
    NotYetValid(SystemTime),
    /// Its time is over.
    #[error("the certificate expired at {}", time(*.0))]
    Expired(SystemTime),
    /// Not a private key in PEM, or of a kind that can't be used.
    #[error("the key must be a private key in PEM (ECDSA P-256 or P-384, RSA or Ed25519)")]
    Key,
    /// The key of another certificate.
    #[error("the key does not belong to the certificate")]
    Mismatch,
    /// No CA could be made.
    #[error("no CA can be made")]
    Make(#[source] rcgen::Error),
}

impl Ca {
    /// A new CA of its own, with its key in PEM.
    pub(super) fn make(now: SystemTime) -> Result<(Self, SecretValue), CaError> {
        let key = KeyPair::generate().map_err(CaError::Make)?;
        let mut params = CertificateParams::default();
        // Part of the key's identifier, so that two CAs in one list of trusted ones can be told apart.
        let id: String = params.key_identifier(&key).iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, "Connectors");
        params.distinguished_name.push(DnType::CommonName, format!("Connectors interception CA {id}"));
        // It signs servers' certificates and no further CAs.
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.not_before = (now - BACKDATED).into();
        params.not_after = (now + LIFETIME).into();
        let certificate = params.self_signed(&key).map_err(CaError::Make)?;
        let key_pem = key.serialize_pem();
        let ca = Self::from_pem(&certificate.pem(), &key_pem, now)?;
        Ok((ca, SecretValue::new(key_pem)))
    }

    /// Reads a CA and checks that it could sign at `now`.
    pub(super) fn from_pem(certificate_pem: &str, key_pem: &str, now: SystemTime) -> Result<Self, CaError> {
        let der = single_certificate(certificate_pem).ok_or(CaError::Certificate)?;
        let (rest, certificate) = X509Certificate::from_der(&der).map_err(|_| CaError::Certificate)?;
        if !rest.is_empty() {
            return Err(CaError::Certificate);
        }
        if !may_sign(&certificate) {
            return Err(CaError::NotCa);
        }
        let key = KeyPair::from_pem(key_pem).map_err(|_| CaError::Key)?;
        if certificate.public_key().subject_public_key.data != key.public_key_raw() {
            return Err(CaError::Mismatch);
        }
        let not_before = seconds(certificate.validity().not_before.timestamp());
        let not_after = seconds(certificate.validity().not_after.timestamp());
        let issuer = Issuer::from_ca_cert_der(&der, key).map_err(|_| CaError::Certificate)?;
        let ca = Self { certificate_pem: certificate_pem.to_owned(), issuer, not_before, not_after };
        ca.check_time(now)?;
        Ok(ca)
    }

    pub(super) fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    pub(super) fn issuer(&self) -> &Issuer<'static, KeyPair> {
        &self.issuer
    }

    /// Whether the certificate is valid at `now`.
    pub(super) fn check_time(&self, now: SystemTime) -> Result<(), CaError> {
        if now < self.not_before {
            return Err(CaError::NotYetValid(self.not_before));
        }
        if now >= self.not_after {
            return Err(CaError::Expired(self.not_after));
        }
        Ok(())
    }

    /// The part of a time in which the CA is valid too.
    pub(super) fn within(&self, from: SystemTime, to: SystemTime) -> (SystemTime, SystemTime) {
        (from.max(self.not_before), to.min(self.not_after))
    }
}

/// Shows nothing of the key.
impl fmt::Debug for Ca {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ca").field("not_before", &self.not_before).field("not_after", &self.not_after).finish_non_exhaustive()
    }
}

fn single_certificate(pem: &str) -> Option<CertificateDer<'static>> {
    let mut certificates = CertificateDer::pem_slice_iter(pem.as_bytes());
    let certificate = certificates.next()?.ok()?;
    certificates.next().is_none().then_some(certificate)
}

fn may_sign(certificate: &X509Certificate<'_>) -> bool {
    let is_ca = matches!(certificate.basic_constraints(), Ok(Some(constraints)) if constraints.value.ca);
    // Without keyUsage there is no restriction; one that can't be parsed is one.
    is_ca && certificate.key_usage().is_ok_and(|usage| usage.is_none_or(|usage| usage.value.key_cert_sign()))
}

/// Seconds from 1970, before which no certificate is valid.
fn seconds(timestamp: i64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(timestamp.try_into().unwrap_or(0))
}

/// For people.
fn time(time: SystemTime) -> String {
    let time = time::OffsetDateTime::from(time);
    let (date, (hour, minute, second)) = (time.date(), time.to_hms());
    format!("{date} {hour:02}:{minute:02}:{second:02} UTC")
}
