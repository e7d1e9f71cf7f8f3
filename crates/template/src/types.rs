//! Go's types, as far as templates meet them.

use std::fmt;
use std::sync::Arc;

use crate::value::Value;

/// A type of Go's. `Display` gives the name that `%T` prints.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Type {
    /// `interface {}`: what a value from JSON has for a static type.
    Interface,
    /// `bool`.
    Bool,
    /// A signed integer.
    Int(IntKind),
    /// An unsigned integer.
    Uint(UintKind),
    /// `float64`.
    Float64,
    /// `complex128`.
    Complex128,
    /// `string`.
    String,
    /// `[]uint8`.
    Bytes,
    /// A slice.
    Slice(Arc<Type>),
    /// A map from strings.
    Map(Arc<Type>),
    /// A struct.
    Struct(Arc<StructType>),
    /// A pointer to a struct.
    Pointer(Arc<StructType>),
    /// `time.Time`.
    Time,
    /// `*semver.Version`.
    Version,
}

/// Which signed integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum IntKind {
    /// `int`, 64 bits.
    Int,
    /// `int32`.
    Int32,
    /// `int64`.
    Int64,
    /// `time.Duration`.
    Duration,
    /// `time.Month`.
    Month,
    /// `time.Weekday`.
    Weekday,
}

/// Which unsigned integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UintKind {
    /// `uint`, 64 bits.
    Uint,
    /// `uint8`: a byte of a string.
    Uint8,
    /// `uint32`.
    Uint32,
    /// `uint64`.
    Uint64,
}

/// A struct type: its name with its package, `main.Spec`, and its exported fields.
#[derive(Debug)]
pub struct StructType {
    name: String,
    fields: Vec<Field>,
}

/// A field of a struct type.
#[derive(Clone, Debug)]
pub struct Field {
    /// The name; of an embedded struct, the struct's.
    pub name: String,
    /// The type.
    pub kind: Type,
    /// Whether the fields of the struct in it can be named as if they were of the outer struct.
    pub embedded: bool,
}

impl Field {
    /// A field that isn't embedded.
    pub fn new(name: &str, kind: Type) -> Self {
        Self { name: name.to_owned(), kind, embedded: false }
    }

    /// An embedded struct.
    pub fn embedded(name: &str, kind: Type) -> Self {
        Self { name: name.to_owned(), kind, embedded: true }
    }
}

impl PartialEq for StructType {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for StructType {}

impl StructType {
    /// A type. Types are the same if their names are.
    pub fn new(name: &str, fields: Vec<Field>) -> Arc<Self> {
        Arc::new(Self { name: name.to_owned(), fields })
    }

    /// The name, with the package.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The fields, in order.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// The way to a field: an index for each struct on it, the last of them the field's. Fields of embedded structs are
    /// found after the struct's own, as the Go specification says of selectors.
    pub(crate) fn find(&self, name: &str) -> Option<Vec<usize>> {
        let mut level: Vec<(Vec<usize>, &Self)> = vec![(Vec::new(), self)];
        while !level.is_empty() {
            let mut next = Vec::new();
            for (path, kind) in level {
                for (index, field) in kind.fields.iter().enumerate() {
                    let mut path = path.clone();
                    path.push(index);
                    if field.name == name {
                        return Some(path);
                    }
                    if let (true, Type::Struct(inner) | Type::Pointer(inner)) = (field.embedded, &field.kind) {
                        next.push((path, &**inner));
                    }
                }
            }
            level = next;
        }
        None
    }
}

impl IntKind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Int => "int",
            Self::Int32 => "int32",
            Self::Int64 => "int64",
            Self::Duration => "time.Duration",
            Self::Month => "time.Month",
            Self::Weekday => "time.Weekday",
        }
    }

    pub(crate) fn kind_name(self) -> &'static str {
        match self {
            Self::Int | Self::Month | Self::Weekday => "int",
            Self::Int32 => "int32",
            Self::Int64 | Self::Duration => "int64",
        }
    }
}

impl UintKind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Uint => "uint",
            Self::Uint8 => "uint8",
            Self::Uint32 => "uint32",
            Self::Uint64 => "uint64",
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Interface => f.write_str("interface {}"),
            Self::Bool => f.write_str("bool"),
            Self::Int(kind) => f.write_str(kind.name()),
            Self::Uint(kind) => f.write_str(kind.name()),
            Self::Float64 => f.write_str("float64"),
            Self::Complex128 => f.write_str("complex128"),
            Self::String => f.write_str("string"),
            Self::Bytes => f.write_str("[]uint8"),
            Self::Slice(element) => write!(f, "[]{element}"),
            Self::Map(element) => write!(f, "map[string]{element}"),
            Self::Struct(kind) => f.write_str(&kind.name),
            Self::Pointer(kind) => write!(f, "*{}", kind.name),
            Self::Time => f.write_str("time.Time"),
            Self::Version => f.write_str("*semver.Version"),
        }
    }
}

impl Type {
    /// What `reflect.Kind` calls it.
    pub(crate) fn kind_name(&self) -> &'static str {
        match self {
            Self::Interface => "interface",
            Self::Bool => "bool",
            Self::Int(kind) => kind.kind_name(),
            Self::Uint(kind) => kind.name(),
            Self::Float64 => "float64",
            Self::Complex128 => "complex128",
            Self::String => "string",
            Self::Bytes | Self::Slice(_) => "slice",
            Self::Map(_) => "map",
            Self::Struct(_) | Self::Time => "struct",
            Self::Pointer(_) | Self::Version => "ptr",
        }
    }

    /// What a variable of this type is before it is given a value.
    pub(crate) fn zero(&self) -> Value {
        match self {
            Self::Interface => Value::Nil,
            Self::Bool => Value::Bool(false),
            Self::Int(kind) => Value::Int(*kind, 0),
            Self::Uint(kind) => Value::Uint(*kind, 0),
            Self::Float64 => Value::Float(0.0),
            Self::Complex128 => Value::Complex(0.0, 0.0),
            Self::String => Value::string(""),
            Self::Struct(kind) => {
                let fields = kind.fields.iter().map(|field| field.kind.zero()).collect();
                Value::Struct(Arc::new(crate::value::Struct::new(kind.clone(), fields)))
            }
            Self::Time => Value::Time(Arc::new(crate::time::Time::zero())),
            Self::Bytes | Self::Slice(_) | Self::Map(_) | Self::Pointer(_) | Self::Version => Value::Null(self.clone()),
        }
    }
}

impl Value {
    /// Its type. Of nil, that of an interface, which is what holds it.
    pub(crate) fn type_of(&self) -> Type {
        match self {
            Self::Nil => Type::Interface,
            Self::Bool(_) => Type::Bool,
            Self::Int(kind, _) => Type::Int(*kind),
            Self::Uint(kind, _) => Type::Uint(*kind),
            Self::Float(_) => Type::Float64,
            Self::Complex(..) => Type::Complex128,
            Self::String(_) => Type::String,
            Self::Bytes(_) => Type::Bytes,
            Self::List(list) => Type::Slice(Arc::new(list.element().clone())),
            Self::Map(map) => Type::Map(Arc::new(map.element().clone())),
            Self::Struct(object) => Type::Struct(object.kind().clone()),
            Self::Pointer(object) => Type::Pointer(object.kind().clone()),
            Self::Null(kind) => kind.clone(),
            Self::Time(_) => Type::Time,
            Self::Version(_) => Type::Version,
        }
    }

    /// What `reflect.Kind` says: `invalid` for nil.
    pub(crate) fn kind_name(&self) -> &'static str {
        match self {
            Self::Nil => "invalid",
            Self::List(_) => "slice",
            Self::Map(_) => "map",
            _ => self.type_of().kind_name(),
        }
    }

    /// Go's `%T`.
    pub(crate) fn type_name(&self) -> String {
        match self {
            Self::Nil => "<nil>".to_owned(),
            _ => self.type_of().to_string(),
        }
    }
}
