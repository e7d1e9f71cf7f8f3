//! Bodies of HTTP/2, as both sides send and receive them with the h2 crate.

use std::future::poll_fn;

use bytes::Bytes;
use h2::{RecvStream, SendStream};

/// Sends `data` as the receiver makes room for it.
///
/// # Errors
/// If the stream or the connection ended.
pub async fn send(sending: &mut SendStream<Bytes>, mut data: Bytes) -> Result<(), h2::Error> {
    while !data.is_empty() {
        sending.reserve_capacity(data.len());
        let room = poll_fn(|cx| sending.poll_capacity(cx)).await.transpose()?;
        // Without any the stream is over, which sending tells.
        let piece = data.split_to(room.unwrap_or(data.len()).min(data.len()));
        sending.send_data(piece, false)?;
    }
    Ok(())
}

/// Receives up to the end of the stream.
///
/// # Errors
/// If it breaks off before.
pub async fn receive(receiving: &mut RecvStream) -> Result<Vec<u8>, h2::Error> {
    let mut received = Vec::new();
    while let Some(data) = receiving.data().await.transpose()? {
        receiving.flow_control().release_capacity(data.len())?;
        received.extend_from_slice(&data);
    }
    Ok(received)
}
