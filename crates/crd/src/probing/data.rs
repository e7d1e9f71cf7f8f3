//! What the templates of a probe see.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use connectors_expr::{DataError, probe_data};
use connectors_template::Value;
use serde_json::{Map, Value as Json, json};
use zeroize::Zeroize as _;

use crate::{AuthType, Connector, ConnectorAuth, ConnectorClass, Param, ParamSpec, Secret};

/// The data of templates, and the same with every value of the Secret replaced, to tell what may be shown of what was rendered.
pub(super) struct Data {
    pub(super) full: Value,
    pub(super) without_values: Value,
}

/// What stands for a value of the Secret.
const NOTHING: &str = "…";

impl Data {
    /// The Connector, with the defaults that its class declares, and its Secret. `auth` is the authentication type that is probed, for a
    /// Connector that names none.
    ///
    /// # Errors
    /// A field that is something else than it must be; validation refuses such a Connector.
    pub(super) fn new(connector: &Connector, class: &ConnectorClass, auth: Option<&AuthType>, secret: Option<&Secret>) -> Result<Self, DataError> {
        // A struct of texts and lists becomes JSON in any case.
        let connector = serde_json::to_value(with_defaults(connector, class, auth)).unwrap_or_default();
        let Some(secret) = secret else {
            let full = probe_data(&connector, &Json::Null)?;
            return Ok(Self { without_values: full.clone(), full });
        };
        let mut values = object(secret, |value| STANDARD.encode(value));
        let full = probe_data(&connector, &values);
        wipe(&mut values);
        Ok(Self { full: full?, without_values: probe_data(&connector, &object(secret, |_| STANDARD.encode(NOTHING)))? })
    }
}

/// A Secret as its manifest, its values as `encode` makes them.
fn object(secret: &Secret, encode: impl Fn(&[u8]) -> String) -> Json {
    let data: Map<String, Json> = secret.data.iter().map(|(key, value)| (key.clone(), Json::String(encode(value.expose())))).collect();
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"namespace": secret.namespace, "name": secret.name, "labels": secret.labels},
        "type": secret.secret_type,
        "data": data,
    })
}

fn wipe(object: &mut Json) {
    if let Some(data) = object.get_mut("data").and_then(Json::as_object_mut) {
        for value in data.values_mut() {
            if let Json::String(text) = value {
                text.zeroize();
            }
        }
    }
}

/// A template would else have to know each default of its class: a parameter that is left out is as if the default had been given.
fn with_defaults(connector: &Connector, class: &ConnectorClass, auth: Option<&AuthType>) -> Connector {
    let mut connector = connector.clone();
    let spec = &mut connector.spec;
    add_defaults(&mut spec.params, &class.spec.params);
    add_defaults(&mut spec.address_extensions, &class.spec.address_extensions);
    if let Some(auth) = auth {
        let given = spec.auth.get_or_insert_with(ConnectorAuth::default);
        if given.name.is_empty() {
            given.name.clone_from(&auth.name);
        }
    }
    if let Some(given) = &mut spec.auth
        && let Some(probe) = class.auth_probe(&given.name)
    {
        add_defaults(&mut given.params, &probe.params);
    }
    connector
}

fn add_defaults(given: &mut Vec<Param>, declared: &[ParamSpec]) {
    for spec in declared {
        if let Some(value) = &spec.default
            && !given.iter().any(|param| param.name == spec.name)
        {
            given.push(Param { name: spec.name.clone(), value: value.clone() });
        }
    }
}
