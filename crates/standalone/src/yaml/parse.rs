//! From text to nodes.

use std::collections::HashMap;
use std::rc::Rc;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Span, StrInput, Tag};

use super::tabs::Tabs;
use super::{Entry, Mapping, Node, Position, Repeated, Scalar, Text, Value};

/// Levels of lists and mappings in each other. A manifest with an OpenAPI document in it has about thirty; functions that walk a tree
/// call themselves this often.
const MAX_DEPTH: usize = 100;
/// Values in one document, with those that aliases repeat counted each time. An 8 MiB file with nothing but short values comes to a few
/// times this, a manifest of any use to a hundredth.
const MAX_VALUES: usize = 500_000;
/// Bytes of text that aliases repeat in one document: each may come to be copied.
const MAX_REPEATED: usize = 16 << 20;
/// Characters of a key. YAML 1.2.2 §7.4.2 says so for every key without a `?` before it.
const MAX_KEY: usize = 1024;

/// What ends the reading of a file. What came before it has been read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub(crate) struct SyntaxError {
    pub(crate) at: Position,
    pub(crate) problem: String,
}

/// The documents of a file. After an error there are those that were complete before it.
pub(crate) fn parse(text: &str) -> (Vec<Rc<Node<'_>>>, Option<SyntaxError>) {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut builder = Builder { tabs: Tabs::of(text), ..Builder::default() };
    let mut parser = Parser::new_from_str(text);
    let error = builder.run(&mut parser).err();
    (builder.documents, error)
}

#[derive(Default)]
struct Builder<'a> {
    documents: Vec<Rc<Node<'a>>>,
    /// The lists and mappings that have begun and not ended.
    open: Vec<Open<'a>>,
    anchors: HashMap<usize, Rc<Node<'a>>>,
    /// Values so far in this document.
    values: usize,
    /// Bytes that aliases have repeated so far in this document.
    repeated: usize,
    /// If there are any.
    tabs: Option<Tabs<'a>>,
}

/// A list or mapping that has begun.
struct Open<'a> {
    at: Position,
    anchor: usize,
    /// In flow style, or in something that is. Only known if the text has tabs.
    flow: bool,
    content: Content<'a>,
}

enum Content<'a> {
    List(Vec<Rc<Node<'a>>>),
    Mapping {
        mapping: Mapping<'a>,
        /// The key whose value comes next.
        key: Option<(Text<'a>, Position, bool)>,
        /// Where each key is, so that a big mapping is read in linear time.
        index: HashMap<String, Position>,
        /// Values of `<<`.
        merged: Vec<Rc<Node<'a>>>,
    },
}

impl<'a> Builder<'a> {
    fn run(&mut self, parser: &mut Parser<'a, StrInput<'a>>) -> Result<(), SyntaxError> {
        while let Some(event) = parser.next_event() {
            let (event, span) = event.map_err(|error| SyntaxError { at: position(error.marker()), problem: format!("is not valid YAML: {}", error.info()) })?;
            self.event(event, span)?;
        }
        Ok(())
    }

    fn event(&mut self, event: Event<'a>, span: Span) -> Result<(), SyntaxError> {
        let at = position(&span.start);
        if matches!(event, Event::Scalar(..) | Event::SequenceStart(..) | Event::MappingStart(..) | Event::Alias(_)) {
            self.indentation(at)?;
        }
        match event {
            Event::DocumentStart(_) => (self.values, self.repeated) = (0, 0),
            Event::Scalar(text, style, anchor, tag) => {
                let plain = scalar_is_plain(style, tag.as_deref(), at)?;
                let bytes = text.len();
                let node = Node { at, value: Value::Scalar(Scalar { text: Text(text), plain }), size: 1, bytes, depth: 1 };
                self.finish(node, anchor)?;
            }
            Event::SequenceStart(anchor, tag) => self.begin(at, anchor, tag.as_deref(), Content::List(Vec::new()))?,
            Event::MappingStart(anchor, tag) => {
                let content = Content::Mapping { mapping: Mapping::default(), key: None, index: HashMap::new(), merged: Vec::new() };
                self.begin(at, anchor, tag.as_deref(), content)?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.end()?,
            Event::Alias(anchor) => {
                let node = self.anchors.get(&anchor).cloned();
                // An alias to a list or mapping that it is itself in.
                let node = node.ok_or_else(|| SyntaxError { at, problem: "is not valid YAML: an alias can't stand inside its own anchor".into() })?;
                self.count(node.size, at)?;
                self.repeated = self.repeated.saturating_add(node.bytes);
                if self.repeated > MAX_REPEATED {
                    return Err(SyntaxError { at, problem: format!("has aliases that repeat more than {} MiB of text", MAX_REPEATED >> 20) });
                }
                self.place(node, at)?;
            }
            Event::DocumentEnd | Event::StreamStart | Event::StreamEnd | Event::Nothing => {}
        }
        Ok(())
    }

    /// Refuses a tab before a key or list item of block style.
    fn indentation(&self, at: Position) -> Result<(), SyntaxError> {
        let (Some(tabs), Some(open)) = (&self.tabs, self.open.last()) else { return Ok(()) };
        let tab = match &open.content {
            _ if open.flow => None,
            Content::List(_) => tabs.before_dash(at.line, at.column),
            Content::Mapping { key: None, .. } => tabs.before_key(at.line, at.column),
            Content::Mapping { key: Some(_), .. } => None,
        };
        match tab {
            Some(column) => Err(SyntaxError { at: Position { column, ..at }, problem: "is not valid YAML: a tab can't indent; use spaces".into() }),
            None => Ok(()),
        }
    }

    fn begin(&mut self, at: Position, anchor: usize, tag: Option<&Tag>, content: Content<'a>) -> Result<(), SyntaxError> {
        if let Some(tag) = tag
            && !(tag.is_yaml_core_schema() && matches!(tag.suffix.as_str(), "map" | "seq"))
        {
            return Err(unsupported_tag(at));
        }
        let flow = self.tabs.as_ref().is_some_and(|tabs| self.open.last().is_some_and(|outer| outer.flow) || tabs.is_flow(at.line, at.column));
        self.open.push(Open { at, anchor, flow, content });
        if self.open.len() > MAX_DEPTH {
            return Err(SyntaxError { at, problem: format!("nests lists and mappings more than {MAX_DEPTH} deep") });
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), SyntaxError> {
        let Some(Open { at, anchor, content, .. }) = self.open.pop() else { return Ok(()) };
        let value = match content {
            Content::List(items) => Value::List(items),
            Content::Mapping { mut mapping, merged, mut index, .. } => {
                for source in &merged {
                    merge(source, &mut mapping, &mut index)?;
                }
                Value::Mapping(mapping)
            }
        };
        let (size, bytes, depth) = measure(&value);
        self.finish(Node { at, value, size, bytes, depth }, anchor)
    }

    /// A node is complete: remembers it for aliases and puts it where it belongs.
    fn finish(&mut self, node: Node<'a>, anchor: usize) -> Result<(), SyntaxError> {
        let at = node.at;
        self.count(1, at)?;
        let node = Rc::new(node);
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        self.place(node, at)
    }

    fn count(&mut self, values: usize, at: Position) -> Result<(), SyntaxError> {
        self.values += values;
        match self.values > MAX_VALUES {
            true => Err(SyntaxError { at, problem: format!("has more than {MAX_VALUES} values, what aliases repeat included") }),
            false => Ok(()),
        }
    }

    fn place(&mut self, node: Rc<Node<'a>>, at: Position) -> Result<(), SyntaxError> {
        if self.open.len() + node.depth > MAX_DEPTH + 1 {
            return Err(SyntaxError { at, problem: format!("nests lists and mappings more than {MAX_DEPTH} deep, what aliases repeat included") });
        }
        let Some(open) = self.open.last_mut() else {
            self.documents.push(node);
            return Ok(());
        };
        match &mut open.content {
            Content::List(items) => items.push(node),
            Content::Mapping { mapping, key: pending, index, merged } => match pending.take() {
                None => *pending = Some(key(&node, at)?),
                Some((_, _, true)) => merged.push(node),
                Some((key, key_at, false)) => match index.get(key.as_str()) {
                    Some(first) => mapping.repeated.push(Repeated { key: key.as_str().to_owned(), at: key_at, first: *first }),
                    None => {
                        index.insert(key.as_str().to_owned(), key_at);
                        mapping.entries.push(Entry { key, at: key_at, value: node });
                    }
                },
            },
        }
        Ok(())
    }
}

/// A key's text, and whether it is the merge key.
fn key<'a>(node: &Rc<Node<'a>>, at: Position) -> Result<(Text<'a>, Position, bool), SyntaxError> {
    match &node.value {
        Value::Scalar(scalar) if scalar.text.as_str().chars().nth(MAX_KEY).is_some() => {
            Err(SyntaxError { at, problem: format!("has a key of more than {MAX_KEY} characters") })
        }
        Value::Scalar(scalar) => Ok((Text(scalar.text.as_str().to_owned().into()), at, scalar.plain && scalar.text.as_str() == "<<")),
        _ => Err(SyntaxError { at, problem: "has a list or mapping as the key of a mapping".into() }),
    }
}

/// `<<: *alias`, or a list of those: entries that the mapping doesn't have yet. `keys` are those that it has.
fn merge<'a>(source: &Rc<Node<'a>>, into: &mut Mapping<'a>, keys: &mut HashMap<String, Position>) -> Result<(), SyntaxError> {
    match &source.value {
        Value::Mapping(mapping) => {
            for entry in &mapping.entries {
                let key = entry.key.as_str();
                if !keys.contains_key(key) {
                    keys.insert(key.to_owned(), entry.at);
                    into.entries.push(Entry { key: Text(key.to_owned().into()), at: entry.at, value: entry.value.clone() });
                }
            }
            Ok(())
        }
        Value::List(items) if items.iter().all(|item| matches!(item.value, Value::Mapping(_))) => items.iter().try_for_each(|item| merge(item, into, keys)),
        _ => Err(SyntaxError { at: source.at, problem: "must be a mapping or a list of mappings, because its key is <<".into() }),
    }
}

/// Size, bytes and depth of a node with that value.
fn measure(value: &Value<'_>) -> (usize, usize, usize) {
    let total = |parts: &mut dyn Iterator<Item = (usize, &Rc<Node<'_>>)>| {
        let (size, bytes, depth) =
            parts.fold((0, 0, 0), |(size, bytes, depth), (key, node)| (size + node.size, bytes + key + node.bytes, depth.max(node.depth)));
        (size + 1, bytes, depth + 1)
    };
    match value {
        Value::Scalar(scalar) => (1, scalar.text.as_str().len(), 1),
        Value::List(items) => total(&mut items.iter().map(|item| (0, item))),
        Value::Mapping(mapping) => total(&mut mapping.entries.iter().map(|entry| (entry.key.as_str().len(), &entry.value))),
    }
}

fn scalar_is_plain(style: ScalarStyle, tag: Option<&Tag>, at: Position) -> Result<bool, SyntaxError> {
    let plain = style == ScalarStyle::Plain;
    match tag {
        None => Ok(plain),
        // `!` alone is YAML's own way to say "a string".
        Some(tag) if tag.handle.is_empty() && tag.suffix == "!" => Ok(false),
        Some(tag) if tag.is_yaml_core_schema() && tag.suffix == "str" => Ok(false),
        Some(tag) if tag.is_yaml_core_schema() && matches!(tag.suffix.as_str(), "null" | "bool" | "int" | "float") => Ok(true),
        Some(_) => Err(unsupported_tag(at)),
    }
}

fn unsupported_tag(at: Position) -> SyntaxError {
    SyntaxError { at, problem: "has a YAML tag that is not supported; leave it out".into() }
}

fn position(marker: &Marker) -> Position {
    Position { line: marker.line(), column: marker.col() + 1 }
}
