//! What the demo's clients do. Each function does one thing with a real client and says in plain words what happened.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context as _, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use connectors_core::ServiceAccount;
use connectors_standalone::token::Lifetime;

use crate::demo::stage::{Stage, USERNAME};
use crate::identity;
use crate::server::Server;

/// The clients, with two tokens.
pub(crate) struct Clients<'s> {
    stage: &'s Stage,
    proxy: SocketAddr,
    tool: SocketAddr,
    builder: String,
    visitor: String,
    /// Everything that any client printed.
    printed: RefCell<Vec<u8>>,
}

/// What the demo can't do without.
pub(crate) fn require_programs() -> anyhow::Result<()> {
    for program in ["git", "curl"] {
        if Command::new(program).arg("--version").output().is_err() {
            bail!("the demo runs real clients and needs `{program}`, which can't be started: install it and try again");
        }
    }
    Ok(())
}

impl<'s> Clients<'s> {
    pub(crate) fn new(stage: &'s Stage, server: &Server, tool: SocketAddr) -> anyhow::Result<Self> {
        let token = |name: &str| {
            let account = ServiceAccount { namespace: "demo".into(), name: name.into() };
            let token = identity::service_account_token(&stage.folder(), server.directory(), &account, Lifetime::DEFAULT, &identity::default_audience())?;
            Ok::<_, anyhow::Error>(token.expose_str().unwrap_or_default().to_owned())
        };
        Ok(Self { stage, proxy: server.address(), tool, builder: token("builder")?, visitor: token("visitor")?, printed: RefCell::default() })
    }

    /// The repository at the Connector's reverse address.
    fn reverse_url(&self) -> String {
        format!("http://{}/namespaces/demo/connectors/git/private.git", self.proxy)
    }

    /// The repository at the tool itself.
    fn direct_url(&self) -> String {
        format!("http://{}/private.git", self.tool)
    }

    fn work(&self) -> PathBuf {
        self.stage.home().join("work")
    }

    pub(crate) fn clone_directly(&self) -> anyhow::Result<String> {
        let output = self.run(self.stage.client("git").args(["clone", "--quiet", &self.direct_url()]).arg(self.stage.home().join("direct")))?;
        ensure!(!output.status.success(), "the tool let a client in without a password");
        Ok(format!("git clone {} directly: refused, the repository is private", self.direct_url()))
    }

    pub(crate) fn clone_through_proxy(&self) -> anyhow::Result<String> {
        self.succeed(self.git_with(&self.builder).args(["clone", "--quiet", &self.reverse_url()]).arg(self.work()))?;
        ensure!(self.work().join("README.md").exists(), "the clone is empty");
        Ok(format!("git clone {}: cloned, with the token only", self.reverse_url()))
    }

    pub(crate) fn commit_and_push(&self) -> anyhow::Result<String> {
        let work = self.work();
        fs::write(work.join("hello.txt"), "hello\n")?;
        self.succeed(self.git_with(&self.builder).current_dir(&work).args(["add", "hello.txt"]))?;
        self.succeed(self.git_with(&self.builder).current_dir(&work).args(["commit", "--quiet", "--message=Hello"]))?;
        self.succeed(self.git_with(&self.builder).current_dir(&work).args(["push", "--quiet", "origin", "main"]))?;
        let tip = |folder: &Path| self.succeed(self.stage.client("git").arg("-C").arg(folder).args(["rev-parse", "main"]));
        let (here, there) = (tip(&work)?, tip(&self.stage.repositories().join("private.git"))?);
        ensure!(here == there, "the push did not arrive");
        Ok(format!("git commit and push: the repository is now at {}", here.trim().get(..10).unwrap_or_default()))
    }

    pub(crate) fn curl_by_forward_proxy(&self) -> anyhow::Result<String> {
        let url = format!("{}/info/refs?service=git-upload-pack", self.direct_url());
        let proxy = format!("http://demo%2Fgit:{}@{}", self.builder, self.proxy);
        let answer = self.succeed(self.stage.client("curl").args(["--silent", "--show-error", "--fail", &url]).env("http_proxy", proxy))?;
        ensure!(answer.contains("refs/heads/main"), "the tool's answer has no refs");
        Ok(format!("curl {url} with http_proxy set: the tool's own address, answered"))
    }

    pub(crate) fn without_token(&self) -> anyhow::Result<String> {
        let status = self.status(&[])?;
        ensure!(status == "401", "without a token the proxy answered {status}");
        Ok("no token: 401, before anything about the Connector is told".into())
    }

    pub(crate) fn with_wrong_token(&self) -> anyhow::Result<String> {
        let status = self.status(&["--header", "Authorization: Bearer not-a-token"])?;
        ensure!(status == "401", "with a wrong token the proxy answered {status}");
        Ok("a wrong token: 401".into())
    }

    pub(crate) fn without_permission(&self) -> anyhow::Result<String> {
        let status = self.status(&["--header", &format!("Authorization: Bearer {}", self.visitor)])?;
        ensure!(status == "403", "without permission the proxy answered {status}");
        Ok("a good token of demo/visitor, who has no permission on the Connector: 403".into())
    }

    /// `seen` has every Authorization that reached the tool.
    pub(crate) fn what_the_tool_saw(&self, seen: &BTreeSet<String>) -> anyhow::Result<String> {
        let own = format!("Basic {}", STANDARD.encode(format!("{USERNAME}:{}", self.stage.password())));
        ensure!(seen.len() == 1 && seen.contains(&own), "something else than the Connector's credential reached the tool");
        Ok(format!("the tool saw its own user {USERNAME:?} and its password, in every request, and no token of any client"))
    }

    pub(crate) fn what_the_clients_never_saw(&self) -> anyhow::Result<String> {
        let needles = [self.stage.password().to_owned(), STANDARD.encode(format!("{USERNAME}:{}", self.stage.password()))];
        let mut files = 0;
        search(&self.stage.home(), &needles, &mut files)?;
        ensure!(!contains(&self.printed.borrow(), &needles), "a client printed the password");
        Ok(format!("the clients never saw the password: it is in none of the {files} files they wrote and in nothing they printed"))
    }

    pub(crate) fn commands_to_try(&self) -> anyhow::Result<String> {
        let folder = self.stage.folder();
        let binary = std::env::current_exe()?;
        Ok(format!(
            r#"
  export TOKEN=$({binary} token --dir {dir} --service-account demo/builder)

  git -c http.extraHeader="Authorization: Bearer $TOKEN" clone {reverse} /tmp/private
  curl -H "Authorization: Bearer $TOKEN" '{reverse}/info/refs?service=git-upload-pack'
  curl -x "http://demo%2Fgit:$TOKEN@{proxy}" '{direct}/info/refs?service=git-upload-pack'
  {binary} exec --dir {dir} demo/git -- git ls-remote {direct}
  {binary} get connectors -A --dir {dir}

  manifests: {dir} (change one: it is in force within a second)
  access records: {log}
"#,
            binary = binary.display(),
            dir = folder.dir.display(),
            reverse = self.reverse_url(),
            direct = self.direct_url(),
            proxy = self.proxy,
            log = self.stage.home().with_file_name("access.jsonl").display(),
        ))
    }

    /// git with a token in the environment, where it is in no command line and in no file.
    fn git_with(&self, token: &str) -> Command {
        let mut git = self.stage.client("git");
        git.env("GIT_CONFIG_COUNT", "1");
        git.env("GIT_CONFIG_KEY_0", "http.extraHeader");
        git.env("GIT_CONFIG_VALUE_0", format!("Authorization: Basic {}", STANDARD.encode(format!(":{token}"))));
        git
    }

    /// The status that curl gets at the reverse address.
    fn status(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let url = format!("{}/info/refs?service=git-upload-pack", self.reverse_url());
        self.succeed(self.stage.client("curl").args(["--silent", "--output", "/dev/null", "--write-out", "%{http_code}", &url]).args(arguments))
    }

    fn succeed(&self, command: &mut Command) -> anyhow::Result<String> {
        let program = command.get_program().to_owned();
        let output = self.run(command)?;
        ensure!(output.status.success(), "{} failed: {}", program.display(), String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn run(&self, command: &mut Command) -> anyhow::Result<Output> {
        let output = command.output().with_context(|| format!("cannot run {}", command.get_program().display()))?;
        let mut printed = self.printed.borrow_mut();
        printed.extend_from_slice(&output.stdout);
        printed.extend_from_slice(&output.stderr);
        Ok(output)
    }
}

/// Fails on the first file below `folder` that has one of the needles in it, plain or in a name.
fn search(folder: &Path, needles: &[String], files: &mut usize) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        ensure!(!contains(path.file_name().unwrap_or(OsStr::new("")).as_encoded_bytes(), needles), "the password is in a file name: {}", path.display());
        if path.is_dir() && !path.is_symlink() {
            search(&path, needles, files)?;
        } else if path.is_file() {
            *files += 1;
            ensure!(!contains(&fs::read(&path)?, needles), "the password is in {}", path.display());
        }
    }
    Ok(())
}

fn contains(bytes: &[u8], needles: &[String]) -> bool {
    needles.iter().any(|needle| bytes.windows(needle.len()).any(|window| window == needle.as_bytes()))
}
