use connectors_core::{Aim, Caller, Connector, Denied, InFlight, Injection, Resolver, Snapshot, TrustRoots, authorize};

use super::*;
use crate::objects::{PolicyRule, RbacObjects, Role, RoleBinding, RoleRef, Subject};
use crate::rbac::Rbac;
use crate::token::{DEFAULT_AUDIENCE, Lifetime};

fn account(name: &str) -> ServiceAccount {
    ServiceAccount { namespace: "team".into(), name: name.into() }
}

/// What `builder` of namespace `team` is bound to.
fn objects(rules: &[(&str, &str)]) -> RbacObjects {
    let rule = |(resource, verb): &(&str, &str)| PolicyRule {
        verbs: vec![(*verb).into()],
        api_groups: vec!["connectors.alauda.io".into()],
        resources: vec![(*resource).into()],
        ..PolicyRule::default()
    };
    RbacObjects {
        service_accounts: vec![account("builder"), account("visitor")],
        roles: vec![Role { namespace: "team".into(), name: "role".into(), rules: rules.iter().map(rule).collect() }],
        role_bindings: vec![RoleBinding {
            namespace: "team".into(),
            name: "binding".into(),
            role_ref: RoleRef { api_group: "rbac.authorization.k8s.io".into(), kind: "Role".into(), name: "role".into() },
            subjects: vec![Subject { kind: "ServiceAccount".into(), api_group: String::new(), name: "builder".into(), namespace: "team".into() }],
        }],
        ..RbacObjects::default()
    }
}

struct Setting {
    policy: Policy,
    rights: Arc<Rights>,
}

impl Setting {
    fn new(rules: &[(&str, &str)]) -> Self {
        let pem = SigningKey::generate_pem().unwrap();
        let key = SigningKey::from_pem(&pem).unwrap();
        let rights = Arc::new(Rights::new(Rbac::new(&objects(rules))));
        Self { policy: Policy::new(key, vec![DEFAULT_AUDIENCE.into()], rights.clone()), rights }
    }

    fn token(&self, holder: &Holder) -> SecretValue {
        self.policy.key.mint(holder, &[DEFAULT_AUDIENCE], Lifetime::DEFAULT, SystemTime::now()).unwrap().token
    }

    fn caller(&self, holder: &Holder) -> Caller {
        self.policy.identify(&self.token(holder), SystemTime::now()).unwrap().caller
    }

    fn may(&self, flags: Flags, holder: &Holder, connector: &str) -> bool {
        self.policy.allows(flags, &self.caller(holder), &ConnectorRef::parse(connector).unwrap())
    }
}

fn holder(name: &str, pod: Option<&str>) -> Holder {
    Holder::ServiceAccount { account: account(name), uid: None, pod: pod.map(Into::into) }
}

const WITH_PROXY: Flags = Flags {
    connector_proxy_permissions: true,
    connector_apis_permissions: false,
    connector_apis_write_passthrough: false,
    connectors_approval: false,
    multi_connector: false,
    custom_ca_certs: false,
    pod_image_pull_via_connector: false,
};

#[test]
fn get_on_the_connector_is_needed_and_enough() {
    let setting = Setting::new(&[("connectors", "get")]);
    assert!(setting.may(Flags::default(), &holder("builder", None), "team/git"));
    assert!(!setting.may(Flags::default(), &holder("builder", None), "other/git"), "a Role ends at its namespace");
    assert!(!setting.may(Flags::default(), &holder("visitor", None), "team/git"));
    assert!(!Setting::new(&[("connectors", "list")]).may(Flags::default(), &holder("builder", None), "team/git"));
}

#[test]
fn with_the_flag_subresource_proxy_is_needed_too() {
    for (rules, pod, expect) in [
        (&[("connectors", "get")][..], None, false),
        (&[("connectors", "get"), ("connectors/proxy", "*")], None, true),
        (&[("connectors/proxy", "*")], None, false),
        // Only a rule for every verb allows the verb `*`.
        (&[("connectors", "get"), ("connectors/proxy", "get")], None, false),
        (&[("*", "*")], None, true),
        (&[("connectors", "get"), ("*/proxy", "*")], None, true),
        (&[("connectors", "get"), ("connectors/proxy/v1/pod/team/worker", "*")], Some("worker"), true),
        (&[("connectors", "get"), ("connectors/proxy/v1/pod/team/worker", "*")], Some("other"), false),
        (&[("connectors", "get"), ("connectors/proxy/v1/pod/team/worker", "*")], None, false),
    ] {
        assert_eq!(Setting::new(rules).may(WITH_PROXY, &holder("builder", pod), "team/git"), expect, "{rules:?} {pod:?}");
    }
}

#[test]
fn the_local_owner_may_use_everything() {
    let setting = Setting::new(&[]);
    assert!(setting.may(WITH_PROXY, &Holder::LocalOwner, "any/thing"));
}

#[test]
fn a_name_alone_makes_nobody_the_owner() {
    let setting = Setting::new(&[]);
    let caller = Caller { service_account: Some(account("builder")), ..setting.caller(&Holder::LocalOwner) };
    assert!(!setting.policy.allows(Flags::default(), &caller, &ConnectorRef::parse("team/git").unwrap()));
}

#[test]
fn p21_a_token_ends_with_its_service_account_at_once() {
    let setting = Setting::new(&[("connectors", "get")]);
    let token = setting.token(&holder("builder", None));
    let caller = setting.policy.identify(&token, SystemTime::now()).unwrap().caller;
    assert!(setting.policy.still_stands(&caller));
    let since = setting.policy.standing_since();
    setting.rights.store(Rbac::new(&RbacObjects { service_accounts: vec![account("visitor")], ..objects(&[("connectors", "get")]) }));
    assert_ne!(setting.policy.standing_since(), since, "so that it is asked again");
    assert!(!setting.policy.still_stands(&caller));
    assert!(matches!(setting.policy.identify(&token, SystemTime::now()), Err(Unauthenticated::Refused("its ServiceAccount does not exist"))));
}

#[test]
fn tokens_of_another_key_audience_or_time_are_refused() {
    let setting = Setting::new(&[]);
    let refused = |token: &SecretValue, now| match setting.policy.identify(token, now) {
        Err(Unauthenticated::Refused(why)) => why,
        other => panic!("{other:?}"),
    };
    let now = SystemTime::now();
    let good = setting.token(&holder("builder", None));
    assert_eq!(refused(&Setting::new(&[]).token(&holder("builder", None)), now), "it was signed with another key than the one in this state folder");
    let later = now + Lifetime::DEFAULT.as_duration() + std::time::Duration::from_secs(1);
    assert!(matches!(setting.policy.identify(&good, later), Err(Unauthenticated::Expired)));
    // Only who holds a good token is told that much of it.
    assert_eq!(refused(&Setting::new(&[]).token(&holder("builder", None)), later), "it was signed with another key than the one in this state folder");
    let other = setting.policy.key.mint(&holder("builder", None), &["elsewhere"], Lifetime::DEFAULT, now).unwrap().token;
    assert_eq!(refused(&other, now), "it is for another audience");
    assert_eq!(refused(&SecretValue::new("not-a-token"), now), "it is not a JWT");
}

#[test]
fn groups_are_those_that_kubernetes_gives() {
    let caller = Setting::new(&[]).caller(&holder("builder", Some("worker")));
    assert_eq!(&*caller.username, "system:serviceaccount:team:builder");
    assert_eq!(caller.groups, ["system:serviceaccounts".into(), "system:serviceaccounts:team".into(), "system:authenticated".into()]);
    assert_eq!(caller.pod.map(|pod| (pod.namespace, pod.name)), Some(("team".into(), "worker".into())));
}

#[test]
fn decisions_reach_the_permit() {
    let setting = Setting::new(&[("connectors", "get")]);
    let connector = Connector {
        name: ConnectorRef::parse("team/git").unwrap(),
        class: "git".into(),
        resolver: Resolver::Host,
        address: connectors_core::Address::parse("https://git.example").unwrap(),
        extensions: Vec::new(),
        injection: Injection::Nothing,
        extractor: None,
        trust: TrustRoots::default(),
        in_flight: InFlight::default(),
    };
    let snapshot = Snapshot::new([Arc::new(connector)], Flags::default(), TrustRoots::default());
    let decide = |name: &str| {
        let caller = Arc::new(setting.caller(&holder(name, None)));
        let connector = ConnectorRef::parse("team/git").unwrap();
        let future = authorize(&snapshot, &caller, Aim::Connector(&connector), &setting.policy);
        match std::pin::pin!(future).poll(&mut std::task::Context::from_waker(std::task::Waker::noop())) {
            std::task::Poll::Ready(decided) => decided.map(drop),
            std::task::Poll::Pending => panic!("local answers don't wait"),
        }
    };
    assert!(decide("builder").is_ok());
    assert!(matches!(decide("visitor"), Err(Denied::Forbidden(_))));
}
