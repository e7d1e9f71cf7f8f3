//! What `check` says: text of files → findings, places and all.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic too")]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use connectors_standalone::{Options, check};

/// Writes files (mode 0600) and returns the findings as `name:line:column: severity: …`, names relative to the directory.
fn findings(files: &[(&str, &str)]) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), files);
    findings_in(dir.path())
}

fn write(dir: &Path, files: &[(&str, &str)]) {
    for (name, text) in files {
        let path = dir.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }
}

fn findings_in(dir: &Path) -> Vec<String> {
    let shown = |text: String| text.replace(&format!("{}/", dir.display()), "").replace(&format!("{}", dir.display()), "DIR");
    check(dir, &Options::default()).findings().iter().map(|finding| shown(finding.to_string())).collect()
}

#[track_caller]
fn one(text: &str, expect: &[&str]) {
    assert_eq!(findings(&[("a.yaml", text)]), expect, "{text}");
}

/// Objects that are right, for others to refer to.
const CLASS: &str = "\
apiVersion: connectors.alauda.io/v1alpha1
kind: ConnectorClass
metadata: {name: git}
spec:
  address: {type: string}
  auth:
    types:
    - {name: basicAuth, secretType: kubernetes.io/basic-auth, optional: true}
    - {name: tokenAuth, secretType: connectors.cpaas.io/bearer-token}
";
const SECRET: &str = "\
apiVersion: v1
kind: Secret
metadata: {name: repo, namespace: team}
type: kubernetes.io/basic-auth
stringData: {username: u, password: p}
";
const CONNECTOR: &str = "\
apiVersion: connectors.alauda.io/v1alpha1
kind: Connector
metadata:
  name: repo
  namespace: team
spec:
  connectorClassName: git
  address: https://git.example
  auth:
    name: basicAuth
    secretRef:
      name: repo
";

#[test]
fn what_is_right_has_no_findings() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), &[("class.yaml", CLASS), ("sub/all.yml", &format!("{SECRET}---\n{CONNECTOR}")), ("empty.yaml", ""), ("comment.yaml", "# nothing\n")]);
    let report = check(dir.path(), &Options::default());
    assert_eq!(report.to_string(), "");
    assert_eq!((report.files(), report.objects(), report.errors(), report.warnings()), (4, 3, 0, 0));
}

#[test]
fn a_document_must_be_an_object() {
    one("- a\n", &["a.yaml:1:1: error: must be a mapping with apiVersion, kind and metadata"]);
    one("kind: Secret\n", &["a.yaml:1:1: error: apiVersion: is required"]);
    one("a: b\n", &["a.yaml:1:1: error: apiVersion: is required", "a.yaml:1:1: error: kind: is required"]);
    one("apiVersion: 1\nkind: [x]\n", &["a.yaml:1:13: error: apiVersion: must be a string", "a.yaml:2:7: error: kind: must be a string"]);
    one("apiVersion: v1\nkind: Secret\n", &["a.yaml:1:1: error: Secret: metadata.name: is required"]);
}

#[test]
fn syntax_errors_have_a_place() {
    assert_eq!(findings(&[("a.yaml", "a: b\n c: d\n")]), ["a.yaml:2:3: error: is not valid YAML: mapping values are not allowed in this context"],);
    // Documents before it are looked at all the same.
    one(
        "apiVersion: v1\nkind: Namespace\n---\na: [\n",
        &[
            "a.yaml:1:1: error: Namespace: metadata.name: is required",
            "a.yaml:5:1: error: is not valid YAML: while parsing a node, did not find expected node content",
        ],
    );
}

#[test]
fn kinds() {
    let object = |api_version: &str, kind: &str| format!("apiVersion: {api_version}\nkind: {kind}\nmetadata: {{name: x}}\n");
    one(&object("apps/v1", "Deployment"), &["a.yaml:1:1: warning: Deployment x: kind: Deployment is ignored here"]);
    one(&object("serving.example/v1", "Role"), &["a.yaml:1:1: warning: Role default/x: kind: Role is ignored here"]);
    one(&object("connectors.alauda.io/v1alpha1", "ResourceInterface"), &[]);
    one(&object("connectors.alauda.io/v1alpha1", "AccessPolicy"), &["a.yaml:1:1: warning: AccessPolicy x: kind: AccessPolicy is ignored here"]);
    one(
        &object("connectors.alauda.io/v1alpha1", "ConnectorsClass"),
        &["a.yaml:2:7: error: ConnectorsClass x: kind: connectors.alauda.io has no such kind; did you mean \"ConnectorClass\"?"],
    );
    one(
        &object("connectors.alauda.io/v1", "Connector"),
        &["a.yaml:1:13: error: Connector default/x: apiVersion: must be connectors.alauda.io/v1alpha1 for a Connector"],
    );
    one(
        &object("rbac.authorization.k8s.io/v1beta1", "Role"),
        &["a.yaml:1:13: error: Role default/x: apiVersion: must be rbac.authorization.k8s.io/v1 for a Role"],
    );
    one(&object("core/v1", "Secret"), &["a.yaml:1:1: warning: Secret default/x: kind: Secret is ignored here"]);
    one(&object("v2", "Secret"), &["a.yaml:1:13: error: Secret default/x: apiVersion: must be v1 for a Secret"]);
}

#[test]
fn lists_hold_objects() {
    one(
        "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: ServiceAccount\n  metadata: {name: A}\n- 3\n",
        &[
            "a.yaml:6:20: error: ServiceAccount default/A: metadata.name: must be 1 to 253 of a-z, 0-9, '-' and '.', every part between dots starting and ending with a letter or digit",
            "a.yaml:7:3: error: must be a mapping with apiVersion, kind and metadata",
        ],
    );
    one("apiVersion: v1\nkind: List\nitems: {}\n", &["a.yaml:3:8: error: List: items: must be a list"]);
    one("apiVersion: v1\nkind: List\n", &[]);
}

#[test]
fn every_error_of_an_object_comes_at_once() {
    let text = "\
apiVersion: connectors.alauda.io/v1alpha1
kind: Connector
metadata:
  name: repo
  namespace: team
  labels: {on: true}
spec:
  connectorClass: git
  connectorClassName: git
  address: ftp://git.example
  params:
  - name: depth
    value: 1
  auth:
    name: basicAuth
    secretRef:
      name: repo
      namespace: other
  caCertSecretRef: ca
";
    assert_eq!(
        findings(&[("class.yaml", CLASS), ("a.yaml", text)]),
        [
            "a.yaml:6:16: error: Connector team/repo: metadata.labels.on: must be a string, but unquoted it is a boolean; put it in quotes",
            "a.yaml:8:3: error: Connector team/repo: spec.connectorClass: is not a known field",
            "a.yaml:10:12: error: Connector team/repo: spec.address: must be an absolute URL that begins with http:// or https://",
            "a.yaml:12:11: error: Connector team/repo: spec.params[0].name: ConnectorClass \"git\" declares no parameter \"depth\"; it declares none",
            "a.yaml:13:12: error: Connector team/repo: spec.params[0].value: must be a string, but it is a number; put it in quotes",
            "a.yaml:18:18: error: Connector team/repo: spec.auth.secretRef.namespace: must be the Connector's own namespace, \"team\", or left out: a Connector can't use the Secret of another namespace",
            "a.yaml:19:20: error: Connector team/repo: spec.caCertSecretRef: must be a mapping, but it is a string",
        ],
    );
}

#[test]
fn what_follows_from_an_error_is_not_repeated() {
    // No "is required" for what could not be read, and no "does not exist" for what is broken.
    assert_eq!(
        findings(&[
            ("class.yaml", &CLASS.replace("address:", "adress:")),
            ("a.yaml", &format!("{SECRET}---\n{}", CONNECTOR.replace("address: https://git.example", "address: 443"))),
        ]),
        [
            "a.yaml:13:23: warning: Connector team/repo: spec.connectorClassName: ConnectorClass \"git\" is not usable: spec.adress: is not a known field; did you mean \"address\"?",
            "a.yaml:14:12: error: Connector team/repo: spec.address: must be a string, but unquoted it is a number; put it in quotes",
            "class.yaml:5:3: error: ConnectorClass git: spec.adress: is not a known field; did you mean \"address\"?",
        ],
    );
}

#[test]
fn the_slips_of_the_guides() {
    let class = CLASS.replace("spec:", "spec:\n  authProbes:\n  - authName: basicAuth\n    params: [{name: repository}]\n    probe: {http: {path: /}}");
    let connector = CONNECTOR.replace("  auth:\n", "  params: [{name: repository, value: a/b}]\n  auth:\n");
    assert_eq!(
        findings(&[("class.yaml", &class), ("a.yaml", &connector), ("secret.yaml", SECRET)]),
        [
            "a.yaml:9:19: error: Connector team/repo: spec.params[0].name: ConnectorClass \"git\" declares no parameter \"repository\"; it declares none; \"repository\" belongs in spec.auth.params",
            "a.yaml:10:3: error: Connector team/repo: spec.auth.params: authentication parameter \"repository\" is required by ConnectorClass \"git\": add {name: repository, value: …}",
        ],
    );
    assert_eq!(
        findings(&[("class.yaml", CLASS), ("a.yaml", &CONNECTOR.replace("basicAuth", "basic-auth"))]),
        [
            "a.yaml:10:11: error: Connector team/repo: spec.auth.name: ConnectorClass \"git\" has no authentication type \"basic-auth\"; it has basicAuth, tokenAuth; did you mean \"basicAuth\"?"
        ],
    );
    assert_eq!(
        findings(&[
            ("class.yaml", CLASS),
            ("a.yaml", CONNECTOR),
            ("secret.yaml", &SECRET.replace("kubernetes.io/basic-auth", "cpaas.io/distribution-registry-token"))
        ]),
        [
            "a.yaml:11:5: error: Connector team/repo: spec.auth.secretRef: Secret \"team/repo\" has type \"cpaas.io/distribution-registry-token\", but the auth type wants \"kubernetes.io/basic-auth\""
        ],
    );
    one(
        "apiVersion: connectors.alauda.io/v1alpha1\nkind: ConnectorClass\nmetadata: {name: c}\nspec:\n  livenessProbe:\n    http:\n      path: /\n      httpHeaders: {Accept: text/plain}\n  proxy:\n    ref: {name: connectors-proxy-service}\n",
        &[
            "a.yaml:8:20: error: ConnectorClass c: spec.livenessProbe.http.httpHeaders: must be a list of names and values, such as [{name: Accept, value: application/json}], but it is a mapping",
            "a.yaml:10:5: error: ConnectorClass c: spec.proxy.ref.kind: is required: Service, for a Service",
        ],
    );
    let role = "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: r, namespace: team}\nrules:\n- apiGroups: [connectors.alauda.io]\n  verbs: [get]\n  resources: [connectors, connectors/apis, connectors/apis/git/x, connectors/apis/v4, connectors/apis/gitlab]\n";
    assert_eq!(
        findings(&[("class.yaml", CLASS), ("a.yaml", role)]),
        [
            "a.yaml:7:67: error: Role team/r: rules[0].resources[3]: must be connectors/apis/<ConnectorClass>/<path>: a path needs the class before it",
            "a.yaml:7:87: warning: Role team/r: rules[0].resources[4]: ConnectorClass \"gitlab\" does not exist, so this grants nothing",
        ],
    );
}

#[test]
fn rules_that_grant_nothing_by_a_slip() {
    let role = |rule: &str| format!("apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {{name: r, namespace: team}}\nrules:\n- {rule}\n");
    let check = |rule: &str, expect: &[&str]| {
        let expect: Vec<String> = expect.iter().map(|text| format!("a.yaml:5:{}", text.replacen(": ", ": warning: Role team/r: rules[0].", 1))).collect();
        assert_eq!(findings(&[("a.yaml", &role(rule))]), expect, "{rule}");
    };
    check(
        "{apiGroups: [connectors.alauda.io], resources: [connector, Connectors, connectors/prox, connectors/*], verbs: [get]}",
        &[
            "51: resources[0]: connectors.alauda.io has no \"connector\", so this grants nothing; did you mean \"connectors\"?",
            "62: resources[1]: connectors.alauda.io has no \"Connectors\", so this grants nothing; did you mean \"connectors\"?",
            "74: resources[2]: connectors have no subresource \"prox\", so this grants nothing; did you mean \"proxy\"?",
            "91: resources[3]: grants nothing: name each subresource (proxy, apis, status, finalizers), or everything with \"*\"",
        ],
    );
    check(
        "{apiGroups: [connectors.alauda.io], resources: [connectors], verbs: [read, GET]}",
        &[
            "72: verbs[0]: \"read\" is no verb that is asked for here, so it grants nothing; to use a Connector takes \"get\"",
            "78: verbs[1]: \"GET\" is no verb that is asked for here, so it grants nothing; did you mean \"get\"?",
        ],
    );
    let group = "so this grants nothing; did you mean \"connectors.alauda.io\"?";
    check(
        "{apiGroups: [connector.alauda.io, connectors.alauda.io/v1alpha1, connectors.cpaas.io, ''], resources: [connectors], verbs: [get]}",
        &[
            &format!("16: apiGroups[0]: \"connector.alauda.io\" is no API group here, {group}"),
            &format!("37: apiGroups[1]: \"connectors.alauda.io/v1alpha1\" is no API group here, {group}"),
            &format!("68: apiGroups[2]: \"connectors.cpaas.io\" is no API group here, {group}"),
            &format!("89: apiGroups[3]: the core API group has no such resources, {group}"),
        ],
    );
    // What may be meant for others, or is as it should be.
    for rule in [
        "{apiGroups: ['', apps], resources: [pods, deployments], verbs: [get, use]}",
        "{apiGroups: [kafka.example], resources: [connectors], verbs: [read]}",
        "{apiGroups: [connectors.alauda.io, apps], resources: [connectors, deployments], verbs: [get, impersonate]}",
        "{apiGroups: ['*'], resources: ['*'], verbs: ['*']}",
        "{apiGroups: [connectors.alauda.io], resources: [connectors, connectors/proxy, connectors/proxy/v1/pod/a/b, '*/proxy', connectorclasses/status], verbs: ['*']}",
    ] {
        check(rule, &[]);
    }
}

#[test]
fn annotations_that_nobody_reads() {
    let annotated = |kind: &str, name: &str| {
        format!("apiVersion: v1\nkind: {kind}\nmetadata:\n  name: x\n  annotations:\n    standalone.connectors.alauda.io/{name}: v\n    other: x\n")
    };
    one(
        &annotated("Secret", "datafrom"),
        &[
            "a.yaml:6:47: warning: Secret default/x: metadata.annotations[\"standalone.connectors.alauda.io/datafrom\"]: is not known, so it has no effect; did you mean \"standalone.connectors.alauda.io/data-from\"?",
        ],
    );
    one(
        &annotated("ServiceAccount", "data-from"),
        &[
            "a.yaml:6:48: warning: ServiceAccount default/x: metadata.annotations[\"standalone.connectors.alauda.io/data-from\"]: has no effect here: only a Secret can take values from files",
        ],
    );
}

#[test]
fn a_rule_that_does_not_compile_is_refused_by_field() {
    let class = CLASS.replace(
        "secretType: connectors.cpaas.io/bearer-token",
        "secretType: Opaque, params: [{name: token}], generator: {rego: \"package proxy\\nauth = http.send({})\"}",
    );
    assert_eq!(
        findings(&[("class.yaml", &class), ("a.yaml", &format!("{SECRET}---\n{CONNECTOR}"))]),
        [
            "a.yaml:13:23: warning: Connector team/repo: spec.connectorClassName: ConnectorClass \"git\" is not usable: spec.auth.types[1].generator.rego: is no usable rule: 2:8: http.send isn't available here: rules can't reach the network, the environment or files",
            "class.yaml:9:88: error: ConnectorClass git: spec.auth.types[1].generator.rego: is no usable rule: 2:8: http.send isn't available here: rules can't reach the network, the environment or files",
        ],
    );
}

#[test]
fn references_must_lead_somewhere() {
    assert_eq!(
        findings(&[("a.yaml", &CONNECTOR.replace("className: git", "ClassName: git"))]),
        ["a.yaml:7:23: error: Connector team/repo: spec.connectorClassName: ConnectorClass \"git\" does not exist"],
    );
    assert_eq!(
        findings(&[("class.yaml", CLASS), ("a.yaml", &CONNECTOR.replace("connectorClassName: git", "connectorClassName: gti"))]),
        ["a.yaml:7:23: error: Connector team/repo: spec.connectorClassName: ConnectorClass \"gti\" does not exist; did you mean \"git\"?"],
    );
    let with_ca = format!("{CONNECTOR}  caCertSecretRef: {{name: ca}}\n");
    assert_eq!(
        findings(&[("class.yaml", CLASS), ("a.yaml", &with_ca)]),
        [
            "a.yaml:11:5: warning: Connector team/repo: spec.auth.secretRef: Secret \"team/repo\", named by spec.auth.secretRef, does not exist",
            "a.yaml:13:3: warning: Connector team/repo: spec.caCertSecretRef: Secret \"team/ca\" does not exist",
        ],
    );
    let binding = "apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {name: b, namespace: team}\nroleRef: {kind: Role, name: r}\nsubjects:\n- {kind: ServiceAccount, name: s}\n- {kind: Group, name: g}\n";
    one(
        binding,
        &[
            "a.yaml:4:29: warning: RoleBinding team/b: roleRef.name: Role \"r\" does not exist, so this grants nothing",
            "a.yaml:6:3: warning: RoleBinding team/b: subjects[0]: ServiceAccount team/s does not exist",
        ],
    );
}

#[test]
fn roles_are_checked_as_the_api_server_does() {
    one(
        "\
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: a/b}
rules:
- verbs: [get]
- resources: [pods]
  apiGroups: ['']
- verbs: [get]
  nonResourceURLs: [/healthz]
- verbs: get
  apiGroups: [x]
  resource: [y]
",
        &[
            "a.yaml:3:18: error: Role default/a/b: metadata.name: must be other than '.' and '..', without '/' and '%'",
            "a.yaml:5:3: error: Role default/a/b: rules[0].apiGroups: is required",
            "a.yaml:5:3: error: Role default/a/b: rules[0].resources: is required",
            "a.yaml:6:3: error: Role default/a/b: rules[1].verbs: is required",
            "a.yaml:9:3: error: Role default/a/b: rules[2].nonResourceURLs: is only possible in a ClusterRole",
            "a.yaml:10:3: error: Role default/a/b: rules[3].resources: is required",
            "a.yaml:10:10: error: Role default/a/b: rules[3].verbs: must be a list, but it is a string",
            "a.yaml:12:3: error: Role default/a/b: rules[3].resource: is not a known field; did you mean \"resources\"?",
        ],
    );
    one(
        "\
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: a, namespace: team}
rules:
- verbs: [get]
  nonResourceURLs: [/healthz]
  resources: [x]
aggregationRule:
  clusterRoleSelectors:
  - matchExpressions:
    - {key: a, operator: Is}
    - {operator: In}
    - {key: b, operator: Exists, values: [c]}
",
        &[
            "a.yaml:3:32: warning: ClusterRole a: metadata.namespace: is ignored: objects of this kind belong to no namespace",
            "a.yaml:5:3: error: ClusterRole a: rules[0]: must be either about resources or about nonResourceURLs",
            "a.yaml:11:26: error: ClusterRole a: aggregationRule.clusterRoleSelectors[0].matchExpressions[0].operator: must be In, NotIn, Exists or DoesNotExist",
            "a.yaml:12:7: error: ClusterRole a: aggregationRule.clusterRoleSelectors[0].matchExpressions[1].key: is required",
            "a.yaml:12:7: error: ClusterRole a: aggregationRule.clusterRoleSelectors[0].matchExpressions[1].values: is required",
            "a.yaml:13:34: error: ClusterRole a: aggregationRule.clusterRoleSelectors[0].matchExpressions[2].values: must be left out",
        ],
    );
    one(
        "\
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: a}
roleRef: {apiGroup: rbac, kind: Role}
subjects:
- {kind: ServiceAccount, name: s}
- {kind: Pod, name: p}
- {kind: User, apiGroup: v1}
",
        &[
            "a.yaml:4:1: error: ClusterRoleBinding a: roleRef.name: is required",
            "a.yaml:4:21: error: ClusterRoleBinding a: roleRef.apiGroup: must be rbac.authorization.k8s.io",
            "a.yaml:4:33: error: ClusterRoleBinding a: roleRef.kind: must be ClusterRole",
            "a.yaml:6:3: error: ClusterRoleBinding a: subjects[0].namespace: is required for a ServiceAccount",
            "a.yaml:7:10: error: ClusterRoleBinding a: subjects[1].kind: must be ServiceAccount, User or Group",
            "a.yaml:8:3: error: ClusterRoleBinding a: subjects[2].name: is required",
            "a.yaml:8:26: error: ClusterRoleBinding a: subjects[2].apiGroup: must be rbac.authorization.k8s.io",
        ],
    );
}

#[test]
fn secrets() {
    one(
        "\
apiVersion: v1
kind: Secret
metadata: {name: s}
data:
  good: YWJj
  wrapped: |
    YW
    Jj
  bad: canary-2290!
  number: 5511884422
  'a/b': YWJj
stringData:
  yes: canary-2290
  pin: 5511884422
immutable: true
stringdata: {}
",
        &[
            "a.yaml:9:8: error: Secret default/s: data.bad: must be base64; plain text belongs in stringData",
            "a.yaml:10:11: error: Secret default/s: data.number: must be a string, but unquoted it is a number; put it in quotes",
            "a.yaml:11:10: error: Secret default/s: data[\"a/b\"]: must be 1 to 253 letters, digits, '-', '_' and '.'",
            "a.yaml:14:8: error: Secret default/s: stringData.pin: must be a string, but unquoted it is a number; put it in quotes",
            "a.yaml:16:1: error: Secret default/s: stringdata: is not a known field; did you mean \"stringData\"?",
        ],
    );
}

#[test]
fn feature_flags() {
    let config = |namespace: &str| {
        format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: connectors-config, namespace: {namespace}}}\ndata:\n  enable-custom-ca-certs: 'yes'\n  enable-all: 'true'\n"
        )
    };
    one(
        &config("connectors-system"),
        &[
            "a.yaml:5:27: warning: ConfigMap connectors-system/connectors-config: data.enable-custom-ca-certs: feature flag enable-custom-ca-certs must be \"true\" or \"false\"; it counts as \"false\"",
            "a.yaml:6:15: warning: ConfigMap connectors-system/connectors-config: data.enable-all: no feature flag is called \"enable-all\"; known are enable-connector-apis-permissions, enable-connector-apis-write-passthrough, enable-connector-proxy-permissions, enable-connectors-approval, enable-multi-connector, enable-custom-ca-certs, enable-pod-image-pull-via-connector",
        ],
    );
    one(
        &config("team"),
        &[
            "a.yaml:3:48: warning: ConfigMap team/connectors-config: metadata.namespace: is not the system namespace \"connectors-system\", so the feature flags in it don't count",
        ],
    );
    one("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: other}\ndata: {a: b}\nbinaryData: {c: ZA==}\n", &[]);
}

#[test]
fn the_same_object_twice_names_both_places() {
    let account = "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: s}\n";
    assert_eq!(
        findings(&[("a.yaml", account), ("b.yaml", &format!("{account}  \n---\n{}", account.replace("{name: s}", "{name: s, namespace: default}")))]),
        ["b.yaml:6:1: error: ServiceAccount default/s: is defined twice; the other is at b.yaml:1:1"],
    );
    assert_eq!(
        findings(&[("a.yaml", account), ("b.yaml", account)]),
        ["b.yaml:1:1: error: ServiceAccount default/s: is defined twice; the other is at a.yaml:1:1"],
    );
    one(
        "apiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: s\n  name: t\n",
        &["a.yaml:5:3: error: ServiceAccount default/s: metadata.name: occurs twice in its mapping; the first is in line 4"],
    );
}

#[test]
fn manifests_as_kubectl_exports_them_are_taken() {
    let json = r#"{
  "apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": ""},
  "items": [{
    "apiVersion": "v1", "kind": "ServiceAccount",
    "metadata": {
      "name": "s", "namespace": "team", "uid": "1f", "resourceVersion": "12", "generation": 1, "creationTimestamp": "2024-01-02T03:04:05Z",
      "managedFields": [{"manager": "kubectl"}], "ownerReferences": [], "finalizers": [], "annotations": {"a/b": "c"}
    },
    "secrets": [{"name": "x"}], "imagePullSecrets": [], "automountServiceAccountToken": false
  }]
}"#;
    assert_eq!(findings(&[("a.json", json)]), Vec::<String>::new());
    one("apiVersion: v1\nkind: Namespace\nmetadata: {name: team, creationTimestamp: null}\nspec: {finalizers: [kubernetes]}\nstatus: {phase: Active}\n", &[]);
}

#[test]
fn values_come_from_files_beside_the_manifest() {
    let secret = |folder: &str| {
        format!(
            "apiVersion: v1\nkind: Secret\nmetadata:\n  name: repo\n  namespace: team\n  annotations:\n    standalone.connectors.alauda.io/data-from: {folder}\ntype: kubernetes.io/basic-auth\n"
        )
    };
    let all = |folder: &str, more: &[(&str, &str)]| {
        let secret = secret(folder);
        let files: Vec<(&str, &str)> =
            [("class.yaml", CLASS), ("a.yaml", CONNECTOR), ("s/secret.yaml", secret.as_str())].into_iter().chain(more.iter().copied()).collect();
        findings(&files)
    };
    assert_eq!(all("repo", &[("s/repo/username", "u\n"), ("s/repo/password", "p"), ("s/repo/.hidden", "")]), Vec::<String>::new());
    // A file of values may be called like a manifest where there are no manifests.
    assert_eq!(all(".repo", &[("s/.repo/username", "u\n"), ("s/.repo/password", "p"), ("s/.repo/extra.yaml", "a: [")]), Vec::<String>::new());
    assert_eq!(
        all("repo", &[("s/repo/username", "u")]),
        ["a.yaml:11:5: error: Connector team/repo: spec.auth.secretRef: Secret \"team/repo\" lacks the key \"password\""],
    );
    let about = |folder: &str, message: &str| {
        let place = "s/secret.yaml:7:48: error: Secret team/repo: metadata.annotations[\"standalone.connectors.alauda.io/data-from\"]: ";
        assert_eq!(
            all(folder, &[("outside/password", "p"), ("s/file", ""), ("s/odd/a b", ""), ("s/none/.keep", "")]),
            [format!("{place}{message}")],
            "{folder}"
        );
    };
    about("missing", "names a folder that can't be read: missing: No such file or directory (os error 2)");
    for elsewhere in ["../..", "../outside", "odd/../../outside", "../s/odd", "none/../odd", ".", "./"] {
        about(elsewhere, &format!("must name a folder below the manifest's own, and {elsewhere} is none; to use a folder elsewhere, give its absolute path"));
    }
    about("file", "must name a folder, and file is none: every file in it gives the value of the key that it is called");
    about("odd", "names a folder with the file \"a b\", which can't be a key: use letters, digits, '-', '_' and '.'");
    about("none", "names a folder without files: none; put one file for each key in it");
    about("''", "must name a folder");
}

#[test]
fn values_are_not_taken_from_outside_unless_asked_for_by_absolute_path() {
    let outside = tempfile::tempdir().unwrap();
    write(outside.path(), &[("username", "u"), ("password", "p")]);
    let dir = tempfile::tempdir().unwrap();
    let secret = |folder: &str| {
        SECRET
            .replace("stringData: {username: u, password: p}\n", "")
            .replace("namespace: team", &format!("namespace: team, annotations: {{standalone.connectors.alauda.io/data-from: '{folder}'}}"))
    };
    write(dir.path(), &[("class.yaml", CLASS), ("a.yaml", CONNECTOR), ("secret.yaml", &secret(&outside.path().display().to_string())), ("in/username", "u")]);
    assert_eq!(findings_in(dir.path()), Vec::<String>::new());

    symlink(outside.path(), dir.path().join("link")).unwrap();
    symlink(outside.path().join("password"), dir.path().join("in/password")).unwrap();
    for (folder, expect) in
        [("link", "must name a folder below the manifest's own"), ("in", "names a folder in which password is a link that leads out of the manifest's folder")]
    {
        write(dir.path(), &[("secret.yaml", &secret(folder))]);
        let findings = findings_in(dir.path());
        assert!(findings.iter().any(|line| line.contains(expect)), "{findings:?}");
    }
}

const FROM: &str = "apiVersion: v1\nkind: Secret\nmetadata: {name: s, annotations: {standalone.connectors.alauda.io/data-from: v}}\n";

#[test]
fn p24_what_is_no_regular_file_is_not_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), &[("s.yaml", FROM), ("v/token", "t")]);
    let pipe = |name: &str| {
        let path = dir.path().join(name);
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0).unwrap();
    };
    pipe("pipe.yaml");
    pipe("v/pipe");
    symlink("/dev/zero", dir.path().join("zero.yaml")).unwrap();
    symlink("pipe.yaml", dir.path().join("link.yaml")).unwrap();
    let path = dir.path().to_owned();
    let (done, result) = std::sync::mpsc::channel();
    std::thread::spawn(move || done.send(findings_in(&path)));
    let findings = result.recv_timeout(std::time::Duration::from_secs(20)).unwrap();
    assert_eq!(
        findings,
        [
            "link.yaml: error: can't be read: it is not a regular file",
            "pipe.yaml: error: can't be read: it is not a regular file",
            "s.yaml:3:78: error: Secret default/s: metadata.annotations[\"standalone.connectors.alauda.io/data-from\"]: \
             names a folder in which pipe can't be read: it is not a regular file",
            "zero.yaml: error: can't be read: it is not a regular file",
        ],
    );
}

#[test]
fn links_to_directories_elsewhere_are_not_followed() {
    let dir = tempfile::tempdir().unwrap();
    symlink("/", dir.path().join("root")).unwrap();
    assert_eq!(findings_in(dir.path()), ["root: warning: is a link that leads out of the directory, so it is not followed; put the folder itself here"],);
}

#[test]
fn a_secret_neither_takes_nor_hides_manifests() {
    let dir = tempfile::tempdir().unwrap();
    let shared = |manifest: &str| {
        format!(
            "a/s.yaml: error: has a Secret that takes its values from a folder with manifests in it, such as {manifest}; keep values in a folder of \
             their own, and if one is called like a manifest, in a folder whose name begins with a dot"
        )
    };
    write(dir.path(), &[("a/v/token", "t"), ("team/broken.yaml", "a: [")]);
    // By name, by an absolute path, by a link in either place.
    symlink("../team", dir.path().join("a/link")).unwrap();
    symlink("a/v", dir.path().join("seen")).unwrap();
    for folder in [dir.path().join("team"), dir.path().join("a/link"), dir.path().join("a/../seen/../../team")] {
        write(dir.path(), &[("a/s.yaml", &FROM.replace("data-from: v", &format!("data-from: {}", folder.display())))]);
        let findings = findings_in(dir.path());
        assert!(findings.iter().any(|line| line.starts_with("a/s.yaml: error: has a Secret that takes its values from")), "{folder:?} {findings:?}");
        assert!(findings.iter().any(|line| line.contains("broken.yaml:") && line.contains("is not valid YAML")), "{findings:?}");
    }
    fs::remove_file(dir.path().join("seen")).unwrap();
    write(
        dir.path(),
        &[
            ("a/s.yaml", FROM),
            ("a/v/extra.yaml", &FROM.replace("name: s", "name: t").replace(", annotations: {standalone.connectors.alauda.io/data-from: v}", "")),
        ],
    );
    let findings = findings_in(dir.path());
    assert!(findings.contains(&shared("a/v/extra.yaml")), "{findings:?}");
}

#[test]
fn p30_the_state_folder_gives_no_values() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), &[(".connectors/signing-key.pem", "k"), ("state/sub/key", "k"), ("v/.keep", "")]);
    symlink(".connectors", dir.path().join("link")).unwrap();
    symlink("../.connectors/signing-key.pem", dir.path().join("v/token")).unwrap();
    let state = |state: &str| Options { state: Some(dir.path().join(state)), ..Options::default() };
    for (folder, options) in [
        (".connectors", Options::default()),
        ("link", Options::default()),
        ("v", Options::default()),
        (dir.path().join(".connectors").to_str().unwrap(), Options::default()),
        ("state", state("state")),
        ("state/sub", state("state")),
    ] {
        write(dir.path(), &[("s.yaml", &FROM.replace("data-from: v", &format!("data-from: {folder}")))]);
        let report = check(dir.path(), &options);
        assert!(report.findings().iter().any(|finding| finding.message.contains("the state folder")), "{folder} {report}");
    }
}

#[test]
fn what_is_given_twice_to_a_secret_is_refused() {
    let text = "apiVersion: v1\nkind: Secret\nmetadata: {name: s, annotations: {standalone.connectors.alauda.io/data-from: v}}\nstringData: {token: x}\n";
    let place = "a.yaml:3:78: error: Secret default/s: metadata.annotations[\"standalone.connectors.alauda.io/data-from\"]: ";
    assert_eq!(
        findings(&[("a.yaml", text), ("v/token", "y")]),
        [format!("{place}has a file \"token\", but the Secret gives that key itself; take one of them out")],
    );
}

#[test]
fn p30_files_that_others_can_read_are_warned_of() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), &[("class.yaml", CLASS), ("secret.yaml", SECRET), ("v/token", "t")]);
    let from = "apiVersion: v1\nkind: Secret\nmetadata: {name: s, annotations: {standalone.connectors.alauda.io/data-from: v}}\n";
    write(dir.path(), &[("from.yaml", from)]);
    for (file, mode) in [("class.yaml", 0o644), ("from.yaml", 0o644), ("secret.yaml", 0o640), ("v/token", 0o604)] {
        fs::set_permissions(dir.path().join(file), fs::Permissions::from_mode(mode)).unwrap();
    }
    assert_eq!(
        findings_in(dir.path()),
        [
            "secret.yaml: warning: holds a Secret's values, and its mode 0640 lets others read it: run chmod 600 on it",
            "v/token: warning: holds a Secret's values, and its mode 0604 lets others read it: run chmod 600 on it",
        ],
    );
}

#[test]
fn files_that_cannot_be_read() {
    let dir = tempfile::tempdir().unwrap();
    symlink("nowhere", dir.path().join("a.yaml")).unwrap();
    fs::write(dir.path().join("b.yaml"), [0xff, 0xfe]).unwrap();
    fs::File::create(dir.path().join("c.yaml")).unwrap().set_len((8 << 20) + 1).unwrap();
    assert_eq!(
        findings_in(dir.path()),
        [
            "a.yaml: error: can't be read: it is a link that leads nowhere",
            "b.yaml: error: is not valid UTF-8",
            "c.yaml: error: can't be read: it is bigger than 8 MiB",
        ],
    );
    assert_eq!(findings_in(&dir.path().join("none")), ["DIR: error: can't be read: No such file or directory (os error 2)"]);
}

#[test]
fn the_state_folder_holds_no_manifests() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), &[(".connectors/a.yaml", "a: ["), ("state/b.json", "{")]);
    let options = Options { state: Some(dir.path().join("state")), ..Options::default() };
    assert_eq!(check(dir.path(), &options).to_string(), "");
}

#[test]
fn ca_certificates_that_cannot_be_used_are_warned_of() {
    let text = "\
apiVersion: v1
kind: ConfigMap
metadata: {name: connectors-config, namespace: connectors-system}
data: {enable-custom-ca-certs: 'true'}
---
apiVersion: v1
kind: Secret
metadata:
  name: corp
  namespace: connectors-system
  labels: {connectors.cpaas.io/ca-cert: 'true'}
stringData: {ca.crt: no certificate}
";
    one(text, &["a.yaml:6:1: warning: Secret connectors-system/corp: Secret \"connectors-system/corp\": the value of \"ca.crt\" is not valid PEM"]);
    one(&text.replace("certs: 'true'", "certs: 'false'"), &[]);
}
