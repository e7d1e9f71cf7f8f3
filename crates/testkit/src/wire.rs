//! A connection whose two directions can be ended one by one, and that can be broken off.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::ops::DerefMut;
use std::time::Duration;

use rustls::{ConnectionCommon, SideData, StreamOwned};

/// A connection, with TLS or without.
pub trait Wire: Read + Write + Send {
    /// Ends the sending half; TLS says so within (close_notify) and without.
    ///
    /// # Errors
    /// The connection is gone.
    fn finish(&mut self) -> io::Result<()>;

    /// Has the connection end by a reset once it is dropped, and by nothing else: TLS says nothing.
    fn resets(&self);

    /// The same connection once more, if there is no state to it.
    fn another(&self) -> Option<Box<dyn Wire>>;
}

impl Wire for TcpStream {
    fn finish(&mut self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }

    fn resets(&self) {
        socket2::SockRef::from(self).set_linger(Some(Duration::ZERO)).unwrap();
    }

    fn another(&self) -> Option<Box<dyn Wire>> {
        Some(Box::new(self.try_clone().unwrap()))
    }
}

impl<C, S, D> Wire for StreamOwned<C, S>
where
    C: DerefMut<Target = ConnectionCommon<D>> + Send,
    S: Wire,
    D: SideData,
{
    fn finish(&mut self) -> io::Result<()> {
        self.conn.send_close_notify();
        self.flush()?;
        self.sock.finish()
    }

    fn resets(&self) {
        self.sock.resets();
    }

    fn another(&self) -> Option<Box<dyn Wire>> {
        None
    }
}

impl Wire for Box<dyn Wire> {
    fn finish(&mut self) -> io::Result<()> {
        (**self).finish()
    }

    fn resets(&self) {
        (**self).resets();
    }

    fn another(&self) -> Option<Box<dyn Wire>> {
        (**self).another()
    }
}

/// Reads a head and not one byte more; empty if the other side has closed.
pub fn read_head(stream: &mut (impl Read + ?Sized)) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            _ => return String::new(),
        }
    }
    String::from_utf8_lossy(&head).into_owned()
}

/// Whether nothing arrives for a while in which it would have.
pub fn nothing_comes(stream: &mut TcpStream) -> bool {
    let before = stream.read_timeout().unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let read = stream.read(&mut [0]);
    stream.set_read_timeout(before).unwrap();
    read.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
}
