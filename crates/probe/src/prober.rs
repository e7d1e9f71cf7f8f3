//! Running one probe.

use std::fmt::Write as _;
use std::time::Duration;

use connectors_core::{Origin, SecretValue, TrustRoots};
use connectors_crd::ProbeMethod;
use connectors_crd::probing::{Answer, Outcome, Request};
use connectors_net::{Dialer, Reach};
use tokio::time::timeout;

use crate::exchange::{Failure, Got, MAX_BODY_BYTES, Wanted, exchange};
use crate::redirect::resolve_location;

/// Redirects that are followed in a row.
pub const MAX_REDIRECTS: usize = 10;

/// Sends probes. Cloning gives another handle to the same.
#[derive(Clone)]
pub struct Prober {
    dialer: Dialer,
    within: Duration,
}

/// What came of a probe.
#[derive(Debug)]
pub struct Ran {
    /// For conditions.
    pub outcome: Outcome,
    /// Why there was no answer, in all its detail; for the operator.
    pub cause: Option<Failure>,
}

/// What stands in the way of an answer.
enum Stopped {
    Failure(Failure),
    /// In words for everybody.
    Why(String),
}

impl Prober {
    /// Probes by connections of `dialer`. `within` bounds each probe, redirects and the answer's body included.
    pub fn new(dialer: Dialer, within: Duration) -> Self {
        Self { dialer, within }
    }

    /// Sends the request, follows redirects as far as it wants that, and judges the answer. `trust` has the CAs for TLS besides the system's.
    ///
    /// The request's headers go to its own origin only: once a redirect has led away from there (another scheme, host or port), what follows is sent
    /// without them, even if it leads back. Other origins are reached only at public addresses, and at those that the operator allows; another port or scheme of
    /// the request's host also at the address that answered first.
    pub async fn run(&self, request: &Request, trust: &TrustRoots) -> Ran {
        // Written to on the way, so that it is known how far it came when time is up.
        let mut led_to = None;
        let ended = timeout(self.within, self.walk(request, trust, &mut led_to)).await;
        let redirected = led_to.as_ref();
        match ended {
            Ok(Ok(got)) => {
                let answer = Answer { status: got.status, headers: &got.headers, body: &got.body, redirected };
                Ran { outcome: request.judge(answer), cause: None }
            }
            Ok(Err(Stopped::Failure(failure))) => Ran { outcome: request.no_answer(&failure.public(), redirected), cause: Some(failure) },
            Ok(Err(Stopped::Why(why))) => Ran { outcome: request.no_answer(&why, redirected), cause: None },
            Err(_) => Ran { outcome: request.no_answer(&format!("no answer within {:?}", self.within), redirected), cause: None },
        }
    }

    /// Asks whether anybody answers at `path` of `origin`, with whatever status; reads up to `body` bytes of the answer's body. Sends no credential and
    /// follows nothing.
    ///
    /// # Errors
    /// There is no answer.
    pub async fn get(&self, origin: &Origin, path: &str, trust: &TrustRoots, body: Option<usize>) -> Result<Got, Option<Failure>> {
        let wanted = Wanted { origin, reach: Reach::Target, trust, method: "GET", target: path.as_bytes(), headers: &[], body, follow: false };
        timeout(self.within, exchange(&self.dialer, &wanted)).await.map_err(|_| None)?.map_err(Some)
    }

    async fn walk(&self, request: &Request, trust: &TrustRoots, led_to: &mut Option<Origin>) -> Result<Got, Stopped> {
        let mut origin = request.origin.clone();
        let mut method = request.method;
        let mut target = SecretValue::new(request.target.expose());
        let mut headers = request.headers.as_slice();
        let mut first_peer = None;
        for _ in 0..=MAX_REDIRECTS {
            let reach = match first_peer {
                _ if origin == request.origin => Reach::Target,
                Some(peer) if origin.host() == request.origin.host() => Reach::SameHost(peer),
                _ => Reach::Elsewhere,
            };
            let wanted = Wanted {
                origin: &origin,
                reach,
                trust,
                method: method.as_str(),
                target: target.expose(),
                headers,
                body: request.wants_body().then_some(MAX_BODY_BYTES),
                follow: request.follow,
            };
            let got = exchange(&self.dialer, &wanted).await.map_err(Stopped::Failure)?;
            first_peer = first_peer.or(Some(got.peer));
            let Some(location) = got.location().filter(|_| request.follow) else { return Ok(got) };
            let (next, path) = resolve_location(&origin, target.expose(), location).map_err(|error| Stopped::Why(format!("{} : {error}", got.status)))?;
            if next != origin {
                headers = &[];
                *led_to = Some(next.clone());
            }
            // As clients do, and as RFC 9110 §15.4 lets them.
            if matches!(got.status, 301..=303) {
                method = ProbeMethod::Get;
            }
            (origin, target) = (next, SecretValue::new(path));
        }
        Err(Stopped::Why(format!("more than {MAX_REDIRECTS} redirects")))
    }
}

impl Ran {
    /// The cause and what caused it, in one line.
    pub fn details(&self) -> Option<String> {
        let failure = self.cause.as_ref()?;
        let mut text = failure.to_string();
        let mut cause = std::error::Error::source(failure);
        while let Some(error) = cause {
            // Writing to a String can't fail.
            let _ = write!(text, ": {error}");
            cause = error.source();
        }
        Some(text)
    }
}
