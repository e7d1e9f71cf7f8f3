//! Which variable tells which client where a file of a configuration is.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use connectors_crd::configurations::{File, Source};

use crate::logging;
use crate::mount::WAY_OUT;

/// Names the folder of the files.
pub(crate) const FOLDER: &str = "CONNECTORS_CONFIG_DIR";

/// What a variable's value is.
#[derive(Clone, Copy)]
enum Is {
    /// The file's path.
    File,
    /// The path of the folder that it is in.
    Folder,
    /// Words, which nothing quotes, with this and the file's path as the last.
    Option(&'static str),
    /// What is in the file.
    Content,
}

/// Files that clients look for by a name of their own, the variable by which they are told of another place, and who reads it.
const KNOWN: [(&str, &str, Is); 18] = [
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
    ("config.yml", "GLAB_CONFIG_DIR", Is::Folder),                  // glab
    (".condarc", "CONDARC", Is::File),
    (".gemrc", "GEMRC", Is::File),
    (".terraformrc", "TF_CLI_CONFIG_FILE", Is::File),
    ("uv.toml", "UV_CONFIG_FILE", Is::File),
    ("config.yaml", "HARBOR_CLI_CONFIG", Is::File),                  // harbor
    ("HARBOR_ENCRYPTION_KEY", "HARBOR_ENCRYPTION_KEY", Is::Content), // harbor
];

/// The one of them to which what is in it is added, and which doesn't replace the user's own: git-config(1), include.path in GIT_CONFIG_KEY_<n>.
const GIT: &str = ".gitconfig";

/// As far as its entries are looked through for one of ours; the number is whatever somebody has put there.
const MAX_GIT_CONFIG_COUNT: u32 = 1_000;

/// The variables for files in `folder`: where it is, what clients need to find those that a class has made, and at last what the class's own `.env` says. `environment`
/// is the one that they are added to. What an earlier `exec` or `env` has added to it, for the folder that it names, is replaced: two of git's includes would be two
/// credentials.
///
/// # Errors
/// A line of `.env` isn't `NAME=value`, or its name is not for a class to set.
pub(crate) fn variables(folder: &Path, files: &[File], environment: impl Fn(&str) -> Option<OsString>) -> anyhow::Result<Vec<(String, OsString)>> {
    let earlier = environment(FOLDER).map(PathBuf::from);
    let mut variables = vec![(FOLDER.to_owned(), folder.into())];
    let made = |name: &str| files.iter().find(|file| file.is_of_class() && file.name == name);
    for (name, variable, is) in KNOWN {
        let (file, path) = (made(name), folder.join(name));
        let value = match (is, file) {
            (Is::Option(option), file) => words(variable, environment(variable), option, earlier.as_deref(), file.is_some().then_some(&path)),
            (_, None) => None,
            (Is::File, Some(_)) => Some(path.into()),
            (Is::Folder, Some(_)) => Some(folder.into()),
            (Is::Content, Some(file)) => Some(OsStr::from_bytes(file.content.expose()).to_owned()),
        };
        variables.extend(value.map(|value| (variable.to_owned(), value)));
    }
    variables.extend(git(&folder.join(GIT), made(GIT).is_some(), earlier.as_deref(), &environment));
    if let Some(file) = made(".env") {
        let whose = || match &file.source {
            Source::Class { class, configuration } => format!(".env of ConnectorClass {class:?}, configuration {configuration:?}"),
            Source::BuiltIn | Source::Public => ".env".to_owned(),
        };
        variables.extend(dot_env(file.content.expose(), folder).with_context(whose).context(WAY_OUT)?);
    }
    Ok(variables)
}

/// A variable's words with an option behind them, and without the one that was added for a file in the earlier folder. `None` where nothing changes.
fn words(variable: &str, before: Option<OsString>, option: &str, earlier: Option<&Path>, path: Option<&PathBuf>) -> Option<OsString> {
    let before = before.unwrap_or_default();
    let is_own = |word: &&[u8]| {
        let path = word.strip_prefix(option.as_bytes()).map(|path| Path::new(OsStr::from_bytes(path)));
        earlier.is_some() && path.and_then(Path::parent) == earlier
    };
    let all = || before.as_bytes().split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    // A shell splits the value, and looks for files that fit each word.
    let is_word = |path: &&PathBuf| !path.as_os_str().as_bytes().iter().any(|byte| byte.is_ascii_whitespace() || b"*?[\\".contains(byte));
    if let Some(path) = path.filter(|path| !is_word(path)) {
        logging::remark(&format!("{variable} can't name {}, since it has blanks or wildcards in it: give it to the program yourself", path.display()));
    }
    let added = path.filter(is_word).map(|path| [option.as_bytes(), path.as_os_str().as_bytes()].concat());
    if added.is_none() && !all().any(|word| is_own(&word)) {
        return None;
    }
    let words: Vec<&[u8]> = all().filter(|word| !is_own(word)).chain(added.as_deref()).collect();
    Some(OsString::from_vec(words.join(&b' ')))
}

/// An include of `path`. One of a file in the earlier folder then includes this one, which git passes over if it isn't there.
fn git(path: &Path, is_there: bool, earlier: Option<&Path>, environment: impl Fn(&str) -> Option<OsString>) -> Vec<(String, OsString)> {
    let count: u32 = environment("GIT_CONFIG_COUNT").and_then(|count| count.to_str()?.parse().ok()).unwrap_or(0);
    let (key, value) = (|n| format!("GIT_CONFIG_KEY_{n}"), |n| format!("GIT_CONFIG_VALUE_{n}"));
    let own = earlier.map(|folder| folder.join(GIT).into_os_string());
    let is_own = |n: &u32| own.is_some() && environment(&key(*n)).is_some_and(|key| key == "include.path") && environment(&value(*n)) == own;
    match (0..count.min(MAX_GIT_CONFIG_COUNT)).find(is_own) {
        Some(n) => vec![(value(n), path.into())],
        None if is_there => {
            vec![("GIT_CONFIG_COUNT".to_owned(), count.saturating_add(1).to_string().into()), (key(count), "include.path".into()), (value(count), path.into())]
        }
        None => Vec::new(),
    }
}

/// `NAME=value` lines, without quotes and `export`. `$CONNECTORS_CONFIG_DIR` in a value is the folder.
fn dot_env(text: &[u8], folder: &Path) -> anyhow::Result<Vec<(String, OsString)>> {
    let text = std::str::from_utf8(text).context("it is not UTF-8")?;
    let folder = folder.to_str().context("the folder of the files has a name that is not UTF-8")?;
    let mut variables = Vec::new();
    for (number, line) in
        text.lines().enumerate().map(|(number, line)| (number + 1, line.trim())).filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
    {
        match line.split_once('=') {
            Some((name, _)) if is_reserved(name) => {
                bail!("line {number} sets {name}, which is not for a class to set: programs are found, or told what to run, by it")
            }
            Some((name, value)) if is_name(name) && !value.contains('\0') => {
                let value = value.replace(&format!("${{{FOLDER}}}"), folder).replace(&format!("${FOLDER}"), folder);
                variables.push((name.to_owned(), value.into()));
            }
            _ => bail!("line {number} must be NAME=value, without `export` and blanks around the '='"),
        }
    }
    Ok(variables)
}

/// By these the shell, the loader of programs, git, interpreters and the like find what they run, or are told to run something, as soon as they start; and ours have a
/// meaning for the next `connectors`.
const RESERVED: &str = "PATH HOME SHELL PWD OLDPWD CDPATH FPATH ZDOTDIR ENV IFS PS0 PS1 PS2 PS3 PS4 PROMPT_COMMAND SHELLOPTS INPUTRC \
    EDITOR VISUAL PAGER MANPAGER BROWSER LESSOPEN LESSCLOSE SSH_ASKPASS SUDO_ASKPASS RSYNC_RSH CVS_RSH SVN_SSH \
    GIT_EXEC_PATH GIT_ASKPASS GIT_EDITOR GIT_SEQUENCE_EDITOR GIT_PAGER GIT_EXTERNAL_DIFF GIT_PROXY_COMMAND GIT_TEMPLATE_DIR GIT_CONFIG_COUNT GIT_CONFIG_PARAMETERS \
    NODE_OPTIONS NODE_PATH CLASSPATH JAVA_OPTS JAVA_TOOL_OPTIONS _JAVA_OPTIONS JDK_JAVA_OPTIONS MAVEN_OPTS GRADLE_OPTS LUA_INIT PHPRC \
    OPENSSL_CONF OPENSSL_MODULES OPENSSL_ENGINES GCONV_PATH MAKEFLAGS MAKEFILES RUSTC RUSTC_WRAPPER";

/// The same, for all names that begin so.
const RESERVED_PREFIXES: [&str; 11] =
    ["LD_", "DYLD_", "BASH", "ZSH_", "GIT_SSH", "GIT_CONFIG_KEY_", "GIT_CONFIG_VALUE_", "PYTHON", "PERL", "RUBY", "CONNECTORS_"];

/// In any case: to zsh, `path` is `PATH`.
fn is_reserved(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    RESERVED.split_ascii_whitespace().any(|reserved| reserved == name) || RESERVED_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

fn is_name(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit()) && !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

#[cfg(test)]
mod tests {
    use connectors_core::SecretValue;

    use super::*;

    fn file(name: &str, text: &str, source: Source) -> File {
        File { name: name.into(), content: SecretValue::new(text), source }
    }

    fn lines_of(files: &[File], environment: &[(&str, &str)]) -> anyhow::Result<Vec<String>> {
        lines_in("/run/c", files, environment)
    }

    fn lines_in(folder: &str, files: &[File], environment: &[(&str, &str)]) -> anyhow::Result<Vec<String>> {
        let before = |name: &str| environment.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value));
        let variables = variables(Path::new(folder), files, before)?;
        Ok(variables.into_iter().map(|(name, value)| format!("{name}={}", value.to_string_lossy())).collect())
    }

    /// For files of a class, which come sorted.
    fn lines(files: &[(&str, &str)], environment: &[(&str, &str)]) -> anyhow::Result<Vec<String>> {
        let of_class = || Source::Class { class: "tool".into(), configuration: "rc".into() };
        lines_of(&files.iter().map(|(name, text)| file(name, text, of_class())).collect::<Vec<_>>(), environment)
    }

    #[test]
    fn only_files_that_a_class_has_made_are_told_of() {
        let built_in = [file(".env", "http_proxy=x\n", Source::BuiltIn), file("config.json", "", Source::Public)];
        assert_eq!(lines_of(&built_in, &[]).unwrap(), ["CONNECTORS_CONFIG_DIR=/run/c"]);
        let files = [(".npmrc", ""), ("config.json", ""), ("other", ""), (".curlrc", "")];
        let expect = [
            "CONNECTORS_CONFIG_DIR=/run/c",
            "NPM_CONFIG_USERCONFIG=/run/c/.npmrc",
            "CURL_HOME=/run/c",
            "DOCKER_CONFIG=/run/c",
            "REGISTRY_AUTH_FILE=/run/c/config.json",
        ];
        assert_eq!(lines(&files, &[]).unwrap(), expect);
        assert_eq!(lines(&[("HARBOR_ENCRYPTION_KEY", "key")], &[]).unwrap()[1], "HARBOR_ENCRYPTION_KEY=key");
    }

    #[test]
    fn what_is_there_already_stays() {
        let git = [(".gitconfig", "")];
        assert_eq!(lines(&git, &[]).unwrap()[1..], ["GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=include.path", "GIT_CONFIG_VALUE_0=/run/c/.gitconfig"]);
        let second = lines(&git, &[("GIT_CONFIG_COUNT", "2")]).unwrap();
        assert_eq!(second[1..], ["GIT_CONFIG_COUNT=3", "GIT_CONFIG_KEY_2=include.path", "GIT_CONFIG_VALUE_2=/run/c/.gitconfig"]);
        let maven = [("settings.xml", "")];
        assert_eq!(lines(&maven, &[("MAVEN_ARGS", "-B")]).unwrap()[1], "MAVEN_ARGS=-B --settings=/run/c/settings.xml");
    }

    #[test]
    fn what_was_added_earlier_is_replaced() {
        let git = [(".gitconfig", "")];
        let own = [("GIT_CONFIG_KEY_1", "include.path"), ("GIT_CONFIG_VALUE_1", "/run/b/.gitconfig")];
        let others = [("GIT_CONFIG_COUNT", "3"), ("GIT_CONFIG_KEY_0", "include.path"), ("GIT_CONFIG_VALUE_0", "/home/.gitconfig"), ("GIT_CONFIG_KEY_2", "a.b")];
        let in_folder = |folder| [&[("CONNECTORS_CONFIG_DIR", folder)], &own[..], &others[..]].concat();
        assert_eq!(lines(&git, &in_folder("/run/b")).unwrap()[1..], ["GIT_CONFIG_VALUE_1=/run/c/.gitconfig"]);
        // Without such a file nothing is left of the earlier one's, and the next finds the entry again.
        assert_eq!(lines(&[], &in_folder("/run/b")).unwrap()[1..], ["GIT_CONFIG_VALUE_1=/run/c/.gitconfig"]);
        assert_eq!(lines(&[], &in_folder("/run/a")).unwrap()[1..], [""; 0]);
        assert_eq!(lines(&git, &in_folder("/run/a")).unwrap()[1], "GIT_CONFIG_COUNT=4");

        let maven = [("settings.xml", "")];
        let earlier = |value| [("CONNECTORS_CONFIG_DIR", "/run/b"), ("MAVEN_ARGS", value)];
        assert_eq!(lines(&maven, &earlier("-B --settings=/run/b/settings.xml -q")).unwrap()[1], "MAVEN_ARGS=-B -q --settings=/run/c/settings.xml");
        assert_eq!(
            lines(&maven, &earlier("--settings=/home/settings.xml")).unwrap()[1],
            "MAVEN_ARGS=--settings=/home/settings.xml --settings=/run/c/settings.xml"
        );
        assert_eq!(lines(&[], &earlier("--settings=/run/b/settings.xml")).unwrap()[1..], ["MAVEN_ARGS="]);
        assert_eq!(lines(&[], &earlier("-B")).unwrap()[1..], [""; 0]);
    }

    #[test]
    fn words_with_blanks_are_none() {
        let of_class = Source::Class { class: "tool".into(), configuration: "rc".into() };
        let files = [file("buildkitd.toml", "", of_class.clone()), file("settings.xml", "", of_class.clone()), file("config.yml", "", of_class)];
        for folder in ["/run/a b", "/run/a\tb", "/run/*"] {
            let expect = [format!("GLAB_CONFIG_DIR={folder}")];
            let lines = lines_in(folder, &files, &[("MAVEN_ARGS", "-B")]).unwrap();
            assert!(!lines.iter().any(|line| line.contains("--config=") || line.contains("--settings=")), "{lines:?}");
            assert!(lines.ends_with(&expect), "{lines:?}");
        }
    }

    #[test]
    fn a_class_can_say_itself_what_the_variables_are() {
        let env = |text: &str| lines(&[(".env", text)], &[]);
        let expect = ["A=b=c", "B=", "C_1='q'", "D=/run/c/x:/run/c"];
        assert_eq!(env("A=b=c\n\n# comment\nB=\r\n C_1='q'\nD=$CONNECTORS_CONFIG_DIR/x:${CONNECTORS_CONFIG_DIR}\n").unwrap()[1..], expect);
        // It counts last: whoever reads one after the other ends with it.
        let npm = lines(&[(".env", "NPM_CONFIG_USERCONFIG=own"), (".npmrc", "")], &[]).unwrap();
        assert_eq!(npm[1..], ["NPM_CONFIG_USERCONFIG=/run/c/.npmrc", "NPM_CONFIG_USERCONFIG=own"]);
        for (text, line) in [("export A=b", 1), ("A=b\nB", 2), ("=x", 1), ("1A=b", 1), ("A =b", 1), ("A=\0", 1)] {
            let says = "must be NAME=value, without `export` and blanks around the '='";
            assert_eq!(
                format!("{:#}", env(text).unwrap_err()),
                format!("{WAY_OUT}: .env of ConnectorClass \"tool\", configuration \"rc\": line {line} {says}"),
                "{text:?}"
            );
        }
    }

    #[test]
    fn a_class_does_not_name_what_runs() {
        for name in [
            "PATH",
            "path",
            "LD_PRELOAD",
            "DYLD_INSERT_LIBRARIES",
            "BASH_ENV",
            "BASHOPTS",
            "ENV",
            "IFS",
            "PS1",
            "PROMPT_COMMAND",
            "SHELLOPTS",
            "ZDOTDIR",
            "GIT_SSH",
            "GIT_SSH_COMMAND",
            "GIT_EXEC_PATH",
            "GIT_CONFIG_COUNT",
            "GIT_CONFIG_KEY_0",
            "NODE_OPTIONS",
            "PYTHONSTARTUP",
            "PYTHONPATH",
            "PERL5OPT",
            "RUBYOPT",
            "JAVA_TOOL_OPTIONS",
            "CONNECTORS_CONFIG_DIR",
        ] {
            let error = lines(&[(".env", &format!("A=b\n{name}=x"))], &[]).unwrap_err();
            assert!(format!("{error:#}").contains(&format!("line 2 sets {name}, which is not for a class to set")), "{name}: {error:#}");
        }
        for name in ["NPM_CONFIG_REGISTRY", "GOPROXY", "MAVEN_ARGS", "GIT_CONFIG_GLOBAL", "ENVIRONMENT", "PATHS"] {
            assert_eq!(lines(&[(".env", &format!("{name}=x"))], &[]).unwrap()[1], format!("{name}=x"));
        }
    }
}
