//! What templates are rendered with. The input is a template, a line of `---`, and JSON.

use connectors_expr::{Numbers, template_data};
use connectors_template::{Error, Value};

use crate::templates::{parse, render};

const BETWEEN: &str = "\n---\n";

/// Whatever the data is, rendering ends within its limits, and leaves the data as it was.
pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Some((template, json)) = text.split_once(BETWEEN) else { return };
    for numbers in [Numbers::Integers, Numbers::Floats] {
        let Ok(value) = template_data(json, numbers) else { return };
        let before = shown(&value);
        render(template, &value);
        assert_eq!(before, shown(&value), "{template:?}");
    }
}

/// All of a value, or the limit that it meets.
fn shown(value: &Value) -> Result<Vec<u8>, Error> {
    parse("{{ toJson . }}").unwrap().render(value)
}
