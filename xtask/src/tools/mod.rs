//! What the tests with real tools need: programs from Debian, and what is built from the registries' sources.
//!
//! Everything is looked for before it is installed, so a second run takes no time. What is built is kept in the cache folder, outside of the
//! clone; `e2e/.cache` has links to it.

mod cargo_deny;
mod debian;
mod gitea;
mod go;
mod h2spec;
mod kubernetes;
mod maven;
mod oracles;
mod python;

use std::path::Path;
use std::time::Instant;

use anyhow::Context as _;

/// Something that a test suite can't do without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tool {
    /// git, nginx, Apache httpd, fcgiwrap, openssl, curl, wget, nghttp and h2load, Node.js with npm, Maven, Python, compilers of C and C++.
    Debian,
    /// Gitea.
    Gitea,
    /// h2spec.
    H2spec,
    /// kube-apiserver, etcd, kubectl, and the stand-in for a kubelet.
    Kubernetes,
    /// A Python environment with requests, gunicorn, grpcio and websockets.
    Python,
    /// A Maven repository with the plugins that the tests use.
    MavenPlugins,
    /// What Go's text/template answers, with sprig's functions.
    Templates,
    /// What OPA and cel-go answer.
    Rules,
    /// cargo-deny.
    CargoDeny,
    /// nginx, haproxy, wrk, h2load, valgrind, strace.
    Measuring,
}

/// A tool that could not be had, and why.
pub(crate) struct Missing {
    pub(crate) tool: Tool,
    pub(crate) why: anyhow::Error,
}

/// Installs a tool, given the workspace's folder.
type Install = fn(&Path) -> anyhow::Result<()>;

const ALL: [(Tool, &str, Install); 10] = [
    (Tool::Debian, "programs from Debian", |_| debian::install(debian::NEEDED)),
    (Tool::Python, "Python's packages", python::install),
    (Tool::MavenPlugins, "Maven's plugins", maven::install),
    (Tool::Gitea, "Gitea", gitea::install),
    (Tool::H2spec, "h2spec", h2spec::install),
    (Tool::Kubernetes, "Kubernetes", kubernetes::install),
    (Tool::Templates, "Go's templates", oracles::templates),
    (Tool::Rules, "OPA and cel-go", oracles::rules),
    (Tool::CargoDeny, "cargo-deny", |_| cargo_deny::install()),
    (Tool::Measuring, "programs for measuring, from Debian", |_| debian::install(debian::MEASURING)),
];

/// `cargo xtask tools`: installs everything; `true` if it is all there.
pub(crate) fn run(root: &Path) -> anyhow::Result<bool> {
    let missing = install(root, &ALL.map(|(tool, ..)| tool));
    Ok(missing.is_empty())
}

/// Installs these tools, and says which could not be had.
pub(crate) fn install(root: &Path, wanted: &[Tool]) -> Vec<Missing> {
    let mut missing = Vec::new();
    for (tool, name, install) in ALL.iter().filter(|(tool, ..)| wanted.contains(tool)) {
        let began = Instant::now();
        match install(root) {
            Ok(()) => println!("      {name}: there ({} s)", began.elapsed().as_secs()),
            Err(why) => {
                eprintln!("      {name}: not to be had: {why:#}");
                missing.push(Missing { tool: *tool, why });
            }
        }
    }
    missing
}

/// The command for cargo-deny, once it is installed.
pub(crate) fn cargo_deny() -> anyhow::Result<std::process::Command> {
    cargo_deny::command()
}

/// Makes `e2e/.cache/NAME` a link to `target`, where the tests find it.
fn link(root: &Path, name: &str, target: &Path) -> anyhow::Result<()> {
    let folder = root.join("e2e/.cache");
    std::fs::create_dir_all(&folder)?;
    let link = folder.join(name);
    if std::fs::read_link(&link).is_ok_and(|old| old == target) {
        return Ok(());
    }
    let aside = folder.join(format!(".{name}.new"));
    let _ = std::fs::remove_file(&aside);
    std::os::unix::fs::symlink(target, &aside).and_then(|()| std::fs::rename(&aside, &link)).with_context(|| format!("cannot link {}", link.display()))
}

/// Makes the folder `target` by `make`, unless it is there. It appears when it is whole, so a run that was cut off leaves nothing half-made.
fn once(target: &Path, make: impl FnOnce(&Path) -> anyhow::Result<()>) -> anyhow::Result<()> {
    if target.exists() {
        return Ok(());
    }
    let aside = target.with_extension("unfinished");
    if aside.exists() {
        std::fs::remove_dir_all(&aside)?;
    }
    std::fs::create_dir_all(&aside)?;
    make(&aside)?;
    std::fs::rename(&aside, target).with_context(|| format!("cannot move {} into place", target.display()))
}

/// A short name for the content of `text`: FNV-1a, to tell versions apart, not to protect anything.
fn digest(text: &str) -> String {
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    format!("{hash:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_cut_off_is_made_again() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("tool-1");
        let failed = once(&target, |aside| {
            std::fs::write(aside.join("half"), "")?;
            anyhow::bail!("cut off")
        });
        assert!(failed.is_err() && !target.exists());
        once(&target, |aside| Ok(std::fs::write(aside.join("whole"), "")?)).unwrap();
        assert!(target.join("whole").exists() && !target.join("half").exists());
        once(&target, |_| panic!("it is there")).unwrap();
    }

    #[test]
    fn a_link_follows_its_target() {
        let root = tempfile::tempdir().unwrap();
        for target in ["/one", "/two", "/two"] {
            link(root.path(), "tool", Path::new(target)).unwrap();
            assert_eq!(std::fs::read_link(root.path().join("e2e/.cache/tool")).unwrap(), Path::new(target));
        }
    }

    #[test]
    fn the_digest_is_fnv_1a() {
        assert_eq!(digest(""), "cbf29ce484222325");
        assert_eq!(digest("a"), "af63dc4c8601ec8c");
    }
}
