//! `connectors render`.

use std::process::ExitCode;

use anyhow::{Context as _, bail};
use connectors_core::{Answer, Authenticator as _, Authorizer as _, SecretValue};
use connectors_crd::configurations::NO_PROXY;
use connectors_net::Authority;
use connectors_standalone::Directory;
use connectors_standalone::policy::Policy;
use connectors_standalone::state::State;

use crate::args::{DEFAULT_LISTEN, RenderArgs};
use crate::mount::{self, Volume};
use crate::proxy_address::{ProxyAddress, Tools};
use crate::{exec, logging, private_folder};

/// Writes the files, or none.
pub(crate) fn run(arguments: &RenderArgs) -> anyhow::Result<ExitCode> {
    let RenderArgs { using, files, out, force, proxy_address, audience, system } = arguments;
    let state = using.folder.open_state()?;
    let directory = Directory::open(&using.folder.dir, using.folder.options(&system.system_namespace))?;
    let tools = Tools::of(&directory.snapshot().load(), &using.connectors);
    let proxy = match (proxy_address, state.running()) {
        (Some(authority), _) => ProxyAddress::elsewhere(authority),
        (None, Some(running)) => ProxyAddress::local(exec::reachable(running.listen), &tools),
        (None, None) => {
            let dir = using.folder.dir.display();
            logging::remark(&format!("no proxy runs on {dir}: the files name {DEFAULT_LISTEN}, where `connectors standalone` listens unless told otherwise"));
            ProxyAddress::local(DEFAULT_LISTEN, &tools)
        }
    };
    let token = exec::token(using, audience, &directory)?;
    may_use(arguments, &state, &directory, &token)?;
    // Made if there is none yet, as the proxy would when it starts.
    Authority::load_or_create(state.folder()).context("the interception CA can't be used")?;
    let selection = mount::selection(files)?;
    let volume = Volume { directory: &directory, connectors: &using.connectors, token: &token, proxy: &proxy, state: &state, no_proxy: NO_PROXY };
    let files = volume.files(&selection)?.files;
    private_folder::make(out)?;
    private_folder::write(out, &files, *force)?;
    logging::note(&format!("{} files in {}", files.len(), out.display()));
    Ok(ExitCode::SUCCESS)
}

/// As a volume's driver asks before it writes anything: whether whoever the token is for may use each of the Connectors.
fn may_use(arguments: &RenderArgs, state: &State, directory: &Directory, token: &SecretValue) -> anyhow::Result<()> {
    let policy = Policy::new(state.signing_key()?, arguments.audience.clone(), directory.rights());
    let Answer::Now(identity) = policy.authenticate(token) else { bail!("the token can't be checked") };
    let Ok(identity) = identity else { bail!("the token is not accepted") };
    let flags = directory.snapshot().load().flags();
    for name in &arguments.using.connectors {
        let Answer::Now(Ok(true)) = policy.may_use(flags, &identity.caller, name) else {
            bail!("{} may not use Connector {name}: that takes a role with `get` on it", identity.caller.username);
        };
    }
    Ok(())
}
