//! Real git against a real Git server, in every mode: everyday work, and what happens without rights.
#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests")]

mod changes;
mod redirects;
mod world;

use connectors_e2e::{Canaries, Client, Connector, Connectors, SeenRequest, basic, commit_random};

use crate::world::{MODES, Mode, SecondTool, Shown, World, altered, ask, assert_absent_from, assert_credential, at_server, commit, commit_at_server, traced};

#[test]
fn clone_fetch_and_push() {
    for mode in MODES {
        let world = World::new(mode);
        world.tool.repository_with("repo", 3, 1000);
        let proxy = Connectors::start(&world.folder);
        let token = proxy.token("team/builder");
        let (client, url) = world.client(&proxy, &token);
        let url = format!("{url}/repo.git");
        client.run("git", ["clone", &url, "one"]).succeeds();
        client.run("git", ["clone", &url, "two"]).succeeds();
        commit(&client, "one", "from one");
        client.run_in("one", "git", ["push", "origin", "main"]).succeeds();
        client.run_in("two", "git", ["pull", "--ff-only"]).succeeds();
        client.run_in("two", "git", ["log", "--oneline"]).succeeds().says("from one");
        client.run_in("two", "git", ["fetch", "origin"]).succeeds();
        client.run_in("two", "git", ["ls-remote"]).succeeds().says("refs/heads/main");
        client.assert_never_saw(&world.secrets());
        world.assert_tool_saw_only_its_credential(&token);
        world.assert_nothing_leaked(&proxy, &token);
        assert_eq!(world.tool.errors(), "", "{mode:?}");
    }
}

#[test]
fn both_versions_of_the_protocol() {
    for mode in MODES {
        let world = World::new(mode);
        world.tool.repository_with("repo", 3, 1000);
        let proxy = Connectors::start(&world.folder);
        let token = proxy.token("team/builder");
        let (client, url) = world.client(&proxy, &token);
        for (version, announced) in [("0", ""), ("2", "version=2")] {
            let before = world.tool.seen().len();
            client.run("git", ["-c", &format!("protocol.version={version}"), "clone", &format!("{url}/repo.git"), version]).succeeds();
            let seen = &world.tool.seen()[before..];
            assert!(seen.len() >= 2 && seen.iter().all(|request| request.git_protocol == announced), "{mode:?}, version {version}: {seen:?}");
        }
        client.assert_never_saw(&world.secrets());
        world.assert_tool_saw_only_its_credential(&token);
        world.assert_nothing_leaked(&proxy, &token);
    }
}

#[test]
fn shallow_and_partial_clones_in_both_versions_of_the_protocol() {
    for (mode, version) in MODES.into_iter().flat_map(|mode| [(mode, "0"), (mode, "2")]) {
        let world = World::new(mode);
        world.tool.repository_with("repo", 5, 10_000);
        let proxy = Connectors::start(&world.folder);
        let token = proxy.token("team/builder");
        let (client, url) = world.client(&proxy, &token);
        let url = format!("{url}/repo.git");
        client.run("git", ["config", "--global", "protocol.version", version]).succeeds();
        let count = |folder: &str| client.run_in(folder, "git", ["rev-list", "--count", "HEAD"]).succeeds().stdout.trim().to_owned();

        client.run("git", ["clone", "--depth=1", &url, "shallow"]).succeeds();
        assert_eq!(count("shallow"), "1", "{mode:?}");
        client.run_in("shallow", "git", ["fetch", "--deepen=2"]).succeeds();
        assert_eq!(count("shallow"), "3", "{mode:?}");
        client.run_in("shallow", "git", ["fetch", "--unshallow"]).succeeds();
        assert_eq!(count("shallow"), "5", "{mode:?}");

        client.run("git", ["clone", "--filter=blob:none", &url, "partial"]).succeeds();
        // Four old versions of the file were left out, and come when they are wanted.
        let missing = client.run_in("partial", "git", ["rev-list", "--objects", "--all", "--missing=print"]).succeeds();
        assert_eq!(missing.stdout.lines().filter(|line| line.starts_with('?')).count(), 4, "{mode:?}: {}", missing.stdout);
        client.run_in("partial", "git", ["checkout", "HEAD~3"]).succeeds();
        let announced = if version == "0" { "" } else { "version=2" };
        assert!(world.tool.seen().iter().all(|request| request.git_protocol == announced), "{mode:?}, version {version}");
        client.assert_never_saw(&world.secrets());
        world.assert_tool_saw_only_its_credential(&token);
        world.assert_nothing_leaked(&proxy, &token);
    }
}

/// Over 200 MB that don't compress, up and down.
fn over_200_megabytes(mode: Mode) {
    let world = World::new(mode);
    // As big servers do: a pack that arrives is kept, not unpacked and compressed anew, and big files aren't compared with each other.
    at_server(&world.tool.repository("big"), &["config", "receive.unpackLimit", "1"]);
    let proxy = Connectors::start(&world.folder);
    let token = proxy.token("team/builder");
    let (client, url) = world.client(&proxy, &token);
    let url = format!("{url}/big.git");
    std::fs::create_dir(client.home().join("work")).unwrap();
    commit_random(&client.home().join("work"), 3, 70 << 20);
    client.run_in("work", "git", ["-c", "core.bigFileThreshold=1m", "push", &url, "main"]).succeeds();
    client.run("git", ["clone", "--bare", &url, "clone"]).succeeds();
    let head = |folder: &str| client.run_in(folder, "git", ["rev-parse", "main"]).succeeds().stdout;
    assert_eq!(head("work"), head("clone"));
    let size: u64 = std::fs::read_dir(client.home().join("clone/objects/pack")).unwrap().map(|file| file.unwrap().metadata().unwrap().len()).sum();
    assert!(size > 200_000_000, "{size}");
    world.assert_tool_saw_only_its_credential(&token);
    world.assert_nothing_leaked(&proxy, &token);
    world.secrets().assert_absent("the client's output", client.transcript());
    // The repository's bytes are in the access records as well.
    let moved = |field: &str| proxy.records().iter().filter_map(|record| record[field].as_u64()).sum::<u64>();
    assert!(moved("bytes_in") > 200_000_000 && moved("bytes_out") > 200_000_000, "{mode:?}: {} in, {} out", moved("bytes_in"), moved("bytes_out"));
}

#[test]
fn a_repository_over_200_megabytes_reverse() {
    over_200_megabytes(Mode::ReverseByPath);
}

#[test]
fn a_repository_over_200_megabytes_forward() {
    over_200_megabytes(Mode::Forward);
}

#[test]
fn a_repository_over_200_megabytes_intercepted() {
    over_200_megabytes(Mode::Intercepted);
}

#[test]
fn the_token_in_a_header_of_the_clients_own_configuration() {
    let world = World::new(Mode::ReverseByHost);
    world.tool.repository_with("repo", 1, 10);
    let proxy = Connectors::start(&world.folder);
    let token = proxy.token("team/builder");
    for (number, authorization) in [basic("", &token), format!("Bearer {token}")].iter().enumerate() {
        let client = Client::new();
        // As a mounted .gitconfig has it.
        let config = format!(
            "[http]\n\textraHeader = \"Authorization: {authorization}\"\n[url \"{}\"]\n\tinsteadOf = {}\n",
            proxy.host_url("team/git"),
            world.tool.url()
        );
        client.write(".gitconfig", config);
        client.run("git", ["clone", &format!("{}/repo.git", world.tool.url()), &number.to_string()]).succeeds();
        client.assert_never_saw(&world.secrets());
    }
    world.assert_tool_saw_only_its_credential(&token);
    world.assert_nothing_leaked(&proxy, &token);
}

#[test]
fn a_wrong_token_reaches_nothing() {
    for mode in MODES {
        let world = World::new(mode);
        world.tool.repository_with("repo", 1, 10);
        let proxy = Connectors::start(&world.folder);
        let token = proxy.token("team/builder");
        let altered = altered(&token);
        for wrong in ["nonsense", &altered] {
            let (client, url) = world.client(&proxy, wrong);
            let ran = client.run("git", ["clone", &format!("{url}/repo.git")]).fails();
            let refused = if mode == Mode::Forward || mode == Mode::Intercepted { "407" } else { "Authentication failed" };
            ran.says(refused);
            client.assert_never_saw(&world.secrets());
        }
        assert_eq!(world.tool.seen(), [], "{mode:?}");
    }
}

#[test]
fn without_permission_nothing_is_reached() {
    for mode in MODES {
        let world = World::new(mode);
        world.tool.repository_with("repo", 1, 10);
        let proxy = Connectors::start(&world.folder);
        let (client, url) = world.client(&proxy, &proxy.token("team/stranger"));
        client.run("git", ["clone", &format!("{url}/repo.git")]).fails().says("403");
        client.assert_never_saw(&world.secrets());
        assert_eq!(world.tool.seen(), [], "{mode:?}");
    }
}

#[test]
fn without_the_tools_ca_nothing_is_sent() {
    let world = World::new(Mode::Intercepted);
    world.tool.repository_with("repo", 1, 10);
    let connector = Connector::new("team/git", "git", &world.tool.url()).auth("basicAuth", "git");
    world.folder.replace(&connector.clone().ca("git-ca").yaml(), &connector.yaml());
    let proxy = Connectors::start(&world.folder);
    let (client, url) = world.client(&proxy, &proxy.token("team/builder"));
    client.run("git", ["clone", &format!("{url}/repo.git")]).fails().says("502");
    assert_eq!(world.tool.seen(), []);
}

#[test]
fn every_form_of_the_token_at_every_reverse_address() {
    for mode in [Mode::ReverseByHost, Mode::ReverseByPath] {
        let world = World::new(mode);
        let proxy = Connectors::start(&world.folder);
        let token = proxy.token("team/builder");
        for shown in [Shown::Bearer, Shown::Basic, Shown::Url] {
            let name = format!("{shown:?}");
            let repository = world.tool.repository_with(&name, 2, 1000);
            let (client, url) = world.client_that_shows(&proxy, &token, shown);
            client.run("git", ["clone", &format!("{url}/{name}.git"), "work"]).succeeds();
            let theirs = commit_at_server(&repository);
            client.run_in("work", "git", ["fetch"]).succeeds();
            assert_eq!(ask(&client, "work", &["rev-parse", "origin/main"]), theirs, "{mode:?}, {shown:?}");
            client.run_in("work", "git", ["merge", "--ff-only", "origin/main"]).succeeds();
            commit(&client, "work", "ours");
            client.run_in("work", "git", ["push", "origin", "main"]).succeeds();
            assert_eq!(at_server(&repository, &["rev-parse", "main"]), ask(&client, "work", &["rev-parse", "HEAD"]), "{mode:?}, {shown:?}");
            client.assert_never_saw(&world.secrets());
        }
        world.assert_tool_saw_only_its_credential(&token);
        world.assert_nothing_leaked(&proxy, &token);
    }
}

#[test]
fn two_connectors_in_one_user_name_get_each_its_own_credential() {
    let world = World::new(Mode::Forward);
    let second = SecondTool::beside(&world);
    let repositories = [world.tool.repository_with("repo", 1, 1000), second.tool.repository_with("repo", 1, 1000)];
    let proxy = Connectors::start(&world.folder);
    let token = proxy.token("team/builder");
    for names in ["team/git,team/second", "team/second,team/git"] {
        let client = traced(Client::new().proxy(&proxy.proxy_url(names, &token)).set("GIT_SSL_CAINFO", proxy.ca_certificate()));
        for (tool, repository) in [&world.tool, &second.tool].into_iter().zip(&repositories) {
            let work = tool.address().port().to_string();
            client.run("git", ["clone", &format!("{}/repo.git", tool.url()), &work]).succeeds();
            assert_eq!(ask(&client, &work, &["rev-parse", "HEAD"]), at_server(repository, &["rev-parse", "main"]), "{names}");
        }
        client.assert_never_saw(&world.secrets().add("the second tool's password", &second.password));
    }
    world.assert_tool_saw_only_its_credential(&token);
    assert_credential(&second.tool.seen(), &second.tool.address().to_string(), &second.password, &token);
    assert_absent_from(&proxy, &Canaries::default().add("the second tool's password", &second.password));
    world.assert_nothing_leaked(&proxy, &token);
}

#[test]
fn p05_only_repositories_below_the_targets_path_get_the_credential() {
    for mode in MODES {
        let world = World::new(mode);
        // One below it, one beside it, and one whose name only begins like it.
        let [inside, ..] = ["group/repo", "other/repo", "groupie/repo"].map(|name| world.tool.repository_with(name, 1, 1000));
        world.move_connector(&format!("{}/group", world.tool.url()));
        world.trust_ca_everywhere();
        // What is no target is reached only at public addresses, or at those that are allowed.
        let proxy = Connectors::start_with(&world.folder, &["--allow-address", "127.0.0.0/8"]);
        let token = proxy.token("team/builder");
        let (client, url) = world.traced_client(&proxy, &token);
        let group = if mode.is_reverse() { url.clone() } else { format!("{url}/group") };
        client.run("git", ["clone", &format!("{group}/repo.git"), "work"]).succeeds();
        assert_eq!(ask(&client, "work", &["rev-parse", "HEAD"]), at_server(&inside, &["rev-parse", "main"]), "{mode:?}");

        let climbing = ["../other", "%2e%2e/other", ".%2E/other", "..%2fother", "x/..%2f..%2fother", "%2e%2e%2fother", "..%5cother"];
        for path in climbing {
            client.run("git", ["clone", &format!("{group}/{path}/repo.git"), "other"]).fails();
        }
        for path in ["other", "groupie"] {
            client.run("git", ["clone", &format!("{url}/{path}/repo.git"), "other"]).fails();
        }
        // Such a request reaches the tool without a credential, and only by a client that has a proxy for it.
        let (below, elsewhere): (Vec<_>, Vec<_>) = world.tool.seen().into_iter().partition(|seen| seen.uri.starts_with("/group/"));
        assert_credential(&below, &world.tool.address().to_string(), &world.password, &token);
        let climbed = |seen: &&SeenRequest| seen.uri.contains("..") || ["%2e", "%2f", "%5c"].iter().any(|dots| seen.uri.to_ascii_lowercase().contains(dots));
        assert_eq!(below.iter().find(climbed), None, "{mode:?}");
        for request in &elsewhere {
            assert_eq!((request.authorization.as_str(), request.status), ("", 401), "{mode:?}: {request:?}");
        }
        assert_eq!(elsewhere.is_empty(), mode.is_reverse(), "{mode:?}: {elsewhere:?}");
        client.assert_never_saw(&world.secrets());
        world.assert_nothing_leaked(&proxy, &token);
    }
}
