//! Probes of real tools: what `connectors get`, the admin port and the metrics say of it, and how soon.
#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests")]

use std::time::{Duration, Instant};

use connectors_e2e::{
    Canaries, Connector, Connectors, Folder, GitServer, Gitea, TestCa, basic_secret, bearer_secret, ca_secret, get, run, unique, wait_at_most,
};
use serde_json::Value;

/// How long it may take until a new Secret has been tried. Far less than until it would be tried anyway, and enough for a machine that has other things to do:
/// by itself it takes about a tenth of a second.
const NOTICED_WITHIN: Duration = Duration::from_secs(10);

/// For a state that has nothing to do with time.
const PATIENCE: Duration = Duration::from_secs(30);

/// As for any Git server over smart HTTP: alive is whoever answers, and a repository tells whether the credential is good.
const CLASS: &str = r#"apiVersion: connectors.alauda.io/v1alpha1
kind: ConnectorClass
metadata:
  name: git
spec:
  auth:
    types:
    - name: basicAuth
      secretType: kubernetes.io/basic-auth
      optional: true
  livenessProbe:
    http:
      path: /
      response:
        cel: response.statusCode < 500
  authProbes:
  - authName: basicAuth
    params:
    - name: repository
      type: string
      default: repo.git
    probe:
      http:
        path: |-
          {{- range .Connector.Spec.Auth.Params }}
          {{- if eq .Name "repository" }}/{{ .Value.StringVal }}/info/refs?service=git-upload-pack{{ end }}
          {{- end }}
        httpHeaders:
        - name: Authorization
          value: |-
            {{- if .Secret }}
            Basic {{ printf "%s:%s" .Secret.StringData.username .Secret.StringData.password | b64enc }}
            {{- end }}
  proxy:
    ref:
      kind: Service
      name: connectors-proxy-service
      namespace: connectors-system
"#;

/// What `connectors get` says of `team/git`: status and reason of a condition.
fn condition(folder: &Folder, wanted: &str) -> (String, String, String) {
    let output = run(&["get", "connectors", "git", "-n", "team", "-o", "json", "--dir", &folder.path().to_string_lossy()]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let connector: Value = serde_json::from_slice(&output.stdout).unwrap();
    let conditions = connector["status"]["conditions"].as_array().unwrap();
    let found = conditions.iter().find(|condition| condition["type"] == wanted).unwrap_or_else(|| panic!("no {wanted} in {connector}"));
    let text = |key: &str| found[key].as_str().unwrap_or_default().to_owned();
    (text("status"), text("reason"), text("message"))
}

#[track_caller]
fn wait_until(folder: &Folder, wanted: &str, status: &str, reason: &str) -> String {
    let mut last = None;
    let reached = wait_at_most(PATIENCE, || {
        let (found, why, message) = condition(folder, wanted);
        let reached = (found == status && why == reason).then(|| message.clone());
        last = Some((found, why, message));
        reached
    });
    reached.unwrap_or_else(|| panic!("{wanted} is not {status} {reason}, but {last:?}"))
}

/// The lines of `connectors get connectors`, as words.
fn table(folder: &Folder, more: &[&str]) -> Vec<Vec<String>> {
    let output = run(&[&["get", "connectors", "-A", "--dir", &folder.path().to_string_lossy()], more].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| line.split("   ").map(|word| word.trim().to_owned()).filter(|word| !word.is_empty()).collect())
        .collect()
}

#[test]
fn a_rotated_secret_is_tried_at_once_and_seen_everywhere() {
    let (password, wrong) = (unique("password"), unique("wrong"));
    let canaries = Canaries::default().add("the password", &password).add("the wrong password", &wrong);
    let ca = TestCa::create();
    let server = GitServer::start_tls("bot", &password, &ca);
    server.repository("repo");
    let connector = Connector::new("team/git", "git", &server.url()).auth("basicAuth", "git").ca("ca").yaml();
    let folder = Folder::new().with(&[CLASS.to_owned(), connector, ca_secret("team/ca", &ca.pem())]);
    folder.write("secret.yaml", &basic_secret("team/git", "bot", &password));
    // Nobody has asked the server yet.
    assert_eq!(condition(&folder, "Ready").1, "NotProbed");

    let mut proxy = Connectors::start_with(&folder, &["--log", "trace"]);
    wait_until(&folder, "Ready", "True", "Ready");
    let seen = server.seen();
    assert!(seen.iter().any(|seen| seen.uri == "/repo.git/info/refs?service=git-upload-pack" && seen.status == 200), "{seen:#?}");

    folder.write("secret.yaml", &basic_secret("team/git", "bot", &wrong));
    let rotated = Instant::now();
    let message = wait_until(&folder, "AuthReady", "False", "AuthenticationFailed");
    println!("tried and told within {:?}", rotated.elapsed());
    assert!(rotated.elapsed() <= NOTICED_WITHIN, "after {:?}", rotated.elapsed());
    let url = format!("{}/repo.git/info/refs?service=git-upload-pack", server.url());
    assert_eq!(message, format!("GET {url} : 401"));
    wait_until(&folder, "LivenessReady", "True", "LivenessReady");
    let lines = table(&folder, &[]);
    assert_eq!(lines[1][4..6], ["False", "AuthenticationFailed"], "{lines:?}");
    let wide = table(&folder, &["-o", "wide"]);
    assert_eq!(wide[1][7..9], ["True", "False"], "{wide:?}");
    assert_eq!(wide[1].last(), Some(&message));

    let page = get(proxy.admin(), "/conditions", &[]).unwrap();
    let rows: Value = serde_json::from_str(&page.text()).unwrap();
    assert_eq!((rows["connectors"][0]["namespace"].as_str(), rows["connectors"][0]["name"].as_str()), (Some("team"), Some("git")));
    let metrics = proxy.metrics();
    for line in [
        "connectors_connector_condition{namespace=\"team\",connector=\"git\",condition=\"AuthReady\"} 0",
        "connectors_connector_condition{namespace=\"team\",connector=\"git\",condition=\"LivenessReady\"} 1",
        "connectors_class_condition{class=\"git\",condition=\"Ready\"} 1",
        "connectors_probes_total{probe=\"auth\",outcome=\"refused\"} 1",
    ] {
        assert!(metrics.lines().any(|found| found == line), "no {line} in\n{metrics}");
    }

    folder.write("secret.yaml", &basic_secret("team/git", "bot", &password));
    wait_until(&folder, "Ready", "True", "Ready");
    proxy.stop();
    for (place, text) in [("/conditions", page.text()), ("the metrics", metrics), ("the log", proxy.errors()), ("the records", proxy.output())] {
        canaries.assert_absent(place, text);
    }
}

/// A forge with a REST API: a page that leads people to its login is alive, and the API tells whom a token belongs to.
const FORGE: &str = r#"apiVersion: connectors.alauda.io/v1alpha1
kind: ConnectorClass
metadata:
  name: git
spec:
  auth:
    types:
    - name: tokenAuth
      secretType: connectors.cpaas.io/bearer-token
  livenessProbe:
    http:
      path: /user/settings
      response:
        cel: response.statusCode == 200 && response.bodyString.contains('user_name')
  authProbes:
  - authName: tokenAuth
    probe:
      http:
        path: /api/v1/user
        httpHeaders:
        - {name: Authorization, value: "{{ with .Secret }}token {{ .StringData.token }}{{ end }}"}
        response:
          cel: response.statusCode == 200 && response.body.login == 'owner'
"#;

#[test]
fn a_forge_tells_whose_token_it_is() {
    let gitea = Gitea::shared_tls();
    let connector = Connector::new("team/git", "git", &gitea.url()).auth("tokenAuth", "git").ca("ca").yaml();
    let folder = Folder::new().with(&[FORGE.to_owned(), connector, ca_secret("team/ca", &gitea.ca().unwrap())]);
    folder.write("secret.yaml", &bearer_secret("team/git", gitea.token()));
    let proxy = Connectors::start(&folder);
    wait_until(&folder, "Ready", "True", "Ready");
    let wrong = unique("token");
    folder.write("secret.yaml", &bearer_secret("team/git", &wrong));
    let message = wait_until(&folder, "Ready", "False", "AuthenticationFailed");
    assert_eq!(message, format!("GET {}/api/v1/user : 401, and spec.authProbes[0].probe.http.response.cel is false", gitea.url()));
    let canaries = Canaries::default().add("the token", gitea.token()).add("the wrong token", &wrong);
    canaries.assert_absent("the log", proxy.errors());
    canaries.assert_absent("the conditions", get(proxy.admin(), "/conditions", &[]).unwrap().text());
}

#[test]
fn probes_can_be_switched_off() {
    let server = GitServer::start("bot", "pw");
    let connector = Connector::new("team/git", "git", &server.url()).auth("basicAuth", "git").yaml();
    let folder = Folder::new().with(&[CLASS.to_owned(), connector, basic_secret("team/git", "bot", "pw")]);
    let proxy = Connectors::start_with(&folder, &["--probe-interval", "off"]);
    assert_eq!(condition(&folder, "Ready"), ("Unknown".into(), "NotProbed".into(), "not probed yet".into()));
    let rows: Value = serde_json::from_str(&get(proxy.admin(), "/conditions", &[]).unwrap().text()).unwrap();
    assert_eq!(rows["connectors"][0]["conditions"][1]["reason"], "SecretReady");
    assert!(!proxy.metrics().contains("connectors_probes"));
    assert!(server.seen().is_empty());
}
