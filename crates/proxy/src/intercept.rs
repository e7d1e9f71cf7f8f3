//! CONNECT, answered by interception. There is no other answer: without a CA, or without TLS, the connection ends.

use std::rc::Rc;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::BytesMut;
use connectors_core::{Origin, with_causes};
use connectors_net::{Alpn, InterceptError, Protocol, ServerConfig, Stream};

use crate::client::Peer;
use crate::connection;
use crate::http2::server as http2;
use crate::identify::ProxyCredentials;
use crate::reject::Reject;
use crate::wire::Wire;
use crate::worker::Worker;

/// An intercepted CONNECT. Only what the caller sent is kept: each request inside is authenticated and authorized anew.
pub(crate) struct Tunnel {
    /// What CONNECT named; every request inside must be for it.
    pub(crate) authority: Origin,
    /// The CONNECT's Proxy-Authorization.
    pub(crate) credentials: ProxyCredentials,
    config: Arc<ServerConfig>,
}

/// Gets the certificate before the 200 is written, so that a CONNECT that can't be served is refused.
pub(crate) fn prepare(worker: &Worker, authority: Origin, credentials: ProxyCredentials) -> Result<Tunnel, Reject> {
    let ca = worker.authority.as_ref().map_err(|why| Reject::NoAuthority(why.clone()))?;
    let config = ca.server_config(authority.host(), SystemTime::now(), Alpn::Http2).map_err(|error| Reject::NoAuthority(with_causes(&error)))?;
    Ok(Tunnel { authority, credentials, config })
}

/// Serves the inside of the tunnel.
pub(crate) async fn run(worker: Rc<Worker>, stream: Stream, read_ahead: BytesMut, peer: Peer, tunnel: Tunnel) {
    let within = worker.settings.head_timeout;
    match connectors_net::intercept(stream, read_ahead.freeze(), tunnel.config.clone(), within).await {
        Ok((stream, Protocol::Http1)) => connection::inside(&worker, &Wire::new(stream), &peer, &tunnel).await,
        Ok((stream, Protocol::Http2)) => http2::serve(worker, stream, BytesMut::new(), peer, Some(tunnel)).await,
        Err(InterceptError::NotTls(stream)) => {
            connection::refuse_and_close(&worker, &Wire::new(stream), &peer, Reject::ConnectPlain).await;
        }
        // Most often a client that doesn't trust the CA; it has said so by now, and there is nobody to answer.
        Err(error) => tracing::debug!(client = %peer.address, host = %tunnel.authority, error = %with_causes(&error), "TLS inside CONNECT failed"),
    }
}
