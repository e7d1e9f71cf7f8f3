//! From nodes to serde structs, with every error at once.

use std::cell::RefCell;
use std::collections::HashSet;
use std::fmt;

use connectors_crd::{FieldPath, Problem, Severity, did_you_mean};
use serde::de::value::StrDeserializer;
use serde::de::{self, DeserializeOwned, DeserializeSeed, Deserializer, Expected, IntoDeserializer, MapAccess, SeqAccess, Unexpected, Visitor};
use serde::forward_to_deserialize_any;

use super::{Entry, Mapping, Node, Position, Resolved, Value};

/// After this many errors of one sort in one object the rest isn't looked for: each costs another reading, or a copy of its path.
pub(crate) const MAX_ERRORS: usize = 50;

/// Fields of `metadata` that the API server fills in. They come with every exported manifest and mean nothing here.
const SERVER_METADATA: [&str; 7] =
    ["managedFields", "ownerReferences", "finalizers", "generateName", "selfLink", "deletionTimestamp", "deletionGracePeriodSeconds"];

/// A problem and where to point for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Located {
    pub(crate) at: Position,
    pub(crate) problem: Problem,
}

/// Reads a struct, all of whose fields must have defaults.
///
/// What has the wrong type is reported and then taken for absent, so the result is only good for looking for further problems if there
/// are any. Fields that the struct doesn't have are errors. Nulls in structs and maps count as absent, as they do in Kubernetes.
pub(crate) fn decode<T: DeserializeOwned + Default>(node: &Node<'_>) -> (T, Vec<Located>) {
    let mut problems = Vec::new();
    let mut rejected = HashSet::new();
    loop {
        let context = Context { rejected, unknown: RefCell::default() };
        let result = T::deserialize(Reader { node, path: FieldPath::Object, context: &context });
        let (unknown, still) = (context.unknown.into_inner(), context.rejected);
        rejected = still;
        let done = match result {
            Ok(value) => Some(value),
            Err(Error { message, place }) => {
                let place = place.unwrap_or(Place { field: String::new(), at: node.at, node: node as *const Node<'_> as usize });
                problems.push(error(place.field, place.at, message));
                let progress = rejected.insert(place.node) && place.node != node as *const Node<'_> as usize && problems.len() < MAX_ERRORS;
                (!progress).then(T::default)
            }
        };
        if let Some(value) = done {
            problems.extend(unknown);
            return (value, problems);
        }
    }
}

fn error(field: String, at: Position, message: String) -> Located {
    Located { at, problem: Problem { field, message, severity: Severity::Error } }
}

/// What one reading shares.
struct Context {
    /// Nodes that turned out to be wrong, by address; only ever compared.
    rejected: HashSet<usize>,
    unknown: RefCell<Vec<Located>>,
}

impl Context {
    fn is_rejected(&self, node: &Node<'_>) -> bool {
        !self.rejected.is_empty() && self.rejected.contains(&(node as *const Node<'_> as usize))
    }
}

#[derive(Clone, Copy)]
struct Reader<'de, 'p> {
    node: &'de Node<'de>,
    path: FieldPath<'p>,
    context: &'de Context,
}

/// Why a value doesn't fit, and which one it was. Holds none of its text.
#[derive(Debug)]
pub(super) struct Error {
    message: String,
    place: Option<Place>,
}

#[derive(Debug)]
struct Place {
    field: String,
    at: Position,
    node: usize,
}

impl Error {
    /// Says where, unless something deeper has said so already.
    fn at(mut self, reader: &Reader<'_, '_>) -> Self {
        let Reader { node, path, .. } = reader;
        self.place.get_or_insert_with(|| Place { field: path.to_string(), at: node.at, node: *node as *const Node<'_> as usize });
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

impl de::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self { message: message.to_string(), place: None }
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let expected = plain_words(&expected.to_string());
        let found_in_words = match found {
            Unexpected::Bool(_) => "a boolean",
            Unexpected::Unsigned(_) | Unexpected::Signed(_) | Unexpected::Float(_) => "a number",
            Unexpected::Str(_) => "a string",
            Unexpected::Unit | Unexpected::Option => "null",
            Unexpected::Seq => "a list",
            Unexpected::Map => "a mapping",
            _ => "something else",
        };
        let quote = matches!(found, Unexpected::Bool(_) | Unexpected::Unsigned(_) | Unexpected::Signed(_) | Unexpected::Float(_));
        Self::custom(match quote && expected == "a string" {
            true => format!("must be a string, but unquoted it is {found_in_words}; put it in quotes"),
            false => format!("must be {expected}, but it is {found_in_words}"),
        })
    }

    fn invalid_value(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::custom(format!("must be {}", plain_words(&expected.to_string())))
    }

    fn invalid_length(_: usize, expected: &dyn Expected) -> Self {
        Self::custom(format!("must be {}", plain_words(&expected.to_string())))
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        let suggestion = did_you_mean(variant, expected.iter().copied());
        Self::custom(format!("must be {}{suggestion}", expected.join(" or ")))
    }
}

/// Serde's words for types, as a writer of YAML knows them.
fn plain_words(expected: &str) -> String {
    match expected {
        "a sequence" => "a list".to_owned(),
        "a map" => "a mapping".to_owned(),
        "i64" | "u64" | "i32" | "u32" => "an integer".to_owned(),
        text if text.starts_with("struct ") => "a mapping".to_owned(),
        text if text.starts_with("enum ") || text == "a borrowed string" => "a string".to_owned(),
        text => text.to_owned(),
    }
}

impl<'de> Reader<'de, '_> {
    fn scalar<V: Visitor<'de>>(&self, visitor: V) -> Result<V::Value, Error> {
        let Value::Scalar(scalar) = &self.node.value else { return Err(de::Error::custom("must be a single value")) };
        match scalar.resolve() {
            Resolved::Null => visitor.visit_unit(),
            Resolved::Bool(value) => visitor.visit_bool(value),
            Resolved::Unsigned(value) => visitor.visit_u64(value),
            Resolved::Signed(value) => visitor.visit_i64(value),
            Resolved::Float(value) => visitor.visit_f64(value),
            Resolved::String(value) => visitor.visit_str(value),
        }
    }

    /// `fields` are those of a struct; `None` lets any key through. `nulls` lets them through too.
    fn mapping<V: Visitor<'de>>(&self, visitor: V, mapping: &'de Mapping<'de>, fields: Fields, nulls: bool) -> Result<V::Value, Error> {
        visitor.visit_map(Entries { reader: self, rest: mapping.entries.iter(), fields, nulls, value: None })
    }

    fn any<V: Visitor<'de>>(&self, visitor: V, fields: Fields, nulls: bool) -> Result<V::Value, Error> {
        match &self.node.value {
            Value::Scalar(_) => self.scalar(visitor),
            Value::List(items) => visitor.visit_seq(Items { reader: self, rest: items.iter().enumerate() }),
            Value::Mapping(mapping) => self.mapping(visitor, mapping, fields, nulls),
        }
    }
}

#[derive(Clone, Copy)]
enum Fields {
    Any,
    Metadata(&'static [&'static str]),
    Only(&'static [&'static str]),
}

impl<'de> Deserializer<'de> for Reader<'de, '_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.any(visitor, Fields::Any, true).map_err(|error| error.at(&self))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.any(visitor, Fields::Any, false).map_err(|error| error.at(&self))
    }

    fn deserialize_struct<V: Visitor<'de>>(self, name: &'static str, fields: &'static [&'static str], visitor: V) -> Result<V::Value, Error> {
        let fields = if name == "ObjectMeta" { Fields::Metadata(fields) } else { Fields::Only(fields) };
        // A list would be taken for a struct without names.
        match &self.node.value {
            Value::Mapping(mapping) => self.mapping(visitor, mapping, fields, false),
            Value::List(_) => Err(de::Error::invalid_type(Unexpected::Seq, &visitor)),
            Value::Scalar(_) => self.scalar(visitor),
        }
        .map_err(|error| error.at(&self))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.node.is_null() {
            true => visitor.visit_none(),
            false => visitor.visit_some(self),
        }
        .map_err(|error: Error| error.at(&self))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self).map_err(|error: Error| error.at(&self))
    }

    fn deserialize_enum<V: Visitor<'de>>(self, _: &'static str, _: &'static [&'static str], visitor: V) -> Result<V::Value, Error> {
        let result = match self.node.as_str() {
            Some(text) => {
                let text: StrDeserializer<'_, Error> = text.into_deserializer();
                visitor.visit_enum(text)
            }
            // Visitors of enums take nothing else, so this says what is there instead.
            None => self.any(visitor, Fields::Any, true),
        };
        result.map_err(|error| error.at(&self))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple tuple_struct
        identifier ignored_any
    }
}

struct Items<'de, 'r, 'p> {
    reader: &'r Reader<'de, 'p>,
    rest: std::iter::Enumerate<std::slice::Iter<'de, std::rc::Rc<Node<'de>>>>,
}

impl<'de> SeqAccess<'de> for Items<'de, '_, '_> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        let Some((index, node)) = self.rest.next() else { return Ok(None) };
        let context = self.reader.context;
        if context.is_rejected(node) {
            // Its place is kept, so that the others keep their numbers.
            return seed.deserialize(Blank).map(Some);
        }
        seed.deserialize(Reader { node, path: self.reader.path.index(index), context }).map(Some)
    }
}

struct Entries<'de, 'r, 'p> {
    reader: &'r Reader<'de, 'p>,
    rest: std::slice::Iter<'de, Entry<'de>>,
    fields: Fields,
    nulls: bool,
    value: Option<&'de Entry<'de>>,
}

impl Entries<'_, '_, '_> {
    /// Whether to hand out that entry; reports one that the struct doesn't have.
    fn wants(&self, entry: &Entry<'_>) -> bool {
        let context = self.reader.context;
        let known = match self.fields {
            Fields::Any => None,
            Fields::Metadata(_) if SERVER_METADATA.contains(&entry.key.as_str()) => return false,
            Fields::Metadata(fields) | Fields::Only(fields) => Some(fields),
        };
        let key = entry.key.as_str();
        if let Some(fields) = known
            && !fields.contains(&key)
        {
            let mut unknown = context.unknown.borrow_mut();
            if unknown.len() < MAX_ERRORS {
                let suggestion = did_you_mean(key, fields.iter().copied());
                let field = self.reader.path.key(key).to_string();
                unknown.push(error(field, entry.at, format!("is not a known field{suggestion}")));
            }
            return false;
        }
        !context.is_rejected(&entry.value) && (self.nulls || !entry.value.is_null())
    }
}

impl<'de> MapAccess<'de> for Entries<'de, '_, '_> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        while let Some(entry) = self.rest.next() {
            if self.wants(entry) {
                self.value = Some(entry);
                let key: StrDeserializer<'_, Error> = entry.key.as_str().into_deserializer();
                return seed.deserialize(key).map(Some);
            }
        }
        Ok(None)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Error> {
        let entry = self.value.take().ok_or_else(|| <Error as de::Error>::custom("a value was asked for before its key"))?;
        let path = self.reader.path.key(entry.key.as_str());
        seed.deserialize(Reader { node: &entry.value, path, context: self.reader.context })
    }
}

/// Stands for an item of a list that was rejected: empty, whatever it should have been.
struct Blank;

impl<'de> Deserializer<'de> for Blank {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_str("")
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_str("")
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_map(Nothing)
    }

    fn deserialize_struct<V: Visitor<'de>>(self, _: &'static str, _: &'static [&'static str], visitor: V) -> Result<V::Value, Error> {
        visitor.visit_map(Nothing)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf option unit unit_struct newtype_struct seq tuple
        tuple_struct enum identifier ignored_any
    }
}

struct Nothing;

impl<'de> MapAccess<'de> for Nothing {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, _: K) -> Result<Option<K::Value>, Error> {
        Ok(None)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, _: T) -> Result<T::Value, Error> {
        Err(de::Error::custom("there is no value"))
    }
}
