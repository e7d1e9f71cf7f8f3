//! Errors in one line.

use std::error::Error;
use std::fmt::Write as _;

/// An error followed by what caused it, and what caused that, with colons between them.
pub fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        // Writing to a String can't fail.
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Failed {
        text: &'static str,
        source: Option<Box<Failed>>,
    }

    #[test]
    fn each_cause_is_told_once() {
        let failed = |text, source: Option<Failed>| Failed { text, source: source.map(Box::new) };
        assert_eq!(with_causes(&failed("a", None)), "a");
        assert_eq!(with_causes(&failed("a", Some(failed("b", Some(failed("c", None)))))), "a: b: c");
    }
}
