//! Two programs that are asked the same questions.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::thread::JoinHandle;

use serde_json::Value as Json;

/// A program that answers a line with a line.
pub(crate) struct Answerer {
    child: Child,
    questions: Option<mpsc::SyncSender<String>>,
    writer: Option<JoinHandle<()>>,
    answers: BufReader<ChildStdout>,
}

/// Questions that may wait for a program.
const WAITING: usize = 1024;

impl Answerer {
    pub(crate) fn start(program: &Path, arguments: &[&str]) -> Self {
        let mut command = Command::new(program);
        let mut child = command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the program starts");
        let mut input = child.stdin.take().expect("it is piped");
        let answers = BufReader::new(child.stdout.take().expect("it is piped"));
        let (questions, lines) = mpsc::sync_channel::<String>(WAITING);
        // By a thread of its own: a program that waits until its answers are read reads no questions.
        let writer = std::thread::spawn(move || {
            for line in lines {
                if input.write_all(line.as_bytes()).and_then(|()| input.flush()).is_err() {
                    break;
                }
            }
        });
        Self { child, questions: Some(questions), writer: Some(writer), answers }
    }

    /// Asks, without waiting for the answer.
    pub(crate) fn ask(&self, question: &Json) {
        let _ = self.questions.as_ref().expect("it is open until this is dropped").send(format!("{question}\n"));
    }

    /// The answer to the first question that has none yet; `None` if the program has ended.
    pub(crate) fn answer(&mut self) -> Option<Json> {
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("its answers are text");
        (!line.is_empty()).then(|| serde_json::from_str(&line).expect("an answer is JSON"))
    }

    /// The most memory that the program has had so far.
    pub(crate) fn peak_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("Linux tells");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }
}

impl Drop for Answerer {
    fn drop(&mut self) {
        self.questions = None;
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}
