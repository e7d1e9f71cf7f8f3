//! An API server, etcd, kubectl and the stand-in for a kubelet, built from the Go modules that `e2e/tools/kubernetes` pins.

use std::path::Path;

use anyhow::Context as _;

use super::go::Pinned;
use super::{link, once};
use crate::cache;

/// The module whose version the programs say that they are of.
const MODULE: &str = "k8s.io/kubernetes";

/// The programs, by the packages that they are built from.
const PROGRAMS: [(&str, &str); 4] = [
    ("kube-apiserver", "k8s.io/kubernetes/cmd/kube-apiserver"),
    ("kubectl", "k8s.io/kubernetes/cmd/kubectl"),
    ("etcd", "go.etcd.io/etcd/server/v3"),
    ("node", "./node"),
];

/// Builds them, unless the cache has them: nine minutes of one core, five on two, downloads included.
pub(super) fn install(root: &Path) -> anyhow::Result<()> {
    let pinned = Pinned::read(root, "kubernetes", &["node/main.go"])?;
    let target = cache()?.join(&pinned.name);
    once(&target, |aside| build(&pinned, aside))?;
    link(root, "kubernetes", &target)
}

fn build(pinned: &Pinned, target: &Path) -> anyhow::Result<()> {
    let version = pinned.version(MODULE).with_context(|| format!("go.mod requires no {MODULE}"))?;
    println!("      building Kubernetes {version}");
    let linker = linker_flags(version).with_context(|| format!("{version} is no version"))?;
    let go = pinned.toolchain()?;
    for (program, package) in PROGRAMS {
        // Two at a time: a compiler or linker takes up to 1.8 GB.
        let built = pinned.build(&go, &["-p=2", "-ldflags", &linker], "0", package, &target.join(program));
        built.with_context(|| format!("cannot build {program}"))?;
    }
    Ok(())
}

/// As its own build does: clients and servers look at each other's versions.
fn linker_flags(version: &str) -> Option<String> {
    let mut numbers = version.strip_prefix('v')?.split('.');
    let (major, minor) = (numbers.next()?, numbers.next()?);
    let package = "k8s.io/component-base/version";
    Some(format!("-s -w -X {package}.gitVersion={version} -X {package}.gitMajor={major} -X {package}.gitMinor={minor}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_programs_know_their_version() {
        let flags = linker_flags("v1.34.4").unwrap();
        assert!(["gitVersion=v1.34.4 ", "gitMajor=1 "].iter().all(|flag| flags.contains(flag)) && flags.ends_with("gitMinor=34"), "{flags}");
        assert_eq!(linker_flags("1.34.4"), None);
    }
}
