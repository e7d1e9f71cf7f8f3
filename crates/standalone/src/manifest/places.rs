//! Where the fields of an object are.

use std::collections::HashMap;

use crate::report::Position;
use crate::yaml::{Node, Value};

/// Positions by field path.
#[derive(Debug, Default)]
pub(crate) struct Places {
    object: Position,
    fields: HashMap<String, Position>,
}

impl Places {
    pub(crate) fn of(node: &Node<'_>) -> Self {
        let mut fields = HashMap::new();
        node.walk(&mut |path, node, at| {
            // A value is pointed at; of a list or mapping its key, for it is missing something rather than wrong.
            let at = if matches!(node.value, Value::Scalar(_)) && !node.is_null() { node.at } else { at };
            fields.insert(path.to_string(), at);
        });
        Self { object: node.at, fields }
    }

    /// The place of a field, or, if it isn't there, of what it should be in.
    pub(crate) fn find(&self, field: &str) -> Position {
        let mut field = field;
        loop {
            if let Some(at) = self.fields.get(field) {
                return *at;
            }
            match field.rfind(['.', '[']) {
                Some(end) => field = &field[..end],
                None => return self.object,
            }
        }
    }
}
