//! What every measurement needs: the release binary, the tool behind, a folder of manifests with a caller's token.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use tempfile::TempDir;

use super::cpus::Cpus;
use super::manifests;
use super::tool::Tool;
use crate::{command, release};

/// Files a process of the measurements may have open: 10,000 connections, and some more for everything else.
const OPEN_FILES: u64 = 12_288;

/// How long the tokens are good: longer than the longest measurement.
const TOKEN_LIFETIME: &str = "12h";

/// Everything around what is measured. Ends with its value.
pub(super) struct World {
    pub(super) cpus: Cpus,
    pub(super) tool: Tool,
    /// The binary under test.
    pub(super) binary: PathBuf,
    // Last, so that the servers end before it goes.
    folder: TempDir,
}

/// A folder of manifests, and a token for [`manifests::ACCOUNT`], who may use all of its Connectors.
pub(super) struct Served {
    pub(super) manifests: PathBuf,
    pub(super) token: String,
}

impl World {
    /// Builds the binary as it is released, and starts the tool.
    pub(super) fn create(root: &Path) -> anyhow::Result<Self> {
        raise_open_files()?;
        let binary = release::binary(root)?;
        let folder = tempfile::tempdir()?;
        let cpus = Cpus::here();
        Ok(Self { cpus, tool: Tool::start(folder.path(), cpus)?, binary, folder })
    }

    /// Where files of this run may be.
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A new folder of `count` Connectors.
    pub(super) fn serve(&self, count: usize) -> anyhow::Result<Served> {
        let manifests = self.folder().join(format!("connectors-{count}"));
        std::fs::create_dir(&manifests)?;
        manifests::write(&manifests, count, &self.tool)?;
        let mut token = std::process::Command::new(&self.binary);
        token.args(["token", "--service-account", manifests::ACCOUNT, "--duration", TOKEN_LIFETIME, "--dir"]).arg(&manifests);
        let token = command::output(&mut token)?.trim().to_owned();
        Ok(Served { manifests, token })
    }
}

/// For this process and those that it starts.
fn raise_open_files() -> anyhow::Result<()> {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    if limit.maximum.is_some_and(|maximum| maximum < OPEN_FILES) {
        anyhow::bail!("the limit of open files is below {OPEN_FILES}: `ulimit -Hn {OPEN_FILES}`, as root, before this");
    }
    if limit.current.is_some_and(|current| current < OPEN_FILES) {
        limit.current = Some(OPEN_FILES);
        setrlimit(Resource::Nofile, limit).context("cannot raise the limit of open files")?;
    }
    Ok(())
}
