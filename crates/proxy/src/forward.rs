//! One exchange with the tool: a connection, the request up, the answer down, both at the same time.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use connectors_core::{Scheme, TrustRoots};
use connectors_http1::{BodyError, Framing, PreparedField, ResponseFraming, ResponseHead, Version};
use connectors_net::{Alpn, DialError, Lease, Moment, PoolKey, Protocol, Reach, Reservation};
use tokio::time::{Sleep, sleep};

use crate::answer::{self, Coding, Incoming, Switch};
use crate::body::{self, Onward, RelayError, Sending, Sink, Source, relay};
use crate::client::{Client, Gone, Moves, VIA_HTTP1};
use crate::http2::client::{Known, Place, Turn};
use crate::http2::{head as http2_head, websocket};
use crate::inject::{self, Outgoing};
use crate::mapping::Mapping;
use crate::observe::{Moved, Record};
use crate::reject::Reject;
use crate::scratch::Lent;
use crate::upstream::{Answers, Failure};
use crate::wire::Wire;
use crate::worker::Worker;

/// One request on its way to a tool.
pub(crate) struct Exchange<'a> {
    pub(crate) worker: &'a Worker,
    /// The caller's side.
    pub(crate) client: Client<'a>,
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

/// Connections of HTTP/2 that a tool may leave under one request, which it then hasn't touched. Some leave each after a thousand requests, and under load one
/// request can be unlucky more than once.
const MAX_LEFT: u32 = 4;

/// How long the rest of a request may take whose answer is through.
const LONGEST_REST: Duration = Duration::from_secs(2);

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

/// What carries one request to the tool.
enum Upstream {
    /// A connection of HTTP/1.1.
    Wire(Lease<Wire>),
    /// A place on a connection of HTTP/2.
    Stream(Place),
}

/// An answer that is through before the request is.
struct Early {
    /// The tool's connection can be used again, once it has the rest.
    reusable: bool,
    /// How long it may take for that.
    limit: Pin<Box<Sleep>>,
}

/// What the two directions know of each other.
struct Progress<'a> {
    /// The request has been sent whole.
    uploaded: Cell<bool>,
    /// Bytes of the two bodies.
    moved: &'a Moved,
    /// The answer's head was sent, or begun, so no other answer can be.
    answered: Cell<bool>,
    /// The tool asked for the body that the caller holds back.
    continued: Cell<bool>,
    /// Both sides have left HTTP.
    switched: Cell<bool>,
}

impl<'a> Progress<'a> {
    fn new(moved: &'a Moved) -> Self {
        let no = || Cell::new(false);
        Self { uploaded: no(), moved, answered: no(), continued: no(), switched: no() }
    }
}

impl Exchange<'_> {
    /// Sends the request, and the answer back.
    pub(crate) async fn run(&self, record: &Record<'_>) -> Result<After, Reject> {
        let key = PoolKey { origin: self.outgoing.origin, trust: self.trust, reach: self.reach };
        let mut retried = false;
        let mut left = 0;
        let mut upstream = self.upstream(key, false, record.went_on()).await?;
        loop {
            let progress = Progress::new(record.moved());
            let outcome = match &upstream {
                Upstream::Wire(lease) => pin!(self.over_wire(lease, &progress, record)).await,
                Upstream::Stream(place) => pin!(self.over_stream(place, &progress, record)).await.map(|after| (after, false)),
            };
            let failure = match outcome {
                Ok((after, reusable)) => {
                    if let Upstream::Wire(lease) = upstream
                        && reusable
                    {
                        let now = Moment::now();
                        record.ended(now);
                        lease.release_buffer();
                        lease.keep(now);
                    }
                    // The rest of the request's body can't be told from a next request.
                    let unread = after == After::KeepAlive && !progress.uploaded.get();
                    return Ok(if unread { After::Close } else { after });
                }
                Err(failure) => failure,
            };
            match failure {
                Failure::Stale if !retried => retried = true,
                Failure::Leaving if left < MAX_LEFT => left += 1,
                Failure::Stale | Failure::Leaving => return Err(Reject::NoAnswer(io::ErrorKind::UnexpectedEof.into())),
                Failure::Reject(reject) => return Err(*reject),
            }
            upstream = match upstream {
                // Keeps its place, so that nobody has to wait twice.
                Upstream::Wire(lease) => Upstream::Wire(lease.renew(&self.worker.dialer, Alpn::Http1).await.map_err(|error| self.undialled(error))?),
                Upstream::Stream(place) => {
                    drop(place);
                    self.upstream(key, retried, Moment::now()).await?
                }
            };
        }
    }

    /// Finds or makes what carries the request; of HTTP/1.1 no idle connection if it was `retried`. The protocol follows the caller's: HTTP/2 is offered to
    /// the tool for requests that came by HTTP/2.
    async fn upstream(&self, key: PoolKey<'_>, retried: bool, now: Moment) -> Result<Upstream, Reject> {
        let (pool, dialer) = (&self.worker.pool, &self.worker.dialer);
        if self.client.is_http2() && key.origin.scheme() == Scheme::Https && self.outgoing.upgrade.is_none() {
            let known = self.worker.http2.known(key, now);
            loop {
                if let Some(place) = known.place() {
                    if place.confirm(key, dialer).await {
                        return Ok(Upstream::Stream(place));
                    }
                    continue;
                }
                if known.prefers_http1.get() {
                    break;
                }
                // Boxed, as is dialling below: rare and large.
                if let Some(upstream) = Box::pin(self.http2(&known, key, now)).await? {
                    return Ok(upstream);
                }
            }
        }
        // An upgrade can't be repeated if a connection from the pool turns out to be dead.
        let lease = if retried || self.outgoing.upgrade.is_some() {
            Box::pin(async { pool.reserve(key, dialer, now).await?.dial(dialer, Alpn::Http1).await }).await
        } else {
            pool.acquire(key, dialer, Alpn::Http1, now).await
        };
        lease.map(Upstream::Wire).map_err(|error| self.undialled(error))
    }

    /// Waits for a place on a connection of HTTP/2, or makes a new connection, of what the tool chooses. `None`: what there is has changed.
    async fn http2(&self, known: &Rc<Known>, key: PoolKey<'_>, since: Moment) -> Result<Option<Upstream>, Reject> {
        let (pool, dialer) = (&self.worker.pool, &self.worker.dialer);
        let (_dialing, reservation): (_, Reservation<Wire>) = match known.turn(pool.reserve(key, dialer, since)).await.map_err(|error| self.undialled(error))? {
            Turn::Place(place) => return Ok(place.confirm(key, dialer).await.then_some(Upstream::Stream(place))),
            Turn::Changed => return Ok(None),
            Turn::Dial(dialing, reservation) => (dialing, reservation),
        };
        let lease = reservation.dial(dialer, Alpn::Http2).await.map_err(|error| {
            known.dialing_failed();
            self.undialled(error)
        })?;
        let protocol = lease.protocol();
        known.prefers_http1.set(protocol == Protocol::Http1);
        if protocol == Protocol::Http1 {
            return Ok(Some(Upstream::Wire(lease)));
        }
        let (wire, claim) = lease.into_parts();
        let begun = known.begin(wire.into_parts().0, claim, &self.worker.settings).await;
        begun.map(|place| Some(Upstream::Stream(place))).map_err(|error| Reject::NoAnswer(io::Error::other(error)))
    }

    /// The body that goes to the tool.
    fn body(&self, framing: Framing) -> Source<'_> {
        self.outgoing.body.map_or_else(|| self.client.source(framing), |body| Source::Buffered(body.clone()))
    }

    fn undialled(&self, error: DialError) -> Reject {
        Reject::Dial(error, self.reach)
    }

    /// Whether the request may be sent twice: nothing of it is used up, and doing it twice is doing it once (RFC 9110 §9.2.2).
    fn is_repeatable(&self) -> bool {
        let head = self.outgoing.head;
        let idempotent = matches!(head.method(), "GET" | "HEAD" | "OPTIONS" | "PUT" | "DELETE");
        idempotent && matches!(head.framing(), Framing::None | Framing::Length(0)) && self.outgoing.upgrade.is_none()
    }

    async fn over_wire(&self, lease: &Lease<Wire>, progress: &Progress<'_>, record: &Record<'_>) -> Result<(After, bool), Failure> {
        let (wire, reused): (&Wire, _) = (lease, lease.reused());
        let framing = self.outgoing.framing();
        let coding = if framing == Framing::Chunked { Coding::Chunked } else { Coding::Plain };
        let untouched = wire.moved();
        let onward = Onward { keeps: &|line| inject::trailer_stays(&self.outgoing, line), bytes: &progress.moved.body_in, pipes: &self.worker.pipes };
        let upload = pin!(async {
            let mut request: Lent<Vec<u8>> = Lent::new();
            inject::write(&self.outgoing, &mut request).map_err(Reject::Unwritable)?;
            let sent = match framing {
                // The shorter way, which most requests can go.
                Framing::None => wire.send(&request).await.map_err(|_| RelayError::To),
                _ => relay(&mut self.body(framing), &mut Sink::Wire(wire, coding), onward, &mut request).await,
            };
            // The buffers are needed elsewhere while this waits for its answer.
            drop(request);
            self.client.release_buffer();
            // Not one byte could be written, so nothing of the request is used up, whatever it is.
            let unsent = reused && wire.moved() == untouched && progress.moved.body_in.get() == 0;
            if unsent && matches!(sent, Err(RelayError::To)) { Err(Failure::Stale) } else { Ok(sent) }
        });
        let download = pin!(self.download(Answers::Wire { wire, repeatable: reused && self.is_repeatable() }, progress, record));
        let (after, reusable) = self.both_ways(upload, download, progress, || wire.moved()).await?;
        Ok((after, reusable && progress.uploaded.get() && self.outgoing.upgrade.is_none() && wire.with_input(<[u8]>::is_empty)))
    }

    async fn over_stream(&self, place: &Place, progress: &Progress<'_>, record: &Record<'_>) -> Result<After, Failure> {
        let framing = self.outgoing.framing();
        let ends = matches!(framing, Framing::None | Framing::Length(0));
        let request = {
            let mut head: Lent<Vec<u8>> = Lent::new();
            inject::write(&self.outgoing, &mut head).map_err(Reject::Unwritable)?;
            http2_head::request(&head, self.outgoing.origin).map_err(Reject::from)?
        };
        let ready = async { place.sender()?.ready().await.ok() };
        let Some(mut sender) = ready.await else {
            // Whatever it is, nothing was sent.
            place.give_up();
            return Err(Failure::Leaving);
        };
        let Ok((response, sending)) = sender.send_request(request, ends) else {
            place.give_up();
            return Err(Failure::Leaving);
        };
        drop(sender);
        let moves = Moves::default();
        let sending: Sending = RefCell::new(Some(sending));
        let onward = Onward { keeps: &|line| inject::trailer_stays(&self.outgoing, line), bytes: &progress.moved.body_in, pipes: &self.worker.pipes };
        let upload = pin!(async {
            let mut sink = if ends { Sink::Ended } else { Sink::Stream(body::Outgoing::new(&sending, &moves)) };
            Ok(relay(&mut self.body(framing), &mut sink, onward, &mut Vec::new()).await)
        });
        let unused = || progress.moved.body_in.get() == 0;
        let answers = Answers::Stream { response, place, moves: &moves, repeatable: place.reused && self.is_repeatable(), unused: &unused };
        let download = pin!(self.download(answers, progress, record));
        let outcome = self.both_ways(upload, download, progress, || moves.on_stream()).await;
        if matches!(&outcome, Err(Failure::Reject(reject)) if matches!(**reject, Reject::Timeout)) {
            // The connection may be what is silent, and the next request would wait as long.
            place.give_up();
        }
        outcome.map(|(after, _)| after)
    }

    /// Runs both directions until the answer is through. Also says whether the tool's connection can be used again.
    ///
    /// They are pinned by the caller, because moving what they need costs more than running them does.
    async fn both_ways(
        &self,
        mut upload: Pin<&mut impl Future<Output = Result<Result<(), RelayError>, Failure>>>,
        mut download: Pin<&mut impl Future<Output = Result<(After, bool), Failure>>>,
        progress: &Progress<'_>,
        upstream_moved: impl Fn() -> u64,
    ) -> Result<(After, bool), Failure> {
        let watchdog = self.client.watchdog();
        watchdog.begin();
        let mut uploading = true;
        // An answer that is through before the request is; most tools take the rest all the same, and then both connections are as good as before.
        let mut early: Option<Early> = None;
        poll_fn(|cx| {
            if uploading && let Poll::Ready(outcome) = upload.as_mut().poll(cx) {
                uploading = false;
                match outcome {
                    Ok(Ok(())) => progress.uploaded.set(true),
                    // Whatever it is, there is an answer already.
                    _ if early.is_some() => {}
                    Err(failure) => return Poll::Ready(Err(failure)),
                    // The tool doesn't want the rest; its answer may be on the way.
                    Ok(Err(RelayError::To)) => {}
                    // The caller is gone, or lost count: dropping the tool's connection cancels what it does.
                    Ok(Err(RelayError::From | RelayError::Body(BodyError::Truncated))) => return Poll::Ready(Ok((After::Abort, false))),
                    Ok(Err(RelayError::Body(error))) => return Poll::Ready(broken(progress, Reject::Body(error))),
                }
            }
            if early.is_none()
                && let Poll::Ready(outcome) = download.as_mut().poll(cx)
            {
                match outcome {
                    Ok((After::KeepAlive, reusable)) if uploading => early = Some(Early { reusable, limit: Box::pin(sleep(LONGEST_REST)) }),
                    outcome => return Poll::Ready(outcome),
                }
            }
            if let Some(early) = &mut early {
                let over = !uploading || early.limit.as_mut().poll(cx).is_ready();
                return if over { Poll::Ready(Ok((After::KeepAlive, early.reusable))) } else { Poll::Pending };
            }
            if progress.uploaded.get() && !progress.switched.get() && self.client.poll_gone(cx, self.outgoing.head).is_ready() {
                return Poll::Ready(Ok((After::Abort, false)));
            }
            match watchdog.poll(cx, || self.client.moved().wrapping_add(upstream_moved())) {
                Poll::Ready(()) => Poll::Ready(broken(progress, if uploading { Reject::CallerTimeout } else { Reject::Timeout })),
                Poll::Pending => Poll::Pending,
            }
        })
        .await
    }

    /// Reads the tool's answer and sends it to the caller.
    async fn download(&self, mut answers: Answers<'_>, progress: &Progress<'_>, record: &Record<'_>) -> Result<(After, bool), Failure> {
        let mut head: Lent<ResponseHead> = Lent::new();
        let request = self.outgoing.head;
        let mut interims = 0;
        let (framing, mut source) = loop {
            let source = answers.next(request.method(), &self.worker.settings.head, &mut head).await?;
            let framing = head.framing(request.method());
            let framing = framing.map_err(|error| Reject::BadAnswer("the tool's answer is framed in no valid way", error.to_string()))?;
            if head.status() == 101 {
                let Answers::Wire { wire, .. } = answers else {
                    return Err(Reject::BadAnswer("the tool switched protocols within HTTP/2", String::new()).into());
                };
                // Boxed, as what follows: rare, and large.
                return Box::pin(self.switch(wire, &head, progress, record)).await;
            }
            if !(100..200).contains(&head.status()) {
                break (framing, answers.body(framing, source));
            }
            interims += 1;
            if interims > MAX_INTERIMS {
                return Err(Reject::BadAnswer("the tool sent too many interim answers", String::new()).into());
            }
            if Box::pin(self.interim(&head, answers.via(), progress)).await?.is_err() {
                return Ok((After::Abort, false));
            }
        };
        if self.client.is_http2() && self.outgoing.upgrade.is_some() && (200..300).contains(&head.status()) {
            // On a stream this would say that the caller's protocol is spoken from now on (RFC 8441 §5).
            return Err(Reject::BadAnswer("the tool did not switch protocols", head.status().to_string()).into());
        }
        record.answered_by_tool(head.status());
        // A caller that was never asked for its body may or may not send it; what a caller sends ahead for another protocol is no request.
        let undecided = request.expects_continue() && !progress.continued.get() && !progress.uploaded.get();
        // A tool that refuses before it has the body, or leaves, won't take the rest, and the caller has to know that its next request wouldn't be read as one.
        let refused = !progress.uploaded.get() && (head.status() >= 300 || !head.keep_alive());
        let keep_alive = request.keep_alive() && !undecided && !refused && !inject::may_send_ahead(request) && !self.worker.drain.draining();
        let mut incoming = Incoming { request, head: &head, framing, mapping: self.mapping, keep_alive, via: answers.via(), switch: None };
        incoming.keep_alive &= !incoming.ends_with_connection();
        let mut out: Lent<Vec<u8>> = Lent::new();
        answer::write(&incoming, &mut out).map_err(Reject::Unwritable)?;
        progress.answered.set(true);
        let ends = matches!(framing, ResponseFraming::None | ResponseFraming::Length(0));
        let Ok(mut sink) = self.client.answer(&mut out, incoming.coding(), ends) else { return Ok((After::Abort, false)) };
        let onward = Onward { keeps: &answer::trailer_stays, bytes: &progress.moved.body_out, pipes: &self.worker.pipes };
        if incoming.ends_with_connection() {
            self.client.set_breakable(true);
        }
        let relayed = relay(&mut source, &mut sink, onward, &mut out).await;
        if incoming.ends_with_connection() && relayed.is_ok() {
            self.client.set_breakable(false);
        }
        let after = match relayed {
            Ok(()) if incoming.keep_alive => After::KeepAlive,
            Ok(()) => After::Close,
            Err(_) => After::Abort,
        };
        let reusable = after != After::Abort && head.keep_alive() && framing != ResponseFraming::UntilClose;
        Ok((after, reusable))
    }

    /// Passes a 1xx on, to those who know what that is (RFC 9110 §15.2).
    async fn interim(&self, head: &ResponseHead, via: &'static PreparedField, progress: &Progress<'_>) -> Result<Result<(), Gone>, Failure> {
        if head.status() == 100 {
            progress.continued.set(true);
        }
        if self.outgoing.head.version() == Version::Http10 {
            return Ok(Ok(()));
        }
        let (request, framing) = (self.outgoing.head, ResponseFraming::None);
        let incoming = Incoming { request, head, framing, mapping: self.mapping, keep_alive: true, via, switch: None };
        let mut out = Vec::new();
        answer::write(&incoming, &mut out).map_err(Reject::Unwritable)?;
        Ok(self.client.interim(&out).await)
    }

    /// The tool has switched protocols: passes its 101 on, and from then on bytes in both directions (RFC 9110 §7.8).
    ///
    /// Each direction ends by itself, so that a side that has nothing more to say may still listen.
    async fn switch(&self, wire: &Wire, head: &ResponseHead, progress: &Progress<'_>, record: &Record<'_>) -> Result<(After, bool), Failure> {
        let asked = self.outgoing.upgrade.ok_or_else(|| Reject::BadAnswer("the tool switched protocols without being asked", String::new()))?;
        let one = head.values("Upgrade").count() == 1;
        if !one || !head.upgrade().is_some_and(|chosen| chosen.eq_ignore_ascii_case(asked)) {
            return Err(Reject::BadAnswer("the tool switched to another protocol than it was asked to", String::new()).into());
        }
        if self.client.is_http2() && !websocket::proves(self.outgoing.head, head) {
            return Err(Reject::BadAnswer("the tool's WebSocket handshake is not right", String::new()).into());
        }
        record.answered_by_tool(head.status());
        let switch = Some(if self.client.is_http2() { Switch::Stream } else { Switch::Connection(asked) });
        let (request, framing) = (self.outgoing.head, ResponseFraming::UntilClose);
        let incoming = Incoming { request, head, framing, mapping: self.mapping, keep_alive: true, via: &VIA_HTTP1, switch };
        let mut out = Vec::with_capacity(512);
        answer::write(&incoming, &mut out).map_err(Reject::Unwritable)?;
        progress.answered.set(true);
        progress.switched.set(true);
        let up = async {
            let onward = Onward { keeps: &|_| false, bytes: &progress.moved.body_in, pipes: &self.worker.pipes };
            relay(&mut self.client.raw_source(), &mut Sink::Wire(wire, Coding::Plain), onward, &mut Vec::new()).await?;
            wire.shutdown().await.map_err(|_| RelayError::To)
        };
        let Ok(mut sink) = self.client.answer(&mut out, Coding::Plain, false) else { return Ok((After::Abort, false)) };
        let down = async {
            let onward = Onward { keeps: &|_| false, bytes: &progress.moved.body_out, pipes: &self.worker.pipes };
            relay(&mut Source::raw(wire), &mut sink, onward, &mut out).await?;
            self.client.close_sending().await.map_err(|_| RelayError::To)
        };
        Ok(match tokio::try_join!(up, down) {
            Ok(_) => (After::Close, false),
            Err(_) => (After::Abort, false),
        })
    }
}

/// An answer of ours if none has begun; else the transfer breaks off.
fn broken(progress: &Progress<'_>, reject: Reject) -> Result<(After, bool), Failure> {
    match progress.answered.get() {
        true => Ok((After::Abort, false)),
        false => Err(reject.into()),
    }
}
