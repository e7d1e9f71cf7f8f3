use serde_json::{Value, json};

use crate::testing::{checked, class, connector};
use crate::{Connector, Problem, validate};

fn lines(problems: &[Problem]) -> Vec<String> {
    problems.iter().map(|problem| format!("{} {problem}", problem.severity.as_str())).collect()
}

#[track_caller]
fn class_has(more: Value, expect: &[&str]) {
    assert_eq!(lines(&validate::class(&class(more.clone()))), expect, "{more}");
}

/// Of a Connector with `spec` changed like that, of the class as it is.
#[track_caller]
fn connector_has(more: Value, expect: &[&str]) {
    fits(class(json!({})), connector(more), expect);
}

#[track_caller]
fn fits(class: crate::ConnectorClass, connector: Connector, expect: &[&str]) {
    let mut problems = validate::connector(&connector);
    problems.extend(validate::connector_against(&connector, &class));
    assert_eq!(lines(&problems), expect);
}

#[test]
fn what_is_right_has_no_problems() {
    class_has(json!({}), &[]);
    connector_has(json!({}), &[]);
    connector_has(json!({"auth": null}), &[]);
    connector_has(json!({"auth": {"name": "basicAuth"}}), &[]);
    connector_has(json!({"params": [{"name": "mode", "value": "some"}], "addressExtensions": [{"name": "api", "value": "https://other.example/v3"}]}), &[]);
    connector_has(json!({"address": "http://git.example:3000/path/", "caCertSecretRef": {"name": "ca"}}), &[]);
}

#[test]
fn class_metadata() {
    for (name, good) in [("git", true), ("git.v2", true), ("Git", false), ("-git", false), (&"g".repeat(64), false)] {
        let mut class = class(json!({}));
        class.metadata.name = name.into();
        assert_eq!(validate::class(&class).is_empty(), good, "{name}");
    }
    let mut class = class(json!({}));
    class.metadata.name.clear();
    class.metadata.namespace = "team".into();
    class.metadata.annotations.insert("connectors.cpaas.io/proxy-resolver".into(), "hosts".into());
    let expect = [
        "error metadata.name: is required",
        "warning metadata.namespace: is ignored: a ConnectorClass belongs to no namespace",
        "error metadata.annotations[\"connectors.cpaas.io/proxy-resolver\"]: must be host or path",
    ];
    assert_eq!(lines(&validate::class(&class)), expect);
}

#[test]
fn declared_parameters() {
    class_has(
        json!({
            "address": {"type": "array", "default": "not looked at"},
            "addressExtensions": [{"name": "api", "default": "api.example"}, {"name": "api"}, {}],
            "params": [{"name": "a", "default": 1}, {"name": "b", "default": "z", "enum": ["x", "y"]}, {"name": "c", "type": "object"}],
        }),
        &[
            "error spec.address.type: must be string; no other type is supported here",
            "error spec.address.default: must be an absolute URL that begins with http:// or https://",
            "error spec.addressExtensions[1].name: must be unique in the list, but \"api\" occurs before",
            "error spec.addressExtensions[2].name: is required",
            "error spec.addressExtensions[0].default: must be an absolute URL that begins with http:// or https://",
            "error spec.params[0].default: must be a string, because the parameter is one; it is a number",
            "error spec.params[1].default: must be one of \"x\", \"y\"",
            "error spec.params[2].type: must be string; no other type is supported here",
        ],
    );
}

#[test]
fn authentication_types() {
    class_has(
        json!({"auth": {"types": [
            {"name": "a", "secretType": "Opaque"},
            {"name": "a", "secretType": "kubernetes.io/ssh-auth"},
            {},
            {"name": "b", "secretType": "kubernetes.io/basic-auth", "generator": {"rego": "package proxy\nauth = http.send({})"}},
            {"name": "c", "secretType": "Opaque", "params": [{"name": "token"}, {"name": "token"}], "generator": {"rego": "package x"}},
            {"name": "d", "secretType": "a b"},
        ]}}),
        &[
            "error spec.auth.types[1].name: must be unique in the list, but \"a\" occurs before",
            "error spec.auth.types[2].name: is required",
            "error spec.auth.types[0].params: is required, because a Secret of type \"Opaque\" may have any keys: name those that are needed",
            "warning spec.auth.types[0]: injects nothing: only kubernetes.io/basic-auth and connectors.cpaas.io/bearer-token say by themselves how a credential is sent, and there is no generator.rego",
            "warning spec.auth.types[1]: injects nothing: only kubernetes.io/basic-auth and connectors.cpaas.io/bearer-token say by themselves how a credential is sent, and there is no generator.rego",
            "error spec.auth.types[2].secretType: is required: a Secret type such as kubernetes.io/basic-auth, or Opaque",
            "error spec.auth.types[3].generator.rego: is no usable rule: 2:8: http.send isn't available here: rules can't reach the network, the environment or files",
            "error spec.auth.types[4].params[1].name: must be unique in the list, but \"token\" occurs before",
            "error spec.auth.types[4].generator.rego: is no usable rule: the module must define data.proxy.auth: `package proxy` with a rule `auth`",
            "error spec.auth.types[5].secretType: must be a Secret type, without blanks",
            "warning spec.auth.types[5]: injects nothing: only kubernetes.io/basic-auth and connectors.cpaas.io/bearer-token say by themselves how a credential is sent, and there is no generator.rego",
        ],
    );
}

#[test]
fn probes() {
    class_has(
        json!({
            "livenessProbe": {"http": {"path": "/"}},
            "authProbes": [
                {"authName": "basic-auth", "probe": {"http": {"path": "x", "httpHeaders": [{"value": "v"}]}}},
                {"authName": "tokenAuth", "params": [{"name": "repository"}], "probe": {}},
                {"authName": "tokenAuth", "probe": {"http": {"path": "{{ .x }}"}, "api": {"path": "/"}}},
                {"probe": {"api": {}}},
            ],
        }),
        &[
            "error spec.authProbes[2].authName: must be unique in the list, but \"tokenAuth\" occurs before",
            "error spec.authProbes[3].authName: is required",
            "error spec.authProbes[0].authName: must name one of spec.auth.types, which has basicAuth, tokenAuth; did you mean \"basicAuth\"?",
            "error spec.authProbes[0].probe.http.path: must begin with '/'",
            "error spec.authProbes[0].probe.http.httpHeaders[0].name: is required",
            "error spec.authProbes[1].probe: must have one of http and api",
            "error spec.authProbes[2].probe: must have only one of http and api",
            "error spec.authProbes[3].probe.api: needs spec.api, which says where the class's API is",
            "error spec.authProbes[3].probe.api.path: is required",
        ],
    );
}

#[test]
fn destinations_and_files() {
    class_has(
        json!({
            "api": {"ref": {"name": "plugin"}, "uri": "x", "openapi": {"paths": {}}, "permissions": {"rego": "r"}},
            "proxy": {"ref": {"kind": "Service"}, "CACerts": "no PEM", "authExtractor": {"rego": "package proxy\nauth = {\"token\": input.request.body.t}"}},
            "configurations": [{"name": "f", "data": {"../x": "", "..": "", ".env": "", "t": "a\n{{ nofunc }}"}}, {"name": "f"}],
        }),
        &[
            "error spec.api.ref.kind: is required: Service, for a Service",
            "error spec.api.uri: must be an absolute http or https URL, or a path that begins with '/'",
            "error spec.api.permissions.rego: is not supported by this version",
            "warning spec.api: is not served by this version",
            "error spec.proxy.ref.name: is required",
            "error spec.proxy.CACerts: must be PEM certificates",
            "error spec.proxy.authExtractor.rego: reads input.request.body, or all of the request, where this version can't look for a token: name headers or parameters of the query",
            "error spec.configurations[1].name: must be unique in the list, but \"f\" occurs before",
            "error spec.configurations[0].data[\"..\"]: must be the name of a file: at most 255 bytes, without '/' and '..', and other than '.'",
            "error spec.configurations[0].data[\"../x\"]: must be the name of a file: at most 255 bytes, without '/' and '..', and other than '.'",
            "error spec.configurations[0].data.t: is no usable template: line 2: function \"nofunc\" not defined",
        ],
    );
    let files =
        |count: usize| json!({"name": format!("c{count}"), "data": (0..count).map(|n| (format!("f{n}"), "".into())).collect::<serde_json::Map<_, _>>()});
    class_has(json!({"configurations": [files(100), files(28)]}), &[]);
    class_has(json!({"configurations": [files(100), files(29)]}), &["error spec.configurations: must have at most 128 files together, but they have 129"]);
    class_has(json!({"proxy": {}}), &["error spec.proxy: must have ref or uri"]);
    let message = "error spec.proxy.uri: must be an absolute http or https URL, because there is no ref to resolve it against";
    class_has(json!({"proxy": {"uri": "/prefix"}}), &[message]);
    class_has(json!({"proxy": {"ref": {"kind": "Service", "name": "connectors-proxy-service"}, "uri": "/prefix", "CACerts": crate::testing::ca_pem()}}), &[]);
}

#[test]
fn connector_metadata() {
    for (namespace, name, expect) in [
        ("team", "repo", &[][..]),
        ("Team", "repo", &["error metadata.namespace: must be 1 to 63 of a-z, 0-9 and '-', starting and ending with a letter or digit"]),
        ("team", "", &["error metadata.name: is required"]),
        (
            "team",
            &"r".repeat(62),
            &[
                "error metadata.name: must be 1 to 61 of a-z, 0-9 and '-', starting and ending with a letter or digit, so that its Service can be called c-<name>",
            ],
        ),
    ] {
        let mut connector = connector(json!({}));
        (connector.metadata.namespace, connector.metadata.name) = (namespace.into(), name.into());
        fits(class(json!({})), connector, expect);
    }
}

#[test]
fn addresses() {
    for (address, expect) in [
        (json!(""), "is required: an http or https URL"),
        (json!("git.example"), "must be an absolute URL that begins with http:// or https://"),
        (json!("https://u:p@git.example"), "must not carry user information before the host; credentials belong in the Secret that spec.auth.secretRef names"),
        (json!("https://git.example?a=b"), "must not carry a query ('?')"),
        (json!("https://git.example/#f"), "must not carry a fragment ('#')"),
        (json!("https://git.example:0"), "has no valid host: the port must be a number from 1 to 65535"),
        (json!("https://git.example/a/../b"), "has no valid path: the path has a '.' or '..' segment, plain or encoded"),
    ] {
        connector_has(json!({"address": address}), &[&format!("error spec.address: {expect}")]);
    }
    let limited = class(json!({"address": {"enum": ["https://one.example", "https://two.example"]}}));
    fits(limited, connector(json!({})), &["error spec.address: must be one of \"https://one.example\", \"https://two.example\""]);
}

#[test]
fn address_extensions() {
    connector_has(
        json!({"addressExtensions": [
            {"name": "api", "value": "HTTPS://git.example:443/"},
            {"name": "api", "value": "https://x.example"},
            {"name": "raw", "value": "x"},
            {"name": "", "value": 3},
            {"name": "none"},
        ]}),
        &[
            "error spec.addressExtensions[1].name: must be unique in the list, but \"api\" occurs before",
            "error spec.addressExtensions[3].name: is required",
            "error spec.addressExtensions[3].value: must be a string, but it is a number; put it in quotes",
            "error spec.addressExtensions[4].value: is required",
            "error spec.addressExtensions[0].value: must not be the same as spec.address",
            "error spec.addressExtensions[2].value: must be an absolute URL that begins with http:// or https://",
            "error spec.addressExtensions[2].name: ConnectorClass \"git\" declares no address extension \"raw\"; it declares api",
            "error spec.addressExtensions[4].name: ConnectorClass \"git\" declares no address extension \"none\"; it declares api",
        ],
    );
    fits(
        class(json!({"addressExtensions": [{"name": "api"}]})),
        connector(json!({})),
        &["error spec.addressExtensions: address extension \"api\" is required by ConnectorClass \"git\": add {name: api, value: …}"],
    );
}

#[test]
fn parameters() {
    connector_has(
        json!({"params": [{"name": "mode", "value": "none"}, {"name": "mod", "value": "x"}, {"name": "a", "value": ["x"]}]}),
        &[
            "error spec.params[2].value: must be a string, but it is a list",
            "error spec.params[0].value: must be one of \"all\", \"some\"",
            "error spec.params[1].name: ConnectorClass \"git\" declares no parameter \"mod\"; it declares mode; did you mean \"mode\"?",
            "error spec.params[2].name: ConnectorClass \"git\" declares no parameter \"a\"; it declares mode",
        ],
    );
    connector_has(
        json!({"params": [{"name": "mode", "value": true}]}),
        &["error spec.params[0].value: must be a string, but it is a boolean; put it in quotes"],
    );
    fits(
        class(json!({"params": [{"name": "a"}, {"name": "b", "default": ""}]})),
        connector(json!({})),
        &["error spec.params: parameter \"a\" is required by ConnectorClass \"git\": add {name: a, value: …}"],
    );
}

#[test]
fn authentication() {
    connector_has(
        json!({"auth": {"name": "basic-auth"}}),
        &["error spec.auth.name: ConnectorClass \"git\" has no authentication type \"basic-auth\"; it has basicAuth, tokenAuth; did you mean \"basicAuth\"?"],
    );
    connector_has(
        json!({"auth": {"name": "baseAuth"}}),
        &["error spec.auth.name: ConnectorClass \"git\" has no authentication type \"baseAuth\"; it has basicAuth, tokenAuth; did you mean \"basicAuth\"?"],
    );
    connector_has(
        json!({"auth": {"name": "tokenAuth"}}),
        &["error spec.auth.secretRef: is required by authentication type \"tokenAuth\": the name of a Secret of type connectors.cpaas.io/bearer-token"],
    );
    connector_has(
        json!({"auth": {"secretRef": {"name": "A_b"}}}),
        &[
            "error spec.auth.name: is required: the name of one of the class's spec.auth.types",
            "error spec.auth.secretRef.name: must be the name of a Secret: a-z, 0-9, '-' and '.', starting and ending with a letter or digit",
        ],
    );
    connector_has(
        json!({"auth": {"name": "tokenAuth", "secretRef": {}}, "caCertSecretRef": {}}),
        &["error spec.auth.secretRef.name: is required: the name of a Secret", "error spec.caCertSecretRef.name: is required: the name of a Secret"],
    );
    let strict = || class(json!({"auth": {"types": [{"name": "tokenAuth", "secretType": "connectors.cpaas.io/bearer-token"}]}}));
    fits(strict(), connector(json!({"auth": null})), &["error spec.auth: is required by ConnectorClass \"git\": give a name (tokenAuth) and a secretRef"]);
    let open = class(json!({"auth": {}}));
    fits(open.clone(), connector(json!({"auth": null})), &[]);
    fits(open, connector(json!({})), &["error spec.auth.name: ConnectorClass \"git\" has no authentication type \"basicAuth\"; it has none"]);
}

#[test]
fn authentication_parameters() {
    let probed = || {
        class(json!({"authProbes": [
            {"authName": "basicAuth", "params": [{"name": "repository"}, {"name": "branch", "default": "main"}], "probe": {"http": {"path": "/"}}},
        ]}))
    };
    let secret = json!({"name": "repo"});
    fits(
        probed(),
        connector(json!({})),
        &["error spec.auth.params: authentication parameter \"repository\" is required by ConnectorClass \"git\": add {name: repository, value: …}"],
    );
    fits(probed(), connector(json!({"auth": {"name": "basicAuth", "secretRef": secret, "params": [{"name": "repository", "value": "a/b.git"}]}})), &[]);
    // Without a Secret there is nothing to probe.
    fits(probed(), connector(json!({"auth": {"name": "basicAuth"}})), &[]);
    fits(
        probed(),
        connector(json!({"auth": {"name": "basicAuth", "params": [{"name": "mode", "value": "all"}]}, "params": [{"name": "repository", "value": "a"}]})),
        &[
            "error spec.params[0].name: ConnectorClass \"git\" declares no parameter \"repository\"; it declares mode; \"repository\" belongs in spec.auth.params",
            "error spec.auth.params[0].name: ConnectorClass \"git\" declares no authentication parameter \"mode\"; it declares repository, branch; \"mode\" belongs in spec.params",
        ],
    );
}

#[test]
fn p15_a_secret_of_another_namespace_is_refused() {
    connector_has(
        json!({"auth": {"name": "basicAuth", "secretRef": {"name": "repo", "namespace": "kube-system"}}}),
        &[
            "error spec.auth.secretRef.namespace: must be the Connector's own namespace, \"team\", or left out: a Connector can't use the Secret of another namespace",
        ],
    );
    connector_has(json!({"auth": {"name": "basicAuth", "secretRef": {"name": "repo", "namespace": "team", "kind": "Secret", "apiVersion": "v1"}}}), &[]);
}

#[test]
fn a_class_is_checked_together_with_what_is_known_already() {
    assert!(checked(class(json!({}))).error().is_none());
    let broken = checked(class(json!({"params": [{}]})));
    assert_eq!(broken.error().unwrap().to_string(), "spec.params[0].name: is required");
    // Warnings don't make it unusable.
    assert!(checked(class(json!({"livenessProbe": {"http": {"path": "/"}}}))).error().is_none());
}
