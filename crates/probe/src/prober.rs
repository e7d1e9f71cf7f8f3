//! Running one probe.

use std::sync::Arc;
use std::time::Duration;

use connectors_core::{Origin, SecretValue, TrustRoots, with_causes};
use connectors_crd::probing::{Answer, Outcome, Request, Role, Verdict};
use connectors_crd::{ProbeMethod, Subject};
use connectors_net::{Dialer, Reach};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout, timeout_at};

use crate::exchange::{Failure, Got, MAX_BODY_BYTES, Wanted, exchange};
use crate::redirect::resolve_location;

/// Redirects that are followed in a row.
pub const MAX_REDIRECTS: usize = 10;
/// Templates are rendered and conditions evaluated on so many threads: enough that one slow class holds nobody else up, and no more of the machine than that.
const THREADS: usize = 2;

/// Sends probes. Cloning gives another handle to the same.
#[derive(Clone)]
pub struct Prober {
    dialer: Dialer,
    within: Duration,
    /// Of [`THREADS`], those that are free.
    threads: Arc<Semaphore>,
}

/// The API of a class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Api {
    /// Its URL.
    pub url: String,
    /// The CAs for TLS to it, besides the system's.
    pub trust: TrustRoots,
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
    /// Probes by connections of `dialer`. `within` bounds each probe: rendering its templates, redirects, the answer's body, and judging it.
    pub fn new(dialer: Dialer, within: Duration) -> Self {
        Self { dialer, within, threads: Arc::new(Semaphore::new(THREADS)) }
    }

    /// Runs a probe of a Connector; `None` if there is nothing to ask. `api` is its class's API, if that is known.
    pub async fn probe(&self, role: Role, subject: Subject, api: Option<Api>) -> Option<Ran> {
        let deadline = Instant::now() + self.within;
        let trust = subject.trust.clone();
        let url = api.as_ref().map(|api| api.url.clone());
        let request = match timeout_at(deadline, self.aside(move || subject.request(role, url.as_deref()))).await {
            Ok(Some(Ok(request))) => Arc::new(request?),
            Ok(Some(Err(outcome))) => return Some(Ran { outcome, cause: None }),
            Ok(None) | Err(_) => {
                let message = format!("no request within {:?}: its templates, or those of others, take too long", self.within);
                return Some(Ran { outcome: Outcome::new(Verdict::NoAnswer, message), cause: None });
            }
        };
        let trust = api.filter(|_| request.to_api).map_or(trust, |api| api.trust);
        let ran = self.send(&request, &trust, deadline).await;
        if let Some(details) = ran.details() {
            tracing::debug!(probe = request.shown(), details, "a probe got no answer");
        }
        Some(ran)
    }

    /// Sends the request, follows redirects as far as it wants that, and judges the answer. `trust` has the CAs for TLS besides the system's.
    ///
    /// The request's headers go to its own origin only: once a redirect has led away from there (another scheme, host or port), what follows is sent
    /// without them, even if it leads back. Other origins are reached only at public addresses, and at those that the operator allows; another port or scheme of
    /// the request's host also at the address that answered first.
    pub async fn run(&self, request: &Arc<Request>, trust: &TrustRoots) -> Ran {
        self.send(request, trust, Instant::now() + self.within).await
    }

    async fn send(&self, request: &Arc<Request>, trust: &TrustRoots, deadline: Instant) -> Ran {
        // Written to on the way, so that it is known how far it came when time is up.
        let mut led_to = None;
        let ended = timeout_at(deadline, self.walk(request, trust, &mut led_to)).await;
        let redirected = led_to.as_ref();
        let (outcome, cause) = match ended {
            Ok(Ok(got)) => (self.judge(request, got, led_to, deadline).await, None),
            Ok(Err(Stopped::Failure(failure))) => (request.no_answer(&failure.public(), redirected), Some(failure)),
            Ok(Err(Stopped::Why(why))) => (request.no_answer(&why, redirected), None),
            Err(_) => (request.no_answer(&format!("no answer within {:?}", self.within), redirected), None),
        };
        Ran { outcome, cause }
    }

    async fn judge(&self, request: &Arc<Request>, got: Got, redirected: Option<Origin>, deadline: Instant) -> Outcome {
        let judge = |request: &Request, got: &Got, redirected: Option<&Origin>| {
            request.judge(Answer { status: got.status, headers: &got.headers, body: &got.body, redirected })
        };
        if !request.wants_body() {
            return judge(request, &got, redirected.as_ref());
        }
        let late = format!("{}, not judged within {:?}", got.status, self.within);
        let (judged, led_to) = (request.clone(), redirected.clone());
        match timeout_at(deadline, self.aside(move || judge(&judged, &got, led_to.as_ref()))).await {
            Ok(Some(outcome)) => outcome,
            Ok(None) | Err(_) => request.no_answer(&late, redirected.as_ref()),
        }
    }

    /// Does what takes its time on another thread, once one is free. What nobody waits for any more goes on, and keeps its thread until it ends. `None` if it
    /// panics.
    async fn aside<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        // Never closed.
        let thread = self.threads.clone().acquire_owned().await.ok()?;
        let working = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(thread);
            done
        });
        working.await.ok()
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
        self.cause.as_ref().map(|failure| with_causes(failure))
    }
}
