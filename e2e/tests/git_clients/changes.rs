//! What changes in the manifests is in force for the next command.

use std::time::Duration;

use connectors_e2e::{Connectors, SeenRequest, basic, grant, unique, wait_at_most, wait_for};

use crate::world::{MODES, World, ask, assert_absent_from, assert_credential, change_password, commit_at_server};

/// By when a change of the manifests is in force.
const IN_FORCE: Duration = Duration::from_secs(1);

#[test]
fn p21_a_revoked_permission_stops_the_next_fetch() {
    for mode in MODES {
        let world = World::new(mode);
        let repository = world.tool.repository_with("repo", 1, 1000);
        let proxy = Connectors::start(&world.folder);
        let token = proxy.token("team/builder");
        let (client, url) = world.traced_client(&proxy, &token);
        world.folder.write("grant.yaml", &grant("team/builder", "team/git"));
        world.folder.replace(&format!("---\n{}", grant("team/builder", "team/git")), "");
        client.run("git", ["clone", &format!("{url}/repo.git"), "work"]).succeeds();

        world.folder.remove("grant.yaml");
        let refused = wait_at_most(IN_FORCE, || Some(client.run_in("work", "git", ["fetch"])).filter(|ran| !ran.status.success()));
        let refused = refused.unwrap_or_else(|| panic!("{mode:?}: fetches without permission"));
        // By CONNECT itself or inside of it, as it comes.
        refused.says(" 403").says(": Forbidden");
        let pushed = |seen: &SeenRequest| seen.uri.contains("git-receive-pack");
        client.run_in("work", "git", ["push", "origin", "HEAD:other"]).fails().says(" 403");
        assert_eq!(world.tool.seen().into_iter().find(pushed), None, "{mode:?}");

        let theirs = commit_at_server(&repository);
        world.folder.write("grant.yaml", &grant("team/builder", "team/git"));
        wait_for("the permission to be back", || client.run_in("work", "git", ["fetch"]).status.success().then_some(()));
        assert_eq!(ask(&client, "work", &["rev-parse", "origin/main"]), theirs, "{mode:?}");
        client.assert_never_saw(&world.secrets());
        world.assert_tool_saw_only_its_credential(&token);
        world.assert_nothing_leaked(&proxy, &token);
    }
}

#[test]
fn a_rotated_secret_is_used_by_the_next_fetch() {
    for mode in MODES {
        let world = World::new(mode);
        let repository = world.tool.repository_with("repo", 1, 1000);
        let proxy = Connectors::start(&world.folder);
        let token = proxy.token("team/builder");
        let (client, url) = world.traced_client(&proxy, &token);
        client.run("git", ["clone", &format!("{url}/repo.git"), "work"]).succeeds();
        world.assert_tool_saw_only_its_credential(&token);

        let new = unique("new-git-password");
        let theirs = commit_at_server(&repository);
        change_password(&repository, &new);
        // The tool's own refusal comes through.
        client
            .run_in("work", "git", ["fetch"])
            .fails()
            .says(&mode.received_status(401))
            .says(&mode.received_field("WWW-Authenticate", "Basic realm=\"private\""));
        world.folder.replace(&world.password, &new);
        let fetched = wait_at_most(IN_FORCE, || client.run_in("work", "git", ["fetch"]).status.success().then_some(()));
        assert_eq!(fetched, Some(()), "{mode:?}: the new password isn't used");
        assert_eq!(ask(&client, "work", &["rev-parse", "origin/main"]), theirs, "{mode:?}");

        // First the old one, then the new one, and nothing but these.
        let seen = world.tool.seen();
        let (before, after) = seen.split_at(seen.iter().position(|request| request.authorization == basic("bot", &new)).unwrap());
        let host = world.tool.address().to_string();
        assert_credential(before, &host, &world.password, &token);
        assert_credential(after, &host, &new, &token);
        let secrets = world.secrets().add("the tool's new password", &new);
        client.assert_never_saw(&secrets);
        assert_absent_from(&proxy, &secrets);
        world.assert_nothing_leaked(&proxy, &token);
    }
}
