//! Tokens from the state folder's signing key.

use std::time::SystemTime;

use anyhow::Context as _;
use connectors_core::{SecretValue, ServiceAccount};
use connectors_standalone::Directory;
use connectors_standalone::token::{DEFAULT_AUDIENCE, Holder, Lifetime};

use crate::absence;
use crate::args::Folder;

/// The audience of the proxy.
pub(crate) fn default_audience() -> Vec<String> {
    vec![DEFAULT_AUDIENCE.to_owned()]
}

/// A token for a ServiceAccount, which must be one of the directory. The key is in `folder`'s state folder.
pub(crate) fn service_account_token(
    folder: &Folder,
    directory: &Directory,
    account: &ServiceAccount,
    lifetime: Lifetime,
    audiences: &[String],
) -> anyhow::Result<SecretValue> {
    if !directory.rights().load().exists(account) {
        return Err(absence::error(&format!("ServiceAccount {account}"), directory));
    }
    mint(folder, &Holder::ServiceAccount { account: account.clone(), uid: None, pod: None }, lifetime, audiences)
}

/// A token for the folder's owner, who may use every Connector: whoever can read the signing key could make any token.
pub(crate) fn owner_token(folder: &Folder, lifetime: Lifetime, audiences: &[String]) -> anyhow::Result<SecretValue> {
    mint(folder, &Holder::LocalOwner, lifetime, audiences)
}

fn mint(folder: &Folder, holder: &Holder, lifetime: Lifetime, audiences: &[String]) -> anyhow::Result<SecretValue> {
    let key = folder.open_state()?.signing_key()?;
    Ok(key.mint(holder, audiences, lifetime, SystemTime::now()).context("cannot make a token")?.token)
}
