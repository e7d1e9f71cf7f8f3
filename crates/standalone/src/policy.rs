//! Who and whether, without a cluster: local tokens and the directory's own RBAC.

use std::sync::Arc;
use std::time::SystemTime;

use connectors_core::{Answer, Authenticator, Authorizer, Caller, ConnectorRef, Flags, Identity, Pod, SecretValue, ServiceAccount, Unauthenticated, Undecided};

use crate::rbac::{Attributes, Rights, USE};
use crate::token::{Holder, LOCAL_OWNER, SigningKey, TokenError};

/// Answers at once, from the signing key and the manifests in force.
pub struct Policy {
    key: SigningKey,
    audiences: Vec<String>,
    rights: Arc<Rights>,
}

impl Policy {
    /// Accepts tokens of that key for one of those audiences.
    pub fn new(key: SigningKey, audiences: Vec<String>, rights: Arc<Rights>) -> Self {
        Self { key, audiences, rights }
    }

    fn identify(&self, token: &SecretValue, now: SystemTime) -> Result<Identity, Unauthenticated> {
        let verified = self.key.verify(token, &self.audiences, now).map_err(refusal)?;
        let caller = match verified.holder {
            Holder::ServiceAccount { account, pod, .. } => Caller {
                username: account.username().into(),
                groups: account.groups(),
                pod: pod.map(|name| Pod { namespace: account.namespace.clone(), name }),
                service_account: Some(account),
            },
            Holder::LocalOwner => Caller { username: LOCAL_OWNER.into(), groups: vec!["system:authenticated".into()], service_account: None, pod: None },
        };
        match self.still_stands(&caller) {
            true => Ok(Identity { caller, expires: verified.expires }),
            false => Err(Unauthenticated::Refused("its ServiceAccount does not exist")),
        }
    }

    fn allows(&self, flags: Flags, caller: &Caller, connector: &ConnectorRef) -> bool {
        // Whoever can read the signing key could make any token, so there is nothing to withhold. Service accounts can't have this name.
        if caller.service_account.is_none() {
            return &*caller.username == LOCAL_OWNER;
        }
        let rbac = self.rights.load();
        if !rbac.allows_use(caller, connector.namespace(), connector.name()) {
            return false;
        }
        if !flags.connector_proxy_permissions {
            return true;
        }
        let proxy = Attributes { verb: "*", subresource: "proxy", namespace: connector.namespace(), name: connector.name(), ..USE };
        rbac.allows(caller, &proxy)
            || caller.pod.as_ref().is_some_and(|pod| {
                let subresource = format!("proxy/v1/pod/{}/{}", pod.namespace, pod.name);
                rbac.allows(caller, &Attributes { subresource: &subresource, ..proxy })
            })
    }
}

/// `verify` looks at a token's times only once its signature is known to be right.
fn refusal(error: TokenError) -> Unauthenticated {
    match error {
        TokenError::Expired => Unauthenticated::Expired,
        other => Unauthenticated::Refused(other.as_str()),
    }
}

impl Authenticator for Policy {
    fn authenticate<'a>(&'a self, token: &'a SecretValue) -> Answer<'a, Result<Identity, Unauthenticated>> {
        Answer::Now(self.identify(token, SystemTime::now()))
    }

    fn still_stands(&self, caller: &Caller) -> bool {
        let exists = |account: &ServiceAccount| self.rights.load().exists(account);
        caller.service_account.as_ref().is_none_or(exists)
    }

    fn standing_since(&self) -> Option<u64> {
        Some(self.rights.changes())
    }
}

impl Authorizer for Policy {
    fn may_use<'a>(&'a self, flags: Flags, caller: &'a Caller, connector: &'a ConnectorRef) -> Answer<'a, Result<bool, Undecided>> {
        Answer::Now(Ok(self.allows(flags, caller, connector)))
    }
}

#[cfg(test)]
mod tests;
