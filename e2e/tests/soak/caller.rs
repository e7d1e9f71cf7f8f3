//! The callers of the soak, each with one connection at a time.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use connectors_e2e::streams;
use h2::client::SendRequest;
use h2::{Reason, RecvStream, SendStream};
use http::Request;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::{sleep, timeout};

use crate::account::Account;
use crate::plan::{Fault, Plan, Random, Seen, body};
use crate::wire::Reader;
use crate::{LONG, SHORT, wrong};

/// An exchange that takes longer is stuck: every wait within it is bounded by the proxy's timeouts.
const STUCK: Duration = Duration::from_secs(60);

/// What a slow reader waits between two reads.
const SLOWLY: Duration = Duration::from_millis(10);

/// Where to call, and as whom.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    pub(crate) token: String,
}

impl Proxy {
    #[expect(clippy::disallowed_methods, reason = "this is a caller of the proxy, not the proxy")]
    async fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }

    fn path(plan: &Plan) -> String {
        format!("/namespaces/team/connectors/{}{}", if plan.secure { "secure" } else { "plain" }, plan.path())
    }
}

/// One connection of HTTP/1.1 with some exchanges, one after the other.
pub(crate) async fn http1(proxy: &Proxy, random: &mut Random, account: &Account) {
    let (from, to) = proxy.connect().await.into_split();
    let mut connection = Http1 { proxy, reader: Reader::new(from), to };
    for _ in 0..=random.below(20) {
        let plan = Plan::random(random, account.next_id(), false);
        let Ok((seen, stays)) = timeout(STUCK, connection.exchange(&plan, random)).await else {
            return wrong(format!("stuck: {plan:?}"));
        };
        account.add(plan, seen);
        if !stays {
            return;
        }
    }
}

struct Http1<'a> {
    proxy: &'a Proxy,
    reader: Reader<OwnedReadHalf>,
    to: OwnedWriteHalf,
}

impl Http1<'_> {
    /// What the caller saw, if it stayed to see it; and whether the connection is good for another.
    async fn exchange(&mut self, plan: &Plan, random: &mut Random) -> (Option<Seen>, bool) {
        let head = self.head(plan);
        if plan.fault == Fault::ResetInHead {
            let _ = self.to.write_all(&head.as_bytes()[..head.len() / 2]).await;
            return self.reset();
        }
        self.reader.slowly = (plan.fault == Fault::SlowReading).then_some(SLOWLY);
        let mut uploaded = false;
        let answer = {
            let mut upload = pin!(upload(&mut self.to, plan, head));
            let mut download = pin!(download(&mut self.reader, plan));
            loop {
                tokio::select! {
                    sent = &mut upload, if !uploaded => {
                        uploaded = true;
                        match plan.fault {
                            Fault::ResetInBody => break None,
                            Fault::ResetWaiting => {
                                sleep(Duration::from_millis(random.next() % 50)).await;
                                break None;
                            }
                            // The answer says what became of it.
                            _ => drop(sent),
                        }
                    }
                    answer = &mut download => break Some(answer),
                }
            }
        };
        match answer {
            // A slow reader's connection has been idle, as the proxy sees it, for too long.
            Some((seen, stays)) if plan.fault != Fault::ResetReading => {
                (Some(seen), stays && uploaded && !matches!(plan.fault, Fault::HalfClose | Fault::SlowReading))
            }
            _ => self.reset(),
        }
    }

    fn head(&self, plan: &Plan) -> String {
        let framing = match (plan.body, plan.chunked) {
            (0, _) => String::new(),
            (_, true) => "Transfer-Encoding: chunked\r\n".to_owned(),
            (length, false) => format!("Content-Length: {length}\r\n"),
        };
        let last = if plan.fault == Fault::HalfClose { "Connection: close\r\n" } else { "" };
        let nonsense = if plan.fault == Fault::Garbage { "This is no field.\r\n" } else { "" };
        format!("{} {} HTTP/1.1\r\nHost: p\r\n{nonsense}Authorization: Bearer {}\r\n{framing}{last}\r\n", plan.method, Proxy::path(plan), self.proxy.token)
    }

    fn reset(&self) -> (Option<Seen>, bool) {
        let _ = self.to.as_ref().set_zero_linger();
        (None, false)
    }
}

async fn upload(to: &mut OwnedWriteHalf, plan: &Plan, head: String) -> io::Result<()> {
    to.write_all(head.as_bytes()).await?;
    let data = body(plan.id, plan.body);
    let (first, second) = data.split_at(plan.body / 2);
    for (piece, is_first) in [(first, true), (second, false)] {
        if !is_first {
            match plan.fault {
                Fault::ResetInBody => return Ok(()),
                Fault::ShortStall => sleep(SHORT).await,
                Fault::LongStall => sleep(LONG).await,
                _ => {}
            }
        }
        if plan.body == 0 {
        } else if plan.chunked {
            to.write_all(&[format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat()).await?;
        } else {
            to.write_all(piece).await?;
        }
    }
    if plan.body > 0 && plan.chunked {
        to.write_all(b"0\r\n\r\n").await?;
    }
    if plan.fault == Fault::HalfClose { to.shutdown().await } else { Ok(()) }
}

/// Reads the answer. Also tells whether the connection stays.
async fn download(reader: &mut Reader<OwnedReadHalf>, plan: &Plan) -> (Seen, bool) {
    let head = loop {
        match reader.head().await {
            Ok(Some(head)) if head.second_word().starts_with('1') => {}
            Ok(Some(head)) => break head,
            Ok(None) | Err(_) => return (Seen::Nothing, false),
        }
    };
    let status = head.second_word().parse().unwrap_or(0);
    // Cuts off within the answer, unless that is too short.
    if plan.fault == Fault::ResetReading {
        return (Seen::Broken(status), false);
    }
    match reader.body(&head, true).await {
        Ok(received) => {
            check(plan, status, &received);
            (Seen::Whole(status), !head.field("connection").is_some_and(|value| value.eq_ignore_ascii_case("close")))
        }
        Err(_) => (Seen::Broken(status), false),
    }
}

/// What came as a whole answer must be one.
fn check(plan: &Plan, status: u16, received: &[u8]) {
    if status == 200 && received != body(plan.id, plan.answer) {
        wrong(format!("{} bytes, not {}, or others, came as the whole answer to {plan:?}", received.len(), plan.answer));
    }
}

/// One connection of HTTP/2 with some rounds of several exchanges at once.
pub(crate) async fn http2(proxy: &Proxy, random: &mut Random, account: &Account) {
    let Ok((send, connection)) = h2::client::handshake(proxy.connect().await).await else {
        return wrong("no handshake".to_owned());
    };
    let connection = tokio::spawn(connection);
    for _ in 0..=random.below(8) {
        let cuts = random.one_in(20);
        let exchanges: Vec<_> = (0..=random.below(4))
            .map(|_| {
                let plan = Plan::random(random, account.next_id(), true);
                let exchange = exchange(send.clone(), format!("http://p{}", Proxy::path(&plan)), proxy.token.clone(), plan, random.next() % 50);
                (plan, tokio::spawn(async move { timeout(STUCK, exchange).await }))
            })
            .collect();
        if cuts {
            sleep(Duration::from_millis(random.next() % 50)).await;
            connection.abort();
        }
        for (plan, exchange) in exchanges {
            match exchange.await.unwrap() {
                Ok(seen) => account.add(plan, seen.filter(|_| !cuts)),
                Err(_) => wrong(format!("stuck: {plan:?}")),
            }
        }
        if cuts {
            return;
        }
    }
    drop(send);
    if !matches!(timeout(STUCK, connection).await, Ok(Ok(Ok(())))) {
        wrong("a connection of HTTP/2 does not end well".to_owned());
    }
}

/// What the caller saw, if it stayed to see it.
async fn exchange(send: SendRequest<Bytes>, url: String, token: String, plan: Plan, patience: u64) -> Option<Seen> {
    let request = Request::builder().method(plan.method).uri(url).header("authorization", format!("Bearer {token}")).body(()).unwrap();
    let Ok(mut send) = send.ready().await else { return Some(Seen::Nothing) };
    let Ok((response, mut sending)) = send.send_request(request, plan.body == 0) else { return Some(Seen::Nothing) };
    drop(send);
    let mut uploaded = plan.body == 0 && plan.fault != Fault::ResetWaiting;
    let answer = {
        let mut upload = pin!(upload_stream(&mut sending, &plan));
        let mut download = pin!(async {
            let response = match response.await {
                Ok(response) => response,
                Err(error) if error.is_reset() => return Seen::Reset,
                Err(_) => return Seen::Nothing,
            };
            let (status, mut receiving) = (response.status().as_u16(), response.into_body());
            if plan.fault == Fault::ResetReading {
                return Seen::Broken(status);
            }
            let received = match plan.fault {
                Fault::SlowReading => receive_slowly(&mut receiving).await,
                _ => streams::receive(&mut receiving).await,
            };
            match received {
                Ok(received) => {
                    check(&plan, status, &received);
                    Seen::Whole(status)
                }
                Err(_) => Seen::Broken(status),
            }
        });
        loop {
            tokio::select! {
                _ = &mut upload, if !uploaded => {
                    uploaded = true;
                    match plan.fault {
                        Fault::ResetInBody => break None,
                        Fault::ResetWaiting => {
                            sleep(Duration::from_millis(patience)).await;
                            break None;
                        }
                        _ => {}
                    }
                }
                seen = &mut download => break Some(seen),
            }
        }
    };
    if plan.cuts() {
        sending.send_reset(Reason::CANCEL);
        return None;
    }
    answer
}

async fn upload_stream(sending: &mut SendStream<Bytes>, plan: &Plan) -> Result<(), h2::Error> {
    if plan.body == 0 {
        return Ok(());
    }
    let data = Bytes::from_static(body(plan.id, plan.body));
    streams::send(sending, data.slice(..plan.body / 2)).await?;
    match plan.fault {
        Fault::ResetInBody => return Ok(()),
        Fault::ShortStall => sleep(SHORT).await,
        Fault::LongStall => sleep(LONG).await,
        _ => {}
    }
    streams::send(sending, data.slice(plan.body / 2..)).await?;
    sending.send_data(Bytes::new(), true)
}

async fn receive_slowly(receiving: &mut RecvStream) -> Result<Vec<u8>, h2::Error> {
    let mut received = Vec::new();
    while let Some(data) = receiving.data().await.transpose()? {
        sleep(SLOWLY).await;
        receiving.flow_control().release_capacity(data.len())?;
        received.extend_from_slice(&data);
    }
    Ok(received)
}
