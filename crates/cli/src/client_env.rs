//! The environment variables that HTTP clients read: where the proxy is, and whom to trust.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use connectors_core::{ConnectorRef, SecretValue};
use connectors_standalone::state::State;

/// What the variables are made of.
pub(crate) struct ClientEnvironment<'a> {
    pub(crate) connectors: &'a [ConnectorRef],
    pub(crate) token: &'a SecretValue,
    pub(crate) proxy: SocketAddr,
    /// Has the CA.
    pub(crate) state: &'a State,
    /// What is reached without the proxy.
    pub(crate) no_proxy: &'a str,
}

/// Names of the variables with a PEM file of CAs, and who reads them.
const CA_BUNDLE: [&str; 9] = [
    "SSL_CERT_FILE",       // OpenSSL, Go, Ruby, Rust's native certs
    "CURL_CA_BUNDLE",      // curl, and Python's requests
    "GIT_SSL_CAINFO",      // git
    "REQUESTS_CA_BUNDLE",  // Python's requests
    "PIP_CERT",            // pip
    "NODE_EXTRA_CA_CERTS", // Node.js
    "NPM_CONFIG_CAFILE",   // npm
    "CARGO_HTTP_CAINFO",   // cargo
    "AWS_CA_BUNDLE",       // AWS tools
];

impl ClientEnvironment<'_> {
    /// All variables. Writes the files that some of them name into the state folder.
    pub(crate) fn variables(&self) -> anyhow::Result<Vec<(&'static str, OsString)>> {
        let ca = self.state.ca_certificate();
        let bundle = self.state.folder().join("ca-bundle.crt");
        write_bundle(&ca, &bundle)?;
        let proxy = OsString::from(self.proxy_url());
        let no_proxy = OsString::from(self.no_proxy);
        let mut variables = vec![
            ("http_proxy", proxy.clone()),
            ("https_proxy", proxy.clone()),
            ("HTTP_PROXY", proxy.clone()),
            ("HTTPS_PROXY", proxy),
            ("no_proxy", no_proxy.clone()),
            ("NO_PROXY", no_proxy),
            // Node.js from 24 on reads the proxy variables only then.
            ("NODE_USE_ENV_PROXY", "1".into()),
            ("CONNECTORS_CA_FILE", ca.clone().into()),
        ];
        variables.extend(CA_BUNDLE.map(|name| (name, bundle.clone().into())));
        if let Some(store) = java_truststore(&ca, self.state.folder()) {
            variables.push(("JAVA_TOOL_OPTIONS", self.java_options(&store)));
        }
        Ok(variables)
    }

    /// `http://<ns>%2F<name>[,…]:<token>@<proxy>`.
    fn proxy_url(&self) -> String {
        let names: Vec<String> = self.connectors.iter().map(|name| format!("{}%2F{}", name.namespace(), name.name())).collect();
        format!("http://{}:{}@{}", names.join(","), self.token.expose_str().unwrap_or_default(), self.proxy)
    }

    /// The JVM has no setting for a proxy's credentials, so programs like Maven need them in their own; the address and the CA it takes from here.
    fn java_options(&self, store: &Path) -> OsString {
        let (host, port) = (self.proxy.ip(), self.proxy.port());
        let mut options = std::env::var_os("JAVA_TOOL_OPTIONS").unwrap_or_default();
        if !options.is_empty() {
            options.push(" ");
        }
        options.push(format!(
            "-Dhttp.proxyHost={host} -Dhttp.proxyPort={port} -Dhttps.proxyHost={host} -Dhttps.proxyPort={port} \
             -Djdk.http.auth.tunneling.disabledSchemes= -Djavax.net.ssl.trustStoreType=PKCS12 -Djavax.net.ssl.trustStorePassword={STORE_PASSWORD} \
             -Djavax.net.ssl.trustStore="
        ));
        options.push(store);
        options
    }
}

/// The interception CA together with the system's, since most of these variables replace the system's CAs.
fn write_bundle(ca: &Path, bundle: &Path) -> anyhow::Result<()> {
    let mut pem = fs::read_to_string(ca).with_context(|| format!("cannot read {}", ca.display()))?;
    for certificate in rustls_native_certs::load_native_certs().certs {
        pem.push_str("-----BEGIN CERTIFICATE-----\n");
        for line in STANDARD.encode(&certificate).as_bytes().chunks(64) {
            pem.push_str(&String::from_utf8_lossy(line));
            pem.push('\n');
        }
        pem.push_str("-----END CERTIFICATE-----\n");
    }
    write_if_changed(bundle, pem.as_bytes())
}

/// Replaces the file as a whole, so that a client that reads it meanwhile sees the old one or the new one.
fn write_if_changed(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    if fs::read(path).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    let aside = path.with_extension(format!("{}.tmp", std::process::id()));
    fs::write(&aside, bytes).and_then(|()| fs::rename(&aside, path)).with_context(|| format!("cannot write {}", path.display()))
}

/// Protects nothing: a truststore holds public certificates, but the format wants a password.
const STORE_PASSWORD: &str = "changeit";

/// A truststore with the JVM's own CAs and ours, if there is a JDK that can make one. Made once for each CA.
fn java_truststore(ca: &Path, state: &Path) -> Option<PathBuf> {
    let store = state.join("java-truststore.p12");
    let made_for = state.join("java-truststore.for");
    let pem = fs::read(ca).ok()?;
    if store.exists() && fs::read(&made_for).is_ok_and(|old| old == pem) {
        return Some(store);
    }
    let keytool = keytool()?;
    let aside = state.join(format!("java-truststore.{}.tmp", std::process::id()));
    let _ = fs::remove_file(&aside);
    let aside_text = aside.to_str()?;
    // Without the JVM's own CAs it still does for everything that comes through the proxy.
    let _ = run(
        &keytool,
        &[
            "-importkeystore",
            "-noprompt",
            "-srckeystore",
            own_cacerts(&keytool)?.to_str()?,
            "-srcstorepass",
            STORE_PASSWORD,
            "-destkeystore",
            aside_text,
            "-deststoretype",
            "PKCS12",
            "-deststorepass",
            STORE_PASSWORD,
        ],
    );
    let imported = run(
        &keytool,
        &[
            "-importcert",
            "-noprompt",
            "-alias",
            "connectors",
            "-file",
            ca.to_str()?,
            "-keystore",
            aside_text,
            "-storetype",
            "PKCS12",
            "-storepass",
            STORE_PASSWORD,
        ],
    );
    if !imported || fs::rename(&aside, &store).is_err() || fs::write(&made_for, pem).is_err() {
        return None;
    }
    Some(store)
}

fn keytool() -> Option<PathBuf> {
    let from_home = std::env::var_os("JAVA_HOME").map(|home| PathBuf::from(home).join("bin/keytool"));
    let on_path = std::env::var_os("PATH").into_iter().flat_map(|path| std::env::split_paths(&path).map(|folder| folder.join("keytool")).collect::<Vec<_>>());
    from_home.into_iter().chain(on_path).find(|path| path.is_file())
}

/// `lib/security/cacerts` of the JDK that `keytool` belongs to.
fn own_cacerts(keytool: &Path) -> Option<PathBuf> {
    let home = fs::canonicalize(keytool).ok()?.parent()?.parent()?.to_owned();
    Some(home.join("lib/security/cacerts"))
}

fn run(program: &Path, arguments: &[&str]) -> bool {
    Command::new(program).args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// `export NAME='value'`, whatever is in the value.
pub(crate) fn shell_line(name: &str, value: &OsStr) -> String {
    format!("export {name}='{}'", value.to_string_lossy().replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_proxy_url_names_every_connector() {
        let connectors = [ConnectorRef::parse("a/b").unwrap(), ConnectorRef::parse("c/d").unwrap()];
        let folder = tempfile::tempdir().unwrap();
        let state = State::open(folder.path().join("state")).unwrap();
        let token = SecretValue::new("t");
        let environment = ClientEnvironment { connectors: &connectors, token: &token, proxy: "127.0.0.1:8080".parse().unwrap(), state: &state, no_proxy: "" };
        assert_eq!(environment.proxy_url(), "http://a%2Fb,c%2Fd:t@127.0.0.1:8080");
    }

    #[test]
    fn shell_lines_survive_any_value() {
        assert_eq!(shell_line("A", OsStr::new("it's $HOME")), r"export A='it'\''s $HOME'");
    }
}
