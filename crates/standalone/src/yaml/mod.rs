//! YAML with positions: a tree in which every value knows its line and column, and serde structs from it with every error at once.
//!
//! Read as `kubectl` reads it (YAML 1.1 scalars on a YAML 1.2 grammar), but bounded in size, depth and what aliases may repeat. JSON is
//! read as the YAML that it is. A node has no `Debug`, because it may hold a Secret's values.

mod decode;
mod parse;
mod scalar;
mod tabs;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt;
use std::rc::Rc;

use connectors_crd::FieldPath;
pub(crate) use decode::{Located, MAX_ERRORS, decode};
pub(crate) use parse::parse;
pub(crate) use scalar::Resolved;
use zeroize::Zeroize;

/// A place in a file, both from 1; the column counts characters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Line.
    pub line: usize,
    /// Column.
    pub column: usize,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// A value and where it begins.
pub(crate) struct Node<'a> {
    pub(crate) at: Position,
    pub(crate) value: Value<'a>,
    /// Values in it, itself and what aliases repeat included.
    size: usize,
    /// Bytes of text in it, keys and what aliases repeat included.
    bytes: usize,
    /// Levels below and including it.
    depth: usize,
}

pub(crate) enum Value<'a> {
    Scalar(Scalar<'a>),
    List(Vec<Rc<Node<'a>>>),
    Mapping(Mapping<'a>),
}

/// A scalar as it was written.
pub(crate) struct Scalar<'a> {
    pub(crate) text: Text<'a>,
    /// Neither in quotes nor tagged as a string, so that `true` is a boolean.
    plain: bool,
}

#[derive(Default)]
pub(crate) struct Mapping<'a> {
    pub(crate) entries: Vec<Entry<'a>>,
    /// Keys that occurred again: where, and where first.
    pub(crate) repeated: Vec<Repeated>,
}

pub(crate) struct Entry<'a> {
    pub(crate) key: Text<'a>,
    pub(crate) at: Position,
    pub(crate) value: Rc<Node<'a>>,
}

pub(crate) struct Repeated {
    pub(crate) key: String,
    pub(crate) at: Position,
    pub(crate) first: Position,
}

/// A piece of the file. What the parser had to copy is wiped, as the file's own text is.
pub(crate) struct Text<'a>(Cow<'a, str>);

impl Text<'_> {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Drop for Text<'_> {
    fn drop(&mut self) {
        if let Cow::Owned(copy) = &mut self.0 {
            copy.zeroize();
        }
    }
}

impl<'a> Node<'a> {
    /// The value under that key, if this is a mapping that has it.
    pub(crate) fn get(&self, key: &str) -> Option<&Node<'a>> {
        self.entry(key).map(|entry| &*entry.value)
    }

    /// The text, if this is a string.
    pub(crate) fn as_str(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar(scalar) => match scalar.resolve() {
                Resolved::String(text) => Some(text),
                _ => None,
            },
            _ => None,
        }
    }

    /// Whether there is nothing here.
    pub(crate) fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar(scalar) if matches!(scalar.resolve(), Resolved::Null))
    }

    fn entry(&self, key: &str) -> Option<&Entry<'a>> {
        match &self.value {
            Value::Mapping(mapping) => mapping.entries.iter().find(|entry| entry.key.as_str() == key),
            _ => None,
        }
    }

    /// Calls `visit` for this node and everything in it, with its path.
    pub(crate) fn walk(&self, visit: &mut impl FnMut(&FieldPath<'_>, &Node<'a>)) {
        self.walk_from(&FieldPath::Object, visit);
    }

    fn walk_from(&self, path: &FieldPath<'_>, visit: &mut impl FnMut(&FieldPath<'_>, &Node<'a>)) {
        visit(path, self);
        match &self.value {
            Value::Scalar(_) => {}
            Value::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    item.walk_from(&path.index(index), visit);
                }
            }
            Value::Mapping(mapping) => {
                for entry in &mapping.entries {
                    entry.value.walk_from(&path.key(entry.key.as_str()), visit);
                }
            }
        }
    }
}
