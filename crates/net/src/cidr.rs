//! A range of addresses, as an operator writes it.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A range of IP addresses: `10.0.0.0/8`, `fd00::/8`, or one address.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Cidr {
    /// The bits behind the prefix are zero.
    network: IpAddr,
    prefix: u8,
}

/// Why a text is no range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CidrError {
    /// What stands before the slash is no address.
    #[error("{0:?} is neither an IP address nor a range such as 10.0.0.0/8")]
    Address(String),
    /// What stands behind the slash is no length for that kind of address.
    #[error("{text:?} must end in a prefix length from 0 to {longest}")]
    Prefix {
        /// The text.
        text: String,
        /// 32 or 128.
        longest: u8,
    },
    /// `10.1.2.3/8` could mean one address or a whole range.
    #[error("{text:?} has bits set behind its prefix: write {meant} for the range, or the address alone")]
    HostBits {
        /// The text.
        text: String,
        /// The range that it lies in.
        meant: Cidr,
    },
    /// `::ffff:10.0.0.0/104`: such addresses are compared as IPv4.
    #[error("{0:?} must be written as IPv4")]
    Mapped(String),
}

impl Cidr {
    /// Whether `address` lies in the range. An IPv4-mapped IPv6 address (RFC 4291 §2.5.5.2) counts as the IPv4 address.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.network, address.to_canonical()) {
            (IpAddr::V4(_), IpAddr::V4(_)) | (IpAddr::V6(_), IpAddr::V6(_)) => masked(address.to_canonical(), self.prefix) == self.network,
            _ => false,
        }
    }
}

impl FromStr for Cidr {
    type Err = CidrError;

    fn from_str(text: &str) -> Result<Self, CidrError> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| CidrError::Address(text.to_owned()))?;
        if address.to_canonical() != address {
            return Err(CidrError::Mapped(text.to_owned()));
        }
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => longest,
            Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => {
                digits.parse().ok().filter(|prefix| *prefix <= longest).ok_or_else(|| CidrError::Prefix { text: text.to_owned(), longest })?
            }
            Some(_) => return Err(CidrError::Prefix { text: text.to_owned(), longest }),
        };
        let network = masked(address, prefix);
        if network != address {
            return Err(CidrError::HostBits { text: text.to_owned(), meant: Self { network, prefix } });
        }
        Ok(Self { network, prefix })
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.network, self.prefix)
    }
}

impl fmt::Debug for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The address with all bits behind the first `prefix` cleared.
fn masked(address: IpAddr, prefix: u8) -> IpAddr {
    let prefix = u32::from(prefix);
    // A shift by the whole width, which a prefix of 0 asks for, is none that the processor has.
    match address {
        IpAddr::V4(ip) => Ipv4Addr::from_bits(ip.to_bits() & u32::MAX.checked_shl(32 - prefix).unwrap_or(0)).into(),
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() & u128::MAX.checked_shl(128 - prefix).unwrap_or(0)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cidr(text: &str) -> Cidr {
        text.parse().unwrap()
    }

    #[test]
    fn contains_what_shares_the_prefix() {
        for (range, address, inside) in [
            ("10.0.0.0/8", "10.255.255.255", true),
            ("10.0.0.0/8", "11.0.0.0", false),
            ("10.0.0.0/8", "::ffff:10.1.2.3", true),
            ("10.0.0.0/8", "fd00::1", false),
            ("192.168.1.7", "192.168.1.7", true),
            ("192.168.1.7", "192.168.1.6", false),
            ("0.0.0.0/0", "255.255.255.255", true),
            ("0.0.0.0/0", "::1", false),
            ("::/0", "2001:db8::1", true),
            ("::/0", "1.2.3.4", false),
            ("::/0", "::ffff:1.2.3.4", false),
            ("fd00::/8", "fdff::1", true),
            ("fd00::/8", "fc00::1", false),
            ("::1", "::1", true),
        ] {
            assert_eq!(cidr(range).contains(address.parse().unwrap()), inside, "{address} in {range}");
        }
    }

    #[test]
    fn says_what_is_wrong() {
        for (text, expect) in [
            ("", CidrError::Address(String::new())),
            ("10.0.0/8", CidrError::Address("10.0.0/8".into())),
            ("localhost", CidrError::Address("localhost".into())),
            ("10.0.0.0/33", CidrError::Prefix { text: "10.0.0.0/33".into(), longest: 32 }),
            ("10.0.0.0/", CidrError::Prefix { text: "10.0.0.0/".into(), longest: 32 }),
            ("10.0.0.0/+8", CidrError::Prefix { text: "10.0.0.0/+8".into(), longest: 32 }),
            ("fd00::/129", CidrError::Prefix { text: "fd00::/129".into(), longest: 128 }),
            ("10.1.2.3/8", CidrError::HostBits { text: "10.1.2.3/8".into(), meant: cidr("10.0.0.0/8") }),
            ("::ffff:10.0.0.0/104", CidrError::Mapped("::ffff:10.0.0.0/104".into())),
        ] {
            assert_eq!(text.parse::<Cidr>(), Err(expect), "{text}");
        }
    }
}
