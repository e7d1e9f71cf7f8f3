//! JSON as Go has it in an `interface {}`.

use super::DataError;
use connectors_template::{Str, Value};
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// What JSON's numbers are for a template.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Numbers {
    /// `int64` if written as an integer that is one, else `float64`: as Kubernetes reads objects.
    #[default]
    Integers,
    /// `float64`, all of them: as `encoding/json` reads what nothing is known of.
    Floats,
}

/// Reads JSON text as data for a template. Of a key that is there twice the last counts, as in Go.
///
/// # Errors
/// If it is no JSON, or nested more than 1,200 levels deep, which is as deep as templates' own `fromJson` follows. A thread with 2 MiB of stack has room for that.
pub fn template_data(json: &str, numbers: Numbers) -> Result<Value, DataError> {
    let mut deserializer = serde_json::Deserializer::from_str(json);
    // Depth is bounded below.
    deserializer.disable_recursion_limit();
    let value = Reader { numbers, depth: MAX_DEPTH }.deserialize(&mut deserializer);
    let value = value.and_then(|value| deserializer.end().map(|()| value));
    value.map_err(|error| DataError::Json { problem: error.to_string() })
}

const MAX_DEPTH: usize = 1_200;

#[derive(Clone, Copy)]
struct Reader {
    numbers: Numbers,
    /// How many levels may still be opened.
    depth: usize,
}

impl Reader {
    fn inner<E: Error>(self) -> Result<Self, E> {
        let depth = self.depth.checked_sub(1).ok_or_else(|| E::custom(format_args!("nested more than {MAX_DEPTH} levels deep")))?;
        Ok(Self { depth, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for Reader {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Nil)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(match self.numbers {
            Numbers::Integers => Value::from(number),
            Numbers::Floats => Value::from(number as f64),
        })
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(match (self.numbers, i64::try_from(number)) {
            (Numbers::Integers, Ok(number)) => Value::from(number),
            _ => Value::from(number as f64),
        })
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(Value::from(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::from(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(inner)? {
            list.push(item);
        }
        Ok(Value::list(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut map = Vec::new();
        while let Some(key) = entries.next_key::<String>()? {
            map.push((Str::from(key), entries.next_value_seed(inner)?));
        }
        Ok(Value::map(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use connectors_template::{Options, Template};

    fn render(text: &str, json: &str, numbers: Numbers) -> String {
        let data = template_data(json, numbers).unwrap();
        String::from_utf8(Template::parse("t", text, Options::default()).unwrap().render(&data).unwrap()).unwrap()
    }

    #[test]
    fn numbers() {
        let check = |json: &str, integers: &str, floats: &str| {
            let text = r#"{{ printf "%T %v" . . }}"#;
            assert_eq!((render(text, json, Numbers::Integers).as_str(), render(text, json, Numbers::Floats).as_str()), (integers, floats), "{json}");
        };
        check("1", "int64 1", "float64 1");
        check("-1", "int64 -1", "float64 -1");
        check("1.0", "float64 1", "float64 1");
        check("1e3", "float64 1000", "float64 1000");
        check("9223372036854775807", "int64 9223372036854775807", "float64 9.223372036854776e+18");
        check("18446744073709551615", "float64 1.8446744073709552e+19", "float64 1.8446744073709552e+19");
        check("null", "<nil> <nil>", "<nil> <nil>");
    }

    #[test]
    fn everything_else() {
        let check = |json: &str, expect: &str| assert_eq!(render("{{ . }}", json, Numbers::Integers), expect, "{json}");
        check(r#"{"b":[true,"x\ny"],"a":{}}"#, "map[a:map[] b:[true x\ny]]");
        check(r#"{"a":1,"a":2}"#, "map[a:2]");
        check(&format!("{}{}", "[".repeat(1_200), "]".repeat(1_200)), &format!("{}{}", "[".repeat(1_200), "]".repeat(1_200)));
    }

    #[test]
    fn what_is_no_data() {
        let check = |json: &str, says: &str| {
            let error = template_data(json, Numbers::Integers).unwrap_err().to_string();
            assert!(error.starts_with("the data must be JSON: ") && error.contains(says), "{json:.20}: {error}");
        };
        check("{", "EOF");
        check("1 2", "trailing characters");
        check(&"[".repeat(1_000_000), "nested more than 1200 levels deep");
        check(&"{\"a\":".repeat(1_201), "nested more than 1200 levels deep");
    }
}
