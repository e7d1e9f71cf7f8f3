//! A certificate authority of the test's own, made by openssl, so that the tool's TLS isn't the code under test.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// A CA, with a server certificate for `127.0.0.1` and `localhost`.
pub struct TestCa {
    folder: TempDir,
}

impl TestCa {
    /// Makes both, valid for a day.
    pub fn create() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
        openssl(folder.path(), &[&["req", "-x509", "-days", "1", "-subj", "/CN=A test's CA", "-keyout", "ca.key", "-out", "ca.crt"], &key[..]].concat());
        openssl(folder.path(), &[&["req", "-subj", "/CN=A test's tool", "-keyout", "tool.key", "-out", "tool.csr"], &key[..]].concat());
        std::fs::write(folder.path().join("names"), "subjectAltName=IP:127.0.0.1,DNS:localhost\nextendedKeyUsage=serverAuth\n").unwrap();
        let sign = ["x509", "-req", "-days", "1", "-in", "tool.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "names"];
        openssl(folder.path(), &[&sign[..], &["-out", "tool.crt"]].concat());
        Self { folder }
    }

    /// The CA's certificate, PEM.
    pub fn pem(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("ca.crt")).unwrap()
    }

    /// The server's certificate.
    pub fn certificate(&self) -> PathBuf {
        self.folder.path().join("tool.crt")
    }

    /// The server's key.
    pub fn key(&self) -> PathBuf {
        self.folder.path().join("tool.key")
    }
}

fn openssl(folder: &Path, arguments: &[&str]) {
    let output = Command::new("openssl").args(arguments).current_dir(folder).output();
    let output = output.unwrap_or_else(|error| panic!("cannot run openssl: {error}; `cargo xtask tools` installs what the tests need"));
    assert!(output.status.success(), "openssl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}
