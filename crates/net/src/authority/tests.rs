use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use rcgen::{BasicConstraints, Issuer};
use rustls::pki_types::pem::PemObject as _;
use tempfile::TempDir;
use tokio_rustls::TlsAcceptor;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::FromDer as _;

use super::*;
use crate::testing::{HOUR, pair, run, tls_client};

const DAY: Duration = LEAF_LIFETIME;

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn host(text: &str) -> Host {
    Host::parse(text).unwrap()
}

fn mode(folder: &TempDir, file: &str) -> u32 {
    fs::metadata(folder.path().join(file)).unwrap().permissions().mode() & 0o7777
}

/// A CA valid from now for `lifetime`, changed before it is signed, in PEM with its key.
fn ca(now: SystemTime, lifetime: Duration, change: impl FnOnce(&mut CertificateParams)) -> (String, String) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params.not_before = now.into();
    params.not_after = (now + lifetime).into();
    change(&mut params);
    let key = KeyPair::generate().unwrap();
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

/// What a client that trusts only `ca_pem` thinks of a server with that configuration. Returns the certificate.
fn client_accepts(config: &Arc<ServerConfig>, name: &str, ca_pem: &str) -> Option<Vec<u8>> {
    run(async {
        let (accepted, caller) = pair().await;
        let root = CertificateDer::from_pem_slice(ca_pem.as_bytes()).unwrap();
        let (served, caller) =
            tokio::join!(TlsAcceptor::from(config.clone()).accept(accepted), tls_client(caller, name.trim_matches(['[', ']']), [root], &[b"http/1.1"]));
        let caller = caller.ok()?;
        served.unwrap();
        let chain = caller.get_ref().1.peer_certificates().unwrap();
        assert_eq!(chain.len(), 1);
        Some(chain[0].to_vec())
    })
}

#[test]
fn the_ca_is_made_once_and_kept() {
    let folder = folder();
    let authority = Authority::load_or_create(folder.path()).unwrap();
    assert_eq!((mode(&folder, "ca.crt"), mode(&folder, "ca.key")), (0o644, 0o600));
    let mut names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["ca.crt", "ca.key"]);
    assert_eq!(authority.certificate_pem(), fs::read_to_string(folder.path().join("ca.crt")).unwrap());
    let again = Authority::load_or_create(folder.path()).unwrap();
    assert_eq!(again.certificate_pem(), authority.certificate_pem());
    // What one has signed, the clients of the other accept.
    let config = authority.server_config(&host("git.example"), SystemTime::now(), Alpn::Http1).unwrap();
    assert!(client_accepts(&config, "git.example", again.certificate_pem()).is_some());
    assert!(!format!("{authority:?}").contains("PRIVATE"));
}

#[test]
fn leaves_are_accepted_for_their_host_by_those_who_trust_the_ca() {
    let authority = Authority::load_or_create(folder().path()).unwrap();
    let other = Authority::load_or_create(folder().path()).unwrap();
    for (name, wrong) in [
        ("git.example", "example"),
        ("git.example", "sub.git.example"),
        ("my_tool.internal", "my-tool.internal"),
        ("xn--bcher-kva.example", "bcher.example"),
        ("192.0.2.1", "192.0.2.2"),
        ("[2001:db8::1]", "[2001:db8::2]"),
    ] {
        let config = authority.server_config(&host(name), SystemTime::now(), Alpn::Http1).unwrap();
        assert!(client_accepts(&config, name, authority.certificate_pem()).is_some(), "{name}");
        assert!(client_accepts(&config, wrong, authority.certificate_pem()).is_none(), "{wrong} at {name}");
        assert!(client_accepts(&config, name, other.certificate_pem()).is_none(), "{name} with another CA");
    }
}

#[test]
fn leaves_have_what_strict_clients_look_for() {
    let authority = Authority::load_or_create(folder().path()).unwrap();
    let ca_der = CertificateDer::from_pem_slice(authority.certificate_pem().as_bytes()).unwrap();
    let (_, ca) = X509Certificate::from_der(&ca_der).unwrap();
    let key_id = ca
        .iter_extensions()
        .find_map(|extension| match extension.parsed_extension() {
            ParsedExtension::SubjectKeyIdentifier(id) => Some(id.0),
            _ => None,
        })
        .unwrap();
    let basic = ca.basic_constraints().unwrap().unwrap();
    assert!(basic.critical && basic.value.ca && basic.value.path_len_constraint == Some(0));
    let usage = ca.key_usage().unwrap().unwrap();
    assert!(usage.critical && usage.value.key_cert_sign() && !usage.value.digital_signature());

    let long = format!("{}.{}.example", "a".repeat(63), "b".repeat(63));
    for name in ["git.example", "192.0.2.1", &long] {
        let config = authority.server_config(&host(name), SystemTime::now(), Alpn::Http1).unwrap();
        let der = client_accepts(&config, name, authority.certificate_pem()).unwrap();
        let (_, leaf) = X509Certificate::from_der(&der).unwrap();
        let names = leaf.subject_alternative_name().unwrap().unwrap();
        match names.value.general_names.as_slice() {
            [GeneralName::DNSName(found)] => assert_eq!(*found, name),
            [GeneralName::IPAddress(found)] => assert_eq!(*found, [192, 0, 2, 1]),
            found => panic!("{found:?}"),
        }
        // RFC 5280 §4.2.1.6: critical exactly if there is no subject.
        assert_eq!(names.critical, name == long);
        assert_eq!(leaf.subject().iter().count(), usize::from(name != long));
        assert!(!leaf.basic_constraints().unwrap().unwrap().value.ca);
        let usage = leaf.key_usage().unwrap().unwrap();
        assert!(usage.critical && usage.value.digital_signature() && !usage.value.key_cert_sign());
        let purposes = leaf.extended_key_usage().unwrap().unwrap().value;
        assert!(purposes.server_auth && !purposes.client_auth && !purposes.any);
        let issuer_id = leaf.iter_extensions().find_map(|extension| match extension.parsed_extension() {
            ParsedExtension::AuthorityKeyIdentifier(id) => id.key_identifier.as_ref().map(|id| id.0),
            _ => None,
        });
        assert_eq!(issuer_id, Some(key_id));
        assert!(leaf.iter_extensions().any(|extension| matches!(extension.parsed_extension(), ParsedExtension::SubjectKeyIdentifier(_))));
        assert_eq!(leaf.issuer(), ca.subject());
        assert_ne!(leaf.raw_serial(), ca.raw_serial());
        let validity = leaf.validity();
        assert_eq!(validity.not_after.timestamp() - validity.not_before.timestamp(), (DAY + BACKDATED).as_secs() as i64);
    }
}

#[test]
fn cas_can_be_told_apart_by_name() {
    let subject = || {
        let authority = Authority::load_or_create(folder().path()).unwrap();
        let der = CertificateDer::from_pem_slice(authority.certificate_pem().as_bytes()).unwrap();
        X509Certificate::from_der(&der).unwrap().1.subject().to_string()
    };
    let (one, two) = (subject(), subject());
    assert!(one.contains("O=Connectors, CN=Connectors interception CA "), "{one}");
    assert_ne!(one, two);
}

#[test]
fn a_leaf_is_kept_until_a_third_of_its_life_is_left() {
    let authority = Authority::load_or_create(folder().path()).unwrap();
    let now = SystemTime::now();
    let at = |now| authority.server_config(&host("git.example"), now, Alpn::Http1).unwrap();
    let first = at(now);
    for same in [now, now + HOUR, now + 16 * HOUR - Duration::from_secs(1), now - BACKDATED / 2] {
        assert!(Arc::ptr_eq(&first, &at(same)));
    }
    assert!(!Arc::ptr_eq(&first, &authority.server_config(&host("other.example"), now, Alpn::Http1).unwrap()));
    let second = at(now + 16 * HOUR);
    assert!(!Arc::ptr_eq(&first, &second));
    assert!(Arc::ptr_eq(&second, &at(now + 30 * HOUR)));
    // A clock that is set back: the kept one isn't valid yet.
    assert!(!Arc::ptr_eq(&second, &at(now)));
}

#[test]
fn no_leaf_outlives_the_ca_and_its_last_hours_bring_no_flood() {
    let now = SystemTime::now();
    let (certificate, key) = ca(now, 6 * HOUR, |_| {});
    let authority = Authority::from_pem(&certificate, &key).unwrap();
    let end = authority.ca.within(now, now + DAY).1;
    let mut made = 0;
    let mut last = None;
    for minute in 0..6 * 60 {
        let config = authority.server_config(&host("git.example"), now + minute * HOUR / 60, Alpn::Http1).unwrap();
        if last.as_ref().is_none_or(|last| !Arc::ptr_eq(last, &config)) {
            made += 1;
            last = Some(config);
        }
    }
    assert!(made <= 6, "{made} certificates");
    assert!(matches!(authority.server_config(&host("git.example"), end, Alpn::Http1), Err(LeafError::Ca(CaError::Expired(_)))));
}

#[test]
fn the_leaves_that_are_kept_are_bounded() {
    let authority = Authority::load_or_create(folder().path()).unwrap();
    let now = SystemTime::now();
    for number in 0..MAX_LEAVES + 100 {
        authority.server_config(&host(&format!("host-{number}.example")), now, Alpn::Http1).unwrap();
    }
    assert!(authority.leaves().len() <= MAX_LEAVES);
}

#[test]
fn p20_a_ca_whose_time_is_over_signs_nothing() {
    let now = SystemTime::now();
    let (certificate, key) = ca(now, HOUR, |_| {});
    let authority = Authority::from_pem(&certificate, &key).unwrap();
    authority.server_config(&host("git.example"), now + HOUR / 2, Alpn::Http1).unwrap();
    // Not even what it has signed before is served.
    let error = authority.server_config(&host("git.example"), now + 2 * HOUR, Alpn::Http1).unwrap_err();
    assert!(matches!(error, LeafError::Ca(CaError::Expired(_))), "{error:?}");
    let error = authority.server_config(&host("git.example"), now - HOUR, Alpn::Http1).unwrap_err();
    assert!(matches!(error, LeafError::Ca(CaError::NotYetValid(_))), "{error:?}");
}

#[test]
fn p20_what_is_no_usable_ca_is_refused() {
    let now = SystemTime::now();
    let (certificate, key) = ca(now, HOUR, |_| {});
    Authority::from_pem(&certificate, &key).unwrap();
    let (other_certificate, other_key) = ca(now, HOUR, |_| {});
    let (not_ca, not_ca_key) = ca(now, HOUR, |params| params.is_ca = IsCa::NoCa);
    let (no_signing, no_signing_key) = ca(now, HOUR, |params| params.key_usages = vec![KeyUsagePurpose::DigitalSignature]);
    let (expired, expired_key) = ca(now - 2 * HOUR, HOUR, |_| {});
    let (early, early_key) = ca(now + HOUR, HOUR, |_| {});
    let refused = |certificate: &str, key: &str| Authority::from_pem(certificate, key).unwrap_err();
    assert_eq!(refused("", &key), CaError::Certificate);
    assert_eq!(refused("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", &key), CaError::Certificate);
    assert_eq!(refused(&format!("{certificate}{other_certificate}"), &key), CaError::Certificate);
    assert_eq!(refused(&key, &certificate), CaError::Certificate);
    assert_eq!(refused(&not_ca, &not_ca_key), CaError::NotCa);
    assert_eq!(refused(&no_signing, &no_signing_key), CaError::NotCa);
    assert_eq!(refused(&certificate, ""), CaError::Key);
    assert_eq!(refused(&certificate, &certificate), CaError::Key);
    assert_eq!(refused(&certificate, &other_key), CaError::Mismatch);
    assert!(matches!(refused(&expired, &expired_key), CaError::Expired(_)));
    assert!(matches!(refused(&early, &early_key), CaError::NotYetValid(_)));
}

#[test]
fn a_ca_from_elsewhere_signs_too() {
    let now = SystemTime::now();
    // Without keyUsage, under a root, RSA: as companies have them.
    let (root_pem, root_key) = ca(now, HOUR, |_| {});
    let root = Issuer::from_ca_cert_pem(&root_pem, KeyPair::from_pem(&root_key).unwrap()).unwrap();
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.distinguished_name.push(DnType::CountryName, "AT");
    params.distinguished_name.push(DnType::OrganizationName, "Österreichische Beispiele");
    params.not_before = now.into();
    params.not_after = (now + HOUR).into();
    let key = KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
    let certificate = params.signed_by(&key, &root).unwrap().pem();
    let authority = Authority::from_pem(&certificate, &key.serialize_pem()).unwrap();
    let config = authority.server_config(&host("git.example"), now, Alpn::Http1).unwrap();
    assert!(client_accepts(&config, "git.example", &certificate).is_some());
}

#[test]
fn p20_files_that_cannot_be_trusted_are_refused_and_left_as_they_are() {
    let broken = |change: &dyn Fn(&TempDir)| {
        let folder = folder();
        Authority::load_or_create(folder.path()).unwrap();
        change(&folder);
        let files = || ["ca.crt", "ca.key"].map(|name| fs::read(folder.path().join(name)).ok());
        let before = files();
        let error = Authority::load_or_create(folder.path()).unwrap_err();
        assert_eq!(files(), before);
        error
    };
    for bits in [0o640, 0o604, 0o660, 0o644, 0o610] {
        let error = broken(&|folder| fs::set_permissions(folder.path().join("ca.key"), Permissions::from_mode(bits)).unwrap());
        assert!(matches!(error, AuthorityError::OpenToOthers(_, found) if found == bits), "{error:?}");
        assert!(error.to_string().contains(&format!("mode {bits:04o}")) && error.to_string().contains("chmod 600"), "{error}");
    }
    let error = broken(&|folder| {
        let key = folder.path().join("ca.key");
        // Only root may give something away; who isn't root finds something of root's.
        if std::os::unix::fs::chown(&key, Some(65534), None).is_err() {
            fs::remove_file(&key).unwrap();
            std::os::unix::fs::symlink("/etc/passwd", &key).unwrap();
        }
    });
    assert!(matches!(&error, AuthorityError::NotOwned(path, _) if path.ends_with("ca.key")), "{error:?}");
    let error = broken(&|folder| fs::remove_file(folder.path().join("ca.key")).unwrap());
    assert!(matches!(&error, AuthorityError::Incomplete { missing, .. } if missing.ends_with("ca.key")), "{error:?}");
    let error = broken(&|folder| fs::remove_file(folder.path().join("ca.crt")).unwrap());
    assert!(matches!(&error, AuthorityError::Incomplete { missing, .. } if missing.ends_with("ca.crt")), "{error:?}");
    let error = broken(&|folder| fs::write(folder.path().join("ca.crt"), "").unwrap());
    assert!(matches!(error, AuthorityError::Unusable(_, CaError::Certificate)), "{error:?}");
    let error = broken(&|folder| fs::write(folder.path().join("ca.key"), "").unwrap());
    assert!(matches!(error, AuthorityError::Unusable(_, CaError::Key)), "{error:?}");
    let error = broken(&|folder| fs::write(folder.path().join("ca.crt"), ca(SystemTime::now(), HOUR, |_| {}).0).unwrap());
    assert!(matches!(error, AuthorityError::Unusable(_, CaError::Mismatch)), "{error:?}");
    let error = broken(&|folder| {
        let (certificate, key) = ca(SystemTime::now() - 2 * HOUR, HOUR, |_| {});
        fs::write(folder.path().join("ca.crt"), certificate).unwrap();
        fs::write(folder.path().join("ca.key"), key).unwrap();
    });
    assert!(matches!(error, AuthorityError::Unusable(_, CaError::Expired(_))), "{error:?}");
    let error = broken(&|folder| {
        fs::remove_file(folder.path().join("ca.crt")).unwrap();
        std::os::unix::fs::symlink("nowhere", folder.path().join("ca.crt")).unwrap();
    });
    assert!(matches!(error, AuthorityError::Read(..)), "{error:?}");
    let error = Authority::load_or_create(&folder().path().join("missing")).unwrap_err();
    assert!(matches!(error, AuthorityError::Folder(..)), "{error:?}");
}

#[test]
fn what_a_killed_process_has_left_is_no_obstacle() {
    let folder = folder();
    fs::write(folder.path().join("ca.new"), "half a k").unwrap();
    Authority::load_or_create(folder.path()).unwrap();
    assert!(!folder.path().join("ca.new").exists());
}

#[test]
fn threads_that_start_at_once_share_one_ca() {
    let folder = folder();
    let start = std::sync::Barrier::new(8);
    let certificates: Vec<String> = std::thread::scope(|scope| {
        let create = || {
            start.wait();
            Authority::load_or_create(folder.path()).unwrap().certificate_pem().to_owned()
        };
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(create)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(certificates.iter().all(|certificate| *certificate == certificates[0]));
}

/// The folder that [`one_of_several_processes`] is to use; there when [`processes_that_start_at_once_share_one_ca`] runs it.
const FOLDER_OF_PROCESS: &str = "CONNECTORS_NET_TEST_FOLDER";

#[test]
fn processes_that_start_at_once_share_one_ca() {
    let folder = folder();
    let start = || {
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "authority::tests::one_of_several_processes", "--nocapture"])
            .env(FOLDER_OF_PROCESS, folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let processes: Vec<_> = (0..6).map(|_| start()).collect();
    let outputs = processes.into_iter().map(|process| process.wait_with_output().unwrap());
    let outputs: Vec<_> = outputs.map(|output| (output.status.success(), String::from_utf8(output.stdout).unwrap())).collect();
    let certificate = fs::read_to_string(folder.path().join("ca.crt")).unwrap();
    assert!(outputs.iter().all(|(succeeded, text)| *succeeded && text.contains(&certificate)), "{outputs:?}");
    Authority::load_or_create(folder.path()).unwrap();
}

#[test]
fn one_of_several_processes() {
    if let Some(folder) = std::env::var_os(FOLDER_OF_PROCESS) {
        println!("{}", Authority::load_or_create(Path::new(&folder)).unwrap().certificate_pem());
    }
}
