//! Gitea, built from the Go module that `e2e/tools/gitea` pins.

use std::path::Path;

use anyhow::Context as _;

use super::go::Pinned;
use super::{link, once};
use crate::cache;

/// The module, and the package of its program.
const MODULE: &str = "code.gitea.io/gitea";

/// Builds it, unless the cache has it: five minutes on two cores, downloads included.
pub(super) fn install(root: &Path) -> anyhow::Result<()> {
    let pinned = Pinned::read(root, "gitea", &[])?;
    let target = cache()?.join(&pinned.name);
    once(&target, |aside| build(&pinned, aside))?;
    link(root, "gitea", &target)
}

fn build(pinned: &Pinned, target: &Path) -> anyhow::Result<()> {
    println!("      building Gitea");
    let go = pinned.toolchain()?;
    pinned.build(&go, &["-tags", "sqlite sqlite_unlock_notify"], "1", MODULE, &target.join("gitea"))?;
    // What the program reads when it runs.
    let module = pinned.source(&go, MODULE)?;
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
