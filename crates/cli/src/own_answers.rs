//! For `connectors exec` with a proxy of its own: what that proxy answered itself, told on stderr, since nobody sees its access records.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use connectors_proxy::NO_CREDENTIALS;
use serde::Deserialize;

/// Takes access records, and logs those that explain what the command runs into.
pub(crate) struct OwnAnswers {
    /// The beginning of a line whose end is still to come.
    rest: Vec<u8>,
    /// Dropped with this.
    _open: Sender<()>,
}

/// Tells when all records have been written.
pub(crate) struct Written(Receiver<()>);

impl OwnAnswers {
    /// A place for the records, and something to wait for its end with.
    pub(crate) fn new() -> (Self, Written) {
        let (sender, receiver) = channel();
        (Self { rest: Vec::new(), _open: sender }, Written(receiver))
    }
}

impl Written {
    /// Waits until the records' writer is gone, but not for long: what is lost is only an explanation.
    pub(crate) fn wait(&self) {
        let _ = self.0.recv_timeout(Duration::from_secs(1));
    }
}

impl Write for OwnAnswers {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.rest.extend_from_slice(bytes);
        while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            if let Some(text) = serde_json::from_slice(&line).ok().as_ref().and_then(Record::explanation) {
                tracing::warn!("{text}");
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What counts of an access record (docs/operations.md).
#[derive(Deserialize)]
struct Record {
    method: String,
    host: String,
    path: String,
    connector: Option<String>,
    status: u16,
    reason: Option<String>,
    detail: Option<String>,
}

impl Record {
    /// One line for an answer of the proxy itself, and for a tool's refusal of a request that carried no credential.
    fn explanation(&self) -> Option<String> {
        let detail = self.detail.as_deref()?;
        // Many clients first ask without credentials, to learn from the challenge that they are wanted.
        if detail.starts_with(NO_CREDENTIALS) {
            return None;
        }
        let answer = match (&self.reason, self.status) {
            (Some(reason), status) => format!("{status} {reason}"),
            (None, 401 | 403) => format!("{} from {}", self.status, self.host),
            (None, _) => return None,
        };
        let connector = self.connector.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
        Some(format!("{} {}{}{connector}: {answer}: {detail}", self.method, self.host, self.path))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(status: u16, reason: Option<&str>, detail: Option<&str>, expect: Option<&str>) {
        let record = json!({
            "time": "x", "method": "GET", "host": "git.example", "path": "/a", "connector": "team/git", "status": status, "reason": reason, "detail": detail,
        });
        assert_eq!(serde_json::from_value::<Record>(record).unwrap().explanation().as_deref(), expect);
    }

    #[test]
    fn only_what_explains_something_is_told() {
        check(502, Some("UpstreamUnreachable"), Some("why"), Some("GET git.example/a (team/git): 502 UpstreamUnreachable: why"));
        check(401, None, Some("no credential was added: why"), Some("GET git.example/a (team/git): 401 from git.example: no credential was added: why"));
        check(407, Some("ProxyAuthenticationRequired"), Some(&format!("{NO_CREDENTIALS}; send some")), None);
        check(200, None, Some("no credential was added: why"), None);
        check(401, None, None, None);
    }

    #[test]
    fn the_end_of_the_records_can_be_waited_for() {
        let (mut answers, written) = OwnAnswers::new();
        answers.write_all(b"no record\n{\"half\":").unwrap();
        answers.write_all(b"1}\n").unwrap();
        assert!(answers.rest.is_empty());
        drop(answers);
        written.wait();
        assert!(written.0.try_recv().is_err());
    }
}
