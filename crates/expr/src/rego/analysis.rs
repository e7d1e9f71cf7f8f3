//! What a module reads, calls and defines, found by walking its tree once, and what in it is refused.
//!
//! It is conservative: what isn't understood counts as reading everything.

mod calls;
mod graph;

use super::error::CompileError;
use super::reads::Reads;
use crate::Position;
use graph::{Graph, Path};
use regorus::Value;
use regorus::unstable::{AssignOp, BoolOp, Expr, Literal, Module, Query, Ref, Rule, RuleAssign, RuleBody, RuleHead, Span};
use std::collections::{BTreeMap, BTreeSet};

/// How deep the tree of one rule may be. What `scan` lets through is less deep, but for the parts that it can't see.
const MAX_DEPTH: usize = 300;

/// What was found.
pub(super) struct Analysis {
    /// What it reads.
    pub(super) reads: Reads,
    /// Whether it calls what depends on time or chance.
    pub(super) is_volatile: bool,
    /// The functions of the interpreter, or ours, that it calls.
    pub(super) functions: BTreeSet<String>,
    /// The paths of its rules, without `data`.
    pub(super) rules: BTreeSet<Path>,
}

/// Looks at a module as the interpreter has parsed it.
///
/// # Errors
/// What of [`CompileError`] is found without compiling.
pub(super) fn analyse(module: &Module) -> Result<Analysis, CompileError> {
    let package = static_path(&module.package.refr);
    let mut walker = Walker {
        names: BTreeSet::new(),
        user_functions: BTreeSet::new(),
        aliases: BTreeMap::new(),
        graph: Graph::default(),
        scopes: Vec::new(),
        reads: Reads::default(),
        is_volatile: false,
        functions: BTreeSet::new(),
        deepest: 0,
        mentioned: BTreeSet::new(),
        is_head: false,
        is_v1: module.rego_v1,
        package,
    };
    for import in &module.imports {
        walker.import(&import.refr, import.r#as.as_ref());
    }
    for rule in &module.policy {
        walker.declare(rule);
    }
    for rule in &module.policy {
        walker.rule(rule)?;
    }
    walker.graph.check()?;
    Ok(Analysis { reads: walker.reads, is_volatile: walker.is_volatile, functions: walker.functions, rules: walker.graph.paths() })
}

/// Where a span is.
pub(super) fn at(span: &Span) -> Position {
    Position { line: span.line, column: span.col }
}

struct Walker {
    package: Path,
    /// The first names of the package's rules.
    names: BTreeSet<String>,
    user_functions: BTreeSet<Path>,
    aliases: BTreeMap<String, Path>,
    graph: Graph,
    /// Names that mean a variable, innermost last.
    scopes: Vec<BTreeSet<String>>,
    reads: Reads,
    is_volatile: bool,
    functions: BTreeSet<String>,
    deepest: usize,
    /// The variables of the current body.
    mentioned: BTreeSet<String>,
    is_head: bool,
    is_v1: bool,
}

impl Walker {
    fn import(&mut self, target: &Expr, alias: Option<&Span>) {
        let path = static_path(target);
        if matches!(path.first().map(String::as_str), Some("input" | "data"))
            && let Some(name) = alias.map(|span| span.text().to_owned()).or_else(|| path.last().cloned())
        {
            self.aliases.insert(name, path);
        }
    }

    fn declare(&mut self, rule: &Rule) {
        let (head, is_function) = match rule {
            Rule::Spec { head: RuleHead::Func { refr, .. }, .. } => (refr, true),
            Rule::Spec { head: RuleHead::Compr { refr, .. } | RuleHead::Set { refr, .. }, .. } => (refr, false),
            Rule::Default { refr, args, .. } => (refr, !args.is_empty()),
        };
        let path = self.in_package(&static_path(head));
        if let Some(name) = path.get(self.package.len()) {
            self.names.insert(name.clone());
        }
        if is_function {
            self.user_functions.insert(path.clone());
        }
        self.graph.declare(path, at(rule.span()));
    }

    fn in_package(&self, path: &[String]) -> Path {
        self.package.iter().chain(path).cloned().collect()
    }

    fn rule(&mut self, rule: &Rule) -> Result<(), CompileError> {
        self.deepest = 0;
        let (head, bodies): (&Ref<Expr>, &[RuleBody]) = match rule {
            Rule::Spec { head: RuleHead::Compr { refr, .. } | RuleHead::Set { refr, .. } | RuleHead::Func { refr, .. }, bodies, .. } => (refr, bodies),
            Rule::Default { refr, .. } => (refr, &[]),
        };
        let path = self.in_package(&static_path(head));
        self.graph.enter(path);
        let arguments: BTreeSet<String> = match rule {
            Rule::Spec { head: RuleHead::Func { args, .. }, .. } | Rule::Default { args, .. } => args.iter().flat_map(|argument| variables(argument)).collect(),
            Rule::Spec { .. } => BTreeSet::new(),
        };
        self.scopes.push(arguments);
        let result = self.rule_inside(rule, bodies);
        self.scopes.pop();
        self.graph.leave(self.deepest);
        result
    }

    fn rule_inside(&mut self, rule: &Rule, bodies: &[RuleBody]) -> Result<(), CompileError> {
        // A body comes before its head: the head's variables must occur in it.
        self.mentioned.clear();
        if let Some(first) = bodies.first() {
            self.query(&first.query, 0)?;
        }
        self.scopes.push(bodies.first().map(|body| declared(&body.query)).unwrap_or_default());
        let head = match rule {
            Rule::Spec { head: RuleHead::Compr { refr, assign, .. }, .. } => self.indices(refr, 0).and_then(|()| self.assigned(assign.as_ref())),
            Rule::Spec { head: RuleHead::Set { refr, key, .. }, .. } => self.indices(refr, 0).and_then(|()| key.as_ref().map_or(Ok(()), |key| self.head(key))),
            Rule::Spec { head: RuleHead::Func { assign, .. }, .. } => self.assigned(assign.as_ref()),
            Rule::Default { value, .. } => self.expr(value, 0),
        };
        self.scopes.pop();
        head?;
        for body in bodies.iter().skip(1) {
            self.mentioned.clear();
            self.query(&body.query, 0)?;
            self.scopes.push(declared(&body.query));
            let result = self.assigned(body.assign.as_ref());
            self.scopes.pop();
            result?;
        }
        Ok(())
    }

    fn assigned(&mut self, assign: Option<&RuleAssign>) -> Result<(), CompileError> {
        assign.map_or(Ok(()), |assign| self.head(&assign.value))
    }

    /// What a rule is: its variables must have values.
    fn head(&mut self, value: &Expr) -> Result<(), CompileError> {
        self.is_head = true;
        let result = self.expr(value, 0);
        self.is_head = false;
        result
    }

    fn query(&mut self, query: &Query, depth: usize) -> Result<(), CompileError> {
        let was_head = std::mem::take(&mut self.is_head);
        self.scopes.push(declared(query));
        let result = query.stmts.iter().try_for_each(|statement| {
            for with in &statement.with_mods {
                // What the rules below read is replaced, maybe by what is read here.
                self.reads.everything();
                self.expr(&with.refr, depth + 1)?;
                self.expr(&with.r#as, depth + 1)?;
            }
            match &statement.literal {
                Literal::SomeVars { .. } => Ok(()),
                Literal::SomeIn { key, value, collection, .. } => {
                    key.as_ref().map_or(Ok(()), |key| self.expr(key, depth + 1))?;
                    self.expr(value, depth + 1)?;
                    self.expr(collection, depth + 1)
                }
                Literal::Expr { expr, .. } | Literal::NotExpr { expr, .. } => self.expr(expr, depth + 1),
                Literal::Every { domain, query, .. } => {
                    self.expr(domain, depth + 1)?;
                    self.query(query, depth + 3)
                }
            }
        });
        self.scopes.pop();
        self.is_head = was_head;
        result
    }

    fn expr(&mut self, expr: &Expr, depth: usize) -> Result<(), CompileError> {
        if depth > MAX_DEPTH {
            return Err(CompileError::TooDeep { at: at(expr.span()) });
        }
        self.deepest = self.deepest.max(depth);
        let next = depth + 1;
        match expr {
            Expr::String { .. } | Expr::RawString { .. } | Expr::Number { .. } | Expr::Bool { .. } | Expr::Null { .. } => Ok(()),
            Expr::Array { items, .. } | Expr::Set { items, .. } => items.iter().try_for_each(|item| self.expr(item, next)),
            Expr::Object { fields, .. } => fields.iter().try_for_each(|(_, key, value)| {
                self.expr(key, next)?;
                self.expr(value, next)
            }),
            Expr::ArrayCompr { term, query, .. } | Expr::SetCompr { term, query, .. } => self.comprehension(&[term], query, depth + 3),
            Expr::ObjectCompr { key, value, query, .. } => self.comprehension(&[key, value], query, depth + 3),
            Expr::Call { fcn, params, .. } => {
                self.call(fcn, params)?;
                params.iter().try_for_each(|parameter| self.expr(parameter, next))
            }
            Expr::UnaryExpr { expr, .. } => self.expr(expr, next),
            Expr::Var { .. } | Expr::RefDot { .. } | Expr::RefBrack { .. } => self.reference(expr, next),
            Expr::BoolExpr { op: BoolOp::Eq | BoolOp::Ne, lhs, rhs, .. } if matches!(rhs.as_ref(), Expr::Null { .. }) && self.is_map(lhs) => Ok(()),
            Expr::BinExpr { lhs, rhs, .. } | Expr::BoolExpr { lhs, rhs, .. } | Expr::ArithExpr { lhs, rhs, .. } | Expr::AssignExpr { lhs, rhs, .. } => {
                self.expr(lhs, next)?;
                self.expr(rhs, next)
            }
            Expr::Membership { key, value, collection, .. } => {
                key.as_ref().map_or(Ok(()), |key| self.expr(key, next))?;
                self.expr(value, next)?;
                self.expr(collection, next)
            }
        }
    }

    /// Whether that is `input.request.headers` or `.query`, which never are null: comparing them with it reads none of them.
    fn is_map(&mut self, expr: &Expr) -> bool {
        let (root, steps) = steps(expr);
        let Expr::Var { span, .. } = root else { return false };
        let Some(mut path) = self.resolve(span.text()) else { return false };
        for step in steps {
            let Some(step) = step else { return false };
            path.push(step);
        }
        let names: Vec<&str> = path.iter().map(String::as_str).collect();
        match names.as_slice() {
            ["input", "request", "headers"] => self.reads.headers.is_there(),
            ["input", "request", "query"] => self.reads.query.is_there(),
            _ => return false,
        }
        true
    }

    fn comprehension(&mut self, terms: &[&Ref<Expr>], query: &Query, depth: usize) -> Result<(), CompileError> {
        self.scopes.push(declared(query));
        let result = self.query(query, depth).and_then(|()| terms.iter().try_for_each(|term| self.expr(term, depth)));
        self.scopes.pop();
        result
    }

    /// What is inside the brackets of a reference.
    fn indices(&mut self, expr: &Expr, depth: usize) -> Result<(), CompileError> {
        match expr {
            Expr::RefDot { refr, .. } => self.indices(refr, depth + 1),
            Expr::RefBrack { refr, index, .. } => {
                self.indices(refr, depth + 1)?;
                self.expr(index, depth + 1)
            }
            _ => Ok(()),
        }
    }

    fn reference(&mut self, expr: &Expr, depth: usize) -> Result<(), CompileError> {
        let was_head = std::mem::take(&mut self.is_head);
        self.indices(expr, depth)?;
        self.is_head = was_head;
        let (root, steps) = steps(expr);
        let Expr::Var { span, .. } = root else { return self.expr(root, depth) };
        let Some(mut path) = self.resolve(span.text()) else { return self.variable(span) };
        // Up to the first step that isn't known: what is above it is read.
        path.extend(steps.into_iter().map_while(|step| step));
        match path.split_first() {
            Some((root, rest)) if root == "input" => self.reads.note(rest),
            Some((_, rest)) => self.graph.uses(rest),
            None => {}
        }
        Ok(())
    }

    /// A variable: in a head it needs a value, which references and patterns of the body give.
    fn variable(&mut self, span: &Span) -> Result<(), CompileError> {
        let name = span.text();
        let has_value = !self.is_head || name == "_" || self.mentioned.contains(name) || self.scopes.iter().any(|scope| scope.contains(name));
        self.mentioned.insert(name.to_owned());
        if has_value { Ok(()) } else { Err(CompileError::Invalid { at: at(span), message: format!("var {name} is unsafe: it has no value") }) }
    }

    /// What a name stands for, if not for a variable: a path that begins with `input` or `data`.
    fn resolve(&self, name: &str) -> Option<Path> {
        if name == "input" || name == "data" {
            return Some(vec![name.to_owned()]);
        }
        if self.scopes.iter().any(|scope| scope.contains(name)) {
            return None;
        }
        if let Some(path) = self.aliases.get(name) {
            return Some(path.clone());
        }
        let path = std::iter::once("data".to_owned()).chain(self.package.iter().cloned()).chain(std::iter::once(name.to_owned()));
        self.names.contains(name).then(|| path.collect())
    }
}

/// The root of a reference, and its steps: none where what is in brackets isn't a constant text.
fn steps(mut expr: &Expr) -> (&Expr, Vec<Option<String>>) {
    let mut steps = Vec::new();
    loop {
        match expr {
            Expr::RefDot { refr, field: (span, value), .. } => {
                steps.push(Some(match value {
                    Value::String(text) => text.to_string(),
                    _ => span.text().to_owned(),
                }));
                expr = refr;
            }
            Expr::RefBrack { refr, index, .. } => {
                steps.push(match index.as_ref() {
                    Expr::String { value: Value::String(text), .. } | Expr::RawString { value: Value::String(text), .. } => Some(text.to_string()),
                    _ => None,
                });
                expr = refr;
            }
            root => {
                steps.reverse();
                return (root, steps);
            }
        }
    }
}

/// The constant part of a reference.
fn static_path(expr: &Expr) -> Path {
    let (root, steps) = steps(expr);
    let name = match root {
        Expr::Var { span, .. } => Some(span.text().to_owned()),
        _ => None,
    };
    std::iter::once(name).chain(steps).map_while(|step| step).collect()
}

/// The variables that a query declares, which hide rules of the same name.
fn declared(query: &Query) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for statement in &query.stmts {
        match &statement.literal {
            Literal::SomeVars { vars, .. } => names.extend(vars.iter().map(|span| span.text().to_owned())),
            Literal::SomeIn { key, value, .. } => {
                names.extend(key.iter().flat_map(|key| variables(key)));
                names.extend(variables(value));
            }
            Literal::Expr { expr, .. } | Literal::NotExpr { expr, .. } => {
                if let Expr::AssignExpr { op: AssignOp::ColEq, lhs, .. } = expr.as_ref() {
                    names.extend(variables(lhs));
                }
            }
            Literal::Every { key, value, .. } => {
                names.extend(key.iter().map(|span| span.text().to_owned()));
                names.insert(value.text().to_owned());
            }
        }
    }
    names
}

/// The variables of a pattern.
fn variables(pattern: &Expr) -> Vec<String> {
    match pattern {
        Expr::Var { span, .. } => vec![span.text().to_owned()],
        Expr::Array { items, .. } | Expr::Set { items, .. } => items.iter().flat_map(|item| variables(item)).collect(),
        Expr::Object { fields, .. } => fields.iter().flat_map(|(_, _, value)| variables(value)).collect(),
        _ => Vec::new(),
    }
}
