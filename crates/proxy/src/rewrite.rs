//! What a class's rule makes of a request: its credential, and, where that belongs in the body, the body.

use std::future::{Future as _, poll_fn};
use std::pin::pin;
use std::task::Poll;

use bytes::Bytes;
use connectors_core::{BodyFields, Credential, Generate, Generated, InjectedHeader, RequestView};
use connectors_credentials::{BodyUnfit, content_type, merge};
use connectors_http1::{BodyError, Framing, RequestHead};

use crate::body::RelayError;
use crate::client::Client;
use crate::inject::{self, Kept, Outgoing};
use crate::reject::Reject;
use crate::settings::Settings;

const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// What was made for one request.
pub(crate) struct Made {
    pub(crate) credential: Credential,
    /// The body, where it was read.
    pub(crate) body: Option<Bytes>,
}

/// Why a request doesn't go on.
pub(crate) enum Stopped {
    /// The caller is gone, or lost count of its body.
    Gone,
    /// An answer of ours is due.
    Refused(Reject),
}

impl From<Reject> for Stopped {
    fn from(reject: Reject) -> Self {
        Self::Refused(reject)
    }
}

/// Asks the rule. The body is read only if the rule reads it or puts the credential there.
pub(crate) async fn made(rule: &dyn Generate, outgoing: &Outgoing<'_>, client: Client<'_>, settings: &Settings) -> Result<Made, Stopped> {
    let head = outgoing.head;
    let mut body = None;
    if rule.reads_body() {
        body = read_body(head, client, settings.max_rego_body_bytes).await?;
    }
    let mut target = Vec::new();
    inject::request_target(outgoing, &mut target);
    // It is what was parsed from text, without some of its parameters.
    let target = String::from_utf8_lossy(&target);
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let view = RequestView { method: head.method(), path, host: outgoing.origin.authority(), query, headers: &Kept(outgoing), body: body.as_deref() };
    match rule.generate(view).map_err(Reject::InjectionFailed)? {
        Generated::OnHead(credential) => Ok(Made { credential, body }),
        Generated::InBody(fields) => {
            if outgoing.upgrade.is_some() {
                return Err(Reject::BodyUnfit(BodyUnfit::Upgrade).into());
            }
            if body.is_none() {
                body = read_body(head, client, settings.max_rego_body_bytes).await?;
            }
            Ok(with_fields(&fields, head, body.as_deref().unwrap_or_default())?)
        }
    }
}

/// Puts the credential into the body.
fn with_fields(fields: &BodyFields, head: &RequestHead, body: &[u8]) -> Result<Made, Reject> {
    let one = |name| {
        let mut values = head.values(name);
        let first = values.next();
        if values.next().is_some() { Err(Reject::BodyUnfit(BodyUnfit::OtherType)) } else { Ok(first) }
    };
    if !body.is_empty() && one("Content-Encoding")?.is_some_and(|coding| !coding.eq_ignore_ascii_case(b"identity")) {
        return Err(Reject::BodyUnfit(BodyUnfit::Encoded));
    }
    let merged = merge(fields, one("Content-Type")?, body).map_err(Reject::BodyUnfit)?;
    // Whatever type a request without a body said that it has.
    let made = body.is_empty().then(|| InjectedHeader::new("Content-Type", content_type(fields.format).as_bytes()));
    Ok(Made { credential: Credential { headers: made.into_iter().collect(), query: Vec::new() }, body: Some(merged.into()) })
}

/// The whole body, `None` if the request has none. A caller that waits to be asked for it is asked.
async fn read_body(head: &RequestHead, client: Client<'_>, limit: usize) -> Result<Option<Bytes>, Stopped> {
    match head.framing() {
        Framing::None => return Ok(None),
        Framing::Length(length) if length > limit as u64 => return Err(Reject::BodyTooLarge { limit }.into()),
        _ => {}
    }
    if head.expects_continue() {
        client.interim(CONTINUE).await.map_err(|_| Stopped::Gone)?;
    }
    let watchdog = client.watchdog();
    watchdog.begin();
    let mut source = client.source(head.framing());
    let mut whole = pin!(source.collect(limit));
    let read = poll_fn(|cx| match whole.as_mut().poll(cx) {
        Poll::Ready(read) => Poll::Ready(Some(read)),
        Poll::Pending => watchdog.poll(cx, || client.moved()).map(|()| None),
    });
    match read.await {
        None => Err(Reject::CallerTimeout.into()),
        Some(Ok(Some(body))) => Ok(Some(body)),
        Some(Ok(None)) => Err(Reject::BodyTooLarge { limit }.into()),
        Some(Err(RelayError::Body(error))) => Err(if matches!(error, BodyError::Truncated) { Stopped::Gone } else { Reject::Body(error).into() }),
        Some(Err(RelayError::From | RelayError::To)) => Err(Stopped::Gone),
    }
}
