//! What admission refuses, and what it warns of.
//!
//! Every function returns all problems that it finds, in the order of the fields. The rules are those of the resource reference; a
//! message says what would be right. Fields that no struct has are found by whoever reads the manifest.

mod against;
mod class;
mod connector;
mod params;
mod rules;
#[cfg(test)]
mod tests;

pub use against::connector_against;
pub use class::class;
pub use connector::connector;
pub(crate) use params::{allows, fits, kind_of, not_allowed};
pub(crate) use rules::Rules;

use crate::probing::Probes;
use crate::{ConnectorClass, Problem, first_error};

/// A class together with what [`class`] found in it and its compiled rules and probes, so that it is looked at once and not for every Connector.
#[derive(Debug, Clone)]
pub struct CheckedClass {
    class: ConnectorClass,
    problems: Vec<Problem>,
    rules: Rules,
    probes: Probes,
}

impl CheckedClass {
    /// Checks a class. `more` is what else is known to be wrong with it, such as fields that it doesn't have.
    pub fn new(class: ConnectorClass, mut more: Vec<Problem>) -> Self {
        let (problems, rules, probes) = class::check(&class);
        more.extend(problems);
        Self { class, problems: more, rules, probes }
    }

    /// The class.
    pub fn class(&self) -> &ConnectorClass {
        &self.class
    }

    /// Its compiled rules.
    pub(crate) fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Its compiled probes.
    pub(crate) fn probes(&self) -> &Probes {
        &self.probes
    }

    /// Everything that is wrong with it.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// Why it can't be used, if it can't.
    pub fn error(&self) -> Option<&Problem> {
        first_error(&self.problems)
    }
}
