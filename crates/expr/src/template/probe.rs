//! What the templates of probes see: the Connector and its Secret, with the names that Go's types have.

use super::DataError;
use super::record::{Record, Shape, embedded, field, inlined, own};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use connectors_template::{Struct, StructType, Value};
use serde_json::Value as Json;
use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

/// The data of a probe: `.Connector`, with `.Metadata`, `.Spec` and `.Status`, and `.Secret`, with `.Type`, `.Data` (bytes) and `.StringData` (the same, as
/// text). Both are pointers, so that `.Secret` can be nil: give null for it. Names and labels are found without `.Metadata` too, and as `.ObjectMeta`. A name is
/// the manifest's with a capital (`connectorClassName` is `.ConnectorClassName`), abbreviations in capitals as Go writes them (`.CACertSecretRef`,
/// `.Status.Proxy.HTTPAddress.URL`; in the status `HttpAddress`, `Url` and `Api` do too). A param's value is `.Value.StringVal`.
///
/// `secret` may have `data`, in base64, and `stringData`, which counts more, as in Kubernetes. Bytes that aren't UTF-8 stay what they are.
///
/// # Errors
/// If a field of a manifest has another type than it must have.
pub fn probe_data(connector: &Json, secret: &Json) -> Result<Value, DataError> {
    let types = &*TYPES;
    let connector = types.connector.pointer(connector, "Connector")?;
    let secret = types.secret.pointer(&merged(secret), "Secret")?;
    Ok(Value::Struct(Arc::new(Struct::new(Arc::clone(&types.data), vec![connector, secret]))))
}

struct Types {
    data: Arc<StructType>,
    connector: Arc<Record>,
    secret: Arc<Record>,
}

static TYPES: LazyLock<Types> = LazyLock::new(|| {
    use Shape::{Bool, BytesMap, DecodedMap, Integer, List, ParamText, ParamTextMap, ParamTexts, ParamType, Pointer, Struct, Text, TextMap, Texts};
    let type_meta = Record::new("main.TypeMeta", vec![field("Kind", "kind", Text), field("APIVersion", "apiVersion", Text)]);
    let owner = Record::new(
        "main.OwnerReference",
        vec![field("APIVersion", "apiVersion", Text), field("Kind", "kind", Text), field("Name", "name", Text), field("UID", "uid", Text)],
    );
    let object_meta = Record::new(
        "main.ObjectMeta",
        vec![
            field("Name", "name", Text),
            field("GenerateName", "generateName", Text),
            field("Namespace", "namespace", Text),
            field("UID", "uid", Text),
            field("ResourceVersion", "resourceVersion", Text),
            field("Generation", "generation", Integer),
            field("CreationTimestamp", "creationTimestamp", Text),
            field("DeletionTimestamp", "deletionTimestamp", Text),
            field("Labels", "labels", TextMap),
            field("Annotations", "annotations", TextMap),
            field("OwnerReferences", "ownerReferences", List(owner)),
            field("Finalizers", "finalizers", Texts),
        ],
    );
    let param_value =
        Record::new("main.ParamValue", vec![own("Type", ParamType), own("StringVal", ParamText), own("ArrayVal", ParamTexts), own("ObjectVal", ParamTextMap)]);
    let param = Record::new("main.Param", vec![field("Name", "name", Text), field("Value", "value", Struct(param_value))]);
    let secret_ref = Record::new(
        "main.SecretRef",
        vec![
            field("Kind", "kind", Text),
            field("Namespace", "namespace", Text),
            field("Name", "name", Text),
            field("UID", "uid", Text),
            field("APIVersion", "apiVersion", Text),
            field("ResourceVersion", "resourceVersion", Text),
            field("FieldPath", "fieldPath", Text),
        ],
    );
    let local_ref = Record::new("main.LocalSecretRef", vec![field("Name", "name", Text)]);
    let auth = Record::new(
        "main.Auth",
        vec![field("Name", "name", Text), field("SecretRef", "secretRef", Pointer(secret_ref)), field("Params", "params", List(Arc::clone(&param)))],
    );
    let spec = Record::new(
        "main.Spec",
        vec![
            field("ConnectorClassName", "connectorClassName", Text),
            field("Address", "address", Text),
            field("AddressExtensions", "addressExtensions", List(Arc::clone(&param))),
            field("Params", "params", List(param)),
            field("Auth", "auth", Pointer(auth)),
            field("CACertSecretRef", "caCertSecretRef", Pointer(local_ref)),
        ],
    );
    let condition = Record::new(
        "main.Condition",
        vec![
            field("Type", "type", Text),
            field("Status", "status", Text),
            field("Severity", "severity", Text),
            field("LastTransitionTime", "lastTransitionTime", Text),
            field("LastProbeTime", "lastProbeTime", Text),
            field("Reason", "reason", Text),
            field("Message", "message", Text),
        ],
    );
    let address = Record::new(
        "main.Addressable",
        vec![
            field("Name", "name", Text),
            field("URL", "url", Text),
            field("Url", "url", Text),
            field("CACerts", "CACerts", Text),
            field("Audience", "audience", Text),
        ],
    );
    let proxy = Record::new(
        "main.ProxyStatus",
        vec![field("HTTPAddress", "httpAddress", Pointer(Arc::clone(&address))), field("HttpAddress", "httpAddress", Pointer(address))],
    );
    let api = Record::new("main.APIStatus", vec![field("Path", "path", Text)]);
    let status = Record::new(
        "main.Status",
        vec![
            field("ObservedGeneration", "observedGeneration", Integer),
            field("Conditions", "conditions", List(condition)),
            field("Annotations", "annotations", TextMap),
            field("Proxy", "proxy", Pointer(proxy)),
            field("API", "api", Pointer(Arc::clone(&api))),
            field("Api", "api", Pointer(api)),
        ],
    );
    let connector = Record::new(
        "main.Connector",
        vec![
            inlined("TypeMeta", &type_meta),
            embedded("ObjectMeta", "metadata", &object_meta),
            field("Metadata", "metadata", Struct(Arc::clone(&object_meta))),
            field("Spec", "spec", Struct(spec)),
            field("Status", "status", Struct(status)),
        ],
    );
    let secret = Record::new(
        "main.Secret",
        vec![
            inlined("TypeMeta", &type_meta),
            embedded("ObjectMeta", "metadata", &object_meta),
            field("Metadata", "metadata", Struct(object_meta)),
            field("Immutable", "immutable", Bool),
            field("Data", "data", BytesMap),
            field("StringData", "data", DecodedMap),
            field("Type", "type", Text),
        ],
    );
    let data = StructType::new("main.Data", vec![connector.pointer_field("Connector"), secret.pointer_field("Secret")]);
    Types { data, connector, secret }
});

/// A Secret all of whose texts are in `data`.
fn merged(secret: &Json) -> Cow<'_, Json> {
    let Some(texts) = secret["stringData"].as_object() else { return Cow::Borrowed(secret) };
    let mut merged = secret.clone();
    for (key, text) in texts.iter().filter_map(|(key, text)| Some((key, text.as_str()?))) {
        if merged["data"].is_object() || merged["data"].is_null() {
            merged["data"][key] = Json::from(STANDARD.encode(text));
        }
    }
    Cow::Owned(merged)
}

#[cfg(test)]
mod tests {
    use super::*;
    use connectors_template::{Options, Template};
    use serde_json::json;

    fn connector() -> Json {
        json!({
            "apiVersion": "connectors.alauda.io/v1alpha1", "kind": "Connector",
            "metadata": {"name": "git", "namespace": "dev", "labels": {"a": "b"}, "generation": 3, "annotations": {"x/y": "z"}},
            "spec": {
                "connectorClassName": "git", "address": "https://git.example.org/",
                "params": [{"name": "ssl", "value": "true"}, {"name": "list", "value": ["p", "q"]}],
                "addressExtensions": [{"name": "api", "value": "https://api.example.org"}],
                "auth": {"name": "pat", "secretRef": {"name": "s", "namespace": "dev"}, "params": [{"name": "repo", "value": "x/y"}]},
                "caCertSecretRef": {"name": "ca"}
            },
            "status": {
                "observedGeneration": 3, "conditions": [{"type": "Ready", "status": "True"}],
                "proxy": {"httpAddress": {"url": "http://c-git.dev"}}, "api": {"path": "/connectors"}
            }
        })
    }

    fn render(text: &str, connector: &Json, secret: &Json) -> String {
        let data = match probe_data(connector, secret) {
            Ok(data) => data,
            Err(error) => return error.to_string(),
        };
        let rendered = Template::parse("t", text, Options::default()).and_then(|template| template.render(&data));
        rendered.map_or_else(|error| error.message().to_owned(), |bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    #[test]
    fn fields_of_a_connector() {
        let check = |path: &str, expect: &str| assert_eq!(render(&format!("{{{{ .Connector.{path} }}}}"), &connector(), &Json::Null), expect, "{path}");
        check("Name", "git");
        check("ObjectMeta.Name", "git");
        check("Metadata.Namespace", "dev");
        check("Kind", "Connector");
        check("TypeMeta.APIVersion", "connectors.alauda.io/v1alpha1");
        check("Labels", "map[a:b]");
        check("Annotations", "map[x/y:z]");
        check("Metadata.Generation", "3");
        check("Metadata.UID", "");
        check("Spec.ConnectorClassName", "git");
        check("Spec.Auth.SecretRef.Namespace", "dev");
        check("Spec.CACertSecretRef.Name", "ca");
        check("Status.ObservedGeneration", "3");
        check("Status.Proxy.HTTPAddress.URL", "http://c-git.dev");
        check("Status.Proxy.HttpAddress.Url", "http://c-git.dev");
        check("Status.API.Path", "/connectors");
        check("Status.Api.Path", "/connectors");
        check("Spec.Missing", "can't evaluate field Missing in type main.Spec");
        check("metadata", "can't evaluate field metadata in type *main.Connector");
        let check = |text: &str, expect: &str| assert_eq!(render(text, &connector(), &Json::Null), expect, "{text}");
        check("{{ range .Connector.Spec.Params }}{{ .Name }}={{ .Value.StringVal }}{{ .Value.ArrayVal }},{{ end }}", "ssl=true[],list=[p q],");
        check("{{ (index .Connector.Spec.AddressExtensions 0).Value.StringVal }}", "https://api.example.org");
        check("{{ range .Connector.Status.Conditions }}{{ .Type }}={{ .Status }}{{ end }}", "Ready=True");
        check("{{ .Secret.Type }}", "nil pointer evaluating *main.Secret.Type");
    }

    #[test]
    fn secrets() {
        let check = |secret: Json, expect: &str| {
            let text = r#"{{ .Secret.StringData }} {{ .Secret.Data.a }} {{ printf "%s" .Secret.Data.b }} {{ .Secret.Type }}"#;
            assert_eq!(render(text, &connector(), &secret), expect, "{secret}");
        };
        check(json!({"type": "Opaque", "data": {"a": "eHk=", "b": "eg=="}}), "map[a:xy b:z] [120 121] z Opaque");
        check(json!({"type": "Opaque", "data": {"a": "eHk=", "b": "eg=="}, "stringData": {"b": "w"}}), "map[a:xy b:w] [120 121] w Opaque");
        check(json!({"type": "Opaque", "stringData": {"a": "A", "b": "B"}}), "map[a:A b:B] [65] B Opaque");
        check(json!({"data": {"a": "/w==", "b": ""}}), "map[a:\u{fffd} b:] [255]  ");
    }

    #[test]
    fn what_is_no_manifest() {
        let check = |connector: Json, secret: Json, expect: &str| assert_eq!(render("", &connector, &secret), expect);
        check(json!(1), Json::Null, "Connector must be an object");
        check(json!({"spec": []}), Json::Null, "Connector.spec must be an object");
        check(json!({"spec": {"params": {}}}), Json::Null, "Connector.spec.params must be a list");
        check(json!({"spec": {"params": [{"name": 1}]}}), Json::Null, "Connector.spec.params[0].name must be a string");
        check(json!({"metadata": {"labels": {"a": true}}}), Json::Null, "Connector.metadata.labels.a must be a string");
        check(json!({"metadata": {"generation": "1"}}), Json::Null, "Connector.metadata.generation must be an integer");
        check(json!({}), json!({"data": {"token": "?"}}), "Secret.data.token must be base64");
        check(json!({}), json!({"data": [], "stringData": {"a": "b"}}), "Secret.data must be an object");
        check(json!({}), json!({"immutable": 1}), "Secret.immutable must be true or false");
    }
}
