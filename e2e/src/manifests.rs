//! Manifests, as one would write them, and a folder of them.

use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// A folder of manifests.
pub struct Folder {
    folder: TempDir,
    written: std::sync::atomic::AtomicU32,
}

impl Default for Folder {
    fn default() -> Self {
        Self::new()
    }
}

impl Folder {
    /// An empty one.
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), written: 0.into() }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Where the proxy keeps its keys.
    pub fn state(&self) -> PathBuf {
        self.path().join(".connectors")
    }

    /// Adds a file with these manifests.
    pub fn with(self, documents: &[String]) -> Self {
        let number = self.written.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        self.write(&format!("manifests-{number}.yaml"), &documents.join("---\n"));
        self
    }

    /// Writes a file, mode 0600, in the place of the old one at once, so that no reader sees half of it.
    pub fn write(&self, name: &str, content: &str) {
        let aside = self.path().join(format!(".{}.new", name.replace('/', "-")));
        std::fs::write(&aside, content).unwrap();
        std::fs::set_permissions(&aside, std::fs::Permissions::from_mode(0o600)).unwrap();
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::rename(aside, path).unwrap();
    }

    /// Puts `new` in the place of `old` in the file that has it.
    #[track_caller]
    pub fn replace(&self, old: &str, new: &str) {
        let files = std::fs::read_dir(self.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        for name in files.filter(|name| !name.starts_with('.')) {
            let path = self.path().join(&name);
            let text = if path.is_file() { std::fs::read_to_string(path).unwrap() } else { String::new() };
            if text.contains(old) {
                self.write(&name, &text.replace(old, new));
                return;
            }
        }
        panic!("no file has {old}");
    }

    /// Removes a file.
    pub fn remove(&self, name: &str) {
        std::fs::remove_file(self.path().join(name)).unwrap();
    }
}

/// A class whose credential is user name and password, with authentication type `basicAuth`.
pub fn basic_class(name: &str) -> String {
    class(name, "basicAuth", "kubernetes.io/basic-auth")
}

/// A class whose credential is a bearer token, with authentication type `bearerTokenAuth`.
pub fn bearer_class(name: &str) -> String {
    class(name, "bearerTokenAuth", "connectors.cpaas.io/bearer-token")
}

fn class(name: &str, auth: &str, secret_type: &str) -> String {
    format!(
        "apiVersion: connectors.alauda.io/v1alpha1
kind: ConnectorClass
metadata:
  name: {name}
spec:
  address:
    type: string
  auth:
    types:
    - name: {auth}
      secretType: {secret_type}
      optional: true
  proxy:
    ref:
      kind: Service
      name: connectors-proxy-service
      namespace: connectors-system
"
    )
}

/// A Connector; [`Connector::yaml`] writes it down.
#[derive(Clone)]
pub struct Connector {
    namespace: String,
    name: String,
    class: String,
    address: String,
    auth: Option<(String, String)>,
    ca: Option<String>,
}

impl Connector {
    /// `name` is `namespace/name`.
    pub fn new(name: &str, class: &str, address: &str) -> Self {
        let (namespace, name) = split(name);
        Self { namespace: namespace.into(), name: name.into(), class: class.into(), address: address.into(), auth: None, ca: None }
    }

    /// Authenticates by `auth`, a type of the class, with a Secret of its namespace.
    pub fn auth(mut self, auth: &str, secret: &str) -> Self {
        self.auth = Some((auth.into(), secret.into()));
        self
    }

    /// Trusts the certificates in a Secret of its namespace.
    pub fn ca(mut self, secret: &str) -> Self {
        self.ca = Some(secret.into());
        self
    }

    /// The manifest.
    pub fn yaml(&self) -> String {
        let Self { namespace, name, class, address, auth, ca } = self;
        let mut yaml = format!(
            "apiVersion: connectors.alauda.io/v1alpha1
kind: Connector
metadata:
  name: {name}
  namespace: {namespace}
spec:
  connectorClassName: {class}
  address: {address}
"
        );
        if let Some((auth, secret)) = auth {
            write!(yaml, "  auth:\n    name: {auth}\n    secretRef:\n      name: {secret}\n").unwrap();
        }
        if let Some(ca) = ca {
            write!(yaml, "  caCertSecretRef:\n    name: {ca}\n").unwrap();
        }
        yaml
    }
}

/// A Secret with user name and password; `name` is `namespace/name`.
pub fn basic_secret(name: &str, username: &str, password: &str) -> String {
    secret(name, "kubernetes.io/basic-auth", &[("username", username), ("password", password)])
}

/// A Secret with a bearer token; `name` is `namespace/name`.
pub fn bearer_secret(name: &str, token: &str) -> String {
    secret(name, "connectors.cpaas.io/bearer-token", &[("token", token)])
}

/// A Secret with a CA's certificate; `name` is `namespace/name`.
pub fn ca_secret(name: &str, pem: &str) -> String {
    secret(name, "Opaque", &[("ca.crt", pem)])
}

fn secret(name: &str, kind: &str, values: &[(&str, &str)]) -> String {
    let (namespace, name) = split(name);
    let mut yaml = format!("apiVersion: v1\nkind: Secret\nmetadata:\n  name: {name}\n  namespace: {namespace}\ntype: {kind}\nstringData:\n");
    for (key, value) in values {
        // A JSON string is a double-quoted YAML scalar.
        writeln!(yaml, "  {key}: {}", serde_json::Value::from(*value)).unwrap();
    }
    yaml
}

/// A ServiceAccount; `name` is `namespace/name`.
pub fn service_account(name: &str) -> String {
    let (namespace, name) = split(name);
    format!("apiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: {name}\n  namespace: {namespace}\n")
}

/// A Role with `get` on a Connector, and its binding to a ServiceAccount; both names are `namespace/name`.
pub fn grant(account: &str, connector: &str) -> String {
    let ((account_namespace, account), (namespace, connector)) = (split(account), split(connector));
    format!(
        "apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: use-{connector}
  namespace: {namespace}
rules:
- apiGroups: [connectors.alauda.io]
  resources: [connectors]
  resourceNames: [{connector}]
  verbs: [get]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: {account}-uses-{connector}
  namespace: {namespace}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: Role
  name: use-{connector}
subjects:
- kind: ServiceAccount
  name: {account}
  namespace: {account_namespace}
"
    )
}

/// The ConfigMap of feature flags, with these switched on.
pub fn flags(on: &[&str]) -> String {
    let mut yaml = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: connectors-config\n  namespace: connectors-system\ndata:\n".to_owned();
    for flag in on {
        writeln!(yaml, "  {flag}: \"true\"").unwrap();
    }
    yaml
}

fn split(name: &str) -> (&str, &str) {
    name.split_once('/').unwrap_or_else(|| panic!("{name} is no namespace/name"))
}
