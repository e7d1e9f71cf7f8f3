//! Who is at the other end of a caller's connection, as text: each request is logged with it, and says it to the tool.

use std::fmt;
use std::net::SocketAddr;
use std::ops::Range;
use std::rc::Rc;

/// A caller's address, written out once a connection.
#[derive(Clone)]
pub(crate) struct Peer {
    text: Rc<str>,
    /// Where in it the IP address is.
    ip: Range<u8>,
}

impl Peer {
    pub(crate) fn new(address: SocketAddr) -> Self {
        let text = address.to_string();
        // What an IPv4 address mapped into IPv6 ends in, and what stands in brackets.
        let ip = address.ip().to_canonical().to_string();
        let begin = text.find(&ip).unwrap_or_default();
        // At most 58 bytes: [ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff%4294967295]:65535
        Self { text: text.into(), ip: begin as u8..(begin + ip.len()) as u8 }
    }

    /// Address and port.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// The address alone; an IPv4 address mapped into IPv6 is one of IPv4.
    pub(crate) fn ip(&self) -> &str {
        self.text.get(self.ip.start.into()..self.ip.end.into()).unwrap_or(&self.text)
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_the_address_with_and_without_its_port() {
        for (text, ip) in [
            ("192.0.2.1:80", "192.0.2.1"),
            ("255.255.255.255:65535", "255.255.255.255"),
            ("[::]:1", "::"),
            ("[2001:db8::1]:443", "2001:db8::1"),
            ("[::ffff:192.0.2.1]:1", "192.0.2.1"),
            ("[fe80::1%3]:2", "fe80::1"),
            ("[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff%4294967295]:65535", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ] {
            let peer = Peer::new(text.parse().unwrap());
            assert_eq!((peer.as_str(), peer.ip()), (text, ip));
        }
    }
}
