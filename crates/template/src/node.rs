//! What a template is parsed into: expressions in one table, statements as a list of instructions.
//!
//! Nothing in it is nested, so neither running nor dropping a template takes stack for each level of its blocks.

use std::fmt::Write as _;

use crate::function::Function;
use crate::number::Number;
use crate::types::IntKind;
use crate::value::{Str, Value};

/// Index of a node in the table.
pub(crate) type NodeId = u32;
/// Index of a name of a variable. `$` is 0.
pub(crate) type VariableId = u32;
/// Index of an instruction.
pub(crate) type Target = usize;

/// An expression, and where it begins.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) position: usize,
    pub(crate) kind: NodeKind,
}

#[derive(Debug)]
pub(crate) enum NodeKind {
    Pipe(Pipe),
    Command(Vec<NodeId>),
    Field(Vec<Str>),
    Variable(VariableId, Vec<Str>),
    Chain(NodeId, Vec<Str>),
    Identifier(&'static Function),
    Dot,
    Nil,
    Bool(bool),
    Number(Box<Number>),
    /// The text as it was written, and the string.
    String(String, Value),
    Template(String, Option<NodeId>),
}

#[derive(Debug, Default)]
pub(crate) struct Pipe {
    pub(crate) assigns: bool,
    pub(crate) declared: Vec<VariableId>,
    pub(crate) commands: Vec<NodeId>,
}

/// A statement.
#[derive(Debug)]
pub(crate) enum Instruction {
    /// Bytes of the template's text.
    Text(usize, usize),
    /// Evaluates a pipeline, and prints it unless it only sets variables.
    Action(NodeId),
    /// Opens a scope; without truth goes to the target.
    If(NodeId, Target),
    /// As `If`, and dot is the value.
    With(NodeId, Target),
    /// Opens a scope and a loop; with nothing to iterate over goes to `otherwise`, in the end to `end`.
    Range {
        pipe: NodeId,
        otherwise: Target,
        end: Target,
    },
    /// The end of the body of a loop.
    Next,
    Break,
    Continue,
    Jump(Target),
    /// Closes a scope.
    EndScope,
    /// Executes another template. The node has its name and pipeline; the index is `None` where it doesn't exist.
    Template(NodeId, Option<usize>),
    /// The end of a template.
    Return,
}

/// A template and those it defines.
#[derive(Debug, Default)]
pub(crate) struct Program {
    /// Of the whole, for errors.
    pub(crate) name: String,
    pub(crate) text: String,
    pub(crate) nodes: Vec<Node>,
    pub(crate) variables: Vec<String>,
    pub(crate) trees: Vec<Tree>,
    /// The tree that is rendered.
    pub(crate) root: usize,
}

/// One of the templates in a text.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    pub(crate) name: String,
    pub(crate) code: Vec<Instruction>,
}

impl Program {
    pub(crate) fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id as usize]
    }

    /// The line, from 1, and the byte in it, from 0, of a place in the text.
    pub(crate) fn line_and_column(&self, position: usize) -> (usize, usize) {
        let before = &self.text.as_bytes()[..position.min(self.text.len())];
        let line = 1 + memchr_count(before);
        let column = before.iter().rposition(|&byte| byte == b'\n').map_or(position, |newline| position - newline - 1);
        (line, column)
    }

    /// A node as Go prints it in errors.
    pub(crate) fn describe(&self, id: NodeId) -> String {
        let mut out = String::new();
        self.write(id, &mut out);
        out
    }

    fn write(&self, id: NodeId, out: &mut String) {
        match &self.node(id).kind {
            NodeKind::Pipe(pipe) => self.write_pipe(pipe, out),
            NodeKind::Command(arguments) => {
                for (index, &argument) in arguments.iter().enumerate() {
                    out.push_str(if index > 0 { " " } else { "" });
                    self.write_operand(argument, out);
                }
            }
            NodeKind::Chain(inner, fields) => {
                self.write_operand(*inner, out);
                write_fields(fields, out);
            }
            simple => self.write_simple(simple, out),
        }
    }

    fn write_operand(&self, id: NodeId, out: &mut String) {
        if matches!(self.node(id).kind, NodeKind::Pipe(_)) {
            out.push('(');
            self.write(id, out);
            out.push(')');
        } else {
            self.write(id, out);
        }
    }

    fn write_pipe(&self, pipe: &Pipe, out: &mut String) {
        for (index, &variable) in pipe.declared.iter().enumerate() {
            out.push_str(if index > 0 { ", " } else { "" });
            out.push_str(&self.variables[variable as usize]);
        }
        if !pipe.declared.is_empty() {
            out.push_str(if pipe.assigns { " = " } else { " := " });
        }
        for (index, &command) in pipe.commands.iter().enumerate() {
            out.push_str(if index > 0 { " | " } else { "" });
            self.write(command, out);
        }
    }

    fn write_simple(&self, kind: &NodeKind, out: &mut String) {
        match kind {
            NodeKind::Field(fields) => write_fields(fields, out),
            NodeKind::Variable(id, fields) => {
                out.push_str(&self.variables[*id as usize]);
                write_fields(fields, out);
            }
            NodeKind::Identifier(function) => out.push_str(function.name),
            NodeKind::Dot => out.push('.'),
            NodeKind::Nil => out.push_str("nil"),
            NodeKind::Bool(value) => {
                let _ = write!(out, "{value}");
            }
            NodeKind::Number(number) => out.push_str(&number.text),
            NodeKind::String(quoted, _) => out.push_str(quoted),
            NodeKind::Template(name, pipe) => {
                out.push_str("{{template ");
                out.push_str(&crate::quote::quote(name.as_bytes()));
                if let Some(pipe) = *pipe {
                    out.push(' ');
                    self.write(pipe, out);
                }
                out.push_str("}}");
            }
            NodeKind::Pipe(_) | NodeKind::Command(_) | NodeKind::Chain(..) => {}
        }
    }
}

fn write_fields(fields: &[Str], out: &mut String) {
    for field in fields {
        out.push('.');
        out.push_str(&crate::quote::lossy(field));
    }
}

fn memchr_count(bytes: &[u8]) -> usize {
    bytes.iter().filter(|&&byte| byte == b'\n').count()
}

impl Number {
    /// The value where nothing says which type it should have. `Err`: it is too large for an `int`.
    pub(crate) fn ideal(&self) -> Result<Value, String> {
        match (self.complex, self.float, self.int) {
            (Some((real, imaginary)), ..) => Ok(Value::Complex(real, imaginary)),
            (None, Some(float), _) if self.is_written_as_float() => Ok(Value::Float(float)),
            (None, _, Some(int)) => Ok(Value::Int(IntKind::Int, int)),
            _ => Err(format!("{} overflows int", self.text)),
        }
    }
}
