//! What the demo plays on: a repository, a directory of manifests, a proxy.

use std::fs;
use std::hash::{BuildHasher as _, RandomState};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};

use crate::args::Folder;
use crate::server::{Options, Server};

/// The tool's user.
pub(crate) const USERNAME: &str = "demo-bot";

/// The folder of one run.
pub(crate) struct Stage {
    root: PathBuf,
    password: String,
}

impl Stage {
    /// Makes a repository with one commit, and a password for it.
    pub(crate) fn new(root: &Path) -> anyhow::Result<Self> {
        // The standard library's hasher is seeded by the system, which is random enough for a password of a minute's life.
        let half = || RandomState::new().hash_one("password");
        let stage = Self { root: root.to_owned(), password: format!("s3cret-{:016x}{:016x}", half(), half()) };
        fs::create_dir_all(stage.home())?;
        fs::create_dir_all(stage.repositories())?;
        let bare = stage.repositories().join("private.git");
        let seed = root.join("seed");
        stage.git(&["init", "--quiet", "--bare", "--initial-branch=main", &bare.to_string_lossy()])?;
        stage.git(&["-C", &bare.to_string_lossy(), "config", "http.receivepack", "true"])?;
        stage.git(&["init", "--quiet", "--initial-branch=main", &seed.to_string_lossy()])?;
        fs::write(seed.join("README.md"), "# A private repository\n")?;
        let seed = seed.to_string_lossy().into_owned();
        stage.git(&["-C", &seed, "add", "README.md"])?;
        stage.git(&["-C", &seed, "commit", "--quiet", "--message=First"])?;
        stage.git(&["-C", &seed, "push", "--quiet", &bare.to_string_lossy(), "main"])?;
        Ok(stage)
    }

    /// The password that only the proxy and the tool know.
    pub(crate) fn password(&self) -> &str {
        &self.password
    }

    /// Where the tool's repositories are.
    pub(crate) fn repositories(&self) -> PathBuf {
        self.root.join("tool")
    }

    /// Everything that clients read and write.
    pub(crate) fn home(&self) -> PathBuf {
        self.root.join("client")
    }

    /// The directory of manifests and its state folder.
    pub(crate) fn folder(&self) -> Folder {
        Folder { dir: self.root.join("manifests"), state: None }
    }

    /// Where the password is.
    pub(crate) fn secret_file(&self) -> PathBuf {
        self.folder().dir.join("git-secret.yaml")
    }

    /// Writes the manifests, the ones that one would `kubectl apply`.
    pub(crate) fn write_manifests(&self, tool: SocketAddr) -> anyhow::Result<()> {
        let dir = self.folder().dir;
        fs::create_dir_all(&dir)?;
        fs::write(dir.join("git.yaml"), MANIFESTS.replace("${TOOL}", &tool.to_string()))?;
        let secret = self.secret_file();
        fs::write(&secret, SECRET.replace("${USERNAME}", USERNAME).replace("${PASSWORD}", &self.password))?;
        fs::set_permissions(&secret, fs::Permissions::from_mode(0o600))?;
        Ok(())
    }

    /// Starts the proxy in this process, on a free port.
    pub(crate) fn start(&self) -> anyhow::Result<Server> {
        let log = fs::File::create(self.root.join("access.jsonl"))?;
        Server::start(&self.folder(), &Options::on_loopback(), log)
    }

    /// Runs git as somebody without any configuration of their own.
    fn git(&self, arguments: &[&str]) -> anyhow::Result<()> {
        let output = self.client("git").args(arguments).output().context("cannot run git")?;
        ensure!(output.status.success(), "git {} failed: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr));
        Ok(())
    }

    /// A program that sees nothing of this user's environment: no configuration, no proxies, no credentials.
    pub(crate) fn client(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env_clear().env("HOME", self.home()).env("LC_ALL", "C.UTF-8");
        if let Some(path) = std::env::var_os("PATH") {
            command.env("PATH", path);
        }
        for (name, value) in [
            ("GIT_CONFIG_NOSYSTEM", "1"),
            ("GIT_TERMINAL_PROMPT", "0"),
            ("GIT_AUTHOR_NAME", "Demo"),
            ("GIT_AUTHOR_EMAIL", "demo@example.com"),
            ("GIT_COMMITTER_NAME", "Demo"),
            ("GIT_COMMITTER_EMAIL", "demo@example.com"),
        ] {
            command.env(name, value);
        }
        command
    }
}

const MANIFESTS: &str = r#"apiVersion: connectors.alauda.io/v1alpha1
kind: ConnectorClass
metadata:
  name: git
spec:
  address: {type: string}
  auth:
    types:
    - name: basicAuth
      secretType: kubernetes.io/basic-auth
---
apiVersion: connectors.alauda.io/v1alpha1
kind: Connector
metadata:
  name: git
  namespace: demo
spec:
  connectorClassName: git
  address: http://${TOOL}
  auth:
    name: basicAuth
    secretRef: {name: git}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: builder, namespace: demo}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: visitor, namespace: demo}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: use-git, namespace: demo}
rules:
- apiGroups: [connectors.alauda.io]
  resources: [connectors]
  resourceNames: [git]
  verbs: [get]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: builder-uses-git, namespace: demo}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: use-git}
subjects:
- {kind: ServiceAccount, name: builder, namespace: demo}
"#;

const SECRET: &str = r"apiVersion: v1
kind: Secret
metadata: {name: git, namespace: demo}
type: kubernetes.io/basic-auth
stringData:
  username: ${USERNAME}
  password: ${PASSWORD}
";
