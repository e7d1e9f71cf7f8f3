//! The tool of the soak, by HTTP/1.1 and HTTP/2, which does with each request what its path says.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use connectors_e2e::{TestCa, streams};
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use http::{Request, Response};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::plan::{Act, Plan, body};
use crate::wire::{Head, Reader};
use crate::{LONG, SHORT, wrong};

/// Serves without TLS; returns the address. Ends with its runtime.
pub(crate) async fn plain() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let stream = listener.accept().await.unwrap().0;
            stream.set_nodelay(true).unwrap();
            tokio::spawn(async move { drop(http1(stream).await) });
        }
    });
    address
}

/// Serves with TLS, and HTTP/2 to who wants it; returns the address. Ends with its runtime.
pub(crate) async fn secure(ca: &TestCa) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let certificate = CertificateDer::from_pem_file(ca.certificate()).unwrap();
    let key = PrivateKeyDer::from_pem_file(ca.key()).unwrap();
    let mut config = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate], key).unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let tls = TlsAcceptor::from(Arc::new(config));
    tokio::spawn(async move {
        loop {
            let stream = listener.accept().await.unwrap().0;
            stream.set_nodelay(true).unwrap();
            let tls = tls.clone();
            tokio::spawn(async move {
                // The proxy may have given up by now.
                let Ok(stream) = tls.accept(stream).await else { return };
                match stream.get_ref().1.alpn_protocol() {
                    Some(b"h2") => http2(stream).await,
                    _ => drop(http1(stream).await),
                }
            });
        }
    });
    address
}

/// A connection that can be reset.
trait Connection: AsyncRead + AsyncWrite + Unpin {
    fn socket(&self) -> &TcpStream;
}

impl Connection for TcpStream {
    fn socket(&self) -> &TcpStream {
        self
    }
}

impl Connection for TlsStream<TcpStream> {
    fn socket(&self) -> &TcpStream {
        self.get_ref().0
    }
}

async fn http1(stream: impl Connection) -> io::Result<()> {
    let mut reader = Reader::new(stream);
    while let Some(head) = reader.head().await? {
        let Some((id, act, length)) = Plan::parse(head.second_word()) else {
            wrong(format!("the tool got {}", head.text));
            return Ok(());
        };
        let stays = match act {
            Act::ResetBefore => reader.get_mut().socket().set_zero_linger().map(|()| false),
            Act::Garbage => reader.get_mut().write_all(b"This is not HTTP.\r\n\r\n").await.map(|()| false),
            Act::NoRead => {
                sleep(LONG).await;
                Ok(false)
            }
            Act::Early => early(&mut reader, &head).await.map(|()| false),
            _ => {
                let received = reader.body(&head, false).await?;
                if received != body(id, received.len()) {
                    wrong(format!("the body of {id} is not what was sent"));
                }
                answer(reader.get_mut(), act, id, length).await
            }
        };
        if !stays? {
            return Ok(());
        }
    }
    Ok(())
}

/// Refuses, and takes in what is on its way, so that no reset follows.
async fn early<S: Connection>(reader: &mut Reader<S>, head: &Head) -> io::Result<()> {
    let refusal = "HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno";
    reader.get_mut().write_all(refusal.as_bytes()).await?;
    reader.get_mut().shutdown().await?;
    let _ = timeout(LONG, reader.body(head, false)).await;
    Ok(())
}

/// Answers, and tells whether the connection stays.
async fn answer(stream: &mut impl Connection, act: Act, id: u64, length: usize) -> io::Result<bool> {
    let data = body(id, length);
    let (first, second) = data.split_at(length / 2);
    if act == Act::LongStall {
        sleep(LONG).await;
        return Ok(false);
    }
    if act == Act::Interim {
        stream.write_all(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n").await?;
    }
    if act == Act::ShortStall {
        sleep(SHORT).await;
    }
    if act == Act::Chunked {
        stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await?;
        for piece in [first, second] {
            stream.write_all(format!("{:x}\r\n", piece.len()).as_bytes()).await?;
            stream.write_all(piece).await?;
            stream.write_all(b"\r\n").await?;
        }
        stream.write_all(b"0\r\n\r\n").await?;
        stream.flush().await?;
        return Ok(true);
    }
    stream.write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n").as_bytes()).await?;
    stream.write_all(first).await?;
    stream.flush().await?;
    match act {
        Act::ShortStall => sleep(SHORT).await,
        Act::StallWithin => {
            sleep(LONG).await;
            return Ok(false);
        }
        Act::Truncated => return stream.shutdown().await.map(|()| false),
        Act::ResetWithin => return stream.socket().set_zero_linger().map(|()| false),
        _ => {}
    }
    stream.write_all(second).await?;
    stream.flush().await?;
    Ok(act != Act::CloseAfter)
}

async fn http2(stream: TlsStream<TcpStream>) {
    let Ok(mut connection) = h2::server::handshake(stream).await else { return };
    let (leave, mut leaves) = unbounded_channel();
    loop {
        tokio::select! {
            accepted = connection.accept() => match accepted {
                Some(Ok((request, respond))) => {
                    let leave = leave.clone();
                    tokio::spawn(async move { drop(stream_of(request, respond, leave).await) });
                }
                Some(Err(_)) | None => return,
            },
            _ = leaves.recv() => connection.graceful_shutdown(),
        }
    }
}

/// One request by HTTP/2. `leave`: the connection takes no more after it.
async fn stream_of(request: Request<RecvStream>, mut respond: SendResponse<Bytes>, leave: UnboundedSender<()>) -> Result<(), h2::Error> {
    let Some((id, act, length)) = Plan::parse(request.uri().path()) else {
        wrong(format!("the tool got {}", request.uri()));
        return Ok(());
    };
    let mut receiving = request.into_body();
    match act {
        Act::ResetBefore | Act::Garbage => {
            respond.send_reset(Reason::INTERNAL_ERROR);
            return Ok(());
        }
        Act::NoRead => {
            sleep(LONG).await;
            return Ok(());
        }
        Act::Early => {
            let mut sending = respond.send_response(Response::builder().status(413).body(()).unwrap(), false)?;
            return sending.send_data("no".into(), true);
        }
        _ => {}
    }
    let received = streams::receive(&mut receiving).await?;
    if received != body(id, received.len()) {
        wrong(format!("the body of {id} is not what was sent"));
    }
    if act == Act::LongStall {
        sleep(LONG).await;
        return Ok(());
    }
    if act == Act::Interim {
        respond.send_informational(Response::builder().status(103).body(()).unwrap())?;
    }
    if act == Act::ShortStall {
        sleep(SHORT).await;
    }
    let response = Response::builder();
    let response = if act == Act::Chunked { response } else { response.header("content-length", length) };
    let mut sending = respond.send_response(response.body(()).unwrap(), false)?;
    let data = Bytes::from_static(body(id, length));
    streams::send(&mut sending, data.slice(..length / 2)).await?;
    match act {
        Act::ShortStall => sleep(SHORT).await,
        Act::StallWithin => {
            sleep(LONG).await;
            return Ok(());
        }
        Act::Truncated | Act::ResetWithin => {
            sending.send_reset(Reason::INTERNAL_ERROR);
            return Ok(());
        }
        _ => {}
    }
    streams::send(&mut sending, data.slice(length / 2..)).await?;
    sending.send_data(Bytes::new(), true)?;
    if act == Act::CloseAfter {
        let _ = leave.send(());
    }
    Ok(())
}
