//! Feature flags.

/// The switches in the ConfigMap `connectors-config`, all off unless set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Flags {
    /// The API gateway also asks for subresource `apis`.
    pub connector_apis_permissions: bool,
    /// The API gateway lets writes through.
    pub connector_apis_write_passthrough: bool,
    /// The proxy also asks for subresource `proxy`.
    pub connector_proxy_permissions: bool,
    /// AccessPolicy and AccessRequest are in force.
    pub connectors_approval: bool,
    /// A CSI volume may name several Connectors.
    pub multi_connector: bool,
    /// CA Secrets labelled `connectors.cpaas.io/ca-cert: "true"` are trusted.
    pub custom_ca_certs: bool,
    /// Pod images may be rewritten to come through a Connector.
    pub pod_image_pull_via_connector: bool,
}

/// A key or value in the flags ConfigMap that counts as the default.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnknownFlag {
    /// No flag of that name.
    #[error("no feature flag is called {0:?}; known are {known}", known = Flags::NAMES.join(", "))]
    Key(String),
    /// Neither `"true"` nor `"false"`.
    #[error("feature flag {0} must be \"true\" or \"false\"; it counts as \"false\"")]
    Value(String),
}

impl Flags {
    /// The keys of the ConfigMap.
    pub const NAMES: [&'static str; 7] = [
        "enable-connector-apis-permissions",
        "enable-connector-apis-write-passthrough",
        "enable-connector-proxy-permissions",
        "enable-connectors-approval",
        "enable-multi-connector",
        "enable-custom-ca-certs",
        "enable-pod-image-pull-via-connector",
    ];

    /// Reads a ConfigMap's data. What can't be read counts as off and comes back to be reported.
    pub fn parse<'a>(data: impl IntoIterator<Item = (&'a str, &'a str)>) -> (Self, Vec<UnknownFlag>) {
        let mut flags = Self::default();
        let mut unknown = Vec::new();
        for (key, value) in data {
            let Some(slot) = flags.slot(key) else {
                unknown.push(UnknownFlag::Key(key.to_owned()));
                continue;
            };
            match value {
                "true" => *slot = true,
                "false" => *slot = false,
                _ => unknown.push(UnknownFlag::Value(key.to_owned())),
            }
        }
        (flags, unknown)
    }

    fn slot(&mut self, key: &str) -> Option<&mut bool> {
        let [apis_permissions, apis_write, proxy_permissions, approval, multi, custom_ca, image_pull] = Self::NAMES;
        Some(match key {
            _ if key == apis_permissions => &mut self.connector_apis_permissions,
            _ if key == apis_write => &mut self.connector_apis_write_passthrough,
            _ if key == proxy_permissions => &mut self.connector_proxy_permissions,
            _ if key == approval => &mut self.connectors_approval,
            _ if key == multi => &mut self.multi_connector,
            _ if key == custom_ca => &mut self.custom_ca_certs,
            _ if key == image_pull => &mut self.pod_image_pull_via_connector,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_keys_and_values_are_off_and_reported() {
        let (flags, unknown) = Flags::parse([("enable-custom-ca-certs", "true"), ("enable-connector-proxy-permissions", "yes"), ("enable-everything", "true")]);
        assert_eq!(flags, Flags { custom_ca_certs: true, ..Flags::default() });
        assert_eq!(unknown, [UnknownFlag::Value("enable-connector-proxy-permissions".into()), UnknownFlag::Key("enable-everything".into())]);
    }
}
