//! Rules of roles that grant nothing here but look as if they were meant to. RBAC itself takes any text, so the API server says nothing.

use connectors_crd::{FieldPath, GROUP, Problem, closest, did_you_mean};

use super::World;
use super::cross::{error, warning};
use crate::objects::PolicyRule;

/// What is in our group.
const RESOURCES: [&str; 5] = ["connectors", "connectorclasses", "resourceinterfaces", "accesspolicies", "accessrequests"];
/// What every resource has.
const SUBRESOURCES: [&str; 2] = ["status", "finalizers"];
/// What connectors have besides.
const CONNECTOR_SUBRESOURCES: [&str; 4] = ["proxy", "apis", "status", "finalizers"];
/// What anybody asks about them.
const VERBS: [&str; 8] = ["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"];
const ALL: &str = "*";

/// What is wrong with the rules of one role.
pub(super) fn problems(rules: &[PolicyRule], world: &World) -> Vec<Problem> {
    let field = FieldPath::Key(&FieldPath::Object, "rules");
    let mut problems = Vec::new();
    for (index, rule) in rules.iter().enumerate() {
        let field = field.index(index);
        match rule.api_groups.iter().any(|group| group == GROUP) {
            true => {
                // In a rule that is also about other groups, what isn't ours may be theirs.
                let ours_alone = rule.api_groups.iter().all(|group| group == GROUP);
                for (at, resource) in rule.resources.iter().enumerate() {
                    problems.extend(resource_problem(resource, ours_alone, &field.key("resources").index(at), world));
                }
                problems.extend(verb_problems(rule, ours_alone, &field.key("verbs")));
            }
            false => problems.extend(group_problems(rule, &field.key("apiGroups"))),
        }
    }
    problems
}

/// Groups that were meant to be ours, in a rule without ours.
fn group_problems(rule: &PolicyRule, field: &FieldPath<'_>) -> Vec<Problem> {
    if rule.api_groups.iter().any(|group| group == ALL) {
        return Vec::new();
    }
    let about_connectors = rule.resources.iter().any(|resource| RESOURCES.contains(&resource.split('/').next().unwrap_or_default()));
    let problem = |(at, group): (usize, &String)| {
        let name = group.split('/').next().unwrap_or_default();
        let near = name == GROUP || closest(name, [GROUP]).is_some() || about_connectors && name.starts_with("connector");
        let message = match group.as_str() {
            "" if about_connectors => format!("the core API group has no such resources, so this grants nothing; did you mean {GROUP:?}?"),
            _ if near => format!("{group:?} is no API group here, so this grants nothing; did you mean {GROUP:?}?"),
            _ => return None,
        };
        Some(warning(field.index(at).to_string(), message))
    };
    rule.api_groups.iter().enumerate().filter_map(problem).collect()
}

fn resource_problem(resource: &str, ours_alone: bool, field: &FieldPath<'_>, world: &World) -> Option<Problem> {
    let (name, subresource) = resource.split_once('/').unwrap_or((resource, ""));
    let first = subresource.split('/').next().unwrap_or_default();
    if name == ALL {
        return None;
    }
    if !RESOURCES.contains(&name) {
        let worth_saying = ours_alone || closest(name, RESOURCES).is_some();
        return worth_saying.then(|| warning(field.to_string(), format!("{GROUP} has no {name:?}, so this grants nothing{}", did_you_mean(name, RESOURCES))));
    }
    let known: &[&str] = if name == "connectors" { &CONNECTOR_SUBRESOURCES } else { &SUBRESOURCES };
    match first {
        "" => None,
        ALL => Some(warning(field.to_string(), format!("grants nothing: name each subresource ({}), or everything with \"*\"", known.join(", ")))),
        "apis" if name == "connectors" => class_problem(subresource, field, world),
        _ if known.contains(&first) => None,
        _ => {
            let message = format!("{name} have no subresource {first:?}, so this grants nothing{}", did_you_mean(first, known.iter().copied()));
            Some(warning(field.to_string(), message))
        }
    }
}

/// `apis/<class>[/<path>]` with something else in place of the class: most often the path alone was written.
fn class_problem(subresource: &str, field: &FieldPath<'_>, world: &World) -> Option<Problem> {
    let class = subresource.split('/').nth(1).filter(|class| *class != ALL && !world.classes.contains_key(*class))?;
    Some(match is_version(class) {
        true => error(field.to_string(), "must be connectors/apis/<ConnectorClass>/<path>: a path needs the class before it"),
        false => warning(field.to_string(), format!("ConnectorClass {class:?} does not exist, so this grants nothing")),
    })
}

/// `v4`: the beginning of an API's path.
fn is_version(text: &str) -> bool {
    text.strip_prefix('v').is_some_and(|number| number.starts_with(|c: char| c.is_ascii_digit()))
}

fn verb_problems(rule: &PolicyRule, ours_alone: bool, field: &FieldPath<'_>) -> Vec<Problem> {
    if rule.verbs.iter().any(|verb| verb == ALL) {
        return Vec::new();
    }
    let problem = |(at, verb): (usize, &String)| {
        let near = closest(verb, VERBS);
        if VERBS.contains(&verb.as_str()) || near.is_none() && !ours_alone {
            return None;
        }
        let meant = near.map_or_else(|| "; to use a Connector takes \"get\"".to_owned(), |near| format!("; did you mean {near:?}?"));
        Some(warning(field.index(at).to_string(), format!("{verb:?} is no verb that is asked for here, so it grants nothing{meant}")))
    };
    rule.verbs.iter().enumerate().filter_map(problem).collect()
}
