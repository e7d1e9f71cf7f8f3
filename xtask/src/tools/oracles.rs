//! Programs in Go that say what expressions yield where they come from. Two modules, since sprig is to have the dependencies of its own
//! go.mod, and OPA wants newer ones.

use std::path::Path;

use super::go::Pinned;
use super::{link, once};
use crate::cache;

/// text/template and sprig, unless the cache has it: some seconds.
pub(super) fn templates(root: &Path) -> anyhow::Result<()> {
    install(root, "templates", &["main.go", "structs.go"])
}

/// OPA and cel-go, unless the cache has them: a minute.
pub(super) fn rules(root: &Path) -> anyhow::Result<()> {
    install(root, "rules", &["main.go"])
}

/// Builds the program that is in `e2e/tools/NAME`, of these files.
fn install(root: &Path, name: &str, sources: &[&str]) -> anyhow::Result<()> {
    let pinned = Pinned::read(root, name, sources)?;
    let target = cache()?.join(&pinned.name);
    once(&target, |aside| {
        println!("      building {name}");
        pinned.build(&pinned.toolchain()?, &[], "0", ".", &aside.join(name))
    })?;
    link(root, name, &target)
}
