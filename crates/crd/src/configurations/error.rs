//! Why there are no files.

/// Why a volume's files can't be made. No token is in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigurationError {
    /// A volume without a Connector.
    #[error("no Connector is named")]
    NoConnector,
    /// `configuration.params` can't be used.
    #[error("configuration.params must be {{\"<configuration>\": {{\"<parameter>\": \"<value>\"}}}}: {problem}")]
    Params {
        /// Why not.
        problem: String,
    },
    /// A `!` in `configuration.names` without the name of a file.
    #[error("{item:?} in configuration.names must be '!' and the name of a file, without '/' and '..'")]
    Exclusion {
        /// The item.
        item: String,
    },
    /// None of the names that were asked for is there.
    #[error(
        "no class of these Connectors has a configuration {names}; {known}{meant}",
        names = .names.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(" or "),
        known = if .known.is_empty() { "they have none".to_owned() } else { format!("they have {}", .known.join(", ")) },
        meant = .meant.as_ref().map(|meant| format!("; did you mean {meant:?}?")).unwrap_or_default()
    )]
    NoneExists {
        /// What was asked for.
        names: Vec<String>,
        /// What there is.
        known: Vec<String>,
        /// What was probably meant.
        meant: Option<String>,
    },
    /// A class has errors.
    #[error("ConnectorClass {class:?} is not usable: {problem}")]
    Class {
        /// The class.
        class: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A parameter isn't as the configuration declares it.
    #[error("configuration {configuration:?} of ConnectorClass {class:?}: parameter {param:?} {problem}")]
    Param {
        /// The class.
        class: String,
        /// The configuration.
        configuration: String,
        /// The parameter.
        param: String,
        /// What is wrong with it. Never its value.
        problem: String,
    },
    /// A name that would lead out of the volume.
    #[error("a file can't be called {name:?}: it must be one name, without '/' and '..', of at most 255 bytes")]
    FileName {
        /// The name.
        name: String,
    },
    /// A template doesn't fit its data, or asked for too much.
    #[error("ConnectorClass {class:?}, configuration {configuration:?}, file {file:?}, {problem}")]
    Template {
        /// The class.
        class: String,
        /// The configuration.
        configuration: String,
        /// The file.
        file: String,
        /// Line, column and what is wrong.
        problem: String,
    },
    /// All files together have more than [`super::MAX_BYTES`].
    #[error("the files have more than 16 MiB, with {name:?} as the one that is too much")]
    TooLarge {
        /// The file with which the limit was met.
        name: String,
    },
    /// More than [`super::MAX_FILES`] are to be rendered.
    #[error("the configurations have more than 128 files together, with {name:?} as the one that is too much")]
    TooMany {
        /// The file with which the limit was met.
        name: String,
    },
}
