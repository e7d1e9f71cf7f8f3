//! Running a template: expressions. Go's `text/template/exec.go`, from `evalPipeline` on.
//!
//! Parentheses are the only thing here that takes stack for each level, so what calls itself keeps little on it.

use std::sync::Arc;

use crate::error::{Error, Failure};
use crate::execute::{Executor, is_true};
use crate::function::{Args, Call, Function, Param, Slot};
use crate::methods;
use crate::node::{NodeId, NodeKind};
use crate::quote::{lossy, quote};
use crate::template::MissingKey;
use crate::types::{IntKind, StructType, Type, UintKind};
use crate::value::{Map, Str, Struct, Value};

type Result<T, E = Error> = std::result::Result<T, E>;

/// A call costs as much as reading so many bytes: more than other steps do, since what it returns has to be made.
const CALL_BYTES: usize = 1024;

/// What precedes in a pipeline, as the last argument of the next command.
type Final = Option<Slot>;

impl Executor<'_> {
    /// The value of a pipeline; sets its variables.
    pub(crate) fn pipeline(&mut self, id: NodeId) -> Result<Slot> {
        self.at = id;
        let program = self.program;
        let NodeKind::Pipe(pipe) = &program.node(id).kind else { return Ok(Slot::INVALID) };
        let mut value = None;
        for &command in &pipe.commands {
            let mut slot = self.command(command, value)?;
            slot.boxed = false;
            value = Some(slot);
        }
        let value = value.unwrap_or(Slot::INVALID);
        if !pipe.declared.is_empty() {
            self.set(&pipe.declared, pipe.assigns, &value)?;
        }
        Ok(value)
    }

    fn set(&mut self, variables: &[u32], assigns: bool, value: &Slot) -> Result<()> {
        for &variable in variables {
            if assigns {
                self.assign(variable, value.clone())?;
            } else {
                self.variables.push((variable, value.clone()));
            }
        }
        Ok(())
    }

    fn command(&mut self, id: NodeId, last: Final) -> Result<Slot> {
        let program = self.program;
        let NodeKind::Command(words) = &program.node(id).kind else { return Ok(Slot::INVALID) };
        let first = words[0];
        match &program.node(first).kind {
            NodeKind::Field(fields) => {
                self.at = first;
                let dot = self.dot.clone();
                self.fields(dot, first, fields, words, last)
            }
            NodeKind::Chain(inner, fields) => self.chain(first, *inner, fields, words, last),
            NodeKind::Identifier(function) => {
                self.at = first;
                self.call_function(function, id, &words[1..], last, None)
            }
            NodeKind::Pipe(_) => {
                self.not_a_function(words, &last)?;
                self.pipeline(first)
            }
            NodeKind::Variable(variable, fields) => {
                self.at = first;
                self.variable(first, *variable, fields, words, last)
            }
            _ => {
                self.at = first;
                self.not_a_function(words, &last)?;
                self.literal(first)
            }
        }
    }

    fn not_a_function(&self, words: &[NodeId], last: &Final) -> Result<()> {
        if words.len() > 1 || last.is_some() {
            let first = words.first().map_or(String::new(), |&word| self.program.describe(word));
            return Err(self.fail(format!("can't give argument to non-function {first}")));
        }
        Ok(())
    }

    fn literal(&mut self, id: NodeId) -> Result<Slot> {
        match &self.program.node(id).kind {
            NodeKind::Bool(truth) => Ok(Slot::plain(Value::Bool(*truth))),
            NodeKind::Dot => Ok(self.dot.clone()),
            NodeKind::Number(number) => number.ideal().map(Slot::plain).map_err(|message| self.fail(message)),
            NodeKind::String(_, text) => Ok(Slot::plain(text.clone())),
            _ => Err(self.fail("nil is not a command".to_owned())),
        }
    }

    fn variable(&mut self, node: NodeId, variable: u32, fields: &[Str], words: &[NodeId], last: Final) -> Result<Slot> {
        let slot = match self.variables[self.base..].iter().rev().find(|(id, _)| *id == variable) {
            Some((_, slot)) => slot.clone(),
            None => return Err(self.undefined(variable)),
        };
        if fields.is_empty() {
            self.not_a_function(words, &last)?;
            return Ok(slot);
        }
        self.fields(slot, node, fields, words, last)
    }

    fn chain(&mut self, node: NodeId, inner: NodeId, fields: &[Str], words: &[NodeId], last: Final) -> Result<Slot> {
        self.at = node;
        let receiver = self.argument(None, inner)?;
        self.fields(receiver, node, fields, words, last)
    }

    fn fields(&mut self, receiver: Slot, node: NodeId, fields: &[Str], words: &[NodeId], last: Final) -> Result<Slot> {
        let mut receiver = receiver;
        if let Some((name, before)) = fields.split_last() {
            for name in before {
                receiver = self.field(receiver, name, node, &[], None)?;
            }
            receiver = self.field(receiver, name, node, words.get(1..).unwrap_or_default(), last)?;
        }
        Ok(receiver)
    }

    fn field(&mut self, receiver: Slot, name: &Str, node: NodeId, args: &[NodeId], last: Final) -> Result<Slot> {
        if let Value::Nil = receiver.value {
            return self.field_of_nil(receiver.boxed, name);
        }
        let has_args = !args.is_empty() || last.is_some();
        match &receiver.value {
            Value::Map(map) => {
                if has_args {
                    return Err(self.not_a_method(name));
                }
                self.entry(map, name)
            }
            Value::Struct(object) | Value::Pointer(object) => {
                let kind = object.kind();
                match kind.fields().iter().position(|field| field.name.as_bytes() == &**name) {
                    Some(index) if !has_args => {
                        let value = object.fields().get(index).cloned().unwrap_or(Value::Nil);
                        Ok(Slot::of(value, &kind.fields()[index].kind))
                    }
                    _ => match methods::find(&receiver.value, name) {
                        Some(method) => self.call_function(method, node, args, last, Some(receiver)),
                        None => self.promoted_field(object, name, has_args, &receiver),
                    },
                }
            }
            Value::Null(kind) => self.field_of_null(kind, name, has_args, &receiver),
            value => match methods::find(value, name) {
                Some(method) => self.call_function(method, node, args, last, Some(receiver)),
                None => Err(self.no_field(name, &receiver)),
            },
        }
    }

    fn field_of_nil(&self, boxed: bool, name: &[u8]) -> Result<Slot> {
        if boxed {
            return Err(self.fail(format!("nil pointer evaluating interface {{}}.{}", lossy(name))));
        }
        if self.missing_key == MissingKey::Error {
            return Err(self.fail(format!("nil data; no entry for key {}", quote(name))));
        }
        Ok(Slot::INVALID)
    }

    fn not_a_method(&self, name: &[u8]) -> Error {
        self.fail(format!("{} is not a method but has arguments", lossy(name)))
    }

    fn no_field(&self, name: &[u8], receiver: &Slot) -> Error {
        self.fail(format!("can't evaluate field {} in type {}", lossy(name), receiver.type_name()))
    }

    fn entry(&self, map: &Map, name: &[u8]) -> Result<Slot> {
        match map.get(name) {
            Some(value) => Ok(Slot::of(value, map.element())),
            None => self.missing(map.element(), name),
        }
    }

    fn missing(&self, element: &Type, name: &[u8]) -> Result<Slot> {
        match self.missing_key {
            MissingKey::Default => Ok(Slot::INVALID),
            MissingKey::Zero => Ok(Slot::of(element.zero(), element)),
            MissingKey::Error => Err(self.fail(format!("map has no entry for key {}", quote(name)))),
        }
    }

    fn promoted_field(&self, object: &Arc<Struct>, name: &Str, has_args: bool, receiver: &Slot) -> Result<Slot> {
        let path = std::str::from_utf8(name).ok().and_then(|name| object.kind().find(name));
        let Some(path) = path else { return Err(self.no_field(name, receiver)) };
        if has_args {
            return Err(self.fail(format!("{} has arguments but cannot be invoked as function", lossy(name))));
        }
        let mut slot = Slot::plain(Value::Struct(object.clone()));
        for index in path {
            let (Value::Struct(object) | Value::Pointer(object)) = &slot.value else {
                return Err(self.fail(format!("reflect: indirection through nil pointer to embedded struct field {}", embedded_name(&slot.value))));
            };
            let kind: &StructType = object.kind();
            slot = Slot::of(object.fields().get(index).cloned().unwrap_or(Value::Nil), &kind.fields()[index].kind);
        }
        Ok(slot)
    }

    fn field_of_null(&self, kind: &Type, name: &Str, has_args: bool, receiver: &Slot) -> Result<Slot> {
        match kind {
            Type::Map(_) if has_args => Err(self.not_a_method(name)),
            Type::Map(element) => self.missing(element, name),
            Type::Pointer(object) if std::str::from_utf8(name).is_ok_and(|name| object.find(name).is_some()) => {
                Err(self.fail(format!("nil pointer evaluating {}.{}", receiver.type_name(), lossy(name))))
            }
            Type::Version => Err(self.fail(format!("nil pointer evaluating {}.{}", receiver.type_name(), lossy(name)))),
            _ => Err(self.no_field(name, receiver)),
        }
    }

    /// Calls a function or, with a receiver, a method. `node` is what an error of the function names.
    fn call_function(&mut self, function: &'static Function, node: NodeId, args: &[NodeId], last: Final, receiver: Option<Slot>) -> Result<Slot> {
        self.check_count(function, args, last.is_some())?;
        match function.call {
            Call::And | Call::Or => return self.and_or(matches!(function.call, Call::Or), args, last),
            Call::Unusable(why) => return Err(self.fail(why.to_owned())),
            Call::Code(_) | Call::Value => {}
        }
        let base = self.stack.len();
        self.stack.extend(receiver);
        let mut index = 0;
        for &arg in args {
            let slot = self.argument(Some(param(function, index)), arg)?;
            self.stack.push(slot);
            index += 1;
        }
        if let Some(last) = last {
            let slot = self.validate(last, param(function, index))?;
            self.stack.push(slot);
        }
        let result = self.run_function(function, base, args);
        self.stack.truncate(base);
        match result {
            Ok(value) => Ok(Slot { boxed: matches!(value, Value::Nil), value }),
            Err(failure) => Err(self.function_failure(function, node, failure)),
        }
    }

    fn run_function(&mut self, function: &Function, base: usize, args: &[NodeId]) -> Result<Value, Failure> {
        let size: usize = self.stack[base..].iter().map(|slot| size_of_argument(&slot.value)).sum();
        self.env.meter.work(size.saturating_add(CALL_BYTES))?;
        match function.call {
            Call::Code(code) => code(&mut self.env, Args(&self.stack[base..])),
            _ => Err(self.not_callable(base, args)),
        }
    }

    /// What `call` says of anything: there are no values that are functions.
    fn not_callable(&self, base: usize, args: &[NodeId]) -> Failure {
        let value = self.stack.get(base).map_or(&Value::Nil, |slot| &slot.value);
        let name = match (args.first(), value) {
            (Some(&arg), _) => self.program.describe(arg),
            (None, Value::String(text)) => lossy(text),
            (None, value) => format!("<{} Value>", value.type_of()),
        };
        match value {
            Value::Nil => Failure::from("call of nil"),
            value => Failure::Message(format!("non-function {name} of type {}", value.type_of())),
        }
    }

    #[cold]
    fn function_failure(&mut self, function: &Function, node: NodeId, failure: Failure) -> Error {
        self.at = node;
        match failure {
            Failure::Message(message) => self.fail(format!("error calling {}: {message}", function.name)),
            Failure::Limit(message) => self.limit(format!("error calling {}: {message}", function.name)),
        }
    }

    fn check_count(&self, function: &Function, args: &[NodeId], has_last: bool) -> Result<()> {
        let count = args.len() + usize::from(has_last);
        let params = function.params.len();
        if function.variadic {
            if count < params - 1 {
                return Err(self.fail(format!("wrong number of args for {}: want at least {} got {}", function.name, params - 1, args.len())));
            }
        } else if count != params && !matches!(function.call, Call::Unusable(_)) {
            return Err(self.fail(format!("wrong number of args for {}: want {params} got {count}", function.name)));
        }
        Ok(())
    }

    fn and_or(&mut self, or: bool, args: &[NodeId], last: Final) -> Result<Slot> {
        let mut value = Slot::INVALID;
        for &arg in args {
            value = self.argument(Some(Param::Reflect), arg)?;
            if is_true(&value.value) == or {
                return Ok(value);
            }
        }
        Ok(last.unwrap_or(value))
    }

    /// The value of an argument, of a parameter's type. Without one it is what a chain begins with.
    fn argument(&mut self, param: Option<Param>, id: NodeId) -> Result<Slot> {
        self.at = id;
        let program = self.program;
        let slot = match &program.node(id).kind {
            NodeKind::Dot => self.dot.clone(),
            NodeKind::Nil => return self.nil_argument(param),
            NodeKind::Field(fields) => {
                let dot = self.dot.clone();
                self.fields(dot, id, fields, &[], None)?
            }
            NodeKind::Variable(variable, fields) => self.variable(id, *variable, fields, &[], None)?,
            NodeKind::Pipe(_) => self.pipeline(id)?,
            NodeKind::Identifier(function) => self.call_function(function, id, &[], None, None)?,
            NodeKind::Chain(inner, fields) => self.chain(id, *inner, fields, &[], None)?,
            _ => return self.constant(param, id),
        };
        match param {
            Some(param) => self.validate(slot, param),
            None => Ok(slot),
        }
    }

    fn nil_argument(&self, param: Option<Param>) -> Result<Slot> {
        let param = param.unwrap_or(Param::Any);
        param.nil().ok_or_else(|| self.fail(format!("cannot assign nil to {}", param.name())))
    }

    /// A literal that stands for a value of a type.
    fn constant(&self, param: Option<Param>, id: NodeId) -> Result<Slot> {
        let param = param.unwrap_or(Param::Any);
        let value = match (param, &self.program.node(id).kind) {
            (Param::Any | Param::Reflect, NodeKind::Bool(truth)) | (Param::Bool, NodeKind::Bool(truth)) => Some(Value::Bool(*truth)),
            (Param::Any | Param::Reflect | Param::String, NodeKind::String(_, text)) => Some(text.clone()),
            (Param::Any | Param::Reflect, NodeKind::Number(number)) => return number.ideal().map(Slot::plain).map_err(|message| self.fail(message)),
            (Param::Int, NodeKind::Number(number)) => number.int.map(|int| Value::Int(IntKind::Int, int)),
            (Param::Duration, NodeKind::Number(number)) => number.int.map(|int| Value::Int(IntKind::Duration, int)),
            (Param::Uint32, NodeKind::Number(number)) => number.uint.map(|uint| Value::Uint(UintKind::Uint32, u64::from(uint as u32))),
            (Param::Float, NodeKind::Number(number)) => number.float.map(Value::Float),
            _ => None,
        };
        if let Some(value) = value {
            return Ok(Slot::plain(value));
        }
        let text = self.program.describe(id);
        let expected = match param {
            Param::String => "string",
            Param::Bool => "bool",
            Param::Int | Param::Duration => "integer",
            Param::Uint32 => "unsigned integer",
            Param::Float => "float",
            _ => return Err(self.fail(format!("can't handle {text} for arg of type {}", param.name()))),
        };
        Err(self.fail(format!("expected {expected}; found {text}")))
    }

    fn validate(&self, slot: Slot, param: Param) -> Result<Slot> {
        if slot.is_invalid() {
            return param.nil().ok_or_else(|| self.fail(format!("invalid value; expected {}", param.name())));
        }
        if param.accepts(&slot.value) {
            return Ok(slot);
        }
        let found = if matches!(slot.value, Value::Nil) { Type::Interface } else { slot.value.type_of() };
        Err(self.fail(format!("wrong type for value; expected {}; got {found}", param.name())))
    }
}

fn param(function: &Function, index: usize) -> Param {
    let last = function.params.len().saturating_sub(1);
    function.params.get(index.min(last)).copied().unwrap_or(Param::Any)
}

/// What a function may have to read of an argument.
fn size_of_argument(value: &Value) -> usize {
    match value {
        Value::String(text) | Value::Bytes(text) => text.len(),
        Value::List(list) => size_of_val(list.items()),
        _ => 0,
    }
}

fn embedded_name(value: &Value) -> String {
    match value {
        Value::Null(Type::Pointer(kind)) => kind.name().rsplit('.').next().unwrap_or_default().to_owned(),
        _ => String::new(),
    }
}
