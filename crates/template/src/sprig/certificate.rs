//! Keys and certificates.

use std::net::IpAddr;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, DnValue, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, RsaKeySize,
    SanType, SerialNumber,
};

use super::encoding::from_base64;
use super::keys::{self, PrivateKey};
use super::random;
use crate::error::Failure;
use crate::fmt;
use crate::function::{Args, Env, Function, Param};
use crate::quote::lossy;
use crate::time::Time;
use crate::types::{Field, StructType, Type};
use crate::value::{Struct, Value};

type Result<T = Value> = std::result::Result<T, Failure>;

const TWO: &[Param] = &[Param::String, Param::String];
const NAMES: &[Param] = &[Param::String, Param::Anys, Param::Anys, Param::Int];

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new("genPrivateKey", &[Param::String], gen_private_key),
    Function::new("buildCustomCert", TWO, build_custom_cert),
    Function::new("genCA", &[Param::String, Param::Int], |env, args| {
        let key = new_key(env)?;
        gen_ca(env, args, key)
    }),
    Function::new("genCAWithKey", &[Param::String, Param::Int, Param::String], |env, args| {
        let key = given_key(env, args.string(2))?;
        gen_ca(env, args, key)
    }),
    Function::new("genSelfSignedCert", NAMES, |env, args| {
        let key = new_key(env)?;
        gen_self_signed(env, args, key)
    }),
    Function::new("genSelfSignedCertWithKey", &[Param::String, Param::Anys, Param::Anys, Param::Int, Param::String], |env, args| {
        let key = given_key(env, args.string(4))?;
        gen_self_signed(env, args, key)
    }),
    Function::new("genSignedCert", &[Param::String, Param::Anys, Param::Anys, Param::Int, Param::Certificate], |env, args| {
        let key = new_key(env)?;
        gen_signed(env, args, key)
    }),
    Function::new("genSignedCertWithKey", &[Param::String, Param::Anys, Param::Anys, Param::Int, Param::Certificate, Param::String], |env, args| {
        let key = given_key(env, args.string(5))?;
        gen_signed(env, args, key)
    }),
];

static CERTIFICATE: LazyLock<Arc<StructType>> =
    LazyLock::new(|| StructType::new("sprig.certificate", vec![Field::new("Cert", Type::String), Field::new("Key", Type::String)]));

/// sprig's `certificate`: what `.Cert` and `.Key` are taken from.
fn certificate(env: &mut Env, cert: Vec<u8>, key: Vec<u8>) -> Result {
    let fields = vec![env.string(cert)?, env.string(key)?];
    Ok(Value::Struct(Arc::new(Struct::new(CERTIFICATE.clone(), fields))))
}

fn gen_private_key(env: &mut Env, args: Args<'_>) -> Result {
    let kind = args.string(0);
    if !matches!(kind, b"" | b"rsa" | b"dsa" | b"ecdsa" | b"ed25519") {
        return env.string([b"Unknown type ", kind].concat());
    }
    env.meter.slow_call()?;
    let key = match kind {
        b"dsa" => return keys::generate_dsa().and_then(|pem| env.string(pem)),
        b"ecdsa" => keys::generate_ecdsa()?,
        b"ed25519" => keys::generate_ed25519()?,
        _ => keys::generate_rsa(RsaKeySize::_4096)?,
    };
    match key {
        PrivateKey::Signing(_, pem) => env.string(pem),
        PrivateKey::Dsa => env.string(""),
    }
}

type Key = (Box<KeyPair>, String);

fn signing_key(key: PrivateKey) -> Result<Key> {
    match key {
        PrivateKey::Signing(key, pem) => Ok((key, pem)),
        PrivateKey::Dsa => Err("error creating certificate: x509: certificate private key does not implement crypto.Signer".into()),
    }
}

fn new_key(env: &mut Env) -> Result<Key> {
    env.meter.slow_call()?;
    signing_key(keys::generate_rsa(RsaKeySize::_2048)?)
}

fn given_key(env: &mut Env, pem: &[u8]) -> Result<Key> {
    env.meter.slow_call()?;
    signing_key(PrivateKey::parse(pem).map_err(|failure| prefixed("parsing private key", failure))?)
}

fn prefixed(what: &str, failure: Failure) -> Failure {
    match failure {
        Failure::Message(message) => Failure::Message(format!("{what}: {message}")),
        limit => limit,
    }
}

fn creation(error: rcgen::Error) -> Failure {
    Failure::Message(format!("error creating certificate: {error}"))
}

fn gen_ca(env: &mut Env, args: Args<'_>, (key, pem): Key) -> Result {
    let mut parameters = parameters(args.string(0), args.int(1))?;
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    parameters.key_usages.push(KeyUsagePurpose::KeyCertSign);
    let made = parameters.self_signed(&*key).map_err(creation)?;
    certificate(env, keys::encode_pem("CERTIFICATE", made.der()).into_bytes(), pem.into_bytes())
}

fn gen_self_signed(env: &mut Env, args: Args<'_>, (key, pem): Key) -> Result {
    let parameters = named_parameters(env, args)?;
    let made = parameters.self_signed(&*key).map_err(creation)?;
    certificate(env, keys::encode_pem("CERTIFICATE", made.der()).into_bytes(), pem.into_bytes())
}

fn gen_signed(env: &mut Env, args: Args<'_>, (key, pem): Key) -> Result {
    let Value::Struct(authority) = args.value(4) else { return Err("unable to decode certificate".into()) };
    let field = |index: usize| match authority.fields().get(index) {
        Some(Value::String(text)) => text.to_vec(),
        _ => Vec::new(),
    };
    let (_, der) = keys::decode_pem(&field(0)).ok_or("unable to decode certificate")?;
    check_certificate(&der)?;
    let signer = PrivateKey::parse(&field(1)).map_err(|failure| prefixed("error parsing private key", failure))?;
    let (signer, _) = signing_key(signer)?;
    let mut parameters = named_parameters(env, args)?;
    parameters.use_authority_key_identifier_extension = true;
    let issuer = Issuer::from_ca_cert_der(&der.into(), *signer).map_err(creation)?;
    let made = parameters.signed_by(&*key, &issuer).map_err(creation)?;
    certificate(env, keys::encode_pem("CERTIFICATE", made.der()).into_bytes(), pem.into_bytes())
}

fn check_certificate(der: &[u8]) -> Result<()> {
    match x509_parser::parse_x509_certificate(der) {
        Ok(_) => Ok(()),
        Err(error) => Err(Failure::Message(format!("error parsing certificate: decodedCert.Bytes: {error}"))),
    }
}

/// `getBaseCertTemplate`, without other names.
fn parameters(name: &[u8], days: i64) -> Result<CertificateParams> {
    const DAY: u64 = 86_400;
    let mut parameters = CertificateParams::default();
    let now = Time::now();
    let today = now.civil();
    let midnight = rcgen::date_time_ymd(today.year as i32, today.month, today.day);
    parameters.not_before = midnight + Duration::from_secs(now.unix() as u64 % DAY);
    // As many as an X.509 date can say; Go's overflow says something else.
    let days = days.clamp(-365 * 50, 365 * 5_000);
    let span = Duration::from_secs(days.unsigned_abs() * DAY);
    parameters.not_after = if days < 0 { parameters.not_before - span } else { parameters.not_before + span };
    let mut serial = [0; 16];
    random::fill(&mut serial)?;
    serial[0] &= 0x7f;
    parameters.serial_number = Some(SerialNumber::from_slice(&serial));
    let name = lossy(name);
    let printable = name.clone().try_into().map(DnValue::PrintableString);
    parameters.distinguished_name = DistinguishedName::new();
    parameters.distinguished_name.push(DnType::CommonName, printable.unwrap_or(DnValue::Utf8String(name)));
    parameters.is_ca = IsCa::ExplicitNoCa;
    parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
    parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    Ok(parameters)
}

/// As [`parameters`], with the addresses and DNS names of the second and third argument.
fn named_parameters(env: &mut Env, args: Args<'_>) -> Result<CertificateParams> {
    let mut parameters = parameters(args.string(0), args.int(3))?;
    for value in super::items(args.value(2)).unwrap_or_default().iter() {
        let Value::String(name) = value else {
            let shown = shown(env, value)?;
            return Err(Failure::Message(format!("error processing alternate dns name: {shown} is not a string")));
        };
        let name = lossy(name).try_into().map_err(creation)?;
        parameters.subject_alt_names.push(SanType::DnsName(name));
    }
    for value in super::items(args.value(1)).unwrap_or_default().iter() {
        let Value::String(text) = value else {
            let shown = shown(env, value)?;
            return Err(Failure::Message(format!("error parsing ip: {shown} is not a string")));
        };
        let text = lossy(text);
        let address = text.parse::<IpAddr>().map_err(|_| format!("error parsing ip: {text}"))?;
        parameters.subject_alt_names.push(SanType::IpAddress(address));
    }
    Ok(parameters)
}

fn shown(env: &mut Env, value: &Value) -> Result<String> {
    Ok(lossy(&fmt::sprint(&mut env.meter, &[value])?))
}

fn build_custom_cert(env: &mut Env, args: Args<'_>) -> Result {
    let cert = from_base64(args.string(0)).map_err(|_| "unable to decode base64 certificate")?;
    let key = from_base64(args.string(1)).map_err(|_| "unable to decode base64 private key")?;
    let (_, der) = keys::decode_pem(&cert).ok_or("unable to decode certificate")?;
    check_certificate(&der)?;
    PrivateKey::parse(&key).map_err(|failure| prefixed("error parsing private key", failure))?;
    certificate(env, cert, key)
}
