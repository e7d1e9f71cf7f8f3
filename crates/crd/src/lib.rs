//! The custom resources: structs, validation, lowering to core.
//!
//! [`ConnectorClass`] and [`Connector`] are the manifests, field for field. [`validate`] finds what admission refuses, all of it at
//! once; [`lower`] turns a Connector into what the data path reads; [`probing`] makes the requests by which a tool is probed; [`conditions`]
//! tells its state; [`configurations`] are the files of workloads. Everything here is a pure function: whoever calls has the objects, from a directory or from a
//! cluster.

mod ca;
mod condition;
pub mod conditions;
pub mod configurations;
mod connector;
mod connector_class;
mod destination;
mod lower;
mod meta;
mod param;
mod probe;
pub mod probing;
mod problem;
mod secret;
mod subject;
mod suggest;
#[cfg(test)]
mod testing;
pub mod validate;

pub use ca::{CA_CERT_LABEL, CaCertificates, CaProblem, ca_certificates, pem_certificates, system_trust};
pub use condition::{Condition, ConditionSeverity, ConditionStatus};
pub use connector::{Connector, ConnectorApiStatus, ConnectorAuth, ConnectorProxyStatus, ConnectorSpec, ConnectorStatus, LocalSecretRef, SecretRef};
pub use connector_class::{
    AuthProbe, AuthType, ClassApi, ClassApiStatus, ClassAuth, ClassProxy, ClassProxyStatus, Configuration, ConnectorClass, ConnectorClassSpec,
    ConnectorClassStatus, Rego,
};
pub use destination::{DestinationRef, ResolvedAddress, Surroundings, UnresolvedDestination, destination_url};
pub use lower::{LowerError, lower};
pub use meta::{API_VERSION, CLASS_LABEL, GROUP, ObjectMeta, PROXY_RESOLVER_ANNOTATION, VERSION, is_dns_label, is_dns_subdomain};
pub use param::{Param, ParamSpec, ParamType};
pub use probe::{ApiProbe, HttpProbe, Probe, ProbeHeader, ProbeMethod, ProbeResponse, ProbeScheme};
pub use problem::{FieldPath, Problem, Severity, first_error};
pub use secret::{BASIC_AUTH, BEARER_TOKEN, OPAQUE, Secret, Secrets, required_keys};
pub use subject::{Objects, Subject};
pub use suggest::{closest, did_you_mean};
pub use validate::CheckedClass;
