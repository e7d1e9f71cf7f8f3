//! Problems between objects. None of them breaks a file: what refers to something may come before it.

use connectors_core::Unready;
use connectors_crd::{CaProblem, Connector, Problem, Secrets as _, Severity, ca_certificates, conditions, did_you_mean, first_error, validate};

use super::{World, ca_finding, finding, rules};
use crate::folder::Placed;
use crate::manifest::{Binding, Content, Kind, Object, ObjectId};
use crate::report::Finding;

/// What doesn't fit about one object. `ca` is what is wrong with the labelled CA Secrets.
pub(super) fn findings(placed: &Placed, world: &World, ca: &[CaProblem]) -> Vec<Finding> {
    let object = &*placed.object;
    let problems = match &object.content {
        Content::Connector(connector) => self::connector(connector, world),
        Content::Role(rules) => rules::problems(rules, world),
        Content::ClusterRole(role) => rules::problems(&role.rules, world),
        Content::RoleBinding(binding) => binding_problems(binding, &object.id.namespace, world),
        Content::ClusterRoleBinding(binding) => binding_problems(binding, "", world),
        Content::Secret(_) => return ca.iter().filter(|problem| is_about(problem, object)).map(|problem| ca_finding(placed, problem)).collect(),
        _ => return Vec::new(),
    };
    problems.into_iter().filter(|problem| object.knows(&problem.field)).map(|problem| finding(placed, problem)).collect()
}

impl World {
    fn exists(&self, kind: Kind, namespace: &str, name: &str) -> bool {
        self.objects.contains_key(&ObjectId::new(kind, namespace, name))
    }

    /// Whether nothing can be said about what a Secret holds, because something is wrong with it that is reported already.
    fn is_broken_secret(&self, namespace: &str, name: &str) -> bool {
        self.objects.get(&ObjectId::new(Kind::Secret, namespace, name)).is_some_and(|placed| placed.unusable.is_some())
    }
}

pub(super) fn error(field: impl Into<String>, message: impl Into<String>) -> Problem {
    Problem { field: field.into(), message: message.into(), severity: Severity::Error }
}

pub(super) fn warning(field: impl Into<String>, message: impl Into<String>) -> Problem {
    Problem { field: field.into(), message: message.into(), severity: Severity::Warning }
}

fn connector(connector: &Connector, world: &World) -> Vec<Problem> {
    let mut problems = Vec::new();
    let name = &connector.spec.connector_class_name;
    match world.class_of(connector) {
        None if name.is_empty() => {}
        None => {
            let names = world.classes.keys().map(String::as_str);
            problems.push(error("spec.connectorClassName", format!("ConnectorClass {name:?} does not exist{}", did_you_mean(name, names))));
        }
        Some(class) => {
            if let Some(problem) = class.error() {
                problems.push(warning("spec.connectorClassName", format!("ConnectorClass {name:?} is not usable: {problem}")));
            }
            problems.extend(validate::connector_against(connector, class.class()));
            if first_error(&validate::connector(connector)).is_none() && first_error(&problems).is_none() {
                problems.extend(secret_problem(connector, world));
            }
        }
    }
    problems.extend(ca_problem(connector, world));
    problems
}

/// What keeps the credential from being used. That the Secret isn't there may still change; that it doesn't fit won't by itself.
fn secret_problem(connector: &Connector, world: &World) -> Option<Problem> {
    if connector.secret_ref().is_some_and(|reference| world.is_broken_secret(&connector.metadata.namespace, &reference.name)) {
        return None;
    }
    let class = world.class_of(connector).filter(|class| class.error().is_none())?;
    let unready = conditions::secret(connector, class, &world.secrets)?;
    Some(match &unready {
        Unready::SecretNotFound(_) => warning("spec.auth.secretRef", unready.to_string()),
        _ => error("spec.auth.secretRef", unready.to_string()),
    })
}

fn ca_problem(connector: &Connector, world: &World) -> Option<Problem> {
    let namespace = &connector.metadata.namespace;
    let sayable = |name: &str| !name.is_empty() && !world.is_broken_secret(namespace, name);
    let reference = connector.spec.ca_cert_secret_ref.as_ref().filter(|reference| sayable(&reference.name))?;
    let problem = match world.secrets.secret(namespace, &reference.name).map(ca_certificates) {
        None => format!("Secret \"{namespace}/{}\" does not exist", reference.name),
        Some(found) => found.problems.first()?.to_string(),
    };
    Some(warning("spec.caCertSecretRef", problem))
}

fn is_about(problem: &CaProblem, object: &Object) -> bool {
    let (CaProblem::None { secret } | CaProblem::NotPem { secret, .. } | CaProblem::Unusable { secret, .. }) = problem;
    secret.split_once('/').is_some_and(|(namespace, name)| namespace == object.id.namespace && name == object.id.name)
}

/// A binding to a role or of a service account that isn't there. Either may come later.
fn binding_problems(binding: &Binding, namespace: &str, world: &World) -> Vec<Problem> {
    let mut problems = Vec::new();
    let role = &binding.role_ref;
    let found = match role.kind.as_str() {
        "Role" => world.exists(Kind::Role, namespace, &role.name),
        "ClusterRole" => world.exists(Kind::ClusterRole, "", &role.name),
        _ => true,
    };
    if !found && !role.name.is_empty() {
        problems.push(warning("roleRef.name", format!("{} {:?} does not exist, so this grants nothing", role.kind, role.name)));
    }
    for (index, subject) in binding.subjects.iter().enumerate() {
        let is_account = subject.kind == "ServiceAccount" && !subject.namespace.is_empty() && !subject.name.is_empty();
        if is_account && !world.exists(Kind::ServiceAccount, &subject.namespace, &subject.name) {
            problems.push(warning(format!("subjects[{index}]"), format!("ServiceAccount {}/{} does not exist", subject.namespace, subject.name)));
        }
    }
    problems
}
