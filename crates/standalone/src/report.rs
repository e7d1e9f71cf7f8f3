//! What was found wrong in a directory.

use std::fmt;
use std::path::PathBuf;

use connectors_crd::Severity;

pub use crate::yaml::Position;

/// One thing that is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The file, below the directory as it was named.
    pub file: PathBuf,
    /// The place in it; `None` if it is about the file as a whole.
    pub at: Option<Position>,
    /// Whether it must be mended.
    pub severity: Severity,
    /// The object, such as `Connector team/git`.
    pub object: Option<String>,
    /// The field, such as `spec.address`; empty if it is about the object as a whole.
    pub field: String,
    /// What is wrong and what would be right. Never holds a Secret's value.
    pub message: String,
}

impl fmt::Display for Finding {
    /// `file:line:column: error: Connector team/git: spec.address: must be …`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.file.display())?;
        if let Some(at) = self.at {
            write!(f, "{at}:")?;
        }
        write!(f, " {}: ", self.severity.as_str())?;
        if let Some(object) = &self.object {
            write!(f, "{object}: ")?;
        }
        if !self.field.is_empty() {
            write!(f, "{}: ", self.field)?;
        }
        f.write_str(&self.message)
    }
}

/// Everything that was found in a directory, in the order of files and lines.
#[derive(Debug, Clone, Default)]
pub struct Report {
    findings: Vec<Finding>,
    files: usize,
    objects: usize,
}

impl Report {
    pub(crate) fn new(mut findings: Vec<Finding>, files: usize, objects: usize) -> Self {
        sort(&mut findings);
        Self { findings, files, objects }
    }

    /// What was found.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// How many findings are errors.
    pub fn errors(&self) -> usize {
        self.findings.iter().filter(|finding| finding.severity == Severity::Error).count()
    }

    /// How many findings are warnings.
    pub fn warnings(&self) -> usize {
        self.findings.len() - self.errors()
    }

    /// How many files were read.
    pub fn files(&self) -> usize {
        self.files
    }

    /// How many objects they hold, those with errors included.
    pub fn objects(&self) -> usize {
        self.objects
    }
}

impl fmt::Display for Report {
    /// One line for each finding.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.findings.iter().try_for_each(|finding| writeln!(f, "{finding}"))
    }
}

/// By file and place; at one place errors first.
pub(crate) fn sort(findings: &mut Vec<Finding>) {
    findings.sort_by(|a, b| (&a.file, a.at, a.severity, &a.field, &a.message).cmp(&(&b.file, b.at, b.severity, &b.field, &b.message)));
    findings.dedup();
}
