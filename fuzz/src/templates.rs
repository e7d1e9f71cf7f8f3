//! What both targets of templates do: rendering under small limits.

use connectors_template::{Error, ErrorKind, Limits, Options, Template, Value};

/// Small enough that an input takes milliseconds, also in an instrumented build.
const LIMITS: Limits = Limits { output_bytes: 64 << 10, value_bytes: 1 << 20, steps: 20_000, template_depth: 200, slow_calls: 0 };

/// Parses with these limits.
///
/// # Errors
/// The template's.
pub(crate) fn parse(text: &str) -> Result<Template, Error> {
    Template::parse("t", text, Options { limits: LIMITS, ..Options::default() })
}

/// Renders twice: the same comes out, within the limits, and an error says where it is.
pub(crate) fn render(text: &str, data: &Value) -> Option<Result<Vec<u8>, Error>> {
    let template = match parse(text) {
        Ok(template) => template,
        Err(error) => {
            assert_eq!((error.kind(), error.column()), (ErrorKind::Parse, None), "{error}");
            check_place(&error, text);
            return None;
        }
    };
    // Templates may change their data.
    let rendered = template.render(&data.deep_clone());
    if !depends_on_more(text) && !is_limit(&rendered) {
        assert_eq!(rendered, template.render(&data.deep_clone()), "{text:?}");
    }
    match &rendered {
        Ok(bytes) => assert!(bytes.len() <= LIMITS.output_bytes, "{} bytes", bytes.len()),
        Err(error) => {
            assert_ne!(error.kind(), ErrorKind::Parse, "{error}");
            assert!(error.column().is_some(), "{error}");
            check_place(error, text);
        }
    }
    Some(rendered)
}

pub(crate) fn is_limit(rendered: &Result<Vec<u8>, Error>) -> bool {
    rendered.as_ref().is_err_and(|error| error.kind() == ErrorKind::Limit)
}

fn check_place(error: &Error, text: &str) {
    assert!((1..=text.matches('\n').count() + 1).contains(&error.line()), "{error}");
    let shown = error.to_string();
    assert!(shown.starts_with(&format!("template: t:{}:", error.line())) && shown.ends_with(error.message()), "{shown}");
}

/// Whether a template may name something else than its data: the time, or chance.
pub(crate) fn depends_on_more(text: &str) -> bool {
    const WORDS: [&str; 13] = ["now", "date", "Date", "ago", "rand", "shuffle", "uuid", "bcrypt", "htpasswd", "gen", "encryptAES", "build", "duration"];
    WORDS.iter().any(|word| text.contains(word))
}
