//! From the text of one file to the objects in it.

mod core_kinds;
mod kind;
mod places;
mod roles;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use connectors_core::Flags;
use connectors_crd::{self as crd, CheckedClass, Connector, ConnectorClass, FieldPath, Problem, Secret, Severity, validate};
use core_kinds::ANNOTATION_PREFIX;
pub use core_kinds::DATA_FROM_ANNOTATION;
pub(crate) use core_kinds::is_key;
pub(crate) use kind::{Kind, ObjectId};
pub(crate) use places::Places;
pub(crate) use roles::{Binding, ClusterRoleContent};
use serde::de::DeserializeOwned;

use crate::objects::PolicyRule;
use crate::report::{Finding, Position};
use crate::yaml::{self, Located, Node, Value};

/// The objects of one file and what is wrong with them.
#[derive(Debug, Default)]
pub(crate) struct Manifest {
    pub(crate) objects: Vec<Arc<Object>>,
    pub(crate) findings: Vec<Finding>,
    /// Whether there are values of Secrets in the file itself.
    pub(crate) holds_secrets: bool,
    /// Every object that the text names, with errors or without; `None` if it could not be read to its end.
    named: Option<HashSet<Arc<ObjectId>>>,
}

/// One object.
#[derive(Debug)]
pub(crate) struct Object {
    pub(crate) id: Arc<ObjectId>,
    /// The file that it stands in.
    pub(crate) file: Arc<Path>,
    pub(crate) at: Position,
    /// Where its fields are; only kept for kinds that refer to other objects.
    pub(crate) places: Places,
    /// The first thing that makes it unusable. Its content then only serves to look for further problems.
    pub(crate) error: Option<Problem>,
    /// Fields whose content could not be read; nothing can be said about them and what is in them.
    unreadable: Vec<String>,
    pub(crate) content: Content,
}

#[derive(Debug)]
pub(crate) enum Content {
    Class(Arc<CheckedClass>),
    Connector(Arc<Connector>),
    Secret(Arc<Secret>),
    ServiceAccount,
    Namespace(BTreeMap<String, String>),
    Role(Vec<PolicyRule>),
    ClusterRole(ClusterRoleContent),
    RoleBinding(Binding),
    ClusterRoleBinding(Binding),
    Flags(Flags),
    /// Known, and of no use here.
    Stored,
}

/// Reads the folders that Secrets take their values from.
pub(crate) trait ValueFolders {
    /// Values by file name. `folder` is as the annotation has it; an error says what is wrong with the annotation.
    fn read(&mut self, folder: &str) -> Result<Vec<(String, connectors_core::SecretValue)>, String>;
}

impl Manifest {
    /// Whether the file must not replace what it held before.
    pub(crate) fn is_broken(&self) -> bool {
        self.findings.iter().any(|finding| finding.severity == Severity::Error)
    }

    /// This without the ServiceAccounts, roles and bindings that `latest` no longer has in it; `None` if that leaves everything, or if
    /// nobody knows what `latest` has in it.
    pub(crate) fn without_rights_not_in(&self, latest: &Self) -> Option<Self> {
        let named = latest.named.as_ref()?;
        let stays = |object: &Object| !object.id.kind.gives_rights() || named.contains(&object.id);
        if self.objects.iter().all(|object| stays(object)) {
            return None;
        }
        Some(Self { objects: self.objects.iter().filter(|object| stays(object)).cloned().collect(), ..Self::default() })
    }

    /// A file that could not be read at all, and why.
    pub(crate) fn unreadable(why: Finding) -> Self {
        Self { findings: vec![why], ..Self::default() }
    }
}

impl Object {
    /// Whether it is better there without being usable than not there: whoever asks for it is then told why.
    pub(crate) fn can_be_unusable(&self) -> bool {
        matches!(self.content, Content::Class(_) | Content::Connector(_))
    }

    /// Whether something can be said about that field: it and everything around it could be read.
    pub(crate) fn knows(&self, field: &str) -> bool {
        !self.unreadable.iter().any(|unreadable| covers(unreadable, field))
    }
}

/// Reads a file's text. `file` is how findings call it.
pub(crate) fn read(file: &Path, text: &str, system_namespace: &str, values: &mut dyn ValueFolders) -> Manifest {
    let mut reader = Reader { file: file.into(), system_namespace, values, manifest: Manifest::default(), seen: HashMap::new() };
    let (documents, syntax) = yaml::parse(text);
    for document in documents.iter().filter(|document| !document.is_null()) {
        reader.document(document);
    }
    match syntax {
        None => reader.manifest.named = Some(std::mem::take(&mut reader.seen).into_keys().collect()),
        Some(error) => {
            let problem = Problem { field: String::new(), message: error.problem, severity: Severity::Error };
            reader.report(None, error.at, problem);
        }
    }
    reader.manifest
}

struct Reader<'f> {
    file: Arc<Path>,
    system_namespace: &'f str,
    values: &'f mut dyn ValueFolders,
    manifest: Manifest,
    seen: HashMap<Arc<ObjectId>, Position>,
}

impl Reader<'_> {
    fn report(&mut self, object: Option<String>, at: Position, problem: Problem) {
        let Problem { field, message, severity } = problem;
        self.manifest.findings.push(Finding { file: self.file.to_path_buf(), at: Some(at), severity, object, field, message });
    }

    fn refuse(&mut self, object: Option<String>, at: Position, field: &str, message: impl Into<String>) {
        self.report(object, at, Problem { field: field.into(), message: message.into(), severity: Severity::Error });
    }

    fn document(&mut self, node: &Node<'_>) {
        if !matches!(node.value, Value::Mapping(_)) {
            return self.refuse(None, node.at, "", "must be a mapping with apiVersion, kind and metadata");
        }
        let (Some(api_version), Some(kind)) = (self.type_field(node, "apiVersion"), self.type_field(node, "kind")) else { return };
        if (api_version, kind) == ("v1", "List") {
            return self.list(node);
        }
        match Kind::find(api_version, kind) {
            Ok(Some(kind)) => self.object(kind, node),
            Ok(None) => {
                let problem = Problem { field: "kind".into(), message: format!("{kind} is ignored here"), severity: Severity::Warning };
                self.report(Some(described(kind, node)), node.at, problem);
            }
            Err(problem) => {
                let at = node.get(&problem.field).map_or(node.at, |value| value.at);
                self.report(Some(described(kind, node)), at, problem);
            }
        }
    }

    /// `apiVersion` or `kind`, reported if it isn't there.
    fn type_field<'n>(&mut self, node: &'n Node<'_>, field: &str) -> Option<&'n str> {
        let value = node.get(field).filter(|value| !value.is_null());
        let text = value.and_then(Node::as_str).filter(|text| !text.is_empty());
        if text.is_none() {
            let message = if value.is_none() { "is required" } else { "must be a string" };
            self.refuse(None, value.map_or(node.at, |value| value.at), field, message);
        }
        text
    }

    fn list(&mut self, node: &Node<'_>) {
        let Some(items) = node.get("items").filter(|items| !items.is_null()) else { return };
        match &items.value {
            Value::List(items) => items.iter().filter(|item| !item.is_null()).for_each(|item| self.document(item)),
            _ => self.refuse(Some("List".into()), items.at, "items", "must be a list"),
        }
    }

    fn object(&mut self, kind: Kind, node: &Node<'_>) {
        let places = Places::of(node);
        let mut found = Found { problems: repeated_keys(node), unreadable: Vec::new() };
        let (meta, content) = self.content(kind, node, &mut found);
        let id = Arc::new(ObjectId::new(kind, &meta.namespace, &meta.name));
        found.add(&places, metadata(kind, &meta));
        found.add(&places, annotations(kind, &meta));

        let object = described(kind.name(), node);
        if let Some(first) = self.seen.get(&id).copied()
            && !meta.name.is_empty()
        {
            let message = format!("is defined twice; the other is at {}:{first}", self.file.display());
            found.problems.push(Located { at: node.at, problem: Problem { field: String::new(), message, severity: Severity::Error } });
        }
        let first = self.seen.contains_key(&id);
        self.seen.entry(id.clone()).or_insert(node.at);
        let error = found.problems.iter().map(|found| &found.problem).find(|problem| problem.severity == Severity::Error).cloned();
        for Located { at, problem } in found.problems {
            self.report(Some(object.clone()), at, problem);
        }
        if !first && !meta.name.is_empty() {
            let places = if kind.refers_to_others() { places } else { Places::default() };
            self.manifest.objects.push(Arc::new(Object { id, file: self.file.clone(), at: node.at, places, error, unreadable: found.unreadable, content }));
        }
    }

    fn content(&mut self, kind: Kind, node: &Node<'_>, found: &mut Found) -> (crd::ObjectMeta, Content) {
        match kind {
            Kind::ConnectorClass => {
                let class: ConnectorClass = found.decode(node);
                let meta = class.metadata.clone();
                let checked = CheckedClass::new(class, found.errors());
                found.add(&Places::of(node), checked.problems().to_vec());
                (meta, Content::Class(Arc::new(checked)))
            }
            Kind::Connector => {
                let mut connector: Connector = found.decode(node);
                default_namespace(&mut connector.metadata);
                found.add(&Places::of(node), validate::connector(&connector));
                (connector.metadata.clone(), Content::Connector(Arc::new(connector)))
            }
            Kind::Secret => self.secret(node, found),
            Kind::ConfigMap => self.config_map(node, found),
            Kind::ServiceAccount | Kind::Namespace | Kind::ResourceInterface => core_kinds::plain(kind, node, found),
            Kind::Role | Kind::ClusterRole | Kind::RoleBinding | Kind::ClusterRoleBinding => roles::read(kind, node, found),
        }
    }
}

/// What was found in one object so far.
struct Found {
    problems: Vec<Located>,
    unreadable: Vec<String>,
}

impl Found {
    fn decode<T: DeserializeOwned + Default>(&mut self, node: &Node<'_>) -> T {
        let (value, problems) = yaml::decode(node);
        self.unreadable.extend(problems.iter().map(|found| found.problem.field.clone()));
        self.problems.extend(problems);
        value
    }

    /// Adds problems, but for those that only follow from a field that could not be read, and those that are known already.
    fn add(&mut self, places: &Places, problems: Vec<Problem>) {
        for problem in problems {
            let known = self.problems.iter().any(|known| known.problem == problem);
            if !known && !self.unreadable.iter().any(|unreadable| covers(unreadable, &problem.field)) {
                self.problems.push(Located { at: places.find(&problem.field), problem });
            }
        }
    }

    fn error(&mut self, places: &Places, field: impl Into<String>, message: impl Into<String>) {
        self.add(places, vec![Problem { field: field.into(), message: message.into(), severity: Severity::Error }]);
    }

    fn warning(&mut self, places: &Places, field: impl Into<String>, message: impl Into<String>) {
        self.add(places, vec![Problem { field: field.into(), message: message.into(), severity: Severity::Warning }]);
    }

    fn errors(&self) -> Vec<Problem> {
        self.problems.iter().map(|found| found.problem.clone()).filter(|problem| problem.severity == Severity::Error).collect()
    }
}

/// Whether `field` is `outer` or lies in it.
fn covers(outer: &str, field: &str) -> bool {
    field.strip_prefix(outer).is_some_and(|rest| outer.is_empty() || rest.is_empty() || rest.starts_with(['.', '[']))
}

/// Keys that stand twice in one mapping, at most [`yaml::MAX_ERRORS`].
fn repeated_keys(node: &Node<'_>) -> Vec<Located> {
    let mut problems = Vec::new();
    node.walk(&mut |path: &FieldPath<'_>, node| {
        if let Value::Mapping(mapping) = &node.value {
            for repeated in mapping.repeated.iter().take(yaml::MAX_ERRORS.saturating_sub(problems.len())) {
                let message = format!("occurs twice in its mapping; the first is in line {}", repeated.first.line);
                let problem = Problem { field: path.key(&repeated.key).to_string(), message, severity: Severity::Error };
                problems.push(Located { at: repeated.at, problem });
            }
        }
    });
    problems
}

/// Rules of `metadata` for the kinds that don't have their own.
fn metadata(kind: Kind, meta: &crd::ObjectMeta) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut add = |field: &str, message: &str, severity| problems.push(Problem { field: field.into(), message: message.into(), severity });
    if matches!(kind, Kind::ConnectorClass | Kind::Connector) {
        return problems;
    }
    if meta.name.is_empty() {
        add("metadata.name", "is required", Severity::Error);
    } else if !kind.allows_name(&meta.name) {
        add("metadata.name", kind.name_rule(), Severity::Error);
    }
    if !kind.is_namespaced() && !meta.namespace.is_empty() {
        add("metadata.namespace", "is ignored: objects of this kind belong to no namespace", Severity::Warning);
    }
    if kind.is_namespaced() && !crd::is_dns_label(&meta.namespace) {
        add("metadata.namespace", "must be 1 to 63 of a-z, 0-9 and '-', starting and ending with a letter or digit", Severity::Error);
    }
    problems
}

/// Annotations of ours that nobody here reads: a slip in the name would else pass in silence.
fn annotations(kind: Kind, meta: &crd::ObjectMeta) -> Vec<Problem> {
    let ours = meta.annotations.keys().filter(|key| key.starts_with(ANNOTATION_PREFIX));
    let problem = |key: &String| {
        let message = match key == DATA_FROM_ANNOTATION {
            true if kind == Kind::Secret => return None,
            true => "has no effect here: only a Secret can take values from files".to_owned(),
            false => format!("is not known, so it has no effect{}", crd::did_you_mean(key, [DATA_FROM_ANNOTATION])),
        };
        Some(Problem { field: FieldPath::Key(&FieldPath::Object, "metadata").key("annotations").key(key).to_string(), message, severity: Severity::Warning })
    };
    ours.filter_map(problem).collect()
}

/// What `kubectl` would do for an object that names no namespace.
fn default_namespace(meta: &mut crd::ObjectMeta) {
    if meta.namespace.is_empty() {
        meta.namespace = "default".into();
    }
}

/// What an object is called in findings, as far as it says.
fn described(kind: &str, node: &Node<'_>) -> String {
    let metadata = node.get("metadata");
    let text = |key| metadata.and_then(|metadata| metadata.get(key)).and_then(Node::as_str);
    let namespace = text("namespace").or_else(|| Kind::is_namespaced_name(kind).then_some("default"));
    match (namespace, text("name")) {
        (Some(namespace), Some(name)) if Kind::is_namespaced_name(kind) => format!("{kind} {namespace}/{name}"),
        (_, Some(name)) => format!("{kind} {name}"),
        (_, None) => kind.to_owned(),
    }
}
