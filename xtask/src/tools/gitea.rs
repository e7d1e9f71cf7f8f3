//! Gitea, built from the Go module that `e2e/tools/gitea` pins.

use std::path::Path;

use anyhow::Context as _;
use serde_json::Value;

use super::go::Toolchain;
use super::{digest, link, once};
use crate::{cache, command};

/// The module, and the package of its program.
const MODULE: &str = "code.gitea.io/gitea";

/// Builds it, unless the cache has it: five minutes on two cores, downloads included.
pub(super) fn install(root: &Path) -> anyhow::Result<()> {
    let folder = root.join("e2e/tools/gitea");
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).with_context(|| format!("cannot read {name} of e2e/tools/gitea"));
    let (manifest, sums) = (read("go.mod")?, read("go.sum")?);
    let target = cache()?.join(format!("gitea-{}", digest(&(manifest.clone() + &sums))));
    once(&target, |aside| build(&folder, &manifest, aside))?;
    link(root, "gitea", &target)
}

fn build(folder: &Path, manifest: &str, target: &Path) -> anyhow::Result<()> {
    let version = manifest.lines().find_map(|line| line.strip_prefix("go ")).context("go.mod has no go line")?;
    println!("      building Gitea");
    let go = Toolchain::at_least(version)?;
    let mut build = go.command();
    build.args(["build", "-mod=readonly", "-tags", "sqlite sqlite_unlock_notify", "-ldflags", "-s -w", "-o"]).arg(target.join("gitea")).arg(MODULE);
    command::run(build.current_dir(folder).env("CGO_ENABLED", "1"))?;
    // What the program reads when it runs.
    let module = command::output(go.command().args(["list", "-mod=readonly", "-m", "-json", MODULE]).current_dir(folder))?;
    let module: Value = serde_json::from_str(&module).context("go list prints no JSON")?;
    let module = Path::new(module["Dir"].as_str().context("the module has no folder")?);
    for part in ["templates", "options", "public"] {
        copy(&module.join(part), &target.join(part))?;
    }
    Ok(())
}

/// Copies a folder, writable, as the module cache is not.
fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &to)?;
        } else {
            std::fs::write(to, std::fs::read(entry.path())?)?;
        }
    }
    Ok(())
}
