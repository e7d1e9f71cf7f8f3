use connectors_core::{Flags, Injection, Resolver, TrustRoots, Unready};
use serde_json::{Value, json};

use super::{LowerError, lower};
use crate::testing::{ca_pem, checked, class, connector, credentials, secret};
use crate::{BASIC_AUTH, BEARER_TOKEN, CA_CERT_LABEL, CaProblem, Connector, Secret, conditions, system_trust};

fn lowered(connector: &Connector, class: Option<crate::ConnectorClass>, secrets: Vec<Secret>) -> connectors_core::Connector {
    lower(connector, class.map(checked).as_ref(), &secrets, &TrustRoots::default()).unwrap()
}

/// What a Connector that is laid over like that puts on requests, of the class as it is: a header line, `nothing`, or why not.
fn injects(more: Value, secrets: Vec<Secret>) -> String {
    injects_of(more, Some(class(json!({}))), secrets)
}

fn injects_of(more: Value, class: Option<crate::ConnectorClass>, secrets: Vec<Secret>) -> String {
    match lowered(&connector(more), class, secrets).injection {
        Injection::Nothing => "nothing".into(),
        Injection::Static(credential) => String::from_utf8(credential.headers[0].line().expose().to_vec()).unwrap(),
        Injection::PerRequest(_) => "made for each request".into(),
        Injection::Unready(unready) => format!("{}: {unready}", unready.reason()),
    }
}

#[test]
fn a_credential_is_prepared_by_the_type_of_its_secret() {
    assert_eq!(injects(json!({}), vec![credentials()]), "Authorization: Basic dTpw\r\n");
    let token = json!({"auth": {"name": "tokenAuth", "secretRef": {"name": "repo"}}});
    assert_eq!(injects(token, vec![secret("repo", BEARER_TOKEN, &[("token", "t")])]), "Authorization: Bearer t\r\n");
    assert_eq!(injects(json!({"auth": null}), vec![]), "nothing");
    assert_eq!(injects(json!({"auth": {"name": "basicAuth"}}), vec![credentials()]), "nothing");
}

#[test]
fn a_type_that_says_not_how_it_is_sent_injects_nothing() {
    let opaque = class(json!({"auth": {"types": [{"name": "a", "secretType": "Opaque", "params": [{"name": "key"}, {"name": "more", "default": ""}]}]}}));
    let more = json!({"auth": {"name": "a", "secretRef": {"name": "repo"}}});
    assert_eq!(injects_of(more.clone(), Some(opaque.clone()), vec![secret("repo", "Opaque", &[("key", "v")])]), "nothing");
    let missing = injects_of(more, Some(opaque), vec![secret("repo", "Opaque", &[("more", "v")])]);
    assert_eq!(missing, "SecretKeyMissing: Secret \"team/repo\" lacks the key \"key\"");
}

#[test]
fn whatever_is_wrong_leaves_the_connector_unready() {
    let of_secret = |secret: Secret| injects(json!({}), vec![secret]);
    for (found, expect) in [
        (injects_of(json!({}), None, vec![credentials()]), "ConnectorClassNotFound: ConnectorClass \"git\" does not exist"),
        (
            injects_of(json!({}), Some(class(json!({"params": [{}]}))), vec![credentials()]),
            "ConnectorClassNotReady: ConnectorClass \"git\" is not usable: spec.params[0].name: is required",
        ),
        (
            injects(json!({"params": [{"name": "mode", "value": "x"}]}), vec![credentials()]),
            "InvalidSpec: spec.params[0].value: must be one of \"all\", \"some\"",
        ),
        (
            injects(json!({"auth": {"name": "tokenAuth"}}), vec![]),
            "InvalidSpec: spec.auth.secretRef: is required by authentication type \"tokenAuth\": the name of a Secret of type connectors.cpaas.io/bearer-token",
        ),
        (injects(json!({}), vec![]), "SecretNotFound: Secret \"team/repo\", named by spec.auth.secretRef, does not exist"),
        (
            of_secret(secret("repo", "cpaas.io/distribution-registry-token", &[("username", "u"), ("password", "p")])),
            "SecretTypeMismatch: Secret \"team/repo\" has type \"cpaas.io/distribution-registry-token\", but the auth type wants \"kubernetes.io/basic-auth\"",
        ),
        (of_secret(secret("repo", BASIC_AUTH, &[("username", "u")])), "SecretKeyMissing: Secret \"team/repo\" lacks the key \"password\""),
        (
            of_secret(secret("repo", BASIC_AUTH, &[("username", "u"), ("password", "p\n")])),
            "SecretValueInvalid: Secret \"team/repo\": the value of \"password\" can't be sent: it has a line break or another control character",
        ),
        (
            of_secret(secret("repo", BASIC_AUTH, &[("username", "u:v"), ("password", "p")])),
            "SecretValueInvalid: Secret \"team/repo\": the value of \"username\" can't be sent: a user name with a ':' can't be sent by Basic authentication",
        ),
    ] {
        assert_eq!(found, expect);
    }
}

#[test]
fn without_a_name_or_an_address_there_is_no_connector() {
    let lower = |connector: &Connector| lower(connector, None, &Vec::new(), &TrustRoots::default()).map(|_| ()).unwrap_err();
    assert!(matches!(lower(&connector(json!({"address": "x"}))), LowerError::Address(_)));
    let mut nameless = connector(json!({}));
    nameless.metadata.name = "a.b".into();
    assert!(matches!(lower(&nameless), LowerError::Name(_)));
}

#[test]
fn p15_no_other_namespace_is_looked_into() {
    let mut foreign = credentials();
    foreign.namespace = "kube-system".into();
    let more = json!({"auth": {"name": "basicAuth", "secretRef": {"name": "repo", "namespace": "kube-system"}}});
    assert!(injects(more, vec![foreign]).starts_with("InvalidSpec: spec.auth.secretRef.namespace: "));

    let mut foreign_ca = secret("ca", "Opaque", &[("ca.crt", &ca_pem())]);
    foreign_ca.namespace = "kube-system".into();
    let connector = connector(json!({"caCertSecretRef": {"name": "ca"}}));
    assert!(lowered(&connector, Some(class(json!({}))), vec![credentials(), foreign_ca]).trust.is_empty());
}

#[test]
fn defaults_of_the_class_are_targets() {
    let targets = |more| lowered(&connector(more), Some(class(json!({}))), vec![]).targets().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(targets(json!({})), ["https://git.example", "https://api.example"]);
    assert_eq!(targets(json!({"addressExtensions": [{"name": "api", "value": "https://own.example/v3/"}]})), ["https://git.example", "https://own.example/v3"]);
    // A default that the address itself has.
    assert_eq!(targets(json!({"address": "https://api.example"})), ["https://api.example"]);
}

#[test]
fn the_class_says_how_the_proxy_address_is_written() {
    let mut class = class(json!({}));
    assert_eq!(lowered(&connector(json!({})), Some(class.clone()), vec![]).resolver, Resolver::Host);
    class.metadata.annotations.insert(crate::PROXY_RESOLVER_ANNOTATION.into(), "path".into());
    assert_eq!(lowered(&connector(json!({})), Some(class), vec![]).resolver, Resolver::Path);
}

#[test]
fn ca_certificates_are_read_where_they_are() {
    let (one, two) = (ca_pem(), ca_pem());
    let both = format!("a comment\n{one}\n{two}");
    let key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    for (data, certificates, problems) in [
        (&[("ca.crt", one.as_str())][..], 1, vec![]),
        (&[("anything", both.as_str()), ("tls.key", key), ("note", "text")], 2, vec![]),
        (&[("note", "text")], 0, vec![CaProblem::None { secret: "team/ca".into() }]),
        (&[("ca.pem", "text"), ("other.crt", one.as_str())], 1, vec![CaProblem::NotPem { secret: "team/ca".into(), key: "ca.pem".into() }]),
        (
            &[("ca.crt", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")],
            0,
            vec![CaProblem::Unusable { secret: "team/ca".into(), key: "ca.crt".into(), number: 1 }],
        ),
        (&[("x", "-----BEGIN CERTIFICATE-----\nAAAA")], 0, vec![CaProblem::NotPem { secret: "team/ca".into(), key: "x".into() }]),
    ] {
        let found = crate::ca_certificates(&secret("ca", "Opaque", data));
        assert_eq!((found.certificates.len(), found.problems), (certificates, problems), "{data:?}");
    }
}

#[test]
fn trust_is_the_systems_and_the_connectors_own() {
    let mut labelled = secret("corp", "Opaque", &[("ca.crt", &ca_pem())]);
    labelled.namespace = "connectors-system".into();
    labelled.labels.insert(CA_CERT_LABEL.into(), "true".into());
    let mut elsewhere = secret("corp", "Opaque", &[("ca.crt", &ca_pem())]);
    elsewhere.labels.insert(CA_CERT_LABEL.into(), "true".into());
    let own = secret("ca", "Opaque", &[("ca.crt", &ca_pem())]);
    let secrets = vec![labelled, elsewhere, own];

    let flags = Flags { custom_ca_certs: true, ..Flags::default() };
    assert!(system_trust(Flags::default(), "connectors-system", &secrets).0.is_empty());
    let (system, problems) = system_trust(flags, "connectors-system", &secrets);
    assert_eq!((system.certificates().count(), problems), (1, vec![]));

    let trust = |more| lower(&connector(more), None, &secrets, &system).unwrap().trust;
    assert_eq!(trust(json!({})), system);
    assert_eq!(trust(json!({"caCertSecretRef": {"name": "ca"}})).certificates().count(), 2);
    // That it isn't there keeps nobody from using the tool.
    assert_eq!(trust(json!({"caCertSecretRef": {"name": "none"}})), system);
}

#[test]
fn p23_what_is_lowered_prints_no_value() {
    let secrets = vec![secret("repo", BASIC_AUTH, &[("username", "u"), ("password", "canary-7731")])];
    let lowered = lowered(&connector(json!({})), Some(class(json!({}))), secrets);
    assert!(matches!(lowered.injection, Injection::Static(_)));
    let printed = format!("{lowered:?}");
    assert!(!printed.contains("canary") && !printed.contains("dTpjYW5hcnk"), "{printed}");

    let secrets = vec![secret("repo", BASIC_AUTH, &[("username", "u"), ("password", "canary-7731\n")])];
    let unready =
        Unready::SecretValueInvalid { secret: "team/repo".into(), key: "password".into(), problem: "it has a line break or another control character" };
    assert_eq!(conditions::secret(&connector(json!({})), &checked(class(json!({}))), &secrets), Some(unready));
}

/// A class whose type `tokenAuth` has this rule, and its extractor.
fn ruled(rego: &str) -> crate::CheckedClass {
    let extractor = "package proxy\nauth = {\"token\": input.request.headers.T[0]}\n";
    checked(class(json!({
        "auth": {"types": [{"name": "tokenAuth", "secretType": "Opaque", "params": [{"name": "token"}], "generator": {"rego": rego}}]},
        "proxy": {"uri": "http://proxy", "authExtractor": {"rego": extractor}},
    })))
}

#[test]
fn a_rule_of_the_secret_alone_is_evaluated_when_it_is_lowered() {
    let secrets = vec![secret("repo", "Opaque", &[("token", "canary-3391")])];
    let connector = connector(json!({"auth": {"name": "tokenAuth", "secretRef": {"name": "repo"}}}));
    let lowered = |rego: &str| super::lower(&connector, Some(&ruled(rego)), &secrets, &TrustRoots::default()).unwrap();
    let of = |value: &str| format!("package proxy\nauth = {{\"position\": \"header\", \"auth\": {{\"X-Token\": {value}}}}}\n");

    let fixed = lowered(&of("input.data.token"));
    let Injection::Static(credential) = &fixed.injection else { panic!("{:?}", fixed.injection) };
    assert_eq!(credential.headers[0].line().expose(), b"X-Token: canary-3391\r\n");
    assert!(fixed.extractor.is_some());
    for made in ["sprintf(\"%d\", [time.now_ns()])", "input.request.path"] {
        let injection = lowered(&of(made)).injection;
        assert!(matches!(injection, Injection::PerRequest(_)), "{made}");
        assert!(!format!("{injection:?}").contains("canary"));
    }
    let failed = |value: &str, problem: &str| {
        let Injection::Unready(unready) = lowered(&of(value)).injection else { panic!("{value}") };
        let place = "ConnectorClass \"git\", spec.auth.types[0].generator.rego";
        assert_eq!(
            (unready.reason(), unready.to_string()),
            ("InjectionFailed", format!("its credential can't be made: {place}: rule data.proxy.auth{problem}"))
        );
    };
    failed("input.data.other", " is undefined: none of its conditions holds, or something that it needs is missing");
    failed("concat(\"\", [input.data.token, \"\\n\"])", ": auth has a value that no header can have, such as one with a line break");
}

#[test]
fn a_rule_is_compiled_once_for_all_connectors() {
    let class = ruled("package proxy\nauth = {\"position\": \"query\", \"auth\": {\"t\": input.data.token}}\n");
    let extractor = || super::lower(&connector(json!({})), Some(&class), &Vec::new(), &TrustRoots::default()).unwrap().extractor.unwrap();
    assert!(std::sync::Arc::ptr_eq(&extractor(), &extractor()));
    let broken = ruled("package proxy\n");
    assert!(super::lower(&connector(json!({})), Some(&broken), &Vec::new(), &TrustRoots::default()).unwrap().extractor.is_none());
}
