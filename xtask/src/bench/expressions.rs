//! `cargo xtask bench expressions`: what templates and rules of classes take where Go's text/template and OPA are asked the same, and how soon and how
//! small hazards end.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context as _, bail};
use serde_json::{Value as Json, json};

use super::report;
use super::stats::Spread;
use super::table::{Table, number};
use crate::tools::{self, Tool};
use crate::{command, release};

const DOCUMENT: &str = "docs/expressions.md";

/// Of Go's time, no more than this.
const MUST: f64 = 0.5;

const ROUNDS: u32 = 21;
const QUICK_ROUNDS: u32 = 5;

/// Evaluations in a round: some milliseconds to some tens of them.
const TIMES: u32 = 2_000;

/// Compares, and prints the results; with `--write` they are put into the documentation. `true` if everything is as it must be.
pub(super) fn run(root: &Path, arguments: &[&str]) -> anyhow::Result<bool> {
    if let Some(argument) = arguments.iter().find(|argument| !matches!(**argument, "--quick" | "--write")) {
        bail!("{argument} is no option of bench expressions; see `cargo xtask help`");
    }
    let rounds = if arguments.contains(&"--quick") { QUICK_ROUNDS } else { ROUNDS };
    if let Some(missing) = tools::install(root, &[Tool::Templates, Tool::Rules]).pop() {
        return Err(missing.why);
    }
    let surroundings = report::machine();
    let programs = Programs::build(root)?;
    let rows: Vec<Row> = subjects().iter().map(|subject| programs.compare(subject, rounds)).collect::<anyhow::Result<_>>()?;
    let (hazards, ended) = hazards(root, &programs.binary)?;
    let markdown = format!(
        "{surroundings}. Medians of {rounds} rounds of {TIMES} evaluations, one side after the other; in parentheses the quartiles. Microseconds each.\n\n{}\n{hazards}",
        table(&rows)
    );
    println!("\n{markdown}");
    if arguments.contains(&"--write") {
        report::put(root, DOCUMENT, "cargo xtask bench expressions", &markdown)?;
    }
    Ok(ended && rows.iter().all(Row::met))
}

/// What is evaluated.
struct Subject {
    name: &'static str,
    /// As `connectors eval --cases` reads it.
    case: Json,
    /// Whose time it is compared with.
    original: Original,
}

#[derive(Clone, Copy)]
enum Original {
    Templates,
    Opa,
}

fn subjects() -> Vec<Subject> {
    let probe = json!({
        "Connector": {
            "metadata": {"name": "git", "namespace": "team"},
            "spec": {
                "connectorClassName": "git", "address": "https://git.example.com/group",
                "auth": {"name": "basicAuth", "secretRef": {"name": "git"}, "params": [{"name": "repository", "value": "org/repo.git"}]},
            },
        },
        "Secret": {"type": "kubernetes.io/basic-auth", "stringData": {"username": "bot", "password": "glpat-0123456789abcdef"}},
    });
    let mut headers = json!({
        "Private-Token": ["eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ0ZWFtL2J1aWxkZXIifQ.c2lnbmF0dXJl"], "Accept": ["application/json"], "User-Agent": ["curl/8.5.0"],
    });
    for index in 0..8 {
        headers[format!("X-Header-{index}")] = json!([format!("value-{index}")]);
    }
    let request = json!({"method": "GET", "path": "/api/v4/projects", "host": "c-git.team.svc", "headers": headers, "query": {}});
    let template = |text: &str| json!({"id": 1, "template": text, "model": "structs", "data": probe});
    let rule = |role: &str, module: &str| json!({"id": 1, "role": role, "module": module, "query": "data.proxy.auth", "input": {"request": request, "data": {"token": "glpat-0123456789abcdef", "kind": "key"}}});
    vec![
        Subject {
            name: "template: Authorization of class git",
            case: template("{{- if .Secret }}Basic {{ printf \"%s:%s\" .Secret.StringData.username .Secret.StringData.password | b64enc }}{{ end }}"),
            original: Original::Templates,
        },
        Subject {
            name: "template: path of class git",
            case: template(
                "{{- range .Connector.Spec.Auth.Params }}\n{{- if eq .Name \"repository\" }}/{{ .Value.StringVal }}/info/refs?service=git-upload-pack{{ end }}\n{{- end }}",
            ),
            original: Original::Templates,
        },
        Subject {
            name: "extractor: a header",
            case: rule("extractor", "package proxy\nauth = {\"token\": input.request.headers[\"Private-Token\"][0]}\n"),
            original: Original::Opa,
        },
        Subject {
            name: "extractor: a header, or none",
            case: rule("extractor", "package proxy\ndefault token = \"\"\ntoken = input.request.headers[\"Private-Token\"][0]\nauth = {\"token\": token}\n"),
            original: Original::Opa,
        },
        Subject {
            name: "generator: of the Secret",
            case: rule(
                "generator",
                "package proxy\nauth = {\"position\": \"header\", \"auth\": {\"Authorization\": concat(\" \", [\"token\", input.data.token])}}\n",
            ),
            original: Original::Opa,
        },
        Subject {
            name: "generator: of the Secret, by path",
            case: rule(
                "generator",
                "package proxy\nauth = {\"position\": \"header\", \"auth\": {\"Private-Token\": input.data.token}} {\n  startswith(input.request.path, \"/api/\")\n}\nauth = {\"position\": \"header\", \"auth\": {\"Authorization\": concat(\" \", [\"Bearer\", input.data.token])}} {\n  not startswith(input.request.path, \"/api/\")\n}\n",
            ),
            original: Original::Opa,
        },
    ]
}

/// A subject, measured.
struct Row {
    name: &'static str,
    ours: Spread,
    theirs: Spread,
    /// Of each round.
    ratio: Spread,
}

impl Row {
    fn met(&self) -> bool {
        self.ratio.median <= MUST
    }
}

fn table(rows: &[Row]) -> String {
    let mut table = Table::new(["expression", "connectors", "Go", "÷ Go", "must", ""]);
    for row in rows {
        let ratio = format!("{:.2} ({:.2}–{:.2})", row.ratio.median, row.ratio.lower, row.ratio.upper);
        let verdict = if row.met() { "met" } else { "missed" };
        table.row([row.name.into(), number(row.ours.median), number(row.theirs.median), ratio, format!("≤ {MUST:.2}"), verdict.into()]);
    }
    table.markdown()
}

/// What is asked.
struct Programs {
    binary: PathBuf,
    timing: PathBuf,
    templates: PathBuf,
    opa: PathBuf,
}

impl Programs {
    fn build(root: &Path) -> anyhow::Result<Self> {
        let tool = |path: &str| root.join("e2e/.cache").join(path);
        Ok(Self {
            binary: release::binary(root)?,
            timing: release::example(root, "connectors-expr", "timing")?,
            templates: tool("templates/templates"),
            opa: tool("rules/rules"),
        })
    }

    /// A round of one and a round of the other, in turns; both must answer the same first.
    fn compare(&self, subject: &Subject, rounds: u32) -> anyhow::Result<Row> {
        let name = subject.name;
        println!("      {name}");
        let original = match subject.original {
            Original::Templates => &self.templates,
            Original::Opa => &self.opa,
        };
        let result = |program: &Path, arguments: &[&str]| Asked::start(program, arguments)?.ask(&subject.case);
        let (ours, theirs) = (result(&self.binary, &["eval", "--cases", "-"])?, result(original, &[])?);
        if ours != theirs {
            bail!("{name}: {ours} is not what Go answers: {theirs}");
        }
        let (mut ours, mut theirs) = (Asked::start(&self.timing, &[])?, Asked::start(original, &["-time"])?);
        let mut case = subject.case.clone();
        case["times"] = TIMES.into();
        case["rounds"] = 1.into();
        let mut pairs = Vec::new();
        // The first of each warms up.
        for round in 0..=rounds {
            let took = |program: &mut Asked| -> anyhow::Result<f64> {
                let nanoseconds = program.ask(&case)?[0].as_f64().with_context(|| format!("{name}: no time"))?;
                Ok(nanoseconds / 1e3 / f64::from(TIMES))
            };
            // Neither is always the one that comes after the other.
            let pair = if round % 2 == 0 {
                let ours = took(&mut ours)?;
                (ours, took(&mut theirs)?)
            } else {
                let theirs = took(&mut theirs)?;
                (took(&mut ours)?, theirs)
            };
            if round > 0 {
                pairs.push(pair);
            }
        }
        let spread = |figure: fn(&(f64, f64)) -> f64| Spread::of(pairs.iter().map(figure)).context("no round");
        Ok(Row { name, ours: spread(|pair| pair.0)?, theirs: spread(|pair| pair.1)?, ratio: spread(|pair| pair.0 / pair.1)? })
    }
}

/// A program that answers a line with a line.
struct Asked {
    child: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Asked {
    fn start(program: &Path, arguments: &[&str]) -> anyhow::Result<Self> {
        let mut command = Command::new(program);
        let mut child =
            command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().with_context(|| format!("cannot run {}", program.display()))?;
        let (questions, answers) = (child.stdin.take().context("no input")?, child.stdout.take().context("no output")?);
        Ok(Self { child, questions, answers: BufReader::new(answers) })
    }

    /// The result of a case.
    fn ask(&mut self, case: &Json) -> anyhow::Result<Json> {
        writeln!(self.questions, "{case}")?;
        self.questions.flush()?;
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        let mut answer: Json = serde_json::from_str(&line).with_context(|| format!("no answer to {case}"))?;
        match answer["error"].as_str() {
            Some(error) => bail!("{error}, for {case}"),
            None => Ok(answer["result"].take()),
        }
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Tries all hazards with the release binary: a table of them, and whether each ended as it must.
fn hazards(root: &Path, binary: &Path) -> anyhow::Result<(String, bool)> {
    let mut test = command::cargo();
    test.args(["test", "--quiet", "--package", "connectors-e2e", "--test", "expressions", "--", "--nocapture", "hazards"]).current_dir(root);
    test.env("CONNECTORS_BIN", binary).env("CONNECTORS_EXPRESSIONS_EXACT", "1");
    println!("      hazards");
    let output = test.stdin(Stdio::null()).stderr(Stdio::inherit()).output()?;
    let mut table = Table::new(["hazard", "ms", "MiB more", "ends with"]);
    for line in String::from_utf8_lossy(&output.stdout).lines().filter_map(|line| line.strip_prefix("hazard | ")) {
        let cells: Vec<&str> = line.splitn(4, " | ").collect();
        let [name, time, memory, answer] = cells[..] else { bail!("this is no hazard: {line}") };
        table.row([name.to_owned(), time.to_owned(), memory.to_owned(), format!("`{}`", answer.replace('|', "\\|").replace('`', "'"))]);
    }
    Ok((table.markdown(), output.status.success()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_of_the_ratios_is_what_counts() {
        let spread = |median| Spread { median, lower: 0.1, upper: 0.9 };
        let row = |median| Row { name: "a", ours: spread(1.0), theirs: spread(3.0), ratio: spread(median) };
        assert!(row(0.5).met() && !row(0.51).met());
        let table = table(&[row(0.25)]);
        assert!(table.contains("| a          |       1.00 | 3.00 | 0.25 (0.10–0.90) | ≤ 0.50 | met |"), "{table}");
    }

    #[test]
    fn a_program_that_fails_is_said_to() {
        let mut cat = Asked::start(Path::new("cat"), &[]).unwrap();
        assert_eq!(cat.ask(&json!({"result": [1]})).unwrap(), json!([1]));
        assert!(cat.ask(&json!({"error": "no"})).unwrap_err().to_string().starts_with("no, for "));
    }
}
