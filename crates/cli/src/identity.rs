//! Tokens from the state folder's signing key.

use std::time::SystemTime;

use anyhow::{Context as _, bail};
use connectors_core::{SecretValue, ServiceAccount};
use connectors_standalone::token::{DEFAULT_AUDIENCE, Holder, Lifetime};
use connectors_standalone::{Directory, Options};

use crate::args::Folder;

/// The audience of the proxy.
pub(crate) fn default_audience() -> Vec<String> {
    vec![DEFAULT_AUDIENCE.to_owned()]
}

/// A token for `namespace/name`, which must be a ServiceAccount of the directory.
pub(crate) fn service_account_token(folder: &Folder, name: &str, lifetime: Lifetime, audiences: &[String]) -> anyhow::Result<SecretValue> {
    let Some((namespace, account)) = name.split_once('/') else { bail!("--service-account must be NAMESPACE/NAME, not {name:?}") };
    let account = ServiceAccount { namespace: namespace.into(), name: account.into() };
    let directory = Directory::open(&folder.dir, folder.options(&Options::default().system_namespace))?;
    if !directory.rbac().load().exists(&account) {
        bail!("there is no ServiceAccount {account} in {}", folder.dir.display());
    }
    mint(folder, &Holder::ServiceAccount { account, uid: None, pod: None }, lifetime, audiences)
}

/// A token for the folder's owner, who may use every Connector: whoever can read the signing key could make any token.
pub(crate) fn owner_token(folder: &Folder, lifetime: Lifetime, audiences: &[String]) -> anyhow::Result<SecretValue> {
    mint(folder, &Holder::LocalOwner, lifetime, audiences)
}

fn mint(folder: &Folder, holder: &Holder, lifetime: Lifetime, audiences: &[String]) -> anyhow::Result<SecretValue> {
    let key = folder.open_state()?.signing_key()?;
    Ok(key.mint(holder, audiences, lifetime, SystemTime::now()).context("cannot make a token")?.token)
}
