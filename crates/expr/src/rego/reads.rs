//! Which parts of the input a module reads.

use std::collections::BTreeSet;

/// What a rule reads of its input, so that nothing else is built for it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reads {
    /// `input.request.headers`.
    pub headers: Part,
    /// `input.request.query`.
    pub query: Part,
    /// `input.request.body`: the body must be buffered.
    pub body: bool,
    /// `input.request.method`.
    pub method: bool,
    /// `input.request.path`.
    pub path: bool,
    /// `input.request.host`.
    pub host: bool,
    /// `input.data`.
    pub data: bool,
    /// `input` or `input.request` themselves, so that it matters that they are there.
    pub request: bool,
}

/// What is read of a map.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Part {
    /// Nothing.
    #[default]
    None,
    /// The values of these keys; if there are none, only that the map is there.
    Keys(BTreeSet<String>),
    /// All of it, or what can't be told.
    All,
}

impl Part {
    /// Whether it is read at all.
    #[must_use]
    pub fn is_read(&self) -> bool {
        *self != Self::None
    }

    /// Whether that key is read.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        match self {
            Self::None => false,
            Self::Keys(keys) => keys.contains(key),
            Self::All => true,
        }
    }

    /// Notes that it matters that the map is there.
    pub(super) fn is_there(&mut self) {
        if *self == Self::None {
            *self = Self::Keys(BTreeSet::new());
        }
    }

    fn note(&mut self, key: Option<&String>) {
        match (&mut *self, key) {
            (Self::All, _) => {}
            (_, None) => *self = Self::All,
            (Self::Keys(keys), Some(key)) => {
                keys.insert(key.clone());
            }
            (Self::None, Some(key)) => *self = Self::Keys(BTreeSet::from([key.clone()])),
        }
    }
}

impl Reads {
    /// Whether it reads anything of the request.
    #[must_use]
    pub fn of_request(&self) -> bool {
        let Self { headers, query, body, method, path, host, data: _, request } = self;
        headers.is_read() || query.is_read() || *body || *method || *path || *host || *request
    }

    pub(super) fn everything(&mut self) {
        self.data = true;
        self.whole_request();
    }

    fn whole_request(&mut self) {
        *self = Self { headers: Part::All, query: Part::All, body: true, method: true, path: true, host: true, request: true, data: self.data };
    }

    /// Notes a reference to `input` with these constant steps.
    pub(super) fn note(&mut self, steps: &[String]) {
        match steps.split_first().map(|(step, rest)| (step.as_str(), rest)) {
            None => self.everything(),
            Some(("data", _)) => self.data = true,
            Some(("request", rest)) => match rest.split_first().map(|(step, rest)| (step.as_str(), rest)) {
                None => self.whole_request(),
                Some(("headers", rest)) => self.headers.note(rest.first()),
                Some(("query", rest)) => self.query.note(rest.first()),
                Some(("body", _)) => self.body = true,
                Some(("method", _)) => self.method = true,
                Some(("path", _)) => self.path = true,
                Some(("host", _)) => self.host = true,
                Some(_) => {}
            },
            Some(_) => {}
        }
    }
}
