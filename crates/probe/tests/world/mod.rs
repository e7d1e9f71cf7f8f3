//! Classes, Connectors and Secrets as the tests of this folder need them.
#![allow(dead_code, reason = "each test file uses its part")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use connectors_core::{SecretValue, TrustRoots};
use connectors_crd::probing::{Outcome, Role};
use connectors_crd::{BASIC_AUTH, CheckedClass, Connector, ConnectorClass, Secret, Subject};
use connectors_net::{ClientTls, Dialer, Guard};
use connectors_probe::{Prober, Ran};
use serde_json::{Value, json};

/// A password that must turn up nowhere but at the tool.
pub(crate) const CANARY: &str = "canary-password-7190";
/// How long nothing but a test of timeouts waits.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// Basic authentication with [`CANARY`], if there is a Secret.
pub(crate) fn authorization() -> Value {
    let value = "{{ with .Secret }}Basic {{ printf \"%s:%s\" .StringData.username .StringData.password | b64enc }}{{ end }}";
    json!([{"name": "Authorization", "value": value}, {"name": "X-Token", "value": "{{ with .Secret }}{{ .StringData.password }}{{ end }}"}])
}

/// A class `git` whose authentication type `basicAuth` is optional; `spec` is laid over it.
pub(crate) fn class(spec: Value) -> Arc<CheckedClass> {
    let mut whole = json!({"auth": {"types": [{"name": "basicAuth", "secretType": BASIC_AUTH, "optional": true}]}});
    whole.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    let class: ConnectorClass = serde_json::from_value(json!({"metadata": {"name": "git"}, "spec": whole})).unwrap();
    let class = CheckedClass::new(class, Vec::new());
    assert_eq!(class.error(), None);
    Arc::new(class)
}

/// A class that probes both by the same request.
pub(crate) fn probing(http: Value) -> Arc<CheckedClass> {
    class(json!({"livenessProbe": {"http": {"path": http["path"]}}, "authProbes": [{"authName": "basicAuth", "probe": {"http": http}}]}))
}

/// A template that takes a while, and says nothing.
pub(crate) const SLOW: &str = "{{ range until 900 }}{{ range until 400 }}{{ end }}{{ end }}";

/// A port of loopback at which nobody listens, nor ever will as long as the socket is kept.
pub(crate) fn nobody() -> (socket2::Socket, String) {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    (socket, format!("http://{address}"))
}

/// The Secret of [`subject`].
pub(crate) fn secret(password: &str) -> Arc<Secret> {
    let data = [("username", "bot"), ("password", password)];
    Arc::new(Secret {
        namespace: "team".into(),
        name: "repo".into(),
        secret_type: BASIC_AUTH.into(),
        labels: BTreeMap::new(),
        data: data.into_iter().map(|(key, value)| (key.to_owned(), SecretValue::new(value))).collect(),
    })
}

/// A Connector `team/repo`.
pub(crate) fn subject(address: &str, class: &Arc<CheckedClass>, secret: Option<Arc<Secret>>) -> Subject {
    let mut spec = json!({"connectorClassName": "git", "address": address, "auth": {"name": "basicAuth"}});
    if secret.is_some() {
        spec["auth"]["secretRef"] = json!({"name": "repo"});
    }
    let connector: Connector = serde_json::from_value(json!({"metadata": {"namespace": "team", "name": "repo"}, "spec": spec})).unwrap();
    Subject { connector: Arc::new(connector), class: Some(class.clone()), secret, ca: None, trust: TrustRoots::default(), unusable: None }
}

/// A prober that reaches what the proxy reaches by default.
pub(crate) fn prober(within: Duration) -> Prober {
    Prober::new(Dialer::new(Guard::default(), ClientTls::without_system_roots(), within), within)
}

/// Runs an authentication probe, and looks for the password in everything that comes of it.
#[track_caller]
pub(crate) fn run_with(prober: &Prober, subject: &Subject, api: Option<&str>) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let request = match subject.request(Role::Auth, api) {
        Ok(request) => Arc::new(request.unwrap()),
        Err(outcome) => return outcome,
    };
    let ran: Ran = runtime.block_on(prober.run(&request, &subject.trust));
    let text = format!("{ran:?} {:?} {request:?}", ran.details());
    connectors_testkit::assert_absent("what a probe says", &text, &[CANARY]);
    ran.outcome
}

/// The same, for a tool at `url` that is probed by `http`.
#[track_caller]
pub(crate) fn run(url: &str, http: Value) -> Outcome {
    run_with(&prober(PATIENCE), &subject(url, &probing(http), Some(secret(CANARY))), None)
}
