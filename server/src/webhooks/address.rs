//! Which addresses a webhook may be sent to: those of the public Internet, unless private ones are allowed.
//!
//! Whoever may choose the receiver, or what its name resolves to, must not reach what only this machine reaches.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::config::Network;

/// Of IPv4, what the special-purpose registry of RFC 6890 says is not reached from everywhere, and groups (224.0.0.0/4).
/// The addresses at which clouds tell a machine its credentials are among them.
const NOT_PUBLIC_V4: [&str; 15] = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
];

/// Of IPv6 only this is public, and in it not what comes below.
const GLOBAL_V6: &str = "2000::/3";

/// Protocol assignments with Teredo, documentation, and 6to4, which leads to an IPv4 address.
const NOT_PUBLIC_V6: [&str; 4] = ["2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"];

/// Addresses that stand for an IPv4 address behind a NAT64 (RFC 6052).
const NAT64: &str = "64:ff9b::/96";

/// Whether everybody may be at the other end of `address`: no machine of a private network, and not this one.
pub(super) fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) if is_within(address.into(), NAT64) => is_public_v4(last_four(address)),
        IpAddr::V6(address) => {
            is_within(address.into(), GLOBAL_V6)
                && NOT_PUBLIC_V6.iter().all(|network| is_outside(address.into(), network))
        }
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    NOT_PUBLIC_V4.iter().all(|network| is_outside(address.into(), network))
}

fn last_four(address: Ipv6Addr) -> Ipv4Addr {
    let [.., a, b, c, d] = address.octets();
    Ipv4Addr::new(a, b, c, d)
}

fn is_within(address: IpAddr, network: &str) -> bool {
    Network::parse(network).is_some_and(|network| network.contains(address))
}

/// No address is outside of a network that cannot be read.
fn is_outside(address: IpAddr, network: &str) -> bool {
    Network::parse(network).is_some_and(|network| !network.contains(address))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn public(text: &str) -> bool {
        is_public(text.parse().unwrap())
    }

    #[test]
    fn addresses_of_private_networks_and_of_this_machine_are_not_public() {
        for text in [
            "127.0.0.1",
            "127.255.255.255",
            "0.0.0.0",
            "10.0.0.0",
            "10.255.255.255",
            "172.16.0.0",
            "172.31.255.255",
            "192.168.0.1",
            "100.64.0.0",
            "100.127.255.255",
            "169.254.0.1",
            "169.254.169.254",
            "192.0.0.192",
            "192.0.2.1",
            "198.18.0.0",
            "198.19.255.255",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "fe80::1",
            "febf::1",
            "fc00::1",
            "fd00:ec2::254",
            "ff02::1",
            "2001:db8::1",
            "2001::1",
            "2002:0a00:0001::1",
            "3fff::1",
            "64:ff9b:1::1",
        ] {
            assert!(!public(text), "{text}");
        }
    }

    #[test]
    fn what_lies_beside_the_private_networks_is_public() {
        for text in [
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "1.1.1.1",
            "2001:200::1",
            "2606:4700::1111",
            "2a00::1",
        ] {
            assert!(public(text), "{text}");
        }
    }

    #[test]
    fn an_ipv6_address_that_stands_for_an_ipv4_address_is_judged_by_it() {
        for (text, is_public) in [
            ("::ffff:127.0.0.1", false),
            ("::ffff:169.254.169.254", false),
            ("::ffff:1.1.1.1", true),
            ("64:ff9b::10.0.0.1", false),
            ("64:ff9b::127.0.0.1", false),
            ("64:ff9b::1.1.1.1", true),
            ("::127.0.0.1", false),
            ("::1.1.1.1", false),
        ] {
            assert_eq!(public(text), is_public, "{text}");
        }
    }
}
