//! One request, whatever it came by: [`handle`] reads like the list of what happens to it.

use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;

use connectors_core::{
    Aim, Aimed, Caller, ConnectorRef, Entered, Extract, Generate, Granted, Origin, Permit, RequestPath, SecretRef, Snapshot, TrustRoots, Unauthenticated,
    authorize, authorize_connect,
};
use connectors_credentials::Ready;
use connectors_http1::{Framing, RequestHead};
use connectors_net::Reach;

use crate::client::{Client, Peer};
use crate::forward::{After, Exchange};
use crate::identify::{self, ProxyCredentials};
use crate::inject::{self, Outgoing};
use crate::intercept::{self, Tunnel};
use crate::mapping::Mapping;
use crate::observe::{self, Mode, Record};
use crate::reject::Reject;
use crate::rewrite::{self, Stopped};
use crate::settings::NonTarget;
use crate::target::{self, Forward, Reverse, Target};
use crate::worker::Worker;

/// What a connection does after a request.
pub(crate) enum Next {
    /// As after any exchange.
    After(After),
    /// The 200 to a CONNECT was written: TLS comes next.
    Tunnel(Tunnel),
}

/// Serves one request whose head was read, and keeps its record.
pub(crate) async fn request(worker: &Rc<Worker>, client: Client<'_>, head: &RequestHead, peer: &Peer, tunnel: Option<&Tunnel>) -> Next {
    let mut record = worker.recorder.begin(peer, head, observe::trace_of(head).unwrap_or_else(|| worker.traces.make()));
    let handled = {
        let work = pin!(handle(worker, client, head, peer, tunnel, &mut record));
        client.unless_reset(head, work).await
    };
    let next = match handled {
        None => Next::After(After::Abort),
        Some(Ok(next)) => next,
        Some(Err(reject)) => {
            // What is left of a body, or what was meant for the inside of a tunnel or for another protocol, would be read as the next request.
            let ahead = head.framing() != Framing::None || head.method() == "CONNECT" || inject::may_send_ahead(head);
            let stays = head.keep_alive() && !ahead && !reject.ends_connection() && !worker.drain.draining();
            Next::After(refuse(worker, client, head, reject, stays, &mut record).await)
        }
    };
    if let Next::After(After::Abort) = next {
        record.broke_off();
    }
    record.finish();
    next
}

/// Answers what is no request, and keeps a record of it.
pub(crate) async fn unreadable(worker: &Worker, client: Client<'_>, head: &RequestHead, peer: &Peer, reject: Reject) -> Next {
    let mut record = worker.recorder.begin(peer, head, worker.traces.make());
    let after = refuse(worker, client, head, reject, false, &mut record).await;
    record.finish();
    Next::After(after)
}

/// One request, from its head to the end of its answer.
async fn handle<'h>(
    worker: &Rc<Worker>,
    client: Client<'_>,
    head: &'h RequestHead,
    peer: &Peer,
    tunnel: Option<&Tunnel>,
    record: &mut Record<'h>,
) -> Result<Next, Reject> {
    // Tools differ in whether they look at a method's case, and in what they call it.
    if ["TRACE", "TRACK"].iter().any(|method| head.method().eq_ignore_ascii_case(method)) {
        return Err(Reject::Trace);
    }
    let call = Call { worker, client, head, peer, tls: tunnel.is_some() };
    if let Some(tunnel) = tunnel {
        let forward = target::parse_inside(head, &tunnel.authority).map_err(Reject::Target)?;
        return call.forward(&forward, &tunnel.credentials, Mode::Intercept, record).await.map(Next::After);
    }
    // By itself, so that what it may also be isn't kept as long as the request lasts.
    let target = target::parse(head, &worker.settings, &worker.hosts).map_err(Reject::Target)?;
    match target {
        Target::Reverse(reverse) => call.reverse(&reverse, record).await.map(Next::After),
        Target::Forward(forward) => {
            let credentials = identify::proxy_credentials(head).map_err(Reject::ProxyUnauthorized)?;
            call.forward(&forward, &credentials, Mode::Forward, record).await.map(Next::After)
        }
        Target::Connect(origin) => call.connect(origin, record).await,
    }
}

/// A request with what it came on.
struct Call<'a, 'h> {
    worker: &'a Rc<Worker>,
    client: Client<'a>,
    head: &'h RequestHead,
    peer: &'a Peer,
    tls: bool,
}

impl<'h> Call<'_, 'h> {
    async fn reverse(&self, reverse: &Reverse<'h>, record: &mut Record<'h>) -> Result<After, Reject> {
        record.aim(Mode::Reverse, None, reverse.path.path());
        record.named(&reverse.connector);
        if let Some(extractor) = self.extractor(&reverse.connector) {
            // Boxed, as whatever else rules of classes make of a request: those without one don't pay for it.
            return Box::pin(self.reverse_by_rule(reverse, &*extractor, record)).await;
        }
        let token = identify::reverse_token(self.head).map_err(Reject::Unauthorized)?;
        let token = token.lend();
        let permit = self.permit(reverse, token, record).await?;
        let _entered = self.enter(&permit)?;
        let mut exchange = self.toward(reverse, &permit, token);
        match credential(&permit)? {
            Ready::Prepared(credential) => {
                exchange.outgoing.credential = credential;
                exchange.run(record).await
            }
            Ready::PerRequest(rule) => Box::pin(self.by_rule(rule, exchange, record)).await,
        }
    }

    /// The same for a class that says where else a token may be.
    ///
    /// What its rule finds counts only if it leads to a permit. If not, the answer is that which the request would get if the class had no rule or the Connector
    /// weren't there, so that it tells nothing about either to those who may not use it.
    async fn reverse_by_rule(&self, reverse: &Reverse<'h>, extractor: &dyn Extract, record: &mut Record<'h>) -> Result<After, Reject> {
        let refused = match identify::extract(extractor, self.head, reverse) {
            Ok(None) => None,
            Ok(Some(token)) => {
                let token = token.lend();
                match self.permit(reverse, token, record).await {
                    Ok(permit) if inject::can_be_taken_off(self.head, &reverse.path, token) => {
                        return self.reverse_permitted(reverse, &permit, token, record).await;
                    }
                    Ok(_) => Some((Reject::ExtractionFailed, "it stands nowhere in the request as it is, or in its path, so it can't be taken off".to_owned())),
                    Err(reject) => {
                        let why = reject.why_not();
                        Some((reject, why))
                    }
                }
                .map(|(reject, why)| (reject, format!("the token that the class's rule found was not used: {why}")))
            }
            Err(error) => Some((Reject::ExtractionFailed, error.to_string())),
        };
        let refused = refused.map(|(reject, why)| {
            record.note(why);
            reject
        });
        let token = identify::reverse_token(self.head).map_err(Reject::Unauthorized)?;
        let token = token.lend();
        let permit = self.permit(reverse, token, record).await?;
        match refused {
            None => self.reverse_permitted(reverse, &permit, token, record).await,
            Some(refused) => Err(refused),
        }
    }

    async fn reverse_permitted(&self, reverse: &Reverse<'h>, permit: &Permit, token: SecretRef<'_>, record: &mut Record<'h>) -> Result<After, Reject> {
        let _entered = self.enter(permit)?;
        let mut exchange = self.toward(reverse, permit, token);
        match credential(permit)? {
            Ready::Prepared(credential) => {
                exchange.outgoing.credential = credential;
                exchange.run(record).await
            }
            Ready::PerRequest(rule) => self.by_rule(rule, exchange, record).await,
        }
    }

    /// What finds the tokens in requests to that Connector, if its class has such a rule.
    fn extractor(&self, connector: &ConnectorRef) -> Option<Arc<dyn Extract>> {
        self.worker.snapshot.load().extractor(connector).cloned()
    }

    /// Whether the caller with that token may use the Connector.
    async fn permit(&self, reverse: &Reverse<'h>, token: SecretRef<'_>, record: &mut Record<'h>) -> Result<Permit, Reject> {
        record.without(token);
        let caller = self.caller(token, false, record).await?;
        let granted = authorize(&self.worker.snapshot.load(), &caller, Aim::Connector(&reverse.connector), &*self.worker.authorizer).await?;
        record.authorized();
        let Granted::Target(permit) = granted else { return Err(Reject::NotATarget) };
        record.used(permit.connector());
        Ok(permit)
    }

    /// The exchange of a reverse request, as yet without a credential.
    fn toward<'o>(&'o self, reverse: &'o Reverse<'h>, permit: &'o Permit, token: SecretRef<'o>) -> Exchange<'o> {
        let address = permit.target();
        let outgoing = Outgoing {
            prefix: Some(address.prefix()),
            client_host: Some(reverse.base.authority),
            ..self.outgoing(address.origin(), reverse.path, token, true)
        };
        let mapping = Some(Mapping { address, base: reverse.base, scheme: self.scheme(), path: reverse.path.path() });
        self.exchange(outgoing, mapping, &permit.connector().trust, Reach::Target)
    }

    /// An exchange whose credential is made for this request alone.
    async fn by_rule(&self, rule: &dyn Generate, mut exchange: Exchange<'_>, record: &Record<'_>) -> Result<After, Reject> {
        let made = match rewrite::made(rule, &exchange.outgoing, self.client, &self.worker.settings).await {
            Ok(made) => made,
            Err(Stopped::Gone) => return Ok(After::Abort),
            Err(Stopped::Refused(reject)) => return Err(reject),
        };
        exchange.outgoing.credential = Some(&made.credential);
        exchange.outgoing.body = made.body.as_ref();
        exchange.run(record).await
    }

    async fn forward(&self, forward: &Forward<'h>, credentials: &ProxyCredentials, mode: Mode, record: &mut Record<'h>) -> Result<After, Reject> {
        record.aim(mode, Some(&forward.origin), forward.path.path());
        let token = credentials.token.lend();
        record.without(token);
        let caller = self.caller(token, true, record).await?;
        let snapshot = self.worker.snapshot.load();
        let aim = Aim::Url { named: &credentials.named, origin: &forward.origin, path: &forward.path };
        let granted = authorize(&snapshot, &caller, aim, &*self.worker.authorizer).await?;
        if let Granted::Elsewhere(_) = granted {
            record.note(why_bare(&snapshot, &credentials.named));
        }
        // Others may change it meanwhile; an exchange can take hours, and keeps only what it needs.
        let trust = snapshot.trust().clone();
        drop(snapshot);
        record.authorized();
        match granted {
            Granted::Target(permit) => {
                record.used(permit.connector());
                let _entered = self.enter(&permit)?;
                let outgoing = self.outgoing(&forward.origin, forward.path, token, true);
                let mut exchange = self.exchange(outgoing, None, &permit.connector().trust, Reach::Target);
                match credential(&permit)? {
                    Ready::Prepared(credential) => {
                        exchange.outgoing.credential = credential;
                        exchange.run(record).await
                    }
                    Ready::PerRequest(rule) => Box::pin(self.by_rule(rule, exchange, record)).await,
                }
            }
            Granted::Elsewhere(_) => {
                if self.worker.settings.non_target == NonTarget::Deny {
                    return Err(Reject::NotATarget);
                }
                let outgoing = self.outgoing(&forward.origin, forward.path, token, false);
                self.exchange(outgoing, None, &trust, Reach::Elsewhere).run(record).await
            }
        }
    }

    async fn connect(&self, origin: Origin, record: &mut Record<'_>) -> Result<Next, Reject> {
        record.aim(Mode::Connect, Some(&origin), "");
        let worker = self.worker;
        if self.client.is_http2() {
            return Err(Reject::ConnectOverHttp2);
        }
        if !worker.settings.intercept {
            return Err(Reject::ConnectDisabled);
        }
        let credentials = identify::proxy_credentials(self.head).map_err(Reject::ProxyUnauthorized)?;
        let caller = self.caller(credentials.token.lend(), true, record).await?;
        let aimed = authorize_connect(&worker.snapshot.load(), &caller, &credentials.named, &origin, &*worker.authorizer).await?;
        record.authorized();
        if aimed == Aimed::Elsewhere && worker.settings.non_target == NonTarget::Deny {
            return Err(Reject::NotATarget);
        }
        let tunnel = intercept::prepare(worker, origin, credentials)?;
        record.answered_by_proxy(200);
        Ok(match send(worker, self.client, b"HTTP/1.1 200 Connection Established\r\n\r\n", 0).await {
            true => Next::Tunnel(tunnel),
            false => Next::After(After::Abort),
        })
    }

    /// Whose token it is; `proxy` says which challenge a refusal gets.
    async fn caller(&self, token: SecretRef<'_>, proxy: bool, record: &mut Record<'_>) -> Result<Arc<Caller>, Reject> {
        match self.worker.identities.caller(token, &self.worker.settings, record.started()).await {
            Ok(logged) => {
                record.called_by(&logged);
                Ok(logged.caller.clone())
            }
            Err(Unauthenticated::Refused(why)) => Err(Reject::TokenRefused { proxy, why }),
            Err(Unauthenticated::Expired) => Err(Reject::TokenExpired { proxy }),
            Err(Unauthenticated::Unavailable(why)) => Err(Reject::AuthenticationUnavailable(why)),
        }
    }

    /// Takes one of the Connector's places.
    fn enter<'p>(&self, permit: &'p Permit) -> Result<Entered<'p>, Reject> {
        let connector = permit.connector();
        connector.in_flight.enter(self.worker.settings.max_requests_per_connector).ok_or_else(|| Reject::Busy(connector.name.clone()))
    }

    fn outgoing<'o>(&'o self, origin: &'o Origin, path: RequestPath<'o>, token: SecretRef<'o>, at_target: bool) -> Outgoing<'o> {
        Outgoing {
            head: self.head,
            origin,
            prefix: None,
            path,
            at_target,
            credential: None,
            body: None,
            token,
            client: &self.peer.forwarded_for,
            client_host: None,
            client_tls: self.tls,
            upgrade: inject::upgrade(self.head),
            client_http2: self.client.is_http2(),
        }
    }

    fn exchange<'o>(&'o self, outgoing: Outgoing<'o>, mapping: Option<Mapping<'o>>, trust: &'o TrustRoots, reach: Reach) -> Exchange<'o> {
        Exchange { worker: self.worker, client: self.client, outgoing, mapping, trust, reach }
    }

    fn scheme(&self) -> &'static str {
        if self.tls { "https" } else { "http" }
    }
}

fn credential(permit: &Permit) -> Result<Ready<'_>, Reject> {
    connectors_credentials::credential(permit).map_err(|unready| Reject::NotReady(permit.connector().name.clone(), unready.clone()))
}

/// Why a request passes without a credential. Only for the operator: a caller may have rights on no more than one of the names.
fn why_bare(snapshot: &Snapshot, named: &[ConnectorRef]) -> String {
    let list = |names: Vec<&ConnectorRef>| names.into_iter().map(ConnectorRef::as_str).collect::<Vec<_>>().join(", ");
    let (known, unknown): (Vec<_>, Vec<_>) = named.iter().partition(|name| snapshot.connector(name).is_some());
    let uncovered = (!known.is_empty()).then(|| format!("the URL is under no address of {}", list(known)));
    let missing = (!unknown.is_empty()).then(|| format!("there is no Connector {}", list(unknown)));
    format!("no credential was added: {}", [uncovered, missing].into_iter().flatten().collect::<Vec<_>>().join(", and "))
}

/// Answers in the tool's place.
async fn refuse(worker: &Worker, client: Client<'_>, head: &RequestHead, reject: Reject, stays: bool, record: &mut Record<'_>) -> After {
    let refusal = reject.refusal();
    record.refused(&refusal);
    let mut out = Vec::with_capacity(1024);
    let body_at = refusal.write(&mut out, head.method(), stays);
    match send(worker, client, &out, body_at).await {
        false => After::Abort,
        true if stays => After::KeepAlive,
        true => After::Close,
    }
}

/// Sends an answer of our own. `false`: the caller is gone, or doesn't read.
async fn send(worker: &Worker, client: Client<'_>, text: &[u8], body_at: usize) -> bool {
    tokio::time::timeout(worker.settings.idle_timeout, client.send(text, body_at)).await.is_ok_and(|sent| sent.is_ok())
}
