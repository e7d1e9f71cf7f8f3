//! h2spec, built from the Go module that `e2e/tools/h2spec` pins.

use std::path::Path;

use super::go::Pinned;
use super::{link, once};
use crate::cache;

/// The package of its program.
const PACKAGE: &str = "github.com/summerwind/h2spec/cmd/h2spec";

/// Builds it, unless the cache has it: some seconds.
pub(super) fn install(root: &Path) -> anyhow::Result<()> {
    let pinned = Pinned::read(root, "h2spec", &[])?;
    let target = cache()?.join(&pinned.name);
    once(&target, |aside| {
        println!("      building h2spec");
        pinned.build(&pinned.toolchain()?, &[], "0", PACKAGE, &aside.join("h2spec"))
    })?;
    link(root, "h2spec", &target)
}
