//! Which crate may use which, and what may not be anywhere below some of them.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use serde_json::Value;

use super::{Problem, Source};

/// Every crate of the workspace and the crates that it may use. A new edge is a decision: it gets an ADR.
const EDGES: &[(&str, &[&str])] = &[
    ("connectors-core", &[]),
    ("connectors-http1", &[]),
    ("connectors-credentials", &["core", "expr"]),
    ("connectors-crd", &["core", "credentials", "expr", "template"]),
    ("connectors-expr", &["template"]),
    ("connectors-net", &["core", "http1"]),
    ("connectors-probe", &["core", "crd", "http1", "net"]),
    ("connectors-proxy", &["core", "credentials", "net", "http1"]),
    ("connectors-template", &[]),
    ("connectors-standalone", &["core", "crd"]),
    ("connectors-cli", &["core", "http1", "credentials", "crd", "expr", "net", "probe", "proxy", "standalone", "template"]),
    (TESTKIT, &["core", "http1", "credentials", "net", "proxy", "standalone"]),
    ("connectors-e2e", &[]),
    (FUZZ, &["core", "expr", "http1", "probe", "proxy", "template"]),
    ("xtask", &[]),
];

/// For tests only: any crate may have it as a dev-dependency, none as another.
const TESTKIT: &str = "connectors-testkit";

/// The fuzzer: alone in seeing what the feature [`FUZZING`] of another crate opens.
const FUZZ: &str = "connectors-fuzz";
const FUZZING: &str = "fuzzing";

/// What may not be in a crate's whole tree of dependencies, and why.
const ABSENT: &[(&str, &[&str], &str)] = &[
    ("connectors-core", &["tokio", "hyper", "kube", "tonic"], "core is pure and sync"),
    ("connectors-http1", &["tokio", "hyper", "kube", "tonic"], "http1 has no I/O"),
    ("connectors-expr", &["tokio", "hyper", "kube", "tonic"], "expressions have no I/O"),
    ("connectors-probe", &["kube"], "probes are the same without a cluster"),
    ("connectors-proxy", &["kube"], "the data path cannot name kube"),
];

/// Checks `cargo metadata`'s answer.
pub(super) fn check(metadata: &Value, sources: &[Source], root: &Path) -> Vec<Problem> {
    let graph = Graph::read(metadata);
    let mut problems = Vec::new();
    for package in &graph.members {
        let mut complain = |name: &str, text: String| {
            let path = package.manifest.strip_prefix(&*root.to_string_lossy()).map_or(package.manifest, |path| path.trim_start_matches('/'));
            let line = sources.iter().find(|source| source.path == path).and_then(|source| source.text.lines().position(|line| line.starts_with(name)));
            problems.push(Problem::new(path, line.map_or(1, |line| line + 1), text));
        };
        let Some((_, allowed)) = EDGES.iter().find(|(name, _)| *name == package.name) else {
            complain("name", format!("{} is a new crate: give it a line in EDGES of xtask/src/tidy/edges.rs, and one in ARCHITECTURE.md", package.name));
            continue;
        };
        for dependency in &package.dependencies {
            let own = graph.members.iter().any(|member| member.name == dependency.name);
            if dependency.features.contains(&FUZZING) && package.name != FUZZ {
                complain(
                    dependency.name,
                    format!("{} opens {} for the fuzzer: use what is public without the feature {FUZZING}", package.name, dependency.name),
                );
            }
            let name = dependency.name.trim_start_matches("connectors-");
            let for_tests = dependency.dev && dependency.name == TESTKIT;
            if dependency.name == TESTKIT && !dependency.dev {
                complain(dependency.name, format!("{} uses {TESTKIT} outside of tests: make it a dev-dependency", package.name));
            } else if own && !for_tests && !allowed.contains(&name) {
                complain(
                    dependency.name,
                    format!("{} may not use {}: remove the dependency, or argue for it in an ADR and add it to EDGES", package.name, dependency.name),
                );
            }
        }
        for (_, names, why) in ABSENT.iter().filter(|(name, ..)| *name == package.name) {
            for (name, path) in graph.below(package.id) {
                if names.contains(&name) {
                    let first = path.get(1).copied().unwrap_or(name);
                    complain(
                        first,
                        format!("{} has {name} below it ({}), but {why}: remove {first}, or the feature that brings it", package.name, path.join(" → ")),
                    );
                }
            }
        }
        for target in &package.roots {
            let path = target.strip_prefix(&*root.to_string_lossy()).map_or(*target, |path| path.trim_start_matches('/'));
            let header = |text: &str| text.starts_with("//!") || text.starts_with("#![doc");
            if sources.iter().any(|source| source.path == path && !header(&source.text)) {
                problems.push(Problem::new(path, 1, "has no header: begin with `//!` and say what this is"));
            }
        }
    }
    problems
}

struct Graph<'a> {
    members: Vec<Package<'a>>,
    names: HashMap<&'a str, &'a str>,
    /// Normal and build dependencies, by id.
    edges: HashMap<&'a str, Vec<&'a str>>,
}

struct Package<'a> {
    id: &'a str,
    name: &'a str,
    manifest: &'a str,
    dependencies: Vec<Dependency<'a>>,
    /// The first file of each of its targets.
    roots: Vec<&'a str>,
}

struct Dependency<'a> {
    name: &'a str,
    dev: bool,
    features: Vec<&'a str>,
}

impl<'a> Graph<'a> {
    fn read(metadata: &'a Value) -> Self {
        let members: BTreeSet<&str> = list(&metadata["workspace_members"]).filter_map(Value::as_str).collect();
        let mut graph = Self { members: Vec::new(), names: HashMap::new(), edges: HashMap::new() };
        for package in list(&metadata["packages"]) {
            let (id, name) = (text(&package["id"]), text(&package["name"]));
            graph.names.insert(id, name);
            if members.contains(id) {
                let dependencies = list(&package["dependencies"]).map(|dependency| Dependency {
                    name: text(&dependency["name"]),
                    dev: dependency["kind"] == "dev",
                    features: list(&dependency["features"]).map(text).collect(),
                });
                let roots = list(&package["targets"]).map(|target| text(&target["src_path"])).collect();
                graph.members.push(Package { id, name, manifest: text(&package["manifest_path"]), dependencies: dependencies.collect(), roots });
            }
        }
        for node in list(&metadata["resolve"]["nodes"]) {
            let used = list(&node["deps"]).filter(|dependency| list(&dependency["dep_kinds"]).any(|kind| kind["kind"] != "dev"));
            graph.edges.insert(text(&node["id"]), used.map(|dependency| text(&dependency["pkg"])).collect());
        }
        graph
    }

    /// The name of every package below `id`, with a shortest path of names to it.
    fn below(&self, id: &'a str) -> Vec<(&'a str, Vec<&'a str>)> {
        let name = |id: &'a str| self.names.get(id).copied().unwrap_or(id);
        let mut found: Vec<(&str, Vec<&str>)> = vec![(id, vec![name(id)])];
        let mut seen = BTreeSet::from([id]);
        let mut next = 0;
        while let Some((id, path)) = found.get(next).cloned() {
            for &below in self.edges.get(id).into_iter().flatten() {
                if seen.insert(below) {
                    found.push((below, [&path[..], &[name(below)]].concat()));
                }
            }
            next += 1;
        }
        found.into_iter().skip(1).map(|(id, path)| (name(id), path)).collect()
    }
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A workspace in which each crate has these dependencies, `dev:` before those for tests.
    fn workspace(crates: &[(&str, &[&str])]) -> Value {
        let names: BTreeSet<&str> = crates.iter().flat_map(|(name, uses)| uses.iter().map(|used| used.trim_start_matches("dev:")).chain([*name])).collect();
        let uses = |name: &str| crates.iter().find(|(own, _)| *own == name).map_or(&[][..], |(_, uses)| uses);
        let kind = |used: &str| if used.starts_with("dev:") { json!("dev") } else { Value::Null };
        let package = |name: &&str| {
            let dependencies: Vec<_> = uses(name).iter().map(|used| json!({"name": used.trim_start_matches("dev:"), "kind": kind(used)})).collect();
            json!({"id": name, "name": name, "manifest_path": format!("/w/{name}/Cargo.toml"), "dependencies": dependencies, "targets": []})
        };
        let node = |name: &&str| {
            let deps: Vec<_> = uses(name).iter().map(|used| json!({"pkg": used.trim_start_matches("dev:"), "dep_kinds": [{"kind": kind(used)}]})).collect();
            json!({"id": name, "deps": deps})
        };
        let members: Vec<&str> = names.iter().copied().filter(|name| name.starts_with("connectors-") || *name == "xtask").collect();
        json!({
            "workspace_members": members,
            "packages": names.iter().map(package).collect::<Vec<_>>(),
            "resolve": {"nodes": names.iter().map(node).collect::<Vec<_>>()},
        })
    }

    #[track_caller]
    fn check_all(crates: &[(&str, &[&str])], expected: &[&str]) {
        let problems = check(&workspace(crates), &[], Path::new("/w"));
        assert_eq!(problems.len(), expected.len(), "{problems:?}");
        for (problem, expected) in problems.iter().zip(expected) {
            assert!(problem.to_string().contains(expected), "{problem}");
        }
    }

    #[test]
    fn the_edges_of_the_table_are_fine() {
        check_all(
            &[("connectors-proxy", &["connectors-core", "connectors-net", "dev:connectors-testkit"]), ("connectors-net", &["connectors-core", "tokio"])],
            &[],
        );
    }

    #[test]
    fn another_edge_is_not() {
        check_all(&[("connectors-core", &["connectors-http1"])], &["connectors-core/Cargo.toml:1: connectors-core may not use connectors-http1"]);
        check_all(&[("connectors-proxy", &["dev:connectors-standalone"])], &["connectors-proxy may not use connectors-standalone"]);
    }

    #[test]
    fn the_testkit_is_for_tests() {
        check_all(&[("connectors-cli", &["connectors-testkit"])], &["make it a dev-dependency"]);
    }

    #[test]
    fn only_the_fuzzer_sees_what_is_private() {
        let opened = |user: &str| {
            let mut metadata = workspace(&[(user, &["connectors-proxy"])]);
            for package in metadata["packages"].as_array_mut().unwrap() {
                if package["name"] == user {
                    package["dependencies"][0]["features"] = json!([FUZZING]);
                }
            }
            check(&metadata, &[], Path::new("/w")).into_iter().map(|problem| problem.text).collect::<Vec<_>>()
        };
        assert!(opened(FUZZ).is_empty());
        assert_eq!(opened("connectors-cli"), ["connectors-cli opens connectors-proxy for the fuzzer: use what is public without the feature fuzzing"]);
    }

    #[test]
    fn a_crate_without_a_line_is_reported() {
        check_all(&[("connectors-utils", &[])], &["give it a line in EDGES"]);
    }

    #[test]
    fn what_must_be_absent_is_looked_for_at_any_depth() {
        check_all(
            &[("connectors-core", &["a"]), ("a", &["b", "dev:kube"]), ("b", &["tokio"])],
            &["connectors-core has tokio below it (connectors-core → a → b → tokio), but core is pure and sync: remove a"],
        );
        check_all(&[("connectors-proxy", &["a"]), ("a", &["kube", "tokio"])], &["the data path cannot name kube"]);
    }

    #[test]
    fn the_line_of_the_dependency_is_named() {
        let manifest = Source { path: "connectors-core/Cargo.toml".into(), text: "[package]\n\n[dependencies]\nconnectors-http1.workspace = true\n".into() };
        let problems = check(&workspace(&[("connectors-core", &["connectors-http1"])]), &[manifest], Path::new("/w"));
        assert_eq!(problems[0].line, 4);
    }

    #[test]
    fn a_crate_says_what_it_is() {
        let mut metadata = workspace(&[("connectors-core", &[])]);
        metadata["packages"][0]["targets"] = json!([{"src_path": "/w/connectors-core/src/lib.rs"}]);
        let source = |text: &str| Source { path: "connectors-core/src/lib.rs".into(), text: text.into() };
        assert_eq!(check(&metadata, &[source("mod a;\n")], Path::new("/w"))[0].path, "connectors-core/src/lib.rs");
        assert!(check(&metadata, &[source("//! Nouns.\n")], Path::new("/w")).is_empty());
    }
}
