//! Values as Go's templates see them.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use crate::semver::Version;
use crate::time::Time;
use crate::types::{IntKind, StructType, Type, UintKind};

/// A string of Go's: bytes, UTF-8 by convention only. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Str(Arc<[u8]>);

impl Deref for Str {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl Borrow<[u8]> for Str {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Str {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

impl From<&str> for Str {
    fn from(text: &str) -> Self {
        Self(Arc::from(text.as_bytes()))
    }
}

impl From<String> for Str {
    fn from(text: String) -> Self {
        Self(Arc::from(text.into_bytes()))
    }
}

impl From<&[u8]> for Str {
    fn from(bytes: &[u8]) -> Self {
        Self(Arc::from(bytes))
    }
}

impl From<Vec<u8>> for Str {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Arc::from(bytes))
    }
}

/// A value: what a template is given, and what its functions make of it. Cheap to clone: what is large is shared.
///
/// Maps are shared as Go shares them: `set`, `unset` and `merge` change the map they are given, also when it is part of
/// the data. Who renders the same data again, or elsewhere at the same time, and doesn't want to see that, renders a
/// [`Value::deep_clone`].
///
/// `Debug` shows the kind and not the contents, which may be secret.
#[derive(Clone)]
#[non_exhaustive]
pub enum Value {
    /// An interface without a value: JSON's `null`, Go's `nil`.
    Nil,
    /// `bool`.
    Bool(bool),
    /// A signed integer, and which of Go's types it has.
    Int(IntKind, i64),
    /// An unsigned integer, and which of Go's types it has.
    Uint(UintKind, u64),
    /// `float64`.
    Float(f64),
    /// `complex128`: real and imaginary part.
    Complex(f64, f64),
    /// `string`.
    String(Str),
    /// `[]uint8`: printed as numbers, `printf "%s"` gives the text.
    Bytes(Str),
    /// A slice.
    List(Arc<List>),
    /// A map with strings for keys.
    Map(Arc<Map>),
    /// A struct.
    Struct(Arc<Struct>),
    /// A pointer to a struct.
    Pointer(Arc<Struct>),
    /// A nil pointer, slice or map of a type.
    Null(Type),
    /// `time.Time`, from sprig's `now` and `toDate`.
    Time(Arc<Time>),
    /// `*semver.Version`, from sprig's `semver`.
    Version(Arc<Version>),
}

impl Value {
    /// A `map[string]interface {}`.
    pub fn map(entries: impl IntoIterator<Item = (Str, Value)>) -> Self {
        Self::Map(Arc::new(Map::new(Type::Interface, entries.into_iter().collect())))
    }

    /// A `map[string]string`.
    pub fn string_map(entries: impl IntoIterator<Item = (Str, Str)>) -> Self {
        Self::Map(Arc::new(Map::new(Type::String, entries.into_iter().map(|(key, text)| (key, Self::String(text))).collect())))
    }

    /// A `map[string][]uint8`.
    pub fn bytes_map(entries: impl IntoIterator<Item = (Str, Str)>) -> Self {
        Self::Map(Arc::new(Map::new(Type::Bytes, entries.into_iter().map(|(key, bytes)| (key, Self::Bytes(bytes))).collect())))
    }

    /// An `[]interface {}`.
    pub fn list(items: Vec<Value>) -> Self {
        Self::List(Arc::new(List::new(Type::Interface, items)))
    }

    /// A slice of structs, pointers or whatever else `element` is. The items must be of that type.
    pub fn slice(element: Type, items: Vec<Value>) -> Self {
        Self::List(Arc::new(List::new(element, items)))
    }

    /// An `[]string`.
    pub fn strings(items: impl IntoIterator<Item = Str>) -> Self {
        Self::List(Arc::new(List::new(Type::String, items.into_iter().map(Self::String).collect())))
    }

    /// An `int`, as an integer literal in a template is.
    pub fn int(number: i64) -> Self {
        Self::Int(IntKind::Int, number)
    }

    /// A copy that shares no map, list or struct with this value. Values that contain themselves stay as they are from
    /// a depth on that no data has.
    pub fn deep_clone(&self) -> Self {
        crate::copy::deep(self, 0).unwrap_or_else(|_| self.clone())
    }

    pub(crate) fn string(text: impl Into<Str>) -> Self {
        Self::String(text.into())
    }

    /// Whether other values can be in it.
    pub(crate) fn is_container(&self) -> bool {
        matches!(self, Self::List(_) | Self::Map(_) | Self::Struct(_) | Self::Pointer(_))
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Value").field(&self.type_of().to_string()).finish()
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

/// An `int64`, as a whole number in data is.
impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(IntKind::Int64, value)
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::String(value.into())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::String(value.into())
    }
}

/// A slice: its items, and what Go's type says they are.
pub struct List {
    element: Type,
    items: Vec<Value>,
    /// Go's `sortAlpha` sorts a `[]string` where it is. That is the only change there is to a slice.
    sorted: OnceLock<Vec<Value>>,
}

impl List {
    pub(crate) fn new(element: Type, items: Vec<Value>) -> Self {
        Self { element, items, sorted: OnceLock::new() }
    }

    /// The type of its items.
    pub fn element(&self) -> &Type {
        &self.element
    }

    /// The items, in order.
    pub fn items(&self) -> &[Value] {
        self.sorted.get().unwrap_or(&self.items)
    }

    /// Sorts where it is, for everyone who shares it.
    pub(crate) fn sort(&self) {
        self.sorted.get_or_init(|| {
            let mut items = self.items.clone();
            items.sort_by(|a, b| match (a, b) {
                (Value::String(a), Value::String(b)) => a.cmp(b),
                _ => std::cmp::Ordering::Equal,
            });
            items
        });
    }
}

impl Drop for List {
    fn drop(&mut self) {
        if let Some(sorted) = self.sorted.take() {
            dismantle(sorted);
        }
        dismantle(std::mem::take(&mut self.items));
    }
}

/// A map with strings for keys, in their order. Whoever shares it sees its changes.
pub struct Map {
    element: Type,
    entries: RwLock<BTreeMap<Str, Value>>,
}

impl Map {
    pub(crate) fn new(element: Type, entries: BTreeMap<Str, Value>) -> Self {
        Self { element, entries: RwLock::new(entries) }
    }

    /// The type of its values.
    pub fn element(&self) -> &Type {
        &self.element
    }

    /// The value of a key.
    pub fn get(&self, key: &[u8]) -> Option<Value> {
        self.read().get(key).cloned()
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.read().len()
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What is in it now, sorted by key. Nobody holds the lock while looking at it, so a map may contain itself.
    pub fn entries(&self) -> Vec<(Str, Value)> {
        self.read().iter().map(|(key, value)| (key.clone(), value.clone())).collect()
    }

    pub(crate) fn contains(&self, key: &[u8]) -> bool {
        self.read().contains_key(key)
    }

    pub(crate) fn insert(&self, key: Str, value: Value) {
        let before = self.write().insert(key, value);
        drop(before); // after the lock: it may be the last of much
    }

    pub(crate) fn remove(&self, key: &[u8]) {
        let before = self.write().remove(key);
        drop(before);
    }

    /// Empties it, which lets go of a map that contains itself.
    pub(crate) fn clear(&self) {
        let before = std::mem::take(&mut *self.write());
        drop(before);
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, BTreeMap<Str, Value>> {
        self.entries.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, BTreeMap<Str, Value>> {
        self.entries.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Map {
    fn drop(&mut self) {
        let entries = std::mem::take(self.entries.get_mut().unwrap_or_else(PoisonError::into_inner));
        dismantle(entries.into_values());
    }
}

/// A struct: the values of the fields of its type, in their order.
pub struct Struct {
    kind: Arc<StructType>,
    fields: Vec<Value>,
}

impl Struct {
    /// A struct of a type. A field without a value, because there are fewer of them, is nil.
    pub fn new(kind: Arc<StructType>, mut fields: Vec<Value>) -> Self {
        fields.resize(kind.fields().len(), Value::Nil);
        Self { kind, fields }
    }

    /// Its type.
    pub fn kind(&self) -> &Arc<StructType> {
        &self.kind
    }

    /// The values of its fields, in the type's order.
    pub fn fields(&self) -> &[Value] {
        &self.fields
    }
}

impl Drop for Struct {
    fn drop(&mut self) {
        dismantle(std::mem::take(&mut self.fields));
    }
}

/// Drops values however deep they are nested. The compiler's own way takes a bit of stack for each level.
fn dismantle(children: impl IntoIterator<Item = Value>) {
    let mut pending: Vec<Value> = children.into_iter().filter(Value::is_container).collect();
    while let Some(value) = pending.pop() {
        match value {
            Value::List(list) => {
                if let Some(mut list) = Arc::into_inner(list) {
                    pending.extend(std::mem::take(&mut list.items).into_iter().filter(Value::is_container));
                    pending.extend(list.sorted.take().unwrap_or_default().into_iter().filter(Value::is_container));
                }
            }
            Value::Map(map) => {
                if let Some(mut map) = Arc::into_inner(map) {
                    let entries = std::mem::take(map.entries.get_mut().unwrap_or_else(PoisonError::into_inner));
                    pending.extend(entries.into_values().filter(Value::is_container));
                }
            }
            Value::Struct(object) | Value::Pointer(object) => {
                if let Some(mut object) = Arc::into_inner(object) {
                    pending.extend(std::mem::take(&mut object.fields).into_iter().filter(Value::is_container));
                }
            }
            _ => {}
        }
    }
}
