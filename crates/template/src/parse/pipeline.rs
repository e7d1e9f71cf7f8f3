//! Pipelines, and all that stands in them.

use super::lex::{Item, Kind};
use super::{Parser, Result};
use crate::function;
use crate::limits::MAX_NESTING;
use crate::node::{NodeId, NodeKind, Pipe};
use crate::number::Number;
use crate::quote;
use crate::value::{Str, Value};

/// A pipeline that isn't complete.
struct OpenPipe {
    position: usize,
    pipe: Pipe,
    context: &'static str,
    end: Kind,
    /// The command that isn't complete: where it begins, and its words.
    command: Option<(usize, Vec<NodeId>)>,
}

impl<'a> Parser<'a> {
    /// A pipeline up to the item that ends it, which is read too.
    pub(super) fn pipeline(&mut self, context: &'static str, end: Kind) -> Result<NodeId> {
        let mut outer: Vec<OpenPipe> = Vec::new();
        let mut current = self.open_pipe(context, end)?;
        loop {
            if current.command.is_none() {
                let token = self.next_non_space();
                if token.kind == current.end {
                    let node = self.close_pipe(current)?;
                    let Some(parent) = outer.pop() else { return Ok(node) };
                    current = parent;
                    let operand = self.with_fields(node)?;
                    self.end_operand(&mut current, Some(operand))?;
                    continue;
                }
                if !begins_operand(token.kind) {
                    return Err(self.unexpected(&token, current.context));
                }
                self.backup();
                current.command = Some((token.start, Vec::new()));
            }
            let token = self.next_non_space();
            if token.kind == Kind::LeftParen {
                if outer.len() >= MAX_NESTING {
                    return Err(self.error("max expression depth exceeded".to_owned()));
                }
                let inner = self.open_pipe("parenthesized pipeline", Kind::RightParen)?;
                outer.push(std::mem::replace(&mut current, inner));
                continue;
            }
            let operand = match self.term(&token)? {
                Some(term) => Some(self.with_fields(term)?),
                None => {
                    self.backup();
                    None
                }
            };
            self.end_operand(&mut current, operand)?;
        }
    }

    /// What follows a word of a command: another one, the next command, or the end.
    fn end_operand(&mut self, open: &mut OpenPipe, operand: Option<NodeId>) -> Result<()> {
        if let Some((_, words)) = &mut open.command {
            words.extend(operand);
        }
        let token = self.next();
        match token.kind {
            Kind::Space => {
                self.peek_non_space();
                return Ok(());
            }
            Kind::RightDelim | Kind::RightParen => self.backup(),
            Kind::Pipe => {}
            _ => return Err(self.unexpected(&token, "operand")),
        }
        let Some((position, words)) = open.command.take() else { return Ok(()) };
        if words.is_empty() {
            return Err(self.error("empty command".to_owned()));
        }
        let command = self.add(position, NodeKind::Command(words));
        open.pipe.commands.push(command);
        Ok(())
    }

    fn open_pipe(&mut self, context: &'static str, end: Kind) -> Result<OpenPipe> {
        let position = self.peek_non_space().start;
        let mut pipe = Pipe::default();
        loop {
            let variable = self.peek_non_space();
            if variable.kind != Kind::Variable {
                break;
            }
            self.next();
            let after = self.peek().clone();
            let next = self.peek_non_space();
            match next.kind {
                Kind::Assign | Kind::Declare => {
                    pipe.assigns = next.kind == Kind::Assign;
                    self.next_non_space();
                    self.declare(&mut pipe, variable.text);
                    break;
                }
                Kind::Char if next.text == "," => {
                    self.next_non_space();
                    self.declare(&mut pipe, variable.text);
                    if context != "range" || pipe.declared.len() >= 2 {
                        return Err(self.error(format!("too many declarations in {context}")));
                    }
                    if !matches!(self.peek_non_space().kind, Kind::Variable | Kind::RightDelim | Kind::RightParen) {
                        return Err(self.error("range can only initialize variables".to_owned()));
                    }
                }
                _ if after.kind == Kind::Space => {
                    self.backup3(variable, after);
                    break;
                }
                _ => {
                    self.backup2(variable);
                    break;
                }
            }
        }
        Ok(OpenPipe { position, pipe, context, end, command: None })
    }

    fn declare(&mut self, pipe: &mut Pipe, name: &str) {
        let id = self.variable_id(name);
        pipe.declared.push(id);
        self.tree().variables.push(id);
    }

    fn close_pipe(&mut self, open: OpenPipe) -> Result<NodeId> {
        if open.pipe.commands.is_empty() {
            return Err(self.error(format!("missing value for {}", open.context)));
        }
        for (index, &command) in open.pipe.commands.iter().enumerate().skip(1) {
            let NodeKind::Command(words) = &self.program.node(command).kind else { continue };
            let first = words.first().map(|&word| &self.program.node(word).kind);
            if let Some(NodeKind::Bool(_) | NodeKind::Dot | NodeKind::Nil | NodeKind::Number(_) | NodeKind::String(..)) = first {
                return Err(self.error(format!("non executable command in pipeline stage {}", index + 1)));
            }
        }
        Ok(self.add(open.position, NodeKind::Pipe(open.pipe)))
    }

    /// Fields that follow a term without a space.
    fn with_fields(&mut self, term: NodeId) -> Result<NodeId> {
        if self.peek().kind != Kind::Field {
            return Ok(term);
        }
        let position = self.peek().start;
        let mut more = Vec::new();
        while self.peek().kind == Kind::Field {
            more.push(Str::from(&self.next().text[1..]));
        }
        let kind = match &self.program.node(term).kind {
            NodeKind::Field(fields) => NodeKind::Field(fields.iter().cloned().chain(more).collect()),
            NodeKind::Variable(id, fields) => NodeKind::Variable(*id, fields.iter().cloned().chain(more).collect()),
            NodeKind::Bool(_) | NodeKind::String(..) | NodeKind::Number(_) | NodeKind::Nil | NodeKind::Dot => {
                let term = quote::quote(self.program.describe(term).as_bytes());
                return Err(self.error(format!("unexpected . after term {term}")));
            }
            _ => NodeKind::Chain(term, more),
        };
        Ok(self.add(position, kind))
    }

    /// A term that isn't in parentheses. `None`: this item doesn't begin one.
    fn term(&mut self, token: &Item<'a>) -> Result<Option<NodeId>> {
        let kind = match token.kind {
            Kind::Identifier => match function::find(token.text) {
                Some(function) => NodeKind::Identifier(function),
                None => return Err(self.error(format!("function {} not defined", quote::quote(token.text.as_bytes())))),
            },
            Kind::Dot => NodeKind::Dot,
            Kind::Nil => NodeKind::Nil,
            Kind::Variable => {
                let id = self.variable_id(token.text);
                if !self.tree().variables.contains(&id) {
                    return Err(self.error(format!("undefined variable {}", quote::quote(token.text.as_bytes()))));
                }
                NodeKind::Variable(id, Vec::new())
            }
            Kind::Field => NodeKind::Field(vec![Str::from(&token.text[1..])]),
            Kind::Bool => NodeKind::Bool(token.text == "true"),
            Kind::CharConstant | Kind::Complex | Kind::Number => {
                let number = match token.kind {
                    Kind::CharConstant => Number::character(token.text),
                    Kind::Complex => Number::complex(token.text),
                    _ => Number::plain(token.text),
                };
                NodeKind::Number(Box::new(number.map_err(|message| self.error(message))?))
            }
            Kind::String | Kind::RawString => {
                let text = quote::unquote(token.text).ok_or_else(|| self.error("invalid syntax".to_owned()))?;
                NodeKind::String(token.text.to_owned(), Value::string(text))
            }
            _ => return Ok(None),
        };
        Ok(Some(self.add(token.start, kind)))
    }
}

fn begins_operand(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Bool
            | Kind::CharConstant
            | Kind::Complex
            | Kind::Dot
            | Kind::Field
            | Kind::Identifier
            | Kind::Number
            | Kind::Nil
            | Kind::RawString
            | Kind::String
            | Kind::Variable
            | Kind::LeftParen
    )
}
