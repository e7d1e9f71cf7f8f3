//! What is in force while the files of a directory change.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic too")]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use connectors_core::{Caller, ConnectorRef, Injection, ServiceAccount};
use connectors_standalone::rbac::Attributes;
use connectors_standalone::{Directory, OpenError, Options};

const CLASS: &str = "\
apiVersion: connectors.alauda.io/v1alpha1
kind: ConnectorClass
metadata: {name: api}
spec:
  auth:
    types:
    - {name: tokenAuth, secretType: connectors.cpaas.io/bearer-token, optional: true}
";

fn secret(token: &str) -> String {
    format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: s, namespace: team}}\ntype: connectors.cpaas.io/bearer-token\nstringData: {{token: '{token}'}}\n")
}

fn connector(name: &str, address: &str) -> String {
    format!(
        "apiVersion: connectors.alauda.io/v1alpha1\nkind: Connector\nmetadata: {{name: {name}, namespace: team}}\nspec:\n  connectorClassName: api\n  address: {address}\n  auth: {{name: tokenAuth, secretRef: {{name: s}}}}\n"
    )
}

const RIGHTS: &str = "\
apiVersion: v1
kind: ServiceAccount
metadata: {name: builder, namespace: team}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: use, namespace: team}
rules:
- {apiGroups: [connectors.alauda.io], resources: [connectors], verbs: [get]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: use, namespace: team}
roleRef: {kind: Role, name: use}
subjects:
- {kind: ServiceAccount, name: builder}
";

/// A directory with a class, a Secret, a Connector `team/one` and rights.
struct Fixture {
    dir: tempfile::TempDir,
    directory: Directory,
}

impl Fixture {
    fn new() -> Self {
        Self::with(&[("class.yaml", CLASS), ("secret.yaml", &secret("first")), ("one.yaml", &connector("one", "https://one.example")), ("rights.yaml", RIGHTS)])
    }

    fn with(files: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            put(&dir.path().join(name), text);
        }
        let directory = Directory::open(dir.path(), Options::default()).unwrap();
        Self { dir, directory }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn put(&self, name: &str, text: &str) {
        put(&self.path(name), text);
    }

    /// Writes and reloads.
    fn now(&self, name: &str, text: &str) {
        self.put(name, text);
        self.directory.reload();
    }

    fn gone(&self, name: &str) {
        fs::remove_file(self.path(name)).unwrap();
        self.directory.reload();
    }

    fn state(&self, name: &str) -> String {
        state(&self.directory, name)
    }

    fn findings(&self) -> Vec<String> {
        let shown = |text: String| text.replace(&format!("{}/", self.dir.path().display()), "");
        self.directory.report().findings().iter().map(|finding| shown(finding.to_string())).collect()
    }

    /// Waits for a Connector to come to that state by itself.
    #[track_caller]
    fn becomes(&self, name: &str, expect: &str) {
        let reached = self.directory.wait_until(Instant::now() + Duration::from_secs(10), |directory| state(directory, name) == expect);
        assert!(reached, "{name} is {} and not {expect}", self.state(name));
    }
}

fn put(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

/// `none`, `nothing`, a header's value, or why the Connector is unready.
fn state(directory: &Directory, name: &str) -> String {
    let snapshot = directory.snapshot().load_full();
    let Some(connector) = snapshot.connector(&ConnectorRef::parse(&format!("team/{name}")).unwrap()) else { return "none".into() };
    match &connector.injection {
        Injection::Nothing => "nothing".into(),
        Injection::Static(credential) => {
            let line = credential.headers[0].line().expose_str().unwrap();
            line.trim_end().trim_start_matches("Authorization: Bearer ").to_owned()
        }
        Injection::PerRequest(_) => "made for each request".into(),
        Injection::Unready(unready) => format!("{}: {unready}", unready.reason()),
    }
}

fn may(directory: &Directory, account: &str, name: &str) -> bool {
    let account = ServiceAccount { namespace: "team".into(), name: account.into() };
    let rbac = directory.rights().load();
    if !rbac.exists(&account) {
        return false;
    }
    let caller = Caller { username: account.username().into(), groups: account.groups(), service_account: Some(account), pod: None };
    rbac.allows(
        &caller,
        &Attributes { verb: "get", api_group: "connectors.alauda.io", resource: "connectors", namespace: "team", name, ..Attributes::default() },
    )
}

#[test]
fn a_directory_is_opened() {
    let fixture = Fixture::new();
    assert_eq!(fixture.state("one"), "first");
    assert!(may(&fixture.directory, "builder", "one"));
    assert!(!may(&fixture.directory, "other", "one"));
    let status = fixture.directory.status();
    assert_eq!((status.files, status.objects, status.broken, status.reloads), (4, 6, 0, 1));
    assert_eq!(fixture.findings(), Vec::<String>::new());
}

#[test]
fn a_directory_that_is_not_there_is_not_opened() {
    let dir = tempfile::tempdir().unwrap();
    let error = Directory::open(dir.path().join("none"), Options::default()).unwrap_err();
    let OpenError::Unreadable { path, problem } = error;
    assert_eq!((path, problem.as_str()), (dir.path().join("none"), "can't be read: No such file or directory (os error 2)"));
}

#[test]
fn changes_come_into_force_and_what_is_deleted_goes() {
    let fixture = Fixture::new();
    fixture.now("secret.yaml", &secret("second"));
    assert_eq!(fixture.state("one"), "second");
    fixture.now("sub/two.yaml", &connector("two", "https://two.example"));
    assert_eq!(fixture.state("two"), "second");
    fixture.gone("sub/two.yaml");
    assert_eq!(fixture.state("two"), "none");
    fixture.gone("rights.yaml");
    assert!(!may(&fixture.directory, "builder", "one"));
    assert_eq!(fixture.directory.status().reloads, 5);
    fixture.directory.reload();
    assert_eq!(fixture.directory.status().reloads, 5, "nothing has changed");
}

#[test]
fn what_a_broken_file_held_stays_in_force() {
    let fixture = Fixture::new();
    for broken in ["a: [", "\u{0}", &secret("third").replace("data:", "dat:"), &format!("{}---\nkind: x\n", secret("third"))] {
        fixture.now("secret.yaml", broken);
        assert_eq!(fixture.state("one"), "first", "{broken}");
        assert_eq!(fixture.directory.status().broken, 1);
        assert!(!fixture.findings().is_empty());
    }
    fs::remove_file(fixture.path("secret.yaml")).unwrap();
    symlink("nowhere", fixture.path("secret.yaml")).unwrap();
    fixture.directory.reload();
    assert_eq!(fixture.state("one"), "first");
    fs::remove_file(fixture.path("secret.yaml")).unwrap();
    fixture.now("secret.yaml", &secret("second"));
    assert_eq!((fixture.state("one").as_str(), fixture.directory.status().broken), ("second", 0));
    // Deleting a broken file takes away what it held.
    fixture.now("secret.yaml", "a: [");
    fixture.gone("secret.yaml");
    assert_eq!(fixture.state("one"), "SecretNotFound: Secret \"team/s\", named by spec.auth.secretRef, does not exist");
    // A Connector and rights hold out in the same way.
    fixture.now("one.yaml", &connector("one", "x"));
    fixture.now("rights.yaml", &RIGHTS.replace("[get]", "get"));
    assert!(fixture.state("one").starts_with("SecretNotFound"));
    assert!(may(&fixture.directory, "builder", "one"));
}

#[test]
fn rights_that_a_broken_file_takes_back_are_gone() {
    let (account, role, binding) = {
        let mut parts = RIGHTS.split("---\n");
        (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap())
    };
    let wrong = "---\nkind: x\n";
    for (text, expect) in [
        // Nobody knows what it takes back.
        (format!("{account}---\na: ["), true),
        (format!("{RIGHTS}{wrong}"), true),
        (format!("{account}---\n{role}{wrong}"), false),
        (format!("{account}---\n{binding}{wrong}"), false),
        (format!("{role}---\n{binding}{wrong}"), false),
        // Under another name, namespace or kind it is another.
        (format!("{}{wrong}", RIGHTS.replace("{name: use, namespace: team}", "{name: use, namespace: other}")), false),
        (format!("{}{wrong}", RIGHTS.replace("kind: RoleBinding\n", "kind: ClusterRoleBinding\n")), false),
        (format!("{account}---\n{role}---\n{}", binding.replace("kind: RoleBinding\n", "kind: RoleBidning\n").replace("roleRef", "rolRef")), false),
        // Broken, but there.
        (format!("{account}---\n{role}---\n{}", binding.replace("roleRef", "rolRef")), true),
        (format!("# {RIGHTS}{wrong}").replace('\n', "\n# ") + wrong, false),
    ] {
        let fixture = Fixture::new();
        assert!(may(&fixture.directory, "builder", "one"));
        fixture.now("rights.yaml", &text);
        assert_eq!(may(&fixture.directory, "builder", "one"), expect, "{text}");
        // What else the file held would stay, and everything is back once it is mended.
        assert_eq!(fixture.state("one"), "first");
        fixture.now("rights.yaml", RIGHTS);
        assert!(may(&fixture.directory, "builder", "one"));
    }
}

#[test]
fn a_right_that_moves_out_of_a_broken_file_is_given_once() {
    let fixture = Fixture::new();
    let binding = RIGHTS.rsplit("---\n").next().unwrap();
    let wrong = "---\nkind: x\n";
    let rest = RIGHTS.strip_suffix(binding).unwrap();
    fixture.put("moved.yaml", binding);
    fixture.now("rights.yaml", &format!("{rest}{wrong}"));
    assert!(may(&fixture.directory, "builder", "one"));
    // Back again in the broken file, and then in the mended one: it belongs to where it is in force.
    for text in [format!("{RIGHTS}{wrong}"), RIGHTS.to_owned()] {
        fixture.now("rights.yaml", &text);
        assert!(may(&fixture.directory, "builder", "one"));
        fixture.now("moved.yaml", "kind: x\n");
        assert_eq!(may(&fixture.directory, "builder", "one"), text == RIGHTS);
        fixture.now("moved.yaml", binding);
        assert!(may(&fixture.directory, "builder", "one"));
    }
}

#[test]
fn of_a_file_that_was_never_good_only_unusable_objects_are_there() {
    let sound = connector("one", "https://one.example");
    let file = format!("{CLASS}---\n{}---\n{sound}---\n{}---\n{}", secret("first"), connector("two", "https://two.example").replace("auth:", "atuh:"), RIGHTS);
    let fixture = Fixture::with(&[("all.yaml", &file)]);
    assert_eq!(fixture.state("one"), "InvalidSpec: manifest: the file that holds it has errors; `connectors check` shows them");
    assert_eq!(fixture.state("two"), "InvalidSpec: spec.atuh: is not a known field; did you mean \"auth\"?");
    assert!(!may(&fixture.directory, "builder", "one"));
    let ready: Vec<String> =
        fixture.directory.connectors().iter().map(|connector| format!("{:?}", connector.status.as_ref().unwrap().conditions.last())).collect();
    assert!(ready.iter().all(|ready| ready.contains("False") && ready.contains("InvalidSpec")), "{ready:?}");

    fixture.now("all.yaml", &file.replace("atuh:", "auth:"));
    assert_eq!((fixture.state("one"), fixture.state("two")), ("first".into(), "first".into()));
    assert!(may(&fixture.directory, "builder", "one"));
}

#[test]
fn a_class_whose_rule_does_not_compile_leaves_its_connectors_unready() {
    let class = CLASS.replace("optional: true", "generator: {rego: 'package proxy'}");
    let fixture = Fixture::with(&[("class.yaml", &class), ("one.yaml", &connector("one", "https://one.example")), ("secret.yaml", &secret("first"))]);
    assert_eq!(
        fixture.state("one"),
        "ConnectorClassNotReady: ConnectorClass \"api\" is not usable: spec.auth.types[0].generator.rego: is no usable rule: the module must define data.proxy.auth: `package proxy` with a rule `auth`"
    );
}

#[test]
fn problems_between_objects_heal_by_themselves() {
    let fixture = Fixture::with(&[("one.yaml", &connector("one", "https://one.example"))]);
    assert_eq!(fixture.state("one"), "ConnectorClassNotFound: ConnectorClass \"api\" does not exist");
    assert_eq!(fixture.directory.status().broken, 0);
    fixture.now("class.yaml", CLASS);
    assert_eq!(fixture.state("one"), "SecretNotFound: Secret \"team/s\", named by spec.auth.secretRef, does not exist");
    fixture.now("secret.yaml", &secret("first"));
    assert_eq!(fixture.state("one"), "first");
    // A class that changes under its Connectors.
    fixture.now("class.yaml", &format!("{CLASS}  params: [{{name: mode}}]\n"));
    assert!(fixture.state("one").starts_with("InvalidSpec: spec.params: parameter \"mode\" is required"), "{}", fixture.state("one"));
    fixture.now("class.yaml", CLASS);
    assert_eq!(fixture.state("one"), "first");
}

#[test]
fn who_had_an_object_first_keeps_it() {
    let fixture = Fixture::new();
    // Earlier in the order of files, but later in time.
    fixture.now("a.yaml", &connector("one", "https://attacker.example"));
    let address = |fixture: &Fixture| fixture.directory.snapshot().load().connector(&ConnectorRef::parse("team/one").unwrap()).unwrap().address.to_string();
    assert_eq!(address(&fixture), "https://one.example");
    assert_eq!(fixture.findings(), ["a.yaml:1:1: error: Connector team/one: is defined twice; the other is at one.yaml:1:1"]);
    // It comes into its own when the other is gone.
    fixture.gone("one.yaml");
    assert_eq!((address(&fixture).as_str(), fixture.findings().len()), ("https://attacker.example", 0));
    // A file that is renamed, or an object that moves, is no conflict.
    fs::rename(fixture.path("a.yaml"), fixture.path("z.yaml")).unwrap();
    fixture.directory.reload();
    assert_eq!((fixture.state("one").as_str(), fixture.findings().len()), ("first", 0));
    fixture.put("z.yaml", "");
    fs::remove_file(fixture.path("z.yaml")).unwrap();
    fixture.now("b.yaml", &connector("one", "https://b.example"));
    assert_eq!((address(&fixture).as_str(), fixture.findings().len()), ("https://b.example", 0));
}

#[test]
fn a_file_that_yields_gives_back_what_it_let_go() {
    // b.yaml gives up `two` and takes `one`, which a.yaml has, while c.yaml takes `two`: so b.yaml yields, has `two` as before, and c.yaml yields too.
    let (one, two) = (connector("one", "https://one.example"), connector("two", "https://two.example"));
    let fixture = Fixture::with(&[("class.yaml", CLASS), ("secret.yaml", &secret("first")), ("a.yaml", &one), ("b.yaml", &two)]);
    fixture.put("b.yaml", &one);
    fixture.now("c.yaml", &two.replace("two.example", "c.example"));
    assert_eq!(fixture.directory.status().broken, 2);
    let snapshot = fixture.directory.snapshot().load_full();
    let addresses: Vec<String> =
        ["one", "two"].map(|name| snapshot.connector(&ConnectorRef::parse(&format!("team/{name}")).unwrap()).unwrap().address.to_string()).into();
    assert_eq!(addresses, ["https://one.example", "https://two.example"]);
}

#[test]
fn what_did_not_change_stays_the_same_object() {
    let fixture = Fixture::new();
    let get = || fixture.directory.snapshot().load_full().connector(&ConnectorRef::parse("team/one").unwrap()).unwrap().clone();
    let before = get();
    fixture.now("two.yaml", &connector("two", "https://two.example"));
    assert!(Arc::ptr_eq(&before, &get()));
    fixture.now("secret.yaml", &secret("second"));
    assert!(!Arc::ptr_eq(&before, &get()));
}

#[test]
fn p15_a_connector_gets_no_secret_and_no_ca_of_another_namespace() {
    let foreign = secret("canary-6071").replace("namespace: team", "namespace: other");
    let naming = connector("two", "https://two.example").replace("secretRef: {name: s}", "secretRef: {name: s, namespace: other}");
    let fixture =
        Fixture::with(&[("class.yaml", CLASS), ("secret.yaml", &foreign), ("one.yaml", &connector("one", "https://one.example")), ("two.yaml", &naming)]);
    assert_eq!(fixture.state("one"), "SecretNotFound: Secret \"team/s\", named by spec.auth.secretRef, does not exist");
    assert!(fixture.state("two").starts_with("InvalidSpec: spec.auth.secretRef.namespace: must be the Connector's own namespace"), "{}", fixture.state("two"));
    // Nor by way of a Connector that was good before.
    fixture.now("one.yaml", &naming.replace("two", "one"));
    assert!(fixture.state("one").starts_with("SecretNotFound"));
}

#[test]
fn what_can_be_seen_of_connectors_and_classes() {
    let fixture = Fixture::new();
    let [class] = fixture.directory.classes().try_into().unwrap();
    let class = serde_json::to_value(class).unwrap();
    let holds = |kind: &str, reason: &str| serde_json::json!({"type": kind, "status": "True", "reason": reason});
    assert_eq!(class["status"]["conditions"], serde_json::json!([holds("APIReady", "NonAPI"), holds("ProxyReady", "NonProxy"), holds("Ready", "Ready")]));
    let [connector] = fixture.directory.connectors().try_into().unwrap();
    let connector = serde_json::to_value(connector).unwrap();
    assert_eq!(connector["metadata"]["labels"], serde_json::json!({"connectors.alauda.io/connectorclass": "api"}));
    let conditions = connector["status"]["conditions"].as_array().unwrap();
    assert_eq!(conditions[..2], [holds("ConnectorClassReady", "ConnectorClassReady"), holds("SecretReady", "SecretReady")]);
    assert_eq!(conditions.last(), Some(&holds("Ready", "Ready")));
}

#[test]
fn the_address_of_a_classs_api_can_be_seen() {
    let api = |of: &str| {
        let dir = tempfile::tempdir().unwrap();
        put(
            &dir.path().join("class.yaml"),
            &format!("apiVersion: connectors.alauda.io/v1alpha1\nkind: ConnectorClass\nmetadata: {{name: a}}\nspec: {{api: {of}}}\n"),
        );
        let directory = Directory::open(dir.path(), Options { cluster_domain: "example.org".into(), ..Options::default() }).unwrap();
        let [class] = directory.classes().try_into().unwrap();
        serde_json::to_value(class).unwrap()["status"]["api"].clone()
    };
    let url = |url: &str| serde_json::json!({"address": {"url": url}});
    assert_eq!(api("{ref: {kind: Service, name: plugin}, uri: /v1/}"), url("http://plugin.connectors-system.svc.example.org/v1"));
    assert_eq!(api("{uri: 'https://plugin.example', audience: us}"), serde_json::json!({"address": {"url": "https://plugin.example", "audience": "us"}}));
    assert_eq!(api("{ref: {kind: Ingress, name: plugin}}"), serde_json::Value::Null);
}

#[test]
fn cluster_roles_are_aggregated() {
    let role = |name: &str, more: &str| {
        format!("apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {{name: {name}, labels: {{{name}: 'true'}}}}\n{more}---\n")
    };
    let file = [
        role("all", "aggregationRule: {clusterRoleSelectors: [{matchLabels: {some: 'true'}}, {matchExpressions: [{key: all, operator: Exists}]}]}\nrules: [{apiGroups: [''], resources: [pods], verbs: [delete]}]\n"),
        role("some", "aggregationRule: {clusterRoleSelectors: [{matchExpressions: [{key: plain, operator: In, values: ['true']}]}]}\n"),
        role("plain", "rules: [{apiGroups: [connectors.alauda.io], resources: [connectors], verbs: [get]}]\n"),
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {name: b}\nroleRef: {kind: ClusterRole, name: all}\nsubjects: [{kind: ServiceAccount, name: other, namespace: team}]\n---\n".into(),
        "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: other, namespace: team}\n".into(),
    ]
    .concat();
    let fixture = Fixture::new();
    assert!(!may(&fixture.directory, "other", "one"));
    fixture.now("roles.yaml", &file);
    assert_eq!(fixture.findings(), Vec::<String>::new());
    assert!(may(&fixture.directory, "other", "one"));
}

#[test]
fn p23_nothing_that_holds_secrets_prints_them() {
    let fixture = Fixture::new();
    fixture.now("secret.yaml", &secret("canary-6071"));
    fixture.put("v/token", "canary-6071");
    fixture.now("more.yaml", "apiVersion: v1\nkind: Secret\nmetadata: {name: v, namespace: team, annotations: {standalone.connectors.alauda.io/data-from: v}}\ndata: {other: Y2FuYXJ5LTYwNzE=, bad: 'canary-6071!'}\n");
    assert_eq!(fixture.state("one"), "canary-6071");
    let printed = format!("{:?} {:#?} {} {:?}", fixture.directory, fixture.directory, fixture.directory.report(), fixture.directory.snapshot().load());
    assert!(printed.contains("redacted") && printed.contains("must be base64"));
    for form in ["canary", "Y2FuYXJ5", "99, 97, 110"] {
        assert!(!printed.contains(form), "{form}");
    }
}

/// Everything that is logged, as text.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn taken(&self) -> String {
        String::from_utf8(std::mem::take(&mut *self.0.lock().unwrap())).unwrap()
    }
}

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_problem_is_logged_once() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    tracing::subscriber::with_default(subscriber, || {
        let fixture = Fixture::new();
        assert_eq!(log.taken(), "");
        fixture.now("secret.yaml", &secret("canary-6071").replace("stringData", "stringdata"));
        let first = log.taken();
        assert_eq!(first.matches("ERROR").count(), 1, "{first}");
        let path = fixture.path("secret.yaml");
        for part in [
            "is not a known field; did you mean \\\"stringData\\\"?",
            "line=5",
            "object=\"Secret team/s\"",
            "field=\"stringdata\"",
            &format!("file={}", path.display()),
        ] {
            assert!(first.contains(&part.replace('\\', "")), "{part}: {first}");
        }
        assert!(!first.contains("canary"));
        fixture.directory.reload();
        assert_eq!(log.taken(), "");
        fixture.now("secret.yaml", &secret("second"));
        assert!(log.taken().contains("problems in manifests are gone"));
        fixture.gone("secret.yaml");
        assert!(log.taken().contains("WARN"));
    });
}

#[test]
fn a_change_is_noticed() {
    let fixture = Fixture::new();
    let _watch = fixture.directory.watch().unwrap();
    fixture.put("secret.yaml", &secret("second"));
    fixture.becomes("one", "second");
    // As editors do it.
    fixture.put(".secret.yaml.swp", &secret("third"));
    fs::rename(fixture.path(".secret.yaml.swp"), fixture.path("secret.yaml")).unwrap();
    fixture.becomes("one", "third");
    // In a folder that comes with it, and then again in that.
    fixture.put("deep/er/two.yaml", &connector("two", "https://two.example"));
    fixture.becomes("two", "third");
    fixture.put("deep/er/three.yaml", &connector("three", "https://three.example"));
    fixture.becomes("three", "third");
    fs::remove_dir_all(fixture.path("deep")).unwrap();
    fixture.becomes("three", "none");
    fs::remove_file(fixture.path("secret.yaml")).unwrap();
    fixture.becomes("one", "SecretNotFound: Secret \"team/s\", named by spec.auth.secretRef, does not exist");
}

/// Every kind of change, told by the system and not found by looking at everything, which would be ten seconds later.
#[test]
fn notifications_say_enough() {
    let fixture = Fixture::new();
    let elsewhere = tempfile::tempdir().unwrap();
    let elsewhere = elsewhere.path();
    put(&elsewhere.join("v/token"), "value-0");
    put(&elsewhere.join("linked.yaml"), &connector("linked", "https://linked.example"));
    let _watch = fixture.directory.watch().unwrap();
    let path = |name: &str| fixture.path(name);
    let from_folder = secret("")
        .replace(
            "namespace: team}",
            &format!("namespace: team, annotations: {{standalone.connectors.alauda.io/data-from: '{}'}}}}", elsewhere.join("v").display()),
        )
        .replace("stringData: {token: ''}\n", "");
    let changes: [&dyn Fn(); 19] = [
        &|| put(&path("two.yaml"), &connector("two", "https://two.example")),
        &|| put(&path("two.yaml"), &connector("two", "https://2.example")),
        &|| put(&path("sub/three.yaml"), &connector("three", "https://three.example")),
        &|| fs::rename(path("two.yaml"), path("sub/two.yaml")).unwrap(),
        &|| fs::rename(path("sub"), path("other")).unwrap(),
        &|| fs::rename(path("other"), path(".other")).unwrap(),
        &|| fs::rename(path(".other"), path("sub")).unwrap(),
        &|| fs::rename(path("sub/two.yaml"), path("sub/two.txt")).unwrap(),
        &|| fs::rename(path("sub/two.txt"), path("sub/two.json")).unwrap(),
        &|| fs::set_permissions(path("secret.yaml"), fs::Permissions::from_mode(0o644)).unwrap(),
        &|| symlink(elsewhere.join("linked.yaml"), path("linked.yaml")).unwrap(),
        &|| put(&elsewhere.join("linked.yaml"), &connector("linked", "https://other.example")),
        &|| symlink("/usr", path("usr")).unwrap(),
        &|| fs::remove_file(path("usr")).unwrap(),
        &|| put(&path("secret.yaml"), &from_folder),
        &|| put(&elsewhere.join("v/token"), "value-1"),
        &|| fs::remove_file(path("linked.yaml")).unwrap(),
        &|| fs::remove_dir_all(path("sub")).unwrap(),
        &|| put(&path("sub/two.yaml"), &connector("two", "https://two.example")),
    ];
    for (number, change) in changes.iter().enumerate() {
        change();
        assert_is_told(&fixture, &format!("change {number}"));
    }
}

/// Waits until a directory that is followed is as if it was opened now, for less than the time after which it is looked through in any case.
#[track_caller]
fn assert_is_told(fixture: &Fixture, what: &str) {
    // The snapshot's `Debug` has no secrets in it.
    let shown = |directory: &Directory| {
        let mut shown: Vec<String> =
            directory.snapshot().load().connectors().map(|connector| format!("{connector:?} {}", state(directory, connector.name.name()))).collect();
        shown.extend(directory.report().findings().iter().map(ToString::to_string));
        shown.sort();
        shown
    };
    let expect = shown(&Directory::open(fixture.dir.path(), Options::default()).unwrap());
    let reached = fixture.directory.wait_until(Instant::now() + Duration::from_secs(7), |directory| shown(directory) == expect);
    assert!(reached, "{what}: {:#?} and not {expect:#?}", shown(&fixture.directory));
}

/// Else what a link no longer leads to, rights among it, would be in force until the directory is looked through in any case.
#[test]
fn a_link_to_a_folder_that_changes_is_noticed_at_once() {
    type Step = fn(&Path);
    type Links = &'static [(&'static str, &'static str)];
    let versions: Step = |dir| {
        put(&dir.join(".w/v1/two.yaml"), &connector("two", "https://one.example"));
        put(&dir.join(".w/v2/two.yaml"), &connector("two", "https://two.example"));
    };
    let swap: Step = |dir| {
        symlink(".w/v2", dir.join(".new")).unwrap();
        fs::rename(dir.join(".new"), dir.join(".current")).unwrap();
    };
    let cases: [(&str, Links, Step); 5] = [
        ("removed", &[("current", ".w/v1")], |dir| fs::remove_file(dir.join("current")).unwrap()),
        ("removed, with the name of a manifest", &[("current.yaml", ".w/v1")], |dir| fs::remove_file(dir.join("current.yaml")).unwrap()),
        ("leads nowhere", &[("current", ".w/v1")], |dir| fs::rename(dir.join(".w"), dir.join(".x")).unwrap()),
        ("swapped on the way, as git-sync does", &[(".current", ".w/v1"), ("conf", ".current")], swap),
        ("replaced by a file", &[("current.yaml", ".w/v1")], |dir| {
            put(&dir.join(".new"), &connector("two", "https://two.example"));
            fs::rename(dir.join(".new"), dir.join("current.yaml")).unwrap();
        }),
    ];
    for (what, links, change) in cases {
        let fixture = Fixture::new();
        let dir = fixture.dir.path();
        versions(dir);
        for (link, target) in links {
            symlink(target, dir.join(link)).unwrap();
        }
        fixture.directory.reload();
        let scans = fixture.directory.status().scans;
        let _watch = fixture.directory.watch().unwrap();
        // Looked through once before all is watched, and once after.
        assert!(fixture.directory.wait_until(Instant::now() + Duration::from_secs(7), |directory| directory.status().scans > scans + 1), "it is watched");
        change(dir);
        assert_is_told(&fixture, what);
    }
}

#[test]
fn a_volume_that_swaps_links_is_followed() {
    let fixture = Fixture::new();
    fs::remove_file(fixture.path("secret.yaml")).unwrap();
    // As the kubelet lays out a ConfigMap or Secret, here outside of the directory.
    let volume = tempfile::tempdir().unwrap();
    let volume = volume.path();
    let write = |version: &str, token: &str| {
        put(&volume.join(version).join("secret.yaml"), &secret(token));
        symlink(version, volume.join("..new")).unwrap();
        fs::rename(volume.join("..new"), volume.join("..data")).unwrap();
    };
    write("..v1", "one");
    symlink("..data/secret.yaml", volume.join("secret.yaml")).unwrap();
    symlink(volume.join("secret.yaml"), fixture.path("secret.yaml")).unwrap();
    let _watch = fixture.directory.watch().unwrap();
    fixture.becomes("one", "one");
    write("..v2", "two");
    fixture.becomes("one", "two");
    fs::remove_dir_all(volume.join("..v1")).unwrap();
    write("..v3", "three");
    fixture.becomes("one", "three");
}

#[test]
fn values_in_files_are_followed() {
    let fixture = Fixture::new();
    let elsewhere = tempfile::tempdir().unwrap();
    put(&elsewhere.path().join("token"), "one\n");
    let from = |folder: &str| {
        secret("")
            .replace("namespace: team}", &format!("namespace: team, annotations: {{standalone.connectors.alauda.io/data-from: '{folder}'}}}}"))
            .replace("stringData: {token: ''}\n", "")
    };
    let _watch = fixture.directory.watch().unwrap();
    fixture.put("secret.yaml", &from(&elsewhere.path().display().to_string()));
    fixture.becomes("one", "one");
    put(&elsewhere.path().join("token"), "two");
    fixture.becomes("one", "two");
    // A folder that comes after the manifest that names it.
    fixture.put("secret.yaml", &from(".values"));
    fixture.put(".values/token", "three\r\n");
    fixture.becomes("one", "three");
    put(&fixture.path("new"), "four");
    fs::rename(fixture.path("new"), fixture.path(".values/token")).unwrap();
    fixture.becomes("one", "four");
    fs::remove_file(fixture.path(".values/token")).unwrap();
    let broken = fixture.directory.wait_until(Instant::now() + Duration::from_secs(10), |directory| directory.status().broken == 1);
    assert!(broken && fixture.state("one") == "four");
}

#[test]
fn a_file_that_is_emptied_is_waited_for() {
    let fixture = Fixture::new();
    fs::File::create(fixture.path("secret.yaml")).unwrap();
    fixture.directory.reload();
    assert_eq!(fixture.state("one"), "first");
    // One that stays empty is meant to be.
    let _watch = fixture.directory.watch().unwrap();
    fixture.becomes("one", "SecretNotFound: Secret \"team/s\", named by spec.auth.secretRef, does not exist");
}

#[test]
fn a_directory_that_disappears_takes_nothing_away() {
    let fixture = Fixture::new();
    fs::rename(fixture.dir.path(), fixture.dir.path().with_extension("moved")).unwrap();
    fixture.directory.reload();
    assert_eq!((fixture.state("one").as_str(), fixture.directory.status().broken), ("first", 1));
    fs::rename(fixture.dir.path().with_extension("moved"), fixture.dir.path()).unwrap();
    fixture.now("secret.yaml", &secret("second"));
    assert_eq!((fixture.state("one").as_str(), fixture.directory.status().broken), ("second", 0));
}

#[test]
fn whoever_reads_while_a_secret_is_rotated_sees_one_of_its_values() {
    let fixture = Fixture::with(&[("class.yaml", CLASS), ("one.yaml", &connector("one", "https://one.example")), ("v/token", "token-0")]);
    let manifest = secret("")
        .replace("namespace: team}", "namespace: team, annotations: {standalone.connectors.alauda.io/data-from: v}}")
        .replace("stringData: {token: ''}\n", "");
    fixture.now("secret.yaml", &manifest);
    let _watch = fixture.directory.watch().unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                let state = fixture.state("one");
                assert!(state.starts_with("token-") && state[6..].parse::<u32>().is_ok(), "{state}");
                std::thread::yield_now();
            }
        });
        for round in 1..=100 {
            // In place and by rename; the former leaves the file empty for a moment.
            let token = format!("token-{round}");
            match round % 2 {
                0 => put(&fixture.path("v/token"), &token),
                _ => {
                    put(&fixture.path("v/.token"), &token);
                    fs::rename(fixture.path("v/.token"), fixture.path("v/token")).unwrap();
                }
            }
            if round % 10 == 0 {
                fixture.becomes("one", &token);
            }
        }
        stop.store(true, Ordering::Relaxed);
        reader.join().unwrap();
    });
    assert_eq!(fixture.state("one"), "token-100");
}
