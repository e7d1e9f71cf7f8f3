//! One connection: heads in, [`handle`] for each, until one side has enough.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use connectors_core::{
    Aim, Aimed, Caller, Credential, Entered, Granted, Origin, Permit, RequestPath, SecretValue, TrustRoots, Unauthenticated, authorize, authorize_connect,
};
use connectors_http1::{Framing, RequestHead};
use connectors_net::{Reach, Stream};

use crate::forward::{After, Exchange};
use crate::identify::{self, ProxyCredentials};
use crate::inject::Outgoing;
use crate::intercept::{self, Tunnel};
use crate::mapping::Mapping;
use crate::observe::{self, Mode, Record};
use crate::reject::Reject;
use crate::settings::NonTarget;
use crate::target::{self, Forward, Reverse, Target};
use crate::wire::Wire;
use crate::worker::Worker;

/// What a connection does after a request.
enum Next {
    /// As after any exchange.
    After(After),
    /// The 200 to a CONNECT was written: TLS comes next.
    Tunnel(Tunnel),
}

/// Serves a connection as it was accepted.
pub(crate) async fn connection(worker: Rc<Worker>, stream: Stream, peer: SocketAddr) {
    let wire = Wire::new(stream);
    if let Some(tunnel) = requests(&worker, &wire, peer, None).await {
        let (stream, read_ahead) = wire.into_parts();
        intercept::run(worker, stream, read_ahead, peer, tunnel).await;
    }
}

/// Serves what is inside an intercepted CONNECT. Boxed, since a connection's future would otherwise contain itself.
pub(crate) fn inside<'a>(worker: &'a Rc<Worker>, wire: &'a Wire, peer: SocketAddr, tunnel: &'a Tunnel) -> Pin<Box<dyn Future<Output = ()> + 'a>> {
    Box::pin(async move {
        // Nothing inside can open a tunnel.
        requests(worker, wire, peer, Some(tunnel)).await;
    })
}

async fn requests(worker: &Rc<Worker>, wire: &Wire, peer: SocketAddr, tunnel: Option<&Tunnel>) -> Option<Tunnel> {
    let mut head = RequestHead::new();
    loop {
        if !next_request(worker, wire).await {
            return None;
        }
        // From its first byte on, a request is one that stopping waits for.
        let _busy = worker.drain.busy();
        match read_head(worker, wire, &mut head).await {
            Ok(true) => {}
            Ok(false) => return None,
            Err(reject) => {
                refuse_and_close(worker, wire, peer, &head, reject).await;
                return None;
            }
        }
        let mut record = Record::start(peer, &head, observe::trace_of(&head).unwrap_or_else(|| worker.traces.make()));
        worker.observer.begin();
        let next = match handle(worker, wire, &head, peer, tunnel, &mut record).await {
            Ok(next) => next,
            Err(reject) => {
                // What is left of a body, or what was meant for the inside of a tunnel, would be read as the next request.
                let stays =
                    head.keep_alive() && head.framing() == Framing::None && head.method() != "CONNECT" && !reject.ends_connection() && !worker.drain.draining();
                Next::After(refuse(worker, wire, &head, reject, stays, &mut record).await)
            }
        };
        if let Next::After(After::Abort) = next {
            record.broke_off();
        }
        worker.observer.finish(&record);
        match next {
            Next::Tunnel(tunnel) => return Some(tunnel),
            Next::After(After::KeepAlive) => {}
            Next::After(After::Close) => {
                linger(wire).await;
                return None;
            }
            Next::After(After::Abort) => return None,
        }
    }
}

/// One request, from its head to the end of its answer.
async fn handle(worker: &Rc<Worker>, wire: &Wire, head: &RequestHead, peer: SocketAddr, tunnel: Option<&Tunnel>, record: &mut Record) -> Result<Next, Reject> {
    // Tools differ in whether they look at a method's case, and in what they call it.
    if ["TRACE", "TRACK"].iter().any(|method| head.method().eq_ignore_ascii_case(method)) {
        return Err(Reject::Trace);
    }
    let call = Call { worker, wire, head, peer, tls: tunnel.is_some() };
    let exchange = match tunnel {
        Some(tunnel) => {
            let forward = target::parse_inside(head, &tunnel.authority).map_err(Reject::Target)?;
            call.forward(&forward, &tunnel.credentials, Mode::Intercept, record).await
        }
        None => match target::parse(head, &worker.settings).map_err(Reject::Target)? {
            Target::Reverse(reverse) => call.reverse(&reverse, record).await,
            Target::Forward(forward) => {
                let credentials = identify::proxy_credentials(head).map_err(Reject::ProxyUnauthorized)?;
                call.forward(&forward, &credentials, Mode::Forward, record).await
            }
            Target::Connect(origin) => return call.connect(origin, record).await,
        },
    };
    exchange.map(Next::After)
}

/// A request with what it came on.
struct Call<'a> {
    worker: &'a Rc<Worker>,
    wire: &'a Wire,
    head: &'a RequestHead,
    peer: SocketAddr,
    tls: bool,
}

impl Call<'_> {
    async fn reverse(&self, reverse: &Reverse<'_>, record: &mut Record) -> Result<After, Reject> {
        record.aim(Mode::Reverse, "", reverse.path.path());
        record.named(&reverse.connector);
        let token = identify::reverse_token(self.head).map_err(Reject::Unauthorized)?;
        record.without(&token);
        let caller = self.caller(&token, false, record).await?;
        let snapshot = self.worker.snapshot.load_full();
        let granted = authorize(&snapshot, &caller, Aim::Connector(&reverse.connector), &*self.worker.authorizer).await?;
        record.authorized();
        let Granted::Target(permit) = granted else { return Err(Reject::NotATarget) };
        let address = permit.target();
        record.used(permit.connector());
        record.aim(Mode::Reverse, address.origin().authority(), reverse.path.path());
        record.without(&token);
        let _entered = self.enter(&permit)?;
        let credential = credential(&permit)?;
        let outgoing = Outgoing {
            prefix: Some(address.prefix()),
            client_host: Some(reverse.base.authority),
            ..self.outgoing(address.origin(), reverse.path, &token, credential, true)
        };
        let mapping = Some(Mapping { address, base: reverse.base, scheme: self.scheme(), path: reverse.path.path() });
        self.exchange(outgoing, mapping, &permit.connector().trust, Reach::Target).run(record).await
    }

    async fn forward(&self, forward: &Forward<'_>, credentials: &ProxyCredentials, mode: Mode, record: &mut Record) -> Result<After, Reject> {
        record.aim(mode, forward.origin.authority(), forward.path.path());
        record.without(&credentials.token);
        let caller = self.caller(&credentials.token, true, record).await?;
        let snapshot = self.worker.snapshot.load_full();
        let aim = Aim::Url { named: &credentials.named, origin: &forward.origin, path: &forward.path };
        let granted = authorize(&snapshot, &caller, aim, &*self.worker.authorizer).await?;
        record.authorized();
        match granted {
            Granted::Target(permit) => {
                record.used(permit.connector());
                let _entered = self.enter(&permit)?;
                let outgoing = self.outgoing(&forward.origin, forward.path, &credentials.token, credential(&permit)?, true);
                self.exchange(outgoing, None, &permit.connector().trust, Reach::Target).run(record).await
            }
            Granted::Elsewhere(_) => {
                if self.worker.settings.non_target == NonTarget::Deny {
                    return Err(Reject::NotATarget);
                }
                let outgoing = self.outgoing(&forward.origin, forward.path, &credentials.token, None, false);
                self.exchange(outgoing, None, snapshot.trust(), Reach::Elsewhere).run(record).await
            }
        }
    }

    async fn connect(&self, origin: Origin, record: &mut Record) -> Result<Next, Reject> {
        record.aim(Mode::Connect, origin.authority(), "");
        let worker = self.worker;
        if !worker.settings.intercept {
            return Err(Reject::ConnectDisabled);
        }
        let credentials = identify::proxy_credentials(self.head).map_err(Reject::ProxyUnauthorized)?;
        let caller = self.caller(&credentials.token, true, record).await?;
        let snapshot = worker.snapshot.load_full();
        let aimed = authorize_connect(&snapshot, &caller, &credentials.named, &origin, &*worker.authorizer).await?;
        record.authorized();
        if aimed == Aimed::Elsewhere && worker.settings.non_target == NonTarget::Deny {
            return Err(Reject::NotATarget);
        }
        let tunnel = intercept::prepare(worker, origin, credentials)?;
        record.answered_by_proxy(200);
        Ok(match send(worker, self.wire, b"HTTP/1.1 200 Connection Established\r\n\r\n").await {
            true => Next::Tunnel(tunnel),
            false => Next::After(After::Abort),
        })
    }

    /// Whose token it is; `proxy` says which challenge a refusal gets.
    async fn caller(&self, token: &SecretValue, proxy: bool, record: &mut Record) -> Result<Arc<Caller>, Reject> {
        match self.worker.identities.caller(token, &self.worker.settings).await {
            Ok(caller) => {
                record.called_by(&caller);
                Ok(caller)
            }
            Err(Unauthenticated::Refused(why)) => Err(Reject::TokenRefused { proxy, why }),
            Err(Unauthenticated::Unavailable(why)) => Err(Reject::AuthenticationUnavailable(why)),
        }
    }

    /// Takes one of the Connector's places.
    fn enter<'p>(&self, permit: &'p Permit) -> Result<Entered<'p>, Reject> {
        let connector = permit.connector();
        connector.in_flight.enter(self.worker.settings.max_requests_per_connector).ok_or_else(|| Reject::Busy(connector.name.clone()))
    }

    fn outgoing<'o>(
        &'o self,
        origin: &'o Origin,
        path: RequestPath<'o>,
        token: &'o SecretValue,
        credential: Option<&'o Credential>,
        at_target: bool,
    ) -> Outgoing<'o> {
        let client = self.peer.ip().to_canonical();
        Outgoing { head: self.head, origin, prefix: None, path, at_target, credential, token, client, client_host: None, client_scheme: self.scheme() }
    }

    fn exchange<'o>(&'o self, outgoing: Outgoing<'o>, mapping: Option<Mapping<'o>>, trust: &'o TrustRoots, reach: Reach) -> Exchange<'o> {
        Exchange { worker: self.worker, client: self.wire, outgoing, mapping, trust, reach }
    }

    fn scheme(&self) -> &'static str {
        if self.tls { "https" } else { "http" }
    }
}

fn credential(permit: &Permit) -> Result<Option<&Credential>, Reject> {
    connectors_credentials::credential(permit).map_err(|unready| Reject::NotReady(permit.connector().name.clone(), unready.clone()))
}

/// Waits for the first bytes of a request. `false`: the caller is done, or the proxy is.
async fn next_request(worker: &Worker, wire: &Wire) -> bool {
    if !wire.with_input(<[u8]>::is_empty) {
        return true;
    }
    wire.release_buffer();
    tokio::select! {
        biased;
        () = worker.drain.started() => false,
        filled = tokio::time::timeout(worker.settings.idle_timeout, wire.fill()) => matches!(filled, Ok(Ok(count)) if count > 0),
    }
}

/// Reads a whole head. `false`: the caller went away, or took too long.
async fn read_head(worker: &Worker, wire: &Wire, head: &mut RequestHead) -> Result<bool, Reject> {
    head.clear();
    let rest = async {
        loop {
            match wire.with_input(|input| head.parse(input, &worker.settings.head)) {
                Ok(Some(consumed)) => {
                    wire.consume(consumed);
                    return Ok(true);
                }
                Ok(None) => match wire.fill().await {
                    Ok(count) if count > 0 => {}
                    _ => return Ok(false),
                },
                Err(error) => return Err(Reject::Head(error)),
            }
        }
    };
    tokio::time::timeout(worker.settings.head_timeout, rest).await.unwrap_or(Ok(false))
}

/// Answers in the tool's place.
async fn refuse(worker: &Worker, wire: &Wire, head: &RequestHead, reject: Reject, stays: bool, record: &mut Record) -> After {
    let refusal = reject.refusal();
    record.refused(&refusal);
    let mut out = Vec::with_capacity(1024);
    refusal.write(&mut out, head.method(), stays);
    match send(worker, wire, &out).await {
        false => After::Abort,
        true if stays => After::KeepAlive,
        true => After::Close,
    }
}

/// Sends an answer of our own. `false`: the caller is gone, or doesn't read.
async fn send(worker: &Worker, wire: &Wire, bytes: &[u8]) -> bool {
    let sent = async { wire.write_all(bytes).await.is_ok() && wire.flush().await.is_ok() };
    tokio::time::timeout(worker.settings.idle_timeout, sent).await.unwrap_or(false)
}

/// Answers what is no request, and ends the connection.
pub(crate) async fn refuse_and_close(worker: &Worker, wire: &Wire, peer: SocketAddr, head: &RequestHead, reject: Reject) {
    let mut record = Record::start(peer, head, worker.traces.make());
    worker.observer.begin();
    let after = refuse(worker, wire, head, reject, false, &mut record).await;
    worker.observer.finish(&record);
    if after == After::Close {
        linger(wire).await;
    }
}

/// Ends a connection so that the answer arrives: what the caller is still sending is read for a while, because closing with unread input would
/// reset the connection and could take the answer with it (RFC 9112 §9.6).
async fn linger(wire: &Wire) {
    const LONGEST: Duration = Duration::from_secs(2);
    const MOST_BYTES: usize = 256 * 1024;
    let rest = async {
        if wire.shutdown().await.is_err() {
            return;
        }
        let mut read = 0;
        while read < MOST_BYTES {
            wire.consume(wire.with_input(<[u8]>::len));
            match wire.fill().await {
                Ok(count) if count > 0 => read += count,
                _ => return,
            }
        }
    };
    // Whether the caller closed or the time was up makes no difference.
    let _ = tokio::time::timeout(LONGEST, rest).await;
}
