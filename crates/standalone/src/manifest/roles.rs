//! Roles and bindings, by the rules of the API server (`pkg/apis/rbac/validation` there).

use std::collections::BTreeMap;

use connectors_crd::{FieldPath, ObjectMeta};
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::kind::is_path_segment;
use super::{Content, Found, Kind, Node, Places, default_namespace};
use crate::objects::{PolicyRule, RBAC_GROUP, RoleRef, Subject};

/// A binding of either kind.
#[derive(Debug)]
pub(crate) struct Binding {
    pub(crate) role_ref: RoleRef,
    pub(crate) subjects: Vec<Subject>,
}

/// A ClusterRole as it was written.
#[derive(Debug)]
pub(crate) struct ClusterRoleContent {
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) rules: Vec<PolicyRule>,
    /// The ClusterRoles whose rules it has in place of its own.
    pub(crate) aggregates: Option<Vec<LabelSelector>>,
}

/// A selector of labels; empty selects everything.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct LabelSelector {
    match_labels: BTreeMap<String, String>,
    match_expressions: Vec<LabelRequirement>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct LabelRequirement {
    key: String,
    operator: String,
    values: Vec<String>,
}

impl LabelSelector {
    pub(crate) fn selects(&self, labels: &BTreeMap<String, String>) -> bool {
        self.match_labels.iter().all(|(key, value)| labels.get(key) == Some(value))
            && self.match_expressions.iter().all(|LabelRequirement { key, operator, values }| {
                let value = labels.get(key);
                match operator.as_str() {
                    "In" => value.is_some_and(|value| values.contains(value)),
                    "NotIn" => value.is_none_or(|value| !values.contains(value)),
                    "Exists" => value.is_some(),
                    "DoesNotExist" => value.is_none(),
                    _ => false,
                }
            })
    }
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct RoleManifest {
    #[serde(rename = "apiVersion")]
    _api_version: IgnoredAny,
    #[serde(rename = "kind")]
    _kind: IgnoredAny,
    metadata: ObjectMeta,
    rules: Vec<PolicyRule>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ClusterRoleManifest {
    #[serde(rename = "apiVersion")]
    _api_version: IgnoredAny,
    #[serde(rename = "kind")]
    _kind: IgnoredAny,
    metadata: ObjectMeta,
    rules: Vec<PolicyRule>,
    aggregation_rule: Option<AggregationRule>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct AggregationRule {
    cluster_role_selectors: Vec<LabelSelector>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct BindingManifest {
    #[serde(rename = "apiVersion")]
    _api_version: IgnoredAny,
    #[serde(rename = "kind")]
    _kind: IgnoredAny,
    metadata: ObjectMeta,
    role_ref: RoleRef,
    subjects: Vec<Subject>,
}

/// A Role, ClusterRole or a binding of either.
pub(super) fn read(kind: Kind, node: &Node<'_>, found: &mut Found) -> (ObjectMeta, Content) {
    let places = Places::of(node);
    match kind {
        Kind::Role => {
            let RoleManifest { mut metadata, rules, .. } = found.decode(node);
            default_namespace(&mut metadata);
            check_rules(&rules, true, &places, found);
            (metadata, Content::Role(rules))
        }
        Kind::RoleBinding => {
            let BindingManifest { mut metadata, role_ref, subjects, .. } = found.decode(node);
            default_namespace(&mut metadata);
            let binding = binding(role_ref, subjects, Some(&metadata.namespace), &places, found);
            (metadata, Content::RoleBinding(binding))
        }
        Kind::ClusterRoleBinding => {
            let BindingManifest { metadata, role_ref, subjects, .. } = found.decode(node);
            (metadata, Content::ClusterRoleBinding(binding(role_ref, subjects, None, &places, found)))
        }
        _ => {
            let ClusterRoleManifest { metadata, rules, aggregation_rule, .. } = found.decode(node);
            check_rules(&rules, false, &places, found);
            let aggregates = aggregation_rule.map(|rule| rule.cluster_role_selectors);
            check_selectors(aggregates.as_deref(), &places, found);
            let labels = metadata.labels.clone();
            (metadata, Content::ClusterRole(ClusterRoleContent { labels, rules, aggregates }))
        }
    }
}

fn check_rules(rules: &[PolicyRule], namespaced: bool, places: &Places, found: &mut Found) {
    let field = FieldPath::Key(&FieldPath::Object, "rules");
    for (index, PolicyRule { verbs, api_groups, resources, resource_names, non_resource_urls }) in rules.iter().enumerate() {
        let rule = field.index(index);
        let mut require = |key: &str, values: &[String]| {
            if values.is_empty() {
                found.error(places, rule.key(key).to_string(), "is required");
            }
        };
        require("verbs", verbs);
        if non_resource_urls.is_empty() {
            require("apiGroups", api_groups);
            require("resources", resources);
        } else if namespaced {
            found.error(places, rule.key("nonResourceURLs").to_string(), "is only possible in a ClusterRole");
        } else if !(api_groups.is_empty() && resources.is_empty() && resource_names.is_empty()) {
            found.error(places, rule.to_string(), "must be either about resources or about nonResourceURLs");
        }
    }
}

fn check_selectors(selectors: Option<&[LabelSelector]>, places: &Places, found: &mut Found) {
    let Some(selectors) = selectors else { return };
    let rule = FieldPath::Key(&FieldPath::Object, "aggregationRule");
    let field = rule.key("clusterRoleSelectors");
    if selectors.is_empty() {
        found.error(places, field.to_string(), "is required");
    }
    for (index, selector) in selectors.iter().enumerate() {
        let selector_field = field.index(index);
        let expressions = selector_field.key("matchExpressions");
        for (index, LabelRequirement { key, operator, values }) in selector.match_expressions.iter().enumerate() {
            let item = expressions.index(index);
            if key.is_empty() {
                found.error(places, item.key("key").to_string(), "is required");
            }
            match operator.as_str() {
                "In" | "NotIn" if values.is_empty() => found.error(places, item.key("values").to_string(), "is required"),
                "Exists" | "DoesNotExist" if !values.is_empty() => found.error(places, item.key("values").to_string(), "must be left out"),
                "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
                _ => found.error(places, item.key("operator").to_string(), "must be In, NotIn, Exists or DoesNotExist"),
            }
        }
    }
}

/// Checks a binding and fills in its defaults. `namespace` is that of a RoleBinding.
fn binding(mut role_ref: RoleRef, mut subjects: Vec<Subject>, namespace: Option<&str>, places: &Places, found: &mut Found) -> Binding {
    check_role_ref(&mut role_ref, namespace.is_some(), places, found);
    let field = FieldPath::Key(&FieldPath::Object, "subjects");
    for (index, subject) in subjects.iter_mut().enumerate() {
        check_subject(subject, namespace, &field.index(index), places, found);
    }
    Binding { role_ref, subjects }
}

fn check_role_ref(role_ref: &mut RoleRef, namespaced: bool, places: &Places, found: &mut Found) {
    if role_ref.api_group.is_empty() {
        role_ref.api_group = RBAC_GROUP.into();
    } else if role_ref.api_group != RBAC_GROUP {
        found.error(places, "roleRef.apiGroup", format!("must be {RBAC_GROUP}"));
    }
    match role_ref.kind.as_str() {
        "ClusterRole" => {}
        "Role" if namespaced => {}
        _ if namespaced => found.error(places, "roleRef.kind", "must be Role or ClusterRole"),
        _ => found.error(places, "roleRef.kind", "must be ClusterRole"),
    }
    if !is_path_segment(&role_ref.name) {
        found.error(places, "roleRef.name", if role_ref.name.is_empty() { "is required" } else { "must be the name of a role" });
    }
}

fn check_subject(subject: &mut Subject, namespace: Option<&str>, field: &FieldPath<'_>, places: &Places, found: &mut Found) {
    if subject.name.is_empty() {
        found.error(places, field.key("name").to_string(), "is required");
    }
    match subject.kind.as_str() {
        "ServiceAccount" => {
            if !subject.api_group.is_empty() {
                found.error(places, field.key("apiGroup").to_string(), "must be left out for a ServiceAccount");
            }
            match (subject.namespace.is_empty(), namespace) {
                (false, _) => {}
                (true, Some(own)) => subject.namespace = own.to_owned(),
                (true, None) => found.error(places, field.key("namespace").to_string(), "is required for a ServiceAccount"),
            }
        }
        "User" | "Group" => {
            if subject.api_group.is_empty() {
                subject.api_group = RBAC_GROUP.into();
            } else if subject.api_group != RBAC_GROUP {
                found.error(places, field.key("apiGroup").to_string(), format!("must be {RBAC_GROUP}"));
            }
            // It means nothing there, and evaluation must not see it.
            subject.namespace.clear();
        }
        _ => found.error(places, field.key("kind").to_string(), "must be ServiceAccount, User or Group"),
    }
}
