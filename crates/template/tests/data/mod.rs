//! Data of the cases.

use std::sync::{Arc, LazyLock};

use connectors_template::{Field, Str, Struct, StructType, Type, Value};
use serde_json::Value as Json;

/// Any JSON, as Go has it in an `interface {}`.
pub(crate) fn from_json(json: &Json, floats: bool) -> Value {
    match json {
        Json::Null => Value::Nil,
        Json::Bool(truth) => Value::Bool(*truth),
        Json::Number(number) => match number.as_i64().filter(|_| !floats) {
            Some(number) => Value::from(number),
            None => Value::from(number.as_f64().expect("a number")),
        },
        Json::String(text) => Value::from(text.as_str()),
        Json::Array(items) => Value::list(items.iter().map(|item| from_json(item, floats)).collect()),
        Json::Object(entries) => Value::map(entries.iter().map(|(key, value)| (Str::from(key.as_str()), from_json(value, floats)))),
    }
}

struct Types {
    data: Arc<StructType>,
    connector: Arc<StructType>,
    meta: Arc<StructType>,
    spec: Arc<StructType>,
    auth: Arc<StructType>,
    param: Arc<StructType>,
    text: Arc<StructType>,
    reference: Arc<StructType>,
    secret: Arc<StructType>,
}

static TYPES: LazyLock<Types> = LazyLock::new(|| {
    let map = |element: Type| Type::Map(Arc::new(element));
    let list = |element: &Arc<StructType>| Type::Slice(Arc::new(Type::Struct(element.clone())));
    let meta = StructType::new(
        "main.ObjectMeta",
        vec![Field::new("Name", Type::String), Field::new("Namespace", Type::String), Field::new("Labels", map(Type::String))],
    );
    let text = StructType::new("main.IntOrString", vec![Field::new("StrVal", Type::String), Field::new("StringVal", Type::String)]);
    let param = StructType::new("main.Param", vec![Field::new("Name", Type::String), Field::new("Value", Type::Struct(text.clone()))]);
    let reference = StructType::new("main.SecretRef", vec![Field::new("Name", Type::String)]);
    let auth = StructType::new(
        "main.Auth",
        vec![Field::new("Name", Type::String), Field::new("SecretRef", Type::Pointer(reference.clone())), Field::new("Params", list(&param))],
    );
    let spec = StructType::new(
        "main.Spec",
        vec![
            Field::new("ConnectorClassName", Type::String),
            Field::new("Address", Type::String),
            Field::new("Params", list(&param)),
            Field::new("Auth", Type::Pointer(auth.clone())),
        ],
    );
    let connector = StructType::new(
        "main.Connector",
        vec![
            Field::embedded("ObjectMeta", Type::Struct(meta.clone())),
            Field::new("Metadata", Type::Struct(meta.clone())),
            Field::new("Spec", Type::Struct(spec.clone())),
        ],
    );
    let secret = StructType::new(
        "main.Secret",
        vec![
            Field::embedded("ObjectMeta", Type::Struct(meta.clone())),
            Field::new("Type", Type::String),
            Field::new("Data", map(Type::Bytes)),
            Field::new("StringData", map(Type::String)),
        ],
    );
    let data =
        StructType::new("main.Data", vec![Field::new("Connector", Type::Pointer(connector.clone())), Field::new("Secret", Type::Pointer(secret.clone()))]);
    Types { data, connector, meta, spec, auth, param, text, reference, secret }
});

fn string(json: &Json) -> Value {
    Value::from(json.as_str().unwrap_or_default())
}

fn object(kind: &Arc<StructType>, fields: Vec<Value>) -> Arc<Struct> {
    Arc::new(Struct::new(kind.clone(), fields))
}

fn string_map(json: &Json) -> Value {
    match json.as_object() {
        Some(entries) => Value::string_map(entries.iter().map(|(key, value)| (Str::from(key.as_str()), Str::from(value.as_str().unwrap_or_default())))),
        None => Value::Null(Type::Map(Arc::new(Type::String))),
    }
}

fn meta(json: &Json) -> Value {
    Value::Struct(object(&TYPES.meta, vec![string(&json["name"]), string(&json["namespace"]), string_map(&json["labels"])]))
}

fn params(json: &Json) -> Value {
    let element = Type::Struct(TYPES.param.clone());
    let Some(items) = json.as_array() else { return Value::Null(Type::Slice(Arc::new(element))) };
    let param = |item: &Json| {
        let text = object(&TYPES.text, vec![string(&item["value"]), string(&item["value"])]);
        Value::Struct(object(&TYPES.param, vec![string(&item["name"]), Value::Struct(text)]))
    };
    Value::slice(element, items.iter().map(param).collect())
}

/// A Connector and a Secret, as Go structs.
pub(crate) fn structs(json: &Json) -> Value {
    let (connector, secret) = (&json["Connector"], &json["Secret"]);
    let auth = match &connector["spec"]["auth"] {
        Json::Null => Value::Null(Type::Pointer(TYPES.auth.clone())),
        auth => {
            let reference = match &auth["secretRef"] {
                Json::Null => Value::Null(Type::Pointer(TYPES.reference.clone())),
                reference => Value::Pointer(object(&TYPES.reference, vec![string(&reference["name"])])),
            };
            Value::Pointer(object(&TYPES.auth, vec![string(&auth["name"]), reference, params(&auth["params"])]))
        }
    };
    let spec = &connector["spec"];
    let spec = object(&TYPES.spec, vec![string(&spec["connectorClassName"]), string(&spec["address"]), params(&spec["params"]), auth]);
    let metadata = meta(&connector["metadata"]);
    let connector = object(&TYPES.connector, vec![metadata.clone(), metadata, Value::Struct(spec)]);
    let secret = match secret {
        Json::Null => Value::Null(Type::Pointer(TYPES.secret.clone())),
        secret => {
            // What `data` has is what `stringData` has, but for the encoding.
            let texts = secret["stringData"].as_object().into_iter().flatten();
            let data = Value::bytes_map(texts.map(|(key, value)| (Str::from(key.as_str()), Str::from(value.as_str().unwrap_or_default()))));
            Value::Pointer(object(&TYPES.secret, vec![meta(&secret["metadata"]), string(&secret["type"]), data, string_map(&secret["stringData"])]))
        }
    };
    Value::Struct(object(&TYPES.data, vec![Value::Pointer(connector), secret]))
}
