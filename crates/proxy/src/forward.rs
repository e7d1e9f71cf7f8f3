//! One exchange with the tool: a connection, the request up, the answer down, both at the same time.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use connectors_core::TrustRoots;
use connectors_http1::{BodyDecoder, BodyError, Framing, ResponseFraming, ResponseHead, Version};
use connectors_net::{Alpn, Lease, PoolKey, Reach};

use crate::answer::{self, Coding, Incoming};
use crate::inject::{self, Outgoing};
use crate::mapping::Mapping;
use crate::observe::Record;
use crate::reject::Reject;
use crate::relay::{Onward, RelayError, relay};
use crate::wire::Wire;
use crate::worker::Worker;

/// One request on its way to a tool.
pub(crate) struct Exchange<'a> {
    pub(crate) worker: &'a Worker,
    /// The caller's connection.
    pub(crate) client: &'a Wire,
    /// The request, as it goes on.
    pub(crate) outgoing: Outgoing<'a>,
    /// In reverse mode, how addresses in the answer are rewritten.
    pub(crate) mapping: Option<Mapping<'a>>,
    /// CAs for the tool's certificate.
    pub(crate) trust: &'a TrustRoots,
    /// Which addresses may be dialled.
    pub(crate) reach: Reach,
}

/// Far more than any tool sends; a tool that sends them without end would keep the exchange going for ever.
const MAX_INTERIMS: u32 = 64;

/// What becomes of the caller's connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum After {
    /// It can carry another request.
    KeepAlive,
    /// The answer is complete, and the connection ends.
    Close,
    /// The answer is not complete, and the caller must be able to tell: nothing may be sent that looks like its end.
    Abort,
}

/// Why one attempt gave no answer.
enum Failure {
    /// A connection from the pool was dead, and nothing of the request was lost with it.
    Stale,
    /// An answer of ours is due.
    Reject(Reject),
}

impl From<Reject> for Failure {
    fn from(reject: Reject) -> Self {
        Self::Reject(reject)
    }
}

/// What the two directions know of each other.
#[derive(Default)]
struct Progress {
    /// The request has been sent whole.
    uploaded: Cell<bool>,
    /// Bytes of the request's body that were read from the caller.
    body_in: Cell<u64>,
    /// Bytes of the answer's body.
    body_out: Cell<u64>,
    /// The answer's head was sent, or begun, so no other answer can be.
    answered: Cell<bool>,
    /// The tool asked for the body that the caller holds back.
    continued: Cell<bool>,
}

impl Exchange<'_> {
    /// Sends the request, and the answer back.
    pub(crate) async fn run(&self, record: &mut Record) -> Result<After, Reject> {
        let mut request = Vec::with_capacity(1024);
        inject::write(&self.outgoing, &mut request).map_err(Reject::Unwritable)?;
        let key = PoolKey { origin: self.outgoing.origin, trust: self.trust, reach: self.reach };
        let dialer = &self.worker.dialer;
        let mut upstream = self.worker.pool.acquire(key, dialer, Alpn::Http1).await.map_err(Reject::Dial)?;
        if upstream.reused() {
            match self.attempt(&upstream, &request, self.is_repeatable(), record).await {
                Ok((after, reusable)) => return Ok(Self::done(upstream, after, reusable)),
                Err(Failure::Reject(reject)) => return Err(reject),
                Err(Failure::Stale) => upstream = upstream.renew(dialer, Alpn::Http1).await.map_err(Reject::Dial)?,
            }
        }
        match self.attempt(&upstream, &request, false, record).await {
            Ok((after, reusable)) => Ok(Self::done(upstream, after, reusable)),
            Err(Failure::Reject(reject)) => Err(reject),
            Err(Failure::Stale) => Err(Reject::NoAnswer(std::io::ErrorKind::UnexpectedEof.into())),
        }
    }

    /// Gives the tool's connection back, or closes it.
    fn done(upstream: Lease<Wire>, after: After, reusable: bool) -> After {
        if reusable {
            upstream.release_buffer();
            upstream.keep();
        }
        after
    }

    /// Whether the request may be sent twice: nothing of it is used up, and doing it twice is doing it once (RFC 9110 §9.2.2).
    fn is_repeatable(&self) -> bool {
        let head = self.outgoing.head;
        matches!(head.framing(), Framing::None | Framing::Length(0)) && matches!(head.method(), "GET" | "HEAD" | "OPTIONS" | "PUT" | "DELETE")
    }

    async fn attempt(&self, upstream: &Wire, request: &[u8], repeatable: bool, record: &mut Record) -> Result<(After, bool), Failure> {
        let progress = Progress::default();
        let outcome = self.both_ways(upstream, request, repeatable, &progress, record).await;
        record.bytes(progress.body_in.get(), progress.body_out.get());
        let (after, reusable) = outcome?;
        let reusable = reusable && progress.uploaded.get() && upstream.with_input(<[u8]>::is_empty);
        // The rest of the request's body can't be told from a next request.
        let after = if after == After::KeepAlive && !progress.uploaded.get() { After::Close } else { after };
        Ok((after, reusable))
    }

    /// Runs both directions until the answer is through. Also says whether the tool's connection can be used again.
    async fn both_ways(&self, upstream: &Wire, request: &[u8], repeatable: bool, progress: &Progress, record: &mut Record) -> Result<(After, bool), Failure> {
        let head = self.outgoing.head;
        let mut body = BodyDecoder::new(head.framing());
        let coding = if head.framing() == Framing::Chunked { Coding::Chunked } else { Coding::Plain };
        let onward = Onward { coding, keeps: &|line| inject::trailer_stays(&self.outgoing, line) };
        let mut upload = pin!(relay(self.client, &mut body, upstream, onward, request, &progress.body_in));
        let mut download = pin!(self.download(upstream, repeatable, progress, record));
        let mut watchdog = pin!(stalled(self.client, upstream, self.worker.settings.idle_timeout));
        let mut uploading = true;
        poll_fn(|cx| {
            if uploading && let Poll::Ready(outcome) = upload.as_mut().poll(cx) {
                uploading = false;
                match outcome {
                    Ok(()) => progress.uploaded.set(true),
                    // The tool doesn't want the rest; its answer may be on the way.
                    Err(RelayError::To) => {}
                    // The caller is gone, or lost count: dropping the tool's connection cancels what it does.
                    Err(RelayError::From | RelayError::Body(BodyError::Truncated)) => return Poll::Ready(Ok((After::Abort, false))),
                    Err(RelayError::Body(error)) => return Poll::Ready(self.broken(progress, Reject::Body(error))),
                }
            }
            if let Poll::Ready(outcome) = download.as_mut().poll(cx) {
                return Poll::Ready(outcome);
            }
            match watchdog.as_mut().poll(cx) {
                Poll::Ready(()) => Poll::Ready(self.broken(progress, if uploading { Reject::CallerTimeout } else { Reject::Timeout })),
                Poll::Pending => Poll::Pending,
            }
        })
        .await
    }

    /// An answer of ours if none has begun; else the transfer breaks off.
    fn broken(&self, progress: &Progress, reject: Reject) -> Result<(After, bool), Failure> {
        match progress.answered.get() {
            true => Ok((After::Abort, false)),
            false => Err(reject.into()),
        }
    }

    /// Reads the tool's answer and sends it to the caller.
    async fn download(&self, upstream: &Wire, repeatable: bool, progress: &Progress, record: &mut Record) -> Result<(After, bool), Failure> {
        let mut head = ResponseHead::new();
        let request = self.outgoing.head;
        let mut interims = 0;
        let framing = loop {
            self.read_head(upstream, &mut head, repeatable).await?;
            let framing = head.framing(request.method());
            let framing = framing.map_err(|error| Reject::BadAnswer("the tool's answer is framed in no valid way", error.to_string()))?;
            if !(100..200).contains(&head.status()) {
                break framing;
            }
            // Upgrade was not passed on, so nobody asked to switch.
            if head.status() == 101 {
                return Err(Reject::BadAnswer("the tool switched protocols without being asked", String::new()).into());
            }
            interims += 1;
            if interims > MAX_INTERIMS {
                return Err(Reject::BadAnswer("the tool sent too many interim answers", String::new()).into());
            }
            if !self.interim(&head, progress).await? {
                return Ok((After::Abort, false));
            }
        };
        record.answered_by_tool(head.status());
        // A caller that was never asked for its body may or may not send it.
        let undecided = request.expects_continue() && !progress.continued.get() && !progress.uploaded.get();
        let mut incoming =
            Incoming { request, head: &head, framing, mapping: self.mapping, keep_alive: request.keep_alive() && !undecided && !self.worker.drain.draining() };
        incoming.keep_alive &= !incoming.ends_with_connection();
        let mut out = Vec::with_capacity(1024);
        answer::write(&incoming, &mut out).map_err(Reject::Unwritable)?;
        let mut body = BodyDecoder::new(framing);
        progress.answered.set(true);
        let onward = Onward { coding: incoming.coding(), keeps: &answer::trailer_stays };
        let after = match relay(upstream, &mut body, self.client, onward, &out, &progress.body_out).await {
            Ok(()) if incoming.keep_alive => After::KeepAlive,
            Ok(()) => After::Close,
            Err(_) => After::Abort,
        };
        let reusable = after != After::Abort && head.keep_alive() && framing != ResponseFraming::UntilClose;
        Ok((after, reusable))
    }

    async fn read_head(&self, upstream: &Wire, head: &mut ResponseHead, repeatable: bool) -> Result<(), Failure> {
        head.clear();
        loop {
            let parsed = upstream.with_input(|input| head.parse(input, &self.worker.settings.head));
            match parsed.map_err(|error| Reject::BadAnswer("the tool's answer is no valid HTTP", error.to_string()))? {
                Some(consumed) => {
                    upstream.consume(consumed);
                    return Ok(());
                }
                None => match upstream.fill().await {
                    Ok(count) if count > 0 => {}
                    Ok(_) | Err(_) if repeatable && upstream.with_input(<[u8]>::is_empty) => return Err(Failure::Stale),
                    Ok(_) => return Err(Reject::NoAnswer(std::io::ErrorKind::UnexpectedEof.into()).into()),
                    Err(error) => return Err(Reject::NoAnswer(error).into()),
                },
            }
        }
    }

    /// Passes a 1xx on, to those who know what that is (RFC 9110 §15.2). `false`: the caller is gone.
    async fn interim(&self, head: &ResponseHead, progress: &Progress) -> Result<bool, Failure> {
        if head.status() == 100 {
            progress.continued.set(true);
        }
        if self.outgoing.head.version() == Version::Http10 {
            return Ok(true);
        }
        let incoming = Incoming { request: self.outgoing.head, head, framing: ResponseFraming::None, mapping: self.mapping, keep_alive: true };
        let mut out = Vec::new();
        answer::write(&incoming, &mut out).map_err(Reject::Unwritable)?;
        Ok(self.client.write_all(&out).await.is_ok() && self.client.flush().await.is_ok())
    }
}

/// Ends when nothing has moved on either connection for `idle`, give or take a quarter. Looks four times in that time instead of setting a timer at every read.
async fn stalled(client: &Wire, upstream: &Wire, idle: Duration) {
    const LOOKS: u32 = 4;
    let mut seen = (client.moved(), upstream.moved());
    let mut still = 0;
    while still < LOOKS {
        tokio::time::sleep(idle / LOOKS).await;
        let now = (client.moved(), upstream.moved());
        still = if now == seen { still + 1 } else { 0 };
        seen = now;
    }
}
