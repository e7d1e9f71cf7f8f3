//! Exactly so many requests.

use std::net::SocketAddr;

use anyhow::bail;

use super::super::client::Client;
use super::super::manifests::{self, OPEN};
use super::super::tool::Body;
use super::super::world::Served;

/// So many Connectors of the open address are asked, or all there are: few enough that a run asks each of them several times, as what the first request to
/// a Connector costs isn't what a request costs.
pub(super) const ASKED: usize = 1_000;

/// Sends `count` requests on each of `connections` connections, all of them busy all the time, to Connectors of the open address in turn, which are evenly
/// spread over the folder. `connectors` is how many there are in it.
pub(super) fn send(proxy: SocketAddr, served: &Served, connectors: usize, connections: usize, count: usize) -> anyhow::Result<()> {
    let open = connectors - OPEN;
    let asked = open.min(ASKED);
    std::thread::scope(|scope| {
        let client = |first: usize| {
            move || {
                let mut client = Client::open(proxy)?;
                (first..first + count).try_for_each(|number| one(&mut client, served, OPEN + number % asked * open / asked))
            }
        };
        let clients: Vec<_> = (0..connections).map(|number| scope.spawn(client(number * count))).collect();
        clients.into_iter().try_for_each(|client| client.join().unwrap_or_else(|_| bail!("a client panicked")))
    })
}

/// Sends one on a connection that is there.
pub(super) fn one(client: &mut Client, served: &Served, connector: usize) -> anyhow::Result<()> {
    let body = client.exchange(manifests::request(Body::Bytes64, &manifests::host(connector), &served.token).as_bytes())?;
    if body.len() != 64 {
        bail!("an answer of {} bytes in the place of 64", body.len());
    }
    Ok(())
}
