//! Templates of files: compiled when their class changes, rendered with JSON.

use super::json::{Numbers, template_data};
pub use connectors_template::Error as TemplateError;
use connectors_template::{Options, Template, Value};
use serde_json::Value as Json;
use zeroize::Zeroizing;

/// The template of a file, under the default limits of `connectors-template`: 4 MiB of output, among others.
#[derive(Debug)]
pub struct FileTemplate(Template);

/// What templates of files see.
pub struct FileData(Value);

impl FileData {
    /// Takes JSON, which templates see as Go has it in an `interface {}`; whole numbers are `int64`. `None` if it is nested more than 1,200 levels deep.
    #[must_use]
    pub fn new(data: &Json) -> Option<Self> {
        let text = Zeroizing::new(data.to_string());
        template_data(&text, Numbers::Integers).ok().map(Self)
    }

    /// A copy with another key, which takes the place of one that is there. `None` as for [`new`](Self::new), and if this is no object.
    #[must_use]
    pub fn with(&self, key: &str, data: &Json) -> Option<Self> {
        let Value::Map(map) = &self.0 else { return None };
        let added = (key.into(), Self::new(data)?.0);
        Some(Self(Value::map(map.entries().into_iter().chain([added]))))
    }
}

impl FileTemplate {
    /// Parses a text. `name` is what it is called by within itself.
    ///
    /// # Errors
    /// What Go's parser says, with the line.
    pub fn compile(name: &str, text: &str) -> Result<Self, TemplateError> {
        Template::parse(name, text, Options::default()).map(Self)
    }

    /// Renders it. What a template changes in the data (`set`) no other rendering sees.
    ///
    /// # Errors
    /// What Go says where the template doesn't fit the data, with line and column, or the limit that was met. The message may quote data where the
    /// template itself asks for that (`fail`).
    pub fn render(&self, data: &FileData) -> Result<Vec<u8>, TemplateError> {
        self.0.render(&data.0.deep_clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn renders_json_and_leaves_it_as_it_was() {
        let data = FileData::new(&json!({"a": {"n": 1}, "list": ["x", "y"]})).unwrap();
        let template = FileTemplate::compile("f", r#"{{ $_ := set .a "n" 2 }}{{ .a.n }} {{ join "," .list }} {{ .none }}"#).unwrap();
        for _ in 0..2 {
            assert_eq!(template.render(&data).unwrap(), b"2 x,y <no value>");
        }
        assert_eq!(FileTemplate::compile("f", "{{ .a.n }}").unwrap().render(&data).unwrap(), b"1");
    }

    #[test]
    fn a_key_is_added_to_a_copy() {
        let data = FileData::new(&json!({"a": 1})).unwrap();
        let template = FileTemplate::compile("f", "{{ .a }} {{ .b }}").unwrap();
        let more = data.with("b", &json!({"c": ["d"]})).unwrap();
        assert_eq!(template.render(&more).unwrap(), b"1 map[c:[d]]");
        assert_eq!(template.render(&more.with("a", &json!("x")).unwrap()).unwrap(), b"x map[c:[d]]");
        assert_eq!(template.render(&data).unwrap(), b"1 <no value>");
        assert!(FileData::new(&json!([])).unwrap().with("b", &json!(1)).is_none());
    }

    #[test]
    fn errors_have_their_place() {
        let error = FileTemplate::compile("f", "\n{{ nofunc }}").unwrap_err();
        assert_eq!((error.line(), error.column(), error.message()), (2, None, "function \"nofunc\" not defined"));
        let error = FileTemplate::compile("f", "\n {{ index .a 1 }}").unwrap().render(&FileData::new(&json!({"a": []})).unwrap()).unwrap_err();
        assert_eq!((error.line(), error.column()), (2, Some(4)), "{error}");
    }

    #[test]
    fn data_that_is_nested_too_deeply_is_none() {
        let mut deep = json!(1);
        for _ in 0..1_201 {
            deep = json!([deep]);
        }
        assert!(FileData::new(&deep).is_none());
    }
}
