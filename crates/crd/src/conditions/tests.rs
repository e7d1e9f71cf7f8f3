use connectors_core::Flags;
use serde_json::{Value, json};

use super::*;
use crate::probing::Outcome;
use crate::testing::{ca_pem, checked, class as class_with, connector as connector_with, credentials, secret as secret_with};
use crate::{ConnectorClass, Secret, Severity};

const EARLY: &str = "2024-01-02T03:04:05Z";
const LATE: &str = "2024-01-02T03:09:05Z";

/// `type=status reason`, in their order.
fn told(conditions: &[Condition]) -> Vec<String> {
    let severity = |condition: &Condition| if condition.severity == ConditionSeverity::Info { " (info)" } else { "" };
    conditions.iter().map(|condition| format!("{}={:?} {}{}", condition.condition_type, condition.status, condition.reason, severity(condition))).collect()
}

fn probed(verdict: Verdict) -> Probed {
    Probed { outcome: Outcome { verdict, message: format!("GET https://git.example/ : {}", verdict.as_str()) }, at: EARLY.into() }
}

/// A class with both probes and a proxy.
fn probing() -> ConnectorClass {
    class_with(json!({
        "livenessProbe": {"http": {"path": "/"}},
        "authProbes": [{"authName": "basicAuth", "probe": {"http": {"path": "/user"}}}],
        "proxy": {"uri": "http://proxy.example"},
    }))
}

struct Case {
    connector: Value,
    class: Option<ConnectorClass>,
    secrets: Vec<Secret>,
    flags: Flags,
    liveness: Option<Verdict>,
    auth: Option<Verdict>,
    service: ProxyService,
    api: Reached,
}

impl Case {
    /// Everything in order.
    fn good() -> Self {
        let passed = Some(Verdict::Passed);
        Self {
            connector: json!({}),
            class: Some(probing()),
            secrets: vec![credentials()],
            flags: Flags::default(),
            liveness: passed,
            auth: passed,
            service: ProxyService::Exists,
            api: Reached::Answers,
        }
    }

    fn conditions(self) -> Vec<Condition> {
        let checked = self.class.map(checked);
        let of_class = checked.as_ref().map(|checked| class(checked, &self.api, &Reached::Answers));
        let (liveness, auth) = (self.liveness.map(probed), self.auth.map(probed));
        let known = Known { class: of_class.as_deref(), liveness: liveness.as_ref(), auth: auth.as_ref(), proxy_service: Some(&self.service), unusable: None };
        connector(&connector_with(self.connector), checked.as_ref(), &self.secrets, self.flags, &known)
    }
}

/// What differs from a Connector whose conditions all hold.
#[track_caller]
fn differs(case: Case, expect: &[&str]) {
    let good = told(&Case::good().conditions());
    let found = told(&case.conditions());
    let different: Vec<&str> = found.iter().filter(|line| !good.contains(line)).map(String::as_str).collect();
    assert_eq!(different, expect, "{found:#?}");
}

#[test]
fn all_hold() {
    assert_eq!(
        told(&Case::good().conditions()),
        [
            "ConnectorClassReady=True ConnectorClassReady",
            "SecretReady=True SecretReady",
            "LivenessReady=True LivenessReady",
            "AuthReady=True AuthReady",
            "ProxyServiceReady=True ProxyServiceReady",
            "Ready=True Ready",
        ]
    );
}

#[test]
fn the_class() {
    differs(
        Case { class: None, ..Case::good() },
        &[
            "ConnectorClassReady=False ConnectorClassNotFound",
            "SecretReady=Unknown ConnectorClassNotFound",
            "LivenessReady=Unknown ConnectorClassNotFound",
            "AuthReady=Unknown ConnectorClassNotFound",
            "ProxyServiceReady=Unknown ConnectorClassNotFound",
            "Ready=False ConnectorClassNotFound",
        ],
    );
    let with_api = || ConnectorClass { spec: crate::ConnectorClassSpec { api: Some(api()), ..probing().spec }, ..probing() };
    fn api() -> crate::ClassApi {
        crate::ClassApi { uri: "https://api.example".into(), ..crate::ClassApi::default() }
    }
    differs(Case { class: Some(with_api()), ..Case::good() }, &[]);
    differs(
        Case { class: Some(with_api()), api: Reached::Unreachable("GET https://api.example : x".into()), ..Case::good() },
        &["ConnectorClassReady=False ConnectorClassNotReady", "Ready=False ConnectorClassNotReady"],
    );
    differs(
        Case { class: Some(with_api()), api: Reached::Unchecked, ..Case::good() },
        &["ConnectorClassReady=Unknown ConnectorClassNotReady", "Ready=Unknown ConnectorClassNotReady"],
    );
}

#[test]
fn the_secret() {
    let cases: [(Vec<Secret>, &str); 3] = [
        (vec![], "SecretNotFound"),
        (vec![secret_with("repo", "Opaque", &[("username", "u"), ("password", "p")])], "SecretTypeMismatch"),
        (vec![secret_with("repo", crate::BASIC_AUTH, &[("username", "u")])], "SecretKeyMissing"),
    ];
    for (secrets, reason) in cases {
        differs(
            Case { secrets, ..Case::good() },
            &[&format!("SecretReady=False {reason}"), &format!("AuthReady=Unknown {reason}"), &format!("Ready=False {reason}")],
        );
    }
    differs(Case { connector: json!({"auth": null}), secrets: vec![], ..Case::good() }, &["SecretReady=True SecretOptional"]);
    differs(Case { connector: json!({"auth": {"name": "basicAuth"}}), secrets: vec![], ..Case::good() }, &["SecretReady=True SecretOptional"]);
}

#[test]
fn liveness_and_authentication() {
    for (verdict, liveness, auth) in [
        (None, "Unknown NotProbed", "Unknown NotProbed"),
        (Some(Verdict::NoAnswer), "False ConnectionFailed", "False ProbeFailed"),
        (Some(Verdict::Refused), "False ProbeFailed", "False AuthenticationFailed"),
        (Some(Verdict::Failed), "False ProbeFailed", "False ProbeFailed"),
        (Some(Verdict::Invalid), "False InvalidExpression", "False InvalidExpression"),
        (Some(Verdict::Undecided), "Unknown ProbeUndecided", "Unknown ProbeUndecided"),
    ] {
        differs(Case { liveness: verdict, ..Case::good() }, &[&format!("LivenessReady={liveness}"), &format!("Ready={liveness}")]);
        differs(Case { auth: verdict, ..Case::good() }, &[&format!("AuthReady={auth}"), &format!("Ready={auth}")]);
    }
    let without = class_with(json!({"proxy": {"uri": "http://proxy.example"}}));
    differs(Case { class: Some(without), liveness: None, auth: None, ..Case::good() }, &["LivenessReady=True NonLivenessProbe", "AuthReady=True NonAuthProbe"]);
    // Of the other authentication type there is no probe.
    let token = secret_with("repo", crate::BEARER_TOKEN, &[("token", "t")]);
    let other = json!({"auth": {"name": "tokenAuth", "secretRef": {"name": "repo"}}});
    differs(Case { connector: other, secrets: vec![token], auth: None, ..Case::good() }, &["AuthReady=True NonAuthProbe"]);
}

#[test]
fn probes_say_when_they_ran_and_what_they_got() {
    let conditions = Case { auth: Some(Verdict::Refused), ..Case::good() }.conditions();
    let auth = conditions.iter().find(|condition| condition.condition_type == AUTH_READY).unwrap();
    assert_eq!((auth.last_probe_time.as_deref(), auth.message.as_str()), (Some(EARLY), "GET https://git.example/ : refused"));
    let ready = conditions.last().unwrap();
    assert_eq!((ready.last_probe_time.as_deref(), ready.message.as_str()), (None, "GET https://git.example/ : refused"));
}

#[test]
fn the_proxy_service() {
    let service = || "team/c-repo".to_owned();
    for (service, expect) in [
        (ProxyService::Unchecked, "Unknown NotProbed"),
        (ProxyService::NotFound(service()), "False ProxyServiceNotFound"),
        (ProxyService::Conflict(service()), "False ServiceConflict"),
    ] {
        differs(Case { service, ..Case::good() }, &[&format!("ProxyServiceReady={expect}"), &format!("Ready={expect}")]);
    }
    let without = ConnectorClass { spec: crate::ConnectorClassSpec { proxy: None, ..probing().spec }, ..probing() };
    differs(Case { class: Some(without), service: ProxyService::NotFound(service()), ..Case::good() }, &["ProxyServiceReady=True NonProxy"]);
}

#[test]
fn ca_certificates_inform_and_no_more() {
    let flags = Flags { custom_ca_certs: true, ..Flags::default() };
    let with_ca = || json!({"caCertSecretRef": {"name": "ca"}});
    let ca = |pem: &str| vec![credentials(), secret_with("ca", "Opaque", &[("ca.crt", pem)])];
    for (connector, secrets, expect) in [
        (json!({}), vec![credentials()], "True NoCACert"),
        (with_ca(), ca(&ca_pem()), "True Valid"),
        (with_ca(), ca("x"), "False InvalidPEM"),
        (with_ca(), vec![credentials()], "False SecretNotFound"),
    ] {
        differs(Case { connector: connector.clone(), secrets, flags, ..Case::good() }, &[&format!("CACertReady={expect} (info)")]);
    }
    differs(Case { connector: with_ca(), ..Case::good() }, &[]);
}

#[test]
fn the_first_that_is_false_decides() {
    let case = || Case { liveness: Some(Verdict::NoAnswer), auth: Some(Verdict::Refused), ..Case::good() };
    assert_eq!(told(&case().conditions()).last().unwrap(), "Ready=False ConnectionFailed");
    // One that is false counts more than an earlier one that isn't known.
    assert_eq!(told(&Case { liveness: None, ..case() }.conditions()).last().unwrap(), "Ready=False AuthenticationFailed");
    let invalid = json!({"params": [{"name": "x", "value": ""}]});
    assert_eq!(told(&Case { connector: invalid, ..case() }.conditions()).last().unwrap(), "Ready=False InvalidSpec");
}

#[test]
fn what_makes_a_connector_unusable_comes_before_all_else() {
    let problem = Problem { field: "spec.x".into(), message: "is no field".into(), severity: Severity::Error };
    let known = Known { unusable: Some(&problem), ..Known::default() };
    let conditions = connector(&connector_with(json!({})), Some(&checked(probing())), &vec![credentials()], Flags::default(), &known);
    let ready = conditions.last().unwrap();
    assert_eq!((ready.status, &*ready.reason, &*ready.message), (ConditionStatus::False, "InvalidSpec", "spec.x: is no field"));
}

#[test]
fn a_class() {
    let unresolved = || Reached::Unresolved("the host name can't be resolved".into());
    let unreachable = || Reached::Unreachable("nobody answers".into());
    let full = || class_with(json!({"api": {"uri": "https://api.example"}, "proxy": {"uri": "https://proxy.example"}}));
    for (given, api, proxy, expect) in [
        (class_with(json!({})), unresolved(), unresolved(), ["APIReady=True NonAPI", "ProxyReady=True NonProxy", "Ready=True Ready"]),
        (full(), Reached::Answers, Reached::Answers, ["APIReady=True APIReady", "ProxyReady=True ProxyReady", "Ready=True Ready"]),
        (full(), unresolved(), Reached::Answers, ["APIReady=False AddressUnresolved", "ProxyReady=True ProxyReady", "Ready=False AddressUnresolved"]),
        (full(), Reached::Answers, unreachable(), ["APIReady=True APIReady", "ProxyReady=False AddressUnreachable", "Ready=False AddressUnreachable"]),
        (full(), Reached::Unchecked, unreachable(), ["APIReady=Unknown NotProbed", "ProxyReady=False AddressUnreachable", "Ready=False AddressUnreachable"]),
        (full(), Reached::Answers, Reached::Unchecked, ["APIReady=True APIReady", "ProxyReady=Unknown NotProbed", "Ready=Unknown NotProbed"]),
        (
            class_with(json!({"params": [{}]})),
            Reached::Answers,
            Reached::Answers,
            ["APIReady=True NonAPI", "ProxyReady=True NonProxy", "Ready=False InvalidSpec"],
        ),
    ] {
        assert_eq!(told(&class(&checked(given), &api, &proxy)), expect);
    }
}

#[test]
fn transition_times_move_only_with_the_status() {
    let mut first = Case::good().conditions();
    since(&mut first, &[], EARLY);
    assert!(first.iter().all(|condition| condition.last_transition_time.as_deref() == Some(EARLY)));
    let mut second = Case { auth: Some(Verdict::Refused), ..Case::good() }.conditions();
    since(&mut second, &first, LATE);
    let moved: Vec<&str> =
        second.iter().filter(|condition| condition.last_transition_time.as_deref() == Some(LATE)).map(|condition| &*condition.condition_type).collect();
    assert_eq!(moved, ["AuthReady", "Ready"]);
    // Another reason is no other status.
    let mut third = Case { auth: Some(Verdict::Failed), ..Case::good() }.conditions();
    since(&mut third, &second, "2024-01-02T04:00:00Z");
    assert_eq!(third.last().unwrap().last_transition_time.as_deref(), Some(LATE));
}
