//! Running a template: expressions. Go's `text/template/exec.go`, from `evalPipeline` on.
//!
//! Parentheses are the only thing here that takes stack for each level, so what calls itself keeps little on it.

use std::sync::Arc;

use crate::error::{Error, Failure};
use crate::execute::{Executor, is_true};
use crate::function::{Args, Call, Function, Param, Slot};
use crate::methods;
use crate::node::{NodeId, NodeKind, Pipe};
use crate::quote::{lossy, quote};
use crate::template::MissingKey;
use crate::types::{IntKind, StructType, Type, UintKind};
use crate::value::{Map, Str, Struct, Value};

type Result<T, E = Error> = std::result::Result<T, E>;

/// A call costs as much as reading so many bytes: more than other steps do, since what it returns has to be made.
const CALL_BYTES: usize = 1024;

impl Executor<'_> {
    /// The value of a pipeline; sets its variables.
    pub(crate) fn pipeline(&mut self, id: NodeId) -> Result<Slot> {
        self.push_pipeline(id)?;
        Ok(self.pop())
    }

    fn pop(&mut self) -> Slot {
        self.stack.pop().unwrap_or(Slot::INVALID)
    }

    // What follows leaves its value on the stack. `has_last` says that what precedes in the pipeline lies there already:
    // it is the last argument, and is taken.

    fn push_pipeline(&mut self, id: NodeId) -> Result<()> {
        self.at = id;
        let program = self.program;
        let NodeKind::Pipe(pipe) = &program.node(id).kind else { return Ok(()) };
        let mut index = 0;
        while index < pipe.commands.len() {
            self.push_command(pipe.commands[index], index > 0)?;
            self.unbox();
            index += 1;
        }
        if pipe.declared.is_empty() { Ok(()) } else { self.set(pipe) }
    }

    /// What was in an interface is seen as what it is.
    fn unbox(&mut self) {
        if let Some(slot) = self.stack.last_mut() {
            slot.boxed = false;
        }
    }

    fn set(&mut self, pipe: &Pipe) -> Result<()> {
        let value = self.stack.last().cloned().unwrap_or(Slot::INVALID);
        for &variable in &pipe.declared {
            if pipe.assigns {
                self.assign(variable, value.clone())?;
            } else {
                self.variables.push((variable, value.clone()));
            }
        }
        Ok(())
    }

    fn push_command(&mut self, id: NodeId, has_last: bool) -> Result<()> {
        let program = self.program;
        let NodeKind::Command(words) = &program.node(id).kind else { return Ok(()) };
        let first = words[0];
        match &program.node(first).kind {
            NodeKind::Identifier(function) => {
                self.at = first;
                self.push_call(function, id, &words[1..], has_last, false)
            }
            NodeKind::Pipe(_) => {
                self.not_a_function(words, has_last)?;
                self.push_pipeline(first)
            }
            NodeKind::Chain(inner, fields) => self.push_chain(first, *inner, fields, words, has_last),
            _ => self.push_simple_command(first, words, has_last),
        }
    }

    fn push_simple_command(&mut self, first: NodeId, words: &[NodeId], has_last: bool) -> Result<()> {
        self.at = first;
        let program = self.program;
        match &program.node(first).kind {
            NodeKind::Field(fields) => {
                let dot = self.dot.clone();
                self.push_fields(dot, first, fields, words, has_last)
            }
            NodeKind::Variable(variable, fields) => self.push_variable(first, *variable, fields, words, has_last),
            _ => {
                self.not_a_function(words, has_last)?;
                let value = self.literal(first)?;
                self.stack.push(value);
                Ok(())
            }
        }
    }

    fn not_a_function(&self, words: &[NodeId], has_last: bool) -> Result<()> {
        if words.len() > 1 || has_last {
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

    fn push_variable(&mut self, node: NodeId, variable: u32, fields: &[Str], words: &[NodeId], has_last: bool) -> Result<()> {
        let slot = match self.variables[self.base..].iter().rev().find(|(id, _)| *id == variable) {
            Some((_, slot)) => slot.clone(),
            None => return Err(self.undefined(variable)),
        };
        if fields.is_empty() {
            self.not_a_function(words, has_last)?;
            self.stack.push(slot);
            return Ok(());
        }
        self.push_fields(slot, node, fields, words, has_last)
    }

    fn push_chain(&mut self, node: NodeId, inner: NodeId, fields: &[Str], words: &[NodeId], has_last: bool) -> Result<()> {
        self.at = node;
        self.push_argument(None, inner)?;
        self.push_fields_of_top(node, fields, words, has_last)
    }

    fn push_fields_of_top(&mut self, node: NodeId, fields: &[Str], words: &[NodeId], has_last: bool) -> Result<()> {
        let receiver = self.pop();
        self.push_fields(receiver, node, fields, words, has_last)
    }

    fn push_fields(&mut self, receiver: Slot, node: NodeId, fields: &[Str], words: &[NodeId], has_last: bool) -> Result<()> {
        let mut receiver = receiver;
        let Some((name, before)) = fields.split_last() else {
            self.stack.push(receiver);
            return Ok(());
        };
        for name in before {
            self.push_field(receiver, name, node, &[], false)?;
            receiver = self.pop();
        }
        self.push_field(receiver, name, node, words.get(1..).unwrap_or_default(), has_last)
    }

    /// A field, a map's entry, or what a method returns.
    fn push_field(&mut self, receiver: Slot, name: &Str, node: NodeId, args: &[NodeId], has_last: bool) -> Result<()> {
        if let Some(method) = methods::find(&receiver.value, name) {
            self.stack.push(receiver);
            return self.push_call(method, node, args, has_last, true);
        }
        let value = self.field(receiver, name, !args.is_empty() || has_last)?;
        self.stack.push(value);
        Ok(())
    }

    fn field(&self, receiver: Slot, name: &Str, has_args: bool) -> Result<Slot> {
        match &receiver.value {
            Value::Nil => self.field_of_nil(receiver.boxed, name),
            Value::Map(_) if has_args => Err(self.not_a_method(name)),
            Value::Map(map) => self.entry(map, name),
            Value::Struct(object) | Value::Pointer(object) => {
                let kind = object.kind();
                match kind.fields().iter().position(|field| field.name.as_bytes() == &**name) {
                    Some(index) if !has_args => {
                        let value = object.fields().get(index).cloned().unwrap_or(Value::Nil);
                        Ok(Slot::of(value, &kind.fields()[index].kind))
                    }
                    _ => self.promoted_field(object, name, has_args, &receiver),
                }
            }
            Value::Null(kind) => self.field_of_null(kind, name, has_args, &receiver),
            _ => Err(self.no_field(name, &receiver)),
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

    /// Calls a function, or a method of the receiver that lies on the stack. `node` is what an error of it names.
    fn push_call(&mut self, function: &'static Function, node: NodeId, args: &[NodeId], has_last: bool, has_receiver: bool) -> Result<()> {
        self.check_call(function, args, has_last)?;
        if matches!(function.call, Call::And | Call::Or) {
            return self.push_and_or(matches!(function.call, Call::Or), args, has_last);
        }
        let base = self.stack.len() - usize::from(has_last) - usize::from(has_receiver);
        let mut index = 0;
        while index < args.len() {
            self.push_argument(Some(param(function, index)), args[index])?;
            index += 1;
        }
        if has_last {
            self.move_last(function, base, index)?;
        }
        self.finish_call(function, node, args, base)
    }

    /// The last argument came first.
    fn move_last(&mut self, function: &Function, base: usize, index: usize) -> Result<()> {
        self.stack[base..].rotate_left(1);
        self.validate_top(param(function, index))
    }

    fn finish_call(&mut self, function: &Function, node: NodeId, args: &[NodeId], base: usize) -> Result<()> {
        let result = self.run_function(function, base, args);
        self.stack.truncate(base);
        match result {
            Ok(value) => {
                self.stack.push(Slot { boxed: matches!(value, Value::Nil), value });
                Ok(())
            }
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

    fn check_call(&self, function: &Function, args: &[NodeId], has_last: bool) -> Result<()> {
        if let Call::Unusable(why) = function.call {
            return Err(self.fail(why.to_owned()));
        }
        let count = args.len() + usize::from(has_last);
        let params = function.params.len();
        if function.variadic {
            if count < params - 1 {
                return Err(self.fail(format!("wrong number of args for {}: want at least {} got {}", function.name, params - 1, args.len())));
            }
        } else if count != params {
            return Err(self.fail(format!("wrong number of args for {}: want {params} got {count}", function.name)));
        }
        Ok(())
    }

    /// The first argument that decides, or the last; the others aren't evaluated.
    fn push_and_or(&mut self, or: bool, args: &[NodeId], has_last: bool) -> Result<()> {
        let base = self.stack.len();
        let mut index = 0;
        while index < args.len() {
            self.stack.truncate(base);
            self.push_argument(Some(Param::Reflect), args[index])?;
            if self.decides(or) {
                break;
            }
            index += 1;
        }
        if has_last {
            // Below what was evaluated: taken unless that has decided.
            if index == args.len() {
                self.stack.truncate(base);
            } else {
                self.stack.remove(base - 1);
            }
        }
        Ok(())
    }

    fn decides(&self, or: bool) -> bool {
        self.stack.last().is_some_and(|slot| is_true(&slot.value) == or)
    }

    /// The value of an argument, of a parameter's type. Without one it is what a chain begins with.
    fn push_argument(&mut self, param: Option<Param>, id: NodeId) -> Result<()> {
        self.at = id;
        let program = self.program;
        match &program.node(id).kind {
            NodeKind::Pipe(_) => self.push_pipeline(id)?,
            NodeKind::Chain(inner, fields) => self.push_chain(id, *inner, fields, &[], false)?,
            NodeKind::Identifier(function) => self.push_call(function, id, &[], false, false)?,
            _ => return self.push_simple_argument(param, id),
        }
        match param {
            Some(param) => self.validate_top(param),
            None => Ok(()),
        }
    }

    fn push_simple_argument(&mut self, param: Option<Param>, id: NodeId) -> Result<()> {
        let program = self.program;
        match &program.node(id).kind {
            NodeKind::Dot => {
                let dot = self.dot.clone();
                self.stack.push(dot);
            }
            NodeKind::Field(fields) => {
                let dot = self.dot.clone();
                self.push_fields(dot, id, fields, &[], false)?;
            }
            NodeKind::Variable(variable, fields) => self.push_variable(id, *variable, fields, &[], false)?,
            kind => {
                let value = if matches!(kind, NodeKind::Nil) { self.nil_argument(param)? } else { self.constant(param, id)? };
                self.stack.push(value);
                return Ok(());
            }
        }
        match param {
            Some(param) => self.validate_top(param),
            None => Ok(()),
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

    /// What lies on the stack is passed for a parameter.
    fn validate_top(&mut self, param: Param) -> Result<()> {
        let Some(slot) = self.stack.last_mut() else { return Ok(()) };
        if slot.is_invalid() {
            if let Some(nil) = param.nil() {
                *slot = nil;
                return Ok(());
            }
            return Err(self.fail(format!("invalid value; expected {}", param.name())));
        }
        if param.accepts(&slot.value) {
            return Ok(());
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
