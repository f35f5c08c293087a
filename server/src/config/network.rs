//! An address, or a network of addresses in CIDR form.

use std::net::{IpAddr, Ipv6Addr};

/// Addresses that begin with the same bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    /// The bits; of an IPv4 network the mapped IPv6 address, so that a socket for both is compared rightly.
    first: u128,
    /// Those that do not count are 0.
    mask: u128,
}

impl Network {
    /// Reads `10.0.0.0/8`, `2001:db8::/32` or one address.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let (longest, before): (u32, u32) = if address.is_ipv4() { (32, 96) } else { (128, 0) };
        let length = match length {
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse::<u32>().ok()?,
            Some(_) => return None,
            None => longest,
        };
        if length > longest {
            return None;
        }
        let bits = length.saturating_add(before);
        let mask = u128::MAX.checked_shl(128_u32.saturating_sub(bits)).unwrap_or(0);
        Some(Self { first: number(address) & mask, mask })
    }

    /// Whether `address` is one of them.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        number(address) & self.mask == self.first
    }
}

fn number(address: IpAddr) -> u128 {
    let mapped: Ipv6Addr = match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    };
    mapped.to_bits()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(network: &str, address: &str) -> bool {
        Network::parse(network).unwrap().contains(address.parse().unwrap())
    }

    #[test]
    fn a_network_holds_the_addresses_that_begin_like_it() {
        assert!(holds("10.1.0.0/16", "10.1.255.7"));
        assert!(!holds("10.1.0.0/16", "10.2.0.0"));
        assert!(holds("10.1.0.0/16", "::ffff:10.1.2.3"));
        assert!(!holds("10.1.0.0/16", "::10.1.2.3"));
        assert!(holds("2001:db8::/32", "2001:db8:ffff::1"));
        assert!(!holds("2001:db8::/32", "2001:db9::1"));
        assert!(holds("0.0.0.0/0", "1.2.3.4"));
        assert!(!holds("0.0.0.0/0", "2001:db8::1"));
        assert!(holds("::/0", "2001:db8::1"));
    }

    #[test]
    fn an_address_alone_is_a_network_of_one() {
        assert!(holds("10.1.2.3", "10.1.2.3"));
        assert!(!holds("10.1.2.3", "10.1.2.4"));
        assert!(holds("::1", "::1"));
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in ["", "10.0.0.0/33", "::/129", "10.0.0/8", "10.0.0.0/", "10.0.0.0/+8", "proxy.example"] {
            assert_eq!(Network::parse(text), None, "{text}");
        }
    }
}
