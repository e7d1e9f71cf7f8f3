//! What one can see: an access record and metrics for each request. Never a secret, a token, a query or a header's value.
//!
//! Each core has a [`Recorder`]; what the cores have counted and written comes together in the one [`Observer`].

use std::borrow::Cow;
use std::cell::Cell;
use std::io::Write;
use std::ops::{Deref, DerefMut};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use connectors_core::{Caller, Connector, ConnectorRef, Origin, SecretRef};
use connectors_http1::{Field, RequestHead};
use connectors_net::Moment;
use memchr::memmem;
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use crate::client::Peer;
use crate::reject::Refusal;
use crate::trace::TraceId;

mod clock;
mod line;
mod log;
mod metrics;

/// In which of its roles the proxy was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Reverse,
    Forward,
    Connect,
    /// A request inside an intercepted CONNECT.
    Intercept,
    /// It couldn't be told.
    Unknown,
}

impl Mode {
    /// In the order of their numbers.
    const ALL: [Self; 5] = [Self::Reverse, Self::Forward, Self::Connect, Self::Intercept, Self::Unknown];

    fn as_str(self) -> &'static str {
        match self {
            Self::Reverse => "reverse",
            Self::Forward => "forward",
            Self::Connect => "connect",
            Self::Intercept => "intercept",
            Self::Unknown => "unknown",
        }
    }
}

/// Who gave the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AnsweredBy {
    Proxy,
    Tool,
    /// Nobody: the caller was gone first.
    Nobody,
}

impl AnsweredBy {
    /// In the order of their numbers.
    const ALL: [Self; 3] = [Self::Proxy, Self::Tool, Self::Nobody];

    fn as_str(self) -> &'static str {
        match self {
            Self::Proxy => "proxy",
            Self::Tool => "tool",
            Self::Nobody => "nobody",
        }
    }
}

/// What one request leaves behind, filled in on its way.
pub(crate) struct Record<'h> {
    started: Moment,
    mode: Mode,
    client: Rc<str>,
    trace: TraceId,
    method: &'h str,
    /// Where a request in forward mode goes.
    origin: Option<Origin>,
    /// As it was sent; owned where a token was taken out of it.
    path: Cow<'h, str>,
    caller: Option<Arc<Logged>>,
    connector: Option<Named>,
    status: Cell<u16>,
    answered_by: Cell<AnsweredBy>,
    reason: Option<&'static str>,
    detail: Option<String>,
    complete: bool,
    moved: Moved,
    authorized: Option<Moment>,
    answered: Cell<Option<Moment>>,
    ended: Cell<Option<Moment>>,
}

/// How long a request took, from its head on, in nanoseconds.
#[derive(Debug, Clone, Copy)]
struct Times {
    total: u64,
    /// Until it was authorized.
    auth: Option<u64>,
    /// Until the head of the tool's answer was there.
    ttfb: Option<u64>,
}

/// Bytes of bodies. Counted while they move, so that a record of what is cut off has them too.
#[derive(Debug, Default)]
pub(crate) struct Moved {
    /// Of the request's, read from the caller.
    pub(crate) body_in: Cell<u64>,
    /// Of the answer's, read from the tool.
    pub(crate) body_out: Cell<u64>,
}

/// A caller, with what the records of its requests say of it.
#[derive(Debug)]
pub(crate) struct Logged {
    pub(crate) caller: Arc<Caller>,
    fields: Box<str>,
}

impl Logged {
    pub(crate) fn new(caller: Caller) -> Self {
        Self { fields: line::caller(&caller), caller: Arc::new(caller) }
    }
}

/// Which Connector it was.
enum Named {
    /// As the caller named it, be there such a one or not.
    ByCaller(ConnectorRef),
    /// One that exists and that the caller may use.
    Used(Arc<Connector>),
}

impl<'h> Record<'h> {
    fn start(client: &Peer, head: &'h RequestHead, trace: TraceId) -> Self {
        Self {
            started: Moment::now(),
            mode: Mode::Unknown,
            client: client.address.clone(),
            trace,
            method: head.method(),
            origin: None,
            path: Cow::Borrowed(""),
            caller: None,
            connector: None,
            status: Cell::new(0),
            answered_by: Cell::new(AnsweredBy::Nobody),
            reason: None,
            detail: None,
            complete: true,
            moved: Moved::default(),
            authorized: None,
            answered: Cell::new(None),
            ended: Cell::new(None),
        }
    }

    /// Where the request wants to go. Without an `origin`, as in reverse mode, it is the Connector's own once one is [`used`](Self::used).
    pub(crate) fn aim(&mut self, mode: Mode, origin: Option<&Origin>, path: &'h str) {
        self.mode = mode;
        self.origin = origin.cloned();
        self.path = Cow::Borrowed(path);
    }

    /// Takes the caller's token out of the path, in case it stands there.
    pub(crate) fn without(&mut self, token: SecretRef<'_>) {
        let token = token.expose();
        // Most tokens are longer than most paths.
        if token.is_empty() || token.len() > self.path.len() || memmem::find(self.path.as_bytes(), token).is_none() {
            return;
        }
        let redacted = std::str::from_utf8(token).map(|token| self.path.replace(token, "[redacted]"));
        // A path is ASCII, so a token that stands in it is UTF-8.
        self.path = Cow::Owned(redacted.unwrap_or_default());
    }

    pub(crate) fn named(&mut self, connector: &ConnectorRef) {
        self.connector = Some(Named::ByCaller(connector.clone()));
    }

    pub(crate) fn used(&mut self, connector: &Arc<Connector>) {
        self.connector = Some(Named::Used(connector.clone()));
    }

    pub(crate) fn called_by(&mut self, caller: &Arc<Logged>) {
        self.caller = Some(caller.clone());
    }

    /// Authentication and authorization are over.
    pub(crate) fn authorized(&mut self) {
        self.authorized = Some(Moment::now());
    }

    /// When its head had been read.
    pub(crate) fn started(&self) -> Moment {
        self.started
    }

    /// When it was authorized; before that, when it began.
    pub(crate) fn went_on(&self) -> Moment {
        self.authorized.unwrap_or(self.started)
    }

    /// Nothing more of it is to come. Without this, its record says that it took until it was finished.
    pub(crate) fn ended(&self, at: Moment) {
        self.ended.set(Some(at));
    }

    pub(crate) fn answered_by_tool(&self, status: u16) {
        self.status.set(status);
        self.answered_by.set(AnsweredBy::Tool);
        self.answered.set(Some(Moment::now()));
    }

    pub(crate) fn answered_by_proxy(&self, status: u16) {
        self.status.set(status);
        self.answered_by.set(AnsweredBy::Proxy);
    }

    pub(crate) fn refused(&mut self, refusal: &Refusal) {
        self.answered_by_proxy(refusal.status);
        self.reason = Some(refusal.reason);
        let said = [Some(refusal.message.as_str()), refusal.detail.as_deref()].into_iter().flatten().collect::<Vec<_>>().join(": ");
        self.detail = Some(match self.detail.take() {
            Some(noted) => format!("{said}; {noted}"),
            None => said,
        });
    }

    /// What the operator should know even if the request is answered by the tool.
    pub(crate) fn note(&mut self, detail: String) {
        self.detail = Some(detail);
    }

    pub(crate) fn broke_off(&mut self) {
        self.complete = false;
    }

    /// Where the bytes of bodies are counted.
    pub(crate) fn moved(&self) -> &Moved {
        &self.moved
    }

    /// What it took if it ended `now`.
    fn times(&self, now: Moment) -> Times {
        Times { total: now.nanoseconds_since(self.started), auth: self.until(self.authorized), ttfb: self.until(self.answered.get()) }
    }

    /// How long it has taken until a moment on its way.
    fn until(&self, moment: Option<Moment>) -> Option<u64> {
        moment.map(|moment| moment.nanoseconds_since(self.started))
    }

    fn host(&self) -> &str {
        match (&self.origin, &self.connector) {
            (Some(origin), _) => origin.authority(),
            (None, Some(Named::Used(connector))) => connector.address.origin().authority(),
            _ => "",
        }
    }

    fn connector(&self) -> Option<&ConnectorRef> {
        self.connector.as_ref().map(|named| match named {
            Named::ByCaller(name) => name,
            Named::Used(connector) => &connector.name,
        })
    }

    fn class(&self) -> Option<&str> {
        match &self.connector {
            Some(Named::Used(connector)) => Some(&connector.class),
            _ => None,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

/// Takes the records of all cores.
pub struct Observer {
    registry: Registry,
    metrics: metrics::Metrics,
    rejections: Family<Reason, Counter>,
    lost: Counter,
    log: log::Log,
}

/// One core's way to the [`Observer`]: it counts and writes without asking any other core.
pub(crate) struct Recorder {
    metrics: metrics::CoreMetrics,
    rejections: Family<Reason, Counter>,
    lost: Counter,
    log: log::CoreLog,
    clock: clock::Clock,
}

/// The record of a request that is going on. One that is dropped before it is finished, with the request itself, was broken off, and leaves its record too.
pub(crate) struct Recording<'a> {
    recorder: &'a Recorder,
    record: Record<'a>,
    is_finished: bool,
}

impl Observer {
    /// Writes records to `log`, one JSON object a line, on a thread of its own.
    pub fn new(log: impl Write + Send + 'static) -> Self {
        Self::with_registry(log, Registry::default())
    }

    /// As [`Observer::new`], adding its metrics to those that are there.
    pub fn with_registry(log: impl Write + Send + 'static, mut registry: Registry) -> Self {
        let metrics = metrics::Metrics::default();
        let rejections = Family::<Reason, Counter>::default();
        let lost = Counter::default();
        let own = registry.sub_registry_with_prefix("connectors_proxy");
        own.register_collector(Box::new(metrics.clone()));
        own.register("rejections", "Requests that the proxy answered itself, by reason", rejections.clone());
        own.register("access_records_lost", "Access records dropped because the log could not be written fast enough", lost.clone());
        Self { registry, metrics, rejections, lost, log: log::Log::new(log) }
    }

    /// All metrics, in the OpenMetrics text format.
    pub fn metrics(&self) -> String {
        let mut out = String::new();
        // Writing to a String can't fail.
        let _ = text::encode(&mut out, &self.registry);
        out
    }

    /// For one more core.
    pub(crate) fn recorder(&self) -> Recorder {
        Recorder {
            metrics: self.metrics.core(),
            rejections: self.rejections.clone(),
            lost: self.lost.clone(),
            log: self.log.core(),
            clock: clock::Clock::new(),
        }
    }

    /// Waits until the records of all requests that have finished are written, but no longer than `within`. Tells whether that was reached.
    pub(crate) fn flush(&self, within: Duration) -> bool {
        self.log.flush(within)
    }
}

impl Recorder {
    /// A request's head has been read.
    pub(crate) fn begin<'a>(&'a self, client: &Peer, head: &'a RequestHead, trace: TraceId) -> Recording<'a> {
        self.metrics.begin();
        Recording { recorder: self, record: Record::start(client, head, trace), is_finished: false }
    }

    /// Counts a request and writes its record.
    fn finish(&self, record: &Record<'_>) {
        let now = record.ended.get().unwrap_or_else(Moment::now);
        let times = record.times(now);
        self.metrics.finish(&metrics::Sample {
            class: record.class().unwrap_or_default(),
            mode: record.mode,
            status: record.status.get(),
            answered_by: record.answered_by.get(),
            times,
            bytes_in: record.moved.body_in.get(),
            bytes_out: record.moved.body_out.get(),
        });
        if let Some(reason) = record.reason {
            self.rejections.get_or_create(&Reason { reason }).inc();
        }
        if let Err(log::Lost) = self.log.append(|out| line::write(record, now, times, &self.clock, out)) {
            self.lost.inc();
        }
    }
}

impl Recording<'_> {
    /// The request is over: counts it and writes its record.
    pub(crate) fn finish(mut self) {
        self.is_finished = true;
        self.recorder.finish(&self.record);
    }
}

impl Drop for Recording<'_> {
    fn drop(&mut self) {
        if !self.is_finished {
            self.record.broke_off();
            self.recorder.finish(&self.record);
        }
    }
}

impl<'a> Deref for Recording<'a> {
    type Target = Record<'a>;

    fn deref(&self) -> &Record<'a> {
        &self.record
    }
}

impl DerefMut for Recording<'_> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.record
    }
}

/// The trace that a caller says the request belongs to, if it says so well (W3C Trace Context §3.2).
pub(crate) fn trace_of(head: &RequestHead) -> Option<TraceId> {
    head.get(Field::Traceparent).and_then(TraceId::from_traceparent)
}

#[cfg(test)]
mod tests {
    use connectors_core::{Host, Scheme};
    use connectors_http1::HeadLimits;
    use connectors_testkit::Captured;

    use super::*;
    use crate::trace::TraceIds;

    fn head() -> RequestHead {
        let mut head = RequestHead::new();
        head.parse(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", &HeadLimits::default()).unwrap().unwrap();
        head
    }

    fn origin(host: &str) -> Origin {
        Origin::new(Scheme::Https, Host::parse(host).unwrap(), None)
    }

    fn record<'h>(head: &'h RequestHead, path: &'h str) -> Record<'h> {
        let mut record = Record::start(&Peer::new("127.0.0.1:1".parse().unwrap()).unwrap(), head, TraceIds::new().make());
        record.aim(Mode::Forward, Some(&origin("tool.example")), path);
        record
    }

    #[test]
    fn aiming_again_replaces_the_first_aim() {
        let head = head();
        let mut record = record(&head, "/first");
        record.aim(Mode::Intercept, Some(&origin("other.example")), "/second");
        assert_eq!((record.method, record.host(), &*record.path), ("GET", "other.example", "/second"));
    }

    #[test]
    fn p23_a_token_in_the_path_is_taken_out() {
        let head = head();
        for (path, expect) in
            [("/x/canary-token/y/canary-token", "/x/[redacted]/y/[redacted]"), ("canary-token", "[redacted]"), ("/canary-tokem", "/canary-tokem"), ("/", "/")]
        {
            let mut record = record(&head, path);
            record.without(SecretRef::new(b"canary-token"));
            assert_eq!((record.host(), &*record.path), ("tool.example", expect));
        }
        let mut record = record(&head, "/x");
        record.without(SecretRef::new(b""));
        record.without(SecretRef::new(b"\xff"));
        assert_eq!(record.path, "/x");
    }

    #[test]
    fn a_request_that_is_dropped_leaves_its_record() {
        let log = Captured::default();
        let observer = Observer::new(log.clone());
        let recorder = observer.recorder();
        let head = head();
        let mut recording = recorder.begin(&Peer::new("127.0.0.1:1".parse().unwrap()).unwrap(), &head, TraceIds::new().make());
        recording.aim(Mode::Forward, Some(&origin("tool.example")), "/dropped");
        assert!(observer.metrics().contains("connectors_proxy_active_requests 1"));
        drop(recording);
        recorder.begin(&Peer::new("127.0.0.1:1".parse().unwrap()).unwrap(), &head, TraceIds::new().make()).finish();
        assert!(observer.flush(Duration::from_secs(20)));
        let text = log.text();
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].contains(r#""path":"/dropped""#) && lines[0].contains(r#""complete":false"#), "{text}");
        assert!(lines.len() == 2 && lines[1].contains(r#""complete":true"#), "{text}");
        assert!(observer.metrics().contains("connectors_proxy_active_requests 0"));
    }

    #[test]
    fn variants_have_the_numbers_of_their_places() {
        assert!(Mode::ALL.iter().enumerate().all(|(place, mode)| *mode as usize == place));
        assert!(AnsweredBy::ALL.iter().enumerate().all(|(place, answerer)| *answerer as usize == place));
    }
}
