//! A template of a probe, and rendering it without telling what it was rendered with.

use connectors_core::SecretValue;
use connectors_template::{Error, Limits, Options, Template, Value};

use super::data::Data;

/// The most that a path or a header can be. No tool takes a head as large as that.
const MAX_RENDERED_BYTES: usize = 64 * 1024;
/// A credential that is a hash of the password is one call; each is some tens of milliseconds, and is made again for what may be shown.
const MAX_SLOW_CALLS: u32 = 1;

/// A compiled template.
#[derive(Debug)]
pub(crate) struct Text {
    template: Template,
    /// As it is written.
    source: String,
    /// Where it is in its class.
    field: String,
}

impl Text {
    /// Parses a template; `name` is what errors call it.
    pub(super) fn parse(name: &str, field: String, source: &str) -> Result<Self, Error> {
        let limits = Limits { output_bytes: MAX_RENDERED_BYTES, slow_calls: MAX_SLOW_CALLS, ..Limits::default() };
        Ok(Self { template: Template::parse(name, source, Options { limits, ..Options::default() })?, source: source.to_owned(), field })
    }

    /// Where it is in its class.
    pub(super) fn field(&self) -> &str {
        &self.field
    }

    /// What it renders to, without blanks and line ends around it: templates are often written over several lines.
    ///
    /// # Errors
    /// What is wrong, without anything of the Secret. A text of Go's can quote a value; one that would be another with another Secret is left out,
    /// and only its place remains.
    pub(super) fn render(&self, data: &Data) -> Result<SecretValue, String> {
        let render = |data: &Value| self.template.render(data);
        match render(&data.full) {
            Ok(rendered) => {
                let rendered = SecretValue::new(rendered);
                Ok(SecretValue::new(rendered.expose().trim_ascii()))
            }
            Err(error) => {
                let harmless = render(&data.without_values).err().is_some_and(|without| without == error);
                Err(match (harmless, error.column()) {
                    (true, _) => format!("{}: {error}", self.field),
                    (false, Some(column)) => format!("{}: fails at {}:{column}", self.field, error.line()),
                    (false, None) => format!("{}: fails in line {}", self.field, error.line()),
                })
            }
        }
    }

    /// Whether `rendered` is the same whatever the Secret's values are.
    pub(super) fn is_harmless(&self, rendered: &SecretValue, data: &Data) -> bool {
        self.template.render(&data.without_values).is_ok_and(|without| without.trim_ascii() == rendered.expose())
    }

    /// What may be shown of `rendered`: all of it if it is [harmless](Self::is_harmless); else the template, with `…` for what is rendered.
    pub(super) fn shown(&self, rendered: &SecretValue, harmless: bool) -> String {
        rendered.expose_str().filter(|_| harmless).map_or_else(|| without_actions(&self.source), str::to_owned)
    }
}

/// A template with `…` in the place of each action. What is left is the class's own text.
fn without_actions(source: &str) -> String {
    let mut shown = String::new();
    let mut rest = source.trim();
    while let Some((before, action)) = rest.split_once("{{") {
        shown.push_str(before.trim());
        if !shown.ends_with('…') {
            shown.push('…');
        }
        rest = action.split_once("}}").map_or("", |(_, after)| after);
    }
    shown.push_str(rest.trim());
    shown
}

#[cfg(test)]
mod tests {
    use super::without_actions;

    #[test]
    fn actions_are_not_shown() {
        for (source, expect) in [
            ("/", "/"),
            ("/{{ .Secret.StringData.token }}/info/refs?service=git-upload-pack", "/…/info/refs?service=git-upload-pack"),
            ("{{- if .Secret }}/a{{ else }}/b{{ end -}}", "…/a…/b…"),
            ("/x{{ .a }}{{ .b }}", "/x…"),
        ] {
            assert_eq!(without_actions(source), expect, "{source}");
        }
    }
}
