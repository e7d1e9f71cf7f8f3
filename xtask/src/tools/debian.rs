//! Programs from Debian's packages.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use anyhow::bail;

use crate::command;

/// A package, and how to see that what it brings is there.
pub(super) struct Package {
    name: &'static str,
    probe: Probe,
}

enum Probe {
    /// A program on the PATH.
    Program(&'static str),
    /// A command that succeeds.
    Succeeds(&'static [&'static str]),
}

/// What the tests run.
pub(super) const NEEDED: &[Package] = &[
    Package { name: "git", probe: Probe::Succeeds(&["sh", "-c", "test -x \"$(git --exec-path)/git-http-backend\""]) },
    Package { name: "nginx-light", probe: Probe::Program("nginx") },
    // The server itself: the package `apache2` is its service.
    Package { name: "apache2-bin", probe: Probe::Program("apache2") },
    Package { name: "fcgiwrap", probe: Probe::Program("fcgiwrap") },
    Package { name: "openssl", probe: Probe::Program("openssl") },
    Package { name: "curl", probe: Probe::Program("curl") },
    Package { name: "wget", probe: Probe::Program("wget") },
    Package { name: "nghttp2-client", probe: Probe::Program("h2load") },
    Package { name: "python3-venv", probe: Probe::Succeeds(&["python3", "-c", "import venv, ensurepip"]) },
    Package { name: "nodejs", probe: Probe::Program("node") },
    Package { name: "npm", probe: Probe::Program("npm") },
    Package { name: "maven", probe: Probe::Program("mvn") },
    Package { name: "default-jre-headless", probe: Probe::Program("keytool") },
    Package { name: "gcc", probe: Probe::Program("gcc") },
    // For libFuzzer.
    Package { name: "g++", probe: Probe::Program("g++") },
    Package { name: "libc6-dev", probe: Probe::Succeeds(&["test", "-e", "/usr/include/stdlib.h"]) },
];

/// What measures, and what is measured beside the proxy.
pub(super) const MEASURING: &[Package] = &[
    Package { name: "nginx-light", probe: Probe::Program("nginx") },
    Package { name: "haproxy", probe: Probe::Program("haproxy") },
    Package { name: "wrk", probe: Probe::Program("wrk") },
    Package { name: "nghttp2-client", probe: Probe::Program("h2load") },
    Package { name: "openssl", probe: Probe::Program("openssl") },
    Package { name: "valgrind", probe: Probe::Program("valgrind") },
    Package { name: "strace", probe: Probe::Program("strace") },
];

/// A Go that can fetch the one that is needed.
pub(super) const GO: &[Package] = &[Package { name: "golang-go", probe: Probe::Program("go") }];

/// Installs those of the packages whose programs are absent.
pub(super) fn install(packages: &[Package]) -> anyhow::Result<()> {
    let absent: Vec<&str> = packages.iter().filter(|package| !package.probe.found()).map(|package| package.name).collect();
    if absent.is_empty() {
        return Ok(());
    }
    let names = absent.join(" ");
    if !rustix::process::geteuid().is_root() {
        bail!("run this as root: apt-get install --no-install-recommends {names}");
    }
    println!("      installing from Debian: {names}");
    let _no_services = NoServices::declare();
    // The list of packages may be older than the packages.
    command::run(apt_get().args(["update", "--quiet=2"]))?;
    command::run(apt_get().args(["install", "--yes", "--quiet=2", "--no-install-recommends"]).args(&absent))?;
    let still: Vec<&str> = packages.iter().filter(|package| !package.probe.found()).map(|package| package.name).collect();
    if !still.is_empty() {
        bail!("installed, but without what was expected of them: {}", still.join(" "));
    }
    Ok(())
}

fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive");
    command
}

impl Probe {
    fn found(&self) -> bool {
        match self {
            Self::Program(name) => on_path(name),
            Self::Succeeds(words) => command::succeeds(Command::new(words[0]).args(&words[1..])),
        }
    }
}

/// Whether a program is on the PATH.
pub(super) fn on_path(name: &str) -> bool {
    std::env::var_os("PATH").is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(name).is_file()))
}

/// While it lives, packages don't start the servers that they bring (policy-rc.d(8)): tests start their own, on ports of their own.
struct NoServices {
    ours: bool,
}

const POLICY: &str = "/usr/sbin/policy-rc.d";

impl NoServices {
    fn declare() -> Self {
        let ours = !Path::new(POLICY).exists()
            && std::fs::write(POLICY, "#!/bin/sh\nexit 101\n").is_ok()
            && std::fs::set_permissions(POLICY, std::fs::Permissions::from_mode(0o755)).is_ok();
        Self { ours }
    }
}

impl Drop for NoServices {
    fn drop(&mut self) {
        if self.ours {
            let _ = std::fs::remove_file(POLICY);
        }
    }
}
