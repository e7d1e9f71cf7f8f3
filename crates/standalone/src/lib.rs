//! A directory of manifests as a source of snapshots; local tokens; local RBAC.

mod check;
mod directory;
mod folder;
mod manifest;
pub mod objects;
pub mod policy;
pub mod rbac;
pub mod state;
pub mod token;
mod report;
mod watch;
mod world;
mod yaml;

use std::path::PathBuf;

pub use check::check;
pub use directory::{Directory, OpenError, Status};
pub use manifest::DATA_FROM_ANNOTATION;
pub use report::{Finding, Position, Report};
pub use watch::{Watch, WatchError};

/// What is to be known about a directory besides where it is.
#[derive(Debug, Clone)]
pub struct Options {
    /// The namespace of the feature flags' ConfigMap and of the labelled CA Secrets.
    pub system_namespace: String,
    /// The state folder. Nothing in it is a manifest, should it lie in the directory under a name that isn't hidden.
    pub state: Option<PathBuf>,
}

impl Default for Options {
    /// System namespace `connectors-system`, the state folder hidden.
    fn default() -> Self {
        Self { system_namespace: "connectors-system".into(), state: None }
    }
}

