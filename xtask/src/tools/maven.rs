//! A local Maven repository with the plugins that the tests use, so that a test fetches nothing but what it is about.

use std::path::Path;
use std::process::Command;

use super::{digest, link, once};
use crate::{cache, command};

/// The plugins' goals, with their versions. The tests name the same ones.
const DEPLOY: &str = "org.apache.maven.plugins:maven-deploy-plugin:3.1.4:deploy-file";
const GET: &str = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:get";

/// Makes it by deploying to a folder and resolving from there, unless the cache has it.
pub(super) fn install(root: &Path) -> anyhow::Result<()> {
    let version = command::output(Command::new("mvn").args(["--batch-mode", "--version"]))?;
    let target = cache()?.join(format!("maven-{}", digest(&format!("{version}{DEPLOY}{GET}"))));
    once(&target, |aside| {
        println!("      fetching Maven's plugins");
        let work = aside.join("work");
        std::fs::create_dir(&work)?;
        std::fs::write(work.join("a.txt"), "a")?;
        let url = format!("file://{}", work.join("remote").display());
        let coordinates = ["-DgroupId=example", "-DartifactId=warm-up", "-Dversion=1", "-Dpackaging=txt"];
        command::run(maven(&work, aside).args([DEPLOY, "-Dfile=a.txt", "-DrepositoryId=work", &format!("-Durl={url}")]).args(coordinates))?;
        command::run(maven(&work, aside).args([
            GET,
            "-Dartifact=example:warm-up:1:txt",
            "-Dtransitive=false",
            &format!("-DremoteRepositories=work::::{url}"),
        ]))?;
        std::fs::remove_dir_all(aside.join("repository/example"))?;
        std::fs::remove_dir_all(work)?;
        Ok(())
    })?;
    link(root, "maven", &target)
}

fn maven(work: &Path, target: &Path) -> Command {
    let mut command = Command::new("mvn");
    command.args(["--batch-mode", "--quiet", "-Dstyle.color=never", &format!("-Dmaven.repo.local={}", target.join("repository").display())]).current_dir(work);
    command
}
