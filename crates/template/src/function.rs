//! What a function is to a template: its name, its parameters' types, and the code.

use std::fmt;
use std::sync::Arc;

use crate::error::Failure;
use crate::limits::Meter;
use crate::regexp::Cache;
use crate::types::{IntKind, Type, UintKind};
use crate::value::{List, Map, Str, Value};

/// A value and whether its static type is `interface {}`, as that of everything in maps and lists from JSON is. Go's
/// errors tell the two apart: a nil that is not there from one that is.
#[derive(Debug, Clone)]
pub(crate) struct Slot {
    pub(crate) value: Value,
    pub(crate) boxed: bool,
}

impl Slot {
    /// Go's zero `reflect.Value`: not even nil.
    pub(crate) const INVALID: Self = Self { value: Value::Nil, boxed: false };

    pub(crate) fn plain(value: Value) -> Self {
        Self { value, boxed: false }
    }

    /// An element or field of a type.
    pub(crate) fn of(value: Value, kind: &Type) -> Self {
        Self { value, boxed: *kind == Type::Interface }
    }

    pub(crate) fn is_invalid(&self) -> bool {
        !self.boxed && matches!(self.value, Value::Nil)
    }

    /// The static type, as errors name it.
    pub(crate) fn type_name(&self) -> String {
        if self.boxed { Type::Interface.to_string() } else { self.value.type_of().to_string() }
    }
}

/// A parameter's type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Param {
    /// `interface {}`.
    Any,
    /// `reflect.Value`: builtins see what nobody else sees.
    Reflect,
    String,
    Int,
    Uint32,
    Float,
    Bool,
    /// `map[string]interface {}`.
    Map,
    /// `[]interface {}`.
    Anys,
    Time,
    Duration,
    Version,
    Certificate,
}

impl Param {
    /// The type as errors name it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Any => "interface {}",
            Self::Reflect => "reflect.Value",
            Self::String => "string",
            Self::Int => "int",
            Self::Uint32 => "uint32",
            Self::Float => "float64",
            Self::Bool => "bool",
            Self::Map => "map[string]interface {}",
            Self::Anys => "[]interface {}",
            Self::Time => "time.Time",
            Self::Duration => "time.Duration",
            Self::Version => "*semver.Version",
            Self::Certificate => "sprig.certificate",
        }
    }

    /// The value of the type that nil stands for.
    pub(crate) fn nil(self) -> Option<Slot> {
        match self {
            Self::Any => Some(Slot { value: Value::Nil, boxed: true }),
            Self::Reflect => Some(Slot::INVALID),
            Self::Map => Some(Slot::plain(Value::Null(Type::Map(Arc::new(Type::Interface))))),
            Self::Anys => Some(Slot::plain(Value::Null(Type::Slice(Arc::new(Type::Interface))))),
            Self::Version => Some(Slot::plain(Value::Null(Type::Version))),
            _ => None,
        }
    }

    /// Whether a value can be passed for it.
    pub(crate) fn accepts(self, value: &Value) -> bool {
        match (self, value) {
            (Self::Any | Self::Reflect, _)
            | (Self::String, Value::String(_))
            | (Self::Int, Value::Int(IntKind::Int, _))
            | (Self::Duration, Value::Int(IntKind::Duration, _))
            | (Self::Uint32, Value::Uint(UintKind::Uint32, _))
            | (Self::Float, Value::Float(_))
            | (Self::Bool, Value::Bool(_))
            | (Self::Time, Value::Time(_))
            | (Self::Version, Value::Version(_) | Value::Null(Type::Version)) => true,
            (Self::Map, Value::Map(map)) => *map.element() == Type::Interface,
            (Self::Map, Value::Null(Type::Map(element))) | (Self::Anys, Value::Null(Type::Slice(element))) => **element == Type::Interface,
            (Self::Anys, Value::List(list)) => *list.element() == Type::Interface,
            (Self::Certificate, Value::Struct(object)) => object.kind().name() == self.name(),
            _ => false,
        }
    }
}

/// What a function is called with: the types are right already.
#[derive(Clone, Copy)]
pub(crate) struct Args<'a>(pub(crate) &'a [Slot]);

impl<'a> Args<'a> {
    pub(crate) fn len(self) -> usize {
        self.0.len()
    }

    pub(crate) fn slot(self, index: usize) -> &'a Slot {
        self.0.get(index).unwrap_or(const { &Slot::INVALID })
    }

    pub(crate) fn value(self, index: usize) -> &'a Value {
        &self.slot(index).value
    }

    pub(crate) fn string(self, index: usize) -> &'a [u8] {
        match self.value(index) {
            Value::String(text) => text,
            _ => b"",
        }
    }

    /// An integer, as an `int` is.
    pub(crate) fn int(self, index: usize) -> i64 {
        match self.value(index) {
            Value::Int(_, number) => *number,
            Value::Uint(_, number) => *number as i64,
            _ => 0,
        }
    }

    pub(crate) fn map(self, index: usize) -> Option<&'a Arc<Map>> {
        match self.value(index) {
            Value::Map(map) => Some(map),
            _ => None,
        }
    }

    /// All from an index on.
    pub(crate) fn from(self, index: usize) -> impl ExactSizeIterator<Item = &'a Value> + Clone {
        self.0.get(index..).unwrap_or_default().iter().map(|slot| &slot.value)
    }
}

/// What functions share while a template is executing.
pub(crate) struct Env {
    pub(crate) meter: Meter,
    /// Maps that other values were put into. One that contains itself is emptied in the end, or nobody would drop it.
    pub(crate) tied: Vec<Arc<Map>>,
    pub(crate) expressions: Cache,
}

impl Env {
    /// A string that a function has made.
    pub(crate) fn string(&mut self, bytes: impl Into<Str>) -> Result<Value, Failure> {
        let text = bytes.into();
        self.meter.allocate(text.len())?;
        Ok(Value::String(text))
    }

    /// An `[]interface {}` that a function has made.
    pub(crate) fn list(&mut self, items: Vec<Value>) -> Result<Value, Failure> {
        self.slice(Type::Interface, items)
    }

    /// A slice that a function has made.
    pub(crate) fn slice(&mut self, element: Type, items: Vec<Value>) -> Result<Value, Failure> {
        self.meter.allocate(items.len() * size_of::<Value>())?;
        Ok(Value::List(Arc::new(List::new(element, items))))
    }

    /// Before so many strings are made: what they take besides their bytes.
    pub(crate) fn strings(&mut self, items: Vec<Vec<u8>>) -> Result<Value, Failure> {
        self.meter.allocate(items.iter().map(|item| item.len() + 16).sum())?;
        self.slice(Type::String, items.into_iter().map(Value::string).collect())
    }

    /// A value is put into a map that others share.
    pub(crate) fn put(&mut self, map: &Arc<Map>, key: Str, value: Value) -> Result<(), Failure> {
        self.meter.allocate(key.len() + 2 * size_of::<Value>())?;
        if value.is_container() {
            self.tied.push(map.clone());
        }
        map.insert(key, value);
        Ok(())
    }
}

type Code = fn(&mut Env, Args<'_>) -> Result<Value, Failure>;

/// How a function is called.
pub(crate) enum Call {
    Code(Code),
    /// `and` and `or` see their arguments before they are evaluated.
    And,
    Or,
    /// `call`, of a value that is a function, if there were one.
    Value,
    /// A method whose results templates can't use, and what Go says then.
    Unusable(&'static str),
}

/// A function, or a method.
pub(crate) struct Function {
    pub(crate) name: &'static str,
    pub(crate) params: &'static [Param],
    /// Whether there may be any number of the last parameter.
    pub(crate) variadic: bool,
    pub(crate) call: Call,
}

impl Function {
    pub(crate) const fn new(name: &'static str, params: &'static [Param], code: Code) -> Self {
        Self { name, params, variadic: false, call: Call::Code(code) }
    }

    pub(crate) const fn variadic(name: &'static str, params: &'static [Param], code: Code) -> Self {
        Self { name, params, variadic: true, call: Call::Code(code) }
    }

    pub(crate) const fn special(name: &'static str, params: &'static [Param], call: Call) -> Self {
        Self { name, params, variadic: true, call }
    }

    pub(crate) const fn unusable(name: &'static str, why: &'static str) -> Self {
        Self { name, params: &[], variadic: false, call: Call::Unusable(why) }
    }
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// The function of a name. sprig's come first: its `slice` is not Go's.
pub(crate) fn find(name: &str) -> Option<&'static Function> {
    crate::sprig::FAMILIES.iter().copied().chain([crate::builtin::FUNCTIONS]).flatten().find(|function| function.name == name)
}
