//! Go structs that are filled from JSON, by a table of their fields.

use super::DataError;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use connectors_template::{Field, IntKind, Str, Struct, StructType, Type, Value};
use serde_json::{Map, Value as Json};
use std::sync::Arc;

/// A struct type, and where its fields are in JSON.
pub(super) struct Record {
    kind: Arc<StructType>,
    members: Vec<Member>,
}

/// A field: its name, the key that it has in JSON, and what it is.
pub(super) struct Member {
    name: &'static str,
    key: Key,
    shape: Shape,
    embedded: bool,
}

/// Where a field's value is.
enum Key {
    /// Under a key.
    Named(&'static str),
    /// In the struct's own object, or it is what stands in the struct's place.
    Own,
}

/// What a field is.
pub(super) enum Shape {
    /// `string`.
    Text,
    /// `int64`.
    Integer,
    /// `bool`.
    Bool,
    /// `[]string`.
    Texts,
    /// `map[string]string`.
    TextMap,
    /// `map[string][]uint8`, in base64.
    BytesMap,
    /// `map[string]string`, in base64.
    DecodedMap,
    /// Of a param's value: the text, if it is one.
    ParamText,
    /// Of a param's value: its type's name.
    ParamType,
    /// Of a param's value: its texts, if it is a list.
    ParamTexts,
    /// Of a param's value: its texts, if it is an object.
    ParamTextMap,
    /// A struct.
    Struct(Arc<Record>),
    /// A pointer to a struct, which may be nil.
    Pointer(Arc<Record>),
    /// A slice of structs.
    List(Arc<Record>),
}

/// A field under a key.
pub(super) fn field(name: &'static str, key: &'static str, shape: Shape) -> Member {
    Member { name, key: Key::Named(key), shape, embedded: false }
}

/// A field of what stands in the struct's place.
pub(super) fn own(name: &'static str, shape: Shape) -> Member {
    Member { name, key: Key::Own, shape, embedded: false }
}

/// An embedded struct, whose fields are in an object of their own.
pub(super) fn embedded(name: &'static str, key: &'static str, record: &Arc<Record>) -> Member {
    Member { name, key: Key::Named(key), shape: Shape::Struct(Arc::clone(record)), embedded: true }
}

/// An embedded struct, whose fields are beside the others.
pub(super) fn inlined(name: &'static str, record: &Arc<Record>) -> Member {
    Member { name, key: Key::Own, shape: Shape::Struct(Arc::clone(record)), embedded: true }
}

impl Record {
    /// A type of this name, with its package.
    pub(super) fn new(name: &str, members: Vec<Member>) -> Arc<Self> {
        let field = |member: &Member| match member.embedded {
            true => Field::embedded(member.name, member.shape.kind()),
            false => Field::new(member.name, member.shape.kind()),
        };
        Arc::new(Self { kind: StructType::new(name, members.iter().map(field).collect()), members })
    }

    /// A pointer to a struct with what JSON has for its fields; nil for null.
    pub(super) fn pointer(self: &Arc<Self>, json: &Json, path: &str) -> Result<Value, DataError> {
        Shape::Pointer(Arc::clone(self)).read(json, path)
    }

    /// A field that is a pointer to one.
    pub(super) fn pointer_field(&self, name: &str) -> Field {
        Field::new(name, Type::Pointer(Arc::clone(&self.kind)))
    }

    fn read(&self, json: &Json, path: &str) -> Result<Arc<Struct>, DataError> {
        let value = |member: &Member| match member.key {
            Key::Named(key) => {
                if !json.is_object() && !json.is_null() {
                    return Err(wrong(path, "an object"));
                }
                member.shape.read(&json[key], &format!("{path}.{key}"))
            }
            Key::Own => member.shape.read(json, path),
        };
        let values = self.members.iter().map(value).collect::<Result<_, _>>()?;
        Ok(Arc::new(Struct::new(Arc::clone(&self.kind), values)))
    }
}

impl Shape {
    fn kind(&self) -> Type {
        match self {
            Self::Text | Self::ParamText | Self::ParamType => Type::String,
            Self::Integer => Type::Int(IntKind::Int64),
            Self::Bool => Type::Bool,
            Self::Texts | Self::ParamTexts => Type::Slice(Arc::new(Type::String)),
            Self::TextMap | Self::DecodedMap | Self::ParamTextMap => Type::Map(Arc::new(Type::String)),
            Self::BytesMap => Type::Map(Arc::new(Type::Bytes)),
            Self::Struct(record) => Type::Struct(Arc::clone(&record.kind)),
            Self::Pointer(record) => Type::Pointer(Arc::clone(&record.kind)),
            Self::List(record) => Type::Slice(Arc::new(Type::Struct(Arc::clone(&record.kind)))),
        }
    }

    /// The value; what isn't there is the type's zero value.
    fn read(&self, json: &Json, path: &str) -> Result<Value, DataError> {
        match (self, json) {
            (Self::Struct(record), _) => record.read(json, path).map(Value::Struct),
            (Self::Text, Json::Null) => Ok(Value::from("")),
            (Self::Text | Self::ParamText, Json::String(text)) => Ok(Value::from(text.as_str())),
            (Self::Text, _) => Err(wrong(path, "a string")),
            (Self::ParamText, _) => Ok(Value::from("")),
            (Self::ParamType, _) => Ok(Value::from(match json {
                Json::Array(_) => "array",
                Json::Object(_) => "object",
                _ => "string",
            })),
            (Self::Integer, Json::Null) => Ok(Value::from(0_i64)),
            (Self::Integer, _) => json.as_i64().map(Value::from).ok_or_else(|| wrong(path, "an integer")),
            (Self::Bool, Json::Null) => Ok(Value::from(false)),
            (Self::Bool, _) => json.as_bool().map(Value::from).ok_or_else(|| wrong(path, "true or false")),
            (Self::ParamTexts | Self::Texts, Json::Array(items)) => {
                items.iter().map(|item| text(item, path)).collect::<Result<Vec<_>, _>>().map(Value::strings)
            }
            (Self::ParamTextMap | Self::TextMap, Json::Object(fields)) => entries(fields, path, text).map(Value::string_map),
            (Self::BytesMap, Json::Object(fields)) => entries(fields, path, bytes).map(Value::bytes_map),
            (Self::DecodedMap, Json::Object(fields)) => entries(fields, path, bytes).map(Value::string_map),
            (Self::List(record), Json::Array(items)) => {
                let item = |(index, item): (usize, &Json)| record.read(item, &format!("{path}[{index}]")).map(Value::Struct);
                Ok(Value::slice(Type::Struct(Arc::clone(&record.kind)), items.iter().enumerate().map(item).collect::<Result<_, _>>()?))
            }
            (Self::Pointer(record), Json::Object(_)) => record.read(json, path).map(Value::Pointer),
            (Self::Texts | Self::TextMap | Self::BytesMap | Self::DecodedMap | Self::List(_) | Self::Pointer(_), Json::Null)
            | (Self::ParamTexts | Self::ParamTextMap, _) => Ok(Value::Null(self.kind())),
            (Self::Texts | Self::List(_), _) => Err(wrong(path, "a list")),
            (Self::TextMap | Self::BytesMap | Self::DecodedMap | Self::Pointer(_), _) => Err(wrong(path, "an object")),
        }
    }
}

fn entries(fields: &Map<String, Json>, path: &str, read: fn(&Json, &str) -> Result<Str, DataError>) -> Result<Vec<(Str, Str)>, DataError> {
    fields.iter().map(|(key, value)| Ok((Str::from(key.as_str()), read(value, &format!("{path}.{key}"))?))).collect()
}

fn text(json: &Json, path: &str) -> Result<Str, DataError> {
    json.as_str().map(Str::from).ok_or_else(|| wrong(path, "a string"))
}

fn bytes(json: &Json, path: &str) -> Result<Str, DataError> {
    let decoded = json.as_str().and_then(|text| STANDARD.decode(text).ok());
    decoded.map(Str::from).ok_or_else(|| wrong(path, "base64"))
}

fn wrong(path: &str, expected: &'static str) -> DataError {
    DataError::Field { path: path.to_owned(), expected }
}
