use super::*;
use crate::testing::TestCa;

fn tls() -> ClientTls {
    ClientTls::with_system_roots(RootCertStore::empty())
}

#[test]
fn equal_roots_share_a_configuration_and_others_do_not() {
    let tls = tls();
    let (a, b) = (TestCa::new(), TestCa::new());
    let config = tls.config(&a.trust(), Alpn::Http1).unwrap();
    assert!(Arc::ptr_eq(&config, &tls.config(&a.trust(), Alpn::Http1).unwrap()));
    assert!(!Arc::ptr_eq(&config, &tls.config(&b.trust(), Alpn::Http1).unwrap()));
    assert!(!Arc::ptr_eq(&config, &tls.config(&TrustRoots::default(), Alpn::Http1).unwrap()));
    let both = TrustRoots::new(a.trust().certificates().chain(b.trust().certificates()).map(Into::into).collect());
    assert!(!Arc::ptr_eq(&config, &tls.config(&both, Alpn::Http1).unwrap()));
}

#[test]
fn what_is_no_certificate_is_refused_and_not_left_out() {
    let trust = TrustRoots::new(vec![Box::from(*b"no certificate")]);
    assert!(matches!(tls().config(&trust, Alpn::Http1), Err(TlsError::TrustRoot(_))));
}

#[test]
fn http_2_is_offered_only_to_those_who_ask_for_it() {
    let (tls, trust) = (tls(), TrustRoots::default());
    for _ in 0..2 {
        assert_eq!(tls.config(&trust, Alpn::Http1).unwrap().alpn_protocols, [b"http/1.1".to_vec()]);
        assert_eq!(tls.config(&trust, Alpn::Http2).unwrap().alpn_protocols, [b"h2".to_vec(), b"http/1.1".to_vec()]);
    }
}
