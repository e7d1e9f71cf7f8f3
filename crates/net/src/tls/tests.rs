use super::*;
use crate::testing::TestCa;

fn tls() -> ClientTls {
    ClientTls::with_system_roots(RootCertStore::empty())
}

#[test]
fn equal_roots_share_a_configuration_and_others_do_not() {
    let tls = tls();
    let (a, b) = (TestCa::new(), TestCa::new());
    let config = tls.config(&a.trust()).unwrap();
    assert!(Arc::ptr_eq(&config, &tls.config(&a.trust()).unwrap()));
    assert!(!Arc::ptr_eq(&config, &tls.config(&b.trust()).unwrap()));
    assert!(!Arc::ptr_eq(&config, &tls.config(&TrustRoots::default()).unwrap()));
    let both = TrustRoots::new(a.trust().certificates().chain(b.trust().certificates()).map(Into::into).collect());
    assert!(!Arc::ptr_eq(&config, &tls.config(&both).unwrap()));
}

#[test]
fn roots_that_nobody_uses_are_forgotten() {
    let tls = tls();
    let (used, unused) = (TestCa::new().trust(), TestCa::new().trust());
    let (before, gone) = (tls.config(&used).unwrap(), tls.config(&unused).unwrap());
    tls.retain(|trust| *trust == used);
    assert_eq!(Arc::strong_count(&gone), 1);
    assert!(Arc::ptr_eq(&before, &tls.config(&used).unwrap()));
}

#[test]
fn what_is_no_certificate_is_refused_and_not_left_out() {
    let trust = TrustRoots::new(vec![Box::from(*b"no certificate")]);
    assert!(matches!(tls().config(&trust), Err(TlsError::TrustRoot(_))));
}

#[test]
fn http_1_1_is_the_only_protocol() {
    assert_eq!(tls().config(&TrustRoots::default()).unwrap().alpn_protocols, [b"http/1.1"]);
}
