//! Moves bytes between two plain sockets within the kernel, by splice(2), through a pipe.
//!
//! The bytes of a large body are never looked at, so they needn't come into this process at all.

use std::io;
use std::os::fd::OwnedFd;
use std::task::{Context, Poll, ready};

use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};
use tokio::io::Interest;
use tokio::net::TcpStream;

use crate::Stream;

/// What a pipe may hold. The kernel counts its places, of a page or more each, so that this much fits even where each packet takes places of its own.
const PIPE_SIZE: usize = 256 * 1024;
/// Pipes kept for the next body. More are needed only while more bodies are moved at once.
const MAX_IDLE: usize = 64;

/// Where bytes wait between two sockets.
#[derive(Debug)]
pub struct Pipe {
    read: OwnedFd,
    write: OwnedFd,
    /// Bytes in it.
    filled: usize,
}

/// Which side failed.
#[derive(Debug, thiserror::Error)]
pub enum SpliceError {
    /// Reading from the one socket.
    #[error("reading failed")]
    From(#[source] io::Error),
    /// Writing to the other.
    #[error("writing failed")]
    To(#[source] io::Error),
}

impl Pipe {
    /// An empty pipe.
    ///
    /// # Errors
    /// If the process has no file descriptors left.
    pub fn new() -> io::Result<Self> {
        let (read, write) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        // A user who has many large pipes gets smaller ones, which do as well.
        let _ = fcntl_setpipe_size(&write, PIPE_SIZE);
        Ok(Self { read, write, filled: 0 })
    }

    /// Whether nothing is in it, so that it can serve another body.
    pub fn is_empty(&self) -> bool {
        self.filled == 0
    }

    /// Moves some bytes, no more than `limit`, and returns how many have reached `to`; `0` is the end of what `from` has.
    ///
    /// # Errors
    /// As the sockets'; the pipe may then hold bytes, and is for nothing else.
    pub fn poll_move(&mut self, cx: &mut Context<'_>, from: &mut Stream, to: &mut Stream, limit: u64) -> Poll<Result<usize, SpliceError>> {
        let (Some(from), Some(to)) = (from.socket(), to.socket()) else {
            return Poll::Ready(Err(SpliceError::From(io::ErrorKind::Unsupported.into())));
        };
        if self.filled == 0 {
            let most = usize::try_from(limit).unwrap_or(usize::MAX).min(PIPE_SIZE);
            self.filled = ready!(poll_fill(cx, from, &self.write, most)).map_err(SpliceError::From)?;
            if self.filled == 0 {
                return Poll::Ready(Ok(0));
            }
        }
        let moved = ready!(poll_drain(cx, &self.read, to, self.filled)).map_err(SpliceError::To)?;
        if moved == 0 {
            return Poll::Ready(Err(SpliceError::To(io::ErrorKind::WriteZero.into())));
        }
        self.filled -= moved;
        Poll::Ready(Ok(moved))
    }
}

const FLAGS: SpliceFlags = SpliceFlags::MOVE.union(SpliceFlags::NONBLOCK);

fn poll_fill(cx: &mut Context<'_>, from: &TcpStream, pipe: &OwnedFd, most: usize) -> Poll<io::Result<usize>> {
    loop {
        ready!(from.poll_read_ready(cx))?;
        match from.try_io(Interest::READABLE, || Ok(splice(from, None, pipe, None, most, FLAGS)?)) {
            // The pipe is empty, so it is the socket that has nothing.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            outcome => return Poll::Ready(outcome),
        }
    }
}

fn poll_drain(cx: &mut Context<'_>, pipe: &OwnedFd, to: &TcpStream, most: usize) -> Poll<io::Result<usize>> {
    loop {
        ready!(to.poll_write_ready(cx))?;
        match to.try_io(Interest::WRITABLE, || Ok(splice(pipe, None, to, None, most, FLAGS)?)) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            outcome => return Poll::Ready(outcome),
        }
    }
}

/// Pipes that wait for their next body.
#[derive(Debug, Default)]
pub struct Pipes(Vec<Pipe>);

impl Pipes {
    /// A pipe, unless there is none to be had.
    pub fn take(&mut self) -> Option<Pipe> {
        self.0.pop().or_else(|| Pipe::new().ok())
    }

    /// Keeps a pipe, if it is empty.
    pub fn put(&mut self, pipe: Pipe) {
        if pipe.is_empty() && self.0.len() < MAX_IDLE {
            self.0.push(pipe);
        }
    }

    /// Closes all but a few. To be called every few seconds.
    pub fn sweep(&mut self) {
        self.0.truncate(self.0.len() / 2);
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;
    use crate::testing::{pair, run};

    #[test]
    fn every_byte_arrives_in_order_up_to_the_end() {
        run(async {
            const SIZE: usize = 3_000_000;
            let (mut sender, from) = pair().await;
            let (to, mut receiver) = pair().await;
            let sent: Vec<u8> = (0..SIZE).map(|at| (at % 251) as u8).collect();
            let expect = sent.clone();
            let send = async move {
                sender.write_all(&sent).await.unwrap();
                sender.shutdown().await.unwrap();
            };
            let move_all = async move {
                let (mut from, mut to, mut pipe) = (Stream::plain(from), Stream::plain(to), Pipe::new().unwrap());
                let mut moved = 0;
                loop {
                    match poll_fn(|cx| pipe.poll_move(cx, &mut from, &mut to, u64::MAX)).await.unwrap() {
                        0 => return moved,
                        count => moved += count,
                    }
                }
            };
            let receive = async move {
                let mut received = Vec::new();
                receiver.read_to_end(&mut received).await.unwrap();
                received
            };
            let ((), moved, received) = tokio::join!(send, move_all, receive);
            assert_eq!(moved, SIZE);
            assert!(received == expect, "the bytes differ");
        });
    }

    #[test]
    fn no_more_is_moved_than_the_limit_says() {
        run(async {
            let (mut sender, from) = pair().await;
            let (to, mut receiver) = pair().await;
            sender.write_all(&[b'x'; 1000]).await.unwrap();
            let (mut from, mut to, mut pipe) = (Stream::plain(from), Stream::plain(to), Pipe::new().unwrap());
            assert_eq!(poll_fn(|cx| pipe.poll_move(cx, &mut from, &mut to, 400)).await.unwrap(), 400);
            drop(to);
            let mut received = Vec::new();
            receiver.read_to_end(&mut received).await.unwrap();
            assert_eq!(received.len(), 400);
            let mut rest = Vec::new();
            drop(sender);
            from.read_to_end(&mut rest).await.unwrap();
            assert_eq!(rest.len(), 600);
        });
    }

    #[test]
    fn a_receiver_that_is_gone_is_an_error_of_its_side() {
        run(async {
            let (mut sender, from) = pair().await;
            let (to, receiver) = pair().await;
            drop(receiver);
            let (mut from, mut to, mut pipe) = (Stream::plain(from), Stream::plain(to), Pipe::new().unwrap());
            let error = loop {
                sender.write_all(&[b'x'; 1000]).await.unwrap();
                if let Err(error) = poll_fn(|cx| pipe.poll_move(cx, &mut from, &mut to, u64::MAX)).await {
                    break error;
                }
            };
            assert!(matches!(error, SpliceError::To(_)), "{error}");
            // What it still holds belongs to nobody else.
            let mut pipes = Pipes::default();
            pipes.put(pipe);
            assert!(pipes.0.is_empty());
        });
    }
}
