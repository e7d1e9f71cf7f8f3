//! A directory of manifests as a source of snapshots; local tokens; local RBAC.
//!
//! The manifests are those one would `kubectl apply`: ConnectorClass, Connector, Secret, ServiceAccount, Namespace, roles and their
//! bindings, and the ConfigMap with the feature flags. [`check`] tells everything that is wrong with a directory at once. A
//! [`Directory`] has what is right in force and follows changes:
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use connectors_standalone::{Directory, Options};
//!
//! let directory = Directory::open("manifests", Options::default())?;
//! let (snapshot, rights) = (directory.snapshot(), directory.rights()); // for the data path and for `policy::Policy`
//! let watch = directory.watch()?; // until it is dropped
//! # drop((snapshot, rights, watch));
//! # Ok(())
//! # }
//! ```
//!
//! From text to decision, a file goes through `yaml` (a tree in which everything has its place), `manifest` (checked objects),
//! `folder` (what of which file is in force) and `world` (objects put together).

mod check;
mod directory;
mod folder;
mod manifest;
pub mod objects;
pub mod policy;
pub mod rbac;
mod report;
pub mod state;
pub mod token;
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
    /// The domain of the Services that classes name, such as `cluster.local`.
    pub cluster_domain: String,
    /// The state folder. Nothing in it is a manifest, should it lie in the directory under a name that isn't hidden.
    pub state: Option<PathBuf>,
}

impl Default for Options {
    /// System namespace `connectors-system`, domain `cluster.local`, the state folder hidden.
    fn default() -> Self {
        Self { system_namespace: "connectors-system".into(), cluster_domain: "cluster.local".into(), state: None }
    }
}
