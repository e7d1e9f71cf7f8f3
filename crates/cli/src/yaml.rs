//! JSON data as YAML, for `-o yaml`.

use anyhow::Context as _;
use saphyr::{Mapping, Scalar, Yaml, YamlEmitter};
use serde_json::Value;

/// One document, without the `---` before it, as kubectl prints it.
pub(crate) fn write(value: &Value) -> anyhow::Result<String> {
    let mut out = String::new();
    YamlEmitter::new(&mut out).dump(&yaml(value)).context("cannot write YAML")?;
    out.push('\n');
    Ok(out.strip_prefix("---\n").map(str::to_owned).unwrap_or(out))
}

fn yaml(value: &Value) -> Yaml<'_> {
    match value {
        Value::Null => Yaml::Value(Scalar::Null),
        Value::Bool(value) => Yaml::Value(Scalar::Boolean(*value)),
        Value::Number(number) => match number.as_i64() {
            Some(integer) => Yaml::Value(Scalar::Integer(integer)),
            None => Yaml::Value(Scalar::FloatingPoint(number.as_f64().unwrap_or_default().into())),
        },
        Value::String(text) => Yaml::Value(Scalar::String(text.into())),
        Value::Array(items) => Yaml::Sequence(items.iter().map(yaml).collect()),
        Value::Object(fields) => {
            let mut mapping = Mapping::new();
            for (name, value) in fields {
                mapping.insert(Yaml::Value(Scalar::String(name.into())), yaml(value));
            }
            Yaml::Mapping(mapping)
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn reads_like_kubectls() {
        let value = json!({"apiVersion": "v1", "items": [{"a": "x", "b": ["1", "two"]}, {"d": null}], "on": "off", "n": 1, "text": "a: b"});
        assert_eq!(
            write(&value).unwrap(),
            "apiVersion: v1\nitems:\n  - a: x\n    b:\n      - \"1\"\n      - two\n  - d: ~\nn: 1\n\"on\": \"off\"\ntext: \"a: b\"\n"
        );
    }
}
