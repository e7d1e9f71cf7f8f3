//! Which variable tells which client where a file of a configuration is.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use anyhow::{Context as _, bail};
use connectors_crd::configurations::{File, Source};

/// Names the folder of the files.
pub(crate) const FOLDER: &str = "CONNECTORS_CONFIG_DIR";

/// What a variable's value is.
#[derive(Clone, Copy)]
enum Is {
    /// The file's path.
    File,
    /// The path of the folder that it is in.
    Folder,
    /// This and the file's path.
    Option(&'static str),
    /// What is in the file.
    Content,
}

/// Files that clients look for by a name of their own, the variable by which they are told of another place, and who reads it.
const KNOWN: [(&str, &str, Is); 17] = [
    (".npmrc", "NPM_CONFIG_USERCONFIG", Is::File), // npm, pnpm
    ("pip.conf", "PIP_CONFIG_FILE", Is::File),     // pip
    (".curlrc", "CURL_HOME", Is::Folder),          // curl
    (".netrc", "NETRC", Is::File),                 // Python's requests
    (".wgetrc", "WGETRC", Is::File),
    ("config.json", "DOCKER_CONFIG", Is::Folder),                   // docker, crane, buildctl, helm
    ("config.json", "REGISTRY_AUTH_FILE", Is::File),                // podman, skopeo, buildah
    ("buildkitd.toml", "BUILDKITD_FLAGS", Is::Option("--config=")), // buildkitd
    ("settings.xml", "MAVEN_ARGS", Is::Option("--settings=")),      // Maven from 3.9 on
    ("kubeconfig", "KUBECONFIG", Is::File),                         // kubectl
    ("hosts.yml", "GH_CONFIG_DIR", Is::Folder),                     // gh
    (".condarc", "CONDARC", Is::File),
    (".gemrc", "GEMRC", Is::File),
    (".terraformrc", "TF_CLI_CONFIG_FILE", Is::File),
    ("uv.toml", "UV_CONFIG_FILE", Is::File),
    ("config.yaml", "HARBOR_CLI_CONFIG", Is::File),                  // harbor
    ("HARBOR_ENCRYPTION_KEY", "HARBOR_ENCRYPTION_KEY", Is::Content), // harbor
];

/// The one of them to which what is in it is added, and which doesn't replace the user's own: git-config(1), include.path in GIT_CONFIG_KEY_<n>.
const GIT: &str = ".gitconfig";

/// The variables for files in `folder`: where it is, what clients need to find those that a class has made, and at last what the class's own `.env` says. `environment`
/// is the one that they are added to.
///
/// # Errors
/// A line of `.env` isn't `NAME=value`.
pub(crate) fn variables(folder: &Path, files: &[File], environment: impl Fn(&str) -> Option<OsString>) -> anyhow::Result<Vec<(String, OsString)>> {
    let mut variables = vec![(FOLDER.to_owned(), folder.into())];
    for file in files.iter().filter(|file| file.source == Source::Class) {
        let path = folder.join(&file.name);
        for (_, variable, is) in KNOWN.iter().filter(|(name, ..)| *name == file.name) {
            let value = match is {
                Is::File => path.clone().into(),
                Is::Folder => folder.into(),
                Is::Content => OsStr::from_bytes(file.content.expose()).to_owned(),
                Is::Option(option) => added(environment(variable), option, &path),
            };
            variables.push(((*variable).to_owned(), value));
        }
        if file.name == GIT {
            variables.extend(git(&path, environment("GIT_CONFIG_COUNT")));
        }
        if file.name == ".env" {
            variables.extend(dot_env(file.content.expose(), folder)?);
        }
    }
    Ok(variables)
}

/// An option at the end of those that are there.
fn added(before: Option<OsString>, option: &str, path: &Path) -> OsString {
    let mut value = before.unwrap_or_default();
    if !value.is_empty() {
        value.push(" ");
    }
    value.push(option);
    value.push(path);
    value
}

fn git(path: &Path, count: Option<OsString>) -> [(String, OsString); 3] {
    let count: u32 = count.and_then(|count| count.to_str()?.parse().ok()).unwrap_or(0);
    [
        ("GIT_CONFIG_COUNT".to_owned(), (count.saturating_add(1)).to_string().into()),
        (format!("GIT_CONFIG_KEY_{count}"), "include.path".into()),
        (format!("GIT_CONFIG_VALUE_{count}"), path.into()),
    ]
}

/// `NAME=value` lines, without quotes and `export`. `$CONNECTORS_CONFIG_DIR` in a value is the folder.
fn dot_env(text: &[u8], folder: &Path) -> anyhow::Result<Vec<(String, OsString)>> {
    let text = std::str::from_utf8(text).context(".env is not UTF-8")?;
    let folder = folder.to_str().context("the folder of the files has a name that is not UTF-8")?;
    let mut variables = Vec::new();
    for (number, line) in
        text.lines().enumerate().map(|(number, line)| (number + 1, line.trim())).filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
    {
        match line.split_once('=') {
            Some((name, value)) if is_name(name) && !value.contains('\0') => {
                let value = value.replace(&format!("${{{FOLDER}}}"), folder).replace(&format!("${FOLDER}"), folder);
                variables.push((name.to_owned(), value.into()));
            }
            _ => bail!("line {number} of .env must be NAME=value, without `export` and blanks around the '='"),
        }
    }
    Ok(variables)
}

fn is_name(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit()) && !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

#[cfg(test)]
mod tests {
    use connectors_core::SecretValue;

    use super::*;

    fn lines(files: &[(&str, &str, Source)], environment: &[(&str, &str)]) -> anyhow::Result<Vec<String>> {
        let files: Vec<File> =
            files.iter().map(|(name, text, source)| File { name: (*name).into(), content: SecretValue::new(*text), source: *source }).collect();
        let before = |name: &str| environment.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value));
        let variables = variables(Path::new("/run/c"), &files, before)?;
        Ok(variables.into_iter().map(|(name, value)| format!("{name}={}", value.to_string_lossy())).collect())
    }

    #[test]
    fn only_files_that_a_class_has_made_are_told_of() {
        let built_in = [(".env", "http_proxy=x\n", Source::BuiltIn), ("ca.crt", "", Source::Public)];
        assert_eq!(lines(&built_in, &[]).unwrap(), ["CONNECTORS_CONFIG_DIR=/run/c"]);
        let files = [(".npmrc", "", Source::Class), ("config.json", "", Source::Class), ("other", "", Source::Class), (".curlrc", "", Source::Class)];
        let expect = [
            "CONNECTORS_CONFIG_DIR=/run/c",
            "NPM_CONFIG_USERCONFIG=/run/c/.npmrc",
            "DOCKER_CONFIG=/run/c",
            "REGISTRY_AUTH_FILE=/run/c/config.json",
            "CURL_HOME=/run/c",
        ];
        assert_eq!(lines(&files, &[]).unwrap(), expect);
        assert_eq!(lines(&[("HARBOR_ENCRYPTION_KEY", "key", Source::Class)], &[]).unwrap()[1], "HARBOR_ENCRYPTION_KEY=key");
    }

    #[test]
    fn what_is_there_already_stays() {
        let git = [(".gitconfig", "", Source::Class)];
        assert_eq!(lines(&git, &[]).unwrap()[1..], ["GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=include.path", "GIT_CONFIG_VALUE_0=/run/c/.gitconfig"]);
        let second = lines(&git, &[("GIT_CONFIG_COUNT", "2")]).unwrap();
        assert_eq!(second[1..], ["GIT_CONFIG_COUNT=3", "GIT_CONFIG_KEY_2=include.path", "GIT_CONFIG_VALUE_2=/run/c/.gitconfig"]);
        let maven = [("settings.xml", "", Source::Class)];
        assert_eq!(lines(&maven, &[("MAVEN_ARGS", "-B")]).unwrap()[1], "MAVEN_ARGS=-B --settings=/run/c/settings.xml");
    }

    #[test]
    fn a_class_can_say_itself_what_the_variables_are() {
        let env = |text: &str| lines(&[(".env", text, Source::Class)], &[]);
        let expect = ["A=b=c", "B=", "C_1='q'", "D=/run/c/x:/run/c"];
        assert_eq!(env("A=b=c\n\n# comment\nB=\r\n C_1='q'\nD=$CONNECTORS_CONFIG_DIR/x:${CONNECTORS_CONFIG_DIR}\n").unwrap()[1..], expect);
        for (text, line) in [("export A=b", 1), ("A=b\nB", 2), ("=x", 1), ("1A=b", 1), ("A =b", 1), ("A=\0", 1)] {
            assert_eq!(
                env(text).unwrap_err().to_string(),
                format!("line {line} of .env must be NAME=value, without `export` and blanks around the '='"),
                "{text:?}"
            );
        }
    }
}
