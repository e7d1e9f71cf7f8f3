//! Rules of a Connector that depend on its class.

use crate::problem::{FieldPath, Problems};
use crate::suggest::did_you_mean;
use crate::validate::params::{Given, allows, not_allowed};
use crate::{AuthProbe, Connector, ConnectorAuth, ConnectorClass, Problem};

/// Everything in a Connector that doesn't fit its class. What is wrong with it in any case is found by [`crate::validate::connector`].
pub fn connector_against(connector: &Connector, class: &ConnectorClass) -> Vec<Problem> {
    let mut found = Problems::default();
    let spec = &connector.spec;
    if !allows(&class.spec.address, &spec.address) && !spec.address.is_empty() {
        found.error(&FieldPath::SPEC.key("address"), not_allowed(&class.spec.address));
    }
    let list = |what, declared, given| Given { class: &class.metadata.name, what, declared, given, all_required: true, hint: &|_| None };
    list("address extension", &class.spec.address_extensions, &spec.address_extensions).check(&FieldPath::SPEC.key("addressExtensions"), &mut found);
    let hint = |name: &str| belongs_to_auth(class, name);
    Given { hint: &hint, ..list("parameter", &class.spec.params, &spec.params) }.check(&FieldPath::SPEC.key("params"), &mut found);
    auth(spec.auth.as_ref(), class, &FieldPath::SPEC.key("auth"), &mut found);
    found.into_vec()
}

/// A parameter of an authentication probe that was put among those of the Connector.
fn belongs_to_auth(class: &ConnectorClass, name: &str) -> Option<String> {
    let declares = |probe: &AuthProbe| probe.params.iter().any(|spec| spec.name == name);
    class.spec.auth_probes.iter().any(declares).then(|| format!("{name:?} belongs in spec.auth.params"))
}

fn auth(given: Option<&ConnectorAuth>, class: &ConnectorClass, field: &FieldPath<'_>, found: &mut Problems) {
    let types = &class.spec.auth.types;
    // One without a name is an error of the class.
    let names = || types.iter().map(|auth| auth.name.as_str()).filter(|name| !name.is_empty());
    let Some(given) = given else {
        if !types.is_empty() && !types.iter().any(|auth| auth.optional) {
            let names: Vec<&str> = names().collect();
            found.error(field, format!("is required by ConnectorClass {:?}: give a name ({}) and a secretRef", class.metadata.name, names.join(", ")));
        }
        return;
    };
    if given.name.is_empty() {
        return;
    }
    let Some(auth) = class.auth_type(&given.name) else {
        let known = match names().next() {
            None => "it has none".to_owned(),
            Some(_) => format!("it has {}", names().collect::<Vec<_>>().join(", ")),
        };
        let more = did_you_mean(&given.name, names());
        found.error(&field.key("name"), format!("ConnectorClass {:?} has no authentication type {:?}; {known}{more}", class.metadata.name, given.name));
        return;
    };
    if given.secret_ref.is_none() && !auth.optional {
        found.error(&field.key("secretRef"), format!("is required by authentication type {:?}: the name of a Secret of type {}", auth.name, auth.secret_type));
    }
    let declared = class.auth_probe(&auth.name).map_or(&[][..], |probe| &probe.params);
    let hint = |name: &str| class.spec.params.iter().any(|spec| spec.name == name).then(|| format!("{name:?} belongs in spec.params"));
    Given {
        class: &class.metadata.name,
        what: "authentication parameter",
        declared,
        given: &given.params,
        // Without a Secret the probe has no credential to try, and parameters are for trying one.
        all_required: given.secret_ref.is_some(),
        hint: &hint,
    }
    .check(&field.key("params"), found);
}
