//! An API server, etcd, kubectl and the stand-in for a kubelet, built from the Go modules that `e2e/tools/kubernetes` pins.

use std::path::Path;

use anyhow::Context as _;

use super::go::Toolchain;
use super::{digest, link, once};
use crate::{cache, command};

/// The programs, by the packages that they are built from.
const PROGRAMS: [(&str, &str); 4] = [
    ("kube-apiserver", "k8s.io/kubernetes/cmd/kube-apiserver"),
    ("kubectl", "k8s.io/kubernetes/cmd/kubectl"),
    ("etcd", "go.etcd.io/etcd/server/v3"),
    ("node", "./node"),
];

/// Builds them, unless the cache has them: nine minutes of one core, and the downloads.
pub(super) fn install(root: &Path) -> anyhow::Result<()> {
    let folder = root.join("e2e/tools/kubernetes");
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).with_context(|| format!("cannot read {name} of e2e/tools/kubernetes"));
    let (manifest, sums, node) = (read("go.mod")?, read("go.sum")?, read("node/main.go")?);
    let target = cache()?.join(format!("kubernetes-{}", digest(&(manifest.clone() + &sums + &node))));
    once(&target, |aside| build(&folder, &manifest, aside))?;
    link(root, "kubernetes", &target)
}

fn build(folder: &Path, manifest: &str, target: &Path) -> anyhow::Result<()> {
    let go_version = manifest.lines().find_map(|line| line.strip_prefix("go ")).context("go.mod has no go line")?;
    let (major, minor, version) = version(manifest).context("go.mod requires no k8s.io/kubernetes")?;
    println!("      building Kubernetes {version}");
    let go = Toolchain::at_least(go_version)?;
    // As its own build does: clients and servers look at each other's versions.
    let package = "k8s.io/component-base/version";
    let flags = format!("-s -w -X {package}.gitVersion={version} -X {package}.gitMajor={major} -X {package}.gitMinor={minor}");
    for (program, source) in PROGRAMS {
        let mut build = go.command();
        build.args(["build", "-mod=readonly", "-trimpath", "-ldflags", &flags, "-o"]).arg(target.join(program)).arg(source);
        command::run(build.current_dir(folder).env("CGO_ENABLED", "0"))?;
    }
    Ok(())
}

/// Of the line `k8s.io/kubernetes v1.34.4`: `1`, `34` and `v1.34.4`.
fn version(manifest: &str) -> Option<(&str, &str, &str)> {
    let version = manifest.lines().find_map(|line| line.trim().strip_prefix("k8s.io/kubernetes "))?;
    let mut numbers = version.strip_prefix('v')?.split('.');
    Some((numbers.next()?, numbers.next()?, version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_the_one_that_is_required() {
        let manifest = "tool (\n\tk8s.io/kubernetes/cmd/kubectl\n)\nrequire (\n\tk8s.io/kubernetes v1.34.4\n)\n";
        assert_eq!(version(manifest), Some(("1", "34", "v1.34.4")));
        assert_eq!(version("require k8s.io/kubelet v0.34.4"), None);
    }
}
