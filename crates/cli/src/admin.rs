//! `/healthz`, `/readyz`, `/metrics` and `/conditions`, on a port of their own.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crate::conditions::{Conditions, PATH};
use anyhow::Context as _;
use connectors_http1::{HeadLimits, HeadWriter, RequestHead, reason_phrase};
use connectors_net::{Drain, accept};
use connectors_proxy::Observer;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::LocalSet;

/// What the pages are made of.
pub(crate) struct Pages {
    pub(crate) observer: Arc<Observer>,
    pub(crate) drain: Drain,
    pub(crate) conditions: Conditions,
}

/// Connections served at once; more wait.
const MAX_CONNECTIONS: usize = 64;
/// For a whole request and its answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Listens, and serves on a thread of its own for as long as the process lives. Returns where.
pub(crate) fn start(address: SocketAddr, pages: Pages) -> anyhow::Result<SocketAddr> {
    let listener = std::net::TcpListener::bind(address).with_context(|| format!("cannot listen on {address} (--admin; port 0 means any that is free)"))?;
    listener.set_nonblocking(true)?;
    let bound = listener.local_addr()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name("admin".into()).spawn(move || {
        LocalSet::new().block_on(&runtime, serve(listener, pages));
    })?;
    Ok(bound)
}

async fn serve(listener: std::net::TcpListener, pages: Pages) {
    let Ok(listener) = TcpListener::from_std(listener) else { return };
    let pages = Rc::new(pages);
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let Ok(place) = places.clone().acquire_owned().await else { return };
        let (stream, _) = accept(&listener).await;
        let pages = pages.clone();
        tokio::task::spawn_local(async move {
            // Whoever asks and goes away misses only their own answer.
            let _ = tokio::time::timeout(TIMEOUT, one_request(stream, &pages)).await;
            drop(place);
        });
    }
}

async fn one_request(mut stream: TcpStream, pages: &Pages) -> std::io::Result<()> {
    let mut input = Vec::new();
    let mut head = RequestHead::new();
    let (status, media_type, body) = loop {
        match head.parse(&input, &HeadLimits::default()) {
            Ok(Some(_)) => break pages.answer(&head),
            Ok(None) => {}
            Err(error) => break (error.status(), TEXT, format!("{error}\n")),
        }
        if stream.read_buf(&mut input).await? == 0 {
            return Ok(());
        }
    };
    let mut out = Vec::new();
    let mut writer = HeadWriter::response(&mut out, status, reason_phrase(status).as_bytes()).map_err(std::io::Error::other)?;
    writer.field("Content-Type", media_type.as_bytes()).map_err(std::io::Error::other)?;
    writer.field("Connection", b"close").map_err(std::io::Error::other)?;
    writer.content_length(body.len() as u64);
    writer.end();
    if head.method() != "HEAD" {
        out.extend_from_slice(body.as_bytes());
    }
    stream.write_all(&out).await?;
    stream.shutdown().await?;
    // Until the other side closes too, so that the answer isn't lost in a reset.
    while stream.read(&mut [0; 1024]).await? > 0 {}
    Ok(())
}

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

impl Pages {
    fn answer(&self, head: &RequestHead) -> (u16, &'static str, String) {
        if !matches!(head.method(), "GET" | "HEAD") {
            return (405, TEXT, "only GET and HEAD\n".into());
        }
        match head.target().split('?').next().unwrap_or_default() {
            "/healthz" => (200, TEXT, "ok\n".into()),
            "/readyz" if self.drain.draining() => (503, TEXT, "shutting down\n".into()),
            "/readyz" => (200, TEXT, "ok\n".into()),
            "/metrics" => (200, OPEN_METRICS, self.observer.metrics()),
            PATH => match serde_json::to_string(&self.conditions.rows()) {
                Ok(json) => (200, JSON, json),
                Err(error) => (500, TEXT, format!("{error}\n")),
            },
            _ => (404, TEXT, "/healthz, /readyz, /metrics, /conditions\n".into()),
        }
    }
}
