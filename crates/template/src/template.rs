//! The public face: a template that is parsed once and rendered often.

use crate::error::Error;
use crate::limits::Limits;
use crate::node::Program;
use crate::value::Value;

/// What a key that a map doesn't have is: Go's option `missingkey`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum MissingKey {
    /// Nothing: printed as `<no value>`. Also Go's `missingkey=invalid`.
    #[default]
    Default,
    /// The zero value of the map's type: of an `interface {}`, nil, which is printed as `<no value>` too.
    Zero,
    /// An error.
    Error,
}

/// How a template is rendered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Options {
    /// What a missing key is.
    pub missing_key: MissingKey,
    /// What a rendering may cost.
    pub limits: Limits,
}

/// A parsed template, and those it defines. Can be rendered by many threads at once.
#[derive(Debug)]
pub struct Template {
    program: Program,
    options: Options,
}

impl Template {
    /// Parses a text. The name is what errors call it, and what `{{template}}` executes it by.
    ///
    /// # Errors
    ///
    /// What Go's parser says, for the first thing that is wrong.
    pub fn parse(name: &str, text: &str, options: Options) -> Result<Self, Error> {
        Ok(Self { program: crate::parse::parse(name, text)?, options })
    }

    /// The name it was parsed with.
    pub fn name(&self) -> &str {
        &self.program.name
    }

    /// Renders the template: bytes, which are UTF-8 unless the data or a function brought in others.
    ///
    /// # Errors
    ///
    /// What Go says where the template doesn't fit the data, and [limits](Limits) that were met.
    pub fn render(&self, data: &Value) -> Result<Vec<u8>, Error> {
        let mut out = Vec::with_capacity(self.program.text.len() + 64);
        self.render_into(data, &mut out)?;
        Ok(out)
    }

    /// Renders the template at the end of a buffer. On an error the buffer is as it was.
    ///
    /// # Errors
    ///
    /// As [`render`](Self::render).
    pub fn render_into(&self, data: &Value, out: &mut Vec<u8>) -> Result<(), Error> {
        let length = out.len();
        let result = crate::execute::execute(&self.program, self.options.missing_key, self.options.limits, data, out);
        if result.is_err() {
            out.truncate(length);
        }
        result
    }
}
