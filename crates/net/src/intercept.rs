//! TLS towards a caller, inside a CONNECT.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rustls::ServerConfig;
use tokio::io::AsyncReadExt as _;
use tokio_rustls::TlsAcceptor;

use crate::stream::Rewind;
use crate::{Protocol, Stream};

/// The first byte of a TLS handshake record (RFC 8446 §5.1).
const HANDSHAKE: u8 = 22;

/// Why a CONNECT was not followed by TLS.
#[derive(Debug, thiserror::Error)]
pub enum InterceptError {
    /// What came is something else. The stream is given back, without what was read of it, so that the caller can be told.
    #[error("what follows the CONNECT is not TLS")]
    NotTls(Stream),
    /// The caller went away without a word.
    #[error("the caller closed the connection after the CONNECT")]
    Closed,
    /// The caller took too long.
    #[error("the TLS handshake took too long")]
    Timeout,
    /// The two sides didn't agree; most often, the caller doesn't trust the CA.
    #[error("the TLS handshake failed")]
    Handshake(#[source] io::Error),
}

/// The handshake as a server, and the protocol that it agreed on. `already_read` are bytes that were read from `stream` ahead; `within` bounds the whole.
///
/// # Errors
/// If TLS doesn't follow, or not in time, or the two sides don't agree.
pub async fn intercept(stream: Stream, already_read: Bytes, config: Arc<ServerConfig>, within: Duration) -> Result<(Stream, Protocol), InterceptError> {
    tokio::time::timeout(within, handshake(stream, already_read, config)).await.unwrap_or(Err(InterceptError::Timeout))
}

async fn handshake(mut stream: Stream, mut ahead: Bytes, config: Arc<ServerConfig>) -> Result<(Stream, Protocol), InterceptError> {
    if ahead.is_empty() {
        let mut first = [0];
        match stream.read(&mut first).await {
            Ok(0) => return Err(InterceptError::Closed),
            Ok(_) => ahead = Bytes::copy_from_slice(&first),
            Err(error) => return Err(InterceptError::Handshake(error)),
        }
    }
    if ahead.first() != Some(&HANDSHAKE) {
        return Err(InterceptError::NotTls(stream));
    }
    let stream = TlsAcceptor::from(config).accept(Rewind::new(ahead, stream)).await.map(Stream::server).map_err(InterceptError::Handshake)?;
    let protocol = stream.protocol();
    Ok((stream, protocol))
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use connectors_core::Host;
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject as _;
    use tokio::io::AsyncWriteExt as _;

    use super::*;
    use crate::testing::{DEADLINE, pair, run, tls_client};
    use crate::{Alpn, Authority};

    /// A CA, and its configuration for `tool.example`.
    fn tool(alpn: Alpn) -> (CertificateDer<'static>, Arc<ServerConfig>) {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::load_or_create(folder.path()).unwrap();
        let config = authority.server_config(&Host::parse("tool.example").unwrap(), SystemTime::now(), alpn).unwrap();
        (CertificateDer::from_pem_slice(authority.certificate_pem().as_bytes()).unwrap(), config)
    }

    #[test]
    fn what_was_read_ahead_is_part_of_the_handshake() {
        run(async {
            let (ca, config) = tool(Alpn::Http1);
            for ahead in [0, 1, 5, 64, 4096] {
                let (accepted, caller) = pair().await;
                let caller = tls_client(caller, "tool.example", [ca.clone()], &[b"h2", b"http/1.1"]);
                let proxy = async {
                    let mut stream = Stream::plain(accepted);
                    let mut buffer = vec![0; ahead];
                    let mut read = 0;
                    // All of it, or as much as there is.
                    while read < ahead {
                        let more = tokio::time::timeout(std::time::Duration::from_millis(20), stream.read(&mut buffer[read..])).await;
                        let Ok(count) = more else { break };
                        read += count.unwrap();
                    }
                    buffer.truncate(read);
                    intercept(stream, buffer.into(), config.clone(), DEADLINE).await
                };
                let (caller, proxy) = tokio::join!(caller, proxy);
                let (mut caller, (mut proxy, protocol)) = (caller.unwrap(), proxy.unwrap());
                assert!(proxy.is_tls());
                assert_eq!(caller.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
                assert_eq!(protocol, Protocol::Http1);
                caller.write_all(b"GET").await.unwrap();
                caller.flush().await.unwrap();
                proxy.write_all(b"HTTP").await.unwrap();
                proxy.flush().await.unwrap();
                let mut buffer = [0; 7];
                proxy.read_exact(&mut buffer[..3]).await.unwrap();
                caller.read_exact(&mut buffer[3..]).await.unwrap();
                assert_eq!(&buffer, b"GETHTTP");
            }
        });
    }

    #[test]
    fn p20_what_is_not_tls_is_given_back_and_never_passed_on() {
        run(async {
            let (_, config) = tool(Alpn::Http1);
            for ahead in [&b""[..], b"G", b"GET / HTTP/1.1\r\n", b"\x15\x03\x01"] {
                let (accepted, mut caller) = pair().await;
                if ahead.is_empty() {
                    caller.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
                }
                let error = intercept(Stream::plain(accepted), ahead.into(), config.clone(), DEADLINE).await.unwrap_err();
                let InterceptError::NotTls(mut stream) = error else { panic!("{error:?}") };
                stream.write_all(b"no").await.unwrap();
                let mut buffer = [0; 2];
                caller.read_exact(&mut buffer).await.unwrap();
                assert_eq!(&buffer, b"no");
            }
        });
    }

    #[test]
    fn callers_that_leave_wait_or_do_not_trust_the_ca() {
        run(async {
            let (_, config) = tool(Alpn::Http1);
            let (accepted, caller) = pair().await;
            drop(caller);
            let error = intercept(Stream::plain(accepted), Bytes::new(), config.clone(), DEADLINE).await.unwrap_err();
            assert!(matches!(error, InterceptError::Closed), "{error:?}");

            // Silent from the beginning, and after the first byte.
            for ahead in [&b""[..], &[HANDSHAKE]] {
                let (accepted, _caller) = pair().await;
                let error = intercept(Stream::plain(accepted), ahead.into(), config.clone(), Duration::from_millis(20)).await.unwrap_err();
                assert!(matches!(error, InterceptError::Timeout), "{error:?}");
            }

            let (accepted, caller) = pair().await;
            let (other, _) = tool(Alpn::Http1);
            let (caller, proxy) = tokio::join!(
                tls_client(caller, "tool.example", [other], &[b"http/1.1"]),
                intercept(Stream::plain(accepted), Bytes::new(), config.clone(), DEADLINE)
            );
            assert!(caller.is_err());
            assert!(matches!(proxy, Err(InterceptError::Handshake(_))), "{proxy:?}");
        });
    }

    #[test]
    fn the_protocol_is_the_best_that_both_sides_have() {
        run(async {
            let (ca, config) = tool(Alpn::Http2);
            for (offered, expect) in [
                (&[&b"http/1.1"[..], b"h2"][..], Protocol::Http2),
                (&[b"h2"], Protocol::Http2),
                (&[b"http/1.1"], Protocol::Http1),
                // RFC 7301 §3.1: a client needn't say anything.
                (&[], Protocol::Http1),
            ] {
                let (accepted, caller) = pair().await;
                let proxy = intercept(Stream::plain(accepted), Bytes::new(), config.clone(), DEADLINE);
                let (caller, proxy) = tokio::join!(tls_client(caller, "tool.example", [ca.clone()], offered), proxy);
                caller.unwrap();
                assert_eq!(proxy.unwrap().1, expect, "{offered:?}");
            }
        });
    }

    #[test]
    fn where_http_2_is_not_offered_a_caller_that_speaks_nothing_else_is_refused_in_the_handshake() {
        run(async {
            let (ca, config) = tool(Alpn::Http1);
            let (accepted, caller) = pair().await;
            let (caller, proxy) =
                tokio::join!(tls_client(caller, "tool.example", [ca], &[b"h2"]), intercept(Stream::plain(accepted), Bytes::new(), config, DEADLINE));
            assert!(caller.is_err());
            assert!(matches!(proxy, Err(InterceptError::Handshake(_))), "{proxy:?}");
        });
    }
}
