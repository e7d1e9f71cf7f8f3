//! The parser: Go's `text/template/parse/parse.go`, with lists of what is open in place of recursion.

mod lex;
mod pipeline;

use std::collections::HashMap;

use self::lex::{Item, Kind, Lexer};
use crate::error::Error;
use crate::node::{Instruction, Node, NodeId, NodeKind, Program, Target, Tree, VariableId};
use crate::quote;

/// Parses a text.
pub(crate) fn parse(name: &str, text: &str) -> Result<Program, Error> {
    let mut parser = Parser {
        lexer: Lexer::new(text),
        tokens: std::array::from_fn(|_| Item { kind: Kind::Eof, start: 0, text: "", line: 1, message: String::new() }),
        peeked: 0,
        program: Program { name: name.to_owned(), text: text.to_owned(), variables: vec!["$".to_owned()], ..Program::default() },
        variable_ids: HashMap::from([("$".to_owned(), 0)]),
        open: Vec::new(),
        trees: vec![OpenTree::new(name.to_owned())],
        defined: HashMap::new(),
    };
    parser.run()?;
    Ok(parser.program)
}

type Result<T, E = Error> = std::result::Result<T, E>;

struct Parser<'a> {
    lexer: Lexer<'a>,
    tokens: [Item<'a>; 3],
    peeked: usize,
    program: Program,
    variable_ids: HashMap<String, VariableId>,
    open: Vec<Open>,
    /// The template whose text this is, and within it those whose `{{block}}` or `{{define}}` is open.
    trees: Vec<OpenTree>,
    /// The trees that are complete, by name; and whether there's nothing but space in them.
    defined: HashMap<String, (usize, bool)>,
}

/// A template that isn't complete.
struct OpenTree {
    name: String,
    code: Vec<Instruction>,
    /// Nothing but space and comments so far.
    blank: bool,
    variables: Vec<VariableId>,
    range_depth: usize,
    /// The line of the delimiter of the action that is being parsed; 0 outside of any.
    action_line: usize,
}

impl OpenTree {
    fn new(name: String) -> Self {
        Self { name, code: Vec::new(), blank: true, variables: vec![0], range_depth: 0, action_line: 0 }
    }
}

/// What waits for its `{{end}}`.
enum Open {
    Control(Control),
    Define,
    /// With the line of its own end delimiter.
    Block {
        position: usize,
        name: String,
        pipe: NodeId,
        line: usize,
    },
}

struct Control {
    word: &'static str,
    /// The instruction that opened it.
    head: Target,
    /// The jump from the end of its first branch.
    jump: Option<Target>,
    /// `{{else if}}`: ends with what it is in.
    chained: bool,
    /// Variables that were there before.
    variables: usize,
}

impl<'a> Parser<'a> {
    fn run(&mut self) -> Result<()> {
        loop {
            if self.open.is_empty() {
                match self.peek().kind {
                    Kind::Eof => break,
                    Kind::LeftDelim => {
                        let delimiter = self.next();
                        if self.next_non_space().kind == Kind::Define {
                            self.define()?;
                            continue;
                        }
                        self.backup2(delimiter);
                    }
                    _ => {}
                }
            } else if self.peek_non_space().kind == Kind::Eof {
                return Err(self.error("unexpected EOF".to_owned()));
            }
            self.text_or_action()?;
        }
        self.complete_tree()?;
        self.program.root = self.defined.get(&self.program.name).map_or(0, |&(index, _)| index);
        self.link();
        Ok(())
    }

    fn text_or_action(&mut self) -> Result<()> {
        let token = self.next_non_space();
        match token.kind {
            Kind::Text => {
                let tree = self.tree();
                tree.blank &= token.text.trim().is_empty();
                tree.code.push(Instruction::Text(token.start, token.start + token.text.len()));
                Ok(())
            }
            Kind::LeftDelim => {
                self.tree().action_line = token.line;
                if !self.action()? {
                    self.tree().action_line = 0;
                }
                Ok(())
            }
            _ => Err(self.unexpected(&token, "input")),
        }
    }

    /// Whether the action has opened something, and so isn't over.
    fn action(&mut self) -> Result<bool> {
        let token = self.next_non_space();
        match token.kind {
            Kind::Block => self.block()?,
            Kind::Break => self.leave_loop("{{break}}", Instruction::Break)?,
            Kind::Continue => self.leave_loop("{{continue}}", Instruction::Continue)?,
            Kind::Else => self.otherwise()?,
            Kind::End => self.end()?,
            Kind::If => self.control("if", false)?,
            Kind::Range => self.control("range", false)?,
            Kind::With => self.control("with", false)?,
            Kind::Template => self.template()?,
            _ => {
                self.backup();
                let pipe = self.pipeline("command", Kind::RightDelim)?;
                self.emit(Instruction::Action(pipe));
            }
        }
        Ok(matches!(token.kind, Kind::Block | Kind::If | Kind::Range | Kind::With))
    }

    fn leave_loop(&mut self, context: &str, instruction: Instruction) -> Result<()> {
        let token = self.next_non_space();
        if token.kind != Kind::RightDelim {
            return Err(self.unexpected(&token, context));
        }
        if self.tree().range_depth == 0 {
            return Err(self.error(format!("{context} outside {{{{range}}}}")));
        }
        self.emit(instruction);
        Ok(())
    }

    fn control(&mut self, word: &'static str, chained: bool) -> Result<()> {
        let variables = self.tree().variables.len();
        let pipe = self.pipeline(word, Kind::RightDelim)?;
        let head = self.emit(match word {
            "if" => Instruction::If(pipe, 0),
            "with" => Instruction::With(pipe, 0),
            _ => Instruction::Range { pipe, otherwise: 0, end: 0 },
        });
        if word == "range" {
            self.tree().range_depth += 1;
        }
        self.open.push(Open::Control(Control { word, head, jump: None, chained, variables }));
        self.peek_non_space();
        Ok(())
    }

    fn otherwise(&mut self) -> Result<()> {
        let next = self.peek_non_space().kind;
        if !matches!(next, Kind::If | Kind::With) {
            let token = self.next_non_space();
            if token.kind != Kind::RightDelim {
                return Err(self.unexpected(&token, "else"));
            }
        }
        let word = match self.open.last() {
            None => return Err(self.error("unexpected {{else}}".to_owned())),
            Some(Open::Define) => return Err(self.error("unexpected {{else}} in define clause".to_owned())),
            Some(Open::Block { line, .. }) => return Err(Error::parse(&self.program.name, *line, "unexpected {{else}} in block clause".to_owned())),
            Some(Open::Control(Control { jump: Some(_), .. })) => return Err(self.error("expected end; found {{else}}".to_owned())),
            Some(Open::Control(control)) => control.word,
        };
        if word == "range" {
            self.emit(Instruction::Next);
            self.tree().range_depth -= 1;
        }
        let jump = self.emit(Instruction::Jump(0));
        if let Some(Open::Control(control)) = self.open.last_mut() {
            control.jump = Some(jump);
            let head = control.head;
            self.patch_otherwise(head, jump + 1);
        }
        match (word, next) {
            ("if", Kind::If) | ("with", Kind::With) => {
                self.next_non_space();
                // To Go the action was over with the word `else`.
                self.tree().action_line = 0;
                self.control(word, true)
            }
            _ => {
                self.peek_non_space();
                Ok(())
            }
        }
    }

    fn end(&mut self) -> Result<()> {
        let token = self.next_non_space();
        if token.kind != Kind::RightDelim {
            return Err(self.unexpected(&token, "end"));
        }
        loop {
            match self.open.pop() {
                None => return Err(self.error("unexpected {{end}}".to_owned())),
                Some(Open::Define) => {
                    self.complete_tree()?;
                    return Ok(());
                }
                Some(Open::Block { position, name, pipe, .. }) => {
                    self.complete_tree()?;
                    let node = self.add(position, NodeKind::Template(name, Some(pipe)));
                    self.emit(Instruction::Template(node, None));
                    return Ok(());
                }
                Some(Open::Control(control)) => {
                    let chained = control.chained;
                    self.close(control);
                    if !chained {
                        return Ok(());
                    }
                }
            }
        }
    }

    fn close(&mut self, control: Control) {
        if control.word == "range" && control.jump.is_none() {
            self.emit(Instruction::Next);
            self.tree().range_depth -= 1;
        }
        let end = self.emit(Instruction::EndScope);
        match control.jump {
            Some(jump) => self.tree().code[jump] = Instruction::Jump(end),
            None => self.patch_otherwise(control.head, end),
        }
        let tree = self.tree();
        if let Instruction::Range { end: target, .. } = &mut tree.code[control.head] {
            *target = end;
        }
        tree.variables.truncate(control.variables);
    }

    fn patch_otherwise(&mut self, head: Target, to: Target) {
        if let Instruction::If(_, target) | Instruction::With(_, target) | Instruction::Range { otherwise: target, .. } = &mut self.tree().code[head] {
            *target = to;
        }
    }

    fn define(&mut self) -> Result<()> {
        let token = self.next_non_space();
        let name = self.template_name(&token, "define clause")?;
        let token = self.next_non_space();
        if token.kind != Kind::RightDelim {
            return Err(self.unexpected(&token, "define clause"));
        }
        self.trees.push(OpenTree::new(name));
        self.open.push(Open::Define);
        self.peek_non_space();
        Ok(())
    }

    fn block(&mut self) -> Result<()> {
        let token = self.next_non_space();
        let name = self.template_name(&token, "block clause")?;
        let pipe = self.pipeline("block clause", Kind::RightDelim)?;
        let line = self.tokens[0].line;
        self.trees.push(OpenTree::new(name.clone()));
        self.open.push(Open::Block { position: token.start, name, pipe, line });
        self.peek_non_space();
        Ok(())
    }

    fn template(&mut self) -> Result<()> {
        let token = self.next_non_space();
        let name = self.template_name(&token, "template clause")?;
        let mut pipe = None;
        if self.next_non_space().kind != Kind::RightDelim {
            self.backup();
            pipe = Some(self.pipeline("template clause", Kind::RightDelim)?);
        }
        let node = self.add(token.start, NodeKind::Template(name, pipe));
        self.emit(Instruction::Template(node, None));
        Ok(())
    }

    fn template_name(&mut self, token: &Item<'a>, context: &str) -> Result<String> {
        if !matches!(token.kind, Kind::String | Kind::RawString) {
            return Err(self.unexpected(token, context));
        }
        let name = quote::unquote(token.text).ok_or_else(|| self.error("invalid syntax".to_owned()))?;
        Ok(quote::lossy(&name))
    }

    /// The innermost template is over: it is defined now, unless another of its name has something in it.
    fn complete_tree(&mut self) -> Result<()> {
        let Some(mut tree) = self.trees.pop() else { return Ok(()) };
        if let Some(&(_, blank)) = self.defined.get(&tree.name)
            && !blank
        {
            if tree.blank {
                return Ok(());
            }
            let name = quote::quote(tree.name.as_bytes());
            return Err(self.error(format!("template: multiple definition of template {name}")));
        }
        tree.code.push(Instruction::Return);
        self.defined.insert(tree.name.clone(), (self.program.trees.len(), tree.blank));
        self.program.trees.push(Tree { name: tree.name, code: tree.code });
        Ok(())
    }

    /// Finds the templates that others execute.
    fn link(&mut self) {
        let Program { trees, nodes, .. } = &mut self.program;
        for instruction in trees.iter_mut().flat_map(|tree| &mut tree.code) {
            if let Instruction::Template(node, index) = instruction
                && let NodeKind::Template(name, _) = &nodes[*node as usize].kind
            {
                *index = self.defined.get(name).map(|&(index, _)| index);
            }
        }
    }

    fn tree(&mut self) -> &mut OpenTree {
        // There's always one: the outermost leaves the list when the text is over.
        let last = self.trees.len() - 1;
        &mut self.trees[last]
    }

    fn emit(&mut self, instruction: Instruction) -> Target {
        let tree = self.tree();
        tree.blank = false;
        tree.code.push(instruction);
        tree.code.len() - 1
    }

    fn add(&mut self, position: usize, kind: NodeKind) -> NodeId {
        self.program.nodes.push(Node { position, kind });
        (self.program.nodes.len() - 1) as NodeId
    }

    fn variable_id(&mut self, name: &str) -> VariableId {
        if let Some(&id) = self.variable_ids.get(name) {
            return id;
        }
        let id = self.program.variables.len() as VariableId;
        self.program.variables.push(name.to_owned());
        self.variable_ids.insert(name.to_owned(), id);
        id
    }

    // The look-ahead, as Go has it: errors name the line of the item that was read last.

    fn next(&mut self) -> Item<'a> {
        if self.peeked > 0 {
            self.peeked -= 1;
        } else {
            self.tokens[0] = self.lexer.next_item();
        }
        self.tokens[self.peeked].clone()
    }

    fn backup(&mut self) {
        self.peeked += 1;
    }

    fn backup2(&mut self, before: Item<'a>) {
        self.tokens[1] = before;
        self.peeked = 2;
    }

    fn backup3(&mut self, first: Item<'a>, second: Item<'a>) {
        self.tokens[1] = second;
        self.tokens[2] = first;
        self.peeked = 3;
    }

    fn peek(&mut self) -> &Item<'a> {
        if self.peeked == 0 {
            self.peeked = 1;
            self.tokens[0] = self.lexer.next_item();
        }
        &self.tokens[self.peeked - 1]
    }

    fn next_non_space(&mut self) -> Item<'a> {
        loop {
            let token = self.next();
            if token.kind != Kind::Space {
                return token;
            }
        }
    }

    fn peek_non_space(&mut self) -> Item<'a> {
        let token = self.next_non_space();
        self.backup();
        token
    }

    fn error(&self, message: String) -> Error {
        Error::parse(&self.program.name, self.tokens[0].line, message)
    }

    fn unexpected(&mut self, token: &Item<'a>, context: &str) -> Error {
        if token.kind != Kind::Error {
            return self.error(format!("unexpected {} in {context}", token.describe()));
        }
        let line = self.tree().action_line;
        let mut message = token.describe();
        if line != 0 && line != token.line {
            let action = if message.ends_with(" action") { "" } else { " in action" };
            message = format!("{message}{action} started at {}:{line}", self.program.name);
        }
        self.error(message)
    }
}
