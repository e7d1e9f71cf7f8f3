//! The tables' answers, and those for 20 000 random scenarios, are the ones that `plugin/pkg/auth/authorizer/rbac` of
//! k8s.io/kubernetes v1.34.4 gave when it was asked.

use super::*;
use crate::objects::{ClusterRole, ClusterRoleBinding, Role, RoleBinding};

/// `verb[,verb] group[,group] resource[,resource] name[,name]`; `-` is an empty list, `''` the core group.
fn rule(text: &str) -> PolicyRule {
    let mut fields = text.split(' ').map(|field| match field {
        "-" => Vec::new(),
        _ => field.split(',').map(|value| if value == "''" { String::new() } else { value.to_owned() }).collect(),
    });
    let mut field = || fields.next().unwrap();
    PolicyRule { verbs: field(), api_groups: field(), resources: field(), resource_names: field(), non_resource_urls: Vec::new() }
}

/// `verb group resource[/subresource] namespace name`; `-` is none.
fn request(text: &str) -> Attributes<'_> {
    let mut fields = text.split(' ').map(|field| if field == "-" { "" } else { field });
    let mut field = || fields.next().unwrap();
    let (verb, api_group, path) = (field(), field(), field());
    let (resource, subresource) = path.split_once('/').unwrap_or((path, ""));
    Attributes { verb, api_group, resource, subresource, namespace: field(), name: field() }
}

/// `Kind:name`, for a service account `ServiceAccount:namespace/name`, or without the namespace and slash.
fn subject(text: &str) -> Subject {
    let (kind, name) = text.split_once(':').unwrap();
    let (namespace, name) = if kind == "ServiceAccount" { name.split_once('/').unwrap_or(("", name)) } else { ("", name) };
    let api_group = if kind == "ServiceAccount" { "" } else { RBAC_GROUP };
    Subject { kind: kind.into(), api_group: api_group.into(), name: name.into(), namespace: namespace.into() }
}

/// `Kind:name`.
fn role_ref(text: &str) -> RoleRef {
    let (kind, name) = text.split_once(':').unwrap();
    RoleRef { api_group: RBAC_GROUP.into(), kind: kind.into(), name: name.into() }
}

fn service_account(namespace: &str, name: &str) -> Caller {
    let account = ServiceAccount { namespace: namespace.into(), name: name.into() };
    Caller { username: account.username().into(), groups: account.groups(), service_account: Some(account), pod: None }
}

fn user(name: &str, groups: &[&str]) -> Caller {
    Caller { username: name.into(), groups: groups.iter().map(|&group| group.into()).collect(), service_account: None, pod: None }
}

fn builder() -> Caller {
    service_account("team-a", "builder")
}

/// Everyone in team-a may do what the rules of one ClusterRole say, everywhere.
fn with_rules(rules: &[&str]) -> Rbac {
    Rbac::new(&RbacObjects {
        cluster_roles: vec![ClusterRole { name: "role".into(), rules: rules.iter().map(|text| rule(text)).collect() }],
        cluster_role_bindings: vec![ClusterRoleBinding {
            name: "binding".into(),
            role_ref: role_ref("ClusterRole:role"),
            subjects: vec![subject("Group:system:serviceaccounts:team-a")],
        }],
        ..RbacObjects::default()
    })
}

#[test]
fn what_a_rule_allows() {
    for (rule, request, expect) in [
        // Verbs.
        ("get connectors.alauda.io connectors -", "get connectors.alauda.io connectors team-a git", true),
        ("get connectors.alauda.io connectors -", "list connectors.alauda.io connectors team-a -", false),
        ("list,get connectors.alauda.io connectors -", "get connectors.alauda.io connectors team-a git", true),
        ("GET connectors.alauda.io connectors -", "get connectors.alauda.io connectors team-a git", false),
        ("* connectors.alauda.io connectors -", "get connectors.alauda.io connectors team-a git", true),
        ("* connectors.alauda.io connectors -", "use connectors.alauda.io connectors team-a git", true),
        ("* connectors.alauda.io connectors -", "* connectors.alauda.io connectors team-a git", true),
        ("get,list,watch,create,update,patch,delete connectors.alauda.io connectors -", "* connectors.alauda.io connectors team-a git", false),
        ("get* connectors.alauda.io connectors -", "get connectors.alauda.io connectors team-a git", false),
        ("- connectors.alauda.io connectors -", "get connectors.alauda.io connectors team-a git", false),
        // Groups.
        ("get * connectors -", "get connectors.alauda.io connectors team-a git", true),
        ("get '' connectors -", "get connectors.alauda.io connectors team-a git", false),
        ("get '' secrets -", "get - secrets team-a git", true),
        ("get * secrets -", "get - secrets team-a git", true),
        ("get connectors.alauda.io secrets -", "get - secrets team-a git", false),
        ("get apps,connectors.alauda.io connectors -", "get connectors.alauda.io connectors team-a git", true),
        ("get *.alauda.io connectors -", "get connectors.alauda.io connectors team-a git", false),
        ("get alauda.io connectors -", "get connectors.alauda.io connectors team-a git", false),
        ("get - connectors -", "get connectors.alauda.io connectors team-a git", false),
        // Resources.
        ("get connectors.alauda.io * -", "get connectors.alauda.io connectors team-a git", true),
        ("get connectors.alauda.io * -", "get connectors.alauda.io connectors/proxy team-a git", true),
        ("get connectors.alauda.io connector -", "get connectors.alauda.io connectors team-a git", false),
        ("get connectors.alauda.io Connectors -", "get connectors.alauda.io connectors team-a git", false),
        ("get connectors.alauda.io connect* -", "get connectors.alauda.io connectors team-a git", false),
        ("get connectors.alauda.io connectorclasses,connectors -", "get connectors.alauda.io connectors team-a git", true),
        ("get connectors.alauda.io - -", "get connectors.alauda.io connectors team-a git", false),
        // Subresources.
        ("get connectors.alauda.io connectors -", "get connectors.alauda.io connectors/proxy team-a git", false),
        ("get connectors.alauda.io connectors/proxy -", "get connectors.alauda.io connectors team-a git", false),
        ("get connectors.alauda.io connectors/proxy -", "get connectors.alauda.io connectors/proxy team-a git", true),
        ("get connectors.alauda.io connectors/proxy -", "get connectors.alauda.io connectors/apis team-a git", false),
        ("get connectors.alauda.io connectors/* -", "get connectors.alauda.io connectors/proxy team-a git", false),
        ("get connectors.alauda.io connectors/* -", "get connectors.alauda.io connectors/* team-a git", true),
        ("get connectors.alauda.io */proxy -", "get connectors.alauda.io connectors/proxy team-a git", true),
        ("get connectors.alauda.io */proxy -", "get connectors.alauda.io connectors team-a git", false),
        ("get connectors.alauda.io */proxy -", "get connectors.alauda.io connectors/xproxy team-a git", false),
        ("get connectors.alauda.io */xproxy -", "get connectors.alauda.io connectors/proxy team-a git", false),
        ("get connectors.alauda.io */* -", "get connectors.alauda.io connectors/proxy team-a git", false),
        ("get connectors.alauda.io proxy -", "get connectors.alauda.io connectors/proxy team-a git", false),
        ("get connectors.alauda.io /proxy -", "get connectors.alauda.io connectors/proxy team-a git", false),
        ("get connectors.alauda.io x/proxy -", "get connectors.alauda.io connectors/proxy team-a git", false),
        ("get connectors.alauda.io connectors/ -", "get connectors.alauda.io connectors team-a git", false),
        ("* connectors.alauda.io connectors/proxy/v1/pod/team-a/build-1 -", "* connectors.alauda.io connectors/proxy/v1/pod/team-a/build-1 team-a git", true),
        ("* connectors.alauda.io connectors/proxy/v1/pod/team-a/build-1 -", "* connectors.alauda.io connectors/proxy/v1/pod/team-a/build-2 team-a git", false),
        ("* connectors.alauda.io connectors/proxy/v1/pod/team-a/build-1 -", "* connectors.alauda.io connectors/proxy team-a git", false),
        ("* connectors.alauda.io connectors/proxy -", "* connectors.alauda.io connectors/proxy/v1/pod/team-a/build-1 team-a git", false),
        ("* connectors.alauda.io */proxy/v1/pod/team-a/build-1 -", "* connectors.alauda.io connectors/proxy/v1/pod/team-a/build-1 team-a git", true),
        ("* connectors.alauda.io */build-1 -", "* connectors.alauda.io connectors/proxy/v1/pod/team-a/build-1 team-a git", false),
        ("* connectors.alauda.io connectors/proxy/* -", "* connectors.alauda.io connectors/proxy/v1/pod/team-a/build-1 team-a git", false),
        // Names.
        ("get connectors.alauda.io connectors git", "get connectors.alauda.io connectors team-a git", true),
        ("get connectors.alauda.io connectors git", "get connectors.alauda.io connectors team-a hub", false),
        ("get connectors.alauda.io connectors hub,git", "get connectors.alauda.io connectors team-a git", true),
        ("get connectors.alauda.io connectors gi", "get connectors.alauda.io connectors team-a git", false),
        ("get connectors.alauda.io connectors *", "get connectors.alauda.io connectors team-a git", false),
        ("get connectors.alauda.io connectors GIT", "get connectors.alauda.io connectors team-a git", false),
        ("list connectors.alauda.io connectors git", "list connectors.alauda.io connectors team-a -", false),
        ("list connectors.alauda.io connectors ''", "list connectors.alauda.io connectors team-a -", true),
        ("list connectors.alauda.io connectors -", "list connectors.alauda.io connectors team-a -", true),
        ("* connectors.alauda.io connectors/proxy git", "* connectors.alauda.io connectors/proxy team-a git", true),
        ("* connectors.alauda.io connectors/proxy git", "* connectors.alauda.io connectors/proxy team-a hub", false),
        // Everything.
        ("* * * -", "* connectors.alauda.io connectors/proxy team-a git", true),
        ("* * * -", "list connectors.alauda.io connectorclasses - -", true),
        ("* * * git", "get connectors.alauda.io connectors team-b git", true),
    ] {
        assert_eq!(with_rules(&[rule]).allows(&builder(), &self::request(request)), expect, "rule {rule:?}, request {request:?}");
    }
}

#[test]
fn one_rule_must_allow_all_of_it() {
    let get = "get connectors.alauda.io connectors team-a git";
    for (rules, expect) in [
        (&[][..], false),
        (&["get connectors.alauda.io connectorclasses -", "list connectors.alauda.io connectors -"][..], false),
        (&["get apps connectors -", "list connectors.alauda.io connectors -"], false),
        (&["get connectors.alauda.io connectors hub", "list connectors.alauda.io connectors git"], false),
        (&["list connectors.alauda.io connectors -", "get connectors.alauda.io connectors -"], true),
    ] {
        assert_eq!(with_rules(rules).allows(&builder(), &request(get)), expect, "{rules:?}");
    }
}

/// Where a role is bound, in the notation of [`subject`] and [`role_ref`]; an empty namespace is a ClusterRoleBinding.
struct Bound(&'static str, &'static str, &'static str);

/// Role `reader` in team-a and team-b and ClusterRole `reader` allow to get Connectors, bound as told.
fn with_binding(Bound(namespace, role, subject): Bound) -> Rbac {
    let rules = vec![rule("get connectors.alauda.io connectors -")];
    let role_in = |namespace: &str| Role { namespace: namespace.into(), name: "reader".into(), rules: rules.clone() };
    let (role_ref, subjects, name) = (self::role_ref(role), vec![self::subject(subject)], "binding".to_owned());
    let mut objects = RbacObjects {
        roles: vec![role_in("team-a"), role_in("team-b")],
        cluster_roles: vec![ClusterRole { name: "reader".into(), rules }],
        ..RbacObjects::default()
    };
    match namespace {
        "" => objects.cluster_role_bindings.push(ClusterRoleBinding { name, role_ref, subjects }),
        _ => objects.role_bindings.push(RoleBinding { namespace: namespace.into(), name, role_ref, subjects }),
    }
    Rbac::new(&objects)
}

#[test]
fn whom_a_binding_is_for_and_where_it_counts() {
    let people = [
        ("builder", builder()),
        ("deployer", service_account("team-a", "deployer")),
        ("stranger", service_account("team-b", "builder")),
        ("alice", user("alice", &["devs", "system:authenticated"])),
        ("nobody", user("bob", &[])),
    ];
    let everyone = "builder deployer stranger alice";
    let accounts = "builder deployer stranger";
    for (bound, in_team_a, in_team_b, everywhere) in [
        // A Role counts in its namespace.
        (Bound("team-a", "Role:reader", "ServiceAccount:team-a/builder"), "builder", "", ""),
        (Bound("team-b", "Role:reader", "ServiceAccount:team-a/builder"), "", "builder", ""),
        (Bound("team-c", "Role:reader", "ServiceAccount:team-a/builder"), "", "", ""),
        // A ClusterRole counts in the RoleBinding's namespace, or with a ClusterRoleBinding everywhere.
        (Bound("team-a", "ClusterRole:reader", "ServiceAccount:team-a/builder"), "builder", "", ""),
        (Bound("team-b", "ClusterRole:reader", "ServiceAccount:team-a/builder"), "", "builder", ""),
        (Bound("", "ClusterRole:reader", "ServiceAccount:team-a/builder"), "builder", "builder", "builder"),
        // References that lead nowhere.
        (Bound("team-a", "Role:writer", "ServiceAccount:team-a/builder"), "", "", ""),
        (Bound("team-a", "ClusterRole:writer", "ServiceAccount:team-a/builder"), "", "", ""),
        (Bound("", "Role:reader", "ServiceAccount:team-a/builder"), "", "", ""),
        (Bound("team-a", "role:reader", "ServiceAccount:team-a/builder"), "", "", ""),
        (Bound("team-a", "RoleBinding:reader", "ServiceAccount:team-a/builder"), "", "", ""),
        // A service account without a namespace is one of the RoleBinding's.
        (Bound("team-a", "Role:reader", "ServiceAccount:builder"), "builder", "", ""),
        (Bound("team-b", "Role:reader", "ServiceAccount:builder"), "", "stranger", ""),
        (Bound("", "ClusterRole:reader", "ServiceAccount:builder"), "", "", ""),
        // A service account is also a user.
        (Bound("", "ClusterRole:reader", "User:system:serviceaccount:team-a:builder"), "builder", "builder", "builder"),
        (Bound("team-a", "Role:reader", "User:system:serviceaccount:team-a:builder"), "builder", "", ""),
        (Bound("team-a", "Role:reader", "User:builder"), "", "", ""),
        (Bound("team-a", "Role:reader", "User:alice"), "alice", "", ""),
        (Bound("team-a", "Role:reader", "User:Alice"), "", "", ""),
        (Bound("team-a", "Role:reader", "User:*"), "", "", ""),
        (Bound("team-a", "Role:reader", "ServiceAccount:team-a/*"), "", "", ""),
        // Groups.
        (Bound("", "ClusterRole:reader", "Group:system:serviceaccounts"), accounts, accounts, accounts),
        (Bound("team-a", "Role:reader", "Group:system:serviceaccounts"), accounts, "", ""),
        (Bound("", "ClusterRole:reader", "Group:system:serviceaccounts:team-a"), "builder deployer", "builder deployer", "builder deployer"),
        (Bound("team-a", "Role:reader", "Group:system:serviceaccounts:team-b"), "stranger", "", ""),
        (Bound("", "ClusterRole:reader", "Group:system:serviceaccounts:team"), "", "", ""),
        (Bound("", "ClusterRole:reader", "Group:system:authenticated"), everyone, everyone, everyone),
        (Bound("", "ClusterRole:reader", "Group:system:unauthenticated"), "", "", ""),
        (Bound("team-a", "Role:reader", "Group:devs"), "alice", "", ""),
        (Bound("team-a", "Role:reader", "Group:*"), "", "", ""),
        // A name is not taken for one of another kind.
        (Bound("team-a", "Role:reader", "Group:alice"), "", "", ""),
        (Bound("team-a", "Role:reader", "User:devs"), "", "", ""),
        (Bound("team-a", "Role:reader", "user:alice"), "", "", ""),
        (Bound("team-a", "Role:reader", "Robot:alice"), "", "", ""),
    ] {
        let label = format!("{:?} {} {}", bound.0, bound.1, bound.2);
        let rbac = with_binding(bound);
        for (request, expect) in [
            ("get connectors.alauda.io connectors team-a git", in_team_a),
            ("get connectors.alauda.io connectors team-b git", in_team_b),
            ("get connectors.alauda.io connectors - git", everywhere),
        ] {
            let allowed: Vec<&str> = people.iter().filter(|(_, caller)| rbac.allows(caller, &self::request(request))).map(|(name, _)| *name).collect();
            assert_eq!(allowed.join(" "), expect, "{label}: {request}");
        }
    }
}

/// The API server refuses such objects, so Kubernetes has no answer for them. Here they grant nothing.
#[test]
fn what_the_api_server_would_refuse_grants_nothing() {
    let objects = |role_group: &str, subject: Subject| RbacObjects {
        cluster_roles: vec![ClusterRole { name: "reader".into(), rules: vec![rule("* * * -")] }],
        cluster_role_bindings: vec![ClusterRoleBinding {
            name: "binding".into(),
            role_ref: RoleRef { api_group: role_group.into(), ..role_ref("ClusterRole:reader") },
            subjects: vec![subject],
        }],
        ..RbacObjects::default()
    };
    let group = |api_group: &str, text: &str| Subject { api_group: api_group.into(), ..subject(text) };
    let may = |objects: &RbacObjects| Rbac::new(objects).allows(&builder(), &request("get connectors.alauda.io connectors team-a git"));
    assert!(may(&objects(RBAC_GROUP, subject("ServiceAccount:team-a/builder"))));
    assert!(!may(&objects("", subject("ServiceAccount:team-a/builder"))));
    assert!(!may(&objects("rbac.example", subject("ServiceAccount:team-a/builder"))));
    for refused in [
        group(RBAC_GROUP, "ServiceAccount:team-a/builder"),
        group("", "User:system:serviceaccount:team-a:builder"),
        group("", "Group:system:authenticated"),
        group("apps", "Group:system:authenticated"),
    ] {
        assert!(!may(&objects(RBAC_GROUP, refused.clone())), "{refused}");
    }
}

#[test]
fn rights_of_several_bindings_add_up() {
    let cluster_role = |name: &str, text: &str| ClusterRole { name: name.into(), rules: vec![rule(text)] };
    let binding = |role: &str, who: &str| ClusterRoleBinding { name: role.into(), role_ref: role_ref(role), subjects: vec![subject(who)] };
    let rbac = Rbac::new(&RbacObjects {
        cluster_roles: vec![cluster_role("get", "get connectors.alauda.io connectors -"), cluster_role("proxy", "* connectors.alauda.io connectors/proxy -")],
        cluster_role_bindings: vec![
            binding("ClusterRole:missing", "ServiceAccount:team-a/builder"),
            binding("ClusterRole:get", "Group:system:serviceaccounts:team-a"),
            binding("ClusterRole:proxy", "ServiceAccount:team-a/builder"),
        ],
        ..RbacObjects::default()
    });
    let may = |caller: &Caller, text: &str| rbac.allows(caller, &request(text));
    let (get, proxy) = ("get connectors.alauda.io connectors team-a git", "* connectors.alauda.io connectors/proxy team-a git");
    assert!(may(&builder(), get) && may(&builder(), proxy));
    let deployer = service_account("team-a", "deployer");
    assert!(may(&deployer, get) && !may(&deployer, proxy));
}

#[test]
fn knows_the_service_accounts_there_are() {
    let account = |namespace: &str, name: &str| ServiceAccount { namespace: namespace.into(), name: name.into() };
    let rbac = Rbac::new(&RbacObjects { service_accounts: vec![account("team-a", "builder")], ..RbacObjects::default() });
    assert!(rbac.exists(&account("team-a", "builder")));
    assert!(!rbac.exists(&account("team-b", "builder")));
    assert!(!rbac.exists(&account("team-a", "deployer")));
}

/// The short way says what the long way says: for rules of all shapes, one at a time and two, bound in one namespace or everywhere.
#[test]
fn the_right_to_use_a_connector_is_the_right_to_get_it() {
    let group = "connectors.alauda.io";
    let rules: Vec<String> = ["get", "*", "list", "list,get"]
        .iter()
        .flat_map(|verb| [group, "*", "''", "other.io"].map(|group| format!("{verb} {group}")))
        .flat_map(|start| ["connectors", "*", "connectors/proxy", "*/proxy", "secrets"].map(|resource| format!("{start} {resource}")))
        .flat_map(|start| ["-", "git", "''", "git,''", "other"].map(|names| format!("{start} {names}")))
        .collect();
    let caller = builder();
    let mut allowed = 0;
    for (index, one) in rules.iter().enumerate() {
        let other = &rules[index * 7 % rules.len()];
        for (rules, namespace) in [(vec![one], None), (vec![one], Some("team-a")), (vec![one, other], Some("team-a")), (vec![one, other], Some("team-b"))] {
            let mut rbac = Rbac::default();
            let rules: Rules = rules.into_iter().map(|text| rule(text)).collect();
            rbac.bind(&[subject("ServiceAccount:team-a/builder")], namespace, &rules);
            for (namespace, name) in [("team-a", "git"), ("team-b", "git"), ("team-a", "npm")] {
                let long = rbac.allows(&caller, &Attributes { namespace, name, ..USE });
                assert_eq!(rbac.allows_use(&caller, namespace, name), long, "{one} {other} {namespace}/{name}");
                allowed += usize::from(long);
            }
        }
    }
    assert!(allowed > 100, "{allowed}");
}
