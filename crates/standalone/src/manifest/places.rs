//! Where the fields of an object are.

use std::collections::BTreeMap;

use connectors_crd::FieldPath;

use crate::report::Position;
use crate::yaml::{Node, Value};

/// Positions as a tree, so that each key is held once and not in the path of everything below it.
#[derive(Debug, Default)]
pub(crate) struct Places {
    at: Position,
    /// By the piece that it adds to a field path: `name`, `["a.b"]`, `[0]`.
    inner: BTreeMap<Box<str>, Places>,
}

impl Places {
    pub(crate) fn of(node: &Node<'_>) -> Self {
        Self::pointing(node, node.at)
    }

    /// The place of a field, or, if it isn't there, of what it should be in.
    pub(crate) fn find(&self, field: &str) -> Position {
        let (mut place, mut rest) = (self, field);
        while let Some((piece, after)) = split(rest)
            && let Some(inner) = place.inner.get(piece)
        {
            (place, rest) = (inner, after);
        }
        place.at
    }

    /// `at` is where its key or list item is. A scalar is itself pointed at; of a list or mapping its key, for it is missing something
    /// rather than wrong.
    fn pointing(node: &Node<'_>, at: Position) -> Self {
        let inner = match &node.value {
            Value::Scalar(_) if node.is_null() => return Self { at, inner: BTreeMap::new() },
            Value::Scalar(_) => return Self { at: node.at, inner: BTreeMap::new() },
            Value::List(items) => {
                items.iter().enumerate().map(|(index, item)| (piece(FieldPath::Object.index(index)), Self::pointing(item, item.at))).collect()
            }
            Value::Mapping(mapping) => {
                mapping.entries.iter().map(|entry| (piece(FieldPath::Object.key(entry.key.as_str())), Self::pointing(&entry.value, entry.at))).collect()
            }
        };
        Self { at, inner }
    }
}

fn piece(path: FieldPath<'_>) -> Box<str> {
    path.to_string().into()
}

/// The first piece of a field path and the rest.
fn split(path: &str) -> Option<(&str, &str)> {
    let path = path.strip_prefix('.').unwrap_or(path);
    let end = match path.strip_prefix("[\"") {
        Some(quoted) => 2 + quoted_length(quoted)? + "\"]".len(),
        None if path.starts_with('[') => path.find(']')? + 1,
        None => path.find(['.', '[']).unwrap_or(path.len()),
    };
    path.split_at_checked(end).filter(|(piece, _)| !piece.is_empty())
}

/// Bytes up to the quote that ends it, which has no backslash before it.
fn quoted_length(quoted: &str) -> Option<usize> {
    let mut escaped = false;
    quoted.bytes().position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml;

    fn found(text: &str, field: &str) -> String {
        let (documents, error) = yaml::parse(text);
        assert!(error.is_none(), "{error:?}");
        Places::of(&documents[0]).find(field).to_string()
    }

    #[test]
    fn fields_are_found_whatever_their_keys_are() {
        let text = "a:\n  b.c: 1\n  'q\"\\].x': [{d: 2}, ~]\n  é: 3\n";
        for (field, expect) in [
            ("", "1:1"),
            ("a", "1:1"),
            ("a[\"b.c\"]", "2:8"),
            ("a[\"q\\\"\\\\].x\"][0].d", "3:18"),
            ("a[\"q\\\"\\\\].x\"][0].none", "3:14"),
            ("a[\"q\\\"\\\\].x\"][1]", "3:22"),
            ("a[\"é\"]", "4:6"),
            ("a.none.d", "1:1"),
            ("a[", "1:1"),
            ("a[\"", "1:1"),
            ("a[\"b.c\"", "1:1"),
            ("none", "1:1"),
            ("..", "1:1"),
        ] {
            assert_eq!(found(text, field), expect, "{field}");
        }
    }

    /// A hundred levels of long keys around many short ones: the keys are held once, not once for everything in them.
    #[test]
    fn p24_places_are_no_bigger_than_what_they_are_of() {
        let mut text: String = (0..90).map(|level| format!("{}{}:\n", " ".repeat(level), "k".repeat(1000))).collect();
        text.extend((0..2000).map(|n| format!("{}x{n}: 1\n", " ".repeat(90))));
        let (documents, error) = yaml::parse(&text);
        assert!(error.is_none(), "{error:?}");
        assert!(bytes(&Places::of(&documents[0])) < text.len());
        fn bytes(places: &Places) -> usize {
            places.inner.iter().map(|(piece, inner)| piece.len() + bytes(inner)).sum()
        }
    }
}
