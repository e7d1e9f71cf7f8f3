//! What kind of place an IP address is.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What an address leads to, after the IANA special-purpose registries (RFC 6890) and what clouds have put where.
///
/// Ordered from the harmless to the dangerous: an address that embeds another is the worse of what both are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AddressClass {
    /// Globally reachable.
    Public,
    /// Private networks: RFC 1918, carrier-grade NAT (RFC 6598), unique local (RFC 4193) and site-local IPv6.
    Private,
    /// Documentation, benchmarking, protocol assignments, and whatever isn't assigned.
    Reserved,
    /// Many receivers.
    Multicast,
    /// Every receiver.
    Broadcast,
    /// No address at all, "this network": Linux takes it for loopback.
    Unspecified,
    /// The same wire.
    LinkLocal,
    /// This machine.
    Loopback,
    /// Where a cloud tells a machine its secrets.
    Metadata,
}

/// Where clouds answer with credentials, outside of link-local ranges or inside. IPv4.
const METADATA_V4: [Ipv4Addr; 6] = [
    // AWS, Azure, GCP, OpenStack and most others.
    Ipv4Addr::new(169, 254, 169, 254),
    // AWS: tasks of ECS, and Pod identities of EKS.
    Ipv4Addr::new(169, 254, 170, 2),
    Ipv4Addr::new(169, 254, 170, 23),
    // Azure's host agent.
    Ipv4Addr::new(168, 63, 129, 16),
    // Alibaba Cloud.
    Ipv4Addr::new(100, 100, 100, 200),
    // Oracle Cloud Classic.
    Ipv4Addr::new(192, 0, 0, 192),
];

impl AddressClass {
    /// Classifies an address. IPv6 forms that lead to an IPv4 address are seen through: mapped and compatible (RFC 4291 §2.5.5),
    /// translated (RFC 2765 §2.1), NAT64 (RFC 6052, RFC 8215), 6to4 (RFC 3056) and Teredo (RFC 4380 §4).
    pub fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(ip) => of_v4(ip),
            IpAddr::V6(ip) => of_v6(ip),
        }
    }
}

fn of_v4(ip: Ipv4Addr) -> AddressClass {
    if METADATA_V4.contains(&ip) {
        return AddressClass::Metadata;
    }
    match ip.octets() {
        [0, ..] => AddressClass::Unspecified,
        [127, ..] => AddressClass::Loopback,
        [169, 254, ..] => AddressClass::LinkLocal,
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] | [100, 64..=127, ..] => AddressClass::Private,
        [255, 255, 255, 255] => AddressClass::Broadcast,
        [224..=239, ..] => AddressClass::Multicast,
        // In order: unassigned; protocol assignments; documentation (three); the former 6to4 relays; benchmarking.
        [240..=255, ..] | [192, 0, 0, _] | [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] | [192, 88, 99, _] | [198, 18..=19, ..] => {
            AddressClass::Reserved
        }
        _ => AddressClass::Public,
    }
}

fn of_v6(ip: Ipv6Addr) -> AddressClass {
    use AddressClass::{LinkLocal, Loopback, Metadata, Multicast, Private, Public, Reserved, Unspecified};
    match ip.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => Unspecified,
        [0, 0, 0, 0, 0, 0, 0, 1] => Loopback,
        // Mapped: the same address in another notation.
        [0, 0, 0, 0, 0, 0xffff, high, low] => embedded(high, low),
        // Compatible and translated: nobody routes these.
        [0, 0, 0, 0, 0, 0, high, low] | [0, 0, 0, 0, 0xffff, 0, high, low] => embedded(high, low).max(Reserved),
        // NAT64 leads to the IPv4 address; the second prefix is for networks of one's own.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => embedded(high, low),
        [0x64, 0xff9b, 1, .., high, low] => embedded(high, low).max(Reserved),
        // 6to4 and Teredo tunnel to it; Teredo has the server's address and, inverted, the client's.
        [0x2002, high, low, ..] => embedded(high, low),
        [0x2001, 0, server_high, server_low, .., high, low] => embedded(server_high, server_low).max(embedded(!high, !low)),
        // AWS; GCP; Scaleway; OpenStack.
        [0xfd00, 0xec2, ..] | [0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254] | [0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42] | [0xfe80, 0, 0, 0, 0, 0, 0xa9fe, 0xa9fe] => Metadata,
        [0xfe80..=0xfebf, ..] => LinkLocal,
        // Site-local, deprecated but alive, and unique local.
        [0xfec0..=0xfeff, ..] | [0xfc00..=0xfdff, ..] => Private,
        [0xff00..=0xffff, ..] => Multicast,
        // Protocol assignments, documentation (two).
        [0x2001, 0..=0x1ff, ..] | [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => Reserved,
        [0x2000..=0x3fff, ..] => Public,
        _ => Reserved,
    }
}

/// The class of an IPv4 address in two segments of an IPv6 address.
fn embedded(high: u16, low: u16) -> AddressClass {
    of_v4(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)))
}

impl fmt::Display for AddressClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Public => "a public address",
            Self::Private => "a private address",
            Self::Reserved => "a reserved address",
            Self::Multicast => "a multicast address",
            Self::Broadcast => "the broadcast address",
            Self::Unspecified => "an unspecified address",
            Self::LinkLocal => "a link-local address",
            Self::Loopback => "a loopback address",
            Self::Metadata => "a cloud's metadata address",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::AddressClass::{self, Broadcast, LinkLocal, Loopback, Metadata, Multicast, Private, Public, Reserved, Unspecified};

    #[test]
    fn every_range_has_its_class_up_to_both_ends() {
        for (address, expect) in [
            ("0.0.0.0", Unspecified),
            ("0.255.255.255", Unspecified),
            ("1.0.0.0", Public),
            ("8.8.8.8", Public),
            ("9.255.255.255", Public),
            ("10.0.0.0", Private),
            ("10.255.255.255", Private),
            ("11.0.0.0", Public),
            ("100.63.255.255", Public),
            ("100.64.0.0", Private),
            ("100.100.100.199", Private),
            ("100.100.100.200", Metadata),
            ("100.127.255.255", Private),
            ("100.128.0.0", Public),
            ("126.255.255.255", Public),
            ("127.0.0.0", Loopback),
            ("127.0.0.1", Loopback),
            ("127.255.255.255", Loopback),
            ("128.0.0.0", Public),
            ("168.63.129.15", Public),
            ("168.63.129.16", Metadata),
            ("169.253.255.255", Public),
            ("169.254.0.0", LinkLocal),
            ("169.254.169.253", LinkLocal),
            ("169.254.169.254", Metadata),
            ("169.254.170.2", Metadata),
            ("169.254.170.23", Metadata),
            ("169.254.255.255", LinkLocal),
            ("169.255.0.0", Public),
            ("172.15.255.255", Public),
            ("172.16.0.0", Private),
            ("172.31.255.255", Private),
            ("172.32.0.0", Public),
            ("192.0.0.0", Reserved),
            ("192.0.0.192", Metadata),
            ("192.0.1.0", Public),
            ("192.0.2.1", Reserved),
            ("192.88.99.1", Reserved),
            ("192.167.255.255", Public),
            ("192.168.0.0", Private),
            ("192.168.255.255", Private),
            ("192.169.0.0", Public),
            ("198.17.255.255", Public),
            ("198.18.0.0", Reserved),
            ("198.19.255.255", Reserved),
            ("198.20.0.0", Public),
            ("198.51.100.1", Reserved),
            ("203.0.113.1", Reserved),
            ("223.255.255.255", Public),
            ("224.0.0.1", Multicast),
            ("239.255.255.255", Multicast),
            ("240.0.0.1", Reserved),
            ("255.255.255.254", Reserved),
            ("255.255.255.255", Broadcast),
            ("::", Unspecified),
            ("::1", Loopback),
            ("100::1", Reserved),
            ("1fff:ffff::", Reserved),
            ("2000::", Public),
            ("2001:2::1", Reserved),
            ("2001:20::1", Reserved),
            ("2001:200::1", Public),
            ("2001:4860:4860::8888", Public),
            ("2001:db7::1", Public),
            ("2001:db8::1", Reserved),
            ("2001:db9::1", Public),
            ("3ffe:ffff::", Public),
            ("3fff:fff::1", Reserved),
            ("3fff:1000::1", Public),
            ("4000::", Reserved),
            ("5f00::1", Reserved),
            ("fbff::1", Reserved),
            ("fc00::1", Private),
            ("fd00:ec2::254", Metadata),
            ("fd00:ec2::23", Metadata),
            ("fd00:ec3::1", Private),
            ("fd20:ce::254", Metadata),
            ("fd00:42::42", Metadata),
            ("fdff:ffff::1", Private),
            ("fe00::1", Reserved),
            ("fe80::1", LinkLocal),
            ("fe80::a9fe:a9fe", Metadata),
            ("febf::1", LinkLocal),
            ("fec0::1", Private),
            ("ff02::1", Multicast),
        ] {
            assert_eq!(AddressClass::of(address.parse().unwrap()), expect, "{address}");
        }
    }

    #[test]
    fn ipv6_forms_of_ipv4_addresses_are_seen_through() {
        for (address, expect) in [
            ("::ffff:8.8.8.8", Public),
            ("::ffff:127.0.0.1", Loopback),
            ("::ffff:7f00:1", Loopback),
            ("::ffff:10.0.0.1", Private),
            ("::ffff:169.254.169.254", Metadata),
            ("::ffff:0.0.0.0", Unspecified),
            ("::127.0.0.1", Loopback),
            ("::10.0.0.1", Reserved),
            ("::8.8.8.8", Reserved),
            ("::ffff:0:127.0.0.1", Loopback),
            ("::ffff:0:8.8.8.8", Reserved),
            ("64:ff9b::8.8.8.8", Public),
            ("64:ff9b::127.0.0.1", Loopback),
            ("64:ff9b::10.0.0.1", Private),
            ("64:ff9b::169.254.169.254", Metadata),
            ("64:ff9b:1::8.8.8.8", Reserved),
            ("64:ff9b:1::169.254.169.254", Metadata),
            ("64:ff9b:2::8.8.8.8", Reserved),
            ("2002:0808:0808::1", Public),
            ("2002:7f00:0001::1", Loopback),
            ("2002:a9fe:a9fe::", Metadata),
            ("2002:c0a8:0101::1", Private),
            // Teredo: server 8.8.8.8, client 8.8.4.4 inverted; then a client 127.0.0.1; then a server 10.0.0.1.
            ("2001:0:808:808::f7f7:fbfb", Public),
            ("2001:0:808:808::80ff:fffe", Loopback),
            ("2001:0:a00:1::f7f7:fbfb", Private),
        ] {
            assert_eq!(AddressClass::of(address.parse().unwrap()), expect, "{address}");
        }
    }
}
