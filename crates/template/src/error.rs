//! What can go wrong with a template, and where.

use std::fmt;

/// Why a template wasn't parsed or rendered.
///
/// [`Display`](fmt::Display) gives the text that Go gives: `template: t:1:5: executing "t" at <.a.b>: …` while rendering,
/// `template: t:1: …` while parsing. The fields repeat what it says of the place. An error never carries the data that
/// was rendered, but for what Go's own texts quote of it (a number that can't be iterated over, the argument of `fail`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error(Box<Details>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Details {
    kind: ErrorKind,
    template: String,
    line: usize,
    column: Option<usize>,
    message: String,
    text: String,
}

/// What the template was doing when it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The text isn't a template. It never will be: whoever wrote it has to mend it.
    Parse,
    /// The template doesn't fit its data, or asked for the failure (`fail`).
    Execute,
    /// A [limit](crate::Limits) was met.
    Limit,
}

impl Error {
    /// What was being done.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The name that [`Template::parse`](crate::Template::parse) was given.
    pub fn template(&self) -> &str {
        &self.0.template
    }

    /// The line of the template's text, from 1.
    pub fn line(&self) -> usize {
        self.0.line
    }

    /// The byte in that line, from 0, as Go counts. Parse errors have none.
    pub fn column(&self) -> Option<usize> {
        self.0.column
    }

    /// What is wrong, without the place.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    pub(crate) fn parse(template: &str, line: usize, message: String) -> Self {
        let text = format!("template: {template}:{line}: {message}");
        Self(Box::new(Details { kind: ErrorKind::Parse, template: template.to_owned(), line, column: None, message, text }))
    }

    pub(crate) fn execute(kind: ErrorKind, at: &Place<'_>, message: String) -> Self {
        let Place { template, executing, line, column, context } = *at;
        let executing = crate::quote::quote(executing.as_bytes());
        let text = format!("template: {template}:{line}:{column}: executing {executing} at <{context}>: {message}");
        Self(Box::new(Details { kind, template: template.to_owned(), line, column: Some(column), message, text }))
    }
}

/// Where in a template a failure happened.
pub(crate) struct Place<'a> {
    pub(crate) template: &'a str,
    /// The associated template that was executing.
    pub(crate) executing: &'a str,
    pub(crate) line: usize,
    pub(crate) column: usize,
    /// The node, as Go prints it.
    pub(crate) context: &'a str,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.text)
    }
}

impl std::error::Error for Error {}

/// Why a function failed: what Go's function says, or a limit of ours.
#[derive(Debug)]
pub(crate) enum Failure {
    Message(String),
    Limit(String),
}

impl Failure {
    /// What Go says where a nil interface is asked for its type.
    pub(crate) fn nil_dereference() -> Self {
        Self::from("runtime error: invalid memory address or nil pointer dereference")
    }
}

impl From<&str> for Failure {
    fn from(message: &str) -> Self {
        Self::Message(message.to_owned())
    }
}

impl From<String> for Failure {
    fn from(message: String) -> Self {
        Self::Message(message)
    }
}
