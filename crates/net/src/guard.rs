//! Which addresses may be dialled.

use std::net::IpAddr;

use connectors_core::Host;

use crate::{AddressClass, Cidr};

/// Why a connection is made, and so how far it may reach. Connections made for one reason never serve the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reach {
    /// To an origin that whoever wrote an object has chosen: a Connector's own address, the host that a class probes in its place, a class's API. An origin
    /// that somebody else has named is not it, even if its host is the same.
    Target,
    /// To another port or scheme of a target's host, because the target has said so. It has answered at this address: what its name leads to now must be that
    /// address or a public one, since whoever answers may have a say in both.
    SameHost(IpAddr),
    /// To wherever a caller said, or a tool that redirects a probe, without a credential.
    Elsewhere,
}

/// Decides by the address, after the name was resolved. A pure function, apart from the operator's list.
#[derive(Debug, Clone, Default)]
pub struct Guard {
    allow: Vec<Cidr>,
}

/// Why an address may not be dialled. For the operator: a caller isn't told what a name resolves to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressDenied {
    /// The name in a Connector's address leads where only an address that is written out may lead.
    #[error(
        "the name in the Connector's address leads to {address}, {class}: write the IP address itself into the Connector's address \
         (for loopback, localhost will do), or allow it with --allow-address"
    )]
    Target {
        /// Where the name leads.
        address: IpAddr,
        /// What that is.
        class: AddressClass,
    },
    /// A target has sent on to another of its ports, and its name leads elsewhere than before.
    #[error("the name has led to {before}, and now leads to {address}, {class}, where its owner may not send requests; --allow-address can allow it")]
    SameHost {
        /// Where the name leads.
        address: IpAddr,
        /// What that is.
        class: AddressClass,
        /// Where the target has answered.
        before: IpAddr,
    },
    /// A request that is aimed at no Connector reaches public addresses only.
    #[error("{address} is {class}, and a request that is aimed at no Connector reaches public addresses only; --allow-address can allow more")]
    Elsewhere {
        /// Where the request would have gone.
        address: IpAddr,
        /// What that is.
        class: AddressClass,
    },
}

impl Guard {
    /// A guard that lets through, for every [`Reach`], what lies in one of the ranges that the operator allows.
    pub fn new(allow: impl Into<Vec<Cidr>>) -> Self {
        Self { allow: allow.into() }
    }

    /// Whether `address`, which `host` was resolved to, may be dialled. If `host` is an address itself, the two are the same.
    ///
    /// * [`Reach::Target`]: public, private and reserved addresses. Loopback only if the host says so literally, as an IP address or as `localhost`
    ///   ([RFC 6761 §6.3](https://www.rfc-editor.org/rfc/rfc6761#section-6.3)); link-local, metadata and the others only as an IP address.
    /// * [`Reach::SameHost`]: public addresses, and the one that it has with it as far as [`Reach::Target`] goes.
    /// * [`Reach::Elsewhere`]: public addresses.
    ///
    /// # Errors
    /// The class of the address, and what the operator can do.
    pub fn check(&self, host: &Host, address: IpAddr, reach: Reach) -> Result<(), AddressDenied> {
        if self.allow.iter().any(|range| range.contains(address)) {
            return Ok(());
        }
        let class = AddressClass::of(address);
        match reach {
            Reach::Target if may_be_target(host, address, class) => Ok(()),
            Reach::Target => Err(AddressDenied::Target { address, class }),
            Reach::SameHost(before) if class == AddressClass::Public || before == address && may_be_target(host, address, class) => Ok(()),
            Reach::SameHost(before) => Err(AddressDenied::SameHost { address, class, before }),
            Reach::Elsewhere if class == AddressClass::Public => Ok(()),
            Reach::Elsewhere => Err(AddressDenied::Elsewhere { address, class }),
        }
    }
}

fn may_be_target(host: &Host, address: IpAddr, class: AddressClass) -> bool {
    match host {
        Host::Ip(literal) => *literal == address,
        Host::Name(name) => match class {
            AddressClass::Public | AddressClass::Private | AddressClass::Reserved => true,
            AddressClass::Loopback => is_localhost(name),
            AddressClass::Multicast | AddressClass::Broadcast | AddressClass::Unspecified | AddressClass::LinkLocal | AddressClass::Metadata => false,
        },
    }
}

/// Whether a name means this machine everywhere (RFC 6761 §6.3). [`Host`] has made it lower-case.
pub(crate) fn is_localhost(name: &str) -> bool {
    name == "localhost" || name.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(guard: &Guard, host: &str, address: &str, reach: Reach) -> bool {
        guard.check(&Host::parse(host).unwrap(), address.parse().unwrap(), reach).is_ok()
    }

    #[test]
    fn targets_are_reached_where_their_address_says() {
        let guard = Guard::default();
        for (host, address, allowed) in [
            ("git.example", "8.8.8.8", true),
            ("git.example", "10.0.0.1", true),
            ("git.example", "192.168.1.1", true),
            ("git.example", "100.64.0.1", true),
            ("git.example", "fd12::1", true),
            ("git.example", "198.18.0.1", true),
            ("git.example", "64:ff9b::10.0.0.1", true),
            ("git.example", "127.0.0.1", false),
            ("git.example", "::1", false),
            ("git.example", "::ffff:127.0.0.1", false),
            ("git.example", "64:ff9b::127.0.0.1", false),
            ("git.example", "2002:7f00:1::1", false),
            ("git.example", "169.254.1.1", false),
            ("git.example", "169.254.169.254", false),
            ("git.example", "fe80::1", false),
            ("git.example", "fd00:ec2::254", false),
            ("git.example", "100.100.100.200", false),
            ("git.example", "168.63.129.16", false),
            ("git.example", "0.0.0.0", false),
            ("git.example", "::", false),
            ("git.example", "224.0.0.1", false),
            ("git.example", "255.255.255.255", false),
            ("localhost", "127.0.0.1", true),
            ("localhost", "::1", true),
            ("git.localhost", "127.0.0.1", true),
            ("localhost", "169.254.169.254", false),
            ("localhost.example", "127.0.0.1", false),
            ("notlocalhost", "127.0.0.1", false),
            ("127.0.0.1", "127.0.0.1", true),
            ("127.0.0.1", "127.0.0.2", false),
            ("[::1]", "::1", true),
            ("[::ffff:127.0.0.1]", "::ffff:127.0.0.1", true),
            ("169.254.169.254", "169.254.169.254", true),
            ("0.0.0.0", "0.0.0.0", true),
        ] {
            assert_eq!(check(&guard, host, address, Reach::Target), allowed, "{host} at {address}");
        }
    }

    #[test]
    fn p19_elsewhere_is_public_even_if_the_address_is_written_out() {
        let guard = Guard::default();
        for (host, address, allowed) in [
            ("git.example", "8.8.8.8", true),
            ("8.8.8.8", "8.8.8.8", true),
            ("git.example", "2001:4860:4860::8888", true),
            ("git.example", "64:ff9b::8.8.8.8", true),
            ("localhost", "127.0.0.1", false),
            ("127.0.0.1", "127.0.0.1", false),
            ("[::1]", "::1", false),
            ("[::ffff:127.0.0.1]", "::ffff:127.0.0.1", false),
            ("[::ffff:a00:1]", "::ffff:10.0.0.1", false),
            ("git.example", "10.0.0.1", false),
            ("git.example", "172.20.0.1", false),
            ("git.example", "192.168.0.1", false),
            ("git.example", "100.64.0.1", false),
            ("git.example", "fd12::1", false),
            ("git.example", "169.254.169.254", false),
            ("git.example", "168.63.129.16", false),
            ("git.example", "fd00:ec2::254", false),
            ("git.example", "0.0.0.0", false),
            ("git.example", "198.18.0.1", false),
            ("git.example", "192.0.2.1", false),
            ("git.example", "240.0.0.1", false),
            ("git.example", "224.0.0.1", false),
            ("git.example", "64:ff9b::10.0.0.1", false),
            ("git.example", "2002:a00:1::1", false),
            ("git.example", "::10.0.0.1", false),
        ] {
            assert_eq!(check(&guard, host, address, Reach::Elsewhere), allowed, "{host} at {address}");
        }
    }

    #[test]
    fn p18_a_name_that_leads_elsewhere_meanwhile_is_followed_to_public_addresses_only() {
        let guard = Guard::default();
        for (host, before, address, allowed) in [
            ("git.example", "10.0.0.1", "10.0.0.1", true),
            ("git.example", "8.8.8.8", "8.8.4.4", true),
            ("git.example", "10.0.0.1", "8.8.8.8", true),
            ("git.example", "8.8.8.8", "10.0.0.1", false),
            ("git.example", "10.0.0.1", "10.0.0.2", false),
            ("git.example", "8.8.8.8", "127.0.0.1", false),
            ("localhost", "127.0.0.1", "127.0.0.1", true),
            ("localhost", "127.0.0.1", "::1", false),
            ("127.0.0.1", "127.0.0.1", "127.0.0.1", true),
            // Where a target may not be, it has not answered.
            ("git.example", "127.0.0.1", "127.0.0.1", false),
            ("git.example", "169.254.169.254", "169.254.169.254", false),
        ] {
            let reach = Reach::SameHost(before.parse().unwrap());
            assert_eq!(check(&guard, host, address, reach), allowed, "{host} from {before} to {address}");
        }
        assert!(check(&Guard::new(["10.0.0.0/8".parse().unwrap()]), "git.example", "10.0.0.1", Reach::SameHost("8.8.8.8".parse().unwrap())));
    }

    #[test]
    fn the_operators_list_comes_first_and_reaches_no_further_than_it_says() {
        let guard = Guard::new(["127.0.0.1", "10.1.0.0/16", "169.254.169.254"].map(|text| text.parse().unwrap()));
        for reach in [Reach::Target, Reach::Elsewhere] {
            for (address, allowed) in
                [("127.0.0.1", true), ("::ffff:127.0.0.1", true), ("127.0.0.2", false), ("169.254.169.254", true), ("169.254.169.253", false)]
            {
                assert_eq!(check(&guard, "git.example", address, reach), allowed, "{address} for {reach:?}");
            }
        }
        assert!(check(&guard, "git.example", "10.1.2.3", Reach::Elsewhere));
        assert!(!check(&guard, "git.example", "10.2.0.1", Reach::Elsewhere));
        // A tunnel to an allowed address is a different way there, which nobody has allowed.
        assert!(!check(&guard, "git.example", "2002:a01:203::1", Reach::Elsewhere));
    }

    #[test]
    fn the_operator_is_told_class_and_setting() {
        let host = Host::parse("git.example").unwrap();
        for (reach, expect) in
            [(Reach::Target, "169.254.169.254, a cloud's metadata address"), (Reach::Elsewhere, "169.254.169.254 is a cloud's metadata address")]
        {
            let text = Guard::default().check(&host, "169.254.169.254".parse().unwrap(), reach).unwrap_err().to_string();
            assert!(text.contains(expect) && text.contains("--allow-address"), "{text}");
        }
    }
}
