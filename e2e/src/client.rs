//! The machine of someone who uses a tool: an empty home, no credentials, real programs.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Mutex;

use tempfile::TempDir;

use crate::canary::Canaries;
use crate::process::Process;

/// A home folder, the environment of programs that run there, and all that they printed.
pub struct Client {
    home: TempDir,
    environment: Vec<(String, OsString)>,
    transcript: Mutex<Vec<u8>>,
}

/// What a program did.
#[derive(Debug)]
pub struct Ran {
    /// What was run.
    pub command: String,
    /// How it ended; 124 if it took too long.
    pub status: ExitStatus,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

/// How long a program may run, in seconds. Two hundred megabytes through a debug build on a busy machine take less than a tenth.
const LIMIT_SECONDS: u32 = 300;

impl Default for Client {
    fn default() -> Self {
        Self::new()
    }
}

impl Client {
    /// An empty home.
    pub fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let environment = vec![
            ("PATH".to_owned(), path),
            ("HOME".to_owned(), home.path().into()),
            ("TMPDIR".to_owned(), home.path().into()),
            ("LANG".to_owned(), "C.UTF-8".into()),
            // Never ask, and have nobody to ask.
            ("GIT_TERMINAL_PROMPT".to_owned(), "0".into()),
            ("GIT_CONFIG_NOSYSTEM".to_owned(), "1".into()),
        ];
        Self { home, environment, transcript: Mutex::default() }
    }

    /// Sets a variable for every program.
    pub fn set(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.environment.push((name.to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Sets `http_proxy` and `https_proxy`.
    pub fn proxy(self, url: &str) -> Self {
        self.set("http_proxy", url).set("https_proxy", url)
    }

    /// The home folder.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// Writes a file below the home folder.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.home().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    /// Runs a program in the home folder.
    #[track_caller]
    pub fn run<I: AsRef<OsStr>>(&self, program: &str, arguments: impl IntoIterator<Item = I>) -> Ran {
        self.run_in(".", program, arguments)
    }

    /// Runs a program in a folder below the home folder.
    #[track_caller]
    pub fn run_in<I: AsRef<OsStr>>(&self, folder: &str, program: &str, arguments: impl IntoIterator<Item = I>) -> Ran {
        let mut command = Command::new("timeout");
        command.args(["--kill-after=5", &LIMIT_SECONDS.to_string(), program]).args(arguments);
        command.env_clear().envs(self.environment.iter().map(|(name, value)| (name, value)));
        let output = command.current_dir(self.home().join(folder)).stdin(Stdio::null()).output().unwrap();
        let mut transcript = self.transcript.lock().unwrap();
        transcript.extend_from_slice(&output.stdout);
        transcript.extend_from_slice(&output.stderr);
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        Ran { command: format!("{command:?}"), status: output.status, stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }

    /// Starts a program in the home folder, where its output goes too; it ends when it is dropped.
    #[track_caller]
    pub fn start<I: AsRef<OsStr>>(&self, name: &str, program: &str, arguments: impl IntoIterator<Item = I>) -> Process {
        let mut command = Command::new(program);
        command.args(arguments).env_clear().envs(self.environment.iter().map(|(name, value)| (name, value))).current_dir(self.home());
        Process::start(name, &mut command, self.home())
    }

    /// Fails if one of the values was printed by a program or is in a file below the home folder.
    #[track_caller]
    pub fn assert_never_saw(&self, canaries: &Canaries) {
        canaries.assert_absent("the client's output", &*self.transcript.lock().unwrap());
        canaries.assert_absent_below(self.home());
    }

    /// All that was printed.
    pub fn transcript(&self) -> Vec<u8> {
        self.transcript.lock().unwrap().clone()
    }
}

impl Ran {
    /// Fails the test unless the program succeeded.
    #[track_caller]
    pub fn succeeds(self) -> Self {
        assert!(self.status.success(), "{} failed, {}:\n{}{}", self.command, self.status, self.stdout, self.stderr);
        self
    }

    /// Fails the test if the program succeeded.
    #[track_caller]
    pub fn fails(self) -> Self {
        assert!(!self.status.success(), "{} succeeded:\n{}{}", self.command, self.stdout, self.stderr);
        self
    }

    /// Fails the test unless the program printed `text`.
    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        assert!(self.stdout.contains(text) || self.stderr.contains(text), "{} does not say {text:?}:\n{}{}", self.command, self.stdout, self.stderr);
        self
    }
}

/// The Python that has the packages which the tests use.
pub fn python() -> PathBuf {
    tool("python/bin/python")
}

/// h2spec, which knows how an HTTP/2 server must behave.
pub fn h2spec() -> PathBuf {
    tool("h2spec/h2spec")
}

/// A program that answers as Go's text/template does, with sprig's functions: `e2e/tools/templates`.
pub fn go_templates() -> PathBuf {
    tool("templates/templates")
}

/// A program that answers as OPA and cel-go do: `e2e/tools/rules`.
pub fn go_rules() -> PathBuf {
    tool("rules/rules")
}

/// The local Maven repository with the plugins that the tests use. It is for copying.
pub fn maven_repository() -> PathBuf {
    tool("maven/repository")
}

/// What `cargo xtask tools` has put into `e2e/.cache`.
pub(crate) fn tool(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(".cache").join(name);
    assert!(path.exists(), "{} is missing: run `cargo xtask tools`", path.display());
    path
}
