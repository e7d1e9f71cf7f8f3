//! What templates see.

use connectors_expr::FileData;
use serde_json::{Value, json};

use super::{Context, Mounted};
use crate::{Connector, ConnectorClass};

/// `.connector`, `.connectors`, `.connectorclass.proxyAddress`, `.context.token` and `.context.proxy.caCert`; `None` if the Connectors are nested too deeply.
pub(super) fn of(mounted: &[Mounted<'_>], context: &Context<'_>) -> Option<FileData> {
    let connectors: Vec<Value> = mounted.iter().map(|one| connector(one.connector, one.class.class())).collect();
    FileData::new(&json!({
        "connector": connectors.first(),
        "connectors": connectors,
        "connectorclass": {"proxyAddress": mounted.first().map_or("", |one| one.class_proxy)},
        "context": {
            "token": String::from_utf8_lossy(context.token.expose()),
            "proxy": {"caCert": context.ca_cert},
        },
    }))
}

/// And `.configurations`; `None` if a parameter is nested too deeply.
pub(super) fn with(data: &FileData, params: &Value) -> Option<FileData> {
    data.with("configurations", params)
}

/// Where workloads reach a Connector; empty if its class has no proxy.
pub(super) fn proxy_address(connector: &Connector) -> &str {
    connector.status.as_ref().and_then(|status| status.proxy.as_ref()).map_or("", |proxy| &proxy.http_address.url)
}

/// The object by its JSON names, with its name and namespace at hand, and with the class's defaults for parameters that it leaves out.
fn connector(connector: &Connector, class: &ConnectorClass) -> Value {
    let mut whole = connector.clone();
    for spec in &class.spec.params {
        if let Some(default) = &spec.default
            && !whole.spec.params.iter().any(|param| param.name == spec.name)
        {
            whole.spec.params.push(crate::Param { name: spec.name.clone(), value: default.clone() });
        }
    }
    let mut status = json!(whole.status);
    if !status.is_object() {
        status = json!({});
    }
    status["proxyAddress"] = json!(proxy_address(connector));
    json!({
        "name": whole.metadata.name,
        "namespace": whole.metadata.namespace,
        "metadata": whole.metadata,
        "spec": whole.spec,
        "status": status,
    })
}
