//! Go: a toolchain that is new enough, and the programs that are built with it.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};
use serde_json::Value;

use super::{debian, digest};
use crate::command;

/// A folder below `e2e/tools` whose go.mod and go.sum say which version of a program is built.
pub(super) struct Pinned {
    /// What the program is kept as: another version has another name.
    pub(super) name: String,
    /// The folder.
    folder: PathBuf,
    manifest: String,
}

impl Pinned {
    /// Reads what `e2e/tools/NAME` pins; `sources` are the files there that are built too.
    pub(super) fn read(root: &Path, name: &str, sources: &[&str]) -> anyhow::Result<Self> {
        let folder = root.join("e2e/tools").join(name);
        let read = |file: &str| std::fs::read_to_string(folder.join(file)).with_context(|| format!("cannot read {file} of e2e/tools/{name}"));
        let manifest = read("go.mod")?;
        let mut content = manifest.clone() + &read("go.sum")?;
        for source in sources {
            content += &read(source)?;
        }
        Ok(Self { name: format!("{name}-{}", digest(&content)), folder, manifest })
    }

    /// The version of `module` that it requires, such as `v1.34.4`.
    pub(super) fn version(&self, module: &str) -> Option<&str> {
        self.manifest.lines().find_map(|line| line.trim().strip_prefix(module)?.strip_prefix(' '))
    }

    /// The toolchain that it asks for.
    pub(super) fn toolchain(&self) -> anyhow::Result<Toolchain> {
        Toolchain::at_least(self.manifest.lines().find_map(|line| line.strip_prefix("go ")).context("go.mod has no go line")?)
    }

    /// Builds `package` into the file `target`, with these flags; `cgo` is `0` or `1`.
    pub(super) fn build(&self, go: &Toolchain, flags: &[&str], cgo: &str, package: &str, target: &Path) -> anyhow::Result<()> {
        let mut build = go.command();
        // Without what only debuggers read. Other flags for the linker take the place of these.
        build.args(["build", "-mod=readonly", "-ldflags", "-s -w"]).args(flags).arg("-o").arg(target).arg(package);
        command::run(build.current_dir(&self.folder).env("CGO_ENABLED", cgo))
    }

    /// Where the source of one of its modules is.
    pub(super) fn source(&self, go: &Toolchain, module: &str) -> anyhow::Result<PathBuf> {
        let module = command::output(go.command().args(["list", "-mod=readonly", "-m", "-json", module]).current_dir(&self.folder))?;
        let module: Value = serde_json::from_str(&module).context("go list prints no JSON")?;
        Ok(module["Dir"].as_str().context("the module has no folder")?.into())
    }
}

/// A Go that can be run.
pub(super) struct Toolchain {
    program: PathBuf,
    /// Where it is, for one that isn't installed.
    root: Option<PathBuf>,
}

impl Toolchain {
    /// At least `version`, such as `1.26.2`: the one on the PATH, or that version, which comes as a Go module.
    pub(super) fn at_least(version: &str) -> anyhow::Result<Self> {
        if Go::on_path().is_some_and(|own| own.is_at_least(version)) {
            return Ok(Self { program: "go".into(), root: None });
        }
        debian::install(debian::GO)?;
        let own = Go::on_path().context("no go on the PATH")?;
        println!("      fetching Go {version}, since {} is older", own.version);
        let root = own.download(version)?;
        let fetched = Self { program: root.join("bin/go"), root: Some(root) };
        command::output(fetched.command().arg("version"))?;
        Ok(fetched)
    }

    /// A command `go`, which never fetches another toolchain by itself.
    pub(super) fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.env("GOTOOLCHAIN", "local").envs(self.root.as_ref().map(|root| ("GOROOT", root)));
        command
    }
}

struct Go {
    version: String,
}

impl Go {
    fn on_path() -> Option<Self> {
        // Debian's Go says `go version go1.19.8 linux/amd64`. A file that asks for a newer one mustn't make it fetch that here.
        let line = command::output(Command::new("go").arg("version").env("GOTOOLCHAIN", "local").current_dir("/")).ok()?;
        let version = line.split(' ').nth(2)?.strip_prefix("go")?.to_owned();
        Some(Self { version })
    }

    fn is_at_least(&self, version: &str) -> bool {
        numbers(&self.version) >= numbers(version)
    }

    /// Fetches a toolchain as the module that newer versions of Go would fetch it as, and checks its sum as they would.
    fn download(&self, version: &str) -> anyhow::Result<PathBuf> {
        let platform = match std::env::consts::ARCH {
            "x86_64" => "linux-amd64",
            "aarch64" => "linux-arm64",
            other => bail!("Go {version} is needed; install it (this fetches it only for x86_64 and aarch64, not for {other})"),
        };
        let module = format!("golang.org/toolchain@v0.0.1-go{version}.{platform}");
        let answer =
            command::output(Command::new("go").args(["mod", "download", "-json", &module]).env("GOFLAGS", "").env("GOTOOLCHAIN", "local").current_dir("/"))?;
        let answer: Value = serde_json::from_str(&answer).context("go mod download prints no JSON")?;
        let folder = PathBuf::from(answer["Dir"].as_str().with_context(|| format!("{module} has no folder"))?);
        // Modules have no executable files.
        for programs in ["bin".into(), format!("pkg/tool/{}", platform.replace('-', "_"))] {
            make_executable(&folder.join(programs))?;
        }
        Ok(folder)
    }
}

fn make_executable(folder: &Path) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        std::fs::set_permissions(entry?.path(), std::fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}

/// `1.26.2` as numbers; what follows them (`rc1`) is left out.
fn numbers(version: &str) -> Vec<u32> {
    version.split('.').map(|part| part.chars().take_while(char::is_ascii_digit).collect::<String>().parse().unwrap_or(0)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_the_one_that_is_required() {
        let manifest = "tool (\n\tk8s.io/kubernetes/cmd/kubectl\n)\nrequire (\n\tk8s.io/kubernetes v1.34.4\n)\n".to_owned();
        let pinned = Pinned { name: "kubernetes".into(), folder: "/".into(), manifest };
        assert_eq!(pinned.version("k8s.io/kubernetes"), Some("v1.34.4"));
        assert_eq!(pinned.version("k8s.io/kube"), None);
    }

    #[test]
    fn what_is_built_decides_the_name() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("e2e/tools/tool");
        std::fs::create_dir_all(&folder).unwrap();
        let name = |file: &str, content: &str| {
            std::fs::write(folder.join(file), content).unwrap();
            Pinned::read(root.path(), "tool", &["main.go"]).map(|pinned| pinned.name)
        };
        assert!(name("go.mod", "go 1").is_err() && name("go.sum", "").is_err());
        let names = [("main.go", "one"), ("main.go", "two"), ("go.sum", "three"), ("go.mod", "four")].map(|(file, content)| name(file, content).unwrap());
        let different: std::collections::BTreeSet<_> = names.iter().collect();
        assert_eq!(different.len(), 4, "{names:?}");
    }

    #[test]
    fn versions_compare_by_number() {
        let check = |own: &str, wanted| Go { version: own.into() }.is_at_least(wanted);
        assert!(check("1.26.8", "1.26.2") && check("1.26.2", "1.26.2") && check("1.100", "1.26.2") && check("2.0", "1.26.2"));
        assert!(!check("1.26.1", "1.26.2") && !check("1.26rc1", "1.26.2") && !check("1.9.7", "1.26.2"));
    }
}
