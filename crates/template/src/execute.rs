//! Running a template: statements. Expressions are in `evaluate`.

use std::collections::HashMap;
use std::sync::Arc;

use crate::error::{Error, ErrorKind, Failure, Place};
use crate::fmt;
use crate::function::{Env, Slot};
use crate::limits::{Limits, Meter};
use crate::node::{Instruction, NodeId, NodeKind, Program, Target, VariableId};
use crate::template::MissingKey;
use crate::types::{IntKind, Type, UintKind};
use crate::value::{List, Map, Str, Value};

/// Renders a program at the end of `out`.
pub(crate) fn execute(program: &Program, missing_key: MissingKey, limits: Limits, data: &Value, out: &mut Vec<u8>) -> Result<(), Error> {
    let end = out.len().saturating_add(limits.output_bytes);
    let dot = Slot::plain(data.clone());
    let mut executor = Executor {
        program,
        missing_key,
        env: Env { meter: Meter::new(limits), tied: Vec::new(), expressions: Default::default() },
        out,
        end,
        variables: vec![(0, dot.clone())],
        base: 0,
        dot,
        frames: Vec::new(),
        calls: Vec::new(),
        tree: program.root,
        at: 0,
        stack: Vec::new(),
    };
    let result = executor.run();
    untie(&executor.env.tied);
    result
}

type Result<T, E = Error> = std::result::Result<T, E>;

pub(crate) struct Executor<'a> {
    pub(crate) program: &'a Program,
    pub(crate) missing_key: MissingKey,
    pub(crate) env: Env,
    out: &'a mut Vec<u8>,
    /// How long `out` may become.
    end: usize,
    /// Go's stack of variables: the last of a name counts.
    pub(crate) variables: Vec<(VariableId, Slot)>,
    /// Where the variables of the template that is executing begin.
    pub(crate) base: usize,
    pub(crate) dot: Slot,
    frames: Vec<Frame>,
    calls: Vec<Caller>,
    tree: usize,
    /// The node that errors name.
    pub(crate) at: NodeId,
    /// Arguments of functions that are being called.
    pub(crate) stack: Vec<Slot>,
}

/// A scope: what is restored at its end.
struct Frame {
    variables: usize,
    dot: Slot,
    range: Option<Box<Range>>,
    /// Of a loop with nothing to go over: its end, where `{{break}}` in its `{{else}}` leads.
    empty: Option<Target>,
}

/// A loop.
struct Range {
    items: Items,
    /// Variables at the beginning of each iteration.
    variables: usize,
    pipe: NodeId,
    body: Target,
    end: Target,
}

enum Items {
    Signed(IntKind, i64, i64),
    Unsigned(UintKind, u64, u64),
    List(Arc<List>, usize),
    Bytes(Str, usize),
    Map(Type, std::vec::IntoIter<(Str, Value)>),
}

/// The template that executed another one.
struct Caller {
    tree: usize,
    next: Target,
    base: usize,
    dot: Slot,
    frames: usize,
}

impl Executor<'_> {
    fn run(&mut self) -> Result<()> {
        let program = self.program;
        let Some(mut code) = program.trees.get(self.tree).map(|tree| &tree.code) else { return Ok(()) };
        let mut next = 0;
        while let Some(instruction) = code.get(next) {
            next += 1;
            self.step()?;
            match *instruction {
                Instruction::Text(from, to) => self.write(&program.text.as_bytes()[from..to])?,
                Instruction::Action(pipe) => {
                    let value = self.pipeline(pipe)?;
                    if let NodeKind::Pipe(kind) = &program.node(pipe).kind
                        && kind.declared.is_empty()
                    {
                        self.at = pipe;
                        self.print(value)?;
                    }
                }
                Instruction::If(pipe, otherwise) => {
                    self.open();
                    if !is_true(&self.pipeline(pipe)?.value) {
                        next = otherwise;
                    }
                }
                Instruction::With(pipe, otherwise) => {
                    self.open();
                    let value = self.pipeline(pipe)?;
                    if is_true(&value.value) {
                        self.dot = value;
                    } else {
                        next = otherwise;
                    }
                }
                Instruction::Range { pipe, otherwise, end } => {
                    self.open();
                    next = if self.open_range(pipe, next, end)? {
                        self.next_iteration()?
                    } else {
                        if let Some(frame) = self.frames.last_mut() {
                            frame.empty = Some(end);
                        }
                        otherwise
                    };
                }
                Instruction::Next => next = self.next_iteration()?,
                Instruction::Break => next = self.leave_loop(),
                Instruction::Continue => {
                    self.unwind_to_loop();
                    next = self.next_iteration()?;
                }
                Instruction::Jump(target) => next = target,
                Instruction::EndScope => self.close(),
                Instruction::Template(node, tree) => {
                    self.call(node, tree, next)?;
                    code = &program.trees[self.tree].code;
                    next = 0;
                }
                Instruction::Return => {
                    let Some(caller) = self.calls.pop() else { return Ok(()) };
                    next = self.return_to(caller);
                    code = &program.trees[self.tree].code;
                }
            }
        }
        Ok(())
    }

    fn open(&mut self) {
        self.frames.push(Frame { variables: self.variables.len(), dot: self.dot.clone(), range: None, empty: None });
    }

    fn close(&mut self) {
        if let Some(frame) = self.frames.pop() {
            self.variables.truncate(frame.variables);
            self.dot = frame.dot;
        }
    }

    /// Begins a loop in the scope that was opened last. `false`: there's nothing to iterate over.
    fn open_range(&mut self, pipe: NodeId, body: Target, end: Target) -> Result<bool> {
        let value = self.pipeline(pipe)?.value;
        let (items, empty) = match &value {
            Value::Int(kind, count) => (Items::Signed(*kind, 0, *count), *count <= 0),
            Value::Uint(kind, count) => (Items::Unsigned(*kind, 0, *count), *count == 0),
            Value::List(list) => (Items::List(list.clone(), 0), list.items().is_empty()),
            Value::Bytes(bytes) => (Items::Bytes(bytes.clone(), 0), bytes.is_empty()),
            Value::Map(map) => {
                let entries = map.entries();
                self.allocate(entries.len() * size_of::<(Str, Value)>())?;
                let empty = entries.is_empty();
                (Items::Map(map.element().clone(), entries.into_iter()), empty)
            }
            Value::Nil => return Ok(false),
            Value::Null(Type::Slice(_) | Type::Map(_) | Type::Bytes | Type::Pointer(_) | Type::Version) if !is_pointer(&value) => return Ok(false),
            _ => {
                let shown = self.show(&value)?;
                return Err(self.fail(format!("range can't iterate over {shown}")));
            }
        };
        if matches!(items, Items::Signed(..) | Items::Unsigned(..)) && declared(self.program, pipe).0.len() > 1 {
            let shown = self.show(&value)?;
            return Err(self.fail(format!("can't use {shown} to iterate over more than one variable")));
        }
        if empty {
            return Ok(false);
        }
        let variables = self.variables.len();
        if let Some(frame) = self.frames.last_mut() {
            frame.range = Some(Box::new(Range { items, variables, pipe, body, end }));
        }
        Ok(true)
    }

    /// The next value of the innermost loop, and where to go on.
    fn next_iteration(&mut self) -> Result<Target> {
        let Some(range) = self.frames.last_mut().and_then(|frame| frame.range.as_mut()) else { return Ok(Target::MAX) };
        self.variables.truncate(range.variables);
        let Some((index, element)) = range.items.next() else { return Ok(range.end) };
        let (pipe, body) = (range.pipe, range.body);
        let (declared, assigns) = declared(self.program, pipe);
        match (declared, assigns) {
            (&[], _) => {}
            (&[only], true) => self.assign(only, element.clone())?,
            (&[first, second, ..], true) => {
                self.assign(first, index)?;
                self.assign(second, element.clone())?;
            }
            (declared, false) => {
                let top = self.variables.len();
                self.variables[top - 1].1 = element.clone();
                if declared.len() > 1 {
                    self.variables[top - 2].1 = index;
                }
            }
        }
        self.dot = element;
        Ok(body)
    }

    /// Closes the scopes within the innermost loop.
    fn unwind_to_loop(&mut self) {
        while self.frames.last().is_some_and(|frame| frame.range.is_none()) {
            self.frames.pop();
        }
    }

    fn leave_loop(&mut self) -> Target {
        while let Some(frame) = self.frames.last() {
            if let Some(end) = frame.empty.or(frame.range.as_ref().map(|range| range.end)) {
                return end;
            }
            self.frames.pop();
        }
        Target::MAX
    }

    /// Executes another template.
    fn call(&mut self, node: NodeId, tree: Option<usize>, next: Target) -> Result<()> {
        self.at = node;
        let NodeKind::Template(name, pipe) = &self.program.node(node).kind else { return Ok(()) };
        let Some(tree) = tree else {
            let name = crate::quote::quote(name.as_bytes());
            return Err(self.fail(format!("template {name} not defined")));
        };
        let limit = self.env.meter.limits().template_depth;
        if self.calls.len() >= limit {
            return Err(self.limit(format!("exceeded maximum template depth ({limit})")));
        }
        let dot = match pipe {
            Some(pipe) => self.pipeline(*pipe)?,
            None => Slot::INVALID,
        };
        let caller = Caller { tree: self.tree, next, base: self.base, dot: std::mem::replace(&mut self.dot, dot.clone()), frames: self.frames.len() };
        self.calls.push(caller);
        self.tree = tree;
        self.base = self.variables.len();
        self.variables.push((0, dot));
        Ok(())
    }

    fn return_to(&mut self, caller: Caller) -> Target {
        self.variables.truncate(self.base);
        self.frames.truncate(caller.frames);
        self.tree = caller.tree;
        self.base = caller.base;
        self.dot = caller.dot;
        caller.next
    }

    pub(crate) fn assign(&mut self, variable: VariableId, value: Slot) -> Result<()> {
        match self.variables[self.base..].iter_mut().rev().find(|(id, _)| *id == variable) {
            Some((_, slot)) => {
                *slot = value;
                Ok(())
            }
            None => Err(self.undefined(variable)),
        }
    }

    pub(crate) fn undefined(&self, variable: VariableId) -> Error {
        self.fail(format!("undefined variable: {}", self.program.variables[variable as usize]))
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        if bytes.len() > self.end - self.out.len() {
            let limit = self.env.meter.limits().output_bytes;
            return Err(self.limit(format!("the output takes more than {limit} bytes")));
        }
        self.out.extend_from_slice(bytes);
        Ok(())
    }

    fn print(&mut self, slot: Slot) -> Result<()> {
        match slot.value {
            Value::String(text) => self.write(&text),
            Value::Nil => self.write(b"<no value>"),
            Value::Pointer(object) => self.print_any(&Value::Struct(object)),
            other => self.print_any(&other),
        }
    }

    fn print_any(&mut self, value: &Value) -> Result<()> {
        let before = self.out.len();
        fmt::append_print(self.out, self.end, &[value]).map_err(|failure| self.failure(failure))?;
        let written = self.out.len() - before;
        self.env.meter.work(written).map_err(|failure| self.failure(failure))
    }

    /// A value in an error.
    fn show(&mut self, value: &Value) -> Result<String> {
        match fmt::sprint(&mut self.env.meter, &[value]) {
            Ok(text) => Ok(crate::quote::lossy(&text)),
            Err(failure) => Err(self.failure(failure)),
        }
    }

    #[inline]
    fn step(&mut self) -> Result<()> {
        self.env.meter.step().map_err(|failure| self.failure(failure))
    }

    fn allocate(&mut self, bytes: usize) -> Result<()> {
        self.env.meter.allocate(bytes).map_err(|failure| self.failure(failure))
    }

    /// An error at the current node.
    #[cold]
    pub(crate) fn fail(&self, message: String) -> Error {
        self.error(ErrorKind::Execute, message)
    }

    #[cold]
    pub(crate) fn limit(&self, message: String) -> Error {
        self.error(ErrorKind::Limit, message)
    }

    /// A failure that isn't a function's own.
    #[cold]
    pub(crate) fn failure(&self, failure: Failure) -> Error {
        match failure {
            Failure::Message(message) => self.fail(message),
            Failure::Limit(message) => self.limit(message),
        }
    }

    #[cold]
    fn error(&self, kind: ErrorKind, message: String) -> Error {
        let (position, context) = match self.program.nodes.get(self.at as usize) {
            Some(node) => (node.position, self.program.describe(self.at)),
            None => (0, String::new()),
        };
        let (line, column) = self.program.line_and_column(position);
        let executing = self.program.trees.get(self.tree).map_or("", |tree| &tree.name);
        Error::execute(kind, &Place { template: &self.program.name, executing, line, column, context: &context }, message)
    }
}

impl Items {
    fn next(&mut self) -> Option<(Slot, Slot)> {
        let index = |index: usize| Slot::plain(Value::Int(IntKind::Int, index as i64));
        match self {
            Self::Signed(kind, next, end) => (*next < *end).then(|| {
                let item = Slot::plain(Value::Int(*kind, *next));
                *next += 1;
                (Slot::INVALID, item)
            }),
            Self::Unsigned(kind, next, end) => (*next < *end).then(|| {
                let item = Slot::plain(Value::Uint(*kind, *next));
                *next += 1;
                (Slot::INVALID, item)
            }),
            Self::List(list, next) => {
                let item = list.items().get(*next)?;
                *next += 1;
                Some((index(*next - 1), Slot::of(item.clone(), list.element())))
            }
            Self::Bytes(bytes, next) => {
                let byte = *bytes.get(*next)?;
                *next += 1;
                Some((index(*next - 1), Slot::plain(Value::Uint(UintKind::Uint8, u64::from(byte)))))
            }
            Self::Map(element, entries) => {
                let (key, value) = entries.next()?;
                Some((Slot::plain(Value::String(key)), Slot::of(value, element)))
            }
        }
    }
}

/// The variables that a pipeline sets, and whether they were there before.
fn declared(program: &Program, pipe: NodeId) -> (&[VariableId], bool) {
    match &program.node(pipe).kind {
        NodeKind::Pipe(pipe) => (&pipe.declared, pipe.assigns),
        _ => (&[], false),
    }
}

fn is_pointer(value: &Value) -> bool {
    matches!(value, Value::Null(Type::Pointer(_) | Type::Version))
}

/// `template.IsTrue`: not the zero of its type, and not empty.
pub(crate) fn is_true(value: &Value) -> bool {
    match value {
        Value::Nil | Value::Null(_) => false,
        Value::Bool(truth) => *truth,
        Value::Int(_, number) => *number != 0,
        Value::Uint(_, number) => *number != 0,
        Value::Float(number) => *number != 0.0,
        Value::Complex(real, imaginary) => *real != 0.0 || *imaginary != 0.0,
        Value::String(text) | Value::Bytes(text) => !text.is_empty(),
        Value::List(list) => !list.items().is_empty(),
        Value::Map(map) => !map.is_empty(),
        Value::Struct(_) | Value::Pointer(_) | Value::Time(_) | Value::Version(_) => true,
    }
}

/// Empties maps that contain themselves: nothing else would let go of them.
fn untie(maps: &[Arc<Map>]) {
    let mut seen: HashMap<*const (), bool> = HashMap::new(); // and whether what is in it is still being looked at
    let mut within: Vec<Arc<Map>> = Vec::new();
    let mut pending: Vec<Visit> = maps.iter().map(|map| Visit::Enter(Value::Map(map.clone()))).collect();
    while let Some(visit) = pending.pop() {
        let value = match visit {
            Visit::Enter(value) => value,
            Visit::Leave(address, is_map) => {
                seen.insert(address, false);
                if is_map {
                    within.pop();
                }
                continue;
            }
        };
        let (address, is_map) = match &value {
            Value::Map(map) => (Arc::as_ptr(map).cast::<()>(), true),
            Value::List(list) => (Arc::as_ptr(list).cast::<()>(), false),
            Value::Struct(object) | Value::Pointer(object) => (Arc::as_ptr(object).cast::<()>(), false),
            _ => continue,
        };
        match seen.get(&address) {
            // Only maps change, so there's one on the way around.
            Some(true) => within.iter().rev().take(1).for_each(|map| map.clear()),
            Some(false) => {}
            None => {
                seen.insert(address, true);
                pending.push(Visit::Leave(address, is_map));
                match &value {
                    Value::Map(map) => {
                        within.push(map.clone());
                        pending.extend(map.entries().into_iter().map(|(_, value)| Visit::Enter(value)));
                    }
                    Value::List(list) => pending.extend(list.items().iter().cloned().map(Visit::Enter)),
                    Value::Struct(object) | Value::Pointer(object) => pending.extend(object.fields().iter().cloned().map(Visit::Enter)),
                    _ => {}
                }
            }
        }
    }
}

/// A step of looking through values.
enum Visit {
    Enter(Value),
    Leave(*const (), bool),
}
