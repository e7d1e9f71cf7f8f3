//! What one can see: an access record and metrics for each request. Never a secret, a token, a query or a header's value.

use std::borrow::Cow;
use std::cell::Cell;
use std::io::Write;
use std::net::SocketAddr;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant, SystemTime};

use connectors_core::{Caller, Connector, ConnectorRef, SecretValue};
use connectors_http1::{Field, RequestHead};
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::reject::Refusal;
use crate::trace::TraceId;

/// In which of its roles the proxy was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
enum AnsweredBy {
    Proxy,
    Tool,
    /// Nobody: the caller was gone first.
    Nobody,
}

/// What one request leaves behind, filled in on its way.
pub(crate) struct Record {
    started: Instant,
    mode: Mode,
    client: SocketAddr,
    trace: TraceId,
    method: Box<str>,
    host: Box<str>,
    path: Box<str>,
    caller: Option<Arc<Caller>>,
    /// As the caller named it; the class is known only for one that exists and that the caller may use.
    connector: Option<ConnectorRef>,
    class: Option<Box<str>>,
    status: Cell<u16>,
    answered_by: Cell<AnsweredBy>,
    reason: Option<&'static str>,
    detail: Option<String>,
    complete: bool,
    /// Bytes of the request's body that were read from the caller.
    pub(crate) bytes_in: Cell<u64>,
    /// Bytes of the answer's body.
    pub(crate) bytes_out: Cell<u64>,
    auth: Option<Duration>,
    ttfb: Cell<Option<Duration>>,
}

/// More of a path or method than this isn't logged.
const MAX_LOGGED: usize = 2048;

impl Record {
    pub(crate) fn start(client: SocketAddr, head: &RequestHead, trace: TraceId) -> Self {
        Self {
            started: Instant::now(),
            mode: Mode::Unknown,
            client,
            trace,
            method: shortened(head.method()).into(),
            host: "".into(),
            path: "".into(),
            caller: None,
            connector: None,
            class: None,
            status: Cell::new(0),
            answered_by: Cell::new(AnsweredBy::Nobody),
            reason: None,
            detail: None,
            complete: false,
            bytes_in: Cell::new(0),
            bytes_out: Cell::new(0),
            auth: None,
            ttfb: Cell::new(None),
        }
    }

    pub(crate) fn aim(&mut self, mode: Mode, host: String, path: &str) {
        self.mode = mode;
        self.host = host.into_boxed_str();
        self.path = shortened(path).into();
    }

    /// Takes the caller's token out of the path, in case it stands there.
    pub(crate) fn without(&mut self, token: &SecretValue) {
        if let Some(token) = token.expose_str()
            && !token.is_empty()
            && self.path.contains(token)
        {
            self.path = self.path.replace(token, "[redacted]").into();
        }
    }

    pub(crate) fn named(&mut self, connector: &ConnectorRef) {
        self.connector = Some(connector.clone());
    }

    pub(crate) fn used(&mut self, connector: &Connector) {
        self.connector = Some(connector.name.clone());
        self.class = Some(connector.class.clone());
    }

    pub(crate) fn called_by(&mut self, caller: &Arc<Caller>) {
        self.caller = Some(caller.clone());
    }

    /// Authentication and authorization are over.
    pub(crate) fn authorized(&mut self) {
        self.auth = Some(self.started.elapsed());
    }

    pub(crate) fn answered_by_tool(&self, status: u16) {
        self.status.set(status);
        self.answered_by.set(AnsweredBy::Tool);
        self.ttfb.set(Some(self.started.elapsed()));
    }

    pub(crate) fn answered_by_proxy(&self, status: u16) {
        self.status.set(status);
        self.answered_by.set(AnsweredBy::Proxy);
    }

    pub(crate) fn refused(&mut self, refusal: &Refusal) {
        self.answered_by_proxy(refusal.status);
        self.reason = Some(refusal.reason);
        self.detail = Some(refusal.detail.clone().unwrap_or_else(|| refusal.message.clone()));
    }

    /// The answer is through. A record of which that isn't said is that of a transfer that broke off.
    pub(crate) fn completed(&mut self) {
        self.complete = true;
    }
}

fn shortened(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(MAX_LOGGED) {
        Some((end, _)) => format!("{}…", &text[..end]).into(),
        None => text.into(),
    }
}

/// The record's fields, as they are written. Field names are a contract (docs/operations.md).
#[derive(Serialize)]
struct Line<'a> {
    time: &'a str,
    trace_id: &'a TraceId,
    client: SocketAddr,
    user: Option<&'a str>,
    pod: Option<String>,
    connector: Option<&'a str>,
    class: Option<&'a str>,
    mode: Mode,
    method: &'a str,
    host: &'a str,
    path: &'a str,
    status: u16,
    answered_by: AnsweredBy,
    reason: Option<&'static str>,
    detail: Option<&'a str>,
    complete: bool,
    bytes_in: u64,
    bytes_out: u64,
    auth_ms: Option<f64>,
    ttfb_ms: Option<f64>,
    total_ms: f64,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    class: String,
    mode: &'static str,
    status: &'static str,
    answered_by: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ClassMode {
    class: String,
    mode: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

/// From half a millisecond to half a minute.
#[derive(Clone)]
struct Seconds;

impl MetricConstructor<Histogram> for Seconds {
    fn new_metric(&self) -> Histogram {
        Histogram::new([0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0])
    }
}

type Seconded<L> = Family<L, Histogram, Seconds>;

/// Takes the records of all cores.
pub struct Observer {
    registry: Registry,
    requests: Family<Labels, Counter>,
    rejections: Family<Reason, Counter>,
    total: Seconded<ClassMode>,
    ttfb: Seconded<ClassMode>,
    auth: Seconded<ClassMode>,
    bytes_in: Family<ClassMode, Counter>,
    bytes_out: Family<ClassMode, Counter>,
    active: Gauge,
    lost: Counter,
    log: SyncSender<Message>,
}

/// For the thread that writes.
enum Message {
    /// One record, as it is written.
    Record(Vec<u8>),
    /// Somebody wants to know when all before this is written.
    Flush(SyncSender<()>),
}

/// Records that may wait for the writer; more are dropped and counted, since a stuck log must not stop the data path.
const MAX_WAITING: usize = 16 * 1024;

impl Observer {
    /// Writes records to `log`, one JSON object a line, on a thread of its own.
    pub fn new(log: impl Write + Send + 'static) -> Self {
        Self::with_registry(log, Registry::default())
    }

    /// As [`Observer::new`], adding its metrics to those that are there.
    pub fn with_registry(log: impl Write + Send + 'static, mut registry: Registry) -> Self {
        let (sender, receiver) = sync_channel(MAX_WAITING);
        std::thread::spawn(move || write_records(log, &receiver));
        let seconds = || Seconded::new_with_constructor(Seconds);
        let this = Self {
            requests: Family::default(),
            rejections: Family::default(),
            total: seconds(),
            ttfb: seconds(),
            auth: seconds(),
            bytes_in: Family::default(),
            bytes_out: Family::default(),
            active: Gauge::default(),
            lost: Counter::default(),
            log: sender,
            registry: Registry::default(),
        };
        let own = registry.sub_registry_with_prefix("connectors_proxy");
        own.register("requests", "Requests by class, mode, status class and who answered", this.requests.clone());
        own.register("rejections", "Requests that the proxy answered itself, by reason", this.rejections.clone());
        own.register_with_unit("request_duration", "From the request's head to the end of the answer", Unit::Seconds, this.total.clone());
        own.register_with_unit("upstream_ttfb", "From the request's head to the head of the tool's answer", Unit::Seconds, this.ttfb.clone());
        own.register_with_unit("auth_duration", "From the request's head to the permission", Unit::Seconds, this.auth.clone());
        own.register_with_unit("request_body", "Bytes of request bodies read from callers", Unit::Bytes, this.bytes_in.clone());
        own.register_with_unit("response_body", "Bytes of answer bodies read from tools", Unit::Bytes, this.bytes_out.clone());
        own.register("active_requests", "Requests in flight", this.active.clone());
        own.register("access_records_lost", "Access records dropped because the log could not be written fast enough", this.lost.clone());
        Self { registry, ..this }
    }

    /// All metrics, in the OpenMetrics text format.
    pub fn metrics(&self) -> String {
        let mut out = String::new();
        // Writing to a String can't fail.
        let _ = text::encode(&mut out, &self.registry);
        out
    }

    /// Waits until every record so far is written, for at most `within`. Tells whether that was reached.
    pub fn flush(&self, within: Duration) -> bool {
        let end = Instant::now() + within;
        let (done, is_done) = sync_channel(1);
        let mut message = Message::Flush(done);
        // A log that is stuck leaves no room for this either.
        while let Err(TrySendError::Full(back)) = self.log.try_send(message) {
            if Instant::now() >= end {
                return false;
            }
            message = back;
            std::thread::park_timeout(Duration::from_millis(1));
        }
        is_done.recv_timeout(end.saturating_duration_since(Instant::now())).is_ok()
    }

    /// Counts a request as in flight until what is returned is dropped, and then keeps its record.
    pub(crate) fn begin(&self, record: Record) -> Ongoing<'_> {
        self.active.inc();
        Ongoing { observer: self, record }
    }

    fn finish(&self, record: &Record) {
        self.active.dec();
        let class = record.class.as_deref().unwrap_or_default();
        let answered_by = match record.answered_by.get() {
            AnsweredBy::Proxy => "proxy",
            AnsweredBy::Tool => "tool",
            AnsweredBy::Nobody => "nobody",
        };
        let labels = Labels { class: class.to_owned(), mode: record.mode.as_str(), status: status_class(record.status.get()), answered_by };
        self.requests.get_or_create(&labels).inc();
        let by = ClassMode { class: labels.class, mode: labels.mode };
        let total = record.started.elapsed();
        self.total.get_or_create(&by).observe(total.as_secs_f64());
        if let Some(ttfb) = record.ttfb.get() {
            self.ttfb.get_or_create(&by).observe(ttfb.as_secs_f64());
        }
        if let Some(auth) = record.auth {
            self.auth.get_or_create(&by).observe(auth.as_secs_f64());
        }
        if let Some(reason) = record.reason {
            self.rejections.get_or_create(&Reason { reason }).inc();
        }
        self.bytes_in.get_or_create(&by).inc_by(record.bytes_in.get());
        self.bytes_out.get_or_create(&by).inc_by(record.bytes_out.get());
        self.write(record, total);
    }

    fn write(&self, record: &Record, total: Duration) {
        let time = OffsetDateTime::from(SystemTime::now()).format(&Rfc3339).unwrap_or_default();
        let millis = |duration: Duration| (duration.as_secs_f64() * 1e6).round() / 1e3;
        let caller = record.caller.as_deref();
        let line = Line {
            time: &time,
            trace_id: &record.trace,
            client: record.client,
            user: caller.map(|caller| &*caller.username),
            pod: caller.and_then(|caller| caller.pod.as_ref()).map(|pod| format!("{}/{}", pod.namespace, pod.name)),
            connector: record.connector.as_ref().map(ConnectorRef::as_str),
            class: record.class.as_deref(),
            mode: record.mode,
            method: &record.method,
            host: &record.host,
            path: &record.path,
            status: record.status.get(),
            answered_by: record.answered_by.get(),
            reason: record.reason,
            detail: record.detail.as_deref(),
            complete: record.complete,
            bytes_in: record.bytes_in.get(),
            bytes_out: record.bytes_out.get(),
            auth_ms: record.auth.map(millis),
            ttfb_ms: record.ttfb.get().map(millis),
            total_ms: millis(total),
        };
        let mut bytes = Vec::with_capacity(512);
        if serde_json::to_writer(&mut bytes, &line).is_err() {
            return;
        }
        bytes.push(b'\n');
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) = self.log.try_send(Message::Record(bytes)) {
            self.lost.inc();
        }
    }
}

/// A request in flight. However it ends, its record is kept: stopping drops those that take too long where they wait.
pub(crate) struct Ongoing<'a> {
    observer: &'a Observer,
    record: Record,
}

impl Deref for Ongoing<'_> {
    type Target = Record;

    fn deref(&self) -> &Record {
        &self.record
    }
}

impl DerefMut for Ongoing<'_> {
    fn deref_mut(&mut self) -> &mut Record {
        &mut self.record
    }
}

impl Drop for Ongoing<'_> {
    fn drop(&mut self) {
        self.observer.finish(&self.record);
    }
}

fn status_class(status: u16) -> &'static str {
    match status / 100 {
        1 => "1xx",
        2 => "2xx",
        3 => "3xx",
        4 => "4xx",
        5 => "5xx",
        _ => "none",
    }
}

/// What is waiting goes out in one write.
fn write_records(mut log: impl Write, messages: &Receiver<Message>) {
    const MAX_BATCH: usize = 64 * 1024;
    while let Ok(first) = messages.recv() {
        let (mut batch, mut waiting) = (Vec::new(), Vec::new());
        let mut next = Some(first);
        while let Some(message) = next {
            match message {
                Message::Record(bytes) => batch.extend_from_slice(&bytes),
                Message::Flush(done) => waiting.push(done),
            }
            next = if batch.len() < MAX_BATCH { messages.try_recv().ok() } else { None };
        }
        // A log that can't be written (a closed pipe) is no reason to stop serving.
        let _ = log.write_all(&batch);
        let _ = log.flush();
        for done in waiting {
            let _ = done.send(());
        }
    }
}

/// The trace that a caller says the request belongs to, if it says so well (W3C Trace Context §3.2).
pub(crate) fn trace_of(head: &RequestHead) -> Option<TraceId> {
    head.get(Field::Traceparent).and_then(TraceId::from_traceparent)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// A log that is written only while the test lets it.
    #[derive(Clone, Default)]
    struct Gated(Arc<Mutex<Vec<u8>>>);

    impl Write for Gated {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn record() -> Record {
        Record::start("192.0.2.1:1".parse().unwrap(), &RequestHead::new(), crate::trace::TraceIds::new().make())
    }

    #[test]
    fn a_flushed_log_has_every_record_and_a_stuck_one_is_not_waited_for() {
        let log = Gated::default();
        let observer = Observer::new(log.clone());
        let stuck = log.0.lock().unwrap();
        for _ in 0..2 * MAX_WAITING {
            drop(observer.begin(record()));
        }
        assert!(!observer.flush(Duration::from_millis(10)));
        drop(stuck);
        assert!(observer.flush(Duration::from_secs(20)));
        let written = log.0.lock().unwrap().iter().filter(|byte| **byte == b'\n').count() as u64;
        assert!(written >= MAX_WAITING as u64);
        assert_eq!(written + observer.lost.get(), 2 * MAX_WAITING as u64);
    }

    #[test]
    fn a_request_that_is_dropped_where_it_waits_leaves_a_record() {
        let log = Gated::default();
        let observer = Observer::new(log.clone());
        let mut whole = observer.begin(record());
        whole.completed();
        let broken = observer.begin(record());
        broken.answered_by_tool(101);
        broken.bytes_out.set(5);
        assert_eq!(observer.active.get(), 2);
        drop((whole, broken));
        assert!(observer.active.get() == 0 && observer.flush(Duration::from_secs(20)));
        let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        let (whole, broken) = log.split_once('\n').unwrap();
        assert!(whole.contains(r#""complete":true"#) && broken.contains(r#""status":101,"answered_by":"tool""#), "{log}");
        assert!(broken.contains(r#""complete":false,"bytes_in":0,"bytes_out":5"#), "{log}");
    }
}
