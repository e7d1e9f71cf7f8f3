//! Random templates, mostly well-typed: one in twenty is then spoilt, so that the parser's errors are asked for too.

use serde_json::{Value as Json, json};

use crate::random::Random;
use crate::values::{Kind, Values};

/// A case, as both sides read it: all of it follows from the seed and the index.
pub(crate) fn case(seed: u64, index: u64) -> Json {
    let mut random = Random::of_case(seed, index);
    let structs = random.one_in(6);
    let data = if structs { manifests(&mut random) } else { data(&mut random) };
    let missing_key = random.pick(&["default", "default", "default", "zero", "error", "invalid"]).to_owned();
    let numbers = if random.one_in(5) { "float64" } else { "int64" };
    let mut text = Writer::new(&mut random, structs).template();
    if random.one_in(20) {
        spoil(&mut random, &mut text);
    }
    json!({"id": index, "template": text, "data": data, "missingkey": missing_key, "numbers": numbers, "model": if structs { "structs" } else { "json" }})
}

/// A Connector and its Secret.
fn manifests(random: &mut Random) -> Json {
    let mut connector = json!({
        "apiVersion": "connectors.example.org/v1alpha1", "kind": "Connector",
        "metadata": {"name": "git", "namespace": random.pick(&["team", ""]), "generation": 3, "labels": {"app": "x", "b/c": ""}, "finalizers": ["f1", "a2"]},
        "spec": {
            "connectorClassName": "git", "address": random.pick(&["https://git.example.org:8443/p", "http://h", ""]),
            "params": [{"name": "ssl", "value": "true"}, {"name": "list", "value": ["p", "q"]}, {"name": "map", "value": {"k": "v"}}],
            "auth": {"name": "pat", "secretRef": {"name": "s", "namespace": "team"}, "params": [{"name": "repo", "value": "x/y"}]},
        },
        "status": {"conditions": [{"type": "Ready", "status": "True"}], "proxy": {"httpAddress": {"url": "http://c-git.team"}}, "api": {"path": "/connectors"}},
    });
    for (outer, inner) in [("spec", "auth"), ("spec", "params"), ("status", "proxy"), ("metadata", "labels")] {
        if random.one_in(8) {
            connector[outer][inner] = Json::Null;
        }
    }
    if random.one_in(3) {
        connector["spec"]["caCertSecretRef"] = json!({"name": "ca"});
    }
    let secret = json!({"type": "Opaque", "metadata": {"name": "s"}, "data": {"token": "dMO8a2Vu", "user": "/w=="}, "stringData": {"user": "me"}, "immutable": random.one_in(2)});
    json!({"Connector": connector, "Secret": if random.one_in(8) { Json::Null } else { secret }})
}

/// What the fields are that values name; now and then one of them is something else.
fn data(random: &mut Random) -> Json {
    let mut data = json!({
        "s": random.pick(&["hello", "Some Words here", "x", "a-b_c.d", "tab\there", "{\"a\":1}", "  spaced  ", "2024-05-06"]),
        "t": random.pick(&["abc", "foo,bar,baz", "1", "12.5", "<b>&\"'</b>", "line1\nline2\n\nline4", "v1.2.3"]),
        "uni": random.pick(&["żółć", "日本", "éa\u{301}", "ǆ ﬀ İ", "a\u{0}b", "\u{2028}|\u{feff}", "😀👍"]),
        "u": random.pick(&["https://git.example.org:8443/group/repo.git?x=y#z", "/p", "http://u@h"]),
        "empty": "", "nothing": null, "b": true, "no": false,
        "i": ([0, 1, 2, -1, 42, 1000][random.below(6)]),
        "n": ([3, 7, -7, 255, 65536][random.below(5)]),
        "big": ([9_007_199_254_740_993_i64, i64::MAX, i64::MIN, 1 << 40][random.below(4)]),
        "f": ([1.5, -0.25, 1e21, 1e-9, 123_456.789, 2.5][random.below(6)]),
        "small": ([0.1, 0.3, 1e-5, 100.0][random.below(4)]),
        "l": ["a", "b", 1, 2.5, null, true], "el": [], "em": {},
        "ss": ["beta", "alpha", "Gamma", "alpha"], "ii": [3, 1, 2, 3],
        "ll": [[1, 2], ["x"], []], "mix": ["", 0, false, null, [], {}, "x"],
        "m": {"k": "v", "a": 1, "b": [1, {"z": 2}], "Z": null},
        "mm": {"a": {"b": "deep", "c": {"d": [1]}}, "e": {}},
    });
    if random.one_in(10) {
        let keys = ["s", "t", "i", "f", "l", "m", "mm", "ss", "u"];
        let values = [Json::Null, json!(7), json!("str"), json!([]), json!({"a": {}}), json!(true), json!(1.25)];
        data[random.pick(&keys)] = values[random.below(values.len())].clone();
    }
    data
}

/// Writes one template.
struct Writer<'r> {
    values: Values<'r>,
    /// How many variables there have been: each has another name, but for some that hide an outer one.
    named: usize,
    /// Loops around what is written, within the template that is defined.
    loops: usize,
    /// Templates that can be executed: only those that are written already, so that none executes itself.
    defined: Vec<String>,
}

/// Nodes within nodes.
const DEPTH: usize = 3;

/// Calls within calls.
const CALL_DEPTH: usize = 3;

impl<'r> Writer<'r> {
    fn new(random: &'r mut Random, structs: bool) -> Self {
        Self {
            values: Values { random, variables: Vec::new(), dot: if structs { 'P' } else { 'm' }, at_root: true, structs },
            named: 0,
            loops: 0,
            defined: Vec::new(),
        }
    }

    fn template(mut self) -> String {
        let mut text = String::new();
        while self.defined.len() < 3 && self.values.random.one_in(5) {
            self.definition(&mut text);
        }
        let depth = 1 + self.random().below(DEPTH);
        self.nodes(&mut text, depth);
        text
    }

    fn random(&mut self) -> &mut Random {
        self.values.random
    }

    fn definition(&mut self, text: &mut String) {
        let name = format!("t{}", self.defined.len());
        self.open(text, &format!("define \"{name}\""));
        let variables = std::mem::take(&mut self.values.variables);
        self.inside('a', false, |writer| writer.nodes(text, 1));
        self.values.variables = variables;
        self.open(text, "end");
        self.defined.push(name);
    }

    /// With another dot, and variables that end with it.
    fn inside(&mut self, dot: Kind, at_root: bool, write: impl FnOnce(&mut Self)) {
        let (outer_dot, outer_root, variables) = (self.values.dot, self.values.at_root, self.values.variables.len());
        (self.values.dot, self.values.at_root) = (dot, at_root);
        write(self);
        (self.values.dot, self.values.at_root) = (outer_dot, outer_root);
        self.values.variables.truncate(variables);
    }

    /// The same dot, and variables that end here.
    fn scope(&mut self, write: impl FnOnce(&mut Self)) {
        let (dot, at_root) = (self.values.dot, self.values.at_root);
        self.inside(dot, at_root, write);
    }

    fn nodes(&mut self, text: &mut String, depth: usize) {
        for _ in 0..=self.random().below(if depth == DEPTH { 4 } else { 2 }) {
            self.node(text, depth);
        }
    }

    fn node(&mut self, text: &mut String, depth: usize) {
        if self.random().one_in(3) {
            let words = ["text", " ", "\n", "  \n\t", "a b\n", "{ ", "}", "ü", "-", "\r\n", "| ", "<x>"];
            text.push_str(self.random().pick(&words));
        }
        match self.random().below(if depth == 0 { 8 } else { 16 }) {
            0..4 => {
                let kind = self.values.random_kind();
                let pipeline = self.values.pipeline(kind, CALL_DEPTH);
                self.open(text, &pipeline);
            }
            4 => {
                let kind = self.values.random_kind();
                let argument = self.values.argument(kind, CALL_DEPTH);
                self.open(text, &argument);
            }
            5 => self.variable(text),
            6 => text.push_str(self.values.random.pick(&["{{/* note */}}", "{{- /* a\nb */ -}}", "{{/* x */ -}}"])),
            7 => self.assignment(text),
            8 | 9 => self.condition(text, depth),
            10 => self.with(text, depth),
            11..14 => self.range(text, depth),
            14 => self.execute(text),
            _ => self.block(text, depth),
        }
    }

    /// An action, with blanks and trimming of some kind.
    fn open(&mut self, text: &mut String, inner: &str) {
        let (before, after) = match self.random().below(12) {
            0 => ("{{- ", " }}"),
            1 => ("{{ ", " -}}"),
            2 => ("{{- ", " -}}"),
            3 => ("{{\n", "\t}}"),
            4 => ("{{", "}}"),
            _ => ("{{ ", " }}"),
        };
        text.push_str(before);
        text.push_str(inner);
        text.push_str(after);
    }

    fn new_variable(&mut self, kind: Kind) -> String {
        self.named += 1;
        let name = if self.random().one_in(5) { "$v".to_owned() } else { format!("$v{}", self.named) };
        self.values.variables.push((name.clone(), kind));
        name
    }

    fn variable(&mut self, text: &mut String) {
        let kind = self.values.random_kind();
        let pipeline = self.values.pipeline(kind, CALL_DEPTH);
        let name = self.new_variable(kind);
        self.open(text, &format!("{name} := {pipeline}"));
    }

    fn assignment(&mut self, text: &mut String) {
        let Some(at) = self.values.variables.len().checked_sub(1).map(|last| self.values.random.below(last + 1)) else { return self.variable(text) };
        let (name, kind) = self.values.variables[at].clone();
        let pipeline = self.values.pipeline(kind, 2);
        self.open(text, &format!("{name} = {pipeline}"));
    }

    fn condition(&mut self, text: &mut String, depth: usize) {
        self.scope(|writer| {
            let condition = writer.condition_pipeline();
            writer.open(text, &format!("if {condition}"));
            writer.scope(|writer| writer.nodes(text, depth - 1));
            while writer.random().one_in(4) {
                let condition = writer.condition_pipeline();
                writer.open(text, &format!("else if {condition}"));
                writer.scope(|writer| writer.nodes(text, depth - 1));
            }
            if writer.random().one_in(2) {
                writer.open(text, "else");
                writer.scope(|writer| writer.nodes(text, depth - 1));
            }
        });
        self.open(text, "end");
    }

    fn condition_pipeline(&mut self) -> String {
        let kind = if self.random().one_in(3) { 'a' } else { 'b' };
        let pipeline = self.values.pipeline(kind, 2);
        if self.random().one_in(6) {
            let name = self.new_variable(kind);
            return format!("{name} := {pipeline}");
        }
        pipeline
    }

    fn with(&mut self, text: &mut String, depth: usize) {
        self.scope(|writer| {
            let kind = writer.values.random_kind();
            let pipeline = writer.values.pipeline(kind, 2);
            let pipeline = if writer.random().one_in(4) { format!("{} := {pipeline}", writer.new_variable(kind)) } else { pipeline };
            writer.open(text, &format!("with {pipeline}"));
            writer.inside(kind, false, |writer| writer.nodes(text, depth - 1));
            if writer.random().one_in(4) {
                let kind = writer.values.random_kind();
                let pipeline = writer.values.pipeline(kind, 1);
                writer.open(text, &format!("else with {pipeline}"));
                writer.inside(kind, false, |writer| writer.nodes(text, depth - 1));
            }
            if writer.random().one_in(3) {
                writer.open(text, "else");
                writer.scope(|writer| writer.nodes(text, depth - 1));
            }
        });
        self.open(text, "end");
    }

    fn range(&mut self, text: &mut String, depth: usize) {
        self.scope(|writer| {
            let kind = ['l', 'l', 'x', 'm', 'c', 'a'][writer.random().below(6)];
            // An integer may be large, and Go would go over all of it: only numbers that are written here.
            let pipeline = if kind == 'a' { "$.ii".to_owned() } else { writer.values.pipeline(kind, 2) };
            let (key, item) = match kind {
                'm' => ('s', 'a'),
                'x' => ('i', 's'),
                'c' => ('i', 'i'),
                _ => ('i', 'a'),
            };
            let head = match writer.random().below(4) {
                0 => format!("{} := {pipeline}", writer.new_variable(item)),
                // Of a number there is no key.
                1 if kind != 'c' => {
                    let key = writer.new_variable(key);
                    format!("{key}, {} := {pipeline}", writer.new_variable(item))
                }
                _ => pipeline,
            };
            writer.open(text, &format!("range {head}"));
            writer.loops += 1;
            writer.inside(item, false, |writer| {
                writer.nodes(text, depth - 1);
                if writer.random().one_in(4) {
                    let condition = writer.condition_pipeline();
                    writer.open(text, &format!("if {condition}"));
                    let word = writer.random().pick(&["break", "continue"]).to_owned();
                    writer.open(text, &word);
                    writer.open(text, "end");
                    writer.nodes(text, 0);
                }
            });
            writer.loops -= 1;
            if writer.random().one_in(3) {
                writer.open(text, "else");
                writer.scope(|writer| writer.nodes(text, depth - 1));
            }
        });
        self.open(text, "end");
    }

    fn execute(&mut self, text: &mut String) {
        if self.defined.is_empty() {
            return self.variable(text);
        }
        let names: Vec<&str> = self.defined.iter().map(String::as_str).collect();
        let name = self.values.random.pick(&names).to_owned();
        let kind = self.values.random_kind();
        let argument = match self.random().below(4) {
            0 => String::new(),
            1 if self.values.dot != 'P' => " .".to_owned(),
            _ => format!(" {}", self.values.pipeline(kind, 2)),
        };
        self.open(text, &format!("template \"{name}\"{argument}"));
    }

    fn block(&mut self, text: &mut String, depth: usize) {
        self.named += 1;
        let name = format!("b{}", self.named);
        let kind = self.values.random_kind();
        let pipeline = self.values.pipeline(kind, 1);
        self.open(text, &format!("block \"{name}\" {pipeline}"));
        let variables = std::mem::take(&mut self.values.variables);
        let loops = std::mem::take(&mut self.loops);
        self.inside(kind, false, |writer| writer.nodes(text, depth - 1));
        self.loops = loops;
        self.values.variables = variables;
        self.open(text, "end");
    }
}

/// Takes something out of a text, or puts something in.
fn spoil(random: &mut Random, text: &mut String) {
    const TOKENS: &[&str] = &[
        "{{",
        "}}",
        "|",
        "(",
        ")",
        "\"",
        "`",
        "'",
        "$",
        ".",
        "-}}",
        "{{-",
        "{{else}}",
        "{{end}}",
        "{{break}}",
        "{{continue}}",
        ":=",
        "=",
        ",",
        "$x",
        "1",
        "0x",
        "1e",
        ".a",
        "nil",
        "..",
        "/*",
        "*/",
        "\\",
        "\n",
        "%",
        "é",
        "{{else if}}",
        "{{template}}",
        "{{define \"x\"}}",
        "range",
        "{{ . }}",
        "true",
        "-",
        "+",
        "1.5.2",
        "{{block}}",
        "len",
        " ",
        "a.b",
        "\u{0}",
        "!",
        "{{with}}",
        "''",
        "'ab'",
        "1i",
        "0b2",
        "{{if .}}",
        "{{range $i, $j, $k := .}}",
        "nosuch",
        "{",
        "{{template \"x\"}}",
        "{{end -}}",
        "$.",
        "{{else with 1}}",
        "{{nil}}",
        "{{.}}}",
    ];
    for _ in 0..=random.below(2) {
        let boundaries: Vec<usize> = (0..=text.len()).filter(|&at| text.is_char_boundary(at)).collect();
        let at = boundaries[random.below(boundaries.len())];
        if random.one_in(2) {
            text.insert_str(at, random.pick(TOKENS));
        } else {
            let mut end = text.len().min(at + 1 + random.below(6));
            while !text.is_char_boundary(end) {
                end += 1;
            }
            text.replace_range(at..end, "");
        }
    }
}
