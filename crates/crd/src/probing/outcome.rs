//! What became of a probe.

use connectors_core::Origin;
use connectors_expr::{Fields, Response};

use super::prepare::{Judge, Request, Role};
use crate::condition::{MAX_MESSAGE_BYTES, shortened};

/// What a probe has found, and the words for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// What it is.
    pub verdict: Verdict,
    /// The request and the answer, `GET https://… : 401`; never a header, and nothing that comes from a Secret. Empty if it passed.
    pub message: String,
}

/// What a probe has found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// The answer is good.
    Passed,
    /// There was no answer that could be read.
    NoAnswer,
    /// The tool doesn't take the credential.
    Refused,
    /// Another answer than it should be.
    Failed,
    /// An expression of the class can't be evaluated.
    Invalid,
    /// The class's API has no say: it answered something else than 200, 401 and 403, or nothing.
    Undecided,
}

impl Verdict {
    /// All of them, in the order of [`Verdict::as_str`]'s table.
    pub const ALL: [Self; 6] = [Self::Passed, Self::NoAnswer, Self::Refused, Self::Failed, Self::Invalid, Self::Undecided];

    /// One word for metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::NoAnswer => "no_answer",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Invalid => "invalid",
            Self::Undecided => "undecided",
        }
    }
}

/// An outcome and when it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probed {
    /// What was found.
    pub outcome: Outcome,
    /// When, RFC 3339.
    pub at: String,
}

/// What came back.
#[derive(Debug, Clone, Copy)]
pub struct Answer<'a> {
    /// The status, 200 to 599.
    pub status: u16,
    /// All fields, in their order.
    pub headers: &'a [(Vec<u8>, Vec<u8>)],
    /// The body, as far as it was read; nothing of it where [`Request::wants_body`] is false.
    pub body: &'a [u8],
    /// Where it came from, if redirects led elsewhere.
    pub redirected: Option<&'a Origin>,
}

struct Pairs<'a>(&'a [(Vec<u8>, Vec<u8>)]);

impl Fields for Pairs<'_> {
    fn each(&self, visit: &mut dyn FnMut(&[u8], &[u8])) {
        self.0.iter().for_each(|(name, value)| visit(name, value));
    }
}

impl Outcome {
    /// An outcome; a message of more than 1 KiB is cut.
    pub fn new(verdict: Verdict, message: impl Into<String>) -> Self {
        Self { verdict, message: shortened(message.into(), MAX_MESSAGE_BYTES) }
    }

    pub(super) fn passed() -> Self {
        Self { verdict: Verdict::Passed, message: String::new() }
    }

    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(Verdict::Invalid, message)
    }
}

impl Request {
    /// Whether the tool may have said no to the credential. A tool that doesn't let strangers in is no less alive for it, and is asked again soon; but what has
    /// a credential in it isn't.
    fn asks_with_credential(&self) -> bool {
        self.role == Role::Auth || self.has_credential
    }

    /// What an answer means. Evaluates the class's condition, if there is one, which can take up to 50 ms.
    pub fn judge(&self, answer: Answer<'_>) -> Outcome {
        let status = answer.status;
        let denied = matches!(status, 401 | 403);
        let refused = denied && self.asks_with_credential();
        let good = (200..=299).contains(&status);
        let verdict = match &self.judge {
            Judge::Success if good => return Outcome::passed(),
            Judge::Success if refused => Verdict::Refused,
            Judge::Success => Verdict::Failed,
            Judge::Api if status == 200 => return Outcome::passed(),
            Judge::Api if refused => Verdict::Refused,
            Judge::Api if denied => Verdict::Failed,
            Judge::Api => Verdict::Undecided,
            Judge::Condition { probe, field } => {
                let response = Response { status_code: status, headers: &Pairs(answer.headers), body: answer.body };
                match probe.condition(response) {
                    Ok(true) => return Outcome::passed(),
                    // A class that looks into answers to a credential does so because some tools say with a 200 that it is bad.
                    Ok(false) => {
                        let verdict = if refused || good && self.role == Role::Auth { Verdict::Refused } else { Verdict::Failed };
                        return Outcome::new(verdict, format!("{}, and {field} is false", self.line(&status.to_string(), answer.redirected)));
                    }
                    Err(error) => return Outcome::invalid(format!("{}, and {field}: {error}", self.line(&status.to_string(), answer.redirected))),
                }
            }
        };
        Outcome::new(verdict, self.line(&status.to_string(), answer.redirected))
    }

    /// There was no answer; `problem` says why, in words that anyone may read who may read the Connector. `redirected` is where the request was
    /// sent on to, if anywhere.
    pub fn no_answer(&self, problem: &str, redirected: Option<&Origin>) -> Outcome {
        let verdict = if matches!(self.judge, Judge::Api) { Verdict::Undecided } else { Verdict::NoAnswer };
        Outcome::new(verdict, self.line(problem, redirected))
    }

    /// `GET https://… : 401`. Of redirects that stay at the host the origin is shown; where others lead is the tool's to say, and can repeat anything.
    fn line(&self, end: &str, redirected: Option<&Origin>) -> String {
        match redirected {
            None => format!("{} : {end}", self.shown),
            Some(origin) if origin.host() == self.origin.host() => {
                format!("{}, redirected to {}://{} : {end}", self.shown, origin.scheme().as_str(), origin.authority())
            }
            Some(_) => format!("{}, redirected to another host : {end}", self.shown),
        }
    }
}
