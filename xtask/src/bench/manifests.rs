//! The folder of manifests that is served: as many Connectors as wanted, in namespaces of a hundred, each in a file of its own with its Secret.

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::tool::{Body, Tool};

/// The Connector of the tool's plain address.
pub(super) const PLAIN: usize = 0;
/// The Connector of the tool's https address.
pub(super) const TLS: usize = 1;
/// The first Connector of the tool's address that takes any credential; those after it are the same.
pub(super) const OPEN: usize = 2;
/// Who may use all of them.
pub(super) const ACCOUNT: &str = "team-0/builder";

const A_NAMESPACE: usize = 100;

/// Writes class, permissions, and the Connectors 0 to `count` - 1.
pub(super) fn write(folder: &Path, count: usize, tool: &Tool) -> anyhow::Result<()> {
    write_file(&folder.join("class.yaml"), CLASS)?;
    write_file(&folder.join("account.yaml"), ACCOUNT_MANIFEST)?;
    for first in (0..count).step_by(A_NAMESPACE) {
        let namespace = namespace(first);
        fs::create_dir_all(folder.join(&namespace))?;
        write_file(&folder.join(&namespace).join("permissions.yaml"), &permissions(&namespace))?;
    }
    let ca = fs::read_to_string(&tool.ca)?;
    for connector in 0..count {
        let mut manifest = match connector {
            PLAIN => manifest(connector, &format!("http://{}", tool.plain), false),
            TLS => manifest(connector, &format!("https://{}", tool.tls), true),
            _ => manifest(connector, &format!("http://{}", tool.open), false),
        };
        manifest.push_str(&secret(connector, &password(connector)));
        if connector == TLS {
            manifest.push_str(&ca_secret(connector, &ca));
        }
        write_file(&file(folder, connector), &manifest)?;
    }
    Ok(())
}

/// Gives a Connector of the open address another password, in one step, and returns the Authorization that the tool then sees.
pub(super) fn change_password(folder: &Path, connector: usize, password: &str, tool: &Tool) -> anyhow::Result<String> {
    let manifest = manifest(connector, &format!("http://{}", tool.open), false) + &secret(connector, password);
    let aside = folder.join(".new");
    write_file(&aside, &manifest)?;
    fs::rename(aside, file(folder, connector))?;
    Ok(basic(connector, password))
}

/// The Host of a Connector's reverse address.
pub(super) fn host(connector: usize) -> String {
    format!("c-{}.{}.localhost", name(connector), namespace(connector))
}

/// The Authorization that the tool expects.
pub(super) fn credential(connector: usize) -> String {
    basic(connector, &password(connector))
}

/// `namespace/name`.
pub(super) fn reference(connector: usize) -> String {
    format!("{}/{}", namespace(connector), name(connector))
}

/// A CONNECT to a Connector's tool at `address`, with the caller's token.
pub(super) fn connect(connector: usize, address: SocketAddr, token: &str) -> String {
    let credentials = STANDARD.encode(format!("{}:{token}", reference(connector)));
    format!("CONNECT {address} HTTP/1.1\r\nHost: {address}\r\nProxy-Authorization: Basic {credentials}\r\n\r\n")
}

/// A request for a body.
pub(super) fn request(body: Body, host: &str, token: &str) -> String {
    format!("GET {} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n\r\n", body.path())
}

fn password(connector: usize) -> String {
    format!("password-of-tool-{connector:05}")
}

fn namespace(connector: usize) -> String {
    format!("team-{}", connector / A_NAMESPACE)
}

fn name(connector: usize) -> String {
    format!("tool-{connector}")
}

fn file(folder: &Path, connector: usize) -> PathBuf {
    folder.join(namespace(connector)).join(format!("{}.yaml", name(connector)))
}

/// Readable for its owner only, since there are secrets in it.
fn write_file(path: &Path, text: &str) -> anyhow::Result<()> {
    fs::write(path, text)?;
    Ok(fs::set_permissions(path, fs::Permissions::from_mode(0o600))?)
}

const CLASS: &str = "apiVersion: connectors.alauda.io/v1alpha1
kind: ConnectorClass
metadata: {name: api}
spec:
  address: {type: string}
  auth:
    types:
    - {name: basicAuth, secretType: kubernetes.io/basic-auth}
";

const ACCOUNT_MANIFEST: &str = "apiVersion: v1
kind: ServiceAccount
metadata: {name: builder, namespace: team-0}
";

fn permissions(namespace: &str) -> String {
    format!(
        "apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {{name: use-connectors, namespace: {namespace}}}
rules:
- {{apiGroups: [connectors.alauda.io], resources: [connectors], verbs: [get]}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{name: builder-uses-connectors, namespace: {namespace}}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: use-connectors}}
subjects:
- {{kind: ServiceAccount, name: builder, namespace: team-0}}
"
    )
}

fn manifest(connector: usize, address: &str, ca: bool) -> String {
    let (name, namespace) = (name(connector), namespace(connector));
    let ca = if ca { format!("  caCertSecretRef: {{name: {name}-ca}}\n") } else { String::new() };
    format!(
        "apiVersion: connectors.alauda.io/v1alpha1
kind: Connector
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  connectorClassName: api
  address: {address}
  auth: {{name: basicAuth, secretRef: {{name: {name}}}}}
{ca}"
    )
}

fn secret(connector: usize, password: &str) -> String {
    let (name, namespace) = (name(connector), namespace(connector));
    format!(
        "---
apiVersion: v1
kind: Secret
metadata: {{name: {name}, namespace: {namespace}}}
type: kubernetes.io/basic-auth
stringData: {{username: {name}, password: {password}}}
"
    )
}

fn ca_secret(connector: usize, pem: &str) -> String {
    let (name, namespace) = (name(connector), namespace(connector));
    let mut yaml =
        format!("---\napiVersion: v1\nkind: Secret\nmetadata: {{name: {name}-ca, namespace: {namespace}}}\ntype: Opaque\nstringData:\n  ca.crt: |\n");
    for line in pem.lines() {
        let _ = writeln!(yaml, "    {line}");
    }
    yaml
}

/// RFC 7617.
fn basic(connector: usize, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{}:{password}", name(connector))))
}
